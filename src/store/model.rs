//! The rows, in domain types.

use std::fmt;

use serde::{Deserialize, Serialize};
use tribelink_plan::{
    ids::{ContactId, EmployeeId, EnvironmentId, FolderId, PersonId, UserId},
    link::Link,
};

/// Ciphertext made by the vault, bound to its row and column. The only form in which a personal
/// value or a secret reaches a store.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// What one worker at a time works on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// An environment: polls, sweeps, webhook registration, fan-out.
    Environment(EnvironmentId),
    /// One user's mailbox.
    Mailbox(UserId),
}

/// The right to work on a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which lane.
    pub lane: Lane,
    /// Who holds it.
    pub holder: String,
    /// Rises with every claim of the lane; every write carries it.
    pub fence: i64,
    /// Until when.
    pub until_ms: i64,
}

/// One bulk reading of Tribe by an environment worker. Within one process a later one has a higher
/// number; of two processes' readings nobody can tell which was first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReadId {
    /// Drawn by each process when it starts.
    pub process: u64,
    /// Counted up by it.
    pub number: u64,
}

/// What a hint points at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "at")]
pub enum Target {
    /// Some Tribe record, as a webhook named it; the type where it named one (dotted).
    Entity {
        /// `entityId` or `relationshipId`.
        id: uuid::Uuid,
        /// `entityType`, where present.
        kind: Option<String>,
    },
    /// A person of Tribe.
    Person {
        /// Its id.
        id: PersonId,
        /// Which reading of Tribe led to it; none where nobody read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        read: Option<ReadId>,
    },
    /// A contact of the lane's mailbox; the etag where the notification gave one.
    Contact {
        /// Its id.
        id: ContactId,
        /// `@odata.etag` of the notification.
        etag: Option<String>,
    },
    /// The whole mailbox: run the deltas.
    Delta,
    /// The whole mailbox: list it and compare with every link and every eligible person.
    Resync,
    /// The first sync.
    FirstSync,
    /// Plan the first sync and store what it would do.
    Preview,
    /// Take back what these lines of the audit wrote for a person.
    Undo {
        /// For whom.
        person: PersonId,
        /// The lines, by number.
        lines: Vec<i64>,
    },
    /// Graph removed or wants to renew a subscription.
    Lifecycle {
        /// `lifecycleEvent`.
        event: String,
        /// Graph's id of the subscription.
        subscription: String,
    },
    /// The mailbox: a round of the canary begins in it.
    Canary {
        /// Its number.
        round: i64,
    },
    /// The environment: look for changes since the cursor.
    Poll,
    /// The environment: compare everything.
    Sweep,
}

/// Where a hint came from; the audit's cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A Tribe webhook.
    Webhook,
    /// A Graph notification.
    Notification,
    /// A Graph lifecycle notification.
    Lifecycle,
    /// Tribe's poll.
    Poll,
    /// A delta read.
    Delta,
    /// The sweep.
    Sweep,
    /// A person, over the API or the page.
    Person,
    /// This service: a follow-up of its own work.
    Engine,
}

/// A hint to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHint {
    /// Whose environment.
    pub environment: EnvironmentId,
    /// Whose mailbox; `None`: the environment's worker.
    pub user: Option<UserId>,
    /// What to look at.
    pub target: Target,
    /// Where it came from.
    pub source: Source,
    /// When it was received.
    pub received_ms: i64,
    /// Not to be worked on before.
    pub not_before_ms: i64,
    /// How often it was tried.
    pub attempts: u32,
}

/// A kept hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Its number; rises with the order of keeping.
    pub id: i64,
    /// What was kept.
    pub hint: NewHint,
}

