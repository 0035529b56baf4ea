//! One test for each rule of the life of a link, R1 to R9, by its number; R10 to R13 stand in
//! `rules_adopt`, R14 to R18 in `rules_guard`. (R17 is the brake's, R19 to R22 are the engine's.)

use tribelink_plan::{
    contact::Change,
    eligibility::{employees, main_relationship},
    field::{Field, Side},
    ids::{ContactId, EmployeeId, RelationshipId},
    link::{Link, LinkState},
    person::Kind,
    planner::{Next, OutlookSide, Wanted, plan},
    policy::Conflict,
    rule::Rule,
};
use uuid::Uuid;

use crate::model::{ME, World, is_linked, losses, mark, person, relationship, value};

pub(crate) fn tombstone(world: &mut World) {
    world.contact = None;
    world.pass_time();
    assert_eq!(world.run().last().rule, Rule::R7);
}

#[test]
fn r1_creates_once_after_looking_for_the_stamp() {
    let mut world = World::new(person(vec![relationship(10, Kind::Contact)]));
    let gone = world.person.clone();
    let first = plan(&world.situation(gone.as_ref(), OutlookSide::Unread, None, None));
    assert_eq!(first.next, Next::Read(Wanted::Stamped));
    let done = world.run();
    assert_eq!(
        (done.creates, done.patches.len(), done.tribe.len()),
        (1, 0, 0)
    );
    assert!(
        done.decisions
            .iter()
            .all(|decision| decision.rule == Rule::R1)
    );
    assert!(is_linked(&world.link));
    assert_eq!(world.link().contact, Some(ContactId("c1".into())));
    world.assert_quiet();
}

#[test]
fn r2_patches_just_the_changed_field() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::Function, "Director");
    let done = world.run();
    assert_eq!(done.plans[0].rule, Rule::R2);
    assert_eq!((done.patches.len(), done.tribe.len()), (1, 0));
    let patch = &done.patches[0];
    assert_eq!(patch.job_title, Change::Set("Director".into()));
    assert!(patch.emails.is_leave() && patch.surname.is_leave() && patch.mobile_phone.is_leave());
    assert_eq!(
        patch.display_name,
        Change::Set("Jan van der Berg".into()),
        "sent along as it stands, since Graph would regenerate it"
    );
    world.assert_quiet();
}

#[test]
fn r3_puts_just_the_changed_field() {
    let mut world = World::linked(Kind::Contact);
    world.contact().job_title = value("Director");
    let done = world.run();
    assert_eq!(done.plans[0].rule, Rule::R3);
    assert_eq!((done.patches.len(), done.tribe.len()), (0, 1));
    assert_eq!(done.tribe[0].fields.len(), 1);
    assert_eq!(world.in_tribe(Field::Function), "Director");
    world.assert_quiet();
}

#[test]
fn r4_different_fields_go_both_ways() {
    let mut world = World::linked(Kind::Contact);
    world.contact().job_title = value("Director");
    world.tribe(Field::FirstName, "Johan");
    let done = world.run();
    assert_eq!(done.plans[0].rule, Rule::R4);
    assert!(
        done.decisions
            .iter()
            .all(|decision| decision.rule == Rule::R4 && !decision.loses)
    );
    assert_eq!(world.in_tribe(Field::Function), "Director");
    assert_eq!(world.seen().given_name, value("Johan"));
    assert_eq!(world.seen().display_name, value("Johan van der Berg"));
    world.assert_quiet();
}

#[test]
fn r5_the_same_change_on_both_sides_moves_the_base_alone() {
    let mut world = World::linked(Kind::Contact);
    world.contact().job_title = value("Director");
    world.tribe(Field::Function, " Director ");
    let done = world.run();
    assert_eq!((done.last().rule, done.writes()), (Rule::R5, 0));
    let both = mark(&world, Field::Function, "Director");
    let base = world.link().base.get(Field::Function);
    assert_eq!((base.tribe, base.outlook), (both, both));
}

