//! Which replica works on what (pure): lanes and calls, shared out among those that live.
//!
//! Every replica computes the same from the same list of names, so nobody has to be asked. A lane's
//! owner is the replica with the highest score for it (rendezvous hashing): one that joins takes
//! only its own part from each of the others, and the part of one that leaves is spread. Ownership
//! says who begins first; the lease alone says who may work.

use std::collections::BTreeMap;

use crate::{digest::sha256, store::Lane};

/// Calls in flight at one Tribe environment, from all replicas together (design, limits).
const CALLS: usize = 5;

/// How long a lane that is due waits for its owner before any replica may take it: a replica that
/// has room helps one that has none, and nothing depends on who is said to live.
pub(crate) const PATIENCE_MS: i64 = 1_000;

/// The live replicas as one of them knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    own: String,
    /// By name, this one among them; empty: nobody else is known.
    live: Vec<String>,
}

impl Share {
    /// The share of `own` among the live replicas.
    pub(crate) fn new(own: &str, mut live: Vec<String>) -> Share {
        if !live.iter().any(|name| name == own) {
            live.push(own.to_owned());
        }
        live.sort();
        Share {
            own: own.to_owned(),
            live,
        }
    }

    /// How many live.
    pub(crate) fn count(&self) -> usize {
        self.live.len().max(1)
    }

    /// Whether this replica begins with that lane.
    pub(crate) fn owns(&self, lane: &Lane) -> bool {
        let best = self.live.iter().max_by_key(|name| score(name, lane));
        best.is_none_or(|name| *name == self.own)
    }

    /// How many of Tribe's calls in flight are this replica's, for one environment. More replicas
    /// than calls have one each: then the cap is theirs together, not five.
    pub(crate) fn calls(&self) -> usize {
        let rank = self.live.iter().position(|name| *name == self.own);
        let extra = rank.is_some_and(|rank| rank < CALLS % self.count());
        (CALLS / self.count() + usize::from(extra)).clamp(1, CALLS)
    }
}

fn score(name: &str, lane: &Lane) -> [u8; 32] {
    let text = match lane {
        Lane::Environment(id) => format!("{name} environment {id}"),
        Lane::Mailbox(id) => format!("{name} mailbox {id}"),
    };
    sha256(text.as_bytes())
}

/// Lanes that are due and another's: since when this replica has seen them wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting(BTreeMap<Lane, i64>);

impl Waiting {
    /// Of the due lanes those to begin with now: the own ones, and whoever has waited too long.
    pub(crate) fn choose(&mut self, due: Vec<Lane>, share: &Share, now_ms: i64) -> Vec<Lane> {
        let mut seen = BTreeMap::new();
        let mut chosen = Vec::new();
        for lane in due {
            if share.owns(&lane) {
                chosen.push(lane);
                continue;
            }
            let since = self.0.get(&lane).copied().unwrap_or(now_ms);
            seen.insert(lane.clone(), since);
            if now_ms - since >= PATIENCE_MS {
                chosen.push(lane);
            }
        }
        // Whatever is no longer due has been taken.
        self.0 = seen;
        chosen
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tribelink_plan::ids::UserId;
    use uuid::Uuid;

    use super::*;

    fn lanes(count: u128) -> Vec<Lane> {
        let mailbox = |number| Lane::Mailbox(UserId(Uuid::from_u128(number)));
        (0..count).map(mailbox).collect()
    }

    fn shares(names: &[&str]) -> Vec<Share> {
        let live: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names
            .iter()
            .map(|name| Share::new(name, live.clone()))
            .collect()
    }

    fn owned(share: &Share, lanes: &[Lane]) -> BTreeSet<Lane> {
        lanes
            .iter()
            .filter(|lane| share.owns(lane))
            .cloned()
            .collect()
    }

    #[test]
    fn every_lane_has_one_owner_and_the_parts_are_alike() {
        let lanes = lanes(3_000);
        let parts: Vec<_> = shares(&["a", "b", "c"])
            .iter()
            .map(|share| owned(share, &lanes))
            .collect();
        let all: usize = parts.iter().map(BTreeSet::len).sum();
        assert_eq!(all, lanes.len());
        for part in &parts {
            assert!((800..1_200).contains(&part.len()), "{}", part.len());
        }
    }

    #[test]
    fn one_that_joins_takes_only_its_own_part() {
        let lanes = lanes(1_000);
        let before = shares(&["a", "b"]);
        let after = shares(&["a", "b", "c"]);
        for (before, after) in before.iter().zip(&after) {
            assert!(owned(after, &lanes).is_subset(&owned(before, &lanes)));
        }
        assert!(!owned(&after[2], &lanes).is_empty());
    }

    #[test]
    fn alone_it_owns_everything() {
        for share in [Share::default(), Share::new("a", Vec::new())] {
            assert_eq!(owned(&share, &lanes(10)).len(), 10);
            assert_eq!(share.calls(), 5);
        }
    }

    #[test]
    fn the_calls_in_flight_add_up_to_five_and_each_has_one() {
        let names = ["a", "b", "c", "d", "e"];
        for count in 1..=names.len() {
            let calls = shares(&names[..count])
                .iter()
                .map(Share::calls)
                .sum::<usize>();
            assert_eq!(calls, 5, "{count} replicas");
        }
        let many = shares(&["a", "b", "c", "d", "e", "f"]);
        assert!(many.iter().all(|share| share.calls() == 1));
    }

    #[test]
    fn a_lane_of_another_is_taken_after_it_waited() {
        let lanes = lanes(100);
        let share = &shares(&["a", "b"])[0];
        let own = owned(share, &lanes);
        let mut waiting = Waiting::default();
        let chosen = waiting.choose(lanes.clone(), share, 0);
        assert_eq!(chosen.into_iter().collect::<BTreeSet<_>>(), own);
        // One is taken by its owner and due again: it waits anew.
        let other = lanes.iter().find(|lane| !own.contains(lane)).cloned();
        let rest: Vec<Lane> = lanes
            .iter()
            .filter(|lane| Some(*lane) != other.as_ref())
            .cloned()
            .collect();
        waiting.choose(rest, share, 500);
        let chosen = waiting.choose(lanes.clone(), share, PATIENCE_MS);
        assert_eq!(chosen.len(), 99);
        assert!(!chosen.contains(&other.unwrap()));
    }
}
