//! From merged values to the properties of one PATCH, shared slots included.

use std::collections::BTreeMap;

use super::{Decision, Move, Needs, NewMapping, Refusal, judge::Draft, judge::Pair};
use crate::{
    base::{Mark, Marks},
    canonical::fits,
    contact::{Change, Contact, ContactPatch, EmailEntry},
    field::{Field, Holder, Side},
    link::{MobileSlot, PrivateEmailSlot, Slots},
    mapping::{EMAIL_SLOTS, PrivateSeen, merged_fields, mobile_field, tribe_reading, view},
    name::Parts,
    person::Kind,
    reading::Reading,
    rule::Rule,
};

/// What the placing makes.
pub(super) struct Placed {
    pub(super) patch: Option<ContactPatch>,
    pub(super) mapping: NewMapping,
    pub(super) expected: BTreeMap<Field, Mark>,
}

/// Places what goes to Outlook.
pub(super) fn place(pair: Pair<'_>, draft: &mut Draft) -> Placed {
    let Pair {
        situation,
        main,
        link,
        contact,
        ..
    } = pair;
    let lens = situation.lens;
    let mobile = mobile_slot(pair, draft);
    let mut slots = Slots {
        mobile,
        private_email: link.slots.private_email,
    };
    // The contact as it will stand; writes change it, and the patch is what differs.
    let mut target = contact.clone();
    if pair.seen.private_email == PrivateSeen::FirstByRemoval {
        take_email(&mut target, 0);
        slots.private_email = PrivateEmailSlot::Unplaced;
    } else if pair.seen.private_email == PrivateSeen::Touched {
        slots.private_email = PrivateEmailSlot::Touched;
    }

    let old_mobile = mobile_field(link.kind, link.slots.mobile);
    let new_mobile = mobile_field(main.kind, mobile);
    let before = view(
        contact,
        main.kind,
        Slots {
            mobile,
            ..link.slots
        },
        &link.base,
        lens,
    );
    let mut written: Vec<(Field, Mark)> = Vec::new();
    for field in merged_fields(main.kind, mobile) {
        if draft.blocked.contains(&field) {
            continue;
        }
        let anew = (pair.remapped && (field.holder() != Holder::Person || is_shared(field)))
            || (field == new_mobile && new_mobile != old_mobile);
        let stands = if anew {
            before.reading(field)
        } else {
            pair.seen.reading(field)
        };
        let value = if anew && field.holder() != Holder::Person {
            tribe_reading(pair.person, Some(main), field, situation.own_organization)
        } else {
            merged(pair, draft, field)
        };
        let (rule, loses) = if anew {
            if !places_anew(pair, field, &value, &stands, draft) {
                continue;
            }
            (Rule::R2, false)
        } else {
            match draft.to_outlook.get(&field) {
                Some(reason) => *reason,
                None => continue,
            }
        };
        put(&mut target, field, value.value());
        written.push((field, lens.mark(field, &value)));
        draft.decisions.push(Decision {
            field,
            rule,
            to: Side::Outlook,
            before: stands,
            after: value,
            loses,
        });
    }
    private_email(pair, draft, &mut target, &mut slots);
    compose_names(pair, &written, &mut target);

    let expected: BTreeMap<Field, Mark> = view(&target, main.kind, slots, &link.base, lens)
        .readings
        .iter()
        .map(|(field, reading)| (*field, lens.mark(*field, reading)))
        .collect();
    for (field, tribe) in written {
        let former = lens.mark(field, &before.reading(field));
        draft.moves.push(Move {
            field,
            marks: Some(Marks {
                tribe,
                outlook: expected.get(&field).copied().unwrap_or_default(),
            }),
            needs: Needs::Outlook,
            former: Some((Side::Outlook, former)),
        });
    }
    follow_list_shifts(pair, draft, &expected);
    remember_rest(pair, draft, main.kind, mobile);
    Placed {
        patch: difference(contact, &target),
        mapping: NewMapping {
            relationship: main.id,
            kind: main.kind,
            slots,
        },
        expected,
    }
}

