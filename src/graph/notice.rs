//! Notifications and lifecycle events as they arrive (Graph reference 4.3, 4.4; pure).
//!
//! Both are hints. Nothing of a contact is taken from them but its id and etag. Casing and path forms
//! vary, so items are read leniently, one by one: one that is not of the documented form costs only
//! itself.

use secrecy::SecretString;
use serde_json::Value;
use tribelink_plan::ids::{ContactId, Etag};

use super::rich::{Encrypted, Refusal};
use crate::remote::json::{self, BadJson};

/// Most items of one delivery. Graph batches a few hundred; more is no honest sender.
pub const MAX_ITEMS: usize = 10_000;

/// Longest id or etag that is taken; immutable contact ids have about 150 characters.
const MAX_ID: usize = 512;

/// What every item says of its sender.
#[derive(Clone)]
pub struct Sender {
    /// Graph's id of the subscription.
    pub subscription: String,
    /// What the subscription was given, to be compared in constant time: on basic notifications the
    /// only proof.
    pub client_state: Option<SecretString>,
}

/// One change.
#[derive(Clone)]
pub struct Notice {
    /// Whose.
    pub sender: Sender,
    /// The contact, where the item names one.
    pub contact: Option<ContactId>,
    /// Its etag after the change; none for a contact that went.
    pub etag: Option<Etag>,
    /// The contact itself, sealed, where the subscription asked for it; nothing of it is believed yet.
    pub content: Option<Result<Encrypted, Refusal>>,
}

/// One lifecycle event.
#[derive(Clone)]
pub struct Lifecycle {
    /// Whose.
    pub sender: Sender,
    /// What happened.
    pub event: Event,
}

/// `lifecycleEvent`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Renew it by PATCH, which reauthorises too.
    ReauthorizationRequired,
    /// It is gone: create it again, then delta.
    SubscriptionRemoved,
    /// Notifications were lost: delta. Whatever a later version says counts as this one.
    Missed,
}

impl Event {
    /// As Graph writes it.
    pub fn name(self) -> &'static str {
        match self {
            Event::ReauthorizationRequired => "reauthorizationRequired",
            Event::SubscriptionRemoved => "subscriptionRemoved",
            Event::Missed => "missed",
        }
    }

    fn of(name: &str) -> Event {
        [Event::ReauthorizationRequired, Event::SubscriptionRemoved]
            .into_iter()
            .find(|event| event.name().eq_ignore_ascii_case(name))
            .unwrap_or(Event::Missed)
    }
}

/// A delivery's items.
pub struct Items<T> {
    /// Those that could be read.
    pub items: Vec<T>,
    /// How many could not.
    pub dropped: usize,
    /// `validationTokens`: what proves that the contents come from Graph. `None` where they are no
    /// list of texts.
    pub proofs: Option<Vec<String>>,
}

/// Why a body was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNotice {
    /// The body is no JSON of a usable form.
    #[error(transparent)]
    Json(#[from] BadJson),
    /// It has no list of items.
    #[error("no list of items")]
    NoList,
    /// It has more items than any real one.
    #[error("too many items")]
    TooMany,
}

/// Reads a delivery of changes.
///
/// # Errors
/// When the body as a whole is of no use.
pub fn notices(body: &[u8]) -> Result<Items<Notice>, BadNotice> {
    items(body, notice)
}

/// Reads a delivery of lifecycle events.
///
/// # Errors
/// As [`notices`].
pub fn lifecycle(body: &[u8]) -> Result<Items<Lifecycle>, BadNotice> {
    items(body, event)
}

fn items<T>(body: &[u8], read: fn(&Value) -> Option<T>) -> Result<Items<T>, BadNotice> {
    let body: Value = json::parse(body, json::MAX_DEPTH)?;
    let rows = body.get("value").and_then(Value::as_array);
    let rows = rows.ok_or(BadNotice::NoList)?;
    if rows.len() > MAX_ITEMS {
        return Err(BadNotice::TooMany);
    }
    let items: Vec<_> = rows.iter().filter_map(read).collect();
    let dropped = rows.len() - items.len();
    Ok(Items {
        items,
        dropped,
        proofs: body.get("validationTokens").and_then(proofs),
    })
}

