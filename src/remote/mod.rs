//! What both remotes have in common: how a request leaves, and what a failure means.
//!
//! # Map
//! - [`error`]: one error for both remotes; its variant says what the caller can do.
//! - [`transport`]: the port through which every request to a remote leaves. [`http`]: its HTTP
//!   form: allowed origins only, redirects off, a deadline on every request, a cap on every answer.
//! - [`fence`]: which machines may be reached where others chose the address.
//! - [`circuit`]: calls to a remote that is away rest.
//! - [`answer`]: what a status, a `Retry-After` or a broken connection means (pure).
//! - [`json`]: depth limit and compact form of JSON text that strangers send (pure).
//! - [`address`]: how a text stands in an address (pure).
//! - [`oauth`]: token requests, through our own transport. [`gate`]: the cap on calls in flight.
//! - [`observe`]: who wants to know about every call (metrics).

pub mod address;
pub mod answer;
pub mod circuit;
pub mod error;
pub mod fence;
pub mod gate;
pub mod http;
pub mod json;
pub mod oauth;
pub mod observe;
pub mod transport;

pub use self::http::{HttpTransport, Origin};
pub use circuit::Circuit;
pub use error::Error;
pub use fence::Fence;
pub use observe::{Observer, Remote, Silent};
pub use transport::{Request, Response, Transport, TransportError};
