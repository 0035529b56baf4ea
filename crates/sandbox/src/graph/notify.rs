//! What subscribers are told, and how delivery fares (Graph reference 4.3, 4.4).
//!
//! Deliveries wait in the outbox; items for the same URL that wait together travel in one POST. A
//! first attempt may take 3 s, repeated ones 10 s, over four hours. An endpoint that answers
//! slowly is delayed, one that answers very slowly loses what comes.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    contact::{self, View},
    mailbox::{Change, Kind},
    rich,
    subscription::Subscription,
};
use crate::{
    deliver::{Delivery, Outcome, Source},
    microsoft::draw,
    state::State,
};

const FIRST: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_secs(10);
const WINDOW_MS: i64 = 10 * 60 * 1000;
const GIVE_UP_MS: i64 = 4 * 3600 * 1000;
/// Shares of answers above 3 s and above 10 s that make an endpoint slow, or drop it.
const SLOW_PERCENT: usize = 10;
const DROP_PERCENT: usize = 15;
/// The documentation names no smallest number of answers; without one, a single slow answer would
/// silence an endpoint.
const FEWEST: usize = 10;

/// How an endpoint is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Good,
    Slow,
    Drop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Fine,
    Over3,
    Over10,
}

/// The notification URLs of one host.
#[derive(Clone, Debug, Default)]
pub(super) struct Endpoint {
    answers: VecDeque<(i64, Pace)>,
    mood: Mood,
    until_ms: i64,
    /// Subscriptions that lost something while it was dropped.
    missed: BTreeSet<String>,
}

impl Endpoint {
    fn note(&mut self, now_ms: i64, pace: Pace) {
        self.answers.push_back((now_ms, pace));
        self.judge(now_ms);
    }

    fn judge(&mut self, now_ms: i64) {
        while self
            .answers
            .front()
            .is_some_and(|(at, _)| *at <= now_ms - WINDOW_MS)
        {
            self.answers.pop_front();
        }
        let total = self.answers.len();
        let share = |over: fn(Pace) -> bool| {
            100 * self.answers.iter().filter(|(_, pace)| over(*pace)).count()
        };
        let mood = if total >= FEWEST && share(|pace| pace == Pace::Over10) > DROP_PERCENT * total {
            Mood::Drop
        } else if total >= FEWEST && share(|pace| pace != Pace::Fine) > SLOW_PERCENT * total {
            Mood::Slow
        } else {
            Mood::Good
        };
        // A mood lasts ten minutes, and is judged anew then; a worse one comes at once.
        if now_ms >= self.until_ms
            || mood == Mood::Drop && self.mood != Mood::Drop
            || self.mood == Mood::Good
        {
            self.mood = mood;
            self.until_ms = now_ms + WINDOW_MS;
        }
    }
}

fn host(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.origin().ascii_serialization())
}

/// Tells everybody who subscribed to a contact's folder. All hear of it as of `now`, the time of
/// the change: however long the telling takes, what belongs together travels together.
pub(super) fn changed(state: &mut State, user_id: Uuid, change: &Change, now: i64) {
    let switches = state.graph.switches.clone();
    if change.kind == Kind::Deleted && !switches.notify_deleted {
        return;
    }
    let Some(mailbox) = state.graph.mailboxes.get(&user_id) else {
        return;
    };
    let below_default =
        change.folder != mailbox.default_folder && mailbox.in_contact_folder(&change.folder);
    let default = mailbox.default_folder.clone();
    let kinds = match change.kind {
        Kind::Created if switches.notify_twice => vec![Kind::Created, Kind::Updated],
        kind => vec![kind],
    };
    let ids: Vec<String> = state
        .graph
        .subscriptions
        .values()
        .filter(|subscription| {
            let covers = subscription.folder == change.folder
                || switches.notify_child_folders && below_default && subscription.folder == default;
            subscription.mailbox == user_id && covers
        })
        .map(|subscription| subscription.id.clone())
        .collect();
    for id in ids {
        for kind in &kinds {
            let Some(subscription) = state.graph.subscriptions.get(&id).cloned() else {
                continue;
            };
            if subscription.change_types.contains(kind.name()) {
                let item = item(state, &subscription, change, *kind);
                offer(state, &subscription, item, now);
            }
        }
    }
}

