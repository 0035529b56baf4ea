//! What stands inside sealed columns, and how the rows they are bound to are named.
//!
//! The vault binds a ciphertext to a column ([`crate::vault::column`]) and a row, so that one copied
//! to another place does not open. Whoever seals and whoever opens must name the same row: both take
//! it from here. Rows are named by what is known before the first write, since audit lines and held
//! items get their numbers from the store.
//!
//! None of these types has a `Debug`: they hold personal values or secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tribelink_plan::{
    field::Field,
    ids::{PersonId, UserId},
    planner::ahead::WriteAhead,
    rule::Rule,
};

use crate::store::{AuditLine, Held, Source};

pub use crate::digest::{hex, same, sha256, unhex32};

/// The values of one field in an audit line.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// What the written side showed before.
    pub before: Option<String>,
    /// What was written.
    pub after: Option<String>,
    /// What the other side had meant instead, where R6 decided against it.
    pub lost: Option<String>,
    /// What stood there before could not be read: `before` is no emptiness.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
}

/// The values of an audit line.
pub type AuditValues = BTreeMap<Field, FieldChange>;

/// What both sides show for one field of a held change.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BothSides {
    /// Tribe's value.
    pub tribe: Option<String>,
    /// Outlook's value.
    pub outlook: Option<String>,
}

/// The values of a held item.
pub type HeldValues = BTreeMap<Field, BothSides>;

/// What a pass is about to write for a link, with what its audit lines would say.
#[derive(Serialize, Deserialize)]
pub struct Ahead {
    /// The writes.
    pub writes: WriteAhead,
    /// When; the link's row was put at the same moment, or this is not about it any more.
    pub at_ms: i64,
    /// What the pass was about.
    pub cause: Source,
    /// The audit lines' note.
    pub note: Option<String>,
}

/// What a pending sign-in must show again when the browser comes back.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Proof {
    /// PKCE verifier; empty in an invitation.
    #[serde(default)]
    pub verifier: String,
    /// Nonce of the id_token; empty in an invitation.
    #[serde(default)]
    pub nonce: String,
    /// The address to suggest at the sign-in page.
    #[serde(default)]
    pub login_hint: Option<String>,
    /// The invitation (hex of its hash) that the sign-in came from: it ends when the sign-in succeeds.
    #[serde(default)]
    pub invite: Option<String>,
}

/// The row of a user's sealed columns.
pub fn user_row(user: UserId) -> String {
    user.to_string()
}

/// The row of an environment's tokens.
pub fn environment_row(environment: &tribelink_plan::ids::EnvironmentId) -> String {
    format!("environment/{environment}")
}

/// The row of something that is found by a hash: lower-case hex.
pub fn hash_row(hash: &[u8; 32]) -> String {
    hex(hash)
}

/// The row of a webhook's secret.
pub fn webhook_row(environment: &str, webhook: &str) -> String {
    format!("{environment}/{webhook}")
}

/// The row of an audit line's values.
pub fn audit_row(line: &AuditLine) -> String {
    audit_row_of(line.user, line.person)
}

/// The row of the values of an audit line about them.
pub fn audit_row_of(user: UserId, person: Option<PersonId>) -> String {
    let person = person.map_or(String::new(), |person| person.to_string());
    format!("{user}/{person}")
}

/// The row of a held item's values.
pub fn held_row(user: UserId, person: PersonId, rule: Rule) -> String {
    format!("{user}/{person}/{rule}")
}

/// The row of what a pass is about to write for a link.
pub fn ahead_row(user: UserId, person: PersonId) -> String {
    format!("{user}/{person}/ahead")
}

/// The row of this held item's values.
pub fn row_of_held(held: &Held) -> String {
    held_row(held.user, held.person, held.rule)
}
