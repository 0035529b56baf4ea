//! When two values are the same, and which values fit the other side.

use std::str::FromStr;

use phonenumber::{Mode, country};
use unicode_normalization::UnicodeNormalization;

use crate::{
    base::{Fingerprints, Mark},
    field::{Field, Side},
    policy::Policy,
    reading::Reading,
};

/// The canonical form of a value: what fingerprints are made of and comparisons look at. Trimmed
/// and in Unicode NFC; e-mail addresses in lower case; phone numbers as E.164 where they are valid
/// numbers, read in `region` when written without a country. Canonical values stay as they are.
pub fn canonical(field: Field, raw: &str, region: &str) -> String {
    let text: String = raw.trim().nfc().collect();
    if field.is_email() {
        text.to_lowercase().nfc().collect()
    } else if field.is_phone() {
        e164(&text, region).unwrap_or(text)
    } else {
        text
    }
}

/// E.164 with the extension, where there is one. Text with letters is left alone: the parser would
/// turn them into digits.
fn e164(text: &str, region: &str) -> Option<String> {
    let digits_begin = text.find(|c: char| c.is_ascii_digit())?;
    let letters = text[digits_begin..].chars().any(char::is_alphabetic);
    if letters && !has_extension_mark(text) {
        return None;
    }
    let country = country::Id::from_str(&region.to_uppercase()).ok();
    let number = phonenumber::parse(country, text).ok()?;
    if !number.is_valid() {
        return None;
    }
    let mut form = number.format().mode(Mode::E164).to_string();
    if let Some(extension) = number.extension() {
        form.push_str(";ext=");
        form.push_str(extension.as_ref());
    }
    Some(form)
}

fn has_extension_mark(text: &str) -> bool {
    let letters: String = text.chars().filter(|c| c.is_alphabetic()).collect();
    matches!(
        letters.to_lowercase().as_str(),
        "ext" | "x" | "toestel" | "tst"
    )
}

/// The mark of what a side shows.
pub fn mark(
    field: Field,
    reading: &Reading,
    policy: &Policy,
    fingerprints: &dyn Fingerprints,
) -> Mark {
    match reading {
        Reading::Unreadable => Mark::Unknown,
        Reading::Empty => Mark::Empty,
        Reading::Value(raw) => {
            let form = canonical(field, raw, &policy.phone_region);
            Mark::Value(fingerprints.of(field, &form))
        }
    }
}

/// Why a value is not written to a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Misfit {
    /// Longer than `sync.max_length`.
    TooLong,
    /// Not an e-mail address.
    NotAnAddress,
    /// Not a date of the form that the other side takes.
    NotADate,
    /// Tribe does not take a person without surname (Tribe reference 4.2).
    SurnameNeeded,
}

impl Misfit {
    /// Why, in words for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Misfit::TooLong => "the value is longer than sync.max_length allows; shorten it",
            Misfit::NotAnAddress => "the value is not an e-mail address; correct it",
            Misfit::NotADate => "the value is not a full date; complete it",
            Misfit::SurnameNeeded => "Tribe needs a surname; enter one in Outlook",
        }
    }
}

/// Whether a value may be written to `side`; it is never cut to fit.
pub fn fits(field: Field, value: Option<&str>, side: Side, policy: &Policy) -> Result<(), Misfit> {
    let Some(value) = value else {
        return match (field, side) {
            (Field::Surname, Side::Tribe) => Err(Misfit::SurnameNeeded),
            _ => Ok(()),
        };
    };
    if value.chars().count() > policy.max_length {
        return Err(Misfit::TooLong);
    }
    if field.is_email() && !email_address::EmailAddress::is_valid(value.trim()) {
        return Err(Misfit::NotAnAddress);
    }
    if field == Field::BirthDate && jiff::civil::Date::from_str(value.trim()).is_err() {
        return Err(Misfit::NotADate);
    }
    Ok(())
}
