//! The contact folders of each mailbox, as last read: walking them costs three requests or more,
//! and they hardly ever change.
//!
//! What was read counts for [`FRESH_MS`]. It is read anew by the first sync, by a resync, by the
//! sweep, when a contact shows a folder that is not among them, and before a contact counts as
//! deleted.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tribelink_plan::ids::UserId;

use crate::graph::Folder;

/// How long a list of folders is used without being read anew.
pub const FRESH_MS: i64 = 3_600_000;

/// The folders by user.
#[derive(Default)]
pub struct KnownFolders(Mutex<HashMap<UserId, (i64, Vec<Folder>)>>);

impl KnownFolders {
    /// Keeps a list that was asked for at `read_ms`, and forgets those that are old by then.
    pub fn put(&self, user: UserId, folders: &[Folder], read_ms: i64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (then, _)| read_ms - *then < FRESH_MS);
        known.insert(user, (read_ms, folders.to_vec()));
    }

    /// The list of a user, while it is fresh.
    pub fn get(&self, user: UserId, now_ms: i64) -> Option<Vec<Folder>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&user)
            .filter(|(then, _)| now_ms - *then < FRESH_MS)
            .map(|(_, folders)| folders.clone())
    }
}
