//! One script from beginning to end.

use std::{sync::Arc, time::Duration};

use http::Method;
use serde_json::json;
use tribelink::store::UserState;

use crate::{
    acts::{self, Sight},
    check::{calm, coverage},
    faults,
    model::Model,
    process::Strike,
    script::Script,
    story::Story,
    world::World,
};

/// Calls of the store: so many in all, and so many more a second.
const STORE_CALLS: (u64, u64) = (30_000, 10);

/// Calls of the remotes: so many in all, and one more every so many seconds.
const REMOTE_CALLS: (u64, u64) = (5_000, 3);

/// What became of a script.
pub(crate) struct Outcome {
    pub(crate) story: Arc<Story>,
    pub(crate) wrong: Vec<String>,
    /// Calls across the ports from the first step to the end: of the remotes, and of the store.
    pub(crate) calls: (u64, u64),
}

impl Outcome {
    pub(crate) fn fails(&self) -> bool {
        !self.wrong.is_empty()
    }
}

/// Calls to be struck, by their number from the first step on.
#[derive(Clone, Default)]
pub(crate) struct Strikes {
    pub(crate) remote: Vec<(u64, Strike)>,
    pub(crate) store: Vec<(u64, Strike)>,
}

/// Runs a seed.
pub(crate) fn run(seed: u64) -> Outcome {
    play(&Script::draw(seed), &Strikes::default())
}

/// Plays a script.
pub(crate) fn play(script: &Script, strikes: &Strikes) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(one(script, strikes))
}

async fn one(script: &Script, strikes: &Strikes) -> Outcome {
    let mut world = World::new(script).await;
    let mut model = Model::default();
    for person in &Sight::of(&world).people {
        model.learn(person);
        let id = person["ID"].as_str().unwrap_or_default();
        model.known.insert(id.to_owned());
        if !person["Initials"].is_null() {
            model
                .derived
                .insert(person["ID"].as_str().unwrap_or_default().to_owned());
        }
    }
    {
        let choices = world
            .control(Method::GET, "/tribe/choices", json!({}))
            .await;
        model.learn(&choices["organizations"]);
    }
    model.is_lossy = !script.is_quiet();
    model.holds_conflicts = script.setup.says("sync.conflict") == Some("hold");
    let chance = &mut fastrand::Rng::with_seed(script.seed);
    for _ in 0..script.setup.own_contacts {
        acts::own_twin(&mut world, &mut model, chance).await;
    }
    world.activate_all().await;
    world
        .pass(Duration::from_millis(script.setup.lead_ms))
        .await;
    faults::arm(&mut world, &script.faults).await;
    let began = (world.fate.remote.made(), world.fate.store.made());
    for (call, how) in &strikes.remote {
        world.fate.remote.strike(began.0 + call, *how);
    }
    for (call, how) in &strikes.store {
        world.fate.store.strike(began.1 + call, *how);
    }
    // Whether an answer with tokens may have been lost.
    let struck = !(strikes.remote.is_empty() && strikes.store.is_empty());
    let lossy = struck || !script.is_quiet();
    let mut wrong = Vec::new();
    let mut created = 0;
    for step in &script.steps {
        let chance = &mut fastrand::Rng::with_seed(u64::from(step.chance));
        acts::perform(&mut world, &mut model, step.act, chance).await;
        world.pass(Duration::from_millis(step.wait_ms)).await;
        // Only a create can double.
        if created != world.watch.creates() {
            created = world.watch.creates();
            wrong.extend(calm::doubles(&world, &model));
        }
        if step.attend {
            attend(&mut world, &model, lossy).await;
        }
    }
    if !struck {
        faults::disarm(&mut world).await;
    }
    world.tell("edits and faults have stopped");
    let calls = (
        world.fate.remote.made() - began.0,
        world.fate.store.made() - began.1,
    );
    if !lossy {
        // Where nothing went wrong, no look in passing is needed.
        world.pass(Duration::from_secs(180)).await;
        wrong.extend(calm::judge_soon(&world, &model, script).await);
    }
    settle(&mut world, &model, lossy).await;
    faults::disarm(&mut world).await;
    wrong.extend(calm::judge(&world, &model, script).await);
    // What waits for a sweep is found by a resync.
    let waits = script.setup.is_sweepless() && model.waits_for_a_sweep();
    if wrong.is_empty() && !waits {
        model.vanished = false;
        wrong.extend(resync(&mut world, &model, script).await);
    }
    coverage::count_rules(&world, &model).await;
    wrong.extend(calm::doubles(&world, &model));
    wrong.extend(world.story.violations());
    wrong.sort();
    wrong.dedup();
    world
        .story
        .count_many("remote calls", world.fate.remote.made());
    world
        .story
        .count_many("store calls", world.fate.store.made());
    let seconds = u64::try_from(world.at() / 1_000).unwrap_or(0);
    world.story.count_many("simulated seconds", seconds);
    // Nobody asks without end: not the store, and not a remote that is away.
    let (asked, called) = (world.fate.store.made(), world.fate.remote.made());
    if asked > STORE_CALLS.0 + seconds * STORE_CALLS.1 {
        wrong.push(format!("the store was asked {asked} times in {seconds} s"));
    }
    if called > REMOTE_CALLS.0 + seconds / REMOTE_CALLS.1 {
        wrong.push(format!("remotes were called {called} times in {seconds} s"));
    }
    Outcome {
        calls,
        story: Arc::clone(&world.story),
        wrong,
    }
}

