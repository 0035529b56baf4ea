//! The port over a transport.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::try_join_all;
use http::{HeaderMap, HeaderValue, Method, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tribelink_plan::{
    field::Field,
    ids::{EmployeeId, OrganizationId, PersonId, RelationshipId, SetName},
    person::{Person, Relationship},
};
use url::Url;
use uuid::Uuid;

use super::{
    ChangedRecord, Crm, Employee, EntityKind, Next, Page, Record, RegisteredWebhook, SweepRow,
    Written,
    names::{EMPLOYEE_SET, Names, ORGANIZATION_SET, PERSON_SET, PersonSet},
    query::{self, IDS, Query, Tree},
    sign_in::TokenSource,
    wire::{self, Missing},
};
use crate::{
    clock::Clock,
    remote::{
        Error, Observer, Origin, Remote, Request, Response, Transport,
        answer::{self, Act},
        gate::Gate,
    },
};

/// How a person is read with its relationships.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadMode {
    /// In one request, the relationships expanded below the person.
    #[default]
    Expand,
    /// The person, then each person-type set filtered by it.
    Sets,
}

/// What a client is set up with.
#[derive(Clone)]
pub struct Settings {
    /// The API's origin.
    pub api_url: Url,
    /// How people are read.
    pub read: ReadMode,
    /// The configured names.
    pub names: Names,
    /// Calls in flight, 5 by default (Tribe reference 3.7).
    pub in_flight: usize,
    /// A read's time limit; calls can be slow, 60 s by default (Tribe reference 3.7).
    pub read_timeout: Duration,
    /// A write's time limit, waiting for a place included. It must be under what is left of the
    /// writer's lease.
    pub write_timeout: Duration,
}

impl Settings {
    /// The defaults for an API under this origin.
    pub fn new(api_url: Url) -> Settings {
        Settings {
            api_url,
            read: ReadMode::default(),
            names: Names::default(),
            in_flight: 5,
            read_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(20),
        }
    }
}

/// Tribe's client for one environment.
#[derive(Clone)]
pub struct Client {
    settings: Arc<Settings>,
    transport: Arc<dyn Transport>,
    tokens: Arc<dyn TokenSource>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    gate: Gate,
}

/// One request, before it has a token.
struct Ask {
    act: Act,
    /// Its name in metrics and errors.
    endpoint: &'static str,
    method: Method,
    url: Url,
    accept: &'static str,
    body: Option<Value>,
}

impl Ask {
    fn get(endpoint: &'static str, url: Url) -> Ask {
        Ask {
            act: Act::Read,
            endpoint,
            method: Method::GET,
            url,
            accept: "application/json",
            body: None,
        }
    }

    fn write(endpoint: &'static str, method: Method, url: Url, body: Option<Value>) -> Ask {
        Ask {
            act: Act::Write,
            method,
            body,
            ..Ask::get(endpoint, url)
        }
    }

    fn missing(&self, missing: Missing) -> Error {
        self.act.unusable(format!("{}: {missing}", self.endpoint))
    }
}

impl Client {
    /// A client that takes its tokens from `tokens`.
    pub fn new(
        settings: Settings,
        transport: Arc<dyn Transport>,
        tokens: Arc<dyn TokenSource>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Client {
        Client {
            gate: Gate::new(settings.in_flight),
            settings: Arc::new(settings),
            transport,
            tokens,
            clock,
            observer,
        }
    }

    /// The same environment with somebody else's tokens; the cap on calls is shared.
    pub fn with_tokens(&self, tokens: Arc<dyn TokenSource>) -> Client {
        Client {
            tokens,
            ..self.clone()
        }
    }

    /// Changes how many calls may be in flight: this replica's share.
    pub fn set_in_flight(&self, calls: usize) {
        self.gate.resize(calls);
    }

    /// The employee whose token this client uses (Tribe reference 2.7).
    ///
    /// # Errors
    /// As every read; [`Error::NotFound`] where the token belongs to no employee.
    pub async fn current_employee(&self) -> Result<Employee, Error> {
        let query =
            Query::set("GetCurrentEmployee()").expand(&Tree::of_employee(&self.settings.names));
        let ask = Ask::get("current_employee", query.url(&self.settings.api_url));
        let answer = self.send(&ask).await?;
        let row = wire::single(&answer.body).map_err(|missing| ask.missing(missing))?;
        wire::employee(&row, &self.settings.names).map_err(|missing| ask.missing(missing))
    }

    fn url(&self, query: &Query) -> Url {
        query.url(&self.settings.api_url)
    }

    fn plain_url(&self, path: &[&str]) -> Url {
        let mut url = self.settings.api_url.clone();
        url.set_path("/");
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(path);
        }
        url
    }

