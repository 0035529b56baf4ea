//! A webhook's delivery: whether it is authentic, and what it points at (pure).

use std::{borrow::Cow, fmt};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use uuid::Uuid;

use crate::{
    digest::{same, sha256},
    remote::json::{self, BadJson},
};

/// Longest dotted entity type that is taken.
const MAX_TYPE: usize = 128;

/// What is taken from a delivery.
///
/// What happened is not: a `Relationship…Mutation` may speak of a link between two records rather
/// than of a relationship record, so every kind says no more than "look at this id" (Tribe
/// reference 6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
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
struct Body<'b> {
    #[serde(borrow)]
    payload: Payload<'b>,
}

/// Members of an unexpected form count as absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'b> {
    #[serde(borrow, default)]
    entity_type: Text<'b>,
    #[serde(borrow, default)]
    entity_id: Text<'b>,
    #[serde(borrow, default)]
    relationship_id: Text<'b>,
}

/// A text, or nothing where something else stands; it stays where it is, unless it has escapes.
#[derive(Default)]
struct Text<'b>(Option<Cow<'b, str>>);

impl Text<'_> {
    fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<'de: 'b, 'b> Deserialize<'de> for Text<'b> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OfText)
    }
}

struct OfText;

impl<'de> Visitor<'de> for OfText {
    type Value = Text<'de>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

/// Reads a delivery. Unknown members are passed over.
///
/// # Errors
/// When it is no JSON, nested too deep, or without a GUID; repeating it would not help.
pub fn parse(body: &[u8]) -> Result<Delivery, BadDelivery> {
    let body: Body<'_> = json::parse(body, json::MAX_DEPTH)?;
    let payload = body.payload;
    let guid = |value: &Text<'_>| Uuid::try_parse(value.get()?.trim()).ok();
    let entity = guid(&payload.entity_id)
        .or_else(|| guid(&payload.relationship_id))
        .ok_or(BadDelivery::NoId)?;
    let entity_type = payload.entity_type.get().filter(|text| is_type(text));
    Ok(Delivery {
        entity,
        entity_type: entity_type.map(str::to_owned),
    })
}

/// Names between dots, or a tenant's GUID (Tribe reference 3.1).
fn is_type(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_TYPE
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Whether a signature fits: in the named header, or, where none is named, in any.
///
/// The signature is Base64(HMAC-SHA512(secret, body)), over the raw bytes, else over the compact
/// form of the JSON (Tribe reference 6.3). Each is compared in constant time over its full length.
pub fn is_signed<'s>(
    headers: &HeaderMap,
    header: Option<&HeaderName>,
    body: &[u8],
    secrets: impl Iterator<Item = &'s SecretString> + Clone,
) -> bool {
    // Without a value of a signature's length nothing is computed: a stranger's large body costs no
    // more than reading it.
    let candidates = || {
        headers
            .iter()
            .filter(|(name, _)| header.is_none_or(|header| header == *name))
            .map(|(_, value)| value.as_bytes())
            .filter(|value| value.len() == SIGNATURE_LEN)
    };
    if candidates().next().is_none() {
        return false;
    }
    let fits = |form: &[u8]| {
        secrets.clone().any(|secret| {
            let expected = digits(secret, form);
            candidates().any(|value| same(&expected, value))
        })
    };
    fits(body) || json::compact(body).is_some_and(|form| form != body && fits(&form))
}

/// 64 bytes in Base64.
const SIGNATURE_LEN: usize = 88;

/// The signature of a body.
pub fn signature(secret: &SecretString, body: &[u8]) -> String {
    String::from_utf8_lossy(&digits(secret, body)).into_owned()
}

fn digits(secret: &SecretString, body: &[u8]) -> [u8; SIGNATURE_LEN] {
    let key = hmac::Key::new(hmac::HMAC_SHA512, secret.expose_secret().as_bytes());
    let mut digits = [0; SIGNATURE_LEN];
    // It has that length; one that had not would fit nothing.
    let _ = STANDARD.encode_slice(hmac::sign(&key, body), &mut digits);
    digits
}

/// Whether a header's value is one of those whose SHA-256 was kept.
pub fn has_custom_header<'h>(
    headers: &HeaderMap,
    name: &str,
    hashes: impl Iterator<Item = &'h [u8; 32]> + Clone,
) -> bool {
    headers.get_all(name).iter().any(|value| {
        let found = sha256(value.as_bytes());
        hashes.clone().any(|known| same(known, &found))
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

    fn fits(headers: &HeaderMap, body: &[u8], texts: &[&str]) -> bool {
        is_signed(headers, None, body, secrets(texts).iter())
    }

    #[test]
    fn the_test_vector_of_the_reference_fits() {
        assert_eq!(signature(&"topsecret".into(), BODY.as_bytes()), SIGNATURE);
        let headers = headers("x-anything", SIGNATURE);
        assert!(fits(&headers, BODY.as_bytes(), &["other", "topsecret"]));
        assert!(!fits(&headers, BODY.as_bytes(), &["other"]));
        assert!(!fits(&headers, BODY.as_bytes(), &[]));
    }

    #[test]
    fn a_named_header_is_the_only_one() {
        let named = HeaderName::from_static("x-tribe-signature");
        let check = |name| {
            let known = secrets(&["topsecret"]);
            let headers = headers(name, SIGNATURE);
            is_signed(&headers, Some(&named), BODY.as_bytes(), known.iter())
        };
        assert!(check("x-tribe-signature"));
        assert!(!check("x-anything"));
    }

    #[test]
    fn the_compact_form_fits_too_but_for_what_stands_in_strings() {
        let loose = BODY.replace(':', " : ").replace(',', ",\n  ");
        let check = |body: &str| fits(&headers("x", SIGNATURE), body.as_bytes(), &["topsecret"]);
        assert!(check(&loose));
        assert!(!check(&loose.replace("w1", "w2")));
        assert!(!check(&loose.replace("w1", "w 1")));
    }

    #[test]
    fn every_prefix_and_every_flipped_bit_is_refused() {
        for length in 0..SIGNATURE.len() {
            let cut = headers("x", &SIGNATURE[..length]);
            let found = fits(&cut, BODY.as_bytes(), &["topsecret"]);
            assert!(!found, "prefix of {length}");
        }
        let right = headers("x", SIGNATURE);
        for at in 0..BODY.len() {
            for bit in 0..8 {
                let mut body = BODY.as_bytes().to_vec();
                body[at] ^= 1 << bit;
                assert!(!fits(&right, &body, &["topsecret"]), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn a_custom_header_is_known_by_its_hash() {
        let known = [sha256(b"u"), sha256(b"v")];
        let fits = |value, name| has_custom_header(&headers("x-key", value), name, known.iter());
        assert!(fits("v", "x-key"));
        assert!(!fits("w", "x-key"));
        assert!(!fits("v", "x-none"));
    }

    #[test]
    fn both_families_name_their_record() {
        let id = "b724d383-bb70-480a-b03d-512b9aaec15a";
        let of = |payload: String| {
            parse(format!(r#"{{"webhookId":7,"more":1,"payload":{payload}}}"#).as_bytes())
        };
        let entity = |entity_type: Option<&str>| {
            Ok(Delivery {
                entity: id.parse().unwrap(),
                entity_type: entity_type.map(str::to_owned),
            })
        };
        let full = format!(
            r#"{{"type":"EntityUpdateMutation","entityType":"Relation.Person","entityId":"{id}","fields":{{"FirstName":"Jan"}}}}"#
        );
        assert_eq!(of(full), entity(Some("Relation.Person")));
        let other = format!(
            r#"{{"type":"RelationshipDeletionMutation","entityId":"no","relationshipId":"{id}"}}"#
        );
        assert_eq!(of(other), entity(None));
        let none = format!(r#"{{"entityId":null,"relationshipId":"{id}","entityType":"a b<c>"}}"#);
        assert_eq!(of(none), entity(None));
        let own = format!(r#"{{"entityId":"{id}","entityType":"{id}"}}"#);
        assert_eq!(of(own), entity(Some(id)));
        assert_eq!(parse(BODY.as_bytes()), entity(None));
    }

    #[test]
    fn what_cannot_be_used_is_told_apart() {
        let deep = format!(r#"{{"payload":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
        for (body, why) in [
            ("", BadDelivery::Json(BadJson::NotJson)),
            ("[]", BadDelivery::Json(BadJson::NotJson)),
            ("{}", BadDelivery::Json(BadJson::NotJson)),
            (r#"{"payload":null}"#, BadDelivery::Json(BadJson::NotJson)),
            (
                r#"{"payload":{"entityId":"1","entityId":"2"}}"#,
                BadDelivery::Json(BadJson::NotJson),
            ),
            (deep.as_str(), BadDelivery::Json(BadJson::TooDeep)),
            (r#"{"payload":{}}"#, BadDelivery::NoId),
            (r#"{"payload":{"entityId":7}}"#, BadDelivery::NoId),
            (r#"{"payload":{"entityId":"../people"}}"#, BadDelivery::NoId),
        ] {
            assert_eq!(parse(body.as_bytes()), Err(why), "{body}");
        }
        assert!(parse(&[0xff, 0xfe]).is_err());
    }
}
