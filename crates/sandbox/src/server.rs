//! The router, the listener, TLS.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, middleware};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};
use tower::ServiceExt as _;

use crate::{
    control,
    deliver::{HttpPost, Post, pump},
    faults::{self, CutOff},
    graph, microsoft, pages,
    state::{Ctx, Options, Shared, State},
    time::{Clock, Machine, Sleep},
    tribe,
};

/// Why a sandbox did not start. Nothing is left behind; starting again is safe.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not of this machine: choose another.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate or key cannot be used: check the PEM files.
    #[error("the TLS certificate or key cannot be used: {0}")]
    Tls(String),
    /// No HTTP client for deliveries.
    #[error("cannot make the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// A certificate chain and its key, as PEM.
#[derive(Clone)]
pub struct Tls {
    /// The chain, the server's own certificate first.
    pub cert_pem: Vec<u8>,
    /// Its private key.
    pub key_pem: Vec<u8>,
}

/// A sandbox without a socket: its router and its state.
#[derive(Clone)]
pub struct Sandbox {
    /// State and ports; [`Ctx::pump_once`] sends what is due.
    pub ctx: Shared,
    /// Answers requests (`tower::ServiceExt::oneshot`). A response that carries
    /// [`CutOff`] must be taken as a connection that broke.
    pub router: Router,
}

impl Sandbox {
    /// A sandbox for a simulation: time, waiting and sending are the caller's.
    #[must_use]
    pub fn in_process(
        options: Options,
        clock: Arc<dyn Clock>,
        sleep: Arc<dyn Sleep>,
        post: Arc<dyn Post>,
    ) -> Self {
        let ctx = Ctx::new(State::new(options, clock), post, sleep);
        let router = router(&ctx);
        Self { ctx, router }
    }

    /// Listens and serves until it is shut down. Port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the certificate cannot be used.
    pub async fn start(
        mut options: Options,
        listen: SocketAddr,
        tls: Option<Tls>,
    ) -> Result<Running, Error> {
        let acceptor = tls.map(|tls| acceptor(&tls)).transpose()?;
        let fail = |source| Error::Listen {
            addr: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(fail)?;
        let addr = listener.local_addr().map_err(fail)?;
        if options.public_url.is_empty() {
            let scheme = if acceptor.is_some() { "https" } else { "http" };
            options.public_url = format!("{scheme}://{addr}");
        }
        let clock: Arc<dyn Clock> = Arc::new(Machine);
        let post = HttpPost::new().map_err(Error::Client)?;
        let sandbox = Self::in_process(options, clock, Arc::new(Machine), Arc::new(post));
        let (stop, stopped) = watch::channel(false);
        let ctx = Arc::clone(&sandbox.ctx);
        let pump = tokio::spawn(pump(Arc::clone(&ctx)));
        let serve = tokio::spawn(serve(listener, acceptor, sandbox.router, stopped));
        Ok(Running {
            addr,
            ctx,
            stop,
            serve,
            pump,
        })
    }
}

/// A sandbox that listens; dropping it stops it without waiting for anything.
pub struct Running {
    /// Where.
    pub addr: SocketAddr,
    /// Its state and ports.
    pub ctx: Shared,
    stop: watch::Sender<bool>,
    serve: JoinHandle<()>,
    pump: JoinHandle<()>,
}

impl Running {
    /// Stops listening, lets answers under way end (two seconds at most), and ends the pump.
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(true);
        self.pump.abort();
        let _ = (&mut self.serve).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

/// Both remotes behind the fault guard; control and pages beside it.
fn router(ctx: &Shared) -> Router {
    Router::new()
        .merge(tribe::router())
        .merge(graph::router())
        .merge(microsoft::router())
        .layer(middleware::from_fn_with_state(
            Arc::clone(ctx),
            faults::guard,
        ))
        .merge(control::router())
        .merge(pages::router())
        .with_state(Arc::clone(ctx))
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor, Error> {
    let fail = |e: &dyn std::fmt::Display| Error::Tls(e.to_string());
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&tls.cert_pem)
        .collect::<Result<_, _>>()
        .map_err(|e| fail(&e))?;
    let key = PrivateKeyDer::from_pem_slice(&tls.key_pem).map_err(|e| fail(&e))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| fail(&e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: the next accept may do better.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        tokio::spawn(connection(
            stream,
            tls.clone(),
            router.clone(),
            graceful.watcher(),
        ));
    }
    drop(listener);
    let _ = tokio::time::timeout(Duration::from_secs(2), graceful.shutdown()).await;
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, watcher: Watcher) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => talk(stream, router, watcher).await,
        Some(tls) => {
            let handshake = tokio::time::timeout(Duration::from_secs(10), tls.accept(stream)).await;
            if let Ok(Ok(stream)) = handshake {
                talk(stream, router, watcher).await;
            }
        }
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    watcher: Watcher,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let answer = match router.oneshot(request.map(Body::new)).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            };
            // An error from the service makes hyper close the connection without a byte.
            if answer.extensions().get::<CutOff>().is_some() {
                return Err(std::io::Error::other("cut on demand"));
            }
            Ok(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .serve_connection(TokioIo::new(stream), service);
    let _ = watcher.watch(connection).await;
}
