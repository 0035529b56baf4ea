//! Edits that a write takes away though its read had not shown them: nothing can prevent that at a remote
//! without etags, or one that ignores them.

use std::sync::Arc;

use serde_json::Value;

use tribelink::remote::Request;

use super::safety::{Item, Watch, items};

/// How long the answers of one reading may take to come together, in milliseconds: one that is delayed
/// among them.
const READ_MS: i64 = 4_500;

/// A write that was sent and has not landed yet, however long its caller waits.
pub(crate) struct Underway {
    watch: Arc<Watch>,
    number: u64,
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.watch.inner().underway.remove(&self.number);
    }
}

impl Watch {
    /// A request leaves: what is typed into the same field until it lands, it takes away.
    pub(crate) fn sends(self: &Arc<Self>, request: &Request) -> Underway {
        let mut fields = Vec::new();
        for item in items(request, request.url.path()) {
            let id = match item.path.split_once('(') {
                Some((_, rest)) => rest.trim_end_matches(')'),
                None => item.path.rsplit('/').next().unwrap_or_default(),
            };
            let names = item.body.as_object().into_iter().flatten();
            fields.extend(names.map(|(name, value)| {
                let value = value.as_str().unwrap_or_default();
                (id.to_owned(), name.clone(), value.to_owned())
            }));
        }
        let mut inner = self.inner();
        // Which of two that travel at once lands last, nobody knows.
        let mut meet = Vec::new();
        for (id, name, value) in &fields {
            let others = inner.underway.values().flatten();
            let same = others.filter(|(other, its, _)| (other, its) == (id, name));
            meet.extend(same.flat_map(|(.., other)| [value.clone(), other.clone()]));
        }
        inner.overwritten.extend(meet);
        inner.sent += 1;
        let number = inner.sent;
        inner.underway.insert(number, fields);
        Underway {
            watch: Arc::clone(self),
            number,
        }
    }

    /// A write of which the service was not told whether it was taken.
    pub(crate) fn is_left_open(&self, body: &str) {
        self.inner().left_open.push(body.to_owned());
    }

    /// Whether a value was in such a write. If it was not taken, and the field was edited at the same
    /// time, the service takes the edit for one that came after the write.
    pub(crate) fn left_open(&self, value: &str) -> bool {
        let inner = self.inner();
        !value.is_empty() && inner.left_open.iter().any(|body| body.contains(value))
    }

    /// A process dies, and takes what it had planned and not sent with it.
    pub(crate) fn dies(&self, at_ms: i64) {
        self.inner().deaths.push(at_ms);
    }

    /// Whether a process died while it may have been about to carry an edit of this time across: whoever
    /// finds the plan cannot tell a write that was never sent from one that somebody edited since.
    pub(crate) fn cut_short(&self, at_ms: i64) -> bool {
        let inner = self.inner();
        let mut deaths = inner.deaths.iter();
        deaths.any(|death| (at_ms..at_ms + READ_MS).contains(death))
    }

    /// Whether one answer told all of it long enough ago that the service had time to note it.
    pub(crate) fn knew(&self, texts: &[&str]) -> bool {
        let until_ms = self.clock.elapsed_ms() - READ_MS;
        let inner = self.inner();
        let mut heard = inner.heard.iter().filter(|(at_ms, _)| *at_ms <= until_ms);
        heard.any(|(_, body)| texts.iter().all(|text| body.contains(text)))
    }

    /// Somebody types a value into a field of a record, or of a contact of a Graph that takes every write.
    pub(crate) fn typed(&self, ids: &[&str], field: &str, value: &str) {
        let mut inner = self.inner();
        let mut underway = inner.underway.values().flatten();
        if underway.any(|(id, name, _)| name == field && ids.contains(&id.as_str())) {
            inner.overwritten.push(value.to_owned());
        }
    }

    /// Keeps what a write is about to take away unseen.
    pub(super) fn note_overwritten(&self, path: &str, body: &Value) {
        let id = path.split(['(', ')']).nth(1).unwrap_or_default().to_owned();
        let state = self.remotes.lock();
        let record = id
            .parse()
            .ok()
            .and_then(|id| state.tribe.store.now().get(id));
        let Some(record) = record else { return };
        let mut inner = self.inner();
        // Whoever reads a person with its relationships has all of it only after the last answer. And
        // the last answer may be older than the one before, where reads are stale.
        let now_ms = self.clock.elapsed_ms();
        let known_ms = now_ms - READ_MS;
        for name in body.as_object().into_iter().flat_map(serde_json::Map::keys) {
            let Some(shown) = record.values.get(name).and_then(Value::as_str) else {
                continue;
            };
            // What the service itself wrote it knows, whatever a stale reading shows; but not what
            // another mailbox's job wrote while this one had read already.
            let wrote = inner.written.get(&(id.clone(), shown.to_owned()));
            if wrote.is_some_and(|at_ms| *at_ms <= known_ms) {
                continue;
            }
            let field = format!("\"{name}\"");
            let heard = inner.heard.iter().rev();
            let mut of_it = heard.filter(|(_, text)| text.contains(&id) && text.contains(&field));
            let last = of_it.clone().next();
            let known = of_it.find(|(at_ms, _)| *at_ms <= known_ms);
            let is_seen = |reading: Option<&(i64, String)>| {
                reading.is_some_and(|(_, text)| text.contains(shown))
            };
            if !(is_seen(last) && is_seen(known)) {
                let shown = shown.to_owned();
                inner.overwritten.push(shown);
            }
        }
        let values = body
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::values);
        let texts = values.filter_map(Value::as_str).map(str::to_owned);
        inner
            .written
            .extend(texts.map(|text| ((id.clone(), text), now_ms)));
    }

    /// The same at Graph, where it does not honour `If-Match`.
    pub(super) fn note_overwritten_card(&self, item: &Item) {
        let graph = {
            let state = self.remotes.lock();
            if state.graph.switches.honour_if_match {
                return;
            }
            state.graph.to_json()
        };
        let id = item.path.rsplit('/').next().unwrap_or_default();
        let mailboxes = graph["mailboxes"].as_array().into_iter().flatten();
        let mut contacts =
            mailboxes.flat_map(|one| one["contacts"].as_array().into_iter().flatten());
        let Some(now) = contacts.find(|one| one["id"] == id || one["immutableId"] == id) else {
            return;
        };
        let mut inner = self.inner();
        // The etag goes along wherever the contact is shown; and the last reading may be older than the
        // one before, where reads are stale.
        let quoted = |value: &Value| value.as_str().unwrap_or_default().replace('"', "\\\"");
        let etag = quoted(&now["@odata.etag"]);
        let mut ids = vec![quoted(&now["id"]), quoted(&now["immutableId"])];
        ids.retain(|id| !id.is_empty());
        let mut heard = inner.heard.iter().rev();
        let last = heard.find(|(_, text)| ids.iter().any(|id| text.contains(id)));
        if last.is_some_and(|(_, text)| text.contains(&etag)) {
            return;
        }
        for name in item
            .body
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::keys)
        {
            let unseen = texts(&now[name]).into_iter().map(str::to_owned);
            inner.overwritten.extend(unseen);
        }
    }
}

/// Every text of a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(object) => object.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
