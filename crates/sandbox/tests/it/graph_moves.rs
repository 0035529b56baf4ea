//! Moves, copies, restores and photos (Graph reference 2).

use reqwest::Method;
use serde_json::{Value, json};

use crate::office::{Office, STAMP};

#[tokio::test]
async fn a_move_changes_the_id_but_not_the_immutable_one() {
    let office = Office::start().await;
    office
        .control(
            Method::POST,
            "graph/folders",
            json!({"mailbox": office.mailbox, "name": "Else"}),
        )
        .await;
    let id = office.contact(json!({"givenName": "A"})).await;
    let shown = office
        .get_as(&format!("/me/contacts/{id}"), "IdType=\"ImmutableId\"")
        .await;
    assert_eq!(shown.header("preference-applied"), "IdType=ImmutableId");
    let immutable = shown.expect(200)["id"].as_str().unwrap().to_owned();
    assert!(
        immutable.starts_with("AAkA") && immutable != id,
        "{immutable}"
    );
    let translated = office.post("/me/translateExchangeIds", json!({"inputIds": [id], "sourceIdType": "restId", "targetIdType": "restImmutableEntryId"})).await.expect(200);
    assert_eq!(
        translated["value"][0],
        json!({"sourceId": id, "targetId": immutable})
    );
    let moved = office
        .control(
            Method::POST,
            "graph/move",
            json!({"mailbox": office.mailbox, "contact": id, "folder": "Else"}),
        )
        .await;
    assert_ne!(moved["id"], json!(id));
    assert_eq!(moved["immutableId"], json!(immutable));
    assert_eq!(office.get(&format!("/me/contacts/{id}")).await.status, 404);
    assert_eq!(
        office
            .get(&format!("/me/contacts/{immutable}"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn copies_restores_and_imports_carry_the_stamp() {
    let office = Office::start().await;
    let id = office.contact(json!({"givenName": "A", "singleValueExtendedProperties": [{"id": STAMP, "value": "s"}]})).await;
    let filter = format!(
        "/me/contacts?$filter=singleValueExtendedProperties/Any(ep:%20ep/id%20eq%20'{STAMP}'%20and%20ep/value%20eq%20's')"
    );
    let found = async || -> Vec<Value> {
        office.get(&filter).await.expect(200)["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["id"].clone())
            .collect()
    };
    let copy = office.outlook("copy", &id).await;
    assert_eq!(
        found().await,
        [json!(id), copy["id"].clone()],
        "a copy doubles the stamp"
    );
    office
        .delete(&format!("/me/contacts/{}", copy["id"].as_str().unwrap()))
        .await;
    office.delete(&format!("/me/contacts/{id}")).await;
    assert!(
        found().await.is_empty(),
        "the filter does not look into the deleted items"
    );
    let restored = office.outlook("restore", &id).await;
    assert_ne!(restored["id"], json!(id), "restored under a new id");
    assert_eq!(found().await, [restored["id"].clone()]);
    let imported = office
        .outlook("reimport", restored["id"].as_str().unwrap())
        .await;
    assert_ne!(imported["immutableId"], restored["immutableId"]);
    assert_eq!(found().await.len(), 2);
}

#[tokio::test]
async fn photos_are_kept_and_copies_may_vanish() {
    let office = Office::start().await;
    let id = office.contact(json!({"givenName": "A"})).await;
    let path = format!("/me/contacts/{id}/photo/$value");
    assert_eq!(office.get(&path).await.status, 404);
    let put = office
        .request(Method::PUT, &path)
        .header("content-type", "image/png")
        .body(vec![1u8, 2, 3]);
    assert_eq!(put.send().await.unwrap().status(), 200);
    let photo = office.get(&path).await;
    assert_eq!(
        (photo.header("content-type"), photo.bytes.as_slice()),
        ("image/png", &[1u8, 2, 3][..])
    );
    office.switch(json!({"photo_copies_vanish": true})).await;
    let copy = office.outlook("copy", &id).await;
    office.delete(&format!("/me/contacts/{id}")).await;
    assert_eq!(
        office
            .get(&format!("/me/contacts/{}", copy["id"].as_str().unwrap()))
            .await
            .status,
        404
    );
}
