//! The port over a transport.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tribelink_plan::ids::{ContactId, Etag, FolderId};
use url::Url;

use super::{
    Call, ContactPage, DeltaPage, Done, Folder, Me, NewSubscription, Op, Outlook, SubscriptionInfo,
    batch::{self, Answer, Item},
    query,
    wire::{self, Missing},
};
use crate::{
    clock::Clock,
    remote::{
        Error, Observer, Origin, Remote, Request, Transport,
        answer::{self, Act},
    },
};

/// Rows of a delta page: small pages keep a mailbox worker's lease short, and a page that dies
/// with its cursor costs little.
const DELTA_PAGE: usize = 200;

/// More folders than this are not walked: a mailbox with so many is not kept by a person.
const MAX_FOLDERS: usize = 1000;

/// Graph's client.
#[derive(Clone)]
pub struct Client {
    graph_url: Url,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
}

/// A request with what its failure means.
struct Ask {
    act: Act,
    /// Its name in metrics and errors.
    endpoint: &'static str,
    item: Item,
}

impl Ask {
    fn new(act: Act, endpoint: &'static str, method: Method, path: impl Into<String>) -> Ask {
        Ask {
            act,
            endpoint,
            item: Item {
                method,
                path: path.into(),
                headers: BTreeMap::from([("Prefer", query::IMMUTABLE.to_owned())]),
                body: None,
            },
        }
    }

    fn get(endpoint: &'static str, path: impl Into<String>) -> Ask {
        Ask::new(Act::Read, endpoint, Method::GET, path)
    }

    fn write(endpoint: &'static str, method: Method, path: impl Into<String>, body: Value) -> Ask {
        let mut ask = Ask::new(Act::Write, endpoint, method, path);
        ask.item
            .headers
            .insert("Content-Type", "application/json".to_owned());
        ask.item.body = Some(body);
        ask
    }

    fn if_match(mut self, etag: Option<&Etag>) -> Ask {
        if let Some(etag) = etag {
            self.item
                .headers
                .insert("If-Match", etag.as_str().to_owned());
        }
        self
    }

    fn missing(&self, missing: Missing) -> Error {
        self.act.unusable(format!("{}: {missing}", self.endpoint))
    }

    /// What an answer outside 2xx means (Graph reference 2.8).
    fn failure(&self, status: StatusCode, headers: &HeaderMap, body: &Value, now_ms: i64) -> Error {
        let code = wire::error_code(body);
        match (status.as_u16(), code.to_ascii_lowercase().as_str()) {
            (400..=499, "syncstatenotfound" | "resyncrequired") => Error::Gone,
            (_, "errorirresolvableconflict" | "concurrentitemsave") => Error::Changed,
            (_, "applicationthrottled" | "toomanyrequests" | "activitylimitreached") => {
                Error::Throttled {
                    after: answer::retry_after(headers, now_ms),
                }
            }
            (404, "mailboxnotenabledforrestapi") => Error::Forbidden(code),
            // An item of a batch whose forerunner failed was not run.
            (424, _) => Error::Transient(format!("{}: 424", self.endpoint)),
            _ => answer::from_status(self.act, self.endpoint, status, headers, &code, now_ms),
        }
    }
}

