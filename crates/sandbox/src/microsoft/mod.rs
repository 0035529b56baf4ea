//! The Microsoft identity platform: sign-in, consent, tokens, keys (Graph reference 1).
//!
//! # Map
//! - here: what it remembers: apps, codes, grants, refresh tokens, consents.
//! - [`authorize`]: the authorize and admin consent endpoints; [`page`]: their little form.
//! - [`token`]: the token endpoint.
//! - [`errors`]: its refusals. [`keys`]: its signing key and the check of client assertions.
//! - [`routes`]: all of it over HTTP, with discovery, JWKS and `/_sandbox/microsoft/…`.
//! - [`der`], [`draw`]: small tools that [`crate::graph`] uses too.
//!
//! Access tokens live in [`State::bearers`]; `Bearer::grant` names the [`Grant`] here.

mod authorize;
pub(crate) mod der;
pub(crate) mod draw;
mod errors;
mod keys;
mod page;
mod routes;
mod token;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use uuid::Uuid;

pub use errors::Refusal;
pub use keys::SigningKey;
pub use routes::router;

use crate::state::{Bearer, Options, State, User};

/// How long an authorization code can be redeemed: about ten minutes (Graph reference 1.2).
const CODE_LIFE_MS: i64 = 10 * 60 * 1000;
/// How long a refresh token lives: 90 days (Graph reference 1.3).
const REFRESH_LIFE_MS: i64 = 90 * 24 * 3600 * 1000;

/// An app registration.
#[derive(Clone, Debug)]
pub struct App {
    /// Application (client) id.
    pub client_id: String,
    /// What the consent form calls it.
    pub name: String,
    /// Its live client secrets.
    pub secrets: Vec<String>,
    /// Secrets that ran out (AADSTS7000222).
    pub expired_secrets: Vec<String>,
    /// DER certificates that may sign its assertions.
    pub certificates: Vec<Vec<u8>>,
    /// Whether `/common` and `/organizations` serve it.
    pub multi_tenant: bool,
    /// Redirect URIs beside those that the whole sandbox accepts.
    pub redirect_uris: Vec<String>,
    /// Whether an administrator granted its application permissions (app-only access).
    pub application_permission: bool,
}

/// One sign-in or one app-only token: what revoking takes away together.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Whose app.
    pub client_id: String,
    /// The user; none for app-only.
    pub user_id: Option<Uuid>,
    /// Why it is dead, as an AADSTS number.
    pub revoked: Option<u32>,
}

#[derive(Clone, Debug)]
struct Code {
    client_id: String,
    user_id: Uuid,
    redirect_uri: String,
    scope: String,
    nonce: Option<String>,
    challenge: Option<String>,
    expires_ms: i64,
    /// The grant that redeeming it made: a second use revokes that.
    redeemed: Option<String>,
}

#[derive(Clone, Debug)]
struct Refresh {
    grant: String,
    scope: String,
    expires_ms: i64,
}

/// Refusals on demand: the next calls of the token endpoint, of one user or of all.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    user_id: Option<Uuid>,
    refusal: Refusal,
    left: Option<u64>,
}

/// The identity platform's memory.
pub struct Identity {
    /// The tenant's id (`tid`).
    pub tenant_id: String,
    /// Its verified domain, as good as the id in addresses.
    pub tenant_domain: String,
    /// App registrations by client id.
    pub apps: BTreeMap<String, App>,
    /// The client id that `GET /_sandbox/config` shows.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Whether users may consent for themselves (else AADSTS90094 until an administrator did).
    pub user_consent: bool,
    /// How long access tokens live, in seconds.
    pub access_life_s: i64,
    /// A refresh token that served is dead, where others leave it valid (Graph reference 1.3).
    pub single_use_refresh: bool,
    key: Arc<SigningKey>,
    codes: BTreeMap<String, Code>,
    grants: BTreeMap<String, Grant>,
    refreshes: BTreeMap<String, Refresh>,
    consents: BTreeSet<(String, Uuid)>,
    admin_consents: BTreeSet<String>,
    demands: Vec<Demand>,
    used_assertions: BTreeSet<String>,
}

impl Identity {
    /// One tenant with one app; the users are those of the state.
    pub fn new(_options: &Options, users: &[User], rng: &mut fastrand::Rng, _now_ms: i64) -> Self {
        let client_id = draw::guid(rng);
        let client_secret = format!("{}~{}", draw::opaque(rng, 3), draw::opaque(rng, 27));
        let app = App {
            client_id: client_id.clone(),
            name: "tribelink".to_owned(),
            secrets: vec![client_secret.clone()],
            expired_secrets: Vec::new(),
            certificates: Vec::new(),
            multi_tenant: false,
            redirect_uris: Vec::new(),
            application_permission: true,
        };
        let tenant_domain = users
            .first()
            .and_then(|user| user.address.split_once('@'))
            .map_or_else(
                || "contoso.example".to_owned(),
                |(_, domain)| domain.to_owned(),
            );
        Self {
            tenant_id: draw::guid(rng),
            tenant_domain,
            apps: BTreeMap::from([(client_id.clone(), app)]),
            client_id,
            client_secret,
            user_consent: true,
            access_life_s: 3599,
            single_use_refresh: false,
            key: SigningKey::shared(),
            codes: BTreeMap::new(),
            grants: BTreeMap::new(),
            refreshes: BTreeMap::new(),
            consents: BTreeSet::new(),
            admin_consents: BTreeSet::new(),
            demands: Vec::new(),
            used_assertions: BTreeSet::new(),
        }
    }