/// What people do about users that wait for them.
async fn attend(world: &mut World, model: &Model, may_lose_consent: bool) {
    for (number, user) in world.users.clone().into_iter().enumerate() {
        let path = |command: &str| format!("/api/v1/users/{}/{command}", user.id);
        let state = world.user(user.id).await.state;
        let link = match state {
            UserState::Paused => {
                world.tell("a user is resumed");
                world.story.count("rule R19");
                world.ask(Method::POST, &path("resume"), json!({})).await;
                continue;
            }
            UserState::Braked => {
                world.tell("a user is released");
                world.story.count("rule R17");
                world.ask(Method::POST, &path("release"), json!({})).await;
                continue;
            }
            UserState::NeedsConsent => {
                if !may_lose_consent {
                    let text = format!("{} must sign in again, and nothing was lost", user.address);
                    world.story.violation(world.at(), &text);
                }
                world.story.count("rule R21");
                let (_, answer) = world.ask(Method::POST, &path("consent"), json!({})).await;
                answer["consent_url"].as_str().map(str::to_owned)
            }
            UserState::Disconnected if !model.left.contains(&number) => {
                world.story.count("rule R20");
                let body = json!({"employee_email": user.address, "start": true});
                let (_, answer) = world.ask(Method::POST, "/api/v1/users", body).await;
                world.watch.connected(&user.address);
                answer["consent_url"].as_str().map(str::to_owned)
            }
            UserState::Invited => {
                let (_, answer) = world.ask(Method::POST, &path("consent"), json!({})).await;
                answer["consent_url"].as_str().map(str::to_owned)
            }
            UserState::Consented => {
                world.ask(Method::POST, &path("start"), json!({})).await;
                None
            }
            _ => None,
        };
        if let Some(link) = link {
            let done = world.sign_in(&link, &user.address).await;
            world.tell(&format!("{} signs in again: {done}", user.address));
        }
    }
    for id in world.held().await {
        let way = if id % 2 == 0 { "accept" } else { "reject" };
        let path = format!("/api/v1/held/{id}/{way}");
        let (status, _) = world.ask(Method::POST, &path, json!({})).await;
        world.tell(&format!("held {id}: {way} {status}"));
    }
}

/// Lets time run until everything should have come to rest.
async fn settle(world: &mut World, model: &Model, may_lose_consent: bool) {
    world.start_all().await;
    for _ in 0..6 {
        world.pass(Duration::from_secs(300)).await;
        attend(world, model, may_lose_consent).await;
    }
    for _ in 0..20 {
        if world.is_idle() {
            return;
        }
        world.pass(Duration::from_secs(7)).await;
    }
}

/// A resync of what is in step writes nothing.
async fn resync(world: &mut World, model: &Model, script: &Script) -> Vec<String> {
    let before = world.watch.writes();
    world.tell("everybody is resynced");
    for user in world.users.clone() {
        if world.user(user.id).await.state != UserState::Live {
            continue;
        }
        let path = format!("/api/v1/users/{}/resync", user.id);
        let (status, answer) = world.ask(Method::POST, &path, json!({})).await;
        assert!(status.is_success(), "{status} {answer}");
    }
    world.pass(Duration::from_secs(90)).await;
    let after = world.watch.writes();
    let mut wrong = calm::judge(world, model, script).await;
    if before != after {
        wrong.push(format!(
            "a resync of what was in step wrote {before:?} -> {after:?}"
        ));
    } else if before != (0, 0) {
        world.story.count("rule R14");
    }
    wrong
}
