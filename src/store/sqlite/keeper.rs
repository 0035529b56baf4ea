//! Keeps the write-ahead log short, away from the callers' path.

use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use sqlx::{ConnectOptions as _, Connection as _, Row as _, sqlite::SqliteConnectOptions};
use tokio::sync::Notify;

use super::{file::OpenFile, outage};
use crate::{crash, store::Error};

/// How often the log is carried over into the file while there are writes: short enough that a
/// restart has little to read, long enough that a busy page is carried over once for many writes.
const EVERY: Duration = Duration::from_secs(5);

/// How long to wait when a reader stood in the way of emptying the log, and between two such times.
const AGAIN: Duration = Duration::from_secs(1);

/// What the writer tells the keeper.
#[derive(Debug, Default)]
pub(super) struct Wake {
    wrote: AtomicBool,
    erased: AtomicBool,
    notify: Notify,
}

impl Wake {
    pub(super) fn wrote(&self, erased: bool) {
        self.wrote.store(true, Ordering::Release);
        if erased {
            self.erased.store(true, Ordering::Release);
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
            if self.wake.erased.swap(false, Ordering::AcqRel) {
                // What was erased still stands in the log until that is emptied.
                let emptied = self.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)").await;
                if !matches!(emptied, Ok(true)) {
                    self.wake.wrote(true);
                }
                tokio::time::sleep(AGAIN).await;
            } else if self.wake.wrote.swap(false, Ordering::AcqRel)
                && let Err(error) = self.checkpoint("PRAGMA wal_checkpoint(PASSIVE)").await
            {
                tracing::warn!(%error, "the write-ahead log could not be carried over");
            }
        }
    }

    /// Whether all of the log was carried over.
    async fn checkpoint(&self, sql: &'static str) -> Result<bool, Error> {
        self.file.check()?;
        let mut conn = self.options.connect().await.map_err(outage)?;
        let row = sqlx::query(sql).fetch_one(&mut conn).await;
        crash::point("log-carried");
        let _ = conn.close().await;
        let busy: i64 = row.and_then(|row| row.try_get(0)).map_err(outage)?;
        Ok(busy == 0)
    }
}
