//! The life of a link: create, adopt, sleep, wake, tombstone, close.

use std::collections::BTreeMap;

use super::{Next, OutlookSide, Plan, Situation, TribeSide, Wanted, create, judge};
use crate::{
    base::{Base, Mark},
    contact::Contact,
    eligibility::main_relationship,
    field::{Field, Holder, Side},
    ids::ContactId,
    link::{Link, LinkState, MobileSlot, Origin, PrivateEmailSlot, Slots},
    mapping::{first_address, tribe_reading, view},
    person::{Person, Relationship},
    planted::{self, Bug},
    policy::{Match, READS_LAG_MS},
    reading::Reading,
    rule::Rule,
};

/// Decides what is to be done for one person of one user.
pub fn plan(situation: &Situation<'_>) -> Plan {
    match (situation.tribe, situation.link) {
        (TribeSide::Gone, None) => Plan::of(Rule::R11, Next::Nothing),
        (TribeSide::Gone, Some(link)) => gone(situation, link),
        (TribeSide::Here(person), link) => {
            let main = main_relationship(person, situation.employee);
            match (main, link) {
                (None, None) => asleep(situation, person, None),
                (None, Some(link)) => ineligible(situation, person, link),
                (Some(main), None) => begin(situation, person, main, Rule::R1, None),
                (Some(main), Some(link)) => eligible(situation, person, main, link),
            }
        }
    }
}

impl Plan {
    fn of(rule: Rule, next: Next) -> Plan {
        Plan { rule, next }
    }

    fn record(rule: Rule, link: Link) -> Plan {
        Plan::of(rule, Next::Record(Box::new(link)))
    }
}

/// R11. Of whom a contact was intended or written moments ago stood in Tribe then: a read that does not know
/// that person may be older.
fn gone(situation: &Situation<'_>, link: &Link) -> Plan {
    let written_ms = link.settles_at_ms - situation.lens.policy.settle_ms;
    let may_be_old = match link.state {
        LinkState::Closed => return Plan::of(Rule::R11, Next::Nothing),
        LinkState::Intent => situation.now_ms < link.settles_at_ms,
        _ => situation.now_ms < written_ms + READS_LAG_MS,
    };
    if may_be_old {
        return Plan::of(Rule::R11, Next::Wait);
    }
    let closed = Link {
        state: LinkState::Closed,
        ..link.clone()
    };
    Plan::record(Rule::R11, closed)
}

/// R9, and R7 for sleeping links.
fn ineligible(situation: &Situation<'_>, person: &Person, link: &Link) -> Plan {
    match link.state {
        LinkState::Closed => Plan::of(Rule::R9, Next::Nothing),
        LinkState::Tombstone { eligible } => match asleep(situation, person, Some(link)) {
            Plan {
                next: Next::Nothing,
                ..
            } if eligible => Plan::record(
                Rule::R9,
                Link {
                    state: LinkState::Tombstone { eligible: false },
                    ..link.clone()
                },
            ),
            plan => plan,
        },
        // The intent stays until its contact is seen: a tombstone would be the user's no.
        LinkState::Intent if situation.stamped.is_none() => {
            Plan::of(Rule::R12, Next::Read(Wanted::Stamped))
        }
        LinkState::Intent => asleep(situation, person, Some(link)),
        LinkState::Linked | LinkState::Sleeping if link.contact.is_none() => {
            Plan::of(Rule::R9, Next::Nothing)
        }
        LinkState::Linked | LinkState::Sleeping => match situation.outlook {
            OutlookSide::Gone => removed(situation, person, None, link),
            OutlookSide::Here(_) | OutlookSide::Unread if link.state == LinkState::Sleeping => {
                Plan::of(Rule::R9, Next::Nothing)
            }
            OutlookSide::Here(_) | OutlookSide::Unread => Plan::record(
                Rule::R9,
                Link {
                    state: LinkState::Sleeping,
                    ..link.clone()
                },
            ),
        },
    }
}

