//! The HTTP side of data, `/v1/odata/…`, and who calls; [`hooks`]: of webhooks.

mod hooks;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use http::{Method, StatusCode, header, request::Parts};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    odata::{
        Refusal,
        eval::World,
        metadata,
        path::{self, Key, Step},
        query::{self, Format, Query},
        render, select,
    },
    schema::{EMPLOYEE, set_name},
    store::Body,
    value, write,
};
use crate::{
    deliver::Source,
    faults::Stale,
    state::{Locked, Shared},
};

/// Data and webhooks.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/v1/odata", any(odata))
        .route("/v1/odata/", any(odata))
        .route("/v1/odata/{*path}", any(odata))
        .merge(hooks::router())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        (
            status,
            Json(json!({"error": {"code": null, "message": self.message}})),
        )
            .into_response()
    }
}

struct Caller {
    employee: Option<Uuid>,
    writes: bool,
}

/// Who calls, by `Authorization: Bearer`, else by `?access_token=` (2.5).
fn caller(state: &Locked<'_>, parts: &Parts) -> Result<Caller, Refusal> {
    let header = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok());
    let token = match header {
        Some(value) => value
            .split_once(' ')
            .filter(|(s, _)| s.eq_ignore_ascii_case("bearer"))
            .map(|(_, t)| t.trim().to_owned()),
        None => parts.uri.query().and_then(|query| {
            url::form_urlencoded::parse(query.as_bytes())
                .find(|(k, _)| k == "access_token")
                .map(|(_, v)| v.into_owned())
        }),
    };
    let bearer = token
        .as_deref()
        .and_then(|token| state.bearer(Source::Tribe, token));
    let bearer = bearer
        .ok_or_else(|| Refusal::new(401, "The access token is missing, unknown or expired."))?;
    let has = |scope: &str| bearer.scope.split_whitespace().any(|s| s == scope);
    if !has("read") && !has("write") {
        return Err(Refusal::new(403, "The scope does not allow this."));
    }
    Ok(Caller {
        employee: bearer.employee,
        writes: has("write"),
    })
}

async fn odata(State(ctx): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match axum::body::to_bytes(body, 1 << 20).await {
        Ok(body) => body,
        Err(_) => return Refusal::new(413, "The body is too large.").into_response(),
    };
    answer(&ctx, &parts, &body).unwrap_or_else(IntoResponse::into_response)
}

fn answer(ctx: &Shared, parts: &Parts, body: &Bytes) -> Result<Response, Refusal> {
    let mut state = ctx.lock();
    let caller = caller(&state, parts)?;
    let raw = parts
        .uri
        .path()
        .strip_prefix("/v1/odata")
        .unwrap_or_default();
    let steps = path::parse(raw)?;
    let plus = state.options.tribe.plus_is_space;
    let query = query::parse(parts.uri.query().unwrap_or_default(), plus)?;
    if steps.first().is_some_and(|step| step.name == "$batch") {
        return Err(Refusal::new(501, "$batch is not implemented."));
    }
    if parts.method != Method::GET && !caller.writes {
        return Err(Refusal::new(403, "The scope does not allow writing."));
    }
    match parts.method {
        Method::GET => read(&state, parts, &caller, &steps, &query),
        Method::POST => post(&mut state, &steps, body),
        Method::PUT => {
            let (kind, id) = target(&state, &steps)?;
            write::update(&mut state, &kind, id, &object(body)?)?;
            written(&state, StatusCode::OK, id)
        }
        Method::DELETE => {
            let (kind, id) = target(&state, &steps)?;
            write::delete(&mut state, &kind, id)?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        _ => Err(Refusal::new(405, "The method is not allowed.")),
    }
}

fn object(body: &Bytes) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_slice(body).map_err(|_| Refusal::bad("The body is no JSON object."))
}

/// Set and key of a write.
fn target(state: &Locked<'_>, steps: &[Step]) -> Result<(String, Uuid), Refusal> {
    let [Step { name, key }] = steps else {
        return Err(Refusal::new(405, "Only records can be written."));
    };
    let kind = state
        .tribe
        .schema
        .by_set(name)
        .ok_or_else(|| unknown_set(name))?;
    let Key::Id(id) = key else {
        return Err(Refusal::new(405, "A set as a whole cannot be written."));
    };
    Ok((kind.name.clone(), *id))
}

