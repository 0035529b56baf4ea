//! The sections about both remotes.

use http::HeaderName;
use secrecy::{ExposeSecret, SecretString};
use tribelink_plan::ids::SetName;
use url::Url;
use uuid::Uuid;

use super::{
    reader::{Read, Reader},
    sources::Raw,
    value,
};

/// How the service signs in at Tribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// As itself, for one organisation.
    ClientCredentials,
    /// In the name of the administrator who connected it.
    AuthorizationCode,
}

/// How a changed person is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadStyle {
    /// One read for each person, its relationships expanded.
    Expand,
    /// One read for each set.
    Sets,
}

/// Names and paths that Tribe's documentation leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Paths to the relationship manager.
    pub manager: Vec<String>,
    /// Paths to the owners.
    pub owners: Vec<String>,
    /// Paths to the mark of a former relationship.
    pub former: Vec<String>,
    /// The function's property.
    pub function: String,
}

/// A secret that signs webhooks.
#[derive(Clone, Debug)]
pub struct WebhookSecret {
    /// Of this webhook alone; `None`: of any.
    pub webhook: Option<String>,
    /// The secret.
    pub secret: SecretString,
}

/// Section `tribe`.
#[derive(Clone, Debug)]
pub struct Tribe {
    /// Origin of the API.
    pub api_url: Url,
    /// Origin of the sign-in.
    pub auth_url: Url,
    /// The application's id.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: SecretString,
    /// What is asked for.
    pub scope: String,
    /// How the service signs in.
    pub grant: Grant,
    /// How a changed person is read.
    pub read: ReadStyle,
    /// Id and secret of the application for the employees' own sign-in.
    pub login: Option<(String, SecretString)>,
    /// Secrets that sign webhooks.
    pub webhook_secrets: Vec<WebhookSecret>,
    /// The header of the signature; `None`: any.
    pub signature_header: Option<HeaderName>,
    /// Whether the service registers its webhooks.
    pub register_webhooks: bool,
    /// Open names.
    pub names: Names,
    /// Sets of person-type relationships.
    pub person_sets: Vec<SetName>,
}

impl Tribe {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Tribe> {
        const GRANTS: &[(&str, Grant)] = &[
            ("client_credentials", Grant::ClientCredentials),
            ("authorization_code", Grant::AuthorizationCode),
        ];
        const STYLES: &[(&str, ReadStyle)] =
            &[("expand", ReadStyle::Expand), ("sets", ReadStyle::Sets)];
        let api_url = reader.need("tribe.api_url", value::origin);
        let auth_url = reader.need("tribe.auth_url", value::origin);
        let client_id = reader.need("tribe.client_id", value::text);
        let client_secret = reader.need_secret("tribe.client_secret");
        let grant = reader.need("tribe.grant", value::choice(GRANTS));
        let scope = reader.optional("tribe.scope", value::text);
        let read = reader.need("tribe.read", value::choice(STYLES));
        let login = Tribe::read_login(reader);
        let webhook_secrets = Tribe::read_webhook_secrets(reader);
        let signature_header = reader.optional("tribe.signature_header", |raw| {
            let text = value::text(raw)?;
            HeaderName::try_from(&text).map_err(|_| format!("is {text:?}, no name of a header"))
        });
        let register_webhooks = reader.need("tribe.register_webhooks", value::boolean);
        let names = Names::read(reader);
        let person_sets = reader.need("tribe.person_sets", sets);
        let grant = grant?;
        Some(Tribe {
            api_url: api_url?,
            auth_url: auth_url?,
            client_id: client_id?,
            client_secret: client_secret?,
            scope: scope?.unwrap_or_else(|| usual_scope(grant).to_owned()),
            grant,
            read: read?,
            login: login?,
            webhook_secrets: webhook_secrets?,
            signature_header: signature_header?,
            register_webhooks: register_webhooks?,
            names: names?,
            person_sets: person_sets?,
        })
    }

