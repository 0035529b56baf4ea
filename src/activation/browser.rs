//! Links for people, and sign-ins that only the browser that opened them can finish.
//!
//! A link stays valid until a sign-in succeeds, so that a mail scanner that opens it first spoils
//! nothing. Opening it begins a sign-in: its `state` works once, for ten minutes, and only together
//! with a cookie that this browser got (faults 4.3).

use std::time::Duration;

use url::Url;

use super::{Activation, Error};
use crate::{
    random,
    sealed::{Proof, hash_row, hex, same, sha256, unhex32},
    store::{Change, Purpose, Sealed, SignIn},
    vault::column,
};

/// How long a sign-in may take.
const SIGN_IN_MS: i64 = 600_000;

/// Where a person's browser begins.
pub struct Link {
    /// The address.
    pub url: String,
    /// Until when it can be opened.
    pub expires_ms: i64,
}

/// A sign-in that begins.
pub struct Begun {
    /// Where the browser goes.
    pub authorize: Url,
    /// The cookie that binds the browser.
    pub cookie: Cookie,
}

/// A cookie to set.
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Seconds it lives.
    pub max_age: i64,
    /// Whether it travels over https alone; so it does unless the service itself is on loopback.
    pub secure: bool,
}

/// What a sign-in sent the browser back with.
#[derive(Clone, Debug, Default)]
pub struct Returned {
    /// `state`
    pub state: Option<String>,
    /// `code`
    pub code: Option<String>,
    /// `error`
    pub error: Option<String>,
}

/// A sign-in that came back in the browser it began in.
pub(super) struct Bound {
    /// What it is for.
    pub(super) purpose: Purpose,
    /// What it must show again.
    pub(super) proof: Proof,
}

/// Why a sign-in that came back is not taken.
pub(super) enum Stray {
    /// The state is unknown, used or expired.
    State,
    /// The cookie of the browser that opened the link is missing or another.
    OtherBrowser,
    /// It could not be looked up.
    Error(Error),
}

impl<E: Into<Error>> From<E> for Stray {
    fn from(error: E) -> Stray {
        Stray::Error(error.into())
    }
}

impl Activation {
    /// Makes a link; `address` puts its token into a path of this service.
    pub(super) async fn new_link(
        &self,
        purpose: Purpose,
        proof: &Proof,
        valid: Duration,
        address: impl FnOnce(&str) -> String,
    ) -> Result<Link, Error> {
        let token = random::token(self.random.as_ref());
        let valid_ms = i64::try_from(valid.as_millis()).unwrap_or(i64::MAX);
        let expires_ms = self.clock.now_ms().saturating_add(valid_ms);
        self.put_sign_in(&token, purpose, proof, None, expires_ms)
            .await?;
        Ok(Link {
            url: self.settings.address(&address(&token)),
            expires_ms,
        })
    }

    /// What a link is for; `None` when it is unknown, expired or has served.
    pub(super) async fn link(&self, token: &str) -> Result<Option<Bound>, Error> {
        let hash = sha256(token.as_bytes());
        let taken = self.store.take_sign_in(&hash, self.clock.now_ms()).await?;
        let Some(kept) = taken else { return Ok(None) };
        // Put back at once: whatever fails later, the link can be opened again.
        self.commit(vec![Change::PutSignIn {
            state_hash: hash,
            sign_in: kept.clone(),
        }])
        .await?;
        // A sign-in's state is no link.
        if kept.browser_hash.is_some() {
            return Ok(None);
        }
        let proof = self.opened(&hash, &kept)?;
        Ok(Some(Bound {
            purpose: kept.purpose,
            proof,
        }))
    }

    /// Ends the link that a successful sign-in came from. Were this to fail, it only expires later.
    pub(super) async fn end_link(&self, proof: &Proof) {
        if let Some(link) = proof.invite.as_deref().and_then(unhex32) {
            let _ = self.store.take_sign_in(&link, self.clock.now_ms()).await;
        }
    }

    /// Binds a sign-in with this state, begun from the link with this token where there was one, to a
    /// browser.
    pub(super) async fn bind(
        &self,
        state: &str,
        purpose: Purpose,
        mut proof: Proof,
        link: Option<&str>,
    ) -> Result<Cookie, Error> {
        proof.invite = link.map(|token| hex(&sha256(token.as_bytes())));
        let browser = random::token(self.random.as_ref());
        let bound = Some(sha256(browser.as_bytes()));
        let expires_ms = self.clock.now_ms() + SIGN_IN_MS;
        self.put_sign_in(state, purpose, &proof, bound, expires_ms)
            .await?;
        Ok(Cookie {
            name: self.cookie_name(state),
            value: browser,
            max_age: SIGN_IN_MS / 1_000,
            secure: self.is_https(),
        })
    }

    /// Takes a sign-in that came back. Its cookie is asked for before its state is taken: a stranger
    /// who saw the address cannot use it up.
    pub(super) async fn unbind(
        &self,
        returned: &Returned,
        cookies: &[(String, String)],
    ) -> Result<Bound, Stray> {
        let state = returned.state.as_deref().unwrap_or_default();
        let name = self.cookie_name(state);
        let cookie = cookies.iter().find(|(known, _)| *known == name);
        let (_, cookie) = cookie.ok_or(Stray::OtherBrowser)?;
        let hash = sha256(state.as_bytes());
        let taken = self.store.take_sign_in(&hash, self.clock.now_ms()).await?;
        let kept = taken.ok_or(Stray::State)?;
        let browser = sha256(cookie.as_bytes());
        let bound = kept.browser_hash.as_ref();
        if !bound.is_some_and(|bound| same(bound, &browser)) {
            return Err(Stray::OtherBrowser);
        }
        let proof = self.opened(&hash, &kept)?;
        Ok(Bound {
            purpose: kept.purpose,
            proof,
        })
    }

    async fn put_sign_in(
        &self,
        token: &str,
        purpose: Purpose,
        proof: &Proof,
        browser_hash: Option<[u8; 32]>,
        expires_ms: i64,
    ) -> Result<(), Error> {
        let state_hash = sha256(token.as_bytes());
        let sign_in = SignIn {
            purpose,
            proof: self.sealed(&state_hash, proof)?,
            browser_hash,
            expires_ms,
        };
        self.commit(vec![Change::PutSignIn {
            state_hash,
            sign_in,
        }])
        .await
    }

    /// One name for each sign-in, so that two of them in two tabs do not disturb each other.
    fn cookie_name(&self, state: &str) -> String {
        let prefix = if self.is_https() { "__Host-" } else { "" };
        format!(
            "{prefix}tribelink_{}",
            &hex(&sha256(state.as_bytes()))[..16]
        )
    }

    pub(super) fn is_https(&self) -> bool {
        self.settings.public_url.scheme() == "https"
    }

    fn opened(&self, hash: &[u8; 32], sign_in: &SignIn) -> Result<Proof, Error> {
        let row = hash_row(hash);
        let proof = &sign_in.proof;
        Ok(self.vault.open_json(column::SIGN_IN_PROOF, &row, proof)?)
    }

    fn sealed(&self, hash: &[u8; 32], proof: &Proof) -> Result<Sealed, Error> {
        let row = hash_row(hash);
        Ok(self.vault.seal_json(column::SIGN_IN_PROOF, &row, proof)?)
    }
}
