//! What only a server shows: several stores on one database.

use std::time::Duration;

use futures_util::future::join_all;
use sqlx::{ConnectOptions as _, PgConnection};
use tempfile::TempDir;
use tribelink::store::{
    Alert, Change, Error, Guard, Store,
    postgres::{
        PostgresStore, Settings,
        schema::{self, Effect, Step},
    },
    sqlite::{self, SqliteStore},
};

use super::{
    sample::{self, environment_id, environment_lane, hint, lane},
    scratch::Scratch,
};

pub(super) async fn people(store: &PostgresStore) {
    let changes = vec![
        Change::PutEnvironment(sample::environment("a")),
        Change::PutUser(Box::new(sample::user(1, "a"))),
        Change::PutUser(Box::new(sample::user(2, "a"))),
    ];
    store.commit(&Guard::None, changes).await.unwrap();
}

pub(super) fn unavailable<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Unavailable(_)))
}

pub(super) fn alert(key: &str) -> Change {
    Change::RaiseAlert(Alert {
        key: key.to_owned(),
        environment: environment_id("a"),
        user: None,
        message: "look".to_owned(),
        since_ms: 1,
    })
}

/// Repeats what fails until it works: the runner's own time limit ends what never does.
pub(super) async fn until_ready(store: &PostgresStore) {
    while store.ready().await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn both_schemas_have_the_same_tables_and_columns() {
    let scratch = Scratch::new().await;
    let _store = scratch.open().await;
    let mut raw = scratch.raw().await;
    let sql = "SELECT table_name::text || '.' || column_name::text FROM information_schema.columns
               WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations' ORDER BY 1";
    let mut postgres: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut raw).await.unwrap();
    postgres.sort();

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.db");
    let url = format!("sqlite:{}", path.display());
    let _other = SqliteStore::open(&url, sqlite::Settings::default())
        .await
        .unwrap();
    let options: sqlx::sqlite::SqliteConnectOptions = url.parse().unwrap();
    let mut file = options.connect().await.unwrap();
    let sql = "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_xinfo(t.name) c
               WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'
                 AND t.name <> '_sqlx_migrations'";
    let mut sqlite: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut file).await.unwrap();
    sqlite.sort();
    assert!(postgres.len() > 100, "{postgres:?}");
    assert_eq!(postgres, sqlite);

    let sql = "SELECT version FROM _sqlx_migrations ORDER BY version";
    let of_postgres: Vec<i64> = sqlx::query_scalar(sql).fetch_all(&mut raw).await.unwrap();
    let of_sqlite: Vec<i64> = sqlx::query_scalar(sql).fetch_all(&mut file).await.unwrap();
    assert_eq!(of_postgres, of_sqlite);
}

#[tokio::test]
async fn replicas_that_start_at_once_migrate_once() {
    let scratch = Scratch::new().await;
    let stores = join_all((0..6).map(|_| scratch.open())).await;
    for store in &stores {
        store.ready().await.unwrap();
    }
}

const GROW: Step = Step {
    number: 9001,
    name: "grow",
    effect: Effect::Expands,
    sql: "ALTER TABLE alerts ADD COLUMN weight BIGINT NOT NULL DEFAULT 0",
};

const SHRINK: Step = Step {
    number: 9002,
    name: "shrink",
    effect: Effect::Contracts,
    sql: "ALTER TABLE alerts DROP COLUMN message; UPDATE probe SET floor = 9002",
};

async fn columns(conn: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT column_name::text FROM information_schema.columns
               WHERE table_name = 'alerts' ORDER BY 1";
    sqlx::query_scalar(sql).fetch_all(conn).await.unwrap()
}

/// The version at hand stands for the old one of an upgrade, two further migrations for the new.
#[tokio::test]
async fn an_upgrade_rolls_over_live_replicas() {
    let scratch = Scratch::new().await;
    let old = scratch.open().await;
    people(&old).await;
    old.beat("old", 0, 600_000).await.unwrap();
    let mut raw = scratch.raw().await;
    let newer: Vec<Step> = schema::steps()
        .iter()
        .copied()
        .chain([GROW, SHRINK])
        .collect();

    // The first new replica expands; what the old one needs is still there, and both work.
    schema::migrate(&mut raw, &newer).await.unwrap();
    let both = [
        "environment",
        "key",
        "message",
        "since_ms",
        "user",
        "weight",
    ];
    assert_eq!(columns(&mut raw).await, both);
    old.ready().await.unwrap();
    old.commit(&Guard::None, vec![alert("old")]).await.unwrap();
    assert_eq!(old.alerts().await.unwrap().len(), 1);
    let again = scratch.open().await;
    again.ready().await.unwrap();

    // Once the last old one has left, the next start contracts, and an old one that comes back is
    // refused, whether it runs or starts.
    old.leave("old").await.unwrap();
    schema::migrate(&mut raw, &newer).await.unwrap();
    assert!(!columns(&mut raw).await.contains(&"message".to_owned()));
    assert!(matches!(old.ready().await, Err(Error::Schema(_))));
    let opened = PostgresStore::open(&scratch.url, Settings::default()).await;
    assert!(matches!(opened, Err(Error::Schema(_))), "{opened:?}");
}

