//! OAuth at Tribe: an application's own token, a person's tokens, and who keeps them.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use oauth2::{
    AuthorizationCode as Code, CsrfToken, RedirectUrl, RefreshToken, Scope, TokenResponse as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use url::Url;

use crate::{
    clock::Clock,
    digest::same_secret,
    remote::{
        Error, Observer, Remote, Transport,
        oauth::{self, Carrier, Refusal},
    },
};

/// Taken where an answer names no lifetime (Tribe reference 2.4).
const LIFETIME_SECS: u64 = 3600;

/// How long before its end a token is renewed (Tribe reference 2.4).
const EARLY_MS: i64 = 60_000;

/// Tokens as Tribe issued them.
#[derive(Clone)]
pub struct Tokens {
    /// Access token.
    pub access: SecretString,
    /// Refresh token; each may be used once (Tribe reference 2.4).
    pub refresh: Option<SecretString>,
    /// When the access token ends, in milliseconds since the epoch.
    pub expires_ms: i64,
}

impl Tokens {
    fn is_fresh(&self, now_ms: i64) -> bool {
        self.expires_ms - now_ms > EARLY_MS
    }
}

/// Whose token the client uses. Renews it before it ends; one renewal at a time.
///
/// # Errors
/// [`Error::ConsentNeeded`] where a person must sign in again, [`Error::Application`] where an
/// administrator must act, else failures that pass.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// A token that should be accepted.
    async fn token(&self) -> Result<SecretString, Error>;

    /// Another token than this one, which the API refused.
    async fn renew(&self, refused: &SecretString) -> Result<SecretString, Error>;
}

/// Keeps a connection's tokens where they outlive the process.
///
/// Tribe kills a refresh token by its use, so the new pair must be kept before it is used. Only one
/// replica may refresh a connection at a time: the environment's lease sees to that.
#[async_trait]
pub trait SaveTokens: Send + Sync {
    /// The newest kept pair.
    async fn load(&self) -> Result<Option<Tokens>, Error>;

    /// Keeps a pair; when this returns, it is durable.
    async fn save(&self, tokens: &Tokens) -> Result<(), Error>;
}

/// What a token request was for: the same refusal means different things.
#[derive(Clone, Copy)]
enum Grant {
    Code,
    Refresh,
    Client,
}

/// An application registered at Tribe.
pub struct Application {
    protocol: oauth::Protocol,
    carrier: Carrier,
    scopes: Vec<Scope>,
}

impl Application {
    /// An application at the sign-in under this origin, asking for these scopes (between spaces).
    pub fn new(
        auth_url: &Url,
        client_id: &str,
        client_secret: &SecretString,
        scope: &str,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Application {
        let under = |path| {
            let mut url = auth_url.clone();
            url.set_path(path);
            url
        };
        Application {
            protocol: oauth::protocol(
                client_id,
                Some(client_secret),
                &under("/oauth2/auth"),
                &under("/oauth2/token"),
            ),
            carrier: Carrier {
                transport,
                clock,
                observer,
                remote: Remote::TribeSignIn,
            },
            scopes: scope
                .split_whitespace()
                .map(|scope| Scope::new(scope.to_owned()))
                .collect(),
        }
    }

    /// Where to send the browser.
    ///
    /// # Errors
    /// With a state of fewer than 8 characters, which Tribe refuses (Tribe reference 2.1), or an
    /// unusable redirect URI.
    pub fn authorize_url(&self, state: &str, redirect_uri: &str) -> Result<Url, Error> {
        if state.len() < 8 {
            return Err(Error::Application("state is too short".to_owned()));
        }
        let (url, _) = self
            .protocol
            .authorize_url(|| CsrfToken::new(state.to_owned()))
            .add_scopes(self.scopes.iter().cloned())
            .set_redirect_uri(redirect(redirect_uri)?)
            .url();
        Ok(url)
    }

    /// Exchanges a code.
    ///
    /// # Errors
    /// [`Error::ConsentNeeded`] for a bad, used or late code.
    pub async fn exchange(&self, code: &str, redirect_uri: &str) -> Result<Tokens, Error> {
        let answer = self
            .protocol
            .exchange_code(Code::new(code.to_owned()))
            .set_redirect_uri(redirect(redirect_uri)?)
            .request_async(&self.carrier)
            .await;
        self.tokens(Grant::Code, answer)
    }

    /// Refreshes; the old refresh token is dead afterwards, whether or not the answer arrives.
    ///
    /// # Errors
    /// [`Error::ConsentNeeded`] for a used or expired token.
    pub async fn refresh(&self, refresh: &SecretString) -> Result<Tokens, Error> {
        let refresh = RefreshToken::new(refresh.expose_secret().to_owned());
        let answer = self
            .protocol
            .exchange_refresh_token(&refresh)
            .request_async(&self.carrier)
            .await;
        self.tokens(Grant::Refresh, answer)
    }

    /// The application's own token.
    ///
    /// # Errors
    /// [`Error::Application`] where it is refused.
    pub async fn client_credentials(&self) -> Result<Tokens, Error> {
        let answer = self
            .protocol
            .exchange_client_credentials()
            .add_scopes(self.scopes.iter().cloned())
            .request_async(&self.carrier)
            .await;
        self.tokens(Grant::Client, answer)
    }

    fn now_ms(&self) -> i64 {
        self.carrier.clock.now_ms()
    }

    fn tokens(
        &self,
        grant: Grant,
        answer: Result<oauth::Answer, TokenError>,
    ) -> Result<Tokens, Error> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Err(meaning(grant, &oauth::refusal(error)?)),
        };
        let lifetime = answer.expires_in().map_or(LIFETIME_SECS, |d| d.as_secs());
        let lifetime_ms = i64::try_from(lifetime.saturating_mul(1000)).unwrap_or(i64::MAX);
        Ok(Tokens {
            access: answer.access_token().secret().as_str().into(),
            refresh: answer
                .refresh_token()
                .map(|token| token.secret().as_str().into()),
            expires_ms: self.now_ms().saturating_add(lifetime_ms),
        })
    }
}

