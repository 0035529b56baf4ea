//! The sign-in at Microsoft: from the opened link to saved tokens.
//!
//! It is bound to the browser that opened the link ([`super::browser`]). The code is exchanged with
//! PKCE (S256), the id_token's nonce is ours, and nothing is saved before `/me` proved to be the
//! employee's own mailbox.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use tribelink_plan::ids::{EnvironmentId, UserId};
use url::Url;

use super::{
    Activation, Command, Error, Look,
    browser::{Begun, Returned, Stray},
    consent_alert,
    mailbox::{self, Expected, Misfit},
    transition,
};
use crate::{
    crash,
    graph::{Authorize, Call, Identity, Issued, Me},
    random, remote,
    sealed::{Proof, sha256, user_row},
    store::{Alert, Change, Purpose, Source, Tokens, User, UserState},
    vault::column,
};

/// The path that Microsoft sends the browser back to.
pub const CALLBACK: &str = "/oauth/microsoft/callback";

/// The key of the alert that Microsoft refuses the application itself.
pub const APPLICATION_ALERT: &str = "microsoft_application";

/// A sign-in that succeeded.
pub struct Consented {
    /// Whose.
    pub user: UserId,
    /// Its state now.
    pub state: UserState,
    /// The page to go to.
    pub return_to: Option<String>,
}

/// Why a sign-in did not succeed. The user's state stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The link is unknown, expired, or belongs to a sign-in that succeeded.
    #[error("this consent link is not valid any more")]
    Link,
    /// The state is unknown, used or expired.
    #[error("this sign-in is not valid any more")]
    State,
    /// The cookie of the browser that opened the link is missing or another.
    #[error("the sign-in came back without the cookie it began with")]
    OtherBrowser,
    /// The person declined, or may not consent.
    #[error("the access was not granted")]
    Declined,
    /// Granted, but without what is needed to go on.
    #[error("not all of the rights were granted")]
    Rights,
    /// Not the employee's mailbox, or not the account of before.
    #[error("the mailbox is not the employee's own")]
    Misfit(Misfit),
    /// The user is in no state for it, or the employee left.
    #[error("the user cannot be connected: {0}")]
    Refused(transition::Refusal),
    /// Microsoft refuses the application: an administrator must act.
    #[error("the application is refused at Microsoft")]
    Application,
    /// Something failed for the moment; open the link again.
    #[error("the sign-in could not be finished for the moment")]
    Passing,
}

impl From<Stray> for Failure {
    fn from(stray: Stray) -> Failure {
        match stray {
            Stray::State => Failure::State,
            Stray::OtherBrowser => Failure::OtherBrowser,
            Stray::Error(error) => error.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::Refused(refusal) => Failure::Refused(refusal),
            Error::Remote(error) => Failure::from(error),
            Error::NotFound(_) => Failure::Link,
            error => {
                tracing::error!(%error, "a sign-in could not be finished");
                Failure::Passing
            }
        }
    }
}

impl From<remote::Error> for Failure {
    fn from(error: remote::Error) -> Failure {
        match error {
            remote::Error::ConsentNeeded(_) => Failure::Declined,
            remote::Error::Forbidden(_) => Failure::Rights,
            remote::Error::Application(_) => Failure::Application,
            error => {
                tracing::warn!(%error, "a sign-in could not be finished");
                Failure::Passing
            }
        }
    }
}

impl Activation {
    /// Opens a consent link: begins a sign-in in this browser. The link stays valid until a sign-in
    /// succeeds, so that a mail scanner that opens it first spoils nothing.
    ///
    /// # Errors
    /// See [`Failure`]; [`Failure::Passing`] is safe to repeat.
    pub async fn open_link(&self, token: &str) -> Result<Begun, Failure> {
        let link = self.link(token).await?.ok_or(Failure::Link)?;
        let Purpose::Invite(user) = link.purpose else {
            return Err(Failure::Link);
        };
        let user = self.user(user).await?;
        transition::step(user.state, user.resume_state, Command::Invite)
            .map_err(Failure::Refused)?;

        let secret = || random::token(self.random.as_ref());
        let state = secret();
        let proof = Proof {
            verifier: secret(),
            nonce: secret(),
            ..Proof::default()
        };
        let authorize = self.authorize_url(&state, &proof, link.proof.login_hint.as_deref())?;
        let purpose = Purpose::Consent(user.id);
        let cookie = self.bind(&state, purpose, proof, Some(token)).await?;
        Ok(Begun { authorize, cookie })
    }

