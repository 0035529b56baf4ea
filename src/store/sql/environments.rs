//! Environments and the webhooks registered for them.

use tribelink_plan::ids::EnvironmentId;

use super::{Pool, outage, row, writing::Writing};
use crate::store::{Environment, Error, Webhook};

pub(in crate::store) async fn exists(w: &mut Writing<'_>, id: &EnvironmentId) -> Result<(), Error> {
    let sql = sqlx::query("SELECT id FROM environments WHERE id = $1").bind(id.as_str());
    match w.one(sql).await? {
        Some(_) => Ok(()),
        None => Err(Error::Conflict("environment")),
    }
}

pub(in crate::store) async fn put(
    w: &mut Writing<'_>,
    environment: &Environment,
) -> Result<(), Error> {
    w.run(
        sqlx::query(
            "INSERT INTO environments (id, organization, fingerprint_key, settings, polled_ms,
                                       chores_due_ms, swept_ms, throttled_until_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (id) DO UPDATE SET
                 organization = excluded.organization,
                 fingerprint_key = excluded.fingerprint_key,
                 settings = excluded.settings,
                 polled_ms = excluded.polled_ms,
                 chores_due_ms = excluded.chores_due_ms,
                 swept_ms = excluded.swept_ms,
                 throttled_until_ms = excluded.throttled_until_ms",
        )
        .bind(environment.id.as_str())
        .bind(environment.organization.as_deref())
        .bind(environment.fingerprint_key.0.as_slice())
        .bind(
            environment
                .settings
                .as_ref()
                .map(|sealed| sealed.0.as_slice()),
        )
        .bind(environment.polled_ms)
        .bind(environment.chores_due_ms)
        .bind(environment.swept_ms)
        .bind(environment.throttled_until_ms),
    )
    .await?;
    Ok(())
}

/// `times`: polled, chores due, swept.
pub(in crate::store) async fn set_chores(
    w: &mut Writing<'_>,
    id: &EnvironmentId,
    times: [i64; 3],
) -> Result<(), Error> {
    let [polled_ms, chores_due_ms, swept_ms] = times;
    let sql = sqlx::query(
        "UPDATE environments SET polled_ms = $1, chores_due_ms = $2, swept_ms = $3 WHERE id = $4",
    )
    .bind(polled_ms)
    .bind(chores_due_ms)
    .bind(swept_ms)
    .bind(id.as_str());
    w.must(sql, "environment").await
}

pub(in crate::store) async fn rest(
    w: &mut Writing<'_>,
    id: &EnvironmentId,
    until_ms: i64,
) -> Result<(), Error> {
    let sql = sqlx::query(
        "UPDATE environments SET throttled_until_ms =
             CASE WHEN throttled_until_ms < $1 THEN $1 ELSE throttled_until_ms END
         WHERE id = $2",
    )
    .bind(until_ms)
    .bind(id.as_str());
    w.must(sql, "environment").await
}

const COLUMNS: &str =
    "SELECT id, organization, fingerprint_key, settings, polled_ms, chores_due_ms,
    swept_ms, throttled_until_ms FROM environments WHERE $1 IS NULL OR id = $1 ORDER BY id";

pub(in crate::store) async fn all(pool: &Pool) -> Result<Vec<Environment>, Error> {
    let sql = sqlx::query(COLUMNS).bind(None::<&str>);
    let rows = sql.fetch_all(pool).await.map_err(outage)?;
    rows.iter().map(row::environment).collect()
}

pub(in crate::store) async fn get(
    pool: &Pool,
    id: &EnvironmentId,
) -> Result<Option<Environment>, Error> {
    let sql = sqlx::query(COLUMNS).bind(id.as_str());
    let row = sql.fetch_optional(pool).await.map_err(outage)?;
    row.as_ref().map(row::environment).transpose()
}

pub(in crate::store) async fn put_webhook(
    w: &mut Writing<'_>,
    webhook: &Webhook,
) -> Result<(), Error> {
    exists(w, &webhook.environment).await?;
    w.run(
        sqlx::query(
            "INSERT INTO webhooks
                 (environment, id, entity_type, header_hash, secret, created_ms)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (environment, id) DO UPDATE SET
                 entity_type = excluded.entity_type,
                 header_hash = excluded.header_hash,
                 secret = excluded.secret,
                 created_ms = excluded.created_ms",
        )
        .bind(webhook.environment.as_str())
        .bind(webhook.id.as_str())
        .bind(webhook.entity_type.as_str())
        .bind(webhook.header_hash.as_slice())
        .bind(webhook.secret.as_ref().map(|sealed| sealed.0.as_slice()))
        .bind(webhook.created_ms),
    )
    .await?;
    Ok(())
}

pub(in crate::store) async fn drop_webhook(
    w: &mut Writing<'_>,
    environment: &EnvironmentId,
    id: &str,
) -> Result<(), Error> {
    let sql = sqlx::query("DELETE FROM webhooks WHERE environment = $1 AND id = $2")
        .bind(environment.as_str())
        .bind(id);
    w.erase(sql).await
}

pub(in crate::store) async fn webhooks(
    pool: &Pool,
    environment: &EnvironmentId,
) -> Result<Vec<Webhook>, Error> {
    let rows = sqlx::query(
        "SELECT id, environment, entity_type, header_hash, secret, created_ms
         FROM webhooks WHERE environment = $1 ORDER BY id",
    )
    .bind(environment.as_str())
    .fetch_all(pool)
    .await
    .map_err(outage)?;
    rows.iter().map(row::webhook).collect()
}
