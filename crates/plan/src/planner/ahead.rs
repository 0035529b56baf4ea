//! What a pass was about to write, kept durably before its first write leaves, so that whoever finds it
//! unfinished can tell the service's own write from somebody's edit.
//!
//! Without it a write whose record was lost looks like an edit of the written side: the next edit of
//! the same field on the other side would meet R6 although one person typed both, and the audit line
//! of a value that R6 lost would be missing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Decision, Move, Needs, NewMapping, TribeWrite, Update, initials, settle::Outcome};
use crate::{
    base::Mark,
    contact::{Contact, ContactPatch},
    field::{Field, Side},
    ids::Etag,
    link::{Link, PrivateEmailSlot},
    mapping::{Lens, PrivateSeen, first_address, view},
    person::Person,
    reading::Reading,
};

/// The part of an [`Update`] that says what was to be written and what the link was to become.
///
/// Holds values of people: it rests sealed alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteAhead {
    /// A PATCH goes to Outlook.
    patches: bool,
    tribe: Vec<TribeWrite>,
    decisions: Vec<Decision>,
    /// R16 was passed over, with a flag.
    borrowed: BTreeSet<Field>,
    moves: Vec<Move>,
    mapping: NewMapping,
    expected: BTreeMap<Field, Mark>,
    empties: bool,
    wakes: bool,
    more: bool,
    /// The etag of the contact that the plan was made from.
    read: Option<Etag>,
}

/// Whether a field still shows what stood there before a write that would have changed it.
///
/// A write is taken as a whole or not at all, so one such field says that it was not. Where no field
/// does, a PATCH was taken; or each of its fields was edited since, and then an edit of what the
/// write brought is the likelier story: it must not meet R6 with the very value that it replaced. Tribe
/// shows many people's edits, so there a write that left no trace counts as not taken: what stands there
/// meets the value that was to be written by R6, and the loser is told.
fn is_old(shown: Mark, planned: Mark, former: Mark) -> bool {
    planned != former && shown == former
}

impl WriteAhead {
    /// What an update is about to write; `None` where it writes nothing.
    pub fn of(update: &Update, read: Option<&Etag>) -> Option<WriteAhead> {
        if update.patch.is_none() && update.tribe.is_empty() {
            return None;
        }
        Some(WriteAhead {
            patches: update.patch.is_some(),
            tribe: update.tribe.clone(),
            decisions: update.decisions.clone(),
            borrowed: update.borrowed.clone(),
            moves: update.moves.clone(),
            mapping: update.mapping,
            expected: update.expected.clone(),
            empties: update.empties,
            wakes: update.wakes,
            more: update.more,
            read: read.cloned(),
        })
    }

    /// The update as far as its record needs it: the PATCH is there or not, without its properties.
    pub fn into_update(self) -> Update {
        Update {
            patch: self.patches.then(ContactPatch::default),
            tribe: self.tribe,
            decisions: self.decisions,
            refused: Vec::new(),
            held: Vec::new(),
            borrowed: self.borrowed,
            moves: self.moves,
            mapping: self.mapping,
            expected: self.expected,
            empties: self.empties,
            wakes: self.wakes,
            more: self.more,
        }
    }

    /// What became of the writes, judged by what both sides show now. A side that is gone took them:
    /// of what is lost with it, the audit is to tell rather too much than too little.
    pub fn outcome(
        &self,
        link: &Link,
        person: Option<&Person>,
        contact: Option<&Contact>,
        lens: Lens<'_>,
    ) -> Outcome {
        Outcome {
            answer: None,
            patch_failed: self.patches
                && contact.is_some_and(|contact| !self.patched(link, contact, lens)),
            tribe: (0..self.tribe.len())
                .map(|index| person.is_none_or(|person| self.wrote(index, person, lens)))
                .collect(),
        }
    }

    fn patched(&self, link: &Link, contact: &Contact, lens: Lens<'_>) -> bool {
        // An unchanged etag: nobody wrote anything.
        if contact.etag.is_some() && contact.etag == self.read {
            return false;
        }
        let mapping = self.mapping;
        let seen = view(contact, mapping.kind, mapping.slots, &link.base, lens);
        let to_outlook = self
            .moves
            .iter()
            .filter(|step| step.needs == Needs::Outlook);
        !to_outlook.into_iter().any(|step| {
            let Some((Side::Outlook, former)) = step.former else {
                return false;
            };
            if step.field == Field::PrivateEmail && mapping.kind.is_business() {
                return self.lacks_placed(seen.private_email, former);
            }
            let shown = if step.field.is_email() {
                lens.mark(step.field, &first_address(contact))
            } else {
                lens.mark(step.field, &seen.reading(step.field))
            };
            let planned = self.expected.get(&step.field).copied();
            let planned = planned.unwrap_or_default();
            // Over initials that somebody gave, Outlook derives none (Graph reference 2.2).
            let derived = step.field == Field::Initials
                && matches!(planned, Mark::Value(_))
                && shown != planned
                && initials::shows_derived(contact);
            derived || is_old(shown, planned, former)
        })
    }

    /// Whether the private address does not stand where it was to be placed behind the first one.
    fn lacks_placed(&self, seen: PrivateSeen, former: Mark) -> bool {
        match self.mapping.slots.private_email {
            PrivateEmailSlot::Placed(fingerprint) => {
                seen == PrivateSeen::Touched && former != Mark::Value(fingerprint)
            }
            PrivateEmailSlot::Unplaced | PrivateEmailSlot::Touched => false,
        }
    }

    fn wrote(&self, index: usize, person: &Person, lens: Lens<'_>) -> bool {
        let Some(write) = self.tribe.get(index) else {
            return false;
        };
        let relationship = match &write.relationship {
            None => None,
            Some((_, id)) => match person.relationship(*id) {
                Some(relationship) => Some(relationship),
                None => return true,
            },
        };
        let mut traces = Vec::new();
        for (field, value) in &write.fields {
            let step = self.moves.iter().find(|step| {
                step.field == *field && step.needs == Needs::Tribe(index) && step.former.is_some()
            });
            let Some((_, former)) = step.and_then(|step| step.former) else {
                continue;
            };
            let planned = lens.mark(*field, &Reading::from_text(value.as_deref()));
            let shown = lens.mark(*field, &person.reading(*field, relationship));
            if is_old(shown, planned, former) {
                return false;
            }
            traces.push(shown == planned);
        }
        traces.is_empty() || traces.contains(&true)
    }
}
