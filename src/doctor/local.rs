//! What can be examined on this machine.

use std::{sync::Arc, time::Duration};

use secrecy::ExposeSecret;
use url::Url;

use super::{Check, Status};
use crate::{
    config::{Config, is_loopback},
    remote::{Request, Transport, TransportError},
    store::{self, Store},
};

pub(super) const CONFIGURATION: &str = "configuration";
const ADMIN: &str = "admin API";
const DATABASE: &str = "database";
const ADDRESS: &str = "public address";
const HANDSHAKE: &str = "handshake";
/// Ends the finding of an address that this machine was not allowed to ask.
const UNTRIED: &str = "(not tried)";

/// Tokens shorter than this can be guessed: 128 bits in hex.
const SHORTEST_TOKEN: usize = 32;

/// What the configuration says about itself.
pub(super) fn configuration(config: &Config) -> Vec<Check> {
    let mut checks = vec![Check::ok(CONFIGURATION, "every key is usable")];
    let tokens = config.security.tokens();
    let short = |token: &secrecy::SecretString| token.expose_secret().len() < SHORTEST_TOKEN;
    checks.push(if tokens.is_empty() {
        Check::warn(
            ADMIN,
            "no token is configured: nobody can administer the service",
            "set security.admin_token, or security.admin_tokens",
        )
    } else if config.security.admin_token.as_ref().is_some_and(short) {
        Check::warn(
            ADMIN,
            "security.admin_token is short enough to be guessed",
            "take 32 characters or more, such as from `openssl rand -hex 32`",
        )
    } else {
        Check::ok(ADMIN, format!("{} token(s)", tokens.len()))
    });
    checks
}

/// Whether the database could be opened and hints could be kept.
pub(super) async fn database(store: &Result<Arc<dyn Store>, String>) -> Check {
    let store = match store {
        Ok(store) => store,
        Err(why) => return Check::fail(DATABASE, why, "check database.url and its rights"),
    };
    match store.ready().await {
        Ok(()) => Check::ok(
            DATABASE,
            "opens, is of this version's schema and can be written",
        ),
        Err(error @ store::Error::Schema(_)) => Check::fail(
            DATABASE,
            error.to_string(),
            "run `tribelink migrate`, or a newer tribelink",
        ),
        Err(error) => Check::fail(
            DATABASE,
            error.to_string(),
            "check database.url, the rights of its file or user, and the space on its disk",
        ),
    }
}

/// Whether browsers, Tribe and Microsoft can reach the service, and whether it answers Microsoft's
/// handshake through everything that stands in front of it.
pub(super) async fn public_address(
    config: &Config,
    transport: &Result<Arc<dyn Transport>, String>,
) -> Vec<Check> {
    let url = &config.server.public_url;
    let mut checks = Vec::new();
    if is_loopback(url) {
        checks.push(Check::warn(
            ADDRESS,
            format!("{url} is this machine alone"),
            "for real users, put a reverse proxy with TLS in front and set server.public_url: \
             Tribe and Microsoft deliver to it",
        ));
    }
    let Ok(transport) = transport else {
        if checks.is_empty() {
            checks.push(Check::ok(ADDRESS, format!("{url} (not tried)")));
        }
        return checks;
    };
    let reached = reached(url, transport.as_ref()).await;
    let answers = reached.status == Status::Ok && !reached.detail.ends_with(UNTRIED);
    if checks.is_empty() {
        checks.push(reached);
    }
    if answers {
        checks.push(handshake(url, transport.as_ref()).await);
    }
    checks
}

async fn reached(url: &Url, transport: &dyn Transport) -> Check {
    let Ok(health) = url.join("/healthz") else {
        let detail = format!("{url} takes no path");
        return Check::fail(ADDRESS, detail, "check server.public_url");
    };
    let advice = "start the service, and check DNS, proxy and certificate of server.public_url; \
                  where this machine cannot reach its own public address, that alone is no fault";
    match transport.send(get(health)).await {
        Ok(answer) if answer.status.is_success() => {
            Check::ok(ADDRESS, format!("{url} reaches the service"))
        }
        Ok(answer) => Check::warn(ADDRESS, format!("{url} answers {}", answer.status), advice),
        Err(TransportError::ForeignOrigin) => Check::ok(ADDRESS, format!("{url} {UNTRIED}")),
        Err(error) => Check::warn(ADDRESS, format!("{url}: {error}"), advice),
    }
}

/// Asks as Graph does before it subscribes: the token must come back as plain text (Graph reference
/// 4.2).
async fn handshake(url: &Url, transport: &dyn Transport) -> Check {
    let token = "tribelink-doctor: does it come back?";
    let mut asked = url.clone();
    asked.set_path("/webhooks/graph/notifications");
    asked
        .query_pairs_mut()
        .append_pair("validationToken", token);
    let request = Request {
        method: http::Method::POST,
        ..get(asked)
    };
    let advice = "let the proxy or firewall in front pass POST /webhooks/ on as it is, without a \
                  sign-in, a challenge or a redirect";
    match transport.send(request).await {
        Ok(answer) if !answer.status.is_success() => {
            let detail = format!("Microsoft's question is answered {}", answer.status);
            Check::fail(HANDSHAKE, detail, advice)
        }
        Ok(answer) if answer.body[..] != *token.as_bytes() => {
            Check::fail(HANDSHAKE, "the answer is not what was asked for", advice)
        }
        Ok(_) => Check::ok(HANDSHAKE, "Microsoft's question is answered as it wants"),
        Err(error) => Check::fail(HANDSHAKE, error.to_string(), advice),
    }
}

/// A plain read.
pub(super) fn get(url: Url) -> Request {
    Request {
        method: http::Method::GET,
        url,
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        timeout: Duration::from_secs(10),
    }
}
