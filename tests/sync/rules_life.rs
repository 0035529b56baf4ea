//! R7 to R9 and R11 to R13: how links end, sleep, wake and are found again.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    hands::{CONTACT, Card, INDIVIDUAL, text},
    world::{Mailbox, Setup, World},
};

/// After this time an own write has settled: what is read then is what people did.
const SETTLED: Duration = Duration::from_secs(61);

async fn one(config: &[(&'static str, &'static str)]) -> (World, Mailbox, String, Card, String) {
    let world = World::start(Setup::with(config)).await;
    let mailbox = world.mailbox(0);
    let card = world.somebody(&mailbox, 1).await;
    let user = world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    // The id that survives a move.
    let id = text(&contact, "immutableId");
    world.clock.advance(SETTLED);
    (world, mailbox, user, card, id)
}

async fn deleted(
    config: &[(&'static str, &'static str)],
) -> (World, Mailbox, String, Card, String) {
    let (world, mailbox, user, card, id) = one(config).await;
    world.delete_outlook(&mailbox, &id).await;
    world.link_is(&user, &card, "tombstone").await;
    world.quiet().await;
    (world, mailbox, user, card, id)
}

async fn recreated(world: &World, mailbox: &Mailbox, surname: &str) -> Value {
    world
        .eventually("the contact is there again", async || {
            world.contact(mailbox, surname).await
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_a_deletion_in_outlook_ends_the_link_and_nothing_else() {
    let (world, mailbox, user, card, _) = one(&[]).await;
    let before = world.tribe(&card.person).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    world.delete_outlook(&mailbox, &text(&contact, "id")).await;
    world.link_is(&user, &card, "tombstone").await;
    world.quiet().await;
    assert_eq!(world.tribe(&card.person).await, before);
    // Resync and a restart alone never re-create.
    world
        .post(&format!("/users/{user}/resync"), json!({}))
        .await;
    world.calm().await;
    world.quiet().await;
    assert!(world.contacts(&mailbox).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_holds_for_sleeping_links_too() {
    let (world, mailbox, user, card, id) = one(&[]).await;
    world
        .edit_tribe(&card.relationship, json!({"IsFormer": true}))
        .await;
    world.link_is(&user, &card, "sleeping").await;
    world.delete_outlook(&mailbox, &id).await;
    world.link_is(&user, &card, "tombstone").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_a_contact_moved_to_another_folder_stays_linked_and_follows_edits_there() {
    let (world, mailbox, user, card, id) = one(&[("sync.delta_interval", "1s")]).await;
    let folder = world.folder(&mailbox, "Customers").await;
    world.place("move", &mailbox, &id, Some(&folder)).await;
    world
        .eventually("its folder has a cursor", async || {
            let user = world.store_user(&user).await;
            let cursors = world.store.cursors(user).await.unwrap();
            (cursors.len() == 2 && cursors.iter().all(|cursor| !cursor.link.is_empty()))
                .then_some(())
        })
        .await;
    assert_eq!(
        world.link_state(&user, &card).await.as_deref(),
        Some("linked")
    );
    world
        .edit_outlook(&mailbox, &id, json!({"givenName": "Berta"}))
        .await;
    world
        .tribe_shows(&card.person, "FirstName", json!("Berta"))
        .await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Cora"}))
        .await;
    world.shows(&mailbox, &id, "givenName", json!("Cora")).await;
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_a_later_change_in_tribe_creates_it_again() {
    let (world, mailbox, user, card, id) = deleted(&[]).await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    let contact = recreated(&world, &mailbox, "Jansen 1").await;
    assert_eq!(contact["givenName"], "Berta");
    assert_ne!(contact["immutableId"], id.as_str());
    world.link_is(&user, &card, "linked").await;
    world.quiet().await;
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_becoming_eligible_again_creates_it_again() {
    let (world, mailbox, user, card, _) = deleted(&[]).await;
    world
        .edit_tribe(&card.relationship, json!({"IsFormer": true}))
        .await;
    world.quiet().await;
    assert!(world.contacts(&mailbox).await.is_empty());
    world
        .edit_tribe(&card.relationship, json!({"IsFormer": false}))
        .await;
    recreated(&world, &mailbox, "Jansen 1").await;
    world.link_is(&user, &card, "linked").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_a_change_not_yet_sent_when_the_deletion_is_seen_counts_as_later() {
    let (world, mailbox, user, card, id) = one(&[]).await;
    world.post(&format!("/users/{user}/pause"), json!({})).await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world.delete_outlook(&mailbox, &id).await;
    world.calm().await;
    world
        .post(&format!("/users/{user}/resume"), json!({}))
        .await;
    let contact = recreated(&world, &mailbox, "Jansen 1").await;
    assert_eq!(contact["givenName"], "Berta");
    world.link_is(&user, &card, "linked").await;
    world.quiet().await;
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r8_respects_deletes_where_so_configured() {
    let (world, mailbox, user, card, _) = deleted(&[("sync.respect_deletes", "true")]).await;
    world.clear_calls();
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .eventually("it was looked at", async || {
            (world.count().tribe_reads > 0).then_some(())
        })
        .await;
    world.quiet().await;
    assert!(world.contacts(&mailbox).await.is_empty());
    assert_eq!(
        world.link_state(&user, &card).await.as_deref(),
        Some("tombstone")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r9_sleeps_and_wakes_with_what_was_edited_meanwhile() {
    let gone = [
        json!({"IsFormer": true}),
        json!({"AccountManager": Value::Null}),
    ];
    for away in gone {
        let (world, mailbox, user, card, id) = one(&[]).await;
        world.edit_tribe(&card.relationship, away).await;
        world.link_is(&user, &card, "sleeping").await;
        world.quiet().await;
        world.clear_calls();
        world
            .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
            .await;
        world
            .edit_outlook(&mailbox, &id, json!({"jobTitle": "Directeur"}))
            .await;
        world
            .eventually("both were looked at", async || {
                let count = world.count();
                (count.tribe_reads > 0 && count.graph_reads > 0).then_some(())
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
        assert_eq!(world.contacts(&mailbox).await.len(), 1);
        let back = json!({"IsFormer": false, "AccountManager": {"ID": mailbox.employee}});
        world.edit_tribe(&card.relationship, back).await;
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
        world.link_is(&user, &card, "linked").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r9_an_owner_counts_like_a_manager() {
    let world = World::start(Setup {
        users: 2,
        ..Setup::default()
    })
    .await;
    let (mailbox, other) = (world.mailbox(0), world.mailbox(1));
    let card = world.somebody(&other, 1).await;
    let user = world.live(&mailbox).await;
    assert!(world.contacts(&mailbox).await.is_empty());
    let owners = json!({"Owners": [{"ID": mailbox.employee}]});
    world.edit_tribe(&card.relationship, owners).await;
    recreated(&world, &mailbox, "Jansen 1").await;
    world
        .edit_tribe(&card.relationship, json!({"Owners": []}))
        .await;
    world.link_is(&user, &card, "sleeping").await;
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r11_a_person_deleted_in_tribe_closes_the_link_and_the_contact_stays() {
    let (world, mailbox, user, card, _) = one(&[]).await;
    world.delete_tribe(&card.person).await;
    world.link_is(&user, &card, "closed").await;
    world.quiet().await;
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_adopts_a_restored_or_reimported_contact() {
    for how in ["restore", "reimport"] {
        let (world, mailbox, user, card, id) = deleted(&[]).await;
        world.place(how, &mailbox, &id, None).await;
        world.link_is(&user, &card, "linked").await;
        world.quiet().await;
        let contacts = world.contacts(&mailbox).await;
        assert_eq!(contacts.len(), 1, "{how}");
        world
            .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
            .await;
        let id = text(&contacts[0], "id");
        world
            .shows(&mailbox, &id, "givenName", json!("Berta"))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_a_copy_made_by_the_user_is_parked_and_never_touched() {
    let (world, mailbox, user, card, id) = one(&[]).await;
    let copy = world.place("copy", &mailbox, &id, None).await;
    let parked = world
        .eventually("the copy is parked", async || {
            let parked = world.get(&format!("/parked?user={user}")).await;
            parked["items"].get(0).cloned()
        })
        .await;
    assert!(
        parked["reason"].as_str().unwrap().contains("copy"),
        "{parked}"
    );
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    world.quiet().await;
    let copy = world
        .contact_by_id(&mailbox, &text(&copy, "id"))
        .await
        .unwrap();
    assert_eq!(copy["givenName"], "Anna");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_r12a_a_lost_database_doubles_nobody_and_empties_nothing() {
    let (mut world, mailbox, _, card, id) = one(&[]).await;
    world.stop().await;
    // One side filled, and both sides different.
    world
        .edit_outlook(
            &mailbox,
            &id,
            json!({"jobTitle": "Directeur", "givenName": "Olaf"}),
        )
        .await;
    world.lose_database().await;
    world.serve().await;
    let user = world.live(&mailbox).await;
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
    assert_eq!(
        world.link_state(&user, &card).await.as_deref(),
        Some("linked")
    );
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Directeur"),
        )
        .await;
    world.shows(&mailbox, &id, "givenName", json!("Anna")).await;
    let contact = world.contact_by_id(&mailbox, &id).await.unwrap();
    assert_eq!(contact["mobilePhone"], "06-11111111");
}

async fn known_already(config: &[(&'static str, &'static str)]) -> (World, Mailbox, Card) {
    let world = World::start(Setup::with(config)).await;
    let mailbox = world.mailbox(0);
    let card = world
        .person(
            CONTACT,
            &mailbox,
            json!({"FirstName": "Anna", "LastName": "Jansen 1"}),
            json!({"EmailAddress": "anna@acme.example"}),
        )
        .await;
    let own = json!({
        "givenName": "Anna", "surname": "Jansen 1", "jobTitle": "Directeur",
        "emailAddresses": [{"address": "ANNA@acme.example", "name": "Anna"}],
    });
    world.type_contact(&mailbox, own).await;
    (world, mailbox, card)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r13_adopts_by_address_and_name_where_so_configured() {
    let (world, mailbox, card) = known_already(&[("sync.match", "email_name")]).await;
    let user = world.live(&mailbox).await;
    let contacts = world.contacts(&mailbox).await;
    assert_eq!(contacts.len(), 1);
    assert_eq!(
        world.link_state(&user, &card).await.as_deref(),
        Some("linked")
    );
    // What stood in Outlook alone stays there, and goes to Tribe once changed.
    assert_eq!(contacts[0]["jobTitle"], "Directeur");
    let tie = world.tribe(&card.relationship).await;
    assert_eq!(tie["FunctionOnBusinessCard"], Value::Null);
    let id = text(&contacts[0], "id");
    world
        .edit_outlook(&mailbox, &id, json!({"jobTitle": "Controller"}))
        .await;
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Controller"),
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r13_creates_beside_by_default() {
    let (world, mailbox, _) = known_already(&[]).await;
    world.live(&mailbox).await;
    assert_eq!(world.contacts(&mailbox).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_main_relationship_gives_the_business_values() {
    let world = World::start(Setup::default()).await;
    let mailbox = world.mailbox(0);
    let person =
        json!({"FirstName": "Anna", "LastName": "Jansen 1", "EmailAddress": "anna@prive.example"});
    let card = world.person(INDIVIDUAL, &mailbox, person, json!({})).await;
    let user = world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    assert_eq!(
        contact["emailAddresses"][0]["address"],
        "anna@prive.example"
    );
    let organization = world
        .record(crate::hands::ORGANIZATION, json!({"Name": "Acme B.V."}))
        .await;
    let tie = json!({
        "Person": {"ID": card.person}, "Relation": {"ID": organization}, "AccountManager": {"ID": mailbox.employee},
        "EmailAddress": "anna@acme.example", "PhoneNumber": "020-5550001",
    });
    let tie = world.record(CONTACT, tie).await;
    let id = text(&contact, "id");
    world
        .shows(&mailbox, &id, "companyName", json!("Acme B.V."))
        .await;
    world.quiet().await;
    let contact = world.contact_by_id(&mailbox, &id).await.unwrap();
    assert_eq!(contact["emailAddresses"][0]["address"], "anna@acme.example");
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
    // It ends: the individual speaks again, and nobody is deleted.
    world.delete_tribe(&tie).await;
    world
        .post(&format!("/users/{user}/resync"), json!({}))
        .await;
    world
        .eventually("the private address is first again", async || {
            let contact = world.contact_by_id(&mailbox, &id).await?;
            (contact["emailAddresses"][0]["address"] == "anna@prive.example").then_some(())
        })
        .await;
    world.quiet().await;
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
}
