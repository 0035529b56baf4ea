//! What can happen to a contact: made, changed, moved, deleted, copied, brought back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{Change, Id, Kind, Mailbox, Now, Removal, item_id};
use crate::graph::{
    contact::{self, Contact, Writer},
    extended::{self, Extended},
    fail::Fail,
};

/// How many former states of a contact are kept for reads that lag behind.
const PAST: usize = 8;

impl Mailbox {
    fn change(&self, kind: Kind, key: u64) -> Option<Change> {
        let contact = self.contacts.get(&key)?;
        Some(Change {
            kind,
            folder: contact.folder.clone(),
            key,
            id: contact.id.clone(),
            immutable_id: contact.immutable_id.clone(),
            etag: contact.etag(),
        })
    }

    fn add(&mut self, mut contact: Contact, now: &mut Now<'_>) -> u64 {
        let version = self.tick(now.ms);
        contact.key = self.next_key;
        self.next_key += 1;
        contact.version = version;
        contact.entered = version;
        contact.entered_ms = now.ms;
        contact.modified_ms = now.ms;
        contact.change_key = self.change_key(version);
        contact.past.clear();
        self.ids.insert(contact.id.clone(), contact.key);
        self.ids.insert(contact.immutable_id.clone(), contact.key);
        let key = contact.key;
        self.index.note(&contact);
        self.contacts.insert(key, contact);
        key
    }

    /// Makes a contact in a folder.
    pub(in crate::graph) fn create(
        &mut self,
        folder: &str,
        body: &Map<String, Value>,
        writer: Writer,
        now: &mut Now<'_>,
    ) -> Result<(u64, Vec<Change>), Fail> {
        let mut props = Map::new();
        contact::write(&mut props, body, true, writer, now.switches)?;
        let mut contact = Contact {
            key: 0,
            id: item_id(now.rng, Id::Item),
            immutable_id: item_id(now.rng, Id::Immutable),
            folder: folder.to_owned(),
            created_ms: now.ms,
            modified_ms: now.ms,
            change_key: String::new(),
            version: 0,
            entered: 0,
            entered_ms: now.ms,
            props,
            touched: BTreeMap::new(),
            extended: BTreeMap::new(),
            extensions: BTreeMap::new(),
            photo: None,
            copy_of: None,
            past: Vec::new(),
        };
        set_extended(&mut contact, body, now.ms)?;
        let key = self.add(contact, now);
        Ok((key, self.change(Kind::Created, key).into_iter().collect()))
    }

    /// Changes a contact.
    pub(in crate::graph) fn update(
        &mut self,
        key: u64,
        body: &Map<String, Value>,
        writer: Writer,
        now: &mut Now<'_>,
    ) -> Result<Vec<Change>, Fail> {
        let mut contact = self
            .contacts
            .get(&key)
            .cloned()
            .ok_or_else(Fail::not_found)?;
        let before = contact.props.clone();
        contact::write(&mut contact.props, body, false, writer, now.switches)?;
        set_extended(&mut contact, body, now.ms)?;
        let version = self.version + 1;
        let names: BTreeSet<String> = before.keys().chain(contact.props.keys()).cloned().collect();
        for name in names {
            if before.get(&name) != contact.props.get(&name) {
                contact.touched.insert(name, version);
            }
        }
        self.put(contact, now);
        Ok(self.change(Kind::Updated, key).into_iter().collect())
    }

    /// Puts a changed contact back, with a new change key.
    fn put(&mut self, mut contact: Contact, now: &mut Now<'_>) {
        let version = self.tick(now.ms);
        if let Some(old) = self.contacts.get(&contact.key) {
            let mut former = old.clone();
            former.past.clear();
            contact.past.push((now.ms, Arc::new(former)));
            if contact.past.len() > PAST {
                contact.past.remove(0);
            }
        }
        contact.version = version;
        contact.modified_ms = now.ms;
        contact.change_key = self.change_key(version);
        self.index.note(&contact);
        self.contacts.insert(contact.key, contact);
    }

    /// Changes something beside the properties: photo, open extensions.
    pub(in crate::graph) fn touch(
        &mut self,
        key: u64,
        now: &mut Now<'_>,
        edit: impl FnOnce(&mut Contact),
    ) -> Vec<Change> {
        let Some(mut contact) = self.contacts.get(&key).cloned() else {
            return Vec::new();
        };
        edit(&mut contact);
        self.put(contact, now);
        self.change(Kind::Updated, key).into_iter().collect()
    }

    fn leave(&mut self, key: u64, for_good: bool, now: &mut Now<'_>) {
        let version = self.tick(now.ms);
        let Some(contact) = self.contacts.get(&key) else {
            return;
        };
        self.removals.push(Removal {
            version,
            folder: contact.folder.clone(),
            id: contact.id.clone(),
            immutable_id: contact.immutable_id.clone(),
            entered: contact.entered,
            for_good,
        });
    }

