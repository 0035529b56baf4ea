//! What a pass was about to write when its user was disconnected, and of which nobody knows whether it was
//! taken: no pass will look. A value that such a write may have taken away is told all the same.

use tribelink_plan::{field::Side, ids::UserId};

use super::{Activation, Error};
use crate::{
    sealed::{Ahead, ahead_row},
    store::{Change, Lease, LinkRow},
    trail::Subject,
    vault::column,
};

/// Links that one read brings.
const PAGE: usize = 1_000;

/// What the lines say beside the values.
const UNKNOWN: &str = "the user was disconnected before the outcome of this write was known";

impl Activation {
    /// Audit lines of what conflicts took away (R6), for every write of a user that was sent and not recorded.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Vault`]; safe to repeat.
    pub(super) async fn unfinished(
        &self,
        user: UserId,
        lease: &Lease,
    ) -> Result<Vec<Change>, Error> {
        let mut lines = Vec::new();
        let mut after = None;
        loop {
            let rows = self.store.links(user, after, PAGE).await?;
            let Some(last) = rows.last() else {
                return Ok(lines);
            };
            after = Some(last.person);
            for row in &rows {
                lines.extend(self.losses(row, lease)?);
            }
        }
    }

    fn losses(&self, row: &LinkRow, lease: &Lease) -> Result<Vec<Change>, Error> {
        let Some(sealed) = &row.ahead else {
            return Ok(Vec::new());
        };
        let name = ahead_row(row.user, row.person);
        let ahead: Ahead = self.vault.open_json(column::LINK_AHEAD, &name, sealed)?;
        // A version that does not know the column put the link since: it has settled the matter.
        if ahead.at_ms != row.changed_ms {
            return Ok(Vec::new());
        }
        let mut lost = ahead.writes.into_update().decisions;
        lost.retain(|decision| decision.loses);
        let subject = Subject {
            environment: &row.environment,
            user: row.user,
            person: row.person,
            contact: row.link.contact.as_ref(),
            cause: ahead.cause,
            at_ms: self.clock.now_ms(),
            pass: lease.fence,
        };
        let vault = self.settings.keeps_values.then_some(self.vault.as_ref());
        let mut lines = Vec::new();
        for side in [Side::Tribe, Side::Outlook] {
            lines.extend(subject.written(&lost, side, Some(UNKNOWN), vault)?);
        }
        Ok(lines)
    }
}
