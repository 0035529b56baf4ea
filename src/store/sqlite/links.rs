//! Links, kept small: a million must fit.

use aws_lc_rs::digest;
use sqlx::{SqlitePool, sqlite::SqliteRow};
use tribelink_plan::{
    base::{Base, Fingerprint},
    ids::{ContactId, EnvironmentId, Etag, FolderId, PersonId, RelationshipId, UserId},
    link::{Link, LinkState, MobileSlot, Origin, PrivateEmailSlot, Slots},
    person::Kind,
};

use super::{
    outage,
    row::{self, Cells},
    writing::{Sql, Writing},
};
use crate::store::{Error, LinkCounts, LinkRow};

const LINKED: i64 = 1;
const SLEEPING: i64 = 2;

fn state_number(state: LinkState) -> i64 {
    match state {
        LinkState::Intent => 0,
        LinkState::Linked => LINKED,
        LinkState::Sleeping => SLEEPING,
        LinkState::Tombstone { eligible: false } => 3,
        LinkState::Tombstone { eligible: true } => 4,
        LinkState::Closed => 5,
    }
}

fn state_of(number: i64) -> Option<LinkState> {
    Some(match number {
        0 => LinkState::Intent,
        LINKED => LinkState::Linked,
        SLEEPING => LinkState::Sleeping,
        3 => LinkState::Tombstone { eligible: false },
        4 => LinkState::Tombstone { eligible: true },
        5 => LinkState::Closed,
        _ => return None,
    })
}

fn origin_number(origin: Origin) -> i64 {
    match origin {
        Origin::Created => 0,
        Origin::Stamp => 1,
        Origin::Match => 2,
    }
}

fn origin_of(number: i64) -> Option<Origin> {
    Some(match number {
        0 => Origin::Created,
        1 => Origin::Stamp,
        2 => Origin::Match,
        _ => return None,
    })
}

fn kind_number(kind: Kind) -> i64 {
    match kind {
        Kind::Contact => 0,
        Kind::Employee => 1,
        Kind::Individual => 2,
    }
}

fn kind_of(number: i64) -> Option<Kind> {
    Some(match number {
        0 => Kind::Contact,
        1 => Kind::Employee,
        2 => Kind::Individual,
        _ => return None,
    })
}

/// The slots as one number, with the fingerprint of a placed address beside it: the mobile slot is
/// the lowest bit, what became of the private address the rest.
fn slots_number(slots: Slots) -> (i64, Option<i64>) {
    let mobile = match slots.mobile {
        MobileSlot::Business => 0,
        MobileSlot::Private => 1,
    };
    let (email, placed) = match slots.private_email {
        PrivateEmailSlot::Unplaced => (0, None),
        PrivateEmailSlot::Placed(Fingerprint(number)) => (1, Some(number.cast_signed())),
        PrivateEmailSlot::Touched => (2, None),
    };
    (mobile | email << 1, placed)
}

fn slots_of(number: i64, placed: Option<i64>) -> Option<Slots> {
    let mobile = match number & 1 {
        0 => MobileSlot::Business,
        _ => MobileSlot::Private,
    };
    let private_email = match (number >> 1, placed) {
        (0, None) => PrivateEmailSlot::Unplaced,
        (1, Some(placed)) => PrivateEmailSlot::Placed(Fingerprint(placed.cast_unsigned())),
        (2, None) => PrivateEmailSlot::Touched,
        _ => return None,
    };
    Some(Slots {
        mobile,
        private_email,
    })
}

/// Eight bytes of SHA-256 over the user's id and the contact's: what the index holds instead of 150
/// letters. Two contacts may share it, so every hit is compared in full.
fn contact_hash(user: UserId, contact: &ContactId) -> i64 {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(user.0.as_bytes());
    context.update(contact.as_str().as_bytes());
    let mut head = [0; 8];
    for (to, from) in head.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    i64::from_be_bytes(head)
}

