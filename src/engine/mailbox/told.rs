//! What a notification brought along, in place of a read (`microsoft.rich_notifications`).
//!
//! A content is used where the read it spares could not have shown anything else that matters: it
//! tells of the one state that all hints of the contact name, that state is younger than what the
//! link was made from, and nothing is written to Outlook because of it. Anything else is read.

use std::collections::BTreeSet;

use tribelink_plan::{ids::ContactId, planner::Next};

use super::{
    Error, Job,
    case::{Case, Outlook},
};
use crate::{
    rich::{self, Outcome, contents::Content},
    store::{Hint, Target},
};

/// Graph's clock and this one may differ by this much. A content whose state is not younger than the
/// link's by more may be an old one that came late or again; etags have no order.
const CLOCKS_MS: i64 = 60_000;
/// Notifications come within three minutes (Graph reference 4.3), repeated ones for hours.
const YOUNG_MS: i64 = 15 * 60_000;

/// The etag that every one of these hints names; `None` where they differ, one names none, or one was
/// tried before.
fn only_etag<'h>(hints: &[&'h Hint]) -> Option<&'h str> {
    let mut etags = BTreeSet::new();
    for hint in hints {
        match &hint.hint.target {
            Target::Contact { etag, .. } if hint.hint.attempts == 0 => {
                etags.insert(etag.as_deref()?)
            }
            _ => return None,
        };
    }
    let only = etags.first().copied()?;
    (etags.len() == 1).then_some(only)
}

/// Whether a plan may be carried out though its contact was only told of.
fn is_content_enough(next: &Next) -> bool {
    match next {
        Next::Nothing | Next::Read(_) => true,
        Next::Update(update) => update.patch.is_none(),
        _ => false,
    }
}

impl Job<'_> {
    /// The content that came with the hints of one contact.
    pub(super) fn content_of(&self, contact: &ContactId, hints: &[&Hint]) -> Option<Content> {
        let etag = only_etag(hints)?;
        self.engine.ports.rich.take(self.user.id, contact, etag)
    }

    /// Takes the contact from what its notification brought along; false where it is to be read.
    pub(super) async fn is_told(&mut self, case: &mut Case, id: &ContactId) -> Result<bool, Error> {
        let Some(content) = case.content.take() else {
            return Ok(false);
        };
        if case.contact_id() != Some(id) {
            return Ok(false);
        }
        let rich = &self.engine.ports.rich;
        let Some(told) = rich.open(self.user.id, id, &content).await else {
            return Ok(false);
        };
        let known_ms = case.row.as_ref().map_or(i64::MAX, |row| row.changed_ms);
        let old = self.engine.now() - told.modified_ms > YOUNG_MS;
        if old || told.modified_ms <= known_ms.saturating_add(CLOCKS_MS) {
            rich::came_of(self.user.id, Outcome::Late);
            return Ok(false);
        }
        // R7 is judged by a read: what is outside is not believed.
        if told.contact.folder.is_none() || !self.is_in_a_folder(case, &told.contact).await? {
            return Ok(false);
        }
        rich::came_of(self.user.id, Outcome::Used);
        case.outlook = Outlook::Told(Box::new(told.contact));
        Ok(true)
    }

    /// Whether the plan needs the contact itself, which was only told of: it is forgotten then.
    pub(super) fn needs_more_than_told(&self, case: &mut Case, next: &Next) -> bool {
        let told = matches!(case.outlook, Outlook::Told(_));
        if !told || is_content_enough(next) {
            return false;
        }
        case.outlook = Outlook::Unread;
        true
    }
}

#[cfg(test)]
mod tests {
    use tribelink_plan::ids::EnvironmentId;

    use super::*;
    use crate::store::{NewHint, Source};

    fn hint(etag: Option<&str>, attempts: u32) -> Hint {
        Hint {
            id: 1,
            hint: NewHint {
                environment: EnvironmentId::from("e"),
                user: None,
                target: Target::Contact {
                    id: ContactId::from("A"),
                    etag: etag.map(str::to_owned),
                },
                source: Source::Notification,
                received_ms: 0,
                not_before_ms: 0,
                attempts,
            },
        }
    }

    #[test]
    fn hints_that_differ_or_were_tried_or_tell_of_a_deletion_are_read() {
        let only = |hints: &[Hint]| {
            let all: Vec<&Hint> = hints.iter().collect();
            only_etag(&all).map(str::to_owned)
        };
        let of = |etag| hint(Some(etag), 0);
        assert_eq!(only(&[of("1")]).as_deref(), Some("1"));
        assert_eq!(only(&[of("1"), of("1")]).as_deref(), Some("1"));
        assert_eq!(only(&[of("1"), of("2")]), None);
        assert_eq!(only(&[of("1"), hint(None, 0)]), None);
        assert_eq!(only(&[hint(Some("1"), 1)]), None);
        assert_eq!(only(&[]), None);
    }
}
