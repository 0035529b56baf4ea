//! Random stories in the model world: really different edits on both sides, faults, changes of the
//! relationship; then everything comes to rest, and nothing is lost without being told.
//!
//! `TRIBELINK_CASES` sets how many stories each property runs.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tribelink_plan::{
    base::Mark,
    canonical::canonical,
    contact::Contact,
    field::{Direction, Field, Side},
    link::{MobileSlot, PrivateEmailSlot},
    mapping::mobile_field,
    person::{Kind, Person},
    policy::Conflict,
    reading::Reading,
};

use crate::{
    edits::{act, edit},
    model::{Done, FILLED, Fault, World, person, relationship, value, values},
};

pub(crate) fn cases() -> u32 {
    std::env::var("TRIBELINK_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(600)
}

fn start(kind: Kind, full: bool, conflict: Conflict) -> (World, BTreeSet<String>) {
    let mut world = if full {
        World::linked(kind)
    } else {
        let mut world = World::new(person(vec![relationship(10, kind)]));
        world.tribe(Field::PrivateMobile, "+31687654321");
        world.tribe(Field::PrivateEmail, "jan@home.example");
        world.run();
        world.pass_time();
        world
    };
    world.policy.conflict = conflict;
    let typed = FILLED
        .iter()
        .map(|(field, text)| canonical(*field, text, "NL"))
        .chain(["Berg".to_owned()])
        .collect();
    (world, typed)
}

/// What an edit was, in terms of a mapped field, derived from the two states of a side alone.
fn edits_in_outlook(before: &Contact, after: &Contact, world: &World) -> BTreeMap<Field, Reading> {
    let link = world.link();
    let mut edits = BTreeMap::new();
    let mut note = |field: Field, was: &Reading, is: &Reading| {
        if form(field, was) != form(field, is) {
            edits.insert(field, is.clone());
        }
    };
    note(Field::Initials, &before.initials, &after.initials);
    note(Field::FirstName, &before.given_name, &after.given_name);
    note(Field::Insertion, &before.middle_name, &after.middle_name);
    note(Field::Surname, &before.surname, &after.surname);
    note(Field::BirthDate, &before.birthday, &after.birthday);
    let first = |list: &Option<Vec<String>>| {
        Reading::from_text(
            list.as_ref()
                .and_then(|list| list.first())
                .map(String::as_str),
        )
    };
    note(
        Field::PrivatePhone,
        &first(&before.home_phones),
        &first(&after.home_phones),
    );
    let business = link.kind.is_business();
    let private_mobile = !business || link.slots.mobile == MobileSlot::Private;
    let mobile = if private_mobile {
        Field::PrivateMobile
    } else {
        Field::BusinessMobile
    };
    note(mobile, &before.mobile_phone, &after.mobile_phone);
    let list = |contact: &Contact| -> Vec<String> {
        contact
            .emails
            .iter()
            .flatten()
            .filter_map(|entry| entry.address.clone())
            .collect()
    };
    let (was, mut is) = (list(before), list(after));
    if business {
        note(Field::Function, &before.job_title, &after.job_title);
        note(
            Field::BusinessPhone,
            &first(&before.business_phones),
            &first(&after.business_phones),
        );
        let placed = match link.slots.private_email {
            PrivateEmailSlot::Placed(fingerprint) => was.iter().find(|address| {
                world.lens().mark(Field::PrivateEmail, &value(address)) == Mark::Value(fingerprint)
            }),
            _ => None,
        };
        let by_removal = placed.is_some_and(|placed| {
            is.first() == Some(placed) && !is[1..].contains(placed) && !is.contains(&was[0])
        });
        if by_removal {
            is.remove(0);
        }
    }
    let email = if business {
        Field::BusinessEmail
    } else {
        Field::PrivateEmail
    };
    let head = |list: &[String]| Reading::from_text(list.first().map(String::as_str));
    note(email, &head(&was), &head(&is));
    edits
}

fn form(field: Field, reading: &Reading) -> String {
    reading
        .value()
        .map_or(String::new(), |text| canonical(field, text, "NL"))
}

fn edits_in_tribe(before: &Person, after: &Person) -> BTreeMap<Field, Reading> {
    let mut edits = BTreeMap::new();
    let old = before.relationships.first();
    for field in &Field::ALL[..12] {
        let is = after.reading(*field, after.relationships.first());
        if form(*field, &before.reading(*field, old)) != form(*field, &is) {
            edits.insert(*field, is);
        }
    }
    edits
}

fn told(done: &Done, field: Field, to: Side, edit: &Reading) -> bool {
    done.decisions.iter().any(|decision| {
        decision.loses
            && decision.field == field
            && decision.to == to
            && form(field, &decision.before) == form(field, edit)
    })
}

/// The field that fills the slot of `field` now.
fn heir(world: &World, field: Field) -> Field {
    match field {
        Field::BusinessMobile | Field::PrivateMobile => {
            mobile_field(world.link().kind, world.link().slots.mobile)
        }
        _ => field,
    }
}

/// Fields in which the two sides may differ at rest: what stands in Outlook alone.
fn may_differ(world: &World, field: Field) -> bool {
    let base = world.link().base.get(field);
    let outlook_only = base.tribe == Mark::Empty && matches!(base.outlook, Mark::Value(_));
    let list = matches!(
        field,
        Field::BusinessEmail | Field::PrivateEmail | Field::BusinessPhone | Field::PrivatePhone
    );
    let left_business = world.link().kind == Kind::Individual;
    field == Field::Company || (outlook_only && (list || left_business))
}

/// Fields that are known not to agree: refused, unreadable, or one way only.
fn excused(world: &World, done: &Done) -> BTreeSet<Field> {
    let mut fields: BTreeSet<Field> = done.refused.iter().map(|refusal| refusal.field).collect();
    if world.seen().birthday == Reading::Unreadable {
        fields.insert(Field::BirthDate);
    }
    fields.extend(world.policy.directions.keys());
    fields
}

/// Directions for a few fields.
fn directions() -> impl Strategy<Value = BTreeMap<Field, Direction>> {
    let direction = prop::sample::select(vec![
        Direction::Both,
        Direction::ToOutlook,
        Direction::ToTribe,
        Direction::Off,
    ]);
    let pair = (prop::sample::select(Field::ALL.to_vec()), direction);
    prop::collection::btree_map(pair.0, pair.1, 0..4).prop_map(|map| {
        map.into_iter()
            .filter(|(field, direction)| direction.within(field.widest()))
            .collect()
    })
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Contact, Kind::Employee, Kind::Individual])
}

