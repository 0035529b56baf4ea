//! The tokens of an environment that was connected by authorization code.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use tribelink_plan::ids::EnvironmentId;

use super::passing;
use crate::{
    clock::Clock,
    remote, sealed,
    store::{self, Change, Guard, Store},
    tribe::sign_in::{SaveTokens, Tokens},
    vault::{Vault, column},
};

/// The tokens of an environment connected by authorization code, where they outlive the process.
pub(super) struct Kept {
    pub(super) environment: EnvironmentId,
    pub(super) store: Arc<dyn Store>,
    pub(super) vault: Arc<Vault>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Kept {
    fn row(&self) -> String {
        sealed::environment_row(&self.environment)
    }

    /// Keeps a pair: one that followed from the former pair, or that of a new sign-in.
    pub(super) async fn put(&self, tokens: &Tokens, signed_in: bool) -> Result<(), remote::Error> {
        let former = self
            .store
            .environment_tokens(&self.environment)
            .await
            .map_err(passing)?;
        let expected = former.as_ref().map_or(0, |tokens| tokens.generation);
        let former = former.filter(|_| !signed_in);
        let consented_ms = former
            .as_ref()
            .map_or_else(|| self.clock.now_ms(), |tokens| tokens.consented_ms);
        let row = self.row();
        let seal = |column, text: &SecretString| self.vault.seal_text(column, &row, text);
        let refresh = match (&tokens.refresh, former) {
            (Some(refresh), _) => seal(column::REFRESH_TOKEN, refresh),
            (None, Some(former)) => former.refresh,
            (None, None) => {
                return Err(remote::Error::Application(
                    "Tribe returned no refresh token; add `offline` to tribe.scope".to_owned(),
                ));
            }
        };
        let put = Change::PutEnvironmentTokens {
            environment: self.environment.clone(),
            tokens: store::Tokens {
                refresh,
                access: seal(column::ACCESS_TOKEN, &tokens.access),
                expires_ms: tokens.expires_ms,
                generation: expected,
                consented_ms,
            },
            expected,
        };
        self.store
            .commit(&Guard::None, vec![put])
            .await
            .map_err(passing)
    }
}

#[async_trait]
impl SaveTokens for Kept {
    async fn load(&self) -> Result<Option<Tokens>, remote::Error> {
        let kept = self
            .store
            .environment_tokens(&self.environment)
            .await
            .map_err(passing)?;
        let Some(kept) = kept else { return Ok(None) };
        let row = self.row();
        let open = |column, sealed| {
            self.vault
                .open_text(column, &row, sealed)
                .map_err(|error| remote::Error::Application(error.to_string()))
        };
        Ok(Some(Tokens {
            access: open(column::ACCESS_TOKEN, &kept.access)?,
            refresh: Some(open(column::REFRESH_TOKEN, &kept.refresh)?),
            expires_ms: kept.expires_ms,
        }))
    }

    async fn save(&self, tokens: &Tokens) -> Result<(), remote::Error> {
        self.put(tokens, false).await
    }
}
