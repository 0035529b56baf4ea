//! Microsoft's sign-in: codes, refreshes, and who signed in.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, jwk::Jwk};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tribelink::{
    graph::{
        Authorize, Identity, Issued, SignIn,
        sign_in::{Certificate, Credential, Platform, Settings, challenge},
    },
    random::SystemRandom,
    remote::{Error, Silent},
};

use crate::clients_server::{Reply, START_MS, Seen, Server, StillClock, json, status, with_header};

const TENANT: &str = "b724d383-bb70-480a-b03d-512b9aaec15a";
const CLIENT: &str = "11111111-bb70-480a-b03d-512b9aaec15a";
const REDIRECT: &str = "https://tribelink.example/oauth/microsoft/callback";

/// RSA keys, made once: it takes a while.
fn pem(which: usize) -> &'static str {
    static KEYS: OnceLock<Vec<String>> = OnceLock::new();
    let make = || {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    };
    &KEYS.get_or_init(|| (0..2).map(|_| make()).collect())[which]
}

fn key(which: usize) -> EncodingKey {
    EncodingKey::from_rsa_pem(pem(which).as_bytes()).unwrap()
}

fn public(which: usize, kid: &str) -> Value {
    let mut jwk = Jwk::from_encoding_key(&key(which), Algorithm::RS256).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    serde_json::to_value(jwk).unwrap()
}

/// What the sign-in answers with: the published keys, and the next id_token.
struct Microsoft {
    keys: Mutex<Value>,
    id_token: Mutex<String>,
}

impl Microsoft {
    fn answer(&self, seen: &Seen) -> Reply {
        let end = seen.path.strip_prefix(&format!("/{TENANT}")).unwrap();
        match end {
            "/v2.0/.well-known/openid-configuration" => json(
                200,
                &json!({"issuer": issuer(), "jwks_uri": seen.here(&format!("/{TENANT}/discovery/v2.0/keys"))}),
            ),
            "/discovery/v2.0/keys" => json(200, &json!({"keys": *self.keys.lock().unwrap()})),
            "/oauth2/v2.0/token" => json(
                200,
                &json!({"token_type": "Bearer", "scope": "x", "expires_in": 3599,
                        "access_token": "access", "refresh_token": "refresh",
                        "id_token": *self.id_token.lock().unwrap()}),
            ),
            _ => status(404),
        }
    }
}

fn issuer() -> String {
    format!("https://login.microsoftonline.com/{TENANT}/v2.0")
}

fn claims() -> Value {
    let now = START_MS / 1000;
    json!({"aud": CLIENT, "iss": issuer(), "tid": TENANT, "oid": "object", "nonce": "nonce",
           "iat": now, "nbf": now, "exp": now + 3600, "preferred_username": "bo@us.example"})
}

fn sign(which: usize, kid: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(kid.to_owned());
    jsonwebtoken::encode(&header, claims, &key(which)).unwrap()
}

async fn microsoft() -> (Arc<Microsoft>, Server) {
    let microsoft = Arc::new(Microsoft {
        keys: Mutex::new(
            json!([public(0, "one"), {"kty": "EC", "crv": "P-256", "x": "", "y": "", "kid": "ec"}]),
        ),
        id_token: Mutex::new(sign(0, "one", &claims())),
    });
    let answering = Arc::clone(&microsoft);
    let server = Server::start(move |seen| answering.answer(seen)).await;
    (microsoft, server)
}

fn platform(server: &Server, clock: &Arc<StillClock>, credential: Credential) -> Platform {
    Platform::new(
        Settings {
            login_url: server.url.clone(),
            tenant: TENANT.to_owned(),
            client_id: CLIENT.to_owned(),
            credential,
        },
        server.transport(),
        clock.clone(),
        Arc::new(SystemRandom),
        Arc::new(Silent),
    )
    .unwrap()
}

fn secret() -> Credential {
    Credential::Secret("s&cret".into())
}

async fn exchange(platform: &Platform) -> Result<(Issued, Identity), Error> {
    platform
        .exchange("code", &"verifier".into(), "nonce", REDIRECT)
        .await
}

fn refused(what: &str) -> Option<Error> {
    Some(Error::Rejected {
        status: 0,
        code: format!("id_token_{what}"),
    })
}

