//! Activation, commands and disconnection.

use http::{Method, Request, header};
use serde_json::json;
use tribelink::{
    activation::{self, Command, disconnect::EMPLOYEE_LEFT},
    clock::Clock as _,
    remote,
    store::{Change, Cursor, Lane, LinkRow, Subscription, Target, UserState},
};
use tribelink_plan::{
    ids::{ContactId, EnvironmentId, FolderId, PersonId, UserId},
    link::{Link, LinkState},
    person::Kind,
};
use uuid::Uuid;

use crate::app::{ANNA_MAIL, TestApp};

#[tokio::test]
async fn the_same_employee_is_always_the_same_user() {
    let app = TestApp::new().await;
    let first = app
        .post(
            "/api/v1/users",
            json!({"employee_email": "Anna@Example.nl"}),
        )
        .await
        .is(201)
        .json();
    assert_eq!(first["state"], "invited");
    assert_eq!(first["environment"], "default");
    assert!(
        first["consent_url"]
            .as_str()
            .unwrap()
            .starts_with("https://link.example.nl/consent/")
    );
    assert_eq!(first["expires_at"], "2026-12-01T09:00:00Z");
    let employee = Uuid::from_u128(crate::app::ANNA);
    let second = app
        .post("/api/v1/users", json!({"employee_id": employee}))
        .await
        .is(200)
        .json();
    assert_eq!(first["id"], second["id"]);
    assert_ne!(first["consent_url"], second["consent_url"]);
    let list = app.get("/api/v1/users").await.is(200).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["next_cursor"], json!(null));
    let other = app
        .get("/api/v1/users?environment=other")
        .await
        .is(200)
        .json();
    assert_eq!(other["items"], json!([]));
}

