//! What is counted as it happens. The names stand in [`super::catalogue`].

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use tribelink_plan::{field::Side, ids::EnvironmentId, rule::Rule};

use super::catalogue as name;
use crate::{
    remote::Remote,
    store::{AuditDirection, AuditLine, Change, Lane, Source},
};

/// How a refresh of a mailbox's tokens ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// New tokens are stored.
    Refreshed,
    /// R21: the user must sign in again.
    ConsentNeeded,
    /// Microsoft could not be asked, or refused the application.
    Failed,
}

impl Refresh {
    const ALL: [Refresh; 3] = [Refresh::Refreshed, Refresh::ConsentNeeded, Refresh::Failed];

    fn name(self) -> &'static str {
        match self {
            Refresh::Refreshed => "refreshed",
            Refresh::ConsentNeeded => "consent_needed",
            Refresh::Failed => "failed",
        }
    }
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Nothing was due any more, or the lane was let go in good order.
    Done,
    /// It failed as a whole and is tried again.
    Failed,
    /// It panicked: a defect.
    Panicked,
}

impl Job {
    const ALL: [Job; 3] = [Job::Done, Job::Failed, Job::Panicked];

    fn name(self) -> &'static str {
        match self {
            Job::Done => "done",
            Job::Failed => "failed",
            Job::Panicked => "panicked",
        }
    }
}

/// Which side an own write came back from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// Tribe showed what the base knows.
    Tribe,
    /// The etag was the link's.
    Outlook,
}

/// What may become of a notification's content.
const CONTENTS: [&str; 10] = [
    "used",
    "late",
    "unavailable",
    "token",
    "certificate",
    "contact",
    "form",
    "key",
    "signature",
    "cipher",
];

const LANES: [&str; 2] = ["environment", "mailbox"];

/// What became of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spans {
    /// The collector took them.
    Exported,
    /// The queue was full, or the collector did not take them.
    Lost,
}

impl Spans {
    const ALL: [Spans; 2] = [Spans::Exported, Spans::Lost];

    fn name(self) -> &'static str {
        match self {
            Spans::Exported => "exported",
            Spans::Lost => "lost",
        }
    }
}

/// Spans were sent, or not.
pub(super) fn spans(outcome: Spans, by: usize) {
    counter!(name::SPANS, "outcome" => outcome.name()).increment(by as u64);
}

pub(super) fn direction_name(direction: AuditDirection) -> &'static str {
    match direction {
        AuditDirection::ToOutlook => "to_outlook",
        AuditDirection::ToTribe => "to_tribe",
        AuditDirection::None => "none",
    }
}

fn lane_name(lane: &Lane) -> &'static str {
    match lane {
        Lane::Environment(_) => "environment",
        Lane::Mailbox(_) => "mailbox",
    }
}

pub(super) fn source_name(source: Source) -> &'static str {
    match source {
        Source::Webhook => "webhook",
        Source::Notification => "notification",
        Source::Lifecycle => "lifecycle",
        Source::Poll => "poll",
        Source::Delta => "delta",
        Source::Sweep => "sweep",
        Source::Person => "person",
        Source::Engine => "engine",
    }
}

/// Shows what may happen and has not: a rate needs the zero before the first one.
pub(super) fn open() {
    counter!(name::LOOKUPS_REFUSED).increment(0);
    counter!(name::DENIED).increment(0);
    counter!(name::REPEATED).increment(0);
    for outcome in CONTENTS {
        counter!(name::CONTENTS, "outcome" => outcome).increment(0);
    }
    counter!(name::SENT_AWAY).increment(0);
    gauge!(name::REPLICAS).set(1.0);
    for remote in Remote::ALL {
        counter!(name::THROTTLED, "remote" => remote.name()).increment(0);
    }
    for outcome in Spans::ALL {
        spans(outcome, 0);
    }
    for outcome in Refresh::ALL {
        counter!(name::REFRESHES, "outcome" => outcome.name()).increment(0);
    }
    for lane in LANES {
        gauge!(name::LEASES, "lane" => lane).increment(0);
        counter!(name::LEASES_TAKEN, "lane" => lane).increment(0);
        counter!(name::LEASES_LOST, "lane" => lane).increment(0);
        for outcome in Job::ALL {
            counter!(name::JOBS, "lane" => lane, "outcome" => outcome.name()).increment(0);
        }
    }
}

