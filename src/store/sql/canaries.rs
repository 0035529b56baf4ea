//! Rounds of canaries, and what was proven of each mailbox.

use tribelink_plan::{
    field::Side,
    ids::{EnvironmentId, UserId},
};

use super::{Pool, environments, outage, row, writing::Writing};
use crate::store::{CanaryProof, CanaryRound, Error};

/// As the column `side` holds it.
fn word(side: Side) -> &'static str {
    match side {
        Side::Tribe => "tribe",
        Side::Outlook => "outlook",
    }
}

pub(in crate::store) async fn put(w: &mut Writing<'_>, round: &CanaryRound) -> Result<(), Error> {
    environments::exists(w, &round.environment).await?;
    let sql = sqlx::query(
        "INSERT INTO canaries (environment, number, origin, began_ms, written, due_ms)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (environment) DO UPDATE SET
             number = excluded.number,
             origin = excluded.origin,
             began_ms = excluded.began_ms,
             written = excluded.written,
             due_ms = excluded.due_ms",
    )
    .bind(round.environment.as_str())
    .bind(round.number)
    .bind(
        round
            .origin
            .as_ref()
            .map(|user| user.0.as_bytes().as_slice()),
    )
    .bind(round.began_ms)
    .bind(round.written)
    .bind(round.due_ms);
    w.run(sql).await?;
    Ok(())
}

pub(in crate::store) async fn wait(
    w: &mut Writing<'_>,
    (user, to): (UserId, Side),
    round: i64,
    since_ms: i64,
) -> Result<(), Error> {
    let number = w.user(user).await?;
    let sql = sqlx::query(
        r#"INSERT INTO canary_proofs ("user", side, round, waits_ms) VALUES ($1, $2, $3, $4)
           ON CONFLICT ("user", side) DO UPDATE SET
               round = excluded.round,
               waits_ms = coalesce(canary_proofs.waits_ms, excluded.waits_ms)"#,
    )
    .bind(number)
    .bind(word(to))
    .bind(round)
    .bind(since_ms);
    w.run(sql).await?;
    Ok(())
}

pub(in crate::store) async fn prove(
    w: &mut Writing<'_>,
    (user, to): (UserId, Side),
    round: i64,
    at_ms: i64,
    took_ms: i64,
) -> Result<(), Error> {
    let number = w.user(user).await?;
    // A round that the environment's worker asked for meanwhile is still to be proven.
    let sql = sqlx::query(
        r#"INSERT INTO canary_proofs ("user", side, round, proven_ms, took_ms)
           VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT ("user", side) DO UPDATE SET
               waits_ms = CASE WHEN canary_proofs.round > excluded.round
                               THEN canary_proofs.waits_ms END,
               round = CASE WHEN canary_proofs.round > excluded.round
                            THEN canary_proofs.round ELSE excluded.round END,
               proven_ms = excluded.proven_ms,
               took_ms = excluded.took_ms"#,
    )
    .bind(number)
    .bind(word(to))
    .bind(round)
    .bind(at_ms)
    .bind(took_ms);
    w.run(sql).await?;
    Ok(())
}

pub(in crate::store) async fn end_wait(
    w: &mut Writing<'_>,
    (user, to): (UserId, Side),
) -> Result<(), Error> {
    let sql = sqlx::query(
        r#"UPDATE canary_proofs SET round = 0, waits_ms = NULL
           WHERE "user" = (SELECT number FROM users WHERE id = $1) AND side = $2"#,
    )
    .bind(user.0.as_bytes().as_slice())
    .bind(word(to));
    w.run(sql).await?;
    Ok(())
}

pub(super) async fn forget(w: &mut Writing<'_>, number: i64) -> Result<(), Error> {
    let sql = sqlx::query(r#"DELETE FROM canary_proofs WHERE "user" = $1"#);
    w.run(sql.bind(number)).await?;
    Ok(())
}

pub(in crate::store) async fn get(
    pool: &Pool,
    environment: &EnvironmentId,
) -> Result<Option<CanaryRound>, Error> {
    let row = sqlx::query(
        "SELECT environment, number, origin, began_ms, written, due_ms
         FROM canaries WHERE environment = $1",
    )
    .bind(environment.as_str())
    .fetch_optional(pool)
    .await
    .map_err(outage)?;
    row.as_ref().map(row::canary_round).transpose()
}

pub(in crate::store) async fn proofs(
    pool: &Pool,
    environment: &EnvironmentId,
) -> Result<Vec<CanaryProof>, Error> {
    let rows = sqlx::query(
        r#"SELECT u.id AS "user", p.side, p.round, p.waits_ms, p.proven_ms, p.took_ms
           FROM users u JOIN canary_proofs p ON p."user" = u.number
           WHERE u.environment = $1 ORDER BY u.id, p.side DESC"#,
    )
    .bind(environment.as_str())
    .fetch_all(pool)
    .await
    .map_err(outage)?;
    rows.iter().map(row::canary_proof).collect()
}

pub(in crate::store) async fn proofs_of(
    pool: &Pool,
    user: UserId,
) -> Result<Vec<CanaryProof>, Error> {
    let rows = sqlx::query(
        r#"SELECT u.id AS "user", p.side, p.round, p.waits_ms, p.proven_ms, p.took_ms
           FROM users u JOIN canary_proofs p ON p."user" = u.number
           WHERE u.id = $1 ORDER BY p.side DESC"#,
    )
    .bind(user.0.as_bytes().as_slice())
    .fetch_all(pool)
    .await
    .map_err(outage)?;
    rows.iter().map(row::canary_proof).collect()
}
