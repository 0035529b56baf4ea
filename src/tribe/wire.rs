//! Tribe's JSON, to domain types and back.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tribelink_plan::{
    birthday,
    field::{Field, Holder},
    ids::{EmployeeId, OrganizationId, PersonId},
    person::{Kind, Person, Relationship},
    reading::Reading,
};
use uuid::Uuid;

use super::{
    Employee, EntityKind, Named, Record, RegisteredWebhook, SweepRow, Written,
    names::{Names, ORGANIZATION_SET, PERSON_SET, Path, PersonSet},
};

/// What is missing from an answer, by name; then it says nothing (R18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is missing or not of its form")]
pub struct Missing(pub &'static str);

/// A list as one answer holds it.
#[derive(Debug, PartialEq, Eq)]
pub struct List {
    /// The rows.
    pub rows: Vec<Value>,
    /// `@odata.nextLink`
    pub link: Option<String>,
    /// `@odata.count`, where it was asked for and told.
    pub count: Option<usize>,
}

/// A list.
///
/// # Errors
/// When the body is no list.
pub fn list(body: &[u8]) -> Result<List, Missing> {
    let Ok(Value::Object(mut body)) = serde_json::from_slice(body) else {
        return Err(Missing("list"));
    };
    let link = match body.remove("@odata.nextLink") {
        None | Some(Value::Null) => None,
        Some(Value::String(link)) => Some(link),
        Some(_) => return Err(Missing("@odata.nextLink")),
    };
    let count = body
        .get("@odata.count")
        .and_then(Value::as_u64)
        .and_then(|count| count.try_into().ok());
    match body.remove("value") {
        Some(Value::Array(rows)) => Ok(List { rows, link, count }),
        _ => Err(Missing("value")),
    }
}

/// A single record.
///
/// # Errors
/// When the body is no object.
pub fn single(body: &[u8]) -> Result<Value, Missing> {
    serde_json::from_slice(body)
        .ok()
        .filter(Value::is_object)
        .ok_or(Missing("record"))
}

/// A record's `ID`.
///
/// # Errors
/// When it has none, or no GUID.
pub fn id(row: &Value) -> Result<Uuid, Missing> {
    row.get("ID")
        .and_then(Value::as_str)
        .and_then(|text| Uuid::parse_str(text).ok())
        .ok_or(Missing("ID"))
}

/// The name of a person.
pub fn named(row: &Value) -> Result<Named, Missing> {
    let text = |name: &str| {
        let text = row.get(name).and_then(Value::as_str).map(str::trim);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    Ok(Named {
        id: PersonId(id(row)?),
        initials: text("Initials"),
        first: text("FirstName"),
        insertion: text("MiddleName"),
        surname: text("LastName"),
    })
}

/// The id of a linked record, where the link is filled.
pub fn linked(row: &Value, name: &str) -> Option<Uuid> {
    id(row.get(name)?).ok()
}

/// What a field of a record reads as.
fn reading(row: &Value, names: &Names, field: Field) -> Reading {
    let Some(value) = names.property(field).and_then(|name| row.get(name)) else {
        return Reading::Unreadable;
    };
    match value {
        Value::Null => Reading::Empty,
        Value::String(text) if field == Field::BirthDate => birthday::from_tribe(text),
        Value::String(text) => Reading::from_text(Some(text)),
        _ => Reading::Unreadable,
    }
}

fn fields(row: &Value, names: &Names, holder: Holder) -> BTreeMap<Field, Reading> {
    Field::ALL
        .into_iter()
        .filter(|field| field.holder() == holder)
        .map(|field| (field, reading(row, names, field)))
        .collect()
}

/// A person with the relationships expanded below it.
///
/// # Errors
/// When the relationships are not all there, or one of them does not say what it is.
pub fn person(row: &Value, names: &Names) -> Result<Person, Missing> {
    // A server that cuts an expanded list short says so in an annotation of its own.
    if row.get("Relationships@odata.nextLink").is_some() {
        return Err(Missing("rest of Relationships"));
    }
    let Some(Value::Array(rows)) = row.get("Relationships") else {
        return Err(Missing("Relationships"));
    };
    let mut relationships = Vec::new();
    for row in rows {
        let entity_type = row.get("_Type").and_then(Value::as_str);
        let entity_type = entity_type.ok_or(Missing("_Type"))?;
        if let Some(set) = names.set_of_type(entity_type) {
            relationships.push(relationship(row, names, set)?);
        }
    }
    bare_person(row, names, relationships)
}

/// A person whose relationships were read from their own sets.
///
/// # Errors
/// Without an id.
pub fn bare_person(
    row: &Value,
    names: &Names,
    relationships: Vec<Relationship>,
) -> Result<Person, Missing> {
    Ok(Person {
        id: PersonId(id(row)?),
        fields: fields(row, names, Holder::Person),
        relationships,
    })
}

/// A relationship of a set.
///
/// # Errors
/// When manager, owners or the former mark could be read along none of their paths: who is
/// eligible cannot be told then, and nobody may lose a link by it.
pub fn relationship(row: &Value, names: &Names, set: &PersonSet) -> Result<Relationship, Missing> {
    Ok(Relationship {
        id: tribelink_plan::ids::RelationshipId(id(row)?),
        set: set.set.clone(),
        kind: set.kind,
        former: former(row, names)?,
        managers: employees(row, &names.manager).ok_or(Missing("manager"))?,
        owners: employees(row, &names.owners).ok_or(Missing("owners"))?,
        created: row
            .get("CreationDate")
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok()),
        organization: organization(row, set.kind),
        fields: if set.kind.is_business() {
            fields(row, names, Holder::Relationship)
        } else {
            BTreeMap::new()
        },
    })
}

/// The parent organisation with its name; an individual's parent is "us", who are no employer.
fn organization(row: &Value, kind: Kind) -> Option<(OrganizationId, Reading)> {
    if !kind.is_business() {
        return None;
    }
    let parent = row.get("Relation")?;
    let name = match parent.get("Name") {
        // Computed, with line breaks before it (Tribe reference 4.2).
        Some(Value::String(text)) => Reading::from_text(Some(text.trim())),
        Some(Value::Null) => Reading::Empty,
        _ => Reading::Unreadable,
    };
    Some((OrganizationId(id(parent).ok()?), name))
}

/// A row of a sweep.
///
/// # Errors
/// As [`relationship`], or without a person.
pub fn sweep_row(row: &Value, names: &Names, set: &PersonSet) -> Result<SweepRow, Missing> {
    Ok(SweepRow {
        person: PersonId(linked(row, "Person").ok_or(Missing("Person"))?),
        relationship: Relationship {
            fields: BTreeMap::new(),
            ..relationship(row, names, set)?
        },
    })
}

/// Follows a path; `None` where a step is absent from the answer. A null ends it with nothing.
fn follow<'a>(row: &'a Value, steps: &[String]) -> Option<Vec<&'a Value>> {
    let Some((step, rest)) = steps.split_first() else {
        return Some(match row {
            Value::Null => Vec::new(),
            Value::Array(rows) => rows.iter().collect(),
            _ => vec![row],
        });
    };
    match row {
        Value::Null => Some(Vec::new()),
        // An organisation's list may hold the relationships of its contacts besides its own; a
        // colleague's manager is not this contact's. Those of other types that lack the step have
        // nothing to say.
        Value::Array(rows) => Some(
            rows.iter()
                .filter(|row| !is_person_type(row))
                .filter_map(|row| follow(row, steps))
                .flatten()
                .collect(),
        ),
        _ => follow(row.get(step)?, rest),
    }
}

