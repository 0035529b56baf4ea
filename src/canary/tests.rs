//! Rounds as they begin, arrive, are overtaken and stay away.

use tribelink_plan::{base::Fingerprint, canonical::canonical};
use uuid::Uuid;

use super::*;

const MINUTE: i64 = 60_000;

fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

fn settings() -> Settings {
    Settings {
        people: BTreeMap::new(),
        interval: Duration::from_secs(3_600),
        patience: Duration::from_secs(15 * 60),
    }
}

fn round(number: i64, origin: Option<UserId>) -> CanaryRound {
    CanaryRound {
        environment: EnvironmentId::from("default"),
        number,
        origin,
        began_ms: number * 60 * MINUTE,
        written: true,
        due_ms: (number + 1) * 60 * MINUTE,
    }
}

fn proof(number: u128, to: Side, round: i64, waits_ms: Option<i64>) -> CanaryProof {
    CanaryProof {
        user: user(number),
        to,
        round,
        waits_ms,
        proven_ms: None,
        took_ms: None,
    }
}

fn takes_part(number: u128, begins: bool) -> Participant {
    Participant {
        user: user(number),
        begins,
    }
}

fn mark(value: &str) -> Mark {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    Mark::Value(Fingerprint(digits.parse().expect("digits")))
}

/// What both sides showed when the value of that round had travelled.
fn carried(number: i64) -> Marks {
    let mark = mark(&value(number));
    Marks {
        tribe: mark,
        outlook: mark,
    }
}

fn proven(base: Marks, round: &CanaryRound, proofs: &[CanaryProof]) -> Vec<(Side, i64, i64)> {
    let found = proves(user(1), base, round, proofs, mark, 90 * MINUTE);
    let told = found.into_iter().map(|change| match change {
        Change::ProveCanary {
            to, round, took_ms, ..
        } => (to, round, took_ms),
        Change::EndCanaryWait { to, .. } => (to, 0, 0),
        other => panic!("{other:?}"),
    });
    told.collect()
}

#[test]
fn a_value_is_a_number_of_its_own_that_stays_as_it_is_written() {
    assert_eq!(value(7), "+441632960007");
    assert_eq!(canonical(FIELD, &value(7), "NL"), value(7));
    let all: std::collections::BTreeSet<String> = (1..=VALUES).map(value).collect();
    assert_eq!(all.len(), 1_000);
}

#[test]
fn rounds_begin_in_tribe_and_in_the_mailboxes_by_turns() {
    let all = [
        takes_part(1, true),
        takes_part(2, true),
        takes_part(3, false),
    ];
    assert_eq!(origin(None, &all, &[]), None, "the first");
    let from_tribe = round(1, None);
    assert_eq!(origin(Some(&from_tribe), &all, &[]), Some(user(1)));
    assert_eq!(origin(Some(&round(2, Some(user(1)))), &all, &[]), None);
    let asked = [
        proof(1, Side::Tribe, 2, None),
        proof(1, Side::Outlook, 9, None),
    ];
    assert_eq!(origin(Some(&round(3, None)), &all, &asked), Some(user(2)));
    let asked = [
        proof(1, Side::Tribe, 2, None),
        proof(2, Side::Tribe, 4, Some(0)),
    ];
    assert_eq!(origin(Some(&round(5, None)), &all, &asked), Some(user(1)));
    // Nobody's contact is there to type into.
    assert_eq!(origin(Some(&round(5, None)), &all[2..], &asked), None);
}

#[test]
fn a_round_is_asked_of_whom_it_is_to_reach() {
    let all = [takes_part(1, true), takes_part(2, true)];
    let asked = |origin| {
        let changes = asks(&round(3, origin), &all, &[]);
        let told = changes.into_iter().map(|change| match change {
            Change::AwaitCanary { user, to, .. } => (user, to),
            other => panic!("{other:?}"),
        });
        told.collect::<Vec<_>>()
    };
    let to_outlook = [(user(1), Side::Outlook), (user(2), Side::Outlook)];
    assert_eq!(asked(None), to_outlook);
    assert_eq!(asked(Some(user(2))), [(user(2), Side::Tribe)]);
    // Whoever was paused is not waited for.
    let waits = [
        proof(2, Side::Outlook, 1, Some(5)),
        proof(9, Side::Outlook, 1, Some(5)),
        proof(9, Side::Tribe, 2, None),
    ];
    let changes = asks(&round(3, Some(user(1))), &all, &waits);
    assert_eq!(
        changes[0],
        Change::EndCanaryWait {
            user: user(9),
            to: Side::Outlook
        }
    );
    assert_eq!(changes.len(), 2);
}

