//! Configured names of what the reference marks unknown or assumed (Tribe reference 4.4 to 4.7).

use std::str::FromStr;

use tribelink_plan::{field::Field, ids::SetName, person::Kind};

/// The set of people.
pub const PERSON_SET: &str = "Relation_Person";
/// The set of organisations.
pub const ORGANIZATION_SET: &str = "Relation_Organization";
/// The set of employees, wherever an employee is read by its id.
pub const EMPLOYEE_SET: &str = "Relationship_Person_Contact_Employee";

/// The person-type sets of reference 4.4.
const PERSON_SETS: [&str; 7] = [
    "Relationship_Person_Contact_Standard",
    EMPLOYEE_SET,
    "Relationship_Person_CommercialRelationship_Suspect",
    "Relationship_Person_CommercialRelationship_Lead",
    "Relationship_Person_CommercialRelationship_HotProspect",
    "Relationship_Person_CommercialRelationship_Prospect",
    "Relationship_Person_CommercialRelationship_Customer",
];

/// The way from a relationship to a property or another record, such as `Person/AccountManager`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<String>);

/// A configured name cannot be one of Tribe's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Not letters, digits and underscores.
    #[error("names are letters, digits and underscores, the steps of a path between slashes")]
    Form,
    /// No such kind.
    #[error("the kind of a set is contact, employee or individual")]
    Kind,
}

impl Path {
    /// Its steps, at least one.
    pub fn steps(&self) -> &[String] {
        &self.0
    }
}

impl FromStr for Path {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Path, BadName> {
        let steps: Vec<_> = text.trim().split('/').map(str::to_owned).collect();
        if steps.iter().all(|step| is_name(step)) {
            Ok(Path(steps))
        } else {
            Err(BadName::Form)
        }
    }
}

/// Whether it may stand in an address as a name, which also keeps a query from being made of it.
fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A set of person-type relationships, and what kind of relationship stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonSet {
    /// Its name in addresses.
    pub set: SetName,
    /// Its kind.
    pub kind: Kind,
}

impl FromStr for PersonSet {
    type Err = BadName;

    /// Reads `SET`, whose kind its name tells, or `SET:kind` for a set that a tenant made.
    fn from_str(text: &str) -> Result<PersonSet, BadName> {
        let (set, kind) = match text.trim().split_once(':') {
            Some((set, kind)) => (set, Kind::from_name(kind).ok_or(BadName::Kind)?),
            None => (text.trim(), kind_of_set(text.trim())),
        };
        if !is_name(set) {
            return Err(BadName::Form);
        }
        Ok(PersonSet {
            set: SetName::from(set),
            kind,
        })
    }
}

/// The dotted entity type of a set: dots for underscores; a tenant's own type is a GUID whose hyphens
/// became `__`, with a `_` before it that depends on the source (Tribe reference 3.1).
pub fn type_of_set(set: &SetName) -> String {
    let set = set.as_str();
    let bare = set.strip_prefix('_').unwrap_or(set).replace("__", "-");
    match uuid::Uuid::try_parse(&bare) {
        Ok(id) => id.to_string(),
        Err(_) => set.replace('_', "."),
    }
}

/// A set without business details of its own is one of individuals.
fn kind_of_set(set: &str) -> Kind {
    if set == EMPLOYEE_SET {
        Kind::Employee
    } else if set.starts_with("Relationship_Person_Contact") {
        Kind::Contact
    } else {
        Kind::Individual
    }
}

/// Every configured name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Ways to the relationship manager; the first that leads to an employee counts.
    pub manager: Vec<Path>,
    /// Ways to the owners; the first that leads to an employee counts.
    pub owners: Vec<Path>,
    /// Ways to the former mark; the first that is not null counts.
    pub former: Vec<Path>,
    /// The contact's function, a property of the relationship.
    pub function: String,
    /// The person-type sets.
    pub person_sets: Vec<PersonSet>,
}

impl Default for Names {
    fn default() -> Names {
        let path = |name: &str| vec![Path(vec![name.to_owned()])];
        Names {
            manager: path("AccountManager"),
            owners: path("Owners"),
            former: path("IsFormer"),
            function: "FunctionOnBusinessCard".to_owned(),
            person_sets: PERSON_SETS
                .iter()
                .map(|set| PersonSet {
                    set: SetName::from(*set),
                    kind: kind_of_set(set),
                })
                .collect(),
        }
    }
}

