//! Until when Graph asked this process to leave a mailbox alone.
//!
//! The store tells the other replicas and the next start, but a job that lost its lease ends before it
//! has stored anything, and the next one would call at once. What one of them heard, all know here.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tribelink_plan::ids::UserId;

/// The rests that are not over yet, in milliseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Rests(Mutex<BTreeMap<UserId, i64>>);

impl Rests {
    /// Keeps the longest that was asked for.
    pub(crate) fn ask(&self, user: UserId, until_ms: i64) {
        let mut rests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = rests.entry(user).or_insert(until_ms);
        *known = until_ms.max(*known);
    }

    /// Until when; what is over is forgotten.
    pub(crate) fn until(&self, user: UserId, now_ms: i64) -> Option<i64> {
        let mut rests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until_ms = *rests.get(&user)?;
        if until_ms <= now_ms {
            rests.remove(&user);
            return None;
        }
        Some(until_ms)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_longest_rest_holds_until_it_is_over() {
        let (rests, user) = (Rests::default(), UserId(Uuid::nil()));
        assert_eq!(rests.until(user, 0), None);
        rests.ask(user, 7);
        rests.ask(user, 5);
        assert_eq!(rests.until(user, 6), Some(7));
        assert_eq!(rests.until(user, 7), None);
        // A clock that was put back finds nothing of it any more.
        assert_eq!(rests.until(user, 6), None);
    }
}