    /// Moves it: removed there, new here, and a new default id (Graph reference 2.4).
    pub(in crate::graph) fn relocate(
        &mut self,
        key: u64,
        folder: &str,
        now: &mut Now<'_>,
    ) -> Vec<Change> {
        let mut changes: Vec<Change> = self.change(Kind::Deleted, key).into_iter().collect();
        if changes.iter().any(|change| change.folder == folder) {
            return Vec::new();
        }
        self.leave(key, false, now);
        let Some(mut contact) = self.contacts.get(&key).cloned() else {
            return Vec::new();
        };
        let fresh = item_id(now.rng, Id::Item);
        self.ids.remove(&contact.id);
        self.ids.insert(fresh.clone(), key);
        contact.id = fresh;
        contact.folder = folder.to_owned();
        contact.entered_ms = now.ms;
        contact.entered = self.version + 1;
        self.put(contact, now);
        changes.extend(self.change(Kind::Created, key));
        changes
    }

    /// Soft deletion: it goes to the deleted items and keeps the id it had, so that a client can
    /// still ask for it.
    pub(in crate::graph) fn delete(&mut self, key: u64, now: &mut Now<'_>) -> Vec<Change> {
        let mut changes: Vec<Change> = self.change(Kind::Deleted, key).into_iter().collect();
        self.leave(key, false, now);
        let Some(mut contact) = self.contacts.get(&key).cloned() else {
            return Vec::new();
        };
        contact.folder = self.deleted_folder.clone();
        contact.entered = self.version + 1;
        contact.entered_ms = now.ms;
        self.put(contact, now);
        changes.extend(self.vanish_copies(key, now));
        changes
    }

    fn vanish_copies(&mut self, key: u64, now: &mut Now<'_>) -> Vec<Change> {
        if !now.switches.photo_copies_vanish {
            return Vec::new();
        }
        let copies: Vec<u64> = self
            .contacts
            .values()
            .filter(|copy| copy.copy_of == Some(key) && copy.photo.is_some())
            .map(|copy| copy.key)
            .collect();
        copies
            .into_iter()
            .flat_map(|copy| self.purge(copy, now))
            .collect()
    }

    /// Deletion for good.
    pub(in crate::graph) fn purge(&mut self, key: u64, now: &mut Now<'_>) -> Vec<Change> {
        let changes: Vec<Change> = self.change(Kind::Deleted, key).into_iter().collect();
        self.leave(key, true, now);
        if let Some(contact) = self.contacts.remove(&key) {
            self.ids.remove(&contact.id);
            self.ids.remove(&contact.immutable_id);
        }
        changes
    }

    /// A second contact with everything of the first, its stamps included.
    pub(in crate::graph) fn copy(
        &mut self,
        key: u64,
        folder: &str,
        now: &mut Now<'_>,
    ) -> (Option<u64>, Vec<Change>) {
        let Some(mut copy) = self.contacts.get(&key).cloned() else {
            return (None, Vec::new());
        };
        copy.id = item_id(now.rng, Id::Item);
        copy.immutable_id = item_id(now.rng, Id::Immutable);
        copy.folder = folder.to_owned();
        copy.created_ms = now.ms;
        copy.copy_of = Some(key);
        for property in copy.extended.values_mut() {
            property.since_ms = now.ms;
        }
        let key = self.add(copy, now);
        (
            Some(key),
            self.change(Kind::Created, key).into_iter().collect(),
        )
    }

    /// Brings a deleted contact back into a folder under a new id.
    pub(in crate::graph) fn restore(
        &mut self,
        key: u64,
        folder: &str,
        keep_immutable: bool,
        now: &mut Now<'_>,
    ) -> Vec<Change> {
        let changes = self.relocate(key, folder, now);
        if !keep_immutable && let Some(contact) = self.contacts.get_mut(&key) {
            let fresh = item_id(now.rng, Id::Immutable);
            self.ids.remove(&contact.immutable_id);
            self.ids.insert(fresh.clone(), key);
            contact.immutable_id = fresh;
        }
        // Leaving the deleted items is nobody's news.
        let mut news: Vec<Change> = changes
            .into_iter()
            .filter(|change| change.kind == Kind::Created)
            .collect();
        for change in &mut news {
            if let Some(contact) = self.contacts.get(&key) {
                change.immutable_id.clone_from(&contact.immutable_id);
            }
        }
        news
    }
}

fn set_extended(contact: &mut Contact, body: &Map<String, Value>, now_ms: i64) -> Result<(), Fail> {
    let Some(list) = body.get("singleValueExtendedProperties") else {
        return Ok(());
    };
    for (id, value) in extended::inline(list)? {
        match value {
            None => contact.extended.remove(&id),
            Some(value) => {
                let since_ms = contact
                    .extended
                    .get(&id)
                    .filter(|old| old.value == value)
                    .map_or(now_ms, |old| old.since_ms);
                contact.extended.insert(
                    id.clone(),
                    Extended {
                        id,
                        value,
                        since_ms,
                    },
                )
            }
        };
    }
    Ok(())
}
