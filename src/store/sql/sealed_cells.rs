//! Sealed cells by their places, whatever table they stand in: for the rotation of keys alone.

use uuid::Uuid;

use super::{
    Pool, outage, row,
    writing::{Sql, Writing},
};
use crate::store::{Error, Place, Sealed, SealedCell, SealedColumn};

/// The filled cells of a column, after a key.
pub(in crate::store) async fn page(
    pool: &Pool,
    column: SealedColumn,
    after: Option<&Place>,
    limit: usize,
) -> Result<Vec<SealedCell>, Error> {
    let sql = match column {
        SealedColumn::FingerprintKey => by_text(
            "SELECT id AS k, fingerprint_key AS sealed FROM environments
             WHERE id > $1 ORDER BY id LIMIT $2",
            after,
        ),
        SealedColumn::EnvironmentSettings => by_text(
            "SELECT id AS k, settings AS sealed FROM environments
             WHERE id > $1 AND settings IS NOT NULL ORDER BY id LIMIT $2",
            after,
        ),
        SealedColumn::EnvironmentRefreshToken => by_text(
            "SELECT environment AS k, refresh AS sealed FROM environment_tokens
             WHERE environment > $1 ORDER BY environment LIMIT $2",
            after,
        ),
        SealedColumn::EnvironmentAccessToken => by_text(
            "SELECT environment AS k, access AS sealed FROM environment_tokens
             WHERE environment > $1 ORDER BY environment LIMIT $2",
            after,
        ),
        SealedColumn::WebhookSecret => {
            let (environment, id) = match after {
                Some(Place::WebhookSecret(environment, id)) => {
                    (environment.as_str().to_owned(), id.clone())
                }
                _ => (String::new(), String::new()),
            };
            sqlx::query(
                "SELECT environment AS k, id AS webhook, secret AS sealed FROM webhooks
                 WHERE (environment, id) > ($1, $2) AND secret IS NOT NULL
                 ORDER BY environment, id LIMIT $3",
            )
            .bind(environment)
            .bind(id)
        }
        SealedColumn::Mailbox => by_bytes(
            "SELECT id AS k, mailbox AS sealed FROM users
             WHERE id > $1 AND mailbox IS NOT NULL ORDER BY id LIMIT $2",
            after,
        ),
        SealedColumn::AllowMailbox => by_bytes(
            "SELECT id AS k, allow_mailbox AS sealed FROM users
             WHERE id > $1 AND allow_mailbox IS NOT NULL ORDER BY id LIMIT $2",
            after,
        ),
        SealedColumn::RefreshToken => by_bytes(
            "SELECT u.id AS k, t.refresh AS sealed FROM users u JOIN tokens t ON t.user = u.number
             WHERE u.id > $1 ORDER BY u.id LIMIT $2",
            after,
        ),
        SealedColumn::AccessToken => by_bytes(
            "SELECT u.id AS k, t.access AS sealed FROM users u JOIN tokens t ON t.user = u.number
             WHERE u.id > $1 ORDER BY u.id LIMIT $2",
            after,
        ),
        SealedColumn::SignInProof => by_bytes(
            "SELECT state_hash AS k, proof AS sealed FROM sign_ins
             WHERE state_hash > $1 ORDER BY state_hash LIMIT $2",
            after,
        ),
        SealedColumn::AnswerBody => by_bytes(
            "SELECT key_hash AS k, sealed FROM answers WHERE key_hash > $1 ORDER BY key_hash LIMIT $2",
            after,
        ),
        SealedColumn::AuditValues => by_number(
            "SELECT a.id AS k, u.id AS user, a.person, a.sealed
             FROM audit a JOIN users u ON u.number = a.user
             WHERE a.id > $1 AND a.sealed IS NOT NULL ORDER BY a.id LIMIT $2",
            after,
        ),
        SealedColumn::HeldValues => by_number(
            "SELECT h.id AS k, u.id AS user, h.person, h.rule, h.sealed
             FROM held h JOIN users u ON u.number = h.user
             WHERE h.id > $1 ORDER BY h.id LIMIT $2",
            after,
        ),
        SealedColumn::CertificateKey => by_text(
            "SELECT id AS k, private_key AS sealed FROM certificates
             WHERE id > $1 ORDER BY id LIMIT $2",
            after,
        ),
        SealedColumn::LinkAhead => {
            let (user, person) = match after {
                Some(Place::LinkAhead(user, person)) => {
                    (user.0.as_bytes().to_vec(), person.0.as_bytes().to_vec())
                }
                _ => (Vec::new(), Vec::new()),
            };
            sqlx::query(
                "SELECT u.id AS k, l.person, l.ahead AS sealed
                 FROM links l JOIN users u ON u.number = l.user
                 WHERE (u.id, l.person) > ($1, $2) AND l.ahead IS NOT NULL
                 ORDER BY u.id, l.person LIMIT $3",
            )
            .bind(user)
            .bind(person)
        }
    };
    let sql = sql.bind(row::limit(limit));
    let rows = sql.fetch_all(pool).await.map_err(outage)?;
    rows.iter()
        .map(|row| row::sealed_cell(column, row))
        .collect()
}