/// The same for an environment.
pub(super) fn open_environment(environment: &EnvironmentId) {
    for name in [name::CONFLICTS, name::HELD_TOTAL, name::PARKED_TOTAL] {
        counter!(name, "environment" => environment.0.clone()).increment(0);
    }
    for side in ["tribe", "outlook"] {
        counter!(name::ECHOES, "environment" => environment.0.clone(), "side" => side).increment(0);
    }
    for to in [Side::Tribe, Side::Outlook] {
        let _ = canary_took(environment, to);
    }
}

/// A call to a remote ended.
pub(super) fn called(remote: Remote, endpoint: &'static str, status: Option<u16>) {
    if matches!(status, Some(429 | 503 | 509)) {
        counter!(name::THROTTLED, "remote" => remote.name()).increment(1);
    }
    let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
    counter!(name::CALLS, "remote" => remote.name(), "endpoint" => endpoint, "status" => status)
        .increment(1);
}

/// A hint from outside was judged. What comes with every delivery has its labels ready.
pub fn received(source: &'static str, outcome: &'static str, by: usize) {
    let ready = match (source, outcome) {
        ("tribe", "authentic") => {
            counter!(name::HINTS_RECEIVED, "source" => "tribe", "outcome" => "authentic")
        }
        ("notification", "authentic") => {
            counter!(name::HINTS_RECEIVED, "source" => "notification", "outcome" => "authentic")
        }
        _ => counter!(name::HINTS_RECEIVED, "source" => source, "outcome" => outcome),
    };
    ready.increment(by as u64);
}

/// A delivery came before.
pub fn repeated() {
    counter!(name::REPEATED).increment(1);
}

/// A connection made room for another one.
pub fn sent_away() {
    counter!(name::SENT_AWAY).increment(1);
}

/// A delivery was answered.
pub fn acknowledged(source: &'static str, status: u16, took: Duration) {
    let ready = match (source, status) {
        ("tribe", 202) => histogram!(name::ACK, "source" => "tribe", "status" => "202"),
        ("notification", 202) => {
            histogram!(name::ACK, "source" => "notification", "status" => "202")
        }
        _ => histogram!(name::ACK, "source" => source, "status" => status.to_string()),
    };
    ready.record(took);
}

/// So many replicas live.
pub fn replicas(count: usize) {
    gauge!(name::REPLICAS).set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
}

/// A lease was taken.
pub fn lease_taken(lane: &Lane) {
    counter!(name::LEASES_TAKEN, "lane" => lane_name(lane)).increment(1);
    gauge!(name::LEASES, "lane" => lane_name(lane)).increment(1);
}

/// A lease is not held any more; `lost` when it was not given back.
pub fn lease_ended(lane: &Lane, lost: bool) {
    gauge!(name::LEASES, "lane" => lane_name(lane)).decrement(1);
    if lost {
        counter!(name::LEASES_LOST, "lane" => lane_name(lane)).increment(1);
    }
}

/// A job ended.
pub fn job_ended(lane: &Lane, outcome: Job) {
    counter!(name::JOBS, "lane" => lane_name(lane), "outcome" => outcome.name()).increment(1);
}

/// Tokens were refreshed, or not.
pub fn refreshed(outcome: Refresh) {
    counter!(name::REFRESHES, "outcome" => outcome.name()).increment(1);
}

/// Something became of a notification's content.
pub fn content(outcome: &'static str) {
    counter!(name::CONTENTS, "outcome" => outcome).increment(1);
}

