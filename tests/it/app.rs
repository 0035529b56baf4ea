//! The service around a store, a frozen clock and the fakes.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

use axum::{Router, body::Body};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use secrecy::SecretString;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tribelink::{
    activation::{self, Activation},
    api::{self, Api},
    clock::Clock as _,
    config::{AdminToken, MetricsAccess, Role},
    environment::Configured,
    intake::{Intake, door::Doors, subscriptions::Subscriptions},
    rich::Rich,
    sealed::sha256,
    store::{Change, Environment, Guard, Hint, Lane, Store, User, memory::MemoryStore},
    tribe::Employee,
    vault::{FingerprintKey, KeyRing, Vault},
};
use tribelink_plan::ids::{EmployeeId, EnvironmentId, UserId};
use uuid::Uuid;

use crate::fakes::*;

pub(crate) const PUBLIC_URL: &str = "https://link.example.nl";
/// 2026-11-24T09:00:00Z
pub(crate) const START_MS: i64 = 1_795_510_800_000;
pub(crate) const ANNA: u128 = 0xa;
pub(crate) const ANNA_MAIL: &str = "anna@example.nl";
pub(crate) const WEBHOOK_SECRET: &str = "topsecret";
pub(crate) const KEY: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

pub(crate) struct TestApp {
    pub(crate) api: Arc<Api>,
    pub(crate) router: Router,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<FrozenClock>,
    pub(crate) wake: Arc<Woken>,
    pub(crate) crm: Arc<FakeCrm>,
    pub(crate) sign_in: Arc<FakeSignIn>,
    pub(crate) outlook: Arc<FakeOutlook>,
    pub(crate) explainer: Arc<FakeExplainer>,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The answer, which must have this status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Answer {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        if self.status.is_client_error() || self.status.is_server_error() {
            let kind = self.header("content-type");
            assert!(
                kind == "application/problem+json" || kind.starts_with("text/html"),
                "{kind}"
            );
        }
        self
    }
}

impl TestApp {
    pub(crate) async fn new() -> TestApp {
        TestApp::over(Arc::new(MemoryStore::new())).await
    }

    pub(crate) async fn over(store: Arc<dyn Store>) -> TestApp {
        TestApp::sealing(store, &[KEY]).await
    }

    /// With these keys, the first of which seals.
    pub(crate) async fn sealing(store: Arc<dyn Store>, keys: &[&str]) -> TestApp {
        let clock = Arc::new(FrozenClock::new(START_MS));
        let random = Arc::new(CountingRandom::default());
        let keys: Vec<SecretString> = keys.iter().map(|key| (*key).into()).collect();
        let ring = KeyRing::parse(&keys).unwrap();
        let vault = Arc::new(Vault::new(ring, random.clone()));
        let wake = Arc::new(Woken::default());
        let crm = Arc::new(FakeCrm::default());
        let crms = Arc::new(FakeCrms {
            crm: crm.clone(),
            names: vec!["default", "other"],
        });
        let sign_in = Arc::new(FakeSignIn::default());
        let outlook = Arc::new(FakeOutlook::default());
        let explainer = Arc::new(FakeExplainer::default());
        let subscriptions = Arc::new(Subscriptions::new(store.clone(), clock.clone()));
        let public_url: url::Url = PUBLIC_URL.parse().unwrap();
        let activation = Arc::new(Activation {
            store: store.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            random: random.clone(),
            crms: crms.clone(),
            sign_in: sign_in.clone(),
            outlook: outlook.clone(),
            wake: wake.clone(),
            subscriptions: subscriptions.clone(),
            login: activation::Login::plain(),
            settings: activation::Settings::new(public_url.clone()),
        });
        let configured = Configured {
            signature_header: None,
            secrets: vec![(None, SecretString::from(WEBHOOK_SECRET))],
        };
        let intake = Arc::new(Intake {
            store: store.clone(),
            clock: clock.clone(),
            wake: wake.clone(),
            doors: Doors::new(store.clone(), vault.clone(), clock.clone(), configured),
            subscriptions,
            rich: Arc::new(Rich::new(
                false,
                store.clone(),
                vault.clone(),
                clock.clone(),
                random.clone(),
                sign_in.clone(),
            )),
            replays: Default::default(),
        });
        let token = |name: &str, role| AdminToken {
            name: name.to_owned(),
            role,
            sha256: sha256(name.as_bytes()),
        };
        let api = Arc::new(Api {
            store: store.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            random: random.clone(),
            crms,
            wake: wake.clone(),
            activation,
            intake,
            explainer: explainer.clone(),
            cards: explainer.clone(),
            metrics: Arc::new(|| "# metrics\n".to_owned()),
            draining: Arc::new(AtomicBool::new(false)),
            settings: api::Settings {
                public_url,
                max_body: 64 * 1024,
                tokens: vec![
                    token("viewer", Role::Viewer),
                    token("operator", Role::Operator),
                    token("admin", Role::Admin),
                ],
                metrics_access: MetricsAccess::Viewer,
                shadow: false,
                secret_ends: Vec::new(),
                canary: Default::default(),
                in_force: BTreeMap::from([("sync.conflict", "tribe".to_owned())]),
            },
        });
        let app = TestApp {
            router: api::router(api.clone()),
            api,
            store,
            vault,
            clock,
            wake,
            crm,
            sign_in,
            outlook,
            explainer,
        };
        let default = EnvironmentId::from("default");
        if app.store.environment(&default).await.unwrap().is_none() {
            app.environment("default", random.as_ref()).await;
        }
        app.employee(ANNA, Some(ANNA_MAIL), false);
        app
    }

