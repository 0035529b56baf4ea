//! The contact resource (Graph reference 2.1 to 2.3).
//!
//! Here: what it holds, and what may be written to it. [`mod@derive`]: what Exchange makes of that;
//! [`mod@show`]: how it is shown.

mod derive;
mod show;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};

pub(super) use show::{View, show};

use super::{Switches, extended::Extended, fail::Fail};
use crate::microsoft::draw;
use derive::derive;

pub(super) const STRINGS: [&str; 24] = [
    "displayName",
    "givenName",
    "middleName",
    "surname",
    "title",
    "generation",
    "initials",
    "nickName",
    "fileAs",
    "jobTitle",
    "companyName",
    "department",
    "officeLocation",
    "profession",
    "mobilePhone",
    "businessHomePage",
    "manager",
    "assistantName",
    "spouseName",
    "personalNotes",
    "yomiGivenName",
    "yomiSurname",
    "yomiCompanyName",
    "birthday",
];
const LISTS: [&str; 5] = [
    "businessPhones",
    "homePhones",
    "imAddresses",
    "children",
    "categories",
];
const ADDRESSES: [&str; 3] = ["homeAddress", "businessAddress", "otherAddress"];
const ADDRESS_PARTS: [&str; 5] = ["street", "city", "state", "postalCode", "countryOrRegion"];
const MIRRORS: [&str; 3] = [
    "primaryEmailAddress",
    "secondaryEmailAddress",
    "tertiaryEmailAddress",
];
const READ_ONLY: [&str; 6] = [
    "id",
    "changeKey",
    "createdDateTime",
    "lastModifiedDateTime",
    "parentFolderId",
    "singleValueExtendedProperties",
];
/// Exchange keeps three e-mail addresses, two business and two home phones (Graph reference 2.2).
const EMAIL_SLOTS: usize = 3;
const PHONE_SLOTS: usize = 2;
/// The year that Outlook writes where none is known (Graph reference 2.2).
const NO_YEAR: i16 = 1604;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// A client of the API.
    Api,
    /// Outlook itself: it knows birthdays without a year, and names an address by itself.
    Outlook,
}

/// One contact.
#[derive(Clone, Debug)]
pub(super) struct Contact {
    pub(super) key: u64,
    /// Changes when the contact moves.
    pub(super) id: String,
    /// Does not.
    pub(super) immutable_id: String,
    pub(super) folder: String,
    pub(super) created_ms: i64,
    pub(super) modified_ms: i64,
    pub(super) change_key: String,
    /// The mailbox's number of the last change.
    pub(super) version: u64,
    /// The mailbox's number of the change that brought it into its folder.
    pub(super) entered: u64,
    /// When it came into its folder.
    pub(super) entered_ms: i64,
    pub(super) props: Map<String, Value>,
    /// The change that last touched a property.
    pub(super) touched: BTreeMap<String, u64>,
    pub(super) extended: BTreeMap<String, Extended>,
    pub(super) extensions: BTreeMap<String, Map<String, Value>>,
    pub(super) photo: Option<(String, Vec<u8>)>,
    /// A copy that carries a photo may vanish with its original (Graph reference 2.4).
    pub(super) copy_of: Option<u64>,
    /// Former states with the time at which each ended, for reads that lag behind.
    pub(super) past: Vec<(i64, Arc<Contact>)>,
}

impl Contact {
    pub(super) fn etag(&self) -> String {
        format!("W/\"{}\"", self.change_key)
    }

    pub(super) fn shown_id(&self, immutable: bool) -> &str {
        if immutable {
            &self.immutable_id
        } else {
            &self.id
        }
    }

    /// How it stood at a time; `None` where it was not in its folder yet.
    pub(super) fn as_of(&self, at_ms: i64) -> Option<&Contact> {
        if self.modified_ms <= at_ms {
            return Some(self);
        }
        match self.past.iter().find(|(until, _)| *until > at_ms) {
            Some((_, former)) => (former.entered_ms <= at_ms).then_some(former),
            None => (self.entered_ms <= at_ms).then_some(self),
        }
    }

    pub(super) fn first_address(&self) -> Option<&str> {
        self.props.get("emailAddresses")?.as_array()?.first()?["address"].as_str()
    }

    /// Whether one of its addresses is this one (any case).
    pub(super) fn has_address(&self, address: &str) -> bool {
        let entries = self.props.get("emailAddresses").and_then(Value::as_array);
        entries.is_some_and(|entries| {
            entries.iter().any(|entry| {
                entry["address"]
                    .as_str()
                    .is_some_and(|known| known.eq_ignore_ascii_case(address))
            })
        })
    }
}

/// Writes a body into the properties as Exchange does.
pub(super) fn write(
    props: &mut Map<String, Value>,
    body: &Map<String, Value>,
    creating: bool,
    writer: Writer,
    switches: &Switches,
) -> Result<(), Fail> {
    let before = props.clone();
    for (name, value) in body {
        if READ_ONLY.contains(&name.as_str())
            || MIRRORS.contains(&name.as_str())
            || name.contains('@')
            || name == "extensions"
        {
            continue;
        }
        let value = taken(name, value, props.get(name), writer, switches)?;
        props.insert(name.clone(), value);
    }
    derive(props, body, &before, creating, switches);
    Ok(())
}

fn wrong(name: &str) -> Fail {
    Fail::new(
        400,
        "RequestBodyRead",
        format!("Cannot convert the value of property '{name}' to the expected type."),
    )
}