    fn read_login(reader: &mut Reader<'_>) -> Read<(String, SecretString)> {
        let id = reader.optional("tribe.login_client_id", value::text);
        let secret = reader.secret("tribe.login_client_secret");
        match (id?, secret?) {
            (Some(id), Some(secret)) => Some(Some((id, secret))),
            (None, None) => Some(None),
            (id, _) => {
                let missing = if id.is_some() { "secret" } else { "id" };
                let key = format!("tribe.login_client_{missing}");
                reader.problem(
                    &key,
                    "is required beside the other: an application has both",
                );
                None
            }
        }
    }

    /// One for all, or a list; both would leave open which counts.
    fn read_webhook_secrets(reader: &mut Reader<'_>) -> Option<Vec<WebhookSecret>> {
        let one = reader.secret("tribe.webhook_secret");
        let many = reader.secrets("tribe.webhook_secrets");
        match (one?, many?) {
            (Some(_), Some(_)) => {
                let message = "is given beside tribe.webhook_secret: put that one into the list";
                reader.problem("tribe.webhook_secrets", message);
                None
            }
            (Some(secret), None) => Some(vec![WebhookSecret {
                webhook: None,
                secret,
            }]),
            (None, Some(many)) if many.is_empty() => {
                reader.problem(
                    "tribe.webhook_secrets",
                    "is an empty list; leave it out instead",
                );
                None
            }
            (None, Some(many)) => Tribe::split_webhook_secrets(reader, &many),
            (None, None) => Some(Vec::new()),
        }
    }

    fn split_webhook_secrets(
        reader: &mut Reader<'_>,
        many: &[SecretString],
    ) -> Option<Vec<WebhookSecret>> {
        let split: Vec<_> = many.iter().map(webhook_secret).collect();
        for (index, _) in split
            .iter()
            .enumerate()
            .filter(|(_, secret)| secret.is_none())
        {
            let message = format!(": entry {} has no secret after webhookId:", index + 1);
            reader.problem("tribe.webhook_secrets", message);
        }
        split.into_iter().collect()
    }
}

/// Without `offline` there is no refresh token (Tribe reference 2.3), and client credentials that
/// ask for it are refused where the application lacks it.
fn usual_scope(grant: Grant) -> &'static str {
    match grant {
        Grant::ClientCredentials => "read write",
        Grant::AuthorizationCode => "read write offline",
    }
}

