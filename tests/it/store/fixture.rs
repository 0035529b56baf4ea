//! Makes empty stores.

use std::{future::Future, ops::Deref, pin::Pin, sync::Arc};

use tempfile::TempDir;
use tribelink::store::{
    Change, Error, Guard, Store,
    memory::MemoryStore,
    postgres,
    sqlite::{Settings, SqliteStore},
};

use super::{sample, scratch::Scratch};

type Make = fn() -> Pin<Box<dyn Future<Output = Fixture>>>;

/// A store, and what goes away with it.
pub(super) struct Fixture {
    store: Arc<dyn Store>,
    again: Make,
    _folder: Option<TempDir>,
    _database: Option<Scratch>,
}

impl Deref for Fixture {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl Fixture {
    /// Another empty store of the same kind.
    pub(super) async fn another(&self) -> Fixture {
        (self.again)().await
    }

    /// Commits without a guard.
    pub(super) async fn apply(&self, changes: Vec<Change>) -> Result<(), Error> {
        self.commit(&Guard::None, changes).await
    }

    /// Commits what must succeed.
    pub(super) async fn put(&self, changes: Vec<Change>) {
        self.apply(changes).await.unwrap();
    }

    /// Environments "a" and "b"; users 1 and 2 of "a", 3 of "b", all live.
    pub(super) async fn people(&self) {
        self.put(vec![
            Change::PutEnvironment(sample::environment("a")),
            Change::PutEnvironment(sample::environment("b")),
            Change::PutUser(Box::new(sample::user(1, "a"))),
            Change::PutUser(Box::new(sample::user(2, "a"))),
            Change::PutUser(Box::new(sample::user(3, "b"))),
        ])
        .await;
    }
}

pub(super) async fn memory() -> Fixture {
    Fixture {
        store: Arc::new(MemoryStore::new()),
        again: || Box::pin(memory()),
        _folder: None,
        _database: None,
    }
}

pub(super) async fn sqlite() -> Fixture {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = SqliteStore::open(&url, Settings::default()).await.unwrap();
    Fixture {
        store: Arc::new(store),
        again: || Box::pin(sqlite()),
        _folder: Some(folder),
        _database: None,
    }
}

pub(super) async fn postgres() -> Fixture {
    let database = Scratch::new().await;
    // The cases make their times up.
    let settings = postgres::Settings {
        connections: 4,
        time: postgres::Time::Caller,
        ..postgres::Settings::default()
    };
    Fixture {
        store: Arc::new(database.open_as(settings).await),
        again: || Box::pin(postgres()),
        _folder: None,
        _database: Some(database),
    }
}
