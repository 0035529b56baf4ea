//! Sealing and opening.
//!
//! A ciphertext is: the format's number (1), the length of the key's id, the id, the nonce of 12
//! bytes, the encrypted bytes, the tag of 16. Column, row and key id are bound in as associated
//! data, each with its length before it, so that no two triples give the same bytes.
//!
//! Nonces are random. With 96 random bits a key may seal 2^32 times before a repetition becomes as
//! likely as one in 2^32 (NIST SP 800-38D, 8.3); that is 17 years at eight values a second.

use std::sync::Arc;

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use serde::{Serialize, de::DeserializeOwned};

use super::{Error, KeyRing};
use crate::{random::Random, store::Sealed};

/// The first byte of every ciphertext.
const FORMAT: u8 = 1;

/// Opened bytes; wiped when dropped.
pub type Opened = Zeroizing<Vec<u8>>;

/// Seals and opens personal values and secrets.
pub struct Vault {
    ring: KeyRing,
    random: Arc<dyn Random>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault")
            .field("keys", &self.ring)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// A vault over a key ring.
    pub fn new(ring: KeyRing, random: Arc<dyn Random>) -> Vault {
        Vault { ring, random }
    }

    /// The id of the key that seals.
    pub fn current(&self) -> &str {
        &self.ring.current().0
    }

    /// Seals bytes under the current key, for one row of a column.
    pub fn seal(&self, column: &'static str, row: &str, plain: &[u8]) -> Sealed {
        let (id, key) = self.ring.current();
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce);

        let mut sealed = Vec::with_capacity(2 + id.len() + NONCE_LEN + plain.len() + 16);
        sealed.push(FORMAT);
        // The ring lets no id longer than 32 in.
        sealed.push(id.len() as u8);
        sealed.extend_from_slice(id.as_bytes());
        sealed.extend_from_slice(&nonce);
        let head = sealed.len();
        sealed.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(nonce);
        match key.seal_in_place_separate_tag(nonce, bound(column, row, id), &mut sealed[head..]) {
            Ok(tag) => sealed.extend_from_slice(tag.as_ref()),
            // Only a value of 64 GiB is refused. Were it to happen, the plain bytes must not leave.
            Err(_) => std::process::abort(),
        }
        Sealed(sealed)
    }

    /// Seals a text.
    pub fn seal_text(&self, column: &'static str, row: &str, text: &SecretString) -> Sealed {
        self.seal(column, row, text.expose_secret().as_bytes())
    }

    /// Seals a value as JSON.
    ///
    /// # Errors
    /// [`Error::Content`] when the value has no JSON form (a map whose keys are not texts).
    pub fn seal_json<T: Serialize + ?Sized>(
        &self,
        column: &'static str,
        row: &str,
        value: &T,
    ) -> Result<Sealed, Error> {
        let what = "a value with a JSON form";
        let json = serde_json::to_vec(value).map_err(|_| Error::Content { column, what })?;
        Ok(self.seal(column, row, &Zeroizing::new(json)))
    }

    /// Opens what was sealed for this row of this column.
    ///
    /// # Errors
    /// See [`Error`]; repeating does not help, an administrator must act.
    pub fn open(&self, column: &'static str, row: &str, sealed: &Sealed) -> Result<Opened, Error> {
        let parts = Parts::of(column, &sealed.0)?;
        let key = self.key(column, parts.id)?;
        let mut bytes = Zeroizing::new(parts.body.to_vec());
        let nonce = Nonce::assume_unique_for_key(parts.nonce);
        let length = key
            .open_in_place(nonce, bound(column, row, parts.id), &mut bytes)
            .map_err(|_| Error::Refused {
                column,
                key_id: parts.id.to_owned(),
            })?
            .len();
        bytes.truncate(length);
        Ok(bytes)
    }

    /// Opens a text.
    ///
    /// # Errors
    /// As [`Vault::open`], and [`Error::Content`] for bytes that are no text.
    pub fn open_text(
        &self,
        column: &'static str,
        row: &str,
        sealed: &Sealed,
    ) -> Result<SecretString, Error> {
        let bytes = self.open(column, row, sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::Content {
            column,
            what: "text",
        })?;
        Ok(SecretString::from(text))
    }

    /// Opens a value sealed as JSON.
    ///
    /// # Errors
    /// As [`Vault::open`], and [`Error::Content`] for JSON of another shape.
    pub fn open_json<T: DeserializeOwned>(
        &self,
        column: &'static str,
        row: &str,
        sealed: &Sealed,
    ) -> Result<T, Error> {
        let bytes = self.open(column, row, sealed)?;
        let what = "JSON of the expected shape";
        serde_json::from_slice(&bytes).map_err(|_| Error::Content { column, what })
    }

    /// Seals anew under the current key; `None` when it is sealed under that already.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn reseal(
        &self,
        column: &'static str,
        row: &str,
        sealed: &Sealed,
    ) -> Result<Option<Sealed>, Error> {
        if Parts::of(column, &sealed.0)?.id == self.ring.current().0 {
            return Ok(None);
        }
        let plain = self.open(column, row, sealed)?;
        Ok(Some(self.seal(column, row, &plain)))
    }

    fn key(&self, column: &'static str, id: &str) -> Result<&LessSafeKey, Error> {
        self.ring.key(id).ok_or_else(|| Error::UnknownKey {
            column,
            key_id: id.to_owned(),
        })
    }
}

