//! Which lane runs when.
//!
//! A hint wakes its lane at once. Underneath, the store is asked for due lanes whenever the next
//! one falls due, and every few seconds in case another replica left something: nothing waits on a
//! timer, and nothing depends on being woken. Where several replicas live, each begins with the lanes
//! that are its own, and with another's once they have waited. Mailboxes take turns: where more have
//! something to do than may run at once, one that goes on and on lines up anew after each pass.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tribelink_plan::ids::UserId;

use super::{
    Engine, Error, environment,
    lease::Held,
    mailbox,
    queue::Queue,
    share::{Share, Waiting},
};
use crate::{ports::Wake, remote, store, store::Lane, telemetry::meter};

/// How often the store is asked for due lanes though nobody woke the engine.
const LOOK: Duration = Duration::from_secs(5);

/// The store is asked at most so often when the next lane falls due. What is due at once wakes its lane,
/// so that only what was put off can be late by it.
const ASK_MS: i64 = 50;

/// How many due lanes are taken in one look.
const LANES: usize = 1_000;

/// How long a lane rests after a job that failed as a whole.
const REST_MS: i64 = 1_000;

/// How long a lane that was put off is not woken again: while a remote is away, arrivals would have it
/// tried, and all that waits written anew, as often as they come.
const BREATH_MS: i64 = 1_000;

/// Which lanes wait for their turn, run, rest.
#[derive(Default)]
pub struct Scheduler {
    state: Mutex<State>,
    bell: Notify,
}

/// What a lane works on. They fail each by itself: chores that ask one remote say nothing of the other, which
/// the hints wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    Chores,
    Hints,
}

#[derive(Default)]
struct State {
    environments: Queue,
    mailboxes: Queue,
    running: BTreeSet<Lane>,
    mailboxes_running: usize,
    /// Woken while they ran.
    again: BTreeSet<Lane>,
    /// Put off a moment ago: until when, and whether it was woken meanwhile.
    held_back: BTreeMap<Lane, (i64, bool)>,
    resting: BTreeMap<Lane, i64>,
    failures: BTreeMap<Lane, u32>,
    setbacks: BTreeMap<(Lane, Work), u32>,
    stopped: BTreeSet<UserId>,
    share: Share,
}

impl State {
    /// Lines up; whether it did not stand there before. The job of a lane that runs looks once more
    /// before it ends, and its lane is looked at after that, too.
    fn push(&mut self, lane: &Lane) -> bool {
        if self.running.contains(lane) {
            if !self.again.contains(lane) {
                self.again.insert(lane.clone());
            }
            return false;
        }
        if let Some((_, woken)) = self.held_back.get_mut(lane) {
            *woken = true;
            return false;
        }
        match lane {
            Lane::Environment(_) => self.environments.push(lane),
            Lane::Mailbox(_) => self.mailboxes.push(lane),
        }
    }

    /// Lets go those that were held back for long enough; when the next one may be let go.
    fn let_go(&mut self, now_ms: i64) -> i64 {
        let mut gone = Vec::new();
        let mut next_ms = i64::MAX;
        self.held_back.retain(|lane, (until_ms, woken)| {
            if *until_ms > now_ms {
                next_ms = next_ms.min(*until_ms);
                return true;
            }
            if *woken {
                gone.push(lane.clone());
            }
            false
        });
        for lane in &gone {
            self.push(lane);
        }
        next_ms
    }

    /// The next lane that may run, of so many mailboxes at most; it counts as running from now on.
    fn next(&mut self, now_ms: i64, mailboxes: usize) -> Option<Lane> {
        loop {
            let has_room = self.mailboxes_running < mailboxes;
            let mailbox = || has_room.then(|| self.mailboxes.pop()).flatten();
            let lane = self.environments.pop().or_else(mailbox)?;
            // A resting lane is due again by itself.
            if self.resting.get(&lane).is_none_or(|until| *until <= now_ms) {
                self.mailboxes_running += usize::from(matches!(lane, Lane::Mailbox(_)));
                self.running.insert(lane.clone());
                return Some(lane);
            }
        }
    }
}

impl Scheduler {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who lives, from now on; whether that has changed.
    pub(crate) fn set_share(&self, share: Share) -> bool {
        let mut state = self.state();
        let changed = state.share != share;
        if changed {
            state.share = share;
            self.bell.notify_one();
        }
        changed
    }

    /// Whether a user was disconnected while its job runs.
    pub(crate) fn is_stopped(&self, user: UserId) -> bool {
        self.state().stopped.contains(&user)
    }

    /// Whether others wait for the turn of a mailbox that runs.
    pub(crate) fn is_crowded(&self) -> bool {
        !self.state().mailboxes.is_empty()
    }

    /// A lane's work of that kind was put off as a whole once more; answers how often in a row it was
    /// before.
    pub(crate) fn setback(&self, lane: &Lane, work: Work) -> u32 {
        let mut state = self.state();
        let known = state.setbacks.entry((lane.clone(), work)).or_default();
        let before = *known;
        *known = before.saturating_add(1);
        before
    }

