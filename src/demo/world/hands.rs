//! What the players do: each act is the call that their screen would make.

use http::{Method, header};
use serde_json::{Map, Value, json};

use super::{Error, Record, World, text};
use crate::demo::{
    people::{Colleague, FUNCTION, Person, SHARED, STRANGER},
    step::{Act, Place},
};

/// A customer that the sandbox always has.
const CUSTOMER: &str = "Acme";

/// More hops than any sign-in takes.
const HOPS: usize = 10;

/// What came of an act.
#[derive(Debug, Default)]
pub(in crate::demo) struct Done {
    /// In words, where values do not say it.
    pub(in crate::demo) said: Option<String>,
    /// What was typed: where, which field, which value.
    pub(in crate::demo) typed: Vec<(Place, &'static str, String)>,
    /// A place as a whole that the act made, changed or took away.
    pub(in crate::demo) place: Option<Place>,
}

impl Done {
    fn said(words: impl Into<String>) -> Done {
        Done {
            said: Some(words.into()),
            ..Done::default()
        }
    }

    fn typed(place: Place, field: &'static str, value: impl Into<String>) -> Done {
        Done {
            typed: vec![(place, field, value.into())],
            ..Done::default()
        }
    }

    fn at(mut self, place: Place) -> Done {
        self.place = Some(place);
        self
    }
}

impl World {
    /// Does it.
    pub(in crate::demo) async fn act(&mut self, act: &Act) -> Result<Done, Error> {
        match act.clone() {
            Act::Consent(whose) => self.consent(whose).await,
            Act::Preview(whose) => self.command(whose, "preview", "asks for a preview").await,
            Act::Start(whose) => {
                self.command(whose, "start", "saves and starts the first sync")
                    .await
            }
            Act::Pause(whose) => self.command(whose, "pause", "pauses the link").await,
            Act::Resume(whose) => self.command(whose, "resume", "resumes the link").await,
            Act::Resync(whose) => {
                self.command(whose, "resync", "has everything compared again")
                    .await
            }
            Act::Create(person, manager) => self.create(person, manager).await,
            Act::Tribe(person, field, value) => self.type_in_tribe(person, field, value).await,
            Act::Manager(person, to) => {
                let link = match to {
                    Some(to) => json!({"ID": self.employee(to)?.employee_id}),
                    None => Value::Null,
                };
                self.put_relationship(person, "AccountManager", link)
                    .await?;
                let shown = to.map_or("", Colleague::name);
                Ok(Done::typed(Place::Tribe(person), "Relation manager", shown))
            }
            Act::Owners(person, to) => {
                let mut links = Vec::new();
                for owner in to {
                    links.push(json!({"ID": self.employee(*owner)?.employee_id}));
                }
                self.put_relationship(person, "Owners", links.into())
                    .await?;
                let shown: Vec<_> = to.iter().map(|owner| owner.name()).collect();
                Ok(Done::typed(Place::Tribe(person), "Owner", shown.join(", ")))
            }
            Act::Former(person, former) => {
                self.put_relationship(person, "IsFormer", former.into())
                    .await?;
                let shown = if former { "yes" } else { "" };
                Ok(Done::typed(Place::Tribe(person), "Former", shown))
            }
            Act::Outlook(whose, person, field, value) => {
                let id = self.contact(whose, person)?.clone();
                self.patch(whose, &id, json!({field: graph_value(field, value)}))
                    .await?;
                Ok(Done::typed(Place::Outlook(whose, person), field, value))
            }
            Act::Delete(whose, person) => {
                let id = self.contact(whose, person)?.clone();
                self.graph(
                    whose,
                    Method::DELETE,
                    &format!("contacts/{id}"),
                    Value::Null,
                )
                .await?;
                self.own.outlook += 1;
                self.own_deletions += 1;
                let words = format!(
                    "{} deletes the contact {} in Outlook",
                    whose.name(),
                    person.name()
                );
                Ok(Done::said(words).at(Place::Outlook(whose, person)))
            }
            Act::Erase(person) => {
                let path = format!("Relation_Person({})", self.record(person)?.person);
                self.odata(Method::DELETE, &path, Value::Null).await?;
                self.own.tribe += 1;
                self.own_deletions += 1;
                let words = format!("{} is deleted in Tribe", person.name());
                Ok(Done::said(words).at(Place::Tribe(person)))
            }
            Act::Stranger(whose) => self.make_stranger(whose).await,
            Act::EditStranger(whose) => {
                let id = self.stranger.clone().unwrap_or_default();
                self.patch(whose, &id, json!({"jobTitle": "Directeur"}))
                    .await?;
                Ok(Done::said(format!(
                    "{} edits {STRANGER} in Outlook",
                    whose.name()
                )))
            }
            Act::Complete(whose, person) => {
                let (mailbox, contact) =
                    (&self.employee(whose)?.address, self.contact(whose, person)?);
                let body = json!({"mailbox": mailbox, "contact": contact});
                self.control(Method::POST, "complete-card", body).await?;
                let words = format!(
                    "Outlook completes the card of {} from {STRANGER}",
                    person.name()
                );
                Ok(Done::said(words).at(Place::Outlook(whose, person)))
            }
            Act::LoseHints => {
                for source in ["tribe", "graph"] {
                    let fault = json!({"hints": {"source": source, "drop": true}});
                    self.control(Method::POST, "faults", fault).await?;
                }
                Ok(Done::said(
                    "every webhook and every notification is lost from now on",
                ))
            }
            Act::HearHints => {
                self.control(Method::DELETE, "faults", Value::Null).await?;
                Ok(Done::said("webhooks and notifications arrive again"))
            }
        }
    }

