//! The shapes of fault rules, as they come in JSON.

use serde::{Deserialize, Serialize};

use crate::deliver::Source;

/// Which calls.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// HTTP method, any case; absent or `*`: all.
    pub method: Option<String>,
    /// A part of the path with query, or a pattern with `*` for all of it; absent: all.
    pub path: Option<String>,
}

/// When the connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// Nothing was done.
    Before,
    /// All was done, only the answer is lost.
    After,
}

/// What happens to a call that is struck.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Effect {
    /// It is answered with this status, and nothing is done.
    pub status: Option<u16>,
    /// `Retry-After` in seconds, with `status`.
    pub retry_after: Option<u64>,
    /// It waits first.
    pub delay_ms: Option<u64>,
    /// The connection is cut without an answer.
    pub cut: Option<Cut>,
    /// The body ends after this many bytes while `Content-Length` promises all of them.
    pub truncate: Option<usize>,
    /// Reads answer with the state of this many milliseconds ago.
    pub stale_ms: Option<u64>,
}

/// A rule that strikes calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallRule {
    /// Which calls.
    #[serde(rename = "match", default)]
    pub matches: Match,
    /// What happens.
    pub then: Effect,
    /// How often at most; absent: until removed.
    pub count: Option<u64>,
    /// Which share of them, between 0 and 1.
    pub share: Option<f64>,
}

/// How many of the hints: `true` or 1 all, a share below 1, the next `n` from 2 on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Share {
    /// All or none.
    All(bool),
    /// A share (up to 1), or how many are left (from 2 on).
    Number(f64),
    /// One more, then none: where a count ends.
    #[serde(skip)]
    Last,
}

impl Default for Share {
    fn default() -> Self {
        Self::All(false)
    }
}

impl Share {
    /// Draws once; a count goes down and ends in none.
    pub fn draw(&mut self, rng: &mut fastrand::Rng) -> bool {
        match *self {
            Self::All(all) => all,
            Self::Number(share) if share <= 1.0 => share > 0.0 && rng.f64() < share,
            Self::Number(left) => {
                // The last of a count must not turn into the share 1, which means all.
                *self = if left < 3.0 {
                    Self::Last
                } else {
                    Self::Number(left - 1.0)
                };
                true
            }
            Self::Last => {
                *self = Self::All(false);
                true
            }
        }
    }
}

/// What happens to hints.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hints {
    /// Whose.
    pub source: Source,
    /// Lost.
    #[serde(default)]
    pub drop: Share,
    /// Sent twice.
    #[serde(default)]
    pub duplicate: Share,
    /// Sent later.
    pub delay_ms: Option<u64>,
    /// Sent up to two seconds later, each by its own draw, so that they overtake each other.
    #[serde(default)]
    pub reorder: Share,
}

/// A rule that strikes hints.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HintRule {
    /// What happens, and whose.
    pub hints: Hints,
    /// How often at most; absent: until removed.
    pub count: Option<u64>,
    /// Which share of them, between 0 and 1.
    pub share: Option<f64>,
}

/// Whether the text as a whole fits a pattern in which `*` stands for anything.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}
