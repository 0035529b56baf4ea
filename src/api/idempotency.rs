//! `Idempotency-Key`: the same request under the same key gets the same answer for a day, and is
//! carried out once.

use std::{
    collections::HashSet,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header, response};

use super::{Api, Problem, auth::Caller};
use crate::{
    sealed::{hash_row, sha256},
    store::{Answered, Change, Guard},
    vault::column,
};

/// The header.
pub const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is an earlier one.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// How long an answer is kept.
const KEPT_MS: i64 = 24 * 3_600_000;
/// Longest key.
const MAX_KEY: usize = 255;
/// Longest answer that is kept; answers to POSTs are a few hundred bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// Keys whose first request is being carried out in this process.
static UNDER_WAY: LazyLock<Mutex<HashSet<[u8; 32]>>> = LazyLock::new(Mutex::default);

/// Answers a repeated POST from what was kept.
pub async fn once(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned();
    let key = request.headers().get(&KEY).cloned();
    let (Some(caller), Some(key), &Method::POST) = (caller, key, request.method()) else {
        return next.run(request).await;
    };
    match keyed(&api, &caller, &key, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn keyed(
    api: &Api,
    caller: &Caller,
    key: &HeaderValue,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(Problem::invalid(
            "Idempotency-Key takes 1 to 255 characters",
        ));
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, api.settings.max_body)
        .await
        .map_err(|_| Problem::too_large())?;
    // A key belongs to who sent it: another caller's same key is another key.
    let key_hash = sha256(&[caller.name.as_bytes(), b"\0", key.as_bytes()].concat());
    let target = parts
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    let request_hash = sha256(&[target.as_bytes(), b"\0", &body].concat());

    let _under_way = UnderWay::enter(key_hash).ok_or_else(|| {
        Problem::conflict("a request with this Idempotency-Key is being carried out").after(1)
    })?;
    let since_ms = api.clock.now_ms() - KEPT_MS;
    if let Some(answered) = api.store.answered(&key_hash, since_ms).await? {
        return replay(api, &key_hash, &request_hash, &answered);
    }
    let request = Request::from_parts(parts, Body::from(body));
    let response = next.run(request).await;
    keep(api, key_hash, request_hash, response).await
}

fn replay(
    api: &Api,
    key_hash: &[u8; 32],
    request_hash: &[u8; 32],
    answered: &Answered,
) -> Result<Response, Problem> {
    if answered.request_hash != *request_hash {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "this Idempotency-Key was used for another request",
        ));
    }
    let row = hash_row(key_hash);
    let body = api.vault.open(column::ANSWER_BODY, &row, &answered.body)?;
    let status = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::OK);
    let is_problem = status.is_client_error();
    let kind = match is_problem {
        true => "application/problem+json",
        false => "application/json",
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (REPLAYED, HeaderValue::from_static("true")),
    ];
    Ok((status, headers, Bytes::copy_from_slice(&body)).into_response())
}

/// Keeps an answer that a repetition would get too. What may be otherwise next time is not kept:
/// failures of the service, and refusals of the caller.
async fn keep(
    api: &Api,
    key_hash: [u8; 32],
    request_hash: [u8; 32],
    response: Response,
) -> Result<Response, Problem> {
    let status = response.status();
    let is_final = !status.is_server_error()
        && status != StatusCode::FORBIDDEN
        && status != StatusCode::UNAUTHORIZED;
    if !is_final {
        return Ok(response);
    }
    let (parts, body): (response::Parts, Body) = response.into_parts();
    let body = to_bytes(body, MAX_ANSWER)
        .await
        .map_err(|error| Problem::internal(&error))?;
    let row = hash_row(&key_hash);
    let put = Change::PutAnswered {
        key_hash,
        answered: Answered {
            request_hash,
            status: status.as_u16(),
            body: api.vault.seal(column::ANSWER_BODY, &row, &body),
        },
        at_ms: api.clock.now_ms(),
    };
    if let Err(error) = api.store.commit(&Guard::None, vec![put]).await {
        // The work is done: its answer is worth more than the promise to repeat it.
        tracing::warn!(%error, "an answer could not be kept for its idempotency key");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

struct UnderWay([u8; 32]);

impl UnderWay {
    fn enter(key: [u8; 32]) -> Option<UnderWay> {
        let mut keys = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key).then_some(UnderWay(key))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut keys = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        keys.remove(&self.0);
    }
}
