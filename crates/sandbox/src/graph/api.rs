//! One call, decided without HTTP: who may, which resource, what answer.

mod folders;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Graph,
    contact::View,
    fail::{Answer, Fail},
    items,
    mailbox::Mailbox,
    subscription,
};
use crate::{deliver::Source, state::State};

/// Who calls.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) client_id: String,
    /// None for app-only.
    pub(super) user_id: Option<Uuid>,
    pub(super) scope: String,
}

impl Caller {
    fn may(&self, names: &[&str]) -> bool {
        self.scope
            .split_whitespace()
            .map(crate::microsoft::short_scope)
            .any(|scope| {
                scope == ".default" || names.iter().any(|name| scope.eq_ignore_ascii_case(name))
            })
    }
}

/// One call.
pub(super) struct Call {
    pub(super) method: String,
    /// Path after the version, as received: `/me/contacts`.
    pub(super) path: String,
    pub(super) segments: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    /// Header names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    /// Reads show how things stood this long ago.
    pub(super) stale_ms: u64,
}

impl Call {
    /// Takes a target (path and query, after the version) apart.
    pub(super) fn new(
        method: &str,
        target: &str,
        headers: BTreeMap<String, String>,
        body: Vec<u8>,
    ) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: method.to_uppercase(),
            path: path.to_owned(),
            segments: segments(path),
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            headers,
            body,
            stale_ms: 0,
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn prefers(&self, wanted: &str) -> Option<String> {
        let prefer = self.header("prefer")?;
        prefer.split([',', ';']).find_map(|part| {
            let (name, value) = part.trim().split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case(wanted)
                .then(|| value.trim().trim_matches('"').to_owned())
        })
    }

    /// `Prefer: IdType="ImmutableId"`.
    pub(super) fn immutable(&self) -> bool {
        self.prefers("IdType")
            .is_some_and(|value| value.eq_ignore_ascii_case("ImmutableId"))
    }

    /// `Prefer: odata.maxpagesize=N`.
    pub(super) fn page(&self) -> Option<usize> {
        self.prefers("odata.maxpagesize")
            .and_then(|value| value.parse().ok())
            .filter(|size| *size > 0)
    }

    /// The JSON object in the body.
    pub(super) fn object(&self) -> Result<Map<String, Value>, Fail> {
        let unreadable = || {
            Fail::bad(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
            )
        };
        if !self
            .header("content-type")
            .is_some_and(|kind| kind.to_ascii_lowercase().contains("json"))
        {
            return Err(unreadable());
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(members)) => Ok(members),
            _ => Err(unreadable()),
        }
    }
}

/// Path segments, decoded; `contacts('x')` counts as two, and `microsoft.graph.delta()` is `delta`.
fn segments(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let segment = decode(segment);
        let segment = segment.strip_prefix("microsoft.graph.").unwrap_or(&segment);
        match segment.split_once('(') {
            Some((name, "")) => found.push(name.to_owned()),
            Some((name, rest)) => {
                found.push(name.to_owned());
                let key = rest.strip_suffix(')').unwrap_or(rest).trim_matches('\'');
                if !key.is_empty() {
                    found.push(key.replace("''", "'"));
                }
            }
            None => found.push(segment.to_owned()),
        }
    }
    found
}

/// Undoes percent-encoding; a plus sign is a plus sign in a path.
fn decode(text: &str) -> String {
    let pair = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// What a call leads to.
pub(super) enum Step {
    Answer(Answer),
    /// A subscription is all right so far: its URLs must shake hands first.
    Handshake(Box<subscription::Draft>),
}

/// Who a token belongs to.
///
/// # Errors
/// 401 with the challenge of continuous access evaluation.
pub(super) fn caller(state: &State, token: Option<&str>) -> Result<Caller, Fail> {
    let refuse = |message: &str, error: &str| {
        Err(Fail::new(401, "InvalidAuthenticationToken", message).with(
            "www-authenticate",
            format!("Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", error=\"{error}\"", state.options.public_url),
        ))
    };
    let Some(token) = token else {
        return refuse("Access token is empty.", "invalid_token");
    };
    let Some(bearer) = state
        .bearers
        .get(token)
        .filter(|bearer| bearer.source == Source::Graph)
    else {
        return refuse(
            "Access token validation failure. Invalid audience.",
            "invalid_token",
        );
    };
    if bearer.expires_ms <= state.now_ms() {
        return refuse(
            "Lifetime validation failed, the token is expired.",
            "invalid_token",
        );
    }
    let Some(grant) = state.microsoft.grant(&bearer.grant) else {
        // Revoked in its life: the platform asks for a sign-in with claims (Graph reference 2.8).
        return Err(Fail::new(401, "InvalidAuthenticationToken", "Continuous access evaluation resulted in challenge.").with(
            "www-authenticate",
            "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ==\"",
        ));
    };
    Ok(Caller {
        client_id: grant.client_id.clone(),
        user_id: grant.user_id,
        scope: bearer.scope.clone(),
    })
}

/// The mailbox that a path is about, when it names one, and what follows in the path.
pub(super) fn target<'a>(
    state: &State,
    caller: &Caller,
    segments: &'a [String],
) -> Result<Option<(Uuid, &'a [String])>, Fail> {
    match segments {
        [me, rest @ ..] if me.eq_ignore_ascii_case("me") => match caller.user_id {
            Some(user_id) => Ok(Some((user_id, rest))),
            None => Err(Fail::bad(
                "/me request is only valid with delegated authentication flow.",
            )),
        },
        [users, name, rest @ ..] if users.eq_ignore_ascii_case("users") => {
            let id = Uuid::parse_str(name).ok();
            let user = state
                .users
                .iter()
                .find(|user| Some(user.user_id) == id || user.address.eq_ignore_ascii_case(name));
            let user = user.ok_or_else(|| {
                Fail::new(
                    404,
                    "ErrorInvalidUser",
                    format!("The requested user '{name}' is invalid."),
                )
            })?;
            Ok(Some((user.user_id, rest)))
        }
        _ => Ok(None),
    }
}

