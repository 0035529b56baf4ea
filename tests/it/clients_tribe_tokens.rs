//! Tribe's sign-in: who keeps the tokens, and what a refusal means.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use tribelink::{
    remote::{Error, Remote, Silent},
    tribe::{
        Crm as _, EntityKind,
        client::{Client, ReadMode, Settings},
        sign_in::{
            Application, AuthorizationCode, ClientCredentials, EmployeeSignIn, SaveTokens,
            TokenSource, Tokens,
        },
    },
};

use crate::{
    clients_server::{
        Listening, Reply, START_MS, Seen, Server, StillClock, json, status, with_header,
    },
    clients_tribe::{BOSS, PERSON, client, jan, person_id, settings},
};

fn application(server: &Server, clock: Arc<StillClock>) -> Application {
    Application::new(
        &server.url,
        "app",
        &"secret".into(),
        "read write offline",
        server.transport(),
        clock,
        Arc::new(Silent),
    )
}

/// A sign-in that issues `t1`, `t2`, … and an API that takes those named.
fn signing_in(good: &'static [&'static str]) -> impl Fn(&Seen) -> Reply {
    let issued = AtomicUsize::new(0);
    move |seen| {
        if seen.path == "/oauth2/token" {
            let n = issued.fetch_add(1, Ordering::SeqCst) + 1;
            let body = json!({
                "access_token": format!("t{n}"), "token_type": "bearer", "expires_in": 3600,
                "refresh_token": format!("r{n}"), "scope": "read write offline"
            });
            return json(200, &body);
        }
        let token = seen.header("authorization").unwrap();
        if good.iter().any(|good| token == format!("Bearer {good}")) {
            json(200, &jan())
        } else {
            status(401)
        }
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    for (good, renewed) in [(["t2"].as_slice(), true), (&[], false)] {
        let server = Server::start(signing_in(good)).await;
        let clock = StillClock::new();
        let heard = Arc::new(Listening::default());
        let tokens = ClientCredentials::new(application(&server, clock.clone()));
        let client = Client::new(
            Settings {
                read: ReadMode::Sets,
                ..settings(&server)
            },
            server.transport(),
            Arc::new(tokens),
            clock,
            heard.clone(),
        );
        let answer = client.entity(person_id().0).await;
        if renewed {
            assert_eq!(answer, Ok(Some(EntityKind::Person)));
        } else {
            assert_eq!(answer, Err(Error::Unauthorised));
        }
        assert_eq!(server.calls_to("/oauth2/token").len(), 2);
        let heard = heard.0.lock().unwrap().clone();
        let last = if renewed { 200 } else { 401 };
        assert_eq!(
            heard,
            [
                (Remote::Tribe, "entity", Some(401)),
                (Remote::Tribe, "entity", Some(last))
            ]
        );
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let server = Server::start(signing_in(&[])).await;
    let clock = StillClock::new();
    let tokens = ClientCredentials::new(application(&server, clock.clone()));
    tokens.token().await.unwrap();
    clock.advance(3_539_000);
    tokens.token().await.unwrap();
    assert_eq!(server.calls().len(), 1);
    clock.advance(1_000);
    tokens.token().await.unwrap();
    let calls = server.calls();
    assert_eq!(calls.len(), 2);
    let form = &calls[1];
    assert_eq!(
        form.form("grant_type").as_deref(),
        Some("client_credentials")
    );
    assert_eq!(form.form("client_id").as_deref(), Some("app"));
    assert_eq!(form.form("client_secret").as_deref(), Some("secret"));
    assert_eq!(form.form("scope").as_deref(), Some("read write offline"));
    assert!(form.header("authorization").is_none(), "in the body alone");
}

/// Tokens kept in memory, by a keeper that can be out of order.
#[derive(Default)]
struct Keeper {
    kept: Mutex<Option<Tokens>>,
    broken: AtomicBool,
}

#[async_trait]
impl SaveTokens for Keeper {
    async fn load(&self) -> Result<Option<Tokens>, Error> {
        Ok(self.kept.lock().unwrap().clone())
    }

    async fn save(&self, tokens: &Tokens) -> Result<(), Error> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(Error::Transient("store".to_owned()));
        }
        *self.kept.lock().unwrap() = Some(tokens.clone());
        Ok(())
    }
}

fn tokens(name: &str, expires_ms: i64) -> Tokens {
    Tokens {
        access: format!("a-{name}").into(),
        refresh: Some(format!("r-{name}").into()),
        expires_ms,
    }
}

