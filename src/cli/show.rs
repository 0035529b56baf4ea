//! Answers of the API in words for people (pure).

use std::fmt::Write;

use serde_json::Value;
use tribelink_plan::rule::Rule;

use super::table::{cell, clean, counted, items, lines, table, waited};

/// Users.
pub(super) fn users(value: &Value) -> String {
    let columns = [
        "id",
        "state",
        "reason",
        "environment",
        "mailbox",
        "employee_id",
    ];
    table(items(value), &columns, ("user", "users"))
}

/// One user, as far as the answer tells of it.
pub(super) fn user(value: &Value) -> String {
    let of = |name: &str| cell(&value[name]);
    let number = |value: &Value| value.as_u64();
    let counts = &value["counts"];
    let people = number(&counts["in_sync"]).map(|in_sync| {
        let rest = |name: &str, word: &str| format!(", {} {word}", cell(&counts[name]));
        let words = [
            ("sleeping", "asleep"),
            ("held", "held"),
            ("failing", "failing"),
        ];
        let rest: String = words.map(|(name, word)| rest(name, word)).concat();
        format!("{in_sync} in step{rest}")
    });
    let pair = |value: &Value, one: &str, all: &str| {
        let (one, all) = (number(&value[one])?, number(&value[all])?);
        Some(format!("{one} of {all}"))
    };
    let backlog = number(&value["backlog"]).map(|hints| {
        let oldest = number(&value["lag_ms"]).filter(|_| hints > 0);
        let oldest = oldest.map_or(String::new(), |ms| {
            format!(", the oldest for {}", waited(ms))
        });
        format!("{}{oldest}", counted(hints, ("hint", "hints")))
    });
    let braked = pair(&value["braked"], "changes", "links");
    let braked = braked.map(|pair| format!("{pair} links would have lost something"));
    let reason = Some(of("reason")).filter(|reason| !reason.is_empty());
    let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
    lines(&[
        ("user", of("id")),
        ("state", of("state") + &reason),
        ("mailbox", of("mailbox")),
        ("employee", of("employee_id")),
        ("environment", of("environment")),
        ("activated", of("created_at")),
        ("people", people.unwrap_or_default()),
        (
            "progress",
            pair(&value["progress"], "done", "total").unwrap_or_default(),
        ),
        ("held back", braked.unwrap_or_default()),
        ("waiting", backlog.unwrap_or_default()),
        ("last in step", of("last_proven_at")),
        ("canary", canary(&value["canary"])),
        ("notified until", of("subscription_expires_at")),
    ])
}

