//! What could not be done.

use sqlx::PgPool;
use tribelink_plan::ids::{PersonId, UserId};

use super::{
    outage, row,
    writing::{Sql, Writing},
};
use crate::store::{Error, Parked};

pub(super) async fn put(w: &mut Writing<'_>, parked: &Parked) -> Result<(), Error> {
    let number = w.user_in(parked.user, &parked.environment).await?;
    w.run(
        sqlx::query(
            r#"INSERT INTO parked ("user", person, field, reason, attempts, created_ms)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT ("user", coalesce(person, ''::bytea), field) DO UPDATE SET
                 reason = excluded.reason,
                 attempts = excluded.attempts,
                 created_ms = excluded.created_ms"#,
        )
        .bind(number)
        .bind(parked.person.as_ref().map(|id| id.0.as_bytes().as_slice()))
        .bind(parked.field.as_str())
        .bind(parked.reason.as_str())
        .bind(i64::from(parked.attempts))
        .bind(parked.created_ms),
    )
    .await?;
    Ok(())
}

pub(super) async fn drop(w: &mut Writing<'_>, ids: &[i64]) -> Result<(), Error> {
    let sql = sqlx::query("DELETE FROM parked WHERE id = ANY($1)");
    w.run(sql.bind(ids)).await?;
    Ok(())
}

pub(super) async fn forget(w: &mut Writing<'_>, user: i64) -> Result<(), Error> {
    w.run(sqlx::query(r#"DELETE FROM parked WHERE "user" = $1"#).bind(user))
        .await?;
    Ok(())
}

macro_rules! select {
    ($tail:literal) => {
        sqlx::query(concat!(
            "SELECT p.id, u.environment, u.id AS user, p.person, p.field, p.reason, p.attempts,
                    p.created_ms
             FROM parked p JOIN users u ON u.number = p.user ",
            $tail
        ))
    };
}

async fn fetch(pool: &PgPool, sql: Sql<'_>) -> Result<Vec<Parked>, Error> {
    let rows = sql.fetch_all(pool).await.map_err(outage)?;
    rows.iter().map(row::parked).collect()
}

pub(super) async fn list(
    pool: &PgPool,
    user: Option<UserId>,
    after: Option<i64>,
    limit: usize,
) -> Result<Vec<Parked>, Error> {
    let sql = match user {
        Some(_) => select!("WHERE p.id > $1 AND u.id = $2 ORDER BY p.id LIMIT $3"),
        None => select!("WHERE p.id > $1 AND $2 IS NULL ORDER BY p.id LIMIT $3"),
    };
    let sql = sql
        .bind(after.unwrap_or(i64::MIN))
        .bind(user.map(|user| user.0.as_bytes().to_vec()))
        .bind(row::limit(limit));
    fetch(pool, sql).await
}

pub(super) async fn get(pool: &PgPool, id: i64) -> Result<Option<Parked>, Error> {
    let rows = fetch(pool, select!("WHERE p.id = $1").bind(id)).await?;
    Ok(rows.into_iter().next())
}

pub(super) async fn of(
    pool: &PgPool,
    user: UserId,
    person: PersonId,
) -> Result<Vec<Parked>, Error> {
    // coalesce: so the index over exactly this expression serves it.
    let sql = select!("WHERE u.id = $1 AND coalesce(p.person, ''::bytea) = $2 ORDER BY p.id")
        .bind(user.0.as_bytes().as_slice())
        .bind(person.0.as_bytes().as_slice());
    fetch(pool, sql).await
}
