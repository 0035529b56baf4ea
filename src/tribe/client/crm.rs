//! The port's methods, each from a query and the form of its answer.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures_util::future::try_join_all;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tribelink_plan::{
    field::Field,
    ids::{EmployeeId, OrganizationId, PersonId, RelationshipId, SetName},
    person::{Person, Relationship},
};
use uuid::Uuid;

use super::{Ask, Client, Load, ReadMode};
use crate::{
    remote::Error,
    tribe::{
        ChangedRecord, Crm, Employee, EntityKind, Named, Next, Page, Record, RegisteredWebhook,
        SweepRow, Written,
        names::{EMPLOYEE_SET, ORGANIZATION_SET, PERSON_SET},
        query::{self, IDS, Query, Tree},
        wire::{self, Missing},
    },
};

fn unusable(endpoint: &'static str) -> impl Fn(Missing) -> Error {
    move |missing| Error::Unusable(format!("{endpoint}: {missing}"))
}

impl Client {
    /// Up to [`IDS`] people; those whose answer cannot be used are left out.
    async fn some_people(&self, ids: &[PersonId]) -> Result<Vec<Person>, Error> {
        let names = &self.settings.names;
        let query = Query::set(PERSON_SET).with("$filter", query::any_of("ID", query::uuids(ids)));
        let people = match self.settings.read {
            ReadMode::Expand => {
                let query = query.expand(&self.relationship_tree(false).below_person());
                let rows = self.all("people", query, Load::of(ids.len())).await?;
                rows.iter()
                    .filter_map(|row| wire::person(row, names).ok())
                    .collect()
            }
            ReadMode::Sets => {
                let rows = self.all("people", query, Load::of(ids.len())).await?;
                let mut relationships = self.relationships_of(ids).await?;
                rows.iter()
                    .filter_map(|row| {
                        let id = PersonId(wire::id(row).ok()?);
                        let known = relationships.remove(&id).unwrap_or(Some(Vec::new()));
                        wire::bare_person(row, names, known?).ok()
                    })
                    .collect()
            }
        };
        Ok(people)
    }

