//! How a contact is shown.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{ADDRESSES, Contact, LISTS, MIRRORS, STRINGS};
use crate::microsoft::draw;

/// How a contact is asked for.
#[derive(Clone, Debug, Default)]
pub(in crate::graph) struct View {
    pub(in crate::graph) immutable: bool,
    pub(in crate::graph) select: Option<BTreeSet<String>>,
    /// Canonical ids of extended properties to expand.
    pub(in crate::graph) extended: Vec<String>,
    /// Expand open extensions: all, or the one with this full id.
    pub(in crate::graph) extensions: Option<Option<String>>,
}

/// The contact as JSON. `directory` knows the names of the tenant's own addresses.
pub(in crate::graph) fn show(
    contact: &Contact,
    view: &View,
    directory: &BTreeMap<String, String>,
) -> Value {
    let wanted = |name: &str| {
        view.select
            .as_ref()
            .is_none_or(|names| names.contains(name))
    };
    let mut out = Map::new();
    out.insert("@odata.etag".to_owned(), json!(contact.etag()));
    out.insert("id".to_owned(), json!(contact.shown_id(view.immutable)));
    let mut put = |name: &str, value: Value| {
        if wanted(name) {
            out.insert(name.to_owned(), value);
        }
    };
    put("createdDateTime", json!(draw::seconds(contact.created_ms)));
    put(
        "lastModifiedDateTime",
        json!(draw::seconds(contact.modified_ms)),
    );
    put("changeKey", json!(contact.change_key));
    put("parentFolderId", json!(contact.folder));
    for name in STRINGS {
        put(name, contact.props.get(name).cloned().unwrap_or_default());
    }
    for name in LISTS {
        put(
            name,
            contact
                .props
                .get(name)
                .cloned()
                .unwrap_or_else(|| json!([])),
        );
    }
    for name in ADDRESSES {
        put(
            name,
            contact
                .props
                .get(name)
                .cloned()
                .unwrap_or_else(|| json!({})),
        );
    }
    let entries = contact
        .props
        .get("emailAddresses")
        .and_then(Value::as_array);
    let emails: Vec<Value> = entries
        .into_iter()
        .flatten()
        .map(|entry| shown_address(entry, directory))
        .collect();
    for (at, name) in MIRRORS.iter().enumerate() {
        put(name, emails.get(at).cloned().unwrap_or_default());
    }
    put("emailAddresses", Value::Array(emails));
    for (name, value) in &contact.props {
        let known = STRINGS.contains(&name.as_str())
            || LISTS.contains(&name.as_str())
            || ADDRESSES.contains(&name.as_str())
            || name == "emailAddresses";
        if !known {
            put(name, value.clone());
        }
    }
    expand(&mut out, contact, view);
    Value::Object(out)
}

fn expand(out: &mut Map<String, Value>, contact: &Contact, view: &View) {
    let found: Vec<Value> = view
        .extended
        .iter()
        .filter_map(|id| {
            contact
                .extended
                .get(id)
                .map(|property| json!({"id": property.id, "value": property.value}))
        })
        .collect();
    // Where none matches the member is left out altogether.
    if !found.is_empty() {
        out.insert(
            "singleValueExtendedProperties".to_owned(),
            Value::Array(found),
        );
    }
    if let Some(only) = &view.extensions {
        let shown = contact
            .extensions
            .iter()
            .filter(|(id, _)| only.as_ref().is_none_or(|only| only == *id));
        out.insert(
            "extensions".to_owned(),
            shown
                .map(|(_, extension)| Value::Object(extension.clone()))
                .collect(),
        );
    }
}

/// An address that is none is kept, but not shown; one of the directory shows the directory's name
/// (Graph reference 2.2).
fn shown_address(entry: &Value, directory: &BTreeMap<String, String>) -> Value {
    let mut entry = entry.clone();
    let address = entry["address"].as_str().unwrap_or_default().to_owned();
    if !plausible(&address) {
        if let Some(members) = entry.as_object_mut() {
            members.remove("address");
        }
    } else if let Some(name) = directory.get(&address.to_lowercase()) {
        entry["name"] = json!(name);
    }
    entry
}

fn plausible(address: &str) -> bool {
    address
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
        && !address.contains([',', ';', ' ', '<', '>'])
}