    /// A lane was put off until then: whatever arrives does not wake it in the next second.
    pub(crate) fn hold_back(&self, lane: &Lane, now_ms: i64, until_ms: i64) {
        let until_ms = until_ms.min(now_ms + BREATH_MS);
        let mut state = self.state();
        state.held_back.insert(lane.clone(), (until_ms, false));
    }

    /// A lane's work of that kind came to its end.
    pub(crate) fn recovered(&self, lane: &Lane, work: Work) {
        self.state().setbacks.remove(&(lane.clone(), work));
    }

    fn finish(&self, lane: &Lane, outcome: &Result<(), Error>, now_ms: i64) {
        let mut state = self.state();
        state.running.remove(lane);
        if let Lane::Mailbox(user) = lane {
            state.mailboxes_running -= 1;
            state.stopped.remove(user);
        }
        if state.again.remove(lane) {
            state.push(lane);
        }
        if outcome.is_ok() {
            state.failures.remove(lane);
            state.resting.remove(lane);
        } else {
            let failures = state.failures.entry(lane.clone()).or_default();
            *failures = failures.saturating_add(1);
            let rest = REST_MS.saturating_mul(1_i64 << (*failures - 1).min(6));
            state.resting.insert(lane.clone(), now_ms + rest);
        }
        drop(state);
        self.bell.notify_one();
    }
}

impl Wake for Scheduler {
    fn lane(&self, lane: &Lane) {
        let mut state = self.state();
        // The owner of another's lane was called by the store, and is looked after by a look at what
        // is due.
        let rings = if state.share.owns(lane) || state.running.contains(lane) {
            state.push(lane)
        } else {
            true
        };
        drop(state);
        // Whoever is lined up already was rung for, and the end of a job rings by itself: a burst of
        // arrivals in one lane rings once.
        if rings {
            self.bell.notify_one();
        }
    }

    fn stop(&self, user: UserId) {
        let mut state = self.state();
        if state.running.contains(&Lane::Mailbox(user)) {
            state.stopped.insert(user);
        }
    }
}

impl Engine {
    /// Runs until cancelled; then lets jobs under way finish their step and give their leases back.
    pub async fn run(self: &Arc<Self>, cancelled: CancellationToken) {
        let mut jobs: JoinSet<()> = JoinSet::new();
        let mut look_at_ms = 0;
        let mut ask_at_ms = 0;
        let mut waiting = Waiting::default();
        self.beat().await;
        let mut beating = std::pin::pin!(self.beat_on());
        while !cancelled.is_cancelled() {
            let now = self.now();
            let (share, let_go_ms) = {
                let mut state = self.scheduler.state();
                // Whoever has rested is asked of the store again, like everybody else.
                state.resting.retain(|_, until| *until > now);
                let let_go_ms = state.let_go(now);
                (state.share.clone(), let_go_ms)
            };
            let looks = now >= look_at_ms;
            if looks {
                match self.ports.store.due_lanes(now, LANES).await {
                    Ok(due) => {
                        let mut state = self.scheduler.state();
                        for lane in waiting.choose(due, &share, now) {
                            state.push(&lane);
                        }
                    }
                    Err(error) => tracing::warn!(%error, "cannot ask for due work; trying again"),
                }
            }
            let next = || self.scheduler.state().next(now, self.settings.mailboxes);
            for lane in std::iter::from_fn(next) {
                self.start(lane, &mut jobs, &cancelled);
            }
            if looks || now >= ask_at_ms {
                let next_ms = self.now() + self.wait_ms(self.now()).await;
                ask_at_ms = i64::MAX;
                // Whoever is woken again and again still looks when it was to look.
                look_at_ms = if looks {
                    next_ms
                } else {
                    look_at_ms.min(next_ms)
                };
            }
            let wait_ms = look_at_ms.min(ask_at_ms).min(let_go_ms) - self.now();
            let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
            tokio::select! {
                biased;
                () = cancelled.cancelled() => {}
                () = self.scheduler.bell.notified() => ask_at_ms = ask_at_ms.min(self.now() + ASK_MS),
                lane = self.ports.store.woken() => self.scheduler.lane(&lane),
                () = &mut beating => {}
                Some(_) = jobs.join_next(), if !jobs.is_empty() => {
                    ask_at_ms = ask_at_ms.min(self.now() + ASK_MS);
                }
                () = self.ports.clock.sleep(wait) => {}
            }
        }
        while jobs.join_next().await.is_some() {}
        if let Err(error) = self.ports.store.leave(&self.holder).await {
            tracing::debug!(%error, "not signed off; the others notice by themselves");
        }
    }

    /// How long until the next look at the store.
    async fn wait_ms(&self, now_ms: i64) -> i64 {
        let next = self.ports.store.next_due(now_ms).await.ok().flatten();
        let rested = self.scheduler.state().resting.values().min().copied();
        let soonest = [next, rested]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(i64::MAX);
        let longest = super::millis(LOOK);
        (soonest.saturating_sub(now_ms)).clamp(
            if next.is_some_and(|next| next <= now_ms) {
                200
            } else {
                5
            },
            longest,
        )
    }

