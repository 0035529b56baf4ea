//! The canary: one person of each environment who exists to prove that values still travel. Pure.
//!
//! Every so often a round writes a value that never stood there into one field of this person, in Tribe or
//! in one of the mailboxes; the engine carries it like any other edit, and what its passes record proves
//! that they did. Nothing here moves the engine's own state along.
//!
//! Rounds begin in Tribe and in a mailbox by turns. A round from Tribe is awaited by every mailbox; one from
//! a mailbox is awaited of that mailbox alone, since the others wait for whatever Tribe shows.

use std::{collections::BTreeMap, time::Duration};

use tribelink_plan::{
    base::{Mark, Marks},
    field::{Field, Side},
    ids::{EnvironmentId, PersonId, UserId},
};

use crate::store::{CanaryProof, CanaryRound, Change};

/// The field that is written: every kind of person has it, and it composes no other.
pub const FIELD: Field = Field::PrivatePhone;

/// How many values there are before the first comes again.
const VALUES: i64 = 1_000;

/// What the administrator chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The person of each environment that has one.
    pub people: BTreeMap<EnvironmentId, PersonId>,
    /// How often a round begins.
    pub interval: Duration,
    /// How long a value may take before that is said.
    pub patience: Duration,
}

impl Settings {
    /// The canary of an environment.
    pub fn person(&self, environment: &EnvironmentId) -> Option<PersonId> {
        self.people.get(environment).copied()
    }
}

/// The value of a round: a telephone number among those that the British regulator keeps for films, so that
/// it is nobody's.
pub fn value(round: i64) -> String {
    format!("+441632960{:03}", round.rem_euclid(VALUES))
}

/// Who may take part in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Participant {
    /// Whose mailbox.
    pub user: UserId,
    /// Whether a round may begin there: the contact stands in it.
    pub begins: bool,
}

/// Where the round after `last` begins: in Tribe and in a mailbox by turns. Of the mailboxes, in the one of
/// which it is the longest ago; `None`: in Tribe.
pub fn origin(
    last: Option<&CanaryRound>,
    participants: &[Participant],
    proofs: &[CanaryProof],
) -> Option<UserId> {
    let last = last.filter(|round| round.number > 0)?;
    if last.origin.is_some() {
        return None;
    }
    let asked = |user| find(proofs, user, Side::Tribe).map_or(0, |proof| proof.round);
    let able = participants.iter().filter(|one| one.begins);
    able.map(|one| one.user)
        .min_by_key(|user| (asked(*user), *user))
}

/// What begins a round: who waits for it from now on, and who no longer does since nobody looks after that
/// mailbox.
pub fn asks(
    round: &CanaryRound,
    participants: &[Participant],
    proofs: &[CanaryProof],
) -> Vec<Change> {
    let takes_part = |user| participants.iter().any(|one| one.user == user);
    let left = proofs
        .iter()
        .filter(|proof| proof.waits_ms.is_some() && !takes_part(proof.user));
    let mut changes: Vec<Change> = left
        .map(|proof| Change::EndCanaryWait {
            user: proof.user,
            to: proof.to,
        })
        .collect();
    let ask = |user, to| Change::AwaitCanary {
        user,
        to,
        round: round.number,
        since_ms: round.began_ms,
    };
    match round.origin {
        Some(user) => changes.push(ask(user, Side::Tribe)),
        None => changes.extend(participants.iter().map(|one| ask(one.user, Side::Outlook))),
    }
    changes
}

