//! The store in an SQLite file: the embedded default, for one process.
//!
//! # Map
//! - [`schema`]: migrations. [`file`]: the file itself. [`row`]: columns and domain types.
//! - [`writer`]: the one writer and its group commit. [`writing`]: one commit, change by change.
//!   [`keeper`]: checkpoints, and what was erased is gone from the log too.
//! - One room for each noun, with all SQL about it: `hints`, `leases` (with due lanes),
//!   `environments` (with webhooks), `users` (with brake counts), `tokens`, `sign_ins`, `links`,
//!   `cursors`, `subscriptions`, `audit`, `held`, `parked`, `previews`, `alerts`, `answers`.
//! - Here: opening, and the trait, which hands writes to the writer and reads to a small pool.
//!
//! A write is on the disk when it returns: WAL with `synchronous=FULL`. Deleted content is
//! overwritten (`secure_delete`).

mod alerts;
mod answers;
mod audit;
mod cursors;
mod environments;
mod file;
mod held;
mod hints;
mod keeper;
mod leases;
mod links;
mod parked;
mod previews;
mod row;
mod schema;
mod sign_ins;
mod subscriptions;
mod tokens;
mod users;
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

use async_trait::async_trait;
use sqlx::{
    ConnectOptions as _, Connection as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
};
use tribelink_plan::ids::{ContactId, EmployeeId, EnvironmentId, PersonId, UserId};

use self::{
    file::OpenFile,
    keeper::{Keeper, Wake},
    writer::{Answer, Job, Work, Writer},
};
use super::*;

