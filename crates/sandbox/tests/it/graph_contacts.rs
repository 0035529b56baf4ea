//! Contacts: properties, quirks, ids, folders, options (Graph reference 2).

use reqwest::Method;
use serde_json::{Value, json};

use crate::office::{Office, Reply};

#[tokio::test]
async fn a_contact_lives_and_dies() {
    let office = Office::start().await;
    let made = office.post("/me/contacts", json!({"givenName": "Geert", "middleName": "van", "surname": "Dijk",
        "emailAddresses": [{"address": "geert@acme.example", "name": "Geert"}], "@odata.type": "#microsoft.graph.contact",
        "businessPhones": ["+31 20 123"], "inventedMember": {"kept": true}})).await;
    assert!(
        made.header("location").contains("/contacts/AAMk"),
        "{:?}",
        made.headers
    );
    let made = made.expect(201);
    assert_eq!(made["displayName"], "Geert van Dijk");
    assert_eq!(
        (&made["fileAs"], &made["initials"]),
        (&json!("Dijk, Geert van"), &json!("G.v.D."))
    );
    assert_eq!(made["primaryEmailAddress"]["address"], "geert@acme.example");
    assert_eq!(
        (
            &made["secondaryEmailAddress"],
            &made["homeAddress"],
            &made["homePhones"]
        ),
        (&Value::Null, &json!({}), &json!([]))
    );
    assert_eq!(
        made["inventedMember"],
        json!({"kept": true}),
        "an open type keeps unknown members"
    );
    assert!(
        made["@odata.context"]
            .as_str()
            .unwrap()
            .ends_with("/contacts/$entity")
    );
    let key = made["changeKey"].as_str().unwrap();
    assert!(key.starts_with("EQAAABYAAA"), "{key}");
    assert_eq!(made["@odata.etag"], format!("W/\"{key}\""));
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("AAMk") && id.ends_with('='), "{id}");

    let path = format!("/users/{}/contacts/{id}", office.user_id);
    let changed = office
        .patch(
            &path,
            json!({"jobTitle": "Director", "displayName": "Geert"}),
        )
        .await
        .expect(200);
    assert_eq!(
        (
            &changed["jobTitle"],
            &changed["displayName"],
            &changed["surname"]
        ),
        (&json!("Director"), &json!("Geert"), &json!("Dijk"))
    );
    assert_ne!(changed["changeKey"], made["changeKey"]);
    assert_eq!(
        office.get(&path).await.expect(200)["changeKey"],
        changed["changeKey"]
    );

    assert_eq!(office.delete(&path).await.status, 204);
    let gone = office.get(&path).await;
    assert_eq!((gone.status, gone.code()), (404, "ErrorItemNotFound"));
    office.switch(json!({"deleted_visible": true})).await;
    let state = office
        .control(
            Method::GET,
            &format!("graph/mailbox?mailbox={}", office.mailbox),
            Value::Null,
        )
        .await;
    assert_eq!(
        office.get(&path).await.expect(200)["parentFolderId"],
        state["deleted_folder"]
    );
    assert_eq!(
        office
            .post(&format!("{path}/permanentDelete"), json!({}))
            .await
            .status,
        204
    );
    assert_eq!(office.get(&path).await.status, 404);
}

#[tokio::test]
async fn a_patch_without_display_name_regenerates_it() {
    let office = Office::start().await;
    let id = office
        .contact(json!({"givenName": "Petra", "surname": "Vries", "displayName": "Petra at Acme"}))
        .await;
    let changed = office
        .patch(&format!("/me/contacts/{id}"), json!({"jobTitle": "x"}))
        .await
        .expect(200);
    assert_eq!(changed["displayName"], "Petra Vries");
    assert_eq!(
        office
            .get(&format!("/me/contacts('{id}')?%24select=displayName"))
            .await
            .expect(200)["displayName"],
        "Petra Vries"
    );
}

