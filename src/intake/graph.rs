//! Graph's notifications and lifecycle events as they arrive (pure).
//!
//! Casing and path forms vary (Graph reference 4.3), so items are read leniently, one by one: one
//! that is not of the documented form is a stranger and spoils no other.

use serde::Deserialize;
use tribelink_plan::ids::ContactId;

use super::{MAX_DEPTH, MAX_ITEMS, Refusal, depth};
use crate::{
    sealed::{same, sha256},
    store::{Source, Target},
};

/// Longest handshake token that is echoed; Graph's are some hundred characters.
pub const MAX_VALIDATION_TOKEN: usize = 4096;
/// Longest id that is kept; immutable contact ids have about 150 characters.
const MAX_ID: usize = 512;
/// Longest `lifecycleEvent` that is kept.
const MAX_EVENT: usize = 64;

#[derive(Deserialize)]
struct Envelope {
    value: Vec<serde_json::Value>,
}

/// One item; what is not named here is not read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Item {
    subscription_id: Option<String>,
    client_state: Option<String>,
    resource: Option<String>,
    resource_data: Option<ResourceData>,
    change_type: Option<String>,
    lifecycle_event: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResourceData {
    id: Option<String>,
    #[serde(rename = "@odata.etag")]
    etag: Option<String>,
}

impl Item {
    /// Graph's id of the subscription.
    pub fn subscription(&self) -> Option<&str> {
        self.subscription_id
            .as_deref()
            .filter(|id| !id.is_empty() && id.len() <= MAX_ID)
    }

    /// Whether its `clientState` is the one that was kept for the subscription, compared in
    /// constant time. On basic notifications it is the only proof.
    pub fn proves(&self, hash: &[u8; 32]) -> bool {
        self.client_state
            .as_deref()
            .is_some_and(|state| same(&sha256(state.as_bytes()), hash))
    }
}

/// The items of a POST.
///
/// # Errors
/// [`Refusal::Unusable`] when it is not a collection, [`Refusal::TooLarge`] with too many items.
pub fn items(body: &[u8]) -> Result<Vec<Item>, Refusal> {
    if !depth::is_within(body, MAX_DEPTH) {
        return Err(Refusal::Unusable("the JSON nests too deep"));
    }
    let envelope: Envelope = serde_json::from_slice(body)
        .map_err(|_| Refusal::Unusable("the body is not a collection of notifications"))?;
    if envelope.value.len() > MAX_ITEMS {
        return Err(Refusal::TooLarge);
    }
    let read = |value| serde_json::from_value(value).unwrap_or_default();
    Ok(envelope.value.into_iter().map(read).collect())
}

/// What a change notification points at: the contact, or the whole mailbox when it names none.
pub fn notification(item: &Item) -> Option<(Target, Source)> {
    let data = item.resource_data.as_ref();
    let id = data
        .and_then(|data| data.id.as_deref())
        .or_else(|| last_segment(item.resource.as_deref()?))
        .filter(|id| is_id(id));
    // A contact that went shows the etag that it had last, which may be the one of our own write:
    // only that of a change tells an echo.
    let change = item.change_type.as_deref();
    let went = change.is_some_and(|change| change.eq_ignore_ascii_case("deleted"));
    let target = match id {
        Some(id) => Target::Contact {
            id: ContactId::from(id),
            etag: data
                .and_then(|data| data.etag.clone())
                .filter(|etag| !went && etag.len() <= MAX_ID),
        },
        None => Target::Delta,
    };
    Some((target, Source::Notification))
}

/// What a lifecycle event points at; `None` for one that names no event.
pub fn lifecycle(item: &Item) -> Option<(Target, Source)> {
    let event = item.lifecycle_event.as_deref()?;
    let is_word = !event.is_empty()
        && event.len() <= MAX_EVENT
        && event.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then(|| {
        let target = Target::Lifecycle {
            event: event.to_owned(),
            subscription: item.subscription().unwrap_or_default().to_owned(),
        };
        (target, Source::Lifecycle)
    })
}

