//! A commit, change by change, and what every room asks of it.

use tribelink_plan::ids::{EnvironmentId, UserId};

use super::{
    alerts, answers, audit, canaries, certificates, cursors, environments, held, hints, leases,
    links, parked, previews, sealed_cells, sign_ins, subscriptions, tokens, users,
    writing::{LaneKey, Sql, Writing},
};
use crate::store::{Change, Error, Guard};

impl Writing<'_> {
    /// Runs a statement that must meet a row, else `what` is not as expected.
    pub(in crate::store) async fn must(
        &mut self,
        sql: Sql<'_>,
        what: &'static str,
    ) -> Result<(), Error> {
        match self.run(sql).await?.rows_affected() {
            0 => Err(Error::Conflict(what)),
            _ => Ok(()),
        }
    }

    /// Runs a statement that erases something which must soon be gone from a log as well.
    pub(in crate::store) async fn erase(&mut self, sql: Sql<'_>) -> Result<(), Error> {
        if self.run(sql).await?.rows_affected() > 0 {
            self.erased();
        }
        Ok(())
    }

    /// The user's number and environment, where there is such a user.
    pub(in crate::store) async fn find_user(
        &mut self,
        id: UserId,
    ) -> Result<Option<(i64, EnvironmentId)>, Error> {
        if let Some(known) = self.users.get(&id) {
            return Ok(Some(known.clone()));
        }
        let found = users::number_of(self, id).await?;
        if let Some(found) = &found {
            self.users.insert(id, found.clone());
        }
        Ok(found)
    }

    /// The user's number.
    pub(in crate::store) async fn user(&mut self, id: UserId) -> Result<i64, Error> {
        let found = self.find_user(id).await?;
        Ok(found.ok_or(Error::Conflict("user"))?.0)
    }

    /// The user's number, when it belongs to that environment.
    pub(in crate::store) async fn user_in(
        &mut self,
        id: UserId,
        environment: &EnvironmentId,
    ) -> Result<i64, Error> {
        let (number, own) = self.find_user(id).await?.ok_or(Error::Conflict("user"))?;
        if own == *environment {
            Ok(number)
        } else {
            Err(Error::Conflict("environment"))
        }
    }

    /// The lane's hints changed: when it falls due is computed again at the end.
    pub(in crate::store) fn touch(&mut self, lane: LaneKey) {
        self.touched.insert(lane);
    }

    pub(in crate::store) async fn commit(
        &mut self,
        guard: &Guard,
        changes: &[Change],
    ) -> Result<(), Error> {
        if let Guard::Lease { lease, now_ms } = guard
            && !leases::holds(self, lease, *now_ms).await?
        {
            return Err(Error::LeaseLost);
        }
        for change in changes {
            self.apply(change).await?;
        }
        Ok(())
    }

    async fn apply(&mut self, change: &Change) -> Result<(), Error> {
        match change {
            Change::AddHints(hints) => hints::add(self, hints).await,
            Change::DropHints(ids) => hints::drop(self, ids).await,
            Change::DelayHints {
                ids,
                not_before_ms,
                attempts,
            } => hints::delay(self, ids, *not_before_ms, *attempts).await,
            Change::DropMailboxHints(user) => hints::drop_mailbox(self, *user).await,
            Change::PutEnvironment(environment) => environments::put(self, environment).await,
            Change::SetEnvironmentChores {
                id,
                polled_ms,
                chores_due_ms,
                swept_ms,
            } => {
                let times = [*polled_ms, *chores_due_ms, *swept_ms];
                environments::set_chores(self, id, times).await
            }
            Change::RestEnvironment { id, until_ms } => {
                environments::rest(self, id, *until_ms).await
            }
            Change::RestUser { id, until_ms } => users::rest(self, *id, *until_ms).await,
            Change::PutWebhook(webhook) => environments::put_webhook(self, webhook).await,
            Change::DropWebhook { environment, id } => {
                environments::drop_webhook(self, environment, id).await
            }
            Change::PutUser(user) => users::put(self, user).await,
            Change::MoveUser {
                id,
                from,
                to,
                resume_state,
                reason,
            } => users::go(self, *id, (*from, *to), *resume_state, reason.as_deref()).await,
            Change::SetUserChores {
                id,
                chores_due_ms,
                delta_ms,
                proven_ms,
                throttled_until_ms,
            } => {
                let times = [*chores_due_ms, *delta_ms, *throttled_until_ms];
                users::set_chores(self, *id, times, *proven_ms).await
            }
            Change::SetProgress { id, progress } => users::set_progress(self, *id, *progress).await,
            Change::SetBrake {
                id,
                released,
                brake_since_ms,
                braked,
            } => users::set_brake(self, *id, *released, *brake_since_ms, *braked).await,
            Change::CountBrake { user, at_ms, count } => {
                users::count_brake(self, *user, *at_ms, *count).await
            }
            Change::PutTokens {
                user,
                tokens,
                expected,
            } => tokens::put(self, *user, tokens, *expected).await,
            Change::DropTokens(user) => tokens::drop(self, *user).await,
            Change::PutEnvironmentTokens {
                environment,
                tokens,
                expected,
            } => tokens::put_environment(self, environment, tokens, *expected).await,
            Change::PutSignIn {
                state_hash,
                sign_in,
            } => sign_ins::put(self, state_hash, sign_in).await,
            Change::PutLink(row) => links::put(self, row).await,
            Change::DropLink { user, person } => links::drop(self, *user, *person).await,
            Change::SleepLinks(user) => links::sleep(self, *user).await,
            Change::ForgetLinks(user) => self.forget_links(*user).await,
            Change::PutCursor { user, cursor } => cursors::put(self, *user, cursor).await,
            Change::DropCursor { user, folder } => cursors::drop(self, *user, folder).await,
            Change::DropCursors(user) => cursors::drop_all(self, *user).await,
            Change::PutSubscription(subscription) => subscriptions::put(self, subscription).await,
            Change::DropSubscription(id) => subscriptions::drop(self, id).await,
            Change::PutCertificate(certificate) => certificates::put(self, certificate).await,
            Change::TidyCertificates { below, now_ms } => {
                certificates::tidy(self, *below, *now_ms).await
            }
            Change::PutCanary(round) => canaries::put(self, round).await,
            Change::AwaitCanary {
                user,
                to,
                round,
                since_ms,
            } => canaries::wait(self, (*user, *to), *round, *since_ms).await,
            Change::ProveCanary {
                user,
                to,
                round,
                at_ms,
                took_ms,
            } => canaries::prove(self, (*user, *to), *round, *at_ms, *took_ms).await,
            Change::EndCanaryWait { user, to } => canaries::end_wait(self, (*user, *to)).await,
            Change::AddAudit(line) => audit::add(self, line).await,
            Change::ForgetAuditValues { before_ms } => audit::forget_values(self, *before_ms).await,
            Change::DropAudit { before_ms } => audit::drop_lines(self, *before_ms).await,
            Change::PutHeld(held) => held::put(self, held).await,
            Change::DecideHeld { id, accepted } => held::decide(self, *id, *accepted).await,
            Change::DropHeld(ids) => held::drop(self, ids).await,
            Change::PutParked(parked) => parked::put(self, parked).await,
            Change::DropParked(ids) => parked::drop(self, ids).await,
            Change::PutPreview { user, preview } => previews::put(self, *user, preview).await,
            Change::AddPreviewItems { user, items } => previews::add(self, *user, items).await,
            Change::RaiseAlert(alert) => alerts::raise(self, alert).await,
            Change::ClearAlert(key) => alerts::clear(self, key).await,
            Change::PutAnswered {
                key_hash,
                answered,
                at_ms,
            } => answers::put(self, key_hash, answered, *at_ms).await,
            Change::Reseal { cell, sealed } => sealed_cells::reseal(self, cell, sealed).await,
            Change::Tidy { now_ms } => {
                sign_ins::tidy(self, *now_ms).await?;
                answers::tidy(self, *now_ms).await?;
                users::tidy_brake(self, *now_ms).await
            }
        }
    }

    async fn forget_links(&mut self, user: UserId) -> Result<(), Error> {
        let Some((number, _)) = self.find_user(user).await? else {
            return Ok(());
        };
        links::forget(self, number).await?;
        audit::forget_user(self, number).await?;
        held::forget(self, number).await?;
        parked::forget(self, number).await?;
        previews::forget(self, number).await?;
        canaries::forget(self, number).await?;
        self.erased();
        Ok(())
    }
}
