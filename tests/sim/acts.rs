//! What people do on both sides.

use http::Method;
use serde_json::{Value, json};
use tribelink_sandbox::control::people;

use crate::{
    check::oracle::{self, Kind},
    model::{Edit, Model, Side},
    world::World,
};

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

impl Actor<'_> {
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

    /// One field of one person in Tribe; the value is drawn where none is given.
    pub(crate) async fn edit_tribe(&mut self, at: Option<(&str, &'static str)>, clear: bool) {
        let sight = Sight::of(self.world);
        let person = match at {
            Some((id, _)) => sight.person(id).cloned(),
            None => self.somebody(&sight),
        };
        let Some(person) = person else { return };
        let (slot, property, mut on_person) = match at {
            Some((_, slot)) => *SLOTS
                .iter()
                .find(|(name, ..)| *name == slot)
                .expect("a slot"),
            None => SLOTS[self.rng.usize(0..SLOTS.len())],
        };
        let ties: Vec<Value> = oracle::relationships(&person)
            .iter()
            .filter(|tie| matches!(oracle::kind(tie), Some(Kind::Contact | Kind::Employee)))
            .cloned()
            .collect();
        let tie = self.pick(&ties).cloned();
        if !on_person && tie.is_none() {
            if slot == "jobTitle" || slot == "businessPhones" {
                return;
            }
            on_person = true;
        }
        // Now and then the private value of a shared slot.
        if matches!(slot, "mobilePhone" | "emailAddresses") && self.rng.u8(0..4) == 0 {
            on_person = true;
        }
        let record = match &tie {
            Some(tie) if !on_person => tie["ID"].as_str(),
            _ => person["ID"].as_str(),
        };
        let record = record.expect("an id").to_owned();
        if clear && slot == "surname" {
            return;
        }
        let value = if clear {
            String::new()
        } else {
            self.model.fresh(slot)
        };
        self.set_tribe(&person["ID"], &record, slot, property, &value)
            .await;
    }

    async fn set_tribe(
        &mut self,
        person: &Value,
        record: &str,
        slot: &'static str,
        property: &str,
        value: &str,
    ) {
        let shown = if value.is_empty() {
            Value::Null
        } else {
            json!(value)
        };
        let path = format!("/tribe/records/{record}");
        let person = person.as_str().expect("an id").to_owned();
        self.note(Side::Tribe, &person, slot, value);
        self.world
            .control(Method::POST, &path, json!({ property: shown }))
            .await;
        self.world.story.count("edit tribe");
    }

    /// One field of one contact in Outlook.
    pub(crate) async fn edit_outlook(
        &mut self,
        at: Option<(usize, &str, &'static str)>,
        clear: bool,
    ) -> Option<(usize, String, &'static str)> {
        let sight = Sight::of(self.world);
        let (user, person, contact) = match at {
            Some((user, person, _)) => {
                let object = &self.world.users[user].object;
                let found = sight.stamped(object, person, "contacts");
                (user, person.to_owned(), (*found.first()?).clone())
            }
            None => self.some_contact(&sight)?,
        };
        let slot = match at {
            Some((_, _, slot)) => slot,
            None => SLOTS[self.rng.usize(0..SLOTS.len())].0,
        };
        if clear && slot == "surname" {
            return None;
        }
        let value = if clear {
            String::new()
        } else {
            self.model.fresh(slot)
        };
        self.set_outlook(user, &person, &contact, slot, &value)
            .await;
        Some((user, person, slot))
    }

    async fn set_outlook(
        &mut self,
        user: usize,
        person: &str,
        contact: &Value,
        slot: &'static str,
        value: &str,
    ) {
        let id = contact["id"].as_str().expect("an id");
        let change = match slot {
            "emailAddresses" | "homePhones" | "businessPhones" => {
                let mut list = contact[slot].as_array().cloned().unwrap_or_default();
                let entry = if slot == "emailAddresses" {
                    json!({"address": value, "name": value})
                } else {
                    json!(value)
                };
                match (value.is_empty(), list.is_empty()) {
                    (true, true) => {}
                    (true, false) => {
                        list.remove(0);
                    }
                    (false, true) => list.push(entry),
                    (false, false) => list[0] = entry,
                }
                Value::Array(list)
            }
            "birthday" if !value.is_empty() => json!(format!("{value}T11:59:00Z")),
            _ if value.is_empty() => Value::Null,
            _ => json!(value),
        };
        self.note(Side::Outlook(user), person, slot, value);
        self.patch(user, id, json!({ slot: change })).await;
        self.world.story.count("edit outlook");
    }

    async fn patch(&self, user: usize, contact: &str, changes: Value) {
        let body = json!({
            "mailbox": self.world.users[user].address, "contact": contact, "changes": changes,
        });
        self.world
            .control(Method::PATCH, "/graph/contacts", body)
            .await;
    }

    /// The same field of the same person on both sides, one soon after the other.
    pub(crate) async fn collide(&mut self, same_field: bool) {
        let Some((user, person, slot)) = self.edit_outlook(None, false).await else {
            return;
        };
        let _ = user;
        let slot = if same_field {
            slot
        } else {
            SLOTS[self.rng.usize(0..SLOTS.len())].0
        };
        self.edit_tribe(Some((&person, slot)), false).await;
        self.world.story.count("edit both");
    }

    /// A value and soon the one before it again.
    pub(crate) async fn there_and_back(&mut self) {
        let sight = Sight::of(self.world);
        let Some((user, person, contact)) = self.some_contact(&sight) else {
            return;
        };
        let slot = ["givenName", "surname", "jobTitle"][self.rng.usize(0..3)];
        let before = contact[slot].as_str().unwrap_or_default().to_owned();
        if before.is_empty() {
            return;
        }
        let value = self.model.fresh(slot);
        self.set_outlook(user, &person, &contact, slot, &value)
            .await;
        tokio::time::sleep(std::time::Duration::from_millis(self.rng.u64(0..8_000))).await;
        let sight = Sight::of(self.world);
        let id = contact["id"].as_str().expect("an id");
        let object = &self.world.users[user].object;
        let still = sight
            .contacts(object)
            .iter()
            .find(|one| one["id"] == id)
            .cloned();
        if let Some(contact) = still {
            self.set_outlook(user, &person, &contact, slot, &before)
                .await;
            self.world.story.count("edit there and back");
        }
    }

    /// A user's own values beside the mapped ones.
    pub(crate) async fn add_extra(&mut self) {
        let sight = Sight::of(self.world);
        let Some((user, _, contact)) = self.some_contact(&sight) else {
            return;
        };
        let id = contact["id"].as_str().expect("an id").to_owned();
        let n = self.model.number();
        let list = |name: &str| contact[name].as_array().cloned().unwrap_or_default();
        let (value, change) = match self.rng.u8(0..4) {
            0 => {
                let value = format!("Notitie {n}q");
                (value.clone(), json!({"personalNotes": value}))
            }
            1 => {
                let mut phones = list("businessPhones");
                if phones.len() != 1 {
                    return;
                }
                let value = format!("+31 30 7{n:06}");
                phones.push(json!(value));
                (value, json!({ "businessPhones": phones }))
            }
            2 => {
                let mut addresses = list("emailAddresses");
                if addresses.is_empty() || addresses.len() > 2 {
                    return;
                }
                let value = format!("eigen{n}q@thuis.example");
                addresses.push(json!({"address": value, "name": value}));
                (value, json!({ "emailAddresses": addresses }))
            }
            _ => {
                let value = format!("Categorie {n}q");
                (
                    value.clone(),
                    json!({"categories": [value], "department": value}),
                )
            }
        };
        self.world
            .tell(&format!("Outlook({user}) {id:.12} extra {value:?}"));
        self.model.typed.insert(value.clone());
        self.patch(user, &id, change).await;
        // A note or category of before is replaced by this one, by the user.
        self.model.extras.retain(|(_, contact, old)| {
            *contact != id || old.split(' ').next() != value.split(' ').next()
        });
        self.model.extras.push((user, id, value));
        self.world.story.count("edit extra");
    }

    /// The user moves an address to the first place.
    pub(crate) async fn swap_addresses(&mut self) {
        let sight = Sight::of(self.world);
        let Some((user, person, contact)) = self.some_contact(&sight) else {
            return;
        };
        let mut list = contact["emailAddresses"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if list.len() < 2 {
            return;
        }
        list.swap(0, 1);
        let first = list[0]["address"].as_str().unwrap_or_default().to_owned();
        let id = contact["id"].as_str().expect("an id").to_owned();
        self.note(Side::Outlook(user), &person, "emailAddresses", &first);
        self.patch(user, &id, json!({ "emailAddresses": list }))
            .await;
        self.model.extras.retain(|(_, contact, _)| *contact != id);
        self.world.story.count("edit swap addresses");
    }

    /// Deletes, restores, moves or copies a contact in Outlook.
    pub(crate) async fn shuffle_contact(&mut self) {
        let sight = Sight::of(self.world);
        let Some((user, person, contact)) = self.some_contact(&sight) else {
            return;
        };
        let id = contact["id"].as_str().expect("an id").to_owned();
        let mailbox = self.world.users[user].address.clone();
        let at = self.world.at();
        match self.rng.u8(0..10) {
            0..4 => {
                let purge = self.rng.bool();
                self.world
                    .tell(&format!("Outlook({user}) deletes {person} (purge {purge})"));
                let body = json!({"mailbox": mailbox, "contact": id, "purge": purge});
                self.world
                    .control(Method::DELETE, "/graph/contacts", body)
                    .await;
                self.model.deleted.insert((user, person.clone()), at);
                self.model.restored.remove(&(user, person));
                self.model.extras.retain(|(_, contact, _)| *contact != id);
                self.world.story.count("edit delete contact");
            }
            4..7 => {
                let name = format!("Map {}", self.model.number());
                let body = json!({"mailbox": mailbox, "name": name});
                self.world
                    .control(Method::POST, "/graph/folders", body)
                    .await;
                self.world
                    .tell(&format!("Outlook({user}) moves {person} to {name}"));
                let body = json!({"mailbox": mailbox, "contact": id, "folder": name});
                let moved = self.world.control(Method::POST, "/graph/move", body).await;
                let new = moved["id"].as_str().unwrap_or_default().to_owned();
                for (_, contact, _) in &mut self.model.extras {
                    if *contact == id {
                        contact.clone_from(&new);
                    }
                }
                self.world.story.count("edit move contact");
            }
            _ => {
                self.world.tell(&format!("Outlook({user}) copies {person}"));
                let body = json!({"mailbox": mailbox, "contact": id});
                let copy = self.world.control(Method::POST, "/graph/copy", body).await;
                if let Some(copy) = copy["immutableId"].as_str() {
                    self.model.copies.insert(copy.to_owned());
                }
                self.world.story.count("edit copy contact");
            }
        }
    }

    /// Brings a deleted contact back.
    pub(crate) async fn restore_contact(&mut self) {
        let sight = Sight::of(self.world);
        let deleted: Vec<(usize, String)> = self.model.deleted.keys().cloned().collect();
        let Some((user, person)) = self.pick(&deleted).cloned() else {
            return;
        };
        let object = &self.world.users[user].object;
        let gone = sight.stamped(object, &person, "deleted");
        let Some(contact) = gone.first() else { return };
        self.world
            .tell(&format!("Outlook({user}) restores {person}"));
        let body = json!({"mailbox": self.world.users[user].address, "contact": contact["id"]});
        let back = self
            .world
            .control(Method::POST, "/graph/restore", body)
            .await;
        // Whether it or one made meanwhile counts is the rule's business: one of two is a copy.
        if let Some(id) = back["immutableId"].as_str() {
            self.model.copies.insert(id.to_owned());
        }
        self.model.restored.insert((user, person));
        self.world.story.count("edit restore contact");
    }

    /// Managers, owners, former marks.
    pub(crate) async fn reassign(&mut self) {
        let sight = Sight::of(self.world);
        let Some(person) = self.somebody(&sight) else {
            return;
        };
        let ties = oracle::relationships(&person).to_vec();
        let Some(tie) = self.pick(&ties).cloned() else {
            return;
        };
        let users = self.world.users.clone();
        let Some(user) = self.pick(&users).cloned() else {
            return;
        };
        let change = match self.rng.u8(0..6) {
            0 | 1 => json!({"AccountManager": {"ID": user.employee}}),
            2 => json!({"AccountManager": null}),
            3 => json!({"Owners": [{"ID": user.employee}]}),
            4 => json!({"Owners": []}),
            _ => json!({"IsFormer": tie["IsFormer"] != true}),
        };
        let id = person["ID"].as_str().expect("an id").to_owned();
        self.world
            .tell(&format!("Tribe {id} {} {change}", tie["_Type"]));
        let path = format!("/tribe/records/{}", tie["ID"].as_str().expect("an id"));
        self.world.control(Method::POST, &path, change).await;
        self.model.restless.insert(id, self.world.at());
        self.world.story.count("edit reassign");
    }

    /// A new relationship, or an old one removed; a new person, or one deleted or merged; a new name
    /// for an organisation.
    pub(crate) async fn upheaval(&mut self) {
        let sight = Sight::of(self.world);
        let at = self.world.at();
        let Some(person) = self.somebody(&sight) else {
            return;
        };
        let id = person["ID"].as_str().expect("an id").to_owned();
        let users = self.world.users.clone();
        let Some(user) = self.pick(&users).cloned() else {
            return;
        };
        let choices = self
            .world
            .control(Method::GET, "/tribe/choices", Value::Null)
            .await;
        let organizations = choices["organizations"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let Some(organization) = self.pick(&organizations).cloned() else {
            return;
        };
        let contact = |fields: Value, person: Value| {
            let mut body = json!({
                "_Type": "Relationship.Person.Contact.Standard",
                "Relation": {"ID": organization["id"]},
                "Person": person,
                "AccountManager": {"ID": user.employee},
            });
            for (name, value) in fields.as_object().into_iter().flatten() {
                body[name.as_str()] = value.clone();
            }
            body
        };
        match self.rng.u8(0..12) {
            0..3 => {
                let address = self.model.fresh("emailAddresses");
                self.world.tell(&format!(
                    "Tribe {id} becomes a contact of {}",
                    organization["name"]
                ));
                let body = contact(json!({"EmailAddress": address}), json!({"ID": id}));
                self.world
                    .control(Method::POST, "/tribe/records", body)
                    .await;
                self.model.restless.insert(id, at);
                self.world.story.count("edit new relationship");
            }
            3 | 4 => {
                let ties = oracle::relationships(&person).to_vec();
                if ties.len() < 2 {
                    return;
                }
                let Some(tie) = self.pick(&ties).cloned() else {
                    return;
                };
                self.world
                    .tell(&format!("Tribe {id} loses its {}", tie["_Type"]));
                let path = format!("/tribe/records/{}", tie["ID"].as_str().expect("an id"));
                self.world.control(Method::DELETE, &path, Value::Null).await;
                self.model.restless.insert(id, at);
                self.world.story.count("edit remove relationship");
            }
            5..8 => {
                let (first, last) = (self.model.fresh("givenName"), self.model.fresh("surname"));
                self.world.tell(&format!("Tribe gains {first} {last}"));
                let body = contact(json!({}), json!({"FirstName": first, "LastName": last}));
                self.world
                    .control(Method::POST, "/tribe/records", body)
                    .await;
                self.world.story.count("edit new person");
            }
            8 => {
                self.world.tell(&format!("Tribe deletes {id}"));
                let path = format!("/tribe/records/{id}");
                self.world.control(Method::DELETE, &path, Value::Null).await;
                self.world.story.count("edit delete person");
            }
            9 => {
                let Some(into) = self.somebody(&sight) else {
                    return;
                };
                if into["ID"] == person["ID"] {
                    return;
                }
                self.world
                    .tell(&format!("Tribe merges {id} into {}", into["ID"]));
                let body = json!({"from": id, "into": into["ID"]});
                self.world.control(Method::POST, "/tribe/merge", body).await;
                let into = into["ID"].as_str().expect("an id").to_owned();
                self.model.restless.insert(into, at);
                self.world.story.count("edit merge");
            }
            _ => {
                let name = format!("Bedrijf {}q", self.model.number());
                self.model.typed.insert(name.clone());
                self.world
                    .tell(&format!("Tribe renames {} to {name}", organization["name"]));
                let path = format!(
                    "/tribe/records/{}",
                    organization["id"].as_str().expect("an id")
                );
                self.world
                    .control(Method::POST, &path, json!({"Name": name}))
                    .await;
                self.world.story.count("edit rename organization");
            }
        }
    }
}