/// The program at hand opens what its predecessor left, rows included, and the predecessor's
/// statements, which know nothing of what came since, go on working beside it.
#[tokio::test]
async fn this_version_and_the_one_before_share_a_database() {
    let scratch = Scratch::new().await;
    let mut raw = scratch.raw().await;
    let before = &schema::steps()[..schema::steps().len() - 1];
    schema::migrate(&mut raw, before).await.unwrap();
    let sql = "INSERT INTO alerts (key, environment, message, since_ms) VALUES ($1, 'a', 'm', 1)";
    sqlx::query(sql)
        .bind("before")
        .execute(&mut raw)
        .await
        .unwrap();

    let store = scratch.open().await;
    assert_eq!(store.beat("new", 0, 1_000).await.unwrap(), ["new"]);
    sqlx::query(sql)
        .bind("beside")
        .execute(&mut raw)
        .await
        .unwrap();
    sqlx::query("UPDATE probe SET beats = beats + 1")
        .execute(&mut raw)
        .await
        .unwrap();
    // The predecessor starts once more: an expansion refuses nobody.
    schema::migrate(&mut raw, before).await.unwrap();
    let keys: Vec<String> = store
        .alerts()
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.key)
        .collect();
    assert_eq!(keys, ["before", "beside"]);
    store.ready().await.unwrap();
}

#[tokio::test]
async fn an_altered_migration_is_refused() {
    let scratch = Scratch::new().await;
    scratch.open().await.close().await;
    let mut raw = scratch.raw().await;
    let altered = "UPDATE _sqlx_migrations SET checksum = '\\x00'";
    sqlx::query(altered).execute(&mut raw).await.unwrap();
    let opened = PostgresStore::open(&scratch.url, Settings::default()).await;
    assert!(matches!(opened, Err(Error::Schema(_))), "{opened:?}");
}

#[tokio::test]
async fn of_many_who_claim_a_lane_one_has_it() {
    let scratch = Scratch::new().await;
    let stores = join_all((0..4).map(|_| scratch.open())).await;
    let mut fence = 0;
    for _ in 0..10 {
        let claims = stores.iter().enumerate().map(|(number, store)| async move {
            let holder = format!("holder {number}");
            store.claim(&lane(1), &holder, 0, 60_000).await.unwrap()
        });
        let won: Vec<_> = join_all(claims).await.into_iter().flatten().collect();
        assert_eq!(won.len(), 1);
        assert!(won[0].fence > fence);
        fence = won[0].fence;
        stores[0].release(&won[0]).await.unwrap();
    }
}

/// One replica's clock is a day ahead, another's a day behind: the database's decides.
#[tokio::test]
async fn a_lease_ends_by_the_databases_clock() {
    const DAY: i64 = 86_400_000;
    let scratch = Scratch::new().await;
    let (ahead, behind) = (scratch.open().await, scratch.open().await);
    people(&ahead).await;
    let lease = behind
        .claim(&lane(1), "behind", 0, 60_000)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(lease.until_ms, 60_000, "in the holder's own time");
    assert_eq!(
        ahead.claim(&lane(1), "ahead", DAY, 60_000).await.unwrap(),
        None
    );
    assert!(ahead.holds(&lease, DAY).await.unwrap());
    ahead.add_hints(vec![hint("a", Some(1), 0)]).await.unwrap();
    assert_eq!(ahead.due_lanes(DAY, 10).await.unwrap(), []);
    let next = ahead.next_due(DAY).await.unwrap().unwrap();
    assert!((DAY + 1..=DAY + 60_000).contains(&next), "{next}");

    let renewed = behind.renew(&lease, 5, 1).await.unwrap().unwrap();
    while behind.holds(&renewed, 0).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let next = ahead
        .claim(&lane(1), "ahead", DAY, 60_000)
        .await
        .unwrap()
        .unwrap();
    assert!(next.fence > lease.fence);
    let guard = Guard::Lease {
        lease: renewed,
        now_ms: 0,
    };
    let late = behind.commit(&guard, vec![alert("late")]).await;
    assert!(matches!(late, Err(Error::LeaseLost)));
    assert_eq!(behind.alerts().await.unwrap(), []);
}

