//! Change tracking (Graph reference 3).

use reqwest::Method;
use serde_json::{Value, json};

use crate::office::Office;

#[tokio::test]
async fn every_form_of_the_address_works() {
    let office = Office::start().await;
    let id = office.contact(json!({"givenName": "A"})).await;
    let user = &office.user_id;
    for path in [
        "/me/contacts/delta".to_owned(),
        "/me/contacts/delta()".to_owned(),
        "/me/contacts/microsoft.graph.delta".to_owned(),
        "/me/contacts/microsoft.graph.delta()".to_owned(),
        format!("/users/{user}/contacts/delta"),
        "/me/contactFolders/contacts/contacts/delta".to_owned(),
    ] {
        let page = office.get(&path).await;
        assert_eq!(
            page.header("preference-applied"),
            "odata.track-changes",
            "{path}"
        );
        let page = page.expect(200);
        assert_eq!(page["value"][0]["id"], json!(id), "{path}");
        assert!(
            page["@odata.deltaLink"]
                .as_str()
                .unwrap()
                .starts_with(&office.world.base),
            "{path}"
        );
    }
    let folders = office.round("/me/contactFolders/delta").await;
    assert!(folders.0.is_empty());
    office
        .post("/me/contactFolders", json!({"displayName": "New"}))
        .await
        .expect(201);
    assert_eq!(office.round(&folders.1).await.0[0]["displayName"], "New");
}

#[tokio::test]
async fn rounds_tell_changes_removals_and_moves() {
    let office = Office::start().await;
    let (a, b, c) = (
        office.contact(json!({"givenName": "A"})).await,
        office.contact(json!({"givenName": "B"})).await,
        office.contact(json!({"givenName": "C"})).await,
    );
    office
        .control(
            Method::POST,
            "graph/folders",
            json!({"mailbox": office.mailbox, "name": "Else"}),
        )
        .await;
    let (all, link) = office
        .round("/me/contacts/delta?$select=givenName,jobTitle")
        .await;
    assert_eq!(all.len(), 3);
    assert!(all[0].get("surname").is_none(), "$select lasts");
    assert!(office.round(&link).await.0.is_empty());
    office
        .patch(&format!("/me/contacts/{a}"), json!({"jobTitle": "x"}))
        .await
        .expect(200);
    office.delete(&format!("/me/contacts/{b}")).await;
    office
        .control(
            Method::POST,
            "graph/move",
            json!({"mailbox": office.mailbox, "contact": c, "folder": "Else"}),
        )
        .await;
    let brief = office.contact(json!({"givenName": "Brief"})).await;
    office.delete(&format!("/me/contacts/{brief}")).await;
    let (changes, next) = office.round(&link).await;
    assert_eq!(
        changes.len(),
        3,
        "what came and went does not appear: {changes:?}"
    );
    assert_eq!(
        (&changes[0]["id"], &changes[0]["jobTitle"]),
        (&json!(a), &json!("x"))
    );
    for (row, id) in changes[1..].iter().zip([&b, &c]) {
        assert_eq!(row, &json!({"id": id, "@removed": {"reason": "deleted"}}));
    }
    assert_eq!(
        office.round(&link).await.0,
        changes,
        "a link can be replayed"
    );
    assert!(office.round(&next).await.0.is_empty());
    office.switch(json!({"delta_reason_changed": true})).await;
    assert_eq!(
        office.round(&link).await.0[1]["@removed"]["reason"],
        "changed"
    );
}

#[tokio::test]
async fn options_are_refused() {
    let office = Office::start().await;
    for option in [
        "$top=5",
        "$filter=x",
        "$orderby=x",
        "$expand=singleValueExtendedProperties",
        "$search=x",
    ] {
        let refused = office.get(&format!("/me/contacts/delta?{option}")).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "ErrorInvalidUrlQuery"),
            "{option}"
        );
        assert!(refused.body["error"]["message"].as_str().unwrap().contains(
            "parameters are not supported with change tracking over the 'Contacts' resource"
        ));
    }
}

#[tokio::test]
async fn pages_are_small_empty_and_repeat() {
    let office = Office::start().await;
    for n in 0..5 {
        office.contact(json!({"givenName": n.to_string()})).await;
    }
    let page = office
        .get_as("/me/contacts/delta", "odata.maxpagesize=2")
        .await
        .expect(200);
    assert_eq!(page["value"].as_array().unwrap().len(), 2);
    let second = page["@odata.nextLink"].as_str().unwrap();
    let again = office.get(second).await.expect(200);
    assert_eq!(
        office.get(second).await.expect(200)["value"],
        again["value"],
        "the same page again"
    );
    assert_eq!(
        again["value"].as_array().unwrap().len(),
        2,
        "the size lasts"
    );
    office
        .switch(json!({"delta_empty_page": true, "delta_repeat": true, "delta_page": 2}))
        .await;
    let first = office.get("/me/contacts/delta").await.expect(200);
    assert_eq!(first["value"], json!([]));
    assert!(
        first["@odata.nextLink"].is_string(),
        "an empty page with a nextLink"
    );
    let (items, _) = office.round("/me/contacts/delta").await;
    assert_eq!(items.len(), 7, "rows repeat over page borders");
}

