//! The sentences of the fields table: shared slots, lists, limits.

use tribelink_plan::{
    canonical::Misfit,
    field::{Field, Side},
    link::MobileSlot,
    person::Kind,
    reading::Reading,
};

use crate::emails::{A, B, P, X};
use crate::model::{Fault, World, losses, person, relationship, value};
use crate::outlook::{blank, composed, entry};

#[test]
fn private_mobile_fills_an_empty_business_slot_and_is_remembered() {
    let mut world = World::linked(Kind::Contact);
    assert_eq!(world.seen().mobile_phone, value("+31612345678"));
    world.tribe(Field::BusinessMobile, "");
    let done = world.run();
    assert_eq!(done.patches.len(), 1);
    assert_eq!(world.seen().mobile_phone, value("+31687654321"));
    assert_eq!(world.link().slots.mobile, MobileSlot::Private);
    world.pass_time();
    world.contact().mobile_phone = value("+31611111111");
    world.run();
    assert_eq!(
        world.in_tribe(Field::PrivateMobile),
        "+31611111111",
        "to the field that filled it"
    );
    assert_eq!(world.in_tribe(Field::BusinessMobile), "");
    world.pass_time();
    world.contact().mobile_phone = Reading::Empty;
    world.run();
    assert_eq!(world.in_tribe(Field::PrivateMobile), "");
    world.pass_time();
    world.contact().mobile_phone = value("+31622222222");
    world.run();
    assert_eq!(
        world.in_tribe(Field::BusinessMobile),
        "+31622222222",
        "an empty slot is business"
    );
    assert_eq!(world.in_tribe(Field::PrivateMobile), "");
    world.assert_quiet();
}

#[test]
fn private_mobile_gives_way_to_a_business_mobile() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::BusinessMobile, "");
    world.run();
    world.pass_time();
    world.tribe(Field::BusinessMobile, "+31633333333");
    assert_eq!(world.run().patches.len(), 1);
    assert_eq!(world.seen().mobile_phone, value("+31633333333"));
    assert_eq!(world.in_tribe(Field::PrivateMobile), "+31687654321");
    assert_eq!(world.link().slots.mobile, MobileSlot::Business);
    world.assert_quiet();
}

#[test]
fn private_mobile_edit_reaches_tribe_before_its_slot_is_taken() {
    for fault in [
        Fault::None,
        Fault::Tribe,
        Fault::Patch,
        Fault::StaleTribe,
        Fault::StaleOutlook,
    ] {
        let mut world = World::linked(Kind::Contact);
        world.tribe(Field::BusinessMobile, "");
        world.run();
        world.pass_time();
        world.contact().mobile_phone = value("+31644444444");
        world.tribe(Field::BusinessMobile, "+31633333333");
        world.faults = vec![fault];
        world.run();
        world.pass_time();
        world.run();
        assert_eq!(
            world.in_tribe(Field::PrivateMobile),
            "+31644444444",
            "{fault:?}"
        );
        assert_eq!(world.seen().mobile_phone, value("+31633333333"));
        world.assert_quiet();
    }
}

#[test]
fn private_mobile_edit_that_loses_its_slot_is_told() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::BusinessMobile, "");
    world.run();
    world.pass_time();
    world.contact().mobile_phone = value("+31644444444");
    world.tribe(Field::PrivateMobile, "+31655555555");
    world.tribe(Field::BusinessMobile, "+31633333333");
    let done = world.run();
    assert_eq!(
        losses(&done),
        [(Field::PrivateMobile, Side::Outlook, value("+31644444444"))]
    );
    assert_eq!(world.seen().mobile_phone, value("+31633333333"));
}

#[test]
fn private_mobile_typed_in_the_slot_that_it_takes_over_stays_without_a_write() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::BusinessMobile, "");
    world.contact().mobile_phone = value("+31687654321");
    assert_eq!(world.run().writes(), 0);
    assert_eq!(world.link().slots.mobile, MobileSlot::Private);
    assert_eq!(world.in_tribe(Field::BusinessMobile), "");
    assert_eq!(world.in_tribe(Field::PrivateMobile), "+31687654321");
    world.assert_quiet();
}

#[test]
fn business_mobile_cleared_in_outlook_is_cleared_before_the_private_one_comes() {
    for fault in [Fault::None, Fault::Tribe, Fault::Patch] {
        let mut world = World::linked(Kind::Contact);
        world.contact().mobile_phone = Reading::Empty;
        world.faults = vec![fault];
        world.run();
        assert_eq!(world.in_tribe(Field::BusinessMobile), "", "{fault:?}");
        assert_eq!(world.seen().mobile_phone, value("+31687654321"));
        world.assert_quiet();
    }
}

#[test]
fn an_individual_uses_the_private_values() {
    let mut world = World::linked(Kind::Individual);
    assert_eq!(world.emails(), [P]);
    assert_eq!(world.seen().mobile_phone, value("+31687654321"));
    world.set_emails(&[X, P]);
    world.contact().mobile_phone = value("+31611111111");
    world.run();
    assert_eq!(world.in_tribe(Field::PrivateEmail), X);
    assert_eq!(world.in_tribe(Field::PrivateMobile), "+31611111111");
    world.assert_quiet();
}

