//! What each room is given of the configuration.

use std::sync::Arc;

use super::{Error, MAX_ANSWER};
use crate::{
    activation::{self, enter},
    clock::Clock,
    config::{Config, Credential},
    crms::{self, Clients},
    engine,
    environment::Configured,
    graph::{
        openid::{self, OpenId},
        sign_in::{self, Certificate, Platform},
    },
    random::Random,
    reminder::SecretEnd,
    remote::{Circuit, Transport, http::HttpTransport, http::Origin},
    telemetry::CountCalls,
};

/// Reaches Microsoft alone; what was given instead counts.
pub(super) fn microsoft_transport(
    config: &Config,
    given: Option<Arc<dyn Transport>>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Transport>, Error> {
    if let Some(transport) = given {
        return Ok(transport);
    }
    let allowed = [&config.microsoft.graph_url, &config.microsoft.login_url]
        .into_iter()
        .filter_map(Origin::of)
        .collect();
    let transport = HttpTransport::new(allowed, crms::USER_AGENT, MAX_ANSWER);
    let transport = transport.map_err(|error| Error::Config(error.to_string()))?;
    Ok(Arc::new(Circuit::new(Arc::new(transport), clock)))
}

/// When the secrets of applications end, as far as the configuration says.
pub(super) fn secret_ends(config: &Config) -> Vec<SecretEnd> {
    let login = config.login.openid.as_ref();
    let ends = [
        ("microsoft", config.microsoft.credential_ends_ms),
        ("login", login.and_then(|login| login.secret_ends_ms)),
    ];
    ends.into_iter()
        .filter_map(|(of, at_ms)| at_ms.map(|at_ms| SecretEnd { of, at_ms }))
        .collect()
}

/// How the service signs in at Microsoft.
pub(super) fn platform(
    config: &Config,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<Platform, Error> {
    let refused = |error: &dyn std::fmt::Display| Error::Config(format!("microsoft: {error}"));
    let credential = match &config.microsoft.credential {
        Credential::Secret(secret) => sign_in::Credential::Secret(secret.clone()),
        Credential::Certificate {
            certificate,
            private_key,
        } => sign_in::Credential::Certificate(
            Certificate::from_pem(certificate, private_key).map_err(|error| refused(&error))?,
        ),
    };
    let settings = sign_in::Settings {
        login_url: config.microsoft.login_url.clone(),
        tenant: config.microsoft.tenant.clone(),
        client_id: config.microsoft.client_id.clone(),
        credential,
    };
    Platform::new(settings, transport, clock, random, Arc::new(CountCalls))
        .map_err(|error| refused(&error))
}

/// How people sign in to the page.
pub(super) fn login(
    config: &Config,
    crms: &Clients,
    transport: Option<Arc<dyn Transport>>,
    clock: Arc<dyn Clock>,
) -> Result<activation::Login, Error> {
    let refused = |error: &dyn std::fmt::Display| Error::Config(format!("login: {error}"));
    let openid = match &config.login.openid {
        None => None,
        Some(settings) => {
            let transport = match transport {
                Some(transport) => transport,
                None => {
                    let origins = settings.origins.iter().chain([&settings.issuer]);
                    let allowed = origins.filter_map(Origin::of).collect();
                    let made = HttpTransport::new(allowed, crms::USER_AGENT, MAX_ANSWER);
                    Arc::new(made.map_err(|error| refused(&error))?)
                }
            };
            let issuer = openid::Settings {
                issuer: settings.issuer.clone(),
                client_id: settings.client_id.clone(),
                client_secret: settings.client_secret.clone(),
                scope: settings.scope.clone(),
            };
            let roles = enter::Roles {
                claim: settings.claim.clone(),
                values: settings.roles.clone(),
            };
            let openid = OpenId::new(issuer, transport, clock, Arc::new(CountCalls));
            Some((openid, roles))
        }
    };
    let tribe = crms.employee_sign_in(config.tribe.login.as_ref());
    Ok(activation::Login {
        openid,
        tribe: tribe.map_err(|error| refused(&error))?,
        idle: config.login.idle,
        absolute: config.login.absolute,
    })
}

/// What webhooks of the configured environment are known by.
pub(super) fn configured(config: &Config) -> Configured {
    Configured {
        signature_header: config.tribe.signature_header.clone(),
        secrets: config
            .tribe
            .webhook_secrets
            .iter()
            .map(|known| (known.webhook.clone(), known.secret.clone()))
            .collect(),
    }
}

/// What the engine is told.
pub(super) fn engine_settings(config: &Config) -> engine::Settings {
    engine::Settings {
        policy: config.sync.policy.clone(),
        instance: config.server.instance.clone(),
        shadow: config.sync.shadow,
        lease: config.worker.lease,
        mailboxes: config.worker.mailboxes,
        delta_interval: config.sync.delta_interval,
        poll_interval: config.sync.poll_interval,
        sweep_interval: config.sync.sweep_interval,
        public_url: config.server.public_url.to_string(),
        register_webhooks: config.tribe.register_webhooks,
        undo: config.audit.undo,
        keep_audit: config.audit.keep,
        canary: config.canary.clone(),
    }
}
