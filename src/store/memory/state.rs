//! What the memory store holds, and when its lanes fall due.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    ops::Bound,
};

use tribelink_plan::{
    field::Side,
    ids::{EmployeeId, EnvironmentId, FolderId, PersonId, UserId},
    link::LinkState,
    planted::{self, Bug},
};
use uuid::Uuid;

use super::table::{Journal, Table};
use crate::store::*;

/// Who holds a lane; kept after a release so that the fence goes on rising.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    pub(super) holder: String,
    pub(super) fence: i64,
    pub(super) until_ms: i64,
}

/// The last number given in each table that numbers its rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    pub(super) hints: i64,
    pub(super) audit: i64,
    pub(super) held: i64,
    pub(super) parked: i64,
}

/// Every table.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) numbers: Numbers,
    pub(super) leases: Table<Lane, Holding>,
    pub(super) hints: Table<i64, NewHint>,
    pub(super) environments: Table<EnvironmentId, Environment>,
    pub(super) webhooks: Table<(EnvironmentId, String), Webhook>,
    pub(super) users: Table<UserId, User>,
    pub(super) tokens: Table<UserId, Tokens>,
    pub(super) environment_tokens: Table<EnvironmentId, Tokens>,
    pub(super) sign_ins: Table<[u8; 32], SignIn>,
    pub(super) links: Table<(UserId, PersonId), LinkRow>,
    pub(super) cursors: Table<(UserId, FolderId), Cursor>,
    pub(super) subscriptions: Table<String, Subscription>,
    pub(super) certificates: Table<i64, Certificate>,
    pub(super) canaries: Table<EnvironmentId, CanaryRound>,
    pub(super) canary_proofs: Table<(UserId, Side), CanaryProof>,
    pub(super) audit: Table<i64, AuditLine>,
    pub(super) held: Table<i64, Held>,
    pub(super) parked: Table<i64, Parked>,
    pub(super) previews: Table<UserId, Preview>,
    pub(super) preview_items: Table<(UserId, PersonId), PreviewItem>,
    pub(super) brake_counts: Table<(UserId, i64), u64>,
    pub(super) alerts: Table<String, Alert>,
    pub(super) answers: Table<[u8; 32], (Answered, i64)>,
    /// Until when each replica lives; no commit touches it.
    pub(super) replicas: BTreeMap<String, i64>,
}

/// A part of the keys in their order.
pub(super) type Span<K> = (Bound<K>, Bound<K>);

/// Every person of one user, after `after`.
pub(super) fn people_after(user: UserId, after: Option<PersonId>) -> Span<(UserId, PersonId)> {
    let from = match after {
        Some(person) => Bound::Excluded((user, person)),
        None => Bound::Included((user, PersonId(Uuid::nil()))),
    };
    (from, Bound::Included((user, PersonId(Uuid::max()))))
}

/// Every number after `after`.
pub(super) fn numbers_after(after: Option<i64>) -> Span<i64> {
    (
        after.map_or(Bound::Unbounded, Bound::Excluded),
        Bound::Unbounded,
    )
}

impl State {
    fn journals(&mut self) -> [&mut dyn Journal; 22] {
        [
            &mut self.leases,
            &mut self.hints,
            &mut self.environments,
            &mut self.webhooks,
            &mut self.users,
            &mut self.tokens,
            &mut self.environment_tokens,
            &mut self.sign_ins,
            &mut self.links,
            &mut self.cursors,
            &mut self.subscriptions,
            &mut self.certificates,
            &mut self.canaries,
            &mut self.canary_proofs,
            &mut self.audit,
            &mut self.held,
            &mut self.parked,
            &mut self.previews,
            &mut self.preview_items,
            &mut self.brake_counts,
            &mut self.alerts,
            &mut self.answers,
        ]
    }

