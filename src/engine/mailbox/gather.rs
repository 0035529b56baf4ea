//! Reads what the planner lacks, in bulk, until every case of a group has a plan.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join3;
use tribelink_plan::{
    contact::Contact,
    field::Field,
    ids::{ContactId, FolderId, PersonId},
    link::LinkState,
    mapping::first_address,
    planner::{Next, Wanted},
    policy::Match,
    reading::Reading,
};

use super::{
    Error, Job,
    case::{Asked, Case, End, Outlook, Tribe},
    graph, listing,
    pass::{BATCH, people_of},
};
use crate::{
    graph::{Done, Folder, Op},
    remote,
    store::{Change, Cursor, UserState},
    telemetry::meter,
};

/// A planner that asks for more rounds than this has a defect; the case is parked.
const ROUNDS: u32 = 8;

/// The contact of a sleeping link that a hint from Outlook points at: R7 holds for it too, and the
/// planner has no other use for it.
fn unseen_sleeper(case: &Case) -> Option<ContactId> {
    let link = &case.row.as_ref()?.link;
    let unseen = case.look_at_outlook && matches!(case.outlook, Outlook::Unread);
    (unseen && link.state == LinkState::Sleeping)
        .then(|| link.contact.clone())
        .flatten()
}

/// Whether the case's link has a contact that it holds on to.
fn has_contact(case: &Case) -> bool {
    let state = case.row.as_ref().map(|row| row.link.state);
    matches!(state, Some(LinkState::Linked | LinkState::Sleeping))
}

/// Which read fills which gap of a case.
enum Gap {
    Contact,
    Stamped,
    SameAddress,
}

/// Rows in the order in which they came, each with its person's.
fn by_person<T>(
    rows: Vec<T>,
    person: impl Fn(&T) -> Option<PersonId>,
) -> BTreeMap<PersonId, Vec<T>> {
    let mut sorted: BTreeMap<PersonId, Vec<T>> = BTreeMap::new();
    for row in rows {
        if let Some(person) = person(&row) {
            sorted.entry(person).or_default().push(row);
        }
    }
    sorted
}

