//! The processes that share the work: with SQLite one, or a former one until it is forgotten.

use super::{row::Cells, schema, writing::Writing};
use crate::store::Error;

/// Says that `holder` lives, forgets who has been silent, and answers who lives, by name.
pub(super) async fn beat(
    w: &mut Writing<'_>,
    holder: &str,
    now_ms: i64,
    lease_ms: i64,
) -> Result<Vec<String>, Error> {
    let own =
        sqlx::query("INSERT OR REPLACE INTO replicas (holder, schema, until_ms) VALUES (?, ?, ?)")
            .bind(holder)
            .bind(schema::NEWEST)
            .bind(now_ms.saturating_add(lease_ms));
    w.run(own).await?;
    let silent = sqlx::query("DELETE FROM replicas WHERE until_ms <= ?");
    w.run(silent.bind(now_ms)).await?;
    let live = sqlx::query("SELECT holder FROM replicas ORDER BY holder");
    let rows = w.all(live).await?;
    rows.iter()
        .map(|row| Cells::of("replicas", row).text("holder"))
        .collect()
}

pub(super) async fn leave(w: &mut Writing<'_>, holder: &str) -> Result<(), Error> {
    w.run(sqlx::query("DELETE FROM replicas WHERE holder = ?").bind(holder))
        .await?;
    Ok(())
}
