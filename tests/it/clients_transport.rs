//! The HTTP transport: what leaves, what comes back, and what a broken answer is.

use std::time::Duration;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, Method};
use tribelink::remote::{Fence, HttpTransport, Origin, Request, Transport as _, TransportError};
use url::Url;

use crate::clients_server::{Server, status, transport, with_header};

fn get(url: &Url, timeout: Duration) -> Request {
    Request {
        method: Method::GET,
        url: url.clone(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        timeout,
    }
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn nothing_leaves_for_another_origin() {
    let own = Server::start(|_| status(200)).await;
    let foreign = Server::start(|_| status(200)).await;
    let transport = transport(&[&own.url], 1024);
    let mut with_user = own.url.clone();
    with_user.set_username("somebody").unwrap();
    for url in [&foreign.url, &with_user] {
        let refused = transport.send(get(url, LONG)).await.err();
        assert_eq!(refused, Some(TransportError::ForeignOrigin));
    }
    let answer = transport.send(get(&own.url, LONG)).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(own.calls()[0].header("user-agent"), Some("tribelink-test"));
    assert_eq!((own.calls().len(), foreign.calls().len()), (1, 0));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let own = Server::start(|seen| with_header(302, "location", &seen.here("/elsewhere"))).await;
    let answer = own.transport().send(get(&own.url, LONG)).await.unwrap();
    assert_eq!(answer.status, 302);
    assert_eq!(own.calls().len(), 1);
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let gone = {
        let server = Server::raw(b"", false).await;
        server.url.clone()
    };
    let transport = transport(&[&gone], 1024);
    // The listener goes with its task, a moment after it was told to.
    loop {
        match transport.send(get(&gone, LONG)).await {
            Err(TransportError::NotSent(_)) => break,
            Err(TransportError::NoAnswer(_)) => tokio::task::yield_now().await,
            other => panic!("{:?}", other.err()),
        }
    }
}

#[tokio::test]
async fn a_cut_answer_is_no_answer() {
    for bytes in [
        b"".as_slice(),
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"value\":[",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"val",
    ] {
        let server = Server::raw(bytes, false).await;
        let answer = server.transport().send(get(&server.url, LONG)).await;
        assert!(matches!(answer, Err(TransportError::NoAnswer(_))));
    }
}

#[tokio::test]
async fn the_time_limit_covers_the_body() {
    let server = Server::raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", true).await;
    let short = Duration::from_millis(100);
    let answer = server.transport().send(get(&server.url, short)).await;
    assert_eq!(
        answer.err(),
        Some(TransportError::NoAnswer("time limit".to_owned()))
    );
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_cap() {
    let server = Server::start(|seen| {
        let body = "x".repeat(seen.path.trim_matches('/').parse().unwrap());
        if seen.raw_query == "chunked" {
            let chunks = vec![Ok::<_, std::io::Error>(body)];
            return Response::new(Body::from_stream(futures_util::stream::iter(chunks)));
        }
        Response::new(Body::from(body))
    })
    .await;
    let transport = transport(&[&server.url], 100);
    for query in ["", "?chunked"] {
        let url = |length: usize| server.url.join(&format!("/{length}{query}")).unwrap();
        let whole = transport.send(get(&url(100), LONG)).await.unwrap();
        assert_eq!(whole.body.len(), 100);
        let longer = transport.send(get(&url(101), LONG)).await;
        assert!(matches!(longer, Err(TransportError::NoAnswer(_))));
    }
}

#[tokio::test]
async fn behind_a_fence_no_machine_beside_this_one_is_reached() {
    let own = Server::start(|_| status(200)).await;
    let mut by_name = own.url.clone();
    by_name.set_host(Some("localhost")).unwrap();
    let origins = || {
        [&own.url, &by_name]
            .map(|url| Origin::of(url).unwrap())
            .to_vec()
    };
    let fenced = |allowed: fn(std::net::IpAddr) -> bool| {
        let fence = Fence::new(std::sync::Arc::new(allowed));
        HttpTransport::fenced(origins(), "tribelink-test", 1024, fence).unwrap()
    };
    let shut = fenced(|_| false);
    let refused = shut.send(get(&own.url, LONG)).await.err();
    assert_eq!(refused, Some(TransportError::ForeignOrigin));
    // The name is resolved, and what it leads to is not connected to.
    let refused = shut.send(get(&by_name, LONG)).await.err();
    assert!(
        matches!(refused, Some(TransportError::NotSent(_))),
        "{refused:?}"
    );
    assert_eq!(own.calls().len(), 0);

    let open = fenced(|address| address.is_loopback());
    for url in [&own.url, &by_name] {
        assert_eq!(open.send(get(url, LONG)).await.unwrap().status, 200);
    }
}