/// One Tribe organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Its short name.
    pub id: EnvironmentId,
    /// Tribe's organisation id ("us"), once known.
    pub organization: Option<String>,
    /// The key of its links' fingerprints, wrapped.
    pub fingerprint_key: Sealed,
    /// Settings of an environment added over the API (JSON with secrets, sealed); `None` for the
    /// one that the configuration describes.
    pub settings: Option<Sealed>,
    /// Up to where the poll has looked, in milliseconds since the epoch.
    pub polled_ms: i64,
    /// When the next poll, sweep or registration is due.
    pub chores_due_ms: i64,
    /// When the last sweep ended.
    pub swept_ms: i64,
    /// No call to Tribe before this time (Retry-After).
    pub throttled_until_ms: i64,
}

/// A webhook registered at Tribe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Whose.
    pub environment: EnvironmentId,
    /// Tribe's id.
    pub id: String,
    /// Dotted entity type.
    pub entity_type: String,
    /// SHA-256 of the random custom header's value.
    pub header_hash: [u8; 32],
    /// Its secret, where Tribe returned one.
    pub secret: Option<Sealed>,
    /// When it was registered.
    pub created_ms: i64,
}

/// What state a user is in; the contract's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserState {
    /// Activated; waits for consent.
    Invited,
    /// Consented; waits for start.
    Consented,
    /// The first sync runs.
    FirstSync,
    /// In step.
    Live,
    /// Paused (R19).
    Paused,
    /// Waits for a new sign-in (R21).
    NeedsConsent,
    /// Waits for release (R17).
    Braked,
    /// Disconnected (R20, R22).
    Disconnected,
}

impl UserState {
    /// Every state, in the order of a user's life.
    pub const ALL: [UserState; 8] = [
        UserState::Invited,
        UserState::Consented,
        UserState::FirstSync,
        UserState::Live,
        UserState::Paused,
        UserState::NeedsConsent,
        UserState::Braked,
        UserState::Disconnected,
    ];

    /// The contract's word.
    pub fn name(self) -> &'static str {
        match self {
            UserState::Invited => "invited",
            UserState::Consented => "consented",
            UserState::FirstSync => "first_sync",
            UserState::Live => "live",
            UserState::Paused => "paused",
            UserState::NeedsConsent => "needs_consent",
            UserState::Braked => "braked",
            UserState::Disconnected => "disconnected",
        }
    }

    /// The state of that word.
    pub fn from_name(name: &str) -> Option<UserState> {
        UserState::ALL
            .into_iter()
            .find(|state| state.name() == name)
    }

    /// Whether the mailbox worker works on this user's hints: previews are planned in `consented`.
    pub fn works(self) -> bool {
        matches!(
            self,
            UserState::Consented | UserState::FirstSync | UserState::Live
        )
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Our id.
    pub id: UserId,
    /// Which environment.
    pub environment: EnvironmentId,
    /// Which employee.
    pub employee: EmployeeId,
    /// State.
    pub state: UserState,
    /// The state to return to from `paused` or `needs_consent`.
    pub resume_state: UserState,
    /// Why, where the state alone does not say: a word such as `employee_left`.
    pub reason: Option<String>,
    /// Microsoft's tenant and object id, pinned at the first consent.
    pub identity: Option<(String, String)>,
    /// The mailbox's address, sealed.
    pub mailbox: Option<Sealed>,
    /// Another address that an administrator allowed, sealed.
    pub allow_mailbox: Option<Sealed>,
    /// Where the browser goes after consent: a path of this service.
    pub return_to: Option<String>,
    /// Start right after consent.
    pub start_on_consent: bool,
    /// Whether `start` was said since the last connection (decides what a consent leads to).
    pub started: bool,
    /// When it was activated.
    pub created_ms: i64,
    /// When delta, subscription or token is next to be looked after.
    pub chores_due_ms: i64,
    /// When the deltas last ran to their end.
    pub delta_ms: i64,
    /// When both sides were last seen in step.
    pub proven_ms: Option<i64>,
    /// First sync, resync or preview: people done, and in all.
    pub progress: Option<(u64, u64)>,
    /// No call to Graph for this mailbox before this time (Retry-After).
    pub throttled_until_ms: i64,
    /// The brake's line is lifted for one pass.
    pub released: bool,
    /// Since when the brake counts.
    pub brake_since_ms: i64,
    /// What the braked pass would have done: changes and links.
    pub braked: Option<(u64, u64)>,
}