fn unknown_set(name: &str) -> Refusal {
    Refusal::missing(format!(
        "Cannot find EntitySet, Singleton, ActionImport or FunctionImport with name '{name}'."
    ))
}

/// Creates; with the ID of an existing record in the body, updates (3.5, older form).
fn post(state: &mut Locked<'_>, steps: &[Step], body: &Bytes) -> Result<Response, Refusal> {
    let [
        Step {
            name,
            key: Key::None,
        },
    ] = steps
    else {
        return Err(Refusal::new(405, "Records are created on sets."));
    };
    let kind = state
        .tribe
        .schema
        .by_set(name)
        .ok_or_else(|| unknown_set(name))?
        .name
        .clone();
    let object = object(body)?;
    let id = object.get("ID").map(|id| {
        id.as_str()
            .and_then(|id| Uuid::parse_str(id).ok())
            .ok_or_else(|| Refusal::bad("An ID must be a GUID."))
    });
    if let Some(id) = id.transpose()? {
        let there = state.tribe.store.now().get(id).is_some();
        if there || object.contains_key("_UpgradeType") {
            write::update(state, &kind, id, &object)?;
            return written(state, StatusCode::OK, id);
        }
    }
    let id = write::create(state, &kind, &object)?;
    written(state, StatusCode::CREATED, id)
}

fn written(state: &Locked<'_>, status: StatusCode, id: Uuid) -> Result<Response, Refusal> {
    let world = world(state, None);
    let body = world
        .view
        .get(id)
        .ok_or_else(|| Refusal::missing("The record does not exist."))?;
    Ok((status, Json(entity(&world, id, body, &Query::default())?)).into_response())
}

fn world<'a>(state: &'a Locked<'_>, stale: Option<Stale>) -> World<'a> {
    let view = match stale {
        Some(Stale(ms)) => state
            .tribe
            .store
            .at(state.now_ms().saturating_sub_unsigned(ms)),
        None => state.tribe.store.now(),
    };
    World {
        schema: &state.tribe.schema,
        view,
        eq_ignores_case: state.options.tribe.eq_ignores_case,
    }
}

fn read(
    state: &Locked<'_>,
    parts: &Parts,
    caller: &Caller,
    steps: &[Step],
    query: &Query,
) -> Result<Response, Refusal> {
    let world = world(state, parts.extensions.get::<Stale>().copied());
    let Some(first) = steps.first() else {
        return Ok(Json(service(&world)).into_response());
    };
    if first.name == "$metadata" {
        return Ok(match query.format {
            Some(Format::Json) => Json(metadata::json(world.schema)).into_response(),
            _ => (
                [(header::CONTENT_TYPE, "application/xml")],
                metadata::xml(world.schema),
            )
                .into_response(),
        });
    }
    if query.format == Some(Format::Xml) {
        return Err(Refusal::bad("The value of $format is not supported."));
    }
    if first.name == "Webhook" {
        let hooks: Vec<_> = state
            .tribe
            .webhooks
            .iter()
            .map(|(id, hook)| hooks::shown(*id, hook, false))
            .collect();
        return Ok(
            Json(json!({"@odata.context": "$metadata#OData.Webhook", "value": hooks}))
                .into_response(),
        );
    }
    let page = (
        state.options.tribe.page_default,
        state.options.tribe.page_max,
    );
    let reader = Reader {
        world,
        query,
        page,
        next: state
            .options
            .tribe
            .next_link
            .then(|| next(state, parts, query, page)),
    };
    if first.name == "GetCurrentEmployee" {
        let employee = caller
            .employee
            .ok_or_else(|| Refusal::missing("There is no current employee."))?;
        return reader.record(EMPLOYEE, employee, &steps[1..]);
    }
    let kind = world
        .schema
        .by_set(&first.name)
        .ok_or_else(|| unknown_set(&first.name))?;
    match first.key {
        Key::None => match steps.get(1).map(|step| step.name.as_str()) {
            None => reader.list(&kind.name, None),
            Some("$count") if steps.len() == 2 => reader.count(&kind.name, None),
            Some(_) => Err(Refusal::missing("A set has no such segment.")),
        },
        Key::Id(id) => reader.record(&kind.name, id, &steps[1..]),
        Key::Empty => Err(Refusal::bad("The key is missing.")),
    }
}

fn service(world: &World<'_>) -> Value {
    let sets: Vec<_> = world
        .schema
        .types()
        .map(|kind| set_name(&kind.name))
        .map(|set| json!({"name": set, "url": set}))
        .collect();
    json!({"@odata.context": "$metadata", "value": sets})
}

