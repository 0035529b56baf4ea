//! Asking Tribe: filters, order, pages, and what it refuses (reference 3.3, 3.4, 10).

use serde_json::json;
use tribelink_sandbox::Options;

use crate::common::{World, answer, id};

const CONTACT: &str = "Relationship_Person_Contact_Standard";

#[tokio::test]
async fn filters_judge_as_the_reference_says() {
    let world = World::start().await;
    let org = world.organization().await;
    for (first, last, mail) in [
        ("Ann", "O'Hara", "a@x.example"),
        ("Bob", "Ohara", "b@x.example"),
        ("Cas", "Zand", "c@y.example"),
    ] {
        world.create(CONTACT, json!({"Relation": {"ID": org}, "Person": {"FirstName": first, "LastName": last, "ImportId": "mine"}, "EmailAddress": mail})).await;
    }
    let names = async |filter: &str| -> Vec<String> {
        let path = format!(
            "Relation_Person?$filter={}&$orderby=FirstName",
            filter.replace(' ', "%20")
        );
        world
            .list(&path)
            .await
            .iter()
            .map(|p| p["FirstName"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(
        names("ImportId eq 'mine' and LastName eq 'O''Hara'").await,
        ["Ann"]
    );
    assert_eq!(
        names("ImportId eq 'mine' and contains(LastName,'HARA')").await,
        ["Ann", "Bob"]
    );
    assert_eq!(
        names("ImportId eq 'mine' and startswith(LastName,'z')").await,
        ["Cas"]
    );
    assert_eq!(
        names("ImportId eq 'mine' and not endswith(LastName,'hara')").await,
        ["Cas"]
    );
    assert_eq!(
        names("ImportId eq 'mine' and LastName eq 'ohara'").await,
        Vec::<String>::new()
    );
    assert_eq!(
        names("ImportId eq 'mine' and (FirstName gt 'Ann' and FirstName le 'Bob')").await,
        ["Bob"]
    );
    assert_eq!(
        names("ImportId eq 'mine' and IsClosed ne true and BirthDate eq null").await,
        ["Ann", "Bob", "Cas"]
    );
    assert_eq!(
        names("ImportId eq 'mine' and CreationDate lt 2000-01-01T00:00:00Z").await,
        Vec::<String>::new()
    );
    assert_eq!(
        names("ImportId eq 'mine' and CreationDate ge 2000-01-01T00:00:00%2B01:00")
            .await
            .len(),
        3
    );
    let by_path = world
        .list(&format!(
            "{CONTACT}?$filter=Relation/ID%20eq%20{org}%20and%20Person/LastName%20eq%20'Zand'"
        ))
        .await;
    assert_eq!(by_path.len(), 1);
}

#[tokio::test]
async fn bad_requests_are_400_never_500() {
    let world = World::start().await;
    for query in [
        "$filter=LastName in ('a')",
        "$filter=LastName has 'a'",
        "$filter=Nope eq 1",
        "$filter=LastName eq 5",
        "$filter=ID eq 'x'",
        "$filter=CreationDate gt 2021-13-01T00:00:00Z",
        "$filter=LastName",
        "$filter=Relationships eq null",
        "$top=-1",
        "$top=x",
        "$skip=-1",
        "$count=maybe",
        "$format=atom",
        "$format=xml",
        "$select=Nope",
        "$expand=Nope",
        "$orderby=Nope",
        "$orderby=LastName up",
        "$foo=1",
        "$expand=Gender($filter=Nope eq 1)",
        "$filter=BirthDate eq 2020-01-01T00:00:00Z",
        "$filter=lastName eq 'x'",
    ] {
        let (status, body) = world
            .get(&format!("Relation_Person?{}", query.replace(' ', "%20")))
            .await;
        assert_eq!(status, 400, "{query}");
        assert!(
            body["error"]["message"].is_string()
                && body["error"]
                    .as_object()
                    .is_some_and(|e| e.contains_key("code")),
            "{query}"
        );
    }
    assert_eq!(world.get("Nope").await.0, 404);
    assert_eq!(world.get("Relation_Person(x)").await.0, 400);
    assert_eq!(
        world
            .get("Relation_Person(00000000-0000-4000-8000-000000000000)")
            .await
            .0,
        404
    );
    assert_eq!(
        world
            .get("Relation_Person?$filter=Relationships/any(r:r/ID%20eq%20null)")
            .await
            .0,
        501
    );
    let deep = format!("Relation_Person?$filter={}", "(".repeat(5000));
    assert_eq!(world.get(&deep).await.0, 400);
}

#[tokio::test]
async fn a_hundred_ids_in_one_filter() {
    let world = World::with(Options {
        people: 150,
        users: 2,
        ..Options::default()
    })
    .await;
    let all = world.list("Relation_Person?$select=ID&$top=100").await;
    let terms: Vec<_> = all
        .iter()
        .map(|person| format!("ID%20eq%20{}", id(person)))
        .collect();
    let found = world
        .list(&format!(
            "Relation_Person?$filter={}&$expand=Relationships&$top=100",
            terms.join("%20or%20")
        ))
        .await;
    assert_eq!(found.len(), 100);
    let by_person: Vec<_> = all
        .iter()
        .take(20)
        .map(|p| format!("Person/ID%20eq%20{}", id(p)))
        .collect();
    let ties = world
        .list(&format!(
            "Relationship_Person?$filter={}&$expand=Person($select=ID)",
            by_person.join("%20or%20")
        ))
        .await;
    assert!(!ties.is_empty());
    let wanted: Vec<_> = all.iter().take(20).map(id).collect();
    assert!(ties.iter().all(|tie| wanted.contains(&id(&tie["Person"]))));
}

#[tokio::test]
async fn pages_end_with_an_empty_one() {
    let world = World::with(Options {
        people: 230,
        users: 2,
        ..Options::default()
    })
    .await;
    let (_, first) = world.get("Relation_Person?$count=true&$select=ID").await;
    assert_eq!(first["value"].as_array().map(Vec::len), Some(100));
    let total = first["@odata.count"].as_u64().expect("a count");
    assert!(first.get("@odata.nextLink").is_none());
    let (mut seen, mut skip) = (std::collections::BTreeSet::new(), 0);
    loop {
        let page = world
            .list(&format!(
                "Relation_Person?$select=ID&$orderby=ID&$top=100&$skip={skip}"
            ))
            .await;
        if page.is_empty() {
            break;
        }
        seen.extend(page.iter().map(id));
        skip += 100;
    }
    assert_eq!(seen.len() as u64, total);
    let down = world
        .list("Relation_Person?$orderby=LastMutationDate%20asc,ID%20desc&$top=5&$select=ID")
        .await;
    assert_eq!(
        down.iter().map(id).collect::<Vec<_>>(),
        seen.iter().rev().take(5).cloned().collect::<Vec<_>>()
    );
    world
        .control(
            reqwest::Method::POST,
            "tribe/settings",
            json!({"next_link": true, "page_max": 50}),
        )
        .await;
    let (_, page) = world.get("Relation_Person?$select=ID&$top=1000").await;
    assert_eq!(page["value"].as_array().map(Vec::len), Some(50));
    let next = page["@odata.nextLink"].as_str().expect("a next link");
    let (status, next) = answer(
        world
            .http
            .get(next)
            .bearer_auth(&world.token)
            .send()
            .await
            .expect("an answer"),
    )
    .await;
    assert_eq!(
        (status, next["value"].as_array().map(Vec::len)),
        (200, Some(50))
    );
    assert_ne!(next["value"][0], page["value"][0]);
}

#[tokio::test]
async fn plus_is_a_space_by_switch() {
    let world = World::start().await;
    let path = "Relation_Person?$filter=LastName+ne+'x'";
    assert_eq!(world.get(path).await.0, 200);
    world
        .control(
            reqwest::Method::POST,
            "tribe/settings",
            json!({"plus_is_space": false}),
        )
        .await;
    assert_eq!(world.get(path).await.0, 400);
    assert_eq!(
        world
            .get("Relation_Person?$filter=CreationDate%20gt%202021-05-17T12:43:48+01:00")
            .await
            .0,
        200
    );
}
