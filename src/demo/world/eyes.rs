//! What the players see: both sides, the connectors, the audit, the counters; all read over HTTP.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

use http::Method;
use serde_json::Value;
use tribelink_plan::rule::Rule;

use super::{Error, World, Writes, is_tribe, list, text};
use crate::demo::{
    people::{Colleague, FUNCTION, Person},
    step::{Cited, Place, Seen, Values, Way},
};

/// More audit lines than a move writes.
const LINES: usize = 300;

/// Fields of a person in Tribe that the story looks at.
const CARD: [&str; 9] = [
    "Initials",
    "FirstName",
    "MiddleName",
    "LastName",
    "BirthDate",
    "EmailAddress",
    "PhoneNumber",
    "MobilePhoneNumber",
    "LinkedIn",
];

/// Fields of the relationship, and what the story calls them.
const BUSINESS: [(&str, &str); 4] = [
    ("EmailAddress", "Contact.EmailAddress"),
    ("PhoneNumber", "Contact.PhoneNumber"),
    ("MobilePhoneNumber", "Contact.MobilePhoneNumber"),
    (FUNCTION, "Contact.Function"),
];

/// Fields of a contact.
const CONTACT: [&str; 12] = [
    "initials",
    "givenName",
    "middleName",
    "surname",
    "displayName",
    "birthday",
    "jobTitle",
    "companyName",
    "mobilePhone",
    "personalNotes",
    "businessPhones",
    "homePhones",
];

/// A line of the audit about our people.
#[derive(Clone, Debug)]
pub(in crate::demo) struct Line {
    pub(in crate::demo) cited: Cited,
    /// What made the service look.
    pub(in crate::demo) cause: String,
    /// A word more, such as `awake`.
    pub(in crate::demo) note: String,
    /// Losing values.
    pub(in crate::demo) lost: Vec<String>,
}

impl World {
    /// Both sides of these people.
    pub(in crate::demo) async fn look(&mut self, people: &BTreeSet<Person>) -> Result<Seen, Error> {
        let mut seen = Seen::new();
        for person in people {
            if !self.records.contains_key(person) {
                continue;
            }
            self.connectors(*person).await?;
            let mut places = vec![Place::Tribe(*person)];
            places.extend(Colleague::ALL.map(|whose| Place::Outlook(whose, *person)));
            for place in places {
                if let Some(values) = self.values(place).await? {
                    seen.insert(place, values);
                }
            }
        }
        Ok(seen)
    }

    /// What stands in a place; `None` when there is nothing.
    pub(in crate::demo) async fn values(&self, place: Place) -> Result<Option<Values>, Error> {
        match place {
            Place::Tribe(person) => match self.in_tribe(person).await {
                Err(Error::Call { status: 404, .. }) => Ok(None),
                values => values.map(Some),
            },
            Place::Outlook(whose, person) => match self.contacts.get(&(whose, person)) {
                Some(id) => self.in_outlook(whose, id).await,
                None => Ok(None),
            },
        }
    }

    async fn in_tribe(&self, person: Person) -> Result<Values, Error> {
        let record = self.record(person)?;
        let path = format!("Relation_Person({})", record.person);
        let card = self.odata(Method::GET, &path, Value::Null).await?;
        let path = format!(
            "{}({})?$expand=AccountManager($select=ID),Owners($select=ID)",
            person.set(),
            record.relationship
        );
        let tie = self.odata(Method::GET, &path, Value::Null).await?;
        let mut values = Values::new();
        for name in CARD {
            put(&mut values, name, text(&card[name]));
        }
        if person.has_business() {
            for (name, shown) in BUSINESS {
                put(&mut values, shown, text(&tie[name]));
            }
        }
        put(
            &mut values,
            "Relation manager",
            self.names(&[tie["AccountManager"].clone()]),
        );
        put(&mut values, "Owner", self.names(list(&tie["Owners"])));
        if tie["IsFormer"] == true {
            put(&mut values, "Former", "yes".to_owned());
        }
        Ok(values)
    }

    /// Employees by name.
    fn names(&self, links: &[Value]) -> String {
        let ids: Vec<_> = links.iter().map(|link| text(&link["ID"])).collect();
        let known = self.employees.iter();
        let named = known.filter(|(_, one)| ids.contains(&one.employee_id));
        named
            .map(|(colleague, _)| colleague.name())
            .collect::<Vec<_>>()
            .join(", ")
    }

