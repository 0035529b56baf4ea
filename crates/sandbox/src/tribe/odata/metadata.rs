//! `$metadata` (3.9): CSDL as XML, and as JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::tribe::schema::{Schema, Type, set_name};

/// The namespace of every type (3.6).
const NAMESPACE: &str = "OData";

/// CSDL XML. Names are identifiers, so nothing needs escaping.
#[must_use]
pub fn xml(schema: &Schema) -> String {
    let mut types = String::new();
    let mut sets = String::new();
    for kind in schema.types() {
        let set = set_name(&kind.name);
        type_xml(kind, &set, &mut types);
        let _ = write!(
            sets,
            "<EntitySet Name=\"{set}\" EntityType=\"{NAMESPACE}.{set}\"/>"
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:DataServices><Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" Namespace=\"{NAMESPACE}\">{types}<Function Name=\"GetCurrentEmployee\"><ReturnType Type=\"{NAMESPACE}.Relationship_Person_Contact_Employee\"/></Function><EntityContainer Name=\"Container\">{sets}<FunctionImport Name=\"GetCurrentEmployee\" Function=\"{NAMESPACE}.GetCurrentEmployee\"/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"
    )
}

fn type_xml(kind: &Type, set: &str, out: &mut String) {
    let _ = write!(out, "<EntityType Name=\"{set}\"");
    if let Some(parent) = &kind.parent {
        let _ = write!(out, " BaseType=\"{NAMESPACE}.{}\"", set_name(parent));
    }
    if kind.base {
        out.push_str(" Abstract=\"true\"");
    }
    out.push('>');
    if kind.parent.is_none() {
        out.push_str("<Key><PropertyRef Name=\"ID\"/></Key>");
    }
    for prop in &kind.props {
        let _ = write!(
            out,
            "<Property Name=\"{}\" Type=\"{}\"",
            prop.name,
            prop.kind.edm()
        );
        out.push_str(if prop.name == "ID" {
            " Nullable=\"false\"/>"
        } else {
            "/>"
        });
    }
    for nav in &kind.navs {
        let target = format!("{NAMESPACE}.{}", set_name(&nav.target));
        let target = if nav.many {
            format!("Collection({target})")
        } else {
            target
        };
        let _ = write!(
            out,
            "<NavigationProperty Name=\"{}\" Type=\"{target}\"/>",
            nav.name
        );
    }
    out.push_str("</EntityType>");
}

/// CSDL JSON.
#[must_use]
pub fn json(schema: &Schema) -> Value {
    let mut members = Map::new();
    let mut container = Map::new();
    container.insert("$Kind".to_owned(), json!("EntityContainer"));
    for kind in schema.types() {
        let set = set_name(&kind.name);
        members.insert(set.clone(), type_json(kind));
        container.insert(
            set.clone(),
            json!({"$Collection": true, "$Type": format!("{NAMESPACE}.{set}")}),
        );
    }
    members.insert("Container".to_owned(), Value::Object(container));
    json!({"$Version": "4.01", "$EntityContainer": format!("{NAMESPACE}.Container"), NAMESPACE: members})
}

fn type_json(kind: &Type) -> Value {
    let mut members = Map::new();
    members.insert("$Kind".to_owned(), json!("EntityType"));
    match &kind.parent {
        Some(parent) => members.insert(
            "$BaseType".to_owned(),
            json!(format!("{NAMESPACE}.{}", set_name(parent))),
        ),
        None => members.insert("$Key".to_owned(), json!(["ID"])),
    };
    if kind.base {
        members.insert("$Abstract".to_owned(), json!(true));
    }
    for prop in &kind.props {
        members.insert(
            prop.name.clone(),
            json!({"$Type": prop.kind.edm(), "$Nullable": prop.name != "ID"}),
        );
    }
    for nav in &kind.navs {
        let target = format!("{NAMESPACE}.{}", set_name(&nav.target));
        let mut member = json!({"$Kind": "NavigationProperty", "$Type": target});
        if nav.many {
            member["$Collection"] = json!(true);
        }
        members.insert(nav.name.clone(), member);
    }
    Value::Object(members)
}
