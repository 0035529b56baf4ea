//! Environments and users.

use tribelink::store::{Change, Environment, Error, User, UserState};

use super::{
    fixture::Fixture,
    sample::{self, employee_id, environment, environment_id, user, user_id},
};

pub(super) async fn environments_are_put_and_their_chores_set_apart(store: &Fixture) {
    let bare = Environment {
        organization: None,
        settings: None,
        ..environment("b")
    };
    store
        .put(vec![
            Change::PutEnvironment(bare.clone()),
            Change::PutEnvironment(environment("a")),
        ])
        .await;
    assert_eq!(
        store.environments().await.unwrap(),
        [environment("a"), bare]
    );
    assert_eq!(store.environment(&environment_id("c")).await.unwrap(), None);

    store
        .put(vec![
            Change::SetEnvironmentChores {
                id: environment_id("a"),
                polled_ms: 11,
                chores_due_ms: 12,
                swept_ms: 13,
            },
            rest("a", 14),
            rest("a", 8),
        ])
        .await;
    let expected = Environment {
        polled_ms: 11,
        chores_due_ms: 12,
        swept_ms: 13,
        throttled_until_ms: 14,
        ..environment("a")
    };
    let stored = store.environment(&environment_id("a")).await.unwrap();
    assert_eq!(stored, Some(expected));
    let refused = store.apply(vec![rest("c", 1)]).await;
    assert!(matches!(refused, Err(Error::Conflict("environment"))));
}

fn rest(id: &str, until_ms: i64) -> Change {
    Change::RestEnvironment {
        id: environment_id(id),
        until_ms,
    }
}

pub(super) async fn are_put_found_and_listed(store: &Fixture) {
    store.people().await;
    let bare = User {
        reason: None,
        identity: None,
        mailbox: None,
        allow_mailbox: None,
        return_to: None,
        start_on_consent: false,
        started: false,
        proven_ms: None,
        progress: None,
        released: false,
        braked: None,
        employee: employee_id(77),
        state: UserState::Invited,
        ..user(2, "a")
    };
    store
        .put(vec![Change::PutUser(Box::new(bare.clone()))])
        .await;
    assert_eq!(store.user(user_id(1)).await.unwrap(), Some(user(1, "a")));
    assert_eq!(store.user(user_id(2)).await.unwrap(), Some(bare.clone()));
    assert_eq!(store.user(user_id(9)).await.unwrap(), None);

    let (a, b) = (environment_id("a"), environment_id("b"));
    let found = store.user_of(&a, employee_id(77)).await.unwrap();
    assert_eq!(found, Some(bare.clone()));
    assert_eq!(store.user_of(&b, employee_id(77)).await.unwrap(), None);
    assert_eq!(store.user_of(&a, employee_id(1002)).await.unwrap(), None);

    let all = [user(1, "a"), bare, user(3, "b")];
    assert_eq!(store.users(None, None, 9).await.unwrap(), all);
    assert_eq!(store.users(None, None, 2).await.unwrap(), all[..2]);
    let after = Some(user_id(2));
    assert_eq!(store.users(None, after, 9).await.unwrap(), all[2..]);
    assert_eq!(store.users(Some(&a), None, 9).await.unwrap(), all[..2]);
    assert_eq!(store.users(Some(&a), after, 9).await.unwrap(), []);
    assert_eq!(store.users(Some(&b), None, 9).await.unwrap(), all[2..]);
}

pub(super) async fn count_by_state(store: &Fixture) {
    let none = UserState::ALL.map(|state| (state, 0));
    assert_eq!(store.count_users().await.unwrap(), none);
    store.people().await;
    let paused = User {
        state: UserState::Paused,
        ..user(2, "a")
    };
    store.put(vec![Change::PutUser(Box::new(paused))]).await;
    let expected = UserState::ALL.map(|state| match state {
        UserState::Live => (state, 2),
        UserState::Paused => (state, 1),
        _ => (state, 0),
    });
    assert_eq!(store.count_users().await.unwrap(), expected);
}

