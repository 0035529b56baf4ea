//! Tribe's people as the pages and `GET /state` show them, and edits by hand.
//!
//! Edits go the way of the API's own ([`mod@write`]), so that webhooks hear of them; what the API
//! cannot do (deleting an employee, merging) is here too. None of it enters the call log.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    routing::{get, post},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    state::{Shared, State as Sandbox},
    tribe::{
        odata::{Refusal, eval::World, query, render},
        schema::{EMPLOYEE, ORGANIZATION, PERSON},
        settings::Place,
        store::Body,
        value, write,
    },
};

/// `/_sandbox/tribe/…`.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/_sandbox/tribe/version", get(version))
        .route("/_sandbox/tribe/people", get(search))
        .route("/_sandbox/tribe/people/{id}", get(person))
        .route("/_sandbox/tribe/choices", get(choices))
        .route("/_sandbox/tribe/records", post(create))
        .route(
            "/_sandbox/tribe/records/{id}",
            get(record).post(edit).delete(remove),
        )
        .route("/_sandbox/tribe/merge", post(merge))
}

fn world(state: &Sandbox) -> World<'_> {
    World {
        schema: &state.tribe.schema,
        view: state.tribe.store.now(),
        eq_ignores_case: true,
    }
}

/// Every person, with relationships.
#[must_use]
pub fn all(state: &Sandbox) -> Vec<Value> {
    let world = world(state);
    let ids = world.view.of_types([PERSON].into_iter());
    ids.into_iter()
        .filter_map(|id| card(state, &world, id))
        .collect()
}

/// A person with its relationships: all scalar fields of each, and who manages and owns it.
fn card(state: &Sandbox, world: &World<'_>, id: Uuid) -> Option<Value> {
    let body = world.view.get(id).filter(|body| body.kind == PERSON)?;
    let mut person = scalars(world, id, body);
    let ties = world.view.back(id, &["Person"]).into_iter();
    let ties = ties.filter_map(|tie| world.view.get(tie).map(|body| (tie, body)));
    let ties = ties.filter(|(_, body)| world.schema.is_a(&body.kind, "Relationship"));
    let relationships: Vec<Value> = ties
        .map(|(tie, body)| relationship(state, world, tie, body))
        .collect();
    person.insert("Relationships".to_owned(), relationships.into());
    Some(Value::Object(person))
}

fn scalars(world: &World<'_>, id: Uuid, body: &Body) -> Map<String, Value> {
    let props = world
        .schema
        .lineage(&body.kind)
        .flat_map(|kind| &kind.props);
    props
        .map(|prop| {
            (
                prop.name.clone(),
                value::of(world.view, id, body, &prop.name),
            )
        })
        .collect()
}

fn relationship(state: &Sandbox, world: &World<'_>, id: Uuid, body: &Body) -> Value {
    let mut shown = scalars(world, id, body);
    let names = &state.options.tribe.names;
    let parent = body.links.get("Relation").copied();
    let parent_name = parent
        .and_then(|id| world.view.get(id))
        .and_then(|body| value::display_name(world.view, body));
    shown.insert(
        "Relation".to_owned(),
        json!({"ID": parent, "Name": parent_name}),
    );
    let holder = holder(state, world, id, body);
    let held = world.view.get(holder);
    let manager = held
        .and_then(|body| body.links.get(&names.manager))
        .copied();
    let owners = held
        .and_then(|body| body.many.get(&names.owners))
        .cloned()
        .unwrap_or_default();
    shown.insert(
        "assignment".to_owned(),
        json!({"holder": holder, "manager": manager, "owners": owners}),
    );
    Value::Object(shown)
}

/// The record that says who manages and owns a relationship, as the switches place it.
fn holder(state: &Sandbox, world: &World<'_>, id: Uuid, body: &Body) -> Uuid {
    let places = &state.options.tribe.places;
    if places.contains(&Place::Relationship)
        || world
            .schema
            .nav(&body.kind, &state.options.tribe.names.manager)
            .is_some()
    {
        return id;
    }
    if places.contains(&Place::Person) {
        return body.links.get("Person").copied().unwrap_or(id);
    }
    let commercial = |tie: &Uuid| {
        world.view.get(*tie).is_some_and(|b| {
            world
                .schema
                .is_a(&b.kind, "Relationship.Organization.CommercialRelationship")
        })
    };
    let parent = body.links.get("Relation").copied();
    parent
        .and_then(|org| {
            world
                .view
                .back(org, &["Organization"])
                .into_iter()
                .find(commercial)
        })
        .unwrap_or(id)
}

async fn version(State(ctx): State<Shared>) -> Json<Value> {
    Json(json!({"version": ctx.lock().tribe.store.version}))
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
    #[serde(default)]
    skip: usize,
}

