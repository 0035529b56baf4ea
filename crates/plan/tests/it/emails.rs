//! The addresses of a contact or employee: the business one first, the private one behind it.

use tribelink_plan::{
    field::{Field, Side},
    link::PrivateEmailSlot,
    person::Kind,
};

use crate::model::{Fault, World, losses, person, relationship, value};

pub(crate) const A: &str = "jan@acme.example";
pub(crate) const P: &str = "jan@home.example";
pub(crate) const X: &str = "jan@else.example";
pub(crate) const B: &str = "jan@new.example";

fn with_third() -> World {
    let mut world = World::linked(Kind::Contact);
    world.set_emails(&[A, P, X]);
    assert_eq!(world.run().writes(), 0);
    world
}

pub(crate) fn in_tribe(world: &World) -> (String, String) {
    (
        world.in_tribe(Field::BusinessEmail),
        world.in_tribe(Field::PrivateEmail),
    )
}

#[test]
fn private_email_stands_behind_a_filled_first_one() {
    let world = World::linked(Kind::Contact);
    assert_eq!(world.emails(), [A, P]);
    let mut alone = World::new(person(vec![relationship(10, Kind::Contact)]));
    alone.tribe(Field::PrivateEmail, P);
    alone.run();
    assert!(alone.emails().is_empty(), "no first one, no place");
    alone.pass_time();
    alone.tribe(Field::BusinessEmail, A);
    assert_eq!(alone.run().patches.len(), 1);
    assert_eq!(alone.emails(), [A, P]);
    alone.assert_quiet();
}

#[test]
fn private_email_needs_a_free_slot() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::PrivateEmail, "");
    world.run();
    world.pass_time();
    assert_eq!(world.emails(), [A]);
    world.set_emails(&[A, X, "third@else.example"]);
    world.tribe(Field::PrivateEmail, P);
    assert_eq!(world.run().writes(), 0);
    world.set_emails(&[A, X]);
    assert_eq!(world.run().patches.len(), 1);
    assert_eq!(world.emails(), [A, X, P]);
}

#[test]
fn private_email_follows_tribe_in_its_place() {
    let mut world = with_third();
    world.tribe(Field::PrivateEmail, "new@home.example");
    world.run();
    assert_eq!(world.emails(), [A, "new@home.example", X]);
    world.pass_time();
    world.tribe(Field::PrivateEmail, "");
    world.run();
    assert_eq!(world.emails(), [A, X]);
    world.assert_quiet();
}

#[test]
fn private_email_is_never_placed_twice() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::PrivateEmail, "JAN@acme.example");
    world.run();
    assert_eq!(
        world.emails(),
        [A],
        "the business address already is that one"
    );
    world.assert_quiet();
    world.pass_time();
    let mut other = World::linked(Kind::Contact);
    other.tribe(Field::BusinessEmail, P);
    other.run();
    assert_eq!(other.emails(), [P]);
    other.assert_quiet();
}

#[test]
fn private_email_once_touched_is_the_users() {
    for touched in [vec![A, X], vec![A]] {
        let mut world = World::linked(Kind::Contact);
        world.set_emails(&touched);
        assert_eq!(world.run().writes(), 0);
        assert_eq!(world.link().slots.private_email, PrivateEmailSlot::Touched);
        assert_eq!(
            world.in_tribe(Field::PrivateEmail),
            P,
            "never sent to Tribe"
        );
        world.tribe(Field::PrivateEmail, "new@home.example");
        assert_eq!(world.run().writes(), 0, "nor maintained");
        world.assert_quiet();
    }
}

#[test]
fn private_email_moved_to_the_first_place_is_a_business_edit() {
    let mut world = World::linked(Kind::Contact);
    world.set_emails(&[P, A]);
    let done = world.run();
    assert_eq!((done.patches.len(), done.tribe.len()), (0, 1));
    assert_eq!(in_tribe(&world), (P.into(), P.into()));
    assert_eq!(world.link().slots.private_email, PrivateEmailSlot::Touched);
    world.assert_quiet();
}

#[test]
fn private_email_typed_again_as_the_first_is_a_business_edit_and_stays() {
    let mut world = World::linked(Kind::Contact);
    world.set_emails(&[P, A, P]);
    let done = world.run();
    assert_eq!((done.patches.len(), done.tribe.len()), (0, 1));
    assert_eq!(in_tribe(&world), (P.into(), P.into()));
    assert_eq!(world.emails(), [P, A, P]);
    world.assert_quiet();
}