/// R12 for somebody who is not eligible: a stamped contact that was seen is linked, asleep.
fn asleep(situation: &Situation<'_>, person: &Person, link: Option<&Link>) -> Plan {
    let found = situation.stamped.unwrap_or_default();
    let Some(contact) = choose_stamped(found, link.and_then(|link| link.contact.as_ref())) else {
        return Plan::of(Rule::R9, Next::Nothing);
    };
    let first = person
        .relationships
        .iter()
        .min_by_key(|relationship| (relationship.kind, relationship.id));
    let blank = match (link, first) {
        (Some(link), _) => link.clone(),
        (None, Some(relationship)) => Link {
            relationship: Some(relationship.id),
            ..Link::intent(relationship.kind)
        },
        (None, None) => return Plan::of(Rule::R9, Next::Nothing),
    };
    Plan::record(
        Rule::R12,
        Link {
            state: LinkState::Sleeping,
            ..adopted(&blank, contact, Origin::Stamp)
        },
    )
}

fn eligible(situation: &Situation<'_>, person: &Person, main: &Relationship, link: &Link) -> Plan {
    match link.state {
        LinkState::Intent => begin(situation, person, main, Rule::R1, Some(link)),
        LinkState::Tombstone { .. } if situation.stamped.is_some_and(|found| !found.is_empty()) => {
            // A look-up may still find what was just deleted.
            if situation.now_ms < link.settles_at_ms {
                return Plan::of(Rule::R12, Next::Wait);
            }
            begin(situation, person, main, Rule::R12, Some(link))
        }
        LinkState::Tombstone { eligible } => {
            if situation.lens.policy.respect_deletes {
                return Plan::of(Rule::R7, Next::Nothing);
            }
            if !eligible || tribe_moved(situation, person, main, link) {
                begin(situation, person, main, Rule::R8, Some(link))
            } else {
                Plan::of(Rule::R7, Next::Nothing)
            }
        }
        LinkState::Linked | LinkState::Sleeping | LinkState::Closed => {
            match (&link.contact, situation.outlook) {
                (None, _) => begin(situation, person, main, Rule::R1, Some(link)),
                (Some(id), OutlookSide::Unread) => {
                    Plan::of(Rule::R2, Next::Read(Wanted::Contact(id.clone())))
                }
                (Some(_), OutlookSide::Gone) => removed(situation, person, Some(main), link),
                (Some(_), OutlookSide::Here(contact)) => {
                    judge::update(situation, person, main, link, contact)
                }
            }
        }
    }
}

/// R7: looks by stamp before it believes in a deletion; R8 at once where Tribe has news.
fn removed(
    situation: &Situation<'_>,
    person: &Person,
    main: Option<&Relationship>,
    link: &Link,
) -> Plan {
    let Some(found) = situation.stamped else {
        return Plan::of(Rule::R7, Next::Read(Wanted::Stamped));
    };
    if let Some(contact) = choose_stamped(found, None) {
        let moved = Link {
            contact: Some(contact.id.clone()),
            folder: contact.folder.clone(),
            etag: None,
            base: still_shown(situation, link, contact),
            // What it was once matched by says nothing of the fields that have no base now.
            origin: Origin::Stamp,
            ..link.clone()
        };
        return Plan::of(
            Rule::R12,
            Next::Relink {
                link: Box::new(moved),
                stamp: false,
            },
        );
    }
    // A contact that was made or written a moment ago may not show yet, unless somebody said that it
    // went.
    if situation.now_ms < link.settles_at_ms && !situation.told_gone {
        return Plan::of(Rule::R14, Next::Wait);
    }
    if let Some(main) = main {
        let news = tribe_moved(situation, person, main, link);
        if news && !situation.lens.policy.respect_deletes {
            return begin(situation, person, main, Rule::R8, Some(link));
        }
    }
    let speaker = main.or_else(|| link.relationship.and_then(|id| person.relationship(id)));
    let mut base = Base::default();
    for (field, mark) in tribe_marks(situation, person, speaker) {
        base.set_side(field, Side::Tribe, mark);
    }
    Plan::record(
        Rule::R7,
        Link {
            state: LinkState::Tombstone {
                eligible: main.is_some() && !planted::is(Bug::TombstoneForgotten),
            },
            relationship: speaker.map_or(link.relationship, |speaker| Some(speaker.id)),
            kind: speaker.map_or(link.kind, |speaker| speaker.kind),
            contact: None,
            etag: None,
            folder: None,
            base,
            former: Vec::new(),
            settles_at_ms: situation.now_ms + READS_LAG_MS,
            ..link.clone()
        },
    )
}

