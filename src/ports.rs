//! Ports between the rooms of this program: what the edge asks of the engine and the application.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use tribelink_plan::{
    field::{Direction, Field},
    ids::{EnvironmentId, PersonId, UserId},
    link::LinkState,
    rule::Rule,
};
use url::Url;
use utoipa::ToSchema;

use crate::{
    remote,
    store::{Environment, Lane, User},
    tribe::Crm,
};

/// Tells the engine that something changed. Must not block; may be called for nothing.
pub trait Wake: Send + Sync {
    /// A lane has something to do.
    fn lane(&self, lane: &Lane);

    /// A user was disconnected: a worker of this process that holds the mailbox lets go of it now
    /// rather than at the end of its pass. Other processes notice when they next read the user.
    fn stop(&self, user: UserId) {
        let _ = user;
    }
}

/// Why an environment is not connected by authorization code.
#[derive(Debug, thiserror::Error)]
pub enum CannotConnect {
    /// There is no such environment.
    #[error("there is no such environment")]
    Unknown,
    /// Its grant is `client_credentials`: its application signs in by itself.
    #[error("the environment's grant is client_credentials")]
    NotByCode,
    /// Whoever signed in belongs to another organisation than the environment is.
    #[error("this is another organisation")]
    OtherOrganization,
    /// [`remote::Error::ConsentNeeded`] for a bad, used or late code; [`remote::Error::Application`]
    /// when an administrator must mend the configuration; else failures that pass.
    #[error(transparent)]
    Remote(#[from] remote::Error),
}

/// Finds the CRM of an environment, and connects it.
#[async_trait]
pub trait Crms: Send + Sync {
    /// The CRM of that environment; `None` when there is no such environment.
    ///
    /// # Errors
    /// [`remote::Error::Application`] when its settings cannot be opened or used: an administrator
    /// must act. [`remote::Error::Transient`] when they could not be read: safe to repeat.
    async fn crm(&self, environment: &EnvironmentId)
    -> Result<Option<Arc<dyn Crm>>, remote::Error>;

    /// The same of an environment that was just read.
    ///
    /// # Errors
    /// As [`Crms::crm`].
    async fn crm_of(
        &self,
        environment: &Environment,
    ) -> Result<Option<Arc<dyn Crm>>, remote::Error> {
        self.crm(&environment.id).await
    }

    /// How many calls may be in flight at each environment from this process, from now on: its share
    /// of what Tribe bears.
    fn set_in_flight(&self, calls: usize) {
        let _ = calls;
    }

    /// Where an administrator's browser goes to connect an environment by authorization code.
    ///
    /// # Errors
    /// See [`CannotConnect`]; safe to repeat.
    async fn authorize_url(
        &self,
        environment: &EnvironmentId,
        state: &str,
        redirect_uri: &str,
    ) -> Result<Url, CannotConnect>;

    /// Exchanges the code that came back and keeps the tokens, sealed. When it returns they are
    /// durable, and the CRM of the environment works with them.
    ///
    /// # Errors
    /// See [`CannotConnect`]; what was connected before stays. A code works once: not to be repeated.
    async fn connect(
        &self,
        environment: &EnvironmentId,
        code: &str,
        redirect_uri: &str,
    ) -> Result<(), CannotConnect>;
}

/// Explains what happens to a person of a user, and why. The engine reads both sides and asks the
/// planner's own conditions.
#[async_trait]
pub trait Explainer: Send + Sync {
    /// The explanation; `None` when Tribe has no such person.
    ///
    /// # Errors
    /// A remote could not be read; safe to repeat when [`remote::Error::is_passing`].
    async fn explain(
        &self,
        user: &User,
        person: PersonId,
    ) -> Result<Option<Explanation>, remote::Error>;
}

/// Reads both cards of a person, as they stand now.
#[async_trait]
pub trait Cards: Send + Sync {
    /// Both cards; `None` when Tribe has no such person and there is no link.
    ///
    /// # Errors
    /// A remote could not be read; safe to repeat when [`remote::Error::is_passing`].
    async fn cards(
        &self,
        user: &User,
        person: PersonId,
    ) -> Result<Option<BothCards>, remote::Error>;
}

/// Both cards of a person, field by field. No `Debug`: it holds personal values.
pub struct BothCards {
    /// The link's state; `None`: there is no link.
    pub link: Option<LinkState>,
    /// Whether Tribe has the person.
    pub in_tribe: bool,
    /// Whether Outlook was read, and has the contact.
    pub in_outlook: Option<bool>,
    /// The fields of the card.
    pub fields: Vec<CardField>,
}

/// One field on both sides.
pub struct CardField {
    /// Which.
    pub field: Field,
    /// What Tribe shows.
    pub tribe: Option<String>,
    /// What Outlook shows.
    pub outlook: Option<String>,
    /// Whether Tribe shows what it showed when both were last in step; `None`: never known.
    pub tribe_stands: Option<bool>,
    /// The same for Outlook.
    pub outlook_stands: Option<bool>,
    /// Which way the field travels.
    pub direction: Direction,
}

/// Why a person is, or is not, in a user's Outlook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The rule that decides now.
    pub rule: Rule,
    /// Whether the person is eligible for this user.
    pub eligible: bool,
    /// Every condition.
    pub conditions: Vec<Condition>,
    /// What would have to change; empty when it is in sync.
    pub would_sync_if: Vec<String>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Condition {
    /// Its name.
    pub name: String,
    /// Whether it holds.
    pub holds: bool,
    /// In words for people, without values.
    pub detail: String,
}
