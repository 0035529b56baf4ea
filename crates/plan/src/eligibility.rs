//! Who is synchronised, and which relationship speaks for a person.

use std::cmp::Reverse;

use crate::{
    ids::EmployeeId,
    person::{Person, Relationship},
    planted::{self, Bug},
};

/// How one employee stands to one relationship.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Named as relationship manager.
    pub manager: bool,
    /// Named as one of the owners.
    pub owner: bool,
    /// The relationship is marked as former.
    pub former: bool,
}

impl Standing {
    /// Whether this relationship makes its person eligible.
    pub fn is_eligible(self) -> bool {
        (!self.former || planted::is(Bug::FormerCounts)) && (self.manager || self.owner)
    }
}

/// How `employee` stands to `relationship`.
pub fn standing(relationship: &Relationship, employee: EmployeeId) -> Standing {
    Standing {
        manager: relationship.managers.contains(&employee),
        owner: relationship.owners.contains(&employee),
        former: relationship.former,
    }
}

/// The main relationship of a person for an employee: contact before employee before individual,
/// then the latest creation, then the lowest id. `None`: the person is not eligible.
pub fn main_relationship(person: &Person, employee: EmployeeId) -> Option<&Relationship> {
    person
        .relationships
        .iter()
        .filter(|relationship| standing(relationship, employee).is_eligible())
        .min_by_key(|relationship| {
            (
                relationship.kind,
                Reverse(relationship.created),
                relationship.id,
            )
        })
}

/// Every employee for whom a person is eligible, in order, once each.
pub fn employees(person: &Person) -> Vec<EmployeeId> {
    let mut all: Vec<EmployeeId> = person
        .relationships
        .iter()
        .filter(|relationship| !relationship.former || planted::is(Bug::FormerCounts))
        .flat_map(|relationship| relationship.managers.iter().chain(&relationship.owners))
        .copied()
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}
