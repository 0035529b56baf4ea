//! Each case of an explanation.

use tribelink_plan::{
    canonical::Misfit,
    explain::{ExplainInput, Explanation, UserFacts, explain},
    field::{Direction, Field, Side},
    link::{Link, LinkState},
    person::{Kind, Person},
    planner::Refusal,
    policy::Policy,
    rule::Rule,
};

use crate::model::{FILLED, ME, World, person, relationship};

struct Case {
    user: UserFacts,
    person: Option<Person>,
    link: Option<Link>,
    contact_exists: Option<bool>,
    refused: Vec<Refusal>,
    held: Vec<(Field, Rule)>,
    policy: Policy,
}

impl Case {
    fn linked() -> Case {
        let world = World::linked(Kind::Contact);
        Case {
            user: UserFacts::Live,
            person: world.person.clone(),
            link: world.link.clone(),
            contact_exists: Some(true),
            refused: Vec::new(),
            held: Vec::new(),
            policy: Policy::default(),
        }
    }

    fn explain(&self) -> Explanation {
        let explanation = explain(&ExplainInput {
            employee: ME,
            user: self.user,
            person: self.person.as_ref(),
            link: self.link.as_ref(),
            contact_exists: self.contact_exists,
            refused: &self.refused,
            held: &self.held,
            policy: &self.policy,
        });
        let text = format!("{explanation:?}");
        for (field, value) in FILLED {
            assert!(value.len() < 4 || !text.contains(value), "{field} is shown");
        }
        explanation
    }

    fn state(mut self, state: LinkState) -> Case {
        self.link.as_mut().unwrap().state = state;
        self
    }
}

fn failing(explanation: &Explanation) -> Vec<&str> {
    let failing = explanation
        .conditions
        .iter()
        .filter(|condition| !condition.holds);
    failing.map(|condition| condition.name.as_str()).collect()
}

fn id(n: u128) -> String {
    uuid::Uuid::from_u128(n).to_string()
}

#[test]
fn a_linked_person_in_step_needs_nothing() {
    let found = Case::linked().explain();
    assert_eq!((found.rule, found.eligible), (Rule::R15, true));
    assert_eq!(failing(&found), [""; 0]);
    assert_eq!(found.would_sync_if, [""; 0]);
    let names: Vec<&str> = found.conditions.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "user_live",
            "person_exists",
            "relationship_not_former",
            "relationship_names_employee",
            "relationship_eligible",
            "link",
            "contact_present",
            "not_held"
        ]
    );
    assert!(
        found.conditions[3]
            .detail
            .contains("as relationship manager")
    );
}

#[test]
fn each_state_of_the_user_says_how_to_leave_it() {
    for (user, rule, step) in [
        (UserFacts::NotStarted, Rule::R15, "start the first sync"),
        (UserFacts::Paused, Rule::R19, "resume the user"),
        (
            UserFacts::NeedsConsent,
            Rule::R21,
            "sign in at Microsoft again",
        ),
        (UserFacts::Braked, Rule::R17, "release the brake"),
        (
            UserFacts::Disconnected,
            Rule::R20,
            "activate the user again",
        ),
        (UserFacts::EmployeeLeft, Rule::R22, "current in Tribe again"),
    ] {
        let found = Case {
            user,
            ..Case::linked()
        }
        .explain();
        assert_eq!((found.rule, found.eligible), (rule, false), "{user:?}");
        assert_eq!(failing(&found), ["user_live"]);
        assert_eq!(found.would_sync_if.len(), 1);
        assert!(
            found.would_sync_if[0].contains(step),
            "{}",
            found.would_sync_if[0]
        );
    }
}

#[test]
fn a_deleted_person_is_told() {
    let found = Case {
        person: None,
        ..Case::linked()
    }
    .state(LinkState::Closed)
    .explain();
    assert_eq!((found.rule, found.eligible), (Rule::R11, false));
    assert!(failing(&found).contains(&"person_exists"));
    assert_eq!(found.would_sync_if, ["restore the person in Tribe"]);
}

