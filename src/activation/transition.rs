//! Every state and every command in one pure table.

use tribelink_plan::rule::Rule;

use crate::store::{Target, UserState};

/// What can happen to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// An administrator, or the employee on the page, activates the link.
    Activate,
    /// A consent link is asked for.
    Invite,
    /// The sign-in at Microsoft succeeded; `start`: the user was activated with `start`.
    Consented {
        /// Begin the first sync at once.
        start: bool,
    },
    /// Save and begin the first sync.
    Start,
    /// Plan the first sync without writing.
    Preview,
    /// The first sync came to its end (engine).
    FirstSyncDone,
    /// R19.
    Pause,
    /// The end of R19.
    Resume,
    /// Compare everything.
    Resync,
    /// Find the links again by the stamps in Outlook, after a lost database; what exists is kept.
    Rebuild,
    /// R17: a pass would have crossed the line (engine).
    Brake,
    /// Let go of the brake.
    Release,
    /// R21: the consent is gone (token keeper).
    ConsentLost,
    /// R20.
    Disconnect,
    /// R22 (engine).
    EmployeeLeft,
}

/// What a command leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The state.
    pub to: UserState,
    /// The state to return to from `paused`, `needs_consent` or `braked`; `None` leaves it.
    pub resume: Option<UserState>,
    /// What the mailbox worker is asked to look at.
    pub look: Option<Look>,
}

/// What the mailbox worker is asked to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The first sync.
    FirstSync,
    /// Everything: also the one catch-up after a pause, a new sign-in or a released brake.
    Everything,
    /// A preview.
    Preview,
}

impl Look {
    /// As a hint's target.
    pub fn target(self) -> Target {
        match self {
            Look::FirstSync => Target::FirstSync,
            Look::Everything => Target::Resync,
            Look::Preview => Target::Preview,
        }
    }
}

/// Why a command is refused in this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// The rule that decides, where one does.
    pub rule: Option<Rule>,
    /// In words for people.
    pub why: &'static str,
}

/// What a command leads to in a state; `resume` is the state that the user would return to.
///
/// # Errors
/// The command makes no sense in this state; nothing changes.
pub fn step(state: UserState, resume: UserState, command: Command) -> Result<Step, Refusal> {
    use {Command as C, UserState as S};

    match (state, command) {
        // R20 and R22 work from everywhere, and twice.
        (_, C::Disconnect | C::EmployeeLeft) => to(S::Disconnected),

        (S::Disconnected, C::Activate) => to(S::Invited),
        (S::Disconnected, _) => refuse(Rule::R20, "the user is disconnected; activate it again"),
        (_, C::Activate | C::Invite) => to(state),

        (S::Invited, C::Consented { start: false }) => to(S::Consented),
        (S::Invited, C::Consented { start: true }) => and_look(S::FirstSync, Look::FirstSync),
        (S::NeedsConsent, C::Consented { .. }) => back(resume),
        (_, C::Consented { .. }) => to(state),
        (S::Invited, _) => no("the user has not consented yet; open the consent link first"),

        (S::Consented, C::Start) => and_look(S::FirstSync, Look::FirstSync),
        (S::FirstSync | S::Live, C::Start) => to(state),

        (S::Consented | S::Live, C::Preview) => and_look(state, Look::Preview),
        (S::FirstSync, C::Preview) => no("the first sync runs already"),

        (S::FirstSync, C::FirstSyncDone) => to(S::Live),
        (S::Live, C::FirstSyncDone) => to(state),
        (_, C::FirstSyncDone) => no("the user is not in its first sync"),

        (S::Consented | S::FirstSync | S::Live, C::Pause) => away(S::Paused, state),
        (S::Paused, C::Pause) => to(state),
        // A sign-in from here leads to where it led before; a pause on top ends it for the workers.
        (S::NeedsConsent, C::Pause) => to(S::Paused),
        // A pause would hide the brake, and a resume would let go of it.
        (S::Braked, C::Pause) => refuse(Rule::R17, "the brake holds the user already"),

        (S::Paused, C::Resume) => back(resume),
        (S::Consented | S::FirstSync | S::Live, C::Resume) => to(state),

        // Looking at everything lists the mailbox, which is where stamped contacts are adopted (R12).
        (S::Live, C::Resync | C::Rebuild) => and_look(state, Look::Everything),
        (S::FirstSync, C::Resync | C::Rebuild) => and_look(state, Look::FirstSync),
        (S::Consented, C::Resync) => no("the user was not started yet"),
        (S::Consented, C::Rebuild) => {
            no("the user was not started yet; its first sync finds the links by their stamps")
        }

        (S::FirstSync | S::Live, C::Brake) => away(S::Braked, state),
        (S::Braked, C::Brake) => to(state),
        (_, C::Brake) => no("the user is not being worked on"),

        (S::Braked, C::Release) => back(resume),
        (_, C::Release) => no("the brake does not hold this user"),

        (S::Consented | S::FirstSync | S::Live, C::ConsentLost) => away(S::NeedsConsent, state),
        // Found out again by the first pass after resume, sign-in or release.
        (S::Paused | S::NeedsConsent | S::Braked, C::ConsentLost) => to(state),

        (S::Paused, _) => refuse(Rule::R19, "the user is paused; resume it first"),
        (S::NeedsConsent, _) => refuse(Rule::R21, "the user must sign in at Microsoft again"),
        (S::Braked, _) => refuse(Rule::R17, "the brake holds the user; release it first"),
    }
}

