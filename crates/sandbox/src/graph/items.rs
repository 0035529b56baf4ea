//! Calls on contacts: list, read, write, delete, photo, open extensions.

use std::cmp::Ordering;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    api::{Call, context, mailbox},
    contact::{self, Contact, Writer},
    delta,
    fail::{Answer, Body, Fail},
    odata, on_mailbox,
};
use crate::state::State;

/// Full ids of open extensions begin so (Graph reference 2.7).
const EXTENSION: &str = "Microsoft.OutlookServices.OpenTypeExtension.";

/// A folder of contacts as an address names it.
pub(super) struct Place {
    pub(super) user_id: Uuid,
    pub(super) folder: String,
    /// For `@odata.context`.
    pub(super) context: String,
}

/// Everything below `…/contacts`.
pub(super) fn contacts(
    state: &mut State,
    call: &Call,
    place: &Place,
    tail: &[String],
) -> Result<Answer, Fail> {
    let method = call.method.as_str();
    let Some((id, tail)) = tail.split_first() else {
        return match method {
            "GET" => list(state, call, place),
            "POST" => create(state, call, place),
            // An id that was lost on the way (Graph reference 2).
            _ => Err(Fail::not_supported()),
        };
    };
    match (id.as_str(), tail) {
        ("$count", []) => {
            let count = mailbox(state, place.user_id)?
                .in_folder(&place.folder)
                .count();
            Ok(Answer {
                body: Body::Bytes("text/plain".to_owned(), count.to_string().into_bytes()),
                ..Answer::empty(200)
            })
        }
        ("delta", []) if method == "GET" => {
            let (origin, context) = (
                state.options.public_url.clone(),
                context(state, &place.context),
            );
            let scope = delta::Scope::Contacts(place.folder.clone());
            delta_of(state, call, place.user_id, scope, context, &origin)
        }
        ("delta", []) => Err(Fail::not_supported()),
        _ => one(state, call, place, id, tail),
    }
}

pub(super) fn delta_of(
    state: &mut State,
    call: &Call,
    user_id: Uuid,
    scope: delta::Scope,
    context: String,
    origin: &str,
) -> Result<Answer, Fail> {
    let seen_ms = seen(state, call);
    let ask = delta::Ask {
        scope,
        query: &call.query,
        immutable: call.immutable(),
        page: call.page(),
        address: format!("{origin}/v1.0{}", call.path),
        context: format!("{context}/$delta"),
        seen_ms,
    };
    let State { graph, rng, .. } = state;
    let mailbox = graph
        .mailboxes
        .get_mut(&user_id)
        .ok_or_else(Fail::not_found)?;
    delta::delta(mailbox, &ask, &mut graph.switches, &graph.directory, rng)
}

/// Until when a read sees changes.
fn seen(state: &State, call: &Call) -> i64 {
    state.now_ms().saturating_sub_unsigned(call.stale_ms)
}

/// The next page of a list: the same address with another `$skip`.
pub(super) fn next_link(origin: &str, call: &Call, skip: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in call.query.iter().filter(|(name, _)| name != "$skip") {
        query.append_pair(name, value);
    }
    query.append_pair("$skip", &skip.to_string());
    format!("{origin}/v1.0{}?{}", call.path, query.finish())
}

