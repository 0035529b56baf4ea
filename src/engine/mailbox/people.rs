//! Reads Tribe's side of a group: in bulk, and one by one where a single person stands in the way of
//! the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tribelink_plan::{
    ids::PersonId,
    person::Person,
    planted::{self, Bug},
};

use super::{
    Error, Job,
    case::{Case, End, Tribe},
};
use crate::{
    engine::retry::{IN_A_ROW, may_be_one_item},
    remote,
};

/// How old a reading of Tribe may be when a write to Tribe is planned from it, in milliseconds.
const TRIBE_FRESH_MS: i64 = 2_000;

/// How old what was read early may be, in milliseconds: as what a group read itself is, when the last of its
/// batches leaves for a slow Graph. Whatever changes later comes with a hint of its own.
const EARLY_FRESH_MS: i64 = 60_000;

/// What the reads of a group brought.
#[derive(Default)]
struct Reads {
    people: BTreeMap<PersonId, Arc<Person>>,
    failed: BTreeMap<PersonId, remote::Error>,
}

impl Reads {
    fn keep(&mut self, person: Person) {
        self.people.insert(person.id, Arc::new(person));
    }

    fn is_done(&self, id: PersonId) -> bool {
        self.people.contains_key(&id) || self.failed.contains_key(&id)
    }
}

/// What was read of Tribe for a group before its turn.
#[derive(Default)]
pub(super) struct EarlyRead {
    /// When it was asked for.
    at_ms: i64,
    people: BTreeMap<PersonId, Arc<Person>>,
}

