//! The vault: how personal values and secrets rest.
//!
//! Everything that a store keeps sealed is AES-256-GCM ciphertext, bound to its column and row, so
//! that a ciphertext moved elsewhere does not open. The key ring comes from the configuration; each
//! ciphertext names the key that sealed it, so that old keys can stay behind the current one until
//! everything was sealed anew.
//!
//! # Map
//! - [`ring`]: the configured keys ([`KeyRing`]), and how to make one ([`generate_key`]).
//! - [`seal`]: [`Vault`], the byte form of a ciphertext.
//! - [`fingerprint`]: [`FingerprintKey`], the key behind the fingerprints of a base.
//! - [`mod@column`]: the names of the sealed columns, and what names a row of each.

pub mod column;
pub mod fingerprint;
pub mod ring;
pub mod seal;

pub use fingerprint::{FingerprintKey, LinkFingerprints};
pub use ring::{KeyError, KeyRing, generate_key};
pub use seal::{Opened, Vault};

/// Why something sealed did not open. Nothing of its content is ever handed out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key that sealed it is not configured. Put it back into the ring.
    #[error(
        "{column}: sealed under key `{key_id}`, which is not configured; \
         add it to security.encryption_keys again, behind the current one"
    )]
    UnknownKey {
        /// The column.
        column: &'static str,
        /// The key's id.
        key_id: String,
    },
    /// The key of that id does not open it: the bytes were changed or moved to another row, or
    /// another key was configured under the same id. Restore the former key or the row's backup.
    #[error(
        "{column}: does not open under key `{key_id}`; either security.encryption_keys holds \
         another key under that id than the one that sealed it, or the stored bytes were changed"
    )]
    Refused {
        /// The column.
        column: &'static str,
        /// The key's id.
        key_id: String,
    },
    /// It is not of the form that this version writes.
    #[error("{column}: not a ciphertext of this version")]
    Form {
        /// The column.
        column: &'static str,
    },
    /// It opened, and does not hold what its column says.
    #[error("{column}: opened, but it does not hold {what}")]
    Content {
        /// The column.
        column: &'static str,
        /// What was expected.
        what: &'static str,
    },
}
