//! Subscriptions: handshakes, bounds, renewal, expiry, lifecycle events (Graph reference 4), over real HTTP.

use std::collections::BTreeMap;

use axum::{Router, extract::Query, routing::post};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    common::{client, loopback},
    office::{Hand, Listener, Office},
};

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
async fn whoever_moves_the_clock_makes_no_receiver_slow() {
    let office = Office::start().await;
    let listener = Listener::start().await;
    let time = format!("{}/_sandbox/time", office.world.base);
    // Answers at once, while half a minute passes by the sandbox's clock.
    let shake = async move |Query(asked): Query<BTreeMap<String, String>>| {
        let body = json!({"advance_ms": 30_000});
        let moved = client().post(&time).json(&body).send().await;
        assert!(moved.expect("an answer").status().is_success());
        asked["validationToken"].clone()
    };
    let socket = tokio::net::TcpListener::bind(loopback())
        .await
        .expect("a port");
    let own = format!("http://{}/n", socket.local_addr().expect("its address"));
    let routes = Router::new().route("/n", post(shake));
    let serve = tokio::spawn(async move { axum::serve(socket, routes).await });
    let made = office
        .subscribe(&listener, json!({"notificationUrl": own}))
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    serve.abort();
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
