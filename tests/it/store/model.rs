//! Random histories: whatever is done to memory and to another store, every read answers equally.
//!
//! Numbers that a store gives out may have gaps in one and none in the other, so answers are
//! compared with each number replaced by its rank, and items are named by their rank.

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRng, TestRunner},
};
use tribelink::store::*;
use tribelink_plan::{ids::PersonId, rule::Rule};

use super::{
    fixture::{self, Fixture},
    history::{Ids, Step, change, hint, lane, step},
    sample::{self, contact_id, environment_id, person_id, user_id},
};

/// How many histories; each is some hundred changes, and each change a commit on a disk.
const HISTORIES: u32 = 24;

/// After how many steps everything is read; a failure then lies within the last few.
const READ_EVERY: usize = 4;

async fn ids(store: &Fixture) -> Ids {
    let mut hints = Vec::new();
    for choice in 0..6 {
        let found = store.hints(&lane(choice), i64::MAX, 1_000).await.unwrap();
        hints.extend(found.iter().map(|hint| hint.id));
    }
    hints.sort_unstable();
    let held = store.held(None, None, 1_000).await.unwrap();
    let parked = store.parked(None, None, 1_000).await.unwrap();
    Ids {
        hints,
        held: held.iter().map(|held| held.id).collect(),
        parked: parked.iter().map(|parked| parked.id).collect(),
    }
}

/// One step on one store, and what it answered. Leases are remembered by lane.
async fn take(store: &Fixture, step: &Step, leases: &mut [Option<Lease>; 6]) -> String {
    match step {
        Step::Commit { guarded, changes } => {
            let guard = match (guarded, leases.iter().flatten().next()) {
                (Some(now), Some(lease)) => Guard::Lease {
                    lease: lease.clone(),
                    now_ms: i64::from(*now),
                },
                _ => Guard::None,
            };
            let ids = ids(store).await;
            let changes = changes.iter().map(|choice| change(*choice, &ids)).collect();
            format!("{:?}", store.commit(&guard, changes).await)
        }
        Step::Hints(hints) => {
            let hints = hints.iter().map(|choice| hint(*choice)).collect();
            format!("{:?}", store.add_hints(hints).await)
        }
        Step::Claim(choice, now) => {
            let claimed = store.claim(&lane(*choice), "x", i64::from(*now), 9).await;
            let claimed = claimed.unwrap();
            if claimed.is_some() {
                leases[usize::from(*choice)].clone_from(&claimed);
            }
            format!("{claimed:?}")
        }
        Step::Renew(choice, now) => match &leases[usize::from(*choice)] {
            Some(lease) => format!("{:?}", store.renew(lease, i64::from(*now), 9).await),
            None => String::new(),
        },
        Step::Release(choice) => match &leases[usize::from(*choice)] {
            Some(lease) => format!("{:?}", store.release(lease).await),
            None => String::new(),
        },
        Step::TakeSignIn(state, now) => {
            format!(
                "{:?}",
                store.take_sign_in(&[*state; 32], i64::from(*now)).await
            )
        }
    }
}

fn rank(ids: &[i64], id: i64) -> i64 {
    ids.iter().filter(|other| **other < id).count() as i64
}

