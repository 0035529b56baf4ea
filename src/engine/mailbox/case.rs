//! One person in a pass: what was read, what is planned, what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tribelink_plan::{
    contact::Contact,
    field::Field,
    ids::{ContactId, Etag, PersonId},
    link::Link,
    person::Person,
    planner::{
        OutlookSide, Plan, Situation, TribeSide, Update,
        settle::Outcome,
        undo::{Spared, Wish},
    },
    policy::READS_LAG_MS,
};

use super::Job;
use crate::{
    engine::people::Behind,
    rich::contents::Content,
    sealed::Ahead,
    store::{Held, LinkRow, Parked, Source},
};

/// What was read of Tribe.
#[derive(Clone)]
pub(super) enum Tribe {
    /// Not yet.
    Unread,
    /// A card that the environment worker passed on.
    PassedOn(Arc<Person>),
    /// Read in this job.
    Read(Arc<Person>),
    /// A read of its id found nothing.
    Gone,
}

/// What was read of Outlook.
#[derive(Clone)]
pub(super) enum Outlook {
    /// Not yet.
    Unread,
    /// From the listing of this job.
    Listed(Box<Contact>),
    /// By a read of its id.
    Read(Box<Contact>),
    /// From the content of a notification: enough to write to Tribe, not to Outlook.
    Told(Box<Contact>),
    /// A read of its id found nothing, or found it outside every contact folder.
    Gone,
}

/// Where a case ends.
pub(super) enum End {
    /// Nothing to do, or done.
    Done,
    /// Look again after this many milliseconds.
    Again(i64),
    /// The same, however often it was tried: a remote failed, and that passes.
    Wait(i64),
    /// A remote failed as a whole, which is not this person's fault: whoever puts off the job's hints
    /// says when.
    PutOff,
    /// Give up until a person says retry.
    Park(String),
}

/// One person of a pass.
pub(super) struct Case {
    pub(super) person: PersonId,
    /// The hints that this case answers.
    pub(super) hints: Vec<i64>,
    /// When the eldest of them arrived.
    pub(super) since_ms: Option<i64>,
    /// How often the eldest of them was tried.
    pub(super) attempts: u32,
    pub(super) source: Source,
    /// The readings of Tribe that the hints come from.
    pub(super) behind: Behind,
    /// Outlook is looked at though Tribe has nothing to say.
    pub(super) look_at_outlook: bool,
    /// A notification or a delta said that the contact went.
    pub(super) told_gone: bool,
    /// A notification or a delta led here: a listing of this job may be older than what it is about.
    pub(super) told_changed: bool,
    /// The last state of each contact that a notification or a delta told of, by its etag, and which hint did.
    pub(super) told_etags: BTreeMap<ContactId, (i64, String)>,
    /// When the last notification or delta did, one that told of a deletion included.
    pub(super) told_ms: i64,
    /// What the newest notification brought along, sealed.
    pub(super) content: Option<Content>,
    pub(super) row: Option<LinkRow>,
    /// What an earlier pass was about to write and did not record.
    pub(super) unrecorded: Option<Ahead>,
    /// Whether one of this pass's writes was taken, nobody knows.
    pub(super) unknown: bool,
    pub(super) held: Vec<Held>,
    pub(super) parked: Vec<Parked>,
    pub(super) decided: BTreeMap<Field, bool>,
    /// The audit lines that somebody wants undone, what they ask for, and what does not go back.
    pub(super) undo: BTreeSet<i64>,
    pub(super) wishes: BTreeMap<Field, Result<Wish, Spared>>,
    pub(super) spared: BTreeMap<Field, Spared>,
    pub(super) tribe: Tribe,
    /// When Tribe's side was asked for.
    pub(super) tribe_ms: i64,
    pub(super) outlook: Outlook,
    pub(super) stamped: Option<Vec<Contact>>,
    pub(super) same_address: Option<Vec<Contact>>,
    pub(super) matches: Vec<Contact>,
    /// Contacts with this person's stamp that were noticed without being linked.
    pub(super) copies: Vec<ContactId>,
    pub(super) plan: Option<Plan>,
    pub(super) end: Option<End>,
    /// The etag of the contact that the plan was made from.
    pub(super) read_etag: Option<Etag>,
    /// What came of the plan's writes.
    pub(super) outcome: Outcome,
    /// Changes to be recorded at the end, beside those that the plan itself leads to.
    pub(super) changes: Vec<crate::store::Change>,
    /// The rounds of reading, so that a planner that asks for ever is noticed.
    pub(super) rounds: u32,
}

impl Case {
    pub(super) fn new(person: PersonId, source: Source) -> Case {
        Case {
            person,
            hints: Vec::new(),
            since_ms: None,
            attempts: 0,
            source,
            behind: Behind::default(),
            look_at_outlook: false,
            told_gone: false,
            told_changed: false,
            told_etags: BTreeMap::new(),
            told_ms: 0,
            content: None,
            row: None,
            unrecorded: None,
            unknown: false,
            held: Vec::new(),
            parked: Vec::new(),
            decided: BTreeMap::new(),
            undo: BTreeSet::new(),
            wishes: BTreeMap::new(),
            spared: BTreeMap::new(),
            tribe: Tribe::Unread,
            tribe_ms: 0,
            outlook: Outlook::Unread,
            stamped: None,
            same_address: None,
            matches: Vec::new(),
            copies: Vec::new(),
            plan: None,
            end: None,
            read_etag: None,
            outcome: Outcome::default(),
            changes: Vec::new(),
            rounds: 0,
        }
    }

