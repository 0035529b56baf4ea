//! Hints, and which lanes they make due.

use std::collections::BTreeSet;

use sqlx::{PgPool, postgres::PgRow};
use tribelink_plan::ids::{EnvironmentId, UserId};

use super::{
    outage,
    row::{self, Cells},
    writing::{LaneKey, Writing},
};
use crate::store::{Error, Hint, Lane, NewHint};

/// One statement however many there are: a fan-out brings a hint for every user.
pub(super) async fn add(w: &mut Writing<'_>, hints: &[NewHint]) -> Result<(), Error> {
    if hints.is_empty() {
        return Ok(());
    }
    w.find_users(hints.iter().filter_map(|hint| hint.user))
        .await?;
    let mut known = BTreeSet::new();
    let mut users = Vec::with_capacity(hints.len());
    for hint in hints {
        let user = match hint.user {
            Some(user) => Some(w.user_in(user, &hint.environment).await?),
            None => {
                if known.insert(&hint.environment) {
                    super::sql::environments::exists(w, &hint.environment).await?;
                }
                None
            }
        };
        w.touch(LaneKey {
            environment: hint.environment.0.clone(),
            user,
        });
        users.push(user);
    }
    let column = |read: fn(&NewHint) -> i64| hints.iter().map(read).collect::<Vec<i64>>();
    let text = |read: fn(&NewHint) -> String| hints.iter().map(read).collect::<Vec<String>>();
    w.run(
        sqlx::query(
            r#"INSERT INTO hints
                   (environment, "user", target, source, received_ms, not_before_ms, attempts)
               SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[],
                                    $6::bigint[], $7::bigint[])"#,
        )
        .bind(text(|hint| hint.environment.0.clone()))
        .bind(users)
        .bind(text(|hint| row::json(&hint.target)))
        .bind(text(|hint| row::word(&hint.source)))
        .bind(column(|hint| hint.received_ms))
        .bind(column(|hint| hint.not_before_ms))
        .bind(column(|hint| i64::from(hint.attempts))),
    )
    .await?;
    Ok(())
}

pub(super) async fn drop(w: &mut Writing<'_>, ids: &[i64]) -> Result<(), Error> {
    let sql = sqlx::query(
        r#"DELETE FROM hints WHERE id = ANY($1) RETURNING id, environment, hints."user""#,
    );
    let rows = w.all(sql.bind(ids)).await?;
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
                r#"UPDATE hints SET not_before_ms = $1, attempts = $2 WHERE id = ANY($3)
                   RETURNING id, environment, hints."user""#,
            )
            .bind(not_before_ms)
            .bind(i64::from(attempts))
            .bind(ids),
        )
        .await?;
    touch_all(w, &rows)
}

pub(super) async fn drop_mailbox(w: &mut Writing<'_>, user: UserId) -> Result<(), Error> {
    let Some((number, environment)) = w.find_user(user).await? else {
        return Ok(());
    };
    w.run(
        sqlx::query(r#"DELETE FROM hints WHERE environment = $1 AND "user" = $2"#)
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

fn touch_all(w: &mut Writing<'_>, rows: &[PgRow]) -> Result<(), Error> {
    for row in rows {
        let cells = Cells::of("hints", row);
        w.touch(LaneKey {
            environment: cells.text("environment")?,
            user: cells.int_or_none("user")?,
        });
    }
    Ok(())
}

/// Writes down when each lane's earliest hint falls due, where that has changed, and tells every
/// replica when it is sooner than it was (migrations/postgres/0006_settle_hints.sql).
pub(super) async fn settle(w: &mut Writing<'_>, lanes: BTreeSet<LaneKey>) -> Result<(), Error> {
    if lanes.is_empty() {
        return Ok(());
    }
    // Every transaction locks the lanes in the same order.
    let (environments, users): (Vec<String>, Vec<Option<i64>>) = lanes
        .into_iter()
        .map(|lane| (lane.environment, lane.user))
        .unzip();
    let sql = sqlx::query(
        r#"SELECT settle_hints(environment, "user", $3)
           FROM unnest($1::text[], $2::bigint[]) AS lanes (environment, "user")"#,
    );
    let caller = w.name.to_owned();
    w.all(sql.bind(environments).bind(users).bind(caller))
        .await?;
    Ok(())
}

// Along the index, whose second column an order must name even where it is NULL throughout. Only hints
// of one millisecond are sorted, by id.
const OF_ENVIRONMENT: &str = r#"SELECT id, environment, NULL::bytea AS user, target, source, received_ms, not_before_ms, attempts
       FROM hints
       WHERE environment = $1 AND "user" IS NULL AND not_before_ms <= $2
       ORDER BY hints."user", not_before_ms, received_ms, id LIMIT $3"#;

// The lane is looked up first: what a join finds is no constant to the planner, which then sorts.
const OF_MAILBOX: &str = r#"SELECT id, environment, $1::bytea AS user, target, source, received_ms, not_before_ms, attempts
       FROM hints
       WHERE environment = (SELECT environment FROM users WHERE id = $1)
         AND "user" = (SELECT number FROM users WHERE id = $1) AND not_before_ms <= $2
       ORDER BY not_before_ms, received_ms, id LIMIT $3"#;

/// A page along the index, so that it costs the same however many wait behind it.
pub(super) async fn of_lane(
    pool: &PgPool,
    lane: &Lane,
    now_ms: i64,
    limit: usize,
) -> Result<Vec<Hint>, Error> {
    let sql = match lane {
        Lane::Environment(id) => sqlx::query(OF_ENVIRONMENT).bind(id.as_str()),
        Lane::Mailbox(id) => sqlx::query(OF_MAILBOX).bind(id.0.as_bytes().as_slice()),
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
    pool: &PgPool,
    environment: &EnvironmentId,
) -> Result<(u64, Option<i64>), Error> {
    let row = sqlx::query(
        "SELECT count(*) AS waiting, min(received_ms) AS oldest FROM hints WHERE environment = $1",
    )
    .bind(environment.as_str())
    .fetch_one(pool)
    .await
    .map_err(outage)?;
    read_backlog(&row)
}

pub(super) async fn mailbox_backlog(
    pool: &PgPool,
    user: UserId,
) -> Result<(u64, Option<i64>), Error> {
    let row = sqlx::query(
        "SELECT count(*) AS waiting, min(h.received_ms) AS oldest
         FROM users u JOIN hints h ON h.environment = u.environment AND h.user = u.number
         WHERE u.id = $1",
    )
    .bind(user.0.as_bytes().as_slice())
    .fetch_one(pool)
    .await
    .map_err(outage)?;
    read_backlog(&row)
}

fn read_backlog(row: &PgRow) -> Result<(u64, Option<i64>), Error> {
    let cells = Cells::of("hints", row);
    Ok((cells.count("waiting")?, cells.int_or_none("oldest")?))
}
