//! Tribe's side: a person with the relationships that give it a role.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    field::{Field, Holder},
    ids::{EmployeeId, OrganizationId, PersonId, RelationshipId, SetName},
    reading::Reading,
};

/// What kind of relationship gives a person its role. The order is the order of preference for the
/// main one: contact before employee before individual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Somebody at an organisation.
    Contact,
    /// A colleague.
    Employee,
    /// A private person.
    Individual,
}

impl Kind {
    /// The name in the API, the configuration and the database.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Contact => "contact",
            Kind::Employee => "employee",
            Kind::Individual => "individual",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Kind> {
        [Kind::Contact, Kind::Employee, Kind::Individual]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// Whether the relationship has business details of its own.
    pub fn is_business(self) -> bool {
        matches!(self, Kind::Contact | Kind::Employee)
    }
}

/// A person as one read of Tribe showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Its id.
    pub id: PersonId,
    /// The fields that [`Holder::Person`] holds; a missing one is unreadable.
    pub fields: BTreeMap<Field, Reading>,
    /// Its person-type relationships, in any order.
    pub relationships: Vec<Relationship>,
}

/// A person-type relationship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relationship {
    /// Its id.
    pub id: RelationshipId,
    /// The set to which updates are sent.
    pub set: SetName,
    /// Its kind.
    pub kind: Kind,
    /// Marked as former; a null mark counts as not former (Tribe reference 4.7).
    pub former: bool,
    /// Every employee named as relationship manager along the configured paths.
    pub managers: Vec<EmployeeId>,
    /// Every employee named as owner along the configured paths.
    pub owners: Vec<EmployeeId>,
    /// `CreationDate`.
    pub created: Option<Timestamp>,
    /// The parent organisation and what its name read as.
    pub organization: Option<(OrganizationId, Reading)>,
    /// The fields that [`Holder::Relationship`] holds; a missing one is unreadable.
    pub fields: BTreeMap<Field, Reading>,
}

impl Person {
    /// What a field reads as, seen from one relationship.
    pub fn reading(&self, field: Field, relationship: Option<&Relationship>) -> Reading {
        match field.holder() {
            Holder::Person => self.fields.get(&field).cloned().unwrap_or_default(),
            Holder::Relationship => relationship
                .and_then(|relationship| relationship.fields.get(&field).cloned())
                .unwrap_or_default(),
            Holder::None => Reading::Unreadable,
        }
    }

    /// The relationship of that id.
    pub fn relationship(&self, id: RelationshipId) -> Option<&Relationship> {
        self.relationships
            .iter()
            .find(|relationship| relationship.id == id)
    }
}