#[test]
fn private_email_that_became_first_by_removal_is_taken_out() {
    let mut world = World::linked(Kind::Contact);
    world.set_emails(&[P]);
    let done = world.run();
    assert!(world.emails().is_empty());
    assert_eq!(
        in_tribe(&world),
        (String::new(), P.into()),
        "only the business one was emptied"
    );
    assert_eq!((done.patches.len(), done.tribe.len()), (1, 1));
    world.assert_quiet();
    world.pass_time();
    world.tribe(Field::BusinessEmail, B);
    world.run();
    assert_eq!(world.emails(), [B, P], "and comes back behind a filled one");
}

#[test]
fn private_email_by_removal_lets_the_next_address_be_the_first_value() {
    let mut world = with_third();
    world.set_emails(&[P, X]);
    let done = world.run();
    assert_eq!(world.emails(), [X, P]);
    assert_eq!(in_tribe(&world), (X.into(), P.into()));
    assert_eq!((done.patches.len(), done.tribe.len()), (1, 1));
    world.assert_quiet();
}

#[test]
fn private_email_by_removal_survives_a_failed_write() {
    for fault in [
        Fault::Patch,
        Fault::Tribe,
        Fault::StaleOutlook,
        Fault::StaleTribe,
    ] {
        for second in [true, false] {
            let mut world = World::linked(Kind::Contact);
            world.set_emails(&[P]);
            world.faults = if second {
                vec![fault, Fault::None]
            } else {
                vec![fault]
            };
            world.run();
            world.pass_time();
            world.run();
            assert!(world.emails().is_empty(), "{fault:?}");
            assert_eq!(in_tribe(&world), (String::new(), P.into()), "{fault:?}");
            world.assert_quiet();
        }
    }
}

#[test]
fn private_email_emptied_first_in_tribe_takes_the_placed_one_along() {
    let mut world = with_third();
    world.tribe(Field::BusinessEmail, "");
    assert_eq!(world.run().patches.len(), 1);
    assert_eq!(world.emails(), [X, P]);
    assert_eq!(
        world.in_tribe(Field::BusinessEmail),
        "",
        "a further value is no edit"
    );
    world.assert_quiet();
}

#[test]
fn private_email_typed_as_the_first_and_overruled_goes_with_the_emptied_first_one() {
    let mut world = World::linked(Kind::Contact);
    world.set_emails(&[P, P]);
    world.tribe(Field::BusinessEmail, "");
    let done = world.run();
    assert_eq!(
        losses(&done),
        [(Field::BusinessEmail, Side::Outlook, value(P))]
    );
    assert!(world.emails().is_empty());
    assert_eq!(in_tribe(&world), (String::new(), P.into()));
    world.assert_quiet();
}

#[test]
fn private_email_a_stale_read_is_not_a_touch() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::PrivateEmail, "new@home.example");
    world.faults = vec![Fault::StaleOutlook];
    world.run();
    world.pass_time();
    world.run();
    assert!(matches!(
        world.link().slots.private_email,
        PrivateEmailSlot::Placed(_)
    ));
    world.tribe(Field::PrivateEmail, P);
    world.run();
    assert_eq!(world.emails(), [A, P]);
}

#[test]
fn a_further_value_that_became_first_is_kept_behind_a_new_first() {
    let mut world = World::linked(Kind::Contact);
    let list = |texts: &[&str]| Some(texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
    world.contact().business_phones = list(&["+31201234567", "+31202222222"]);
    world.tribe(Field::BusinessPhone, "");
    world.run();
    world.pass_time();
    assert_eq!(world.seen().business_phones, list(&["+31202222222"]));
    world.assert_quiet();
    world.tribe(Field::BusinessPhone, "+31203333333");
    world.run();
    assert_eq!(
        world.seen().business_phones,
        list(&["+31203333333", "+31202222222"])
    );
    world.assert_quiet();
    world.pass_time();
    world.tribe(Field::BusinessPhone, "+31204444444");
    world.run();
    assert_eq!(
        world.seen().business_phones,
        list(&["+31204444444", "+31202222222"])
    );
}
