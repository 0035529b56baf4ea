//! What changed between two looks, and whether the audit says what it should (pure).

use std::collections::BTreeSet;

use super::{
    people::Person,
    step::{Act, Cited, Expect, Move, Place, Seen, Values},
    tell::Change,
    world::Line,
};

pub(super) fn quoted(value: &str) -> String {
    if value.is_empty() {
        "empty".to_owned()
    } else {
        format!("“{value}”")
    }
}

pub(super) fn shown<'s>(seen: &'s Seen, place: Place, field: &str) -> &'s str {
    let value = seen.get(&place).and_then(|values| values.get(field));
    value.map_or("", String::as_str)
}

pub(super) fn set(values: &mut Values, field: &str, value: &str) {
    if value.is_empty() {
        values.remove(field);
    } else {
        values.insert(field.to_owned(), value.to_owned());
    }
}

/// The rules that must have been cited and were not, and those that were and must not.
pub(super) fn unmet_rules(wanted: &[Cited], lines: &[Line]) -> Vec<String> {
    let wanted: BTreeSet<_> = wanted.iter().copied().collect();
    let found: BTreeSet<_> = lines.iter().map(|line| line.cited).collect();
    let missing = wanted.difference(&found);
    let missing = missing.map(|cited| format!("the audit should cite {cited}"));
    let extra = found.difference(&wanted);
    let extra = extra.map(|cited| format!("the audit cites {cited}, which nobody expected"));
    missing.chain(extra).collect()
}

/// Whom a move is about.
pub(super) fn concerned(one: &Move) -> BTreeSet<Person> {
    let of_place = |place: &Place| match place {
        Place::Tribe(person) | Place::Outlook(_, person) => *person,
    };
    let acts = one.acts.iter().filter_map(|act| match act {
        Act::Create(person, _)
        | Act::Tribe(person, ..)
        | Act::Manager(person, _)
        | Act::Owners(person, _)
        | Act::Former(person, _)
        | Act::Outlook(_, person, ..)
        | Act::Delete(_, person)
        | Act::Erase(person)
        | Act::Complete(_, person) => Some(*person),
        _ => None,
    });
    let expects = one.expects.iter().filter_map(|expect| match expect {
        Expect::Shows(place, ..) => Some(of_place(place)),
        Expect::Connector(_, person, _)
        | Expect::Gone(_, person)
        | Expect::Anew(_, person)
        | Expect::Lost(person, _)
        | Expect::Parked(person, _) => Some(*person),
        _ => None,
    });
    let rules = one.rules.iter().map(|cited| cited.person);
    acts.chain(expects).chain(rules).collect()
}

pub(super) fn diff_field(
    place: Place,
    field: &str,
    values: &Values,
    after: &str,
) -> Option<Change> {
    let before = values.get(field).cloned().unwrap_or_default();
    (before != after).then(|| Change {
        place,
        field: field.to_owned(),
        before,
        after: after.to_owned(),
    })
}

pub(super) fn diff(place: Place, before: &Values, after: &Values) -> Vec<Change> {
    let fields: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let change = |field: &String| {
        let after = after.get(field).map_or("", String::as_str);
        diff_field(place, field, before, after)
    };
    fields.into_iter().filter_map(change).collect()
}

/// Outlook composes the display name anew when its user edits a name part: no work of the service.
pub(super) fn is_own_recomposition(one: &Move, change: &Change) -> bool {
    change.field == "displayName"
        && one.acts.iter().any(|act| match (act, change.place) {
            (Act::Outlook(whose, person, ..), Place::Outlook(of, whom)) => {
                (*whose, *person) == (of, whom)
            }
            _ => false,
        })
}
