//! The store as one process sees it: the shared one, behind what may befall the process.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use tribelink::store::{
    Alert, Answered, AuditFilter, AuditLine, CanaryProof, CanaryRound, Certificate, Change, Cursor,
    Environment, Error, Guard, Held, Hint, IdleConsent, Lane, Lease, LinkCounts, LinkRow, NewHint,
    Parked, Place, Preview, PreviewItem, SealedCell, SealedColumn, SignIn, Store, Subscription,
    Tokens, User, UserState, Webhook,
};
use tribelink_plan::ids::{ContactId, EmployeeId, EnvironmentId, PersonId, UserId};

use crate::{
    process::{Fate, Process, Strike},
    story::Story,
    time::SimClock,
};

/// How long a job may go on with what it was at when another process was told to leave Tribe alone, in
/// milliseconds: it may be reading every set.
const UNDERWAY_MS: i64 = 5_000;

/// The store behind a process.
pub(crate) struct SimStore {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) process: Arc<Process>,
    pub(crate) fate: Arc<Fate>,
    pub(crate) story: Arc<Story>,
    pub(crate) clock: SimClock,
}

impl SimStore {
    async fn call<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.struck(None, work).await
    }

    async fn struck<T>(
        &self,
        ambush: Option<Strike>,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.process.pass().await;
        let strike = self.fate.store.next().or(ambush);
        let lost = || Error::Unavailable("the database is gone".into());
        // Others come between the asking and the work, and between the work and its answer, as they do where
        // the database has threads or a network of its own.
        tokio::task::yield_now().await;
        let answer = match strike {
            None => work.await,
            Some(Strike::Before) => Err(lost()),
            Some(Strike::After) => {
                let _ = work.await;
                Err(lost())
            }
            Some(Strike::DieBefore) => {
                self.process.die(&self.fate).await;
                Err(lost())
            }
            Some(Strike::DieAfter) => {
                let _ = work.await;
                self.process.die(&self.fate).await;
                Err(lost())
            }
        };
        tokio::task::yield_now().await;
        answer
    }
}

impl SimStore {
    /// A lease is given to one at a time, and each time with a higher fence.
    fn judge_claim(&self, lease: Option<&Lease>, now_ms: i64) {
        let Some(lease) = lease else { return };
        let mut leases = self.fate.leases.lock().expect("the leases");
        let known = leases.insert(lease.lane.clone(), (lease.fence, lease.until_ms));
        if known.is_some_and(|(fence, until)| until > now_ms || fence >= lease.fence) {
            self.wrong("a lease was given while another held it");
        }
    }

    fn judge_renewal(&self, renewed: Option<&Lease>) {
        if let Some(lease) = renewed {
            let mut leases = self.fate.leases.lock().expect("the leases");
            leases.insert(lease.lane.clone(), (lease.fence, lease.until_ms));
        }
    }

    fn judge_release(&self, lease: &Lease) {
        let mut leases = self.fate.leases.lock().expect("the leases");
        if let Some(known) = leases.get_mut(&lease.lane)
            && known.0 == lease.fence
        {
            known.1 = i64::MIN;
        }
    }

    /// No commit under a lease that was lost, and no link recorded without one.
    fn judge_commit(&self, guard: &Guard, changes: &[Change]) {
        match guard {
            Guard::Lease { lease, now_ms } => {
                let leases = self.fate.leases.lock().expect("the leases");
                let newest = leases.get(&lease.lane);
                let holds = |(fence, until): &(i64, i64)| *fence == lease.fence && until > now_ms;
                if !newest.is_some_and(holds) {
                    self.wrong("a commit under a lost lease was taken");
                }
            }
            Guard::None => {
                let links = |change: &Change| {
                    matches!(change, Change::PutLink(_) | Change::PutCursor { .. })
                };
                if changes.iter().any(links) {
                    self.wrong("a link was recorded without a lease");
                }
            }
        }
    }

    fn wrong(&self, text: &str) {
        self.story.violation(self.clock.elapsed_ms(), text);
    }

    async fn judged_commit(&self, guard: &Guard, changes: Vec<Change>) -> Result<(), Error> {
        let kept = changes.clone();
        let done = self.inner.commit(guard, changes).await;
        if done.is_ok() {
            self.judge_commit(guard, &kept);
        }
        done
    }

