//! The processes that share the work.

use super::{row::Cells, schema, writing::Writing};
use crate::store::Error;

/// Says that `holder` lives, forgets who has been silent, and answers who lives, by name.
pub(super) async fn beat(
    w: &mut Writing<'_>,
    holder: &str,
    now_ms: i64,
    lease_ms: i64,
) -> Result<Vec<String>, Error> {
    let time = w.time(now_ms);
    let own = sqlx::query(
        "INSERT INTO replicas (holder, schema, until_ms)
         VALUES ($1, $2, later(lease_now($4), $3))
         ON CONFLICT (holder) DO UPDATE SET
             schema = excluded.schema, until_ms = excluded.until_ms",
    )
    .bind(holder)
    .bind(schema::NEWEST)
    .bind(lease_ms)
    .bind(time);
    w.run(own).await?;
    // Whoever else is at it does the same.
    let silent = sqlx::query(
        "DELETE FROM replicas WHERE holder IN (
             SELECT holder FROM replicas WHERE until_ms <= lease_now($1) FOR UPDATE SKIP LOCKED)",
    );
    w.run(silent.bind(time)).await?;
    let live =
        sqlx::query("SELECT holder FROM replicas WHERE until_ms > lease_now($1) ORDER BY holder");
    let rows = w.all(live.bind(time)).await?;
    rows.iter()
        .map(|row| Cells::of("replicas", row).text("holder"))
        .collect()
}

pub(super) async fn leave(w: &mut Writing<'_>, holder: &str) -> Result<(), Error> {
    w.run(sqlx::query("DELETE FROM replicas WHERE holder = $1").bind(holder))
        .await?;
    Ok(())
}
