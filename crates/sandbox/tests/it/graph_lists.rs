//! Lists, filters, stamps and folders: what is found where (Graph reference 2).

use reqwest::Method;
use serde_json::{Value, json};

use crate::office::{Office, Reply, STAMP};

#[tokio::test]
async fn lists_page_order_select_and_filter() {
    let office = Office::start().await;
    for n in 0..12 {
        office.contact(json!({"givenName": format!("N{n:02}"), "emailAddresses": [{"address": format!("n{n}@x.example")}]})).await;
    }
    let first = office
        .get("/me/contacts?$select=givenName&$orderby=givenName%20desc")
        .await
        .expect(200);
    let items = first["value"].as_array().unwrap();
    assert_eq!(items.len(), 10, "ten on a page by default");
    assert_eq!(items[0]["givenName"], "N11");
    assert!(items[0].get("surname").is_none() && items[0]["id"].is_string());
    let link = first["@odata.nextLink"].as_str().unwrap();
    assert!(link.starts_with(&office.world.base), "{link}");
    let second = office.get(link).await.expect(200);
    assert_eq!(
        second["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["givenName"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["N01", "N00"]
    );
    assert!(second.get("@odata.nextLink").is_none());
    assert_eq!(
        office
            .get("/me/contacts?$top=3&$skip=11&$count=true")
            .await
            .expect(200)["@odata.count"],
        12
    );
    assert_eq!(office.get("/me/contacts/$count").await.bytes, b"12");
    let found = office
        .get("/me/contacts?%24filter=emailAddresses/any(a:a/address%20eq%20'N3@x.example')")
        .await
        .expect(200);
    assert_eq!(found["value"][0]["givenName"], "N03");
    for bad in [
        "$filter=givenName%20eq%20'N03'",
        "$filter=emailAddresses/any(a:startswith(a/address,'n'))",
    ] {
        assert_eq!(
            office.get(&format!("/me/contacts?{bad}")).await.code(),
            "ErrorInvalidUrlQueryFilter",
            "{bad}"
        );
    }
    for bad in [
        "$top=0",
        "$top=1001",
        "$search=x",
        "$expand=manager",
        "$unknown=1",
    ] {
        assert_eq!(
            office.get(&format!("/me/contacts?{bad}")).await.code(),
            "ErrorInvalidUrlQuery",
            "{bad}"
        );
    }
}

#[tokio::test]
async fn stamps_are_never_echoed_and_can_be_found() {
    let office = Office::start().await;
    let stamp = |value: &str| json!([{"id": STAMP, "value": value}]);
    let made = office
        .post(
            "/me/contacts",
            json!({"givenName": "A", "singleValueExtendedProperties": stamp("One")}),
        )
        .await
        .expect(201);
    assert!(made.get("singleValueExtendedProperties").is_none());
    let id = made["id"].as_str().unwrap();
    assert!(
        office
            .get(&format!("/me/contacts/{id}"))
            .await
            .expect(200)
            .get("singleValueExtendedProperties")
            .is_none()
    );
    let expand = format!("$expand=singleValueExtendedProperties($filter=id%20eq%20'{STAMP}')");
    let shown = office
        .get(&format!("/me/contacts?{expand}"))
        .await
        .expect(200);
    assert_eq!(
        shown["value"][0]["singleValueExtendedProperties"],
        stamp("One")
    );
    let filter = |value: &str| {
        format!(
            "/me/contacts?$filter=singleValueExtendedProperties/Any(ep:%20ep/id%20eq%20'{STAMP}'%20and%20ep/value%20eq%20'{value}')"
        )
    };
    let count = async |path: &str| {
        office.get(path).await.expect(200)["value"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(
        count(&filter("ONE")).await,
        1,
        "values compare without case"
    );
    assert_eq!(count(&filter("Two")).await, 0);
    office
        .patch(
            &format!("/me/contacts/{id}"),
            json!({"singleValueExtendedProperties": stamp("Two")}),
        )
        .await
        .expect(200);
    assert_eq!(
        (count(&filter("One")).await, count(&filter("Two")).await),
        (0, 1)
    );
    assert_eq!(
        office
            .get("/me/contacts?$expand=singleValueExtendedProperties")
            .await
            .status,
        400,
        "they cannot all be listed"
    );
    // The filter may lag behind.
    office.switch(json!({"filter_lag_ms": 3_600_000})).await;
    assert_eq!(count(&filter("Two")).await, 0);
    office
        .control(Method::POST, "time", json!({"advance_ms": 3_600_001}))
        .await;
    let (_, issued) = office
        .world
        .control(Method::POST, "tokens", json!({"mailbox": office.mailbox}))
        .await;
    let request = office
        .world
        .http
        .get(format!("{}/v1.0{}", office.world.base, filter("Two")))
        .bearer_auth(issued["access_token"].as_str().unwrap());
    assert_eq!(
        Reply::of(request.send().await.unwrap()).await.expect(200)["value"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn open_extensions_inline_are_dropped() {
    let office = Office::start().await;
    let inline = json!([{"@odata.type": "microsoft.graph.openTypeExtension", "extensionName": "com.x", "a": 1}]);
    let made = office
        .post(
            "/me/contacts",
            json!({"givenName": "A", "extensions": inline}),
        )
        .await
        .expect(201);
    assert_eq!(made["extensions"], inline, "echoed");
    let path = format!("/me/contacts/{}", made["id"].as_str().unwrap());
    assert_eq!(
        office.get(&format!("{path}/extensions")).await.expect(200)["value"],
        json!([]),
        "and not stored"
    );
    assert_eq!(
        office
            .patch(&path, json!({"extensions": inline}))
            .await
            .status,
        500
    );
    office
        .post(&format!("{path}/extensions"), inline[0].clone())
        .await
        .expect(201);
    office
        .post(
            &format!("{path}/extensions"),
            json!({"extensionName": "com.x", "b": 2}),
        )
        .await
        .expect(201);
    let full = "Microsoft.OutlookServices.OpenTypeExtension.com.x";
    let shown = office
        .get(&format!(
            "{path}?$expand=extensions($filter=Id%20eq%20'{full}')"
        ))
        .await
        .expect(200);
    assert_eq!(
        (&shown["extensions"][0]["a"], &shown["extensions"][0]["b"]),
        (&json!(1), &json!(2)),
        "a post is an upsert"
    );
    assert_eq!(
        office
            .get(&format!(
                "{path}?$expand=extensions($filter=Id%20eq%20'com.x')"
            ))
            .await
            .status,
        500
    );
    assert_eq!(
        office
            .delete(&format!("{path}/extensions/{full}"))
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn lists_show_the_default_folder_only() {
    let office = Office::start().await;
    let top = office
        .post("/me/contactFolders", json!({"displayName": "Friends"}))
        .await
        .expect(201)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let child = office
        .post(
            &format!("/me/contactFolders/{top}/childFolders"),
            json!({"displayName": "Old"}),
        )
        .await
        .expect(201)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let inside = office
        .post(
            &format!("/me/contactFolders/{top}/childFolders/{child}/contacts"),
            json!({"givenName": "Deep"}),
        )
        .await
        .expect(201);
    let own = office.contact(json!({"givenName": "Here"})).await;
    let names = async |path: &str| -> Vec<Value> {
        office.get(path).await.expect(200)["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["id"].clone())
            .collect()
    };
    assert_eq!(names("/me/contacts").await, [json!(own)]);
    assert_eq!(
        names(&format!("/me/contactFolders/{child}/contacts")).await,
        [inside["id"].clone()]
    );
    assert_eq!(
        names("/me/contactFolders/contacts/contacts").await,
        [json!(own)]
    );
    assert_eq!(
        names("/me/contactFolders").await,
        [json!(top)],
        "the default folder is not listed"
    );
    assert_eq!(
        names(&format!("/me/contactFolders/{top}/childFolders")).await,
        [json!(child)]
    );
    let deep = inside["id"].as_str().unwrap();
    assert_eq!(
        office
            .get(&format!("/me/contacts/{deep}"))
            .await
            .expect(200)["parentFolderId"],
        json!(child),
        "GET by id finds any folder"
    );
    assert_eq!(
        office
            .post("/me/contactFolders", json!({"displayName": "friends"}))
            .await
            .status,
        409
    );
    assert_eq!(
        office
            .patch(
                &format!("/me/contactFolders/{top}"),
                json!({"displayName": "Pals"})
            )
            .await
            .expect(200)["displayName"],
        "Pals"
    );
    assert_eq!(
        office
            .delete(&format!("/me/contactFolders/{top}"))
            .await
            .status,
        204
    );
    assert_eq!(
        office.get(&format!("/me/contacts/{deep}")).await.status,
        404,
        "deleted with its folder"
    );
    assert_eq!(
        office
            .get(&format!("/me/contactFolders/{child}"))
            .await
            .status,
        404
    );
    let default = office.get("/me/contactFolders/contacts").await.expect(200)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        office
            .delete(&format!("/me/contactFolders/{default}"))
            .await
            .status,
        403
    );
}