    /// Sends it; on a 401 once more with a new token (Tribe reference 2.6).
    async fn send(&self, ask: &Ask) -> Result<Response, Error> {
        let token = self.tokens.token().await?;
        match self.send_once(ask, &token).await {
            Err(Error::Unauthorised) => {
                let token = self.tokens.renew(&token).await?;
                self.send_once(ask, &token).await
            }
            answer => answer,
        }
    }

    async fn send_once(&self, ask: &Ask, token: &SecretString) -> Result<Response, Error> {
        let limit = match ask.act {
            Act::Read => self.settings.read_timeout,
            Act::Write => self.settings.write_timeout,
        };
        let asked_ms = self.clock.now_ms();
        let place = self.gate.enter().await;
        let waited = u64::try_from(self.clock.now_ms() - asked_ms).unwrap_or_default();
        let timeout = limit.saturating_sub(Duration::from_millis(waited));
        if timeout.is_zero() {
            return Err(Error::Transient(format!("{}: no place", ask.endpoint)));
        }
        let sent = self
            .transport
            .send(Request {
                method: ask.method.clone(),
                url: ask.url.clone(),
                headers: headers(ask, token)?,
                body: ask
                    .body
                    .as_ref()
                    .map(|body| body.to_string().into())
                    .unwrap_or_default(),
                timeout,
            })
            .await;
        drop(place);
        let status = sent.as_ref().ok().map(|answer| answer.status.as_u16());
        self.observer.called(Remote::Tribe, ask.endpoint, status);
        let answer = sent.map_err(|error| answer::from_transport(ask.act, ask.endpoint, error))?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(answer::from_status(
            ask.act,
            ask.endpoint,
            answer.status,
            &answer.headers,
            &code(&answer.body),
            self.clock.now_ms(),
        ))
    }

    /// A list's rows. A set that does not exist is a matter of configuration, not of a record.
    async fn rows(&self, ask: &Ask) -> Result<Rows, Error> {
        let answer = match self.send(ask).await {
            Err(Error::NotFound) => {
                return Err(Error::Rejected {
                    status: 404,
                    code: "unknown_set".to_owned(),
                });
            }
            answer => answer?,
        };
        let (rows, link) = wire::list(&answer.body).map_err(|missing| ask.missing(missing))?;
        let count = wire::count(&answer.body);
        Ok(Rows { rows, link, count })
    }

    /// One page of a listing.
    ///
    /// A page's link is followed where there is one; how many rows came so far rides in its
    /// fragment, which is never sent: after the last link the listing still ends only on an empty
    /// page.
    async fn page(
        &self,
        endpoint: &'static str,
        query: &Query,
        next: Option<Next>,
    ) -> Result<Page<Value>, Error> {
        let (url, before) = match next {
            None => (self.url(&query.clone().page(0)), 0),
            Some(Next::Skip(skip)) => (self.url(&query.clone().page(skip)), skip),
            Some(Next::Link(link)) => {
                let mut url = self.own_link(&link)?;
                let before = url.fragment().and_then(|text| text.parse().ok());
                url.set_fragment(None);
                (url, before.unwrap_or_default())
            }
        };
        let page = self.rows(&Ask::get(endpoint, url)).await?;
        let after = before + page.rows.len();
        let next = match page.link {
            Some(link) => {
                let mut url = self.own_link(&link)?;
                url.set_fragment(Some(&after.to_string()));
                Some(Next::Link(url.into()))
            }
            None if page.rows.is_empty() => None,
            None => Some(Next::Skip(after)),
        };
        Ok(Page {
            items: page.rows,
            next,
        })
    }

    /// A link of the API's own origin; it may be relative.
    fn own_link(&self, link: &str) -> Result<Url, Error> {
        let api = &self.settings.api_url;
        let base = Query::set("").url(api);
        let url = base.join(link).map_err(|_| Error::ForeignOrigin)?;
        match Origin::of(api) {
            Some(origin) if origin.covers(&url) => Ok(url),
            _ => Err(Error::ForeignOrigin),
        }
    }

    /// Every row, to the last page. The count, where the server tells it, saves the empty page.
    async fn all(&self, endpoint: &'static str, query: Query) -> Result<Vec<Value>, Error> {
        let query = query.with("$count", "true");
        let mut all = Vec::new();
        loop {
            let url = self.url(&query.clone().page(all.len()));
            let page = self.rows(&Ask::get(endpoint, url)).await?;
            let empty = page.rows.is_empty();
            all.extend(page.rows);
            if empty || page.count.is_some_and(|count| all.len() >= count) {
                return Ok(all);
            }
        }
    }