impl Client {
    /// A client of Graph under this origin.
    pub fn new(
        graph_url: Url,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Client {
        Client {
            graph_url,
            transport,
            clock,
            observer,
        }
    }

    fn url(&self, ask: &Ask) -> Url {
        query::absolute(&self.graph_url, &ask.item.path)
    }

    /// A link of Graph's own origin; the token goes nowhere else (Graph reference 3).
    fn own_link(&self, link: &str) -> Result<Url, Error> {
        let url = Url::parse(link).map_err(|_| Error::ForeignOrigin)?;
        match Origin::of(&self.graph_url) {
            Some(origin) if origin.covers(&url) => Ok(url),
            _ => Err(Error::ForeignOrigin),
        }
    }

    /// Sends one request and takes its answer apart.
    async fn send(&self, call: &Call<'_>, ask: &Ask, url: Url) -> Result<Value, Error> {
        let body = ask.item.body.as_ref().map(ToString::to_string);
        let sent = self
            .transport
            .send(Request {
                method: ask.item.method.clone(),
                url,
                headers: headers(call, ask)?,
                body: body.unwrap_or_default().into(),
                timeout: call.timeout,
            })
            .await;
        let status = sent.as_ref().ok().map(|answer| answer.status.as_u16());
        self.observer.called(Remote::Graph, ask.endpoint, status);
        let answer = sent.map_err(|error| answer::from_transport(ask.act, ask.endpoint, error))?;
        let body = if answer.body.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(&answer.body).map_err(|_| Missing("JSON"))
        };
        if answer.status.is_success() {
            body.map_err(|missing| ask.missing(missing))
        } else {
            let body = body.unwrap_or_default();
            Err(ask.failure(answer.status, &answer.headers, &body, self.clock.now_ms()))
        }
    }

    async fn plain(&self, call: &Call<'_>, ask: &Ask) -> Result<Value, Error> {
        self.send(call, ask, self.url(ask)).await
    }

    /// A page of a list: its first, or the one behind a link.
    async fn page(&self, call: &Call<'_>, ask: &Ask, link: Option<&str>) -> Result<Value, Error> {
        let url = match link {
            Some(link) => self.own_link(link)?,
            None => self.url(ask),
        };
        self.send(call, ask, url).await
    }

    /// One batch; every request gets its own outcome, unless the batch as a whole has none.
    async fn batch(
        &self,
        call: &Call<'_>,
        asks: &[Ask],
    ) -> Result<Vec<Result<Value, Error>>, Error> {
        let act = if asks.iter().any(|ask| ask.act == Act::Write) {
            Act::Write
        } else {
            Act::Read
        };
        let body = batch::body(asks.iter().map(|ask| &ask.item));
        let outer = Ask {
            act,
            ..Ask::write("batch", Method::POST, "/$batch", body)
        };
        let answer = self.plain(call, &outer).await?;
        let answers =
            batch::answers(&answer, asks.len()).map_err(|missing| outer.missing(missing))?;
        let now_ms = self.clock.now_ms();
        Ok(asks
            .iter()
            .zip(answers)
            .map(|(ask, answer)| self.item(ask, answer, now_ms))
            .collect())
    }

    fn item(&self, ask: &Ask, answer: Option<Answer>, now_ms: i64) -> Result<Value, Error> {
        let status = answer.as_ref().map(|answer| answer.status.as_u16());
        self.observer.called(Remote::Graph, ask.endpoint, status);
        let answer = answer.ok_or_else(|| ask.missing(Missing("answer")))?;
        if answer.status.is_success() {
            Ok(answer.body)
        } else {
            Err(ask.failure(answer.status, &answer.headers, &answer.body, now_ms))
        }
    }

    /// Runs requests: one plainly, more in batches, one after the other (Graph reference 6). The
    /// outer error: no request has an outcome of its own.
    async fn all(&self, call: &Call<'_>, asks: &[Ask]) -> Result<Vec<Result<Value, Error>>, Error> {
        if let [ask] = asks {
            let answer = self.plain(call, ask).await;
            return match answer {
                // As for a batch: these say nothing about the one contact.
                Err(error @ (Error::Unauthorised | Error::Throttled { .. })) => Err(error),
                answer => Ok(vec![answer]),
            };
        }
        let mut outcomes = Vec::with_capacity(asks.len());
        for chunk in asks.chunks(batch::MAX) {
            match self.batch(call, chunk).await {
                Ok(answers) => outcomes.extend(answers),
                Err(error) if outcomes.is_empty() => return Err(error),
                Err(error) => {
                    // The requests of this batch share its failure; those after it were not sent.
                    let failed = chunk.iter().map(|ask| Err(shared(ask, &error)));
                    outcomes.extend(failed);
                    let unsent = || Err(Error::Transient("batch: not sent".to_owned()));
                    outcomes.resize_with(asks.len(), unsent);
                    break;
                }
            }
        }
        Ok(outcomes)
    }