#[test]
fn an_employee_is_mapped_like_a_contact() {
    let world = World::linked(Kind::Employee);
    assert_eq!(world.emails(), [A, P]);
    assert_eq!(world.seen().job_title, value("Buyer"));
}

#[test]
fn an_emptied_surname_is_refused_and_the_others_go_on() {
    let mut world = World::linked(Kind::Contact);
    world.contact().surname = Reading::Empty;
    world.contact().given_name = value("Johan");
    let done = world.run();
    assert_eq!(done.refused.len(), 1);
    let refusal = done.refused[0];
    assert_eq!((refusal.field, refusal.to), (Field::Surname, Side::Tribe));
    assert_eq!(refusal.misfit, Misfit::SurnameNeeded);
    assert_eq!(world.in_tribe(Field::Surname), "Berg");
    assert_eq!(world.in_tribe(Field::FirstName), "Johan");
    assert_eq!(
        world.run().refused.len(),
        1,
        "it shows as long as it stands"
    );
}

#[test]
fn values_that_do_not_fit_are_refused_never_cut() {
    let long = "x".repeat(256);
    let mut world = World::linked(Kind::Contact);
    world.set_emails(&["Jan <jan@acme.example>", P]);
    world.contact().job_title = value(&long);
    world.tribe(Field::PrivatePhone, &long);
    world.tribe(Field::BirthDate, "1604-08-14");
    world.tribe(Field::Insertion, "de");
    let done = world.run();
    let refused: Vec<_> = done
        .refused
        .iter()
        .map(|r| (r.field, r.to, r.misfit))
        .collect();
    assert_eq!(
        refused,
        [
            (Field::BirthDate, Side::Outlook, Misfit::NotADate),
            (Field::BusinessEmail, Side::Tribe, Misfit::NotAnAddress),
            (Field::Function, Side::Tribe, Misfit::TooLong),
            (Field::PrivatePhone, Side::Outlook, Misfit::TooLong),
        ]
    );
    assert_eq!(world.seen().middle_name, value("de"));
    assert_eq!(world.seen().birthday, value("1980-10-15"));
    world.assert_quiet();
}

#[test]
fn a_composed_name_that_is_too_long_is_refused_and_stays_as_it_is() {
    let mut world = World::linked(Kind::Contact);
    let stands = world.seen().display_name.clone();
    world.tribe(Field::FirstName, &"x".repeat(200));
    world.tribe(Field::Surname, &"y".repeat(200));
    let done = world.run();
    let refusal = done.plans[0].clone();
    let tribelink_plan::planner::Next::Update(update) = refusal.next else {
        panic!()
    };
    assert_eq!(update.refused[0].field, Field::DisplayName);
    assert_eq!(world.seen().display_name, stands);
    let mut fresh = World::new(world.person().clone());
    fresh.run();
    assert_eq!(fresh.seen().given_name, value(&"x".repeat(200)));
}

#[test]
fn the_display_name_is_recomposed_by_our_own_name_writes_alone() {
    let mut world = World::linked(Kind::Contact);
    world.contact().display_name = value("Uncle Jan");
    world.contact().given_name = value("Johan");
    world.run();
    assert_eq!(world.seen().display_name, value("Uncle Jan"));
    world.pass_time();
    world.tribe(Field::Function, "Director");
    world.run();
    assert_eq!(
        world.seen().display_name,
        value("Uncle Jan"),
        "sent along as it stands"
    );
    world.pass_time();
    world.tribe(Field::FirstName, "");
    world.run();
    assert_eq!(world.seen().display_name, value("J. van der Berg"));
    assert_eq!(
        (
            world.seen().display_name.clone(),
            world.seen().file_as.clone()
        ),
        composed(world.seen())
    );
}

#[test]
fn the_company_goes_to_outlook_alone_and_can_be_switched_off() {
    let mut world = World::linked(Kind::Contact);
    assert_eq!(world.seen().company_name, value("Organisation 10"));
    world.contact().company_name = value("My nickname for them");
    assert_eq!(world.run().writes(), 0);
    world.tribe(Field::Company, "Acme");
    world.run();
    assert_eq!(world.seen().company_name, value("Acme"));
    world.pass_time();
    world
        .policy
        .directions
        .insert(Field::Company, tribelink_plan::field::Direction::Off);
    world.tribe(Field::Company, "Other");
    assert_eq!(world.run().writes(), 0);
}

#[test]
fn the_company_of_an_individual_is_never_the_crm_itself() {
    let mut ours = relationship(10, Kind::Individual);
    ours.organization = Some((crate::model::US, value("The CRM's owner")));
    let mut world = World::new(person(vec![ours]));
    world.run();
    assert_eq!(world.seen().company_name, Reading::Empty);
}

#[test]
fn an_entry_keeps_its_name_when_its_address_changes() {
    let mut world = World::linked(Kind::Contact);
    world.contact().emails.as_mut().unwrap()[0].name = Some("Jan at work".into());
    world.tribe(Field::BusinessEmail, B);
    world.run();
    let entries = world.seen().emails.clone().unwrap();
    assert_eq!(entries[0].name.as_deref(), Some("Jan at work"));
    assert!(entries[1] == entry(P));
    assert_ne!(blank().emails, Some(entries));
}