/// No key is empty: what comes after the empty one is everything.
fn by_text(sql: &'static str, after: Option<&Place>) -> Sql<'static> {
    let key = match after {
        Some(
            Place::FingerprintKey(id)
            | Place::EnvironmentSettings(id)
            | Place::EnvironmentRefreshToken(id)
            | Place::EnvironmentAccessToken(id),
        ) => id.as_str().to_owned(),
        Some(Place::CertificateKey(id)) => id.clone(),
        _ => String::new(),
    };
    sqlx::query(sql).bind(key)
}

fn by_bytes(sql: &'static str, after: Option<&Place>) -> Sql<'static> {
    let key = match after {
        Some(
            Place::Mailbox(id)
            | Place::AllowMailbox(id)
            | Place::RefreshToken(id)
            | Place::AccessToken(id),
        ) => id.0.as_bytes().to_vec(),
        Some(Place::SignInProof(hash) | Place::AnswerBody(hash)) => hash.to_vec(),
        _ => Vec::new(),
    };
    sqlx::query(sql).bind(key)
}

fn by_number(sql: &'static str, after: Option<&Place>) -> Sql<'static> {
    let key = match after {
        Some(Place::AuditValues { id, .. } | Place::HeldValues { id, .. }) => *id,
        _ => 0,
    };
    sqlx::query(sql).bind(key)
}

/// Seals a cell anew, where it still holds what was read.
pub(in crate::store) async fn reseal(
    w: &mut Writing<'_>,
    cell: &SealedCell,
    sealed: &Sealed,
) -> Result<(), Error> {
    let text = |sql: &'static str, key: &str| sqlx::query(sql).bind(key.to_owned());
    let bytes = |sql: &'static str, key: &[u8]| sqlx::query(sql).bind(key.to_vec());
    let user = |sql: &'static str, id: &Uuid| bytes(sql, id.as_bytes());
    // $1 is the row's key, $2 what was read, $3 what it becomes.
    let sql: Sql<'_> = match &cell.place {
        Place::FingerprintKey(id) => text(
            "UPDATE environments SET fingerprint_key = $3 WHERE id = $1 AND fingerprint_key = $2",
            id.as_str(),
        ),
        Place::EnvironmentSettings(id) => text(
            "UPDATE environments SET settings = $3 WHERE id = $1 AND settings = $2",
            id.as_str(),
        ),
        Place::EnvironmentRefreshToken(id) => text(
            "UPDATE environment_tokens SET refresh = $3 WHERE environment = $1 AND refresh = $2",
            id.as_str(),
        ),
        Place::EnvironmentAccessToken(id) => text(
            "UPDATE environment_tokens SET access = $3 WHERE environment = $1 AND access = $2",
            id.as_str(),
        ),
        Place::WebhookSecret(environment, _) => text(
            "UPDATE webhooks SET secret = $3 WHERE environment = $1 AND secret = $2 AND id = $4",
            environment.as_str(),
        ),
        Place::Mailbox(id) => user(
            "UPDATE users SET mailbox = $3 WHERE id = $1 AND mailbox = $2",
            &id.0,
        ),
        Place::AllowMailbox(id) => user(
            "UPDATE users SET allow_mailbox = $3 WHERE id = $1 AND allow_mailbox = $2",
            &id.0,
        ),
        Place::RefreshToken(id) => user(
            r#"UPDATE tokens SET refresh = $3
             WHERE "user" = (SELECT number FROM users WHERE id = $1) AND refresh = $2"#,
            &id.0,
        ),
        Place::AccessToken(id) => user(
            r#"UPDATE tokens SET access = $3
             WHERE "user" = (SELECT number FROM users WHERE id = $1) AND access = $2"#,
            &id.0,
        ),
        Place::SignInProof(hash) => bytes(
            "UPDATE sign_ins SET proof = $3 WHERE state_hash = $1 AND proof = $2",
            hash,
        ),
        Place::AnswerBody(hash) => bytes(
            "UPDATE answers SET sealed = $3 WHERE key_hash = $1 AND sealed = $2",
            hash,
        ),
        Place::AuditValues { id, .. } => {
            sqlx::query("UPDATE audit SET sealed = $3 WHERE id = $1 AND sealed = $2").bind(*id)
        }
        Place::HeldValues { id, .. } => {
            sqlx::query("UPDATE held SET sealed = $3 WHERE id = $1 AND sealed = $2").bind(*id)
        }
        Place::CertificateKey(id) => text(
            "UPDATE certificates SET private_key = $3 WHERE id = $1 AND private_key = $2",
            id.as_str(),
        ),
        Place::LinkAhead(id, _) => user(
            r#"UPDATE links SET ahead = $3
             WHERE "user" = (SELECT number FROM users WHERE id = $1) AND ahead = $2 AND person = $4"#,
            &id.0,
        ),
    };
    let sql = sql.bind(cell.sealed.0.as_slice()).bind(sealed.0.as_slice());
    let sql = match &cell.place {
        Place::WebhookSecret(_, id) => sql.bind(id.as_str()),
        Place::LinkAhead(_, person) => sql.bind(person.0.as_bytes().as_slice()),
        _ => sql,
    };
    // What a lost key opened must not outlive the rotation in the log.
    w.erase(sql).await
}