    fn relationship_tree(&self, person: bool) -> Tree {
        Tree::of_relationship(&self.settings.names, person)
    }

    fn person_set(&self, set: &SetName) -> Result<&PersonSet, Error> {
        self.settings.names.set(set).ok_or_else(|| Error::Rejected {
            status: 0,
            code: "unknown_set".to_owned(),
        })
    }

    /// Up to [`IDS`] people; those whose answer cannot be used are left out.
    async fn some_people(&self, ids: &[PersonId]) -> Result<Vec<Person>, Error> {
        let names = &self.settings.names;
        let query = Query::set(PERSON_SET).with("$filter", query::any_of("ID", query::uuids(ids)));
        let people = match self.settings.read {
            ReadMode::Expand => {
                let query = query.expand(&self.relationship_tree(false).below_person());
                let rows = self.all("people", query).await?;
                rows.iter()
                    .filter_map(|row| wire::person(row, names).ok())
                    .collect()
            }
            ReadMode::Sets => {
                let rows = self.all("people", query).await?;
                let mut relationships = self.relationships_of(ids).await?;
                rows.iter()
                    .filter_map(|row| {
                        let id = PersonId(wire::id(row).ok()?);
                        let known = relationships.remove(&id).unwrap_or(Some(Vec::new()));
                        wire::bare_person(row, names, known?).ok()
                    })
                    .collect()
            }
        };
        Ok(people)
    }

    /// Each person's relationships over every set; `None` for a person with one that is unreadable.
    async fn relationships_of(
        &self,
        ids: &[PersonId],
    ) -> Result<BTreeMap<PersonId, Option<Vec<Relationship>>>, Error> {
        let names = &self.settings.names;
        let filter = query::any_of("Person/ID", query::uuids(ids));
        let tree = self.relationship_tree(true);
        let sets = try_join_all(names.person_sets.iter().map(|set| {
            let query = Query::set(set.set.as_str())
                .with("$filter", filter.clone())
                .expand(&tree);
            async move { Ok::<_, Error>((set, self.all("relationships", query).await?)) }
        }));
        let mut found = BTreeMap::new();
        for (set, rows) in sets.await? {
            for row in rows {
                let Some(person) = wire::linked(&row, "Person") else {
                    // Whose it is cannot be told, so nobody of this read is complete.
                    return Err(Error::Unusable("relationships: Person".to_owned()));
                };
                let of = found
                    .entry(PersonId(person))
                    .or_insert_with(|| Some(Vec::new()));
                match (wire::relationship(&row, names, set), of.as_mut()) {
                    (Ok(relationship), Some(of)) => of.push(relationship),
                    (Ok(_), None) => {}
                    (Err(_), _) => *of = None,
                }
            }
        }
        Ok(found)
    }

    /// A single record; `None` where it does not exist.
    async fn single(&self, endpoint: &'static str, query: &Query) -> Result<Option<Value>, Error> {
        let ask = Ask::get(endpoint, self.url(query));
        match self.send(&ask).await {
            Ok(answer) => wire::single(&answer.body)
                .map(Some)
                .map_err(|missing| ask.missing(missing)),
            Err(Error::NotFound | Error::Gone) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

struct Rows {
    rows: Vec<Value>,
    link: Option<String>,
    count: Option<usize>,
}

fn unusable(endpoint: &'static str) -> impl Fn(Missing) -> Error {
    move |missing| Error::Unusable(format!("{endpoint}: {missing}"))
}

fn headers(ask: &Ask, token: &SecretString) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
        .map_err(|_| Error::Unauthorised)?;
    bearer.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, bearer);
    headers.insert(header::ACCEPT, HeaderValue::from_static(ask.accept));
    if ask.body.is_some() {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
    }
    Ok(headers)
}

/// The code of an error body; its message may repeat values and stays out.
fn code(body: &[u8]) -> String {
    serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|body| {
            Some(answer::clean_code(
                body.get("error")?.get("code")?.as_str()?,
            ))
        })
        .unwrap_or_default()
}

#[async_trait]
impl Crm for Client {
    async fn people(&self, ids: &[PersonId]) -> Result<Vec<Person>, Error> {
        let read = try_join_all(ids.chunks(IDS).map(|ids| self.some_people(ids)));
        Ok(read.await?.into_iter().flatten().collect())
    }

