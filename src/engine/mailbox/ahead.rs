//! What a group is about to write, durable before its first write leaves; and what is made of it when
//! the pass that wrote it did not come to its record.
//!
//! Creates leave an intent, found again by the stamp (design, shape 5); updates leave their plan,
//! found again by what both sides show ([`tribelink_plan::planner::ahead`]). One commit for a group.

use tribelink_plan::{
    ids::ContactId,
    link::{Link, LinkState},
    planner::{Next, ahead::WriteAhead},
    planted::{self, Bug},
};

use super::{
    Error, Job,
    case::{Case, Outlook, Tribe},
    record::Written,
};
use crate::{
    crash,
    sealed::{Ahead, ahead_row},
    store::Change,
    vault::column,
};

/// How long an intended create is looked for before it is sent again, in milliseconds.
const LOOKED_FOR_MS: i64 = 100_000;

impl Job<'_> {
    /// Commits what the group is about to do.
    pub(super) async fn write_ahead(&self, cases: &mut [Case]) -> Result<(), Error> {
        let mut changes: Vec<Change> = Vec::new();
        for case in cases.iter_mut().filter(|case| case.end.is_none()) {
            match case.plan.as_ref().map(|plan| &plan.next) {
                Some(Next::Create(_)) if planted::is(Bug::NoIntent) => {}
                Some(Next::Create(create)) => changes.push(self.intent(case, &create.link)),
                Some(Next::Update(_)) => changes.extend(self.ahead(case)?),
                _ => {}
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        self.held.commit(changes).await?;
        crash::point("intents-committed");
        Ok(())
    }

    /// The intent of a create: durable before the request leaves, and looked for by its stamp before
    /// the request is ever sent again.
    fn intent(&self, case: &Case, planned: &Link) -> Change {
        let lease_ms = self.engine.lease_ms();
        let link = Link {
            state: LinkState::Intent,
            contact: None,
            etag: None,
            relationship: planned.relationship,
            settles_at_ms: self.engine.now() + LOOKED_FOR_MS.max(2 * lease_ms),
            ..Link::intent(planned.kind)
        };
        self.put_link(case, link)
    }

    /// The link as it is, with the writes of its update; `None` where it writes nothing.
    fn ahead(&self, case: &mut Case) -> Result<Option<Change>, Error> {
        let (Some(update), Some(row)) = (case.update(), &case.row) else {
            return Ok(None);
        };
        let Some(writes) = WriteAhead::of(update, case.read_etag.as_ref()) else {
            return Ok(None);
        };
        let at_ms = self.engine.now();
        let ahead = Ahead {
            writes,
            at_ms,
            cause: case.source,
            note: super::record::note(update, &case.undo),
        };
        let name = ahead_row(self.user.id, case.person);
        let sealed = self
            .engine
            .ports
            .vault
            .seal_json(column::LINK_AHEAD, &name, &ahead)?;
        let mut row = row.clone();
        row.changed_ms = at_ms;
        row.ahead = Some(sealed);
        case.row = Some(row.clone());
        Ok(Some(Change::PutLink(Box::new(row))))
    }

    /// Finds what an earlier pass left unrecorded. Both sides are then read, whatever brought the case.
    pub(super) fn find_unrecorded(&self, case: &mut Case) -> Result<(), Error> {
        let Some(row) = &case.row else {
            return Ok(());
        };
        let Some(sealed) = &row.ahead else {
            return Ok(());
        };
        let name = ahead_row(self.user.id, case.person);
        let ahead: Ahead = self
            .engine
            .ports
            .vault
            .open_json(column::LINK_AHEAD, &name, sealed)?;
        // A version that does not know the column put the link since: it has settled the matter.
        if ahead.at_ms == row.changed_ms {
            case.look_at_outlook = true;
            case.unrecorded = Some(ahead);
        }
        Ok(())
    }

    /// The contact that has to be read before what is unrecorded can be judged; a listing of this job
    /// may be older than the write.
    pub(super) fn unjudged(&self, case: &Case) -> Option<ContactId> {
        let unseen = case.unrecorded.is_some() && matches!(case.outlook, Outlook::Unread);
        unseen.then(|| case.contact_id().cloned()).flatten()
    }

    /// Records what an earlier pass wrote, as far as both sides show it.
    pub(super) async fn recover(&self, case: &mut Case) -> Result<(), Error> {
        let person = match &case.tribe {
            Tribe::Read(person) | Tribe::PassedOn(person) => Some(person.clone()),
            Tribe::Gone => None,
            Tribe::Unread => return Ok(()),
        };
        let (Some(ahead), Some(mut row)) = (case.unrecorded.take(), case.row.clone()) else {
            return Ok(());
        };
        let fingerprints = self.fingerprints(case.person);
        let outcome = ahead.writes.outcome(
            &row.link,
            person.as_deref(),
            case.contact(),
            self.lens(&fingerprints),
        );
        let update = ahead.writes.into_update();
        let written = Written {
            update: &update,
            outcome: &outcome,
            read: None,
            cause: ahead.cause,
            note: ahead.note.as_deref(),
        };
        let (settled, mut changes) = self.record_writes(case, &row, written)?;
        let taken =
            outcome.tribe.contains(&true) || update.patch.is_some() && !outcome.patch_failed;
        if update.empties && taken && !self.lifted {
            changes.push(Change::CountBrake {
                user: self.user.id,
                at_ms: self.engine.now(),
                count: 1,
            });
        }
        row.outlook_ms = case.modified_ms(&settled.link, outcome.answer.as_ref());
        row.link = settled.link;
        row.ahead = None;
        row.changed_ms = self.engine.now();
        changes.push(Change::PutLink(Box::new(row.clone())));
        self.held.commit(changes).await?;
        case.row = Some(row);
        Ok(())
    }
}
