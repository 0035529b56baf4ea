//! The HTTP form of the transport.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use url::Url;

use super::fence::Fence;
use super::transport::{Request, Response, Transport, TransportError};

/// The longest time a connection may take to come about: enough for a slow handshake, short enough
/// that most of a request's own limit is left.
const CONNECT: Duration = Duration::from_secs(10);

/// How much of an answer is read by default: a page of 1,000 contacts is about 2 MiB.
pub const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Scheme, host and port of an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an http or https address; `None` where it has none, or names a user.
    pub fn of(url: &Url) -> Option<Origin> {
        if !matches!(url.scheme(), "http" | "https")
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return None;
        }
        Some(Origin {
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }

    /// Whether the address has this origin, exactly.
    pub fn covers(&self, url: &Url) -> bool {
        Origin::of(url).as_ref() == Some(self)
    }

    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

/// The transport could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No TLS, most often for want of a certificate store.
    #[error("the HTTP client could not be set up")]
    Client(#[from] reqwest::Error),
}

/// Sends requests over HTTP to the origins it was given, and to no other.
pub struct HttpTransport {
    allowed: Vec<Origin>,
    max_answer: usize,
    remote: reqwest::Client,
    loopback: reqwest::Client,
    fence: Option<Fence>,
}

impl HttpTransport {
    /// A transport to these origins; an answer of more than `max_answer` bytes counts as none.
    ///
    /// The environment's proxy is used for every host but this machine.
    ///
    /// # Errors
    /// Without a usable TLS set-up.
    pub fn new(
        allowed: Vec<Origin>,
        user_agent: &str,
        max_answer: usize,
    ) -> Result<HttpTransport, BuildError> {
        HttpTransport::build(allowed, user_agent, max_answer, None)
    }

    /// The same behind a fence: for origins that somebody else than the configuration chose.
    ///
    /// # Errors
    /// As [`HttpTransport::new`].
    pub fn fenced(
        allowed: Vec<Origin>,
        user_agent: &str,
        max_answer: usize,
        fence: Fence,
    ) -> Result<HttpTransport, BuildError> {
        HttpTransport::build(allowed, user_agent, max_answer, Some(fence))
    }

    fn build(
        allowed: Vec<Origin>,
        user_agent: &str,
        max_answer: usize,
        fence: Option<Fence>,
    ) -> Result<HttpTransport, BuildError> {
        let builder = || {
            let builder = match &fence {
                Some(fence) => reqwest::Client::builder().dns_resolver(Arc::new(fence.clone())),
                None => reqwest::Client::builder(),
            };
            builder
                .user_agent(user_agent)
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .connect_timeout(CONNECT)
        };
        Ok(HttpTransport {
            allowed,
            max_answer,
            remote: builder().build()?,
            loopback: builder().no_proxy().build()?,
            fence,
        })
    }

    fn client(&self, url: &Url) -> Result<&reqwest::Client, TransportError> {
        let origin = Origin::of(url)
            .filter(|origin| self.allowed.contains(origin))
            .filter(|_| self.fence.as_ref().is_none_or(|fence| fence.may_open(url)))
            .ok_or(TransportError::ForeignOrigin)?;
        Ok(if origin.is_loopback() {
            &self.loopback
        } else {
            &self.remote
        })
    }

    async fn answer(
        &self,
        client: &reqwest::Client,
        request: Request,
    ) -> Result<Response, TransportError> {
        let sent = client
            .request(request.method, request.url)
            .headers(request.headers)
            .body(request.body)
            .send()
            .await;
        let mut answer = sent.map_err(|error| why(&error))?;
        let cap = u64::try_from(self.max_answer).unwrap_or(u64::MAX);
        if answer.content_length().is_some_and(|length| length > cap) {
            return Err(too_long());
        }
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = bytes::BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| why(&error))? {
            if body.len() + chunk.len() > self.max_answer {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response {
            status,
            headers,
            body: body.freeze(),
        })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let client = self.client(&request.url)?;
        let limit = request.timeout;
        match tokio::time::timeout(limit, self.answer(client, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(TransportError::NoAnswer("time limit".to_owned())),
        }
    }
}

fn too_long() -> TransportError {
    TransportError::NoAnswer("longer than allowed".to_owned())
}

/// What went wrong, in words of our own: the library's would show the address with its query.
fn why(error: &reqwest::Error) -> TransportError {
    if error.is_builder() {
        TransportError::NotSent("not a request".to_owned())
    } else if error.is_connect() {
        TransportError::NotSent("no connection".to_owned())
    } else if error.is_timeout() {
        TransportError::NoAnswer("time limit".to_owned())
    } else {
        TransportError::NoAnswer("broken off".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Option<Origin> {
        Origin::of(&Url::parse(text).unwrap())
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_to_the_letter() {
        let graph = origin("https://graph.microsoft.com").unwrap();
        let covers = |text: &str| graph.covers(&Url::parse(text).unwrap());
        assert!(covers("https://graph.microsoft.com/v1.0/me?x=1"));
        assert!(covers("https://GRAPH.microsoft.com:443/"));
        assert!(!covers("http://graph.microsoft.com/"));
        assert!(!covers("https://graph.microsoft.com:8443/"));
        assert!(!covers("https://graph.microsoft.com.evil.example/"));
        assert!(!covers("https://graph.microsoft.com@evil.example/"));
        assert!(!covers("https://user@graph.microsoft.com/"));
        assert!(!covers("https://:pass@graph.microsoft.com/"));
        assert!(!covers("ftp://graph.microsoft.com/"));
    }

    #[test]
    fn loopback_is_told_by_address() {
        for text in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost"] {
            assert!(origin(text).unwrap().is_loopback(), "{text}");
        }
        assert!(!origin("http://127.0.0.1.example").unwrap().is_loopback());
    }
}
