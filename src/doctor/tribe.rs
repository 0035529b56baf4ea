//! What can be asked of Tribe.

use std::collections::BTreeSet;

use tribelink_plan::ids::SetName;

use super::{Check, metadata::Model, of_failure};
use crate::{
    config::{Config, Names, is_loopback},
    tribe::{Crm, RegisteredWebhook, names::type_of_set},
};

pub(super) const SIGN_IN: &str = "Tribe sign-in";
const NAMES: &str = "Tribe names";
const SETS: &str = "Tribe sets";
const WEBHOOKS: &str = "Tribe webhooks";
const SECRETS: &str = "tribe.client_id and tribe.client_secret";
const RIGHT: &str = "give the application's user the right to read it, in Tribe";

/// Signs in, then looks at what the sign-in lets it see.
pub(super) async fn examine(config: &Config, crm: &dyn Crm) -> Vec<Check> {
    let mut checks = Vec::new();
    match crm.identity().await {
        Ok(id) => checks.push(Check::ok(
            SIGN_IN,
            format!("accepted, for the organisation {id}"),
        )),
        Err(error) => {
            checks.push(of_failure(SIGN_IN, &error, SECRETS, RIGHT));
            return checks;
        }
    }
    match crm.metadata().await {
        Ok(xml) => checks.extend(names(&xml, &config.tribe.names, &config.tribe.person_sets)),
        Err(error) => checks.push(of_failure(NAMES, &error, SECRETS, RIGHT)),
    }
    match crm.webhooks().await {
        Ok(registered) => checks.push(webhooks(config, &registered)),
        Err(error) => checks.push(of_failure(WEBHOOKS, &error, SECRETS, RIGHT)),
    }
    checks
}

/// Looks every configured name up in `$metadata`.
pub(super) fn names(xml: &str, names: &Names, sets: &[SetName]) -> Vec<Check> {
    let Some(model) = Model::parse(xml) else {
        let advice = "check tribe.api_url; names could not be looked up";
        return vec![Check::warn(NAMES, "$metadata is of no known form", advice)];
    };
    let (known, unknown): (Vec<&str>, Vec<&str>) = sets
        .iter()
        .map(SetName::as_str)
        .partition(|set| model.has_set(set));
    let mut checks = vec![set_check(&known, &unknown)];
    let function = std::slice::from_ref(&names.function);
    for (key, name, paths) in [
        (
            "tribe.names.manager",
            "Tribe name of manager",
            names.manager.as_slice(),
        ),
        (
            "tribe.names.owners",
            "Tribe name of owners",
            names.owners.as_slice(),
        ),
        (
            "tribe.names.former",
            "Tribe name of former",
            names.former.as_slice(),
        ),
        ("tribe.names.function", "Tribe name of function", function),
    ] {
        checks.push(path_check(&model, &known, key, name, paths));
    }
    checks
}

fn set_check(known: &[&str], unknown: &[&str]) -> Check {
    let list = unknown.join(", ");
    let advice = "take them out of tribe.person_sets, or correct their names; Configuration > API > \
                  Explore Data Model shows them";
    if unknown.is_empty() {
        Check::ok(SETS, format!("{} person sets, all known", known.len()))
    } else if known.is_empty() {
        Check::fail(SETS, format!("none is known: {list}"), advice)
    } else {
        Check::warn(SETS, format!("not known: {list}"), advice)
    }
}

/// A path is good when some set knows it; a kind of name is when one of its paths is good.
fn path_check(
    model: &Model,
    sets: &[&str],
    key: &str,
    name: &'static str,
    paths: &[String],
) -> Check {
    let known_in = |path: &str| sets.iter().filter(|set| model.has_path(set, path)).count();
    let found: Vec<String> = paths
        .iter()
        .map(|path| format!("{path} in {} of {} sets", known_in(path), sets.len()))
        .collect();
    let detail = found.join(", ");
    let advice = format!(
        "set {key} to where Tribe keeps it (a path from the relationship, such as \
         Person/AccountManager); Configuration > API > Explore Data Model shows the names"
    );
    if paths.iter().all(|path| known_in(path) > 0) {
        Check::ok(name, detail)
    } else if paths.iter().any(|path| known_in(path) > 0) || name == "Tribe name of function" {
        // Without a function people are synchronised all the same, but for that field.
        Check::warn(name, detail, advice)
    } else {
        Check::fail(name, detail, advice)
    }
}

/// Compares the registered webhooks with the needed ones.
pub(super) fn webhooks(config: &Config, registered: &[RegisteredWebhook]) -> Check {
    let address = match config.server.public_url.join("/webhooks/tribe/default") {
        Ok(address) => address.to_string(),
        Err(error) => return Check::fail(WEBHOOKS, error.to_string(), "check server.public_url"),
    };
    let present: BTreeSet<&str> = registered
        .iter()
        .filter(|webhook| webhook.url == address)
        .map(|webhook| webhook.entity_type.as_str())
        .collect();
    let needed = needed(&config.tribe.person_sets);
    let missing: Vec<&String> = needed
        .iter()
        .filter(|kind| !present.contains(kind.as_str()))
        .collect();
    if missing.is_empty() {
        return Check::ok(
            WEBHOOKS,
            format!("all {} deliver to {address}", needed.len()),
        );
    }
    let detail = format!("{} of {} are missing", missing.len(), needed.len());
    if is_loopback(&config.server.public_url) {
        let advice = "Tribe cannot deliver to this machine; changes are found by polling alone";
        return Check::warn(WEBHOOKS, detail, advice);
    }
    if config.tribe.register_webhooks {
        let advice = "the running service registers them at start and at each sweep; if they stay \
                      missing, look into its log";
        return Check::warn(WEBHOOKS, detail, advice);
    }
    let lines: Vec<String> = missing
        .iter()
        .map(|kind| format!("{kind} → {address}"))
        .collect();
    let advice = format!(
        "register them in Tribe under Configuration > API > Webhooks, and put their secrets into \
         tribe.webhook_secrets as webhookId:secret; or set tribe.register_webhooks = true:\n{}",
        lines.join("\n")
    );
    Check::warn(WEBHOOKS, detail, advice)
}

/// The entity types to be told about.
fn needed(sets: &[SetName]) -> Vec<String> {
    let own = ["Relation.Person", "Relation.Organization"].map(str::to_owned);
    own.into_iter()
        .chain(sets.iter().map(type_of_set))
        .collect()
}
