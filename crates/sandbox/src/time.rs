//! The ports for time, and the machine's own.

use std::time::Duration;

use async_trait::async_trait;

/// Tells the time: the machine's, moved by `POST /_sandbox/time`; a simulation gives its own.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;
}

/// Waits; a simulation decides for itself when that is over.
#[async_trait]
pub trait Sleep: Send + Sync {
    /// Returns after this long.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock and the runtime's timer: the one place that reads either.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Clock for Machine {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one real clock of the sandbox"
    )]
    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }
}

#[async_trait]
impl Sleep for Machine {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// `2022-10-07T09:36:34Z`: whole seconds, as both remotes write times.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_second(ms.div_euclid(1000))
        .map_or_else(|_| String::new(), |t| t.to_string())
}
