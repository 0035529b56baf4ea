//! What people do on both sides and at the service.
//!
//! # Map
//! - here: [`Act`], every act and fault with its name and weight; [`Sight`]; [`Actor`].
//! - [`fields`]: edits of fields. [`life`]: contacts, people and relationships come and go.
//!   [`office`]: what administrators do at the service.

mod fields;
mod life;
mod office;

use serde_json::Value;
use tribelink_sandbox::control::people;

use crate::{
    check::oracle::{self, Kind},
    faults,
    model::{Edit, Model, Side},
    world::World,
};

/// How often an act is drawn, beside others.
type Weight = u32;

macro_rules! acts {
    ($($act:ident $name:literal $weight:literal)*) => {
        /// What may happen in a step.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Act { $($act),* }

        impl Act {
            const ALL: &[(Act, &str, Weight)] = &[$((Act::$act, $name, $weight)),*];
        }
    };
}

acts! {
    EditTribe "edit-tribe" 180
    EditOutlook "edit-outlook" 180
    Collide "collide" 40
    CollideSame "collide-same" 40
    Cross "cross" 40
    Agree "agree" 20
    ThereAndBack "there-and-back" 40
    ClearTribe "clear-tribe" 30
    ClearOutlook "clear-outlook" 30
    ClearMany "clear-many" 10
    Cosmetic "cosmetic" 30
    MisfitTribe "misfit-tribe" 10
    MisfitOutlook "misfit-outlook" 10
    NoYear "no-year" 10
    Extra "extra" 40
    SwapAddresses "swap-addresses" 20
    CompleteCard "complete-card" 20
    OwnContact "own-contact" 10
    DeleteContact "delete-contact" 30
    DeleteMany "delete-many" 10
    MoveContact "move-contact" 20
    CopyContact "copy-contact" 20
    ReimportContact "reimport-contact" 10
    RestoreContact "restore-contact" 20
    Reassign "reassign" 40
    NewRelationship "new-relationship" 20
    ChangeJobs "change-jobs" 20
    RemoveRelationship "remove-relationship" 10
    NewPerson "new-person" 20
    DeletePerson "delete-person" 10
    Merge "merge" 10
    RenameOrganization "rename-organization" 10
    EmployeeLeaves "employee-leaves" 10
    Pause "pause" 10
    Disconnect "disconnect" 10
    Forget "forget" 10
    Rebuild "rebuild" 10
    Decide "decide" 30
    Night "night" 10
    // From here on faults alone, which a quiet seed has none of.
    Crash "crash" 30
    DieAfter "die-after" 60
    Ambush "ambush" 40
    Freeze "freeze" 20
    ClockJump "clock-jump" 20
    TokensEnd "tokens-end" 20
    DeltaEnds "delta-ends" 20
    SubscriptionRemoved "subscription-removed" 10
    SubscriptionVanishes "subscription-vanishes" 10
    NoticesMissed "notices-missed" 10
    Reauthorize "reauthorize" 10
    Revoke "revoke" 20
    Storm "storm" 20
    Replay "replay" 20
    StoreFails "store-fails" 20
    Outage "outage" 3
}

impl Act {
    pub(crate) fn draw(rng: &mut fastrand::Rng, faulty: bool) -> Act {
        let drawn = Act::ALL
            .iter()
            .filter(|(act, ..)| faulty || !act.is_fault());
        let mut left = rng.u32(0..drawn.clone().map(|(.., weight)| weight).sum());
        for (act, _, weight) in drawn {
            if left < *weight {
                return *act;
            }
            left -= weight;
        }
        Act::EditTribe
    }

    fn row(self) -> &'static (Act, &'static str, Weight) {
        let mut rows = Act::ALL.iter();
        rows.find(|(act, ..)| *act == self)
            .expect("every act has a row")
    }

    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }

    pub(crate) fn named(name: &str) -> Option<Act> {
        let found = Act::ALL.iter().find(|(_, known, _)| *known == name);
        found.map(|(act, ..)| *act)
    }

    pub(crate) fn all() -> impl Iterator<Item = Act> {
        Act::ALL.iter().map(|(act, ..)| *act)
    }

    pub(crate) fn is_fault(self) -> bool {
        self as usize >= Act::Crash as usize
    }
}

