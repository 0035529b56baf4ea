//! Links, kept small: a million must fit.

use tribelink_plan::{
    ids::{ContactId, EnvironmentId, Etag, FolderId, PersonId, UserId},
    link::LinkState,
};

use super::{
    Pool, outage,
    row::{self, Cells},
    writing::{Sql, Writing},
};
use crate::store::{Error, LinkCounts, LinkRow};

pub(in crate::store) async fn put(w: &mut Writing<'_>, row: &LinkRow) -> Result<(), Error> {
    let user = w.user_in(row.user, &row.environment).await?;
    let link = &row.link;
    let folder = match &link.folder {
        Some(folder) => Some(folder_number(w, user, folder).await?),
        None => None,
    };
    let contact = link.contact.as_ref();
    let (slots, placed) = row::slots_number(link.slots);
    w.run(
        sqlx::query(
            r#"INSERT INTO links ("user", person, state, origin, kind, slots, placed, contact_hash,
                 contact, etag, folder, relationship, base, former, settles_ms, changed_ms, ahead,
                 outlook_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
             ON CONFLICT ("user", person) DO UPDATE SET
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
                 changed_ms = excluded.changed_ms,
                 ahead = excluded.ahead,
                 outlook_ms = excluded.outlook_ms"#,
        )
        .bind(user)
        .bind(row.person.0.as_bytes().as_slice())
        .bind(row::state_number(link.state))
        .bind(row::origin_number(link.origin))
        .bind(row::kind_number(link.kind))
        .bind(slots)
        .bind(placed)
        .bind(contact.map(|contact| row::contact_hash(row.user, contact)))
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
        .bind(row.changed_ms)
        .bind(row.ahead.as_ref().map(|sealed| sealed.0.as_slice()))
        .bind(row.outlook_ms),
    )
    .await?;
    Ok(())
}

