//! Subscriptions: what may be asked, how long they live (Graph reference 4.1, 4.4).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    api::{Call, Caller, Step, context},
    fail::{Answer, Fail},
    notify, odata,
};
use crate::{
    microsoft::{der, draw},
    state::{State, accepts_hook},
};

const MINUTE_MS: i64 = 60 * 1000;
/// Shorter lives are raised to this (Graph reference 4.1).
const SHORTEST_MIN: i64 = 45;
const LONGEST_MIN: i64 = 10_080;
const LONGEST_RICH_MIN: i64 = 1_440;
const LONGEST_TEXT: usize = 128;
/// Renewing and reauthorizing within this time is to be avoided (Graph reference 4.4).
const EITHER_MS: i64 = 10 * MINUTE_MS;

/// What a rich subscription adds.
#[derive(Clone, Debug)]
pub(super) struct Rich {
    pub(super) certificate: Vec<u8>,
    pub(super) certificate_text: String,
    pub(super) certificate_id: String,
    pub(super) select: BTreeSet<String>,
    pub(super) extended: Vec<String>,
}

/// One subscription.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) client_id: String,
    /// The user who made it; none for app-only.
    pub(super) creator: Option<Uuid>,
    pub(super) resource: String,
    pub(super) mailbox: Uuid,
    pub(super) folder: String,
    pub(super) change_types: BTreeSet<String>,
    change_type: String,
    pub(super) notification_url: String,
    pub(super) lifecycle_url: Option<String>,
    pub(super) expires_ms: i64,
    pub(super) client_state: Option<String>,
    tls: String,
    /// Ids in notifications are of the kind asked for at creation.
    pub(super) immutable: bool,
    pub(super) rich: Option<Rich>,
    /// Its token is no longer good: what is due waits here, with its time.
    pub(super) paused: bool,
    pub(super) held: Vec<(i64, Value)>,
    renewed_ms: Option<i64>,
    reauthorized_ms: Option<i64>,
    /// It was renewed and reauthorized within ten minutes.
    crossed: bool,
    /// Items that were delivered, and that were lost.
    pub(super) delivered: u64,
    pub(super) lost: u64,
}

impl Subscription {
    fn show(&self) -> Value {
        json!({
            "id": self.id, "resource": self.resource, "applicationId": self.client_id, "changeType": self.change_type,
            "clientState": self.client_state, "notificationUrl": self.notification_url,
            "notificationQueryOptions": null, "lifecycleNotificationUrl": self.lifecycle_url,
            "expirationDateTime": draw::precise(self.expires_ms),
            "creatorId": self.creator.map_or_else(|| self.client_id.clone(), |id| id.to_string()),
            "includeResourceData": self.rich.as_ref().map(|_| true),
            "latestSupportedTlsVersion": self.tls,
            "encryptionCertificate": self.rich.as_ref().map(|rich| &rich.certificate_text),
            "encryptionCertificateId": self.rich.as_ref().map(|rich| &rich.certificate_id),
            "notificationUrlAppId": null,
        })
    }

    /// For `GET /_sandbox/state`.
    pub(super) fn describe(&self) -> Value {
        let mut body = self.show();
        body["mailbox"] = json!(self.mailbox);
        body["paused"] = json!(self.paused);
        body["held"] = json!(self.held.len());
        body["delivered"] = json!(self.delivered);
        body["lost"] = json!(self.lost);
        body["renewedAndReauthorized"] = json!(self.crossed);
        body
    }

    fn same_as(&self, other: &Self) -> bool {
        self.client_id == other.client_id
            && self.mailbox == other.mailbox
            && self.folder == other.folder
            && self.change_types == other.change_types
    }
}

/// A subscription whose URLs must shake hands before it counts.
pub(super) struct Draft {
    pub(super) subscription: Subscription,
    /// The URLs to be asked.
    pub(super) urls: Vec<String>,
    /// It exists already: only its URL changes.
    exists: bool,
}

fn bad(message: impl Into<String>) -> Fail {
    Fail::new(400, "InvalidRequest", message)
}

