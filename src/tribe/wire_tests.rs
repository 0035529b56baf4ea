use serde_json::json;
use tribelink_plan::ids::{RelationshipId, SetName};

use super::*;

const PERSON: &str = "b724d383-bb70-480a-b03d-512b9aaec15a";
const CONTACT: &str = "11111111-bb70-480a-b03d-512b9aaec15a";
const BOSS: &str = "22222222-bb70-480a-b03d-512b9aaec15a";
const OTHER: &str = "33333333-bb70-480a-b03d-512b9aaec15a";
const ACME: &str = "44444444-bb70-480a-b03d-512b9aaec15a";

fn employee_id(text: &str) -> EmployeeId {
    text.parse().unwrap()
}

fn contact() -> Value {
    json!({
        "ID": CONTACT, "_Type": "Relationship.Person.Contact.Standard",
        "CreationDate": "2022-09-27T08:34:26Z", "LastMutationDate": null,
        "IsFormer": null, "EmailAddress": "jan@acme.example", "PhoneNumber": "",
        "MobilePhoneNumber": null, "FunctionOnBusinessCard": " Buyer ",
        "AccountManager": {"ID": BOSS}, "Owners": [{"ID": OTHER}, {"ID": BOSS}, {"ID": OTHER}],
        "Relation": {"ID": ACME, "Name": "\n\nAcme BV"}
    })
}

fn jan() -> Value {
    json!({
        "ID": PERSON, "_Type": "Relation.Person", "Initials": null, "FirstName": " Jan",
        "MiddleName": "de", "LastName": "Tester", "Name": "\n\nJan de Tester",
        "BirthDate": "1980-10-15", "EmailAddress": null, "MobilePhoneNumber": "06 1",
        "Relationships": [
            contact(),
            {"ID": OTHER, "_Type": "Relationship.Person.Subscriber"}
        ]
    })
}

fn set(name: &str) -> PersonSet {
    name.parse().unwrap()
}

fn standard() -> PersonSet {
    set("Relationship_Person_Contact_Standard")
}

fn read(row: &Value, names: &Names) -> Result<Relationship, Missing> {
    relationship(row, names, &standard())
}

#[test]
fn a_person_is_read_as_typed() {
    let person = person(&jan(), &Names::default()).unwrap();
    assert_eq!(person.id.to_string(), PERSON);
    let field = |field| person.fields.get(&field).cloned().unwrap();
    assert_eq!(field(Field::FirstName), Reading::Value(" Jan".into()));
    assert_eq!(field(Field::Initials), Reading::Empty);
    assert_eq!(field(Field::BirthDate), Reading::Value("1980-10-15".into()));
    assert_eq!(field(Field::PrivatePhone), Reading::Unreadable);
    assert_eq!(person.relationships.len(), 1, "an unknown type has no part");
    let contact = &person.relationships[0];
    assert_eq!(contact.id, CONTACT.parse::<RelationshipId>().unwrap());
    assert_eq!(
        contact.set,
        SetName::from("Relationship_Person_Contact_Standard")
    );
    assert_eq!(contact.managers, [employee_id(BOSS)]);
    assert_eq!(contact.owners, [employee_id(OTHER), employee_id(BOSS)]);
    assert!(!contact.former);
    assert_eq!(
        contact.organization,
        Some((ACME.parse().unwrap(), Reading::Value("Acme BV".into())))
    );
    let field = |field| contact.fields.get(&field).cloned().unwrap();
    assert_eq!(field(Field::Function), Reading::Value(" Buyer ".into()));
    assert_eq!(field(Field::BusinessPhone), Reading::Empty);
}

#[test]
fn a_date_without_year_is_unreadable() {
    for date in [json!("1604-08-14"), json!("15-10-1980"), json!(1980)] {
        let mut row = jan();
        row["BirthDate"] = date;
        let person = person(&row, &Names::default()).unwrap();
        assert_eq!(person.fields[&Field::BirthDate], Reading::Unreadable);
    }
}

#[test]
fn relationships_that_are_not_all_there_say_nothing() {
    let names = Names::default();
    let mut row = jan();
    row["Relationships@odata.nextLink"] = json!("https://x/");
    assert!(person(&row, &names).is_err());
    let mut row = jan();
    row["Relationships"][0]
        .as_object_mut()
        .unwrap()
        .remove("_Type");
    assert_eq!(person(&row, &names), Err(Missing("_Type")));
    row.as_object_mut().unwrap().remove("Relationships");
    assert_eq!(person(&row, &names), Err(Missing("Relationships")));
    row["Relationships"] = json!([]);
    assert_eq!(person(&row, &names).unwrap().relationships, []);
}

#[test]
fn a_missing_owner_list_is_not_an_empty_one() {
    for (name, missing) in [
        ("AccountManager", "manager"),
        ("Owners", "owners"),
        ("IsFormer", "former mark"),
    ] {
        let mut row = contact();
        row.as_object_mut().unwrap().remove(name);
        assert_eq!(read(&row, &Names::default()), Err(Missing(missing)));
        row[name] = Value::Null;
        assert!(read(&row, &Names::default()).is_ok());
    }
}

