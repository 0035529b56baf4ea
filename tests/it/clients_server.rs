//! What the clients' tests talk to: a small HTTP server whose answers a test writes.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;
use axum::{Router, body::Body, extract::Request, response::Response};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use tribelink::{
    clock::Clock,
    remote::{HttpTransport, Observer, Origin, Remote, Transport},
};
use url::Url;

/// A request as it arrived.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) raw_query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// An option of the query, decoded.
    pub(crate) fn option(&self, name: &str) -> Option<String> {
        pairs(self.raw_query.as_bytes(), name)
    }

    /// A member of a form body.
    pub(crate) fn form(&self, name: &str) -> Option<String> {
        pairs(&self.body, name)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// An address of this same server.
    pub(crate) fn here(&self, rest: &str) -> String {
        format!("http://{}{rest}", self.header("host").unwrap())
    }
}

fn pairs(text: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(text)
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.into_owned())
}

pub(crate) type Reply = Response<Body>;

/// An answer in JSON.
pub(crate) fn json(status: u16, body: &Value) -> Reply {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// An answer with one header and no body.
pub(crate) fn with_header(status: u16, name: &str, value: &str) -> Reply {
    Response::builder()
        .status(status)
        .header(name, value)
        .body(Body::empty())
        .unwrap()
}

/// An answer that is just a status.
pub(crate) fn status(status: u16) -> Reply {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    reply
}

pub(crate) struct Server {
    pub(crate) url: Url,
    calls: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// A server that answers as the function says.
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let kept = Arc::clone(&calls);
        let router = Router::new().fallback(move |request: Request| {
            let (answer, kept) = (Arc::clone(&answer), Arc::clone(&kept));
            async move {
                let (parts, body) = request.into_parts();
                let seen = Seen {
                    method: parts.method,
                    path: parts.uri.path().to_owned(),
                    raw_query: parts.uri.query().unwrap_or_default().to_owned(),
                    headers: parts.headers,
                    body: body.collect().await.unwrap().to_bytes().to_vec(),
                };
                let reply = answer(&seen);
                kept.lock().unwrap().push(seen);
                reply
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = address(&listener);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Server { url, calls, task }
    }

    /// A server that writes these bytes, whatever is asked, and then closes, or hangs.
    pub(crate) async fn raw(bytes: &'static [u8], hang: bool) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = address(&listener);
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 64 * 1024];
                let _ = stream.read(&mut request).await.unwrap();
                stream.write_all(bytes).await.unwrap();
                if hang {
                    open.push(stream);
                }
            }
        });
        Server {
            url,
            calls: Arc::default(),
            task,
        }
    }

    pub(crate) fn calls(&self) -> Vec<Seen> {
        self.calls.lock().unwrap().clone()
    }

    /// The calls to paths that end so.
    pub(crate) fn calls_to(&self, end: &str) -> Vec<Seen> {
        let mut calls = self.calls();
        calls.retain(|seen| seen.path.ends_with(end));
        calls
    }

    /// A transport to this server alone.
    pub(crate) fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(transport(&[&self.url], 1024 * 1024))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn address(listener: &TcpListener) -> Url {
    let address = listener.local_addr().unwrap();
    Url::parse(&format!("http://{address}/")).unwrap()
}

pub(crate) fn transport(urls: &[&Url], max_answer: usize) -> HttpTransport {
    let allowed = urls.iter().map(|url| Origin::of(url).unwrap()).collect();
    HttpTransport::new(allowed, "tribelink-test", max_answer).unwrap()
}

/// A clock that stands until a test moves it.
#[derive(Default)]
pub(crate) struct StillClock(AtomicI64);

/// 2026-01-01T00:00:00Z
pub(crate) const START_MS: i64 = 1_767_225_600_000;

impl StillClock {
    pub(crate) fn new() -> Arc<StillClock> {
        Arc::new(StillClock(AtomicI64::new(START_MS)))
    }

    pub(crate) fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for StillClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    async fn sleep(&self, _duration: std::time::Duration) {}
}

/// Remembers what it was told.
#[derive(Default)]
pub(crate) struct Listening(pub(crate) Mutex<Vec<(Remote, &'static str, Option<u16>)>>);

impl Observer for Listening {
    fn called(&self, remote: Remote, endpoint: &'static str, status: Option<u16>) {
        self.0.lock().unwrap().push((remote, endpoint, status));
    }
}
