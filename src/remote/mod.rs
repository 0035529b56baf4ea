//! What both remotes have in common: how a request leaves, and what a failure means.
//!
//! # Map
//! - [`error`]: one error for both remotes; its variant says what the caller can do.
//! - [`transport`]: the port through which every request to a remote leaves, and its HTTP form:
//!   allowed origins only, redirects off, a deadline on every request, a cap on every answer.

pub mod error;
pub mod transport;

pub use error::Error;
pub use transport::{Request, Response, Transport, TransportError};
