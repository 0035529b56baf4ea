//! Whether a webhook of Tribe may say what it says (pure).

use http::HeaderMap;

use super::door::Door;
use crate::tribe::webhook;

/// The custom header that this service registers its webhooks with; the value is random and the
/// store keeps its SHA-256 alone.
pub const CUSTOM_HEADER: &str = "x-tribelink-webhook";

/// Whether a delivery shows that Tribe sent it: its signature fits a known secret, or it carries the
/// custom header of a webhook whose own secret is unknown.
pub fn is_authentic(door: &Door, headers: &HeaderMap, body: &[u8]) -> bool {
    let header = door.signature_header.as_ref();
    webhook::is_signed(headers, header, body, door.secrets())
        || webhook::has_custom_header(headers, CUSTOM_HEADER, door.header_hashes())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use secrecy::SecretString;

    use super::*;
    use crate::{intake::door::Hook, sealed::sha256};

    const BODY: &[u8] = b"{}";

    fn secrets(texts: &[&str]) -> Vec<SecretString> {
        texts.iter().map(|text| (*text).into()).collect()
    }

    fn door(header: Option<&'static str>, shared: &[&str], hooks: Vec<Hook>) -> Door {
        Door {
            signature_header: header.map(HeaderName::from_static),
            shared: secrets(shared),
            hooks,
        }
    }

    fn hook(own: &[&str]) -> Hook {
        Hook {
            secrets: secrets(own),
            header_hash: sha256(b"random-value"),
        }
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).unwrap();
        HeaderMap::from_iter([(HeaderName::from_static(name), value)])
    }

    #[test]
    fn any_secret_of_the_door_opens_it_in_its_header() {
        let signature = webhook::signature(&"s".into(), BODY);
        let opens = |door| is_authentic(&door, &headers("x-signature", &signature), BODY);
        assert!(opens(door(None, &["old", "s"], vec![])));
        assert!(opens(door(Some("x-signature"), &[], vec![hook(&["s"])])));
        assert!(!opens(door(Some("x-other"), &["s"], vec![])));
        assert!(!opens(door(None, &["old"], vec![hook(&["own"])])));
        assert!(!opens(door(None, &[], vec![])));
    }

    #[test]
    fn the_custom_header_counts_only_while_that_webhooks_secret_is_unknown() {
        let opens = |value, door| is_authentic(&door, &headers(CUSTOM_HEADER, value), BODY);
        let unknown = || door(None, &[], vec![hook(&[])]);
        assert!(opens("random-value", unknown()));
        assert!(!opens("another", unknown()));
        assert!(!opens(
            "random-value",
            door(None, &[], vec![hook(&["own"])])
        ));
        let one_for_all = door(None, &["one for all"], vec![hook(&[])]);
        assert!(!opens("random-value", one_for_all));
    }
}
