//! The three-way merge of one field: a total function over what both sides show and showed.

use crate::{
    base::{Mark, Marks},
    field::Direction,
    link::Origin,
    planted::{self, Bug},
    policy::Conflict,
    rule::Rule,
};

/// What is to happen to one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing, and the base stays.
    Keep,
    /// Nothing is written; the base takes what both sides show now.
    Agree,
    /// Nothing is written though the sides differ; the base takes what both show now (a direction
    /// that is switched off, or R13's values that stand only in Outlook).
    Follow,
    /// Tribe's value goes to Outlook.
    ToOutlook {
        /// Which rule chose it.
        rule: Rule,
        /// A value of Outlook is lost by it.
        loses: bool,
    },
    /// Outlook's value goes to Tribe.
    ToTribe {
        /// Which rule chose it.
        rule: Rule,
        /// A value of Tribe is lost by it.
        loses: bool,
    },
    /// A person must decide.
    Hold,
}

/// What the merge of one field looks at. `Mark::Unknown` on a side is an unreadable value; in the
/// base it is one that was never known.
#[derive(Clone, Copy, Debug)]
pub struct Inputs {
    /// What Tribe shows now.
    pub tribe: Mark,
    /// What Outlook shows now.
    pub outlook: Mark,
    /// What both showed when last in step.
    pub base: Marks,
    /// How the link came to be.
    pub origin: Origin,
    /// Which way the field may travel.
    pub direction: Direction,
    /// Who wins a conflict.
    pub conflict: Conflict,
    /// What a person decided for this field: Outlook's value (true) or Tribe's.
    pub decided: Option<bool>,
}

/// Merges one field.
pub fn merge(inputs: Inputs) -> Verdict {
    let inputs = if planted::is(Bug::ClearOnMissing) {
        Inputs {
            tribe: empty_if_unknown(inputs.tribe),
            outlook: empty_if_unknown(inputs.outlook),
            ..inputs
        }
    } else {
        inputs
    };
    let Inputs {
        tribe,
        outlook,
        base,
        direction,
        ..
    } = inputs;
    if direction == Direction::Off {
        return Verdict::Keep;
    }
    if tribe == Mark::Unknown || outlook == Mark::Unknown {
        return unreadable(inputs);
    }
    if tribe == outlook {
        return if base == (Marks { tribe, outlook }) {
            Verdict::Keep
        } else {
            Verdict::Agree
        };
    }
    if let Some(accepted) = inputs.decided {
        return as_decided(inputs, accepted);
    }
    if base.tribe == Mark::Unknown || base.outlook == Mark::Unknown {
        return first_merge(inputs);
    }
    match (tribe != base.tribe, outlook != base.outlook) {
        (false, false) => Verdict::Keep,
        (true, false) => to_outlook(direction, Rule::R2, false),
        (false, true) => to_tribe(direction, Rule::R3, false),
        (true, true) => conflict(inputs),
    }
}

fn empty_if_unknown(mark: Mark) -> Mark {
    match mark {
        Mark::Unknown => Mark::Empty,
        known => known,
    }
}

/// What a person decided. Where Outlook alone changed, it was no conflict that was held but a card
/// that Outlook completed (R16).
fn as_decided(inputs: Inputs, accepted: bool) -> Verdict {
    let base = inputs.base;
    let tribe_stands = base.tribe != Mark::Unknown && inputs.tribe == base.tribe;
    let outlook_stands = base.outlook != Mark::Unknown && inputs.outlook == base.outlook;
    let rule = if tribe_stands { Rule::R16 } else { Rule::R6 };
    if accepted {
        to_tribe(inputs.direction, rule, !tribe_stands)
    } else {
        to_outlook(inputs.direction, rule, !outlook_stands)
    }
}

/// R18: an unreadable value decides nothing. Only a value that was unreadable in Outlook when the
/// base was taken, and still is (a year-less birthday), gives way to an edit in Tribe.
fn unreadable(inputs: Inputs) -> Verdict {
    let Inputs {
        tribe,
        outlook,
        base,
        direction,
        ..
    } = inputs;
    let still_unreadable = outlook == Mark::Unknown && base.outlook == Mark::Unknown;
    let edited = tribe != Mark::Unknown && base.tribe != Mark::Unknown && tribe != base.tribe;
    if still_unreadable && edited {
        to_outlook(direction, Rule::R2, false)
    } else {
        Verdict::Keep
    }
}

/// R12a: without a base nothing is emptied.
fn first_merge(inputs: Inputs) -> Verdict {
    let Inputs {
        tribe,
        outlook,
        direction,
        ..
    } = inputs;
    match (tribe, outlook) {
        (Mark::Empty, _) if inputs.origin == Origin::Match => Verdict::Follow,
        (Mark::Empty, _) => to_tribe(direction, Rule::R12a, false),
        (_, Mark::Empty) => to_outlook(direction, Rule::R12a, false),
        _ => conflict(inputs),
    }
}

/// R6.
fn conflict(inputs: Inputs) -> Verdict {
    match (inputs.direction, inputs.conflict) {
        (Direction::Off, _) => Verdict::Keep,
        (Direction::ToOutlook, _) => to_outlook(inputs.direction, Rule::R6, true),
        (Direction::ToTribe, _) => to_tribe(inputs.direction, Rule::R6, true),
        (Direction::Both, Conflict::Tribe) => to_outlook(inputs.direction, Rule::R6, true),
        (Direction::Both, Conflict::Outlook) => to_tribe(inputs.direction, Rule::R6, true),
        (Direction::Both, Conflict::Hold) => Verdict::Hold,
    }
}

fn to_outlook(direction: Direction, rule: Rule, loses: bool) -> Verdict {
    if direction.to_outlook() {
        Verdict::ToOutlook { rule, loses }
    } else {
        Verdict::Follow
    }
}

fn to_tribe(direction: Direction, rule: Rule, loses: bool) -> Verdict {
    if direction.to_tribe() {
        Verdict::ToTribe { rule, loses }
    } else {
        Verdict::Follow
    }
}
