//! What is drawn or written down the same way on both Microsoft sides: ids, opaque strings, times.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// A version 4 GUID out of the sandbox's own chance.
pub(crate) fn guid(rng: &mut fastrand::Rng) -> String {
    uuid::Builder::from_random_bytes(rng.u128(..).to_be_bytes())
        .into_uuid()
        .to_string()
}

/// `bytes` random bytes.
pub(crate) fn bytes(rng: &mut fastrand::Rng, bytes: usize) -> Vec<u8> {
    std::iter::repeat_with(|| rng.u8(..)).take(bytes).collect()
}

/// A url-safe string out of `length` random bytes.
pub(crate) fn opaque(rng: &mut fastrand::Rng, length: usize) -> String {
    URL_SAFE_NO_PAD.encode(bytes(rng, length))
}

/// `2026-01-07T09:00:00Z`, as Graph writes times: whole seconds, UTC.
pub(crate) fn seconds(ms: i64) -> String {
    timestamp(ms).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The same with seven digits of fraction, as subscriptions and error bodies show it.
pub(crate) fn precise(ms: i64) -> String {
    format!(
        "{}.{:03}0000Z",
        timestamp(ms).strftime("%Y-%m-%dT%H:%M:%S"),
        ms.rem_euclid(1000)
    )
}

fn timestamp(ms: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// Reads an RFC 3339 time into milliseconds since the epoch; without an offset it counts as UTC.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_millisecond());
    }
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    civil
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp().as_millisecond())
}
