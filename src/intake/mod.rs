//! Intake: hints from outside are judged, stored durably, and only then acknowledged.
//!
//! A hint is no data: it says "look at this". What is judged here is whether the sender may say so,
//! and whether it names something. Everything else is read again by the workers.
//!
//! # Map
//! - [`tribe`]: a webhook of Tribe (pure). [`door`]: which secrets open an environment's door, kept
//!   in memory so that a delivery costs no read.
//! - [`graph`]: Graph's notifications and lifecycle events (pure). [`subscriptions`]: which
//!   `clientState` belongs to whom, kept in memory for the same reason.
//! - [`depth`]: a bound on nesting, before any parser recurses.
//! - [`Intake`]: the three in one, over the store.

pub mod depth;
pub mod door;
pub mod graph;
pub mod subscriptions;
pub mod tribe;

use std::{collections::BTreeSet, sync::Arc};

use http::HeaderMap;
use tribelink_plan::ids::EnvironmentId;

use crate::{
    clock::Clock,
    ports::Wake,
    store::{self, Lane, NewHint, Source, Store, Target},
};

/// Deepest nesting of a notification that is read; both vendors stay under ten.
pub const MAX_DEPTH: usize = 32;

/// Most items of one notification. Graph batches a few hundred; more is no honest sender.
pub const MAX_ITEMS: usize = 10_000;

/// Why a hint was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such environment.
    #[error("there is no such environment")]
    UnknownEnvironment,
    /// Neither a signature nor a custom header fits.
    #[error("the delivery is not authentic")]
    NotAuthentic,
    /// The body cannot be used.
    #[error("{0}")]
    Unusable(&'static str),
    /// More items than one notification may have.
    #[error("too many items in one notification")]
    TooLarge,
    /// It could not be judged or stored; the sender repeats it later.
    #[error("the hint could not be stored; repeat it later")]
    Unavailable,
}

/// What became of a notification's items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Stored.
    pub stored: usize,
    /// Dropped: unknown subscription, wrong `clientState`, or not of the documented form.
    pub strangers: usize,
}

/// Takes hints in.
pub struct Intake {
    /// Where hints are kept.
    pub store: Arc<dyn Store>,
    /// Tells when they were received.
    pub clock: Arc<dyn Clock>,
    /// Told once they are kept.
    pub wake: Arc<dyn Wake>,
    /// Tribe's doors.
    pub doors: door::Doors,
    /// Graph's subscriptions.
    pub subscriptions: Arc<subscriptions::Subscriptions>,
}

impl Intake {
    /// Takes one delivery of Tribe. When it returns `Ok`, the hint is durable.
    ///
    /// # Errors
    /// Nothing was stored. [`Refusal::Unavailable`] is safe to repeat, the others do not change.
    pub async fn tribe(
        &self,
        environment: &EnvironmentId,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), Refusal> {
        let taken = self.judge_tribe(environment, headers, body).await;
        let outcome = match &taken {
            Ok(_) => "authentic",
            Err(Refusal::UnknownEnvironment) => "unknown_environment",
            Err(Refusal::NotAuthentic) => "not_authentic",
            Err(Refusal::Unusable(_) | Refusal::TooLarge) => "unusable",
            Err(Refusal::Unavailable) => "unavailable",
        };
        count("tribe", outcome, 1);
        let target = taken?;
        let now = self.clock.now_ms();
        self.keep(
            vec![NewHint {
                environment: environment.clone(),
                user: None,
                target,
                source: Source::Webhook,
                received_ms: now,
                not_before_ms: now,
                attempts: 0,
            }],
            "tribe",
        )
        .await
    }