/// What the canary proved, on both ways.
fn canary(value: &Value) -> String {
    let ways = [("to_outlook", "to Outlook"), ("to_tribe", "to Tribe")];
    let told = ways.into_iter().filter_map(|(name, words)| {
        let way = value.get(name).filter(|way| way.is_object())?;
        let at = cell(&way["proven_at"]);
        let last = match at.is_empty() {
            true => "never".to_owned(),
            false => format!("{at} in {} ms", cell(&way["took_ms"])),
        };
        let state = Some(cell(&way["standing"])).filter(|state| state != "proven");
        let state = state.map_or(String::new(), |state| format!(", {state}"));
        Some(format!("{words} {last}{state}"))
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Links.
pub(super) fn links(value: &Value) -> String {
    let columns = ["person_id", "state", "contact_id"];
    table(items(value), &columns, ("link", "links"))
}

/// What a rotation of keys came to.
pub(super) fn rotation(value: &Value) -> String {
    let number = |name: &str| value[name].as_u64().unwrap_or_default();
    let current = cell(&value["current"]);
    let mut text = format!(
        "{} of {} sealed anew under key {current}\n",
        number("resealed"),
        counted(number("sealed"), ("value", "values")),
    );
    for refused in value["refused"].as_array().into_iter().flatten() {
        let _ = writeln!(
            text,
            "{}: {}",
            cell(&refused["count"]),
            cell(&refused["message"])
        );
    }
    text += match value["complete"] == true {
        true => {
            "Nothing rests under another key: the others may be taken out of \
                 security.encryption_keys."
        }
        false => {
            "Keep every key in security.encryption_keys, see to what stands above, and run \
                  this again."
        }
    };
    text
}

/// Audit lines.
pub(super) fn audit(value: &Value) -> String {
    let columns = [
        "id",
        "at",
        "user_id",
        "person_id",
        "rule",
        "direction",
        "cause",
        "fields",
    ];
    table(items(value), &columns, ("line", "lines"))
}

/// Held changes.
pub(super) fn held(value: &Value) -> String {
    let columns = ["id", "rule", "user_id", "person_id", "fields"];
    table(items(value), &columns, ("held change", "held changes"))
}

/// Parked items.
pub(super) fn parked(value: &Value) -> String {
    let columns = ["id", "user_id", "person_id", "reason", "attempts"];
    table(items(value), &columns, ("parked item", "parked items"))
}

/// Environments.
pub(super) fn environments(value: &Value) -> String {
    let columns = [
        "id",
        "organization_id",
        "polled_at",
        "swept_at",
        "throttled_until",
    ];
    table(items(value), &columns, ("environment", "environments"))
}

/// A preview.
pub(super) fn preview(value: &Value) -> String {
    if value["state"] != "ready" {
        return "The preview is being made. --watch waits for it, --stored shows what there is."
            .to_owned();
    }
    let count = |name: &str| cell(&value[name]);
    format!(
        "{} to create, {} to adopt, {} to skip\n\n{}",
        count("create"),
        count("adopt"),
        count("skip"),
        table(
            items(value),
            &["person_id", "action", "rule", "reason"],
            ("person", "people")
        )
    )
}

/// An explanation; `user_id` and `person_id` say of whom.
pub(super) fn explanation(value: &Value) -> String {
    let code = cell(&value["rule"]);
    let sentence = Rule::from_code(&code).map_or("", Rule::sentence);
    let eligible = if value["eligible"] == true {
        "yes"
    } else {
        "no"
    };
    let mut text = format!("{code}: {sentence}\n\n");
    text += &lines(&[
        ("user", cell(&value["user_id"])),
        ("person", cell(&value["person_id"])),
        ("eligible", eligible.to_owned()),
    ]);
    text.push('\n');
    let conditions = value["conditions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let width = conditions
        .iter()
        .map(|condition| cell(&condition["name"]).chars().count())
        .max()
        .unwrap_or(0);
    if !conditions.is_empty() {
        text.push('\n');
    }
    for condition in conditions {
        let mark = if condition["holds"] == true {
            "✓"
        } else {
            "✗"
        };
        let (name, detail) = (cell(&condition["name"]), cell(&condition["detail"]));
        let _ = writeln!(text, "  {mark} {name:<width$}  {detail}");
    }
    let wishes = value["would_sync_if"].as_array().into_iter().flatten();
    let wishes: Vec<String> = wishes.map(|wish| format!("  - {}", cell(wish))).collect();
    if !wishes.is_empty() {
        let _ = writeln!(
            text,
            "\nIt would be synchronised if:\n{}",
            wishes.join("\n")
        );
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
    let about = user(value);
    let link = match value["consent_url"].as_str() {
        Some(link) => {
            let until = cell(&value["expires_at"]);
            let link = clean(link);
            format!("\nSend this link to the employee; it can be opened until {until}:\n{link}")
        }
        None => "\nIt needs no consent now.".to_owned(),
    };
    (about + &link).trim_start().to_owned()
}

/// A link for an administrator's own browser.
pub(super) fn connection(value: &Value) -> String {
    let (link, until) = (cell(&value["connect_url"]), cell(&value["expires_at"]));
    format!("Open this link and sign in at Tribe; it can be opened until {until}:\n{link}")
}

/// What an undo takes back.
pub(super) fn undone(value: &Value) -> String {
    let number = |name: &str| value[name].as_u64().unwrap_or_default();
    let (lines, people) = (number("lines"), number("people"));
    let verb = match value["dry_run"] == true {
        true => "would be taken back",
        false => "are being taken back; fields that somebody changed since are spared",
    };
    let rest = match number("left_alone") {
        0 => String::new(),
        left => format!(" {left} more in range cannot be taken back."),
    };
    format!("Writes: {lines}, for people: {people}. They {verb}.{rest}")
}

/// Any other object: a line for each member, nested ones by dotted names.
pub(super) fn record(value: &Value) -> String {
    let mut rows = Vec::new();
    flatten("", value, &mut rows);
    let rows: Vec<(&str, String)> = rows
        .iter()
        .map(|(name, text)| (name.as_str(), text.clone()))
        .collect();
    match lines(&rows) {
        nothing if nothing.is_empty() => "done".to_owned(),
        text => text,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            user(&json!({ "id": evil, "reason": evil })),
            invitation(&json!({ "consent_url": evil })),
            connection(&json!({ "connect_url": evil })),
            explanation(&json!({ "rule": evil, "conditions": [{ "name": evil }] })),
            checks(&json!({ "checks": [{ "name": "a", "status": "ok", "detail": evil }] })),
        ] {
            assert!(!shown.contains('\u{1b}'), "{shown:?}");
        }
    }

    #[test]
    fn an_explanation_says_what_holds_and_what_would_help() {
        let shown = explanation(&json!({
            "user_id": "u", "person_id": "p", "rule": "R9", "eligible": false,
            "conditions": [
                { "name": "manager", "holds": false, "detail": "another employee" },
                { "name": "link", "holds": true, "detail": "in force" },
            ],
            "would_sync_if": ["the user were the manager"],
        }));
        let expected = [
            "R9: The person is no longer eligible: the link sleeps, nothing is deleted.",
            "",
            "user      u",
            "person    p",
            "eligible  no",
            "",
            "  ✗ manager  another employee",
            "  ✓ link     in force",
            "",
            "It would be synchronised if:",
            "  - the user were the manager",
        ];
        assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_user_is_told_as_far_as_it_is_known() {
        let bare = json!({ "id": "u", "state": "disconnected", "reason": "employee_left" });
        assert_eq!(user(&bare), "user   u\nstate  disconnected (employee_left)");
        let whole = user(&json!({
            "id": "u", "state": "braked", "counts": { "in_sync": 4, "sleeping": 1, "held": 0, "failing": 2 },
            "progress": { "done": 3, "total": 9 }, "braked": { "changes": 30, "links": 40 },
            "backlog": 1, "lag_ms": 61_000, "last_proven_at": "2026-11-24T10:14:03Z",
            "canary": {
                "to_outlook": { "standing": "proven", "proven_at": "2026-11-24T09:00:00Z", "took_ms": 740 },
                "to_tribe": { "standing": "late", "proven_at": null, "took_ms": null },
            },
        }));
        for words in [
            "4 in step, 1 asleep, 0 held, 2 failing",
            "3 of 9",
            "30 of 40 links would have lost something",
            "1 hint, the oldest for 61 seconds",
            "2026-11-24 10:14:03Z",
            "to Outlook 2026-11-24 09:00:00Z in 740 ms; to Tribe never, late",
        ] {
            assert!(whole.contains(words), "{words}: {whole}");
        }
    }

    #[test]
    fn a_preview_that_is_not_ready_says_how_to_see_it() {
        assert!(preview(&json!({ "state": "running" })).contains("--watch"));
        let ready = preview(&json!({
            "state": "ready", "create": 1, "adopt": 0, "skip": 0,
            "items": [{ "person_id": "p", "action": "create", "rule": "R1", "reason": "new" }],
        }));
        assert!(ready.starts_with("1 to create, 0 to adopt, 0 to skip\n"));
        assert!(ready.ends_with("\n1 person"));
    }

    #[test]
    fn links_stand_alone_on_their_line() {
        let invited = invitation(&json!({ "id": "u", "consent_url": "https://a/b" }));
        assert_eq!(invited.lines().last(), Some("https://a/b"));
        let connect = connection(&json!({ "connect_url": "https://a/c" }));
        assert_eq!(connect.lines().last(), Some("https://a/c"));
    }

    #[test]
    fn a_record_names_nested_members() {
        let shown =
            record(&json!({ "id": "u", "counts": { "linked": 3 }, "rows": [{ "key": "k" }] }));
        assert!(
            shown.contains("counts.linked  3") && shown.contains("rows.1.key"),
            "{shown}"
        );
        assert_eq!(record(&Value::Null), "done");
    }
}