fn item(state: &mut State, subscription: &Subscription, change: &Change, kind: Kind) -> Value {
    let id = if subscription.immutable {
        &change.immutable_id
    } else {
        &change.id
    };
    let mut resource = format!("Users/{}/Contacts/{id}", subscription.mailbox);
    // Casing varies (Graph reference 4.3); ids are case-sensitive and stay.
    if state.graph.switches.notify_lower_case {
        resource = format!("users/{}/contacts/{id}", subscription.mailbox);
    }
    let mut item = json!({
        "id": draw::guid(&mut state.rng),
        "subscriptionId": subscription.id,
        "subscriptionExpirationDateTime": draw::precise(subscription.expires_ms),
        "clientState": subscription.client_state,
        "tenantId": state.microsoft.tenant_id,
        "changeType": kind.name(),
        "resource": resource,
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.Contact", "@odata.id": resource, "@odata.etag": change.etag, "id": id,
        },
    });
    if let Some(content) = content(state, subscription, change, kind) {
        item["encryptedContent"] = content;
    }
    item
}

fn content(
    state: &mut State,
    subscription: &Subscription,
    change: &Change,
    kind: Kind,
) -> Option<Value> {
    let asked = subscription
        .rich
        .as_ref()
        .filter(|_| kind != Kind::Deleted)?;
    let view = View {
        immutable: subscription.immutable,
        select: Some(asked.select.clone()),
        extended: asked.extended.clone(),
        extensions: None,
    };
    let contact = state
        .graph
        .mailboxes
        .get(&subscription.mailbox)?
        .contacts
        .get(&change.key)?;
    let mut shown = contact::show(contact, &view, &state.graph.directory);
    shown["@odata.type"] = json!("#Microsoft.Graph.Contact");
    let sealed = rich::encrypt(
        &asked.certificate,
        shown.to_string().as_bytes(),
        &mut state.rng,
    )?;
    Some(sealed.show(&asked.certificate_id))
}

/// Queues an item as of `now`, unless the endpoint is dropped or the subscription's token is no longer good.
fn offer(state: &mut State, subscription: &Subscription, item: Value, now: i64) {
    if subscription.paused {
        if let Some(subscription) = state.graph.subscriptions.get_mut(&subscription.id) {
            subscription.held.push((now, item));
        }
        return;
    }
    let endpoint = state
        .graph
        .endpoints
        .entry(host(&subscription.notification_url))
        .or_default();
    if now >= endpoint.until_ms {
        endpoint.judge(now);
    }
    let delay = match endpoint.mood {
        Mood::Good => 0,
        Mood::Slow => WINDOW_MS,
        Mood::Drop => {
            endpoint.missed.insert(subscription.id.clone());
            if let Some(subscription) = state.graph.subscriptions.get_mut(&subscription.id) {
                subscription.lost += 1;
            }
            return;
        }
    };
    let due = now + delay + state.graph.switches.notify_delay_ms;
    let token = subscription
        .rich
        .is_some()
        .then(|| rich::validation_token(state, subscription));
    if join(state, subscription, &item, token.as_deref(), now, due) {
        return;
    }
    let mut body = json!({"value": [item]});
    if let Some(token) = token {
        body["validationTokens"] = json!([token]);
    }
    state.send(post(
        &subscription.id,
        &subscription.notification_url,
        &body,
        due,
    ));
}

