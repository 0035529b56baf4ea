//! Looking for people by name, names of lists, the export, reminders, and the language of plain pages.

use http::{Method, Request, header};
use serde_json::{Value, json};
use tribelink::{
    clock::Clock as _,
    store::{AuditDirection, AuditLine, Change, LinkRow, Source, Tokens, UserState},
    tribe::Named,
};
use tribelink_plan::{
    ids::{EnvironmentId, PersonId, UserId},
    link::{Link, LinkState},
    person::Kind,
    rule::Rule,
};
use uuid::Uuid;

use crate::{app::TestApp, service::World};

fn person(id: u128) -> PersonId {
    PersonId(Uuid::from_u128(id))
}

fn named(app: &TestApp, id: u128, first: &str, insertion: Option<&str>, surname: &str) {
    app.crm.named.lock().unwrap().push(Named {
        id: person(id),
        initials: None,
        first: Some(first.to_owned()),
        insertion: insertion.map(str::to_owned),
        surname: Some(surname.to_owned()),
    });
}

async fn linked(app: &TestApp, user: UserId, id: u128) {
    let row = LinkRow {
        ahead: None,
        environment: EnvironmentId::from("default"),
        user,
        person: person(id),
        link: Link {
            state: LinkState::Linked,
            ..Link::intent(Kind::Contact)
        },
        changed_ms: 0,
        outlook_ms: None,
    };
    app.commit(vec![Change::PutLink(Box::new(row))]).await;
}