/// A request without a right token.
pub fn denied() {
    counter!(name::DENIED).increment(1);
}

/// An unknown subscription that was not looked up.
pub fn lookup_refused() {
    counter!(name::LOOKUPS_REFUSED).increment(1);
}

/// Own writes came back (R14).
pub fn echoed(environment: &EnvironmentId, side: Echo, by: usize) {
    let side = match side {
        Echo::Tribe => "tribe",
        Echo::Outlook => "outlook",
    };
    counter!(name::ECHOES, "environment" => environment.0.clone(), "side" => side)
        .increment(by as u64);
}

/// Writes were recorded so long after their hints had arrived, in milliseconds.
pub fn waited(environment: &EnvironmentId, waits_ms: &[i64]) {
    let waits = histogram!(name::HINT_TO_WRITE, "environment" => environment.0.clone());
    for wait_ms in waits_ms {
        waits.record(Duration::from_millis(u64::try_from(*wait_ms).unwrap_or(0)));
    }
}

/// What a pass's changes prove by the canary, once they are committed.
pub struct Proven(Vec<(Side, i64)>);

impl Proven {
    /// Reads it off the changes.
    pub fn of(changes: &[Change]) -> Proven {
        let proven = changes.iter().filter_map(|change| match change {
            Change::ProveCanary { to, took_ms, .. } => Some((*to, *took_ms)),
            _ => None,
        });
        Proven(proven.collect())
    }

    /// They are committed.
    pub fn record(self, environment: &EnvironmentId) {
        for (to, took_ms) in self.0 {
            canary_took(environment, to)
                .record(Duration::from_millis(u64::try_from(took_ms).unwrap_or(0)));
        }
    }
}

fn canary_took(environment: &EnvironmentId, to: Side) -> metrics::Histogram {
    let direction = side_direction(to);
    histogram!(name::CANARY_TOOK, "environment" => environment.0.clone(), "direction" => direction)
}

/// The way to a side, as a label.
pub(super) fn side_direction(to: Side) -> &'static str {
    match to {
        Side::Outlook => direction_name(AuditDirection::ToOutlook),
        Side::Tribe => direction_name(AuditDirection::ToTribe),
    }
}

/// Whether these changes tell of a write to either side.
pub fn tells_of_a_write(changes: &[Change]) -> bool {
    changes.iter().any(|change| match change {
        Change::AddAudit(line) => line.direction != AuditDirection::None,
        _ => false,
    })
}

/// What a worker's changes will have counted for, once they are committed.
pub struct Tally(Vec<(metrics::Counter, u64)>);

impl Tally {
    /// Reads it off the changes.
    pub fn of(changes: &[Change]) -> Tally {
        let mut counts = Vec::new();
        for change in changes {
            match change {
                Change::AddHints(hints) => {
                    for hint in hints {
                        let source = source_name(hint.source);
                        counts.push((counter!(name::HINTS_MADE, "source" => source), 1));
                    }
                }
                Change::AddAudit(line) => recorded(line, &mut counts),
                Change::PutHeld(held) => counts.push((of(name::HELD_TOTAL, &held.environment), 1)),
                Change::PutParked(parked) => {
                    counts.push((of(name::PARKED_TOTAL, &parked.environment), 1));
                }
                _ => {}
            }
        }
        Tally(counts)
    }

    /// They are committed.
    pub fn count(self) {
        for (counter, by) in self.0 {
            counter.increment(by);
        }
    }
}

fn of(name: &'static str, environment: &EnvironmentId) -> metrics::Counter {
    counter!(name, "environment" => environment.0.clone())
}

