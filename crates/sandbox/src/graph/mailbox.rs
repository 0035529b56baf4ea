//! One mailbox: its folders, its contacts, and everything that can happen to them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Switches,
    contact::{self, Contact, Writer},
    delta::Cursors,
    extended::{self, Extended},
    fail::Fail,
};

/// How many former states of a contact are kept for reads that lag behind.
const PAST: usize = 8;

/// A contact folder, or the deleted items.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) parent: Option<String>,
    /// The mailbox's number of its last change.
    pub(super) version: u64,
}

/// A contact or folder that left a folder.
#[derive(Clone, Debug)]
pub(super) struct Removal {
    pub(super) version: u64,
    pub(super) folder: String,
    pub(super) id: String,
    pub(super) immutable_id: String,
    pub(super) entered: u64,
    /// It was purged, so that nobody can bring it back.
    pub(super) for_good: bool,
}

/// What happened, for those who subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Created,
    Updated,
    Deleted,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

/// A change of a contact in a folder.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) kind: Kind,
    pub(super) folder: String,
    pub(super) key: u64,
    pub(super) id: String,
    pub(super) immutable_id: String,
    pub(super) etag: String,
}

/// Time and chance of one change.
pub(super) struct Now<'a> {
    pub(super) ms: i64,
    pub(super) rng: &'a mut fastrand::Rng,
    pub(super) switches: &'a Switches,
}

/// One mailbox.
pub(super) struct Mailbox {
    pub(super) user_id: Uuid,
    pub(super) folders: BTreeMap<String, Folder>,
    pub(super) default_folder: String,
    pub(super) deleted_folder: String,
    pub(super) contacts: BTreeMap<u64, Contact>,
    ids: HashMap<String, u64>,
    pub(super) removals: Vec<Removal>,
    /// Number of the last change.
    pub(super) version: u64,
    /// When each change happened, by number.
    pub(super) times: Vec<i64>,
    pub(super) cursors: Cursors,
    next_key: u64,
}

impl Mailbox {
    pub(super) fn new(user_id: Uuid, rng: &mut fastrand::Rng) -> Self {
        let (default_folder, deleted_folder) = (item_id(rng, Id::Folder), item_id(rng, Id::Folder));
        let mut mailbox = Self {
            user_id,
            folders: BTreeMap::new(),
            default_folder: default_folder.clone(),
            deleted_folder: deleted_folder.clone(),
            contacts: BTreeMap::new(),
            ids: HashMap::new(),
            removals: Vec::new(),
            version: 0,
            times: vec![0],
            cursors: Cursors::default(),
            next_key: 1,
        };
        for (id, name) in [
            (default_folder, "Contacts"),
            (deleted_folder, "Deleted Items"),
        ] {
            mailbox.folders.insert(
                id.clone(),
                Folder {
                    id,
                    name: name.to_owned(),
                    parent: None,
                    version: 0,
                },
            );
        }
        mailbox
    }

    /// The next number of a change.
    fn tick(&mut self, ms: i64) -> u64 {
        self.version += 1;
        self.times.push(ms);
        self.version
    }

    /// The last change at or before a time.
    pub(super) fn version_at(&self, ms: i64) -> u64 {
        let mut version = self.version;
        while version > 0
            && usize::try_from(version)
                .ok()
                .and_then(|at| self.times.get(at))
                .is_some_and(|at| *at > ms)
        {
            version -= 1;
        }
        version
    }

    fn change_key(&self, version: u64) -> String {
        // As Exchange writes them: `EQAAABYAAA…`.
        let mut bytes = vec![0x11, 0, 0, 0, 0x16, 0, 0, 0];
        bytes.extend(self.user_id.as_bytes());
        bytes.extend(&version.to_be_bytes()[2..]);
        STANDARD.encode(bytes)
    }

    /// A contact by either of its ids; ids are case-sensitive.
    pub(super) fn find(&self, id: &str) -> Option<&Contact> {
        self.ids.get(id).and_then(|key| self.contacts.get(key))
    }

    pub(super) fn is_deleted(&self, contact: &Contact) -> bool {
        !self.in_contact_folder(&contact.folder)
    }

    /// Whether a folder is one of contacts: not the deleted items, and not inside them.
    pub(super) fn in_contact_folder(&self, id: &str) -> bool {
        let mut at = Some(id);
        while let Some(id) = at {
            if id == self.deleted_folder {
                return false;
            }
            let Some(folder) = self.folders.get(id) else {
                return false;
            };
            at = folder.parent.as_deref();
        }
        true
    }

    /// The contact folders below one (`None`: the top ones; the default one is not among them).
    pub(super) fn children(&self, parent: Option<&str>) -> Vec<&Folder> {
        let default = self.default_folder.as_str();
        self.folders
            .values()
            .filter(|folder| {
                folder.parent.as_deref() == parent
                    && folder.id != default
                    && folder.id != self.deleted_folder
            })
            .collect()
    }

