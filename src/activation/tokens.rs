//! The access token of a mailbox, for workers.
//!
//! Opened when asked for, refreshed a minute before it ends, once at a time for each user. A new
//! refresh token is durable before its access token is used: a crash in between costs nothing, since
//! Microsoft leaves the old one valid (Graph reference 1.3), and where it would not, the new one is
//! there. Two replicas that refresh at once are told apart by the stored generation; the later one
//! takes what the earlier saved.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use secrecy::SecretString;
use tribelink_plan::{
    ids::UserId,
    planted::{self, Bug},
    rule::Rule,
};

use super::{Command, Refusal, consent_alert, transition};
use crate::{
    clock::Clock,
    crash,
    digest::same_secret,
    graph::SignIn,
    remote,
    sealed::user_row,
    store::{self, Alert, Change, Guard, Store, Tokens},
    telemetry::meter::{self, Refresh},
    vault::{self, Vault, column},
};

/// How long before its end an access token is renewed, in milliseconds.
const MARGIN_MS: i64 = 60_000;

/// How long until a refresh without an answer is repeated, while the access token at hand still lasts, in
/// milliseconds: not with every call of a job.
const REPEAT_MS: i64 = 10_000;

/// How often a lost race is run again.
const ROUNDS: usize = 3;

/// Why there is no access token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None is stored: the user is disconnected or never consented. Stop.
    #[error("no tokens are stored")]
    Absent,
    /// R21: the consent is gone; the user was moved to `needs_consent` and an alert stands. Stop.
    #[error("the user must sign in again")]
    ConsentNeeded,
    /// Microsoft could not be asked; the error says when to repeat, or that an administrator must act.
    #[error(transparent)]
    Remote(remote::Error),
    /// The store failed. Safe to repeat.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// They do not open: an administrator must act.
    #[error(transparent)]
    Vault(#[from] vault::Error),
}

/// Keeps the tokens of all users fresh.
pub struct Keeper {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    sign_in: Arc<dyn SignIn>,
    gates: Mutex<HashMap<UserId, Weak<tokio::sync::Mutex<()>>>>,
    /// Whose last refresh was sent and not answered, and when it is repeated, in milliseconds since the epoch.
    /// Where a refresh token works once, the newer one must be asked for while the one at hand is still taken
    /// for a repetition.
    unanswered: Mutex<HashMap<UserId, i64>>,
}

impl Keeper {
    /// A keeper over the store.
    pub fn new(
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        sign_in: Arc<dyn SignIn>,
    ) -> Keeper {
        Keeper {
            store,
            vault,
            clock,
            sign_in,
            gates: Mutex::default(),
            unanswered: Mutex::default(),
        }
    }