#[test]
fn r6_the_policy_decides_and_the_loser_is_told() {
    for (conflict, winner, to, loser) in [
        (Conflict::Tribe, "Tribe's", Side::Outlook, "Outlook's"),
        (Conflict::Outlook, "Outlook's", Side::Tribe, "Tribe's"),
    ] {
        let mut world = World::linked(Kind::Contact);
        world.policy.conflict = conflict;
        world.contact().job_title = value("Outlook's");
        world.tribe(Field::Function, "Tribe's");
        let done = world.run();
        assert_eq!(done.plans[0].rule, Rule::R6);
        assert_eq!(losses(&done), [(Field::Function, to, value(loser))]);
        assert_eq!(world.in_tribe(Field::Function), winner);
        assert_eq!(world.seen().job_title, value(winner));
        world.assert_quiet();
    }
}

#[test]
fn r6_hold_waits_while_other_fields_go_on() {
    for accepted in [true, false] {
        let mut world = World::linked(Kind::Contact);
        world.policy.conflict = Conflict::Hold;
        world.contact().job_title = value("Outlook's");
        world.tribe(Field::Function, "Tribe's");
        world.tribe(Field::Surname, "Dijk");
        let done = world.run();
        assert_eq!(done.held.len(), 1);
        assert_eq!(done.held[0].rule, Rule::R6);
        assert_eq!(world.seen().surname, value("Dijk"));
        assert_eq!(world.seen().job_title, value("Outlook's"));
        world.pass_time();
        assert_eq!(world.run().writes(), 0, "it still waits");
        world.decided.insert(Field::Function, accepted);
        assert_eq!(world.run().writes(), 1);
        world.decided.clear();
        let winner = if accepted { "Outlook's" } else { "Tribe's" };
        assert_eq!(world.in_tribe(Field::Function), winner);
        assert_eq!(world.seen().job_title, value(winner));
        world.assert_quiet();
    }
}

#[test]
fn r7_a_deleted_contact_leaves_a_tombstone_and_tribe_alone() {
    let mut world = World::linked(Kind::Contact);
    let before = world.person.clone();
    world.contact = None;
    let done = world.run();
    assert_eq!((done.last().rule, done.writes()), (Rule::R7, 0));
    assert_eq!(world.link().state, LinkState::Tombstone { eligible: true });
    assert_eq!(world.link().contact, None);
    assert_eq!(world.person, before);
    world.pass_time();
    assert_eq!(world.run().writes(), 0, "a resync alone never re-creates");
}

#[test]
fn r7_a_fresh_write_is_waited_for_before_a_deletion_is_believed() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::Function, "Director");
    world.run();
    world.contact = None;
    let done = world.run();
    assert_eq!(done.plans[0].next, Next::Wait);
    assert_eq!(done.last().rule, Rule::R7);
}

#[test]
fn r7_a_notice_of_the_deletion_is_believed_at_once() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::Function, "Director");
    world.run();
    world.contact = None;
    world.told_gone = true;
    let done = world.run();
    assert!(!done.plans.iter().any(|plan| plan.next == Next::Wait));
    assert_eq!(done.last().rule, Rule::R7);
}

#[test]
fn r7_a_moved_contact_is_found_by_its_stamp_and_keeps_its_base() {
    let mut world = World::linked(Kind::Contact);
    let base = world.link().base.clone();
    let mut moved = world.seen().clone();
    moved.id = ContactId("moved".into());
    world.contact = None;
    world.stamped = vec![moved];
    let done = world.run();
    assert_eq!(done.writes(), 0);
    assert_eq!(world.link().contact, Some(ContactId("moved".into())));
    assert_eq!(world.link().base, base);
}

#[test]
fn r7_sleeping_links_too() {
    let mut world = World::linked(Kind::Contact);
    world.main().former = true;
    world.run();
    assert_eq!(world.link().state, LinkState::Sleeping);
    let person = world.person.clone();
    let gone = plan(&world.situation(person.as_ref(), OutlookSide::Gone, Some(&[]), None));
    let Next::Record(link) = gone.next else {
        panic!("{gone:?}")
    };
    assert_eq!(
        (gone.rule, link.state),
        (Rule::R7, LinkState::Tombstone { eligible: false })
    );
}

#[test]
fn r8_a_change_in_tribe_creates_again() {
    let mut world = World::linked(Kind::Contact);
    tombstone(&mut world);
    world.tribe(Field::PrivateEmail, "new@home.example");
    let done = world.run();
    assert_eq!(done.creates, 1);
    assert_eq!(done.plans[0].rule, Rule::R8);
    assert_eq!(world.emails(), ["jan@acme.example", "new@home.example"]);
    world.assert_quiet();
}

