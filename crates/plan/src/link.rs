//! The link: what this service remembers of one (user, person) ↔ one Outlook contact.

use serde::{Deserialize, Serialize};

use crate::{
    base::{Base, Fingerprint, Mark},
    field::{Field, Side},
    ids::{ContactId, Etag, FolderId, RelationshipId},
    person::Kind,
};

/// What state a link is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// A create was intended; whether it happened is not known yet.
    Intent,
    /// In force.
    Linked,
    /// No longer eligible, or the user is disconnected: no writes, nothing deleted (R9, R20, R22).
    Sleeping,
    /// The contact was deleted in Outlook; the base keeps Tribe's marks of that pass (R7).
    Tombstone {
        /// Whether the person was eligible in that pass.
        eligible: bool,
    },
    /// The person was deleted in Tribe; the contact stays (R11).
    Closed,
}

/// How a link without base came to be; decides what its first merge may do (R12a).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Created by this service.
    #[default]
    Created,
    /// Adopted by its stamp (R12) or rebuilt.
    Stamp,
    /// Adopted by e-mail and name (R13): values only in Outlook stay there until changed.
    Match,
}

/// Which field of a contact or employee owns `mobilePhone`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MobileSlot {
    /// The business mobile; also where the slot is empty.
    #[default]
    Business,
    /// The private mobile, placed while the business mobile was empty.
    Private,
}

/// What became of the private e-mail address of a contact or employee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PrivateEmailSlot {
    /// Not placed.
    #[default]
    Unplaced,
    /// The link placed this one, behind the first.
    Placed(Fingerprint),
    /// The user changed, moved or removed what was placed: it is the user's now.
    Touched,
}

/// Which values fill the slots that two fields share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Slots {
    /// `mobilePhone`
    pub mobile: MobileSlot,
    /// The private address behind the first one.
    pub private_email: PrivateEmailSlot,
}

/// A mark that an own write, or an edit that was taken over, replaced: a read that still shows it is stale
/// while that settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Former {
    /// On which side it stood.
    pub side: Side,
    /// Which field.
    pub field: Field,
    /// What stood there before.
    pub mark: Mark,
    /// An own write replaced it; else an edit in Outlook did, which was taken over.
    pub own: bool,
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its state.
    pub state: LinkState,
    /// How it came to be.
    pub origin: Origin,
    /// The connector ID; none for an intent, a tombstone.
    pub contact: Option<ContactId>,
    /// The contact's etag when the link was last in step; none when that is not certain.
    pub etag: Option<Etag>,
    /// The folder in which the contact was last seen.
    pub folder: Option<FolderId>,
    /// The main relationship at that time.
    pub relationship: Option<RelationshipId>,
    /// Its kind.
    pub kind: Kind,
    /// The base; empty for a link that has none yet.
    pub base: Base,
    /// Which values fill the shared slots.
    pub slots: Slots,
    /// What own writes and edits replaced, until `settles_at_ms`.
    pub former: Vec<Former>,
    /// When the last own write, or edit that was taken over, has settled, in milliseconds since the epoch;
    /// 0 for long ago.
    pub settles_at_ms: i64,
}

impl Link {
    /// A link that stands for nothing yet but an intended create.
    pub fn intent(kind: Kind) -> Link {
        Link {
            state: LinkState::Intent,
            origin: Origin::Created,
            contact: None,
            etag: None,
            folder: None,
            relationship: None,
            kind,
            base: Base::default(),
            slots: Slots::default(),
            former: Vec::new(),
            settles_at_ms: 0,
        }
    }

    /// Packs what was replaced: side and by whom, field, kind of mark, value.
    pub fn former_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for former in &self.former {
            bytes.push(u8::from(former.side == Side::Outlook) | u8::from(!former.own) << 1);
            bytes.push(former.field.index());
            match former.mark {
                Mark::Unknown => bytes.push(0),
                Mark::Empty => bytes.push(1),
                Mark::Value(Fingerprint(number)) => {
                    bytes.push(2);
                    bytes.extend_from_slice(&number.to_be_bytes());
                }
            }
        }
        bytes
    }

    /// Unpacks what [`Link::former_bytes`] packed; `None` where the bytes are not of that form.
    pub fn former_from_bytes(bytes: &[u8]) -> Option<Vec<Former>> {
        let mut rest = bytes;
        let mut all = Vec::new();
        while let [side, field, kind, tail @ ..] = rest {
            rest = tail;
            let mark = match kind {
                0 => Mark::Unknown,
                1 => Mark::Empty,
                2 => {
                    let (number, tail) = rest.split_first_chunk::<8>()?;
                    rest = tail;
                    Mark::Value(Fingerprint(u64::from_be_bytes(*number)))
                }
                _ => return None,
            };
            all.push(Former {
                side: if *side & 1 == 1 {
                    Side::Outlook
                } else {
                    Side::Tribe
                },
                own: *side & 2 == 0,
                field: Field::from_index(*field)?,
                mark,
            });
        }
        rest.is_empty().then_some(all)
    }
}
