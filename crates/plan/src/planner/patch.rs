//! From one contact to another: writing a field into a contact, and the PATCH that makes the
//! difference.

use crate::{
    contact::{Change, Contact, ContactPatch, EmailEntry},
    field::Field,
    mapping::EMAIL_SLOTS,
    planted::{self, Bug},
    reading::Reading,
};

/// How many phone numbers a list of Outlook holds (Graph reference 2.2).
const PHONE_SLOTS: usize = 2;

/// What a write does to the value that stands first in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// The new value takes its place: the two stand for the same field.
    Replace,
    /// It is the user's own: the new value goes before it while the list has room.
    Keep,
}

/// Writes one field into a contact; lists keep their further values.
pub(super) fn put(contact: &mut Contact, field: Field, value: Option<&str>, stands: First) {
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
        Field::BusinessPhone => put_first(&mut contact.business_phones, value, stands),
        Field::PrivatePhone => put_first(&mut contact.home_phones, value, stands),
        Field::BusinessEmail | Field::PrivateEmail => put_first_email(contact, value, stands),
    }
}

fn put_first(list: &mut Option<Vec<String>>, value: Option<&str>, stands: First) {
    let Some(list) = list else { return };
    if planted::is(Bug::FurtherValuesCut) {
        list.truncate(1);
    }
    let before = stands == First::Keep && list.len() < PHONE_SLOTS;
    match (value, list.first_mut()) {
        (Some(value), Some(_)) if before => list.insert(0, value.to_owned()),
        (Some(value), Some(first)) => value.clone_into(first),
        (Some(value), None) => list.push(value.to_owned()),
        (None, Some(_)) => {
            list.remove(0);
        }
        (None, None) => {}
    }
}

fn put_first_email(contact: &mut Contact, value: Option<&str>, stands: First) {
    match value {
        None => take_email(contact, 0),
        Some(value) => {
            let Some(entries) = &mut contact.emails else {
                return;
            };
            let before = stands == First::Keep && entries.len() < EMAIL_SLOTS;
            match entries.first_mut() {
                Some(_) if before => entries.insert(0, entry(value)),
                Some(first) => readdress(first, value),
                None => entries.push(entry(value)),
            }
        }
    }
}

/// A new entry. Outlook shows the address as the name where there is none (Graph reference 2.2).
pub(super) fn entry(address: &str) -> EmailEntry {
    EmailEntry {
        address: Some(address.to_owned()),
        name: Some(address.to_owned()),
    }
}

pub(super) fn readdress(entry: &mut EmailEntry, address: &str) {
    if entry.name == entry.address {
        entry.name = Some(address.to_owned());
    }
    entry.address = Some(address.to_owned());
}

pub(super) fn take_email(contact: &mut Contact, index: usize) {
    if let Some(entries) = &mut contact.emails
        && index < entries.len()
    {
        entries.remove(index);
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