    /// The default folder, by name, else by one of its contacts (Graph reference 2.5).
    async fn default_folder(&self, call: &Call<'_>) -> Result<FolderId, Error> {
        let by_name = Ask::get("folders", query::DEFAULT_FOLDER);
        match self.plain(call, &by_name).await {
            Ok(row) => wire::folder(&row).map_err(|missing| by_name.missing(missing)),
            Err(Error::NotFound | Error::Rejected { .. }) => {
                let by_contact = Ask::get("folders", query::ONE_CONTACT);
                let page = self.plain(call, &by_contact).await?;
                let (rows, _) = wire::list(&page).map_err(|missing| by_contact.missing(missing))?;
                rows.iter()
                    .find_map(wire::folder_of)
                    .ok_or_else(|| by_contact.missing(Missing("default folder")))
            }
            Err(error) => Err(error),
        }
    }

    /// The folders of a list that may go on.
    async fn folder_rows(
        &self,
        call: &Call<'_>,
        ask: &Ask,
        first: Value,
    ) -> Result<Vec<FolderId>, Error> {
        let mut ids = Vec::new();
        let mut page = first;
        loop {
            let (rows, next) = wire::list(&page).map_err(|missing| ask.missing(missing))?;
            for row in rows {
                ids.push(wire::folder(row).map_err(|missing| ask.missing(missing))?);
            }
            let Some(next) = next.map(str::to_owned) else {
                return Ok(ids);
            };
            if ids.len() > MAX_FOLDERS {
                return Err(too_many_folders());
            }
            page = self.page(call, ask, Some(&next)).await?;
        }
    }

    /// The requests that an operation needs.
    fn asks(&self, op: &Op, folders: &[Folder]) -> Result<Vec<Ask>, Error> {
        let patch = |endpoint, id: &ContactId, if_match: &Option<Etag>, body| {
            Ask::write(endpoint, Method::PATCH, query::contact(id), body)
                .if_match(if_match.as_ref())
        };
        let ask = match op {
            Op::Read(id) => Ask::get("read", query::read(id)),
            Op::FindByAddress(address) => Ask::get("find_by_address", query::by_address(address)),
            Op::FindByStamp(stamp) => {
                let ask = |folder: &Folder| {
                    let path = query::by_stamp(&contacts(folder), stamp);
                    Ask::get("find_by_stamp", path)
                };
                return Ok(folders.iter().map(ask).collect());
            }
            Op::Create(new) => {
                let body = wire::create(new).map_err(bad_date)?;
                Ask::write("create", Method::POST, query::CONTACTS, body)
            }
            Op::Patch {
                id,
                if_match,
                patch: change,
            } => {
                let body = wire::patch(change).map_err(bad_date)?;
                patch("patch", id, if_match, body.into())
            }
            Op::StampIt {
                id,
                if_match,
                display_name,
                stamp,
            } => {
                let body = wire::stamp_it(display_name.as_deref(), stamp);
                patch("stamp", id, if_match, body)
            }
        };
        Ok(vec![ask])
    }

