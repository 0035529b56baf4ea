//! The whole world behind one lock, and the context that every handler gets.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::Engine as _;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    calls::Calls,
    deliver::{Outbox, Post, Source},
    faults::Faults,
    graph::Graph,
    microsoft::Identity,
    time::{Clock, Sleep},
    tribe::{Settings, Tribe},
};

/// How long each remote takes to answer, in milliseconds per call. Items of a Graph batch count
/// one by one: the batch itself is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Latency {
    /// Tribe's API and sign-in.
    pub tribe_ms: u64,
    /// Microsoft Graph, per call and per batch item.
    pub graph_ms: u64,
    /// Microsoft sign-in.
    pub microsoft_ms: u64,
}

/// What a sandbox is made of; the command's flags.
#[derive(Clone, Debug)]
pub struct Options {
    /// Origin under which clients reach it, without a slash at the end: links and discovery use
    /// it. Empty: the address it listens on.
    pub public_url: String,
    /// How many people the CRM starts with (spread over kinds and owners).
    pub people: usize,
    /// How many employees with a mailbox.
    pub users: usize,
    /// Everything that is drawn is drawn from this.
    pub seed: u64,
    /// How long each remote takes.
    pub latency: Latency,
    /// How many calls the log keeps; the counters go on.
    pub call_log: usize,
    /// Redirect URIs that both sign-ins accept beside those on loopback, which all are.
    pub redirect_uris: Vec<String>,
    /// The switches of Tribe CRM: names and behaviour that its reference marks unknown.
    pub tribe: Settings,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            public_url: String::new(),
            people: 60,
            users: 4,
            seed: 1,
            latency: Latency::default(),
            call_log: 20_000,
            redirect_uris: Vec::new(),
            tribe: Settings::default(),
        }
    }
}

impl Options {
    /// Whether a sign-in may return there: anything on loopback, and what is registered, to the letter.
    #[must_use]
    pub fn accepts_redirect(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|known| known == uri) || is_loopback(uri)
    }
}

/// Whether a URL's host is this machine itself (`localhost`, `127.0.0.0/8`, `[::1]`).
#[must_use]
pub fn is_loopback(uri: &str) -> bool {
    let Ok(url) = url::Url::parse(uri) else {
        return false;
    };
    if !matches!(url.scheme(), "http" | "https")
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return false;
    }
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Whether a remote would send a webhook or notification there: https, or http on loopback.
#[must_use]
pub fn accepts_hook(uri: &str) -> bool {
    is_loopback(uri)
        || url::Url::parse(uri).is_ok_and(|url| url.scheme() == "https" && url.has_host())
}

/// An employee with a mailbox: who signs in on both sides.
#[derive(Clone, Debug)]
pub struct User {
    /// The mailbox's address (lower case); Microsoft's `mail` and `userPrincipalName`, Tribe's
    /// `Employee.EmailAddress`.
    pub address: String,
    /// First name, insertion and surname.
    pub name: String,
    /// First name.
    pub first_name: String,
    /// Surname with its insertion.
    pub last_name: String,
    /// Microsoft's object id.
    pub user_id: Uuid,
    /// Tribe's `Relationship_Person_Contact_Employee`.
    pub employee_id: Uuid,
    /// Tribe's `Relation_Person`.
    pub person_id: Uuid,
}

/// What an access token stands for.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// Which remote it opens.
    pub source: Source,
    /// Who calls with it, for the log: a mailbox's address, `crm`, an application.
    pub who: String,
    /// Space-separated scopes.
    pub scope: String,
    /// Dead from this time on.
    pub expires_ms: i64,
    /// The grant it came from: revoking that kills it. Empty: none.
    pub grant: String,
    /// On Tribe's side the employee it acts as.
    pub employee: Option<Uuid>,
}

/// Everything the sandbox knows. Held in one `std::sync::Mutex` that is never kept across an await.
pub struct State {
    /// How it was started; kept for a reset.
    pub options: Options,
    /// Milliseconds by which `POST /_sandbox/time` moved the clock.
    pub time_offset_ms: i64,
    /// The machine's or the simulation's clock.
    pub clock: Arc<dyn Clock>,
    /// Every draw: ids, tokens, names.
    pub rng: fastrand::Rng,
    /// Who has a mailbox, in order of creation.
    pub users: Vec<User>,
    /// Tribe CRM.
    pub tribe: Tribe,
    /// Microsoft Graph.
    pub graph: Graph,
    /// The Microsoft identity platform.
    pub microsoft: Identity,
    /// Live access tokens of both remotes.
    pub bearers: BTreeMap<String, Bearer>,
    /// Sign-ins need no form while this is on (`POST /_sandbox/auto-consent`).
    pub auto_consent: bool,
    /// What goes wrong on demand.
    pub faults: Faults,
    /// Every call received.
    pub calls: Calls,
    /// What is to be sent; the pump takes what is due.
    pub outbox: Outbox,
    /// Something came into the outbox, or the clock moved: the pump is woken when the lock is let go.
    pub stirred: bool,
}

