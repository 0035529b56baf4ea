//! Reads typed values out of the sources and collects what is wrong with them.

use std::{collections::BTreeSet, fmt};

use secrecy::{ExposeSecret, SecretString};

use super::{
    sources::{Entry, Origin, Raw, Sources},
    value,
};

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, or the file.
    pub key: String,
    /// What is wrong, and what to do. Never a secret.
    pub message: String,
}

impl Problem {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem {
            key: key.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.message)
    }
}

/// Everything that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    pub(super) fn of(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not usable:")?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

/// What was read of a key: `None` when it is bad (the problem is noted), `Some(None)` when it is not
/// set.
pub(super) type Read<T> = Option<Option<T>>;

/// Reads the sources key by key.
pub(super) struct Reader<'a> {
    sources: &'a Sources,
    asked: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources) -> Reader<'a> {
        Reader {
            sources,
            asked: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// Reads a key that may be unset. The parser's message says what the value is not.
    pub(super) fn optional<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&Raw) -> Result<T, String>,
    ) -> Read<T> {
        let Some(entry) = self.entry(key) else {
            return Some(None);
        };
        let parsed = not_empty(&entry.raw).and_then(|()| parse(&entry.raw));
        match parsed {
            Ok(value) => Some(Some(value)),
            Err(message) => {
                self.blame(key, &entry.origin, message);
                None
            }
        }
    }

    /// Reads a key that must be set, by default or by the administrator.
    pub(super) fn need<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&Raw) -> Result<T, String>,
    ) -> Option<T> {
        let read = self.optional(key, parse)?;
        if read.is_none() {
            self.problem(key, "is required");
        }
        read
    }

    /// Reads a secret, given as itself or as `<key>_file`.
    pub(super) fn secret(&mut self, key: &str) -> Read<SecretString> {
        self.secret_or_file(
            key,
            |raw| Ok(SecretString::from(value::text(raw)?)),
            |content| Ok(SecretString::from(content)),
        )
    }

    /// Reads a secret that must be set.
    pub(super) fn need_secret(&mut self, key: &str) -> Option<SecretString> {
        let read = self.secret(key)?;
        if read.is_none() {
            self.problem(key, format!("is required (or {}_file)", last(key)));
        }
        read
    }

    /// Reads a list of secrets, given as itself or as a file with an item a line.
    pub(super) fn secrets(&mut self, key: &str) -> Read<Vec<SecretString>> {
        let all = |items: Vec<String>| items.into_iter().map(SecretString::from).collect();
        self.secret_or_file(
            key,
            move |raw| Ok(all(value::list(raw)?)),
            |content| {
                let lines = content
                    .lines()
                    .map(str::trim)
                    .filter(|line| !line.is_empty());
                Ok(lines.map(SecretString::from).collect())
            },
        )
    }

    /// Notes a problem that the sections find between keys.
    pub(super) fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(key, message));
    }

    /// Ends a reading of every section: what nobody asked for is unknown.
    pub(super) fn finish<T>(mut self, read: Option<T>) -> Result<T, Problems> {
        let entries = self.sources.entries();
        let unknown = entries.iter().filter(|(key, _)| !self.asked.contains(*key));
        let found: Vec<_> = unknown
            .map(|(key, entry)| self.unknown(key, &entry.origin))
            .collect();
        self.problems.extend(found);
        self.finish_part(read)
    }

    /// Ends a reading of some sections.
    pub(super) fn finish_part<T>(self, read: Option<T>) -> Result<T, Problems> {
        match read {
            Some(read) if self.problems.is_empty() => Ok(read),
            _ => Err(Problems(self.problems)),
        }
    }

    #[cfg(test)]
    pub(super) fn asked(&self) -> &BTreeSet<String> {
        &self.asked
    }

    fn entry(&mut self, key: &str) -> Option<&'a Entry> {
        self.asked.insert(key.to_owned());
        self.sources.entries().get(key)
    }

    fn secret_or_file<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&Raw) -> Result<T, String>,
        parse_content: impl FnOnce(&str) -> Result<T, String>,
    ) -> Read<T> {
        let file_key = format!("{key}_file");
        let (here, file) = (self.entry(key), self.entry(&file_key));
        if let (Some(here), Some(file)) = (here, file) {
            // The variable for a container wins over the file for development; two of one layer
            // are a mistake.
            if here.origin.layer() == file.origin.layer() {
                self.problem(
                    key,
                    format!("is given twice, as itself and as {}", last(&file_key)),
                );
                return None;
            }
        }
        let from_file = match (here, file) {
            (Some(here), Some(file)) => file.origin.layer() > here.origin.layer(),
            (_, file) => file.is_some(),
        };
        if !from_file {
            return self.optional(key, parse);
        }
        let content = self.optional(&file_key, read_file)??;
        match parse_content(content.expose_secret()) {
            Ok(value) => Some(Some(value)),
            Err(message) => {
                self.problem(&file_key, message);
                None
            }
        }
    }

    fn blame(&mut self, key: &str, origin: &Origin, message: String) {
        let key = match origin {
            Origin::Default => key.to_owned(),
            Origin::File(name) | Origin::Variable(name) => format!("{key} ({name})"),
        };
        self.problems.push(Problem { key, message });
    }

    fn unknown(&self, key: &str, origin: &Origin) -> Problem {
        let section = key.rsplit_once('.').map_or("", |(section, _)| section);
        let known: Vec<&str> = self
            .asked
            .iter()
            .filter_map(|asked| asked.strip_prefix(section)?.strip_prefix('.'))
            .filter(|name| !name.contains('.') && !name.ends_with("_file"))
            .collect();
        let message = if known.is_empty() {
            "is unknown; `tribelink config` prints every key".to_owned()
        } else {
            format!(
                "is unknown; the keys of [{section}] are {}",
                known.join(", ")
            )
        };
        let key = match origin {
            Origin::Default => key.to_owned(),
            Origin::File(name) | Origin::Variable(name) => format!("{key} ({name})"),
        };
        Problem { key, message }
    }
}

/// Reads a secret's file; the line end that editors add is no part of it.
fn read_file(raw: &Raw) -> Result<SecretString, String> {
    let path = value::text(raw)?;
    let content = std::fs::read_to_string(&path)
        .map(SecretString::from)
        .map_err(|error| format!("names {path}, which cannot be read: {error}"))?;
    let trimmed = content.expose_secret().trim_end_matches(['\n', '\r']);
    if trimmed.trim().is_empty() {
        return Err(format!("names {path}, which is empty"));
    }
    Ok(SecretString::from(trimmed))
}

fn not_empty(raw: &Raw) -> Result<(), String> {
    let text = match raw {
        Raw::Text(text) | Raw::Toml(toml::Value::String(text)) => text,
        Raw::Toml(_) => return Ok(()),
    };
    if text.trim().is_empty() {
        Err("is empty; leave it out instead".to_owned())
    } else {
        Ok(())
    }
}

fn last(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, name)| name)
}
