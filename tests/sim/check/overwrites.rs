//! Edits that a write takes away though its read had not shown them: nothing can prevent that at a remote
//! without etags, or one that ignores them.

use serde_json::Value;

use super::safety::{Item, Watch};

/// How long the answers of one reading may take to come together, in milliseconds.
const READ_MS: i64 = 1_000;

impl Watch {
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
        let known_ms = self.clock.elapsed_ms() - READ_MS;
        for name in body.as_object().into_iter().flat_map(serde_json::Map::keys) {
            let Some(shown) = record.values.get(name).and_then(Value::as_str) else {
                continue;
            };
            // What the service itself wrote it knows, whatever a stale reading shows.
            if inner.written.contains(&(id.clone(), shown.to_owned())) {
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
        inner.written.extend(texts.map(|text| (id.clone(), text)));
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
        // The etag goes along wherever the contact is shown.
        let etag = now["@odata.etag"].as_str().unwrap_or_default();
        let etag = etag.replace('"', "\\\"");
        if inner
            .heard
            .iter()
            .rev()
            .any(|(_, text)| text.contains(&etag))
        {
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
