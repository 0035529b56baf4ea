//! One seed from beginning to end.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tribelink::store::UserState;

use crate::{
    acts::{Actor, Sight},
    check::{calm, oracle},
    faults,
    model::Model,
    story::Story,
    world::{Setup, World},
};

/// What became of a seed.
pub(crate) struct Outcome {
    pub(crate) story: std::sync::Arc<Story>,
    pub(crate) wrong: Vec<String>,
}

/// Runs a seed.
pub(crate) fn run(seed: u64) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(one(seed))
}

fn draw(rng: &mut fastrand::Rng) -> Setup {
    let mut pairs = Vec::new();
    let conflict = ["tribe", "tribe", "outlook"][rng.usize(0..3)];
    pairs.push(("sync.conflict", conflict.to_owned()));
    if rng.u8(0..4) == 0 {
        pairs.push(("tribe.read", "sets".to_owned()));
    }
    Setup {
        users: rng.usize(1..4),
        people: rng.usize(2..9),
        latency_ms: [0, 20, 150][rng.usize(0..3)],
        pairs,
    }
}

async fn one(seed: u64) -> Outcome {
    let mut rng = fastrand::Rng::with_seed(seed);
    let setup = draw(&mut rng);
    let mut world = World::new(seed, &setup).await;
    world.tell(&format!("{setup:?}"));
    let mut model = Model::default();
    for person in &Sight::of(&world).people {
        model.learn(person);
        if oracle::has_derived_initials(person) {
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
    world.activate_all().await;
    world.pass(Duration::from_millis(rng.u64(0..120_000))).await;
    let faulty = rng.u8(0..5) > 0;
    if faulty {
        faults::arm(&world, &mut rng).await;
    }
    let steps = rng.usize(5..30);
    let mut wrong = Vec::new();
    for _ in 0..steps {
        step(&mut world, &mut model, &mut rng, faulty).await;
        wrong.extend(calm::doubles(&world, &model));
    }
    faults::disarm(&world).await;
    world.tell("edits and faults have stopped");
    settle(&mut world).await;
    wrong.extend(calm::judge(&world, &model).await);
    if wrong.is_empty() {
        wrong.extend(resync(&mut world, &model).await);
    }
    calm::count_rules(&world).await;
    wrong.extend(calm::doubles(&world, &model));
    wrong.extend(world.story.violations());
    wrong.sort();
    wrong.dedup();
    Outcome {
        story: std::sync::Arc::clone(&world.story),
        wrong,
    }
}

async fn step(world: &mut World, model: &mut Model, rng: &mut fastrand::Rng, faulty: bool) {
    let die = rng.u32(0..100);
    let mut actor = Actor { world, model, rng };
    match die {
        0..22 => actor.edit_tribe(None, false).await,
        22..44 => {
            actor.edit_outlook(None, false).await;
        }
        44..52 => {
            let same = actor.rng.bool();
            actor.collide(same).await;
        }
        52..56 => actor.there_and_back().await,
        56..59 => actor.edit_tribe(None, true).await,
        59..62 => {
            actor.edit_outlook(None, true).await;
        }
        62..68 => actor.add_extra().await,
        68..71 => actor.swap_addresses().await,
        71..77 => actor.shuffle_contact().await,
        77..79 => actor.restore_contact().await,
        79..83 => actor.reassign().await,
        83..88 => actor.upheaval().await,
        88..99 if faulty => faults::strike(world, rng).await,
        99 if faulty => faults::outage(world, rng).await,
        _ => {}
    }
    let wait = match rng.u8(0..10) {
        0..3 => 0,
        3..6 => rng.u64(0..3_000),
        6..9 => rng.u64(0..60_000),
        _ => rng.u64(0..600_000),
    };
    world.pass(Duration::from_millis(wait)).await;
    if rng.u8(0..10) == 0 {
        attend(world).await;
    }
}

/// What people do about users that wait for them.
async fn attend(world: &World) {
    for user in world.users.clone() {
        let path = |command: &str| format!("/api/v1/users/{}/{command}", user.id);
        match world.user(user.id).await.state {
            UserState::Paused => {
                world.tell("a user is resumed");
                world.ask(Method::POST, &path("resume"), json!({})).await;
            }
            UserState::Braked => {
                world.tell("a user is released");
                world.ask(Method::POST, &path("release"), json!({})).await;
            }
            UserState::NeedsConsent => {
                let (_, answer) = world.ask(Method::POST, &path("consent"), json!({})).await;
                if let Some(link) = answer["consent_url"].as_str() {
                    let done = world.sign_in(link, &user.address).await;
                    world.tell(&format!("a user signs in again: {done}"));
                }
            }
            _ => {}
        }
    }
}

/// Lets time run until everything should have come to rest.
async fn settle(world: &mut World) {
    if !world.is_running() {
        world.start().await;
    }
    for _ in 0..6 {
        world.pass(Duration::from_secs(300)).await;
        attend(world).await;
    }
    for _ in 0..20 {
        if world.is_idle() {
            return;
        }
        world.pass(Duration::from_secs(7)).await;
    }
}

/// A resync of what is in step writes nothing.
async fn resync(world: &mut World, model: &Model) -> Vec<String> {
    let before = world.watch.writes();
    world.tell("everybody is resynced");
    for user in world.users.clone() {
        let path = format!("/api/v1/users/{}/resync", user.id);
        let (status, answer) = world.ask(Method::POST, &path, json!({})).await;
        assert!(status.is_success(), "{status} {answer}");
    }
    world.pass(Duration::from_secs(300)).await;
    let after = world.watch.writes();
    let mut wrong = calm::judge(world, model).await;
    if before != after {
        wrong.push(format!(
            "a resync of what was in step wrote {before:?} -> {after:?}"
        ));
    }
    wrong
}
