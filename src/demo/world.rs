//! The world over HTTP: what the players of the story can reach, and nothing else.
//!
//! - here: tokens, calls, who is who. [`hands`]: what they do. [`eyes`]: what they see.

mod eyes;
mod hands;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};

use super::{
    Error,
    parties::Parties,
    people::{Colleague, Person},
};

pub(super) use eyes::Line;

/// No call of the demonstration takes longer, the first of a first sync included.
const CALL: Duration = Duration::from_secs(30);

/// A colleague, as both sides know them.
#[derive(Clone, Debug, Default)]
pub(super) struct Employee {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) employee_id: String,
    /// A token for the own mailbox.
    token: String,
    /// The service's user, once invited.
    pub(super) user: String,
}

/// Where a person stands in Tribe.
#[derive(Clone, Debug)]
struct Record {
    person: String,
    relationship: String,
}

/// Writes to people and contacts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Writes {
    pub(super) tribe: u64,
    pub(super) outlook: u64,
}

impl std::ops::Add for Writes {
    type Output = Writes;

    fn add(self, more: Writes) -> Writes {
        Writes {
            tribe: self.tribe + more.tribe,
            outlook: self.outlook + more.outlook,
        }
    }
}

impl std::ops::Sub for Writes {
    type Output = Writes;

    fn sub(self, less: Writes) -> Writes {
        Writes {
            tribe: self.tribe.saturating_sub(less.tribe),
            outlook: self.outlook.saturating_sub(less.outlook),
        }
    }
}

/// Calls to the remotes by the players themselves.
#[derive(Debug, Default)]
struct OwnCalls {
    tribe: AtomicU64,
    microsoft: AtomicU64,
}

/// The world.
pub(super) struct World {
    http: reqwest::Client,
    pub(super) sandbox: String,
    pub(super) service: String,
    admin: String,
    crm: String,
    employees: BTreeMap<Colleague, Employee>,
    records: BTreeMap<Person, Record>,
    /// Contacts as last seen linked; kept when the link ends.
    contacts: BTreeMap<(Colleague, Person), String>,
    stranger: Option<String>,
    /// What the players themselves wrote.
    own: Writes,
    /// How many people and contacts the players deleted.
    own_deletions: u64,
    own_calls: OwnCalls,
}

impl World {
    /// Looks around.
    pub(super) async fn enter(parties: &Parties) -> Result<World, Error> {
        // Redirects are followed one by one, as a browser does that minds its cookies.
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(CALL)
            .build()
            .map_err(Error::start)?;
        let mut world = World {
            http,
            sandbox: parties.sandbox.clone(),
            service: parties.service.clone(),
            admin: parties.token.clone(),
            crm: String::new(),
            employees: BTreeMap::new(),
            records: BTreeMap::new(),
            contacts: BTreeMap::new(),
            stranger: None,
            own: Writes::default(),
            own_deletions: 0,
            own_calls: OwnCalls::default(),
        };
        world.crm = world.token(json!({"crm": true})).await?;
        let config = world.control(Method::GET, "config", Value::Null).await?;
        for (colleague, mailbox) in Colleague::ALL.into_iter().zip(list(&config["mailboxes"])) {
            let address = text(&mailbox["address"]);
            let employee = Employee {
                name: text(&mailbox["name"]),
                token: world.token(json!({"mailbox": address})).await?,
                address,
                employee_id: text(&mailbox["employee_id"]),
                user: String::new(),
            };
            world.employees.insert(colleague, employee);
        }
        world
            .control(Method::POST, "auto-consent", json!({"on": true}))
            .await?;
        Ok(world)
    }

    async fn token(&self, whose: Value) -> Result<String, Error> {
        let answer = self.control(Method::POST, "tokens", whose).await?;
        Ok(text(&answer["access_token"]))
    }