#[tokio::test]
async fn birthdays_are_1159_and_1604() {
    let office = Office::start().await;
    let id = office
        .contact(json!({"givenName": "A", "birthday": "1980-02-29T00:00:00Z"}))
        .await;
    let path = format!("/me/contacts/{id}");
    assert_eq!(
        office.get(&path).await.expect(200)["birthday"],
        "1980-02-29T11:59:00Z"
    );
    assert_eq!(
        office
            .patch(&path, json!({"birthday": "1981-03-01"}))
            .await
            .expect(200)["birthday"],
        "1981-03-01T11:59:00Z"
    );
    let outlook =
        json!({"mailbox": office.mailbox, "contact": id, "changes": {"birthday": "--05-01"}});
    office
        .control(Method::PATCH, "graph/contacts", outlook)
        .await;
    assert_eq!(
        office.get(&path).await.expect(200)["birthday"],
        "1604-05-01T11:59:00Z"
    );
    assert_eq!(
        office
            .patch(&path, json!({"birthday": "--05-01"}))
            .await
            .status,
        400,
        "only Outlook knows no year"
    );
    assert_eq!(
        office
            .patch(&path, json!({"birthday": null}))
            .await
            .expect(200)["birthday"],
        Value::Null
    );
    office.switch(json!({"birthday_as_written": true})).await;
    let kept = office
        .patch(&path, json!({"birthday": "1980-01-01T23:00:00Z"}))
        .await
        .expect(200);
    assert_eq!(kept["birthday"], "1980-01-01T23:00:00Z");
}