/// The address of the next page.
fn next(
    state: &Locked<'_>,
    parts: &Parts,
    query: &Query,
    (default, max): (usize, usize),
) -> String {
    let size = query.top.unwrap_or(default).min(max);
    let kept = parts.uri.query().unwrap_or_default().split('&');
    let mut pairs: Vec<String> = kept
        .filter(|p| !p.starts_with("$skip=") && !p.starts_with("%24skip=") && !p.is_empty())
        .map(str::to_owned)
        .collect();
    pairs.push(format!("$skip={}", query.skip + size));
    format!(
        "{}{}?{}",
        state.options.public_url,
        parts.uri.path(),
        pairs.join("&")
    )
}

struct Reader<'a> {
    world: World<'a>,
    query: &'a Query,
    page: (usize, usize),
    next: Option<String>,
}

impl Reader<'_> {
    fn list(&self, kind: &str, from: Option<Vec<Uuid>>) -> Result<Response, Refusal> {
        render::check(&self.world, kind, self.query)?;
        let page = select::select(&self.world, kind, from, self.query, self.page)?;
        let mut body = json!({"@odata.context": format!("$metadata#OData.{}", set_name(kind))});
        if self.query.count {
            body["@odata.count"] = page.total.into();
        }
        body["value"] = render::records(&self.world, &page.ids, self.query)?.into();
        if let Some(next) = self.next.as_ref().filter(|_| page.more) {
            body["@odata.nextLink"] = next.clone().into();
        }
        Ok(Json(body).into_response())
    }

    fn count(&self, kind: &str, from: Option<Vec<Uuid>>) -> Result<Response, Refusal> {
        let page = select::select(&self.world, kind, from, self.query, (0, 0))?;
        Ok(page.total.to_string().into_response())
    }

    fn record(&self, kind: &str, id: Uuid, rest: &[Step]) -> Result<Response, Refusal> {
        let body = self
            .world
            .view
            .get(id)
            .filter(|body| self.world.schema.is_a(&body.kind, kind));
        let body = body.ok_or_else(|| Refusal::missing("The record does not exist."))?;
        let Some((step, rest)) = rest.split_first() else {
            render::check(&self.world, kind, self.query)?;
            return Ok(Json(entity(&self.world, id, body, self.query)?).into_response());
        };
        let schema = self.world.schema;
        if let Some(nav) = schema.nav(&body.kind, &step.name) {
            let ends = render::follow(&self.world, id, body, nav);
            if nav.many {
                return match (step.key, rest) {
                    (Key::None, []) => self.list(&nav.target, Some(ends)),
                    (Key::None, [count]) if count.name == "$count" => {
                        self.count(&nav.target, Some(ends))
                    }
                    (Key::Id(id), _) if ends.contains(&id) => self.record(&nav.target, id, rest),
                    (Key::Id(_), _) => Err(Refusal::missing("The record does not exist.")),
                    _ => Err(Refusal::bad("A link to many takes a key.")),
                };
            }
            return match ends.first() {
                Some(end) => self.record(&nav.target, *end, rest),
                None => Ok(StatusCode::NO_CONTENT.into_response()),
            };
        }
        let prop = schema.prop(&body.kind, &step.name);
        let prop = prop.ok_or_else(|| {
            Refusal::missing(format!(
                "The type '{}' has no property '{}'.",
                body.kind, step.name
            ))
        })?;
        let value = value::of(self.world.view, id, body, &prop.name);
        match (rest, value) {
            (_, Value::Null) => Ok(StatusCode::NO_CONTENT.into_response()),
            ([], value) => {
                let context = format!("$metadata#{}({id})/{}", set_name(&body.kind), prop.name);
                Ok(Json(json!({"@odata.context": context, "value": value})).into_response())
            }
            ([raw], value) if raw.name == "$value" => Ok(value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
                .into_response()),
            _ => Err(Refusal::missing("A property has no such segment.")),
        }
    }
}

fn entity(world: &World<'_>, id: Uuid, body: &Arc<Body>, query: &Query) -> Result<Value, Refusal> {
    let mut object = render::record(world, id, body, query)?;
    object.insert(
        "@odata.context".to_owned(),
        json!(format!("$metadata#OData.{}/$entity", set_name(&body.kind))),
    );
    Ok(Value::Object(object))
}
