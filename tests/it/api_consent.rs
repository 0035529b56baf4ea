//! An employee's browser on its way to Microsoft and back.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tribelink::{
    activation::{Command, consent_alert},
    remote,
    sealed::sha256,
    store::{Change, Target, UserState},
};

use crate::app::{ANNA_MAIL, Answer, PUBLIC_URL, TestApp, cookie_of, query_of, state_of};

async fn back(app: &TestApp, opened: &Answer, code: &str, cookie: &str) -> Answer {
    let state = state_of(opened);
    let path = format!("/oauth/microsoft/callback?code={code}&state={state}");
    app.browse(&path, cookie).await
}

#[tokio::test]
async fn a_consent_saves_sealed_tokens_and_waits_for_start() {
    let app = TestApp::new().await;
    let (id, link) = app.invited(false).await;
    let opened = app.browse(&link, "").await.is(303);
    assert_eq!(query_of(&opened, "login_hint"), ANNA_MAIL);
    assert_eq!(
        query_of(&opened, "redirect_uri"),
        format!("{PUBLIC_URL}/oauth/microsoft/callback")
    );
    assert!(state_of(&opened).len() >= 32);
    let cookie = opened.header("set-cookie").to_owned();
    for word in [
        "__Host-",
        "; Path=/;",
        "HttpOnly",
        "SameSite=Lax",
        "Secure",
        "Max-Age=600",
    ] {
        assert!(cookie.contains(word), "{word} in {cookie}");
    }
    let done = back(&app, &opened, "o10", &cookie_of(&opened))
        .await
        .is(200);
    assert!(done.text().contains("Connected"));

    let (challenge, nonce) = app.sign_in.authorized.lock().unwrap()[0].clone();
    let (_, verifier, sent_nonce, redirect) = app.sign_in.exchanged.lock().unwrap()[0].clone();
    assert_eq!(
        URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes())),
        challenge
    );
    assert!(verifier.len() >= 43);
    assert_eq!(sent_nonce, nonce);
    assert_eq!(redirect, format!("{PUBLIC_URL}/oauth/microsoft/callback"));

    let user = app.user(id).await;
    assert_eq!(user.state, UserState::Consented);
    assert_eq!(user.identity.unwrap().1, "o10");
    let tokens = app.store.tokens(id).await.unwrap().unwrap();
    for sealed in [&tokens.refresh, &tokens.access] {
        let text = String::from_utf8_lossy(&sealed.0).into_owned();
        assert!(!text.contains("refresh-o10") && !text.contains("access-o10"));
    }
    app.browse(&link, "").await.is(410);
}

