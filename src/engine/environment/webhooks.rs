//! Registration of webhooks at Tribe.

use std::collections::BTreeSet;

use super::{Error, Job};
use crate::{
    crash,
    intake::tribe::CUSTOM_HEADER,
    random,
    sealed::{sha256, webhook_row},
    store::{Change, Webhook},
    tribe::names::type_of_set,
    vault::column,
};

impl Job<'_> {
    /// Registers the missing webhooks, each with a random custom header of its own. One that
    /// delivers here but is unknown to the store (the database was lost) is replaced: its header is
    /// not known any more.
    pub(super) async fn register_webhooks(&self) -> Result<(), Error> {
        let crm = &self.land.crm;
        let environment = &self.land.environment.id;
        let ports = &self.engine.ports;
        let url = format!(
            "{}/webhooks/tribe/{environment}",
            self.engine.settings.public_url.trim_end_matches('/')
        );
        let registered = crm.webhooks().await?;
        let known: BTreeSet<String> = ports
            .store
            .webhooks(environment)
            .await?
            .into_iter()
            .map(|webhook| webhook.id)
            .collect();
        let mut served: BTreeSet<String> = BTreeSet::new();
        for webhook in registered.iter().filter(|webhook| webhook.url == url) {
            if known.contains(&webhook.id) && served.insert(webhook.entity_type.clone()) {
                continue;
            }
            crm.remove_webhook(&webhook.id).await?;
        }
        let gone = known.iter().filter(|id| {
            !registered
                .iter()
                .any(|webhook| webhook.id == **id && webhook.url == url)
        });
        let dropped: Vec<Change> = gone
            .map(|id| Change::DropWebhook {
                environment: environment.clone(),
                id: id.clone(),
            })
            .collect();
        self.held.commit(dropped).await?;
        for set in crm.sets() {
            let entity_type = type_of_set(&set);
            if served.contains(&entity_type) {
                continue;
            }
            let header = random::token(ports.random.as_ref());
            let answer = crm
                .register_webhook(&entity_type, &url, (CUSTOM_HEADER, &header))
                .await?;
            crash::point("webhook-registered");
            let row = webhook_row(environment.as_str(), &answer.id);
            let secret = answer.secret.map(|secret| {
                ports
                    .vault
                    .seal(column::WEBHOOK_SECRET, &row, secret.as_bytes())
            });
            self.held
                .commit(vec![Change::PutWebhook(Webhook {
                    environment: environment.clone(),
                    id: answer.id,
                    entity_type,
                    header_hash: sha256(header.as_bytes()),
                    secret,
                    created_ms: self.engine.now(),
                })])
                .await?;
        }
        Ok(())
    }
}
