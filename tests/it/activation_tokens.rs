//! The access token of a mailbox, for workers.

use std::{sync::Arc, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use tribelink::{
    activation::{
        consent_alert,
        tokens::{Error, Keeper},
    },
    remote,
    sealed::user_row,
    store::{Change, Tokens, UserState},
    vault::column,
};
use tribelink_plan::ids::UserId;

use crate::app::TestApp;

fn keeper(app: &TestApp) -> Keeper {
    Keeper::new(
        app.store.clone(),
        app.vault.clone(),
        app.clock.clone(),
        app.sign_in.clone(),
    )
}

async fn access(keeper: &Keeper, id: UserId) -> String {
    let token = keeper.access(id).await.unwrap();
    token.expose_secret().to_owned()
}

#[tokio::test]
async fn a_token_is_renewed_a_minute_before_it_ends_and_saved_before_it_is_used() {
    let app = TestApp::new().await;
    let id = app.live().await;
    let keeper = keeper(&app);
    assert_eq!(access(&keeper, id).await, "access-o10");
    app.clock.advance(Duration::from_secs(3_539));
    assert_eq!(access(&keeper, id).await, "access-o10");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(access(&keeper, id).await, "access-of-refresh-o10");
    let stored = app.store.tokens(id).await.unwrap().unwrap();
    let row = user_row(id);
    let refresh = app
        .vault
        .open_text(column::REFRESH_TOKEN, &row, &stored.refresh)
        .unwrap();
    assert_eq!(refresh.expose_secret(), "refresh-o10+");
    assert_eq!(access(&keeper, id).await, "access-of-refresh-o10");
    assert_eq!(app.sign_in.refreshed.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn many_callers_cost_one_refresh() {
    let app = TestApp::new().await;
    let id = app.live().await;
    let keeper = Arc::new(keeper(&app));
    app.clock.advance(Duration::from_secs(3_600));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let keeper = keeper.clone();
            tokio::spawn(async move { access(&keeper, id).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "access-of-refresh-o10");
    }
    assert_eq!(app.sign_in.refreshed.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let app = TestApp::new().await;
    let id = app.live().await;
    let keeper = keeper(&app);
    let refused = keeper.access(id).await.unwrap();
    let newer = keeper.renewed(id, &refused).await.unwrap();
    assert_eq!(newer.expose_secret(), "access-of-refresh-o10");
    let again = keeper.renewed(id, &refused).await.unwrap();
    assert_eq!(
        again.expose_secret(),
        newer.expose_secret(),
        "somebody renewed it already"
    );
    assert_eq!(app.sign_in.refreshed.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refresh_without_an_answer_is_repeated_while_the_old_token_still_counts() {
    let app = TestApp::new().await;
    let id = app.live().await;
    let keeper = keeper(&app);
    let refused = keeper.access(id).await.unwrap();
    let lost = || remote::Error::Transient("token: no whole answer".to_owned());
    app.sign_in.failures.lock().unwrap().push_back(lost());
    assert!(keeper.renewed(id, &refused).await.is_err());
    assert_eq!(access(&keeper, id).await, "access-o10", "not at once");
    app.clock.advance(Duration::from_secs(10));
    app.sign_in.failures.lock().unwrap().push_back(lost());
    for _ in 0..2 {
        assert_eq!(
            access(&keeper, id).await,
            "access-o10",
            "what is at hand still lasts"
        );
    }
    app.clock.advance(Duration::from_secs(10));
    assert_eq!(
        access(&keeper, id).await,
        "access-of-refresh-o10",
        "and is not relied upon"
    );
    assert_eq!(access(&keeper, id).await, "access-of-refresh-o10");
    assert_eq!(app.sign_in.refreshed.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn two_replicas_that_refresh_at_once_end_with_one_pair() {
    let app = TestApp::new().await;
    let id = app.live().await;
    let (one, two) = (keeper(&app), keeper(&app));
    app.clock.advance(Duration::from_secs(3_600));
    let (first, second) = tokio::join!(access(&one, id), access(&two, id));
    assert_eq!(first, second);
    assert_eq!(app.store.tokens(id).await.unwrap().unwrap().generation, 2);
}

#[tokio::test]
async fn a_lost_consent_stops_that_user_and_is_told() {
    let app = TestApp::new().await;
    let id = app.live().await;
    let keeper = keeper(&app);
    app.clock.advance(Duration::from_secs(3_600));
    let gone = remote::Error::ConsentNeeded("invalid_grant".to_owned());
    app.sign_in.failures.lock().unwrap().push_back(gone);
    assert!(matches!(keeper.access(id).await, Err(Error::ConsentNeeded)));
    let user = app.user(id).await;
    assert_eq!(
        (user.state, user.resume_state),
        (UserState::NeedsConsent, UserState::Live)
    );
    let alerts = app.store.alerts().await.unwrap();
    assert_eq!(alerts[0].key, consent_alert(id));
    assert!(!alerts[0].message.contains("example.nl"));
}

#[tokio::test]
async fn a_failing_token_endpoint_is_no_revocation() {
    let app = TestApp::new().await;
    let id = app.live().await;
    let keeper = keeper(&app);
    app.clock.advance(Duration::from_secs(3_600));
    let down = remote::Error::Transient("503".to_owned());
    app.sign_in.failures.lock().unwrap().push_back(down);
    assert!(matches!(
        keeper.access(id).await,
        Err(Error::Remote(remote::Error::Transient(_)))
    ));
    assert_eq!(app.user(id).await.state, UserState::Live);
    assert_eq!(access(&keeper, id).await, "access-of-refresh-o10");
}

#[tokio::test]
async fn newer_tokens_outweigh_a_refusal_of_older_ones() {
    let app = TestApp::new().await;
    let id = app.live().await;
    app.clock.advance(Duration::from_secs(3_600));
    let stored = app.store.tokens(id).await.unwrap().unwrap();
    let row = user_row(id);
    // As if the person signed in again while the old refresh token is being refused.
    let seal = |column, text: &str| app.vault.seal_text(column, &row, &SecretString::from(text));
    let newer = Tokens {
        refresh: seal(column::REFRESH_TOKEN, "refresh-new"),
        access: seal(column::ACCESS_TOKEN, "access-new"),
        expires_ms: i64::MAX,
        ..stored.clone()
    };
    let gone = remote::Error::ConsentNeeded("invalid_grant".to_owned());
    app.sign_in.failures.lock().unwrap().push_back(gone);
    let keeper = keeper(&app);
    let asked = keeper.access(id);
    let saved = async {
        app.commit(vec![Change::PutTokens {
            user: id,
            tokens: newer,
            expected: stored.generation,
        }])
        .await;
    };
    let (token, ()) = tokio::join!(asked, saved);
    assert_eq!(token.unwrap().expose_secret(), "access-new");
    assert_eq!(app.user(id).await.state, UserState::Live);
}

#[tokio::test]
async fn a_disconnected_user_has_no_token() {
    let app = TestApp::new().await;
    let id = app.live().await;
    app.api.activation.disconnect(id, false).await.unwrap();
    assert!(matches!(keeper(&app).access(id).await, Err(Error::Absent)));
}
