//! Graph over HTTP: limits, tokens, request ids, handshakes.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Router,
    body::Body as HttpBody,
    extract::{Request, State as Extract},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde_json::json;

use super::{
    api::{self, Call, Step},
    batch, control,
    fail::{Answer, Body, Fail},
    notify, subscription,
    throttle::Lane,
};
use crate::{
    deliver::{Delivery, Outcome, Source},
    faults::Stale,
    microsoft::draw,
    state::{Shared, State},
};

/// Graph takes 4 MB in one call.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// How long an URL may take for its handshake (Graph reference 4.2).
const HANDSHAKE: Duration = Duration::from_secs(10);

/// All routes of Graph, and `/_sandbox/graph/…`.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/v1.0/{*path}", any(serve))
        .route("/oidc/userinfo", get(userinfo))
        .merge(control::router())
}

/// A call under way, as the limits count it; dropping it ends it.
pub struct Permit {
    ctx: Shared,
    lane: Lane,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.ctx.lock().graph.throttle.leave(&self.lane);
    }
}

/// Admits a call under the limits of its app and mailbox, for the whole time it takes. `None`: it
/// concerns no mailbox.
///
/// # Errors
/// The 429 to be answered at once.
pub fn admit(
    ctx: &Shared,
    path: &str,
    headers: &http::HeaderMap,
) -> Result<Option<Permit>, Box<Response>> {
    let Some(target) = path
        .strip_prefix("/v1.0")
        .filter(|target| *target != "/$batch")
    else {
        return Ok(None);
    };
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(bearer);
    enter(ctx, target, token).map_err(|fail| {
        let client = headers
            .get("client-request-id")
            .and_then(|value| value.to_str().ok());
        let (answer, ids) = refused(&mut ctx.lock(), fail, client);
        Box::new(respond(answer, &ids))
    })
}

/// The same for an item of a batch.
pub(super) fn enter(
    ctx: &Shared,
    target: &str,
    token: Option<&str>,
) -> Result<Option<Permit>, Fail> {
    let mut guard = ctx.lock();
    let state = &mut *guard;
    let Ok(caller) = api::caller(state, token) else {
        return Ok(None);
    };
    let call = Call::new("GET", target, BTreeMap::new(), Vec::new());
    let Ok(Some((user_id, _))) = api::target(state, &caller, &call.segments) else {
        return Ok(None);
    };
    let lane = (caller.client_id, user_id);
    let now = state.now_ms();
    state
        .graph
        .throttle
        .enter(&lane, now, &state.graph.switches)?;
    drop(guard);
    Ok(Some(Permit {
        ctx: Shared::clone(ctx),
        lane,
    }))
}

/// A refusal that a fault asks for, as Graph would write it: with its ids and `innerError`.
pub fn refused_on_demand(
    ctx: &Shared,
    headers: &http::HeaderMap,
    path: &str,
    status: u16,
    retry_after: Option<u64>,
) -> Response {
    let client = headers
        .get("client-request-id")
        .and_then(|value| value.to_str().ok());
    let (answer, ids) = refused(
        &mut ctx.lock(),
        batch::on_demand(path, status, retry_after),
        client,
    );
    respond(answer, &ids)
}

/// The token in an `Authorization` header.
pub(super) fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// `request-id` and `client-request-id` of one answer.
struct Ids {
    own: String,
    client: String,
}

fn ids(state: &mut State, client: Option<&str>) -> Ids {
    let own = draw::guid(&mut state.rng);
    Ids {
        client: client.map_or_else(|| own.clone(), str::to_owned),
        own,
    }
}

fn refused(state: &mut State, fail: Fail, client: Option<&str>) -> (Answer, Ids) {
    let ids = ids(state, client);
    let date = draw::seconds(state.now_ms());
    let date = date.trim_end_matches('Z');
    (Answer::refuse(fail, date, &ids.own, &ids.client), ids)
}

