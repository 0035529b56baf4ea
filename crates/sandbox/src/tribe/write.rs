//! Every change of a record, whoever makes it: the API, the page, the control routes.
//!
//! A change is drafted whole, children of a deep insert included, and committed only when all of
//! it holds; then the webhooks hear of it. [`draft`] does the drafting.

mod draft;

use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    odata::Refusal,
    schema::{EMPLOYEE, PERSON},
    store::{Body, whole},
    webhook::{Change, announce},
};
use crate::state::State;
use draft::drafted;

/// Creates a record of a type, with whatever its body nests.
///
/// # Errors
/// 405 on base types; 400 for missing mandatory fields, unknown names and wrong values. Nothing
/// is kept then.
pub fn create(state: &mut State, kind: &str, object: &Map<String, Value>) -> Result<Uuid, Refusal> {
    let (id, new) = drafted(state, |draft| draft.create(kind, object, 0, None))?;
    for (id, body) in new {
        commit(state, id, None, body);
    }
    Ok(id)
}

/// Changes the named fields of a record of a type (PUT is partial: 3.5); `_UpgradeType` moves it
/// to another type on its level.
///
/// # Errors
/// 404 when there is no such record; 400 as for [`create`]. Nothing is changed then.
pub fn update(
    state: &mut State,
    kind: &str,
    id: Uuid,
    object: &Map<String, Value>,
) -> Result<(), Refusal> {
    let old = existing(state, kind, id)?;
    let (body, new) = drafted(state, |draft| {
        let mut body = Body::clone(&old);
        if let Some(target) = object.get("_UpgradeType") {
            draft.upgrade(&mut body, target)?;
        }
        draft.fill(id, &mut body, object, 0)?;
        draft.complete(&body)?;
        Ok(body)
    })?;
    for (id, body) in new {
        commit(state, id, None, body);
    }
    commit(state, id, Some(&old), body);
    Ok(())
}

/// Deletes a record of a type; a relation takes its relationships with it, a relationship leaves
/// its relation alone (3.5).
///
/// # Errors
/// 404 when there is no such record; 405 for employees, 400 for a person who is one.
pub fn delete(state: &mut State, kind: &str, id: Uuid) -> Result<(), Refusal> {
    let body = existing(state, kind, id)?;
    if body.kind == EMPLOYEE {
        return Err(Refusal::new(405, "Employees cannot be deleted by API."));
    }
    let view = state.tribe.store.now();
    let employed = |id: &Uuid| view.get(*id).is_some_and(|b| b.kind == EMPLOYEE);
    if body.kind == PERSON && view.back(id, &["Person"]).iter().any(employed) {
        return Err(Refusal::bad("This person is an employee."));
    }
    remove(state, id);
    Ok(())
}

/// Deletes a record without asking, with the relationships and addresses that hang on it.
pub fn remove(state: &mut State, id: Uuid) {
    let view = state.tribe.store.now();
    let Some(body) = view.get(id).map(Arc::clone) else {
        return;
    };
    let hanging: Vec<Uuid> = if state.tribe.schema.is_a(&body.kind, "Relation") {
        view.back(id, &["Person", "Organization", "Relation"])
    } else {
        Vec::new()
    };
    for child in hanging {
        remove(state, child);
    }
    let now = state.now_ms();
    state.tribe.store.remove(id, now);
    announce(state, Change::Deleted, id, &body, &Map::new(), &Map::new());
}

/// Merges one person into another, as the CRM's own screen does: relationships move over, empty
/// fields are filled, the first is gone.
///
/// # Errors
/// 404 when one of them is no person; 400 when both are the same.
pub fn merge(state: &mut State, from: Uuid, into: Uuid) -> Result<(), Refusal> {
    if from == into {
        return Err(Refusal::bad("A person cannot be merged into itself."));
    }
    let (source, target) = (
        existing(state, PERSON, from)?,
        existing(state, PERSON, into)?,
    );
    let mut filled = Body::clone(&target);
    for (name, value) in &source.values {
        filled
            .values
            .entry(name.clone())
            .or_insert_with(|| value.clone());
    }
    commit(state, into, Some(&target), filled);
    for id in state.tribe.store.now().back(from, &["Person"]) {
        let Some(old) = state.tribe.store.now().get(id).map(Arc::clone) else {
            continue;
        };
        let mut moved = Body::clone(&old);
        moved.links.insert("Person".to_owned(), into);
        commit(state, id, Some(&old), moved);
    }
    remove(state, from);
    Ok(())
}

fn existing(state: &State, kind: &str, id: Uuid) -> Result<Arc<Body>, Refusal> {
    let body = state.tribe.store.now().get(id).map(Arc::clone);
    body.filter(|body| state.tribe.schema.is_a(&body.kind, kind))
        .ok_or_else(|| Refusal::missing("The record does not exist."))
}

/// Writes a record and tells the webhooks; a record that stays as it was is not touched at all.
fn commit(state: &mut State, id: Uuid, old: Option<&Body>, mut body: Body) {
    if old == Some(&body) {
        return;
    }
    let now = state.now_ms();
    if old.is_some() || state.options.tribe.mutation_date_at_creation {
        body.mutated_ms = Some(whole(now));
    }
    let (values, links) = (changed_values(old, &body), changed_links(old, &body));
    let change = if old.is_some() {
        Change::Updated
    } else {
        Change::Created
    };
    state.tribe.store.put(id, body.clone(), now);
    announce(state, change, id, &body, &values, &links);
    if change == Change::Updated && body.kind == PERSON && state.options.tribe.touch_relationships {
        for relationship in state.tribe.store.now().back(id, &["Person"]) {
            let Some(old) = state.tribe.store.now().get(relationship).map(Arc::clone) else {
                continue;
            };
            let touched = Body {
                mutated_ms: Some(whole(now)),
                ..Body::clone(&old)
            };
            state.tribe.store.put(relationship, touched, now);
        }
    }
}

fn changed_values(old: Option<&Body>, new: &Body) -> Map<String, Value> {
    let mut changed = Map::new();
    for (name, value) in &new.values {
        if old.and_then(|old| old.values.get(name)) != Some(value) {
            changed.insert(name.clone(), value.clone());
        }
    }
    for name in old
        .iter()
        .flat_map(|old| old.values.keys())
        .filter(|name| !new.values.contains_key(*name))
    {
        changed.insert(name.clone(), Value::Null);
    }
    changed
}

/// Links as the older mutation endpoint writes them: bare ids (7).
fn changed_links(old: Option<&Body>, new: &Body) -> Map<String, Value> {
    let flat = |body: &Body| -> Map<String, Value> {
        let one = body
            .links
            .iter()
            .map(|(name, id)| (name.clone(), serde_json::json!(id)));
        one.chain(
            body.many
                .iter()
                .map(|(name, ids)| (name.clone(), serde_json::json!(ids))),
        )
        .collect()
    };
    let (before, after) = (old.map(flat).unwrap_or_default(), flat(new));
    let mut changed: Map<_, _> = after
        .iter()
        .filter(|(n, v)| before.get(*n) != Some(v))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changed.insert(name.clone(), Value::Null);
    }
    changed
}
