//! Reading Tribe: envelopes, options, filters, paths, metadata (reference 2.7, 3, 4).

use serde_json::{Value, json};
use tribelink_sandbox::{
    Options,
    tribe::{Settings, settings::Place},
};

use crate::common::{World, answer, id};

const CONTACT: &str = "Relationship_Person_Contact_Standard";

#[tokio::test]
async fn a_list_has_every_field_and_a_relative_context() {
    let world = World::start().await;
    let (status, body) = world.get("Relation_Person?$top=1").await;
    assert_eq!(status, 200);
    assert_eq!(body["@odata.context"], "$metadata#OData.Relation_Person");
    let person = body["value"][0].as_object().expect("a person");
    for name in [
        "ID",
        "_Type",
        "_Name",
        "CreationDate",
        "LastMutationDate",
        "Initials",
        "FirstName",
        "MiddleName",
        "LastName",
        "Title",
        "Suffix",
        "BirthDate",
        "BirthDay",
        "EmailAddress",
        "PhoneNumber",
        "MobilePhoneNumber",
        "Name",
        "SortName",
        "Number",
        "IBAN",
        "LinkedIn",
        "ImportId",
        "Start",
        "End",
        "IsActive",
        "NumberOfNotes",
        "SortIndex",
    ] {
        assert!(person.contains_key(name), "{name}");
    }
    assert!(!person.contains_key("Gender") && !person.contains_key("Relationships"));
    assert_eq!(person["LastMutationDate"], Value::Null);
    assert_eq!(person["_Type"], "Relation.Person");
}

#[tokio::test]
async fn names_are_computed() {
    let world = World::start().await;
    let id = world.create("Relation_Person", json!({"FirstName": "Joost", "MiddleName": "de", "LastName": "Tester", "BirthDate": "1980-10-15"})).await;
    let (_, person) = world.get(&format!("Relation_Person({id})")).await;
    assert_eq!(person["Name"], "\n\nJoost de Tester");
    assert_eq!(person["_Name"], "Joost de Tester");
    assert_eq!(person["SortName"], "Tester, Joost");
    assert_eq!(person["BirthDay"], "10-15");
    assert_eq!(
        person["@odata.context"],
        "$metadata#OData.Relation_Person/$entity"
    );
    let (_, again) = world.get(&format!("Relation_Person(ID={id})")).await;
    assert_eq!(again, person);
}

#[tokio::test]
async fn select_and_nested_expand() {
    let world = World::start().await;
    let path = format!(
        "{CONTACT}?$select=EmailAddress&$expand=Person($select=LastName),Relation($select=Name;$expand=VisitingAddress($select=City)),AccountManager($select=ID),Owners($select=ID)&$top=3"
    );
    for contact in world.list(&path).await {
        let keys: Vec<_> = contact
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            keys,
            [
                "@odata.id",
                "AccountManager",
                "EmailAddress",
                "ID",
                "Owners",
                "Person",
                "Relation"
            ]
        );
        assert!(contact["Person"]["LastName"].is_string() && contact["Person"]["ID"].is_string());
        assert!(contact["Relation"]["Name"].is_string());
        assert_eq!(contact["Relation"]["VisitingAddress"]["City"], "Utrecht");
        assert!(contact["Owners"].is_array());
    }
}

#[tokio::test]
async fn a_person_shows_its_relationships_of_all_kinds() {
    let world = World::start().await;
    let people = world.list("Relation_Person?$expand=Relationships($expand=Relation($select=Name),AccountManager)&$top=100").await;
    let kinds: std::collections::BTreeSet<_> = people
        .iter()
        .flat_map(|p| p["Relationships"].as_array().expect("a list"))
        .map(|r| r["_Type"].as_str().expect("a type").to_owned())
        .collect();
    assert!(
        kinds.contains("Relationship.Person.Contact.Standard")
            && kinds.contains("Relationship.Person.Contact.Employee")
    );
    assert!(
        kinds
            .iter()
            .any(|kind| kind.starts_with("Relationship.Person.CommercialRelationship."))
    );
    let (_, none) = world
        .get("Relation_Person?$expand=Gender&$filter=Gender eq null&$top=1")
        .await;
    assert_eq!(none["value"][0]["Gender"], Value::Null);
}