/// People whose name, or an e-mail address or organisation of theirs, contains the words; a hundred at a time.
async fn search(State(ctx): State<Shared>, Query(search): Query<Search>) -> Json<Value> {
    let state = ctx.lock();
    let world = world(&state);
    let words: Vec<String> = search.q.split_whitespace().map(str::to_lowercase).collect();
    let mut found: Vec<(String, Value)> = Vec::new();
    for id in world.view.of_types([PERSON].into_iter()) {
        let Some(body) = world.view.get(id) else {
            continue;
        };
        let name = value::full_name(body).unwrap_or_default();
        let ties: Vec<_> = world
            .view
            .back(id, &["Person"])
            .into_iter()
            .filter_map(|tie| world.view.get(tie))
            .filter(|b| world.schema.is_a(&b.kind, "Relationship"))
            .collect();
        let parents: Vec<String> = ties
            .iter()
            .filter_map(|tie| world.view.get(*tie.links.get("Relation")?))
            .filter_map(|org| value::display_name(world.view, org))
            .collect();
        let emails = ties
            .iter()
            .filter_map(|tie| tie.text("EmailAddress"))
            .chain(body.text("EmailAddress"));
        let text = format!(
            "{name} {} {}",
            parents.join(" "),
            emails.collect::<Vec<_>>().join(" ")
        )
        .to_lowercase();
        if !words.iter().all(|word| text.contains(word)) {
            continue;
        }
        let former = &state.options.tribe.names.former;
        let live = ties
            .iter()
            .any(|tie| tie.values.get(former) != Some(&json!(true)));
        let kinds: Vec<_> = ties.iter().map(|tie| tie.kind.clone()).collect();
        let sort = format!("{} {name}", body.text("LastName").unwrap_or_default()).to_lowercase();
        found.push((sort, json!({"id": id, "name": name, "organizations": parents, "kinds": kinds, "former": !live && !ties.is_empty()})));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let total = found.len();
    let items: Vec<Value> = found
        .into_iter()
        .skip(search.skip)
        .take(100)
        .map(|(_, item)| item)
        .collect();
    Json(json!({"items": items, "total": total, "version": state.tribe.store.version}))
}

async fn person(State(ctx): State<Shared>, Path(id): Path<Uuid>) -> Result<Json<Value>, Refusal> {
    let state = ctx.lock();
    card(&state, &world(&state), id)
        .map(Json)
        .ok_or_else(|| Refusal::missing("There is no such person."))
}

/// What the page offers to choose from: employees, organisations, names of the configurable fields.
async fn choices(State(ctx): State<Shared>) -> Json<Value> {
    let state = ctx.lock();
    let world = world(&state);
    let list = |kind: &str| -> Vec<Value> {
        let ids = world.view.of_types([kind].into_iter()).into_iter();
        let named = ids.filter_map(|id| {
            world
                .view
                .get(id)
                .map(|body| json!({"id": id, "name": value::display_name(world.view, body)}))
        });
        named.collect()
    };
    let names = &state.options.tribe.names;
    Json(
        json!({"employees": list(EMPLOYEE), "organizations": list(ORGANIZATION), "names": names, "own": state.tribe.organization_id}),
    )
}

fn kind_of(state: &Sandbox, id: Uuid) -> Result<String, Refusal> {
    state
        .tribe
        .store
        .now()
        .get(id)
        .map(|body| body.kind.clone())
        .ok_or_else(|| Refusal::missing("There is no such record."))
}

async fn record(State(ctx): State<Shared>, Path(id): Path<Uuid>) -> Result<Json<Value>, Refusal> {
    let state = ctx.lock();
    let world = world(&state);
    let body = world
        .view
        .get(id)
        .ok_or_else(|| Refusal::missing("There is no such record."))?;
    render::record(&world, id, body, &query::Query::default())
        .map(|object| Json(Value::Object(object)))
}

/// Creates a record of the `_Type` in its body.
async fn create(
    State(ctx): State<Shared>,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let object: Map<String, Value> = super::body(&bytes)?;
    let kind = object
        .get("_Type")
        .and_then(Value::as_str)
        .ok_or_else(|| Refusal::bad("_Type is missing."))?
        .to_owned();
    let id = write::create(&mut ctx.lock(), &kind, &object)?;
    Ok((StatusCode::CREATED, Json(json!({"ID": id}))))
}

/// Changes the named fields of any record.
async fn edit(
    State(ctx): State<Shared>,
    Path(id): Path<Uuid>,
    bytes: Bytes,
) -> Result<StatusCode, Refusal> {
    let object: Map<String, Value> = super::body(&bytes)?;
    let mut state = ctx.lock();
    let kind = kind_of(&state, id)?;
    write::update(&mut state, &kind, id, &object)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes any record, employees too.
async fn remove(State(ctx): State<Shared>, Path(id): Path<Uuid>) -> Result<StatusCode, Refusal> {
    let mut state = ctx.lock();
    kind_of(&state, id)?;
    write::remove(&mut state, id);
    Ok(StatusCode::NO_CONTENT)
}

async fn merge(State(ctx): State<Shared>, bytes: Bytes) -> Result<StatusCode, Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Merge {
        from: Uuid,
        into: Uuid,
    }
    let merge: Merge = super::body(&bytes)?;
    write::merge(&mut ctx.lock(), merge.from, merge.into)?;
    Ok(StatusCode::NO_CONTENT)
}
