//! Why a person is synchronised for a user, or why not, and what would change that.
//!
//! [`explain`] looks at the same facts as the planner and at the same functions, and writes nothing
//! but ids, field names, kinds and marks: no value of a person.
//!
//! # Map
//! - here: which conditions there are, which hold, which rule decides.
//! - `message`: the sentences, in one place for each language.

mod message;

use serde::Serialize;

use crate::{
    eligibility::{main_relationship, standing},
    field::{Direction, Field},
    ids::EmployeeId,
    link::{Link, LinkState},
    person::Person,
    planner::Refusal,
    policy::Policy,
    rule::Rule,
};
use message::Message;

/// In what state the user is, as far as it decides about synchronising.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserFacts {
    /// Live, or in the first sync.
    Live,
    /// Invited or consented: the first sync was not started.
    NotStarted,
    /// Paused (R19).
    Paused,
    /// Must sign in at Microsoft again (R21).
    NeedsConsent,
    /// The brake holds (R17).
    Braked,
    /// Disconnected (R20).
    Disconnected,
    /// The employee is former or gone in Tribe (R22).
    EmployeeLeft,
}

/// What an explanation looks at.
#[derive(Clone, Copy)]
pub struct ExplainInput<'a> {
    /// The user's employee.
    pub employee: EmployeeId,
    /// The user's state.
    pub user: UserFacts,
    /// The person as Tribe shows it; `None`: a read of its id found nothing.
    pub person: Option<&'a Person>,
    /// The link, where there is one.
    pub link: Option<&'a Link>,
    /// Whether the link's contact is there, where that was read.
    pub contact_exists: Option<bool>,
    /// What did not fit when the person was last planned.
    pub refused: &'a [Refusal],
    /// What waits for a decision, and by which rule.
    pub held: &'a [(Field, Rule)],
    /// The administrator's choices.
    pub policy: &'a Policy,
}

/// Why a person is synchronised, or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The rule that decides.
    pub rule: Rule,
    /// The person is eligible for the user.
    pub eligible: bool,
    /// Everything that was looked at, in the order in which it counts.
    pub conditions: Vec<Condition>,
    /// The changes that would make the person synchronise; of those that begin with "either", one
    /// is enough. Empty when it does.
    pub would_sync_if: Vec<String>,
    /// What there is to know of single fields.
    pub fields: Vec<FieldNote>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// A stable identifier.
    pub name: String,
    /// Whether it is as synchronising needs it.
    pub holds: bool,
    /// What was found, in a sentence.
    pub detail: String,
}

/// What there is to know of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldNote {
    /// Which field.
    pub field: Field,
    /// In a sentence.
    pub note: String,
}

/// Explains one person of one user.
pub fn explain(input: &ExplainInput<'_>) -> Explanation {
    let main = input
        .person
        .and_then(|person| main_relationship(person, input.employee));
    let is_named = main.is_some();
    Explanation {
        rule: rule(input, is_named),
        eligible: is_named && input.user == UserFacts::Live,
        conditions: conditions(input, is_named),
        would_sync_if: steps(input, is_named)
            .iter()
            .map(Message::english)
            .collect(),
        fields: field_notes(input),
    }
}

fn rule(input: &ExplainInput<'_>, is_named: bool) -> Rule {
    if input.person.is_none() {
        return Rule::R11;
    }
    match input.user {
        UserFacts::EmployeeLeft => return Rule::R22,
        UserFacts::Disconnected => return Rule::R20,
        UserFacts::NeedsConsent => return Rule::R21,
        UserFacts::Braked => return Rule::R17,
        UserFacts::Paused => return Rule::R19,
        UserFacts::NotStarted | UserFacts::Live => {}
    }
    if !is_named {
        return Rule::R9;
    }
    let Some(link) = input.link else {
        return Rule::R1;
    };
    match link.state {
        LinkState::Intent => Rule::R1,
        LinkState::Tombstone { .. } if is_awaited(input, link) => Rule::R8,
        LinkState::Tombstone { .. } => Rule::R7,
        LinkState::Linked | LinkState::Sleeping | LinkState::Closed => {
            match (input.contact_exists, input.held.first()) {
                (Some(false), _) => Rule::R7,
                (_, Some((_, rule))) => *rule,
                _ if link.contact.is_none() => Rule::R1,
                _ if link.base.is_empty() => Rule::R12a,
                _ => Rule::R15,
            }
        }
    }
}

