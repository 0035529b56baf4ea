//! What an administrator chose.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::field::{Direction, Field};

/// For so long after a change a read may still show what stood before, in milliseconds: what a remote of many
/// machines takes at worst to be of one mind.
pub const READS_LAG_MS: i64 = 10_000;

/// Who wins when both sides changed the same field differently (R6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// Tribe's value.
    #[default]
    Tribe,
    /// Outlook's value.
    Outlook,
    /// Nobody, until a person decides.
    Hold,
}

/// What happens to a card that Outlook completed from another one (R16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeGuard {
    /// Pass it on, marked.
    #[default]
    Flag,
    /// Wait for a decision.
    Hold,
    /// Pass it on.
    Accept,
}

/// What the first sync does with an unstamped contact of the same e-mail address and name (R13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// Create a contact beside it.
    #[default]
    None,
    /// Adopt it.
    EmailName,
}

/// Everything that the planner asks of the configuration.
#[derive(Clone, Debug)]
pub struct Policy {
    /// R6.
    pub conflict: Conflict,
    /// R16.
    pub merge_guard: MergeGuard,
    /// R8: never create again what the user deleted.
    pub respect_deletes: bool,
    /// R13.
    pub matching: Match,
    /// R17: per cent of the user's links.
    pub brake_percent: u32,
    /// R17: and this many.
    pub brake_min: u32,
    /// Region of numbers written without a country, such as `NL`.
    pub phone_region: String,
    /// Longest value that is written, in characters.
    pub max_length: usize,
    /// How long an own write may take to show, in milliseconds.
    pub settle_ms: i64,
    /// An Outlook category for contacts that this service creates.
    pub category: Option<String>,
    /// Narrowed directions; a field that is not named has the design's.
    pub directions: BTreeMap<Field, Direction>,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            conflict: Conflict::Tribe,
            merge_guard: MergeGuard::Flag,
            respect_deletes: false,
            matching: Match::None,
            brake_percent: 20,
            brake_min: 25,
            phone_region: "NL".to_owned(),
            max_length: 255,
            settle_ms: 60_000,
            category: None,
            directions: BTreeMap::new(),
        }
    }
}

impl Policy {
    /// Which way a field travels.
    pub fn direction(&self, field: Field) -> Direction {
        self.directions
            .get(&field)
            .copied()
            .unwrap_or_else(|| field.widest())
    }
}
