//! The migrations, in order; never changed once released.

use sqlx::{
    SqlSafeStr as _, SqliteConnection,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::outage;
use crate::store::Error;

const MIGRATIONS: [(i64, &str, &str); 2] = [
    (
        1,
        "store",
        include_str!("../../../migrations/sqlite/0001_store.sql"),
    ),
    (
        2,
        "audit_pass",
        include_str!("../../../migrations/sqlite/0002_audit_pass.sql"),
    ),
];

/// The newest migration this program knows.
const NEWEST: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

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

/// Whether the schema is still the one this program opened.
pub(super) async fn check(conn: &mut SqliteConnection) -> Result<(), Error> {
    let applied: i64 =
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success")
            .fetch_one(conn)
            .await
            .map_err(outage)?;
    if applied == NEWEST {
        Ok(())
    } else {
        Err(Error::Schema(format!(
            "it is at version {applied}, this program knows {NEWEST}"
        )))
    }
}
