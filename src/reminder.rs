//! What ends soon unless somebody acts: secrets of applications, consents that nobody uses. Pure.
//!
//! Neither remote warns of either: the first sign is that everybody is refused at once (a secret), or
//! that a user must sign in again (a consent).

use jiff::Timestamp;
use tribelink_plan::ids::{EnvironmentId, UserId};

use crate::store::{IdleConsent, UserState};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How long before its end a secret is spoken of: whoever may replace it is to be found in time.
pub const SECRET_MS: i64 = 30 * DAY_MS;

/// How long before its end a consent is spoken of.
pub const CONSENT_MS: i64 = 14 * DAY_MS;

/// How long a refresh token lives that nobody uses (Microsoft Graph reference 1.3); each use gives a
/// new one.
const REFRESH_MS: i64 = 90 * DAY_MS;

/// The longest life of an access token (the same): one that ended so long ago was obtained then, or
/// later.
const ACCESS_MS: i64 = 90 * 60 * 1000;

/// When a secret ends, as the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretEnd {
    /// Whose: `microsoft` or `login`, as its section of the configuration is named.
    pub of: &'static str,
    /// When.
    pub at_ms: i64,
}

/// What ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The secret of an application, by the section of the configuration.
    Secret(&'static str),
    /// A user's consent.
    Consent(EnvironmentId, UserId),
}

/// Something that ends soon, or has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reminder {
    /// What.
    pub what: What,
    /// When.
    pub ends_ms: i64,
    /// Whether it has.
    pub has_ended: bool,
}

impl Reminder {
    /// What to do, without personal data.
    pub fn message(&self) -> String {
        let day = Timestamp::from_millisecond(self.ends_ms)
            .map(|time| time.to_string().chars().take(10).collect::<String>());
        let day = day.unwrap_or_default();
        let ends = if self.has_ended { "ended" } else { "ends" };
        match &self.what {
            What::Secret(section) => format!(
                "the application's secret in {section}.client_secret {ends} on {day}: make a new one where the \
                 application is registered, configure it with its own client_secret_expires, and restart"
            ),
            What::Consent(..) => format!(
                "a consent at Microsoft that is not used {ends} on {day}: resume the user, or send a new link"
            ),
        }
    }
}

/// What is idle from this time on, as the end of its last access token, is to be spoken of.
pub fn idle_before_ms(now_ms: i64) -> i64 {
    now_ms - REFRESH_MS + CONSENT_MS + ACCESS_MS
}

/// What ends soon: secrets before consents, and the first to end first.
pub fn reminders(now_ms: i64, secrets: &[SecretEnd], idle: &[IdleConsent]) -> Vec<Reminder> {
    let secrets = secrets
        .iter()
        .map(|secret| (What::Secret(secret.of), secret.at_ms, SECRET_MS));
    // Who must sign in anyway is told so by an alert.
    let waits = |one: &&IdleConsent| {
        !matches!(
            one.state,
            UserState::NeedsConsent | UserState::Invited | UserState::Disconnected
        )
    };
    let consents = idle.iter().filter(waits).map(|one| {
        let what = What::Consent(one.environment.clone(), one.user);
        (
            what,
            one.access_ended_ms - ACCESS_MS + REFRESH_MS,
            CONSENT_MS,
        )
    });
    let mut found: Vec<Reminder> = secrets
        .chain(consents)
        .filter(|(_, ends_ms, early_ms)| ends_ms - early_ms <= now_ms)
        .map(|(what, ends_ms, _)| Reminder {
            what,
            ends_ms,
            has_ended: ends_ms <= now_ms,
        })
        .collect();
    found.sort_by_key(|one| (matches!(one.what, What::Consent(..)), one.ends_ms));
    found
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn idle(user: u128, state: UserState, used_days_ago: i64) -> IdleConsent {
        IdleConsent {
            environment: EnvironmentId::from("default"),
            user: UserId(Uuid::from_u128(user)),
            state,
            access_ended_ms: NOW - used_days_ago * DAY_MS + ACCESS_MS,
        }
    }

    fn secret(days: i64) -> SecretEnd {
        SecretEnd {
            of: "microsoft",
            at_ms: NOW + days * DAY_MS,
        }
    }

    #[test]
    fn a_secret_is_spoken_of_a_month_ahead_and_after_its_end() {
        assert_eq!(reminders(NOW, &[secret(31)], &[]), []);
        let soon = reminders(NOW, &[secret(30)], &[]);
        assert_eq!((soon.len(), soon[0].has_ended), (1, false));
        let late = reminders(NOW, &[secret(0)], &[]);
        assert!(late[0].has_ended);
        assert!(
            late[0]
                .message()
                .contains("microsoft.client_secret ended on 2027-01-15: ")
        );
    }

    #[test]
    fn a_consent_is_spoken_of_when_it_was_not_used_for_long() {
        let at = |days| reminders(NOW, &[], &[idle(1, UserState::Paused, days)]);
        assert_eq!(at(75), []);
        assert!(!at(76)[0].has_ended);
        assert!(at(90)[0].has_ended);
        assert_eq!(at(90)[0].ends_ms, NOW);
    }

    #[test]
    fn who_must_sign_in_anyway_is_not_spoken_of_twice() {
        for state in UserState::ALL {
            let silent = matches!(
                state,
                UserState::NeedsConsent | UserState::Invited | UserState::Disconnected
            );
            let found = reminders(NOW, &[], &[idle(1, state, 80)]);
            assert_eq!(found.is_empty(), silent, "{}", state.name());
        }
    }

    #[test]
    fn what_the_store_is_asked_for_is_all_that_is_spoken_of() {
        let last = idle_before_ms(NOW);
        let at = |access_ended_ms| IdleConsent {
            access_ended_ms,
            ..idle(1, UserState::Live, 0)
        };
        assert_eq!(reminders(NOW, &[], &[at(last)]).len(), 1);
        assert_eq!(reminders(NOW, &[], &[at(last + 1)]), []);
    }

    #[test]
    fn secrets_come_first_then_the_first_to_end() {
        let idle = [
            idle(1, UserState::Paused, 80),
            idle(2, UserState::Paused, 85),
        ];
        let found = reminders(NOW, &[secret(20)], &idle);
        let users: Vec<_> = found.iter().map(|one| one.what.clone()).collect();
        let consent = |user| {
            What::Consent(
                EnvironmentId::from("default"),
                UserId(Uuid::from_u128(user)),
            )
        };
        assert_eq!(users, [What::Secret("microsoft"), consent(2), consent(1)]);
    }
}
