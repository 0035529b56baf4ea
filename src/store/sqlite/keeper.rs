//! Keeps the write-ahead log short, away from the callers' path.

use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use sqlx::{ConnectOptions as _, Connection as _, Row as _, sqlite::SqliteConnectOptions};
use tokio::sync::Notify;

use super::{file::OpenFile, outage};
use crate::{crash, store::Error};

/// How often the log is carried over into the file while there are writes: short enough that a
/// restart has little to read, long enough that a busy page is carried over once for many writes.
const EVERY: Duration = Duration::from_secs(5);

/// After so many commits it is carried over at once: some ten megabytes where each brings a crowd of hints.
const MANY: u64 = 512;

/// How long writers may be held up by a reader that stands in the way of emptying the log.
const BRIEFLY: Duration = Duration::from_millis(20);

/// Carries over what is there and holds nobody up; of a log that is written to all the while, never all.
const CARRY_OVER: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// How long to wait when a reader stood in the way of emptying the log, and between two such times.
const AGAIN: Duration = Duration::from_secs(1);

/// What the writer tells the keeper.
#[derive(Debug, Default)]
pub(super) struct Wake {
    commits: AtomicU64,
    erased: AtomicBool,
    notify: Notify,
}

impl Wake {
    pub(super) fn wrote(&self, erased: bool) {
        let commits = self.commits.fetch_add(1, Ordering::AcqRel) + 1;
        if erased {
            self.erased.store(true, Ordering::Release);
        }
        if erased || commits == MANY {
            self.notify.notify_one();
        }
    }
}

pub(super) struct Keeper {
    pub(super) options: SqliteConnectOptions,
    pub(super) file: OpenFile,
    pub(super) wake: Arc<Wake>,
}

impl Keeper {
    /// Runs until it is aborted.
    pub(super) async fn run(self) {
        loop {
            tokio::select! {
                () = self.wake.notify.notified() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
            let commits = self.wake.commits.swap(0, Ordering::AcqRel);
            if self.wake.erased.swap(false, Ordering::AcqRel) {
                // What was erased still stands in the log until that is emptied.
                let emptied = self.checkpoint(Some("PRAGMA wal_checkpoint(TRUNCATE)"));
                if !matches!(emptied.await, Ok(true)) {
                    self.wake.wrote(true);
                }
                tokio::time::sleep(AGAIN).await;
            } else if commits > 0 {
                // Once it is carried over to its end, it is written from its beginning again.
                let end = (commits >= MANY).then_some("PRAGMA wal_checkpoint(RESTART)");
                if let Err(error) = self.checkpoint(end).await {
                    tracing::warn!(%error, "the write-ahead log could not be carried over");
                }
            }
        }
    }

    /// Carries the log over, and then what was written meanwhile in the way of `end`, which holds up
    /// writers; whether all of it was carried over.
    async fn checkpoint(&self, end: Option<&'static str>) -> Result<bool, Error> {
        self.file.check()?;
        let options = self.options.clone().busy_timeout(BRIEFLY);
        let mut conn = options.connect().await.map_err(outage)?;
        let mut row = sqlx::query(CARRY_OVER).fetch_one(&mut conn).await;
        if let (Ok(_), Some(end)) = (&row, end) {
            row = sqlx::query(end).fetch_one(&mut conn).await;
        }
        crash::point("log-carried");
        let _ = conn.close().await;
        let busy: i64 = row.and_then(|row| row.try_get(0)).map_err(outage)?;
        Ok(busy == 0)
    }
}
