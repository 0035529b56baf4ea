//! Who is asked to rest rests altogether; what stands in the way of others is set aside; who is told to
//! end records first.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tribelink::{
    clock::Clock as _,
    store::{Change, Guard, NewHint, Source, Target},
};
use tribelink_plan::ids::EnvironmentId;
use tribelink_sandbox::calls::Entry;

use crate::{
    hands::{Card, text},
    world::{Mailbox, Setup, World},
};

/// A live user with so many people in both places.
async fn some(number: usize) -> (World, Mailbox, String, Vec<(Card, String)>) {
    let world = World::start(Setup::default()).await;
    let mailbox = world.mailbox(0);
    let mut cards = Vec::new();
    for n in 0..number {
        cards.push(world.somebody(&mailbox, n).await);
    }
    let user = world.live(&mailbox).await;
    let mut all = Vec::new();
    for (n, card) in cards.into_iter().enumerate() {
        let contact = world.contact(&mailbox, &format!("Jansen {n}")).await;
        all.push((card, text(&contact.unwrap(), "immutableId")));
    }
    (world, mailbox, user, all)
}

/// Edits everybody while the user is paused, so that one pass takes all of it.
async fn edit_all(world: &World, user: &str, all: &[(Card, String)], name: &str) {
    world.post(&format!("/users/{user}/pause"), json!({})).await;
    for (card, _) in all {
        world
            .edit_tribe(&card.person, json!({"FirstName": name}))
            .await;
    }
    world.calm().await;
}

