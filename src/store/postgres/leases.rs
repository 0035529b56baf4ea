//! Leases, and the lanes that wait for one.
//!
//! What a lease's end is compared with is the database's clock: replicas whose clocks differ still
//! agree on who holds what. The end that a caller gets is in its own clock, counted from before the
//! statement was sent, so it comes no later than the database's.

use sqlx::PgPool;
use tribelink_plan::ids::{EnvironmentId, UserId};

use super::{
    Time, outage,
    row::{self, Cells},
    writing::Writing,
};
use crate::store::{Error, Lane, Lease};

/// The lane's key, which the queries below build and take apart again.
pub(super) fn key(lane: &Lane) -> String {
    match lane {
        Lane::Environment(id) => format!("environment/{id}"),
        Lane::Mailbox(id) => format!("mailbox/{}", row::hex(id.0.as_bytes())),
    }
}

/// The lane of a key.
pub(super) fn lane_of(key: &str) -> Option<Lane> {
    let (kind, id) = key.split_once('/')?;
    match kind {
        "environment" => Some(Lane::Environment(EnvironmentId(id.to_owned()))),
        "mailbox" => uuid::Uuid::try_parse(id)
            .ok()
            .map(|id| Lane::Mailbox(UserId(id))),
        _ => None,
    }
}

/// A lane that another transaction works with at this moment counts as taken.
pub(super) async fn claim(
    w: &mut Writing<'_>,
    lane: &Lane,
    holder: &str,
    now_ms: i64,
    lease_ms: i64,
) -> Result<Option<Lease>, Error> {
    let time = w.time(now_ms);
    let again = sqlx::query(
        "WITH free AS (
             SELECT lane, lease_now($4) AS now FROM leases
             WHERE lane = $1 AND until_ms <= lease_now($4)
             FOR UPDATE SKIP LOCKED
         )
         UPDATE leases SET holder = $2, fence = fence + 1, until_ms = later(free.now, $3)
         FROM free WHERE leases.lane = free.lane
         RETURNING leases.lane, fence",
    );
    let first = sqlx::query(
        "INSERT INTO leases (lane, holder, fence, until_ms)
         VALUES ($1, $2, 1, later(lease_now($4), $3))
         ON CONFLICT (lane) DO NOTHING
         RETURNING lane, fence",
    );
    for sql in [again, first] {
        let sql = sql.bind(key(lane)).bind(holder).bind(lease_ms).bind(time);
        if let Some(row) = w.one(sql).await? {
            return Ok(Some(Lease {
                lane: lane.clone(),
                holder: holder.to_owned(),
                fence: Cells::of("leases", &row).int("fence")?,
                until_ms: now_ms.saturating_add(lease_ms),
            }));
        }
    }
    Ok(None)
}

pub(super) async fn renew(
    w: &mut Writing<'_>,
    lease: &Lease,
    now_ms: i64,
    lease_ms: i64,
) -> Result<Option<Lease>, Error> {
    let time = w.time(now_ms);
    let done = w
        .run(
            sqlx::query(
                "UPDATE leases SET until_ms = later(lease_now($5), $4)
                 WHERE lane = $1 AND holder = $2 AND fence = $3 AND until_ms > lease_now($5)",
            )
            .bind(key(&lease.lane))
            .bind(lease.holder.as_str())
            .bind(lease.fence)
            .bind(lease_ms)
            .bind(time),
        )
        .await?;
    Ok((done.rows_affected() > 0).then(|| Lease {
        until_ms: now_ms.saturating_add(lease_ms),
        ..lease.clone()
    }))
}

pub(super) async fn release(w: &mut Writing<'_>, lease: &Lease) -> Result<(), Error> {
    w.run(
        sqlx::query(
            "UPDATE leases SET until_ms = $1 WHERE lane = $2 AND holder = $3 AND fence = $4",
        )
        .bind(i64::MIN)
        .bind(key(&lease.lane))
        .bind(lease.holder.as_str())
        .bind(lease.fence),
    )
    .await?;
    Ok(())
}

/// Whether a commit under way may go on. The lease's row stays locked until the commit's end, so
/// that nobody takes the lane over between this check and the commit. The setting tells triggers, such
/// as those of `scripts/replicas`, under which lease a row is written.
pub(super) async fn holds(w: &mut Writing<'_>, lease: &Lease, now_ms: i64) -> Result<bool, Error> {
    let time = w.time(now_ms);
    let sql = sqlx::query(
        "SELECT lane, set_config('tribelink.lease', lane || ' ' || fence, true) FROM leases
         WHERE lane = $1 AND holder = $2 AND fence = $3 AND until_ms > lease_now($4)
         FOR SHARE",
    )
    .bind(key(&lease.lane))
    .bind(lease.holder.as_str())
    .bind(lease.fence)
    .bind(time);
    Ok(w.one(sql).await?.is_some())
}

