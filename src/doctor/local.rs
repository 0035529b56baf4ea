//! What can be examined on this machine.

use std::{sync::Arc, time::Duration};

use secrecy::ExposeSecret;

use super::Check;
use crate::{
    config::{Config, is_loopback},
    remote::{Request, Transport, TransportError},
    store::{self, Store},
};

pub(super) const CONFIGURATION: &str = "configuration";
const ADMIN: &str = "admin API";
const DATABASE: &str = "database";
const ADDRESS: &str = "public address";

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

/// Whether browsers, Tribe and Microsoft can reach the service.
pub(super) async fn public_address(
    config: &Config,
    transport: &Result<Arc<dyn Transport>, String>,
) -> Check {
    let url = &config.server.public_url;
    if is_loopback(url) {
        return Check::warn(
            ADDRESS,
            format!("{url} is this machine alone"),
            "for real users, put a reverse proxy with TLS in front and set server.public_url: \
             Tribe and Microsoft deliver to it",
        );
    }
    let Ok(transport) = transport else {
        return Check::ok(ADDRESS, format!("{url} (not tried)"));
    };
    let Ok(health) = url.join("/healthz") else {
        return Check::fail(
            ADDRESS,
            format!("{url} takes no path"),
            "check server.public_url",
        );
    };
    let advice = "start the service, and check DNS, proxy and certificate of server.public_url; \
                  where this machine cannot reach its own public address, that alone is no fault";
    match transport.send(get(health)).await {
        Ok(answer) if answer.status.is_success() => {
            Check::ok(ADDRESS, format!("{url} reaches the service"))
        }
        Ok(answer) => Check::warn(ADDRESS, format!("{url} answers {}", answer.status), advice),
        Err(TransportError::ForeignOrigin) => Check::ok(ADDRESS, format!("{url} (not tried)")),
        Err(error) => Check::warn(ADDRESS, format!("{url}: {error}"), advice),
    }
}

/// A plain read.
pub(super) fn get(url: url::Url) -> Request {
    Request {
        method: http::Method::GET,
        url,
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        timeout: Duration::from_secs(10),
    }
}
