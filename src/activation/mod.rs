//! Activation: the life of a user, from invitation to disconnection.
//!
//! # Map
//! - [`transition`]: every state and every command in one pure table. Start here.
//! - [`mailbox`]: whose mailbox is the employee's own (pure). [`return_to`]: where a browser may go
//!   after consent (pure).
//! - [`invite`]: activates employees and makes consent links. [`consent`]: the sign-in itself, from
//!   the opened link to saved tokens. [`browser`]: what links and sign-ins have in common.
//! - [`command`]: start, pause, resume, resync, rebuild, release, preview. [`disconnect`]: R20 and R22;
//!   `unfinished`: writes whose outcome nobody will look for any more.
//! - [`connect`]: an administrator connects an environment by a sign-in at Tribe.
//! - [`enter`]: signing in to the page. [`session`]: who is signed in.
//! - [`tokens`]: the access token of a mailbox, for workers.
//!
//! A state is only ever changed by a commit that expects the state it was read in, so two of these
//! at once cannot both win.

pub mod browser;
pub mod command;
pub mod connect;
pub mod consent;
pub mod disconnect;
pub mod enter;
pub mod invite;
pub mod mailbox;
pub mod return_to;
pub mod session;
pub mod tokens;
pub mod transition;
mod unfinished;

use std::{sync::Arc, time::Duration};

use tribelink_plan::{
    ids::{EnvironmentId, UserId},
    rule::Rule,
};
use url::Url;

use crate::{
    clock::Clock,
    graph::{Outlook, SignIn, openid::OpenId},
    intake::subscriptions::Subscriptions,
    ports::{Crms, Wake},
    random::Random,
    remote,
    store::{self, Change, Guard, Lane, NewHint, Source, Store, Target, User},
    tribe::{Crm, sign_in::EmployeeSignIn},
    vault::{self, Vault},
};

pub use transition::{Command, Look, Refusal};

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A value cannot be used.
    #[error("{0}")]
    Invalid(&'static str),
    /// More than one fits.
    #[error("{0}")]
    Ambiguous(&'static str),
    /// The state does not allow it, or a rule forbids it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Somebody else changed it at the same time; read again, then repeat.
    #[error("the user was changed at the same time; read it again")]
    Changed,
    /// The mailbox's worker has not let go yet; nothing more is written. Safe to repeat.
    #[error("the mailbox's worker has not let go yet; repeat the request")]
    Busy,
    /// A remote could not be asked.
    #[error("{0}")]
    Remote(#[from] remote::Error),
    /// The store failed.
    #[error("{0}")]
    Store(store::Error),
    /// Something sealed did not open: an administrator must act.
    #[error("{0}")]
    Vault(#[from] vault::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Error {
        match error {
            store::Error::Conflict(_) => Error::Changed,
            error => Error::Store(error),
        }
    }
}

/// What activation needs to know of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The service's own address.
    pub public_url: Url,
    /// Time limit of one request to Graph.
    pub call_timeout: Duration,
    /// How long a mailbox lease lasts (`worker.lease`).
    pub lease: Duration,
    /// How long a consent link can be opened.
    pub invite_valid: Duration,
    /// Audit lines keep the values that were written (`audit.undo_days`).
    pub keeps_values: bool,
}

impl Settings {
    /// The defaults around a public address. A week: an invitation survives a week's leave, and a
    /// lost one does not lie about for long.
    pub fn new(public_url: Url) -> Settings {
        Settings {
            public_url,
            call_timeout: Duration::from_secs(10),
            lease: Duration::from_secs(30),
            invite_valid: Duration::from_secs(7 * 24 * 3600),
            keeps_values: true,
        }
    }

    /// An address of this service.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_str().trim_end_matches('/'))
    }
}

/// How people sign in to the page.
pub struct Login {
    /// Administrators: the issuer, and which claims give which role.
    pub openid: Option<(OpenId, enter::Roles)>,
    /// Employees at Tribe; `None`: they sign in at Microsoft.
    pub tribe: Option<EmployeeSignIn>,
    /// A session ends after so long without a request.
    pub idle: Duration,
    /// A session ends after so long whatever happens.
    pub absolute: Duration,
}

impl Login {
    /// Without an issuer and without an application at Tribe.
    pub fn plain() -> Login {
        Login {
            openid: None,
            tribe: None,
            idle: Duration::from_secs(1_800),
            absolute: Duration::from_secs(36_000),
        }
    }
}

/// The life of users, over store and ports.
pub struct Activation {
    /// Where users are kept.
    pub store: Arc<dyn Store>,
    /// Opens and seals.
    pub vault: Arc<Vault>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Tribe.
    pub crms: Arc<dyn Crms>,
    /// Microsoft's sign-in.
    pub sign_in: Arc<dyn SignIn>,
    /// Graph.
    pub outlook: Arc<dyn Outlook>,
    /// The engine.
    pub wake: Arc<dyn Wake>,
    /// What intake knows of subscriptions.
    pub subscriptions: Arc<Subscriptions>,
    /// Signing in to the page.
    pub login: Login,
    /// Configuration.
    pub settings: Settings,
}

impl Activation {
    /// One user.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Store`] is safe to repeat.
    pub async fn user(&self, id: UserId) -> Result<User, Error> {
        let user = self.store.user(id).await?;
        user.ok_or(Error::NotFound("user"))
    }

    async fn crm(&self, environment: &EnvironmentId) -> Result<Arc<dyn Crm>, Error> {
        let crm = self.crms.crm(environment).await?;
        crm.ok_or(Error::NotFound("environment"))
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), Error> {
        Ok(self.store.commit(&Guard::None, changes).await?)
    }

    fn wake(&self, user: UserId) {
        self.wake.lane(&Lane::Mailbox(user));
    }

    fn hint(&self, user: &User, target: Target, source: Source) -> Change {
        let now = self.clock.now_ms();
        Change::AddHints(vec![NewHint {
            environment: user.environment.clone(),
            user: Some(user.id),
            target,
            source,
            received_ms: now,
            not_before_ms: now,
            attempts: 0,
        }])
    }
}

/// The key of the alert that a user must sign in again (R21).
pub fn consent_alert(user: UserId) -> String {
    format!("needs_consent/{user}")
}

/// The key of the alert that a user's employee left (R22).
pub fn left_alert(user: UserId) -> String {
    format!("employee_left/{user}")
}

/// The key of the alert that the brake took hold (R17).
pub fn brake_alert(user: UserId) -> String {
    format!("braked/{user}")
}

/// What refuses an employee that is former or gone.
pub(crate) fn employee_left() -> Error {
    Error::Refused(Refusal {
        rule: Some(Rule::R22),
        why: "the employee is former or gone in Tribe",
    })
}
