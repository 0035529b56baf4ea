//! The link after the writes.

use super::{Create, Move, Needs, Update};
use crate::{
    base::Mark,
    contact::Contact,
    field::{Field, Side},
    ids::Etag,
    link::{Former, Link, LinkState},
    mapping::{Lens, view},
    planted::{self, Bug},
};

/// The newest of what was replaced that a link keeps: a few edits of each of its fields.
const FORMER_AT_MOST: usize = 48;

/// What became of an update's writes.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Graph's answer to the PATCH, when it took it.
    pub answer: Option<Contact>,
    /// The PATCH was not sent, or is not known to have been taken.
    pub patch_failed: bool,
    /// By place in [`Update::tribe`]: Tribe took the write.
    pub tribe: Vec<bool>,
}

/// The link as it is to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The link.
    pub link: Link,
    /// Something did not come out as planned: plan this person again.
    pub again: bool,
}

/// The link after an update. `read` is the etag of the contact that the plan was made from.
pub fn settle(
    link: &Link,
    update: &Update,
    outcome: &Outcome,
    read: Option<&Etag>,
    lens: Lens<'_>,
    now_ms: i64,
) -> Settled {
    let outlook_done = update.patch.is_none() || !outcome.patch_failed;
    let tribe_done = |index: usize| outcome.tribe.get(index).copied().unwrap_or(false);
    let mut after = link.clone();
    let mut former = kept_former(link, now_ms);
    let mut moved = false;
    for step in &update.moves {
        let done = match step.needs {
            Needs::Nothing => true,
            Needs::Outlook => outlook_done,
            Needs::Tribe(index) => tribe_done(index),
        };
        if !done {
            continue;
        }
        for left in left_behind(&after, step) {
            moved = true;
            // What was written last is the newest there, whatever stood there before.
            former.retain(|known: &Former| {
                let same = (known.side, known.field) == (left.side, left.field);
                !same || !left.own && known.mark != left.mark
            });
            former.push(left);
        }
        match step.marks {
            Some(marks) => after.base.set(step.field, marks),
            None => after.base.remove(step.field),
        }
    }
    let mut again =
        update.more || !outlook_done || (0..update.tribe.len()).any(|index| !tribe_done(index));
    if outlook_done {
        after.relationship = Some(update.mapping.relationship);
        after.kind = update.mapping.kind;
        after.slots = update.mapping.slots;
        if let LinkState::Sleeping | LinkState::Closed | LinkState::Intent = after.state {
            after.state = LinkState::Linked;
        }
    }
    after.etag = match (&update.patch, &outcome.answer) {
        _ if again => None,
        (None, _) => read.cloned(),
        (Some(_), Some(answer)) => {
            if shows(answer, &mut after, &update.expected, lens) {
                answer.etag.clone()
            } else {
                again = true;
                None
            }
        }
        (Some(_), None) => None,
    };
    if let Some(answer) = &outcome.answer {
        after.folder = answer.folder.clone().or(after.folder);
    }
    if moved {
        after.settles_at_ms = now_ms + lens.policy.settle_ms;
    }
    former.drain(..former.len().saturating_sub(FORMER_AT_MOST));
    after.former = former;
    Settled { link: after, again }
}

/// The link after a create that Graph answered.
pub fn created(create: &Create, answer: &Contact, lens: Lens<'_>, now_ms: i64) -> Settled {
    let mut link = create.link.clone();
    link.contact = Some(answer.id.clone());
    link.folder.clone_from(&answer.folder);
    link.settles_at_ms = now_ms + lens.policy.settle_ms;
    let as_planned = shows(answer, &mut link, &create.expected, lens);
    link.etag = answer.etag.clone().filter(|_| as_planned);
    Settled {
        link,
        again: !as_planned,
    }
}

/// Whether an answer shows every mapped field as planned. Initials that Outlook derived where none
/// were given go into the base: nobody typed them (Graph reference 2.2).
fn shows(
    answer: &Contact,
    link: &mut Link,
    expected: &std::collections::BTreeMap<Field, Mark>,
    lens: Lens<'_>,
) -> bool {
    let seen = view(answer, link.kind, link.slots, &link.base, lens);
    let mut all = true;
    for (field, planned) in expected {
        let shown = lens.mark(*field, &seen.reading(*field));
        if shown == *planned || *planned == Mark::Unknown || planted::is(Bug::AnswerNotChecked) {
            continue;
        }
        if *field == Field::Initials && *planned == Mark::Empty && shown != Mark::Unknown {
            link.base.set_side(Field::Initials, Side::Outlook, shown);
            continue;
        }
        all = false;
    }
    all
}

/// What a move leaves behind: what the own write replaced, and what stood in Outlook before an edit that was
/// taken over, since a read that is stale by two versions shows that.
fn left_behind(link: &Link, step: &Move) -> Vec<Former> {
    let left = |side, mark, own| Former {
        side,
        field: step.field,
        mark,
        own,
    };
    let mut all = Vec::new();
    let written = step.former.map(|(side, mark)| left(side, mark, true));
    let before = link.base.get(step.field).outlook;
    let now = step.marks.unwrap_or_default().outlook;
    let is_written = written.is_some_and(|written| written.side == Side::Outlook);
    if !is_written && before != Mark::Unknown && before != now {
        all.push(left(Side::Outlook, before, false));
    }
    all.extend(written);
    all
}

/// What earlier writes replaced, as long as they have not settled.
fn kept_former(link: &Link, now_ms: i64) -> Vec<Former> {
    if now_ms < link.settles_at_ms {
        link.former.clone()
    } else {
        Vec::new()
    }
}
