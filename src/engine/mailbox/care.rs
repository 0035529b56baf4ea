//! The subscription and the other chores of a mailbox.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Error, Job, graph};
use crate::{
    crash,
    graph::{NewSubscription, SubscriptionInfo},
    random, remote,
    sealed::sha256,
    store::{Alert, Change, Hint, Source, Subscription, Target},
};

/// What is subscribed to: the default folder; other folders have their deltas.
const RESOURCE: &str = "/me/contacts";

/// How long a subscription may live, less five minutes for clocks that differ (Graph reference 4.1).
const LIFE_MS: i64 = (10_080 - 5) * 60_000;

/// A subscription that was seen within this time is not asked for again: a sweep and the chores that
/// follow it cost one look.
const JUST_SEEN_MS: i64 = 60_000;

/// When Graph is asked whether a subscription is still there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Four times in its life.
    WhenOld,
    /// In any case.
    Now,
}

/// A reauthorisation is never asked for twice within this time (Graph reference 4.4).
const REAUTHORISED_MS: i64 = 10 * 60_000;

impl Job<'_> {
    /// Delta and subscription, whichever is due; then the next time is planned.
    pub(super) async fn chores(&mut self) -> Result<(), Error> {
        self.ensure_subscription(Look::WhenOld).await?;
        let now = self.engine.now();
        if now - self.user.delta_ms >= self.delta_interval_ms() {
            self.deltas().await?;
        }
        if let Some(undo) = self.engine.settings.undo {
            let before_ms = now - super::millis(undo);
            self.held
                .commit(vec![Change::ForgetAuditValues { before_ms }])
                .await?;
        }
        let next = self.engine.now().max(self.user.delta_ms) + self.delta_interval_ms();
        let due = next
            .min(self.user.delta_ms + self.delta_interval_ms())
            .max(self.engine.now() + 1_000);
        self.user.chores_due_ms = due;
        self.held.commit(vec![self.chores_change(due, 0)]).await
    }

    /// One subscription, with at least half of its life ahead; Graph is asked whether it is still
    /// there, since the event that it was removed may be lost.
    pub(super) async fn ensure_subscription(&mut self, look: Look) -> Result<(), Error> {
        let now = self.engine.now();
        let kept = self
            .engine
            .ports
            .store
            .subscriptions_of(self.user.id)
            .await?;
        let mut live = false;
        for subscription in kept {
            let unseen_ms = now - subscription.checked_ms;
            let looks = look == Look::Now || unseen_ms >= LIFE_MS / 4;
            let gone =
                looks && unseen_ms >= JUST_SEEN_MS && self.is_gone_at_graph(&subscription).await?;
            let half = (subscription.expires_ms - subscription.created_ms) / 2;
            let left = subscription.expires_ms - now;
            let young = left > half.min(LIFE_MS / 2);
            if left > 0 && !gone && (young || self.renew(&subscription).await?) {
                live = true;
            } else {
                self.held
                    .commit(vec![Change::DropSubscription(subscription.id)])
                    .await?;
            }
        }
        if live {
            return Ok(());
        }
        match self.subscribe().await {
            Ok(()) => Ok(()),
            // Without notifications the deltas still find everything, only later.
            Err(Error::Remote(error)) if !error.is_passing() => {
                self.held
                    .commit(vec![Change::RaiseAlert(Alert {
                        key: alert_key(self.user.id),
                        environment: self.user.environment.clone(),
                        user: Some(self.user.id),
                        message: format!(
                            "Microsoft refused the subscription ({error}); check that server.public_url can be reached from outside. Changes in Outlook arrive by the regular look meanwhile."
                        ),
                        since_ms: self.engine.now(),
                    })])
                    .await
            }
            Err(error) => Err(error),
        }
    }

    /// Whether Graph no longer lists a subscription; one that it lists was seen just now.
    async fn is_gone_at_graph(&mut self, subscription: &Subscription) -> Result<bool, Error> {
        let outlook = &self.engine.ports.outlook;
        let all = graph!(self, |call| outlook.subscriptions(call))?;
        let Some(seen) = all.iter().find(|known| known.id == subscription.id) else {
            return Ok(true);
        };
        let seen = Subscription {
            expires_ms: seen.expires.as_millisecond(),
            checked_ms: self.engine.now(),
            ..subscription.clone()
        };
        self.held
            .commit(vec![Change::PutSubscription(seen)])
            .await?;
        Ok(false)
    }

    async fn subscribe(&mut self) -> Result<(), Error> {
        let client_state = random::token(self.engine.ports.random.as_ref());
        let base = self
            .engine
            .settings
            .public_url
            .trim_end_matches('/')
            .to_owned();
        let wanted = NewSubscription {
            notification_url: format!("{base}/webhooks/graph/notifications"),
            lifecycle_url: format!("{base}/webhooks/graph/lifecycle"),
            resource: RESOURCE.to_owned(),
            client_state: SecretString::from(client_state.clone()),
            expires: timestamp(self.engine.now() + LIFE_MS),
        };
        let outlook = &self.engine.ports.outlook;
        let answer = match graph!(self, |call| outlook.subscribe(call, &wanted)) {
            Err(remote::Error::Exists(_)) => {
                self.end_orphans(&wanted.notification_url).await?;
                graph!(self, |call| outlook.subscribe(call, &wanted))?
            }
            other => other?,
        };
        crash::point("subscription-made");
        // One commit: what changed while nobody was told is looked for even after a crash.
        let put = self.put(&answer, wanted.client_state.expose_secret());
        let clear = Change::ClearAlert(alert_key(self.user.id));
        let delta = self.hint(Target::Delta, Source::Engine);
        self.held
            .commit(vec![put, clear, Change::AddHints(vec![delta])])
            .await?;
        crash::point("subscription-saved");
        Ok(())
    }

    /// Subscriptions of this service that the store does not know: their clientState is lost.
    async fn end_orphans(&mut self, notification_url: &str) -> Result<(), Error> {
        let outlook = &self.engine.ports.outlook;
        let all = graph!(self, |call| outlook.subscriptions(call))?;
        for orphan in all
            .iter()
            .filter(|known| known.notification_url == notification_url)
        {
            graph!(self, |call| outlook.unsubscribe(call, &orphan.id))?;
        }
        Ok(())
    }

    fn put(&self, answer: &SubscriptionInfo, client_state: &str) -> Change {
        let now = self.engine.now();
        Change::PutSubscription(Subscription {
            id: answer.id.clone(),
            user: self.user.id,
            environment: self.user.environment.clone(),
            resource: answer.resource.clone(),
            client_state_hash: sha256(client_state.as_bytes()),
            expires_ms: answer.expires.as_millisecond(),
            created_ms: now,
            checked_ms: now,
        })
    }

    /// Renews a subscription; false when it is gone.
    async fn renew(&mut self, subscription: &Subscription) -> Result<bool, Error> {
        let expires = timestamp(self.engine.now() + LIFE_MS);
        let outlook = &self.engine.ports.outlook;
        match graph!(self, |call| outlook.renew(call, &subscription.id, expires)) {
            Ok(answer) => {
                let now = self.engine.now();
                let renewed = Subscription {
                    expires_ms: answer.expires.as_millisecond(),
                    created_ms: now,
                    checked_ms: now,
                    ..subscription.clone()
                };
                self.held
                    .commit(vec![Change::PutSubscription(renewed)])
                    .await?;
                Ok(true)
            }
            Err(remote::Error::NotFound) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// What Graph says of a subscription (Graph reference 4.4). Each reaction may be repeated.
    pub(super) async fn lifecycle(
        &mut self,
        hint: &Hint,
        event: &str,
        id: &str,
    ) -> Result<(), Error> {
        let known = self.engine.ports.store.subscription(id).await?;
        let known = known.filter(|subscription| subscription.user == self.user.id);
        match (event, known) {
            ("reauthorizationRequired", Some(subscription)) => {
                // A renewal counts, a look does not.
                let recent = self.engine.now() - subscription.created_ms < REAUTHORISED_MS;
                let fresh = subscription.created_ms > hint.hint.received_ms;
                let answered = recent && fresh;
                if !answered && !self.renew(&subscription).await? {
                    self.held
                        .commit(vec![Change::DropSubscription(subscription.id)])
                        .await?;
                    self.ensure_subscription(Look::WhenOld).await?;
                }
            }
            ("subscriptionRemoved", Some(subscription)) => {
                self.held
                    .commit(vec![Change::DropSubscription(subscription.id)])
                    .await?;
                self.ensure_subscription(Look::WhenOld).await?;
            }
            // `missed`, and whatever a later version says: look. One that is no longer known was dropped
            // before this event's work was done: a job that ended in between may have left none.
            _ => {
                self.ensure_subscription(Look::WhenOld).await?;
                let delta = self.hint(Target::Delta, Source::Lifecycle);
                self.held
                    .commit(vec![Change::AddHints(vec![delta])])
                    .await?;
            }
        }
        self.held
            .commit(vec![Change::DropHints(vec![hint.id])])
            .await
    }
}

fn alert_key(user: tribelink_plan::ids::UserId) -> String {
    format!("subscription/{user}")
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}