fn policies() -> impl Strategy<Value = Conflict> {
    prop::sample::select(vec![Conflict::Tribe, Conflict::Outlook])
}

fn fault() -> impl Strategy<Value = Fault> {
    prop::sample::select(vec![
        Fault::None,
        Fault::Patch,
        Fault::Tribe,
        Fault::StaleOutlook,
        Fault::StaleTribe,
    ])
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Different edits of one person on both sides, with and without faults: both sides agree, no
    /// edit is lost without being told, nothing is written twice, nothing is invented.
    #[test]
    fn every_edit_survives_or_is_told(
        kind in kinds(),
        full in any::<bool>(),
        conflict in policies(),
        rounds in prop::collection::vec(prop::collection::vec(edit(false), 1..6), 1..4),
        faults in prop::collection::vec(fault(), 0..4),
        faulty in any::<bool>(),
    ) {
        let (mut world, mut typed) = start(kind, full, conflict);
        let mut jobs = 10;
        for edits in &rounds {
            let was = (world.person().clone(), world.seen().clone());
            for edit in edits {
                act(&mut world, edit, &mut typed, &mut jobs);
            }
            let in_outlook = edits_in_outlook(&was.1, world.seen(), &world);
            let in_tribe = edits_in_tribe(&was.0, &world.person().clone());
            let further = further(world.seen(), &world);
            if faulty {
                world.faults.clone_from(&faults);
            }
            let mut done = world.run();
            world.faults.clear();
            world.pass_time();
            let rest = world.run();
            done.decisions.extend(rest.decisions);
            if !faulty {
                prop_assert!(rest.patches.is_empty() && rest.tribe.is_empty());
                check_write_counts(&done, &in_outlook, &in_tribe)?;
            }
            for field in world.disagreeing() {
                prop_assert!(may_differ(&world, field), "{field} differs after {edits:?}");
            }
            for (field, edit) in &in_outlook {
                // Another field may have taken the slot, with the very value that was typed there.
                let kept = [*field, heir(&world, *field)].iter().any(|field| {
                    form(*field, &value(&world.in_tribe(*field))) == form(*field, edit)
                });
                prop_assert!(
                    kept || told(&done, *field, Side::Outlook, edit),
                    "{field} of Outlook is lost after {edits:?}"
                );
            }
            for (field, edit) in &in_tribe {
                let now = world.in_tribe(*field);
                let kept = form(*field, &value(&now)) == form(*field, edit);
                prop_assert!(
                    kept || told(&done, *field, Side::Tribe, edit),
                    "{field} of Tribe is lost after {edits:?}"
                );
            }
            for address in &further {
                let email = match world.link().kind {
                    Kind::Individual => Field::PrivateEmail,
                    Kind::Contact | Kind::Employee => Field::BusinessEmail,
                };
                // It may have become the first value, and then lost as such.
                let kept = world.emails().contains(address)
                    || told(&done, email, Side::Outlook, &value(address));
                prop_assert!(kept, "a further address is gone after {edits:?}");
            }
            for text in values(&world.person().clone()) {
                prop_assert!(typed.contains(&text), "nobody typed a value in Tribe");
            }
            world.assert_quiet();
            world.pass_time();
        }
    }

    /// Jobs taken and left, owners gone and back, faults anywhere: it comes to rest, a resync
    /// writes nothing, nothing is invented.
    #[test]
    fn every_story_comes_to_rest(
        kind in kinds(),
        conflict in policies(),
        rounds in prop::collection::vec(prop::collection::vec(edit(true), 1..6), 1..5),
        faults in prop::collection::vec(fault(), 0..4),
        directions in directions(),
    ) {
        let (mut world, mut typed) = start(kind, true, conflict);
        world.policy.directions = directions;
        let mut jobs = 10;
        for edits in &rounds {
            for edit in edits {
                act(&mut world, edit, &mut typed, &mut jobs);
            }
            world.faults.clone_from(&faults);
            world.run();
            world.faults.clear();
            world.pass_time();
            world.run();
            world.pass_time();
            let asleep = !crate::model::is_linked(&world.link);
            let last = world.run();
            let excused = excused(&world, &last);
            for field in world.disagreeing() {
                prop_assert!(
                    asleep || may_differ(&world, field) || excused.contains(&field),
                    "{field} differs after {edits:?}"
                );
            }
            for text in values(&world.person().clone()) {
                prop_assert!(typed.contains(&text), "nobody typed a value in Tribe");
            }
            world.assert_quiet();
        }
    }

    /// What is held stays held, and each decision brings both sides together.
    #[test]
    fn held_fields_wait_and_are_decided(
        kind in kinds(),
        edits in prop::collection::vec(edit(true), 1..8),
        accepted in any::<bool>(),
    ) {
        let (mut world, mut typed) = start(kind, true, Conflict::Hold);
        let mut jobs = 10;
        for edit in &edits {
            act(&mut world, edit, &mut typed, &mut jobs);
        }
        world.run();
        world.pass_time();
        prop_assert_eq!(world.run().writes(), 0);
        let mut unfit = BTreeSet::new();
        for _ in 0..3 {
            let held = world.run().held;
            world.decided = held.iter().map(|held| (held.field, accepted)).collect();
            unfit.extend(world.run().refused.iter().map(|refusal| refusal.field));
            world.pass_time();
        }
        world.decided.clear();
        let last = world.run();
        // What was decided for and does not fit still waits; nothing else does.
        prop_assert!(last.held.iter().all(|held| unfit.contains(&held.field)));
        let mut excused = excused(&world, &last);
        excused.extend(last.held.iter().map(|held| held.field));
        let asleep = !crate::model::is_linked(&world.link);
        for field in world.disagreeing() {
            let known = may_differ(&world, field) || excused.contains(&field);
            prop_assert!(asleep || known, "{field} differs");
        }
        world.assert_quiet();
    }

    /// The order in which relationships and lists of people are read makes no difference.
    #[test]
    fn the_order_of_relationships_makes_no_difference(
        edits in prop::collection::vec(edit(true), 1..8),
    ) {
        let (mut world, mut typed) = start(Kind::Contact, true, Conflict::Tribe);
        let mut jobs = 10;
        for edit in &edits {
            act(&mut world, edit, &mut typed, &mut jobs);
        }
        let plan = world.plan();
        world.person().relationships.reverse();
        prop_assert!(plan == world.plan());
    }
}

