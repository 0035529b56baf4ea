//! The people a CRM starts with: kinds mixed, managers and owners spread over the users, some
//! former, some with several relationships. All drawn from the seed; all at `.example`.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Tribe,
    names::{FIRMS, FIRST, FUNCTIONS, LAST, ROLES},
    schema::{
        CONTACT, CUSTOM_FIELD, CUSTOM_PERSON, EMPLOYEE, ORGANIZATION, PERSON, Schema, custom_name,
    },
    settings::{Place, Settings},
    sign_in::{Clients, Grants},
    store::{Body, Store},
};
use crate::{
    state::{Options, User, guid, secret},
    time::rfc3339,
};

const DAY_MS: i64 = 86_400_000;
const STEPS: [&str; 5] = ["Suspect", "Lead", "HotProspect", "Prospect", "Customer"];

struct Seeder<'a> {
    store: Store,
    settings: &'a Settings,
    rng: &'a mut fastrand::Rng,
    now_ms: i64,
    own: Uuid,
    firms: Vec<(Uuid, &'static str)>,
    roles: Vec<Uuid>,
    genders: Vec<Uuid>,
    employees: Vec<Uuid>,
}

impl Tribe {
    /// The CRM of the options, and who has a mailbox.
    #[must_use]
    pub fn seed(options: &Options, rng: &mut fastrand::Rng, now_ms: i64) -> (Self, Vec<User>) {
        let (clients, webhook_secret) = (Clients::draw(rng), secret(rng, "whs_"));
        let own = guid(rng);
        let mut seeder = Seeder {
            store: Store::default(),
            settings: &options.tribe,
            rng,
            now_ms,
            own,
            firms: Vec::new(),
            roles: Vec::new(),
            genders: Vec::new(),
            employees: Vec::new(),
        };
        seeder.ourselves();
        let users: Vec<User> = (0..options.users).map(|n| seeder.user(n)).collect();
        seeder.firms();
        let virtual_employee = seeder.virtual_employee();
        for n in 0..options.people {
            seeder.person(n);
        }
        let tribe = Self {
            schema: Schema::new(&options.tribe),
            store: seeder.store,
            organization_id: own,
            virtual_employee,
            clients,
            grants: Grants::default(),
            webhooks: std::collections::BTreeMap::new(),
            webhook_secret,
        };
        (tribe, users)
    }
}

/// A body with these values.
fn with(mut body: Body, values: &[(&str, Value)]) -> Body {
    for (name, value) in values
        .iter()
        .filter(|(_, value)| !value.is_null() && value != "")
    {
        body.values.insert((*name).to_owned(), value.clone());
    }
    body
}

/// `Zoë` in an address: plain letters only.
fn plain(text: &str) -> String {
    let folded = text
        .to_lowercase()
        .replace(['ë', 'é', 'ễ'], "e")
        .replace('ö', "o")
        .replace('ü', "u");
    folded.chars().filter(char::is_ascii_alphanumeric).collect()
}

