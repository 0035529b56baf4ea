//! `$batch`: up to twenty calls in one, four at a time (Graph reference 6, 10.1).

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value, json};

use super::{
    api::{self, Call},
    fail::{Answer, Body, Fail},
    routes::{bearer, enter, perform, refused_item},
};
use crate::{
    calls::{Entry, Ticket},
    faults::{Cut, error_body},
    state::Shared,
};

const MOST_ITEMS: usize = 20;
/// What Outlook takes at a time.
const ABREAST: usize = 4;

struct Item {
    id: String,
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    depends_on: Vec<String>,
}

/// Does a batch.
///
/// # Errors
/// 400 for a malformed batch, 401 without a token: nothing was done. Everything else is told item
/// by item.
pub(super) async fn run(ctx: &Shared, call: &Call) -> Result<Answer, Fail> {
    let token = call.header("authorization").and_then(bearer);
    let who = {
        let state = ctx.lock();
        api::caller(&state, token)?;
        token
            .and_then(|token| state.bearers.get(token))
            .map_or_else(|| "-".to_owned(), |bearer| bearer.who.clone())
    };
    if call.method != "POST" {
        return Err(Fail::not_supported());
    }
    let items = items(call)?;
    let mut waiting: Vec<&Item> = items.iter().collect();
    let mut statuses: BTreeMap<&str, u16> = BTreeMap::new();
    let mut answers: Vec<Value> = Vec::new();
    while !waiting.is_empty() {
        let (ready, rest): (Vec<&Item>, Vec<&Item>) = waiting.into_iter().partition(|item| {
            item.depends_on
                .iter()
                .all(|id| statuses.contains_key(id.as_str()))
        });
        waiting = rest;
        let mut calls = Vec::new();
        for item in ready {
            let failed = item.depends_on.iter().any(|id| {
                statuses
                    .get(id.as_str())
                    .is_some_and(|status| *status >= 400)
            });
            calls.push(next(ctx, item, failed, token, &who));
        }
        // In order of completion, which is not that of asking.
        let done: Vec<(&Item, Answer)> = stream::iter(calls)
            .buffer_unordered(ABREAST)
            .collect()
            .await;
        for (item, answer) in done {
            statuses.insert(&item.id, answer.status);
            answers.push(shown(&item.id, answer));
        }
    }
    let mut state = ctx.lock();
    if state.graph.switches.batch_reorder {
        state.rng.shuffle(&mut answers);
    }
    Ok(Answer::json(200, json!({"responses": answers})))
}

/// One item in its turn; what it depends on may have failed.
async fn next<'a>(
    ctx: &Shared,
    item: &'a Item,
    failed: bool,
    token: Option<&str>,
    who: &str,
) -> (&'a Item, Answer) {
    if failed {
        let fail = Fail::new(
            424,
            "FailedDependency",
            "A request this one depends on has failed.",
        );
        return (item, refused_item(ctx, fail, None));
    }
    (item, one(ctx, item, token, who).await)
}

fn items(call: &Call) -> Result<Vec<Item>, Fail> {
    let body = call.object()?;
    let malformed = |why: &str| Fail::bad(format!("Invalid batch payload format. {why}"));
    let list = body
        .get("requests")
        .and_then(Value::as_array)
        .filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| malformed("There are no requests."))?;
    if list.len() > MOST_ITEMS {
        return Err(Fail::bad(format!(
            "Number of batch request steps exceeds the maximum value of '{MOST_ITEMS}'."
        )));
    }
    let mut known = BTreeSet::new();
    let mut items = Vec::new();
    for entry in list {
        let field = |name: &str| {
            entry[name]
                .as_str()
                .map(str::to_owned)
                .filter(|text| !text.is_empty())
        };
        let id = field("id").ok_or_else(|| malformed("A request has no id."))?;
        let method = field("method").ok_or_else(|| malformed("A request has no method."))?;
        let url = field("url").ok_or_else(|| malformed("A request has no url."))?;
        let depends_on: Vec<String> = entry["dependsOn"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        // Dependencies point backwards, so there are no circles.
        if depends_on.iter().any(|id| !known.contains(id)) {
            return Err(malformed(
                "A request depends on one that does not come before it.",
            ));
        }
        if !known.insert(id.clone()) {
            return Err(malformed("The ids are not unique."));
        }
        let headers = entry["headers"].as_object().into_iter().flatten();
        let headers = headers
            .filter_map(|(name, value)| Some((name.to_lowercase(), value.as_str()?.to_owned())))
            .collect();
        let body = match &entry["body"] {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            other => other.to_string().into_bytes(),
        };
        items.push(Item {
            id,
            method,
            url,
            headers,
            body,
            depends_on,
        });
    }
    Ok(items)
}

