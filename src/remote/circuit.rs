//! Calls to a remote that is away rest, all of them together.
//!
//! Each mailbox backs off by itself, but thousands of them would still knock without end at a remote
//! that does not answer. So a few failures in a row, whoever's they were, open the circuit: until the
//! rest is over nothing is sent, then one call alone finds out whether the remote is back. What counts
//! is a missing answer, or one of a gateway (502, 503, 504): any other status is an answer of the remote
//! itself, to that caller alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use http::StatusCode;

use super::{Request, Response, Transport, TransportError};
use crate::clock::Clock;

/// So many failures in a row open the circuit.
const FAILURES: u32 = 10;

/// The first rest; each failed attempt to end it doubles it.
const FIRST_MS: i64 = 1_000;

/// The longest rest: how late a remote's return may be noticed.
const LONGEST_MS: i64 = 30_000;

/// What one remote's calls came to (pure).
#[derive(Debug, Default)]
struct Breaker {
    /// In a row.
    failures: u32,
    rest_ms: i64,
    until_ms: i64,
    /// A call is under way to find out.
    tries: bool,
}

/// What a call may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// Go.
    Go,
    /// Go, and find out for everybody.
    Try,
    /// Wait so many milliseconds.
    Wait(i64),
}

impl Breaker {
    fn ask(&mut self, now_ms: i64) -> Leave {
        if self.failures < FAILURES {
            Leave::Go
        } else if now_ms < self.until_ms {
            Leave::Wait(self.until_ms - now_ms)
        } else if self.tries {
            Leave::Wait(FIRST_MS)
        } else {
            self.tries = true;
            Leave::Try
        }
    }

    /// A call ended. True when that opened or closed the circuit.
    fn told(&mut self, leave: Leave, answered: bool, now_ms: i64) -> bool {
        let was_open = self.failures >= FAILURES;
        if answered {
            *self = Breaker::default();
            return was_open;
        }
        match leave {
            Leave::Try => {
                self.tries = false;
                self.rest_ms = (self.rest_ms * 2).clamp(FIRST_MS, LONGEST_MS);
                self.until_ms = now_ms + self.rest_ms;
                false
            }
            // One that left before the circuit opened tells nothing new.
            _ if was_open => false,
            _ => {
                self.failures += 1;
                let opens = self.failures >= FAILURES;
                if opens {
                    self.rest_ms = FIRST_MS;
                    self.until_ms = now_ms + FIRST_MS;
                }
                opens
            }
        }
    }
}

type Breakers = Arc<Mutex<HashMap<String, Breaker>>>;

/// A transport that lets calls to an origin rest while that is away.
pub struct Circuit {
    inner: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    breakers: Breakers,
}

/// A call under way. One that is given up counts as one without an answer.
struct Call<'a> {
    circuit: &'a Circuit,
    origin: String,
    leave: Leave,
    told: bool,
}

impl Call<'_> {
    fn ended(&mut self, answered: bool) {
        self.told = true;
        let now_ms = self.circuit.clock.now_ms();
        let turned = self.circuit.with(&self.origin, |breaker| {
            breaker.told(self.leave, answered, now_ms)
        });
        let origin = &self.origin;
        match (turned, answered) {
            (true, false) => {
                tracing::warn!(%origin, "the remote is away; calls to it rest, and one at a time tries again");
            }
            (true, true) => tracing::info!(%origin, "the remote is back"),
            _ => {}
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.ended(false);
        }
    }
}

impl Circuit {
    /// Around a transport.
    pub fn new(inner: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Circuit {
        Circuit {
            inner,
            clock,
            breakers: Breakers::default(),
        }
    }

    fn with<T>(&self, origin: &str, ask: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        ask(breakers.entry(origin.to_owned()).or_default())
    }
}

/// Whether anybody was there to answer.
fn is_answer(outcome: &Result<Response, TransportError>) -> bool {
    match outcome {
        Ok(response) => !matches!(
            response.status,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        ),
        Err(TransportError::NotSent(_) | TransportError::NoAnswer(_)) => false,
        Err(TransportError::ForeignOrigin | TransportError::Resting(_)) => true,
    }
}

#[async_trait]
impl Transport for Circuit {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let origin = request.url.origin().ascii_serialization();
        let now_ms = self.clock.now_ms();
        let leave = self.with(&origin, |breaker| breaker.ask(now_ms));
        if let Leave::Wait(wait_ms) = leave {
            let wait = Duration::from_millis(wait_ms.unsigned_abs());
            return Err(TransportError::Resting(wait));
        }
        let mut call = Call {
            circuit: self,
            origin,
            leave,
            told: false,
        };
        let outcome = self.inner.send(request).await;
        call.ended(is_answer(&outcome));
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::SeqCst;

    use super::*;

    fn open(now_ms: i64) -> Breaker {
        let mut breaker = Breaker::default();
        for number in 1..=FAILURES {
            assert_eq!(breaker.ask(now_ms), Leave::Go);
            assert_eq!(breaker.told(Leave::Go, false, now_ms), number == FAILURES);
        }
        breaker
    }

