//! The client: requests, batches and what their failures mean. `outlook` is the port on top.

mod outlook;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tribelink_plan::ids::Etag;
use url::Url;

use super::{
    Call,
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

    /// The call with what is left of its time limit: several requests share one.
    fn rest<'a>(&self, call: &Call<'a>, started_ms: i64) -> Result<Call<'a>, Error> {
        let gone = u64::try_from(self.clock.now_ms() - started_ms).unwrap_or_default();
        let timeout = call.timeout.saturating_sub(Duration::from_millis(gone));
        if timeout.is_zero() {
            return Err(Error::Transient("batch: no time left".to_owned()));
        }
        Ok(Call { timeout, ..*call })
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
        let started_ms = self.clock.now_ms();
        let mut outcomes = Vec::with_capacity(asks.len());
        for chunk in asks.chunks(batch::MAX) {
            let answers = match self.rest(call, started_ms) {
                Ok(call) => self.batch(&call, chunk).await,
                Err(error) => Err(error),
            };
            match answers {
                Ok(answers) => {
                    outcomes.extend(answers);
                    // Who is asked to rest sends no further batch.
                    if let Some(rest) = Error::longest_rest(&outcomes) {
                        outcomes.resize_with(asks.len(), || Err(rest.clone()));
                        break;
                    }
                }
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
}

/// What the failure of a whole batch means for one of its requests.
fn shared(ask: &Ask, error: &Error) -> Error {
    match (ask.act, error) {
        (Act::Read, Error::OutcomeUnknown(why)) => Error::Transient(why.clone()),
        (Act::Write, Error::Unusable(why)) => Error::OutcomeUnknown(why.clone()),
        _ => error.clone(),
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
