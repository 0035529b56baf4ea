//! The planner: what is to be done for one person of one user.
//!
//! [`plan`] is a pure total function from a [`Situation`] to a [`Plan`]. Where it lacks a read it
//! asks for one ([`Wanted`]); the executor reads and asks again. What comes out of the writes goes
//! through [`settle`], which says how the link looks afterwards.
//!
//! # Map
//! - here: the words, and the life of a link (create, adopt, sleep, wake, tombstone, close).
//! - [`judge`]: the merge of each field, refusals, holds.
//! - [`place`]: from merged values to the properties of one PATCH, shared slots included.
//! - [`create`]: a new contact.
//! - [`settle`]: the link after the writes. [`quiet`]: whether Tribe has anything to say.

pub mod create;
pub mod judge;
pub mod place;
pub mod quiet;
pub mod settle;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    base::{Base, Mark, Marks},
    canonical::Misfit,
    contact::{Contact, ContactPatch},
    eligibility::main_relationship,
    field::{Field, Side},
    ids::{ContactId, EmployeeId, OrganizationId, PersonId, RelationshipId, SetName},
    link::{Link, LinkState, MobileSlot, Origin, PrivateEmailSlot, Slots},
    mapping::{Lens, first_address, tribe_reading},
    person::{Kind, Person, Relationship},
    policy::Match,
    reading::Reading,
    rule::Rule,
};

/// What Tribe says of the person.
#[derive(Clone, Copy, Debug)]
pub enum TribeSide<'a> {
    /// It was read in this job.
    Here(&'a Person),
    /// A read of its id found nothing.
    Gone,
}

/// What Outlook says of the link's contact.
#[derive(Clone, Copy, Debug)]
pub enum OutlookSide<'a> {
    /// Not read in this job.
    Unread,
    /// Read in this job, in one of the mailbox's contact folders.
    Here(&'a Contact),
    /// A read of its id found nothing, or found it outside every contact folder.
    Gone,
}

/// Everything that the planner looks at.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The user's employee.
    pub employee: EmployeeId,
    /// Who.
    pub person: PersonId,
    /// Tribe's side.
    pub tribe: TribeSide<'a>,
    /// Outlook's side.
    pub outlook: OutlookSide<'a>,
    /// The link, where there is one.
    pub link: Option<&'a Link>,
    /// What a look-up by this person's stamp found, where one was made.
    pub stamped: Option<&'a [Contact]>,
    /// Unstamped, unlinked contacts with the person's first address (first sync alone, R13).
    pub matches: &'a [Contact],
    /// Contacts of the mailbox with the contact's first address, where they were read (R16).
    pub same_address: Option<&'a [Contact]>,
    /// What a person decided for held fields: Outlook's value (true) or Tribe's.
    pub decided: &'a BTreeMap<Field, bool>,
    /// The organisation that "we" are.
    pub own_organization: Option<OrganizationId>,
    /// Policy and fingerprints.
    pub lens: Lens<'a>,
    /// Now.
    pub now_ms: i64,
}

/// A read that the planner lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The link's contact.
    Contact(ContactId),
    /// Every contact with this person's stamp.
    Stamped,
    /// Every contact with this address.
    SameAddress(String),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The rule that decided.
    pub rule: Rule,
    /// The action.
    pub next: Next,
}

/// The action of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// Read this, then plan again.
    Read(Wanted),
    /// A read was stale: plan again later.
    Wait,
    /// Create a contact.
    Create(Box<Create>),
    /// Record this link, then plan again with its contact; stamp the contact first when told.
    Relink {
        /// The link to record.
        link: Box<Link>,
        /// Put the stamp on the contact.
        stamp: bool,
    },
    /// Write, then record.
    Update(Box<Update>),
    /// Record the link; nothing is written to either side.
    Record(Box<Link>),
}

/// A contact to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// Its properties.
    pub properties: ContactPatch,
    /// The link as it is once the contact exists, its id and etag aside.
    pub link: Link,
    /// What is written, by field.
    pub decisions: Vec<Decision>,
    /// What is not.
    pub refused: Vec<Refusal>,
    /// What the answer must show.
    pub expected: BTreeMap<Field, Mark>,
}

/// Writes to either side, or a move of the base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// What is written to Outlook.
    pub patch: Option<ContactPatch>,
    /// What is written to Tribe, one for each record.
    pub tribe: Vec<TribeWrite>,
    /// What is written, by field, and why.
    pub decisions: Vec<Decision>,
    /// What does not fit.
    pub refused: Vec<Refusal>,
    /// What waits for a person.
    pub held: Vec<HeldField>,
    /// Fields that Outlook seems to have borrowed from another card (R16).
    pub borrowed: BTreeSet<Field>,
    /// How the base moves; in order.
    pub moves: Vec<Move>,
    /// The link's new mapping; in force once Outlook took the patch.
    pub mapping: NewMapping,
    /// What Outlook's answer must show, by the new mapping.
    pub expected: BTreeMap<Field, Mark>,
    /// A value is emptied on either side (R17).
    pub empties: bool,
    /// The link wakes.
    pub wakes: bool,
}

/// The mapping of a link after an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewMapping {
    /// Main relationship.
    pub relationship: RelationshipId,
    /// Its kind.
    pub kind: Kind,
    /// Who fills the shared slots.
    pub slots: Slots,
}