/// How long another process (a backup, a person with a shell) may hold the file before a write
/// fails; also how long a read waits for a free connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pages of log after which the writer itself carries them over: 80 MB, far above what the keeper
/// leaves in any five seconds, so only for when that one cannot work.
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
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|_| Error::Schema("the URL is not of the form sqlite:path".to_owned()))?;
        let path = options.get_filename().to_owned();
        if path.as_os_str().is_empty()
            || path.to_string_lossy().contains(":memory:")
            || path.starts_with("file:sqlx-in-memory")
        {
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
            .connect_lazy_with(options.clone().pragma("query_only", "ON"));
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
        file::create_new(path).map_err(|error| file::unavailable(&error))?;
        let copied = self.copy_into(path).await;
        if copied.is_err() {
            // It holds nothing that anybody could restore.
            let _ = std::fs::remove_file(path);
        }
        copied
    }

    async fn copy_into(&self, path: &Path) -> Result<(), Error> {
        let name = path
            .to_str()
            .ok_or_else(|| Error::Unavailable("the copy's path is not UTF-8".to_owned()))?;
        let mut conn = self.options.connect().await.map_err(outage)?;
        let copied = sqlx::query("VACUUM INTO ?")
            .bind(name)
            .execute(&mut conn)
            .await;
        let _ = conn.close().await;
        copied.map_err(outage)?;
        // VACUUM INTO leaves the flushing to the operating system.
        file::sync(path).map_err(|error| file::unavailable(&error))
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
            Answer::Done | Answer::SignIn(_) => Ok(None),
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

#[async_trait]
impl Store for SqliteStore {
    async fn ready(&self) -> Result<(), Error> {
        self.write(Work::Probe).await.map(|_| ())
    }

    async fn add_hints(&self, hints: Vec<NewHint>) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            work: Work::Hints(hints),
            reply,
        };
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Error::Unavailable("too many callers wait for it".to_owned())
            }
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        answer.await.map_err(|_| closed())?.map(|_| ())
    }

    async fn commit(&self, guard: &Guard, changes: Vec<Change>) -> Result<(), Error> {
        let work = Work::Commit(guard.clone(), changes);
        self.write(work).await.map(|_| ())
    }

    async fn claim(
        &self,
        lane: &Lane,
        holder: &str,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<Option<Lease>, Error> {
        self.write_lease(Work::Claim {
            lane: lane.clone(),
            holder: holder.to_owned(),
            now_ms,
            lease_ms,
        })
        .await
    }

    async fn renew(
        &self,
        lease: &Lease,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<Option<Lease>, Error> {
        self.write_lease(Work::Renew {
            lease: lease.clone(),
            now_ms,
            lease_ms,
        })
        .await
    }

    async fn holds(&self, lease: &Lease, now_ms: i64) -> Result<bool, Error> {
        leases::is_held(&self.readers, lease, now_ms).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        self.write(Work::Release(lease.clone())).await.map(|_| ())
    }

    async fn due_lanes(&self, now_ms: i64, limit: usize) -> Result<Vec<Lane>, Error> {
        leases::due(&self.readers, now_ms, limit).await
    }

    async fn next_due(&self, now_ms: i64) -> Result<Option<i64>, Error> {
        leases::next(&self.readers, now_ms).await
    }

    async fn hints(&self, lane: &Lane, now_ms: i64, limit: usize) -> Result<Vec<Hint>, Error> {
        hints::of_lane(&self.readers, lane, now_ms, limit).await
    }

    async fn backlog(&self, environment: &EnvironmentId) -> Result<(u64, Option<i64>), Error> {
        hints::backlog(&self.readers, environment).await
    }

    async fn mailbox_backlog(&self, user: UserId) -> Result<(u64, Option<i64>), Error> {
        hints::mailbox_backlog(&self.readers, user).await
    }

    async fn environments(&self) -> Result<Vec<Environment>, Error> {
        environments::all(&self.readers).await
    }

    async fn environment(&self, id: &EnvironmentId) -> Result<Option<Environment>, Error> {
        environments::get(&self.readers, id).await
    }

    async fn webhooks(&self, environment: &EnvironmentId) -> Result<Vec<Webhook>, Error> {
        environments::webhooks(&self.readers, environment).await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        users::get(&self.readers, id).await
    }

    async fn user_of(
        &self,
        environment: &EnvironmentId,
        employee: EmployeeId,
    ) -> Result<Option<User>, Error> {
        users::of_employee(&self.readers, environment, employee).await
    }

    async fn users(
        &self,
        environment: Option<&EnvironmentId>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, Error> {
        users::list(&self.readers, environment, after, limit).await
    }

    async fn tokens(&self, user: UserId) -> Result<Option<Tokens>, Error> {
        tokens::of_user(&self.readers, user).await
    }

    async fn environment_tokens(
        &self,
        environment: &EnvironmentId,
    ) -> Result<Option<Tokens>, Error> {
        tokens::of_environment(&self.readers, environment).await
    }

    async fn take_sign_in(
        &self,
        state_hash: &[u8; 32],
        now_ms: i64,
    ) -> Result<Option<SignIn>, Error> {
        let work = Work::TakeSignIn {
            state_hash: *state_hash,
            now_ms,
        };
        match self.write(work).await? {
            Answer::SignIn(sign_in) => Ok(sign_in),
            Answer::Done | Answer::Lease(_) => Ok(None),
        }
    }

    async fn link(&self, user: UserId, person: PersonId) -> Result<Option<LinkRow>, Error> {
        let rows = links::of(&self.readers, user, &[person]).await?;
        Ok(rows.into_iter().next())
    }

    async fn links_of(&self, user: UserId, people: &[PersonId]) -> Result<Vec<LinkRow>, Error> {
        links::of(&self.readers, user, people).await
    }

    async fn links_of_contacts(
        &self,
        user: UserId,
        contacts: &[ContactId],
    ) -> Result<Vec<LinkRow>, Error> {
        links::of_contacts(&self.readers, user, contacts).await
    }

    async fn links(
        &self,
        user: UserId,
        after: Option<PersonId>,
        limit: usize,
    ) -> Result<Vec<LinkRow>, Error> {
        links::list(&self.readers, user, after, limit).await
    }

    async fn links_of_people(
        &self,
        environment: &EnvironmentId,
        people: &[PersonId],
    ) -> Result<Vec<LinkRow>, Error> {
        links::of_people(&self.readers, environment, people).await
    }

    async fn count_links(&self, user: UserId) -> Result<LinkCounts, Error> {
        links::count(&self.readers, user).await
    }

    async fn cursors(&self, user: UserId) -> Result<Vec<Cursor>, Error> {
        cursors::of(&self.readers, user).await
    }

    async fn subscriptions_of(&self, user: UserId) -> Result<Vec<Subscription>, Error> {
        subscriptions::of(&self.readers, user).await
    }

    async fn subscription(&self, id: &str) -> Result<Option<Subscription>, Error> {
        subscriptions::get(&self.readers, id).await
    }

    async fn subscriptions(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Subscription>, Error> {
        subscriptions::list(&self.readers, after, limit).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<AuditLine>, Error> {
        audit::list(&self.readers, filter, before, limit).await
    }

    async fn audit_line(&self, id: i64) -> Result<Option<AuditLine>, Error> {
        audit::get(&self.readers, id).await
    }

    async fn held(
        &self,
        user: Option<UserId>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Held>, Error> {
        held::list(&self.readers, user, after, limit).await
    }

    async fn held_item(&self, id: i64) -> Result<Option<Held>, Error> {
        held::get(&self.readers, id).await
    }

    async fn held_of(&self, user: UserId, person: PersonId) -> Result<Vec<Held>, Error> {
        held::of(&self.readers, user, person).await
    }

    async fn parked(
        &self,
        user: Option<UserId>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Parked>, Error> {
        parked::list(&self.readers, user, after, limit).await
    }

    async fn parked_item(&self, id: i64) -> Result<Option<Parked>, Error> {
        parked::get(&self.readers, id).await
    }

    async fn parked_of(&self, user: UserId, person: PersonId) -> Result<Vec<Parked>, Error> {
        parked::of(&self.readers, user, person).await
    }

    async fn preview(&self, user: UserId) -> Result<Option<Preview>, Error> {
        previews::get(&self.readers, user).await
    }

    async fn preview_items(
        &self,
        user: UserId,
        after: Option<PersonId>,
        limit: usize,
    ) -> Result<Vec<PreviewItem>, Error> {
        previews::items(&self.readers, user, after, limit).await
    }

    async fn brake_count(&self, user: UserId, since_ms: i64) -> Result<u64, Error> {
        users::brake_count(&self.readers, user, since_ms).await
    }

    async fn alerts(&self) -> Result<Vec<Alert>, Error> {
        alerts::all(&self.readers).await
    }

    async fn answered(
        &self,
        key_hash: &[u8; 32],
        since_ms: i64,
    ) -> Result<Option<Answered>, Error> {
        answers::get(&self.readers, key_hash, since_ms).await
    }
}
