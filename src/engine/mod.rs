//! The engine: hints in, writes out.
//!
//! A hint only says where to look. The environment worker reads the changed people in bulk and
//! passes each to the mailboxes concerned; the mailbox worker loads both sides and the base, asks
//! the planner, does what it says, and records. Neither makes a choice of its own.
//!
//! # Map
//! - here: [`Engine`], its ports and settings. [`schedule`]: which lane runs when. `queue` (pure):
//!   whose turn it is. `share` (pure): which replica begins with what. [`replicas`]: who lives.
//! - [`lease`]: the right to work on a lane, kept alive and checked before every write.
//! - [`people`]: cards that the environment worker read, passed on in memory. [`folders`]: the
//!   contact folders of each mailbox, as last read. `roll`: every person with its relationships,
//!   by ids, read once for all who ask at once.
//! - [`environment`]: Tribe hints, poll, sweep, webhook registration, fan-out.
//! - [`mailbox`]: one user's job: gather, plan, execute, record; delta, listing, subscription.
//! - [`retry`]: how long to wait, and when to park (pure). `rests`: until when a mailbox is to be left
//!   alone, as this process heard it. [`explain`]: why a person is, or is not, in a
//!   mailbox. [`cards`]: both cards.

pub mod cards;
pub mod environment;
pub mod explain;
pub mod folders;
pub mod lease;
pub mod mailbox;
pub mod people;
mod queue;
pub mod replicas;
mod rests;
pub mod retry;
mod roll;
pub mod schedule;
mod share;

use std::{sync::Arc, time::Duration};

use tribelink_plan::{
    ids::{EnvironmentId, OrganizationId, PersonId},
    policy::{Conflict, Policy},
};

use crate::{
    activation::{Activation, tokens::Keeper},
    canary,
    clock::Clock,
    environment::Rules,
    graph::{Outlook, rich::BadKey},
    ports::Crms,
    random::Random,
    remote,
    rich::{self, Rich},
    store::{self, Environment, Store},
    vault::{self, FingerprintKey, Vault},
};

/// What the engine works with.
pub struct Ports {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The CRMs.
    pub crms: Arc<dyn Crms>,
    /// Graph.
    pub outlook: Arc<dyn Outlook>,
    /// Access tokens of mailboxes.
    pub keeper: Arc<Keeper>,
    /// The life of a user, for R22.
    pub activation: Arc<Activation>,
    /// Seals what is kept.
    pub vault: Arc<Vault>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// What notifications bring along.
    pub rich: Arc<Rich>,
}

/// What the administrator chose, as far as the engine needs it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The planner's policy, where an environment has no rules of its own.
    pub policy: Policy,
    /// The installation's name in stamps; `None`: the organisation's id.
    pub instance: Option<String>,
    /// Plan everything, write nothing.
    pub shadow: bool,
    /// How long a lease lives without renewal.
    pub lease: Duration,
    /// Mailboxes worked on at once.
    pub mailboxes: usize,
    /// How often a mailbox's deltas run.
    pub delta_interval: Duration,
    /// How often Tribe is polled.
    pub poll_interval: Duration,
    /// How often everything is compared.
    pub sweep_interval: Duration,
    /// Origin under which both remotes reach the service.
    pub public_url: String,
    /// Register missing webhooks.
    pub register_webhooks: bool,
    /// How long values of the audit are kept; `None`: not at all.
    pub undo: Option<Duration>,
    /// How long lines of the audit are kept; `None`: for ever.
    pub keep_audit: Option<Duration>,
    /// Whose number proves that values travel.
    pub canary: canary::Settings,
}

/// Why a job ended before its work was done. Its hints are still there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A remote failed.
    #[error(transparent)]
    Remote(#[from] remote::Error),
    /// The store failed, or the lease was lost.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Something sealed did not open: an administrator must act.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// No certificate for contents of notifications could be had.
    #[error(transparent)]
    Certificate(#[from] BadKey),
    /// The user's consent is gone (R21), or the user was disconnected meanwhile.
    #[error("the user is no longer connected")]
    Disconnected,
    /// The job was told to let go.
    #[error("the job was told to stop")]
    Stopped,
    /// The job panicked: a defect. Its hints are still there.
    #[error("the job ended by a panic; report this")]
    Panicked,
    /// There is no such environment or user any more.
    #[error("the lane no longer exists")]
    NoLane,
}

impl From<rich::certificates::Error> for Error {
    fn from(error: rich::certificates::Error) -> Error {
        match error {
            rich::certificates::Error::Store(error) => Error::Store(error),
            rich::certificates::Error::Vault(error) => Error::Vault(error),
            rich::certificates::Error::Key(error) => Error::Certificate(error),
        }
    }
}

/// The engine.
pub struct Engine {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) people: people::SharedPeople,
    pub(crate) folders: folders::KnownFolders,
    pub(crate) rests: rests::Rests,
    rolls: roll::Rolls,
    pub(crate) scheduler: Arc<schedule::Scheduler>,
    pub(crate) holder: String,
}

