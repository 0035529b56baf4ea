//! How an application proves itself, and what the token endpoint refuses (Graph reference 1).

use aws_lc_rs::{
    digest,
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::microsoft_sign_in::{BACK, field, returned, text};
use crate::office::{Office, Reply};

#[tokio::test]
async fn clients_prove_themselves() {
    let office = Office::start().await;
    let app = |more: &[(&'static str, String)]| {
        let mut form = vec![
            ("client_id", office.client_id.clone()),
            ("grant_type", "client_credentials".to_owned()),
            ("scope", "https://graph.microsoft.com/.default".to_owned()),
        ];
        form.extend(more.iter().cloned());
        form
    };
    let ask = async |form: Vec<(&'static str, String)>| {
        let pairs: Vec<(&str, &str)> = form
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        office.token(&pairs).await
    };
    let secret = [("client_secret", office.secret.clone())];
    let body = ask(app(&secret)).await.expect(200);
    assert!(body.get("refresh_token").is_none());
    let contacts = async |token: &str| {
        Reply::of(
            office
                .world
                .http
                .get(format!(
                    "{}/v1.0/users/{}/contacts",
                    office.world.base, office.mailbox
                ))
                .bearer_auth(token)
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    assert_eq!(contacts(text(&body, "access_token")).await.status, 200);
    assert_eq!(
        office.me(text(&body, "access_token")).await,
        400,
        "no /me without a user"
    );
    office
        .control(
            Method::POST,
            "graph/access-policy",
            json!({"mailboxes": []}),
        )
        .await;
    let denied = contacts(text(&body, "access_token")).await;
    assert_eq!(
        (denied.status, denied.body["error"]["message"].as_str()),
        (403, Some("Access to OData is disabled."))
    );
    // Every way of not being the client.
    let wrong = ask(app(&[("client_secret", "wrong".to_owned())])).await;
    assert_eq!(
        (
            wrong.status,
            &wrong.body["error"],
            &wrong.body["error_codes"]
        ),
        (401, &json!("invalid_client"), &json!([7_000_215]))
    );
    assert_eq!(ask(app(&[])).await.body["error_codes"], json!([7_000_218]));
    assert_eq!(
        ask(vec![("client_id", "x".to_owned())]).await.body["error"],
        "unauthorized_client"
    );
    let scope = vec![
        ("client_id", office.client_id.clone()),
        ("client_secret", office.secret.clone()),
        ("grant_type", "client_credentials".to_owned()),
        ("scope", "User.Read".to_owned()),
    ];
    assert_eq!(ask(scope).await.body["error"], "invalid_scope");
    let grant = vec![
        ("client_id", office.client_id.clone()),
        ("client_secret", office.secret.clone()),
        ("grant_type", "password".to_owned()),
    ];
    assert_eq!(ask(grant).await.body["error"], "unsupported_grant_type");
    let url = format!("{}/{}/oauth2/v2.0/token", office.world.base, office.tenant);
    let origin = office
        .world
        .http
        .post(&url)
        .header("origin", "https://app.example")
        .form(&app(&secret))
        .send()
        .await
        .unwrap();
    assert_eq!(
        Reply::of(origin).await.body["error_codes"],
        json!([9_002_326])
    );
    let basic = office
        .world
        .http
        .post(&url)
        .basic_auth(&office.client_id, Some(office.secret.replace('~', "%7E")))
        .form(&app(&[])[1..])
        .send()
        .await
        .unwrap();
    assert_eq!(basic.status(), 200);
    let elsewhere = office
        .world
        .http
        .post(url.replace(&office.tenant, "unknown.example"))
        .form(&app(&secret))
        .send()
        .await
        .unwrap();
    assert_eq!(
        Reply::of(elsewhere).await.body["error_codes"],
        json!([90002])
    );
    office
        .control(
            Method::POST,
            "microsoft/app",
            json!({"add_secret": "second", "expire_secret": office.secret}),
        )
        .await;
    assert_eq!(
        ask(app(&secret)).await.body["error_codes"],
        json!([7_000_222])
    );
    assert_eq!(
        ask(app(&[("client_secret", "second".to_owned())]))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_certificate_may_sign_instead() {
    let office = Office::start().await;
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let certificate =
        crate::graph_notify::certificate(pair.public_key().as_der().unwrap().as_ref());
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        base64::engine::general_purpose::STANDARD.encode(&certificate)
    );
    office
        .control(Method::POST, "microsoft/app", json!({"certificate": pem}))
        .await;
    let audience = format!("{}/{}/oauth2/v2.0/token", office.world.base, office.tenant);
    let now = office.world.running.ctx.lock().now_ms() / 1000;
    let assertion = |algorithm: &str, jti: &str, audience: &str, exp: i64| {
        let (name, thumbprint) = match algorithm {
            "PS256" => ("x5t#S256", digest::digest(&digest::SHA256, &certificate)),
            _ => (
                "x5t",
                digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate),
            ),
        };
        let header = json!({"alg": algorithm, "typ": "JWT", name: URL_SAFE_NO_PAD.encode(thumbprint.as_ref())});
        let claims = json!({"aud": audience, "iss": office.client_id, "sub": office.client_id, "jti": jti, "nbf": now, "iat": now, "exp": exp});
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let encoding: &'static dyn RsaEncoding = if algorithm == "PS256" {
            &RSA_PSS_SHA256
        } else {
            &RSA_PKCS1_SHA256
        };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(
            encoding,
            &SystemRandom::new(),
            signed.as_bytes(),
            &mut signature,
        )
        .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let ask = async |assertion: String| {
        office
            .token(&[
                ("client_id", &office.client_id),
                ("grant_type", "client_credentials"),
                ("scope", "https://graph.microsoft.com/.default"),
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ),
                ("client_assertion", &assertion),
            ])
            .await
    };
    let good = assertion("PS256", "1", &audience, now + 300);
    assert_eq!(ask(good.clone()).await.status, 200);
    assert_eq!(
        ask(good).await.body["error_codes"],
        json!([700_027]),
        "each is for one use"
    );
    assert_eq!(
        ask(assertion("RS256", "2", &audience, now + 300))
            .await
            .status,
        200
    );
    for bad in [
        assertion("PS256", "3", "https://else.example", now + 300),
        assertion("PS256", "4", &audience, now - 3600),
        "a.b.c".to_owned(),
        assertion("PS256", "5", &audience, now + 300).replacen("eyJ", "eyK", 1),
    ] {
        let refused = ask(bad).await;
        assert_eq!(
            (refused.status, &refused.body["error_codes"]),
            (401, &json!([700_027]))
        );
    }
}

#[tokio::test]
async fn the_token_endpoint_refuses_on_demand() {
    let office = Office::start().await;
    let body = office.redeem(&office.code().await, &[]).await.expect(200);
    let refresh = text(&body, "refresh_token");
    for (code, error, status) in [
        (50076, "interaction_required", 400),
        (700_082, "invalid_grant", 400),
        (53003, "interaction_required", 400),
        (7_000_222, "invalid_client", 401),
        (90033, "temporarily_unavailable", 503),
        (50196, "invalid_grant", 400),
    ] {
        office
            .control(
                Method::POST,
                "microsoft/refuse",
                json!({"mailbox": office.mailbox, "code": code, "count": 1}),
            )
            .await;
        let refused = office.refresh(refresh, &[]).await;
        assert_eq!(
            (
                refused.status,
                &refused.body["error"],
                &refused.body["error_codes"]
            ),
            (status, &json!(error), &json!([code]))
        );
        assert_eq!(
            refused.body["claims"].is_string(),
            error == "interaction_required"
        );
    }
    office
        .control(
            Method::POST,
            "microsoft/refuse",
            json!({"code": 65001, "error": "consent_required"}),
        )
        .await;
    let refused = office.refresh(refresh, &[]).await;
    assert_eq!(
        (&refused.body["error"], &refused.body["suberror"]),
        (&json!("consent_required"), &json!("consent_required"))
    );
    office
        .control(Method::DELETE, "microsoft/refuse", Value::Null)
        .await;
    assert_eq!(office.refresh(refresh, &[]).await.status, 200);
}

#[tokio::test]
async fn administrators_consent_for_all() {
    let office = Office::start().await;
    office
        .control(
            Method::POST,
            "microsoft/app",
            json!({"user_consent": false, "application_permission": false}),
        )
        .await;
    let blocked = office
        .authorize(&[("auto", "1"), ("login_hint", &office.mailbox)])
        .await;
    assert!(
        field(&blocked, "error_description").starts_with("AADSTS90094"),
        "{blocked:?}"
    );
    let url = |tenant: &str, auto: &str| {
        format!(
            "{}/{tenant}/v2.0/adminconsent?client_id={}&scope=https://graph.microsoft.com/.default&redirect_uri={BACK}&state=st&auto={auto}",
            office.world.base, office.client_id
        )
    };
    assert_eq!(
        office
            .world
            .http
            .get(url("common", "1"))
            .send()
            .await
            .unwrap()
            .status(),
        400
    );
    let form = office
        .world
        .http
        .get(url(&office.tenant, ""))
        .send()
        .await
        .unwrap();
    assert_eq!(form.status(), 200);
    let denied = office
        .world
        .http
        .post(url(&office.tenant, ""))
        .form(&json!({"decision": "deny"}))
        .send()
        .await
        .unwrap();
    assert_eq!(field(&returned(&denied), "error"), "access_denied");
    let fields = returned(
        &office
            .world
            .http
            .get(url("organizations", "1"))
            .send()
            .await
            .unwrap(),
    );
    assert_eq!(
        (
            field(&fields, "admin_consent"),
            field(&fields, "tenant"),
            field(&fields, "state")
        ),
        ("True", office.tenant.as_str(), "st")
    );
    assert!(!office.code().await.is_empty());
    let app = office
        .token(&[
            ("client_id", &office.client_id),
            ("client_secret", &office.secret),
            ("grant_type", "client_credentials"),
            ("scope", "https://graph.microsoft.com/.default"),
        ])
        .await;
    assert_eq!(app.status, 200);
}
