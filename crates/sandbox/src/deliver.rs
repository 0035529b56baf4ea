//! How webhooks and notifications leave the sandbox.

use std::time::Duration;

use async_trait::async_trait;

/// Which remote sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// Tribe CRM.
    Tribe,
    /// Microsoft Graph.
    Graph,
}

/// One POST that a remote owes to somebody.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Who sends it.
    pub source: Source,
    /// The webhook's or subscription's id, so that the outcome can be told to its owner.
    pub owner: String,
    /// Absolute address, query included.
    pub url: String,
    /// Headers beside those that HTTP itself needs.
    pub headers: Vec<(String, String)>,
    /// The body as it is signed and sent.
    pub body: Vec<u8>,
    /// Not before this time, in milliseconds since the epoch by the sandbox's clock.
    pub not_before_ms: i64,
    /// How often it was tried.
    pub attempt: u32,
    /// How long the receiver may take to answer.
    pub timeout: Duration,
}

/// What the receiver said.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// An answer came: its status, `Content-Type` and body (cut at 64 KiB), and how long it took.
    Answer {
        /// HTTP status.
        status: u16,
        /// `Content-Type`, as sent.
        content_type: Option<String>,
        /// Body.
        body: Vec<u8>,
        /// Milliseconds from the first byte sent to the end of the body.
        took_ms: u64,
    },
    /// No answer in time, or no connection.
    Failed,
}

/// Sends a delivery. HTTP in the server; a simulation gives its own.
#[async_trait]
pub trait Post: Send + Sync {
    /// Sends it once and tells what came of it. Never retries.
    async fn post(&self, delivery: &Delivery) -> Outcome;
}