    #[test]
    fn a_success_in_between_keeps_it_closed() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            for _ in 1..FAILURES {
                breaker.told(Leave::Go, false, 0);
            }
            assert!(!breaker.told(Leave::Go, true, 0));
        }
        assert_eq!(breaker.ask(0), Leave::Go);
    }

    #[test]
    fn one_call_alone_finds_out_after_the_rest_and_each_failure_doubles_it() {
        let mut breaker = open(0);
        let mut now_ms = 0;
        for rest in [1, 2, 4, 8, 16, 30, 30] {
            let rest_ms = rest * 1_000;
            assert_eq!(breaker.ask(now_ms), Leave::Wait(rest_ms));
            now_ms += rest_ms;
            assert_eq!(breaker.ask(now_ms), Leave::Try);
            assert_eq!(breaker.ask(now_ms), Leave::Wait(FIRST_MS));
            assert!(!breaker.told(Leave::Try, false, now_ms));
        }
        now_ms += LONGEST_MS;
        assert_eq!(breaker.ask(now_ms), Leave::Try);
        assert!(breaker.told(Leave::Try, true, now_ms));
        assert_eq!(breaker.ask(now_ms), Leave::Go);
    }

    #[test]
    fn calls_that_left_before_it_opened_do_not_lengthen_the_rest() {
        let mut breaker = open(0);
        for _ in 0..1_000 {
            assert!(!breaker.told(Leave::Go, false, 10));
        }
        assert_eq!(breaker.ask(10), Leave::Wait(FIRST_MS - 10));
        assert!(
            breaker.told(Leave::Go, true, 20),
            "one of them was answered"
        );
        assert_eq!(breaker.ask(20), Leave::Go);
    }

    /// A remote that can be away, and a clock that is set.
    #[derive(Default)]
    struct Away {
        status: std::sync::atomic::AtomicU16,
        calls: std::sync::atomic::AtomicU64,
        now_ms: std::sync::atomic::AtomicI64,
    }

    #[async_trait]
    impl Clock for Away {
        fn now_ms(&self) -> i64 {
            self.now_ms.load(SeqCst)
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[async_trait]
    impl Transport for Away {
        async fn send(&self, request: Request) -> Result<Response, TransportError> {
            self.calls.fetch_add(1, SeqCst);
            if request.url.path() == "/hangs" {
                std::future::pending::<()>().await;
            }
            let status = StatusCode::from_u16(self.status.load(SeqCst));
            let away = |_| TransportError::NotSent("no connection".to_owned());
            Ok(Response {
                status: status.map_err(away)?,
                headers: http::HeaderMap::new(),
                body: bytes::Bytes::new(),
            })
        }
    }

    fn request(url: &str) -> Request {
        Request {
            method: http::Method::GET,
            url: url.parse().expect("an address"),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
            timeout: Duration::from_secs(1),
        }
    }

    #[tokio::test]
    async fn however_many_call_a_remote_that_is_away_is_asked_once_in_each_rest() {
        let remote = Arc::new(Away::default());
        let circuit = Circuit::new(Arc::clone(&remote) as _, Arc::clone(&remote) as _);
        for second in 0..60 {
            remote.now_ms.store(second * 1_000, SeqCst);
            for _ in 0..500 {
                let outcome = circuit.send(request("https://tribe.example/v1")).await;
                assert!(outcome.is_err());
            }
        }
        // Ten to open it, then after 1, 2, 4, 8 and 16 seconds.
        assert_eq!(remote.calls.load(SeqCst), u64::from(FAILURES) + 5);
        let other = circuit.send(request("https://graph.example/v1.0")).await;
        assert_eq!(
            other.err(),
            Some(TransportError::NotSent("no connection".to_owned()))
        );
        remote.status.store(500, SeqCst);
        remote.now_ms.store(61_000, SeqCst);
        assert!(
            circuit
                .send(request("https://tribe.example/v1"))
                .await
                .is_ok()
        );
        assert!(
            circuit
                .send(request("https://tribe.example/v1"))
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn an_attempt_that_is_given_up_leaves_the_next_one_free() {
        let remote = Arc::new(Away::default());
        let circuit = Circuit::new(Arc::clone(&remote) as _, Arc::clone(&remote) as _);
        for _ in 0..FAILURES {
            let _ = circuit.send(request("https://tribe.example/v1")).await;
        }
        remote.now_ms.store(1_000, SeqCst);
        let hangs = circuit.send(request("https://tribe.example/hangs"));
        assert!(futures_util::FutureExt::now_or_never(hangs).is_none());
        remote.status.store(200, SeqCst);
        let rests = circuit.send(request("https://tribe.example/v1")).await;
        assert_eq!(
            rests.err(),
            Some(TransportError::Resting(Duration::from_secs(2)))
        );
        remote.now_ms.store(3_000, SeqCst);
        assert!(
            circuit
                .send(request("https://tribe.example/v1"))
                .await
                .is_ok()
        );
    }
}
