//! The admin API over HTTP.

use std::time::Duration;

use reqwest::{Method, StatusCode, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::error::{Error, Said};
use crate::config::is_loopback;

/// Longest answer that is read: a page of a list is far below.
const LONGEST_ANSWER: usize = 16 << 20;

/// The admin API of one service.
pub(super) struct Api {
    base: Url,
    token: Option<SecretString>,
    http: reqwest::Client,
}

impl Api {
    /// The API at an origin.
    ///
    /// # Errors
    /// Plain http to another machine: the token would be readable on the way.
    pub(super) fn new(base: Url, token: Option<SecretString>) -> Result<Api, Error> {
        let loopback = is_loopback(&base);
        if base.scheme() != "https" && !(base.scheme() == "http" && loopback) {
            let message = "--url takes https, or http on a loopback host";
            return Err(Error::Usage(message.to_owned()));
        }
        let mut http = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(100));
        if loopback {
            // A proxy of the environment does not know this machine's loopback.
            http = http.no_proxy();
        }
        if base.scheme() == "http" {
            // Images without certificates can ask themselves for their health all the same.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|error| Error::Failed(cause(&error)))?;
        Ok(Api { base, token, http })
    }

    /// Reads.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Error> {
        self.call(Method::GET, path, query, None).await
    }

    /// Asks for something to be done.
    pub(super) async fn post(&self, path: &[&str], body: &Value) -> Result<Value, Error> {
        self.call(Method::POST, path, &[], Some(body)).await
    }

    /// Every item of a list, page by page, up to a limit.
    pub(super) async fn all(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<Vec<Value>, Error> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = self.get(path, &query).await?;
            let found = page["items"].as_array().ok_or_else(|| self.foreign())?;
            items.extend(found.iter().cloned());
            let next = page["next_cursor"].as_str().map(str::to_owned);
            // A cursor that does not move would be asked for for ever.
            if next.is_none() || next == cursor || items.len() >= limit {
                items.truncate(limit);
                return Ok(items);
            }
            cursor = next;
        }
    }

    /// The status of a route without a token: for health.
    pub(super) async fn status(&self, path: &str) -> Result<(StatusCode, String), Error> {
        let request = self.http.get(self.url(&[path], &[])?);
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body = self.body(response).await?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let mut full = vec!["api", "v1"];
        full.extend(path);
        let mut request = self.http.request(method, self.url(&full, query)?);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body = self.body(response).await?;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|_| self.foreign())
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| self.unreachable(&error))?
        {
            if body.len() + piece.len() > LONGEST_ANSWER {
                return Err(self.foreign());
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, Error> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Error::Usage("--url is no origin".to_owned()))?
            .clear()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        Error::Unreachable {
            url: self.shown(),
            why: cause(error),
        }
    }

    fn foreign(&self) -> Error {
        Error::Foreign(self.shown())
    }

    /// The origin: whatever else the address holds may be a secret.
    fn shown(&self) -> String {
        self.base.origin().ascii_serialization()
    }
}

/// What a refusal means, with what its problem document says.
fn refusal(status: StatusCode, body: &[u8]) -> Error {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| problem[name].as_str().map(str::to_owned);
    let said = Said {
        detail: text("detail").or_else(|| text("title")),
        rule: text("rule"),
    };
    match status {
        StatusCode::UNAUTHORIZED => Error::Unauthorised,
        StatusCode::FORBIDDEN => Error::Forbidden(said),
        StatusCode::NOT_FOUND => Error::NotFound(said),
        _ => Error::Refused {
            status: status.as_u16(),
            said,
        },
    }
}

