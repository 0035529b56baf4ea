//! The middleware in front of both remotes: log, latency, faults.

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::{Cut, CutOff, Effect, Stale};
use crate::{
    calls::{Entry, Ticket},
    graph,
    state::Shared,
};

/// Logs the call, waits for the latency, and lets a fault strike it.
pub async fn guard(State(ctx): State<Shared>, mut request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/_sandbox") || request.uri().path() == "/" {
        return next.run(request).await;
    }
    let method = request.method().as_str().to_owned();
    let path = request
        .uri()
        .path_and_query()
        .map_or_else(String::new, ToString::to_string);
    let side = side(request.uri().path());
    // A batch is not in flight itself: its items are, one by one, and take the time they take.
    let batch = side == "graph" && request.uri().path().ends_with("/$batch");
    let by = {
        let state = ctx.lock();
        token(&request)
            .and_then(|t| state.bearers.get(&t))
            .map_or_else(|| "-".to_owned(), |b| b.who.clone())
    };
    let entry = Entry::new(side, &method, &path, &by);
    let ticket = Ticket::open(&ctx, if batch { entry.uncounted() } else { entry });
    // Graph's limits count a call for all the time it takes, its latency and its faults included.
    let _permit = match graph::admit(&ctx, request.uri().path(), request.headers()) {
        Ok(permit) => permit,
        Err(throttled) => {
            ticket.close(throttled.status().as_u16());
            return *throttled;
        }
    };
    let (latency, effect) = {
        let mut guard = ctx.lock();
        let state = &mut *guard;
        let effect = state.faults.strike(&method, &path, &mut state.rng);
        if effect.is_some() {
            state.calls.mark_fault(ticket.number());
        }
        let latency = &state.options.latency;
        let ms = match side {
            "graph" if batch => 0,
            "graph" => latency.graph_ms,
            "microsoft" => latency.microsoft_ms,
            _ => latency.tribe_ms,
        };
        (ms, effect.unwrap_or_default())
    };
    ctx.pause(latency.saturating_add(effect.delay_ms.unwrap_or(0)))
        .await;
    if effect.cut == Some(Cut::Before) {
        return cut_off();
    }
    if let Some(status) = effect.status {
        let answer = if side == "graph" {
            graph::refused_on_demand(&ctx, request.headers(), &path, status, effect.retry_after)
        } else {
            refusal(side, &path, status, &effect)
        };
        ticket.close(answer.status().as_u16());
        return answer;
    }
    if let Some(ms) = effect.stale_ms {
        request.extensions_mut().insert(Stale(ms));
    }
    let answer = next.run(request).await;
    if effect.cut == Some(Cut::After) || answer.extensions().get::<CutOff>().is_some() {
        return cut_off();
    }
    ticket.close(answer.status().as_u16());
    match effect.truncate {
        Some(bytes) => truncate(answer, bytes).await,
        None => answer,
    }
}

/// Which remote a path belongs to.
fn side(path: &str) -> &'static str {
    if path.starts_with("/v1.0/") || path.starts_with("/oidc/") {
        "graph"
    } else if path.starts_with("/v1/") {
        "tribe"
    } else if path.starts_with("/oauth2/") {
        "tribe_auth"
    } else {
        "microsoft"
    }
}

/// The access token of a request: `Authorization: Bearer`, else the query.
fn token(request: &Request) -> Option<String> {
    let header = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok());
    if let Some(header) = header {
        let (scheme, token) = header.split_once(' ')?;
        return scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim().to_owned());
    }
    let query = request.uri().query()?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(k, _)| k == "access_token")
        .map(|(_, v)| v.into_owned())
}

fn cut_off() -> Response {
    let mut answer = StatusCode::BAD_GATEWAY.into_response();
    answer.extensions_mut().insert(CutOff);
    answer
}

fn refusal(side: &str, path: &str, status: u16, effect: &Effect) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = (status, axum::Json(error_body(side, path, status.as_u16()))).into_response();
    if let Some(seconds) = effect.retry_after {
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// The error body that a remote gives with a status: Graph reference 2.8, Tribe reference 2.6 and 3.7.
#[must_use]
pub fn error_body(side: &str, path: &str, status: u16) -> Value {
    let sign_in = side == "tribe_auth" || side == "microsoft";
    if sign_in {
        let error = match status {
            429 | 503 => "temporarily_unavailable",
            500.. => "server_error",
            401 => "invalid_client",
            _ if path.contains("/token") => "invalid_grant",
            _ => "invalid_request",
        };
        return json!({"error": error, "error_description": "Fault on demand.", "status_code": status});
    }
    if side != "graph" {
        return json!({"error": {"code": null, "message": "Fault on demand."}});
    }
    let code = match status {
        400 => "BadRequest",
        401 => "InvalidAuthenticationToken",
        403 => "ErrorAccessDenied",
        404 => "ErrorItemNotFound",
        409 | 412 => "ErrorIrresolvableConflict",
        410 => "SyncStateNotFound",
        429 => "ApplicationThrottled",
        503 => "serviceNotAvailable",
        504 => "gatewayTimeout",
        500.. => "InternalServerError",
        _ => "UnknownError",
    };
    json!({"error": {"code": code, "message": "Fault on demand.", "innerError": {}}})
}

/// The same answer with its full length promised and its body broken off.
async fn truncate(answer: Response, bytes: usize) -> Response {
    let (mut head, body) = answer.into_parts();
    let Ok(whole) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        return cut_off();
    };
    if whole.len() <= bytes {
        return Response::from_parts(head, Body::from(whole));
    }
    head.headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let parts = [
        Ok::<Bytes, std::io::Error>(whole.slice(..bytes)),
        Err(std::io::Error::other("cut on demand")),
    ];
    // The break comes on a later poll, so that the first part has left before the connection goes.
    let broken = stream::unfold(parts.into_iter(), |mut rest| async move {
        tokio::task::yield_now().await;
        rest.next().map(|part| (part, rest))
    });
    Response::from_parts(head, Body::from_stream(broken))
}
