//! Users, and what their brake has counted.

use tribelink_plan::ids::{EmployeeId, EnvironmentId, UserId};

use super::{
    Pool, outage,
    row::{self, Cells},
    writing::Writing,
};
use crate::store::{BRAKE_COUNTS_KEPT_MS, Error, User, UserState};

pub(in crate::store) async fn number_of(
    w: &mut Writing<'_>,
    id: UserId,
) -> Result<Option<(i64, EnvironmentId)>, Error> {
    let sql = sqlx::query("SELECT number, environment FROM users WHERE id = $1")
        .bind(id.0.as_bytes().as_slice());
    let row = w.one(sql).await?;
    row.map(|row| {
        let cells = Cells::of("users", &row);
        Ok((cells.int("number")?, cells.environment("environment")?))
    })
    .transpose()
}

pub(in crate::store) async fn put(w: &mut Writing<'_>, user: &User) -> Result<(), Error> {
    super::environments::exists(w, &user.environment).await?;
    if let Some((_, environment)) = w.find_user(user.id).await?
        && environment != user.environment
    {
        return Err(Error::Conflict("user"));
    }
    let taken = sqlx::query(
        "SELECT number FROM users WHERE environment = $1 AND employee = $2 AND id <> $3",
    )
    .bind(user.environment.as_str())
    .bind(user.employee.0.as_bytes().as_slice())
    .bind(user.id.0.as_bytes().as_slice());
    if w.one(taken).await?.is_some() {
        return Err(Error::Conflict("user"));
    }
    let identity = user.identity.as_ref();
    w.run(
        sqlx::query(
            "INSERT INTO users (id, environment, employee, state, resume_state, reason, tenant,
                 object, mailbox, allow_mailbox, return_to, start_on_consent, started, created_ms,
                 chores_due_ms, delta_ms, proven_ms, progress_done, progress_all,
                 throttled_until_ms, released, brake_since_ms, braked_changes, braked_links)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
             ON CONFLICT (id) DO UPDATE SET
                 employee = excluded.employee,
                 state = excluded.state,
                 resume_state = excluded.resume_state,
                 reason = excluded.reason,
                 tenant = excluded.tenant,
                 object = excluded.object,
                 mailbox = excluded.mailbox,
                 allow_mailbox = excluded.allow_mailbox,
                 return_to = excluded.return_to,
                 start_on_consent = excluded.start_on_consent,
                 started = excluded.started,
                 created_ms = excluded.created_ms,
                 chores_due_ms = excluded.chores_due_ms,
                 delta_ms = excluded.delta_ms,
                 proven_ms = excluded.proven_ms,
                 progress_done = excluded.progress_done,
                 progress_all = excluded.progress_all,
                 throttled_until_ms = excluded.throttled_until_ms,
                 released = excluded.released,
                 brake_since_ms = excluded.brake_since_ms,
                 braked_changes = excluded.braked_changes,
                 braked_links = excluded.braked_links",
        )
        .bind(user.id.0.as_bytes().as_slice())
        .bind(user.environment.as_str())
        .bind(user.employee.0.as_bytes().as_slice())
        .bind(user.state.name())
        .bind(user.resume_state.name())
        .bind(user.reason.as_deref())
        .bind(identity.map(|(tenant, _)| tenant.as_str()))
        .bind(identity.map(|(_, object)| object.as_str()))
        .bind(user.mailbox.as_ref().map(|sealed| sealed.0.as_slice()))
        .bind(
            user.allow_mailbox
                .as_ref()
                .map(|sealed| sealed.0.as_slice()),
        )
        .bind(user.return_to.as_deref())
        .bind(user.start_on_consent)
        .bind(user.started)
        .bind(user.created_ms)
        .bind(user.chores_due_ms)
        .bind(user.delta_ms)
        .bind(user.proven_ms)
        .bind(user.progress.map(|(done, _)| row::int(done)))
        .bind(user.progress.map(|(_, all)| row::int(all)))
        .bind(user.throttled_until_ms)
        .bind(user.released)
        .bind(user.brake_since_ms)
        .bind(user.braked.map(|(changes, _)| row::int(changes)))
        .bind(user.braked.map(|(_, links)| row::int(links))),
    )
    .await?;
    Ok(())
}

/// Moves a user from one state to the other.
pub(in crate::store) async fn go(
    w: &mut Writing<'_>,
    id: UserId,
    (from, to): (UserState, UserState),
    resume_state: Option<UserState>,
    reason: Option<&str>,
) -> Result<(), Error> {
    let sql = sqlx::query(
        "UPDATE users SET state = $1, resume_state = coalesce($2, resume_state), reason = $3
         WHERE id = $4 AND state = $5",
    )
    .bind(to.name())
    .bind(resume_state.map(UserState::name))
    .bind(reason)
    .bind(id.0.as_bytes().as_slice())
    .bind(from.name());
    w.must(sql, "user").await
}

/// `times`: chores due, delta, throttled until.
pub(in crate::store) async fn set_chores(
    w: &mut Writing<'_>,
    id: UserId,
    [chores_due_ms, delta_ms, throttled_until_ms]: [i64; 3],
    proven_ms: Option<i64>,
) -> Result<(), Error> {
    let sql = sqlx::query(
        "UPDATE users SET chores_due_ms = $1, delta_ms = $2, proven_ms = $3, throttled_until_ms = $4
         WHERE id = $5",
    )
    .bind(chores_due_ms)
    .bind(delta_ms)
    .bind(proven_ms)
    .bind(throttled_until_ms)
    .bind(id.0.as_bytes().as_slice());
    w.must(sql, "user").await
}

