//! Who signed in: an id_token checked against its issuer's keys (Graph reference 1.6).

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

use super::Identity;
use crate::{
    clock::Clock,
    remote::{
        Error, Observer, Remote, Request, Transport,
        answer::{self, Act},
    },
};

/// How long a request for keys may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Keys are fetched anew after a day, as Microsoft advises.
const KEEP_MS: i64 = 24 * 60 * 60 * 1000;

/// Where they cannot be, the former ones count for two days more.
const KEEP_AT_MOST_MS: i64 = 3 * KEEP_MS;

/// An unknown key id has the keys fetched anew at most this often.
const AGAIN_MS: i64 = 60_000;

/// Clocks may differ by this much.
pub(super) const LEEWAY_SECS: i64 = 300;

/// The discovery document, as far as it counts.
#[derive(Clone, Deserialize)]
pub(super) struct Discovery {
    pub(super) issuer: String,
    jwks_uri: Url,
    pub(super) authorization_endpoint: Option<Url>,
    pub(super) token_endpoint: Option<Url>,
}

#[derive(Default)]
struct Cache {
    discovery: Option<Discovery>,
    keys: HashMap<String, DecodingKey>,
    fetched_ms: i64,
    /// When an unknown key id last had the keys fetched.
    asked_again_ms: Option<i64>,
}

/// The keys of one tenant, cached.
pub struct Keys {
    discovery_url: Url,
    pub(super) tenant: String,
    client_id: String,
    remote: Remote,
    transport: Arc<dyn Transport>,
    pub(super) clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    cache: Mutex<Cache>,
}

/// The claims that are looked at. `aud` is checked with the signature.
#[derive(Clone, Deserialize)]
struct Claims {
    iss: String,
    tid: String,
    oid: String,
    exp: i64,
    nbf: Option<i64>,
    nonce: Option<String>,
    preferred_username: Option<String>,
    email: Option<String>,
}

pub(super) fn refused(what: &str) -> Error {
    Error::Rejected {
        status: 0,
        code: format!("id_token_{what}"),
    }
}