impl Names {
    /// The property that holds a field; `None` for fields that Tribe does not hold.
    pub fn property(&self, field: Field) -> Option<&str> {
        Some(match field {
            Field::Initials => "Initials",
            Field::FirstName => "FirstName",
            Field::Insertion => "MiddleName",
            Field::Surname => "LastName",
            Field::BirthDate => "BirthDate",
            Field::BusinessEmail | Field::PrivateEmail => "EmailAddress",
            Field::BusinessPhone | Field::PrivatePhone => "PhoneNumber",
            Field::BusinessMobile | Field::PrivateMobile => "MobilePhoneNumber",
            Field::Function => &self.function,
            Field::Company | Field::DisplayName => return None,
        })
    }

    /// The configured person-type set of a dotted type.
    ///
    /// A tenant's own type is a GUID, whose set has `__` for hyphens and, depending on the source,
    /// a leading `_` (Tribe reference 3.1): both are the same set here.
    pub fn set_of_type(&self, entity_type: &str) -> Option<&PersonSet> {
        let plain = match uuid::Uuid::parse_str(entity_type) {
            Ok(id) => id.hyphenated().to_string().replace('-', "__"),
            Err(_) => entity_type.replace('.', "_"),
        };
        self.person_sets.iter().find(|known| {
            let name = known.set.as_str();
            name == plain || name.strip_prefix('_') == Some(plain.as_str())
        })
    }

    /// The configured person-type set of that name.
    pub fn set(&self, name: &SetName) -> Option<&PersonSet> {
        self.person_sets.iter().find(|known| known.set == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_names_between_slashes() {
        let path: Path = "Relation/Relationships/AccountManager".parse().unwrap();
        assert_eq!(path.steps().len(), 3);
        for text in ["", "/", "A/", "A B", "A($expand=B)", "A,B", "1A"] {
            assert_eq!(text.parse::<Path>(), Err(BadName::Form), "{text}");
        }
    }

    #[test]
    fn the_defaults_know_their_kinds() {
        let names = Names::default();
        let kind = |entity_type: &str| names.set_of_type(entity_type).map(|set| set.kind);
        assert_eq!(
            kind("Relationship.Person.Contact.Standard"),
            Some(Kind::Contact)
        );
        assert_eq!(
            kind("Relationship.Person.Contact.Employee"),
            Some(Kind::Employee)
        );
        assert_eq!(
            kind("Relationship.Person.CommercialRelationship.Customer"),
            Some(Kind::Individual)
        );
        assert_eq!(kind("Relation.Person"), None);
    }

    #[test]
    fn a_type_is_its_set_with_other_signs() {
        let of = |set: &str| type_of_set(&SetName::from(set));
        assert_eq!(
            of("Relationship_Person_Contact_Standard"),
            "Relationship.Person.Contact.Standard"
        );
        let guid = "117ecf60-d492-48a1-8aab-a131ad465fd5";
        assert_eq!(of("_117ecf60__d492__48a1__8aab__a131ad465fd5"), guid);
        assert_eq!(of("117ecf60__d492__48a1__8aab__a131ad465fd5"), guid);
    }

    #[test]
    fn a_tenants_own_type_is_found_in_either_spelling() {
        let own = |set: &str| Names {
            person_sets: vec![set.parse().unwrap()],
            ..Names::default()
        };
        let digit = "9ecc8d21-d492-48a1-8aab-a131ad465fd5";
        let letter = "e4d6da94-d492-48a1-8aab-a131ad465fd5";
        let spelled = |id: &str| id.replace('-', "__");
        let set = format!("_{}:contact", spelled(digit));
        assert!(own(&set).set_of_type(digit).is_some());
        assert!(own(&spelled(letter)).set_of_type(letter).is_some());
        assert!(
            own(&format!("_{}", spelled(letter)))
                .set_of_type(letter)
                .is_some()
        );
        assert!("X:boss".parse::<PersonSet>().is_err());
    }
}
