//! What people do on both sides, at random.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tribelink_plan::{
    canonical::canonical, contact::Contact, field::Field, person::Kind, reading::Reading,
};

use crate::model::{World, relationship, value};
use crate::outlook::entry;

const NAMES: [&str; 5] = ["Anna", "Bo", "de Vries", "Çelik", "Jan"];
const EMAILS: [&str; 5] = [
    "a@one.example",
    "b@two.example",
    "c@three.example",
    "jan@acme.example",
    "jan@home.example",
];
const PHONES: [&str; 5] = [
    "+31201111111",
    "+31202222222",
    "+31612345678",
    "+31687654321",
    "+31203333333",
];
const DATES: [&str; 3] = ["1980-10-15", "1975-01-01", "2000-02-29"];

/// What somebody does.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    /// Types a value in Tribe; `None` empties.
    Tribe(Field, Option<usize>),
    /// Types a value in a slot of Outlook.
    Outlook(Field, Option<usize>),
    FirstEmail(Option<usize>),
    PushesFirstEmailBack(usize),
    SwapsEmails,
    DropsEmail(usize),
    EditsSecondEmail(usize),
    AddsEmail(usize),
    AddsPhone(usize),
    SwapsBusinessAndHomePhone,
    SwapsMobileAndBusinessPhone,
    SwapsPhonesInTribe,
    DisplayName,
    /// There and back again on one side.
    AbaOutlook(usize),
    AbaTribe(usize),
    TakesJob(Kind),
    LeavesJob(usize),
    DeletesJob(usize),
    LosesOwner,
    GetsOwner,
    /// A birthday without year.
    DropsTheYear,
    /// Values that do not fit the other side.
    InvalidEmailInOutlook,
    TooLongInTribe(Field),
    EmptiesSurname,
}

fn field() -> impl Strategy<Value = Field> {
    prop::sample::select(Field::ALL[..12].to_vec())
}

fn pick() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![4 => (0usize..5).prop_map(Some), 1 => Just(None)]
}

pub(crate) fn edit(structure: bool) -> impl Strategy<Value = Edit> {
    let values = prop_oneof![
        8 => (field(), pick()).prop_map(|(field, pick)| Edit::Tribe(field, pick)),
        8 => (field(), pick()).prop_map(|(field, pick)| Edit::Outlook(field, pick)),
        2 => pick().prop_map(Edit::FirstEmail),
        1 => (0usize..5).prop_map(Edit::PushesFirstEmailBack),
        2 => Just(Edit::SwapsEmails),
        2 => (0usize..3).prop_map(Edit::DropsEmail),
        1 => (0usize..5).prop_map(Edit::EditsSecondEmail),
        1 => (0usize..5).prop_map(Edit::AddsEmail),
        1 => (0usize..5).prop_map(Edit::AddsPhone),
        1 => Just(Edit::SwapsBusinessAndHomePhone),
        1 => Just(Edit::SwapsMobileAndBusinessPhone),
        1 => Just(Edit::SwapsPhonesInTribe),
        1 => Just(Edit::DisplayName),
        1 => (0usize..5).prop_map(Edit::AbaOutlook),
        1 => (0usize..5).prop_map(Edit::AbaTribe),
    ];
    let changes = prop_oneof![
        prop::sample::select(vec![Kind::Contact, Kind::Employee, Kind::Individual])
            .prop_map(Edit::TakesJob),
        (0usize..3).prop_map(Edit::LeavesJob),
        (0usize..3).prop_map(Edit::DeletesJob),
        Just(Edit::LosesOwner),
        Just(Edit::GetsOwner),
        Just(Edit::DropsTheYear),
        Just(Edit::InvalidEmailInOutlook),
        field().prop_map(Edit::TooLongInTribe),
        Just(Edit::EmptiesSurname),
    ];
    if structure {
        prop_oneof![5 => values, 1 => changes].boxed()
    } else {
        values.boxed()
    }
}

fn text_for(field: Field, pick: usize) -> &'static str {
    match field {
        _ if field.is_email() => EMAILS[pick % EMAILS.len()],
        _ if field.is_phone() => PHONES[pick % PHONES.len()],
        Field::BirthDate => DATES[pick % DATES.len()],
        _ => NAMES[pick % NAMES.len()],
    }
}

fn slot(contact: &mut Contact, field: Field, reading: Reading) {
    let set_first = |list: &mut Option<Vec<String>>| {
        let list = list.as_mut().unwrap();
        match (reading.value(), list.is_empty()) {
            (Some(text), true) => list.push(text.to_owned()),
            (Some(text), false) => text.clone_into(&mut list[0]),
            (None, false) => drop(list.remove(0)),
            (None, true) => {}
        }
    };
    match field {
        Field::Initials => contact.initials = reading,
        Field::FirstName => contact.given_name = reading,
        Field::Insertion => contact.middle_name = reading,
        Field::Surname if reading == Reading::Empty => {}
        Field::Surname => contact.surname = reading,
        Field::BirthDate => contact.birthday = reading,
        Field::Function => contact.job_title = reading,
        Field::BusinessMobile | Field::PrivateMobile => contact.mobile_phone = reading,
        Field::BusinessPhone => set_first(&mut contact.business_phones),
        Field::PrivatePhone => set_first(&mut contact.home_phones),
        Field::BusinessEmail => first_email(contact, reading.value()),
        Field::PrivateEmail => {}
        Field::Company => contact.company_name = reading,
        Field::DisplayName => contact.display_name = reading,
    }
}

