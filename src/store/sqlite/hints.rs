//! Hints, and which lanes they make due.

use sqlx::{SqlitePool, sqlite::SqliteRow};
use tribelink_plan::ids::{EnvironmentId, UserId};

use super::{
    outage,
    row::{self, Cells},
    writing::{LaneKey, Writing},
};
use crate::store::{Error, Hint, Lane, NewHint};

pub(super) async fn add(w: &mut Writing<'_>, hints: &[NewHint]) -> Result<(), Error> {
    for hint in hints {
        let user = match hint.user {
            Some(user) => Some(w.user_in(user, &hint.environment).await?),
            None => {
                super::environments::exists(w, &hint.environment).await?;
                None
            }
        };
        w.run(
            sqlx::query(
                "INSERT INTO hints
                     (environment, user, target, source, received_ms, not_before_ms, attempts)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(hint.environment.as_str())
            .bind(user)
            .bind(row::json(&hint.target))
            .bind(row::word(&hint.source))
            .bind(hint.received_ms)
            .bind(hint.not_before_ms)
            .bind(i64::from(hint.attempts)),
        )
        .await?;
        w.touch(LaneKey {
            environment: hint.environment.0.clone(),
            user,
        });
    }
    Ok(())
}

pub(super) async fn drop(w: &mut Writing<'_>, ids: &[i64]) -> Result<(), Error> {
    let rows = w
        .all(
            sqlx::query(
                "DELETE FROM hints WHERE id IN (SELECT value FROM json_each(?))
                 RETURNING id, environment, user",
            )
            .bind(row::list(ids)),
        )
        .await?;
    touch_all(w, &rows)
}

pub(super) async fn delay(
    w: &mut Writing<'_>,
    ids: &[i64],
    not_before_ms: i64,
    attempts: u32,
) -> Result<(), Error> {
    let rows = w
        .all(
            sqlx::query(
                "UPDATE hints SET not_before_ms = ?, attempts = ?
                 WHERE id IN (SELECT value FROM json_each(?))
                 RETURNING id, environment, user",
            )
            .bind(not_before_ms)
            .bind(i64::from(attempts))
            .bind(row::list(ids)),
        )
        .await?;
    touch_all(w, &rows)
}

pub(super) async fn drop_mailbox(w: &mut Writing<'_>, user: UserId) -> Result<(), Error> {
    let Some((number, environment)) = w.find_user(user).await? else {
        return Ok(());
    };
    w.run(
        sqlx::query("DELETE FROM hints WHERE environment = ? AND user = ?")
            .bind(environment.as_str())
            .bind(number),
    )
    .await?;
    w.touch(LaneKey {
        environment: environment.0,
        user: Some(number),
    });
    Ok(())
}

fn touch_all(w: &mut Writing<'_>, rows: &[SqliteRow]) -> Result<(), Error> {
    for row in rows {
        let cells = Cells::of("hints", row);
        w.touch(LaneKey {
            environment: cells.text("environment")?,
            user: cells.int_or_none("user")?,
        });
    }
    Ok(())
}

/// Writes down when the lane's earliest hint falls due, where that has changed.
pub(super) async fn settle(w: &mut Writing<'_>, lane: &LaneKey) -> Result<(), Error> {
    let sql = match lane.user {
        Some(number) => sqlx::query(
            "WITH earliest (ms) AS (
                 SELECT min(not_before_ms) FROM hints WHERE environment = ?1 AND user = ?2
             )
             UPDATE users SET hint_due_ms = (SELECT ms FROM earliest)
             WHERE number = ?2 AND hint_due_ms IS NOT (SELECT ms FROM earliest)",
        )
        .bind(lane.environment.as_str())
        .bind(number),
        None => sqlx::query(
            "WITH earliest (ms) AS (
                 SELECT min(not_before_ms) FROM hints WHERE environment = ?1 AND user IS NULL
             )
             UPDATE environments SET hint_due_ms = (SELECT ms FROM earliest)
             WHERE id = ?1 AND hint_due_ms IS NOT (SELECT ms FROM earliest)",
        )
        .bind(lane.environment.as_str()),
    };
    w.run(sql).await?;
    Ok(())
}

pub(super) async fn of_lane(
    pool: &SqlitePool,
    lane: &Lane,
    now_ms: i64,
    limit: usize,
) -> Result<Vec<Hint>, Error> {
    // The inner query reads the index alone; rows are fetched for one page.
    let sql = match lane {
        Lane::Environment(id) => sqlx::query(
            "SELECT h.id, h.environment, NULL AS user, h.target, h.source, h.received_ms,
                    h.not_before_ms, h.attempts
             FROM hints h
             WHERE h.id IN (
                 SELECT id FROM hints
                 WHERE environment = ?1 AND user IS NULL AND not_before_ms <= ?2
                 ORDER BY id LIMIT ?3)
             ORDER BY h.id",
        )
        .bind(id.as_str()),
        Lane::Mailbox(id) => sqlx::query(
            "SELECT h.id, h.environment, u.id AS user, h.target, h.source, h.received_ms,
                    h.not_before_ms, h.attempts
             FROM hints h JOIN users u ON u.number = h.user
             WHERE h.id IN (
                 SELECT h.id FROM hints h JOIN users u ON u.id = ?1
                 WHERE h.environment = u.environment AND h.user = u.number
                   AND h.not_before_ms <= ?2
                 ORDER BY h.id LIMIT ?3)
             ORDER BY h.id",
        )
        .bind(id.0.as_bytes().as_slice()),
    };
    let rows = sql
        .bind(now_ms)
        .bind(row::limit(limit))
        .fetch_all(pool)
        .await
        .map_err(outage)?;
    rows.iter().map(row::hint).collect()
}

pub(super) async fn backlog(
    pool: &SqlitePool,
    environment: &EnvironmentId,
) -> Result<(u64, Option<i64>), Error> {
    let row = sqlx::query(
        "SELECT count(*) AS waiting, min(received_ms) AS oldest FROM hints WHERE environment = ?",
    )
    .bind(environment.as_str())
    .fetch_one(pool)
    .await
    .map_err(outage)?;
    read_backlog(&row)
}

pub(super) async fn mailbox_backlog(
    pool: &SqlitePool,
    user: UserId,
) -> Result<(u64, Option<i64>), Error> {
    let row = sqlx::query(
        "SELECT count(*) AS waiting, min(h.received_ms) AS oldest
         FROM users u JOIN hints h ON h.environment = u.environment AND h.user = u.number
         WHERE u.id = ?",
    )
    .bind(user.0.as_bytes().as_slice())
    .fetch_one(pool)
    .await
    .map_err(outage)?;
    read_backlog(&row)
}

fn read_backlog(row: &SqliteRow) -> Result<(u64, Option<i64>), Error> {
    let cells = Cells::of("hints", row);
    Ok((cells.count("waiting")?, cells.int_or_none("oldest")?))
}
