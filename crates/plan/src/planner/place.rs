//! What goes to Outlook, and under which mapping.

use std::collections::BTreeMap;

use super::{
    Decision, Move, Needs, NewMapping, Refusal, emails,
    judge::{Draft, Pair},
    patch::{First, difference, put},
};
use crate::{
    base::{Mark, Marks},
    canonical::{Misfit, fits},
    contact::{Contact, ContactPatch},
    field::{Field, Holder, Side},
    ids::RelationshipId,
    link::{MobileSlot, PrivateEmailSlot, Slots},
    mapping::{PrivateSeen, View, merged_fields, mobile_field, tribe_reading, view},
    name::Parts,
    person::Kind,
    policy::Policy,
    reading::Reading,
    rule::Rule,
};

/// What the placing makes.
pub(super) struct Placed {
    pub(super) patch: Option<ContactPatch>,
    pub(super) mapping: NewMapping,
    pub(super) expected: BTreeMap<Field, Mark>,
    pub(super) more: bool,
}

/// The mapping under which a pass places.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    relationship: RelationshipId,
    mobile: MobileSlot,
    /// The fields of the relationship are placed anew.
    remaps: bool,
    /// Another field takes `mobilePhone`.
    switches_mobile: bool,
    /// The new mapping waits for the next pass.
    more: bool,
}

/// Decides whether the mapping changes in this pass. It waits until Tribe took what the user typed
/// in a slot that changes hands, until a person decided what is held there, and until a placed
/// address that became the first is out of the way.
fn frame(pair: Pair<'_>, draft: &Draft) -> Frame {
    let Pair { main, link, .. } = pair;
    let mobile = mobile_slot(pair, draft);
    let old_mobile = mobile_field(link.kind, link.slots.mobile);
    let switches_mobile = mobile_field(main.kind, mobile) != old_mobile;
    let carried = if pair.remapped {
        !draft.tribe.is_empty()
    } else {
        switches_mobile
            && draft
                .tribe
                .iter()
                .any(|write| write.fields.contains_key(&old_mobile))
    };
    let more = carried || pair.seen.private_email == PrivateSeen::FirstByRemoval;
    if more || (pair.remapped && !draft.held.is_empty()) {
        return Frame {
            kind: link.kind,
            relationship: link.relationship.unwrap_or(main.id),
            mobile: link.slots.mobile,
            remaps: false,
            switches_mobile: false,
            more,
        };
    }
    Frame {
        kind: main.kind,
        relationship: main.id,
        mobile,
        remaps: pair.remapped,
        switches_mobile,
        more,
    }
}

/// Places what goes to Outlook.
pub(super) fn place(pair: Pair<'_>, draft: &mut Draft) -> Placed {
    let Pair {
        situation,
        link,
        contact,
        ..
    } = pair;
    let lens = situation.lens;
    let frame = frame(pair, draft);
    let mut slots = Slots {
        mobile: frame.mobile,
        private_email: link.slots.private_email,
    };
    if pair.seen.private_email == PrivateSeen::Touched {
        slots.private_email = PrivateEmailSlot::Touched;
    }
    // The contact as it will stand; writes change it, and the patch is what differs.
    let mut target = contact.clone();
    let before = view(
        contact,
        frame.kind,
        Slots {
            mobile: frame.mobile,
            ..link.slots
        },
        &link.base,
        lens,
    );
    let mut written: Vec<(Field, Mark)> = Vec::new();
    for field in merged_fields(frame.kind, frame.mobile) {
        let Some(value) = write(pair, frame, &before, field, draft, &mut target) else {
            continue;
        };
        written.push((field, value));
    }
    lost(pair, frame, &written, &target, draft);
    emails::place(pair, frame, draft, &mut target, &mut slots);
    compose_names(pair, &written, &mut target, draft);

    let expected: BTreeMap<Field, Mark> = view(&target, frame.kind, slots, &link.base, lens)
        .readings
        .iter()
        .map(|(field, reading)| (*field, lens.mark(*field, reading)))
        .collect();
    for (field, tribe) in written {
        draft.moves.push(Move {
            field,
            marks: Some(Marks {
                tribe,
                outlook: expected.get(&field).copied().unwrap_or_default(),
            }),
            needs: Needs::Outlook,
            former: Some((Side::Outlook, lens.mark(field, &before.reading(field)))),
        });
    }
    if !frame.more {
        remember_rest(pair, draft, frame);
    }
    Placed {
        patch: difference(contact, &target),
        mapping: NewMapping {
            relationship: frame.relationship,
            kind: frame.kind,
            slots,
        },
        expected,
        more: frame.more,
    }
}

