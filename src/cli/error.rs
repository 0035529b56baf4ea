//! What can go wrong on the command line, what to do next, and the exit codes.

use crate::config::Problems;

/// What was asked did not come out.
pub(super) const FAILED: u8 = 1;
/// Usage (clap says the same) or configuration.
const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;
const REFUSED: u8 = 4;
const NOT_FOUND: u8 = 5;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The configuration is not usable.
    #[error(transparent)]
    Config(#[from] Problems),
    /// An argument does not go together with what there is.
    #[error("{0}")]
    Usage(String),
    /// No answer from the service.
    #[error("the service at {url} cannot be reached: {why}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What the network said.
        why: String,
    },
    /// 401.
    #[error("the service does not accept the token")]
    Unauthorised,
    /// 403.
    #[error("the token's role may not do this{}", told(.0))]
    Forbidden(Said),
    /// 404.
    #[error("there is no such thing{}", told(.0))]
    NotFound(Said),
    /// Any other refusal.
    #[error("the service refused ({status}){}", told(.said))]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said.
        said: Said,
    },
    /// No answer of the API's form.
    #[error("what answers at {0} is not tribelink's API")]
    Foreign(String),
    /// Something else.
    #[error("{0}")]
    Failed(String),
}

/// What a problem document said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// `detail`, else `title`.
    pub(super) detail: Option<String>,
    /// The rule that decided.
    pub(super) rule: Option<String>,
}

fn told(said: &Said) -> String {
    let detail = said.detail.as_ref().map(|detail| format!(": {detail}"));
    let rule = said.rule.as_ref().map(|rule| format!(" [{rule}]"));
    detail.unwrap_or_default() + &rule.unwrap_or_default()
}

impl Error {
    pub(super) fn failed(error: impl std::fmt::Display) -> Error {
        Error::Failed(error.to_string())
    }

    /// What to do next.
    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Error::Config(_) => Some(
                "mend the keys above, in the file or in the environment; `tribelink config` \
                 prints every key with what it takes",
            ),
            Error::Unreachable { .. } => Some(
                "start it with `tribelink serve`, or name its address with --url or TRIBELINK_URL",
            ),
            Error::Unauthorised => Some(
                "give a token with --token or TRIBELINK_TOKEN; it must be security.admin_token or \
                 one of security.admin_tokens of the running service",
            ),
            Error::Forbidden(_) => {
                Some("use a token with a higher role (viewer < operator < admin)")
            }
            Error::NotFound(Said { detail: None, .. }) => Some(
                "check --url, and that the running service is of this version (it does not know \
                 the request)",
            ),
            Error::NotFound(_) => Some("look ids up with `tribelink users list`"),
            Error::Refused { status: 409, .. } => {
                Some("look at the user's state with `tribelink users show`")
            }
            Error::Refused {
                status: 429 | 503, ..
            } => Some("try again in a moment"),
            Error::Refused { status: 500.., .. } => Some("look into the service's log"),
            Error::Foreign(_) => Some("check --url; it is an origin such as http://127.0.0.1:8080"),
            Error::Usage(_) | Error::Refused { .. } | Error::Failed(_) => None,
        }
    }

    pub(super) fn rule(&self) -> Option<&str> {
        match self {
            Error::Forbidden(said) | Error::NotFound(said) | Error::Refused { said, .. } => {
                said.rule.as_deref()
            }
            _ => None,
        }
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Error::Config(_) | Error::Usage(_) => USAGE,
            Error::Unreachable { .. } | Error::Foreign(_) => UNREACHABLE,
            Error::Unauthorised | Error::Forbidden(_) => REFUSED,
            Error::NotFound(_) => NOT_FOUND,
            Error::Refused { .. } | Error::Failed(_) => FAILED,
        }
    }
}
