//! Every sealed cell by its place.

use std::cmp::Ordering;

use super::state::State;
use crate::store::*;

/// Whether a place comes after another one of its column.
pub(super) fn is_behind(place: &Place, after: &Place) -> bool {
    order(place, after) == Ordering::Greater
}

/// By the keys of their rows; places of different columns are never compared.
fn order(one: &Place, other: &Place) -> Ordering {
    use Place::*;
    match (one, other) {
        (FingerprintKey(a), FingerprintKey(b))
        | (EnvironmentSettings(a), EnvironmentSettings(b))
        | (EnvironmentRefreshToken(a), EnvironmentRefreshToken(b))
        | (EnvironmentAccessToken(a), EnvironmentAccessToken(b)) => a.cmp(b),
        (WebhookSecret(a, x), WebhookSecret(b, y)) => (a, x).cmp(&(b, y)),
        (Mailbox(a), Mailbox(b))
        | (AllowMailbox(a), AllowMailbox(b))
        | (RefreshToken(a), RefreshToken(b))
        | (AccessToken(a), AccessToken(b)) => a.cmp(b),
        (SignInProof(a), SignInProof(b)) | (AnswerBody(a), AnswerBody(b)) => a.cmp(b),
        (AuditValues { id: a, .. }, AuditValues { id: b, .. })
        | (HeldValues { id: a, .. }, HeldValues { id: b, .. }) => a.cmp(b),
        (CertificateKey(a), CertificateKey(b)) => a.cmp(b),
        (LinkAhead(a, x), LinkAhead(b, y)) => (a, x).cmp(&(b, y)),
        _ => one.column().cmp(&other.column()),
    }
}

