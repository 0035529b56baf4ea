//! A webhook of Tribe: is it authentic, and what does it point at (pure).

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use uuid::Uuid;

use super::{MAX_DEPTH, Refusal, depth, door::Door};
use crate::{
    sealed::{same, sha256},
    store::Target,
};

/// The custom header that this service registers its webhooks with; the value is random and the
/// store keeps its SHA-256 alone.
pub const CUSTOM_HEADER: &str = "x-tribelink-webhook";

/// Base64 of 64 bytes.
const SIGNATURE_LENGTH: usize = 88;

/// Longest dotted entity type that is kept.
const MAX_KIND: usize = 128;

/// Whether a delivery shows that Tribe sent it: its signature fits a known secret, or it carries the
/// custom header of a webhook whose own secret is unknown.
///
/// The signature is Base64(HMAC-SHA512(secret, raw body)), in the configured header, or in any
/// header where none is configured (Tribe reference 6.3). White space that an intermediary added
/// between tokens is forgiven: the compact form is tried second, as the reference advises.
pub fn is_authentic(door: &Door, headers: &HeaderMap, body: &[u8]) -> bool {
    by_signature(door, headers, body) || by_custom_header(door, headers)
}

fn by_signature(door: &Door, headers: &HeaderMap, body: &[u8]) -> bool {
    let candidates: Vec<&[u8]> = match &door.signature_header {
        Some(name) => headers.get_all(name).iter().map(|v| v.as_bytes()).collect(),
        None => headers.values().map(|v| v.as_bytes()).collect(),
    };
    // Without a header of a signature's length nothing is computed: a stranger's large body costs
    // no more than reading it.
    let candidates: Vec<&[u8]> = candidates
        .into_iter()
        .filter(|value| value.len() == SIGNATURE_LENGTH)
        .collect();
    if candidates.is_empty() {
        return false;
    }
    let compact = compact(body);
    door.secrets().any(|secret| {
        let fits = |message: &[u8]| {
            let expected = signature(secret, message);
            candidates
                .iter()
                .any(|value| same(expected.as_bytes(), value))
        };
        fits(body) || (compact.len() != body.len() && fits(&compact))
    })
}

fn by_custom_header(door: &Door, headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CUSTOM_HEADER) else {
        return false;
    };
    let hash = sha256(value.as_bytes());
    door.header_hashes().any(|known| same(known, &hash))
}

/// The signature that Tribe puts on a body (Tribe reference 6.3).
pub fn signature(secret: &SecretString, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA512, secret.expose_secret().as_bytes());
    STANDARD.encode(hmac::sign(&key, body))
}

/// Drops white space outside of strings; order and spelling stay.
fn compact(json: &[u8]) -> Vec<u8> {
    let (mut in_string, mut escaped) = (false, false);
    json.iter()
        .copied()
        .filter(|byte| {
            if in_string {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_string = false,
                    _ => {}
                }
                return true;
            }
            if *byte == b'"' {
                in_string = true;
            }
            !byte.is_ascii_whitespace()
        })
        .collect()
}

#[derive(Deserialize)]
struct Delivery {
    payload: Payload,
}

/// Only what a hint needs; the payload's other members are unknown (Tribe reference 6.2) and unread.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    #[serde(default)]
    entity_id: Option<serde_json::Value>,
    #[serde(default)]
    relationship_id: Option<serde_json::Value>,
    #[serde(default)]
    entity_type: Option<serde_json::Value>,
}

/// What a delivery points at: `entityId`, else `relationshipId` (Tribe reference 6.2).
///
/// # Errors
/// [`Refusal::Unusable`] without usable JSON or without a GUID.
pub fn target(body: &[u8]) -> Result<Target, Refusal> {
    if !depth::is_within(body, MAX_DEPTH) {
        return Err(Refusal::Unusable("the JSON nests too deep"));
    }
    let delivery: Delivery = serde_json::from_slice(body)
        .map_err(|_| Refusal::Unusable("the body is not a webhook's JSON"))?;
    let guid = |value: &Option<serde_json::Value>| {
        value
            .as_ref()
            .and_then(|value| value.as_str())
            .and_then(|text| Uuid::try_parse(text.trim()).ok())
    };
    let payload = delivery.payload;
    let id = guid(&payload.entity_id)
        .or_else(|| guid(&payload.relationship_id))
        .ok_or(Refusal::Unusable(
            "neither entityId nor relationshipId is a GUID",
        ))?;
    let kind = payload
        .entity_type
        .as_ref()
        .and_then(|value| value.as_str())
        .filter(|kind| is_kind(kind))
        .map(str::to_owned);
    Ok(Target::Entity { id, kind })
}

