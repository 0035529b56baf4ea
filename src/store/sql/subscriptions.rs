//! Subscriptions at Graph.

use tribelink_plan::ids::UserId;

use super::{
    Pool, outage, row,
    writing::{Sql, Writing},
};
use crate::store::{Error, Subscription};

pub(in crate::store) async fn put(w: &mut Writing<'_>, row: &Subscription) -> Result<(), Error> {
    let number = w.user_in(row.user, &row.environment).await?;
    let sql = sqlx::query(
        r#"INSERT INTO subscriptions
             (id, "user", resource, client_state_hash, expires_ms, created_ms, checked_ms,
              certificate)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (id) DO UPDATE SET
                 "user" = excluded.user,
                 resource = excluded.resource,
                 client_state_hash = excluded.client_state_hash,
                 expires_ms = excluded.expires_ms,
                 created_ms = excluded.created_ms,
                 checked_ms = excluded.checked_ms,
                 certificate = excluded.certificate"#,
    )
    .bind(row.id.as_str())
    .bind(number)
    .bind(row.resource.as_str())
    .bind(row.client_state_hash.as_slice())
    .bind(row.expires_ms)
    .bind(row.created_ms)
    .bind(row.checked_ms)
    .bind(row.certificate.as_deref());
    w.run(sql).await?;
    Ok(())
}

pub(in crate::store) async fn drop(w: &mut Writing<'_>, id: &str) -> Result<(), Error> {
    w.run(sqlx::query("DELETE FROM subscriptions WHERE id = $1").bind(id))
        .await?;
    Ok(())
}

macro_rules! select {
    ($($tail:tt)+) => {
        sqlx::query(concat!(
            "SELECT s.id, u.id AS user, u.environment, s.resource, s.client_state_hash,
                    s.expires_ms, s.created_ms, s.checked_ms, s.certificate
             FROM subscriptions s JOIN users u ON u.number = s.user ",
            $($tail)+
        ))
    };
}

async fn fetch(pool: &Pool, sql: Sql<'_>) -> Result<Vec<Subscription>, Error> {
    let rows = sql.fetch_all(pool).await.map_err(outage)?;
    rows.iter().map(row::subscription).collect()
}

pub(in crate::store) async fn of(pool: &Pool, user: UserId) -> Result<Vec<Subscription>, Error> {
    let sql = select!("WHERE u.id = $1 ORDER BY s.id");
    fetch(pool, sql.bind(user.0.as_bytes().as_slice())).await
}

pub(in crate::store) async fn get(pool: &Pool, id: &str) -> Result<Option<Subscription>, Error> {
    let rows = fetch(pool, select!("WHERE s.id = $1").bind(id)).await?;
    Ok(rows.into_iter().next())
}

pub(in crate::store) async fn list(
    pool: &Pool,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Subscription>, Error> {
    // Before the first: the least time there is, with an id that comes before every other.
    let start = match after {
        Some(id) => get(pool, id).await?.map(|row| (row.expires_ms, row.id)),
        None => None,
    };
    let (expires_ms, id) = start.unwrap_or((i64::MIN, String::new()));
    let sql = select!("WHERE (s.expires_ms, s.id) > ($1, $2) ORDER BY s.expires_ms, s.id LIMIT $3");
    fetch(pool, sql.bind(expires_ms).bind(id).bind(row::limit(limit))).await
}