    /// Finishes a sign-in.
    ///
    /// # Errors
    /// See [`Failure`]: nothing was saved; the link can be opened again.
    pub async fn finish(
        &self,
        returned: Returned,
        cookies: &[(String, String)],
    ) -> Result<Consented, Failure> {
        let bound = self.unbind(&returned, cookies).await?;
        let Purpose::Consent(user) = bound.purpose else {
            return Err(Failure::State);
        };
        if let Some(error) = &returned.error {
            return Err(declined(error));
        }
        let code = returned.code.as_deref().ok_or(Failure::Declined)?;
        let environment = self.user(user).await?.environment;
        let (issued, identity) = self.exchange(&environment, code, &bound.proof).await?;
        let refresh = issued.refresh.clone().ok_or(Failure::Rights)?;
        let call = Call {
            token: &issued.access,
            timeout: self.settings.call_timeout,
        };
        let me = self.outlook.me(&call).await?;
        let connected = Connected {
            issued,
            refresh,
            identity,
            me,
        };
        let consented = self.save(user, &connected).await?;
        self.end_link(&bound.proof).await;
        self.wake(user);
        Ok(consented)
    }

    async fn exchange(
        &self,
        environment: &EnvironmentId,
        code: &str,
        proof: &Proof,
    ) -> Result<(Issued, Identity), Failure> {
        let verifier = SecretString::from(proof.verifier.as_str());
        let redirect_uri = self.settings.address(CALLBACK);
        let exchanged = self
            .sign_in
            .exchange(code, &verifier, &proof.nonce, &redirect_uri)
            .await;
        if let Err(remote::Error::Application(why)) = &exchanged {
            tracing::error!(why, "Microsoft refuses the application");
            self.alert_application(environment).await;
        }
        Ok(exchanged?)
    }

    /// Says to administrators that Microsoft refuses the application itself.
    async fn alert_application(&self, environment: &EnvironmentId) {
        let alert = Alert {
            key: APPLICATION_ALERT.to_owned(),
            environment: environment.clone(),
            user: None,
            message: "Microsoft refuses this application: check tenant, client id, secret or \
                      certificate, and the redirect URI; `tribelink doctor` names the cause"
                .to_owned(),
            since_ms: self.clock.now_ms(),
        };
        if let Err(error) = self.commit(vec![Change::RaiseAlert(alert)]).await {
            tracing::error!(%error, "an alert could not be raised");
        }
    }

    /// Saves what a sign-in brought, when it is the employee's own mailbox.
    async fn save(&self, id: UserId, connected: &Connected) -> Result<Consented, Failure> {
        crash::point("code-redeemed");
        for _ in 0..3 {
            let user = self.user(id).await?;
            let changes = self.changes_of(&user, connected).await?;
            match self.commit(changes.all).await {
                Err(Error::Changed) => continue,
                saved => saved?,
            }
            return Ok(Consented {
                user: id,
                state: changes.state,
                return_to: user.return_to,
            });
        }
        Err(Failure::Passing)
    }

