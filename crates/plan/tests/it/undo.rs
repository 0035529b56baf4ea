//! Undo in the model world: what was written goes back on both sides, later edits are spared.

use std::collections::BTreeMap;

use tribelink_plan::{
    field::{Direction, Field},
    person::Kind,
    planner::{
        Next, OutlookSide,
        undo::{Spared, Undone, Wish, Written, fold, undo},
    },
    reading::Reading,
    rule::Rule,
};

use crate::model::{Done, World, value};

type Wishes = BTreeMap<Field, Result<Wish, Spared>>;

/// The lines that a run leads to, newest first, all chosen.
fn written(done: &Done) -> Vec<Written> {
    let decisions = done.decisions.iter().rev();
    decisions
        .map(|decision| Written {
            chosen: true,
            by_undo: false,
            rule: decision.rule,
            fields: BTreeMap::from([(
                decision.field,
                Some((decision.before.clone(), decision.after.clone())),
            )]),
        })
        .collect()
}

fn ask(world: &World, wishes: &Wishes) -> Undone {
    let outlook = world
        .contact
        .as_ref()
        .map_or(OutlookSide::Gone, OutlookSide::Here);
    undo(
        &world.situation(world.person.as_ref(), outlook, None, None),
        wishes,
    )
}

/// Carries the undo out, as a job does: its own step, then ordinary plans.
fn carry_out(world: &mut World, wishes: &Wishes) -> Done {
    let mut done = Done::default();
    let undone = ask(world, wishes);
    if let Some(plan) = undone.plan {
        assert!(world.apply(plan, &mut done), "Outlook is still to follow");
        assert_eq!(done.patches.len(), 0, "Tribe first");
        assert!(ask(world, wishes).plan.is_none(), "one step is enough");
    }
    let rest = world.run();
    done.patches.extend(rest.patches);
    done.tribe.extend(rest.tribe);
    done
}

fn line(chosen: bool, before: &str, after: &str) -> Written {
    let values = Some((value(before), value(after)));
    Written {
        chosen,
        by_undo: false,
        rule: Rule::R2,
        fields: BTreeMap::from([(Field::Function, values)]),
    }
}

#[test]
fn a_write_to_outlook_goes_back_on_both_sides_and_can_be_redone() {
    let mut world = World::linked(Kind::Contact);
    let former = world.in_tribe(Field::Function);
    world.tribe(Field::Function, "Director");
    world.tribe(Field::FirstName, "Berta");
    let wishes = fold(&written(&world.run()));
    // At once: the former value is no stale read.
    carry_out(&mut world, &wishes);
    assert_eq!(world.in_tribe(Field::Function), former);
    assert_eq!(world.seen().job_title, value(&former));
    let (shown, first) = (
        world.seen().given_name.clone(),
        world.in_tribe(Field::FirstName),
    );
    assert_eq!(shown, value(&first));
    assert_ne!(first, "Berta");
    world.assert_quiet();
    let redo = fold(&[line(true, "Director", &former)]);
    carry_out(&mut world, &redo);
    assert_eq!(world.in_tribe(Field::Function), "Director");
    assert_eq!(world.seen().job_title, value("Director"));
    world.assert_quiet();
}

#[test]
fn a_write_to_tribe_goes_back_on_both_sides() {
    for kind in [Kind::Contact, Kind::Individual] {
        let mut world = World::linked(kind);
        let former = world.in_tribe(Field::PrivatePhone);
        world.contact().home_phones = Some(vec!["+31205550199".to_owned()]);
        let wishes = fold(&written(&world.run()));
        assert_eq!(wishes.len(), 1);
        let done = carry_out(&mut world, &wishes);
        assert_eq!((done.tribe.len(), done.patches.len()), (1, 1));
        assert_eq!(world.in_tribe(Field::PrivatePhone), former);
        assert_eq!(world.seen().home_phones, Some(vec![former]));
        world.assert_quiet();
    }
}

