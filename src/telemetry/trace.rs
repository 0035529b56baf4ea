//! Traces, sent to a collector as OTLP over HTTP with JSON; off unless `telemetry.otlp_url` is set.
//!
//! A trace follows what was received in one environment at one moment: the hint, its being passed on
//! to mailboxes, and each write that it led to. Its id, and the id of its first span, are made from
//! these two alone, which every hint carries in the database: whoever works on it after a restart, or
//! on another replica, goes on with the same trace. Attributes are words of the program and ids,
//! never a value.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tribelink_plan::ids::{EnvironmentId, PersonId, UserId};
use url::Url;

use super::{BUILD, meter};
use crate::{
    digest::{hex, sha256},
    remote::{Request, Transport},
    store::{AuditDirection, Change, NewHint, Source},
};

/// Spans that wait for the collector; further ones are lost and counted.
const QUEUE: usize = 8_192;
/// Spans in one request.
const BATCH: usize = 512;
/// How long a span waits for others, at most.
const PAUSE: Duration = Duration::from_secs(2);
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where spans go; empty while traces are off.
static SPANS: OnceLock<mpsc::Sender<Span>> = OnceLock::new();

/// What a span tells about: everything received in an environment at one moment.
#[derive(Clone, Copy)]
struct Trace {
    id: [u8; 16],
    first: [u8; 8],
}

impl Trace {
    fn of(environment: &EnvironmentId, received_ms: i64) -> Trace {
        let seed = sha256(format!("trace/{environment}/{received_ms}").as_bytes());
        let mut trace = Trace {
            id: [0; 16],
            first: [0; 8],
        };
        trace.id.copy_from_slice(&seed[..16]);
        trace.first.copy_from_slice(&seed[16..24]);
        trace
    }

    /// The id of a span that is told apart by these words.
    fn span(self, words: &str) -> [u8; 8] {
        let seed = sha256(format!("{}/{words}", hex(&self.id)).as_bytes());
        let mut id = [0; 8];
        id.copy_from_slice(&seed[..8]);
        id
    }
}