fn is_shared(field: Field) -> bool {
    matches!(
        field,
        Field::PrivateEmail | Field::PrivateMobile | Field::BusinessEmail | Field::BusinessMobile
    )
}

/// What Tribe shows for a field once its own writes are done.
fn merged(pair: Pair<'_>, draft: &Draft, field: Field) -> Reading {
    match draft.merged.get(&field) {
        Some(reading) if !(pair.remapped && field.holder() == Holder::Relationship) => {
            reading.clone()
        }
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
    if draft.blocked.contains(&owner) || !business.is_readable() {
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
    field: Field,
    value: &Reading,
    stands: &Reading,
    draft: &mut Draft,
) -> bool {
    let lens = pair.situation.lens;
    let (t, o) = (lens.mark(field, value), lens.mark(field, stands));
    let leaves_business = pair.link.kind.is_business() && !pair.main.kind.is_business();
    let company_of_ours =
        field == Field::Company && !pair.main.kind.is_business() && *value == Reading::Empty;
    if company_of_ours {
        draft.moves.push(Move {
            field,
            marks: None,
            needs: Needs::Outlook,
            former: None,
        });
        return false;
    }
    let follow = !lens.policy.direction(field).to_outlook()
        || t == Mark::Unknown
        || t == o
        || (leaves_business && t == Mark::Empty);
    if follow {
        draft.moves.push(Move {
            field,
            marks: Some(Marks {
                tribe: t,
                outlook: o,
            }),
            needs: Needs::Outlook,
            former: None,
        });
        return false;
    }
    match fits(field, value.value(), Side::Outlook, lens.policy) {
        Ok(()) => true,
        Err(misfit) => {
            draft.refused.push(Refusal {
                field,
                to: Side::Outlook,
                misfit,
            });
            false
        }
    }
}

/// Writes one field into a contact; lists keep their further values.
pub(super) fn put(contact: &mut Contact, field: Field, value: Option<&str>) {
    let reading = value.map_or(Reading::Empty, |value| Reading::Value(value.to_owned()));
    match field {
        Field::Initials => contact.initials = reading,
        Field::FirstName => contact.given_name = reading,
        Field::Insertion => contact.middle_name = reading,
        Field::Surname => contact.surname = reading,
        Field::BirthDate => contact.birthday = reading,
        Field::Function => contact.job_title = reading,
        Field::Company => contact.company_name = reading,
        Field::BusinessMobile | Field::PrivateMobile => contact.mobile_phone = reading,
        Field::DisplayName => contact.display_name = reading,
        Field::BusinessPhone => put_first(&mut contact.business_phones, value),
        Field::PrivatePhone => put_first(&mut contact.home_phones, value),
        Field::BusinessEmail | Field::PrivateEmail => put_first_email(contact, value),
    }
}

fn put_first(list: &mut Option<Vec<String>>, value: Option<&str>) {
    let Some(list) = list else { return };
    match (value, list.first_mut()) {
        (Some(value), Some(first)) => value.clone_into(first),
        (Some(value), None) => list.push(value.to_owned()),
        (None, Some(_)) => {
            list.remove(0);
        }
        (None, None) => {}
    }
}

fn put_first_email(contact: &mut Contact, value: Option<&str>) {
    match value {
        None => take_email(contact, 0),
        Some(value) => {
            let Some(entries) = &mut contact.emails else {
                return;
            };
            match entries.first_mut() {
                Some(first) => readdress(first, value),
                None => entries.push(entry(value)),
            }
        }
    }
}

/// A new entry. Outlook shows the address as the name where there is none (Graph reference 2.2).
fn entry(address: &str) -> EmailEntry {
    EmailEntry {
        address: Some(address.to_owned()),
        name: Some(address.to_owned()),
    }
}

fn readdress(entry: &mut EmailEntry, address: &str) {
    if entry.name == entry.address {
        entry.name = Some(address.to_owned());
    }
    entry.address = Some(address.to_owned());
}

fn take_email(contact: &mut Contact, index: usize) {
    if let Some(entries) = &mut contact.emails
        && index < entries.len()
    {
        entries.remove(index);
    }
}

/// Keeps the private address of a contact or employee behind a filled first one, as long as the
/// user leaves it alone.
fn private_email(pair: Pair<'_>, draft: &mut Draft, target: &mut Contact, slots: &mut Slots) {
    let field = Field::PrivateEmail;
    let lens = pair.situation.lens;
    let Some(entries) = target.emails.clone() else {
        return;
    };
    let marks: Vec<Mark> = entries
        .iter()
        .map(|entry| {
            entry.address.as_ref().map_or(Mark::Unknown, |address| {
                lens.mark(field, &Reading::from_text(Some(address)))
            })
        })
        .collect();
    let placed = match slots.private_email {
        PrivateEmailSlot::Placed(fingerprint) => marks
            .iter()
            .position(|mark| *mark == Mark::Value(fingerprint)),
        PrivateEmailSlot::Unplaced | PrivateEmailSlot::Touched => None,
    };
    if !pair.main.kind.is_business() {
        // For an individual the address has the first place; the copy behind it goes.
        if let Some(index) = placed.filter(|index| *index > 0) {
            take_email(target, index);
        }
        slots.private_email = PrivateEmailSlot::Unplaced;
        return;
    }
    if pair.link.kind == Kind::Individual {
        slots.private_email = PrivateEmailSlot::Unplaced;
    }
    if let Some(0) = placed {
        // It became the first only because the first was emptied.
        take_email(target, 0);
        slots.private_email = PrivateEmailSlot::Unplaced;
        return;
    }
    let value = merged(pair, draft, field);
    let wanted = lens.mark(field, &value);
    if !lens.policy.direction(field).to_outlook() || wanted == Mark::Unknown {
        return;
    }
    let first_filled = entries.first().is_some_and(|entry| entry.address.is_some());
    let before = match (slots.private_email, placed) {
        (PrivateEmailSlot::Touched, _) => return,
        (PrivateEmailSlot::Placed(_), Some(index)) if marks.get(index) == Some(&wanted) => return,
        (PrivateEmailSlot::Placed(_), Some(index)) => Some(index),
        _ => None,
    };
    if before.is_none()
        && (!first_filled
            || entries.len() >= EMAIL_SLOTS
            || !value.is_filled()
            || marks.contains(&wanted))
    {
        return;
    }
    if let Err(misfit) = fits(field, value.value(), Side::Outlook, lens.policy) {
        draft.refused.push(Refusal {
            field,
            to: Side::Outlook,
            misfit,
        });
        return;
    }
    let stood = before.map_or(Reading::Empty, |index| {
        Reading::from_text(entries[index].address.as_deref())
    });
    let Some(list) = &mut target.emails else {
        return;
    };
    match (before, value.value()) {
        (Some(index), Some(address)) => readdress(&mut list[index], address),
        (Some(index), None) => {
            list.remove(index);
        }
        (None, Some(address)) => list.push(entry(address)),
        (None, None) => return,
    }
    slots.private_email = match wanted {
        Mark::Value(fingerprint) => PrivateEmailSlot::Placed(fingerprint),
        Mark::Empty | Mark::Unknown => PrivateEmailSlot::Unplaced,
    };
    draft.decisions.push(Decision {
        field,
        rule: Rule::R2,
        to: Side::Outlook,
        before: stood,
        after: value,
        loses: false,
    });
}

/// Composes display name and file-as anew when a name part is written.
fn compose_names(pair: Pair<'_>, written: &[(Field, Mark)], target: &mut Contact) {
    let policy = pair.situation.lens.policy;
    let renamed = written.iter().any(|(field, _)| field.is_name_part());
    if !renamed || !policy.direction(Field::DisplayName).to_outlook() {
        return;
    }
    let parts = Parts {
        initials: target.initials.value(),
        first: target.given_name.value(),
        insertion: target.middle_name.value(),
        surname: target.surname.value(),
    };
    let (display_name, file_as) = (parts.display_name(), parts.file_as());
    if let Some(display_name) = display_name {
        target.display_name = Reading::Value(display_name);
    }
    if let Some(file_as) = file_as {
        target.file_as = Reading::Value(file_as);
    }
}

/// Where a list lost its first value without a write of that field, the base follows what stands
/// first now, so that the shift is not taken for an edit.
fn follow_list_shifts(pair: Pair<'_>, draft: &mut Draft, expected: &BTreeMap<Field, Mark>) {
    if pair.seen.private_email != PrivateSeen::FirstByRemoval || pair.remapped {
        return;
    }
    let field = Field::BusinessEmail;
    let written = draft.to_outlook.contains_key(&field) || draft.blocked.contains(&field);
    if let (false, Some(mark)) = (written, expected.get(&field)) {
        let tribe = pair.situation.lens.mark(field, &merged(pair, draft, field));
        draft.moves.push(Move {
            field,
            marks: Some(Marks {
                tribe,
                outlook: *mark,
            }),
            needs: Needs::Outlook,
            former: None,
        });
    }
}

/// The base keeps Tribe's marks of fields that take part without being merged, and forgets fields
/// that no longer take part.
fn remember_rest(pair: Pair<'_>, draft: &mut Draft, kind: Kind, mobile: MobileSlot) {
    let lens = pair.situation.lens;
    let merged_now = merged_fields(kind, mobile);
    let mut kept = merged_now.clone();
    if kind.is_business() {
        for field in [
            Field::PrivateEmail,
            Field::BusinessMobile,
            Field::PrivateMobile,
        ] {
            if merged_now.contains(&field) {
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
    }
    for (field, _) in pair
        .link
        .base
        .iter()
        .filter(|(field, _)| !kept.contains(field))
    {
        draft.moves.push(Move {
            field,
            marks: None,
            needs: Needs::Outlook,
            former: None,
        });
    }
}

/// The patch that turns one contact into the other; `None` where they are the same. The display
/// name goes along with every patch, and so do initials and file-as where a name part changes,
/// since Graph composes anew what a PATCH omits (Graph reference 2.2).
pub(super) fn difference(from: &Contact, to: &Contact) -> Option<ContactPatch> {
    let mut patch = ContactPatch {
        initials: text(&from.initials, &to.initials),
        given_name: text(&from.given_name, &to.given_name),
        middle_name: text(&from.middle_name, &to.middle_name),
        surname: text(&from.surname, &to.surname),
        birthday: text(&from.birthday, &to.birthday),
        job_title: text(&from.job_title, &to.job_title),
        company_name: text(&from.company_name, &to.company_name),
        display_name: text(&from.display_name, &to.display_name),
        file_as: text(&from.file_as, &to.file_as),
        mobile_phone: text(&from.mobile_phone, &to.mobile_phone),
        emails: list(&from.emails, &to.emails),
        business_phones: list(&from.business_phones, &to.business_phones),
        home_phones: list(&from.home_phones, &to.home_phones),
    };
    if patch == ContactPatch::default() {
        return None;
    }
    let renames =
        !(patch.given_name.is_leave() && patch.middle_name.is_leave() && patch.surname.is_leave());
    send_along(&mut patch.display_name, &to.display_name);
    if renames || !patch.initials.is_leave() {
        send_along(&mut patch.file_as, &to.file_as);
        send_along(&mut patch.initials, &to.initials);
    }
    Some(patch)
}

fn send_along(change: &mut Change<String>, stands: &Reading) {
    if let (true, Reading::Value(value)) = (change.is_leave(), stands) {
        *change = Change::Set(value.clone());
    }
}

fn text(from: &Reading, to: &Reading) -> Change<String> {
    if from == to {
        return Change::Leave;
    }
    match to {
        Reading::Unreadable => Change::Leave,
        Reading::Empty => Change::Clear,
        Reading::Value(value) => Change::Set(value.clone()),
    }
}

fn list<T: Clone + PartialEq>(from: &Option<Vec<T>>, to: &Option<Vec<T>>) -> Change<Vec<T>> {
    match to {
        _ if from == to => Change::Leave,
        None => Change::Leave,
        Some(entries) if entries.is_empty() => Change::Clear,
        Some(entries) => Change::Set(entries.clone()),
    }
}
