//! Random histories, made from small numbers so that they meet each other's rows.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tribelink::store::*;
use tribelink_plan::{field::Side, ids::FolderId, link::LinkState, rule::Rule};

use super::sample::{self, contact_id, environment_id, person_id, user_id};

const KINDS: u8 = 44;

/// A change in small numbers: its kind and three choices.
pub(super) type Choice = (u8, u8, u8, u8);

#[derive(Clone, Debug)]
pub(super) enum Step {
    Commit {
        guarded: Option<u8>,
        changes: Vec<Choice>,
    },
    Hints(Vec<Choice>),
    Claim(u8, u8),
    Renew(u8, u8),
    Release(u8),
    TakeSignIn(u8, u8),
}

pub(super) fn choice() -> impl Strategy<Value = Choice> {
    (0..KINDS, 0..4_u8, 0..4_u8, 0..30_u8)
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let changes = prop::collection::vec(choice(), 1..4);
    prop_oneof![
        8 => (prop::option::weighted(0.2, 0..30_u8), changes)
            .prop_map(|(guarded, changes)| Step::Commit { guarded, changes }),
        2 => prop::collection::vec(choice(), 0..4).prop_map(Step::Hints),
        2 => (0..6_u8, 0..30_u8).prop_map(|(lane, now)| Step::Claim(lane, now)),
        1 => (0..6_u8, 0..30_u8).prop_map(|(lane, now)| Step::Renew(lane, now)),
        1 => (0..6_u8).prop_map(Step::Release),
        1 => (0..4_u8, 0..30_u8).prop_map(|(state, now)| Step::TakeSignIn(state, now)),
    ]
}

fn environment_name(choice: u8) -> &'static str {
    ["a", "a", "b", "c"][usize::from(choice % 4)]
}

/// User 1 and 2 are of "a", 3 of "b"; 0 is never put.
fn home(user: u8) -> &'static str {
    if user == 3 { "b" } else { "a" }
}

pub(super) fn lane(choice: u8) -> Lane {
    match choice {
        0 => sample::environment_lane("a"),
        1 => sample::environment_lane("b"),
        user => sample::lane(u128::from(user - 1)),
    }
}

fn state(choice: u8) -> UserState {
    [
        UserState::Live,
        UserState::Paused,
        UserState::Consented,
        UserState::Disconnected,
    ][usize::from(choice % 4)]
}

fn link_state(choice: u8) -> LinkState {
    [
        LinkState::Linked,
        LinkState::Intent,
        LinkState::Tombstone { eligible: true },
        LinkState::Sleeping,
        LinkState::Closed,
        LinkState::Linked,
    ][usize::from(choice % 6)]
}

fn rule(choice: u8) -> Rule {
    if choice.is_multiple_of(2) {
        Rule::R6
    } else {
        Rule::R16
    }
}

pub(super) fn hint((_, a, b, c): Choice) -> NewHint {
    NewHint {
        received_ms: i64::from(b),
        attempts: u32::from(b),
        ..match a {
            0 => sample::hint(environment_name(b), None, i64::from(c)),
            user => sample::hint(home(user), Some(u128::from(user)), i64::from(c)),
        }
    }
}

/// The ids at these ranks, of what is there.
fn ranked(ids: &[i64], choices: [u8; 2]) -> Vec<i64> {
    let of = |choice: u8| ids.get(usize::from(choice)).copied();
    choices.into_iter().filter_map(of).collect()
}

/// What the numbers of a store stand for at the moment.
pub(super) struct Ids {
    pub(super) hints: Vec<i64>,
    pub(super) held: Vec<i64>,
    pub(super) parked: Vec<i64>,
}

