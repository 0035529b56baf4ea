//! Every mapped field in both directions, and everything else exactly as it was.

use serde_json::{Map, Value, json};

use crate::{
    hands::{CONTACT, Card, EMPLOYEE, INDIVIDUAL, text},
    world::{Mailbox, Setup, World},
};

/// How a field stands in Outlook.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Text,
    First,
    Email,
    Date,
}

/// A mapped field: on the person or the relationship, its two names, two values.
struct Row {
    on_person: bool,
    tribe: &'static str,
    outlook: &'static str,
    shape: Shape,
    values: [&'static str; 2],
}

const fn row(
    on_person: bool,
    tribe: &'static str,
    outlook: &'static str,
    shape: Shape,
    values: [&'static str; 2],
) -> Row {
    Row {
        on_person,
        tribe,
        outlook,
        shape,
        values,
    }
}

/// The fields that every kind has.
const NAMES: [Row; 6] = [
    row(true, "Initials", "initials", Shape::Text, ["X.Y.", "Z."]),
    row(
        true,
        "FirstName",
        "givenName",
        Shape::Text,
        ["Zoë", "Jan-Willem"],
    ),
    row(
        true,
        "MiddleName",
        "middleName",
        Shape::Text,
        ["van der", "'t"],
    ),
    row(
        true,
        "LastName",
        "surname",
        Shape::Text,
        ["O'Brien", "Özdemir"],
    ),
    row(
        true,
        "BirthDate",
        "birthday",
        Shape::Date,
        ["1980-02-29", "1955-12-31"],
    ),
    row(
        true,
        "PhoneNumber",
        "homePhones",
        Shape::First,
        ["030-1234567", "+32 2 555 12 34"],
    ),
];

const BUSINESS: [Row; 4] = [
    row(
        false,
        "EmailAddress",
        "emailAddresses",
        Shape::Email,
        ["new@acme.example", "newer@acme.example"],
    ),
    row(
        false,
        "FunctionOnBusinessCard",
        "jobTitle",
        Shape::Text,
        ["Directeur", "Hoofd inkoop"],
    ),
    row(
        false,
        "PhoneNumber",
        "businessPhones",
        Shape::First,
        ["020-5550001", "+31 20 555 00 02"],
    ),
    row(
        false,
        "MobilePhoneNumber",
        "mobilePhone",
        Shape::Text,
        ["06-22222222", "+31 6 33333333"],
    ),
];

const PRIVATE: [Row; 2] = [
    row(
        true,
        "EmailAddress",
        "emailAddresses",
        Shape::Email,
        ["new@prive.example", "newer@prive.example"],
    ),
    row(
        true,
        "MobilePhoneNumber",
        "mobilePhone",
        Shape::Text,
        ["06-22222222", "+31 6 33333333"],
    ),
];

/// What neither side's mapped fields hold: it must survive everything.
fn unmapped_person() -> Value {
    json!({
        "Initials": "A.", "FirstName": "Anna", "MiddleName": "de", "LastName": "Vries", "BirthDate": "1970-01-02",
        "EmailAddress": "anna@prive.example", "PhoneNumber": "030-1111111", "MobilePhoneNumber": "06-11111111",
        "Title": "dr.", "LinkedIn": "https://social.example/in/anna", "DebtorNumber": "P1",
    })
}

fn unmapped_tie(kind: &str) -> Value {
    if kind == INDIVIDUAL {
        return json!({});
    }
    json!({
        "EmailAddress": "anna@acme.example", "PhoneNumber": "+31 20 555 0000", "MobilePhoneNumber": "06-99999999",
        "FunctionOnBusinessCard": "Controller", "Department": "Verkoop",
    })
}

fn in_outlook(contact: &Value, row: &Row) -> Value {
    let value = &contact[row.outlook];
    match row.shape {
        Shape::Text => value.clone(),
        Shape::First => value[0].clone(),
        Shape::Email => value[0]["address"].clone(),
        Shape::Date => json!(value.as_str().unwrap_or_default().get(..10)),
    }
}

/// Everything but one property, what follows from it, and what every write moves.
fn rest(record: &Value, but: &Row) -> Map<String, Value> {
    let mut rest = record.as_object().unwrap().clone();
    for name in [
        "@odata.etag",
        "changeKey",
        "lastModifiedDateTime",
        "LastMutationDate",
    ] {
        rest.remove(name);
    }
    let follows: &[&str] = match but.outlook {
        "birthday" => &["BirthDay"],
        "emailAddresses" => &["primaryEmailAddress"],
        "initials" | "givenName" | "middleName" | "surname" => {
            &["displayName", "fileAs", "_Name", "Name", "SortName"]
        }
        _ => &[],
    };
    for name in follows.iter().chain([&but.tribe, &but.outlook]) {
        rest.remove(*name);
    }
    if matches!(but.shape, Shape::First | Shape::Email)
        && let Some(list) = record[but.outlook].as_array()
    {
        rest.insert("further".to_owned(), list.iter().skip(1).cloned().collect());
    }
    rest
}

struct Pair<'a> {
    world: &'a World,
    mailbox: Mailbox,
    card: Card,
    contact: String,
}

impl Pair<'_> {
    async fn contact(&self) -> Value {
        self.world
            .contact_by_id(&self.mailbox, &self.contact)
            .await
            .unwrap()
    }