fn to(state: UserState) -> Result<Step, Refusal> {
    Ok(Step {
        to: state,
        resume: None,
        look: None,
    })
}

fn and_look(state: UserState, look: Look) -> Result<Step, Refusal> {
    Ok(Step {
        to: state,
        resume: None,
        look: Some(look),
    })
}

fn away(state: UserState, from: UserState) -> Result<Step, Refusal> {
    Ok(Step {
        to: state,
        resume: Some(from),
        look: None,
    })
}

/// Back to where the user was, with one catch-up. A state that is none of those that lead away
/// (which no step writes) counts as `consented`: nothing is written until somebody says start.
fn back(resume: UserState) -> Result<Step, Refusal> {
    match resume {
        UserState::Live => and_look(UserState::Live, Look::Everything),
        UserState::FirstSync => and_look(UserState::FirstSync, Look::FirstSync),
        _ => to(UserState::Consented),
    }
}

fn no(why: &'static str) -> Result<Step, Refusal> {
    Err(Refusal { rule: None, why })
}

fn refuse(rule: Rule, why: &'static str) -> Result<Step, Refusal> {
    let rule = Some(rule);
    Err(Refusal { rule, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [UserState; 8] = UserState::ALL;

    const COMMANDS: [(&str, Command); 16] = [
        ("activate", Command::Activate),
        ("invite", Command::Invite),
        ("consented", Command::Consented { start: false }),
        ("consented+start", Command::Consented { start: true }),
        ("start", Command::Start),
        ("preview", Command::Preview),
        ("first_sync_done", Command::FirstSyncDone),
        ("pause", Command::Pause),
        ("resume", Command::Resume),
        ("resync", Command::Resync),
        ("rebuild", Command::Rebuild),
        ("brake", Command::Brake),
        ("release", Command::Release),
        ("consent_lost", Command::ConsentLost),
        ("disconnect", Command::Disconnect),
        ("employee_left", Command::EmployeeLeft),
    ];

    /// The whole table, for a user that was live before. `=`: stays; `?`: a look at everything;
    /// `+`: a look at the first sync; `~`: a preview; `-`: refused, with its rule.
    const TABLE: &str = "
        |invited|consented|first_sync|live|paused|needs_consent|braked|disconnected
activate|=|=|=|=|=|=|=|invited
invite|=|=|=|=|=|=|=|-R20
consented|consented|=|=|=|=|live?|=|-R20
consented+start|first_sync+|=|=|=|=|live?|=|-R20
start|-|first_sync+|=|=|-R19|-R21|-R17|-R20
preview|-|=~|-|=~|-R19|-R21|-R17|-R20
first_sync_done|-|-|live|=|-|-|-|-R20
pause|-|paused<consented|paused<first_sync|paused<live|=|paused|-R17|-R20
resume|-|=|=|=|live?|-R21|-R17|-R20
resync|-|-|=+|=?|-R19|-R21|-R17|-R20
rebuild|-|-|=+|=?|-R19|-R21|-R17|-R20
brake|-|-|braked<first_sync|braked<live|-|-|=|-R20
release|-|-|-|-|-|-|live?|-R20
consent_lost|-|needs_consent<consented|needs_consent<first_sync|needs_consent<live|=|=|=|-R20
disconnect|disconnected|disconnected|disconnected|disconnected|disconnected|disconnected|disconnected|=
employee_left|disconnected|disconnected|disconnected|disconnected|disconnected|disconnected|disconnected|=
";

    fn cell(state: UserState, command: Command) -> String {
        let step = match step(state, UserState::Live, command) {
            Ok(step) => step,
            Err(refusal) => {
                assert!(!refusal.why.is_empty());
                return format!("-{}", refusal.rule.map_or("", Rule::code));
            }
        };
        let to = if step.to == state {
            "="
        } else {
            step.to.name()
        };
        let look = match step.look {
            None => "",
            Some(Look::Everything) => "?",
            Some(Look::FirstSync) => "+",
            Some(Look::Preview) => "~",
        };
        let from = step
            .resume
            .map_or(String::new(), |state| format!("<{}", state.name()));
        format!("{to}{look}{from}")
    }

    #[test]
    fn the_table_holds_for_every_state_and_command() {
        let lines: Vec<Vec<&str>> = TABLE
            .trim()
            .lines()
            .map(|line| line.trim().split('|').collect())
            .collect();
        let heads: Vec<&str> = STATES.iter().map(|state| state.name()).collect();
        assert_eq!(lines[0][1..], heads[..]);
        assert_eq!(lines.len(), COMMANDS.len() + 1);
        for (line, (name, command)) in lines[1..].iter().zip(COMMANDS) {
            assert_eq!(line[0], name);
            for (expected, state) in line[1..].iter().zip(STATES) {
                assert_eq!(
                    cell(state, command),
                    *expected,
                    "{name} in {}",
                    state.name()
                );
            }
        }
    }

    #[test]
    fn whatever_leads_away_leads_back_to_where_it_was() {
        let ways = [
            (Command::Pause, Command::Resume),
            (Command::ConsentLost, Command::Consented { start: false }),
            (Command::Brake, Command::Release),
        ];
        for state in [UserState::Consented, UserState::FirstSync, UserState::Live] {
            for (out, back) in ways {
                let Ok(away) = step(state, UserState::Invited, out) else {
                    assert_eq!((state, out), (UserState::Consented, Command::Brake));
                    continue;
                };
                let returned = step(away.to, away.resume.unwrap(), back).unwrap();
                assert_eq!(returned.to, state);
                assert_eq!(returned.look.is_some(), state != UserState::Consented);
            }
        }
    }

    #[test]
    fn no_step_keeps_a_state_to_return_to_that_does_not_work() {
        for state in STATES {
            for resume in STATES {
                for (_, command) in COMMANDS {
                    if let Ok(step) = step(state, resume, command) {
                        assert!(step.resume.is_none_or(UserState::works));
                        let returns = matches!(
                            (state, command),
                            (UserState::Paused, Command::Resume)
                                | (UserState::Braked, Command::Release)
                                | (UserState::NeedsConsent, Command::Consented { .. })
                        );
                        assert!(!returns || step.to.works());
                    }
                }
            }
        }
    }
}
