//! The identity platform (Graph reference 1).

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may fail like the tests themselves"
)]

use aws_lc_rs::{
    digest,
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::Method;
use serde_json::{Value, json};

use crate::office::{Office, Reply, SCOPE, claims};

const BACK: &str = "http://127.0.0.1:9/back";
const VERIFIER: &str = "0123456789012345678901234567890123456789abc";

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, VERIFIER.as_bytes()).as_ref())
}

/// Checks a JWT's signature against the JWKS.
pub(crate) async fn verify(office: &Office, token: &str) {
    let url = format!(
        "{}/{}/discovery/v2.0/keys",
        office.world.base, office.tenant
    );
    let jwks: Value = office
        .world
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let key = jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == json!(header.kid))
        .expect("the kid");
    let key =
        DecodingKey::from_rsa_components(key["n"].as_str().unwrap(), key["e"].as_str().unwrap())
            .unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[&office.client_id]);
    validation.set_issuer(&[format!("{}/{}/v2.0", office.world.base, office.tenant)]);
    jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap();
}

impl Office {
    fn authorize_url(&self, more: &[(&str, &str)]) -> String {
        let mut url = reqwest::Url::parse(&format!(
            "{}/{}/oauth2/v2.0/authorize",
            self.world.base, self.tenant
        ))
        .unwrap();
        let challenge = challenge();
        let mut fields = vec![
            ("client_id", self.client_id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", BACK),
            ("scope", SCOPE),
            ("state", "st"),
            ("nonce", "no"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in more {
            fields.retain(|(known, _)| known != name);
            fields.push((name, value));
        }
        url.query_pairs_mut()
            .extend_pairs(fields.iter().filter(|(_, value)| !value.is_empty()));
        url.into()
    }

    /// Fields that came back to the app.
    async fn authorize(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let answer = self
            .world
            .http
            .get(self.authorize_url(more))
            .send()
            .await
            .unwrap();
        returned(&answer)
    }

    async fn code(&self) -> String {
        let fields = self
            .authorize(&[("auto", "1"), ("login_hint", &self.mailbox)])
            .await;
        field(&fields, "code").to_owned()
    }

    async fn redeem(&self, code: &str, more: &[(&str, &str)]) -> Reply {
        let mut form = vec![
            ("client_id", self.client_id.as_str()),
            ("client_secret", &self.secret),
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
        ];
        for (name, value) in more {
            form.retain(|(known, _)| known != name);
            form.push((name, value));
        }
        form.retain(|(_, value)| !value.is_empty());
        self.token(&form).await
    }

    async fn refresh(&self, token: &str, more: &[(&str, &str)]) -> Reply {
        let mut form = vec![
            ("client_id", self.client_id.as_str()),
            ("client_secret", &self.secret),
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
        ];
        form.extend(more);
        self.token(&form).await
    }

    async fn me(&self, token: &str) -> u16 {
        self.world
            .http
            .get(format!("{}/v1.0/me", self.world.base))
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }
}

fn returned(answer: &reqwest::Response) -> Vec<(String, String)> {
    assert_eq!(answer.status(), 302);
    let place = answer.headers()["location"].to_str().unwrap();
    assert!(place.starts_with(BACK), "{place}");
    let url = reqwest::Url::parse(&place.replace('#', "?")).unwrap();
    url.query_pairs().into_owned().collect()
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields
        .iter()
        .find(|(known, _)| known == name)
        .map_or("", |(_, value)| value)
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} in {body}"))
}

#[tokio::test]
async fn a_sign_in_gives_tokens_that_verify() {
    let office = Office::start().await;
    let fields = office
        .authorize(&[("auto", "1"), ("login_hint", &office.mailbox)])
        .await;
    assert_eq!(field(&fields, "state"), "st");
    let reply = office
        .redeem(field(&fields, "code"), &[("client_info", "1")])
        .await;
    assert!(reply.header("cache-control").contains("no-store"));
    let body = reply.expect(200);
    assert_eq!(
        (&body["token_type"], &body["scope"], &body["expires_in"]),
        (&json!("Bearer"), &json!(SCOPE), &json!(3599))
    );
    assert_eq!(office.me(text(&body, "access_token")).await, 200);
    verify(&office, text(&body, "id_token")).await;
    let id = claims(text(&body, "id_token"));
    assert_eq!(
        (
            &id["oid"],
            &id["tid"],
            &id["nonce"],
            &id["preferred_username"]
        ),
        (
            &json!(office.user_id),
            &json!(office.tenant),
            &json!("no"),
            &json!(office.mailbox)
        )
    );
    assert_ne!(id["sub"], id["oid"], "sub is pairwise");
    let info: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text(&body, "client_info")).unwrap())
            .unwrap();
    assert_eq!(info, json!({"uid": office.user_id, "utid": office.tenant}));
}

