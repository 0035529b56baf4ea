//! A small world: one person in a fake Tribe, one contact in a fake Outlook, and an executor that
//! applies plans, with failures.

use std::collections::{BTreeMap, BTreeSet};

use tribelink_plan::{
    base::{Fingerprint, Fingerprints, Mark},
    canonical::canonical,
    contact::{Contact, ContactPatch},
    field::{Field, Holder, Side},
    ids::{EmployeeId, Etag, OrganizationId, PersonId, RelationshipId, SetName},
    link::{Link, LinkState},
    mapping::Lens,
    person::{Kind, Person, Relationship},
    planner::{
        Decision, HeldField, Next, OutlookSide, Plan, Refusal, Situation, TribeSide, TribeWrite,
        Wanted, plan,
        settle::{Outcome, created, settle},
    },
    policy::Policy,
    reading::Reading,
};
use uuid::Uuid;

use crate::outlook::{blank, entry, write};

/// FNV-1a over the field and the canonical value.
pub(crate) struct Fnv;

impl Fingerprints for Fnv {
    fn of(&self, field: Field, canonical: &str) -> Fingerprint {
        let start = 0xcbf2_9ce4_8422_2325 ^ u64::from(field.index());
        let hash = canonical.bytes().fold(start, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Fingerprint(hash)
    }
}

pub(crate) const ME: EmployeeId = EmployeeId(Uuid::from_u128(1));
pub(crate) const PERSON: PersonId = PersonId(Uuid::from_u128(2));
pub(crate) const US: OrganizationId = OrganizationId(Uuid::from_u128(3));

pub(crate) fn value(text: &str) -> Reading {
    Reading::from_text(Some(text))
}

pub(crate) fn relationship(id: u128, kind: Kind) -> Relationship {
    let fields = [
        Field::BusinessEmail,
        Field::Function,
        Field::BusinessPhone,
        Field::BusinessMobile,
    ];
    Relationship {
        id: RelationshipId(Uuid::from_u128(id)),
        set: SetName::from(kind.name()),
        kind,
        former: false,
        managers: vec![ME],
        owners: Vec::new(),
        created: jiff::Timestamp::from_second(i64::try_from(id).unwrap()).ok(),
        organization: Some((
            OrganizationId(Uuid::from_u128(1000 + id)),
            value(&format!("Organisation {id}")),
        )),
        fields: fields
            .into_iter()
            .filter(|_| kind.is_business())
            .map(|field| (field, Reading::Empty))
            .collect(),
    }
}

pub(crate) fn person(relationships: Vec<Relationship>) -> Person {
    let mut fields: BTreeMap<Field, Reading> = Field::ALL
        .into_iter()
        .filter(|field| field.holder() == Holder::Person)
        .map(|field| (field, Reading::Empty))
        .collect();
    fields.insert(Field::Surname, value("Berg"));
    Person {
        id: PERSON,
        fields,
        relationships,
    }
}

/// What the executor did, until nothing was left to do.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) plans: Vec<Plan>,
    pub(crate) patches: Vec<ContactPatch>,
    pub(crate) creates: usize,
    pub(crate) tribe: Vec<TribeWrite>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) refused: Vec<Refusal>,
    pub(crate) held: Vec<HeldField>,
    pub(crate) records: usize,
}

impl Done {
    pub(crate) fn writes(&self) -> usize {
        self.patches.len() + self.creates + self.tribe.len()
    }

    pub(crate) fn last(&self) -> &Plan {
        self.plans.last().expect("at least one plan")
    }
}

/// What goes wrong with one write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// The patch is not taken.
    Patch,
    /// The first write to Tribe is not taken.
    Tribe,
    /// The next reads of Outlook show what stood there before the write.
    StaleOutlook,
    /// The same of Tribe.
    StaleTribe,
}