    /// When Graph says that the state was made which a link remembers by its etag.
    pub(super) fn modified_ms(&self, link: &Link, answer: Option<&Contact>) -> Option<i64> {
        let etag = link.etag.as_ref()?;
        let mut seen = answer.into_iter().chain(self.contact());
        if let Some(seen) = seen.find(|contact| contact.etag.as_ref() == Some(etag)) {
            return seen.modified.map(|at| at.as_millisecond());
        }
        let row = self.row.as_ref()?;
        let same = row.link.etag == link.etag && row.link.contact == link.contact;
        row.outlook_ms.filter(|_| same)
    }

    /// Whether what was read of the contact is certainly older than what the link was made from.
    fn is_older(&self) -> bool {
        let read = self
            .contact()
            .filter(|read| self.contact_id() == Some(&read.id));
        let read_ms = read.and_then(|read| Some(read.modified?.as_millisecond()));
        let known_ms = self.row.as_ref().and_then(|row| row.outlook_ms);
        matches!((read_ms, known_ms), (Some(read), Some(known)) if read < known)
    }

    /// How long it takes until a reading certainly shows what a notification or a delta told of, where the
    /// one at hand shows what the link knew before; `None`: it does show it, or had the time.
    pub(super) fn looks_again_after_ms(&self, now_ms: i64) -> Option<i64> {
        let read = self.contact()?;
        let wait_ms = Some(self.told_ms + READS_LAG_MS - now_ms).filter(|wait_ms| *wait_ms > 0);
        if self.told_gone {
            return wait_ms;
        }
        let (_, told) = self.told_etags.get(&read.id)?;
        let etag = read.etag.as_ref()?;
        let known = self.row.as_ref().and_then(|row| row.link.etag.as_ref());
        let is_news = known.is_some_and(|known| known != etag);
        if is_news || *told == etag.0 {
            return None;
        }
        wait_ms
    }

    /// The contact as last read.
    pub(super) fn contact(&self) -> Option<&Contact> {
        match &self.outlook {
            Outlook::Listed(contact) | Outlook::Read(contact) | Outlook::Told(contact) => {
                Some(contact)
            }
            Outlook::Unread | Outlook::Gone => None,
        }
    }

    pub(super) fn contact_id(&self) -> Option<&ContactId> {
        self.row.as_ref().and_then(|row| row.link.contact.as_ref())
    }

    /// The planned update, when there is one.
    pub(super) fn update(&self) -> Option<&Update> {
        match &self.plan {
            Some(Plan {
                next: tribelink_plan::planner::Next::Update(update),
                ..
            }) => Some(update),
            _ => None,
        }
    }

    /// Asks the planner. `None`: Tribe was not read.
    pub(super) fn ask(&self, job: &Job<'_>, quiet: bool) -> Option<Asked> {
        self.with_situation(job, |situation| {
            if quiet && tribelink_plan::planner::quiet::is_quiet(situation) {
                return Asked::Quiet;
            }
            Asked::Plan(Box::new(tribelink_plan::planner::plan(situation)))
        })
    }

    /// What was read, as the planner looks at it. `None`: Tribe was not read.
    pub(super) fn with_situation<T>(
        &self,
        job: &Job<'_>,
        look: impl FnOnce(&Situation<'_>) -> T,
    ) -> Option<T> {
        let tribe = match &self.tribe {
            Tribe::Unread => return None,
            Tribe::PassedOn(person) | Tribe::Read(person) => TribeSide::Here(person),
            Tribe::Gone => TribeSide::Gone,
        };
        let outlook = match &self.outlook {
            Outlook::Unread => OutlookSide::Unread,
            Outlook::Listed(contact) | Outlook::Read(contact) | Outlook::Told(contact) => {
                OutlookSide::Here(contact)
            }
            Outlook::Gone => OutlookSide::Gone,
        };
        let fingerprints = job.fingerprints(self.person);
        let situation = Situation {
            employee: job.user.employee,
            person: self.person,
            tribe,
            outlook,
            outlook_older: self.is_older(),
            told_gone: self.told_gone,
            link: self.row.as_ref().map(|row| &row.link),
            stamped: self.stamped.as_deref(),
            matches: &self.matches,
            same_address: self.same_address.as_deref(),
            decided: &self.decided,
            own_organization: Some(job.land.organization),
            lens: job.lens(&fingerprints),
            now_ms: job.engine.now(),
        };
        Some(look(&situation))
    }
}

/// The planner's answer.
pub(super) enum Asked {
    /// Tribe has nothing to say (R14).
    Quiet,
    /// The plan.
    Plan(Box<Plan>),
}
