//! Deliveries that came before, byte by byte: counted, never refused.
//!
//! Tribe's deliveries carry neither number nor time, so that a replay by a stranger and a second
//! attempt by Tribe look alike. Either costs a read at most; many of them are worth a look.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use crate::sealed::sha256;

/// How many deliveries are remembered: 1 MiB.
const REMEMBERED: usize = 10_000;

#[derive(Default)]
struct Seen {
    known: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

/// The deliveries of late, by their SHA-256.
#[derive(Default)]
pub struct Replays {
    seen: Mutex<Seen>,
}

impl Replays {
    /// Remembers a delivery; whether it came before.
    pub fn came_before(&self, body: &[u8]) -> bool {
        let hash = sha256(body);
        // A panic between the two leaves a hash that is forgotten later or never: no harm.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { known, order } = &mut *seen;
        if !known.insert(hash) {
            return true;
        }
        order.push_back(hash);
        if order.len() > REMEMBERED
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_known_again_until_many_others_came() {
        let replays = Replays::default();
        assert!(!replays.came_before(b"one"));
        assert!(replays.came_before(b"one"));
        assert!(!replays.came_before(b"two"));
        for number in 0..REMEMBERED {
            assert!(!replays.came_before(&number.to_be_bytes()));
        }
        assert!(!replays.came_before(b"one"), "long ago");
    }
}
