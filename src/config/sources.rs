//! Where values come from: the embedded defaults, over them the file, over it the environment.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::reader::{Problem, Problems};

/// The commented default file, as embedded.
pub const DEFAULTS: &str = include_str!("default.toml");

/// The file that is read when none is named and it is there.
const USUAL_FILE: &str = "tribelink.toml";

/// What the names of all variables start with.
const PREFIX: &str = "TRIBELINK_";

/// A value as its source wrote it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    /// From TOML.
    Toml(toml::Value),
    /// From the environment: always a text.
    Text(String),
}

/// Which source a value is from. A later one wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The embedded defaults.
    Default,
    /// A file, by its path.
    File(String),
    /// A variable, by its name.
    Variable(String),
}

impl Origin {
    /// The layer it belongs to, so that two of one layer can be told from one over the other.
    pub(super) fn layer(&self) -> u8 {
        match self {
            Origin::Default => 0,
            Origin::File(_) => 1,
            Origin::Variable(_) => 2,
        }
    }
}

/// A value and where it is from.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// All sources laid over one another: values by dotted key.
#[derive(Clone)]
pub struct Sources {
    entries: BTreeMap<String, Entry>,
    file: Option<PathBuf>,
}

impl Sources {
    /// Gathers defaults, file and environment. The file is `path`, else what `TRIBELINK_CONFIG`
    /// names, else `tribelink.toml` in `dir` where there is one.
    ///
    /// # Errors
    /// The file cannot be read or is no TOML.
    pub fn gather(
        path: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
        dir: &Path,
    ) -> Result<Sources, Problems> {
        let variables: BTreeMap<String, String> = variables.into_iter().collect();
        let mut sources = Sources::defaults()?;
        if let Some(file) = which_file(path, &variables, dir)? {
            sources.add_file(&file)?;
            sources.file = Some(file);
        }
        for (name, value) in variables {
            if let Some(key) = key_of(&name) {
                let entry = Entry {
                    raw: Raw::Text(value),
                    origin: Origin::Variable(name),
                };
                sources.entries.insert(key, entry);
            }
        }
        Ok(sources)
    }

    /// The sources of this process.
    ///
    /// # Errors
    /// As [`Sources::gather`].
    pub fn of_process(path: Option<&Path>) -> Result<Sources, Problems> {
        // A value that is no Unicode becomes a bad value and is refused under its name.
        let variables = std::env::vars_os().map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        });
        Sources::gather(path, variables, Path::new("."))
    }

    /// The file that was read.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The defaults, and over them these keys as if they were variables.
    pub(super) fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Sources, Problems> {
        let mut sources = Sources::defaults()?;
        for (key, value) in pairs {
            let origin = Origin::Variable(format!("{PREFIX}{}", key.replace('.', "__")));
            let entry = Entry {
                raw: Raw::Text(value.to_owned()),
                origin,
            };
            sources.entries.insert(key.to_owned(), entry);
        }
        Ok(sources)
    }

    pub(super) fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    fn defaults() -> Result<Sources, Problems> {
        let mut sources = Sources {
            entries: BTreeMap::new(),
            file: None,
        };
        sources.add_toml(DEFAULTS, &Origin::Default)?;
        Ok(sources)
    }

    fn add_file(&mut self, path: &Path) -> Result<(), Problems> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Problems::of(Problem::new(&name, format!("cannot be read: {error}")))
        })?;
        self.add_toml(&text, &Origin::File(name))
    }

    fn add_toml(&mut self, text: &str, origin: &Origin) -> Result<(), Problems> {
        let table = text
            .parse::<toml::Table>()
            .map_err(|error| not_toml(text, origin, &error))?;
        self.flatten("", table, origin);
        Ok(())
    }

    fn flatten(&mut self, prefix: &str, table: toml::Table, origin: &Origin) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            match value {
                toml::Value::Table(inner) => self.flatten(&key, inner, origin),
                value => {
                    let entry = Entry {
                        raw: Raw::Toml(value),
                        origin: origin.clone(),
                    };
                    self.entries.insert(key, entry);
                }
            }
        }
    }
}

fn which_file(
    path: Option<&Path>,
    variables: &BTreeMap<String, String>,
    dir: &Path,
) -> Result<Option<PathBuf>, Problems> {
    if let Some(path) = path {
        return Ok(Some(path.to_owned()));
    }
    match variables.get("TRIBELINK_CONFIG").map(|path| path.trim()) {
        Some("") => {
            let message = "is empty; leave it out instead".to_owned();
            Err(Problems::of(Problem::new("TRIBELINK_CONFIG", message)))
        }
        Some(path) => Ok(Some(PathBuf::from(path))),
        None => {
            let usual = dir.join(USUAL_FILE);
            Ok(usual.exists().then_some(usual))
        }
    }
}

/// The key that a variable sets. One without `__` sets none: `TRIBELINK_CONFIG`, `TRIBELINK_URL`
/// and `TRIBELINK_TOKEN` belong to the command line, and Kubernetes sets `TRIBELINK_PORT` and the
/// like in every pod beside a Service of that name.
fn key_of(variable: &str) -> Option<String> {
    let name = variable.strip_prefix(PREFIX)?;
    name.contains("__")
        .then(|| name.to_ascii_lowercase().replace("__", "."))
}

/// The parser's own text shows the line, which may hold a secret: only what and where is passed on.
fn not_toml(text: &str, origin: &Origin, error: &toml::de::Error) -> Problems {
    let place = match origin {
        Origin::File(name) | Origin::Variable(name) => name.as_str(),
        Origin::Default => "the embedded defaults",
    };
    let at = error.span().and_then(|span| text.get(..span.start));
    let line = at.map_or(1, |before| before.matches('\n').count() + 1);
    Problems::of(Problem::new(
        place,
        format!("is not TOML, line {line}: {}", error.message()),
    ))
}
