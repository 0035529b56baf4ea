//! What holds for every commit.

use tribelink::store::{AuditFilter, Change, Cursor, Error, Preview, Purpose, UserState};
use tribelink_plan::{ids::FolderId, link::LinkState, rule::Rule};

use super::{
    fixture::Fixture,
    sample::{
        self, environment, environment_id, hint, link, person_id, sign_in, tokens, user, user_id,
    },
};

pub(super) async fn are_all_or_nothing(store: &Fixture) {
    store.people().await;
    let row = link("a", 1, 1, LinkState::Linked);
    let changes = vec![
        Change::PutLink(Box::new(row.clone())),
        Change::AddHints(vec![hint("a", Some(1), 5)]),
        Change::PutHeld(Box::new(sample::held("a", 1, 1, Rule::R6))),
        Change::AddAudit(Box::new(sample::audit("a", 1, Some(1), 5))),
    ];
    let mut doomed = changes.clone();
    doomed.push(Change::DropTokens(user_id(1)));
    doomed.push(Change::MoveUser {
        id: user_id(1),
        from: UserState::Invited,
        to: UserState::Live,
        resume_state: None,
        reason: None,
    });
    let refused = store.apply(doomed).await;
    assert!(matches!(refused, Err(Error::Conflict("user"))));
    assert_eq!(store.link(user_id(1), person_id(1)).await.unwrap(), None);
    assert_eq!(store.next_due(0).await.unwrap(), None);
    assert_eq!(store.held(None, None, 9).await.unwrap(), []);
    let everything = AuditFilter::default();
    assert_eq!(store.audit(&everything, None, 9).await.unwrap(), []);

    store.put(changes).await;
    assert_eq!(
        store.link(user_id(1), person_id(1)).await.unwrap(),
        Some(row)
    );
    assert_eq!(store.next_due(0).await.unwrap(), Some(5));
}

pub(super) async fn see_their_own_earlier_changes(store: &Fixture) {
    store
        .put(vec![
            Change::PutEnvironment(environment("a")),
            Change::PutUser(Box::new(user(1, "a"))),
            Change::PutTokens {
                user: user_id(1),
                tokens: tokens(1),
                expected: 0,
            },
            Change::PutTokens {
                user: user_id(1),
                tokens: tokens(2),
                expected: 1,
            },
            Change::PutLink(Box::new(link("a", 1, 1, LinkState::Linked))),
            Change::SleepLinks(user_id(1)),
        ])
        .await;
    assert_eq!(store.tokens(user_id(1)).await.unwrap(), Some(tokens(2)));
    let stored = store.link(user_id(1), person_id(1)).await.unwrap().unwrap();
    assert_eq!(stored.link.state, LinkState::Sleeping);
}

pub(super) async fn refuse_rows_of_another_environment(store: &Fixture) {
    store.people().await;
    for change in [
        Change::PutLink(Box::new(link("b", 1, 1, LinkState::Linked))),
        Change::AddHints(vec![hint("b", Some(1), 0)]),
        Change::PutSubscription(sample::subscription("s", "b", 1, 0)),
        Change::AddAudit(Box::new(sample::audit("b", 1, None, 0))),
        Change::PutHeld(Box::new(sample::held("b", 1, 1, Rule::R6))),
        Change::PutParked(Box::new(sample::parked("b", 1, None, ""))),
    ] {
        let refused = store.apply(vec![change.clone()]).await;
        assert!(
            matches!(refused, Err(Error::Conflict("environment"))),
            "{change:?}"
        );
    }
}

pub(super) async fn refuse_unknown_owners(store: &Fixture) {
    store.people().await;
    let id = user_id(9);
    let of_users = [
        Change::PutLink(Box::new(link("a", 9, 1, LinkState::Linked))),
        Change::AddHints(vec![hint("a", Some(9), 0)]),
        Change::PutSubscription(sample::subscription("s", "a", 9, 0)),
        Change::AddAudit(Box::new(sample::audit("a", 9, None, 0))),
        Change::PutHeld(Box::new(sample::held("a", 9, 1, Rule::R6))),
        Change::PutParked(Box::new(sample::parked("a", 9, None, ""))),
        Change::PutCursor {
            user: id,
            cursor: Cursor {
                folder: FolderId::from("f"),
                is_default: true,
                link: String::new(),
            },
        },
        Change::PutPreview {
            user: id,
            preview: Preview::default(),
        },
        Change::AddPreviewItems {
            user: id,
            items: Vec::new(),
        },
        Change::PutTokens {
            user: id,
            tokens: tokens(1),
            expected: 0,
        },
        Change::PutSignIn {
            state_hash: [1; 32],
            sign_in: sign_in(Purpose::Invite(id), 10),
        },
        Change::CountBrake {
            user: id,
            at_ms: 0,
            count: 1,
        },
        Change::SetProgress { id, progress: None },
        Change::SetBrake {
            id,
            released: true,
            brake_since_ms: 0,
            braked: None,
        },
        Change::SetUserChores {
            id,
            chores_due_ms: 0,
            delta_ms: 0,
            proven_ms: None,
            throttled_until_ms: 0,
        },
        Change::MoveUser {
            id,
            from: UserState::Live,
            to: UserState::Paused,
            resume_state: None,
            reason: None,
        },
    ];
    for change in of_users {
        let refused = store.apply(vec![change.clone()]).await;
        assert!(
            matches!(refused, Err(Error::Conflict("user"))),
            "{change:?}"
        );
    }
    let of_environments = [
        Change::PutUser(Box::new(user(9, "c"))),
        Change::PutWebhook(sample::webhook("c", "1")),
        Change::AddHints(vec![hint("c", None, 0)]),
        Change::PutEnvironmentTokens {
            environment: environment_id("c"),
            tokens: tokens(1),
            expected: 0,
        },
        Change::PutSignIn {
            state_hash: [1; 32],
            sign_in: sign_in(Purpose::Employee(environment_id("c")), 10),
        },
        Change::SetEnvironmentChores {
            id: environment_id("c"),
            polled_ms: 0,
            chores_due_ms: 0,
            swept_ms: 0,
        },
    ];
    for change in of_environments {
        let refused = store.apply(vec![change.clone()]).await;
        assert!(
            matches!(refused, Err(Error::Conflict("environment"))),
            "{change:?}"
        );
    }
}

pub(super) async fn dropping_what_is_not_there_does_nothing(store: &Fixture) {
    store.people().await;
    let user = user_id(9);
    store
        .put(vec![
            Change::DropHints(vec![1]),
            Change::DropMailboxHints(user),
            Change::DropWebhook {
                environment: environment_id("c"),
                id: "1".to_owned(),
            },
            Change::DropTokens(user),
            Change::DropLink {
                user,
                person: person_id(1),
            },
            Change::SleepLinks(user),
            Change::ForgetLinks(user),
            Change::DropCursor {
                user,
                folder: FolderId::from("f"),
            },
            Change::DropCursors(user),
            Change::DropSubscription("s".to_owned()),
            Change::DropHeld(vec![1]),
            Change::DropParked(vec![1]),
            Change::ClearAlert("k".to_owned()),
        ])
        .await;
    assert_eq!(store.users(None, None, 9).await.unwrap().len(), 3);
}

pub(super) async fn readiness_changes_nothing(store: &Fixture) {
    store.ready().await.unwrap();
    assert_eq!(store.environments().await.unwrap(), []);
    store.people().await;
    store.ready().await.unwrap();
    assert_eq!(store.users(None, None, 9).await.unwrap().len(), 3);
}
