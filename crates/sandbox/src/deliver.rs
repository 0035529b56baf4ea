//! How webhooks and notifications leave the sandbox: the outbox, the pump, and HTTP.
//!
//! A side puts a [`Delivery`] in the outbox with [`State::send`], where hint faults strike.
//! [`Ctx::pump_once`] sends what is due, in order, one by one: a simulation drives it.
//! [`pump`] is the server's own: it starts what is due at once, in order, at most eight at a time
//! per webhook or subscription, so that a slow receiver holds up nobody else.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::{
    graph,
    state::{Ctx, Shared, State},
    tribe,
};

/// Which remote sends, or is called.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Tribe CRM.
    Tribe,
    /// Microsoft Graph.
    Graph,
}

/// One POST that a remote owes to somebody.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Who sends it.
    pub source: Source,
    /// The webhook's or subscription's id, so that the outcome can be told to its owner.
    pub owner: String,
    /// Absolute address, query included.
    pub url: String,
    /// Headers beside those that HTTP itself needs.
    pub headers: Vec<(String, String)>,
    /// The body as it is signed and sent.
    pub body: Vec<u8>,
    /// Not before this time, in milliseconds since the epoch by the sandbox's clock.
    pub not_before_ms: i64,
    /// How often it was tried.
    pub attempt: u32,
    /// How long the receiver may take to answer.
    pub timeout: Duration,
}

/// What the receiver said.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// An answer came: its status, `Content-Type` and body (cut at 64 KiB), and how long it took.
    Answer {
        /// HTTP status.
        status: u16,
        /// `Content-Type`, as sent.
        content_type: Option<String>,
        /// Body.
        body: Vec<u8>,
        /// Milliseconds from the first byte sent to the end of the body.
        took_ms: u64,
    },
    /// No connection, or one that broke.
    Failed,
    /// A connection, but no answer in time.
    TimedOut,
}

impl Outcome {
    /// Whether the receiver took it: any 2xx.
    #[must_use]
    pub fn accepted(&self) -> bool {
        matches!(self, Self::Answer { status, .. } if (200..300).contains(status))
    }
}

/// Sends a delivery. HTTP in the server; a simulation gives its own.
#[async_trait]
pub trait Post: Send + Sync {
    /// Sends it once and tells what came of it. Never retries.
    async fn post(&self, delivery: &Delivery) -> Outcome;
}

/// What is to be sent, by the time it is due, and in order of creation where times are equal.
///
/// Thousands wait here while a receiver is away, so that looking for what is due must not cost a
/// walk through all.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: BTreeMap<(i64, u64), Delivery>,
    next: u64,
}

impl Outbox {
    fn push(&mut self, delivery: Delivery) {
        self.waiting
            .insert((delivery.not_before_ms, self.next), delivery);
        self.next += 1;
    }

    fn take_due(&mut self, now_ms: i64) -> Vec<Delivery> {
        let later = self.waiting.split_off(&(now_ms.saturating_add(1), 0));
        std::mem::replace(&mut self.waiting, later)
            .into_values()
            .collect()
    }

    fn next_due_ms(&self) -> Option<i64> {
        self.waiting.keys().next().map(|(due, _)| *due)
    }

    /// The last one due after `from_ms`, and at `to_ms` at the latest, that fits. Its time must
    /// stay as it is.
    pub fn waiting(
        &mut self,
        from_ms: i64,
        to_ms: i64,
        fits: impl Fn(&Delivery) -> bool,
    ) -> Option<&mut Delivery> {
        let first = (from_ms.saturating_add(1), 0);
        let last = (to_ms, u64::MAX);
        if first > last {
            return None;
        }
        self.waiting
            .range_mut(first..=last)
            .map(|(_, delivery)| delivery)
            .rfind(|delivery| fits(delivery))
    }

