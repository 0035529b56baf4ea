//! Folders, as the user of a mailbox makes, renames and deletes them.

use axum::{Json, extract::State as Extract, response::Response};
use serde::Deserialize;
use serde_json::json;

use super::{answer, folder, user};
use crate::{
    graph::{fail::Fail, on_mailbox},
    state::Shared,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    mailbox: String,
    /// A new folder's name, or the new name of an old one.
    name: Option<String>,
    /// The folder below which a new one goes; none: the top.
    parent: Option<String>,
    /// The folder to be renamed or deleted.
    folder: Option<String>,
}

pub(super) async fn make(Extract(ctx): Extract<Shared>, Json(body): Json<Body>) -> Response {
    let mut state = ctx.lock();
    let result = (|| {
        let user_id = user(&state, &body.mailbox)?;
        let name = body
            .name
            .as_deref()
            .filter(|name| !name.trim().is_empty())
            .ok_or_else(|| Fail::bad("A folder needs a name."))?;
        let parent = body
            .parent
            .as_deref()
            .map(|parent| folder(&state, user_id, Some(parent)))
            .transpose()?;
        let id = on_mailbox(&mut state, user_id, |mailbox, now| {
            Ok((
                mailbox.make_folder(name, parent.as_deref(), now),
                Vec::new(),
            ))
        })?;
        Ok(json!({"id": id}))
    })();
    answer(result)
}

pub(super) async fn rename(Extract(ctx): Extract<Shared>, Json(body): Json<Body>) -> Response {
    let mut state = ctx.lock();
    let result = (|| {
        let user_id = user(&state, &body.mailbox)?;
        let id = folder(&state, user_id, body.folder.as_deref())?;
        let name = body
            .name
            .as_deref()
            .filter(|name| !name.trim().is_empty())
            .ok_or_else(|| Fail::bad("A folder needs a name."))?;
        on_mailbox(&mut state, user_id, |mailbox, now| {
            mailbox.rename_folder(&id, name, now);
            Ok(((), Vec::new()))
        })?;
        Ok(json!({"id": id}))
    })();
    answer(result)
}

pub(super) async fn delete(Extract(ctx): Extract<Shared>, Json(body): Json<Body>) -> Response {
    let mut state = ctx.lock();
    let result = (|| {
        let user_id = user(&state, &body.mailbox)?;
        let id = folder(&state, user_id, body.folder.as_deref())?;
        let mailbox = state
            .graph
            .mailboxes
            .get(&user_id)
            .ok_or_else(Fail::not_found)?;
        if id == mailbox.default_folder || !mailbox.in_contact_folder(&id) {
            return Err(Fail::bad("This folder cannot be deleted."));
        }
        on_mailbox(&mut state, user_id, |mailbox, now| {
            Ok(((), mailbox.delete_folder(&id, now)))
        })?;
        Ok(json!({"deleted": true}))
    })();
    answer(result)
}
