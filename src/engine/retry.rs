//! How long to wait before something is tried again, and when it is parked.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    remote,
    store::{Change, Hint},
};

/// A person that failed this often is parked (with these waits: after about ten minutes).
pub const ATTEMPTS: u32 = 10;

/// One whose remote fails this often is parked (with these waits: after more than a day). That long an
/// outage may last that strikes only some calls, and is nobody's fault.
pub const PATIENT_ATTEMPTS: u32 = 320;

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

/// An outage is nobody's fault: however long it lasts, it counts for no more attempts than these. Nobody
/// is parked by it, nor soon after it.
const OUTAGE: u32 = ONE_BY_ONE;

/// How often a lane whose remote fails was tried, by all of its hints, those included that wait.
pub fn attempts_of(hints: &[Hint]) -> u32 {
    let attempts = hints.iter().map(|hint| hint.hint.attempts.min(OUTAGE));
    attempts.max().unwrap_or_default()
}

/// The hints of a lane, of which `stored` are the first: those that were just tried are among them,
/// however long the backlog is, or they would be due again at once.
pub fn with_tried(stored: Vec<Hint>, tried: &[Hint]) -> Vec<Hint> {
    let all = stored.into_iter().chain(tried.iter().cloned());
    let by_id: BTreeMap<i64, Hint> = all.map(|hint| (hint.id, hint)).collect();
    by_id.into_values().collect()
}

/// Whether the hints of a lane wait as well, after its chores failed so. What is refused for good, such
/// as a registration that lacks a right, does not stand in their way.
pub fn concerns_hints(chores: bool, error: &remote::Error) -> bool {
    !chores || error.is_passing()
}

/// A remote failed as a whole: all hints of a lane wait together, so that one attempt stands for all,
/// however many come meanwhile. Those that wait longer for a reason of their own go on doing so.
pub fn put_off(hints: &[Hint], until_ms: i64) -> Vec<Change> {
    let waiting = hints
        .iter()
        .filter(|hint| hint.hint.not_before_ms <= until_ms);
    delay(waiting, until_ms, |attempts| {
        (attempts + 1).min(OUTAGE).max(attempts)
    })
}

/// Nothing was tried: the hints of a lane wait as they are.
pub fn wait_until(hints: &[Hint], until_ms: i64) -> Vec<Change> {
    delay(hints.iter(), until_ms, |attempts| attempts)
}

/// One change for all that were tried equally often.
fn delay<'h>(
    hints: impl Iterator<Item = &'h Hint>,
    until_ms: i64,
    then: impl Fn(u32) -> u32,
) -> Vec<Change> {
    let mut ids: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    for hint in hints {
        ids.entry(hint.hint.attempts).or_default().push(hint.id);
    }
    let delay = |(attempts, ids): (u32, Vec<i64>)| Change::DelayHints {
        ids,
        not_before_ms: until_ms,
        attempts: then(attempts),
    };
    ids.into_iter().map(delay).collect()
}

/// As how often tried something counts that a remote's failure held up once more; never as so often
/// that it is parked.
pub fn after_wait(attempts: u32) -> u32 {
    match attempts + 1 {
        ATTEMPTS => ATTEMPTS + 1,
        next => next,
    }
}

/// The same for what failed by itself; `None`: it is to be parked. What a remote held up for long is
/// given a few tries more, since most of those that it had were not its own.
pub fn after_try(attempts: u32) -> Option<u32> {
    match attempts {
        ATTEMPTS => None,
        held_up if held_up > ATTEMPTS => Some(ONE_BY_ONE + 1),
        own => Some(own + 1),
    }
}

