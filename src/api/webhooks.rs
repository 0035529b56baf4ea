//! Where Tribe and Graph deliver: `202` only once a hint is durable.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use tribelink_plan::ids::EnvironmentId;

use super::{
    Api, Problem,
    extract::{Params, Raw},
    problem::ProblemBody,
};
use crate::{environment::is_name, intake::Refusal, telemetry::meter};

/// Where something is delivered.
pub(super) enum Door {
    /// Tribe's webhooks of an environment.
    Tribe(EnvironmentId),
    /// Graph's change notifications.
    Notifications,
    /// Graph's lifecycle events.
    Lifecycle,
}

impl Door {
    /// The door behind this path under `/webhooks/`, where it is written plainly.
    pub(super) fn of(path: &str) -> Option<Door> {
        match path {
            "graph/notifications" => Some(Door::Notifications),
            "graph/lifecycle" => Some(Door::Lifecycle),
            path => {
                let name = path.strip_prefix("tribe/")?;
                is_name(name).then(|| Door::Tribe(EnvironmentId::from(name)))
            }
        }
    }

    /// As what its deliveries are counted.
    pub(super) fn source(&self) -> &'static str {
        match self {
            Door::Tribe(_) => "tribe",
            Door::Notifications => "notification",
            Door::Lifecycle => "lifecycle",
        }
    }
}

/// Takes a delivery in, and answers as its route does.
pub(super) async fn take(
    api: &Api,
    door: Door,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<StatusCode, Problem> {
    match door {
        Door::Tribe(environment) => api.intake.tribe(environment, headers, body).await?,
        Door::Notifications => {
            api.intake.notifications(body).await?;
        }
        Door::Lifecycle => {
            api.intake.lifecycle(body).await?;
        }
    }
    Ok(StatusCode::ACCEPTED)
}

/// Measures how long a sender waits for its answer.
pub async fn measure(request: Request, next: Next) -> Response {
    let path = request.uri().path().strip_prefix("/webhooks/");
    let source = match path.map(|path| (path, Door::of(path))) {
        Some((_, Some(door))) => door.source(),
        Some((path, None)) if path.starts_with("tribe/") => "tribe",
        _ => return next.run(request).await,
    };
    let since = tokio::time::Instant::now();
    let response = next.run(request).await;
    meter::acknowledged(source, response.status().as_u16(), since.elapsed());
    response
}

/// Longest handshake token that is echoed; Graph's are some hundred characters.
const MAX_VALIDATION_TOKEN: usize = 4096;

/// A delivery of Tribe
///
/// Authentic when its signature, Base64(HMAC-SHA512(secret, raw body)), fits a known secret, or, where
/// that webhook's own secret is unknown, when its custom header fits. A delivery is a hint: what it
/// names is read again.
#[utoipa::path(
    post, path = "/webhooks/tribe/{environment}", operation_id = "webhooks_tribe", tag = "hints", security(()),
    params(("environment" = String, Path, description = "The environment", example = "default")),
    request_body(content = serde_json::Value, description = "What Tribe sends",
        example = json!({"webhookId": "w1", "payload": {"entityId": "b724d383-bb70-480a-b03d-512b9aaec15a"}})),
    responses(
        (status = 202, description = "Stored"),
        (status = 400, description = "No usable JSON, or no GUID", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "Not authentic", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Unknown environment", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Could not be stored; Retry-After says when to repeat", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn tribe(
    State(api): State<Arc<Api>>,
    Path(environment): Path<String>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<StatusCode, Problem> {
    if !is_name(&environment) {
        return Err(Refusal::UnknownEnvironment.into());
    }
    let door = Door::Tribe(EnvironmentId(environment));
    take(&api, door, &headers, &body).await
}

/// What Graph sends, as far as it is described here: each item is judged alone.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes; the items are read one by one")]
pub struct Delivery {
    /// The items.
    value: Vec<serde_json::Value>,
}

/// The handshake's parameter.
#[derive(Deserialize)]
pub struct Handshake {
    #[serde(rename = "validationToken")]
    validation_token: Option<String>,
}

/// Change notifications of Graph
///
/// With `validationToken` the handshake: answered with the token as text. Else each item is judged by
/// its `clientState`; strangers are dropped and counted, the rest is stored.
#[utoipa::path(
    post, path = "/webhooks/graph/notifications", operation_id = "webhooks_notifications", tag = "hints", security(()),
    params(("validationToken" = Option<String>, Query, description = "Handshake")),
    request_body(content = Option<Delivery>, description = "What Graph sends; nothing with the handshake",
        example = json!({"value": [{"subscriptionId": "7f1f…", "clientState": "…", "changeType": "updated",
            "resource": "Users/…/Contacts/AAkA…", "resourceData": {"id": "AAkA…", "@odata.etag": "W/\"EQAA\""}}]})),
    responses(
        (status = 200, description = "The handshake's token", body = String, content_type = "text/plain"),
        (status = 202, description = "Stored"),
        (status = 400, description = "No collection of notifications", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Too large, or too many items", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Could not be stored; Retry-After says when to repeat", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn notifications(
    State(api): State<Arc<Api>>,
    Params(handshake): Params<Handshake>,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    if let Some(token) = handshake.validation_token {
        return echo(token);
    }
    let taken = take(&api, Door::Notifications, &HeaderMap::new(), &body).await?;
    Ok(taken.into_response())
}

/// Lifecycle events of Graph
///
/// The same for events about subscriptions themselves: `reauthorizationRequired`,
/// `subscriptionRemoved`, `missed`.
#[utoipa::path(
    post, path = "/webhooks/graph/lifecycle", operation_id = "webhooks_lifecycle", tag = "hints", security(()),
    params(("validationToken" = Option<String>, Query, description = "Handshake")),
    request_body(content = Option<Delivery>, description = "What Graph sends; nothing with the handshake",
        example = json!({"value": [{"subscriptionId": "7f1f…", "clientState": "…", "lifecycleEvent": "missed"}]})),
    responses(
        (status = 200, description = "The handshake's token", body = String, content_type = "text/plain"),
        (status = 202, description = "Stored"),
        (status = 400, description = "No collection of events", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Too large, or too many items", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Could not be stored; Retry-After says when to repeat", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn lifecycle(
    State(api): State<Arc<Api>>,
    Params(handshake): Params<Handshake>,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    if let Some(token) = handshake.validation_token {
        return echo(token);
    }
    let taken = take(&api, Door::Lifecycle, &HeaderMap::new(), &body).await?;
    Ok(taken.into_response())
}

/// The decoded token, exactly, as plain text that no browser takes for anything else (Graph
/// reference 4.2).
fn echo(token: String) -> Result<Response, Problem> {
    if token.len() > MAX_VALIDATION_TOKEN {
        return Err(Problem::invalid("validationToken is too long"));
    }
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, plain)], token).into_response())
}
