//! Undo: back to what stood before some writes, on both live sides, except where somebody changed it
//! since.
//!
//! It is an edit in Tribe on a person's word. Only Tribe is written here, under the same conditions
//! as any write; Outlook follows by the ordinary merge of the next plan (R2), which knows the shared
//! slots, the display name and the settling of reads. A crash between the two leaves an ordinary
//! difference that any later pass carries over.
//!
//! [`fold`] turns audit lines into wishes, [`undo`] a wish into a write or a reason why not.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Decision, Move, Needs, NewMapping, Next, OutlookSide, Plan, Situation, TribeSide, Update, judge,
};
use crate::{
    canonical::fits,
    eligibility::main_relationship,
    field::{Direction, Field, Holder, Side},
    link::LinkState,
    mapping::{merged_fields, tribe_reading, view},
    reading::Reading,
    rule::Rule,
};

/// One line of the audit, as far as undo looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Whether it is to be undone.
    pub chosen: bool,
    /// Whether an undo wrote it: no change that a human made since.
    pub by_undo: bool,
    /// The rule that wrote it.
    pub rule: Rule,
    /// Per field what stood there before and what was written; `None` where the values are gone.
    pub fields: BTreeMap<Field, Option<(Reading, Reading)>>,
}

/// One field that is to go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The rule of the write that is undone.
    pub rule: Rule,
    /// What was written, and must still stand there.
    pub from: Reading,
    /// What stood before.
    pub to: Reading,
    /// A later line of the audit changed it.
    pub changed_since: bool,
}

/// Why a field does not go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spared {
    /// Somebody changed it since, on either side.
    ChangedSince,
    /// Its values are kept no longer.
    Forgotten,
    /// Tribe's value is not this service's to write: it only travels to Outlook, or its record is
    /// another one by now.
    NotOurs,
    /// The former value does not fit Tribe.
    DoesNotFit,
    /// The person is no longer linked for this user.
    NotLinked,
}

impl Spared {
    /// The word that the audit's note gives.
    pub fn words(self) -> &'static str {
        match self {
            Spared::ChangedSince => "changed since",
            Spared::Forgotten => "its values are kept no longer",
            Spared::NotOurs => "it is not written to Tribe",
            Spared::DoesNotFit => "the former value does not fit Tribe",
            Spared::NotLinked => "the person is not linked any more",
        }
    }
}

/// What came of looking at the wishes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// The write to Tribe, where one is needed.
    pub plan: Option<Plan>,
    /// What does not go back.
    pub spared: BTreeMap<Field, Spared>,
}

/// Folds a person's lines, newest first, into one wish for each field of the chosen ones: from what
/// the newest chosen line wrote back to what stood before the oldest.
pub fn fold(lines: &[Written]) -> BTreeMap<Field, Result<Wish, Spared>> {
    let mut wishes: BTreeMap<Field, Result<Wish, Spared>> = BTreeMap::new();
    // What newer lines that are not to be undone wrote; `None`: their values are gone.
    let mut newer: BTreeMap<Field, Vec<Option<&Reading>>> = BTreeMap::new();
    let mut closed: BTreeSet<Field> = BTreeSet::new();
    for line in lines {
        for (field, values) in &line.fields {
            if !line.chosen {
                if wishes.contains_key(field) {
                    closed.insert(*field);
                } else if !line.by_undo {
                    let after = values.as_ref().map(|(_, after)| after);
                    newer.entry(*field).or_default().push(after);
                }
                continue;
            }
            if closed.contains(field) {
                continue;
            }
            let Some((before, after)) = values else {
                wishes.entry(*field).or_insert(Err(Spared::Forgotten));
                closed.insert(*field);
                continue;
            };
            match wishes.get_mut(field) {
                Some(Ok(wish)) => wish.to = before.clone(),
                Some(Err(_)) => {}
                None => {
                    let since = newer.get(field).into_iter().flatten();
                    let changed_since = since.into_iter().any(|newer| *newer != Some(after));
                    wishes.insert(
                        *field,
                        Ok(Wish {
                            rule: line.rule,
                            from: after.clone(),
                            to: before.clone(),
                            changed_since,
                        }),
                    );
                }
            }
        }
    }
    wishes
}

