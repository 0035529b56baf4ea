//! The log of every call received.
//!
//! [`crate::faults::guard`] logs each HTTP call; the Graph side logs each item of a batch with
//! [`Ticket::open`] and [`Entry::batch_item`]. Memory is bounded: the oldest entries go, the
//! counters stay.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::{Value, json};

use crate::{state::Shared, time::rfc3339};

/// One call, or one item of a batch.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Running number since the start.
    pub number: u64,
    /// `tribe`, `tribe_auth`, `graph` or `microsoft`.
    pub side: &'static str,
    /// HTTP method.
    pub method: String,
    /// Path with query, as received, without access tokens.
    pub path: String,
    /// The answer's status; none while it runs, and when the connection was cut.
    pub status: Option<u16>,
    /// Mailbox address, `crm`, an application; `-` without a known token.
    pub by: String,
    /// How many of this caller's calls were under way when it began, itself included; 0 for a
    /// batch, whose items count instead.
    pub in_flight: usize,
    /// When it began.
    pub at_ms: i64,
    /// How long it took.
    pub took_ms: Option<i64>,
    /// Whether it came inside a `$batch`.
    pub batch_item: bool,
    /// Whether a fault struck it.
    pub fault: bool,
}

impl Entry {
    /// A call that is about to begin; number, time and in-flight are filled in when it is opened.
    #[must_use]
    pub fn new(side: &'static str, method: &str, path: &str, by: &str) -> Self {
        Self {
            number: 0,
            side,
            method: method.to_owned(),
            path: without_token(path),
            status: None,
            by: by.to_owned(),
            in_flight: 1,
            at_ms: 0,
            took_ms: None,
            batch_item: false,
            fault: false,
        }
    }

    /// The same as an item of a batch.
    #[must_use]
    pub fn batch_item(mut self) -> Self {
        self.batch_item = true;
        self
    }

    /// The same as a batch as a whole, which is not in flight itself.
    #[must_use]
    pub fn uncounted(mut self) -> Self {
        self.in_flight = 0;
        self
    }

    fn to_json(&self) -> Value {
        json!({
            "number": self.number, "side": self.side, "method": self.method, "path": self.path,
            "status": self.status, "by": self.by, "in_flight": self.in_flight,
            "at": rfc3339(self.at_ms), "at_ms": self.at_ms, "took_ms": self.took_ms,
            "batch_item": self.batch_item, "fault": self.fault,
        })
    }
}

/// Access tokens never enter the log.
fn without_token(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else {
        return path.to_owned();
    };
    let kept: Vec<_> = query
        .split('&')
        .map(|pair| {
            if pair.starts_with("access_token=") {
                "access_token=…"
            } else {
                pair
            }
        })
        .collect();
    format!("{path}?{}", kept.join("&"))
}

#[derive(Clone, Debug, Default)]
struct Counter {
    count: u64,
    statuses: BTreeMap<String, u64>,
}

/// The log itself.
#[derive(Debug)]
pub struct Calls {
    keep: usize,
    next: u64,
    entries: VecDeque<Entry>,
    counters: BTreeMap<String, Counter>,
    in_flight: BTreeMap<String, usize>,
    peak: BTreeMap<String, usize>,
    dropped: u64,
}

impl Calls {
    /// An empty log that keeps this many entries.
    #[must_use]
    pub fn new(keep: usize) -> Self {
        Self {
            keep,
            next: 1,
            entries: VecDeque::new(),
            counters: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            peak: BTreeMap::new(),
            dropped: 0,
        }
    }

    /// The entries kept, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// How many calls of a caller are under way.
    #[must_use]
    pub fn in_flight(&self, who: &str) -> usize {
        self.in_flight.get(who).copied().unwrap_or(0)
    }

