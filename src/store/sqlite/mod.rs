//! The store in an SQLite file: the embedded default, for one process.
//!
//! # Map
//! - `schema`: migrations. `file`: the file itself. `row`: columns and domain types.
//! - `writer`: the one writer and its group commit; `line`: whom its next group takes. `writing`: one
//!   commit under way. `keeper`: checkpoints, and what was erased is gone from the log too.
//! - `sql`: one room for each noun, with all SQL about it, shared with Postgres; `dialect`: the words
//!   that differ. `hints`, `leases` (with due lanes), `replicas`: SQL of SQLite's own.
//! - `port`: the trait, which hands writes to the writer and reads to a small pool.
//! - [`backup`]: copies for another process. Here: opening, closing.
//!
//! A write is on the disk when it returns, leases aside: WAL with `synchronous=FULL`. Deleted content
//! is overwritten (`secure_delete`).

#[macro_use]
mod dialect;
#[allow(clippy::duplicate_mod, reason = "compiled once for each dialect")]
#[path = "../sql/mod.rs"]
mod sql;

pub mod backup;
mod file;
mod hints;
mod keeper;
mod leases;
mod line;
mod port;
mod replicas;
mod row;
mod schema;
mod writer;
mod writing;

use std::{
    path::Path,
    str::FromStr as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
};

use self::{
    file::OpenFile,
    keeper::{Keeper, Wake},
    writer::{Answer, Job, Work, Writer},
};
use super::{Error, Lease};

type Pool = SqlitePool;

/// How long another process (a backup, a person with a shell) may hold the file before a write
/// fails; also how long a read waits for a free connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pages of log after which the writer itself carries them over: 80 MB, several times what the keeper
/// leaves, so only for when that one cannot work.
const LOG_PAGES: &str = "20000";

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Connections for reading.
    pub readers: u32,
    /// Callers that may wait for the writer; hints beyond it are refused.
    pub queue: usize,
    /// Pages (of 4096 bytes) that the file may have at most; `None` leaves it to the disk.
    pub max_pages: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            readers: 4,
            queue: 1024,
            max_pages: None,
        }
    }
}

/// Pages that each reader keeps, in KiB as SQLite wants it told: enough for the inner nodes of every index
/// of a million links. The leaves are the operating system's to keep, once for all readers.
const READER_CACHE: &str = "-1000";

/// A store in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    readers: SqlitePool,
    jobs: mpsc::Sender<Job>,
    keeper: AbortHandle,
    commits: Arc<AtomicU64>,
    options: SqliteConnectOptions,
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl SqliteStore {
    /// Opens the file that the URL names (`sqlite:data/tribelink.db`), makes it when it is absent,
    /// and brings its schema up to date. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it cannot be opened or written: safe to repeat.
    /// [`Error::Schema`] when a newer program wrote it, or the URL names no file: do not repeat.
    pub async fn open(url: &str, settings: Settings) -> Result<Self, Error> {
        let form = || Error::Schema("the URL is not of the form sqlite:path".to_owned());
        // sqlx would take any other URL for a file's name.
        let options = match url.starts_with("sqlite:") {
            true => SqliteConnectOptions::from_str(url).map_err(|_| form())?,
            false => return Err(form()),
        };
        let path = options.get_filename().to_owned();
        // sqlx turns `:memory:` into a name of this form, shared by the process alone.
        if path.as_os_str().is_empty() || path.to_string_lossy().starts_with("file:") {
            return Err(Error::Schema("the URL must name a file".to_owned()));
        }
        file::create(&path)?;
        let mut opened = OpenFile::at(&path)?;
        let mut options = options
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .pragma("secure_delete", "ON")
            .pragma("wal_autocheckpoint", LOG_PAGES)
            .pragma("journal_size_limit", "67108864");
        if let Some(pages) = settings.max_pages {
            options = options.pragma("max_page_count", pages.to_string());
        }
        let mut conn = options.connect().await.map_err(outage)?;
        schema::migrate(&mut conn).await?;

        let wake = Arc::new(Wake::default());
        let keeper = Keeper {
            options: options.clone(),
            file: opened.clone(),
            wake: Arc::clone(&wake),
        };
        opened.note_log();
        let commits = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            options: options.clone(),
            file: opened,
            conn: Some(conn),
            wake,
            commits: Arc::clone(&commits),
        };
        let readers = SqlitePoolOptions::new()
            .max_connections(settings.readers.max(1))
            .acquire_timeout(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(
                options
                    .clone()
                    .pragma("query_only", "ON")
                    .pragma("cache_size", READER_CACHE),
            );
        let (jobs, queue) = mpsc::channel(settings.queue.max(1));
        tokio::spawn(writer.run(queue));
        Ok(Self {
            readers,
            jobs,
            keeper: tokio::spawn(keeper.run()).abort_handle(),
            commits,
            options,
        })
    }

    /// How many transactions the writer has committed since it was opened.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// The file's size in bytes, without its write-ahead log.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn bytes(&self) -> Result<u64, Error> {
        let bytes: i64 = sqlx::query_scalar(
            "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        )
        .fetch_one(&self.readers)
        .await
        .map_err(outage)?;
        Ok(bytes.unsigned_abs())
    }

    /// Writes a consistent copy of everything to a new file, readable by its owner alone, while the
    /// service goes on. The copy is on the disk when this returns.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the file is there already or cannot be written; what was begun is
    /// removed, so it is safe to repeat.
    pub async fn backup_to(&self, path: &Path) -> Result<(), Error> {
        let mut conn = self.options.connect().await.map_err(outage)?;
        let copied = backup::copy_from(&mut conn, path).await;
        let _ = conn.close().await;
        copied
    }

    /// Writes what waits, then closes the file; later calls fail with [`Error::Unavailable`].
    pub async fn close(&self) {
        self.keeper.abort();
        self.readers.close().await;
        // An error here means that it is closed already.
        let _ = self.write(Work::Close).await;
    }

    /// Waits for a place in the queue: the engine slows down when the disk does.
    async fn write(&self, work: Work) -> Result<Answer, Error> {
        let (reply, answer) = oneshot::channel();
        let job = Job { work, reply };
        self.jobs.send(job).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    async fn write_lease(&self, work: Work) -> Result<Option<Lease>, Error> {
        match self.write(work).await? {
            Answer::Lease(lease) => Ok(lease),
            Answer::Done | Answer::SignIn(_) | Answer::Replicas(_) => Ok(None),
        }
    }
}

fn closed() -> Error {
    Error::Unavailable("it is closed".to_owned())
}

/// What SQLite's failures mean to a caller. Its texts name tables and columns, never values.
fn outage(error: sqlx::Error) -> Error {
    // SQLITE_CONSTRAINT: https://www.sqlite.org/rescode.html#constraint; the low byte of each of
    // its extended codes. It concerns one change alone, every other failure the whole file.
    const CONSTRAINT: i32 = 19;
    let code = error
        .as_database_error()
        .and_then(|error| error.code())
        .and_then(|code| code.parse::<i32>().ok());
    match code {
        Some(code) if code & 0xff == CONSTRAINT => Error::Conflict("a row"),
        _ => Error::Unavailable(error.to_string()),
    }
}
