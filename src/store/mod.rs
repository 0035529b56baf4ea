//! The store: everything that must outlive the process.
//!
//! One trait in domain words, three implementations held equal by one contract suite. A change is
//! data ([`Change`]); [`Store::commit`] applies a list of them all or nothing, under a [`Guard`]
//! that fails when the caller's lease was lost. No transaction is ever open across a remote call.
//!
//! # Map
//! - [`model`]: the rows, in domain types; [`told`]: those that people read; [`canary`]: those that the
//!   canary is proven by. Personal values and secrets are [`model::Sealed`].
//! - [`place`]: where those rest, for whoever seals them anew.
//! - [`change`]: what a commit may do.
//! - [`memory`]: for simulation. [`sqlite`]: embedded default. [`postgres`]: several replicas. `sql`:
//!   what both databases say alike, compiled for each. `row`: their rows, read into domain types.
//! - [`error`]: what a caller can do about a failure.
//!
//! Time is always an argument, in milliseconds since the Unix epoch.
//!
//! # What every store agrees on
//! - A change that names a user or environment which is not stored is a [`Error::Conflict`], and so
//!   is a row whose environment is not its user's. Dropping what is not there does nothing.
//! - A lease is live while its `until_ms` is after now; a hint or chore is due from its time on;
//!   `i64::MAX` is never. A sign-in works while its `expires_ms` is after now.
//! - Lists come in the order of their keys unless a method says otherwise: ids of 16 bytes by these
//!   bytes, texts by their UTF-8 bytes.

pub mod canary;
pub mod change;
pub mod error;
pub mod memory;
pub mod model;
pub mod place;
pub mod postgres;
mod row;
pub mod sqlite;
pub mod told;

use async_trait::async_trait;
pub use canary::{CanaryProof, CanaryRound};
pub use change::{Change, Guard};
pub use error::Error;
pub use model::*;
pub use place::{Place, SealedCell, SealedColumn};
pub use told::*;
use tribelink_plan::ids::{ContactId, EmployeeId, EnvironmentId, PersonId, UserId};

/// How long [`Change::Tidy`] leaves the answers to requests with an idempotency key: one day.
pub const ANSWERS_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// How long [`Change::Tidy`] leaves brake counts: a day, of which R17 looks at one hour.
pub const BRAKE_COUNTS_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// How many audit lines [`Change::DropAudit`] looks at: at one poll in five minutes, far more than are
/// written meanwhile.
pub const AUDIT_DROPPED: usize = 10_000;

/// What every store can do.
///
/// # Errors
/// Every method fails with [`Error::Unavailable`] when the database cannot be reached or written
/// (safe to repeat), and with [`Error::Corrupt`] when a row is not of the form this version writes.
#[async_trait]
pub trait Store: Send + Sync {
    /// Whether hints can be accepted and kept: the schema is current and a write would succeed.
    async fn ready(&self) -> Result<(), Error>;

    /// Keeps hints durably; when it returns, a power cut no longer loses them. Concurrent calls
    /// share a commit.
    async fn add_hints(&self, hints: Vec<NewHint>) -> Result<(), Error>;

    /// Applies all changes or none.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the guard no longer holds: nothing was changed, stop the job.
    /// [`Error::Conflict`] when a change expected another state (a rotated token, a taken name).
    async fn commit(&self, guard: &Guard, changes: Vec<Change>) -> Result<(), Error>;