fn is_kind(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_KIND
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::intake::door::Hook;

    const BODY: &[u8] =
        br#"{"webhookId":"w1","payload":{"entityId":"b724d383-bb70-480a-b03d-512b9aaec15a"}}"#;
    const SIGNATURE: &str =
        "5nUnsWq5YDNHvbkmg51xIhXWaQ01lgLmTfScdMrwftuBdlFT4DW9gCb2/IuAuWTByBjucFlvIxKzuSTU7sxMsg==";

    fn door(header: Option<&'static str>, shared: &[&str], hooks: Vec<Hook>) -> Door {
        Door {
            signature_header: header.map(HeaderName::from_static),
            shared: shared.iter().map(|s| SecretString::from(*s)).collect(),
            hooks,
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn the_vector_of_the_reference_fits() {
        assert_eq!(signature(&SecretString::from("topsecret"), BODY), SIGNATURE);
        let any = headers(&[("x-tribe-signature", SIGNATURE)]);
        assert!(is_authentic(
            &door(None, &["topsecret"], vec![]),
            &any,
            BODY
        ));
        assert!(is_authentic(
            &door(Some("x-tribe-signature"), &["old", "topsecret"], vec![]),
            &any,
            BODY
        ));
        assert!(!is_authentic(
            &door(Some("x-other"), &["topsecret"], vec![]),
            &any,
            BODY
        ));
        assert!(!is_authentic(&door(None, &["other"], vec![]), &any, BODY));
        assert!(!is_authentic(&door(None, &[], vec![]), &any, BODY));
    }

    #[test]
    fn every_prefix_and_every_flipped_bit_is_refused() {
        let door = door(None, &["topsecret"], vec![]);
        for length in 0..SIGNATURE.len() {
            let cut = headers(&[("x-tribe-signature", &SIGNATURE[..length])]);
            assert!(!is_authentic(&door, &cut, BODY), "prefix of {length}");
        }
        let right = headers(&[("x-tribe-signature", SIGNATURE)]);
        for at in 0..BODY.len() {
            for bit in 0..8 {
                let mut body = BODY.to_vec();
                body[at] ^= 1 << bit;
                assert!(!is_authentic(&door, &right, &body), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn white_space_between_tokens_is_forgiven_but_not_inside_strings() {
        let door = door(None, &["topsecret"], vec![]);
        let right = headers(&[("x-tribe-signature", SIGNATURE)]);
        let text = std::str::from_utf8(BODY).unwrap();
        let spaced = text.replace(':', ": ").replace(',', ",\n ");
        assert!(is_authentic(&door, &right, spaced.as_bytes()));
        let changed = text.replace("w1", "w 1");
        assert!(!is_authentic(&door, &right, changed.as_bytes()));
    }

    #[test]
    fn the_custom_header_counts_only_while_that_webhooks_secret_is_unknown() {
        let custom = headers(&[(CUSTOM_HEADER, "random-value")]);
        let hook = |secrets: &[&str]| Hook {
            secrets: secrets.iter().map(|s| SecretString::from(*s)).collect(),
            header_hash: sha256(b"random-value"),
        };
        assert!(is_authentic(
            &door(None, &[], vec![hook(&[])]),
            &custom,
            BODY
        ));
        assert!(!is_authentic(
            &door(None, &[], vec![hook(&["own"])]),
            &custom,
            BODY
        ));
        assert!(!is_authentic(
            &door(None, &["one for all"], vec![hook(&[])]),
            &custom,
            BODY
        ));
        let wrong = headers(&[(CUSTOM_HEADER, "another")]);
        assert!(!is_authentic(
            &door(None, &[], vec![hook(&[])]),
            &wrong,
            BODY
        ));
    }

    #[test]
    fn a_target_needs_a_guid() {
        let id = Uuid::from_u128(7);
        let entity = |kind: Option<&str>| Target::Entity {
            id,
            kind: kind.map(str::to_owned),
        };
        let body = |payload: String| format!(r#"{{"webhookId":"w","payload":{payload}}}"#);
        let cases = [
            (body(format!(r#"{{"entityId":"{id}"}}"#)), Ok(entity(None))),
            (
                body(format!(
                    r#"{{"relationshipId":"{id}","entityType":"Relation.Person"}}"#
                )),
                Ok(entity(Some("Relation.Person"))),
            ),
            (
                body(format!(r#"{{"entityId":null,"relationshipId":"{id}"}}"#)),
                Ok(entity(None)),
            ),
            (
                body(format!(r#"{{"entityId":"{id}","entityType":"a b<c>"}}"#)),
                Ok(entity(None)),
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(target(body.as_bytes()), expected, "{body}");
        }
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"payload":null}"#,
            r#"{"payload":{}}"#,
            r#"{"payload":{"entityId":7}}"#,
            r#"{"payload":{"entityId":"../people"}}"#,
            r#"{"payload":{"entityId":"1","entityId":"2"}}"#,
        ] {
            assert!(
                matches!(target(wrong.as_bytes()), Err(Refusal::Unusable(_))),
                "{wrong}"
            );
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(target(deep.as_bytes()).is_err());
        assert!(target(&[0xff, 0xfe]).is_err());
    }
}