/// Decides `/subscriptions…`.
pub(super) fn decide(state: &mut State, caller: &Caller, call: &Call) -> Result<Step, Fail> {
    let tail: Vec<&str> = call.segments.iter().skip(1).map(String::as_str).collect();
    let mine = |subscription: &&Subscription| {
        subscription.client_id == caller.client_id
            && caller
                .user_id
                .is_none_or(|user| subscription.creator == Some(user))
    };
    match (call.method.as_str(), tail.as_slice()) {
        ("GET", []) => {
            let value: Vec<Value> = state
                .graph
                .subscriptions
                .values()
                .filter(mine)
                .map(Subscription::show)
                .collect();
            let body = json!({"@odata.context": context(state, "subscriptions"), "value": value});
            Ok(Step::Answer(Answer::json(200, body)))
        }
        ("POST", []) => {
            let draft = draft(state, caller, call)?;
            free(state, &draft.subscription)?;
            Ok(Step::Handshake(Box::new(draft)))
        }
        (method, [id, rest @ ..]) => {
            let found = state.graph.subscriptions.get(*id).filter(mine).cloned();
            let found = found
                .ok_or_else(|| Fail::new(404, "ResourceNotFound", "The object was not found."))?;
            match (method, rest) {
                ("GET", []) => Ok(Step::Answer(shown(state, &found, 200))),
                ("PATCH", []) => renew(state, call, found),
                ("DELETE", []) => {
                    state.graph.subscriptions.remove(*id);
                    Ok(Step::Answer(Answer::empty(204)))
                }
                ("POST", ["reauthorize"]) => {
                    let now = state.now_ms();
                    if let Some(subscription) = state.graph.subscriptions.get_mut(*id) {
                        subscription.crossed |= subscription
                            .renewed_ms
                            .is_some_and(|at| now - at < EITHER_MS);
                        subscription.reauthorized_ms = Some(now);
                    }
                    notify::resume(state, id);
                    Ok(Step::Answer(Answer::empty(204)))
                }
                (_, []) => Err(Fail::not_supported()),
                (_, [other, ..]) => Err(Fail::segment(other)),
            }
        }
        _ => Err(Fail::not_supported()),
    }
}

fn shown(state: &State, subscription: &Subscription, status: u16) -> Answer {
    let mut body = subscription.show();
    body["@odata.context"] = json!(context(state, "subscriptions/$entity"));
    Answer::json(status, body)
}