fn ids(found: &Value) -> Vec<&str> {
    let items = found["items"].as_array().unwrap();
    items
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn people_are_found_by_words_of_their_name_with_their_links() {
    let app = TestApp::new().await;
    let user = app.live().await;
    named(&app, 5, "Anna", Some("van der"), "Berg");
    named(&app, 6, "Bert", None, "Anders");
    linked(&app, user, 5).await;
    let ask = |body: Value| app.post("/api/v1/people/search", body);

    let found = ask(json!({"name": "an"})).await.is(200).json();
    assert_eq!(ids(&found), ["Anna van der Berg", "Bert Anders"]);
    assert_eq!(found["environment"], "default");
    assert_eq!(found["items"][0]["links"][0]["user_id"], json!(user.0));
    assert_eq!(found["items"][1]["links"], json!([]));
    let found = ask(json!({"name": "BERG  der", "user_id": user.0}))
        .await
        .is(200)
        .json();
    assert_eq!(ids(&found), ["Anna van der Berg"]);
    let nobody = ask(json!({"name": "berg bert"})).await.is(200).json();
    assert_eq!(ids(&nobody), Vec::<&str>::new());
}

#[tokio::test]
async fn a_search_is_for_operators_and_for_one_environment() {
    let app = TestApp::new().await;
    let user = app.live().await;
    named(&app, 5, "Anna", None, "Berg");
    linked(&app, user, 5).await;
    let body = || Some(json!({"name": "berg"}));
    let path = "/api/v1/people/search";
    app.ask(Method::POST, path, "viewer", body()).await.is(403);
    app.ask(Method::POST, path, "operator", body())
        .await
        .is(200);
    // Links of one environment are never shown in a search of another.
    let other = app
        .post(path, json!({"name": "berg", "environment": "other"}))
        .await;
    assert_eq!(other.is(200).json()["items"][0]["links"], json!([]));
    for (body, status) in [
        (json!({"name": "berg", "environment": "nowhere"}), 404),
        (json!({"name": "berg", "environment": "../x"}), 404),
        (json!({"name": "berg", "user_id": Uuid::from_u128(99)}), 404),
        (
            json!({"name": "berg", "user_id": user.0, "environment": "default"}),
            200,
        ),
        (
            json!({"name": "berg", "user_id": user.0, "environment": "other"}),
            409,
        ),
        (json!({"name": "b"}), 400),
        (json!({}), 400),
    ] {
        app.post(path, body.clone()).await.is(status);
    }
}

#[tokio::test]
async fn an_export_longer_than_a_page_is_whole_and_in_order() {
    let app = TestApp::new().await;
    let user = app.live().await;
    let before = app
        .get("/api/v1/audit.csv")
        .await
        .is(200)
        .text()
        .lines()
        .count();
    let line = |number: i64| AuditLine {
        id: 0,
        at_ms: number,
        environment: EnvironmentId::from("default"),
        user,
        person: Some(person(5)),
        contact: None,
        rule: Rule::R2,
        direction: AuditDirection::ToOutlook,
        cause: Source::Webhook,
        fields: Vec::new(),
        values: None,
        note: None,
        pass: 0,
    };
    let add = |number| Change::AddAudit(Box::new(line(number)));
    app.commit((0..1_203).map(add).collect()).await;
    let text = app.get("/api/v1/audit.csv").await.is(200).text();
    assert_eq!(text.lines().count(), before + 1_203);
    let numbers: Vec<i64> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap().parse().unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a > b));
    let refused = app.get("/api/v1/audit.csv?rule=R99").await.is(400);
    assert_eq!(refused.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn a_consent_that_nobody_uses_is_spoken_of() {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let app = TestApp::new().await;
    let user = app.live().await;
    let status = app.get("/api/v1/status").await.is(200).json();
    assert_eq!(status["reminders"], json!([]));
    let tokens = app.store.tokens(user).await.unwrap().unwrap();
    let expected = tokens.generation;
    let tokens = Tokens {
        expires_ms: app.clock.now_ms() - 80 * DAY_MS,
        ..tokens
    };
    app.commit(vec![
        Change::PutTokens {
            user,
            tokens,
            expected,
        },
        Change::MoveUser {
            id: user,
            from: UserState::Live,
            to: UserState::Paused,
            resume_state: Some(UserState::Live),
            reason: None,
        },
    ])
    .await;
    let status = app.get("/api/v1/status").await.is(200).json();
    let reminder = &status["reminders"][0];
    assert_eq!(reminder["kind"], "consent");
    assert_eq!(reminder["user_id"], json!(user.0));
    assert_eq!(reminder["has_ended"], false);
    assert_eq!(status["users"]["paused"], 1);
}

#[tokio::test]
async fn a_failed_sign_in_is_told_in_the_browsers_language() {
    let app = TestApp::new().await;
    for (asked, language, title) in [
        ("nl-NL,nl;q=0.9,en;q=0.8", "nl", "Niet ingelogd"),
        ("en-GB,nl;q=0.5", "en", "Not signed in"),
        ("de", "en", "Not signed in"),
    ] {
        let request = Request::get("/login/start").header(header::ACCEPT_LANGUAGE, asked);
        let answer = app
            .send(request.body(axum::body::Body::empty()).unwrap())
            .await;
        let answer = answer.is(404);
        assert_eq!(answer.header("content-language"), language, "{asked}");
        let text = answer.text();
        let tag = format!("<html lang=\"{language}\">");
        assert!(text.contains(&tag) && text.contains(title), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tribe_itself_is_asked_for_a_name_and_the_end_of_a_secret_is_told() {
    let ends = ("MICROSOFT__CLIENT_SECRET_EXPIRES", "2001-01-31");
    let world = World::start_with(&[ends]).await;
    let record = json!({
        "_Type": "Relation.Person", "FirstName": "Zo\u{eb}", "MiddleName": "van 't", "LastName": "O'Neil",
    });
    world.control(Method::POST, "/tribe/records", record).await;
    for name in ["o'neil", "zo\u{eb} van 't", "NEIL zo"] {
        let asked = Some(json!({ "name": name }));
        let found = world.api(Method::POST, "/people/search", asked).await;
        assert_eq!(ids(&found), ["Zo\u{eb} van 't O'Neil"], "{name}");
    }
    let command = world
        .command(&["people", "o'neil", "--json"])
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&command.stdout).unwrap();
    assert_eq!(ids(&found), ["Zo\u{eb} van 't O'Neil"]);

    let status = world.api(Method::GET, "/status", None).await;
    let reminder = &status["reminders"][0];
    assert_eq!(
        (&reminder["kind"], &reminder["has_ended"]),
        (&json!("secret"), &json!(true))
    );
    assert_eq!(reminder["ends_at"], "2001-01-31T00:00:00Z");
    world
        .until("the metric tells it", async |world: &World| {
            let scrape = world.scrape().await;
            scrape.contains("tribelink_secret_expiry_seconds{secret=\"microsoft\"} -")
        })
        .await;
}
