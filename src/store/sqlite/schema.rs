//! The migrations, in order; never changed once released.

use sqlx::{
    SqlSafeStr as _, SqliteConnection,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::outage;
use crate::store::Error;

const MIGRATIONS: [(i64, &str, &str); 8] = [
    (
        1,
        "store",
        include_str!("../../../migrations/sqlite/0001_store.sql"),
    ),
    (
        2,
        "replicas",
        include_str!("../../../migrations/sqlite/0002_replicas.sql"),
    ),
    (
        3,
        "audit_pass",
        include_str!("../../../migrations/sqlite/0003_audit_pass.sql"),
    ),
    (
        4,
        "write_ahead",
        include_str!("../../../migrations/sqlite/0004_write_ahead.sql"),
    ),
    (
        5,
        "views",
        include_str!("../../../migrations/sqlite/0005_views.sql"),
    ),
    (
        6,
        "settle_hints",
        include_str!("../../../migrations/sqlite/0006_settle_hints.sql"),
    ),
    (
        7,
        "certificates",
        include_str!("../../../migrations/sqlite/0007_certificates.sql"),
    ),
    (
        8,
        "canaries",
        include_str!("../../../migrations/sqlite/0008_canaries.sql"),
    ),
];

/// The newest migration this program knows.
pub(super) const NEWEST: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// Brings the schema up to date; each migration is applied whole or not at all.
///
/// # Errors
/// [`Error::Schema`] when a newer program has migrated it, or an applied migration is another than
/// the one known here: repeating does not help.
pub(super) async fn migrate(conn: &mut SqliteConnection) -> Result<(), Error> {
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        let kind = MigrationType::Simple;
        Migration::new(version, name.into(), kind, sql.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.to_vec());
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

/// Whether this program knows the schema: its own, or an older one that it would bring up to date.
pub(super) async fn is_known(conn: &mut SqliteConnection) -> Result<(), Error> {
    match applied(conn).await {
        Ok(version) if version <= NEWEST => Ok(()),
        Ok(version) => Err(Error::Schema(format!(
            "it is at version {version}, this program knows {NEWEST}: take a newer tribelink"
        ))),
        Err(_) => Err(Error::Schema("it is no database of tribelink".to_owned())),
    }
}

async fn applied(conn: &mut SqliteConnection) -> Result<i64, Error> {
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success")
        .fetch_one(conn)
        .await
        .map_err(outage)
}

/// Whether the schema is still the one this program opened.
pub(super) async fn check(conn: &mut SqliteConnection) -> Result<(), Error> {
    let applied = applied(conn).await?;
    if applied == NEWEST {
        Ok(())
    } else {
        Err(Error::Schema(format!(
            "it is at version {applied}, this program knows {NEWEST}"
        )))
    }
}