/// Between the check of the fence and the commit nobody can take the lane over.
#[tokio::test]
async fn a_write_under_a_lease_keeps_the_lane_until_it_is_committed() {
    let scratch = Scratch::new().await;
    let store = scratch.open().await;
    people(&store).await;
    let lease = store.claim(&lane(1), "x", 0, 500).await.unwrap().unwrap();
    // Something holds the commit up after its check.
    let mut raw = scratch.raw().await;
    sqlx::query("BEGIN").execute(&mut raw).await.unwrap();
    let lock = "LOCK TABLE alerts IN ACCESS EXCLUSIVE MODE";
    sqlx::query(lock).execute(&mut raw).await.unwrap();
    let guard = Guard::Lease {
        lease: lease.clone(),
        now_ms: 0,
    };
    let writing = {
        let store = store.clone();
        tokio::spawn(async move { store.commit(&guard, vec![alert("slow")]).await })
    };
    while store.holds(&lease, 0).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let taken = store.claim(&lane(1), "y", 0, 60_000).await.unwrap();
    let done = writing.is_finished();
    sqlx::query("COMMIT").execute(&mut raw).await.unwrap();
    assert!(
        taken.is_none() && !done,
        "taken over under a write that went on"
    );
    writing.await.unwrap().unwrap();
    assert!(
        store
            .claim(&lane(1), "y", 0, 60_000)
            .await
            .unwrap()
            .is_some()
    );
}

/// The due time is a sum over rows that others change at the same moment.
#[tokio::test]
async fn no_hint_is_forgotten_by_writers_that_meet() {
    let scratch = Scratch::new().await;
    let stores = join_all((0..3).map(|_| scratch.open())).await;
    people(&stores[0]).await;
    let workers = stores.iter().map(|store| async move {
        for round in 0..20 {
            let hints = vec![hint("a", Some(1 + round % 2), 5), hint("a", None, 7)];
            store.add_hints(hints).await.unwrap();
            for lane in [lane(1), lane(2), environment_lane("a")] {
                let found = store.hints(&lane, 10, 100).await.unwrap();
                let ids = found.iter().map(|hint| hint.id).take(2).collect();
                let changes = vec![
                    Change::DropHints(ids),
                    Change::AddHints(vec![hint("a", Some(1), 6), hint("a", Some(2), 6)]),
                ];
                store.commit(&Guard::None, changes).await.unwrap();
            }
        }
    });
    join_all(workers).await;
    let mut raw = scratch.raw().await;
    let wrong = "SELECT count(*) FROM users u WHERE hint_due_ms IS DISTINCT FROM
                     (SELECT min(not_before_ms) FROM hints h WHERE h.user = u.number)";
    let wrong: i64 = sqlx::query_scalar(wrong).fetch_one(&mut raw).await.unwrap();
    assert_eq!(wrong, 0);
    let wrong = "SELECT count(*) FROM environments e WHERE hint_due_ms IS DISTINCT FROM
                     (SELECT min(not_before_ms) FROM hints h
                      WHERE h.environment = e.id AND h.user IS NULL)";
    let wrong: i64 = sqlx::query_scalar(wrong).fetch_one(&mut raw).await.unwrap();
    assert_eq!(wrong, 0);
}

#[tokio::test]
async fn a_hint_wakes_the_other_replicas() {
    let scratch = Scratch::new().await;
    let (here, there) = (scratch.open().await, scratch.open().await);
    people(&here).await;
    // Until the other one listens, calls go nowhere: each is a hint due sooner than all before.
    let calling = async {
        for sooner in (0..i64::from(u16::MAX)).rev() {
            here.add_hints(vec![hint("a", Some(1), sooner)])
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        woken = there.woken() => assert_eq!(woken, lane(1)),
        () = calling => panic!("nobody was woken"),
    }
    let own = tokio::time::timeout(Duration::from_millis(200), here.woken()).await;
    assert!(own.is_err(), "one's own call is no news: {own:?}");
}
