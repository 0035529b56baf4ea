//! What a side showed for one field.

use serde::{Deserialize, Serialize};

/// A value as it was typed, nothing, or something that could not be read.
///
/// Its `Debug` shows no value: cards are personal data, and a log line may hold one by accident.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reading {
    /// Missing from the answer, truncated, or not of the field's form (R18): says nothing.
    #[default]
    Unreadable,
    /// Read, and empty.
    Empty,
    /// Read, as typed.
    Value(String),
}

impl Reading {
    /// Reads a text that was present in the answer; white space alone is nothing.
    pub fn from_text(text: Option<&str>) -> Reading {
        match text {
            Some(text) if !text.trim().is_empty() => Reading::Value(text.to_owned()),
            _ => Reading::Empty,
        }
    }

    /// The value, where there is one.
    pub fn value(&self) -> Option<&str> {
        match self {
            Reading::Value(text) => Some(text),
            Reading::Empty | Reading::Unreadable => None,
        }
    }

    /// Whether it was read at all.
    pub fn is_readable(&self) -> bool {
        !matches!(self, Reading::Unreadable)
    }

    /// Whether it was read and holds a value.
    pub fn is_filled(&self) -> bool {
        matches!(self, Reading::Value(_))
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Reading::Unreadable => "Unreadable",
            Reading::Empty => "Empty",
            Reading::Value(_) => "Value(…)",
        })
    }
}
