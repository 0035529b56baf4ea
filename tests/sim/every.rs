//! Each call fails once: histories in which nothing else goes wrong are played again and again, and
//! each time another call of a remote or of the store fails, before it is done or after; then two of
//! them.

use crate::{
    fleet::{jobs, number, spread, tell_failure},
    process::Strike,
    run::{Strikes, play},
    script::Script,
};

/// How many histories.
const HISTORIES: u64 = 50;

/// How many strikes a run takes of all when nobody says otherwise (`SIM_STRIKES=all` plays all).
const STRIKES: usize = 400;

/// How many pairs of strikes, for each single one.
const PAIRS: f64 = 0.25;

/// A short history in which nothing goes wrong.
fn history(seed: u64) -> Script {
    let mut script = Script::draw(1_000_000 + seed).quiet();
    script.setup.people = script.setup.people.min(4);
    script.setup.users = script.setup.users.min(2);
    script.steps.truncate(6);
    script
}

/// Every single strike of a history.
fn singles(script: &Script) -> Vec<Strikes> {
    let outcome = play(script, &Strikes::default());
    assert!(!outcome.fails(), "{}", tell_failure(script, &outcome));
    let (remote, store) = outcome.calls;
    let mut all = Vec::new();
    for how in [Strike::Before, Strike::After] {
        all.extend((1..=remote).map(|call| Strikes {
            remote: vec![(call, how)],
            store: Vec::new(),
        }));
        all.extend((1..=store).map(|call| Strikes {
            remote: Vec::new(),
            store: vec![(call, how)],
        }));
    }
    all
}

fn both(one: &Strikes, other: &Strikes) -> Strikes {
    Strikes {
        remote: [one.remote.clone(), other.remote.clone()].concat(),
        store: [one.store.clone(), other.store.clone()].concat(),
    }
}

#[test]
fn each_call_may_fail_once() {
    let histories: Vec<Script> = (0..HISTORIES).map(history).collect();
    let strikes = spread(&histories, singles);
    let mut runs: Vec<(&Script, Strikes)> = histories
        .iter()
        .zip(strikes)
        .flat_map(|(script, strikes)| strikes.into_iter().map(move |one| (script, one)))
        .collect();
    let all = runs.len();
    let chance = &mut fastrand::Rng::with_seed(number("SIM_FROM").unwrap_or(1));
    if std::env::var("SIM_STRIKES").as_deref() != Ok("all") {
        let wanted = number("SIM_STRIKES").and_then(|wanted| usize::try_from(wanted).ok());
        chance.shuffle(&mut runs);
        runs.truncate(wanted.unwrap_or(STRIKES));
    }
    let singles = runs.len();
    let pairs = (singles as f64 * PAIRS) as usize;
    for _ in 0..pairs {
        let (script, one) = &runs[chance.usize(0..singles)];
        let of_same = runs[..singles].iter().filter(|(other, _)| other == script);
        let of_same: Vec<&Strikes> = of_same.map(|(_, strikes)| strikes).collect();
        let pair = (*script, both(one, of_same[chance.usize(0..of_same.len())]));
        runs.push(pair);
    }
    let failed = spread(&runs, |(script, strikes)| {
        let outcome = play(script, strikes);
        outcome.fails().then(|| {
            let struck = format!("remote {:?}, store {:?}", strikes.remote, strikes.store);
            println!(
                "seed {} with {struck}: {}",
                script.seed,
                outcome.wrong.join(" | ")
            );
            format!("{struck}\n{}", tell_failure(script, &outcome))
        })
    });
    let failed: Vec<String> = failed.into_iter().flatten().collect();
    println!(
        "{singles} of {all} single strikes in {HISTORIES} histories and {pairs} pairs, on {} threads: {} failed",
        jobs(),
        failed.len()
    );
    assert!(failed.is_empty(), "{}", failed[0]);
}
