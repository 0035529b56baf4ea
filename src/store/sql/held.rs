//! Changes that wait for a decision.

use tribelink_plan::ids::{PersonId, UserId};

use super::{
    Pool, outage, row,
    writing::{Sql, Writing},
};
use crate::store::{Error, Held};

pub(in crate::store) async fn put(w: &mut Writing<'_>, held: &Held) -> Result<(), Error> {
    let number = w.user_in(held.user, &held.environment).await?;
    w.run(
        sqlx::query(
            r#"INSERT INTO held ("user", person, rule, fields, sealed, accepted, created_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT ("user", person, rule) DO UPDATE SET
                 fields = excluded.fields,
                 sealed = excluded.sealed,
                 accepted = excluded.accepted,
                 created_ms = excluded.created_ms"#,
        )
        .bind(number)
        .bind(held.person.0.as_bytes().as_slice())
        .bind(held.rule.code())
        .bind(row::fields(&held.fields))
        .bind(held.values.0.as_slice())
        .bind(held.accepted)
        .bind(held.created_ms),
    )
    .await?;
    Ok(())
}

pub(in crate::store) async fn decide(
    w: &mut Writing<'_>,
    id: i64,
    accepted: bool,
) -> Result<(), Error> {
    let sql = sqlx::query("UPDATE held SET accepted = $1 WHERE id = $2");
    w.must(sql.bind(accepted).bind(id), "held item").await
}

pub(in crate::store) async fn drop(w: &mut Writing<'_>, ids: &[i64]) -> Result<(), Error> {
    let sql = sqlx::query(concat!("DELETE FROM held WHERE id ", among!("$1")));
    w.erase(sql.bind(row::list(ids.iter().copied()))).await
}

pub(in crate::store) async fn forget(w: &mut Writing<'_>, user: i64) -> Result<(), Error> {
    w.run(sqlx::query(r#"DELETE FROM held WHERE "user" = $1"#).bind(user))
        .await?;
    Ok(())
}

macro_rules! select {
    ($($tail:tt)+) => {
        sqlx::query(concat!(
            "SELECT h.id, u.environment, u.id AS user, h.person, h.rule, h.fields, h.sealed,
                    h.accepted, h.created_ms
             FROM held h JOIN users u ON u.number = h.user ",
            $($tail)+
        ))
    };
}

async fn fetch(pool: &Pool, sql: Sql<'_>) -> Result<Vec<Held>, Error> {
    let rows = sql.fetch_all(pool).await.map_err(outage)?;
    rows.iter().map(row::held).collect()
}

pub(in crate::store) async fn list(
    pool: &Pool,
    user: Option<UserId>,
    after: Option<i64>,
    limit: usize,
) -> Result<Vec<Held>, Error> {
    let sql = match user {
        Some(_) => select!("WHERE h.id > $1 AND u.id = $2 ORDER BY h.id LIMIT $3"),
        None => select!("WHERE h.id > $1 AND $2 IS NULL ORDER BY h.id LIMIT $3"),
    };
    let sql = sql
        .bind(after.unwrap_or(i64::MIN))
        .bind(user.map(|user| user.0.as_bytes().to_vec()))
        .bind(row::limit(limit));
    fetch(pool, sql).await
}

pub(in crate::store) async fn get(pool: &Pool, id: i64) -> Result<Option<Held>, Error> {
    let rows = fetch(pool, select!("WHERE h.id = $1").bind(id)).await?;
    Ok(rows.into_iter().next())
}

pub(in crate::store) async fn of(
    pool: &Pool,
    user: UserId,
    people: &[PersonId],
) -> Result<Vec<Held>, Error> {
    let sql = select!(
        "WHERE u.id = $1 AND h.person ",
        among_ids!("$2"),
        " ORDER BY h.id"
    );
    let people = row::ids(people.iter().map(|person| person.0));
    fetch(pool, sql.bind(user.0.as_bytes().as_slice()).bind(people)).await
}