impl State {
    /// The world as its options and its seed describe it.
    #[must_use]
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Self {
        let mut rng = fastrand::Rng::with_seed(options.seed);
        let now_ms = clock.now_ms();
        let (tribe, users) = Tribe::seed(&options, &mut rng, now_ms);
        let graph = Graph::new(&options, &users, &mut rng, now_ms);
        let microsoft = Identity::new(&options, &users, &mut rng, now_ms);
        let calls = Calls::new(options.call_log);
        Self {
            options,
            time_offset_ms: 0,
            clock,
            rng,
            users,
            tribe,
            graph,
            microsoft,
            bearers: BTreeMap::new(),
            auto_consent: false,
            faults: Faults::default(),
            calls,
            outbox: Outbox::default(),
            stirred: true,
        }
    }

    /// Now, in milliseconds since the epoch, by the sandbox's own clock.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms() + self.time_offset_ms
    }

    /// A fresh random GUID.
    pub fn guid(&mut self) -> Uuid {
        guid(&mut self.rng)
    }

    /// A fresh opaque secret: the prefix and 43 url-safe characters.
    pub fn secret(&mut self, prefix: &str) -> String {
        secret(&mut self.rng, prefix)
    }

    /// Makes a live access token.
    pub fn issue(&mut self, bearer: Bearer) -> String {
        let now = self.now_ms();
        // Expired tokens are kept for a while only so that memory stays bounded in long runs.
        if self.bearers.len() >= 4096 {
            self.bearers.retain(|_, b| b.expires_ms > now);
        }
        let token = self.secret("at_");
        self.bearers.insert(token.clone(), bearer);
        token
    }

    /// What a token stands for, if it opens this remote and has not expired.
    #[must_use]
    pub fn bearer(&self, source: Source, token: &str) -> Option<&Bearer> {
        let now = self.now_ms();
        self.bearers
            .get(token)
            .filter(|b| b.source == source && b.expires_ms > now)
    }

    /// Kills every access token of a grant.
    pub fn revoke(&mut self, grant: &str) {
        self.bearers.retain(|_, b| b.grant != grant);
    }

    /// The user with this mailbox, by address (any case), object id or employee id.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        let id = Uuid::parse_str(name).ok();
        self.users.iter().find(|u| {
            u.address.eq_ignore_ascii_case(name)
                || id.is_some_and(|id| id == u.user_id || id == u.employee_id)
        })
    }

    /// Starts over from the options, the clock where the machine has it. The log starts anew too.
    pub fn reset(&mut self, options: Options) {
        *self = Self::new(options, Arc::clone(&self.clock));
    }
}

/// A random GUID from a generator.
#[must_use]
pub fn guid(rng: &mut fastrand::Rng) -> Uuid {
    uuid::Builder::from_random_bytes(rng.u128(..).to_be_bytes()).into_uuid()
}

/// An opaque secret from a generator: the prefix and 43 url-safe characters.
#[must_use]
pub fn secret(rng: &mut fastrand::Rng, prefix: &str) -> String {
    let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(32).collect();
    format!(
        "{prefix}{}",
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    )
}

/// What every handler gets: the state behind its lock, and the ports.
pub struct Ctx {
    state: Mutex<State>,
    /// Sends deliveries, and the handshake of a new subscription.
    pub post: Arc<dyn Post>,
    /// Waits.
    pub sleep: Arc<dyn Sleep>,
    /// Told when the pump should look again.
    pub wake: Notify,
}

/// The context as handlers share it.
pub type Shared = Arc<Ctx>;

impl Ctx {
    /// A context around a state.
    #[must_use]
    pub fn new(state: State, post: Arc<dyn Post>, sleep: Arc<dyn Sleep>) -> Shared {
        Arc::new(Self {
            state: Mutex::new(state),
            post,
            sleep,
            wake: Notify::new(),
        })
    }

    /// The state, for as long as the guard lives; letting go wakes the pump when needed.
    pub fn lock(&self) -> Locked<'_> {
        // A handler that panicked left the state whole enough for the next test to say so.
        Locked {
            state: self.state.lock().unwrap_or_else(PoisonError::into_inner),
            wake: &self.wake,
        }
    }

    /// Waits this many milliseconds; none at all for nought.
    pub async fn pause(&self, ms: u64) {
        if ms > 0 {
            self.sleep.sleep(Duration::from_millis(ms)).await;
        }
    }
}

/// The locked state.
pub struct Locked<'a> {
    state: MutexGuard<'a, State>,
    wake: &'a Notify,
}

impl Deref for Locked<'_> {
    type Target = State;
    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if std::mem::take(&mut self.state.stirred) {
            self.wake.notify_one();
        }
    }
}