/// The innermost cause: the outer ones repeat the address.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use axum::{
        Json, Router,
        extract::{Path, Query},
        http::{HeaderMap, StatusCode, header},
        response::{IntoResponse, Redirect},
        routing::{get, post},
    };
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    /// Serves a router on loopback for as long as the runtime lives.
    pub(in crate::cli) async fn api(router: Router) -> Api {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let server = crate::config::Config::from_pairs([
            (
                "security.encryption_keys",
                "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            ),
            ("tribe.client_id", "a"),
            ("tribe.client_secret", "b"),
            ("microsoft.tenant", "example.com"),
            ("microsoft.client_id", "c"),
            ("microsoft.client_secret", "d"),
        ])
        .expect("usable")
        .server;
        let limits = crate::server::Limits::of(&server);
        tokio::spawn(crate::server::serve(
            listener,
            router,
            limits,
            std::future::pending(),
        ));
        Api::new(
            base.parse().expect("a url"),
            Some(SecretString::from("t0ken")),
        )
        .expect("an api")
    }

    #[tokio::test]
    async fn the_token_and_the_path_arrive_as_meant() {
        let router = Router::new().route(
            "/api/v1/users/{id}",
            get(|Path(id): Path<String>, headers: HeaderMap| async move {
                let bearer = headers[header::AUTHORIZATION]
                    .to_str()
                    .expect("text")
                    .to_owned();
                Json(json!({ "id": id, "bearer": bearer }))
            }),
        );
        let answer = api(router)
            .await
            .get(&["users", "a/b ?"], &[])
            .await
            .expect("answered");
        assert_eq!(answer, json!({ "id": "a/b ?", "bearer": "Bearer t0ken" }));
    }

    #[tokio::test]
    async fn a_list_is_read_page_by_page() {
        let pages = |Query(query): Query<std::collections::BTreeMap<String, String>>| async move {
            let from: u64 = query
                .get("cursor")
                .map_or(0, |cursor| cursor.parse().expect("own"));
            assert_eq!(query["user"], "u");
            let next = (from < 4).then(|| (from + 2).to_string());
            Json(json!({ "items": [from, from + 1], "next_cursor": next }))
        };
        let api = api(Router::new().route("/api/v1/audit", get(pages))).await;
        let all = api
            .all(&["audit"], &[("user", "u")], usize::MAX)
            .await
            .expect("read");
        assert_eq!(all, [0, 1, 2, 3, 4, 5].map(Value::from));
        let some = api
            .all(&["audit"], &[("user", "u")], 3)
            .await
            .expect("read");
        assert_eq!(some, [0, 1, 2].map(Value::from));
    }

    #[tokio::test]
    async fn a_refusal_says_what_it_means() {
        let refuse = |Path(status): Path<u16>| async move {
            let problem = json!({ "title": "t", "detail": "because", "rule": "R17" });
            (
                StatusCode::from_u16(status).expect("a status"),
                Json(problem),
            )
        };
        let api = api(Router::new().route("/api/v1/{status}", post(refuse))).await;
        let mut codes = Vec::new();
        for status in ["400", "401", "403", "404", "409", "500"] {
            let error = api.post(&[status], &json!({})).await.expect_err("refused");
            assert_eq!(error.rule().is_some(), status != "401");
            assert_eq!(error.to_string().contains("because [R17]"), status != "401");
            codes.push(error.exit_code());
        }
        assert_eq!(codes, [1, 4, 4, 5, 1, 1]);
    }

    #[tokio::test]
    async fn nobody_else_gets_the_token() {
        let router = Router::new()
            .route(
                "/api/v1/a",
                get(|| async { Redirect::temporary("/api/v1/b") }),
            )
            .route(
                "/api/v1/b",
                get(|| async { Json(json!({})).into_response() }),
            )
            .route("/api/v1/c", get(|| async { "<html>" }));
        let api = api(router).await;
        let moved = api.get(&["a"], &[]).await.expect_err("not followed");
        assert!(matches!(moved, Error::Refused { status: 307, .. }));
        assert!(matches!(api.get(&["c"], &[]).await, Err(Error::Foreign(_))));
        for url in ["http://example.com", "ftp://localhost"] {
            assert!(matches!(
                Api::new(url.parse().expect("a url"), None),
                Err(Error::Usage(_))
            ));
        }
    }

    #[tokio::test]
    async fn a_service_that_is_not_there_is_said_to_be() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let base = format!(
            "http://user:pa55@{}",
            listener.local_addr().expect("an address")
        );
        drop(listener);
        let api = Api::new(base.parse().expect("a url"), None).expect("an api");
        let error = api.get(&["users"], &[]).await.expect_err("nobody there");
        assert_eq!(error.exit_code(), 3);
        assert!(
            error.hint().is_some() && !error.to_string().contains("pa55"),
            "{error}"
        );
    }
}