fn proofs(tokens: &Value) -> Option<Vec<String>> {
    let tokens = tokens.as_array()?;
    let text = |token: &Value| token.as_str().map(str::to_owned);
    tokens.iter().map(text).collect()
}

fn text<'a>(row: &'a Value, name: &str) -> Option<&'a str> {
    row.get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty() && text.len() <= MAX_ID)
}

fn sender(row: &Value) -> Option<Sender> {
    Some(Sender {
        subscription: text(row, "subscriptionId")?.to_owned(),
        client_state: text(row, "clientState").map(SecretString::from),
    })
}

fn notice(row: &Value) -> Option<Notice> {
    let data = row.get("resourceData").unwrap_or(&Value::Null);
    let contact = text(data, "id")
        .or_else(|| contact_in(text(row, "resource")?))
        .or_else(|| contact_in(text(data, "@odata.id")?))
        .filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()));
    // A contact that went shows the etag that it had last, which may be the one of our own write: it
    // is looked at, not taken for an echo.
    let change = text(row, "changeType").unwrap_or_default();
    let went = change.eq_ignore_ascii_case("deleted");
    Some(Notice {
        sender: sender(row)?,
        contact: contact.map(ContactId::from),
        etag: text(data, "@odata.etag").filter(|_| !went).map(Etag::from),
        content: row
            .get("encryptedContent")
            .filter(|content| !content.is_null())
            .map(|content| Encrypted::of(content).ok_or(Refusal::Form)),
    })
}

fn event(row: &Value) -> Option<Lifecycle> {
    Some(Lifecycle {
        sender: sender(row)?,
        event: Event::of(text(row, "lifecycleEvent")?),
    })
}

