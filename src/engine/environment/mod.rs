//! The environment worker: one job of an environment's lane.
//!
//! # Map
//! - here: the order of work. [`hints`]: what webhooks and polls point at, read in bulk.
//!   [`one_by_one`]: where one of them stands in the way of the others.
//! - [`fan_out`]: which mailboxes a changed person concerns.
//! - [`poll`]: changes since the cursor. [`sweep`]: everything, by ids.
//! - [`webhooks`]: registration at Tribe. [`canary`]: rounds that prove the way.

mod canary;
mod fan_out;
mod hints;
mod one_by_one;
mod poll;
mod sweep;
mod webhooks;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tribelink_plan::ids::EnvironmentId;

use super::{Engine, Error, Land, lease::Held, millis, retry, schedule::Work};
use crate::{
    remote,
    store::{Change, Environment, Hint},
};

/// How many hints are worked on at once: as many as ten bulk reads take.
const HINTS: usize = 1_000;

/// What a job of this lane holds.
struct Job<'a> {
    engine: &'a Arc<Engine>,
    held: &'a Held,
    land: Land,
}

/// Works until nothing is due.
pub(super) async fn run(
    engine: &Arc<Engine>,
    held: &Held,
    id: &EnvironmentId,
    cancelled: &CancellationToken,
) -> Result<(), Error> {
    let store = &engine.ports.store;
    loop {
        if cancelled.is_cancelled() {
            return Ok(());
        }
        let waiting = store.hints(&held.lease().lane, engine.now(), HINTS).await?;
        let environment = store.environment(id).await?.ok_or(Error::NoLane)?;
        let chores = environment.chores_due_ms <= engine.now();
        if waiting.is_empty() && !chores {
            return Ok(());
        }
        let job = Job {
            engine,
            held,
            land: engine.open(environment).await?,
        };
        let work = if chores { Work::Chores } else { Work::Hints };
        let outcome = match work {
            Work::Chores => job.chores().await,
            Work::Hints => job.hints(&waiting).await,
        };
        let outcome = match outcome {
            Err(Error::Remote(error)) if !chores => job.one_by_one(&waiting, error).await,
            outcome => outcome,
        };
        match outcome {
            Ok(()) => engine.scheduler.recovered(&held.lease().lane, work),
            Err(Error::Remote(error)) => {
                job.put_off(chores, &waiting, &error).await?;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

impl Job<'_> {
    /// Poll, sweep and registration, whichever is due.
    async fn chores(&self) -> Result<(), Error> {
        let now = self.engine.now();
        let settings = &self.engine.settings;
        let mut environment = self.land.environment.clone();
        if now - environment.swept_ms >= millis(settings.sweep_interval) {
            if settings.register_webhooks {
                self.register_webhooks().await?;
            }
            self.sweep().await?;
            environment.swept_ms = now;
        }
        let canary_ms = self.canary().await?;
        // A fresh environment has nothing to catch up with: the first sync reads everything.
        let fresh = environment.polled_ms == 0;
        if fresh || now - environment.polled_ms >= millis(settings.poll_interval) {
            let mut changes = if fresh {
                Vec::new()
            } else {
                self.poll(environment.polled_ms).await?
            };
            environment.polled_ms = now;
            changes.push(self.next_chores(&environment, canary_ms));
            let certificates = self.engine.ports.rich.tidy().await?;
            let mut tidy = vec![Change::Tidy { now_ms: now }, certificates];
            if let Some(keep) = settings.keep_audit {
                let before_ms = now - millis(keep);
                tidy.push(Change::DropAudit { before_ms });
            }
            self.held.commit(tidy).await?;
            return self.held.commit(changes).await;
        }
        self.held
            .commit(vec![self.next_chores(&environment, canary_ms)])
            .await
    }

    fn next_chores(&self, environment: &Environment, canary_ms: i64) -> Change {
        let settings = &self.engine.settings;
        let poll = environment.polled_ms + millis(settings.poll_interval);
        let sweep = environment.swept_ms + millis(settings.sweep_interval);
        Change::SetEnvironmentChores {
            id: environment.id.clone(),
            polled_ms: environment.polled_ms,
            chores_due_ms: poll.min(sweep).min(canary_ms),
            swept_ms: environment.swept_ms,
        }
    }

    /// Tribe failed as a whole: the hints wait, and so do the chores.
    async fn put_off(
        &self,
        chores: bool,
        waiting: &[Hint],
        error: &remote::Error,
    ) -> Result<(), Error> {
        tracing::warn!(environment = %self.land.environment.id, %error, "Tribe failed; going on later");
        if let Some(rest) = self.land.rest() {
            self.held.keep_rest(rest).await?;
        }
        let lane = &self.held.lease().lane;
        let hints = match retry::concerns_hints(chores, error) {
            true => {
                let stored = self.engine.ports.store.hints(lane, i64::MAX, HINTS);
                retry::with_tried(stored.await?, waiting)
            }
            false => Vec::new(),
        };
        let work = if chores { Work::Chores } else { Work::Hints };
        let attempts = retry::attempts_of(&hints).max(self.engine.scheduler.setback(lane, work));
        let mut chance = [0];
        self.engine.ports.random.fill(&mut chance);
        let wait_ms = match error {
            remote::Error::Throttled { after: Some(after) } => {
                retry::wait_ms(*after, attempts, chance[0])
            }
            _ => retry::backoff_ms(attempts, chance[0]),
        };
        let now = self.engine.now();
        let at = now + wait_ms;
        if !hints.is_empty() {
            self.engine.scheduler.hold_back(lane, now, at);
        }
        let environment = &self.land.environment;
        let mut changes = retry::put_off(&hints, at);
        if chores {
            changes.push(Change::SetEnvironmentChores {
                id: environment.id.clone(),
                polled_ms: environment.polled_ms,
                chores_due_ms: at.max(self.engine.now() + 5_000),
                swept_ms: environment.swept_ms,
            });
        }
        self.held.insist(changes).await
    }
}
