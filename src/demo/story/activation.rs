//! Chapter 4: each employee activates the link in person.

use crate::demo::{
    people::Colleague::{self, Anna, Bram},
    step::{Act, Expect, Step, step},
};

pub(super) fn steps() -> Vec<Step> {
    vec![
        consent("Anna grants permission and logs in to Microsoft", Anna),
        step(4, "Before anything is written, she sees what would happen")
            .act(Act::Preview(Anna))
            .expect(Expect::Previewed(Anna))
            .writes(0, 0),
        start("Save and start: her people appear in her Outlook", Anna),
        consent("Bram activates the link for himself", Bram)
            .act(Act::Preview(Bram))
            .expect(Expect::Previewed(Bram)),
        start("His first synchronisation fills his own Outlook", Bram),
    ]
}

fn consent(title: &'static str, whose: Colleague) -> Step {
    step(4, title)
        .act(Act::Consent(whose))
        .expect(Expect::State(whose, "consented"))
        .writes(0, 0)
}

fn start(title: &'static str, whose: Colleague) -> Step {
    step(4, title)
        .act(Act::Start(whose))
        .expect(Expect::State(whose, "live"))
        .expect(Expect::Filled(whose))
}
