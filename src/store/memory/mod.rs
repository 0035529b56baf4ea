//! The store in memory: the reference for what every change means, and the store of simulations.
//!
//! # Map
//! - `table`: an ordered table that can take a failed commit back.
//! - `state`: the tables and when lanes fall due. `apply`: what each change does.
//!   `canaries`: its part about the canary. `sealed`: every sealed cell by its place.
//! - Here: the lock and the reads.
//!
//! Everything is ordered by key, so that equal histories give equal answers.

mod apply;
mod canaries;
mod sealed;
mod state;
mod table;

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tribelink_plan::{
    ids::{ContactId, EmployeeId, EnvironmentId, PersonId, UserId},
    planted::{self, Bug},
};

use self::state::{Holding, State, lane_of, numbers_after, people_after};
use super::*;

/// A store that lives as long as the value. A simulation that restarts its process keeps the same
/// one, or takes a [`MemoryStore::snapshot`] to go back to.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An independent copy of all that is stored now, leases included.
    pub fn snapshot(&self) -> Self {
        let state = Mutex::new(self.lock().clone());
        Self { state }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of another thread cannot leave half a commit behind that anybody reads as whole:
        // its journal is still there, and the next commit's end closes it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn page<'a, T: Clone + 'a>(rows: impl Iterator<Item = &'a T>, limit: usize) -> Vec<T> {
    rows.take(limit).cloned().collect()
}

