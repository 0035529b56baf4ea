//! The identity platform (Graph reference 1).

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may fail like the tests themselves"
)]

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::Method;
use serde_json::{Value, json};

use crate::office::{Office, Reply, SCOPE, claims};

pub(crate) const BACK: &str = "http://127.0.0.1:9/back";
const VERIFIER: &str = "0123456789012345678901234567890123456789abc";

pub(crate) fn challenge() -> String {
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
    pub(crate) fn authorize_url(&self, more: &[(&str, &str)]) -> String {
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
    pub(crate) async fn authorize(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let answer = self
            .world
            .http
            .get(self.authorize_url(more))
            .send()
            .await
            .unwrap();
        returned(&answer)
    }

    pub(crate) async fn code(&self) -> String {
        let fields = self
            .authorize(&[("auto", "1"), ("login_hint", &self.mailbox)])
            .await;
        field(&fields, "code").to_owned()
    }

    pub(crate) async fn redeem(&self, code: &str, more: &[(&str, &str)]) -> Reply {
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

    pub(crate) async fn refresh(&self, token: &str, more: &[(&str, &str)]) -> Reply {
        let mut form = vec![
            ("client_id", self.client_id.as_str()),
            ("client_secret", &self.secret),
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
        ];
        form.extend(more);
        self.token(&form).await
    }

    pub(crate) async fn me(&self, token: &str) -> u16 {
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

pub(crate) fn returned(answer: &reqwest::Response) -> Vec<(String, String)> {
    assert_eq!(answer.status(), 302);
    let place = answer.headers()["location"].to_str().unwrap();
    assert!(place.starts_with(BACK), "{place}");
    let url = reqwest::Url::parse(&place.replace('#', "?")).unwrap();
    url.query_pairs().into_owned().collect()
}

pub(crate) fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields
        .iter()
        .find(|(known, _)| known == name)
        .map_or("", |(_, value)| value)
}

pub(crate) fn text<'a>(body: &'a Value, name: &str) -> &'a str {
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
