//! Cards that the environment worker read, passed in memory to mailbox workers of this process.
//!
//! A card counts for [`FRESH_MS`]; a worker that starts later, or elsewhere, reads Tribe itself
//! (design, shape 4).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tribelink_plan::{
    ids::{EnvironmentId, PersonId},
    person::Person,
};

/// How long a card may be used after it was read.
pub const FRESH_MS: i64 = 5_000;

/// At most this many cards are kept; beyond it the oldest go, and their workers read.
const CAPACITY: usize = 20_000;

/// A card with the time at which it was asked for.
type Card = (i64, Arc<Person>);

/// The cards.
#[derive(Default)]
pub struct SharedPeople(Mutex<HashMap<(EnvironmentId, PersonId), Card>>);

impl SharedPeople {
    /// Keeps cards that were asked for at `read_ms`.
    pub fn put(&self, environment: &EnvironmentId, people: &[Person], read_ms: i64) {
        let mut cards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cards.retain(|_, (then, _)| read_ms - *then < FRESH_MS);
        if cards.len() + people.len() > CAPACITY {
            cards.clear();
        }
        for person in people {
            cards.insert(
                (environment.clone(), person.id),
                (read_ms, Arc::new(person.clone())),
            );
        }
    }

    /// A card that is still fresh.
    pub fn get(
        &self,
        environment: &EnvironmentId,
        person: PersonId,
        now_ms: i64,
    ) -> Option<Arc<Person>> {
        let cards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cards
            .get(&(environment.clone(), person))
            .filter(|(then, _)| now_ms - *then < FRESH_MS)
            .map(|(_, card)| Arc::clone(card))
    }
}