    /// Keeps those that fit.
    pub fn retain(&mut self, fits: impl Fn(&Delivery) -> bool) {
        self.waiting.retain(|_, delivery| fits(delivery));
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl State {
    /// Puts a first attempt in the outbox; hint faults may drop, double, delay or disorder it here.
    pub fn send(&mut self, delivery: Delivery) {
        let fate = self.faults.hint(delivery.source, &mut self.rng);
        for delay_ms in fate {
            let mut copy = delivery.clone();
            copy.not_before_ms = copy.not_before_ms.saturating_add_unsigned(delay_ms);
            self.outbox.push(copy);
        }
        self.stirred = true;
    }

    /// Puts a repeated attempt in the outbox; hint faults leave those alone.
    pub fn send_again(&mut self, delivery: Delivery) {
        self.outbox.push(delivery);
        self.stirred = true;
    }

    /// Takes what is due, the earliest first, in order of creation where times are equal.
    pub fn take_due(&mut self) -> Vec<Delivery> {
        graph::tick(self);
        let now = self.now_ms();
        self.outbox.take_due(now)
    }

    /// When the next delivery is due, in milliseconds since the epoch by the sandbox's clock.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<i64> {
        self.outbox.next_due_ms()
    }

    /// Tells the sender what came of a delivery.
    pub fn delivered(&mut self, delivery: Delivery, outcome: &Outcome) {
        match delivery.source {
            Source::Tribe => tribe::delivered(self, delivery, outcome),
            Source::Graph => graph::delivered(self, delivery, outcome),
        }
    }
}

impl Ctx {
    /// Sends what is due now, in order, one by one, and returns how many were sent.
    pub async fn pump_once(&self) -> usize {
        let due = self.lock().take_due();
        let sent = due.len();
        for delivery in due {
            let outcome = self.post.post(&delivery).await;
            self.lock().delivered(delivery, &outcome);
        }
        sent
    }

    /// When [`Ctx::pump_once`] has something to do next: a delivery, or what time alone brings
    /// about at Graph (a subscription ends).
    #[must_use]
    pub fn next_due_ms(&self) -> Option<i64> {
        let state = self.lock();
        let next = [state.next_due_ms(), graph::next_event_ms(&state)];
        next.into_iter().flatten().min()
    }
}

/// How many deliveries of one webhook or subscription are under way at once in the server.
const ABREAST: usize = 8;

/// The server's pump: runs until its task is aborted.
pub async fn pump(ctx: Shared) {
    let mut lanes: HashMap<String, Arc<Semaphore>> = HashMap::new();
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let due = ctx.lock().take_due();
        let now = ctx.lock().now_ms();
        let next = ctx.next_due_ms();
        let next_in_ms = next.map(|at| u64::try_from(at - now).unwrap_or(0).max(1));
        for delivery in due {
            let lane = lanes
                .entry(delivery.owner.clone())
                .or_insert_with(|| Arc::new(Semaphore::new(ABREAST)));
            let (ctx, lane) = (Arc::clone(&ctx), Arc::clone(lane));
            // Permits are given in the order of asking, and tasks ask in the order of spawning
            // unless threads race: as much order as a remote keeps.
            tasks.spawn(async move {
                let _permit = lane.acquire_owned().await;
                let outcome = ctx.post.post(&delivery).await;
                ctx.lock().delivered(delivery, &outcome);
            });
        }
        match next_in_ms {
            Some(ms) => tokio::select! {
                () = ctx.wake.notified() => {}
                () = ctx.pause(ms) => {}
            },
            None => ctx.wake.notified().await,
        }
    }
}

/// Deliveries over HTTP.
pub struct HttpPost {
    client: reqwest::Client,
}

impl HttpPost {
    /// A client that follows no redirects and uses no proxy.
    ///
    /// # Errors
    /// When the TLS roots cannot be loaded.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .build()?;
        Ok(Self { client })
    }

    async fn try_post(&self, delivery: &Delivery) -> Result<Outcome, reqwest::Error> {
        // By the machine's time: whoever moves the sandbox's clock makes no receiver slow.
        let began = tokio::time::Instant::now();
        let mut request = self
            .client
            .post(&delivery.url)
            .timeout(delivery.timeout)
            .body(delivery.body.clone());
        for (name, value) in &delivery.headers {
            request = request.header(name, value);
        }
        let mut answer = request.send().await?;
        let status = answer.status().as_u16();
        let content_type = answer
            .headers()
            .get(http::header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        let mut body = Vec::new();
        while body.len() < 64 * 1024 {
            let Some(chunk) = answer.chunk().await? else {
                break;
            };
            body.extend_from_slice(&chunk);
        }
        body.truncate(64 * 1024);
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Outcome::Answer {
            status,
            content_type,
            body,
            took_ms,
        })
    }
}

#[async_trait]
impl Post for HttpPost {
    async fn post(&self, delivery: &Delivery) -> Outcome {
        match self.try_post(delivery).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::debug!(source = ?delivery.source, owner = delivery.owner, timeout = error.is_timeout(), "delivery failed");
                if error.is_timeout() && !error.is_connect() {
                    Outcome::TimedOut
                } else {
                    Outcome::Failed
                }
            }
        }
    }
}
