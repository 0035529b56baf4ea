//! Subscriptions, handshakes, notifications, lifecycle events (Graph reference 4), over real HTTP.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may fail like the tests themselves"
)]

use aws_lc_rs::{
    cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    encoding::AsDer as _,
    hmac,
    iv::FixedLength,
    rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::office::{Hand, Listener, Office, STAMP, claims};

/// A self-signed certificate with this key, as small as DER allows.
pub(crate) fn certificate(spki: &[u8]) -> Vec<u8> {
    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        match content.len() {
            short if short < 0x80 => out.push(u8::try_from(short).unwrap()),
            long => {
                out.push(0x82);
                out.extend(u16::try_from(long).unwrap().to_be_bytes());
            }
        }
        out.extend(content);
        out
    }
    let (version, serial) = (tlv(0xa0, &tlv(2, &[2])), tlv(2, &[1]));
    let algorithm = tlv(
        0x30,
        &tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b]),
    );
    let name = tlv(0x30, &[]);
    let validity = tlv(
        0x30,
        &[tlv(0x17, b"260101000000Z"), tlv(0x17, b"360101000000Z")].concat(),
    );
    let body = tlv(
        0x30,
        &[
            version,
            serial,
            algorithm.clone(),
            name.clone(),
            validity,
            name,
            spki.to_vec(),
        ]
        .concat(),
    );
    tlv(0x30, &[body, algorithm, tlv(3, &[0, 0])].concat())
}

#[tokio::test]
async fn both_urls_shake_hands_and_the_subscription_shows_all_its_properties() {
    let office = Office::start().await;
    let listener = Listener::start().await;
    let made = office.subscribe(&listener, json!({})).await.expect(201);
    for name in [
        "@odata.context",
        "id",
        "resource",
        "applicationId",
        "changeType",
        "clientState",
        "notificationUrl",
        "notificationQueryOptions",
        "lifecycleNotificationUrl",
        "expirationDateTime",
        "creatorId",
        "includeResourceData",
        "latestSupportedTlsVersion",
        "encryptionCertificate",
        "encryptionCertificateId",
        "notificationUrlAppId",
    ] {
        assert!(made.get(name).is_some(), "{name}");
    }
    let shakes = listener.handshakes();
    let mut paths: Vec<&str> = shakes.iter().map(|one| one.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/l", "/n"]);
    assert!(
        shakes
            .iter()
            .all(|one| one.content_type == "text/plain; charset=utf-8")
    );
    let kept = shakes.iter().find(|one| one.path == "/n").unwrap();
    assert_eq!(kept.query["kept"], "1", "the URL's own query is kept");
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        office
            .get(&format!("/subscriptions/{id}"))
            .await
            .expect(200)["resource"],
        "/me/contacts"
    );
    assert_eq!(
        office.get("/subscriptions").await.expect(200)["value"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let twin = office
        .subscribe(&listener, json!({"changeType": "deleted,updated,created"}))
        .await;
    assert_eq!(twin.status, 409);
    assert!(
        twin.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains(&format!(
                "Subscription Id <{id}> already exists for the requested combination"
            ))
    );
    office
        .subscribe(&listener, json!({"changeType": "updated"}))
        .await
        .expect(201);
    assert_eq!(
        office.delete(&format!("/subscriptions/{id}")).await.status,
        204
    );
    assert_eq!(
        office.get(&format!("/subscriptions/{id}")).await.status,
        404
    );
}

#[tokio::test]
async fn a_failed_handshake_creates_nothing() {
    let office = Office::start().await;
    let listener = Listener::start().await;
    for (name, hand) in [
        ("n", Hand::WrongText),
        ("n", Hand::WrongType),
        ("n", Hand::Refused),
        ("l", Hand::WrongText),
    ] {
        listener.hand("n", Hand::Right);
        listener.hand(name, hand);
        let refused = office.subscribe(&listener, json!({})).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "ValidationError"),
            "{name} {hand:?}"
        );
    }
    let nobody = office
        .subscribe(
            &listener,
            json!({"notificationUrl": "http://127.0.0.1:1/n"}),
        )
        .await;
    assert_eq!(nobody.code(), "ValidationError");
    assert_eq!(
        office.get("/subscriptions").await.expect(200)["value"],
        json!([])
    );
}