/// A write to one record of Tribe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TribeWrite {
    /// The relationship; `None`: the person.
    pub relationship: Option<(SetName, RelationshipId)>,
    /// The fields; `None` empties.
    pub fields: BTreeMap<Field, Option<String>>,
}

/// One field's share of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which field.
    pub field: Field,
    /// By which rule.
    pub rule: Rule,
    /// To which side.
    pub to: Side,
    /// What stood there.
    pub before: Reading,
    /// What is written.
    pub after: Reading,
    /// The value was an edit that loses against this one.
    pub loses: bool,
}

/// A value that does not fit the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which field.
    pub field: Field,
    /// To which side it would have gone.
    pub to: Side,
    /// Why not.
    pub misfit: Misfit,
}

/// A field that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldField {
    /// Which field.
    pub field: Field,
    /// R6 or R16.
    pub rule: Rule,
    /// What Tribe shows.
    pub tribe: Reading,
    /// What Outlook shows.
    pub outlook: Reading,
}

/// How the base of one field moves, and which write must have happened for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which field.
    pub field: Field,
    /// To these marks; `None` takes it out of the base.
    pub marks: Option<Marks>,
    /// What must have happened.
    pub needs: Needs,
    /// What stood on the written side, so that a stale read can be told.
    pub former: Option<(Side, Mark)>,
}

/// Which write a move of the base depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// None.
    Nothing,
    /// The PATCH.
    Outlook,
    /// The write to that record of Tribe, by its place in [`Update::tribe`].
    Tribe(usize),
}

/// Decides what is to be done for one person of one user.
pub fn plan(situation: &Situation<'_>) -> Plan {
    match (situation.tribe, situation.link) {
        (TribeSide::Gone, None) => Plan::of(Rule::R11, Next::Nothing),
        (TribeSide::Gone, Some(link)) => gone(link),
        (TribeSide::Here(person), link) => {
            let main = main_relationship(person, situation.employee);
            match (main, link) {
                (None, None) => Plan::of(Rule::R9, Next::Nothing),
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

/// R11.
fn gone(link: &Link) -> Plan {
    if link.state == LinkState::Closed {
        return Plan::of(Rule::R11, Next::Nothing);
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
        LinkState::Closed | LinkState::Tombstone { eligible: false } => {
            Plan::of(Rule::R9, Next::Nothing)
        }
        LinkState::Tombstone { eligible: true } => Plan::record(
            Rule::R9,
            Link {
                state: LinkState::Tombstone { eligible: false },
                ..link.clone()
            },
        ),
        LinkState::Intent => match situation.stamped {
            None => Plan::of(Rule::R12, Next::Read(Wanted::Stamped)),
            Some(found) => match choose_stamped(found, None) {
                Some(contact) => {
                    let mut adopted = adopted(link, contact, Origin::Stamp);
                    adopted.state = LinkState::Sleeping;
                    Plan::record(Rule::R9, adopted)
                }
                None => Plan::record(
                    Rule::R9,
                    Link {
                        state: LinkState::Tombstone { eligible: false },
                        base: Base::default(),
                        ..link.clone()
                    },
                ),
            },
        },
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

fn eligible(situation: &Situation<'_>, person: &Person, main: &Relationship, link: &Link) -> Plan {
    match link.state {
        LinkState::Intent => begin(situation, person, main, Rule::R1, Some(link)),
        LinkState::Tombstone { eligible } => {
            if situation.lens.policy.respect_deletes {
                return Plan::of(Rule::R7, Next::Nothing);
            }
            if !eligible || tribe_moved(situation, person, main, &link.base) {
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
    if situation.now_ms < link.settles_at_ms {
        return Plan::of(Rule::R14, Next::Wait);
    }
    if let Some(main) = main {
        let news = tribe_moved(situation, person, main, &link.base);
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
                eligible: main.is_some(),
            },
            contact: None,
            etag: None,
            folder: None,
            base,
            former: Vec::new(),
            settles_at_ms: 0,
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
    let Some(stamped) = situation.stamped else {
        return Plan::of(rule, Next::Read(Wanted::Stamped));
    };
    let blank = Link {
        relationship: Some(main.id),
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
        settles_at_ms: 0,
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
        lens.mark(field, tribe) == lens.mark(field, outlook)
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
pub(crate) fn tribe_marks(
    situation: &Situation<'_>,
    person: &Person,
    relationship: Option<&Relationship>,
) -> BTreeMap<Field, Mark> {
    let business = relationship.is_some_and(|relationship| relationship.kind.is_business());
    Field::ALL
        .into_iter()
        .filter(|field| *field != Field::DisplayName)
        .filter(|field| business || field.holder() != crate::field::Holder::Relationship)
        .filter(|field| situation.lens.policy.direction(*field).to_outlook())
        .map(|field| {
            let reading = tribe_reading(person, relationship, field, situation.own_organization);
            (field, situation.lens.mark(field, &reading))
        })
        .collect()
}

/// Whether Tribe shows another value than the base in a field that reaches Outlook.
fn tribe_moved(
    situation: &Situation<'_>,
    person: &Person,
    main: &Relationship,
    base: &Base,
) -> bool {
    tribe_marks(situation, person, Some(main))
        .into_iter()
        .any(|(field, now)| {
            let then = base.get(field).tribe;
            then != Mark::Unknown && now != Mark::Unknown && then != now
        })
}
