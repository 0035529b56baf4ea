//! `tribelink backup` beside a running service, and `tribelink restore`.

use std::{path::Path, process::Output};

use http::Method;
use serde_json::{Value, json};

use crate::service::World;

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

async fn contacts(world: &World, mailbox: &str) -> Vec<Value> {
    let path = format!("/graph/mailbox?mailbox={mailbox}");
    let shown = world.control(Method::GET, &path, json!(null)).await;
    shown["contacts"].as_array().unwrap().clone()
}

/// Changes a person's surname in Tribe and waits for it in Outlook.
async fn rename(world: &World, mailbox: &str, person: &str, surname: &str) {
    let edit = json!({"LastName": surname});
    world
        .control(Method::POST, &format!("/tribe/records/{person}"), edit)
        .await;
    world
        .until("the new surname arrives", async |world: &World| {
            let found = contacts(world, mailbox).await;
            found.iter().any(|contact| contact["surname"] == surname)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_starts_from_a_copy_goes_on_without_doubling_anybody() {
    let mut world = World::start().await;
    let config = world.control(Method::GET, "/config", json!(null)).await;
    let anna = config["mailboxes"][0]["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let user = world.live(&anna).await;
    let before = contacts(&world, &anna).await.len();
    assert!(before > 0);

    let copied = world
        .command(&["backup", "copies", "--keep", "2", "--json"])
        .output();
    let copied = copied.unwrap();
    assert!(copied.status.success(), "{}", text(&copied));
    let copied: Value = serde_json::from_slice(&copied.stdout).unwrap();
    let copy = copied["copy"].as_str().unwrap();

    let links = world
        .api(Method::GET, &format!("/users/{user}/links"), None)
        .await;
    let person = links["items"][0]["person_id"].as_str().unwrap().to_owned();
    rename(&world, &anna, &person, "Aftercopy").await;

    let refused = world
        .command(&["restore", copy, "--replace"])
        .output()
        .unwrap();
    assert!(!refused.status.success());
    assert!(
        text(&refused).contains("stop the service first"),
        "{}",
        text(&refused)
    );
    world.stop();
    let refused = world.command(&["restore", copy]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("--replace"), "{}", text(&refused));
    let restored = world
        .command(&["restore", copy, "--replace"])
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", text(&restored));
    assert!(world.folder.path().join("tribelink.db.replaced").exists());

    world.serve().await;
    world
        .api(Method::POST, &format!("/users/{user}/rebuild"), None)
        .await;
    rename(&world, &anna, &person, "Afterrestore").await;
    assert_eq!(
        contacts(&world, &anna).await.len(),
        before,
        "nobody is doubled"
    );
    let after = world
        .api(Method::GET, &format!("/users/{user}"), None)
        .await;
    assert_eq!(after["state"], "live");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_for_its_owner_alone_and_a_damaged_one_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut world = World::start().await;
    let folder = world.folder.path().to_owned();
    let copied = world
        .command(&["backup", "copies", "--json"])
        .output()
        .unwrap();
    let copied: Value = serde_json::from_slice(&copied.stdout).unwrap();
    let copy = folder.join(copied["copy"].as_str().unwrap());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&copy), mode(&folder.join("copies"))), (0o600, 0o700));
    world.stop();

    let bytes = std::fs::read(&copy).unwrap();
    let damaged = folder.join("damaged.db");
    std::fs::write(&damaged, &bytes[..bytes.len() / 2]).unwrap();
    let foreign = folder.join("foreign.db");
    std::fs::write(&foreign, "no database at all").unwrap();
    for wrong in ["damaged.db", "foreign.db", "missing.db"] {
        let refused = world
            .command(&["restore", wrong, "--replace"])
            .output()
            .unwrap();
        assert_eq!(
            refused.status.code(),
            Some(1),
            "{wrong}: {}",
            text(&refused)
        );
    }
    assert!(
        !folder.join("tribelink.db.replaced").exists(),
        "nothing was touched"
    );

    let elsewhere = world
        .command(&["restore", copied["copy"].as_str().unwrap()])
        .env("TRIBELINK_DATABASE__URL", "sqlite://other.db")
        .output()
        .unwrap();
    assert!(elsewhere.status.success(), "{}", text(&elsewhere));
    assert_eq!(mode(&folder.join("other.db")), 0o600);
    world.serve().await;
}
