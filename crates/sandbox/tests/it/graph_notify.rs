//! Notifications, plain and rich, and what they are told of (Graph reference 4), over real HTTP.

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

use crate::office::{Listener, Office, STAMP, claims};

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