    async fn person(&self, id: PersonId) -> Result<Option<Person>, Error> {
        let names = &self.settings.names;
        let query = Query::record(PERSON_SET, id.0);
        let query = match self.settings.read {
            ReadMode::Expand => query.expand(&self.relationship_tree(false).below_person()),
            ReadMode::Sets => query,
        };
        let Some(row) = self.single("person", &query).await? else {
            return Ok(None);
        };
        let read = match self.settings.read {
            ReadMode::Expand => wire::person(&row, names),
            ReadMode::Sets => {
                let mut found = self.relationships_of(&[id]).await?;
                match found.remove(&id).unwrap_or(Some(Vec::new())) {
                    Some(relationships) => wire::bare_person(&row, names, relationships),
                    None => Err(Missing("relationships")),
                }
            }
        };
        read.map(Some).map_err(unusable("person"))
    }

    async fn people_of_relationships(
        &self,
        set: &SetName,
        ids: &[RelationshipId],
    ) -> Result<Vec<Person>, Error> {
        let set = self.person_set(set)?.set.as_str();
        let asked = ids.chunks(IDS).map(|ids| {
            let filter = query::any_of("ID", ids.iter().map(|id| id.0));
            let query = Query::set(set)
                .with("$select", "ID")
                .with("$filter", filter)
                .expand(&Tree::of_person_id());
            self.all("relationships", query)
        });
        let mut people: Vec<_> = try_join_all(asked)
            .await?
            .iter()
            .flatten()
            .filter_map(|row| wire::linked(row, "Person").map(PersonId))
            .collect();
        people.sort_unstable();
        people.dedup();
        self.people(&people).await
    }

    async fn entity(&self, id: Uuid) -> Result<Option<EntityKind>, Error> {
        let Some(row) = self.single("entity", &Query::record("Entity", id)).await? else {
            return Ok(None);
        };
        match row.get("_Type").and_then(Value::as_str) {
            Some(entity_type) => Ok(Some(self.kind_of(entity_type))),
            None => Err(unusable("entity")(Missing("_Type"))),
        }
    }

    fn kind_of(&self, entity_type: &str) -> EntityKind {
        wire::kind_of(entity_type, &self.settings.names)
    }

    fn sets(&self) -> Vec<SetName> {
        let people = self.settings.names.person_sets.iter();
        [PERSON_SET, ORGANIZATION_SET]
            .into_iter()
            .map(SetName::from)
            .chain(people.map(|set| set.set.clone()))
            .collect()
    }

    async fn changed(
        &self,
        set: &SetName,
        since: Timestamp,
        next: Option<Next>,
    ) -> Result<Page<ChangedRecord>, Error> {
        let mut query = Query::set(set.as_str())
            .with("$select", "ID")
            .with("$filter", query::since(since));
        let own_id = matches!(set.as_str(), PERSON_SET | ORGANIZATION_SET);
        if !own_id {
            self.person_set(set)?;
            query = query.expand(&Tree::of_person_id());
        }
        let page = self.page("changed", &query, next).await?;
        let record = |row: &Value| -> Result<ChangedRecord, Missing> {
            Ok(match set.as_str() {
                PERSON_SET => ChangedRecord {
                    person: Some(PersonId(wire::id(row)?)),
                    organization: None,
                },
                ORGANIZATION_SET => ChangedRecord {
                    person: None,
                    organization: Some(OrganizationId(wire::id(row)?)),
                },
                _ => ChangedRecord {
                    person: wire::linked(row, "Person").map(PersonId),
                    organization: None,
                },
            })
        };
        let items: Result<_, _> = page.items.iter().map(record).collect();
        Ok(Page {
            items: items.map_err(unusable("changed"))?,
            next: page.next,
        })
    }

    async fn sweep(&self, set: &SetName, next: Option<Next>) -> Result<Page<SweepRow>, Error> {
        let set = self.person_set(set)?;
        let names = &self.settings.names;
        let tree = self.relationship_tree(true);
        let query = Query::set(set.set.as_str())
            .with("$select", tree.select())
            .expand(&tree);
        let page = self.page("sweep", &query, next).await?;
        // A row that cannot be used is left out: absence is confirmed by a read of the id.
        let items = page
            .items
            .iter()
            .filter_map(|row| wire::sweep_row(row, names, set).ok())
            .collect();
        Ok(Page {
            items,
            next: page.next,
        })
    }

    async fn people_of_organization(&self, id: OrganizationId) -> Result<Vec<PersonId>, Error> {
        let business = self.settings.names.person_sets.iter();
        let asked = business.filter(|set| set.kind.is_business()).map(|set| {
            let query = Query::set(set.set.as_str())
                .with("$select", "ID")
                .with("$filter", query::any_of("Relation/ID", [id.0]))
                .expand(&Tree::of_person_id());
            self.all("people_of_organization", query)
        });
        let mut people: Vec<_> = try_join_all(asked)
            .await?
            .iter()
            .flatten()
            .filter_map(|row| wire::linked(row, "Person").map(PersonId))
            .collect();
        people.sort_unstable();
        people.dedup();
        Ok(people)
    }

