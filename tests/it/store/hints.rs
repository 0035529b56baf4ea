//! Hints.

use tribelink::store::{Change, Error, Hint, NewHint, ReadId, Source, Target};
use uuid::Uuid;

use super::{
    fixture::Fixture,
    sample::{contact_id, environment_id, environment_lane, hint, lane, person_id, user_id},
};

pub(super) async fn come_back_whole_the_longest_due_first(store: &Fixture) {
    store.people().await;
    let targets = [
        Target::Entity {
            id: Uuid::from_u128(1),
            kind: Some("Relation.Person".to_owned()),
        },
        Target::Entity {
            id: Uuid::from_u128(2),
            kind: None,
        },
        Target::Person {
            id: person_id(3),
            read: Some(ReadId {
                process: u64::MAX,
                number: 7,
            }),
        },
        Target::Contact {
            id: contact_id(4),
            etag: Some("W/\"x\"".to_owned()),
        },
        Target::Delta,
        Target::Resync,
        Target::FirstSync,
        Target::Preview,
        Target::Lifecycle {
            event: "missed".to_owned(),
            subscription: "s".to_owned(),
        },
        Target::Poll,
        Target::Sweep,
    ];
    let sources = [
        Source::Webhook,
        Source::Notification,
        Source::Lifecycle,
        Source::Poll,
        Source::Delta,
        Source::Sweep,
        Source::Person,
        Source::Engine,
    ];
    let kept: Vec<NewHint> = targets
        .into_iter()
        .zip(sources.into_iter().cycle())
        .zip(0..)
        .map(|((target, source), number)| NewHint {
            environment: environment_id("a"),
            user: Some(user_id(1)),
            target,
            source,
            // Of those due at once the first received comes first, and of those the first kept.
            received_ms: 100 - number / 2,
            not_before_ms: 50 - number / 4,
            attempts: 3,
        })
        .collect();
    store.add_hints(kept[..3].to_vec()).await.unwrap();
    store.put(vec![Change::AddHints(kept[3..].to_vec())]).await;

    let found = store.hints(&lane(1), 50, 100).await.unwrap();
    let order = |row: &Hint| (row.hint.not_before_ms, row.hint.received_ms, row.id);
    assert!(found.is_sorted_by(|a, b| order(a) < order(b)));
    assert_eq!(store.hints(&lane(1), 50, 2).await.unwrap(), found[..2]);
    let mut by_id = found;
    by_id.sort_by_key(|row| row.id);
    let hints: Vec<NewHint> = by_id.into_iter().map(|row| row.hint).collect();
    assert_eq!(hints, kept);
}

pub(super) async fn wait_for_their_time_and_can_be_delayed(store: &Fixture) {
    store.people().await;
    store
        .add_hints(vec![
            hint("a", Some(1), 10),
            hint("a", Some(1), 20),
            hint("a", None, 10),
        ])
        .await
        .unwrap();
    assert_eq!(store.hints(&lane(1), 9, 9).await.unwrap(), []);
    let now = store.hints(&lane(1), 10, 9).await.unwrap();
    assert_eq!(now.len(), 1);
    assert_eq!(
        store
            .hints(&environment_lane("a"), 10, 9)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(store.hints(&lane(2), 10, 9).await.unwrap(), []);
    assert_eq!(
        store.hints(&environment_lane("b"), 10, 9).await.unwrap(),
        []
    );

    store
        .put(vec![Change::DelayHints {
            ids: vec![now[0].id, i64::MAX],
            not_before_ms: 30,
            attempts: 4,
        }])
        .await;
    assert_eq!(store.hints(&lane(1), 29, 9).await.unwrap().len(), 1);
    let later = store.hints(&lane(1), 30, 9).await.unwrap();
    assert_eq!(later[0].hint.attempts, 0);
    assert_eq!((later[1].id, later[1].hint.attempts), (now[0].id, 4));

    store.put(vec![Change::DropHints(vec![now[0].id])]).await;
    assert_eq!(store.hints(&lane(1), 30, 9).await.unwrap(), later[..1]);
    store.put(vec![Change::DropMailboxHints(user_id(1))]).await;
    assert_eq!(store.hints(&lane(1), 30, 9).await.unwrap(), []);
    assert_eq!(
        store
            .hints(&environment_lane("a"), 30, 9)
            .await
            .unwrap()
            .len(),
        1
    );
}

pub(super) async fn are_counted_by_environment_and_mailbox(store: &Fixture) {
    store.people().await;
    let received = |user, received_ms| NewHint {
        received_ms,
        ..hint("a", user, 1_000)
    };
    store
        .add_hints(vec![
            received(Some(1), 8),
            received(Some(1), 6),
            received(None, 5),
            hint("b", Some(3), 0),
        ])
        .await
        .unwrap();
    assert_eq!(
        store.backlog(&environment_id("a")).await.unwrap(),
        (3, Some(5))
    );
    assert_eq!(
        store.backlog(&environment_id("b")).await.unwrap(),
        (1, Some(20))
    );
    assert_eq!(
        store.backlog(&environment_id("c")).await.unwrap(),
        (0, None)
    );
    assert_eq!(
        store.mailbox_backlog(user_id(1)).await.unwrap(),
        (2, Some(6))
    );
    assert_eq!(store.mailbox_backlog(user_id(2)).await.unwrap(), (0, None));
}

pub(super) async fn of_an_unknown_owner_are_refused_whole(store: &Fixture) {
    store.people().await;
    for stranger in [
        hint("a", Some(9), 0),
        hint("b", Some(1), 0),
        hint("c", None, 0),
    ] {
        let refused = store.add_hints(vec![hint("a", Some(1), 0), stranger]).await;
        assert!(matches!(refused, Err(Error::Conflict(_))));
    }
    assert_eq!(
        store.backlog(&environment_id("a")).await.unwrap(),
        (0, None)
    );
    store.add_hints(Vec::new()).await.unwrap();
}
