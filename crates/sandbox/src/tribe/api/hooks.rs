//! `/v1/webhooks` (Tribe reference 6.1).

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::caller;
use crate::{
    state::{Shared, accepts_hook},
    tribe::{odata::Refusal, webhook::Webhook},
};

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/v1/webhooks", get(list_webhooks).post(create_webhook))
        .route("/v1/webhooks/{id}", delete(delete_webhook))
}

/// A webhook as the API shows it, with its secret when it is new.
pub(super) fn shown(id: Uuid, hook: &Webhook, secret: bool) -> Value {
    let headers: Vec<_> = hook
        .headers
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let mut body = json!({"id": id, "entityType": hook.entity_type, "webhookUrl": hook.url, "headers": headers});
    if secret {
        body["secret"] = hook.secret.clone().into();
    }
    body
}

async fn list_webhooks(State(ctx): State<Shared>, request: Request) -> Result<Response, Refusal> {
    let state = ctx.lock();
    caller(&state, &request.into_parts().0)?;
    let hooks: Vec<_> = state
        .tribe
        .webhooks
        .iter()
        .map(|(id, hook)| shown(*id, hook, false))
        .collect();
    Ok(Json(hooks).into_response())
}

#[derive(serde::Deserialize)]
struct NewHook {
    #[serde(rename = "entityType")]
    entity_type: String,
    #[serde(rename = "webhookUrl")]
    url: String,
    #[serde(default)]
    headers: Vec<NewHeader>,
}

#[derive(serde::Deserialize)]
struct NewHeader {
    name: String,
    value: String,
}

async fn create_webhook(State(ctx): State<Shared>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20)
        .await
        .map_err(|_| Refusal::new(413, "The body is too large."))?;
    let mut state = ctx.lock();
    if !caller(&state, &parts)?.writes {
        return Err(Refusal::new(403, "The scope does not allow writing."));
    }
    let new: NewHook = serde_json::from_slice(&body)
        .map_err(|_| Refusal::bad("entityType and webhookUrl are mandatory."))?;
    if state.tribe.schema.get(&new.entity_type).is_none() {
        return Err(Refusal::bad("The entityType is unknown: it takes dots."));
    }
    if !accepts_hook(&new.url) {
        return Err(Refusal::bad("The webhookUrl must be https."));
    }
    let headers: Vec<_> = new.headers.into_iter().map(|h| (h.name, h.value)).collect();
    let sound = |(name, value): &(String, String)| {
        http::HeaderName::try_from(name).is_ok() && http::HeaderValue::try_from(value).is_ok()
    };
    if !headers.iter().all(sound) {
        return Err(Refusal::bad("A header cannot be sent."));
    }
    let own = state.options.tribe.secret_per_webhook;
    let secret = if own {
        state.secret("whs_")
    } else {
        state.tribe.webhook_secret.clone()
    };
    let id = state.guid();
    let hook = Webhook {
        entity_type: new.entity_type,
        url: new.url,
        headers,
        secret,
        delivered: 0,
        failed: 0,
        last_status: None,
    };
    let answer = shown(id, &hook, state.options.tribe.return_secret);
    state.tribe.webhooks.insert(id, hook);
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

async fn delete_webhook(
    State(ctx): State<Shared>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let mut state = ctx.lock();
    if !caller(&state, &request.into_parts().0)?.writes {
        return Err(Refusal::new(403, "The scope does not allow writing."));
    }
    let id = Uuid::parse_str(&id).map_err(|_| Refusal::bad("The id is no GUID."))?;
    state
        .tribe
        .webhooks
        .remove(&id)
        .ok_or_else(|| Refusal::missing("There is no such webhook."))?;
    let owner = id.to_string();
    state.outbox.retain(|delivery| delivery.owner != owner);
    Ok(StatusCode::NO_CONTENT.into_response())
}
