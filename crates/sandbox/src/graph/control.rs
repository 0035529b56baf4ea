//! What Outlook, its user and a tester do: `/_sandbox/graph/…`.
//!
//! Here: switches, contacts, subscriptions. [`folders`]: folders; [`card`]: Outlook completing a card.

mod card;
mod folders;

use axum::{
    Json, Router,
    extract::{Query, State as Extract},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use card::complete_card;

use super::{
    Switches,
    contact::{Contact, Writer},
    fail::Fail,
    mailbox::Mailbox,
    notify, on_mailbox,
};
use crate::state::{Shared, State};

/// Control routes of the Graph side.
pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/_sandbox/graph/switches", get(switches).post(set_switches))
        .route("/_sandbox/graph/mailbox", get(show).post(set_mailbox))
        .route(
            "/_sandbox/graph/contacts",
            post(create).patch(update).delete(delete),
        )
        .route(
            "/_sandbox/graph/folders",
            post(folders::make)
                .patch(folders::rename)
                .delete(folders::delete),
        )
        .route("/_sandbox/graph/move", post(relocate))
        .route("/_sandbox/graph/copy", post(copy))
        .route("/_sandbox/graph/restore", post(restore))
        .route("/_sandbox/graph/reimport", post(reimport))
        .route("/_sandbox/graph/expire-delta", post(expire_delta))
        .route("/_sandbox/graph/lifecycle", post(lifecycle))
        .route("/_sandbox/graph/access-policy", post(access_policy))
}

/// Errors of control: 404 for unknown names, else what Graph would say.
fn refuse(fail: &Fail) -> Response {
    let status = StatusCode::from_u16(fail.status).unwrap_or(StatusCode::BAD_REQUEST);
    (
        status,
        Json(json!({"error": fail.message, "code": fail.code})),
    )
        .into_response()
}

fn answer(result: Result<Value, Fail>) -> Response {
    match result {
        Ok(body) => Json(body).into_response(),
        Err(fail) => refuse(&fail),
    }
}

fn user(state: &State, mailbox: &str) -> Result<Uuid, Fail> {
    let user = state
        .user(mailbox)
        .ok_or_else(|| Fail::new(404, "UnknownMailbox", "There is no such mailbox."))?;
    Ok(user.user_id)
}

fn find<'a>(state: &'a State, user_id: Uuid, id: &str) -> Result<(&'a Mailbox, &'a Contact), Fail> {
    let mailbox = state
        .graph
        .mailboxes
        .get(&user_id)
        .ok_or_else(Fail::not_found)?;
    let contact = mailbox.find(id).ok_or_else(Fail::not_found)?;
    Ok((mailbox, contact))
}

/// A folder by id or name; none is the default one.
fn folder(state: &State, user_id: Uuid, name: Option<&str>) -> Result<String, Fail> {
    let mailbox = state
        .graph
        .mailboxes
        .get(&user_id)
        .ok_or_else(Fail::not_found)?;
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Ok(mailbox.default_folder.clone());
    };
    let found = mailbox
        .folders
        .values()
        .find(|folder| folder.id == name || folder.name.eq_ignore_ascii_case(name));
    found
        .map(|folder| folder.id.clone())
        .ok_or_else(|| Fail::new(404, "UnknownFolder", "There is no such folder."))
}

fn ids(state: &State, user_id: Uuid, key: u64) -> Value {
    let contact = state
        .graph
        .mailboxes
        .get(&user_id)
        .and_then(|mailbox| mailbox.contacts.get(&key));
    contact.map_or(Value::Null, |contact| {
        json!({"id": contact.id, "immutableId": contact.immutable_id, "parentFolderId": contact.folder, "@odata.etag": contact.etag()})
    })
}

async fn switches(Extract(ctx): Extract<Shared>) -> Json<Switches> {
    Json(ctx.lock().graph.switches.clone())
}

/// Absent switches stay as they are.
async fn set_switches(
    Extract(ctx): Extract<Shared>,
    Json(body): Json<Map<String, Value>>,
) -> Response {
    let mut state = ctx.lock();
    let mut all = serde_json::to_value(&state.graph.switches).unwrap_or_default();
    for (name, value) in body {
        all[name] = value;
    }
    match serde_json::from_value::<Switches>(all) {
        Ok(switches) => {
            state.graph.switches = switches.clone();
            Json(switches).into_response()
        }
        Err(error) => (
            StatusCode::BAD_REQUEST,
            Json(json!({"error": error.to_string()})),
        )
            .into_response(),
    }
}

#[derive(Deserialize)]
struct Look {
    mailbox: String,
    /// The version that the asker knows: nothing but the version comes back while it is the same.
    since: Option<u64>,
}

