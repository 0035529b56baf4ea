//! A limit of requests for each client address, for services without a reverse proxy that has one.
//!
//! Requests are counted by whole minutes: simple, bounded in memory, and at most twice the limit
//! within any minute. Whoever is beyond it is told when the next minute begins.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};

use crate::{
    clock::Clock,
    config::{Network, Server},
};

const MINUTE_MS: i64 = 60_000;

/// Most addresses that are counted in a minute: about 6 MiB. Beyond it new ones pass uncounted,
/// since refusing them would let one network lock all others out.
const MOST_ADDRESSES: usize = 100_000;

/// The configured limit, with what each client has used of it.
pub struct Limit {
    counts: Counts,
    proxies: Vec<Network>,
    clock: Arc<dyn Clock>,
}

impl Limit {
    /// The limit of the configuration, if there is one.
    pub fn of(server: &Server, clock: Arc<dyn Clock>) -> Option<Arc<Limit>> {
        let limit = server.rate_limit?;
        Some(Arc::new(Limit {
            counts: Counts::new(limit),
            proxies: server.trusted_proxies.clone(),
            clock,
        }))
    }

    /// Counts a request of this peer; the answer to it, when it is one too many.
    pub fn refusal(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Response> {
        let address = client(peer, headers, &self.proxies);
        let counted = self.counts.count(address, self.clock.now_ms());
        counted.err().map(too_many)
    }
}

/// Puts a limit before a router; without one the router stays as it is.
pub fn limited(router: Router, limit: Option<Arc<Limit>>) -> Router {
    let Some(limit) = limit else {
        return router;
    };
    router.layer(from_fn(move |request: Request, next: Next| {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let refused = peer.and_then(|peer| limit.refusal(peer.ip(), request.headers()));
        async move {
            match refused {
                None => next.run(request).await,
                Some(refusal) => refusal,
            }
        }
    }))
}

/// Whose request it is: the peer, or, behind trusted proxies, the last address that none of them
/// is. What stands before that one in `X-Forwarded-For` is the client's own word.
pub fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let trusted = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    let values = headers.get_all("x-forwarded-for").iter().rev();
    let mut hops = values.flat_map(|value| {
        let hops: Vec<&str> = value
            .to_str()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .collect();
        hops.into_iter().rev()
    });
    while trusted(client) {
        match hops.next().and_then(|hop| hop.parse::<IpAddr>().ok()) {
            Some(hop) => client = hop.to_canonical(),
            None => break,
        }
    }
    client
}

fn too_many(seconds: i64) -> Response {
    let problem = r#"{"type":"about:blank","title":"Too many requests","status":429}"#;
    let head = [
        (header::CONTENT_TYPE, "application/problem+json".to_owned()),
        (header::RETRY_AFTER, seconds.to_string()),
    ];
    (StatusCode::TOO_MANY_REQUESTS, head, problem).into_response()
}

/// How often each address asked in the current minute.
struct Counts {
    limit: u32,
    state: Mutex<(i64, HashMap<IpAddr, u32>)>,
}

impl Counts {
    fn new(limit: u32) -> Counts {
        Counts {
            limit,
            state: Mutex::new((0, HashMap::new())),
        }
    }

    /// Counts a request; beyond the limit, the seconds until it may be asked again.
    fn count(&self, address: IpAddr, now_ms: i64) -> Result<(), i64> {
        let minute = now_ms.div_euclid(MINUTE_MS);
        // A count is whole at every moment: a panic elsewhere leaves nothing half done.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (current, counts) = &mut *state;
        if *current != minute {
            *current = minute;
            counts.clear();
        }
        let address = household(address);
        if counts.len() >= MOST_ADDRESSES && !counts.contains_key(&address) {
            return Ok(());
        }
        let count = counts.entry(address).or_default();
        if *count >= self.limit {
            let left_ms = (minute + 1) * MINUTE_MS - now_ms;
            return Err((left_ms + 999) / 1_000);
        }
        *count += 1;
        Ok(())
    }
}