#[test]
fn a_field_that_somebody_changed_since_is_spared_and_the_others_go_back() {
    for in_outlook in [true, false] {
        let mut world = World::linked(Kind::Contact);
        let former = world.in_tribe(Field::FirstName);
        world.tribe(Field::Function, "Director");
        world.tribe(Field::FirstName, "Berta");
        let wishes = fold(&written(&world.run()));
        world.pass_time();
        if in_outlook {
            world.contact().job_title = value("Chair");
        } else {
            world.tribe(Field::Function, "Chair");
        }
        let spared = ask(&world, &wishes).spared;
        assert_eq!(
            spared,
            BTreeMap::from([(Field::Function, Spared::ChangedSince)])
        );
        carry_out(&mut world, &wishes);
        assert_eq!(world.in_tribe(Field::Function), "Chair");
        assert_eq!(world.seen().job_title, value("Chair"));
        assert_eq!(world.in_tribe(Field::FirstName), former);
        world.assert_quiet();
    }
}

#[test]
fn what_cannot_be_written_to_tribe_is_spared_with_its_reason() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::Function, "Director");
    let wishes = fold(&written(&world.run()));
    world.policy.directions = BTreeMap::from([(Field::Function, Direction::ToOutlook)]);
    let spared = ask(&world, &wishes).spared;
    assert_eq!(spared[&Field::Function], Spared::NotOurs);

    let mut world = World::linked(Kind::Contact);
    let surname = world.in_tribe(Field::Surname);
    let emptied = Written {
        chosen: true,
        by_undo: false,
        rule: Rule::R12a,
        fields: BTreeMap::from([(Field::Surname, Some((Reading::Empty, value(&surname))))]),
    };
    let spared = ask(&world, &fold(&[emptied])).spared;
    assert_eq!(spared[&Field::Surname], Spared::DoesNotFit);
    world.person = None;
    let spared = ask(&world, &wishes).spared;
    assert_eq!(spared[&Field::Function], Spared::NotLinked);
}

#[test]
fn a_range_goes_back_to_what_stood_before_its_first_write() {
    let wishes = fold(&[line(true, "B", "C"), line(true, "A", "B")]);
    let wish = wishes[&Field::Function].as_ref().unwrap();
    assert_eq!((&wish.from, &wish.to), (&value("C"), &value("A")));
    assert!(!wish.changed_since);
    // A later line that carried the same value on is no change; any other is.
    let same = fold(&[line(false, "A", "B"), line(true, "A", "B")]);
    assert!(!same[&Field::Function].as_ref().unwrap().changed_since);
    let other = fold(&[line(false, "B", "C"), line(true, "A", "B")]);
    assert!(other[&Field::Function].as_ref().unwrap().changed_since);
    let back_again = fold(&[
        line(false, "C", "B"),
        line(false, "B", "C"),
        line(true, "A", "B"),
    ]);
    assert!(back_again[&Field::Function].as_ref().unwrap().changed_since);
    // Between two chosen ones somebody else wrote: only the newer goes back.
    let torn = fold(&[
        line(true, "C", "D"),
        line(false, "B", "C"),
        line(true, "A", "B"),
    ]);
    assert_eq!(torn[&Field::Function].as_ref().unwrap().to, value("C"));
    let gone = Written {
        fields: BTreeMap::from([(Field::Function, None)]),
        ..line(true, "A", "B")
    };
    assert_eq!(fold(&[gone])[&Field::Function], Err(Spared::Forgotten));
}

#[test]
fn an_undo_empties_what_was_filled_and_counts_for_the_brake() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::Function, "");
    world.run();
    world.pass_time();
    world.tribe(Field::Function, "Director");
    let wishes = fold(&written(&world.run()));
    let Some(plan) = ask(&world, &wishes).plan else {
        panic!("a way back");
    };
    let Next::Update(update) = plan.next else {
        panic!("an update");
    };
    assert!(update.empties);
    carry_out(&mut world, &wishes);
    assert_eq!(world.seen().job_title, Reading::Empty);
}