impl Seeder<'_> {
    fn put(&mut self, body: Body) -> Uuid {
        let id = guid(self.rng);
        let at = body.created_ms;
        self.store.put(id, body, at);
        id
    }

    /// Somewhere in the last two years.
    fn created(&mut self) -> i64 {
        self.now_ms - DAY_MS - self.rng.i64(0..700) * DAY_MS - self.rng.i64(0..DAY_MS)
    }

    fn body(&mut self, kind: &str) -> Body {
        let created = self.created();
        Body::new(kind, created)
    }

    fn lookup(&mut self, kind: &str, names: &[&str]) -> Vec<Uuid> {
        let bodies: Vec<_> = names
            .iter()
            .map(|name| {
                with(
                    self.body(kind),
                    &[("Name", json!(name)), ("Code", json!(plain(name)))],
                )
            })
            .collect();
        bodies.into_iter().map(|body| self.put(body)).collect()
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() {
            None
        } else {
            from.get(self.rng.usize(0..from.len())).copied()
        }
    }

    /// Our own organisation, its identity, and the lookups.
    fn ourselves(&mut self) {
        self.roles = self.lookup("Datastore.Role", ROLES);
        self.genders = self.lookup("Datastore.Gender", &["Female", "Male", "Other"]);
        self.lookup("Datastore.Country", &["Netherlands", "Belgium", "Germany"]);
        self.lookup("Datastore.Language", &["Dutch", "English"]);
        self.lookup("Datastore.Label", &["Newsletter", "Event"]);
        let created = self.now_ms - 800 * DAY_MS;
        let us = with(
            Body::new(ORGANIZATION, created),
            &[
                ("Name", json!("Voorbeeld Organisatie")),
                ("EmailAddress", json!("info@example.com")),
            ],
        );
        self.store.put(self.own, us, created);
        let mut identity = Body::new("Relationship.Organization.Identity", created);
        identity.links.insert("Relation".to_owned(), self.own);
        identity.links.insert("Organization".to_owned(), self.own);
        self.put(identity);
    }

    /// Customers and the like, each with an account manager.
    fn firms(&mut self) {
        let employees = self.employees.clone();
        for (n, (name, domain)) in FIRMS.iter().enumerate() {
            let mut address = self.body("Address");
            address = with(
                address,
                &[
                    ("Street", json!("Kerkstraat")),
                    ("HouseNumber", json!(n + 1)),
                    ("Postalcode", json!("1234 AB")),
                    ("City", json!("Utrecht")),
                ],
            );
            let address = self.put(address);
            let mut firm = with(
                self.body(ORGANIZATION),
                &[
                    ("Name", json!(name)),
                    ("EmailAddress", json!(format!("info@{domain}"))),
                    ("PhoneNumber", json!(format!("+31 20 555 0{n:03}"))),
                    ("Website", json!(format!("https://{domain}"))),
                    ("DebtorNumber", json!(format!("D{:05}", 1000 + n))),
                ],
            );
            firm.links.insert("VisitingAddress".to_owned(), address);
            let firm = self.put(firm);
            let mut tie = self.body(&format!(
                "Relationship.Organization.CommercialRelationship.{}",
                STEPS[n % STEPS.len()]
            ));
            tie.links.insert("Relation".to_owned(), self.own);
            tie.links.insert("Organization".to_owned(), firm);
            if self
                .settings
                .places
                .iter()
                .any(|place| *place != Place::Person)
            {
                self.assign(
                    &mut tie,
                    employees.get(n % employees.len().max(1)).copied(),
                    &[],
                );
            }
            self.put(tie);
            self.firms.push((firm, domain));
        }
        let mut team = with(self.body("Team"), &[("Name", json!("Verkoop"))]);
        team.many.insert("Members".to_owned(), employees);
        self.put(team);
    }

    fn assign(&self, body: &mut Body, manager: Option<Uuid>, owners: &[Uuid]) {
        if let Some(manager) = manager {
            body.links
                .insert(self.settings.names.manager.clone(), manager);
        }
        if !owners.is_empty() {
            body.many
                .insert(self.settings.names.owners.clone(), owners.to_vec());
        }
    }

    /// An employee with a mailbox.
    fn user(&mut self, n: usize) -> User {
        // A prime stride, so that first and last names do not run in step.
        let ((first, initials), (insertion, last)) = (
            FIRST[n % FIRST.len()],
            LAST[(n * 7 + n / FIRST.len()) % LAST.len()],
        );
        let turn = if n < FIRST.len() {
            String::new()
        } else {
            format!("{}", n / FIRST.len() + 1)
        };
        let address = format!(
            "{}.{}{}{turn}@example.com",
            plain(first),
            plain(insertion),
            plain(last)
        );
        let person = with(
            self.body(PERSON),
            &[
                ("FirstName", json!(first)),
                ("Initials", json!(initials)),
                ("MiddleName", json!(insertion)),
                ("LastName", json!(last)),
            ],
        );
        let person_id = self.put(person);
        let mut employee = with(
            self.body(EMPLOYEE),
            &[
                ("EmailAddress", json!(address)),
                ("PhoneNumber", json!(format!("+31 20 555 1{n:03}"))),
                (&self.settings.names.function, json!("Relatiebeheerder")),
                ("Description", json!("Binnendienst")),
            ],
        );
        employee.links.insert("Relation".to_owned(), self.own);
        employee.links.insert("Person".to_owned(), person_id);
        let employee_id = self.put(employee);
        self.employees.push(employee_id);
        let last_name = if insertion.is_empty() {
            last.to_owned()
        } else {
            format!("{insertion} {last}")
        };
        User {
            address,
            name: format!("{first} {last_name}"),
            first_name: first.to_owned(),
            last_name,
            user_id: guid(self.rng),
            employee_id,
            person_id,
        }
    }

    /// Who an application acts as.
    fn virtual_employee(&mut self) -> Uuid {
        let person = with(self.body(PERSON), &[("LastName", json!("Tribelink API"))]);
        let person = self.put(person);
        let mut employee = self.body(EMPLOYEE);
        employee.links.insert("Relation".to_owned(), self.own);
        employee.links.insert("Person".to_owned(), person);
        self.put(employee)
    }

    fn person(&mut self, n: usize) {
        let (first, initials) = FIRST[self.rng.usize(0..FIRST.len())];
        let (insertion, last) = LAST[self.rng.usize(0..LAST.len())];
        let employees = self.employees.clone();
        // Every user gets an equal share as manager; owners come on top.
        let manager = if self.chance(90) {
            employees.get(n % employees.len().max(1)).copied()
        } else {
            None
        };
        let mut owners = Vec::new();
        while self.chance(25) && owners.len() < 3 {
            let Some(owner) = self.pick(&employees) else {
                break;
            };
            if !owners.contains(&owner) {
                owners.push(owner);
            }
        }
        let mut body = self.card(n, first, initials, insertion, last);
        if self.settings.places.contains(&Place::Person) {
            self.assign(&mut body, manager, &owners);
        }
        let gender = self.pick(&self.genders.clone());
        body.links
            .extend(gender.map(|id| ("Gender".to_owned(), id)));
        let person = self.put(body);
        let local = format!("{}.{}{}", plain(first), plain(insertion), plain(last));
        let kinds: &[&str] = match self.rng.u32(0..100) {
            0..62 => &[CONTACT],
            62..82 => &["individual"],
            82..90 => &[CONTACT, "individual"],
            90..96 => &[CONTACT, CONTACT],
            96..98 => &[CUSTOM_PERSON],
            _ => &[EMPLOYEE],
        };
        for kind in kinds {
            self.relationship(kind, person, &local, n, manager, &owners);
        }
    }

    /// A person's own fields, some of which nothing but Tribe knows.
    fn card(&mut self, n: usize, first: &str, initials: &str, insertion: &str, last: &str) -> Body {
        let birth = jiff::civil::date(1950, 1, 1)
            .saturating_add(jiff::Span::new().days(self.rng.i64(0..20_000)));
        let mut body = with(
            self.body(PERSON),
            &[
                ("FirstName", json!(first)),
                ("MiddleName", json!(insertion)),
                ("LastName", json!(last)),
            ],
        );
        let digits = self.rng.u32(10_000_000..99_999_999);
        let optional = [
            (80, "Initials", json!(initials)),
            (50, "BirthDate", json!(birth.to_string())),
            (
                45,
                "EmailAddress",
                json!(format!("{}{n}@privé.example", plain(first)).replace('é', "e")),
            ),
            (
                30,
                "PhoneNumber",
                json!(format!("030-{}", digits % 9_000_000 + 1_000_000)),
            ),
            (60, "MobilePhoneNumber", json!(format!("06-{digits}"))),
            (20, "Title", json!("dr.")),
            (5, "Suffix", json!("MSc")),
            (
                30,
                "LinkedIn",
                json!(format!("https://social.example/in/{}{n}", plain(last))),
            ),
            (10, "Twitter", json!(format!("@{}{n}", plain(last)))),
            (15, "IBAN", json!(format!("NL00EXMP{:010}", digits))),
            (10, "DebtorNumber", json!(format!("P{n:05}"))),
            (25, "ImportId", json!(format!("import-{n}"))),
        ];
        let custom = custom_name(CUSTOM_FIELD);
        for (percent, name, value) in optional {
            if self.chance(percent) {
                body.values.insert(name.to_owned(), value);
            }
        }
        if self.chance(20) {
            body.values.insert(custom, json!(format!("BSN-{n:04}")));
        }
        body.values.insert("Number".to_owned(), json!(10_000 + n));
        body
    }

    fn relationship(
        &mut self,
        kind: &str,
        person: Uuid,
        local: &str,
        n: usize,
        manager: Option<Uuid>,
        owners: &[Uuid],
    ) {
        let step = STEPS[self.rng.usize(0..STEPS.len())];
        let individual = kind == "individual";
        let kind = if individual {
            format!("Relationship.Person.CommercialRelationship.{step}")
        } else {
            kind.to_owned()
        };
        let mut body = self.body(&kind);
        body.links.insert("Person".to_owned(), person);
        body.links.insert("Relation".to_owned(), self.own);
        if kind == CONTACT || kind == EMPLOYEE {
            let firm = if kind == CONTACT {
                self.pick(&self.firms.clone())
            } else {
                None
            };
            let (firm, domain) = firm.unwrap_or((self.own, "example.com"));
            body.links.insert("Relation".to_owned(), firm);
            let function = FUNCTIONS[self.rng.usize(0..FUNCTIONS.len())];
            let names = &self.settings.names;
            body = with(
                body,
                &[
                    ("EmailAddress", json!(format!("{local}{n}@{domain}"))),
                    ("PhoneNumber", json!(format!("+31 20 55{:05}", n % 100_000))),
                    (&names.function, json!(function)),
                ],
            );
            if self.chance(60) {
                body.values.insert(
                    "MobilePhoneNumber".to_owned(),
                    json!(format!("+31 6 55{:06}", n % 1_000_000)),
                );
            }
            if self.chance(30) {
                body.values
                    .insert("Department".to_owned(), json!("Verkoop"));
            }
            if self.chance(40) {
                body.links.extend(
                    self.pick(&self.roles.clone())
                        .map(|id| ("Role".to_owned(), id)),
                );
            }
        }
        if self.chance(8) {
            body.values
                .insert(self.settings.names.former.clone(), json!(true));
            body.values.insert(
                "FormerDate".to_owned(),
                json!(rfc3339(self.now_ms - 30 * DAY_MS)),
            );
        }
        let places = &self.settings.places;
        if places.contains(&Place::Relationship)
            || (individual && places.contains(&Place::Organization))
        {
            self.assign(&mut body, manager, owners);
        }
        self.put(body);
    }
}
