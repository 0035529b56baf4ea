//! Addresses and OData queries.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tribelink_plan::ids::PersonId;
use url::Url;
use uuid::Uuid;

use super::names::{Names, Path};
use crate::remote::address;

/// Rows asked for at once: what clients of the live API use (Tribe reference 3.4).
pub const PAGE: usize = 100;

/// How many ids one filter names: the address then stays under 7 KiB, below the 8 KiB that a
/// server of Tribe's kind takes by default.
pub const IDS: usize = 100;

/// An address under the OData root with its options.
#[derive(Clone, Debug, Default)]
pub struct Query {
    path: String,
    options: Vec<(&'static str, String)>,
}

impl Query {
    /// The set itself.
    pub fn set(set: &str) -> Query {
        Query {
            path: set.to_owned(),
            options: Vec::new(),
        }
    }

    /// One record of a set; the GUID stands unquoted (Tribe reference 3.2).
    pub fn record(set: &str, id: Uuid) -> Query {
        Query::set(&format!("{set}({id})"))
    }

    /// With one more option.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Query {
        self.options.push((name, value.into()));
        self
    }

    /// With `$expand`, unless there is nothing to expand.
    pub fn expand(self, tree: &Tree) -> Query {
        match tree.expand() {
            Some(expand) => self.with("$expand", expand),
            None => self,
        }
    }

    /// With one page's window. The order by ID is what makes `$skip` safe.
    pub fn page(self, skip: usize) -> Query {
        self.with("$orderby", "ID")
            .with("$top", PAGE.to_string())
            .with("$skip", skip.to_string())
    }

    /// The address under an API origin.
    pub fn url(&self, api: &Url) -> Url {
        let mut url = api.clone();
        url.set_path(&format!("/v1/odata/{}", self.path));
        let query: Vec<_> = self
            .options
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        url.set_query(
            Some(query.join("&"))
                .filter(|query| !query.is_empty())
                .as_deref(),
        );
        url
    }
}

/// Encodes an option's value: a space is `%20`, never `+` (Tribe reference 3.3).
fn encode(value: &str) -> String {
    address::encode(value, b"$(),;=/:")
}

/// A string literal: the quote is doubled (Tribe reference 3.3).
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `name eq a or name eq b …`; `in` is not supported (Tribe reference 3.3).
pub fn any_of(name: &str, ids: impl IntoIterator<Item = Uuid>) -> String {
    let terms: Vec<_> = ids
        .into_iter()
        .map(|id| format!("{name} eq {id}"))
        .collect();
    terms.join(" or ")
}

/// Each of the words in one of the properties; `contains` minds no case (Tribe reference 3.3).
pub fn all_within(words: &[String], properties: &[&str]) -> String {
    let terms: Vec<_> = words
        .iter()
        .map(|word| {
            let text = literal(word);
            let places = properties
                .iter()
                .map(|name| format!("contains({name},{text})"));
            format!("({})", places.collect::<Vec<_>>().join(" or "))
        })
        .collect();
    terms.join(" and ")
}

/// Created or changed at or after a time, in whole seconds. Both dates are asked, since
/// `LastMutationDate` may be null before the first change (Tribe reference 3.8).
pub fn since(at: Timestamp) -> String {
    let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
    format!("(CreationDate ge {at}) or (LastMutationDate ge {at})")
}

/// What is expanded below a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Every property, rather than the named ones.
    whole: bool,
    properties: BTreeSet<String>,
    children: BTreeMap<String, Tree>,
}

impl Tree {
    /// What a relationship is read with: its organisation's name, managers, owners, former mark,
    /// and the id of its person where `person` says so.
    pub fn of_relationship(names: &Names, person: bool) -> Tree {
        let mut tree = Tree::default();
        tree.property(["Relation"], "Name");
        if person {
            tree.property(["Person"], "ID");
        }
        for path in names.manager.iter().chain(&names.owners) {
            tree.record(path);
        }
        tree.marks(&names.former);
        tree
    }

    /// What an employee is read with.
    pub fn of_employee(names: &Names) -> Tree {
        let mut tree = Tree::default();
        tree.property(["Person"], "EmailAddress");
        tree.marks(&names.former);
        tree
    }

    /// Just the person's id.
    pub fn of_person_id() -> Tree {
        let mut tree = Tree::default();
        tree.property(["Person"], "ID");
        tree
    }

    /// Below a person: its relationships, with what `self` expands below each.
    pub fn below_person(self) -> Tree {
        Tree {
            children: BTreeMap::from([("Relationships".to_owned(), self)]),
            ..Tree::default()
        }
    }

    /// Below a relationship: its person, whole, with what `self` expands below the person.
    pub fn below_relationship(self) -> Tree {
        let person = Tree {
            whole: true,
            ..self
        };
        Tree {
            children: BTreeMap::from([("Person".to_owned(), person)]),
            ..Tree::default()
        }
    }

    /// Properties of the record itself that the paths name: they belong in its `$select`.
    pub fn select(&self) -> String {
        let mut names = BTreeSet::from(["CreationDate", "ID"]);
        names.extend(self.properties.iter().map(String::as_str));
        names.into_iter().collect::<Vec<_>>().join(",")
    }

