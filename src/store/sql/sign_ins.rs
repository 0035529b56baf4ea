//! Pending sign-ins, each good for one use, and sessions of the page.

use tribelink_plan::ids::UserId;

use super::{Pool, outage, row, writing::Writing};
use crate::store::{Error, Purpose, SignIn};

pub(in crate::store) async fn put(
    w: &mut Writing<'_>,
    state_hash: &[u8; 32],
    sign_in: &SignIn,
) -> Result<(), Error> {
    let (purpose, environment, user) = match &sign_in.purpose {
        Purpose::Invite(user) => of_user(w, "invite", *user).await?,
        Purpose::Consent(user) => of_user(w, "consent", *user).await?,
        Purpose::Employee(environment) => ("employee", environment.clone(), None),
        Purpose::Connect(environment) => ("connect", environment.clone(), None),
        Purpose::Page(environment) => ("page", environment.clone(), None),
        Purpose::Session(environment) => ("session", environment.clone(), None),
    };
    super::environments::exists(w, &environment).await?;
    w.run(
        sqlx::query(
            r#"INSERT INTO sign_ins
                 (state_hash, purpose, environment, "user", proof, browser_hash, expires_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (state_hash) DO UPDATE SET
                 purpose = excluded.purpose,
                 environment = excluded.environment,
                 "user" = excluded.user,
                 proof = excluded.proof,
                 browser_hash = excluded.browser_hash,
                 expires_ms = excluded.expires_ms"#,
        )
        .bind(state_hash.as_slice())
        .bind(purpose)
        .bind(environment.as_str())
        .bind(user)
        .bind(sign_in.proof.0.as_slice())
        .bind(sign_in.browser_hash.as_ref().map(|hash| hash.as_slice()))
        .bind(sign_in.expires_ms),
    )
    .await?;
    Ok(())
}

async fn of_user(
    w: &mut Writing<'_>,
    purpose: &'static str,
    user: UserId,
) -> Result<
    (
        &'static str,
        tribelink_plan::ids::EnvironmentId,
        Option<i64>,
    ),
    Error,
> {
    let found = w.find_user(user).await?;
    let (number, environment) = found.ok_or(Error::Conflict("user"))?;
    Ok((purpose, environment, Some(number)))
}

pub(in crate::store) async fn take(
    w: &mut Writing<'_>,
    state_hash: &[u8; 32],
    now_ms: i64,
) -> Result<Option<SignIn>, Error> {
    let taken = sqlx::query(
        r#"DELETE FROM sign_ins WHERE state_hash = $1
         RETURNING state_hash, purpose, environment,
             (SELECT id FROM users WHERE number = "user") AS user, proof, browser_hash, expires_ms"#,
    );
    let Some(row) = w.one(taken.bind(state_hash.as_slice())).await? else {
        return Ok(None);
    };
    w.erased();
    let sign_in = row::sign_in(&row)?;
    Ok(Some(sign_in).filter(|sign_in| sign_in.expires_ms > now_ms))
}

pub(in crate::store) async fn get(
    pool: &Pool,
    state_hash: &[u8; 32],
    now_ms: i64,
) -> Result<Option<SignIn>, Error> {
    let kept = sqlx::query(
        r#"SELECT state_hash, purpose, environment,
             (SELECT id FROM users WHERE number = "user") AS user, proof, browser_hash, expires_ms
         FROM sign_ins WHERE state_hash = $1 AND expires_ms > $2"#,
    );
    let kept = kept.bind(state_hash.as_slice()).bind(now_ms);
    let row = kept.fetch_optional(pool).await.map_err(outage)?;
    row.as_ref().map(row::sign_in).transpose()
}

pub(in crate::store) async fn tidy(w: &mut Writing<'_>, now_ms: i64) -> Result<(), Error> {
    let sql = sqlx::query("DELETE FROM sign_ins WHERE expires_ms <= $1").bind(now_ms);
    w.erase(sql).await
}