/// An environment as a job sees it.
pub(crate) struct Land {
    pub(crate) environment: Environment,
    pub(crate) crm: Arc<dyn crate::tribe::Crm>,
    pub(crate) key: FingerprintKey,
    pub(crate) organization: OrganizationId,
    /// What the planner is told here.
    pub(crate) policy: Policy,
    /// The canary, and what the planner is told of it.
    canary: Option<(PersonId, Policy)>,
}

impl Land {
    /// What the planner is told of a person. A conflict over the canary's number is Tribe's: it is nobody's
    /// edit, and nobody decides it.
    pub(crate) fn policy_of(&self, person: PersonId) -> &Policy {
        match &self.canary {
            Some((canary, policy)) if *canary == person => policy,
            _ => &self.policy,
        }
    }

    /// The person whose number proves that values travel.
    pub(crate) fn canary(&self) -> Option<PersonId> {
        self.canary.as_ref().map(|(person, _)| *person)
    }

    /// What is to be kept of a rest that Tribe asked this process for, so that the other replicas
    /// observe it too; `None`: they can know of it already.
    pub(crate) fn rest(&self) -> Option<store::Change> {
        let until_ms = self.crm.rests_until_ms();
        (until_ms > self.environment.throttled_until_ms).then(|| store::Change::RestEnvironment {
            id: self.environment.id.clone(),
            until_ms,
        })
    }
}

impl Engine {
    /// An engine; nothing runs before [`Engine::run`]. The scheduler is made first, since whatever
    /// receives hints needs it to wake the engine.
    pub fn new(ports: Ports, settings: Settings, scheduler: Arc<schedule::Scheduler>) -> Engine {
        let holder = crate::random::token(ports.random.as_ref());
        Engine {
            people: people::SharedPeople::new(process(ports.random.as_ref())),
            folders: folders::KnownFolders::default(),
            rests: rests::Rests::default(),
            rolls: roll::Rolls::default(),
            scheduler,
            ports,
            settings,
            holder,
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.ports.clock.now_ms()
    }

    pub(crate) fn lease_ms(&self) -> i64 {
        millis(self.settings.lease)
    }

    /// The instance that stamps carry.
    pub(crate) fn instance(&self, organization: OrganizationId) -> String {
        self.settings
            .instance
            .clone()
            .unwrap_or_else(|| organization.to_string())
            .to_lowercase()
    }

    /// Opens an environment for a job; learns its organisation's id when it is not known yet.
    pub(crate) async fn land(&self, id: &EnvironmentId) -> Result<Land, Error> {
        let environment = self.ports.store.environment(id).await?;
        self.open(environment.ok_or(Error::NoLane)?).await
    }

    /// Opens an environment that was just read.
    async fn open(&self, mut environment: Environment) -> Result<Land, Error> {
        let store = &self.ports.store;
        let crm = self
            .ports
            .crms
            .crm_of(&environment)
            .await?
            .ok_or(Error::NoLane)?;
        let rules = Rules::open(&self.ports.vault, &environment)?;
        let key = FingerprintKey::open(
            &self.ports.vault,
            &environment.id,
            &environment.fingerprint_key,
        )?;
        let known = environment
            .organization
            .as_deref()
            .and_then(|text| text.parse().ok());
        let organization = match known {
            Some(organization) => organization,
            None => {
                let organization = crm.identity().await?;
                environment.organization = Some(organization.to_string());
                let put = store::Change::PutEnvironment(environment.clone());
                store.commit(&store::Guard::None, vec![put]).await?;
                organization
            }
        };
        let policy = rules.over(&self.settings.policy);
        let canary = self.settings.canary.person(&environment.id);
        // Whoever writes nothing proves nothing.
        let canary = canary.filter(|_| !self.settings.shadow).map(|person| {
            let conflict = Conflict::Tribe;
            (
                person,
                Policy {
                    conflict,
                    ..policy.clone()
                },
            )
        });
        Ok(Land {
            environment,
            crm,
            key,
            organization,
            policy,
            canary,
        })
    }
}

/// A number that no other process is likely to draw.
fn process(random: &dyn Random) -> u64 {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
