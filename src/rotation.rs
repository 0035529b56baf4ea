//! Sealing anew under the current key, page by page, while everything runs.
//!
//! Replacing a key: put the new one in front of the ring, restart, walk all pages, and once a walk
//! finds nothing under another key, take the old one out. A walk holds no lock: a cell that changed
//! since it was read is left alone, since whoever wrote it chose a key itself. What a slower writer
//! puts back under the old key, another walk finds.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tribelink_plan::{
    ids::{EnvironmentId, PersonId, UserId},
    rule::Rule,
};
use uuid::Uuid;

use crate::{
    sealed::{self, environment_row, hash_row, hex, unhex32, user_row, webhook_row},
    store::{self, Change, Guard, Place, SealedCell, SealedColumn, Store},
    vault::{self, Vault, column},
};

/// Cells of a page: one commit, some milliseconds.
pub const PAGE: usize = 200;

/// What became of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turned {
    /// Cells looked at.
    pub checked: usize,
    /// Cells sealed anew.
    pub resealed: usize,
    /// What does not open, and why; it stays as it is.
    pub refused: Vec<vault::Error>,
    /// After which place the next page starts; `None` after the last one.
    pub next: Option<Cursor>,
}

/// Where a walk goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// At the first cell of a column.
    Column(SealedColumn),
    /// Behind a cell.
    Behind(Place),
}

/// Turns one page: the cells after `cursor`, at most [`PAGE`], in one commit.
///
/// # Errors
/// The store could not be read or written: safe to repeat. A cell that does not open is no error;
/// it is told of in [`Turned::refused`].
pub async fn turn(
    store: &dyn Store,
    vault: &Vault,
    cursor: Option<Cursor>,
) -> Result<Turned, store::Error> {
    let cursor = cursor.unwrap_or(Cursor::Column(SealedColumn::ALL[0]));
    let (column, after) = match cursor {
        Cursor::Column(column) => (column, None),
        Cursor::Behind(place) => (place.column(), Some(place)),
    };
    let cells = store.sealed(column, after.as_ref(), PAGE).await?;
    let next = match cells.last() {
        Some(last) if cells.len() == PAGE => Some(Cursor::Behind(last.place.clone())),
        _ => behind(column).map(Cursor::Column),
    };
    let mut turned = Turned {
        checked: cells.len(),
        next,
        ..Turned::default()
    };
    let mut changes = Vec::new();
    for cell in cells {
        match reseal(vault, &cell) {
            Ok(None) => {}
            Ok(Some(sealed)) => changes.push(Change::Reseal { cell, sealed }),
            Err(error) => turned.refused.push(error),
        }
    }
    turned.resealed = changes.len();
    if !changes.is_empty() {
        store.commit(&Guard::None, changes).await?;
    }
    Ok(turned)
}

fn behind(column: SealedColumn) -> Option<SealedColumn> {
    let at = SealedColumn::ALL
        .iter()
        .position(|known| *known == column)?;
    SealedColumn::ALL.get(at + 1).copied()
}

fn reseal(vault: &Vault, cell: &SealedCell) -> Result<Option<store::Sealed>, vault::Error> {
    let (column, row) = bound(&cell.place);
    vault.reseal(column, &row, &cell.sealed)
}

