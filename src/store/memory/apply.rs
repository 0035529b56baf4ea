//! What each change does to the tables.

use std::collections::BTreeSet;

use tribelink_plan::{
    ids::{EnvironmentId, UserId},
    link::LinkState,
};

use super::state::State;
use crate::store::*;

impl State {
    /// Applies one change; an error leaves the taking back to the caller.
    pub(super) fn apply(&mut self, change: Change) -> Result<(), Error> {
        match change {
            Change::AddHints(hints) => self.add_hints(hints)?,
            Change::DropHints(ids) => {
                for id in ids {
                    self.hints.remove(&id);
                }
            }
            Change::DelayHints {
                ids,
                not_before_ms,
                attempts,
            } => {
                for id in ids {
                    self.hints.update(&id, |hint| {
                        hint.not_before_ms = not_before_ms;
                        hint.attempts = attempts;
                    });
                }
            }
            Change::DropMailboxHints(user) => {
                self.hints.remove_where(|_, hint| hint.user == Some(user));
            }
            Change::PutEnvironment(environment) => {
                self.environments.put(environment.id.clone(), environment);
            }
            Change::SetEnvironmentChores {
                id,
                polled_ms,
                chores_due_ms,
                swept_ms,
            } => {
                let found = self.environments.update(&id, |environment| {
                    environment.polled_ms = polled_ms;
                    environment.chores_due_ms = chores_due_ms;
                    environment.swept_ms = swept_ms;
                });
                expect(found, "environment")?;
            }
            Change::RestEnvironment { id, until_ms } => {
                let found = self.environments.update(&id, |environment| {
                    environment.throttled_until_ms = until_ms.max(environment.throttled_until_ms);
                });
                expect(found, "environment")?;
            }
            Change::RestUser { id, until_ms } => {
                let found = self.users.update(&id, |user| {
                    user.throttled_until_ms = until_ms.max(user.throttled_until_ms);
                });
                expect(found, "user")?;
            }
            Change::PutWebhook(webhook) => {
                self.environment_exists(&webhook.environment)?;
                let key = (webhook.environment.clone(), webhook.id.clone());
                self.webhooks.put(key, webhook);
            }
            Change::DropWebhook { environment, id } => {
                self.webhooks.remove(&(environment, id));
            }
            Change::PutUser(user) => self.put_user(*user)?,
            Change::MoveUser {
                id,
                from,
                to,
                resume_state,
                reason,
            } => {
                let stands = self.users.get(&id).is_some_and(|user| user.state == from);
                expect(stands, "user")?;
                self.users.update(&id, |user| {
                    user.state = to;
                    user.resume_state = resume_state.unwrap_or(user.resume_state);
                    user.reason = reason;
                });
            }
            Change::SetUserChores {
                id,
                chores_due_ms,
                delta_ms,
                proven_ms,
                throttled_until_ms,
            } => {
                let found = self.users.update(&id, |user| {
                    user.chores_due_ms = chores_due_ms;
                    user.delta_ms = delta_ms;
                    user.proven_ms = proven_ms;
                    user.throttled_until_ms = throttled_until_ms;
                });
                expect(found, "user")?;
            }
            Change::SetProgress { id, progress } => {
                expect(
                    self.users.update(&id, |user| user.progress = progress),
                    "user",
                )?;
            }
            Change::SetBrake {
                id,
                released,
                brake_since_ms,
                braked,
            } => {
                let found = self.users.update(&id, |user| {
                    user.released = released;
                    user.brake_since_ms = brake_since_ms;
                    user.braked = braked;
                });
                expect(found, "user")?;
            }
            Change::CountBrake { user, at_ms, count } => {
                self.user_exists(user)?;
                let key = (user, at_ms);
                let before = self.brake_counts.get(&key).copied().unwrap_or_default();
                self.brake_counts.put(key, before.saturating_add(count));
            }
            Change::PutTokens {
                user,
                tokens,
                expected,
            } => {
                self.user_exists(user)?;
                let stored = self.tokens.get(&user);
                let tokens = rotate(stored, tokens, expected)?;
                self.tokens.put(user, tokens);
            }
            Change::DropTokens(user) => {
                self.tokens.remove(&user);
            }
            Change::PutEnvironmentTokens {
                environment,
                tokens,
                expected,
            } => {
                self.environment_exists(&environment)?;
                let stored = self.environment_tokens.get(&environment);
                let tokens = rotate(stored, tokens, expected)?;
                self.environment_tokens.put(environment, tokens);
            }
            Change::PutSignIn {
                state_hash,
                sign_in,
            } => {
                match &sign_in.purpose {
                    Purpose::Invite(user) | Purpose::Consent(user) => self.user_exists(*user)?,
                    Purpose::Employee(environment)
                    | Purpose::Connect(environment)
                    | Purpose::Page(environment)
                    | Purpose::Session(environment) => {
                        self.environment_exists(environment)?;
                    }
                }
                self.sign_ins.put(state_hash, sign_in);
            }
            Change::PutLink(row) => {
                self.user_in(row.user, &row.environment)?;
                self.links.put((row.user, row.person), *row);
            }
            Change::DropLink { user, person } => {
                self.links.remove(&(user, person));
            }
            Change::SleepLinks(user) => self.links.update_where(
                |(owner, _), row| *owner == user && row.link.state == LinkState::Linked,
                |row| row.link.state = LinkState::Sleeping,
            ),
            Change::ForgetLinks(user) => self.forget_links(user),
            Change::PutCursor { user, cursor } => {
                self.user_exists(user)?;
                self.cursors.put((user, cursor.folder.clone()), cursor);
            }
            Change::DropCursor { user, folder } => {
                self.cursors.remove(&(user, folder));
            }
            Change::DropCursors(user) => self.cursors.remove_where(|(owner, _), _| *owner == user),
            Change::PutSubscription(subscription) => {
                self.user_in(subscription.user, &subscription.environment)?;
                self.subscriptions
                    .put(subscription.id.clone(), subscription);
            }
            Change::DropSubscription(id) => {
                self.subscriptions.remove(&id);
            }
            Change::PutCertificate(certificate) => {
                let taken = self.certificates.get(&certificate.number).is_some();
                let known = self
                    .certificates
                    .values()
                    .any(|other| other.id == certificate.id);
                expect(!taken && !known, "certificate")?;
                self.certificates.put(certificate.number, certificate);
            }
            Change::TidyCertificates { below, now_ms } => {
                let live = self.subscriptions.values();
                let live = live.filter(|subscription| subscription.expires_ms > now_ms);
                let used: BTreeSet<String> =
                    live.filter_map(|live| live.certificate.clone()).collect();
                self.certificates
                    .remove_where(|number, row| *number < below && !used.contains(&row.id));
            }
            Change::PutCanary(round) => {
                self.environment_exists(&round.environment)?;
                self.canaries.put(round.environment.clone(), round);
            }
            Change::AwaitCanary {
                user,
                to,
                round,
                since_ms,
            } => self.await_canary(user, to, round, since_ms)?,
            Change::ProveCanary {
                user,
                to,
                round,
                at_ms,
                took_ms,
            } => self.prove_canary(user, to, round, (at_ms, took_ms))?,
            Change::EndCanaryWait { user, to } => self.end_canary_wait(user, to),
            Change::AddAudit(mut line) => {
                self.user_in(line.user, &line.environment)?;
                self.numbers.audit += 1;
                line.id = self.numbers.audit;
                self.audit.put(line.id, *line);
            }
            Change::ForgetAuditValues { before_ms } => self.audit.update_where(
                |_, line| line.at_ms < before_ms && line.values.is_some(),
                |line| line.values = None,
            ),
            Change::DropAudit { before_ms } => {
                let eldest = self.audit.iter().take(crate::store::AUDIT_DROPPED);
                let old = eldest.filter(|(_, line)| line.at_ms < before_ms);
                let old: Vec<i64> = old.map(|(id, _)| *id).collect();
                for id in old {
                    self.audit.remove(&id);
                }
            }
            Change::PutHeld(held) => self.put_held(*held)?,
            Change::DecideHeld { id, accepted } => {
                let found = self.held.update(&id, |held| held.accepted = Some(accepted));
                expect(found, "held item")?;
            }
            Change::DropHeld(ids) => {
                for id in ids {
                    self.held.remove(&id);
                }
            }
            Change::PutParked(parked) => self.put_parked(*parked)?,
            Change::DropParked(ids) => {
                for id in ids {
                    self.parked.remove(&id);
                }
            }
            Change::PutPreview { user, preview } => {
                self.user_exists(user)?;
                if !preview.ready {
                    self.preview_items
                        .remove_where(|(owner, _), _| *owner == user);
                }
                self.previews.put(user, preview);
            }
            Change::AddPreviewItems { user, items } => {
                self.user_exists(user)?;
                for item in items {
                    self.preview_items.put((user, item.person), item);
                }
            }
            Change::RaiseAlert(alert) => {
                if self.alerts.get(&alert.key).is_none() {
                    self.alerts.put(alert.key.clone(), alert);
                }
            }
            Change::ClearAlert(key) => {
                self.alerts.remove(&key);
            }
            Change::PutAnswered {
                key_hash,
                answered,
                at_ms,
            } => self.answers.put(key_hash, (answered, at_ms)),
            Change::Reseal { cell, sealed } => self.reseal(&cell, sealed),
            Change::Tidy { now_ms } => {
                self.sign_ins
                    .remove_where(|_, row| row.expires_ms <= now_ms);
                let answers = now_ms.saturating_sub(ANSWERS_KEPT_MS);
                self.answers.remove_where(|_, (_, at_ms)| *at_ms < answers);
                let counts = now_ms.saturating_sub(BRAKE_COUNTS_KEPT_MS);
                self.brake_counts
                    .remove_where(|(_, at_ms), _| *at_ms < counts);
            }
        }
        Ok(())
    }

