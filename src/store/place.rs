//! Where sealed values rest, so that a key can be replaced while everything runs.

use tribelink_plan::{
    ids::{EnvironmentId, PersonId, UserId},
    rule::Rule,
};

use super::Sealed;

/// A sealed column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SealedColumn {
    /// [`super::Environment::fingerprint_key`]
    FingerprintKey,
    /// [`super::Environment::settings`]
    EnvironmentSettings,
    /// [`super::Webhook::secret`]
    WebhookSecret,
    /// [`super::User::mailbox`]
    Mailbox,
    /// [`super::User::allow_mailbox`]
    AllowMailbox,
    /// [`super::Tokens::refresh`] of a user
    RefreshToken,
    /// [`super::Tokens::access`] of a user
    AccessToken,
    /// [`super::Tokens::refresh`] of an environment
    EnvironmentRefreshToken,
    /// [`super::Tokens::access`] of an environment
    EnvironmentAccessToken,
    /// [`super::SignIn::proof`]
    SignInProof,
    /// [`super::AuditLine::values`]
    AuditValues,
    /// [`super::Held::values`]
    HeldValues,
    /// [`super::Answered::body`]
    AnswerBody,
    /// [`super::LinkRow::ahead`]
    LinkAhead,
    /// [`super::Certificate::private_key`]
    CertificateKey,
}

impl SealedColumn {
    /// Every one, in the order in which a rotation walks them.
    pub const ALL: [SealedColumn; 15] = [
        SealedColumn::FingerprintKey,
        SealedColumn::EnvironmentSettings,
        SealedColumn::WebhookSecret,
        SealedColumn::Mailbox,
        SealedColumn::AllowMailbox,
        SealedColumn::RefreshToken,
        SealedColumn::AccessToken,
        SealedColumn::EnvironmentRefreshToken,
        SealedColumn::EnvironmentAccessToken,
        SealedColumn::SignInProof,
        SealedColumn::AuditValues,
        SealedColumn::HeldValues,
        SealedColumn::AnswerBody,
        SealedColumn::LinkAhead,
        SealedColumn::CertificateKey,
    ];
}

/// One cell of a sealed column: the key of its row, and what else names the row that the
/// ciphertext is bound to. Within a column they are ordered by the keys alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Of an environment.
    FingerprintKey(EnvironmentId),
    /// Of an environment.
    EnvironmentSettings(EnvironmentId),
    /// Of a webhook: its environment and Tribe's id.
    WebhookSecret(EnvironmentId, String),
    /// Of a user.
    Mailbox(UserId),
    /// Of a user.
    AllowMailbox(UserId),
    /// Of a user.
    RefreshToken(UserId),
    /// Of a user.
    AccessToken(UserId),
    /// Of an environment.
    EnvironmentRefreshToken(EnvironmentId),
    /// Of an environment.
    EnvironmentAccessToken(EnvironmentId),
    /// Of a pending sign-in: the hash of its state.
    SignInProof([u8; 32]),
    /// Of an audit line.
    AuditValues {
        /// Its number; the key.
        id: i64,
        /// Whose.
        user: UserId,
        /// For whom.
        person: Option<PersonId>,
    },
    /// Of a held item.
    HeldValues {
        /// Its number; the key.
        id: i64,
        /// Whose.
        user: UserId,
        /// For whom.
        person: PersonId,
        /// By which rule.
        rule: Rule,
    },
    /// Of an answer: the hash of its idempotency key.
    AnswerBody([u8; 32]),
    /// Of a link: whose, and for whom.
    LinkAhead(UserId, PersonId),
    /// Of a certificate, by its id.
    CertificateKey(String),
}

impl Place {
    /// Its column.
    pub fn column(&self) -> SealedColumn {
        match self {
            Place::FingerprintKey(_) => SealedColumn::FingerprintKey,
            Place::EnvironmentSettings(_) => SealedColumn::EnvironmentSettings,
            Place::WebhookSecret(..) => SealedColumn::WebhookSecret,
            Place::Mailbox(_) => SealedColumn::Mailbox,
            Place::AllowMailbox(_) => SealedColumn::AllowMailbox,
            Place::RefreshToken(_) => SealedColumn::RefreshToken,
            Place::AccessToken(_) => SealedColumn::AccessToken,
            Place::EnvironmentRefreshToken(_) => SealedColumn::EnvironmentRefreshToken,
            Place::EnvironmentAccessToken(_) => SealedColumn::EnvironmentAccessToken,
            Place::SignInProof(_) => SealedColumn::SignInProof,
            Place::AuditValues { .. } => SealedColumn::AuditValues,
            Place::HeldValues { .. } => SealedColumn::HeldValues,
            Place::AnswerBody(_) => SealedColumn::AnswerBody,
            Place::LinkAhead(..) => SealedColumn::LinkAhead,
            Place::CertificateKey(_) => SealedColumn::CertificateKey,
        }
    }
}

/// What rests at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCell {
    /// Where.
    pub place: Place,
    /// What.
    pub sealed: Sealed,
}
