//! One mailbox: its folders and its contacts.
//!
//! Here: what it holds, and how a contact is found. [`life`]: what can happen to a contact;
//! [`folders`]: what can happen to a folder; [`index`]: which contacts a filter need look at.

mod folders;
mod index;
mod life;

use std::collections::{BTreeMap, HashMap};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use uuid::Uuid;

use index::Index;

use super::{Switches, contact::Contact, delta::Cursors, odata::Filter};

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
    index: Index,
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
            index: Index::default(),
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

    /// The contacts that a filter may find, in order; all where it names no value to look up.
    pub(super) fn candidates(&self, filter: Option<&Filter>) -> Vec<&Contact> {
        match filter.and_then(|filter| self.index.candidates(filter)) {
            Some(keys) => keys
                .iter()
                .filter_map(|key| self.contacts.get(key))
                .collect(),
            None => self.contacts.values().collect(),
        }
    }

    pub(super) fn is_deleted(&self, contact: &Contact) -> bool {
        !self.in_contact_folder(&contact.folder)
    }

    pub(super) fn in_folder<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a Contact> {
        self.contacts
            .values()
            .filter(move |contact| contact.folder == folder)
    }
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
