//! What the caller can do about a remote's failure.

use std::time::Duration;

/// A remote's failure. Messages hold status, code and endpoint, never a value or a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too many requests: nothing was done. Wait as long as it says, else back off.
    #[error("the remote asks to wait")]
    Throttled {
        /// `Retry-After`, where it gave one.
        after: Option<Duration>,
    },
    /// Nothing was done, or only a read failed. Repeat later.
    #[error("the remote failed for the moment: {0}")]
    Transient(String),
    /// A write may or may not have happened. Look before repeating it.
    #[error("the remote did not say whether it wrote: {0}")]
    OutcomeUnknown(String),
    /// The access token is not accepted. Refresh once, repeat once.
    #[error("the access token was refused")]
    Unauthorised,
    /// The refresh token is dead, or consent is missing: a person must sign in again (R21).
    #[error("a new sign-in is needed: {0}")]
    ConsentNeeded(String),
    /// The application itself is refused (secret, certificate, registration): an administrator must act.
    #[error("the application was refused: {0}")]
    Application(String),
    /// The right is missing.
    #[error("the remote forbids it: {0}")]
    Forbidden(String),
    /// A read of that id found nothing.
    #[error("the remote has no such record")]
    NotFound,
    /// The record changed meanwhile (412, 409): read again, merge again.
    #[error("the record was changed meanwhile")]
    Changed,
    /// The cursor is gone (410): start over.
    #[error("the cursor is gone")]
    Gone,
    /// Something of that kind exists already (subscriptions): list and adopt.
    #[error("it exists already: {0}")]
    Exists(String),
    /// The request is refused for good; repeating it does not help.
    #[error("the remote refused the request: {status} {code}")]
    Rejected {
        /// HTTP status.
        status: u16,
        /// The remote's code.
        code: String,
    },
    /// The answer was cut, too long, or not of the documented form: it says nothing (R18). For a
    /// read: repeat later.
    #[error("the answer could not be used: {0}")]
    Unusable(String),
    /// A link or address leads to another origin than the configured one; nothing was sent.
    #[error("an address of another origin was refused")]
    ForeignOrigin,
}

impl Error {
    /// Whether the same read, or a write that certainly did not happen, may be repeated later.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Error::Throttled { .. }
                | Error::Transient(_)
                | Error::Unusable(_)
                | Error::OutcomeUnknown(_)
        )
    }

    /// Whether a write that failed so may have happened.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Error::OutcomeUnknown(_) | Error::Unusable(_))
    }

    /// The longest rest that one of several answers asks for, whatever became of the others: it
    /// binds everybody who calls with the same right.
    pub fn longest_rest<T>(answers: &[Result<T, Error>]) -> Option<Error> {
        let rests = answers.iter().filter_map(|answer| match answer {
            Err(Error::Throttled { after }) => Some(*after),
            _ => None,
        });
        rests.max().map(|after| Error::Throttled { after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_rest_counts_and_no_other_failure_hides_it() {
        let rest = |seconds| Error::Throttled {
            after: Some(Duration::from_secs(seconds)),
        };
        let none = Error::Throttled { after: None };
        let answers = [
            Err(Error::Transient("x".to_owned())),
            Ok(()),
            Err(none.clone()),
            Err(rest(7)),
            Err(rest(2)),
            Err(Error::Gone),
        ];
        assert_eq!(Error::longest_rest(&answers), Some(rest(7)));
        assert_eq!(Error::longest_rest(&answers[..3]), Some(none));
        assert_eq!(Error::longest_rest(&answers[..2]), None);
    }
}
