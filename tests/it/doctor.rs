//! `tribelink doctor` beside a running service.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use crate::service::World;

async fn findings(world: &World) -> BTreeMap<String, Value> {
    let output = world.command(&["doctor", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let named = checks.iter().map(|check| {
        let name = check["name"].as_str().unwrap().to_owned();
        (name, check.clone())
    });
    named.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sees_how_the_users_fare_and_what_stands_in_front() {
    let world = World::start().await;
    let before = findings(&world).await;
    assert_eq!(before["users"]["status"], "ok", "{before:#?}");
    assert_eq!(before["handshake"]["status"], "ok", "{before:#?}");
    assert!(
        !before.contains_key("Graph rights"),
        "there is nobody to try"
    );

    let config = world.control(Method::GET, "/config", json!(null)).await;
    let anna = config["mailboxes"][0]["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let user = world.live(&anna).await;
    world
        .until("it is subscribed", async |world: &World| {
            let listed = world.api(Method::GET, "/subscriptions", None).await;
            !listed["items"].as_array().unwrap().is_empty()
        })
        .await;
    let live = findings(&world).await;
    for name in [
        "users",
        "subscriptions",
        "Graph rights",
        "handshake",
        "clock",
    ] {
        assert_eq!(live[name]["status"], "ok", "{name}: {live:#?}");
    }
    assert_eq!(live["users"]["detail"], "1 live");

    let fault = json!({"match": {"method": "GET", "path": "/v1.0/me/contactFolders"}, "then": {"status": 403}});
    world.control(Method::POST, "/faults", fault).await;
    let refused = findings(&world).await;
    assert_eq!(refused["Graph rights"]["status"], "fail", "{refused:#?}");
    let advice = refused["Graph rights"]["advice"].as_str().unwrap();
    assert!(advice.contains("Contacts.ReadWrite"), "{advice}");
    let told = format!("{refused:?}");
    assert!(
        !told.contains("anna") && !told.contains(&user),
        "nobody is named"
    );
}