#[tokio::test]
async fn tokens_die_by_generation_with_the_exact_body() {
    let office = Office::start().await;
    office.switch(json!({"delta_generations": 3})).await;
    let (_, old) = office.round("/me/contacts/delta").await;
    let generation: u64 = old
        .split("$deltatoken=")
        .nth(1)
        .unwrap()
        .split('.')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    for _ in 0..3 {
        office.round("/me/contacts/delta").await;
    }
    let gone = office.get(&old).await;
    assert_eq!((gone.status, gone.code()), (410, "SyncStateNotFound"));
    let (top, low, mid) = (generation + 3, generation + 1, generation + 2);
    let message = format!(
        "The sync state generation is not found; generation={generation};[highest={top}][{top}][{low}][{mid}]."
    );
    assert_eq!(gone.body["error"]["message"], message);
    // Another folder's tokens do not push this folder's out.
    let (_, link) = office.round("/me/contacts/delta").await;
    let folder = office
        .post("/me/contactFolders", json!({"displayName": "F"}))
        .await
        .expect(201)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for _ in 0..5 {
        office
            .round(&format!("/me/contactFolders/{folder}/contacts/delta"))
            .await;
    }
    assert_eq!(office.get(&link).await.status, 200);
    office.switch(json!({"delta_location": true})).await;
    office
        .control(
            Method::POST,
            "graph/expire-delta",
            json!({"mailbox": office.mailbox}),
        )
        .await;
    let gone = office.get(&link).await;
    assert_eq!(gone.status, 410);
    assert!(
        gone.header("location")
            .ends_with("/me/contacts/delta?$deltatoken="),
        "{:?}",
        gone.headers
    );
}

#[tokio::test]
async fn a_next_link_can_die_in_the_middle() {
    let office = Office::start().await;
    office.contact(json!({"givenName": "A"})).await;
    office.contact(json!({"givenName": "B"})).await;
    office
        .switch(json!({"delta_next_dies": 1, "delta_page": 1}))
        .await;
    let page = office.get("/me/contacts/delta").await.expect(200);
    assert_eq!(
        office
            .get(page["@odata.nextLink"].as_str().unwrap())
            .await
            .status,
        410
    );
    assert_eq!(office.round("/me/contacts/delta").await.0.len(), 2);
}

#[tokio::test]
async fn known_contacts_may_come_in_part() {
    let office = Office::start().await;
    let id = office
        .contact(json!({"givenName": "A", "surname": "B"}))
        .await;
    let (_, link) = office.round("/me/contacts/delta").await;
    office.switch(json!({"delta_partial": true})).await;
    office
        .patch(
            &format!("/me/contacts/{id}"),
            json!({"jobTitle": "x", "displayName": "A B"}),
        )
        .await
        .expect(200);
    let (items, _) = office.round(&link).await;
    assert_eq!(
        (&items[0]["jobTitle"], items[0].get("surname")),
        (&json!("x"), None)
    );
}

#[tokio::test]
async fn immutable_ids_survive_a_move_in_delta() {
    let office = Office::start().await;
    let id = office.contact(json!({"givenName": "A"})).await;
    let page = office
        .get_as("/me/contacts/delta", "IdType=\"ImmutableId\"")
        .await
        .expect(200);
    let immutable = page["value"][0]["id"].clone();
    assert_ne!(immutable, json!(id));
    office
        .control(
            Method::POST,
            "graph/folders",
            json!({"mailbox": office.mailbox, "name": "Else"}),
        )
        .await;
    office
        .control(
            Method::POST,
            "graph/move",
            json!({"mailbox": office.mailbox, "contact": id, "folder": "Else"}),
        )
        .await;
    let link = page["@odata.deltaLink"].as_str().unwrap();
    let gone = office
        .get_as(link, "IdType=\"ImmutableId\"")
        .await
        .expect(200);
    assert_eq!(gone["value"][0]["id"], immutable);
    assert_eq!(gone["value"][0]["@removed"]["reason"], "deleted");
    let state: Value = office
        .control(
            Method::GET,
            &format!("graph/mailbox?mailbox={}", office.mailbox),
            Value::Null,
        )
        .await;
    assert_eq!(state["contacts"][0]["immutableId"], immutable);
}

#[tokio::test]
async fn lag_hides_changes_until_a_later_round() {
    let office = Office::start().await;
    let (_, link) = office.round("/me/contacts/delta").await;
    office
        .control(Method::POST, "time", json!({"advance_ms": 60_000}))
        .await;
    office.contact(json!({"givenName": "A"})).await;
    office
        .control(
            Method::POST,
            "faults",
            json!({"match": {"path": "/delta"}, "then": {"stale_ms": 30_000}}),
        )
        .await;
    let (items, link) = office.round(&link).await;
    assert!(items.is_empty());
    office.control(Method::DELETE, "faults", Value::Null).await;
    assert_eq!(office.round(&link).await.0.len(), 1);
}
