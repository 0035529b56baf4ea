//! Whether Tribe has anything to say at all: the echo of an own write costs no read of Outlook.

use super::{Situation, TribeSide, life::tribe_marks};
use crate::{base::Mark, eligibility::main_relationship, link::LinkState};

/// Whether Tribe's side of a linked pair is as the base knows it: the same main relationship, and
/// every field that reaches Outlook unchanged (R14). A pair without base is never quiet.
pub fn is_quiet(situation: &Situation<'_>) -> bool {
    let (TribeSide::Here(person), Some(link)) = (situation.tribe, situation.link) else {
        return false;
    };
    let Some(main) = main_relationship(person, situation.employee) else {
        return link.state == LinkState::Sleeping;
    };
    link.state == LinkState::Linked
        && link.contact.is_some()
        && !link.base.is_empty()
        && link.relationship == Some(main.id)
        && link.kind == main.kind
        && situation.decided.is_empty()
        && tribe_marks(situation, person, Some(main))
            .into_iter()
            .all(|(field, now)| now == Mark::Unknown || now == link.base.get(field).tribe)
}
