//! Links, people, audit, held and parked items, subscriptions, environments, state.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};
use tribelink::{
    clock::Clock as _,
    sealed::{AuditValues, BothSides, FieldChange, HeldValues, audit_row, held_row},
    store::{
        Alert, AuditDirection, AuditLine, Change, Held, LinkRow, NewHint, Parked, Preview,
        PreviewItem, Source, Target,
    },
    vault::column,
};
use tribelink_plan::{
    field::Field,
    ids::{ContactId, EnvironmentId, PersonId, UserId},
    link::{Link, LinkState},
    person::Kind,
    rule::Rule,
};
use uuid::Uuid;

use crate::app::TestApp;

fn environment() -> EnvironmentId {
    EnvironmentId::from("default")
}

fn person(id: u128) -> PersonId {
    PersonId(Uuid::from_u128(id))
}

fn link(user: UserId, id: u128, state: LinkState) -> Change {
    Change::PutLink(Box::new(LinkRow {
        ahead: None,
        environment: environment(),
        user,
        person: person(id),
        link: Link {
            state,
            contact: (state == LinkState::Linked).then(|| ContactId::from("AAk")),
            ..Link::intent(Kind::Contact)
        },
        changed_ms: 0,
        outlook_ms: None,
    }))
}

async fn audited(app: &TestApp, user: UserId) {
    let mut line = AuditLine {
        id: 0,
        at_ms: app.clock.now_ms(),
        environment: environment(),
        user,
        person: Some(person(5)),
        contact: Some(ContactId::from("AAk")),
        rule: Rule::R6,
        direction: AuditDirection::ToOutlook,
        cause: Source::Webhook,
        fields: vec![Field::BusinessPhone],
        values: None,
        note: None,
        pass: 3,
    };
    let change = FieldChange {
        before: Some("+31201".to_owned()),
        after: Some("+31202".to_owned()),
        lost: Some("+31203".to_owned()),
        unreadable: false,
    };
    let values: AuditValues = BTreeMap::from([(Field::BusinessPhone, change)]);
    let row = audit_row(&line);
    let sealed = app.vault.seal_json(column::AUDIT_VALUES, &row, &values);
    line.values = Some(sealed.unwrap());
    app.commit(vec![Change::AddAudit(Box::new(line))]).await;
}

async fn held(app: &TestApp, user: UserId) -> i64 {
    let both = BothSides {
        tribe: Some("+31201".to_owned()),
        outlook: Some("+31202".to_owned()),
    };
    let values: HeldValues = BTreeMap::from([(Field::BusinessPhone, both)]);
    let row = held_row(user, person(5), Rule::R16);
    app.commit(vec![Change::PutHeld(Box::new(Held {
        id: 0,
        environment: environment(),
        user,
        person: person(5),
        rule: Rule::R16,
        fields: vec![Field::BusinessPhone],
        values: app
            .vault
            .seal_json(column::HELD_VALUES, &row, &values)
            .unwrap(),
        accepted: None,
        created_ms: app.clock.now_ms(),
    }))])
    .await;
    app.store.held(Some(user), None, 1).await.unwrap()[0].id
}

async fn as_role(app: &TestApp, role: &str, path: &str) -> Value {
    app.ask(Method::GET, path, role, None).await.is(200).json()
}

#[tokio::test]
async fn viewers_never_see_a_value() {
    let app = TestApp::new().await;
    let user = app.live().await;
    audited(&app, user).await;
    held(&app, user).await;
    let shown = json!([{"name": "business_phone", "before": "+31201", "after": "+31202", "lost": "+31203"}]);
    let hidden = json!([{"name": "business_phone", "before": null, "after": null, "lost": null}]);
    for (role, fields) in [("viewer", &hidden), ("operator", &shown), ("admin", &shown)] {
        let audit = as_role(&app, role, "/api/v1/audit").await;
        assert_eq!(&audit["items"][0]["fields"], fields, "{role}");
        let item = &audit["items"][0];
        assert_eq!(
            (&item["rule"], &item["direction"]),
            (&json!("R6"), &json!("to_outlook"))
        );
        assert_eq!(item["cause"], "webhook");
    }
    for (role, value) in [("viewer", json!(null)), ("operator", json!("+31202"))] {
        let held = as_role(&app, role, "/api/v1/held").await;
        assert_eq!(held["items"][0]["fields"][0]["outlook"], value, "{role}");
        let one = as_role(&app, role, &format!("/api/v1/users/{user}")).await;
        assert_eq!(one["mailbox"].is_null(), role == "viewer");
        let all = as_role(&app, role, "/api/v1/users").await;
        assert_eq!(all["items"][0]["mailbox"].is_null(), role == "viewer");
    }
}

