//! What only a file can show: durability, group commit, loss of the file, a full disk, size.

use std::{fs, path::Path, path::PathBuf};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tribelink::store::{
    Change, Error, Guard, LinkRow, Store as _, Tokens,
    sqlite::{Settings, SqliteStore},
};
use tribelink_plan::{
    base::{Base, Fingerprint, Mark, Marks},
    field::Field,
    ids::{ContactId, Etag, FolderId, PersonId, RelationshipId},
    link::{Link, LinkState},
    person::Kind,
};
use uuid::Uuid;

use super::sample::{self, environment_id, hint, lane, sealed, tokens, user_id};

struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn open_as(&self, name: &str, settings: Settings) -> Result<SqliteStore, Error> {
        let url = format!("sqlite:{}", self.path(name).display());
        SqliteStore::open(&url, settings).await
    }

    async fn open(&self) -> SqliteStore {
        self.open_as("store.db", Settings::default()).await.unwrap()
    }

    async fn raw(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path("store.db"));
        options.connect().await.unwrap()
    }
}

async fn people(store: &SqliteStore) {
    let changes = vec![
        Change::PutEnvironment(sample::environment("a")),
        Change::PutUser(Box::new(sample::user(1, "a"))),
    ];
    store.commit(&Guard::None, changes).await.unwrap();
}

async fn waiting(store: &SqliteStore) -> u64 {
    store.backlog(&environment_id("a")).await.unwrap().0
}

fn unavailable<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Unavailable(_)))
}

#[tokio::test]
async fn survives_closing_and_keeps_fences_and_numbers_rising() {
    let home = Home::new();
    let store = home.open().await;
    people(&store).await;
    store.add_hints(vec![hint("a", Some(1), 5)]).await.unwrap();
    let first = store.hints(&lane(1), 5, 1).await.unwrap()[0].id;
    store
        .commit(&Guard::None, vec![Change::DropHints(vec![first])])
        .await
        .unwrap();
    let lease = store.claim(&lane(1), "x", 0, 10).await.unwrap().unwrap();
    store.release(&lease).await.unwrap();
    store.close().await;
    assert!(unavailable(store.ready().await));
    assert!(unavailable(store.add_hints(Vec::new()).await));
    assert!(
        !home.path("store.db-wal").exists(),
        "the file is whole by itself"
    );

    let store = home.open().await;
    assert_eq!(
        store.user(user_id(1)).await.unwrap(),
        Some(sample::user(1, "a"))
    );
    let again = store.claim(&lane(1), "x", 0, 10).await.unwrap().unwrap();
    assert!(again.fence > lease.fence);
    store.add_hints(vec![hint("a", Some(1), 5)]).await.unwrap();
    assert!(store.hints(&lane(1), 5, 1).await.unwrap()[0].id > first);
}

#[tokio::test]
async fn what_was_acknowledged_is_in_the_files_a_crash_leaves() {
    let home = Home::new();
    let store = home.open().await;
    people(&store).await;
    store
        .add_hints(vec![hint("a", Some(1), 5), hint("a", None, 5)])
        .await
        .unwrap();
    // The process ends here: nothing is closed, nothing carried over.
    for end in ["", "-wal"] {
        let (from, to) = (format!("store.db{end}"), format!("crashed.db{end}"));
        fs::copy(home.path(&from), home.path(&to)).unwrap();
    }
    let crashed = home
        .open_as("crashed.db", Settings::default())
        .await
        .unwrap();
    assert_eq!(waiting(&crashed).await, 2);
    crashed.ready().await.unwrap();
}

#[tokio::test]
async fn concurrent_callers_share_commits_and_failures_stay_apart() {
    let home = Home::new();
    let store = home.open().await;
    people(&store).await;
    let before = store.commits();
    let callers = (0..400).map(|number| {
        let user = if number % 10 == 0 { 9 } else { 1 };
        store.add_hints(vec![hint("a", Some(user), 0)])
    });
    let answers = futures_util::future::join_all(callers).await;
    let refused = answers
        .iter()
        .filter(|answer| matches!(answer, Err(Error::Conflict(_))));
    assert_eq!(refused.count(), 40);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 360);
    assert_eq!(waiting(&store).await, 360);
    let commits = store.commits() - before;
    assert!(commits <= 40, "{commits} commits for 400 callers");
}

