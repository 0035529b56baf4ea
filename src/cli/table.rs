//! Lists as tables, and values in words (pure, but for the terminal's width).

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde_json::Value;

/// How many characters of an id are left where there is little room. The end, since ids that are
/// ordered by time begin alike.
const ID_END: usize = 8;

/// What a list's items are called: one, and several.
pub(super) type Noun = (&'static str, &'static str);

/// How many of them.
pub(super) fn counted(count: u64, noun: Noun) -> String {
    let name = if count == 1 { noun.0 } else { noun.1 };
    format!("{count} {name}")
}

/// The items of a list.
pub(super) fn items(value: &Value) -> &[Value] {
    value["items"].as_array().map_or(&[], Vec::as_slice)
}

/// A table as wide as the terminal, if there is one. A column that no item fills is left out.
pub(super) fn table(items: &[Value], columns: &[&str], noun: Noun) -> String {
    table_within(items, columns, noun, Table::new().width())
}

fn table_within(items: &[Value], columns: &[&str], noun: Noun, width: Option<u16>) -> String {
    if items.is_empty() {
        return format!("no {}", noun.1);
    }
    let columns: Vec<&str> = columns
        .iter()
        .copied()
        .filter(|column| items.iter().any(|item| !cell(&item[*column]).is_empty()))
        .collect();
    let count = counted(items.len() as u64, noun);
    let whole = rows(items, &columns, false, None);
    let Some(width) = width.filter(|width| widest(&whole) > usize::from(*width)) else {
        return format!("{whole}\n{count}");
    };
    let mut text = rows(items, &columns, true, None);
    if widest(&text) > usize::from(width) {
        text = rows(items, &columns, true, Some(width));
    }
    let note = match columns.iter().any(|column| is_id(column)) {
        true => ", ids by their ends; --json shows them whole",
        false => "",
    };
    format!("{text}\n{count}{note}")
}

fn rows(items: &[Value], columns: &[&str], short: bool, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    match width {
        None => table.set_content_arrangement(ContentArrangement::Disabled),
        Some(width) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width),
    };
    table.set_header(
        columns
            .iter()
            .map(|column| column.to_uppercase().replace('_', " ")),
    );
    for item in items {
        table.add_row(columns.iter().map(|column| {
            let text = cell(&item[*column]);
            match short && is_id(column) {
                true => shortened(&text),
                false => text,
            }
        }));
    }
    table.trim_fmt()
}

fn widest(text: &str) -> usize {
    let lines = text.lines().map(|line| line.chars().count());
    lines.max().unwrap_or(0)
}

/// The id of something else: `id` itself is what the next command takes, and stays whole.
fn is_id(column: &str) -> bool {
    column.ends_with("_id")
}

fn shortened(id: &str) -> String {
    let length = id.chars().count();
    if length <= ID_END + 1 {
        return id.to_owned();
    }
    let end: String = id.chars().skip(length - ID_END).collect();
    format!("…{end}")
}

/// A value in one cell.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => moment(text).unwrap_or_else(|| clean(text)),
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

/// A moment to the second, in UTC.
fn moment(text: &str) -> Option<String> {
    // Only what is a moment as a whole; most texts fail at their first byte.
    let moment: Timestamp = text.parse().ok()?;
    Some(moment.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// A field of an audit line by its name; values have no place in a table.
fn named(value: &Value) -> String {
    match value {
        Value::Object(members) => members.get("name").map(cell).unwrap_or_default(),
        other => cell(other),
    }
}

/// How long something waited.
pub(super) fn waited(ms: u64) -> String {
    match ms / 1_000 {
        0 => "less than a second".to_owned(),
        s if s < 120 => counted(s, ("second", "seconds")),
        s if s < 7_200 => counted(s / 60, ("minute", "minutes")),
        s => counted(s / 3_600, ("hour", "hours")),
    }
}

/// A line for each name that has something to say.
pub(super) fn lines(rows: &[(&str, String)]) -> String {
    let filled = || rows.iter().filter(|(_, text)| !text.is_empty());
    let width = filled().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or(0);
    let lines: Vec<String> = filled()
        .map(|(name, text)| format!("{name:<width$}  {text}"))
        .collect();
    lines.join("\n")
}

/// What people typed elsewhere may hold control characters, which a terminal would obey.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const THINGS: Noun = ("thing", "things");

    fn words(text: &str) -> Vec<Vec<&str>> {
        text.lines()
            .map(|line| line.split_whitespace().collect())
            .collect()
    }

    #[test]
    fn a_list_is_a_table_without_empty_columns() {
        let list = [
            json!({ "id": "u1", "state": "live", "reason": null }),
            json!({ "id": "u2", "state": "paused", "reason": null }),
        ];
        let shown = table_within(&list, &["id", "state", "reason"], THINGS, None);
        assert_eq!(
            words(&shown),
            [
                vec!["ID", "STATE"],
                vec!["u1", "live"],
                vec!["u2", "paused"],
                vec!["2", "things"],
            ]
        );
        assert!(table_within(&list[..1], &["id"], THINGS, None).ends_with("\n1 thing"));
        assert_eq!(table_within(&[], &["id"], THINGS, None), "no things");
    }

    #[test]
    fn a_narrow_terminal_gets_the_ends_of_ids_and_no_line_too_long() {
        let id = "01a20f0f-1700-7c31-9c88-0cfd1ff767c0";
        let text = "initials, first_name, surname, business_email, function, company";
        let list = [json!({ "id": id, "user_id": id, "person_id": id, "fields": text })];
        let columns = ["id", "user_id", "person_id", "fields"];
        let wide = table_within(&list, &columns, THINGS, Some(200));
        assert_eq!(wide.matches(id).count(), 3);
        for width in [150, 90] {
            let narrow = table_within(&list, &columns, THINGS, Some(width));
            assert!(narrow.contains("…1ff767c0"), "{narrow}");
            let table = narrow.rsplit_once('\n').map_or("", |(table, _)| table);
            assert!(widest(table) <= usize::from(width), "{narrow}");
            assert!(narrow.ends_with("--json shows them whole"), "{narrow}");
        }
        let narrow = table_within(&list, &columns, THINGS, Some(150));
        assert_eq!(narrow.matches(id).count(), 1, "the id that a command takes");
    }

    #[test]
    fn moments_are_told_to_the_second_and_other_texts_as_they_are() {
        assert_eq!(
            cell(&json!("2026-11-24T19:36:20.079Z")),
            "2026-11-24 19:36:20Z"
        );
        for text in ["live", "2026", "R7", "2026-11-24 is a day", ""] {
            assert_eq!(cell(&json!(text)), text);
        }
    }

    #[test]
    fn one_is_not_several() {
        assert_eq!(counted(0, THINGS), "0 things");
        assert_eq!(counted(1, THINGS), "1 thing");
        assert_eq!(waited(0), "less than a second");
        assert_eq!(waited(1_500), "1 second");
        assert_eq!(waited(3_599_000), "59 minutes");
        assert_eq!(waited(7_200_000), "2 hours");
    }
}