    /// The outcome of an operation from those of its requests.
    fn done(
        op: &Op,
        asks: &[Ask],
        outcomes: impl Iterator<Item = Result<Value, Error>>,
    ) -> Result<Done, Error> {
        let mut found = Vec::new();
        for (ask, outcome) in asks.iter().zip(outcomes) {
            let missing = |missing| ask.missing(missing);
            match op {
                Op::FindByStamp(_) | Op::FindByAddress(_) => {
                    let page = match outcome {
                        // The folder went meanwhile, and its contacts with it.
                        Err(Error::NotFound) => continue,
                        page => page?,
                    };
                    let (rows, _) = wire::list(&page).map_err(missing)?;
                    for row in rows {
                        let contact = wire::contact(row, true).map_err(missing)?;
                        if found
                            .iter()
                            .all(|known: &tribelink_plan::contact::Contact| known.id != contact.id)
                        {
                            found.push(contact);
                        }
                    }
                }
                Op::Read(_) | Op::Create(_) | Op::Patch { .. } | Op::StampIt { .. } => {
                    let stamped = matches!(op, Op::Read(_));
                    let contact = wire::contact(&outcome?, stamped).map_err(missing)?;
                    return Ok(Done::Contact(Box::new(contact)));
                }
            }
        }
        Ok(Done::Found(found))
    }
}

/// What the failure of a whole batch means for one of its requests.
fn shared(ask: &Ask, error: &Error) -> Error {
    match (ask.act, error) {
        (Act::Read, Error::OutcomeUnknown(why)) => Error::Transient(why.clone()),
        (Act::Write, Error::Unusable(why)) => Error::OutcomeUnknown(why.clone()),
        _ => error.clone(),
    }
}

/// The failure of the reads that go before a batch: none of its writes was sent.
fn nothing_sent(error: Error) -> Error {
    match error {
        Error::Unauthorised | Error::Throttled { .. } | Error::Forbidden(_) => error,
        other => Error::Transient(format!("before the batch: {other}")),
    }
}

fn bad_date(_: wire::BadDate) -> Error {
    Error::Rejected {
        status: 0,
        code: "birthday".to_owned(),
    }
}

fn too_many_folders() -> Error {
    Error::Rejected {
        status: 0,
        code: "too_many_folders".to_owned(),
    }
}

fn contacts(folder: &Folder) -> String {
    if folder.is_default {
        query::CONTACTS.to_owned()
    } else {
        query::contacts_of(&folder.id)
    }
}

