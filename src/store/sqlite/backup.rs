//! Copies of the file for another process: `tribelink backup` beside a running service, and
//! `tribelink restore` while none runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{file, outage, schema};
use crate::store::Error;

/// Writes a consistent copy of the database that the URL names to a new file, readable by its owner
/// alone. A service may run meanwhile; its schema is left as it is. The copy is on the disk when
/// this returns.
///
/// # Errors
/// [`Error::Unavailable`] when there is no such database, or the copy is there already or cannot be
/// written: what was begun is removed, so it is safe to repeat. [`Error::Schema`] when the URL names
/// no file.
pub async fn copy(url: &str, to: &Path) -> Result<(), Error> {
    let options = options(url)?;
    let mut conn = options.connect().await.map_err(outage)?;
    let copied = copy_from(&mut conn, to).await;
    let _ = conn.close().await;
    copied
}

/// Copies what a connection sees into a new file.
pub(super) async fn copy_from(conn: &mut SqliteConnection, to: &Path) -> Result<(), Error> {
    file::create_new(to).map_err(|error| file::unavailable(&error))?;
    let copied = vacuum_into(conn, to).await;
    if copied.is_err() {
        // It holds nothing that anybody could restore.
        let _ = fs::remove_file(to);
    }
    copied
}

async fn vacuum_into(conn: &mut SqliteConnection, to: &Path) -> Result<(), Error> {
    let name = to
        .to_str()
        .ok_or_else(|| Error::Unavailable("the copy's path is not UTF-8".to_owned()))?;
    let copied = sqlx::query("VACUUM INTO ?").bind(name).execute(conn).await;
    copied.map_err(outage)?;
    // VACUUM INTO leaves the flushing to the operating system.
    file::sync(to).map_err(|error| file::unavailable(&error))
}

/// Puts a copy in the place of the database that the URL names. One that stands there already is
/// kept beside it, with `.replaced` behind its name, when `replace` says so; answers where.
///
/// # Errors
/// [`Error::Conflict`] when one stands there and `replace` does not say so. [`Error::Schema`] when
/// the copy is damaged or a newer program's. [`Error::Unavailable`] when a service runs on the
/// database, or a file cannot be read or written. Nothing was changed in each case.
pub async fn restore(url: &str, from: &Path, replace: bool) -> Result<Option<PathBuf>, Error> {
    let options = options(url)?;
    let to = options.get_filename().to_owned();
    let failed = |error: io::Error| file::unavailable(&error);
    examine(from).await?;
    let stands = to.try_exists().map_err(failed)?;
    if stands && !replace {
        return Err(Error::Conflict("the database"));
    }
    if stands {
        ensure_alone(options).await?;
    }
    let part = beside(&to, ".part");
    file::create_new(&part).map_err(failed)?;
    let written = fs::copy(from, &part).and_then(|_| file::sync(&part));
    let kept = beside(&to, ".replaced");
    let swapped = written.and_then(|()| {
        if stands {
            if kept.try_exists()? {
                let name = kept.display();
                let why = format!("{name} is there from an earlier time; move it away");
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
            }
            fs::rename(&to, &kept)?;
        }
        // What a log of another database holds must never be carried over into this one.
        for companion in ["-wal", "-shm"] {
            match fs::remove_file(beside(&to, companion)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&part, &to)?;
        file::sync(&to)
    });
    if let Err(error) = swapped {
        let _ = fs::remove_file(&part);
        return Err(failed(error));
    }
    Ok(stands.then_some(kept))
}

/// Whether a copy is whole and of a schema that this program knows.
async fn examine(from: &Path) -> Result<(), Error> {
    let damaged = |why: String| Error::Schema(format!("the copy is no whole database: {why}"));
    let options = SqliteConnectOptions::new()
        .filename(from)
        .create_if_missing(false)
        .read_only(true)
        .immutable(true);
    let mut conn = options.connect().await.map_err(outage)?;
    let said: Result<String, sqlx::Error> = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_one(&mut conn)
        .await;
    let known = match said {
        Ok(said) if said == "ok" => schema::is_known(&mut conn).await,
        Ok(said) => Err(damaged(said)),
        Err(error) => Err(damaged(error.to_string())),
    };
    let _ = conn.close().await;
    known
}

/// Fails while another process has the database open. Carries its log over on closing.
async fn ensure_alone(options: SqliteConnectOptions) -> Result<(), Error> {
    let options = options
        .busy_timeout(Duration::from_millis(200))
        .pragma("locking_mode", "EXCLUSIVE");
    let mut conn = options.connect().await.map_err(outage)?;
    let alone = sqlx::query("BEGIN EXCLUSIVE").execute(&mut conn).await;
    if alone.is_ok() {
        let _ = sqlx::query("ROLLBACK").execute(&mut conn).await;
    }
    let _ = conn.close().await;
    alone.map(|_| ()).map_err(|_| {
        Error::Unavailable("another process works on it: stop the service first".to_owned())
    })
}

fn options(url: &str) -> Result<SqliteConnectOptions, Error> {
    let form = || Error::Schema("the URL is not of the form sqlite:path".to_owned());
    if !url.starts_with("sqlite:") {
        return Err(form());
    }
    let options = SqliteConnectOptions::from_str(url).map_err(|_| form())?;
    Ok(options.create_if_missing(false))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(ending);
    name.into()
}