#[tokio::test]
async fn activated_with_start_it_begins_at_once_and_returns_to_its_page() {
    let app = TestApp::new().await;
    let body = json!({"employee_email": ANNA_MAIL, "start": true, "return_to": "/?connected=1"});
    let user = app.post("/api/v1/users", body).await.is(201).json();
    let done = app
        .sign_in(user["consent_url"].as_str().unwrap(), "o10")
        .await
        .is(303);
    assert_eq!(done.header("location"), "/?connected=1");
    let id = user["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(app.user(id).await.state, UserState::FirstSync);
    assert_eq!(app.hints(id).await[0].hint.target, Target::FirstSync);
}

#[tokio::test]
async fn a_state_works_once_for_ten_minutes_in_one_browser() {
    let app = TestApp::new().await;
    let (id, link) = app.invited(false).await;
    let opened = app.browse(&link, "").await.is(303);
    let cookie = cookie_of(&opened);
    let (name, _) = cookie.split_once('=').unwrap();

    let without = back(&app, &opened, "o10", "").await.is(400);
    assert!(
        without.text().contains("cookie"),
        "the page says what is missing"
    );
    let other = app.browse(&link, "").await.is(303);
    back(&app, &opened, "o10", &cookie_of(&other)).await.is(400);
    app.browse("/oauth/microsoft/callback", &cookie)
        .await
        .is(400);
    assert!(
        app.sign_in.exchanged.lock().unwrap().is_empty(),
        "nothing was exchanged"
    );

    back(&app, &opened, "o10", &format!("x=1; {cookie}"))
        .await
        .is(200);
    back(&app, &opened, "o10", &cookie).await.is(400);
    assert_eq!(app.sign_in.exchanged.lock().unwrap().len(), 1);
    assert_eq!(app.user(id).await.state, UserState::Consented);

    let link = app
        .post(&format!("/api/v1/users/{id}/consent"), json!({}))
        .await
        .is(200)
        .json();
    let late = app
        .browse(link["consent_url"].as_str().unwrap(), "")
        .await
        .is(303);
    app.clock.advance(std::time::Duration::from_secs(601));
    back(&app, &late, "o10", &cookie_of(&late)).await.is(400);

    let forged = app
        .browse(link["consent_url"].as_str().unwrap(), "")
        .await
        .is(303);
    let forged_cookie = cookie_of(&forged).split_once('=').unwrap().0.to_owned() + "=forged";
    back(&app, &forged, "o10", &forged_cookie).await.is(400);
    assert_ne!(
        name,
        forged_cookie.split_once('=').unwrap().0,
        "one cookie for each sign-in"
    );
    assert_eq!(app.sign_in.exchanged.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_invitation_is_no_state_and_a_state_no_invitation() {
    let app = TestApp::new().await;
    let (_, link) = app.invited(false).await;
    let token = link.rsplit('/').next().unwrap();
    let opened = app.browse(&link, "").await.is(303);
    app.browse(&format!("/consent/{}", state_of(&opened)), "")
        .await
        .is(410);
    let path = format!("/oauth/microsoft/callback?code=o10&state={token}");
    app.browse(&path, &cookie_of(&opened)).await.is(400);
    app.browse("/consent/unknown", "").await.is(410);
    app.clock
        .advance(std::time::Duration::from_secs(8 * 24 * 3_600));
    app.browse(&link, "").await.is(410);
}

#[tokio::test]
async fn another_mailbox_is_refused_unless_it_was_allowed() {
    let app = TestApp::new().await;
    app.mailbox("other", "other@example.nl");
    let (id, link) = app.invited(false).await;
    let refused = app.sign_in(&link, "other").await.is(403);
    assert!(!refused.text().contains(ANNA_MAIL), "the page names nobody");
    assert_eq!(app.user(id).await.state, UserState::Invited);
    assert!(app.store.tokens(id).await.unwrap().is_none());

    let consent = format!("/api/v1/users/{id}/consent");
    app.post(&consent, json!({"allow_mailbox": "nonsense"}))
        .await
        .is(400);
    let body = json!({"allow_mailbox": "Other@example.nl"});
    let fresh = app.post(&consent, body).await.is(200).json();
    let fresh = fresh["consent_url"].as_str().unwrap();
    app.sign_in(fresh, "other").await.is(200);
    let user = app.get(&format!("/api/v1/users/{id}")).await.is(200).json();
    assert_eq!(user["mailbox"], "other@example.nl");
    assert_eq!(app.user(id).await.identity.unwrap().1, "other");
}

#[tokio::test]
async fn after_the_first_consent_the_account_is_pinned() {
    let app = TestApp::new().await;
    let id = app.live().await;
    app.mailbox("new", ANNA_MAIL);
    let consent = format!("/api/v1/users/{id}/consent");
    let link = app.post(&consent, json!({})).await.is(200).json();
    let link = link["consent_url"].as_str().unwrap();
    app.sign_in(link, "new").await.is(403);
    app.mailbox("o10", "renamed@example.nl");
    app.sign_in(link, "o10").await.is(200);
    assert_eq!(
        app.user(id).await.state,
        UserState::Live,
        "signing in again changes no state"
    );
}

#[tokio::test]
async fn signing_in_again_leads_back_with_a_catch_up() {
    let app = TestApp::new().await;
    let id = app.live().await;
    let before = app.hints(id).await.len();
    app.api
        .activation
        .command(id, Command::ConsentLost)
        .await
        .unwrap();
    assert_eq!(app.user(id).await.state, UserState::NeedsConsent);
    let known = app
        .post("/api/v1/users", json!({"employee_email": ANNA_MAIL}))
        .await
        .is(200)
        .json();
    app.sign_in(known["consent_url"].as_str().unwrap(), "o10")
        .await
        .is(200);
    assert_eq!(app.user(id).await.state, UserState::Live);
    let hints = app.hints(id).await;
    assert_eq!(hints.len(), before + 1);
    assert_eq!(hints[before].hint.target, Target::Resync);
    assert!(
        app.store
            .alerts()
            .await
            .unwrap()
            .iter()
            .all(|a| a.key != consent_alert(id))
    );
}

#[tokio::test]
async fn what_fails_on_the_way_changes_nothing_and_is_explained() {
    let app = TestApp::new().await;
    let (id, link) = app.invited(false).await;
    for (error, status) in [
        ("access_denied", 403),
        ("server_error", 503),
        ("unauthorized_client", 502),
    ] {
        let opened = app.browse(&link, "").await.is(303);
        let path = format!(
            "/oauth/microsoft/callback?error={error}&state={}",
            state_of(&opened)
        );
        app.browse(&path, &cookie_of(&opened)).await.is(status);
    }
    app.sign_in(&link, "refused").await.is(502);
    let alerts = app.store.alerts().await.unwrap();
    assert_eq!(alerts[0].key, "microsoft_application");

    *app.sign_in.without_refresh.lock().unwrap() = true;
    app.sign_in(&link, "o10").await.is(403);
    *app.sign_in.without_refresh.lock().unwrap() = false;

    *app.crm.fails.lock().unwrap() = Some(remote::Error::Transient("502".to_owned()));
    app.sign_in(&link, "o10").await.is(503);
    *app.crm.fails.lock().unwrap() = None;

    app.employee(crate::app::ANNA, Some(ANNA_MAIL), true);
    app.sign_in(&link, "o10").await.is(409);
    app.employee(crate::app::ANNA, None, false);
    app.sign_in(&link, "o10").await.is(403);

    assert_eq!(app.user(id).await.state, UserState::Invited);
    assert!(app.store.tokens(id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_disconnect_on_the_way_wins() {
    let app = TestApp::new().await;
    let (id, link) = app.invited(false).await;
    let opened = app.browse(&link, "").await.is(303);
    app.post(&format!("/api/v1/users/{id}/disconnect"), json!({}))
        .await
        .is(200);
    back(&app, &opened, "o10", &cookie_of(&opened))
        .await
        .is(409);
    assert!(app.store.tokens(id).await.unwrap().is_none());
    app.browse(&link, "").await.is(409);
    app.commit(vec![Change::Tidy { now_ms: 0 }]).await;
}
