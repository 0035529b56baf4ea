//! How many calls an edit costs. Requests for tokens are not counted.

use serde_json::json;

use crate::{
    hands::text,
    log::Count,
    world::{Setup, World},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_in_tribe_costs_one_read_on_each_side_and_one_write() {
    let world = World::start(Setup::default()).await;
    let mailbox = world.mailbox(0);
    let card = world.somebody(&mailbox, 1).await;
    world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "id");
    for (record, fields, name, value) in [
        (
            &card.person,
            json!({"FirstName": "Berta"}),
            "givenName",
            json!("Berta"),
        ),
        (
            &card.relationship,
            json!({"PhoneNumber": "+31 20 555 0002"}),
            "businessPhones",
            json!(["+31 20 555 0002"]),
        ),
    ] {
        world.clear_calls();
        let started = world.milliseconds();
        world.edit_tribe(record, fields).await;
        world.shows(&mailbox, &id, name, value).await;
        println!(
            "{name}: Tribe to Outlook in {} ms",
            world.milliseconds() - started
        );
        world.quiet().await;
        let expected = Count {
            tribe_reads: 1,
            tribe_writes: 0,
            graph_reads: 1,
            graph_writes: 1,
            graph_requests: 2,
        };
        assert_eq!(world.count(), expected, "{name} {:#?}", world.lines());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_in_outlook_costs_one_read_on_each_side_and_a_write_for_each_record() {
    let world = World::start(Setup::default()).await;
    let mailbox = world.mailbox(0);
    let card = world.somebody(&mailbox, 1).await;
    world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "id");
    for (record, changes, name, value) in [
        (
            &card.person,
            json!({"givenName": "Berta"}),
            "FirstName",
            json!("Berta"),
        ),
        (
            &card.relationship,
            json!({"businessPhones": ["+31 20 555 0002"]}),
            "PhoneNumber",
            json!("+31 20 555 0002"),
        ),
    ] {
        world.clear_calls();
        let started = world.milliseconds();
        world.edit_outlook(&mailbox, &id, changes).await;
        world.tribe_shows(record, name, value).await;
        println!(
            "{name}: Outlook to Tribe in {} ms",
            world.milliseconds() - started
        );
        world.quiet().await;
        let count = world.count();
        // Tribe's own echo has no etag: it costs at most one read, and nothing at Graph.
        assert!((1..=2).contains(&count.tribe_reads), "{:#?}", world.lines());
        let expected = Count {
            tribe_reads: count.tribe_reads,
            tribe_writes: 1,
            graph_reads: 1,
            graph_writes: 0,
            graph_requests: 1,
        };
        assert_eq!(count, expected, "{name} {:#?}", world.lines());
    }
    // Both records at once: a write for each; R16 looks once for others with the address.
    world.clear_calls();
    let both = json!({"givenName": "Cora", "businessPhones": ["+31 20 555 0003"]});
    world.edit_outlook(&mailbox, &id, both).await;
    world
        .tribe_shows(&card.person, "FirstName", json!("Cora"))
        .await;
    world.quiet().await;
    let count = world.count();
    assert_eq!(
        (count.tribe_writes, count.graph_writes),
        (2, 0),
        "{:#?}",
        world.lines()
    );
    assert_eq!(
        (count.graph_reads, count.graph_requests),
        (2, 2),
        "{:#?}",
        world.lines()
    );
    assert!(count.tribe_reads <= 3, "{:#?}", world.lines());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_person_costs_one_read_on_each_side_and_one_create() {
    let world = World::start(Setup::default()).await;
    let mailbox = world.mailbox(0);
    world.live(&mailbox).await;
    let person = world
        .record(
            crate::hands::PERSON,
            json!({"FirstName": "Anna", "LastName": "Jansen 1"}),
        )
        .await;
    world.quiet().await;
    world.clear_calls();
    let tie = json!({"Person": {"ID": person}, "AccountManager": {"ID": mailbox.employee}});
    world.record(crate::hands::INDIVIDUAL, tie).await;
    world
        .eventually("the contact is there", async || {
            world.contact(&mailbox, "Jansen 1").await
        })
        .await;
    world.quiet().await;
    let expected = Count {
        tribe_reads: 1,
        tribe_writes: 0,
        graph_reads: 1,
        graph_writes: 1,
        graph_requests: 2,
    };
    assert_eq!(world.count(), expected, "{:#?}", world.lines());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resync_of_what_agrees_writes_nothing() {
    let world = World::start(Setup {
        people: 60,
        ..Setup::default()
    })
    .await;
    let mailbox = world.mailbox(0);
    let user = world.live(&mailbox).await;
    assert!(world.contacts(&mailbox).await.len() > 30);
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
    assert_eq!(
        (count.graph_writes, count.tribe_writes),
        (0, 0),
        "{:#?}",
        world.lines()
    );
    assert!(count.graph_requests <= 8, "{:#?}", world.lines());
}
