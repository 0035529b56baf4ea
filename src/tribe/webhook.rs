//! A webhook's delivery: whether it is authentic, and what it says.

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest, hmac};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use uuid::Uuid;

use crate::remote::json::{self, BadJson};

/// How deep a delivery may nest: the documented form needs 3, an update's fields some more.
const MAX_DEPTH: usize = 32;

/// What a delivery says happened (Tribe reference 6.2).
///
/// A `Relationship…` one may speak of a link between two records rather than of a relationship
/// record, so both families say no more than "look at this id".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// `EntityCreationMutation`
    EntityCreation,
    /// `EntityUpdateMutation`
    EntityUpdate,
    /// `EntityDeletionMutation`
    EntityDeletion,
    /// `RelationshipCreationMutation`
    RelationshipCreation,
    /// `RelationshipUpdateMutation`
    RelationshipUpdate,
    /// `RelationshipDeletionMutation`
    RelationshipDeletion,
    /// The payload names no kind, or one that is not known.
    Unknown,
}

impl Mutation {
    fn of(name: Option<&str>) -> Mutation {
        match name {
            Some("EntityCreationMutation") => Mutation::EntityCreation,
            Some("EntityUpdateMutation") => Mutation::EntityUpdate,
            Some("EntityDeletionMutation") => Mutation::EntityDeletion,
            Some("RelationshipCreationMutation") => Mutation::RelationshipCreation,
            Some("RelationshipUpdateMutation") => Mutation::RelationshipUpdate,
            Some("RelationshipDeletionMutation") => Mutation::RelationshipDeletion,
            _ => Mutation::Unknown,
        }
    }
}

/// What is taken from a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which webhook delivered it, where the body says.
    pub webhook_id: Option<String>,
    /// What happened.
    pub kind: Mutation,
    /// The record concerned: `entityId`, else `relationshipId`.
    pub entity: Uuid,
    /// Its dotted type, where the payload says.
    pub entity_type: Option<String>,
}

/// Why a delivery has no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDelivery {
    /// The body is no JSON of a usable form.
    #[error(transparent)]
    Json(#[from] BadJson),
    /// It names no record by GUID.
    #[error("no GUID id")]
    NoId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    webhook_id: serde_json::Value,
    payload: Payload,
}

/// Members of an unexpected form count as absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    #[serde(default)]
    r#type: serde_json::Value,
    #[serde(default)]
    entity_type: serde_json::Value,
    #[serde(default)]
    entity_id: serde_json::Value,
    #[serde(default)]
    relationship_id: serde_json::Value,
}

/// Reads a delivery. Unknown members are passed over.
///
/// # Errors
/// When it is no JSON, nested too deep, or without a GUID; repeating it would not help.
pub fn parse(body: &[u8]) -> Result<Delivery, BadDelivery> {
    let body: Body = json::parse(body, MAX_DEPTH)?;
    let payload = body.payload;
    let guid = |value: &serde_json::Value| Uuid::parse_str(value.as_str()?).ok();
    let entity = guid(&payload.entity_id)
        .or_else(|| guid(&payload.relationship_id))
        .ok_or(BadDelivery::NoId)?;
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    };
    Ok(Delivery {
        webhook_id: text(body.webhook_id),
        kind: Mutation::of(payload.r#type.as_str()),
        entity,
        entity_type: text(payload.entity_type),
    })
}

/// Which secret signed a delivery, and in which header the signature stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The header.
    pub header: HeaderName,
    /// The secret's place in the list.
    pub secret: usize,
}

/// Finds a signature that fits: in the named header, or, where none is named, in any.
///
/// The signature is Base64(HMAC-SHA512(secret, body)), over the raw bytes, else over the compact
/// form of the JSON (Tribe reference 6.3). Each is compared in constant time over its full length.
pub fn signed(
    headers: &HeaderMap,
    header: Option<&HeaderName>,
    body: &[u8],
    secrets: &[SecretString],
) -> Option<Signed> {
    let candidates: Vec<_> = headers
        .iter()
        .filter(|(name, value)| {
            header.is_none_or(|header| header == *name) && value.len() == SIGNATURE_LEN
        })
        .collect();
    if candidates.is_empty() {
        return None;
    }
    let compact = json::compact(body).filter(|compact| compact != body);
    let forms: Vec<&[u8]> = std::iter::once(body).chain(compact.as_deref()).collect();
    for form in forms {
        for (at, secret) in secrets.iter().enumerate() {
            let expected = signature(secret, form);
            for (name, value) in &candidates {
                if verify_slices_are_equal(expected.as_bytes(), value.as_bytes()).is_ok() {
                    return Some(Signed {
                        header: (*name).clone(),
                        secret: at,
                    });
                }
            }
        }
    }
    None
}

/// 64 bytes in Base64.
const SIGNATURE_LEN: usize = 88;

/// The signature of a body.
pub fn signature(secret: &SecretString, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA512, secret.expose_secret().as_bytes());
    STANDARD.encode(hmac::sign(&key, body))
}

