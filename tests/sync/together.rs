//! Two persons that become one, two users with one person, an old copy in the place of a deleted
//! contact, and a database that is away for a while.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tribelink::{
    clock::Clock as _,
    store::{NewHint, ReadId, Source, Target},
};
use tribelink_plan::ids::EnvironmentId;
use tribelink_sandbox::calls::Entry;

use crate::{
    hands::text,
    world::{Setup, World},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn persons_merged_in_the_crm_close_one_link_and_delete_nobody() {
    let world = World::start(Setup::default()).await;
    let mailbox = world.mailbox(0);
    let kept = world.somebody(&mailbox, 1).await;
    let gone = world.somebody(&mailbox, 2).await;
    let user = world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let merge = json!({"from": gone.person, "into": kept.person});
    world
        .control(Method::POST, "/tribe/merge", Some(merge))
        .await;
    // Tribe tells of the relationship that moved, not of the person who went: a look at everything,
    // as each sweep takes it, finds that.
    let resync = format!("/users/{user}/resync");
    world.post(&resync, json!({})).await;
    world.link_is(&user, &gone, "closed").await;
    world.link_is(&user, &kept, "linked").await;
    world.quiet().await;
    assert_eq!(world.contacts(&mailbox).await.len(), 2, "both stay");
    // The one that is left goes on, and a look at everything makes no third.
    world
        .edit_tribe(&kept.person, json!({"FirstName": "Berta"}))
        .await;
    let id = text(&contact, "id");
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    world.post(&resync, json!({})).await;
    world.quiet().await;
    assert_eq!(world.contacts(&mailbox).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_users_who_edit_one_person_at_once_end_with_one_value_and_lose_no_other_field() {
    let world = World::start(Setup {
        users: 2,
        ..Setup::default()
    })
    .await;
    let mailboxes = [world.mailbox(0), world.mailbox(1)];
    let card = world.somebody(&mailboxes[0], 1).await;
    let owners = json!({"Owners": [{"ID": mailboxes[1].employee}]});
    world.edit_tribe(&card.relationship, owners).await;
    let mut ids = Vec::new();
    for mailbox in &mailboxes {
        world.live(mailbox).await;
        ids.push(text(
            &world.contact(mailbox, "Jansen 1").await.unwrap(),
            "id",
        ));
    }
    let first = json!({"jobTitle": "Directeur", "businessPhones": ["020-5559999"]});
    let second = json!({"jobTitle": "Controller", "givenName": "Berta"});
    tokio::join!(
        world.edit_outlook(&mailboxes[0], &ids[0], first),
        world.edit_outlook(&mailboxes[1], &ids[1], second),
    );
    for (mailbox, id) in mailboxes.iter().zip(&ids) {
        world.shows(mailbox, id, "givenName", json!("Berta")).await;
        world
            .shows(mailbox, id, "businessPhones", json!(["020-5559999"]))
            .await;
    }
    world.quiet().await;
    let tie = world.tribe(&card.relationship).await;
    let title = tie["FunctionOnBusinessCard"].clone();
    assert!(title == "Directeur" || title == "Controller", "{tie}");
    assert_eq!(tie["PhoneNumber"], "020-5559999");
    for (mailbox, id) in mailboxes.iter().zip(&ids) {
        let contact = world.contact_by_id(mailbox, id).await.unwrap();
        assert_eq!(contact["jobTitle"], title);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_in_the_place_of_a_deleted_contact_brings_no_old_value_to_tribe() {
    let world = World::start(Setup::default()).await;
    let mailbox = world.mailbox(0);
    let card = world.somebody(&mailbox, 1).await;
    let user = world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "id");
    let copy = world.place("copy", &mailbox, &id, None).await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    world
        .recorded(&card.person, "to_outlook", "first_name")
        .await;
    world.quiet().await;
    world.clock.advance(std::time::Duration::from_secs(61));
    world.delete_outlook(&mailbox, &id).await;
    let copy = text(&copy, "id");
    world
        .shows(&mailbox, &copy, "givenName", json!("Berta"))
        .await;
    world.quiet().await;
    assert_eq!(world.tribe(&card.person).await["FirstName"], "Berta");
    assert_eq!(
        world.link_state(&user, &card).await.as_deref(),
        Some("linked")
    );
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
    let audit = world.audit(&card).await;
    let conflict = audit.iter().any(|line: &Value| line["rule"] == "R6");
    assert!(conflict, "what the copy showed is in the audit: {audit:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_turns_ready_red_and_heals_by_itself() {
    // A lease that could not be given back ends by itself.
    let config = [("sync.delta_interval", "500ms"), ("worker.lease", "5s")];
    let world = World::start(Setup::with(&config)).await;
    let mailbox = world.mailbox(0);
    let card = world.somebody(&mailbox, 1).await;
    let user = world.activate(&mailbox, true).await;
    world.state(&user, "live").await;
    world.link_is(&user, &card, "linked").await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "id");
    let ready = async |wanted: u16| {
        let url = format!("{}/readyz", world.base);
        let status = reqwest::get(url).await.unwrap().status();
        (status.as_u16() == wanted).then_some(())
    };
    world.hide_database();
    world
        .eventually("it is not ready", async || ready(503).await)
        .await;
    world
        .edit_outlook(&mailbox, &id, json!({"jobTitle": "Directeur"}))
        .await;
    let alive = reqwest::get(format!("{}/healthz", world.base)).await;
    assert_eq!(alive.unwrap().status(), 200);
    let resync = format!("/users/{user}/resync");
    let (status, _) = world.try_api(Method::POST, &resync, Some(json!({}))).await;
    assert_eq!(status, 503, "what cannot be kept is not promised");
    world.return_database();
    world
        .eventually("it is ready", async || ready(200).await)
        .await;
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Directeur"),
        )
        .await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_that_another_replicas_reading_led_to_is_not_answered_by_an_older_card() {
    let world = World::start(Setup::with(&[("sync.poll_interval", "1h")])).await;
    let mailbox = world.mailbox(0);
    let card = world.somebody(&mailbox, 1).await;
    let other = world.somebody(&mailbox, 2).await;
    let user = world.live(&mailbox).await;
    let id = text(&world.contact(&mailbox, "Jansen 1").await.unwrap(), "id");
    // This replica reads the person, and remembers the card for some seconds.
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    // The next edit is told to another one, which reads it and leaves its hint.
    world
        .fault(json!({"hints": {"source": "tribe", "drop": true}}))
        .await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Carla"}))
        .await;
    world.no_faults().await;
    let now_ms = world.clock.now_ms();
    let hint = NewHint {
        environment: EnvironmentId::from("default"),
        user: Some(user.parse().unwrap()),
        target: Target::Person {
            id: card.person.parse().unwrap(),
            read: Some(ReadId {
                process: 1,
                number: 1,
            }),
        },
        source: Source::Webhook,
        received_ms: now_ms,
        not_before_ms: now_ms,
        attempts: 0,
    };
    world.store.add_hints(vec![hint]).await.unwrap();
    // Whatever wakes the mailbox.
    world
        .edit_tribe(&other.person, json!({"FirstName": "Dirk"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Carla"))
        .await;
}

/// Tribe has no etags: only a young reading keeps an edit from being overwritten unseen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_of_tribe_that_grew_old_is_renewed_before_the_write() {
    let world = World::start(Setup::default()).await;
    let mailbox = world.mailbox(0);
    let card = world.somebody(&mailbox, 1).await;
    world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "id");
    world.quiet().await;
    world.clear_calls();
    let slow = json!({
        "match": {"method": "GET", "path": "/v1.0/me/contacts/*"}, "then": {"delay_ms": 1_000},
    });
    world.fault(slow).await;
    // Nobody but the job that reads tells of what is typed in Tribe.
    let silent = json!({"hints": {"source": "tribe", "drop": true}});
    world.fault(silent).await;
    world
        .edit_outlook(&mailbox, &id, json!({"givenName": "Outlook"}))
        .await;
    world
        .eventually("Tribe was read, and Outlook is about to be", async || {
            let calls = world.calls();
            let reads = |call: &&Entry| call.method == "GET" && call.path.contains("/me/contacts/");
            calls.iter().find(reads).map(|_| ())
        })
        .await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Tribe"}))
        .await;
    world.clock.advance(Duration::from_secs(5));
    world
        .shows(&mailbox, &id, "givenName", json!("Tribe"))
        .await;
    world.quiet().await;
    world
        .tribe_shows(&card.person, "FirstName", json!("Tribe"))
        .await;
    let audit = world.audit(&card).await;
    let lost =
        |line: &&Value| line["rule"] == "R6" && line.to_string().contains("\"lost\":\"Outlook\"");
    assert_eq!(audit.iter().filter(lost).count(), 1, "{audit:#?}");
}
