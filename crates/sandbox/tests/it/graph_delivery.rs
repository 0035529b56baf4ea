//! How delivery fares: 3 s and 10 s, repetition up to four hours, slow and dropped endpoints
//! (Graph reference 4.3), with a clock and a receiver of the test's own.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tribelink_sandbox::{
    Clock, Options, Sandbox, Sleep,
    deliver::{Delivery, Outcome, Post},
};

#[derive(Default)]
struct Time(AtomicI64);

impl Clock for Time {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Sleep for Time {
    async fn sleep(&self, duration: std::time::Duration) {
        self.0.fetch_add(
            i64::try_from(duration.as_millis()).expect("a time"),
            Ordering::SeqCst,
        );
    }
}

/// Shakes hands, and meets notifications as it was told.
#[derive(Default)]
struct Receiver {
    mode: Mutex<Option<Outcome>>,
    got: Mutex<Vec<Delivery>>,
}

#[async_trait]
impl Post for Receiver {
    async fn post(&self, delivery: &Delivery) -> Outcome {
        let url = reqwest::Url::parse(&delivery.url).expect("a URL");
        if let Some((_, token)) = url
            .query_pairs()
            .find(|(name, _)| name == "validationToken")
        {
            let mode = self.mode.lock().expect("a mode").clone();
            let body = token.as_bytes().to_vec();
            return mode.unwrap_or(Outcome::Answer {
                status: 200,
                content_type: Some("text/plain".into()),
                body,
                took_ms: 1,
            });
        }
        self.got.lock().expect("a list").push(delivery.clone());
        self.mode
            .lock()
            .expect("a mode")
            .clone()
            .unwrap_or_else(|| answer(202, 5))
    }
}

fn answer(status: u16, took_ms: u64) -> Outcome {
    Outcome::Answer {
        status,
        content_type: None,
        body: Vec::new(),
        took_ms,
    }
}

struct Stage {
    sandbox: Sandbox,
    time: Arc<Time>,
    receiver: Arc<Receiver>,
    mailbox: String,
    token: String,
}

impl Stage {
    async fn set() -> Self {
        let (time, receiver) = (Arc::new(Time::default()), Arc::new(Receiver::default()));
        time.0.store(1_700_000_000_000, Ordering::SeqCst);
        let options = Options {
            people: 5,
            users: 1,
            public_url: "http://sandbox.test".to_owned(),
            ..Options::default()
        };
        let sandbox = Sandbox::in_process(
            options,
            Arc::clone(&time) as _,
            Arc::clone(&time) as _,
            Arc::clone(&receiver) as _,
        );
        let mailbox = sandbox.ctx.lock().users[0].address.clone();
        let mut stage = Self {
            sandbox,
            time,
            receiver,
            mailbox,
            token: String::new(),
        };
        let issued = stage
            .call(
                "POST",
                "/_sandbox/tokens",
                json!({"mailbox": stage.mailbox}),
            )
            .await
            .1;
        stage.token = issued["access_token"].as_str().expect("a token").to_owned();
        stage
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(axum::body::Body::from(body.to_string()))
            .expect("a request");
        let answer = self
            .sandbox
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX)
            .await
            .expect("a body");
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }

    async fn subscribe(&self) -> u16 {
        let until = jiff::Timestamp::from_millisecond(self.time.now_ms() + 10_000 * 60_000)
            .expect("a time");
        let body = json!({"changeType": "created", "resource": "/me/contacts", "notificationUrl": "https://app.test/n",
            "lifecycleNotificationUrl": "https://app.test/l", "expirationDateTime": until.to_string()});
        self.call("POST", "/v1.0/subscriptions", body).await.0
    }

    async fn save(&self) {
        let body = json!({"mailbox": self.mailbox, "contact": {"givenName": "A"}});
        assert_eq!(
            self.call("POST", "/_sandbox/graph/contacts", body).await.0,
            200
        );
    }

    fn met(&self, mode: Option<Outcome>) {
        *self.receiver.mode.lock().expect("a mode") = mode;
    }

    /// Lets time pass, sending what comes due; returns what was sent.
    async fn pass(&self, ms: i64) -> Vec<Delivery> {
        let end = self.time.now_ms() + ms;
        loop {
            let due = self.sandbox.ctx.next_due_ms();
            let Some(due) = due.filter(|due| *due <= end) else {
                break;
            };
            self.time
                .0
                .store(due.max(self.time.now_ms()), Ordering::SeqCst);
            let sent = self.sandbox.ctx.pump_once().await;
            // What is due is sent or moves on: else this would go round for ever.
            let next = self.sandbox.ctx.next_due_ms();
            assert!(sent > 0 || next != Some(due), "due at {due} and never done");
        }
        self.time.0.store(end, Ordering::SeqCst);
        self.sandbox.ctx.pump_once().await;
        std::mem::take(&mut *self.receiver.got.lock().expect("a list"))
    }

    async fn subscription(&self) -> Value {
        self.call("GET", "/_sandbox/state", Value::Null).await.1["graph"]["subscriptions"][0]
            .clone()
    }
}

fn events(sent: &[Delivery]) -> Vec<String> {
    let bodies = sent.iter().filter(|delivery| delivery.url.ends_with("/l"));
    bodies
        .map(|one| {
            serde_json::from_slice::<Value>(&one.body).expect("JSON")["value"][0]["lifecycleEvent"]
                .as_str()
                .expect("an event")
                .to_owned()
        })
        .collect()
}

const MINUTE: i64 = 60_000;

