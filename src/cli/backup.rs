//! Copies of the SQLite database.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{
    Report,
    args::{BackupArgs, RestoreArgs},
    error::Error,
};
use crate::{
    clock::{Clock as _, SystemClock},
    config::Database,
    store::{self, sqlite::backup},
};

/// Copies the database into a folder and removes copies beyond those to keep.
pub(super) async fn copy(args: &BackupArgs, database: &Database) -> Result<Report, Error> {
    let url = sqlite(database)?;
    make_folder(&args.folder).map_err(|error| unusable(&args.folder, &error))?;
    let now = Timestamp::from_millisecond(SystemClock.now_ms()).map_err(Error::failed)?;
    let name = format!("{PREFIX}{}{SUFFIX}", now.strftime("%Y%m%dT%H%M%SZ"));
    let copy = args.folder.join(&name);
    // A copy bears its name only once it is whole.
    let part = args.folder.join(format!(".{name}.part"));
    if copy.exists() {
        return Err(Error::Failed(format!(
            "{} is there already",
            copy.display()
        )));
    }
    backup::copy(url, &part).await.map_err(Error::failed)?;
    fs::rename(&part, &copy).map_err(|error| unusable(&copy, &error))?;
    let removed = match args.keep {
        None => Vec::new(),
        Some(keep) => {
            prune(&args.folder, keep as usize).map_err(|error| unusable(&args.folder, &error))?
        }
    };
    let value = json!({ "copy": copy, "removed": removed });
    let words = |value: &Value| {
        let removed = value["removed"].as_array().map_or(0, Vec::len);
        let copy = value["copy"].as_str().unwrap_or_default();
        match removed {
            0 => format!("Copied to {copy}"),
            _ => format!("Copied to {copy}; {removed} older removed"),
        }
    };
    Ok(Report::new(value, words))
}

/// Puts a copy in the place of the database.
pub(super) async fn restore(args: &RestoreArgs, database: &Database) -> Result<Report, Error> {
    let url = sqlite(database)?;
    let kept = match backup::restore(url, &args.file, args.replace).await {
        Ok(kept) => kept,
        Err(store::Error::Conflict(_)) => {
            return Err(Error::Usage(
                "a database stands there already; with --replace it is kept beside the restored one"
                    .to_owned(),
            ));
        }
        Err(error) => return Err(Error::failed(error)),
    };
    let value = json!({ "restored": true, "kept": kept });
    let words = |value: &Value| {
        let kept = value["kept"].as_str();
        let kept = kept.map(|kept| format!(" The former one is {kept}."));
        format!(
            "Restored.{}\nStart the service, then `tribelink rebuild --user ID` for each user finds \
             what was linked since the copy.",
            kept.unwrap_or_default()
        )
    };
    Ok(Report::new(value, words))
}

const PREFIX: &str = "tribelink-";
const SUFFIX: &str = ".db";

fn sqlite(database: &Database) -> Result<&str, Error> {
    let url = database.url.expose_secret();
    if url.starts_with("sqlite:") {
        return Ok(url);
    }
    Err(Error::Usage(
        "database.url is not SQLite's: take the database's own tools, such as pg_dump".to_owned(),
    ))
}

/// Makes the folder, for its owner's eyes alone.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Removes the oldest copies; their names sort by time. Nothing else in the folder is touched.
fn prune(folder: &Path, keep: usize) -> io::Result<Vec<PathBuf>> {
    let mut copies: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let stamp = name.to_str().and_then(|name| {
            let stamp = name.strip_prefix(PREFIX)?;
            stamp.strip_suffix(SUFFIX)
        });
        if stamp.is_some_and(|stamp| stamp.len() == "20261125T192800Z".len()) {
            copies.push(entry.path());
        }
    }
    copies.sort();
    let surplus = copies.len().saturating_sub(keep);
    copies.truncate(surplus);
    for copy in &copies {
        fs::remove_file(copy)?;
    }
    Ok(copies)
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    Error::Failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_copies_stay_and_nothing_else_is_touched() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = [
            "tribelink-20261123T010000Z.db",
            "tribelink-20261125T010000Z.db",
            "tribelink-20261124T010000Z.db",
            "tribelink-before-the-upgrade.db",
            "other.db",
        ];
        for name in names {
            fs::write(folder.path().join(name), "").expect("written");
        }
        let removed = prune(folder.path(), 2).expect("pruned");
        assert_eq!(removed, [folder.path().join(names[0])]);
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 4);
        assert!(prune(folder.path(), 2).expect("pruned").is_empty());
    }
}