/// Whether no request left for Graph within `rest` of the call that was throttled.
fn rested(calls: &[Entry], rest: Duration) -> bool {
    let throttled = calls.iter().find(|call| call.status == Some(429)).unwrap();
    let own = calls.iter().filter(|call| call.side == "graph");
    let mut later = own
        .filter(|call| !call.batch_item && call.at_ms > throttled.at_ms)
        .peekable();
    assert!(later.peek().is_some(), "it went on");
    let rest = i64::try_from(rest.as_millis()).unwrap();
    later.all(|call| call.at_ms - throttled.at_ms >= rest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_item_of_a_batch_that_is_asked_to_rest_rests_the_whole_mailbox() {
    // Three writes; three look-ups by stamp, one of which fails for another reason besides.
    let (world, mailbox, user, all) = some(3).await;
    edit_all(&world, &user, &all, "Berta").await;
    world.clear_calls();
    world
        .fault(json!({
            "match": {"method": "PATCH", "path": "/v1.0/me/contacts/*"},
            "then": {"status": 429, "retry_after": 2}, "count": 1,
        }))
        .await;
    world
        .post(&format!("/users/{user}/resume"), json!({}))
        .await;
    for (_, id) in &all {
        world.shows(&mailbox, id, "givenName", json!("Berta")).await;
    }
    world.quiet().await;
    let calls = world.calls();
    assert!(
        rested(&calls, Duration::from_secs(2)),
        "{:#?}",
        world.lines()
    );

    world.folder(&mailbox, "Archive").await;
    world.post(&format!("/users/{user}/pause"), json!({})).await;
    for n in 3..6 {
        world.somebody(&mailbox, n).await;
    }
    world.calm().await;
    world.clear_calls();
    let look_up = |then: Value| json!({"match": {"method": "GET", "path": "singleValueExtendedProperties"}, "then": then, "count": 1});
    world.fault(look_up(json!({"status": 500}))).await;
    world
        .fault(look_up(json!({"status": 429, "retry_after": 2})))
        .await;
    world
        .post(&format!("/users/{user}/resume"), json!({}))
        .await;
    for n in 3..6 {
        world
            .eventually("the contact is there", async || {
                world.contact(&mailbox, &format!("Jansen {n}")).await
            })
            .await;
    }
    world.quiet().await;
    let calls = world.calls();
    assert!(calls.iter().any(|call| call.status == Some(500)));
    assert!(
        rested(&calls, Duration::from_secs(2)),
        "{:#?}",
        world.lines()
    );
    assert_eq!(world.get("/parked").await["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tribes_rest_binds_every_mailbox_of_the_environment() {
    let world = World::start(Setup {
        users: 2,
        ..Setup::default()
    })
    .await;
    let mailboxes = [world.mailbox(0), world.mailbox(1)];
    let mut all = Vec::new();
    for (n, mailbox) in mailboxes.iter().enumerate() {
        let card = world.somebody(mailbox, n).await;
        world.live(mailbox).await;
        let contact = world
            .contact(mailbox, &format!("Jansen {n}"))
            .await
            .unwrap();
        all.push((card, text(&contact, "id")));
    }
    world.clear_calls();
    let throttle = json!({
        "match": {"path": "/v1/odata/*"}, "then": {"status": 429, "retry_after": 2}, "count": 1,
    });
    world.fault(throttle).await;
    for (mailbox, (_, id)) in mailboxes.iter().zip(&all) {
        world
            .edit_outlook(mailbox, id, json!({"givenName": "Berta"}))
            .await;
    }
    for (card, _) in &all {
        world
            .tribe_shows(&card.person, "FirstName", json!("Berta"))
            .await;
    }
    world.quiet().await;
    let calls = world.calls();
    let tribe: Vec<&Entry> = calls.iter().filter(|call| call.side == "tribe").collect();
    let at = tribe
        .iter()
        .position(|call| call.status == Some(429))
        .unwrap();
    // What was under way at that moment had left already.
    let early = tribe[at + 1..]
        .iter()
        .filter(|call| call.at_ms - tribe[at].at_ms < 2_000)
        .count();
    assert!(early <= 1, "{:#?}", world.lines());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tribes_rest_binds_a_process_that_was_not_told_of_it() {
    let mut world = World::start(Setup {
        users: 2,
        ..Setup::default()
    })
    .await;
    let mailboxes = [world.mailbox(0), world.mailbox(1)];
    let mut all = Vec::new();
    for (n, mailbox) in mailboxes.iter().enumerate() {
        let card = world.somebody(mailbox, n).await;
        world.live(mailbox).await;
        let contact = world.contact(mailbox, &format!("Jansen {n}")).await;
        all.push((card, text(&contact.unwrap(), "id")));
    }
    world.clear_calls();
    world
        .fault(json!({
            "match": {"path": "/v1/odata/*"}, "then": {"status": 429, "retry_after": 3}, "count": 1,
        }))
        .await;
    let edit = async |world: &World, n: usize| {
        let change = json!({"givenName": "Berta"});
        world.edit_outlook(&mailboxes[n], &all[n].1, change).await;
    };
    edit(&world, 0).await;
    let environment = EnvironmentId::from("default");
    world
        .eventually("the rest is kept", async || {
            let kept = world.store.environment(&environment).await.unwrap()?;
            (kept.throttled_until_ms > world.clock.now_ms()).then_some(())
        })
        .await;
    world.stop().await;
    world.serve().await;
    // The other mailbox was told nothing, nor was this process.
    edit(&world, 1).await;
    for (card, _) in &all {
        let name = json!("Berta");
        world.tribe_shows(&card.person, "FirstName", name).await;
    }
    let calls = world.calls();
    let mut tribe = calls.iter().filter(|call| call.side == "tribe");
    let told = tribe.find(|call| call.status == Some(429)).unwrap().at_ms;
    let early = tribe.filter(|call| call.path.contains("odata") && call.at_ms - told < 3_000);
    assert_eq!(early.count(), 0, "{:#?}", world.lines());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_whose_removal_nobody_told_is_found_gone_by_the_sweep() {
    let world = World::start(Setup::with(&[("sync.sweep_interval", "500ms")])).await;
    let mailbox = world.mailbox(0);
    world.somebody(&mailbox, 1).await;
    let user = world.activate(&mailbox, true).await;
    world.state(&user, "live").await;
    let live = async || {
        let state = world.control(Method::GET, "/state", None).await;
        let all = state["graph"]["subscriptions"].as_array().unwrap().clone();
        assert!(all.len() <= 1, "{all:#?}");
        all.first().map(|one| text(one, "id"))
    };
    let first = world.eventually("there is a subscription", live).await;
    world
        .fault(json!({"hints": {"source": "graph", "drop": true}}))
        .await;
    let removed = json!({"mailbox": mailbox.address, "event": "subscriptionRemoved"});
    world
        .control(Method::POST, "/graph/lifecycle", Some(removed))
        .await;
    world.clock.advance(Duration::from_secs(61));
    let second = world.eventually("there is a new one", live).await;
    assert_ne!(first, second);
    // What was edited meanwhile came by the delta that followed.
    world.no_faults().await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "id");
    world
        .edit_outlook(&mailbox, &id, json!({"jobTitle": "Directeur"}))
        .await;
    world
        .eventually("it arrives", async || {
            let people = world.get(&format!("/users/{user}/links")).await;
            let person = text(&people["items"][0], "person_id");
            let audit = world.get(&format!("/audit?person={person}&rule=R3")).await;
            (!audit["items"].as_array().unwrap().is_empty()).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_killed_between_a_removed_subscription_and_the_next_makes_the_next() {
    let (mut world, mailbox, user, all) = some(1).await;
    let id = world.store_user(&user).await;
    let kept = world.store.subscriptions_of(id).await.unwrap();
    world.stop().await;
    world
        .fault(json!({"hints": {"source": "graph", "drop": true}}))
        .await;
    let removed = json!({"mailbox": mailbox.address, "event": "subscriptionRemoved"});
    world
        .control(Method::POST, "/graph/lifecycle", Some(removed))
        .await;
    world.no_faults().await;
    // As it was kept when the kill came: the event is there, the subscription is not.
    let known = world.store.user(id).await.unwrap().unwrap();
    let event = NewHint {
        environment: known.environment,
        user: Some(id),
        target: Target::Lifecycle {
            event: "subscriptionRemoved".to_owned(),
            subscription: kept[0].id.clone(),
        },
        source: Source::Lifecycle,
        received_ms: kept[0].created_ms,
        not_before_ms: 0,
        attempts: 0,
    };
    let left = vec![
        Change::DropSubscription(kept[0].id.clone()),
        Change::AddHints(vec![event]),
    ];
    world.store.commit(&Guard::None, left).await.unwrap();
    world.serve().await;
    world
        .eventually("there is a new one", async || {
            let all = world.store.subscriptions_of(id).await.unwrap();
            (!all.is_empty()).then_some(())
        })
        .await;
    let (card, contact) = &all[0];
    world
        .edit_outlook(&mailbox, contact, json!({"jobTitle": "Directeur"}))
        .await;
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Directeur"),
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_whom_tribe_refuses_to_show_is_parked_alone_and_can_be_retried() {
    let (world, mailbox, user, all) = some(6).await;
    let (bad, bad_id) = all[2].clone();
    // Reads that name this person are refused for good.
    let refuse = json!({
        "match": {"method": "GET", "path": format!("/v1/odata/*{}*", bad.person)}, "then": {"status": 400},
    });
    world.fault(refuse).await;
    edit_all(&world, &user, &all, "Berta").await;
    world
        .post(&format!("/users/{user}/resume"), json!({}))
        .await;
    for (_, id) in all.iter().filter(|(card, _)| card.person != bad.person) {
        world.shows(&mailbox, id, "givenName", json!("Berta")).await;
    }
    world.quiet().await;
    let all_parked = world.get(&format!("/parked?user={user}")).await;
    let parked = &all_parked["items"][0];
    assert_eq!(parked["person_id"], bad.person.as_str(), "{all_parked}");
    assert!(
        parked["reason"].as_str().unwrap().contains("400"),
        "{parked}"
    );
    assert_eq!(all_parked["items"].as_array().unwrap().len(), 1);
    let contact = world.contact_by_id(&mailbox, &bad_id).await.unwrap();
    assert_eq!(contact["givenName"], "Anna");
    world.no_faults().await;
    let retry = format!("/parked/{}/retry", parked["id"]);
    world.post(&retry, json!({})).await;
    world
        .shows(&mailbox, &bad_id, "givenName", json!("Berta"))
        .await;
    world.quiet().await;
    assert_eq!(world.get("/parked").await["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_before_a_graceful_end_is_recorded() {
    let (mut world, mailbox, user, all) = some(30).await;
    edit_all(&world, &user, &all, "Berta").await;
    world.clear_calls();
    let slow = json!({
        "match": {"method": "PATCH", "path": "/v1.0/me/contacts/*"}, "then": {"delay_ms": 200},
    });
    world.fault(slow).await;
    world
        .post(&format!("/users/{user}/resume"), json!({}))
        .await;
    world
        .eventually("the first batch is under way", async || {
            let calls = world.calls();
            calls
                .iter()
                .any(|call| call.method == "PATCH")
                .then_some(())
        })
        .await;
    world.stop().await;
    let written = world.count().graph_writes;
    assert!((1..30).contains(&written), "{written} of 30 were written");
    // The lease was given back: another holder gets it at once.
    let lane = tribelink::store::Lane::Mailbox(world.store_user(&user).await);
    let now = tribelink::clock::Clock::now_ms(world.clock.as_ref());
    let lease = world.store.claim(&lane, "test", now, 30_000).await.unwrap();
    world.store.release(&lease.expect("free")).await.unwrap();
    world.no_faults().await;
    world.serve().await;
    for (_, id) in &all {
        world.shows(&mailbox, id, "givenName", json!("Berta")).await;
    }
    world.quiet().await;
    assert_eq!(world.count().graph_writes, 30, "each was written once");
    for (card, _) in &all {
        let audit = world.audit(card).await;
        let lines = audit.iter().filter(|line| {
            line["direction"] == "to_outlook" && line["note"] != "created" && line["rule"] == "R2"
        });
        assert_eq!(lines.count(), 1, "{audit:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_that_is_away_is_asked_by_few_until_it_is_back() {
    let world = World::start(Setup::default()).await;
    let mailbox = world.mailbox(0);
    let card = world.somebody(&mailbox, 1).await;
    let user = world.live(&mailbox).await;
    let path = format!("/people/{}/cards?user={user}", card.person);
    for (side, place) in [("graph", "/v1.0/"), ("tribe", "/v1/odata/")] {
        world.clear_calls();
        world
            .fault(json!({"match": {"path": place}, "then": {"status": 503}}))
            .await;
        for _ in 0..40 {
            let (status, _) = world.try_api(Method::GET, &path, None).await;
            assert!(!status.is_success(), "{side}: {status}");
        }
        let calls = world.calls();
        let refused = calls
            .iter()
            .filter(|call| call.side == side && call.status == Some(503));
        // Ten in a row open the circuit; an attempt or two may have followed.
        let refused = refused.count();
        assert!(
            (10..20).contains(&refused),
            "{side}: {refused} of 40 were sent"
        );
        world.no_faults().await;
        world.clock.advance(Duration::from_secs(31));
        world
            .eventually("it is asked again", async || {
                let (status, _) = world.try_api(Method::GET, &path, None).await;
                status.is_success().then_some(())
            })
            .await;
    }
}
