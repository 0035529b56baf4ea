//! An administrator connects an environment by authorization code: one sign-in at Tribe, whose tokens
//! the service then works with. An environment with an application of its own needs none.

use std::time::Duration;

use tribelink_plan::ids::EnvironmentId;

use super::{
    Activation, Error,
    browser::{Begun, Link, Returned, Stray},
};
use crate::{
    ports::CannotConnect,
    random, remote,
    sealed::Proof,
    store::{Lane, Purpose},
};

/// The path where it begins.
pub const START: &str = "/oauth/tribe/start";

/// The path that Tribe sends the browser back to.
pub const CALLBACK: &str = "/oauth/tribe/callback";

/// How long a link can be opened: its administrator just asked for it.
const VALID: Duration = Duration::from_secs(3_600);

/// Why an environment was not connected. What was connected before stays.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The link is unknown, expired, or has served.
    #[error("this link is not valid any more")]
    Link,
    /// The state is unknown, used or expired.
    #[error("this sign-in is not valid any more")]
    State,
    /// The cookie of the browser that opened the link is missing or another.
    #[error("the sign-in came back without the cookie it began with")]
    OtherBrowser,
    /// The administrator declined, or the code was not taken.
    #[error("the access was not granted")]
    Declined,
    /// The environment has an application of its own.
    #[error("the environment needs no sign-in")]
    NotByCode,
    /// Another organisation than the one that the environment is.
    #[error("this is another organisation")]
    OtherOrganization,
    /// Tribe refuses the application: its registration or the configuration must be mended.
    #[error("the application is refused at Tribe: {0}")]
    Application(String),
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
        tracing::error!(%error, "an environment could not be connected");
        Failure::Passing
    }
}

impl From<CannotConnect> for Failure {
    fn from(why: CannotConnect) -> Failure {
        match why {
            CannotConnect::Unknown => Failure::Link,
            CannotConnect::NotByCode => Failure::NotByCode,
            CannotConnect::OtherOrganization => Failure::OtherOrganization,
            CannotConnect::Remote(remote::Error::ConsentNeeded(_)) => Failure::Declined,
            CannotConnect::Remote(remote::Error::Application(why)) => {
                tracing::error!(why, "Tribe refuses the application");
                Failure::Application(why)
            }
            CannotConnect::Remote(error) => {
                tracing::warn!(%error, "an environment could not be connected");
                Failure::Passing
            }
        }
    }
}

impl Activation {
    /// Makes a link for an administrator's browser; valid for an hour, until a sign-in succeeds.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for an environment with an application of its own.
    /// [`Error::Remote`] and [`Error::Store`] are safe to repeat.
    pub async fn connect_link(&self, environment: &EnvironmentId) -> Result<Link, Error> {
        // Asked now, so that whoever cannot be connected learns it here rather than in the browser.
        let callback = self.settings.address(CALLBACK);
        let state = random::token(self.random.as_ref());
        let asked = self.crms.authorize_url(environment, &state, &callback);
        asked.await.map_err(|why| match why {
            CannotConnect::Unknown => Error::NotFound("environment"),
            CannotConnect::NotByCode => Error::Invalid(
                "this environment's grant is client_credentials: it signs in by itself and cannot \
                 be connected; set grant to authorization_code to connect it by a sign-in",
            ),
            CannotConnect::OtherOrganization => Error::Invalid("this is another organisation"),
            CannotConnect::Remote(error) => Error::Remote(error),
        })?;
        let purpose = Purpose::Connect(environment.clone());
        self.new_link(purpose, &Proof::default(), VALID, |token| {
            format!("{START}?token={token}")
        })
        .await
    }

    /// Opens such a link: begins a sign-in at Tribe in this browser.
    ///
    /// # Errors
    /// See [`Failure`]; [`Failure::Passing`] is safe to repeat.
    pub async fn open_connect(&self, token: &str) -> Result<Begun, Failure> {
        let link = self.link(token).await?.ok_or(Failure::Link)?;
        let Purpose::Connect(environment) = link.purpose else {
            return Err(Failure::Link);
        };
        let state = random::token(self.random.as_ref());
        let callback = self.settings.address(CALLBACK);
        let authorize = self.crms.authorize_url(&environment, &state, &callback);
        let authorize = authorize.await?;
        let purpose = Purpose::Connect(environment);
        let cookie = self.bind(&state, purpose, link.proof, Some(token)).await?;
        Ok(Begun { authorize, cookie })
    }

    /// Finishes it: the tokens are kept sealed, and the environment's worker begins.
    ///
    /// # Errors
    /// See [`Failure`]: what was connected before stays; the link can be opened again.
    pub async fn finish_connect(
        &self,
        returned: Returned,
        cookies: &[(String, String)],
    ) -> Result<EnvironmentId, Failure> {
        let bound = self.unbind(&returned, cookies).await?;
        let Purpose::Connect(environment) = bound.purpose else {
            return Err(Failure::State);
        };
        if let Some(error) = &returned.error {
            return Err(declined(error));
        }
        let code = returned.code.as_deref().ok_or(Failure::Declined)?;
        let callback = self.settings.address(CALLBACK);
        self.crms.connect(&environment, code, &callback).await?;
        self.end_link(&bound.proof).await;
        self.wake.lane(&Lane::Environment(environment.clone()));
        Ok(environment)
    }
}

/// What an `error` of the authorize endpoint means (Tribe reference 2.6).
fn declined(error: &str) -> Failure {
    match error {
        "server_error" | "temporarily_unavailable" => Failure::Passing,
        "access_denied" => Failure::Declined,
        // A log line or page must not carry what a stranger wrote into an address.
        other => Failure::Application(remote::answer::clean_code(other)),
    }
}
