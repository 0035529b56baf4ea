//! Every webhook and notification lost: polls, deltas and the sweep find everything.

use serde_json::{Value, json};

use crate::{
    hands::{CONTACT, Card, text},
    world::{Mailbox, Setup, World},
};

async fn deaf(config: &[(&'static str, &'static str)]) -> (World, Mailbox, String, Card, String) {
    let world = World::start(Setup {
        users: 2,
        config: config.to_vec(),
        ..Setup::default()
    })
    .await;
    let mailbox = world.mailbox(0);
    let card = world.somebody(&mailbox, 1).await;
    let user = world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "immutableId");
    for source in ["tribe", "graph"] {
        world
            .fault(json!({"hints": {"source": source, "drop": true}}))
            .await;
    }
    (world, mailbox, user, card, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_arrive_by_poll_and_delta() {
    let config = [
        ("sync.poll_interval", "300ms"),
        ("sync.delta_interval", "300ms"),
    ];
    let (world, mailbox, user, card, id) = deaf(&config).await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
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
    let later = world.somebody(&mailbox, 2).await;
    world.link_is(&user, &later, "linked").await;
    // The organisation's new name moves a date of its own.
    let organization = card.organization.as_deref().unwrap();
    world
        .edit_tribe(organization, json!({"Name": "Acme Holding"}))
        .await;
    world
        .shows(&mailbox, &id, "companyName", json!("Acme Holding"))
        .await;
    world.recorded(&card.person, "to_outlook", "company").await;
    world.clock.advance(std::time::Duration::from_secs(61));
    world.delete_outlook(&mailbox, &id).await;
    world.link_is(&user, &card, "tombstone").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sweep_alone_finds_what_nobody_announces() {
    let (world, mailbox, user, card, id) = deaf(&[("sync.sweep_interval", "500ms")]).await;
    let organization = card.organization.as_deref().unwrap();
    world
        .edit_tribe(organization, json!({"Name": "Acme Holding"}))
        .await;
    world
        .shows(&mailbox, &id, "companyName", json!("Acme Holding"))
        .await;
    // An owner who is put beside a stranger's manager.
    let other = world.mailbox(1);
    let theirs = world.somebody(&other, 2).await;
    let owners = json!({"Owners": [{"ID": mailbox.employee}]});
    world.edit_tribe(&theirs.relationship, owners).await;
    world.link_is(&user, &theirs, "linked").await;
    world
        .edit_tribe(&theirs.relationship, json!({"Owners": []}))
        .await;
    world.link_is(&user, &theirs, "sleeping").await;
    // An edit and a deletion in Outlook.
    world
        .edit_outlook(&mailbox, &id, json!({"givenName": "Berta"}))
        .await;
    world
        .tribe_shows(&card.person, "FirstName", json!("Berta"))
        .await;
    world.recorded(&card.person, "to_tribe", "first_name").await;
    world.clock.advance(std::time::Duration::from_secs(61));
    world.delete_outlook(&mailbox, &id).await;
    world.link_is(&user, &card, "tombstone").await;
    // A restored one.
    world.place("restore", &mailbox, &id, None).await;
    world.link_is(&user, &card, "linked").await;
    // And a person deleted in Tribe.
    world.delete_tribe(&card.person).await;
    world.link_is(&user, &card, "closed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubled_late_and_reordered_hints_do_no_harm() {
    let world = World::start(Setup::default()).await;
    let mailbox = world.mailbox(0);
    for source in ["tribe", "graph"] {
        let hints = json!({"source": source, "duplicate": true, "reorder": true});
        world.fault(json!({"hints": hints})).await;
    }
    let tie = json!({"EmailAddress": "anna@acme.example"});
    let person = json!({"FirstName": "Anna", "LastName": "Jansen 1"});
    let card = world.person(CONTACT, &mailbox, person, tie).await;
    world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "id");
    for name in ["Berta", "Cora", "Dora"] {
        world
            .edit_tribe(&card.person, json!({"FirstName": name}))
            .await;
    }
    for function in ["Directeur", "Controller"] {
        world
            .edit_outlook(&mailbox, &id, json!({"jobTitle": function}))
            .await;
    }
    world.shows(&mailbox, &id, "givenName", json!("Dora")).await;
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Controller"),
        )
        .await;
    world.quiet().await;
    assert_eq!(world.contacts(&mailbox).await.len(), 1);
    let person: Value = world.tribe(&card.person).await;
    assert_eq!(person["FirstName"], "Dora");
}
