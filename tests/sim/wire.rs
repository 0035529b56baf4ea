//! The wires between the service and both remotes: no sockets, the routers call each other. Every
//! request of the service is looked at here, before the remote sees it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use tribelink::remote::transport::{Request, Response, Transport, TransportError};
use tribelink_sandbox::{
    Source,
    deliver::{Delivery, Outcome, Post},
    faults::CutOff,
};

use crate::{
    check::safety::Watch,
    process::{Fate, Process, Strike},
    story::Story,
    time::SimClock,
};

/// The service's way to the remotes.
pub(crate) struct SimTransport {
    pub(crate) router: Router,
    pub(crate) clock: SimClock,
    pub(crate) story: Arc<Story>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) process: Arc<Process>,
    pub(crate) fate: Arc<Fate>,
}

impl SimTransport {
    /// Whether a row is to go missing from this list.
    fn rows_missing(&self) -> bool {
        let mut missing = self.fate.rows_missing.lock().expect("the draw");
        let struck = missing
            .as_mut()
            .is_some_and(|(share, rng)| rng.u32(0..1_000) < *share);
        if struck {
            self.story.count("fault rows-missing");
        }
        struck
    }
}

/// Whether Tribe is asked for records by their ids: whoever is absent from the answer is not
/// therefore gone (R11).
fn is_list_by_ids(call: &http::Request<Body>) -> bool {
    let query = call.uri().query().unwrap_or_default();
    call.method() == http::Method::GET
        && call.uri().path().starts_with("/v1/odata/Relation_Person")
        && !call.uri().path().contains('(')
        && query.contains("filter=ID")
}

/// The same list without its last row.
fn thinned(answer: Response) -> Response {
    let Ok(mut body) = serde_json::from_slice::<serde_json::Value>(&answer.body) else {
        return answer;
    };
    if let Some(rows) = body["value"].as_array_mut() {
        rows.pop();
    }
    Response {
        body: body.to_string().into(),
        ..answer
    }
}

#[async_trait]
impl Transport for SimTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if self.process.is_dead() {
            std::future::pending::<()>().await;
        }
        let strike = self.fate.remote.next();
        if strike == Some(Strike::DieBefore) {
            self.process.die(&self.fate).await;
        }
        let began = self.clock.elapsed_ms();
        let path = request.url.path().to_owned();
        let line = format!(
            "{} {}{path}",
            request.method,
            request.url.host_str().unwrap_or("?")
        );
        let is_write = request.method != http::Method::GET && !path.ends_with("/token");
        let told = String::from_utf8_lossy(&request.body).into_owned();
        let told = if is_write { told } else { String::new() };
        let seen = self.watch.before(&request, &self.process).await;
        let flight = self.watch.takes_off(&seen, path.ends_with("/$batch"));
        let underway = is_write.then(|| self.watch.sends(&request));
        let timeout = request.timeout;
        let query = request
            .url
            .query()
            .map_or_else(String::new, |query| format!("?{query}"));
        let mut call = http::Request::builder()
            .method(request.method)
            .uri(format!("{path}{query}"))
            .body(Body::from(request.body))
            .expect("a request");
        *call.headers_mut() = request.headers;
        let router = self.router.clone();
        if strike == Some(Strike::Before) {
            let line = format!("{line} is cut off");
            self.story.call(self.clock.elapsed_ms(), &line);
            return Err(TransportError::NoAnswer("cut off before".to_owned()));
        }
        let thins = is_list_by_ids(&call) && self.rows_missing();
        // The remote goes on whether or not the caller lives to hear of it.
        let work = tokio::spawn(async move {
            let answer = match router.oneshot(call).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            };
            drop(underway);
            if answer.extensions().get::<CutOff>().is_some() {
                return None;
            }
            let (head, body) = answer.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            Some((head.status, head.headers, body))
        });
        let outcome = tokio::time::timeout(timeout, work).await;
        // It has landed, whether or not the caller stands still by then.
        drop(flight);
        let answer = match outcome {
            Ok(Ok(Some((status, headers, body)))) => Ok(Response {
                status,
                headers,
                body,
            }),
            Ok(Ok(None)) => Err(TransportError::NoAnswer("broken off".to_owned())),
            Ok(Err(error)) => panic!("the sandbox failed: {error}"),
            Err(_) => Err(TransportError::NoAnswer("time limit".to_owned())),
        };
        let is_told = answer
            .as_ref()
            .is_ok_and(|answer| !answer.status.is_server_error());
        if is_write && !is_told {
            self.watch.is_left_open(&told);
        }
        let answer = if thins { answer.map(thinned) } else { answer };
        let status = answer.as_ref().map_or_else(
            |error| error.to_string(),
            |answer| answer.status.as_u16().to_string(),
        );
        self.story.call(
            self.clock.elapsed_ms(),
            &format!("{line} -> {status} (since {began}) {told}"),
        );
        match strike {
            Some(Strike::DieAfter) => self.process.die(&self.fate).await,
            Some(Strike::After) => {
                return Err(TransportError::NoAnswer("cut off after".to_owned()));
            }
            _ => {}
        }
        // Whoever stands still learns of it late.
        self.process.pass().await;
        self.watch.after(seen, &answer, &self.process);
        answer
    }
}

