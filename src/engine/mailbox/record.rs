//! Keeps what came of a group, in one commit: links, audit, held and parked items, hints.

use std::collections::BTreeSet;

use tribelink_plan::{
    field::Side,
    ids::Etag,
    link::{Link, LinkState},
    planner::{
        Create, Next, Update,
        settle::{Outcome, Settled, created, settle},
    },
    rule::Rule,
};

use super::{
    Error, Job,
    case::{Case, End},
};
use crate::{
    crash,
    engine::retry,
    store::{Change, LinkRow, Source, UserState},
    telemetry::{meter, trace},
    trail::{Subject, is_about_a_value},
};

/// Writes of an update, and what their audit lines say beside the values.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) update: &'a Update,
    pub(super) outcome: &'a Outcome,
    /// The etag of the contact that the plan was made from, where it still counts.
    pub(super) read: Option<&'a Etag>,
    pub(super) cause: Source,
    pub(super) note: Option<&'a str>,
}

/// The note of an update's audit lines.
pub(super) fn note(update: &Update, undo: &BTreeSet<i64>) -> Option<String> {
    let flag = (!update.borrowed.is_empty()).then(|| "flagged".to_owned());
    super::undo::undo_note(undo).or(flag)
}

impl Job<'_> {
    /// Records a group, with what ends the pass where it is the last one.
    pub(super) async fn record(
        &mut self,
        cases: &mut [Case],
        end: Option<Change>,
    ) -> Result<(), Error> {
        let mut changes = Vec::from_iter(end);
        let mut weighed = 0;
        let mut waits_ms = Vec::new();
        let mut writes = Vec::new();
        let mut tried = 0;
        for case in cases.iter_mut() {
            let known = changes.len();
            changes.append(&mut case.changes);
            weighed += u64::from(self.record_plan(case, &mut changes)?);
            self.record_copies(case, &mut changes);
            self.record_end(case, &mut changes);
            let proven = self.proven(case, &changes[known..]).await?;
            changes.extend(proven);
            tried += u64::from(!is_only_intended(case));
            if let Some(since_ms) = case.since_ms
                && meter::tells_of_a_write(&changes[known..])
            {
                let now_ms = self.engine.now();
                waits_ms.push(now_ms - since_ms);
                let whose = (self.user.id, case.person);
                let environment = &self.user.environment;
                let own = &changes[known..];
                writes.extend(trace::wrote(environment, whose, since_ms, now_ms, own));
            }
        }
        // A pass that was released does not count against the next one (R17).
        if weighed > 0 && !self.lifted {
            changes.push(Change::CountBrake {
                user: self.user.id,
                at_ms: self.engine.now(),
                count: weighed,
            });
        }
        if self.user.state == UserState::FirstSync
            && let Some((done, total)) = self.user.progress
        {
            let done = (done + tried).min(total);
            self.user.progress = Some((done, total));
            changes.push(Change::SetProgress {
                id: self.user.id,
                progress: self.user.progress,
            });
        }
        let proven = meter::Proven::of(&changes);
        self.held.commit(changes).await?;
        crash::point("pass-recorded");
        proven.record(&self.user.environment);
        meter::waited(&self.user.environment, &waits_ms);
        writes.into_iter().for_each(trace::tell);
        Ok(())
    }

    /// What the plan led to; true when it counts for R17.
    fn record_plan(&self, case: &mut Case, changes: &mut Vec<Change>) -> Result<bool, Error> {
        let Some(plan) = case.plan.take() else {
            return Ok(false);
        };
        match plan.next {
            Next::Nothing | Next::Read(_) | Next::Relink { .. } => Ok(false),
            Next::Wait => {
                let wait_ms = retry::backoff_ms(case.attempts, self.chance());
                case.end = Some(End::Again(wait_ms));
                // Waiting for a stale read to pass is no failure: it is never parked.
                case.attempts = case.attempts.min(retry::ATTEMPTS - 2);
                Ok(false)
            }
            Next::Record(link) => Ok(self.record_link(case, plan.rule, *link, changes)),
            Next::Create(create) => {
                self.record_create(case, &create, changes)?;
                Ok(false)
            }
            Next::Update(update) => {
                self.record_update(case, &update, changes)?;
                // What nobody knows yet counts once it is known.
                Ok(update.empties && !case.unknown)
            }
        }
    }

    fn record_link(&self, case: &Case, rule: Rule, link: Link, changes: &mut Vec<Change>) -> bool {
        let note = match link.state {
            LinkState::Sleeping => "asleep",
            LinkState::Tombstone { .. } if rule == Rule::R7 => "unlinked",
            LinkState::Tombstone { .. } => "no longer eligible",
            LinkState::Closed => "closed",
            LinkState::Linked | LinkState::Intent => "linked",
        };
        let removed = rule == Rule::R7;
        let contact = case.contact_id().cloned();
        changes.push(
            self.subject(case, contact.as_ref())
                .link_changed(rule, note),
        );
        changes.push(self.put_link(case, link));
        removed
    }

    fn record_create(
        &self,
        case: &mut Case,
        create: &Create,
        changes: &mut Vec<Change>,
    ) -> Result<(), Error> {
        let Some(answer) = case.outcome.answer.take() else {
            return Ok(());
        };
        let fingerprints = self.fingerprints(case.person);
        let settled = created(create, &answer, self.lens(&fingerprints), self.engine.now());
        let subject = self.subject(case, Some(&answer.id));
        changes.extend(subject.written(
            &create.decisions,
            Side::Outlook,
            Some(crate::store::AuditLine::CREATED),
            self.undo_vault(),
        )?);
        changes.extend(
            create
                .refused
                .iter()
                .map(|refusal| subject.refused(refusal)),
        );
        changes.push(self.put_link_of(case, settled.link, Some(&answer)));
        if settled.again {
            case.end = Some(End::Again(0));
        }
        Ok(())
    }

    fn record_update(
        &self,
        case: &mut Case,
        update: &Update,
        changes: &mut Vec<Change>,
    ) -> Result<(), Error> {
        // The next look at both sides tells what became of the writes; what they are stays ahead.
        if case.unknown {
            return Ok(());
        }
        let Some(row) = case.row.clone() else {
            return Ok(());
        };
        let note = note(update, &case.undo);
        let written = Written {
            update,
            outcome: &case.outcome,
            read: case.read_etag.as_ref(),
            cause: case.source,
            note: note.as_deref(),
        };
        let (mut settled, lines) = self.record_writes(case, &row, written)?;
        changes.extend(lines);
        // Where it stands now, even if nothing was written: whoever leaves that folder is looked for.
        let folder = case.contact().and_then(|contact| contact.folder.clone());
        if case.outcome.answer.is_none() && folder.is_some() {
            settled.link.folder = folder;
        }
        let subject = self.subject(case, row.link.contact.as_ref());
        changes.extend(subject.held(&update.held, &case.held, &self.engine.ports.vault)?);
        let settled_held = case
            .held
            .iter()
            .filter(|held| !update.held.iter().any(|field| field.rule == held.rule))
            .filter(|_| !settled.again)
            .map(|held| held.id);
        changes.push(Change::DropHeld(settled_held.collect()));
        changes.extend(
            update
                .refused
                .iter()
                .map(|refusal| subject.refused(refusal)),
        );
        let mended = case.parked.iter().filter(|parked| {
            is_about_a_value(&parked.field)
                && !update
                    .refused
                    .iter()
                    .any(|refusal| refusal.field.name() == parked.field)
        });
        changes.push(Change::DropParked(mended.map(|parked| parked.id).collect()));
        if settled.link != row.link || row.ahead.is_some() {
            changes.push(self.put_link(case, settled.link));
        }
        if settled.again && case.end.is_none() {
            case.end = Some(End::Again(0));
        }
        Ok(())
    }

    /// The link after writes, and their audit lines. The link is not among the changes.
    pub(super) fn record_writes(
        &self,
        case: &Case,
        row: &LinkRow,
        written: Written<'_>,
    ) -> Result<(Settled, Vec<Change>), Error> {
        let Written {
            update, outcome, ..
        } = written;
        let fingerprints = self.fingerprints(case.person);
        let lens = self.lens(&fingerprints);
        let now_ms = self.engine.now();
        let mut settled = settle(&row.link, update, outcome, written.read, lens, now_ms);
        let subject = Subject {
            cause: written.cause,
            ..self.subject(case, row.link.contact.as_ref())
        };
        // One write to Tribe may have been taken and the other not: only what was is written down.
        let taken: Vec<_> = update
            .decisions
            .iter()
            .filter(|decision| match decision.to {
                Side::Outlook => update.patch.is_some() && !outcome.patch_failed,
                Side::Tribe => update
                    .tribe
                    .iter()
                    .zip(&outcome.tribe)
                    .any(|(write, taken)| *taken && write.fields.contains_key(&decision.field)),
            })
            .cloned()
            .collect();
        let vault = self.undo_vault();
        let mut changes = subject.written(&taken, Side::Tribe, written.note, vault)?;
        changes.extend(subject.written(&taken, Side::Outlook, written.note, vault)?);
        if update.wakes && settled.link.state == LinkState::Linked {
            changes.push(subject.link_changed(Rule::R9, "awake"));
        }
        // Who fell asleep after the writes stays so.
        if !update.wakes {
            settled.link.state = row.link.state;
        }
        Ok((settled, changes))
    }

    /// Contacts that carry this person's stamp without being the linked one: parked, never touched
    /// (R12).
    fn record_copies(&self, case: &Case, changes: &mut Vec<Change>) {
        let linked = case.contact_id();
        let found = case.stamped.iter().flatten().map(|contact| &contact.id);
        for copy in found.chain(&case.copies) {
            if linked.is_some_and(|linked| linked != copy) {
                let reason = format!(
                    "contact {copy} carries this person's stamp too, probably as a copy; it is left alone"
                );
                changes.push(self.subject(case, Some(copy)).parked("stamp", reason, 1));
            }
        }
    }

    /// What becomes of the hints.
    fn record_end(&self, case: &Case, changes: &mut Vec<Change>) {
        let hints = case.hints.clone();
        let looks_again = case.looks_again_after_ms(self.engine.now());
        match (&case.end, looks_again) {
            (None | Some(End::Done), Some(wait_ms)) => {
                changes.push(self.again(case, wait_ms, case.attempts));
            }
            (None | Some(End::Done), None) => {
                let contact = case.contact_id().cloned();
                let subject = self.subject(case, contact.as_ref());
                changes.extend(self.record_spared(case, &subject));
                let alone = case.stamped.as_ref().is_some_and(|found| found.len() < 2);
                let general = case.parked.iter().filter(|parked| {
                    parked.field.is_empty()
                        || parked.field == "stamp" && alone && case.copies.is_empty()
                });
                changes.push(Change::DropParked(
                    general.map(|parked| parked.id).collect(),
                ));
                changes.push(Change::DropHints(hints));
            }
            (Some(End::PutOff), _) => {}
            (Some(End::Wait(wait_ms)), _) => {
                let attempts = retry::after_wait(case.attempts);
                changes.push(self.again(case, *wait_ms, attempts));
            }
            (Some(End::Again(wait_ms)), _) => match retry::after_try(case.attempts) {
                Some(attempts) => changes.push(self.again(case, *wait_ms, attempts)),
                None => {
                    let reason = "it failed again and again; look at both sides, then retry";
                    let subject = self.subject(case, None);
                    changes.push(subject.parked("", reason.to_owned(), case.attempts));
                    changes.push(Change::DropHints(hints));
                }
            },
            (Some(End::Park(reason)), _) => {
                changes.push(self.subject(case, None).parked(
                    "",
                    reason.clone(),
                    case.attempts + 1,
                ));
                changes.push(Change::DropHints(hints));
            }
        }
    }

    /// A case's hints wait, longer each time.
    fn again(&self, case: &Case, wait_ms: i64, attempts: u32) -> Change {
        let least = match case.attempts {
            0 => 0,
            attempts => retry::backoff_ms(attempts, self.chance()),
        };
        Change::DelayHints {
            ids: case.hints.clone(),
            not_before_ms: self.engine.now() + wait_ms.max(least),
            attempts,
        }
    }

    fn subject<'s>(
        &'s self,
        case: &Case,
        contact: Option<&'s tribelink_plan::ids::ContactId>,
    ) -> Subject<'s> {
        Subject {
            environment: &self.user.environment,
            user: self.user.id,
            person: case.person,
            contact,
            cause: case.source,
            at_ms: self.engine.now(),
            pass: self.held.lease().fence,
        }
    }

    fn undo_vault(&self) -> Option<&crate::vault::Vault> {
        self.engine
            .settings
            .undo
            .map(|_| self.engine.ports.vault.as_ref())
    }
}

/// Whether a create is still to come: the first sync, which alone knows whom the mailbox holds already
/// (R13), does not end before it.
fn is_only_intended(case: &Case) -> bool {
    let waits = matches!(case.end, Some(End::Again(_) | End::Wait(_) | End::PutOff));
    let state = case.row.as_ref().map(|row| row.link.state);
    waits && matches!(state, None | Some(LinkState::Intent))
}
