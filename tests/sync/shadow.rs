//! Shadow mode: it runs beside another link, writes nothing, says what it would have done, and takes
//! over without a duplicate.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    hands::{Card, text},
    world::{Mailbox, Setup, World},
};

/// People of a mailbox, and the notes that shadow mode left for one of them, newest first.
async fn notes(world: &World, card: &Card) -> Vec<String> {
    let lines = world.audit(card).await;
    let noted = lines.iter().filter_map(|line| line["note"].as_str());
    noted.map(str::to_owned).collect()
}

async fn beside(world: &World) -> (Mailbox, Card, Card, String) {
    let mailbox = world.mailbox(0);
    let known = world.somebody(&mailbox, 1).await;
    let fresh = world.somebody(&mailbox, 2).await;
    // What the other link made.
    let made = json!({
        "givenName": "Anna", "surname": "Jansen 1", "displayName": "Anna Jansen 1",
        "emailAddresses": [{"address": "anna1@acme.example", "name": "Anna"}],
    });
    let made = world.type_contact(&mailbox, made).await;
    (mailbox, known, fresh, text(&made, "id"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shadow_writes_nothing_says_what_it_would_do_and_takes_over_without_a_duplicate() {
    let config = [("sync.shadow", "true"), ("sync.match", "email_name")];
    let mut world = World::start(Setup::with(&config)).await;
    let (mailbox, known, fresh, _) = beside(&world).await;
    world.clear_calls();
    let user = world.live(&mailbox).await;
    world
        .edit_tribe(
            &fresh.relationship,
            json!({"PhoneNumber": "+31 20 555 0009"}),
        )
        .await;
    world.quiet().await;
    let count = world.count();
    assert_eq!(count.tribe_writes, 0, "{:#?}", world.lines());
    let contacts = world.contacts(&mailbox).await;
    assert_eq!(contacts.len(), 1, "nothing was made");
    assert_eq!(
        contacts[0]["businessPhones"],
        json!([]),
        "nothing was written"
    );
    assert_eq!(world.links(&user).await.len(), 0);
    assert_eq!(notes(&world, &known).await, ["shadow: would adopt"]);
    let would = notes(&world, &fresh).await;
    assert_eq!(would, ["shadow: would create"], "said once");
    let (status, _) = world.try_api(Method::POST, "/audit/1/undo", None).await;
    assert_eq!(
        status,
        StatusCode::CONFLICT,
        "there is nothing to take back"
    );

    world.stop().await;
    world.configure("sync.shadow", "false");
    world.serve().await;
    world
        .post(&format!("/users/{user}/resync"), json!({}))
        .await;
    world.link_is(&user, &known, "linked").await;
    world.link_is(&user, &fresh, "linked").await;
    world.quiet().await;
    let contacts = world.contacts(&mailbox).await;
    assert_eq!(contacts.len(), 2, "one adopted, one made");
    let adopted = world.contact(&mailbox, "Jansen 1").await.unwrap();
    assert_eq!(adopted["businessPhones"], json!(["+31 20 555 0001"]));
    assert_ne!(adopted["id"], Value::Null);
}
