//! SHA-256, its hex, and comparison in constant time: what tokens, cookies and secrets are known by.

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use secrecy::{ExposeSecret as _, SecretString};

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// Whether two texts of bytes are equal, in a time that depends on their length alone.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    verify_slices_are_equal(left, right).is_ok()
}

/// Whether two secrets are equal, under the same terms.
pub fn same_secret(left: &SecretString, right: &SecretString) -> bool {
    same(
        left.expose_secret().as_bytes(),
        right.expose_secret().as_bytes(),
    )
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads 32 bytes from lower-case hex; `None` for anything else.
pub fn unhex32(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (to, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *to = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_reads_back_what_it_wrote_and_nothing_else() {
        let hash = sha256(b"abc");
        assert_eq!(
            hex(&hash),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(unhex32(&hex(&hash)), Some(hash));
        let (zeros, signs) = ("0".repeat(63), "+f".repeat(32));
        let upper = hex(&hash).to_uppercase();
        for wrong in ["", "zz", &zeros, &signs, &upper, &"é".repeat(32)] {
            assert_eq!(unhex32(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_equal_texts_are_the_same() {
        assert!(same(b"abc", b"abc") && same(b"", b""));
        for other in [&b"abd"[..], b"ab", b"abcd", b""] {
            assert!(!same(b"abc", other));
        }
    }
}