    async fn update(
        &self,
        record: &Record,
        fields: &BTreeMap<Field, Option<String>>,
    ) -> Result<Written, Error> {
        let names = &self.settings.names;
        let body = wire::update(record, names, fields).map_err(|field| Error::Rejected {
            status: 0,
            code: format!("{field}_stands_elsewhere"),
        })?;
        let query = match record {
            Record::Person(id) => Query::record(PERSON_SET, id.0),
            Record::Relationship(set, id) => Query::record(set.as_str(), id.0),
        };
        let ask = Ask::write("update", Method::PUT, self.url(&query), Some(body));
        let answer = self.send(&ask).await?;
        Ok(wire::written(record, names, &answer.body))
    }

    async fn employee(&self, id: EmployeeId) -> Result<Option<Employee>, Error> {
        let names = &self.settings.names;
        let query = Query::record(EMPLOYEE_SET, id.0).expand(&Tree::of_employee(names));
        let row = self.single("employee", &query).await?;
        row.map(|row| wire::employee(&row, names))
            .transpose()
            .map_err(unusable("employee"))
    }

    async fn employees_by_email(&self, email: &str) -> Result<Vec<Employee>, Error> {
        let wanted = email.trim().to_lowercase();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        // Whether `eq` minds case is unknown; `contains` does not (Tribe reference 3.3).
        let text = query::literal(&wanted);
        let filter =
            format!("contains(EmailAddress,{text}) or contains(Person/EmailAddress,{text})");
        let names = &self.settings.names;
        let query = Query::set(EMPLOYEE_SET)
            .with("$filter", filter)
            .expand(&Tree::of_employee(names));
        let rows = self.all("employees", query).await?;
        let read: Result<Vec<_>, _> = rows.iter().map(|row| wire::employee(row, names)).collect();
        let is = |address: &Option<String>| {
            address
                .as_ref()
                .is_some_and(|address| address.to_lowercase() == wanted)
        };
        let mut found = read.map_err(unusable("employees"))?;
        found.retain(|employee| is(&employee.email) || is(&employee.person_email));
        // The employee's own address tells more than the person's (Tribe reference 4.8).
        found.sort_by_key(|employee| !is(&employee.email));
        Ok(found)
    }

    async fn identity(&self) -> Result<OrganizationId, Error> {
        let query = Query::set("Relationship_Organization_Identity")
            .with("$select", "ID")
            .with("$expand", "Relation($select=ID)");
        let rows = self.rows(&Ask::get("identity", self.url(&query))).await?;
        wire::identity(&rows.rows).map_err(unusable("identity"))
    }

    async fn webhooks(&self) -> Result<Vec<RegisteredWebhook>, Error> {
        let ask = Ask::get("webhooks", self.plain_url(&["v1", "webhooks"]));
        let answer = self.send(&ask).await?;
        wire::webhooks(&answer.body).map_err(|missing| ask.missing(missing))
    }

    async fn register_webhook(
        &self,
        entity_type: &str,
        url: &str,
        header: (&str, &str),
    ) -> Result<RegisteredWebhook, Error> {
        let body = json!({
            "entityType": entity_type,
            "webhookUrl": url,
            "headers": [{"name": header.0, "value": header.1}],
        });
        let at = self.plain_url(&["v1", "webhooks"]);
        let ask = Ask::write("register_webhook", Method::POST, at, Some(body));
        let answer = self.send(&ask).await?;
        let registered = wire::single(&answer.body)
            .and_then(|row| wire::webhook(&row))
            .map_err(|missing| ask.missing(missing))?;
        Ok(RegisteredWebhook {
            entity_type: entity_type.to_owned(),
            url: url.to_owned(),
            ..registered
        })
    }

    async fn remove_webhook(&self, id: &str) -> Result<(), Error> {
        let at = self.plain_url(&["v1", "webhooks", id]);
        let ask = Ask::write("remove_webhook", Method::DELETE, at, None);
        match self.send(&ask).await {
            Ok(_) | Err(Error::NotFound | Error::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn metadata(&self) -> Result<String, Error> {
        let ask = Ask {
            accept: "application/xml",
            ..Ask::get("metadata", self.url(&Query::set("$metadata")))
        };
        let answer = self.send(&ask).await?;
        String::from_utf8(answer.body.to_vec()).map_err(|_| ask.missing(Missing("text")))
    }
}
