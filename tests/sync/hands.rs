//! What people do on either side, over the sandbox's control routes, and what they see there.

use http::Method;
use serde_json::{Map, Value, json};

use crate::world::{Mailbox, World};

pub(crate) const PERSON: &str = "Relation.Person";
pub(crate) const CONTACT: &str = "Relationship.Person.Contact.Standard";
pub(crate) const EMPLOYEE: &str = "Relationship.Person.Contact.Employee";
pub(crate) const INDIVIDUAL: &str = "Relationship.Person.CommercialRelationship.Customer";
pub(crate) const ORGANIZATION: &str = "Relation.Organization";

/// A person with one relationship.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub(crate) person: String,
    pub(crate) relationship: String,
    pub(crate) organization: Option<String>,
}

fn merged(mut base: Value, more: Value) -> Value {
    let more: Map<String, Value> = serde_json::from_value(more).unwrap();
    base.as_object_mut().unwrap().extend(more);
    base
}

impl World {
    /// Waits until a write of a field is recorded: only then its time to settle runs.
    pub(crate) async fn recorded(&self, person: &str, direction: &str, field: &str) {
        self.eventually(&format!("the write of {field} is recorded"), async || {
            let audit = self.get(&format!("/audit?person={person}")).await;
            let is_it = |line: &Value| {
                let fields = line["fields"].as_array();
                line["direction"] == direction
                    && fields.is_some_and(|all| all.iter().any(|one| one["name"] == field))
            };
            // The create wrote every field: a later line must tell of this one.
            let lines = audit["items"].as_array().unwrap();
            let written = lines.iter().filter(|line| line["note"] != "created");
            written.into_iter().any(is_it).then_some(())
        })
        .await;
    }

    /// Creates a record of Tribe.
    pub(crate) async fn record(&self, kind: &str, fields: Value) -> String {
        let body = merged(json!({"_Type": kind}), fields);
        let made = self
            .control(Method::POST, "/tribe/records", Some(body))
            .await;
        made["ID"].as_str().unwrap().to_owned()
    }

    /// A person of a kind of relationship that a mailbox's employee manages.
    pub(crate) async fn person(
        &self,
        kind: &str,
        manager: &Mailbox,
        person: Value,
        tie: Value,
    ) -> Card {
        let organization = match kind {
            CONTACT => Some(
                self.record(ORGANIZATION, json!({"Name": "Acme B.V."}))
                    .await,
            ),
            _ => None,
        };
        self.person_at(kind, manager, organization, person, tie)
            .await
    }

    pub(crate) async fn person_at(
        &self,
        kind: &str,
        manager: &Mailbox,
        organization: Option<String>,
        person: Value,
        tie: Value,
    ) -> Card {
        let id = self.record(PERSON, person).await;
        let mut link = json!({"Person": {"ID": id}, "AccountManager": {"ID": manager.employee}});
        if let Some(organization) = &organization {
            link["Relation"] = json!({"ID": organization});
        }
        let relationship = self.record(kind, merged(link, tie)).await;
        Card {
            person: id,
            relationship,
            organization,
        }
    }

    /// A plain contact, who can be told from others by a number.
    pub(crate) async fn somebody(&self, manager: &Mailbox, number: usize) -> Card {
        self.person(
            CONTACT,
            manager,
            json!({"FirstName": "Anna", "LastName": format!("Jansen {number}"), "MobilePhoneNumber": "06-11111111"}),
            json!({"EmailAddress": format!("anna{number}@acme.example"), "PhoneNumber": "+31 20 555 0001"}),
        )
        .await
    }

    /// Edits a record of Tribe.
    pub(crate) async fn edit_tribe(&self, id: &str, fields: Value) {
        let path = format!("/tribe/records/{id}");
        self.control(Method::POST, &path, Some(fields)).await;
    }

    /// Deletes a record of Tribe.
    pub(crate) async fn delete_tribe(&self, id: &str) {
        self.control(Method::DELETE, &format!("/tribe/records/{id}"), None)
            .await;
    }

    /// A record of Tribe as it stands.
    pub(crate) async fn tribe(&self, id: &str) -> Value {
        self.control(Method::GET, &format!("/tribe/records/{id}"), None)
            .await
    }

    /// Everything in a mailbox.
    pub(crate) async fn look(&self, mailbox: &Mailbox) -> Value {
        let path = format!("/graph/mailbox?mailbox={}", mailbox.address);
        self.control(Method::GET, &path, None).await
    }