/// Writes one field into the contact, where it goes there; gives the mark of what was written.
fn write(
    pair: Pair<'_>,
    frame: Frame,
    before: &View,
    field: Field,
    draft: &mut Draft,
    target: &mut Contact,
) -> Option<Mark> {
    if draft.blocked.contains(&field) {
        return None;
    }
    let lens = pair.situation.lens;
    let anew = is_anew(pair, frame, field);
    let stands = before.reading(field);
    let value = merged(pair, draft, field);
    let reason = draft.to_outlook.get(&field).copied();
    let (named, (rule, loses)) = if anew {
        if !places_anew(pair, frame, field, &value, &stands, draft) {
            return None;
        }
        reason_anew(pair, frame, field, &value, draft)
    } else {
        (field, reason?)
    };
    let mark = lens.mark(field, &value);
    let first = if is_users_own(pair, field, &stands) {
        First::Keep
    } else {
        First::Replace
    };
    put(target, field, value.value(), first);
    draft.decisions.push(Decision {
        field: named,
        rule,
        to: Side::Outlook,
        before: stands,
        after: value,
        loses,
    });
    Some(mark)
}

/// Whether what stands first in a list came there as the value before it was taken away: it is a
/// further value of the user's own, whoever is the main relationship.
fn is_users_own(pair: Pair<'_>, field: Field, stands: &Reading) -> bool {
    let base = pair.link.base.get(field);
    let is_list = field.is_email() || matches!(field, Field::BusinessPhone | Field::PrivatePhone);
    is_list
        && base.tribe == Mark::Empty
        && matches!(base.outlook, Mark::Value(_))
        && pair.situation.lens.mark(field, stands) == base.outlook
}

/// Whether the slot of a field stood for something else before.
fn is_anew(pair: Pair<'_>, frame: Frame, field: Field) -> bool {
    let mobile = field == mobile_field(frame.kind, frame.mobile);
    let leaves_business = pair.link.kind.is_business() && !frame.kind.is_business();
    (frame.remaps && field.holder() != Holder::Person)
        || (frame.switches_mobile && mobile)
        || (leaves_business && field == Field::PrivateEmail)
}

/// Under which name and by which rule a slot is written anew: where it is only emptied, because the
/// field that filled it was, that field is the one that changed.
fn reason_anew(
    pair: Pair<'_>,
    frame: Frame,
    field: Field,
    value: &Reading,
    draft: &Draft,
) -> (Field, (Rule, bool)) {
    let old_mobile = mobile_field(pair.link.kind, pair.link.slots.mobile);
    let mobile = field == mobile_field(frame.kind, frame.mobile);
    match draft.to_outlook.get(&old_mobile) {
        Some(reason) if mobile && !frame.remaps && *value == Reading::Empty => {
            (old_mobile, *reason)
        }
        _ => (field, (Rule::R2, false)),
    }
}

/// What Outlook showed for a field that has no slot any more, where that was an edit which cannot
/// go to Tribe, goes into the audit when another field takes the slot.
fn lost(
    pair: Pair<'_>,
    frame: Frame,
    written: &[(Field, Mark)],
    target: &Contact,
    draft: &mut Draft,
) {
    let now = merged_fields(frame.kind, frame.mobile);
    let after = view(
        target,
        frame.kind,
        Slots {
            mobile: frame.mobile,
            ..Slots::default()
        },
        &pair.link.base,
        pair.situation.lens,
    );
    for field in merged_fields(pair.link.kind, pair.link.slots.mobile) {
        let heir = match field {
            Field::PrivateMobile | Field::BusinessMobile => mobile_field(frame.kind, frame.mobile),
            Field::PrivateEmail => Field::BusinessEmail,
            Field::BusinessEmail => Field::PrivateEmail,
            _ => continue,
        };
        let overruled = draft.to_outlook.get(&field).is_some_and(|reason| reason.1);
        let edited = overruled || draft.blocked.contains(&field);
        let noted = draft.decisions.iter().any(|decision| {
            decision.field == field && decision.to == Side::Outlook && decision.loses
        });
        let taken = written.iter().any(|(field, _)| *field == heir);
        if edited && !noted && taken && !now.contains(&field) {
            draft.lose(field, pair.seen.reading(field), after.reading(heir));
        }
    }
}

/// What Tribe shows for a field once its own writes are done.
pub(super) fn merged(pair: Pair<'_>, draft: &Draft, field: Field) -> Reading {
    match draft.merged.get(&field) {
        Some(reading) if !(pair.remapped && field.holder() != Holder::Person) => reading.clone(),
        _ => tribe_reading(
            pair.person,
            Some(pair.main),
            field,
            pair.situation.own_organization,
        ),
    }
}