#[test]
fn paths_are_tried_in_order() {
    let names = Names {
        manager: [
            "AccountManager",
            "Person/AccountManager",
            "Relation/Relationships/AccountManager",
        ]
        .iter()
        .map(|path| path.parse().unwrap())
        .collect(),
        former: vec![
            "IsFormer".parse().unwrap(),
            "Person/IsFormer".parse().unwrap(),
        ],
        ..Names::default()
    };
    let mut row = contact();
    row["Relation"]["Relationships"] = json!([
        {"_Type": "Relationship.Person.Contact.Standard", "AccountManager": {"ID": OTHER}},
        {"_Type": "Relationship.Organization.Supplier"},
        {"_Type": "Relationship.Organization.CommercialRelationship.Customer", "AccountManager": {"ID": PERSON}}
    ]);
    row["Person"] = json!({"ID": PERSON, "AccountManager": null, "IsFormer": true});
    assert_eq!(read(&row, &names).unwrap().managers, [employee_id(BOSS)]);
    assert!(
        read(&row, &names).unwrap().former,
        "a null mark is passed over"
    );
    row["AccountManager"] = Value::Null;
    assert_eq!(
        read(&row, &names).unwrap().managers,
        [employee_id(PERSON)],
        "the organisation's own relationship, not a colleague's"
    );
    row["IsFormer"] = json!(false);
    assert!(!read(&row, &names).unwrap().former);
    row["Person"]["AccountManager"] = json!({"ID": OTHER});
    assert_eq!(read(&row, &names).unwrap().managers, [employee_id(OTHER)]);
    row["IsFormer"] = json!("yes");
    assert_eq!(read(&row, &names), Err(Missing("former mark")));
}

#[test]
fn an_individual_has_no_employer_and_no_business_fields() {
    let customer = set("Relationship_Person_CommercialRelationship_Customer");
    let read = relationship(&contact(), &Names::default(), &customer).unwrap();
    assert_eq!(read.kind, Kind::Individual);
    assert_eq!(read.organization, None);
    assert!(read.fields.is_empty());
}

#[test]
fn a_write_names_only_what_the_record_holds() {
    let names = Names::default();
    let record = Record::Person(PERSON.parse().unwrap());
    let changes = BTreeMap::from([
        (Field::PrivateMobile, None),
        (Field::Insertion, Some("van".to_owned())),
    ]);
    assert_eq!(
        update(&record, &names, &changes),
        Ok(json!({"MobilePhoneNumber": null, "MiddleName": "van"}))
    );
    let foreign = BTreeMap::from([(Field::Function, None)]);
    assert_eq!(update(&record, &names, &foreign), Err(Field::Function));
    let composed = BTreeMap::from([(Field::DisplayName, None)]);
    assert_eq!(update(&record, &names, &composed), Err(Field::DisplayName));
}

#[test]
fn an_answer_shows_what_was_written() {
    let record = Record::Person(PERSON.parse().unwrap());
    let names = Names::default();
    let shown = written(
        &record,
        &names,
        br#"{"ID":"x","MiddleName":"van","LastName":null}"#,
    );
    assert_eq!(
        shown,
        Written::from([
            (Field::Insertion, Reading::Value("van".into())),
            (Field::Surname, Reading::Empty)
        ])
    );
    assert!(written(&record, &names, b"").is_empty());
}

#[test]
fn there_is_one_identity() {
    let row = |id: &str| json!({"Name": "Us", "Relation": {"ID": id}});
    assert_eq!(identity(&[row(ACME), row(ACME)]), Ok(ACME.parse().unwrap()));
    assert!(identity(&[row(ACME), row(BOSS)]).is_err());
    assert!(identity(&[]).is_err());
}

#[test]
fn types_mean_kinds() {
    let names = Names::default();
    assert_eq!(kind_of("Relation.Person", &names), EntityKind::Person);
    assert_eq!(
        kind_of("Relation.Organization", &names),
        EntityKind::Organization
    );
    assert_eq!(
        kind_of("Relationship.Person.Contact.Employee", &names),
        EntityKind::Relationship(SetName::from("Relationship_Person_Contact_Employee"))
    );
    assert_eq!(kind_of("Activity.Task", &names), EntityKind::Other);
}

#[test]
fn webhooks_are_read_in_any_likely_form() {
    let one = json!({"id": "w", "entityType": "Relation.Person", "webhookUrl": "https://x/", "secret": "s"});
    for body in [
        json!([one]),
        json!({"value": [one]}),
        json!({"items": [one]}),
    ] {
        let read = webhooks(body.to_string().as_bytes()).unwrap();
        assert_eq!(read[0].entity_type, "Relation.Person");
        assert_eq!(read[0].secret.as_deref(), Some("s"));
    }
    assert!(webhook(&json!({"entityType": "x"})).is_err());
    assert!(webhooks(b"{}").is_err());
}

#[test]
fn lists_and_counts() {
    let body = br#"{"@odata.count":3,"value":[{}],"@odata.nextLink":"https://x/"}"#;
    let read = list(body).unwrap();
    assert_eq!((read.rows.len(), read.count), (1, Some(3)));
    assert_eq!(read.link.as_deref(), Some("https://x/"));
    assert_eq!(list(br#"{"value":[{"ID":"#), Err(Missing("list")));
    assert_eq!(list(b"{}"), Err(Missing("value")));
}
