//! The subscription and the other chores of a mailbox. Subscribed is to the default folder; other
//! folders have their deltas.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Error, Job, graph};
use crate::{
    crash,
    graph::{NewSubscription, SealedFor, SubscriptionInfo, query},
    random, remote,
    sealed::sha256,
    store::{Alert, Certificate, Change, Hint, Source, Subscription, Target},
};

/// How long a subscription may live, less five minutes for clocks that differ (Graph reference 4.1).
const LIFE_MS: i64 = (10_080 - 5) * 60_000;

/// The same for one whose items carry the contact.
const LIFE_WITH_CONTENT_MS: i64 = (1_440 - 5) * 60_000;

/// How long a subscription is made to live.
fn life_ms(with_content: bool) -> i64 {
    match with_content {
        true => LIFE_WITH_CONTENT_MS,
        false => LIFE_MS,
    }
}

/// Whether a subscription may go on as it is: its contents are sealed for the certificate that one
/// made now would name. One that carries none, though it should, is replaced at once; any other in
/// place of its renewal, since a subscription keeps what it was made with.
fn goes_on(subscription: &Subscription, wanted: Option<&str>, young: bool) -> bool {
    match (subscription.certificate.as_deref(), wanted) {
        (None, Some(_)) => false,
        (named, wanted) => young || named == wanted,
    }
}

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
        // However seldom the deltas run, a subscription is looked after four times in its life.
        let look = match self.engine.ports.rich.certificate().await? {
            Some(_) => self.engine.now() + LIFE_WITH_CONTENT_MS / 4,
            None => i64::MAX,
        };
        let due = next
            .min(self.user.delta_ms + self.delta_interval_ms())
            .min(look)
            .max(self.engine.now() + 1_000);
        self.user.chores_due_ms = due;
        self.held.commit(vec![self.chores_change(due, 0)]).await
    }

    /// One subscription, with at least half of its life ahead; Graph is asked whether it is still
    /// there, since the event that it was removed may be lost.
    pub(super) async fn ensure_subscription(&mut self, look: Look) -> Result<(), Error> {
        let now = self.engine.now();
        let certificate = self.engine.ports.rich.certificate().await?;
        let wanted = certificate.as_ref().map(|row| row.id.as_str());
        let kept = self
            .engine
            .ports
            .store
            .subscriptions_of(self.user.id)
            .await?;
        let mut live = false;
        for subscription in kept {
            let life_ms = life_ms(subscription.certificate.is_some());
            let unseen_ms = now - subscription.checked_ms;
            let looks = look == Look::Now || unseen_ms >= life_ms / 4;
            let gone =
                looks && unseen_ms >= JUST_SEEN_MS && self.is_gone_at_graph(&subscription).await?;
            let half = (subscription.expires_ms - subscription.created_ms) / 2;
            let left = subscription.expires_ms - now;
            let young = left > half.min(life_ms / 2);
            let stays = left > 0 && !gone && goes_on(&subscription, wanted, young);
            if stays && (young || self.renew(&subscription).await?) {
                live = true;
            } else {
                if left > 0 && !gone && !stays {
                    // Graph takes no second one to the same (Graph reference 4.1). What changes
                    // until the next one is made, the delta that follows it finds.
                    let outlook = &self.engine.ports.outlook;
                    graph!(self, |call| outlook.unsubscribe(call, &subscription.id))?;
                }
                self.held
                    .commit(vec![Change::DropSubscription(subscription.id)])
                    .await?;
            }
        }
        if live {
            return Ok(());
        }
        match self.subscribe(certificate).await {
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

    async fn subscribe(&mut self, certificate: Option<Certificate>) -> Result<(), Error> {
        let sealed_for = certificate.map(|row| SealedFor {
            id: row.id,
            certificate: row.certificate,
        });
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
            resource: match sealed_for {
                Some(_) => query::contacts_with_content(),
                None => query::CONTACTS.to_owned(),
            },
            client_state: SecretString::from(client_state.clone()),
            expires: timestamp(self.engine.now() + life_ms(sealed_for.is_some())),
            sealed_for,
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
        let put = self.put(&answer, &wanted);
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

    fn put(&self, answer: &SubscriptionInfo, wanted: &NewSubscription) -> Change {
        let now = self.engine.now();
        let client_state = wanted.client_state.expose_secret();
        Change::PutSubscription(Subscription {
            id: answer.id.clone(),
            user: self.user.id,
            environment: self.user.environment.clone(),
            resource: answer.resource.clone(),
            client_state_hash: sha256(client_state.as_bytes()),
            expires_ms: answer.expires.as_millisecond(),
            created_ms: now,
            checked_ms: now,
            certificate: wanted.sealed_for.as_ref().map(|known| known.id.clone()),
        })
    }

    /// Renews a subscription; false when it is gone.
    async fn renew(&mut self, subscription: &Subscription) -> Result<bool, Error> {
        let life_ms = life_ms(subscription.certificate.is_some());
        let expires = timestamp(self.engine.now() + life_ms);
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

#[cfg(test)]
mod tests {
    use tribelink_plan::ids::{EnvironmentId, UserId};

    use super::*;

    #[test]
    fn a_subscription_is_replaced_where_its_certificate_is_not_the_one_of_today() {
        let goes_on = |named: Option<&str>, wanted, young| {
            let subscription = Subscription {
                id: "s".to_owned(),
                user: UserId(uuid::Uuid::nil()),
                environment: EnvironmentId::from("e"),
                resource: String::new(),
                client_state_hash: [0; 32],
                expires_ms: 0,
                created_ms: 0,
                checked_ms: 0,
                certificate: named.map(str::to_owned),
            };
            super::goes_on(&subscription, wanted, young)
        };
        assert!(goes_on(None, None, false) && goes_on(Some("a"), Some("a"), false));
        // The option was switched on.
        assert!(!goes_on(None, Some("a"), true));
        // It was switched off, or the certificate replaced: with the next renewal.
        assert!(goes_on(Some("a"), None, true) && !goes_on(Some("a"), None, false));
        assert!(goes_on(Some("a"), Some("b"), true) && !goes_on(Some("a"), Some("b"), false));
    }
}
