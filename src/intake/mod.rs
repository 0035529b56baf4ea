//! Intake: hints from outside are judged, stored durably, and only then acknowledged.
//!
//! A hint is no data: it says "look at this". What is judged here is whether the sender may say so,
//! and whether it names something. Everything else is read again by the workers.
//!
//! # Map
//! - [`tribe`]: may a webhook say so (pure). [`door`]: which secrets open an environment's door, kept
//!   in memory so that a delivery costs no read. [`replays`]: which deliveries came before.
//! - [`graph`]: what Graph's items point at (pure). [`subscriptions`]: which `clientState` belongs to
//!   whom, kept in memory for the same reason.
//! - [`Intake`]: both in one, over the store.
//!
//! What a delivery looks like, [`crate::tribe::webhook`] and [`crate::graph::notice`] know.

pub mod door;
pub mod graph;
pub mod replays;
pub mod subscriptions;
pub mod tribe;

use std::{collections::BTreeSet, sync::Arc};

use http::HeaderMap;
use tribelink_plan::ids::EnvironmentId;

use self::graph::Points;
use crate::{
    clock::Clock,
    crash,
    graph::notice::{self, BadNotice, Items, Sender},
    ports::Wake,
    remote::json::BadJson,
    rich::{Arrived, Rich},
    store::{self, Lane, NewHint, Source, Store, Target},
    telemetry::{meter, trace::Arrivals},
    tribe::webhook::{self, BadDelivery},
};

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

impl From<BadDelivery> for Refusal {
    fn from(bad: BadDelivery) -> Refusal {
        Refusal::Unusable(match bad {
            BadDelivery::Json(BadJson::TooDeep) => "the JSON nests too deep",
            BadDelivery::Json(BadJson::NotJson) => "the body is not a webhook's JSON",
            BadDelivery::NoId => "neither entityId nor relationshipId is a GUID",
        })
    }
}

impl From<BadNotice> for Refusal {
    fn from(bad: BadNotice) -> Refusal {
        match bad {
            BadNotice::Json(BadJson::TooDeep) => Refusal::Unusable("the JSON nests too deep"),
            BadNotice::Json(BadJson::NotJson) | BadNotice::NoList => {
                Refusal::Unusable("the body is not a collection of notifications")
            }
            BadNotice::TooMany => Refusal::TooLarge,
        }
    }
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
    /// What notifications bring along.
    pub rich: Arc<Rich>,
    /// Deliveries of late.
    pub replays: replays::Replays,
}

