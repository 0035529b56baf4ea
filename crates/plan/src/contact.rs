//! Outlook's side: a contact, and what is written to one.

use jiff::Timestamp;

use crate::{
    ids::{ContactId, EmployeeId, Etag, FolderId, PersonId},
    reading::Reading,
};

/// One entry of `emailAddresses`.
///
/// `name` is sent back as it was read and never compared: Outlook fills it by itself (Graph
/// reference 2.2).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailEntry {
    /// The address; `None` where Graph returned the entry without one (bad address, Graph
    /// reference 2.2).
    pub address: Option<String>,
    /// The name beside it.
    pub name: Option<String>,
}

impl std::fmt::Debug for EmailEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmailEntry(…)")
    }
}

/// A contact as one read of Graph showed it. A property missing from the answer is unreadable, or
/// `None` for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// Its etag; `None` where the answer had none.
    pub etag: Option<Etag>,
    /// The folder it stands in.
    pub folder: Option<FolderId>,
    /// `createdDateTime`.
    pub created: Option<Timestamp>,
    /// `lastModifiedDateTime`, by Graph's clock, in whole seconds.
    pub modified: Option<Timestamp>,
    /// The stamp, where the read asked for it: `Some(None)` says that it has none.
    pub stamp: Option<Option<Stamp>>,
    /// `initials`
    pub initials: Reading,
    /// `givenName`
    pub given_name: Reading,
    /// `middleName`
    pub middle_name: Reading,
    /// `surname`
    pub surname: Reading,
    /// `birthday`, as `YYYY-MM-DD`; year-less ones are unreadable.
    pub birthday: Reading,
    /// `jobTitle`
    pub job_title: Reading,
    /// `companyName`
    pub company_name: Reading,
    /// `displayName`
    pub display_name: Reading,
    /// `fileAs`
    pub file_as: Reading,
    /// `mobilePhone`
    pub mobile_phone: Reading,
    /// `emailAddresses`
    pub emails: Option<Vec<EmailEntry>>,
    /// `businessPhones`
    pub business_phones: Option<Vec<String>>,
    /// `homePhones`
    pub home_phones: Option<Vec<String>>,
}

impl Contact {
    /// A contact of that id of which nothing was read.
    pub fn unread(id: ContactId) -> Contact {
        Contact {
            id,
            etag: None,
            folder: None,
            created: None,
            modified: None,
            stamp: None,
            initials: Reading::Unreadable,
            given_name: Reading::Unreadable,
            middle_name: Reading::Unreadable,
            surname: Reading::Unreadable,
            birthday: Reading::Unreadable,
            job_title: Reading::Unreadable,
            company_name: Reading::Unreadable,
            display_name: Reading::Unreadable,
            file_as: Reading::Unreadable,
            mobile_phone: Reading::Unreadable,
            emails: None,
            business_phones: None,
            home_phones: None,
        }
    }
}

/// What marks a contact as made by this service, kept in a named extended property.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Which installation made it.
    pub instance: String,
    /// The environment's organisation id.
    pub organization: String,
    /// Whom it stands for.
    pub person: PersonId,
    /// For which employee.
    pub employee: EmployeeId,
}

impl Stamp {
    /// The property's value: four parts between bars. Compared without regard to case, as Graph
    /// does (Graph reference 2.7).
    pub fn to_text(&self) -> String {
        format!(
            "{}|{}|{}|{}",
            self.instance, self.organization, self.person, self.employee
        )
        .to_lowercase()
    }

    /// Reads a property's value; `None` where it is not of our form.
    pub fn parse(text: &str) -> Option<Stamp> {
        let mut parts = text.split('|');
        let (instance, organization) = (parts.next()?, parts.next()?);
        let person = parts.next()?.parse().ok()?;
        let employee = parts.next()?.parse().ok()?;
        if parts.next().is_some() {
            return None;
        }
        Some(Stamp {
            instance: instance.to_lowercase(),
            organization: organization.to_lowercase(),
            person,
            employee,
        })
    }
}

/// What a write does to one property.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// Leave it as it is.
    #[default]
    Leave,
    /// Empty it.
    Clear,
    /// Write this.
    Set(T),
}

impl<T> Change<T> {
    /// Whether it changes nothing.
    pub fn is_leave(&self) -> bool {
        matches!(self, Change::Leave)
    }
}

impl<T> std::fmt::Debug for Change<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Change::Leave => "Leave",
            Change::Clear => "Clear",
            Change::Set(_) => "Set(…)",
        })
    }
}

/// The properties written by one PATCH or POST. Lists are replaced whole (Graph reference 2.3), so
/// they hold the further values as read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactPatch {
    /// `initials`
    pub initials: Change<String>,
    /// `givenName`
    pub given_name: Change<String>,
    /// `middleName`
    pub middle_name: Change<String>,
    /// `surname`
    pub surname: Change<String>,
    /// `birthday`, as `YYYY-MM-DD`.
    pub birthday: Change<String>,
    /// `jobTitle`
    pub job_title: Change<String>,
    /// `companyName`
    pub company_name: Change<String>,
    /// `displayName`
    pub display_name: Change<String>,
    /// `fileAs`
    pub file_as: Change<String>,
    /// `mobilePhone`
    pub mobile_phone: Change<String>,
    /// `emailAddresses`; `Clear` is the empty list.
    pub emails: Change<Vec<EmailEntry>>,
    /// `businessPhones`
    pub business_phones: Change<Vec<String>>,
    /// `homePhones`
    pub home_phones: Change<Vec<String>>,
}
