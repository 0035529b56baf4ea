//! Wake-up calls between replicas: LISTEN and NOTIFY. They only save time: what a lost one was
//! about is found by the next look at what is due.

use std::time::Duration;

use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::{Mutex, mpsc};

use super::leases;
use crate::store::Lane;

/// One channel in each database; `settle_hints` (migrations/postgres/0006_settle_hints.sql) calls.
const CHANNEL: &str = "tribelink";

/// How long after a failure to listen it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Calls that may wait; more are found by the next look.
const WAITING: usize = 4_096;

/// The lanes that other replicas called for.
#[derive(Debug)]
pub(super) struct Wakes {
    lanes: Mutex<mpsc::Receiver<Lane>>,
}

impl Wakes {
    /// No call yet, and where they go.
    pub(super) fn new() -> (Wakes, mpsc::Sender<Lane>) {
        let (calls, lanes) = mpsc::channel(WAITING);
        let lanes = Mutex::new(lanes);
        (Wakes { lanes }, calls)
    }

    /// Waits for the next call; never ends once the store is closed.
    pub(super) async fn next(&self) -> Lane {
        match self.lanes.lock().await.recv().await {
            Some(lane) => lane,
            None => std::future::pending().await,
        }
    }
}

/// Listens until the pool is closed, over connections that come and go.
pub(super) async fn run(pool: PgPool, name: String, calls: mpsc::Sender<Lane>) {
    while !pool.is_closed() && !calls.is_closed() {
        if let Err(error) = listen(&pool, &name, &calls).await {
            tracing::debug!(%error, "not listening for wake-up calls; trying again");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn listen(pool: &PgPool, name: &str, calls: &mpsc::Sender<Lane>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // `None`: the connection ended; what was called meanwhile is lost, and found by looking.
    while let Some(call) = listener.try_recv().await? {
        let Some((caller, key)) = call.payload().split_once(' ') else {
            continue;
        };
        if let Some(lane) = leases::lane_of(key)
            && caller != name
        {
            // Nobody may wait here: a full queue means that there is enough to do.
            let _ = calls.try_send(lane);
        }
    }
    Ok(())
}
