//! Slow, stuck and patient clients over real sockets.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{body::Bytes, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Notify, oneshot},
    task::JoinHandle,
};

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn limits() -> Limits {
    Limits {
        connections: 8,
        head: LONG,
        body_pause: LONG,
        request: LONG,
        write_pause: LONG,
        grace: LONG,
    }
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Ended>,
}

async fn start(router: Router, limits: Limits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        let _ = stopped.await;
    };
    let ended = tokio::spawn(serve(listener, router, limits, shutdown));
    Running {
        address,
        stop,
        ended,
    }
}

impl Running {
    async fn open(&self, send: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        stream.write_all(send.as_bytes()).await.expect("sent");
        stream
    }

    async fn stop(self) -> Ended {
        self.stop.send(()).expect("running");
        self.ended.await.expect("no panic")
    }
}

async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is cut may answer nothing, or reset.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn handlers_see_the_peer() {
    let router = Router::new().route(
        "/",
        get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
    );
    let running = start(router, limits()).await;
    let stream = running.open(GET).await;
    let own = stream.local_addr().expect("an address").to_string();
    let answer = rest(stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with(&own),
        "{answer}"
    );
    assert_eq!(running.stop().await, Ended::Drained);
}

#[tokio::test]
async fn a_request_under_way_is_answered_and_an_idle_connection_closed() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, go) = (entered.clone(), leave.clone());
    let router = Router::new().route(
        "/",
        get(move || async move {
            inside.notify_one();
            go.notified().await;
            "done"
        }),
    );
    let running = start(router, limits()).await;
    let idle = running.open("").await;
    let busy = running.open(GET).await;
    entered.notified().await;
    let address = running.address;
    let ended = tokio::spawn(running.stop());
    assert_eq!(rest(idle).await, "");
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nothing new is accepted"
    );
    leave.notify_one();
    assert!(rest(busy).await.ends_with("done"));
    assert_eq!(ended.await.expect("no panic"), Ended::Drained);
}

#[tokio::test]
async fn the_grace_ends() {
    let entered = Arc::new(Notify::new());
    let inside = entered.clone();
    let router = Router::new().route(
        "/",
        get(move || async move {
            inside.notify_one();
            std::future::pending::<()>().await;
        }),
    );
    let running = start(
        router,
        Limits {
            grace: Duration::from_millis(50),
            ..limits()
        },
    )
    .await;
    let _stream = running.open(GET).await;
    entered.notified().await;
    assert_eq!(running.stop().await, Ended::Cut(1));
}

#[tokio::test]
async fn a_slow_head_a_slow_body_and_a_slow_handler_are_cut() {
    let router = Router::new()
        .route("/", get(|| async { std::future::pending::<()>().await }))
        .route(
            "/body",
            axum::routing::post(|body: Bytes| async move { body.len().to_string() }),
        );
    let short = Duration::from_millis(50);
    let slow_head = start(
        router.clone(),
        Limits {
            head: short,
            ..limits()
        },
    )
    .await;
    assert!(!rest(slow_head.open("GET / HT").await).await.contains("200"));
    let post =
        "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nconnection: close\r\n\r\nabc";
    let slow_body = start(
        router.clone(),
        Limits {
            body_pause: short,
            ..limits()
        },
    )
    .await;
    assert!(
        !rest(slow_body.open(post).await)
            .await
            .starts_with("HTTP/1.1 200")
    );
    let slow_answer = start(
        router,
        Limits {
            request: short,
            ..limits()
        },
    )
    .await;
    assert!(
        rest(slow_answer.open(GET).await)
            .await
            .starts_with("HTTP/1.1 503")
    );
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    let big = || async { vec![0_u8; 64 << 20] };
    let router = Router::new().route("/", get(big));
    let short = Duration::from_millis(50);
    let hasty = Limits {
        write_pause: short,
        ..limits()
    };
    let running = start(router, hasty).await;
    let mut stuck = running.open(GET).await;
    let mut first = [0; 12];
    stuck.read_exact(&mut first).await.expect("answered");
    assert_eq!(&first, b"HTTP/1.1 200");
    // It would hold up the end for the whole grace, were it not cut.
    assert_eq!(running.stop().await, Ended::Drained);
    drop(stuck);
}

#[tokio::test]
async fn whoever_waits_longest_without_a_request_makes_room() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, go) = (entered.clone(), leave.clone());
    let slow = move || {
        let (inside, go) = (inside.clone(), go.clone());
        async move {
            inside.notify_one();
            go.notified().await;
            "worked"
        }
    };
    let router = Router::new()
        .route("/", get(|| async { "served" }))
        .route("/slow", get(slow))
        .route(
            "/body",
            axum::routing::post(|body: Bytes| async move { body.len().to_string() }),
        );
    let limits = Limits {
        connections: 4,
        ..limits()
    };
    let running = start(router, limits).await;
    let busy = running
        .open("GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    entered.notified().await;
    // A head that never ends, a body that never ends, and one that says nothing at all.
    let idle = [
        running.open("GET / HT").await,
        running
            .open("POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc")
            .await,
        running.open("").await,
    ];
    for _ in 0..4 {
        assert!(rest(running.open(GET).await).await.ends_with("served"));
    }
    let mut idle = idle.into_iter();
    let oldest = idle.next().expect("the first");
    assert!(!rest(oldest).await.contains("200"), "it was sent away");
    leave.notify_one();
    assert!(rest(busy).await.ends_with("worked"), "work is never cut");
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_a_slot() {
    let seen = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let counts = seen.clone();
    let handler = move || {
        let counts = counts.clone();
        async move {
            let (now, most) = &*counts;
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            now.fetch_sub(1, Ordering::SeqCst);
            "served"
        }
    };
    let router = Router::new().route("/", get(handler));
    let running = start(
        router,
        Limits {
            connections: 2,
            ..limits()
        },
    )
    .await;
    let mut streams = Vec::new();
    for _ in 0..6 {
        streams.push(running.open(GET).await);
    }
    for stream in streams {
        assert!(rest(stream).await.ends_with("served"));
    }
    assert_eq!(seen.1.load(Ordering::SeqCst), 2);
}
