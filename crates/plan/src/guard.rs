//! R16: the merge guard. Outlook completes a new card from another one with the same address; the
//! borrowed values would then go to Tribe as if somebody had typed them.

use std::collections::BTreeSet;

use crate::{
    base::{Base, Mark},
    contact::Contact,
    field::Field,
    link::{Link, Slots},
    mapping::{Lens, View, view},
};

/// How many fields other than e-mail must agree before a card counts as completed.
pub const BORROWED_FIELDS: usize = 2;

/// The fields that Outlook changed to a new value and that could have been borrowed.
pub fn suspects(seen: &View, link: &Link, lens: Lens<'_>) -> BTreeSet<Field> {
    seen.readings
        .iter()
        .filter(|(field, reading)| {
            !field.is_email()
                && reading.is_filled()
                && link.base.get(**field).outlook != Mark::Unknown
                && lens.mark(**field, reading) != link.base.get(**field).outlook
        })
        .map(|(field, _)| *field)
        .collect()
}

/// Which of the suspects show the values of one of the other contacts with the same address; empty
/// unless there are at least [`BORROWED_FIELDS`] of one contact.
pub fn borrowed(
    suspects: &BTreeSet<Field>,
    seen: &View,
    contact: &Contact,
    link: &Link,
    others: &[Contact],
    lens: Lens<'_>,
) -> BTreeSet<Field> {
    let mut most = BTreeSet::new();
    for other in others.iter().filter(|other| other.id != contact.id) {
        let slots = Slots {
            mobile: link.slots.mobile,
            ..Slots::default()
        };
        let theirs = view(other, link.kind, slots, &Base::default(), lens);
        let same: BTreeSet<Field> = suspects
            .iter()
            .copied()
            .filter(|field| {
                let mark = lens.mark(*field, &theirs.reading(*field));
                matches!(mark, Mark::Value(_)) && mark == lens.mark(*field, &seen.reading(*field))
            })
            .collect();
        if same.len() >= BORROWED_FIELDS && same.len() > most.len() {
            most = same;
        }
    }
    most
}