pub(super) fn change((kind, a, b, c): Choice, ids: &Ids) -> Change {
    let (number, person, at_ms) = (u128::from(a), u128::from(b), i64::from(c));
    let (id, counts) = (user_id(number), Some((u64::from(b), u64::from(c))));
    let environment = environment_id(environment_name(a));
    match kind {
        0 => Change::AddHints(vec![hint((kind, a, b, c)), hint((kind, b, a, c))]),
        1 => Change::DropHints(ranked(&ids.hints, [a, c])),
        2 => Change::DelayHints {
            ids: ranked(&ids.hints, [a, b]),
            not_before_ms: at_ms,
            attempts: u32::from(b),
        },
        3 => Change::DropMailboxHints(id),
        4 => Change::PutEnvironment(Environment {
            chores_due_ms: at_ms,
            ..sample::environment(["a", "b"][usize::from(a % 2)])
        }),
        5 => Change::SetEnvironmentChores {
            id: environment,
            polled_ms: at_ms,
            chores_due_ms: if b == 0 { i64::MAX } else { at_ms },
            swept_ms: i64::from(b),
        },
        40 => Change::RestEnvironment {
            id: environment,
            until_ms: at_ms,
        },
        41 => Change::RestUser {
            id,
            until_ms: at_ms,
        },
        6 => Change::PutWebhook(Webhook {
            created_ms: at_ms,
            ..sample::webhook(environment_name(a), &b.to_string())
        }),
        7 => Change::DropWebhook {
            environment,
            id: b.to_string(),
        },
        8 => Change::PutUser(Box::new(User {
            state: state(c),
            chores_due_ms: at_ms,
            employee: sample::employee_id(if c > 25 { 1001 } else { 1000 + number }),
            ..sample::user(number.max(1), home(a))
        })),
        9 => Change::MoveUser {
            id,
            from: state(b),
            to: state(c),
            resume_state: (c > 15).then(|| state(b)),
            reason: (c > 10).then(|| c.to_string()),
        },
        10 => Change::SetUserChores {
            id,
            chores_due_ms: if b == 0 { i64::MAX } else { at_ms },
            delta_ms: at_ms,
            proven_ms: (b > 1).then_some(at_ms),
            throttled_until_ms: i64::from(b),
        },
        11 => Change::SetProgress {
            id,
            progress: counts.filter(|_| c > 15),
        },
        12 => Change::SetBrake {
            id,
            released: c > 15,
            brake_since_ms: at_ms,
            braked: counts.filter(|_| b > 1),
        },
        13 => Change::CountBrake {
            user: id,
            at_ms,
            count: u64::from(b),
        },
        14 => Change::PutTokens {
            user: id,
            tokens: sample::tokens(at_ms),
            expected: i64::from(b),
        },
        15 => Change::DropTokens(id),
        16 => Change::PutEnvironmentTokens {
            environment,
            tokens: sample::tokens(at_ms),
            expected: i64::from(b),
        },
        17 => Change::PutSignIn {
            state_hash: [b; 32],
            sign_in: sample::sign_in(
                match c % 6 {
                    0 => Purpose::Invite(id),
                    1 => Purpose::Consent(id),
                    2 => Purpose::Employee(environment),
                    3 => Purpose::Connect(environment),
                    4 => Purpose::Page(environment),
                    _ => Purpose::Session(environment),
                },
                at_ms,
            ),
        },
        18 => {
            let mut row = sample::link(home(a), number, person, link_state(c));
            row.link.contact = (c > 3).then(|| contact_id(u128::from(c % 4)));
            row.link.folder = (c > 9).then(|| FolderId((c % 3).to_string()));
            Change::PutLink(Box::new(row))
        }
        19 => Change::DropLink {
            user: id,
            person: person_id(person),
        },
        20 => Change::SleepLinks(id),
        21 => Change::ForgetLinks(id),
        22 => Change::PutCursor {
            user: id,
            cursor: Cursor {
                folder: FolderId(b.to_string()),
                is_default: b == 0,
                link: c.to_string(),
            },
        },
        23 => Change::DropCursor {
            user: id,
            folder: FolderId(b.to_string()),
        },
        24 => Change::DropCursors(id),
        25 => Change::PutSubscription(Subscription {
            certificate: (c % 2 == 0).then(|| b.to_string()),
            ..sample::subscription(&b.to_string(), home(a), number, at_ms)
        }),
        26 => Change::DropSubscription(b.to_string()),
        27 => Change::AddAudit(Box::new(AuditLine {
            rule: rule(c),
            ..sample::audit(home(a), number, (b > 0).then_some(person), at_ms)
        })),
        28 => Change::ForgetAuditValues { before_ms: at_ms },
        29 => Change::PutHeld(Box::new(Held {
            created_ms: at_ms,
            ..sample::held(home(a), number, person, rule(c))
        })),
        30 => match ids.held.get(usize::from(b)) {
            Some(id) => Change::DecideHeld {
                id: *id,
                accepted: c > 15,
            },
            None => Change::DecideHeld {
                id: i64::MAX,
                accepted: true,
            },
        },
        31 => Change::DropHeld(ranked(&ids.held, [a, c])),
        32 => Change::PutParked(Box::new(Parked {
            attempts: u32::from(c),
            ..sample::parked(
                home(a),
                number,
                (b > 0).then_some(person),
                &(c % 2).to_string(),
            )
        })),
        33 => Change::DropParked(ranked(&ids.parked, [a, c])),
        34 => Change::PutPreview {
            user: id,
            preview: Preview {
                ready: c > 15,
                create: u64::from(b),
                adopt: 0,
                skip: 0,
                made_ms: at_ms,
            },
        },
        35 => Change::AddPreviewItems {
            user: id,
            items: vec![
                sample::preview_item(person),
                sample::preview_item(u128::from(c)),
            ],
        },
        36 => match c % 3 {
            0 => Change::ClearAlert(b.to_string()),
            _ => Change::RaiseAlert(sample::alert(&b.to_string(), at_ms)),
        },
        37 => reseal(a, b, c),
        38 => Change::DropAudit { before_ms: at_ms },
        39 => match c % 3 {
            0 => Change::TidyCertificates {
                below: i64::from(b),
                now_ms: at_ms,
            },
            _ => Change::PutCertificate(sample::certificate(i64::from(a), &b.to_string())),
        },
        42 => canary(a, b, c),
        _ => match c % 3 {
            0 => Change::Tidy {
                now_ms: ANSWERS_KEPT_MS + at_ms,
            },
            _ => Change::PutAnswered {
                key_hash: [b; 32],
                answered: sample::answered(u16::from(c)),
                at_ms,
            },
        },
    }
}