#[tokio::test]
async fn scopes_decide_what_comes() {
    let office = Office::start().await;
    let fields = office
        .authorize(&[
            ("auto", "1"),
            ("login_hint", &office.mailbox),
            ("scope", "https://graph.microsoft.com/User.Read"),
        ])
        .await;
    let body = office.redeem(field(&fields, "code"), &[]).await.expect(200);
    assert!(body.get("id_token").is_none() && body.get("refresh_token").is_none());
    assert_eq!(
        body["scope"], "https://graph.microsoft.com/User.Read",
        "names come back as asked"
    );
    let token = text(&body, "access_token").to_owned();
    assert_eq!(office.me(&token).await, 200);
    let contacts = office
        .world
        .http
        .get(format!("{}/v1.0/me/contacts", office.world.base))
        .bearer_auth(&token);
    assert_eq!(
        Reply::of(contacts.send().await.unwrap()).await.code(),
        "ErrorAccessDenied"
    );
}

#[tokio::test]
async fn the_form_is_one_post() {
    let office = Office::start().await;
    let url = office.authorize_url(&[("login_hint", &office.mailbox)]);
    let page = office.world.http.get(&url).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(
        page.contains("<form method=\"post\"")
            && page.contains(&office.mailbox)
            && page.contains(" selected"),
        "{page}"
    );
    let post = |fields: Value| office.world.http.post(&url).form(&fields).send();
    let answer = post(json!({"login": office.mailbox, "decision": "allow"}))
        .await
        .unwrap();
    assert!(!field(&returned(&answer), "code").is_empty());
    let answer = post(json!({"login": office.mailbox, "decision": "deny"}))
        .await
        .unwrap();
    let fields = returned(&answer);
    assert_eq!(
        (field(&fields, "error"), field(&fields, "state")),
        ("access_denied", "st")
    );
    let again = post(json!({"login": "nobody@x.example"})).await.unwrap();
    assert_eq!(again.status(), 200);
    assert!(again.text().await.unwrap().contains("There is no account"));
    office
        .control(Method::POST, "auto-consent", json!({"on": true}))
        .await;
    assert!(
        !field(
            &office.authorize(&[("login_hint", &office.mailbox)]).await,
            "code"
        )
        .is_empty()
    );
}

#[tokio::test]
async fn modes_and_refusals_of_authorize() {
    let office = Office::start().await;
    let signed = [("auto", "1"), ("login_hint", office.mailbox.as_str())];
    let with = |more: &[(&'static str, &'static str)]| [&signed[..], more].concat();
    for (more, error) in [
        (
            with(&[("response_type", "token")]),
            "unsupported_response_type",
        ),
        (with(&[("scope", "")]), "invalid_request"),
        (
            with(&[("code_challenge_method", "plain")]),
            "invalid_request",
        ),
        (vec![("prompt", "none")], "login_required"),
        (with(&[("prompt", "none")]), "interaction_required"),
    ] {
        let fields = office.authorize(&more).await;
        assert_eq!(
            (field(&fields, "error"), field(&fields, "state")),
            (error, "st")
        );
        assert!(!field(&fields, "error_description").is_empty());
    }
    let page = office
        .world
        .http
        .get(office.authorize_url(&with(&[("response_mode", "form_post")])))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains(&format!("action=\"{BACK}\"")) && page.contains("name=\"code\""),
        "{page}"
    );
    let answer = office
        .world
        .http
        .get(office.authorize_url(&with(&[("response_mode", "fragment")])))
        .send()
        .await
        .unwrap();
    assert!(
        answer.headers()["location"]
            .to_str()
            .unwrap()
            .contains("#code=")
    );
    assert!(
        !field(
            &office.authorize(&with(&[("prompt", "none")])).await,
            "code"
        )
        .is_empty(),
        "consent is remembered"
    );
    for (more, code) in [
        (
            [("redirect_uri", "https://evil.example/back")],
            "AADSTS50011",
        ),
        ([("client_id", "unknown")], "AADSTS700016"),
    ] {
        let stop = office
            .world
            .http
            .get(office.authorize_url(&more))
            .send()
            .await
            .unwrap();
        assert_eq!(stop.status(), 400);
        assert!(stop.text().await.unwrap().contains(code));
    }
    let common = office
        .authorize_url(&signed)
        .replace(&office.tenant, "common");
    assert!(
        office
            .world
            .http
            .get(common)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("AADSTS50194")
    );
}