    fn at<'a>(&mut self, steps: impl IntoIterator<Item = &'a str>) -> &mut Tree {
        let mut tree = self;
        for step in steps {
            tree = tree.children.entry(step.to_owned()).or_default();
        }
        tree
    }

    fn property<const N: usize>(&mut self, steps: [&str; N], name: &str) {
        self.at(steps).properties.insert(name.to_owned());
    }

    fn record(&mut self, path: &Path) {
        self.at(path.steps().iter().map(String::as_str));
    }

    fn marks(&mut self, paths: &[Path]) {
        for path in paths {
            if let Some((name, steps)) = path.steps().split_last() {
                self.at(steps.iter().map(String::as_str))
                    .properties
                    .insert(name.clone());
            }
        }
    }

    fn expand(&self) -> Option<String> {
        let parts: Vec<_> = self
            .children
            .iter()
            .map(|(name, child)| child.part(name))
            .collect();
        Some(parts.join(",")).filter(|text| !text.is_empty())
    }

    fn part(&self, name: &str) -> String {
        let mut options = Vec::new();
        // Relationships come whole: their type is told by `_Type`, and the fields of the derived
        // types cannot be selected on the base one.
        if !self.whole && name != "Relationships" {
            let mut selected = BTreeSet::from(["ID"]);
            selected.extend(self.properties.iter().map(String::as_str));
            let selected: Vec<_> = selected.into_iter().collect();
            options.push(format!("$select={}", selected.join(",")));
        }
        if let Some(expand) = self.expand() {
            options.push(format!("$expand={expand}"));
        }
        if options.is_empty() {
            name.to_owned()
        } else {
            format!("{name}({})", options.join(";"))
        }
    }
}

/// The ids as the filters take them.
pub fn uuids(ids: &[PersonId]) -> impl Iterator<Item = Uuid> + '_ {
    ids.iter().map(|id| id.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> Url {
        Url::parse("https://api.example/").unwrap()
    }

    fn names(manager: &[&str]) -> Names {
        Names {
            manager: manager.iter().map(|path| path.parse().unwrap()).collect(),
            ..Names::default()
        }
    }

    #[test]
    fn the_expansion_follows_the_configured_paths() {
        let tree = Tree::of_relationship(&Names::default(), false);
        assert_eq!(
            tree.expand().unwrap(),
            "AccountManager($select=ID),Owners($select=ID),Relation($select=ID,Name)"
        );
        assert_eq!(tree.select(), "CreationDate,ID,IsFormer");
        let tree = Tree::of_relationship(
            &names(&[
                "AccountManager",
                "Person/AccountManager",
                "Relation/Relationships/AccountManager",
            ]),
            true,
        );
        assert_eq!(
            tree.below_person().expand().unwrap(),
            "Relationships($expand=AccountManager($select=ID),Owners($select=ID),\
             Person($select=ID;$expand=AccountManager($select=ID)),\
             Relation($select=ID,Name;$expand=Relationships($expand=AccountManager($select=ID))))"
        );
    }

    #[test]
    fn a_relationship_brings_its_whole_person_with_all_its_relationships() {
        let tree = Tree::of_relationship(&Names::default(), false).below_person();
        assert_eq!(
            tree.below_relationship().expand().unwrap(),
            "Person($expand=Relationships($expand=AccountManager($select=ID),Owners($select=ID),\
             Relation($select=ID,Name)))"
        );
    }

    #[test]
    fn a_former_mark_elsewhere_is_selected_there() {
        let names = Names {
            former: vec!["Person/IsFormer".parse().unwrap()],
            ..Names::default()
        };
        let tree = Tree::of_employee(&names);
        assert_eq!(
            tree.expand().unwrap(),
            "Person($select=EmailAddress,ID,IsFormer)"
        );
    }

    #[test]
    fn spaces_are_never_a_plus() {
        let at: Timestamp = "2025-01-02T03:04:05.678Z".parse().unwrap();
        let url = Query::set("Relation_Person")
            .with("$filter", since(at))
            .page(200)
            .url(&api());
        assert_eq!(
            url.as_str(),
            "https://api.example/v1/odata/Relation_Person?$filter=(CreationDate%20ge%202025-01-02T03:04:05Z)\
             %20or%20(LastMutationDate%20ge%202025-01-02T03:04:05Z)&$orderby=ID&$top=100&$skip=200"
        );
    }

    #[test]
    fn an_address_cannot_leave_its_literal() {
        let url = Query::set("X")
            .with("$filter", format!("a eq {}", literal("o'b&c+d#e%f")))
            .url(&api());
        assert_eq!(
            url.query(),
            Some("$filter=a%20eq%20%27o%27%27b%26c%2Bd%23e%25f%27")
        );
    }

    #[test]
    fn a_name_is_looked_for_word_by_word() {
        let words = ["van".to_owned(), "O'Neil".to_owned()];
        assert_eq!(
            all_within(&words, &["FirstName", "LastName"]),
            "(contains(FirstName,'van') or contains(LastName,'van')) and \
             (contains(FirstName,'O''Neil') or contains(LastName,'O''Neil'))"
        );
    }

    #[test]
    fn a_hundred_ids_fit_in_an_address() {
        let ids = (0..IDS).map(|n| Uuid::from_u128(n as u128));
        let url = Query::set("Relationship_Person_CommercialRelationship_HotProspect")
            .with("$filter", any_of("Person/ID", ids))
            .expand(&Tree::of_relationship(&Names::default(), true))
            .page(0)
            .url(&api());
        assert!(url.as_str().len() < 7 * 1024);
        let one = Query::record("Entity", Uuid::nil()).url(&api());
        assert_eq!(
            one.path(),
            "/v1/odata/Entity(00000000-0000-0000-0000-000000000000)"
        );
    }
}
