//! The people of a world, and what is typed about them on either side.
//!
//! Each field of a person has one author for the whole life of its world: Tribe, or the owner of one
//! of the mailboxes. So whatever was typed last must stand everywhere in the end. The function alone
//! is typed by everybody: there the policy decides, and any value that somebody typed will do.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    Outcome,
    world::{World, list, text},
};

const SET: &str = "Relationship_Person_Contact_Standard";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    First,
    Insertion,
    Last,
    Email,
    Phone,
    Mobile,
    Home,
    Function,
}

impl Field {
    pub(crate) const ALL: [Field; 8] = [
        Field::First,
        Field::Insertion,
        Field::Last,
        Field::Email,
        Field::Phone,
        Field::Mobile,
        Field::Home,
        Field::Function,
    ];

    /// Its name in Tribe, and whether it stands on the relationship.
    pub(crate) fn tribe(self) -> (&'static str, bool) {
        match self {
            Field::First => ("FirstName", false),
            Field::Insertion => ("MiddleName", false),
            Field::Last => ("LastName", false),
            Field::Email => ("EmailAddress", true),
            Field::Phone => ("PhoneNumber", true),
            Field::Mobile => ("MobilePhoneNumber", true),
            Field::Home => ("PhoneNumber", false),
            Field::Function => ("FunctionOnBusinessCard", true),
        }
    }

    fn outlook(self) -> &'static str {
        match self {
            Field::First => "givenName",
            Field::Insertion => "middleName",
            Field::Last => "surname",
            Field::Email => "emailAddresses",
            Field::Phone => "businessPhones",
            Field::Mobile => "mobilePhone",
            Field::Home => "homePhones",
            Field::Function => "jobTitle",
        }
    }

    fn to_graph(self, value: &str) -> Value {
        match self {
            Field::Email => json!([{"address": value, "name": value}]),
            Field::Phone | Field::Home => json!([value]),
            _ => json!(value),
        }
    }

    /// What a contact shows.
    pub(crate) fn shown(self, contact: &Value) -> String {
        let value = &contact[self.outlook()];
        match self {
            Field::Email => text(&value[0]["address"]),
            Field::Phone | Field::Home => text(&value[0]),
            _ => text(value),
        }
    }

    /// A value that nobody typed before.
    fn value(self, number: u64) -> String {
        match self {
            Field::First => format!("Voornaam{number}"),
            Field::Insertion => format!("van{number}"),
            Field::Last => format!("Achternaam{number}"),
            Field::Email => format!("e{number}@typed.example"),
            Field::Phone => format!("+3120{:07}", 1_000_000 + number),
            Field::Mobile => format!("+316{:08}", 10_000_000 + number),
            Field::Home => format!("+3130{:07}", 2_000_000 + number),
            Field::Function => format!("Functie {number}"),
        }
    }
}

/// Who types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    Tribe,
    Outlook(usize),
}

pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) relationship: String,
    /// The mailboxes that must have this person.
    pub(crate) holders: Vec<usize>,
    /// Stands in the first holder's mailbox already, without a stamp.
    premade: bool,
    /// Everything typed, in order.
    pub(crate) typed: BTreeMap<Field, Vec<String>>,
}

/// Everybody, and a number for each thing typed.
#[derive(Default)]
pub(crate) struct People {
    pub(crate) all: Vec<Person>,
    /// Contact ids as the service tells them, of links that are linked.
    pub(crate) contacts: BTreeMap<(usize, String), String>,
    typed: u64,
    pub(crate) edits: u64,
    organization: String,
}

impl People {
    /// Fills a world; with `premade`, some stand in Outlook already.
    pub(crate) async fn settle(world: &World, many: usize, premade: bool) -> Outcome<People> {
        let path = "Relation_Organization?$filter=contains(Name,'Acme')";
        let found = world.odata(Method::GET, path, Value::Null).await?;
        let mut people = People {
            organization: text(&found["value"][0]["ID"]),
            ..People::default()
        };
        for n in 0..many {
            people.add(world, premade && n % 5 == 2).await?;
        }
        Ok(people)
    }

    fn next(&mut self, field: Field) -> String {
        self.typed += 1;
        field.value(self.typed)
    }

    /// A new person of the first mailbox, every third of both.
    pub(crate) async fn add(&mut self, world: &World, premade: bool) -> Outcome<()> {
        let number = self.all.len();
        let holders = match number % 3 {
            0 => vec![0, 1],
            1 => vec![0],
            _ => vec![1],
        };
        let typed: BTreeMap<Field, Vec<String>> = Field::ALL
            .into_iter()
            .map(|field| (field, vec![self.next(field)]))
            .collect();
        let part = |on_relationship: bool| -> Map<String, Value> {
            let fields = typed
                .iter()
                .filter(|(field, _)| field.tribe().1 == on_relationship);
            fields
                .map(|(field, values)| (field.tribe().0.to_owned(), json!(values[0])))
                .collect()
        };
        let employee = |mailbox: usize| json!({"ID": world.mailboxes[mailbox].employee});
        let mut body = part(true);
        body.insert("Relation".to_owned(), json!({"ID": self.organization}));
        body.insert("Person".to_owned(), Value::Object(part(false)));
        body.insert("AccountManager".to_owned(), employee(holders[0]));
        if holders.len() > 1 {
            body.insert("Owners".to_owned(), json!([employee(holders[1])]));
        }
        if premade {
            let value = |field: Field| typed[&field][0].clone();
            let contact = json!({
                "givenName": value(Field::First), "middleName": value(Field::Insertion),
                "surname": value(Field::Last),
                "emailAddresses": [{"address": value(Field::Email), "name": "x"}],
            });
            world
                .graph(holders[0], Method::POST, "contacts", contact)
                .await?;
        }
        let made = world.odata(Method::POST, SET, Value::Object(body)).await?;
        let relationship = text(&made["ID"]);
        let path = format!("{SET}({relationship})?$expand=Person($select=ID)");
        let whole = world.odata(Method::GET, &path, Value::Null).await?;
        self.all.push(Person {
            id: text(&whole["Person"]["ID"]),
            relationship,
            holders,
            premade,
            typed,
        });
        Ok(())
    }

