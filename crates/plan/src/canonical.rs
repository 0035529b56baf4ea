//! When two values are the same, and which values fit the other side.

use std::str::FromStr;

use email_address::{EmailAddress, Options};
use jiff::civil::Date;
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
/// numbers, read in `region` when written without a country; dates without a time. Canonical values
/// stay as they are.
pub fn canonical(field: Field, raw: &str, region: &str) -> String {
    let text: String = raw.trim().nfc().collect();
    if field.is_email() {
        text.to_lowercase().nfc().collect()
    } else if field.is_phone() {
        e164(&text, region).unwrap_or(text)
    } else if field == Field::BirthDate {
        let date = text.split(['T', ' ']).next().unwrap_or_default();
        Date::from_str(date).map_or(text, |date| date.to_string())
    } else {
        text
    }
}

/// E.164 with the extension, where there is one; `None` for everything of which the parser would
/// drop or invent a digit: text with letters, two numbers in one field.
fn e164(text: &str, region: &str) -> Option<String> {
    let (number_text, extension_text) = match text.find(char::is_alphabetic) {
        None => (text, ""),
        Some(begin) if has_extension_mark(text) => text.split_at(begin),
        Some(_) => return None,
    };
    let country = country::Id::from_str(&region.to_uppercase()).ok();
    let number = phonenumber::parse(country, text).ok()?;
    if !number.is_valid() {
        return None;
    }
    let mut form = number.format().mode(Mode::E164).to_string();
    let code = number.code().value().to_string();
    let national = form.strip_prefix('+')?.strip_prefix(code.as_str())?;
    let typed = digits(number_text);
    let prefix = typed.strip_suffix(national)?;
    let known = ["", "0"].map(str::to_owned);
    let abroad = ["", "00", "0"].map(|exit| format!("{exit}{code}"));
    let all_read = known.iter().chain(&abroad).any(|way| way == prefix)
        || abroad.iter().any(|way| format!("{way}0") == prefix);
    let extension = number.extension().map_or("", AsRef::as_ref);
    if !all_read || digits(extension_text) != extension {
        return None;
    }
    if !extension.is_empty() {
        form.push_str(";ext=");
        form.push_str(extension);
    }
    Some(form)
}

fn digits(text: &str) -> String {
    text.chars().filter(|c| c.is_numeric()).collect()
}

fn has_extension_mark(text: &str) -> bool {
    let letters: String = text.chars().filter(|c| c.is_alphabetic()).collect();
    matches!(letters.to_lowercase().as_str(), "ext" | "x")
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
            if form.is_empty() {
                Mark::Empty
            } else {
                Mark::Value(fingerprints.of(field, &form))
            }
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

/// The year in which Outlook keeps a birthday without year (Graph reference 2.2).
const NO_YEAR: i16 = 1604;

/// Whether a value may be written to `side`; it is never cut to fit.
///
/// # Errors
/// Says why not. Nothing else than another value changes the answer.
pub fn fits(field: Field, value: Option<&str>, side: Side, policy: &Policy) -> Result<(), Misfit> {
    let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else {
        return match (field, side) {
            (Field::Surname, Side::Tribe) => Err(Misfit::SurnameNeeded),
            _ => Ok(()),
        };
    };
    if value.chars().count() > policy.max_length {
        return Err(Misfit::TooLong);
    }
    if field.is_email() && !is_address(value) {
        return Err(Misfit::NotAnAddress);
    }
    if field == Field::BirthDate && !is_full_date(value, side) {
        return Err(Misfit::NotADate);
    }
    Ok(())
}

/// A bare address; "Jan <jan@acme.example>" is none.
fn is_address(value: &str) -> bool {
    EmailAddress::parse_with_options(value, Options::default().without_display_text()).is_ok()
}

/// Outlook would take a birthday of its year without year for one of an unknown year.
fn is_full_date(value: &str, side: Side) -> bool {
    Date::from_str(value).is_ok_and(|date| side == Side::Tribe || date.year() != NO_YEAR)
}