    /// An access token that is good for a minute at least.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn access(&self, user: UserId) -> Result<SecretString, Error> {
        self.fresh(user, None).await
    }

    /// Another access token than the one that was answered with 401.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn renewed(
        &self,
        user: UserId,
        refused: &SecretString,
    ) -> Result<SecretString, Error> {
        self.fresh(user, Some(refused)).await
    }

    async fn fresh(
        &self,
        user: UserId,
        refused: Option<&SecretString>,
    ) -> Result<SecretString, Error> {
        let gate = self.gate(user);
        let _one_at_a_time = gate.lock().await;
        let row = user_row(user);
        for _ in 0..ROUNDS {
            let tokens = self.store.tokens(user).await?.ok_or(Error::Absent)?;
            let open = |column, sealed| self.vault.open_text(column, &row, sealed);
            let access = open(column::ACCESS_TOKEN, &tokens.access)?;
            let is_refused = refused.is_some_and(|refused| same_secret(refused, &access));
            let lasts = !is_refused && tokens.expires_ms - MARGIN_MS > self.clock.now_ms();
            let again_ms = self.unanswered().get(&user).copied();
            if lasts && again_ms.is_none_or(|again_ms| self.clock.now_ms() < again_ms) {
                return Ok(access);
            }
            let refresh = open(column::REFRESH_TOKEN, &tokens.refresh)?;
            let issued = match self.sign_in.refresh(&refresh).await {
                Ok(issued) => issued,
                Err(remote::Error::ConsentNeeded(_)) => {
                    meter::refreshed(Refresh::ConsentNeeded);
                    self.unanswered().remove(&user);
                    match self.consent_lost(user, &tokens).await? {
                        // A sign-in or another replica saved newer ones: these may work.
                        Lost::Outdated => continue,
                        Lost::Told => return Err(Error::ConsentNeeded),
                    }
                }
                Err(error) => {
                    meter::refreshed(Refresh::Failed);
                    if matches!(error, remote::Error::Transient(_)) || error.is_unknown() {
                        let again_ms = self.clock.now_ms() + REPEAT_MS;
                        self.unanswered().insert(user, again_ms);
                    }
                    return match lasts {
                        true => Ok(access),
                        false => Err(Error::Remote(error)),
                    };
                }
            };
            crash::point("token-refreshed");
            let seal = |column, text: &SecretString| self.vault.seal_text(column, &row, text);
            let newer = Tokens {
                refresh: match &issued.refresh {
                    Some(_) if planted::is(Bug::RefreshTokenNotSaved) => tokens.refresh,
                    Some(newest) => seal(column::REFRESH_TOKEN, newest),
                    None => tokens.refresh,
                },
                access: seal(column::ACCESS_TOKEN, &issued.access),
                expires_ms: expires_ms(self.clock.now_ms(), issued.expires_in),
                ..tokens
            };
            let put = Change::PutTokens {
                user,
                expected: newer.generation,
                tokens: newer,
            };
            match self.store.commit(&Guard::None, vec![put]).await {
                Ok(()) => {
                    self.unanswered().remove(&user);
                    crash::point("token-saved");
                    meter::refreshed(Refresh::Refreshed);
                    return Ok(issued.access);
                }
                Err(store::Error::Conflict(_)) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        Err(store::Error::Conflict("the tokens").into())
    }

    /// Moves the user to `needs_consent` and tells administrators, unless its tokens are newer than
    /// those that were refused.
    async fn consent_lost(&self, id: UserId, refused: &Tokens) -> Result<Lost, Error> {
        for _ in 0..ROUNDS {
            let stored = self.store.tokens(id).await?.ok_or(Error::Absent)?;
            if stored.generation != refused.generation {
                return Ok(Lost::Outdated);
            }
            let user = self.store.user(id).await?.ok_or(Error::Absent)?;
            let step = match transition::step(user.state, user.resume_state, Command::ConsentLost) {
                Ok(step) => step,
                Err(Refusal { .. }) => return Err(Error::Absent),
            };
            let alert = Alert {
                key: consent_alert(id),
                environment: user.environment,
                user: Some(id),
                message: format!(
                    "{} Send the user a fresh consent link.",
                    Rule::R21.sentence()
                ),
                since_ms: self.clock.now_ms(),
            };
            let changes = vec![
                Change::MoveUser {
                    id,
                    from: user.state,
                    to: step.to,
                    resume_state: step.resume,
                    reason: user.reason,
                },
                Change::RaiseAlert(alert),
            ];
            match self.store.commit(&Guard::None, changes).await {
                Ok(()) => return Ok(Lost::Told),
                Err(store::Error::Conflict(_)) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        Err(store::Error::Conflict("the user").into())
    }

    fn unanswered(&self) -> MutexGuard<'_, HashMap<UserId, i64>> {
        let all = self.unanswered.lock();
        all.unwrap_or_else(PoisonError::into_inner)
    }

    /// The user's own gate; gates that nobody holds are swept out as new ones are made.
    fn gate(&self, user: UserId) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(&user).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(tokio::sync::Mutex::new(()));
        gates.insert(user, Arc::downgrade(&gate));
        gate
    }
}

enum Lost {
    Told,
    Outdated,
}

/// When a token ends that was issued now.
pub fn expires_ms(now_ms: i64, expires_in: u64) -> i64 {
    let seconds = i64::try_from(expires_in).unwrap_or(i64::MAX / 1_000);
    now_ms.saturating_add(seconds.saturating_mul(1_000))
}
