//! A new contact.

use std::collections::BTreeMap;

use super::{
    Create, Decision, Refusal, Situation,
    life::tribe_marks,
    patch::{First, difference, put},
    place::compose,
};
use crate::{
    base::{Base, Mark, Marks},
    canonical::fits,
    contact::{Contact, EmailEntry},
    field::{Field, Side},
    ids::ContactId,
    link::{Link, LinkState, MobileSlot, PrivateEmailSlot, Slots},
    mapping::{merged_fields, tribe_reading, view},
    person::{Person, Relationship},
    reading::Reading,
    rule::Rule,
};

/// Plans a new contact for a person.
pub(super) fn create(
    situation: &Situation<'_>,
    person: &Person,
    main: &Relationship,
    rule: Rule,
) -> Create {
    let lens = situation.lens;
    let read = |field| tribe_reading(person, Some(main), field, situation.own_organization);
    let goes = |field| lens.policy.direction(field).to_outlook();
    let mut slots = Slots::default();
    if main.kind.is_business()
        && read(Field::BusinessMobile) == Reading::Empty
        && read(Field::PrivateMobile).is_filled()
        && goes(Field::PrivateMobile)
    {
        slots.mobile = MobileSlot::Private;
    }
    let blank = empty_contact();
    let mut target = blank.clone();
    let mut decisions = Vec::new();
    let mut refused = Vec::new();
    let mut write = |target: &mut Contact, field: Field, value: &Reading| -> bool {
        if !value.is_filled() || !goes(field) {
            return false;
        }
        if let Err(misfit) = fits(field, value.value(), Side::Outlook, lens.policy) {
            refused.push(Refusal {
                field,
                to: Side::Outlook,
                misfit,
            });
            return false;
        }
        if field != Field::PrivateEmail || !main.kind.is_business() {
            put(target, field, value.value(), First::Replace);
        }
        decisions.push(Decision {
            field,
            rule,
            to: Side::Outlook,
            before: Reading::Empty,
            after: value.clone(),
            loses: false,
        });
        true
    };
    let merged = merged_fields(main.kind, slots.mobile);
    for field in &merged {
        write(&mut target, *field, &read(*field));
    }
    let private = read(Field::PrivateEmail);
    if main.kind.is_business()
        && let Some(entries) = target.emails.clone()
        && let (Some(first), Some(address)) = (entries.first(), private.value())
        && let Mark::Value(fingerprint) = lens.mark(Field::PrivateEmail, &private)
    {
        let first = Reading::from_text(first.address.as_deref());
        let same = lens.mark(Field::PrivateEmail, &first) == Mark::Value(fingerprint);
        if !same && write(&mut target, Field::PrivateEmail, &private) {
            let mut entries = entries;
            entries.push(EmailEntry {
                address: Some(address.to_owned()),
                name: Some(address.to_owned()),
            });
            target.emails = Some(entries);
            slots.private_email = PrivateEmailSlot::Placed(fingerprint);
        }
    }
    if goes(Field::DisplayName)
        && let Err(misfit) = compose(&mut target, lens.policy)
    {
        refused.push(Refusal {
            field: Field::DisplayName,
            to: Side::Outlook,
            misfit,
        });
    }
    let expected: BTreeMap<Field, Mark> = view(&target, main.kind, slots, &Base::default(), lens)
        .readings
        .iter()
        .map(|(field, reading)| (*field, lens.mark(*field, reading)))
        .collect();
    let mut base = Base::default();
    for (field, tribe) in tribe_marks(situation, person, Some(main)) {
        base.set(
            field,
            Marks {
                tribe,
                outlook: Mark::Unknown,
            },
        );
    }
    for field in &merged {
        let is_refused = refused.iter().any(|refusal| refusal.field == *field);
        let tribe = if is_refused {
            Mark::Unknown
        } else {
            lens.mark(*field, &read(*field))
        };
        let outlook = expected.get(field).copied().unwrap_or_default();
        base.set(*field, Marks { tribe, outlook });
    }
    Create {
        properties: difference(&blank, &target).unwrap_or_default(),
        link: Link {
            state: LinkState::Linked,
            relationship: Some(main.id),
            base,
            slots,
            ..Link::intent(main.kind)
        },
        decisions,
        refused,
        expected,
    }
}

fn empty_contact() -> Contact {
    Contact {
        initials: Reading::Empty,
        given_name: Reading::Empty,
        middle_name: Reading::Empty,
        surname: Reading::Empty,
        birthday: Reading::Empty,
        job_title: Reading::Empty,
        company_name: Reading::Empty,
        display_name: Reading::Empty,
        file_as: Reading::Empty,
        mobile_phone: Reading::Empty,
        emails: Some(Vec::new()),
        business_phones: Some(Vec::new()),
        home_phones: Some(Vec::new()),
        ..Contact::unread(ContactId(String::new()))
    }
}