fn headers(call: &Call<'_>, ask: &Ask) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", call.token.expose_secret()))
        .map_err(|_| Error::Unauthorised)?;
    bearer.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, bearer);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in &ask.item.headers {
        let refused = |_| Error::Rejected {
            status: 0,
            code: "header".to_owned(),
        };
        let value = HeaderValue::try_from(value).map_err(refused)?;
        if let Ok(name) = name.parse::<HeaderName>() {
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

#[async_trait]
impl Outlook for Client {
    async fn run(&self, call: &Call<'_>, ops: &[Op]) -> Result<Vec<Result<Done, Error>>, Error> {
        // A mailbox's list of contacts is its default folder's alone, so a stamp is looked for in
        // every folder by name (Graph reference 2.5, 7).
        let folders = if ops.iter().any(|op| matches!(op, Op::FindByStamp(_))) {
            self.folders(call).await.map_err(nothing_sent)?
        } else {
            Vec::new()
        };
        let mut asks = Vec::new();
        let mut shares = Vec::new();
        for op in ops {
            shares.push(self.asks(op, &folders).map(|mut own| {
                let from = asks.len();
                asks.append(&mut own);
                from..asks.len()
            }));
        }
        let outcomes = if asks.is_empty() {
            Vec::new()
        } else {
            self.all(call, &asks).await?
        };
        let mut outcomes = outcomes.into_iter();
        Ok(ops
            .iter()
            .zip(shares)
            .map(|(op, share)| {
                let share = share?;
                let own = outcomes.by_ref().take(share.len()).collect::<Vec<_>>();
                Client::done(op, asks.get(share).unwrap_or_default(), own.into_iter())
            })
            .collect())
    }

    async fn list(
        &self,
        call: &Call<'_>,
        folder: &Folder,
        next: Option<&str>,
    ) -> Result<ContactPage, Error> {
        let ask = Ask::get("list", query::list(&contacts(folder)));
        let page = self.page(call, &ask, next).await?;
        let (rows, next) = wire::list(&page).map_err(|missing| ask.missing(missing))?;
        let items: Result<_, _> = rows.iter().map(|row| wire::contact(row, true)).collect();
        Ok(ContactPage {
            items: items.map_err(|missing| ask.missing(missing))?,
            next: next.map(str::to_owned),
        })
    }

    async fn folders(&self, call: &Call<'_>) -> Result<Vec<Folder>, Error> {
        let default = self.default_folder(call).await?;
        let mut seen = BTreeSet::from([default.clone()]);
        let mut folders = vec![Folder {
            id: default.clone(),
            is_default: true,
        }];
        let mut asks = vec![
            Ask::get("folders", query::FOLDERS),
            Ask::get("folders", query::child_folders(&default)),
        ];
        while !asks.is_empty() {
            let mut below = Vec::new();
            let pages = self.all(call, &asks).await?;
            for (ask, page) in asks.iter().zip(pages) {
                let page = match page {
                    // It went while we walked.
                    Err(Error::NotFound) => continue,
                    page => page?,
                };
                for id in self.folder_rows(call, ask, page).await? {
                    if seen.insert(id.clone()) {
                        below.push(Ask::get("folders", query::child_folders(&id)));
                        folders.push(Folder {
                            id,
                            is_default: false,
                        });
                    }
                }
                if folders.len() > MAX_FOLDERS {
                    return Err(too_many_folders());
                }
            }
            asks = below;
        }
        Ok(folders)
    }

    async fn delta(
        &self,
        call: &Call<'_>,
        folder: &Folder,
        link: Option<&str>,
    ) -> Result<DeltaPage, Error> {
        let mut ask = Ask::get("delta", query::delta(&folder.id));
        let prefer = format!("{}, odata.maxpagesize={DELTA_PAGE}", query::IMMUTABLE);
        ask.item.headers.insert("Prefer", prefer);
        let page = self.page(call, &ask, link).await?;
        wire::delta(&page).map_err(|missing| ask.missing(missing))
    }

    async fn subscribe(
        &self,
        call: &Call<'_>,
        subscription: &NewSubscription,
    ) -> Result<SubscriptionInfo, Error> {
        let body = wire::subscribe(subscription);
        let ask = Ask::write("subscribe", Method::POST, "/subscriptions", body);
        let row = self.plain(call, &ask).await?;
        wire::subscription(&row).map_err(|missing| ask.missing(missing))
    }

    async fn renew(
        &self,
        call: &Call<'_>,
        id: &str,
        expires: Timestamp,
    ) -> Result<SubscriptionInfo, Error> {
        let body = wire::renew(expires);
        let ask = Ask::write("renew", Method::PATCH, query::subscription(id), body);
        let row = self.plain(call, &ask).await?;
        wire::subscription(&row).map_err(|missing| ask.missing(missing))
    }

    async fn subscriptions(&self, call: &Call<'_>) -> Result<Vec<SubscriptionInfo>, Error> {
        let ask = Ask::get("subscriptions", "/subscriptions");
        let mut all = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let page = self.page(call, &ask, next.as_deref()).await?;
            let (rows, link) = wire::list(&page).map_err(|missing| ask.missing(missing))?;
            for row in rows {
                all.push(wire::subscription(row).map_err(|missing| ask.missing(missing))?);
            }
            next = link.map(str::to_owned);
            if next.is_none() {
                return Ok(all);
            }
        }
    }

    async fn unsubscribe(&self, call: &Call<'_>, id: &str) -> Result<(), Error> {
        let path = query::subscription(id);
        let ask = Ask::new(Act::Write, "unsubscribe", Method::DELETE, path);
        match self.plain(call, &ask).await {
            Ok(_) | Err(Error::NotFound | Error::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn me(&self, call: &Call<'_>) -> Result<Me, Error> {
        let ask = Ask::get("me", query::ME);
        let row = self.plain(call, &ask).await?;
        wire::me(&row).map_err(|missing| ask.missing(missing))
    }
}
