//! The trait: writes are transactions of their own, hints share one, reads go to the pool.

use async_trait::async_trait;
use tribelink_plan::ids::{ContactId, EmployeeId, EnvironmentId, PersonId, UserId};

use super::{
    PostgresStore, hints, leases,
    sql::{
        alerts, answers, audit, canaries, certificates, cursors, environments, held, links, parked,
        previews, sealed_cells, sign_ins, subscriptions, tokens, users,
    },
    transact::{Answer, Work},
};
use crate::store::*;

#[async_trait]
impl Store for PostgresStore {
    async fn ready(&self) -> Result<(), Error> {
        self.write(&Work::Probe).await.map(|_| ())
    }

    async fn add_hints(&self, hints: Vec<NewHint>) -> Result<(), Error> {
        self.intake.add(hints).await
    }

    async fn commit(&self, guard: &Guard, changes: Vec<Change>) -> Result<(), Error> {
        self.write(&Work::Commit(guard, &changes)).await.map(|_| ())
    }

    async fn claim(
        &self,
        lane: &Lane,
        holder: &str,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<Option<Lease>, Error> {
        self.write_lease(&Work::Claim {
            lane,
            holder,
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
        self.write_lease(&Work::Renew {
            lease,
            now_ms,
            lease_ms,
        })
        .await
    }

    async fn holds(&self, lease: &Lease, now_ms: i64) -> Result<bool, Error> {
        self.read(leases::is_held(&self.pool, self.time, lease, now_ms))
            .await
    }

    async fn release(&self, lease: &Lease) -> Result<(), Error> {
        self.write(&Work::Release(lease)).await.map(|_| ())
    }

    async fn beat(&self, holder: &str, now_ms: i64, lease_ms: i64) -> Result<Vec<String>, Error> {
        let work = Work::Beat {
            holder,
            now_ms,
            lease_ms,
        };
        match self.write(&work).await? {
            Answer::Replicas(replicas) => Ok(replicas),
            Answer::Done | Answer::Lease(_) | Answer::SignIn(_) => Ok(Vec::new()),
        }
    }

    async fn leave(&self, holder: &str) -> Result<(), Error> {
        self.write(&Work::Leave(holder)).await.map(|_| ())
    }

    async fn woken(&self) -> Lane {
        self.wakes.next().await
    }

    async fn due_lanes(&self, now_ms: i64, limit: usize) -> Result<Vec<Lane>, Error> {
        self.read(leases::due(&self.pool, self.time, now_ms, limit))
            .await
    }

    async fn next_due(&self, now_ms: i64) -> Result<Option<i64>, Error> {
        self.read(leases::next(&self.pool, self.time, now_ms)).await
    }

    async fn hints(&self, lane: &Lane, now_ms: i64, limit: usize) -> Result<Vec<Hint>, Error> {
        self.read(hints::of_lane(&self.pool, lane, now_ms, limit))
            .await
    }

    async fn backlog(&self, environment: &EnvironmentId) -> Result<(u64, Option<i64>), Error> {
        self.read(hints::backlog(&self.pool, environment)).await
    }

    async fn mailbox_backlog(&self, user: UserId) -> Result<(u64, Option<i64>), Error> {
        self.read(hints::mailbox_backlog(&self.pool, user)).await
    }

    async fn environments(&self) -> Result<Vec<Environment>, Error> {
        self.read(environments::all(&self.pool)).await
    }

    async fn environment(&self, id: &EnvironmentId) -> Result<Option<Environment>, Error> {
        self.read(environments::get(&self.pool, id)).await
    }

    async fn webhooks(&self, environment: &EnvironmentId) -> Result<Vec<Webhook>, Error> {
        self.read(environments::webhooks(&self.pool, environment))
            .await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        self.read(users::get(&self.pool, id)).await
    }

    async fn user_of(
        &self,
        environment: &EnvironmentId,
        employee: EmployeeId,
    ) -> Result<Option<User>, Error> {
        self.read(users::of_employee(&self.pool, environment, employee))
            .await
    }

    async fn users(
        &self,
        environment: Option<&EnvironmentId>,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, Error> {
        self.read(users::list(&self.pool, environment, after, limit))
            .await
    }

    async fn count_users(&self) -> Result<Vec<(UserState, u64)>, Error> {
        self.read(users::count(&self.pool)).await
    }

    async fn tokens(&self, user: UserId) -> Result<Option<Tokens>, Error> {
        self.read(tokens::of_user(&self.pool, user)).await
    }

    async fn idle_consents(&self, until_ms: i64, limit: usize) -> Result<Vec<IdleConsent>, Error> {
        self.read(tokens::idle(&self.pool, until_ms, limit)).await
    }

    async fn environment_tokens(
        &self,
        environment: &EnvironmentId,
    ) -> Result<Option<Tokens>, Error> {
        self.read(tokens::of_environment(&self.pool, environment))
            .await
    }

    async fn take_sign_in(
        &self,
        state_hash: &[u8; 32],
        now_ms: i64,
    ) -> Result<Option<SignIn>, Error> {
        match self.write(&Work::TakeSignIn { state_hash, now_ms }).await? {
            Answer::SignIn(sign_in) => Ok(sign_in),
            Answer::Done | Answer::Lease(_) | Answer::Replicas(_) => Ok(None),
        }
    }

    async fn sign_in(&self, state_hash: &[u8; 32], now_ms: i64) -> Result<Option<SignIn>, Error> {
        self.read(sign_ins::get(&self.pool, state_hash, now_ms))
            .await
    }

    async fn link(&self, user: UserId, person: PersonId) -> Result<Option<LinkRow>, Error> {
        let rows = self.read(links::of(&self.pool, user, &[person])).await?;
        Ok(rows.into_iter().next())
    }

    async fn links_of(&self, user: UserId, people: &[PersonId]) -> Result<Vec<LinkRow>, Error> {
        self.read(links::of(&self.pool, user, people)).await
    }

    async fn links_of_contacts(
        &self,
        user: UserId,
        contacts: &[ContactId],
    ) -> Result<Vec<LinkRow>, Error> {
        self.read(links::of_contacts(&self.pool, user, contacts))
            .await
    }

    async fn links(
        &self,
        user: UserId,
        after: Option<PersonId>,
        limit: usize,
    ) -> Result<Vec<LinkRow>, Error> {
        self.read(links::list(&self.pool, user, after, limit)).await
    }

    async fn links_of_people(
        &self,
        environment: &EnvironmentId,
        people: &[PersonId],
    ) -> Result<Vec<LinkRow>, Error> {
        self.read(links::of_people(&self.pool, environment, people))
            .await
    }

    async fn count_links(&self, user: UserId) -> Result<LinkCounts, Error> {
        self.read(links::count(&self.pool, user)).await
    }

    async fn cursors(&self, user: UserId) -> Result<Vec<Cursor>, Error> {
        self.read(cursors::of(&self.pool, user)).await
    }

    async fn subscriptions_of(&self, user: UserId) -> Result<Vec<Subscription>, Error> {
        self.read(subscriptions::of(&self.pool, user)).await
    }

    async fn subscription(&self, id: &str) -> Result<Option<Subscription>, Error> {
        self.read(subscriptions::get(&self.pool, id)).await
    }

    async fn subscriptions(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Subscription>, Error> {
        self.read(subscriptions::list(&self.pool, after, limit))
            .await
    }

    async fn certificates(&self) -> Result<Vec<Certificate>, Error> {
        self.read(certificates::all(&self.pool)).await
    }

    async fn canary(&self, environment: &EnvironmentId) -> Result<Option<CanaryRound>, Error> {
        self.read(canaries::get(&self.pool, environment)).await
    }

    async fn canary_proofs(&self, environment: &EnvironmentId) -> Result<Vec<CanaryProof>, Error> {
        self.read(canaries::proofs(&self.pool, environment)).await
    }

    async fn canary_proofs_of(&self, user: UserId) -> Result<Vec<CanaryProof>, Error> {
        self.read(canaries::proofs_of(&self.pool, user)).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<AuditLine>, Error> {
        self.read(audit::list(&self.pool, filter, before, limit))
            .await
    }

    async fn audit_line(&self, id: i64) -> Result<Option<AuditLine>, Error> {
        self.read(audit::get(&self.pool, id)).await
    }

    async fn held(
        &self,
        user: Option<UserId>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Held>, Error> {
        self.read(held::list(&self.pool, user, after, limit)).await
    }

    async fn held_item(&self, id: i64) -> Result<Option<Held>, Error> {
        self.read(held::get(&self.pool, id)).await
    }

    async fn held_of(&self, user: UserId, people: &[PersonId]) -> Result<Vec<Held>, Error> {
        self.read(held::of(&self.pool, user, people)).await
    }

    async fn parked(
        &self,
        user: Option<UserId>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Parked>, Error> {
        self.read(parked::list(&self.pool, user, after, limit))
            .await
    }

    async fn parked_item(&self, id: i64) -> Result<Option<Parked>, Error> {
        self.read(parked::get(&self.pool, id)).await
    }

    async fn parked_of(&self, user: UserId, people: &[PersonId]) -> Result<Vec<Parked>, Error> {
        self.read(parked::of(&self.pool, user, people)).await
    }

    async fn preview(&self, user: UserId) -> Result<Option<Preview>, Error> {
        self.read(previews::get(&self.pool, user)).await
    }

    async fn preview_items(
        &self,
        user: UserId,
        after: Option<PersonId>,
        limit: usize,
    ) -> Result<Vec<PreviewItem>, Error> {
        self.read(previews::items(&self.pool, user, after, limit))
            .await
    }

    async fn brake_count(&self, user: UserId, since_ms: i64) -> Result<u64, Error> {
        self.read(users::brake_count(&self.pool, user, since_ms))
            .await
    }

    async fn alerts(&self) -> Result<Vec<Alert>, Error> {
        self.read(alerts::all(&self.pool)).await
    }

    async fn answered(
        &self,
        key_hash: &[u8; 32],
        since_ms: i64,
    ) -> Result<Option<Answered>, Error> {
        self.read(answers::get(&self.pool, key_hash, since_ms))
            .await
    }

    async fn sealed(
        &self,
        column: SealedColumn,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<SealedCell>, Error> {
        self.read(sealed_cells::page(&self.pool, column, after, limit))
            .await
    }
}