impl Keys {
    /// The keys that the discovery document of this address leads to.
    pub fn new(
        discovery_url: Url,
        tenant: &str,
        client_id: &str,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Keys {
        Keys {
            discovery_url,
            tenant: tenant.to_owned(),
            client_id: client_id.to_owned(),
            remote: Remote::MicrosoftSignIn,
            transport,
            clock,
            observer,
            cache: Mutex::default(),
        }
    }

    /// The same for any issuer that administrators sign in at.
    pub(super) fn of_issuer(
        discovery_url: Url,
        client_id: &str,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Keys {
        Keys {
            remote: Remote::Login,
            ..Keys::new(discovery_url, "", client_id, transport, clock, observer)
        }
    }

    /// The discovery document, as last fetched.
    pub(super) async fn discovery(&self) -> Result<Discovery, Error> {
        let mut cache = self.cache.lock().await;
        let now = self.clock.now_ms();
        if cache.discovery.is_none() || now - cache.fetched_ms >= KEEP_MS {
            self.fetch(&mut cache, now).await?;
        }
        let known = cache.discovery.clone();
        known.ok_or_else(|| Error::Unusable("discovery".to_owned()))
    }

    /// Checks an id_token of any issuer: RS256 by one of its keys, `aud`, `azp`, `iss`, `exp`, `nbf`,
    /// nonce. Answers every claim.
    ///
    /// # Errors
    /// As [`Keys::identity`].
    pub(super) async fn claims_of(
        &self,
        id_token: &str,
        nonce: &str,
    ) -> Result<serde_json::Map<String, Value>, Error> {
        let (key, issuer) = self.key_of(id_token).await?;
        let claims: serde_json::Map<String, Value> = self.claims(id_token, &key)?;
        let now_secs = self.clock.now_ms() / 1_000;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let number = |name: &str| claims.get(name).and_then(Value::as_i64);
        if text("iss") != Some(issuer.as_str()) {
            return Err(refused("iss"));
        }
        let several = claims.get("aud").and_then(Value::as_array);
        let several = several.is_some_and(|audiences| audiences.len() > 1);
        let azp = text("azp");
        if azp.is_some_and(|azp| azp != self.client_id) || several && azp.is_none() {
            return Err(refused("azp"));
        }
        let expires = number("exp").ok_or_else(|| refused("exp"))?;
        if now_secs >= expires.saturating_add(LEEWAY_SECS) {
            return Err(refused("exp"));
        }
        if number("nbf").is_some_and(|nbf| now_secs.saturating_add(LEEWAY_SECS) < nbf) {
            return Err(refused("nbf"));
        }
        if nonce.is_empty() || text("nonce") != Some(nonce) {
            return Err(refused("nonce"));
        }
        Ok(claims)
    }

    /// Checks an id_token: RS256 by a key of the tenant, `aud`, `iss`, `tid`, `exp`, `nbf`, nonce.
    ///
    /// # Errors
    /// [`Error::Rejected`] with a code that names the claim; [`Error::Transient`] where the keys
    /// could not be had. The code of the sign-in is used up either way.
    pub async fn identity(&self, id_token: &str, nonce: &str) -> Result<Identity, Error> {
        let (key, issuer) = self.key_of(id_token).await?;
        let claims: Claims = self.claims(id_token, &key)?;
        check(
            &claims,
            &self.tenant,
            &issuer,
            nonce,
            self.clock.now_ms() / 1000,
        )?;
        Ok(Identity {
            tenant: claims.tid,
            object: claims.oid,
            address: claims.preferred_username.or(claims.email),
        })
    }

    /// The key that a token names, which must be RS256, and the issuer that goes with it.
    pub(super) async fn key_of(&self, id_token: &str) -> Result<(DecodingKey, String), Error> {
        let header = jsonwebtoken::decode_header(id_token).map_err(|_| refused("form"))?;
        if header.alg != Algorithm::RS256 {
            return Err(refused("alg"));
        }
        let kid = header.kid.ok_or_else(|| refused("kid"))?;
        self.key(&kid).await
    }

    pub(super) fn claims<T: DeserializeOwned + Clone>(
        &self,
        id_token: &str,
        key: &DecodingKey,
    ) -> Result<T, Error> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[&self.client_id]);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        // The library asks the machine for the time; ours comes from the clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        match jsonwebtoken::decode::<T>(id_token, key, &validation) {
            Ok(token) => Ok(token.claims),
            Err(error) => Err(refused(match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => "signature",
                jsonwebtoken::errors::ErrorKind::InvalidAudience => "aud",
                _ => "form",
            })),
        }
    }

    /// The key of that id, and the issuer that goes with it.
    async fn key(&self, kid: &str) -> Result<(DecodingKey, String), Error> {
        let mut cache = self.cache.lock().await;
        let now = self.clock.now_ms();
        let age = now - cache.fetched_ms;
        if cache.discovery.is_none() || age >= KEEP_MS {
            match self.fetch(&mut cache, now).await {
                // Keys of yesterday are still Microsoft's: that nobody answers now opens nothing.
                Err(Error::Transient(_) | Error::Throttled { .. })
                    if cache.discovery.is_some() && age < KEEP_AT_MOST_MS => {}
                fetched => fetched?,
            }
        }
        let recently = |asked: i64| now - asked < AGAIN_MS;
        if !cache.keys.contains_key(kid) && !cache.asked_again_ms.is_some_and(recently) {
            cache.asked_again_ms = Some(now);
            self.fetch(&mut cache, now).await?;
        }
        match (cache.keys.get(kid), &cache.discovery) {
            (Some(key), Some(discovery)) => Ok((key.clone(), discovery.issuer.clone())),
            _ => Err(refused("kid")),
        }
    }

    async fn fetch(&self, cache: &mut Cache, now: i64) -> Result<(), Error> {
        let discovery: Discovery = self.get("discovery", self.discovery_url.clone()).await?;
        let set: jwk::JwkSet = self.get("keys", discovery.jwks_uri.clone()).await?;
        cache.keys = set
            .keys
            .iter()
            .filter(|key| matches!(key.algorithm, jwk::AlgorithmParameters::RSA(_)))
            .filter_map(|key| {
                let kid = key.common.key_id.clone()?;
                Some((kid, DecodingKey::from_jwk(key).ok()?))
            })
            .collect();
        cache.discovery = Some(discovery);
        cache.fetched_ms = now;
        Ok(())
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        endpoint: &'static str,
        url: Url,
    ) -> Result<T, Error> {
        let accept = HeaderValue::from_static("application/json");
        let sent = self
            .transport
            .send(Request {
                method: Method::GET,
                url,
                headers: HeaderMap::from_iter([(header::ACCEPT, accept)]),
                body: bytes::Bytes::new(),
                timeout: TIMEOUT,
            })
            .await;
        let status = sent.as_ref().ok().map(|answer| answer.status.as_u16());
        self.observer.called(self.remote, endpoint, status);
        let answer = sent.map_err(|error| answer::from_transport(Act::Read, endpoint, error))?;
        if !answer.status.is_success() {
            return Err(answer::from_status(
                Act::Read,
                endpoint,
                answer.status,
                &answer.headers,
                "",
                self.clock.now_ms(),
            ));
        }
        serde_json::from_slice(&answer.body).map_err(|_| Error::Unusable(endpoint.to_owned()))
    }
}

