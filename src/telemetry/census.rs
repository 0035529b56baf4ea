//! What stands in the database, as gauges. Every replica tells the same of it, a few seconds apart.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use metrics::gauge;
use tribelink_plan::{
    field::Side,
    ids::{EnvironmentId, UserId},
    rule::Rule,
};

use super::{catalogue as name, meter};
use crate::{
    canary::{self, Standing},
    reminder::{SecretEnd, What, idle_before_ms, reminders},
    store::{self, Store, User, UserState},
};

/// How often the gauges are read anew: often enough for a scrape a minute.
pub const EVERY: Duration = Duration::from_secs(15);

/// Rows read at once.
const PAGE: usize = 1_000;

/// What alerts are about, as the first word of their keys says; others are told once they stand.
pub const ALERT_KINDS: [&str; 6] = [
    "braked",
    "canary",
    "employee_left",
    "microsoft_application",
    "needs_consent",
    "subscription",
];

/// The rules that hold a change.
const HOLDING: [Rule; 2] = [Rule::R6, Rule::R16];

/// The secrets of applications of which the end may be told, by the section of the configuration.
const SECRETS: [&str; 2] = ["login", "microsoft"];

/// Reads the gauges; remembers which alerts there were, so that they are told to be gone.
#[derive(Default)]
pub struct Census {
    secret_ends: Vec<SecretEnd>,
    canary: canary::Settings,
    kinds: BTreeSet<(EnvironmentId, String)>,
}

/// What is known of an environment's users.
#[derive(Default)]
struct Count {
    states: BTreeMap<&'static str, u64>,
    unsubscribed: u64,
    resting: u64,
    first_end_ms: Option<i64>,
    eldest_delta_ms: Option<i64>,
    held: BTreeMap<Rule, u64>,
    parked: u64,
    ending: u64,
}

impl Census {
    /// With the ends of secrets and the canary, as configured.
    pub fn new(secret_ends: Vec<SecretEnd>, canary: canary::Settings) -> Census {
        Census {
            secret_ends,
            canary,
            kinds: BTreeSet::new(),
        }
    }

    /// Reads everything and sets the gauges.
    ///
    /// # Errors
    /// The store could not be read: the gauges keep what they had. Safe to repeat.
    pub async fn take(&mut self, store: &dyn Store, now_ms: i64) -> Result<(), store::Error> {
        let mut counts: BTreeMap<EnvironmentId, Count> = BTreeMap::new();
        let ends = subscription_ends(store).await?;
        let mut live: BTreeSet<UserId> = BTreeSet::new();
        let mut after = None;
        loop {
            let page = store.users(None, after, PAGE).await?;
            for user in &page {
                let count = counts.entry(user.environment.clone()).or_default();
                count.add(user, ends.get(&user.id).copied(), now_ms);
                live.extend((user.state == UserState::Live).then_some(user.id));
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.id),
                _ => break,
            }
        }
        add_held(store, &mut counts).await?;
        add_parked(store, &mut counts).await?;
        let idle = store.idle_consents(idle_before_ms(now_ms), PAGE).await?;
        for reminder in reminders(now_ms, &[], &idle) {
            if let What::Consent(environment, _) = reminder.what {
                counts.entry(environment).or_default().ending += 1;
            }
        }
        self.tell_secrets(now_ms);
        for environment in store.environments().await? {
            let count = counts.remove(&environment.id).unwrap_or_default();
            let (waiting, oldest_ms) = store.backlog(&environment.id).await?;
            meter::open_environment(&environment.id);
            let tell = Tell(&environment.id);
            tell.number(name::BACKLOG, waiting as f64);
            let waited_ms = oldest_ms.map_or(0, |oldest_ms| (now_ms - oldest_ms).max(0));
            tell.seconds(name::BACKLOG_AGE, waited_ms);
            // Before the first of each there is no age to tell.
            if environment.polled_ms > 0 {
                tell.seconds(name::POLL_AGE, now_ms - environment.polled_ms);
            }
            if environment.swept_ms > 0 {
                tell.seconds(name::SWEEP_AGE, now_ms - environment.swept_ms);
            }
            tell.count(&count, now_ms);
            self.tell_canary(store, &environment.id, &live, now_ms)
                .await?;
            let known = ALERT_KINDS.map(|kind| (environment.id.clone(), kind.to_owned()));
            self.kinds.extend(known);
        }
        self.tell_alerts(store).await?;
        gauge!(name::CENSUS).set(now_ms as f64 / 1_000.0);
        if let Some(bytes) = resident() {
            gauge!(name::MEMORY).set(bytes as f64);
        }
        Ok(())
    }

    /// Not a number where nobody says when: an alert on it stays silent.
    fn tell_secrets(&self, now_ms: i64) {
        for of in SECRETS {
            let end = self.secret_ends.iter().find(|end| end.of == of);
            let left = end.map_or(f64::NAN, |end| (end.at_ms - now_ms) as f64 / 1_000.0);
            gauge!(name::SECRET_ENDS, "secret" => of).set(left);
        }
    }

    /// Zero mailboxes where there is no canary; not a number where nothing was proven yet.
    async fn tell_canary(
        &self,
        store: &dyn Store,
        environment: &EnvironmentId,
        live: &BTreeSet<UserId>,
        now_ms: i64,
    ) -> Result<(), store::Error> {
        let tell = Tell(environment);
        let is_on = self.canary.person(environment).is_some();
        let (round, mut proofs) = match is_on {
            true => (
                store.canary(environment).await?,
                store.canary_proofs(environment).await?,
            ),
            false => (None, Vec::new()),
        };
        proofs.retain(|proof| live.contains(&proof.user));
        let overdue_ms = round.map_or(0, |round| canary::overdue_ms(&round, now_ms));
        tell.seconds(name::CANARY_OVERDUE, overdue_ms);
        let standings = canary::standings(&proofs, &self.canary, now_ms);
        for state in Standing::ALL {
            let mailboxes = standings.values().filter(|one| **one == state).count();
            gauge!(name::CANARY_MAILBOXES, "environment" => environment.0.clone(), "state" => state.name())
                .set(mailboxes as f64);
        }
        for to in [Side::Outlook, Side::Tribe] {
            let eldest = proofs.iter().filter(|proof| proof.to == to);
            let eldest_ms = eldest.filter_map(|proof| proof.proven_ms).min();
            let age = eldest_ms.map_or(f64::NAN, |at_ms| (now_ms - at_ms) as f64 / 1_000.0);
            let direction = meter::side_direction(to);
            gauge!(name::CANARY_AGE, "environment" => environment.0.clone(), "direction" => direction)
                .set(age);
        }
        Ok(())
    }

    async fn tell_alerts(&mut self, store: &dyn Store) -> Result<(), store::Error> {
        let mut standing: BTreeMap<(EnvironmentId, String), u64> = BTreeMap::new();
        for kind in &self.kinds {
            standing.insert(kind.clone(), 0);
        }
        for alert in store.alerts().await? {
            // The word before the slash; what follows names whom.
            let kind = alert.key.split('/').next().unwrap_or_default().to_owned();
            *standing.entry((alert.environment, kind)).or_default() += 1;
        }
        for ((environment, kind), number) in standing {
            gauge!(name::ALERTS, "environment" => environment.0.clone(), "kind" => kind.clone())
                .set(number as f64);
            self.kinds.insert((environment, kind));
        }
        Ok(())
    }
}