fn list(state: &State, call: &Call, place: &Place) -> Result<Answer, Fail> {
    let options = odata::options(&call.query, call.immutable())?;
    let top = options.top;
    let mailbox = mailbox(state, place.user_id)?;
    let seen_ms = seen(state, call);
    let found = |contact: &Contact| {
        options.filter.as_ref().is_none_or(|filter| {
            filter.finds(contact, seen_ms - state.graph.switches.filter_lag_ms)
        })
    };
    let visible = mailbox
        .candidates(options.filter.as_ref())
        .into_iter()
        .filter_map(|contact| contact.as_of(seen_ms));
    let mut all: Vec<&Contact> = visible
        .filter(|contact| contact.folder == place.folder && found(contact))
        .collect();
    for (name, descending) in options.orderby.iter().rev() {
        all.sort_by(|left, right| {
            let order = compare(left, right, name);
            if *descending { order.reverse() } else { order }
        });
    }
    let page = all.iter().skip(options.skip).take(top);
    let value: Vec<Value> = page
        .map(|contact| contact::show(contact, &options.view, &state.graph.directory))
        .collect();
    let mut body = json!({"@odata.context": context(state, &place.context), "value": value});
    if options.count {
        body["@odata.count"] = json!(all.len());
    }
    if options.skip + top < all.len() {
        body["@odata.nextLink"] = json!(next_link(
            &state.options.public_url,
            call,
            options.skip + top
        ));
    }
    Ok(Answer::json(200, body))
}

fn compare(left: &Contact, right: &Contact, name: &str) -> Ordering {
    match name {
        "createdDateTime" => left.created_ms.cmp(&right.created_ms),
        "lastModifiedDateTime" => left.modified_ms.cmp(&right.modified_ms),
        name => {
            let text = |contact: &Contact| {
                contact
                    .props
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_lowercase()
            };
            text(left).cmp(&text(right))
        }
    }
}

fn create(state: &mut State, call: &Call, place: &Place) -> Result<Answer, Fail> {
    let body = call.object()?;
    let key = on_mailbox(state, place.user_id, |mailbox, now| {
        mailbox.create(&place.folder, &body, Writer::Api, now)
    })?;
    let inline = body.get("extensions");
    if state.graph.switches.keep_inline_extensions
        && let Some(mailbox) = state.graph.mailboxes.get_mut(&place.user_id)
        && let Some(contact) = mailbox.contacts.get_mut(&key)
    {
        for extension in inline
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
        {
            store_extension(contact, extension);
        }
    }
    let mut answer = shown(state, call, place, key, 201)?;
    // Echoed, and not stored (Graph reference 2.7).
    if let (Some(inline), Body::Json(body)) = (inline, &mut answer.body) {
        body["extensions"] = inline.clone();
    }
    Ok(answer)
}

/// A single contact as an answer.
fn shown(state: &State, call: &Call, place: &Place, key: u64, status: u16) -> Result<Answer, Fail> {
    let options = odata::options(&call.query, call.immutable())?;
    let contact = mailbox(state, place.user_id)?
        .contacts
        .get(&key)
        .ok_or_else(Fail::not_found)?;
    Ok(answer_of(state, contact, place, &options.view, status))
}

fn answer_of(
    state: &State,
    contact: &Contact,
    place: &Place,
    view: &contact::View,
    status: u16,
) -> Answer {
    let mut body = contact::show(contact, view, &state.graph.directory);
    body["@odata.context"] = json!(context(state, &format!("{}/$entity", place.context)));
    let id = contact.shown_id(view.immutable);
    let answer = Answer::json(status, body).with("etag", contact.etag());
    if status == 201 {
        let place = format!(
            "{}/v1.0/users/{}/contacts/{id}",
            state.options.public_url, place.user_id
        );
        return answer.with("location", place);
    }
    answer
}

fn well_formed(id: &str) -> bool {
    id.len() >= 16
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte))
}