/// A ciphertext taken apart.
struct Parts<'a> {
    id: &'a str,
    nonce: [u8; NONCE_LEN],
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(column: &'static str, bytes: &'a [u8]) -> Result<Parts<'a>, Error> {
        Parts::split(bytes).ok_or(Error::Form { column })
    }

    fn split(bytes: &'a [u8]) -> Option<Parts<'a>> {
        let [FORMAT, length, rest @ ..] = bytes else {
            return None;
        };
        let (id, rest) = rest.split_at_checked(usize::from(*length))?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>()?;
        Some(Parts {
            id: std::str::from_utf8(id).ok()?,
            nonce: *nonce,
            body,
        })
    }
}

/// Column, row and key id as associated data.
fn bound(column: &str, row: &str, id: &str) -> Aad<Vec<u8>> {
    let mut bytes = Vec::with_capacity(24 + column.len() + row.len() + id.len());
    for part in [column, row, id] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    Aad::from(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{random::SystemRandom, vault::generate_key};

    const COLUMN: &str = "users.mailbox";

    fn key(id: &str) -> SecretString {
        generate_key(&SystemRandom, id)
    }

    fn vault(keys: &[&SecretString]) -> Vault {
        let keys: Vec<_> = keys.iter().map(|key| (*key).clone()).collect();
        Vault::new(
            KeyRing::parse(&keys).expect("a ring"),
            Arc::new(SystemRandom),
        )
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(plain: Vec<u8>, row in ".{0,40}") {
            let vault = vault(&[&key("k1")]);
            let sealed = vault.seal(COLUMN, &row, &plain);
            prop_assert_eq!(vault.open(COLUMN, &row, &sealed).expect("opens").to_vec(), plain);
        }

        #[test]
        fn any_changed_byte_is_noticed(plain: Vec<u8>, at: prop::sample::Index, flip in 1..=255u8) {
            let vault = vault(&[&key("k1")]);
            let Sealed(mut bytes) = vault.seal(COLUMN, "row", &plain);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(vault.open(COLUMN, "row", &Sealed(bytes)).is_err());
        }

        #[test]
        fn foreign_bytes_are_an_error(bytes: Vec<u8>) {
            let opened = vault(&[&key("k1")]).open(COLUMN, "row", &Sealed(bytes));
            prop_assert!(opened.is_err());
        }
    }

    #[test]
    fn a_ciphertext_opens_in_its_own_row_and_column_alone() {
        let vault = vault(&[&key("k1")]);
        let sealed = vault.seal(COLUMN, "row", b"a");
        let refused = |column| Error::Refused {
            column,
            key_id: "k1".into(),
        };
        assert_eq!(vault.open(COLUMN, "other", &sealed), Err(refused(COLUMN)));
        assert_eq!(
            vault.open("users.mailboxr", "ow", &sealed),
            Err(refused("users.mailboxr"))
        );
    }

    #[test]
    fn the_same_value_never_looks_the_same_twice() {
        let vault = vault(&[&key("k1")]);
        assert_ne!(
            vault.seal(COLUMN, "row", b"a"),
            vault.seal(COLUMN, "row", b"a")
        );
    }

    #[test]
    fn an_old_key_opens_and_the_current_one_seals_anew() {
        let (old, new) = (key("old"), key("new"));
        let sealed = vault(&[&old]).seal(COLUMN, "row", b"value");
        let both = vault(&[&new, &old]);
        let moved = both
            .reseal(COLUMN, "row", &sealed)
            .expect("opens")
            .expect("moves");
        assert_eq!(both.reseal(COLUMN, "row", &moved), Ok(None));
        let opened = vault(&[&new]).open(COLUMN, "row", &moved).expect("opens");
        assert_eq!(opened.as_slice(), b"value");
    }

    #[test]
    fn a_missing_key_and_a_swapped_one_are_told_apart() {
        let sealed = vault(&[&key("k1")]).seal(COLUMN, "row", b"value");
        let missing = vault(&[&key("k2")])
            .open(COLUMN, "row", &sealed)
            .expect_err("missing");
        assert_eq!(
            missing,
            Error::UnknownKey {
                column: COLUMN,
                key_id: "k1".into()
            }
        );
        assert!(missing.to_string().contains("security.encryption_keys"));
        let swapped = vault(&[&key("k1")])
            .open(COLUMN, "row", &sealed)
            .expect_err("swapped");
        assert_eq!(
            swapped,
            Error::Refused {
                column: COLUMN,
                key_id: "k1".into()
            }
        );
    }

    #[test]
    fn text_and_json_come_back_or_say_what_they_are_not() {
        let vault = vault(&[&key("k1")]);
        let text = SecretString::from("jan@example.com");
        let sealed = vault.seal_text(COLUMN, "row", &text);
        let opened = vault.open_text(COLUMN, "row", &sealed).expect("opens");
        assert_eq!(opened.expose_secret(), text.expose_secret());
        let json = vault
            .open_json::<Vec<u8>>(COLUMN, "row", &sealed)
            .expect_err("no JSON");
        assert!(!format!("{json} {json:?}").contains("jan@"));

        let sealed = vault.seal_json(COLUMN, "row", &[1, 2]).expect("seals");
        assert_eq!(
            vault.open_json::<Vec<u8>>(COLUMN, "row", &sealed),
            Ok(vec![1, 2])
        );
        let sealed = vault.seal(COLUMN, "row", &[0xff]);
        let what = "text";
        let error = vault
            .open_text(COLUMN, "row", &sealed)
            .expect_err("no text");
        assert_eq!(
            error,
            Error::Content {
                column: COLUMN,
                what
            }
        );
    }

    #[test]
    fn debug_shows_neither_key_nor_value() {
        let secret = key("k1");
        let shown = format!("{:?}", vault(&[&secret]));
        let (_, bytes) = secret.expose_secret().split_once(':').expect("a key");
        assert!(shown.contains("k1") && !shown.contains(bytes));
    }
}
