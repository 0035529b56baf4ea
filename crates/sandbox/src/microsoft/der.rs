//! As much of DER as certificates and RSA keys need: walking to a public key.

use base64::{Engine as _, engine::general_purpose::STANDARD};

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const EXPLICIT_VERSION: u8 = 0xa0;

/// One element: its tag, its content, its whole encoding, and what follows it.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
    rest: &'a [u8],
}

fn element(input: &[u8]) -> Option<Element<'_>> {
    let (&tag, after) = input.split_first()?;
    let (&first, after) = after.split_first()?;
    let (length, body) = if first < 0x80 {
        (usize::from(first), after)
    } else {
        let digits = usize::from(first & 0x7f);
        if digits == 0 || digits > 4 || after.len() < digits {
            return None;
        }
        let length = after[..digits]
            .iter()
            .fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
        (length, &after[digits..])
    };
    if body.len() < length {
        return None;
    }
    let header = input.len() - body.len();
    Some(Element {
        tag,
        content: &body[..length],
        whole: &input[..header + length],
        rest: &body[length..],
    })
}

/// The SubjectPublicKeyInfo of an X.509 certificate, as it stands in it; `None` if it is none.
pub(crate) fn certificate_key(certificate: &[u8]) -> Option<&[u8]> {
    let outer = element(certificate).filter(|found| found.tag == SEQUENCE)?;
    let mut fields = element(outer.content)
        .filter(|found| found.tag == SEQUENCE)?
        .content;
    if element(fields)?.tag == EXPLICIT_VERSION {
        fields = element(fields)?.rest;
    }
    // serial number, signature algorithm, issuer, validity, subject
    for _ in 0..5 {
        fields = element(fields)?.rest;
    }
    element(fields)
        .filter(|found| found.tag == SEQUENCE)
        .map(|found| found.whole)
}

/// Modulus and exponent of an RSAPublicKey (RFC 8017), without leading zeros.
pub(crate) fn rsa_numbers(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let outer = element(key).filter(|found| found.tag == SEQUENCE)?;
    let modulus = element(outer.content).filter(|found| found.tag == INTEGER)?;
    let exponent = element(modulus.rest).filter(|found| found.tag == INTEGER)?;
    Some((
        without_zeros(modulus.content),
        without_zeros(exponent.content),
    ))
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// A certificate given as PEM or as bare base64, as DER.
pub(crate) fn certificate(text: &str) -> Option<Vec<u8>> {
    let base64: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .flat_map(str::chars)
        .filter(|letter| !letter.is_whitespace())
        .collect();
    let der = STANDARD.decode(base64).ok()?;
    certificate_key(&der).is_some().then_some(der)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_is_nothing() {
        assert!(certificate_key(&[]).is_none());
        assert!(certificate_key(&[0x30, 0x05, 0x30]).is_none());
        assert!(certificate_key(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).is_none());
        assert!(
            certificate("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----").is_none()
        );
    }

    #[test]
    fn numbers_lose_their_sign_byte() {
        let key = [
            0x30, 0x09, 0x02, 0x03, 0x00, 0x81, 0x02, 0x02, 0x02, 0x01, 0x03,
        ];
        assert_eq!(
            rsa_numbers(&key),
            Some((&[0x81, 0x02][..], &[0x01, 0x03][..]))
        );
    }
}