    pub(super) fn add_hints(&mut self, hints: Vec<NewHint>) -> Result<(), Error> {
        for hint in hints {
            match hint.user {
                Some(user) => self.user_in(user, &hint.environment)?,
                None => self.environment_exists(&hint.environment)?,
            }
            self.numbers.hints += 1;
            self.hints.put(self.numbers.hints, hint);
        }
        Ok(())
    }

    fn put_user(&mut self, user: User) -> Result<(), Error> {
        self.environment_exists(&user.environment)?;
        let moved = self
            .users
            .get(&user.id)
            .is_some_and(|stored| stored.environment != user.environment);
        let taken = self
            .user_of(&user.environment, user.employee)
            .is_some_and(|other| other.id != user.id);
        expect(!moved && !taken, "user")?;
        self.users.put(user.id, user);
        Ok(())
    }

    fn forget_links(&mut self, user: UserId) {
        self.links.remove_where(|(owner, _), _| *owner == user);
        self.audit.update_where(
            |_, line| line.user == user && line.values.is_some(),
            |line| line.values = None,
        );
        self.held.remove_where(|_, held| held.user == user);
        self.parked.remove_where(|_, parked| parked.user == user);
        self.previews.remove(&user);
        self.canary_proofs
            .remove_where(|(owner, _), _| *owner == user);
        self.preview_items
            .remove_where(|(owner, _), _| *owner == user);
    }

