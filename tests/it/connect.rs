//! An environment connected by authorization code, against the sandbox over HTTP.

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tribelink::{
    app::{self, App, Parts},
    clock::SystemClock,
    config::Config,
    random::SystemRandom,
    store::{Lane, Tokens, memory::MemoryStore},
};
use tribelink_plan::ids::EnvironmentId;
use tribelink_sandbox::{Options, Running, Sandbox};

use crate::app::{Answer, cookie_of, query_of, state_of};

const PUBLIC_URL: &str = "http://127.0.0.1:8080";
const TOKEN: &str = "the-admin-token-of-the-tests-0123456789";

struct World {
    sandbox: Running,
    app: App,
}

impl World {
    async fn start(grant: &str) -> World {
        let options = Options {
            people: 8,
            users: 2,
            ..Options::default()
        };
        let any = "127.0.0.1:0".parse().unwrap();
        let sandbox = Sandbox::start(options, any, None).await.unwrap();
        sandbox.ctx.lock().auto_consent = true;
        let origin = format!("http://{}", sandbox.addr);
        let (id, secret) = sandbox.ctx.lock().tribe.clients.main.clone();
        let tenant = sandbox.ctx.lock().microsoft.tenant_id.to_string();
        let config = Config::from_pairs([
            (
                "security.encryption_keys",
                "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            ),
            ("security.admin_token", TOKEN),
            ("server.public_url", PUBLIC_URL),
            ("tribe.api_url", &origin),
            ("tribe.auth_url", &origin),
            ("tribe.client_id", &id),
            ("tribe.client_secret", &secret),
            ("tribe.grant", grant),
            ("microsoft.graph_url", &origin),
            ("microsoft.login_url", &origin),
            ("microsoft.tenant", &tenant),
            ("microsoft.client_id", "c"),
            ("microsoft.client_secret", "d"),
        ]);
        let parts = Parts {
            store: Arc::new(MemoryStore::new()),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            transport: None,
            metrics: Arc::new(String::new),
        };
        let app = app::build(&config.unwrap(), parts).await.unwrap();
        World { sandbox, app }
    }

    async fn ask(&self, method: Method, path: &str, cookie: &str, body: Option<Value>) -> Answer {
        let path = path.strip_prefix(PUBLIC_URL).unwrap_or(path);
        let bearer = format!("Bearer {TOKEN}");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, bearer)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, cookie);
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let response = self.app.router.clone().oneshot(request.body(body).unwrap());
        let (parts, body) = response.await.unwrap().into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    async fn browse(&self, url: &str, cookie: &str) -> Answer {
        self.ask(Method::GET, url, cookie, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, "", Some(body)).await
    }

    async fn link(&self) -> String {
        let made = self.post("/api/v1/environments/default/connect", json!({}));
        let made = made.await.is(200).json();
        assert!(made["expires_at"].is_string());
        made["connect_url"].as_str().unwrap().to_owned()
    }

    /// What Tribe's sign-in sends the browser back to.
    async fn sign_in(&self, opened: &Answer) -> String {
        let browser = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let answer = browser.get(opened.header("location")).send().await.unwrap();
        let back = answer.headers()[header::LOCATION].to_str().unwrap();
        assert!(back.starts_with(&format!("{PUBLIC_URL}/oauth/tribe/callback?")));
        back.to_owned()
    }

    async fn tokens(&self) -> Option<Tokens> {
        let default = EnvironmentId::from("default");
        self.app.store.environment_tokens(&default).await.unwrap()
    }

    async fn activate(&self) -> Answer {
        let address = self.sandbox.ctx.lock().users[0].address.clone();
        self.post("/api/v1/users", json!({ "employee_email": address }))
            .await
    }
}

#[tokio::test]
async fn an_administrators_sign_in_connects_the_environment() {
    let world = World::start("authorization_code").await;
    // Nobody has signed in: Tribe cannot be asked.
    world.activate().await.is(502);
    let link = world.link().await;
    let opened = world.browse(&link, "").await.is(303);
    assert!(state_of(&opened).len() >= 8);
    assert_eq!(query_of(&opened, "scope"), "read write offline");
    let cookie = cookie_of(&opened);
    let back = world.sign_in(&opened).await;

    world.browse(&back, "").await.is(400);
    world.browse(&back, "tribelink_x=y").await.is(400);
    assert!(world.tokens().await.is_none());
    let done = world.browse(&back, &cookie).await.is(200);
    assert!(done.text().contains("Connected"));
    let kept = world.tokens().await.unwrap();
    assert!(kept.expires_ms > kept.consented_ms);
    world.browse(&back, &cookie).await.is(400);
    world.browse(&link, "").await.is(410);

    world.activate().await.is(201);
    let lane = Lane::Environment(EnvironmentId::from("default"));
    assert!(world.app.store.hints(&lane, 0, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_new_sign_in_replaces_the_tokens_at_once_but_for_another_organisation() {
    let world = World::start("authorization_code").await;
    let connect = async || {
        let opened = world.browse(&world.link().await, "").await.is(303);
        let back = world.sign_in(&opened).await;
        world.browse(&back, &cookie_of(&opened)).await
    };
    connect().await.is(200);
    world.activate().await.is(201);
    let first = world.tokens().await.unwrap();
    connect().await.is(200);
    let second = world.tokens().await.unwrap();
    assert!(second.generation > first.generation && second.access != first.access);
    world.activate().await.is(200);

    let default = EnvironmentId::from("default");
    let environment = world.app.store.environment(&default).await.unwrap();
    let mut environment = environment.unwrap();
    environment.organization = Some(uuid::Uuid::from_u128(1).to_string());
    let put = tribelink::store::Change::PutEnvironment(environment);
    let guard = tribelink::store::Guard::None;
    world.app.store.commit(&guard, vec![put]).await.unwrap();
    let refused = connect().await.is(403);
    assert!(refused.text().contains("another organisation"));
    assert_eq!(world.tokens().await.unwrap(), second);
}

#[tokio::test]
async fn a_declined_or_broken_sign_in_saves_nothing_and_leaves_the_link() {
    let world = World::start("authorization_code").await;
    let link = world.link().await;
    for (answer, status) in [
        ("error=access_denied", 403),
        ("error=temporarily_unavailable", 503),
        ("error=invalid_scope", 502),
        ("code=ac_unknown", 403),
        ("nothing=1", 403),
    ] {
        let opened = world.browse(&link, "").await.is(303);
        let state = state_of(&opened);
        let back = format!("/oauth/tribe/callback?state={state}&{answer}");
        world.browse(&back, &cookie_of(&opened)).await.is(status);
        // A state is no link, and works once.
        let as_link = format!("/oauth/tribe/start?token={state}");
        world.browse(&as_link, "").await.is(410);
        world.browse(&back, &cookie_of(&opened)).await.is(400);
    }
    assert!(world.tokens().await.is_none());
    for nowhere in ["?token=", "?token=guess"] {
        let path = format!("/oauth/tribe/start{nowhere}");
        world.browse(&path, "").await.is(410);
    }
    // Without a token it is an employee who signs in to the page.
    world.browse("/oauth/tribe/start", "").await.is(303);
}

#[tokio::test]
async fn an_environment_with_its_own_application_cannot_be_connected() {
    let world = World::start("client_credentials").await;
    let refused = world.post("/api/v1/environments/default/connect", json!({}));
    let refused = refused.await.is(400);
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("client_credentials"), "{detail}");
    for nowhere in ["nowhere", "No%2FName"] {
        let path = format!("/api/v1/environments/{nowhere}/connect");
        world.post(&path, json!({})).await.is(404);
    }
}
