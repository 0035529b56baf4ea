//! Values as tables and sentences for people.

use std::fmt::Write;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// Users.
pub(super) fn users(value: &Value) -> String {
    table(
        value,
        &[
            "id",
            "state",
            "reason",
            "environment",
            "employee_id",
            "mailbox",
        ],
        "users",
    )
}

/// Links.
pub(super) fn links(value: &Value) -> String {
    table(value, &["id", "person_id", "contact_id", "state"], "links")
}

/// Audit lines.
pub(super) fn audit(value: &Value) -> String {
    table(
        value,
        &[
            "id",
            "at",
            "user_id",
            "person_id",
            "rule",
            "direction",
            "cause",
            "fields",
        ],
        "lines",
    )
}

/// Held changes.
pub(super) fn held(value: &Value) -> String {
    table(
        value,
        &["id", "rule", "user_id", "person_id", "fields"],
        "held changes",
    )
}

/// Parked items.
pub(super) fn parked(value: &Value) -> String {
    table(
        value,
        &["id", "user_id", "person_id", "reason", "attempts"],
        "parked items",
    )
}

/// A preview.
pub(super) fn preview(value: &Value) -> String {
    let count = |name: &str| cell(&value[name]);
    let head = format!(
        "{}: {} to create, {} to adopt, {} to skip, {} in all\n",
        cell(&value["state"]),
        count("create"),
        count("adopt"),
        count("skip"),
        count("total"),
    );
    head + &table(value, &["person_id", "action", "rule", "reason"], "people")
}

/// An explanation.
pub(super) fn explanation(value: &Value) -> String {
    let eligible = if value["eligible"] == true {
        "eligible"
    } else {
        "not eligible"
    };
    let mut text = format!("{}: {eligible}\n", cell(&value["rule"]));
    for condition in value["conditions"].as_array().into_iter().flatten() {
        let mark = if condition["holds"] == true {
            "✓"
        } else {
            "✗"
        };
        let _ = writeln!(
            text,
            "  {mark} {}  {}",
            cell(&condition["name"]),
            cell(&condition["detail"])
        );
    }
    let wishes = value["would_sync_if"].as_array().into_iter().flatten();
    let wishes: Vec<String> = wishes.map(|wish| format!("  - {}", cell(wish))).collect();
    if !wishes.is_empty() {
        let _ = writeln!(text, "would be synchronised if:\n{}", wishes.join("\n"));
    }
    text.trim_end().to_owned()
}

/// What `doctor` found.
pub(super) fn checks(value: &Value) -> String {
    let mut text = String::new();
    for check in value["checks"].as_array().into_iter().flatten() {
        let status = cell(&check["status"]);
        let _ = writeln!(
            text,
            "{status:<4}  {:<24} {}",
            cell(&check["name"]),
            cell(&check["detail"])
        );
        for line in check["advice"].as_str().into_iter().flat_map(str::lines) {
            let _ = writeln!(text, "      → {}", clean(line));
        }
    }
    text += if value["ok"] == true {
        "everything that matters is well"
    } else {
        "something is to be done"
    };
    text
}

/// A consent link, on a line of its own so that it can be copied.
pub(super) fn invitation(value: &Value) -> String {
    let link = match value["consent_url"].as_str() {
        Some(link) => format!("\nSend this link to the employee:\n{}", clean(link)),
        None => String::new(),
    };
    without(value, "consent_url") + &link
}

/// Any object: a line for each member, nested ones by dotted names.
pub(super) fn record(value: &Value) -> String {
    without(value, "")
}

fn without(value: &Value, left_out: &str) -> String {
    let mut rows = Vec::new();
    flatten("", value, &mut rows);
    rows.retain(|(name, _)| name != left_out);
    let width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let lines: Vec<String> = rows
        .iter()
        .map(|(name, text)| format!("{name:<width$}  {text}"))
        .collect();
    if lines.is_empty() {
        "done".to_owned()
    } else {
        lines.join("\n")
    }
}

