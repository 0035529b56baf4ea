//! Graph's JSON, to domain types and back.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use tribelink_plan::{
    birthday,
    contact::{Change, Contact, ContactPatch, EmailEntry, Stamp},
    ids::{ContactId, Etag, FolderId},
    reading::Reading,
};

use super::{
    DeltaLink, DeltaPage, Me, NewContact, NewSubscription, SubscriptionInfo, query::STAMP,
};
use crate::remote::answer::clean_code;

/// What is missing from an answer, by name; then it says nothing (R18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is missing or not of its form")]
pub struct Missing(pub &'static str);

fn text<'a>(row: &'a Value, name: &str) -> Option<&'a str> {
    row.get(name).and_then(Value::as_str)
}

/// A contact; `stamped` says that the request asked for the stamp: then a contact without one has
/// none, else nothing is known of it (it is never echoed, Graph reference 2.7).
///
/// # Errors
/// Without an id.
pub fn contact(row: &Value, stamped: bool) -> Result<Contact, Missing> {
    let id = text(row, "id").filter(|id| !id.is_empty());
    Ok(Contact {
        id: ContactId::from(id.ok_or(Missing("id"))?),
        etag: text(row, "@odata.etag").map(Etag::from),
        folder: text(row, "parentFolderId").map(FolderId::from),
        created: text(row, "createdDateTime").and_then(|text| text.parse().ok()),
        modified: text(row, "lastModifiedDateTime").and_then(|text| text.parse().ok()),
        stamp: stamped.then(|| stamp(row)),
        initials: reading(row, "initials"),
        given_name: reading(row, "givenName"),
        middle_name: reading(row, "middleName"),
        surname: reading(row, "surname"),
        birthday: match row.get("birthday") {
            Some(Value::String(text)) => birthday::from_graph(text),
            other => reading_of(other),
        },
        job_title: reading(row, "jobTitle"),
        company_name: reading(row, "companyName"),
        display_name: reading(row, "displayName"),
        file_as: reading(row, "fileAs"),
        mobile_phone: reading(row, "mobilePhone"),
        emails: emails(row),
        business_phones: texts(row, "businessPhones"),
        home_phones: texts(row, "homePhones"),
    })
}

fn reading(row: &Value, name: &str) -> Reading {
    reading_of(row.get(name))
}

fn reading_of(value: Option<&Value>) -> Reading {
    match value {
        Some(Value::Null) => Reading::Empty,
        Some(Value::String(text)) => Reading::from_text(Some(text)),
        _ => Reading::Unreadable,
    }
}

/// A list of texts; `None` where it is missing or holds something else.
fn texts(row: &Value, name: &str) -> Option<Vec<String>> {
    row.get(name)?
        .as_array()?
        .iter()
        .map(|value| value.as_str().map(str::to_owned))
        .collect()
}

/// The entries as they stand: one without address keeps its place (Graph reference 2.2).
fn emails(row: &Value) -> Option<Vec<EmailEntry>> {
    let entry = |value: &Value| {
        let member = |name| match value.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(Value::String(text)) => Some(Some(text.clone())),
            Some(_) => None,
        };
        value.is_object().then_some(())?;
        Some(EmailEntry {
            address: member("address")?,
            name: member("name")?,
        })
    };
    row.get("emailAddresses")?
        .as_array()?
        .iter()
        .map(entry)
        .collect()
}

fn stamp(row: &Value) -> Option<Stamp> {
    row.get("singleValueExtendedProperties")?
        .as_array()?
        .iter()
        .filter(|property| text(property, "id").is_some_and(|id| id.eq_ignore_ascii_case(STAMP)))
        .find_map(|property| Stamp::parse(text(property, "value")?))
}

/// The date is none that Outlook could hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a date with a year")]
pub struct BadDate;

/// The body of a PATCH: just what changes; scalars empty by null, lists by `[]` (Graph reference
/// 2.3).
///
/// # Errors
/// With a birthday that is no date.
pub fn patch(patch: &ContactPatch) -> Result<Map<String, Value>, BadDate> {
    let mut body = Map::new();
    let scalars = [
        ("initials", &patch.initials),
        ("givenName", &patch.given_name),
        ("middleName", &patch.middle_name),
        ("surname", &patch.surname),
        ("jobTitle", &patch.job_title),
        ("companyName", &patch.company_name),
        ("displayName", &patch.display_name),
        ("fileAs", &patch.file_as),
        ("mobilePhone", &patch.mobile_phone),
    ];
    for (name, change) in scalars {
        put(&mut body, name, change, Value::Null, |text| json!(text));
    }
    match &patch.birthday {
        Change::Leave => {}
        Change::Clear => drop(body.insert("birthday".to_owned(), Value::Null)),
        Change::Set(date) => {
            let moment = birthday::to_graph(date).ok_or(BadDate)?;
            body.insert("birthday".to_owned(), moment.into());
        }
    }
    put(
        &mut body,
        "emailAddresses",
        &patch.emails,
        json!([]),
        |entries| entries.iter().map(entry).collect(),
    );
    let phones = |list: &Vec<String>| json!(list);
    put(
        &mut body,
        "businessPhones",
        &patch.business_phones,
        json!([]),
        phones,
    );
    put(
        &mut body,
        "homePhones",
        &patch.home_phones,
        json!([]),
        phones,
    );
    Ok(body)
}

fn put<T>(
    body: &mut Map<String, Value>,
    name: &str,
    change: &Change<T>,
    empty: Value,
    json: impl Fn(&T) -> Value,
) {
    let value = match change {
        Change::Leave => return,
        Change::Clear => empty,
        Change::Set(value) => json(value),
    };
    body.insert(name.to_owned(), value);
}