pub(super) async fn employees_are_taken_once(store: &Fixture) {
    store.people().await;
    let double = User {
        employee: user(1, "a").employee,
        ..user(4, "a")
    };
    let taken = store
        .apply(vec![Change::PutUser(Box::new(double.clone()))])
        .await;
    assert!(matches!(taken, Err(Error::Conflict("user"))));
    let elsewhere = User {
        environment: environment_id("b"),
        ..double
    };
    store.put(vec![Change::PutUser(Box::new(elsewhere))]).await;

    let moved = User {
        environment: environment_id("b"),
        ..user(2, "a")
    };
    let moved = store.apply(vec![Change::PutUser(Box::new(moved))]).await;
    assert!(matches!(moved, Err(Error::Conflict("user"))));
}

pub(super) async fn move_only_from_the_expected_state(store: &Fixture) {
    store.people().await;
    let go = |from, to, resume_state, reason: Option<&str>| Change::MoveUser {
        id: user_id(1),
        from,
        to,
        resume_state,
        reason: reason.map(str::to_owned),
    };
    let live = UserState::Live;
    store
        .put(vec![go(live, UserState::Paused, Some(live), Some("asked"))])
        .await;
    let paused = User {
        state: UserState::Paused,
        resume_state: live,
        reason: Some("asked".to_owned()),
        ..user(1, "a")
    };
    assert_eq!(store.user(user_id(1)).await.unwrap(), Some(paused.clone()));

    let late = store
        .apply(vec![go(live, UserState::Braked, None, None)])
        .await;
    assert!(matches!(late, Err(Error::Conflict("user"))));
    assert_eq!(store.user(user_id(1)).await.unwrap(), Some(paused));

    store
        .put(vec![go(UserState::Paused, live, None, None)])
        .await;
    let back = store.user(user_id(1)).await.unwrap().unwrap();
    assert_eq!((back.resume_state, back.reason), (live, None));
}

pub(super) async fn worker_columns_are_set_apart(store: &Fixture) {
    store.people().await;
    let id = user_id(1);
    store
        .put(vec![
            Change::SetUserChores {
                id,
                chores_due_ms: 21,
                delta_ms: 22,
                proven_ms: None,
                throttled_until_ms: 23,
            },
            Change::SetProgress {
                id,
                progress: Some((24, 25)),
            },
            Change::SetBrake {
                id,
                released: false,
                brake_since_ms: 26,
                braked: None,
            },
        ])
        .await;
    let expected = User {
        chores_due_ms: 21,
        delta_ms: 22,
        proven_ms: None,
        throttled_until_ms: 23,
        progress: Some((24, 25)),
        released: false,
        brake_since_ms: 26,
        braked: None,
        ..user(1, "a")
    };
    assert_eq!(store.user(id).await.unwrap(), Some(expected.clone()));
    let rest = |until_ms| Change::RestUser { id, until_ms };
    store.put(vec![rest(30), rest(24)]).await;
    let rested = User {
        throttled_until_ms: 30,
        ..expected
    };
    assert_eq!(store.user(id).await.unwrap(), Some(rested));
    assert_eq!(
        store.user(user_id(2)).await.unwrap(),
        Some(sample::user(2, "a"))
    );
}

pub(super) async fn brake_counts_add_up(store: &Fixture) {
    store.people().await;
    let count = |user, at_ms, count| Change::CountBrake {
        user: user_id(user),
        at_ms,
        count,
    };
    store
        .put(vec![
            count(1, 10, 1),
            count(1, 10, 2),
            count(1, 20, 4),
            count(2, 10, 8),
        ])
        .await;
    assert_eq!(store.brake_count(user_id(1), 10).await.unwrap(), 7);
    assert_eq!(store.brake_count(user_id(1), 11).await.unwrap(), 4);
    assert_eq!(store.brake_count(user_id(1), 21).await.unwrap(), 0);
    assert_eq!(store.brake_count(user_id(9), 0).await.unwrap(), 0);
}
