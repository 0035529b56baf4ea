//! One commit under way: its transaction, the users it has looked up, the lanes it has touched.

use std::collections::{BTreeSet, HashMap};

use sqlx::{
    PgConnection, Postgres,
    postgres::{PgArguments, PgQueryResult, PgRow},
    query::Query,
};
use tribelink_plan::ids::{EnvironmentId, UserId};

use super::{
    Time, alerts, answers, audit, cursors, environments, held, hints, leases, links, outage,
    parked, previews, row, sealed_cells, sign_ins, subscriptions, tokens, users,
};
use crate::store::{Change, Error, Guard};

pub(super) type Sql<'q> = Query<'q, Postgres, PgArguments>;

/// A lane by the columns of its hints.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneKey {
    pub(super) environment: String,
    pub(super) user: Option<i64>,
}

pub(super) struct Writing<'c> {
    conn: &'c mut PgConnection,
    time: Time,
    /// Who writes, so that a replica can tell its own calls from the others'.
    pub(super) name: &'c str,
    /// Users by id, with their number and environment; neither ever changes.
    users: HashMap<UserId, (i64, EnvironmentId)>,
    touched: BTreeSet<LaneKey>,
    /// A statement failed since transactions met: all of it may be done again.
    pub(super) met: bool,
}

impl<'c> Writing<'c> {
    pub(super) fn on(conn: &'c mut PgConnection, time: Time, name: &'c str) -> Self {
        Self {
            conn,
            time,
            name,
            users: HashMap::new(),
            touched: BTreeSet::new(),
            met: false,
        }
    }

    /// The time that is told to the database; `None`: its own.
    pub(super) fn time(&self, now_ms: i64) -> Option<i64> {
        self.time.told(now_ms)
    }

    fn failed(&mut self, error: sqlx::Error) -> Error {
        self.met |= super::transactions_met(&error);
        outage(error)
    }

    pub(super) async fn run(&mut self, sql: Sql<'_>) -> Result<PgQueryResult, Error> {
        let done = sql.execute(&mut *self.conn).await;
        done.map_err(|error| self.failed(error))
    }

    pub(super) async fn all(&mut self, sql: Sql<'_>) -> Result<Vec<PgRow>, Error> {
        let rows = sql.fetch_all(&mut *self.conn).await;
        rows.map_err(|error| self.failed(error))
    }

    pub(super) async fn one(&mut self, sql: Sql<'_>) -> Result<Option<PgRow>, Error> {
        let row = sql.fetch_optional(&mut *self.conn).await;
        row.map_err(|error| self.failed(error))
    }

    /// Runs a statement that must meet a row, else `what` is not as expected.
    pub(super) async fn must(&mut self, sql: Sql<'_>, what: &'static str) -> Result<(), Error> {
        match self.run(sql).await?.rows_affected() {
            0 => Err(Error::Conflict(what)),
            _ => Ok(()),
        }
    }

    /// Looks up several users at once, for what follows.
    pub(super) async fn find_users(
        &mut self,
        ids: impl IntoIterator<Item = UserId>,
    ) -> Result<(), Error> {
        let unknown: BTreeSet<UserId> = ids
            .into_iter()
            .filter(|id| !self.users.contains_key(id))
            .collect();
        if unknown.len() > 1 {
            let ids = row::ids(unknown.into_iter().map(|id| id.0));
            let found = users::numbers_of(self, ids).await?;
            self.users.extend(found);
        }
        Ok(())
    }

    /// The user's number and environment, where there is such a user.
    pub(super) async fn find_user(
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
    pub(super) async fn user(&mut self, id: UserId) -> Result<i64, Error> {
        let found = self.find_user(id).await?;
        Ok(found.ok_or(Error::Conflict("user"))?.0)
    }

    /// The user's number, when it belongs to that environment.
    pub(super) async fn user_in(
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
    pub(super) fn touch(&mut self, lane: LaneKey) {
        self.touched.insert(lane);
    }

    /// Brings the lanes' due times up to date.
    pub(super) async fn finish(&mut self) -> Result<(), Error> {
        for lane in std::mem::take(&mut self.touched) {
            hints::settle(self, &lane).await?;
        }
        Ok(())
    }

    pub(super) async fn commit(&mut self, guard: &Guard, changes: &[Change]) -> Result<(), Error> {
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
                throttled_until_ms,
            } => {
                let times = [*polled_ms, *chores_due_ms, *swept_ms, *throttled_until_ms];
                environments::set_chores(self, id, times).await
            }
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
        Ok(())
    }
}