/// One span.
pub struct Span {
    trace: Trace,
    id: [u8; 8],
    name: &'static str,
    start_ms: i64,
    end_ms: i64,
    attributes: Vec<(&'static str, String)>,
}

impl Span {
    fn to_json(&self) -> Value {
        // SPAN_KIND_CONSUMER for what begins a trace, SPAN_KIND_INTERNAL for the rest.
        let first = self.id == self.trace.first;
        let attributes: Vec<Value> = self.attributes.iter().map(attribute).collect();
        let mut span = json!({
            "traceId": hex(&self.trace.id),
            "spanId": hex(&self.id),
            "name": self.name,
            "kind": if first { 5 } else { 1 },
            "startTimeUnixNano": nanos(self.start_ms),
            "endTimeUnixNano": nanos(self.end_ms.max(self.start_ms)),
            "attributes": attributes,
            "status": {"code": 1},
        });
        if !first {
            span["parentSpanId"] = hex(&self.trace.first).into();
        }
        span
    }
}

fn attribute((key, value): &(&'static str, String)) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// 64-bit numbers are texts in OTLP's JSON.
fn nanos(ms: i64) -> String {
    (i128::from(ms) * 1_000_000).to_string()
}

/// What arrived at one moment: one trace for each environment and source, however many hints.
pub struct Arrivals(Vec<(EnvironmentId, i64, Source)>);

impl Arrivals {
    /// Of hints that are about to be kept; nothing while traces are off.
    pub fn of(hints: &[NewHint]) -> Arrivals {
        let mut arrivals: Vec<(EnvironmentId, i64, Source)> = Vec::new();
        if SPANS.get().is_some() {
            for hint in hints {
                let arrival = (hint.environment.clone(), hint.received_ms, hint.source);
                if !arrivals.contains(&arrival) {
                    arrivals.push(arrival);
                }
            }
        }
        Arrivals(arrivals)
    }

    /// They are kept.
    pub fn kept(&self, now_ms: i64) {
        for (environment, received_ms, source) in &self.0 {
            tell_with(|| {
                let trace = Trace::of(environment, *received_ms);
                let source = meter::source_name(*source).to_owned();
                Span {
                    trace,
                    id: trace.first,
                    name: "hint",
                    start_ms: *received_ms,
                    end_ms: now_ms,
                    attributes: vec![
                        ("tribelink.environment", environment.to_string()),
                        ("tribelink.source", source),
                    ],
                }
            });
        }
    }
}

/// A hint was passed on to mailboxes.
pub fn passed_on(environment: &EnvironmentId, received_ms: i64, since_ms: i64, now_ms: i64) {
    tell_with(|| {
        let trace = Trace::of(environment, received_ms);
        Span {
            trace,
            id: trace.span(&format!("pass on/{since_ms}")),
            name: "pass on",
            start_ms: since_ms,
            end_ms: now_ms,
            attributes: vec![("tribelink.environment", environment.to_string())],
        }
    });
}

/// A write that is about to be recorded, to be told once it is; `changes` are those of its person.
/// `None` while traces are off.
pub fn wrote(
    environment: &EnvironmentId,
    (user, person): (UserId, PersonId),
    received_ms: i64,
    now_ms: i64,
    changes: &[Change],
) -> Option<Span> {
    SPANS.get()?;
    let trace = Trace::of(environment, received_ms);
    let lines = changes.iter().filter_map(|change| match change {
        Change::AddAudit(line) if line.direction != AuditDirection::None => Some(line),
        _ => None,
    });
    let mut rules: Vec<&str> = Vec::new();
    let mut directions: Vec<&str> = Vec::new();
    for line in lines {
        rules.push(line.rule.code());
        directions.push(meter::direction_name(line.direction));
    }
    rules.dedup();
    directions.dedup();
    Some(Span {
        trace,
        id: trace.span(&format!("write/{user}/{person}/{now_ms}")),
        name: "write",
        start_ms: received_ms,
        end_ms: now_ms,
        attributes: vec![
            ("tribelink.environment", environment.to_string()),
            ("tribelink.user", user.to_string()),
            ("tribelink.person", person.to_string()),
            ("tribelink.rule", rules.join(",")),
            ("tribelink.direction", directions.join(",")),
        ],
    })
}

fn tell_with(span: impl FnOnce() -> Span) {
    if SPANS.get().is_some() {
        tell(span());
    }
}

/// Gives a span to the exporter; lost, and counted, when too many wait.
pub fn tell(span: Span) {
    let Some(spans) = SPANS.get() else { return };
    if spans.try_send(span).is_err() {
        meter::spans(meter::Spans::Lost, 1);
    }
}

/// Sends spans to the collector.
pub struct Exporter {
    spans: mpsc::Receiver<Span>,
    url: Url,
    transport: Arc<dyn Transport>,
    failing: bool,
}

impl Exporter {
    /// Begins to gather spans for the collector at an origin. `None`: another exporter gathers them.
    pub fn start(origin: &Url, transport: Arc<dyn Transport>) -> Option<Exporter> {
        let (sender, spans) = mpsc::channel(QUEUE);
        SPANS.set(sender).ok()?;
        let mut url = origin.clone();
        url.set_path("/v1/traces");
        Some(Exporter {
            spans,
            url,
            transport,
            failing: false,
        })
    }

    /// Sends until cancelled, then what is left.
    pub async fn run(mut self, ended: CancellationToken) {
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                () = ended.cancelled() => break,
                _ = self.spans.recv_many(&mut batch, BATCH) => {}
            }
            if batch.len() < BATCH {
                tokio::select! {
                    () = ended.cancelled() => {}
                    () = tokio::time::sleep(PAUSE) => {}
                }
                self.drain(&mut batch);
            }
            self.send(&batch).await;
        }
        loop {
            let mut batch = Vec::new();
            self.drain(&mut batch);
            if batch.is_empty() {
                return;
            }
            self.send(&batch).await;
            if self.failing {
                return;
            }
        }
    }

    fn drain(&mut self, batch: &mut Vec<Span>) {
        while batch.len() < BATCH
            && let Ok(span) = self.spans.try_recv()
        {
            batch.push(span);
        }
    }

    async fn send(&mut self, batch: &[Span]) {
        let request = Request {
            method: http::Method::POST,
            url: self.url.clone(),
            headers: [(
                http::header::CONTENT_TYPE,
                http::HeaderValue::from_static("application/json"),
            )]
            .into_iter()
            .collect(),
            body: body(batch).to_string().into(),
            timeout: PATIENCE,
        };
        let why = match self.transport.send(request).await {
            Ok(answer) if answer.status.is_success() => {
                self.failing = false;
                meter::spans(meter::Spans::Exported, batch.len());
                return;
            }
            Ok(answer) => format!("it answers {}", answer.status),
            Err(error) => error.to_string(),
        };
        meter::spans(meter::Spans::Lost, batch.len());
        // Said once for each outage: a collector that is away must not fill the log.
        if !self.failing {
            tracing::warn!(
                why,
                "the collector at telemetry.otlp_url takes no traces; they are dropped until it does"
            );
        }
        self.failing = true;
    }
}

fn body(batch: &[Span]) -> Value {
    let spans: Vec<Value> = batch.iter().map(Span::to_json).collect();
    let resource = [
        ("service.name", "tribelink".to_owned()),
        ("service.version", BUILD.version.to_owned()),
    ];
    json!({"resourceSpans": [{
        "resource": {"attributes": resource.iter().map(attribute).collect::<Vec<_>>()},
        "scopeSpans": [{"scope": {"name": "tribelink", "version": BUILD.version}, "spans": spans}],
    }]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_known_again_by_environment_and_moment_alone() {
        let office = EnvironmentId::from("office");
        let (one, again) = (Trace::of(&office, 7), Trace::of(&office, 7));
        assert_eq!((one.id, one.first), (again.id, again.first));
        assert_ne!(one.id, Trace::of(&office, 8).id);
        assert_ne!(one.id, Trace::of(&EnvironmentId::from("home"), 7).id);
        assert_ne!(one.span("write/a"), one.span("write/b"));
        assert_ne!(one.span("write/a"), one.first);
    }

    #[test]
    fn a_span_is_of_the_form_that_collectors_read() {
        let trace = Trace::of(&EnvironmentId::from("office"), 1_795_510_800_000);
        let span = |id| Span {
            trace,
            id,
            name: "write",
            start_ms: 1_795_510_800_000,
            end_ms: 1_795_510_800_250,
            attributes: vec![("tribelink.rule", "R2".to_owned())],
        };
        let sent = body(&[span(trace.first), span(trace.span("write"))]);
        let spans = &sent["resourceSpans"][0]["scopeSpans"][0]["spans"];
        let (first, second) = (&spans[0], &spans[1]);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        assert_eq!(text(&first["traceId"]).len(), 32);
        assert_eq!(text(&first["spanId"]).len(), 16);
        assert_eq!(first["traceId"], second["traceId"]);
        assert_eq!(second["parentSpanId"], first["spanId"]);
        assert!(first.get("parentSpanId").is_none());
        assert_eq!(second["endTimeUnixNano"], "1795510800250000000");
        assert_eq!(
            second["attributes"][0],
            json!({"key": "tribelink.rule", "value": {"stringValue": "R2"}})
        );
    }
}
