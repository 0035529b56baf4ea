//! Writing Tribe: create, partial update, links, deletes (reference 3.5, 3.7, 10).

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{World, id};

const CONTACT: &str = "Relationship_Person_Contact_Standard";

#[tokio::test]
async fn a_contact_brings_its_new_person_along() {
    let world = World::start().await;
    let org = world.organization().await;
    let (status, contact) = world.post(CONTACT, json!({"Relation": {"ID": org}, "Person": {"FirstName": "Jan", "LastName": "Tester"}, "EmailAddress": "jan@acme.example"})).await;
    assert_eq!(status, 201);
    let (_, read) = world
        .get(&format!(
            "{CONTACT}({})?$expand=Person,Relation",
            id(&contact)
        ))
        .await;
    assert_eq!(
        (
            read["Person"]["LastName"].as_str(),
            read["Relation"]["ID"].as_str()
        ),
        (Some("Tester"), Some(org.as_str()))
    );
    assert_eq!(read["Name"], "Jan Tester");
}

#[tokio::test]
async fn put_changes_only_what_it_names() {
    let world = World::start().await;
    let person = world
        .list("Relation_Person?$filter=LinkedIn%20ne%20null&$top=1")
        .await
        .remove(0);
    let path = format!("Relation_Person({})", id(&person));
    let (status, after) = world
        .put(
            &path,
            json!({"MobilePhoneNumber": "+31687654321", "Name": "ignored"}),
        )
        .await;
    assert_eq!(status, 200);
    let (mut before, mut after) = (person, after);
    assert_eq!(after["MobilePhoneNumber"], "+31687654321");
    assert!(after["LastMutationDate"].is_string());
    for object in [&mut before, &mut after] {
        let object = object.as_object_mut().expect("an object");
        object.remove("MobilePhoneNumber");
        object.remove("LastMutationDate");
        object.remove("@odata.context");
    }
    assert_eq!(before, after);
    assert_eq!(
        world
            .put(&path, json!({"Initials": null, "Title": ""}))
            .await
            .0,
        200
    );
    let (_, emptied) = world.get(&path).await;
    assert_eq!(
        (&emptied["Initials"], &emptied["Title"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn a_write_that_changes_nothing_moves_no_date() {
    let world = World::start().await;
    let person = world
        .create("Relation_Person", json!({"LastName": "Same"}))
        .await;
    let (status, after) = world
        .put(
            &format!("Relation_Person({person})"),
            json!({"LastName": "Same"}),
        )
        .await;
    assert_eq!((status, &after["LastMutationDate"]), (200, &Value::Null));
}

#[tokio::test]
async fn post_with_id_updates() {
    let world = World::start().await;
    let person = world
        .create(
            "Relation_Person",
            json!({"LastName": "Old", "FirstName": "Kept"}),
        )
        .await;
    let (status, body) = world
        .post("Relation_Person", json!({"ID": person, "LastName": "New"}))
        .await;
    assert_eq!(status, 200);
    assert_eq!(
        (body["LastName"].as_str(), body["FirstName"].as_str()),
        (Some("New"), Some("Kept"))
    );
    let fresh = "b724d383-bb70-480a-b03d-512b9aaec15a";
    assert_eq!(
        world
            .post("Relation_Person", json!({"ID": fresh, "LastName": "Fresh"}))
            .await
            .0,
        201
    );
    assert_eq!(world.get(&format!("Relation_Person({fresh})")).await.0, 200);
}

#[tokio::test]
async fn links_are_set_moved_and_cleared() {
    let world = World::start().await;
    let employees: Vec<String> = world
        .list("Relationship_Person_Contact_Employee?$filter=EmailAddress%20ne%20null")
        .await
        .iter()
        .map(id)
        .collect();
    let contact = id(&world.list(&format!("{CONTACT}?$top=1")).await[0]);
    let path = format!("{CONTACT}({contact})");
    let read = async || {
        world
            .get(&format!(
                "{path}?$expand=AccountManager($select=ID),Owners($select=ID)"
            ))
            .await
            .1
    };
    world.put(&path, json!({"AccountManager": {"ID": employees[0]}, "Owners": [{"ID": employees[1]}, {"ID": employees[0]}]})).await;
    let now = read().await;
    assert_eq!(now["AccountManager"]["ID"], employees[0].as_str());
    assert_eq!(now["Owners"].as_array().map(Vec::len), Some(2));
    world
        .put(&path, json!({"AccountManager": null, "Owners": []}))
        .await;
    let now = read().await;
    assert_eq!(
        (&now["AccountManager"], &now["Owners"]),
        (&Value::Null, &json!([]))
    );
    let person = id(&world.list("Relation_Person?$top=1").await[0]);
    assert_eq!(
        world
            .put(&path, json!({"AccountManager": {"ID": person}}))
            .await
            .0,
        400
    );
    assert_eq!(
        world.put(&path, json!({"AccountManager": person})).await.0,
        400
    );
}

#[tokio::test]
async fn former_comes_with_its_date() {
    let world = World::start().await;
    let contact = id(&world
        .list(&format!("{CONTACT}?$top=1&$filter=IsFormer%20ne%20true"))
        .await[0]);
    let path = format!("{CONTACT}({contact})");
    let (_, body) = world.put(&path, json!({"IsFormer": true})).await;
    assert!(body["IsFormer"] == true && body["FormerDate"].is_string());
    let (_, body) = world.put(&path, json!({"IsFormer": false})).await;
    assert!(body["IsFormer"] == false && body["FormerDate"].is_null());
}

#[tokio::test]
async fn what_is_not_allowed() {
    let world = World::start().await;
    let org = world.organization().await;
    for (set, body, status) in [
        ("Relation_Person", json!({"FirstName": "No surname"}), 400),
        ("Relation_Person", json!({"LastName": ""}), 400),
        ("Relation_Person", json!({"LastName": "A", "Nope": 1}), 400),
        ("Relation_Person", json!({"LastName": 5}), 400),
        (
            "Relation_Person",
            json!({"LastName": "A", "BirthDate": "1980-02-30"}),
            400,
        ),
        (
            "Relation_Person",
            json!({"LastName": "A", "BirthDate": "1980-02-03T00:00:00Z"}),
            400,
        ),
        ("Relation_Person", json!([]), 400),
        ("Relation_Organization", json!({}), 400),
        (CONTACT, json!({"Person": {"LastName": "A"}}), 400),
        (CONTACT, json!({"Relation": {"ID": org}}), 400),
        (
            CONTACT,
            json!({"Relation": {"ID": org}, "Person": {"FirstName": "No surname"}}),
            400,
        ),
        ("Entity", json!({}), 405),
        ("Relation", json!({"LastName": "A"}), 405),
        ("Relationship_Person_Contact", json!({}), 405),
        ("Nope", json!({}), 404),
    ] {
        let (got, answer) = world.post(set, body.clone()).await;
        assert_eq!(got, status, "{set} {body} {answer}");
    }
    let person = world
        .create("Relation_Person", json!({"LastName": "A"}))
        .await;
    assert_eq!(
        world
            .put(
                &format!("Relation_Person({person})"),
                json!({"LastName": null})
            )
            .await
            .0,
        400
    );
    assert_eq!(
        world
            .send(
                Method::PATCH,
                &format!("odata/Relation_Person({person})"),
                json!({})
            )
            .await
            .0,
        405
    );
    assert_eq!(
        world.send(Method::POST, "odata/$batch", json!({})).await.0,
        501
    );
    assert_eq!(
        world
            .put(
                "Relation_Person(00000000-0000-4000-8000-000000000000)",
                json!({})
            )
            .await
            .0,
        404
    );
    // Nothing of the refused deep insert stays behind.
    assert!(
        world
            .list("Relation_Person?$filter=FirstName%20eq%20'No%20surname'")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn deletes() {
    let world = World::start().await;
    let org = world.organization().await;
    let contact = world
        .create(
            CONTACT,
            json!({"Relation": {"ID": org}, "Person": {"LastName": "Gone"}}),
        )
        .await;
    let person = id(&world
        .get(&format!("{CONTACT}({contact})?$expand=Person"))
        .await
        .1["Person"]);
    assert_eq!(
        world
            .send(
                Method::DELETE,
                &format!("odata/{CONTACT}({contact})"),
                Value::Null
            )
            .await
            .0,
        204
    );
    assert_eq!(world.get(&format!("{CONTACT}({contact})")).await.0, 404);
    assert_eq!(
        world.get(&format!("Relation_Person({person})")).await.0,
        200,
        "a relationship leaves its relation alone"
    );
    let contact = world
        .create(
            CONTACT,
            json!({"Relation": {"ID": org}, "Person": {"ID": person}}),
        )
        .await;
    assert_eq!(
        world
            .send(
                Method::DELETE,
                &format!("odata/Relation_Person({person})"),
                Value::Null
            )
            .await
            .0,
        204
    );
    assert_eq!(
        world.get(&format!("{CONTACT}({contact})")).await.0,
        404,
        "a relation takes its relationships along"
    );
    let employee = world.config().await["mailboxes"][0]["employee_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("odata/Relationship_Person_Contact_Employee({employee})");
    assert_eq!(world.send(Method::DELETE, &path, Value::Null).await.0, 405);
    assert_eq!(
        world
            .control(
                Method::DELETE,
                &format!("tribe/records/{employee}"),
                Value::Null
            )
            .await
            .0,
        204
    );
    assert_eq!(world.get(&format!("Entity({employee})")).await.0, 404);
}

#[tokio::test]
async fn a_relationship_changes_its_type_on_one_level() {
    let world = World::start().await;
    let lead = world
        .create(
            "Relationship_Person_CommercialRelationship_Lead",
            json!({"Person": {"LastName": "Up"}}),
        )
        .await;
    let (status, body) = world
        .post("Relationship_Person_CommercialRelationship_Lead", json!({"ID": lead, "_UpgradeType": "Relationship_Person_CommercialRelationship_Customer"}))
        .await;
    assert_eq!(
        (status, body["_Type"].as_str()),
        (
            200,
            Some("Relationship.Person.CommercialRelationship.Customer")
        )
    );
    assert!(body["UpgradeDate"].is_string());
    assert_eq!(
        world
            .get(&format!(
                "Relationship_Person_CommercialRelationship_Lead({lead})"
            ))
            .await
            .0,
        404
    );
    let up = json!({"ID": lead, "_UpgradeType": CONTACT});
    assert_eq!(
        world
            .post("Relationship_Person_CommercialRelationship_Customer", up)
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn notes_come_with_a_deep_insert_and_import_ids_are_found() {
    let world = World::start().await;
    let person = world.create("Relation_Person", json!({"LastName": "Noted", "ImportId": "key-1", "Notes": [{"Content": "hello", "IsPinned": true}]})).await;
    let (_, read) = world
        .get(&format!("Relation_Person({person})?$expand=Notes"))
        .await;
    assert_eq!(
        (read["Notes"][0]["Content"].as_str(), &read["NumberOfNotes"]),
        (Some("hello"), &json!(1))
    );
    let found = world
        .list("Relation_Person?$filter=contains(ImportId,'key-1')")
        .await;
    assert_eq!(found.iter().map(id).collect::<Vec<_>>(), [person]);
}

#[tokio::test]
async fn merging_moves_relationships() {
    let world = World::start().await;
    let org = world.organization().await;
    let contact = world
        .create(
            CONTACT,
            json!({"Relation": {"ID": org}, "Person": {"LastName": "Twin", "Initials": "T."}}),
        )
        .await;
    let from = id(&world
        .get(&format!("{CONTACT}({contact})?$expand=Person"))
        .await
        .1["Person"]);
    let into = world
        .create("Relation_Person", json!({"LastName": "Kept"}))
        .await;
    assert_eq!(
        world
            .control(
                Method::POST,
                "tribe/merge",
                json!({"from": from, "into": into})
            )
            .await
            .0,
        204
    );
    assert_eq!(world.get(&format!("Relation_Person({from})")).await.0, 404);
    let (_, moved) = world
        .get(&format!("{CONTACT}({contact})?$expand=Person"))
        .await;
    assert_eq!(
        (
            id(&moved["Person"]),
            moved["Person"]["Initials"].as_str(),
            moved["Person"]["LastName"].as_str()
        ),
        (into, Some("T."), Some("Kept"))
    );
}