pub(crate) struct World {
    pub(crate) person: Option<Person>,
    pub(crate) contact: Option<Contact>,
    pub(crate) stamped: Vec<Contact>,
    pub(crate) others: Vec<Contact>,
    pub(crate) matches: Vec<Contact>,
    pub(crate) link: Option<Link>,
    pub(crate) policy: Policy,
    pub(crate) decided: BTreeMap<Field, bool>,
    /// A notification says that the contact went.
    pub(crate) told_gone: bool,
    pub(crate) now_ms: i64,
    pub(crate) derives_initials: bool,
    pub(crate) faults: Vec<Fault>,
    etags: u64,
    stale_contact: Option<Contact>,
    stale_person: Option<Person>,
}

impl World {
    pub(crate) fn new(person: Person) -> World {
        World {
            person: Some(person),
            contact: None,
            stamped: Vec::new(),
            others: Vec::new(),
            matches: Vec::new(),
            link: None,
            policy: Policy::default(),
            decided: BTreeMap::new(),
            told_gone: false,
            now_ms: 1_000_000,
            derives_initials: false,
            faults: Vec::new(),
            etags: 0,
            stale_contact: None,
            stale_person: None,
        }
    }

    /// A world of one relationship of that kind, filled, created and quiet.
    pub(crate) fn linked(kind: Kind) -> World {
        let mut world = World::new(person(vec![relationship(10, kind)]));
        for (field, text) in FILLED {
            if kind.is_business() || field.holder() == Holder::Person {
                world.tribe(field, text);
            }
        }
        world.run();
        world.pass_time();
        assert_eq!(world.run().writes(), 0);
        world
    }

    pub(crate) fn pass_time(&mut self) {
        self.now_ms += self.policy.settle_ms + 1;
        self.stale_contact = None;
        self.stale_person = None;
    }