/// What a pass over the canary of one mailbox proves: the base that it recorded shows the value of a round
/// on both sides.
pub fn proves(
    user: UserId,
    base: Marks,
    round: &CanaryRound,
    proofs: &[CanaryProof],
    mark: impl Fn(&str) -> Mark,
    now_ms: i64,
) -> Vec<Change> {
    let shows = |number: i64| {
        let wanted = mark(&value(number));
        base.tribe == wanted && base.outlook == wanted
    };
    let proven = |to, number, since_ms: i64| Change::ProveCanary {
        user,
        to,
        round: number,
        at_ms: now_ms,
        took_ms: (now_ms - since_ms).max(0),
    };
    let mut changes = Vec::new();
    let outlook = find(proofs, user, Side::Outlook);
    let asked = outlook.filter(|proof| proof.waits_ms.is_some() && shows(proof.round));
    // One that began in another mailbox came by Tribe; one that began here proves nothing of this way.
    let came = (round.number > 0 && round.origin != Some(user) && shows(round.number))
        .then_some(round.number)
        .or(asked.map(|proof| proof.round));
    let is_news = |number| {
        outlook.is_none_or(|proof| {
            number > proof.round || number == proof.round && proof.waits_ms.is_some()
        })
    };
    if let Some(number) = came.filter(|number| is_news(*number)) {
        let since_ms = outlook.and_then(|proof| proof.waits_ms);
        changes.push(proven(
            Side::Outlook,
            number,
            since_ms.unwrap_or(round.began_ms),
        ));
    }
    let tribe = find(proofs, user, Side::Tribe);
    if let Some((asked, since_ms)) = tribe.and_then(|proof| Some((proof.round, proof.waits_ms?))) {
        if shows(asked) {
            changes.push(proven(Side::Tribe, asked, since_ms));
        } else if came.is_some_and(|number| number > asked) {
            // A later value of Tribe went before it, so that it never arrives.
            let to = Side::Tribe;
            changes.push(Change::EndCanaryWait { user, to });
        }
    }
    changes
}

/// How a mailbox stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing is awaited that was not proven.
    Proven,
    /// A value is under way.
    Waiting,
    /// A value has been under way for longer than is patience.
    Late,
}

impl Standing {
    /// Each, in order.
    pub const ALL: [Standing; 3] = [Standing::Proven, Standing::Waiting, Standing::Late];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Proven => "proven",
            Standing::Waiting => "waiting",
            Standing::Late => "late",
        }
    }

    /// Of one mailbox on one way.
    pub fn of(proof: &CanaryProof, settings: &Settings, now_ms: i64) -> Standing {
        match proof.waits_ms {
            None => Standing::Proven,
            Some(since_ms) if now_ms - since_ms <= millis(settings.patience) => Standing::Waiting,
            Some(_) => Standing::Late,
        }
    }
}

/// How each mailbox stands, the worse of its two ways.
pub fn standings(
    proofs: &[CanaryProof],
    settings: &Settings,
    now_ms: i64,
) -> BTreeMap<UserId, Standing> {
    let mut standings: BTreeMap<UserId, Standing> = BTreeMap::new();
    for proof in proofs {
        let own = Standing::of(proof, settings, now_ms);
        let known = standings.entry(proof.user).or_insert(own);
        *known = own.max(*known);
    }
    standings
}

/// For how long the next round is overdue, in milliseconds; 0: it is not.
pub fn overdue_ms(round: &CanaryRound, now_ms: i64) -> i64 {
    (now_ms - round.due_ms).max(0)
}

/// When something is to be looked at again: the next round, or a value that comes late by then.
pub fn due_ms(
    round: &CanaryRound,
    proofs: &[CanaryProof],
    settings: &Settings,
    now_ms: i64,
) -> i64 {
    let patience_ms = millis(settings.patience);
    let waits = proofs.iter().filter_map(|proof| proof.waits_ms);
    waits
        .map(|since_ms| since_ms + patience_ms + 1)
        .filter(|late_ms| *late_ms > now_ms)
        .chain([round.due_ms])
        .min()
        .unwrap_or(round.due_ms)
}

/// How the keys of the canary's alerts begin.
pub const ALERTS: &str = "canary/";

/// The key of the alert that one mailbox's value is late.
pub fn late_key(user: UserId) -> String {
    format!("{ALERTS}{user}")
}

/// The key of the alert that an environment's canary cannot be used.
pub fn unusable_key(environment: &EnvironmentId) -> String {
    format!("{ALERTS}{environment}")
}

fn find(proofs: &[CanaryProof], user: UserId, to: Side) -> Option<&CanaryProof> {
    proofs
        .iter()
        .find(|proof| proof.user == user && proof.to == to)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