/// Whether both sides must be read before [`undo`] can say anything.
pub fn needs_outlook(situation: &Situation<'_>) -> bool {
    matches!(situation.link, Some(link) if link.state == LinkState::Linked)
        && matches!(situation.outlook, OutlookSide::Unread)
}

/// Plans the way back. A field that already stands as wished is neither written nor spared.
pub fn undo(situation: &Situation<'_>, wishes: &BTreeMap<Field, Result<Wish, Spared>>) -> Undone {
    let all = |why: Spared| Undone {
        plan: None,
        spared: wishes.keys().map(|field| (*field, why)).collect(),
    };
    let (TribeSide::Here(person), Some(link), OutlookSide::Here(contact)) =
        (situation.tribe, situation.link, situation.outlook)
    else {
        return all(Spared::NotLinked);
    };
    let Some(main) = main_relationship(person, situation.employee) else {
        return all(Spared::NotLinked);
    };
    if link.state != LinkState::Linked {
        return all(Spared::NotLinked);
    }
    let lens = situation.lens;
    let remapped = link.kind != main.kind || link.relationship.is_some_and(|id| id != main.id);
    let seen = view(contact, link.kind, link.slots, &link.base, lens);
    let pair = judge::Pair {
        situation,
        person,
        main,
        link,
        contact,
        seen: &seen,
        remapped,
        speaker: Some(main),
    };
    let merged = merged_fields(link.kind, link.slots.mobile);
    let mut done = Undone::default();
    let mut writes = Vec::new();
    let mut decisions = Vec::new();
    let mut moves = Vec::new();
    for (field, wish) in wishes {
        let wish = match wish {
            Ok(wish) => wish,
            Err(why) => {
                done.spared.insert(*field, *why);
                continue;
            }
        };
        let tribe = tribe_reading(person, Some(main), *field, situation.own_organization);
        let now = lens.mark(*field, &tribe);
        let (from, to) = (lens.mark(*field, &wish.from), lens.mark(*field, &wish.to));
        if now == to {
            continue;
        }
        let base = link.base.get(*field);
        // A field without a slot of its own (a private address behind the first) is Tribe's alone.
        let outlook_stands =
            !merged.contains(field) || lens.mark(*field, &seen.reading(*field)) == base.outlook;
        let stands = now == from && now == base.tribe && outlook_stands;
        let elsewhere = remapped && field.holder() != Holder::Person;
        let direction = lens.policy.direction(*field);
        let why = if wish.changed_since || !stands {
            Some(Spared::ChangedSince)
        } else if field.holder() == Holder::None
            || elsewhere
            || direction == Direction::Off
            || merged.contains(field) && !direction.to_tribe()
        {
            Some(Spared::NotOurs)
        } else if fits(*field, wish.to.value(), Side::Tribe, lens.policy).is_err() {
            Some(Spared::DoesNotFit)
        } else {
            None
        };
        if let Some(why) = why {
            done.spared.insert(*field, why);
            continue;
        }
        let Some(index) = judge::write_to_tribe(pair, *field, &wish.to, &mut writes) else {
            done.spared.insert(*field, Spared::NotOurs);
            continue;
        };
        // The base stays: the next plan sees that Tribe alone changed. What stood there is
        // remembered anew, so that the value of before counts as an edit and not as a stale read.
        moves.push(Move {
            field: *field,
            marks: Some(base),
            needs: Needs::Tribe(index),
            former: Some((Side::Tribe, now)),
        });
        decisions.push(Decision {
            field: *field,
            rule: wish.rule,
            to: Side::Tribe,
            before: tribe,
            after: wish.to.clone(),
            loses: false,
        });
    }
    if let Some(rule) = decisions.first().map(|decision| decision.rule) {
        let empties = decisions
            .iter()
            .any(|decision| decision.before.is_filled() && decision.after == Reading::Empty);
        let update = Update {
            patch: None,
            tribe: writes,
            decisions,
            refused: Vec::new(),
            held: Vec::new(),
            borrowed: BTreeSet::new(),
            moves,
            mapping: NewMapping {
                relationship: link.relationship.unwrap_or(main.id),
                kind: link.kind,
                slots: link.slots,
            },
            expected: BTreeMap::new(),
            empties,
            wakes: false,
            more: true,
        };
        done.plan = Some(Plan {
            rule,
            next: Next::Update(Box::new(update)),
        });
    }
    done
}
