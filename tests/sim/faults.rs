//! What goes wrong: rules for calls and hints, and blows to the world as a whole.

use std::{sync::atomic::Ordering, time::Duration};

use http::Method;
use serde_json::{Value, json};

use crate::world::World;

/// Rules that hold for the whole faulty phase.
pub(crate) async fn arm(world: &World, rng: &mut fastrand::Rng) {
    let mut rules: Vec<(&str, Value)> = Vec::new();
    let mut share = |percent: u32| f64::from(rng.u32(1..=percent)) / 100.0;
    let calls = [
        (
            "fail before",
            json!({"then": {"cut": "before"}, "share": share(8)}),
        ),
        (
            "applied, answer lost",
            json!({"then": {"cut": "after"}, "share": share(8)}),
        ),
        (
            "slow",
            json!({"then": {"delay_ms": 4_000}, "share": share(8)}),
        ),
        (
            "very slow",
            json!({"then": {"delay_ms": 40_000}, "share": share(2)}),
        ),
        (
            "truncated",
            json!({"then": {"truncate": 40}, "share": share(6)}),
        ),
        (
            "429",
            json!({"match": {"path": "/v1"}, "then": {"status": 429, "retry_after": 7}, "share": share(6)}),
        ),
        ("503", json!({"then": {"status": 503}, "share": share(8)})),
        (
            "503 with Retry-After",
            json!({"match": {"path": "/v1"}, "then": {"status": 503, "retry_after": 3}, "share": share(5)}),
        ),
        (
            "401",
            json!({"match": {"path": "/v1"}, "then": {"status": 401}, "share": share(4)}),
        ),
        (
            "spurious 412",
            json!({"match": {"method": "PATCH", "path": "/v1.0/"}, "then": {"status": 412}, "share": share(12)}),
        ),
        (
            "stale read",
            json!({"match": {"method": "GET"}, "then": {"stale_ms": 8_000}, "share": share(12)}),
        ),
        (
            "hints lost",
            json!({"hints": {"source": "tribe", "drop": true}, "share": share(60)}),
        ),
        (
            "notices lost",
            json!({"hints": {"source": "graph", "drop": true}, "share": share(60)}),
        ),
        (
            "hints doubled",
            json!({"hints": {"source": "tribe", "duplicate": true}, "share": share(40)}),
        ),
        (
            "notices doubled",
            json!({"hints": {"source": "graph", "duplicate": true}, "share": share(40)}),
        ),
        (
            "hints late",
            json!({"hints": {"source": "tribe", "delay_ms": 90_000}, "share": share(30)}),
        ),
        (
            "notices late",
            json!({"hints": {"source": "graph", "delay_ms": 90_000}, "share": share(30)}),
        ),
        (
            "hints out of order",
            json!({"hints": {"source": "tribe", "reorder": true}, "share": share(50)}),
        ),
        (
            "notices out of order",
            json!({"hints": {"source": "graph", "reorder": true}, "share": share(50)}),
        ),
    ];
    for (name, rule) in calls {
        if rng.u8(0..10) < 4 {
            rules.push((name, rule));
        }
    }
    for (name, rule) in rules {
        world.story.count(&format!("armed {name}"));
        world.tell(&format!("from now on: {name} {}", rule["share"]));
        world.control(Method::POST, "/faults", rule).await;
    }
}

/// How often each rule struck, for coverage; then none is left.
pub(crate) async fn disarm(world: &World) {
    let all = world.control(Method::GET, "/faults", Value::Null).await;
    for fault in all["faults"].as_array().into_iter().flatten() {
        for _ in 0..fault["hits"].as_u64().unwrap_or(0).min(1) {
            let rule = &fault["rule"];
            let what = rule
                .get("hints")
                .or(rule.get("then"))
                .cloned()
                .unwrap_or_default();
            let what: Vec<String> = what
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(_, value)| !value.is_null() && **value != json!(false))
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            world.story.count(&format!("fault {}", what.join(" ")));
        }
    }
    world.control(Method::DELETE, "/faults", Value::Null).await;
    world.transport.dies_after.store(0, Ordering::Relaxed);
}

/// One blow.
pub(crate) async fn strike(world: &mut World, rng: &mut fastrand::Rng) {
    let user = world.users[rng.usize(0..world.users.len())].clone();
    let mailbox = json!({"mailbox": user.address});
    let name = match rng.u8(0..14) {
        0 | 1 => {
            world.tell("the service dies");
            world.crash().await;
            tokio::time::sleep(Duration::from_millis(rng.u64(100..60_000))).await;
            world.start().await;
            world.tell("the service starts again");
            return;
        }
        2..=4 => {
            let calls = rng.u64(1..12);
            world.transport.dies_after.store(calls, Ordering::Relaxed);
            format!("the service will die after {calls} calls")
        }
        5 => {
            let ms = rng.i64(-90_000..90_000);
            world.service_clock.jump(ms);
            world.watch.clock_moved();
            format!("the service's clock jumps by {ms} ms")
        }
        6 => {
            world
                .control(Method::POST, "/microsoft/expire", mailbox)
                .await;
            "access tokens end".to_owned()
        }
        7 => {
            world
                .control(Method::POST, "/graph/expire-delta", mailbox)
                .await;
            "delta tokens end".to_owned()
        }
        8 | 9 => {
            let event = ["subscriptionRemoved", "missed", "reauthorizationRequired"];
            let event = event[rng.usize(0..event.len())];
            let body = json!({"mailbox": user.address, "event": event});
            world
                .try_control(Method::POST, "/graph/lifecycle", body)
                .await;
            event.to_owned()
        }
        10 => {
            world
                .control(Method::POST, "/microsoft/revoke", mailbox)
                .await;
            "consent is revoked".to_owned()
        }
        11 => {
            let rule = json!({
                "match": {"path": "/v1.0/"}, "then": {"status": 429, "retry_after": 20},
                "count": rng.u64(5..40),
            });
            world.control(Method::POST, "/faults", rule).await;
            "a storm of 429".to_owned()
        }
        12 => {
            // Old letters once more.
            let sent: Vec<_> = world.post.sent.lock().expect("the letters").clone();
            let mut state = world.remotes.lock();
            for _ in 0..rng.usize(1..6) {
                if let Some(letter) = sent.get(rng.usize(0..sent.len().max(1))) {
                    let mut letter = letter.clone();
                    letter.not_before_ms = 0;
                    letter.attempt = 1;
                    state.send_again(letter);
                }
            }
            "old hints are replayed".to_owned()
        }
        _ => {
            let body = json!({});
            let path = format!("/api/v1/users/{}/pause", user.id);
            world.ask(Method::POST, &path, body).await;
            "a user is paused".to_owned()
        }
    };
    world.story.count(&format!(
        "fault {}",
        name.split(|c: char| c.is_ascii_digit())
            .next()
            .unwrap_or("")
    ));
    world.tell(&name);
}

/// One remote is down for a day.
pub(crate) async fn outage(world: &mut World, rng: &mut fastrand::Rng) {
    let path = ["/v1/", "/v1.0/", "/oauth2/"][rng.usize(0..3)];
    world.tell(&format!("{path} is down for a day"));
    world.story.count("fault outage");
    let rule = json!({"match": {"path": path}, "then": {"status": 503}});
    let added = world.control(Method::POST, "/faults", rule).await;
    world.pass(Duration::from_secs(24 * 3600)).await;
    world
        .control(
            Method::DELETE,
            &format!("/faults/{}", added["id"]),
            Value::Null,
        )
        .await;
    world.tell(&format!("{path} is back"));
}
