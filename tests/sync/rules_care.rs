//! R17 and R19 to R22: the brake, pause, disconnect, consent, leavers.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::{
    hands::{Card, text},
    world::{Mailbox, Setup, World},
};

const SETTLED: Duration = Duration::from_secs(61);

async fn one(setup: Setup) -> (World, Mailbox, String, Card, String) {
    let world = World::start(setup).await;
    let mailbox = world.mailbox(0);
    let card = world.somebody(&mailbox, 1).await;
    let user = world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "id");
    (world, mailbox, user, card, id)
}

async fn many(number: usize) -> (World, Mailbox, String) {
    let world = World::start(Setup::default()).await;
    let mailbox = world.mailbox(0);
    for n in 0..number {
        world.somebody(&mailbox, n).await;
    }
    let user = world.live(&mailbox).await;
    assert_eq!(world.contacts(&mailbox).await.len(), number);
    world.clock.advance(SETTLED);
    (world, mailbox, user)
}

async fn linked(world: &World, user: &str) -> usize {
    let links = world.links(user).await;
    links
        .iter()
        .filter(|link| link["state"] == "linked")
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r17_the_brake_stops_a_mass_deletion_and_release_lets_it_go() {
    let (world, mailbox, user) = many(60).await;
    for contact in world.contacts(&mailbox).await.iter().take(30) {
        world.delete_outlook(&mailbox, &text(contact, "id")).await;
    }
    world.state(&user, "braked").await;
    world.calm().await;
    let left = linked(&world, &user).await;
    assert!(
        left >= 35,
        "at most 25 links went before the brake: {left} are left"
    );
    assert!(left > 30, "the brake held something back");
    let shown = world.get(&format!("/users/{user}")).await;
    assert_eq!(shown["braked"]["links"].as_u64().unwrap() as usize, left);
    let alerts = world.get("/status").await;
    assert!(!alerts["alerts"].as_array().unwrap().is_empty(), "{alerts}");
    // Nothing is written meanwhile.
    let kept = text(&world.contacts(&mailbox).await[0], "immutableId");
    let links = world.links(&user).await;
    let link = links
        .iter()
        .find(|link| link["contact_id"] == kept.as_str());
    let person = text(link.unwrap(), "person_id");
    world.clear_calls();
    world
        .edit_tribe(&person, json!({"FirstName": "Berta"}))
        .await;
    world.calm().await;
    assert_eq!(world.count().graph_requests, 0, "{:#?}", world.lines());
    world
        .post(&format!("/users/{user}/release"), json!({}))
        .await;
    world.state(&user, "live").await;
    world
        .eventually("the deletions are done", async || {
            (linked(&world, &user).await == 30).then_some(())
        })
        .await;
    world.quiet().await;
    assert_eq!(world.contacts(&mailbox).await.len(), 30);
    let alerts = world.get("/status").await;
    assert_eq!(alerts["alerts"], json!([]));
    // The count began anew: what was released does not brake the next deletion.
    let contact = world.contacts(&mailbox).await.remove(1);
    world.delete_outlook(&mailbox, &text(&contact, "id")).await;
    world
        .eventually("one more is gone", async || {
            (linked(&world, &user).await == 29).then_some(())
        })
        .await;
    world.state(&user, "live").await;
}

/// The trial of a pass once forgot that somebody said that the contacts went: what was written a
/// moment ago did not count, and a pass that took them all went through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r17_the_brake_holds_right_after_the_first_sync_too() {
    let config = [("sync.brake_min", "5")];
    let world = World::start(Setup::with(&config)).await;
    let mailbox = world.mailbox(0);
    for n in 0..20 {
        world.somebody(&mailbox, n).await;
    }
    let user = world.live(&mailbox).await;
    world.post(&format!("/users/{user}/pause"), json!({})).await;
    for contact in world.contacts(&mailbox).await.iter().take(12) {
        world.delete_outlook(&mailbox, &text(contact, "id")).await;
    }
    world.calm().await;
    world
        .post(&format!("/users/{user}/resume"), json!({}))
        .await;
    world.state(&user, "braked").await;
    assert!(linked(&world, &user).await >= 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r17_a_release_is_used_up_by_one_run() {
    let (world, mailbox, user) = many(70).await;
    for left in [40, 10] {
        let contacts = world.contacts(&mailbox).await;
        for contact in contacts.iter().take(30) {
            world.delete_outlook(&mailbox, &text(contact, "id")).await;
        }
        world.state(&user, "braked").await;
        world.calm().await;
        world
            .post(&format!("/users/{user}/release"), json!({}))
            .await;
        world
            .eventually("the deletions are done", async || {
                (linked(&world, &user).await == left).then_some(())
            })
            .await;
        world.quiet().await;
        world.state(&user, "live").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r17_emptied_values_count_too() {
    let (world, mailbox, user) = many(40).await;
    let people: Vec<String> = world
        .links(&user)
        .await
        .iter()
        .map(|link| text(link, "person_id"))
        .collect();
    for person in people.iter().take(30) {
        world
            .edit_tribe(person, json!({"MobilePhoneNumber": Value::Null}))
            .await;
    }
    world.state(&user, "braked").await;
    world.calm().await;
    let full = |contacts: &[Value]| {
        let filled = contacts
            .iter()
            .filter(|contact| !contact["mobilePhone"].is_null());
        filled.count()
    };
    assert!(full(&world.contacts(&mailbox).await) >= 15);
    world
        .post(&format!("/users/{user}/release"), json!({}))
        .await;
    world
        .eventually("the values are emptied", async || {
            (full(&world.contacts(&mailbox).await) == 10).then_some(())
        })
        .await;
    world.state(&user, "live").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r19_a_pause_keeps_hints_and_resume_catches_up_once() {
    let (world, mailbox, user, card, id) = one(Setup::default()).await;
    world.post(&format!("/users/{user}/pause"), json!({})).await;
    world.clear_calls();
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .edit_outlook(&mailbox, &id, json!({"jobTitle": "Directeur"}))
        .await;
    world
        .eventually("both hints are kept", async || {
            let shown = world.get(&format!("/users/{user}")).await;
            (shown["backlog"].as_u64().unwrap() >= 2).then_some(())
        })
        .await;
    world.calm().await;
    let count = world.count();
    assert_eq!(
        (count.graph_requests, count.tribe_writes),
        (0, 0),
        "{:#?}",
        world.lines()
    );
    world.clear_calls();
    world
        .post(&format!("/users/{user}/resume"), json!({}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Directeur"),
        )
        .await;
    world.quiet().await;
    let count = world.count();
    assert_eq!(
        (count.graph_writes, count.tribe_writes),
        (1, 1),
        "{:#?}",
        world.lines()
    );
    assert!(count.graph_requests <= 10, "{:#?}", world.lines());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_disconnect_stops_at_once_and_coming_back_doubles_nobody() {
    let (world, mailbox, user, card, id) = one(Setup::default()).await;
    world
        .post(&format!("/users/{user}/disconnect"), json!({}))
        .await;
    assert_eq!(
        world.link_state(&user, &card).await.as_deref(),
        Some("sleeping")
    );
    let state = world.control(Method::GET, "/state", None).await;
    assert_eq!(state["graph"]["subscriptions"], json!([]));
    let known = world.store_user(&user).await;
    assert!(world.store.tokens(known).await.unwrap().is_none());
    world.clear_calls();
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .edit_outlook(&mailbox, &id, json!({"jobTitle": "Directeur"}))
        .await;
    world.quiet().await;
    let count = world.count();
    assert_eq!(
        (count.graph_requests, count.tribe_writes),
        (0, 0),
        "{:#?}",
        world.lines()
    );
    // Back again: the same user, the same contact, and what was edited meanwhile.
    let again = world.live(&mailbox).await;
    assert_eq!(again, user);
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Directeur"),
        )
        .await;
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r20_forget_erases_the_links_and_stamps_still_keep_from_doubling() {
    let (world, mailbox, user, card, id) = one(Setup::default()).await;
    world
        .post(
            &format!("/users/{user}/disconnect"),
            json!({"forget": true}),
        )
        .await;
    assert!(world.links(&user).await.is_empty());
    let lines = world.audit(&card).await;
    for line in &lines {
        for field in line["fields"].as_array().unwrap() {
            assert_eq!(field["after"], Value::Null, "{line}");
        }
    }
    let again = world.live(&mailbox).await;
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
    assert_eq!(
        world.link_state(&again, &card).await.as_deref(),
        Some("linked")
    );
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_a_revoked_consent_stops_that_user_alone_and_signing_in_resumes() {
    let world = World::start(Setup {
        users: 2,
        ..Setup::default()
    })
    .await;
    let (mailbox, other) = (world.mailbox(0), world.mailbox(1));
    let (card, theirs) = (
        world.somebody(&mailbox, 1).await,
        world.somebody(&other, 2).await,
    );
    let (user, _) = (world.live(&mailbox).await, world.live(&other).await);
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "id");
    let body = json!({"mailbox": mailbox.address});
    world
        .control(Method::POST, "/microsoft/revoke", Some(body))
        .await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world.state(&user, "needs_consent").await;
    world
        .edit_tribe(&theirs.person, json!({"FirstName": "Cora"}))
        .await;
    world
        .eventually("the other user goes on", async || {
            let contact = world.contact(&other, "Jansen 2").await?;
            (contact["givenName"] == "Cora").then_some(())
        })
        .await;
    world
        .edit_tribe(&card.person, json!({"LastName": "Smit"}))
        .await;
    world.calm().await;
    let link = world
        .post(&format!("/users/{user}/consent"), json!({}))
        .await;
    world.consent(link["consent_url"].as_str().unwrap()).await;
    world.state(&user, "live").await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    world.shows(&mailbox, &id, "surname", json!("Smit")).await;
    world.quiet().await;
    // And Outlook's side works again, too.
    world
        .edit_outlook(&mailbox, &id, json!({"givenName": "Dora"}))
        .await;
    world
        .tribe_shows(&card.person, "FirstName", json!("Dora"))
        .await;
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r22_an_employee_who_leaves_is_disconnected() {
    let (world, mailbox, user, card, _) = one(Setup::default()).await;
    world
        .edit_tribe(&mailbox.employee, json!({"IsFormer": true}))
        .await;
    world.state(&user, "disconnected").await;
    let shown = world.get(&format!("/users/{user}")).await;
    assert_eq!(shown["reason"], "employee_left");
    world.link_is(&user, &card, "sleeping").await;
    world.quiet().await;
    let state = world.control(Method::GET, "/state", None).await;
    assert_eq!(state["graph"]["subscriptions"], json!([]));
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
    let status = world.get("/status").await;
    assert!(!status["alerts"].as_array().unwrap().is_empty(), "{status}");
}