fn respond(answer: Answer, ids: &Ids) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (kind, body) = match answer.body {
        Body::None => (None, HttpBody::empty()),
        Body::Json(body) => {
            let kind = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
            (Some(kind.to_owned()), HttpBody::from(body.to_string()))
        }
        Body::Bytes(kind, bytes) => (Some(kind), HttpBody::from(bytes)),
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    let diagnostic = json!({"ServerInfo": {"DataCenter": "Sandbox", "Slice": "E", "Ring": "5", "ScaleUnit": "000", "RoleInstance": "SB01"}});
    let own = [
        ("request-id", ids.own.clone()),
        ("client-request-id", ids.client.clone()),
        ("x-ms-ags-diagnostic", diagnostic.to_string()),
        ("odata-version", "4.0".to_owned()),
        ("cache-control", "private".to_owned()),
    ];
    let own = own
        .into_iter()
        .chain(kind.map(|kind| ("content-type", kind)))
        .chain(answer.headers);
    for (name, value) in own {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    response
}

async fn serve(Extract(ctx): Extract<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let headers: BTreeMap<String, String> = parts
        .headers
        .iter()
        .filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    let client = headers.get("client-request-id").cloned();
    let Ok(body) = axum::body::to_bytes(body, MOST_BYTES).await else {
        let fail = Fail::new(
            413,
            "RequestEntityTooLarge",
            "The request body is too large.",
        );
        let (answer, ids) = refused(&mut ctx.lock(), fail, client.as_deref());
        return respond(answer, &ids);
    };
    let target = parts
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    let target = target.strip_prefix("/v1.0").unwrap_or(target);
    let mut call = Call::new(parts.method.as_str(), target, headers, body.to_vec());
    call.stale_ms = parts.extensions.get::<Stale>().map_or(0, |stale| stale.0);
    let result = if call.segments == ["$batch"] {
        batch::run(&ctx, &call).await
    } else {
        perform(&ctx, &call).await
    };
    let mut state = ctx.lock();
    let (answer, ids) = match result {
        Ok(answer) => {
            let ids = ids(&mut state, client.as_deref());
            (answer, ids)
        }
        Err(fail) => refused(&mut state, fail, client.as_deref()),
    };
    respond(answer, &ids)
}

/// Does a call; what must be asked of somebody else is asked outside the lock.
pub(super) async fn perform(ctx: &Shared, call: &Call) -> Result<Answer, Fail> {
    let step = {
        let mut state = ctx.lock();
        notify::tick(&mut state);
        let token = call.header("authorization").and_then(bearer);
        let caller = api::caller(&state, token)?;
        api::decide(&mut state, &caller, call)?
    };
    match step {
        Step::Answer(answer) => Ok(answer),
        Step::Handshake(draft) => {
            for url in &draft.urls {
                handshake(ctx, &draft.subscription.id, url).await?;
            }
            subscription::finish(&mut ctx.lock(), *draft)
        }
    }
}

/// A refusal in the shape of an item of a batch.
pub(super) fn refused_item(ctx: &Shared, fail: Fail, client: Option<&str>) -> Answer {
    refused(&mut ctx.lock(), fail, client).0
}

/// `POST {url}?validationToken=…`, which must come back decoded as plain text (reference 4.2).
async fn handshake(ctx: &Shared, id: &str, url: &str) -> Result<(), Fail> {
    let failed = |why: &str| {
        Fail::new(
            400,
            "ValidationError",
            format!("Subscription validation request failed. {why}"),
        )
    };
    let (token, now) = {
        let mut state = ctx.lock();
        // A sentence with signs in it: whoever does not decode it fails.
        let token = format!(
            "Validation: Testing client application reachability for subscription Request-Id: {} & more+",
            draw::guid(&mut state.rng)
        );
        (token, state.now_ms())
    };
    let mut address = url::Url::parse(url).map_err(|_| failed("The URL cannot be read."))?;
    address
        .query_pairs_mut()
        .append_pair("validationToken", &token);
    let delivery = Delivery {
        source: Source::Graph,
        owner: id.to_owned(),
        url: address.to_string(),
        headers: vec![(
            "content-type".to_owned(),
            "text/plain; charset=utf-8".to_owned(),
        )],
        body: Vec::new(),
        not_before_ms: now,
        attempt: 0,
        timeout: HANDSHAKE,
    };
    match ctx.post.post(&delivery).await {
        Outcome::Answer {
            status: 200,
            content_type,
            body,
            took_ms,
        } => {
            if !content_type.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/plain"))
            {
                return Err(failed("The answer must be text/plain."));
            }
            if body != token.as_bytes() {
                return Err(failed("The answer must be the validation token."));
            }
            if took_ms > 10_000 {
                Err(failed("The answer must come within 10 seconds."))
            } else {
                Ok(())
            }
        }
        Outcome::Answer { status, .. } => Err(failed(&format!(
            "Notification endpoint must respond with 200 OK to validation request, not {status}."
        ))),
        Outcome::Failed | Outcome::TimedOut => Err(failed(
            "The request timed out or the endpoint could not be reached.",
        )),
    }
}

/// `GET /oidc/userinfo`.
async fn userinfo(Extract(ctx): Extract<Shared>, headers: http::HeaderMap) -> Response {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(bearer);
    let state = ctx.lock();
    let found = api::caller(&state, token)
        .ok()
        .and_then(|caller| caller.user_id);
    let user = found.and_then(|id| state.users.iter().find(|user| user.user_id == id));
    match user {
        Some(user) => {
            axum::Json(json!({"sub": user.user_id, "name": user.name, "email": user.address}))
                .into_response()
        }
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}
