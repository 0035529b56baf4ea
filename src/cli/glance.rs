//! The service at a glance, in words for people (pure).

use std::fmt::Write;

use serde_json::Value;

use super::table::{cell, clean, counted, waited};

/// The state of the service.
pub(super) fn status(value: &Value) -> String {
    let states: Vec<(&String, u64)> = value["users"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(state, count)| Some((state, count.as_u64()?)))
        .filter(|(_, count)| *count > 0)
        .collect();
    let all: u64 = states.iter().map(|(_, count)| count).sum();
    let named: Vec<String> = states
        .iter()
        .map(|(state, count)| format!("{count} {}", clean(state)))
        .collect();
    let mut text = format!("tribelink {}\n", cell(&value["version"]));
    text += &match named.is_empty() {
        true => "no users".to_owned(),
        false => format!("{}: {}", counted(all, ("user", "users")), named.join(", ")),
    };
    for waits in value["backlog"].as_array().into_iter().flatten() {
        let hints = waits["hints"].as_u64().unwrap_or(0);
        let environment = cell(&waits["environment"]);
        let words = match hints {
            0 => "nothing waits".to_owned(),
            hints => {
                let oldest = waited(waits["lag_ms"].as_u64().unwrap_or(0));
                let verb = if hints == 1 { "waits" } else { "wait" };
                let hints = counted(hints, ("hint", "hints"));
                format!("{hints} {verb}, the oldest for {oldest}")
            }
        };
        let _ = write!(text, "\nenvironment {environment}: {words}");
    }
    for reminder in value["reminders"].as_array().into_iter().flatten() {
        let user = Some(cell(&reminder["user_id"])).filter(|user| !user.is_empty());
        let user = user.map_or(String::new(), |user| format!(" (user {user})"));
        let _ = write!(text, "\n! {}{user}", cell(&reminder["message"]));
    }
    let alerts = value["alerts"].as_array().map_or(&[][..], Vec::as_slice);
    if alerts.is_empty() {
        return text + "\nnothing needs an administrator";
    }
    let count = counted(alerts.len() as u64, ("alert", "alerts"));
    let _ = write!(text, "\n\n{count} for an administrator:");
    for alert in alerts {
        let of = |name: &str| cell(&alert[name]);
        let user = Some(of("user_id")).filter(|user| !user.is_empty());
        let user = user.map_or(String::new(), |user| format!(", user {user}"));
        let (since, environment, message) = (of("since"), of("environment"), of("message"));
        let _ = write!(
            text,
            "\n- since {since}, environment {environment}{user}\n  {message}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_state_at_a_glance_is_a_few_sentences() {
        let quiet = json!({
            "version": "1.0", "users": { "live": 1, "paused": 0 }, "alerts": [],
            "backlog": [{ "environment": "default", "hints": 0, "lag_ms": 0 }],
        });
        assert_eq!(
            status(&quiet),
            "tribelink 1.0\n1 user: 1 live\nenvironment default: nothing waits\n\
             nothing needs an administrator"
        );
        let busy = json!({
            "version": "1.0", "users": { "live": 2, "paused": 1 },
            "backlog": [{ "environment": "a", "hints": 3, "lag_ms": 5_000 }],
            "reminders": [{ "user_id": null, "message": "a secret ends" }, { "user_id": "u", "message": "a consent ends" }],
            "alerts": [{ "key": "k", "environment": "a", "user_id": "u", "message": "Do this.",
                         "since": "2026-11-24T10:14:03.5Z" }],
        });
        assert_eq!(
            status(&busy),
            "tribelink 1.0\n3 users: 2 live, 1 paused\nenvironment a: 3 hints wait, the oldest for \
             5 seconds\n! a secret ends\n! a consent ends (user u)\n\n1 alert for an administrator:\n- since 2026-11-24 10:14:03Z, environment \
             a, user u\n  Do this."
        );
    }

    #[test]
    fn nothing_of_an_answer_reaches_the_terminal_as_a_command() {
        let evil = "a\u{1b}[2J";
        let shown = status(&json!({
            "users": { evil: 1 }, "alerts": [{ "message": evil }], "reminders": [{ "message": evil }]
        }));
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
}