    async fn both(&self) -> [Value; 3] {
        [
            self.contact().await,
            self.world.tribe(&self.card.person).await,
            self.world.tribe(&self.card.relationship).await,
        ]
    }

    fn record(&self, row: &Row) -> &str {
        if row.on_person {
            &self.card.person
        } else {
            &self.card.relationship
        }
    }

    async fn tribe_to_outlook(&self, row: &Row) {
        let before = self.both().await;
        let value = json!(row.values[0]);
        self.world
            .edit_tribe(self.record(row), json!({row.tribe: value}))
            .await;
        let what = format!("{} from Tribe is {value}", row.outlook);
        self.world
            .eventually(&what, async || {
                (in_outlook(&self.contact().await, row) == value).then_some(())
            })
            .await;
        self.world.quiet().await;
        let after = self.both().await;
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(rest(before, row), rest(after, row), "{}", row.outlook);
        }
    }

    async fn outlook_to_tribe(&self, row: &Row) {
        let before = self.both().await;
        let value = json!(row.values[1]);
        let changed = match row.shape {
            Shape::Text => value.clone(),
            Shape::Date => json!(format!("{}T00:00:00Z", row.values[1])),
            Shape::First | Shape::Email => {
                let mut list = before[0][row.outlook].as_array().unwrap().clone();
                list[0] = match row.shape {
                    Shape::Email => json!({"address": value, "name": value}),
                    _ => value.clone(),
                };
                list.into()
            }
        };
        self.world
            .edit_outlook(&self.mailbox, &self.contact, json!({row.outlook: changed}))
            .await;
        self.world
            .tribe_shows(self.record(row), row.tribe, value)
            .await;
        self.world.quiet().await;
        let after = self.both().await;
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(rest(before, row), rest(after, row), "{}", row.tribe);
        }
    }
}

