//! Every metric, by name. What is not here is not exported (`tests/it/metrics.rs`), and
//! `docs/metrics.md` describes each of them.

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises; what counts is its rate.
    Counter,
    /// As it stands now.
    Gauge,
    /// Seconds, in buckets.
    Histogram,
}

impl Kind {
    /// Prometheus' word.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// Its labels. Each takes words that the program knows, or the name of an environment: never an
    /// id of a person or user, never an address, never a value.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        labels,
        help,
    }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Histogram,
        labels,
        help,
    }
}

/// Hints from outside, by what became of them.
pub const HINTS_RECEIVED: &str = "tribelink_hints_received_total";
/// Hints that this service made itself.
pub const HINTS_MADE: &str = "tribelink_hints_made_total";
/// How long a sender waited for its answer.
pub const ACK: &str = "tribelink_hint_ack_seconds";
/// How long a hint waited for the write that it led to.
pub const HINT_TO_WRITE: &str = "tribelink_hint_to_write_seconds";
/// Hints that wait.
pub const BACKLOG: &str = "tribelink_backlog_hints";
/// How long the oldest has waited.
pub const BACKLOG_AGE: &str = "tribelink_backlog_age_seconds";
/// Calls to the remotes.
pub const CALLS: &str = "tribelink_remote_calls_total";
/// Calls that a remote refused for their number.
pub const THROTTLED: &str = "tribelink_remote_throttled_total";
/// Mailboxes that rest.
pub const RESTING: &str = "tribelink_mailboxes_resting";
/// Writes.
pub const WRITES: &str = "tribelink_writes_total";
/// Changes of links.
pub const LINK_CHANGES: &str = "tribelink_link_changes_total";
/// Own writes that came back.
pub const ECHOES: &str = "tribelink_echoes_total";
/// Fields that both sides changed.
pub const CONFLICTS: &str = "tribelink_conflicts_total";
/// Changes that were held.
pub const HELD_TOTAL: &str = "tribelink_held_total";
/// Changes that wait for a decision.
pub const HELD: &str = "tribelink_held_items";
/// Items that were parked.
pub const PARKED_TOTAL: &str = "tribelink_parked_total";
/// Items that are parked.
pub const PARKED: &str = "tribelink_parked_items";
/// Live replicas.
pub const REPLICAS: &str = "tribelink_replicas";
/// Leases held here.
pub const LEASES: &str = "tribelink_leases_held";
/// Leases taken.
pub const LEASES_TAKEN: &str = "tribelink_leases_taken_total";
/// Leases lost.
pub const LEASES_LOST: &str = "tribelink_leases_lost_total";
/// Jobs that ended.
pub const JOBS: &str = "tribelink_jobs_total";
/// Users.
pub const USERS: &str = "tribelink_users";
/// When the first subscription of a live user ends.
pub const SUBSCRIPTION_ENDS: &str = "tribelink_subscription_expiry_seconds";
/// Live users without one.
pub const UNSUBSCRIBED: &str = "tribelink_users_unsubscribed";
/// Consents that end soon.
pub const CONSENTS_ENDING: &str = "tribelink_consents_ending";
/// When the secret of an application ends.
pub const SECRET_ENDS: &str = "tribelink_secret_expiry_seconds";
/// Subscription ids that were not looked up.
pub const LOOKUPS_REFUSED: &str = "tribelink_subscription_lookups_refused_total";
/// Refreshes of tokens.
pub const REFRESHES: &str = "tribelink_token_refreshes_total";
/// How long ago a mailbox was asked for changes.
pub const DELTA_AGE: &str = "tribelink_delta_age_seconds";
/// How long ago Tribe was polled.
pub const POLL_AGE: &str = "tribelink_poll_age_seconds";
/// How long ago everything was compared.
pub const SWEEP_AGE: &str = "tribelink_sweep_age_seconds";
/// Alerts that stand.
pub const ALERTS: &str = "tribelink_alerts";
/// When the gauges were last read of the database.
pub const CENSUS: &str = "tribelink_census_timestamp_seconds";
/// Requests without a right token.
pub const DENIED: &str = "tribelink_api_denied_total";
/// What became of contents of notifications.
pub const CONTENTS: &str = "tribelink_notification_contents_total";
/// How long the canary's values took.
pub const CANARY_TOOK: &str = "tribelink_canary_proof_seconds";
/// How long ago the canary last proved a way.
pub const CANARY_AGE: &str = "tribelink_canary_proof_age_seconds";
/// Mailboxes that the canary is to prove.
pub const CANARY_MAILBOXES: &str = "tribelink_canary_mailboxes";
/// For how long the canary's next round is overdue.
pub const CANARY_OVERDUE: &str = "tribelink_canary_overdue_seconds";
/// Spans.
pub const SPANS: &str = "tribelink_spans_total";
/// Deliveries that came before.
pub const REPEATED: &str = "tribelink_webhooks_repeated_total";
/// Connections that made room.
pub const SENT_AWAY: &str = "tribelink_connections_sent_away_total";
/// Which build.
pub const BUILD_INFO: &str = "tribelink_build_info";
/// Memory.
pub const MEMORY: &str = "process_resident_memory_bytes";

