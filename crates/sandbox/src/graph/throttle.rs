//! Limits per app and mailbox (Graph reference 5): four calls at once, ten thousand in ten minutes.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Switches, fail::Fail};

const WINDOW_MS: i64 = 10 * 60 * 1000;

/// App and mailbox.
pub(super) type Lane = (String, Uuid);

#[derive(Clone, Copy, Debug, Default)]
struct Use {
    in_flight: usize,
    window_ms: i64,
    count: u64,
}

/// How much of its limits each lane uses.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    lanes: BTreeMap<Lane, Use>,
}

impl Throttle {
    /// Admits a call, which must [`Throttle::leave`] again; a throttled call counts too.
    pub(super) fn enter(
        &mut self,
        lane: &Lane,
        now_ms: i64,
        switches: &Switches,
    ) -> Result<(), Fail> {
        let used = self.lanes.entry(lane.clone()).or_default();
        if now_ms - used.window_ms >= WINDOW_MS || used.window_ms > now_ms {
            used.window_ms = now_ms;
            used.count = 0;
        }
        used.count += 1;
        if used.in_flight >= switches.concurrency {
            let retry = switches.retry_after_s.to_string();
            return Err(Fail::new(
                429,
                "ApplicationThrottled",
                "Application is over its MailboxConcurrency limit.",
            )
            .with("retry-after", retry));
        }
        if used.count > switches.requests_per_window {
            let seconds = (used.window_ms + WINDOW_MS - now_ms + 999) / 1000;
            return Err(Fail::new(
                429,
                "ApplicationThrottled",
                "Application is over its Request limit.",
            )
            .with("retry-after", seconds.to_string()));
        }
        used.in_flight += 1;
        Ok(())
    }

    /// The call is over.
    pub(super) fn leave(&mut self, lane: &Lane) {
        if let Some(used) = self.lanes.get_mut(lane) {
            used.in_flight = used.in_flight.saturating_sub(1);
        }
    }
}
