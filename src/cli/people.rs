//! Looking for people by name, from the terminal.

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Report,
    args::Access,
    client::Api,
    error::Error,
    table::{items, table},
};

/// Arguments of `people`.
#[derive(Args)]
pub(super) struct PeopleArgs {
    /// Words of the name; each must stand somewhere in it.
    #[arg(required = true)]
    pub(super) name: Vec<String>,
    /// In which environment [default: default].
    #[arg(long, conflicts_with = "user")]
    pub(super) environment: Option<String>,
    /// In the environment of this user.
    #[arg(long)]
    pub(super) user: Option<Uuid>,
    #[command(flatten)]
    pub(super) access: Access,
}

/// Asks for them. Nothing of the name is kept or logged on either side.
pub(super) async fn find(
    api: &Api,
    name: &[String],
    environment: Option<String>,
    user: Option<Uuid>,
) -> Result<Report, Error> {
    let mut body = json!({ "name": name.join(" ") });
    if let Some(environment) = environment {
        body["environment"] = json!(environment);
    }
    if let Some(user) = user {
        body["user_id"] = json!(user);
    }
    let found = api.post(&["people", "search"], &body).await?;
    Ok(Report::new(found, words))
}

fn words(value: &Value) -> String {
    let rows: Vec<Value> = items(value)
        .iter()
        .map(|one| {
            let links = one["links"].as_array().map_or(0, Vec::len);
            json!({ "person_id": one["person_id"], "name": one["name"], "mailboxes": links })
        })
        .collect();
    let more = match value["more"] == true {
        true => "\nthere are more: give more of the name",
        false => "",
    };
    table(
        &rows,
        &["person_id", "name", "mailboxes"],
        ("person", "people"),
    ) + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_found_stands_in_a_table() {
        let shown = words(&json!({ "more": true, "items": [
            { "person_id": "p", "name": "Anna \u{1b}[2JBerg", "links": [{}, {}] },
        ]}));
        assert!(
            shown.contains("1 person") && shown.contains("there are more"),
            "{shown}"
        );
        assert!(
            shown.contains("Berg") && !shown.contains('\u{1b}'),
            "{shown}"
        );
        assert_eq!(words(&json!({ "items": [], "more": false })), "no people");
    }
}