impl Job<'_> {
    /// Reads and plans until every case has a plan or an end.
    pub(super) async fn gather(&mut self, cases: &mut [Case]) -> Result<(), Error> {
        self.load(cases).await?;
        self.use_early_read(cases);
        self.read_tribe(cases).await?;
        let mut refreshed = false;
        loop {
            self.step_allowed()?;
            let mut wanted: Vec<(usize, Wanted)> = Vec::new();
            for (index, case) in cases.iter_mut().enumerate() {
                if case.end.is_none()
                    && case.plan.is_none()
                    && let Some(want) = self.plan(case).await?
                {
                    wanted.push((index, want));
                }
            }
            if wanted.is_empty() {
                // Where Tribe is so slow that this is old, too, another reading would be no younger.
                if refreshed || !self.refresh_tribe(cases).await? {
                    return Ok(());
                }
                refreshed = true;
                continue;
            }
            self.read_outlook(cases, wanted).await?;
        }
    }

    /// Loads links, held and parked items.
    pub(super) async fn load(&self, cases: &mut [Case]) -> Result<(), Error> {
        let store = &self.engine.ports.store;
        let user = self.user.id;
        let people = people_of(cases);
        let (rows, held, parked) = try_join3(
            store.links_of(user, &people),
            store.held_of(user, &people),
            store.parked_of(user, &people),
        )
        .await?;
        let mut rows = by_person(rows, |row| Some(row.person));
        let mut held = by_person(held, |held| Some(held.person));
        let mut parked = by_person(parked, |parked| parked.person);
        for case in cases {
            case.row = rows.remove(&case.person).and_then(|mut rows| rows.pop());
            case.held = held.remove(&case.person).unwrap_or_default();
            case.parked = parked.remove(&case.person).unwrap_or_default();
            for held in &case.held {
                if let Some(accepted) = held.accepted {
                    case.decided
                        .extend(held.fields.iter().map(|field| (*field, accepted)));
                }
            }
            self.find_unrecorded(case)?;
            self.read_wishes(case).await?;
        }
        Ok(())
    }

    /// Plans one case as far as its reads allow; answers what it lacks.
    async fn plan(&mut self, case: &mut Case) -> Result<Option<Wanted>, Error> {
        loop {
            case.rounds += 1;
            if case.rounds > ROUNDS {
                case.end = Some(End::Park(
                    "the planner asked for too many reads; report this".to_owned(),
                ));
                return Ok(None);
            }
            if let Some(id) = self.unjudged(case) {
                return Ok(Some(Wanted::Contact(id)));
            }
            self.recover(case).await?;
            if let Some(id) = unseen_sleeper(case) {
                match self.listed(case, &id) {
                    Some(contact) => case.outlook = Outlook::Listed(Box::new(contact)),
                    None => return Ok(Some(Wanted::Contact(id))),
                }
            }
            if case.stamped.is_none() && !has_contact(case) {
                // A stamped contact that was seen is found again, whatever became of its link (R12).
                match self.listed_stamps(case) {
                    Some(found) if found.is_empty() => {}
                    Some(found) => self.found_stamped(case, found),
                    None if case.copies.is_empty() => {}
                    None => return Ok(Some(Wanted::Stamped)),
                }
            }
            let plan = match case.ask(self, !case.look_at_outlook) {
                None => {
                    case.end = Some(End::Again(0));
                    return Ok(None);
                }
                Some(Asked::Quiet) => {
                    meter::echoed(&self.user.environment, meter::Echo::Tribe, 1);
                    case.end = Some(End::Done);
                    return Ok(None);
                }
                Some(Asked::Plan(plan)) => *plan,
            };
            match plan.next {
                Next::Read(Wanted::Contact(id)) => match self.listed(case, &id) {
                    Some(contact) => case.outlook = Outlook::Listed(Box::new(contact)),
                    None if self.is_told(case, &id).await? => {}
                    None => return Ok(Some(Wanted::Contact(id))),
                },
                Next::Read(Wanted::Stamped) => match self.listed_stamps(case) {
                    Some(found) => self.found_stamped(case, found),
                    None => return Ok(Some(Wanted::Stamped)),
                },
                Next::Read(want) => return Ok(Some(want)),
                Next::Relink { link, stamp } => {
                    let contact = link.contact.clone();
                    self.relink(case, *link, plan.rule, stamp).await?;
                    if case.end.is_some() {
                        return Ok(None);
                    }
                    let found = case.stamped.iter().flatten().chain(&case.matches);
                    let known = found
                        .into_iter()
                        .find(|known| Some(&known.id) == contact.as_ref())
                        .cloned();
                    case.outlook = match known {
                        Some(known) if !stamp && self.lists(&known) => {
                            Outlook::Listed(Box::new(known))
                        }
                        Some(known) if !stamp => Outlook::Read(Box::new(known)),
                        _ => Outlook::Unread,
                    };
                }
                _ => {
                    let plan = self.way_back(case, &plan).unwrap_or(plan);
                    case.read_etag = case.contact().and_then(|contact| contact.etag.clone());
                    let stale = self.needs_more_than_told(case, &plan.next)
                        || self.needs_fresh_reads(case, &plan.next);
                    if stale {
                        continue;
                    }
                    case.plan = Some(plan);
                    return Ok(None);
                }
            }
        }
    }

    /// A write needs reads of this job that precede it at once: what came from the environment
    /// worker or from an old listing is read anew.
    fn needs_fresh_reads(&self, case: &mut Case, next: &Next) -> bool {
        let Next::Update(update) = next else {
            return false;
        };
        let mut again = false;
        let listed_ms = self.listing.as_ref().map_or(0, |listing| listing.at_ms);
        let old = self.engine.now() - listed_ms > listing::FRESH_MS;
        if update.patch.is_some() && old && matches!(case.outlook, Outlook::Listed(_)) {
            case.outlook = Outlook::Unread;
            again = true;
        }
        if !update.tribe.is_empty() && matches!(case.tribe, Tribe::PassedOn(_)) {
            case.tribe = Tribe::Unread;
            case.look_at_outlook = true;
            again = true;
        }
        again
    }

    /// Whether the listing is where this contact was seen.
    fn lists(&self, contact: &Contact) -> bool {
        let listing = self.listing.as_ref();
        listing.and_then(|listing| listing.contact(&contact.id)) == Some(contact)
    }

    fn listed(&self, case: &Case, id: &ContactId) -> Option<Contact> {
        let listing = self.listing.as_ref().filter(|_| !case.told_changed)?;
        let fresh = self.engine.now() - listing.at_ms <= listing::FRESH_MS;
        listing.contact(id).filter(|_| fresh).cloned()
    }

    /// What the listing knows of a stamp; an intended create of unknown outcome is looked up anew.
    fn listed_stamps(&self, case: &Case) -> Option<Vec<Contact>> {
        let is_intent = case
            .row
            .as_ref()
            .is_some_and(|row| row.link.state == LinkState::Intent);
        let now = self.engine.now();
        let counts = |listing: &&listing::Listing| now - listing.at_ms <= listing::STAMPS_MS;
        let listing = self.listing.as_ref().filter(|_| !is_intent)?;
        let listing = Some(listing).filter(counts)?;
        let found = listing.stamped(case.person);
        // One that was noticed since, as a re-imported one, is not in it.
        let known = |id: &ContactId| found.iter().any(|contact| contact.id == *id);
        case.copies.iter().all(known).then_some(found)
    }

    /// Keeps what a look-up found; all but one of several are parked, never touched (R12).
    fn found_stamped(&self, case: &mut Case, found: Vec<Contact>) {
        if self.land.policy.matching == Match::EmailName {
            case.matches = self.matches(case);
        }
        case.stamped = Some(found);
    }

    /// R13: unstamped contacts with the person's first address, from the listing of a first sync.
    pub(super) fn matches(&self, case: &Case) -> Vec<Contact> {
        let (Some(listing), Tribe::PassedOn(person) | Tribe::Read(person)) =
            (&self.listing, &case.tribe)
        else {
            return Vec::new();
        };
        let fingerprints = self.fingerprints(case.person);
        let lens = self.lens(&fingerprints);
        let mut addresses: BTreeSet<_> = BTreeSet::new();
        let relationships = person.relationships.iter().map(Some).chain([None]);
        for relationship in relationships {
            for field in [Field::BusinessEmail, Field::PrivateEmail] {
                let reading = person.reading(field, relationship);
                if reading.is_filled() {
                    addresses.insert(lens.mark(Field::PrivateEmail, &reading));
                }
            }
        }
        let fits = |contact: &&Contact| match first_address(contact) {
            Reading::Value(address) => {
                addresses.contains(&lens.mark(Field::PrivateEmail, &Reading::Value(address)))
            }
            Reading::Empty | Reading::Unreadable => false,
        };
        listing
            .unstamped()
            .into_iter()
            .filter(fits)
            .cloned()
            .collect()
    }

    /// Reads the gaps of a group in as few requests as possible.
    async fn read_outlook(
        &mut self,
        cases: &mut [Case],
        wanted: Vec<(usize, Wanted)>,
    ) -> Result<(), Error> {
        // Whom the first sync finds in the mailbox already, only the listing tells (R13): a job that
        // goes on with one after a crash makes its own.
        let finds = self.user.state == UserState::FirstSync
            && self.land.policy.matching == Match::EmailName;
        let pays = self.listing_pays(wanted.len()).await?;
        if self.listing.is_none() && (finds || pays) {
            return self.list().await;
        }
        // Before a contact counts as deleted, or is made again, it is looked for in folders made lately,
        // too. Of whom nothing is known since the first sync, none was made before.
        let mut stamps = wanted.iter().filter(|(_, want)| *want == Wanted::Stamped);
        let any = stamps.clone().next().is_some();
        let begins = self.user.state == UserState::FirstSync;
        let folders = match stamps.any(|(index, _)| begins || cases[*index].row.is_some()) {
            true => self.walk_folders().await?,
            false if any => self.folders().await?,
            false => Vec::new(),
        };
        for chunk in wanted.chunks(BATCH) {
            let ops: Vec<Op> = chunk
                .iter()
                .map(|(index, want)| match want {
                    Wanted::Contact(id) => Op::Read(id.clone()),
                    Wanted::Stamped => Op::FindByStamp {
                        stamp: self.stamp(cases[*index].person),
                        folders: folders.clone(),
                    },
                    Wanted::SameAddress(address) => Op::FindByAddress(address.clone()),
                })
                .collect();
            let outlook = &self.engine.ports.outlook;
            let answers = graph!(self, |call| outlook.run(call, &ops))?;
            // One item's rest is the whole mailbox's, and what fills a case may call again.
            if let Some(rest) = remote::Error::longest_rest(&answers) {
                return Err(rest.into());
            }
            for ((index, want), answer) in chunk.iter().zip(answers) {
                let gap = match want {
                    Wanted::Contact(_) => Gap::Contact,
                    Wanted::Stamped => Gap::Stamped,
                    Wanted::SameAddress(_) => Gap::SameAddress,
                };
                self.fill(&mut cases[*index], gap, answer).await?;
            }
        }
        // Cards that were put aside for a fresh read.
        self.read_tribe(cases).await
    }

    async fn fill(
        &mut self,
        case: &mut Case,
        gap: Gap,
        answer: Result<Done, remote::Error>,
    ) -> Result<(), Error> {
        match (gap, answer) {
            (Gap::Contact, Ok(Done::Contact(contact))) => {
                if self.is_in_a_folder(case, &contact).await? {
                    case.outlook = Outlook::Read(contact);
                } else {
                    self.is_gone(case);
                }
            }
            (Gap::Contact, Err(remote::Error::NotFound)) => self.is_gone(case),
            (Gap::Stamped, Ok(Done::Found(found))) => {
                let mut inside = Vec::new();
                for contact in found {
                    if self.is_in_a_folder(case, &contact).await? {
                        inside.push(contact);
                    }
                }
                self.found_stamped(case, inside);
            }
            (Gap::SameAddress, Ok(Done::Found(found))) => case.same_address = Some(found),
            (_, Err(error)) => case.end = Some(self.end_of(case, &error)),
            (_, Ok(_)) => case.end = Some(End::Again(0)),
        }
        Ok(())
    }

    fn is_gone(&mut self, case: &mut Case) {
        case.outlook = Outlook::Gone;
        if let (Some(listing), Some(id)) = (&mut self.listing, case.contact_id()) {
            listing.forget(id);
        }
    }

    /// What becomes of a case whose own request failed.
    pub(super) fn end_of(&self, case: &Case, error: &remote::Error) -> End {
        match crate::engine::retry::fate(error, case.attempts, self.chance()) {
            crate::engine::retry::Fate::Again(wait_ms) => End::Again(wait_ms),
            crate::engine::retry::Fate::Wait(wait_ms) => End::Wait(wait_ms),
            crate::engine::retry::Fate::Park(reason) => End::Park(reason),
        }
    }

    /// Whether a contact stands in one of the mailbox's contact folders (R7). One that was moved to
    /// another of them stays linked, and that folder gets a delta cursor of its own.
    pub(super) async fn is_in_a_folder(
        &mut self,
        case: &mut Case,
        contact: &Contact,
    ) -> Result<bool, Error> {
        let Some(folder) = &contact.folder else {
            return Ok(true);
        };
        let known = case.row.as_ref().and_then(|row| row.link.folder.as_ref());
        if known == Some(folder) {
            return Ok(true);
        }
        let is_it = |known: &Folder| known.id == *folder;
        let mut found = self.folders().await?.into_iter().find(is_it);
        if found.is_none() && !self.strange_folders.contains(folder) {
            // The contact was read after whatever is known: the folder may have been made in between.
            self.folders = None;
            found = self.walk_folders().await?.into_iter().find(is_it);
        }
        let Some(found) = found else {
            self.strange_folders.insert(folder.clone());
            return Ok(false);
        };
        if !found.is_default {
            self.follow_folder(folder, case).await?;
        }
        Ok(true)
    }

    async fn follow_folder(&self, folder: &FolderId, case: &mut Case) -> Result<(), Error> {
        let cursors = self.engine.ports.store.cursors(self.user.id).await?;
        if cursors.iter().all(|cursor| cursor.folder != *folder) {
            case.changes.push(Change::PutCursor {
                user: self.user.id,
                cursor: Cursor {
                    folder: folder.clone(),
                    is_default: false,
                    link: String::new(),
                },
            });
        }
        Ok(())
    }
}