#[test]
fn somebody_not_named_or_former_says_what_to_change_in_which_relationship() {
    let mut case = Case::linked().state(LinkState::Sleeping);
    let mut unnamed = relationship(20, Kind::Individual);
    unnamed.managers.clear();
    let mut both = relationship(30, Kind::Employee);
    both.managers.clear();
    both.former = true;
    let person = case.person.as_mut().unwrap();
    person.relationships[0].former = true;
    let single = case.explain();
    assert_eq!((single.rule, single.eligible), (Rule::R9, false));
    assert_eq!(
        single.would_sync_if,
        [format!("remove the former mark of relationship {}", id(10))]
    );
    case.person
        .as_mut()
        .unwrap()
        .relationships
        .extend([unnamed, both]);
    let name = "name the employee as relationship manager or owner of";
    assert_eq!(
        case.explain().would_sync_if,
        [
            format!("either remove the former mark of relationship {}", id(10)),
            format!("either {name} relationship {}", id(20)),
            format!(
                "either remove the former mark of relationship {} and {name} it",
                id(30)
            ),
        ]
    );
    assert_eq!(
        failing(&case.explain()),
        [
            "relationship_not_former",
            "relationship_names_employee",
            "relationship_not_former",
            "relationship_names_employee",
            "relationship_eligible",
            "link"
        ]
    );
}

#[test]
fn somebody_without_relationship_needs_one() {
    let found = Case {
        person: Some(person(Vec::new())),
        link: None,
        contact_exists: None,
        ..Case::linked()
    }
    .explain();
    assert_eq!(found.rule, Rule::R9);
    assert!(found.would_sync_if[0].starts_with("give the person a contact"));
}

#[test]
fn without_link_the_person_is_about_to_be_created() {
    for link in [None, Some(Link::intent(Kind::Contact))] {
        let found = Case {
            link,
            contact_exists: None,
            ..Case::linked()
        }
        .explain();
        assert_eq!((found.rule, found.eligible), (Rule::R1, true));
        assert_eq!(found.would_sync_if, [""; 0]);
    }
}

#[test]
fn a_contact_deleted_in_outlook_comes_back_by_a_change() {
    let change = "change a synchronised field in Tribe (the contact was deleted in Outlook)";
    let tombstone = Case::linked().state(LinkState::Tombstone { eligible: true });
    assert_eq!(tombstone.explain().rule, Rule::R7);
    assert_eq!(tombstone.explain().would_sync_if, [change]);
    assert_eq!(failing(&tombstone.explain()), ["link", "contact_present"]);
    let gone = Case {
        contact_exists: Some(false),
        ..Case::linked()
    };
    assert_eq!(
        (gone.explain().rule, gone.explain().would_sync_if),
        (Rule::R7, vec![change.into()])
    );
    let again = Case::linked().state(LinkState::Tombstone { eligible: false });
    assert_eq!(
        again.explain().rule,
        Rule::R8,
        "eligible again: the next plan creates it"
    );
    assert_eq!(again.explain().would_sync_if, [""; 0]);
    let mut never = Case::linked().state(LinkState::Tombstone { eligible: false });
    never.policy.respect_deletes = true;
    let found = never.explain();
    assert_eq!(found.rule, Rule::R7);
    assert!(found.would_sync_if[0].contains("sync.respect_deletes"));
}

#[test]
fn a_link_without_base_is_told() {
    let mut case = Case::linked();
    case.link.as_mut().unwrap().base = Default::default();
    assert_eq!(case.explain().rule, Rule::R12a);
}

#[test]
fn fields_show_refusals_holds_and_directions_under_their_names() {
    let mut case = Case::linked();
    case.refused.push(Refusal {
        field: Field::Surname,
        to: Side::Tribe,
        misfit: Misfit::SurnameNeeded,
    });
    case.held.push((Field::Function, Rule::R6));
    case.policy
        .directions
        .insert(Field::PrivatePhone, Direction::Off);
    let found = case.explain();
    assert_eq!(found.rule, Rule::R6);
    assert_eq!(failing(&found), ["not_held"]);
    assert_eq!(found.would_sync_if, ["decide the held change of function"]);
    let notes: Vec<(Field, &str)> = found
        .fields
        .iter()
        .map(|note| (note.field, note.note.as_str()))
        .collect();
    assert_eq!(notes[0].0, Field::Surname);
    assert!(
        notes[0]
            .1
            .starts_with("not written to Tribe: Tribe needs a surname")
    );
    assert_eq!(notes[1].0, Field::Function);
    assert!(notes[1].1.starts_with("waits for a decision (R6)"));
    assert_eq!(
        notes[2],
        (
            Field::PrivatePhone,
            "is not synchronised (by configuration)"
        )
    );
    assert_eq!(
        notes[3],
        (Field::Company, "goes from Tribe to Outlook alone (always)")
    );
    assert_eq!(notes[4].0, Field::DisplayName);
}

#[test]
fn an_explanation_is_json_with_codes() {
    let json = serde_json::to_value(Case::linked().explain()).unwrap();
    assert_eq!(json["rule"], "R15");
    assert_eq!(json["eligible"], true);
    assert_eq!(json["conditions"][0]["name"], "user_live");
    assert_eq!(json["fields"][0]["field"], "company");
}
