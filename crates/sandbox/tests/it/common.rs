//! A sandbox on a free port, a client, and somebody who receives webhooks.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tribelink_sandbox::{Options, Running, Sandbox};

/// Longer than anything here takes; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that follows no redirects.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .expect("a client")
}

/// Any free port on loopback.
pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A running sandbox and a token for its CRM.
pub(crate) struct World {
    // Dropping it stops the sandbox.
    pub(crate) running: Running,
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

/// A status and a JSON body (`null` when there is none).
pub(crate) type Answer = (u16, Value);

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(Options {
            people: 30,
            users: 3,
            ..Options::default()
        })
        .await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let running = Sandbox::start(options, loopback(), None)
            .await
            .expect("a sandbox");
        let base = format!("http://{}", running.addr);
        let mut world = Self {
            running,
            base,
            http: client(),
            token: String::new(),
        };
        world.renew().await;
        world
    }

    /// A fresh token, after a reset or an expiry.
    pub(crate) async fn renew(&mut self) {
        let (_, body) = self
            .control(Method::POST, "tokens", json!({"crm": true}))
            .await;
        self.token = body["access_token"].as_str().expect("a token").to_owned();
    }

    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Answer {
        let request = self
            .http
            .request(method, format!("{}/_sandbox/{path}", self.base))
            .json(&body);
        answer(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn config(&self) -> Value {
        self.control(Method::GET, "config", Value::Null).await.1
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self
            .http
            .get(format!("{}/v1/odata/{path}", self.base))
            .bearer_auth(&self.token);
        answer(request.send().await.expect("an answer")).await
    }

    /// The list that a set answers with; fails on anything but 200.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body["value"].as_array().expect("a list").clone()
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        let request = self
            .http
            .request(method, format!("{}/v1/{path}", self.base))
            .bearer_auth(&self.token)
            .json(&body);
        answer(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn post(&self, set: &str, body: Value) -> Answer {
        self.send(Method::POST, &format!("odata/{set}"), body).await
    }

    pub(crate) async fn put(&self, record: &str, body: Value) -> Answer {
        self.send(Method::PUT, &format!("odata/{record}"), body)
            .await
    }

    /// Creates a record and returns its id.
    pub(crate) async fn create(&self, set: &str, body: Value) -> String {
        let (status, body) = self.post(set, body).await;
        assert_eq!(status, 201, "{body}");
        id(&body)
    }

    /// Some organisation that is not our own.
    pub(crate) async fn organization(&self) -> String {
        id(&self
            .list("Relation_Organization?$filter=contains(Name,'Acme')")
            .await[0])
    }
}

/// The `ID` of an object.
pub(crate) fn id(object: &Value) -> String {
    object["ID"]
        .as_str()
        .unwrap_or_else(|| panic!("no ID in {object}"))
        .to_owned()
}

pub(crate) async fn answer(response: reqwest::Response) -> Answer {
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

struct Inner {
    received: Mutex<Vec<Received>>,
    arrived: Notify,
    status: AtomicU16,
}

/// Somebody who receives webhooks.
pub(crate) struct Hook {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

impl Hook {
    pub(crate) async fn start() -> Self {
        let inner = Arc::new(Inner {
            received: Mutex::default(),
            arrived: Notify::new(),
            status: AtomicU16::new(202),
        });
        let listener = tokio::net::TcpListener::bind(loopback())
            .await
            .expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let router = Router::new()
            .route("/hook", post(receive))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    /// What it answers from now on.
    pub(crate) fn answers(&self, status: u16) {
        self.inner.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.inner.received.lock().expect("a list").clone()
    }

    /// Waits until this many have arrived, and returns all.
    pub(crate) async fn wait(&self, count: usize) -> Vec<Received> {
        self.wait_for(|all| all.len() >= count).await
    }

    pub(crate) async fn wait_for(&self, done: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let waiting = async {
            loop {
                let next = self.inner.arrived.notified();
                let all = self.received();
                if done(&all) {
                    return all;
                }
                next.await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("the webhooks in time")
    }
}

async fn receive(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    inner.received.lock().expect("a list").push(Received {
        headers,
        body: body.to_vec(),
    });
    inner.arrived.notify_one();
    StatusCode::from_u16(inner.status.load(Ordering::SeqCst)).expect("a status")
}

/// Repeats a look until it shows something.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(look: impl Fn() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("the state in time")
}