/// The user's own addresses behind the first.
fn further(contact: &Contact, world: &World) -> Vec<String> {
    let link = world.link();
    let own = |address: &String| match link.slots.private_email {
        PrivateEmailSlot::Placed(fingerprint) => {
            world.lens().mark(Field::PrivateEmail, &value(address)) != Mark::Value(fingerprint)
        }
        _ => true,
    };
    contact
        .emails
        .iter()
        .flatten()
        .skip(1)
        .filter_map(|entry| entry.address.clone())
        .filter(own)
        .collect()
}

fn check_write_counts(
    done: &Done,
    in_outlook: &BTreeMap<Field, Reading>,
    in_tribe: &BTreeMap<Field, Reading>,
) -> Result<(), TestCaseError> {
    // Emptying the first address or the mobile in Outlook may bring a private value to its place.
    let shared = [
        Field::BusinessEmail,
        Field::PrivateEmail,
        Field::BusinessMobile,
        Field::PrivateMobile,
    ];
    let slots = in_outlook
        .keys()
        .filter(|field| shared.contains(field))
        .count();
    if in_tribe.is_empty() && slots == 0 {
        let placing = done
            .decisions
            .iter()
            .all(|d| d.field == Field::PrivateEmail || d.to == Side::Tribe);
        prop_assert!(
            done.patches.is_empty() || placing,
            "an edit of Outlook was patched back"
        );
    }
    if in_outlook.is_empty() {
        prop_assert!(done.tribe.is_empty(), "an edit of Tribe was written back");
        prop_assert!(done.patches.len() <= 1, "two patches for one change");
    }
    prop_assert!(done.patches.len() <= 2 && done.tribe.len() <= 4);
    let mut seen = BTreeSet::new();
    for write in &done.tribe {
        for field in write.fields.keys() {
            prop_assert!(seen.insert(*field), "{field} was written twice");
        }
    }
    Ok(())
}