async fn both_ways(kind: &str, rows: &[&[Row]]) {
    let world = World::start(Setup::default()).await;
    let mailbox = world.mailbox(0);
    let card = world
        .person(kind, &mailbox, unmapped_person(), unmapped_tie(kind))
        .await;
    world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Vries").await.unwrap();
    // What only Outlook knows: further values, and fields outside the table.
    let id = text(&contact, "id");
    let mut emails = contact["emailAddresses"].as_array().unwrap().clone();
    emails.push(json!({"address": "second@elsewhere.example", "name": "second"}));
    let extra = json!({
        "emailAddresses": emails, "personalNotes": "likes tea", "spouseName": "Bram", "categories": ["Blue"],
        "assistantName": "Cees", "homeAddress": {"street": "Kade 1", "city": "Utrecht"}, "children": ["Dirk"],
    });
    world.edit_outlook(&mailbox, &id, extra).await;
    world.quiet().await;
    let phones = json!({"homePhones": ["030-1111111", "030-7777777"]});
    world.edit_outlook(&mailbox, &id, phones).await;
    world.quiet().await;
    if kind != INDIVIDUAL {
        let phones = json!({"businessPhones": ["+31 20 555 0000", "+31 20 777 7777"]});
        world.edit_outlook(&mailbox, &id, phones).await;
        world.quiet().await;
    }
    let pair = Pair {
        world: &world,
        mailbox,
        card,
        contact: id,
    };
    for row in rows.iter().copied().flatten() {
        pair.tribe_to_outlook(row).await;
        pair.outlook_to_tribe(row).await;
    }
    let contact = pair.contact().await;
    assert_eq!(
        contact["emailAddresses"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()["address"],
        "second@elsewhere.example"
    );
    assert_eq!(contact["homePhones"][1], "030-7777777");
    assert_eq!(contact["personalNotes"], "likes tea");
    // The last name part was typed in Outlook; the ones before came from Tribe.
    world_names(&pair).await;
}

/// Display name and sort name follow when this service writes a name part.
async fn world_names(pair: &Pair<'_>) {
    let world = pair.world;
    world
        .edit_tribe(
            &pair.card.person,
            json!({"FirstName": "Eva", "MiddleName": "van", "LastName": "Dijk"}),
        )
        .await;
    world
        .shows(
            &pair.mailbox,
            &pair.contact,
            "displayName",
            json!("Eva van Dijk"),
        )
        .await;
    world
        .shows(
            &pair.mailbox,
            &pair.contact,
            "fileAs",
            json!("Dijk, Eva van"),
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_a_contact_goes_both_ways() {
    both_ways(CONTACT, &[&NAMES, &BUSINESS]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_an_employee_goes_both_ways() {
    both_ways(EMPLOYEE, &[&NAMES, &BUSINESS]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_an_individual_goes_both_ways() {
    both_ways(INDIVIDUAL, &[&NAMES, &PRIVATE]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contacts_company_and_private_values_reach_outlook() {
    let world = World::start(Setup::default()).await;
    let mailbox = world.mailbox(0);
    let tie = json!({"EmailAddress": "anna@acme.example"});
    let card = world
        .person(CONTACT, &mailbox, unmapped_person(), tie)
        .await;
    world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Vries").await.unwrap();
    let id = text(&contact, "id");
    assert_eq!(contact["companyName"], "Acme B.V.");
    assert_eq!(contact["emailAddresses"][0]["address"], "anna@acme.example");
    assert_eq!(
        contact["emailAddresses"][1]["address"],
        "anna@prive.example"
    );
    assert_eq!(contact["mobilePhone"], "06-11111111");
    // The private mobile fills the slot while the business mobile is empty, both ways.
    world
        .edit_outlook(&mailbox, &id, json!({"mobilePhone": "06-22222222"}))
        .await;
    world
        .tribe_shows(&card.person, "MobilePhoneNumber", json!("06-22222222"))
        .await;
    world.quiet().await;
    // The business mobile takes the slot over, and the private one stays in Tribe.
    world
        .edit_tribe(
            &card.relationship,
            json!({"MobilePhoneNumber": "06-33333333"}),
        )
        .await;
    world
        .shows(&mailbox, &id, "mobilePhone", json!("06-33333333"))
        .await;
    world.quiet().await;
    let person = world.tribe(&card.person).await;
    assert_eq!(person["MobilePhoneNumber"], "06-22222222");
    // The private address follows Tribe until the user touches it.
    world
        .edit_tribe(
            &card.person,
            json!({"EmailAddress": "anna@elsewhere.example"}),
        )
        .await;
    world
        .eventually("the private address follows", async || {
            let contact = world.contact_by_id(&mailbox, &id).await?;
            (contact["emailAddresses"][1]["address"] == "anna@elsewhere.example").then_some(())
        })
        .await;
    // The organisation's new name comes by its webhook.
    let organization = card.organization.as_deref().unwrap();
    world
        .edit_tribe(organization, json!({"Name": "Acme Holding"}))
        .await;
    world
        .shows(&mailbox, &id, "companyName", json!("Acme Holding"))
        .await;
}
