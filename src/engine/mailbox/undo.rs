//! Undo: what chosen lines of the audit wrote goes back, where nobody changed it since.
//!
//! The hint names the lines, the audit holds the values (sealed, while the undo window lasts), and
//! the planner says what goes back ([`tribelink_plan::planner::undo`]). What is spared is written
//! down, so that whoever asked sees why.

use std::collections::{BTreeMap, BTreeSet};

use tribelink_plan::{
    field::Field,
    planner::{
        Next, Plan,
        undo::{Spared, Written, fold, undo},
    },
    reading::Reading,
    rule::Rule,
};

use super::{Error, Job, case::Case};
use crate::{
    sealed::{AuditValues, FieldChange, audit_row},
    store::{AuditDirection, AuditFilter, AuditLine, Change},
    trail::Subject,
    vault::column,
};

/// Lines read at once.
const PAGE: usize = 500;

impl Job<'_> {
    /// Reads what the chosen lines of a case wrote, and what came after them.
    pub(super) async fn read_wishes(&self, case: &mut Case) -> Result<(), Error> {
        let Some(oldest) = case.undo.first().copied() else {
            return Ok(());
        };
        let filter = AuditFilter {
            user: Some(self.user.id),
            person: Some(case.person),
            ..AuditFilter::default()
        };
        let mut lines = Vec::new();
        let mut before = None;
        loop {
            let store = &self.engine.ports.store;
            let page = store.audit(&filter, before, PAGE).await?;
            before = page.last().map(|line| line.id);
            let more = page.len() == PAGE && before.is_some_and(|last| last > oldest);
            lines.extend(page.into_iter().filter(|line| line.id >= oldest));
            if !more {
                break;
            }
        }
        let is_write = |line: &&AuditLine| {
            line.direction != AuditDirection::None
                && line.note.as_deref() != Some(AuditLine::CREATED)
        };
        let written = lines.iter().filter(is_write);
        let written: Vec<Written> = written.map(|line| self.written(line, &case.undo)).collect();
        case.wishes = fold(&written);
        Ok(())
    }

    fn written(&self, line: &AuditLine, chosen: &BTreeSet<i64>) -> Written {
        let vault = &self.engine.ports.vault;
        let values: AuditValues = line
            .values
            .as_ref()
            .and_then(|sealed| {
                let row = audit_row(line);
                vault.open_json(column::AUDIT_VALUES, &row, sealed).ok()
            })
            .unwrap_or_default();
        let change = |field: &Field| (*field, values.get(field).and_then(readings));
        Written {
            chosen: chosen.contains(&line.id),
            by_undo: line.is_undo(),
            rule: line.rule,
            fields: line.fields.iter().map(change).collect(),
        }
    }

    /// The way back, in the place of a plan for a case of which both sides were read.
    pub(super) fn way_back(&self, case: &mut Case, plan: &Plan) -> Option<Plan> {
        if case.wishes.is_empty() || plan.next == Next::Wait {
            return None;
        }
        let undone = case.with_situation(self, |situation| undo(situation, &case.wishes))?;
        case.spared = undone.spared;
        undone.plan
    }

    /// What did not go back, one line for each reason.
    pub(super) fn record_spared(&self, case: &Case, subject: &Subject<'_>) -> Vec<Change> {
        let Some(note) = undo_note(&case.undo) else {
            return Vec::new();
        };
        let mut by_reason: BTreeMap<Spared, Vec<Field>> = BTreeMap::new();
        for (field, why) in &case.spared {
            by_reason.entry(*why).or_default().push(*field);
        }
        by_reason
            .into_iter()
            .map(|(why, fields)| {
                let note = format!("{note}: spared, {}", why.words());
                subject.noted(Rule::R15, &note, fields)
            })
            .collect()
    }
}

/// What the lines of one undo are told apart by.
pub(super) fn undo_note(lines: &BTreeSet<i64>) -> Option<String> {
    let (newest, undo_of) = (lines.last()?, AuditLine::UNDO_OF);
    Some(match lines.len() {
        1 => format!("{undo_of} {newest}"),
        more => format!("{undo_of} {newest} and {} before it", more - 1),
    })
}

/// `None` where what stood there could not be read: it is never taken for empty (R18).
fn readings(change: &FieldChange) -> Option<(Reading, Reading)> {
    let reading = |value: &Option<String>| Reading::from_text(value.as_deref());
    (!change.unreadable).then(|| (reading(&change.before), reading(&change.after)))
}