    /// What a grant stands for, while it is not revoked.
    pub fn grant(&self, id: &str) -> Option<&Grant> {
        self.grants.get(id).filter(|grant| grant.revoked.is_none())
    }

    /// The key that signs id_tokens and validation tokens.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// `{origin}/{tid}/v2.0`: the issuer of every token of the tenant.
    pub fn issuer(&self, origin: &str) -> String {
        format!("{origin}/{}/v2.0", self.tenant_id)
    }

    /// Whether an address segment names the tenant: its id, its domain, or a shared authority.
    fn knows_tenant(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(&self.tenant_id)
            || name.eq_ignore_ascii_case(&self.tenant_domain)
            || shared(name)
    }
}

fn shared(tenant: &str) -> bool {
    tenant.eq_ignore_ascii_case("common") || tenant.eq_ignore_ascii_case("organizations")
}

/// The permission names a scope asks of Graph, short: `https://graph.microsoft.com/User.Read` is
/// `User.Read`.
pub(crate) fn short_scope(name: &str) -> &str {
    if name.contains("://") {
        name.rsplit('/').next().unwrap_or(name)
    } else {
        name
    }
}

/// Makes an access token for a grant.
fn issue_access(state: &mut State, grant: &str, scope: &str) -> String {
    let Some(found) = state.microsoft.grants.get(grant).cloned() else {
        return String::new();
    };
    let who = found
        .user_id
        .and_then(|id| state.users.iter().find(|user| user.user_id == id))
        .map_or_else(
            || format!("app:{}", found.client_id),
            |user| user.address.clone(),
        );
    let expires_ms = state.now_ms() + state.microsoft.access_life_s * 1000;
    state.issue(Bearer {
        source: crate::deliver::Source::Graph,
        who,
        scope: scope.to_owned(),
        expires_ms,
        grant: grant.to_owned(),
        employee: None,
    })
}

fn new_grant(state: &mut State, client_id: &str, user_id: Option<Uuid>) -> String {
    let id = format!("ms:{}", draw::guid(&mut state.rng));
    let grant = Grant {
        client_id: client_id.to_owned(),
        user_id,
        revoked: None,
    };
    state.microsoft.grants.insert(id.clone(), grant);
    id
}

/// An access token for a mailbox as if its user had signed in (`POST /_sandbox/tokens`).
pub fn token_for(state: &mut State, mailbox: &str) -> Option<String> {
    let user_id = state.user(mailbox)?.user_id;
    let client_id = state.microsoft.client_id.clone();
    let grant = new_grant(state, &client_id, Some(user_id));
    Some(issue_access(
        state,
        &grant,
        "openid profile offline_access User.Read Contacts.ReadWrite",
    ))
}

/// Takes a user's consent away, or that of everybody: refresh tokens answer AADSTS50173 from now
/// on, access tokens 401, and Graph asks for reauthorization. Returns how many grants died.
pub fn revoke(state: &mut State, mailbox: &str) -> Option<usize> {
    let user_id = state.user(mailbox)?.user_id;
    let ids: Vec<String> = state
        .microsoft
        .grants
        .iter()
        .filter(|(_, grant)| grant.user_id == Some(user_id) && grant.revoked.is_none())
        .map(|(id, _)| id.clone())
        .collect();
    for id in &ids {
        revoke_grant(state, id, 50173);
    }
    state
        .microsoft
        .consents
        .retain(|(_, user)| *user != user_id);
    crate::graph::token_lost(state, user_id);
    Some(ids.len())
}

fn revoke_grant(state: &mut State, id: &str, code: u32) {
    if let Some(grant) = state.microsoft.grants.get_mut(id) {
        grant.revoked = Some(code);
    }
    state.revoke(id);
}

/// Ends the life of a user's access tokens; refresh tokens go on. Returns how many ended.
pub fn expire(state: &mut State, mailbox: &str) -> Option<usize> {
    let user_id = state.user(mailbox)?.user_id;
    let now = state.now_ms();
    let grants = &state.microsoft.grants;
    let mut ended = 0;
    for bearer in state.bearers.values_mut() {
        if grants
            .get(&bearer.grant)
            .is_some_and(|grant| grant.user_id == Some(user_id))
            && bearer.expires_ms > now
        {
            bearer.expires_ms = now;
            ended += 1;
        }
    }
    crate::graph::token_lost(state, user_id);
    Some(ended)
}