    /// Takes the lease of a lane for `holder` until `now_ms + lease_ms` when it is free or expired;
    /// each success has a fence higher than every earlier one of that lane.
    async fn claim(
        &self,
        lane: &Lane,
        holder: &str,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<Option<Lease>, Error>;

    /// Prolongs a lease until `now_ms + lease_ms`; `None` when it was lost or has expired.
    async fn renew(
        &self,
        lease: &Lease,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<Option<Lease>, Error>;

    /// Whether the lease is still held and not expired at `now_ms`.
    async fn holds(&self, lease: &Lease, now_ms: i64) -> Result<bool, Error>;

    /// Gives a lease back; does nothing when it was lost. The fence stays.
    async fn release(&self, lease: &Lease) -> Result<(), Error>;

    /// Says that the replica `holder` lives until `now_ms + lease_ms`; answers every live replica by
    /// name, this one among them. Those that fell silent are forgotten.
    async fn beat(&self, holder: &str, now_ms: i64, lease_ms: i64) -> Result<Vec<String>, Error>;

    /// The replica `holder` no longer takes part; does nothing when it is not known.
    async fn leave(&self, holder: &str) -> Result<(), Error>;

    /// Waits for the next wake-up call: another replica kept a hint that makes this lane due sooner.
    /// Calls may be lost or come for nothing. A store of one process never answers.
    async fn woken(&self) -> Lane {
        std::future::pending().await
    }

    /// Lanes that have something due at `now_ms` and no live lease: a hint whose time has come
    /// (mailbox lanes: only of users whose state works on hints, see [`UserState::works`]), or a
    /// chore ([`User::chores_due_ms`], [`Environment::chores_due_ms`]). The longest due comes first,
    /// then environments before mailboxes.
    async fn due_lanes(&self, now_ms: i64, limit: usize) -> Result<Vec<Lane>, Error>;

    /// The earliest time, at or after `now_ms`, at which [`Store::due_lanes`] would name a lane if
    /// nothing changed: live leases are waited out. `None` when nothing is planned.
    async fn next_due(&self, now_ms: i64) -> Result<Option<i64>, Error>;

    /// The lane's hints whose time has come: the longest due first, then as they were received, then as
    /// they were kept.
    async fn hints(&self, lane: &Lane, now_ms: i64, limit: usize) -> Result<Vec<Hint>, Error>;

    /// How many hints wait and how old the oldest is: `(count, received_ms)`, for one environment
    /// with all its mailboxes.
    async fn backlog(&self, environment: &EnvironmentId) -> Result<(u64, Option<i64>), Error>;

    /// The same for one mailbox.
    async fn mailbox_backlog(&self, user: UserId) -> Result<(u64, Option<i64>), Error>;

    /// Every environment, by id.
    async fn environments(&self) -> Result<Vec<Environment>, Error>;

    /// One environment.
    async fn environment(&self, id: &EnvironmentId) -> Result<Option<Environment>, Error>;

    /// The webhooks registered for an environment.
    async fn webhooks(&self, environment: &EnvironmentId) -> Result<Vec<Webhook>, Error>;

    /// One user.
    async fn user(&self, id: UserId) -> Result<Option<User>, Error>;

    /// The user of an employee.
    async fn user_of(
        &self,
        environment: &EnvironmentId,
        employee: EmployeeId,
    ) -> Result<Option<User>, Error>;

    /// Users by id, after `after`.
    async fn users(
        &self,
        environment: Option<&EnvironmentId>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, Error>;

    /// How many users are in which state; every state is named, in the order of [`UserState::ALL`].
    async fn count_users(&self) -> Result<Vec<(UserState, u64)>, Error>;

    /// The tokens of a user.
    async fn tokens(&self, user: UserId) -> Result<Option<Tokens>, Error>;

    /// Users whose last access token ended at `until_ms` or before, the longest ago first, then by id.
    async fn idle_consents(&self, until_ms: i64, limit: usize) -> Result<Vec<IdleConsent>, Error>;

    /// The tokens of an environment connected by authorization code.
    async fn environment_tokens(
        &self,
        environment: &EnvironmentId,
    ) -> Result<Option<Tokens>, Error>;

    /// Takes a pending sign-in out: it works once. `None` when unknown, used or expired at `now_ms`.
    async fn take_sign_in(
        &self,
        state_hash: &[u8; 32],
        now_ms: i64,
    ) -> Result<Option<SignIn>, Error>;

    /// A sign-in that stays: a session of the page. `None` when unknown or expired at `now_ms`.
    async fn sign_in(&self, state_hash: &[u8; 32], now_ms: i64) -> Result<Option<SignIn>, Error>;

    /// One link.
    async fn link(&self, user: UserId, person: PersonId) -> Result<Option<LinkRow>, Error>;

    /// Several links of a user, by person; those that do not exist are absent.
    async fn links_of(&self, user: UserId, people: &[PersonId]) -> Result<Vec<LinkRow>, Error>;

    /// The links of these contacts of a user, by person; those that do not exist are absent.
    async fn links_of_contacts(
        &self,
        user: UserId,
        contacts: &[ContactId],
    ) -> Result<Vec<LinkRow>, Error>;

    /// A user's links by person, after `after`.
    async fn links(
        &self,
        user: UserId,
        after: Option<PersonId>,
        limit: usize,
    ) -> Result<Vec<LinkRow>, Error>;

    /// Every link of these people in an environment, whoever's; by person, then user.
    async fn links_of_people(
        &self,
        environment: &EnvironmentId,
        people: &[PersonId],
    ) -> Result<Vec<LinkRow>, Error>;

    /// How many links of a user are in which state.
    async fn count_links(&self, user: UserId) -> Result<LinkCounts, Error>;

    /// The delta cursors of a user.
    async fn cursors(&self, user: UserId) -> Result<Vec<Cursor>, Error>;

    /// The subscriptions of a user.
    async fn subscriptions_of(&self, user: UserId) -> Result<Vec<Subscription>, Error>;

    /// One subscription by Graph's id.
    async fn subscription(&self, id: &str) -> Result<Option<Subscription>, Error>;

    /// Subscriptions by expiry, then id, after the one with the id `after`; from the first when
    /// that one is gone.
    async fn subscriptions(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Subscription>, Error>;

    /// The certificates that contents of notifications are sealed for, by number.
    async fn certificates(&self) -> Result<Vec<Certificate>, Error>;

    /// The newest round of an environment's canary.
    async fn canary(&self, environment: &EnvironmentId) -> Result<Option<CanaryRound>, Error>;

    /// What the canary proved of an environment's mailboxes, by user, Tribe before Outlook.
    async fn canary_proofs(&self, environment: &EnvironmentId) -> Result<Vec<CanaryProof>, Error>;

    /// What it proved of one mailbox.
    async fn canary_proofs_of(&self, user: UserId) -> Result<Vec<CanaryProof>, Error>;

    /// Audit lines, newest first, before the id `before`.
    async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<AuditLine>, Error>;

    /// One audit line.
    async fn audit_line(&self, id: i64) -> Result<Option<AuditLine>, Error>;

    /// Held items by id, after `after`.
    async fn held(
        &self,
        user: Option<UserId>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Held>, Error>;

    /// One held item.
    async fn held_item(&self, id: i64) -> Result<Option<Held>, Error>;

    /// The held items of these people of a user, by id.
    async fn held_of(&self, user: UserId, people: &[PersonId]) -> Result<Vec<Held>, Error>;

    /// Parked items by id, after `after`.
    async fn parked(
        &self,
        user: Option<UserId>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Parked>, Error>;

    /// One parked item.
    async fn parked_item(&self, id: i64) -> Result<Option<Parked>, Error>;

    /// The parked items of these people of a user, by id.
    async fn parked_of(&self, user: UserId, people: &[PersonId]) -> Result<Vec<Parked>, Error>;

    /// A user's preview, as last stored.
    async fn preview(&self, user: UserId) -> Result<Option<Preview>, Error>;

    /// The items of a user's preview by person, after `after`.
    async fn preview_items(
        &self,
        user: UserId,
        after: Option<PersonId>,
        limit: usize,
    ) -> Result<Vec<PreviewItem>, Error>;

    /// How many changes of R17's kind a user's passes made since `since_ms`.
    async fn brake_count(&self, user: UserId, since_ms: i64) -> Result<u64, Error>;

    /// Alerts that still stand, oldest first.
    async fn alerts(&self) -> Result<Vec<Alert>, Error>;

    /// The stored answer of an earlier request with that key, when younger than `since_ms`.
    async fn answered(&self, key_hash: &[u8; 32], since_ms: i64)
    -> Result<Option<Answered>, Error>;

    /// The filled cells of a sealed column by the keys of their rows, after `after`, of which the key
    /// alone counts. See [`Change::Reseal`].
    async fn sealed(
        &self,
        column: SealedColumn,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<SealedCell>, Error>;
}