#[tokio::test]
async fn codes_are_single_use_short_lived_and_bound() {
    let office = Office::start().await;
    let code = office.code().await;
    let body = office.redeem(&code, &[]).await.expect(200);
    let again = office.redeem(&code, &[]).await;
    assert_eq!(
        (
            again.status,
            &again.body["error"],
            &again.body["error_codes"]
        ),
        (400, &json!("invalid_grant"), &json!([54005]))
    );
    for name in ["timestamp", "trace_id", "correlation_id"] {
        assert!(again.body[name].is_string(), "{name}");
    }
    assert!(text(&again.body, "error_description").starts_with("AADSTS54005: "));
    assert_eq!(
        office.me(text(&body, "access_token")).await,
        401,
        "a code used twice revokes its tokens"
    );
    assert_eq!(
        office.refresh(text(&body, "refresh_token"), &[]).await.body["error"],
        "invalid_grant"
    );
    for (more, number) in [
        ([("code_verifier", "wrong")], 501_481),
        ([("redirect_uri", "http://127.0.0.1:9/else")], 500_112),
    ] {
        assert_eq!(
            office.redeem(&office.code().await, &more).await.body["error_codes"],
            json!([number])
        );
    }
    let late = office.code().await;
    office
        .control(Method::POST, "time", json!({"advance_ms": 11 * 60_000}))
        .await;
    assert_eq!(
        office.redeem(&late, &[]).await.body["error_codes"],
        json!([70008])
    );
}

#[tokio::test]
async fn refresh_tokens_rotate_and_the_old_one_stays() {
    let office = Office::start().await;
    let first = office.redeem(&office.code().await, &[]).await.expect(200);
    let old = text(&first, "refresh_token").to_owned();
    let second = office.refresh(&old, &[]).await.expect(200);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    office.refresh(&old, &[]).await.expect(200);
    let narrow = office
        .refresh(&old, &[("scope", "User.Read")])
        .await
        .expect(200);
    assert_eq!(narrow["scope"], "User.Read");
    assert_eq!(
        office
            .refresh(text(&narrow, "refresh_token"), &[])
            .await
            .expect(200)["scope"],
        SCOPE,
        "narrowing is for one token"
    );
    assert_eq!(
        office.refresh(&old, &[("scope", "Mail.Read")]).await.body["error_codes"],
        json!([65001])
    );
    office
        .control(
            Method::POST,
            "time",
            json!({"advance_ms": 91_i64 * 24 * 3_600_000}),
        )
        .await;
    assert_eq!(
        office.refresh(&old, &[]).await.body["error_codes"],
        json!([700_082])
    );
}

#[tokio::test]
async fn revoking_and_expiring_are_different() {
    let office = Office::start().await;
    let body = office.redeem(&office.code().await, &[]).await.expect(200);
    let (access, refresh) = (text(&body, "access_token"), text(&body, "refresh_token"));
    office
        .control(
            Method::POST,
            "microsoft/expire",
            json!({"mailbox": office.mailbox}),
        )
        .await;
    assert_eq!(office.me(access).await, 401);
    let fresh = office.refresh(refresh, &[]).await.expect(200);
    assert_eq!(office.me(text(&fresh, "access_token")).await, 200);
    office
        .control(
            Method::POST,
            "microsoft/revoke",
            json!({"mailbox": office.mailbox}),
        )
        .await;
    assert_eq!(office.me(text(&fresh, "access_token")).await, 401);
    assert_eq!(
        office.refresh(refresh, &[]).await.body["error_codes"],
        json!([50173])
    );
    assert_eq!(
        office
            .world
            .control(
                Method::POST,
                "microsoft/revoke",
                json!({"mailbox": "nobody"})
            )
            .await
            .0,
        404
    );
}

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

#[tokio::test]
async fn discovery_knows_the_tenant_by_both_names() {
    let office = Office::start().await;
    let domain = office.mailbox.split('@').nth(1).unwrap().to_owned();
    let issuer = format!("{}/{}/v2.0", office.world.base, office.tenant);
    let document = async |tenant: &str| {
        let url = format!(
            "{}/{tenant}/v2.0/.well-known/openid-configuration",
            office.world.base
        );
        Reply::of(office.world.http.get(url).send().await.unwrap()).await
    };
    for tenant in [office.tenant.as_str(), domain.as_str()] {
        let found = document(tenant).await.expect(200);
        assert_eq!(found["issuer"], json!(issuer));
        assert_eq!(
            found["token_endpoint"],
            format!("{}/{tenant}/oauth2/v2.0/token", office.world.base)
        );
        assert_eq!(found["subject_types_supported"], json!(["pairwise"]));
    }
    assert_eq!(
        document("common").await.expect(200)["issuer"],
        format!("{}/{{tenantid}}/v2.0", office.world.base)
    );
    assert_eq!(document("unknown.example").await.status, 400);
}
