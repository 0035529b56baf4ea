//! Edits of fields.

use http::Method;
use serde_json::{Value, json};

use super::{Actor, SLOTS, Sight};
use crate::{
    check::oracle::{self, Kind},
    model::{Edit, Side},
    process::{Commit, Strike},
};

impl Actor<'_> {
    /// One field of one person in Tribe; the value is drawn where none is given.
    pub(super) async fn edit_tribe(
        &mut self,
        at: Option<(&str, &'static str)>,
        value: Option<String>,
    ) -> Option<()> {
        let sight = Sight::of(self.world);
        let person = match at {
            Some((id, _)) => sight.person(id).cloned(),
            None => self.somebody(&sight),
        };
        let person = person?;
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
                return None;
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
        let value = match value {
            Some(value) if value.is_empty() && slot == "surname" => return None,
            Some(value) => value,
            None => self.model.fresh(slot),
        };
        self.set_tribe(&person["ID"], &record, slot, property, &value)
            .await;
        Some(())
    }

    pub(super) async fn set_tribe(
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
        self.world.watch.typed(&[record], property, value);
        self.world
            .control(Method::POST, &path, json!({ property: shown }))
            .await;
    }

    /// One field of one contact in Outlook.
    pub(super) async fn edit_outlook(
        &mut self,
        value: Option<String>,
    ) -> Option<(usize, String, &'static str, String)> {
        let sight = Sight::of(self.world);
        let (user, person, contact) = self.some_contact(&sight)?;
        let slot = SLOTS[self.rng.usize(0..SLOTS.len())].0;
        let value = match value {
            Some(value) if value.is_empty() && slot == "surname" => return None,
            Some(value) => value,
            None => self.model.fresh(slot),
        };
        self.set_outlook(user, &person, &contact, slot, &value)
            .await;
        Some((user, person, slot, value))
    }

    pub(super) async fn set_outlook(
        &mut self,
        user: usize,
        person: &str,
        contact: &Value,
        slot: &'static str,
        value: &str,
    ) {
        let id = contact["id"].as_str().expect("an id").to_owned();
        let change = match slot {
            "emailAddresses" | "homePhones" | "businessPhones" => {
                let mut list = contact[slot].as_array().cloned().unwrap_or_default();
                let entry = if slot == "emailAddresses" {
                    json!({"address": value, "name": value})
                } else {
                    json!(value)
                };
                let before = list.first().cloned();
                match (value.is_empty(), list.is_empty()) {
                    (true, true) => {}
                    (true, false) => {
                        list.remove(0);
                    }
                    (false, true) => list.push(entry),
                    (false, false) => list[0] = entry,
                }
                // A further value that had become the first is replaced with it; whoever takes the first
                // away makes another the first.
                let changed = match (value.is_empty(), before) {
                    (true, _) => Value::Array(list.clone()),
                    (false, before) => json!(before),
                };
                let changed = changed.to_string();
                self.model
                    .extras
                    .retain(|(_, of, extra)| *of != id || !changed.contains(extra));
                Value::Array(list)
            }
            "birthday" if !value.is_empty() => json!(format!("{value}T11:59:00Z")),
            _ if value.is_empty() => Value::Null,
            _ => json!(value),
        };
        self.note(Side::Outlook(user), person, slot, value);
        if !self.world.remotes.lock().graph.switches.honour_if_match {
            let kept = contact["immutableId"].as_str().unwrap_or(&id);
            self.world.watch.typed(&[&id, kept], slot, value);
        }
        self.patch(user, &id, json!({ slot: change })).await;
    }

    pub(super) async fn patch(&self, user: usize, contact: &str, changes: Value) {
        let body = json!({
            "mailbox": self.world.users[user].address, "contact": contact, "changes": changes,
        });
        self.world
            .control(Method::PATCH, "/graph/contacts", body)
            .await;
    }

    /// The same person on both sides, one soon after the other; the same field, or another.
    pub(super) async fn collide(&mut self, same_field: bool) -> Option<()> {
        let (_, person, slot, _) = self.edit_outlook(None).await?;
        let slot = if same_field {
            slot
        } else {
            SLOTS[self.rng.usize(0..SLOTS.len())].0
        };
        self.edit_tribe(Some((&person, slot)), None).await
    }

    /// An edit in Tribe, and one of another field in Outlook while the service writes the first. Where
    /// things go wrong its notice is lost, and what only a delta tells may meet a commit that fails.
    pub(super) async fn cross(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (user, person, contact) = self.some_contact(&sight)?;
        let (typed, crossed) =
            [("givenName", "middleName"), ("middleName", "givenName")][self.rng.usize(0..2)];
        self.edit_tribe(Some((&person, typed)), None).await?;
        let wait_ms = self.rng.u64(0..700);
        tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
        let value = self.model.fresh(crossed);
        self.set_outlook(user, &person, &contact, crossed, &value)
            .await;
        if self.model.is_lossy && self.rng.u8(0..3) > 0 {
            let notice = |url: &str| url.ends_with("/notifications");
            let mut state = self.world.remotes.lock();
            state.outbox.retain(|letter| !notice(&letter.url));
            drop(state);
            if self.rng.u8(0..4) > 0 {
                let how = [Strike::After, Strike::DieBefore, Strike::DieAfter];
                let how = how[self.rng.usize(0..how.len())];
                let ambush = Some((Commit::Cursor, how));
                *self.world.fate.ambush.lock().expect("the ambush") = ambush;
                // Until the delta has run, where it does every two minutes.
                tokio::time::sleep(std::time::Duration::from_secs(125)).await;
            }
        }
        Some(())
    }

    /// The same value on both sides.
    pub(super) async fn agree(&mut self) -> Option<()> {
        let at_ms = self.world.service_clock.now();
        let (_, person, slot, value) = self.edit_outlook(None).await?;
        self.edit_tribe(Some((&person, slot)), Some(value)).await?;
        self.model.agreed.push((person, at_ms));
        Some(())
    }

    /// A value and soon the one before it again.
    pub(super) async fn there_and_back(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (user, person, contact) = self.some_contact(&sight)?;
        let slot = ["givenName", "surname", "jobTitle"][self.rng.usize(0..3)];
        let before = contact[slot].as_str().filter(|text| !text.is_empty())?;
        let value = self.model.fresh(slot);
        self.set_outlook(user, &person, &contact, slot, &value)
            .await;
        tokio::time::sleep(std::time::Duration::from_millis(self.rng.u64(0..8_000))).await;
        let sight = Sight::of(self.world);
        let object = &self.world.users[user].object;
        let mut contacts = sight.contacts(object).iter();
        let contact = contacts.find(|one| one["id"] == contact["id"])?.clone();
        // Where only this was seen, nothing was typed at all.
        self.model.restated.insert(self.model.edits.len());
        self.set_outlook(user, &person, &contact, slot, before)
            .await;
        Some(())
    }

    /// Several values of several people emptied at once, as a failed import does.
    pub(super) async fn clear_many(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let people: Vec<Value> = sight.people.clone();
        let mut any = None;
        for person in people {
            if oracle::relationships(&person).is_empty() || person["FirstName"].is_null() {
                continue;
            }
            let record = person["ID"].as_str()?.to_owned();
            self.set_tribe(&person["ID"], &record, "givenName", "FirstName", "")
                .await;
            any = Some(());
        }
        any
    }

    /// The same value in another form.
    pub(super) async fn cosmetic(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (user, person, contact) = self.some_contact(&sight)?;
        let (slot, value) = match self.rng.u8(0..3) {
            0 => {
                let text = contact["mobilePhone"].as_str()?;
                ("mobilePhone", format!("0{}", text.strip_prefix("+31 ")?))
            }
            1 => {
                let text = contact["emailAddresses"][0]["address"].as_str()?;
                ("emailAddresses", text.to_uppercase())
            }
            _ => ("givenName", format!("{} ", contact["givenName"].as_str()?)),
        };
        self.model.typed.insert(value.clone());
        self.world
            .tell(&format!("Outlook({user}) {person} {slot} shows {value:?}"));
        let change = if slot == "emailAddresses" {
            let mut list = contact[slot].clone();
            list[0]["address"] = json!(value);
            list
        } else {
            json!(value)
        };
        let id = contact["id"].as_str()?.to_owned();
        self.patch(user, &id, json!({ slot: change })).await;
        Some(())
    }

    /// A value that Outlook has no room for.
    pub(super) async fn misfit_tribe(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let person = self.somebody(&sight)?;
        let value = format!("{}{}", self.model.fresh("givenName"), "x".repeat(300));
        self.model.typed.insert(value.clone());
        let record = person["ID"].as_str()?.to_owned();
        self.set_tribe(&person["ID"], &record, "middleName", "MiddleName", &value)
            .await;
        Some(())
    }

    /// A value that Tribe takes no address for.
    pub(super) async fn misfit_outlook(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (user, person, contact) = self.some_contact(&sight)?;
        let value = format!("geen adres {}q", self.model.number());
        self.model.typed.insert(value.clone());
        self.set_outlook(user, &person, &contact, "emailAddresses", &value)
            .await;
        Some(())
    }

    /// A birthday without a year, as phones write it.
    pub(super) async fn no_year(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (user, person, contact) = self.some_contact(&sight)?;
        self.set_outlook(user, &person, &contact, "birthday", "1604-03-05")
            .await;
        // What Tribe shows is as good as typed now: it must not go (R18).
        let shown = sight
            .person(&person)
            .and_then(|one| one["BirthDate"].as_str());
        if let Some(date) = shown.and_then(|text| text.get(..10)) {
            self.model.restated.insert(self.model.edits.len());
            self.note(Side::Tribe, &person, "birthday", date);
        }
        Some(())
    }

    /// Outlook completes a card from another with the same address.
    pub(super) async fn complete_card(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (user, person, contact) = self.some_contact(&sight)?;
        let address = contact["emailAddresses"][0]["address"].as_str()?;
        let mailbox = self.world.users[user].address.clone();
        let (title, phone, mobile) = (
            self.model.fresh("jobTitle"),
            self.model.fresh("businessPhones"),
            self.model.fresh("mobilePhone"),
        );
        let other = json!({
            "givenName": "Receptie", "surname": "Algemeen", "jobTitle": title,
            "businessPhones": [phone], "mobilePhone": mobile,
            "emailAddresses": [{"address": address, "name": address}],
        });
        self.model.learn(&other);
        let body = json!({"mailbox": mailbox, "contact": other});
        self.world
            .control(Method::POST, "/graph/contacts", body)
            .await;
        // Initials that Outlook derives for it are borrowed like the rest.
        self.model.typed.insert("R.A.".to_owned());
        self.world
            .tell(&format!("Outlook({user}) completes the card of {person}"));
        let body = json!({"mailbox": mailbox, "contact": contact["id"]});
        let (status, _) = self
            .world
            .try_control(Method::POST, "/complete-card", body)
            .await;
        let id = contact["id"].as_str()?;
        self.model.extras.retain(|(_, contact, _)| contact != id);
        // What was borrowed replaces what was typed before.
        for slot in [
            "jobTitle",
            "businessPhones",
            "mobilePhone",
            "homePhones",
            "birthday",
            "initials",
        ] {
            self.note(Side::Outlook(user), &person, slot, "");
        }
        self.model.borrowed.insert(person);
        status.is_success().then_some(())
    }

    /// A user's own values beside the mapped ones.
    pub(super) async fn add_extra(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (user, person, contact) = self.some_contact(&sight)?;
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
                    return None;
                }
                let value = format!("+31 30 7{n:06}");
                phones.push(json!(value));
                (value, json!({ "businessPhones": phones }))
            }
            2 => {
                let mut addresses = list("emailAddresses");
                // Beside one that is no address it would not be an extra, but the slot's new value.
                let is_usable = |one: &Value| one["address"].to_string().contains('@');
                // So it would where the user took the slot's own away: nobody can tell it from a new one.
                let theirs = |edit: &&Edit| {
                    let place = (edit.side, edit.slot, edit.person.as_str());
                    place == (Side::Outlook(user), "emailAddresses", person.as_str())
                };
                let is_empty = |edit: &Edit| edit.value.is_empty();
                let takes_a_slot = self.model.edits.iter().rfind(theirs).is_some_and(is_empty);
                if !(1..3).contains(&addresses.len())
                    || !addresses.iter().all(is_usable)
                    || takes_a_slot
                {
                    return None;
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
        if !self.world.remotes.lock().graph.switches.honour_if_match {
            let kept = contact["immutableId"].as_str().unwrap_or(&id);
            for slot in ["businessPhones", "emailAddresses"] {
                self.world.watch.typed(&[&id, kept], slot, &value);
            }
        }
        self.patch(user, &id, change).await;
        // A note or category of before is replaced by this one, by the user.
        self.model.extras.retain(|(_, contact, old)| {
            *contact != id || old.split(' ').next() != value.split(' ').next()
        });
        self.model.further.insert(value.clone());
        self.model.extras.push((user, id, value));
        Some(())
    }

    /// The user moves an address to the first place.
    pub(super) async fn swap_addresses(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (user, person, contact) = self.some_contact(&sight)?;
        let mut list = contact["emailAddresses"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if list.len() < 2 {
            return None;
        }
        list.swap(0, 1);
        self.model.swapped.insert(person.clone());
        let first = list[0]["address"].as_str().unwrap_or_default().to_owned();
        let id = contact["id"].as_str().expect("an id").to_owned();
        // Whichever slot it is taken for, nobody typed it now.
        self.model.shuffled.insert(self.model.edits.len());
        self.note(Side::Outlook(user), &person, "emailAddresses", &first);
        self.patch(user, &id, json!({ "emailAddresses": list }))
            .await;
        self.model.extras.retain(|(_, contact, _)| *contact != id);
        Some(())
    }
}
