//! What a notification brought along, in place of a read (`microsoft.rich_notifications`).
//!
//! A content is used where the read it spares could not have shown anything else that matters: it
//! tells of the one state that all hints of the contact name, that state is younger than what the
//! link was made from, and nothing is written to Outlook because of it. Anything else is read.
//!
//! Which of two states is younger, Graph's own times alone tell: etags have no order, and this
//! machine's clock is another. In doubt (one second for both, a time that is not known) it is read.

use std::collections::BTreeSet;

use tribelink_plan::{contact::Contact, ids::ContactId, planner::Next};

use super::{
    Error, Job,
    case::{Case, Outlook},
};
use crate::{
    rich::{self, Outcome, contents::Content},
    store::{Hint, LinkRow, Target},
};

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

/// Whether what was told of is certainly younger than what the link was made from, by Graph's times.
fn is_younger(told: &Contact, known: Option<&LinkRow>) -> bool {
    let known = known.filter(|row| row.link.etag.is_some());
    let known_ms = known.and_then(|row| row.outlook_ms);
    let told_ms = told.modified.map(|at| at.as_millisecond());
    matches!((told_ms, known_ms), (Some(told), Some(known)) if told > known)
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
        if !is_younger(&told, case.row.as_ref()) {
            rich::came_of(self.user.id, Outcome::Late);
            return Ok(false);
        }
        // R7 is judged by a read: what is outside is not believed.
        if told.folder.is_none() || !self.is_in_a_folder(case, &told).await? {
            return Ok(false);
        }
        rich::came_of(self.user.id, Outcome::Used);
        case.outlook = Outlook::Told(Box::new(told));
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
    use tribelink_plan::{
        ids::{EnvironmentId, PersonId, UserId},
        link::Link,
        person::Kind,
    };
    use uuid::Uuid;

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
    fn only_graphs_own_times_tell_that_a_content_is_younger() {
        let told = |second: Option<i64>| Contact {
            modified: second.map(|second| jiff::Timestamp::from_second(second).unwrap()),
            ..Contact::unread(ContactId::from("A"))
        };
        // By this machine's clock the link was made long ago, or is yet to be made.
        let row = |etag: Option<&str>, outlook_ms, changed_ms| LinkRow {
            environment: EnvironmentId::from("e"),
            user: UserId(Uuid::nil()),
            person: PersonId(Uuid::nil()),
            link: Link {
                etag: etag.map(Into::into),
                ..Link::intent(Kind::Contact)
            },
            changed_ms,
            outlook_ms,
            ahead: None,
        };
        for changed_ms in [0, i64::MAX] {
            let is = |second, known: LinkRow| is_younger(&told(second), Some(&known));
            let known = |etag| row(etag, Some(100_000), changed_ms);
            assert!(is(Some(101), known(Some("1"))));
            assert!(!is(Some(100), known(Some("1"))), "the same second");
            assert!(!is(Some(99), known(Some("1"))), "came late, or again");
            assert!(!is(Some(101), known(None)), "nobody knows what it is");
            assert!(!is(None, known(Some("1"))));
            assert!(!is(Some(101), row(Some("1"), None, changed_ms)));
        }
        assert!(!is_younger(&told(Some(101)), None));
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