/// An entry as it was read, without members that it did not have.
fn entry(entry: &EmailEntry) -> Value {
    let members = [("address", &entry.address), ("name", &entry.name)];
    members
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), Value::from(text.clone()?))))
        .collect::<Map<_, _>>()
        .into()
}

fn stamp_property(stamp: &Stamp) -> Value {
    json!([{"id": STAMP, "value": stamp.to_text()}])
}

/// The body of a POST: the filled properties, the stamp inline, and the category.
///
/// # Errors
/// As [`patch`].
pub fn create(new: &NewContact) -> Result<Value, BadDate> {
    let mut body = patch(&new.properties)?;
    body.retain(|_, value| !value.is_null());
    if let Some(category) = &new.category {
        body.insert("categories".to_owned(), json!([category]));
    }
    body.insert(
        "singleValueExtendedProperties".to_owned(),
        stamp_property(&new.stamp),
    );
    Ok(body.into())
}

/// The body that stamps a contact; its display name goes along, else it is composed anew (Graph
/// reference 2.2).
pub fn stamp_it(display_name: Option<&str>, stamp: &Stamp) -> Value {
    let mut body = Map::new();
    if let Some(name) = display_name {
        body.insert("displayName".to_owned(), name.into());
    }
    body.insert(
        "singleValueExtendedProperties".to_owned(),
        stamp_property(stamp),
    );
    body.into()
}

/// A list's rows and its `@odata.nextLink`.
///
/// # Errors
/// When the body is no list.
pub fn list(body: &Value) -> Result<(&[Value], Option<&str>), Missing> {
    let rows = body.get("value").and_then(Value::as_array);
    Ok((
        rows.ok_or(Missing("value"))?.as_slice(),
        text(body, "@odata.nextLink"),
    ))
}

/// A page of a delta. An item without mapped properties still names a contact to read.
///
/// # Errors
/// Without a list, a link or a row's id: the cursor must not move then.
pub fn delta(body: &Value) -> Result<DeltaPage, Missing> {
    let (rows, next) = list(body)?;
    let link = match (next, text(body, "@odata.deltaLink")) {
        (Some(next), _) => DeltaLink::Next(next.to_owned()),
        (None, Some(delta)) => DeltaLink::Delta(delta.to_owned()),
        (None, None) => return Err(Missing("@odata.deltaLink")),
    };
    let mut page = DeltaPage {
        changed: Vec::new(),
        removed: Vec::new(),
        link,
    };
    for row in rows {
        let id = ContactId::from(text(row, "id").ok_or(Missing("id"))?);
        if row.get("@removed").is_some() {
            page.removed.push(id);
        } else {
            page.changed
                .push((id, text(row, "@odata.etag").map(Etag::from)));
        }
    }
    Ok(page)
}

/// A folder's id.
///
/// # Errors
/// Without one.
pub fn folder(row: &Value) -> Result<FolderId, Missing> {
    text(row, "id").map(FolderId::from).ok_or(Missing("id"))
}

/// The folder that a contact stands in.
pub fn folder_of(row: &Value) -> Option<FolderId> {
    text(row, "parentFolderId").map(FolderId::from)
}

/// `/me`.
///
/// # Errors
/// Without an id.
pub fn me(row: &Value) -> Result<Me, Missing> {
    let some = |name| text(row, name).map(str::to_owned);
    Ok(Me {
        id: some("id").ok_or(Missing("id"))?,
        mail: some("mail"),
        user_principal_name: some("userPrincipalName"),
    })
}

/// Times go out in whole seconds.
fn moment(at: jiff::Timestamp) -> String {
    jiff::Timestamp::from_second(at.as_second())
        .unwrap_or(at)
        .to_string()
}

/// The body of a new subscription (Graph reference 4.1).
pub fn subscribe(new: &NewSubscription) -> Value {
    use secrecy::ExposeSecret as _;
    let mut body = json!({
        "changeType": "created,updated,deleted",
        "notificationUrl": new.notification_url,
        "lifecycleNotificationUrl": new.lifecycle_url,
        "resource": new.resource,
        "expirationDateTime": moment(new.expires),
        "clientState": new.client_state.expose_secret(),
        "latestSupportedTlsVersion": "v1_2",
    });
    if let Some(sealed_for) = &new.sealed_for {
        body["includeResourceData"] = json!(true);
        body["encryptionCertificate"] = json!(STANDARD.encode(&sealed_for.certificate));
        body["encryptionCertificateId"] = json!(sealed_for.id);
    }
    body
}

/// The body of a renewal.
pub fn renew(expires: jiff::Timestamp) -> Value {
    json!({"expirationDateTime": moment(expires)})
}

/// A subscription.
///
/// # Errors
/// Without an id or an end.
pub fn subscription(row: &Value) -> Result<SubscriptionInfo, Missing> {
    let some = |name| text(row, name).map(str::to_owned);
    Ok(SubscriptionInfo {
        id: some("id").ok_or(Missing("id"))?,
        resource: some("resource").unwrap_or_default(),
        notification_url: some("notificationUrl").unwrap_or_default(),
        expires: text(row, "expirationDateTime")
            .and_then(|text| text.parse().ok())
            .ok_or(Missing("expirationDateTime"))?,
    })
}

/// The code of an error body: that of the deepest `innerError` that has one (Graph reference 2.8).
pub fn error_code(body: &Value) -> String {
    let mut code = "";
    let mut at = body.get("error");
    // A body is at most 128 deep: the parser refuses deeper ones.
    while let Some(error) = at {
        if let Some(inner) = text(error, "code") {
            code = inner;
        }
        at = error.get("innerError").or_else(|| error.get("innererror"));
    }
    clean_code(code)
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
