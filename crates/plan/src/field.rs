//! The fields of the card: what takes part in the synchronisation, and which way.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One field of the card. The order is the order of the design's table and of every listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Person.Initials · initials
    Initials,
    /// Person.FirstName · givenName
    FirstName,
    /// Person.MiddleName · middleName ("van der")
    Insertion,
    /// Person.LastName · surname
    Surname,
    /// Person.BirthDate · birthday
    BirthDate,
    /// Contact.EmailAddress · first of emailAddresses
    BusinessEmail,
    /// the contact's function · jobTitle
    Function,
    /// Contact.PhoneNumber · first of businessPhones
    BusinessPhone,
    /// Contact.MobilePhoneNumber · mobilePhone
    BusinessMobile,
    /// Person.EmailAddress · an e-mail address
    PrivateEmail,
    /// Person.PhoneNumber · first of homePhones
    PrivatePhone,
    /// Person.MobilePhoneNumber · mobilePhone
    PrivateMobile,
    /// the organisation's name · companyName
    Company,
    /// composed · displayName and fileAs
    DisplayName,
}

/// Which record of Tribe holds a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// `Relation_Person`
    Person,
    /// The person-type relationship.
    Relationship,
    /// Nothing that this service writes (the organisation's name, the composed name).
    None,
}

/// Which way a field travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// From Tribe to Outlook alone.
    ToOutlook,
    /// From Outlook to Tribe alone; not written at creation either.
    ToTribe,
    /// Not at all.
    Off,
}

/// One of the two sides of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Tribe CRM.
    Tribe,
    /// Outlook.
    Outlook,
}

impl Field {
    /// Every field, in order.
    pub const ALL: [Field; 14] = [
        Field::Initials,
        Field::FirstName,
        Field::Insertion,
        Field::Surname,
        Field::BirthDate,
        Field::BusinessEmail,
        Field::Function,
        Field::BusinessPhone,
        Field::BusinessMobile,
        Field::PrivateEmail,
        Field::PrivatePhone,
        Field::PrivateMobile,
        Field::Company,
        Field::DisplayName,
    ];

    /// The name in configuration, API and audit.
    pub fn name(self) -> &'static str {
        match self {
            Field::Initials => "initials",
            Field::FirstName => "first_name",
            Field::Insertion => "insertion",
            Field::Surname => "surname",
            Field::BirthDate => "birth_date",
            Field::BusinessEmail => "business_email",
            Field::Function => "function",
            Field::BusinessPhone => "business_phone",
            Field::BusinessMobile => "business_mobile",
            Field::PrivateEmail => "private_email",
            Field::PrivatePhone => "private_phone",
            Field::PrivateMobile => "private_mobile",
            Field::Company => "company",
            Field::DisplayName => "display_name",
        }
    }

    /// A number that never changes: where the base keeps the field.
    pub fn index(self) -> u8 {
        self as u8
    }

    /// The field of that number.
    pub fn from_index(index: u8) -> Option<Field> {
        Field::ALL.get(usize::from(index)).copied()
    }

    /// Which Tribe record holds it.
    pub fn holder(self) -> Holder {
        match self {
            Field::Initials
            | Field::FirstName
            | Field::Insertion
            | Field::Surname
            | Field::BirthDate
            | Field::PrivateEmail
            | Field::PrivatePhone
            | Field::PrivateMobile => Holder::Person,
            Field::BusinessEmail
            | Field::Function
            | Field::BusinessPhone
            | Field::BusinessMobile => Holder::Relationship,
            Field::Company | Field::DisplayName => Holder::None,
        }
    }

    /// The widest direction the design allows; configuration may narrow it, never widen it.
    pub fn widest(self) -> Direction {
        match self.holder() {
            Holder::None => Direction::ToOutlook,
            Holder::Person | Holder::Relationship => Direction::Both,
        }
    }

    /// Whether the display name is composed from it.
    pub fn is_name_part(self) -> bool {
        matches!(
            self,
            Field::Initials | Field::FirstName | Field::Insertion | Field::Surname
        )
    }

    /// Whether it holds an e-mail address.
    pub fn is_email(self) -> bool {
        matches!(self, Field::BusinessEmail | Field::PrivateEmail)
    }

    /// Whether it holds a phone number.
    pub fn is_phone(self) -> bool {
        matches!(
            self,
            Field::BusinessPhone
                | Field::BusinessMobile
                | Field::PrivatePhone
                | Field::PrivateMobile
        )
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Field {
    type Err = UnknownField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Field::ALL
            .into_iter()
            .find(|field| field.name() == text)
            .ok_or(UnknownField)
    }
}

/// No field has that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no such field; the fields are those of the design's table, in lower case with underscores"
)]
pub struct UnknownField;

impl Direction {
    /// Whether this direction lets through no more than `other` does.
    pub fn within(self, other: Direction) -> bool {
        self == Direction::Off || other == Direction::Both || self == other
    }

    /// Whether Tribe's values reach Outlook.
    pub fn to_outlook(self) -> bool {
        matches!(self, Direction::Both | Direction::ToOutlook)
    }

    /// Whether Outlook's values reach Tribe.
    pub fn to_tribe(self) -> bool {
        matches!(self, Direction::Both | Direction::ToTribe)
    }
}

impl Side {
    /// The other side.
    pub fn other(self) -> Side {
        match self {
            Side::Tribe => Side::Outlook,
            Side::Outlook => Side::Tribe,
        }
    }
}