/// What a place's ciphertext is bound to.
pub fn bound(place: &Place) -> (&'static str, String) {
    match place {
        Place::FingerprintKey(id) => (column::FINGERPRINT_KEY, id.to_string()),
        Place::EnvironmentSettings(id) => (column::ENVIRONMENT_SETTINGS, id.to_string()),
        Place::WebhookSecret(environment, id) => (
            column::WEBHOOK_SECRET,
            webhook_row(environment.as_str(), id),
        ),
        Place::Mailbox(user) => (column::MAILBOX, user_row(*user)),
        Place::AllowMailbox(user) => (column::ALLOW_MAILBOX, user_row(*user)),
        Place::RefreshToken(user) => (column::REFRESH_TOKEN, user_row(*user)),
        Place::AccessToken(user) => (column::ACCESS_TOKEN, user_row(*user)),
        Place::EnvironmentRefreshToken(id) => (column::REFRESH_TOKEN, environment_row(id)),
        Place::EnvironmentAccessToken(id) => (column::ACCESS_TOKEN, environment_row(id)),
        Place::SignInProof(hash) => (column::SIGN_IN_PROOF, hash_row(hash)),
        Place::AuditValues { user, person, .. } => {
            (column::AUDIT_VALUES, sealed::audit_row_of(*user, *person))
        }
        Place::HeldValues {
            user, person, rule, ..
        } => (column::HELD_VALUES, sealed::held_row(*user, *person, *rule)),
        Place::AnswerBody(hash) => (column::ANSWER_BODY, hash_row(hash)),
        Place::LinkAhead(user, person) => (column::LINK_AHEAD, sealed::ahead_row(*user, *person)),
        Place::CertificateKey(id) => (column::CERTIFICATE_KEY, id.clone()),
    }
}

impl Cursor {
    /// A text that [`Cursor::parse`] reads: opaque to whoever carries it.
    pub fn text(&self) -> String {
        let (column, key) = match self {
            Cursor::Column(column) => (*column, None),
            Cursor::Behind(place) => (place.column(), Some(key(place))),
        };
        let at = SealedColumn::ALL.iter().position(|known| *known == column);
        let at = at.unwrap_or(SealedColumn::ALL.len());
        URL_SAFE_NO_PAD.encode(match key {
            None => at.to_string(),
            Some(key) => format!("{at}/{key}"),
        })
    }

    /// Reads one back; `None` for what is none. The key alone counts, so that a held item's rule or an
    /// audit line's user are not carried along.
    pub fn parse(text: &str) -> Option<Cursor> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (at, key) = match text.split_once('/') {
            Some((at, key)) => (at, Some(key)),
            None => (text.as_str(), None),
        };
        let column = *SealedColumn::ALL.get(at.parse::<usize>().ok()?)?;
        match key {
            None => Some(Cursor::Column(column)),
            Some(key) => place(column, key).map(Cursor::Behind),
        }
    }
}

fn key(place: &Place) -> String {
    match place {
        Place::FingerprintKey(id)
        | Place::EnvironmentSettings(id)
        | Place::EnvironmentRefreshToken(id)
        | Place::EnvironmentAccessToken(id) => id.to_string(),
        Place::WebhookSecret(environment, id) => format!("{environment}/{id}"),
        Place::Mailbox(user)
        | Place::AllowMailbox(user)
        | Place::RefreshToken(user)
        | Place::AccessToken(user) => user.to_string(),
        Place::SignInProof(hash) | Place::AnswerBody(hash) => hex(hash),
        Place::AuditValues { id, .. } | Place::HeldValues { id, .. } => id.to_string(),
        Place::LinkAhead(user, person) => format!("{user}/{person}"),
        Place::CertificateKey(id) => id.clone(),
    }
}

