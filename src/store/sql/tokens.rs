//! OAuth tokens of users and environments.

use tribelink_plan::ids::{EnvironmentId, UserId};

use super::{
    Pool, outage, row,
    writing::{Sql, Writing},
};
use crate::store::{Error, IdleConsent, Tokens};

/// Saves what replaces `expected`: one statement that finds the row as it was read, or none. A save
/// that does not know the newest tokens would bring a used refresh token back.
pub(in crate::store) async fn put(
    w: &mut Writing<'_>,
    user: UserId,
    tokens: &Tokens,
    expected: i64,
) -> Result<(), Error> {
    let number = w.user(user).await?;
    let sql = match expected {
        0 => sqlx::query(
            r#"INSERT INTO tokens ("user", refresh, access, expires_ms, generation, consented_ms)
               VALUES ($1, $2, $3, $4, $5 + 1, $6) ON CONFLICT DO NOTHING"#,
        ),
        _ => sqlx::query(
            r#"UPDATE tokens SET refresh = $2, access = $3, expires_ms = $4, generation = $5 + 1,
                   consented_ms = $6
               WHERE "user" = $1 AND generation = $5"#,
        ),
    };
    w.must(bind(sql.bind(number), tokens, expected), "tokens")
        .await
}

pub(in crate::store) async fn put_environment(
    w: &mut Writing<'_>,
    environment: &EnvironmentId,
    tokens: &Tokens,
    expected: i64,
) -> Result<(), Error> {
    super::environments::exists(w, environment).await?;
    let sql = match expected {
        0 => sqlx::query(
            "INSERT INTO environment_tokens
                 (environment, refresh, access, expires_ms, generation, consented_ms)
             VALUES ($1, $2, $3, $4, $5 + 1, $6) ON CONFLICT DO NOTHING",
        ),
        _ => sqlx::query(
            "UPDATE environment_tokens SET refresh = $2, access = $3, expires_ms = $4,
                 generation = $5 + 1, consented_ms = $6
             WHERE environment = $1 AND generation = $5",
        ),
    };
    let sql = sql.bind(environment.as_str());
    w.must(bind(sql, tokens, expected), "tokens").await
}

fn bind<'q>(sql: Sql<'q>, tokens: &'q Tokens, expected: i64) -> Sql<'q> {
    sql.bind(tokens.refresh.0.as_slice())
        .bind(tokens.access.0.as_slice())
        .bind(tokens.expires_ms)
        .bind(expected)
        .bind(tokens.consented_ms)
}

pub(in crate::store) async fn drop(w: &mut Writing<'_>, user: UserId) -> Result<(), Error> {
    let sql = sqlx::query(
        r#"DELETE FROM tokens WHERE "user" = (SELECT number FROM users WHERE id = $1)"#,
    );
    w.erase(sql.bind(user.0.as_bytes().as_slice())).await
}

pub(in crate::store) async fn of_user(pool: &Pool, user: UserId) -> Result<Option<Tokens>, Error> {
    let row = sqlx::query(
        "SELECT t.user, t.refresh, t.access, t.expires_ms, t.generation, t.consented_ms
         FROM tokens t JOIN users u ON u.number = t.user WHERE u.id = $1",
    )
    .bind(user.0.as_bytes().as_slice())
    .fetch_optional(pool)
    .await
    .map_err(outage)?;
    row.as_ref().map(row::tokens).transpose()
}

pub(in crate::store) async fn idle(
    pool: &Pool,
    until_ms: i64,
    limit: usize,
) -> Result<Vec<IdleConsent>, Error> {
    let rows = sqlx::query(
        "SELECT u.id, u.environment, u.state, t.expires_ms
         FROM tokens t JOIN users u ON u.number = t.user
         WHERE t.expires_ms <= $1 ORDER BY t.expires_ms, u.id LIMIT $2",
    )
    .bind(until_ms)
    .bind(row::limit(limit))
    .fetch_all(pool)
    .await
    .map_err(outage)?;
    rows.iter().map(row::idle_consent).collect()
}

pub(in crate::store) async fn of_environment(
    pool: &Pool,
    environment: &EnvironmentId,
) -> Result<Option<Tokens>, Error> {
    let row = sqlx::query(
        "SELECT environment, refresh, access, expires_ms, generation, consented_ms
         FROM environment_tokens WHERE environment = $1",
    )
    .bind(environment.as_str())
    .fetch_optional(pool)
    .await
    .map_err(outage)?;
    row.as_ref().map(row::tokens).transpose()
}
