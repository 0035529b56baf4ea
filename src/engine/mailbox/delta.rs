//! What changed in the mailbox since the cursor: keeps the link in step when every notification is
//! lost. One cursor for each folder in which linked contacts stand.

use std::collections::{BTreeMap, BTreeSet};

use tribelink_plan::{
    ids::{ContactId, Etag, FolderId},
    link::LinkState,
    planted::{self, Bug},
    policy::READS_LAG_MS,
};

use super::{Error, Job, graph};
use crate::{
    crash,
    graph::{DeltaLink, Folder},
    remote,
    store::{Change, Cursor, Hint, NewHint, Source, Target},
};

/// Pages of one walk; a walk that does not end is given up and said (Graph reference 3).
const PAGES: usize = 2_000;

impl Job<'_> {
    /// Runs every delta; answers the hints that asked for it.
    pub(super) async fn delta(&mut self, waiting: &[Hint]) -> Result<(), Error> {
        self.deltas().await?;
        let asked = waiting
            .iter()
            .filter(|hint| matches!(hint.hint.target, Target::Delta | Target::Poll));
        let ids = asked.map(|hint| hint.id).collect();
        self.held.commit(vec![Change::DropHints(ids)]).await
    }

    /// Runs every delta to its end.
    pub(super) async fn deltas(&mut self) -> Result<(), Error> {
        let mut cursors = self.engine.ports.store.cursors(self.user.id).await?;
        if cursors.iter().all(|cursor| !cursor.is_default) {
            let folders = self.folders().await?;
            if let Some(folder) = folders.iter().find(|folder| folder.is_default) {
                cursors.push(Cursor {
                    folder: folder.id.clone(),
                    is_default: true,
                    link: String::new(),
                });
            }
        }
        let mut rounds = BTreeMap::new();
        for cursor in cursors {
            let folder = cursor.folder.clone();
            if let Some(shown) = self.walk(cursor).await? {
                rounds.insert(folder, shown);
            }
        }
        self.look_for_unseen(&rounds).await?;
        self.user.delta_ms = self.engine.now();
        let due = self.user.delta_ms + self.delta_interval_ms();
        let change = self.chores_change(
            due.min(self.user.chores_due_ms.max(self.engine.now()))
                .max(self.engine.now() + 1),
            0,
        );
        self.user.chores_due_ms = due;
        self.held.commit(vec![change]).await
    }

    /// Walks one folder's delta to its end; answers every contact that the round told of. `None`: it was the
    /// first, which tells of all that stands there, or the folder is gone.
    async fn walk(&mut self, mut cursor: Cursor) -> Result<Option<BTreeSet<ContactId>>, Error> {
        let folder = Folder {
            id: cursor.folder.clone(),
            is_default: cursor.is_default,
        };
        // The first round shows everything there is: contacts without link are not news in it.
        let mut first_round = cursor.link.is_empty();
        let mut shown = BTreeSet::new();
        for _ in 0..PAGES {
            self.step_allowed()?;
            let link = Some(cursor.link.as_str()).filter(|link| !link.is_empty());
            let outlook = &self.engine.ports.outlook;
            let page = match graph!(self, |call| outlook.delta(call, &folder, link)) {
                Ok(page) => page,
                Err(remote::Error::Gone) if !cursor.link.is_empty() => {
                    // What changed meanwhile is found by comparing everything (Graph reference 3).
                    cursor.link.clear();
                    first_round = true;
                    let again = self.hint(Target::Sweep, Source::Delta);
                    self.held
                        .commit(vec![
                            self.put_cursor(&cursor),
                            Change::AddHints(vec![again]),
                        ])
                        .await?;
                    continue;
                }
                Err(remote::Error::NotFound) if !cursor.is_default => {
                    // The folder itself is gone; its contacts are looked at one by one.
                    self.folder_gone(&cursor).await?;
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            };
            // A later row of the same contact wins.
            let mut seen: BTreeMap<ContactId, Option<Etag>> = page.changed.into_iter().collect();
            seen.extend(page.removed.into_iter().map(|id| (id, None)));
            shown.extend(seen.keys().cloned());
            let ended = matches!(page.link, DeltaLink::Delta(_));
            cursor.link = match page.link {
                DeltaLink::Next(link) | DeltaLink::Delta(link) => link,
            };
            if planted::is(Bug::CursorBeforeWork) {
                self.held.commit(vec![self.put_cursor(&cursor)]).await?;
            }
            let mut hints = Vec::new();
            if first_round && !folder.is_default {
                hints.extend(self.missing(&folder.id, &seen).await?);
            }
            hints.extend(self.news(seen, first_round).await?);
            crash::point("delta-read");
            // The cursor moves only with its work.
            self.held
                .commit(vec![Change::AddHints(hints), self.put_cursor(&cursor)])
                .await?;
            crash::point("cursor-moved");
            if ended {
                return Ok((!first_round).then_some(shown));
            }
        }
        Err(Error::Remote(remote::Error::Unusable(
            "a delta did not come to an end".to_owned(),
        )))
    }

    /// Hints for those whose contact was made or written since the last round of its folder, and of whom this
    /// one tells nothing: a contact that came and went between two rounds appears in none (Graph
    /// reference 3). Those of the last seconds are left to the next.
    async fn look_for_unseen(
        &mut self,
        rounds: &BTreeMap<FolderId, BTreeSet<ContactId>>,
    ) -> Result<(), Error> {
        let since_ms = self.user.delta_ms - READS_LAG_MS;
        let until_ms = self.engine.now() - READS_LAG_MS;
        let mut hints = Vec::new();
        for row in self.all_links().await? {
            let link = &row.link;
            let (Some(contact), Some(folder)) = (&link.contact, &link.folder) else {
                continue;
            };
            let is_young = (since_ms..until_ms).contains(&row.changed_ms);
            let told = rounds.get(folder).map(|shown| shown.contains(contact));
            if is_young && told == Some(false) && link.state == LinkState::Linked {
                let target = Target::Person {
                    id: row.person,
                    read: None,
                };
                hints.push(self.hint(target, Source::Delta));
            }
        }
        if hints.is_empty() {
            return Ok(());
        }
        self.held.commit(vec![Change::AddHints(hints)]).await
    }

    /// Hints for those whose contact was seen in a folder, and has left it before the folder's first
    /// round, which shows only what stands there by then.
    async fn missing(
        &self,
        folder: &FolderId,
        seen: &BTreeMap<ContactId, Option<Etag>>,
    ) -> Result<Vec<NewHint>, Error> {
        let links = self.all_links().await?;
        let here = links.iter().filter(|row| {
            let contact = row.link.contact.as_ref();
            row.link.folder.as_ref() == Some(folder)
                && contact.is_some_and(|contact| !seen.contains_key(contact))
        });
        let target = |id| Target::Person { id, read: None };
        Ok(here
            .map(|row| self.hint(target(row.person), Source::Delta))
            .collect())
    }

    /// Hints for the contacts of a page that are not as their links remember them.
    async fn news(
        &self,
        seen: BTreeMap<ContactId, Option<Etag>>,
        first_round: bool,
    ) -> Result<Vec<NewHint>, Error> {
        let ids: Vec<ContactId> = seen.keys().cloned().collect();
        let mut known: BTreeMap<ContactId, Option<Etag>> = BTreeMap::new();
        for chunk in ids.chunks(500) {
            let rows = self
                .engine
                .ports
                .store
                .links_of_contacts(self.user.id, chunk)
                .await?;
            known.extend(
                rows.into_iter()
                    .filter_map(|row| Some((row.link.contact?, row.link.etag))),
            );
        }
        let mut hints = Vec::new();
        for (id, etag) in seen {
            let is_news = match known.get(&id) {
                Some(remembered) => etag.is_none() || etag != *remembered,
                None => !first_round && etag.is_some(),
            };
            if is_news {
                let etag = etag.map(|etag| etag.0);
                hints.push(self.hint(Target::Contact { id, etag }, Source::Delta));
            }
        }
        Ok(hints)
    }

    async fn folder_gone(&self, cursor: &Cursor) -> Result<(), Error> {
        let drop = Change::DropCursor {
            user: self.user.id,
            folder: cursor.folder.clone(),
        };
        let sweep = self.hint(Target::Sweep, Source::Delta);
        self.held
            .commit(vec![drop, Change::AddHints(vec![sweep])])
            .await
    }

    fn put_cursor(&self, cursor: &Cursor) -> Change {
        Change::PutCursor {
            user: self.user.id,
            cursor: cursor.clone(),
        }
    }

    /// A hint for this mailbox, due now.
    pub(super) fn hint(&self, target: Target, source: Source) -> NewHint {
        let now = self.engine.now();
        NewHint {
            environment: self.user.environment.clone(),
            user: Some(self.user.id),
            target,
            source,
            received_ms: now,
            not_before_ms: now,
            attempts: 0,
        }
    }
}
