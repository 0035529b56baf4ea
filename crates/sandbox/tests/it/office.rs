//! Microsoft 365 in tests: calls with a token, and somebody who receives notifications.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{Query, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::common::{World, loopback};

/// The GUID of the tests' own extended properties.
pub(crate) const STAMP: &str = "String {5f3c1d2e-7a4b-4c8d-9e0f-1a2b3c4d5e6f} Name Stamp";
pub(crate) const SCOPE: &str = "openid profile offline_access User.Read Contacts.ReadWrite";

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.expect("a body").to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Self {
            status,
            headers,
            body,
            bytes,
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    }

    /// `error.code`.
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or("")
    }

    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

/// A sandbox with a mailbox and a delegated token for it.
pub(crate) struct Office {
    pub(crate) world: World,
    pub(crate) mailbox: String,
    pub(crate) user_id: String,
    pub(crate) token: String,
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    pub(crate) secret: String,
}

impl Office {
    pub(crate) async fn start() -> Self {
        let world = World::start().await;
        let config = world.config().await;
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let mailbox = text(&config["mailboxes"][0]["address"]);
        let (_, issued) = world
            .control(Method::POST, "tokens", json!({"mailbox": mailbox}))
            .await;
        Self {
            mailbox,
            user_id: text(&config["mailboxes"][0]["user_id"]),
            token: text(&issued["access_token"]),
            tenant: text(&config["microsoft"]["tenant"]),
            client_id: text(&config["microsoft"]["client_id"]),
            secret: text(&config["microsoft"]["client_secret"]),
            world,
        }
    }

