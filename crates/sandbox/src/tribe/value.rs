//! What a record shows under a name: what is kept, and what Tribe works out (4.1, 4.2).

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    schema::{ORGANIZATION, PERSON},
    store::{Body, View},
};
use crate::time::rfc3339;

/// The value of a property, `null` where it is not set.
#[must_use]
pub fn of(view: View<'_>, id: Uuid, body: &Body, name: &str) -> Value {
    match name {
        "ID" => json!(id),
        "_Type" => json!(body.kind),
        "_Name" => text(display_name(view, body)),
        "CreationDate" => json!(rfc3339(body.created_ms)),
        "LastMutationDate" => body.mutated_ms.map_or(Value::Null, |ms| json!(rfc3339(ms))),
        "NumberOfNotes" => json!(
            view.back(id, &["Entity"])
                .iter()
                .filter(|id| is(view, **id, "Note"))
                .count()
        ),
        "NumberOfAttachments" => json!(
            view.back(id, &["Entity"])
                .iter()
                .filter(|id| is(view, **id, "Attachment"))
                .count()
        ),
        // Recorded with two line breaks in front: they stand for an empty title and salutation.
        "Name" if body.kind == PERSON => text(full_name(body).map(|name| format!("\n\n{name}"))),
        "Name" if !body.values.contains_key("Name") => text(display_name(view, body)),
        "SortName" => text(sort_name(view, body)),
        "BirthDay" => text(
            body.text("BirthDate")
                .and_then(|date| date.get(5..10))
                .map(str::to_owned),
        ),
        _ => body.values.get(name).cloned().unwrap_or(Value::Null),
    }
}

fn is(view: View<'_>, id: Uuid, kind: &str) -> bool {
    view.get(id).is_some_and(|body| body.kind == kind)
}

fn text(value: Option<String>) -> Value {
    value.map_or(Value::Null, Value::String)
}

/// First name (else initials), insertion, surname.
#[must_use]
pub fn full_name(person: &Body) -> Option<String> {
    let first = person.text("FirstName").or_else(|| person.text("Initials"));
    let parts: Vec<_> = [first, person.text("MiddleName"), person.text("LastName")]
        .into_iter()
        .flatten()
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The name a person would call the record by.
#[must_use]
pub fn display_name(view: View<'_>, body: &Body) -> Option<String> {
    if body.kind == PERSON {
        return full_name(body);
    }
    if let Some(name) = body.text("Name") {
        return Some(name.to_owned());
    }
    let end = body
        .links
        .get("Person")
        .or_else(|| body.links.get("Organization"))?;
    let other = view.get(*end)?;
    if other.kind == PERSON {
        full_name(other)
    } else {
        other.text("Name").map(str::to_owned)
    }
}

fn sort_name(view: View<'_>, body: &Body) -> Option<String> {
    let end = body.links.get("Person").and_then(|id| view.get(*id));
    let person = if body.kind == PERSON {
        Some(body)
    } else {
        end.map(AsRef::as_ref)
    };
    if let Some(person) = person {
        let last = person.text("LastName")?;
        let first = person.text("FirstName").or_else(|| person.text("Initials"));
        return Some(first.map_or_else(|| last.to_owned(), |first| format!("{last}, {first}")));
    }
    if body.kind == ORGANIZATION {
        body.text("Name").map(str::to_owned)
    } else {
        display_name(view, body)
    }
}