    async fn in_outlook(&self, whose: Colleague, id: &str) -> Result<Option<Values>, Error> {
        let path = format!("contacts/{id}");
        let contact = match self.graph(whose, Method::GET, &path, Value::Null).await {
            Err(Error::Call { status: 404, .. }) => return Ok(None),
            answer => answer?,
        };
        let mut values = Values::new();
        for name in CONTACT {
            let shown = match &contact[name] {
                Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(", "),
                value => text(value),
            };
            // A moment of that day.
            let shown = if name == "birthday" {
                shown.chars().take(10).collect()
            } else {
                shown
            };
            put(&mut values, name, shown);
        }
        let emails = list(&contact["emailAddresses"]).iter();
        let emails: Vec<_> = emails.map(|entry| text(&entry["address"])).collect();
        put(&mut values, "emailAddresses", emails.join(", "));
        Ok(Some(values))
    }

    /// State and contact of each colleague's connector; contacts are remembered.
    pub(in crate::demo) async fn connectors(
        &mut self,
        person: Person,
    ) -> Result<Vec<(Colleague, String, Option<String>)>, Error> {
        let path = format!("people/{}", self.record(person)?.person);
        let copies = self.api(Method::GET, &path, Value::Null).await?;
        let mut found = Vec::new();
        for link in list(&copies["links"]) {
            let Some(whose) = self.colleague_of(&text(&link["user_id"])) else {
                continue;
            };
            let contact = link["contact_id"].as_str().map(str::to_owned);
            if let Some(contact) = &contact {
                self.contacts.insert((whose, person), contact.clone());
            }
            found.push((whose, text(&link["state"]), contact));
        }
        Ok(found)
    }

    /// The contact of a connector as last seen.
    pub(in crate::demo) fn known_contact(
        &self,
        whose: Colleague,
        person: Person,
    ) -> Option<String> {
        self.contacts.get(&(whose, person)).cloned()
    }

    /// Whether a mailbox still has a contact that was once linked.
    pub(in crate::demo) async fn has_contact(
        &self,
        whose: Colleague,
        person: Person,
    ) -> Result<bool, Error> {
        let place = Place::Outlook(whose, person);
        Ok(self.values(place).await?.is_some())
    }

    /// The audit of our people since a line, oldest first, and the newest line's number.
    pub(in crate::demo) async fn audit(&self, since: i64) -> Result<(Vec<Line>, i64), Error> {
        let path = format!("audit?limit={LINES}");
        let page = self.api(Method::GET, &path, Value::Null).await?;
        let items = list(&page["items"]);
        let newest = items.iter().filter_map(|item| item["id"].as_i64()).max();
        let fresh = items
            .iter()
            .filter(|item| item["id"].as_i64() > Some(since))
            .filter_map(|item| self.line(item));
        let mut lines: Vec<_> = fresh.collect();
        lines.reverse();
        Ok((lines, newest.unwrap_or(since)))
    }

    fn line(&self, item: &Value) -> Option<Line> {
        let ways = [Way::ToOutlook, Way::ToTribe, Way::Link];
        let cited = Cited {
            rule: Rule::from_code(item["rule"].as_str()?)?,
            way: ways
                .into_iter()
                .find(|way| item["direction"] == way.code())?,
            whose: self.colleague_of(item["user_id"].as_str()?)?,
            person: self.person_of(item["person_id"].as_str()?)?,
            flagged: item["note"] == "flagged",
        };
        let lost = list(&item["fields"]).iter();
        Some(Line {
            cited,
            cause: text(&item["cause"]),
            note: text(&item["note"]),
            lost: lost
                .filter_map(|field| field["lost"].as_str().map(str::to_owned))
                .collect(),
        })
    }

    /// A colleague's user at the service; `None` before the invitation.
    pub(in crate::demo) async fn user(&self, whose: Colleague) -> Result<Option<Value>, Error> {
        if self.employee(whose)?.user.is_empty() {
            return Ok(None);
        }
        self.api_of(whose, Method::GET, "").await.map(Some)
    }