/// OAuth tokens, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The newest refresh token.
    pub refresh: Sealed,
    /// The newest access token.
    pub access: Sealed,
    /// When the access token ends.
    pub expires_ms: i64,
    /// Rises with every save; a save expects the one it read.
    pub generation: i64,
    /// When the refresh token was obtained by a person's sign-in.
    pub consented_ms: i64,
}

/// A consent whose tokens nobody used for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleConsent {
    /// Whose environment.
    pub environment: EnvironmentId,
    /// Whose.
    pub user: UserId,
    /// In which state they are.
    pub state: UserState,
    /// When the last access token ended ([`Tokens::expires_ms`]).
    pub access_ended_ms: i64,
}

/// What a pending sign-in is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A consent link was made: opening it starts the sign-in in that browser.
    Invite(UserId),
    /// A user's consent at Microsoft.
    Consent(UserId),
    /// An employee's own sign-in at Tribe, for the page.
    Employee(EnvironmentId),
    /// An administrator connects an environment by authorization code.
    Connect(EnvironmentId),
    /// An administrator's sign-in to the page.
    Page(EnvironmentId),
    /// Somebody who is signed in to the page; found by the SHA-256 of its cookie.
    Session(EnvironmentId),
}

/// A pending sign-in; found by the SHA-256 of its `state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// What it is for.
    pub purpose: Purpose,
    /// PKCE verifier and nonce (JSON), sealed.
    pub proof: Sealed,
    /// SHA-256 of the browser session's cookie, once one is bound.
    pub browser_hash: Option<[u8; 32]>,
    /// When it ends.
    pub expires_ms: i64,
}

/// A link with its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// Whose environment.
    pub environment: EnvironmentId,
    /// Whose.
    pub user: UserId,
    /// For whom.
    pub person: PersonId,
    /// What is remembered.
    pub link: Link,
    /// When it was last written.
    pub changed_ms: i64,
    /// When the contact got the etag that is remembered, by Graph's clock, where that is known.
    pub outlook_ms: Option<i64>,
    /// What a pass is about to write, until that pass is recorded; read back as it was put.
    pub ahead: Option<Sealed>,
}

/// How many links are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Linked.
    pub linked: u64,
    /// Sleeping.
    pub sleeping: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Closed.
    pub closed: u64,
    /// Intents.
    pub intents: u64,
    /// People with a held change, decided ones included until they are dropped.
    pub held: u64,
    /// People with a parked item.
    pub failing: u64,
}

/// One folder's delta cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Which folder.
    pub folder: FolderId,
    /// Whether it is the mailbox's default contact folder.
    pub is_default: bool,
    /// Graph's deltaLink, or nextLink of a walk under way; opaque.
    pub link: String,
}

/// A subscription at Graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Graph's id.
    pub id: String,
    /// Whose.
    pub user: UserId,
    /// Whose environment.
    pub environment: EnvironmentId,
    /// `resource`
    pub resource: String,
    /// SHA-256 of its `clientState`.
    pub client_state_hash: [u8; 32],
    /// When it ends.
    pub expires_ms: i64,
    /// When it was created.
    pub created_ms: i64,
    /// When it was last looked after.
    pub checked_ms: i64,
    /// The id of the [`Certificate`] that its contents are sealed for; none where it carries none.
    pub certificate: Option<String>,
}

/// A certificate that the contents of notifications are sealed for. One serves all mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Rises by one.
    pub number: i64,
    /// What Graph is given as its id, and says with each content.
    pub id: String,
    /// X.509, DER.
    pub certificate: Vec<u8>,
    /// PKCS#8, DER.
    pub private_key: Sealed,
    /// When it was made.
    pub created_ms: i64,
    /// When it ends.
    pub until_ms: i64,
}
