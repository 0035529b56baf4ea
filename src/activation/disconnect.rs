//! The end of a link: R20 (somebody disconnects) and R22 (the employee left).
//!
//! The order is what makes the acknowledgement true: first the state, so that no pass begins; then
//! the mailbox's lease, so that none is under way; then, under it, everything is erased; then Graph
//! is told, as well as it goes; and only then the caller is.

use std::time::Duration;

use secrecy::SecretString;
use tribelink_plan::{ids::UserId, rule::Rule};

use super::{Activation, Command, Error, brake_alert, consent_alert, left_alert, transition};
use crate::{
    graph::Call,
    random, remote,
    sealed::user_row,
    store::{
        Alert, AuditDirection, AuditLine, Change, Guard, Lane, Lease, Source, Subscription, User,
        UserState,
    },
    vault::column,
};

/// The user's reason after R22.
pub const EMPLOYEE_LEFT: &str = "employee_left";

/// How often the lease is asked for.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Time limit for ending one subscription: telling Graph is a courtesy, the tokens are gone already.
const UNSUBSCRIBE: Duration = Duration::from_secs(5);

impl Activation {
    /// Disconnects a user (R20); with `forget`, the links and everything about them is erased too.
    /// When it returns, no write follows. Safe to repeat.
    ///
    /// # Errors
    /// [`Error::NotFound`]. After [`Error::Busy`] and [`Error::Store`] the user may be disconnected
    /// already, but not everything is erased: repeat.
    pub async fn disconnect(&self, id: UserId, forget: bool) -> Result<User, Error> {
        self.withdraw(id, Command::Disconnect, forget, None).await
    }

    /// The user's employee is former or gone, as a read of its id confirmed (R22): the same, and
    /// administrators are told. For the engine, which may hold the mailbox's lease already; then it
    /// is used, and stays with the caller.
    ///
    /// # Errors
    /// As [`Activation::disconnect`].
    pub async fn employee_left(&self, id: UserId, held: Option<&Lease>) -> Result<User, Error> {
        self.withdraw(id, Command::EmployeeLeft, false, held).await
    }

    async fn withdraw(
        &self,
        id: UserId,
        command: Command,
        forget: bool,
        held: Option<&Lease>,
    ) -> Result<User, Error> {
        let user = self.user(id).await?;
        let step = transition::step(user.state, user.resume_state, command)?;
        let reason = (command == Command::EmployeeLeft).then(|| EMPLOYEE_LEFT.to_owned());
        let moves = user.state != step.to;
        if moves {
            let mut changes = vec![Change::MoveUser {
                id,
                from: user.state,
                to: step.to,
                resume_state: None,
                reason: reason.clone(),
            }];
            changes.extend(reason.map(|_| self.left(&user)));
            self.commit(changes).await?;
        }
        self.subscriptions.forget(id);
        self.wake.stop(id);
        let line = (moves || forget).then(|| self.line(&user, command, forget));
        match held {
            Some(lease) => self.erase(id, forget, line, lease).await?,
            None => {
                let lease = self.claim(id).await?;
                let erased = self.erase(id, forget, line, &lease).await;
                // An unreturned lease ends by itself.
                let _ = self.store.release(&lease).await;
                erased?;
            }
        }
        self.user(id).await
    }

    /// Waits until nobody works on the mailbox.
    async fn claim(&self, id: UserId) -> Result<Lease, Error> {
        let lane = Lane::Mailbox(id);
        let holder = format!("disconnect-{}", random::token(self.random.as_ref()));
        let lease_ms = i64::try_from(self.settings.lease.as_millis()).unwrap_or(i64::MAX);
        let mut waited = Duration::ZERO;
        // A worker that died lets go after one lease; one that lives after its request in flight.
        let patience = self.settings.lease * 2;
        loop {
            let now = self.clock.now_ms();
            if let Some(lease) = self.store.claim(&lane, &holder, now, lease_ms).await? {
                return Ok(lease);
            }
            if waited >= patience {
                return Err(Error::Busy);
            }
            self.clock.sleep(ASK_AGAIN).await;
            waited += ASK_AGAIN;
        }
    }

