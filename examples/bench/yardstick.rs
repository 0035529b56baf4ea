//! What the machine allows: a server that does nothing, single commits, single syncs.

use std::{
    convert::Infallible,
    fs::File,
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sqlx::{
    Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::net::TcpListener;

use crate::load::at;

/// Serves until it is killed, on as many threads as the service has.
pub(crate) async fn echo() -> Value {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let serving = runtime.spawn(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let same = service_fn(|request: Request<Incoming>| async {
                    Ok::<_, Infallible>(Response::new(request.into_body()))
                });
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), same)
                    .await;
            });
        }
    });
    serving.await.unwrap()
}

/// How long each of many took.
fn told(mut micros: Vec<u32>, time: Duration) -> Value {
    micros.sort_unstable();
    json!({
        "count": micros.len(),
        "per_second": micros.len() as f64 / time.as_secs_f64(),
        "p50_ms": at(&micros, 0.5), "p99_ms": at(&micros, 0.99),
    })
}

/// One row for each commit, as a service without a group commit would store a hint.
pub(crate) async fn commits(folder: &Path, time: Duration) -> Value {
    let options = SqliteConnectOptions::new()
        .filename(folder.join("commits.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    let table = "CREATE TABLE IF NOT EXISTS hints (id INTEGER PRIMARY KEY, lane BLOB, target TEXT, at INTEGER)";
    sqlx::query(table).execute(&mut conn).await.unwrap();
    let mut micros = Vec::new();
    let began = Instant::now();
    while began.elapsed() < time {
        let from = Instant::now();
        sqlx::query("INSERT INTO hints (lane, target, at) VALUES (?, ?, ?)")
            .bind(&[7_u8; 16][..])
            .bind("00000009-0000-0000-0000-000000000001 Relation.Person")
            .bind(1_795_000_000_000_i64)
            .execute(&mut conn)
            .await
            .unwrap();
        micros.push(u32::try_from(from.elapsed().as_micros()).unwrap());
    }
    told(micros, time)
}

/// 1 KB appended and synced, again and again.
pub(crate) fn syncs(folder: &Path, time: Duration) -> Value {
    let mut file = File::create(folder.join("syncs")).unwrap();
    let block = [7_u8; 1_024];
    let mut micros = Vec::new();
    let began = Instant::now();
    while began.elapsed() < time {
        let from = Instant::now();
        file.write_all(&block).unwrap();
        file.sync_data().unwrap();
        micros.push(u32::try_from(from.elapsed().as_micros()).unwrap());
    }
    told(micros, time)
}
