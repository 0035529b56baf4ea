//! The merge of each field of a linked pair: who wins, what does not fit, what waits for a person.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Decision, HeldField, Move, Needs, Next, Plan, Refusal, Situation, TribeWrite, Update, Wanted,
    emails, initials, place,
};
use crate::{
    base::{Mark, Marks},
    canonical::fits,
    contact::Contact,
    field::{Direction, Field, Holder, Side},
    guard,
    link::{Former, Link, LinkState},
    mapping::{PrivateSeen, View, first_address, merged_fields, tribe_reading, view},
    merge::{Inputs, Verdict, merge},
    person::{Person, Relationship},
    planted::{self, Bug},
    policy::{Conflict, MergeGuard, READS_LAG_MS},
    reading::Reading,
    rule::Rule,
};

/// What the judgement of all fields collects.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Writes to Tribe, one for each record.
    pub(super) tribe: Vec<TribeWrite>,
    /// What is written, and why.
    pub(super) decisions: Vec<Decision>,
    /// What does not fit.
    pub(super) refused: Vec<Refusal>,
    /// What waits.
    pub(super) held: Vec<HeldField>,
    /// How the base moves.
    pub(super) moves: Vec<Move>,
    /// Fields whose Tribe value goes to Outlook.
    pub(super) to_outlook: BTreeMap<Field, (Rule, bool)>,
    /// Fields that stay as they are on both sides, whatever the placing would do.
    pub(super) blocked: BTreeSet<Field>,
    /// What Tribe shows once its writes are done.
    pub(super) merged: BTreeMap<Field, Reading>,
    /// Both sides came to the same value by themselves.
    pub(super) agreed: bool,
}

impl Draft {
    /// An Outlook edit that cannot go to Tribe and does not stay: it goes into the audit.
    pub(super) fn lose(&mut self, field: Field, edit: Reading, after: Reading) {
        self.decisions.push(Decision {
            field,
            rule: Rule::R6,
            to: Side::Outlook,
            before: edit,
            after,
            loses: true,
        });
    }
}

/// The pair under judgement.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) situation: &'a Situation<'a>,
    pub(super) person: &'a Person,
    /// The main relationship now.
    pub(super) main: &'a Relationship,
    pub(super) link: &'a Link,
    pub(super) contact: &'a Contact,
    /// The contact under the old mapping.
    pub(super) seen: &'a View,
    /// The main relationship or its kind changed since the base was taken.
    pub(super) remapped: bool,
    /// The relationship of the old mapping, where it still exists.
    pub(super) speaker: Option<&'a Relationship>,
}

/// Plans a linked pair of which both sides were read.
pub(super) fn update(
    situation: &Situation<'_>,
    person: &Person,
    main: &Relationship,
    link: &Link,
    contact: &Contact,
) -> Plan {
    let lens = situation.lens;
    let moved = link.kind != main.kind || link.relationship.is_some_and(|id| id != main.id);
    let remapped = moved && !planted::is(Bug::OldSlots);
    let seen = view(contact, link.kind, link.slots, &link.base, lens);
    let pair = Pair {
        situation,
        person,
        main,
        link,
        contact,
        seen: &seen,
        remapped,
        speaker: if remapped {
            link.relationship.and_then(|id| person.relationship(id))
        } else {
            Some(main)
        },
    };
    if is_stale(pair) {
        return Plan {
            rule: Rule::R14,
            next: Next::Wait,
        };
    }
    let borrowed = match borrowed_fields(pair) {
        Ok(fields) => fields,
        Err(wanted) => {
            return Plan {
                rule: Rule::R16,
                next: Next::Read(wanted),
            };
        }
    };
    let mut draft = Draft::default();
    for field in merged_fields(link.kind, link.slots.mobile) {
        if field == Field::BusinessEmail && seen.private_email == PrivateSeen::FirstByRemoval {
            // Judged in the next pass, once the placed address is out of the first place.
            draft.blocked.insert(field);
            continue;
        }
        judge(pair, field, &borrowed, &mut draft);
    }
    let placed = place::place(pair, &mut draft);
    let rule = chief(&draft, placed.patch.is_some(), &borrowed, pair);
    if matches!(rule, Rule::R4) {
        for decision in &mut draft.decisions {
            if matches!(decision.rule, Rule::R2 | Rule::R3) {
                decision.rule = Rule::R4;
            }
        }
    }
    let empties = draft
        .decisions
        .iter()
        .any(|decision| decision.before.is_filled() && decision.after == Reading::Empty);
    let update = Update {
        patch: placed.patch,
        tribe: draft.tribe,
        decisions: draft.decisions,
        refused: draft.refused,
        held: draft.held,
        borrowed,
        moves: draft.moves,
        mapping: placed.mapping,
        expected: placed.expected,
        empties,
        wakes: link.state != LinkState::Linked,
        more: placed.more,
    };
    Plan {
        rule,
        next: Next::Update(Box::new(update)),
    }
}

