//! What Tribe hints point at, read in bulk.

use std::collections::{BTreeMap, BTreeSet};

use tribelink_plan::{
    ids::{EmployeeId, OrganizationId, PersonId, RelationshipId, SetName},
    person::Person,
};
use uuid::Uuid;

use super::{
    Error, Job,
    fan_out::{Origin, Received},
};
use crate::{
    crash,
    store::{Change, Hint, NewHint, Source, Target},
    telemetry::trace,
    tribe::EntityKind,
};

/// The ids that a bunch of hints points at, sorted by what they are.
#[derive(Default)]
struct Sorted {
    people: BTreeSet<PersonId>,
    relationships: BTreeMap<SetName, BTreeSet<RelationshipId>>,
    organizations: BTreeSet<OrganizationId>,
    unknown: BTreeSet<Uuid>,
    sweep: bool,
    poll: bool,
}

impl Job<'_> {
    /// Works on hints: reads what they point at and passes each person to the mailboxes concerned.
    pub(super) async fn hints(&self, hints: &[Hint]) -> Result<(), Error> {
        let crm = &self.land.crm;
        let mut sorted = Sorted::default();
        for hint in hints {
            match &hint.hint.target {
                Target::Entity {
                    id,
                    kind: Some(kind),
                } => sorted.add(*id, crm.kind_of(kind)),
                Target::Entity { id, kind: None } => {
                    sorted.unknown.insert(*id);
                }
                Target::Person { id, .. } => {
                    sorted.people.insert(*id);
                }
                Target::Sweep => sorted.sweep = true,
                _ => sorted.poll = true,
            }
        }
        for id in std::mem::take(&mut sorted.unknown) {
            match crm.entity(id).await? {
                Some(kind) => sorted.add(id, kind),
                None => self.vanished(id, &mut sorted).await?,
            }
        }
        let started = self.engine.now();
        let mut people: BTreeMap<PersonId, Person> = BTreeMap::new();
        let mut keep =
            |read: Vec<Person>| people.extend(read.into_iter().map(|person| (person.id, person)));
        for organization in &sorted.organizations {
            sorted
                .people
                .extend(crm.people_of_organization(*organization).await?);
        }
        for (set, ids) in &sorted.relationships {
            let ids: Vec<RelationshipId> = ids.iter().copied().collect();
            let read = crm.people_of_relationships(set, &ids).await?;
            let found: BTreeSet<RelationshipId> = read
                .iter()
                .flat_map(|person| {
                    person
                        .relationships
                        .iter()
                        .map(|relationship| relationship.id)
                })
                .collect();
            // A relationship that is no longer there names nobody; the sweep finds whom it concerned.
            sorted.sweep |= ids.iter().any(|id| !found.contains(id));
            keep(read);
        }
        let known: BTreeSet<PersonId> = people.keys().copied().collect();
        let missing: Vec<PersonId> = sorted.people.difference(&known).copied().collect();
        for chunk in missing.chunks(100) {
            let read = crm.people(chunk).await?;
            people.extend(read.into_iter().map(|person| (person.id, person)));
        }
        let absent: Vec<PersonId> = missing
            .into_iter()
            .filter(|id| !people.contains_key(id))
            .collect();
        let people: Vec<Person> = people.into_values().collect();
        let environment = &self.land.environment.id;
        let read = self.engine.people.put(environment, &people, started);

        crash::point("people-read");
        let source = hints
            .first()
            .map_or(Source::Engine, |hint| hint.hint.source);
        let now = self.engine.now();
        let origin = Origin {
            source,
            read,
            received: Received::new(hints, &people, now),
        };
        let mut fan_out = self.fan_out(&people, &absent, &origin).await?;
        let follow_up = |target| NewHint {
            environment: self.land.environment.id.clone(),
            user: None,
            target,
            source: Source::Engine,
            received_ms: now,
            not_before_ms: now,
            attempts: 0,
        };
        if sorted.poll {
            let polled_ms = self.land.environment.polled_ms;
            self.poll(polled_ms).await?.into_iter().for_each(|change| {
                if let Change::AddHints(more) = change {
                    fan_out.hints.extend(more);
                }
            });
        }
        if sorted.sweep && hints.iter().all(|hint| hint.hint.target != Target::Sweep) {
            fan_out.hints.push(follow_up(Target::Sweep));
        } else if sorted.sweep {
            self.sweep().await?;
        }
        // Before the hints are dropped: a crash must not make a leaver wait for the next sweep.
        let relationships = sorted.relationships.values().flatten().copied();
        self.leavers(relationships.map(|id| EmployeeId(id.0)).collect())
            .await?;
        self.held
            .commit(vec![
                Change::AddHints(fan_out.hints),
                Change::DropHints(hints.iter().map(|hint| hint.id).collect()),
            ])
            .await?;
        let moments: BTreeSet<i64> = hints.iter().map(|hint| hint.hint.received_ms).collect();
        for received_ms in moments {
            let environment = &self.land.environment.id;
            trace::passed_on(environment, received_ms, started, self.engine.now());
        }
        crash::point("fan-out-committed");
        for lane in &fan_out.lanes {
            crate::ports::Wake::lane(self.engine.scheduler.as_ref(), lane);
        }
        Ok(())
    }

    /// An id of unknown type that is not there any more: whoever has a link of that person looks;
    /// otherwise it may have been anything, which a poll cannot tell but the sweep does (Tribe
    /// reference 6.2).
    async fn vanished(&self, id: Uuid, sorted: &mut Sorted) -> Result<(), Error> {
        let person = PersonId(id);
        let store = &self.engine.ports.store;
        let links = store
            .links_of_people(&self.land.environment.id, &[person])
            .await?;
        if links.is_empty() {
            sorted.sweep = true;
        } else {
            sorted.people.insert(person);
        }
        Ok(())
    }

    /// R22: employees that are users and, by a read of their id, former or gone.
    pub(super) async fn leavers(&self, candidates: BTreeSet<EmployeeId>) -> Result<(), Error> {
        for employee in candidates {
            let store = &self.engine.ports.store;
            let user = store.user_of(&self.land.environment.id, employee).await?;
            let Some(user) =
                user.filter(|user| user.state != crate::store::UserState::Disconnected)
            else {
                continue;
            };
            let left = match self.land.crm.employee(employee).await? {
                None => true,
                Some(employee) => employee.former,
            };
            if left
                && let Err(error) = self
                    .engine
                    .ports
                    .activation
                    .employee_left(user.id, None)
                    .await
            {
                tracing::warn!(user = %user.id, %error, "the employee left, but the link is not stopped yet; trying again at the next sweep");
            }
        }
        Ok(())
    }
}

impl Sorted {
    fn add(&mut self, id: Uuid, kind: EntityKind) {
        match kind {
            EntityKind::Person => {
                self.people.insert(PersonId(id));
            }
            EntityKind::Relationship(set) => {
                self.relationships
                    .entry(set)
                    .or_default()
                    .insert(RelationshipId(id));
            }
            EntityKind::Organization => {
                self.organizations.insert(OrganizationId(id));
            }
            EntityKind::Other => {}
        }
    }
}
