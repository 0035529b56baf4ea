//! What the audit says of a run: which rules fired.

use http::Method;
use serde_json::{Value, json};

use crate::{model::Model, world::World};

/// Every line of the audit, the newest first.
pub(super) async fn audit(world: &World) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/audit?limit=500{cursor}");
        let (_, page) = world.ask(Method::GET, &path, json!({})).await;
        all.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// Whether a contact of a person was found again by its stamp, without a base (R12).
pub(super) async fn was_found_again(world: &World, person: &str) -> bool {
    let lines = audit(world).await;
    let mut own = lines.iter().filter(|line| line["person_id"] == *person);
    own.any(|line| line["rule"] == "R12")
}

/// Counts the rules that fired, for coverage, and tells the audit for a replay.
pub(crate) async fn count_rules(world: &World, model: &Model) {
    for user in &world.users {
        let known = world.user(user.id).await;
        if known.reason.as_deref() == Some("employee_left") {
            world.story.count("rule R22");
        }
    }
    if !model.own.is_empty() {
        world.story.count("rule R10");
    }
    if !model.extras.is_empty() {
        world.story.count("rule R15");
    }
    let lines = audit(world).await;
    // R5 writes nothing, so nothing is told of it: nothing became of the person after that.
    let after = |line: &Value, at_ms: i64| {
        let at = line["at"].as_str().and_then(|at| at.parse().ok());
        at.is_some_and(|at: jiff::Timestamp| at.as_millisecond() >= at_ms)
    };
    let agrees = |(person, at_ms): &(String, i64)| {
        let mut own = lines.iter().filter(|line| line["person_id"] == **person);
        !own.any(|line| after(line, *at_ms))
    };
    if model.agreed.iter().any(agrees) {
        world.story.count("rule R5");
    }
    for line in lines.iter().rev() {
        let names: Vec<&str> = line["fields"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|field| field["name"].as_str())
            .collect();
        let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
        world.story.count(&format!("rule {}", text("rule")));
        world.story.call(
            world.at(),
            &format!(
                "audit {} {} user {:.8} person {:.8} {} {} because of {} {}",
                text("at"),
                text("rule"),
                text("user_id"),
                text("person_id"),
                text("direction"),
                text("note"),
                text("cause"),
                names.join(" "),
            ),
        );
    }
}