/// Puts an item into a POST that waits for the same URL, if there is one with room.
fn join(
    state: &mut State,
    subscription: &Subscription,
    item: &Value,
    token: Option<&str>,
    now: i64,
    due: i64,
) -> bool {
    let most = state.graph.switches.notify_batch;
    // The newest alone: those before it are full.
    let waiting = state.outbox.waiting(now, due, |delivery| {
        delivery.source == Source::Graph
            && delivery.attempt == 0
            && delivery.url == subscription.notification_url
    });
    let Some(delivery) = waiting else {
        return false;
    };
    let Ok(mut body) = serde_json::from_slice::<Value>(&delivery.body) else {
        return false;
    };
    let Some(items) = body["value"]
        .as_array_mut()
        .filter(|items| items.len() < most && items[0].get("lifecycleEvent").is_none())
    else {
        return false;
    };
    let known = items
        .iter()
        .any(|other| other["subscriptionId"] == subscription.id);
    items.push(item.clone());
    if let Some(token) = token.filter(|_| !known) {
        match body["validationTokens"].as_array_mut() {
            Some(tokens) => tokens.push(json!(token)),
            None => body["validationTokens"] = json!([token]),
        }
    }
    delivery.body = body.to_string().into_bytes();
    true
}

fn post(owner: &str, url: &str, body: &Value, not_before_ms: i64) -> Delivery {
    Delivery {
        source: Source::Graph,
        owner: owner.to_owned(),
        url: url.to_owned(),
        headers: vec![(
            "content-type".to_owned(),
            "application/json; charset=utf-8".to_owned(),
        )],
        body: body.to_string().into_bytes(),
        not_before_ms,
        attempt: 0,
        timeout: FIRST,
    }
}

/// Sends a lifecycle event, if the subscription gave a URL for them.
pub(super) fn lifecycle(state: &mut State, subscription: &Subscription, event: &str) -> bool {
    let Some(url) = &subscription.lifecycle_url else {
        return false;
    };
    let body = json!({"value": [{
        "subscriptionId": subscription.id,
        "subscriptionExpirationDateTime": draw::precise(subscription.expires_ms),
        "tenantId": state.microsoft.tenant_id,
        "clientState": subscription.client_state,
        "lifecycleEvent": event,
    }]});
    let due = state.now_ms();
    state.send(post(&subscription.id, url, &body, due));
    true
}

/// The token behind a user's subscriptions is no longer good: they pause and ask for
/// reauthorization.
pub fn token_lost(state: &mut State, user_id: Uuid) {
    let ids: Vec<String> = state
        .graph
        .subscriptions
        .values_mut()
        .filter(|subscription| subscription.creator == Some(user_id))
        .map(|subscription| {
            subscription.paused = true;
            subscription.id.clone()
        })
        .collect();
    for id in ids {
        if let Some(subscription) = state.graph.subscriptions.get(&id).cloned() {
            lifecycle(state, &subscription, "reauthorizationRequired");
        }
    }
}

/// A subscription was reauthorized: what waited goes out.
pub(super) fn resume(state: &mut State, id: &str) {
    let Some(subscription) = state.graph.subscriptions.get_mut(id) else {
        return;
    };
    subscription.paused = false;
    let held = std::mem::take(&mut subscription.held);
    let subscription = subscription.clone();
    let now = state.now_ms();
    for (_, item) in held {
        offer(state, &subscription, item, now);
    }
}

