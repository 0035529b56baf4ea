//! Places at which a test kills the process, to see what a crash there costs.
//!
//! A debug build honours `TRIBELINK_CRASH_AT`: the name of a place, or `name:n` for the n-th time
//! that it is passed. The process ends there at once, as by SIGKILL: no destructor runs, nothing is
//! drained or flushed. A release build holds nothing of this.

/// Every place, in the order of a change's way through the service.
pub const PLACES: &[&str] = &[
    "store-opened",
    "hints-judged",
    "hints-committed",
    "group-written",
    "group-committed",
    "log-carried",
    "code-redeemed",
    "webhook-registered",
    "subscription-made",
    "subscription-saved",
    "token-refreshed",
    "token-saved",
    "people-read",
    "fan-out-committed",
    "delta-read",
    "cursor-moved",
    "everybody-listed",
    "everybody-hinted",
    "intents-committed",
    "tribe-written",
    "outlook-written",
    "pass-recorded",
    "contact-stamped",
];

/// Ends the process here when a test asked for it.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };
    static WANTED: OnceLock<Option<(String, AtomicU64)>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("TRIBELINK_CRASH_AT").ok()?;
        let (name, times) = text.split_once(':').unwrap_or((&text, "1"));
        let times = times.parse().ok()?;
        Some((name.to_owned(), AtomicU64::new(times)))
    });
    debug_assert!(PLACES.contains(&name), "{name} is not among the places");
    if let Some((place, left)) = wanted
        && place == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_: &str) {}
