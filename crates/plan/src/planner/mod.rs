//! The planner: what is to be done for one person of one user.
//!
//! [`plan`] is a pure total function from a [`Situation`] to a [`Plan`]. Where it lacks a read it
//! asks for one ([`Wanted`]); the executor reads and asks again. What comes out of the writes goes
//! through [`settle`], which says how the link looks afterwards.
//!
//! # Map
//! - here: the words.
//! - `life`: create, adopt, sleep, wake, tombstone, close.
//! - `judge`: the merge of each field of a linked pair, refusals, holds; `initials`: those that nobody
//!   typed.
//! - `place`: what goes to Outlook, and under which mapping; `emails`: the private address behind
//!   the first one; `patch`: from one contact to another by one PATCH.
//! - `create`: a new contact.
//! - [`ahead`]: what a pass was about to write, for whoever finds it unfinished.
//! - [`settle`]: the link after the writes. [`quiet`]: whether Tribe has anything to say.
//! - [`undo`]: back to what stood before a write.

pub mod ahead;
mod create;
mod emails;
mod initials;
mod judge;
mod life;
mod patch;
mod place;
pub mod quiet;
pub mod settle;
pub mod undo;

pub use life::{choose_stamped, plan};

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    base::{Mark, Marks},
    canonical::Misfit,
    contact::{Contact, ContactPatch},
    field::{Field, Side},
    ids::{ContactId, EmployeeId, OrganizationId, PersonId, RelationshipId, SetName},
    link::{Link, Slots},
    mapping::Lens,
    person::{Kind, Person},
    reading::Reading,
    rule::Rule,
};

/// What Tribe says of the person.
#[derive(Clone, Copy, Debug)]
pub enum TribeSide<'a> {
    /// It was read in this job.
    Here(&'a Person),
    /// A read of its id found nothing.
    Gone,
}

/// What Outlook says of the link's contact.
#[derive(Clone, Copy, Debug)]
pub enum OutlookSide<'a> {
    /// Not read in this job.
    Unread,
    /// Read in this job, in one of the mailbox's contact folders.
    Here(&'a Contact),
    /// A read of its id found nothing, or found it outside every contact folder.
    Gone,
}

/// Everything that the planner looks at.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The user's employee.
    pub employee: EmployeeId,
    /// Who.
    pub person: PersonId,
    /// Tribe's side.
    pub tribe: TribeSide<'a>,
    /// Outlook's side.
    pub outlook: OutlookSide<'a>,
    /// Graph's own times say that Outlook's reading is older than the one that the link was made from.
    pub outlook_older: bool,
    /// A notification or a delta said that the contact went.
    pub told_gone: bool,
    /// The link, where there is one.
    pub link: Option<&'a Link>,
    /// What a look-up by this person's stamp found, where one was made.
    pub stamped: Option<&'a [Contact]>,
    /// Unstamped, unlinked contacts with the person's first address (first sync alone, R13).
    pub matches: &'a [Contact],
    /// Contacts of the mailbox with the contact's first address, where they were read (R16).
    pub same_address: Option<&'a [Contact]>,
    /// What a person decided for held fields: Outlook's value (true) or Tribe's.
    pub decided: &'a BTreeMap<Field, bool>,
    /// The organisation that "we" are.
    pub own_organization: Option<OrganizationId>,
    /// Policy and fingerprints.
    pub lens: Lens<'a>,
    /// Now.
    pub now_ms: i64,
}

/// A read that the planner lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The link's contact.
    Contact(ContactId),
    /// Every contact with this person's stamp.
    Stamped,
    /// Every contact with this address.
    SameAddress(String),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The rule that decided.
    pub rule: Rule,
    /// The action.
    pub next: Next,
}

/// The action of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// Read this, then plan again.
    Read(Wanted),
    /// A read was stale: plan again later.
    Wait,
    /// Create a contact.
    Create(Box<Create>),
    /// Record this link, then plan again with its contact; stamp the contact first when told.
    Relink {
        /// The link to record.
        link: Box<Link>,
        /// Put the stamp on the contact.
        stamp: bool,
    },
    /// Write, then record.
    Update(Box<Update>),
    /// Record the link; nothing is written to either side.
    Record(Box<Link>),
}

/// A contact to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// Its properties.
    pub properties: ContactPatch,
    /// The link as it is once the contact exists, its id and etag aside.
    pub link: Link,
    /// What is written, by field.
    pub decisions: Vec<Decision>,
    /// What is not.
    pub refused: Vec<Refusal>,
    /// What the answer must show.
    pub expected: BTreeMap<Field, Mark>,
}

/// Writes to either side, or a move of the base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// What is written to Outlook.
    pub patch: Option<ContactPatch>,
    /// What is written to Tribe, one for each record.
    pub tribe: Vec<TribeWrite>,
    /// What is written, by field, and why.
    pub decisions: Vec<Decision>,
    /// What does not fit.
    pub refused: Vec<Refusal>,
    /// What waits for a person.
    pub held: Vec<HeldField>,
    /// Fields that Outlook seems to have borrowed from another card (R16).
    pub borrowed: BTreeSet<Field>,
    /// How the base moves; in order.
    pub moves: Vec<Move>,
    /// The link's new mapping; in force once Outlook took the patch.
    pub mapping: NewMapping,
    /// What Outlook's answer must show, by the new mapping.
    pub expected: BTreeMap<Field, Mark>,
    /// A value is emptied on either side (R17).
    pub empties: bool,
    /// The link wakes.
    pub wakes: bool,
    /// Only a first step: once it is done the person is planned again. A slot changes hands only
    /// after what the user typed there has reached Tribe, so that a failed write loses nothing.
    pub more: bool,
}

/// The mapping of a link after an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMapping {
    /// Main relationship.
    pub relationship: RelationshipId,
    /// Its kind.
    pub kind: Kind,
    /// Who fills the shared slots.
    pub slots: Slots,
}

/// A write to one record of Tribe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TribeWrite {
    /// The relationship; `None`: the person.
    pub relationship: Option<(SetName, RelationshipId)>,
    /// The fields; `None` empties.
    pub fields: BTreeMap<Field, Option<String>>,
}

/// One field's share of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Which field.
    pub field: Field,
    /// By which rule.
    pub rule: Rule,
    /// To which side.
    pub to: Side,
    /// What stood there.
    pub before: Reading,
    /// What is written.
    pub after: Reading,
    /// The value was an edit that loses against this one.
    pub loses: bool,
}

/// A value that does not fit the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which field.
    pub field: Field,
    /// To which side it would have gone.
    pub to: Side,
    /// Why not.
    pub misfit: Misfit,
}

/// A field that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldField {
    /// Which field.
    pub field: Field,
    /// R6 or R16.
    pub rule: Rule,
    /// What Tribe shows.
    pub tribe: Reading,
    /// What Outlook shows.
    pub outlook: Reading,
}

/// How the base of one field moves, and which write must have happened for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Which field.
    pub field: Field,
    /// To these marks; `None` takes it out of the base.
    pub marks: Option<Marks>,
    /// What must have happened.
    pub needs: Needs,
    /// What stood on the written side, so that a stale read can be told.
    pub former: Option<(Side, Mark)>,
}

/// Which write a move of the base depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Needs {
    /// None.
    Nothing,
    /// The PATCH.
    Outlook,
    /// The write to that record of Tribe, by its place in [`Update::tribe`].
    Tribe(usize),
}
