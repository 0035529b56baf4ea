//! Previews of the first sync.

use tribelink_plan::ids::{PersonId, UserId};

use super::{Pool, outage, row, writing::Writing};
use crate::store::{Error, Preview, PreviewItem};

pub(in crate::store) async fn put(
    w: &mut Writing<'_>,
    user: UserId,
    preview: &Preview,
) -> Result<(), Error> {
    let number = w.user(user).await?;
    if !preview.ready {
        drop_items(w, number).await?;
    }
    w.run(
        sqlx::query(
            r#"INSERT INTO previews ("user", ready, creates, adopts, skips, made_ms)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT ("user") DO UPDATE SET
                 ready = excluded.ready,
                 creates = excluded.creates,
                 adopts = excluded.adopts,
                 skips = excluded.skips,
                 made_ms = excluded.made_ms"#,
        )
        .bind(number)
        .bind(preview.ready)
        .bind(row::int(preview.create))
        .bind(row::int(preview.adopt))
        .bind(row::int(preview.skip))
        .bind(preview.made_ms),
    )
    .await?;
    Ok(())
}

pub(in crate::store) async fn add(
    w: &mut Writing<'_>,
    user: UserId,
    items: &[PreviewItem],
) -> Result<(), Error> {
    let number = w.user(user).await?;
    for item in items {
        w.run(
            sqlx::query(
                r#"INSERT INTO preview_items ("user", person, action, rule, reason)
                 VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT ("user", person) DO UPDATE SET
                 action = excluded.action,
                 rule = excluded.rule,
                 reason = excluded.reason"#,
            )
            .bind(number)
            .bind(item.person.0.as_bytes().as_slice())
            .bind(item.action.as_str())
            .bind(item.rule.code())
            .bind(item.reason.as_str()),
        )
        .await?;
    }
    Ok(())
}

pub(in crate::store) async fn forget(w: &mut Writing<'_>, user: i64) -> Result<(), Error> {
    drop_items(w, user).await?;
    w.run(sqlx::query(r#"DELETE FROM previews WHERE "user" = $1"#).bind(user))
        .await?;
    Ok(())
}

async fn drop_items(w: &mut Writing<'_>, user: i64) -> Result<(), Error> {
    w.run(sqlx::query(r#"DELETE FROM preview_items WHERE "user" = $1"#).bind(user))
        .await?;
    Ok(())
}

pub(in crate::store) async fn get(pool: &Pool, user: UserId) -> Result<Option<Preview>, Error> {
    let row = sqlx::query(
        "SELECT p.user, p.ready, p.creates, p.adopts, p.skips, p.made_ms
         FROM users u JOIN previews p ON p.user = u.number WHERE u.id = $1",
    )
    .bind(user.0.as_bytes().as_slice())
    .fetch_optional(pool)
    .await
    .map_err(outage)?;
    row.as_ref().map(row::preview).transpose()
}

pub(in crate::store) async fn items(
    pool: &Pool,
    user: UserId,
    after: Option<PersonId>,
    limit: usize,
) -> Result<Vec<PreviewItem>, Error> {
    // The empty blob comes before every id.
    let after = after.map_or_else(Vec::new, |id| id.0.as_bytes().to_vec());
    let rows = sqlx::query(
        "SELECT i.person, i.action, i.rule, i.reason
         FROM users u JOIN preview_items i ON i.user = u.number
         WHERE u.id = $1 AND i.person > $2 ORDER BY i.person LIMIT $3",
    )
    .bind(user.0.as_bytes().as_slice())
    .bind(after)
    .bind(row::limit(limit))
    .fetch_all(pool)
    .await
    .map_err(outage)?;
    rows.iter().map(row::preview_item).collect()
}
