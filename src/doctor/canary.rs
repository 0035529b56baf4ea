//! What the canary proved, by environment.

use tribelink_plan::{
    field::Side,
    ids::{EnvironmentId, UserId},
};

use super::Check;
use crate::{
    canary::{self, Settings, Standing},
    config::Config,
    store::{self, CanaryProof, CanaryRound, Store, UserState},
};

const CANARY: &str = "canary";

/// Late mailboxes that are named.
const NAMED: usize = 5;

/// One finding for each environment that has a canary, or one for all.
pub(super) async fn examine(config: &Config, store: &dyn Store, now_ms: i64) -> Vec<Check> {
    let settings = &config.canary;
    if settings.people.is_empty() {
        let detail = "off: name a person in canary.people, and the way of every value is proven";
        return vec![Check::ok(CANARY, detail)];
    }
    if config.sync.shadow {
        let detail = "off, since sync.shadow writes nothing";
        return vec![Check::ok(CANARY, detail)];
    }
    let mut checks = Vec::new();
    for environment in settings.people.keys() {
        let look = look(store, environment, settings, now_ms).await;
        checks.push(look.unwrap_or_else(|error| {
            let advice = "see what is said about the database, then run doctor again";
            Check::fail(CANARY, error.to_string(), advice)
        }));
    }
    checks
}

async fn look(
    store: &dyn Store,
    environment: &EnvironmentId,
    settings: &Settings,
    now_ms: i64,
) -> Result<Check, store::Error> {
    if store.environment(environment).await?.is_none() {
        let detail = format!("{environment}: there is no such environment");
        let advice = "correct canary.people, or start the service, which makes `default`";
        return Ok(Check::warn(CANARY, detail, advice));
    }
    let round = store.canary(environment).await?;
    let mut proofs = Vec::new();
    for proof in store.canary_proofs(environment).await? {
        let user = store.user(proof.user).await?;
        if user.is_some_and(|user| user.state == UserState::Live) {
            proofs.push(proof);
        }
    }
    Ok(judge(
        environment,
        round.as_ref(),
        &proofs,
        settings,
        now_ms,
    ))
}

fn judge(
    environment: &EnvironmentId,
    round: Option<&CanaryRound>,
    proofs: &[CanaryProof],
    settings: &Settings,
    now_ms: i64,
) -> Check {
    let Some(round) = round.filter(|round| round.number > 0) else {
        return Check::warn(
            CANARY,
            format!("{environment}: no round has begun yet"),
            "start the service. If it runs, make live users relationship manager or owner of the person in \
             canary.people; `tribelink status` says what else is missing",
        );
    };
    if proofs.is_empty() {
        return Check::warn(
            CANARY,
            format!("{environment}: nobody's mailbox takes part"),
            "make live users relationship manager or owner of the person in canary.people",
        );
    }
    let overdue_ms = canary::overdue_ms(round, now_ms);
    let patience_ms = i64::try_from(settings.patience.as_millis()).unwrap_or(i64::MAX);
    if overdue_ms > patience_ms {
        return Check::warn(
            CANARY,
            format!(
                "{environment}: the next round is overdue by {} minutes",
                overdue_ms / 60_000
            ),
            "start the service, or see in its log what keeps it from Tribe",
        );
    }
    let standings = canary::standings(proofs, settings, now_ms);
    let late: Vec<UserId> = standings
        .iter()
        .filter(|(_, standing)| **standing == Standing::Late)
        .map(|(user, _)| *user)
        .collect();
    if late.is_empty() {
        let proven = |to: Side| {
            let ways = proofs.iter().filter(|proof| proof.to == to);
            let took: Vec<i64> = ways.filter_map(|proof| proof.took_ms).collect();
            let slowest = took.iter().max().copied().unwrap_or(0);
            (took.len(), slowest)
        };
        let (to_outlook, slow) = proven(Side::Outlook);
        let (to_tribe, slower) = proven(Side::Tribe);
        let detail = format!(
            "{environment}: of {} mailboxes, {to_outlook} are proven to Outlook and {to_tribe} to Tribe so far; \
             the slowest last took {} ms",
            standings.len(),
            slow.max(slower)
        );
        return Check::ok(CANARY, detail);
    }
    let named: Vec<String> = late.iter().take(NAMED).map(UserId::to_string).collect();
    let more = match late.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Check::warn(
        CANARY,
        format!(
            "{environment}: a value is under way for too long in {} of {} mailboxes: {}{more}",
            late.len(),
            standings.len(),
            named.join(", ")
        ),
        "`tribelink users show ID` tells which way and what waits, `tribelink parked list` what failed; the \
         runbook goes on from there (TribelinkCanaryLate)",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::doctor::Status;

    #[test]
    fn what_was_proven_and_what_is_late_is_told() {
        let environment = EnvironmentId::from("default");
        let settings = Settings {
            interval: Duration::from_secs(3_600),
            patience: Duration::from_secs(900),
            ..Settings::default()
        };
        let round = CanaryRound {
            environment: environment.clone(),
            number: 3,
            origin: None,
            began_ms: 0,
            written: true,
            due_ms: 3_600_000,
        };
        let proof = |user: u128, to, waits_ms, took_ms| CanaryProof {
            user: UserId(Uuid::from_u128(user)),
            to,
            round: 3,
            waits_ms,
            proven_ms: took_ms,
            took_ms,
        };
        let proofs = [
            proof(1, Side::Tribe, None, Some(900)),
            proof(1, Side::Outlook, Some(0), Some(700)),
            proof(2, Side::Outlook, Some(0), None),
        ];
        let judge = |round, now_ms| judge(&environment, round, &proofs, &settings, now_ms);
        let well = judge(Some(&round), 900_000);
        assert_eq!(well.status, Status::Ok);
        assert_eq!(
            well.detail,
            "default: of 2 mailboxes, 1 are proven to Outlook and 1 to Tribe so far; the slowest last took 900 ms"
        );
        let late = judge(Some(&round), 900_001);
        assert_eq!(late.status, Status::Warn);
        assert!(
            late.detail.contains("in 2 of 2 mailboxes"),
            "{}",
            late.detail
        );
        assert!(
            judge(Some(&round), 4_560_000)
                .detail
                .contains("overdue by 16 minutes")
        );
        assert_eq!(judge(None, 0).status, Status::Warn);
        let nobody = super::judge(&environment, Some(&round), &[], &settings, 0);
        assert!(nobody.detail.contains("nobody's"), "{}", nobody.detail);
    }
}