#[tokio::test]
async fn a_late_handshake_is_none() {
    let stage = Stage::set().await;
    for late in [Outcome::TimedOut, Outcome::Failed, answer(200, 5)] {
        stage.met(Some(late));
        assert_eq!(stage.subscribe().await, 400);
    }
    stage.met(None);
    assert_eq!(stage.subscribe().await, 201);
}

#[tokio::test]
async fn a_refused_notification_comes_again_for_four_hours_and_is_missed() {
    let stage = Stage::set().await;
    stage.subscribe().await;
    stage.met(Some(answer(500, 5)));
    stage.save().await;
    let sent = stage.pass(5 * 60 * MINUTE).await;
    let tries: Vec<&Delivery> = sent.iter().filter(|one| one.url.ends_with("/n")).collect();
    assert!(tries.len() > 8, "{}", tries.len());
    assert_eq!(
        (tries[0].timeout.as_secs(), tries[1].timeout.as_secs()),
        (3, 10),
        "3 s first, 10 s later"
    );
    let gaps: Vec<i64> = tries
        .windows(2)
        .map(|pair| pair[1].not_before_ms - pair[0].not_before_ms)
        .collect();
    assert!(
        gaps[1] == 2 * gaps[0] && gaps[2] == 4 * gaps[0],
        "exponential: {gaps:?}"
    );
    assert!(gaps.iter().sum::<i64>() <= 4 * 60 * MINUTE);
    assert!(events(&sent).contains(&"missed".to_owned()));
    assert_eq!(stage.subscription().await["lost"], 1);
    stage.met(None);
    stage.save().await;
    assert_eq!(stage.pass(MINUTE).await.len(), 1);
    assert_eq!(stage.subscription().await["delivered"], 1);
}

#[tokio::test]
async fn what_waits_together_travels_by_the_twenty() {
    let stage = Stage::set().await;
    stage.subscribe().await;
    for _ in 0..45 {
        stage.save().await;
    }
    let sent = stage.pass(1_000).await;
    let items = sent.iter().map(|one| {
        let body: Value = serde_json::from_slice(&one.body).expect("JSON");
        body["value"].as_array().expect("items").len()
    });
    assert_eq!(items.collect::<Vec<_>>(), [20, 20, 5]);
}

#[tokio::test]
async fn over_three_seconds_is_not_delivered() {
    let stage = Stage::set().await;
    stage.subscribe().await;
    stage.met(Some(answer(202, 3_500)));
    stage.save().await;
    assert_eq!(stage.pass(1_000).await.len(), 1);
    stage.met(None);
    assert_eq!(stage.pass(MINUTE).await.len(), 1, "once more, with success");
    assert!(stage.pass(60 * MINUTE).await.is_empty());
}

#[tokio::test]
async fn a_slow_endpoint_waits_ten_minutes() {
    let stage = Stage::set().await;
    stage.subscribe().await;
    for n in 0..20 {
        stage.met((n % 6 == 0).then(|| answer(202, 3_500)));
        stage.save().await;
        stage.pass(1_000).await;
    }
    stage.met(None);
    stage.pass(30_000).await;
    stage.save().await;
    assert!(
        stage.pass(9 * MINUTE).await.is_empty(),
        "delayed by ten minutes"
    );
    assert_eq!(stage.pass(2 * MINUTE).await.len(), 1);
    stage.pass(20 * MINUTE).await;
    stage.save().await;
    assert_eq!(stage.pass(1_000).await.len(), 1, "good again");
}

#[tokio::test]
async fn a_very_slow_endpoint_loses_what_comes_and_is_told() {
    let stage = Stage::set().await;
    stage.subscribe().await;
    stage.met(Some(answer(202, 11_000)));
    for _ in 0..10 {
        stage.save().await;
        stage.pass(200).await;
    }
    stage.met(None);
    stage.pass(MINUTE).await;
    stage.save().await;
    let sent = stage.pass(5 * MINUTE).await;
    assert!(sent.is_empty(), "dropped");
    assert_eq!(stage.subscription().await["lost"], 1);
    let sent = stage.pass(30 * MINUTE).await;
    assert_eq!(events(&sent), ["missed"]);
    stage.save().await;
    assert_eq!(stage.pass(1_000).await.len(), 1);
}

#[tokio::test]
async fn nobody_there_is_not_slow() {
    let stage = Stage::set().await;
    stage.subscribe().await;
    stage.met(Some(Outcome::Failed));
    for _ in 0..15 {
        stage.save().await;
        stage.pass(100).await;
    }
    stage.met(None);
    let sent = stage.pass(MINUTE).await;
    assert_eq!(sent.len(), 15, "all come again once somebody is there");
}

#[tokio::test]
async fn a_paused_subscription_holds_for_four_hours() {
    let stage = Stage::set().await;
    stage.subscribe().await;
    stage
        .call(
            "POST",
            "/_sandbox/graph/lifecycle",
            json!({"mailbox": stage.mailbox, "event": "reauthorizationRequired"}),
        )
        .await;
    stage.save().await;
    assert_eq!(
        events(&stage.pass(MINUTE).await),
        ["reauthorizationRequired"]
    );
    assert_eq!(stage.subscription().await["held"], 1);
    assert_eq!(events(&stage.pass(5 * 60 * MINUTE).await), ["missed"]);
    assert_eq!(stage.subscription().await["lost"], 1);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_ids() {
    let (one, two) = (Stage::set().await, Stage::set().await);
    one.save().await;
    two.save().await;
    let path = format!("/_sandbox/graph/mailbox?mailbox={}", one.mailbox);
    assert_eq!(
        one.call("GET", &path, Value::Null).await,
        two.call("GET", &path, Value::Null).await
    );
}