/// Does it; what came of it is counted under its name.
pub(crate) async fn perform(
    world: &mut World,
    model: &mut Model,
    act: Act,
    rng: &mut fastrand::Rng,
) {
    if act.is_fault() {
        // Whatever is told of a removal may be lost on the way.
        model.vanished |= matches!(act, Act::SubscriptionVanishes | Act::SubscriptionRemoved);
        return faults::strike(world, act, rng).await;
    }
    if act == Act::Night {
        // Longer than access tokens live, twice over.
        world.pass(std::time::Duration::from_secs(3 * 3600)).await;
        return world.story.count("act night");
    }
    let mut actor = Actor { world, model, rng };
    let done = actor.act(act).await;
    if done.is_some() {
        world.story.count(&format!("act {}", act.name()));
    }
}

/// Which property of Tribe a slot of Outlook stands for, on the person or on the relationship.
const SLOTS: [(&str, &str, bool); 10] = [
    ("initials", "Initials", true),
    ("givenName", "FirstName", true),
    ("middleName", "MiddleName", true),
    ("surname", "LastName", true),
    ("birthday", "BirthDate", true),
    ("homePhones", "PhoneNumber", true),
    ("mobilePhone", "MobilePhoneNumber", false),
    ("emailAddresses", "EmailAddress", false),
    ("jobTitle", "FunctionOnBusinessCard", false),
    ("businessPhones", "PhoneNumber", false),
];

/// Both sides as they stand.
pub(crate) struct Sight {
    pub(crate) people: Vec<Value>,
    pub(crate) graph: Value,
    pub(crate) own: String,
}

impl Sight {
    pub(crate) fn of(world: &World) -> Sight {
        let state = world.remotes.lock();
        Sight {
            people: people::all(&state),
            graph: state.graph.to_json(),
            own: state.tribe.organization_id.to_string(),
        }
    }

    pub(crate) fn person(&self, id: &str) -> Option<&Value> {
        self.people.iter().find(|person| person["ID"] == id)
    }

    fn mailbox(&self, object: &str) -> &Value {
        self.graph["mailboxes"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|mailbox| mailbox["user_id"] == object)
            .expect("the mailbox")
    }

    /// A user's contacts that carry a person's stamp.
    pub(crate) fn stamped(&self, object: &str, person: &str, list: &str) -> Vec<&Value> {
        let contacts = self.mailbox(object)[list].as_array();
        contacts
            .into_iter()
            .flatten()
            .filter(|contact| stamp_of(contact).is_some_and(|stamp| stamp.contains(person)))
            .collect()
    }

    pub(crate) fn contacts(&self, object: &str) -> &[Value] {
        self.mailbox(object)["contacts"]
            .as_array()
            .map_or(&[], Vec::as_slice)
    }
}

/// The stamp's text.
pub(crate) fn stamp_of(contact: &Value) -> Option<&str> {
    contact["singleValueExtendedProperties"]
        .as_array()?
        .iter()
        .find_map(|property| property["value"].as_str().filter(|text| text.contains('|')))
}

/// Somebody who acts.
pub(crate) struct Actor<'a> {
    pub(crate) world: &'a World,
    pub(crate) model: &'a mut Model,
    pub(crate) rng: &'a mut fastrand::Rng,
}

/// A contact that a user made before the link, for a person of Tribe: the same name and address
/// (R13).
pub(crate) async fn own_twin(world: &mut World, model: &mut Model, rng: &mut fastrand::Rng) {
    let mut actor = Actor { world, model, rng };
    if actor.own_twin().await.is_some() {
        world.story.count("act own-twin");
    }
}