fn place(column: SealedColumn, key: &str) -> Option<Place> {
    let user = || key.parse::<Uuid>().ok().map(UserId);
    let environment = || EnvironmentId::from(key);
    Some(match column {
        SealedColumn::FingerprintKey => Place::FingerprintKey(environment()),
        SealedColumn::EnvironmentSettings => Place::EnvironmentSettings(environment()),
        SealedColumn::EnvironmentRefreshToken => Place::EnvironmentRefreshToken(environment()),
        SealedColumn::EnvironmentAccessToken => Place::EnvironmentAccessToken(environment()),
        SealedColumn::WebhookSecret => {
            let (environment, id) = key.split_once('/')?;
            Place::WebhookSecret(EnvironmentId::from(environment), id.to_owned())
        }
        SealedColumn::Mailbox => Place::Mailbox(user()?),
        SealedColumn::AllowMailbox => Place::AllowMailbox(user()?),
        SealedColumn::RefreshToken => Place::RefreshToken(user()?),
        SealedColumn::AccessToken => Place::AccessToken(user()?),
        SealedColumn::SignInProof => Place::SignInProof(unhex32(key)?),
        SealedColumn::AnswerBody => Place::AnswerBody(unhex32(key)?),
        SealedColumn::AuditValues => Place::AuditValues {
            id: key.parse().ok()?,
            user: UserId(Uuid::nil()),
            person: None,
        },
        SealedColumn::HeldValues => Place::HeldValues {
            id: key.parse().ok()?,
            user: UserId(Uuid::nil()),
            person: PersonId(Uuid::nil()),
            rule: Rule::R6,
        },
        SealedColumn::CertificateKey => Place::CertificateKey(key.to_owned()),
        SealedColumn::LinkAhead => {
            let (user, person) = key.split_once('/')?;
            Place::LinkAhead(UserId(user.parse().ok()?), PersonId(person.parse().ok()?))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_on_where_it_was_made_and_nothing_else_is_one() {
        let user = UserId(Uuid::from_u128(7));
        let cursors = [
            Cursor::Column(SealedColumn::FingerprintKey),
            Cursor::Column(SealedColumn::AnswerBody),
            Cursor::Behind(Place::WebhookSecret("acme".into(), "a/b".to_owned())),
            Cursor::Behind(Place::AccessToken(user)),
            Cursor::Behind(Place::EnvironmentRefreshToken("acme".into())),
            Cursor::Behind(Place::AnswerBody([9; 32])),
            Cursor::Behind(Place::LinkAhead(user, PersonId(Uuid::from_u128(8)))),
            Cursor::Behind(Place::CertificateKey("id_-7".to_owned())),
            Cursor::Behind(Place::AuditValues {
                id: 12,
                user: UserId(Uuid::nil()),
                person: None,
            }),
        ];
        for cursor in cursors {
            assert_eq!(Cursor::parse(&cursor.text()), Some(cursor));
        }
        for wrong in ["", "15", "13/x", "-1", "x", "3/x", "9/zz", "10/x", "2/only"] {
            let text = URL_SAFE_NO_PAD.encode(wrong);
            assert_eq!(Cursor::parse(&text), None, "{wrong}");
        }
        assert_eq!(Cursor::parse("%%"), None);
    }

    #[test]
    fn no_two_columns_are_bound_alike() {
        let user = UserId(Uuid::from_u128(7));
        let id = EnvironmentId::from("acme");
        let places = [
            Place::FingerprintKey(id.clone()),
            Place::EnvironmentSettings(id.clone()),
            Place::WebhookSecret(id.clone(), "w".to_owned()),
            Place::Mailbox(user),
            Place::AllowMailbox(user),
            Place::RefreshToken(user),
            Place::AccessToken(user),
            Place::EnvironmentRefreshToken(id.clone()),
            Place::EnvironmentAccessToken(id),
            Place::SignInProof([1; 32]),
            Place::AuditValues {
                id: 1,
                user,
                person: None,
            },
            Place::HeldValues {
                id: 1,
                user,
                person: PersonId(Uuid::nil()),
                rule: Rule::R6,
            },
            Place::AnswerBody([1; 32]),
            Place::LinkAhead(user, PersonId(Uuid::nil())),
            Place::CertificateKey("c".to_owned()),
        ];
        let columns: std::collections::HashSet<_> = places.iter().map(Place::column).collect();
        assert_eq!(columns.len(), SealedColumn::ALL.len());
        let bounds: std::collections::HashSet<_> = places.iter().map(bound).collect();
        assert_eq!(bounds.len(), places.len());
        // A column that is sealed and that no walk comes to would be lost with the old key.
        let listed = include_str!("vault/column.rs").lines();
        for line in listed.filter(|line| line.starts_with("pub const")) {
            let name = line.split('"').nth(1).expect("a name");
            assert!(bounds.iter().any(|(column, _)| *column == name), "{name}");
        }
    }
}