/// The folder's number; one that is new gets one.
async fn folder_number(w: &mut Writing<'_>, user: i64, folder: &FolderId) -> Result<i64, Error> {
    let known = sqlx::query(r#"SELECT number FROM folders WHERE "user" = $1 AND id = $2"#)
        .bind(user)
        .bind(folder.as_str());
    if let Some(row) = w.one(known).await? {
        return Cells::of("folders", &row).int("number");
    }
    // Another transaction may have made it meanwhile: then this waits for it, and answers its number.
    let made = sqlx::query(
        r#"INSERT INTO folders ("user", id) VALUES ($1, $2)
           ON CONFLICT ("user", id) DO UPDATE SET id = excluded.id
           RETURNING number"#,
    )
    .bind(user)
    .bind(folder.as_str());
    match w.one(made).await? {
        Some(row) => Cells::of("folders", &row).int("number"),
        None => Err(Error::Conflict("folder")),
    }
}

pub(in crate::store) async fn drop(
    w: &mut Writing<'_>,
    user: UserId,
    person: PersonId,
) -> Result<(), Error> {
    let sql = sqlx::query(
        r#"DELETE FROM links WHERE "user" = (SELECT number FROM users WHERE id = $1) AND person = $2"#,
    )
    .bind(user.0.as_bytes().as_slice())
    .bind(person.0.as_bytes().as_slice());
    w.run(sql).await?;
    Ok(())
}

pub(in crate::store) async fn sleep(w: &mut Writing<'_>, user: UserId) -> Result<(), Error> {
    let sql = sqlx::query(
        r#"UPDATE links SET state = $1
         WHERE "user" = (SELECT number FROM users WHERE id = $2) AND state = $3"#,
    )
    .bind(row::SLEEPING)
    .bind(user.0.as_bytes().as_slice())
    .bind(row::LINKED);
    w.run(sql).await?;
    Ok(())
}

pub(in crate::store) async fn forget(w: &mut Writing<'_>, user: i64) -> Result<(), Error> {
    w.run(sqlx::query(r#"DELETE FROM links WHERE "user" = $1"#).bind(user))
        .await?;
    w.run(sqlx::query(r#"DELETE FROM folders WHERE "user" = $1"#).bind(user))
        .await?;
    Ok(())
}

/// The columns of every read; the tail says which rows.
macro_rules! select {
    ($($tail:tt)+) => {
        sqlx::query(concat!(
            "SELECT l.number, u.id AS user, u.environment, l.person, l.state, l.origin, l.kind,
                    l.slots, l.placed, l.contact, l.etag, f.id AS folder, l.relationship, l.base,
                    l.former, l.settles_ms, l.changed_ms, l.outlook_ms, l.ahead
             FROM links l JOIN users u ON u.number = l.user
             LEFT JOIN folders f ON f.number = l.folder ",
            $($tail)+
        ))
    };
}

async fn fetch(pool: &Pool, sql: Sql<'_>) -> Result<Vec<LinkRow>, Error> {
    let rows = sql.fetch_all(pool).await.map_err(outage)?;
    rows.iter().map(row::link).collect()
}

pub(in crate::store) async fn of(
    pool: &Pool,
    user: UserId,
    people: &[PersonId],
) -> Result<Vec<LinkRow>, Error> {
    let sql = select!(
        "WHERE u.id = $1 AND l.person ",
        among_ids!("$2"),
        " ORDER BY l.person"
    );
    let people = row::ids(people.iter().map(|person| person.0));
    fetch(pool, sql.bind(user.0.as_bytes().as_slice()).bind(people)).await
}

pub(in crate::store) async fn of_contacts(
    pool: &Pool,
    user: UserId,
    contacts: &[ContactId],
) -> Result<Vec<LinkRow>, Error> {
    let hashes = contacts
        .iter()
        .map(|contact| row::contact_hash(user, contact));
    let sql = select!(
        "WHERE l.contact_hash ",
        among!("$1"),
        " AND u.id = $2 ORDER BY l.person"
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

pub(in crate::store) async fn list(
    pool: &Pool,
    user: UserId,
    after: Option<PersonId>,
    limit: usize,
) -> Result<Vec<LinkRow>, Error> {
    // The empty blob comes before every id.
    let after = after.map_or_else(Vec::new, |id| id.0.as_bytes().to_vec());
    let sql = select!("WHERE u.id = $1 AND l.person > $2 ORDER BY l.person LIMIT $3")
        .bind(user.0.as_bytes().as_slice())
        .bind(after)
        .bind(row::limit(limit));
    fetch(pool, sql).await
}

pub(in crate::store) async fn of_people(
    pool: &Pool,
    environment: &EnvironmentId,
    people: &[PersonId],
) -> Result<Vec<LinkRow>, Error> {
    let sql = select!(
        "WHERE l.person ",
        among_ids!("$1"),
        " AND u.environment = $2 ORDER BY l.person, u.id"
    );
    let people = row::ids(people.iter().map(|person| person.0));
    fetch(pool, sql.bind(people).bind(environment.as_str())).await
}

/// Whoever is linked is counted as the rest: the index of those who are not stays small, and a link
/// that stays linked never touches it. Its condition stands in the query as a number, since a database
/// cannot know what a parameter will be.
pub(in crate::store) async fn count(pool: &Pool, user: UserId) -> Result<LinkCounts, Error> {
    const {
        assert!(
            row::LINKED == 1,
            "the queries and the index links_unlinked say so"
        )
    };
    let rows = sqlx::query(
        r#"SELECT state, count(*) AS count FROM links
         WHERE "user" = (SELECT number FROM users WHERE id = $1) AND state <> 1 GROUP BY state"#,
    )
    .bind(user.0.as_bytes().as_slice())
    .fetch_all(pool)
    .await
    .map_err(outage)?;
    let mut counts = LinkCounts::default();
    for row in &rows {
        let cells = Cells::of("links", row);
        let state = row::state_of(cells.int("state")?).ok_or_else(|| cells.corrupt("state"))?;
        let count: u64 = cells.count("count")?;
        match state {
            LinkState::Intent => counts.intents += count,
            LinkState::Linked => counts.linked += count,
            LinkState::Sleeping => counts.sleeping += count,
            LinkState::Tombstone { .. } => counts.tombstones += count,
            LinkState::Closed => counts.closed += count,
        }
    }
    let apart = counts.intents + counts.sleeping + counts.tombstones + counts.closed;
    let row = sqlx::query(
        r#"SELECT (SELECT count(*) FROM links WHERE "user" = u.number) AS links,
                (SELECT count(DISTINCT person) FROM held WHERE "user" = u.number) AS held,
                (SELECT count(DISTINCT person) FROM parked WHERE "user" = u.number) AS failing
         FROM users u WHERE u.id = $1"#,
    )
    .bind(user.0.as_bytes().as_slice())
    .fetch_optional(pool)
    .await
    .map_err(outage)?;
    if let Some(row) = row {
        let cells = Cells::of("held", &row);
        let links: u64 = cells.count("links")?;
        counts.linked = links.saturating_sub(apart);
        counts.held = cells.count("held")?;
        counts.failing = cells.count("failing")?;
    }
    Ok(counts)
}