async fn show(Extract(ctx): Extract<Shared>, Query(look): Query<Look>) -> Response {
    let state = ctx.lock();
    answer(user(&state, &look.mailbox).and_then(|user_id| {
        let mailbox = state
            .graph
            .mailboxes
            .get(&user_id)
            .ok_or_else(Fail::not_found)?;
        if look.since == Some(mailbox.version) {
            return Ok(json!({"version": mailbox.version}));
        }
        Ok(state.graph.mailbox_json(mailbox))
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetMailbox {
    mailbox: String,
    /// Off: it answers `MailboxNotEnabledForRESTAPI`.
    enabled: bool,
}

async fn set_mailbox(Extract(ctx): Extract<Shared>, Json(body): Json<SetMailbox>) -> Response {
    let mut state = ctx.lock();
    answer(user(&state, &body.mailbox).map(|user_id| {
        if body.enabled {
            state.graph.disabled.remove(&user_id);
        } else {
            state.graph.disabled.insert(user_id);
        }
        json!({"enabled": body.enabled})
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    mailbox: String,
    folder: Option<String>,
    contact: Map<String, Value>,
}

async fn create(Extract(ctx): Extract<Shared>, Json(body): Json<Create>) -> Response {
    let mut state = ctx.lock();
    let result = (|| {
        let user_id = user(&state, &body.mailbox)?;
        let folder = folder(&state, user_id, body.folder.as_deref())?;
        let key = on_mailbox(&mut state, user_id, |mailbox, now| {
            mailbox.create(&folder, &body.contact, Writer::Outlook, now)
        })?;
        Ok(ids(&state, user_id, key))
    })();
    answer(result)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    mailbox: String,
    contact: String,
    changes: Map<String, Value>,
}

async fn update(Extract(ctx): Extract<Shared>, Json(body): Json<Update>) -> Response {
    let mut state = ctx.lock();
    let result = (|| {
        let user_id = user(&state, &body.mailbox)?;
        let key = find(&state, user_id, &body.contact)?.1.key;
        on_mailbox(&mut state, user_id, |mailbox, now| {
            mailbox
                .update(key, &body.changes, Writer::Outlook, now)
                .map(|changes| ((), changes))
        })?;
        Ok(ids(&state, user_id, key))
    })();
    answer(result)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delete {
    mailbox: String,
    contact: String,
    #[serde(default)]
    purge: bool,
}

async fn delete(Extract(ctx): Extract<Shared>, Json(body): Json<Delete>) -> Response {
    let mut state = ctx.lock();
    let result = (|| {
        let user_id = user(&state, &body.mailbox)?;
        let (mailbox, contact) = find(&state, user_id, &body.contact)?;
        let (key, gone) = (contact.key, mailbox.is_deleted(contact));
        on_mailbox(&mut state, user_id, |mailbox, now| {
            // What is deleted already can only go for good.
            let changes = if body.purge || gone {
                mailbox.purge(key, now)
            } else {
                mailbox.delete(key, now)
            };
            Ok(((), if gone { Vec::new() } else { changes }))
        })?;
        Ok(json!({"deleted": true}))
    })();
    answer(result)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    mailbox: String,
    contact: String,
    folder: Option<String>,
    /// A restored contact keeps its immutable id (unknown on real Graph; by default it does not).
    #[serde(default)]
    keep_immutable: bool,
}

/// Finds the contact and the folder of a request.
fn placed(state: &State, body: &Place) -> Result<(Uuid, u64, String), Fail> {
    let user_id = user(state, &body.mailbox)?;
    let key = find(state, user_id, &body.contact)?.1.key;
    Ok((
        user_id,
        key,
        folder(state, user_id, body.folder.as_deref())?,
    ))
}

async fn relocate(Extract(ctx): Extract<Shared>, Json(body): Json<Place>) -> Response {
    let mut state = ctx.lock();
    let result = placed(&state, &body).and_then(|(user_id, key, folder)| {
        on_mailbox(&mut state, user_id, |mailbox, now| {
            let changes = mailbox.relocate(key, &folder, now);
            // The deleted items are no folder of contacts: nobody hears of arrivals there.
            let changes = changes
                .into_iter()
                .filter(|change| mailbox.in_contact_folder(&change.folder))
                .collect();
            Ok(((), changes))
        })?;
        Ok(ids(&state, user_id, key))
    });
    answer(result)
}

async fn copy(Extract(ctx): Extract<Shared>, Json(body): Json<Place>) -> Response {
    let mut state = ctx.lock();
    let result = placed(&state, &body).and_then(|(user_id, key, folder)| {
        let copy = on_mailbox(&mut state, user_id, |mailbox, now| {
            Ok(mailbox.copy(key, &folder, now))
        })?;
        Ok(copy.map_or(Value::Null, |key| ids(&state, user_id, key)))
    });
    answer(result)
}

async fn restore(Extract(ctx): Extract<Shared>, Json(body): Json<Place>) -> Response {
    let mut state = ctx.lock();
    let result = placed(&state, &body).and_then(|(user_id, key, folder)| {
        let (mailbox, contact) = find(&state, user_id, &body.contact)?;
        if !mailbox.is_deleted(contact) {
            return Err(Fail::bad("The contact is not deleted."));
        }
        on_mailbox(&mut state, user_id, |mailbox, now| {
            Ok(((), mailbox.restore(key, &folder, body.keep_immutable, now)))
        })?;
        Ok(ids(&state, user_id, key))
    });
    answer(result)
}

/// As after an export and an import: all its values and stamps under wholly new ids; one that was
/// deleted is gone then.
async fn reimport(Extract(ctx): Extract<Shared>, Json(body): Json<Place>) -> Response {
    let mut state = ctx.lock();
    let result = placed(&state, &body).and_then(|(user_id, key, folder)| {
        let (mailbox, contact) = find(&state, user_id, &body.contact)?;
        let deleted = mailbox.is_deleted(contact);
        let fresh = on_mailbox(&mut state, user_id, |mailbox, now| {
            let (fresh, changes) = mailbox.copy(key, &folder, now);
            if let Some(contact) = fresh.and_then(|key| mailbox.contacts.get_mut(&key)) {
                contact.copy_of = None;
            }
            if deleted {
                mailbox.purge(key, now);
            }
            Ok((fresh, changes))
        })?;
        Ok(fresh.map_or(Value::Null, |key| ids(&state, user_id, key)))
    });
    answer(result)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpireDelta {
    mailbox: String,
    folder: Option<String>,
}

async fn expire_delta(Extract(ctx): Extract<Shared>, Json(body): Json<ExpireDelta>) -> Response {
    let mut state = ctx.lock();
    let result = (|| {
        let user_id = user(&state, &body.mailbox)?;
        let id = body
            .folder
            .as_deref()
            .map(|name| folder(&state, user_id, Some(name)))
            .transpose()?;
        let mailbox = state
            .graph
            .mailboxes
            .get_mut(&user_id)
            .ok_or_else(Fail::not_found)?;
        mailbox.cursors.expire(id.as_deref());
        Ok(json!({"expired": true}))
    })();
    answer(result)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifecycle {
    mailbox: Option<String>,
    subscription: Option<String>,
    event: String,
}

/// `subscriptionRemoved` removes it, `reauthorizationRequired` pauses it, `missed` only says so.
async fn lifecycle(Extract(ctx): Extract<Shared>, Json(body): Json<Lifecycle>) -> Response {
    let mut state = ctx.lock();
    let result = (|| {
        if !matches!(
            body.event.as_str(),
            "reauthorizationRequired" | "subscriptionRemoved" | "missed"
        ) {
            return Err(Fail::bad(
                "The event is one of reauthorizationRequired, subscriptionRemoved, missed.",
            ));
        }
        let user_id = body
            .mailbox
            .as_deref()
            .map(|mailbox| user(&state, mailbox))
            .transpose()?;
        let wanted = |id: &str, mailbox: Uuid| match (&body.subscription, user_id) {
            (Some(subscription), _) => subscription == id,
            (None, Some(user_id)) => user_id == mailbox,
            (None, None) => false,
        };
        let chosen: Vec<_> = state
            .graph
            .subscriptions
            .values()
            .filter(|one| wanted(&one.id, one.mailbox))
            .cloned()
            .collect();
        if chosen.is_empty() {
            return Err(Fail::new(
                404,
                "UnknownSubscription",
                "There is no such subscription.",
            ));
        }
        let mut sent = 0;
        for subscription in &chosen {
            match body.event.as_str() {
                "subscriptionRemoved" => {
                    state.graph.subscriptions.remove(&subscription.id);
                }
                "reauthorizationRequired" => {
                    if let Some(known) = state.graph.subscriptions.get_mut(&subscription.id) {
                        known.paused = true;
                    }
                }
                _ => {}
            }
            sent += usize::from(notify::lifecycle(&mut state, subscription, &body.event));
        }
        Ok(json!({"subscriptions": chosen.len(), "sent": sent}))
    })();
    answer(result)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessPolicy {
    /// The mailboxes that app-only access reaches; null: all.
    mailboxes: Option<Vec<String>>,
}

async fn access_policy(Extract(ctx): Extract<Shared>, Json(body): Json<AccessPolicy>) -> Response {
    let mut state = ctx.lock();
    let result = body
        .mailboxes
        .map(|names| {
            names
                .iter()
                .map(|name| user(&state, name))
                .collect::<Result<_, _>>()
        })
        .transpose();
    answer(result.map(|allowed| {
        let restricted = allowed.is_some();
        state.graph.allowed = allowed;
        json!({"restricted": restricted})
    }))
}
