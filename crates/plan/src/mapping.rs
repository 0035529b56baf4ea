//! Lays a contact over the card: which Outlook slot stands for which field.
//!
//! Names, date of birth and private phone have a slot of their own. Two slots are shared:
//! `mobilePhone` and the first of `emailAddresses` stand for the business values of a contact or
//! employee and for the private ones of an individual; `mobilePhone` also for a contact's private
//! mobile while the business one is empty. The link remembers who fills them ([`Slots`]).

use std::collections::BTreeMap;

use crate::{
    base::{Base, Fingerprints, Mark},
    canonical,
    contact::{Contact, EmailEntry},
    field::Field,
    ids::OrganizationId,
    link::{MobileSlot, PrivateEmailSlot, Slots},
    person::{Kind, Person, Relationship},
    policy::Policy,
    reading::Reading,
};

/// How many e-mail slots a contact has (Graph reference 2.2).
pub const EMAIL_SLOTS: usize = 3;

/// What is needed to compare values.
#[derive(Clone, Copy)]
pub struct Lens<'a> {
    /// The administrator's choices.
    pub policy: &'a Policy,
    /// The link's fingerprints.
    pub fingerprints: &'a dyn Fingerprints,
}

impl Lens<'_> {
    /// The mark of a reading.
    pub fn mark(&self, field: Field, reading: &Reading) -> Mark {
        canonical::mark(field, reading, self.policy, self.fingerprints)
    }

    /// The mark of an address in `emailAddresses`.
    fn address(&self, entry: &EmailEntry) -> Mark {
        match &entry.address {
            None => Mark::Unknown,
            Some(address) => self.mark(Field::PrivateEmail, &Reading::from_text(Some(address))),
        }
    }
}

/// The field that `mobilePhone` stands for.
pub fn mobile_field(kind: Kind, slot: MobileSlot) -> Field {
    match (kind, slot) {
        (Kind::Individual, _) | (_, MobileSlot::Private) => Field::PrivateMobile,
        (_, MobileSlot::Business) => Field::BusinessMobile,
    }
}

/// The fields that are merged for a relationship of that kind. The private e-mail of a contact or
/// employee is placed, not merged.
pub fn merged_fields(kind: Kind, slot: MobileSlot) -> Vec<Field> {
    let mut fields = vec![
        Field::Initials,
        Field::FirstName,
        Field::Insertion,
        Field::Surname,
        Field::BirthDate,
        Field::PrivatePhone,
        Field::Company,
    ];
    if kind.is_business() {
        fields.extend([Field::BusinessEmail, Field::Function, Field::BusinessPhone]);
    } else {
        fields.push(Field::PrivateEmail);
    }
    fields.push(mobile_field(kind, slot));
    fields.sort_unstable();
    fields
}

/// What Tribe shows for a field, seen from one relationship. The company of an individual is its
/// parent organisation unless that is the CRM's own: "our customer" is not somebody's employer.
pub fn tribe_reading(
    person: &Person,
    relationship: Option<&Relationship>,
    field: Field,
    own_organization: Option<OrganizationId>,
) -> Reading {
    if field != Field::Company {
        return person.reading(field, relationship);
    }
    let Some(relationship) = relationship else {
        return Reading::Unreadable;
    };
    match &relationship.organization {
        None => Reading::Empty,
        Some((id, _)) if relationship.kind == Kind::Individual && own_organization == Some(*id) => {
            Reading::Empty
        }
        Some((_, name)) => name.clone(),
    }
}

/// Where the private address of a contact or employee stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateSeen {
    /// The link placed none.
    Unplaced,
    /// Where the link placed it: at this index of `emailAddresses`.
    InPlace(usize),
    /// It became the first because the first was emptied: it does not count as a business address.
    FirstByRemoval,
    /// The user changed, moved or removed it.
    Touched,
    /// `emailAddresses` could not be read.
    Unreadable,
}

