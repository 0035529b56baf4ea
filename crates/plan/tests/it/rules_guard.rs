//! R14 to R18: what comes back, what Outlook completed, what cannot be read; directions.

use tribelink_plan::{
    base::{Base, Mark, Marks},
    field::{Direction, Field},
    ids::ContactId,
    link::PrivateEmailSlot,
    person::Kind,
    planner::Next,
    policy::MergeGuard,
    reading::Reading,
    rule::Rule,
};

use crate::model::{FILLED, World, losses, mark, person, value};
use crate::outlook::composed;

#[test]
fn r14_an_own_write_that_comes_back_is_no_edit() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::Function, "Director");
    world.run();
    assert_eq!(
        world.link().etag,
        world.seen().etag,
        "the answer's etag is the read"
    );
    let done = world.run();
    assert_eq!((done.last().rule, done.writes()), (Rule::R14, 0));
}

#[test]
fn r14_a_stale_read_waits_and_later_is_an_edit() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::Function, "Director");
    world.run();
    world.contact().job_title = value("Buyer");
    let done = world.run();
    assert_eq!(
        (done.plans[0].rule, &done.plans[0].next),
        (Rule::R14, &Next::Wait)
    );
    assert_eq!(
        world.in_tribe(Field::Function),
        "Buyer",
        "A-B-A is an edit once it settled"
    );
    world.assert_quiet();
}

#[test]
fn r14_a_read_older_than_an_edit_that_was_taken_over_waits() {
    let mut world = World::linked(Kind::Contact);
    world.contact().job_title = value("Director");
    world.run();
    assert_eq!(world.in_tribe(Field::Function), "Director");
    world.contact().job_title = value("Buyer");
    let plan = world.plan();
    assert_eq!(
        (plan.rule, &plan.next),
        (Rule::R14, &Next::Wait),
        "the contact as it was before the edit"
    );
    world.contact().job_title = value("Head of sales");
    world.run();
    assert_eq!(
        world.in_tribe(Field::Function),
        "Head of sales",
        "a further edit does not wait"
    );
    world.contact().job_title = value("Buyer");
    assert_eq!(
        world.plan().next,
        Next::Wait,
        "older by two edits is as stale"
    );
    world.run();
    assert_eq!(
        world.in_tribe(Field::Function),
        "Buyer",
        "A-B-A is an edit once it settled"
    );
    world.assert_quiet();
}

#[test]
fn r14_an_answer_that_differs_is_planned_again() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::Function, "Director");
    let plan = world.plan();
    world.contact().home_phones = Some(vec!["+31107654321".to_owned()]);
    let mut done = crate::model::Done::default();
    assert!(
        world.apply(plan, &mut done),
        "the answer holds an edit of its own"
    );
    assert_eq!(world.link().etag, None);
    world.run();
    assert_eq!(world.in_tribe(Field::PrivatePhone), "+31107654321");
    world.assert_quiet();
}

#[test]
fn r15_other_fields_and_further_values_cause_no_write() {
    let mut world = World::linked(Kind::Contact);
    let contact = world.contact();
    contact.display_name = value("My own name for him");
    contact.file_as = value("Filed elsewhere");
    contact
        .business_phones
        .as_mut()
        .unwrap()
        .push("+31209999999".into());
    contact
        .emails
        .as_mut()
        .unwrap()
        .push(crate::outlook::entry("third@else.example"));
    let done = world.run();
    assert_eq!((done.last().rule, done.writes()), (Rule::R15, 0));
}

#[test]
fn r16_flag_passes_on_marked_hold_waits_accept_passes() {
    for guard in [MergeGuard::Flag, MergeGuard::Hold, MergeGuard::Accept] {
        let (mut world, other) = completed();
        world.policy.merge_guard = guard;
        world.others = vec![other];
        let done = world.run();
        let passed = world.in_tribe(Field::Function) == "Director";
        assert_eq!(passed, guard != MergeGuard::Hold);
        let rule = if guard == MergeGuard::Accept {
            Rule::R3
        } else {
            Rule::R16
        };
        assert_eq!(done.plans[0].rule, rule);
        if guard == MergeGuard::Hold {
            assert!(done.held.iter().all(|held| held.rule == Rule::R16));
            assert_eq!(done.held.len(), 2);
            for accepted in [false, true] {
                let mut world = completed().0;
                world.policy.merge_guard = guard;
                world
                    .decided
                    .extend([(Field::Function, accepted), (Field::PrivatePhone, accepted)]);
                let done = world.run();
                assert!(
                    done.decisions
                        .iter()
                        .all(|decision| decision.rule == Rule::R16)
                );
                assert_eq!(world.in_tribe(Field::Function) == "Director", accepted);
                assert_eq!(losses(&done).len(), if accepted { 0 } else { 2 });
                world.decided.clear();
                world.assert_quiet();
            }
        }
    }
}

#[test]
fn r16_counts_the_company_as_a_borrowed_field() {
    let (mut world, mut other) = completed();
    world.contact().home_phones = Some(vec!["+31101234567".to_owned()]);
    world.contact().company_name = value("Other Ltd");
    other.company_name = value("Other Ltd");
    world.others = vec![other];
    assert_eq!(world.run().plans[0].rule, Rule::R16);
}