/// What every read answers.
async fn answers(store: &Fixture, leases: &[Option<Lease>; 6]) -> Vec<String> {
    let ids = ids(store).await;
    let mut said = Vec::new();
    macro_rules! say {
        ($($read:expr),* $(,)?) => { $( said.push(format!("{}: {:?}", stringify!($read), $read)); )* };
    }
    let people: Vec<PersonId> = (0..4).map(person_id).collect();
    let contacts: Vec<_> = (0..4).map(contact_id).collect();
    for now in [0, 5, 10, 15, 20, 30] {
        say!(store.due_lanes(now, 3).await, store.next_due(now).await);
        for lease in leases.iter().flatten() {
            say!(store.holds(lease, now).await);
        }
        for choice in 0..6 {
            let hints = store.hints(&lane(choice), now, 3).await.unwrap();
            let hints = hints
                .into_iter()
                .map(|hint| (rank(&ids.hints, hint.id), hint.hint));
            say!(hints.collect::<Vec<_>>());
        }
        say!(
            store.answered(&[1; 32], now).await,
            store.answered(&[2; 32], now).await
        );
    }
    say!(
        store.environments().await,
        store.users(None, None, 9).await,
        store.users(None, Some(user_id(1)), 1).await,
        store.subscriptions(None, 9).await,
        store.subscriptions(Some("1"), 2).await,
        store.subscription("2").await,
        store.certificates().await,
        store.canary(&environment_id("a")).await,
        store.canary(&environment_id("b")).await,
        store.canary_proofs(&environment_id("a")).await,
        store.canary_proofs_of(user_id(1)).await,
        store.sealed(SealedColumn::CertificateKey, None, 9).await,
        store.alerts().await,
        store.sealed(SealedColumn::Mailbox, None, 9).await,
        store
            .sealed(
                SealedColumn::AccessToken,
                Some(&Place::AccessToken(user_id(0))),
                2
            )
            .await,
        store
            .sealed(SealedColumn::EnvironmentSettings, None, 1)
            .await,
        store.sealed(SealedColumn::WebhookSecret, None, 9).await,
        store.sealed(SealedColumn::SignInProof, None, 9).await,
        store
            .sealed(
                SealedColumn::AnswerBody,
                Some(&Place::AnswerBody([0; 32])),
                9
            )
            .await,
    );
    for name in ["a", "b", "c"] {
        let id = environment_id(name);
        say!(
            store.backlog(&id).await,
            store.environment(&id).await,
            store.webhooks(&id).await,
            store.environment_tokens(&id).await,
            store.users(Some(&id), None, 9).await,
            store.user_of(&id, sample::employee_id(1001)).await,
            store.links_of_people(&id, &people[1..]).await,
        );
    }
    let mut held = store
        .held(None, Some(ids.held.first().copied().unwrap_or(0)), 9)
        .await
        .unwrap();
    let mut parked = store.parked(None, None, 9).await.unwrap();
    for user in (0..4).map(user_id) {
        say!(
            store.user(user).await,
            store.mailbox_backlog(user).await,
            store.tokens(user).await,
            store.links(user, None, 9).await,
            store.links(user, Some(person_id(0)), 2).await,
            store.links_of(user, &people[..3]).await,
            store.links_of_contacts(user, &contacts[1..]).await,
            store.count_links(user).await,
            store.cursors(user).await,
            store.subscriptions_of(user).await,
            store.preview(user).await,
            store.preview_items(user, None, 9).await,
            store.preview_items(user, Some(person_id(1)), 2).await,
            store.brake_count(user, 7).await,
        );
        held.extend(store.held_of(user, &people).await.unwrap());
        parked.extend(store.parked_of(user, &people[1..]).await.unwrap());
        held.extend(store.held(Some(user), None, 2).await.unwrap());
        parked.extend(store.parked(Some(user), None, 2).await.unwrap());
        for person in &people {
            say!(store.link(user, *person).await);
            held.extend(store.held_of(user, &[*person]).await.unwrap());
            parked.extend(store.parked_of(user, &[*person]).await.unwrap());
        }
    }
    for id in &ids.held {
        held.extend(store.held_item(*id).await.unwrap());
    }
    for id in &ids.parked {
        parked.extend(store.parked_item(*id).await.unwrap());
    }
    held.iter_mut()
        .for_each(|row| row.id = rank(&ids.held, row.id));
    parked
        .iter_mut()
        .for_each(|row| row.id = rank(&ids.parked, row.id));
    say!(held, parked);

    let everything = store
        .audit(&AuditFilter::default(), None, 1_000)
        .await
        .unwrap();
    let lines: Vec<i64> = everything.iter().map(|line| line.id).collect();
    let mut audit = everything.clone();
    for user in [None, Some(user_id(1)), Some(user_id(3))] {
        for person in [None, Some(person_id(1))] {
            for rule in [None, Some(Rule::R6)] {
                let filter = AuditFilter {
                    user,
                    person,
                    rule,
                    ..AuditFilter::default()
                };
                let before = lines.get(1).copied();
                audit.extend(store.audit(&filter, before, 3).await.unwrap());
            }
        }
    }
    for id in &lines {
        audit.extend(store.audit_line(*id).await.unwrap());
    }
    audit
        .iter_mut()
        .for_each(|line| line.id = rank(&lines, line.id));
    say!(audit);
    said
}

pub(super) async fn random_histories_answer_like_memory(store: &Fixture) {
    // Fixed, so that a failure comes again; the cases are spread by the generator.
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::deterministic_rng(Config::default().rng_algorithm),
    );
    let histories = prop::collection::vec(step(), 40..80);
    for history in 0..HISTORIES {
        let steps = histories.new_tree(&mut runner).unwrap().current();
        let (other, memory) = (store.another().await, fixture::memory().await);
        other.people().await;
        memory.people().await;
        let (mut of_other, mut of_memory) = (Default::default(), Default::default());
        for (number, step) in steps.iter().enumerate() {
            let expected = take(&memory, step, &mut of_memory).await;
            let found = take(&other, step, &mut of_other).await;
            assert_eq!(
                found, expected,
                "history {history}, step {number}: {step:?}"
            );
            if number % READ_EVERY != 0 && number + 1 != steps.len() {
                continue;
            }
            let expected = answers(&memory, &of_memory).await;
            let found = answers(&other, &of_other).await;
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(
                    found, expected,
                    "history {history}, step {number}: {step:?}"
                );
            }
            assert_eq!(found.len(), expected.len());
        }
    }
}
