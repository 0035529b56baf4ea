//! Sessions of the page: made anew, bound to one browser, ended in time; changes prove themselves.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, header};
use serde_json::{Value, json};
use tribelink_plan::ids::PersonId;
use uuid::Uuid;

use crate::app::{ANNA, ANNA_MAIL, Answer, TestApp, cookie_of, state_of};

const OTHER: u128 = 77;

struct Browser<'a> {
    app: &'a TestApp,
    cookie: String,
    csrf: String,
}

impl Browser<'_> {
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::COOKIE, &self.cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.app.send(request.body(Body::empty()).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[]).await
    }

    async fn post(&self, path: &str) -> Answer {
        let csrf = [("x-csrf-token", self.csrf.as_str())];
        self.ask(Method::POST, path, &csrf).await
    }
}

async fn by_token<'a>(app: &'a TestApp, token: &str, cookie: &str) -> (Answer, Browser<'a>) {
    let request = Request::post("/session/token")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::COOKIE, cookie)
        .body(Body::from(json!({"token": token}).to_string()))
        .unwrap();
    let answer = app.send(request).await.is(200);
    let csrf = answer.json()["csrf"].as_str().unwrap().to_owned();
    let browser = Browser {
        app,
        cookie: cookie_of(&answer),
        csrf,
    };
    (answer, browser)
}

/// Signs an employee in at Microsoft.
async fn employee<'a>(app: &'a TestApp, code: &str) -> Result<Browser<'a>, Answer> {
    let begun = app.browse("/oauth/tribe/start", "").await.is(303);
    let bound = cookie_of(&begun);
    let path = format!(
        "/oauth/microsoft/callback?code={code}&state={}",
        state_of(&begun)
    );
    let answer = app.browse(&path, &bound).await;
    if answer.status != 303 {
        return Err(answer);
    }
    assert_eq!(answer.header("location"), "/");
    let mut browser = Browser {
        app,
        cookie: cookie_of(&answer),
        csrf: String::new(),
    };
    let shown = browser.get("/session").await.is(200).json();
    browser.csrf = shown["csrf"].as_str().unwrap().to_owned();
    Ok(browser)
}

#[tokio::test]
async fn a_session_has_the_role_of_its_token_and_a_cookie_of_this_host_alone() {
    let app = TestApp::new().await;
    let (answer, browser) = by_token(&app, "viewer", "").await;
    let cookie = answer.header("set-cookie");
    for part in [
        "__Host-tribelink_session=",
        "; Secure",
        "; HttpOnly",
        "; SameSite=Strict",
        "; Path=/",
    ] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert_eq!(answer.json()["role"], "viewer");
    browser.get("/api/v1/users").await.is(200);
    let refused = browser
        .post(&format!("/api/v1/users/{}/pause", Uuid::nil()))
        .await;
    assert_eq!(refused.status, 403);
    browser.get("/api/v1/me").await.is(403);
    let wrong = app
        .ask(
            Method::POST,
            "/session/token",
            "",
            Some(json!({"token": "no"})),
        )
        .await;
    assert_eq!(wrong.is(401).header("set-cookie"), "");
}

#[tokio::test]
async fn a_change_without_the_second_token_or_from_another_site_is_refused() {
    let app = TestApp::new().await;
    let id = app.live().await;
    let (_, browser) = by_token(&app, "operator", "").await;
    let pause = format!("/api/v1/users/{id}/pause");
    browser.ask(Method::POST, &pause, &[]).await.is(403);
    browser
        .ask(Method::POST, &pause, &[("x-csrf-token", "x")])
        .await
        .is(403);
    let csrf = browser.csrf.as_str();
    let cross = [("x-csrf-token", csrf), ("sec-fetch-site", "cross-site")];
    browser.ask(Method::POST, &pause, &cross).await.is(403);
    assert_eq!(app.user(id).await.state.name(), "live");
    browser.post(&pause).await.is(200);
    // Signing in by a form of another site is refused too.
    let request = Request::post("/session/token")
        .header(header::CONTENT_TYPE, "application/json")
        .header("sec-fetch-site", "cross-site")
        .body(Body::from(json!({"token": "operator"}).to_string()));
    app.send(request.unwrap()).await.is(403);
}

