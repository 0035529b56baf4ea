//! The port through which every request to a remote leaves.

use std::time::Duration;

use async_trait::async_trait;

/// A request.
#[derive(Clone)]
pub struct Request {
    /// Method.
    pub method: http::Method,
    /// Absolute address.
    pub url: url::Url,
    /// Headers, `Authorization` included.
    pub headers: http::HeaderMap,
    /// Body.
    pub body: bytes::Bytes,
    /// All in all, from connecting to the last byte of the answer.
    pub timeout: Duration,
}

/// An answer, read whole.
#[derive(Clone)]
pub struct Response {
    /// Status.
    pub status: http::StatusCode,
    /// Headers.
    pub headers: http::HeaderMap,
    /// Body.
    pub body: bytes::Bytes,
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The address is not of an allowed origin; nothing was sent.
    #[error("the address is not of a configured origin")]
    ForeignOrigin,
    /// No connection: nothing was sent.
    #[error("no connection: {0}")]
    NotSent(String),
    /// The remote is away and calls to it rest for so long (`circuit`): nothing was sent.
    #[error("calls to it rest while it is away")]
    Resting(Duration),
    /// Sent, at least in part, and no whole answer came: the effect is unknown.
    #[error("no whole answer: {0}")]
    NoAnswer(String),
}

/// Sends requests. HTTP in the service; a simulation puts its faults here.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends it once, follows no redirect, repeats nothing.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}
