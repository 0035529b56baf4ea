//! Who hears of a change, and how it is signed and repeated (Tribe reference 6).

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{settings::Mutations, store::Body};
use crate::{
    deliver::{Delivery, Outcome, Source},
    state::{State, guid},
};

/// A registered webhook.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Dotted type whose changes it hears of.
    pub entity_type: String,
    /// Where it is called.
    pub url: String,
    /// Custom headers.
    pub headers: Vec<(String, String)>,
    /// Signs its deliveries.
    pub secret: String,
    /// Deliveries answered 2xx.
    pub delivered: u64,
    /// Attempts that were not.
    pub failed: u64,
    /// The last answer's status; none when there was no answer.
    pub last_status: Option<u16>,
}

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Created,
    /// It changed.
    Updated,
    /// It is gone.
    Deleted,
}

impl Change {
    fn mutation(self, family: &str) -> String {
        let what = match self {
            Self::Created => "Creation",
            Self::Updated => "Update",
            Self::Deleted => "Deletion",
        };
        format!("{family}{what}Mutation")
    }
}

/// Base64 of HMAC-SHA512 over the raw body, the key being the secret's bytes (6.3).
#[must_use]
pub fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA512, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, body))
}

/// Tells every webhook that listens of a change, once per mutation (6.2).
pub fn announce(
    state: &mut State,
    change: Change,
    id: Uuid,
    body: &Body,
    values: &Map<String, Value>,
    links: &Map<String, Value>,
) {
    if state.tribe.webhooks.is_empty() {
        return;
    }
    let payloads = match state.options.tribe.mutations {
        Mutations::ByRecord => vec![by_record(state, change, id, body, values, links)],
        Mutations::ByLink => by_link(state, change, id, body, values, links),
    };
    for payload in payloads {
        deliver(state, &body.kind, &payload);
    }
}

fn by_record(
    state: &State,
    change: Change,
    id: Uuid,
    body: &Body,
    values: &Map<String, Value>,
    links: &Map<String, Value>,
) -> Value {
    let relationship = state.tribe.schema.is_a(&body.kind, "Relationship");
    let (family, key) = if relationship {
        ("Relationship", "relationshipId")
    } else {
        ("Entity", "entityId")
    };
    let mut fields = values.clone();
    fields.extend(links.clone());
    json!({"type": change.mutation(family), "entityType": body.kind, key: id, "fields": fields})
}

fn by_link(
    state: &mut State,
    change: Change,
    id: Uuid,
    body: &Body,
    values: &Map<String, Value>,
    links: &Map<String, Value>,
) -> Vec<Value> {
    let mut payloads = Vec::new();
    if change != Change::Updated || !values.is_empty() {
        payloads.push(json!({"type": change.mutation("Entity"), "entityType": body.kind, "entityId": id, "fields": values}));
    }
    for (name, value) in links {
        let change = if value.is_null() {
            Change::Deleted
        } else {
            Change::Created
        };
        let link = guid(&mut state.rng);
        payloads.push(json!({"type": change.mutation("Relationship"), "entityType": body.kind, "relationshipId": link, "name": name}));
    }
    payloads
}

fn deliver(state: &mut State, kind: &str, payload: &Value) {
    let covers = state.options.tribe.base_types_cover;
    let hearing: Vec<Uuid> = state
        .tribe
        .webhooks
        .iter()
        .filter(|(_, hook)| {
            hook.entity_type == kind || (covers && state.tribe.schema.is_a(kind, &hook.entity_type))
        })
        .map(|(id, _)| *id)
        .collect();
    let now = state.now_ms();
    let timeout = Duration::from_millis(state.options.tribe.webhook_timeout_ms);
    for id in hearing {
        let Some(hook) = state.tribe.webhooks.get(&id) else {
            continue;
        };
        let body = json!({"webhookId": id, "payload": payload})
            .to_string()
            .into_bytes();
        let mut headers = vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            (
                state.options.tribe.signature_header.clone(),
                signature(&hook.secret, &body),
            ),
        ];
        headers.extend(hook.headers.iter().cloned());
        let url = hook.url.clone();
        state.send(Delivery {
            source: Source::Tribe,
            owner: id.to_string(),
            url,
            headers,
            body,
            not_before_ms: now,
            attempt: 0,
            timeout,
        });
    }
}

/// What came of a delivery: anything but a 2xx is repeated a few times, ever later.
pub fn delivered(state: &mut State, mut delivery: Delivery, outcome: &Outcome) {
    let hook = Uuid::parse_str(&delivery.owner)
        .ok()
        .and_then(|id| state.tribe.webhooks.get_mut(&id));
    // Deleted meanwhile: nobody is owed anything.
    let Some(hook) = hook else { return };
    hook.last_status = match outcome {
        Outcome::Answer { status, .. } => Some(*status),
        Outcome::Failed | Outcome::TimedOut => None,
    };
    if outcome.accepted() {
        hook.delivered += 1;
        return;
    }
    hook.failed += 1;
    let wait = usize::try_from(delivery.attempt)
        .ok()
        .and_then(|n| state.options.tribe.retries_ms.get(n))
        .copied();
    if let Some(wait) = wait {
        delivery.attempt += 1;
        delivery.not_before_ms = state.now_ms().saturating_add_unsigned(wait);
        state.send_again(delivery);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_signature_is_the_reference_s_test_vector() {
        let body =
            br#"{"webhookId":"w1","payload":{"entityId":"b724d383-bb70-480a-b03d-512b9aaec15a"}}"#;
        assert_eq!(
            super::signature("topsecret", body),
            "5nUnsWq5YDNHvbkmg51xIhXWaQ01lgLmTfScdMrwftuBdlFT4DW9gCb2/IuAuWTByBjucFlvIxKzuSTU7sxMsg=="
        );
    }
}