/// The remotes' way to the service, whose processes take turns; one that is down is passed over.
pub(crate) struct SimPost {
    pub(crate) services: Mutex<Vec<Option<Router>>>,
    pub(crate) turn: AtomicUsize,
    pub(crate) clock: SimClock,
    pub(crate) story: Arc<Story>,
    /// What was delivered, for those who send old letters again.
    pub(crate) sent: Mutex<Vec<Delivery>>,
}

#[async_trait]
impl Post for SimPost {
    async fn post(&self, delivery: &Delivery) -> Outcome {
        let outcome = self.deliver(delivery).await;
        let told = match &outcome {
            Outcome::Answer { status, .. } => status.to_string(),
            Outcome::Failed => "failed".to_owned(),
            Outcome::TimedOut => "timed out".to_owned(),
        };
        let from = match delivery.source {
            Source::Tribe => "tribe",
            Source::Graph => "graph",
        };
        let url = delivery.url.split('?').next().unwrap_or_default();
        self.story.call(
            self.clock.elapsed_ms(),
            &format!("{from} posts {url} -> {told}"),
        );
        outcome
    }
}

impl SimPost {
    async fn deliver(&self, delivery: &Delivery) -> Outcome {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let router = {
            let services = self.services.lock().expect("the services");
            let up: Vec<&Router> = services.iter().flatten().collect();
            up.get(turn % up.len().max(1)).copied().cloned()
        };
        let Some(router) = router else {
            return Outcome::Failed;
        };
        let began = self.clock.elapsed_ms();
        let url: url::Url = delivery.url.parse().expect("an address");
        let query = url
            .query()
            .map_or_else(String::new, |query| format!("?{query}"));
        let mut request = http::Request::post(format!("{}{query}", url.path()));
        for (name, value) in &delivery.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Body::from(delivery.body.clone()))
            .expect("a request");
        let work = async {
            let answer = match router.oneshot(request).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            };
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes().to_vec());
            (head, body.unwrap_or_default())
        };
        let Ok((head, body)) = tokio::time::timeout(delivery.timeout, work).await else {
            return Outcome::TimedOut;
        };
        if head.status.is_success() && delivery.attempt == 0 && !url.path().is_empty() {
            self.sent
                .lock()
                .expect("the letters")
                .push(delivery.clone());
        }
        Outcome::Answer {
            status: head.status.as_u16(),
            content_type: head
                .headers
                .get(http::header::CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            body,
            took_ms: u64::try_from(self.clock.elapsed_ms() - began).unwrap_or(0),
        }
    }
}