    /// How many contacts the preview would create; `None` until it is ready.
    pub(in crate::demo) async fn previewed(&self, whose: Colleague) -> Result<Option<u64>, Error> {
        let preview = self.api_of(whose, Method::GET, "/preview?limit=1").await?;
        Ok(preview["create"]
            .as_u64()
            .filter(|_| preview["state"] == "ready"))
    }

    /// How many contacts stand in a mailbox's default folder.
    pub(in crate::demo) async fn contacts_of(&self, whose: Colleague) -> Result<u64, Error> {
        let path = "contacts?$top=1&$select=id&$count=true";
        let page = self.graph(whose, Method::GET, path, Value::Null).await?;
        Ok(page["@odata.count"].as_u64().unwrap_or_default())
    }

    /// Reasons of what could not be done for a person.
    pub(in crate::demo) async fn parked(&self, person: Person) -> Result<Vec<String>, Error> {
        let id = &self.record(person)?.person;
        let parked = self.api(Method::GET, "parked", Value::Null).await?;
        let ours = list(&parked["items"])
            .iter()
            .filter(|item| item["person_id"] == **id);
        Ok(ours.map(|item| text(&item["reason"])).collect())
    }

    /// Whether nothing waits for a colleague whose link is running.
    pub(in crate::demo) async fn is_idle(&self) -> Result<bool, Error> {
        for whose in Colleague::ALL {
            if let Some(user) = self.user(whose).await?
                && user["state"] == "live"
                && user["backlog"] != 0
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many people in Tribe have this address.
    pub(in crate::demo) async fn people_with(&self, address: &str) -> Result<usize, Error> {
        let mut count = 0;
        for set in ["Relation_Person", "Relationship_Person_Contact"] {
            let path = format!("{set}?$filter=contains(EmailAddress,'{address}')");
            let found = self.odata(Method::GET, &path, Value::Null).await?;
            count += list(&found["value"]).len();
        }
        Ok(count)
    }

    /// What the service wrote to people and contacts so far.
    pub(in crate::demo) async fn writes(&self) -> Result<Writes, Error> {
        let mut all = Writes::default();
        for (method, path, count) in self.counters().await? {
            if method == "GET" {
                continue;
            }
            if path.starts_with("/v1/odata/") {
                all.tribe += count;
            } else if path.contains("/contacts") {
                all.outlook += count;
            }
        }
        Ok(Writes {
            tribe: all.tribe.saturating_sub(self.own.tribe),
            outlook: all.outlook.saturating_sub(self.own.outlook),
        })
    }

    /// How many people and contacts the service deleted.
    pub(in crate::demo) async fn deletions(&self) -> Result<u64, Error> {
        let counters = self.counters().await?.into_iter();
        let all = counters.filter(|(method, path, _)| {
            method == "DELETE" && (path.starts_with("/v1/odata/") || path.contains("/contacts"))
        });
        let all: u64 = all.map(|(_, _, count)| count).sum();
        Ok(all.saturating_sub(self.own_deletions))
    }

    /// Every call of the service so far: to Tribe, to Microsoft.
    pub(in crate::demo) async fn calls(&self) -> Result<(u64, u64), Error> {
        let (mut tribe, mut microsoft) = (0, 0);
        for (_, path, count) in self.counters().await? {
            if is_tribe(&path) {
                tribe += count;
            } else {
                microsoft += count;
            }
        }
        let own = |calls: &AtomicU64| calls.load(Ordering::Relaxed);
        Ok((
            tribe.saturating_sub(own(&self.own_calls.tribe)),
            microsoft.saturating_sub(own(&self.own_calls.microsoft)),
        ))
    }

    async fn counters(&self) -> Result<Vec<(String, String, u64)>, Error> {
        let log = self.control(Method::GET, "calls", Value::Null).await?;
        let counters = log["counters"].as_object().into_iter().flatten();
        let split = counters.filter_map(|(endpoint, counter)| {
            let (method, path) = endpoint.split_once(' ')?;
            Some((
                method.to_owned(),
                path.to_owned(),
                counter["count"].as_u64()?,
            ))
        });
        Ok(split.collect())
    }
}

fn put(values: &mut Values, name: &str, value: String) {
    let value = value.trim();
    if !value.is_empty() {
        values.insert(name.to_owned(), value.to_owned());
    }
}