fn first_email(contact: &mut Contact, address: Option<&str>) {
    let list = contact.emails.as_mut().unwrap();
    match (address, list.is_empty()) {
        (Some(address), true) => list.push(entry(address)),
        (Some(address), false) => list[0] = entry(address),
        (None, false) => drop(list.remove(0)),
        (None, true) => {}
    }
}

pub(crate) fn act(world: &mut World, edit: &Edit, typed: &mut BTreeSet<String>, jobs: &mut u128) {
    let mut types = |field: Field, pick: usize| {
        let text = text_for(field, pick);
        typed.insert(canonical(field, text, "NL"));
        text
    };
    match *edit {
        Edit::Tribe(Field::Surname, None) => {}
        Edit::Tribe(field, pick) => {
            let text = pick.map_or("", |pick| types(field, pick));
            let main = world.main();
            if main.fields.contains_key(&field) || world.person().fields.contains_key(&field) {
                world.tribe(field, text);
            }
        }
        Edit::Outlook(field, pick) => {
            let text = pick.map_or("", |pick| types(field, pick));
            slot(world.contact(), field, value(text));
        }
        Edit::FirstEmail(pick) => {
            let text = pick.map(|pick| types(Field::BusinessEmail, pick));
            first_email(world.contact(), text);
        }
        Edit::PushesFirstEmailBack(pick) => {
            let text = types(Field::BusinessEmail, pick);
            let list = world.contact().emails.as_mut().unwrap();
            if list.len() < 3 {
                list.insert(0, entry(text));
            }
        }
        Edit::SwapsEmails => {
            let list = world.contact().emails.as_mut().unwrap();
            if list.len() > 1 {
                list.swap(0, 1);
            }
        }
        Edit::DropsEmail(index) => {
            let list = world.contact().emails.as_mut().unwrap();
            if index < list.len() {
                list.remove(index);
            }
        }
        Edit::EditsSecondEmail(pick) => {
            let text = types(Field::BusinessEmail, pick);
            if let Some(second) = world.contact().emails.as_mut().unwrap().get_mut(1) {
                *second = entry(text);
            }
        }
        Edit::AddsEmail(pick) => {
            let text = types(Field::BusinessEmail, pick);
            let list = world.contact().emails.as_mut().unwrap();
            if list.len() < 3 {
                list.push(entry(text));
            }
        }
        Edit::AddsPhone(pick) => {
            let text = types(Field::BusinessPhone, pick);
            let list = world.contact().business_phones.as_mut().unwrap();
            if list.len() < 2 {
                list.push(text.to_owned());
            }
        }
        Edit::SwapsBusinessAndHomePhone => {
            let contact = world.contact();
            std::mem::swap(&mut contact.business_phones, &mut contact.home_phones);
        }
        Edit::SwapsMobileAndBusinessPhone => {
            let contact = world.contact();
            let mobile = contact.mobile_phone.clone();
            let phones = contact.business_phones.clone().unwrap_or_default();
            let phone = Reading::from_text(phones.first().map(String::as_str));
            contact.mobile_phone = phone;
            slot(contact, Field::BusinessPhone, mobile);
        }
        Edit::SwapsPhonesInTribe => {
            let fields = &mut world.person().fields;
            let phone = fields
                .get(&Field::PrivatePhone)
                .cloned()
                .unwrap_or_default();
            let mobile = fields
                .insert(Field::PrivateMobile, phone)
                .unwrap_or_default();
            fields.insert(Field::PrivatePhone, mobile);
        }
        Edit::DisplayName => world.contact().display_name = value("My own name"),
        Edit::AbaOutlook(pick) => {
            let before = world.seen().job_title.clone();
            let text = types(Field::Function, pick);
            world.contact().job_title = value(text);
            world.contact().job_title = before;
        }
        Edit::AbaTribe(pick) => {
            let before = world.in_tribe(Field::FirstName);
            world.tribe(Field::FirstName, types(Field::FirstName, pick));
            world.tribe(Field::FirstName, &before);
        }
        Edit::TakesJob(kind) => {
            if world.person().relationships.len() < 3 {
                *jobs += 1;
                let mut job = relationship(*jobs, kind);
                for (index, (_, reading)) in job.fields.iter_mut().enumerate() {
                    *reading = match index {
                        0 => value(types(Field::BusinessEmail, usize::try_from(*jobs).unwrap())),
                        1 => value(types(Field::Function, usize::try_from(*jobs).unwrap())),
                        _ => Reading::Empty,
                    };
                }
                world.person().relationships.push(job);
            }
        }
        Edit::LeavesJob(index) => {
            if let Some(job) = world.person().relationships.get_mut(index) {
                job.former = !job.former;
            }
        }
        Edit::DeletesJob(index) => {
            let relationships = &mut world.person().relationships;
            if relationships.len() > 1 && index < relationships.len() {
                relationships.remove(index);
            }
        }
        Edit::LosesOwner => world.main().managers.clear(),
        Edit::DropsTheYear => world.contact().birthday = Reading::Unreadable,
        Edit::InvalidEmailInOutlook => first_email(world.contact(), Some("not an address")),
        Edit::TooLongInTribe(field) => {
            let main = world.main();
            let holds = main.fields.contains_key(&field);
            if holds || world.person().fields.contains_key(&field) {
                let long = "y".repeat(300);
                world.tribe(field, &long);
                typed.insert(canonical(field, &long, "NL"));
            }
        }
        Edit::EmptiesSurname => world.contact().surname = Reading::Empty,
        Edit::GetsOwner => {
            for job in &mut world.person().relationships {
                job.managers = vec![crate::model::ME];
                job.former = false;
            }
        }
    }
}