/// `Users/{guid}/Contacts/{id}`, in any casing; a path that ends in the collection names no contact.
fn last_segment(resource: &str) -> Option<&str> {
    let mut segments = resource.trim_matches('/').rsplit('/');
    let last = segments.next()?;
    segments
        .next()
        .is_some_and(|collection| collection.eq_ignore_ascii_case("contacts"))
        .then_some(last)
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(json: &str) -> Item {
        let body = format!(r#"{{"value":[{json}]}}"#);
        items(body.as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn the_documented_item_names_its_contact_and_etag() {
        let item = one(
            r##"{"id":"n","subscriptionId":"s1","subscriptionExpirationDateTime":"2026-01-01T00:00:00Z",
            "clientState":"secret","tenantId":"t","changeType":"updated","resource":"Users/u/Contacts/AAkA=",
            "resourceData":{"@odata.type":"#Microsoft.Graph.Contact","@odata.id":"Users/u/Contacts/AAkA=",
            "@odata.etag":"W/\"E\"","id":"AAkA="}}"##,
        );
        assert_eq!(item.subscription(), Some("s1"));
        assert!(item.proves(&sha256(b"secret")));
        assert!(!item.proves(&sha256(b"Secret")));
        let contact = Target::Contact {
            id: ContactId::from("AAkA="),
            etag: Some("W/\"E\"".to_owned()),
        };
        assert_eq!(notification(&item), Some((contact, Source::Notification)));
    }

    #[test]
    fn the_path_stands_in_for_missing_data_and_delta_for_a_missing_path() {
        let target = |json| notification(&one(json)).map(|(target, _)| target);
        let contact = |id: &str| {
            Some(Target::Contact {
                id: ContactId::from(id),
                etag: None,
            })
        };
        assert_eq!(
            target(r#"{"resource":"users/U/contacts/X1"}"#),
            contact("X1")
        );
        assert_eq!(target(r#"{"resource":"/me/contacts/X2/"}"#), contact("X2"));
        for json in [
            r#"{"resource":"me/contacts"}"#,
            r#"{"resource":"me/contacts/a b"}"#,
            "{}",
            r#"{"resourceData":null}"#,
        ] {
            assert_eq!(target(json), Some(Target::Delta), "{json}");
        }
    }

    #[test]
    fn a_deletion_is_never_taken_for_an_echo() {
        let item = one(
            r#"{"changeType":"Deleted","resourceData":{"@odata.etag":"W/\"E\"","id":"AAkA="}}"#,
        );
        let contact = Target::Contact {
            id: ContactId::from("AAkA="),
            etag: None,
        };
        assert_eq!(notification(&item), Some((contact, Source::Notification)));
    }

    #[test]
    fn a_broken_item_is_a_stranger_and_spoils_no_other() {
        let body = br#"{"value":[{"subscriptionId":7},"text",null,{"subscriptionId":"s"},
            {"subscriptionId":"a","subscriptionId":"b"}]}"#;
        let names: Vec<Option<String>> = items(body)
            .unwrap()
            .iter()
            .map(|item| item.subscription().map(str::to_owned))
            .collect();
        // A key given twice inside an item reads as its last value, as in JavaScript.
        let expected = [None, None, None, Some("s"), Some("b")];
        assert_eq!(names, expected.map(|name| name.map(str::to_owned)));
        assert!(
            !one("{}").proves(&sha256(b"")),
            "no clientState proves nothing"
        );
    }

    #[test]
    fn a_body_that_is_no_collection_is_refused() {
        for wrong in [
            "",
            "{}",
            "[]",
            r#"{"value":{}}"#,
            r#"{"value":null}"#,
            "\u{0}",
        ] {
            assert!(
                matches!(items(wrong.as_bytes()), Err(Refusal::Unusable(_))),
                "{wrong}"
            );
        }
        let deep = format!(r#"{{"value":[{}{}]}}"#, "[".repeat(50), "]".repeat(50));
        assert!(matches!(items(deep.as_bytes()), Err(Refusal::Unusable(_))));
        let many = format!(r#"{{"value":[{}1]}}"#, "1,".repeat(MAX_ITEMS));
        assert!(matches!(items(many.as_bytes()), Err(Refusal::TooLarge)));
    }

    #[test]
    fn lifecycle_events_are_words() {
        let event = |json| lifecycle(&one(json)).map(|(target, _)| target);
        assert_eq!(
            event(r#"{"subscriptionId":"s","lifecycleEvent":"missed"}"#),
            Some(Target::Lifecycle {
                event: "missed".to_owned(),
                subscription: "s".to_owned()
            })
        );
        assert_eq!(event(r#"{"subscriptionId":"s"}"#), None);
        assert_eq!(event(r#"{"lifecycleEvent":"<script>"}"#), None);
    }
}
