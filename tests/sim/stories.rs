//! Scripts that once failed, each under the name of what was wrong. They are kept as text: what a seed
//! draws changes with the simulation, and these do not.
//!
//! A failing seed prints its short script; put it under `stories/` and name it here.

use crate::{
    fleet::tell_failure,
    run::{Strikes, play},
    script::Script,
};

#[track_caller]
fn holds(text: &str) {
    let script: Script = text.parse().expect("a script");
    let outcome = play(&script, &Strikes::default());
    assert!(!outcome.fails(), "{}", tell_failure(&script, &outcome));
}

macro_rules! stories {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                holds(include_str!(concat!("stories/", stringify!($name), ".txt")));
            }
        )*
    };
}

stories! {}