    pub(super) fn in_folder<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a Contact> {
        self.contacts
            .values()
            .filter(move |contact| contact.folder == folder)
    }

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
        self.contacts.insert(key, contact);
        key
    }

    /// Makes a contact in a folder.
    pub(super) fn create(
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
    pub(super) fn update(
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
            contact.past.push((now.ms, Box::new(former)));
            if contact.past.len() > PAST {
                contact.past.remove(0);
            }
        }
        contact.version = version;
        contact.modified_ms = now.ms;
        contact.change_key = self.change_key(version);
        self.contacts.insert(contact.key, contact);
    }

    /// Changes something beside the properties: photo, open extensions.
    pub(super) fn touch(
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
    pub(super) fn relocate(&mut self, key: u64, folder: &str, now: &mut Now<'_>) -> Vec<Change> {
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
    pub(super) fn delete(&mut self, key: u64, now: &mut Now<'_>) -> Vec<Change> {
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
    pub(super) fn purge(&mut self, key: u64, now: &mut Now<'_>) -> Vec<Change> {
        let changes: Vec<Change> = self.change(Kind::Deleted, key).into_iter().collect();
        self.leave(key, true, now);
        if let Some(contact) = self.contacts.remove(&key) {
            self.ids.remove(&contact.id);
            self.ids.remove(&contact.immutable_id);
        }
        changes
    }

    /// A second contact with everything of the first, its stamps included.
    pub(super) fn copy(
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
    pub(super) fn restore(
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

    /// Makes or renames a folder; a new one goes below `parent`.
    pub(super) fn make_folder(
        &mut self,
        name: &str,
        parent: Option<&str>,
        now: &mut Now<'_>,
    ) -> String {
        let id = item_id(now.rng, Id::Folder);
        let version = self.tick(now.ms);
        let folder = Folder {
            id: id.clone(),
            name: name.to_owned(),
            parent: parent.map(str::to_owned),
            version,
        };
        self.folders.insert(id.clone(), folder);
        id
    }

    pub(super) fn rename_folder(&mut self, id: &str, name: &str, now: &mut Now<'_>) {
        let version = self.tick(now.ms);
        if let Some(folder) = self.folders.get_mut(id) {
            folder.name = name.to_owned();
            folder.version = version;
        }
    }

    /// Deleting a folder is soft: it goes to the deleted items with all that is in it.
    pub(super) fn delete_folder(&mut self, id: &str, now: &mut Now<'_>) -> Vec<Change> {
        let version = self.tick(now.ms);
        let parent = self
            .folders
            .get(id)
            .and_then(|folder| folder.parent.clone())
            .unwrap_or_default();
        self.removals.push(Removal {
            version,
            folder: format!("folders:{parent}"),
            id: id.to_owned(),
            immutable_id: id.to_owned(),
            entered: 0,
            for_good: false,
        });
        let keys: Vec<u64> = self.in_folder(id).map(|contact| contact.key).collect();
        let below: Vec<String> = self
            .children(Some(id))
            .iter()
            .map(|folder| folder.id.clone())
            .collect();
        let mut changes: Vec<Change> = keys
            .into_iter()
            .flat_map(|key| self.delete(key, now))
            .collect();
        for folder in below {
            changes.extend(self.delete_folder(&folder, now));
        }
        let deleted = self.deleted_folder.clone();
        if let Some(folder) = self.folders.get_mut(id) {
            folder.parent = Some(deleted);
        }
        changes
    }

    /// A folder as JSON.
    pub(super) fn show_folder(&self, folder: &Folder) -> Value {
        let parent = folder.parent.clone().unwrap_or_else(|| {
            if folder.id == self.default_folder {
                "AQMkRootFolder".to_owned()
            } else {
                self.default_folder.clone()
            }
        });
        json!({
            "id": folder.id, "displayName": folder.name, "parentFolderId": parent,
            "wellKnownName": (folder.id == self.default_folder).then_some("contacts"),
        })
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

#[derive(Clone, Copy)]
pub(super) enum Id {
    Item,
    Immutable,
    Folder,
}

/// An id as Exchange writes them: url-safe base64 that ends with `=`; items start with `AAMk`,
/// immutable ones with `AAkA`, folders with `AQMk`.
pub(super) fn item_id(rng: &mut fastrand::Rng, kind: Id) -> String {
    let head: [u8; 3] = match kind {
        Id::Item => [0x00, 0x03, 0x24],
        Id::Immutable => [0x00, 0x09, 0x00],
        Id::Folder => [0x01, 0x03, 0x24],
    };
    let mut bytes = head.to_vec();
    // Three times something and two more: one `=` at the end.
    bytes.extend(std::iter::repeat_with(|| rng.u8(..)).take(86));
    URL_SAFE.encode(bytes)
}
