//! What a delivery costs, counted where no clock is needed: allocations beyond those of a server that
//! does nothing, and commits. One test alone in its process, since what is counted is the process's.
#![expect(
    clippy::unwrap_used,
    reason = "a test: whatever fails ends it, and the place says what it was"
)]

use std::{convert::Infallible, net::SocketAddr, path::Path, sync::Arc};

use futures_util::future::join_all;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tribelink::{
    app::{self, Parts},
    clock::SystemClock,
    config::Config,
    random::SystemRandom,
    server::{self, Limits},
    store::{
        Store as _,
        sqlite::{Settings, SqliteStore},
    },
    telemetry::Metrics,
    tribe::webhook::signature,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const CONNECTIONS: usize = 32;
/// So many by each connection, whole rounds of them.
const ROUNDS: usize = 50;
const SECRET: &str = "of the allocations";

/// Beyond the echo, for each delivery.
const MOST_ALLOCATIONS: f64 = 25.0;
const MOST_COMMITS: f64 = 0.15;

/// A signed webhook of 1 KB about somebody, as a whole request.
fn delivery(number: usize) -> Vec<u8> {
    let head = format!(
        r#"{{"webhookId":"w{number}","payload":{{"type":"EntityUpdateMutation","entityType":"Relation.Person","entityId":"00000009-0000-0000-0000-{number:012}","fields":{{"Description":""#
    );
    let body = format!("{head}{}\"}}}}}}", "x".repeat(1_024 - head.len() - 4));
    let signature = signature(&SECRET.into(), body.as_bytes());
    format!(
        "POST /webhooks/tribe/default HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n\
         x-tribe-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends requests over one connection, one after the other; what is allocated here is the same whoever
/// answers.
async fn send(address: SocketAddr, requests: &[Vec<u8>], status: &str) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let mut answer = [0; 8_192];
    for request in requests {
        socket.write_all(request).await.unwrap();
        let mut length = 0;
        loop {
            let read = socket.read(&mut answer[length..]).await.unwrap();
            assert!(read > 0, "the server hung up");
            length += read;
            let text = std::str::from_utf8(&answer[..length]).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            assert!(head.starts_with(status), "{head}");
            let told = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= told.map_or(0, |told| told.parse().unwrap()) {
                break;
            }
        }
    }
}

/// All connections at once; allocations for each request, once everything is warm.
async fn load(address: SocketAddr, status: &str, first: usize) -> f64 {
    let many = |first: usize| -> Vec<Vec<Vec<u8>>> {
        let of = |connection: usize| {
            let from = first + connection * ROUNDS;
            (from..from + ROUNDS).map(delivery).collect()
        };
        (0..CONNECTIONS).map(of).collect()
    };
    let warm = many(first);
    join_all(warm.iter().map(|requests| send(address, requests, status))).await;
    let counted = many(first + CONNECTIONS * ROUNDS);
    let region = Region::new(ALLOCATOR);
    join_all(
        counted
            .iter()
            .map(|requests| send(address, requests, status)),
    )
    .await;
    let stats = region.change();
    (stats.allocations + stats.reallocations) as f64 / (CONNECTIONS * ROUNDS) as f64
}

async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let same = service_fn(|request: Request<Incoming>| async {
                    Ok::<_, Infallible>(Response::new(request.into_body()))
                });
                let io = TokioIo::new(socket);
                let _ = http1::Builder::new().serve_connection(io, same).await;
            });
        }
    });
    address
}

/// The intake over a database in a folder; the engine does not run.
async fn service(folder: &Path) -> (SocketAddr, Arc<SqliteStore>) {
    let config = Config::from_pairs([
        (
            "security.encryption_keys",
            "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ),
        ("tribe.client_id", "a"),
        ("tribe.client_secret", "b"),
        ("tribe.webhook_secret", SECRET),
        ("microsoft.tenant", "example.com"),
        ("microsoft.client_id", "c"),
        ("microsoft.client_secret", "d"),
    ])
    .expect("usable");
    let url = format!("sqlite:{}", folder.join("hints.db").display());
    let store = SqliteStore::open(&url, Settings::default()).await.unwrap();
    let store = Arc::new(store);
    let metrics = Metrics::install().unwrap();
    let parts = Parts {
        store: Arc::clone(&store) as _,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        transport: None,
        metrics: Arc::new(move || metrics.render()),
    };
    let app = app::build(&config, parts).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits::of(&config.server);
    tokio::spawn(server::serve(
        listener,
        app.front,
        limits,
        std::future::pending(),
    ));
    (address, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_costs_few_allocations_and_a_share_of_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = load(echo().await, "HTTP/1.1 200", 0).await;
    let (address, store) = service(folder.path()).await;
    let before = store.commits();
    let all = load(address, "HTTP/1.1 202", 0).await;
    let sent = (2 * CONNECTIONS * ROUNDS) as f64;
    let commits = (store.commits() - before) as f64 / sent;
    println!("{nothing:.1} allocations for an echo, {all:.1} for a delivery, {commits:.3} commits");
    assert!(all - nothing <= MOST_ALLOCATIONS, "{all} against {nothing}");
    assert!(commits <= MOST_COMMITS, "{commits} commits for each");
    let (kept, _) = store.backlog(&"default".into()).await.unwrap();
    assert_eq!(kept as f64, sent);
}
