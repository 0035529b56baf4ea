//! The records, every one with its recent history, so that a read can be stale on demand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;
use uuid::Uuid;

/// What a record says at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// Dotted type.
    pub kind: String,
    /// Properties that are set, computed ones aside.
    pub values: BTreeMap<String, Value>,
    /// Links to one.
    pub links: BTreeMap<String, Uuid>,
    /// Links to many, in order.
    pub many: BTreeMap<String, Vec<Uuid>>,
    /// Created, in milliseconds, whole seconds.
    pub created_ms: i64,
    /// Changed, likewise; none before the first change.
    pub mutated_ms: Option<i64>,
}

impl Body {
    /// An empty record of a type.
    #[must_use]
    pub fn new(kind: &str, created_ms: i64) -> Self {
        Self {
            kind: kind.to_owned(),
            values: BTreeMap::new(),
            links: BTreeMap::new(),
            many: BTreeMap::new(),
            created_ms: whole(created_ms),
            mutated_ms: None,
        }
    }

    /// A text property that is set.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Value::as_str)
    }
}

/// Whole seconds: that is how Tribe writes times (3.8).
#[must_use]
pub fn whole(ms: i64) -> i64 {
    ms - ms.rem_euclid(1000)
}

struct Version {
    at_ms: i64,
    body: Option<Arc<Body>>,
}

/// Versions kept per record at most: more than a stale read of a few seconds ever needs.
const VERSIONS: usize = 32;

/// All records.
#[derive(Default)]
pub struct Store {
    records: BTreeMap<Uuid, Vec<Version>>,
    /// Every id that ever had the type, and every record that ever linked to the key: supersets,
    /// so that they hold for stale views too; a view judges by the record itself.
    of_type: BTreeMap<String, BTreeSet<Uuid>>,
    back: BTreeMap<Uuid, BTreeSet<Uuid>>,
    /// Counts every change.
    pub version: u64,
}

impl Store {
    /// Writes a record as it is from now on.
    pub fn put(&mut self, id: Uuid, body: Body, now_ms: i64) {
        self.of_type
            .entry(body.kind.clone())
            .or_default()
            .insert(id);
        for target in body.links.values().chain(body.many.values().flatten()) {
            self.back.entry(*target).or_default().insert(id);
        }
        self.push(
            id,
            Version {
                at_ms: now_ms,
                body: Some(Arc::new(body)),
            },
        );
    }

    /// Deletes a record.
    pub fn remove(&mut self, id: Uuid, now_ms: i64) {
        self.push(
            id,
            Version {
                at_ms: now_ms,
                body: None,
            },
        );
    }

    fn push(&mut self, id: Uuid, version: Version) {
        let versions = self.records.entry(id).or_default();
        versions.push(version);
        if versions.len() > VERSIONS {
            versions.remove(0);
        }
        self.version += 1;
    }

    /// The records as they are now.
    #[must_use]
    pub fn now(&self) -> View<'_> {
        View {
            store: self,
            at_ms: i64::MAX,
        }
    }

    /// The records as they were at a time.
    #[must_use]
    pub fn at(&self, at_ms: i64) -> View<'_> {
        View { store: self, at_ms }
    }
}

/// The records at one time.
#[derive(Clone, Copy)]
pub struct View<'a> {
    store: &'a Store,
    at_ms: i64,
}

impl<'a> View<'a> {
    /// A record, if it exists.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<&'a Arc<Body>> {
        let versions = self.store.records.get(&id)?;
        versions
            .iter()
            .rev()
            .find(|version| version.at_ms <= self.at_ms)?
            .body
            .as_ref()
    }

    /// Ids of the existing records of these types, in order.
    #[must_use]
    pub fn of_types<'k>(&self, kinds: impl Iterator<Item = &'k str>) -> BTreeSet<Uuid> {
        let mut ids = BTreeSet::new();
        for kind in kinds {
            let Some(known) = self.store.of_type.get(kind) else {
                continue;
            };
            ids.extend(
                known
                    .iter()
                    .filter(|id| self.get(**id).is_some_and(|body| body.kind == kind)),
            );
        }
        ids
    }

    /// Ids of the existing records that link to this one under one of these names, in order.
    #[must_use]
    pub fn back(&self, id: Uuid, names: &[&str]) -> Vec<Uuid> {
        let Some(known) = self.store.back.get(&id) else {
            return Vec::new();
        };
        let links_here = |from: &Uuid| {
            self.get(*from).is_some_and(|body| {
                names.iter().any(|name| {
                    body.links.get(*name) == Some(&id)
                        || body.many.get(*name).is_some_and(|ids| ids.contains(&id))
                })
            })
        };
        known.iter().copied().filter(links_here).collect()
    }

    /// Ids of the existing records that link to this one under any name, in order.
    #[must_use]
    pub fn linking_to(&self, id: Uuid) -> Vec<Uuid> {
        let Some(known) = self.store.back.get(&id) else {
            return Vec::new();
        };
        known
            .iter()
            .copied()
            .filter(|from| {
                self.get(*from).is_some_and(|body| {
                    body.links
                        .values()
                        .chain(body.many.values().flatten())
                        .any(|t| *t == id)
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_shows_what_was() {
        let (mut store, id) = (Store::default(), Uuid::from_u128(1));
        let mut body = Body::new("Note", 1_500);
        assert_eq!(body.created_ms, 1_000);
        store.put(id, body.clone(), 10);
        body.values
            .insert("Content".to_owned(), Value::from("later"));
        store.put(id, body, 20);
        store.remove(id, 30);
        assert!(store.at(9).get(id).is_none());
        assert!(store.at(19).get(id).is_some_and(|b| b.values.is_empty()));
        assert_eq!(
            store.at(20).get(id).and_then(|b| b.text("Content")),
            Some("later")
        );
        assert!(store.now().get(id).is_none());
        assert!(store.now().of_types(["Note"].into_iter()).is_empty());
        assert_eq!(store.at(20).of_types(["Note"].into_iter()).len(), 1);
    }
}
