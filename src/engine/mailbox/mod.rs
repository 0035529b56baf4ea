//! The mailbox worker: one job of one user's lane.
//!
//! # Map
//! - here: the order of work, and calls to Graph with the user's token.
//! - [`pass`]: a bunch of hints becomes cases. [`case`]: one person in a pass.
//! - [`gather`]: reads what the planner lacks; [`people`]: Tribe's side of it. [`told`]: what a
//!   notification brought along, in place of a read.
//! - [`ahead`]: what is about to be written, and what a lost pass left of that. [`execute`]: does
//!   what the plan says. [`record`]: keeps what came of it. [`brake`]: counts before a large pass.
//! - [`listing`]: the whole mailbox, with stamps. [`delta`]: what changed since the cursor.
//! - [`begin`]: first sync, resync, sweep. [`preview`]: what the first sync would do.
//! - [`care`]: subscription and chores. [`canary`]: a value that proves the way. [`undo`]: what goes
//!   back. [`shadow`]: what would be done.

mod ahead;
mod begin;
mod brake;
mod canary;
mod care;
mod case;
mod delta;
mod execute;
mod gather;
mod listing;
mod pass;
mod people;
mod preview;
mod record;
mod shadow;
mod told;
mod undo;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tribelink_plan::{
    contact::Stamp,
    ids::{FolderId, PersonId, UserId},
    mapping::Lens,
    planted::{self, Bug},
};

use super::{Engine, Error, Land, lease::Held, millis, retry, schedule::Work};
use crate::{
    activation::{self, tokens},
    ports::Wake as _,
    remote,
    store::{Change, Hint, Target, User, UserState},
    vault::LinkFingerprints,
};

/// How many hints are taken at once.
const HINTS: usize = 1_000;

/// What a job of this lane holds.
pub(super) struct Job<'a> {
    pub(super) engine: &'a Arc<Engine>,
    pub(super) held: &'a Held,
    pub(super) land: Land,
    /// The user as last read.
    pub(super) user: User,
    cancelled: &'a CancellationToken,
    /// R17: somebody released the user for this run.
    lifted: bool,
    listing: Option<listing::Listing>,
    /// What was read of Tribe for the next group.
    early: people::EarlyRead,
    /// The folders that this job walked, and when.
    folders: Option<(i64, Vec<crate::graph::Folder>)>,
    /// Folders that contacts were seen in and that are no contact folders.
    strange_folders: BTreeSet<FolderId>,
}

/// Calls Graph with the user's token and a time limit under the lease's; on a 401 once more with a
/// fresh token.
macro_rules! graph {
    ($job:expr, |$call:ident| $request:expr) => {{
        let mut refused: Option<secrecy::SecretString> = None;
        loop {
            let token = $job.token(refused.as_ref()).await?;
            let timeout = $job.held.time_limit().await?;
            let outcome = {
                let $call = &crate::graph::Call {
                    token: &token,
                    timeout,
                };
                $request.await
            };
            $job.note_rest(outcome.as_ref().err());
            match outcome {
                Err(crate::remote::Error::Unauthorised) if refused.is_none() => {
                    refused = Some(token)
                }
                outcome => break outcome,
            }
        }
    }};
}
pub(super) use graph;

