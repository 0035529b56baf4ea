//! The section about signing in to the page.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{
    reader::{Read, Reader},
    service::Role,
    sources::Raw,
    value,
};

/// Section `login`.
#[derive(Clone, Debug)]
pub struct Login {
    /// OpenID Connect for administrators; `None`: they sign in with a token of the admin API.
    pub openid: Option<OpenIdSettings>,
    /// A session ends after so long without a request.
    pub idle: Duration,
    /// A session ends after so long whatever happens.
    pub absolute: Duration,
}

/// Who vouches for administrators, and which of its claims gives which role.
#[derive(Clone, Debug)]
pub struct OpenIdSettings {
    /// The issuer, as its discovery document names it.
    pub issuer: Url,
    /// Further origins that the discovery document may lead to.
    pub origins: Vec<Url>,
    /// The application.
    pub client_id: String,
    /// Its secret; a public application has none and relies on PKCE.
    pub client_secret: Option<SecretString>,
    /// When that ends, in milliseconds since the epoch.
    pub secret_ends_ms: Option<i64>,
    /// What is asked for.
    pub scope: String,
    /// The claim of the id_token that gives roles: a name, or a path of names.
    pub claim: String,
    /// Which of its values give which role.
    pub roles: Vec<(String, Role)>,
}

impl Login {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Login> {
        let openid = Login::read_openid(reader);
        let idle = reader.need("login.idle", value::interval);
        let absolute = reader.need("login.absolute", value::interval);
        Some(Login {
            openid: openid?,
            idle: idle?,
            absolute: absolute?,
        })
    }

    fn read_openid(reader: &mut Reader<'_>) -> Read<OpenIdSettings> {
        let issuer = reader.optional("login.issuer", issuer);
        let origins = reader.optional("login.origins", origins);
        let client_id = reader.optional("login.client_id", value::text);
        let client_secret = reader.secret("login.client_secret");
        let secret_ends_ms = reader.optional("login.client_secret_expires", value::day);
        let scope = reader.need("login.scope", value::text);
        let claim = reader.need("login.claim", value::text);
        let mut roles = Vec::new();
        for role in [Role::Viewer, Role::Operator, Role::Admin] {
            let key = format!("login.{}", role.name());
            let values = reader.optional(&key, value::filled_list)?;
            roles.extend(values.into_iter().flatten().map(|value| (value, role)));
        }
        let (issuer, client_id) = (issuer?, client_id?);
        let Some(issuer) = issuer else {
            if client_id.is_some() || !roles.is_empty() {
                let message = "is required beside login.client_id and the roles";
                reader.problem("login.issuer", message);
                return None;
            }
            return Some(None);
        };
        let Some(client_id) = client_id else {
            let message = "is required beside login.issuer: register an application there";
            reader.problem("login.client_id", message);
            return None;
        };
        if roles.is_empty() {
            let message = "login.viewer and login.operator are empty: nobody could sign in; name \
                           the values of login.claim that give each role";
            reader.problem("login.admin", message);
            return None;
        }
        Some(Some(OpenIdSettings {
            issuer,
            origins: origins?.unwrap_or_default(),
            client_id,
            client_secret: client_secret?,
            secret_ends_ms: secret_ends_ms?,
            scope: scope?,
            claim: claim?,
            roles,
        }))
    }
}

/// An issuer may have a path; plain http is for loopback hosts alone.
fn issuer(raw: &Raw) -> Result<Url, String> {
    let text = value::text(raw)?;
    let url = Url::parse(&text)
        .map_err(|error| format!("is no address such as https://example.com/realm: {error}"))?;
    let plain = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    match url.scheme() {
        _ if !plain => Err("holds a query, a fragment or a user: leave them out".to_owned()),
        "https" => Ok(url),
        "http" if value::is_loopback(&url) => Ok(url),
        _ => Err("is not https, which only a loopback host may be".to_owned()),
    }
}

fn origins(raw: &Raw) -> Result<Vec<Url>, String> {
    let items = value::list(raw)?;
    let parsed = items
        .into_iter()
        .map(|item| value::origin(&Raw::Text(item)));
    parsed.collect()
}