#[tokio::test]
async fn a_browser_is_sent_with_everything() {
    let (_, server) = microsoft().await;
    let platform = platform(&server, &StillClock::new(), secret());
    let mut authorize = Authorize {
        state: "state",
        nonce: "nonce",
        challenge: &challenge(&"verifier".into()),
        login_hint: Some("bo@us.example"),
        redirect_uri: REDIRECT,
        prompt: None,
        identity_only: false,
    };
    let url = platform.authorize_url(&authorize).unwrap();
    assert_eq!(url.path(), format!("/{TENANT}/oauth2/v2.0/authorize"));
    let pairs: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    for (name, value) in [
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("response_mode", "query"),
        ("redirect_uri", REDIRECT),
        ("state", "state"),
        ("nonce", "nonce"),
        ("code_challenge_method", "S256"),
        ("login_hint", "bo@us.example"),
        (
            "scope",
            "openid profile offline_access User.Read Contacts.ReadWrite",
        ),
    ] {
        assert_eq!(pairs[name], value, "{name}");
    }
    authorize.prompt = Some("select_account");
    let url = platform.authorize_url(&authorize).unwrap();
    assert!(!url.as_str().contains("login_hint"));
    assert!(url.as_str().contains("prompt=select_account"));
}

#[tokio::test]
async fn a_code_becomes_tokens_and_an_identity() {
    let (_, server) = microsoft().await;
    let platform = platform(&server, &StillClock::new(), secret());
    let (issued, identity) = exchange(&platform).await.unwrap();
    assert_eq!(issued.access.expose_secret(), "access");
    assert_eq!(issued.refresh.unwrap().expose_secret(), "refresh");
    assert_eq!(issued.expires_in, 3599);
    assert_eq!(
        (identity.tenant.as_str(), identity.object.as_str()),
        (TENANT, "object")
    );
    assert_eq!(identity.address.as_deref(), Some("bo@us.example"));
    let form = &server.calls_to("/token")[0];
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("code", "code"),
        ("code_verifier", "verifier"),
        ("redirect_uri", REDIRECT),
        ("client_id", CLIENT),
        ("client_secret", "s&cret"),
    ] {
        assert_eq!(form.form(name).as_deref(), Some(value), "{name}");
    }
    exchange(&platform).await.unwrap();
    assert_eq!(server.calls_to("/keys").len(), 1, "the keys are kept");
}

#[tokio::test]
async fn new_keys_are_fetched_once_and_not_too_often() {
    let (microsoft, server) = microsoft().await;
    let clock = StillClock::new();
    let platform = platform(&server, &clock, secret());
    exchange(&platform).await.unwrap();
    *microsoft.keys.lock().unwrap() = json!([public(1, "two")]);
    *microsoft.id_token.lock().unwrap() = sign(1, "two", &claims());
    exchange(&platform).await.unwrap();
    assert_eq!(server.calls_to("/keys").len(), 2);
    *microsoft.id_token.lock().unwrap() = sign(0, "three", &claims());
    for _ in 0..3 {
        assert_eq!(exchange(&platform).await.err(), refused("kid"));
    }
    assert_eq!(
        server.calls_to("/keys").len(),
        2,
        "not again within a minute"
    );
    *microsoft.keys.lock().unwrap() = json!([public(0, "three")]);
    clock.advance(60_000);
    exchange(&platform).await.unwrap();
    assert_eq!(server.calls_to("/keys").len(), 3);
    *microsoft.id_token.lock().unwrap() = sign(1, "two", &claims());
    assert_eq!(
        exchange(&platform).await.err(),
        refused("kid"),
        "the old key is gone"
    );
}

#[tokio::test]
async fn an_id_token_for_somebody_else_is_refused() {
    let (microsoft, server) = microsoft().await;
    let platform = platform(&server, &StillClock::new(), secret());
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        sign(0, "one", &claims)
    };
    let past = START_MS / 1000 - 301;
    let hmac = {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("one".to_owned());
        jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(b"x")).unwrap()
    };
    let unsigned = {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({"alg": "none", "kid": "one"});
        format!("{}.{}.", part(&header), part(&claims()))
    };
    for (token, what) in [
        (with("aud", json!("another")), "aud"),
        (with("tid", json!(CLIENT)), "tid"),
        (
            with("iss", json!("https://login.microsoftonline.com/x/v2.0")),
            "iss",
        ),
        (with("nonce", json!("another")), "nonce"),
        (with("exp", json!(past)), "exp"),
        (with("oid", Value::Null), "form"),
        (sign(1, "one", &claims()), "signature"),
        (hmac, "alg"),
        (unsigned, "form"),
        ("x".to_owned(), "form"),
    ] {
        *microsoft.id_token.lock().unwrap() = token;
        assert_eq!(exchange(&platform).await.err(), refused(what), "{what}");
    }
}

