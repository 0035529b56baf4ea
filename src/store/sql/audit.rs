//! The audit.

use tribelink_plan::ids::ContactId;

use super::{Pool, outage, row, writing::Writing};
use crate::store::{AUDIT_DROPPED, AuditFilter, AuditLine, Error};

pub(in crate::store) async fn add(w: &mut Writing<'_>, line: &AuditLine) -> Result<(), Error> {
    let number = w.user_in(line.user, &line.environment).await?;
    w.run(
        sqlx::query(
            r#"INSERT INTO audit
                 (at_ms, "user", person, contact, rule, direction, cause, fields, sealed, note,
                  pass)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"#,
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

pub(in crate::store) async fn forget_values(
    w: &mut Writing<'_>,
    before_ms: i64,
) -> Result<(), Error> {
    let sql = sqlx::query("UPDATE audit SET sealed = NULL WHERE sealed IS NOT NULL AND at_ms < $1");
    w.erase(sql.bind(before_ms)).await
}

/// The eldest numbers alone are looked at: no index on the age of every line is kept for this.
pub(in crate::store) async fn drop_lines(w: &mut Writing<'_>, before_ms: i64) -> Result<(), Error> {
    let sql = sqlx::query(
        "DELETE FROM audit WHERE at_ms < $1 AND id IN (SELECT id FROM audit ORDER BY id LIMIT $2)",
    );
    w.erase(sql.bind(before_ms).bind(AUDIT_DROPPED as i64))
        .await
}

pub(in crate::store) async fn forget_user(w: &mut Writing<'_>, user: i64) -> Result<(), Error> {
    let sql =
        sqlx::query(r#"UPDATE audit SET sealed = NULL WHERE sealed IS NOT NULL AND "user" = $1"#);
    w.erase(sql.bind(user)).await
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
            "WHERE a.id < $1 AND a.id >= $9 AND ($5 IS NULL OR a.rule = $5) AND ($6 IS NULL OR a.pass = $6)
               AND ($7 IS NULL OR a.at_ms >= $7) AND ($8 IS NULL OR a.at_ms < $8) AND ",
            $tail,
            " ORDER BY a.id DESC LIMIT $2"
        )
    };
}

/// Between which numbers, both included, the lines of a time stand; `None` without any. Numbers rise
/// with time all but strictly (replicas have clocks of their own), so this cuts off what a listing
/// would look at in vain, and leaves the time itself to the listing.
async fn numbers_of_time(pool: &Pool, filter: &AuditFilter) -> Result<Option<(i64, i64)>, Error> {
    // "+ 0": else Postgres walks along the numbers for the first that fits, past all that do not.
    let sql = sqlx::query(
        "SELECT min(id + 0) AS first, max(id + 0) AS last FROM audit WHERE at_ms BETWEEN $1 AND $2",
    )
    .bind(filter.since_ms.unwrap_or(i64::MIN))
    .bind(
        filter
            .until_ms
            .map_or(i64::MAX, |until_ms| until_ms.saturating_sub(1)),
    );
    let row = sql.fetch_one(pool).await.map_err(outage)?;
    let cells = row::Cells::of("audit", &row);
    let ends = (cells.int_or_none("first")?, cells.int_or_none("last")?);
    Ok(ends.0.zip(ends.1))
}

pub(in crate::store) async fn list(
    pool: &Pool,
    filter: &AuditFilter,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<AuditLine>, Error> {
    let (mut first, mut before) = (i64::MIN, before.unwrap_or(i64::MAX));
    if filter.since_ms.is_some() || filter.until_ms.is_some() {
        let Some((from, last)) = numbers_of_time(pool, filter).await? else {
            return Ok(Vec::new());
        };
        (first, before) = (from, before.min(last.saturating_add(1)));
    }
    // One text for each index that can serve it; the rest is looked for along that index.
    let user = filter.user.map(|user| user.0.as_bytes().to_vec());
    let person = filter.person.map(|person| person.0.as_bytes().to_vec());
    let sql = match (&user, &person, filter.rule) {
        (_, Some(_), _) => list!("a.person = $4 AND ($3 IS NULL OR u.id = $3)"),
        (Some(_), None, _) => {
            list!("a.user = (SELECT number FROM users WHERE id = $3) AND $4 IS NULL")
        }
        (None, None, Some(_)) => list!("a.rule = $5 AND $3 IS NULL AND $4 IS NULL"),
        (None, None, None) => list!("$3 IS NULL AND $4 IS NULL"),
    };
    let rows = sql
        .bind(before)
        .bind(row::limit(limit))
        .bind(user)
        .bind(person)
        .bind(filter.rule.map(tribelink_plan::rule::Rule::code))
        .bind(filter.pass)
        .bind(filter.since_ms)
        .bind(filter.until_ms)
        .bind(first)
        .fetch_all(pool)
        .await
        .map_err(outage)?;
    rows.iter().map(row::audit_line).collect()
}

pub(in crate::store) async fn get(pool: &Pool, id: i64) -> Result<Option<AuditLine>, Error> {
    let sql = select!("WHERE a.id = $1").bind(id);
    let row = sql.fetch_optional(pool).await.map_err(outage)?;
    row.as_ref().map(row::audit_line).transpose()
}
