//! Tribe's webhooks (reference 6).

use reqwest::Method;
use serde_json::{Value, json};
use tribelink_sandbox::tribe::webhook::signature;

use crate::common::{Hook, World, id, until};

const CONTACT: &str = "Relationship_Person_Contact_Standard";

async fn register(world: &World, hook: &Hook, kind: &str) -> Value {
    let body = json!({"entityType": kind, "webhookUrl": hook.url, "headers": [{"name": "X-Key", "value": "mine"}]});
    let (status, body) = world.send(Method::POST, "webhooks", body).await;
    assert_eq!(status, 201);
    body
}

#[tokio::test]
async fn every_write_is_told_signed_and_whole() {
    let (world, hook) = (World::start().await, Hook::start().await);
    let registered = register(&world, &hook, "Relation.Person").await;
    let secret = world.config().await["tribe"]["webhook_secret"]
        .as_str()
        .expect("a secret")
        .to_owned();
    assert_eq!(registered["secret"], secret.as_str());
    let person = world
        .create("Relation_Person", json!({"LastName": "Heard"}))
        .await;
    world
        .put(
            &format!("Relation_Person({person})"),
            json!({"FirstName": "Now"}),
        )
        .await;
    world
        .control(
            Method::POST,
            &format!("tribe/records/{person}"),
            json!({"FirstName": "By hand"}),
        )
        .await;
    world
        .send(
            Method::DELETE,
            &format!("odata/Relation_Person({person})"),
            Value::Null,
        )
        .await;
    let all = hook.wait(4).await;
    let types: std::collections::BTreeMap<String, usize> =
        all.iter().fold(Default::default(), |mut counts, got| {
            *counts
                .entry(
                    got.json()["payload"]["type"]
                        .as_str()
                        .expect("a type")
                        .to_owned(),
                )
                .or_default() += 1;
            counts
        });
    assert_eq!(
        types.into_iter().collect::<Vec<_>>(),
        [
            ("EntityCreationMutation".to_owned(), 1),
            ("EntityDeletionMutation".to_owned(), 1),
            ("EntityUpdateMutation".to_owned(), 2)
        ]
    );
    for got in &all {
        let body = got.json();
        assert_eq!(
            (
                body["webhookId"].as_str(),
                body["payload"]["entityId"].as_str()
            ),
            (registered["id"].as_str(), Some(person.as_str()))
        );
        assert_eq!(body["payload"]["entityType"], "Relation.Person");
        assert_eq!(got.headers["x-key"], "mine");
        assert_eq!(
            got.headers["x-tribe-signature"],
            signature(&secret, &got.body).as_str()
        );
    }
}

#[tokio::test]
async fn relationships_have_their_own_family() {
    let (world, hook) = (World::start().await, Hook::start().await);
    register(&world, &hook, "Relationship.Person.Contact.Standard").await;
    let contact = id(&world.list(&format!("{CONTACT}?$top=1")).await[0]);
    world
        .put(
            &format!("{CONTACT}({contact})"),
            json!({"AccountManager": null, "Department": "Elsewhere"}),
        )
        .await;
    let got = hook.wait(1).await[0].json();
    assert_eq!(
        (
            got["payload"]["type"].as_str(),
            got["payload"]["relationshipId"].as_str()
        ),
        (Some("RelationshipUpdateMutation"), Some(contact.as_str()))
    );
    assert_eq!(got["payload"]["fields"]["Department"], "Elsewhere");
    world
        .control(
            Method::POST,
            "tribe/settings",
            json!({"mutations": "by_link"}),
        )
        .await;
    let employee = world.config().await["mailboxes"][0]["employee_id"].clone();
    world
        .put(
            &format!("{CONTACT}({contact})"),
            json!({"AccountManager": {"ID": employee}}),
        )
        .await;
    let got = hook.wait(2).await[1].json();
    assert_eq!(got["payload"]["type"], "RelationshipCreationMutation");
    let link = got["payload"]["relationshipId"].as_str().expect("an id");
    assert_eq!(world.get(&format!("Entity({link})")).await.0, 404);
}

#[tokio::test]
async fn base_types_cover_by_switch_and_own_types_always() {
    let (world, hook) = (World::start().await, Hook::start().await);
    register(&world, &hook, "Relation").await;
    let own = register(&world, &hook, "Relation.Person").await;
    world
        .create("Relation_Person", json!({"LastName": "One"}))
        .await;
    assert_eq!(hook.wait(1).await[0].json()["webhookId"], own["id"]);
    world
        .control(
            Method::POST,
            "tribe/settings",
            json!({"base_types_cover": true, "signature_header": "X-Other"}),
        )
        .await;
    world
        .create("Relation_Person", json!({"LastName": "Two"}))
        .await;
    let all = hook.wait(3).await;
    assert!(
        all[1..]
            .iter()
            .all(|got| got.headers.contains_key("x-other"))
    );
    assert_eq!(all.len(), 3, "the first write was told once");
}