pub(super) async fn is_held(
    pool: &PgPool,
    time: Time,
    lease: &Lease,
    now_ms: i64,
) -> Result<bool, Error> {
    let row = sqlx::query(
        "SELECT lane FROM leases
         WHERE lane = $1 AND holder = $2 AND fence = $3 AND until_ms > lease_now($4)",
    )
    .bind(key(&lease.lane))
    .bind(lease.holder.as_str())
    .bind(lease.fence)
    .bind(time.told(now_ms))
    .fetch_optional(pool)
    .await
    .map_err(outage)?;
    Ok(row.is_some())
}

/// By due time along the index; the leased ones in between are few.
const DUE: &str = "(SELECT 'environment/' || id AS lane, due_ms, 0 AS kind FROM environments e
      WHERE due_ms <= $1 AND due_ms < 9223372036854775807
        AND NOT EXISTS (SELECT 1 FROM leases l
                        WHERE l.lane = 'environment/' || e.id AND l.until_ms > lease_now($3))
      ORDER BY due_ms, id LIMIT $2)
     UNION ALL
     (SELECT 'mailbox/' || encode(id, 'hex') AS lane, due_ms, 1 AS kind FROM users u
      WHERE due_ms <= $1 AND due_ms < 9223372036854775807
        AND NOT EXISTS (SELECT 1 FROM leases l
                        WHERE l.lane = 'mailbox/' || encode(u.id, 'hex')
                          AND l.until_ms > lease_now($3))
      ORDER BY due_ms, id LIMIT $2)";

/// Of the lanes without a live lease the first by due time decides; the leased ones are few. What
/// is left of a lease is added to the caller's time.
const NEXT: &str = "WITH clock (ms) AS MATERIALIZED (SELECT lease_now($2))
     SELECT min(ms) AS ms FROM (
         (SELECT greatest(due_ms, $1) AS ms FROM environments e
          WHERE due_ms < 9223372036854775807
            AND NOT EXISTS (SELECT 1 FROM leases l
                            WHERE l.lane = 'environment/' || e.id AND l.until_ms > (SELECT ms FROM clock))
          ORDER BY due_ms LIMIT 1)
         UNION ALL
         (SELECT greatest(due_ms, $1) FROM users u
          WHERE due_ms < 9223372036854775807
            AND NOT EXISTS (SELECT 1 FROM leases l
                            WHERE l.lane = 'mailbox/' || encode(u.id, 'hex')
                              AND l.until_ms > (SELECT ms FROM clock))
          ORDER BY due_ms LIMIT 1)
         UNION ALL
         SELECT greatest(e.due_ms, later($1, l.until_ms - (SELECT ms FROM clock)))
         FROM leases l JOIN environments e ON l.lane = 'environment/' || e.id
         WHERE l.until_ms > (SELECT ms FROM clock) AND e.due_ms < 9223372036854775807
         UNION ALL
         SELECT greatest(u.due_ms, later($1, l.until_ms - (SELECT ms FROM clock)))
         FROM leases l JOIN users u ON l.lane = 'mailbox/' || encode(u.id, 'hex')
         WHERE l.until_ms > (SELECT ms FROM clock) AND u.due_ms < 9223372036854775807
     ) AS times";

pub(super) async fn due(
    pool: &PgPool,
    time: Time,
    now_ms: i64,
    limit: usize,
) -> Result<Vec<Lane>, Error> {
    let rows = sqlx::query(DUE)
        .bind(now_ms)
        .bind(row::limit(limit))
        .bind(time.told(now_ms))
        .fetch_all(pool)
        .await
        .map_err(outage)?;
    let mut lanes = Vec::with_capacity(rows.len());
    for row in &rows {
        let cells = Cells::of("leases", row);
        let lane = lane_of(&cells.text("lane")?).ok_or_else(|| cells.corrupt("lane"))?;
        lanes.push((cells.int("due_ms")?, lane));
    }
    lanes.sort();
    lanes.truncate(limit);
    Ok(lanes.into_iter().map(|(_, lane)| lane).collect())
}

pub(super) async fn next(pool: &PgPool, time: Time, now_ms: i64) -> Result<Option<i64>, Error> {
    let row = sqlx::query(NEXT)
        .bind(now_ms)
        .bind(time.told(now_ms))
        .fetch_one(pool)
        .await
        .map_err(outage)?;
    Cells::of("leases", &row).int_or_none("ms")
}
