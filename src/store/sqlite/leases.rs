//! Leases, and the lanes that wait for one.

use sqlx::SqlitePool;
use tribelink_plan::ids::{EnvironmentId, UserId};

use super::{
    outage,
    row::{self, Cells},
    writing::Writing,
};
use crate::store::{Error, Lane, Lease};

/// The lane's key, which the queries below build and take apart again.
fn key(lane: &Lane) -> String {
    match lane {
        Lane::Environment(id) => format!("environment/{id}"),
        Lane::Mailbox(id) => format!("mailbox/{}", row::hex(id.0.as_bytes())),
    }
}

pub(super) async fn claim(
    w: &mut Writing<'_>,
    lane: &Lane,
    holder: &str,
    now_ms: i64,
    lease_ms: i64,
) -> Result<Option<Lease>, Error> {
    let until_ms = now_ms.saturating_add(lease_ms);
    let row = w
        .one(
            sqlx::query(
                "INSERT INTO leases (lane, holder, fence, until_ms) VALUES (?1, ?2, 1, ?3)
                 ON CONFLICT (lane) DO UPDATE
                     SET holder = ?2, fence = fence + 1, until_ms = ?3 WHERE until_ms <= ?4
                 RETURNING lane, fence",
            )
            .bind(key(lane))
            .bind(holder)
            .bind(until_ms)
            .bind(now_ms),
        )
        .await?;
    row.map(|row| {
        Ok(Lease {
            lane: lane.clone(),
            holder: holder.to_owned(),
            fence: Cells::of("leases", &row).int("fence")?,
            until_ms,
        })
    })
    .transpose()
}

pub(super) async fn renew(
    w: &mut Writing<'_>,
    lease: &Lease,
    now_ms: i64,
    lease_ms: i64,
) -> Result<Option<Lease>, Error> {
    let until_ms = now_ms.saturating_add(lease_ms);
    let done = w
        .run(
            sqlx::query(
                "UPDATE leases SET until_ms = ?
                 WHERE lane = ? AND holder = ? AND fence = ? AND until_ms > ?",
            )
            .bind(until_ms)
            .bind(key(&lease.lane))
            .bind(lease.holder.as_str())
            .bind(lease.fence)
            .bind(now_ms),
        )
        .await?;
    Ok((done.rows_affected() > 0).then(|| Lease {
        until_ms,
        ..lease.clone()
    }))
}

pub(super) async fn release(w: &mut Writing<'_>, lease: &Lease) -> Result<(), Error> {
    w.run(
        sqlx::query("UPDATE leases SET until_ms = ? WHERE lane = ? AND holder = ? AND fence = ?")
            .bind(i64::MIN)
            .bind(key(&lease.lane))
            .bind(lease.holder.as_str())
            .bind(lease.fence),
    )
    .await?;
    Ok(())
}

const HOLDS: &str = "SELECT lane FROM leases
    WHERE lane = ? AND holder = ? AND fence = ? AND until_ms > ?";

/// Whether a commit under way may go on.
pub(super) async fn holds(w: &mut Writing<'_>, lease: &Lease, now_ms: i64) -> Result<bool, Error> {
    let sql = sqlx::query(HOLDS)
        .bind(key(&lease.lane))
        .bind(lease.holder.as_str())
        .bind(lease.fence)
        .bind(now_ms);
    Ok(w.one(sql).await?.is_some())
}

pub(super) async fn is_held(pool: &SqlitePool, lease: &Lease, now_ms: i64) -> Result<bool, Error> {
    let row = sqlx::query(HOLDS)
        .bind(key(&lease.lane))
        .bind(lease.holder.as_str())
        .bind(lease.fence)
        .bind(now_ms)
        .fetch_optional(pool)
        .await
        .map_err(outage)?;
    Ok(row.is_some())
}

const DUE_ENVIRONMENTS: &str = "SELECT id, due_ms FROM environments e
     WHERE due_ms <= ?1 AND due_ms < 9223372036854775807
       AND NOT EXISTS (SELECT 1 FROM leases
                       WHERE lane = 'environment/' || e.id AND until_ms > ?1)
     ORDER BY due_ms, id LIMIT ?2";