/// Each of them sends the next one when the last one is answered, as connections do.
#[tokio::test]
async fn thirty_two_connections_cost_few_commits() {
    const CONNECTIONS: u64 = 32;
    const EACH: u64 = 50;
    let home = Home::new();
    let store = home.open().await;
    people(&store).await;
    let before = store.commits();
    let connections = (0..CONNECTIONS).map(|number| {
        let store = &store;
        async move {
            for turn in 0..EACH {
                let user = ((number + turn) % 2 == 0).then_some(1);
                store.add_hints(vec![hint("a", user, 0)]).await.unwrap();
            }
        }
    });
    futures_util::future::join_all(connections).await;
    assert_eq!(waiting(&store).await, CONNECTIONS * EACH);
    let (commits, events) = (store.commits() - before, CONNECTIONS * EACH);
    assert!(
        commits * 100 <= events * 15,
        "{commits} commits for {events} events"
    );
}

#[tokio::test]
async fn a_full_queue_refuses_hints_and_makes_commits_wait() {
    let home = Home::new();
    let settings = Settings {
        queue: 4,
        ..Settings::default()
    };
    let store = home.open_as("store.db", settings).await.unwrap();
    people(&store).await;
    // All are asked before the writer, which shares this thread, sees the first.
    let callers = (0..50).map(|_| store.add_hints(vec![hint("a", Some(1), 0)]));
    let answers = futures_util::future::join_all(callers).await;
    let kept = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(kept, 4);
    assert!(answers.into_iter().filter(Result::is_err).all(unavailable));
    assert_eq!(waiting(&store).await, 4);

    let commits = (0..50).map(|_| {
        let changes = vec![Change::AddHints(vec![hint("a", Some(1), 0)])];
        let store = &store;
        async move { store.commit(&Guard::None, changes).await }
    });
    let answers = futures_util::future::join_all(commits).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(waiting(&store).await, 54);
}

#[tokio::test]
async fn a_file_moved_away_fails_until_it_is_back() {
    let home = Home::new();
    let store = home.open().await;
    people(&store).await;
    store.ready().await.unwrap();
    let (path, aside) = (home.path("store.db"), home.path("aside.db"));
    fs::rename(&path, &aside).unwrap();
    assert!(unavailable(store.ready().await));
    assert!(unavailable(store.add_hints(vec![hint("a", None, 0)]).await));

    fs::copy(&aside, &path).unwrap();
    assert!(unavailable(store.ready().await), "a copy is another file");
    assert!(unavailable(store.add_hints(vec![hint("a", None, 0)]).await));

    fs::rename(&aside, &path).unwrap();
    store.ready().await.unwrap();
    store.add_hints(vec![hint("a", None, 0)]).await.unwrap();
    assert_eq!(waiting(&store).await, 1);
}

#[tokio::test]
async fn a_deleted_file_fails_until_it_is_opened_anew() {
    let home = Home::new();
    let store = home.open().await;
    people(&store).await;
    fs::remove_file(home.path("store.db")).unwrap();
    assert!(unavailable(store.ready().await));
    assert!(unavailable(store.add_hints(vec![hint("a", None, 0)]).await));
    store.close().await;
    let store = home.open().await;
    store.ready().await.unwrap();
    assert_eq!(store.environments().await.unwrap(), []);
}

#[tokio::test]
async fn a_deleted_log_is_noticed() {
    let home = Home::new();
    let store = home.open().await;
    people(&store).await;
    fs::remove_file(home.path("store.db-wal")).unwrap();
    assert!(unavailable(store.ready().await));
    assert!(unavailable(store.add_hints(vec![hint("a", None, 0)]).await));
}