fn recorded(line: &AuditLine, counts: &mut Vec<(metrics::Counter, u64)>) {
    let environment = line.environment.0.clone();
    let rule = line.rule.code();
    let direction = match line.direction {
        AuditDirection::ToOutlook | AuditDirection::ToTribe => direction_name(line.direction),
        AuditDirection::None => {
            let counter =
                counter!(name::LINK_CHANGES, "environment" => environment, "rule" => rule);
            counts.push((counter, 1));
            return;
        }
    };
    if line.rule == Rule::R6 {
        counts.push((
            of(name::CONFLICTS, &line.environment),
            line.fields.len() as u64,
        ));
    }
    let counter = counter!(
        name::WRITES,
        "environment" => environment,
        "direction" => direction,
        "rule" => rule
    );
    counts.push((counter, 1));
}

#[cfg(test)]
mod tests {
    use tribelink_plan::{
        field::Field,
        ids::{PersonId, UserId},
    };

    use super::*;
    use crate::{
        store::{NewHint, Parked, Target},
        telemetry::Metrics,
    };

    fn line(rule: Rule, direction: AuditDirection, fields: Vec<Field>) -> Change {
        Change::AddAudit(Box::new(AuditLine {
            id: 0,
            at_ms: 0,
            environment: EnvironmentId::from("office"),
            user: UserId(uuid::Uuid::from_u128(1)),
            person: Some(PersonId(uuid::Uuid::from_u128(2))),
            contact: None,
            rule,
            direction,
            cause: Source::Webhook,
            fields,
            values: None,
            note: None,
            pass: 0,
        }))
    }

    #[test]
    fn a_commit_is_counted_by_what_it_records() {
        let hint = NewHint {
            environment: EnvironmentId::from("office"),
            user: None,
            target: Target::Poll,
            source: Source::Delta,
            received_ms: 0,
            not_before_ms: 0,
            attempts: 0,
        };
        let parked = Parked {
            id: 0,
            environment: EnvironmentId::from("office"),
            user: UserId(uuid::Uuid::from_u128(1)),
            person: None,
            field: String::new(),
            reason: String::new(),
            attempts: 1,
            created_ms: 0,
        };
        let changes = [
            Change::AddHints(vec![hint.clone(), hint]),
            line(
                Rule::R6,
                AuditDirection::ToOutlook,
                vec![Field::Surname, Field::FirstName],
            ),
            line(Rule::R3, AuditDirection::ToTribe, vec![Field::Surname]),
            line(Rule::R7, AuditDirection::None, vec![]),
            Change::PutParked(Box::new(parked)),
        ];
        let text = Metrics::local(|| {
            open_environment(&EnvironmentId::from("office"));
            Tally::of(&changes).count();
            waited(&EnvironmentId::from("office"), &[40]);
        })
        .expect("recorded")
        .render();
        for line in [
            r#"tribelink_hints_made_total{source="delta"} 2"#,
            r#"tribelink_writes_total{environment="office",direction="to_outlook",rule="R6"} 1"#,
            r#"tribelink_writes_total{environment="office",direction="to_tribe",rule="R3"} 1"#,
            r#"tribelink_conflicts_total{environment="office"} 2"#,
            r#"tribelink_link_changes_total{environment="office",rule="R7"} 1"#,
            r#"tribelink_parked_total{environment="office"} 1"#,
            r#"tribelink_held_total{environment="office"} 0"#,
            r#"tribelink_hint_to_write_seconds_bucket{environment="office",le="0.05"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(tells_of_a_write(&changes) && !tells_of_a_write(&changes[3..]));
    }

    #[test]
    fn a_refusal_for_the_number_of_calls_counts_twice() {
        let text = Metrics::local(|| {
            open();
            called(Remote::Graph, "batch", Some(429));
            called(Remote::Graph, "batch", Some(200));
            called(Remote::Tribe, "read", None);
        })
        .expect("recorded")
        .render();
        for line in [
            r#"tribelink_remote_throttled_total{remote="graph"} 1"#,
            r#"tribelink_remote_throttled_total{remote="tribe"} 0"#,
            r#"tribelink_remote_calls_total{remote="graph",endpoint="batch",status="429"} 1"#,
            r#"tribelink_remote_calls_total{remote="tribe",endpoint="read",status="none"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
