//! The migrations, in order; never changed once released.
//!
//! Replicas of two versions work on one database while an upgrade rolls over them. So a migration
//! either *expands* (adds tables, columns with defaults, indices: the version before goes on
//! working) or *contracts* (takes away what no version from then on uses). An expansion is applied
//! when the first new replica starts. A contraction waits until every live replica knows it, and
//! raises `probe.floor`, so that an older program that comes back is refused rather than wrong.
//! Whatever the newest program reads and writes must be there before its contraction was applied.

use sqlx::{
    Connection as _, PgConnection, Row as _, SqlSafeStr as _,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::{outage, row::Cells, writing::Writing};
use crate::store::Error;

/// What a migration does to programs that do not know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// They go on working.
    Expands,
    /// They no longer work.
    Contracts,
}

/// One migration.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its number; rises.
    pub number: i64,
    /// Its name.
    pub name: &'static str,
    /// What it does to older programs.
    pub effect: Effect,
    /// Its statements.
    pub sql: &'static str,
}

const STEPS: [Step; 8] = [
    Step {
        number: 1,
        name: "store",
        effect: Effect::Expands,
        sql: include_str!("../../../migrations/postgres/0001_store.sql"),
    },
    Step {
        number: 2,
        name: "replicas",
        effect: Effect::Expands,
        sql: include_str!("../../../migrations/postgres/0002_replicas.sql"),
    },
    Step {
        number: 3,
        name: "audit_pass",
        effect: Effect::Expands,
        sql: include_str!("../../../migrations/postgres/0003_audit_pass.sql"),
    },
    Step {
        number: 4,
        name: "write_ahead",
        effect: Effect::Expands,
        sql: include_str!("../../../migrations/postgres/0004_write_ahead.sql"),
    },
    Step {
        number: 5,
        name: "views",
        effect: Effect::Expands,
        sql: include_str!("../../../migrations/postgres/0005_views.sql"),
    },
    Step {
        number: 6,
        name: "settle_hints",
        effect: Effect::Expands,
        sql: include_str!("../../../migrations/postgres/0006_settle_hints.sql"),
    },
    Step {
        number: 7,
        name: "certificates",
        effect: Effect::Expands,
        sql: include_str!("../../../migrations/postgres/0007_certificates.sql"),
    },
    Step {
        number: 8,
        name: "canaries",
        effect: Effect::Expands,
        sql: include_str!("../../../migrations/postgres/0008_canaries.sql"),
    },
];

/// The steps of this program.
pub fn steps() -> &'static [Step] {
    &STEPS
}

/// The newest migration this program knows.
pub(super) const NEWEST: i64 = STEPS[STEPS.len() - 1].number;

/// Anything, as long as it is always the same: whoever migrates holds this lock.
const LOCK: i64 = 0x7472_6962_656c_696e;

/// Brings the schema up to date, as far as the live replicas allow; each migration is applied whole
/// or not at all, and by one replica at a time.
///
/// # Errors
/// [`Error::Schema`] when this program is too old for the schema, or an applied migration is another
/// than the one known here: repeating does not help.
pub async fn migrate(conn: &mut PgConnection, steps: &[Step]) -> Result<(), Error> {
    let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK);
    lock.execute(&mut *conn).await.map_err(outage)?;
    let done = migrate_alone(conn, steps).await;
    // A connection that fails here ends, and the lock with it.
    let unlock = sqlx::query("SELECT pg_advisory_unlock($1)").bind(LOCK);
    let unlocked = unlock.execute(&mut *conn).await.map_err(outage);
    done.and(unlocked.map(|_| ()))
}

async fn migrate_alone(conn: &mut PgConnection, steps: &[Step]) -> Result<(), Error> {
    let newest = steps.last().map_or(0, |step| step.number);
    if let Some(floor) = floor(conn).await?
        && floor > newest
    {
        return Err(too_old(floor, newest));
    }
    let oldest = oldest_replica(conn).await?.unwrap_or(newest);
    let held_back = |step: &&Step| step.effect == Effect::Contracts && oldest < step.number;
    let until = steps.iter().find(held_back).map(|step| step.number);
    if let Some(number) = until {
        tracing::info!(
            migration = number,
            "a replica of an older version is live; this migration waits for the next start"
        );
    }
    let due = steps
        .iter()
        .filter(|step| until.is_none_or(|until| step.number < until));
    let migrations = due.map(|step| {
        let kind = MigrationType::Simple;
        Migration::new(
            step.number,
            step.name.into(),
            kind,
            step.sql.into_sql_str(),
            false,
        )
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // What a newer program added is no matter: the floor tells what is.
    migrator.set_ignore_missing(true).set_locking(false);
    migrator
        .run_direct(None, conn, false)
        .await
        .map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                outage(error)
            }
            other => Error::Schema(other.to_string()),
        })
}

fn too_old(floor: i64, newest: i64) -> Error {
    Error::Schema(format!(
        "it takes a program that knows migration {floor}, this one knows {newest}: run a newer version"
    ))
}

/// Whether the database has this column.
async fn has(conn: &mut PgConnection, table: &str, column: &str) -> Result<bool, Error> {
    let sql = sqlx::query(
        "SELECT 1 FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name = $1 AND column_name = $2",
    );
    let row = sql.bind(table).bind(column).fetch_optional(conn).await;
    Ok(row.map_err(outage)?.is_some())
}

/// The oldest program that may work; `None`: any.
async fn floor(conn: &mut PgConnection) -> Result<Option<i64>, Error> {
    if !has(conn, "probe", "floor").await? {
        return Ok(None);
    }
    let row = sqlx::query("SELECT floor FROM probe")
        .fetch_optional(conn)
        .await;
    Ok(row.map_err(outage)?.and_then(|row| row.try_get(0).ok()))
}

/// The newest migration that the oldest of the live replicas knows.
async fn oldest_replica(conn: &mut PgConnection) -> Result<Option<i64>, Error> {
    if !has(conn, "replicas", "schema").await? {
        return Ok(None);
    }
    let sql = "SELECT min(schema) FROM replicas WHERE until_ms > lease_now(NULL)";
    let row = sqlx::query(sql).fetch_one(conn).await.map_err(outage)?;
    Ok(row.try_get(0).unwrap_or(None))
}

/// Finds out whether a hint could be kept: this program may still work with the schema, and a write
/// reaches the disk (with the commit).
pub(super) async fn probe(w: &mut Writing<'_>) -> Result<(), Error> {
    let sql = sqlx::query("UPDATE probe SET beats = beats + 1 RETURNING number, floor");
    let Some(row) = w.one(sql).await? else {
        return Err(Error::Schema("the table probe is empty".to_owned()));
    };
    let floor = Cells::of("probe", &row).int("floor")?;
    if floor > NEWEST {
        return Err(too_old(floor, NEWEST));
    }
    Ok(())
}

/// Opens a connection for migrating alone.
pub(super) async fn connect(
    options: &sqlx::postgres::PgConnectOptions,
) -> Result<PgConnection, Error> {
    PgConnection::connect_with(options).await.map_err(outage)
}
