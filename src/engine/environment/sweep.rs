//! The sweep: everything, by ids. Each difference becomes a hint, and absence is confirmed by
//! whoever works on the hint. It catches what nobody announces: an organisation's new name, an owner
//! change that moved no date, a deletion.

use std::collections::{BTreeMap, BTreeSet};

use tribelink_plan::{
    base::Mark,
    eligibility::main_relationship,
    field::Field,
    ids::{EmployeeId, PersonId},
    link::LinkState,
    mapping::{Lens, tribe_reading},
    person::{Kind, Person, Relationship},
};

use super::{Error, Job, fan_out::keeps_hints};
use crate::{
    engine::roll::Roll,
    ports::Wake as _,
    store::{Change, Lane, LinkRow, NewHint, Source, Target, User, UserState},
};

/// How many users or links are read at once.
const PAGE: usize = 500;

impl Job<'_> {
    /// Compares everything and keeps a hint for each difference.
    pub(super) async fn sweep(&self) -> Result<(), Error> {
        let people = self.engine.roll(&self.land).await?;
        let current: BTreeSet<EmployeeId> = people
            .values()
            .flat_map(|person| &person.relationships)
            .filter(|relationship| relationship.kind == Kind::Employee && !relationship.former)
            .map(|relationship| EmployeeId(relationship.id.0))
            .collect();
        let mut after = None;
        loop {
            let store = &self.engine.ports.store;
            let users = store
                .users(Some(&self.land.environment.id), after, PAGE)
                .await?;
            let Some(last) = users.last() else { break };
            after = Some(last.id);
            for user in users.iter().filter(|user| keeps_hints(user.state)) {
                self.sweep_user(user, &people).await?;
            }
            let employees = users
                .iter()
                .filter(|user| user.state != UserState::Disconnected)
                .map(|user| user.employee);
            let suspects = employees
                .filter(|employee| !current.contains(employee))
                .collect();
            self.leavers(suspects).await?;
        }
        let clear = Change::ClearAlert(super::one_by_one::refused_alert(&self.land.environment.id));
        self.held.commit(vec![clear]).await
    }

    async fn sweep_user(&self, user: &User, people: &Roll) -> Result<(), Error> {
        let mut eligible: BTreeMap<PersonId, &Relationship> = people
            .values()
            .filter_map(|person| Some((person.id, main_relationship(person, user.employee)?)))
            .collect();
        let mut look: BTreeSet<PersonId> = BTreeSet::new();
        let mut after = None;
        loop {
            let store = &self.engine.ports.store;
            let links = store.links(user.id, after, PAGE).await?;
            let Some(last) = links.last() else { break };
            after = Some(last.person);
            for row in &links {
                let main = eligible.remove(&row.person);
                if self.differs(user, row, people.get(&row.person), main) {
                    look.insert(row.person);
                }
            }
        }
        look.extend(eligible.into_keys());
        let now = self.engine.now();
        let hint = |target| NewHint {
            environment: self.land.environment.id.clone(),
            user: Some(user.id),
            target,
            source: Source::Sweep,
            received_ms: now,
            not_before_ms: now,
            attempts: 0,
        };
        let mut hints: Vec<NewHint> = look
            .into_iter()
            .map(|id| hint(Target::Person { id, read: None }))
            .collect();
        hints.push(hint(Target::Sweep));
        self.held.commit(vec![Change::AddHints(hints)]).await?;
        self.engine.scheduler.lane(&Lane::Mailbox(user.id));
        Ok(())
    }

    /// Whether what the sweep read of a person differs from what its link remembers.
    fn differs(
        &self,
        user: &User,
        row: &LinkRow,
        person: Option<&Person>,
        main: Option<&Relationship>,
    ) -> bool {
        let link = &row.link;
        match (link.state, main) {
            (LinkState::Intent, _) => true,
            (LinkState::Closed, main) => main.is_some(),
            (LinkState::Tombstone { eligible }, None) => eligible,
            (LinkState::Tombstone { eligible: false }, Some(_)) => true,
            // Another job or another name of the organisation is news (R8).
            (LinkState::Tombstone { eligible: true }, Some(main)) => {
                !self.land.policy.respect_deletes && self.moved(user, row, person, main)
            }
            (LinkState::Sleeping, main) => main.is_some(),
            (LinkState::Linked, None) => true,
            (LinkState::Linked, Some(main)) => self.moved(user, row, person, main),
        }
    }

    /// Whether the main relationship is another one, or of an organisation of another name.
    fn moved(
        &self,
        user: &User,
        row: &LinkRow,
        person: Option<&Person>,
        main: &Relationship,
    ) -> bool {
        let link = &row.link;
        let fingerprints = self.land.key.bind(user.id, row.person);
        let lens = Lens {
            policy: &self.land.policy,
            fingerprints: &fingerprints,
        };
        let own = Some(self.land.organization);
        let company = person.map_or(Mark::Unknown, |person| {
            let reading = tribe_reading(person, Some(main), Field::Company, own);
            lens.mark(Field::Company, &reading)
        });
        let known = link.base.get(Field::Company).tribe;
        link.relationship != Some(main.id)
            || link.kind != main.kind
            || (company != Mark::Unknown && known != Mark::Unknown && company != known)
    }
}
