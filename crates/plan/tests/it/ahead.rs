//! A pass that died between its writes and its record: what the next one makes of it.

use proptest::prelude::*;
use tribelink_plan::{
    field::{Field, Side},
    person::Kind,
    planner::{
        Decision, Next, Plan,
        ahead::WriteAhead,
        settle::{Outcome, settle},
    },
    policy::Conflict,
};

use crate::{
    emails::{A, B, P, X},
    model::{Done, World, losses, value},
};

/// Plans, writes where told, and loses the record.
fn dies(world: &mut World, taken: bool) -> WriteAhead {
    let plan = world.plan();
    let Next::Update(update) = &plan.next else {
        panic!("no update: {:?}", plan.rule);
    };
    let read = world.seen().etag.clone();
    let ahead = WriteAhead::of(update, read.as_ref()).expect("a write");
    let text = serde_json::to_string(&ahead).unwrap();
    let ahead: WriteAhead = serde_json::from_str(&text).unwrap();
    if taken {
        let link = world.link.clone();
        world.apply(plan, &mut Done::default());
        world.link = link;
    }
    ahead
}

/// What the next pass records before it plans anew.
fn recovers(world: &mut World, ahead: WriteAhead) -> (Outcome, Vec<Decision>) {
    let link = world.link().clone();
    let outcome = ahead.outcome(
        &link,
        world.person.as_ref(),
        world.contact.as_ref(),
        world.lens(),
    );
    let update = ahead.into_update();
    let lens = world.lens();
    let settled = settle(&link, &update, &outcome, None, lens, world.now_ms);
    world.link = Some(settled.link);
    let written = update
        .decisions
        .into_iter()
        .filter(|decision| match decision.to {
            Side::Outlook => !outcome.patch_failed,
            Side::Tribe => outcome.tribe.iter().any(|taken| *taken),
        })
        .collect();
    (outcome, written)
}

fn updates(plan: &Plan) -> bool {
    matches!(plan.next, Next::Update(_))
}

/// Outlook derives none over initials that somebody gave: the write that gave some never arrived.
#[test]
fn initials_that_outlook_derives_show_that_a_write_was_not_taken() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::Initials, "");
    world.contact().initials = value("J.V.");
    world.contact().given_name = value("Jan");
    world.contact().surname = value("Visser");
    world.run();
    world.pass_time();
    world.run();
    assert_eq!(world.in_tribe(Field::Initials), "");
    world.tribe(Field::Initials, "Q.");
    let ahead = dies(&mut world, false);
    world.contact().middle_name = value("Naam");
    world.contact().initials = value("J.N.V.");
    let (outcome, written) = recovers(&mut world, ahead);
    assert!(outcome.patch_failed);
    assert_eq!(written, []);
    world.pass_time();
    world.run();
    assert_eq!(world.in_tribe(Field::Initials), "Q.");
    assert_eq!(world.in_tribe(Field::Insertion), "Naam");
    assert_eq!(world.seen().initials, value("Q."));
    world.assert_quiet();
}

#[test]
fn the_next_edit_of_the_same_person_meets_no_conflict_with_an_unrecorded_write() {
    let mut world = World::linked(Kind::Contact);
    world.contact().job_title = value("Head");
    let ahead = dies(&mut world, true);
    world.contact().job_title = value("Director");
    let (outcome, _) = recovers(&mut world, ahead);
    assert_eq!(outcome.tribe, [true]);
    world.pass_time();
    let done = world.run();
    assert_eq!(losses(&done), []);
    assert_eq!(world.in_tribe(Field::Function), "Director");
    world.assert_quiet();
}

#[test]
fn an_edit_of_what_an_unrecorded_write_brought_wins() {
    for conflict in [Conflict::Tribe, Conflict::Outlook, Conflict::Hold] {
        let mut world = World::linked(Kind::Contact);
        world.policy.conflict = conflict;
        world.tribe(Field::Function, "Head");
        let ahead = dies(&mut world, true);
        world.contact().job_title = value("Director");
        let (outcome, _) = recovers(&mut world, ahead);
        assert!(!outcome.patch_failed);
        world.pass_time();
        let done = world.run();
        assert_eq!((losses(&done), done.held.len()), (vec![], 0));
        assert_eq!(world.in_tribe(Field::Function), "Director");
        world.assert_quiet();
    }
}

/// Many people edit in Tribe: what stands there instead may never have met the write at all.
#[test]
fn a_write_to_tribe_that_left_no_trace_meets_what_stands_there() {
    for (conflict, stays) in [(Conflict::Tribe, "Boss"), (Conflict::Outlook, "Head")] {
        let mut world = World::linked(Kind::Contact);
        world.policy.conflict = conflict;
        world.contact().job_title = value("Head");
        let ahead = dies(&mut world, false);
        world.tribe(Field::Function, "Boss");
        let (outcome, written) = recovers(&mut world, ahead);
        assert_eq!((outcome.tribe, written.len()), (vec![false], 0));
        let done = world.run();
        assert_eq!(losses(&done).len(), 1);
        assert_eq!(world.in_tribe(Field::Function), stays);
        assert_eq!(world.seen().job_title, value(stays));
        world.assert_quiet();
    }
}

