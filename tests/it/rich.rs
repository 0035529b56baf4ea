//! The content of rich notifications as the sandbox seals it, over HTTP (Graph reference 4.5).

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tribelink::{
    clock::{Clock as _, SystemClock},
    graph::{
        id_token::Keys,
        rich::{self, Encrypted, Opener, Refusal},
    },
    remote::{Error, Silent},
};
use tribelink_sandbox::{Options, Sandbox};
use url::Url;

use crate::clients_server::{Reply, Seen, Server, status, transport};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Shakes hands, and takes whatever comes.
fn listener(seen: &Seen) -> Reply {
    match seen.option("validationToken") {
        Some(token) => http::Response::builder()
            .header("content-type", "text/plain")
            .body(Body::from(token))
            .unwrap(),
        None => status(202),
    }
}

/// The first delivery that came.
async fn delivered(server: &Server) -> Value {
    let wait = async {
        loop {
            let calls = server.calls();
            if let Some(call) = calls.iter().find(|call| !call.body.is_empty()) {
                return call.json();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    waited.expect("a delivery")
}

#[tokio::test]
async fn a_delivery_proves_its_publisher_and_opens_with_the_certificate_it_was_sealed_for() {
    let options = Options {
        people: 1,
        users: 1,
        ..Options::default()
    };
    let any = "127.0.0.1:0".parse().unwrap();
    let sandbox = Sandbox::start(options, any, None).await.unwrap();
    let origin = Url::parse(&format!("http://{}/", sandbox.addr)).unwrap();
    let at = |path: &str| origin.join(path).unwrap();
    let http = reqwest::Client::builder().build().unwrap();
    let config = http.get(at("_sandbox/config")).send().await.unwrap();
    let config: Value = config.json().await.unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let post = async |path: &str, token: &str, body: Value| {
        let sent = http.post(at(path)).bearer_auth(token).json(&body);
        let answer = sent.send().await.unwrap();
        let good = answer.status().is_success();
        let text = answer.text().await.unwrap();
        assert!(good, "{path}: {text}");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let mailbox = json!({"mailbox": config["mailboxes"][0]["address"]});
    let token = text(&post("_sandbox/tokens", "", mailbox).await["access_token"]);

    let now = SystemClock.now_ms();
    let fresh = rich::make(now, now + 90 * DAY_MS, [1; 16]).unwrap();
    let server = Server::start(listener).await;
    let until = jiff::Timestamp::from_millisecond(now + DAY_MS / 2).unwrap();
    let subscription = json!({
        "changeType": "created", "resource": "/me/contacts?$select=id,givenName", "clientState": "s",
        "notificationUrl": server.url, "expirationDateTime": until.to_string(),
        "includeResourceData": true, "encryptionCertificate": STANDARD.encode(&fresh.certificate),
        "encryptionCertificateId": "c1",
    });
    post("v1.0/subscriptions", &token, subscription).await;
    let contact = post("v1.0/me/contacts", &token, json!({"givenName": "Sealed"})).await;

    let delivery = delivered(&server).await;
    let row = &delivery["value"][0]["encryptedContent"];
    let content = Encrypted::of(row).unwrap();
    assert_eq!(content.certificate_id, "c1");
    let opened = Opener::new(&fresh.private_key)
        .unwrap()
        .open(&content)
        .unwrap();
    assert_eq!(opened["givenName"], "Sealed");
    assert_eq!(opened["id"], contact["id"]);
    assert_eq!(
        opened["@odata.etag"],
        delivery["value"][0]["resourceData"]["@odata.etag"]
    );
    let other = rich::make(now, now + DAY_MS, [2; 16]).unwrap();
    let other = Opener::new(&other.private_key).unwrap();
    assert_eq!(other.open(&content).err(), Some(Refusal::Key));

    let tenant = text(&config["microsoft"]["tenant"]);
    let keys = |client: &str, tenant: &str| {
        Keys::new(
            at(&format!("{tenant}/v2.0/.well-known/openid-configuration")),
            tenant,
            client,
            Arc::new(transport(&[&origin], 1 << 20)),
            Arc::new(SystemClock),
            Arc::new(Silent),
        )
    };
    let client = text(&config["microsoft"]["client_id"]);
    let proof = text(&delivery["validationTokens"][0]);
    assert_eq!(keys(&client, &tenant).publisher(&proof).await, Ok(()));
    let rejected = |code: &str| {
        Err(Error::Rejected {
            status: 0,
            code: format!("id_token_{code}"),
        })
    };
    // Another application's, a changed one, and what is none.
    let strange = keys("another-application", &tenant).publisher(&proof).await;
    assert_eq!(strange, rejected("aud"));
    let (head, signature) = proof.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();
    let forged = format!("{header}.{}.{signature}", header);
    let forged = keys(&client, &tenant).publisher(&forged).await;
    assert_eq!(forged, rejected("signature"));
    let none = keys(&client, &tenant).publisher("no token").await;
    assert_eq!(none, rejected("form"));
}