fn one(
    state: &mut State,
    call: &Call,
    place: &Place,
    id: &str,
    tail: &[String],
) -> Result<Answer, Fail> {
    if let Some(segment @ ("move" | "copy")) = tail.first().map(String::as_str) {
        return Err(Fail::segment(segment));
    }
    if !well_formed(id) {
        return Err(Fail::new(
            400,
            "ErrorInvalidIdMalformed",
            "Id is malformed.",
        ));
    }
    let mailbox = mailbox(state, place.user_id)?;
    let contact = mailbox.find(id).ok_or_else(Fail::not_found)?;
    let deleted = mailbox.is_deleted(contact);
    // A GET by id finds a contact in any folder (Graph reference 2); an address with another
    // folder in it does not.
    let elsewhere = place.folder != mailbox.default_folder && contact.folder != place.folder;
    if elsewhere || deleted && !state.graph.switches.deleted_visible {
        return Err(Fail::not_found());
    }
    let key = contact.key;
    let tail: Vec<&str> = tail.iter().map(String::as_str).collect();
    match (call.method.as_str(), tail.as_slice()) {
        ("GET", []) => {
            let options = odata::options(&call.query, call.immutable())?;
            let contact = contact
                .as_of(seen(state, call))
                .ok_or_else(Fail::not_found)?;
            Ok(answer_of(state, contact, place, &options.view, 200))
        }
        ("PATCH", []) => {
            let body = call.object()?;
            matches_etag(state, call, &contact.etag())?;
            if body.contains_key("extensions") {
                return Err(Fail::new(
                    500,
                    "ErrorInternalServerError",
                    "An internal server error occurred. The operation failed.",
                ));
            }
            on_mailbox(state, place.user_id, |mailbox, now| {
                mailbox
                    .update(key, &body, Writer::Api, now)
                    .map(|changes| ((), changes))
            })?;
            shown(state, call, place, key, 200)
        }
        ("DELETE", []) => {
            matches_etag(state, call, &contact.etag())?;
            on_mailbox(state, place.user_id, |mailbox, now| {
                Ok(((), mailbox.delete(key, now)))
            })?;
            if state.graph.switches.delete_answers_404 {
                Err(Fail::not_found())
            } else {
                Ok(Answer::empty(204))
            }
        }
        ("POST", ["permanentDelete"]) => {
            let spared = state.graph.switches.purge_spares_birthdays
                && contact.props.get("birthday").is_some_and(Value::is_string);
            if !spared {
                on_mailbox(state, place.user_id, |mailbox, now| {
                    Ok(((), mailbox.purge(key, now)))
                })?;
            }
            Ok(Answer::empty(204))
        }
        (_, ["photo", ..]) => photo(state, call, place, key, &tail[1..]),
        (_, ["extensions", ..]) => extensions(state, call, place, key, &tail[1..]),
        (_, [] | ["permanentDelete"]) => Err(Fail::not_supported()),
        (_, [other, ..]) => Err(Fail::segment(other)),
    }
}

/// `If-Match`, where it is honoured: whether Graph does for contacts is unproven (reference 2.3).
fn matches_etag(state: &State, call: &Call, etag: &str) -> Result<(), Fail> {
    match call.header("if-match") {
        Some(wanted) if state.graph.switches.honour_if_match && wanted != "*" => {
            let fits = wanted.split(',').any(|one| {
                one.trim().trim_start_matches("W/").trim_matches('"') == etag[3..].trim_matches('"')
            });
            if fits { Ok(()) } else { Err(Fail::conflict()) }
        }
        _ => Ok(()),
    }
}

