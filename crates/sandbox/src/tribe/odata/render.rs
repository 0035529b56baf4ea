//! Records into JSON (3.6): all scalar fields, empty ones as `null`; links only when expanded.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Refusal,
    eval::{self, World},
    query::{Expand, Query},
    select::select,
};
use crate::tribe::{
    schema::{Nav, Via, set_name},
    store::Body,
    value,
};

/// Refuses names that the type does not have, in nested options too.
///
/// # Errors
/// 400.
pub fn check(world: &World<'_>, kind: &str, query: &Query) -> Result<(), Refusal> {
    let unknown = |name: &str| Refusal::bad(format!("The type '{kind}' has no property '{name}'."));
    for name in query.select.iter().flatten().filter(|name| *name != "*") {
        if world.schema.prop_within(kind, name).is_none()
            && world.schema.nav_within(kind, name).is_none()
        {
            return Err(unknown(name));
        }
    }
    if let Some(filter) = &query.filter {
        eval::check(world.schema, kind, filter)?;
    }
    for (path, _) in &query.order {
        eval::path_type(world.schema, kind, path)?;
    }
    for expand in &query.expand {
        let nav = world
            .schema
            .nav_within(kind, &expand.nav)
            .ok_or_else(|| unknown(&expand.nav))?;
        check(world, &nav.target, &expand.query)?;
    }
    Ok(())
}

/// The ids at the other end of a link, in order.
#[must_use]
pub fn follow(world: &World<'_>, id: Uuid, body: &Body, nav: &Nav) -> Vec<Uuid> {
    let alive = |id: &Uuid| world.view.get(*id).is_some();
    match (&nav.via, nav.many) {
        (Via::Own, false) => body
            .links
            .get(&nav.name)
            .copied()
            .filter(alive)
            .into_iter()
            .collect(),
        (Via::Own, true) => body
            .many
            .get(&nav.name)
            .into_iter()
            .flatten()
            .copied()
            .filter(alive)
            .collect(),
        (Via::Back(names), _) => {
            let fits = |id: &Uuid| {
                world
                    .view
                    .get(*id)
                    .is_some_and(|b| world.schema.is_a(&b.kind, &nav.target))
            };
            world
                .view
                .back(id, names)
                .into_iter()
                .filter(fits)
                .collect()
        }
    }
}

/// A record as an object.
///
/// # Errors
/// 400 when a nested filter or order does not fit.
pub fn record(
    world: &World<'_>,
    id: Uuid,
    body: &Body,
    query: &Query,
) -> Result<Map<String, Value>, Refusal> {
    let mut object = Map::new();
    let wanted = |name: &str| {
        query
            .select
            .as_ref()
            .is_none_or(|names| names.iter().any(|n| n == name || n == "*"))
    };
    for prop in world
        .schema
        .lineage(&body.kind)
        .flat_map(|kind| &kind.props)
    {
        // The key is always there (3.3).
        if prop.name == "ID" || wanted(&prop.name) {
            object.insert(
                prop.name.clone(),
                value::of(world.view, id, body, &prop.name),
            );
        }
    }
    if query.select.is_some() && !wanted("ID") {
        object.insert(
            "@odata.id".to_owned(),
            json!(format!("{}({id})", set_name(&body.kind))),
        );
    }
    for expand in &query.expand {
        expanded(world, id, body, expand, &mut object)?;
    }
    Ok(object)
}

fn expanded(
    world: &World<'_>,
    id: Uuid,
    body: &Body,
    expand: &Expand,
    object: &mut Map<String, Value>,
) -> Result<(), Refusal> {
    let Some(nav) = world.schema.nav(&body.kind, &expand.nav) else {
        // Another type of this base set has it; this one shows it empty.
        let many = world
            .schema
            .nav_within("Entity", &expand.nav)
            .is_some_and(|nav| nav.many);
        object.insert(
            expand.nav.clone(),
            if many { json!([]) } else { Value::Null },
        );
        return Ok(());
    };
    let ids = follow(world, id, body, nav);
    if nav.many {
        let page = select(
            world,
            &nav.target,
            Some(ids),
            &expand.query,
            (usize::MAX, usize::MAX),
        )?;
        if expand.query.count {
            object.insert(format!("{}@odata.count", nav.name), json!(page.total));
        }
        object.insert(
            nav.name.clone(),
            Value::Array(records(world, &page.ids, &expand.query)?),
        );
        return Ok(());
    }
    let one = match ids
        .first()
        .and_then(|id| world.view.get(*id).map(|body| (*id, body)))
    {
        Some((id, body)) => Value::Object(record(world, id, body, &expand.query)?),
        None => Value::Null,
    };
    object.insert(nav.name.clone(), one);
    Ok(())
}

/// Records as a list.
///
/// # Errors
/// 400 when a nested filter or order does not fit.
pub fn records(world: &World<'_>, ids: &[Uuid], query: &Query) -> Result<Vec<Value>, Refusal> {
    let bodies = ids
        .iter()
        .filter_map(|id| world.view.get(*id).map(|body| (*id, body)));
    bodies
        .map(|(id, body)| record(world, id, body, query).map(Value::Object))
        .collect()
}