    /// Runs `work` whole or not at all.
    pub(super) fn atomically<T>(
        &mut self,
        work: impl FnOnce(&mut State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let numbers = self.numbers;
        let result = work(self);
        for journal in self.journals() {
            match result {
                Ok(_) => journal.keep(),
                Err(_) => journal.undo(),
            }
        }
        if result.is_err() {
            self.numbers = numbers;
        }
        result
    }

    pub(super) fn check(&self, guard: &Guard) -> Result<(), Error> {
        match guard {
            Guard::None => Ok(()),
            Guard::Lease { lease, now_ms } if self.holds(lease, *now_ms) => Ok(()),
            Guard::Lease { .. } if planted::is(Bug::LostFence) => Ok(()),
            Guard::Lease { .. } => Err(Error::LeaseLost),
        }
    }

    pub(super) fn holds(&self, lease: &Lease, now_ms: i64) -> bool {
        self.leases.get(&lease.lane).is_some_and(|holding| {
            holding.fence == lease.fence
                && holding.holder == lease.holder
                && holding.until_ms > now_ms
        })
    }

    pub(super) fn user_of(
        &self,
        environment: &EnvironmentId,
        employee: EmployeeId,
    ) -> Option<&User> {
        self.users
            .values()
            .find(|user| user.environment == *environment && user.employee == employee)
    }

    /// When each lane that has something planned falls due.
    fn due(&self) -> BTreeMap<Lane, i64> {
        let mut due = BTreeMap::new();
        for (id, environment) in self.environments.iter() {
            due.insert(Lane::Environment(id.clone()), environment.chores_due_ms);
        }
        for (id, user) in self.users.iter() {
            due.insert(Lane::Mailbox(*id), user.chores_due_ms);
        }
        for hint in self.hints.values() {
            let works = hint
                .user
                .and_then(|id| self.users.get(&id))
                .is_none_or(|user| user.state.works());
            if let Entry::Occupied(mut lane) = due.entry(lane_of(hint))
                && works
            {
                let earlier = hint.not_before_ms.min(*lane.get());
                lane.insert(earlier);
            }
        }
        due.retain(|_, due_ms| *due_ms < i64::MAX);
        due
    }

    fn live_until(&self, lane: &Lane, now_ms: i64) -> Option<i64> {
        self.leases
            .get(lane)
            .map(|holding| holding.until_ms)
            .filter(|until_ms| *until_ms > now_ms)
    }

    pub(super) fn due_lanes(&self, now_ms: i64, limit: usize) -> Vec<Lane> {
        let mut lanes: Vec<(i64, Lane)> = self
            .due()
            .into_iter()
            .filter(|(lane, due_ms)| *due_ms <= now_ms && self.live_until(lane, now_ms).is_none())
            .map(|(lane, due_ms)| (due_ms, lane))
            .collect();
        lanes.sort();
        lanes
            .into_iter()
            .take(limit)
            .map(|(_, lane)| lane)
            .collect()
    }

    pub(super) fn next_due(&self, now_ms: i64) -> Option<i64> {
        self.due()
            .into_iter()
            .map(|(lane, due_ms)| match self.live_until(&lane, now_ms) {
                Some(until_ms) => due_ms.max(until_ms),
                None => due_ms.max(now_ms),
            })
            .min()
    }

    pub(super) fn count_users(&self) -> Vec<(UserState, u64)> {
        let of = |state| {
            self.users
                .values()
                .filter(|user| user.state == state)
                .count() as u64
        };
        UserState::ALL.map(|state| (state, of(state))).to_vec()
    }

    pub(super) fn idle_consents(&self, until_ms: i64, limit: usize) -> Vec<IdleConsent> {
        let idle = self
            .tokens
            .iter()
            .filter(|(_, one)| one.expires_ms <= until_ms);
        let mut idle: Vec<IdleConsent> = idle
            .filter_map(|(id, tokens)| {
                let user = self.users.get(id)?;
                Some(IdleConsent {
                    environment: user.environment.clone(),
                    user: *id,
                    state: user.state,
                    access_ended_ms: tokens.expires_ms,
                })
            })
            .collect();
        idle.sort_by_key(|one| (one.access_ended_ms, one.user));
        idle.truncate(limit);
        idle
    }

    pub(super) fn count_links(&self, user: UserId) -> LinkCounts {
        let mut counts = LinkCounts::default();
        for (_, row) in self.links.range(people_after(user, None)) {
            match row.link.state {
                LinkState::Intent => counts.intents += 1,
                LinkState::Linked => counts.linked += 1,
                LinkState::Sleeping => counts.sleeping += 1,
                LinkState::Tombstone { .. } => counts.tombstones += 1,
                LinkState::Closed => counts.closed += 1,
            }
        }
        let held = self.held.values().filter(|held| held.user == user);
        let held: BTreeSet<PersonId> = held.map(|held| held.person).collect();
        let parked = self.parked.values().filter(|parked| parked.user == user);
        let parked: BTreeSet<PersonId> = parked.filter_map(|parked| parked.person).collect();
        counts.held = held.len() as u64;
        counts.failing = parked.len() as u64;
        counts
    }

    pub(super) fn backlog(&self, counts: impl Fn(&NewHint) -> bool) -> (u64, Option<i64>) {
        let waiting = self.hints.values().filter(|hint| counts(hint));
        waiting.fold((0, None), |(count, oldest): (u64, Option<i64>), hint| {
            let received_ms = hint.received_ms;
            (
                count + 1,
                Some(oldest.map_or(received_ms, |oldest| oldest.min(received_ms))),
            )
        })
    }
}

/// The lane that works on a hint.
pub(super) fn lane_of(hint: &NewHint) -> Lane {
    match hint.user {
        Some(user) => Lane::Mailbox(user),
        None => Lane::Environment(hint.environment.clone()),
    }
}
