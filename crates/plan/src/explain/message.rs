//! The sentences of an explanation. A second language is a second function beside
//! [`Message::english`].

use super::UserFacts;
use crate::{
    field::{Direction, Field, Side},
    ids::RelationshipId,
    link::LinkState,
    person::Kind,
    planner::Refusal,
    rule::Rule,
};

/// What is to be said; holds ids, fields and marks, never a value of a person.
#[derive(Clone, Copy, Debug)]
pub(super) enum Message {
    User(UserFacts),
    Person {
        exists: bool,
    },
    Former {
        id: RelationshipId,
        kind: Kind,
        former: bool,
    },
    Names {
        id: RelationshipId,
        kind: Kind,
        manager: bool,
        owner: bool,
    },
    Eligible {
        is_named: bool,
    },
    Link(Option<LinkState>),
    Contact {
        present: Option<bool>,
    },
    Held {
        held: usize,
    },
    RestorePerson,
    FreeUser(UserFacts),
    AddRelationship,
    MakeEligible {
        id: RelationshipId,
        former: bool,
        named: bool,
        alternatives: bool,
    },
    AllowAgain,
    ChangeField,
    Decide(Field),
    Refused(Refusal),
    HeldBy(Rule),
    Direction {
        direction: Direction,
        by_design: bool,
    },
}

impl Message {
    /// The message in English.
    pub(super) fn english(&self) -> String {
        match *self {
            Message::User(user) => user_state(user).to_owned(),
            Message::FreeUser(user) => free_user(user).to_owned(),
            Message::Person { exists: true } => "the person exists in Tribe".to_owned(),
            Message::Person { exists: false } => "the person was deleted in Tribe".to_owned(),
            Message::Former { id, kind, former } => {
                let not = if former { "" } else { "not " };
                format!("{} relationship {id} is {not}marked as former", kind.name())
            }
            Message::Names {
                id,
                kind,
                manager,
                owner,
            } => {
                let how = match (manager, owner) {
                    (true, true) => "names the employee as relationship manager and owner",
                    (true, false) => "names the employee as relationship manager",
                    (false, true) => "names the employee as owner",
                    (false, false) => {
                        "names the employee neither as relationship manager nor as owner"
                    }
                };
                format!("{} relationship {id} {how}", kind.name())
            }
            Message::Eligible { is_named: true } => {
                "a relationship that is not former names the employee".to_owned()
            }
            Message::Eligible { is_named: false } => {
                "no relationship that is not former names the employee".to_owned()
            }
            Message::Link(state) => link_state(state).to_owned(),
            Message::Contact { present } => match present {
                Some(true) => "the contact is in the mailbox",
                Some(false) => "the contact was deleted in Outlook",
                None => "whether the contact is in the mailbox was not read",
            }
            .to_owned(),
            Message::Held { held: 0 } => "nothing waits for a decision".to_owned(),
            Message::Held { held } => format!("fields that wait for a decision: {held}"),
            Message::RestorePerson => "restore the person in Tribe".to_owned(),
            Message::AddRelationship => "give the person a contact, employee or individual \
                relationship that names the employee as relationship manager or owner"
                .to_owned(),
            Message::MakeEligible {
                id,
                former,
                named,
                alternatives,
            } => make_eligible(id, former, named, alternatives),
            Message::AllowAgain => {
                "set sync.respect_deletes to false (the contact was deleted in Outlook)".to_owned()
            }
            Message::ChangeField => "change a synchronised field in Tribe (the contact was \
                deleted in Outlook)"
                .to_owned(),
            Message::Decide(field) => format!("decide the held change of {field}"),
            Message::Refused(refusal) => {
                let side = match refusal.to {
                    Side::Tribe => "Tribe",
                    Side::Outlook => "Outlook",
                };
                format!("not written to {side}: {}", refusal.misfit.sentence())
            }
            Message::HeldBy(rule) => format!("waits for a decision ({rule}): {}", rule.sentence()),
            Message::Direction {
                direction,
                by_design,
            } => {
                let way = match direction {
                    Direction::Both => "goes both ways",
                    Direction::ToOutlook => "goes from Tribe to Outlook alone",
                    Direction::ToTribe => "goes from Outlook to Tribe alone",
                    Direction::Off => "is not synchronised",
                };
                let why = if by_design {
                    "always"
                } else {
                    "by configuration"
                };
                format!("{way} ({why})")
            }
        }
    }
}

fn make_eligible(id: RelationshipId, former: bool, named: bool, alternatives: bool) -> String {
    let either = if alternatives { "either " } else { "" };
    let name = "name the employee as relationship manager or owner of";
    match (former, named) {
        (true, true) => format!("{either}remove the former mark of relationship {id}"),
        (true, false) => {
            format!("{either}remove the former mark of relationship {id} and {name} it")
        }
        (false, _) => format!("{either}{name} relationship {id}"),
    }
}

fn user_state(user: UserFacts) -> &'static str {
    match user {
        UserFacts::Live => "the user is live",
        UserFacts::NotStarted => "the first sync of the user was not started",
        UserFacts::Paused => "the user is paused: changes wait",
        UserFacts::NeedsConsent => "the consent at Microsoft is gone",
        UserFacts::Braked => "the brake holds: too many contacts would change at once",
        UserFacts::Disconnected => "the user is disconnected",
        UserFacts::EmployeeLeft => "the employee is former or gone in Tribe",
    }
}

fn free_user(user: UserFacts) -> &'static str {
    match user {
        UserFacts::Live => "the user is live",
        UserFacts::NotStarted => "let the user consent and start the first sync",
        UserFacts::Paused => "resume the user",
        UserFacts::NeedsConsent => "let the user sign in at Microsoft again",
        UserFacts::Braked => "release the brake of the user",
        UserFacts::Disconnected => "activate the user again, with consent and start",
        UserFacts::EmployeeLeft => {
            "make the employee current in Tribe again, then activate the user again"
        }
    }
}

fn link_state(state: Option<LinkState>) -> &'static str {
    match state {
        None => "there is no link yet",
        Some(LinkState::Intent) => "a contact is being created",
        Some(LinkState::Linked) => "the link is in force",
        Some(LinkState::Sleeping) => "the link sleeps",
        Some(LinkState::Tombstone { .. }) => {
            "the link ended when the contact was deleted in Outlook"
        }
        Some(LinkState::Closed) => "the link was closed when the person was deleted in Tribe",
    }
}