const DUE_MAILBOXES: &str = "SELECT id, due_ms FROM users u
     WHERE due_ms <= ?1 AND due_ms < 9223372036854775807
       AND NOT EXISTS (SELECT 1 FROM leases
                       WHERE lane = 'mailbox/' || lower(hex(u.id)) AND until_ms > ?1)
     ORDER BY due_ms, id LIMIT ?2";

/// Of the lanes without a live lease the first by due time decides; the leased ones are few.
const NEXT: &str = "SELECT min(ms) AS ms FROM (
         SELECT ms FROM (
             SELECT max(due_ms, ?1) AS ms FROM environments e
             WHERE due_ms < 9223372036854775807
               AND NOT EXISTS (SELECT 1 FROM leases
                               WHERE lane = 'environment/' || e.id AND until_ms > ?1)
             ORDER BY due_ms LIMIT 1)
         UNION ALL
         SELECT ms FROM (
             SELECT max(due_ms, ?1) AS ms FROM users u
             WHERE due_ms < 9223372036854775807
               AND NOT EXISTS (SELECT 1 FROM leases
                               WHERE lane = 'mailbox/' || lower(hex(u.id)) AND until_ms > ?1)
             ORDER BY due_ms LIMIT 1)
         UNION ALL
         SELECT max(e.due_ms, l.until_ms)
         FROM leases l CROSS JOIN environments e ON e.id = substr(l.lane, 13)
         WHERE l.until_ms > ?1 AND l.lane GLOB 'environment/*'
           AND e.due_ms < 9223372036854775807
         UNION ALL
         SELECT max(u.due_ms, l.until_ms)
         FROM leases l CROSS JOIN users u ON u.id = unhex(substr(l.lane, 9))
         WHERE l.until_ms > ?1 AND l.lane GLOB 'mailbox/*'
           AND u.due_ms < 9223372036854775807
     )";

pub(super) async fn due(pool: &SqlitePool, now_ms: i64, limit: usize) -> Result<Vec<Lane>, Error> {
    let mut lanes = Vec::new();
    let bound = sqlx::query(DUE_ENVIRONMENTS)
        .bind(now_ms)
        .bind(row::limit(limit));
    for row in bound.fetch_all(pool).await.map_err(outage)? {
        let cells = Cells::of("environments", &row);
        let lane = Lane::Environment(EnvironmentId(cells.text("id")?));
        lanes.push((cells.int("due_ms")?, lane));
    }
    let bound = sqlx::query(DUE_MAILBOXES)
        .bind(now_ms)
        .bind(row::limit(limit));
    for row in bound.fetch_all(pool).await.map_err(outage)? {
        let cells = Cells::of("users", &row);
        let lane = Lane::Mailbox(UserId(cells.uuid("id")?));
        lanes.push((cells.int("due_ms")?, lane));
    }
    lanes.sort();
    lanes.truncate(limit);
    Ok(lanes.into_iter().map(|(_, lane)| lane).collect())
}

pub(super) async fn next(pool: &SqlitePool, now_ms: i64) -> Result<Option<i64>, Error> {
    let row = sqlx::query(NEXT)
        .bind(now_ms)
        .fetch_one(pool)
        .await
        .map_err(outage)?;
    Cells::of("leases", &row).int_or_none("ms")
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, sqlite::SqliteConnectOptions};

    use super::*;
    use crate::store::sqlite::schema;

    /// With 10,000 users and 100,000 hints a query that walks a table is felt on every wake-up.
    #[tokio::test]
    async fn looking_for_due_lanes_walks_no_table_and_sorts_nothing() {
        let mut conn = SqliteConnectOptions::new()
            .in_memory(true)
            .connect()
            .await
            .unwrap();
        schema::migrate(&mut conn).await.unwrap();
        for sql in [DUE_ENVIRONMENTS, DUE_MAILBOXES, NEXT] {
            let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
                .fetch_all(&mut conn)
                .await
                .unwrap();
            let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
            // The one scan there may be is over the rows of a subquery, or along the due index.
            let walks = steps.iter().filter(|step| {
                step.starts_with("SCAN ") && !step.contains("_by_due") && !step.contains("subquery")
            });
            assert_eq!(
                walks.collect::<Vec<_>>(),
                Vec::<&String>::new(),
                "{steps:#?}"
            );
            let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE"));
            assert!(!sorts, "{steps:#?}");
        }
    }
}
