//! Links as columns hold them: enums as small numbers, since a million must fit.

use aws_lc_rs::digest;
use tribelink_plan::{
    base::{Base, Fingerprint},
    ids::{ContactId, Etag, FolderId, RelationshipId, UserId},
    link::{Link, LinkState, MobileSlot, Origin, PrivateEmailSlot, Slots},
    person::Kind,
};

use super::{Cells, Raw};
use crate::store::{Error, LinkRow};

pub(in crate::store) const LINKED: i64 = 1;
pub(in crate::store) const SLEEPING: i64 = 2;

pub(in crate::store) fn state_number(state: LinkState) -> i64 {
    match state {
        LinkState::Intent => 0,
        LinkState::Linked => LINKED,
        LinkState::Sleeping => SLEEPING,
        LinkState::Tombstone { eligible: false } => 3,
        LinkState::Tombstone { eligible: true } => 4,
        LinkState::Closed => 5,
    }
}

pub(in crate::store) fn state_of(number: i64) -> Option<LinkState> {
    Some(match number {
        0 => LinkState::Intent,
        LINKED => LinkState::Linked,
        SLEEPING => LinkState::Sleeping,
        3 => LinkState::Tombstone { eligible: false },
        4 => LinkState::Tombstone { eligible: true },
        5 => LinkState::Closed,
        _ => return None,
    })
}

pub(in crate::store) fn origin_number(origin: Origin) -> i64 {
    match origin {
        Origin::Created => 0,
        Origin::Stamp => 1,
        Origin::Match => 2,
    }
}

fn origin_of(number: i64) -> Option<Origin> {
    Some(match number {
        0 => Origin::Created,
        1 => Origin::Stamp,
        2 => Origin::Match,
        _ => return None,
    })
}

pub(in crate::store) fn kind_number(kind: Kind) -> i64 {
    match kind {
        Kind::Contact => 0,
        Kind::Employee => 1,
        Kind::Individual => 2,
    }
}

fn kind_of(number: i64) -> Option<Kind> {
    Some(match number {
        0 => Kind::Contact,
        1 => Kind::Employee,
        2 => Kind::Individual,
        _ => return None,
    })
}

/// The slots as one number, with the fingerprint of a placed address beside it: the mobile slot is
/// the lowest bit, what became of the private address the rest.
pub(in crate::store) fn slots_number(slots: Slots) -> (i64, Option<i64>) {
    let mobile = match slots.mobile {
        MobileSlot::Business => 0,
        MobileSlot::Private => 1,
    };
    let (email, placed) = match slots.private_email {
        PrivateEmailSlot::Unplaced => (0, None),
        PrivateEmailSlot::Placed(Fingerprint(number)) => (1, Some(number.cast_signed())),
        PrivateEmailSlot::Touched => (2, None),
    };
    (mobile | email << 1, placed)
}

fn slots_of(number: i64, placed: Option<i64>) -> Option<Slots> {
    let mobile = match number & 1 {
        0 => MobileSlot::Business,
        _ => MobileSlot::Private,
    };
    let private_email = match (number >> 1, placed) {
        (0, None) => PrivateEmailSlot::Unplaced,
        (1, Some(placed)) => PrivateEmailSlot::Placed(Fingerprint(placed.cast_unsigned())),
        (2, None) => PrivateEmailSlot::Touched,
        _ => return None,
    };
    Some(Slots {
        mobile,
        private_email,
    })
}

/// Eight bytes of SHA-256 over the user's id and the contact's: what the index holds instead of 150
/// letters. Two contacts may share it, so every hit is compared in full.
pub(in crate::store) fn contact_hash(user: UserId, contact: &ContactId) -> i64 {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(user.0.as_bytes());
    context.update(contact.as_str().as_bytes());
    let mut head = [0; 8];
    for (to, from) in head.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    i64::from_be_bytes(head)
}

pub(in crate::store) fn link<R: Raw>(row: &R) -> Result<LinkRow, Error> {
    let cells = &Cells::of("links", row);
    let fits = |column: &'static str| move || cells.corrupt(column);
    let slots = slots_of(cells.int("slots")?, cells.int_or_none("placed")?);
    let former = Link::former_from_bytes(cells.bytes("former")?);
    Ok(LinkRow {
        environment: cells.environment("environment")?,
        user: cells.user("user")?,
        person: cells.person("person")?,
        link: Link {
            state: state_of(cells.int("state")?).ok_or_else(fits("state"))?,
            origin: origin_of(cells.int("origin")?).ok_or_else(fits("origin"))?,
            contact: cells.text_or_none("contact")?.map(ContactId),
            etag: cells.text_or_none("etag")?.map(Etag),
            folder: cells.text_or_none("folder")?.map(FolderId),
            relationship: cells.uuid_or_none("relationship")?.map(RelationshipId),
            kind: kind_of(cells.int("kind")?).ok_or_else(fits("kind"))?,
            base: Base::from_bytes(cells.bytes("base")?).ok_or_else(fits("base"))?,
            slots: slots.ok_or_else(fits("slots"))?,
            former: former.ok_or_else(fits("former"))?,
            settles_at_ms: cells.int("settles_ms")?,
        },
        changed_ms: cells.int("changed_ms")?,
        outlook_ms: cells.int_or_none("outlook_ms")?,
        ahead: cells.sealed_or_none("ahead")?,
    })
}
