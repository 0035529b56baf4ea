//! Clients that open connections and say little, while Tribe delivers. How long an answer takes is
//! printed (`cargo test --test sync edge -- --nocapture`), not judged: that depends on the machine.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};
use tribelink::{telemetry::Metrics, tribe::webhook::signature};

use crate::world::{Setup, World};

/// More than the connections that are served at once.
const IDLE: usize = 5_000;
const SLOW: usize = 200;
const DELIVERIES: usize = 400;
/// Connections that are served at once, by default.
const SEATS: usize = 4_096;

async fn open(address: &str, say: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(say.as_bytes()).await.unwrap();
    stream
}

/// One delivery over a connection of its own; how long the answer took.
async fn deliver(address: &str, secret: &SecretString, number: usize) -> Duration {
    let id = uuid::Uuid::from_u128(number as u128 + 1);
    let body = json!({"payload": {"entityId": id}}).to_string();
    let signed = signature(secret, body.as_bytes());
    let request = format!(
        "POST /webhooks/tribe/default HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
         x-signature: {signed}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let began = Instant::now();
    let mut stream = open(address, &request).await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let took = began.elapsed();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_and_slow_bodies_do_not_hold_up_a_delivery() {
    let metrics = Metrics::install().unwrap();
    let world = World::start(Setup::default()).await;
    let address = world.base.trim_start_matches("http://").to_owned();
    let known = world.control(http::Method::GET, "/config", None).await;
    let secret = SecretString::from(known["tribe"]["webhook_secret"].as_str().unwrap());

    let mut slow = JoinSet::new();
    for _ in 0..SLOW {
        let address = address.clone();
        slow.spawn(async move {
            let head =
                "POST /webhooks/tribe/default HTTP/1.1\r\nhost: a\r\ncontent-length: 90000\r\n\r\n";
            let mut stream = open(&address, head).await;
            // Until it is sent away, or the test ends.
            while stream.write_all(b"{").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
    }
    let mut idle = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        idle.push(open(&address, "GET /healthz HT").await);
    }
    let mut took = Vec::with_capacity(DELIVERIES);
    for number in 0..DELIVERIES {
        took.push(deliver(&address, &secret, number).await);
    }
    took.sort();
    let p99 = took[DELIVERIES * 99 / 100 - 1];
    println!(
        "{IDLE} idle, {SLOW} slow: p50 {:?}, p99 {p99:?}, longest {:?}",
        took[DELIVERIES / 2],
        took[DELIVERIES - 1]
    );
    let text = metrics.render();
    let sent_away = text
        .lines()
        .find_map(|line| line.strip_prefix("tribelink_connections_sent_away_total "))
        .and_then(|count| count.parse::<usize>().ok());
    // Nobody waited for a timer to free a seat: those who said nothing made room.
    assert!(sent_away >= Some(IDLE + SLOW - SEATS), "{sent_away:?}");
    drop(idle);
}