#[tokio::test]
async fn a_new_pair_is_kept_before_it_is_used() {
    use secrecy::ExposeSecret as _;
    let server = Server::start(signing_in(&[])).await;
    let clock = StillClock::new();
    let keeper = Arc::new(Keeper::default());
    let source = AuthorizationCode::new(application(&server, clock.clone()), keeper.clone());
    let none = source.token().await;
    assert!(matches!(none, Err(Error::ConsentNeeded(_))));
    *keeper.kept.lock().unwrap() = Some(tokens("old", START_MS));
    keeper.broken.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let unkept = source.token().await;
        assert!(matches!(unkept, Err(Error::Transient(_))));
    }
    assert_eq!(server.calls().len(), 1, "the dead token is not used again");
    assert_eq!(
        server.calls()[0].form("refresh_token").as_deref(),
        Some("r-old")
    );
    keeper.broken.store(false, Ordering::SeqCst);
    assert_eq!(source.token().await.unwrap().expose_secret(), "t1");
    let kept = keeper.kept.lock().unwrap().clone().unwrap();
    assert_eq!(kept.refresh.unwrap().expose_secret(), "r1");
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_dead_refresh_token_asks_for_consent_unless_a_newer_pair_is_kept() {
    use secrecy::ExposeSecret as _;
    let keeper = Arc::new(Keeper::default());
    let (theirs, newer) = (keeper.clone(), Arc::new(AtomicBool::new(false)));
    let told = newer.clone();
    let server = Server::start(move |_| {
        if told.load(Ordering::SeqCst) {
            *theirs.kept.lock().unwrap() = Some(tokens("newer", START_MS + 3_600_000));
        }
        let body = json!({"error": "invalid_grant", "error_description": "x", "error_hint": "y", "status_code": 400});
        json(400, &body)
    })
    .await;
    *keeper.kept.lock().unwrap() = Some(tokens("old", START_MS));
    let clock = StillClock::new();
    let source = AuthorizationCode::new(application(&server, clock), keeper.clone());
    assert_eq!(
        source.token().await.unwrap_err(),
        Error::ConsentNeeded("invalid_grant".to_owned())
    );
    newer.store(true, Ordering::SeqCst);
    assert_eq!(source.token().await.unwrap().expose_secret(), "a-newer");
}

#[tokio::test]
async fn token_errors_say_who_must_act() {
    for (code, error, application_fault) in [
        (401, "invalid_client", true),
        (400, "invalid_scope", true),
        (400, "invalid_grant", true),
        (503, "temporarily_unavailable", false),
    ] {
        let body = json!({"error": error, "error_description": "x"});
        let server = Server::start(move |_| json(code, &body)).await;
        let source = ClientCredentials::new(application(&server, StillClock::new()));
        let told = source.token().await.unwrap_err();
        assert_eq!(matches!(told, Error::Application(_)), application_fault);
        assert_eq!(told.is_passing(), !application_fault, "{error}");
    }
    let server = Server::start(|_| with_header(429, "retry-after", "3")).await;
    let source = ClientCredentials::new(application(&server, StillClock::new()));
    assert_eq!(
        source.token().await.unwrap_err(),
        Error::Throttled {
            after: Some(Duration::from_secs(3))
        }
    );
}

#[tokio::test]
async fn an_employee_signs_in() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/oauth2/token" => json(
            200,
            &json!({"access_token": "theirs", "token_type": "bearer", "expires_in": 60}),
        ),
        "/v1/odata/GetCurrentEmployee()" => {
            assert_eq!(seen.header("authorization"), Some("Bearer theirs"));
            let body = json!({
                "ID": BOSS, "Name": "\n\nBo Boss", "EmailAddress": "bo@us.example", "IsFormer": null,
                "Person": {"ID": PERSON, "EmailAddress": null}
            });
            json(200, &body)
        }
        _ => status(404),
    })
    .await;
    let sign_in = EmployeeSignIn::new(application(&server, StillClock::new()), client(&server));
    let redirect = "https://tribelink.example/oauth/tribe/callback";
    let url = sign_in.authorize_url("state-123", redirect).unwrap();
    assert_eq!(url.path(), "/oauth2/auth");
    let pairs: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(pairs["state"], "state-123");
    assert_eq!(pairs["redirect_uri"], redirect);
    assert_eq!(pairs["response_type"], "code");
    assert!(sign_in.authorize_url("short", redirect).is_err());
    let employee = sign_in.exchange("the-code", redirect).await.unwrap();
    assert_eq!(employee.id.to_string(), BOSS);
    assert_eq!(employee.name.as_deref(), Some("Bo Boss"));
    assert_eq!(employee.person, Some(person_id()));
    let form = &server.calls()[0];
    assert_eq!(form.form("code").as_deref(), Some("the-code"));
    assert_eq!(form.form("redirect_uri").as_deref(), Some(redirect));
}