/// The value as it is kept.
fn taken(
    name: &str,
    value: &Value,
    old: Option<&Value>,
    writer: Writer,
    switches: &Switches,
) -> Result<Value, Fail> {
    match name {
        "birthday" => birthday(value, writer, switches).ok_or_else(|| wrong(name)),
        "emailAddresses" => addresses(value, old, writer, switches),
        name if LISTS.contains(&name) => list(name, value, switches),
        name if ADDRESSES.contains(&name) => postal(name, value, old),
        name if STRINGS.contains(&name) => match value {
            Value::Null => Ok(Value::Null),
            Value::String(text) => string(name, text, switches),
            _ => Err(wrong(name)),
        },
        // An open type: what it does not know it keeps (Graph reference 2.1).
        _ => Ok(value.clone()),
    }
}

fn string(name: &str, text: &str, switches: &Switches) -> Result<Value, Fail> {
    if name == "personalNotes" {
        return Ok(json!(text.replace("\r\n", "\n").replace('\n', "\r\n")));
    }
    if switches
        .max_string
        .is_some_and(|most| text.chars().count() > most)
    {
        return Err(Fail::new(
            400,
            "ErrorPropertyValidationFailure",
            format!("The property '{name}' is too long."),
        ));
    }
    Ok(json!(text))
}

fn list(name: &str, value: &Value, switches: &Switches) -> Result<Value, Fail> {
    let Some(items) = value.as_array() else {
        return if value.is_null() {
            Ok(json!([]))
        } else {
            Err(wrong(name))
        };
    };
    if !items.iter().all(Value::is_string) {
        return Err(wrong(name));
    }
    let phones = name.ends_with("Phones");
    if phones && items.len() > PHONE_SLOTS && switches.overflow_refused {
        return Err(Fail::new(
            400,
            "ErrorInvalidProperty",
            format!("Too many values for '{name}'."),
        ));
    }
    let most = if phones { PHONE_SLOTS } else { usize::MAX };
    Ok(items.iter().take(most).cloned().collect())
}

fn addresses(
    value: &Value,
    old: Option<&Value>,
    writer: Writer,
    switches: &Switches,
) -> Result<Value, Fail> {
    let name = "emailAddresses";
    let Some(items) = value.as_array() else {
        return if value.is_null() {
            Ok(json!([]))
        } else {
            Err(wrong(name))
        };
    };
    if items.len() > EMAIL_SLOTS && switches.overflow_refused {
        return Err(Fail::new(
            400,
            "ErrorInvalidProperty",
            "A contact holds three e-mail addresses.",
        ));
    }
    let mut kept = Vec::new();
    for (at, item) in items.iter().take(EMAIL_SLOTS).enumerate() {
        let entry = item.as_object().ok_or_else(|| wrong(name))?;
        let address = entry.get("address").cloned().unwrap_or_default();
        let mut label = entry.get("name").cloned().unwrap_or_default();
        if !(address.is_string() || address.is_null()) || !(label.is_string() || label.is_null()) {
            return Err(wrong(name));
        }
        let former = old
            .and_then(|old| old.get(at))
            .filter(|former| former["address"] == address);
        // Graph reference 2.2: Outlook names an address by itself, and a change of the name alone
        // was reported ignored.
        if writer == Writer::Outlook || label.is_null() || label == "" {
            label = address.clone();
        } else if let Some(former) = former.filter(|_| switches.ignore_email_name) {
            label = former["name"].clone();
        }
        if !(address.is_null() || address == "") || label != "" && !label.is_null() {
            kept.push(json!({"name": label, "address": address}));
        }
    }
    Ok(Value::Array(kept))
}

fn postal(name: &str, value: &Value, old: Option<&Value>) -> Result<Value, Fail> {
    let mut kept = old.and_then(Value::as_object).cloned().unwrap_or_default();
    let Some(parts) = value.as_object() else {
        return if value.is_null() {
            Ok(json!({}))
        } else {
            Err(wrong(name))
        };
    };
    for (part, value) in parts {
        if !ADDRESS_PARTS.contains(&part.as_str()) {
            continue;
        }
        match value {
            Value::Null => kept.remove(part),
            Value::String(text) if text.is_empty() => kept.remove(part),
            Value::String(_) => kept.insert(part.clone(), value.clone()),
            _ => return Err(wrong(name)),
        };
    }
    Ok(Value::Object(kept))
}

/// `…T11:59:00Z` of the day that was written; without a year, which Outlook alone can write, 1604.
fn birthday(value: &Value, writer: Writer, switches: &Switches) -> Option<Value> {
    let text = match value {
        Value::Null => return Some(Value::Null),
        Value::String(text) if text.is_empty() && writer == Writer::Outlook => {
            return Some(Value::Null);
        }
        Value::String(text) => text.as_str(),
        _ => return None,
    };
    if writer == Writer::Outlook
        && let Some((month, day)) = text
            .trim_start_matches('-')
            .split_once('-')
            .filter(|_| text.starts_with("--"))
    {
        let date = jiff::civil::Date::new(NO_YEAR, month.parse().ok()?, day.parse().ok()?).ok()?;
        return Some(json!(format!("{date}T11:59:00Z")));
    }
    if let Ok(date) = text.parse::<jiff::civil::Date>()
        && !text.contains('T')
    {
        return Some(json!(format!("{date}T11:59:00Z")));
    }
    let ms = draw::parse_time(text)?;
    let written = draw::seconds(ms);
    Some(json!(if switches.birthday_as_written {
        written
    } else {
        format!("{}T11:59:00Z", &written[..written.find('T')?])
    }))
}