#[tokio::test]
async fn a_newer_or_altered_schema_is_refused() {
    let home = Home::new();
    let store = home.open().await;
    store.ready().await.unwrap();
    let mut raw = home.raw().await;
    let newer = "INSERT INTO _sqlx_migrations
                     (version, description, success, checksum, execution_time)
                 VALUES (9999, 'newer', TRUE, x'00', 0)";
    sqlx::query(newer).execute(&mut raw).await.unwrap();
    let running = store.ready().await;
    assert!(matches!(running, Err(Error::Schema(_))), "{running:?}");
    let opening = home.open_as("store.db", Settings::default()).await;
    assert!(matches!(opening, Err(Error::Schema(_))));

    let older = "DELETE FROM _sqlx_migrations WHERE version = 9999";
    sqlx::query(older).execute(&mut raw).await.unwrap();
    store.ready().await.unwrap();
    let altered = "UPDATE _sqlx_migrations SET checksum = x'00'";
    sqlx::query(altered).execute(&mut raw).await.unwrap();
    let opening = home.open_as("store.db", Settings::default()).await;
    assert!(matches!(opening, Err(Error::Schema(_))));
}

#[tokio::test]
async fn a_full_disk_is_unavailable_until_there_is_room() {
    let home = Home::new();
    let settings = Settings {
        max_pages: Some(80),
        ..Settings::default()
    };
    let store = home.open_as("store.db", settings).await.unwrap();
    people(&store).await;
    store.ready().await.unwrap();
    // The first time no reader has opened the file, the second time one has.
    for read in [false, true] {
        let mut kept = 0;
        let failure = loop {
            match store.add_hints(vec![hint("a", Some(1), 0); 20]).await {
                Ok(()) => kept += 20,
                Err(error) => break error,
            }
        };
        assert!(failure.to_string().contains("full"), "{failure}");
        let failure = store.ready().await.unwrap_err();
        assert!(failure.to_string().contains("full"), "{failure}");
        if read {
            assert_eq!(
                waiting(&store).await,
                kept,
                "what was refused is not half there"
            );
        }
        let drop = vec![Change::DropMailboxHints(user_id(1))];
        store.commit(&Guard::None, drop).await.unwrap();
        store.ready().await.unwrap();
        assert!(kept > 0);
    }
}

#[tokio::test]
async fn another_process_that_holds_the_file_only_delays() {
    let home = Home::new();
    let store = home.open().await;
    people(&store).await;
    let mut raw = home.raw().await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut raw)
        .await
        .unwrap();
    let waits = store.add_hints(vec![hint("a", None, 0)]);
    let release = async {
        assert_eq!(waiting(&store).await, 0, "reads go on");
        sqlx::query("COMMIT").execute(&mut raw).await.unwrap();
    };
    let (kept, ()) = tokio::join!(waits, release);
    kept.unwrap();
}

