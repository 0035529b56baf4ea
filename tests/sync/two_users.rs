//! One person in two mailboxes.

use serde_json::json;

use crate::{
    hands::text,
    world::{Setup, World},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_by_one_user_reaches_the_other() {
    let world = World::start(Setup {
        users: 2,
        ..Setup::default()
    })
    .await;
    let (mine, theirs) = (world.mailbox(0), world.mailbox(1));
    let card = world.somebody(&mine, 1).await;
    let owners = json!({"Owners": [{"ID": theirs.employee}]});
    world.edit_tribe(&card.relationship, owners).await;
    let users = [world.live(&mine).await, world.live(&theirs).await];
    for user in &users {
        assert_eq!(
            world.link_state(user, &card).await.as_deref(),
            Some("linked")
        );
    }
    let contact = world.contact(&mine, "Jansen 1").await.unwrap();
    let other = world.contact(&theirs, "Jansen 1").await.unwrap();
    let (id, other) = (text(&contact, "id"), text(&other, "id"));
    world.clear_calls();
    world
        .edit_outlook(&mine, &id, json!({"businessPhones": ["020-5559999"]}))
        .await;
    world
        .shows(&theirs, &other, "businessPhones", json!(["020-5559999"]))
        .await;
    world.quiet().await;
    let count = world.count();
    assert_eq!(
        (count.tribe_writes, count.graph_writes),
        (1, 1),
        "{:#?}",
        world.lines()
    );
    // One edit in Tribe reaches both with one read of Tribe.
    world.clear_calls();
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world.shows(&mine, &id, "givenName", json!("Berta")).await;
    world
        .shows(&theirs, &other, "givenName", json!("Berta"))
        .await;
    world.quiet().await;
    let count = world.count();
    assert_eq!(
        (count.tribe_reads, count.graph_reads, count.graph_writes),
        (1, 2, 2),
        "{:#?}",
        world.lines()
    );
    // What one deletes the other keeps.
    world.clock.advance(std::time::Duration::from_secs(61));
    world.delete_outlook(&mine, &id).await;
    world.link_is(&users[0], &card, "tombstone").await;
    world.quiet().await;
    assert_eq!(
        world.link_state(&users[1], &card).await.as_deref(),
        Some("linked")
    );
    assert_eq!(world.contacts(&theirs).await.len(), 1);
}
