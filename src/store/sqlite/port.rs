//! The trait: writes go to the writer, reads to the pool.

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tribelink_plan::ids::{ContactId, EmployeeId, EnvironmentId, PersonId, UserId};

use super::{
    SqliteStore, closed, hints, leases,
    sql::{
        alerts, answers, audit, canaries, certificates, cursors, environments, held, links, parked,
        previews, sealed_cells, sign_ins, subscriptions, tokens, users,
    },
    writer::{Answer, Job, Work},
};
use crate::store::*;

#[async_trait]
impl Store for SqliteStore {
    async fn ready(&self) -> Result<(), Error> {
        self.write(Work::Probe).await.map(|_| ())
    }

    async fn add_hints(&self, hints: Vec<NewHint>) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            work: Work::Hints(hints),
            reply,
        };
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Error::Unavailable("too many callers wait for it".to_owned())
            }
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        answer.await.map_err(|_| closed())?.map(|_| ())
    }

    async fn commit(&self, guard: &Guard, changes: Vec<Change>) -> Result<(), Error> {
        let work = Work::Commit(guard.clone(), changes);
        self.write(work).await.map(|_| ())
    }

    async fn claim(
        &self,
        lane: &Lane,
        holder: &str,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<Option<Lease>, Error> {
        self.write_lease(Work::Claim {
            lane: lane.clone(),
            holder: holder.to_owned(),
            now_ms,
            lease_ms,
        })
        .await
    }

    async fn renew(
        &self,
        lease: &Lease,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<Option<Lease>, Error> {
        self.write_lease(Work::Renew {
            lease: lease.clone(),
            now_ms,
            lease_ms,
        })
        .await
    }

    async fn holds(&self, lease: &Lease, now_ms: i64) -> Result<bool, Error> {
        leases::is_held(&self.readers, lease, now_ms).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        self.write(Work::Release(lease.clone())).await.map(|_| ())
    }

    async fn beat(&self, holder: &str, now_ms: i64, lease_ms: i64) -> Result<Vec<String>, Error> {
        let work = Work::Beat {
            holder: holder.to_owned(),
            now_ms,
            lease_ms,
        };
        match self.write(work).await? {
            Answer::Replicas(replicas) => Ok(replicas),
            Answer::Done | Answer::Lease(_) | Answer::SignIn(_) => Ok(Vec::new()),
        }
    }

    async fn leave(&self, holder: &str) -> Result<(), Error> {
        self.write(Work::Leave(holder.to_owned())).await.map(|_| ())
    }

    async fn due_lanes(&self, now_ms: i64, limit: usize) -> Result<Vec<Lane>, Error> {
        leases::due(&self.readers, now_ms, limit).await
    }

    async fn next_due(&self, now_ms: i64) -> Result<Option<i64>, Error> {
        leases::next(&self.readers, now_ms).await
    }

    async fn hints(&self, lane: &Lane, now_ms: i64, limit: usize) -> Result<Vec<Hint>, Error> {
        hints::of_lane(&self.readers, lane, now_ms, limit).await
    }

    async fn backlog(&self, environment: &EnvironmentId) -> Result<(u64, Option<i64>), Error> {
        hints::backlog(&self.readers, environment).await
    }

    async fn mailbox_backlog(&self, user: UserId) -> Result<(u64, Option<i64>), Error> {
        hints::mailbox_backlog(&self.readers, user).await
    }

    async fn environments(&self) -> Result<Vec<Environment>, Error> {
        environments::all(&self.readers).await
    }

    async fn environment(&self, id: &EnvironmentId) -> Result<Option<Environment>, Error> {
        environments::get(&self.readers, id).await
    }

    async fn webhooks(&self, environment: &EnvironmentId) -> Result<Vec<Webhook>, Error> {
        environments::webhooks(&self.readers, environment).await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        users::get(&self.readers, id).await
    }

    async fn user_of(
        &self,
        environment: &EnvironmentId,
        employee: EmployeeId,
    ) -> Result<Option<User>, Error> {
        users::of_employee(&self.readers, environment, employee).await
    }

    async fn users(
        &self,
        environment: Option<&EnvironmentId>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, Error> {
        users::list(&self.readers, environment, after, limit).await
    }

    async fn count_users(&self) -> Result<Vec<(UserState, u64)>, Error> {
        users::count(&self.readers).await
    }

    async fn tokens(&self, user: UserId) -> Result<Option<Tokens>, Error> {
        tokens::of_user(&self.readers, user).await
    }

    async fn idle_consents(&self, until_ms: i64, limit: usize) -> Result<Vec<IdleConsent>, Error> {
        tokens::idle(&self.readers, until_ms, limit).await
    }

    async fn environment_tokens(
        &self,
        environment: &EnvironmentId,
    ) -> Result<Option<Tokens>, Error> {
        tokens::of_environment(&self.readers, environment).await
    }

    async fn take_sign_in(
        &self,
        state_hash: &[u8; 32],
        now_ms: i64,
    ) -> Result<Option<SignIn>, Error> {
        let work = Work::TakeSignIn {
            state_hash: *state_hash,
            now_ms,
        };
        match self.write(work).await? {
            Answer::SignIn(sign_in) => Ok(sign_in),
            Answer::Done | Answer::Lease(_) | Answer::Replicas(_) => Ok(None),
        }
    }

    async fn sign_in(&self, state_hash: &[u8; 32], now_ms: i64) -> Result<Option<SignIn>, Error> {
        sign_ins::get(&self.readers, state_hash, now_ms).await
    }

    async fn link(&self, user: UserId, person: PersonId) -> Result<Option<LinkRow>, Error> {
        let rows = links::of(&self.readers, user, &[person]).await?;
        Ok(rows.into_iter().next())
    }

    async fn links_of(&self, user: UserId, people: &[PersonId]) -> Result<Vec<LinkRow>, Error> {
        links::of(&self.readers, user, people).await
    }

    async fn links_of_contacts(
        &self,
        user: UserId,
        contacts: &[ContactId],
    ) -> Result<Vec<LinkRow>, Error> {
        links::of_contacts(&self.readers, user, contacts).await
    }

    async fn links(
        &self,
        user: UserId,
        after: Option<PersonId>,
        limit: usize,
    ) -> Result<Vec<LinkRow>, Error> {
        links::list(&self.readers, user, after, limit).await
    }

    async fn links_of_people(
        &self,
        environment: &EnvironmentId,
        people: &[PersonId],
    ) -> Result<Vec<LinkRow>, Error> {
        links::of_people(&self.readers, environment, people).await
    }

    async fn count_links(&self, user: UserId) -> Result<LinkCounts, Error> {
        links::count(&self.readers, user).await
    }

    async fn cursors(&self, user: UserId) -> Result<Vec<Cursor>, Error> {
        cursors::of(&self.readers, user).await
    }

    async fn subscriptions_of(&self, user: UserId) -> Result<Vec<Subscription>, Error> {
        subscriptions::of(&self.readers, user).await
    }

    async fn subscription(&self, id: &str) -> Result<Option<Subscription>, Error> {
        subscriptions::get(&self.readers, id).await
    }

    async fn subscriptions(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Subscription>, Error> {
        subscriptions::list(&self.readers, after, limit).await
    }

    async fn certificates(&self) -> Result<Vec<Certificate>, Error> {
        certificates::all(&self.readers).await
    }

    async fn canary(&self, environment: &EnvironmentId) -> Result<Option<CanaryRound>, Error> {
        canaries::get(&self.readers, environment).await
    }

    async fn canary_proofs(&self, environment: &EnvironmentId) -> Result<Vec<CanaryProof>, Error> {
        canaries::proofs(&self.readers, environment).await
    }

    async fn canary_proofs_of(&self, user: UserId) -> Result<Vec<CanaryProof>, Error> {
        canaries::proofs_of(&self.readers, user).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<AuditLine>, Error> {
        audit::list(&self.readers, filter, before, limit).await
    }

    async fn audit_line(&self, id: i64) -> Result<Option<AuditLine>, Error> {
        audit::get(&self.readers, id).await
    }

    async fn held(
        &self,
        user: Option<UserId>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Held>, Error> {
        held::list(&self.readers, user, after, limit).await
    }

    async fn held_item(&self, id: i64) -> Result<Option<Held>, Error> {
        held::get(&self.readers, id).await
    }

    async fn held_of(&self, user: UserId, people: &[PersonId]) -> Result<Vec<Held>, Error> {
        held::of(&self.readers, user, people).await
    }

    async fn parked(
        &self,
        user: Option<UserId>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Parked>, Error> {
        parked::list(&self.readers, user, after, limit).await
    }

    async fn parked_item(&self, id: i64) -> Result<Option<Parked>, Error> {
        parked::get(&self.readers, id).await
    }

    async fn parked_of(&self, user: UserId, people: &[PersonId]) -> Result<Vec<Parked>, Error> {
        parked::of(&self.readers, user, people).await
    }

    async fn preview(&self, user: UserId) -> Result<Option<Preview>, Error> {
        previews::get(&self.readers, user).await
    }

    async fn preview_items(
        &self,
        user: UserId,
        after: Option<PersonId>,
        limit: usize,
    ) -> Result<Vec<PreviewItem>, Error> {
        previews::items(&self.readers, user, after, limit).await
    }

    async fn brake_count(&self, user: UserId, since_ms: i64) -> Result<u64, Error> {
        users::brake_count(&self.readers, user, since_ms).await
    }

    async fn alerts(&self) -> Result<Vec<Alert>, Error> {
        alerts::all(&self.readers).await
    }

    async fn answered(
        &self,
        key_hash: &[u8; 32],
        since_ms: i64,
    ) -> Result<Option<Answered>, Error> {
        answers::get(&self.readers, key_hash, since_ms).await
    }

    async fn sealed(
        &self,
        column: SealedColumn,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<SealedCell>, Error> {
        sealed_cells::page(&self.readers, column, after, limit).await
    }
}
