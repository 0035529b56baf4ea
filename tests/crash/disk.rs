//! No room on the disk, then the database gone: never a 2xx for what is not kept, `/readyz` says so,
//! and both heal by themselves.
//!
//! The room is bounded by a limit on the size of files, set and lifted while the service runs; past
//! it a write fails with EFBIG, as past the disk's end with ENOSPC.

use std::{path::Path, process::Command, time::Duration};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{Outcome, burst, failed, process::Process, world::World};

/// How long a state is waited for. Reached only when it does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was asked and answered.
#[derive(Default)]
struct Asked {
    number: u128,
    accepted: usize,
    without_retry_after: usize,
}

pub(crate) async fn run(service: &Path, sandbox: &Path) -> Outcome<usize> {
    let settings = [("tribe.register_webhooks", "false")];
    let world = World::make(service, sandbox, 1, &settings).await?;
    // Whatever is kept stays, to be counted.
    let away = json!({"match": {"path": "/v1/odata/"}, "then": {"status": 503}});
    world.control(Method::POST, "faults", away).await?;
    let mut process = start(&world)?;
    world.answers(&mut process).await?;
    let mut asked = Asked::default();
    let mut checks: Vec<(&str, bool)> = Vec::new();

    let first = ask(&world, &mut asked, 20).await?;
    checks.push(("with room: 202", first == [StatusCode::ACCEPTED; 20]));
    checks.push(("with room: ready", ready(&world).await));

    // The file may grow by a few pages more.
    let log = world.service.folder.join("link.db-wal");
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    let most = size(&log).max(size(&world.service.database())) + (48 << 10);
    limit(&process, &most.to_string())?;
    let full = until(async || {
        let answers = ask(&world, &mut asked, 20).await?;
        Ok(answers.contains(&StatusCode::SERVICE_UNAVAILABLE))
    });
    checks.push(("no room: 503", full.await?));
    let red = until(async || Ok(!ready(&world).await)).await?;
    checks.push(("no room: not ready", red));
    let during = ask(&world, &mut asked, 200).await?;
    let honest = |status: &StatusCode| {
        matches!(
            *status,
            StatusCode::ACCEPTED | StatusCode::SERVICE_UNAVAILABLE
        )
    };
    checks.push(("no room: 202 or 503", during.iter().all(honest)));
    checks.push(("no room: it runs on", process.ended().is_none()));

    limit(&process, "unlimited")?;
    let green = until(async || Ok(ready(&world).await)).await?;
    checks.push(("room again: ready by itself", green));
    let again = ask(&world, &mut asked, 20).await?;
    checks.push(("room again: 202", again == [StatusCode::ACCEPTED; 20]));

    // The file is moved away under the running service, and back.
    let (here, there) = (
        world.service.database(),
        world.service.folder.join("moved.db"),
    );
    std::fs::rename(&here, &there).map_err(failed("moving the database"))?;
    let gone = ask(&world, &mut asked, 20).await?;
    checks.push((
        "database gone: 503",
        gone == [StatusCode::SERVICE_UNAVAILABLE; 20],
    ));
    checks.push(("database gone: not ready", !ready(&world).await));
    std::fs::rename(&there, &here).map_err(failed("moving the database"))?;
    let back = until(async || Ok(ready(&world).await)).await?;
    checks.push(("database back: ready by itself", back));
    let last = ask(&world, &mut asked, 20).await?;
    checks.push(("database back: 202", last == [StatusCode::ACCEPTED; 20]));
    checks.push((
        "every 503 says when to repeat",
        asked.without_retry_after == 0,
    ));

    process.kill();
    let stored = burst::stored(&world).await?;
    println!(
        "  {} acknowledged, {stored} kept after SIGKILL",
        asked.accepted
    );
    checks.push(("every 202 was kept", stored >= asked.accepted));

    for (what, holds) in &checks {
        println!("  {} {what}", if *holds { "ok  " } else { "FAIL" });
    }
    let bad = checks.iter().filter(|(_, holds)| !holds).count();
    println!("{} passed, {bad} failed", checks.len() - bad);
    if bad > 0 {
        println!("kept: {}", world.keep());
    }
    Ok(bad)
}

/// Starts the service so that it hears of the limit as of any failed write.
fn start(world: &World) -> Outcome<Process> {
    let mut command = Command::new("sh");
    world.service.dress(&mut command, None);
    command
        .arg("-c")
        .arg("trap '' XFSZ; exec \"$0\" serve")
        .arg(&world.service.binary);
    // Its log would be bounded as well.
    Process::start(&mut command, Path::new("/dev/null"))
}

/// Bounds the size of the files that a process writes.
fn limit(process: &Process, bytes: &str) -> Outcome<()> {
    let done = Command::new("prlimit")
        .args(["--pid", &process.id().to_string()])
        .arg(format!("--fsize={bytes}:unlimited"))
        .status()
        .map_err(failed("prlimit (package util-linux)"))?;
    match done.success() {
        true => Ok(()),
        false => Err(format!("prlimit: {done}")),
    }
}

async fn ready(world: &World) -> bool {
    let answer = world.api(Method::GET, "readyz", Value::Null).await;
    matches!(answer, Ok((StatusCode::OK, _)))
}

/// Signed webhooks, each about somebody else.
async fn ask(world: &World, asked: &mut Asked, many: usize) -> Outcome<Vec<StatusCode>> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()
        .map_err(failed("a client"))?;
    let mut answers = Vec::new();
    for _ in 0..many {
        asked.number += 1;
        let (signature, body) = burst::signed(world, asked.number);
        let answer = client
            .post(format!("{}/webhooks/tribe/default", world.service.origin))
            .header("x-tribe-signature", signature)
            .body(body)
            .send()
            .await
            .map_err(failed("a webhook"))?;
        let status = answer.status();
        asked.accepted += usize::from(status.is_success());
        let says_when = answer.headers().contains_key("retry-after");
        asked.without_retry_after +=
            usize::from(status == StatusCode::SERVICE_UNAVAILABLE && !says_when);
        answers.push(status);
    }
    Ok(answers)
}

/// Waits for a state; false when it does not come.
async fn until(mut look: impl AsyncFnMut() -> Outcome<bool>) -> Outcome<bool> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if look().await? {
            return Ok(true);
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(false)
}
