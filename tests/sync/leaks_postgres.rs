//! The same history over Postgres: nothing of it stands in the server's files in clear.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::leaks::{found, history};

/// Reads a file of the server; none where it went meanwhile.
async fn file(server: &mut PgConnection, path: &str) -> Vec<u8> {
    let sql = sqlx::query("SELECT pg_read_binary_file($1, 0, 1000000000, true)");
    let row = sql.bind(path).fetch_one(server).await.unwrap();
    row.try_get::<Option<Vec<u8>>, _>(0)
        .unwrap()
        .unwrap_or_default()
}

async fn names(server: &mut PgConnection, sql: &'static str) -> Vec<String> {
    let rows = sqlx::query(sql).fetch_all(server).await.unwrap();
    rows.iter().map(|row| row.try_get(0).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_and_no_value_stands_in_the_files_of_postgres() {
    let server = std::env::var("TEST_DATABASE_URL").unwrap_or_default();
    assert!(
        !server.is_empty(),
        "this test needs a Postgres: `scripts/postgres cargo test --test sync leaks_postgres` starts one"
    );
    let name = format!("tribelink_leaks_{:08x}", fastrand::u32(..));
    let mut admin = PgConnection::connect(&server).await.unwrap();
    let create = format!("CREATE DATABASE {name} TEMPLATE template0");
    let create = sqlx::query(AssertSqlSafe(create));
    create.execute(&mut admin).await.unwrap();
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);

    let history = history(url.as_str()).await;
    history.look_at_log();
    let mut own = PgConnection::connect(url.as_str()).await.unwrap();
    sqlx::query("CHECKPOINT").execute(&mut own).await.unwrap();
    let tables = "SELECT pg_relation_filepath(c.oid) FROM pg_class c
                  WHERE c.relkind IN ('r', 'i', 't') AND c.relnamespace IN (
                      current_schema()::regnamespace, 'pg_toast'::regnamespace)";
    let mut paths = names(&mut own, tables).await;
    assert!(paths.len() > 30, "{paths:?}");
    let log = "SELECT 'pg_wal/' || name FROM pg_ls_waldir()
               WHERE name <= pg_walfile_name(pg_current_wal_lsn())";
    paths.extend(names(&mut own, log).await);
    let mut bytes = 0;
    for path in &paths {
        let held = file(&mut own, path).await;
        bytes += held.len();
        let seen = found(&held, &history.canaries);
        assert_eq!(seen, <[String; 0]>::default(), "{path}");
    }
    assert!(bytes > 1 << 20, "{bytes} bytes in {paths:?}");
    // The search finds what is there: an id that stands in a plain column.
    let user = names(&mut own, "SELECT id FROM environments").await;
    let mut stands = false;
    for path in &paths {
        stands |= !found(&file(&mut own, path).await, &user).is_empty();
    }
    assert!(stands, "{user:?}");
    println!("{} files of Postgres, {bytes} bytes", paths.len());

    drop(history);
    own.close().await.unwrap();
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    let drop = sqlx::query(AssertSqlSafe(drop));
    drop.execute(&mut admin).await.unwrap();
}