/// The claims against what was asked for. The issuer is the discovery document's, for the token's
/// own tenant; that tenant must be the configured one: by GUID, or, where a domain is configured,
/// the one that the issuer names.
fn check(
    claims: &Claims,
    tenant: &str,
    issuer: &str,
    nonce: &str,
    now_secs: i64,
) -> Result<(), Error> {
    let tid = Uuid::parse_str(&claims.tid).map_err(|_| refused("tid"))?;
    let own = match Uuid::parse_str(tenant) {
        Ok(own) => own,
        Err(_) => tenant_of(issuer).ok_or_else(|| refused("iss"))?,
    };
    if tid != own {
        return Err(refused("tid"));
    }
    if claims.iss != issuer.replace("{tenantid}", &claims.tid) {
        return Err(refused("iss"));
    }
    if claims.oid.is_empty() {
        return Err(refused("oid"));
    }
    if now_secs >= claims.exp.saturating_add(LEEWAY_SECS) {
        return Err(refused("exp"));
    }
    if claims
        .nbf
        .is_some_and(|nbf| now_secs.saturating_add(LEEWAY_SECS) < nbf)
    {
        return Err(refused("nbf"));
    }
    if claims.nonce.as_deref() != Some(nonce) {
        return Err(refused("nonce"));
    }
    Ok(())
}

/// The GUID in an issuer's path.
pub(super) fn tenant_of(issuer: &str) -> Option<Uuid> {
    let issuer = Url::parse(issuer).ok()?;
    issuer
        .path_segments()?
        .find_map(|part| Uuid::parse_str(part).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TID: &str = "b724d383-bb70-480a-b03d-512b9aaec15a";
    const NOW: i64 = 1_000_000;

    fn issuer() -> String {
        format!("https://login.microsoftonline.com/{TID}/v2.0")
    }

    fn claims() -> Claims {
        Claims {
            iss: issuer(),
            tid: TID.into(),
            oid: "o".into(),
            exp: NOW + 3600,
            nbf: Some(NOW),
            nonce: Some("n".into()),
            preferred_username: None,
            email: None,
        }
    }

    fn verdict(claims: &Claims, tenant: &str, issuer: &str) -> Result<(), Error> {
        check(claims, tenant, issuer, "n", NOW)
    }

    #[test]
    fn the_tenant_is_the_configured_one() {
        let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
        let claims = claims();
        assert_eq!(verdict(&claims, TID, &issuer()), Ok(()));
        assert_eq!(verdict(&claims, &TID.to_uppercase(), template), Ok(()));
        assert_eq!(verdict(&claims, "acme.example", &issuer()), Ok(()));
        let other = TID.replace('b', "c");
        assert_eq!(verdict(&claims, &other, &issuer()), Err(refused("tid")));
        let elsewhere = issuer().replace(TID, &other);
        let by_domain = verdict(&claims, "acme.example", &elsewhere);
        assert_eq!(by_domain, Err(refused("tid")));
        assert_eq!(
            verdict(&claims, "acme.example", template),
            Err(refused("iss"))
        );
        assert_eq!(
            verdict(&claims, TID, "https://evil.example/{tenantid}"),
            Err(refused("iss"))
        );
    }

    #[test]
    fn times_and_nonce_count() {
        let with = |change: fn(&mut Claims)| {
            let mut claims = claims();
            change(&mut claims);
            verdict(&claims, TID, &issuer())
        };
        assert_eq!(with(|c| c.exp = NOW - LEEWAY_SECS), Err(refused("exp")));
        assert_eq!(with(|c| c.exp = NOW - LEEWAY_SECS + 1), Ok(()));
        let late = with(|c| c.nbf = Some(NOW + LEEWAY_SECS + 1));
        assert_eq!(late, Err(refused("nbf")));
        assert_eq!(with(|c| c.nonce = None), Err(refused("nonce")));
        assert_eq!(
            with(|c| c.nonce = Some("other".into())),
            Err(refused("nonce"))
        );
        assert_eq!(with(|c| c.oid = String::new()), Err(refused("oid")));
    }
}
