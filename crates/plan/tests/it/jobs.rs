//! A change of the main relationship: judged under the old slots, placed anew from the new ones.

use tribelink_plan::{
    field::{Field, Side},
    ids::RelationshipId,
    person::Kind,
    policy::Conflict,
    reading::Reading,
    rule::Rule,
};
use uuid::Uuid;

use crate::emails::{A, B, P, X, in_tribe};
use crate::model::{Fault, World, losses, relationship, value};

/// A second job: the first is left behind.
fn changes_jobs(world: &mut World, kind: Kind) {
    let mut next = relationship(20, kind);
    if kind.is_business() {
        next.fields.insert(Field::BusinessEmail, value(B));
        next.fields
            .insert(Field::BusinessPhone, value("+31205555555"));
        next.fields.insert(Field::Function, value("Director"));
        next.fields
            .insert(Field::BusinessMobile, value("+31666666666"));
    }
    world.person().relationships[0].former = true;
    world.person().relationships.push(next);
}

fn old(world: &World, field: Field) -> Reading {
    let person = world.person.as_ref().unwrap();
    person.relationships[0]
        .fields
        .get(&field)
        .cloned()
        .unwrap_or_default()
}

#[test]
fn a_new_main_relationship_is_judged_under_the_old_slots_then_placed_anew() {
    for fault in [
        Fault::None,
        Fault::Tribe,
        Fault::Patch,
        Fault::StaleTribe,
        Fault::StaleOutlook,
    ] {
        let mut world = World::linked(Kind::Contact);
        world.contact().job_title = value("Senior buyer");
        changes_jobs(&mut world, Kind::Contact);
        world.faults = vec![fault];
        world.run();
        world.pass_time();
        world.run();
        assert_eq!(
            old(&world, Field::Function),
            value("Senior buyer"),
            "{fault:?}"
        );
        assert_eq!(
            world.link().relationship,
            Some(RelationshipId(Uuid::from_u128(20)))
        );
        assert_eq!(world.in_tribe(Field::Function), "Director");
        assert_eq!(world.seen().job_title, value("Director"));
        assert_eq!(world.seen().company_name, value("Organisation 20"));
        assert_eq!(world.emails(), [B, P]);
        world.assert_quiet();
    }
}