    /// Who may type a field of a person.
    fn authors(&self, number: usize, field: Field) -> Vec<Author> {
        let holders = &self.all[number].holders;
        let own = holders.iter().map(|holder| Author::Outlook(*holder));
        if field == Field::Function {
            return own.chain([Author::Tribe]).collect();
        }
        match (number * 5 + field as usize * 7) % 3 {
            0 => vec![Author::Tribe],
            1 => own.take(1).collect(),
            _ => own.rev().take(1).collect(),
        }
    }

    /// Somebody types something somewhere.
    pub(crate) async fn edit(&mut self, world: &World, rng: &mut fastrand::Rng) -> Outcome<()> {
        let number = rng.usize(0..self.all.len());
        let field = Field::ALL[rng.usize(0..Field::ALL.len())];
        let authors = self.authors(number, field);
        let author = authors[rng.usize(0..authors.len())];
        let person = &self.all[number];
        // A premade contact is known by address and name: those stay until it is linked.
        let first = (person.holders[0], person.id.clone());
        if person.premade && !self.contacts.contains_key(&first) {
            return Ok(());
        }
        let (id, relationship) = (person.id.clone(), person.relationship.clone());
        let contact = match author {
            Author::Tribe => None,
            Author::Outlook(mailbox) => match self.contacts.get(&(mailbox, id.clone())) {
                Some(contact) => Some((mailbox, contact.clone())),
                None => return Ok(()),
            },
        };
        let value = self.next(field);
        let (name, on_relationship) = field.tribe();
        match contact {
            None => {
                let path = match on_relationship {
                    true => format!("{SET}({relationship})"),
                    false => format!("Relation_Person({id})"),
                };
                world
                    .odata(Method::PUT, &path, json!({name: value}))
                    .await?;
            }
            Some((mailbox, contact)) => {
                let body = json!({field.outlook(): field.to_graph(&value)});
                let path = format!("contacts/{contact}");
                world.graph(mailbox, Method::PATCH, &path, body).await?;
            }
        }
        self.edits += 1;
        let typed = self.all[number].typed.entry(field).or_default();
        typed.push(value);
        Ok(())
    }

    /// Learns the contacts of links; the service may be dead.
    pub(crate) async fn learn(&mut self, world: &World) -> Outcome<()> {
        for (number, mailbox) in world.mailboxes.iter().enumerate() {
            let Some(user) = &mailbox.user else { continue };
            let Ok(links) = world.all(&format!("api/v1/users/{user}/links")).await else {
                continue;
            };
            let Ok(lines) = world.all(&format!("api/v1/audit?user={user}")).await else {
                continue;
            };
            // What is typed into a contact whose link has no base yet is lost by R12a and R6: the
            // first line with fields was written along with the base.
            let based: BTreeSet<String> = lines
                .iter()
                .filter(|line| !list(&line["fields"]).is_empty())
                .map(|line| text(&line["person_id"]))
                .collect();
            let linked = links.iter().filter(|link| link["state"] == "linked");
            let linked = linked.filter(|link| based.contains(&text(&link["person_id"])));
            for link in linked {
                if let Some(contact) = link["contact_id"].as_str() {
                    let key = (number, text(&link["person_id"]));
                    self.contacts.insert(key, contact.to_owned());
                }
            }
        }
        Ok(())
    }

    pub(crate) fn of(&self, mailbox: usize) -> BTreeSet<&str> {
        let held = self
            .all
            .iter()
            .filter(|person| person.holders.contains(&mailbox));
        held.map(|person| person.id.as_str()).collect()
    }

    /// What Tribe shows of a person, by the field.
    pub(crate) fn in_tribe(person: &Person, state: &Value) -> Option<BTreeMap<Field, String>> {
        let shown = list(&state["tribe"]["people"])
            .iter()
            .find(|shown| shown["ID"] == *person.id)?;
        let tie = list(&shown["Relationships"])
            .iter()
            .find(|tie| tie["ID"] == *person.relationship)?;
        let fields = Field::ALL.into_iter().map(|field| {
            let (name, on_relationship) = field.tribe();
            let record = if on_relationship { tie } else { shown };
            (field, text(&record[name]))
        });
        Some(fields.collect())
    }
}
