//! Settings of an environment that was added over the admin API: the keys of the configuration's
//! section `tribe`, kept sealed with its secrets, and its own [`rules`].

pub mod rules;

use std::collections::BTreeMap;

use http::HeaderName;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    config::is_loopback,
    store::{Environment, Sealed},
    vault::{self, Vault, column},
};
pub use rules::Rules;

/// How to reach one Tribe organisation. Holds secrets: has no `Debug` and is answered to nobody.
#[derive(Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Origin of the API; unset: the vendor's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://api.tribecrm.nl")]
    pub api_url: Option<String>,
    /// Origin of the sign-in; unset: the vendor's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://auth.tribecrm.nl")]
    pub auth_url: Option<String>,
    /// The application's id.
    pub client_id: String,
    /// The application's secret.
    #[schema(write_only)]
    pub client_secret: String,
    /// OAuth scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `client_credentials` or `authorization_code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// `expand` or `sets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// Secrets that sign webhooks, each for all webhooks or as `webhookId:secret`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(write_only)]
    pub webhook_secrets: Vec<String>,
    /// The header that carries the signature; unset: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_header: Option<String>,
    /// Whether the service registers missing webhooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register_webhooks: Option<bool>,
    /// Names that the vendor leaves to each organisation; each one path or a list.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub names: BTreeMap<String, Paths>,
    /// The person-type sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_sets: Option<Vec<String>>,
}

/// Settings with rules, as they are kept.
#[derive(Serialize, Deserialize)]
struct Whole {
    tribe: Settings,
    rules: Rules,
}

/// What is kept: settings alone where there are no rules, as versions before did.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kept {
    Whole(Box<Whole>),
    Tribe(Box<Settings>),
}

impl Kept {
    fn open(vault: &Vault, environment: &Environment) -> Result<Option<Kept>, vault::Error> {
        let Some(sealed) = &environment.settings else {
            return Ok(None);
        };
        let row = environment.id.as_str();
        vault
            .open_json(column::ENVIRONMENT_SETTINGS, row, sealed)
            .map(Some)
    }
}

impl Rules {
    /// Opens an environment's rules; none for the one that the configuration describes.
    ///
    /// # Errors
    /// They do not open: an administrator must act.
    pub fn open(vault: &Vault, environment: &Environment) -> Result<Rules, vault::Error> {
        Ok(match Kept::open(vault, environment)? {
            Some(Kept::Whole(whole)) => whole.rules,
            Some(Kept::Tribe(_)) | None => Rules::default(),
        })
    }
}

/// One path or several.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Paths {
    /// One.
    One(String),
    /// Several, tried in order.
    Many(Vec<String>),
}

/// Why settings are refused: the key, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} {takes}")]
pub struct Refused {
    /// The key.
    pub key: &'static str,
    /// What it takes.
    pub takes: &'static str,
}

/// The secrets that an administrator gave for an environment.
#[derive(Clone, Default)]
pub struct Configured {
    /// The header that carries the signature; unset: any.
    pub signature_header: Option<HeaderName>,
    /// Secrets; each with the id of its webhook, or for all of them.
    pub secrets: Vec<(Option<String>, SecretString)>,
}

impl Settings {
    /// Opens an environment's settings; `None` for the one that the configuration describes.
    ///
    /// # Errors
    /// They do not open: an administrator must act.
    pub fn open(
        vault: &Vault,
        environment: &Environment,
    ) -> Result<Option<Settings>, vault::Error> {
        Ok(Kept::open(vault, environment)?.map(|kept| match kept {
            Kept::Whole(whole) => whole.tribe,
            Kept::Tribe(settings) => *settings,
        }))
    }

    /// Seals them for the environment of that id, with its rules.
    ///
    /// # Errors
    /// There is no key to seal with.
    pub fn seal(self, vault: &Vault, id: &str, rules: Rules) -> Result<Sealed, vault::Error> {
        if rules.is_empty() {
            return vault.seal_json(column::ENVIRONMENT_SETTINGS, id, &self);
        }
        let whole = Whole { tribe: self, rules };
        vault.seal_json(column::ENVIRONMENT_SETTINGS, id, &whole)
    }

