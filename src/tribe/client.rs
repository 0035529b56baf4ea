//! The client: settings, tokens, time limits and pages. `crm` is the port on top of it.

mod crm;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tribelink_plan::ids::SetName;
use url::Url;

use super::{
    Employee, Next, Page,
    names::{Names, PersonSet},
    query::{Query, Tree},
    sign_in::TokenSource,
    wire::{self, List, Missing},
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
    /// In front of it, for reads of many: they leave a place to whoever reads or writes a single record,
    /// whose edit would else wait for every first sync and sweep that came before.
    heavy: Gate,
    rest: Arc<Mutex<Rest>>,
}

/// The rest that Tribe asked for with `Retry-After`; it holds for everybody who calls the
/// environment: from this process at once, from another as soon as that reads the environment.
#[derive(Clone, Copy, Default)]
struct Rest {
    told_ms: i64,
    until_ms: i64,
}

impl Rest {
    /// What is left of it; a clock that was put back before it began ends it.
    fn left(self, now_ms: i64) -> Option<Duration> {
        let rests = self.told_ms <= now_ms && now_ms < self.until_ms;
        let left = u64::try_from(self.until_ms - now_ms).ok();
        left.filter(|_| rests).map(Duration::from_millis)
    }
}

/// How much a call asks of Tribe.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Load {
    /// A record, or a few.
    Light,
    /// Many, or a page of a whole set.
    Heavy,
}

impl Load {
    /// Of a read of so many ids.
    fn of(ids: usize) -> Load {
        if ids > FEW { Load::Heavy } else { Load::Light }
    }
}

/// As many ids as a read may have that takes no longer than one of a single record.
const FEW: usize = 10;

/// One request, before it has a token.
struct Ask {
    act: Act,
    load: Load,
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
            load: Load::Light,
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

    fn list(endpoint: &'static str, url: Url, load: Load) -> Ask {
        Ask {
            load,
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
            heavy: Gate::new(settings.in_flight.saturating_sub(1)),
            rest: Arc::default(),
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
        self.heavy.resize(calls.saturating_sub(1));
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

    /// Sends it; on a 401 once more with a new token (Tribe reference 2.6). The time limit covers
    /// all of it: the tokens, the waiting for a place, and both requests.
    async fn send(&self, ask: &Ask) -> Result<Response, Error> {
        let asked_ms = self.clock.now_ms();
        let token = self.tokens.token().await?;
        match self.send_once(ask, &token, asked_ms).await {
            Err(Error::Unauthorised) => {
                let token = self.tokens.renew(&token).await?;
                self.send_once(ask, &token, asked_ms).await
            }
            answer => answer,
        }
    }

    async fn send_once(
        &self,
        ask: &Ask,
        token: &SecretString,
        asked_ms: i64,
    ) -> Result<Response, Error> {
        let limit = match ask.act {
            Act::Read => self.settings.read_timeout,
            Act::Write => self.settings.write_timeout,
        };
        let heavy = match ask.load {
            Load::Heavy => Some(self.heavy.enter().await),
            Load::Light => None,
        };
        let place = (self.gate.enter().await, heavy);
        let waited = u64::try_from(self.clock.now_ms() - asked_ms).unwrap_or_default();
        let rest = *self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = rest.left(self.clock.now_ms()) {
            return Err(Error::Throttled { after: Some(left) });
        }
        let timeout = limit.saturating_sub(Duration::from_millis(waited));
        if timeout.is_zero() {
            return Err(Error::Transient(format!("{}: no time left", ask.endpoint)));
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
        let error = answer::from_status(
            ask.act,
            ask.endpoint,
            answer.status,
            &answer.headers,
            &code(&answer.body),
            self.clock.now_ms(),
        );
        if let Error::Throttled { after: Some(after) } = &error {
            self.rest_for(*after);
        }
        Err(error)
    }

    fn rest_for(&self, after: Duration) {
        let after_ms = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        self.rest_until(self.clock.now_ms().saturating_add(after_ms));
    }

    /// No call before then, whoever was told so.
    pub fn rest_until(&self, until_ms: i64) {
        let told_ms = self.clock.now_ms();
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if until_ms > told_ms {
            let until_ms = rest.until_ms.max(until_ms);
            *rest = Rest { told_ms, until_ms };
        }
    }

    /// Until when no call is made; 0: no rest was asked for yet.
    pub fn rests_until_ms(&self) -> i64 {
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        rest.until_ms
    }

    /// A list's rows. A set that does not exist is a matter of configuration, not of a record.
    async fn rows(&self, ask: &Ask) -> Result<List, Error> {
        let answer = match self.send(ask).await {
            Err(Error::NotFound) => {
                return Err(Error::Rejected {
                    status: 404,
                    code: "unknown_set".to_owned(),
                });
            }
            answer => answer?,
        };
        wire::list(&answer.body).map_err(|missing| ask.missing(missing))
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
        let page = self.rows(&Ask::list(endpoint, url, Load::Heavy)).await?;
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
    async fn all(
        &self,
        endpoint: &'static str,
        query: Query,
        load: Load,
    ) -> Result<Vec<Value>, Error> {
        let query = query.with("$count", "true");
        let mut all = Vec::new();
        loop {
            let url = self.url(&query.clone().page(all.len()));
            let page = self.rows(&Ask::list(endpoint, url, load)).await?;
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
