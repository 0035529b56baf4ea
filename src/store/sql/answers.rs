//! Answers to requests with an idempotency key.

use super::{Pool, outage, row, writing::Writing};
use crate::store::{ANSWERS_KEPT_MS, Answered, Error};

pub(in crate::store) async fn put(
    w: &mut Writing<'_>,
    key_hash: &[u8; 32],
    answered: &Answered,
    at_ms: i64,
) -> Result<(), Error> {
    let sql = sqlx::query(
        "INSERT INTO answers (key_hash, request_hash, status, sealed, at_ms)
         VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (key_hash) DO UPDATE SET
                 request_hash = excluded.request_hash,
                 status = excluded.status,
                 sealed = excluded.sealed,
                 at_ms = excluded.at_ms",
    )
    .bind(key_hash.as_slice())
    .bind(answered.request_hash.as_slice())
    .bind(i64::from(answered.status))
    .bind(answered.body.0.as_slice())
    .bind(at_ms);
    w.run(sql).await?;
    Ok(())
}

pub(in crate::store) async fn tidy(w: &mut Writing<'_>, now_ms: i64) -> Result<(), Error> {
    let sql = sqlx::query("DELETE FROM answers WHERE at_ms < $1");
    let sql = sql.bind(now_ms.saturating_sub(ANSWERS_KEPT_MS));
    w.erase(sql).await
}

pub(in crate::store) async fn get(
    pool: &Pool,
    key_hash: &[u8; 32],
    since_ms: i64,
) -> Result<Option<Answered>, Error> {
    let row = sqlx::query(
        "SELECT key_hash, request_hash, status, sealed FROM answers
         WHERE key_hash = $1 AND at_ms > $2",
    )
    .bind(key_hash.as_slice())
    .bind(since_ms)
    .fetch_optional(pool)
    .await
    .map_err(outage)?;
    row.as_ref().map(row::answered).transpose()
}
