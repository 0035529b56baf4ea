//! The HTTP server: an axum router behind limits that a slow or hostile client cannot outwait.
//!
//! HTTP/1.1 alone: TLS and HTTP/2 are the reverse proxy's. What bounds a connection:
//! a head must arrive within [`Limits::head`], which also ends idle keep-alive connections; a body
//! must not pause for longer than [`Limits::body_pause`]; a request must be answered within
//! [`Limits::request`], body included; and a client must not pause for longer than
//! [`Limits::write_pause`] in taking the answer. Beyond [`Limits::connections`] whoever has waited longest
//! without a whole request makes room (`seats`); while all of them work, new ones wait. [`limit`] is the
//! configured limit of requests for each client.

pub mod limit;
mod seats;

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, http::StatusCode, response::Response};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Sleep, sleep, timeout},
};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};

pub use self::seats::Arriving;
use self::seats::{Seat, Seats};

/// Most bytes of a request's head: Microsoft's callbacks carry codes of up to 4 KiB.
const HEAD_BYTES: usize = 64 << 10;

/// How long to wait after a failed accept (out of file descriptors): long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What bounds connections and requests.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections served at once.
    pub connections: usize,
    /// Until a request's head has arrived; also how long a connection may idle.
    pub head: Duration,
    /// Between two pieces of a body.
    pub body_pause: Duration,
    /// From a request's head to its answer's.
    pub request: Duration,
    /// While the client takes nothing of the answer.
    pub write_pause: Duration,
    /// For requests under way once the service is to end.
    pub grace: Duration,
}

impl Limits {
    /// The service's limits under its configuration.
    pub fn of(server: &crate::config::Server) -> Limits {
        Limits {
            connections: server.max_connections,
            head: Duration::from_secs(30),
            body_pause: Duration::from_secs(10),
            // Above the longest call to a remote that an answer may have to wait for (60 s).
            request: Duration::from_secs(90),
            write_pause: Duration::from_secs(30),
            grace: server.shutdown_grace,
        }
    }
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every request under way was answered.
    Drained,
    /// The grace was over; this many connections were cut.
    Cut(usize),
}

/// What answers requests.
pub trait Handle: Clone + Send + Sync + 'static {
    /// The same, which keeps to the limits of a request and of its body.
    #[must_use]
    fn within(self, limits: Limits) -> Self;

    /// Answers one request of a peer.
    fn handle(
        &self,
        peer: SocketAddr,
        request: http::Request<Arriving>,
    ) -> impl Future<Output = Response> + Send;
}

/// Handlers find the peer as `ConnectInfo<SocketAddr>`.
impl Handle for Router {
    fn within(self, limits: Limits) -> Router {
        self.layer(
            ServiceBuilder::new()
                .layer(TimeoutLayer::with_status_code(
                    StatusCode::SERVICE_UNAVAILABLE,
                    limits.request,
                ))
                .layer(RequestBodyTimeoutLayer::new(limits.body_pause)),
        )
    }

    async fn handle(&self, peer: SocketAddr, request: http::Request<Arriving>) -> Response {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        match self.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Serves until `shutdown` is done, then lets requests under way end within the grace.
pub async fn serve(
    listener: TcpListener,
    handle: impl Handle,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Ended {
    let handle = handle.within(limits);
    let seats = Seats::new(limits.connections);
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &seats) => accepted,
        };
        match accepted {
            Ok((stream, peer, seat)) => {
                connect(stream, peer, seat, &handle, limits, &graceful);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let open = graceful.count();
    tracing::info!(connections = open, "draining");
    match timeout(limits.grace, graceful.shutdown()).await {
        Ok(()) => Ended::Drained,
        Err(_) => Ended::Cut(seats.taken()),
    }
}

/// Done when the process is told to end: SIGTERM or SIGINT.
///
/// # Errors
/// The signals cannot be listened to.
pub fn terminated() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

type Accepted = (TcpStream, SocketAddr, Arc<Seat>);

/// The connection first: nobody is sent away before there is somebody to make room for.
async fn accept(listener: &TcpListener, seats: &Arc<Seats>) -> io::Result<Accepted> {
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let seat = seats.take().await;
    Ok((stream, peer, seat))
}

fn connect(
    stream: TcpStream,
    peer: SocketAddr,
    seat: Arc<Seat>,
    handle: &impl Handle,
    limits: Limits,
    graceful: &GracefulShutdown,
) {
    let handle = handle.clone();
    let own = Arc::clone(&seat);
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (handle, seat) = (handle.clone(), Arc::clone(&own));
        async move {
            let request = request.map(|body| Arriving::new(body, Arc::clone(&seat)));
            let response = handle.handle(peer, request).await;
            seat.wait();
            Ok::<_, Infallible>(response)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(
            TokioIo::new(Patient::new(stream, limits.write_pause)),
            service,
        );
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        tokio::select! {
            // A client that breaks off, or is too slow, is none of the service's errors.
            ended = connection => if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            },
            () = seat.told_to_leave() => {}
        }
    });
}

/// A stream whose peer may not pause for too long in taking what is written.
struct Patient {
    stream: TcpStream,
    pause: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream, pause: Duration) -> Patient {
        Patient {
            stream,
            pause,
            waiting: None,
        }
    }

    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = None;
            return polled;
        }
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(sleep(self.pause)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bounded(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.bounded(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
