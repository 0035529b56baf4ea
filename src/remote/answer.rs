//! What a status, a `Retry-After` or a broken connection means.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};

use super::{Error, TransportError};

/// The longest `Retry-After` that is believed: a day. A longer one is a fault of the remote.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether a request may change something at the remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It changes nothing: a failure costs nothing.
    Read,
    /// It may have been done although no answer came.
    Write,
}

impl Act {
    /// The failure of a request that was sent and has no usable answer.
    pub fn unanswered(self, what: String) -> Error {
        match self {
            Act::Read => Error::Transient(what),
            Act::Write => Error::OutcomeUnknown(what),
        }
    }

    /// A successful answer whose body cannot be used.
    pub fn unusable(self, what: String) -> Error {
        match self {
            Act::Read => Error::Unusable(what),
            Act::Write => Error::OutcomeUnknown(what),
        }
    }
}

/// What a failure of the transport means.
pub fn from_transport(act: Act, endpoint: &str, error: TransportError) -> Error {
    match error {
        TransportError::ForeignOrigin => Error::ForeignOrigin,
        TransportError::Resting(wait) => Error::Throttled { after: Some(wait) },
        TransportError::NotSent(why) => Error::Transient(format!("{endpoint}: {why}")),
        TransportError::NoAnswer(why) => act.unanswered(format!("{endpoint}: {why}")),
    }
}

/// What an answer outside 2xx means to both remotes alike; `code` is the remote's own word for it.
///
/// 429, and 503 or 504 with `Retry-After`, come from in front of the application: nothing was done
/// (Graph reference 5, Tribe reference 3.7). Any other 5xx leaves a write's outcome open.
pub fn from_status(
    act: Act,
    endpoint: &str,
    status: StatusCode,
    headers: &HeaderMap,
    code: &str,
    now_ms: i64,
) -> Error {
    let after = retry_after(headers, now_ms);
    let what = || format!("{endpoint}: {} {code}", status.as_u16());
    match status.as_u16() {
        429 => Error::Throttled { after },
        503 | 504 if after.is_some() => Error::Throttled { after },
        401 => Error::Unauthorised,
        403 => Error::Forbidden(what()),
        404 => Error::NotFound,
        409 => Error::Exists(what()),
        410 => Error::Gone,
        412 => Error::Changed,
        408 => act.unanswered(what()),
        // Not implemented and its like are answers, not failures.
        501 | 505 => rejected(status, code),
        500..=599 => act.unanswered(what()),
        _ => rejected(status, code),
    }
}

fn rejected(status: StatusCode, code: &str) -> Error {
    Error::Rejected {
        status: status.as_u16(),
        code: code.to_owned(),
    }
}

/// How long `Retry-After` asks to wait: seconds, whole or decimal, or an HTTP date; `None` where it
/// is absent or neither. A date in the past is no time at all; nothing is longer than a day.
pub fn retry_after(headers: &HeaderMap, now_ms: i64) -> Option<Duration> {
    parse_retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, now_ms)
}

/// As [`retry_after`], from the header's value.
pub fn parse_retry_after(value: &str, now_ms: i64) -> Option<Duration> {
    let value = value.trim();
    let wait = if value.starts_with(|c: char| c.is_ascii_digit()) {
        let plain = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let seconds = value.parse::<f64>().ok().filter(|_| plain)?;
        Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_WAIT)
    } else {
        let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
        let left = at.as_millisecond().saturating_sub(now_ms);
        Duration::from_millis(u64::try_from(left).unwrap_or_default())
    };
    Some(wait.min(LONGEST_WAIT))
}

/// A remote's code as it may stand in an error: letters, digits and a few signs, at most 64, so
/// that no message text with values in it gets through.
pub fn clean_code(code: &str) -> String {
    code.chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT
    const NOW: i64 = 784_111_777_000;

    fn meaning(act: Act, status: u16, after: Option<&str>) -> Error {
        let mut headers = HeaderMap::new();
        if let Some(after) = after {
            headers.insert(RETRY_AFTER, after.parse().unwrap());
        }
        from_status(
            act,
            "x",
            StatusCode::from_u16(status).unwrap(),
            &headers,
            "c",
            NOW,
        )
    }

    #[test]
    fn retry_after_takes_every_form() {
        let parse = |text| parse_retry_after(text, NOW);
        assert_eq!(parse("7"), Some(Duration::from_secs(7)));
        assert_eq!(parse(" 0 "), Some(Duration::ZERO));
        assert_eq!(parse("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(
            parse("Sun, 06 Nov 1994 08:50:37 GMT"),
            Some(Duration::from_secs(60))
        );
        assert_eq!(parse("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(parse("99999999999999999999999"), Some(LONGEST_WAIT));
        for text in ["", "soon", "-1", "1e9", "NaN", "inf", "1.2.3"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_failed_read_is_passing_and_a_failed_write_is_unknown() {
        for status in [500, 502, 503, 504, 408] {
            assert!(matches!(
                meaning(Act::Read, status, None),
                Error::Transient(_)
            ));
            assert!(matches!(
                meaning(Act::Write, status, None),
                Error::OutcomeUnknown(_)
            ));
        }
    }

    #[test]
    fn throttling_says_that_nothing_was_done() {
        let wait = Error::Throttled {
            after: Some(Duration::from_secs(3)),
        };
        assert_eq!(meaning(Act::Write, 429, Some("3")), wait);
        assert_eq!(meaning(Act::Write, 503, Some("3")), wait);
        assert_eq!(
            meaning(Act::Write, 429, None),
            Error::Throttled { after: None }
        );
    }

    #[test]
    fn the_rest_keeps_its_meaning() {
        assert_eq!(meaning(Act::Write, 401, None), Error::Unauthorised);
        assert_eq!(meaning(Act::Read, 404, None), Error::NotFound);
        assert_eq!(meaning(Act::Write, 412, None), Error::Changed);
        assert_eq!(meaning(Act::Read, 410, None), Error::Gone);
        for status in [302, 400, 405, 501] {
            assert!(matches!(
                meaning(Act::Write, status, None),
                Error::Rejected { .. }
            ));
        }
    }

    #[test]
    fn a_request_that_never_left_was_not_done() {
        let left = |error| from_transport(Act::Write, "x", error);
        assert!(matches!(
            left(TransportError::NotSent("y".into())),
            Error::Transient(_)
        ));
        assert!(matches!(
            left(TransportError::NoAnswer("y".into())),
            Error::OutcomeUnknown(_)
        ));
    }

    #[test]
    fn a_code_lets_no_text_through() {
        assert_eq!(
            clean_code("ErrorItemNotFound: Jan de Tester"),
            "ErrorItemNotFound:"
        );
    }
}
