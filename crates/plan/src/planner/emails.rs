//! The private address of a contact or employee, behind a filled first one.

use super::{
    Decision, Move, Needs, Refusal,
    judge::{Draft, Pair},
    patch::{entry, readdress, take_email},
    place::{Frame, merged},
};
use crate::{
    base::{Mark, Marks},
    canonical::fits,
    contact::{Contact, EmailEntry},
    field::{Field, Side},
    link::{PrivateEmailSlot, Slots},
    mapping::{EMAIL_SLOTS, PrivateSeen},
    person::Kind,
    reading::Reading,
    rule::Rule,
};

/// Keeps the private address behind a filled first one, as long as the user leaves it alone.
pub(super) fn place(
    pair: Pair<'_>,
    frame: Frame,
    draft: &mut Draft,
    target: &mut Contact,
    slots: &mut Slots,
) {
    if target.emails.is_none() || pair.seen.private_email == PrivateSeen::Unreadable {
        return;
    }
    if !frame.kind.is_business() {
        // For an individual the address has the first place; the copy behind it goes.
        if let Some(index) = placed(pair, target, *slots, 1) {
            take_email(target, index);
        }
        slots.private_email = PrivateEmailSlot::Unplaced;
        return;
    }
    if pair.link.kind == Kind::Individual {
        slots.private_email = PrivateEmailSlot::Unplaced;
    }
    let taken = take_first(pair, draft, target, slots);
    let stood = maintain(pair, draft, target, slots);
    match (taken, stood) {
        (Some(before), None) => decide(draft, before, Reading::Empty),
        (Some(before), Some((_, after))) if before != after => decide(draft, before, after),
        (None, Some((before, after))) => decide(draft, before, after),
        (Some(_), Some(_)) | (None, None) => {}
    }
}

/// A placed address that became the first, only because the first was emptied or took its value,
/// is taken out.
fn take_first(
    pair: Pair<'_>,
    draft: &mut Draft,
    target: &mut Contact,
    slots: &mut Slots,
) -> Option<Reading> {
    let is_first = |contact| placed(pair, contact, *slots, 0) == Some(0);
    // Typed there by the user, and not overruled by this pass.
    let is_users = is_first(pair.contact)
        && matches!(pair.seen.private_email, PrivateSeen::InPlace(_))
        && target.emails == pair.contact.emails;
    if !is_first(target) || is_users {
        return None;
    }
    let before = address(target, 0);
    let copy = placed(pair, target, *slots, 1);
    take_email(target, copy.unwrap_or(0));
    slots.private_email = PrivateEmailSlot::Unplaced;
    if pair.seen.private_email == PrivateSeen::FirstByRemoval {
        // The base of the business address does not move; a stale read of this is to be told.
        let field = Field::BusinessEmail;
        draft.moves.push(Move {
            field,
            marks: Some(pair.link.base.get(field)),
            needs: Needs::Outlook,
            former: Some((Side::Outlook, pair.situation.lens.mark(field, &before))),
        });
    }
    Some(before)
}

/// Brings what is placed to what Tribe shows; tells what stood there and what stands there now.
fn maintain(
    pair: Pair<'_>,
    draft: &mut Draft,
    target: &mut Contact,
    slots: &mut Slots,
) -> Option<(Reading, Reading)> {
    let field = Field::PrivateEmail;
    let lens = pair.situation.lens;
    let value = merged(pair, draft, field);
    let wanted = lens.mark(field, &value);
    let is_off = !lens.policy.direction(field).to_outlook();
    if is_off || wanted == Mark::Unknown || slots.private_email == PrivateEmailSlot::Touched {
        return None;
    }
    let marks: Vec<Mark> = marks(pair, target);
    let index = placed(pair, target, *slots, 1);
    if index.is_some_and(|index| marks.get(index) == Some(&wanted)) {
        return None;
    }
    let first_filled = matches!(marks.first(), Some(Mark::Value(_)));
    let has_room = index.is_some() || (first_filled && marks.len() < EMAIL_SLOTS);
    let placing = wanted != Mark::Empty && !marks.contains(&wanted) && has_room;
    if index.is_none() && !placing {
        return None;
    }
    if placing && let Err(misfit) = fits(field, value.value(), Side::Outlook, lens.policy) {
        draft.refused.push(Refusal {
            field,
            to: Side::Outlook,
            misfit,
        });
        return None;
    }
    let before = index.map_or(Reading::Empty, |index| address(target, index));
    let list = target.emails.as_mut()?;
    match (index, value.value().filter(|_| placing)) {
        (Some(index), Some(address)) => readdress(list.get_mut(index)?, address),
        (Some(index), None) => {
            list.remove(index);
        }
        (None, Some(address)) => list.push(entry(address)),
        (None, None) => return None,
    }
    slots.private_email = match wanted {
        Mark::Value(fingerprint) if placing => PrivateEmailSlot::Placed(fingerprint),
        _ => PrivateEmailSlot::Unplaced,
    };
    draft.moves.push(Move {
        field,
        marks: Some(Marks {
            tribe: wanted,
            outlook: Mark::Unknown,
        }),
        needs: Needs::Outlook,
        former: Some((Side::Outlook, lens.mark(field, &before))),
    });
    let after = if placing { value } else { Reading::Empty };
    Some((before, after))
}

/// Whether a read of Outlook may still show the list as it was before the last placing, of which
/// `former` is what stood there.
pub(super) fn is_stale(pair: Pair<'_>, former: Mark) -> bool {
    let PrivateEmailSlot::Placed(fingerprint) = pair.link.slots.private_email else {
        return false;
    };
    let marks = marks(pair, pair.contact);
    pair.seen.private_email == PrivateSeen::Touched
        && !marks.contains(&Mark::Value(fingerprint))
        && (former == Mark::Empty || marks.iter().skip(1).any(|mark| *mark == former))
}

fn decide(draft: &mut Draft, before: Reading, after: Reading) {
    draft.decisions.push(Decision {
        field: Field::PrivateEmail,
        rule: Rule::R2,
        to: Side::Outlook,
        before,
        after,
        loses: false,
    });
}

fn address(contact: &Contact, index: usize) -> Reading {
    let entry: Option<&EmailEntry> = contact.emails.iter().flatten().nth(index);
    Reading::from_text(entry.and_then(|entry| entry.address.as_deref()))
}

fn marks(pair: Pair<'_>, contact: &Contact) -> Vec<Mark> {
    contact
        .emails
        .iter()
        .flatten()
        .map(|entry| match &entry.address {
            None => Mark::Unknown,
            Some(address) => pair
                .situation
                .lens
                .mark(Field::PrivateEmail, &Reading::from_text(Some(address))),
        })
        .collect()
}

/// Where the placed address stands, from that index on.
fn placed(pair: Pair<'_>, contact: &Contact, slots: Slots, from: usize) -> Option<usize> {
    let PrivateEmailSlot::Placed(fingerprint) = slots.private_email else {
        return None;
    };
    marks(pair, contact)
        .iter()
        .enumerate()
        .skip(from)
        .find(|(_, mark)| **mark == Mark::Value(fingerprint))
        .map(|(index, _)| index)
}