    pub(crate) fn lens(&self) -> Lens<'_> {
        Lens {
            policy: &self.policy,
            fingerprints: &Fnv,
        }
    }

    pub(crate) fn link(&self) -> &Link {
        self.link.as_ref().expect("a link")
    }

    pub(crate) fn contact(&mut self) -> &mut Contact {
        self.etags += 1;
        let etag = Etag(format!("e{}", self.etags));
        let contact = self.contact.as_mut().expect("a contact");
        contact.etag = Some(etag);
        contact
    }

    pub(crate) fn seen(&self) -> &Contact {
        self.contact.as_ref().expect("a contact")
    }

    pub(crate) fn person(&mut self) -> &mut Person {
        self.person.as_mut().expect("a person")
    }

    /// The main relationship, as the last link has it.
    pub(crate) fn main(&mut self) -> &mut Relationship {
        let id = self.link.as_ref().and_then(|link| link.relationship);
        let person = self.person();
        let index = id
            .and_then(|id| person.relationships.iter().position(|r| r.id == id))
            .unwrap_or(0);
        &mut person.relationships[index]
    }

    /// Types a value in Tribe; an empty text empties.
    pub(crate) fn tribe(&mut self, field: Field, text: &str) {
        let reading = value(text);
        match field.holder() {
            Holder::Person => {
                self.person().fields.insert(field, reading);
            }
            Holder::Relationship => {
                self.main().fields.insert(field, reading);
            }
            Holder::None => {
                let organization = self.main().organization.as_mut().expect("an organisation");
                organization.1 = reading;
            }
        }
    }

    pub(crate) fn in_tribe(&self, field: Field) -> String {
        let person = self.person.as_ref().expect("a person");
        let main = self
            .link
            .as_ref()
            .and_then(|link| link.relationship)
            .and_then(|id| person.relationship(id))
            .or(person.relationships.first());
        person
            .reading(field, main)
            .value()
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn emails(&self) -> Vec<String> {
        self.seen()
            .emails
            .iter()
            .flatten()
            .map(|entry| entry.address.clone().unwrap_or_default())
            .collect()
    }

    /// The user sets the whole list.
    pub(crate) fn set_emails(&mut self, addresses: &[&str]) {
        let entries = addresses.iter().map(|address| entry(address)).collect();
        self.contact().emails = Some(entries);
    }

    pub(crate) fn situation<'a>(
        &'a self,
        person: Option<&'a Person>,
        contact: OutlookSide<'a>,
        stamped: Option<&'a [Contact]>,
        same_address: Option<&'a [Contact]>,
    ) -> Situation<'a> {
        Situation {
            employee: ME,
            person: PERSON,
            tribe: person.map_or(TribeSide::Gone, TribeSide::Here),
            outlook: contact,
            outlook_older: false,
            told_gone: self.told_gone,
            link: self.link.as_ref(),
            stamped,
            matches: &self.matches,
            same_address,
            decided: &self.decided,
            own_organization: Some(US),
            lens: self.lens(),
            now_ms: self.now_ms,
        }
    }

    /// Plans and applies until nothing is left to do.
    pub(crate) fn run(&mut self) -> Done {
        let mut done = Done::default();
        for _ in 0..40 {
            let plan = self.plan();
            done.plans.push(plan.clone());
            if !self.apply(plan, &mut done) {
                return done;
            }
        }
        panic!(
            "no end: {:?}",
            done.plans.iter().map(|plan| plan.rule).collect::<Vec<_>>()
        );
    }

    /// One plan, with every read that it asks for.
    pub(crate) fn plan(&self) -> Plan {
        let person = self.stale_person.as_ref().or(self.person.as_ref());
        let contact = self.stale_contact.as_ref().or(self.contact.as_ref());
        let (mut outlook, mut stamped, mut same) = (OutlookSide::Unread, None, None);
        for _ in 0..5 {
            let next = plan(&self.situation(person, outlook, stamped, same));
            match next.next {
                Next::Read(Wanted::Contact(_)) => {
                    outlook = contact.map_or(OutlookSide::Gone, OutlookSide::Here);
                }
                Next::Read(Wanted::Stamped) => stamped = Some(self.stamped.as_slice()),
                Next::Read(Wanted::SameAddress(_)) => same = Some(self.others.as_slice()),
                _ => return next,
            }
        }
        panic!("asks for the same read twice");
    }

    /// Applies a plan; false: nothing more to do.
    pub(crate) fn apply(&mut self, plan: Plan, done: &mut Done) -> bool {
        match plan.next {
            Next::Nothing => false,
            Next::Read(_) => unreachable!("reads are answered"),
            Next::Wait => {
                assert!(
                    self.link
                        .as_ref()
                        .is_some_and(|link| self.now_ms < link.settles_at_ms),
                    "waits for nothing"
                );
                self.pass_time();
                true
            }
            Next::Record(link) => {
                done.records += 1;
                self.link = Some(*link);
                false
            }
            Next::Relink { link, .. } => {
                let id = link.contact.clone();
                self.contact = self
                    .stamped
                    .iter()
                    .chain(&self.matches)
                    .find(|contact| Some(&contact.id) == id.as_ref())
                    .cloned();
                self.stamped.clear();
                self.matches.clear();
                self.link = Some(*link);
                true
            }
            Next::Create(create) => {
                done.creates += 1;
                done.decisions.extend(create.decisions.clone());
                done.refused.extend(create.refused.clone());
                let mut contact = blank();
                write(&mut contact, &create.properties, self.derives_initials);
                self.contact = Some(contact);
                let answer = self.contact().clone();
                let settled = created(&create, &answer, self.lens(), self.now_ms);
                self.link = Some(settled.link);
                true
            }
            Next::Update(update) => {
                let fault = self.faults.pop().unwrap_or_default();
                done.decisions.extend(update.decisions.clone());
                done.refused = update.refused.clone();
                done.held = update.held.clone();
                let (was_person, was_contact) = (self.person.clone(), self.contact.clone());
                let mut outcome = Outcome::default();
                for (index, write) in update.tribe.iter().enumerate() {
                    let fails = fault == Fault::Tribe && index == 0;
                    if !fails {
                        self.write_tribe(write);
                        done.tribe.push(write.clone());
                    }
                    outcome.tribe.push(!fails);
                }
                let read = self.seen().etag.clone();
                if let Some(patch) = &update.patch {
                    if fault == Fault::Patch {
                        outcome.patch_failed = true;
                    } else {
                        done.patches.push(patch.clone());
                        let contact = self.contact();
                        write(contact, patch, false);
                        outcome.answer = Some(contact.clone());
                        if fault == Fault::StaleOutlook {
                            self.stale_contact = was_contact;
                        }
                    }
                }
                if fault == Fault::StaleTribe && !update.tribe.is_empty() {
                    self.stale_person = was_person;
                }
                let before = self.link().clone();
                let lens = self.lens();
                let settled = settle(&before, &update, &outcome, read.as_ref(), lens, self.now_ms);
                let changed = settled.link != before;
                self.link = Some(settled.link);
                if changed {
                    done.records += 1;
                }
                settled.again || update.patch.is_some() || !update.tribe.is_empty()
            }
        }
    }

    fn write_tribe(&mut self, write: &TribeWrite) {
        let person = self.person.as_mut().expect("a person");
        let fields = match &write.relationship {
            None => &mut person.fields,
            Some((_, id)) => {
                &mut person
                    .relationships
                    .iter_mut()
                    .find(|relationship| relationship.id == *id)
                    .expect("a relationship that exists")
                    .fields
            }
        };
        for (field, text) in &write.fields {
            assert!(
                fields.contains_key(field),
                "{field} belongs to another record"
            );
            assert!(
                *field != Field::Surname || text.is_some(),
                "Tribe refuses an empty surname"
            );
            fields.insert(*field, Reading::from_text(text.as_deref()));
        }
    }

    /// Whether both sides agree in every merged field of the link; gives those that do not.
    pub(crate) fn disagreeing(&self) -> Vec<Field> {
        let link = self.link();
        let person = self.person.as_ref().expect("a person");
        let main = link.relationship.and_then(|id| person.relationship(id));
        let lens = self.lens();
        let seen =
            tribelink_plan::mapping::view(self.seen(), link.kind, link.slots, &link.base, lens);
        seen.readings
            .iter()
            .filter(|(field, outlook)| {
                let tribe = tribelink_plan::mapping::tribe_reading(person, main, **field, Some(US));
                lens.mark(**field, &tribe) != lens.mark(**field, outlook)
            })
            .map(|(field, _)| *field)
            .collect()
    }

    /// Nothing to do: no write, no move of the base.
    pub(crate) fn assert_quiet(&mut self) {
        let before = self.link.clone();
        let done = self.run();
        assert_eq!(done.writes(), 0, "a resync writes {:?}", done.decisions);
        self.link.clone_from(&before);
        let again = self.run();
        assert_eq!(again.writes(), 0);
        let link = |link: &Option<Link>| link.as_ref().map(|link| (link.base.clone(), link.slots));
        let settled = link(&self.link);
        self.run();
        assert_eq!(link(&self.link), settled, "the base does not come to rest");
    }
}