/// One item: logged, limited, and struck by faults like a call of its own.
async fn one(ctx: &Shared, item: &Item, token: Option<&str>, who: &str) -> Answer {
    let client = item.headers.get("client-request-id").map(String::as_str);
    let target = if item.url.starts_with('/') {
        item.url.clone()
    } else {
        format!("/{}", item.url)
    };
    let path = format!("/v1.0{target}");
    let ticket = Ticket::open(
        ctx,
        Entry::new("graph", &item.method.to_uppercase(), &path, who).batch_item(),
    );
    let answer = struck(ctx, item, token, &target, &path, ticket.number(), client).await;
    ticket.close(answer.status);
    answer
}

async fn struck(
    ctx: &Shared,
    item: &Item,
    token: Option<&str>,
    target: &str,
    path: &str,
    number: u64,
    client: Option<&str>,
) -> Answer {
    let _permit = match enter(ctx, target, token) {
        Ok(permit) => permit,
        Err(fail) => return refused_item(ctx, fail, client),
    };
    let (latency, effect) = {
        let mut guard = ctx.lock();
        let state = &mut *guard;
        let effect = state.faults.strike(&item.method, path, &mut state.rng);
        if effect.is_some() {
            state.calls.mark_fault(number);
        }
        (state.options.latency.graph_ms, effect.unwrap_or_default())
    };
    ctx.pause(latency.saturating_add(effect.delay_ms.unwrap_or(0)))
        .await;
    // Inside a batch there is no connection of its own to cut: the gateway gives up instead.
    let lost = || Fail::new(504, "gatewayTimeout", "The request timed out.");
    if effect.cut == Some(Cut::Before) {
        return refused_item(ctx, lost(), client);
    }
    if let Some(status) = effect.status {
        return refused_item(ctx, on_demand(path, status, effect.retry_after), client);
    }
    // An address with a host or a version in it is not relative (Graph reference 10.1).
    if item.url.contains("://") {
        return refused_item(ctx, Fail::segment("v1.0"), client);
    }
    let mut headers = item.headers.clone();
    if let Some(token) = token {
        headers.insert("authorization".to_owned(), format!("Bearer {token}"));
    }
    let mut call = Call::new(&item.method, target, headers, item.body.clone());
    call.stale_ms = effect.stale_ms.unwrap_or(0);
    let answer = match perform(ctx, &call).await {
        Ok(answer) => answer,
        Err(fail) => refused_item(ctx, fail, client),
    };
    if effect.cut == Some(Cut::After) {
        refused_item(ctx, lost(), client)
    } else {
        answer
    }
}

/// The refusal that a fault asks for.
pub(crate) fn on_demand(path: &str, status: u16, retry_after: Option<u64>) -> Fail {
    let body = error_body("graph", path, status);
    let codes = [
        "BadRequest",
        "InvalidAuthenticationToken",
        "ErrorAccessDenied",
        "ErrorItemNotFound",
        "ErrorIrresolvableConflict",
        "SyncStateNotFound",
        "ApplicationThrottled",
        "serviceNotAvailable",
        "gatewayTimeout",
        "InternalServerError",
    ];
    let code = codes
        .into_iter()
        .find(|code| body["error"]["code"] == *code)
        .unwrap_or("UnknownError");
    let fail = Fail::new(status, code, "Fault on demand.");
    match retry_after {
        Some(seconds) => fail.with("retry-after", seconds.to_string()),
        None => fail,
    }
}

/// An answer as the batch shows it. Both Microsoft SDKs need the content type of each item
/// (Graph reference 10.1).
fn shown(id: &str, answer: Answer) -> Value {
    let mut headers = Map::new();
    headers.insert("Content-Type".to_owned(), json!("application/json"));
    for (name, value) in answer.headers {
        headers.insert(title(name), json!(value));
    }
    let mut item = json!({"id": id, "status": answer.status});
    match answer.body {
        Body::None => {}
        Body::Json(body) => item["body"] = body,
        Body::Bytes(kind, bytes) => {
            headers.insert("Content-Type".to_owned(), json!(kind));
            item["body"] = json!(STANDARD.encode(bytes));
        }
    }
    item["headers"] = Value::Object(headers);
    item
}

/// `retry-after` as `Retry-After`.
fn title(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect()
        })
    });
    words.collect::<Vec<String>>().join("-")
}
