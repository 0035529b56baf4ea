//! Who publishes a rich notification: its validation token, checked against Microsoft's keys (Graph
//! reference 4.5).

use async_trait::async_trait;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Publisher,
    id_token::{Keys, LEEWAY_SECS, refused, tenant_of},
    sign_in::Platform,
};
use crate::remote::Error;

/// The application that publishes Graph's change notifications, in every cloud.
const PUBLISHER: &str = "0bf30f3b-4a52-48df-9a82-234910c4a086";

/// The claims that are looked at. `aud` is checked with the signature: this application.
#[derive(Clone, Deserialize)]
struct Claims {
    iss: String,
    tid: String,
    ver: String,
    exp: i64,
    nbf: Option<i64>,
    azp: Option<String>,
    appid: Option<String>,
}

#[async_trait]
impl Publisher for Platform {
    async fn publishes(&self, token: &str) -> Result<(), Error> {
        self.keys.publisher(token).await
    }
}

impl Keys {
    /// Checks a validation token: RS256 by one of the tenant's keys, `aud`, `iss`, `tid`, `exp`, `nbf`
    /// and the publisher. It proves that a delivery comes from Graph, and nothing of its items.
    ///
    /// # Errors
    /// [`Error::Rejected`] with a code that names the claim; [`Error::Transient`] where the keys could
    /// not be had, which is safe to repeat.
    pub async fn publisher(&self, token: &str) -> Result<(), Error> {
        let (key, issuer) = self.key_of(token).await?;
        let claims: Claims = self.claims(token, &key)?;
        check(&claims, &self.tenant, &issuer, self.clock.now_ms() / 1000)
    }
}

/// The claims against what a token of the publisher says. Its issuer depends on its version, and so
/// does the claim that names the publisher.
fn check(claims: &Claims, tenant: &str, issuer: &str, now_secs: i64) -> Result<(), Error> {
    let tid = Uuid::parse_str(&claims.tid).map_err(|_| refused("tid"))?;
    let own = match Uuid::parse_str(tenant) {
        Ok(own) => own,
        Err(_) => tenant_of(issuer).ok_or_else(|| refused("iss"))?,
    };
    if tid != own {
        return Err(refused("tid"));
    }
    let (expected, named) = match claims.ver.as_str() {
        "2.0" => (issuer.replace("{tenantid}", &claims.tid), &claims.azp),
        "1.0" => (
            format!("https://sts.windows.net/{}/", claims.tid),
            &claims.appid,
        ),
        _ => return Err(refused("ver")),
    };
    if claims.iss != expected {
        return Err(refused("iss"));
    }
    if named.as_deref() != Some(PUBLISHER) {
        return Err(refused("azp"));
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TID: &str = "b724d383-bb70-480a-b03d-512b9aaec15a";
    const NOW: i64 = 1_000_000;

    fn verdict(change: fn(&mut Claims)) -> Result<(), Error> {
        let issuer = format!("https://login.microsoftonline.com/{TID}/v2.0");
        let mut claims = Claims {
            iss: issuer.clone(),
            tid: TID.into(),
            ver: "2.0".into(),
            exp: NOW + 3600,
            nbf: Some(NOW),
            azp: Some(PUBLISHER.into()),
            appid: None,
        };
        change(&mut claims);
        check(&claims, TID, &issuer, NOW)
    }

    fn first_version(claims: &mut Claims) {
        claims.ver = "1.0".into();
        claims.iss = format!("https://sts.windows.net/{TID}/");
        claims.appid = claims.azp.take();
    }

    #[test]
    fn both_versions_name_the_publisher_in_their_own_claim() {
        assert_eq!(verdict(|_| {}), Ok(()));
        assert_eq!(verdict(first_version), Ok(()));
        let in_the_other_claim = verdict(|claims| {
            first_version(claims);
            std::mem::swap(&mut claims.azp, &mut claims.appid);
        });
        assert_eq!(in_the_other_claim, Err(refused("azp")));
        let moved = verdict(|claims| claims.appid = claims.azp.take());
        assert_eq!(moved, Err(refused("azp")));
    }

    #[test]
    fn another_tenant_issuer_publisher_or_time_proves_nothing() {
        let other = |claims: &mut Claims| claims.tid = TID.replace('b', "c");
        assert_eq!(verdict(other), Err(refused("tid")));
        let other = |claims: &mut Claims| claims.iss = "https://evil.example/".into();
        assert_eq!(verdict(other), Err(refused("iss")));
        let other = |claims: &mut Claims| claims.azp = Some(TID.into());
        assert_eq!(verdict(other), Err(refused("azp")));
        let other = |claims: &mut Claims| claims.ver = "3.0".into();
        assert_eq!(verdict(other), Err(refused("ver")));
        let late = |claims: &mut Claims| claims.exp = NOW - LEEWAY_SECS;
        assert_eq!(verdict(late), Err(refused("exp")));
        let early = |claims: &mut Claims| claims.nbf = Some(NOW + LEEWAY_SECS + 1);
        assert_eq!(verdict(early), Err(refused("nbf")));
    }
}
