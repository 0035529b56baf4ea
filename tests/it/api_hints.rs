//! Where Tribe and Graph deliver.

use std::{future::pending, time::Duration};

use axum::body::Body;
use http::Request;
use secrecy::SecretString;
use serde_json::{Value, json};
use tribelink::{
    api::front::Front,
    intake::tribe::CUSTOM_HEADER,
    sealed::{sha256, webhook_row},
    server::{self, Limits},
    store::{
        Change, Lane, Source, Subscription, Target, Webhook,
        sqlite::{Settings, SqliteStore},
    },
    tribe::webhook::signature,
    vault::column,
};
use tribelink_plan::ids::{ContactId, EnvironmentId, UserId};

use crate::app::{Answer, TestApp, WEBHOOK_SECRET};

const ENTITY: &str = "b724d383-bb70-480a-b03d-512b9aaec15a";

fn delivery() -> String {
    json!({"webhookId": "w1", "payload": {"entityId": ENTITY, "entityType": "Relation.Person"}})
        .to_string()
}

async fn deliver(app: &TestApp, environment: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::post(format!("/webhooks/tribe/{environment}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request.body(Body::from(body.to_owned())).unwrap())
        .await
}

async fn signed(app: &TestApp, secret: &str, body: &str) -> Answer {
    let signature = signature(&SecretString::from(secret), body.as_bytes());
    deliver(app, "default", &[("x-tribe-signature", &signature)], body).await
}

fn lane() -> Lane {
    Lane::Environment(EnvironmentId::from("default"))
}

#[tokio::test]
async fn an_authentic_delivery_is_stored_and_wakes_its_environment() {
    let app = TestApp::new().await;
    signed(&app, WEBHOOK_SECRET, &delivery()).await.is(202);
    let hints = app.hints_of(&lane()).await;
    assert_eq!(hints.len(), 1);
    assert_eq!(hints[0].hint.source, Source::Webhook);
    assert_eq!(
        hints[0].hint.target,
        Target::Entity {
            id: ENTITY.parse().unwrap(),
            kind: Some("Relation.Person".to_owned())
        }
    );
    assert!(app.wake.lanes.lock().unwrap().contains(&lane()));
}

#[tokio::test]
async fn what_is_not_authentic_or_not_usable_is_refused_and_not_stored() {
    let app = TestApp::new().await;
    let body = delivery();
    deliver(&app, "default", &[], &body).await.is(401);
    signed(&app, "wrong", &body).await.is(401);
    signed(&app, "", &body).await.is(401);
    deliver(&app, "default", &[(CUSTOM_HEADER, "guess")], &body)
        .await
        .is(401);
    for nowhere in ["nowhere", "Default", "a%2Fb"] {
        deliver(&app, nowhere, &[], &body).await.is(404);
    }
    for unusable in ["", "no json", "{}", r#"{"payload":{"entityId":"7"}}"#] {
        signed(&app, WEBHOOK_SECRET, unusable).await.is(400);
    }
    let large = format!(
        "{{\"payload\":{{\"entityId\":\"{}\"}}}}",
        "x".repeat(70_000)
    );
    signed(&app, WEBHOOK_SECRET, &large).await.is(413);
    assert!(app.hints_of(&lane()).await.is_empty());
}

#[tokio::test]
async fn a_webhook_registered_a_moment_ago_is_known_without_a_read_for_each_stranger() {
    let app = TestApp::new().await;
    let body = delivery();
    signed(&app, "returned at registration", &body)
        .await
        .is(401);
    let secret = SecretString::from("returned at registration");
    let row = webhook_row("default", "w1");
    app.commit(vec![Change::PutWebhook(Webhook {
        environment: EnvironmentId::from("default"),
        id: "w1".to_owned(),
        entity_type: "Relation.Person".to_owned(),
        header_hash: sha256(b"random"),
        secret: Some(app.vault.seal_text(column::WEBHOOK_SECRET, &row, &secret)),
        created_ms: 0,
    })])
    .await;
    // Read a moment ago: not again for each attempt.
    signed(&app, "returned at registration", &body)
        .await
        .is(401);
    app.clock.advance(std::time::Duration::from_secs(1));
    signed(&app, "returned at registration", &body)
        .await
        .is(202);
    signed(&app, WEBHOOK_SECRET, &body).await.is(202);
    deliver(&app, "default", &[(CUSTOM_HEADER, "random")], &body)
        .await
        .is(401);
}

#[tokio::test]
async fn an_environment_of_its_own_has_its_own_door() {
    let app = TestApp::new().await;
    let body = json!({"id": "acme", "tribe": {
        "client_id": "id", "client_secret": "s", "webhook_secrets": ["acme-secret", "w9:bound"]}});
    app.post("/api/v1/environments", body).await.is(201);
    let body = delivery();
    let with = |secret: &str| signature(&SecretString::from(secret), body.as_bytes());
    for (secret, status) in [("acme-secret", 202), ("bound", 202), (WEBHOOK_SECRET, 401)] {
        let answer = deliver(&app, "acme", &[("any-header", &with(secret))], &body).await;
        assert_eq!(answer.status.as_u16(), status, "{secret}");
    }
    signed(&app, "acme-secret", &body).await.is(401);
}

async fn subscribed(app: &TestApp) -> UserId {
    let id = app.live().await;
    app.commit(vec![Change::PutSubscription(Subscription {
        id: "sub-1".to_owned(),
        user: id,
        environment: EnvironmentId::from("default"),
        resource: "/me/contacts".to_owned(),
        certificate: None,
        client_state_hash: sha256(b"state-1"),
        expires_ms: i64::MAX,
        created_ms: 0,
        checked_ms: 0,
    })])
    .await;
    id
}

async fn notify(app: &TestApp, kind: &str, body: Value) -> Answer {
    let request = Request::post(format!("/webhooks/graph/{kind}"));
    app.send(request.body(Body::from(body.to_string())).unwrap())
        .await
}

fn item(subscription: &str, state: &str, contact: &str) -> Value {
    json!({"subscriptionId": subscription, "clientState": state, "changeType": "updated",
        "resource": format!("Users/u/Contacts/{contact}"),
        "resourceData": {"id": contact, "@odata.etag": "W/\"1\""}})
}

#[tokio::test]
async fn each_item_is_judged_alone() {
    let app = TestApp::new().await;
    let id = subscribed(&app).await;
    let before = app.hints(id).await.len();
    let body = json!({"value": [
        item("sub-1", "state-1", "A"),
        item("sub-1", "state-1", "A"),
        item("sub-1", "wrong", "B"),
        item("sub-2", "state-1", "C"),
        {"nonsense": true},
        item("sub-1", "state-1", "D"),
    ]});
    notify(&app, "notifications", body).await.is(202);
    let contact = |id: &str| Target::Contact {
        id: ContactId::from(id),
        etag: Some("W/\"1\"".to_owned()),
    };
    let targets: Vec<Target> = app
        .hints(id)
        .await
        .into_iter()
        .map(|h| h.hint.target)
        .collect();
    assert_eq!(targets[before..], [contact("A"), contact("D")]);
}

#[tokio::test]
async fn strangers_get_a_202_and_nothing_else() {
    let app = TestApp::new().await;
    notify(
        &app,
        "notifications",
        json!({"value": [item("x", "y", "Z")]}),
    )
    .await
    .is(202);
    notify(
        &app,
        "lifecycle",
        json!({"value": [{"subscriptionId": "x", "lifecycleEvent": "missed"}]}),
    )
    .await
    .is(202);
    notify(&app, "notifications", json!({"value": "no list"}))
        .await
        .is(400);
    assert!(app.wake.lanes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn lifecycle_events_are_stored_for_their_mailbox() {
    let app = TestApp::new().await;
    let id = subscribed(&app).await;
    let body = json!({"value": [
        {"subscriptionId": "sub-1", "clientState": "state-1", "lifecycleEvent": "subscriptionRemoved"},
        {"subscriptionId": "sub-1", "clientState": "no", "lifecycleEvent": "missed"},
    ]});
    notify(&app, "lifecycle", body).await.is(202);
    let hint = app.hints(id).await.pop().unwrap().hint;
    assert_eq!(hint.source, Source::Lifecycle);
    assert_eq!(
        hint.target,
        Target::Lifecycle {
            event: "subscriptionRemoved".to_owned(),
            subscription: "sub-1".to_owned()
        }
    );
}

#[tokio::test]
async fn the_handshake_is_echoed_as_plain_text() {
    let app = TestApp::new().await;
    for kind in ["notifications", "lifecycle"] {
        let path = format!(
            "/webhooks/graph/{kind}?validationToken=Validation%3A%20%3Cscript%3E%0D%0Ax%2By"
        );
        let answer = app
            .send(Request::post(&path).body(Body::empty()).unwrap())
            .await
            .is(200);
        assert_eq!(answer.text(), "Validation: <script>\r\nx+y");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let long = format!(
            "/webhooks/graph/{kind}?validationToken={}",
            "a".repeat(10_000)
        );
        app.send(Request::post(long).body(Body::empty()).unwrap())
            .await
            .is(400);
    }
}

#[tokio::test]
async fn an_ended_subscription_is_forgotten() {
    let app = TestApp::new().await;
    let id = subscribed(&app).await;
    app.api.intake.subscriptions.fill().await.unwrap();
    app.post(&format!("/api/v1/users/{id}/disconnect"), json!({}))
        .await
        .is(200);
    notify(
        &app,
        "notifications",
        json!({"value": [item("sub-1", "state-1", "A")]}),
    )
    .await
    .is(202);
    assert!(app.hints(id).await.is_empty());

    // One that another process ended counts no longer than the entry is fresh.
    app.commit(vec![Change::PutSubscription(Subscription {
        id: "sub-9".to_owned(),
        user: id,
        environment: EnvironmentId::from("default"),
        resource: String::new(),
        certificate: None,
        client_state_hash: sha256(b"s"),
        expires_ms: i64::MAX,
        created_ms: 0,
        checked_ms: 0,
    })])
    .await;
    notify(
        &app,
        "notifications",
        json!({"value": [item("sub-9", "s", "A")]}),
    )
    .await
    .is(202);
    app.commit(vec![Change::DropSubscription("sub-9".to_owned())])
        .await;
    app.clock.advance(std::time::Duration::from_secs(301));
    notify(
        &app,
        "notifications",
        json!({"value": [item("sub-9", "s", "B")]}),
    )
    .await
    .is(202);
    assert_eq!(app.hints(id).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let url = format!("sqlite://{}", file.display());
    let store = SqliteStore::open(&url, Settings::default()).await.unwrap();
    let app = TestApp::over(std::sync::Arc::new(store)).await;
    signed(&app, WEBHOOK_SECRET, &delivery()).await.is(202);
    let kept = app.hints_of(&lane()).await.len();
    assert_eq!(kept, 1);
    std::fs::remove_file(&file).unwrap();
    let answer = signed(&app, WEBHOOK_SECRET, &delivery()).await.is(503);
    assert!(!answer.header("retry-after").is_empty());
    let ready = app.ask(http::Method::GET, "/readyz", "", None).await;
    assert_eq!(ready.status.as_u16(), 503);
    assert!(!ready.text().contains("store.db"), "no paths for strangers");
}

/// Over TCP, through the door in front of the router.
async fn at_the_front(app: &TestApp) -> String {
    let front = Front::new(app.api.clone(), app.router.clone(), None);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let limits = Limits {
        connections: 8,
        head: Duration::from_secs(30),
        body_pause: Duration::from_secs(10),
        request: Duration::from_secs(90),
        write_pause: Duration::from_secs(30),
        grace: Duration::from_secs(1),
    };
    tokio::spawn(server::serve(listener, front, limits, pending()));
    origin
}

#[tokio::test]
async fn the_front_answers_a_delivery_as_the_router_does() {
    let app = TestApp::new().await;
    let origin = at_the_front(&app).await;
    let http = reqwest::Client::builder().build().unwrap();
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(app.api.settings.max_body));
    let tribe = "/webhooks/tribe/default";
    let cases = [
        (tribe, delivery(), 202),
        (tribe, "{}".to_owned(), 400),
        (tribe, large, 413),
        ("/webhooks/tribe/nowhere", delivery(), 404),
        ("/webhooks/tribe/No", delivery(), 404),
        (
            "/webhooks/graph/notifications",
            r#"{"value":[]}"#.to_owned(),
            202,
        ),
        ("/webhooks/graph/notifications", "no".to_owned(), 400),
        (
            "/webhooks/graph/lifecycle",
            r#"{"value":[]}"#.to_owned(),
            202,
        ),
        (
            "/webhooks/graph/lifecycle?validationToken=a+b",
            String::new(),
            200,
        ),
    ];
    for (path, body, status) in cases {
        let signature = signature(&SecretString::from(WEBHOOK_SECRET), body.as_bytes());
        let request = Request::post(path).header("x-tribe-signature", &signature);
        let behind = app
            .send(request.body(Body::from(body.clone())).unwrap())
            .await;
        let asked = http.post(format!("{origin}{path}")).body(body);
        let front = asked
            .header("x-tribe-signature", signature)
            .send()
            .await
            .unwrap();
        assert_eq!(front.status().as_u16(), status, "{path}");
        assert_eq!(behind.status, front.status(), "{path}");
        let mut headers = front.headers().clone();
        // What the server adds to every answer.
        headers.remove("date");
        headers.remove("content-length");
        let mut behind_headers = behind.headers.clone();
        behind_headers.remove("content-length");
        assert_eq!(behind_headers, headers, "{path}");
        assert_eq!(behind.body, front.bytes().await.unwrap(), "{path}");
    }
    // Not authentic.
    let asked = http.post(format!("{origin}{tribe}")).body(delivery());
    assert_eq!(asked.send().await.unwrap().status().as_u16(), 401);
}