/// The id behind the last `contacts` of a path, whether it stands as `/contacts/{id}` or as
/// `/contacts('{id}')`, in any case.
fn contact_in(path: &str) -> Option<&str> {
    const WORD: &str = "contacts";
    let lower = path.to_ascii_lowercase();
    let after = path.get(lower.rfind(WORD)? + WORD.len()..)?;
    let id = match after.strip_prefix("('") {
        Some(rest) => rest.split_once("')").map(|(id, _)| id)?,
        None => after.strip_prefix('/')?.split('/').next()?,
    };
    Some(id).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_deletion_is_never_taken_for_an_echo() {
        let body = br#"{"value":[{"subscriptionId":"s","changeType":"Deleted",
            "resourceData":{"@odata.etag":"W/\"E\"","id":"AAkA="}}]}"#;
        let items = notices(body).unwrap().items;
        assert_eq!(items[0].contact, Some(ContactId::from("AAkA=")));
        assert_eq!(items[0].etag, None);
    }

    #[test]
    fn items_are_read_one_by_one() {
        let body = r#"{"value":[
            {"id":"n1","subscriptionId":"s1","clientState":"secret","tenantId":"t","changeType":"updated",
             "resource":"Users/u/Contacts/PATH=","resourceData":{"id":"ID=","@odata.etag":"W/\"e\""}},
            {"subscriptionId":"s2","resource":"users('u')/contactFolders('f')/contacts('C=')"},
            {"subscriptionId":"s3","resource":"me/contacts"},
            {"subscriptionId":"s4","resource":"me/contacts/a b","resourceData":null},
            {"subscriptionId":7}, {"changeType":"updated"}, "text", 7, null
        ],"validationTokens":["x"]}"#;
        let read = notices(body.as_bytes()).unwrap();
        assert_eq!((read.items.len(), read.dropped), (4, 5));
        assert_eq!(read.proofs, Some(vec!["x".to_owned()]));
        assert!(read.items.iter().all(|item| item.content.is_none()));
        let [one, two, three, four] = read.items.as_slice() else {
            panic!("four items")
        };
        assert_eq!(one.sender.subscription, "s1");
        assert_eq!(one.contact, Some(ContactId::from("ID=")));
        assert_eq!(one.etag, Some(Etag::from("W/\"e\"")));
        let proof = one.sender.client_state.as_ref().unwrap();
        assert_eq!(proof.expose_secret(), "secret");
        assert_eq!(two.contact, Some(ContactId::from("C=")));
        assert!(two.sender.client_state.is_none());
        assert_eq!((&three.contact, &four.contact), (&None, &None));
    }

    #[test]
    fn a_content_of_another_form_costs_itself_alone() {
        let read = |content: &str, tokens: &str| {
            let body = format!(
                r#"{{"value":[{{"subscriptionId":"s","resourceData":{{"id":"A"}},
                    "encryptedContent":{content}}}],"validationTokens":{tokens}}}"#
            );
            let read = notices(body.as_bytes()).unwrap();
            assert_eq!(read.items[0].contact, Some(ContactId::from("A")));
            let content = read.items[0].content.as_ref();
            let why = content.map(|content| content.as_ref().err().copied());
            (why, read.proofs)
        };
        let whole =
            r#"{"data":"d","dataKey":"k","dataSignature":"s","encryptionCertificateId":"c"}"#;
        assert_eq!(read(whole, "[]"), (Some(None), Some(vec![])));
        assert_eq!(read("null", "null"), (None, None));
        let long = format!(r#"{{"data":"{}"}}"#, "d".repeat(1 << 20));
        for wrong in ["{}", "7", r#""text""#, r#"{"data":7}"#, &long] {
            assert_eq!(read(wrong, "[7]"), (Some(Some(Refusal::Form)), None));
        }
    }

    #[test]
    fn paths_come_in_several_forms() {
        for path in [
            "Users/u/Contacts/A-_=",
            "me/contacts/A-_=",
            "/users/u/CONTACTFOLDERS/f/Contacts/A-_=/",
            "Users('u')/Contacts('A-_=')",
        ] {
            assert_eq!(contact_in(path), Some("A-_="), "{path}");
        }
        for path in [
            "",
            "me/contacts",
            "me/contacts/",
            "me/messages/1",
            "Contacts('x",
        ] {
            assert_eq!(contact_in(path), None, "{path}");
        }
    }

    #[test]
    fn lifecycle_events_are_known_and_a_later_one_asks_for_a_look() {
        let body = r#"{"value":[
            {"subscriptionId":"s","clientState":"c","lifecycleEvent":"ReauthorizationRequired"},
            {"subscriptionId":"s","lifecycleEvent":"subscriptionRemoved"},
            {"subscriptionId":"s","lifecycleEvent":"missed"},
            {"subscriptionId":"s","lifecycleEvent":"<script>"},
            {"lifecycleEvent":"missed"},
            {"subscriptionId":"s"}]}"#;
        let read = lifecycle(body.as_bytes()).unwrap();
        let events: Vec<_> = read.items.iter().map(|item| item.event).collect();
        assert_eq!(
            events,
            [
                Event::ReauthorizationRequired,
                Event::SubscriptionRemoved,
                Event::Missed,
                Event::Missed
            ]
        );
        assert_eq!(read.dropped, 2);
    }

    #[test]
    fn a_body_of_no_use_is_told_apart() {
        let why = |body: &str| notices(body.as_bytes()).err();
        assert_eq!(why(""), Some(BadNotice::Json(BadJson::NotJson)));
        assert_eq!(why("{"), Some(BadNotice::Json(BadJson::NotJson)));
        assert_eq!(why("{}"), Some(BadNotice::NoList));
        assert_eq!(why("[]"), Some(BadNotice::NoList));
        assert_eq!(why(r#"{"value":{}}"#), Some(BadNotice::NoList));
        let deep = format!(r#"{{"value":{}{}}}"#, "[".repeat(50), "]".repeat(50));
        assert_eq!(why(&deep), Some(BadNotice::Json(BadJson::TooDeep)));
        let many = format!(r#"{{"value":[{}0]}}"#, "0,".repeat(MAX_ITEMS));
        assert_eq!(why(&many), Some(BadNotice::TooMany));
    }
}