/// R1, R8, R12, R13: looks by stamp before every create.
fn begin(
    situation: &Situation<'_>,
    person: &Person,
    main: &Relationship,
    rule: Rule,
    link: Option<&Link>,
) -> Plan {
    let nobody = planted::is(Bug::NoStampLookUp).then_some(&[][..]);
    let Some(stamped) = nobody.or(situation.stamped) else {
        return Plan::of(rule, Next::Read(Wanted::Stamped));
    };
    let blank = Link {
        relationship: Some(main.id),
        settles_at_ms: link.map_or(0, |link| link.settles_at_ms),
        ..Link::intent(main.kind)
    };
    if let Some(contact) = choose_stamped(stamped, link.and_then(|link| link.contact.as_ref())) {
        return Plan::of(
            Rule::R12,
            Next::Relink {
                link: Box::new(Link {
                    slots: guess_slots(situation, person, main, contact),
                    ..adopted(&blank, contact, Origin::Stamp)
                }),
                stamp: false,
            },
        );
    }
    // An intended create whose outcome is not known is looked for again and again before it is
    // repeated (design, shape 5).
    if link.is_some_and(|link| {
        link.state == LinkState::Intent && situation.now_ms < link.settles_at_ms
    }) {
        return Plan::of(rule, Next::Wait);
    }
    if situation.lens.policy.matching == Match::EmailName
        && let Some(contact) = find_match(situation, person, main)
    {
        return Plan::of(
            Rule::R13,
            Next::Relink {
                link: Box::new(adopted(&blank, contact, Origin::Match)),
                stamp: true,
            },
        );
    }
    Plan::of(
        rule,
        Next::Create(Box::new(create::create(situation, person, main, rule))),
    )
}

/// The base as far as a contact of another id still shows it. Where it shows something else nobody can
/// tell an edit from an old value (a copy from before, an import of an old export): without a base
/// there, nothing is emptied and a difference is a conflict (R12a).
fn still_shown(situation: &Situation<'_>, link: &Link, contact: &Contact) -> Base {
    let seen = view(contact, link.kind, link.slots, &link.base, situation.lens);
    let mut base = link.base.clone();
    for (field, marks) in link.base.iter() {
        let shown = situation.lens.mark(field, &seen.reading(field));
        if shown != Mark::Unknown && shown != marks.outlook {
            base.remove(field);
        }
    }
    base
}

fn adopted(link: &Link, contact: &Contact, origin: Origin) -> Link {
    Link {
        state: LinkState::Linked,
        origin,
        contact: Some(contact.id.clone()),
        etag: None,
        folder: contact.folder.clone(),
        base: Base::default(),
        slots: Slots::default(),
        former: Vec::new(),
        ..link.clone()
    }
}

