//! Fills the store of a service that is not running, for measurements of its size: users, links, lines
//! of the audit, held and parked items, written through the store and sealed under the service's own
//! keys, so that every view opens what it shows. For `scripts/bench`; never for a store that matters.
//!
//! ```text
//! TRIBELINK_SECURITY__ENCRYPTION_KEYS=… fill DATABASE_URL USERS LINKS LARGEST AUDIT WAITING
//! ```
//!
//! The eldest user there is gets `LARGEST` links, everybody else a share that falls with their place;
//! one of that user's people is in every mailbox. Nothing is made due: the service rests beside it.
#![expect(
    clippy::unwrap_used,
    reason = "a tool for measurements: whatever fails ends it"
)]

use std::sync::Arc;

use secrecy::SecretString;
use tribelink::{
    clock::{Clock as _, SystemClock},
    random::SystemRandom,
    sealed::{AuditValues, BothSides, FieldChange, HeldValues, audit_row, row_of_held, user_row},
    store::{postgres::PostgresStore, sqlite::SqliteStore, *},
    vault::{KeyRing, Vault, column},
};
use tribelink_plan::{
    base::{Base, Fingerprint, Mark, Marks},
    field::Field,
    ids::{ContactId, EmployeeId, EnvironmentId, Etag, FolderId, PersonId, RelationshipId, UserId},
    link::{Link, LinkState},
    person::Kind,
    rule::Rule,
};
use uuid::Uuid;

/// Changes of one commit: more would only make the log longer.
const BATCH: usize = 2_000;
/// People of the environment.
const PEOPLE: u64 = 200_000;
const HOUR_MS: i64 = 3_600_000;

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

