//! Whose turn it is (pure): lanes that were woken, in the order in which they were.
//!
//! A lane that waits keeps its place however often it is woken again, so that none is passed over for
//! ever by others that are busier.

use std::collections::BTreeMap;

use crate::store::Lane;

/// Lanes that wait for their turn.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    drawn: u64,
    by_turn: BTreeMap<u64, Lane>,
    by_lane: BTreeMap<Lane, u64>,
}

impl Queue {
    /// Lines up; a lane that already waits stays where it is. Whether it did not wait before.
    pub(crate) fn push(&mut self, lane: &Lane) -> bool {
        if self.by_lane.contains_key(lane) {
            return false;
        }
        self.drawn += 1;
        self.by_turn.insert(self.drawn, lane.clone());
        self.by_lane.insert(lane.clone(), self.drawn);
        true
    }

    /// Who has waited longest.
    pub(crate) fn pop(&mut self) -> Option<Lane> {
        let (_, lane) = self.by_turn.pop_first()?;
        self.by_lane.remove(&lane);
        Some(lane)
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_turn.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use tribelink_plan::ids::UserId;
    use uuid::Uuid;

    use super::*;

    fn mailbox(number: u128) -> Lane {
        Lane::Mailbox(UserId(Uuid::from_u128(number)))
    }

    #[test]
    fn whoever_came_first_goes_first_whatever_its_name_and_however_often_it_calls() {
        let mut queue = Queue::default();
        for number in [3, 1, 2, 1, 3] {
            queue.push(&mailbox(number));
        }
        assert_eq!(queue.pop(), Some(mailbox(3)));
        queue.push(&mailbox(3));
        let rest: Vec<Lane> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(rest, [mailbox(1), mailbox(2), mailbox(3)]);
        assert!(queue.is_empty());
    }
}
