//! The database's file: made for its owner's eyes alone, and known again.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::store::Error;

/// Which file a path names at the moment: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn at(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let meta = fs::metadata(path)?;
        Ok(Self(meta.dev(), meta.ino()))
    }

    /// Elsewhere a file in use cannot be replaced: that it is there is enough.
    #[cfg(not(unix))]
    fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|_| Self(0, 0))
    }
}

/// The file that was opened, and its write-ahead log once that is there.
#[derive(Clone, Debug)]
pub(super) struct OpenFile {
    path: PathBuf,
    identity: Identity,
    log: Option<Identity>,
}

impl OpenFile {
    pub(super) fn at(path: &Path) -> Result<Self, Error> {
        Ok(Self {
            path: path.to_owned(),
            identity: Identity::at(path).map_err(|error| unavailable(&error))?,
            log: None,
        })
    }

    /// Remembers which write-ahead log a new connection uses.
    pub(super) fn note_log(&mut self) {
        self.log = Identity::at(&self.log_path()).ok();
    }

    /// The connection is closed: SQLite removes the log with the last one, and makes another.
    pub(super) fn forget_log(&mut self) {
        self.log = None;
    }

    /// Whether the path still names the opened file. What is written to a deleted or replaced file
    /// is lost when the process ends, though every write of it succeeds.
    pub(super) fn check(&self) -> Result<(), Error> {
        let same = |path: &Path, identity: Identity| match Identity::at(path) {
            Ok(found) if found == identity => Ok(()),
            Ok(_) => Err(Error::Unavailable(
                "the file was replaced: stop the service before restoring one".to_owned(),
            )),
            Err(error) => Err(unavailable(&error)),
        };
        same(&self.path, self.identity)?;
        match self.log {
            Some(log) => same(&self.log_path(), log),
            None => Ok(()),
        }
    }

    fn log_path(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push("-wal");
        name.into()
    }
}

/// Makes the file when it is absent, readable by its owner alone; SQLite gives its companions the
/// same rights.
pub(super) fn create(path: &Path) -> Result<(), Error> {
    match create_new(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(unavailable(&error)),
        _ => Ok(()),
    }
}

/// Makes an empty file that must not be there yet.
pub(super) fn create_new(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}

/// Has the file and its name on the disk when it returns.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => fs::File::open(folder)?.sync_all(),
        _ => fs::File::open(".")?.sync_all(),
    }
}

pub(super) fn unavailable(error: &io::Error) -> Error {
    Error::Unavailable(format!("its file: {error}"))
}