    /// A call on Graph; `path` follows `/v1.0`, or is a whole link.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}/v1.0{path}", self.world.base)
        };
        self.world
            .http
            .request(method, url)
            .bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Reply::of(
            self.request(Method::GET, path)
                .send()
                .await
                .expect("an answer"),
        )
        .await
    }

    pub(crate) async fn get_as(&self, path: &str, prefer: &str) -> Reply {
        let request = self.request(Method::GET, path).header("prefer", prefer);
        Reply::of(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Reply {
        Reply::of(
            self.request(method, path)
                .json(&body)
                .send()
                .await
                .expect("an answer"),
        )
        .await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PATCH, path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        Reply::of(
            self.request(Method::DELETE, path)
                .send()
                .await
                .expect("an answer"),
        )
        .await
    }

    /// Makes a contact and returns its id.
    pub(crate) async fn contact(&self, body: Value) -> String {
        let made = self.post("/me/contacts", body).await.expect(201);
        made["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.world.control(method, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    pub(crate) async fn switch(&self, switches: Value) {
        self.control(Method::POST, "graph/switches", switches).await;
    }

    /// What Outlook or its user does with a contact.
    pub(crate) async fn outlook(&self, what: &str, contact: &str) -> Value {
        self.control(
            Method::POST,
            &format!("graph/{what}"),
            json!({"mailbox": self.mailbox, "contact": contact}),
        )
        .await
    }

    /// One round of delta from an address: all items, and the deltaLink.
    pub(crate) async fn round(&self, start: &str) -> (Vec<Value>, String) {
        let (mut link, mut items) = (start.to_owned(), Vec::new());
        loop {
            let page = self.get(&link).await.expect(200);
            items.extend(page["value"].as_array().expect("a list").clone());
            if let Some(done) = page["@odata.deltaLink"].as_str() {
                return (items, done.to_owned());
            }
            link = page["@odata.nextLink"].as_str().expect("a link").to_owned();
        }
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Reply {
        let url = format!("{}/{}/oauth2/v2.0/token", self.world.base, self.tenant);
        Reply::of(
            self.world
                .http
                .post(url)
                .form(form)
                .send()
                .await
                .expect("an answer"),
        )
        .await
    }

    pub(crate) async fn subscribe(&self, listener: &Listener, more: Value) -> Reply {
        let mut body = json!({
            "changeType": "created,updated,deleted", "resource": "/me/contacts", "clientState": "secret",
            "notificationUrl": listener.url("n?kept=1"), "lifecycleNotificationUrl": listener.url("l"),
            "expirationDateTime": self.in_minutes(120).await,
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        self.post("/subscriptions", body).await
    }

    /// The sandbox's own clock, so many minutes from now.
    pub(crate) async fn in_minutes(&self, minutes: i64) -> String {
        let now_ms = self.world.running.ctx.lock().now_ms();
        let at = jiff::Timestamp::from_millisecond(now_ms + minutes * 60_000).expect("a time");
        at.to_string()
    }
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("claims");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
}

/// A request at the listener.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) content_type: String,
    pub(crate) body: Value,
}

/// How the listener shakes hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    Right,
    WrongText,
    WrongType,
    Refused,
}

struct Inner {
    heard: Mutex<Vec<Heard>>,
    arrived: Notify,
    hand: Mutex<BTreeMap<String, Hand>>,
}

/// Somebody who receives notifications at `/n` and lifecycle events at `/l`.
pub(crate) struct Listener {
    base: String,
    inner: Arc<Inner>,
}

impl Listener {
    pub(crate) async fn start() -> Self {
        let inner = Arc::new(Inner {
            heard: Mutex::default(),
            arrived: Notify::new(),
            hand: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind(loopback())
            .await
            .expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new()
            .route("/{name}", post(hear))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, inner }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.base)
    }

    /// How `/{name}` shakes hands from now on.
    pub(crate) fn hand(&self, name: &str, hand: Hand) {
        self.inner
            .hand
            .lock()
            .expect("hands")
            .insert(format!("/{name}"), hand);
    }

    pub(crate) fn handshakes(&self) -> Vec<Heard> {
        let heard = self.inner.heard.lock().expect("a list");
        heard
            .iter()
            .filter(|one| one.query.contains_key("validationToken"))
            .cloned()
            .collect()
    }

    /// Items that arrived at a path, in order of arrival.
    pub(crate) fn items(&self, name: &str) -> Vec<Value> {
        self.posts(name)
            .into_iter()
            .flat_map(|body| body["value"].as_array().cloned().unwrap_or_default())
            .collect()
    }

    /// Bodies that arrived at a path.
    pub(crate) fn posts(&self, name: &str) -> Vec<Value> {
        let path = format!("/{name}");
        let heard = self.inner.heard.lock().expect("a list");
        heard
            .iter()
            .filter(|one| one.path == path && !one.body.is_null())
            .map(|one| one.body.clone())
            .collect()
    }

    /// Waits until the items at a path are as wanted.
    pub(crate) async fn wait(&self, name: &str, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let waiting = async {
            loop {
                let next = self.inner.arrived.notified();
                let items = self.items(name);
                if done(&items) {
                    return items;
                }
                next.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .expect("the notifications in time")
    }
}

async fn hear(
    State(inner): State<Arc<Inner>>,
    Query(query): Query<BTreeMap<String, String>>,
    request: Request,
) -> Response {
    let path = request.uri().path().to_owned();
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("")
        .to_owned();
    let bytes = axum::body::to_bytes(request.into_body(), usize::MAX)
        .await
        .expect("a body");
    let heard = Heard {
        path: path.clone(),
        query: query.clone(),
        content_type: kind,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    };
    inner.heard.lock().expect("a list").push(heard);
    inner.arrived.notify_one();
    let Some(token) = query.get("validationToken").cloned() else {
        return StatusCode::ACCEPTED.into_response();
    };
    match inner
        .hand
        .lock()
        .expect("hands")
        .get(&path)
        .copied()
        .unwrap_or(Hand::Right)
    {
        Hand::Right => token.into_response(),
        Hand::WrongText => "something else".into_response(),
        Hand::WrongType => ([(header::CONTENT_TYPE, "text/html")], token).into_response(),
        Hand::Refused => StatusCode::FORBIDDEN.into_response(),
    }
}