/// Whether the next plan creates again what was deleted: the person became eligible since (R8).
fn is_awaited(input: &ExplainInput<'_>, link: &Link) -> bool {
    link.state == LinkState::Tombstone { eligible: false } && !input.policy.respect_deletes
}

fn is_deleted(input: &ExplainInput<'_>) -> bool {
    match input.link {
        Some(link) => match link.state {
            LinkState::Tombstone { .. } => true,
            LinkState::Intent => false,
            LinkState::Linked | LinkState::Sleeping | LinkState::Closed => {
                link.contact.is_some() && input.contact_exists == Some(false)
            }
        },
        None => false,
    }
}

fn conditions(input: &ExplainInput<'_>, is_named: bool) -> Vec<Condition> {
    let mut all = Vec::new();
    let mut add = |name: &str, holds: bool, message: Message| {
        all.push(Condition {
            name: name.to_owned(),
            holds,
            detail: message.english(),
        });
    };
    let is_live = input.user == UserFacts::Live;
    add("user_live", is_live, Message::User(input.user));
    let exists = input.person.is_some();
    add("person_exists", exists, Message::Person { exists });
    for relationship in input.person.iter().flat_map(|person| &person.relationships) {
        let (id, kind) = (relationship.id, relationship.kind);
        let standing = standing(relationship, input.employee);
        let former = standing.former;
        add(
            "relationship_not_former",
            !former,
            Message::Former { id, kind, former },
        );
        add(
            "relationship_names_employee",
            standing.manager || standing.owner,
            Message::Names {
                id,
                kind,
                manager: standing.manager,
                owner: standing.owner,
            },
        );
    }
    add(
        "relationship_eligible",
        is_named,
        Message::Eligible { is_named },
    );
    let state = input.link.map(|link| link.state);
    let is_linked = !matches!(
        state,
        Some(LinkState::Tombstone { .. } | LinkState::Closed | LinkState::Sleeping)
    );
    add("link", is_linked, Message::Link(state));
    if input.link.is_some() {
        let present = if is_deleted(input) {
            Some(false)
        } else {
            input.contact_exists
        };
        let holds = present != Some(false);
        add("contact_present", holds, Message::Contact { present });
    }
    let held = input.held.len();
    add("not_held", held == 0, Message::Held { held });
    all
}

fn steps(input: &ExplainInput<'_>, is_named: bool) -> Vec<Message> {
    let Some(person) = input.person else {
        return vec![Message::RestorePerson];
    };
    let mut steps = Vec::new();
    if input.user != UserFacts::Live {
        steps.push(Message::FreeUser(input.user));
    }
    if !is_named {
        if person.relationships.is_empty() {
            steps.push(Message::AddRelationship);
        }
        let alternatives = person.relationships.len() > 1;
        for relationship in &person.relationships {
            let standing = standing(relationship, input.employee);
            steps.push(Message::MakeEligible {
                id: relationship.id,
                former: standing.former,
                named: standing.manager || standing.owner,
                alternatives,
            });
        }
    }
    if is_deleted(input) {
        if input.policy.respect_deletes {
            steps.push(Message::AllowAgain);
        }
        // Becoming eligible again is reason enough (R8).
        let awaited = input.link.is_some_and(|link| is_awaited(input, link));
        if is_named && !awaited {
            steps.push(Message::ChangeField);
        }
    }
    steps.extend(input.held.iter().map(|(field, _)| Message::Decide(*field)));
    steps
}

fn field_notes(input: &ExplainInput<'_>) -> Vec<FieldNote> {
    let mut notes = Vec::new();
    for field in Field::ALL {
        let mut add = |message: Message| {
            notes.push(FieldNote {
                field,
                note: message.english(),
            });
        };
        for refusal in input
            .refused
            .iter()
            .filter(|refusal| refusal.field == field)
        {
            add(Message::Refused(*refusal));
        }
        for (_, rule) in input.held.iter().filter(|(held, _)| *held == field) {
            add(Message::HeldBy(*rule));
        }
        let direction = input.policy.direction(field);
        if direction != Direction::Both {
            add(Message::Direction {
                direction,
                by_design: direction == field.widest(),
            });
        }
    }
    notes
}
