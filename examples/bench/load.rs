//! The load: as many connections as told, each sending its next request once the answer to the last is
//! there, over bare sockets, so that the generator takes little of what it measures.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::delivery::Kind;

/// What comes before the times count.
const WARM_UP: Duration = Duration::from_millis(500);

/// How the load comes.
pub(crate) struct Pace {
    pub(crate) connections: usize,
    pub(crate) time: Duration,
    /// Requests per second over all connections; without an end, each follows the answer to the last.
    pub(crate) rate: f64,
}

impl Pace {
    /// When a request of one connection is due, from the beginning on.
    fn due(&self, connection: usize, turn: u32) -> Duration {
        let place = connection as f64 + f64::from(turn) * self.connections as f64;
        Duration::from_secs_f64(place / self.rate)
    }
}

/// What one connection saw.
#[derive(Default)]
struct Taken {
    micros: Vec<u32>,
    others: BTreeMap<u16, u64>,
}

/// Sends for so long; answers how many requests and items were accepted per second, and how long the
/// answers took. At a rate the time of a request that had to wait for the answer to the last counts from
/// when it was due.
pub(crate) async fn run(address: &str, path: &str, pace: &Pace, kind: &Kind) -> Value {
    let next = &AtomicU64::new(0);
    // No two runs tell of the same.
    let run = u128::from(fastrand::u32(..)) << 64;
    let began = Instant::now();
    let counts = began + WARM_UP;
    let until = counts + pace.time;
    let one = |connection: usize| async move {
        let mut taken = Taken::default();
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let mut answer = Vec::with_capacity(4_096);
        for turn in 0.. {
            let due = began + pace.due(connection, turn);
            let is_late = pace.rate.is_finite() && Instant::now() > due;
            tokio::time::sleep_until(due.into()).await;
            if Instant::now() >= until {
                break;
            }
            let number = run | u128::from(next.fetch_add(1, Ordering::Relaxed));
            let request = kind.request(address, path, number);
            let sent = match is_late {
                true => due,
                false => Instant::now(),
            };
            socket.write_all(&request).await.unwrap();
            let status = read(&mut socket, &mut answer).await;
            let now = Instant::now();
            // What straddles the end counts for nobody.
            if sent < counts || now > until {
                continue;
            }
            match status {
                200 | 202 => taken
                    .micros
                    .push(u32::try_from((now - sent).as_micros()).unwrap_or(u32::MAX)),
                other => *taken.others.entry(other).or_default() += 1,
            }
        }
        taken
    };
    let all = join_all((0..pace.connections).map(one)).await;
    let mut micros: Vec<u32> = all.iter().flat_map(|one| one.micros.clone()).collect();
    micros.sort_unstable();
    let mut others = BTreeMap::<u16, u64>::new();
    for (status, count) in all.iter().flat_map(|one| &one.others) {
        *others.entry(*status).or_default() += count;
    }
    let seconds = pace.time.as_secs_f64();
    json!({
        "count": micros.len(),
        "per_second": micros.len() as f64 / seconds,
        "items_per_second": (micros.len() * kind.items()) as f64 / seconds,
        "p50_ms": at(&micros, 0.5), "p99_ms": at(&micros, 0.99), "p999_ms": at(&micros, 0.999),
        "others": others,
    })
}

/// Sends everything there is, once; answers how many were accepted, and in how many seconds.
pub(crate) async fn tell(address: &str, path: &str, connections: usize, kind: &Kind) -> Value {
    let next = AtomicU64::new(0);
    let began = Instant::now();
    let one = || async {
        let mut accepted = 0;
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let mut answer = Vec::with_capacity(4_096);
        loop {
            let number = u128::from(next.fetch_add(1, Ordering::Relaxed));
            if number >= kind.requests() {
                return accepted;
            }
            let request = kind.request(address, path, number);
            socket.write_all(&request).await.unwrap();
            let status = read(&mut socket, &mut answer).await;
            accepted += u64::from(matches!(status, 200 | 202));
        }
    };
    let all = join_all((0..connections).map(|_| one())).await;
    json!({"accepted": all.iter().sum::<u64>(), "seconds": began.elapsed().as_secs_f64()})
}

/// The value that a share of the sorted values does not exceed, in milliseconds.
pub(crate) fn at(micros: &[u32], share: f64) -> f64 {
    let place = (micros.len() as f64 * share).ceil() as usize;
    let value = micros.get(place.saturating_sub(1)).copied();
    f64::from(value.unwrap_or_default()) / 1_000.0
}

/// Reads one answer; its status.
async fn read(socket: &mut TcpStream, answer: &mut Vec<u8>) -> u16 {
    answer.clear();
    loop {
        let read = socket.read_buf(answer).await.unwrap();
        assert!(read > 0, "the server hung up");
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(&answer[..end]).unwrap();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().unwrap())
        });
        let status = head[9..12].parse().unwrap();
        let whole = end + 4 + length.unwrap_or(0);
        while answer.len() < whole {
            assert!(socket.read_buf(answer).await.unwrap() > 0, "cut off");
        }
        return status;
    }
}