/// Every metric, in the order in which they are documented.
pub const ALL: &[Metric] = &[
    counter(
        HINTS_RECEIVED,
        &["source", "outcome"],
        "Hints from outside, by source and by what became of them.",
    ),
    counter(
        HINTS_MADE,
        &["source"],
        "Hints that this replica's workers kept themselves, by what caused them.",
    ),
    histogram(
        ACK,
        &["source", "status"],
        "How long Tribe or Graph waited for the answer to a delivery.",
    ),
    histogram(
        HINT_TO_WRITE,
        &["environment"],
        "From the arrival of a hint to the record of the write it led to.",
    ),
    gauge(
        BACKLOG,
        &["environment"],
        "Hints that wait, mailboxes included.",
    ),
    gauge(
        BACKLOG_AGE,
        &["environment"],
        "How long the oldest waiting hint has waited.",
    ),
    counter(
        CALLS,
        &["remote", "endpoint", "status"],
        "Calls to the remotes; items of a batch count one by one. Status `none`: no answer came.",
    ),
    counter(
        THROTTLED,
        &["remote"],
        "Calls that a remote refused for their number: 429, 503, 509.",
    ),
    gauge(
        RESTING,
        &["environment"],
        "Mailboxes that rest because Graph said so.",
    ),
    counter(
        WRITES,
        &["environment", "direction", "rule"],
        "Writes to a side, by the rule that decided them.",
    ),
    counter(
        LINK_CHANGES,
        &["environment", "rule"],
        "Changes of links that wrote to neither side, by rule.",
    ),
    counter(
        ECHOES,
        &["environment", "side"],
        "Own writes that came back and were recognised (R14).",
    ),
    counter(
        CONFLICTS,
        &["environment"],
        "Fields that both sides changed differently and R6 decided.",
    ),
    counter(
        HELD_TOTAL,
        &["environment"],
        "Changes that were held for a decision.",
    ),
    gauge(
        HELD,
        &["environment", "rule"],
        "Changes that wait for a decision.",
    ),
    counter(
        PARKED_TOTAL,
        &["environment"],
        "Items that were parked, again ones included.",
    ),
    gauge(PARKED, &["environment"], "Items that are parked."),
    gauge(REPLICAS, &[], "Replicas that live, as this one last read."),
    gauge(LEASES, &["lane"], "Leases that this replica holds."),
    counter(LEASES_TAKEN, &["lane"], "Leases that this replica took."),
    counter(
        LEASES_LOST,
        &["lane"],
        "Leases that this replica lost before it gave them back.",
    ),
    counter(JOBS, &["lane", "outcome"], "Jobs that ended."),
    gauge(USERS, &["environment", "state"], "Users by state."),
    gauge(
        SUBSCRIPTION_ENDS,
        &["environment"],
        "Until the first subscription of a live user ends; negative: it has.",
    ),
    gauge(
        UNSUBSCRIBED,
        &["environment"],
        "Live users without a live subscription.",
    ),
    gauge(
        CONSENTS_ENDING,
        &["environment"],
        "Consents that end within 14 days unless they are used, or have ended so.",
    ),
    gauge(
        SECRET_ENDS,
        &["secret"],
        "Until the secret of an application ends, as configured; negative: it has.",
    ),
    counter(
        LOOKUPS_REFUSED,
        &[],
        "Unknown subscription ids that were not looked up, because there were too many.",
    ),
    counter(REFRESHES, &["outcome"], "Refreshes of mailbox tokens."),
    gauge(
        DELTA_AGE,
        &["environment"],
        "How long ago the live mailbox that waits longest was asked for its changes.",
    ),
    gauge(
        POLL_AGE,
        &["environment"],
        "How long ago Tribe was asked for changes.",
    ),
    gauge(
        SWEEP_AGE,
        &["environment"],
        "How long ago everything was compared.",
    ),
    gauge(
        ALERTS,
        &["environment", "kind"],
        "Alerts that need an administrator.",
    ),
    histogram(
        CANARY_TOOK,
        &["environment", "direction"],
        "From the beginning of a round of the canary to the record that its value arrived.",
    ),
    gauge(
        CANARY_AGE,
        &["environment", "direction"],
        "How long ago the canary last proved the live mailbox for which that is the longest.",
    ),
    gauge(
        CANARY_MAILBOXES,
        &["environment", "state"],
        "Live mailboxes that the canary is to prove, by whether its value arrived.",
    ),
    gauge(
        CANARY_OVERDUE,
        &["environment"],
        "For how long the next round of the canary is overdue.",
    ),
    gauge(
        CENSUS,
        &[],
        "When the gauges were last read of the database, as Unix time.",
    ),
    counter(
        REPEATED,
        &[],
        "Authentic deliveries of Tribe that came before, byte by byte: a second attempt, or a replay.",
    ),
    counter(
        SENT_AWAY,
        &[],
        "Connections without a whole request that made room for others.",
    ),
    counter(
        CONTENTS,
        &["outcome"],
        "Contents of rich notifications, by what became of them.",
    ),
    counter(
        DENIED,
        &[],
        "Requests to the admin API without a right token.",
    ),
    counter(SPANS, &["outcome"], "Spans for the collector of traces."),
    gauge(
        BUILD_INFO,
        &["version", "revision"],
        "Always 1; the labels say which build runs.",
    ),
    gauge(MEMORY, &[], "Resident memory of the process (Linux)."),
];

pub(super) fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
        }
    }
}