#[tokio::test]
async fn the_audit_is_filtered_and_loses_its_values_in_time() {
    let app = TestApp::new().await;
    let user = app.live().await;
    audited(&app, user).await;
    let count = |path: String| {
        let app = &app;
        async move {
            app.get(&path).await.is(200).json()["items"]
                .as_array()
                .unwrap()
                .len()
        }
    };
    assert_eq!(count(format!("/api/v1/audit?user={user}&rule=r6")).await, 1);
    assert_eq!(count("/api/v1/audit?rule=R2".to_owned()).await, 0);
    assert_eq!(
        count(format!("/api/v1/audit?person={}", person(5))).await,
        1
    );
    assert_eq!(
        count(format!("/api/v1/audit?person={}", person(6))).await,
        0
    );
    let before_ms = app.clock.now_ms() + 1;
    app.commit(vec![Change::ForgetAuditValues { before_ms }])
        .await;
    let audit = app.get("/api/v1/audit").await.is(200).json();
    assert_eq!(audit["items"][0]["fields"][0]["before"], json!(null));
}

#[tokio::test]
async fn a_decision_is_stored_with_a_hint_and_made_once() {
    let app = TestApp::new().await;
    let user = app.live().await;
    let id = held(&app, user).await;
    let before = app.hints(user).await.len();
    let path = |word: &str| format!("/api/v1/held/{id}/{word}");
    let answer = app.post(&path("reject"), json!({})).await.is(202).json();
    assert_eq!(answer["decision"], "reject");
    app.post(&path("reject"), json!({})).await.is(202);
    let refused = app.post(&path("accept"), json!({})).await.is(409).json();
    assert_eq!(refused["rule"], "R16");
    assert_eq!(
        app.store.held_item(id).await.unwrap().unwrap().accepted,
        Some(false)
    );
    let hints = app.hints(user).await;
    assert_eq!(hints.len(), before + 1);
    assert_eq!(
        hints[before].hint.target,
        Target::Person {
            id: person(5),
            read: None
        }
    );
    assert_eq!(hints[before].hint.source, Source::Person);
    app.post("/api/v1/held/999/accept", json!({})).await.is(404);
    app.post("/api/v1/held/x/accept", json!({})).await.is(404);
}

#[tokio::test]
async fn a_parked_item_is_tried_again() {
    let app = TestApp::new().await;
    let user = app.live().await;
    let park = |of: Option<PersonId>, field: &str| {
        Change::PutParked(Box::new(Parked {
            id: 0,
            environment: environment(),
            user,
            person: of,
            field: field.to_owned(),
            reason: "not a valid e-mail address".to_owned(),
            attempts: 3,
            created_ms: app.clock.now_ms(),
        }))
    };
    app.commit(vec![
        park(Some(person(5)), "business_email"),
        park(None, ""),
    ])
    .await;
    let list = app
        .get(&format!("/api/v1/parked?user={user}"))
        .await
        .is(200)
        .json();
    assert_eq!(list["items"][0]["field"], "business_email");
    assert_eq!(list["items"][0]["attempts"], 3);
    assert_eq!(list["items"][1]["field"], json!(null));
    let before = app.hints(user).await.len();
    for item in list["items"].as_array().unwrap() {
        let path = format!("/api/v1/parked/{}/retry", item["id"]);
        app.post(&path, json!({})).await.is(202);
        app.post(&path, json!({})).await.is(404);
    }
    let targets: Vec<Target> = app
        .hints(user)
        .await
        .into_iter()
        .map(|h| h.hint.target)
        .collect();
    assert_eq!(
        targets[before..],
        [
            Target::Person {
                id: person(5),
                read: None
            },
            Target::Resync
        ]
    );
}

