//! A Postgres database of its own for each test.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tribelink::store::postgres::{PostgresStore, Settings};

/// An empty database; dropped with the value.
pub(crate) struct Scratch {
    pub(crate) url: String,
    server: String,
    name: String,
}

impl Scratch {
    /// Makes one on the server that the tests were given.
    pub(crate) async fn new() -> Scratch {
        let server = std::env::var("TEST_DATABASE_URL").unwrap_or_default();
        assert!(
            !server.is_empty(),
            "these tests need a Postgres: `scripts/postgres cargo test --test it store::postgres` starts one"
        );
        Scratch::on(&server).await
    }

    /// Makes one on this server.
    pub(crate) async fn on(server: &str) -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let chance = fastrand::u32(..);
        let name = format!("tribelink_test_{}_{count}_{chance:08x}", std::process::id());
        let mut conn = PgConnection::connect(server).await.unwrap();
        let create = format!("CREATE DATABASE {name} TEMPLATE template0");
        sqlx::query(AssertSqlSafe(create))
            .execute(&mut conn)
            .await
            .unwrap();
        conn.close().await.unwrap();
        let mut url = url::Url::parse(server).unwrap();
        url.set_path(&name);
        Scratch {
            url: url.to_string(),
            server: server.to_owned(),
            name,
        }
    }

    /// A store on it.
    pub(crate) async fn open(&self) -> PostgresStore {
        self.open_as(Settings::default()).await
    }

    /// A store on it, with these settings.
    pub(crate) async fn open_as(&self, settings: Settings) -> PostgresStore {
        PostgresStore::open(&self.url, settings).await.unwrap()
    }

    /// A connection beside the store.
    pub(crate) async fn raw(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let drop = async move {
            let mut conn = PgConnection::connect(&server).await?;
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            sqlx::query(AssertSqlSafe(drop)).execute(&mut conn).await?;
            conn.close().await
        };
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(drop).map_err(std::io::Error::other)
        });
        // A server that is gone keeps nothing either.
        let _ = dropped.join();
    }
}
