//! OAuth at Microsoft: authorize with PKCE, exchange, refresh.
//!
//! The id_token is checked in [`super::id_token`].

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use aws_lc_rs::digest;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use oauth2::{
    AuthorizationCode, CsrfToken, PkceCodeVerifier, RedirectUrl, RefreshToken, Scope,
    TokenResponse as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use url::Url;

use super::{Authorize, Identity, Issued, SignIn, id_token::Keys};
use crate::{
    clock::Clock,
    random::{self, Random},
    remote::{
        Error, Observer, Remote, Transport,
        oauth::{self, Carrier, Refusal},
    },
};

/// What a user is asked for: sign-in, a refresh token, who they are, and their contacts.
const SCOPES: [&str; 5] = [
    "openid",
    "profile",
    "offline_access",
    "User.Read",
    "Contacts.ReadWrite",
];

/// What somebody is asked for who only says who they are.
const IDENTITY_SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// How long a client assertion lives (Graph reference 1.4).
const ASSERTION_SECS: i64 = 10 * 60;

/// Access tokens live 60 to 90 minutes; taken where an answer does not say (Graph reference 1.2).
const LIFETIME_SECS: u64 = 3600;

/// How the application proves itself.
#[derive(Clone)]
pub enum Credential {
    /// By a client secret.
    Secret(SecretString),
    /// By a certificate's key.
    Certificate(Certificate),
}

/// A certificate's thumbprint and its key.
#[derive(Clone)]
pub struct Certificate {
    thumbprint: String,
    key: EncodingKey,
}

/// A certificate or key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// No certificate in PEM.
    #[error("the certificate file holds no certificate in PEM")]
    Certificate,
    /// No RSA key in PEM.
    #[error("the private key file holds no RSA key in PEM")]
    Key,
}

impl Certificate {
    /// Takes a certificate and its RSA key, both in PEM.
    ///
    /// # Errors
    /// When one of them is none.
    pub fn from_pem(certificate: &str, key: &SecretString) -> Result<Certificate, BadCertificate> {
        let der = certificate
            .split_once("-----BEGIN CERTIFICATE-----")
            .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE-----"))
            .map(|(text, _)| text.split_whitespace().collect::<String>())
            .and_then(|text| STANDARD.decode(text).ok())
            .filter(|der| !der.is_empty())
            .ok_or(BadCertificate::Certificate)?;
        Ok(Certificate {
            thumbprint: URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &der)),
            key: EncodingKey::from_rsa_pem(key.expose_secret().as_bytes())
                .map_err(|_| BadCertificate::Key)?,
        })
    }
}

/// What the platform is set up with.
#[derive(Clone)]
pub struct Settings {
    /// The sign-in's origin.
    pub login_url: Url,
    /// One tenant: a GUID or a domain.
    pub tenant: String,
    /// The application.
    pub client_id: String,
    /// How it proves itself.
    pub credential: Credential,
}

/// The tenant is no single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tenant must be a GUID or a domain, not common, organizations or consumers")]
pub struct BadTenant;

/// The Microsoft identity platform for one application in one tenant.
pub struct Platform {
    settings: Settings,
    protocol: oauth::Protocol,
    token_url: Url,
    carrier: Carrier,
    random: Arc<dyn Random>,
    pub(super) keys: Keys,
}

impl Platform {
    /// The platform under `login_url`.
    ///
    /// # Errors
    /// When the tenant is no single one.
    pub fn new(
        settings: Settings,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        observer: Arc<dyn Observer>,
    ) -> Result<Platform, BadTenant> {
        let many = ["common", "organizations", "consumers"];
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let tenant = settings.tenant.to_ascii_lowercase();
        if tenant.is_empty() || many.contains(&tenant.as_str()) || !tenant.chars().all(plain) {
            return Err(BadTenant);
        }
        let under = |path: &str| {
            let mut url = settings.login_url.clone();
            url.set_path(&format!("/{tenant}{path}"));
            url
        };
        let token_url = under("/oauth2/v2.0/token");
        let secret = match &settings.credential {
            Credential::Secret(secret) => Some(secret),
            Credential::Certificate(_) => None,
        };
        Ok(Platform {
            protocol: oauth::protocol(
                &settings.client_id,
                secret,
                &under("/oauth2/v2.0/authorize"),
                &token_url,
            ),
            keys: Keys::new(
                under("/v2.0/.well-known/openid-configuration"),
                &tenant,
                &settings.client_id,
                Arc::clone(&transport),
                Arc::clone(&clock),
                Arc::clone(&observer),
            ),
            carrier: Carrier {
                transport,
                clock,
                observer,
                remote: Remote::MicrosoftSignIn,
            },
            settings,
            token_url,
            random,
        })
    }

    /// The members that a request is signed with; none where a secret does it.
    fn proof(&self) -> Result<Vec<(&'static str, String)>, Error> {
        let Credential::Certificate(certificate) = &self.settings.credential else {
            return Ok(Vec::new());
        };
        let now_ms = self.carrier.clock.now_ms();
        let now = now_ms / 1000;
        let mut header = Header::new(Algorithm::PS256);
        header.x5t_s256 = Some(certificate.thumbprint.clone());
        let claims = json!({
            "aud": self.token_url.as_str(),
            "iss": self.settings.client_id,
            "sub": self.settings.client_id,
            "jti": random::uuid(self.random.as_ref(), now_ms).to_string(),
            "nbf": now,
            "iat": now,
            "exp": now + ASSERTION_SECS,
        });
        let assertion = jsonwebtoken::encode(&header, &claims, &certificate.key)
            .map_err(|_| Error::Application("the private key cannot sign".to_owned()))?;
        Ok(vec![
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
            ),
            ("client_assertion", assertion),
        ])
    }
}

