//! Contacts, people and relationships come and go.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::{Actor, Sight, stamp_of};
use crate::check::oracle;

impl Actor<'_> {
    async fn delete(&mut self, user: usize, person: &str, contact: &Value) {
        let purge = self.rng.bool();
        self.world
            .tell(&format!("Outlook({user}) deletes {person} (purge {purge})"));
        let mailbox = &self.world.users[user].address;
        let body = json!({"mailbox": mailbox, "contact": contact["id"], "purge": purge});
        self.world
            .control(Method::DELETE, "/graph/contacts", body)
            .await;
        let key = (user, person.to_owned());
        self.model.deleted.insert(key.clone(), self.world.at());
        self.model.restored.remove(&key);
        let id = contact["id"].as_str().unwrap_or_default();
        let ids = ["id", "immutableId"].map(|name| contact[name].as_str());
        let mut ids = ids.into_iter().flatten();
        let stamp = stamp_of(contact).unwrap_or_default();
        if !ids.any(|id| self.world.watch.knew(&[id, stamp])) {
            self.model.unseen.insert(key);
        }
        self.model.extras.retain(|(_, contact, _)| contact != id);
    }

    pub(super) async fn delete_contact(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (user, person, contact) = self.some_contact(&sight)?;
        self.delete(user, &person, &contact).await;
        Some(())
    }

    /// Most of an address book at once, as a device that loses its account does.
    pub(super) async fn delete_many(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (user, ..) = self.some_contact(&sight)?;
        let object = self.world.users[user].object.clone();
        let mut any = None;
        for contact in sight.contacts(&object) {
            let person = stamp_of(contact).and_then(|stamp| stamp.split('|').nth(2));
            if let Some(person) = person.map(str::to_owned) {
                self.delete(user, &person, contact).await;
                any = Some(());
            }
        }
        any
    }

    pub(super) async fn move_contact(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (user, person, contact) = self.some_contact(&sight)?;
        let id = contact["id"].as_str()?.to_owned();
        let mailbox = self.world.users[user].address.clone();
        let name = format!("Map {}", self.model.number());
        let body = json!({"mailbox": mailbox, "name": name});
        self.world
            .control(Method::POST, "/graph/folders", body)
            .await;
        self.world
            .tell(&format!("Outlook({user}) moves {person} to {name}"));
        self.model.moved.insert(person.clone());
        let body = json!({"mailbox": mailbox, "contact": id, "folder": name});
        let moved = self.world.control(Method::POST, "/graph/move", body).await;
        let new = moved["id"].as_str().unwrap_or_default().to_owned();
        for (_, contact, _) in &mut self.model.extras {
            if *contact == id {
                contact.clone_from(&new);
            }
        }
        Some(())
    }

    pub(super) async fn copy_contact(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (user, person, contact) = self.some_contact(&sight)?;
        self.world.tell(&format!("Outlook({user}) copies {person}"));
        let mailbox = &self.world.users[user].address;
        let body = json!({"mailbox": mailbox, "contact": contact["id"]});
        let copy = self.world.control(Method::POST, "/graph/copy", body).await;
        if let Some(copy) = copy["immutableId"].as_str() {
            self.model.copies.insert(copy.to_owned());
        }
        Some(())
    }

    /// Exports a contact, deletes it, and imports it: the same under other ids.
    pub(super) async fn reimport_contact(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (user, person, contact) = self.some_contact(&sight)?;
        self.world
            .tell(&format!("Outlook({user}) exports and imports {person}"));
        self.model.reimported.insert(person.clone());
        let mailbox = self.world.users[user].address.clone();
        let body = json!({"mailbox": mailbox, "contact": contact["id"]});
        let fresh = self
            .world
            .control(Method::POST, "/graph/reimport", body.clone())
            .await;
        let mut body = body;
        body["purge"] = json!(true);
        self.world
            .control(Method::DELETE, "/graph/contacts", body)
            .await;
        let id = contact["id"].as_str()?;
        for (_, known, _) in &mut self.model.extras {
            if known == id {
                fresh["id"].as_str()?.clone_into(known);
            }
        }
        // One that the service makes between the two is the copy, or this one is.
        if let Some(fresh) = fresh["immutableId"].as_str() {
            self.model.copies.insert(fresh.to_owned());
        }
        Some(())
    }

    /// Brings a deleted contact back; where none is, one that was deleted by mistake some moments ago.
    pub(super) async fn restore_contact(&mut self) -> Option<()> {
        if self.model.deleted.is_empty() {
            self.delete_contact().await?;
            let moments = self.rng.u64(0..30_000);
            tokio::time::sleep(Duration::from_millis(moments)).await;
        }
        let sight = Sight::of(self.world);
        let deleted: Vec<(usize, String)> = self.model.deleted.keys().cloned().collect();
        let (user, person) = self.pick(&deleted).cloned()?;
        let object = &self.world.users[user].object;
        let gone = sight.stamped(object, &person, "deleted");
        let contact = gone.first()?;
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
        Some(())
    }

    /// A contact that the user made for somebody of its own.
    pub(super) async fn own_contact(&mut self) -> Option<()> {
        let users = self.world.users.clone();
        let user = self.pick(&users)?;
        let (first, last) = (self.model.fresh("givenName"), self.model.fresh("surname"));
        self.world
            .tell(&format!("{} makes a contact {first} {last}", user.address));
        let body =
            json!({"mailbox": user.address, "contact": {"givenName": first, "surname": last}});
        self.world
            .control(Method::POST, "/graph/contacts", body)
            .await;
        self.model.own.insert(last);
        Some(())
    }

    pub(super) async fn own_twin(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let person = self.somebody(&sight)?;
        let ties = oracle::relationships(&person).iter();
        let address = ties
            .chain([&person])
            .find_map(|one| one["EmailAddress"].as_str())?;
        let mailbox = {
            let state = self.world.remotes.lock();
            let number = self.rng.usize(0..state.users.len());
            state.users[number].address.clone()
        };
        self.world
            .tell(&format!("{mailbox} knows {} already", person["ID"]));
        let body = json!({"mailbox": mailbox, "contact": {
            "givenName": person["FirstName"], "middleName": person["MiddleName"],
            "surname": person["LastName"],
            "emailAddresses": [{"address": address, "name": address}],
        }});
        self.world
            .control(Method::POST, "/graph/contacts", body)
            .await;
        Some(())
    }

    /// Managers, owners, former marks.
    pub(super) async fn reassign(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let person = self.somebody(&sight)?;
        let ties = oracle::relationships(&person).to_vec();
        let tie = self.pick(&ties).cloned()?;
        let users = self.world.users.clone();
        let user = self.pick(&users).cloned()?;
        let change = match self.rng.u8(0..6) {
            0 | 1 => json!({"AccountManager": {"ID": user.employee}}),
            2 => json!({"AccountManager": null}),
            3 => json!({"Owners": [{"ID": user.employee}]}),
            4 => json!({"Owners": []}),
            _ => json!({"IsFormer": tie["IsFormer"] != true}),
        };
        let id = person["ID"].as_str()?.to_owned();
        self.world
            .tell(&format!("Tribe {id} {} {change}", tie["_Type"]));
        let path = format!("/tribe/records/{}", tie["ID"].as_str()?);
        self.world.control(Method::POST, &path, change).await;
        self.model.restless.insert(id, self.world.at());
        Some(())
    }

    /// An organisation, drawn.
    async fn some_organization(&mut self) -> Option<Value> {
        let choices = self
            .world
            .control(Method::GET, "/tribe/choices", Value::Null)
            .await;
        let organizations = choices["organizations"].as_array()?;
        self.pick(organizations).cloned()
    }

    async fn make_contact(&mut self, fields: Value) -> Option<()> {
        let organization = self.some_organization().await?;
        let users = self.world.users.clone();
        let user = self.pick(&users)?;
        let mut body = json!({
            "_Type": "Relationship.Person.Contact.Standard",
            "Relation": {"ID": organization["id"]},
            "AccountManager": {"ID": user.employee},
        });
        for (name, value) in fields.as_object().into_iter().flatten() {
            body[name.as_str()] = value.clone();
        }
        self.world
            .control(Method::POST, "/tribe/records", body)
            .await;
        Some(())
    }

    pub(super) async fn new_relationship(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let person = self.somebody(&sight)?;
        let id = person["ID"].as_str()?.to_owned();
        let address = self.model.fresh("emailAddresses");
        self.world
            .tell(&format!("Tribe {id} becomes a contact once more"));
        self.make_contact(json!({"EmailAddress": address, "Person": {"ID": id}}))
            .await?;
        self.model.restless.insert(id, self.world.at());
        Some(())
    }

    /// A user edits what belongs to the present job, and Tribe hears of another job that is like it in
    /// that: the edit is of the former one.
    pub(super) async fn change_jobs(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (user, id, contact) = self.some_contact(&sight)?;
        let employee = self.world.users[user].employee.clone();
        let main = oracle::main_relationship(sight.person(&id)?, &employee)?;
        let title = main["FunctionOnBusinessCard"].as_str()?;
        if oracle::kind(main) == Some(oracle::Kind::Individual) || contact["jobTitle"] != *title {
            return None;
        }
        let value = self.model.fresh("jobTitle");
        self.set_outlook(user, &id, &contact, "jobTitle", &value)
            .await;
        let other = self.model.fresh("businessPhones");
        let address = self.model.fresh("emailAddresses");
        let edits = self.model.edits.len();
        self.world.tell(&format!("Tribe {id} changes jobs"));
        self.make_contact(json!({
            "Person": {"ID": id}, "AccountManager": {"ID": employee},
            "FunctionOnBusinessCard": title, "PhoneNumber": other, "EmailAddress": address,
        }))
        .await?;
        self.model.restless.insert(id.clone(), self.world.at());
        self.model.former_jobs.push((edits, other, value));
        Some(())
    }

    pub(super) async fn remove_relationship(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let person = self.somebody(&sight)?;
        let ties = oracle::relationships(&person).to_vec();
        if ties.len() < 2 {
            return None;
        }
        let tie = self.pick(&ties).cloned()?;
        let id = person["ID"].as_str()?.to_owned();
        self.world
            .tell(&format!("Tribe {id} loses its {}", tie["_Type"]));
        let path = format!("/tribe/records/{}", tie["ID"].as_str()?);
        self.world.control(Method::DELETE, &path, Value::Null).await;
        self.model.restless.insert(id, self.world.at());
        Some(())
    }

    pub(super) async fn new_person(&mut self) -> Option<()> {
        let (first, last) = (self.model.fresh("givenName"), self.model.fresh("surname"));
        self.model.has_newcomers = true;
        self.world.tell(&format!("Tribe gains {first} {last}"));
        self.make_contact(json!({"Person": {"FirstName": first, "LastName": last}}))
            .await
    }

    pub(super) async fn delete_person(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let person = self.somebody(&sight)?;
        let id = person["ID"].as_str()?;
        self.world.tell(&format!("Tribe deletes {id}"));
        let path = format!("/tribe/records/{id}");
        self.world.control(Method::DELETE, &path, Value::Null).await;
        Some(())
    }

    pub(super) async fn merge(&mut self) -> Option<()> {
        let sight = Sight::of(self.world);
        let (person, into) = (self.somebody(&sight)?, self.somebody(&sight)?);
        if into["ID"] == person["ID"] {
            return None;
        }
        self.world.tell(&format!(
            "Tribe merges {} into {}",
            person["ID"], into["ID"]
        ));
        let body = json!({"from": person["ID"], "into": into["ID"]});
        self.world.control(Method::POST, "/tribe/merge", body).await;
        let into = into["ID"].as_str()?.to_owned();
        // Initials may come with the other card.
        if person["ID"]
            .as_str()
            .is_some_and(|id| self.model.derived.contains(id))
        {
            self.model.derived.insert(into.clone());
        }
        self.model.restless.insert(into, self.world.at());
        Some(())
    }

    pub(super) async fn rename_organization(&mut self) -> Option<()> {
        let organization = self.some_organization().await?;
        self.model.renamed = true;
        let name = format!("Bedrijf {}q", self.model.number());
        self.model.typed.insert(name.clone());
        self.world
            .tell(&format!("Tribe renames {} to {name}", organization["name"]));
        let path = format!("/tribe/records/{}", organization["id"].as_str()?);
        self.world
            .control(Method::POST, &path, json!({"Name": name}))
            .await;
        Some(())
    }

    /// A colleague leaves (R22).
    pub(super) async fn employee_leaves(&mut self) -> Option<()> {
        let number = self.rng.usize(0..self.world.users.len());
        if !self.model.left.insert(number) {
            return None;
        }
        let user = &self.world.users[number];
        self.world.tell(&format!("{} leaves", user.address));
        let path = format!("/tribe/records/{}", user.employee);
        self.world
            .control(Method::POST, &path, json!({"IsFormer": true}))
            .await;
        Some(())
    }
}
