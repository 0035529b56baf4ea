//! Change tracking: rounds, pages, and tokens that die (Graph reference 3).
//!
//! A token is one entry of a bounded cache per folder: each link that is issued starts a new
//! generation, and only the last few survive. A page can be asked for again as long as its token
//! lives, and is the same page.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    Switches,
    contact::{self, View},
    fail::{Answer, Fail},
    mailbox::Mailbox,
    odata,
};
use crate::microsoft::draw;

/// Generations start here: nobody shall rely on small numbers.
const FIRST_GENERATION: u64 = 148;

/// What is tracked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The contacts of one folder.
    Contacts(String),
    /// The contact folders.
    Folders,
}

impl Scope {
    fn name(&self) -> &str {
        match self {
            Self::Contacts(folder) => folder,
            Self::Folders => "folders",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Row {
    Contact(u64),
    Folder(String),
    Gone {
        id: String,
        immutable_id: String,
        for_good: bool,
    },
}

#[derive(Clone, Debug)]
struct Cursor {
    scope: Scope,
    generation: u64,
    /// A link to the next page, not to the next round.
    inside: bool,
    /// Changes up to this number were told before this round.
    since: Option<u64>,
    /// The round ends at this number.
    upto: u64,
    rows: Arc<Vec<Row>>,
    at: usize,
    select: Option<BTreeSet<String>>,
    page: Option<usize>,
}

/// The live tokens of a mailbox.
#[derive(Default)]
pub(super) struct Cursors {
    tokens: HashMap<String, Cursor>,
    highest: BTreeMap<String, u64>,
}

impl Cursors {
    /// Lets every token of a folder die, or of all.
    pub(super) fn expire(&mut self, scope: Option<&str>) {
        self.tokens
            .retain(|_, cursor| scope.is_some_and(|scope| scope != cursor.scope.name()));
        for (name, highest) in &mut self.highest {
            if scope.is_none_or(|scope| scope == name) {
                *highest += 8;
            }
        }
    }

    fn issue(&mut self, mut cursor: Cursor, survive: u64, rng: &mut fastrand::Rng) -> String {
        let highest = self
            .highest
            .entry(cursor.scope.name().to_owned())
            .or_insert(FIRST_GENERATION);
        *highest += 1;
        cursor.generation = *highest;
        let oldest = (*highest + 1).saturating_sub(survive.max(1));
        let name = cursor.scope.name().to_owned();
        self.tokens
            .retain(|_, other| other.scope.name() != name || other.generation >= oldest);
        let token = format!("{}.{}", cursor.generation, draw::opaque(rng, 48));
        self.tokens.insert(token.clone(), cursor);
        token
    }

    fn gone(&self, scope: &Scope, token: &str) -> Fail {
        let generation = token
            .split('.')
            .next()
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or_default();
        let highest = self
            .highest
            .get(scope.name())
            .copied()
            .unwrap_or(FIRST_GENERATION);
        let mut known: Vec<u64> = self
            .tokens
            .values()
            .filter(|cursor| cursor.scope == *scope)
            .map(|cursor| cursor.generation)
            .collect();
        // As the wire shows them: the highest first, the others from the lowest on.
        known.sort_unstable();
        if !known.is_empty() {
            known.rotate_right(1);
        }
        let known: String = known
            .iter()
            .map(|generation| format!("[{generation}]"))
            .collect();
        Fail::new(
            410,
            "SyncStateNotFound",
            format!(
                "The sync state generation is not found; generation={generation};[highest={highest}]{known}."
            ),
        )
    }
}

/// One call of `delta`.
pub(super) struct Ask<'a> {
    pub(super) scope: Scope,
    pub(super) query: &'a [(String, String)],
    pub(super) immutable: bool,
    /// `Prefer: odata.maxpagesize`.
    pub(super) page: Option<usize>,
    /// `{origin}/v1.0/…/delta`, without a query.
    pub(super) address: String,
    pub(super) context: String,
    /// Changes after this time are not seen yet.
    pub(super) seen_ms: i64,
}

/// Answers it.
pub(super) fn delta(
    mailbox: &mut Mailbox,
    ask: &Ask<'_>,
    switches: &mut Switches,
    directory: &BTreeMap<String, String>,
    rng: &mut fastrand::Rng,
) -> Result<Answer, Fail> {
    let mut token = None;
    let mut select = None;
    for (name, value) in ask.query {
        match name.as_str() {
            "$deltatoken" | "$skiptoken" => token = Some(value.as_str()),
            "$select" => select = Some(odata::names(value)),
            name if name.starts_with('$') => {
                return Err(Fail::query(
                    "The following parameters are not supported with change tracking over the 'Contacts' resource: '$orderby, $filter, $expand, $search, $top, $skip'.",
                ));
            }
            _ => {}
        }
    }
    let mut starting = true;
    let cursor = match token {
        None => round(mailbox, ask, None, select, ask.page),
        Some(token) => {
            let found = mailbox
                .cursors
                .tokens
                .get(token)
                .filter(|cursor| cursor.scope == ask.scope)
                .cloned();
            let found = found.ok_or_else(|| gone(mailbox, ask, token, switches))?;
            if found.inside {
                // A nextLink can die in the middle of a walk (Graph reference 3).
                if switches.delta_next_dies > 0 {
                    switches.delta_next_dies -= 1;
                    mailbox.cursors.expire(Some(ask.scope.name()));
                    return Err(gone(mailbox, ask, token, switches));
                }
                starting = false;
                Cursor {
                    page: ask.page.or(found.page),
                    ..found
                }
            } else {
                round(
                    mailbox,
                    ask,
                    found.since,
                    found.select,
                    ask.page.or(found.page),
                )
            }
        }
    };
    Ok(page(
        mailbox, ask, cursor, starting, switches, directory, rng,
    ))
}

fn gone(mailbox: &Mailbox, ask: &Ask<'_>, token: &str, switches: &Switches) -> Fail {
    let fail = mailbox.cursors.gone(&ask.scope, token);
    if switches.delta_location {
        fail.with("location", format!("{}?$deltatoken=", ask.address))
    } else {
        fail
    }
}

/// Opens a round: what is to be told, as of now.
fn round(
    mailbox: &Mailbox,
    ask: &Ask<'_>,
    since: Option<u64>,
    select: Option<BTreeSet<String>>,
    page: Option<usize>,
) -> Cursor {
    let upto = mailbox.version_at(ask.seen_ms).max(since.unwrap_or(0));
    let mut rows: Vec<(u64, Row)> = Vec::new();
    let told = since.unwrap_or(0);
    match &ask.scope {
        Scope::Contacts(folder) => {
            for contact in mailbox.in_folder(folder) {
                let seen = since.is_none() && contact.as_of(ask.seen_ms).is_some();
                if seen || since.is_some() && contact.version > told && contact.version <= upto {
                    rows.push((contact.version, Row::Contact(contact.key)));
                }
            }
        }
        Scope::Folders => {
            for folder in mailbox.folders.values() {
                let tracked =
                    folder.id != mailbox.default_folder && mailbox.in_contact_folder(&folder.id);
                if tracked && (since.is_none() || folder.version > told && folder.version <= upto) {
                    rows.push((folder.version, Row::Folder(folder.id.clone())));
                }
            }
        }
    }
    if since.is_some() {
        rows.extend(removed(mailbox, ask, told, upto));
    }
    rows.sort_by_key(|(version, _)| *version);
    let rows = Arc::new(rows.into_iter().map(|(_, row)| row).collect());
    Cursor {
        scope: ask.scope.clone(),
        generation: 0,
        inside: true,
        since,
        upto,
        rows,
        at: 0,
        select,
        page,
    }
}

/// What left since. What came and went between two rounds does not appear at all.
fn removed(mailbox: &Mailbox, ask: &Ask<'_>, told: u64, upto: u64) -> Vec<(u64, Row)> {
    let here = |folder: &str| match &ask.scope {
        Scope::Contacts(scope) => folder == scope,
        Scope::Folders => folder.starts_with("folders:"),
    };
    let back = |id: &str| {
        mailbox
            .find(id)
            .is_some_and(|contact| here(&contact.folder))
    };
    let mut rows: BTreeMap<String, (u64, Row)> = BTreeMap::new();
    for removal in &mailbox.removals {
        let shown = if ask.immutable {
            &removal.immutable_id
        } else {
            &removal.id
        };
        if removal.version > told
            && removal.version <= upto
            && here(&removal.folder)
            && removal.entered <= told
            && !back(shown)
        {
            let row = Row::Gone {
                id: removal.id.clone(),
                immutable_id: removal.immutable_id.clone(),
                for_good: removal.for_good,
            };
            rows.insert(shown.clone(), (removal.version, row));
        }
    }
    rows.into_values().collect()
}

fn page(
    mailbox: &mut Mailbox,
    ask: &Ask<'_>,
    cursor: Cursor,
    starting: bool,
    switches: &Switches,
    directory: &BTreeMap<String, String>,
    rng: &mut fastrand::Rng,
) -> Answer {
    let size = cursor.page.unwrap_or(switches.delta_page).max(1);
    let empty = starting && switches.delta_empty_page;
    let end = if empty {
        cursor.at
    } else {
        (cursor.at + size).min(cursor.rows.len())
    };
    // The last row of a page may come again on the next (Graph reference 3: repeats).
    let from = if switches.delta_repeat && cursor.at > 0 && !empty {
        cursor.at - 1
    } else {
        cursor.at
    };
    let view = View {
        immutable: ask.immutable,
        select: cursor.select.clone(),
        ..View::default()
    };
    let value: Vec<Value> = cursor.rows[from..end]
        .iter()
        .filter_map(|row| shown(mailbox, row, &cursor, ask, &view, switches, directory))
        .collect();
    let mut body = json!({"@odata.context": ask.context, "value": value});
    let more = empty || end < cursor.rows.len();
    let (since, select, page) = (Some(cursor.upto), cursor.select.clone(), cursor.page);
    let next = if more {
        Cursor {
            at: end,
            inside: true,
            ..cursor
        }
    } else {
        Cursor {
            since,
            inside: false,
            rows: Arc::default(),
            at: 0,
            select,
            page,
            ..cursor
        }
    };
    let token = mailbox.cursors.issue(next, switches.delta_generations, rng);
    if more {
        body["@odata.nextLink"] = json!(format!("{}?$skiptoken={token}", ask.address));
    } else {
        body["@odata.deltaLink"] = json!(format!("{}?$deltatoken={token}", ask.address));
    }
    Answer::json(200, body).with("preference-applied", "odata.track-changes")
}

fn shown(
    mailbox: &Mailbox,
    row: &Row,
    cursor: &Cursor,
    ask: &Ask<'_>,
    view: &View,
    switches: &Switches,
    directory: &BTreeMap<String, String>,
) -> Option<Value> {
    match row {
        Row::Folder(id) => mailbox
            .folders
            .get(id)
            .map(|folder| mailbox.show_folder(folder)),
        Row::Gone {
            id,
            immutable_id,
            for_good,
        } => {
            let id = if ask.immutable { immutable_id } else { id };
            // `changed` says that it can come back (Graph reference 3).
            let reason = if switches.delta_reason_changed && !for_good {
                "changed"
            } else {
                "deleted"
            };
            Some(json!({"id": id, "@removed": {"reason": reason}}))
        }
        Row::Contact(key) => {
            let contact = mailbox.contacts.get(key)?;
            // Gone meanwhile: the next round says so.
            if contact.folder != ask.scope.name() {
                return None;
            }
            let contact = contact.as_of(ask.seen_ms)?;
            let mut item = contact::show(contact, view, directory);
            let told = cursor.since.unwrap_or(0);
            if switches.delta_partial && cursor.since.is_some() && contact.entered <= told {
                let untouched = |name: &str| {
                    contact
                        .touched
                        .get(name)
                        .is_none_or(|version| *version <= told)
                };
                if let Some(members) = item.as_object_mut() {
                    members.retain(|name, _| {
                        matches!(
                            name.as_str(),
                            "@odata.etag"
                                | "id"
                                | "changeKey"
                                | "lastModifiedDateTime"
                                | "parentFolderId"
                        ) || !untouched(name)
                    });
                }
            }
            Some(item)
        }
    }
}
