//! Tribe's data model, as far as a name can be looked up in it: CSDL XML (Tribe reference 3.9).
//!
//! A reader of tags and attributes is enough: sets, types, their bases and properties. Text between
//! tags is never needed.

use std::collections::BTreeMap;

/// Longer chains of base types than this are a circle.
const DEEPEST: usize = 32;

/// Sets and types by their local names.
#[derive(Debug, Default)]
pub(super) struct Model {
    sets: BTreeMap<String, String>,
    types: BTreeMap<String, Type>,
}

#[derive(Debug, Default)]
struct Type {
    base: Option<String>,
    /// Properties; with the type behind it for a navigation.
    properties: BTreeMap<String, Option<String>>,
}

impl Model {
    /// Reads a `$metadata` document; `None` where it holds no sets.
    pub(super) fn parse(xml: &str) -> Option<Model> {
        let mut model = Model::default();
        let mut open: Option<String> = None;
        for tag in Tags(xml) {
            match tag.name() {
                "EntityType" | "ComplexType" => {
                    let name = tag.attribute("Name")?.to_owned();
                    let base = tag.attribute("BaseType").map(local);
                    model.types.insert(
                        name.clone(),
                        Type {
                            base,
                            ..Type::default()
                        },
                    );
                    open = (!tag.is_empty()).then_some(name);
                }
                "/EntityType" | "/ComplexType" => open = None,
                "Property" | "NavigationProperty" => {
                    let Some(of) = open.as_ref().and_then(|name| model.types.get_mut(name)) else {
                        continue;
                    };
                    let kind = tag.attribute("Type").map(local);
                    of.properties
                        .insert(tag.attribute("Name")?.to_owned(), kind);
                }
                "EntitySet" => {
                    let kind = local(tag.attribute("EntityType")?);
                    model.sets.insert(tag.attribute("Name")?.to_owned(), kind);
                }
                _ => {}
            }
        }
        (!model.sets.is_empty()).then_some(model)
    }

    /// Whether there is a set of that name.
    pub(super) fn has_set(&self, set: &str) -> bool {
        self.sets.contains_key(set)
    }

    /// Whether a path of properties leads somewhere from a record of that set.
    pub(super) fn has_path(&self, set: &str, path: &str) -> bool {
        let mut kind = self.sets.get(set).cloned();
        for step in path.split('/') {
            let found = kind.as_deref().and_then(|kind| self.property(kind, step));
            let Some(next) = found else { return false };
            kind = next.clone();
        }
        true
    }

    fn property(&self, kind: &str, name: &str) -> Option<&Option<String>> {
        let mut kind = self.types.get(kind);
        for _ in 0..DEEPEST {
            let of = kind?;
            if let Some(found) = of.properties.get(name) {
                return Some(found);
            }
            kind = self.types.get(of.base.as_ref()?);
        }
        None
    }
}

/// `Collection(OData.Relation_Person)` → `Relation_Person`
fn local(name: &str) -> String {
    let inner = name
        .strip_prefix("Collection(")
        .and_then(|rest| rest.strip_suffix(')'));
    let name = inner.unwrap_or(name);
    name.rsplit_once('.')
        .map_or(name, |(_, local)| local)
        .to_owned()
}

/// The tags of a document, without comments.
struct Tags<'a>(&'a str);

struct Tag<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        loop {
            let start = self.0.find('<')?;
            let rest = &self.0[start + 1..];
            if let Some(comment) = rest.strip_prefix("!--") {
                self.0 = comment.split_once("-->")?.1;
                continue;
            }
            let end = end_of_tag(rest)?;
            self.0 = &rest[end + 1..];
            return Some(Tag(&rest[..end]));
        }
    }
}

/// A `>` inside of quotes does not end a tag.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(at, c)| match (quote, c) {
        (None, '>') => Some(at),
        (None, '"' | '\'') => {
            quote = Some(c);
            None
        }
        (Some(open), c) if open == c => {
            quote = None;
            None
        }
        _ => None,
    })
}

impl<'a> Tag<'a> {
    /// The local name, with the slash of an end tag.
    fn name(&self) -> &'a str {
        let word = self
            .0
            .split([' ', '\t', '\r', '\n'])
            .next()
            .unwrap_or_default();
        let word = word.strip_suffix('/').unwrap_or(word);
        match word.strip_prefix('/') {
            Some(end) if end.contains(':') => word,
            Some(_) => word,
            None => word.rsplit_once(':').map_or(word, |(_, local)| local),
        }
    }

    fn is_empty(&self) -> bool {
        self.0.ends_with('/')
    }

    fn attribute(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.0;
        loop {
            let (before, after) = rest.split_once('=')?;
            let quote = after
                .trim_start()
                .chars()
                .next()
                .filter(|c| matches!(c, '"' | '\''))?;
            let value = after.trim_start().get(1..)?;
            let end = value.find(quote)?;
            if before.split_whitespace().last() == Some(name) {
                return Some(&value[..end]);
            }
            rest = &value[end + 1..];
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Abridged, in the form that Olingo writes.
    pub(in crate::doctor) const XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0"><edmx:DataServices>
<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="OData">
<!-- <EntitySet Name="Commented" EntityType="OData.Entity"/> -->
<EntityType Name="Entity" Abstract="true"><Key><PropertyRef Name="ID"/></Key>
<Property Name="ID" Type="Edm.Guid"/><Property Name="Note" Type="Edm.String" DefaultValue="a > b"/></EntityType>
<EntityType Name="Relation_Person" BaseType="OData.Entity"><Property Name="LastName" Type="Edm.String"/>
<NavigationProperty Name="AccountManager" Type="OData.Employee"/></EntityType>
<EntityType Name="Relationship" BaseType="OData.Entity"><Property Name="IsFormer" Type="Edm.Boolean"/>
<NavigationProperty Name="Person" Type="OData.Relation_Person"/>
<NavigationProperty Name="Owners" Type="Collection(OData.Employee)"/></EntityType>
<EntityType Name="Employee" BaseType="OData.Relationship"/>
<EntityType Name='Loop' BaseType='OData.Loop'/>
<EntityContainer Name="Container">
<EntitySet Name="Relationship_Person_Contact_Standard" EntityType="OData.Relationship"/>
<EntitySet Name="Relationship_Person_Contact_Employee" EntityType="OData.Employee"/>
<EntitySet Name="Loops" EntityType="OData.Loop"/>
</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#;

    #[test]
    fn names_are_found_through_bases_and_navigations() {
        let model = Model::parse(XML).expect("a model");
        let contact = "Relationship_Person_Contact_Standard";
        let employee = "Relationship_Person_Contact_Employee";
        assert!(model.has_set(contact) && !model.has_set("Commented"));
        for path in [
            "IsFormer",
            "ID",
            "Note",
            "Owners/Person/LastName",
            "Person/AccountManager",
        ] {
            assert!(
                model.has_path(contact, path) && model.has_path(employee, path),
                "{path}"
            );
        }
        for path in [
            "AccountManager",
            "isFormer",
            "IsFormer/ID",
            "Person/Nothing",
            "",
        ] {
            assert!(!model.has_path(contact, path), "{path}");
        }
        assert!(!model.has_path("Loops", "Nothing"));
        assert!(!model.has_path("Nowhere", "ID"));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[<>/\"'=!:a-zA-Z \\-]{0,80}") {
            let _ = Model::parse(&text);
            let _ = Model::parse(&format!("<EntitySet {text}<EntityType {text}"));
        }
    }
}
