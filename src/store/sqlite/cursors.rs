//! Delta cursors.

use sqlx::SqlitePool;
use tribelink_plan::ids::{FolderId, UserId};

use super::{outage, row, writing::Writing};
use crate::store::{Cursor, Error};

pub(super) async fn put(w: &mut Writing<'_>, user: UserId, cursor: &Cursor) -> Result<(), Error> {
    let number = w.user(user).await?;
    let sql = sqlx::query(
        "INSERT OR REPLACE INTO cursors (user, folder, is_default, link) VALUES (?, ?, ?, ?)",
    )
    .bind(number)
    .bind(cursor.folder.as_str())
    .bind(cursor.is_default)
    .bind(cursor.link.as_str());
    w.run(sql).await?;
    Ok(())
}

pub(super) async fn drop(
    w: &mut Writing<'_>,
    user: UserId,
    folder: &FolderId,
) -> Result<(), Error> {
    let sql = sqlx::query(
        "DELETE FROM cursors WHERE user = (SELECT number FROM users WHERE id = ?) AND folder = ?",
    )
    .bind(user.0.as_bytes().as_slice())
    .bind(folder.as_str());
    w.run(sql).await?;
    Ok(())
}

pub(super) async fn drop_all(w: &mut Writing<'_>, user: UserId) -> Result<(), Error> {
    let sql =
        sqlx::query("DELETE FROM cursors WHERE user = (SELECT number FROM users WHERE id = ?)");
    w.run(sql.bind(user.0.as_bytes().as_slice())).await?;
    Ok(())
}

pub(super) async fn of(pool: &SqlitePool, user: UserId) -> Result<Vec<Cursor>, Error> {
    let rows = sqlx::query(
        "SELECT c.folder, c.is_default, c.link
         FROM users u JOIN cursors c ON c.user = u.number WHERE u.id = ? ORDER BY c.folder",
    )
    .bind(user.0.as_bytes().as_slice())
    .fetch_all(pool)
    .await
    .map_err(outage)?;
    rows.iter().map(row::cursor).collect()
}