/// Works until nothing is due.
pub(super) async fn run(
    engine: &Arc<Engine>,
    held: &Held,
    id: UserId,
    cancelled: &CancellationToken,
) -> Result<(), Error> {
    let store = &engine.ports.store;
    // First what waits, then whose it is: of a user as it was before, the hint of a first sync would be
    // dropped, or its end never seen.
    let lane = &held.lease().lane;
    let mut waiting = store.hints(lane, engine.now(), HINTS).await?;
    let user = store.user(id).await?.ok_or(Error::NoLane)?;
    let mut job = Job {
        land: engine.land(&user.environment).await?,
        engine,
        held,
        user,
        cancelled,
        lifted: false,
        listing: None,
        early: people::EarlyRead::default(),
        folders: None,
        strange_folders: BTreeSet::new(),
    };
    for round in 0_u64.. {
        job.step_allowed()?;
        let now = engine.now();
        if round > 0 {
            waiting = store.hints(lane, now, HINTS).await?;
        }
        // What the job itself knows of the user will do to see that nothing is left to do; a first sync
        // then moves it on, from what it is now.
        let ends = waiting.is_empty() && job.user.chores_due_ms > now;
        if round > 0 && (!ends || job.user.state == UserState::FirstSync) {
            job.user = store.user(id).await?.ok_or(Error::NoLane)?;
        }
        if !job.user.state.works() {
            // The lane is due for its chores alone, and would be again at once.
            return match job.user.chores_due_ms <= now {
                true => job.chores_can_wait().await,
                false => Ok(()),
            };
        }
        let chores = job.user.chores_due_ms <= now && job.user.state != UserState::Consented;
        if waiting.is_empty() && !chores {
            return job.first_sync_done().await;
        }
        if round > 0 && job.may_be_interrupted() && engine.scheduler.is_crowded() {
            engine.scheduler.lane(lane);
            return Ok(());
        }
        let asked = engine.rests.until(id, now).unwrap_or(i64::MIN);
        let until = job.user.throttled_until_ms.max(asked);
        if until > now {
            return job.wait_until(&waiting, until).await;
        }
        let outcome = if waiting.is_empty() {
            job.chores().await
        } else {
            job.work(&waiting).await
        };
        if let Some(rest) = job.land.rest() {
            held.keep_rest(rest).await?;
            job.land.environment.throttled_until_ms = job.land.crm.rests_until_ms();
        }
        match outcome {
            Ok(()) => {
                let work = match waiting.is_empty() {
                    true => Work::Chores,
                    false => Work::Hints,
                };
                engine.scheduler.recovered(lane, work);
            }
            Err(Error::Remote(error)) => return job.put_off(&waiting, &error).await,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Job<'_> {
    /// Whether whoever goes on later loses nothing: neither a listing of the whole mailbox, nor what
    /// somebody allowed this run.
    fn may_be_interrupted(&self) -> bool {
        self.listing.is_none() && !self.lifted
    }

    /// Special targets one by one, then people and contacts as a pass.
    async fn work(&mut self, waiting: &[Hint]) -> Result<(), Error> {
        if self.user.state == UserState::Consented {
            return self.only_preview(waiting).await;
        }
        for hint in waiting {
            match &hint.hint.target {
                Target::FirstSync => return self.first_sync(hint).await,
                Target::Resync => return self.resync(waiting).await,
                Target::Sweep => return self.sweep(hint).await,
                Target::Preview => return self.preview(hint).await,
                Target::Lifecycle {
                    event,
                    subscription,
                } => {
                    return self.lifecycle(hint, event, subscription).await;
                }
                Target::Canary { round } => return self.canary(hint, *round).await,
                Target::Delta | Target::Poll => return self.delta(waiting).await,
                Target::Entity { .. }
                | Target::Person { .. }
                | Target::Contact { .. }
                | Target::Undo { .. } => {}
            }
        }
        self.pass(waiting).await
    }

    /// Before the first sync nothing is worked on but previews: it will look at everything itself.
    async fn only_preview(&mut self, waiting: &[Hint]) -> Result<(), Error> {
        let is_preview = |hint: &&Hint| hint.hint.target == Target::Preview;
        let others = waiting
            .iter()
            .filter(|hint| !is_preview(hint))
            .map(|hint| hint.id)
            .collect();
        self.held.commit(vec![Change::DropHints(others)]).await?;
        match waiting.iter().find(is_preview) {
            Some(hint) => self.preview(hint).await,
            None => Ok(()),
        }
    }

    /// Stops between steps when the process ends or the user was disconnected.
    pub(super) fn step_allowed(&self) -> Result<(), Error> {
        if self.cancelled.is_cancelled() {
            return Err(Error::Stopped);
        }
        if self.engine.scheduler.is_stopped(self.user.id) {
            return Err(Error::Disconnected);
        }
        Ok(())
    }

    /// The access token; another one than `refused`.
    pub(super) async fn token(
        &self,
        refused: Option<&SecretString>,
    ) -> Result<SecretString, Error> {
        self.step_allowed()?;
        let keeper = &self.engine.ports.keeper;
        let token = match refused {
            None => keeper.access(self.user.id).await,
            Some(refused) => keeper.renewed(self.user.id, refused).await,
        };
        token.map_err(|error| match error {
            tokens::Error::Absent | tokens::Error::ConsentNeeded => Error::Disconnected,
            tokens::Error::Remote(error) => Error::Remote(error),
            tokens::Error::Store(error) => Error::Store(error),
            tokens::Error::Vault(error) => Error::Vault(error),
        })
    }

    /// The fingerprints of one link.
    pub(super) fn fingerprints(&self, person: PersonId) -> LinkFingerprints {
        self.land.key.bind(self.user.id, person)
    }

    pub(super) fn lens<'f>(&'f self, fingerprints: &'f LinkFingerprints) -> Lens<'f> {
        Lens {
            policy: self.land.policy_of(fingerprints.person()),
            fingerprints,
        }
    }

    /// The stamp of one person in this mailbox.
    pub(super) fn stamp(&self, person: PersonId) -> Stamp {
        Stamp {
            instance: self.engine.instance(self.land.organization),
            organization: self.land.organization.to_string(),
            person,
            employee: self.user.employee,
        }
    }

    /// Whose stamp it is, when it is one of this mailbox's.
    pub(super) fn stamped_person(&self, stamp: Option<&Stamp>) -> Option<PersonId> {
        let stamp = stamp?;
        (self.stamp(stamp.person).to_text() == stamp.to_text()).then_some(stamp.person)
    }

    pub(super) fn chance(&self) -> u8 {
        let mut byte = [0];
        self.engine.ports.random.fill(&mut byte);
        byte[0]
    }

    /// Graph or Tribe failed as a whole: the hints wait; a throttled mailbox rests altogether.
    async fn put_off(&self, waiting: &[Hint], error: &remote::Error) -> Result<(), Error> {
        tracing::info!(user = %self.user.id, %error, "a remote failed; going on later");
        let lane = &self.held.lease().lane;
        let chores = waiting.is_empty();
        let hints = match retry::concerns_hints(chores, error) {
            true => {
                let stored = self.engine.ports.store.hints(lane, i64::MAX, HINTS);
                // The rest that follows is kept though the database is away just now.
                retry::with_tried(stored.await.unwrap_or_default(), waiting)
            }
            false => Vec::new(),
        };
        let work = if chores { Work::Chores } else { Work::Hints };
        let attempts = retry::attempts_of(&hints).max(self.engine.scheduler.setback(lane, work));
        let wait_ms = match error {
            remote::Error::Throttled { .. } if planted::is(Bug::NoRest) => 0,
            remote::Error::Throttled { after: Some(after) } => {
                retry::wait_ms(*after, attempts, self.chance())
            }
            _ => retry::backoff_ms(attempts, self.chance()),
        };
        let now = self.engine.now();
        let until = now + wait_ms;
        if !hints.is_empty() {
            self.engine.scheduler.hold_back(lane, now, until);
        }
        let rests = matches!(error, remote::Error::Throttled { .. }) && !planted::is(Bug::NoRest);
        if rests {
            self.rest_until(until).await?;
        }
        let mut changes = retry::put_off(&hints, until);
        if rests || chores {
            changes.push(self.chores_change(
                until.max(self.user.chores_due_ms),
                if rests { until } else { 0 },
            ));
        }
        self.held.insist(changes).await
    }

    /// Keeps what Graph asked for, where the job ends without being put off.
    async fn rest(&self, after: Duration) -> Result<(), Error> {
        if planted::is(Bug::NoRest) {
            return Ok(());
        }
        let wait_ms = retry::wait_ms(after, 0, self.chance());
        self.rest_until(self.engine.now() + wait_ms).await
    }

    /// What a refusal of Graph's asks for, known here before anything can end the job.
    fn note_rest(&self, refusal: Option<&remote::Error>) {
        if let Some(remote::Error::Throttled { after: Some(after) }) = refusal
            && !planted::is(Bug::NoRest)
        {
            let until_ms = self.engine.now() + millis(*after);
            self.engine.rests.ask(self.user.id, until_ms);
        }
    }

    async fn rest_until(&self, until_ms: i64) -> Result<(), Error> {
        let id = self.user.id;
        self.engine.rests.ask(id, until_ms);
        self.held.keep_rest(Change::RestUser { id, until_ms }).await
    }

    async fn wait_until(&self, waiting: &[Hint], until: i64) -> Result<(), Error> {
        let lane = &self.held.lease().lane;
        self.engine
            .scheduler
            .hold_back(lane, self.engine.now(), until);
        let mut changes = retry::wait_until(waiting, until);
        changes.push(self.chores_change(until.max(self.user.chores_due_ms), until));
        self.held.commit(changes).await
    }

    /// Nobody works on this user: whatever lets it go on looks at everything anyway.
    async fn chores_can_wait(&self) -> Result<(), Error> {
        let later = self.engine.now() + self.delta_interval_ms();
        let change = self.chores_change(later, self.user.throttled_until_ms);
        self.held.commit(vec![change]).await
    }

    pub(super) fn chores_change(&self, chores_due_ms: i64, throttled_until_ms: i64) -> Change {
        Change::SetUserChores {
            id: self.user.id,
            chores_due_ms,
            delta_ms: self.user.delta_ms,
            proven_ms: self.user.proven_ms,
            throttled_until_ms,
        }
    }

    /// The first sync ends when everybody was tried once; what failed goes on as usual.
    async fn first_sync_done(&mut self) -> Result<(), Error> {
        let Some((done, total)) = self.user.progress else {
            return Ok(());
        };
        if self.user.state != UserState::FirstSync {
            return Ok(());
        }
        // Those who were put off as a whole were not tried yet.
        let store = &self.engine.ports.store;
        if done < total && store.mailbox_backlog(self.user.id).await?.0 > 0 {
            return Ok(());
        }
        let step = activation::transition::step(
            self.user.state,
            self.user.resume_state,
            activation::Command::FirstSyncDone,
        );
        let Ok(step) = step else { return Ok(()) };
        self.user.proven_ms = Some(self.engine.now());
        self.held
            .commit(vec![
                Change::MoveUser {
                    id: self.user.id,
                    from: self.user.state,
                    to: step.to,
                    resume_state: step.resume,
                    reason: None,
                },
                Change::SetUserChores {
                    id: self.user.id,
                    chores_due_ms: self.user.chores_due_ms,
                    delta_ms: self.user.delta_ms,
                    proven_ms: self.user.proven_ms,
                    // A rest that Graph asked for lasts, whatever the user's state.
                    throttled_until_ms: self.user.throttled_until_ms,
                },
            ])
            .await
    }

    pub(super) fn delta_interval_ms(&self) -> i64 {
        millis(self.engine.settings.delta_interval)
    }
}

/// Runs a write to Tribe under a time limit: without an answer by then its outcome is unknown.
pub(super) async fn limited<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, remote::Error>>,
) -> Result<T, remote::Error> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(remote::Error::OutcomeUnknown(
            "no answer in time".to_owned(),
        ))
    })
}
