//! First sync, resync and the mailbox's share of the sweep: each turns into hints for people and
//! contacts, kept in the same commit that ends it, so that a crash goes on where it was.

use std::collections::BTreeSet;

use tribelink_plan::{eligibility::main_relationship, ids::PersonId, link::LinkState};

use super::{Error, Job, care::Look};
use crate::{
    crash,
    store::{Change, Hint, LinkRow, NewHint, Source, Target},
};

/// Links read at once.
const PAGE: usize = 1_000;

impl Job<'_> {
    /// The first sync: subscription and cursors first, so that nothing that happens meanwhile is
    /// missed; then everybody.
    pub(super) async fn first_sync(&mut self, hint: &Hint) -> Result<(), Error> {
        self.ensure_subscription(Look::Now).await?;
        self.deltas().await?;
        let people = self.everybody().await?;
        let total = people.len() as u64;
        self.user.progress = Some((0, total));
        self.replace(vec![hint.id], people, total).await
    }

    /// Compares everything; every waiting hint about people and contacts is answered by it.
    pub(super) async fn resync(&mut self, waiting: &[Hint]) -> Result<(), Error> {
        self.ensure_subscription(Look::Now).await?;
        self.deltas().await?;
        let people = self.everybody().await?;
        let total = people.len() as u64;
        let answered = waiting
            .iter()
            .filter(|hint| matches!(hint.hint.target, Target::Resync | Target::Person { .. }))
            .map(|hint| hint.id);
        self.replace(answered.collect(), people, total).await
    }

    async fn replace(
        &mut self,
        answered: Vec<i64>,
        people: BTreeSet<PersonId>,
        total: u64,
    ) -> Result<(), Error> {
        crash::point("everybody-listed");
        let hints: Vec<NewHint> = people
            .into_iter()
            .map(|id| self.hint(Target::Person { id, read: None }, Source::Person))
            .collect();
        let mut changes = vec![Change::AddHints(hints), Change::DropHints(answered)];
        if self.user.state == crate::store::UserState::FirstSync {
            changes.push(Change::SetProgress {
                id: self.user.id,
                progress: Some((0, total)),
            });
        }
        self.held.commit(changes).await?;
        crash::point("everybody-hinted");
        Ok(())
    }

    /// Everybody who is eligible, linked, or stands stamped in the mailbox.
    async fn everybody(&mut self) -> Result<BTreeSet<PersonId>, Error> {
        let roll = self.engine.roll(&self.land).await?;
        let employee = self.user.employee;
        let mut people: BTreeSet<PersonId> = roll
            .values()
            .filter(|person| main_relationship(person, employee).is_some())
            .map(|person| person.id)
            .collect();
        // Listing takes long, and the roll is large.
        drop(roll);
        for row in self.all_links().await? {
            if row.link.state != LinkState::Closed {
                people.insert(row.person);
            }
        }
        self.list().await?;
        if let Some(listing) = &self.listing {
            people.extend(listing.people());
        }
        Ok(people)
    }

    /// The mailbox's share of the sweep: whatever the listing shows otherwise than the links
    /// remember becomes a hint. Absence is confirmed by whoever works on it.
    pub(super) async fn sweep(&mut self, hint: &Hint) -> Result<(), Error> {
        self.ensure_subscription(Look::Now).await?;
        self.listing = None;
        self.list().await?;
        let mut hints = Vec::new();
        let mut known: BTreeSet<PersonId> = BTreeSet::new();
        for row in self.all_links().await? {
            // One that stands there though its link ended was restored (R12).
            let Some(contact) = row.link.contact.clone() else {
                continue;
            };
            known.insert(row.person);
            let listed = self
                .listing
                .as_ref()
                .and_then(|listing| listing.contact(&contact));
            let etag = listed.and_then(|listed| listed.etag.clone());
            if etag.is_none() || etag != row.link.etag {
                let etag = etag.map(|etag| etag.0);
                hints.push(self.hint(Target::Contact { id: contact, etag }, Source::Sweep));
            }
        }
        if let Some(listing) = &self.listing {
            let strangers = listing.people().filter(|person| !known.contains(person));
            hints.extend(
                strangers.map(|id| self.hint(Target::Person { id, read: None }, Source::Sweep)),
            );
        }
        self.held
            .commit(vec![
                Change::AddHints(hints),
                Change::DropHints(vec![hint.id]),
            ])
            .await
    }

    /// Every link of this user.
    pub(super) async fn all_links(&self) -> Result<Vec<LinkRow>, Error> {
        let mut all: Vec<LinkRow> = Vec::new();
        loop {
            let after = all.last().map(|row| row.person);
            let page = self
                .engine
                .ports
                .store
                .links(self.user.id, after, PAGE)
                .await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }
}
