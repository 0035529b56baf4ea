//! The description, and what every answer carries.

use std::sync::atomic::Ordering;

use http::Method;
use serde_json::json;

use crate::app::TestApp;

#[test]
fn the_description_in_the_repository_is_the_generated_one() {
    let generated = tribelink::api::docs::openapi_yaml()
        .map_err(|error| error.to_string())
        .unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml");
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == generated,
        "openapi.yaml is not what the handlers say; write it anew: tribelink openapi > openapi.yaml"
    );
}

#[tokio::test]
async fn the_description_is_served_as_it_stands_in_the_repository() {
    let app = TestApp::new().await;
    let json = app
        .ask(Method::GET, "/openapi.json", "", None)
        .await
        .is(200);
    assert_eq!(json.json()["info"]["title"], "tribelink");
    let yaml = app
        .ask(Method::GET, "/openapi.yaml", "", None)
        .await
        .is(200);
    let generated = tribelink::api::docs::openapi_yaml()
        .map_err(|error| error.to_string())
        .unwrap();
    assert_eq!(yaml.text(), generated);
}

#[test]
fn every_operation_is_described_with_its_answers() {
    let described = serde_json::to_value(tribelink::api::openapi()).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(!summary.is_empty(), "{method} {path} has no summary");
            let name = operation["operationId"].to_string();
            assert!(names.insert(name), "{method} {path} shares its name");
            let answers = operation["responses"].as_object().unwrap();
            assert!(!answers.is_empty(), "{method} {path} has no answers");
            let common = ["401", "403", "503"];
            let has_common = common.iter().all(|status| answers.contains_key(*status));
            assert!(has_common || !path.starts_with("/api/"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let app = TestApp::new().await;
    for path in [
        "/",
        "/healthz",
        "/nowhere",
        "/api/v1/users",
        "/consent/x",
        "/openapi.json",
    ] {
        let answer = app.ask(Method::GET, path, "", None).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{path}"
        );
        assert!(
            answer
                .header("strict-transport-security")
                .starts_with("max-age="),
            "{path}"
        );
    }
}

#[tokio::test]
async fn errors_of_the_framework_are_problems_too() {
    let app = TestApp::new().await;
    let problem = |answer: crate::app::Answer, status: u16| {
        let answer = answer.is(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json()["status"], status);
        assert_eq!(answer.json()["type"], "about:blank");
    };
    problem(app.get("/nowhere").await, 404);
    problem(
        app.ask(Method::DELETE, "/api/v1/users", "admin", None)
            .await,
        405,
    );
    problem(app.ask(Method::TRACE, "/", "", None).await, 405);
    problem(app.get("/api/v1/users?limit=many").await, 400);
    problem(app.get("/api/v1/users?cursor=%21").await, 400);
    problem(app.get("/api/v1/users/not-an-id").await, 404);
    problem(app.get("/api/v1/audit?rule=R99").await, 400);
    problem(app.post("/api/v1/users", json!([])).await, 400);
    problem(app.post("/api/v1/users", json!({"surprise": 1})).await, 400);
    let large = json!({"employee_email": "x".repeat(70_000)});
    problem(app.post("/api/v1/users", large).await, 413);
}

#[tokio::test]
async fn ready_until_the_service_drains() {
    let app = TestApp::new().await;
    assert_eq!(
        app.ask(Method::GET, "/healthz", "", None)
            .await
            .is(200)
            .text(),
        "ok"
    );
    app.ask(Method::GET, "/readyz", "", None).await.is(200);
    app.api.draining.store(true, Ordering::Relaxed);
    let answer = app.ask(Method::GET, "/readyz", "", None).await;
    assert_eq!(answer.status.as_u16(), 503);
    assert_eq!(answer.json()["reasons"][0], "the service is shutting down");
    app.ask(Method::GET, "/healthz", "", None).await.is(200);
}

#[tokio::test]
async fn the_page_and_its_style_are_served() {
    let app = TestApp::new().await;
    let page = app.ask(Method::GET, "/", "", None).await.is(200);
    assert!(page.text().contains("/openapi.yaml"));
    let text = page.text();
    let scripts = text.matches("<script").count();
    let own = text
        .matches("<script type=\"module\" src=\"/assets/")
        .count();
    assert!(
        !text.contains("<style") && scripts == own,
        "nothing is inline"
    );
    let css = app
        .ask(Method::GET, "/assets/page.css", "", None)
        .await
        .is(200);
    assert!(css.header("content-type").starts_with("text/css"));
}
