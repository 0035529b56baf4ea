//! Without sockets: a simulation owns time, waiting and sending, and all of it is deterministic.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tribelink_sandbox::{
    Clock, Options, Sandbox, Sleep,
    deliver::{Delivery, Outcome, Post},
    faults::CutOff,
    tribe::sign_in,
};

/// A clock that only waiting moves.
#[derive(Default)]
struct Sim {
    now: AtomicI64,
    sent: Mutex<Vec<Delivery>>,
}

impl Clock for Sim {
    fn now_ms(&self) -> i64 {
        1_800_000_000_000 + self.now.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Sleep for Sim {
    async fn sleep(&self, duration: Duration) {
        self.now.fetch_add(
            i64::try_from(duration.as_millis()).expect("short"),
            Ordering::SeqCst,
        );
    }
}

#[async_trait]
impl Post for Sim {
    async fn post(&self, delivery: &Delivery) -> Outcome {
        self.sent.lock().expect("a list").push(delivery.clone());
        Outcome::Answer {
            status: 202,
            content_type: None,
            body: Vec::new(),
            took_ms: 1,
        }
    }
}

fn world() -> (Arc<Sim>, Sandbox, String) {
    let sim = Arc::new(Sim::default());
    let options = Options {
        people: 10,
        users: 2,
        public_url: "http://sandbox.test".to_owned(),
        ..Options::default()
    };
    let sandbox = Sandbox::in_process(options, sim.clone(), sim.clone(), sim.clone());
    let mut state = sandbox.ctx.lock();
    let employee = state.tribe.virtual_employee;
    let token = sign_in::access(&mut state, "crm", "read write", "", employee);
    drop(state);
    (sim, sandbox, token)
}

async fn call(
    sandbox: &Sandbox,
    token: &str,
    method: &str,
    path: &str,
    body: Value,
) -> axum::response::Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"));
    let request = request
        .body(Body::from(body.to_string()))
        .expect("a request");
    sandbox
        .router
        .clone()
        .oneshot(request)
        .await
        .expect("infallible")
}

#[tokio::test]
async fn the_pump_is_driven_by_hand() {
    let (sim, sandbox, token) = world();
    let hook = json!({"entityType": "Relation.Person", "webhookUrl": "https://service.test/hook"});
    assert_eq!(
        call(&sandbox, &token, "POST", "/v1/webhooks", hook)
            .await
            .status(),
        201
    );
    assert_eq!(sandbox.ctx.next_due_ms(), None);
    let delay = json!({"hints": {"source": "tribe", "delay_ms": 5000}, "count": 1});
    assert_eq!(
        call(&sandbox, &token, "POST", "/_sandbox/faults", delay)
            .await
            .status(),
        201
    );
    for name in ["Late", "Early"] {
        let person = json!({"LastName": name});
        assert_eq!(
            call(
                &sandbox,
                &token,
                "POST",
                "/v1/odata/Relation_Person",
                person
            )
            .await
            .status(),
            201
        );
    }
    assert_eq!(sandbox.ctx.next_due_ms(), Some(sim.now_ms()));
    assert_eq!(sandbox.ctx.pump_once().await, 1);
    assert_eq!(sandbox.ctx.pump_once().await, 0);
    sim.sleep(Duration::from_secs(5)).await;
    assert_eq!(sandbox.ctx.pump_once().await, 1);
    let sent = sim.sent.lock().expect("a list");
    assert!(
        String::from_utf8_lossy(&sent[0].body).contains("Early")
            && String::from_utf8_lossy(&sent[1].body).contains("Late")
    );
}

#[tokio::test]
async fn faults_wait_and_cut_without_sockets() {
    let (sim, sandbox, token) = world();
    let before = sim.now_ms();
    for fault in [
        json!({"match": {"path": "Team"}, "then": {"delay_ms": 700}}),
        json!({"match": {"path": "Relation"}, "then": {"cut": "after"}}),
    ] {
        call(&sandbox, &token, "POST", "/_sandbox/faults", fault).await;
    }
    assert_eq!(
        call(&sandbox, &token, "GET", "/v1/odata/Team", Value::Null)
            .await
            .status(),
        200
    );
    assert_eq!(sim.now_ms() - before, 700);
    let cut = call(&sandbox, &token, "GET", "/v1/odata/Relation", Value::Null).await;
    assert!(cut.extensions().get::<CutOff>().is_some());
}

#[tokio::test]
async fn the_same_seed_gives_the_same_world() {
    let state = async || {
        let (_, sandbox, token) = world();
        call(
            &sandbox,
            &token,
            "POST",
            "/v1/odata/Relation_Person",
            json!({"LastName": "A"}),
        )
        .await;
        let answer = call(&sandbox, &token, "GET", "/_sandbox/state", Value::Null).await;
        axum::body::to_bytes(answer.into_body(), usize::MAX)
            .await
            .expect("a body")
    };
    assert_eq!(state().await, state().await);
}
