//! R1 to R6, R10, R14, R15, R16 and R18: who wins, and what is left alone.

use http::Method;
use serde_json::{Value, json};

use crate::{
    hands::{CONTACT, Card, text},
    world::{Mailbox, Setup, World},
};

/// A live user with one linked contact.
async fn one(config: &[(&'static str, &'static str)]) -> (World, Mailbox, String, Card, String) {
    let world = World::start(Setup::with(config)).await;
    let mailbox = world.mailbox(0);
    let card = world.somebody(&mailbox, 1).await;
    let user = world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "id");
    (world, mailbox, user, card, id)
}

/// The field of an audit line of that rule and direction.
async fn line(world: &World, card: &Card, rule: &str, direction: &str) -> Value {
    let lines = world.audit(card).await;
    let found = lines
        .iter()
        .find(|line| line["rule"] == rule && line["direction"] == direction);
    found
        .unwrap_or_else(|| panic!("no {rule} {direction}: {lines:#?}"))
        .clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_creates_the_contact_and_records_the_connector_id() {
    let (world, mailbox, user, card, _) = one(&[]).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let links = world.links(&user).await;
    assert_eq!(links.len(), 1);
    assert_eq!(links[0]["contact_id"], contact["immutableId"]);
    assert_eq!(links[0]["state"], "linked");
    assert_eq!(contact["displayName"], "Anna Jansen 1");
    // Somebody who comes later is created by a hint alone.
    let later = world.somebody(&mailbox, 2).await;
    world.link_is(&user, &later, "linked").await;
    assert!(world.contact(&mailbox, "Jansen 2").await.is_some());
    line(&world, &card, "R1", "to_outlook").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r2_r3_write_just_the_changed_fields() {
    let (world, mailbox, _, card, id) = one(&[]).await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    world.quiet().await;
    let written = line(&world, &card, "R2", "to_outlook").await;
    assert_eq!(written["fields"][0]["name"], "first_name");
    assert_eq!(written["fields"][0]["before"], "Anna");
    assert_eq!(written["fields"][0]["after"], "Berta");
    world
        .edit_outlook(&mailbox, &id, json!({"jobTitle": "Directeur"}))
        .await;
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Directeur"),
        )
        .await;
    world.quiet().await;
    let written = line(&world, &card, "R3", "to_tribe").await;
    assert_eq!(written["fields"].as_array().unwrap().len(), 1);
    assert_eq!(written["fields"][0]["name"], "function");
    assert_eq!(written["cause"], "notification");
}

/// Both sides edited while the service is stopped, so that one look sees both.
pub(crate) async fn apart(
    world: &mut World,
    mailbox: &Mailbox,
    card: &Card,
    id: &str,
    tribe: Value,
    outlook: Value,
) {
    world.stop().await;
    world.edit_tribe(&card.person, tribe).await;
    world.edit_outlook(mailbox, id, outlook).await;
    world.serve().await;
    let users = world.get("/users").await;
    let user = text(&users["items"][0], "id");
    world
        .post(&format!("/users/{user}/resync"), json!({}))
        .await;
    world.calm().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r4_different_fields_are_both_kept() {
    let (mut world, mailbox, _, card, id) = one(&[]).await;
    let (tribe, outlook) = (
        json!({"FirstName": "Berta"}),
        json!({"jobTitle": "Directeur"}),
    );
    apart(&mut world, &mailbox, &card, &id, tribe, outlook).await;
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
    line(&world, &card, "R4", "to_outlook").await;
    line(&world, &card, "R4", "to_tribe").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_the_same_value_on_both_sides_is_written_nowhere() {
    let (mut world, mailbox, user, card, id) = one(&[]).await;
    world.clear_calls();
    let (tribe, outlook) = (json!({"LastName": "Smit"}), json!({"surname": " Smit "}));
    apart(&mut world, &mailbox, &card, &id, tribe, outlook).await;
    world.quiet().await;
    let writes = |world: &World| {
        let calls = world.calls();
        let records = calls.iter().filter(|call| {
            matches!(call.method.as_str(), "PATCH" | "PUT")
                || call.method == "POST" && call.path.ends_with("/contacts")
        });
        records.count()
    };
    assert_eq!(writes(&world), 0, "{:#?}", world.lines());
    // The base moved: an edit that follows is an edit of one side.
    world
        .edit_tribe(&card.person, json!({"LastName": "Bakker"}))
        .await;
    world.shows(&mailbox, &id, "surname", json!("Bakker")).await;
    assert_eq!(world.links(&user).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r6_tribe_wins_by_default_and_the_loser_is_in_the_audit() {
    let (mut world, mailbox, _, card, id) = one(&[]).await;
    let (tribe, outlook) = (json!({"FirstName": "Tess"}), json!({"givenName": "Olaf"}));
    apart(&mut world, &mailbox, &card, &id, tribe, outlook).await;
    world.shows(&mailbox, &id, "givenName", json!("Tess")).await;
    world.quiet().await;
    let lost = line(&world, &card, "R6", "to_outlook").await;
    assert_eq!(lost["fields"][0]["lost"], "Olaf");
    let person = world.tribe(&card.person).await;
    assert_eq!(person["FirstName"], "Tess");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r6_outlook_wins_where_so_configured() {
    let (mut world, mailbox, _, card, id) = one(&[("sync.conflict", "outlook")]).await;
    let (tribe, outlook) = (json!({"FirstName": "Tess"}), json!({"givenName": "Olaf"}));
    apart(&mut world, &mailbox, &card, &id, tribe, outlook).await;
    world
        .tribe_shows(&card.person, "FirstName", json!("Olaf"))
        .await;
    world.quiet().await;
    let lost = line(&world, &card, "R6", "to_tribe").await;
    assert_eq!(lost["fields"][0]["lost"], "Tess");
}

async fn held(world: &World) -> Value {
    world
        .eventually("something is held", async || {
            let held = world.get("/held").await;
            held["items"].get(0).cloned()
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r6_held_values_wait_for_a_person() {
    for (decision, value) in [("accept", "Olaf"), ("reject", "Tess")] {
        let (mut world, mailbox, user, card, id) = one(&[("sync.conflict", "hold")]).await;
        let (tribe, outlook) = (json!({"FirstName": "Tess"}), json!({"givenName": "Olaf"}));
        apart(&mut world, &mailbox, &card, &id, tribe, outlook).await;
        let item = held(&world).await;
        assert_eq!(item["rule"], "R6");
        assert_eq!(item["fields"][0]["tribe"], "Tess");
        assert_eq!(item["fields"][0]["outlook"], "Olaf");
        // The other fields go on meanwhile.
        world
            .edit_tribe(&card.relationship, json!({"PhoneNumber": "020-5551234"}))
            .await;
        world
            .shows(&mailbox, &id, "businessPhones", json!(["020-5551234"]))
            .await;
        assert_eq!(world.tribe(&card.person).await["FirstName"], "Tess");
        world
            .post(&format!("/held/{}/{decision}", item["id"]), json!({}))
            .await;
        world.shows(&mailbox, &id, "givenName", json!(value)).await;
        world
            .tribe_shows(&card.person, "FirstName", json!(value))
            .await;
        world.quiet().await;
        let rest = world.get(&format!("/held?user={user}")).await;
        assert_eq!(rest["items"], json!([]), "{decision}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_r15_strangers_and_foreign_fields_are_ignored() {
    let (world, mailbox, user, _, id) = one(&[]).await;
    world.clear_calls();
    world
        .type_contact(&mailbox, json!({"givenName": "Own", "surname": "Friend"}))
        .await;
    world
        .edit_outlook(&mailbox, &id, json!({"personalNotes": "likes tea"}))
        .await;
    world
        .eventually("both were looked at", async || {
            (world.count().graph_reads >= 2).then_some(())
        })
        .await;
    world.quiet().await;
    let count = world.count();
    assert_eq!(
        (count.tribe_writes, count.graph_writes),
        (0, 0),
        "{:#?}",
        world.lines()
    );
    assert_eq!(world.links(&user).await.len(), 1);
    let state = world.control(Method::GET, "/state", None).await;
    let people = state["tribe"]["people"].as_array().unwrap();
    assert!(people.iter().all(|person| person["LastName"] != "Friend"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r14_echoes_write_nothing() {
    let (world, mailbox, _, card, id) = one(&[]).await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    world.quiet().await;
    world.clear_calls();
    world
        .edit_outlook(&mailbox, &id, json!({"givenName": "Cora"}))
        .await;
    world
        .tribe_shows(&card.person, "FirstName", json!("Cora"))
        .await;
    world.quiet().await;
    let count = world.count();
    assert_eq!(
        (count.graph_writes, count.tribe_writes),
        (0, 1),
        "{:#?}",
        world.lines()
    );
}

/// A linked contact and a stranger's card with the same address, which Outlook completes it from.
pub(crate) async fn completed(
    config: &[(&'static str, &'static str)],
) -> (World, Mailbox, String, Card, String) {
    let world = World::start(Setup::with(config)).await;
    let mailbox = world.mailbox(0);
    let card = world
        .person(
            CONTACT,
            &mailbox,
            json!({"FirstName": "Anna", "LastName": "Jansen 1"}),
            json!({"EmailAddress": "info@acme.example"}),
        )
        .await;
    let stranger = json!({
        "givenName": "Other", "surname": "Somebody", "jobTitle": "Directeur", "mobilePhone": "06-99999999",
        "businessPhones": ["020-9999999"], "emailAddresses": [{"address": "info@acme.example", "name": "info"}],
    });
    world.type_contact(&mailbox, stranger).await;
    let user = world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "id");
    let body = json!({"mailbox": mailbox.address, "contact": id});
    world
        .control(Method::POST, "/complete-card", Some(body))
        .await;
    (world, mailbox, user, card, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r16_flags_a_completed_card_and_passes_it_on() {
    let (world, _, _, card, _) = completed(&[]).await;
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Directeur"),
        )
        .await;
    world.quiet().await;
    let flagged = line(&world, &card, "R16", "to_tribe").await;
    let fields = flagged["fields"].as_array().unwrap();
    assert!(
        fields.iter().any(|field| field["name"] == "function"),
        "{flagged}"
    );
    assert!(fields.len() >= 2, "{flagged}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r16_holds_a_completed_card_where_so_configured() {
    for (decision, value) in [("accept", json!("Directeur")), ("reject", Value::Null)] {
        let (world, mailbox, _, card, id) = completed(&[("sync.merge_guard", "hold")]).await;
        let item = held(&world).await;
        assert_eq!(item["rule"], "R16");
        let tie = world.tribe(&card.relationship).await;
        assert_eq!(tie["FunctionOnBusinessCard"], Value::Null);
        world
            .post(&format!("/held/{}/{decision}", item["id"]), json!({}))
            .await;
        world
            .tribe_shows(&card.relationship, "FunctionOnBusinessCard", value.clone())
            .await;
        world.shows(&mailbox, &id, "jobTitle", value).await;
        world.quiet().await;
        assert_eq!(world.get("/held").await["items"], json!([]), "{decision}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r16_accepts_a_completed_card_where_so_configured() {
    let (world, _, _, card, _) = completed(&[("sync.merge_guard", "accept")]).await;
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Directeur"),
        )
        .await;
    world.quiet().await;
    line(&world, &card, "R3", "to_tribe").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r18_a_birthday_without_year_never_reaches_tribe() {
    let world = World::start(Setup::default()).await;
    let mailbox = world.mailbox(0);
    let person = json!({"FirstName": "Anna", "LastName": "Jansen 1", "BirthDate": "1980-05-06"});
    let card = world.person(CONTACT, &mailbox, person, json!({})).await;
    world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "id");
    let changes = json!({"birthday": "1604-05-07T00:00:00Z", "jobTitle": "Directeur"});
    world.edit_outlook(&mailbox, &id, changes).await;
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Directeur"),
        )
        .await;
    world.quiet().await;
    let person = world.tribe(&card.person).await;
    assert_eq!(person["BirthDate"], "1980-05-06");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_surname_is_refused_and_said_and_the_rest_goes_on() {
    let (world, mailbox, user, card, id) = one(&[]).await;
    let changes = json!({"surname": Value::Null, "jobTitle": "Directeur"});
    world.edit_outlook(&mailbox, &id, changes).await;
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Directeur"),
        )
        .await;
    world.quiet().await;
    assert_eq!(world.tribe(&card.person).await["LastName"], "Jansen 1");
    let parked = world.get(&format!("/parked?user={user}")).await;
    assert!(
        parked["items"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("Tribe"),
        "{parked}"
    );
    // Once it is mended the item goes.
    world
        .edit_outlook(&mailbox, &id, json!({"surname": "Smit"}))
        .await;
    world
        .tribe_shows(&card.person, "LastName", json!("Smit"))
        .await;
    world.quiet().await;
    let parked = world.get(&format!("/parked?user={user}")).await;
    assert_eq!(parked["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn initials_that_outlook_derives_never_reach_tribe() {
    let (world, mailbox, _, card, id) = one(&[]).await;
    world
        .edit_outlook(&mailbox, &id, json!({"givenName": "Berta"}))
        .await;
    world
        .tribe_shows(&card.person, "FirstName", json!("Berta"))
        .await;
    world.quiet().await;
    let contact = world.contact_by_id(&mailbox, &id).await.unwrap();
    assert_eq!(contact["initials"], "B.J.1.");
    assert_eq!(world.tribe(&card.person).await["Initials"], Value::Null);
    // What somebody types does.
    world
        .edit_outlook(&mailbox, &id, json!({"initials": "B.Q."}))
        .await;
    world
        .tribe_shows(&card.person, "Initials", json!("B.Q."))
        .await;
}