fn is_person_type(row: &Value) -> bool {
    row.get("_Type")
        .and_then(Value::as_str)
        .is_some_and(|name| name.starts_with("Relationship.Person"))
}

/// Everything along the first path that leads somewhere; `None` where no path could be read.
fn first<'a>(row: &'a Value, paths: &[Path]) -> Option<Vec<&'a Value>> {
    let mut readable = paths.is_empty();
    for path in paths {
        match follow(row, path.steps()) {
            Some(found) if !found.is_empty() => return Some(found),
            Some(_) => readable = true,
            None => {}
        }
    }
    readable.then(Vec::new)
}

fn employees(row: &Value, paths: &[Path]) -> Option<Vec<EmployeeId>> {
    let mut ids = Vec::new();
    for found in first(row, paths)? {
        let id = EmployeeId(id(found).ok()?);
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Some(ids)
}

fn former(row: &Value, names: &Names) -> Result<bool, Missing> {
    let marks = first(row, &names.former).ok_or(Missing("former mark"))?;
    marks
        .into_iter()
        .map(|mark| mark.as_bool().ok_or(Missing("former mark")))
        .try_fold(false, |former, mark| Ok(former | mark?))
}

/// An employee.
///
/// # Errors
/// Without an id.
pub fn employee(row: &Value, names: &Names) -> Result<Employee, Missing> {
    let text = |row: &Value, name: &str| {
        row.get(name)
            .and_then(Value::as_str)
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    Ok(Employee {
        id: EmployeeId(id(row)?),
        person: linked(row, "Person").map(PersonId),
        name: text(row, "Name"),
        email: text(row, "EmailAddress"),
        person_email: row
            .get("Person")
            .and_then(|person| text(person, "EmailAddress")),
        // To stop a user takes a mark that was read (R22).
        former: former(row, names).unwrap_or(false),
    })
}

/// What a dotted type means.
pub fn kind_of(entity_type: &str, names: &Names) -> EntityKind {
    let set = entity_type.replace('.', "_");
    if set == PERSON_SET {
        EntityKind::Person
    } else if set == ORGANIZATION_SET {
        EntityKind::Organization
    } else {
        names
            .set_of_type(entity_type)
            .map_or(EntityKind::Other, |set| {
                EntityKind::Relationship(set.set.clone())
            })
    }
}

/// The body of a partial PUT; a field that the record does not hold is the `Err`.
///
/// # Errors
/// With that field.
pub fn update(
    record: &Record,
    names: &Names,
    changes: &BTreeMap<Field, Option<String>>,
) -> Result<Value, Field> {
    let mut body = Map::new();
    for (field, value) in changes {
        let name = names
            .property(*field)
            .filter(|_| field.holder() == holder(record))
            .ok_or(*field)?;
        // Emptied by null: what the reference assumes (Tribe reference 3.5).
        body.insert(name.to_owned(), value.clone().into());
    }
    Ok(Value::Object(body))
}

/// What the answer of a PUT shows of the fields that the record holds; nothing where it has no body.
pub fn written(record: &Record, names: &Names, body: &[u8]) -> Written {
    let Ok(row) = single(body) else {
        return Written::new();
    };
    let mut shown = fields(&row, names, holder(record));
    shown.retain(|_, reading| reading.is_readable());
    shown
}

fn holder(record: &Record) -> Holder {
    match record {
        Record::Person(_) => Holder::Person,
        Record::Relationship(..) => Holder::Relationship,
    }
}

/// The one organisation that "we" are, among the identities.
///
/// # Errors
/// With none, or with several that differ (Tribe reference 2.7).
pub fn identity(rows: &[Value]) -> Result<OrganizationId, Missing> {
    let mut ids: Vec<_> = rows
        .iter()
        .map(|row| linked(row, "Relation").ok_or(Missing("Relation")))
        .collect::<Result<_, _>>()?;
    ids.sort_unstable();
    ids.dedup();
    match ids.as_slice() {
        [id] => Ok(OrganizationId(*id)),
        _ => Err(Missing("the one identity")),
    }
}

/// A webhook. The form of the answer is not documented, so every likely spelling is read (Tribe
/// reference 6.1).
///
/// # Errors
/// Without an id.
pub fn webhook(row: &Value) -> Result<RegisteredWebhook, Missing> {
    let text = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| row.get(*name).and_then(Value::as_str))
            .map(str::to_owned)
    };
    Ok(RegisteredWebhook {
        id: text(&["id", "ID", "webhookId"]).ok_or(Missing("webhook id"))?,
        entity_type: text(&["entityType", "EntityType"]).unwrap_or_default(),
        url: text(&["webhookUrl", "WebhookUrl", "url", "Url"]).unwrap_or_default(),
        secret: text(&["secret", "Secret"]).filter(|secret| !secret.is_empty()),
    })
}

/// The listed webhooks: a bare list, or one under a usual name.
///
/// # Errors
/// When there is no list.
pub fn webhooks(body: &[u8]) -> Result<Vec<RegisteredWebhook>, Missing> {
    let body: Value = serde_json::from_slice(body).map_err(|_| Missing("list"))?;
    let rows = match &body {
        Value::Array(rows) => rows,
        _ => ["value", "items", "data", "content", "webhooks"]
            .iter()
            .find_map(|name| body.get(*name).and_then(Value::as_array))
            .ok_or(Missing("list"))?,
    };
    rows.iter().map(webhook).collect()
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