/// Who fills `mobilePhone` from now on: the business mobile, or the private one while that is empty
/// and nothing else stands in the slot.
fn mobile_slot(pair: Pair<'_>, draft: &Draft) -> MobileSlot {
    if !pair.main.kind.is_business() {
        return MobileSlot::Business;
    }
    let policy = pair.situation.lens.policy;
    let owner = mobile_field(pair.link.kind, pair.link.slots.mobile);
    let current = if owner == Field::PrivateMobile {
        MobileSlot::Private
    } else {
        MobileSlot::Business
    };
    let business = merged(pair, draft, Field::BusinessMobile);
    let private = merged(pair, draft, Field::PrivateMobile);
    if draft.blocked.contains(&owner) || !business.is_readable() || !private.is_readable() {
        return current;
    }
    if business.is_filled() {
        return MobileSlot::Business;
    }
    if !private.is_filled() || !policy.direction(Field::PrivateMobile).to_outlook() {
        return MobileSlot::Business;
    }
    let free = pair.contact.mobile_phone == Reading::Empty
        || draft.to_outlook.contains_key(&owner)
        || pair.remapped;
    if current == MobileSlot::Private || free {
        MobileSlot::Private
    } else {
        MobileSlot::Business
    }
}

/// Whether a slot that stands for another field than before is written. Records the base's move
/// where it is not.
fn places_anew(
    pair: Pair<'_>,
    frame: Frame,
    field: Field,
    value: &Reading,
    stands: &Reading,
    draft: &mut Draft,
) -> bool {
    let lens = pair.situation.lens;
    let (t, o) = (lens.mark(field, value), lens.mark(field, stands));
    let leaves_business = pair.link.kind.is_business() && !frame.kind.is_business();
    let misfit = fits(field, value.value(), Side::Outlook, lens.policy).err();
    let follow = !lens.policy.direction(field).to_outlook()
        || t == Mark::Unknown
        || o == Mark::Unknown
        || t == o
        || (t == Mark::Empty && is_users_own(pair, field, stands))
        || (leaves_business && t == Mark::Empty);
    if !follow && misfit.is_none() {
        return true;
    }
    let marks = if follow {
        Marks {
            tribe: t,
            outlook: o,
        }
    } else {
        Marks::default()
    };
    draft.moves.push(Move {
        field,
        marks: Some(marks),
        needs: Needs::Outlook,
        former: None,
    });
    if let Some(misfit) = misfit.filter(|_| !follow) {
        draft.refused.push(Refusal {
            field,
            to: Side::Outlook,
            misfit,
        });
    }
    false
}

/// Composes display name and file-as anew when a name part is written.
fn compose_names(
    pair: Pair<'_>,
    written: &[(Field, Mark)],
    target: &mut Contact,
    draft: &mut Draft,
) {
    let policy = pair.situation.lens.policy;
    let renamed = written.iter().any(|(field, _)| field.is_name_part());
    if !renamed || !policy.direction(Field::DisplayName).to_outlook() {
        return;
    }
    if let Err(misfit) = compose(target, policy) {
        draft.refused.push(Refusal {
            field: Field::DisplayName,
            to: Side::Outlook,
            misfit,
        });
    }
}

/// Composes display name and file-as of a contact from its name parts; leaves both as they are
/// where the composed one is too long.
pub(super) fn compose(target: &mut Contact, policy: &Policy) -> Result<(), Misfit> {
    let parts = Parts {
        initials: target.initials.value(),
        first: target.given_name.value(),
        insertion: target.middle_name.value(),
        surname: target.surname.value(),
    };
    let composed = [parts.display_name(), parts.file_as()];
    for name in &composed {
        fits(Field::DisplayName, name.as_deref(), Side::Outlook, policy)?;
    }
    let [display_name, file_as] = composed;
    if let Some(display_name) = display_name {
        target.display_name = Reading::Value(display_name);
    }
    if let Some(file_as) = file_as {
        target.file_as = Reading::Value(file_as);
    }
    Ok(())
}

/// The base keeps Tribe's marks of fields that take part without being merged, and forgets fields
/// that no longer take part.
fn remember_rest(pair: Pair<'_>, draft: &mut Draft, frame: Frame) {
    let lens = pair.situation.lens;
    let mut kept = merged_fields(frame.kind, frame.mobile);
    let aside = [
        Field::PrivateEmail,
        Field::BusinessMobile,
        Field::PrivateMobile,
    ];
    for field in aside {
        if !frame.kind.is_business() || kept.contains(&field) {
            continue;
        }
        kept.push(field);
        let marks = Marks {
            tribe: lens.mark(field, &merged(pair, draft, field)),
            outlook: Mark::Unknown,
        };
        if pair.link.base.get(field) != marks && marks.tribe != Mark::Unknown {
            draft.moves.push(Move {
                field,
                marks: Some(marks),
                needs: Needs::Outlook,
                former: None,
            });
        }
    }
    let forgotten: Vec<Field> = pair
        .link
        .base
        .iter()
        .map(|(field, _)| field)
        .filter(|field| !kept.contains(field))
        .collect();
    for field in forgotten {
        draft.moves.push(Move {
            field,
            marks: None,
            needs: Needs::Outlook,
            former: None,
        });
    }
}