fn text(body: &Map<String, Value>, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// When it ends: at least 45 minutes from now, at most the limit.
fn expiry(body: &Map<String, Value>, now_ms: i64, rich: bool) -> Result<i64, Fail> {
    let wanted = text(body, "expirationDateTime").and_then(|time| draw::parse_time(&time));
    let wanted =
        wanted.ok_or_else(|| bad("The expirationDateTime is missing or cannot be read."))?;
    if wanted <= now_ms {
        return Err(bad("Subscription expiration must be in the future."));
    }
    let longest = if rich { LONGEST_RICH_MIN } else { LONGEST_MIN };
    // A minute of grace, as clocks differ.
    if wanted > now_ms + (longest + 1) * MINUTE_MS {
        return Err(bad(format!(
            "Subscription expiration can only be {longest} minutes in the future."
        )));
    }
    Ok(wanted.max(now_ms + SHORTEST_MIN * MINUTE_MS))
}

fn draft(state: &mut State, caller: &Caller, call: &Call) -> Result<Draft, Fail> {
    let body = call.object()?;
    let change_type =
        text(&body, "changeType").ok_or_else(|| bad("The changeType is required."))?;
    let change_types: BTreeSet<String> = change_type
        .split(',')
        .map(|kind| kind.trim().to_lowercase())
        .collect();
    if change_types
        .iter()
        .any(|kind| !matches!(kind.as_str(), "created" | "updated" | "deleted"))
    {
        return Err(bad("The changeType is not supported."));
    }
    let notification_url =
        hook(&body, "notificationUrl")?.ok_or_else(|| bad("The notificationUrl is required."))?;
    let lifecycle_url = hook(&body, "lifecycleNotificationUrl")?;
    let client_state = text(&body, "clientState");
    if client_state
        .as_ref()
        .is_some_and(|state| state.chars().count() > LONGEST_TEXT)
    {
        return Err(bad(
            "The clientState must not be longer than 128 characters.",
        ));
    }
    let tls = text(&body, "latestSupportedTlsVersion").unwrap_or_else(|| "v1_2".to_owned());
    if !matches!(tls.as_str(), "v1_0" | "v1_1" | "v1_2" | "v1_3") {
        return Err(bad("The latestSupportedTlsVersion is not supported."));
    }
    let resource = text(&body, "resource").ok_or_else(|| bad("The resource is required."))?;
    let rich_wanted = body
        .get("includeResourceData")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let expires_ms = expiry(&body, state.now_ms(), rich_wanted)?;
    let Watched {
        mailbox,
        folder,
        query,
    } = place(state, caller, &resource)?;
    let rich = if rich_wanted {
        Some(rich(&body, &query)?)
    } else {
        None
    };
    if rich.is_none() && !query.is_empty() {
        return Err(bad(
            "Query options in the resource need includeResourceData.",
        ));
    }
    let id = draw::guid(&mut state.rng);
    let urls = [Some(notification_url.clone()), lifecycle_url.clone()]
        .into_iter()
        .flatten()
        .collect();
    let subscription = Subscription {
        id,
        client_id: caller.client_id.clone(),
        creator: caller.user_id,
        resource,
        mailbox,
        folder,
        change_types,
        change_type,
        notification_url,
        lifecycle_url,
        expires_ms,
        client_state,
        tls,
        immutable: call.immutable(),
        rich,
        paused: false,
        held: Vec::new(),
        renewed_ms: None,
        reauthorized_ms: None,
        crossed: false,
        delivered: 0,
        lost: 0,
    };
    Ok(Draft {
        subscription,
        urls,
        exists: false,
    })
}

fn hook(body: &Map<String, Value>, name: &str) -> Result<Option<String>, Fail> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(url)) if accepts_hook(url) => Ok(Some(url.clone())),
        Some(_) => Err(bad(format!("The {name} must be an https address."))),
    }
}

/// What a resource names.
struct Watched {
    mailbox: Uuid,
    folder: String,
    query: Vec<(String, String)>,
}

/// The mailbox and folder that a resource names, and its query.
fn place(state: &State, caller: &Caller, resource: &str) -> Result<Watched, Fail> {
    let target = if resource.starts_with('/') {
        resource.to_owned()
    } else {
        format!("/{resource}")
    };
    let call = Call::new(
        "GET",
        &target,
        std::collections::BTreeMap::new(),
        Vec::new(),
    );
    let unknown = || bad(format!("The resource '{resource}' is not supported."));
    let (user_id, rest) = super::api::target(state, caller, &call.segments)?.ok_or_else(unknown)?;
    // Delegated tokens: their own mailbox alone (Graph reference 4.1).
    if caller.user_id.is_some_and(|own| own != user_id) {
        return Err(Fail::denied());
    }
    if caller.user_id.is_none()
        && state
            .graph
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
    let mailbox = state
        .graph
        .mailboxes
        .get(&user_id)
        .ok_or_else(Fail::not_found)?;
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    let folder = match words.as_slice() {
        [contacts] if contacts.eq_ignore_ascii_case("contacts") => mailbox.default_folder.clone(),
        [folders, id, contacts]
            if folders.eq_ignore_ascii_case("contactFolders")
                && contacts.eq_ignore_ascii_case("contacts") =>
        {
            let id = if *id == "contacts" {
                mailbox.default_folder.as_str()
            } else {
                *id
            };
            if !mailbox.folders.contains_key(id) || !mailbox.in_contact_folder(id) {
                return Err(Fail::not_found());
            }
            id.to_owned()
        }
        _ => return Err(unknown()),
    };
    Ok(Watched {
        mailbox: user_id,
        folder,
        query: call.query,
    })
}