impl Actor<'_> {
    /// `None`: there was nothing to do it to.
    async fn act(&mut self, act: Act) -> Option<()> {
        match act {
            Act::EditTribe => self.edit_tribe(None, None).await,
            Act::EditOutlook => self.edit_outlook(None).await.map(drop),
            Act::Collide => self.collide(false).await,
            Act::CollideSame => self.collide(true).await,
            Act::Cross => self.cross().await,
            Act::Agree => self.agree().await,
            Act::ThereAndBack => self.there_and_back().await,
            Act::ClearTribe => self.edit_tribe(None, Some(String::new())).await,
            Act::ClearOutlook => self.edit_outlook(Some(String::new())).await.map(drop),
            Act::ClearMany => self.clear_many().await,
            Act::Cosmetic => self.cosmetic().await,
            Act::MisfitTribe => self.misfit_tribe().await,
            Act::MisfitOutlook => self.misfit_outlook().await,
            Act::NoYear => self.no_year().await,
            Act::Extra => self.add_extra().await,
            Act::SwapAddresses => self.swap_addresses().await,
            Act::CompleteCard => self.complete_card().await,
            Act::OwnContact => self.own_contact().await,
            Act::DeleteContact => self.delete_contact().await,
            Act::DeleteMany => self.delete_many().await,
            Act::MoveContact => self.move_contact().await,
            Act::CopyContact => self.copy_contact().await,
            Act::ReimportContact => self.reimport_contact().await,
            Act::RestoreContact => self.restore_contact().await,
            Act::Reassign => self.reassign().await,
            Act::NewRelationship => self.new_relationship().await,
            Act::ChangeJobs => self.change_jobs().await,
            Act::RemoveRelationship => self.remove_relationship().await,
            Act::NewPerson => self.new_person().await,
            Act::DeletePerson => self.delete_person().await,
            Act::Merge => self.merge().await,
            Act::RenameOrganization => self.rename_organization().await,
            Act::EmployeeLeaves => self.employee_leaves().await,
            Act::Pause => self.command("pause").await,
            Act::Disconnect => self.disconnect(false).await,
            Act::Forget => self.disconnect(true).await,
            Act::Rebuild => self.command("rebuild").await,
            Act::Decide => self.decide().await,
            Act::Night => unreachable!("time passes elsewhere"),
            fault => unreachable!("{} is a fault", fault.name()),
        }
    }

    fn pick<'v, T>(&mut self, from: &'v [T]) -> Option<&'v T> {
        if from.is_empty() {
            return None;
        }
        from.get(self.rng.usize(0..from.len()))
    }

    /// A person that is not an employee with a mailbox, drawn.
    fn somebody(&mut self, sight: &Sight) -> Option<Value> {
        let people: Vec<&Value> = sight
            .people
            .iter()
            .filter(|person| {
                let ties = oracle::relationships(person);
                !ties.is_empty()
                    && ties
                        .iter()
                        .all(|tie| oracle::kind(tie) != Some(Kind::Employee))
            })
            .collect();
        self.pick(&people).map(|person| (*person).clone())
    }

    /// A user and a contact of a person in its mailbox, drawn.
    fn some_contact(&mut self, sight: &Sight) -> Option<(usize, String, Value)> {
        let all: Vec<(usize, String, &Value)> = self
            .world
            .users
            .iter()
            .enumerate()
            .flat_map(|(n, user)| {
                sight
                    .contacts(&user.object)
                    .iter()
                    .filter_map(move |contact| {
                        let stamp = stamp_of(contact)?;
                        Some((n, stamp.split('|').nth(2)?.to_owned(), contact))
                    })
            })
            .collect();
        self.pick(&all)
            .map(|(n, person, contact)| (*n, person.clone(), (*contact).clone()))
    }

    fn note(&mut self, side: Side, person: &str, slot: &'static str, value: &str) {
        let at_ms = self.world.at();
        self.world
            .tell(&format!("{side:?} {person} {slot} = {value:?}"));
        self.model.edits.push(Edit {
            number: self.model.edits.len(),
            at_ms,
            side,
            person: person.to_owned(),
            slot,
            value: value.to_owned(),
        });
    }
}