/// `secret` or `webhookId:secret`. What stands before the first colon is an id only when it looks
/// like one, so that a secret may hold colons behind other characters; `:secret` names no webhook.
fn webhook_secret(entry: &SecretString) -> Option<WebhookSecret> {
    let text = entry.expose_secret();
    let is_id = |id: &str| {
        id.chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let (webhook, secret) = match text.split_once(':') {
        Some(("", secret)) => (None, secret),
        Some((id, secret)) if is_id(id) => (Some(id.to_owned()), secret),
        _ => (None, text),
    };
    (!secret.trim().is_empty()).then(|| WebhookSecret {
        webhook,
        secret: SecretString::from(secret),
    })
}

fn sets(raw: &Raw) -> Result<Vec<SetName>, String> {
    let names = value::filled_list(raw)?;
    let word = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    match names.iter().find(|name| !word(name)) {
        None => Ok(names.into_iter().map(SetName).collect()),
        Some(name) => Err(format!(
            "has {name:?}, no set such as Relationship_Person_Contact_Standard"
        )),
    }
}

impl Names {
    fn read(reader: &mut Reader<'_>) -> Option<Names> {
        let manager = reader.need("tribe.names.manager", value::names);
        let owners = reader.need("tribe.names.owners", value::names);
        let former = reader.need("tribe.names.former", value::names);
        let function = reader.need("tribe.names.function", value::name);
        Some(Names {
            manager: manager?,
            owners: owners?,
            former: former?,
            function: function?,
        })
    }
}

/// How the application proves itself to Microsoft.
#[derive(Clone, Debug)]
pub enum Credential {
    /// By a secret.
    Secret(SecretString),
    /// By a signed assertion.
    Certificate {
        /// The certificate, PEM.
        certificate: String,
        /// Its private key, PEM.
        private_key: SecretString,
    },
}

/// Section `microsoft`.
#[derive(Clone, Debug)]
pub struct Microsoft {
    /// Origin of Graph.
    pub graph_url: Url,
    /// Origin of the sign-in.
    pub login_url: Url,
    /// The directory: a GUID or a domain, in lower case.
    pub tenant: String,
    /// The application's id.
    pub client_id: String,
    /// How the application proves itself.
    pub credential: Credential,
    /// When it ends, in milliseconds since the epoch.
    pub credential_ends_ms: Option<i64>,
    /// Whether writes are conditional on the etag.
    pub trust_if_match: bool,
    /// Whether notifications carry the contact.
    pub rich_notifications: bool,
}

impl Microsoft {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Microsoft> {
        let graph_url = reader.need("microsoft.graph_url", value::origin);
        let login_url = reader.need("microsoft.login_url", value::origin);
        let tenant = reader.need("microsoft.tenant", tenant);
        let client_id = reader.need("microsoft.client_id", value::text);
        let credential = Microsoft::read_credential(reader);
        let credential_ends_ms = reader.optional("microsoft.client_secret_expires", value::day);
        let trust_if_match = reader.need("microsoft.trust_if_match", value::boolean);
        let rich_notifications = reader.need("microsoft.rich_notifications", value::boolean);
        Some(Microsoft {
            graph_url: graph_url?,
            login_url: login_url?,
            tenant: tenant?,
            client_id: client_id?,
            credential: credential?,
            credential_ends_ms: credential_ends_ms?,
            trust_if_match: trust_if_match?,
            rich_notifications: rich_notifications?,
        })
    }

    fn read_credential(reader: &mut Reader<'_>) -> Option<Credential> {
        let secret = reader.secret("microsoft.client_secret");
        let certificate = reader.optional("microsoft.certificate_file", pem("CERTIFICATE"));
        let private_key = reader.optional("microsoft.private_key_file", pem("PRIVATE KEY"));
        match (secret?, certificate?, private_key?) {
            (Some(secret), None, None) => Some(Credential::Secret(secret)),
            (None, Some(certificate), Some(key)) => {
                let certificate = certificate.expose_secret().to_owned();
                Some(Credential::Certificate {
                    certificate,
                    private_key: key,
                })
            }
            (Some(_), _, _) => {
                let message = "is given beside a certificate: the application uses one of them";
                reader.problem("microsoft.client_secret", message);
                None
            }
            (None, None, None) => {
                let message = "is required, or certificate_file with private_key_file";
                reader.problem("microsoft.client_secret", message);
                None
            }
            (None, certificate, _) => {
                let missing = if certificate.is_some() {
                    "private_key"
                } else {
                    "certificate"
                };
                let key = format!("microsoft.{missing}_file");
                reader.problem(&key, "is required beside the other file");
                None
            }
        }
    }
}

/// The directory. The three names, and the GUID behind `consumers`, would let strangers' accounts
/// sign in.
fn tenant(raw: &Raw) -> Result<String, String> {
    const PERSONAL: Uuid = Uuid::from_u128(0x9188_040d_6c67_4c5b_b112_36a3_04b6_6dad);
    let text = value::text(raw)?.to_ascii_lowercase();
    if matches!(text.as_str(), "common" | "organizations" | "consumers") {
        return Err(format!(
            "is {text}, which lets foreign accounts in; name your own directory"
        ));
    }
    if let Ok(id) = Uuid::try_parse(&text) {
        return if id == PERSONAL {
            Err("is the directory of personal accounts; name your own".to_owned())
        } else {
            Ok(id.to_string())
        };
    }
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if text.contains('.') && text.split('.').all(label) {
        Ok(text)
    } else {
        Err(format!("is {text:?}, neither a GUID nor a domain"))
    }
}

/// The content of a PEM file that holds this kind of thing.
fn pem(kind: &'static str) -> impl FnOnce(&Raw) -> Result<SecretString, String> {
    move |raw| {
        let path = value::text(raw)?;
        let content = std::fs::read_to_string(&path)
            .map(SecretString::from)
            .map_err(|error| format!("names {path}, which cannot be read: {error}"))?;
        let head = format!("{kind}-----");
        if content.expose_secret().contains(&head) {
            Ok(content)
        } else {
            Err(format!(
                "names {path}, which holds no {} in PEM",
                kind.to_ascii_lowercase()
            ))
        }
    }
}