/// A read that still shows exactly what an own write or an edit replaced is stale while that settles
/// (design, shape 6), and so is one that is older than what the link was made from.
fn is_stale(pair: Pair<'_>) -> bool {
    let Pair {
        situation, link, ..
    } = pair;
    if situation.now_ms >= link.settles_at_ms || planted::is(Bug::StaleIsEdit) {
        return false;
    }
    if situation.outlook_older {
        return true;
    }
    // Edits are read again much sooner than own writes settle.
    let taken_over_ms = link.settles_at_ms - situation.lens.policy.settle_ms;
    let lately = situation.now_ms < taken_over_ms + READS_LAG_MS;
    // Initials come back by themselves: Outlook derives the same for many a name.
    let counts = |former: &&Former| former.own || lately && former.field != Field::Initials;
    let mut known = link.former.iter().filter(counts);
    known.any(|former| {
        let now = match former.side {
            Side::Tribe => {
                let reading = tribe_reading(
                    pair.person,
                    pair.speaker,
                    former.field,
                    situation.own_organization,
                );
                situation.lens.mark(former.field, &reading)
            }
            Side::Outlook if former.field == Field::PrivateEmail && link.kind.is_business() => {
                return emails::is_stale(pair, former.mark);
            }
            Side::Outlook if !pair.seen.readings.contains_key(&former.field) => return false,
            // As it stands, a placed address that became the first included.
            Side::Outlook if former.field.is_email() => situation
                .lens
                .mark(former.field, &first_address(pair.contact)),
            Side::Outlook => situation
                .lens
                .mark(former.field, &pair.seen.reading(former.field)),
        };
        now == former.mark && now != link.base.get(former.field).of(former.side)
    })
}

/// R16: the fields that Outlook seems to have borrowed; asks for the other contacts first.
fn borrowed_fields(pair: Pair<'_>) -> Result<BTreeSet<Field>, Wanted> {
    let Pair {
        situation,
        link,
        contact,
        seen,
        ..
    } = pair;
    let policy = situation.lens.policy;
    if policy.merge_guard == MergeGuard::Accept {
        return Ok(BTreeSet::new());
    }
    let suspects: BTreeSet<Field> = guard::suspects(seen, link, situation.lens)
        .into_iter()
        .filter(|field| {
            policy.direction(*field) != Direction::Off
                && !situation.decided.contains_key(field)
                && !(*field == Field::Initials && initials::are_derived(pair))
        })
        .collect();
    if suspects.len() < guard::BORROWED_FIELDS {
        return Ok(BTreeSet::new());
    }
    let Reading::Value(address) = first_address(contact) else {
        return Ok(BTreeSet::new());
    };
    match situation.same_address {
        None => Err(Wanted::SameAddress(address)),
        Some(others) => Ok(guard::borrowed(
            &suspects,
            seen,
            contact,
            link,
            others,
            situation.lens,
        )),
    }
}

fn judge(pair: Pair<'_>, field: Field, borrowed: &BTreeSet<Field>, draft: &mut Draft) {
    let Pair {
        situation, link, ..
    } = pair;
    let lens = situation.lens;
    let tribe = tribe_reading(pair.person, pair.speaker, field, situation.own_organization);
    let outlook = pair.seen.reading(field);
    let (t, o) = (lens.mark(field, &tribe), lens.mark(field, &outlook));
    let moot = pair.remapped && field.holder() != Holder::Person;
    let verdict = if moot {
        moot_verdict(pair, field, t, o)
    } else {
        merge(Inputs {
            tribe: t,
            outlook: o,
            base: link.base.get(field),
            origin: link.origin,
            direction: lens.policy.direction(field),
            conflict: lens.policy.conflict,
            decided: situation.decided.get(&field).copied(),
        })
    };
    draft.merged.insert(field, tribe.clone());
    let verdict = match field {
        Field::Initials => initials::verdict(pair, o, verdict),
        _ => verdict,
    };
    match verdict {
        // A year-less birthday counts as known once it was seen, so that a later edit in Tribe
        // replaces it (R18).
        Verdict::Keep
            if field == Field::BirthDate
                && o == Mark::Unknown
                && t != Mark::Unknown
                && link.base.get(field) == Marks::default() =>
        {
            draft.moves.push(Move {
                field,
                marks: Some(Marks {
                    tribe: t,
                    outlook: o,
                }),
                needs: Needs::Nothing,
                former: None,
            });
        }
        Verdict::Keep => {}
        Verdict::Agree | Verdict::Follow => {
            let was = link.base.get(field);
            draft.agreed |= verdict == Verdict::Agree && was.tribe != t && was.outlook != o;
            draft.moves.push(Move {
                field,
                marks: Some(Marks {
                    tribe: t,
                    outlook: o,
                }),
                needs: Needs::Nothing,
                former: None,
            });
        }
        // The slot is placed anew from the new relationship.
        Verdict::ToOutlook { .. } if moot => draft.lose(field, outlook, tribe),
        Verdict::ToOutlook { rule, loses } => {
            match fits(field, tribe.value(), Side::Outlook, lens.policy) {
                Ok(()) => {
                    draft.to_outlook.insert(field, (rule, loses));
                }
                Err(misfit) => {
                    draft.blocked.insert(field);
                    draft.refused.push(Refusal {
                        field,
                        to: Side::Outlook,
                        misfit,
                    });
                }
            }
        }
        Verdict::ToTribe { rule, loses } => {
            if borrowed.contains(&field) && lens.policy.merge_guard == MergeGuard::Hold {
                hold(field, Rule::R16, tribe, outlook, draft);
                return;
            }
            if let Err(misfit) = fits(field, outlook.value(), Side::Tribe, lens.policy) {
                if moot {
                    draft.lose(field, outlook, tribe);
                } else {
                    draft.blocked.insert(field);
                }
                draft.refused.push(Refusal {
                    field,
                    to: Side::Tribe,
                    misfit,
                });
                return;
            }
            let rule = if borrowed.contains(&field) {
                Rule::R16
            } else {
                rule
            };
            let index = write_to_tribe(pair, field, &outlook, &mut draft.tribe);
            let Some(index) = index else {
                draft.lose(field, outlook, tribe);
                return;
            };
            draft.moves.push(Move {
                field,
                marks: Some(Marks {
                    tribe: o,
                    outlook: o,
                }),
                needs: Needs::Tribe(index),
                former: Some((Side::Tribe, t)),
            });
            draft.merged.insert(field, outlook.clone());
            draft.decisions.push(Decision {
                field,
                rule,
                to: Side::Tribe,
                before: tribe,
                after: outlook,
                loses,
            });
        }
        Verdict::Hold => hold(field, Rule::R6, tribe, outlook, draft),
    }
}

