//! The first sync of a thousand people: how many requests, and none too many at once.

use std::collections::BTreeSet;

use serde_json::json;
use tribelink_sandbox::calls::Entry;

use crate::{
    hands::{INDIVIDUAL, PERSON, text},
    world::{Setup, World},
};

const PEOPLE: usize = 1_000;

/// People made in the sandbox's own memory: a thousand control calls would be most of the test.
fn populate(world: &World, number: usize) {
    use tribelink_sandbox::tribe::write;
    let employee = world.mailbox(0).employee;
    let mut state = world.sandbox.ctx.lock();
    for n in 0..number {
        let person = json!({
            "FirstName": "Anna", "LastName": format!("Jansen {n}"), "EmailAddress": format!("anna{n}@prive.example"),
        });
        let person = write::create(&mut state, PERSON, person.as_object().unwrap()).unwrap();
        let tie = json!({"Person": {"ID": person}, "AccountManager": {"ID": employee}});
        write::create(&mut state, INDIVIDUAL, tie.as_object().unwrap()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_people_take_few_requests_and_a_second_run_writes_nothing() {
    let mut world = World::prepare(Setup::default()).await;
    populate(&world, PEOPLE);
    world.serve().await;
    let mailbox = world.mailbox(0);
    world.clear_calls();
    let user = world.live(&mailbox).await;
    assert_eq!(world.contacts(&mailbox).await.len(), PEOPLE);
    let count = world.count();
    println!("first sync of {PEOPLE}: {count:?}");
    let pages = PEOPLE.div_ceil(1_000);
    assert!(
        count.graph_requests <= PEOPLE / 20 + pages + 12,
        "{count:?}"
    );
    let calls = world.calls();
    let own = calls.iter().filter(|call| call.by == mailbox.address);
    assert!(own.clone().count() > PEOPLE / 20);
    assert!(own.clone().all(|call| call.in_flight <= 4));
    assert!(calls.iter().all(|call| call.status != Some(429)));
    // Tribe is read a hundred people at a time, and mostly while the hundred before are written.
    let reads_people =
        |call: &Entry| call.side == "tribe" && call.path.starts_with("/v1/odata/Relation_Person?");
    assert_eq!(
        calls.iter().filter(|call| reads_people(call)).count(),
        PEOPLE / 100
    );
    let (mut read, mut written, mut ahead) = (0, 0, 0);
    for call in &calls {
        written += usize::from(call.path == "/v1.0/$batch");
        if reads_people(call) {
            ahead += usize::from(written < read / 20);
            read += 100;
        }
    }
    assert!(
        ahead > 0,
        "Tribe was read only after each hundred was written"
    );
    assert!(count.tribe_reads <= PEOPLE / 100 * 2 + 20, "{count:?}");
    assert_eq!(count.tribe_writes, 0);
    world.clear_calls();
    world
        .post(&format!("/users/{user}/resync"), json!({}))
        .await;
    world
        .eventually("it was looked", async || {
            (world.count().graph_reads > 0).then_some(())
        })
        .await;
    world.quiet().await;
    let count = world.count();
    println!("second run: {count:?}");
    assert_eq!((count.graph_writes, count.tribe_writes), (0, 0));
    assert!(count.graph_requests <= pages + 12, "{count:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_syncs_that_begin_together_share_a_roll() {
    const USERS: usize = 8;
    let mut world = World::prepare(Setup {
        users: USERS,
        ..Setup::default()
    })
    .await;
    populate(&world, 20);
    world.serve().await;
    let mut users = Vec::new();
    for number in 0..USERS {
        let user = world.activate(&world.mailbox(number), false).await;
        world.state(&user, "consented").await;
        users.push(user);
    }
    world.quiet().await;
    world.clear_calls();
    // Slow enough that all have begun before the first has its roll.
    world.sandbox.ctx.lock().options.latency.tribe_ms = 300;
    for user in &users {
        world.post(&format!("/users/{user}/start"), json!({})).await;
    }
    for user in &users {
        world.state(user, "live").await;
    }
    let set = format!("/v1/odata/{}?", INDIVIDUAL.replace('.', "_"));
    // The first page of the whole set.
    let begins_a_roll = |call: &&Entry| {
        let first = call.path.contains("$skip=0") && !call.path.contains("$filter");
        call.side == "tribe" && call.path.starts_with(&set) && first
    };
    let rolls = world.calls().iter().filter(begins_a_roll).count();
    assert!(
        (1..USERS).contains(&rolls),
        "{rolls} rolls\n{:#?}",
        world.lines()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_the_middle_doubles_nobody() {
    for crash in [false, true] {
        let mut world = World::prepare(Setup::with(&[("worker.lease", "3s")])).await;
        populate(&world, 120);
        world.serve().await;
        let mailbox = world.mailbox(0);
        // Slow enough that the middle can be met.
        world.sandbox.ctx.lock().options.latency.graph_ms = 40;
        let user = world.activate(&mailbox, true).await;
        world
            .eventually("some are there", async || {
                let there = world.contacts(&mailbox).await.len();
                (there > 10).then_some(())
            })
            .await;
        if crash {
            world.crash().await;
        } else {
            world.stop().await;
        }
        let there = world.contacts(&mailbox).await.len();
        assert!(there < 120, "the middle was missed: {there}");
        world.sandbox.ctx.lock().options.latency.graph_ms = 0;
        world.serve().await;
        // An intended create of unknown outcome is looked for over a minute before it is repeated.
        world
            .eventually("the first sync goes on", async || {
                world.pass_time(std::time::Duration::from_secs(5));
                let shown = world.get(&format!("/users/{user}")).await;
                (shown["state"] == "live" && shown["backlog"] == 0).then_some(())
            })
            .await;
        world.quiet().await;
        let contacts = world.contacts(&mailbox).await;
        let names: BTreeSet<String> = contacts.iter().map(|one| text(one, "surname")).collect();
        assert_eq!((names.len(), contacts.len()), (120, 120), "crash: {crash}");
        let links = world.links(&user).await;
        assert!(links.iter().all(|link| link["state"] == "linked"));
    }
}