    /// Each person's relationships over every set; `None` for a person with one that is unreadable.
    async fn relationships_of(
        &self,
        ids: &[PersonId],
    ) -> Result<BTreeMap<PersonId, Option<Vec<Relationship>>>, Error> {
        let names = &self.settings.names;
        let filter = query::any_of("Person/ID", query::uuids(ids));
        let tree = self.relationship_tree(true);
        let sets = try_join_all(names.person_sets.iter().map(|set| {
            let query = Query::set(set.set.as_str())
                .with("$filter", filter.clone())
                .expand(&tree);
            async move {
                Ok::<_, Error>((
                    set,
                    self.all("relationships", query, Load::of(ids.len()))
                        .await?,
                ))
            }
        }));
        let mut found = BTreeMap::new();
        for (set, rows) in sets.await? {
            for row in rows {
                let Some(person) = wire::linked(&row, "Person") else {
                    // Whose it is cannot be told, so nobody of this read is complete.
                    return Err(Error::Unusable("relationships: Person".to_owned()));
                };
                let of = found
                    .entry(PersonId(person))
                    .or_insert_with(|| Some(Vec::new()));
                match (wire::relationship(&row, names, set), of.as_mut()) {
                    (Ok(relationship), Some(of)) => of.push(relationship),
                    (Ok(_), None) => {}
                    (Err(_), _) => *of = None,
                }
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl Crm for Client {
    fn set_in_flight(&self, calls: usize) {
        Client::set_in_flight(self, calls);
    }

    fn rests_until_ms(&self) -> i64 {
        Client::rests_until_ms(self)
    }

    fn rest_until(&self, until_ms: i64) {
        Client::rest_until(self, until_ms);
    }

    async fn people(&self, ids: &[PersonId]) -> Result<Vec<Person>, Error> {
        let read = try_join_all(ids.chunks(IDS).map(|ids| self.some_people(ids)));
        Ok(read.await?.into_iter().flatten().collect())
    }

    async fn person(&self, id: PersonId) -> Result<Option<Person>, Error> {
        let names = &self.settings.names;
        let query = Query::record(PERSON_SET, id.0);
        let query = match self.settings.read {
            ReadMode::Expand => query.expand(&self.relationship_tree(false).below_person()),
            ReadMode::Sets => query,
        };
        let Some(row) = self.single("person", &query).await? else {
            return Ok(None);
        };
        let read = match self.settings.read {
            ReadMode::Expand => wire::person(&row, names),
            ReadMode::Sets => {
                let mut found = self.relationships_of(&[id]).await?;
                match found.remove(&id).unwrap_or(Some(Vec::new())) {
                    Some(relationships) => wire::bare_person(&row, names, relationships),
                    None => Err(Missing("relationships")),
                }
            }
        };
        read.map(Some).map_err(unusable("person"))
    }

    async fn people_of_relationships(
        &self,
        set: &SetName,
        ids: &[RelationshipId],
    ) -> Result<Vec<Person>, Error> {
        let set = self.person_set(set)?.set.as_str();
        let tree = match self.settings.read {
            ReadMode::Expand => self
                .relationship_tree(false)
                .below_person()
                .below_relationship(),
            ReadMode::Sets => Tree::of_person_id(),
        };
        let asked = ids.chunks(IDS).map(|ids| {
            let filter = query::any_of("ID", ids.iter().map(|id| id.0));
            let query = Query::set(set)
                .with("$select", "ID")
                .with("$filter", filter)
                .expand(&tree);
            self.all("relationships", query, Load::of(ids.len()))
        });
        let rows: Vec<Value> = try_join_all(asked).await?.into_iter().flatten().collect();
        let names = &self.settings.names;
        let mut people = BTreeMap::new();
        let mut bare: BTreeSet<PersonId> = BTreeSet::new();
        for row in rows.iter().filter_map(|row| row.get("Person")) {
            // A person that did not come whole is read by its id.
            match wire::person(row, names) {
                Ok(person) => {
                    people.insert(person.id, person);
                }
                Err(_) => bare.extend(wire::id(row).ok().map(PersonId)),
            }
        }
        if !bare.is_empty() {
            let ids: Vec<PersonId> = bare.into_iter().collect();
            let read = self.people(&ids).await?;
            people.extend(read.into_iter().map(|person| (person.id, person)));
        }
        Ok(people.into_values().collect())
    }

    async fn entity(&self, id: Uuid) -> Result<Option<EntityKind>, Error> {
        let Some(row) = self.single("entity", &Query::record("Entity", id)).await? else {
            return Ok(None);
        };
        match row.get("_Type").and_then(Value::as_str) {
            Some(entity_type) => Ok(Some(self.kind_of(entity_type))),
            None => Err(unusable("entity")(Missing("_Type"))),
        }
    }

    fn kind_of(&self, entity_type: &str) -> EntityKind {
        wire::kind_of(entity_type, &self.settings.names)
    }

    fn sets(&self) -> Vec<SetName> {
        let people = self.settings.names.person_sets.iter();
        [PERSON_SET, ORGANIZATION_SET]
            .into_iter()
            .map(SetName::from)
            .chain(people.map(|set| set.set.clone()))
            .collect()
    }

    async fn changed(
        &self,
        set: &SetName,
        since: Timestamp,
        next: Option<Next>,
    ) -> Result<Page<ChangedRecord>, Error> {
        let mut query = Query::set(set.as_str())
            .with("$select", "ID")
            .with("$filter", query::since(since));
        let own_id = matches!(set.as_str(), PERSON_SET | ORGANIZATION_SET);
        if !own_id {
            self.person_set(set)?;
            query = query.expand(&Tree::of_person_id());
        }
        let page = self.page("changed", &query, next).await?;
        let record = |row: &Value| -> Result<ChangedRecord, Missing> {
            Ok(match set.as_str() {
                PERSON_SET => ChangedRecord {
                    person: Some(PersonId(wire::id(row)?)),
                    organization: None,
                },
                ORGANIZATION_SET => ChangedRecord {
                    person: None,
                    organization: Some(OrganizationId(wire::id(row)?)),
                },
                _ => ChangedRecord {
                    person: wire::linked(row, "Person").map(PersonId),
                    organization: None,
                },
            })
        };
        let items: Result<_, _> = page.items.iter().map(record).collect();
        Ok(Page {
            items: items.map_err(unusable("changed"))?,
            next: page.next,
        })
    }

    async fn sweep(&self, set: &SetName, next: Option<Next>) -> Result<Page<SweepRow>, Error> {
        let set = self.person_set(set)?;
        let names = &self.settings.names;
        let tree = self.relationship_tree(true);
        let query = Query::set(set.set.as_str())
            .with("$select", tree.select())
            .expand(&tree);
        let page = self.page("sweep", &query, next).await?;
        // A row that cannot be used is left out: absence is confirmed by a read of the id.
        let items = page
            .items
            .iter()
            .filter_map(|row| wire::sweep_row(row, names, set).ok())
            .collect();
        Ok(Page {
            items,
            next: page.next,
        })
    }

    async fn people_of_organization(&self, id: OrganizationId) -> Result<Vec<PersonId>, Error> {
        let business = self.settings.names.person_sets.iter();
        let asked = business.filter(|set| set.kind.is_business()).map(|set| {
            let query = Query::set(set.set.as_str())
                .with("$select", "ID")
                .with("$filter", query::any_of("Relation/ID", [id.0]))
                .expand(&Tree::of_person_id());
            self.all("people_of_organization", query, Load::Heavy)
        });
        let mut people: Vec<_> = try_join_all(asked)
            .await?
            .iter()
            .flatten()
            .filter_map(|row| wire::linked(row, "Person").map(PersonId))
            .collect();
        people.sort_unstable();
        people.dedup();
        Ok(people)
    }

    async fn update(
        &self,
        record: &Record,
        fields: &BTreeMap<Field, Option<String>>,
    ) -> Result<Written, Error> {
        let names = &self.settings.names;
        let body = wire::update(record, names, fields).map_err(|field| Error::Rejected {
            status: 0,
            code: format!("{field}_stands_elsewhere"),
        })?;
        let query = match record {
            Record::Person(id) => Query::record(PERSON_SET, id.0),
            Record::Relationship(set, id) => Query::record(set.as_str(), id.0),
        };
        let ask = Ask::write("update", Method::PUT, self.url(&query), Some(body));
        let answer = self.send(&ask).await?;
        Ok(wire::written(record, names, &answer.body))
    }

    async fn employee(&self, id: EmployeeId) -> Result<Option<Employee>, Error> {
        let names = &self.settings.names;
        let query = Query::record(EMPLOYEE_SET, id.0).expand(&Tree::of_employee(names));
        let row = self.single("employee", &query).await?;
        row.map(|row| wire::employee(&row, names))
            .transpose()
            .map_err(unusable("employee"))
    }

    async fn employees_by_email(&self, email: &str) -> Result<Vec<Employee>, Error> {
        let wanted = email.trim().to_lowercase();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        // Whether `eq` minds case is unknown; `contains` does not (Tribe reference 3.3).
        let text = query::literal(&wanted);
        let filter =
            format!("contains(EmailAddress,{text}) or contains(Person/EmailAddress,{text})");
        let names = &self.settings.names;
        let query = Query::set(EMPLOYEE_SET)
            .with("$filter", filter)
            .expand(&Tree::of_employee(names));
        let rows = self.all("employees", query, Load::Light).await?;
        let read: Result<Vec<_>, _> = rows.iter().map(|row| wire::employee(row, names)).collect();
        let is = |address: &Option<String>| {
            address
                .as_ref()
                .is_some_and(|address| address.to_lowercase() == wanted)
        };
        let mut found = read.map_err(unusable("employees"))?;
        found.retain(|employee| is(&employee.email) || is(&employee.person_email));
        // The employee's own address tells more than the person's (Tribe reference 4.8).
        found.sort_by_key(|employee| !is(&employee.email));
        Ok(found)
    }

    async fn people_by_name(&self, words: &[String]) -> Result<(Vec<Named>, bool), Error> {
        if words.is_empty() {
            return Ok((Vec::new(), false));
        }
        const NAMES: [&str; 4] = ["Initials", "FirstName", "MiddleName", "LastName"];
        let query = Query::set(PERSON_SET)
            .with("$select", format!("ID,{}", NAMES.join(",")))
            .with("$filter", query::all_within(words, &NAMES));
        let page = self.page("people_by_name", &query, None).await?;
        // A server may give less than was asked for; then it says how to go on.
        let more = page.items.len() >= query::PAGE || matches!(page.next, Some(Next::Link(_)));
        // A row that cannot be used is left out: nobody is taken for absent because of it.
        let people = page.items.iter().filter_map(|row| wire::named(row).ok());
        Ok((people.collect(), more))
    }

    async fn identity(&self) -> Result<OrganizationId, Error> {
        let query = Query::set("Relationship_Organization_Identity")
            .with("$select", "ID")
            .with("$expand", "Relation($select=ID)");
        let rows = self.rows(&Ask::get("identity", self.url(&query))).await?;
        wire::identity(&rows.rows).map_err(unusable("identity"))
    }

    async fn webhooks(&self) -> Result<Vec<RegisteredWebhook>, Error> {
        let ask = Ask::get("webhooks", self.plain_url(&["v1", "webhooks"]));
        let answer = self.send(&ask).await?;
        wire::webhooks(&answer.body).map_err(|missing| ask.missing(missing))
    }

    async fn register_webhook(
        &self,
        entity_type: &str,
        url: &str,
        header: (&str, &str),
    ) -> Result<RegisteredWebhook, Error> {
        let body = json!({
            "entityType": entity_type,
            "webhookUrl": url,
            "headers": [{"name": header.0, "value": header.1}],
        });
        let at = self.plain_url(&["v1", "webhooks"]);
        let ask = Ask::write("register_webhook", Method::POST, at, Some(body));
        let answer = self.send(&ask).await?;
        let registered = wire::single(&answer.body)
            .and_then(|row| wire::webhook(&row))
            .map_err(|missing| ask.missing(missing))?;
        Ok(RegisteredWebhook {
            entity_type: entity_type.to_owned(),
            url: url.to_owned(),
            ..registered
        })
    }

    async fn remove_webhook(&self, id: &str) -> Result<(), Error> {
        let at = self.plain_url(&["v1", "webhooks", id]);
        let ask = Ask::write("remove_webhook", Method::DELETE, at, None);
        match self.send(&ask).await {
            Ok(_) | Err(Error::NotFound | Error::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn metadata(&self) -> Result<String, Error> {
        let ask = Ask {
            accept: "application/xml",
            ..Ask::get("metadata", self.url(&Query::set("$metadata")))
        };
        let answer = self.send(&ask).await?;
        String::from_utf8(answer.body.to_vec()).map_err(|_| ask.missing(Missing("text")))
    }
}
