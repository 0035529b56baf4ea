//! Safety: what no request may do, whatever went wrong before it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use http::{Method, header};
use serde_json::Value;
use tribelink::{
    remote::transport::{Request, Response, TransportError},
    store::{Store, UserState},
};
use tribelink_plan::{
    ids::{EmployeeId, EnvironmentId, PersonId},
    link::LinkState,
};
use tribelink_sandbox::{Shared, Source};

use crate::{
    process::{Process, Rest},
    story::Story,
    time::SimClock,
    world,
};

/// What may stand in a body that goes to a person or relationship of Tribe.
const TRIBE_FIELDS: [&str; 9] = [
    "Initials",
    "FirstName",
    "MiddleName",
    "LastName",
    "BirthDate",
    "EmailAddress",
    "PhoneNumber",
    "MobilePhoneNumber",
    "FunctionOnBusinessCard",
];

/// What may stand in the body of a PATCH of a contact.
const GRAPH_FIELDS: [&str; 15] = [
    "initials",
    "givenName",
    "middleName",
    "surname",
    "birthday",
    "emailAddresses",
    "jobTitle",
    "businessPhones",
    "mobilePhone",
    "homePhones",
    "companyName",
    "displayName",
    "fileAs",
    "singleValueExtendedProperties",
    "id",
];

/// Who calls Tribe.
const CRM: &str = "crm";

/// Looks at every request.
pub(crate) struct Watch {
    story: Arc<Story>,
    pub(super) clock: SimClock,
    pub(super) remotes: Shared,
    store: Arc<dyn Store>,
    processes: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    /// By mailbox. Tribe's is known to each process apart.
    rests: BTreeMap<String, Rest>,
    tribe_writes: u64,
    graph_writes: u64,
    creates: u64,
    /// Every text that a remote has told the service, as one: what it could know.
    pub(super) heard: Vec<(i64, String)>,
    /// Writes to Tribe whose read had not shown what they overwrote: the values that were there.
    pub(super) overwritten: Vec<String>,
    /// What the service wrote to records of Tribe, by id, and when it did so last.
    pub(super) written: BTreeMap<(String, String), i64>,
    /// The fields of writes that have not landed yet, by record; and how many were sent.
    pub(super) underway: BTreeMap<u64, Vec<(String, String, String)>>,
    pub(super) sent: u64,
    pub(super) left_open: Vec<String>,
    pub(super) deaths: Vec<i64>,
    clock_moved: bool,
    /// Mailboxes of users whose disconnect was acknowledged.
    disconnected: BTreeSet<String>,
    flying: BTreeMap<String, usize>,
}

/// A call under way, until its caller has the answer or gives up.
pub(crate) struct Flight {
    watch: Arc<Watch>,
    who: String,
    places: usize,
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(flying) = self.watch.inner().flying.get_mut(&self.who) {
            *flying -= self.places;
        }
    }
}

/// What was seen of a request, for its answer.
pub(crate) struct Seen {
    who: String,
    is_batch: bool,
    /// Asked before it is known whose mailbox it is.
    is_sign_in: bool,
    /// The end of a subscription.
    is_courtesy: bool,
}

/// One call on Graph, alone or in a batch.
pub(super) struct Item {
    method: String,
    pub(super) path: String,
    pub(super) body: Value,
}

impl Watch {
    pub(crate) fn new(
        story: Arc<Story>,
        clock: SimClock,
        remotes: Shared,
        store: Arc<dyn Store>,
        processes: usize,
    ) -> Watch {
        Watch {
            story,
            clock,
            remotes,
            store,
            processes,
            inner: Mutex::default(),
        }
    }

