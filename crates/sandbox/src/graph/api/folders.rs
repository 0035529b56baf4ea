//! Calls on contact folders.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Call, context, mailbox};
use crate::{
    graph::{
        delta,
        fail::{Answer, Fail},
        items, odata, on_mailbox,
    },
    state::State,
};

fn folder_name(call: &Call) -> Result<String, Fail> {
    let body = call.object()?;
    let name = body
        .get("displayName")
        .and_then(Value::as_str)
        .filter(|name| !name.trim().is_empty());
    name.map(str::to_owned).ok_or_else(|| {
        Fail::new(
            400,
            "ErrorInvalidRequest",
            "The folder needs a displayName.",
        )
    })
}

pub(super) fn folders(
    state: &mut State,
    call: &Call,
    user_id: Uuid,
    parent: Option<&str>,
    tail: &[String],
) -> Result<Answer, Fail> {
    let origin = state.options.public_url.clone();
    match tail {
        [] => match call.method.as_str() {
            "GET" => list_folders(state, call, user_id, parent),
            "POST" => {
                let name = folder_name(call)?;
                let taken = mailbox(state, user_id)?
                    .children(parent)
                    .iter()
                    .any(|folder| folder.name.eq_ignore_ascii_case(&name));
                if taken {
                    return Err(Fail::new(
                        409,
                        "ErrorFolderExists",
                        "A folder with the specified name already exists.",
                    ));
                }
                let id = on_mailbox(state, user_id, |mailbox, now| {
                    Ok((mailbox.make_folder(&name, parent, now), Vec::new()))
                })?;
                show_folder(state, user_id, &id, 201)
            }
            _ => Err(Fail::not_supported()),
        },
        [delta] if delta == "delta" && parent.is_none() => {
            if call.method != "GET" {
                return Err(Fail::not_supported());
            }
            let context = context(state, &format!("users('{user_id}')/contactFolders"));
            items::delta_of(
                state,
                call,
                user_id,
                delta::Scope::Folders,
                context,
                &origin,
            )
        }
        [id, tail @ ..] => {
            let mailbox = mailbox(state, user_id)?;
            let id = if id.eq_ignore_ascii_case("contacts") {
                mailbox.default_folder.clone()
            } else {
                id.clone()
            };
            if !mailbox.folders.contains_key(&id) || !mailbox.in_contact_folder(&id) {
                return Err(Fail::not_found());
            }
            in_folder(state, call, user_id, &id, tail)
        }
    }
}

fn in_folder(
    state: &mut State,
    call: &Call,
    user_id: Uuid,
    id: &str,
    tail: &[String],
) -> Result<Answer, Fail> {
    match tail {
        [] => match call.method.as_str() {
            "GET" => show_folder(state, user_id, id, 200),
            "PATCH" => {
                let name = folder_name(call)?;
                on_mailbox(state, user_id, |mailbox, now| {
                    mailbox.rename_folder(id, &name, now);
                    Ok(((), Vec::new()))
                })?;
                show_folder(state, user_id, id, 200)
            }
            "DELETE" => {
                if mailbox(state, user_id)?.default_folder == id {
                    return Err(Fail::new(
                        403,
                        "ErrorDeleteDistinguishedFolder",
                        "Distinguished folders cannot be deleted.",
                    ));
                }
                on_mailbox(state, user_id, |mailbox, now| {
                    Ok(((), mailbox.delete_folder(id, now)))
                })?;
                Ok(Answer::empty(204))
            }
            _ => Err(Fail::not_supported()),
        },
        [children, tail @ ..] if children == "childFolders" => {
            folders(state, call, user_id, Some(id), tail)
        }
        [contacts, tail @ ..] if contacts == "contacts" => {
            let context = format!("users('{user_id}')/contactFolders('{id}')/contacts");
            let place = items::Place {
                user_id,
                folder: id.to_owned(),
                context,
            };
            items::contacts(state, call, &place, tail)
        }
        [other, ..] => Err(Fail::segment(other)),
    }
}

fn list_folders(
    state: &State,
    call: &Call,
    user_id: Uuid,
    parent: Option<&str>,
) -> Result<Answer, Fail> {
    let mailbox = mailbox(state, user_id)?;
    let options = odata::options(&call.query, false)?;
    let (top, skip) = (options.top, options.skip);
    let all = mailbox.children(parent);
    let value: Vec<Value> = all
        .iter()
        .skip(skip)
        .take(top)
        .map(|folder| mailbox.show_folder(folder))
        .collect();
    let name = parent.map_or_else(
        || format!("users('{user_id}')/contactFolders"),
        |parent| format!("users('{user_id}')/contactFolders('{parent}')/childFolders"),
    );
    let mut body = json!({"@odata.context": context(state, &name), "value": value});
    if skip + top < all.len() {
        body["@odata.nextLink"] = json!(items::next_link(
            &state.options.public_url,
            call,
            skip + top
        ));
    }
    Ok(Answer::json(200, body))
}

fn show_folder(state: &State, user_id: Uuid, id: &str, status: u16) -> Result<Answer, Fail> {
    let mailbox = mailbox(state, user_id)?;
    let folder = mailbox.folders.get(id).ok_or_else(Fail::not_found)?;
    let mut body = mailbox.show_folder(folder);
    body["@odata.context"] = json!(context(
        state,
        &format!("users('{user_id}')/contactFolders/$entity")
    ));
    Ok(Answer::json(status, body))
}