fn photo(
    state: &mut State,
    call: &Call,
    place: &Place,
    key: u64,
    tail: &[&str],
) -> Result<Answer, Fail> {
    let contact = mailbox(state, place.user_id)?
        .contacts
        .get(&key)
        .ok_or_else(Fail::not_found)?;
    let missing = || {
        Fail::new(
            404,
            "ErrorItemNotFound",
            "The specified object was not found in the store.",
        )
    };
    match (call.method.as_str(), tail) {
        ("GET", []) => {
            let (kind, _) = contact.photo.as_ref().ok_or_else(missing)?;
            let body = json!({
                "@odata.context": context(state, &format!("{}('{}')/photo/$entity", place.context, contact.id)),
                "@odata.mediaContentType": kind, "id": "648x648", "height": 648, "width": 648,
            });
            Ok(Answer::json(200, body))
        }
        ("GET", ["$value"]) => {
            let (kind, bytes) = contact.photo.clone().ok_or_else(missing)?;
            Ok(Answer {
                body: Body::Bytes(kind, bytes),
                ..Answer::empty(200)
            })
        }
        ("PUT" | "PATCH", [] | ["$value"]) => {
            let kind = call.header("content-type").unwrap_or_default().to_owned();
            if !kind.starts_with("image/") || call.body.is_empty() {
                return Err(Fail::new(
                    400,
                    "ErrorInvalidRequest",
                    "The photo must be an image.",
                ));
            }
            // In a batch a photo is base64 text.
            let bytes = STANDARD
                .decode(&call.body)
                .unwrap_or_else(|_| call.body.clone());
            on_mailbox(state, place.user_id, |mailbox, now| {
                Ok((
                    (),
                    mailbox.touch(key, now, |contact| contact.photo = Some((kind, bytes))),
                ))
            })?;
            Ok(Answer::empty(200))
        }
        _ => Err(Fail::not_supported()),
    }
}

fn store_extension(contact: &mut Contact, body: &Map<String, Value>) -> Option<String> {
    let name = body.get("extensionName").and_then(Value::as_str)?;
    let id = if name.starts_with(EXTENSION) {
        name.to_owned()
    } else {
        format!("{EXTENSION}{name}")
    };
    let mut kept = contact.extensions.remove(&id).unwrap_or_default();
    kept.extend(
        body.iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    kept.insert(
        "@odata.type".to_owned(),
        json!("#microsoft.graph.openTypeExtension"),
    );
    kept.insert("id".to_owned(), json!(id));
    kept.insert("extensionName".to_owned(), json!(name));
    contact.extensions.insert(id.clone(), kept);
    Some(id)
}

/// Open extensions by their own address: a POST is an upsert. Delta does not follow them
/// (Graph reference 2.7), so the change counter stays.
fn extensions(
    state: &mut State,
    call: &Call,
    place: &Place,
    key: u64,
    tail: &[&str],
) -> Result<Answer, Fail> {
    let body = if matches!(call.method.as_str(), "POST" | "PATCH") {
        call.object()?
    } else {
        Map::new()
    };
    let mailbox = state
        .graph
        .mailboxes
        .get_mut(&place.user_id)
        .ok_or_else(Fail::not_found)?;
    let contact = mailbox.contacts.get_mut(&key).ok_or_else(Fail::not_found)?;
    let full = |name: &str| {
        if name.starts_with(EXTENSION) {
            name.to_owned()
        } else {
            format!("{EXTENSION}{name}")
        }
    };
    let shown = |contact: &Contact, id: &str| {
        contact
            .extensions
            .get(id)
            .cloned()
            .map(Value::Object)
            .ok_or_else(Fail::not_found)
    };
    match (call.method.as_str(), tail) {
        ("GET", []) => Ok(Answer::json(
            200,
            json!({"value": contact.extensions.values().collect::<Vec<_>>()}),
        )),
        ("POST", []) => {
            let id = store_extension(contact, &body)
                .ok_or_else(|| Fail::bad("extensionName is required."))?;
            Ok(Answer::json(201, shown(contact, &id)?))
        }
        ("GET", [name]) => Ok(Answer::json(200, shown(contact, &full(name))?)),
        ("PATCH", [name]) => {
            let id = full(name);
            let kept = contact
                .extensions
                .get_mut(&id)
                .ok_or_else(Fail::not_found)?;
            kept.extend(body.into_iter().filter(|(name, _)| {
                !matches!(name.as_str(), "id" | "extensionName" | "@odata.type")
            }));
            Ok(Answer::json(200, shown(contact, &id)?))
        }
        ("DELETE", [name]) => contact
            .extensions
            .remove(&full(name))
            .map(|_| Answer::empty(204))
            .ok_or_else(Fail::not_found),
        _ => Err(Fail::not_supported()),
    }
}