/// A round of an environment, or what becomes of a mailbox's.
fn canary(a: u8, b: u8, c: u8) -> Change {
    let (user, round) = (user_id(u128::from(a)), i64::from(c % 4));
    let to = match b % 2 {
        0 => Side::Tribe,
        _ => Side::Outlook,
    };
    match c % 5 {
        0 => Change::EndCanaryWait { user, to },
        1 => Change::PutCanary(sample::canary(environment_name(b), i64::from(c))),
        2 => Change::ProveCanary {
            user,
            to,
            round,
            at_ms: i64::from(c),
            took_ms: i64::from(b),
        },
        _ => Change::AwaitCanary {
            user,
            to,
            round,
            since_ms: i64::from(c),
        },
    }
}

/// Seals a cell anew that may be there, and may hold what the samples put into it.
fn reseal(a: u8, b: u8, c: u8) -> Change {
    let (id, environment) = (user_id(u128::from(a)), environment_id(environment_name(b)));
    let (place, text) = match c % 7 {
        6 => (Place::CertificateKey(b.to_string()), "private key"),
        0 => (Place::Mailbox(id), "mailbox"),
        1 => (Place::AccessToken(id), "access 0"),
        2 => (Place::EnvironmentSettings(environment), "settings"),
        3 => (Place::SignInProof([b; 32]), "verifier and nonce"),
        4 => (Place::WebhookSecret(environment, b.to_string()), "secret"),
        _ => (Place::AnswerBody([b; 32]), "something else"),
    };
    Change::Reseal {
        cell: SealedCell {
            place,
            sealed: sample::sealed(text),
        },
        sealed: sample::sealed("anew"),
    }
}

/// A variant that is added to [`Change`] stops the compiler here until it has a number, and the test
/// below until [`change`] makes it.
fn variant(change: &Change) -> u8 {
    match change {
        Change::AddHints(_) => 0,
        Change::DropHints(_) => 1,
        Change::DelayHints { .. } => 2,
        Change::DropMailboxHints(_) => 3,
        Change::PutEnvironment(_) => 4,
        Change::SetEnvironmentChores { .. } => 5,
        Change::PutWebhook(_) => 6,
        Change::DropWebhook { .. } => 7,
        Change::PutUser(_) => 8,
        Change::MoveUser { .. } => 9,
        Change::SetUserChores { .. } => 10,
        Change::SetProgress { .. } => 11,
        Change::SetBrake { .. } => 12,
        Change::CountBrake { .. } => 13,
        Change::PutTokens { .. } => 14,
        Change::DropTokens(_) => 15,
        Change::PutEnvironmentTokens { .. } => 16,
        Change::PutSignIn { .. } => 17,
        Change::PutLink(_) => 18,
        Change::DropLink { .. } => 19,
        Change::SleepLinks(_) => 20,
        Change::ForgetLinks(_) => 21,
        Change::PutCursor { .. } => 22,
        Change::DropCursor { .. } => 23,
        Change::DropCursors(_) => 24,
        Change::PutSubscription(_) => 25,
        Change::DropSubscription(_) => 26,
        Change::AddAudit(_) => 27,
        Change::ForgetAuditValues { .. } => 28,
        Change::PutHeld(_) => 29,
        Change::DecideHeld { .. } => 30,
        Change::DropHeld(_) => 31,
        Change::PutParked(_) => 32,
        Change::DropParked(_) => 33,
        Change::PutPreview { .. } => 34,
        Change::AddPreviewItems { .. } => 35,
        Change::RaiseAlert(_) => 36,
        Change::ClearAlert(_) => 37,
        Change::PutAnswered { .. } => 38,
        Change::Tidy { .. } => 39,
        Change::Reseal { .. } => 40,
        Change::DropAudit { .. } => 41,
        Change::PutCertificate(_) => 42,
        Change::TidyCertificates { .. } => 43,
        Change::RestEnvironment { .. } => 44,
        Change::RestUser { .. } => 45,
        Change::PutCanary(_) => 46,
        Change::AwaitCanary { .. } => 47,
        Change::ProveCanary { .. } => 48,
        Change::EndCanaryWait { .. } => 49,
    }
}

#[test]
fn the_generator_makes_every_change() {
    let ids = Ids {
        hints: vec![1],
        held: vec![1],
        parked: vec![1],
    };
    let made: BTreeSet<u8> = (0..KINDS)
        .flat_map(|kind| (0..30).map(move |c| (kind, 1, 1, c)))
        .map(|choice| variant(&change(choice, &ids)))
        .collect();
    assert_eq!(made, (0..50).collect());
}