    async fn judge_tribe(
        &self,
        environment: &EnvironmentId,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Target, Refusal> {
        let fits = |door: &door::Door| tribe::is_authentic(door, headers, body);
        match self.doors.open(environment, fits).await {
            Ok(door::Opened::Unknown) => return Err(Refusal::UnknownEnvironment),
            Ok(door::Opened::Shut) => return Err(Refusal::NotAuthentic),
            Ok(door::Opened::Open) => {}
            Err(error) => {
                tracing::error!(%environment, %error, "a webhook could not be judged");
                return Err(Refusal::Unavailable);
            }
        }
        tribe::target(body)
    }

    /// Takes a POST of Graph's change notifications. When it returns `Ok`, every item of a known
    /// subscription is durable; strangers are dropped, one by one.
    ///
    /// # Errors
    /// Nothing was stored. [`Refusal::Unavailable`] is safe to repeat.
    pub async fn notifications(&self, body: &[u8]) -> Result<Taken, Refusal> {
        let items = graph::items(body)?;
        self.graph(items, "notification", graph::notification).await
    }

    /// Takes a POST of Graph's lifecycle events, under the same terms.
    ///
    /// # Errors
    /// As [`Intake::notifications`].
    pub async fn lifecycle(&self, body: &[u8]) -> Result<Taken, Refusal> {
        let items = graph::items(body)?;
        self.graph(items, "lifecycle", graph::lifecycle).await
    }

    async fn graph(
        &self,
        items: Vec<graph::Item>,
        source: &'static str,
        hint: fn(&graph::Item) -> Option<(Target, Source)>,
    ) -> Result<Taken, Refusal> {
        let now = self.clock.now_ms();
        let total = items.len();
        // One save arrives as several items; the same hint twice in one POST is one hint.
        let mut seen = BTreeSet::new();
        let mut hints = Vec::new();
        let mut authentic = 0;
        for item in &items {
            let Some(known) = self.judge_graph(item).await? else {
                continue;
            };
            let Some((target, source)) = hint(item) else {
                continue;
            };
            authentic += 1;
            if seen.insert((known.user, target.clone())) {
                hints.push(NewHint {
                    environment: known.environment,
                    user: Some(known.user),
                    target,
                    source,
                    received_ms: now,
                    not_before_ms: now,
                    attempts: 0,
                });
            }
        }
        let taken = Taken {
            stored: hints.len(),
            strangers: total - authentic,
        };
        count(source, "authentic", authentic);
        count(source, "stranger", taken.strangers);
        self.keep(hints, source).await?;
        Ok(taken)
    }

    async fn judge_graph(
        &self,
        item: &graph::Item,
    ) -> Result<Option<subscriptions::Known>, Refusal> {
        let Some(id) = item.subscription() else {
            return Ok(None);
        };
        match self.subscriptions.find(id).await {
            Ok(Some(known)) if item.proves(&known.client_state_hash) => Ok(Some(known)),
            Ok(_) => Ok(None),
            Err(error) => {
                tracing::error!(%error, "a notification could not be judged");
                Err(Refusal::Unavailable)
            }
        }
    }

    async fn keep(&self, hints: Vec<NewHint>, source: &'static str) -> Result<(), Refusal> {
        if hints.is_empty() {
            return Ok(());
        }
        let lanes: BTreeSet<Lane> = hints.iter().map(lane_of).collect();
        if let Err(error) = self.store.add_hints(hints).await {
            log_store(&error);
            count(source, "unavailable", 1);
            return Err(Refusal::Unavailable);
        }
        for lane in &lanes {
            self.wake.lane(lane);
        }
        Ok(())
    }
}

/// The lane on which a hint is worked.
pub fn lane_of(hint: &NewHint) -> Lane {
    match hint.user {
        Some(user) => Lane::Mailbox(user),
        None => Lane::Environment(hint.environment.clone()),
    }
}

fn log_store(error: &store::Error) {
    tracing::error!(%error, "hints could not be stored");
}

fn count(source: &'static str, outcome: &'static str, by: usize) {
    metrics::counter!("tribelink_hints_received_total", "source" => source, "outcome" => outcome)
        .increment(by as u64);
}
