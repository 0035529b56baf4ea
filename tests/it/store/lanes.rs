//! When a lane falls due.

use tribelink::store::{Change, Lane, UserState};

use super::{
    fixture::Fixture,
    sample::{self, environment_id, environment_lane, hint, lane, user_id},
};

async fn due(store: &Fixture, now_ms: i64) -> Vec<Lane> {
    store.due_lanes(now_ms, 100).await.unwrap()
}

fn user_chores(user: u128, chores_due_ms: i64) -> Change {
    Change::SetUserChores {
        id: user_id(user),
        chores_due_ms,
        delta_ms: 0,
        proven_ms: None,
        throttled_until_ms: 0,
    }
}

pub(super) async fn due_by_hint_chore_and_state_longest_due_first(store: &Fixture) {
    store.people().await;
    assert_eq!(due(store, i64::MAX).await, [], "never is never");
    assert_eq!(store.next_due(0).await.unwrap(), None);

    store
        .add_hints(vec![
            hint("a", Some(1), 30),
            hint("a", None, 20),
            hint("a", None, 90),
        ])
        .await
        .unwrap();
    store
        .put(vec![
            user_chores(2, 10),
            user_chores(3, 20),
            Change::SetEnvironmentChores {
                id: environment_id("b"),
                polled_ms: 0,
                chores_due_ms: 20,
                swept_ms: 0,
            },
        ])
        .await;
    let order = [
        lane(2),
        environment_lane("a"),
        environment_lane("b"),
        lane(3),
        lane(1),
    ];
    assert_eq!(due(store, 30).await, order);
    assert_eq!(due(store, 29).await, order[..4]);
    assert_eq!(due(store, 9).await, []);
    assert_eq!(store.due_lanes(30, 2).await.unwrap(), order[..2]);
    assert_eq!(store.due_lanes(30, 0).await.unwrap(), []);

    let lease = store.claim(&lane(2), "x", 30, 10).await.unwrap().unwrap();
    let environment = store.claim(&environment_lane("a"), "x", 30, 5).await;
    environment.unwrap().unwrap();
    assert_eq!(due(store, 30).await, order[2..]);
    assert_eq!(
        due(store, 35).await,
        order[1..],
        "an expired lease stands in nobody's way"
    );
    store.release(&lease).await.unwrap();
    assert_eq!(due(store, 35).await, order);
}

pub(super) async fn hints_make_a_mailbox_due_in_the_states_that_work(store: &Fixture) {
    store.people().await;
    store.add_hints(vec![hint("a", Some(1), 5)]).await.unwrap();
    for state in UserState::ALL {
        let mut user = store.user(user_id(1)).await.unwrap().unwrap();
        user.state = state;
        user.chores_due_ms = i64::MAX;
        store.put(vec![Change::PutUser(Box::new(user))]).await;
        let works = state.works();
        assert_eq!(due(store, 5).await.contains(&lane(1)), works, "{state:?}");
        assert_eq!(
            store.next_due(0).await.unwrap().is_some(),
            works,
            "{state:?}"
        );

        store.put(vec![user_chores(1, 5)]).await;
        assert_eq!(due(store, 5).await, [lane(1)], "chores in {state:?}");
    }
}

pub(super) async fn next_due_is_when_due_lanes_first_answers(store: &Fixture) {
    store.people().await;
    store
        .put(vec![
            user_chores(1, 50),
            Change::AddHints(vec![hint("b", None, 70)]),
        ])
        .await;
    assert_eq!(store.next_due(0).await.unwrap(), Some(50));
    assert_eq!(
        store.next_due(55).await.unwrap(),
        Some(55),
        "not before now"
    );

    store.claim(&lane(1), "x", 45, 15).await.unwrap().unwrap();
    assert_eq!(
        store.next_due(50).await.unwrap(),
        Some(60),
        "a live lease is waited out"
    );
    assert_eq!(due(store, 59).await, []);
    assert_eq!(due(store, 60).await, [lane(1)]);

    store.claim(&lane(1), "x", 60, 40).await.unwrap().unwrap();
    assert_eq!(
        store.next_due(60).await.unwrap(),
        Some(70),
        "another lane is earlier"
    );
    store
        .claim(&environment_lane("b"), "x", 60, 20)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(store.next_due(60).await.unwrap(), Some(80));
}

pub(super) async fn every_change_of_hints_moves_the_due_time(store: &Fixture) {
    store.people().await;
    store
        .add_hints(vec![
            hint("a", Some(1), 10),
            hint("a", Some(1), 20),
            hint("a", None, 30),
        ])
        .await
        .unwrap();
    assert_eq!(store.next_due(0).await.unwrap(), Some(10));
    let of_mailbox = store.hints(&lane(1), 100, 10).await.unwrap();
    let of_environment = store.hints(&environment_lane("a"), 100, 10).await.unwrap();

    store
        .put(vec![Change::DropHints(vec![of_mailbox[0].id])])
        .await;
    assert_eq!(store.next_due(0).await.unwrap(), Some(20));
    store
        .put(vec![Change::DelayHints {
            ids: vec![of_mailbox[1].id, of_environment[0].id],
            not_before_ms: 40,
            attempts: 1,
        }])
        .await;
    assert_eq!(store.next_due(0).await.unwrap(), Some(40));
    assert_eq!(due(store, 40).await, [environment_lane("a"), lane(1)]);
    store.put(vec![Change::DropMailboxHints(user_id(1))]).await;
    assert_eq!(due(store, 40).await, [environment_lane("a")]);

    store
        .put(vec![Change::PutEnvironment(sample::environment("a"))])
        .await;
    assert_eq!(
        due(store, 40).await,
        [environment_lane("a")],
        "a put keeps its hints due"
    );
    store
        .put(vec![Change::DropHints(vec![of_environment[0].id])])
        .await;
    assert_eq!(store.next_due(0).await.unwrap(), None);
}
