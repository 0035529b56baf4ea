//! `/_sandbox/…`: what tests, demonstrations and the pages do beside the remotes' own APIs.
//!
//! - here: configuration, reset, state, log, tokens, time, latency, faults, consent.
//! - [`people`]: Tribe's people as the pages and `GET /state` show them, and edits by hand.
//!
//! Graph's and Microsoft's own switches are routed by those sides.

pub mod people;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use http::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    faults::Rule,
    graph, microsoft,
    state::{Latency, Options, Shared},
    time::rfc3339,
    tribe::{Settings, odata::Refusal, sign_in},
};

/// All control routes.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/_sandbox/config", get(config))
        .route("/_sandbox/reset", post(reset))
        .route("/_sandbox/state", get(state))
        .route("/_sandbox/calls", get(calls).delete(clear_calls))
        .route("/_sandbox/tokens", post(tokens))
        .route("/_sandbox/time", get(tell_time).post(move_time))
        .route("/_sandbox/latency", get(latency).post(set_latency))
        .route(
            "/_sandbox/faults",
            get(list_faults).post(add_fault).delete(clear_faults),
        )
        .route("/_sandbox/faults/{id}", delete(clear_fault))
        .route("/_sandbox/auto-consent", post(auto_consent))
        .route("/_sandbox/complete-card", post(complete_card))
        .route("/_sandbox/tribe/settings", get(settings).post(set_settings))
        .merge(people::router())
}

/// What was asked for, from a body that may be empty.
fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Refusal> {
    let empty = matches!(bytes.trim_ascii(), b"" | b"null");
    let bytes: &[u8] = if empty { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| Refusal::bad(error.to_string()))
}