/// What becomes of a hint whose work failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Try again after this many milliseconds.
    Again(i64),
    /// The same, however often it failed: the remote does, and that passes.
    Wait(i64),
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
            Fate::Wait(wait_ms(*after, attempts, chance))
        }
        remote::Error::Changed
        | remote::Error::NotFound
        | remote::Error::Gone
        | remote::Error::Unauthorised
            if after_try(attempts).is_some() =>
        {
            Fate::Again(backoff_ms(attempts, chance))
        }
        error if error.is_passing() && attempts < PATIENT_ATTEMPTS => {
            Fate::Wait(backoff_ms(attempts, chance))
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
    use tribelink_plan::ids::EnvironmentId;

    use super::*;
    use crate::store::{NewHint, Source, Target};

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
    fn what_cannot_pass_is_parked_and_what_can_is_tried_for_a_day() {
        let changed = remote::Error::Changed;
        assert!(matches!(fate(&changed, 0, 0), Fate::Again(_)));
        assert!(matches!(fate(&changed, ATTEMPTS, 0), Fate::Park(_)));
        let passing = remote::Error::Transient("503".to_owned());
        let waits = (0..PATIENT_ATTEMPTS).map(|attempts| match fate(&passing, attempts, 0) {
            Fate::Wait(wait_ms) => wait_ms,
            other => panic!("{other:?} after {attempts}"),
        });
        assert!(waits.sum::<i64>() > 24 * 3_600_000);
        assert!(matches!(fate(&passing, PATIENT_ATTEMPTS, 0), Fate::Park(_)));
        let final_ = remote::Error::Rejected {
            status: 400,
            code: "ErrorInvalidRequest".to_owned(),
        };
        assert!(matches!(fate(&final_, 0, 0), Fate::Park(_)));
    }

    #[test]
    fn what_a_remote_held_up_for_long_is_not_parked_by_the_next_failure() {
        let waits = (0..PATIENT_ATTEMPTS).scan(0, |attempts, _| {
            *attempts = after_wait(*attempts);
            Some(*attempts)
        });
        for held_up in waits {
            assert!(after_try(held_up).is_some(), "{held_up}");
        }
        // Whatever it was, it is parked in the end.
        let mut tries = 0;
        let mut attempts = Some(50);
        while let Some(now) = attempts {
            attempts = after_try(now);
            tries += 1;
        }
        assert!(tries < ATTEMPTS);
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

    fn hint(id: i64, attempts: u32, not_before_ms: i64) -> Hint {
        let hint = NewHint {
            environment: EnvironmentId::from("default"),
            user: None,
            target: Target::Resync,
            source: Source::Sweep,
            received_ms: 0,
            not_before_ms,
            attempts,
        };
        Hint { id, hint }
    }

    #[test]
    fn hints_of_a_lane_whose_remote_fails_wait_together() {
        let hints = [
            hint(1, 0, 0),
            hint(2, 6, 90),
            hint(3, 9, 100),
            hint(4, 0, 101),
        ];
        assert_eq!(attempts_of(&hints), OUTAGE);
        let delay = |ids: &[i64], attempts| Change::DelayHints {
            ids: ids.to_vec(),
            not_before_ms: 100,
            attempts,
        };
        // Nobody is parked by an outage, and what waits longer for a reason of its own does.
        let expected = [delay(&[1], 1), delay(&[2], 6), delay(&[3], 9)];
        assert_eq!(put_off(&hints, 100), expected);
        assert_eq!(attempts_of(&[]), 0);
    }

    #[test]
    fn hints_behind_a_long_backlog_wait_once_they_were_tried() {
        let stored = vec![hint(1, 0, 90), hint(2, 0, 90)];
        let all = with_tried(stored, &[hint(2, 0, 90), hint(3, 0, 0)]);
        let ids: Vec<i64> = all.iter().map(|hint| hint.id).collect();
        assert_eq!(ids, [1, 2, 3]);
    }

    #[test]
    fn chores_that_are_refused_for_good_do_not_hold_up_hints() {
        let refused = remote::Error::Forbidden("webhooks".to_owned());
        let away = remote::Error::Transient("503".to_owned());
        assert!(!concerns_hints(true, &refused));
        assert!(concerns_hints(true, &away));
        assert!(concerns_hints(false, &refused));
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
