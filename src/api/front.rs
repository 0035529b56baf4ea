//! The way in for what Tribe and Graph deliver, in front of the router.
//!
//! Deliveries are most of what the service answers. The router copies each of its layers for every
//! request, and most of them are nothing to a delivery: tokens, idempotency keys, languages. Here one
//! is recognised by its path, and answered by the same function as behind the router, under the same
//! limits and with the same headers. Whatever is not plainly a delivery, a handshake for one, is the
//! router's.

use std::{
    future::poll_fn, net::SocketAddr, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration,
};

use axum::{
    Router,
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Body;
use tokio::time::{Instant, timeout};

use super::{
    Api, Problem, guard,
    webhooks::{self, Door},
};
use crate::{
    server::{Arriving, Handle, Limits, limit::Limit},
    telemetry::meter,
};

/// The router, with a door of their own for deliveries.
#[derive(Clone)]
pub struct Front {
    api: Arc<Api>,
    router: Router,
    limit: Option<Arc<Limit>>,
    standing: Arc<HeaderMap>,
    /// Of the body's pauses, and of the whole request.
    pauses: Duration,
    whole: Duration,
}

impl Front {
    /// In front of a router, which keeps to the limit of requests by itself.
    pub fn new(api: Arc<Api>, router: Router, limit: Option<Arc<Limit>>) -> Front {
        Front {
            standing: Arc::new(guard::standing(&api.settings)),
            api,
            router,
            limit,
            pauses: Duration::MAX,
            whole: Duration::MAX,
        }
    }

    async fn deliver(&self, door: Door, request: Request<Arriving>) -> Response {
        let since = Instant::now();
        let source = door.source();
        let (parts, body) = request.into_parts();
        let work = async {
            let body = read(body, self.api.settings.max_body, self.pauses).await?;
            webhooks::take(&self.api, door, &parts.headers, &body).await
        };
        let mut response = match AssertUnwindSafe(work).catch_unwind().await {
            Ok(Ok(status)) => status.into_response(),
            Ok(Err(problem)) => problem.into_response(),
            Err(panic) => guard::panicked(panic),
        };
        guard::set(&self.standing, &mut response);
        meter::acknowledged(source, response.status().as_u16(), since.elapsed());
        response
    }
}

impl Handle for Front {
    fn within(self, limits: Limits) -> Front {
        Front {
            router: self.router.within(limits),
            pauses: limits.body_pause,
            whole: limits.request,
            ..self
        }
    }

    async fn handle(&self, peer: SocketAddr, request: Request<Arriving>) -> Response {
        let Some(door) = door(&request) else {
            return self.router.handle(peer, request).await;
        };
        let limit = self.limit.as_ref();
        if let Some(refusal) = limit.and_then(|limit| limit.refusal(peer.ip(), request.headers())) {
            return refusal;
        }
        match timeout(self.whole, self.deliver(door, request)).await {
            Ok(response) => response,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }
}

/// Where a request delivers; `None` for whatever needs a closer look.
fn door<B>(request: &Request<B>) -> Option<Door> {
    let uri = request.uri();
    if request.method() != Method::POST || uri.query().is_some() {
        return None;
    }
    Door::of(uri.path().strip_prefix("/webhooks/")?)
}

/// A body to its end; one that came in one piece stays where it is.
async fn read<B>(body: B, most: usize, pause: Duration) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut whole = Bytes::new();
    let mut pieces = BytesMut::new();
    loop {
        let next = timeout(pause, poll_fn(|context| body.as_mut().poll_frame(context)));
        let piece = match next.await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Ok(Some(Err(_))) | Err(_) => return Err(Problem::unreadable()),
        };
        if whole.len() + pieces.len() + piece.len() > most {
            return Err(Problem::too_large());
        }
        if whole.is_empty() && pieces.is_empty() {
            whole = piece;
        } else {
            pieces.extend_from_slice(&std::mem::take(&mut whole));
            pieces.extend_from_slice(&piece);
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(match pieces.is_empty() {
        true => whole,
        false => pieces.freeze(),
    })
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use hyper::body::Frame;

    use super::*;

    struct Pieces(VecDeque<&'static [u8]>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let piece = self.0.pop_front();
            Poll::Ready(piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
        }
    }

    async fn whole(pieces: &[&'static [u8]], most: usize) -> Result<Bytes, u16> {
        let pieces = Pieces(pieces.iter().copied().collect());
        let read = read(pieces, most, Duration::from_secs(1)).await;
        read.map_err(|problem| problem.status().as_u16())
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end_in_as_many_pieces_as_it_comes() {
        assert_eq!(whole(&[], 3).await.unwrap(), "");
        assert_eq!(whole(&[b"abc"], 3).await.unwrap(), "abc");
        assert_eq!(whole(&[b"", b"a", b"bc"], 3).await.unwrap(), "abc");
        assert_eq!(whole(&[b"abcd"], 3).await, Err(413));
        assert_eq!(whole(&[b"abc", b"", b"d"], 3).await, Err(413));
    }

    #[test]
    fn a_delivery_is_known_by_its_path_and_all_else_is_the_routers() {
        let door = |method: &str, path: &str| {
            let request = Request::builder().method(method).uri(path);
            door(&request.body(()).unwrap()).map(|door| door.source())
        };
        assert_eq!(door("POST", "/webhooks/tribe/default"), Some("tribe"));
        let notifications = "/webhooks/graph/notifications";
        assert_eq!(door("POST", notifications), Some("notification"));
        assert_eq!(door("POST", "/webhooks/graph/lifecycle"), Some("lifecycle"));
        for path in [
            "/webhooks/tribe/",
            "/webhooks/tribe/A%62",
            "/webhooks/tribe/a/b",
            "/webhooks/graph/notifications/",
            "/webhooks/graph/notifications?validationToken=a",
            "/api/v1/users",
        ] {
            assert_eq!(door("POST", path), None, "{path}");
        }
        assert_eq!(door("GET", notifications), None);
    }
}
