//! R10 to R13: who is looked for before anybody is made.

use tribelink_plan::{
    base::Mark,
    field::{Field, Side},
    ids::ContactId,
    link::{Link, LinkState, Origin, PrivateEmailSlot},
    person::Kind,
    planner::{Next, OutlookSide, choose_stamped, plan},
    policy::{Conflict, Match},
    reading::Reading,
    rule::Rule,
};

use crate::model::{World, is_linked, losses, mark, person, relationship, value};
use crate::outlook::blank;
use crate::rules::tombstone;

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
fn r11_a_person_of_whom_a_contact_was_just_intended_is_looked_for_once_more() {
    let mut world = World::new(person(vec![relationship(10, Kind::Contact)]));
    let back = world.person.take();
    world.link = Some(Link {
        settles_at_ms: world.now_ms + 1,
        ..Link::intent(Kind::Contact)
    });
    assert_eq!(world.plan().next, Next::Wait, "the read may be older");
    world.person = back;
    world.run();
    assert!(is_linked(&world.link));
    world.person = None;
    world.link = Some(Link::intent(Kind::Contact));
    world.run();
    assert_eq!(world.link().state, LinkState::Closed, "after that time");
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
        let look = |world: &World| {
            plan(&world.situation(person.as_ref(), OutlookSide::Unread, Some(&seen), None))
        };
        assert_eq!(look(&world).next, Next::Wait, "it may be what was deleted");
        world.pass_time();
        let next = look(&world);
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
    let mut renamed = World::new(world.person().clone());
    renamed.tribe(Field::FirstName, "Piet");
    renamed.stamped = vec![world.seen().clone()];
    assert_eq!(renamed.run().tribe, [], "of a name that went");
    assert_eq!(renamed.seen().given_name, value("Piet"));
    renamed.assert_quiet();
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
fn initials_typed_in_tribe_stand_in_no_conflict_with_those_that_outlook_derives() {
    for conflict in [Conflict::Outlook, Conflict::Tribe, Conflict::Hold] {
        let mut world = World::new(person(vec![relationship(10, Kind::Contact)]));
        world.derives_initials = true;
        world.policy.conflict = conflict;
        world.tribe(Field::FirstName, "Jan");
        world.run();
        assert_eq!(world.seen().initials, value("J.B."));
        world.pass_time();
        world.run();
        // A new given name brings new initials along, while somebody types some in Tribe.
        world.contact().given_name = value("Piet");
        world.contact().initials = value("P.B.");
        world.tribe(Field::Initials, "P.J.");
        let done = world.run();
        assert_eq!(world.in_tribe(Field::FirstName), "Piet");
        assert_eq!(world.in_tribe(Field::Initials), "P.J.", "{conflict:?}");
        assert_eq!(world.seen().initials, value("P.J."));
        assert_eq!(losses(&done), [], "nothing was typed against them");
        world.assert_quiet();
    }
}

/// A write that lands late, at a Graph that ignores If-Match, brings them back.
#[test]
fn initials_that_outlook_derived_of_a_former_name_are_nobodys() {
    let mut world = World::new(person(vec![relationship(10, Kind::Contact)]));
    world.derives_initials = true;
    world.tribe(Field::FirstName, "Jan");
    world.run();
    world.pass_time();
    world.contact().given_name = value("Piet");
    world.contact().initials = value("P.B.");
    world.run();
    assert_eq!(world.in_tribe(Field::FirstName), "Piet");
    world.contact().initials = value("J.B.");
    world.run();
    world.pass_time();
    world.run();
    assert_eq!(world.in_tribe(Field::Initials), "", "nobody typed them");
    world.contact().initials = value("P.J.");
    world.run();
    assert_eq!(world.in_tribe(Field::Initials), "P.J.");
    world.assert_quiet();
}

/// They may be what Outlook derived of a former name; nobody can tell without a base.
#[test]
fn initials_found_without_a_base_lose_against_those_in_tribe() {
    for conflict in [Conflict::Outlook, Conflict::Tribe] {
        let mut known = World::linked(Kind::Contact);
        known.contact().initials = value("X.Z.");
        let mut world = World::new(known.person().clone());
        world.policy.conflict = conflict;
        world.stamped = vec![known.seen().clone()];
        world.tribe(Field::Initials, "Q.");
        let done = world.run();
        assert_eq!(world.in_tribe(Field::Initials), "Q.", "{conflict:?}");
        assert_eq!(world.seen().initials, value("Q."));
        let lost: Vec<_> = losses(&done).into_iter().collect();
        assert_eq!(lost.len(), 1, "the loser is told");
        world.assert_quiet();
    }
}

/// What it was once matched by says nothing of an edit that its new id does not remember.
#[test]
fn a_matched_contact_of_another_id_brings_its_edits_to_tribe() {
    let mut world = World::linked(Kind::Contact);
    let mut link = world.link().clone();
    link.origin = Origin::Match;
    world.link = Some(link);
    let mut imported = world.seen().clone();
    imported.id = ContactId("imported".into());
    imported.middle_name = value("van");
    world.contact = None;
    world.stamped = vec![imported];
    world.tribe(Field::Insertion, "");
    world.run();
    assert_eq!(world.in_tribe(Field::Insertion), "van");
    world.assert_quiet();
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