#[tokio::test]
async fn subscriptions_have_bounds() {
    let office = Office::start().await;
    let listener = Listener::start().await;
    let long = office
        .subscribe(
            &listener,
            json!({"expirationDateTime": office.in_minutes(10_090).await}),
        )
        .await;
    assert_eq!(
        long.body["error"]["message"],
        "Subscription expiration can only be 10080 minutes in the future."
    );
    for bad in [
        json!({"expirationDateTime": office.in_minutes(-1).await}),
        json!({"changeType": "moved"}),
        json!({"clientState": "x".repeat(129)}),
        json!({"notificationUrl": "http://example.com/n"}),
        json!({"resource": "/me/messages"}),
        json!({"resource": "/me/contacts?$select=givenName"}),
        json!({"latestSupportedTlsVersion": "v9"}),
    ] {
        assert_eq!(
            office.subscribe(&listener, bad.clone()).await.status,
            400,
            "{bad}"
        );
    }
    let other = office.world.config().await["mailboxes"][1]["user_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        office
            .subscribe(
                &listener,
                json!({"resource": format!("/users/{other}/contacts")})
            )
            .await
            .status,
        403
    );
    let short = office
        .subscribe(
            &listener,
            json!({"expirationDateTime": office.in_minutes(1).await}),
        )
        .await
        .expect(201);
    let until: jiff::Timestamp = short["expirationDateTime"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let floor: jiff::Timestamp = office.in_minutes(44).await.parse().unwrap();
    assert!(until > floor, "raised to 45 minutes: {until}");
    office.switch(json!({"subscriptions_per_mailbox": 1})).await;
    assert_eq!(
        office
            .subscribe(&listener, json!({"changeType": "created"}))
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn changes_are_told_with_their_shape() {
    let office = Office::start().await;
    let listener = Listener::start().await;
    let subscription = office
        .subscribe(
            &listener,
            json!({"resource": format!("/users/{}/contacts", office.user_id)}),
        )
        .await
        .expect(201);
    let id = office.contact(json!({"givenName": "A"})).await;
    listener.wait("n", |items| items.len() == 1).await;
    let etag = office
        .patch(&format!("/me/contacts/{id}"), json!({"jobTitle": "x"}))
        .await
        .expect(200)["@odata.etag"]
        .clone();
    listener.wait("n", |items| items.len() == 2).await;
    office.delete(&format!("/me/contacts/{id}")).await;
    let items = listener.wait("n", |items| items.len() == 3).await;
    let kinds: Vec<&str> = items
        .iter()
        .map(|item| item["changeType"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["created", "updated", "deleted"]);
    let item = &items[1];
    let resource = format!("Users/{}/Contacts/{id}", office.user_id);
    assert_eq!(item["resource"], json!(resource));
    assert_eq!(
        item["resourceData"],
        json!({"@odata.type": "#Microsoft.Graph.Contact", "@odata.id": resource, "@odata.etag": etag, "id": id})
    );
    assert_eq!(
        (
            &item["subscriptionId"],
            &item["clientState"],
            &item["tenantId"]
        ),
        (&subscription["id"], &json!("secret"), &json!(office.tenant))
    );
    assert!(item["subscriptionExpirationDateTime"].is_string());
}

#[tokio::test]
async fn notifications_travel_together_and_have_moods() {
    let office = Office::start().await;
    let listener = Listener::start().await;
    office
        .subscribe(&listener, json!({"changeType": "created"}))
        .await
        .expect(201);
    office
        .subscribe(&listener, json!({"changeType": "created,updated"}))
        .await
        .expect(201);
    // Both hear of one change: one POST.
    office.contact(json!({"givenName": "A"})).await;
    listener.wait("n", |items| items.len() == 2).await;
    assert_eq!(listener.posts("n").len(), 1);
    office
        .switch(json!({"notify_twice": true, "notify_lower_case": true, "notify_deleted": false}))
        .await;
    let id = office.contact(json!({"givenName": "B"})).await;
    let items = listener.wait("n", |items| items.len() == 5).await;
    assert_eq!(
        items[2..]
            .iter()
            .filter(|item| item["changeType"] == "updated")
            .count(),
        1,
        "created and updated for one save"
    );
    assert!(items[2]["resource"].as_str().unwrap().starts_with("users/"));
    office.delete(&format!("/me/contacts/{id}")).await;
    // Lost and doubled ones.
    office
        .control(
            Method::POST,
            "faults",
            json!({"hints": {"source": "graph", "drop": true}, "count": 1}),
        )
        .await;
    office.contact(json!({"givenName": "lost"})).await;
    until_sent(&office).await;
    office.control(Method::DELETE, "faults", Value::Null).await;
    office
        .control(
            Method::POST,
            "faults",
            json!({"hints": {"source": "graph", "duplicate": true}}),
        )
        .await;
    office.contact(json!({"givenName": "double"})).await;
    let items = listener.wait("n", |items| items.len() >= 11).await;
    assert!(
        !items.iter().any(|item| item["changeType"] == "deleted"),
        "deletions are not dependable"
    );
}

async fn until_sent(office: &Office) {
    crate::common::until(|| async {
        office
            .world
            .running
            .ctx
            .lock()
            .outbox
            .is_empty()
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn folders_below_are_told_only_where_they_are() {
    let office = Office::start().await;
    let listener = Listener::start().await;
    let folder = office
        .post("/me/contactFolders", json!({"displayName": "F"}))
        .await
        .expect(201)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let default = office.subscribe(&listener, json!({})).await.expect(201);
    let own = office.subscribe(&listener, json!({"resource": format!("/users/{}/contactFolders/{folder}/contacts", office.user_id)})).await.expect(201);
    office
        .post(
            &format!("/me/contactFolders/{folder}/contacts"),
            json!({"givenName": "A"}),
        )
        .await
        .expect(201);
    let items = listener.wait("n", |items| !items.is_empty()).await;
    assert_eq!((items.len(), &items[0]["subscriptionId"]), (1, &own["id"]));
    office.switch(json!({"notify_child_folders": true})).await;
    office
        .post(
            &format!("/me/contactFolders/{folder}/contacts"),
            json!({"givenName": "B"}),
        )
        .await
        .expect(201);
    let items = listener.wait("n", |items| items.len() == 3).await;
    assert!(
        items[1..]
            .iter()
            .any(|item| item["subscriptionId"] == default["id"])
    );
    // A move is a deletion there and a creation here.
    let id = office.contact(json!({"givenName": "C"})).await;
    listener.wait("n", |items| items.len() == 4).await;
    office.switch(json!({"notify_child_folders": false})).await;
    office
        .control(
            Method::POST,
            "graph/move",
            json!({"mailbox": office.mailbox, "contact": id, "folder": "F"}),
        )
        .await;
    let items = listener.wait("n", |items| items.len() == 6).await;
    assert_eq!(
        (&items[4]["changeType"], &items[4]["subscriptionId"]),
        (&json!("deleted"), &default["id"])
    );
    assert_eq!(
        (&items[5]["changeType"], &items[5]["subscriptionId"]),
        (&json!("created"), &own["id"])
    );
}

#[tokio::test]
async fn ids_are_of_the_kind_asked_for_at_creation() {
    let office = Office::start().await;
    let listener = Listener::start().await;
    let body = json!({"changeType": "created", "resource": "me/contacts", "notificationUrl": listener.url("n"), "expirationDateTime": office.in_minutes(60).await});
    let request = office
        .request(Method::POST, "/subscriptions")
        .header("prefer", "IdType=\"ImmutableId\"")
        .json(&body);
    assert_eq!(request.send().await.unwrap().status(), 201);
    office.contact(json!({"givenName": "A"})).await;
    let items = listener.wait("n", |items| items.len() == 1).await;
    assert!(
        items[0]["resourceData"]["id"]
            .as_str()
            .unwrap()
            .starts_with("AAkA")
    );
}

#[tokio::test]
async fn renewal_extends_and_a_gone_one_is_404() {
    let office = Office::start().await;
    let listener = Listener::start().await;
    let made = office.subscribe(&listener, json!({})).await.expect(201);
    let path = format!("/subscriptions/{}", made["id"].as_str().unwrap());
    let renewed = office
        .patch(
            &path,
            json!({"expirationDateTime": office.in_minutes(10_000).await}),
        )
        .await
        .expect(200);
    assert!(renewed["expirationDateTime"].as_str() > made["expirationDateTime"].as_str());
    assert_eq!(
        office
            .patch(
                &path,
                json!({"expirationDateTime": office.in_minutes(20_000).await})
            )
            .await
            .status,
        400
    );
    assert_eq!(
        office
            .patch(
                &path,
                json!({"lifecycleNotificationUrl": listener.url("x")})
            )
            .await
            .status,
        400
    );
    assert_eq!(
        office
            .post(&format!("{path}/reauthorize"), json!({}))
            .await
            .status,
        204
    );
    let state = office.control(Method::GET, "state", Value::Null).await;
    assert_eq!(
        state["graph"]["subscriptions"][0]["renewedAndReauthorized"], true,
        "never both within ten minutes"
    );
    let handshakes = listener.handshakes().len();
    let changed = office
        .patch(&path, json!({"notificationUrl": listener.url("n2")}))
        .await
        .expect(200);
    assert_eq!(
        (
            changed["notificationUrl"].as_str(),
            listener.handshakes().len()
        ),
        (Some(listener.url("n2").as_str()), handshakes + 1)
    );
    office
        .control(
            Method::POST,
            "graph/lifecycle",
            json!({"subscription": made["id"], "event": "subscriptionRemoved"}),
        )
        .await;
    let told = listener.wait("l", |items| items.len() == 1).await;
    assert_eq!(
        (&told[0]["lifecycleEvent"], &told[0]["clientState"]),
        (&json!("subscriptionRemoved"), &json!("secret"))
    );
    assert_eq!(
        office
            .patch(
                &path,
                json!({"expirationDateTime": office.in_minutes(60).await})
            )
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn expiry_by_the_clock_removes_and_says_so() {
    let office = Office::start().await;
    let listener = Listener::start().await;
    office.subscribe(&listener, json!({})).await.expect(201);
    office
        .control(Method::POST, "time", json!({"advance_ms": 121 * 60_000}))
        .await;
    let told = listener.wait("l", |items| items.len() == 1).await;
    assert_eq!(told[0]["lifecycleEvent"], "subscriptionRemoved");
    let state = office.control(Method::GET, "state", Value::Null).await;
    assert_eq!(state["graph"]["subscriptions"], json!([]));
}

#[tokio::test]
async fn a_lost_token_pauses_until_reauthorized() {
    let office = Office::start().await;
    let listener = Listener::start().await;
    let made = office.subscribe(&listener, json!({})).await.expect(201);
    office
        .control(
            Method::POST,
            "microsoft/expire",
            json!({"mailbox": office.mailbox}),
        )
        .await;
    let told = listener.wait("l", |items| items.len() == 1).await;
    assert_eq!(told[0]["lifecycleEvent"], "reauthorizationRequired");
    assert_eq!(office.get("/me").await.code(), "InvalidAuthenticationToken");
    office
        .control(
            Method::POST,
            "graph/contacts",
            json!({"mailbox": office.mailbox, "contact": {"givenName": "Waits"}}),
        )
        .await;
    let state = office.control(Method::GET, "state", Value::Null).await;
    assert_eq!(
        (
            &state["graph"]["subscriptions"][0]["paused"],
            &state["graph"]["subscriptions"][0]["held"]
        ),
        (&json!(true), &json!(1))
    );
    assert!(listener.items("n").is_empty());
    let (_, issued) = office
        .world
        .control(Method::POST, "tokens", json!({"mailbox": office.mailbox}))
        .await;
    let url = format!(
        "{}/v1.0/subscriptions/{}/reauthorize",
        office.world.base,
        made["id"].as_str().unwrap()
    );
    let answer = office
        .world
        .http
        .post(url)
        .bearer_auth(issued["access_token"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    listener.wait("n", |items| items.len() == 1).await;
    office
        .control(
            Method::POST,
            "graph/lifecycle",
            json!({"mailbox": office.mailbox, "event": "missed"}),
        )
        .await;
    assert_eq!(
        listener.wait("l", |items| items.len() == 2).await[1]["lifecycleEvent"],
        "missed"
    );
}

#[tokio::test]
async fn rich_notifications_can_be_opened_and_validated() {
    let office = Office::start().await;
    let listener = Listener::start().await;
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let spki = key.public_key().as_der().unwrap().as_ref().to_vec();
    let rich = json!({
        "includeResourceData": true, "encryptionCertificate": STANDARD.encode(certificate(&spki)), "encryptionCertificateId": "c1",
        "resource": format!("/me/contacts?$select=givenName,jobTitle&$expand=singleValueExtendedProperties($filter=id eq '{STAMP}')"),
    });
    let long = office.subscribe(&listener, json!({"expirationDateTime": office.in_minutes(2_000).await, "includeResourceData": true})).await;
    assert_eq!(
        long.body["error"]["message"],
        "Subscription expiration can only be 1440 minutes in the future."
    );
    for bad in [
        json!({"includeResourceData": true}),
        json!({"resource": "/me/contacts?$select=givenName&$top=1", "includeResourceData": true, "encryptionCertificate": rich["encryptionCertificate"], "encryptionCertificateId": "c"}),
    ] {
        assert_eq!(office.subscribe(&listener, bad).await.status, 400);
    }
    office.subscribe(&listener, rich).await.expect(201);
    office.contact(json!({"givenName": "Sealed", "surname": "Not asked for", "singleValueExtendedProperties": [{"id": STAMP, "value": "s"}]})).await;
    let items = listener.wait("n", |items| items.len() == 1).await;
    let content = &items[0]["encryptedContent"];
    let part = |name: &str| STANDARD.decode(content[name].as_str().unwrap()).unwrap();
    assert_eq!(content["encryptionCertificateId"], "c1");
    let private = OaepPrivateDecryptingKey::new(key).unwrap();
    let mut buffer = vec![0; private.min_output_size()];
    let secret = private
        .decrypt(&OAEP_SHA1_MGF1SHA1, &part("dataKey"), &mut buffer, None)
        .unwrap()
        .to_vec();
    let data = part("data");
    hmac::verify(
        &hmac::Key::new(hmac::HMAC_SHA256, &secret),
        &data,
        &part("dataSignature"),
    )
    .unwrap();
    let iv: [u8; 16] = secret[..16].try_into().unwrap();
    let cipher =
        PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &secret).unwrap())
            .unwrap();
    let mut opened = data;
    let plain = cipher
        .decrypt(&mut opened, DecryptionContext::Iv128(FixedLength::from(iv)))
        .unwrap();
    let contact: Value = serde_json::from_slice(plain).unwrap();
    assert_eq!(
        (&contact["givenName"], contact.get("surname")),
        (&json!("Sealed"), None)
    );
    assert_eq!(contact["singleValueExtendedProperties"][0]["value"], "s");
    let token = listener.posts("n")[0]["validationTokens"][0]
        .as_str()
        .unwrap()
        .to_owned();
    crate::microsoft_sign_in::verify(&office, &token).await;
    let claims = claims(&token);
    assert_eq!(
        (&claims["aud"], &claims["azp"], &claims["tid"]),
        (
            &json!(office.client_id),
            &json!("0bf30f3b-4a52-48df-9a82-234910c4a086"),
            &json!(office.tenant)
        )
    );
}