/// What a refusal asks for (Graph reference 1.5); the numbers are for people alone.
fn meaning(refusal: &Refusal) -> Error {
    let words = refusal.words();
    match refusal.error.as_str() {
        "invalid_grant"
        | "interaction_required"
        | "consent_required"
        | "login_required"
        | "access_denied" => Error::ConsentNeeded(words),
        "temporarily_unavailable" | "server_error" => Error::Transient(words),
        _ => Error::Application(words),
    }
}

fn redirect(uri: &str) -> Result<Cow<'static, RedirectUrl>, Error> {
    RedirectUrl::new(uri.to_owned())
        .map(Cow::Owned)
        .map_err(|_| Error::Application("redirect_uri".to_owned()))
}

fn issued(answer: &oauth::Answer) -> Issued {
    Issued {
        access: answer.access_token().secret().as_str().into(),
        refresh: answer
            .refresh_token()
            .map(|token| token.secret().as_str().into()),
        expires_in: answer.expires_in().map_or(LIFETIME_SECS, |d| d.as_secs()),
    }
}

#[async_trait]
impl SignIn for Platform {
    fn authorize_url(&self, authorize: &Authorize<'_>) -> Result<Url, Error> {
        let scopes = match authorize.identity_only {
            true => IDENTITY_SCOPES.iter(),
            false => SCOPES.iter(),
        };
        let mut request = self
            .protocol
            .authorize_url(|| CsrfToken::new(authorize.state.to_owned()))
            .add_scopes(scopes.map(|scope| Scope::new((*scope).to_owned())))
            .set_redirect_uri(redirect(authorize.redirect_uri)?)
            .add_extra_param("response_mode", "query")
            .add_extra_param("nonce", authorize.nonce)
            .add_extra_param("code_challenge", authorize.challenge)
            .add_extra_param("code_challenge_method", "S256");
        if let Some(prompt) = authorize.prompt {
            request = request.add_extra_param("prompt", prompt);
        }
        // The two exclude each other (Graph reference 1.2).
        let hint = authorize
            .login_hint
            .filter(|_| authorize.prompt != Some("select_account"));
        if let Some(hint) = hint {
            request = request.add_extra_param("login_hint", hint);
        }
        Ok(request.url().0)
    }

    async fn exchange(
        &self,
        code: &str,
        verifier: &SecretString,
        nonce: &str,
        redirect_uri: &str,
    ) -> Result<(Issued, Identity), Error> {
        let mut request = self
            .protocol
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()))
            .set_redirect_uri(redirect(redirect_uri)?);
        for (name, value) in self.proof()? {
            request = request.add_extra_param(name, value);
        }
        let answer = match request.request_async(&self.carrier).await {
            Ok(answer) => answer,
            Err(error) => return Err(meaning(&oauth::refusal(error)?)),
        };
        let id_token = answer.extra_fields().id_token.as_deref();
        let id_token = id_token.ok_or_else(|| Error::Unusable("token: no id_token".to_owned()))?;
        let identity = self.keys.identity(id_token, nonce).await?;
        Ok((issued(&answer), identity))
    }

    async fn refresh(&self, refresh: &SecretString) -> Result<Issued, Error> {
        let refresh = RefreshToken::new(refresh.expose_secret().to_owned());
        let mut request = self.protocol.exchange_refresh_token(&refresh);
        for (name, value) in self.proof()? {
            request = request.add_extra_param(name, value);
        }
        match request.request_async(&self.carrier).await {
            Ok(answer) => Ok(issued(&answer)),
            Err(error) => Err(meaning(&oauth::refusal(error)?)),
        }
    }
}

/// The PKCE challenge (S256) of a verifier.
pub fn challenge(verifier: &SecretString) -> String {
    let hash = digest::digest(&digest::SHA256, verifier.expose_secret().as_bytes());
    URL_SAFE_NO_PAD.encode(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: &str) -> Error {
        meaning(&Refusal {
            error: error.to_owned(),
            number: Some("AADSTS70008".to_owned()),
        })
    }

    #[test]
    fn refusals_say_who_must_act() {
        for error in [
            "invalid_grant",
            "interaction_required",
            "consent_required",
            "login_required",
        ] {
            let words = format!("{error} (AADSTS70008)");
            assert_eq!(told(error), Error::ConsentNeeded(words));
        }
        for error in [
            "invalid_client",
            "unauthorized_client",
            "invalid_scope",
            "other",
        ] {
            assert!(matches!(told(error), Error::Application(_)), "{error}");
        }
        for error in ["temporarily_unavailable", "server_error"] {
            assert!(matches!(told(error), Error::Transient(_)), "{error}");
        }
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        assert_eq!(
            challenge(&"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into()),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn a_certificate_needs_both_parts() {
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(
            Certificate::from_pem("", &"".into()).err(),
            Some(BadCertificate::Certificate)
        );
        assert_eq!(
            Certificate::from_pem(pem, &"x".into()).err(),
            Some(BadCertificate::Key)
        );
    }
}