#[async_trait]
impl Store for MemoryStore {
    async fn ready(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn add_hints(&self, hints: Vec<NewHint>) -> Result<(), Error> {
        self.lock().atomically(|state| state.add_hints(hints))
    }

    async fn commit(&self, guard: &Guard, changes: Vec<Change>) -> Result<(), Error> {
        self.lock().atomically(|state| {
            state.check(guard)?;
            changes
                .into_iter()
                .try_for_each(|change| state.apply(change))
        })
    }

    async fn claim(
        &self,
        lane: &Lane,
        holder: &str,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<Option<Lease>, Error> {
        self.lock().atomically(|state| {
            let before = state.leases.get(lane);
            let taken = before.is_some_and(|holding| holding.until_ms > now_ms);
            if taken && !planted::is(Bug::DoubleLease) {
                return Ok(None);
            }
            let lease = Lease {
                lane: lane.clone(),
                holder: holder.to_owned(),
                fence: before.map_or(0, |holding| holding.fence) + 1,
                until_ms: now_ms.saturating_add(lease_ms),
            };
            let holding = Holding {
                holder: lease.holder.clone(),
                fence: lease.fence,
                until_ms: lease.until_ms,
            };
            state.leases.put(lane.clone(), holding);
            Ok(Some(lease))
        })
    }

    async fn renew(
        &self,
        lease: &Lease,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<Option<Lease>, Error> {
        self.lock().atomically(|state| {
            if !state.holds(lease, now_ms) {
                return Ok(None);
            }
            let until_ms = now_ms.saturating_add(lease_ms);
            state
                .leases
                .update(&lease.lane, |holding| holding.until_ms = until_ms);
            Ok(Some(Lease {
                until_ms,
                ..lease.clone()
            }))
        })
    }

    async fn holds(&self, lease: &Lease, now_ms: i64) -> Result<bool, Error> {
        Ok(self.lock().holds(lease, now_ms))
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        self.lock().atomically(|state| {
            if state.holds(lease, i64::MIN) {
                state
                    .leases
                    .update(&lease.lane, |holding| holding.until_ms = i64::MIN);
            }
            Ok(())
        })
    }

    async fn beat(&self, holder: &str, now_ms: i64, lease_ms: i64) -> Result<Vec<String>, Error> {
        let mut state = self.lock();
        let until_ms = now_ms.saturating_add(lease_ms);
        state.replicas.insert(holder.to_owned(), until_ms);
        state.replicas.retain(|_, until_ms| *until_ms > now_ms);
        Ok(state.replicas.keys().cloned().collect())
    }

    async fn leave(&self, holder: &str) -> Result<(), Error> {
        self.lock().replicas.remove(holder);
        Ok(())
    }

    async fn due_lanes(&self, now_ms: i64, limit: usize) -> Result<Vec<Lane>, Error> {
        Ok(self.lock().due_lanes(now_ms, limit))
    }

    async fn next_due(&self, now_ms: i64) -> Result<Option<i64>, Error> {
        Ok(self.lock().next_due(now_ms))
    }

    async fn hints(&self, lane: &Lane, now_ms: i64, limit: usize) -> Result<Vec<Hint>, Error> {
        let state = self.lock();
        let due = state
            .hints
            .iter()
            .filter(|(_, hint)| hint.not_before_ms <= now_ms && lane_of(hint) == *lane);
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(id, hint)| (hint.not_before_ms, hint.received_ms, **id));
        Ok(due
            .into_iter()
            .take(limit)
            .map(|(id, hint)| Hint {
                id: *id,
                hint: hint.clone(),
            })
            .collect())
    }

    async fn backlog(&self, environment: &EnvironmentId) -> Result<(u64, Option<i64>), Error> {
        Ok(self.lock().backlog(|hint| hint.environment == *environment))
    }

    async fn mailbox_backlog(&self, user: UserId) -> Result<(u64, Option<i64>), Error> {
        Ok(self.lock().backlog(|hint| hint.user == Some(user)))
    }

    async fn environments(&self) -> Result<Vec<Environment>, Error> {
        Ok(self.lock().environments.values().cloned().collect())
    }

    async fn environment(&self, id: &EnvironmentId) -> Result<Option<Environment>, Error> {
        Ok(self.lock().environments.get(id).cloned())
    }

    async fn webhooks(&self, environment: &EnvironmentId) -> Result<Vec<Webhook>, Error> {
        let state = self.lock();
        let rows = state.webhooks.values();
        Ok(rows
            .filter(|webhook| webhook.environment == *environment)
            .cloned()
            .collect())
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        Ok(self.lock().users.get(&id).cloned())
    }

    async fn user_of(
        &self,
        environment: &EnvironmentId,
        employee: EmployeeId,
    ) -> Result<Option<User>, Error> {
        Ok(self.lock().user_of(environment, employee).cloned())
    }

    async fn users(
        &self,
        environment: Option<&EnvironmentId>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, Error> {
        let state = self.lock();
        let rows = state.users.values().filter(|user| {
            environment.is_none_or(|environment| user.environment == *environment)
                && after.is_none_or(|after| user.id > after)
        });
        Ok(page(rows, limit))
    }

    async fn count_users(&self) -> Result<Vec<(UserState, u64)>, Error> {
        Ok(self.lock().count_users())
    }

    async fn tokens(&self, user: UserId) -> Result<Option<Tokens>, Error> {
        Ok(self.lock().tokens.get(&user).cloned())
    }

    async fn idle_consents(&self, until_ms: i64, limit: usize) -> Result<Vec<IdleConsent>, Error> {
        Ok(self.lock().idle_consents(until_ms, limit))
    }

    async fn environment_tokens(
        &self,
        environment: &EnvironmentId,
    ) -> Result<Option<Tokens>, Error> {
        Ok(self.lock().environment_tokens.get(environment).cloned())
    }

    async fn take_sign_in(
        &self,
        state_hash: &[u8; 32],
        now_ms: i64,
    ) -> Result<Option<SignIn>, Error> {
        let taken = self
            .lock()
            .atomically(|state| Ok(state.sign_ins.remove(state_hash)))?;
        Ok(taken.filter(|sign_in| sign_in.expires_ms > now_ms))
    }

    async fn sign_in(&self, state_hash: &[u8; 32], now_ms: i64) -> Result<Option<SignIn>, Error> {
        let kept = self.lock().sign_ins.get(state_hash).cloned();
        Ok(kept.filter(|sign_in| sign_in.expires_ms > now_ms))
    }

    async fn link(&self, user: UserId, person: PersonId) -> Result<Option<LinkRow>, Error> {
        Ok(self.lock().links.get(&(user, person)).cloned())
    }

    async fn links_of(&self, user: UserId, people: &[PersonId]) -> Result<Vec<LinkRow>, Error> {
        let state = self.lock();
        let people: BTreeSet<PersonId> = people.iter().copied().collect();
        Ok(people
            .into_iter()
            .filter_map(|person| state.links.get(&(user, person)).cloned())
            .collect())
    }

    async fn links_of_contacts(
        &self,
        user: UserId,
        contacts: &[ContactId],
    ) -> Result<Vec<LinkRow>, Error> {
        let state = self.lock();
        let contacts: BTreeSet<&ContactId> = contacts.iter().collect();
        let rows = state.links.range(people_after(user, None));
        Ok(rows
            .filter(|(_, row)| {
                let contact = row.link.contact.as_ref();
                contact.is_some_and(|contact| contacts.contains(contact))
            })
            .map(|(_, row)| row.clone())
            .collect())
    }

    async fn links(
        &self,
        user: UserId,
        after: Option<PersonId>,
        limit: usize,
    ) -> Result<Vec<LinkRow>, Error> {
        let state = self.lock();
        let rows = state.links.range(people_after(user, after));
        Ok(page(rows.map(|(_, row)| row), limit))
    }

    async fn links_of_people(
        &self,
        environment: &EnvironmentId,
        people: &[PersonId],
    ) -> Result<Vec<LinkRow>, Error> {
        let state = self.lock();
        let people: BTreeSet<PersonId> = people.iter().copied().collect();
        let mut rows: Vec<LinkRow> = state
            .links
            .values()
            .filter(|row| row.environment == *environment && people.contains(&row.person))
            .cloned()
            .collect();
        rows.sort_by_key(|row| (row.person, row.user));
        Ok(rows)
    }

    async fn count_links(&self, user: UserId) -> Result<LinkCounts, Error> {
        Ok(self.lock().count_links(user))
    }

    async fn cursors(&self, user: UserId) -> Result<Vec<Cursor>, Error> {
        let state = self.lock();
        let rows = state
            .cursors
            .iter()
            .filter(|((owner, _), _)| *owner == user);
        Ok(rows.map(|(_, cursor)| cursor.clone()).collect())
    }

    async fn subscriptions_of(&self, user: UserId) -> Result<Vec<Subscription>, Error> {
        let state = self.lock();
        let rows = state.subscriptions.values();
        Ok(rows.filter(|row| row.user == user).cloned().collect())
    }

    async fn subscription(&self, id: &str) -> Result<Option<Subscription>, Error> {
        Ok(self.lock().subscriptions.get(&id.to_owned()).cloned())
    }

    async fn subscriptions(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Subscription>, Error> {
        let state = self.lock();
        let mut rows: Vec<&Subscription> = state.subscriptions.values().collect();
        rows.sort_by_key(|row| (row.expires_ms, &row.id));
        let start = after
            .and_then(|after| rows.iter().position(|row| row.id == after))
            .map_or(0, |position| position + 1);
        Ok(page(rows.into_iter().skip(start), limit))
    }

    async fn certificates(&self) -> Result<Vec<Certificate>, Error> {
        Ok(self.lock().certificates.values().cloned().collect())
    }

    async fn canary(&self, environment: &EnvironmentId) -> Result<Option<CanaryRound>, Error> {
        Ok(self.lock().canaries.get(environment).cloned())
    }

    async fn canary_proofs(&self, environment: &EnvironmentId) -> Result<Vec<CanaryProof>, Error> {
        let state = self.lock();
        let is_here = |user: &User| user.environment == *environment;
        Ok(state.proofs(|user| state.users.get(&user).is_some_and(is_here)))
    }

    async fn canary_proofs_of(&self, user: UserId) -> Result<Vec<CanaryProof>, Error> {
        Ok(self.lock().proofs(|owner| owner == user))
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<AuditLine>, Error> {
        let state = self.lock();
        let rows = state.audit.values().rev();
        let rows = rows.filter(|line| before.is_none_or(|before| line.id < before));
        Ok(page(rows.filter(|line| filter.takes(line)), limit))
    }

    async fn audit_line(&self, id: i64) -> Result<Option<AuditLine>, Error> {
        Ok(self.lock().audit.get(&id).cloned())
    }

    async fn held(
        &self,
        user: Option<UserId>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Held>, Error> {
        let state = self.lock();
        let rows = state.held.range(numbers_after(after)).map(|(_, row)| row);
        let rows = rows.filter(|held| user.is_none_or(|user| held.user == user));
        Ok(page(rows, limit))
    }

    async fn held_item(&self, id: i64) -> Result<Option<Held>, Error> {
        Ok(self.lock().held.get(&id).cloned())
    }

    async fn held_of(&self, user: UserId, people: &[PersonId]) -> Result<Vec<Held>, Error> {
        let state = self.lock();
        let rows = state.held.values();
        let rows = rows.filter(|held| held.user == user && people.contains(&held.person));
        Ok(rows.cloned().collect())
    }

    async fn parked(
        &self,
        user: Option<UserId>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Parked>, Error> {
        let state = self.lock();
        let rows = state.parked.range(numbers_after(after)).map(|(_, row)| row);
        let rows = rows.filter(|parked| user.is_none_or(|user| parked.user == user));
        Ok(page(rows, limit))
    }

    async fn parked_item(&self, id: i64) -> Result<Option<Parked>, Error> {
        Ok(self.lock().parked.get(&id).cloned())
    }

    async fn parked_of(&self, user: UserId, people: &[PersonId]) -> Result<Vec<Parked>, Error> {
        let state = self.lock();
        let theirs = |parked: &&Parked| {
            let person = parked.person.as_ref();
            parked.user == user && person.is_some_and(|person| people.contains(person))
        };
        Ok(state.parked.values().filter(theirs).cloned().collect())
    }

    async fn preview(&self, user: UserId) -> Result<Option<Preview>, Error> {
        Ok(self.lock().previews.get(&user).cloned())
    }

    async fn preview_items(
        &self,
        user: UserId,
        after: Option<PersonId>,
        limit: usize,
    ) -> Result<Vec<PreviewItem>, Error> {
        let state = self.lock();
        let rows = state.preview_items.range(people_after(user, after));
        Ok(page(rows.map(|(_, row)| row), limit))
    }

    async fn brake_count(&self, user: UserId, since_ms: i64) -> Result<u64, Error> {
        let state = self.lock();
        let rows = state
            .brake_counts
            .range((user, since_ms)..=(user, i64::MAX));
        Ok(rows.map(|(_, count)| *count).sum())
    }

    async fn alerts(&self) -> Result<Vec<Alert>, Error> {
        let mut alerts: Vec<Alert> = self.lock().alerts.values().cloned().collect();
        alerts.sort_by(|a, b| (a.since_ms, &a.key).cmp(&(b.since_ms, &b.key)));
        Ok(alerts)
    }

    async fn answered(
        &self,
        key_hash: &[u8; 32],
        since_ms: i64,
    ) -> Result<Option<Answered>, Error> {
        let state = self.lock();
        let row = state.answers.get(key_hash);
        Ok(row
            .filter(|(_, at_ms)| *at_ms > since_ms)
            .map(|(answered, _)| answered.clone()))
    }

    async fn sealed(
        &self,
        column: SealedColumn,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<SealedCell>, Error> {
        let mut cells = self.lock().sealed(column);
        if let Some(after) = after {
            cells.retain(|cell| sealed::is_behind(&cell.place, after));
        }
        cells.truncate(limit);
        Ok(cells)
    }
}
