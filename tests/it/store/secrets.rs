//! Tokens, sign-ins, idempotency.

use tribelink::store::{Change, Error, IdleConsent, Purpose, SignIn, Tokens, UserState};

use super::{
    fixture::Fixture,
    sample::{answered, environment_id, sign_in, tokens, user_id},
};

pub(super) async fn tokens_rotate_only_from_the_generation_read(store: &Fixture) {
    store.people().await;
    let put = |tokens, expected| Change::PutTokens {
        user: user_id(1),
        tokens,
        expected,
    };
    assert_eq!(store.tokens(user_id(1)).await.unwrap(), None);
    let early = store.apply(vec![put(tokens(1), 1)]).await;
    assert!(matches!(early, Err(Error::Conflict("tokens"))));

    // The stored generation is the store's affair, whatever the value says.
    store.put(vec![put(tokens(9), 0)]).await;
    let first = Tokens {
        generation: 1,
        ..tokens(9)
    };
    assert_eq!(store.tokens(user_id(1)).await.unwrap(), Some(first.clone()));
    let late = store.apply(vec![put(tokens(2), 0)]).await;
    assert!(matches!(late, Err(Error::Conflict("tokens"))));
    assert_eq!(store.tokens(user_id(1)).await.unwrap(), Some(first));
    store.put(vec![put(tokens(2), 1)]).await;
    assert_eq!(store.tokens(user_id(1)).await.unwrap(), Some(tokens(2)));

    store.put(vec![Change::DropTokens(user_id(1))]).await;
    assert_eq!(store.tokens(user_id(1)).await.unwrap(), None);
    store.put(vec![put(tokens(1), 0)]).await;
    assert_eq!(store.tokens(user_id(2)).await.unwrap(), None);
}

pub(super) async fn idle_consents_come_the_longest_idle_first(store: &Fixture) {
    store.people().await;
    let put = |user, expires_ms| Change::PutTokens {
        user: user_id(user),
        tokens: Tokens {
            expires_ms,
            ..tokens(1)
        },
        expected: 0,
    };
    store.put(vec![put(1, 30), put(2, 20), put(3, 40)]).await;
    let idle = |user, environment, access_ended_ms| IdleConsent {
        environment: environment_id(environment),
        user: user_id(user),
        state: UserState::Live,
        access_ended_ms,
    };
    let found = store.idle_consents(30, 9).await.unwrap();
    assert_eq!(found, [idle(2, "a", 20), idle(1, "a", 30)]);
    let found = store.idle_consents(i64::MAX, 1).await.unwrap();
    assert_eq!(found, [idle(2, "a", 20)]);
    assert_eq!(store.idle_consents(19, 9).await.unwrap(), []);
}

pub(super) async fn environment_tokens_rotate_alike(store: &Fixture) {
    store.people().await;
    let put = |tokens, expected| Change::PutEnvironmentTokens {
        environment: environment_id("a"),
        tokens,
        expected,
    };
    store.put(vec![put(tokens(1), 0)]).await;
    let late = store.apply(vec![put(tokens(2), 0)]).await;
    assert!(matches!(late, Err(Error::Conflict("tokens"))));
    store.put(vec![put(tokens(2), 1)]).await;
    let stored = store.environment_tokens(&environment_id("a")).await;
    assert_eq!(stored.unwrap(), Some(tokens(2)));
    let other = store.environment_tokens(&environment_id("b")).await;
    assert_eq!(other.unwrap(), None);
}

pub(super) async fn a_sign_in_works_once_and_in_time(store: &Fixture) {
    store.people().await;
    let purposes = [
        Purpose::Invite(user_id(1)),
        Purpose::Consent(user_id(3)),
        Purpose::Employee(environment_id("a")),
        Purpose::Connect(environment_id("b")),
        Purpose::Page(environment_id("a")),
        Purpose::Session(environment_id("b")),
    ];
    for purpose in purposes {
        let pending = SignIn {
            browser_hash: matches!(purpose, Purpose::Consent(_)).then_some([8; 32]),
            ..sign_in(purpose, 100)
        };
        let put = |state_hash| Change::PutSignIn {
            state_hash,
            sign_in: pending.clone(),
        };
        store.put(vec![put([1; 32]), put([2; 32])]).await;
        assert_eq!(store.take_sign_in(&[3; 32], 1).await.unwrap(), None);
        for (hash, now_ms, there) in [(1, 99, true), (1, 100, false), (3, 1, false)] {
            let kept = store.sign_in(&[hash; 32], now_ms).await.unwrap();
            assert_eq!(kept, there.then(|| pending.clone()), "a look takes nothing");
        }
        let taken = store.take_sign_in(&[1; 32], 99).await.unwrap();
        assert_eq!(taken, Some(pending.clone()));
        assert_eq!(store.take_sign_in(&[1; 32], 99).await.unwrap(), None);
        assert_eq!(store.take_sign_in(&[2; 32], 100).await.unwrap(), None);
        assert_eq!(
            store.take_sign_in(&[2; 32], 1).await.unwrap(),
            None,
            "used up"
        );
    }
}

pub(super) async fn an_answer_is_kept_for_its_key(store: &Fixture) {
    let put = |status, at_ms| Change::PutAnswered {
        key_hash: [1; 32],
        answered: answered(status),
        at_ms,
    };
    store.put(vec![put(200, 50)]).await;
    assert_eq!(
        store.answered(&[1; 32], 49).await.unwrap(),
        Some(answered(200))
    );
    assert_eq!(store.answered(&[1; 32], 50).await.unwrap(), None);
    assert_eq!(store.answered(&[2; 32], 0).await.unwrap(), None);
    store.put(vec![put(409, 60)]).await;
    assert_eq!(
        store.answered(&[1; 32], 50).await.unwrap(),
        Some(answered(409))
    );
}
