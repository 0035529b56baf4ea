//! Who may do what: every route of the description with no, a wrong and too weak a token.

use std::collections::BTreeMap;

use http::Method;
use serde_json::json;

use crate::app::TestApp;

/// The weakest role of every route of the API; `employee` is no token's, but a session's of the page.
const ROLES: [(&str, &str, &str); 46] = [
    ("get", "/api/v1/audit", "viewer"),
    ("get", "/api/v1/environments", "viewer"),
    ("post", "/api/v1/environments", "admin"),
    ("post", "/api/v1/environments/{id}/connect", "admin"),
    ("get", "/api/v1/held", "viewer"),
    ("post", "/api/v1/held/{id}/accept", "operator"),
    ("post", "/api/v1/held/{id}/reject", "operator"),
    ("post", "/api/v1/keys/rotate", "admin"),
    ("get", "/api/v1/parked", "viewer"),
    ("post", "/api/v1/parked/{id}/retry", "operator"),
    ("get", "/api/v1/people/{person_id}", "viewer"),
    ("get", "/api/v1/people/{person_id}/explain", "viewer"),
    ("get", "/api/v1/status", "viewer"),
    ("get", "/api/v1/subscriptions", "viewer"),
    ("get", "/api/v1/users", "viewer"),
    ("post", "/api/v1/users", "admin"),
    ("get", "/api/v1/users/{id}", "viewer"),
    ("post", "/api/v1/users/{id}/consent", "admin"),
    ("post", "/api/v1/users/{id}/disconnect", "admin"),
    ("get", "/api/v1/users/{id}/links", "viewer"),
    ("post", "/api/v1/users/{id}/pause", "operator"),
    ("get", "/api/v1/users/{id}/preview", "viewer"),
    ("post", "/api/v1/users/{id}/preview", "operator"),
    ("post", "/api/v1/users/{id}/rebuild", "admin"),
    ("post", "/api/v1/users/{id}/release", "operator"),
    ("post", "/api/v1/users/{id}/resume", "operator"),
    ("post", "/api/v1/users/{id}/resync", "operator"),
    ("post", "/api/v1/users/{id}/start", "admin"),
    ("get", "/api/v1/audit.csv", "viewer"),
    ("post", "/api/v1/audit/{id}/undo", "operator"),
    ("post", "/api/v1/undo", "operator"),
    ("get", "/api/v1/people/{person_id}/cards", "operator"),
    ("get", "/api/v1/users/{id}/names", "operator"),
    ("get", "/api/v1/names", "operator"),
    ("post", "/api/v1/people/search", "operator"),
    ("get", "/api/v1/settings", "viewer"),
    ("get", "/api/v1/me", "employee"),
    ("post", "/api/v1/me/activate", "employee"),
    ("post", "/api/v1/me/commands/{command}", "employee"),
    ("get", "/api/v1/me/preview", "employee"),
    ("get", "/api/v1/me/links", "employee"),
    ("get", "/api/v1/me/held", "employee"),
    ("post", "/api/v1/me/held/{id}/{decision}", "employee"),
    ("get", "/api/v1/me/audit", "employee"),
    ("post", "/api/v1/me/audit/{id}/undo", "employee"),
    ("get", "/api/v1/me/people/{person_id}", "employee"),
];

fn roles() -> BTreeMap<(String, String), &'static str> {
    let all = ROLES.iter();
    all.map(|(method, path, role)| (((*path).to_owned(), (*method).to_owned()), *role))
        .collect()
}

#[tokio::test]
async fn every_admin_route_denies_without_the_role_it_takes() {
    let app = TestApp::new().await;
    let described = serde_json::to_value(tribelink::api::openapi()).unwrap();
    let mut expected = roles();
    for (path, item) in described["paths"].as_object().unwrap() {
        if !path.starts_with("/api/") {
            continue;
        }
        for method in item.as_object().unwrap().keys() {
            let role = expected
                .remove(&(path.clone(), method.clone()))
                .unwrap_or_else(|| panic!("{method} {path} is in no table of roles"));
            let id = "00000000-0000-0000-0000-000000000001";
            let url = match ["/held/", "/parked/", "/audit/"]
                .iter()
                .any(|numbered| path.contains(numbered))
            {
                true => path.replace("{id}", "1"),
                false => path.replace("{id}", id).replace("{person_id}", id),
            };
            let ask = |token: &'static str| {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let body = (method == Method::POST).then(|| json!({}));
                app.ask(method, &url, token, body)
            };
            let nobody = ask("").await.is(401).json();
            let wrong = ask("wrong").await.is(401).json();
            assert_eq!(nobody, wrong, "one shape for every cause");
            for token in ["viewer", "operator", "admin"] {
                let rank = |role| {
                    ["viewer", "operator", "admin"]
                        .iter()
                        .position(|r| *r == role)
                };
                let status = ask(token).await.status.as_u16();
                match role == "employee" || rank(token) < rank(role) {
                    true => assert_eq!(status, 403, "{method} {path} as {token}"),
                    false => assert!(
                        ![401, 403, 405, 500].contains(&status),
                        "{method} {path} as {token}: {status}"
                    ),
                }
            }
        }
    }
    assert!(expected.is_empty(), "not described: {expected:?}");
}

#[tokio::test]
async fn unknown_routes_deny_too() {
    let app = TestApp::new().await;
    for path in ["/api/v1/secrets", "/api/", "/api/v2/users"] {
        let answer = app.ask(Method::GET, path, "", None).await.is(401);
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
        app.ask(Method::GET, path, "viewer", None).await.is(404);
    }
    for path in [
        "//api/v1/users",
        "/%61pi/v1/users",
        "/api%2fv1/users",
        "/API/v1/users",
    ] {
        let status = app.ask(Method::GET, path, "", None).await.status.as_u16();
        assert!([401, 404].contains(&status), "{path}: {status}");
    }
}

#[tokio::test]
async fn metrics_follow_their_own_setting() {
    let app = TestApp::new().await;
    app.ask(Method::GET, "/metrics", "", None).await.is(401);
    let answer = app
        .ask(Method::GET, "/metrics", "viewer", None)
        .await
        .is(200);
    assert_eq!(answer.text(), "# metrics\n");
}
