//! The rows that people read: the audit, what waits for a decision, what could not be done, previews,
//! alerts, answers.

use serde::{Deserialize, Serialize};
use tribelink_plan::{
    field::Field,
    ids::{ContactId, EnvironmentId, PersonId, UserId},
    rule::Rule,
};

use super::model::{Sealed, Source};

/// Which way a write went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditDirection {
    /// To Outlook.
    ToOutlook,
    /// To Tribe.
    ToTribe,
    /// A change of a link or a decision; nothing was written.
    None,
}

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// Its number; 0 for a new one.
    pub id: i64,
    /// When.
    pub at_ms: i64,
    /// Whose environment.
    pub environment: EnvironmentId,
    /// Whose.
    pub user: UserId,
    /// For whom.
    pub person: Option<PersonId>,
    /// Which contact.
    pub contact: Option<ContactId>,
    /// Why.
    pub rule: Rule,
    /// Which way.
    pub direction: AuditDirection,
    /// What caused the look.
    pub cause: Source,
    /// Which fields.
    pub fields: Vec<Field>,
    /// Before, after and lost values by field (JSON), sealed, while the undo window lasts.
    pub values: Option<Sealed>,
    /// A word more, such as `created`, `adopted`, `unlinked`, `flagged`.
    pub note: Option<String>,
    /// The leased run over the lane that wrote it: the lease's fencing number; 0 outside of one.
    pub pass: i64,
}

impl AuditLine {
    /// The note of a contact that was made; no undo deletes one.
    pub const CREATED: &str = "created";
    /// How the note of an undo begins; the numbers of the lines follow.
    pub const UNDO_OF: &str = "undo of";

    /// Whether an undo wrote it.
    pub fn is_undo(&self) -> bool {
        let note = self.note.as_deref();
        note.is_some_and(|note| note.starts_with(AuditLine::UNDO_OF))
    }
}

/// Which audit lines.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of this user.
    pub user: Option<UserId>,
    /// Of this person.
    pub person: Option<PersonId>,
    /// By this rule.
    pub rule: Option<Rule>,
    /// Of this leased run (see [`AuditLine::pass`]); together with `user`.
    pub pass: Option<i64>,
    /// At this time or later.
    pub since_ms: Option<i64>,
    /// Before this time.
    pub until_ms: Option<i64>,
}

impl AuditFilter {
    /// Whether a line is one of these.
    pub fn takes(&self, line: &AuditLine) -> bool {
        self.user.is_none_or(|user| line.user == user)
            && self.person.is_none_or(|person| line.person == Some(person))
            && self.rule.is_none_or(|rule| line.rule == rule)
            && self.pass.is_none_or(|pass| line.pass == pass)
            && self.since_ms.is_none_or(|since| line.at_ms >= since)
            && self.until_ms.is_none_or(|until| line.at_ms < until)
    }
}

/// A change that waits for a decision. One per (user, person, rule).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its number; 0 for a new one.
    pub id: i64,
    /// Whose environment.
    pub environment: EnvironmentId,
    /// Whose.
    pub user: UserId,
    /// For whom.
    pub person: PersonId,
    /// R6 or R16.
    pub rule: Rule,
    /// Which fields.
    pub fields: Vec<Field>,
    /// Both sides' values by field (JSON), sealed.
    pub values: Sealed,
    /// What a person decided: `Some(true)` lets Outlook's through, `Some(false)` restores Tribe's.
    pub accepted: Option<bool>,
    /// Since when.
    pub created_ms: i64,
}

/// Something that could not be done. One per (user, person, field).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Its number; 0 for a new one.
    pub id: i64,
    /// Whose environment.
    pub environment: EnvironmentId,
    /// Whose.
    pub user: UserId,
    /// For whom, where a person is concerned.
    pub person: Option<PersonId>,
    /// A field's name, or empty.
    pub field: String,
    /// Why, in words for people, without values.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when.
    pub created_ms: i64,
}

/// The head of a preview.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Whether it is complete.
    pub ready: bool,
    /// How many would be created.
    pub create: u64,
    /// Adopted.
    pub adopt: u64,
    /// Skipped.
    pub skip: u64,
    /// When it was made.
    pub made_ms: i64,
}

/// One person of a preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewItem {
    /// Who.
    pub person: PersonId,
    /// `create`, `adopt` or `skip`.
    pub action: String,
    /// By which rule.
    pub rule: Rule,
    /// Why, without values.
    pub reason: String,
}

/// Something that needs an administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What it is about: a word such as `employee_left`, and whom; raising it again changes nothing.
    pub key: String,
    /// Whose environment.
    pub environment: EnvironmentId,
    /// Whose user.
    pub user: Option<UserId>,
    /// What to do, without personal data.
    pub message: String,
    /// Since when.
    pub since_ms: i64,
}

/// The answer that a request with an idempotency key got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// SHA-256 of who asked, method, path and body.
    pub request_hash: [u8; 32],
    /// HTTP status.
    pub status: u16,
    /// The body, sealed: it may hold a consent link.
    pub body: Sealed,
}
