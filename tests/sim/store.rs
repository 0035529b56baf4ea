//! The store as one process sees it: the shared one, behind what may befall the process.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use tribelink::store::{
    Alert, Answered, AuditFilter, AuditLine, Change, Cursor, Environment, Error, Guard, Held, Hint,
    Lane, Lease, LinkCounts, LinkRow, NewHint, Parked, Preview, PreviewItem, SignIn, Store,
    Subscription, Tokens, User, Webhook,
};
use tribelink_plan::ids::{ContactId, EmployeeId, EnvironmentId, PersonId, UserId};

use crate::process::{Fate, Process, Strike};

/// The store behind a process.
pub(crate) struct SimStore {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) process: Arc<Process>,
    pub(crate) fate: Arc<Fate>,
}

impl SimStore {
    async fn call<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.process.pass().await;
        let strike = self.fate.store.next();
        let lost = || Error::Unavailable("the database is gone".into());
        match strike {
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
        }
    }
}

macro_rules! forward {
    ($(fn $name:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for SimStore {
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
    fn commit(guard: &Guard, changes: Vec<Change>) -> ();
    fn claim(lane: &Lane, holder: &str, now_ms: i64, lease_ms: i64) -> Option<Lease>;
    fn renew(lease: &Lease, now_ms: i64, lease_ms: i64) -> Option<Lease>;
    fn holds(lease: &Lease, now_ms: i64) -> bool;
    fn release(lease: &Lease) -> ();
    fn due_lanes(now_ms: i64, limit: usize) -> Vec<Lane>;
    fn next_due(now_ms: i64) -> Option<i64>;
    fn hints(lane: &Lane, now_ms: i64, limit: usize) -> Vec<Hint>;
    fn backlog(environment: &EnvironmentId) -> (u64, Option<i64>);
    fn mailbox_backlog(user: UserId) -> (u64, Option<i64>);
    fn environments() -> Vec<Environment>;
    fn environment(id: &EnvironmentId) -> Option<Environment>;
    fn webhooks(environment: &EnvironmentId) -> Vec<Webhook>;
    fn user(id: UserId) -> Option<User>;
    fn user_of(environment: &EnvironmentId, employee: EmployeeId) -> Option<User>;
    fn users(environment: Option<&EnvironmentId>, after: Option<UserId>, limit: usize) -> Vec<User>;
    fn tokens(user: UserId) -> Option<Tokens>;
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
    fn held_of(user: UserId, person: PersonId) -> Vec<Held>;
    fn parked(user: Option<UserId>, after: Option<i64>, limit: usize) -> Vec<Parked>;
    fn parked_item(id: i64) -> Option<Parked>;
    fn parked_of(user: UserId, person: PersonId) -> Vec<Parked>;
    fn preview(user: UserId) -> Option<Preview>;
    fn preview_items(user: UserId, after: Option<PersonId>, limit: usize) -> Vec<PreviewItem>;
    fn brake_count(user: UserId, since_ms: i64) -> u64;
    fn alerts() -> Vec<Alert>;
    fn answered(key_hash: &[u8; 32], since_ms: i64) -> Option<Answered>;
}
