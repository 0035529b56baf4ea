//! Certificates that the contents of notifications are sealed for.

use super::{Pool, outage, row, writing::Writing};
use crate::store::{Certificate, Error};

/// Keeps the next one: a number or an id that is taken is a conflict.
pub(in crate::store) async fn put(w: &mut Writing<'_>, row: &Certificate) -> Result<(), Error> {
    let sql = sqlx::query(
        "INSERT INTO certificates (number, id, certificate, private_key, created_ms, until_ms)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(row.number)
    .bind(row.id.as_str())
    .bind(row.certificate.as_slice())
    .bind(row.private_key.0.as_slice())
    .bind(row.created_ms)
    .bind(row.until_ms);
    w.must(sql, "certificate").await
}

/// Erases those with a lower number that no live subscription names.
pub(in crate::store) async fn tidy(
    w: &mut Writing<'_>,
    below: i64,
    now_ms: i64,
) -> Result<(), Error> {
    let sql = sqlx::query(
        "DELETE FROM certificates WHERE number < $1 AND NOT EXISTS (
             SELECT 1 FROM subscriptions s
             WHERE s.certificate = certificates.id AND s.expires_ms > $2)",
    );
    w.erase(sql.bind(below).bind(now_ms)).await
}

pub(in crate::store) async fn all(pool: &Pool) -> Result<Vec<Certificate>, Error> {
    let rows = sqlx::query(
        "SELECT number, id, certificate, private_key, created_ms, until_ms
         FROM certificates ORDER BY number",
    )
    .fetch_all(pool)
    .await
    .map_err(outage)?;
    rows.iter().map(row::certificate).collect()
}