fn cells<'a, R: 'a>(
    rows: impl Iterator<Item = R>,
    cell: impl Fn(R) -> Option<(Place, &'a Sealed)>,
) -> Vec<SealedCell> {
    rows.filter_map(cell)
        .map(|(place, sealed)| SealedCell {
            place,
            sealed: sealed.clone(),
        })
        .collect()
}

impl State {
    /// Every filled cell of a column, by the keys of their rows.
    pub(super) fn sealed(&self, column: SealedColumn) -> Vec<SealedCell> {
        match column {
            SealedColumn::FingerprintKey => cells(self.environments.iter(), |(id, row)| {
                Some((Place::FingerprintKey(id.clone()), &row.fingerprint_key))
            }),
            SealedColumn::EnvironmentSettings => cells(self.environments.iter(), |(id, row)| {
                let settings = row.settings.as_ref()?;
                Some((Place::EnvironmentSettings(id.clone()), settings))
            }),
            SealedColumn::WebhookSecret => {
                cells(self.webhooks.iter(), |((environment, id), row)| {
                    let place = Place::WebhookSecret(environment.clone(), id.clone());
                    Some((place, row.secret.as_ref()?))
                })
            }
            SealedColumn::Mailbox => cells(self.users.iter(), |(id, row)| {
                Some((Place::Mailbox(*id), row.mailbox.as_ref()?))
            }),
            SealedColumn::AllowMailbox => cells(self.users.iter(), |(id, row)| {
                Some((Place::AllowMailbox(*id), row.allow_mailbox.as_ref()?))
            }),
            SealedColumn::RefreshToken => cells(self.tokens.iter(), |(id, row)| {
                Some((Place::RefreshToken(*id), &row.refresh))
            }),
            SealedColumn::AccessToken => cells(self.tokens.iter(), |(id, row)| {
                Some((Place::AccessToken(*id), &row.access))
            }),
            SealedColumn::EnvironmentRefreshToken => {
                cells(self.environment_tokens.iter(), |(id, row)| {
                    Some((Place::EnvironmentRefreshToken(id.clone()), &row.refresh))
                })
            }
            SealedColumn::EnvironmentAccessToken => {
                cells(self.environment_tokens.iter(), |(id, row)| {
                    Some((Place::EnvironmentAccessToken(id.clone()), &row.access))
                })
            }
            SealedColumn::SignInProof => cells(self.sign_ins.iter(), |(hash, row)| {
                Some((Place::SignInProof(*hash), &row.proof))
            }),
            SealedColumn::AuditValues => cells(self.audit.iter(), |(id, row)| {
                let (id, user, person) = (*id, row.user, row.person);
                Some((
                    Place::AuditValues { id, user, person },
                    row.values.as_ref()?,
                ))
            }),
            SealedColumn::HeldValues => cells(self.held.iter(), |(id, row)| {
                let place = Place::HeldValues {
                    id: *id,
                    user: row.user,
                    person: row.person,
                    rule: row.rule,
                };
                Some((place, &row.values))
            }),
            SealedColumn::AnswerBody => cells(self.answers.iter(), |(hash, (row, _))| {
                Some((Place::AnswerBody(*hash), &row.body))
            }),
            SealedColumn::CertificateKey => {
                let mut all = cells(self.certificates.iter(), |(_, row)| {
                    Some((Place::CertificateKey(row.id.clone()), &row.private_key))
                });
                // Their table is kept by number.
                all.sort_by(|one, other| order(&one.place, &other.place));
                all
            }
            SealedColumn::LinkAhead => cells(self.links.iter(), |((user, person), row)| {
                Some((Place::LinkAhead(*user, *person), row.ahead.as_ref()?))
            }),
        }
    }

    /// Seals a cell anew, where it still holds what was read.
    pub(super) fn reseal(&mut self, cell: &SealedCell, sealed: Sealed) {
        let put = |stored: &mut Sealed| {
            if *stored == cell.sealed {
                *stored = sealed.clone();
            }
        };
        let put_some = |stored: &mut Option<Sealed>| {
            if let Some(stored) = stored {
                put(stored);
            }
        };
        match &cell.place {
            Place::FingerprintKey(id) => self
                .environments
                .update(id, |row| put(&mut row.fingerprint_key)),
            Place::EnvironmentSettings(id) => self
                .environments
                .update(id, |row| put_some(&mut row.settings)),
            Place::WebhookSecret(environment, id) => {
                self.webhooks
                    .update(&(environment.clone(), id.clone()), |row| {
                        put_some(&mut row.secret);
                    })
            }
            Place::Mailbox(id) => self.users.update(id, |row| put_some(&mut row.mailbox)),
            Place::AllowMailbox(id) => self
                .users
                .update(id, |row| put_some(&mut row.allow_mailbox)),
            Place::RefreshToken(id) => self.tokens.update(id, |row| put(&mut row.refresh)),
            Place::AccessToken(id) => self.tokens.update(id, |row| put(&mut row.access)),
            Place::EnvironmentRefreshToken(id) => self
                .environment_tokens
                .update(id, |row| put(&mut row.refresh)),
            Place::EnvironmentAccessToken(id) => self
                .environment_tokens
                .update(id, |row| put(&mut row.access)),
            Place::SignInProof(hash) => self.sign_ins.update(hash, |row| put(&mut row.proof)),
            Place::AuditValues { id, .. } => self.audit.update(id, |row| put_some(&mut row.values)),
            Place::HeldValues { id, .. } => self.held.update(id, |row| put(&mut row.values)),
            Place::AnswerBody(hash) => self.answers.update(hash, |(row, _)| put(&mut row.body)),
            Place::CertificateKey(id) => {
                let found = self.certificates.values().find(|row| row.id == *id);
                let number = found.map(|row| row.number);
                number.is_some_and(|number| {
                    self.certificates
                        .update(&number, |row| put(&mut row.private_key))
                })
            }
            Place::LinkAhead(user, person) => self
                .links
                .update(&(*user, *person), |row| put_some(&mut row.ahead)),
        };
    }
}
