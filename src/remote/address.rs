//! Parts of an address.

use std::fmt::Write as _;

/// Encodes a text for an address: letters, digits, `-._~` and the `kept` signs stand as they are,
/// everything else as `%XX`; a space is `%20`, never `+`.
pub fn encode(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
