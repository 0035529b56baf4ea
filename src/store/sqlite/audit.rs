//! The audit.

use sqlx::SqlitePool;
use tribelink_plan::ids::ContactId;

use super::{outage, row, writing::Writing};
use crate::store::{AUDIT_DROPPED, AuditFilter, AuditLine, Error};

pub(super) async fn add(w: &mut Writing<'_>, line: &AuditLine) -> Result<(), Error> {
    let number = w.user_in(line.user, &line.environment).await?;
    w.run(
        sqlx::query(
            "INSERT INTO audit
                 (at_ms, user, person, contact, rule, direction, cause, fields, sealed, note,
                  pass)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(line.at_ms)
        .bind(number)
        .bind(line.person.as_ref().map(|id| id.0.as_bytes().as_slice()))
        .bind(line.contact.as_ref().map(ContactId::as_str))
        .bind(line.rule.code())
        .bind(row::word(&line.direction))
        .bind(row::word(&line.cause))
        .bind(row::fields(&line.fields))
        .bind(line.values.as_ref().map(|sealed| sealed.0.as_slice()))
        .bind(line.note.as_deref())
        .bind(line.pass),
    )
    .await?;
    Ok(())
}

pub(super) async fn forget_values(w: &mut Writing<'_>, before_ms: i64) -> Result<(), Error> {
    let sql = sqlx::query("UPDATE audit SET sealed = NULL WHERE sealed IS NOT NULL AND at_ms < ?");
    if w.run(sql.bind(before_ms)).await?.rows_affected() > 0 {
        w.erase();
    }
    Ok(())
}

/// The eldest numbers alone are looked at: no index on the age of every line is kept for this.
pub(super) async fn drop_lines(w: &mut Writing<'_>, before_ms: i64) -> Result<(), Error> {
    let sql = sqlx::query(
        "DELETE FROM audit WHERE at_ms < ? AND id IN (SELECT id FROM audit ORDER BY id LIMIT ?)",
    );
    let sql = sql.bind(before_ms).bind(AUDIT_DROPPED as i64);
    if w.run(sql).await?.rows_affected() > 0 {
        w.erase();
    }
    Ok(())
}

pub(super) async fn forget_user(w: &mut Writing<'_>, user: i64) -> Result<(), Error> {
    let sql = sqlx::query("UPDATE audit SET sealed = NULL WHERE sealed IS NOT NULL AND user = ?");
    w.run(sql.bind(user)).await?;
    Ok(())
}

macro_rules! select {
    ($($tail:literal),+) => {
        sqlx::query(concat!(
            "SELECT a.id, a.at_ms, u.environment, u.id AS user, a.person, a.contact, a.rule,
                    a.direction, a.cause, a.fields, a.sealed, a.note, a.pass
             FROM audit a JOIN users u ON u.number = a.user ",
            $($tail),+
        ))
    };
}

/// What every listing asks beside its index: rule, pass and time.
macro_rules! list {
    ($tail:literal) => {
        select!(
            "WHERE a.id < ?1 AND (?5 IS NULL OR a.rule = ?5) AND (?6 IS NULL OR a.pass = ?6)
               AND (?7 IS NULL OR a.at_ms >= ?7) AND (?8 IS NULL OR a.at_ms < ?8) AND ",
            $tail,
            " ORDER BY a.id DESC LIMIT ?2"
        )
    };
}

pub(super) async fn list(
    pool: &SqlitePool,
    filter: &AuditFilter,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<AuditLine>, Error> {
    // One text for each index that can serve it; the rest is looked for along that index.
    let user = filter.user.map(|user| user.0.as_bytes().to_vec());
    let person = filter.person.map(|person| person.0.as_bytes().to_vec());
    let sql = match (&user, &person) {
        (_, Some(_)) => list!("a.person = ?4 AND (?3 IS NULL OR u.id = ?3)"),
        (Some(_), None) => {
            list!("a.user = (SELECT number FROM users WHERE id = ?3) AND ?4 IS NULL")
        }
        (None, None) => list!("?3 IS NULL AND ?4 IS NULL"),
    };
    let rows = sql
        .bind(before.unwrap_or(i64::MAX))
        .bind(row::limit(limit))
        .bind(user)
        .bind(person)
        .bind(filter.rule.map(tribelink_plan::rule::Rule::code))
        .bind(filter.pass)
        .bind(filter.since_ms)
        .bind(filter.until_ms)
        .fetch_all(pool)
        .await
        .map_err(outage)?;
    rows.iter().map(row::audit_line).collect()
}

pub(super) async fn get(pool: &SqlitePool, id: i64) -> Result<Option<AuditLine>, Error> {
    let sql = select!("WHERE a.id = ?").bind(id);
    let row = sql.fetch_optional(pool).await.map_err(outage)?;
    row.as_ref().map(row::audit_line).transpose()
}
