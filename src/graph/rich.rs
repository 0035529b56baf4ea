//! Content of rich notifications: the certificate that it is sealed for, and its opening (Graph
//! reference 4.5; pure but for the making of a key).
//!
//! A content that does not open says nothing: whoever asked goes on with the notification as the plain
//! hint that it also is.

use aws_lc_rs::{
    cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der},
    hmac,
    iv::FixedLength,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey},
    signature::RSA_PKCS1_SHA256,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretSlice};
use serde_json::Value;

use crate::remote::json;

/// Most bytes of a content's base64. A contact with every mapped field filled has some kilobytes.
const MAX_DATA: usize = 256 << 10;
/// Most bytes of the base64 of a wrapped key or a signature: RSA-4096 makes 684.
const MAX_SHORT: usize = 1024;
/// The only length of a content's key, in bytes: AES-256.
const KEY: usize = 32;
/// The first bytes of the key are the IV.
const IV: usize = 16;

/// Why a content was not opened. Repeating it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A member is missing, too long or no base64, or what was sealed is no JSON of a usable form.
    #[error("the content is not of the documented form")]
    Form,
    /// Its key was not wrapped for this certificate.
    #[error("the content's key does not open with this certificate")]
    Key,
    /// Its signature is not the key's.
    #[error("the content's signature does not fit")]
    Signature,
    /// It is signed, but no ciphertext of its key.
    #[error("the content does not decrypt")]
    Cipher,
}

impl Refusal {
    /// As it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Form => "form",
            Refusal::Key => "key",
            Refusal::Signature => "signature",
            Refusal::Cipher => "cipher",
        }
    }
}

/// `encryptedContent` as it arrives, nothing of it believed yet.
#[derive(Clone)]
pub struct Encrypted {
    /// Ciphertext, base64.
    data: String,
    /// The key, wrapped for the certificate, base64.
    data_key: String,
    /// HMAC-SHA256 of the ciphertext under the key, base64.
    data_signature: String,
    /// Which certificate, by the id that was given at subscription.
    pub certificate_id: String,
}

impl Encrypted {
    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        self.data.len()
            + self.data_key.len()
            + self.data_signature.len()
            + self.certificate_id.len()
    }

    /// Reads the member; `None` where it is not of the documented form.
    pub fn of(row: &Value) -> Option<Encrypted> {
        let member = |name: &str, most: usize| {
            let text = row.get(name).and_then(Value::as_str)?;
            (!text.is_empty() && text.len() <= most).then(|| text.to_owned())
        };
        Some(Encrypted {
            data: member("data", MAX_DATA)?,
            data_key: member("dataKey", MAX_SHORT)?,
            data_signature: member("dataSignature", MAX_SHORT)?,
            certificate_id: member("encryptionCertificateId", 128)?,
        })
    }
}

/// No key could be made or read: the system's cryptography failed, or what was kept is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of notifications cannot be used; let the service make another")]
pub struct BadKey;

/// A fresh certificate with its private key.
pub struct Fresh {
    /// X.509, DER: what Graph is given, as base64.
    pub certificate: Vec<u8>,
    /// PKCS#8, DER.
    pub private_key: SecretSlice<u8>,
}

/// Makes a self-signed certificate with an RSA key of 2048 bits, which is enough for a key that lives
/// for months and wraps values that are a minute old. Takes some tenths of a second of one core.
///
/// # Errors
/// The system's cryptography failed; safe to repeat.
pub fn make(from_ms: i64, until_ms: i64, serial: [u8; 16]) -> Result<Fresh, BadKey> {
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| BadKey)?;
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| BadKey)?;
    let certificate = x509::certificate(&pair, from_ms, until_ms, serial).ok_or(BadKey)?;
    Ok(Fresh {
        certificate,
        private_key: SecretSlice::from(private.as_ref().to_vec()),
    })
}

/// The private half, ready to open.
pub struct Opener(OaepPrivateDecryptingKey);

impl Opener {
    /// From PKCS#8.
    ///
    /// # Errors
    /// It is no RSA key of 2048 to 4096 bits.
    pub fn new(private_key: &SecretSlice<u8>) -> Result<Opener, BadKey> {
        let key = PrivateDecryptingKey::from_pkcs8(private_key.expose_secret());
        let key = key.map_err(|_| BadKey)?;
        if !(256..=512).contains(&key.key_size_bytes()) {
            return Err(BadKey);
        }
        OaepPrivateDecryptingKey::new(key)
            .map(Opener)
            .map_err(|_| BadKey)
    }