fn rich(body: &Map<String, Value>, query: &[(String, String)]) -> Result<Rich, Fail> {
    let certificate_text = text(body, "encryptionCertificate")
        .ok_or_else(|| bad("The encryptionCertificate is required."))?;
    let certificate = der::certificate(&certificate_text)
        .ok_or_else(|| bad("The encryptionCertificate cannot be read."))?;
    let certificate_id = text(body, "encryptionCertificateId")
        .filter(|id| !id.is_empty() && id.chars().count() <= LONGEST_TEXT);
    let certificate_id = certificate_id
        .ok_or_else(|| bad("The encryptionCertificateId is required, 128 characters at most."))?;
    if query
        .iter()
        .any(|(name, _)| !matches!(name.as_str(), "$select" | "$expand"))
    {
        return Err(bad(
            "Only $select and $expand are supported in the resource.",
        ));
    }
    let view = odata::options(query, false)?.view;
    if view.extensions.is_some() {
        return Err(bad(
            "Only extended properties can be expanded in the resource.",
        ));
    }
    let select = view
        .select
        .ok_or_else(|| bad("A subscription with resource data needs $select in the resource."))?;
    super::rich::encrypt(&certificate, b"{}", &mut fastrand::Rng::with_seed(0)).ok_or_else(
        || bad("The encryptionCertificate must hold an RSA key of 2048 to 4096 bits."),
    )?;
    Ok(Rich {
        certificate,
        certificate_text,
        certificate_id,
        select,
        extended: view.extended,
    })
}

/// Whether a new subscription has room.
fn free(state: &State, wanted: &Subscription) -> Result<(), Fail> {
    let all = &state.graph.subscriptions;
    if let Some(twin) = all.values().find(|other| other.same_as(wanted)) {
        let message = format!(
            "Subscription Id <{}> already exists for the requested combination",
            twin.id
        );
        return Err(Fail::new(409, "ExtensionError", message));
    }
    // All apps together (Graph reference 4.1).
    let held = all
        .values()
        .filter(|other| other.mailbox == wanted.mailbox)
        .count();
    if held >= state.graph.switches.subscriptions_per_mailbox {
        return Err(Fail::new(
            403,
            "ExtensionError",
            "The mailbox has reached its limit of subscriptions.",
        ));
    }
    Ok(())
}

fn renew(state: &mut State, call: &Call, found: Subscription) -> Result<Step, Fail> {
    let body = call.object()?;
    let now = state.now_ms();
    let mut renewed = found;
    if body.contains_key("expirationDateTime") {
        renewed.expires_ms = expiry(&body, now, renewed.rich.is_some())?;
        renewed.crossed |= renewed
            .reauthorized_ms
            .is_some_and(|at| now - at < EITHER_MS);
        renewed.renewed_ms = Some(now);
    }
    if body.contains_key("lifecycleNotificationUrl") {
        return Err(bad("The lifecycleNotificationUrl cannot be changed."));
    }
    if let Some(url) = hook(&body, "notificationUrl")?
        && url != renewed.notification_url
    {
        renewed.notification_url.clone_from(&url);
        return Ok(Step::Handshake(Box::new(Draft {
            subscription: renewed,
            urls: vec![url],
            exists: true,
        })));
    }
    let answer = shown(state, &renewed, 200);
    let id = renewed.id.clone();
    state.graph.subscriptions.insert(id.clone(), renewed);
    // A PATCH reauthorizes and renews (Graph reference 4.4).
    notify::resume(state, &id);
    Ok(Step::Answer(answer))
}

/// The URLs shook hands: it counts from now on. Another may have come in between.
pub(super) fn finish(state: &mut State, draft: Draft) -> Result<Answer, Fail> {
    let subscription = draft.subscription;
    if draft.exists {
        if !state.graph.subscriptions.contains_key(&subscription.id) {
            return Err(Fail::new(
                404,
                "ResourceNotFound",
                "The object was not found.",
            ));
        }
    } else {
        free(state, &subscription)?;
    }
    let answer = shown(state, &subscription, if draft.exists { 200 } else { 201 });
    let id = subscription.id.clone();
    state.graph.subscriptions.insert(id.clone(), subscription);
    notify::resume(state, &id);
    // The pump plans its next look by the earliest expiry.
    state.stirred = true;
    Ok(answer)
}
