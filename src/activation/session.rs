//! Sessions of the page: who is signed in, in which browser, and until when.
//!
//! The browser holds a random token in a cookie; the store holds its hash and, sealed, what the
//! session may do. Each sign-in makes a new one, so that a cookie somebody planted is worth nothing.
//! Requests that change something prove by a second token that they come from the page itself.

use serde::{Deserialize, Serialize};
use tribelink_plan::ids::{EmployeeId, EnvironmentId};

use super::{Activation, Error, browser::Cookie};
use crate::{
    config::Role,
    random,
    sealed::{hash_row, sha256},
    store::{Change, Purpose, SignIn},
    vault::column,
};

/// A session's last use is written down at most this often.
const TOUCH_MS: i64 = 60_000;

/// Who is signed in. No `Debug`: it names a person.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// How the page greets them.
    pub name: String,
    /// What they may do over the admin API, by the role's word.
    role: Option<String>,
    /// Which employee they are, and of which environment.
    pub employee: Option<(EnvironmentId, EmployeeId)>,
    /// What their browser sends along with every change.
    pub csrf: String,
    created_ms: i64,
    seen_ms: i64,
}

/// Somebody who just signed in.
pub struct Entered {
    /// The cookie to set.
    pub cookie: Cookie,
    /// Who.
    pub session: Session,
}

impl Session {
    /// What they may do over the admin API; `None` for an employee alone.
    pub fn role(&self) -> Option<Role> {
        self.role.as_deref().and_then(Role::from_name)
    }
}

impl Activation {
    /// The cookie's name; over https bound to this host and path.
    pub fn session_cookie(&self) -> &'static str {
        if self.is_https() {
            "__Host-tribelink_session"
        } else {
            "tribelink_session"
        }
    }

    /// Begins a session, in place of the one that the browser had.
    ///
    /// # Errors
    /// [`Error::Store`] is safe to repeat.
    pub async fn enter(
        &self,
        name: &str,
        role: Option<Role>,
        employee: Option<(EnvironmentId, EmployeeId)>,
        former: Option<&str>,
    ) -> Result<Entered, Error> {
        if let Some(former) = former {
            self.leave(former).await?;
        }
        let now = self.clock.now_ms();
        let session = Session {
            name: name.to_owned(),
            role: role.map(|role| role.name().to_owned()),
            employee,
            csrf: random::token(self.random.as_ref()),
            created_ms: now,
            seen_ms: now,
        };
        let token = random::token(self.random.as_ref());
        self.put_session(&token, &session).await?;
        let cookie = Cookie {
            name: self.session_cookie().to_owned(),
            value: token,
            max_age: i64::try_from(self.login.absolute.as_secs()).unwrap_or(i64::MAX),
            secure: self.is_https(),
        };
        Ok(Entered { cookie, session })
    }

    /// The session of a cookie; `None` when unknown, idle for too long, or too old.
    ///
    /// # Errors
    /// [`Error::Store`] is safe to repeat.
    pub async fn session(&self, token: &str) -> Result<Option<Session>, Error> {
        let hash = sha256(token.as_bytes());
        let now = self.clock.now_ms();
        let Some(kept) = self.store.sign_in(&hash, now).await? else {
            return Ok(None);
        };
        if !matches!(kept.purpose, Purpose::Session(_)) {
            return Ok(None);
        }
        let row = hash_row(&hash);
        let mut session: Session =
            self.vault
                .open_json(column::SIGN_IN_PROOF, &row, &kept.proof)?;
        if now - session.seen_ms >= TOUCH_MS {
            session.seen_ms = now;
            self.put_session(token, &session).await?;
        }
        Ok(Some(session))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`Error::Store`] is safe to repeat.
    pub async fn leave(&self, token: &str) -> Result<(), Error> {
        let hash = sha256(token.as_bytes());
        let now = self.clock.now_ms();
        // A cookie's value might be the state of some sign-in: only sessions end here.
        let kept = self.store.sign_in(&hash, now).await?;
        if kept.is_some_and(|kept| matches!(kept.purpose, Purpose::Session(_))) {
            self.store.take_sign_in(&hash, now).await?;
        }
        Ok(())
    }

    async fn put_session(&self, token: &str, session: &Session) -> Result<(), Error> {
        let state_hash = sha256(token.as_bytes());
        let row = hash_row(&state_hash);
        let idle = session.seen_ms + millis(self.login.idle);
        let absolute = session.created_ms + millis(self.login.absolute);
        let default = EnvironmentId::from("default");
        let environment = session.employee.as_ref().map(|(id, _)| id.clone());
        let sign_in = SignIn {
            purpose: Purpose::Session(environment.unwrap_or(default)),
            proof: self.vault.seal_json(column::SIGN_IN_PROOF, &row, session)?,
            browser_hash: None,
            expires_ms: idle.min(absolute),
        };
        self.commit(vec![Change::PutSignIn {
            state_hash,
            sign_in,
        }])
        .await
    }
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
