//! What a caller can do about a store's failure.

/// A store's failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database could not be reached, was busy for too long, or could not be written; nothing
    /// is known to have changed. Safe to repeat, later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The guard's lease is held by nobody or by another: nothing was changed. Stop the job.
    #[error("the lease was lost")]
    LeaseLost,
    /// Something was not as the change expected: nothing was changed. Read again.
    #[error("{0} was changed meanwhile")]
    Conflict(&'static str),
    /// A row is not of the form that this version writes.
    #[error("table {table}, row {row}: {what}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's key, never a personal value.
        row: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The schema is newer than this program, or a migration was changed.
    #[error("the database's schema does not fit this version: {0}")]
    Schema(String),
}