type TokenError = oauth2::RequestTokenError<
    Error,
    oauth2::StandardErrorResponse<oauth2::basic::BasicErrorResponseType>,
>;

fn redirect(uri: &str) -> Result<Cow<'static, RedirectUrl>, Error> {
    RedirectUrl::new(uri.to_owned())
        .map(Cow::Owned)
        .map_err(|_| Error::Application("redirect_uri".to_owned()))
}

/// What a refusal asks for (Tribe reference 2.6): an expired refresh token is `invalid_request`
/// there, and a grant's own `invalid_grant` is the application's fault where no person took part.
fn meaning(grant: Grant, refusal: &Refusal) -> Error {
    match (refusal.error.as_str(), grant) {
        ("temporarily_unavailable" | "server_error", _) => Error::Transient(refusal.words()),
        ("invalid_grant" | "access_denied", Grant::Code | Grant::Refresh)
        | ("invalid_request", Grant::Refresh) => Error::ConsentNeeded(refusal.words()),
        _ => Error::Application(refusal.words()),
    }
}

/// The application's own token (`client_credentials`), kept in memory.
pub struct ClientCredentials {
    application: Application,
    held: Mutex<Option<Tokens>>,
}

impl ClientCredentials {
    /// Takes a token when the first is needed.
    pub fn new(application: Application) -> ClientCredentials {
        ClientCredentials {
            application,
            held: Mutex::new(None),
        }
    }
}

#[async_trait]
impl TokenSource for ClientCredentials {
    async fn token(&self) -> Result<SecretString, Error> {
        let mut held = self.held.lock().await;
        let now = self.application.now_ms();
        if let Some(tokens) = held.as_ref().filter(|tokens| tokens.is_fresh(now)) {
            return Ok(tokens.access.clone());
        }
        let tokens = self.application.client_credentials().await?;
        Ok(held.insert(tokens).access.clone())
    }

    async fn renew(&self, refused: &SecretString) -> Result<SecretString, Error> {
        {
            let mut held = self.held.lock().await;
            held.take_if(|tokens| same_secret(&tokens.access, refused));
        }
        self.token().await
    }
}

/// A person's tokens (`authorization_code`), kept by the caller's store.
pub struct AuthorizationCode {
    application: Application,
    keep: Arc<dyn SaveTokens>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    tokens: Option<Tokens>,
    /// A pair that Tribe issued and the store has not taken yet. The old pair is dead, so this one
    /// must not be lost; nor may it be used before it is kept.
    unsaved: Option<Tokens>,
}