pub(in crate::store) async fn rest(
    w: &mut Writing<'_>,
    id: UserId,
    until_ms: i64,
) -> Result<(), Error> {
    let sql = sqlx::query(
        "UPDATE users SET throttled_until_ms =
             CASE WHEN throttled_until_ms < $1 THEN $1 ELSE throttled_until_ms END
         WHERE id = $2",
    )
    .bind(until_ms)
    .bind(id.0.as_bytes().as_slice());
    w.must(sql, "user").await
}

pub(in crate::store) async fn set_progress(
    w: &mut Writing<'_>,
    id: UserId,
    progress: Option<(u64, u64)>,
) -> Result<(), Error> {
    let sql = sqlx::query("UPDATE users SET progress_done = $1, progress_all = $2 WHERE id = $3")
        .bind(progress.map(|(done, _)| row::int(done)))
        .bind(progress.map(|(_, all)| row::int(all)))
        .bind(id.0.as_bytes().as_slice());
    w.must(sql, "user").await
}

pub(in crate::store) async fn set_brake(
    w: &mut Writing<'_>,
    id: UserId,
    released: bool,
    brake_since_ms: i64,
    braked: Option<(u64, u64)>,
) -> Result<(), Error> {
    let sql = sqlx::query(
        "UPDATE users SET released = $1, brake_since_ms = $2, braked_changes = $3, braked_links = $4
         WHERE id = $5",
    )
    .bind(released)
    .bind(brake_since_ms)
    .bind(braked.map(|(changes, _)| row::int(changes)))
    .bind(braked.map(|(_, links)| row::int(links)))
    .bind(id.0.as_bytes().as_slice());
    w.must(sql, "user").await
}

macro_rules! select {
    ($($tail:tt)+) => {
        sqlx::query(concat!(
            "SELECT id, environment, employee, state, resume_state, reason, tenant, object, mailbox,
                    allow_mailbox, return_to, start_on_consent, started, created_ms, chores_due_ms,
                    delta_ms, proven_ms, progress_done, progress_all, throttled_until_ms, released,
                    brake_since_ms, braked_changes, braked_links
             FROM users ",
            $($tail)+
        ))
    };
}

pub(in crate::store) async fn get(pool: &Pool, id: UserId) -> Result<Option<User>, Error> {
    let sql = select!("WHERE id = $1").bind(id.0.as_bytes().as_slice());
    let row = sql.fetch_optional(pool).await.map_err(outage)?;
    row.as_ref().map(row::user).transpose()
}

pub(in crate::store) async fn of_employee(
    pool: &Pool,
    environment: &EnvironmentId,
    employee: EmployeeId,
) -> Result<Option<User>, Error> {
    let sql = select!("WHERE environment = $1 AND employee = $2")
        .bind(environment.as_str())
        .bind(employee.0.as_bytes().as_slice());
    let row = sql.fetch_optional(pool).await.map_err(outage)?;
    row.as_ref().map(row::user).transpose()
}

pub(in crate::store) async fn list(
    pool: &Pool,
    environment: Option<&EnvironmentId>,
    after: Option<UserId>,
    limit: usize,
) -> Result<Vec<User>, Error> {
    // The empty blob comes before every id.
    let after = after.map_or_else(Vec::new, |id| id.0.as_bytes().to_vec());
    let sql = match environment {
        Some(environment) => select!("WHERE id > $1 AND environment = $3 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(row::limit(limit))
            .bind(environment.as_str()),
        None => select!("WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(row::limit(limit)),
    };
    let rows = sql.fetch_all(pool).await.map_err(outage)?;
    rows.iter().map(row::user).collect()
}

pub(in crate::store) async fn count(pool: &Pool) -> Result<Vec<(UserState, u64)>, Error> {
    let rows = sqlx::query("SELECT state, count(*) AS count FROM users GROUP BY state")
        .fetch_all(pool)
        .await
        .map_err(outage)?;
    let mut counts = UserState::ALL.map(|state| (state, 0));
    for row in &rows {
        let cells = Cells::of("users", row);
        let name = cells.text("state")?;
        let known = counts.iter_mut().find(|(state, _)| state.name() == name);
        let (_, count) = known.ok_or_else(|| cells.corrupt("state"))?;
        *count = cells.count("count")?;
    }
    Ok(counts.to_vec())
}

pub(in crate::store) async fn count_brake(
    w: &mut Writing<'_>,
    user: UserId,
    at_ms: i64,
    count: u64,
) -> Result<(), Error> {
    let number = w.user(user).await?;
    let sql = sqlx::query(
        r#"INSERT INTO brake_counts ("user", at_ms, count) VALUES ($1, $2, $3)
         ON CONFLICT ("user", at_ms) DO UPDATE SET count = brake_counts.count + excluded.count"#,
    );
    w.run(sql.bind(number).bind(at_ms).bind(row::int(count)))
        .await?;
    Ok(())
}

pub(in crate::store) async fn brake_count(
    pool: &Pool,
    user: UserId,
    since_ms: i64,
) -> Result<u64, Error> {
    let row = sqlx::query(
        "SELECT CAST(coalesce(sum(b.count), 0) AS BIGINT) AS count
         FROM users u JOIN brake_counts b ON b.user = u.number
         WHERE u.id = $1 AND b.at_ms >= $2",
    )
    .bind(user.0.as_bytes().as_slice())
    .bind(since_ms)
    .fetch_one(pool)
    .await
    .map_err(outage)?;
    Cells::of("brake_counts", &row).count("count")
}

pub(in crate::store) async fn tidy_brake(w: &mut Writing<'_>, now_ms: i64) -> Result<(), Error> {
    let sql = sqlx::query("DELETE FROM brake_counts WHERE at_ms < $1");
    w.run(sql.bind(now_ms.saturating_sub(BRAKE_COUNTS_KEPT_MS)))
        .await?;
    Ok(())
}
