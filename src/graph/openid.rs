//! OpenID Connect with any issuer, for people who sign in to the page: authorization code with PKCE,
//! the id_token checked by [`super::id_token`]; tokens are dropped at once.

use std::sync::Arc;

use oauth2::{AuthorizationCode, PkceCodeVerifier, RedirectUrl};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use url::Url;

use super::id_token::Keys;
use crate::{
    clock::Clock,
    remote::{
        Error, Observer, Remote, Transport,
        oauth::{self, Carrier},
    },
};

/// What an issuer is set up with.
#[derive(Clone)]
pub struct Settings {
    /// As its discovery document names it.
    pub issuer: Url,
    /// The application.
    pub client_id: String,
    /// Its secret; a public application has none.
    pub client_secret: Option<SecretString>,
    /// What is asked for, separated by spaces.
    pub scope: String,
}

/// One issuer, for one application.
pub struct OpenId {
    settings: Settings,
    keys: Keys,
    carrier: Carrier,
}

/// What a browser is sent there with.
pub struct Ask<'a> {
    /// Single-use state.
    pub state: &'a str,
    /// Nonce of the id_token.
    pub nonce: &'a str,
    /// PKCE challenge (S256).
    pub challenge: &'a str,
    /// Exact redirect URI.
    pub redirect_uri: &'a str,
}

impl OpenId {
    /// The issuer over this transport.
    pub fn new(
        settings: Settings,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> OpenId {
        let mut discovery = settings.issuer.clone();
        let path = settings.issuer.path().trim_end_matches('/');
        discovery.set_path(&format!("{path}/.well-known/openid-configuration"));
        OpenId {
            keys: Keys::of_issuer(
                discovery,
                &settings.client_id,
                Arc::clone(&transport),
                Arc::clone(&clock),
                Arc::clone(&observer),
            ),
            carrier: Carrier {
                transport,
                clock,
                observer,
                remote: Remote::Login,
            },
            settings,
        }
    }

    /// Where the browser goes, and where the code is exchanged.
    async fn endpoints(&self) -> Result<(Url, Url), Error> {
        let found = self.keys.discovery().await?;
        let own = self.settings.issuer.as_str().trim_end_matches('/');
        if found.issuer.trim_end_matches('/') != own {
            let why = "login.issuer is not the issuer that its discovery document names";
            return Err(Error::Application(why.to_owned()));
        }
        found
            .authorization_endpoint
            .zip(found.token_endpoint)
            .ok_or_else(|| Error::Unusable("discovery".to_owned()))
    }

    /// Where the browser goes.
    ///
    /// # Errors
    /// The discovery document cannot be had ([`Error::Transient`]: safe to repeat) or is another
    /// issuer's ([`Error::Application`]).
    pub async fn authorize_url(&self, ask: &Ask<'_>) -> Result<Url, Error> {
        let (mut url, _) = self.endpoints().await?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("response_mode", "query")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", ask.redirect_uri)
            .append_pair("scope", &self.settings.scope)
            .append_pair("state", ask.state)
            .append_pair("nonce", ask.nonce)
            .append_pair("code_challenge", ask.challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Exchanges a code for the claims of its id_token.
    ///
    /// # Errors
    /// [`Error::ConsentNeeded`] for a bad, used or late code; [`Error::Rejected`] for an id_token that
    /// is not to be believed; [`Error::Application`] when an administrator must act. A code works once.
    pub async fn exchange(
        &self,
        code: &str,
        verifier: &SecretString,
        nonce: &str,
        redirect_uri: &str,
    ) -> Result<Map<String, Value>, Error> {
        let (authorize, token) = self.endpoints().await?;
        let secret = self.settings.client_secret.as_ref();
        let protocol = oauth::protocol(&self.settings.client_id, secret, &authorize, &token);
        let redirect = RedirectUrl::new(redirect_uri.to_owned())
            .map_err(|_| Error::Application("redirect_uri".to_owned()))?;
        let answer = protocol
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()))
            .set_redirect_uri(std::borrow::Cow::Owned(redirect))
            .request_async(&self.carrier)
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let refusal = oauth::refusal(error)?;
                let words = refusal.words();
                return Err(match refusal.error.as_str() {
                    "invalid_grant" | "access_denied" => Error::ConsentNeeded(words),
                    _ => Error::Application(words),
                });
            }
        };
        let id_token = answer.extra_fields().id_token.as_deref();
        let id_token = id_token.ok_or_else(|| Error::Unusable("token: no id_token".to_owned()))?;
        self.keys.claims_of(id_token, nonce).await
    }
}