    /// Checks every value, so that none is refused only when it is first used.
    ///
    /// # Errors
    /// The first key whose value cannot be used.
    pub fn check(&self) -> Result<(), Refused> {
        let refuse = |key, takes| Err(Refused { key, takes });
        for (key, value) in [("api_url", &self.api_url), ("auth_url", &self.auth_url)] {
            if value.as_deref().is_some_and(|url| !is_origin(url)) {
                return refuse(
                    key,
                    "must be an https origin without path (http for loopback hosts alone)",
                );
            }
        }
        let one_of = |value: &Option<String>, words: &[&str]| {
            value.as_deref().is_none_or(|value| words.contains(&value))
        };
        if self.client_id.trim().is_empty() {
            return refuse("client_id", "must not be empty");
        }
        if self.client_secret.trim().is_empty() {
            return refuse("client_secret", "must not be empty");
        }
        if !one_of(&self.grant, &["client_credentials", "authorization_code"]) {
            return refuse("grant", "must be client_credentials or authorization_code");
        }
        if !one_of(&self.read, &["expand", "sets"]) {
            return refuse("read", "must be expand or sets");
        }
        let header = self.signature_header.as_deref();
        if header.is_some_and(|name| HeaderName::try_from(name).is_err()) {
            return refuse("signature_header", "must be the name of an HTTP header");
        }
        let is_empty = |secret: &String| split_secret(secret).1.trim().is_empty();
        if self.webhook_secrets.iter().any(is_empty) {
            return refuse("webhook_secrets", "must not hold an empty secret");
        }
        Ok(())
    }

    /// The secrets for webhooks.
    pub fn webhook_secrets(&self) -> Configured {
        let split = |secret: &String| {
            let (id, secret) = split_secret(secret);
            (id.map(str::to_owned), SecretString::from(secret))
        };
        Configured {
            signature_header: self
                .signature_header
                .as_deref()
                .and_then(|name| HeaderName::try_from(name).ok()),
            secrets: self.webhook_secrets.iter().map(split).collect(),
        }
    }
}

/// Splits `webhookId:secret`; a secret without colon is for all webhooks.
pub fn split_secret(text: &str) -> (Option<&str>, &str) {
    match text.split_once(':') {
        Some((id, secret)) if !id.is_empty() => (Some(id), secret),
        _ => (None, text),
    }
}

/// Whether a text is an origin that a token may be sent to: https, or http on a loopback host.
pub fn is_origin(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let is_bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let scheme_fits = match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(&url),
        _ => false,
    };
    is_bare && scheme_fits
}

/// Whether a text may name an environment: it stands in paths, rows and metrics.
pub fn is_name(text: &str) -> bool {
    let first = text.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && text.len() <= 32
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_https_or_loopback_and_bare() {
        for right in [
            "https://api.tribecrm.nl",
            "https://api.tribecrm.nl:8443/",
            "http://127.0.0.1:9000",
            "http://localhost:1",
            "http://[::1]:80",
        ] {
            assert!(is_origin(right), "{right}");
        }
        for wrong in [
            "",
            "api.tribecrm.nl",
            "http://api.tribecrm.nl",
            "https://api.tribecrm.nl/v1",
            "https://user@api.tribecrm.nl",
            "https://api.tribecrm.nl?x=1",
            "http://127.0.0.1.evil.example",
            "ftp://localhost",
            "javascript:alert(1)",
        ] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }

    #[test]
    fn settings_name_the_key_they_refuse() {
        let good = Settings {
            client_id: "id".to_owned(),
            client_secret: "secret".to_owned(),
            ..Settings::default()
        };
        assert!(good.check().is_ok());
        let key = |change: fn(&mut Settings)| {
            let mut settings = good.clone();
            change(&mut settings);
            settings.check().map_err(|refused| refused.key)
        };
        assert_eq!(key(|s| s.client_id = " ".to_owned()), Err("client_id"));
        assert_eq!(key(|s| s.client_secret.clear()), Err("client_secret"));
        assert_eq!(
            key(|s| s.api_url = Some("http://x".to_owned())),
            Err("api_url")
        );
        assert_eq!(key(|s| s.grant = Some("password".to_owned())), Err("grant"));
        assert_eq!(key(|s| s.read = Some("all".to_owned())), Err("read"));
        assert_eq!(
            key(|s| s.signature_header = Some("x y".to_owned())),
            Err("signature_header")
        );
        assert_eq!(
            key(|s| s.webhook_secrets = vec!["id:".to_owned()]),
            Err("webhook_secrets")
        );
    }
}
