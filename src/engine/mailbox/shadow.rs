//! Shadow mode: everything is read and planned, nothing is written; what would have been done stands
//! in the audit as a line without direction, so that the service can run beside another link first.

use tribelink_plan::{
    field::{Field, Side},
    planner::{Next, Plan},
    rule::Rule,
};

use super::{Error, Job, case::Case};
use crate::{
    store::{AuditFilter, Change},
    trail::Subject,
};

/// How the notes of shadow mode begin.
pub(super) const SHADOW: &str = "shadow";

/// What a plan would have done, and to which fields; nothing where nothing would be written.
pub(super) fn would(plan: &Plan) -> Vec<(Rule, String, Vec<Field>)> {
    match &plan.next {
        Next::Create(create) => {
            let fields = create.decisions.iter().map(|decision| decision.field);
            vec![(
                plan.rule,
                format!("{SHADOW}: would create"),
                fields.collect(),
            )]
        }
        Next::Update(update) => [(Side::Tribe, "Tribe"), (Side::Outlook, "Outlook")]
            .into_iter()
            .filter_map(|(side, name)| {
                let decisions = update.decisions.iter();
                let own: Vec<_> = decisions.filter(|decision| decision.to == side).collect();
                let rule = own.first()?.rule;
                let fields = own.iter().map(|decision| decision.field).collect();
                Some((rule, format!("{SHADOW}: would write to {name}"), fields))
            })
            .collect(),
        Next::Record(_) if plan.rule == Rule::R7 => {
            vec![(
                plan.rule,
                format!("{SHADOW}: would end the link"),
                Vec::new(),
            )]
        }
        Next::Nothing | Next::Read(_) | Next::Wait | Next::Relink { .. } | Next::Record(_) => {
            Vec::new()
        }
    }
}

impl Job<'_> {
    /// Puts what a case's plan would have done into the audit, once: what was said last for this
    /// person is not said again.
    pub(super) async fn tell(
        &self,
        case: &mut Case,
        lines: Vec<(Rule, String, Vec<Field>)>,
    ) -> Result<(), Error> {
        if lines.is_empty() {
            return Ok(());
        }
        let filter = AuditFilter {
            user: Some(self.user.id),
            person: Some(case.person),
            ..AuditFilter::default()
        };
        let said = self.engine.ports.store.audit(&filter, None, lines.len());
        let said = said.await?;
        let contact = case.contact_id().cloned();
        let subject = Subject {
            environment: &self.user.environment,
            user: self.user.id,
            person: case.person,
            contact: contact.as_ref(),
            cause: case.source,
            at_ms: self.engine.now(),
            pass: self.held.lease().fence,
        };
        let mut changes: Vec<Change> = Vec::new();
        for (rule, note, fields) in lines {
            let known = said.iter().any(|line| {
                line.rule == rule && line.note.as_deref() == Some(&note) && line.fields == fields
            });
            if !known {
                changes.push(subject.noted(rule, &note, fields));
            }
        }
        case.changes.extend(changes);
        Ok(())
    }
}