pub(super) async fn put(w: &mut Writing<'_>, row: &LinkRow) -> Result<(), Error> {
    let user = w.user_in(row.user, &row.environment).await?;
    let link = &row.link;
    let folder = match &link.folder {
        Some(folder) => Some(folder_number(w, user, folder).await?),
        None => None,
    };
    let contact = link.contact.as_ref();
    let (slots, placed) = slots_number(link.slots);
    w.run(
        sqlx::query(
            "INSERT INTO links (user, person, state, origin, kind, slots, placed, contact_hash,
                 contact, etag, folder, relationship, base, former, settles_ms, changed_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (user, person) DO UPDATE SET
                 state = excluded.state,
                 origin = excluded.origin,
                 kind = excluded.kind,
                 slots = excluded.slots,
                 placed = excluded.placed,
                 contact_hash = excluded.contact_hash,
                 contact = excluded.contact,
                 etag = excluded.etag,
                 folder = excluded.folder,
                 relationship = excluded.relationship,
                 base = excluded.base,
                 former = excluded.former,
                 settles_ms = excluded.settles_ms,
                 changed_ms = excluded.changed_ms",
        )
        .bind(user)
        .bind(row.person.0.as_bytes().as_slice())
        .bind(state_number(link.state))
        .bind(origin_number(link.origin))
        .bind(kind_number(link.kind))
        .bind(slots)
        .bind(placed)
        .bind(contact.map(|contact| contact_hash(row.user, contact)))
        .bind(contact.map(ContactId::as_str))
        .bind(link.etag.as_ref().map(Etag::as_str))
        .bind(folder)
        .bind(
            link.relationship
                .as_ref()
                .map(|id| id.0.as_bytes().as_slice()),
        )
        .bind(link.base.to_bytes())
        .bind(link.former_bytes())
        .bind(link.settles_at_ms)
        .bind(row.changed_ms),
    )
    .await?;
    Ok(())
}

async fn folder_number(w: &mut Writing<'_>, user: i64, folder: &FolderId) -> Result<i64, Error> {
    let find = || {
        sqlx::query("SELECT number FROM folders WHERE user = ? AND id = ?")
            .bind(user)
            .bind(folder.as_str())
    };
    if let Some(row) = w.one(find()).await? {
        return Cells::of("folders", &row).int("number");
    }
    let sql = sqlx::query("INSERT INTO folders (user, id) VALUES (?, ?)")
        .bind(user)
        .bind(folder.as_str());
    Ok(w.run(sql).await?.last_insert_rowid())
}

pub(super) async fn drop(w: &mut Writing<'_>, user: UserId, person: PersonId) -> Result<(), Error> {
    let sql = sqlx::query(
        "DELETE FROM links WHERE user = (SELECT number FROM users WHERE id = ?) AND person = ?",
    )
    .bind(user.0.as_bytes().as_slice())
    .bind(person.0.as_bytes().as_slice());
    w.run(sql).await?;
    Ok(())
}

pub(super) async fn sleep(w: &mut Writing<'_>, user: UserId) -> Result<(), Error> {
    let sql = sqlx::query(
        "UPDATE links SET state = ?
         WHERE user = (SELECT number FROM users WHERE id = ?) AND state = ?",
    )
    .bind(SLEEPING)
    .bind(user.0.as_bytes().as_slice())
    .bind(LINKED);
    w.run(sql).await?;
    Ok(())
}

pub(super) async fn forget(w: &mut Writing<'_>, user: i64) -> Result<(), Error> {
    w.run(sqlx::query("DELETE FROM links WHERE user = ?").bind(user))
        .await?;
    w.run(sqlx::query("DELETE FROM folders WHERE user = ?").bind(user))
        .await?;
    Ok(())
}

/// The columns of every read; `$tail` says which rows.
macro_rules! select {
    ($tail:literal) => {
        sqlx::query(concat!(
            "SELECT l.number, u.id AS user, u.environment, l.person, l.state, l.origin, l.kind,
                    l.slots, l.placed, l.contact, l.etag, f.id AS folder, l.relationship, l.base,
                    l.former, l.settles_ms, l.changed_ms
             FROM links l JOIN users u ON u.number = l.user
             LEFT JOIN folders f ON f.number = l.folder ",
            $tail
        ))
    };
}

async fn fetch(pool: &SqlitePool, sql: Sql<'_>) -> Result<Vec<LinkRow>, Error> {
    let rows = sql.fetch_all(pool).await.map_err(outage)?;
    rows.iter().map(read).collect()
}

pub(super) async fn of(
    pool: &SqlitePool,
    user: UserId,
    people: &[PersonId],
) -> Result<Vec<LinkRow>, Error> {
    let sql = select!(
        "WHERE u.id = ? AND l.person IN (SELECT unhex(value) FROM json_each(?)) ORDER BY l.person"
    );
    let people = row::hex_list(people.iter().map(|person| person.0));
    fetch(pool, sql.bind(user.0.as_bytes().as_slice()).bind(people)).await
}