fn flatten(prefix: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let name = if prefix.is_empty() {
                    clean(name)
                } else {
                    format!("{prefix}.{}", clean(name))
                };
                flatten(&name, member, rows);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{prefix}.{}", index + 1), item, rows);
            }
        }
        Value::Null if prefix.is_empty() => {}
        value => rows.push((prefix.to_owned(), cell(value))),
    }
}

/// A list as a table. A column that no item fills is left out.
fn table(value: &Value, columns: &[&str], what: &str) -> String {
    let items: &[Value] = value["items"].as_array().map_or(&[], Vec::as_slice);
    if items.is_empty() {
        return format!("no {what}");
    }
    let filled: Vec<&&str> = columns
        .iter()
        .filter(|column| items.iter().any(|item| !cell(&item[**column]).is_empty()))
        .collect();
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(filled.iter().map(|column| column.to_uppercase()));
    for item in items {
        table.add_row(filled.iter().map(|column| cell(&item[**column])));
    }
    format!("{}\n{} {what}", table.trim_fmt(), items.len())
}

/// A value in one cell.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => clean(text),
        Value::Array(items) => items
            .iter()
            .map(named)
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(", "),
        Value::Object(_) => named(value),
        other => other.to_string(),
    }
}

/// A field of an audit line by its name; values have no place in a table.
fn named(value: &Value) -> String {
    match value {
        Value::Object(members) => members.get("name").map(cell).unwrap_or_default(),
        other => cell(other),
    }
}

/// What people typed elsewhere may hold control characters, which a terminal would obey.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_a_table_without_empty_columns() {
        let list = json!({ "items": [
            { "id": "u1", "state": "live", "reason": null },
            { "id": "u2", "state": "paused", "reason": null },
        ]});
        let shown = users(&list);
        let lines: Vec<Vec<&str>> = shown
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            lines,
            [
                vec!["ID", "STATE"],
                vec!["u1", "live"],
                vec!["u2", "paused"],
                vec!["2", "users"],
            ]
        );
        assert_eq!(users(&json!({ "items": [] })), "no users");
    }

    #[test]
    fn an_audit_line_shows_names_of_fields_and_never_their_values() {
        let list = json!({ "items": [{ "id": 1, "rule": "R2", "fields": [
            { "name": "surname", "before": "Jansen", "after": "Janssen" }, { "name": "function" },
        ]}]});
        let shown = audit(&list);
        assert!(
            shown.contains("surname, function") && !shown.contains("Jans"),
            "{shown}"
        );
    }

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        let evil = "\u{1b}[2J\nx";
        for shown in [
            parked(&json!({ "items": [{ "id": 1, "reason": evil }] })),
            record(&json!({ evil: { "a": evil } })),
            invitation(&json!({ "consent_url": evil })),
            checks(&json!({ "checks": [{ "name": "a", "status": "ok", "detail": evil }] })),
        ] {
            assert!(!shown.contains('\u{1b}'), "{shown:?}");
        }
    }

    #[test]
    fn an_explanation_says_what_holds_and_what_would_help() {
        let shown = explanation(&json!({
            "rule": "R9", "eligible": false,
            "conditions": [{ "name": "manager", "holds": false, "detail": "another employee" }],
            "would_sync_if": ["the user were the manager"],
        }));
        assert_eq!(
            shown,
            "R9: not eligible\n  ✗ manager  another employee\nwould be synchronised if:\n  - the user were the manager"
        );
    }

    #[test]
    fn a_record_names_nested_members() {
        let shown =
            record(&json!({ "id": "u", "counts": { "linked": 3 }, "alerts": [{ "key": "k" }] }));
        assert!(
            shown.contains("counts.linked  3") && shown.contains("alerts.1.key"),
            "{shown}"
        );
        assert_eq!(record(&Value::Null), "done");
    }
}
