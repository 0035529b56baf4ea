//! Notifications with content: encryption and validation tokens (Graph reference 4.5).

use aws_lc_rs::{
    cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey},
    digest, hmac,
    iv::FixedLength,
    rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::subscription::Subscription;
use crate::{
    microsoft::{der, draw},
    state::State,
};

/// The application that publishes change notifications.
pub(super) const PUBLISHER: &str = "0bf30f3b-4a52-48df-9a82-234910c4a086";

/// Content as it travels.
pub(super) struct Sealed {
    data: String,
    key: String,
    signature: String,
    thumbprint: String,
}

/// Seals content for the holder of a certificate: a fresh AES-256 key, CBC with the key's first
/// half as IV, HMAC-SHA256 over the ciphertext, the key by RSA-OAEP. `None`: no RSA key that fits.
pub(super) fn encrypt(
    certificate: &[u8],
    content: &[u8],
    rng: &mut fastrand::Rng,
) -> Option<Sealed> {
    let public = OaepPublicEncryptingKey::new(
        PublicEncryptingKey::from_der(der::certificate_key(certificate)?).ok()?,
    )
    .ok()?;
    let key = draw::bytes(rng, 32);
    let iv: [u8; 16] = key[..16].try_into().ok()?;
    let cipher =
        PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &key).ok()?).ok()?;
    let mut data = content.to_vec();
    cipher
        .less_safe_encrypt(&mut data, EncryptionContext::Iv128(FixedLength::from(iv)))
        .ok()?;
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &data);
    let mut sealed = vec![0; public.ciphertext_size()];
    let sealed = public
        .encrypt(&OAEP_SHA1_MGF1SHA1, &key, &mut sealed, None)
        .ok()?;
    let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate);
    Some(Sealed {
        data: STANDARD.encode(&data),
        key: STANDARD.encode(&*sealed),
        signature: STANDARD.encode(signature.as_ref()),
        thumbprint: thumbprint
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect(),
    })
}

impl Sealed {
    /// `encryptedContent`.
    pub(super) fn show(&self, certificate_id: &str) -> Value {
        json!({
            "data": self.data, "dataKey": self.key, "dataSignature": self.signature,
            "encryptionCertificateId": certificate_id, "encryptionCertificateThumbprint": self.thumbprint,
        })
    }
}

/// The JWT that proves who publishes: one per app and tenant.
pub(super) fn validation_token(state: &mut State, subscription: &Subscription) -> String {
    let now = state.now_ms() / 1000;
    let id = draw::guid(&mut state.rng);
    let identity = &state.microsoft;
    let mut claims = json!({
        "ver": "2.0", "iss": identity.issuer(&state.options.public_url), "tid": identity.tenant_id,
        "aud": subscription.client_id, "azp": PUBLISHER, "azpacr": "2", "sub": PUBLISHER, "uti": id,
        "iat": now, "nbf": now, "exp": now + 24 * 3600,
    });
    for (name, value) in &state.graph.switches.validation_claims {
        claims[name] = value.clone();
    }
    identity.key().sign(&claims)
}
