//! Which records of a collection, in which order.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{
    Refusal,
    eval::{World, check, order, path_type},
    filter::{Expr, Op, Val},
    query::Query,
};
use crate::tribe::store::Body;

/// The part of a collection that was asked for.
pub struct Page {
    /// Ids in order.
    pub ids: Vec<Uuid>,
    /// How many fit the filter in all.
    pub total: usize,
    /// Whether more follow.
    pub more: bool,
}

/// Filters, orders and cuts; without `$orderby` in the order of ids.
///
/// # Errors
/// 400 when filter or order do not fit the type.
pub fn select(
    world: &World<'_>,
    kind: &str,
    from: Option<Vec<Uuid>>,
    query: &Query,
    page: (usize, usize),
) -> Result<Page, Refusal> {
    if let Some(filter) = &query.filter {
        check(world.schema, kind, filter)?;
    }
    for (path, _) in &query.order {
        path_type(world.schema, kind, path)?;
    }
    let of_kind = |body: &Body| world.schema.is_a(&body.kind, kind);
    let named = query
        .filter
        .as_ref()
        .and_then(|filter| candidates(world, filter));
    let ids: Vec<Uuid> = match (from, named) {
        (Some(ids), _) => ids,
        (None, Some(ids)) => ids.into_iter().collect(),
        (None, None) => world
            .view
            .of_types(world.schema.family(kind))
            .into_iter()
            .collect(),
    };
    let mut fitting: Vec<Uuid> = ids
        .into_iter()
        .filter(|id| {
            world.view.get(*id).is_some_and(|body| {
                of_kind(body)
                    && query
                        .filter
                        .as_ref()
                        .is_none_or(|filter| world.fits(*id, body, filter))
            })
        })
        .collect();
    if !query.order.is_empty() {
        sort(world, &mut fitting, query);
    }
    let total = fitting.len();
    let (default, max) = page;
    let size = query.top.unwrap_or(default).min(max);
    let ids: Vec<Uuid> = fitting.into_iter().skip(query.skip).take(size).collect();
    let more = query.top.is_none_or(|top| top > max) && query.skip + ids.len() < total;
    Ok(Page { ids, total, more })
}

fn sort(world: &World<'_>, ids: &mut [Uuid], query: &Query) {
    ids.sort_by_cached_key(|id| {
        let keys = query.order.iter().map(|(path, down)| {
            let value = world
                .view
                .get(*id)
                .map_or(Val::Null, |body| world.path(*id, body, path));
            Key { value, down: *down }
        });
        (keys.collect::<Vec<_>>(), *id)
    });
}

struct Key {
    value: Val,
    down: bool,
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let order = order(&self.value, &other.value);
        if self.down { order.reverse() } else { order }
    }
}
impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Key {}

/// The only ids that can fit, where the filter names ids (its own, or those of a link): a read of
/// a hundred people must not look at all of them.
fn candidates(world: &World<'_>, filter: &Expr) -> Option<BTreeSet<Uuid>> {
    match filter {
        Expr::Or(terms) => {
            let mut all = BTreeSet::new();
            for term in terms {
                all.extend(candidates(world, term)?);
            }
            Some(all)
        }
        Expr::And(terms) => terms.iter().find_map(|term| candidates(world, term)),
        Expr::Compare(Op::Eq, left, right) => {
            let (path, id) = match (left.as_ref(), right.as_ref()) {
                (Expr::Path(path), Expr::Literal(Val::Guid(id)))
                | (Expr::Literal(Val::Guid(id)), Expr::Path(path)) => (path, *id),
                _ => return None,
            };
            match path
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .as_slice()
            {
                ["ID"] => Some(BTreeSet::from([id])),
                [nav, "ID"] | [nav] => Some(world.view.back(id, &[nav]).into_iter().collect()),
                _ => None,
            }
        }
        _ => None,
    }
}