#[test]
fn a_value_of_tribe_arrives_once_in_a_mailbox() {
    let newest = round(1, None);
    let waits = [proof(1, Side::Outlook, 1, Some(60 * MINUTE))];
    assert_eq!(
        proven(carried(1), &newest, &waits),
        [(Side::Outlook, 1, 30 * MINUTE)]
    );
    assert_eq!(proven(carried(0), &newest, &waits), [], "still the former");
    let half = Marks {
        outlook: mark(&value(0)),
        ..carried(1)
    };
    assert_eq!(proven(half, &newest, &waits), [], "not there yet");
    let known = [proof(1, Side::Outlook, 1, None)];
    assert_eq!(proven(carried(1), &newest, &known), [], "it is no news");
}

#[test]
fn a_value_of_a_mailbox_proves_its_own_way_and_that_of_the_others() {
    let here = round(2, Some(user(1)));
    let known = [
        proof(1, Side::Tribe, 2, Some(80 * MINUTE)),
        proof(1, Side::Outlook, 1, None),
    ];
    assert_eq!(
        proven(carried(2), &here, &known),
        [(Side::Tribe, 2, 10 * MINUTE)],
        "what was typed here proves nothing of the way here"
    );
    let elsewhere = CanaryRound {
        began_ms: 85 * MINUTE,
        ..round(2, Some(user(7)))
    };
    let known = [proof(1, Side::Outlook, 1, None)];
    assert_eq!(
        proven(carried(2), &elsewhere, &known),
        [(Side::Outlook, 2, 5 * MINUTE)]
    );
    // The mailbox in which it began is broken: what Tribe shows is still the value before.
    let waits = [proof(1, Side::Outlook, 1, Some(60 * MINUTE))];
    assert_eq!(
        proven(carried(1), &elsewhere, &waits),
        [(Side::Outlook, 1, 30 * MINUTE)]
    );
}

#[test]
fn a_value_that_was_overtaken_is_no_longer_waited_for() {
    let newest = round(3, None);
    let waits = [
        proof(1, Side::Tribe, 2, Some(80 * MINUTE)),
        proof(1, Side::Outlook, 3, Some(85 * MINUTE)),
    ];
    assert_eq!(
        proven(carried(3), &newest, &waits),
        [(Side::Outlook, 3, 5 * MINUTE), (Side::Tribe, 0, 0)]
    );
    // Late, but in time.
    assert_eq!(
        proven(carried(2), &newest, &waits),
        [(Side::Tribe, 2, 10 * MINUTE)]
    );
}

#[test]
fn a_mailbox_is_late_once_patience_is_over_whatever_begins_meanwhile() {
    let settings = settings();
    let of =
        |waits_ms, now_ms| Standing::of(&proof(1, Side::Outlook, 5, waits_ms), &settings, now_ms);
    assert_eq!(of(None, 90 * MINUTE), Standing::Proven);
    assert_eq!(of(Some(60 * MINUTE), 75 * MINUTE), Standing::Waiting);
    assert_eq!(of(Some(60 * MINUTE), 75 * MINUTE + 1), Standing::Late);
    let both = [
        proof(1, Side::Tribe, 2, Some(0)),
        proof(1, Side::Outlook, 3, None),
        proof(2, Side::Outlook, 3, Some(60 * MINUTE)),
    ];
    let standings = standings(&both, &settings, 61 * MINUTE);
    let worse = [(user(1), Standing::Late), (user(2), Standing::Waiting)];
    assert_eq!(standings, worse.into_iter().collect());
}

#[test]
fn the_next_look_is_the_next_round_or_the_first_that_is_late() {
    let settings = settings();
    let newest = round(1, None);
    assert_eq!(due_ms(&newest, &[], &settings, 61 * MINUTE), 120 * MINUTE);
    let waits = [
        proof(1, Side::Outlook, 1, Some(60 * MINUTE)),
        proof(2, Side::Outlook, 1, Some(10 * MINUTE)),
    ];
    let late_ms = 75 * MINUTE + 1;
    assert_eq!(due_ms(&newest, &waits, &settings, 61 * MINUTE), late_ms);
    assert_eq!(due_ms(&newest, &waits, &settings, late_ms), 120 * MINUTE);
    assert_eq!(overdue_ms(&newest, 119 * MINUTE), 0);
    assert_eq!(overdue_ms(&newest, 121 * MINUTE), MINUTE);
}
