//! `doctor`: looks at everything the service depends on, and says what to do.
//!
//! # Map
//! - This file: what a finding is, and the order of the examinations.
//! - [`local`]: configuration, public address with its handshake, database.
//! - [`tribe`]: sign-in, identity, names, webhooks. [`metadata`]: Tribe's data model (pure).
//! - [`microsoft`]: discovery and sign-in.
//! - [`users`]: states, subscriptions, alerts, and the rights at Graph. [`canary`]: what it proved.
//!
//! Details and advice name keys, routes and ids; never a secret, never a person.

mod canary;
mod local;
mod metadata;
mod microsoft;
mod tribe;
mod users;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Serialize;

use crate::{
    clock::Clock,
    config::{Config, Problems},
    graph::{Outlook, SignIn},
    remote::{self, Transport},
    store::Store,
    tribe::Crm,
    vault::Vault,
};

/// How an examination went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Well.
    Ok,
    /// The service runs, but something should be done.
    Warn,
    /// The service does not do its work before something is done.
    Fail,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was examined.
    pub name: &'static str,
    /// How it went.
    pub status: Status,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub advice: Option<String>,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Check {
        Check {
            name,
            status: Status::Ok,
            detail: detail.into(),
            advice: None,
        }
    }

    fn warn(name: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Check {
        Check {
            name,
            status: Status::Warn,
            detail: detail.into(),
            advice: Some(advice.into()),
        }
    }

    fn fail(name: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Check {
        Check {
            name,
            status: Status::Fail,
            detail: detail.into(),
            advice: Some(advice.into()),
        }
    }
}

/// What it takes to read a mailbox as its user allowed.
pub struct Mailbox {
    /// Graph.
    pub outlook: Arc<dyn Outlook>,
    /// Opens the stored token.
    pub vault: Arc<Vault>,
}

/// What is examined. A part that could not be built says why, and becomes a finding.
pub struct Subjects {
    /// This machine's time.
    pub clock: Arc<dyn Clock>,
    /// The database, opened.
    pub store: Result<Arc<dyn Store>, String>,
    /// Tribe, as the environment `default`.
    pub crm: Result<Arc<dyn Crm>, String>,
    /// Microsoft's sign-in.
    pub sign_in: Result<Arc<dyn SignIn>, String>,
    /// How a mailbox is tried.
    pub mailbox: Result<Mailbox, String>,
    /// How requests leave; must allow `microsoft.login_url` and `server.public_url`.
    pub transport: Result<Arc<dyn Transport>, String>,
}

/// Examines everything. Reads only, but for one refused sign-in at Microsoft.
pub async fn examine(config: &Config, subjects: &Subjects) -> Vec<Check> {
    let mut checks = local::configuration(config);
    checks.push(local::database(&subjects.store).await);
    checks.extend(local::public_address(config, &subjects.transport).await);
    match &subjects.crm {
        Ok(crm) => checks.extend(tribe::examine(config, crm.as_ref()).await),
        Err(why) => checks.push(unbuilt(tribe::SIGN_IN, why)),
    }
    checks.extend(
        microsoft::examine(
            config,
            subjects.clock.as_ref(),
            &subjects.transport,
            &subjects.sign_in,
        )
        .await,
    );
    if let Ok(store) = &subjects.store {
        let now_ms = subjects.clock.now_ms();
        checks.extend(users::examine(store.as_ref(), &subjects.mailbox, now_ms).await);
        checks.extend(canary::examine(config, store.as_ref(), now_ms).await);
    }
    checks
}

/// The findings of a configuration that is not usable: nothing else can be examined.
pub fn of_problems(problems: &Problems) -> Vec<Check> {
    let check = |problem: &crate::config::Problem| {
        let advice = format!("mend {} in the file or the environment", problem.key);
        Check::fail(local::CONFIGURATION, problem.to_string(), advice)
    };
    problems.0.iter().map(check).collect()
}

/// Whether nothing failed.
pub fn is_well(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.status != Status::Fail)
}

fn unbuilt(name: &'static str, why: &str) -> Check {
    Check::fail(
        name,
        why,
        "see what it says; nothing was asked of the remote",
    )
}

/// A remote's failure as a finding.
fn of_failure(name: &'static str, error: &remote::Error, secret: &str, right: &str) -> Check {
    use remote::Error;
    let detail = error.to_string();
    match error {
        Error::Application(_) | Error::Unauthorised => Check::fail(
            name,
            detail,
            format!("check {secret}: the remote refuses them"),
        ),
        Error::ConsentNeeded(_) => Check::fail(
            name,
            detail,
            "an administrator must sign in: tribelink environments connect default",
        ),
        Error::Forbidden(_) => Check::fail(name, detail, right),
        Error::Throttled { .. } => Check::warn(name, detail, "wait and run doctor again"),
        Error::ForeignOrigin => Check::fail(name, detail, "check the configured addresses"),
        _ => Check::fail(
            name,
            detail,
            "check that this machine reaches the host (DNS, firewall, proxy), then run doctor again",
        ),
    }
}