/// What time alone brings about: subscriptions end, dropped endpoints get another chance, held
/// items are lost.
pub fn tick(state: &mut State) {
    let now = state.now_ms();
    let ended: Vec<String> = state
        .graph
        .subscriptions
        .values()
        .filter(|one| one.expires_ms <= now)
        .map(|one| one.id.clone())
        .collect();
    for id in ended {
        if let Some(subscription) = state.graph.subscriptions.remove(&id) {
            lifecycle(state, &subscription, "subscriptionRemoved");
        }
    }
    let mut missed = BTreeSet::new();
    for endpoint in state.graph.endpoints.values_mut() {
        if endpoint.mood != Mood::Good && now >= endpoint.until_ms {
            endpoint.judge(now);
        }
        if endpoint.mood != Mood::Drop {
            missed.append(&mut endpoint.missed);
        }
    }
    for subscription in state.graph.subscriptions.values_mut() {
        let before = subscription.held.len();
        subscription.held.retain(|(at, _)| now - at < GIVE_UP_MS);
        if subscription.held.len() < before {
            subscription.lost += (before - subscription.held.len()) as u64;
            missed.insert(subscription.id.clone());
        }
    }
    for id in missed {
        if let Some(subscription) = state.graph.subscriptions.get(&id).cloned() {
            lifecycle(state, &subscription, "missed");
        }
    }
}

/// When [`tick`] has something to do next.
pub fn next_event_ms(state: &State) -> Option<i64> {
    let graph = &state.graph;
    let ends = graph.subscriptions.values().map(|one| one.expires_ms);
    let held = graph
        .subscriptions
        .values()
        .filter_map(|one| one.held.first())
        .map(|(at, _)| at + GIVE_UP_MS);
    let moods = graph
        .endpoints
        .values()
        .filter(|endpoint| !endpoint.missed.is_empty())
        .map(|endpoint| endpoint.until_ms);
    ends.chain(held).chain(moods).min()
}

/// How long after the first attempt the `attempt`th repetition comes.
fn wait_ms(attempt: u32) -> i64 {
    (5_000_i64 << (attempt.clamp(1, 20) - 1)).min(30 * 60 * 1000)
}

/// What came of a delivery.
pub fn delivered(state: &mut State, delivery: Delivery, outcome: &Outcome) {
    let now = state.now_ms();
    let pace = match outcome {
        Outcome::Answer { took_ms, .. } if *took_ms > 10_000 => Some(Pace::Over10),
        Outcome::Answer { took_ms, .. } if *took_ms > 3_000 => Some(Pace::Over3),
        Outcome::Answer { .. } => Some(Pace::Fine),
        Outcome::TimedOut if delivery.attempt == 0 => Some(Pace::Over3),
        Outcome::TimedOut => Some(Pace::Over10),
        // Nobody there is not an answer that was slow.
        Outcome::Failed => None,
    };
    if let Some(pace) = pace {
        state
            .graph
            .endpoints
            .entry(host(&delivery.url))
            .or_default()
            .note(now, pace);
    }
    let in_time = delivery.attempt > 0 || pace != Some(Pace::Over3) && pace != Some(Pace::Over10);
    let items: Vec<String> = serde_json::from_slice::<Value>(&delivery.body)
        .ok()
        .and_then(|body| body["value"].as_array().cloned())
        .into_iter()
        .flatten()
        .filter_map(|item| item["subscriptionId"].as_str().map(str::to_owned))
        .collect();
    if outcome.accepted() && in_time {
        for id in &items {
            if let Some(subscription) = state.graph.subscriptions.get_mut(id) {
                subscription.delivered += 1;
            }
        }
        return;
    }
    let attempt = delivery.attempt + 1;
    let waited: i64 = (1..=attempt).map(wait_ms).sum();
    if waited <= GIVE_UP_MS {
        let again = Delivery {
            attempt,
            timeout: AGAIN,
            not_before_ms: now + wait_ms(attempt),
            ..delivery
        };
        state.send_again(again);
        return;
    }
    let ids: BTreeSet<String> = items.into_iter().collect();
    for id in ids {
        let Some(subscription) = state.graph.subscriptions.get_mut(&id) else {
            continue;
        };
        subscription.lost += 1;
        // Once per loss: a lost `missed` does not bring another.
        let subscription = subscription.clone();
        if subscription.lifecycle_url.as_ref() != Some(&delivery.url) {
            lifecycle(state, &subscription, "missed");
        }
    }
}
