//! What the log says of those who were turned away: an event each, and nothing of what they sent.

use std::{
    io,
    sync::{Arc, Mutex},
};

use http::Method;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::app::{ANNA_MAIL, TestApp, cookie_of, state_of};

/// The log of one test: its runtime has one thread, whose subscriber it is.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

impl Log {
    fn start() -> (Log, tracing::subscriber::DefaultGuard) {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The events of a kind since the last look, with the members named.
    fn take(&self, kind: &str, members: &[&str]) -> Vec<Value> {
        let text = self.text();
        self.0.lock().unwrap().clear();
        let lines = text.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line
        });
        lines
            .filter(|line| line["event"] == kind)
            .map(|line| members.iter().map(|name| line[*name].clone()).collect())
            .collect()
    }
}

#[tokio::test]
async fn a_refused_request_is_an_event_without_what_was_sent() {
    let app = TestApp::new().await;
    let (log, _guard) = Log::start();
    let members = ["caller", "method", "route", "status"];
    let refused = |log: &Log| log.take("access_refused", &members);
    app.ask(Method::GET, "/api/v1/users", "", None)
        .await
        .is(401);
    assert_eq!(refused(&log), [json!(["", "GET", "/api/v1/users", 401])]);
    app.ask(Method::GET, "/api/v1/users", "wr0ng-t0ken", None)
        .await
        .is(401);
    assert!(!log.text().contains("wr0ng-t0ken"));
    assert_eq!(refused(&log), [json!(["", "GET", "/api/v1/users", 401])]);
    // Whatever stands in the path of a stranger stays out of the log.
    for (path, route) in [
        ("/api/v1/users/Anna-Jansen", "/api/v1/users/{id}"),
        ("/api/v1/Anna-Jansen", "none"),
    ] {
        app.ask(Method::GET, path, "", None).await.is(401);
        assert!(!log.text().contains("Anna-Jansen"), "{path}");
        assert_eq!(refused(&log), [json!(["", "GET", route, 401])]);
    }
    // Too low a role, of a caller who is known.
    let pause = "/api/v1/users/00000000-0000-0000-0000-000000000001/pause";
    app.ask(Method::POST, pause, "viewer", None).await.is(403);
    let expected = json!(["viewer", "POST", "/api/v1/users/{id}/pause", 403]);
    assert_eq!(refused(&log), [expected]);
    // Nobody is refused who may.
    app.ask(Method::GET, "/api/v1/users", "viewer", None)
        .await
        .is(200);
    assert_eq!(refused(&log), [] as [Value; 0]);
}

#[tokio::test]
async fn a_sign_in_that_fails_is_an_event_that_names_nobody() {
    let app = TestApp::new().await;
    app.mailbox("stranger", "stranger@example.nl");
    let (_, link) = app.invited(false).await;
    let (log, _guard) = Log::start();
    let failed = |log: &Log| log.take("sign_in_failed", &["kind", "status"]);
    let token = json!({"token": "wr0ng-t0ken"});
    app.ask(Method::POST, "/session/token", "", Some(token))
        .await
        .is(401);
    assert!(!log.text().contains("wr0ng-t0ken"));
    assert_eq!(failed(&log), [json!(["token", 401])]);
    // To the page, by somebody who is no employee.
    let begun = app.browse("/oauth/tribe/start", "").await.is(303);
    let back =
        |code: &str, state: &str| format!("/oauth/microsoft/callback?code={code}&state={state}");
    let answer = app
        .browse(&back("stranger", &state_of(&begun)), &cookie_of(&begun))
        .await;
    assert_eq!(answer.status, 403);
    assert!(!log.text().contains("stranger"));
    assert_eq!(failed(&log), [json!(["page", 403])]);
    // A consent with a mailbox that is not the employee's, and with a state that was used up.
    let begun = app.browse(&link, "").await.is(303);
    let path = back("stranger", &state_of(&begun));
    for status in [403, 400] {
        let answer = app.browse(&path, &cookie_of(&begun)).await;
        assert_eq!(answer.status, status);
        assert!(!log.text().contains("stranger"));
        assert!(!log.text().contains(ANNA_MAIL));
        assert_eq!(failed(&log), [json!(["consent", status])]);
    }
    let answer = app.browse("/oauth/tribe/callback?state=x&code=y", "").await;
    assert_eq!(answer.status, 400);
    assert_eq!(failed(&log), [json!(["connect", 400])]);
}
