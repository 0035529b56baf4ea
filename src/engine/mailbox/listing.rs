//! The whole mailbox, with stamps: one read of 1,000 contacts a page instead of one for each person.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use tribelink_plan::{
    contact::Contact,
    ids::{ContactId, FolderId, PersonId},
};

use super::{Error, Job, graph};
use crate::{graph::Folder, store::UserState};

/// How long a listed contact may be written to without a read of its own, in milliseconds.
pub(super) const FRESH_MS: i64 = 10_000;

/// How long a listing tells which stamps stand in the mailbox, in milliseconds: as long as a large
/// first sync takes. Own writes are learnt, so only a copy made by hand meanwhile is missed, and the
/// delta shows that one.
pub(super) const STAMPS_MS: i64 = 900_000;

/// With this many single reads ahead, a listing may be cheaper.
const WORTH_READS: usize = 60;

/// Reads that one `$batch` takes.
const BATCH: usize = 20;
/// Contacts that one page brings.
const PAGE: usize = 1_000;

/// Every contact of the mailbox as of one time.
pub(super) struct Listing {
    pub(super) at_ms: i64,
    contacts: HashMap<ContactId, Contact>,
    stamped: BTreeMap<PersonId, Vec<ContactId>>,
}

impl Listing {
    pub(super) fn contact(&self, id: &ContactId) -> Option<&Contact> {
        self.contacts.get(id)
    }

    /// The contacts with a person's stamp.
    pub(super) fn stamped(&self, person: PersonId) -> Vec<Contact> {
        let ids = self.stamped.get(&person).into_iter().flatten();
        ids.filter_map(|id| self.contacts.get(id))
            .cloned()
            .collect()
    }

    /// Every person of whom a stamped contact stands in the mailbox.
    pub(super) fn people(&self) -> impl Iterator<Item = PersonId> + '_ {
        self.stamped.keys().copied()
    }

    /// Every contact without a stamp of this mailbox, in order.
    pub(super) fn unstamped(&self) -> Vec<&Contact> {
        let ours: std::collections::HashSet<&ContactId> = self.stamped.values().flatten().collect();
        let mut all: Vec<&Contact> = self
            .contacts
            .values()
            .filter(|contact| !ours.contains(&contact.id))
            .collect();
        all.sort_by(|left, right| left.id.cmp(&right.id));
        all
    }

    /// A contact is no longer there.
    pub(super) fn forget(&mut self, id: &ContactId) {
        self.contacts.remove(id);
    }

    /// Keeps what an own write answered, so that the listing stays true for this job.
    pub(super) fn learn(&mut self, person: PersonId, contact: &Contact) {
        let known = self.stamped.entry(person).or_default();
        if !known.contains(&contact.id) {
            known.push(contact.id.clone());
        }
        self.contacts.insert(contact.id.clone(), contact.clone());
    }
}

impl Job<'_> {
    /// Every contact folder, as known.
    pub(super) async fn folders(&mut self) -> Result<Vec<Folder>, Error> {
        let known = self.engine.folders.get(self.user.id, self.engine.now());
        match known {
            Some(folders) => Ok(folders),
            None => self.walk_folders().await,
        }
    }

    /// Every contact folder, read anew unless this job did so within the last seconds.
    pub(super) async fn walk_folders(&mut self) -> Result<Vec<Folder>, Error> {
        let now = self.engine.now();
        if let Some((then, folders)) = &self.folders
            && now - then <= FRESH_MS
        {
            return Ok(folders.clone());
        }
        let outlook = &self.engine.ports.outlook;
        let folders = graph!(self, |call| outlook.folders(call))?;
        self.engine.folders.put(self.user.id, &folders, now);
        self.folders = Some((now, folders.clone()));
        Ok(folders)
    }

    /// Lists the mailbox, unless this job did so within the last seconds.
    pub(super) async fn list(&mut self) -> Result<(), Error> {
        let now = self.engine.now();
        if let Some(listing) = &self.listing
            && now - listing.at_ms <= FRESH_MS
        {
            return Ok(());
        }
        let at_ms = self.engine.now();
        let mut listing = Listing {
            at_ms,
            contacts: HashMap::new(),
            stamped: BTreeMap::new(),
        };
        let mut folders: VecDeque<Folder> = self.walk_folders().await?.into();
        let mut walked: BTreeSet<FolderId> = BTreeSet::new();
        while let Some(folder) = folders.pop_front() {
            walked.insert(folder.id.clone());
            let mut next: Option<String> = None;
            loop {
                self.step_allowed()?;
                let outlook = &self.engine.ports.outlook;
                let page = graph!(self, |call| outlook.list(call, &folder, next.as_deref()))?;
                for mut contact in page.items {
                    contact.folder.get_or_insert_with(|| folder.id.clone());
                    let stamp = contact.stamp.as_ref().and_then(Option::as_ref);
                    if let Some(person) = self.stamped_person(stamp) {
                        listing
                            .stamped
                            .entry(person)
                            .or_default()
                            .push(contact.id.clone());
                    }
                    listing.contacts.insert(contact.id.clone(), contact);
                }
                next = page.next;
                if next.is_none() {
                    break;
                }
            }
            // A contact may have gone to a folder that was made meanwhile, and would be made again.
            if folders.is_empty() && self.user.state == UserState::FirstSync {
                self.folders = None;
                let now = self.walk_folders().await?.into_iter();
                folders.extend(now.filter(|folder| !walked.contains(&folder.id)));
            }
        }
        self.listing = Some(listing);
        Ok(())
    }

    /// Whether so many single reads cost more requests than a listing would.
    pub(super) async fn listing_pays(&self, reads: usize) -> Result<bool, Error> {
        if reads < WORTH_READS {
            return Ok(false);
        }
        let counts = self.engine.ports.store.count_links(self.user.id).await?;
        let contacts = usize::try_from(counts.linked + counts.sleeping).unwrap_or(usize::MAX);
        Ok(reads.div_ceil(BATCH) > contacts.div_ceil(PAGE).saturating_add(2))
    }
}
