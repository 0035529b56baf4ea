//! The whole service in one thread against both remotes, driven by a seed: users, edits, a network
//! that fails, crashes, and time that jumps.
//!
//! The real engine and the real HTTP clients run over the in-memory store; requests go to the
//! sandbox's router without sockets, under a paused clock. A seed draws a script, so that it can
//! be played again: `SIM_SEED=n cargo test --profile sim --test sim replay -- --nocapture`.
//! `SIM_SEEDS=n` sets how many seeds [`seeds`] runs, `SIM_FROM=n` where it begins, `SIM_JOBS=n` on how
//! many threads. `SIM_BUG=Name` plants that bug alone. `SIM_SCRIPT=path` plays a script from a file, as a
//! failing seed prints it.
//!
//! # Map
//! - [`script`]: what a seed draws, as data; how it is made shorter. [`run`]: a script from beginning
//!   to end. [`fleet`]: many seeds, what they covered. [`world`]: what there is.
//! - [`process`]: what befalls a process; [`store`]: its store; [`wire`]: its network; [`time`]: its
//!   clock and chance.
//! - [`faults`]: what goes wrong. [`acts`]: what people do; [`model`]: what they did.
//! - [`check`]: what must hold, apart from the engine. [`story`]: what is told when it does not.
//! - [`stories`]: scripts that once failed. [`every`]: each call fails once. `planted`: bugs that
//!   must be found.

mod acts;
mod check;
mod every;
mod faults;
mod fleet;
mod model;
#[cfg(feature = "planted-bugs")]
mod planted;
mod process;
mod run;
mod script;
mod store;
mod stories;
mod story;
mod time;
mod wire;
mod world;

use crate::{
    fleet::{Fleet, number, tell_failure},
    run::Strikes,
    script::Script,
};

/// How many seeds run when nobody says otherwise.
const SEEDS: u64 = 500;

#[test]
fn seeds() {
    let fleet = Fleet {
        from: number("SIM_FROM").unwrap_or(1),
        count: number("SIM_SEEDS").unwrap_or(SEEDS),
    };
    let report = fleet.run();
    println!("{}", report.tell());
    assert!(report.holds(), "{}", report.tell_first());
}

#[test]
fn replay() {
    let seed = number("SIM_SEED");
    let file = std::env::var("SIM_SCRIPT").ok();
    let script = match &file {
        Some(path) => {
            let text = std::fs::read_to_string(path).expect("a script to read");
            text.parse().expect("a script")
        }
        None => Script::draw(seed.unwrap_or(1)),
    };
    let outcome = run::play(&script, &Strikes::default());
    if seed.is_some() || file.is_some() {
        println!("{script}\n{}", outcome.story.trace().join("\n"));
    }
    assert!(!outcome.fails(), "{}", tell_failure(&script, &outcome));
}

#[test]
fn a_script_is_read_back_as_it_was_told() {
    for seed in 1..200 {
        let script = Script::draw(seed);
        assert_eq!(script.to_string().parse(), Ok(script));
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 7, 11] {
        let (one, other) = (run::run(seed).story, run::run(seed).story);
        if one.hash() != other.hash() {
            let (one, other) = (one.trace(), other.trace());
            let at = one
                .iter()
                .zip(&other)
                .position(|(a, b)| a != b)
                .unwrap_or(0);
            panic!(
                "seed {seed} differs at {at}: {:?} / {:?}",
                one.get(at),
                other.get(at)
            );
        }
        assert!(one.trace().len() > 100, "something happened");
    }
}