#[tokio::test]
async fn paths_go_along_links() {
    let world = World::start().await;
    let team = id(&world.list("Team").await[0]);
    assert_eq!(
        world
            .list(&format!("Team({team})/Members?$select=EmailAddress"))
            .await
            .len(),
        3
    );
    let contact = world
        .list(&format!("{CONTACT}?$top=1&$expand=Person"))
        .await
        .remove(0);
    let (_, person) = world
        .get(&format!(
            "{CONTACT}({})/Person?$select=LastName",
            id(&contact)
        ))
        .await;
    assert_eq!(person["LastName"], contact["Person"]["LastName"]);
    let (_, name) = world
        .get(&format!("{CONTACT}({})/Person/LastName", id(&contact)))
        .await;
    assert_eq!(name["value"], contact["Person"]["LastName"]);
    let ties = world
        .list(&format!(
            "Relation_Person({})/Relationships",
            id(&contact["Person"])
        ))
        .await;
    assert!(ties.iter().any(|tie| id(tie) == id(&contact)));
    assert_eq!(
        world
            .get(&format!("{CONTACT}({})/Nope", id(&contact)))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn base_sets_read_everything_below_them() {
    let world = World::start().await;
    let contact = id(&world.list(&format!("{CONTACT}?$top=1")).await[0]);
    for set in [
        "Entity",
        "Relationship",
        "Relationship_Person",
        "Relationship_Person_Contact",
        CONTACT,
    ] {
        let (status, body) = world.get(&format!("{set}({contact})?$expand=Person")).await;
        assert_eq!(
            (status, body["_Type"].as_str()),
            (200, Some("Relationship.Person.Contact.Standard")),
            "{set}"
        );
    }
    assert_eq!(
        world.get(&format!("Relation_Person({contact})")).await.0,
        404
    );
    for set in [
        "Relation",
        "Relationship_Organization_CommercialRelationship",
        "Relationship_Organization_CommercialRelationship_Customer",
        "Datastore_Role",
        "Datastore_Country",
        "Relationship_Organization_Identity",
    ] {
        assert!(
            !world.list(&format!("{set}?$top=2")).await.is_empty(),
            "{set}"
        );
    }
    assert_eq!(world.list("Activity").await.len(), 0);
}

#[tokio::test]
async fn who_we_are() {
    let world = World::start().await;
    let config = world.config().await;
    let identity = world
        .list("Relationship_Organization_Identity?$expand=Relation($select=ID)&$select=Name")
        .await;
    assert_eq!(identity.len(), 1);
    assert_eq!(
        identity[0]["Relation"]["ID"],
        config["tribe"]["organization_id"]
    );
    let (status, employee) = world.get("GetCurrentEmployee()?$expand=Person").await;
    assert_eq!(
        (status, employee["Person"]["LastName"].as_str()),
        (200, Some("Tribelink API"))
    );
    assert_eq!(world.get("Employee").await.0, 404);
    for mailbox in config["mailboxes"].as_array().expect("mailboxes") {
        let (_, employee) = world
            .get(&format!(
                "Relationship_Person_Contact_Employee({})?$expand=Person",
                mailbox["employee_id"].as_str().expect("an id")
            ))
            .await;
        assert_eq!(employee["EmailAddress"], mailbox["address"]);
        assert_eq!(employee["Person"]["ID"], mailbox["person_id"]);
    }
}

#[tokio::test]
async fn metadata_names_every_set_and_placement() {
    let world = World::start().await;
    let url = format!("{}/v1/odata/$metadata", world.base);
    let xml = world
        .http
        .get(&url)
        .bearer_auth(&world.token)
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("XML");
    for part in [
        "Namespace=\"OData\"",
        "EntityType Name=\"Entity\"",
        "BaseType=\"OData.Relationship_Person_Contact\"",
        "NavigationProperty Name=\"AccountManager\" Type=\"OData.Relationship_Person_Contact_Employee\"",
        "Name=\"Owners\" Type=\"Collection(",
        "Name=\"FunctionOnBusinessCard\"",
        "Name=\"IsFormer\" Type=\"Edm.Boolean\"",
        "_9ecc8d21__",
    ] {
        assert!(xml.contains(part), "{part}");
    }
    let (_, json) = world.get("$metadata?$format=json").await;
    assert_eq!(
        json["OData"]["Relation_Person"]["$BaseType"],
        "OData.Relation"
    );
    assert_eq!(json["OData"]["Relationship"]["Owners"]["$Collection"], true);
    assert!(
        json["OData"]["Relation_Person"]
            .get("AccountManager")
            .is_none()
    );
}

#[tokio::test]
async fn placements_and_names_are_switches() {
    let mut settings = Settings {
        places: vec![Place::Person],
        ..Settings::default()
    };
    settings.names.manager = "Beheerder".to_owned();
    settings.names.function = "Functie".to_owned();
    let world = World::with(Options {
        people: 20,
        users: 2,
        tribe: settings,
        ..Options::default()
    })
    .await;
    assert_eq!(
        world.get(&format!("{CONTACT}?$expand=Beheerder")).await.0,
        400
    );
    let contacts = world
        .list(&format!(
            "{CONTACT}?$expand=Person($expand=Beheerder,Owners)&$select=Functie"
        ))
        .await;
    assert!(
        contacts
            .iter()
            .any(|c| c["Person"]["Beheerder"]["ID"].is_string())
    );
    assert!(contacts.iter().all(|c| c["Functie"].is_string()));
    let (status, _) = world
        .control(
            reqwest::Method::POST,
            "reset",
            json!({"tribe": {"places": ["organization"], "names": {"manager": "AccountManager"}}}),
        )
        .await;
    assert_eq!(status, 204);
    let mut world = world;
    world.renew().await;
    assert_eq!(
        world.get("Relation_Person?$expand=AccountManager").await.0,
        400
    );
    let ties = world.list("Relationship_Organization_CommercialRelationship?$expand=Organization,AccountManager,Owners").await;
    assert!(
        ties.iter()
            .all(|tie| tie["AccountManager"]["ID"].is_string())
    );
    let via = world
        .list(&format!(
            "{CONTACT}?$expand=Relation($expand=Relationships($expand=AccountManager))&$top=1"
        ))
        .await;
    assert!(
        via[0]["Relation"]["Relationships"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|tie| tie["AccountManager"]["ID"].is_string())
    );
}

#[tokio::test]
async fn tokens_come_by_header_or_query_and_scopes_bind() {
    let world = World::start().await;
    let url = format!("{}/v1/odata/Relation_Person", world.base);
    let get = async |url: String| {
        answer(world.http.get(url).send().await.expect("an answer"))
            .await
            .0
    };
    assert_eq!(get(url.clone()).await, 401);
    assert_eq!(
        get(format!("{url}?access_token={}", world.token)).await,
        200
    );
    assert_eq!(get(format!("{url}?access_token=nonsense")).await, 401);
    world
        .control(
            reqwest::Method::POST,
            "time",
            json!({"advance_seconds": 3601}),
        )
        .await;
    assert_eq!(world.get("Relation_Person").await.0, 401);
}
