//! OData as Tribe speaks it (Tribe reference 3).
//!
//! - [`query`]: the system query options, nested ones included, into a [`query::Query`].
//! - [`lex`], [`filter`]: `$filter` into an expression; pure, bounded in depth, never panics.
//! - [`eval`]: checks an expression against the schema, and judges records by it.
//! - [`path`]: resource paths into steps.
//! - [`render`]: records into JSON.
//! - [`select`]: which records of a collection, in which order.
//! - [`metadata`]: `$metadata` as XML and JSON.

pub mod eval;
pub mod filter;
pub mod lex;
pub mod metadata;
pub mod path;
pub mod query;
pub mod render;
pub mod select;

/// What is wrong with a request: 400, or another status with its message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {message}")]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// For `error.message`.
    pub message: String,
}

impl Refusal {
    /// A refusal with a status.
    #[must_use]
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// A bad request.
    #[must_use]
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// Nothing there.
    #[must_use]
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }
}
