//! What needs an administrator.

use super::{Pool, outage, row, writing::Writing};
use crate::store::{Alert, Error};

pub(in crate::store) async fn raise(w: &mut Writing<'_>, alert: &Alert) -> Result<(), Error> {
    let sql = sqlx::query(
        r#"INSERT INTO alerts (key, environment, "user", message, since_ms) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (key) DO NOTHING"#,
    )
    .bind(alert.key.as_str())
    .bind(alert.environment.as_str())
    .bind(alert.user.as_ref().map(|id| id.0.as_bytes().as_slice()))
    .bind(alert.message.as_str())
    .bind(alert.since_ms);
    w.run(sql).await?;
    Ok(())
}

pub(in crate::store) async fn clear(w: &mut Writing<'_>, key: &str) -> Result<(), Error> {
    w.run(sqlx::query("DELETE FROM alerts WHERE key = $1").bind(key))
        .await?;
    Ok(())
}

pub(in crate::store) async fn all(pool: &Pool) -> Result<Vec<Alert>, Error> {
    let rows = sqlx::query(
        r#"SELECT key, environment, "user", message, since_ms FROM alerts ORDER BY since_ms, key"#,
    )
    .fetch_all(pool)
    .await
    .map_err(outage)?;
    rows.iter().map(row::alert).collect()
}
