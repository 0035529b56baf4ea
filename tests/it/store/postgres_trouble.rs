//! A Postgres that fails: conflicts, cut connections, silence, a crash.

use std::time::Duration;

use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tribelink::store::{
    Change, Guard, Lane, Store,
    postgres::{PostgresStore, Settings},
};

use super::postgres_server::{alert, people, unavailable, until_ready};
use super::{
    proxy::{Cut, Proxy},
    sample::{environment_id, hint, lane, user_id},
    scratch::Scratch,
    server::Server,
};

/// A statement that fails as if transactions had met, the first `times` times.
async fn fail_alerts(raw: &mut PgConnection, code: &str, times: u32) {
    let sql = format!(
        "CREATE SEQUENCE met;
         CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('met') <= {times} THEN RAISE EXCEPTION 'met' USING ERRCODE = '{code}'; END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER meet BEFORE INSERT ON alerts FOR EACH ROW EXECUTE FUNCTION meet()"
    );
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(raw)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_serialization_failure_is_done_again() {
    for code in ["40001", "40P01"] {
        let scratch = Scratch::new().await;
        let store = scratch.open().await;
        people(&store).await;
        fail_alerts(&mut scratch.raw().await, code, 3).await;
        let changes = vec![Change::AddHints(vec![hint("a", Some(1), 0)]), alert("x")];
        store.commit(&Guard::None, changes).await.unwrap();
        assert_eq!(store.alerts().await.unwrap().len(), 1);
        let hints = store.hints(&lane(1), 0, 10).await.unwrap();
        assert_eq!(hints.len(), 1, "what was given up left nothing");
    }
}

#[tokio::test]
async fn one_that_never_ends_is_told_to_the_caller() {
    let scratch = Scratch::new().await;
    let store = scratch.open().await;
    people(&store).await;
    fail_alerts(&mut scratch.raw().await, "40001", 1_000_000).await;
    let changes = vec![Change::AddHints(vec![hint("a", Some(1), 0)]), alert("x")];
    assert!(unavailable(store.commit(&Guard::None, changes).await));
    assert_eq!(store.hints(&lane(1), 0, 10).await.unwrap(), []);
    store.ready().await.unwrap();
}

/// The store has locked the environment and waits for the user; the other has locked the user and
/// asks for the environment. The store waited first, so Postgres gives its transaction up.
#[tokio::test]
async fn a_real_deadlock_is_resolved() {
    let scratch = Scratch::new().await;
    let store = scratch.open().await;
    people(&store).await;
    let mut raw = scratch.raw().await;
    sqlx::query("BEGIN").execute(&mut raw).await.unwrap();
    let user = "UPDATE users SET reason = 'other' WHERE id = $1";
    let id = user_id(1).0;
    sqlx::query(user)
        .bind(id.as_bytes().as_slice())
        .execute(&mut raw)
        .await
        .unwrap();
    let changes = vec![
        Change::SetEnvironmentChores {
            id: environment_id("a"),
            polled_ms: 1,
            chores_due_ms: 2,
            swept_ms: 3,
        },
        Change::SetProgress {
            id: user_id(1),
            progress: Some((1, 2)),
        },
    ];
    let writing = {
        let store = store.clone();
        tokio::spawn(async move { store.commit(&Guard::None, changes).await })
    };
    let waits = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                 WHERE NOT l.granted AND a.datname = current_database()";
    while sqlx::query_scalar::<_, i64>(waits)
        .fetch_one(&mut raw)
        .await
        .unwrap()
        == 0
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let environment = "UPDATE environments SET organization = 'other' WHERE id = 'a'";
    sqlx::query(environment).execute(&mut raw).await.unwrap();
    sqlx::query("COMMIT").execute(&mut raw).await.unwrap();
    writing.await.unwrap().unwrap();
    let user = store.user(user_id(1)).await.unwrap().unwrap();
    assert_eq!(
        (user.progress, user.reason.as_deref()),
        (Some((1, 2)), Some("other"))
    );
    let environment = store
        .environment(&environment_id("a"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(environment.swept_ms, 3);
    assert_eq!(environment.organization.as_deref(), Some("other"));
}

#[tokio::test]
async fn connections_cut_by_the_server_lose_and_double_nothing() {
    let scratch = Scratch::new().await;
    let store = scratch.open().await;
    people(&store).await;
    let mut raw = scratch.raw().await;
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let cutting = async {
        for _ in 0..10 {
            sqlx::query(cut).execute(&mut raw).await.unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    // Each is repeated until it is acknowledged, as its sender would.
    let sending = join_all((0..40).map(|number| {
        let store = store.clone();
        async move {
            let (mut sent, key) = (0_u32, format!("alert {number}"));
            loop {
                sent += 1;
                let kept = store
                    .add_hints(vec![hint("a", Some(1), i64::from(number))])
                    .await;
                if kept.is_ok() && store.commit(&Guard::None, vec![alert(&key)]).await.is_ok() {
                    return sent;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }));
    let ((), sent) = tokio::join!(cutting, sending);
    until_ready(&store).await;
    let hints = store.hints(&lane(1), i64::MAX, 1_000).await.unwrap();
    let mut times: Vec<i64> = hints.iter().map(|hint| hint.hint.not_before_ms).collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times, (0..40).collect::<Vec<i64>>(), "none was lost");
    let sent: usize = sent.iter().map(|sent| *sent as usize).sum();
    assert!(hints.len() <= sent, "at most as often as it was sent");
    assert_eq!(
        store.alerts().await.unwrap().len(),
        40,
        "what has a key is there once"
    );
}

/// The connection ends while COMMIT is under way: before the server sees it, or after it answered.
#[tokio::test]
async fn a_commit_of_unknown_outcome_is_told_and_stands_whole_or_not_at_all() {
    for (cut, stands) in [(Cut::BeforeCommit, false), (Cut::AfterCommit, true)] {
        let scratch = Scratch::new().await;
        scratch.open().await.close().await;
        let proxy = Proxy::to(&scratch.url).await;
        let store = PostgresStore::open(&proxy.url, Settings::default())
            .await
            .unwrap();
        people(&store).await;
        let changes = || vec![Change::AddHints(vec![hint("a", Some(1), 0)]), alert("x")];
        proxy.cut_next(cut);
        assert!(unavailable(store.commit(&Guard::None, changes()).await));
        until_ready(&store).await;
        assert_eq!(store.alerts().await.unwrap().len(), usize::from(stands));
        let hints = store.hints(&lane(1), 0, 10).await.unwrap();
        assert_eq!(hints.len(), usize::from(stands), "{cut:?}");
        // Whoever repeats it doubles nothing that has a key; a second hint costs a read.
        store.commit(&Guard::None, changes()).await.unwrap();
        assert_eq!(store.alerts().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_lease_taken_by_a_claim_of_unknown_outcome_ends_by_itself() {
    let scratch = Scratch::new().await;
    let plain = scratch.open().await;
    let proxy = Proxy::to(&scratch.url).await;
    let store = PostgresStore::open(&proxy.url, Settings::default())
        .await
        .unwrap();
    proxy.cut_next(Cut::AfterClaim);
    assert!(unavailable(store.claim(&lane(1), "x", 0, 300).await));
    let taken = loop {
        if let Some(taken) = plain.claim(&lane(1), "y", 0, 300).await.unwrap() {
            break taken;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(taken.fence, 2, "the first one stood");
}

/// A frozen process holds its locks for seconds at most.
#[tokio::test]
async fn a_transaction_that_fell_silent_is_ended_by_the_server() {
    let scratch = Scratch::new().await;
    scratch.open().await.close().await;
    let proxy = Proxy::to(&scratch.url).await;
    let frozen = PostgresStore::open(&proxy.url, Settings::default())
        .await
        .unwrap();
    people(&frozen).await;
    let other = scratch.open().await;
    proxy.cut_next(Cut::Silence);
    let writing = tokio::spawn(async move { frozen.commit(&Guard::None, vec![alert("x")]).await });
    // The same key waits for the frozen transaction's end.
    proxy.silent().await;
    while other.commit(&Guard::None, vec![alert("x")]).await.is_err() {}
    assert!(unavailable(writing.await.unwrap()));
    assert_eq!(other.alerts().await.unwrap().len(), 1);
}

#[tokio::test]
async fn running_out_of_connections_turns_ready_red_until_one_is_free() {
    let server = Server::start(&[("PG_CONNECTIONS", "12")]).await;
    let scratch = Scratch::on(&server.url).await;
    let store = scratch.open().await;
    people(&store).await;
    // Those that the store holds are cut, and others come first.
    let mut taken = Vec::new();
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE application_name = 'tribelink'";
    let mut raw = scratch.raw().await;
    loop {
        sqlx::query(cut).execute(&mut raw).await.unwrap();
        match PgConnection::connect(&scratch.url).await {
            Ok(conn) => taken.push(conn),
            Err(_) if store.ready().await.is_err() => break,
            Err(_) => {}
        }
    }
    assert!(unavailable(store.ready().await));
    assert!(unavailable(
        store.add_hints(vec![hint("a", Some(1), 0)]).await
    ));
    for conn in taken {
        conn.close().await.unwrap();
    }
    until_ready(&store).await;
    store.add_hints(vec![hint("a", Some(1), 0)]).await.unwrap();
    assert_eq!(store.hints(&lane(1), 0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_caller_waits_for_a_connection_only_so_long() {
    let scratch = Scratch::new().await;
    let settings = Settings {
        connections: 2,
        ..Settings::default()
    };
    let store = scratch.open_as(settings).await;
    people(&store).await;
    let mut raw = scratch.raw().await;
    sqlx::query("BEGIN").execute(&mut raw).await.unwrap();
    let lock = "LOCK TABLE hints, probe IN ACCESS EXCLUSIVE MODE";
    sqlx::query(lock).execute(&mut raw).await.unwrap();
    let (kept, ready) = tokio::join!(store.add_hints(vec![hint("a", Some(1), 0)]), store.ready());
    assert!(unavailable(kept) && unavailable(ready));
    sqlx::query("ROLLBACK").execute(&mut raw).await.unwrap();
    until_ready(&store).await;
    assert_eq!(
        store.hints(&lane(1), 0, 10).await.unwrap(),
        [],
        "refused is refused"
    );
}

#[tokio::test]
async fn a_server_that_crashes_loses_nothing_it_acknowledged() {
    let mut server = Server::start(&[("PG_FSYNC", "on")]).await;
    let scratch = Scratch::on(&server.url).await;
    let store = scratch.open().await;
    people(&store).await;
    let lease = store
        .claim(&Lane::Mailbox(user_id(2)), "x", 0, 600_000)
        .await
        .unwrap()
        .unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let senders = (0..4_i64).map(|sender| {
        let (store, stopped) = (store.clone(), stopped.clone());
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                if *stopped.borrow() {
                    break;
                }
                let time = sender * 1_000_000 + number;
                match store.add_hints(vec![hint("a", Some(1), time)]).await {
                    Ok(()) => acknowledged.push(time),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
            acknowledged
        })
    });
    let senders: Vec<_> = senders.collect();
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.crash().await;
        until_ready(&store).await;
    }
    // A server that is away is told, not waited for.
    server.stop().await;
    assert!(unavailable(store.ready().await));
    server.again().await;
    until_ready(&store).await;
    stop.send(true).unwrap();
    let mut acknowledged = Vec::new();
    for sender in senders {
        acknowledged.extend(sender.await.unwrap());
    }
    assert!(acknowledged.len() > 10, "{}", acknowledged.len());
    let mut raw = scratch.raw().await;
    let kept = sqlx::query("SELECT not_before_ms FROM hints")
        .fetch_all(&mut raw)
        .await
        .unwrap();
    let kept: std::collections::BTreeSet<i64> = kept.iter().map(|row| row.get(0)).collect();
    assert!(acknowledged.iter().all(|time| kept.contains(time)));
    let guard = Guard::Lease { lease, now_ms: 0 };
    store
        .commit(&guard, vec![alert("held through")])
        .await
        .unwrap();
}
