//! Hints, and which lanes they make due.

use std::collections::BTreeMap;

use sqlx::{SqlitePool, sqlite::SqliteRow};
use tribelink_plan::ids::{EnvironmentId, UserId};

use super::{
    outage,
    row::{self, Cells},
    writing::{LaneKey, Writing},
};
use crate::store::{Error, Hint, Lane, NewHint};

pub(super) async fn add(w: &mut Writing<'_>, hints: &[NewHint]) -> Result<(), Error> {
    if add_all(w, &hints.iter().collect::<Vec<_>>()).await? {
        return Ok(());
    }
    // One of them is bad: which, and why.
    for hint in hints {
        match hint.user {
            Some(user) => {
                w.user_in(user, &hint.environment).await?;
            }
            None => super::sql::environments::exists(w, &hint.environment).await?,
        }
    }
    Err(Error::Conflict("a hint"))
}

/// Adds hints, of any number of callers, in one statement and without reading any; false when one
/// of them names no environment, or no user of it: then only some were added.
pub(super) async fn add_all(w: &mut Writing<'_>, hints: &[&NewHint]) -> Result<bool, Error> {
    let mut due: BTreeMap<(&EnvironmentId, Option<UserId>), i64> = BTreeMap::new();
    let mut rows = Vec::new();
    for hint in hints {
        let earliest = due
            .entry((&hint.environment, hint.user))
            .or_insert(hint.not_before_ms);
        *earliest = hint.not_before_ms.min(*earliest);
        rows.push((
            &hint.environment.0,
            hint.user.map(|user| row::hex(user.0.as_bytes())),
            row::json(&hint.target),
            row::word(&hint.source),
            hint.received_ms,
            hint.not_before_ms,
            hint.attempts,
        ));
    }
    if rows.is_empty() {
        return Ok(true);
    }
    let wanted = rows.len() as u64;
    let added = w
        .run(
            sqlx::query(
                "INSERT INTO hints
                     (environment, user, target, source, received_ms, not_before_ms, attempts)
                 SELECT e.id, u.number, h.value ->> 2, h.value ->> 3, h.value ->> 4, h.value ->> 5,
                        h.value ->> 6
                 FROM json_each(?) h
                 JOIN environments e ON e.id = h.value ->> 0
                 LEFT JOIN users u ON u.id = unhex(h.value ->> 1) AND u.environment = e.id
                 WHERE h.value ->> 1 IS NULL OR u.number IS NOT NULL
                 ORDER BY h.key",
            )
            .bind(row::list(rows)),
        )
        .await?;
    for ((environment, user), due_ms) in due {
        let sql = match user {
            Some(user) => sqlx::query(
                "UPDATE users SET hint_due_ms = ?1
                 WHERE id = ?2 AND (hint_due_ms IS NULL OR hint_due_ms > ?1)",
            )
            .bind(due_ms)
            .bind(user.0.as_bytes().to_vec()),
            None => sqlx::query(
                "UPDATE environments SET hint_due_ms = ?1
                 WHERE id = ?2 AND (hint_due_ms IS NULL OR hint_due_ms > ?1)",
            )
            .bind(due_ms)
            .bind(environment.as_str()),
        };
        w.run(sql).await?;
    }
    Ok(added.rows_affected() == wanted)
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