#[test]
fn what_an_unrecorded_write_lost_is_told() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::Function, "Head");
    world.contact().job_title = value("Director");
    let ahead = dies(&mut world, true);
    let (_, written) = recovers(&mut world, ahead);
    let lost: Vec<_> = written.iter().filter(|decision| decision.loses).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].before, value("Director"));
    assert_eq!(world.run().writes(), 0);
    world.assert_quiet();
}

#[test]
fn a_write_that_never_left_is_made_again() {
    for same_etag in [true, false] {
        let mut world = World::linked(Kind::Contact);
        world.tribe(Field::Function, "Head");
        world.contact().given_name = value("Anna");
        let ahead = dies(&mut world, false);
        if !same_etag {
            world.contact().home_phones = Some(vec!["+31201111111".to_owned()]);
        }
        let (outcome, written) = recovers(&mut world, ahead);
        assert!(outcome.patch_failed);
        assert_eq!((outcome.tribe, written.len()), (vec![false], 0));
        let done = world.run();
        assert_eq!((done.patches.len(), done.tribe.len()), (1, 1));
        assert_eq!(world.seen().job_title, value("Head"));
        assert_eq!(world.in_tribe(Field::FirstName), "Anna");
        world.assert_quiet();
    }
}

#[test]
fn a_slot_that_changed_hands_unrecorded_brings_no_private_number_to_the_business_field() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::BusinessMobile, "");
    let ahead = dies(&mut world, true);
    recovers(&mut world, ahead);
    world.pass_time();
    assert_eq!(world.run().writes(), 0);
    assert_eq!(world.in_tribe(Field::BusinessMobile), "");
    world.assert_quiet();
}

#[test]
fn a_private_address_placed_unrecorded_is_known_as_placed() {
    let mut world = World::linked(Kind::Contact);
    world.tribe(Field::PrivateEmail, X);
    let ahead = dies(&mut world, true);
    assert_eq!(world.emails(), [A, X]);
    recovers(&mut world, ahead);
    world.pass_time();
    world.tribe(Field::PrivateEmail, P);
    world.run();
    assert_eq!(world.emails(), [A, P], "followed in its place");
    world.tribe(Field::BusinessEmail, B);
    world.pass_time();
    world.run();
    assert_eq!(world.emails(), [B, P]);
    world.assert_quiet();
}

/// Fields that stand in both sides under the same name, one value each.
const PLAIN: [Field; 4] = [
    Field::Function,
    Field::FirstName,
    Field::Insertion,
    Field::PrivatePhone,
];

fn types(world: &mut World, in_outlook: bool, field: Field, text: &str) {
    if !in_outlook {
        world.tribe(field, text);
        return;
    }
    match field {
        Field::Function => world.contact().job_title = value(text),
        Field::FirstName => world.contact().given_name = value(text),
        Field::Insertion => world.contact().middle_name = value(text),
        _ => world.contact().home_phones = Some(vec![text.to_owned()]),
    }
}

fn texts(field: Field) -> [&'static str; 3] {
    match field {
        Field::PrivatePhone => ["+31201111111", "+31202222222", "+31203333333"],
        _ => ["Anna", "Bo", "Jan Piet"],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::world::cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Each field is typed on one side alone, new values each time: whatever dies in between, the
    /// last one stands on both sides and nothing is lost.
    #[test]
    fn fields_with_one_author_never_conflict(
        sides in prop::collection::vec(any::<bool>(), 4),
        rounds in prop::collection::vec((prop::collection::vec(0usize..4, 1..4), any::<bool>()), 1..4),
        conflict in prop::sample::select(vec![Conflict::Tribe, Conflict::Outlook, Conflict::Hold]),
    ) {
        let mut world = World::linked(Kind::Contact);
        world.policy.conflict = conflict;
        let mut last = std::collections::BTreeMap::new();
        let mut pending = None;
        for (round, (edits, taken)) in rounds.iter().enumerate() {
            for index in edits {
                let field = PLAIN[*index];
                let text = texts(field)[round];
                types(&mut world, sides[*index], field, text);
                last.insert(field, text);
            }
            if let Some(ahead) = pending.take() {
                recovers(&mut world, ahead);
                world.pass_time();
            }
            if updates(&world.plan()) {
                pending = Some(dies(&mut world, *taken));
            }
        }
        if let Some(ahead) = pending {
            recovers(&mut world, ahead);
            world.pass_time();
        }
        let done = world.run();
        prop_assert_eq!(losses(&done), vec![]);
        prop_assert!(done.held.is_empty());
        for (field, text) in last {
            prop_assert_eq!(world.in_tribe(field), text);
        }
        prop_assert!(world.disagreeing().is_empty());
        world.assert_quiet();
    }
}