    /// The live contacts of a mailbox.
    pub(crate) async fn contacts(&self, mailbox: &Mailbox) -> Vec<Value> {
        self.look(mailbox).await["contacts"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// The one live contact of that surname.
    pub(crate) async fn contact(&self, mailbox: &Mailbox, surname: &str) -> Option<Value> {
        let all = self.contacts(mailbox).await;
        let mut found = all
            .into_iter()
            .filter(|contact| contact["surname"] == surname);
        let first = found.next();
        assert!(found.next().is_none(), "{surname} stands there twice");
        first
    }

    /// The contact as it stands once a property has this value.
    pub(crate) async fn shows(
        &self,
        mailbox: &Mailbox,
        id: &str,
        name: &str,
        value: Value,
    ) -> Value {
        self.eventually(&format!("{name} is {value} in Outlook"), async || {
            let contact = self.contact_by_id(mailbox, id).await?;
            (contact[name] == value).then_some(contact)
        })
        .await
    }

    pub(crate) async fn contact_by_id(&self, mailbox: &Mailbox, id: &str) -> Option<Value> {
        let all = self.contacts(mailbox).await;
        all.into_iter()
            .find(|contact| contact["id"] == id || contact["immutableId"] == id)
    }

    /// The record as it stands once a field has this value.
    pub(crate) async fn tribe_shows(&self, id: &str, name: &str, value: Value) -> Value {
        self.eventually(&format!("{name} is {value} in Tribe"), async || {
            let record = self.tribe(id).await;
            (record[name] == value).then_some(record)
        })
        .await
    }

    async fn outlook(&self, method: Method, path: &str, mailbox: &Mailbox, body: Value) -> Value {
        let body = merged(json!({"mailbox": mailbox.address}), body);
        self.control(method, path, Some(body)).await
    }

    /// Edits a contact in Outlook.
    pub(crate) async fn edit_outlook(&self, mailbox: &Mailbox, id: &str, changes: Value) {
        let body = json!({"contact": id, "changes": changes});
        self.outlook(Method::PATCH, "/graph/contacts", mailbox, body)
            .await;
    }

    /// Types a new contact into Outlook.
    pub(crate) async fn type_contact(&self, mailbox: &Mailbox, contact: Value) -> Value {
        self.outlook(
            Method::POST,
            "/graph/contacts",
            mailbox,
            json!({"contact": contact}),
        )
        .await
    }

    /// Deletes a contact in Outlook.
    pub(crate) async fn delete_outlook(&self, mailbox: &Mailbox, id: &str) {
        self.outlook(
            Method::DELETE,
            "/graph/contacts",
            mailbox,
            json!({"contact": id}),
        )
        .await;
    }

    /// `move`, `copy`, `restore` or `reimport`.
    pub(crate) async fn place(
        &self,
        what: &str,
        mailbox: &Mailbox,
        id: &str,
        folder: Option<&str>,
    ) -> Value {
        let body = json!({"contact": id, "folder": folder});
        self.outlook(Method::POST, &format!("/graph/{what}"), mailbox, body)
            .await
    }

    /// Makes a contact folder.
    pub(crate) async fn folder(&self, mailbox: &Mailbox, name: &str) -> String {
        let made = self
            .outlook(
                Method::POST,
                "/graph/folders",
                mailbox,
                json!({"name": name}),
            )
            .await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// Moves the clock of both remotes on.
    pub(crate) async fn move_remotes(&self, seconds: u64) {
        let by = json!({"advance_seconds": seconds});
        self.control(Method::POST, "/time", Some(by)).await;
    }

    /// A fault of the sandbox.
    pub(crate) async fn fault(&self, rule: Value) {
        self.control(Method::POST, "/faults", Some(rule)).await;
    }

    pub(crate) async fn no_faults(&self) {
        self.control(Method::DELETE, "/faults", None).await;
    }

    /// The links of a user.
    pub(crate) async fn links(&self, user: &str) -> Vec<Value> {
        self.get(&format!("/users/{user}/links?limit=200")).await["items"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// The state of the link of a person, when there is one.
    pub(crate) async fn link_state(&self, user: &str, card: &Card) -> Option<String> {
        let links = self.links(user).await;
        let link = links
            .into_iter()
            .find(|link| link["person_id"] == card.person.as_str())?;
        Some(link["state"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn link_is(&self, user: &str, card: &Card, wanted: &str) {
        self.eventually(&format!("the link is {wanted}"), async || {
            (self.link_state(user, card).await.as_deref() == Some(wanted)).then_some(())
        })
        .await;
    }

    /// The audit lines of a person, newest first.
    pub(crate) async fn audit(&self, card: &Card) -> Vec<Value> {
        let path = format!("/audit?person={}", card.person);
        self.get(&path).await["items"].as_array().unwrap().clone()
    }
}

/// A text of a record.
#[track_caller]
pub(crate) fn text(record: &Value, name: &str) -> String {
    let text = record[name].as_str();
    text.unwrap_or_else(|| panic!("{name}: {}", record[name]))
        .to_owned()
}
