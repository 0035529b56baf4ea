//! A key that is lost, and one that is replaced while everything runs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tempfile::TempDir;
use tribelink::{
    random::SystemRandom,
    rotation::{self, bound},
    sealed::user_row,
    store::{
        Change, Error, Guard, Place, Sealed, SealedColumn, Store, Tokens, User,
        memory::MemoryStore, sqlite::SqliteStore,
    },
    vault::{self, KeyRing, Vault, column},
};
use tribelink_plan::ids::UserId;
use uuid::Uuid;

use crate::app::{ANNA_MAIL, KEY, TestApp};

const NEW: &str = "k2:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn vault(keys: &[&str]) -> Vault {
    let keys: Vec<SecretString> = keys.iter().map(|key| (*key).into()).collect();
    Vault::new(KeyRing::parse(&keys).unwrap(), Arc::new(SystemRandom))
}

fn id(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

/// Everything that rests sealed.
async fn rests(store: &dyn Store) -> Vec<(Place, Sealed)> {
    let mut found = Vec::new();
    for column in SealedColumn::ALL {
        let cells = store.sealed(column, None, 10_000).await.unwrap();
        found.extend(cells.into_iter().map(|cell| (cell.place, cell.sealed)));
    }
    found
}

async fn walk(app: &TestApp) -> (u64, Vec<Value>) {
    let (mut resealed, mut refused) = (0, Vec::new());
    let mut cursor = json!({});
    loop {
        let answer = app.post("/api/v1/keys/rotate", cursor).await.is(200).json();
        assert_eq!(answer["current"], "k2");
        resealed += answer["resealed"].as_u64().unwrap();
        refused.extend(answer["refused"].as_array().unwrap().clone());
        match &answer["next_cursor"] {
            Value::Null => return (resealed, refused),
            next => cursor = json!({ "cursor": next }),
        }
    }
}

#[tokio::test]
async fn a_rotation_leaves_nothing_under_the_old_key_and_changes_no_value() {
    let store = Arc::new(MemoryStore::new());
    let before = TestApp::over(store.clone()).await;
    let user = before.consented().await;
    let again = format!("/api/v1/users/{user}/consent");
    before.post(&again, json!({})).await.is(200);
    let old = vault(&[KEY]);
    let values = rests(store.as_ref()).await;
    let opened = |vault: &Vault, cells: &[(Place, Sealed)]| {
        let open = |(place, sealed): &(Place, Sealed)| {
            let (column, row) = bound(place);
            let plain = vault.open(column, &row, sealed).unwrap();
            (place.clone(), plain.to_vec())
        };
        cells.iter().map(open).collect::<Vec<_>>()
    };
    let plain = opened(&old, &values);
    assert!(
        plain.len() >= 5,
        "the history left too little: {}",
        plain.len()
    );

    let after = TestApp::sealing(store.clone(), &[NEW, KEY]).await;
    let (resealed, refused) = walk(&after).await;
    assert_eq!((resealed, refused), (plain.len() as u64, vec![]));
    assert_eq!(walk(&after).await, (0, vec![]));
    let turned = rests(store.as_ref()).await;
    assert_eq!(opened(&vault(&[NEW]), &turned), plain);

    // With the old key gone the service goes on as before.
    let alone = TestApp::sealing(store, &[NEW]).await;
    let shown = alone.get(&format!("/api/v1/users/{user}")).await.is(200);
    assert_eq!(shown.json()["mailbox"], ANNA_MAIL);
}

#[tokio::test]
async fn without_its_key_a_value_is_refused_and_the_error_says_what_to_do() {
    let store = Arc::new(MemoryStore::new());
    let user = TestApp::over(store.clone()).await.consented().await;
    let before = rests(store.as_ref()).await;

    let lost = TestApp::sealing(store.clone(), &[NEW]).await;
    let (resealed, refused) = walk(&lost).await;
    assert_eq!(resealed, 0);
    let refused: Vec<&str> = refused
        .iter()
        .map(|r| r["message"].as_str().unwrap())
        .collect();
    assert!(
        refused.contains(
            &"tokens.refresh: sealed under key `k1`, which is not configured; add it to \
              security.encryption_keys again, behind the current one"
        ),
        "{refused:?}"
    );
    // Nothing is overwritten: the key may come back.
    assert_eq!(rests(store.as_ref()).await, before);
    // What needs the value fails, and shows nothing of it.
    lost.get(&format!("/api/v1/users/{user}")).await.is(500);
    let back = TestApp::sealing(store, &[NEW, KEY]).await;
    back.get(&format!("/api/v1/users/{user}")).await.is(200);
}

#[tokio::test]
async fn a_value_moved_to_another_row_or_column_does_not_open() {
    let app = TestApp::new().await;
    let anna = app.consented().await;
    let stored = app.store.tokens(anna).await.unwrap().unwrap();
    let open = |column, row: &str, sealed| app.vault.open_text(column, row, sealed);
    let own = user_row(anna);
    assert!(open(column::REFRESH_TOKEN, &own, &stored.refresh).is_ok());
    let refused = vault::Error::Refused {
        column: column::REFRESH_TOKEN,
        key_id: "k1".to_owned(),
    };
    let moved = open(column::REFRESH_TOKEN, &user_row(id(9)), &stored.refresh);
    assert_eq!(moved.err(), Some(refused.clone()));
    // The refresh token in the place of the access token would go to Graph.
    let turned = open(column::REFRESH_TOKEN, &own, &stored.access);
    assert_eq!(turned.err(), Some(refused));
}

#[tokio::test]
async fn a_cursor_that_no_walk_gave_is_refused() {
    let app = TestApp::new().await;
    for cursor in ["x", "", "OTk", "%"] {
        let body = json!({ "cursor": cursor });
        app.post("/api/v1/keys/rotate", body).await.is(400);
    }
    let stray = json!({ "key": "k1:AAAA" });
    app.post("/api/v1/keys/rotate", stray).await.is(400);
}

const WRITERS: u128 = 8;

/// Saves tokens again and again, as a worker that refreshes them, until told to stop. Answers the last
/// one that was saved.
async fn save(store: Arc<dyn Store>, vault: Vault, user: UserId, stop: Arc<AtomicBool>) -> String {
    let row = user_row(user);
    let mut number = 0;
    loop {
        let stored = store.tokens(user).await.unwrap();
        let expected = stored.as_ref().map_or(0, |tokens| tokens.generation);
        if let Some(stored) = &stored {
            let known = vault.open_text(column::REFRESH_TOKEN, &row, &stored.refresh);
            assert_eq!(known.unwrap().expose_secret(), &format!("{user} {number}"));
        }
        number += 1;
        let text = format!("{user} {number}");
        let secret = SecretString::from(text.clone());
        let tokens = Tokens {
            refresh: vault.seal_text(column::REFRESH_TOKEN, &row, &secret),
            access: vault.seal_text(column::ACCESS_TOKEN, &row, &secret),
            expires_ms: 0,
            generation: 0,
            consented_ms: 0,
        };
        let put = Change::PutTokens {
            user,
            tokens,
            expected,
        };
        match store.commit(&Guard::None, vec![put]).await {
            Ok(()) => {}
            Err(error @ Error::Conflict(_)) => panic!("nobody else saves: {error}"),
            Err(error) => panic!("{error}"),
        }
        if stop.load(Ordering::Relaxed) {
            return text;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_under_load_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let opened = SqliteStore::open(&url, Default::default()).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(opened);
    let app = TestApp::sealing(store.clone(), &[KEY]).await;
    let sample = app.user(app.invited(false).await.0).await;
    let users = (1..=WRITERS).map(|number| {
        Change::PutUser(Box::new(User {
            id: id(number),
            employee: tribelink_plan::ids::EmployeeId(Uuid::from_u128(number + 1_000)),
            ..sample.clone()
        }))
    });
    app.commit(users.collect()).await;

    // Half of the writers are replicas that seal under the old key still, and know the new one.
    let stop = Arc::new(AtomicBool::new(false));
    let writers = (1..=WRITERS).map(|number| {
        let keys = match number % 2 {
            0 => [KEY, NEW],
            _ => [NEW, KEY],
        };
        tokio::spawn(save(store.clone(), vault(&keys), id(number), stop.clone()))
    });
    let writers: Vec<_> = writers.collect();
    let new = vault(&[NEW, KEY]);
    let turn_all = || async {
        let (mut resealed, mut cursor) = (0, None);
        loop {
            let turned = rotation::turn(store.as_ref(), &new, cursor).await.unwrap();
            assert_eq!(turned.refused, []);
            resealed += turned.resealed;
            cursor = turned.next;
            if cursor.is_none() {
                return resealed;
            }
        }
    };
    let mut under_load = 0;
    while under_load < 50 {
        under_load += turn_all().await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut last = Vec::new();
    for writer in writers {
        last.push(writer.await.unwrap());
    }
    while turn_all().await > 0 {}

    let alone = vault(&[NEW]);
    for (number, expected) in (1..=WRITERS).zip(last) {
        let tokens = store.tokens(id(number)).await.unwrap().unwrap();
        let row = user_row(id(number));
        for (column, sealed) in [
            (column::REFRESH_TOKEN, &tokens.refresh),
            (column::ACCESS_TOKEN, &tokens.access),
        ] {
            let found = alone.open_text(column, &row, sealed).unwrap();
            assert_eq!(found.expose_secret(), expected);
        }
    }
}