fn id(kind: u128, number: u64) -> Uuid {
    let bytes = noise((kind << 64) | u128::from(number)).to_be_bytes();
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

struct Filling {
    store: Arc<dyn Store>,
    vault: Vault,
    environment: EnvironmentId,
    now_ms: i64,
    waiting: Vec<Change>,
}

impl Filling {
    async fn put(&mut self, change: Change) {
        self.waiting.push(change);
        if self.waiting.len() >= BATCH {
            self.flush().await;
        }
    }

    async fn flush(&mut self) {
        let changes = std::mem::take(&mut self.waiting);
        self.store.commit(&Guard::None, changes).await.unwrap();
    }

    /// Most are live, some in each other state; no chore of theirs is ever due.
    fn user(&self, number: u64) -> User {
        let user = UserId(id(1, number));
        let state = match number % 20 {
            0 => UserState::Paused,
            1 if number.is_multiple_of(3) => UserState::NeedsConsent,
            1 => UserState::Braked,
            2 => UserState::Consented,
            3 if number.is_multiple_of(3) => UserState::Invited,
            _ => UserState::Live,
        };
        let address = SecretString::from(format!("employee{number}@example.nl"));
        User {
            id: user,
            environment: self.environment.clone(),
            employee: EmployeeId(id(2, number)),
            state,
            resume_state: UserState::Live,
            reason: None,
            identity: Some(("tenant".to_owned(), id(3, number).to_string())),
            mailbox: Some(
                self.vault
                    .seal_text(column::MAILBOX, &user_row(user), &address),
            ),
            allow_mailbox: None,
            return_to: None,
            start_on_consent: false,
            started: state != UserState::Consented && state != UserState::Invited,
            created_ms: self.now_ms - 30 * 24 * HOUR_MS,
            chores_due_ms: i64::MAX,
            delta_ms: self.now_ms,
            proven_ms: Some(self.now_ms),
            progress: None,
            throttled_until_ms: 0,
            released: false,
            brake_since_ms: 0,
            braked: (state == UserState::Braked).then_some((400, 500)),
        }
    }

    /// As a full card leaves it: a contact id of 150 letters, eight fields.
    fn link(&self, user: UserId, person: PersonId, number: u64) -> LinkRow {
        let mut base = Base::default();
        for field in Field::ALL.into_iter().take(8) {
            let seed = u128::from(number) << 8 | u128::from(field.index());
            let mark = |side: u128| Mark::Value(Fingerprint(noise(seed + (side << 80)) as u64));
            let marks = Marks {
                tribe: mark(1),
                outlook: mark(2),
            };
            base.set(field, marks);
        }
        let letters: String = (0..5)
            .map(|part: u128| format!("{:032x}", noise((part << 70) + u128::from(number))))
            .collect();
        let state = match number {
            _ if number.is_multiple_of(50) => LinkState::Sleeping,
            _ if number.is_multiple_of(97) => LinkState::Closed,
            _ if number.is_multiple_of(101) => LinkState::Tombstone { eligible: true },
            _ => LinkState::Linked,
        };
        LinkRow {
            environment: self.environment.clone(),
            user,
            person,
            link: Link {
                state,
                contact: Some(ContactId(letters[..150].to_owned())),
                etag: Some(Etag(format!("W/\"EQAAABYAAAB{number:032x}\""))),
                folder: Some(FolderId("f".repeat(120))),
                relationship: Some(RelationshipId(id(4, number))),
                base,
                ..Link::intent(Kind::Contact)
            },
            changed_ms: self.now_ms,
            outlook_ms: Some(self.now_ms),
            ahead: None,
        }
    }

    /// One by R6 among ten thousand, so that a rule that is rarely used is there to be looked for.
    fn line(&self, user: UserId, person: PersonId, number: u64, at_ms: i64) -> AuditLine {
        let rule = match number % 10_000 {
            17 => Rule::R6,
            rest if rest % 3 == 0 => Rule::R3,
            _ => Rule::R2,
        };
        let mut line = AuditLine {
            id: 0,
            at_ms,
            environment: self.environment.clone(),
            user,
            person: Some(person),
            contact: Some(ContactId(format!("{:0150x}", noise(u128::from(number))))),
            rule,
            direction: match rule {
                Rule::R3 => AuditDirection::ToTribe,
                _ => AuditDirection::ToOutlook,
            },
            cause: Source::Webhook,
            fields: vec![Field::FirstName, Field::BusinessPhone],
            values: None,
            note: None,
            pass: (number / 20) as i64,
        };
        let change = |before: String, after: String| FieldChange {
            before: Some(before),
            after: Some(after),
            ..FieldChange::default()
        };
        let values = AuditValues::from([
            (
                Field::FirstName,
                change(format!("Anna {number}"), "Anne".to_owned()),
            ),
            (
                Field::BusinessPhone,
                change("+31 20 1234567".to_owned(), format!("+31 20 {number:07}")),
            ),
        ]);
        let sealed = self
            .vault
            .seal_json(column::AUDIT_VALUES, &audit_row(&line), &values)
            .unwrap();
        line.values = Some(sealed);
        line
    }

    fn held(&self, user: UserId, person: PersonId, number: u64) -> Held {
        let mut held = Held {
            id: 0,
            environment: self.environment.clone(),
            user,
            person,
            rule: Rule::R6,
            fields: vec![Field::Function],
            values: Sealed(Vec::new()),
            accepted: None,
            created_ms: self.now_ms - number as i64,
        };
        let both = BothSides {
            tribe: Some("Inkoper".to_owned()),
            outlook: Some(format!("Inkoper {number}")),
        };
        let values = HeldValues::from([(Field::Function, both)]);
        held.values = self
            .vault
            .seal_json(column::HELD_VALUES, &row_of_held(&held), &values)
            .unwrap();
        held
    }

    /// What hangs on a user beside links.
    async fn belongings(&mut self, user: &User, number: u64) {
        let (user, state) = (user.id, user.state);
        for (resource, days) in [("me/contacts", 6), ("me/contactFolders", 5)] {
            let subscription = Subscription {
                id: id(5, number * 2 + days).to_string(),
                user,
                environment: self.environment.clone(),
                resource: resource.to_owned(),
                client_state_hash: [7; 32],
                expires_ms: self.now_ms + days as i64 * 24 * HOUR_MS + number as i64 * 1_000,
                created_ms: self.now_ms,
                checked_ms: self.now_ms,
                certificate: None,
            };
            self.put(Change::PutSubscription(subscription)).await;
        }
        if state == UserState::Paused {
            let hints = (0..50).map(|hint| NewHint {
                environment: self.environment.clone(),
                user: Some(user),
                target: Target::Person {
                    id: PersonId(id(6, number * 50 + hint)),
                    read: None,
                },
                source: Source::Webhook,
                received_ms: self.now_ms - hint as i64,
                not_before_ms: self.now_ms,
                attempts: 0,
            });
            let hints = hints.collect();
            self.put(Change::AddHints(hints)).await;
        }
        if state == UserState::NeedsConsent {
            let alert = Alert {
                key: format!("needs_consent/{user}"),
                environment: self.environment.clone(),
                user: Some(user),
                message: "the user must sign in at Microsoft again".to_owned(),
                since_ms: self.now_ms,
            };
            self.put(Change::RaiseAlert(alert)).await;
        }
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, numbers @ ..] = arguments.as_slice() else {
        panic!("usage: fill URL USERS LINKS LARGEST AUDIT WAITING");
    };
    let numbers: Vec<u64> = numbers.iter().map(|text| text.parse().unwrap()).collect();
    let [users, links, largest, audit, waiting] = numbers[..] else {
        panic!("five numbers: USERS LINKS LARGEST AUDIT WAITING");
    };
    let keys = std::env::var("TRIBELINK_SECURITY__ENCRYPTION_KEYS").unwrap();
    let ring = KeyRing::parse(&[SecretString::from(keys)]).unwrap();
    let (sqlite, store): (_, Arc<dyn Store>) = if url.starts_with("postgres") {
        let opened = PostgresStore::open(url, postgres::Settings::default()).await;
        (None, Arc::new(opened.unwrap()))
    } else {
        let opened = SqliteStore::open(url, sqlite::Settings::default()).await;
        let opened = Arc::new(opened.unwrap());
        (Some(Arc::clone(&opened)), opened)
    };
    let environment = store.environments().await.unwrap().remove(0).id;
    let mut filling = Filling {
        store,
        vault: Vault::new(ring, Arc::new(SystemRandom)),
        environment,
        now_ms: SystemClock.now_ms(),
        waiting: Vec::new(),
    };

    // Who is there already first, so that the largest mailbox is one that a person can sign in to.
    let mut everybody = filling.store.users(None, None, 100).await.unwrap();
    everybody.sort_by_key(|user| user.created_ms);
    for user in &everybody {
        let rest = Change::SetUserChores {
            id: user.id,
            chores_due_ms: i64::MAX,
            delta_ms: user.delta_ms,
            proven_ms: user.proven_ms,
            throttled_until_ms: 0,
        };
        filling.waiting.push(rest);
    }
    let first = filling.store.links(everybody[0].id, None, 1).await.unwrap();
    let everywhere = first[0].person;
    for number in everybody.len() as u64..users {
        let user = filling.user(number);
        filling.put(Change::PutUser(Box::new(user.clone()))).await;
        filling.belongings(&user, number).await;
        everybody.push(user);
    }

    let weight = |place: usize| 1.0 / (place as f64 + 60.0);
    let weights: f64 = (1..everybody.len()).map(weight).sum();
    let mut number = 0;
    let mut owned = Vec::new();
    for (place, user) in everybody.iter().enumerate() {
        let count = match place {
            0 => largest,
            _ => ((links - largest) as f64 * weight(place) / weights).ceil() as u64,
        };
        let start = id(7, place as u64).as_u128() as u64 % PEOPLE;
        if place > 0 {
            let row = filling.link(user.id, everywhere, 1);
            filling.put(Change::PutLink(Box::new(row))).await;
        }
        for step in 0..count {
            let person = PersonId(id(8, (start + step) % PEOPLE));
            let row = filling.link(user.id, person, number);
            filling.put(Change::PutLink(Box::new(row))).await;
            number += 1;
        }
        owned.push((user.id, start, count));
    }

    // A month of writes; every eighth is the largest mailbox's.
    let pick = |number: u64| {
        let place = match number % 8 {
            0 => 0,
            _ => (number * 7_919 % owned.len() as u64) as usize,
        };
        let (user, start, count) = owned[place];
        (
            user,
            PersonId(id(8, (start + number % count.max(1)) % PEOPLE)),
        )
    };
    let step_ms = 30 * 24 * HOUR_MS / audit.max(1) as i64;
    for number in 0..audit {
        let (user, person) = pick(number);
        let at_ms = filling.now_ms - (audit - number) as i64 * step_ms;
        let line = filling.line(user, person, number, at_ms);
        filling.put(Change::AddAudit(Box::new(line))).await;
    }
    for number in 0..waiting {
        let (user, person) = pick(number);
        let held = filling.held(user, person, number);
        filling.put(Change::PutHeld(Box::new(held))).await;
        let parked = Parked {
            id: 0,
            environment: filling.environment.clone(),
            user,
            person: Some(person),
            field: Field::Function.name().to_owned(),
            reason: "Outlook refuses the value".to_owned(),
            attempts: 5,
            created_ms: filling.now_ms,
        };
        filling.put(Change::PutParked(Box::new(parked))).await;
    }
    let planned = everybody
        .iter()
        .find(|user| user.state == UserState::Consented);
    if let Some(user) = planned.map(|user| user.id) {
        let preview = Preview {
            ready: true,
            create: 5_000,
            made_ms: filling.now_ms,
            ..Preview::default()
        };
        let items = (0..5_000).map(|number| PreviewItem {
            person: PersonId(id(8, number)),
            action: "create".to_owned(),
            rule: Rule::R1,
            reason: "eligible, and no contact yet".to_owned(),
        });
        let items = items.collect();
        let begun = Preview {
            ready: false,
            ..preview.clone()
        };
        filling
            .put(Change::PutPreview {
                user,
                preview: begun,
            })
            .await;
        filling.put(Change::AddPreviewItems { user, items }).await;
        filling.put(Change::PutPreview { user, preview }).await;
        println!("planned {user}");
    }
    filling.flush().await;
    println!("largest {}", everybody[0].id);
    println!("everywhere {}", everywhere.0);
    println!("links {number}");
    if let Some(sqlite) = sqlite {
        sqlite.close().await;
    }
}
