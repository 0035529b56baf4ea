//! Both sides compared, once nothing is under way any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    Outcome,
    people::{Field, People, Person},
    process::Process,
    world::{World, list, text},
};

/// How long a world may take to come to rest: a create of unknown outcome alone takes over a minute.
const REST: Duration = Duration::from_secs(240);

/// How many looks in a row must show that nothing is under way.
const STEADY: u32 = 8;

/// What a comparison found, in sentences.
#[derive(Default)]
pub(crate) struct Findings(pub(crate) Vec<String>);

impl Findings {
    fn unless(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
        }
    }
}

/// Waits until every delivery was taken and every hint was worked on.
pub(crate) async fn rest(world: &mut World, process: &mut Process) -> Outcome<()> {
    let until = Instant::now() + REST;
    let (mut steady, mut last, mut said) = (0, Value::Null, String::new());
    while steady < STEADY {
        if Instant::now() > until {
            return Err(format!("it does not come to rest: {said}"));
        }
        if process.ended().is_some() {
            return Err("the service ended by itself".to_owned());
        }
        let mut users = Vec::new();
        for mailbox in 0..world.mailboxes.len() {
            users.push(world.nudge(mailbox).await.unwrap_or_default());
        }
        let state = world.state().await?;
        let waiting = state["outbox"].as_u64().unwrap_or_default();
        let moving =
            |state: &String| matches!(state.as_str(), "" | "invited" | "consented" | "first_sync");
        // Whoever waits to repeat a delivery need not wait in earnest; but a sign-in is not taken
        // from somebody whose clock is ahead.
        if waiting > 0 && !users.iter().any(moving) {
            world.pass(30).await?;
        }
        let status = world.get("api/v1/status").await.unwrap_or_default();
        let hints = status["backlog"][0]["hints"].as_u64();
        let versions = json!([
            state["tribe"]["version"],
            list(&state["graph"]["mailboxes"])
                .iter()
                .map(|mailbox| &mailbox["version"])
                .collect::<Vec<_>>()
        ]);
        said = format!("users {users:?}, {waiting} deliveries, {hints:?} hints");
        // needs_consent, braked and the like are states to come to rest in, and found out later.
        let still = waiting == 0 && hints == Some(0) && !users.iter().any(moving);
        steady = if still && versions == last {
            steady + 1
        } else {
            0
        };
        last = versions;
        sleep(Duration::from_millis(150)).await;
    }
    Ok(())
}

/// Writes to people and contacts that the sandbox has seen, and deletions among them.
pub(crate) async fn writes(world: &World) -> Outcome<(u64, u64)> {
    let log = world.control(Method::GET, "calls", Value::Null).await?;
    let (mut writes, mut deletions) = (0, 0);
    for (endpoint, counter) in log["counters"].as_object().into_iter().flatten() {
        let data = endpoint.contains("/v1/odata/") || endpoint.contains("/contacts");
        let count = counter["count"].as_u64().unwrap_or_default();
        if data && !endpoint.starts_with("GET ") {
            writes += count;
        }
        if data && endpoint.starts_with("DELETE ") {
            deletions += count;
        }
    }
    Ok((writes, deletions))
}

