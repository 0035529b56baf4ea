//! The canary's rounds and proofs.

use tribelink_plan::{field::Side, ids::UserId};

use super::state::State;
use crate::store::{CanaryProof, Error};

impl State {
    pub(super) fn proofs(&self, whose: impl Fn(UserId) -> bool) -> Vec<CanaryProof> {
        let rows = self.canary_proofs.values();
        rows.filter(|proof| whose(proof.user)).cloned().collect()
    }

    pub(super) fn await_canary(
        &mut self,
        user: UserId,
        to: Side,
        round: i64,
        since_ms: i64,
    ) -> Result<(), Error> {
        self.change_proof(user, to, |proof| {
            proof.round = round;
            proof.waits_ms = proof.waits_ms.or(Some(since_ms));
        })
    }

    pub(super) fn prove_canary(
        &mut self,
        user: UserId,
        to: Side,
        round: i64,
        (at_ms, took_ms): (i64, i64),
    ) -> Result<(), Error> {
        self.change_proof(user, to, |proof| {
            // A round that the environment's worker asked for meanwhile is still to be proven.
            if proof.round <= round {
                proof.round = round;
                proof.waits_ms = None;
            }
            proof.proven_ms = Some(at_ms);
            proof.took_ms = Some(took_ms);
        })
    }

    pub(super) fn end_canary_wait(&mut self, user: UserId, to: Side) {
        self.canary_proofs.update(&(user, to), |proof| {
            proof.round = 0;
            proof.waits_ms = None;
        });
    }

    fn change_proof(
        &mut self,
        user: UserId,
        to: Side,
        change: impl FnOnce(&mut CanaryProof),
    ) -> Result<(), Error> {
        self.user_exists(user)?;
        let known = self.canary_proofs.get(&(user, to)).cloned();
        let mut proof = known.unwrap_or(CanaryProof {
            user,
            to,
            round: 0,
            waits_ms: None,
            proven_ms: None,
            took_ms: None,
        });
        change(&mut proof);
        self.canary_proofs.put((user, to), proof);
        Ok(())
    }
}
