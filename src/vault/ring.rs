//! The configured keys.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

use crate::random::Random;

/// Bytes of a key of AES-256.
const KEY_BYTES: usize = 32;

/// Longest id of a key: it is stored, with one byte for its length, in every ciphertext.
const LONGEST_ID: usize = 32;

/// Base64 as `openssl rand -base64 32` writes it; a lost padding is forgiven.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a configured key is refused. Names the entry by its place and id, never shows the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is none.
    #[error("needs at least one key; make one with `tribelink keys new`")]
    None,
    /// No `id:key`.
    #[error("entry {place} is not of the form `id:key`, such as `k1:` and 32 bytes in base64")]
    Form {
        /// Which entry, from 1.
        place: usize,
    },
    /// The id is empty, too long or of other characters.
    #[error(
        "entry {place}: the id before the colon takes 1 to 32 letters, digits, `-`, `_` or `.`"
    )]
    Id {
        /// Which entry, from 1.
        place: usize,
    },
    /// The key is no base64.
    #[error("key `{id}` is not base64")]
    Base64 {
        /// Its id.
        id: String,
    },
    /// The key is of another length.
    #[error("key `{id}` has {bytes} bytes; it takes 32")]
    Length {
        /// Its id.
        id: String,
        /// Its length.
        bytes: usize,
    },
    /// Two keys share an id.
    #[error("key `{id}` is there twice; each id stands for one key")]
    Twice {
        /// Their id.
        id: String,
    },
}

/// The keys of the vault by their ids; the first one seals, all of them open.
pub struct KeyRing {
    keys: Vec<(String, LessSafeKey)>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl KeyRing {
    /// Reads entries of the form `id:base64(32 bytes)`; the first is the current key.
    ///
    /// # Errors
    /// Every entry that is refused, and why.
    pub fn parse(entries: &[SecretString]) -> Result<KeyRing, Vec<KeyError>> {
        let mut keys: Vec<(String, LessSafeKey)> = Vec::new();
        let mut errors = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            match parse_entry(index + 1, entry.expose_secret()) {
                Ok((id, _)) if keys.iter().any(|(known, _)| *known == id) => {
                    errors.push(KeyError::Twice { id });
                }
                Ok(key) => keys.push(key),
                Err(error) => errors.push(error),
            }
        }
        if entries.is_empty() {
            errors.push(KeyError::None);
        }
        if errors.is_empty() {
            Ok(KeyRing { keys })
        } else {
            Err(errors)
        }
    }

    /// The ids, the current one first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(id, _)| id.as_str())
    }

    /// The key that seals; [`KeyRing::parse`] lets no ring without one come to be.
    pub(super) fn current(&self) -> &(String, LessSafeKey) {
        &self.keys[0]
    }

    /// The key of that id.
    pub(super) fn key(&self, id: &str) -> Option<&LessSafeKey> {
        self.keys
            .iter()
            .find(|(known, _)| known == id)
            .map(|(_, key)| key)
    }
}

fn parse_entry(place: usize, entry: &str) -> Result<(String, LessSafeKey), KeyError> {
    let (id, key) = entry
        .trim()
        .split_once(':')
        .ok_or(KeyError::Form { place })?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > LONGEST_ID || !id.chars().all(fits) {
        return Err(KeyError::Id { place });
    }
    let id = id.to_owned();
    let bytes = match LENIENT.decode(key.trim()) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(_) => return Err(KeyError::Base64 { id }),
    };
    match UnboundKey::new(&AES_256_GCM, &bytes) {
        Ok(key) => Ok((id, LessSafeKey::new(key))),
        Err(_) => Err(KeyError::Length {
            id,
            bytes: bytes.len(),
        }),
    }
}

/// Makes an entry for `security.encryption_keys`: the id, a colon, 32 random bytes in base64.
pub fn generate_key(random: &dyn Random, id: &str) -> SecretString {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    random.fill(bytes.as_mut());
    SecretString::from(format!("{id}:{}", STANDARD.encode(bytes.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    fn entries(texts: &[&str]) -> Vec<SecretString> {
        texts.iter().map(|text| SecretString::from(*text)).collect()
    }

    #[test]
    fn a_made_key_is_accepted_and_no_two_are_the_same() {
        let one = generate_key(&SystemRandom, "k1");
        let two = generate_key(&SystemRandom, "k1");
        assert_ne!(one.expose_secret(), two.expose_secret());
        let ring = KeyRing::parse(&[one]).expect("a ring");
        assert_eq!(ring.ids().collect::<Vec<_>>(), ["k1"]);
    }

    #[test]
    fn a_key_without_padding_is_forgiven() {
        let padded = generate_key(&SystemRandom, "k");
        let bare = padded.expose_secret().trim_end_matches('=').to_owned();
        assert!(KeyRing::parse(&[SecretString::from(bare)]).is_ok());
    }

    #[test]
    fn every_refusal_is_listed_and_none_shows_a_key() {
        let good = generate_key(&SystemRandom, "k1");
        let mut all = vec![good.clone(), good];
        all.extend(entries(&[
            "nocolon",
            ":c2VjcmV0",
            "sp ace:c2VjcmV0",
            "k2:not-base64!",
            "k3:c2VjcmV0",
        ]));
        let errors = KeyRing::parse(&all).expect_err("refused");
        assert_eq!(
            errors,
            [
                KeyError::Twice { id: "k1".into() },
                KeyError::Form { place: 3 },
                KeyError::Id { place: 4 },
                KeyError::Id { place: 5 },
                KeyError::Base64 { id: "k2".into() },
                KeyError::Length {
                    id: "k3".into(),
                    bytes: 6
                },
            ]
        );
        let said = errors.iter().map(ToString::to_string).collect::<String>();
        assert!(!said.contains("c2VjcmV0") && !said.contains("not-base64!"));
        assert_eq!(KeyRing::parse(&[]).expect_err("none"), [KeyError::None]);
    }

    #[test]
    fn debug_shows_ids_alone() {
        let key = generate_key(&SystemRandom, "k1");
        let ring = KeyRing::parse(&[key]).expect("a ring");
        assert_eq!(format!("{ring:?}"), r#"["k1"]"#);
    }
}
