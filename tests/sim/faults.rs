//! What goes wrong: rules for calls and hints that hold all along, and blows to the world as a whole.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    acts::Act,
    process::{Commit, Strike},
    world::World,
};

/// The one fault that the network makes rather than the sandbox.
const ROWS_MISSING: &str = "rows-missing";

/// A fault that holds from the first step to the last.
pub(crate) struct Standing {
    pub(crate) name: &'static str,
    /// Of 1,000 calls or hints, at most so many.
    pub(crate) most: u32,
    rule: &'static str,
}

const fn standing(name: &'static str, most: u32, rule: &'static str) -> Standing {
    Standing { name, most, rule }
}

/// All of them; a rule is one of the sandbox's, its share aside.
pub(crate) const STANDING: &[&Standing] = &[
    &standing("fail-before", 80, r#"{"then":{"cut":"before"}}"#),
    &standing("applied-then-lost", 80, r#"{"then":{"cut":"after"}}"#),
    &standing("delayed", 80, r#"{"then":{"delay_ms":4000}}"#),
    &standing(
        "delayed-past-the-limit",
        20,
        r#"{"then":{"delay_ms":40000}}"#,
    ),
    &standing("truncated", 60, r#"{"then":{"truncate":40}}"#),
    &standing(
        "429",
        60,
        r#"{"match":{"path":"/v1"},"then":{"status":429,"retry_after":7}}"#,
    ),
    &standing("503", 80, r#"{"then":{"status":503}}"#),
    &standing(
        "503-retry-after",
        50,
        r#"{"match":{"path":"/v1"},"then":{"status":503,"retry_after":3}}"#,
    ),
    &standing(
        "401",
        40,
        r#"{"match":{"path":"/v1"},"then":{"status":401}}"#,
    ),
    &standing(
        "412",
        120,
        r#"{"match":{"method":"PATCH","path":"/v1.0/"},"then":{"status":412}}"#,
    ),
    &standing(
        "stale-tribe",
        120,
        r#"{"match":{"method":"GET","path":"/v1/"},"then":{"stale_ms":8000}}"#,
    ),
    &standing(
        "stale-graph",
        120,
        r#"{"match":{"method":"GET","path":"/v1.0/"},"then":{"stale_ms":8000}}"#,
    ),
    &standing(
        "delta-410",
        120,
        r#"{"match":{"method":"GET","path":"delta"},"then":{"status":410}}"#,
    ),
    &standing(ROWS_MISSING, 300, "{}"),
    &standing(
        "hints-dropped",
        600,
        r#"{"hints":{"source":"tribe","drop":true}}"#,
    ),
    &standing(
        "notices-dropped",
        600,
        r#"{"hints":{"source":"graph","drop":true}}"#,
    ),
    &standing(
        "hints-doubled",
        400,
        r#"{"hints":{"source":"tribe","duplicate":true}}"#,
    ),
    &standing(
        "notices-doubled",
        400,
        r#"{"hints":{"source":"graph","duplicate":true}}"#,
    ),
    &standing(
        "hints-held",
        300,
        r#"{"hints":{"source":"tribe","delay_ms":90000}}"#,
    ),
    &standing(
        "notices-held",
        300,
        r#"{"hints":{"source":"graph","delay_ms":90000}}"#,
    ),
    &standing(
        "hints-swapped",
        500,
        r#"{"hints":{"source":"tribe","reorder":true}}"#,
    ),
    &standing(
        "notices-swapped",
        500,
        r#"{"hints":{"source":"graph","reorder":true}}"#,
    ),
];

/// Sets up what holds all along.
pub(crate) async fn arm(world: &mut World, faults: &[(String, u32)]) {
    for (name, share) in faults {
        let known = STANDING.iter().find(|fault| fault.name == name);
        let known = known.unwrap_or_else(|| panic!("there is no fault {name}"));
        if *name == ROWS_MISSING {
            world.tell(&format!("from now on: {name}, {share} of 1,000"));
            let rng = fastrand::Rng::with_seed(u64::from(*share));
            *world.fate.rows_missing.lock().expect("the draw") = Some((*share, rng));
            continue;
        }
        let mut rule: Value = serde_json::from_str(known.rule).expect("a rule");
        rule["share"] = json!(f64::from(*share) / 1_000.0);
        world.tell(&format!("from now on: {name}, {share} of 1,000"));
        let added = world.control(Method::POST, "/faults", rule).await;
        world
            .armed
            .insert(added["id"].as_u64().unwrap_or_default(), known.name);
    }
}

/// Counts which rules struck; then none is left.
pub(crate) async fn disarm(world: &mut World) {
    let all = world.control(Method::GET, "/faults", Value::Null).await;
    for fault in all["faults"].as_array().into_iter().flatten() {
        let id = fault["id"].as_u64().unwrap_or_default();
        let struck = fault["hits"].as_u64().unwrap_or_default() > 0;
        if let (true, Some(name)) = (struck, world.armed.get(&id)) {
            world.story.count(&format!("fault {name}"));
        }
    }
    world.control(Method::DELETE, "/faults", Value::Null).await;
    *world.fate.rows_missing.lock().expect("the draw") = None;
    world.fate.remote.clear();
    world.fate.store.clear();
    *world.fate.ambush.lock().expect("the ambush") = None;
    world.thaw();
}

/// One blow.
pub(crate) async fn strike(world: &mut World, act: Act, rng: &mut fastrand::Rng) {
    let user = world.users[rng.usize(0..world.users.len())].clone();
    let mailbox = json!({"mailbox": user.address});
    let lifecycle = |event: &str| json!({"mailbox": user.address, "event": event});
    let name = act.name();
    let mut struck = true;
    match act {
        Act::Crash => {
            let process = rng.usize(0..world.size());
            world.tell("the service dies");
            world.crash(process).await;
            tokio::time::sleep(Duration::from_millis(rng.u64(100..60_000))).await;
            world.start(process).await;
            world.tell("the service starts again");
        }
        Act::DieAfter => {
            let how = [Strike::DieBefore, Strike::DieAfter][rng.usize(0..2)];
            let (calls, place) = if rng.bool() {
                (&world.fate.remote, "remote")
            } else {
                (&world.fate.store, "store")
            };
            let count = rng.u64(1..30);
            calls.strike_soon(count, how);
            world.tell(&format!(
                "the service will die: {how:?} {place} call {count}"
            ));
        }
        Act::Ambush => {
            let kind = Commit::ALL[rng.usize(0..Commit::ALL.len())];
            let how = Strike::ALL[rng.usize(0..Strike::ALL.len())];
            *world.fate.ambush.lock().expect("the ambush") = Some((kind, how));
            world.tell(&format!("the next commit of {kind:?} meets {how:?}"));
        }
        Act::StoreFails => {
            let how = [Strike::Before, Strike::After][rng.usize(0..2)];
            let (first, count) = (rng.u64(1..20), rng.u64(1..4));
            for call in first..first + count {
                world.fate.store.strike_soon(call, how);
            }
            world.tell(&format!("{count} calls of the store fail {how:?}"));
        }
        Act::Freeze => {
            let process = rng.usize(0..world.size());
            let long = Duration::from_millis(rng.u64(20_000..90_000));
            world.freeze(process, Instant::now() + long);
            world.tell(&format!("process {process} stands still for {long:?}"));
        }
        Act::ClockJump => {
            let ms = rng.i64(-90_000..90_000);
            world.service_clock.jump(ms);
            world.watch.clock_moved();
            world.tell(&format!("the service's clock jumps by {ms} ms"));
        }
        Act::TokensEnd => {
            world
                .control(Method::POST, "/microsoft/expire", mailbox)
                .await;
            world.tell("access tokens end");
        }
        Act::DeltaEnds => {
            world
                .control(Method::POST, "/graph/expire-delta", mailbox)
                .await;
            world.tell("delta tokens end");
        }
        Act::SubscriptionRemoved | Act::NoticesMissed | Act::Reauthorize => {
            let event = match act {
                Act::SubscriptionRemoved => "subscriptionRemoved",
                Act::NoticesMissed => "missed",
                _ => "reauthorizationRequired",
            };
            let (status, _) = world
                .try_control(Method::POST, "/graph/lifecycle", lifecycle(event))
                .await;
            struck = status.is_success();
            world.tell(event);
        }
        Act::SubscriptionVanishes => {
            let event = lifecycle("subscriptionRemoved");
            let (status, _) = world
                .try_control(Method::POST, "/graph/lifecycle", event)
                .await;
            struck = status.is_success();
            let told = |url: &str| url.ends_with("/lifecycle");
            world
                .remotes
                .lock()
                .outbox
                .retain(|letter| !told(&letter.url));
            world.tell("a subscription is gone, and nobody says so");
        }
        Act::Revoke => {
            world
                .control(Method::POST, "/microsoft/revoke", mailbox)
                .await;
            world.tell("consent is revoked");
        }
        Act::Storm => {
            let rule = json!({
                "match": {"path": "/v1.0/"}, "then": {"status": 429, "retry_after": 20},
                "count": rng.u64(5..40),
            });
            world.control(Method::POST, "/faults", rule).await;
            world.tell("a storm of 429");
        }
        Act::Replay => {
            // Old letters once more.
            let sent: Vec<_> = world.post.sent.lock().expect("the letters").clone();
            struck = !sent.is_empty();
            let mut state = world.remotes.lock();
            for _ in 0..rng.usize(1..6) {
                if let Some(letter) = sent.get(rng.usize(0..sent.len().max(1))) {
                    let mut letter = letter.clone();
                    letter.not_before_ms = 0;
                    letter.attempt = 1;
                    state.send_again(letter);
                }
            }
            drop(state);
            world.tell("old hints are replayed");
        }
        Act::Outage => outage(world, rng).await,
        other => unreachable!("{} is no fault", other.name()),
    }
    if struck {
        world.story.count(&format!("fault {name}"));
    }
}

/// One remote is down for a day.
async fn outage(world: &mut World, rng: &mut fastrand::Rng) {
    let path = ["/v1/", "/v1.0/", "/oauth2/"][rng.usize(0..3)];
    world.tell(&format!("{path} is down for a day"));
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