/// A contact seen as a card.
#[derive(Clone, Debug)]
pub struct View {
    /// The merged fields of the mapping.
    pub readings: BTreeMap<Field, Reading>,
    /// Where the placed private address is.
    pub private_email: PrivateSeen,
}

impl View {
    /// What a field reads as; unreadable where the mapping has no such field.
    pub fn reading(&self, field: Field) -> Reading {
        self.readings.get(&field).cloned().unwrap_or_default()
    }
}

/// Sees a contact as a card under one mapping.
pub fn view(contact: &Contact, kind: Kind, slots: Slots, base: &Base, lens: Lens<'_>) -> View {
    let private_email = private_seen(contact, kind, slots, base, lens);
    let first_email = match private_email {
        PrivateSeen::FirstByRemoval => Reading::Empty,
        _ => first_address(contact),
    };
    let readings = merged_fields(kind, slots.mobile)
        .into_iter()
        .map(|field| {
            let reading = match field {
                Field::Initials => contact.initials.clone(),
                Field::FirstName => contact.given_name.clone(),
                Field::Insertion => contact.middle_name.clone(),
                Field::Surname => contact.surname.clone(),
                Field::BirthDate => contact.birthday.clone(),
                Field::BusinessEmail | Field::PrivateEmail => first_email.clone(),
                Field::Function => contact.job_title.clone(),
                Field::BusinessPhone => first(&contact.business_phones),
                Field::PrivatePhone => first(&contact.home_phones),
                Field::BusinessMobile | Field::PrivateMobile => contact.mobile_phone.clone(),
                Field::Company => contact.company_name.clone(),
                Field::DisplayName => contact.display_name.clone(),
            };
            (field, reading)
        })
        .collect();
    View {
        readings,
        private_email,
    }
}

/// The first address of a contact.
pub fn first_address(contact: &Contact) -> Reading {
    match &contact.emails {
        None => Reading::Unreadable,
        Some(entries) => match entries.first() {
            None => Reading::Empty,
            Some(EmailEntry { address: None, .. }) => Reading::Unreadable,
            Some(EmailEntry {
                address: Some(address),
                ..
            }) => Reading::from_text(Some(address)),
        },
    }
}

fn first(list: &Option<Vec<String>>) -> Reading {
    match list {
        None => Reading::Unreadable,
        Some(list) => Reading::from_text(list.first().map(String::as_str)),
    }
}

fn private_seen(
    contact: &Contact,
    kind: Kind,
    slots: Slots,
    base: &Base,
    lens: Lens<'_>,
) -> PrivateSeen {
    if !kind.is_business() {
        return PrivateSeen::Unplaced;
    }
    let placed = match slots.private_email {
        PrivateEmailSlot::Unplaced => return PrivateSeen::Unplaced,
        PrivateEmailSlot::Touched => return PrivateSeen::Touched,
        PrivateEmailSlot::Placed(fingerprint) => Mark::Value(fingerprint),
    };
    let Some(entries) = &contact.emails else {
        return PrivateSeen::Unreadable;
    };
    let marks: Vec<Mark> = entries.iter().map(|entry| lens.address(entry)).collect();
    if let Some(index) = marks.iter().skip(1).position(|mark| *mark == placed) {
        return PrivateSeen::InPlace(index + 1);
    }
    if marks.first() != Some(&placed) {
        // An entry without address may be the one (R18).
        return if marks.contains(&Mark::Unknown) {
            PrivateSeen::Unreadable
        } else {
            PrivateSeen::Touched
        };
    }
    let former_first = base.get(Field::BusinessEmail).outlook;
    let business = |entry: &EmailEntry| match &entry.address {
        None => Mark::Unknown,
        Some(address) => lens.mark(Field::BusinessEmail, &Reading::from_text(Some(address))),
    };
    if matches!(former_first, Mark::Value(_))
        && !entries.iter().any(|entry| business(entry) == former_first)
    {
        PrivateSeen::FirstByRemoval
    } else {
        PrivateSeen::Touched
    }
}