/// A full card.
pub(crate) const FILLED: [(Field, &str); 12] = [
    (Field::Initials, "J."),
    (Field::FirstName, "Jan"),
    (Field::Insertion, "van der"),
    (Field::Surname, "Berg"),
    (Field::BirthDate, "1980-10-15"),
    (Field::BusinessEmail, "jan@acme.example"),
    (Field::Function, "Buyer"),
    (Field::BusinessPhone, "+31201234567"),
    (Field::BusinessMobile, "+31612345678"),
    (Field::PrivateEmail, "jan@home.example"),
    (Field::PrivatePhone, "+31101234567"),
    (Field::PrivateMobile, "+31687654321"),
];

/// The values of a person, in canonical form.
pub(crate) fn values(person: &Person) -> BTreeSet<String> {
    let relationships = person.relationships.iter().flat_map(|r| r.fields.iter());
    person
        .fields
        .iter()
        .chain(relationships)
        .filter_map(|(field, reading)| Some(canonical(*field, reading.value()?, "NL")))
        .collect()
}

/// The decisions in which an edit loses.
pub(crate) fn losses(done: &Done) -> Vec<(Field, Side, Reading)> {
    done.decisions
        .iter()
        .filter(|decision| decision.loses)
        .map(|decision| (decision.field, decision.to, decision.before.clone()))
        .collect()
}

pub(crate) fn is_linked(link: &Option<Link>) -> bool {
    link.as_ref()
        .is_some_and(|link| link.state == LinkState::Linked)
}

pub(crate) fn mark(world: &World, field: Field, text: &str) -> Mark {
    world.lens().mark(field, &value(text))
}