impl Intake {
    /// Takes one delivery of Tribe. When it returns `Ok`, the hint is durable.
    ///
    /// # Errors
    /// Nothing was stored. [`Refusal::Unavailable`] is safe to repeat, the others do not change.
    pub async fn tribe(
        &self,
        environment: EnvironmentId,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), Refusal> {
        let taken = self.judge_tribe(&environment, headers, body).await;
        let outcome = match &taken {
            Ok(_) => "authentic",
            Err(Refusal::UnknownEnvironment) => "unknown_environment",
            Err(Refusal::NotAuthentic) => "not_authentic",
            Err(Refusal::Unusable(_) | Refusal::TooLarge) => "unusable",
            Err(Refusal::Unavailable) => "unavailable",
        };
        meter::received("tribe", outcome, 1);
        let target = taken?;
        if self.replays.came_before(body) {
            meter::repeated();
        }
        let now = self.clock.now_ms();
        self.keep(
            vec![NewHint {
                environment,
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
        let delivery = webhook::parse(body)?;
        Ok(Target::Entity {
            id: delivery.entity,
            kind: delivery.entity_type,
        })
    }

    /// Takes a POST of Graph's change notifications. When it returns `Ok`, every item of a known
    /// subscription is durable; strangers are dropped, one by one.
    ///
    /// # Errors
    /// Nothing was stored. [`Refusal::Unavailable`] is safe to repeat.
    pub async fn notifications(&self, body: &[u8]) -> Result<Taken, Refusal> {
        self.graph(notice::notices(body)?).await
    }

    /// Takes a POST of Graph's lifecycle events, under the same terms.
    ///
    /// # Errors
    /// As [`Intake::notifications`].
    pub async fn lifecycle(&self, body: &[u8]) -> Result<Taken, Refusal> {
        self.graph(notice::lifecycle(body)?).await
    }

    async fn graph<T: Points>(&self, items: Items<T>) -> Result<Taken, Refusal> {
        let now = self.clock.now_ms();
        let mut hints = Vec::with_capacity(items.items.len());
        let mut contents = Vec::new();
        let (mut authentic, mut strangers) = (0, items.dropped);
        // Items of one subscription come together.
        let mut asked: Option<(&str, Option<subscriptions::Known>)> = None;
        for item in &items.items {
            let sender = item.sender();
            if asked
                .as_ref()
                .is_none_or(|(id, _)| *id != sender.subscription)
            {
                asked = Some((&sender.subscription, self.known(sender).await?));
            }
            let known = asked.as_ref().and_then(|(_, known)| known.as_ref());
            let is_authentic = |known: &&subscriptions::Known| {
                graph::is_authentic(sender, &known.client_state_hash)
            };
            let Some(known) = known.filter(is_authentic) else {
                strangers += 1;
                continue;
            };
            authentic += 1;
            if let Some((contact, etag, content)) = item.content() {
                let certificate = known.certificate.clone();
                contents.push((known.user, contact, etag, content, certificate));
            }
            hints.push(NewHint {
                environment: known.environment.clone(),
                user: Some(known.user),
                target: item.target(),
                source: T::SOURCE,
                received_ms: now,
                not_before_ms: now,
                attempts: 0,
            });
        }
        let hints = each_once(hints);
        let taken = Taken {
            stored: hints.len(),
            strangers,
        };
        meter::received(T::NAME, "authentic", authentic);
        meter::received(T::NAME, "stranger", taken.strangers);
        // Before the hints: whoever works on one finds what came with it.
        let arrived = contents.iter().map(|content| Arrived {
            user: content.0,
            contact: content.1,
            etag: content.2,
            content: content.3,
            certificate: content.4.as_deref(),
        });
        self.rich.keep(items.proofs.as_deref(), arrived);
        self.keep(hints, T::NAME).await?;
        Ok(taken)
    }

    async fn known(&self, sender: &Sender) -> Result<Option<subscriptions::Known>, Refusal> {
        let found = self.subscriptions.find(&sender.subscription).await;
        found.map_err(|error| {
            tracing::error!(%error, "a notification could not be judged");
            Refusal::Unavailable
        })
    }

    async fn keep(&self, hints: Vec<NewHint>, source: &'static str) -> Result<(), Refusal> {
        if hints.is_empty() {
            return Ok(());
        }
        let lanes = lanes_of(&hints);
        let arrivals = Arrivals::of(&hints);
        crash::point("hints-judged");
        if let Err(error) = self.store.add_hints(hints).await {
            log_store(&error);
            meter::received(source, "unavailable", 1);
            return Err(Refusal::Unavailable);
        }
        crash::point("hints-committed");
        for lane in &lanes {
            self.wake.lane(lane);
        }
        arrivals.kept(self.clock.now_ms());
        Ok(())
    }
}

/// One save arrives as several items: the same hint twice in one POST is one hint.
fn each_once(mut hints: Vec<NewHint>) -> Vec<NewHint> {
    let fresh: Vec<bool> = {
        let mut seen = BTreeSet::new();
        let fresh = hints
            .iter()
            .map(|hint| seen.insert((hint.user, &hint.target)));
        fresh.collect()
    };
    let mut fresh = fresh.into_iter();
    hints.retain(|_| fresh.next().unwrap_or(true));
    hints
}

/// The lanes that hints concern, each once.
fn lanes_of(hints: &[NewHint]) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    for hint in hints {
        // Those of one delivery mostly concern one lane.
        let is_new = |last: &Lane| match hint.user {
            Some(user) => *last != Lane::Mailbox(user),
            None => true,
        };
        if lanes.last().is_none_or(is_new) {
            lanes.push(lane_of(hint));
        }
    }
    lanes.sort();
    lanes.dedup();
    lanes
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
