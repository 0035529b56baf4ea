//! Delta cursors.

use tribelink_plan::ids::{FolderId, UserId};

use super::{Pool, outage, row, writing::Writing};
use crate::store::{Cursor, Error};

pub(in crate::store) async fn put(
    w: &mut Writing<'_>,
    user: UserId,
    cursor: &Cursor,
) -> Result<(), Error> {
    let number = w.user(user).await?;
    let sql = sqlx::query(
        r#"INSERT INTO cursors ("user", folder, is_default, link) VALUES ($1, $2, $3, $4)
             ON CONFLICT ("user", folder) DO UPDATE SET
                 is_default = excluded.is_default,
                 link = excluded.link"#,
    )
    .bind(number)
    .bind(cursor.folder.as_str())
    .bind(cursor.is_default)
    .bind(cursor.link.as_str());
    w.run(sql).await?;
    Ok(())
}

pub(in crate::store) async fn drop(
    w: &mut Writing<'_>,
    user: UserId,
    folder: &FolderId,
) -> Result<(), Error> {
    let sql = sqlx::query(
        r#"DELETE FROM cursors WHERE "user" = (SELECT number FROM users WHERE id = $1) AND folder = $2"#,
    )
    .bind(user.0.as_bytes().as_slice())
    .bind(folder.as_str());
    w.run(sql).await?;
    Ok(())
}

pub(in crate::store) async fn drop_all(w: &mut Writing<'_>, user: UserId) -> Result<(), Error> {
    let sql = sqlx::query(
        r#"DELETE FROM cursors WHERE "user" = (SELECT number FROM users WHERE id = $1)"#,
    );
    w.run(sql.bind(user.0.as_bytes().as_slice())).await?;
    Ok(())
}

pub(in crate::store) async fn of(pool: &Pool, user: UserId) -> Result<Vec<Cursor>, Error> {
    let rows = sqlx::query(
        "SELECT c.folder, c.is_default, c.link
         FROM users u JOIN cursors c ON c.user = u.number WHERE u.id = $1 ORDER BY c.folder",
    )
    .bind(user.0.as_bytes().as_slice())
    .fetch_all(pool)
    .await
    .map_err(outage)?;
    rows.iter().map(row::cursor).collect()
}