#[tokio::test]
async fn links_of_a_user_and_copies_of_a_person() {
    let app = TestApp::new().await;
    let user = app.live().await;
    let dead = LinkState::Tombstone { eligible: true };
    app.commit(vec![
        link(user, 5, LinkState::Linked),
        link(user, 6, LinkState::Sleeping),
        link(user, 7, dead),
    ])
    .await;
    let first = app
        .get(&format!("/api/v1/users/{user}/links?limit=2"))
        .await
        .is(200)
        .json();
    assert_eq!(first["items"][0]["contact_id"], "AAk");
    assert_eq!(first["items"][0]["user_id"], json!(user.0));
    let states: Vec<&Value> = first["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| &l["state"])
        .collect();
    assert_eq!(states, ["linked", "sleeping"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = app
        .get(&format!("/api/v1/users/{user}/links?cursor={cursor}"))
        .await
        .is(200)
        .json();
    assert_eq!(rest["items"][0]["state"], "tombstone");
    assert_eq!(rest["next_cursor"], json!(null));
    let nobody = Uuid::from_u128(99);
    app.get(&format!("/api/v1/users/{nobody}/links"))
        .await
        .is(404);

    let copies = app
        .get(&format!("/api/v1/people/{}", person(5)))
        .await
        .is(200)
        .json();
    assert_eq!(copies["links"].as_array().unwrap().len(), 1);
    app.get(&format!("/api/v1/people/{}", person(8)))
        .await
        .is(404);
    app.crm.people.lock().unwrap().push(person(8));
    let copies = app
        .get(&format!("/api/v1/people/{}", person(8)))
        .await
        .is(200)
        .json();
    assert_eq!(copies["links"], json!([]));
}

#[tokio::test]
async fn an_explanation_needs_a_user_and_a_person() {
    let app = TestApp::new().await;
    let user = app.live().await;
    let path = format!("/api/v1/people/{}/explain", person(5));
    app.get(&path).await.is(400);
    app.get(&format!("{path}?user={}", Uuid::from_u128(9)))
        .await
        .is(404);
    app.get(&format!("{path}?user={user}")).await.is(404);
    app.explainer.people.lock().unwrap().push(person(5));
    let answer = app.get(&format!("{path}?user={user}")).await.is(200).json();
    assert_eq!(
        (&answer["rule"], &answer["eligible"]),
        (&json!("R9"), &json!(false))
    );
    assert_eq!(answer["conditions"][0]["holds"], false);
    assert_eq!(answer["would_sync_if"][0], "the employee becomes owner");
}

#[tokio::test]
async fn a_preview_runs_until_it_is_ready() {
    let app = TestApp::new().await;
    let user = app.consented().await;
    let path = format!("/api/v1/users/{user}/preview");
    app.get(&path).await.is(404);
    let running = app.post(&path, json!({})).await.is(202).json();
    assert_eq!(running["state"], "running");
    assert_eq!(app.hints(user).await[0].hint.target, Target::Preview);
    let item = |id| PreviewItem {
        person: person(id),
        action: "create".to_owned(),
        rule: Rule::R1,
        reason: "eligible, no contact yet".to_owned(),
    };
    let preview = Preview {
        ready: true,
        create: 3,
        adopt: 0,
        skip: 1,
        made_ms: app.clock.now_ms(),
    };
    app.commit(vec![
        Change::AddPreviewItems {
            user,
            items: vec![item(1), item(2), item(3)],
        },
        Change::PutPreview { user, preview },
    ])
    .await;
    let page = app.get(&format!("{path}?limit=2")).await.is(200).json();
    assert_eq!(page["state"], "ready");
    assert_eq!(page["total"], 4);
    assert_eq!(page["items"][0]["rule"], "R1");
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = app
        .get(&format!("{path}?cursor={cursor}"))
        .await
        .is(200)
        .json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    app.post(&format!("/api/v1/users/{user}/pause"), json!({}))
        .await
        .is(200);
    app.post(&path, json!({})).await.is(409);
}

#[tokio::test]
async fn a_user_in_detail() {
    let app = TestApp::new().await;
    let user = app.live().await;
    app.commit(vec![
        link(user, 5, LinkState::Linked),
        link(user, 6, LinkState::Linked),
        link(user, 7, LinkState::Sleeping),
        Change::SetProgress {
            id: user,
            progress: Some((40, 100)),
        },
    ])
    .await;
    held(&app, user).await;
    app.clock.advance(std::time::Duration::from_millis(1_500));
    let one = app
        .get(&format!("/api/v1/users/{user}"))
        .await
        .is(200)
        .json();
    assert_eq!(one["state"], "live");
    assert_eq!(
        one["counts"],
        json!({"in_sync": 1, "sleeping": 1, "held": 1, "failing": 0})
    );
    assert_eq!(one["progress"], json!({"done": 40, "total": 100}));
    assert_eq!(one["lag_ms"], 1_500);
    assert_eq!(one["last_proven_at"], json!(null));
}

#[tokio::test]
async fn environments_are_added_once_with_sealed_settings() {
    let app = TestApp::new().await;
    let tribe = json!({"client_id": "id", "client_secret": "canary-secret"});
    let body = json!({"id": "acme", "tribe": tribe});
    let added = app.post("/api/v1/environments", body.clone()).await.is(201);
    assert!(!added.text().contains("canary"));
    app.post("/api/v1/environments", body).await.is(409);
    for wrong in [
        json!({"id": "Acme!", "tribe": tribe}),
        json!({"id": "b", "tribe": {"client_id": "id"}}),
        json!({"id": "b", "tribe": {"client_id": "id", "client_secret": "s", "api_url": "http://x.nl"}}),
        json!({"id": "b", "tribe": {"client_id": "id", "client_secret": "s", "colour": "red"}}),
        json!({"id": "b", "tribe": tribe, "rules": {"conflict": "me"}}),
        json!({"id": "b", "tribe": tribe, "rules": {"fields": {"company": "to_tribe"}}}),
    ] {
        app.post("/api/v1/environments", wrong).await.is(400);
    }
    let list = app.get("/api/v1/environments").await.is(200).json();
    assert_eq!(list["items"][0]["id"], "acme");
    assert_eq!(list["items"][0]["configured"], false);
    assert_eq!(list["items"][1]["organization_id"], "org");
    let stored = app
        .store
        .environment(&EnvironmentId::from("acme"))
        .await
        .unwrap()
        .unwrap();
    let sealed = stored.settings.unwrap().0;
    assert!(!String::from_utf8_lossy(&sealed).contains("canary"));
}

#[tokio::test]
async fn an_environments_own_rules_are_kept_and_shown() {
    let app = TestApp::new().await;
    let tribe = json!({"client_id": "id", "client_secret": "secret", "webhook_secrets": ["hush"]});
    let rules = json!({"conflict": "hold", "match": "email_name", "fields": {"birth_date": "off"}});
    let body = json!({"id": "acme", "tribe": tribe, "rules": rules});
    let added = app.post("/api/v1/environments", body).await.is(201).json();
    assert_eq!(added["rules"], rules);
    let list = app.get("/api/v1/environments").await.is(200).json();
    assert_eq!(list["items"][0]["rules"], rules);
    assert_eq!(list["items"][1]["rules"], json!({}), "as configured");
}

#[tokio::test]
async fn the_state_at_a_glance() {
    let app = TestApp::new().await;
    let now = app.clock.now_ms();
    app.store
        .add_hints(vec![NewHint {
            environment: environment(),
            user: None,
            target: Target::Poll,
            source: Source::Poll,
            received_ms: now - 2_000,
            not_before_ms: now,
            attempts: 0,
        }])
        .await
        .unwrap();
    app.commit(vec![Change::RaiseAlert(Alert {
        key: "some".to_owned(),
        environment: environment(),
        user: None,
        message: "do this".to_owned(),
        since_ms: now,
    })])
    .await;
    let status = app.get("/api/v1/status").await.is(200).json();
    assert_eq!(
        status["backlog"][0],
        json!({"environment": "default", "hints": 1, "lag_ms": 2_000})
    );
    assert_eq!(status["alerts"][0]["message"], "do this");
    assert_eq!(status["users"]["live"], 0);
    let list = app.get("/api/v1/subscriptions").await.is(200).json();
    assert_eq!(list, json!({"items": [], "next_cursor": null}));
}