    async fn command(&self, whose: Colleague, command: &str, words: &str) -> Result<Done, Error> {
        self.api_of(whose, Method::POST, &format!("/{command}"))
            .await?;
        Ok(Done::said(format!("{} {words}", whose.name())))
    }

    /// The administrator's invitation, then the employee's browser.
    async fn consent(&mut self, whose: Colleague) -> Result<Done, Error> {
        let employee = self.employee(whose)?;
        let (name, address) = (employee.name.clone(), employee.address.clone());
        let user = self
            .api(Method::POST, "users", json!({"employee_email": address}))
            .await?;
        if let Some(employee) = self.employees.get_mut(&whose) {
            employee.user = text(&user["id"]);
        }
        self.browse(&text(&user["consent_url"])).await?;
        Ok(Done::said(format!(
            "{name} opens the link, signs in at Microsoft as {address} and grants permission"
        )))
    }

    /// Opens an address as a browser does: from hop to hop, with the cookies of each host.
    async fn browse(&self, first: &str) -> Result<(), Error> {
        let mut url = url::Url::parse(first).map_err(Error::start)?;
        let mut jar: Vec<(String, String)> = Vec::new();
        for _ in 0..HOPS {
            let origin = url.origin().ascii_serialization();
            let cookies: Vec<_> = jar
                .iter()
                .filter(|(host, _)| *host == origin)
                .map(|(_, cookie)| cookie.as_str())
                .collect();
            let request = self
                .http
                .get(url.clone())
                .header(header::COOKIE, cookies.join("; "));
            self.count(url.path());
            let answer = request.send().await.map_err(Error::start)?;
            let set = answer.headers().get_all(header::SET_COOKIE).iter();
            let set = set.filter_map(|value| value.to_str().ok()?.split(';').next());
            jar.extend(set.map(|cookie| (origin.clone(), cookie.to_owned())));
            let status = answer.status();
            let to = answer
                .headers()
                .get(header::LOCATION)
                .and_then(|to| to.to_str().ok());
            match to {
                Some(to) if status.is_redirection() => url = url.join(to).map_err(Error::start)?,
                _ if status.is_success() => return Ok(()),
                _ => {
                    return Err(Error::Call {
                        what: format!("sign-in at {}", url.path()),
                        status: status.as_u16(),
                        said: answer.text().await.unwrap_or_default(),
                    });
                }
            }
        }
        Err(Error::unmet("the sign-in goes round in circles"))
    }

