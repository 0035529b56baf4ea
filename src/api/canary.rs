//! What the canary proved of a mailbox.

use serde::Serialize;
use tribelink_plan::field::Side;
use utoipa::ToSchema;

use super::{Api, Problem, list::time};
use crate::{
    canary::Standing,
    store::{CanaryProof, User},
};

/// One way of the canary's value.
#[derive(Serialize, ToSchema)]
pub struct CanaryWay {
    /// `proven`: nothing is under way; `waiting`, or `late` beyond `canary.patience`
    standing: &'static str,
    /// When a value last arrived.
    #[schema(required)]
    proven_at: Option<String>,
    /// How long that one took, in milliseconds.
    #[schema(required)]
    took_ms: Option<i64>,
    /// Since when a value is under way.
    #[schema(required)]
    waits_since: Option<String>,
}

/// Both ways of the canary's value.
#[derive(Serialize, ToSchema)]
pub struct CanaryView {
    /// From Tribe; null where no round was asked of it yet.
    #[schema(required)]
    to_outlook: Option<CanaryWay>,
    /// From this mailbox; null where no round began in it yet.
    #[schema(required)]
    to_tribe: Option<CanaryWay>,
}

/// What is known of a user; `None`: its environment has no canary, or the user no part in it yet.
pub(super) async fn view(api: &Api, user: &User) -> Result<Option<CanaryView>, Problem> {
    let settings = &api.settings.canary;
    if settings.person(&user.environment).is_none() {
        return Ok(None);
    }
    let proofs = api.store.canary_proofs_of(user.id).await?;
    if proofs.is_empty() {
        return Ok(None);
    }
    let now_ms = api.clock.now_ms();
    let way = |to: Side| {
        let proof: Option<&CanaryProof> = proofs.iter().find(|proof| proof.to == to);
        proof.map(|proof| CanaryWay {
            standing: Standing::of(proof, settings, now_ms).name(),
            proven_at: proof.proven_ms.map(time),
            took_ms: proof.took_ms,
            waits_since: proof.waits_ms.map(time),
        })
    };
    Ok(Some(CanaryView {
        to_outlook: way(Side::Outlook),
        to_tribe: way(Side::Tribe),
    }))
}