    async fn judged_claim(
        &self,
        lane: &Lane,
        holder: &str,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<Option<Lease>, Error> {
        let lease = self.inner.claim(lane, holder, now_ms, lease_ms).await?;
        self.judge_claim(lease.as_ref(), now_ms);
        Ok(lease)
    }

    /// Whoever reads an environment knows from then on how long Tribe is to be left alone; a job that read
    /// it before goes on with what it is at.
    async fn seen_environment(&self, id: &EnvironmentId) -> Result<Option<Environment>, Error> {
        let found = self.inner.environment(id).await?;
        let rest_ms = found.as_ref().map_or(0, |found| found.throttled_until_ms);
        let now = self.clock.elapsed_ms();
        let left_ms = rest_ms - self.clock.now();
        self.process
            .learn_tribes_rest(now + UNDERWAY_MS, now + left_ms);
        Ok(found)
    }

    async fn judged_renewal(
        &self,
        lease: &Lease,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<Option<Lease>, Error> {
        let lease = self.inner.renew(lease, now_ms, lease_ms).await?;
        self.judge_renewal(lease.as_ref());
        Ok(lease)
    }

    async fn judged_release(&self, lease: &Lease) -> Result<(), Error> {
        self.judge_release(lease);
        self.inner.release(lease).await
    }
}

macro_rules! forward {
    ($(fn $name:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for SimStore {
            async fn commit(&self, guard: &Guard, changes: Vec<Change>) -> Result<(), Error> {
                let ambush = self.fate.ambushed(&changes);
                self.struck(ambush, self.judged_commit(guard, changes)).await
            }

            async fn claim(
                &self,
                lane: &Lane,
                holder: &str,
                now_ms: i64,
                lease_ms: i64,
            ) -> Result<Option<Lease>, Error> {
                self.call(self.judged_claim(lane, holder, now_ms, lease_ms)).await
            }

            async fn renew(
                &self,
                lease: &Lease,
                now_ms: i64,
                lease_ms: i64,
            ) -> Result<Option<Lease>, Error> {
                self.call(self.judged_renewal(lease, now_ms, lease_ms)).await
            }

            async fn environment(&self, id: &EnvironmentId) -> Result<Option<Environment>, Error> {
                self.call(self.seen_environment(id)).await
            }

            async fn release(&self, lease: &Lease) -> Result<(), Error> {
                self.call(self.judged_release(lease)).await
            }

            $(
                async fn $name(&self, $($arg: $kind),*) -> Result<$answer, Error> {
                    self.call(self.inner.$name($($arg),*)).await
                }
            )*
        }
    };
}

forward! {
    fn ready() -> ();
    fn add_hints(hints: Vec<NewHint>) -> ();
    fn holds(lease: &Lease, now_ms: i64) -> bool;
    fn beat(holder: &str, now_ms: i64, lease_ms: i64) -> Vec<String>;
    fn leave(holder: &str) -> ();
    fn due_lanes(now_ms: i64, limit: usize) -> Vec<Lane>;
    fn next_due(now_ms: i64) -> Option<i64>;
    fn certificates() -> Vec<Certificate>;
    fn canary(environment: &EnvironmentId) -> Option<CanaryRound>;
    fn canary_proofs(environment: &EnvironmentId) -> Vec<CanaryProof>;
    fn canary_proofs_of(user: UserId) -> Vec<CanaryProof>;
    fn hints(lane: &Lane, now_ms: i64, limit: usize) -> Vec<Hint>;
    fn backlog(environment: &EnvironmentId) -> (u64, Option<i64>);
    fn mailbox_backlog(user: UserId) -> (u64, Option<i64>);
    fn environments() -> Vec<Environment>;
    fn webhooks(environment: &EnvironmentId) -> Vec<Webhook>;
    fn user(id: UserId) -> Option<User>;
    fn user_of(environment: &EnvironmentId, employee: EmployeeId) -> Option<User>;
    fn users(environment: Option<&EnvironmentId>, after: Option<UserId>, limit: usize) -> Vec<User>;
    fn count_users() -> Vec<(UserState, u64)>;
    fn tokens(user: UserId) -> Option<Tokens>;
    fn idle_consents(until_ms: i64, limit: usize) -> Vec<IdleConsent>;
    fn environment_tokens(environment: &EnvironmentId) -> Option<Tokens>;
    fn take_sign_in(state_hash: &[u8; 32], now_ms: i64) -> Option<SignIn>;
    fn sign_in(state_hash: &[u8; 32], now_ms: i64) -> Option<SignIn>;
    fn link(user: UserId, person: PersonId) -> Option<LinkRow>;
    fn links_of(user: UserId, people: &[PersonId]) -> Vec<LinkRow>;
    fn links_of_contacts(user: UserId, contacts: &[ContactId]) -> Vec<LinkRow>;
    fn links(user: UserId, after: Option<PersonId>, limit: usize) -> Vec<LinkRow>;
    fn links_of_people(environment: &EnvironmentId, people: &[PersonId]) -> Vec<LinkRow>;
    fn count_links(user: UserId) -> LinkCounts;
    fn cursors(user: UserId) -> Vec<Cursor>;
    fn subscriptions_of(user: UserId) -> Vec<Subscription>;
    fn subscription(id: &str) -> Option<Subscription>;
    fn subscriptions(after: Option<&str>, limit: usize) -> Vec<Subscription>;
    fn audit(filter: &AuditFilter, before: Option<i64>, limit: usize) -> Vec<AuditLine>;
    fn audit_line(id: i64) -> Option<AuditLine>;
    fn held(user: Option<UserId>, after: Option<i64>, limit: usize) -> Vec<Held>;
    fn held_item(id: i64) -> Option<Held>;
    fn held_of(user: UserId, people: &[PersonId]) -> Vec<Held>;
    fn parked(user: Option<UserId>, after: Option<i64>, limit: usize) -> Vec<Parked>;
    fn parked_item(id: i64) -> Option<Parked>;
    fn parked_of(user: UserId, people: &[PersonId]) -> Vec<Parked>;
    fn preview(user: UserId) -> Option<Preview>;
    fn preview_items(user: UserId, after: Option<PersonId>, limit: usize) -> Vec<PreviewItem>;
    fn brake_count(user: UserId, since_ms: i64) -> u64;
    fn alerts() -> Vec<Alert>;
    fn sealed(column: SealedColumn, after: Option<&Place>, limit: usize) -> Vec<SealedCell>;
    fn answered(key_hash: &[u8; 32], since_ms: i64) -> Option<Answered>;
}
