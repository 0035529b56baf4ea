//! The store in Postgres (15 or later): for several replicas.
//!
//! # Map
//! - [`schema`]: migrations, and how two versions share a database. `row`: columns.
//! - `transact`: one transaction, and when it is done again. `writing`: a transaction under way.
//!   `intake`: hints that come at once share a transaction.
//! - `leases`: who works on what, by the database's clock. `replicas`: who lives. `listener`:
//!   wake-up calls between them.
//! - `sql`: one room for each other noun, with all SQL about it, shared with SQLite; `dialect`: the
//!   words that differ. `hints`: SQL of Postgres' own.
//! - `port`: the trait. Here: opening, closing, and what failures mean.
//!
//! Transactions are READ COMMITTED; a write under a lease locks the lease's row
//! until it commits, so that the lane cannot be taken over in between.

#[macro_use]
mod dialect;
#[allow(clippy::duplicate_mod, reason = "compiled once for each dialect")]
#[path = "../sql/mod.rs"]
mod sql;

mod hints;
mod intake;
mod leases;
mod listener;
mod port;
mod replicas;
mod row;
pub mod schema;
mod transact;
mod writing;

use std::{str::FromStr as _, sync::Arc, time::Duration};

use sqlx::{
    Connection as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use self::{intake::Intake, listener::Wakes};
use super::Error;
use crate::random;

type Pool = PgPool;

/// How long a caller waits for a free connection; how long a transaction or a read may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// After so long without use a connection is tried before it is used.
const RESTED: Duration = Duration::from_secs(1);

/// Postgres ends a transaction whose program has fallen silent for so long: a frozen replica must
/// not keep the rows it has locked. Well under two leases of any length in use.
const SILENCE: &str = "3s";

/// Which clock decides whether a lease is live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Time {
    /// The database's: the one that all replicas share.
    #[default]
    Database,
    /// The caller's, for a history whose times are made up.
    Caller,
}

impl Time {
    /// The time that is told to the database; `None`: its own.
    fn told(self, now_ms: i64) -> Option<i64> {
        match self {
            Time::Database => None,
            Time::Caller => Some(now_ms),
        }
    }
}

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Connections at most, one of them for wake-up calls.
    pub connections: u32,
    /// Callers that may wait to have their hints kept; hints beyond it are refused.
    pub queue: usize,
    /// Whose clock.
    pub time: Time,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: 12,
            queue: 1024,
            time: Time::Database,
        }
    }
}

/// A store in Postgres; copies share it.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    pool: PgPool,
    time: Time,
    /// This process among those that share the database.
    name: Arc<str>,
    intake: Intake,
    wakes: Arc<Wakes>,
}

impl PostgresStore {
    /// Connects to the database that the URL names (`postgres://user:password@host/name`), and
    /// brings its schema up to date. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it cannot be reached: safe to repeat. [`Error::Schema`] when this
    /// program is too old for it, or the URL cannot be read: do not repeat.
    pub async fn open(url: &str, settings: Settings) -> Result<Self, Error> {
        let options = options(url)?;
        let mut conn = schema::connect(&options).await?;
        schema::migrate(&mut conn, schema::steps()).await?;
        drop(conn);
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections.max(2))
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .before_acquire(|conn, used| {
                Box::pin(async move {
                    // One that was just in use works; one that rested may have lost its server.
                    if used.idle_for > RESTED {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        let name = random::token(&random::SystemRandom);
        let (wakes, calls) = Wakes::new();
        tokio::spawn(listener::run(pool.clone(), name.clone(), calls));
        let (intake, jobs) = Intake::new(settings.queue);
        let store = Self {
            pool,
            time: settings.time,
            name: name.into(),
            intake,
            wakes: Arc::new(wakes),
        };
        // The task's own copy must not be what keeps its queue open.
        let (unused, _) = Intake::new(1);
        let own = Self {
            intake: unused,
            ..store.clone()
        };
        tokio::spawn(intake::run(own, jobs));
        Ok(store)
    }

    /// Closes every connection; later calls fail with [`Error::Unavailable`].
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A read that takes too long is given up: a server that vanished says nothing.
    async fn read<T>(&self, read: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Unavailable("it does not answer".to_owned())),
        }
    }
}

/// How to connect. Beside the URL's own: a server or network that fell silent is noticed from both
/// ends, and rows do not stay locked for a program that no longer runs.
fn options(url: &str) -> Result<PgConnectOptions, Error> {
    let form = "the URL is not of the form postgres://user:password@host/name";
    let known = ["postgres://", "postgresql://"];
    if !known.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(Error::Schema(form.to_owned()));
    }
    // What is wrong with it could name the password.
    let options = PgConnectOptions::from_str(url).map_err(|_| Error::Schema(form.to_owned()))?;
    Ok(options.application_name("tribelink").options([
        ("idle_in_transaction_session_timeout", SILENCE),
        ("statement_timeout", "10s"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "2"),
        ("tcp_user_timeout", "15s"),
    ]))
}

fn closed() -> Error {
    Error::Unavailable("it is closed".to_owned())
}

/// Whether two transactions met and Postgres gave this one up: it has changed nothing.
/// <https://www.postgresql.org/docs/15/mvcc-serialization-failure-handling.html>
fn transactions_met(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(code.as_ref(), "40001" | "40P01"))
}

/// What Postgres' failures mean to a caller. Its messages name tables and constraints; the details,
/// which would name values, are left out.
fn outage(error: sqlx::Error) -> Error {
    // Class 23: a row does not fit. https://www.postgresql.org/docs/15/errcodes-appendix.html
    let code = error.as_database_error().and_then(|error| error.code());
    if code.is_some_and(|code| code.starts_with("23")) {
        return Error::Conflict("a row");
    }
    match error {
        sqlx::Error::PoolTimedOut => {
            Error::Unavailable("no connection became free in time".to_owned())
        }
        sqlx::Error::PoolClosed => closed(),
        sqlx::Error::Database(error) => Error::Unavailable(error.message().to_owned()),
        other => Error::Unavailable(other.to_string()),
    }
}