#[test]
fn a_users_own_number_outlives_jobs_without_one_and_with_one() {
    let mut world = World::linked(Kind::Contact);
    let list = |texts: &[&str]| Some(texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
    world.contact().business_phones = list(&["+31201234567", "+31202222222"]);
    let mut jobs = [20, 30, 40].map(|number| relationship(number, Kind::Contact));
    jobs[2]
        .fields
        .insert(Field::BusinessPhone, value("+31205555555"));
    let shown = [
        &["+31202222222"][..],
        &["+31202222222"],
        &["+31205555555", "+31202222222"],
    ];
    for (job, shown) in jobs.into_iter().zip(shown) {
        for left in &mut world.person().relationships {
            left.former = true;
        }
        world.person().relationships.push(job);
        world.run();
        assert_eq!(world.seen().business_phones, list(shown));
        world.assert_quiet();
        world.pass_time();
    }
}

#[test]
fn an_edit_of_a_deleted_relationship_is_lost_with_an_audit_line() {
    let mut world = World::linked(Kind::Contact);
    world.contact().job_title = value("Senior buyer");
    changes_jobs(&mut world, Kind::Contact);
    world.person().relationships.remove(0);
    let done = world.run();
    assert_eq!(
        losses(&done),
        [(Field::Function, Side::Outlook, value("Senior buyer"))]
    );
    assert_eq!(world.seen().job_title, value("Director"));
    world.assert_quiet();
}

#[test]
fn an_edit_contested_in_the_old_relationship_is_told_when_it_loses() {
    for conflict in [Conflict::Tribe, Conflict::Outlook] {
        let mut world = World::linked(Kind::Contact);
        world.policy.conflict = conflict;
        world.contact().job_title = value("Outlook's");
        world.tribe(Field::Function, "Tribe's");
        changes_jobs(&mut world, Kind::Individual);
        let done = world.run();
        let wins = conflict == Conflict::Outlook;
        let loser = if wins { "Tribe's" } else { "Outlook's" };
        assert_eq!(
            losses(&done)
                .iter()
                .map(|l| l.2.clone())
                .collect::<Vec<_>>(),
            [value(loser)]
        );
        assert_eq!(old(&world, Field::Function) == value("Outlook's"), wins);
        world.assert_quiet();
    }
}

#[test]
fn a_held_edit_of_the_old_relationship_keeps_the_old_mapping_until_decided() {
    let mut world = World::linked(Kind::Contact);
    world.policy.conflict = Conflict::Hold;
    world.contact().job_title = value("Outlook's");
    world.tribe(Field::Function, "Tribe's");
    changes_jobs(&mut world, Kind::Contact);
    world.tribe(Field::FirstName, "Johan");
    let done = world.run();
    assert_eq!(done.held[0].field, Field::Function);
    assert_eq!(world.seen().given_name, value("Johan"), "the others go on");
    assert_eq!(world.emails(), [A, P]);
    world.decided.insert(Field::Function, true);
    world.run();
    world.decided.clear();
    assert_eq!(old(&world, Field::Function), value("Outlook's"));
    assert_eq!(world.seen().job_title, value("Director"));
    world.assert_quiet();
}

#[test]
fn an_edit_of_the_old_relationship_that_does_not_fit_is_told() {
    let mut world = World::linked(Kind::Contact);
    world.set_emails(&["not an address", P]);
    changes_jobs(&mut world, Kind::Contact);
    let done = world.run();
    assert_eq!(
        losses(&done),
        [(Field::BusinessEmail, Side::Outlook, value("not an address"))]
    );
    assert_eq!(world.emails(), [B, P]);
    world.assert_quiet();
}

#[test]
fn business_values_without_counterpart_stay_in_outlook_and_leave_the_base() {
    let mut world = World::linked(Kind::Contact);
    changes_jobs(&mut world, Kind::Individual);
    world.tribe(Field::PrivateMobile, "");
    world.run();
    world.pass_time();
    assert_eq!(world.seen().job_title, value("Buyer"));
    assert_eq!(
        world.seen().business_phones,
        Some(vec!["+31201234567".to_owned()])
    );
    assert_eq!(world.seen().mobile_phone, value("+31612345678"));
    assert_eq!(world.emails(), [P], "once, and first");
    for field in [Field::Function, Field::BusinessPhone, Field::BusinessEmail] {
        assert_eq!(world.link().base.get(field), Default::default());
    }
    world.assert_quiet();
    world.contact().job_title = value("Anything");
    assert_eq!(world.run().writes(), 0);
}

#[test]
fn an_individual_who_takes_a_job_gets_its_business_values() {
    let mut world = World::linked(Kind::Individual);
    world.set_emails(&[X, "second@else.example"]);
    changes_jobs(&mut world, Kind::Contact);
    let done = world.run();
    assert_eq!(done.tribe.len(), 1);
    assert_eq!(
        in_tribe(&world),
        (B.into(), X.into()),
        "the edit of the private one is kept"
    );
    assert_eq!(world.emails(), [B, "second@else.example", X]);
    assert_eq!(world.seen().mobile_phone, value("+31666666666"));
    world.assert_quiet();
}

#[test]
fn a_private_address_that_does_not_fit_and_loses_its_slot_is_told() {
    let mut world = World::linked(Kind::Individual);
    world.set_emails(&["not an address"]);
    changes_jobs(&mut world, Kind::Contact);
    let done = world.run();
    assert_eq!(
        losses(&done),
        [(Field::PrivateEmail, Side::Outlook, value("not an address"))]
    );
    assert_eq!(done.plans[0].rule, Rule::R6);
}

#[test]
fn a_list_that_could_not_be_read_is_not_placed_anew() {
    let mut world = World::linked(Kind::Contact);
    let seen = world.seen().clone();
    world.contact().emails = None;
    world.contact().mobile_phone = Reading::Unreadable;
    changes_jobs(&mut world, Kind::Contact);
    world.run();
    assert_eq!(world.seen().mobile_phone, Reading::Unreadable, "R18");
    world.pass_time();
    world.contact().emails = seen.emails;
    world.contact().mobile_phone = seen.mobile_phone;
    world.run();
    assert_eq!(world.emails()[0], B);
    assert_eq!(world.seen().mobile_phone, value("+31666666666"));
    world.assert_quiet();
}
