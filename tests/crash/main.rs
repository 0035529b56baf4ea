//! The real program against the real sandbox, killed again and again.
//!
//! `cargo test --test crash -- points --points 1000`, or `scripts/crash`.
//!
//! # Map
//! - here: what can be asked for, and the summary.
//! - [`process`]: the two processes. [`world`]: calls to both. [`people`]: what is typed on either
//!   side. [`judge`]: both sides compared at rest.
//! - [`points`]: deaths at named places and by the clock. [`burst`]: ten thousand notifications in
//!   ten seconds, then SIGKILL. [`disk`]: no room left, the database gone, and back again.

mod burst;
mod disk;
mod judge;
mod people;
mod points;
mod process;
mod world;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::{Parser, Subcommand};
use tokio::{task::JoinSet, time::Instant};

use points::{Campaign, Life};

/// What went wrong, in a sentence.
pub(crate) type Outcome<T> = Result<T, String>;

pub(crate) fn failed<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> String {
    move |error| format!("{what}: {error}")
}

#[derive(Parser)]
struct Args {
    /// The program under test; the one that was built with this harness when nothing is said.
    #[arg(long, global = true)]
    binary: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Kills the service at named places and by the clock, and compares.
    Points {
        /// How often it dies.
        #[arg(long, default_value_t = 25)]
        points: usize,
        /// The first world's seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How often it dies in one world.
        #[arg(long, default_value_t = 40)]
        per_world: usize,
        /// Worlds at once.
        #[arg(long, default_value_t = 4)]
        abreast: usize,
    },
    /// Ten thousand notifications in ten seconds, then SIGKILL.
    Burst {
        /// How many, half of them from each side.
        #[arg(long, default_value_t = 10_000)]
        events: usize,
        /// In how many seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Connections.
        #[arg(long, default_value_t = 32)]
        connections: usize,
    },
    /// No room on the disk, the database gone, and back again.
    Disk,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(args)),
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// How many checks failed.
async fn run(args: Args) -> Outcome<usize> {
    let folder = tempfile::tempdir().map_err(failed("a folder"))?;
    // A copy: the build folder may change under a run that takes long.
    let copy = |from: &Path, name: &str| -> Outcome<PathBuf> {
        let to = folder.path().join(name);
        std::fs::copy(from, &to).map_err(failed("the program"))?;
        Ok(to)
    };
    let built = Path::new(env!("CARGO_BIN_EXE_tribelink"));
    let sandbox = copy(built, "sandbox")?;
    let service = copy(args.binary.as_deref().unwrap_or(built), "service")?;
    match args.what {
        What::Points {
            points,
            seed,
            per_world,
            abreast,
        } => {
            let campaign = Campaign {
                service,
                sandbox,
                deaths: Arc::default(),
            };
            deaths(campaign, points, seed, per_world, abreast).await
        }
        What::Burst {
            events,
            seconds,
            connections,
        } => burst::run(&service, &sandbox, events, seconds, connections).await,
        What::Disk => disk::run(&service, &sandbox).await,
    }
}

async fn deaths(
    campaign: Campaign,
    points: usize,
    seed: u64,
    per_world: usize,
    abreast: usize,
) -> Outcome<usize> {
    let began = Instant::now();
    let worlds = points.div_ceil(per_world.max(1)).max(1);
    let share = |world: usize| points / worlds + usize::from(world < points % worlds);
    let mut waiting = (0..worlds).map(|world| (seed + world as u64, share(world)));
    let mut running: JoinSet<Life> = JoinSet::new();
    let mut lives: Vec<Life> = Vec::new();
    println!("{points} deaths in {worlds} worlds, {abreast} at once, seeds from {seed}");
    let mut tick = tokio::time::interval(Duration::from_secs(10));
    tick.tick().await;
    loop {
        while running.len() < abreast.max(1) {
            let Some((seed, share)) = waiting.next() else {
                break;
            };
            running.spawn(points::live(campaign.clone(), seed, share));
        }
        tokio::select! {
            ended = running.join_next() => match ended {
                None => break,
                Some(Ok(life)) => {
                    for finding in &life.findings {
                        println!("FOUND in world {}: {finding}", life.seed);
                    }
                    if let Some(kept) = &life.kept {
                        println!("  kept: {kept}");
                    }
                    lives.push(life);
                }
                Some(Err(error)) => return Err(error.to_string()),
            },
            _ = tick.tick() => progress(&campaign.deaths, points, &lives, worlds, began),
        }
    }
    Ok(summary(&lives, began))
}

fn progress(deaths: &AtomicU64, points: usize, lives: &[Life], worlds: usize, began: Instant) {
    let found: usize = lives.iter().map(|life| life.findings.len()).sum();
    println!(
        "{:5} s  {}/{points} deaths, {}/{worlds} worlds compared, {found} findings",
        began.elapsed().as_secs(),
        deaths.load(Ordering::Relaxed),
        lives.len(),
    );
}

fn summary(lives: &[Life], began: Instant) -> usize {
    let mut died: BTreeMap<&str, u64> = BTreeMap::new();
    for (place, count) in lives.iter().flat_map(|life| &life.died) {
        *died.entry(place).or_default() += count;
    }
    println!();
    for place in tribelink::crash::PLACES.iter().chain(&["by the clock"]) {
        println!("  {:20} {:5}", place, died.get(place).copied().unwrap_or(0));
    }
    let deaths: u64 = lives.iter().map(Life::deaths).sum();
    let edits: u64 = lives.iter().map(|life| life.edits).sum();
    let people: usize = lives.iter().map(|life| life.people).sum();
    let contacts: usize = lives.iter().map(|life| life.contacts).sum();
    let bad = lives
        .iter()
        .filter(|life| !life.findings.is_empty())
        .count();
    println!(
        "\n{deaths} deaths in {} s: {} worlds, {people} people, {contacts} contacts, {edits} edits",
        began.elapsed().as_secs(),
        lives.len(),
    );
    if bad == 0 {
        println!("0 lost, 0 doubled, 0 deleted, 0 parked, no token lost, a resync writes nothing");
    }
    println!("{} passed, {bad} failed", lives.len() - bad);
    bad
}