    pub(super) fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("the watch")
    }

    fn wrong(&self, text: &str) {
        self.story.violation(self.clock.elapsed_ms(), text);
    }

    /// Writes to people and contacts so far.
    pub(crate) fn writes(&self) -> (u64, u64) {
        let inner = self.inner();
        (inner.tribe_writes, inner.graph_writes)
    }

    /// How many contacts were sent to be created.
    pub(crate) fn creates(&self) -> u64 {
        self.inner().creates
    }

    /// Whether a remote ever told the service this text.
    pub(crate) fn heard(&self, text: &str) -> bool {
        let inner = self.inner();
        inner.heard.iter().any(|(_, body)| body.contains(text))
    }

    /// Whether a write to Tribe took this value away without its read having shown it: the edit came
    /// between the two, or the read was stale. Tribe has no etags, so nothing can prevent that.
    pub(crate) fn overwrote(&self, value: &str) -> bool {
        self.inner().overwritten.iter().any(|shown| shown == value)
    }

    /// A disconnect was acknowledged: no write follows.
    pub(crate) fn disconnected(&self, mailbox: &str) {
        self.inner().disconnected.insert(mailbox.to_owned());
    }

    /// The user is signed up again.
    pub(crate) fn connected(&self, mailbox: &str) {
        self.inner().disconnected.remove(mailbox);
    }

    /// The clock was put forward: a wait that it measures may end early.
    pub(crate) fn clock_moved(&self) {
        self.inner().clock_moved = true;
    }

    pub(crate) async fn before(&self, request: &Request, by: &Process) -> Seen {
        let origin = request.url.origin().ascii_serialization();
        let bearer = request
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .map(|(_, token)| token.to_owned());
        let path = request.url.path().to_owned();
        let is_api = path.starts_with("/v1.0/") || path.starts_with("/v1/");
        let source = if origin == world::TRIBE {
            Source::Tribe
        } else {
            Source::Graph
        };
        let who = self.whose(source, bearer.as_deref());
        self.judge_origin(&origin, source, bearer.as_deref());
        if is_api {
            // A subscription is ended as a courtesy, and a sign-in asks whose mailbox it is, whatever
            // the mailbox was told.
            if request.method != Method::DELETE && path != "/v1.0/me" {
                self.judge_rest(&who, &path, by);
            }
            match source {
                Source::Tribe => self.judge_tribe(request, &path),
                Source::Graph => {
                    for item in items(request, &path) {
                        self.judge_graph(&item, &who).await;
                    }
                }
            }
        }
        Seen {
            is_batch: path.ends_with("/$batch"),
            is_courtesy: source == Source::Graph && request.method == Method::DELETE,
            is_sign_in: path == "/v1.0/me",
            who: if is_api { who } else { String::new() },
        }
    }

    /// At most four calls of a mailbox at once, of which a batch takes all; five of Tribe.
    pub(crate) fn takes_off(self: &Arc<Self>, seen: &Seen, batch: bool) -> Flight {
        // Ending a subscription is a courtesy of whoever disconnects; a process that stood still meanwhile may send
        // what it was about to.
        let places = match (seen.who.is_empty() || seen.is_courtesy, batch) {
            (true, _) => 0,
            (false, true) => 4,
            (false, false) => 1,
        };
        let flying = {
            let mut inner = self.inner();
            let flying = inner.flying.entry(seen.who.clone()).or_default();
            *flying += places;
            *flying
        };
        // What Tribe takes at once is meant for each process, as long as they do not share it out.
        let most = if seen.who == CRM {
            5 * self.processes
        } else {
            4
        };
        // A clock that is put forward ends leases under jobs that still wait for answers.
        if flying > most && !self.inner().clock_moved {
            self.wrong(&format!("{flying} calls of {} at once", seen.who));
        }
        Flight {
            watch: Arc::clone(self),
            who: seen.who.clone(),
            places,
        }
    }

    pub(crate) fn after(
        &self,
        seen: Seen,
        answer: &Result<Response, TransportError>,
        by: &Process,
    ) {
        let Ok(answer) = answer else { return };
        let now = self.clock.elapsed_ms();
        let mut inner = self.inner();
        if seen.who.is_empty() {
            return;
        }
        let asked = answer
            .headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse::<i64>().ok());
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let items = Some(&text)
            .filter(|_| seen.is_batch)
            .and_then(|text| serde_json::from_str::<Value>(text).ok())
            .and_then(|body| body["responses"].as_array().cloned())
            .unwrap_or_default();
        let asked_of_items = items
            .iter()
            .filter(|item| item["status"] == 429 || item["status"] == 503)
            .filter_map(|item| {
                let headers = item["headers"].as_object()?;
                let after = headers
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
                after.1.as_str()?.parse::<i64>().ok()
            })
            .max();
        if let Some(seconds) = asked.max(asked_of_items).filter(|_| !seen.is_sign_in) {
            let until = now + seconds * 1_000;
            match seen.who == CRM {
                true => by.learn_tribes_rest(now, until),
                false => inner
                    .rests
                    .entry(seen.who)
                    .or_default()
                    .lengthen(now, until),
            }
        }
        inner.heard.push((now, text));
    }

    fn whose(&self, source: Source, bearer: Option<&str>) -> String {
        let state = self.remotes.lock();
        let known = bearer.and_then(|token| state.bearer(source, token));
        known.map_or_else(String::new, |bearer| bearer.who.clone())
    }

    fn judge_origin(&self, origin: &str, source: Source, bearer: Option<&str>) {
        if origin != world::TRIBE && origin != world::MICROSOFT {
            self.wrong(&format!("a request to {origin}"));
        }
        let other = match source {
            Source::Tribe => Source::Graph,
            Source::Graph => Source::Tribe,
        };
        let strays = bearer.is_some_and(|token| {
            let state = self.remotes.lock();
            state
                .bearers
                .get(token)
                .is_some_and(|bearer| bearer.source == other)
        });
        if strays {
            self.wrong(&format!("a token of the other remote went to {origin}"));
        }
    }

    fn judge_rest(&self, who: &str, path: &str, by: &Process) {
        let now = self.clock.elapsed_ms();
        let inner = self.inner();
        let rest = match who == CRM {
            true => by.tribes_rest(),
            false => inner.rests.get(who).copied().unwrap_or_default(),
        };
        let Rest { told, until } = rest;
        // A call that begins in the same instant may have left before the answer was read.
        if now < until && now > told && !inner.clock_moved {
            drop(inner);
            self.wrong(&format!(
                "{who} was to rest until {until} (told at {told}) and calls {path}"
            ));
        }
    }

    fn judge_tribe(&self, request: &Request, path: &str) {
        let is_hook = path.to_ascii_lowercase().contains("webhook");
        if request.method == Method::DELETE && !is_hook {
            self.wrong(&format!("DELETE {path} at Tribe"));
        }
        if is_hook || request.method == Method::GET {
            return;
        }
        self.inner().tribe_writes += 1;
        self.story.count("write tribe");
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        self.note_overwritten(path, &body);
        if request.method != Method::PUT {
            self.wrong(&format!("{} {path} at Tribe", request.method));
        }
        for name in body.as_object().into_iter().flat_map(serde_json::Map::keys) {
            if !TRIBE_FIELDS.contains(&name.as_str()) {
                self.wrong(&format!("a write of {name} to Tribe"));
            }
        }
    }

    async fn judge_graph(&self, item: &Item, who: &str) {
        let contact = item.path.contains("/contacts");
        if item.method == "DELETE" && !item.path.contains("/subscriptions") {
            self.wrong(&format!("DELETE {} at Graph", item.path));
        }
        if !contact || item.method == "GET" {
            return;
        }
        self.inner().graph_writes += 1;
        self.story.count(&format!("write graph {}", item.method));
        match item.method.as_str() {
            "POST" => {
                self.inner().creates += 1;
                self.judge_create(&item.body).await;
            }
            "PATCH" => {
                self.note_overwritten_card(item);
                for name in item
                    .body
                    .as_object()
                    .into_iter()
                    .flat_map(serde_json::Map::keys)
                {
                    if !GRAPH_FIELDS.contains(&name.as_str()) && !name.starts_with('@') {
                        self.wrong(&format!("a write of {name} to Outlook"));
                    }
                }
            }
            other => self.wrong(&format!("{other} {} at Graph", item.path)),
        }
        self.judge_writer(who).await;
    }

    /// No write for a user who is disconnected.
    async fn judge_writer(&self, who: &str) {
        let employee = {
            let state = self.remotes.lock();
            state.user(who).map(|user| EmployeeId(user.employee_id))
        };
        let Some(employee) = employee else { return };
        let environment = EnvironmentId::from(tribelink::app::DEFAULT_ENVIRONMENT);
        let user = self
            .store
            .user_of(&environment, employee)
            .await
            .expect("the store");
        if self.inner().disconnected.contains(who) {
            self.wrong(&format!("a write for {who} after its disconnect"));
        }
        let disconnected =
            user.is_none_or(|user| matches!(user.state, UserState::Invited | UserState::Consented));
        if disconnected {
            self.wrong(&format!("a write for {who}, who is not live"));
        }
    }

    /// Every create is stamped, and its intent is stored.
    async fn judge_create(&self, body: &Value) {
        let stamp = body["singleValueExtendedProperties"][0]["value"]
            .as_str()
            .unwrap_or_default();
        let parts: Vec<&str> = stamp.split('|').collect();
        let [_, _, person, employee] = parts.as_slice() else {
            self.wrong("a create without stamp");
            return;
        };
        let (person, employee): (PersonId, EmployeeId) = match (person.parse(), employee.parse()) {
            (Ok(person), Ok(employee)) => (person, employee),
            _ => {
                self.wrong("a create with a stamp that names nobody");
                return;
            }
        };
        let environment = EnvironmentId::from(tribelink::app::DEFAULT_ENVIRONMENT);
        let user = self
            .store
            .user_of(&environment, employee)
            .await
            .expect("the store");
        let Some(user) = user else {
            self.wrong("a create for nobody");
            return;
        };
        let link = self.store.link(user.id, person).await.expect("the store");
        if link.is_none_or(|row| row.link.state != LinkState::Intent) {
            self.wrong(&format!("a create of {person} without intent"));
        }
    }
}

pub(super) fn items(request: &Request, path: &str) -> Vec<Item> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    if !path.ends_with("/$batch") {
        return vec![Item {
            method: request.method.to_string(),
            path: path.to_owned(),
            body,
        }];
    }
    let requests = body["requests"].as_array().cloned().unwrap_or_default();
    requests
        .into_iter()
        .map(|item| Item {
            method: item["method"].as_str().unwrap_or_default().to_owned(),
            path: item["url"]
                .as_str()
                .and_then(|url| url.split('?').next())
                .unwrap_or_default()
                .to_owned(),
            body: item["body"].clone(),
        })
        .collect()
}