    fn start(self: &Arc<Self>, lane: Lane, jobs: &mut JoinSet<()>, cancelled: &CancellationToken) {
        let engine = Arc::clone(self);
        let cancelled = cancelled.clone();
        jobs.spawn(async move {
            // A job that panics ends as one that failed: its lane rests and is due again.
            let job = AssertUnwindSafe(engine.job(&lane, &cancelled)).catch_unwind();
            let outcome = job.await.unwrap_or(Err(Error::Panicked));
            if let Err(error) = &outcome {
                report(&lane, error);
            }
            meter::job_ended(&lane, ended(&outcome));
            engine.scheduler.finish(&lane, &outcome, engine.now());
        });
    }

    /// One job of a lane: works until nothing is due.
    async fn job(
        self: &Arc<Self>,
        lane: &Lane,
        cancelled: &CancellationToken,
    ) -> Result<(), Error> {
        let Some(held) = Held::claim(self, lane).await? else {
            return Ok(());
        };
        let work = async {
            match lane {
                Lane::Environment(id) => environment::run(self, &held, id, cancelled).await,
                Lane::Mailbox(id) => mailbox::run(self, &held, *id, cancelled).await,
            }
        };
        let outcome = tokio::select! {
            biased;
            outcome = work => outcome,
            () = held.keep() => Err(Error::Store(store::Error::LeaseLost)),
        };
        held.release().await;
        outcome
    }

    /// Whether nothing waits, runs or rests: for tests and the demonstration.
    pub fn is_idle(&self) -> bool {
        let state = self.scheduler.state();
        let woken = state.held_back.values().any(|(_, woken)| *woken);
        let waits = woken || !state.environments.is_empty() || !state.mailboxes.is_empty();
        !waits && state.running.is_empty() && state.resting.is_empty()
    }
}

fn ended(outcome: &Result<(), Error>) -> meter::Job {
    match outcome {
        Ok(()) | Err(Error::Disconnected | Error::Stopped | Error::NoLane) => meter::Job::Done,
        Err(Error::Panicked) => meter::Job::Panicked,
        Err(_) => meter::Job::Failed,
    }
}

fn report(lane: &Lane, error: &Error) {
    let (kind, id) = match lane {
        Lane::Environment(id) => ("environment", id.to_string()),
        Lane::Mailbox(id) => ("mailbox", id.to_string()),
    };
    match error {
        Error::Disconnected | Error::Stopped | Error::NoLane => {
            tracing::info!(lane = kind, id, "{error}; its hints wait");
        }
        Error::Remote(remote::Error::Throttled { .. }) => {
            tracing::info!(lane = kind, id, "{error}; going on later");
        }
        _ => tracing::warn!(lane = kind, id, "{error}; trying again later"),
    }
}

#[cfg(test)]
mod tests {
    use tribelink_plan::ids::EnvironmentId;
    use uuid::Uuid;

    use super::*;

    fn mailbox(number: u128) -> Lane {
        Lane::Mailbox(UserId(Uuid::from_u128(number)))
    }

    #[test]
    fn mailboxes_take_turns_and_environments_take_no_mailboxs_place() {
        let environment = Lane::Environment(EnvironmentId::from("default"));
        let scheduler = Scheduler::default();
        for lane in [&mailbox(2), &mailbox(1), &environment] {
            scheduler.lane(lane);
        }
        let next = || scheduler.state().next(0, 1);
        assert_eq!([next(), next()], [Some(environment), Some(mailbox(2))]);
        assert_eq!(next(), None, "there is one place");
        assert!(scheduler.is_crowded());
        // The busy one is woken again, and lines up behind the one that waits.
        scheduler.lane(&mailbox(2));
        scheduler.finish(&mailbox(2), &Ok(()), 0);
        assert_eq!([next(), next()], [Some(mailbox(1)), None]);
        scheduler.finish(&mailbox(1), &Ok(()), 0);
        assert_eq!(next(), Some(mailbox(2)));
        assert!(!scheduler.is_crowded());
    }

    /// With Tribe away, each of 10,000 webhooks a second had its environment tried and a thousand hints
    /// written anew.
    #[test]
    fn who_was_put_off_is_not_woken_by_every_arrival() {
        let scheduler = Scheduler::default();
        let next = || scheduler.state().next(0, 1);
        scheduler.lane(&mailbox(1));
        assert_eq!(next(), Some(mailbox(1)));
        scheduler.lane(&mailbox(1));
        scheduler.hold_back(&mailbox(1), 0, 300_000);
        scheduler.finish(&mailbox(1), &Ok(()), 0);
        scheduler.lane(&mailbox(1));
        assert_eq!(scheduler.state().let_go(BREATH_MS - 1), BREATH_MS);
        assert_eq!(next(), None);
        assert_eq!(scheduler.state().let_go(BREATH_MS), i64::MAX);
        assert_eq!(next(), Some(mailbox(1)));
        // Whoever was not woken meanwhile is due when its hints are.
        scheduler.hold_back(&mailbox(1), 0, 10);
        scheduler.finish(&mailbox(1), &Ok(()), 0);
        assert_eq!(scheduler.state().let_go(10), i64::MAX);
        assert_eq!(next(), None);
    }
}