    /// Opens a content: unwraps its key, checks the signature over the whole ciphertext in constant
    /// time, and only then decrypts. Answers JSON of limited depth.
    ///
    /// # Errors
    /// It says nothing, for the reason named.
    pub fn open(&self, content: &Encrypted) -> Result<Value, Refusal> {
        let bytes = |text: &str| STANDARD.decode(text).map_err(|_| Refusal::Form);
        let mut data = bytes(&content.data)?;
        let wrapped = bytes(&content.data_key)?;
        let signature = bytes(&content.data_signature)?;
        let mut room = vec![0; self.0.min_output_size()];
        let key = self
            .0
            .decrypt(&OAEP_SHA1_MGF1SHA1, &wrapped, &mut room, None);
        let key: [u8; KEY] = key
            .ok()
            .and_then(|key| (&*key).try_into().ok())
            .ok_or(Refusal::Key)?;
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), &data, &signature)
            .map_err(|_| Refusal::Signature)?;
        let (iv, _) = key.split_first_chunk::<IV>().ok_or(Refusal::Key)?;
        let plain = UnboundCipherKey::new(&AES_256, &key)
            .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
            .and_then(|cipher| {
                let context = DecryptionContext::Iv128(FixedLength::from(*iv));
                cipher.decrypt(&mut data, context).map(|plain| &*plain)
            })
            .map_err(|_| Refusal::Cipher)?;
        json::parse(plain, json::MAX_DEPTH).map_err(|_| Refusal::Form)
    }
}

/// As much of X.509 as a self-signed certificate of one form takes.
mod x509 {
    use super::{KeyPair, PublicKeyX509Der, RSA_PKCS1_SHA256, SystemRandom};
    use aws_lc_rs::{encoding::AsDer as _, signature::KeyPair as _};

    /// sha256WithRSAEncryption with its NULL.
    const ALGORITHM: &[u8] = &[
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00,
    ];
    /// commonName
    const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];
    const NAME: &[u8] = b"tribelink notifications";
    const SEQUENCE: u8 = 0x30;
    const SET: u8 = 0x31;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let mut out = vec![tag];
        let length = content.len().to_be_bytes();
        match u8::try_from(content.len()) {
            Ok(short) if short < 0x80 => out.push(short),
            _ => {
                let zeros = length.iter().take_while(|byte| **byte == 0).count();
                out.push(0x80 | (length.len() - zeros) as u8);
                out.extend(length.iter().skip(zeros));
            }
        }
        out.extend(content);
        out
    }

    /// GeneralizedTime, which holds any year.
    fn time(ms: i64) -> Option<Vec<u8>> {
        let at = jiff::Timestamp::from_millisecond(ms).ok()?;
        Some(der(
            0x18,
            &[at.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes()],
        ))
    }

    /// The certificate; `None` where a time is none or signing fails.
    pub(super) fn certificate(
        pair: &KeyPair,
        from_ms: i64,
        until_ms: i64,
        mut serial: [u8; 16],
    ) -> Option<Vec<u8>> {
        // Positive, and in its shortest form.
        serial[0] = serial[0] & 0x7f | 0x40;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
        let attribute = der(SEQUENCE, &[COMMON_NAME, &der(0x0c, &[NAME])]);
        let name = der(SEQUENCE, &[&der(SET, &[&attribute])]);
        let validity = der(SEQUENCE, &[&time(from_ms)?, &time(until_ms)?]);
        let body = der(
            SEQUENCE,
            &[
                &[0xa0, 0x03, 0x02, 0x01, 0x02],
                &der(0x02, &[&serial]),
                ALGORITHM,
                &name,
                &validity,
                &name,
                public.as_ref(),
            ],
        );
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            &body,
            &mut signature,
        )
        .ok()?;
        let signature = der(0x03, &[&[0], &signature]);
        Some(der(SEQUENCE, &[&body, ALGORITHM, &signature]))
    }
}

#[cfg(test)]
#[path = "rich_tests.rs"]
mod tests;
