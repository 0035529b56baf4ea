//! What goes wrong on demand.
//!
//! `POST /_sandbox/faults` adds a rule. A **call rule** strikes calls (and batch items, whose path
//! is given as if called alone, `/v1.0/…`) by method and path; the first rule that strikes wins. A
//! **hint rule** strikes webhooks and notifications when they enter the outbox. Rules and draws
//! are here; [`mod@guard`] is the middleware in front of every route of both remotes, which also keeps
//! the call log and waits for the latency. Graph's batch handler asks [`Faults::strike`] itself.

mod guard;
mod rule;

pub use guard::{error_body, guard};
pub use rule::{Cut, Effect, Share};

use serde::{Deserialize, Serialize};

use crate::deliver::Source;
use rule::{CallRule, HintRule, glob};

/// A request that must be answered with the state of this many milliseconds ago (a request
/// extension; reads honour it).
#[derive(Clone, Copy, Debug)]
pub struct Stale(pub u64);

/// A response that must not be sent: the connection is cut instead (a response extension; the
/// server honours it, and so must a simulation that calls the router).
#[derive(Clone, Copy, Debug)]
pub struct CutOff;

/// How far a disordered hint may be late.
const REORDER_MS: u64 = 2_000;

/// Body of `POST /_sandbox/faults`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Rule {
    /// Strikes calls.
    Call(CallRule),
    /// Strikes hints.
    Hint(HintRule),
}

impl Rule {
    /// Reads a rule; which of the two it is shows by its members, so that the error can name the wrong one.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let value: serde_json::Value = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        let hint = value.get("hints").is_some();
        let rule = if hint {
            serde_json::from_value(value).map(Self::Hint)
        } else {
            serde_json::from_value(value).map(Self::Call)
        };
        let rule = rule.map_err(|e| e.to_string())?;
        let share = match &rule {
            Self::Call(rule) => rule.share,
            Self::Hint(rule) => rule.share,
        };
        if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err("share must lie between 0 and 1".to_owned());
        }
        Ok(rule)
    }
}

struct Armed {
    id: u64,
    rule: Rule,
    hits: u64,
}

/// The rules in force, in order of arrival.
#[derive(Default)]
pub struct Faults {
    next: u64,
    armed: Vec<Armed>,
}

impl Faults {
    /// Adds a rule and returns its number.
    pub fn add(&mut self, rule: Rule) -> u64 {
        self.next += 1;
        self.armed.push(Armed {
            id: self.next,
            rule,
            hits: 0,
        });
        self.next
    }

    /// Removes one rule, or all.
    pub fn clear(&mut self, id: Option<u64>) {
        self.armed
            .retain(|armed| id.is_some_and(|id| id != armed.id));
    }

    /// Every rule with its number and how often it struck.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let items: Vec<_> = self
            .armed
            .iter()
            .map(|a| serde_json::json!({"id": a.id, "hits": a.hits, "rule": a.rule}))
            .collect();
        serde_json::json!({ "faults": items })
    }

    /// Draws what strikes a call; `path` is the full path with its query.
    pub fn strike(&mut self, method: &str, path: &str, rng: &mut fastrand::Rng) -> Option<Effect> {
        for armed in &mut self.armed {
            let Rule::Call(rule) = &mut armed.rule else {
                continue;
            };
            if rule.matches.fits(method, path) && spend(&mut rule.count, rule.share, rng) {
                armed.hits += 1;
                return Some(rule.then.clone());
            }
        }
        None
    }

    /// Draws the fate of a hint: the delays in milliseconds of its copies; empty when it is lost.
    pub fn hint(&mut self, source: Source, rng: &mut fastrand::Rng) -> Vec<u64> {
        let mut copies = vec![0_u64];
        for armed in &mut self.armed {
            let Rule::Hint(rule) = &mut armed.rule else {
                continue;
            };
            if rule.hints.source != source || !spend(&mut rule.count, rule.share, rng) {
                continue;
            }
            armed.hits += 1;
            let hints = &mut rule.hints;
            if hints.drop.draw(rng) {
                return Vec::new();
            }
            if hints.duplicate.draw(rng) {
                copies.push(0);
            }
            for copy in &mut copies {
                *copy = copy.saturating_add(hints.delay_ms.unwrap_or(0));
                if hints.reorder.draw(rng) {
                    *copy = copy.saturating_add(rng.u64(0..=REORDER_MS));
                }
            }
        }
        copies
    }
}