#[test]
fn r16_one_field_or_another_card_is_no_completion() {
    let (mut world, mut other) = completed();
    other.job_title = value("Something else");
    world.others = vec![other];
    assert_eq!(world.run().plans[0].rule, Rule::R3);
}

/// Outlook completed the card from another one with the same address.
fn completed() -> (World, tribelink_plan::contact::Contact) {
    let mut world = World::linked(Kind::Contact);
    let contact = world.contact();
    contact.job_title = value("Director");
    contact.home_phones = Some(vec!["+31103333333".to_owned()]);
    let mut other = contact.clone();
    other.id = ContactId("other".into());
    (world, other)
}

#[test]
fn r18_an_unreadable_value_decides_nothing_and_the_others_go_on() {
    let mut world = World::linked(Kind::Contact);
    world.contact().job_title = Reading::Unreadable;
    world.contact().emails = None;
    world.contact().given_name = value("Johan");
    world
        .person()
        .fields
        .insert(Field::Insertion, Reading::Unreadable);
    world.tribe(Field::PrivatePhone, "+31107654321");
    let done = world.run();
    let fields: Vec<Field> = done
        .decisions
        .iter()
        .map(|decision| decision.field)
        .collect();
    assert_eq!(fields, [Field::FirstName, Field::PrivatePhone]);
    assert_eq!(world.in_tribe(Field::Function), "Buyer");
    assert_eq!(world.seen().middle_name, value("van der"));
    assert_eq!(world.seen().emails, None);
}

#[test]
fn r18_a_private_mobile_that_cannot_be_read_keeps_its_slot() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::BusinessMobile, "");
    world.run();
    world.pass_time();
    assert_eq!(world.seen().mobile_phone, value("+31687654321"));
    world
        .person()
        .fields
        .insert(Field::PrivateMobile, Reading::Unreadable);
    assert_eq!(world.run().writes(), 0);
    assert_eq!(world.seen().mobile_phone, value("+31687654321"));
}

#[test]
fn r18_an_address_that_cannot_be_read_may_be_the_placed_one() {
    let mut world = World::linked(Kind::Contact);
    world.contact().emails.as_mut().unwrap()[1].address = None;
    assert_eq!(world.run().writes(), 0);
    assert!(matches!(
        world.link().slots.private_email,
        PrivateEmailSlot::Placed(_)
    ));
}

#[test]
fn r18_a_year_less_birthday_is_never_written_to_tribe_and_gives_way_to_an_edit() {
    let mut lost = World::linked(Kind::Contact);
    lost.contact().birthday = Reading::Unreadable;
    lost.tribe(Field::BirthDate, "");
    let mut world = World::new(lost.person().clone());
    world.stamped = vec![lost.seen().clone()];
    world.run();
    assert_eq!(world.in_tribe(Field::BirthDate), "");
    assert_eq!(world.seen().birthday, Reading::Unreadable);
    world.assert_quiet();
    world.tribe(Field::BirthDate, "1981-01-02");
    world.run();
    assert_eq!(world.seen().birthday, value("1981-01-02"));
    world.assert_quiet();
}

#[test]
fn directions_narrow_each_field() {
    for direction in [Direction::ToOutlook, Direction::ToTribe, Direction::Off] {
        let mut fresh = World::linked(Kind::Contact);
        let mut world = World::new(fresh.person().clone());
        world.policy.directions = Field::ALL
            .into_iter()
            .filter(|field| direction.within(field.widest()))
            .map(|field| (field, direction))
            .collect();
        world.run();
        let reaches = direction.to_outlook();
        assert_eq!(
            world.seen().job_title == value("Buyer"),
            reaches,
            "at creation: {direction:?}"
        );
        world.assert_quiet();
        world.pass_time();
        world.tribe(Field::Surname, "Dijk");
        world.run();
        assert_eq!(
            world.seen().surname == value("Dijk"),
            direction.to_outlook()
        );
        world.pass_time();
        world.contact().given_name = value("Johan");
        world.run();
        assert_eq!(
            world.in_tribe(Field::FirstName) == "Johan",
            direction.to_tribe()
        );
        world.assert_quiet();
    }
}

#[test]
fn a_base_of_another_kind_never_leaks_into_the_bytes() {
    let mut base = Base::default();
    for (index, (field, text)) in FILLED.into_iter().enumerate() {
        let world = World::new(person(Vec::new()));
        let tribe = if index % 3 == 0 {
            Mark::Empty
        } else {
            mark(&world, field, text)
        };
        let outlook = if index % 2 == 0 { Mark::Unknown } else { tribe };
        base.set(field, Marks { tribe, outlook });
    }
    assert_eq!(Base::from_bytes(&base.to_bytes()), Some(base.clone()));
    let mut cut = base.to_bytes();
    cut.pop();
    assert_eq!(Base::from_bytes(&cut), None);
}

#[test]
fn the_display_name_is_composed_at_creation() {
    let world = World::linked(Kind::Contact);
    assert_eq!(world.seen().file_as, value("Berg, Jan van der"));
    assert_eq!(
        (
            world.seen().display_name.clone(),
            world.seen().file_as.clone()
        ),
        composed(world.seen())
    );
}
