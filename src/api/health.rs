//! Alive, ready, measured.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, Problem, auth};
use crate::config::MetricsAccess;

/// Whether the process is alive
#[utoipa::path(
    get, path = "/healthz", operation_id = "healthz", tag = "service", security(()),
    responses((status = 200, description = "Alive", body = String, content_type = "text/plain", example = "ok"))
)]
pub async fn healthz() -> &'static str {
    "ok"
}

/// Whether hints can be accepted and kept.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"ready": true, "reasons": []}))]
pub struct Readiness {
    /// They can.
    ready: bool,
    /// Why they cannot.
    reasons: Vec<String>,
}

/// Whether hints can be accepted and kept
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "service", security(()),
    responses(
        (status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "Not ready, with reasons", body = Readiness,
            example = json!({"ready": false, "reasons": ["the database is not available"]})),
    )
)]
pub async fn readyz(State(api): State<Arc<Api>>) -> (StatusCode, Json<Readiness>) {
    let mut reasons = Vec::new();
    if api.is_draining() {
        reasons.push("the service is shutting down".to_owned());
    }
    if let Err(error) = api.store.ready().await {
        tracing::warn!(%error, "not ready");
        reasons.push(reason(&error));
    }
    let ready = reasons.is_empty();
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(Readiness { ready, reasons }))
}

/// The outer words: the inner text may name hosts and paths, and this route asks for no token.
fn reason(error: &crate::store::Error) -> String {
    use crate::store::Error;
    let words = match error {
        Error::Schema(_) => "the database's schema does not fit this version",
        _ => "the database is gone, not reachable or not writable",
    };
    words.to_owned()
}

/// Metrics as Prometheus text
///
/// `telemetry.metrics_access` says who may read them.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "service", security((), ("token" = [])),
    responses(
        (status = 200, description = "Prometheus text", body = String, content_type = "text/plain"),
        (status = 401, description = "A token is needed", body = super::problem::ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Metrics are off", body = super::problem::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn metrics(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Problem> {
    match api.settings.metrics_access {
        MetricsAccess::Open => {}
        MetricsAccess::Viewer => {
            auth::caller(&api.settings.tokens, &headers).ok_or_else(Problem::unauthenticated)?;
        }
        MetricsAccess::Off => return Err(Problem::not_found("route")),
    }
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    Ok((kind, (api.metrics)()).into_response())
}