/// Whether a rule strikes this time: by share, and while its count lasts.
fn spend(count: &mut Option<u64>, share: Option<f64>, rng: &mut fastrand::Rng) -> bool {
    if *count == Some(0) || share.is_some_and(|share| rng.f64() >= share) {
        return false;
    }
    if let Some(left) = count {
        *left -= 1;
    }
    true
}

impl rule::Match {
    fn fits(&self, method: &str, path: &str) -> bool {
        let method_fits = self
            .method
            .as_deref()
            .is_none_or(|m| m == "*" || m.eq_ignore_ascii_case(method));
        method_fits
            && self
                .path
                .as_deref()
                .is_none_or(|pattern| path_fits(pattern, path))
    }
}

/// A pattern with `*` covers the whole path, with or without its query; one without is a part of it.
fn path_fits(pattern: &str, path: &str) -> bool {
    if !pattern.contains('*') {
        return path.contains(pattern);
    }
    glob(pattern, path)
        || path
            .split('?')
            .next()
            .is_some_and(|bare| glob(pattern, bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        serde_json::from_str(text).expect("a rule")
    }

    #[test]
    fn paths_fit_by_part_or_by_wildcard() {
        assert!(path_fits("/contacts", "/v1.0/me/contacts?$top=1"));
        assert!(path_fits("/v1.0/*/contacts", "/v1.0/me/contacts?$top=1"));
        assert!(!path_fits("/v1.0/*/contacts", "/v1.0/me/contacts/x"));
        assert!(path_fits("*contacts*", "/v1.0/me/contacts/x"));
    }

    #[test]
    fn a_count_runs_out_and_a_share_is_drawn() {
        let (mut faults, mut rng) = (Faults::default(), fastrand::Rng::with_seed(1));
        faults.add(rule(
            r#"{"match":{"method":"get","path":"/x"},"then":{"status":503},"count":2}"#,
        ));
        let struck = (0..5)
            .filter(|_| faults.strike("GET", "/x", &mut rng).is_some())
            .count();
        assert_eq!(struck, 2);
        faults.clear(None);
        faults.add(rule(r#"{"match":{},"then":{"status":429},"share":0.5}"#));
        let struck = (0..1000)
            .filter(|_| faults.strike("PUT", "/y", &mut rng).is_some())
            .count();
        assert!((400..600).contains(&struck), "{struck}");
    }

    #[test]
    fn hints_are_lost_doubled_and_late() {
        let (mut faults, mut rng) = (Faults::default(), fastrand::Rng::with_seed(1));
        faults.add(rule(
            r#"{"hints":{"source":"tribe","duplicate":true,"delay_ms":50}}"#,
        ));
        assert_eq!(faults.hint(Source::Tribe, &mut rng), vec![50, 50]);
        assert_eq!(faults.hint(Source::Graph, &mut rng), vec![0]);
        faults.add(rule(r#"{"hints":{"source":"graph","drop":2}}"#));
        let kept = (0..5)
            .filter(|_| !faults.hint(Source::Graph, &mut rng).is_empty())
            .count();
        assert_eq!(kept, 3);
    }

    #[test]
    fn unknown_members_are_refused() {
        for text in [
            r#"{"match":{"path":"/x"},"then":{"stauts":503}}"#,
            r#"{"then":{},"share":2}"#,
            r#"{"hints":{"drop":true}}"#,
            "[]",
        ] {
            assert!(Rule::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