/// Compares everything.
pub(crate) async fn compare(world: &World, people: &People) -> Outcome<Findings> {
    let mut found = Findings::default();
    let state = world.state().await?;
    for (number, mailbox) in world.mailboxes.iter().enumerate() {
        let user = mailbox.user.clone().unwrap_or_default();
        let shown = world.get(&format!("api/v1/users/{user}")).await?;
        found.unless(shown["state"] == "live", || {
            format!("user {number} is {}", shown["state"])
        });
        let contacts = contacts(&state, &mailbox.owner);
        let wanted = people.of(number);
        found.unless(contacts.len() == wanted.len(), || {
            format!(
                "mailbox {number} has {} contacts for {} people",
                contacts.len(),
                wanted.len()
            )
        });
        let links = world.all(&format!("api/v1/users/{user}/links")).await?;
        let mut taken: BTreeSet<String> = BTreeSet::new();
        for person in people
            .all
            .iter()
            .filter(|one| one.holders.contains(&number))
        {
            let mut own = links.iter().filter(|link| link["person_id"] == *person.id);
            let link = own.next();
            found.unless(own.next().is_none(), || {
                format!("two links of {} in mailbox {number}", person.id)
            });
            let id = link.map_or_else(String::new, |link| text(&link["contact_id"]));
            let Some(contact) = contacts.get(id.as_str()) else {
                found.0.push(format!(
                    "person {} has no contact in mailbox {number}: {link:?}",
                    person.id
                ));
                continue;
            };
            found.unless(taken.insert(id.clone()), || format!("{id} is linked twice"));
            fields(world, &mut found, person, contact, &state, number).await?;
        }
        let subscriptions = list(&state["graph"]["subscriptions"]).iter();
        let own = subscriptions.filter(|one| one["mailbox"] == *mailbox.owner);
        let live = own.count();
        found.unless(live == 1, || {
            format!("mailbox {number} has {live} subscriptions")
        });
    }
    let kinds: Vec<String> = list(&state["tribe"]["webhooks"])
        .iter()
        .map(|hook| text(&hook["entityType"]))
        .collect();
    let different: BTreeSet<&String> = kinds.iter().collect();
    found.unless(kinds.len() == different.len() && kinds.len() == 9, || {
        format!("webhooks at Tribe: {kinds:?}")
    });
    for what in ["parked", "held"] {
        let items = world.all(&format!("api/v1/{what}")).await?;
        found.unless(items.is_empty(), || format!("{what}: {items:?}"));
    }
    let status = world.get("api/v1/status").await?;
    let alerts = list(&status["alerts"]);
    found.unless(alerts.is_empty(), || format!("alerts: {alerts:?}"));
    let (_, deletions) = writes(world).await?;
    found.unless(deletions == 0, || format!("{deletions} deletions"));
    if !found.0.is_empty() {
        // What Graph knows of its own deliveries helps whoever looks for the cause.
        let subscriptions = &state["graph"]["subscriptions"];
        found.0.push(format!("subscriptions: {subscriptions}"));
    }
    Ok(found)
}

/// The fields of one person in one mailbox.
async fn fields(
    world: &World,
    found: &mut Findings,
    person: &Person,
    contact: &Value,
    state: &Value,
    mailbox: usize,
) -> Outcome<()> {
    let Some(tribe) = People::in_tribe(person, state) else {
        found
            .0
            .push(format!("person {} is gone in Tribe", person.id));
        return Ok(());
    };
    for field in Field::ALL {
        let (ours, theirs) = (field.shown(contact), &tribe[&field]);
        found.unless(ours == *theirs, || {
            format!(
                "{field:?} of {} differs: {theirs:?} in Tribe, {ours:?} in mailbox {mailbox}; typed {:?}",
                person.id, person.typed[&field]
            )
        });
        let typed = &person.typed[&field];
        let last = typed.last().map_or("", String::as_str);
        found.unless(typed.contains(theirs), || {
            format!("nobody typed {theirs:?} as {field:?} of {}", person.id)
        });
        if field != Field::Function && last != theirs && !was_lost(world, person, last).await? {
            found.0.push(format!(
                "{field:?} of {}: {last:?} was typed last and {theirs:?} stands in Tribe; typed {typed:?}",
                person.id
            ));
        }
    }
    Ok(())
}

/// Whether the audit says that R6 lost this value: typed before the link had a base.
async fn was_lost(world: &World, person: &Person, value: &str) -> Outcome<bool> {
    let lines = world
        .all(&format!("api/v1/audit?person={}", person.id))
        .await?;
    Ok(lines.iter().any(|line| {
        list(&line["fields"])
            .iter()
            .any(|field| field["lost"] == *value)
    }))
}

/// The contacts of a mailbox by their lasting id.
fn contacts<'s>(state: &'s Value, owner: &str) -> BTreeMap<String, &'s Value> {
    let mailboxes = list(&state["graph"]["mailboxes"]).iter();
    let own = mailboxes.filter(|mailbox| mailbox["user_id"] == *owner);
    own.flat_map(|mailbox| list(&mailbox["contacts"]))
        .map(|contact| (text(&contact["immutableId"]), contact))
        .collect()
}
