//! Outlook completes a business card from another contact with the same address.

use axum::{Json, http::StatusCode};
use serde_json::{Map, Value, json};

use super::{find, ids, user};
use crate::{
    graph::{
        contact::{Contact, Writer},
        fail::Fail,
        on_mailbox,
    },
    state::State,
};

/// Names a contact keeps when Outlook completes its card.
const OWN: [&str; 7] = [
    "givenName",
    "middleName",
    "surname",
    "initials",
    "displayName",
    "fileAs",
    "emailAddresses",
];

/// Outlook completes a card: the contact takes over the values of the other contact with the same
/// first e-mail address (the oldest, if there are several), and the change is announced like any
/// other. Its own name stays where it has one. Answers `{"contact", "from", "fields"}`.
///
/// # Errors
/// 404 with the reason, for an unknown mailbox or contact, or where no other has the address.
pub fn complete_card(
    state: &mut State,
    mailbox: &str,
    contact: &str,
) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
    complete(state, mailbox, contact).map(Json).map_err(|fail| {
        let status = StatusCode::from_u16(fail.status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, Json(json!({"error": fail.message})))
    })
}

fn complete(state: &mut State, mailbox: &str, contact: &str) -> Result<Value, Fail> {
    let user_id = user(state, mailbox)?;
    let (mailbox, contact) = find(state, user_id, contact)?;
    let nobody = || {
        Fail::new(
            404,
            "NoOtherCard",
            "No other contact has the same first e-mail address.",
        )
    };
    let address = contact.first_address().ok_or_else(nobody)?;
    let same = |other: &&Contact| {
        other.key != contact.key
            && !mailbox.is_deleted(other)
            && other
                .first_address()
                .is_some_and(|known| known.eq_ignore_ascii_case(address))
    };
    let other = mailbox.contacts.values().find(same).ok_or_else(nobody)?;
    let filled = |value: &Value| {
        !(value.is_null() || value == "" || value == &json!([]) || value == &json!({}))
    };
    let mut body: Map<String, Value> = other
        .props
        .iter()
        .filter(|(name, value)| {
            let kept = OWN.contains(&name.as_str()) && contact.props.get(*name).is_some_and(filled);
            filled(value) && !kept && contact.props.get(*name) != Some(*value)
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let fields: Vec<String> = body.keys().cloned().collect();
    if let Some(name) = contact.props.get("displayName").filter(|name| filled(name)) {
        body.insert("displayName".to_owned(), name.clone());
    }
    let (key, from) = (contact.key, other.id.clone());
    on_mailbox(state, user_id, |mailbox, now| {
        mailbox
            .update(key, &body, Writer::Outlook, now)
            .map(|changes| ((), changes))
    })?;
    let shown = ids(state, user_id, key);
    Ok(json!({"contact": shown["id"], "from": from, "fields": fields}))
}
