//! Which types there are, with which properties and links (Tribe reference 4).
//!
//! The types themselves are written down in [`build`].

mod build;

use std::collections::BTreeMap;

use super::settings::Settings;

/// What a property holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// GUID.
    Guid,
    /// String.
    Text,
    /// Boolean.
    Bool,
    /// 32-bit integer.
    Int,
    /// Floating point.
    Double,
    /// `YYYY-MM-DD`.
    Date,
    /// Point in time.
    Time,
}

impl Kind {
    /// Its name in the metadata.
    #[must_use]
    pub fn edm(self) -> &'static str {
        match self {
            Self::Guid => "Edm.Guid",
            Self::Text => "Edm.String",
            Self::Bool => "Edm.Boolean",
            Self::Int => "Edm.Int32",
            Self::Double => "Edm.Double",
            Self::Date => "Edm.Date",
            Self::Time => "Edm.DateTimeOffset",
        }
    }
}

/// A property.
#[derive(Clone, Debug)]
pub struct Prop {
    /// API name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Worked out by Tribe: writing it is ignored.
    pub computed: bool,
}

/// Where a link is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// On the record itself.
    Own,
    /// On the other records, under one of these names.
    Back(&'static [&'static str]),
}

/// A link to one or many records.
#[derive(Clone, Debug)]
pub struct Nav {
    /// API name.
    pub name: String,
    /// Dotted type of the other end.
    pub target: String,
    /// Whether it holds many.
    pub many: bool,
    /// Where it is kept.
    pub via: Via,
}

/// A type.
#[derive(Clone, Debug)]
pub struct Type {
    /// Dotted name.
    pub name: String,
    /// The type it extends.
    pub parent: Option<String>,
    /// A base type is read, updated and deleted through, never created.
    pub base: bool,
    /// Own properties.
    pub props: Vec<Prop>,
    /// Own links.
    pub navs: Vec<Nav>,
    /// Properties and links without which nothing is created.
    pub mandatory: Vec<&'static str>,
}

/// All types.
#[derive(Clone, Debug)]
pub struct Schema {
    types: BTreeMap<String, Type>,
    sets: BTreeMap<String, String>,
}

/// A tenant-made person type, recorded once at a city: "resident" (4.4).
pub const CUSTOM_PERSON: &str = "e0d6534a-cc84-4cf7-bdc5-d32f9311c09e";
/// A tenant-made field on persons (3.1).
pub const CUSTOM_FIELD: &str = "9ecc8d21-0f6f-4f2c-8a6e-3b1a7c1d5e42";

/// Employees.
pub const EMPLOYEE: &str = "Relationship.Person.Contact.Employee";
/// Contacts of an organisation.
pub const CONTACT: &str = "Relationship.Person.Contact.Standard";
/// People.
pub const PERSON: &str = "Relation.Person";
/// Organisations.
pub const ORGANIZATION: &str = "Relation.Organization";

/// The API name of a tenant-made type or field: hyphens doubled as underscores, and one in front
/// where the GUID starts with a digit (3.1, as observed).
#[must_use]
pub fn custom_name(guid: &str) -> String {
    let name = guid.replace('-', "__");
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

/// The set name of a dotted type.
#[must_use]
pub fn set_name(kind: &str) -> String {
    if uuid::Uuid::parse_str(kind).is_ok() {
        custom_name(kind)
    } else {
        kind.replace('.', "_")
    }
}

impl Schema {
    /// The types as the switches name and place things.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let types = build::types(settings);
        let sets = types
            .keys()
            .map(|name| (set_name(name), name.clone()))
            .collect();
        Self { types, sets }
    }

    /// Every type by name.
    pub fn types(&self) -> impl Iterator<Item = &Type> {
        self.types.values()
    }

    /// A type by its dotted name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Type> {
        self.types.get(name)
    }

    /// A type by its set's name.
    #[must_use]
    pub fn by_set(&self, set: &str) -> Option<&Type> {
        self.sets.get(set).and_then(|name| self.types.get(name))
    }

    /// The type itself and those it extends, the root last.
    pub fn lineage<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Type> {
        std::iter::successors(self.types.get(name), |kind| {
            self.types.get(kind.parent.as_deref()?)
        })
    }

    /// Whether a type is another or extends it.
    #[must_use]
    pub fn is_a(&self, name: &str, ancestor: &str) -> bool {
        self.lineage(name).any(|kind| kind.name == ancestor)
    }

    /// Names of the type itself and of all that extend it.
    pub fn family<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.types
            .keys()
            .map(String::as_str)
            .filter(move |kind| self.is_a(kind, name))
    }

    /// A property of exactly this type (inherited ones included).
    #[must_use]
    pub fn prop(&self, kind: &str, name: &str) -> Option<&Prop> {
        self.lineage(kind)
            .find_map(|t| t.props.iter().find(|p| p.name == name))
    }

    /// A link of exactly this type (inherited ones included).
    #[must_use]
    pub fn nav(&self, kind: &str, name: &str) -> Option<&Nav> {
        self.lineage(kind)
            .find_map(|t| t.navs.iter().find(|n| n.name == name))
    }

    /// A property of the type, or of one that extends it: base sets answer with whole records.
    #[must_use]
    pub fn prop_within(&self, kind: &str, name: &str) -> Option<&Prop> {
        self.prop(kind, name)
            .or_else(|| self.family(kind).find_map(|sub| self.prop(sub, name)))
    }

    /// A link of the type, or of one that extends it.
    #[must_use]
    pub fn nav_within(&self, kind: &str, name: &str) -> Option<&Nav> {
        self.nav(kind, name)
            .or_else(|| self.family(kind).find_map(|sub| self.nav(sub, name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tribe::settings::Place;

    #[test]
    fn custom_names_get_an_underscore_only_before_a_digit() {
        assert_eq!(
            custom_name(CUSTOM_FIELD),
            "_9ecc8d21__0f6f__4f2c__8a6e__3b1a7c1d5e42"
        );
        assert_eq!(
            set_name(CUSTOM_PERSON),
            "e0d6534a__cc84__4cf7__bdc5__d32f9311c09e"
        );
    }

    #[test]
    fn placements_decide_where_links_are_declared() {
        let settings = Settings {
            places: vec![Place::Person],
            ..Settings::default()
        };
        let schema = Schema::new(&settings);
        assert!(schema.nav(PERSON, "AccountManager").is_some());
        assert!(schema.nav(CONTACT, "AccountManager").is_none());
        let schema = Schema::new(&Settings {
            places: vec![Place::Organization],
            ..settings
        });
        assert!(schema.nav(PERSON, "Owners").is_none());
        assert!(
            schema
                .nav(
                    "Relationship.Organization.CommercialRelationship.Lead",
                    "Owners"
                )
                .is_some()
        );
        assert!(schema.nav(CONTACT, "Owners").is_none());
    }
}
