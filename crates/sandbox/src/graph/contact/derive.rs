//! What Exchange derives from other properties: display name, `fileAs`, initials.

use serde_json::{Map, Value, json};

use crate::graph::Switches;

/// What Exchange derives: the display name whenever a write omits it, `fileAs` and `initials`
/// while nobody gave them (Graph reference 2.2).
pub(super) fn derive(
    props: &mut Map<String, Value>,
    body: &Map<String, Value>,
    before: &Map<String, Value>,
    creating: bool,
    switches: &Switches,
) {
    if !body.contains_key("displayName") {
        let name = composed(props);
        props.insert("displayName".to_owned(), name);
    }
    let derived = |creating: bool, name: &str, derive: fn(&Map<String, Value>) -> Value| {
        let given = body.contains_key(name);
        let own = before.get(name).is_none_or(Value::is_null) && creating
            || before.get(name) == Some(&derive(before)) && !creating;
        (!given && own).then_some(derive)
    };
    if let Some(file_as) = derived(creating, "fileAs", filed) {
        let value = file_as(props);
        props.insert("fileAs".to_owned(), value);
    }
    if switches.derive_initials
        && let Some(initials) = derived(creating, "initials", initialled)
    {
        let value = initials(props);
        props.insert("initials".to_owned(), value);
    }
}

fn text<'a>(props: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    props
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

fn joined(props: &Map<String, Value>, names: &[&str]) -> Option<String> {
    let parts: Vec<&str> = names.iter().filter_map(|name| text(props, name)).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn composed(props: &Map<String, Value>) -> Value {
    let address = || {
        props.get("emailAddresses")?.get(0)?["address"]
            .as_str()
            .map(str::to_owned)
    };
    json!(
        joined(props, &["givenName", "middleName", "surname", "generation"])
            .or_else(|| text(props, "companyName").map(str::to_owned))
            .or_else(address)
            .unwrap_or_default()
    )
}

fn filed(props: &Map<String, Value>) -> Value {
    match (
        text(props, "surname"),
        joined(props, &["givenName", "middleName"]),
    ) {
        (Some(surname), Some(rest)) => json!(format!("{surname}, {rest}")),
        (Some(surname), None) => json!(surname),
        (None, Some(rest)) => json!(rest),
        (None, None) => text(props, "companyName").map_or(Value::Null, |company| json!(company)),
    }
}

fn initialled(props: &Map<String, Value>) -> Value {
    let letters: String = ["givenName", "middleName", "surname"]
        .iter()
        .filter_map(|name| text(props, name))
        .flat_map(str::split_whitespace)
        .filter_map(|word| word.chars().next())
        .map(|letter| format!("{letter}."))
        .collect();
    if letters.is_empty() {
        Value::Null
    } else {
        json!(letters)
    }
}