pub(super) async fn of_contacts(
    pool: &SqlitePool,
    user: UserId,
    contacts: &[ContactId],
) -> Result<Vec<LinkRow>, Error> {
    let hashes = contacts.iter().map(|contact| contact_hash(user, contact));
    let sql = select!(
        "WHERE l.contact_hash IN (SELECT value FROM json_each(?)) AND u.id = ? ORDER BY l.person"
    );
    let sql = sql
        .bind(row::list(hashes))
        .bind(user.0.as_bytes().as_slice());
    let mut rows = fetch(pool, sql).await?;
    rows.retain(|row| {
        let contact = row.link.contact.as_ref();
        contact.is_some_and(|contact| contacts.contains(contact))
    });
    Ok(rows)
}

pub(super) async fn list(
    pool: &SqlitePool,
    user: UserId,
    after: Option<PersonId>,
    limit: usize,
) -> Result<Vec<LinkRow>, Error> {
    // The empty blob comes before every id.
    let after = after.map_or_else(Vec::new, |id| id.0.as_bytes().to_vec());
    let sql = select!("WHERE u.id = ? AND l.person > ? ORDER BY l.person LIMIT ?")
        .bind(user.0.as_bytes().as_slice())
        .bind(after)
        .bind(row::limit(limit));
    fetch(pool, sql).await
}

pub(super) async fn of_people(
    pool: &SqlitePool,
    environment: &EnvironmentId,
    people: &[PersonId],
) -> Result<Vec<LinkRow>, Error> {
    let sql = select!(
        "WHERE l.person IN (SELECT unhex(value) FROM json_each(?)) AND u.environment = ?
         ORDER BY l.person, u.id"
    );
    let people = row::hex_list(people.iter().map(|person| person.0));
    fetch(pool, sql.bind(people).bind(environment.as_str())).await
}

fn read(row: &SqliteRow) -> Result<LinkRow, Error> {
    let cells = Cells::of("links", row);
    let fits = |column| move || cells_error(row, column);
    let slots = slots_of(cells.int("slots")?, cells.int_or_none("placed")?);
    let former = Link::former_from_bytes(cells.bytes("former")?);
    Ok(LinkRow {
        environment: cells.environment("environment")?,
        user: cells.user("user")?,
        person: cells.person("person")?,
        link: Link {
            state: state_of(cells.int("state")?).ok_or_else(fits("state"))?,
            origin: origin_of(cells.int("origin")?).ok_or_else(fits("origin"))?,
            contact: cells.text_or_none("contact")?.map(ContactId),
            etag: cells.text_or_none("etag")?.map(Etag),
            folder: cells.text_or_none("folder")?.map(FolderId),
            relationship: cells.uuid_or_none("relationship")?.map(RelationshipId),
            kind: kind_of(cells.int("kind")?).ok_or_else(fits("kind"))?,
            base: Base::from_bytes(cells.bytes("base")?).ok_or_else(fits("base"))?,
            slots: slots.ok_or_else(fits("slots"))?,
            former: former.ok_or_else(fits("former"))?,
            settles_at_ms: cells.int("settles_ms")?,
        },
        changed_ms: cells.int("changed_ms")?,
    })
}

fn cells_error(row: &SqliteRow, column: &'static str) -> Error {
    Cells::of("links", row).corrupt(column)
}

pub(super) async fn count(pool: &SqlitePool, user: UserId) -> Result<LinkCounts, Error> {
    let rows = sqlx::query(
        "SELECT l.state, count(*) AS count
         FROM users u JOIN links l ON l.user = u.number WHERE u.id = ? GROUP BY l.state",
    )
    .bind(user.0.as_bytes().as_slice())
    .fetch_all(pool)
    .await
    .map_err(outage)?;
    let mut counts = LinkCounts::default();
    for row in &rows {
        let cells = Cells::of("links", row);
        let state = state_of(cells.int("state")?).ok_or_else(|| cells.corrupt("state"))?;
        let count: u64 = cells.count("count")?;
        match state {
            LinkState::Intent => counts.intents += count,
            LinkState::Linked => counts.linked += count,
            LinkState::Sleeping => counts.sleeping += count,
            LinkState::Tombstone { .. } => counts.tombstones += count,
            LinkState::Closed => counts.closed += count,
        }
    }
    let row = sqlx::query(
        "SELECT (SELECT count(DISTINCT person) FROM held WHERE user = u.number) AS held,
                (SELECT count(DISTINCT person) FROM parked WHERE user = u.number) AS failing
         FROM users u WHERE u.id = ?",
    )
    .bind(user.0.as_bytes().as_slice())
    .fetch_optional(pool)
    .await
    .map_err(outage)?;
    if let Some(row) = row {
        let cells = Cells::of("held", &row);
        counts.held = cells.count("held")?;
        counts.failing = cells.count("failing")?;
    }
    Ok(counts)
}
