//! Tribe's sign-in (reference 2).

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Answer, World, answer};

const BACK: &str = "http://127.0.0.1:9/oauth/tribe/callback";

async fn token(world: &World, form: &[(&str, &str)]) -> Answer {
    answer(
        world
            .http
            .post(format!("{}/oauth2/token", world.base))
            .form(form)
            .send()
            .await
            .expect("an answer"),
    )
    .await
}

async fn authorize(
    world: &World,
    extra: &[(&str, &str)],
) -> (u16, BTreeMap<String, String>, String) {
    let config = world.config().await;
    let client = config["tribe"]["login_client_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let mut pairs = BTreeMap::from([
        ("client_id", client.as_str()),
        ("redirect_uri", BACK),
        ("state", "12345678"),
        ("response_type", "code"),
        ("scope", "read write offline"),
    ]);
    pairs.extend(extra.iter().copied());
    let response = world
        .http
        .get(format!("{}/oauth2/auth", world.base))
        .query(&pairs)
        .send()
        .await
        .expect("an answer");
    let status = response.status().as_u16();
    let location = response
        .headers()
        .get("location")
        .and_then(|v| v.to_str().ok())
        .and_then(|v| url::Url::parse(v).ok());
    let back = location
        .map(|url| url.query_pairs().into_owned().collect())
        .unwrap_or_default();
    (status, back, response.text().await.expect("a body"))
}

async fn client(world: &World, which: &str) -> (String, String) {
    let config = world.config().await;
    let text = |name: String| config["tribe"][name].as_str().expect("a text").to_owned();
    (
        text(format!("{which}client_id")),
        text(format!("{which}client_secret")),
    )
}

#[tokio::test]
async fn client_credentials_act_as_the_virtual_employee() {
    let world = World::start().await;
    let (id, secret) = client(&world, "").await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_secret", secret.as_str()),
        ("scope", "read write offline"),
    ];
    let (status, body) = token(&world, &form).await;
    assert_eq!(status, 200);
    assert_eq!(
        (body["token_type"].as_str(), &body["expires_in"]),
        (Some("bearer"), &json!(3600))
    );
    assert!(body.get("refresh_token").is_none());
    let url = format!("{}/v1/odata/GetCurrentEmployee()", world.base);
    let (status, employee) = answer(
        world
            .http
            .get(url)
            .bearer_auth(body["access_token"].as_str().expect("a token"))
            .send()
            .await
            .expect("an answer"),
    )
    .await;
    assert_eq!(
        (status, employee["Name"].as_str()),
        (200, Some("Tribelink API"))
    );
    for (change, status, error) in [
        (("client_secret", "wrong"), 401, "invalid_client"),
        (("client_id", "wrong"), 401, "invalid_client"),
        (("scope", "admin"), 400, "invalid_scope"),
        (("grant_type", "password"), 400, "invalid_grant"),
        (("grant_type", ""), 400, "invalid_request"),
    ] {
        let form: Vec<_> = form
            .iter()
            .map(|pair| if pair.0 == change.0 { change } else { *pair })
            .collect();
        let (got, body) = token(&world, &form).await;
        assert_eq!(
            (got, body["error"].as_str(), &body["status_code"]),
            (status, Some(error), &json!(status))
        );
    }
}

#[tokio::test]
async fn a_read_only_token_may_not_write() {
    let mut world = World::start().await;
    let (id, secret) = client(&world, "").await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_secret", secret.as_str()),
        ("scope", "read"),
    ];
    world.token = token(&world, &form).await.1["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    assert_eq!(world.get("Relation_Person?$top=1").await.0, 200);
    assert_eq!(
        world
            .post("Relation_Person", json!({"LastName": "A"}))
            .await
            .0,
        403
    );
    assert_eq!(
        world
            .send(
                Method::POST,
                "webhooks",
                json!({"entityType": "Relation.Person", "webhookUrl": "https://x.example/"})
            )
            .await
            .0,
        403
    );
}

