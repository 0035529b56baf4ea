//! Audit lines: what was done to whom, by which rule, and why.

use std::collections::BTreeMap;

use tribelink_plan::{
    field::{Field, Side},
    ids::{ContactId, EnvironmentId, PersonId, UserId},
    planner::{Decision, HeldField, Refusal},
    planted::{self, Bug},
    reading::Reading,
    rule::Rule,
};

use crate::{
    sealed::{AuditValues, BothSides, FieldChange, HeldValues, audit_row, held_row},
    store::{AuditDirection, AuditLine, Change, Held, Parked, Source},
    vault::{self, Vault, column},
};

/// For whom lines are written.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) environment: &'a EnvironmentId,
    pub(crate) user: UserId,
    pub(crate) person: PersonId,
    pub(crate) contact: Option<&'a ContactId>,
    pub(crate) cause: Source,
    pub(crate) at_ms: i64,
    /// The fencing number of the lease.
    pub(crate) pass: i64,
}

impl Subject<'_> {
    fn line(&self, rule: Rule, direction: AuditDirection) -> AuditLine {
        AuditLine {
            id: 0,
            at_ms: self.at_ms,
            environment: self.environment.clone(),
            user: self.user,
            person: Some(self.person),
            contact: self.contact.cloned(),
            rule,
            direction,
            cause: self.cause,
            fields: Vec::new(),
            values: None,
            note: None,
            pass: self.pass,
        }
    }

    /// A change of the link; nothing was written to either side.
    pub(crate) fn link_changed(&self, rule: Rule, note: &str) -> Change {
        let mut line = self.line(rule, AuditDirection::None);
        line.note = Some(note.to_owned());
        Change::AddAudit(Box::new(line))
    }

    /// What was not written, and why; fields without values.
    pub(crate) fn noted(&self, rule: Rule, note: &str, fields: Vec<Field>) -> Change {
        let mut line = self.line(rule, AuditDirection::None);
        line.note = Some(note.to_owned());
        line.fields = fields;
        Change::AddAudit(Box::new(line))
    }

    /// What was written to one side, one line for each rule. Values are sealed, and left out when no
    /// undo window is kept.
    pub(crate) fn written(
        &self,
        decisions: &[Decision],
        side: Side,
        note: Option<&str>,
        vault: Option<&Vault>,
    ) -> Result<Vec<Change>, vault::Error> {
        let mut by_rule: BTreeMap<Rule, Vec<&Decision>> = BTreeMap::new();
        for decision in decisions.iter().filter(|decision| decision.to == side) {
            by_rule.entry(decision.rule).or_default().push(decision);
        }
        let direction = match side {
            Side::Tribe => AuditDirection::ToTribe,
            Side::Outlook => AuditDirection::ToOutlook,
        };
        let mut changes = Vec::new();
        for (rule, decisions) in by_rule {
            let mut line = self.line(rule, direction);
            line.fields = decisions.iter().map(|decision| decision.field).collect();
            line.note = note.map(str::to_owned);
            if let Some(vault) = vault {
                let values: AuditValues = decisions
                    .iter()
                    .map(|decision| (decision.field, values(decision)))
                    .collect();
                line.values =
                    Some(vault.seal_json(column::AUDIT_VALUES, &audit_row(&line), &values)?);
            }
            changes.push(Change::AddAudit(Box::new(line)));
        }
        Ok(changes)
    }

    /// Items that wait for a person, one for each rule. One that is `known` with the same values is
    /// left alone: it may have been decided while this pass ran.
    pub(crate) fn held(
        &self,
        fields: &[HeldField],
        known: &[Held],
        vault: &Vault,
    ) -> Result<Vec<Change>, vault::Error> {
        let mut by_rule: BTreeMap<Rule, Vec<&HeldField>> = BTreeMap::new();
        for field in fields {
            by_rule.entry(field.rule).or_default().push(field);
        }
        let mut changes = Vec::new();
        for (rule, fields) in by_rule {
            let values: HeldValues = fields
                .iter()
                .map(|held| {
                    let both = BothSides {
                        tribe: held.tribe.value().map(str::to_owned),
                        outlook: held.outlook.value().map(str::to_owned),
                    };
                    (held.field, both)
                })
                .collect();
            let row = held_row(self.user, self.person, rule);
            let same = |held: &&Held| {
                let opened = vault.open_json::<HeldValues>(column::HELD_VALUES, &row, &held.values);
                held.rule == rule && opened.is_ok_and(|opened| opened == values)
            };
            if known.iter().any(|held| same(&held)) {
                continue;
            }
            changes.push(Change::PutHeld(Box::new(Held {
                id: 0,
                environment: self.environment.clone(),
                user: self.user,
                person: self.person,
                rule,
                fields: fields.iter().map(|held| held.field).collect(),
                values: vault.seal_json(column::HELD_VALUES, &row, &values)?,
                accepted: None,
                created_ms: self.at_ms,
            })));
        }
        Ok(changes)
    }

    /// A value that does not fit the other side.
    pub(crate) fn refused(&self, refusal: &Refusal) -> Change {
        let side = match refusal.to {
            Side::Tribe => "Tribe",
            Side::Outlook => "Outlook",
        };
        let reason = format!("not written to {side}: {}", refusal.misfit.sentence());
        self.parked(refusal.field.name(), reason, 1)
    }

    /// Something that could not be done.
    pub(crate) fn parked(&self, field: &str, reason: String, attempts: u32) -> Change {
        Change::PutParked(Box::new(Parked {
            id: 0,
            environment: self.environment.clone(),
            user: self.user,
            person: Some(self.person),
            field: field.to_owned(),
            reason,
            attempts,
            created_ms: self.at_ms,
        }))
    }
}

fn values(decision: &Decision) -> FieldChange {
    let before = decision.before.value().map(str::to_owned);
    FieldChange {
        lost: before
            .clone()
            .filter(|_| decision.loses && !planted::is(Bug::LossUntold)),
        before,
        after: decision.after.value().map(str::to_owned),
        unreadable: decision.before == Reading::Unreadable,
    }
}

/// Whether an item of that field is about a value, not about the person as a whole.
pub(crate) fn is_about_a_value(field: &str) -> bool {
    field.parse::<Field>().is_ok()
}
