//! How long to wait before something is tried again, and when it is parked.

use std::time::Duration;

use crate::remote;

/// A person that failed this often is parked (with these waits: after about ten minutes).
pub const ATTEMPTS: u32 = 10;

/// The longest wait between two tries, in milliseconds.
const LONGEST_MS: i64 = 300_000;

/// After so many tries a bunch that fails again and again is worked on one by one.
const ONE_BY_ONE: u32 = 4;

/// With so many failures in a row it is the remote that fails, not one item of a bunch.
pub const IN_A_ROW: usize = 3;

/// Whether one item may stand in the way of a whole bunch: the request is refused for good, or it
/// failed again and again. What concerns the remote or the right to call it is nobody's fault.
pub fn may_be_one_item(error: &remote::Error, attempts: u32) -> bool {
    match error {
        remote::Error::Rejected { .. }
        | remote::Error::Forbidden(_)
        | remote::Error::NotFound
        | remote::Error::Gone => true,
        remote::Error::Transient(_) | remote::Error::Unusable(_) => attempts >= ONE_BY_ONE,
        _ => false,
    }
}

/// What becomes of a hint whose work failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Try again after this many milliseconds.
    Again(i64),
    /// Give up until a person says retry; the reason, in words for people.
    Park(String),
}

/// A wait that doubles with each attempt, from half a second to five minutes, with jitter of a
/// quarter (`chance` is uniform over a byte).
pub fn backoff_ms(attempts: u32, chance: u8) -> i64 {
    let doubled = 500_i64.saturating_mul(1_i64 << attempts.min(20));
    let base = doubled.min(LONGEST_MS);
    base + base * i64::from(chance) / 1024
}

/// What to do about one person's failure after `attempts` earlier ones.
pub fn fate(error: &remote::Error, attempts: u32, chance: u8) -> Fate {
    match error {
        remote::Error::Throttled { after: Some(after) } => {
            Fate::Again(wait_ms(*after, attempts, chance))
        }
        remote::Error::Changed
        | remote::Error::NotFound
        | remote::Error::Gone
        | remote::Error::Unauthorised
            if attempts < ATTEMPTS =>
        {
            Fate::Again(backoff_ms(attempts, chance))
        }
        error if error.is_passing() && attempts < ATTEMPTS => {
            Fate::Again(backoff_ms(attempts, chance))
        }
        remote::Error::Forbidden(_) => Fate::Park(format!(
            "{error}; give the application that right, then retry"
        )),
        error => Fate::Park(format!("{error}; mend the cause, then retry")),
    }
}

/// As long as the remote asked, growing where it asks for little again and again.
pub fn wait_ms(after: Duration, attempts: u32, chance: u8) -> i64 {
    let asked = i64::try_from(after.as_millis()).unwrap_or(LONGEST_MS);
    let grown = asked.max(backoff_ms(attempts.saturating_sub(1).min(6), chance) / 2);
    grown + i64::from(chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes_with_jitter_of_a_quarter() {
        assert_eq!(backoff_ms(0, 0), 500);
        assert_eq!(backoff_ms(1, 0), 1_000);
        assert_eq!(backoff_ms(3, 0), 4_000);
        assert_eq!(backoff_ms(40, 0), 300_000);
        assert!(backoff_ms(40, 255) < 375_000);
        assert!(backoff_ms(3, 255) > backoff_ms(3, 0));
    }

    #[test]
    fn what_cannot_pass_is_parked_and_what_can_is_tried_ten_times() {
        let passing = remote::Error::Transient("503".to_owned());
        assert!(matches!(fate(&passing, 0, 0), Fate::Again(_)));
        assert!(matches!(fate(&passing, ATTEMPTS, 0), Fate::Park(_)));
        let final_ = remote::Error::Rejected {
            status: 400,
            code: "ErrorInvalidRequest".to_owned(),
        };
        assert!(matches!(fate(&final_, 0, 0), Fate::Park(_)));
    }

    #[test]
    fn one_item_is_suspected_when_it_is_refused_or_fails_again_and_again() {
        let refused = remote::Error::Rejected {
            status: 400,
            code: "bad".to_owned(),
        };
        assert!(may_be_one_item(&refused, 0));
        let failed = remote::Error::Transient("500".to_owned());
        assert!(!may_be_one_item(&failed, 0));
        assert!(may_be_one_item(&failed, ONE_BY_ONE));
        for error in [
            remote::Error::Throttled { after: None },
            remote::Error::Unauthorised,
            remote::Error::ConsentNeeded("x".to_owned()),
            remote::Error::Application("x".to_owned()),
        ] {
            assert!(!may_be_one_item(&error, 20), "{error}");
        }
    }

    #[test]
    fn never_calls_before_the_remote_allows() {
        for attempts in 0..20 {
            for seconds in [0, 1, 30, 600] {
                let after = Duration::from_secs(seconds);
                assert!(wait_ms(after, attempts, 0) >= millis(after));
            }
        }
    }

    fn millis(duration: Duration) -> i64 {
        i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
    }
}