    /// Who that is.
    pub(super) fn employee(&self, colleague: Colleague) -> Result<&Employee, Error> {
        self.employees.get(&colleague).ok_or_else(|| {
            Error::unmet(format!(
                "the sandbox has no mailbox for {}",
                colleague.name()
            ))
        })
    }

    fn record(&self, person: Person) -> Result<&Record, Error> {
        self.records
            .get(&person)
            .ok_or_else(|| Error::unmet(format!("{} is not in Tribe yet", person.name())))
    }

    fn contact(&self, whose: Colleague, person: Person) -> Result<&String, Error> {
        self.contacts.get(&(whose, person)).ok_or_else(|| {
            Error::unmet(format!("{} has no contact {}", whose.name(), person.name()))
        })
    }

    /// Which of our people has this id in Tribe.
    fn person_of(&self, id: &str) -> Option<Person> {
        let mut records = self.records.iter();
        records
            .find(|(_, record)| record.person == id)
            .map(|(person, _)| *person)
    }

    /// Which colleague has this id at the service.
    fn colleague_of(&self, user: &str) -> Option<Colleague> {
        let mut employees = self.employees.iter();
        employees
            .find(|(_, one)| one.user == user)
            .map(|(colleague, _)| *colleague)
    }

    /// Tribe's OData.
    async fn odata(&self, method: Method, path: &str, body: Value) -> Result<Value, Error> {
        let url = format!("{}/v1/odata/{path}", self.sandbox);
        self.call(method, &url, &self.crm, body).await
    }

    /// Graph, as the owner of a mailbox.
    async fn graph(
        &self,
        whose: Colleague,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Value, Error> {
        let url = format!("{}/v1.0/me/{path}", self.sandbox);
        let token = &self.employee(whose)?.token;
        self.call(method, &url, token, body).await
    }

    /// The service's admin API.
    pub(super) async fn api(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Value, Error> {
        let url = format!("{}/api/v1/{path}", self.service);
        self.call(method, &url, &self.admin, body).await
    }

    /// The admin API about one user.
    async fn api_of(&self, whose: Colleague, method: Method, path: &str) -> Result<Value, Error> {
        let user = &self.employee(whose)?.user;
        self.api(method, &format!("users/{user}{path}"), Value::Null)
            .await
    }

    /// The sandbox's own switches.
    async fn control(&self, method: Method, path: &str, body: Value) -> Result<Value, Error> {
        let url = format!("{}/_sandbox/{path}", self.sandbox);
        self.call(method, &url, "", body).await
    }

    /// Counts a call of our own, as the sandbox does: control and the service do not count.
    fn count(&self, path: &str) {
        let calls = if is_tribe(path) {
            &self.own_calls.tribe
        } else if path.starts_with("/v1.0/") || path.contains("/oauth2/v2.0/") {
            &self.own_calls.microsoft
        } else {
            return;
        };
        calls.fetch_add(1, Ordering::Relaxed);
    }

    /// A call with its JSON answer.
    async fn call(
        &self,
        method: Method,
        url: &str,
        token: &str,
        body: Value,
    ) -> Result<Value, Error> {
        let mut request = self.http.request(method.clone(), url);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        if let Some(path) = url.strip_prefix(&self.sandbox) {
            self.count(path);
        }
        let what = || format!("{method} {url}");
        let answer = request.send().await.map_err(|error| Error::Call {
            what: what(),
            status: 0,
            said: error.to_string(),
        })?;
        let status = answer.status();
        let said = answer.text().await.unwrap_or_default();
        if !status.is_success() {
            return Err(Error::Call {
                what: what(),
                status: status.as_u16(),
                said: said.chars().take(300).collect(),
            });
        }
        Ok(serde_json::from_str(&said).unwrap_or(Value::Null))
    }
}

/// Whether a path of the sandbox is Tribe's.
fn is_tribe(path: &str) -> bool {
    path.starts_with("/v1/") || path.starts_with("/oauth2/")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
