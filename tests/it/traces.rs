//! Traces of a running service, as a collector gets them.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State, routing::post};
use http::Method;
use serde_json::{Value, json};

use crate::service::World;

type Spans = Arc<Mutex<Vec<Value>>>;

/// A collector on loopback; keeps every span.
async fn collector() -> (String, Spans) {
    async fn take(State(spans): State<Spans>, Json(sent): Json<Value>) -> Json<Value> {
        let resource = &sent["resourceSpans"][0];
        let named = &resource["resource"]["attributes"][0];
        assert_eq!(named["value"]["stringValue"], "tribelink");
        let new = resource["scopeSpans"][0]["spans"].as_array().unwrap();
        spans.lock().unwrap().extend(new.iter().cloned());
        Json(json!({}))
    }
    let spans = Spans::default();
    let router = Router::new()
        .route("/v1/traces", post(take))
        .with_state(Arc::clone(&spans));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut served = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper_util::service::TowerToHyperService::new(router.clone());
            let io = hyper_util::rt::TokioIo::new(stream);
            served.spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
        }
    });
    (format!("http://{address}"), spans)
}

fn of_trace(spans: &Spans, trace: &Value) -> Vec<Value> {
    let spans = spans.lock().unwrap();
    spans
        .iter()
        .filter(|span| span["traceId"] == *trace)
        .cloned()
        .collect()
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a str {
    let attributes = span["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    found.map_or("", |found| found["value"]["stringValue"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_the_hint_to_the_write_across_a_restart() {
    let (url, spans) = collector().await;
    let mut world = World::start_with(&[("TELEMETRY__OTLP_URL", &url)]).await;
    let config = world.control(Method::GET, "/config", json!(null)).await;
    let anna = config["mailboxes"][0]["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let user = world.live(&anna).await;
    let links = world
        .api(Method::GET, &format!("/users/{user}/links"), None)
        .await;
    let person = links["items"][0]["person_id"].as_str().unwrap().to_owned();

    // Graph is away: the hint waits, and the process that took it ends.
    let fault = json!({"match": {"path": "/v1.0/*"}, "then": {"status": 503}});
    world.control(Method::POST, "/faults", fault).await;
    spans.lock().unwrap().clear();
    let edit = json!({"LastName": "Overrestart"});
    world
        .control(Method::POST, &format!("/tribe/records/{person}"), edit)
        .await;
    world
        .until("the hint is passed on", async |_: &World| {
            let spans = spans.lock().unwrap();
            spans.iter().any(|span| span["name"] == "pass on")
        })
        .await;
    world.stop();
    world.control(Method::DELETE, "/faults", json!(null)).await;
    // The exporter waits for company: writes of the first sync may be told late.
    let written = || {
        let spans = spans.lock().unwrap();
        let mut writes = spans.iter().filter(|span| span["name"] == "write");
        let found = writes.find(|span| {
            attribute(span, "tribelink.person") == person
                && attribute(span, "tribelink.rule") == "R2"
        });
        found.cloned()
    };
    assert!(written().is_none(), "Graph was away");
    world.serve().await;
    world
        .until("the write is traced", async |_: &World| written().is_some())
        .await;
    let write = written().unwrap();
    assert_eq!(attribute(&write, "tribelink.direction"), "to_outlook");
    let trace = of_trace(&spans, &write["traceId"]);
    let named = |name: &str| trace.iter().filter(|span| span["name"] == name).count();
    assert_eq!((named("hint"), named("pass on")), (1, 1), "{trace:#?}");
    let hint = trace.iter().find(|span| span["name"] == "hint").unwrap();
    assert_eq!(attribute(hint, "tribelink.source"), "webhook");
    for span in trace.iter().filter(|span| span["name"] != "hint") {
        assert_eq!(span["parentSpanId"], hint["spanId"], "{span:#?}");
        assert!(span["startTimeUnixNano"].as_str() >= hint["startTimeUnixNano"].as_str());
    }
    let told = format!("{:?}", spans.lock().unwrap());
    assert!(
        !told.contains("Overrestart") && !told.contains("example.com"),
        "no value is told"
    );
}