/// One IPv6 client has a whole /64 to choose addresses from.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicI64, Ordering},
        time::Duration,
    };

    use async_trait::async_trait;
    use axum::{body::Body, routing::get};
    use tower::ServiceExt as _;

    use super::*;

    struct Hand(AtomicI64);

    #[async_trait]
    impl Clock for Hand {
        fn now_ms(&self) -> i64 {
            self.0.load(Ordering::SeqCst)
        }

        async fn sleep(&self, _: Duration) {}
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn server(limit: &str) -> Server {
        crate::config::Config::from_pairs([
            (
                "security.encryption_keys",
                "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            ),
            ("tribe.client_id", "a"),
            ("tribe.client_secret", "b"),
            ("microsoft.tenant", "example.com"),
            ("microsoft.client_id", "c"),
            ("microsoft.client_secret", "d"),
            ("server.rate_limit", limit),
        ])
        .expect("usable")
        .server
    }

    async fn ask(router: &Router, peer: &str) -> (u16, Option<String>) {
        let mut request = http::Request::new(Body::empty());
        let peer = SocketAddr::new(ip(peer), 1);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.clone().oneshot(request).await.expect("infallible");
        let after = answer.headers().get(header::RETRY_AFTER);
        let after = after.map(|after| after.to_str().expect("text").to_owned());
        (answer.status().as_u16(), after)
    }

    #[tokio::test]
    async fn each_address_has_its_own_share_of_a_minute() {
        let clock = Arc::new(Hand(AtomicI64::new(60_000 * 5 + 45_500)));
        let router = Router::new().route("/", get(|| async {}));
        let router = limited(router, Limit::of(&server("2"), clock.clone()));
        assert_eq!(ask(&router, "192.0.2.1").await, (200, None));
        assert_eq!(ask(&router, "192.0.2.1").await, (200, None));
        assert_eq!(
            ask(&router, "192.0.2.1").await,
            (429, Some("15".to_owned()))
        );
        assert_eq!(ask(&router, "192.0.2.2").await, (200, None));
        clock.0.store(60_000 * 6, Ordering::SeqCst);
        assert_eq!(ask(&router, "192.0.2.1").await, (200, None));
    }

    #[tokio::test]
    async fn no_limit_is_none() {
        let router = Router::new().route("/", get(|| async {}));
        let router = limited(
            router,
            Limit::of(&server("0"), Arc::new(Hand(AtomicI64::new(0)))),
        );
        for _ in 0..100 {
            assert_eq!(ask(&router, "192.0.2.1").await.0, 200);
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxies = ["10.0.0.0/8".parse::<Network>().expect("a network")];
        let of = |peer: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().expect("a header"));
            }
            client(ip(peer), &headers, &proxies).to_string()
        };
        assert_eq!(of("192.0.2.9", &["198.51.100.1"]), "192.0.2.9");
        assert_eq!(of("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            of("10.0.0.1", &["203.0.113.7, 198.51.100.1, 10.0.0.2"]),
            "198.51.100.1"
        );
        assert_eq!(
            of("10.0.0.1", &["203.0.113.7", "198.51.100.1", "10.0.0.2"]),
            "198.51.100.1"
        );
        assert_eq!(of("10.0.0.1", &["lies"]), "10.0.0.1");
        assert_eq!(
            of("::ffff:10.0.0.1", &["::ffff:198.51.100.1"]),
            "198.51.100.1"
        );
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_client() {
        let counts = Counts::new(1);
        assert_eq!(counts.count(ip("2001:db8::1"), 0), Ok(()));
        assert_eq!(counts.count(ip("2001:db8::2"), 0), Err(60));
        assert_eq!(counts.count(ip("2001:db8:0:1::1"), 0), Ok(()));
    }
}