#[tokio::test]
async fn a_certificate_signs_instead_of_a_secret() {
    let (_, server) = microsoft().await;
    let der = b"not looked into, only hashed";
    let certificate = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(der)
    );
    let certificate = Certificate::from_pem(&certificate, &pem(1).into()).unwrap();
    let platform = platform(
        &server,
        &StillClock::new(),
        Credential::Certificate(certificate),
    );
    let issued = platform.refresh(&"old".into()).await.unwrap();
    assert_eq!(issued.refresh.unwrap().expose_secret(), "refresh");
    let form = &server.calls_to("/token")[0];
    assert_eq!(form.form("client_secret"), None);
    assert_eq!(form.form("refresh_token").as_deref(), Some("old"));
    assert_eq!(
        form.form("client_assertion_type").as_deref(),
        Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    );
    let assertion = form.form("client_assertion").unwrap();
    let key: Jwk = serde_json::from_value(public(1, "x")).unwrap();
    let mut validation = Validation::new(Algorithm::PS256);
    let token_url = server
        .url
        .join(&format!("/{TENANT}/oauth2/v2.0/token"))
        .unwrap();
    validation.set_audience(&[token_url.as_str()]);
    validation.validate_exp = false;
    let decoded = jsonwebtoken::decode::<Value>(
        &assertion,
        &DecodingKey::from_jwk(&key).unwrap(),
        &validation,
    )
    .unwrap();
    let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, der));
    assert_eq!(decoded.header.x5t_s256, Some(thumbprint));
    assert_eq!(decoded.claims["iss"], CLIENT);
    assert_eq!(decoded.claims["sub"], CLIENT);
    assert_eq!(decoded.claims["exp"], START_MS / 1000 + 600);
}

#[tokio::test]
async fn refusals_of_a_refresh_say_who_must_act() {
    let told = |answer: fn() -> Reply| async move {
        let server = Server::start(move |_| answer()).await;
        let platform = platform(&server, &StillClock::new(), secret());
        platform.refresh(&"old".into()).await.err().unwrap()
    };
    let gone = told(|| {
        let text = "AADSTS70008: The refresh token of bo@us.example has expired.\r\nTrace ID: x";
        json(
            400,
            &json!({"error": "invalid_grant", "error_description": text, "error_codes": [70008]}),
        )
    });
    assert_eq!(
        gone.await,
        Error::ConsentNeeded("invalid_grant (AADSTS70008)".to_owned())
    );
    let application = told(|| json(401, &json!({"error": "invalid_client"}))).await;
    assert_eq!(application, Error::Application("invalid_client".to_owned()));
    let busy = told(|| with_header(429, "retry-after", "2")).await;
    assert_eq!(
        busy,
        Error::Throttled {
            after: Some(Duration::from_secs(2))
        }
    );
    assert!(matches!(told(|| status(502)).await, Error::Transient(_)));
    let unavailable = told(|| json(400, &json!({"error": "temporarily_unavailable"}))).await;
    assert!(matches!(unavailable, Error::Transient(_)));
    assert!(matches!(
        told(|| json(400, &json!("odd"))).await,
        Error::Unusable(_)
    ));
}

#[tokio::test]
async fn only_one_tenant_will_do() {
    let (_, server) = microsoft().await;
    for tenant in ["common", "Organizations", "consumers", "", "a/b", "a?b"] {
        let settings = Settings {
            login_url: server.url.clone(),
            tenant: tenant.to_owned(),
            client_id: CLIENT.to_owned(),
            credential: secret(),
        };
        let made = Platform::new(
            settings,
            server.transport(),
            StillClock::new(),
            Arc::new(SystemRandom),
            Arc::new(Silent),
        );
        assert!(made.is_err(), "{tenant}");
    }
}