    fn put_held(&mut self, mut held: Held) -> Result<(), Error> {
        self.user_in(held.user, &held.environment)?;
        let standing = self.held.values().find(|other| {
            other.user == held.user && other.person == held.person && other.rule == held.rule
        });
        held.id = match standing {
            Some(other) => other.id,
            None => {
                self.numbers.held += 1;
                self.numbers.held
            }
        };
        self.held.put(held.id, held);
        Ok(())
    }

    fn put_parked(&mut self, mut parked: Parked) -> Result<(), Error> {
        self.user_in(parked.user, &parked.environment)?;
        let standing = self.parked.values().find(|other| {
            other.user == parked.user
                && other.person == parked.person
                && other.field == parked.field
        });
        parked.id = match standing {
            Some(other) => other.id,
            None => {
                self.numbers.parked += 1;
                self.numbers.parked
            }
        };
        self.parked.put(parked.id, parked);
        Ok(())
    }

    pub(super) fn user_exists(&self, user: UserId) -> Result<(), Error> {
        expect(self.users.get(&user).is_some(), "user")
    }

    fn user_in(&self, user: UserId, environment: &EnvironmentId) -> Result<(), Error> {
        let stored = self.users.get(&user).ok_or(Error::Conflict("user"))?;
        expect(stored.environment == *environment, "environment")
    }

    fn environment_exists(&self, environment: &EnvironmentId) -> Result<(), Error> {
        expect(self.environments.get(environment).is_some(), "environment")
    }
}

fn expect(holds: bool, what: &'static str) -> Result<(), Error> {
    if holds {
        Ok(())
    } else {
        Err(Error::Conflict(what))
    }
}

/// The tokens as they are stored when the stored ones are still those that were read.
fn rotate(stored: Option<&Tokens>, tokens: Tokens, expected: i64) -> Result<Tokens, Error> {
    let generation = stored.map_or(0, |stored| stored.generation);
    expect(generation == expected, "tokens")?;
    Ok(Tokens {
        generation: expected.saturating_add(1),
        ..tokens
    })
}
