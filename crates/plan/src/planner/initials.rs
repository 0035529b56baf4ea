//! Initials, which Outlook derives by itself where none were given, and anew when a name part changes
//! (Graph reference 2.2): what nobody typed is no edit.

use super::judge::Pair;
use crate::{
    base::{Mark, Marks},
    contact::Contact,
    field::{Field, Side},
    merge::Verdict,
    name::{Parts, looks_derived},
    reading::Reading,
    rule::Rule,
};

/// The verdict on initials that the merge came to, unless they are nobody's. `o` is what Outlook shows.
pub(super) fn verdict(pair: Pair<'_>, o: Mark, verdict: Verdict) -> Verdict {
    if invents(pair, o, verdict) {
        Verdict::Follow
    } else if is_between_typed_and_derived(pair, verdict) {
        Verdict::ToOutlook {
            rule: Rule::R2,
            loses: false,
        }
    } else if may_be_nobodys(pair, verdict) {
        Verdict::ToOutlook {
            rule: Rule::R6,
            loses: true,
        }
    } else {
        verdict
    }
}

/// Whether a verdict would send to Tribe what nobody typed. Where the link has no base yet nobody can
/// tell whose they are, since they may be of a name that the contact no longer bears; and a write that
/// lands late brings back those of the name before. They stay in Outlook and go to Tribe once changed to
/// something else.
fn invents(pair: Pair<'_>, o: Mark, verdict: Verdict) -> bool {
    let Verdict::ToTribe { rule, .. } = verdict else {
        return false;
    };
    match rule {
        Rule::R12a => true,
        Rule::R3 => are_derived(pair) || is_without(pair) && stood_before(pair, o),
        _ => false,
    }
}

/// Whether a conflict is none: as far as is known Tribe had no initials when both sides were last in
/// step, so Outlook derived some; those that it derives anew when a name part changes are nobody's
/// edit, and what was typed in Tribe meanwhile stands against nothing.
fn is_between_typed_and_derived(pair: Pair<'_>, verdict: Verdict) -> bool {
    let is_conflict = match verdict {
        Verdict::ToTribe { rule, .. } | Verdict::ToOutlook { rule, .. } => rule == Rule::R6,
        Verdict::Hold => true,
        _ => false,
    };
    is_conflict
        && matches!(
            pair.link.base.get(Field::Initials).tribe,
            Mark::Empty | Mark::Unknown
        )
        && !is_decided(pair)
        && shows_derived(pair.contact)
}

/// Whether initials of Outlook would win over Tribe's by R6 though the link has no base of them: they may
/// have been derived from a name that the contact no longer bears, so those that stand in Tribe win.
fn may_be_nobodys(pair: Pair<'_>, verdict: Verdict) -> bool {
    matches!(verdict, Verdict::ToTribe { rule: Rule::R6, .. })
        && pair.link.base.get(Field::Initials) == Marks::default()
        && !is_decided(pair)
}

fn is_decided(pair: Pair<'_>) -> bool {
    pair.situation.decided.contains_key(&Field::Initials)
}

/// Whether Tribe has no initials, and what Outlook shows is what it derives by itself.
pub(super) fn are_derived(pair: Pair<'_>) -> bool {
    is_without(pair) && shows_derived(pair.contact)
}

/// Whether Tribe has none.
fn is_without(pair: Pair<'_>) -> bool {
    pair.person.reading(Field::Initials, None) == Reading::Empty
}

/// Whether Outlook alone showed the same lately, before it derived others: what somebody had typed would have
/// stood in Tribe as well.
fn stood_before(pair: Pair<'_>, o: Mark) -> bool {
    let link = pair.link;
    let lately = link.settles_at_ms + 2 * pair.situation.lens.policy.settle_ms;
    let stood = |side| {
        let mut former = link.former.iter();
        former.any(|one| (one.side, one.field, one.mark) == (side, Field::Initials, o))
    };
    pair.situation.now_ms < lately && stood(Side::Outlook) && !stood(Side::Tribe)
}

/// Whether a contact shows initials that Outlook may have derived from the name that it bears.
pub(super) fn shows_derived(contact: &Contact) -> bool {
    let parts = Parts {
        initials: None,
        first: contact.given_name.value(),
        insertion: contact.middle_name.value(),
        surname: contact.surname.value(),
    };
    let shown = contact.initials.value();
    shown.is_some_and(|initials| looks_derived(initials, parts))
}