/// Whether any of the store's files holds these bytes.
fn found_in_files(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let content = fs::read(entry.unwrap().path()).unwrap();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test]
async fn dropped_tokens_are_soon_gone_from_every_file() {
    let home = Home::new();
    let store = home.open().await;
    people(&store).await;
    let needle = b"THE-REFRESH-TOKEN-OF-THIS-TEST";
    let put = Change::PutTokens {
        user: user_id(1),
        tokens: Tokens {
            refresh: sealed("THE-REFRESH-TOKEN-OF-THIS-TEST"),
            ..tokens(1)
        },
        expected: 0,
    };
    store.commit(&Guard::None, vec![put]).await.unwrap();
    assert!(found_in_files(home.folder.path(), needle));
    let drop = vec![Change::DropTokens(user_id(1))];
    store.commit(&Guard::None, drop).await.unwrap();
    // The runner's own time limit ends this when it never comes true.
    while found_in_files(home.folder.path(), needle) {
        tokio::task::yield_now().await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let store = home.open().await;
    people(&store).await;
    store.backup_to(&home.path("copy.db")).await.unwrap();
    for entry in fs::read_dir(home.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn a_backup_is_a_whole_store_and_never_overwrites() {
    let home = Home::new();
    let store = home.open().await;
    people(&store).await;
    let copy = home.path("copy.db");
    store.backup_to(&copy).await.unwrap();
    store.add_hints(vec![hint("a", None, 0)]).await.unwrap();
    assert!(unavailable(store.backup_to(&copy).await));

    let restored = home.open_as("copy.db", Settings::default()).await.unwrap();
    restored.ready().await.unwrap();
    assert_eq!(
        restored.user(user_id(1)).await.unwrap(),
        Some(sample::user(1, "a"))
    );
    assert_eq!(waiting(&restored).await, 0);
}

#[tokio::test]
async fn a_url_without_a_file_is_refused() {
    for url in ["sqlite::memory:", "sqlite://", "postgres://x/y"] {
        let opened = SqliteStore::open(url, Settings::default()).await;
        assert!(matches!(opened, Err(Error::Schema(_))), "{url}: {opened:?}");
    }
}

#[tokio::test]
async fn a_row_of_another_form_is_named_without_its_values() {
    let home = Home::new();
    let store = home.open().await;
    people(&store).await;
    let mut raw = home.raw().await;
    let spoil = "UPDATE users SET state = 'dreaming'";
    sqlx::query(spoil).execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    let error = store.user(user_id(1)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "table users, row 00000000000000000000000000000001: state"
    );
}

/// Bytes without a pattern, different for each number.
fn noise(number: u128) -> u128 {
    let mut value = number
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    for _ in 0..4 {
        value ^= value >> 61;
        value = value.wrapping_mul(0xda94_2042_e4dd_58b5_9e37_79b9_7f4a_7c15);
    }
    value
}

/// A link as a full card leaves it: a contact id of 150 letters, eight fields, six of them filled.
fn full_link(number: u128) -> LinkRow {
    let mut base = Base::default();
    for (field, filled) in Field::ALL.into_iter().zip([1, 1, 0, 1, 0, 1, 1, 1]) {
        let mark = |side: u128| match filled {
            0 => Mark::Empty,
            _ => Mark::Value(Fingerprint(
                noise(number + side + u128::from(field.index())) as u64,
            )),
        };
        base.set(
            field,
            Marks {
                tribe: mark(1 << 80),
                outlook: mark(1 << 90),
            },
        );
    }
    let id: String = (0..5)
        .map(|part| format!("{:032x}", noise(number + (part << 70))))
        .collect();
    LinkRow {
        ahead: None,
        environment: environment_id("a"),
        user: user_id(1),
        person: PersonId(Uuid::from_u128(noise(number))),
        link: Link {
            state: LinkState::Linked,
            contact: Some(ContactId(id[..150].to_owned())),
            etag: Some(Etag(format!("W/\"EQAAABYAAAB{:032x}\"", noise(number)))),
            folder: Some(FolderId("f".repeat(120))),
            relationship: Some(RelationshipId(Uuid::from_u128(noise(number + (1 << 100))))),
            base,
            ..Link::intent(Kind::Contact)
        },
        changed_ms: 1_790_000_000_000,
        outlook_ms: Some(1_790_000_000_000),
    }
}

/// Fills a store as a first sync does, an intent before each link, and answers bytes per link.
async fn bytes_per_link(links: u128) -> u64 {
    let home = Home::new();
    let store = home.open().await;
    people(&store).await;
    let empty = store.bytes().await.unwrap();
    let numbers: Vec<u128> = (0..links).collect();
    for group in numbers.chunks(500) {
        let mut changes = Vec::new();
        for batch in group.chunks(20) {
            let rows = batch.iter().map(|number| full_link(*number));
            changes.extend(rows.clone().map(|row| {
                Change::PutLink(Box::new(LinkRow {
                    link: Link::intent(Kind::Contact),
                    ..row
                }))
            }));
            changes.extend(rows.map(|row| Change::PutLink(Box::new(row))));
        }
        store.commit(&Guard::None, changes).await.unwrap();
    }
    let counts = store.count_links(user_id(1)).await.unwrap();
    assert_eq!(u128::from(counts.linked), links);
    (store.bytes().await.unwrap() - empty) / links as u64
}

#[tokio::test]
async fn a_million_links_fit() {
    let bytes = bytes_per_link(20_000).await;
    println!("{bytes} bytes per link");
    assert!(bytes < 560, "{bytes} bytes per link");
}