#[tokio::test]
async fn slots_overflow_by_cutting_or_400() {
    let office = Office::start().await;
    let four: Vec<Value> = (0..4)
        .map(|n| json!({"address": format!("a{n}@x.example")}))
        .collect();
    let made = office
        .post(
            "/me/contacts",
            json!({"emailAddresses": four, "businessPhones": ["1", "2", "3"]}),
        )
        .await
        .expect(201);
    assert_eq!(made["emailAddresses"].as_array().unwrap().len(), 3);
    assert_eq!(made["tertiaryEmailAddress"]["address"], "a2@x.example");
    assert_eq!(
        made["emailAddresses"][0]["name"], "a0@x.example",
        "an address without a name names itself"
    );
    assert_eq!(made["businessPhones"], json!(["1", "2"]));
    office.switch(json!({"overflow_refused": true})).await;
    assert_eq!(
        office
            .post("/me/contacts", json!({"emailAddresses": four}))
            .await
            .status,
        400
    );
    assert_eq!(
        office
            .post("/me/contacts", json!({"homePhones": ["1", "2", "3"]}))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn addresses_have_quirks() {
    let office = Office::start().await;
    let own = office.mailbox.clone();
    let made = office.post("/me/contacts", json!({"emailAddresses": [{"name": "n", "address": "bad@x.example,"}, {"name": "whatever", "address": own}]})).await.expect(201);
    assert_eq!(
        made["emailAddresses"][0],
        json!({"name": "n"}),
        "a bad address is not shown"
    );
    assert_ne!(
        made["emailAddresses"][1]["name"], "whatever",
        "the directory names its own"
    );
    let path = format!("/me/contacts/{}", made["id"].as_str().unwrap());
    let set = office
        .patch(
            &path,
            json!({"homeAddress": {"city": "Utrecht", "street": "A 1"}}),
        )
        .await
        .expect(200);
    assert_eq!(
        set["homeAddress"],
        json!({"city": "Utrecht", "street": "A 1"})
    );
    let cleared = office
        .patch(
            &path,
            json!({"homeAddress": {"city": null, "street": ""}, "emailAddresses": []}),
        )
        .await
        .expect(200);
    assert_eq!(
        (&cleared["homeAddress"], &cleared["emailAddresses"]),
        (&json!({}), &json!([]))
    );
    assert_eq!(
        office.patch(&path, json!({"surname": 5})).await.code(),
        "RequestBodyRead"
    );
    let notes = office
        .patch(&path, json!({"personalNotes": "a\nb\r\nc"}))
        .await
        .expect(200);
    assert_eq!(notes["personalNotes"], "a\r\nb\r\nc");
}

#[tokio::test]
async fn if_match_is_honoured_or_ignored() {
    let office = Office::start().await;
    let id = office.contact(json!({"givenName": "A"})).await;
    let path = format!("/me/contacts/{id}");
    let etag = office.get(&path).await.body["@odata.etag"]
        .as_str()
        .unwrap()
        .to_owned();
    let patch = |etag: String| {
        office
            .request(Method::PATCH, &path)
            .header("if-match", etag)
            .json(&json!({"jobTitle": "x"}))
            .send()
    };
    assert_eq!(
        Reply::of(patch(etag.clone()).await.unwrap()).await.status,
        200
    );
    let late = Reply::of(patch(etag.clone()).await.unwrap()).await;
    assert_eq!(
        (late.status, late.code()),
        (412, "ErrorIrresolvableConflict")
    );
    assert!(
        late.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("change key passed in the request does not match")
    );
    office.switch(json!({"honour_if_match": false})).await;
    assert_eq!(Reply::of(patch(etag).await.unwrap()).await.status, 200);
}

#[tokio::test]
async fn delete_answers_404_but_deletes() {
    let office = Office::start().await;
    office.switch(json!({"delete_answers_404": true})).await;
    let id = office.contact(json!({"givenName": "A"})).await;
    assert_eq!(
        office.delete(&format!("/me/contacts/{id}")).await.status,
        404
    );
    let state = office
        .control(
            Method::GET,
            &format!("graph/mailbox?mailbox={}", office.mailbox),
            Value::Null,
        )
        .await;
    assert!(state["contacts"].as_array().unwrap().is_empty());
    assert_eq!(state["deleted"][0]["id"], json!(id));
}

#[tokio::test]
async fn refusals_look_like_graph() {
    let office = Office::start().await;
    let id = office.contact(json!({"givenName": "A"})).await;
    let lost = office
        .patch("/me/contacts", json!({"givenName": "B"}))
        .await;
    assert_eq!((lost.status, lost.code()), (405, "ErrorInvalidRequest"));
    let moved = office
        .post(
            &format!("/me/contacts/{id}/move"),
            json!({"destinationId": "x"}),
        )
        .await;
    assert_eq!(
        moved.body["error"]["message"],
        "Resource not found for the segment 'move'."
    );
    assert_eq!(
        office.get("/me/contacts/short").await.code(),
        "ErrorInvalidIdMalformed"
    );
    assert_eq!(
        office
            .get(&format!("/me/contacts/{}", id.to_lowercase()))
            .await
            .status,
        404,
        "ids are case-sensitive"
    );
    let request = office
        .request(Method::GET, "/me/contacts/AAMkAAAAAAAAAAAAAAAA=")
        .header("client-request-id", "mine");
    let gone = Reply::of(request.send().await.unwrap()).await;
    assert_eq!(gone.header("client-request-id"), "mine");
    assert!(
        !gone.header("request-id").is_empty() && !gone.header("x-ms-ags-diagnostic").is_empty()
    );
    let inner = &gone.body["error"]["innerError"];
    assert_eq!(
        (
            inner["client-request-id"].as_str(),
            inner["request-id"].as_str()
        ),
        (Some("mine"), Some(gone.header("request-id")))
    );
    assert!(inner["date"].is_string());
    let text = office
        .request(Method::POST, "/me/contacts")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(text.status(), 400, "a body needs its content type");
    let bare = office
        .world
        .http
        .get(format!("{}/v1.0/me", office.world.base))
        .send()
        .await
        .unwrap();
    assert_eq!(Reply::of(bare).await.code(), "InvalidAuthenticationToken");
    assert_eq!(office.get("/me/messages").await.status, 400);
}

#[tokio::test]
async fn outlook_completes_a_card() {
    let office = Office::start().await;
    let address = json!([{"address": "info@acme.example", "name": "info"}]);
    office.contact(json!({"givenName": "Geert", "surname": "Dijk", "jobTitle": "Director", "mobilePhone": "+31 6 1", "emailAddresses": address})).await;
    let id = office
        .contact(json!({"givenName": "Petra", "surname": "Vries", "emailAddresses": address}))
        .await;
    let done = office
        .control(
            Method::POST,
            "complete-card",
            json!({"mailbox": office.mailbox, "contact": id}),
        )
        .await;
    assert_eq!(done["contact"], json!(id));
    let card = office.get(&format!("/me/contacts/{id}")).await.expect(200);
    assert_eq!(
        (&card["givenName"], &card["jobTitle"], &card["mobilePhone"]),
        (&json!("Petra"), &json!("Director"), &json!("+31 6 1"))
    );
    let alone = office
        .contact(json!({"givenName": "B", "emailAddresses": [{"address": "b@x.example"}]}))
        .await;
    assert_eq!(
        office
            .world
            .control(
                Method::POST,
                "complete-card",
                json!({"mailbox": office.mailbox, "contact": alone})
            )
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn reads_can_be_stale() {
    let office = Office::start().await;
    let id = office
        .contact(json!({"givenName": "A", "jobTitle": "old"}))
        .await;
    office
        .control(Method::POST, "time", json!({"advance_ms": 60_000}))
        .await;
    office
        .patch(&format!("/me/contacts/{id}"), json!({"jobTitle": "new"}))
        .await
        .expect(200);
    office
        .control(
            Method::POST,
            "faults",
            json!({"match": {"method": "GET"}, "then": {"stale_ms": 30_000}}),
        )
        .await;
    assert_eq!(
        office.get(&format!("/me/contacts/{id}")).await.expect(200)["jobTitle"],
        "old"
    );
    assert_eq!(
        office.get("/me/contacts").await.expect(200)["value"][0]["jobTitle"],
        "old"
    );
    office.control(Method::DELETE, "faults", Value::Null).await;
    assert_eq!(
        office.get(&format!("/me/contacts/{id}")).await.expect(200)["jobTitle"],
        "new"
    );
}

#[tokio::test]
async fn a_create_can_be_applied_and_cut() {
    let office = Office::start().await;
    office.control(Method::POST, "faults", json!({"match": {"method": "POST", "path": "/contacts"}, "then": {"cut": "after"}, "count": 1})).await;
    let request = office
        .request(Method::POST, "/me/contacts")
        .json(&json!({"givenName": "A"}));
    assert!(request.send().await.is_err(), "the connection is cut");
    assert_eq!(
        office.get("/me/contacts").await.expect(200)["value"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn me_says_who() {
    let office = Office::start().await;
    let me = office.get("/me").await.expect(200);
    assert_eq!(
        (&me["id"], &me["mail"], &me["userPrincipalName"]),
        (
            &json!(office.user_id),
            &json!(office.mailbox),
            &json!(office.mailbox)
        )
    );
    assert!(me["displayName"].is_string() && me["@odata.context"].is_string());
    let config = office.world.config().await;
    let other = config["mailboxes"][1]["user_id"].as_str().unwrap();
    assert_eq!(
        office.get(&format!("/users/{other}/contacts")).await.code(),
        "ErrorAccessDenied"
    );
    assert_eq!(
        office.get("/users/nobody@x.example/contacts").await.code(),
        "ErrorInvalidUser"
    );
    assert_eq!(
        office
            .get(&format!("/users/{}/contacts", office.mailbox))
            .await
            .status,
        200
    );
    office
        .control(
            Method::POST,
            "graph/mailbox",
            json!({"mailbox": office.mailbox, "enabled": false}),
        )
        .await;
    assert_eq!(
        office.get("/me/contacts").await.code(),
        "MailboxNotEnabledForRESTAPI"
    );
}
