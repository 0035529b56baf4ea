//! Cards that the environment worker read, passed in memory to mailbox workers of this process.
//!
//! A card counts for [`FRESH_MS`]; a worker that starts later, or elsewhere, reads Tribe itself
//! (design, shape 4). So does one whose hints a later reading led to, or another process's: what that
//! one saw may be newer than the card.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tribelink_plan::{
    ids::{EnvironmentId, PersonId},
    person::Person,
};

use crate::store::ReadId;

/// How long a card may be used after it was read.
pub const FRESH_MS: i64 = 5_000;

/// At most this many cards are kept; beyond it the oldest go, and their workers read.
const CAPACITY: usize = 20_000;

/// The readings that a case's hints come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behind {
    /// There is no hint yet.
    #[default]
    Nothing,
    /// Readings of one process; the last of them.
    Reading(ReadId),
    /// Readings of several processes, or a hint that no reading led to.
    Unknown,
}

impl Behind {
    /// With one more hint.
    pub fn and(self, read: Option<ReadId>) -> Behind {
        match (self, read) {
            (Behind::Nothing, Some(read)) => Behind::Reading(read),
            (Behind::Reading(known), Some(read)) if known.process == read.process => {
                Behind::Reading(known.max(read))
            }
            _ => Behind::Unknown,
        }
    }

    /// Whether a card of this reading shows all that the hints are about.
    fn is_shown_by(self, card: ReadId) -> bool {
        matches!(self, Behind::Reading(last) if last.process == card.process && last.number <= card.number)
    }
}

/// A card with the time at which it was asked for.
#[derive(Debug)]
struct Card {
    at_ms: i64,
    read: ReadId,
    person: Arc<Person>,
}

#[derive(Debug, Default)]
struct Cards {
    readings: u64,
    by_person: HashMap<(EnvironmentId, PersonId), Card>,
}

/// The cards.
#[derive(Debug)]
pub struct SharedPeople {
    process: u64,
    cards: Mutex<Cards>,
}

impl SharedPeople {
    /// No cards yet; `process` tells this process's readings from those of others.
    pub fn new(process: u64) -> SharedPeople {
        SharedPeople {
            process,
            cards: Mutex::default(),
        }
    }

    /// Keeps cards that were asked for at `at_ms`; the reading's id, for the hints that it leads to.
    pub fn put(&self, environment: &EnvironmentId, people: &[Person], at_ms: i64) -> ReadId {
        let mut cards = self.cards.lock().unwrap_or_else(PoisonError::into_inner);
        cards.readings += 1;
        let read = ReadId {
            process: self.process,
            number: cards.readings,
        };
        let by_person = &mut cards.by_person;
        by_person.retain(|_, card| at_ms - card.at_ms < FRESH_MS);
        if by_person.len() + people.len() > CAPACITY {
            by_person.clear();
        }
        for person in people {
            let card = Card {
                at_ms,
                read,
                person: Arc::new(person.clone()),
            };
            by_person.insert((environment.clone(), person.id), card);
        }
        read
    }

    /// A card that was asked for after `than_ms`.
    pub fn later(
        &self,
        environment: &EnvironmentId,
        person: PersonId,
        than_ms: i64,
    ) -> Option<Arc<Person>> {
        let cards = self.cards.lock().unwrap_or_else(PoisonError::into_inner);
        let card = cards.by_person.get(&(environment.clone(), person))?;
        (card.at_ms > than_ms).then(|| Arc::clone(&card.person))
    }

    /// A card that is still fresh and shows what the hints are about.
    pub fn get(
        &self,
        environment: &EnvironmentId,
        person: PersonId,
        behind: Behind,
        now_ms: i64,
    ) -> Option<Arc<Person>> {
        let cards = self.cards.lock().unwrap_or_else(PoisonError::into_inner);
        let card = cards.by_person.get(&(environment.clone(), person))?;
        (now_ms - card.at_ms < FRESH_MS && behind.is_shown_by(card.read))
            .then(|| Arc::clone(&card.person))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn somebody(first_name: &str) -> Person {
        use tribelink_plan::{field::Field, reading::Reading};
        Person {
            id: PersonId(uuid::Uuid::from_u128(1)),
            fields: BTreeMap::from([(Field::FirstName, Reading::Value(first_name.into()))]),
            relationships: Vec::new(),
        }
    }

    fn land() -> EnvironmentId {
        EnvironmentId("default".to_owned())
    }

    #[test]
    fn a_card_older_than_the_hints_reading_is_not_passed_on() {
        let people = SharedPeople::new(1);
        let first = people.put(&land(), &[somebody("Anna")], 0);
        // The next reading finds the person gone, and leaves the card where it is.
        let second = people.put(&land(), &[], 1);
        let id = somebody("Anna").id;
        let seen = |behind: Behind| people.get(&land(), id, behind, 2).is_some();
        assert!(seen(Behind::default().and(Some(first))));
        assert!(!seen(Behind::default().and(Some(second))));
        assert!(!seen(Behind::default().and(Some(second)).and(Some(first))));
    }

    #[test]
    fn a_card_is_not_passed_on_to_hints_of_another_processs_reading() {
        let here = SharedPeople::new(1);
        let there = SharedPeople::new(2);
        let ours = here.put(&land(), &[somebody("Anna")], 0);
        let theirs = there.put(&land(), &[somebody("Berta")], 1);
        let id = somebody("Anna").id;
        let seen = |behind: Behind| here.get(&land(), id, behind, 2).is_some();
        assert!(!seen(Behind::default().and(Some(theirs))));
        assert!(!seen(Behind::default().and(Some(ours)).and(Some(theirs))));
        assert!(!seen(Behind::default().and(Some(ours)).and(None)));
        assert!(!seen(Behind::default()));
    }

    #[test]
    fn a_later_card_shows_what_earlier_hints_are_about_while_it_is_fresh() {
        let people = SharedPeople::new(1);
        let first = people.put(&land(), &[somebody("Anna")], 0);
        people.put(&land(), &[somebody("Berta")], 1);
        let id = somebody("Anna").id;
        let behind = Behind::default().and(Some(first));
        let card = people.get(&land(), id, behind, FRESH_MS);
        assert_eq!(card.as_deref(), Some(&somebody("Berta")));
        assert!(people.get(&land(), id, behind, FRESH_MS + 1).is_none());
    }
}
