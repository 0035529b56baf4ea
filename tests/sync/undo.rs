//! Undo over real HTTP: one write, a person, a pass, an hour; both live sides, later edits spared.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    hands::{CONTACT, Card, text},
    rules_fields::completed,
    world::{Mailbox, Setup, World},
};

async fn one(config: &[(&'static str, &'static str)]) -> (World, Mailbox, String, Card, String) {
    let world = World::start(Setup::with(config)).await;
    let mailbox = world.mailbox(0);
    let card = world.somebody(&mailbox, 1).await;
    let user = world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "immutableId");
    (world, mailbox, user, card, id)
}

/// The newest line of a direction that names this field.
async fn line(world: &World, card: &Card, direction: &str, field: &str) -> Value {
    let is_it = |line: &Value| {
        let fields = line["fields"].as_array().unwrap();
        line["direction"] == direction && fields.iter().any(|one| one["name"] == field)
    };
    let lines = world.audit(card).await;
    lines.into_iter().find(is_it).unwrap()
}

async fn undo(world: &World, line: &Value) {
    let path = format!("/audit/{}/undo", line["id"]);
    let answer = world.post(&path, json!({})).await;
    assert_eq!(answer["lines"], 1, "{answer}");
}

async fn phone(world: &World, mailbox: &Mailbox, id: &str, card: &Card) -> (Value, Value) {
    let tribe = world.tribe(&card.relationship).await["PhoneNumber"].clone();
    let contact = world.contact_by_id(mailbox, id).await.unwrap();
    (tribe, contact["businessPhones"][0].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_write_goes_back_on_both_sides_and_the_undo_can_be_undone() {
    let (world, mailbox, _, card, id) = one(&[]).await;
    let (old, new) = (json!("+31 20 555 0001"), json!("+31 20 555 0002"));
    world
        .edit_tribe(&card.relationship, json!({"PhoneNumber": new}))
        .await;
    world
        .shows(&mailbox, &id, "businessPhones", json!([new]))
        .await;
    world.quiet().await;
    undo(
        &world,
        &line(&world, &card, "to_outlook", "business_phone").await,
    )
    .await;
    world
        .shows(&mailbox, &id, "businessPhones", json!([old]))
        .await;
    world.quiet().await;
    assert_eq!(
        phone(&world, &mailbox, &id, &card).await,
        (old.clone(), old)
    );
    let taken_back = line(&world, &card, "to_tribe", "business_phone").await;
    let note = text(&taken_back, "note");
    assert!(note.starts_with("undo of "), "{note}");
    assert_eq!(taken_back["cause"], "person");
    assert_eq!(taken_back["fields"][0]["before"], new);
    undo(&world, &taken_back).await;
    world
        .shows(&mailbox, &id, "businessPhones", json!([new]))
        .await;
    world.quiet().await;
    assert_eq!(
        phone(&world, &mailbox, &id, &card).await,
        (new.clone(), new)
    );
    // And whatever both sides say now is in step.
    world.clear_calls();
    let user = text(&taken_back, "user_id");
    world
        .post(&format!("/users/{user}/resync"), json!({}))
        .await;
    world.quiet().await;
    let count = world.count();
    assert_eq!((count.graph_writes, count.tribe_writes), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r16_one_click_takes_a_completed_card_back_on_both_sides() {
    let (world, mailbox, _, card, id) = completed(&[]).await;
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Directeur"),
        )
        .await;
    world.quiet().await;
    let flagged = line(&world, &card, "to_tribe", "function").await;
    assert_eq!(
        (&flagged["rule"], &flagged["note"]),
        (&json!("R16"), &json!("flagged"))
    );
    undo(&world, &flagged).await;
    world.shows(&mailbox, &id, "jobTitle", Value::Null).await;
    world.quiet().await;
    let tie = world.tribe(&card.relationship).await;
    assert_eq!(tie["FunctionOnBusinessCard"], Value::Null);
    assert_eq!(tie["PhoneNumber"], Value::Null);
    let contact = world.contact_by_id(&mailbox, &id).await.unwrap();
    assert_eq!(contact["businessPhones"], json!([]));
    assert_eq!(contact["givenName"], "Anna");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_that_somebody_changed_since_is_spared_and_the_audit_says_so() {
    let (world, mailbox, _, card, id) = one(&[]).await;
    let change = json!({"PhoneNumber": "+31 20 555 0002", "FunctionOnBusinessCard": "Chair"});
    world.edit_tribe(&card.relationship, change).await;
    world.shows(&mailbox, &id, "jobTitle", json!("Chair")).await;
    world.quiet().await;
    let both = line(&world, &card, "to_outlook", "business_phone").await;
    assert_eq!(both["fields"].as_array().unwrap().len(), 2, "{both}");
    world
        .edit_outlook(&mailbox, &id, json!({"jobTitle": "Director"}))
        .await;
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Director"),
        )
        .await;
    world.quiet().await;
    undo(&world, &both).await;
    world
        .shows(&mailbox, &id, "businessPhones", json!(["+31 20 555 0001"]))
        .await;
    world.quiet().await;
    let contact = world.contact_by_id(&mailbox, &id).await.unwrap();
    assert_eq!(contact["jobTitle"], "Director");
    let lines = world.audit(&card).await;
    let spared = lines.iter().find(|line| {
        let note = line["note"].as_str().unwrap_or_default();
        note.contains("spared, changed since")
    });
    assert_eq!(spared.unwrap()["fields"][0]["name"], "function");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_an_hour_and_a_person_go_back_as_a_whole() {
    for range in ["pass", "hour", "person"] {
        let world = World::start(Setup::default()).await;
        let mailbox = world.mailbox(0);
        let mut cards = Vec::new();
        for n in 1..4 {
            cards.push(world.somebody(&mailbox, n).await);
        }
        let user = world.live(&mailbox).await;
        world.post(&format!("/users/{user}/pause"), json!({})).await;
        for card in &cards {
            let change = json!({"PhoneNumber": "+31 20 555 0002"});
            world.edit_tribe(&card.relationship, change).await;
        }
        world.calm().await;
        world
            .post(&format!("/users/{user}/resume"), json!({}))
            .await;
        world.state(&user, "live").await;
        world.quiet().await;
        let first = line(&world, &cards[0], "to_outlook", "business_phone").await;
        let (wanted, people) = match range {
            "pass" => (json!({"pass_of": first["id"]}), 3),
            "hour" => (json!({"user_id": user, "from": first["at"]}), 3),
            _ => (json!({"person_id": cards[0].person}), 1),
        };
        let mut trial = wanted.clone();
        trial["dry_run"] = json!(true);
        let counted = world.post("/undo", trial).await;
        assert_eq!(counted["people"], people, "{range}: {counted}");
        world.quiet().await;
        let still = line(&world, &cards[0], "to_outlook", "business_phone").await;
        assert_eq!(still, first, "a dry run writes nothing");
        world.post("/undo", wanted).await;
        for (n, card) in cards.iter().enumerate() {
            let goes_back = n < people;
            let expected = if goes_back {
                "+31 20 555 0001"
            } else {
                "+31 20 555 0002"
            };
            world
                .tribe_shows(&card.relationship, "PhoneNumber", json!(expected))
                .await;
            let surname = format!("Jansen {}", n + 1);
            world
                .eventually(&format!("{range}: Outlook follows"), async || {
                    let contact = world.contact(&mailbox, &surname).await?;
                    (contact["businessPhones"] == json!([expected])).then_some(())
                })
                .await;
        }
        world.quiet().await;
        assert_eq!(world.contacts(&mailbox).await.len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_undone_says_why_and_nothing_is_written() {
    let (world, _, user, card, _) = one(&[]).await;
    let created = world.audit(&card).await.pop().unwrap();
    assert_eq!(created["note"], "created");
    let path = format!("/audit/{}/undo", created["id"]);
    let (status, why) = world.try_api(Method::POST, &path, None).await;
    assert_eq!((status, &why["rule"]), (StatusCode::CONFLICT, &json!("R1")));
    let (status, _) = world.try_api(Method::POST, "/audit/999/undo", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = world.try_api(Method::POST, "/undo", None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    world
        .edit_tribe(
            &card.relationship,
            json!({"PhoneNumber": "+31 20 555 0002"}),
        )
        .await;
    world
        .recorded(&card.person, "to_outlook", "business_phone")
        .await;
    let written = line(&world, &card, "to_outlook", "business_phone").await;
    world.post(&format!("/users/{user}/pause"), json!({})).await;
    let path = format!("/audit/{}/undo", written["id"]);
    let (status, why) = world.try_api(Method::POST, &path, None).await;
    assert_eq!(
        (status, &why["rule"]),
        (StatusCode::CONFLICT, &json!("R19"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_are_gone_after_the_undo_window() {
    let config = [("audit.undo_days", "1"), ("sync.delta_interval", "1h")];
    let (world, _, _, card, _) = one(&config).await;
    world
        .edit_tribe(
            &card.relationship,
            json!({"PhoneNumber": "+31 20 555 0002"}),
        )
        .await;
    world
        .recorded(&card.person, "to_outlook", "business_phone")
        .await;
    world.quiet().await;
    let written = line(&world, &card, "to_outlook", "business_phone").await;
    assert_eq!(written["fields"][0]["before"], "+31 20 555 0001");
    world
        .clock
        .advance(std::time::Duration::from_secs(25 * 3_600));
    world
        .eventually("the values are gone", async || {
            let line = line(&world, &card, "to_outlook", "business_phone").await;
            line["fields"][0]["before"].is_null().then_some(())
        })
        .await;
    let path = format!("/audit/{}/undo", written["id"]);
    let (status, _) = world.try_api(Method::POST, &path, None).await;
    assert_eq!(status, StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_users_see_what_one_of_them_takes_back() {
    let world = World::start(Setup {
        users: 2,
        ..Setup::default()
    })
    .await;
    let (first, second) = (world.mailbox(0), world.mailbox(1));
    let person = json!({"FirstName": "Anna", "LastName": "Jansen 1"});
    let tie = json!({"PhoneNumber": "+31 20 555 0001", "Owners": [{"ID": second.employee}]});
    let card = world.person(CONTACT, &first, person, tie).await;
    world.live(&first).await;
    world.live(&second).await;
    let id = text(&world.contact(&first, "Jansen 1").await.unwrap(), "id");
    let other = text(&world.contact(&second, "Jansen 1").await.unwrap(), "id");
    let change = json!({"businessPhones": ["+31 20 555 0002"]});
    world.edit_outlook(&first, &id, change.clone()).await;
    world
        .shows(
            &second,
            &other,
            "businessPhones",
            change["businessPhones"].clone(),
        )
        .await;
    world.quiet().await;
    undo(
        &world,
        &line(&world, &card, "to_tribe", "business_phone").await,
    )
    .await;
    for (mailbox, id) in [(&first, &id), (&second, &other)] {
        world
            .shows(mailbox, id, "businessPhones", json!(["+31 20 555 0001"]))
            .await;
    }
}
