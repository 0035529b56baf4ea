//! Whether the users are looked after: states, subscriptions, alerts, and the rights at Graph.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tribelink_plan::ids::UserId;

use super::{Check, Mailbox};
use crate::{
    graph::Call,
    remote,
    sealed::user_row,
    store::{self, Store, User, UserState},
    vault::column,
};

const USERS: &str = "users";
const SUBSCRIPTIONS: &str = "subscriptions";
const ALERT: &str = "alert";
const RIGHTS: &str = "Graph rights";

/// Rows read at once.
const PAGE: usize = 1_000;
/// Alerts that are told one by one.
const ALERTS: usize = 10;
/// An access token must be good for so long to be tried.
const MARGIN_MS: i64 = 60_000;

/// Reads what the store knows of the users, and tries one mailbox.
pub(super) async fn examine(
    store: &dyn Store,
    mailbox: &Result<Mailbox, String>,
    now_ms: i64,
) -> Vec<Check> {
    match look(store, mailbox, now_ms).await {
        Ok(checks) => checks,
        Err(error) => vec![Check::fail(
            USERS,
            error.to_string(),
            "see what is said about the database, then run doctor again",
        )],
    }
}

async fn look(
    store: &dyn Store,
    mailbox: &Result<Mailbox, String>,
    now_ms: i64,
) -> Result<Vec<Check>, store::Error> {
    let users = users(store).await?;
    let live: Vec<&User> = users
        .iter()
        .filter(|user| user.state == UserState::Live)
        .collect();
    let mut checks = vec![states(&users)];
    checks.push(subscriptions(store, &live, now_ms).await?);
    if let Some(check) = rights(store, mailbox, &live, now_ms).await? {
        checks.push(check);
    }
    let alerts = store.alerts().await?;
    checks.extend(alerts.iter().take(ALERTS).map(|alert| {
        let advice = match alert.user {
            Some(user) => format!("do what it says; `tribelink users show {user}` tells more"),
            None => "do what it says".to_owned(),
        };
        Check::warn(ALERT, alert.message.clone(), advice)
    }));
    if alerts.len() > ALERTS {
        let more = format!("{} more", alerts.len() - ALERTS);
        checks.push(Check::warn(
            ALERT,
            more,
            "`tribelink status` lists them all",
        ));
    }
    Ok(checks)
}

async fn users(store: &dyn Store) -> Result<Vec<User>, store::Error> {
    let mut all: Vec<User> = Vec::new();
    loop {
        let page = store
            .users(None, all.last().map(|user| user.id), PAGE)
            .await?;
        let ended = page.len() < PAGE;
        all.extend(page);
        if ended {
            return Ok(all);
        }
    }
}

fn states(users: &[User]) -> Check {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for user in users {
        *counts.entry(user.state.name()).or_default() += 1;
    }
    let told: Vec<String> = UserState::ALL
        .iter()
        .filter_map(|state| Some(format!("{} {}", counts.get(state.name())?, state.name())))
        .collect();
    let waiting = |state: UserState| counts.contains_key(state.name());
    match told.is_empty() {
        true => Check::ok(
            USERS,
            "none yet: `tribelink users activate` makes the first",
        ),
        false if waiting(UserState::NeedsConsent) || waiting(UserState::Braked) => Check::warn(
            USERS,
            told.join(", "),
            "`tribelink users list --state needs_consent` and `--state braked` name those that wait; \
             `tribelink users consent ID` makes a fresh link, `tribelink users release ID` lets go",
        ),
        false => Check::ok(USERS, told.join(", ")),
    }
}

async fn subscriptions(
    store: &dyn Store,
    live: &[&User],
    now_ms: i64,
) -> Result<Check, store::Error> {
    let mut served: BTreeSet<UserId> = BTreeSet::new();
    let mut first_end_ms = i64::MAX;
    let mut after: Option<String> = None;
    loop {
        let page = store.subscriptions(after.as_deref(), PAGE).await?;
        for subscription in page.iter().filter(|one| one.expires_ms > now_ms) {
            served.insert(subscription.user);
            first_end_ms = first_end_ms.min(subscription.expires_ms);
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.id.clone()),
            _ => break,
        }
    }
    let without = live
        .iter()
        .filter(|user| !served.contains(&user.id))
        .count();
    Ok(if without > 0 {
        Check::warn(
            SUBSCRIPTIONS,
            format!("{without} of {} live users have none", live.len()),
            "start the service: it subscribes within sync.delta_interval. If it does run, Microsoft \
             cannot reach server.public_url; the log names the refusal",
        )
    } else if live.is_empty() {
        Check::ok(SUBSCRIPTIONS, "nobody is live")
    } else {
        let hours = (first_end_ms - now_ms) / 3_600_000;
        let detail = format!("every live user has one; the first ends in {hours} h");
        Check::ok(SUBSCRIPTIONS, detail)
    })
}

/// Reads the contact folders of one live user, with the access token that is stored: none is
/// renewed here, that is the service's. `None`: there is nobody to try.
async fn rights(
    store: &dyn Store,
    mailbox: &Result<Mailbox, String>,
    live: &[&User],
    now_ms: i64,
) -> Result<Option<Check>, store::Error> {
    let Ok(mailbox) = mailbox else {
        return Ok(None);
    };
    for user in live.iter().take(20) {
        let Some(tokens) = store.tokens(user.id).await? else {
            continue;
        };
        if tokens.expires_ms - MARGIN_MS < now_ms {
            continue;
        }
        let row = user_row(user.id);
        let opened = mailbox
            .vault
            .open_text(column::ACCESS_TOKEN, &row, &tokens.access);
        let Ok(token) = opened else {
            return Ok(Some(Check::fail(
                RIGHTS,
                "a stored token does not open",
                "put the key that sealed it back into security.encryption_keys",
            )));
        };
        let call = Call {
            token: &token,
            timeout: Duration::from_secs(20),
        };
        return Ok(Some(match mailbox.outlook.folders(&call).await {
            Ok(folders) => Check::ok(
                RIGHTS,
                format!(
                    "the {} contact folders of a live user are read",
                    folders.len()
                ),
            ),
            Err(error @ (remote::Error::Forbidden(_) | remote::Error::Unauthorised)) => {
                Check::fail(
                    RIGHTS,
                    error.to_string(),
                    "give the app registration the delegated permission Contacts.ReadWrite, and let an \
                 administrator or the user consent to it",
                )
            }
            Err(error) => Check::warn(
                RIGHTS,
                error.to_string(),
                "check microsoft.graph_url, and that this machine reaches it, then run doctor again",
            ),
        }));
    }
    Ok(None)
}