#[test]
fn r8_a_change_not_yet_sent_counts_as_later() {
    let mut world = World::linked(Kind::Contact);
    world.contact = None;
    world.tribe(Field::Function, "Director");
    let done = world.run();
    assert_eq!((done.creates, done.plans[0].rule), (1, Rule::R8));
}

#[test]
fn r8_becoming_eligible_again_creates_again() {
    let mut world = World::linked(Kind::Contact);
    tombstone(&mut world);
    world.main().managers.clear();
    world.run();
    assert_eq!(world.link().state, LinkState::Tombstone { eligible: false });
    world.main().owners = vec![ME];
    assert_eq!(world.run().creates, 1);
}

#[test]
fn r8_a_new_kind_with_new_values_is_news() {
    let mut world = World::linked(Kind::Individual);
    tombstone(&mut world);
    let mut job = relationship(20, Kind::Contact);
    job.organization = world.main().organization.clone();
    world.person().relationships.push(job.clone());
    assert_eq!(world.run().creates, 0, "nothing that is mapped differs");
    let last = world.person().relationships.last_mut().unwrap();
    last.fields
        .insert(Field::BusinessEmail, value("jan@new.example"));
    assert_eq!(world.run().creates, 1);
}

#[test]
fn r8_respect_deletes_keeps_the_users_no() {
    let mut world = World::linked(Kind::Contact);
    world.policy.respect_deletes = true;
    tombstone(&mut world);
    world.tribe(Field::Function, "Director");
    assert_eq!(world.run().writes(), 0);
}

#[test]
fn r9_sleeps_without_writes_and_wakes_with_its_base() {
    let mut world = World::linked(Kind::Contact);
    let base = world.link().base.clone();
    world.main().former = true;
    world.tribe(Field::Function, "Director");
    world.contact().given_name = value("Johan");
    let done = world.run();
    assert_eq!((done.last().rule, done.writes()), (Rule::R9, 0));
    assert_eq!(world.link().state, LinkState::Sleeping);
    assert_eq!(world.link().base, base);
    assert_eq!(world.run().writes(), 0);
    world.main().former = false;
    let done = world.run();
    assert_eq!(done.writes(), 2, "both edits are still known");
    assert!(is_linked(&world.link));
    assert_eq!(world.in_tribe(Field::FirstName), "Johan");
    world.assert_quiet();
}

#[test]
fn r9_an_intent_without_contact_is_not_the_users_no() {
    let mut world = World::new(person(vec![relationship(10, Kind::Contact)]));
    world.policy.respect_deletes = true;
    world.link = Some(Link::intent(Kind::Contact));
    world.person().relationships[0].former = true;
    assert_eq!(world.run().writes(), 0);
    world.person().relationships[0].former = false;
    assert_eq!(world.run().creates, 1);
}

#[test]
fn r9_who_is_eligible_and_who_speaks() {
    let me = ME;
    let other = EmployeeId(Uuid::from_u128(99));
    let id = |n| RelationshipId(Uuid::from_u128(n));
    let mut old = relationship(10, Kind::Contact);
    let new = relationship(11, Kind::Contact);
    let employee = relationship(12, Kind::Employee);
    let mut individual = relationship(13, Kind::Individual);
    individual.managers = vec![other];
    individual.owners = vec![me, other];
    let main = |all: &[&tribelink_plan::person::Relationship]| {
        let person = person(all.iter().copied().cloned().collect());
        main_relationship(&person, me).map(|relationship| relationship.id)
    };
    assert_eq!(
        main(&[&individual, &employee, &old, &new]),
        Some(id(11)),
        "contact, latest"
    );
    assert_eq!(
        main(&[&individual, &employee]),
        Some(id(12)),
        "employee before individual"
    );
    assert_eq!(main(&[&individual]), Some(id(13)), "an owner counts");
    let mut former = individual.clone();
    former.former = true;
    assert_eq!(main(&[&former]), None);
    old.created = new.created;
    assert_eq!(main(&[&new, &old]), Some(id(10)), "the lowest id");
    old.created = None;
    assert_eq!(
        main(&[&old, &new]),
        Some(id(11)),
        "an unknown creation is the oldest"
    );
    assert_eq!(
        employees(&person(vec![individual, former, old])),
        [me, other]
    );
}
