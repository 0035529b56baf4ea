//! OAuth tokens of users and environments.

use sqlx::SqlitePool;
use tribelink_plan::ids::{EnvironmentId, UserId};

use super::{
    outage,
    row::{self, Cells},
    writing::{Sql, Writing},
};
use crate::store::{Error, Tokens};

pub(super) async fn put(
    w: &mut Writing<'_>,
    user: UserId,
    tokens: &Tokens,
    expected: i64,
) -> Result<(), Error> {
    let number = w.user(user).await?;
    let stored = sqlx::query("SELECT user, generation FROM tokens WHERE user = ?").bind(number);
    expect_generation(w, stored, expected).await?;
    let sql = sqlx::query(
        "INSERT OR REPLACE INTO tokens
             (user, refresh, access, expires_ms, generation, consented_ms)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(number);
    w.run(bind(sql, tokens, expected)).await?;
    Ok(())
}

pub(super) async fn put_environment(
    w: &mut Writing<'_>,
    environment: &EnvironmentId,
    tokens: &Tokens,
    expected: i64,
) -> Result<(), Error> {
    super::environments::exists(w, environment).await?;
    let stored =
        sqlx::query("SELECT environment, generation FROM environment_tokens WHERE environment = ?")
            .bind(environment.as_str());
    expect_generation(w, stored, expected).await?;
    let sql = sqlx::query(
        "INSERT OR REPLACE INTO environment_tokens
             (environment, refresh, access, expires_ms, generation, consented_ms)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(environment.as_str());
    w.run(bind(sql, tokens, expected)).await?;
    Ok(())
}

/// A save that does not know the newest tokens would bring a used refresh token back.
async fn expect_generation(
    w: &mut Writing<'_>,
    stored: Sql<'_>,
    expected: i64,
) -> Result<(), Error> {
    let generation = match w.one(stored).await? {
        Some(row) => Cells::of("tokens", &row).int("generation")?,
        None => 0,
    };
    if generation == expected {
        Ok(())
    } else {
        Err(Error::Conflict("tokens"))
    }
}

fn bind<'q>(sql: Sql<'q>, tokens: &'q Tokens, expected: i64) -> Sql<'q> {
    sql.bind(tokens.refresh.0.as_slice())
        .bind(tokens.access.0.as_slice())
        .bind(tokens.expires_ms)
        .bind(expected.saturating_add(1))
        .bind(tokens.consented_ms)
}

pub(super) async fn drop(w: &mut Writing<'_>, user: UserId) -> Result<(), Error> {
    let sql =
        sqlx::query("DELETE FROM tokens WHERE user = (SELECT number FROM users WHERE id = ?)");
    w.run(sql.bind(user.0.as_bytes().as_slice())).await?;
    w.erase();
    Ok(())
}

pub(super) async fn of_user(pool: &SqlitePool, user: UserId) -> Result<Option<Tokens>, Error> {
    let row = sqlx::query(
        "SELECT t.user, t.refresh, t.access, t.expires_ms, t.generation, t.consented_ms
         FROM tokens t JOIN users u ON u.number = t.user WHERE u.id = ?",
    )
    .bind(user.0.as_bytes().as_slice())
    .fetch_optional(pool)
    .await
    .map_err(outage)?;
    row.as_ref().map(row::tokens).transpose()
}

pub(super) async fn of_environment(
    pool: &SqlitePool,
    environment: &EnvironmentId,
) -> Result<Option<Tokens>, Error> {
    let row = sqlx::query(
        "SELECT environment, refresh, access, expires_ms, generation, consented_ms
         FROM environment_tokens WHERE environment = ?",
    )
    .bind(environment.as_str())
    .fetch_optional(pool)
    .await
    .map_err(outage)?;
    row.as_ref().map(row::tokens).transpose()
}