#[tokio::test]
async fn a_refused_delivery_is_repeated() {
    let (world, hook) = (World::start().await, Hook::start().await);
    world
        .control(
            Method::POST,
            "tribe/settings",
            json!({"retries_ms": [1, 3_600_000]}),
        )
        .await;
    register(&world, &hook, "Relation.Person").await;
    hook.answers(503);
    world
        .create("Relation_Person", json!({"LastName": "Again"}))
        .await;
    let tries = hook.wait(2).await;
    assert_eq!(tries[0].body, tries[1].body);
    until(async || {
        (world.control(Method::GET, "state", Value::Null).await.1["outbox"] == 1).then_some(())
    })
    .await;
    hook.answers(200);
    world
        .control(Method::POST, "time", json!({"advance_ms": 3_600_000}))
        .await;
    hook.wait(3).await;
    let hooks = until(async || {
        let (_, state) = world.control(Method::GET, "state", Value::Null).await;
        (state["tribe"]["webhooks"][0]["delivered"] == 1)
            .then(|| state["tribe"]["webhooks"][0].clone())
    })
    .await;
    assert_eq!(
        (&hooks["failed"], &hooks["last_status"]),
        (&json!(2), &json!(200))
    );
}

#[tokio::test]
async fn hints_are_dropped_doubled_delayed_and_disordered() {
    let (world, hook) = (World::start().await, Hook::start().await);
    register(&world, &hook, "Relation.Person").await;
    world
        .control(
            Method::POST,
            "faults",
            json!({"hints": {"source": "tribe", "drop": true}, "count": 1}),
        )
        .await;
    world
        .create("Relation_Person", json!({"LastName": "Lost"}))
        .await;
    world
        .control(
            Method::POST,
            "faults",
            json!({"hints": {"source": "tribe", "duplicate": true}, "count": 1}),
        )
        .await;
    let doubled = world
        .create("Relation_Person", json!({"LastName": "Doubled"}))
        .await;
    let all = hook.wait(2).await;
    assert!(
        all.iter()
            .all(|got| got.json()["payload"]["entityId"] == doubled.as_str())
    );
    world.control(Method::DELETE, "faults", Value::Null).await;
    world
        .control(
            Method::POST,
            "faults",
            json!({"hints": {"source": "tribe", "delay_ms": 3_600_000}, "count": 1}),
        )
        .await;
    let late = world
        .create("Relation_Person", json!({"LastName": "Late"}))
        .await;
    let early = world
        .create("Relation_Person", json!({"LastName": "Early"}))
        .await;
    assert_eq!(
        hook.wait(3).await[2].json()["payload"]["entityId"],
        early.as_str()
    );
    world
        .control(Method::POST, "time", json!({"advance_ms": 3_600_000}))
        .await;
    assert_eq!(
        hook.wait(4).await[3].json()["payload"]["entityId"],
        late.as_str()
    );
}

#[tokio::test]
async fn webhooks_are_listed_and_deleted() {
    let (world, hook) = (World::start().await, Hook::start().await);
    let one = register(&world, &hook, "Relation.Person").await;
    let (_, all) = world.send(Method::GET, "webhooks", Value::Null).await;
    assert_eq!(
        (all[0]["id"].clone(), all[0]["webhookUrl"].as_str()),
        (one["id"].clone(), Some(hook.url.as_str()))
    );
    assert!(all[0].get("secret").is_none());
    assert_eq!(world.list("Webhook").await.len(), 1);
    for bad in [
        json!({"entityType": "Relation_Person", "webhookUrl": hook.url}),
        json!({"entityType": "Relation.Person", "webhookUrl": "http://elsewhere.example/"}),
        json!({"entityType": "Relation.Person", "webhookUrl": "ftp://127.0.0.1/"}),
        json!({"entityType": "Relation.Person", "webhookUrl": hook.url, "headers": [{"name": "a b", "value": "c"}]}),
        json!({"webhookUrl": hook.url}),
    ] {
        assert_eq!(world.send(Method::POST, "webhooks", bad).await.0, 400);
    }
    let path = format!("webhooks/{}", one["id"].as_str().expect("an id"));
    assert_eq!(world.send(Method::DELETE, &path, Value::Null).await.0, 204);
    assert_eq!(world.send(Method::DELETE, &path, Value::Null).await.0, 404);
    world
        .control(
            Method::POST,
            "tribe/settings",
            json!({"secret_per_webhook": true}),
        )
        .await;
    let (a, b) = (
        register(&world, &hook, "Relation.Person").await,
        register(&world, &hook, "Relation.Person").await,
    );
    assert_ne!(a["secret"], b["secret"]);
    world
        .create("Relation_Person", json!({"LastName": "Both"}))
        .await;
    for got in hook.wait(2).await {
        let secret = if got.json()["webhookId"] == a["id"] {
            &a["secret"]
        } else {
            &b["secret"]
        };
        assert_eq!(
            got.headers["x-tribe-signature"],
            signature(secret.as_str().expect("a secret"), &got.body).as_str()
        );
    }
}
