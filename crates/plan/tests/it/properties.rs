//! Laws of the values and of the mapping.

use proptest::prelude::*;
use tribelink_plan::{
    base::Mark,
    canonical::canonical,
    field::{Field, Holder},
    mapping::view,
    person::Kind,
    reading::Reading,
};
use unicode_normalization::UnicodeNormalization;

use crate::{
    model::{FILLED, World, person, relationship, value},
    outlook::entry,
    world::cases,
};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn any_field() -> impl Strategy<Value = Field> {
    prop::sample::select(Field::ALL.to_vec())
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "\\PC{0,12}",
        "[+0-9() ./x#;,-]{0,20}",
        "(\\+31|0031|0|)[ (0)-]{0,3}[1-9][0-9 -]{7,11}( ?(ext|x)\\.? ?[0-9]{1,4})?",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:]{0,8}Z?)?",
        "[A-Za-zΑ-Ωα-ωİıßẞ\u{300}-\u{315} ]{0,10}@[a-zA-Z.]{0,8}",
    ]
}

proptest! {
    #![proptest_config(config())]

    /// I26: the canonical form is one.
    #[test]
    fn canonical_twice_is_canonical_once(field in any_field(), text in any_text()) {
        let once = canonical(field, &text, "NL");
        prop_assert_eq!(canonical(field, &once, "NL"), once.clone());
        prop_assert_eq!(canonical(field, &once, "DE"), canonical(field, &once, "DE"));
    }

    /// Two phone texts are the same only if no digit was dropped.
    #[test]
    fn canonical_never_drops_a_digit(
        first in "0[1-9][0-9]{8}",
        second in "[0-9]{1,10}",
        between in "( / |,|;|/| of | x|#| )",
    ) {
        let both = format!("{first}{between}{second}");
        let alone = canonical(Field::BusinessPhone, &first, "NL");
        prop_assert_ne!(canonical(Field::BusinessPhone, &both, "NL"), alone);
    }

    /// I26: put(get(c), c) = c, and get(put(p, c)) = norm(p); card to contact to card.
    #[test]
    fn a_card_survives_the_way_through_outlook(
        kind in prop::sample::select(vec![Kind::Contact, Kind::Employee, Kind::Individual]),
        filled in prop::collection::vec(any::<bool>(), 12),
        names in prop::collection::vec("\\PC{1,20}", 4),
    ) {
        let mut world = World::new(person(vec![relationship(10, kind)]));
        for (index, (field, text)) in FILLED.into_iter().enumerate() {
            let holds = kind.is_business() || field.holder() == Holder::Person;
            if filled[index] && holds {
                let text = names.get(index).filter(|_| field.is_name_part()).map_or(text, |n| n);
                if field != Field::Surname || !text.trim().is_empty() {
                    world.tribe(field, text);
                }
            }
        }
        let done = world.run();
        prop_assert_eq!(done.creates, 1);
        let link = world.link().clone();
        let seen = view(world.seen(), link.kind, link.slots, &link.base, world.lens());
        for (field, reading) in &seen.readings {
            if *field != Field::Company {
                prop_assert_eq!(reading.value().unwrap_or_default(), world.in_tribe(*field), "as typed");
            }
        }
        world.assert_quiet();
        // Back again: a second link reads the contact into an empty person.
        let mut back = World::new(person(vec![relationship(10, kind)]));
        back.stamped = vec![world.seen().clone()];
        let surname = world.in_tribe(Field::Surname);
        back.tribe(Field::Surname, &surname);
        back.run();
        for field in seen.readings.keys() {
            let one_of_ours = *field == Field::Company
                || (*field == Field::PrivateMobile && kind.is_business())
                || *field == Field::Initials;
            if !one_of_ours {
                prop_assert_eq!(back.in_tribe(*field), world.in_tribe(*field));
            }
        }
    }

    /// Spaces, Unicode form, case of an address, the way a number is written: never a write.
    #[test]
    fn cosmetic_differences_cause_no_write(
        kind in prop::sample::select(vec![Kind::Contact, Kind::Employee, Kind::Individual]),
        in_tribe in prop::collection::vec(0u8..4, 12),
        in_outlook in prop::collection::vec(0u8..4, 12),
    ) {
        let mut world = World::new(person(vec![relationship(10, kind)]));
        for (field, text) in FILLED {
            if kind.is_business() || field.holder() == Holder::Person {
                world.tribe(field, if field == Field::Surname { "Çelik" } else { text });
            }
        }
        world.run();
        world.pass_time();
        for (index, (field, _)) in FILLED.into_iter().enumerate() {
            let holds = kind.is_business() || field.holder() == Holder::Person;
            if holds {
                let text = cosmetic(field, &world.in_tribe(field), in_tribe[index]);
                world.tribe(field, &text);
            }
        }
        let style = |field: Field| in_outlook[usize::from(field.index())];
        let redo = |field: Field, reading: &Reading| {
            value(&cosmetic(field, reading.value().unwrap_or_default(), style(field)))
        };
        let contact = world.contact();
        contact.surname = redo(Field::Surname, &contact.surname);
        contact.given_name = redo(Field::FirstName, &contact.given_name);
        contact.job_title = redo(Field::Function, &contact.job_title);
        contact.mobile_phone = redo(Field::BusinessMobile, &contact.mobile_phone);
        for phone in contact.home_phones.iter_mut().chain(&mut contact.business_phones).flatten() {
            *phone = cosmetic(Field::BusinessPhone, phone, style(Field::BusinessPhone));
        }
        for email in contact.emails.iter_mut().flatten() {
            let address = email.address.clone().unwrap_or_default();
            *email = entry(&cosmetic(Field::BusinessEmail, &address, style(Field::BusinessEmail)));
        }
        let done = world.run();
        prop_assert_eq!(done.writes(), 0, "{:?}", done.decisions);
    }

    /// Fields outside the table and further values are never part of a write, byte by byte.
    #[test]
    fn further_values_stay_byte_equal(
        texts in prop::collection::vec("\\PC{1,15}", 3),
        field in prop::sample::select(Field::ALL[..12].to_vec()),
        empties in any::<bool>(),
    ) {
        let mut world = World::linked(Kind::Contact);
        let contact = world.contact();
        contact.business_phones.as_mut().unwrap().push(texts[0].clone());
        contact.home_phones.as_mut().unwrap().push(texts[1].clone());
        contact.emails.as_mut().unwrap().push(entry(&texts[2]));
        world.run();
        let text = if empties && field != Field::Surname {
            ""
        } else if field.is_email() {
            "new@new.example"
        } else if field.is_phone() {
            "+31209876543"
        } else if field == Field::BirthDate {
            "1990-09-09"
        } else {
            "New"
        };
        world.tribe(field, text);
        world.run();
        let seen = world.seen();
        prop_assert!(seen.business_phones.as_ref().unwrap().contains(&texts[0]));
        prop_assert!(seen.home_phones.as_ref().unwrap().contains(&texts[1]));
        prop_assert!(seen.emails.as_ref().unwrap().contains(&entry(&texts[2])));
        world.pass_time();
        world.assert_quiet();
    }
}