impl Job<'_> {
    /// Reads Tribe for a group that is not at work yet, which would otherwise wait for it. Whoever it does
    /// not bring is read in turn: a failure of it is nobody's.
    pub(super) fn early_read(&self, cases: &[Case]) -> impl Future<Output = EarlyRead> + use<> {
        let at_ms = self.engine.now();
        let ids: BTreeSet<PersonId> = cases
            .iter()
            .filter(|case| self.passed_on(case, at_ms).is_none())
            .map(|case| case.person)
            .collect();
        let ids: Vec<PersonId> = ids.into_iter().collect();
        let crm = Arc::clone(&self.land.crm);
        async move {
            if ids.is_empty() {
                return EarlyRead::default();
            }
            let people = crm.people(&ids).await.unwrap_or_default();
            let people = people
                .into_iter()
                .map(|person| (person.id, Arc::new(person)));
            EarlyRead {
                at_ms,
                people: people.collect(),
            }
        }
    }

    /// Hands out what was read early, where that is not long ago.
    pub(super) fn use_early_read(&mut self, cases: &mut [Case]) {
        let mut early = std::mem::take(&mut self.early);
        if self.engine.now() - early.at_ms >= EARLY_FRESH_MS {
            return;
        }
        for case in cases {
            if let Some(person) = early.people.remove(&case.person) {
                case.tribe = Tribe::Read(person);
                case.tribe_ms = early.at_ms;
            }
        }
    }

    /// The environment worker's card of a person, where it will do.
    fn passed_on(&self, case: &Case, now_ms: i64) -> Option<Arc<Person>> {
        if case.look_at_outlook {
            return None;
        }
        let environment = &self.land.environment.id;
        let people = &self.engine.people;
        people.get(environment, case.person, case.behind, now_ms)
    }

    /// Cards that the environment worker passed on where they will do, else one read for a hundred
    /// people. One that is absent from it is confirmed by a read of its id (R11). A person whose read
    /// is refused ends its case; the others go on.
    pub(super) async fn read_tribe(&self, cases: &mut [Case]) -> Result<(), Error> {
        let mut missing: BTreeSet<PersonId> = BTreeSet::new();
        let mut attempts = 0;
        let now = self.engine.now();
        for case in cases.iter_mut().filter(|case| case.end.is_none()) {
            if !matches!(case.tribe, Tribe::Unread) {
                continue;
            }
            case.tribe_ms = now;
            match self.passed_on(case, now) {
                Some(card) => case.tribe = Tribe::PassedOn(card),
                None => {
                    missing.insert(case.person);
                    attempts = attempts.max(case.attempts);
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let reads = self.reads(&missing, attempts).await?;
        for case in cases.iter_mut().filter(|case| case.end.is_none()) {
            if !matches!(case.tribe, Tribe::Unread) {
                continue;
            }
            if let Some(error) = reads.failed.get(&case.person) {
                case.end = Some(self.end_of(case, error));
                continue;
            }
            case.tribe = match reads.people.get(&case.person) {
                Some(person) => Tribe::Read(Arc::clone(person)),
                None => Tribe::Gone,
            };
        }
        Ok(())
    }

    /// Reads once more, in one go, whoever is about to be written to in Tribe and was read a while ago:
    /// Tribe has no etags, so nothing but the time in between keeps an edit from being overwritten there
    /// (Tribe reference 3.6). Whoever changed is planned anew; true where somebody is.
    pub(super) async fn refresh_tribe(&mut self, cases: &mut [Case]) -> Result<bool, Error> {
        let now = self.engine.now();
        let is_old = |case: &Case| {
            let writes = case.update().is_some_and(|update| !update.tribe.is_empty());
            writes && case.end.is_none() && now - case.tribe_ms > TRIBE_FRESH_MS
        };
        let old: BTreeSet<PersonId> = cases
            .iter()
            .filter(|case| is_old(case))
            .map(|case| case.person)
            .collect();
        if old.is_empty() {
            return Ok(false);
        }
        let reads = self.reads(&old, 0).await?;
        let mut any = false;
        for case in cases.iter_mut().filter(|case| old.contains(&case.person)) {
            if let Some(error) = reads.failed.get(&case.person) {
                case.end = Some(self.end_of(case, error));
                case.plan = None;
                continue;
            }
            case.tribe_ms = now;
            let read = reads.people.get(&case.person);
            if matches!((&case.tribe, read), (Tribe::Read(used), Some(read)) if used == read) {
                continue;
            }
            case.tribe = read.map_or(Tribe::Gone, |person| Tribe::Read(Arc::clone(person)));
            case.plan = None;
            any = true;
        }
        Ok(any)
    }

    /// Puts off whoever the environment worker has since read anew, and found changed: a write to Tribe
    /// would take away what this job has not seen, and Tribe has no etags to prevent it (Tribe
    /// reference 3.6).
    pub(super) fn yield_to_newer(&self, cases: &mut [Case]) {
        let environment = &self.land.environment.id;
        for case in cases.iter_mut().filter(|case| case.end.is_none()) {
            let (Tribe::PassedOn(used) | Tribe::Read(used)) = &case.tribe else {
                continue;
            };
            let people = &self.engine.people;
            let later = people.later(environment, case.person, case.tribe_ms);
            let is_changed = later.is_some_and(|later| later != *used);
            let writes = case.update().is_some_and(|update| !update.tribe.is_empty());
            if is_changed && writes {
                case.end = Some(End::Again(0));
            }
        }
    }

    async fn reads(&self, missing: &BTreeSet<PersonId>, attempts: u32) -> Result<Reads, Error> {
        let ids: Vec<PersonId> = missing.iter().copied().collect();
        let mut reads = Reads::default();
        match self.land.crm.people(&ids).await {
            Ok(people) => people.into_iter().for_each(|person| reads.keep(person)),
            Err(error) if may_be_one_item(&error, attempts) => {}
            Err(error) => return Err(error.into()),
        }
        if planted::is(Bug::AbsenceIsDeletion) && !reads.people.is_empty() {
            return Ok(reads);
        }
        let mut in_a_row = 0;
        for id in ids {
            if reads.is_done(id) {
                continue;
            }
            match self.land.crm.person(id).await {
                Ok(Some(person)) => reads.keep(person),
                Ok(None) => {}
                Err(error) if may_be_one_item(&error, attempts) => {
                    in_a_row += 1;
                    // Whoever is refused everything has no bad person among many.
                    if in_a_row >= IN_A_ROW && missing.len() > IN_A_ROW {
                        return Err(error.into());
                    }
                    reads.failed.insert(id, error);
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            in_a_row = 0;
        }
        // With few people a day without Tribe looks like a fault of each.
        let blamed = reads.failed.values().find(|error| error.is_passing());
        if let Some(error) = blamed
            && reads.people.is_empty()
            && self.land.crm.identity().await.is_err()
        {
            return Err(error.clone().into());
        }
        Ok(reads)
    }
}
