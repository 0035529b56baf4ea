//! Answers to requests with an idempotency key.

use sqlx::SqlitePool;

use super::{outage, row, writing::Writing};
use crate::store::{ANSWERS_KEPT_MS, Answered, Error};

pub(super) async fn put(
    w: &mut Writing<'_>,
    key_hash: &[u8; 32],
    answered: &Answered,
    at_ms: i64,
) -> Result<(), Error> {
    let sql = sqlx::query(
        "INSERT OR REPLACE INTO answers (key_hash, request_hash, status, sealed, at_ms)
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(key_hash.as_slice())
    .bind(answered.request_hash.as_slice())
    .bind(i64::from(answered.status))
    .bind(answered.body.0.as_slice())
    .bind(at_ms);
    w.run(sql).await?;
    Ok(())
}

pub(super) async fn tidy(w: &mut Writing<'_>, now_ms: i64) -> Result<(), Error> {
    let sql = sqlx::query("DELETE FROM answers WHERE at_ms < ?");
    let sql = sql.bind(now_ms.saturating_sub(ANSWERS_KEPT_MS));
    if w.run(sql).await?.rows_affected() > 0 {
        w.erase();
    }
    Ok(())
}

pub(super) async fn get(
    pool: &SqlitePool,
    key_hash: &[u8; 32],
    since_ms: i64,
) -> Result<Option<Answered>, Error> {
    let row = sqlx::query(
        "SELECT key_hash, request_hash, status, sealed FROM answers
         WHERE key_hash = ? AND at_ms > ?",
    )
    .bind(key_hash.as_slice())
    .bind(since_ms)
    .fetch_optional(pool)
    .await
    .map_err(outage)?;
    row.as_ref().map(row::answered).transpose()
}