#[tokio::test]
async fn a_session_ends_when_idle_when_old_and_by_signing_out() {
    let app = TestApp::new().await;
    let (_, browser) = by_token(&app, "viewer", "").await;
    for _ in 0..30 {
        app.clock.advance(Duration::from_secs(1_200));
        let status = browser.get("/api/v1/status").await.status.as_u16();
        if status == 401 {
            break;
        }
    }
    browser.get("/api/v1/status").await.is(401);
    let (_, browser) = by_token(&app, "viewer", "").await;
    app.clock.advance(Duration::from_secs(1_801));
    browser.get("/api/v1/status").await.is(401);
    let (_, browser) = by_token(&app, "viewer", "").await;
    browser.ask(Method::POST, "/session/end", &[]).await.is(403);
    browser.get("/api/v1/status").await.is(200);
    let ended = browser.post("/session/end").await.is(204);
    assert!(ended.header("set-cookie").contains("Max-Age=0"));
    browser.get("/api/v1/status").await.is(401);
}

#[tokio::test]
async fn each_sign_in_makes_a_session_anew_and_ends_the_one_before() {
    let app = TestApp::new().await;
    let (_, first) = by_token(&app, "viewer", "").await;
    let (_, second) = by_token(&app, "admin", &first.cookie).await;
    assert_ne!(first.cookie, second.cookie);
    assert_ne!(first.csrf, second.csrf);
    first.get("/api/v1/status").await.is(401);
    second.get("/api/v1/status").await.is(200);
    // A cookie that somebody planted is no session.
    let planted = Browser {
        app: &app,
        cookie: "__Host-tribelink_session=planted".to_owned(),
        csrf: String::new(),
    };
    planted.get("/api/v1/status").await.is(401);
    assert_eq!(
        planted.get("/session").await.is(200).json()["signed_in"],
        false
    );
}

#[tokio::test]
async fn an_employee_is_found_by_address_and_works_on_their_own_link_alone() {
    let app = TestApp::new().await;
    let other = app.live().await;
    app.employee(OTHER, Some("bram@example.nl"), false);
    let bram = employee(&app, &format!("o{OTHER}")).await.ok().unwrap();
    let me = bram.get("/api/v1/me").await.is(200).json();
    assert_eq!(me["user"], Value::Null);
    let made = bram.post("/api/v1/me/activate").await.is(200).json();
    assert!(made["consent_url"].as_str().unwrap().contains("/consent/"));
    assert_eq!(
        bram.get("/api/v1/me").await.json()["user"]["state"],
        "invited"
    );
    // Nothing of anybody else's, and nothing of administrators'.
    for path in [
        "/api/v1/users",
        "/api/v1/status",
        "/api/v1/audit",
        "/api/v1/held",
    ] {
        bram.get(path).await.is(403);
    }
    bram.get(&format!("/api/v1/users/{other}")).await.is(403);
    bram.post(&format!("/api/v1/users/{other}/pause"))
        .await
        .is(403);
    app.explainer
        .people
        .lock()
        .unwrap()
        .push(PersonId(Uuid::from_u128(5)));
    let person = Uuid::from_u128(5);
    bram.get(&format!("/api/v1/me/people/{person}"))
        .await
        .is(404);
    bram.post("/api/v1/me/commands/start").await.is(409);
    bram.post("/api/v1/me/commands/release").await.is(404);
}

#[tokio::test]
async fn nobody_signs_in_as_an_employee_who_left_or_is_not_known_or_not_alone() {
    let app = TestApp::new().await;
    app.employee(OTHER, Some("gone@example.nl"), true);
    app.employee(78, Some("twice@example.nl"), false);
    app.employee(79, Some("twice@example.nl"), false);
    app.mailbox("stranger", "stranger@example.nl");
    for code in ["o77", "o78", "stranger"] {
        let answer = employee(&app, code).await.err().unwrap();
        assert_eq!(answer.status, 403, "{code}");
        assert!(answer.text().contains("No employee"), "{code}");
        assert_eq!(answer.header("set-cookie"), "");
    }
    // Anna's sign-in cannot be finished in another browser, nor twice.
    let begun = app.browse("/oauth/tribe/start", "").await.is(303);
    let path = format!(
        "/oauth/microsoft/callback?code=o{ANNA}&state={}",
        state_of(&begun)
    );
    app.browse(&path, "").await.is(400);
    app.browse(&path, &cookie_of(&begun)).await.is(303);
    app.browse(&path, &cookie_of(&begun)).await.is(400);
    assert!(!ANNA_MAIL.is_empty());
}