async fn config(State(ctx): State<Shared>) -> Json<Value> {
    let state = ctx.lock();
    let (tribe, microsoft) = (&state.tribe, &state.microsoft);
    let mailboxes: Vec<_> = state
        .users
        .iter()
        .map(|user| json!({"address": user.address, "name": user.name, "user_id": user.user_id, "employee_id": user.employee_id, "person_id": user.person_id}))
        .collect();
    Json(json!({
        "public_url": state.options.public_url,
        "tribe": {
            "client_id": tribe.clients.main.0, "client_secret": tribe.clients.main.1,
            "login_client_id": tribe.clients.login.0, "login_client_secret": tribe.clients.login.1,
            "webhook_secret": tribe.webhook_secret, "organization_id": tribe.organization_id,
        },
        "microsoft": {
            "tenant": microsoft.tenant_id, "client_id": microsoft.client_id, "client_secret": microsoft.client_secret,
        },
        "mailboxes": mailboxes,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    people: Option<usize>,
    users: Option<usize>,
    seed: Option<u64>,
    tribe: Option<Value>,
}

/// Starts over; the body may change `people`, `users`, `seed` and Tribe's switches.
async fn reset(State(ctx): State<Shared>, bytes: Bytes) -> Result<StatusCode, Refusal> {
    let asked: Reset = body(&bytes)?;
    let mut state = ctx.lock();
    let mut options: Options = state.options.clone();
    options.people = asked.people.unwrap_or(options.people);
    options.users = asked.users.unwrap_or(options.users);
    options.seed = asked.seed.unwrap_or(options.seed);
    if let Some(change) = asked.tribe {
        options.tribe = changed(&options.tribe, change)?;
    }
    state.reset(options);
    Ok(StatusCode::NO_CONTENT)
}

/// The switches with some of them set anew.
fn changed(settings: &Settings, change: Value) -> Result<Settings, Refusal> {
    let bad = |error: serde_json::Error| Refusal::bad(error.to_string());
    let mut whole = serde_json::to_value(settings).map_err(bad)?;
    let Value::Object(change) = change else {
        return Err(Refusal::bad("The switches are an object."));
    };
    for (name, value) in change {
        match (whole.get_mut(&name), value) {
            (Some(Value::Object(names)), Value::Object(new)) => names.extend(new),
            (_, value) => whole[name] = value,
        }
    }
    serde_json::from_value(whole).map_err(bad)
}

async fn settings(State(ctx): State<Shared>) -> Json<Settings> {
    Json(ctx.lock().options.tribe.clone())
}

/// Sets switches at once; names and places shape the data and take a reset.
async fn set_settings(State(ctx): State<Shared>, bytes: Bytes) -> Result<Json<Settings>, Refusal> {
    let change: Value = body(&bytes)?;
    let mut state = ctx.lock();
    let new = changed(&state.options.tribe, change)?;
    if new.names != state.options.tribe.names || new.places != state.options.tribe.places {
        return Err(Refusal::bad(
            "names and places take a reset: POST /_sandbox/reset {\"tribe\": …}",
        ));
    }
    state.options.tribe = new.clone();
    Ok(Json(new))
}

async fn state(State(ctx): State<Shared>) -> Json<Value> {
    let state = ctx.lock();
    let webhooks: Vec<_> = state
        .tribe
        .webhooks
        .iter()
        .map(|(id, hook)| {
            json!({
                "id": id, "entityType": hook.entity_type, "webhookUrl": hook.url,
                "delivered": hook.delivered, "failed": hook.failed, "last_status": hook.last_status,
            })
        })
        .collect();
    Json(json!({
        "now": rfc3339(state.now_ms()),
        "tribe": {
            "organization_id": state.tribe.organization_id, "version": state.tribe.store.version,
            "people": people::all(&state), "webhooks": webhooks,
        },
        "graph": state.graph.to_json(),
        "outbox": state.outbox.len(),
    }))
}

async fn calls(State(ctx): State<Shared>) -> Json<Value> {
    Json(ctx.lock().calls.to_json())
}

async fn clear_calls(State(ctx): State<Shared>) -> StatusCode {
    ctx.lock().calls.clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    mailbox: Option<String>,
    #[serde(default)]
    crm: bool,
    employee: Option<String>,
    by: Option<String>,
}

/// A token without a sign-in: `{"mailbox"}` for Graph, `{"crm": true}` for Tribe as the
/// application, `{"employee"}` for Tribe as that employee; `by` is what the log calls it.
async fn tokens(State(ctx): State<Shared>, bytes: Bytes) -> Result<Json<Value>, Refusal> {
    let wanted: Wanted = body(&bytes)?;
    let mut state = ctx.lock();
    let unknown = || Refusal::missing("There is no such mailbox.");
    let token = if let Some(mailbox) = &wanted.mailbox {
        microsoft::token_for(&mut state, mailbox).ok_or_else(unknown)?
    } else if let Some(employee) = &wanted.employee {
        let user = state.user(employee).ok_or_else(unknown)?.clone();
        sign_in::access(
            &mut state,
            wanted.by.as_deref().unwrap_or(&user.address),
            "read write",
            "",
            user.employee_id,
        )
    } else if wanted.crm {
        let employee = state.tribe.virtual_employee;
        sign_in::access(
            &mut state,
            wanted.by.as_deref().unwrap_or("crm"),
            "read write",
            "",
            employee,
        )
    } else {
        return Err(Refusal::bad(
            "One of mailbox, crm and employee must be given.",
        ));
    };
    Ok(Json(json!({"access_token": token, "token_type": "bearer"})))
}

async fn tell_time(State(ctx): State<Shared>) -> Json<Value> {
    let state = ctx.lock();
    Json(
        json!({"now": rfc3339(state.now_ms()), "now_ms": state.now_ms(), "offset_ms": state.time_offset_ms}),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    advance_ms: Option<i64>,
    advance_seconds: Option<i64>,
    now: Option<jiff::Timestamp>,
    offset_ms: Option<i64>,
}

/// Moves the clock: on by `advance_ms` or `advance_seconds`, to `now`, or to `offset_ms` from the
/// machine's.
async fn move_time(State(ctx): State<Shared>, bytes: Bytes) -> Result<Json<Value>, Refusal> {
    let asked: Move = body(&bytes)?;
    {
        let mut state = ctx.lock();
        let offset = match asked {
            Move {
                offset_ms: Some(ms),
                ..
            } => Some(ms),
            Move { now: Some(now), .. } => now.as_millisecond().checked_sub(state.clock.now_ms()),
            Move {
                advance_ms: Some(ms),
                ..
            } => state.time_offset_ms.checked_add(ms),
            Move {
                advance_seconds: Some(s),
                ..
            } => s
                .checked_mul(1000)
                .and_then(|ms| state.time_offset_ms.checked_add(ms)),
            _ => None,
        };
        // Beyond a century either way nothing that reckons with times is meant to hold.
        let century_ms = 100 * 366 * 86_400_000_i64;
        let offset = offset.filter(|ms| (-century_ms..=century_ms).contains(ms));
        state.time_offset_ms = offset.ok_or_else(|| {
            Refusal::bad("Say where to: advance_ms, advance_seconds, now or offset_ms.")
        })?;
        state.stirred = true;
    }
    Ok(tell_time(State(ctx)).await)
}

async fn latency(State(ctx): State<Shared>) -> Json<Latency> {
    Json(ctx.lock().options.latency)
}

/// Sets the latencies that are named, and leaves the others.
async fn set_latency(State(ctx): State<Shared>, bytes: Bytes) -> Result<Json<Latency>, Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Change {
        tribe_ms: Option<u64>,
        graph_ms: Option<u64>,
        microsoft_ms: Option<u64>,
    }
    let change: Change = body(&bytes)?;
    let mut state = ctx.lock();
    let old = state.options.latency;
    let new = Latency {
        tribe_ms: change.tribe_ms.unwrap_or(old.tribe_ms),
        graph_ms: change.graph_ms.unwrap_or(old.graph_ms),
        microsoft_ms: change.microsoft_ms.unwrap_or(old.microsoft_ms),
    };
    state.options.latency = new;
    Ok(Json(new))
}

async fn list_faults(State(ctx): State<Shared>) -> Json<Value> {
    Json(ctx.lock().faults.to_json())
}

async fn add_fault(
    State(ctx): State<Shared>,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let rule = Rule::parse(&bytes).map_err(Refusal::bad)?;
    let id = ctx.lock().faults.add(rule);
    Ok((StatusCode::CREATED, Json(json!({"id": id}))))
}

async fn clear_faults(State(ctx): State<Shared>) -> StatusCode {
    ctx.lock().faults.clear(None);
    StatusCode::NO_CONTENT
}

async fn clear_fault(State(ctx): State<Shared>, Path(id): Path<u64>) -> StatusCode {
    ctx.lock().faults.clear(Some(id));
    StatusCode::NO_CONTENT
}

async fn auto_consent(State(ctx): State<Shared>, bytes: Bytes) -> Result<StatusCode, Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Consent {
        on: bool,
    }
    let consent: Consent = body(&bytes)?;
    ctx.lock().auto_consent = consent.on;
    Ok(StatusCode::NO_CONTENT)
}

async fn complete_card(State(ctx): State<Shared>, bytes: Bytes) -> Result<Response, Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Card {
        mailbox: String,
        contact: String,
    }
    let card: Card = body(&bytes)?;
    Ok(graph::complete_card(&mut ctx.lock(), &card.mailbox, &card.contact).into_response())
}