fn allowed(graph: &Graph, caller: &Caller, user_id: Uuid) -> Result<(), Fail> {
    if caller.user_id.is_some_and(|own| own != user_id) {
        return Err(Fail::denied());
    }
    if caller.user_id.is_none()
        && graph
            .allowed
            .as_ref()
            .is_some_and(|allowed| !allowed.contains(&user_id))
    {
        return Err(Fail::new(
            403,
            "ErrorAccessDenied",
            "Access to OData is disabled.",
        ));
    }
    if graph.disabled.contains(&user_id) {
        return Err(Fail::new(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        ));
    }
    Ok(())
}

/// Decides a call.
pub(super) fn decide(state: &mut State, caller: &Caller, call: &Call) -> Result<Step, Fail> {
    if let Some((user_id, rest)) = target(state, caller, &call.segments)? {
        allowed(&state.graph, caller, user_id)?;
        return in_mailbox(state, caller, call, user_id, rest).map(Step::Answer);
    }
    let needed = if call.method == "GET" {
        &["Contacts.Read", "Contacts.ReadWrite"][..]
    } else {
        &["Contacts.Read", "Contacts.ReadWrite"]
    };
    match call.segments.first().map(String::as_str) {
        Some("subscriptions") if !caller.may(needed) => Err(Fail::denied()),
        Some("subscriptions") => subscription::decide(state, caller, call),
        Some(other) => Err(Fail::segment(other)),
        None => Err(Fail::bad("Empty Payload. JSON content expected.")),
    }
}

fn in_mailbox(
    state: &mut State,
    caller: &Caller,
    call: &Call,
    user_id: Uuid,
    rest: &[String],
) -> Result<Answer, Fail> {
    let Some((first, tail)) = rest.split_first() else {
        return me(state, caller, call, user_id);
    };
    let needed: &[&str] = if call.method == "GET" || call.method == "HEAD" {
        &["Contacts.Read", "Contacts.ReadWrite"]
    } else {
        &["Contacts.ReadWrite"]
    };
    if !caller.may(needed) {
        return Err(Fail::denied());
    }
    let answer = match first.as_str() {
        "contacts" => {
            let folder = mailbox(state, user_id)?.default_folder.clone();
            let place = items::Place {
                user_id,
                folder,
                context: format!("users('{user_id}')/contacts"),
            };
            items::contacts(state, call, &place, tail)?
        }
        "contactFolders" => folders::folders(state, call, user_id, None, tail)?,
        "translateExchangeIds" if call.method == "POST" => {
            translate(mailbox(state, user_id)?, call)?
        }
        other => return Err(Fail::segment(other)),
    };
    Ok(if call.immutable() {
        answer.with("preference-applied", "IdType=ImmutableId")
    } else {
        answer
    })
}

pub(super) fn mailbox(state: &State, user_id: Uuid) -> Result<&Mailbox, Fail> {
    state
        .graph
        .mailboxes
        .get(&user_id)
        .ok_or_else(Fail::not_found)
}

/// `{origin}/v1.0/$metadata#…`.
pub(super) fn context(state: &State, name: &str) -> String {
    format!("{}/v1.0/$metadata#{name}", state.options.public_url)
}

fn me(state: &State, caller: &Caller, call: &Call, user_id: Uuid) -> Result<Answer, Fail> {
    if call.method != "GET" {
        return Err(Fail::not_supported());
    }
    if !caller.may(&["User.Read", "User.ReadBasic.All", "User.Read.All"]) {
        return Err(Fail::new(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        ));
    }
    let user = state
        .users
        .iter()
        .find(|user| user.user_id == user_id)
        .ok_or_else(Fail::not_found)?;
    let mut body = json!({
        "@odata.context": context(state, "users/$entity"),
        "id": user.user_id, "displayName": user.name, "givenName": user.first_name, "surname": user.last_name,
        "mail": user.address, "userPrincipalName": user.address, "businessPhones": [], "jobTitle": null,
        "mobilePhone": null, "officeLocation": null, "preferredLanguage": null,
    });
    if let Some((_, select)) = call.query.iter().find(|(name, _)| name == "$select")
        && let Some(members) = body.as_object_mut()
    {
        let names = super::odata::names(select);
        members.retain(|name, _| name.starts_with('@') || names.contains(name));
    }
    Ok(Answer::json(200, body))
}

/// `translateExchangeIds`: between default and immutable ids (Graph reference 2.4).
fn translate(mailbox: &Mailbox, call: &Call) -> Result<Answer, Fail> {
    let body = call.object()?;
    let ids: Vec<&str> = body
        .get("inputIds")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if ids.is_empty() || ids.len() > 1000 {
        return Err(Fail::bad("inputIds must hold between 1 and 1000 ids."));
    }
    let immutable = match body.get("targetIdType").and_then(Value::as_str) {
        Some("restImmutableEntryId") => true,
        Some("restId") => false,
        _ => return Err(Fail::bad("The targetIdType is not supported.")),
    };
    let view = View {
        immutable,
        ..View::default()
    };
    let value: Vec<Value> = ids
        .iter()
        .map(|id| match mailbox.find(id) {
            Some(contact) => json!({"sourceId": id, "targetId": contact.shown_id(view.immutable)}),
            None => json!({"sourceId": id, "targetId": null, "errorDetails": {"code": "ErrorItemNotFound", "message": "The specified object was not found in the store."}}),
        })
        .collect();
    Ok(Answer::json(200, json!({"value": value})))
}