impl AuthorizationCode {
    /// Loads the kept pair when the first token is needed.
    pub fn new(application: Application, keep: Arc<dyn SaveTokens>) -> AuthorizationCode {
        AuthorizationCode {
            application,
            keep,
            held: Mutex::default(),
        }
    }

    /// The kept pair, or none where nobody has signed in.
    async fn current(&self, held: &mut Held) -> Result<Tokens, Error> {
        if let Some(unsaved) = held.unsaved.as_ref() {
            self.keep.save(unsaved).await?;
            held.tokens = held.unsaved.take();
        }
        if held.tokens.is_none() {
            held.tokens = self.keep.load().await?;
        }
        held.tokens.clone().ok_or_else(not_connected)
    }

    async fn refreshed(&self, held: &mut Held, old: Tokens) -> Result<SecretString, Error> {
        if let Some(access) = self.taken_over(held, &old).await? {
            return Ok(access);
        }
        let refresh = old.refresh.as_ref().ok_or_else(not_connected)?;
        let new = match self.application.refresh(refresh).await {
            Ok(new) => new,
            // Another replica, or a sign-in, may have been quicker: its pair counts.
            Err(Error::ConsentNeeded(why)) => {
                let newer = self.taken_over(held, &old).await?;
                return newer.ok_or(Error::ConsentNeeded(why));
            }
            Err(error) => return Err(error),
        };
        held.unsaved = Some(Tokens {
            refresh: new.refresh.clone().or(old.refresh),
            ..new
        });
        Ok(self.current(held).await?.access)
    }

    /// The access token of a newer pair that somebody else kept meanwhile.
    async fn taken_over(
        &self,
        held: &mut Held,
        old: &Tokens,
    ) -> Result<Option<SecretString>, Error> {
        let Some(kept) = self.keep.load().await? else {
            return Ok(None);
        };
        if same_secret(&kept.access, &old.access) || !kept.is_fresh(self.application.now_ms()) {
            return Ok(None);
        }
        Ok(Some(held.tokens.insert(kept).access.clone()))
    }
}

#[async_trait]
impl TokenSource for AuthorizationCode {
    async fn token(&self) -> Result<SecretString, Error> {
        let mut held = self.held.lock().await;
        let tokens = self.current(&mut held).await?;
        if tokens.is_fresh(self.application.now_ms()) {
            return Ok(tokens.access);
        }
        self.refreshed(&mut held, tokens).await
    }

    async fn renew(&self, refused: &SecretString) -> Result<SecretString, Error> {
        let mut held = self.held.lock().await;
        let tokens = self.current(&mut held).await?;
        if !same_secret(&tokens.access, refused) {
            return Ok(tokens.access);
        }
        self.refreshed(&mut held, tokens).await
    }
}

/// One access token that nobody renews: an employee's, to ask who signed in.
pub struct OneToken(pub SecretString);

#[async_trait]
impl TokenSource for OneToken {
    async fn token(&self) -> Result<SecretString, Error> {
        Ok(self.0.clone())
    }

    async fn renew(&self, _refused: &SecretString) -> Result<SecretString, Error> {
        Err(Error::ConsentNeeded("the token was refused".to_owned()))
    }
}

/// An employee's own sign-in at Tribe: an authorization-code application of its own.
pub struct EmployeeSignIn {
    application: Application,
    client: super::client::Client,
}

impl EmployeeSignIn {
    /// The application that employees sign in to, and the environment's client, whose cap on calls
    /// it shares.
    pub fn new(application: Application, client: super::client::Client) -> EmployeeSignIn {
        EmployeeSignIn {
            application,
            client,
        }
    }

    /// Where to send the browser.
    ///
    /// # Errors
    /// As [`Application::authorize_url`].
    pub fn authorize_url(&self, state: &str, redirect_uri: &str) -> Result<Url, Error> {
        self.application.authorize_url(state, redirect_uri)
    }

    /// Exchanges a code and asks whose it is; the token is dropped afterwards.
    ///
    /// # Errors
    /// As [`Application::exchange`] and the client's reads.
    pub async fn exchange(&self, code: &str, redirect_uri: &str) -> Result<super::Employee, Error> {
        let tokens = self.application.exchange(code, redirect_uri).await?;
        let theirs = self.client.with_tokens(Arc::new(OneToken(tokens.access)));
        theirs.current_employee().await
    }
}

fn not_connected() -> Error {
    Error::ConsentNeeded("not connected".to_owned())
}
