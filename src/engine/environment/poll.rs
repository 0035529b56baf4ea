//! Changes since the cursor: what keeps the link in step when every webhook is lost.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tribelink_plan::ids::PersonId;

use super::{Error, Job};
use crate::store::{Change, NewHint, Source, Target};

/// How far the poll looks back behind its cursor: Tribe's times are whole seconds of another clock
/// and reads may lag writes (Tribe reference 1 and 3.8).
const OVERLAP_MS: i64 = 5 * 60 * 1_000;

impl Job<'_> {
    /// Hints for every person that changed since `polled_ms`, to be kept together with the cursor.
    pub(super) async fn poll(&self, polled_ms: i64) -> Result<Vec<Change>, Error> {
        let crm = &self.land.crm;
        let since = Timestamp::from_millisecond((polled_ms - OVERLAP_MS).max(0))
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let mut people: BTreeSet<PersonId> = BTreeSet::new();
        let mut organizations = BTreeSet::new();
        for set in crm.sets() {
            let mut next = None;
            loop {
                let page = crm.changed(&set, since, next).await?;
                for record in page.items {
                    people.extend(record.person);
                    organizations.extend(record.organization);
                }
                next = page.next;
                if next.is_none() {
                    break;
                }
            }
        }
        for organization in organizations {
            people.extend(crm.people_of_organization(organization).await?);
        }
        if people.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.engine.now();
        let hint = |id| NewHint {
            environment: self.land.environment.id.clone(),
            user: None,
            target: Target::Person { id, read: None },
            source: Source::Poll,
            received_ms: now,
            not_before_ms: now,
            attempts: 0,
        };
        Ok(vec![Change::AddHints(
            people.into_iter().map(hint).collect(),
        )])
    }
}