    async fn changes_of(&self, user: &User, connected: &Connected) -> Result<Changes, Failure> {
        let command = Command::Consented {
            start: user.start_on_consent,
        };
        let step =
            transition::step(user.state, user.resume_state, command).map_err(Failure::Refused)?;
        self.judge(user, connected).await?;

        let now = self.clock.now_ms();
        let row = user_row(user.id);
        let identity = (
            connected.identity.tenant.clone(),
            connected.identity.object.clone(),
        );
        let waited = matches!(user.state, UserState::Invited | UserState::NeedsConsent);
        let mut all = vec![Change::MoveUser {
            id: user.id,
            from: user.state,
            to: step.to,
            resume_state: step.resume,
            reason: if waited { None } else { user.reason.clone() },
        }];
        // A user in another state is being worked on: its row is left to the worker.
        if waited {
            let address = mailbox::address_of_me(&connected.me).map(SecretString::from);
            let seal = |address| self.vault.seal_text(column::MAILBOX, &row, &address);
            all.push(Change::PutUser(Box::new(User {
                state: step.to,
                reason: None,
                identity: Some(identity),
                mailbox: address.map(seal),
                started: user.started || step.to == UserState::FirstSync,
                chores_due_ms: now,
                ..user.clone()
            })));
        }
        all.push(self.put_tokens(user.id, connected, now).await?);
        all.push(Change::ClearAlert(consent_alert(user.id)));
        all.extend(
            step.look
                .map(|look: Look| self.hint(user, look.target(), Source::Person)),
        );
        Ok(Changes {
            all,
            state: step.to,
        })
    }

    async fn judge(&self, user: &User, connected: &Connected) -> Result<(), Failure> {
        let crm = self.crm(&user.environment).await?;
        let employee = crm.employee(user.employee).await?;
        let employee = employee
            .filter(|employee| !employee.former)
            .ok_or_else(super::employee_left)?;
        let row = user_row(user.id);
        let open = |sealed| self.vault.open_text(column::ALLOW_MAILBOX, &row, sealed);
        let allowed = user.allow_mailbox.as_ref().map(open).transpose();
        let allowed = allowed.map_err(Error::from)?;
        let expected = Expected {
            employee: &employee,
            allowed: allowed.as_ref().map(|address| address.expose_secret()),
            pinned: user.identity.as_ref(),
            connecting: user.state == UserState::Invited,
        };
        mailbox::judge(&expected, &connected.me, &connected.identity).map_err(Failure::Misfit)
    }

    async fn put_tokens(
        &self,
        user: UserId,
        connected: &Connected,
        now: i64,
    ) -> Result<Change, Error> {
        let row = user_row(user);
        let stored = self.store.tokens(user).await?;
        let issued = &connected.issued;
        let seal = |column, text: &SecretString| self.vault.seal_text(column, &row, text);
        Ok(Change::PutTokens {
            user,
            tokens: Tokens {
                refresh: seal(column::REFRESH_TOKEN, &connected.refresh),
                access: seal(column::ACCESS_TOKEN, &issued.access),
                expires_ms: super::tokens::expires_ms(now, issued.expires_in),
                generation: 0,
                consented_ms: now,
            },
            expected: stored.map_or(0, |tokens| tokens.generation),
        })
    }

    fn authorize_url(
        &self,
        state: &str,
        proof: &Proof,
        login_hint: Option<&str>,
    ) -> Result<Url, Failure> {
        let challenge = URL_SAFE_NO_PAD.encode(sha256(proof.verifier.as_bytes()));
        let authorize = Authorize {
            state,
            nonce: &proof.nonce,
            challenge: &challenge,
            login_hint,
            redirect_uri: &self.settings.address(CALLBACK),
            prompt: None,
            identity_only: false,
        };
        Ok(self.sign_in.authorize_url(&authorize)?)
    }
}

struct Connected {
    issued: Issued,
    refresh: SecretString,
    identity: Identity,
    me: Me,
}

struct Changes {
    all: Vec<Change>,
    state: UserState,
}

/// What an `error` of the authorize endpoint means (Graph reference 1.2).
fn declined(error: &str) -> Failure {
    match error {
        "server_error" | "temporarily_unavailable" => Failure::Passing,
        "invalid_request"
        | "unauthorized_client"
        | "unsupported_response_type"
        | "invalid_resource" => Failure::Application,
        _ => Failure::Declined,
    }
}
