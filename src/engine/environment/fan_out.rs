//! Which mailboxes a changed person concerns.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use tribelink_plan::{
    eligibility,
    ids::{EmployeeId, PersonId, UserId},
    person::Person,
};

use uuid::Uuid;

use super::{Error, Job};
use crate::store::{Hint, Lane, NewHint, ReadId, Source, Target, User, UserState};

/// Hints for mailboxes, and the lanes to wake.
#[derive(Default)]
pub(super) struct FanOut {
    pub(super) hints: Vec<NewHint>,
    pub(super) lanes: BTreeSet<Lane>,
}

/// Whether hints are kept for a user in this state: before the first sync there is nothing that it
/// would not find itself; after a disconnect there is nobody to work on them.
pub(super) fn keeps_hints(state: UserState) -> bool {
    matches!(
        state,
        UserState::FirstSync
            | UserState::Live
            | UserState::Paused
            | UserState::NeedsConsent
            | UserState::Braked
    )
}

/// What the mailboxes' hints come from.
pub(super) struct Origin {
    pub(super) source: Source,
    /// The reading that brought the people.
    pub(super) read: ReadId,
    pub(super) received: Received,
}

/// When the hints that led to each person were received.
pub(super) struct Received {
    people: BTreeMap<PersonId, i64>,
    /// The eldest of all, for people that no hint named itself.
    eldest_ms: i64,
}

impl Received {
    /// Of hints, and of the people that they led to, by the ids of these and of their relationships.
    pub(super) fn new(hints: &[Hint], people: &[Person], now_ms: i64) -> Received {
        let mut by_id: BTreeMap<Uuid, i64> = BTreeMap::new();
        for hint in hints {
            let id = match &hint.hint.target {
                Target::Entity { id, .. } => *id,
                Target::Person { id, .. } => id.0,
                _ => continue,
            };
            let at_ms = by_id.entry(id).or_insert(hint.hint.received_ms);
            *at_ms = (*at_ms).min(hint.hint.received_ms);
        }
        let named = |person: &Person| {
            let own = person.relationships.iter().map(|one| one.id.0);
            let ids = own.chain([person.id.0]);
            ids.filter_map(|id| by_id.get(&id).copied()).min()
        };
        let eldest_ms = hints.iter().map(|hint| hint.hint.received_ms).min();
        Received {
            people: people
                .iter()
                .filter_map(|person| Some((person.id, named(person)?)))
                .collect(),
            eldest_ms: eldest_ms.unwrap_or(now_ms),
        }
    }

    fn of(&self, person: PersonId) -> i64 {
        self.people.get(&person).copied().unwrap_or(self.eldest_ms)
    }
}

impl Job<'_> {
    /// One hint for each (user, person) concerned: users for whom the person is eligible, and users
    /// who have a link of it. Absent people concern those who have a link. They count as received when
    /// what led to them was: how long a change takes is measured from there.
    pub(super) async fn fan_out(
        &self,
        people: &[Person],
        absent: &[PersonId],
        origin: &Origin,
    ) -> Result<FanOut, Error> {
        let environment = &self.land.environment.id;
        let store = &self.engine.ports.store;
        let mut users: BTreeMap<EmployeeId, Option<User>> = BTreeMap::new();
        let mut concerned: BTreeSet<(UserId, PersonId)> = BTreeSet::new();
        for person in people {
            for employee in eligibility::employees(person) {
                let user = match users.entry(employee) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(gap) => gap.insert(store.user_of(environment, employee).await?),
                };
                if let Some(user) = user
                    && keeps_hints(user.state)
                {
                    concerned.insert((user.id, person.id));
                }
            }
        }
        let mut ids: Vec<PersonId> = people.iter().map(|person| person.id).collect();
        ids.extend(absent);
        let known = users.into_values().flatten();
        let mut states: BTreeMap<UserId, Option<UserState>> =
            known.map(|user| (user.id, Some(user.state))).collect();
        for chunk in ids.chunks(500) {
            for row in store.links_of_people(environment, chunk).await? {
                let state = match states.entry(row.user) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(gap) => {
                        let user = store.user(row.user).await?;
                        *gap.insert(user.map(|user| user.state))
                    }
                };
                if state.is_some_and(keeps_hints) {
                    concerned.insert((row.user, row.person));
                }
            }
        }
        let now = self.engine.now();
        let mut fan_out = FanOut::default();
        for (user, person) in concerned {
            fan_out.lanes.insert(Lane::Mailbox(user));
            fan_out.hints.push(NewHint {
                environment: environment.clone(),
                user: Some(user),
                target: Target::Person {
                    id: person,
                    read: Some(origin.read),
                },
                source: origin.source,
                received_ms: origin.received.of(person),
                not_before_ms: now,
                attempts: 0,
            });
        }
        Ok(fan_out)
    }
}