    async fn environment(&self, name: &str, random: &CountingRandom) {
        let id = EnvironmentId::from(name);
        let key = FingerprintKey::generate(random).seal(&self.vault, &id);
        self.commit(vec![Change::PutEnvironment(Environment {
            id,
            organization: Some("org".to_owned()),
            fingerprint_key: key,
            settings: None,
            polled_ms: 0,
            chores_due_ms: i64::MAX,
            swept_ms: 0,
            throttled_until_ms: 0,
        })])
        .await;
    }

    pub(crate) async fn commit(&self, changes: Vec<Change>) {
        self.store.commit(&Guard::None, changes).await.unwrap();
    }

    /// An employee of Tribe; the mailbox of the same address has the id as its object id.
    pub(crate) fn employee(&self, id: u128, email: Option<&str>, former: bool) {
        let employee = Employee {
            id: EmployeeId(Uuid::from_u128(id)),
            person: None,
            name: None,
            email: email.map(str::to_owned),
            person_email: None,
            former,
        };
        self.crm
            .employees
            .lock()
            .unwrap()
            .insert(employee.id, employee);
        if let Some(email) = email {
            self.mailbox(&format!("o{id}"), email);
        }
    }

    /// A mailbox that signs in with its object id as code.
    pub(crate) fn mailbox(&self, object: &str, address: &str) {
        for known in [&self.outlook.mailboxes, &self.sign_in.addresses] {
            let mut known = known.lock().unwrap();
            known.insert(object.to_owned(), address.to_owned());
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            None => Body::empty(),
            Some(json) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(json.to_string())
            }
        };
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "admin", None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, "admin", Some(body)).await
    }

    /// As a browser: no token, these cookies.
    pub(crate) async fn browse(&self, url: &str, cookies: &str) -> Answer {
        let path = url.strip_prefix(PUBLIC_URL).unwrap_or(url);
        let mut request = Request::get(path);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Activates Anna; answers her id and consent link.
    pub(crate) async fn invited(&self, start: bool) -> (UserId, String) {
        let body = json!({"employee_email": ANNA_MAIL, "start": start});
        let user = self.post("/api/v1/users", body).await.json();
        let id = user["id"].as_str().unwrap().parse().unwrap();
        (id, user["consent_url"].as_str().unwrap().to_owned())
    }

    /// Goes the whole way from a link with this code.
    pub(crate) async fn sign_in(&self, consent_url: &str, code: &str) -> Answer {
        let opened = self.browse(consent_url, "").await.is(303);
        let cookie = cookie_of(&opened);
        let callback = format!(
            "/oauth/microsoft/callback?code={code}&state={}",
            state_of(&opened)
        );
        self.browse(&callback, &cookie).await
    }

    /// Anna, consented.
    pub(crate) async fn consented(&self) -> UserId {
        let (id, link) = self.invited(false).await;
        self.sign_in(&link, "o10").await.is(200);
        id
    }

    /// Anna, live.
    pub(crate) async fn live(&self) -> UserId {
        let id = self.consented().await;
        self.post(&format!("/api/v1/users/{id}/start"), json!({}))
            .await
            .is(200);
        self.api
            .activation
            .command(id, activation::Command::FirstSyncDone)
            .await
            .unwrap();
        id
    }

    pub(crate) async fn user(&self, id: UserId) -> User {
        self.store.user(id).await.unwrap().unwrap()
    }

    /// What waits on a mailbox.
    pub(crate) async fn hints(&self, id: UserId) -> Vec<Hint> {
        self.hints_of(&Lane::Mailbox(id)).await
    }

    pub(crate) async fn hints_of(&self, lane: &Lane) -> Vec<Hint> {
        let now = self.clock.now_ms();
        self.store.hints(lane, now, 100).await.unwrap()
    }
}

pub(crate) fn cookie_of(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie");
    cookie.split(';').next().unwrap().to_owned()
}

pub(crate) fn query_of(answer: &Answer, name: &str) -> String {
    let url: url::Url = answer.header("location").parse().unwrap();
    let found = url.query_pairs().find(|(key, _)| key == name);
    found
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

pub(crate) fn state_of(answer: &Answer) -> String {
    query_of(answer, "state")
}