/// Whether a header's value is the one whose SHA-256 was kept.
pub fn custom_header_fits(headers: &HeaderMap, name: &str, sha256: &[u8; 32]) -> bool {
    headers.get_all(name).iter().any(|value| {
        let found = digest::digest(&digest::SHA256, value.as_bytes());
        verify_slices_are_equal(found.as_ref(), sha256).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str =
        r#"{"webhookId":"w1","payload":{"entityId":"b724d383-bb70-480a-b03d-512b9aaec15a"}}"#;
    const SIGNATURE: &str =
        "5nUnsWq5YDNHvbkmg51xIhXWaQ01lgLmTfScdMrwftuBdlFT4DW9gCb2/IuAuWTByBjucFlvIxKzuSTU7sxMsg==";

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        headers.insert(name, value.parse().unwrap());
        headers
    }

    fn secrets(texts: &[&str]) -> Vec<SecretString> {
        texts.iter().map(|text| (*text).into()).collect()
    }

    #[test]
    fn the_test_vector_of_the_reference_fits() {
        assert_eq!(signature(&"topsecret".into(), BODY.as_bytes()), SIGNATURE);
        let found = signed(
            &headers("x-anything", SIGNATURE),
            None,
            BODY.as_bytes(),
            &secrets(&["other", "topsecret"]),
        );
        assert_eq!(
            found,
            Some(Signed {
                header: HeaderName::from_static("x-anything"),
                secret: 1
            })
        );
    }

    #[test]
    fn a_named_header_is_the_only_one() {
        let named = HeaderName::from_static("x-tribe-signature");
        let check = |name| {
            let headers = headers(name, SIGNATURE);
            signed(
                &headers,
                Some(&named),
                BODY.as_bytes(),
                &secrets(&["topsecret"]),
            )
        };
        assert!(check("x-tribe-signature").is_some());
        assert!(check("x-anything").is_none());
    }

    #[test]
    fn the_compact_form_fits_too() {
        let loose = BODY.replace(':', " : ").replace(',', ",\n  ");
        let check = |body: &str| {
            let headers = headers("x", SIGNATURE);
            signed(&headers, None, body.as_bytes(), &secrets(&["topsecret"])).is_some()
        };
        assert!(check(&loose));
        assert!(!check(&loose.replace("w1", "w2")));
    }

    #[test]
    fn nothing_less_than_the_whole_signature_fits() {
        let first_wrong = format!("A{}", &SIGNATURE[1..]);
        let last_wrong = format!("{}A==", &SIGNATURE[..85]);
        for value in ["", &SIGNATURE[..87], &first_wrong, &last_wrong] {
            let headers = headers("x", value);
            let found = signed(&headers, None, BODY.as_bytes(), &secrets(&["topsecret"]));
            assert_eq!(found, None);
        }
        let headers = headers("x", SIGNATURE);
        assert_eq!(signed(&headers, None, BODY.as_bytes(), &[]), None);
    }

    #[test]
    fn a_custom_header_is_known_by_its_hash() {
        let hash: [u8; 32] = digest::digest(&digest::SHA256, b"v")
            .as_ref()
            .try_into()
            .unwrap();
        assert!(custom_header_fits(&headers("x-key", "v"), "x-key", &hash));
        assert!(!custom_header_fits(&headers("x-key", "w"), "x-key", &hash));
        assert!(!custom_header_fits(&headers("x-key", "v"), "x-none", &hash));
    }

    #[test]
    fn both_families_name_their_record() {
        let id = "b724d383-bb70-480a-b03d-512b9aaec15a";
        let full = parse(
            format!(
                r#"{{"webhookId":"w","more":1,"payload":{{"type":"EntityUpdateMutation","entityType":"Relation.Person","entityId":"{id}","fields":{{"FirstName":"Jan"}}}}}}"#
            )
            .as_bytes(),
        );
        assert_eq!(
            full,
            Ok(Delivery {
                webhook_id: Some("w".into()),
                kind: Mutation::EntityUpdate,
                entity: id.parse().unwrap(),
                entity_type: Some("Relation.Person".into()),
            })
        );
        let other = format!(
            r#"{{"webhookId":7,"payload":{{"type":"RelationshipDeletionMutation","entityId":"no","relationshipId":"{id}"}}}}"#
        );
        let other = parse(other.as_bytes()).unwrap();
        assert_eq!(other.kind, Mutation::RelationshipDeletion);
        assert_eq!(other.webhook_id, None);
        let bare = parse(BODY.as_bytes()).unwrap();
        assert_eq!((bare.kind, bare.entity_type), (Mutation::Unknown, None));
    }

    #[test]
    fn what_cannot_be_used_is_told_apart() {
        let deep = format!(r#"{{"payload":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
        for (body, why) in [
            ("", BadDelivery::Json(BadJson::NotJson)),
            ("[]", BadDelivery::Json(BadJson::NotJson)),
            ("{}", BadDelivery::Json(BadJson::NotJson)),
            (deep.as_str(), BadDelivery::Json(BadJson::TooDeep)),
            (r#"{"payload":{}}"#, BadDelivery::NoId),
            (r#"{"payload":{"entityId":"1"}}"#, BadDelivery::NoId),
        ] {
            assert_eq!(parse(body.as_bytes()), Err(why), "{body}");
        }
    }
}
