//! The reference of the configuration, made from the embedded default file: one text for people who
//! edit the file and for people who read.

use std::fmt::Write as _;

use super::DEFAULTS;

const HEAD: &str = "\
# Configuration

Made by `tribelink config --markdown` from the commented file that the program embeds; a test holds it
up to date. `tribelink config` prints that file, to start your own from.
";

/// One key of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Section and name, such as `sync.conflict`.
    pub name: String,
    /// What stands behind `=`; `None`: the key has no default.
    pub default: Option<String>,
    /// An example, for a key without default.
    pub example: Option<String>,
    /// The comment above it; empty where it shares that of the key before.
    pub text: String,
}

/// Every key in the order of the file, with the comment at the file's head.
pub fn keys() -> (String, Vec<Key>) {
    let mut head = None;
    let mut section = String::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut keys: Vec<Key> = Vec::new();
    let mut lines = DEFAULTS.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            head.get_or_insert_with(|| std::mem::take(&mut comment));
            comment.clear();
        } else if let Some((name, value)) = assignment(line) {
            let mut value = value.to_owned();
            // A list over several lines ends with its bracket.
            while value.starts_with('[') && !value.ends_with(']') {
                let Some(more) = lines.next() else { break };
                value.push(' ');
                value.push_str(more.trim());
            }
            keys.push(Key {
                name: format!("{section}.{name}"),
                default: (!line.starts_with('#')).then(|| value.clone()),
                example: line.starts_with('#').then_some(value),
                text: std::mem::take(&mut comment).join("\n"),
            });
        } else if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim());
        }
    }
    (head.unwrap_or_default().join("\n"), keys)
}

/// `name = value`, also as a comment.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let bare = line.strip_prefix("# ").unwrap_or(line);
    let (name, value) = bare.split_once(" = ")?;
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    (!name.is_empty() && name.chars().all(is_name)).then_some((name, value))
}

/// The reference as Markdown.
pub fn markdown() -> String {
    let (head, keys) = keys();
    let mut text = format!("{HEAD}\n{head}\n");
    let mut section = "";
    for key in &keys {
        let (own, _) = key.name.rsplit_once('.').unwrap_or_default();
        if own != section {
            section = own;
            let _ = write!(text, "\n## {section}\n");
        }
        let variable = key.name.replace('.', "__").to_uppercase();
        let _ = write!(text, "\n### `{}`\n\n", key.name);
        let _ = match (&key.default, &key.example) {
            (Some(default), _) => write!(text, "Default: `{default}`"),
            (None, Some(example)) => write!(text, "No default; such as `{example}`"),
            (None, None) => write!(text, "No default"),
        };
        let _ = writeln!(text, " · `TRIBELINK_{variable}`");
        if !key.text.is_empty() {
            let _ = write!(text, "\n{}\n", key.text);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_file_is_found() {
        let (head, keys) = keys();
        assert!(head.starts_with("Every key of tribelink"), "{head}");
        let table: toml::Table = DEFAULTS.parse().expect("TOML");
        let mut with_default = Vec::new();
        leaves(&table, "", &mut with_default);
        with_default.sort();
        let mut found: Vec<String> = keys
            .iter()
            .filter(|key| key.default.is_some())
            .map(|key| key.name.clone())
            .collect();
        found.sort();
        assert_eq!(found, with_default);
        for name in [
            "tribe.client_secret",
            "microsoft.tenant",
            "server.public_url",
        ] {
            let key = keys.iter().find(|key| key.name == name).expect("found");
            assert!(key.default.is_none() && key.example.is_some(), "{key:?}");
        }
        let sets = keys.iter().find(|key| key.name == "tribe.person_sets");
        let default = sets.and_then(|key| key.default.as_ref()).expect("a list");
        assert!(default.ends_with("Customer\", ]"), "{default}");
    }

    fn leaves(table: &toml::Table, at: &str, found: &mut Vec<String>) {
        for (name, value) in table {
            let path = format!("{at}{name}");
            match value {
                toml::Value::Table(inner) => leaves(inner, &format!("{path}."), found),
                _ => found.push(path),
            }
        }
    }
}
