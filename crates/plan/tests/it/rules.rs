//! One test for each rule that the planner decides, by its number. (R17 is the brake's, R19 to R22
//! are the engine's.)

use tribelink_plan::{
    base::{Base, Mark, Marks},
    contact::Change,
    eligibility::{employees, main_relationship},
    field::{Direction, Field, Side},
    ids::{ContactId, EmployeeId, RelationshipId},
    link::{Link, LinkState, Origin, PrivateEmailSlot},
    person::Kind,
    planner::{Next, OutlookSide, Wanted, choose_stamped, plan},
    policy::{Conflict, Match, MergeGuard},
    reading::Reading,
    rule::Rule,
};
use uuid::Uuid;

use crate::model::{
    FILLED, ME, World, blank, composed, is_linked, losses, mark, person, relationship, value,
};

fn tombstone(world: &mut World) {
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

/// What stands in an old copy was typed before the last write: it must not undo what is newer.
#[test]
fn r12a_an_old_copy_found_after_a_deletion_brings_no_old_value_back() {
    let mut world = World::linked(Kind::Contact);
    let mut copy = world.seen().clone();
    copy.id = ContactId("copy".into());
    world.tribe(Field::FirstName, "Berta");
    world.run();
    world.pass_time();
    let phone = world.in_tribe(Field::BusinessPhone);
    world.contact = None;
    copy.business_phones = Some(Vec::new());
    world.stamped = vec![copy];
    let done = world.run();
    assert!(done.tribe.is_empty(), "{:#?}", done.decisions);
    assert_eq!(world.link().contact, Some(ContactId("copy".into())));
    assert_eq!(world.in_tribe(Field::FirstName), "Berta");
    assert_eq!(world.seen().given_name, value("Berta"));
    assert!(!phone.is_empty());
    assert_eq!(world.seen().business_phones, Some(vec![phone]));
    let lost = done.decisions.iter().find(|decision| decision.loses);
    assert_eq!(
        lost.map(|decision| (decision.rule, decision.field)),
        Some((Rule::R6, Field::FirstName))
    );
    world.assert_quiet();
}

/// The same where Outlook wins: a field that still shows the base is no side of a conflict.
#[test]
fn r12a_a_contact_of_another_id_keeps_the_base_of_what_it_still_shows() {
    let mut world = World::linked(Kind::Contact);
    world.policy.conflict = Conflict::Outlook;
    let mut moved = world.seen().clone();
    moved.id = ContactId("moved".into());
    world.tribe(Field::FirstName, "Berta");
    world.contact = None;
    world.stamped = vec![moved];
    let done = world.run();
    assert!(done.tribe.is_empty(), "{:#?}", done.decisions);
    assert_eq!(world.seen().given_name, value("Berta"));
    world.assert_quiet();
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

#[test]
fn r10_contacts_without_link_are_never_looked_at() {
    let mut world = World::new(person(Vec::new()));
    world.contact = Some(blank());
    let done = world.run();
    assert_eq!((done.last().rule, done.writes()), (Rule::R9, 0));
    assert_eq!(world.link, None);
}

#[test]
fn r11_a_deleted_person_closes_the_link_and_the_contact_stays() {
    let mut world = World::linked(Kind::Contact);
    let contact = world.contact.clone();
    let back = world.person.take();
    let done = world.run();
    assert_eq!((done.last().rule, done.writes()), (Rule::R11, 0));
    assert_eq!(world.link().state, LinkState::Closed);
    assert_eq!(world.contact, contact);
    assert_eq!(world.run().last().next, Next::Nothing);
    world.person = back;
    world.run();
    assert!(
        is_linked(&world.link),
        "a person that is there again is linked again"
    );
}

#[test]
fn r12_a_stamped_contact_is_adopted_instead_of_a_second_one() {
    let mut lost = World::linked(Kind::Contact);
    let mut world = World::new(lost.person().clone());
    world.stamped = vec![lost.seen().clone()];
    let done = world.run();
    assert_eq!(done.writes(), 0, "{:?}", done.decisions);
    assert_eq!(done.plans[0].rule, Rule::R12);
    assert_eq!(world.link().origin, Origin::Stamp);
    let placed = mark(&world, Field::PrivateEmail, "jan@home.example");
    assert!(
        matches!(world.link().slots.private_email, PrivateEmailSlot::Placed(p) if Mark::Value(p) == placed),
        "the placed address is recognised"
    );
    world.assert_quiet();
}

#[test]
fn r12_of_a_doubled_stamp_the_linked_then_the_oldest_counts() {
    let at = |id: &str, second: i64| tribelink_plan::contact::Contact {
        id: ContactId(id.into()),
        created: jiff::Timestamp::from_second(second).ok(),
        ..blank()
    };
    let undated = tribelink_plan::contact::Contact {
        id: ContactId("0".into()),
        ..blank()
    };
    let found = [undated, at("b", 20), at("a", 10), at("c", 10)];
    let chosen = |linked: Option<&str>| {
        let linked = linked.map(|id| ContactId(id.into()));
        choose_stamped(&found, linked.as_ref()).map(|contact| contact.id.0.clone())
    };
    assert_eq!(chosen(None).as_deref(), Some("a"));
    assert_eq!(chosen(Some("b")).as_deref(), Some("b"));
    assert_eq!(chosen(Some("z")).as_deref(), Some("a"));
}

#[test]
fn r12_a_restored_contact_is_adopted_after_its_deletion() {
    for respect_deletes in [false, true] {
        let mut world = World::linked(Kind::Contact);
        world.policy.respect_deletes = respect_deletes;
        let restored = world.seen().clone();
        tombstone(&mut world);
        world.stamped = vec![restored];
        let person = world.person.clone();
        let seen = world.stamped.clone();
        let next = plan(&world.situation(person.as_ref(), OutlookSide::Unread, Some(&seen), None));
        assert_eq!(next.rule, Rule::R12);
        assert!(matches!(next.next, Next::Relink { .. }), "{next:?}");
    }
}

#[test]
fn r12_a_stamped_contact_of_somebody_not_eligible_is_linked_asleep() {
    let mut lost = World::linked(Kind::Contact);
    lost.main().former = true;
    for link in [
        None,
        Some(Link::intent(Kind::Contact)),
        Some(Link {
            state: LinkState::Tombstone { eligible: false },
            ..Link::intent(Kind::Contact)
        }),
    ] {
        let mut world = World::new(lost.person().clone());
        world.link = link;
        let seen = [lost.seen().clone()];
        let person = world.person.clone();
        let next = plan(&world.situation(person.as_ref(), OutlookSide::Unread, Some(&seen), None));
        let Next::Record(link) = next.next else {
            panic!("{next:?}")
        };
        assert_eq!((next.rule, link.state), (Rule::R12, LinkState::Sleeping));
        assert_eq!(link.contact, Some(seen[0].id.clone()));
    }
}

#[test]
fn r12a_without_base_nothing_is_emptied() {
    let mut lost = World::linked(Kind::Contact);
    lost.tribe(Field::Function, "");
    lost.contact().home_phones = Some(Vec::new());
    lost.contact().given_name = value("Johan");
    let mut world = World::new(lost.person().clone());
    world.stamped = vec![lost.seen().clone()];
    let done = world.run();
    assert_eq!(
        world.in_tribe(Field::Function),
        "Buyer",
        "the filled side is taken"
    );
    assert_eq!(
        world.seen().home_phones,
        Some(vec!["+31101234567".to_owned()])
    );
    assert_eq!(
        losses(&done),
        [(Field::FirstName, Side::Outlook, value("Johan"))],
        "R6"
    );
    assert!(
        done.decisions
            .iter()
            .all(|decision| decision.after != Reading::Empty)
    );
    world.assert_quiet();
}

#[test]
fn r12a_never_sends_initials_that_outlook_derived() {
    let mut world = World::new(person(vec![relationship(10, Kind::Contact)]));
    world.derives_initials = true;
    world.tribe(Field::FirstName, "Jan");
    world.run();
    assert_eq!(world.seen().initials, value("J.B."));
    world.pass_time();
    assert_eq!(world.run().writes(), 0, "nobody typed them");
    let mut rebuilt = World::new(world.person().clone());
    rebuilt.stamped = vec![world.seen().clone()];
    assert_eq!(rebuilt.run().writes(), 0, "nobody typed them");
    rebuilt.contact().initials = value("J.P.");
    rebuilt.run();
    assert_eq!(
        rebuilt.in_tribe(Field::Initials),
        "J.P.",
        "once changed they are the user's"
    );
    rebuilt.assert_quiet();
}

#[test]
fn r13_creates_beside_or_adopts_by_email_and_name() {
    let mut other = World::linked(Kind::Contact);
    other.contact().id = ContactId("theirs".into());
    other.contact().job_title = value("Stays in Outlook");
    for matching in [Match::None, Match::EmailName] {
        let mut world = World::new(other.person().clone());
        world.policy.matching = matching;
        world.person().relationships[0]
            .fields
            .insert(Field::Function, Reading::Empty);
        world.matches = vec![other.seen().clone()];
        let done = world.run();
        if matching == Match::None {
            assert_eq!(done.creates, 1);
            continue;
        }
        assert_eq!(done.writes(), 0, "{:?}", done.decisions);
        assert_eq!(done.plans[0].rule, Rule::R13);
        assert!(matches!(
            done.plans[0].next,
            Next::Relink { stamp: true, .. }
        ));
        assert_eq!(
            world.in_tribe(Field::Function),
            "",
            "stays in Outlook as base"
        );
        world.contact().job_title = value("Changed");
        world.run();
        assert_eq!(
            world.in_tribe(Field::Function),
            "Changed",
            "and goes once changed"
        );
        world.assert_quiet();
    }
}

#[test]
fn r13_needs_one_contact_whose_name_and_address_were_read() {
    let other = World::linked(Kind::Contact);
    let mut unread = other.seen().clone();
    unread.given_name = Reading::Unreadable;
    let mut renamed = other.seen().clone();
    renamed.surname = value("Dijk");
    let twice = vec![other.seen().clone(), other.seen().clone()];
    for matches in [vec![unread], vec![renamed], twice] {
        let mut world = World::new(other.person.clone().unwrap());
        world
            .person()
            .fields
            .insert(Field::FirstName, Reading::Unreadable);
        if matches[0].given_name.is_readable() {
            world.tribe(Field::FirstName, "Jan");
        }
        world.policy.matching = Match::EmailName;
        world.matches = matches;
        assert_eq!(world.run().creates, 1);
    }
}

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
        .push(crate::model::entry("third@else.example"));
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
