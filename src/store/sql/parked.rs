//! What could not be done.

use tribelink_plan::ids::{PersonId, UserId};

use super::{
    Pool, outage, row,
    writing::{Sql, Writing},
};
use crate::store::{Error, Parked};

pub(in crate::store) async fn put(w: &mut Writing<'_>, parked: &Parked) -> Result<(), Error> {
    let number = w.user_in(parked.user, &parked.environment).await?;
    w.run(
        sqlx::query(concat!(
            r#"INSERT INTO parked ("user", person, field, reason, attempts, created_ms)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT ("user", coalesce(person, "#,
            no_bytes!(),
            "), field) DO UPDATE SET
                     reason = excluded.reason,
                     attempts = excluded.attempts,
                     created_ms = excluded.created_ms",
        ))
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

pub(in crate::store) async fn drop(w: &mut Writing<'_>, ids: &[i64]) -> Result<(), Error> {
    let sql = sqlx::query(concat!("DELETE FROM parked WHERE id ", among!("$1")));
    w.run(sql.bind(row::list(ids.iter().copied()))).await?;
    Ok(())
}

pub(in crate::store) async fn forget(w: &mut Writing<'_>, user: i64) -> Result<(), Error> {
    w.run(sqlx::query(r#"DELETE FROM parked WHERE "user" = $1"#).bind(user))
        .await?;
    Ok(())
}

macro_rules! select {
    ($($tail:tt)+) => {
        sqlx::query(concat!(
            "SELECT p.id, u.environment, u.id AS user, p.person, p.field, p.reason, p.attempts,
                    p.created_ms
             FROM parked p JOIN users u ON u.number = p.user ",
            $($tail)+
        ))
    };
}

async fn fetch(pool: &Pool, sql: Sql<'_>) -> Result<Vec<Parked>, Error> {
    let rows = sql.fetch_all(pool).await.map_err(outage)?;
    rows.iter().map(row::parked).collect()
}

pub(in crate::store) async fn list(
    pool: &Pool,
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

pub(in crate::store) async fn get(pool: &Pool, id: i64) -> Result<Option<Parked>, Error> {
    let rows = fetch(pool, select!("WHERE p.id = $1").bind(id)).await?;
    Ok(rows.into_iter().next())
}

pub(in crate::store) async fn of(
    pool: &Pool,
    user: UserId,
    people: &[PersonId],
) -> Result<Vec<Parked>, Error> {
    // coalesce: so the index over exactly this expression serves it.
    let sql = select!(
        "WHERE u.id = $1 AND coalesce(p.person, ",
        no_bytes!(),
        ") ",
        among_ids!("$2"),
        " ORDER BY p.id"
    );
    let people = row::ids(people.iter().map(|person| person.0));
    fetch(pool, sql.bind(user.0.as_bytes().as_slice()).bind(people)).await
}