/// Who fills the shared slots of a contact whose link was lost: what stands there tells, where it
/// is one of the person's private values.
fn guess_slots(
    situation: &Situation<'_>,
    person: &Person,
    main: &Relationship,
    contact: &Contact,
) -> Slots {
    let mut slots = Slots::default();
    if !main.kind.is_business() {
        return slots;
    }
    let lens = situation.lens;
    let private_mobile = lens.mark(
        Field::PrivateMobile,
        &person.reading(Field::PrivateMobile, None),
    );
    if matches!(private_mobile, Mark::Value(_))
        && person.reading(Field::BusinessMobile, Some(main)) == Reading::Empty
        && lens.mark(Field::PrivateMobile, &contact.mobile_phone) == private_mobile
    {
        slots.mobile = MobileSlot::Private;
    }
    let private_email = lens.mark(
        Field::PrivateEmail,
        &person.reading(Field::PrivateEmail, None),
    );
    let mut further = contact.emails.iter().flatten().skip(1);
    if let Mark::Value(fingerprint) = private_email
        && further.any(|entry| {
            let reading = Reading::from_text(entry.address.as_deref());
            lens.mark(Field::PrivateEmail, &reading) == private_email
        })
    {
        slots.private_email = PrivateEmailSlot::Placed(fingerprint);
    }
    slots
}

/// Which of several contacts with one stamp counts: the linked one, else the oldest, else the
/// lowest id (R12). The others are parked by the executor, never touched.
pub fn choose_stamped<'a>(found: &'a [Contact], linked: Option<&ContactId>) -> Option<&'a Contact> {
    found
        .iter()
        .find(|contact| Some(&contact.id) == linked)
        .or_else(|| {
            found.iter().min_by_key(|contact| {
                (
                    contact.created.is_none(),
                    contact.created,
                    contact.id.clone(),
                )
            })
        })
}

/// R13: the same first address and the same first name and surname; exactly one contact.
fn find_match<'a>(
    situation: &Situation<'a>,
    person: &Person,
    main: &Relationship,
) -> Option<&'a Contact> {
    let email = if main.kind.is_business() {
        Field::BusinessEmail
    } else {
        Field::PrivateEmail
    };
    let lens = situation.lens;
    let same = |field: Field, tribe: &Reading, outlook: &Reading| {
        let mark = lens.mark(field, tribe);
        mark != Mark::Unknown && mark == lens.mark(field, outlook)
    };
    let address = person.reading(email, Some(main));
    if !address.is_filled() {
        return None;
    }
    let mut fitting = situation.matches.iter().filter(|contact| {
        same(email, &address, &first_address(contact))
            && same(
                Field::Surname,
                &person.reading(Field::Surname, None),
                &contact.surname,
            )
            && same(
                Field::FirstName,
                &person.reading(Field::FirstName, None),
                &contact.given_name,
            )
    });
    let first = fitting.next();
    first.filter(|_| fitting.next().is_none())
}

/// What Tribe shows for every field that reaches Outlook, seen from one relationship.
pub(super) fn tribe_marks(
    situation: &Situation<'_>,
    person: &Person,
    relationship: Option<&Relationship>,
) -> BTreeMap<Field, Mark> {
    let business = relationship.is_some_and(|relationship| relationship.kind.is_business());
    Field::ALL
        .into_iter()
        .filter(|field| *field != Field::DisplayName)
        .filter(|field| business || field.holder() != Holder::Relationship)
        .filter(|field| situation.lens.policy.direction(*field).to_outlook())
        .map(|field| {
            let reading = tribe_reading(person, relationship, field, situation.own_organization);
            (field, situation.lens.mark(field, &reading))
        })
        .collect()
}

/// Whether Tribe shows another value than the base in a field that reaches Outlook. A field that the
/// former kind of relationship did not have is news where it is filled.
fn tribe_moved(
    situation: &Situation<'_>,
    person: &Person,
    main: &Relationship,
    link: &Link,
) -> bool {
    let known = !link.base.is_empty();
    tribe_marks(situation, person, Some(main))
        .into_iter()
        .any(|(field, now)| match (link.base.get(field).tribe, now) {
            (_, Mark::Unknown) => false,
            (Mark::Unknown, Mark::Value(_)) => known && link.kind != main.kind,
            (Mark::Unknown, Mark::Empty) => false,
            (then, now) => then != now,
        })
}