    async fn create(&mut self, person: Person, manager: Colleague) -> Result<Done, Error> {
        let parent = match person {
            Person::Sofie | Person::Petra => {
                let path = format!("Relation_Organization?$filter=contains(Name,'{CUSTOMER}')");
                let found = self.odata(Method::GET, &path, Value::Null).await?;
                text(&found["value"][0]["ID"])
            }
            Person::Daan | Person::Noor => {
                let config = self.control(Method::GET, "config", Value::Null).await?;
                text(&config["tribe"]["organization_id"])
            }
        };
        let mut body = object(person.business());
        body.insert("Relation".to_owned(), json!({"ID": parent}));
        body.insert("Person".to_owned(), Value::Object(object(person.card())));
        let manager_id = self.employee(manager)?.employee_id.clone();
        body.insert("AccountManager".to_owned(), json!({"ID": manager_id}));
        let made = self
            .odata(Method::POST, person.set(), Value::Object(body))
            .await?;
        self.own.tribe += 1;
        let relationship = text(&made["ID"]);
        let path = format!(
            "{}({relationship})?$expand=Person($select=ID)",
            person.set()
        );
        let whole = self.odata(Method::GET, &path, Value::Null).await?;
        let record = Record {
            person: text(&whole["Person"]["ID"]),
            relationship,
        };
        self.records.insert(person, record);
        let words = format!(
            "{} is created in Tribe as {}; relation manager: {}",
            person.name(),
            person.kind(),
            manager.name()
        );
        Ok(Done::said(words).at(Place::Tribe(person)))
    }

    async fn type_in_tribe(
        &mut self,
        person: Person,
        field: &'static str,
        value: &str,
    ) -> Result<Done, Error> {
        let json = if value.is_empty() {
            Value::Null
        } else {
            json!(value)
        };
        match field.strip_prefix("Contact.") {
            Some("Function") => self.put_relationship(person, FUNCTION, json).await?,
            Some(name) => self.put_relationship(person, name, json).await?,
            None => {
                let path = format!("Relation_Person({})", self.record(person)?.person);
                self.odata(Method::PUT, &path, json!({field: json})).await?;
                self.own.tribe += 1;
            }
        }
        Ok(Done::typed(Place::Tribe(person), field, value))
    }

    async fn put_relationship(
        &mut self,
        person: Person,
        name: &str,
        value: Value,
    ) -> Result<(), Error> {
        let path = format!("{}({})", person.set(), self.record(person)?.relationship);
        self.odata(Method::PUT, &path, json!({name: value})).await?;
        self.own.tribe += 1;
        Ok(())
    }

    async fn patch(&mut self, whose: Colleague, id: &str, body: Value) -> Result<(), Error> {
        self.graph(whose, Method::PATCH, &format!("contacts/{id}"), body)
            .await?;
        self.own.outlook += 1;
        Ok(())
    }

    async fn make_stranger(&mut self, whose: Colleague) -> Result<Done, Error> {
        let body = json!({
            "givenName": "Geert", "middleName": "van", "surname": "Dijk", "displayName": STRANGER,
            "emailAddresses": [{"address": SHARED, "name": STRANGER}],
            "jobTitle": "Eigenaar", "businessPhones": ["040-2223344"], "mobilePhone": "06-44556677",
        });
        let made = self.graph(whose, Method::POST, "contacts", body).await?;
        self.own.outlook += 1;
        self.stranger = Some(text(&made["id"]));
        Ok(Done::said(format!(
            "{} adds {STRANGER} in Outlook",
            whose.name()
        )))
    }
}

fn object(fields: &[(&str, &str)]) -> Map<String, Value> {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect()
}

/// A value as Graph takes it.
fn graph_value(field: &str, value: &str) -> Value {
    let parts = value.split(", ").filter(|part| !part.is_empty());
    match field {
        "emailAddresses" => parts
            .map(|part| json!({"address": part, "name": part}))
            .collect(),
        "businessPhones" | "homePhones" => parts.collect(),
        _ if value.is_empty() => Value::Null,
        // Outlook keeps birthdays as a moment close to noon (Graph reference 2.2).
        "birthday" => json!(format!("{value}T11:59:00Z")),
        _ => json!(value),
    }
}