    async fn erase(
        &self,
        id: UserId,
        forget: bool,
        line: Option<AuditLine>,
        lease: &Lease,
    ) -> Result<(), Error> {
        let user = self.user(id).await?;
        if user.state != UserState::Disconnected {
            return Err(Error::Changed);
        }
        let rested_ms = user.throttled_until_ms;
        let token = self.last_token(id).await?;
        let subscriptions = self.store.subscriptions_of(id).await?;
        let mut changes = vec![
            // Expects the state once more, since the row below is put whole.
            Change::MoveUser {
                id,
                from: UserState::Disconnected,
                to: UserState::Disconnected,
                resume_state: Some(UserState::Invited),
                reason: user.reason.clone(),
            },
            Change::PutUser(Box::new(blank(user, forget))),
            Change::DropTokens(id),
            Change::DropCursors(id),
            Change::DropMailboxHints(id),
            Change::SleepLinks(id),
            Change::ClearAlert(consent_alert(id)),
            Change::ClearAlert(brake_alert(id)),
        ];
        let ended = subscriptions.iter().map(|one| one.id.clone());
        changes.extend(ended.map(Change::DropSubscription));
        if forget {
            changes.push(Change::ForgetLinks(id));
        } else {
            changes.extend(self.unfinished(id, lease).await?);
        }
        changes.extend(line.map(|line| Change::AddAudit(Box::new(line))));
        let guard = Guard::Lease {
            lease: lease.clone(),
            now_ms: self.clock.now_ms(),
        };
        self.store.commit(&guard, changes).await?;
        let rest = self.unsubscribe(token.as_ref(), &subscriptions).await;
        let Some(rest) = rest else { return Ok(()) };
        // Whoever connects the user again before then must wait as well.
        let now_ms = self.clock.now_ms();
        let guard = Guard::Lease {
            lease: lease.clone(),
            now_ms,
        };
        let until_ms = now_ms.saturating_add(i64::try_from(rest.as_millis()).unwrap_or(i64::MAX));
        let rests = Change::SetUserChores {
            id,
            chores_due_ms: i64::MAX,
            delta_ms: 0,
            proven_ms: None,
            throttled_until_ms: until_ms.max(rested_ms),
        };
        if let Err(error) = self.store.commit(&guard, vec![rests]).await {
            tracing::debug!(%error, "a rest was not kept; Graph asks for it again");
        }
        Ok(())
    }

    /// The access token for the last calls; refreshed when it ended, where that works at once.
    async fn last_token(&self, id: UserId) -> Result<Option<SecretString>, Error> {
        let Some(tokens) = self.store.tokens(id).await? else {
            return Ok(None);
        };
        let row = user_row(id);
        let open = |column, sealed| self.vault.open_text(column, &row, sealed).ok();
        if tokens.expires_ms > self.clock.now_ms() + 10_000 {
            return Ok(open(column::ACCESS_TOKEN, &tokens.access));
        }
        let Some(refresh) = open(column::REFRESH_TOKEN, &tokens.refresh) else {
            return Ok(None);
        };
        // What comes of it is used up here and never stored.
        Ok(self.sign_in.refresh(&refresh).await.ok().map(|i| i.access))
    }

    /// Ends the subscriptions at Graph; answers with the rest that it asks for.
    async fn unsubscribe(
        &self,
        token: Option<&SecretString>,
        subscriptions: &[Subscription],
    ) -> Option<Duration> {
        let token = token?;
        let call = Call {
            token,
            timeout: UNSUBSCRIBE,
        };
        for subscription in subscriptions {
            match self.outlook.unsubscribe(&call, &subscription.id).await {
                Ok(()) | Err(remote::Error::NotFound) => {}
                Err(remote::Error::Throttled { after }) => return after,
                // It ends by itself within a week, and its notices find no subscription here.
                Err(error) => tracing::warn!(%error, "a subscription could not be ended at Graph"),
            }
        }
        None
    }

    /// One line for all links of the user.
    fn line(&self, user: &User, command: Command, forget: bool) -> AuditLine {
        let (rule, cause) = match command {
            Command::EmployeeLeft => (Rule::R22, Source::Engine),
            _ => (Rule::R20, Source::Person),
        };
        let note = if forget { "forgotten" } else { "disconnected" };
        AuditLine {
            id: 0,
            at_ms: self.clock.now_ms(),
            environment: user.environment.clone(),
            user: user.id,
            person: None,
            contact: None,
            rule,
            direction: AuditDirection::None,
            cause,
            fields: Vec::new(),
            values: None,
            note: Some(note.to_owned()),
            pass: 0,
        }
    }

    fn left(&self, user: &User) -> Change {
        Change::RaiseAlert(Alert {
            key: left_alert(user.id),
            environment: user.environment.clone(),
            user: Some(user.id),
            message:
                "The employee is former or gone in Tribe: the link was stopped and its tokens \
                      erased; the contacts in Outlook stay"
                    .to_owned(),
            since_ms: self.clock.now_ms(),
        })
    }
}

/// A disconnected user keeps who it is, its pinned account unless everything is forgotten, and a rest
/// that Graph asked for.
fn blank(user: User, forget: bool) -> User {
    User {
        resume_state: UserState::Invited,
        identity: if forget { None } else { user.identity },
        mailbox: None,
        allow_mailbox: None,
        return_to: None,
        start_on_consent: false,
        started: false,
        chores_due_ms: i64::MAX,
        delta_ms: 0,
        proven_ms: None,
        progress: None,
        released: false,
        braked: None,
        ..user
    }
}
