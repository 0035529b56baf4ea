//! The key behind the fingerprints of a base.
//!
//! Each environment has one random key, wrapped by the vault. Rotating the ring wraps it anew and
//! never changes it: a changed key would make every side of every link look edited.

use aws_lc_rs::hmac;
use secrecy::zeroize::Zeroizing;
use tribelink_plan::{
    base::{Fingerprint, Fingerprints},
    field::Field,
    ids::{EnvironmentId, PersonId, UserId},
};

use super::{Error, Vault, column};
use crate::{random::Random, store::Sealed};

/// An environment's key.
#[derive(Clone)]
pub struct FingerprintKey {
    bytes: Zeroizing<[u8; 32]>,
    key: hmac::Key,
}

impl std::fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FingerprintKey")
    }
}

impl FingerprintKey {
    /// Draws a new one.
    pub fn generate(random: &dyn Random) -> FingerprintKey {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(bytes.as_mut());
        FingerprintKey::from_bytes(bytes)
    }

    /// Opens a stored one.
    ///
    /// # Errors
    /// As [`Vault::open`]. Never answer one by a new key: every link would look edited.
    pub fn open(
        vault: &Vault,
        environment: &EnvironmentId,
        sealed: &Sealed,
    ) -> Result<FingerprintKey, Error> {
        let opened = vault.open(column::FINGERPRINT_KEY, environment.as_str(), sealed)?;
        let bytes = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| Error::Content {
            column: column::FINGERPRINT_KEY,
            what: "32 bytes",
        })?;
        Ok(FingerprintKey::from_bytes(Zeroizing::new(bytes)))
    }

    /// Seals it for its environment's row.
    pub fn seal(&self, vault: &Vault, environment: &EnvironmentId) -> Sealed {
        vault.seal(
            column::FINGERPRINT_KEY,
            environment.as_str(),
            self.bytes.as_ref(),
        )
    }

    /// Fingerprints of one link: the same value of another user, person or field gives another.
    pub fn bind(&self, user: UserId, person: PersonId) -> LinkFingerprints {
        LinkFingerprints {
            key: self.key.clone(),
            user,
            person,
        }
    }

    fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> FingerprintKey {
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes.as_ref());
        FingerprintKey { bytes, key }
    }
}

/// Makes the fingerprints of one link.
#[derive(Clone)]
pub struct LinkFingerprints {
    key: hmac::Key,
    user: UserId,
    person: PersonId,
}

impl LinkFingerprints {
    /// The person of the link.
    pub fn person(&self) -> PersonId {
        self.person
    }
}

impl Fingerprints for LinkFingerprints {
    /// The first eight bytes of HMAC-SHA256 over user, person, field and value. The first three
    /// are of fixed length, so no two inputs run together.
    fn of(&self, field: Field, canonical: &str) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(self.user.0.as_bytes());
        context.update(self.person.0.as_bytes());
        context.update(&[field.index()]);
        context.update(canonical.as_bytes());
        let tag = context.sign();
        let mut first = [0; 8];
        first
            .iter_mut()
            .zip(tag.as_ref())
            .for_each(|(to, from)| *to = *from);
        Fingerprint(u64::from_be_bytes(first))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::{
        random::SystemRandom,
        vault::{KeyRing, generate_key},
    };

    fn ids(user: u128, person: u128) -> (UserId, PersonId) {
        (
            UserId(Uuid::from_u128(user)),
            PersonId(Uuid::from_u128(person)),
        )
    }

    #[test]
    fn a_fingerprint_depends_on_key_user_person_field_and_value() {
        let key = FingerprintKey::from_bytes(Zeroizing::new([7; 32]));
        let other = FingerprintKey::from_bytes(Zeroizing::new([8; 32]));
        let (user, person) = ids(1, 2);
        let of = |key: &FingerprintKey, user, person, field, value: &str| {
            key.bind(user, person).of(field, value)
        };
        let one = of(&key, user, person, Field::Surname, "jansen");
        assert_eq!(one, of(&key, user, person, Field::Surname, "jansen"));
        for another in [
            of(&other, user, person, Field::Surname, "jansen"),
            of(&key, ids(2, 2).0, person, Field::Surname, "jansen"),
            of(&key, user, ids(1, 1).1, Field::Surname, "jansen"),
            of(&key, user, person, Field::FirstName, "jansen"),
            of(&key, user, person, Field::Surname, "janssen"),
        ] {
            assert_ne!(one, another);
        }
    }

    /// Stored bases rest on this number: it may never change. Computed with Python's `hmac` over
    /// the key `07` × 32 and the bytes of user 1, person 2, field 3 and `jansen`.
    #[test]
    fn the_form_is_fixed() {
        let key = FingerprintKey::from_bytes(Zeroizing::new([7; 32]));
        let (user, person) = ids(1, 2);
        let made = key.bind(user, person).of(Field::Surname, "jansen");
        assert_eq!(made, Fingerprint(0x642a_f53e_f9ff_4359));
    }

    #[test]
    fn it_survives_wrapping_and_opens_for_its_environment_alone() {
        let ring = KeyRing::parse(&[generate_key(&SystemRandom, "k1")]).expect("a ring");
        let vault = Vault::new(ring, Arc::new(SystemRandom));
        let key = FingerprintKey::generate(&SystemRandom);
        let sealed = key.seal(&vault, &"default".into());
        let opened = FingerprintKey::open(&vault, &"default".into(), &sealed).expect("opens");
        let (user, person) = ids(1, 2);
        assert_eq!(
            opened.bind(user, person).of(Field::Surname, "x"),
            key.bind(user, person).of(Field::Surname, "x")
        );
        assert!(FingerprintKey::open(&vault, &"other".into(), &sealed).is_err());
        assert_eq!(format!("{key:?}"), "FingerprintKey");
    }
}