impl Count {
    fn add(&mut self, user: &User, end_ms: Option<i64>, now_ms: i64) {
        *self.states.entry(user.state.name()).or_default() += 1;
        self.resting += u64::from(user.throttled_until_ms > now_ms);
        if user.state != UserState::Live {
            return;
        }
        self.unsubscribed += u64::from(end_ms.is_none_or(|end_ms| end_ms <= now_ms));
        self.first_end_ms = [self.first_end_ms, end_ms].into_iter().flatten().min();
        if user.delta_ms > 0 {
            let eldest_ms = self.eldest_delta_ms.unwrap_or(i64::MAX);
            self.eldest_delta_ms = Some(eldest_ms.min(user.delta_ms));
        }
    }
}

/// Gauges of one environment.
struct Tell<'a>(&'a EnvironmentId);

impl Tell<'_> {
    fn number(&self, name: &'static str, value: f64) {
        gauge!(name, "environment" => self.0.0.clone()).set(value);
    }

    fn seconds(&self, name: &'static str, ms: i64) {
        self.number(name, ms as f64 / 1_000.0);
    }

    fn count(&self, count: &Count, now_ms: i64) {
        for state in UserState::ALL {
            let users = count.states.get(state.name()).copied().unwrap_or_default();
            gauge!(name::USERS, "environment" => self.0.0.clone(), "state" => state.name())
                .set(users as f64);
        }
        for rule in HOLDING {
            let held = count.held.get(&rule).copied().unwrap_or_default();
            gauge!(name::HELD, "environment" => self.0.0.clone(), "rule" => rule.code())
                .set(held as f64);
        }
        self.number(name::PARKED, count.parked as f64);
        self.number(name::CONSENTS_ENDING, count.ending as f64);
        self.number(name::UNSUBSCRIBED, count.unsubscribed as f64);
        self.number(name::RESTING, count.resting as f64);
        let since_ms = count.eldest_delta_ms.map_or(0, |at_ms| now_ms - at_ms);
        self.seconds(name::DELTA_AGE, since_ms);
        // Not a number where nobody has one: an alert on it stays silent.
        let until_end = count
            .first_end_ms
            .map_or(f64::NAN, |end_ms| (end_ms - now_ms) as f64 / 1_000.0);
        self.number(name::SUBSCRIPTION_ENDS, until_end);
    }
}

/// When each user's last subscription ends.
async fn subscription_ends(store: &dyn Store) -> Result<BTreeMap<UserId, i64>, store::Error> {
    let mut ends: BTreeMap<UserId, i64> = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.subscriptions(after.as_deref(), PAGE).await?;
        for subscription in &page {
            let end = ends
                .entry(subscription.user)
                .or_insert(subscription.expires_ms);
            *end = (*end).max(subscription.expires_ms);
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.id.clone()),
            _ => return Ok(ends),
        }
    }
}

async fn add_held(
    store: &dyn Store,
    counts: &mut BTreeMap<EnvironmentId, Count>,
) -> Result<(), store::Error> {
    let mut after = None;
    loop {
        let page = store.held(None, after, PAGE).await?;
        for held in page.iter().filter(|held| held.accepted.is_none()) {
            let count = counts.entry(held.environment.clone()).or_default();
            *count.held.entry(held.rule).or_default() += 1;
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.id),
            _ => return Ok(()),
        }
    }
}

async fn add_parked(
    store: &dyn Store,
    counts: &mut BTreeMap<EnvironmentId, Count>,
) -> Result<(), store::Error> {
    let mut after = None;
    loop {
        let page = store.parked(None, after, PAGE).await?;
        for parked in &page {
            counts.entry(parked.environment.clone()).or_default().parked += 1;
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.id),
            _ => return Ok(()),
        }
    }
}

/// Resident memory in bytes, where the system tells it as Linux does.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}