/// A field of the old relationship: an Outlook edit goes there while it exists; what Tribe changed
/// there no longer matters, since the slot is placed anew.
fn moot_verdict(pair: Pair<'_>, field: Field, t: Mark, o: Mark) -> Verdict {
    let policy = pair.situation.lens.policy;
    let base = pair.link.base.get(field);
    let edited = o != Mark::Unknown && base.outlook != Mark::Unknown && o != base.outlook;
    if !edited || !policy.direction(field).to_tribe() || t == o {
        return Verdict::Keep;
    }
    let contested = t != base.tribe && pair.speaker.is_some();
    let decided = pair.situation.decided.get(&field).copied();
    match (contested, decided, policy.conflict) {
        (false, ..) => Verdict::ToTribe {
            rule: Rule::R3,
            loses: false,
        },
        (true, Some(true), _) | (true, None, Conflict::Outlook) => Verdict::ToTribe {
            rule: Rule::R6,
            loses: true,
        },
        (true, None, Conflict::Hold) => Verdict::Hold,
        (true, Some(false), _) | (true, None, Conflict::Tribe) => Verdict::ToOutlook {
            rule: Rule::R6,
            loses: true,
        },
    }
}

fn hold(field: Field, rule: Rule, tribe: Reading, outlook: Reading, draft: &mut Draft) {
    draft.blocked.insert(field);
    draft.held.push(HeldField {
        field,
        rule,
        tribe,
        outlook,
    });
}

/// Adds a field to the write of its record; `None`: that record no longer exists.
pub(super) fn write_to_tribe(
    pair: Pair<'_>,
    field: Field,
    value: &Reading,
    writes: &mut Vec<TribeWrite>,
) -> Option<usize> {
    let relationship = match field.holder() {
        Holder::Person => None,
        Holder::Relationship => {
            let speaker = pair.speaker?;
            Some((speaker.set.clone(), speaker.id))
        }
        Holder::None => return None,
    };
    let index = match writes
        .iter()
        .position(|write| write.relationship == relationship)
    {
        Some(index) => index,
        None => {
            writes.push(TribeWrite {
                relationship,
                fields: BTreeMap::new(),
            });
            writes.len() - 1
        }
    };
    writes[index]
        .fields
        .insert(field, value.value().map(str::to_owned));
    Some(index)
}

/// The rule that an audit line and an explanation cite for the whole plan.
fn chief(draft: &Draft, patches: bool, borrowed: &BTreeSet<Field>, pair: Pair<'_>) -> Rule {
    let has = |rule| draft.decisions.iter().any(|decision| decision.rule == rule);
    let to_tribe = !draft.tribe.is_empty();
    if !borrowed.is_empty() {
        Rule::R16
    } else if has(Rule::R6) || !draft.held.is_empty() {
        Rule::R6
    } else if has(Rule::R12a) {
        Rule::R12a
    } else if patches && to_tribe {
        Rule::R4
    } else if to_tribe {
        Rule::R3
    } else if patches {
        Rule::R2
    } else if !draft.refused.is_empty() {
        Rule::R18
    } else if draft.agreed {
        Rule::R5
    } else if pair.link.etag.is_some() && pair.link.etag == pair.contact.etag {
        Rule::R14
    } else {
        Rule::R15
    }
}