#[tokio::test]
async fn activation_refuses_what_it_cannot_use() {
    let app = TestApp::new().await;
    app.employee(1, Some("twin@example.nl"), false);
    app.employee(2, Some("twin@example.nl"), false);
    app.employee(3, Some("gone@example.nl"), true);
    let cases = [
        (json!({}), 400),
        (
            json!({"employee_id": Uuid::nil(), "employee_email": ANNA_MAIL}),
            400,
        ),
        (json!({"employee_email": "no address"}), 400),
        (json!({"employee_email": ANNA_MAIL, "role": "admin"}), 400),
        (
            json!({"employee_email": ANNA_MAIL, "return_to": "https://evil.example/"}),
            400,
        ),
        (
            json!({"employee_email": ANNA_MAIL, "return_to": "//evil.example"}),
            400,
        ),
        (
            json!({"employee_email": ANNA_MAIL, "return_to": "/\\evil.example"}),
            400,
        ),
        (json!({"employee_email": "nobody@example.nl"}), 404),
        (json!({"employee_id": Uuid::from_u128(99)}), 404),
        (
            json!({"employee_email": ANNA_MAIL, "environment": "nowhere"}),
            404,
        ),
        (
            json!({"employee_email": ANNA_MAIL, "environment": "../x"}),
            404,
        ),
        (json!({"employee_email": "twin@example.nl"}), 409),
        (json!({"employee_email": "gone@example.nl"}), 409),
    ];
    for (body, status) in cases {
        let answer = app.post("/api/v1/users", body.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text());
    }
    let former = app
        .post(
            "/api/v1/users",
            json!({"employee_email": "gone@example.nl"}),
        )
        .await;
    assert_eq!(former.json()["rule"], "R22");
    let users = app.store.users(None, None, 10).await.unwrap();
    assert!(users.is_empty());

    *app.crm.fails.lock().unwrap() = Some(remote::Error::Transient("502".to_owned()));
    let answer = app
        .post("/api/v1/users", json!({"employee_email": ANNA_MAIL}))
        .await
        .is(503);
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn commands_lead_through_the_states_and_say_what_the_state_forbids() {
    let app = TestApp::new().await;
    let (id, link) = app.invited(false).await;
    let command = |name: &str| {
        let path = format!("/api/v1/users/{id}/{name}");
        let app = &app;
        async move { app.post(&path, json!({})).await }
    };
    command("start").await.is(409);
    app.sign_in(&link, "o10").await.is(200);
    assert!(
        app.hints(id).await.is_empty(),
        "nothing begins before start"
    );

    assert_eq!(command("pause").await.is(200).json()["state"], "paused");
    assert_eq!(command("start").await.is(409).json()["rule"], "R19");
    assert_eq!(command("resume").await.is(200).json()["state"], "consented");
    assert!(app.hints(id).await.is_empty());

    assert_eq!(command("start").await.is(200).json()["state"], "first_sync");
    assert_eq!(command("start").await.is(200).json()["state"], "first_sync");
    let hints = app.hints(id).await;
    assert_eq!(hints.len(), 1);
    assert_eq!(hints[0].hint.target, Target::FirstSync);
    assert!(app.wake.lanes.lock().unwrap().contains(&Lane::Mailbox(id)));
    assert!(app.user(id).await.started);

    let done = Command::FirstSyncDone;
    app.api.activation.command(id, done).await.unwrap();
    command("pause").await.is(200);
    command("resume").await.is(200);
    let targets: Vec<Target> = app
        .hints(id)
        .await
        .into_iter()
        .map(|h| h.hint.target)
        .collect();
    assert_eq!(targets, [Target::FirstSync, Target::Resync], "one catch-up");
    command("resync").await.is(200);
    assert_eq!(app.hints(id).await.len(), 3);
    command("release").await.is(409);
    let unknown = format!("/api/v1/users/{}/pause", Uuid::from_u128(77));
    app.post(&unknown, json!({})).await.is(404);
}

#[tokio::test]
async fn a_released_brake_lifts_the_line_once() {
    let app = TestApp::new().await;
    let id = app.live().await;
    app.api
        .activation
        .command(id, Command::Brake)
        .await
        .unwrap();
    app.commit(vec![Change::SetBrake {
        id,
        released: false,
        brake_since_ms: 0,
        braked: Some((30, 100)),
    }])
    .await;
    let user = app.get(&format!("/api/v1/users/{id}")).await.is(200).json();
    assert_eq!(user["braked"], json!({"changes": 30, "links": 100}));
    let refused = app
        .post(&format!("/api/v1/users/{id}/pause"), json!({}))
        .await
        .is(409);
    assert_eq!(refused.json()["rule"], "R17");
    app.post(&format!("/api/v1/users/{id}/release"), json!({}))
        .await
        .is(200);
    let user = app.user(id).await;
    assert_eq!(user.state, UserState::Live);
    assert!(user.released && user.braked.is_none());
    assert_eq!(user.brake_since_ms, app.clock.now_ms());
}

fn link(user: UserId, person: u128) -> LinkRow {
    LinkRow {
        ahead: None,
        environment: EnvironmentId::from("default"),
        user,
        person: PersonId(Uuid::from_u128(person)),
        link: Link {
            state: LinkState::Linked,
            contact: Some(ContactId::from("AAk")),
            ..Link::intent(Kind::Contact)
        },
        changed_ms: 0,
        outlook_ms: None,
    }
}

async fn furnished(app: &TestApp) -> UserId {
    let id = app.live().await;
    app.commit(vec![
        Change::PutLink(Box::new(link(id, 5))),
        Change::PutCursor {
            user: id,
            cursor: Cursor {
                folder: FolderId::from("f"),
                is_default: true,
                link: "https://graph/delta".to_owned(),
            },
        },
        Change::PutSubscription(Subscription {
            id: "sub-1".to_owned(),
            user: id,
            environment: EnvironmentId::from("default"),
            resource: "/me/contacts".to_owned(),
            certificate: None,
            client_state_hash: [7; 32],
            expires_ms: app.clock.now_ms() + 1_000_000,
            created_ms: 0,
            checked_ms: 0,
        }),
    ])
    .await;
    id
}

#[tokio::test]
async fn a_disconnect_erases_before_it_is_acknowledged() {
    let app = TestApp::new().await;
    let id = furnished(&app).await;
    let path = format!("/api/v1/users/{id}/disconnect");
    let answer = app.post(&path, json!({})).await.is(200).json();
    assert_eq!(answer["state"], "disconnected");
    assert_eq!(answer["mailbox"], json!(null));
    assert!(app.store.tokens(id).await.unwrap().is_none());
    assert!(app.store.cursors(id).await.unwrap().is_empty());
    assert!(app.store.subscriptions_of(id).await.unwrap().is_empty());
    assert!(app.hints(id).await.is_empty());
    let links = app.store.links(id, None, 10).await.unwrap();
    assert_eq!(links[0].link.state, LinkState::Sleeping);
    let ended = app.outlook.unsubscribed.lock().unwrap().clone();
    assert_eq!(ended, [("sub-1".to_owned(), "access-o10".to_owned())]);
    assert_eq!(*app.wake.stopped.lock().unwrap(), [id]);
    assert!(
        app.user(id).await.identity.is_some(),
        "kept, so that nothing doubles on return"
    );

    let refused = app
        .post(&format!("/api/v1/users/{id}/start"), json!({}))
        .await
        .is(409);
    assert_eq!(refused.json()["rule"], "R20");
    let audit = app.get("/api/v1/audit?rule=R20").await.is(200).json();
    assert_eq!(audit["items"][0]["note"], "disconnected");
    assert_eq!(audit["items"][0]["direction"], "none");
    app.post(&format!("/api/v1/users/{id}/consent"), json!({}))
        .await
        .is(409);

    app.post(&path, json!({"forget": true})).await.is(200);
    assert!(app.store.links(id, None, 10).await.unwrap().is_empty());
    assert!(app.user(id).await.identity.is_none());

    let again = app
        .post("/api/v1/users", json!({"employee_email": ANNA_MAIL}))
        .await
        .is(200)
        .json();
    assert_eq!(again["id"], json!(id.0));
    assert_eq!(again["state"], "invited");
    app.sign_in(again["consent_url"].as_str().unwrap(), "o10")
        .await
        .is(200);
    assert_eq!(app.user(id).await.state, UserState::Consented);
}

#[tokio::test]
async fn a_disconnect_waits_for_the_worker_and_says_when_it_does_not_let_go() {
    let app = TestApp::new().await;
    let id = furnished(&app).await;
    let lane = Lane::Mailbox(id);
    let path = format!("/api/v1/users/{id}/disconnect");
    let now = app.clock.now_ms();
    app.store
        .claim(&lane, "worker", now, 90_000)
        .await
        .unwrap()
        .unwrap();
    let busy = app.post(&path, json!({})).await.is(503);
    assert!(!busy.header("retry-after").is_empty());
    assert_eq!(
        app.user(id).await.state,
        UserState::Disconnected,
        "no pass begins"
    );
    assert!(
        app.store.tokens(id).await.unwrap().is_some(),
        "the worker may be in a call"
    );

    // The worker's lease ends while the next request waits for it.
    app.post(&path, json!({})).await.is(200);
    assert!(app.store.tokens(id).await.unwrap().is_none());
}

#[tokio::test]
async fn graph_being_down_does_not_keep_tokens_alive() {
    let app = TestApp::new().await;
    let id = furnished(&app).await;
    *app.outlook.fails.lock().unwrap() = Some(remote::Error::Transient("503".to_owned()));
    app.post(&format!("/api/v1/users/{id}/disconnect"), json!({}))
        .await
        .is(200);
    assert!(app.store.tokens(id).await.unwrap().is_none());
}

#[tokio::test]
async fn an_employee_who_left_is_stopped_and_told() {
    let app = TestApp::new().await;
    let id = furnished(&app).await;
    // As the engine calls it: with the mailbox's lease in its hands.
    let lane = Lane::Mailbox(id);
    let now = app.clock.now_ms();
    let lease = app
        .store
        .claim(&lane, "worker", now, 30_000)
        .await
        .unwrap()
        .unwrap();
    let left = app
        .api
        .activation
        .employee_left(id, Some(&lease))
        .await
        .unwrap();
    assert_eq!(left.state, UserState::Disconnected);
    assert!(
        app.store.holds(&lease, now).await.unwrap(),
        "the lease stays with its holder"
    );
    let user = app.get(&format!("/api/v1/users/{id}")).await.is(200).json();
    assert_eq!(user["reason"], EMPLOYEE_LEFT);
    assert!(app.store.tokens(id).await.unwrap().is_none());
    let status = app.get("/api/v1/status").await.is(200).json();
    assert_eq!(status["alerts"][0]["key"], activation::left_alert(id));
    assert_eq!(status["users"]["disconnected"], 1);

    // Back again: the employee returned, and so the alert has served.
    let body = json!({"employee_email": ANNA_MAIL});
    let again = app.post("/api/v1/users", body).await.is(200).json();
    assert_eq!(
        (&again["state"], &again["reason"]),
        (&json!("invited"), &json!(null))
    );
    assert!(app.store.alerts().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_same_key_gets_the_same_answer_and_works_once() {
    let app = TestApp::new().await;
    let send = |token: &'static str, key: &'static str, body: &'static str| {
        let request = Request::post("/api/v1/users")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", key)
            .body(body.into())
            .unwrap();
        app.send(request)
    };
    let anna = r#"{"employee_email":"anna@example.nl"}"#;
    let first = send("admin", "k", anna).await.is(201);
    let again = send("admin", "k", anna).await.is(201);
    assert_eq!(first.json(), again.json(), "consent link included");
    assert_eq!(again.header("idempotency-replayed"), "true");
    send("admin", "k", r#"{"employee_email":"x@example.nl"}"#)
        .await
        .is(422);
    send("admin", "other", anna).await.is(200);
    send("operator", "k", anna).await.is(403);
    let missing = r#"{"employee_email":"nobody@example.nl"}"#;
    send("admin", "m", missing).await.is(404);
    let replayed = send("admin", "m", missing).await.is(404);
    assert_eq!(replayed.header("idempotency-replayed"), "true");
    send("admin", "", anna).await.is(400);

    app.clock
        .advance(std::time::Duration::from_secs(25 * 3_600));
    let later = send("admin", "k", anna).await.is(200);
    assert_eq!(later.header("idempotency-replayed"), "");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let app = TestApp::new().await;
    for number in 0..5 {
        app.employee(100 + number, Some(&format!("p{number}@example.nl")), false);
        let body = json!({"employee_email": format!("p{number}@example.nl")});
        app.post("/api/v1/users", body).await.is(201);
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/users?limit=2".to_owned();
    loop {
        let page = app
            .ask(Method::GET, &path, "viewer", None)
            .await
            .is(200)
            .json();
        let items = page["items"].as_array().unwrap().clone();
        assert!(items.len() <= 2);
        seen.extend(items.into_iter().map(|item| item["id"].to_string()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/users?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted, seen);
}

#[tokio::test]
async fn a_rebuild_looks_at_everything_and_keeps_the_links() {
    let app = TestApp::new().await;
    let (id, link) = app.invited(false).await;
    let path = format!("/api/v1/users/{id}/rebuild");
    app.post(&path, json!({})).await.is(409);
    app.sign_in(&link, "o10").await.is(200);
    let early = app.post(&path, json!({})).await.is(409).json();
    assert!(early["detail"].as_str().unwrap().contains("first sync"));
    app.post(&format!("/api/v1/users/{id}/start"), json!({}))
        .await
        .is(200);
    app.api
        .activation
        .command(id, tribelink::activation::Command::FirstSyncDone)
        .await
        .unwrap();
    let before = app.hints(id).await.len();
    let answer = app.post(&path, json!({})).await.is(202).json();
    assert_eq!(answer["state"], "live");
    let hints = app.hints(id).await;
    assert_eq!(hints.len(), before + 1);
    assert_eq!(hints[before].hint.target, Target::Resync);
    let nobody = format!("/api/v1/users/{}/rebuild", uuid::Uuid::from_u128(1));
    app.post(&nobody, json!({})).await.is(404);
}

#[tokio::test]
async fn a_list_is_no_body() {
    let app = TestApp::new().await;
    let id = app.consented().await;
    let path = format!("/api/v1/users/{id}/disconnect");
    for list in [json!([]), json!([true])] {
        app.post(&path, list).await.is(400);
    }
    assert_eq!(app.user(id).await.state, UserState::Consented);
    let settings = json!([null, null, "client", "secret"]);
    let body = json!({"id": "acme", "tribe": settings});
    app.post("/api/v1/environments", body).await.is(400);
}