fn cosmetic(field: Field, text: &str, style: u8) -> String {
    match style {
        0 => text.to_owned(),
        1 => format!("  {text} "),
        2 if field.is_email() => text.to_uppercase(),
        2 if field.is_phone() => text.replacen("+31", "0", 1),
        2 => text.nfd().collect(),
        _ if field.is_phone() => text.replacen("+31", "+31 (0)", 1),
        _ => text.nfc().collect(),
    }
}

#[test]
fn canonical_reads_the_usual_ways_to_write_a_number() {
    let form = |text: &str| canonical(Field::BusinessPhone, text, "NL");
    for text in [
        "+31201234567",
        "0201234567",
        "020-1234567",
        "(020) 123 45 67",
        "0031 20 1234567",
        "+31 (0)20 123 4567",
        "+31-(0)20-1234567",
    ] {
        assert_eq!(form(text), "+31201234567", "{text}");
    }
    for text in [
        "Jan 0201234567",
        "020123456",
        "0201234567 / 0612345678",
        "ask Jan",
    ] {
        assert_eq!(form(text), text, "left as typed");
    }
    assert_ne!(form("0201234567 ext. 12"), form("0201234567 ext. 13"));
    assert_eq!(form("0201234567 x12"), form("020 1234567 ext. 12"));
}

#[test]
fn canonical_dates_have_no_time() {
    let form = |text: &str| canonical(Field::BirthDate, text, "NL");
    assert_eq!(form("1980-10-15T11:59:00Z"), "1980-10-15");
    assert_eq!(form(" 1980-10-15 "), "1980-10-15");
    assert_eq!(form("--10-15"), "--10-15");
}

#[test]
fn white_space_alone_is_nothing() {
    let world = World::new(person(Vec::new()));
    let blank = Reading::Value(" \u{2003} ".into());
    assert_eq!(world.lens().mark(Field::Function, &blank), Mark::Empty);
}
