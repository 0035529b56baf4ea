//! How long to wait before something is tried again, and when it is parked.

use std::time::Duration;

use crate::remote;

/// A person that failed this often is parked (with these waits: after about ten minutes).
pub const ATTEMPTS: u32 = 10;

/// As many attempts as a remote that is down as a whole can bring about: nobody is parked for it,
/// and there is one left for the person's own failure afterwards.
pub const OUTAGE_ATTEMPTS: u32 = ATTEMPTS - 2;

/// The longest wait between two tries, in milliseconds.
const LONGEST_MS: i64 = 300_000;

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

/// Whether a remote failed as a whole, rather than at something that one person brings along.
pub fn is_outage(error: &remote::Error) -> bool {
    matches!(
        error,
        remote::Error::Throttled { .. }
            | remote::Error::Transient(_)
            | remote::Error::OutcomeUnknown(_)
    )
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