    /// Forgets entries, counters and peaks; what is under way stays counted.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.counters.clear();
        self.peak.clear();
        self.dropped = 0;
    }

    /// Notes the beginning of a call and returns its number.
    pub fn begin(&mut self, mut entry: Entry, now_ms: i64) -> u64 {
        entry.number = self.next;
        entry.at_ms = now_ms;
        self.next += 1;
        if entry.in_flight > 0 {
            let flying = self.in_flight.entry(entry.by.clone()).or_default();
            *flying += 1;
            entry.in_flight = *flying;
            let peak = self.peak.entry(entry.by.clone()).or_default();
            *peak = (*peak).max(entry.in_flight);
        }
        self.counters
            .entry(endpoint(&entry.method, &entry.path))
            .or_default()
            .count += 1;
        if self.entries.len() >= self.keep {
            self.entries.pop_front();
            self.dropped += 1;
        }
        let number = entry.number;
        self.entries.push_back(entry);
        number
    }

    /// Marks a call as struck by a fault.
    pub fn mark_fault(&mut self, number: u64) {
        if let Some(entry) = self.find(number) {
            entry.fault = true;
        }
    }

    fn find(&mut self, number: u64) -> Option<&mut Entry> {
        let at = self
            .entries
            .binary_search_by_key(&number, |entry| entry.number)
            .ok()?;
        self.entries.get_mut(at)
    }

    fn end(&mut self, ticket: &Ticket, status: Option<u16>, now_ms: i64) {
        if ticket.counted
            && let Some(flying) = self.in_flight.get_mut(&ticket.by)
        {
            *flying = flying.saturating_sub(1);
            if *flying == 0 {
                self.in_flight.remove(&ticket.by);
            }
        }
        if let Some(entry) = self.find(ticket.number) {
            entry.status = status;
            entry.took_ms = Some(now_ms - entry.at_ms);
        }
        if let Some(counter) = self.counters.get_mut(&ticket.endpoint) {
            let status = status.map_or_else(|| "cut".to_owned(), |status| status.to_string());
            *counter.statuses.entry(status).or_default() += 1;
        }
    }

    /// `{"calls": […], "counters": {"GET /v1/odata/X({id})": {count, statuses}}, "in_flight_peak": {by: n}, "dropped": n}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let counters: BTreeMap<_, _> = self
            .counters
            .iter()
            .map(|(endpoint, c)| (endpoint, json!({"count": c.count, "statuses": c.statuses})))
            .collect();
        json!({
            "calls": self.entries.iter().map(Entry::to_json).collect::<Vec<_>>(),
            "counters": counters,
            "in_flight_peak": self.peak,
            "dropped": self.dropped,
        })
    }
}

/// A call under way. It ends with a status, or, when dropped without one, as cut off.
pub struct Ticket {
    ctx: Shared,
    number: u64,
    by: String,
    endpoint: String,
    counted: bool,
    status: Option<u16>,
}

impl Ticket {
    /// Logs the beginning of a call.
    #[must_use]
    pub fn open(ctx: &Shared, entry: Entry) -> Self {
        let (by, endpoint, counted) = (
            entry.by.clone(),
            endpoint(&entry.method, &entry.path),
            entry.in_flight > 0,
        );
        let mut state = ctx.lock();
        let now = state.now_ms();
        let number = state.calls.begin(entry, now);
        drop(state);
        Self {
            ctx: Arc::clone(ctx),
            number,
            by,
            endpoint,
            counted,
            status: None,
        }
    }

    /// Its number in the log.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The call was answered.
    pub fn close(mut self, status: u16) {
        self.status = Some(status);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let ctx = Arc::clone(&self.ctx);
        let mut state = ctx.lock();
        let now = state.now_ms();
        state.calls.end(self, self.status, now);
    }
}

/// Method and path with ids replaced by `{id}`, without the query: what the counters count by.
#[must_use]
pub fn endpoint(method: &str, path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let segments: Vec<String> = path.split('/').map(segment).collect();
    format!("{method} {}", segments.join("/"))
}

fn segment(text: &str) -> String {
    if let Some((set, key)) = text.split_once('(') {
        return if key.trim_end_matches(')').is_empty() {
            text.to_owned()
        } else {
            format!("{set}({{id}})")
        };
    }
    // Graph's ids are long base64; addresses stand where users are named.
    let id = uuid::Uuid::parse_str(text).is_ok()
        || text.len() >= 40
        || text.contains('@')
        || text.contains("%40");
    if id {
        "{id}".to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_have_no_ids() {
        let id = "b724d383-bb70-480a-b03d-512b9aaec15a";
        assert_eq!(
            endpoint(
                "GET",
                &format!("/v1/odata/Relation_Person({id})?$select=ID")
            ),
            "GET /v1/odata/Relation_Person({id})"
        );
        assert_eq!(
            endpoint("GET", "/v1/odata/GetCurrentEmployee()"),
            "GET /v1/odata/GetCurrentEmployee()"
        );
        assert_eq!(
            endpoint("GET", "/v1.0/users/a@b.example/contacts"),
            "GET /v1.0/users/{id}/contacts"
        );
    }

    #[test]
    fn memory_is_bounded_and_counters_go_on() {
        let mut calls = Calls::new(3);
        for _ in 0..10 {
            calls.begin(
                Entry::new("tribe", "GET", "/v1/x?access_token=secret&a=b", "crm"),
                5,
            );
        }
        let log = calls.to_json();
        assert_eq!(log["calls"].as_array().map(Vec::len), Some(3));
        assert_eq!(log["counters"]["GET /v1/x"]["count"], 10);
        assert_eq!(log["in_flight_peak"]["crm"], 10);
        assert!(!log.to_string().contains("secret"));
    }
}
