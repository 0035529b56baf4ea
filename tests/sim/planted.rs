//! The proof that it bites: each planted bug is caught.

use tribelink_plan::planted::{Bug, plant};

use crate::{
    acts::Act,
    fleet::{judged, spread},
    script::Script,
};

/// Within how many seeds each must be caught.
const SEEDS: u64 = 2_000;

/// Plays a script with a bug; whether that was noticed.
fn is_caught(bug: Option<Bug>, script: &Script) -> bool {
    plant(bug);
    let outcome = judged(script);
    plant(None);
    outcome.is_ok_and(|outcome| outcome.fails())
}

/// A drawn script in the world where a bug can show itself: what only a delta tells stays untold where notices
/// go missing, no sweep comes, and the process dies between the two commits; stale reads are needed to be taken
/// for edits; an own answer tells something new where writes travel a while and nothing stops them.
fn drawn_for(bug: Bug, seed: u64) -> Script {
    let mut script = Script::draw(seed);
    if bug == Bug::StaleIsEdit {
        let is_stale = |name: &str| name.starts_with("stale-");
        script.faults.retain(|(name, _)| !is_stale(name));
        let stale = ["stale-tribe", "stale-graph"].map(|name| (name.to_owned(), 120));
        script.faults.extend(stale);
    }
    if bug == Bug::CursorBeforeWork {
        let setup = &mut script.setup;
        for (name, value) in [
            ("sync.sweep_interval", "240h"),
            ("sync.delta_interval", "2m"),
        ] {
            setup.pairs.retain(|(known, _)| known != name);
            setup.pairs.push((name.to_owned(), value.to_owned()));
        }
        script.faults.retain(|(name, _)| name != "notices-dropped");
        script.faults.push(("notices-dropped".to_owned(), 900));
        let mut rng = fastrand::Rng::with_seed(seed);
        for step in &mut script.steps {
            if step.act.is_fault() {
                (step.act, step.chance) = (Act::Ambush, rng.u32(..));
            }
        }
    }
    if bug == Bug::AnswerNotChecked {
        let setup = &mut script.setup;
        (setup.ignores_if_match, setup.latency_ms) = (true, 150);
        setup
            .pairs
            .retain(|(name, _)| name != "microsoft.trust_if_match");
        for step in &mut script.steps {
            step.wait_ms %= 2_000;
        }
    }
    script
}

/// The first seed that holds without the bug and fails with it.
fn catcher(bug: Bug) -> Option<u64> {
    (1..=SEEDS).find(|seed| {
        let script = drawn_for(bug, *seed);
        is_caught(Some(bug), &script) && !is_caught(None, &script)
    })
}

#[test]
fn every_planted_bug_is_caught() {
    let wanted = std::env::var("SIM_BUG").ok();
    let bugs = Bug::ALL.into_iter();
    let bugs: Vec<Bug> = bugs
        .filter(|bug| {
            wanted
                .as_ref()
                .is_none_or(|name| *name == format!("{bug:?}"))
        })
        .collect();
    assert!(!bugs.is_empty(), "SIM_BUG names none of them");
    let caught = spread(&bugs, |bug| {
        let seed = catcher(*bug);
        match seed {
            Some(seed) => println!("{bug:?}: caught by seed {seed}"),
            None => println!("{bug:?}: not caught"),
        }
        seed
    });
    let missed: Vec<Bug> = bugs
        .into_iter()
        .zip(caught)
        .filter_map(|(bug, seed)| seed.is_none().then_some(bug))
        .collect();
    assert!(
        missed.is_empty(),
        "not caught within {SEEDS} seeds: {missed:?}"
    );
}
