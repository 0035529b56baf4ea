//! The base: per field two keyed fingerprints, what each side showed when they were last in step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    field::{Field, Side},
    planted::{self, Bug},
};

/// A keyed fingerprint of one field's canonical value: enough to tell that it changed, not what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub u64);

/// Makes fingerprints. The key and the link they are bound to are the implementation's affair.
pub trait Fingerprints {
    /// The fingerprint of a canonical, non-empty value.
    fn of(&self, field: Field, canonical: &str) -> Fingerprint;
}

/// What one side showed when the base was taken, or shows now.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Mark {
    /// Nothing is known: never read, or unreadable.
    #[default]
    Unknown,
    /// It was empty.
    Empty,
    /// It held a value of this fingerprint.
    Value(Fingerprint),
}

/// One field's two marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// What Tribe showed.
    pub tribe: Mark,
    /// What Outlook showed.
    pub outlook: Mark,
}

impl Marks {
    /// The mark of one side.
    pub fn of(self, side: Side) -> Mark {
        match side {
            Side::Tribe => self.tribe,
            Side::Outlook => self.outlook,
        }
    }
}

/// The marks of all fields that take part in a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base(BTreeMap<Field, Marks>);

impl Base {
    /// The marks of a field; unknown on both sides where it has none.
    pub fn get(&self, field: Field) -> Marks {
        self.0.get(&field).copied().unwrap_or_default()
    }

    /// Sets both marks.
    pub fn set(&mut self, field: Field, mut marks: Marks) {
        if planted::is(Bug::OneBase) && marks.tribe != Mark::Unknown {
            marks.outlook = marks.tribe;
        }
        if marks == Marks::default() {
            self.0.remove(&field);
        } else {
            self.0.insert(field, marks);
        }
    }

    /// Sets one side's mark.
    pub fn set_side(&mut self, field: Field, side: Side, mark: Mark) {
        let mut marks = self.get(field);
        match side {
            Side::Tribe => marks.tribe = mark,
            Side::Outlook => marks.outlook = mark,
        }
        self.set(field, marks);
    }

    /// Takes a field out.
    pub fn remove(&mut self, field: Field) {
        self.0.remove(&field);
    }

    /// Whether nothing is known of any field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every field with its marks, in the card's order.
    pub fn iter(&self) -> impl Iterator<Item = (Field, Marks)> + '_ {
        self.0.iter().map(|(field, marks)| (*field, *marks))
    }

    /// Packs the base: one byte for the field and one for the two marks' kinds, then eight bytes
    /// for each value. About 110 bytes for a usual card.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 18);
        for (field, marks) in self.iter() {
            bytes.push(field.index());
            bytes.push(kind(marks.tribe) << 4 | kind(marks.outlook));
            for mark in [marks.tribe, marks.outlook] {
                if let Mark::Value(Fingerprint(number)) = mark {
                    bytes.extend_from_slice(&number.to_be_bytes());
                }
            }
        }
        bytes
    }

    /// Unpacks what [`Base::to_bytes`] packed; `None` where the bytes are not of that form.
    pub fn from_bytes(bytes: &[u8]) -> Option<Base> {
        let mut rest = bytes;
        let mut base = Base::default();
        while let [index, kinds, tail @ ..] = rest {
            rest = tail;
            let tribe = unpack(kinds >> 4, &mut rest)?;
            let outlook = unpack(kinds & 0x0f, &mut rest)?;
            base.set(Field::from_index(*index)?, Marks { tribe, outlook });
        }
        rest.is_empty().then_some(base)
    }
}

fn kind(mark: Mark) -> u8 {
    match mark {
        Mark::Unknown => 0,
        Mark::Empty => 1,
        Mark::Value(_) => 2,
    }
}

fn unpack(kind: u8, rest: &mut &[u8]) -> Option<Mark> {
    match kind {
        0 => Some(Mark::Unknown),
        1 => Some(Mark::Empty),
        2 => {
            let (number, tail) = rest.split_first_chunk::<8>()?;
            *rest = tail;
            Some(Mark::Value(Fingerprint(u64::from_be_bytes(*number))))
        }
        _ => None,
    }
}
