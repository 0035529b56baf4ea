//! The identity platform's signing key, and the check of a client's certificate assertion.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{
        KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256,
        RsaParameters, UnparsedPublicKey,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::der;

/// Signs id_tokens and the validation tokens of rich notifications (RS256).
pub struct SigningKey {
    pair: KeyPair,
    kid: String,
    modulus: String,
    exponent: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// The one key of this process. It is made at first use: nothing that has to be the same for
    /// the same seed depends on its bytes, and no private key stands in the repository.
    pub fn shared() -> Arc<Self> {
        static KEY: OnceLock<Arc<SigningKey>> = OnceLock::new();
        Arc::clone(KEY.get_or_init(|| Arc::new(Self::generate())))
    }

    fn generate() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("the crypto library makes RSA keys");
        let (modulus, exponent) = der::rsa_numbers(pair.public_key().as_ref())
            .map(|(modulus, exponent)| {
                (
                    URL_SAFE_NO_PAD.encode(modulus),
                    URL_SAFE_NO_PAD.encode(exponent),
                )
            })
            .expect("the crypto library writes RSA keys as RFC 8017 says");
        // Out of the key itself: a client that cached another process's keys sees an unknown kid.
        let hash = digest::digest(&digest::SHA256, modulus.as_bytes());
        let kid = URL_SAFE_NO_PAD.encode(&hash.as_ref()[..20]);
        Self {
            pair,
            kid,
            modulus,
            exponent,
        }
    }

    /// The key's name in the JWKS.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// A JWT over `claims`.
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": self.kid});
        let text = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .expect("a 2048-bit key signs SHA-256");
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// What stands at `/discovery/v2.0/keys`.
    pub fn jwks(&self, issuer: &str) -> Value {
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid, "n": self.modulus, "e": self.exponent,
            "alg": "RS256", "issuer": issuer,
        }]})
    }
}

/// Why an assertion is not one (AADSTS700027 and its relatives).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfit(pub(crate) &'static str);

/// Checks a `private_key_jwt` against the certificates of an app (Graph reference 1.4).
///
/// `audiences` are the token addresses that may stand in `aud`; `now` is in seconds.
///
/// # Errors
/// [`Unfit`] with the reason; asking again with the same assertion changes nothing.
pub(crate) fn check_assertion(
    assertion: &str,
    client_id: &str,
    certificates: &[Vec<u8>],
    audiences: &[String],
    now: i64,
) -> Result<String, Unfit> {
    let mut parts = assertion.split('.');
    let (Some(head), Some(body), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Unfit("it is not a JWT"));
    };
    let header = part(head).ok_or(Unfit("its header cannot be read"))?;
    let claims = part(body).ok_or(Unfit("its claims cannot be read"))?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| Unfit("its signature cannot be read"))?;
    let algorithm: &'static RsaParameters = match header["alg"].as_str() {
        Some("PS256") => &RSA_PSS_2048_8192_SHA256,
        Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(Unfit("its algorithm is neither PS256 nor RS256")),
    };
    let certificate = certificates
        .iter()
        .find(|der| names(&header, der))
        .ok_or(Unfit(
            "the key was not found by the thumbprint in its header",
        ))?;
    let key = der::certificate_key(certificate).ok_or(Unfit("the certificate has no key"))?;
    UnparsedPublicKey::new(algorithm, key)
        .verify(format!("{head}.{body}").as_bytes(), &signature)
        .map_err(|_| Unfit("its signature does not fit"))?;
    if claims["iss"] != client_id || claims["sub"] != client_id {
        return Err(Unfit("iss and sub are not the client id"));
    }
    if !claims["aud"].as_str().is_some_and(|aud| {
        audiences
            .iter()
            .any(|known| known.eq_ignore_ascii_case(aud))
    }) {
        return Err(Unfit("aud is not this token address"));
    }
    // Five minutes are what the platform forgives a clock.
    let within = |name: &str, slack: i64| claims[name].as_i64().map(|time| time + slack);
    if within("exp", 300).is_none_or(|end| end < now) {
        return Err(Unfit("it is out of its time"));
    }
    if within("nbf", -300).is_some_and(|start| start > now) {
        return Err(Unfit("it is not valid yet"));
    }
    claims["jti"]
        .as_str()
        .map(str::to_owned)
        .ok_or(Unfit("it has no jti"))
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// Whether the header names this certificate: `x5t#S256`, or the older `x5t` (SHA-1).
fn names(header: &Value, certificate: &[u8]) -> bool {
    let fits = |name: &str, algorithm: &'static digest::Algorithm| {
        header[name].as_str().is_some_and(|thumbprint| {
            thumbprint.trim_end_matches('=')
                == URL_SAFE_NO_PAD.encode(digest::digest(algorithm, certificate).as_ref())
        })
    };
    fits("x5t#S256", &digest::SHA256) || fits("x5t", &digest::SHA1_FOR_LEGACY_USE_ONLY)
}