#[tokio::test]
async fn an_employee_signs_in_with_one_form_post() {
    let world = World::start().await;
    let config = world.config().await;
    let (status, _, html) = authorize(&world, &[]).await;
    assert_eq!(status, 200);
    let address = config["mailboxes"][1]["address"]
        .as_str()
        .expect("an address");
    assert!(html.contains(address) && html.contains("name=\"login\""));
    let (id, secret) = client(&world, "login_").await;
    let form = [
        ("client_id", id.as_str()),
        ("redirect_uri", BACK),
        ("state", "12345678"),
        ("response_type", "code"),
        ("scope", "read write offline"),
        ("login", address),
        ("decision", "allow"),
    ];
    let response = world
        .http
        .post(format!("{}/oauth2/auth", world.base))
        .form(&form)
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), 302);
    let back =
        url::Url::parse(response.headers()["location"].to_str().expect("text")).expect("a URL");
    let pairs: BTreeMap<_, _> = back.query_pairs().into_owned().collect();
    assert_eq!(
        (pairs["state"].as_str(), pairs["scope"].as_str()),
        ("12345678", "read write offline")
    );
    let form = [
        ("grant_type", "authorization_code"),
        ("code", pairs["code"].as_str()),
        ("redirect_uri", BACK),
        ("client_id", &id),
        ("client_secret", &secret),
    ];
    let (status, body) = token(&world, &form).await;
    assert_eq!(status, 200);
    let url = format!(
        "{}/v1/odata/GetCurrentEmployee()?$expand=Person",
        world.base
    );
    let access = body["access_token"].as_str().expect("a token");
    let (_, employee) = answer(
        world
            .http
            .get(&url)
            .bearer_auth(access)
            .send()
            .await
            .expect("an answer"),
    )
    .await;
    assert_eq!(employee["ID"], config["mailboxes"][1]["employee_id"]);
    // Used twice: refused, and all that came of it is dead.
    let (status, again) = token(&world, &form).await;
    assert_eq!(
        (status, again["error"].as_str()),
        (400, Some("invalid_grant"))
    );
    assert_eq!(
        answer(
            world
                .http
                .get(&url)
                .bearer_auth(access)
                .send()
                .await
                .expect("an answer")
        )
        .await
        .0,
        401
    );
    let refresh = [
        ("grant_type", "refresh_token"),
        (
            "refresh_token",
            body["refresh_token"].as_str().expect("a token"),
        ),
        ("client_id", &id),
        ("client_secret", &secret),
    ];
    assert_eq!(token(&world, &refresh).await.0, 400);
}

#[tokio::test]
async fn refresh_tokens_rotate_and_expire() {
    let world = World::start().await;
    let (id, secret) = client(&world, "login_").await;
    let second = world.config().await["mailboxes"][2]["address"]
        .as_str()
        .expect("an address")
        .to_owned();
    let (status, back, _) = authorize(&world, &[("auto", "1"), ("login_hint", &second)]).await;
    assert_eq!(status, 302);
    let (_, first) = token(
        &world,
        &[
            ("grant_type", "authorization_code"),
            ("code", &back["code"]),
            ("redirect_uri", BACK),
            ("client_id", &id),
            ("client_secret", &secret),
        ],
    )
    .await;
    let refresh = async |name: &Value| {
        token(
            &world,
            &[
                ("grant_type", "refresh_token"),
                ("refresh_token", name.as_str().expect("a token")),
                ("client_id", &id),
                ("client_secret", &secret),
            ],
        )
        .await
    };
    let (status, second) = refresh(&first["refresh_token"]).await;
    assert_eq!(status, 200);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let (status, used) = refresh(&first["refresh_token"]).await;
    assert_eq!(
        (status, used["error"].as_str()),
        (400, Some("invalid_grant"))
    );
    world
        .control(
            Method::POST,
            "time",
            json!({"advance_seconds": 31 * 86_400}),
        )
        .await;
    let (status, old) = refresh(&second["refresh_token"]).await;
    assert_eq!(
        (status, old["error"].as_str()),
        (400, Some("invalid_request"))
    );
}

#[tokio::test]
async fn authorize_refuses_as_the_real_one() {
    let world = World::start().await;
    for (extra, error) in [
        (("state", "short"), "invalid_state"),
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "root"), "invalid_scope"),
    ] {
        let (status, back, _) = authorize(&world, &[extra]).await;
        assert_eq!((status, back["error"].as_str()), (302, error));
        assert!(back.contains_key("error_description") && back.contains_key("error_hint"));
    }
    assert_eq!(
        authorize(&world, &[("redirect_uri", "https://evil.example/")])
            .await
            .0,
        400
    );
    assert_eq!(
        authorize(
            &world,
            &[("redirect_uri", "http://127.0.0.1@evil.example/")]
        )
        .await
        .0,
        400
    );
    assert_eq!(authorize(&world, &[("client_id", "nobody")]).await.0, 401);
    assert_eq!(authorize(&world, &[("organization_id", "x")]).await.0, 500);
    world
        .control(Method::POST, "auto-consent", json!({"on": true}))
        .await;
    let (status, back, _) = authorize(&world, &[]).await;
    assert!(status == 302 && back.contains_key("code"));
    let (_, stranger, _) = authorize(&world, &[("login_hint", "stranger@example.com")]).await;
    assert_eq!(stranger["error"], "access_denied");
}
