//! Tribe's client against a server of its own kind.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tribelink::{
    remote::{Error, Request, Response, Silent, Transport, TransportError},
    tribe::{
        ChangedRecord, Crm, EntityKind, Next, Record,
        client::{Client, ReadMode, Settings},
        names::Names,
        sign_in::OneToken,
    },
};
use tribelink_plan::{
    field::Field,
    ids::{PersonId, SetName},
};
use url::Url;
use uuid::Uuid;

use crate::clients_server::{Reply, Seen, Server, StillClock, json, status, with_header};

pub(crate) const PERSON: &str = "b724d383-bb70-480a-b03d-512b9aaec15a";
const CONTACT: &str = "11111111-bb70-480a-b03d-512b9aaec15a";
pub(crate) const BOSS: &str = "22222222-bb70-480a-b03d-512b9aaec15a";
const ACME: &str = "44444444-bb70-480a-b03d-512b9aaec15a";

pub(crate) fn person_id() -> PersonId {
    PERSON.parse().unwrap()
}

pub(crate) fn settings(server: &Server) -> Settings {
    Settings {
        names: Names {
            person_sets: vec![
                "Relationship_Person_Contact_Standard".parse().unwrap(),
                "Relationship_Person_Contact_Employee".parse().unwrap(),
            ],
            ..Names::default()
        },
        ..Settings::new(server.url.clone())
    }
}

fn client_with(server: &Server, settings: Settings) -> Client {
    Client::new(
        settings,
        server.transport(),
        Arc::new(OneToken("good".into())),
        StillClock::new(),
        Arc::new(Silent),
    )
}

pub(crate) fn client(server: &Server) -> Client {
    client_with(server, settings(server))
}

fn contact() -> Value {
    json!({
        "ID": CONTACT, "_Type": "Relationship.Person.Contact.Standard", "IsFormer": null,
        "EmailAddress": "jan@acme.example", "PhoneNumber": null, "MobilePhoneNumber": null,
        "FunctionOnBusinessCard": null, "AccountManager": {"ID": BOSS}, "Owners": [],
        "Person": {"ID": PERSON}, "Relation": {"ID": ACME, "Name": "Acme"}
    })
}

pub(crate) fn jan() -> Value {
    json!({"ID": PERSON, "_Type": "Relation.Person", "FirstName": "Jan", "LastName": "Tester"})
}

/// A Tribe that holds Jan, a contact at Acme.
fn small_tribe(seen: &Seen) -> Reply {
    if seen.header("authorization") != Some("Bearer good") {
        return status(401);
    }
    let expands = seen.option("$expand").unwrap_or_default();
    let person = || {
        let mut jan = jan();
        if expands.starts_with("Relationships(") {
            jan["Relationships"] = json!([contact()]);
        }
        jan
    };
    let rows = match seen.path.strip_prefix("/v1/odata/").unwrap() {
        "Relation_Person" => vec![person()],
        "Relationship_Person_Contact_Standard" => vec![contact()],
        "Relationship_Person_Contact_Employee" => vec![],
        path if path == format!("Relation_Person({PERSON})") => return json(200, &person()),
        path if path == format!("Entity({CONTACT})") => return json(200, &contact()),
        _ => return json(404, &json!({"error": {"code": null, "message": "gone"}})),
    };
    let skip: usize = seen.option("$skip").map_or(0, |skip| skip.parse().unwrap());
    let rows: Vec<_> = rows.into_iter().skip(skip).collect();
    json(200, &json!({"value": rows}))
}

#[tokio::test]
async fn both_read_modes_show_the_same_person() {
    let server = Server::start(small_tribe).await;
    let mut read = Vec::new();
    for mode in [ReadMode::Expand, ReadMode::Sets] {
        let client = client_with(
            &server,
            Settings {
                read: mode,
                ..settings(&server)
            },
        );
        let one = client.person(person_id()).await.unwrap().unwrap();
        let many = client.people(&[person_id()]).await.unwrap();
        assert_eq!(many.as_slice(), std::slice::from_ref(&one));
        read.push(one);
    }
    assert_eq!(read[0], read[1]);
    assert_eq!(read[0].relationships.len(), 1);
    assert_eq!(read[0].relationships[0].managers, [BOSS.parse().unwrap()]);
    let calls = server.calls();
    assert!(calls.iter().all(|seen| !seen.raw_query.contains('+')));
    let filter = calls
        .iter()
        .find(|seen| seen.path.ends_with("Contact_Standard"))
        .and_then(|seen| seen.option("$filter"));
    assert_eq!(filter, Some(format!("Person/ID eq {PERSON}")));
}

#[tokio::test]
async fn only_a_missing_record_is_missing() {
    let server = Server::start(small_tribe).await;
    let client = client(&server);
    let nobody = "99999999-bb70-480a-b03d-512b9aaec15a".parse().unwrap();
    assert_eq!(client.person(nobody).await, Ok(None));
    assert_eq!(client.entity(nobody.0).await, Ok(None));
    let set = SetName::from("Relationship_Person_Contact_Standard");
    assert_eq!(
        client.entity(CONTACT.parse().unwrap()).await,
        Ok(Some(EntityKind::Relationship(set.clone())))
    );
    let people = client
        .people_of_relationships(&set, &[CONTACT.parse().unwrap()])
        .await
        .unwrap();
    assert_eq!(people[0].id, person_id());
    let people = client.people_of_organization(ACME.parse().unwrap()).await;
    assert_eq!(people, Ok(vec![person_id()]));
    // A set that does not exist is a wrong name, not an empty set.
    let identity = client.identity().await;
    assert!(matches!(identity, Err(Error::Rejected { status: 404, .. })));
}

#[tokio::test]
async fn a_failed_read_passes_and_a_failed_write_is_unknown() {
    let record = Record::Person(person_id());
    let change = BTreeMap::from([(Field::FirstName, Some("Jo".to_owned()))]);
    for (answer, read_passes, written) in [
        (status as fn(u16) -> Reply, true, "unknown"),
        (
            |code| with_header(code, "retry-after", "7"),
            true,
            "throttled",
        ),
    ] {
        let server = Server::start(move |_| answer(503)).await;
        let client = client(&server);
        let read = client.person(person_id()).await.unwrap_err();
        assert_eq!(read.is_passing(), read_passes);
        let write = client.update(&record, &change).await.unwrap_err();
        match written {
            "unknown" => assert!(matches!(write, Error::OutcomeUnknown(_))),
            _ => assert_eq!(
                write,
                Error::Throttled {
                    after: Some(Duration::from_secs(7))
                }
            ),
        }
    }
    let cut = Server::raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", false).await;
    let write = client(&cut).update(&record, &change).await;
    assert!(matches!(write, Err(Error::OutcomeUnknown(_))));
    let read = client(&cut).person(person_id()).await;
    assert!(matches!(read, Err(Error::Transient(_))));
    let odd = Server::start(|_| json(200, &json!([1]))).await;
    let read = client(&odd).person(person_id()).await;
    assert!(matches!(read, Err(Error::Unusable(_))));
}

#[tokio::test]
async fn a_put_sends_the_changed_fields_alone() {
    let server = Server::start(|seen| match seen.path.contains("Relation_Person") {
        true => json(
            200,
            &json!({"ID": PERSON, "FirstName": "Jo", "LastName": null}),
        ),
        false => status(204),
    })
    .await;
    let client = client(&server);
    let change = BTreeMap::from([
        (Field::FirstName, Some("Jo".to_owned())),
        (Field::Insertion, None),
    ]);
    let shown = client
        .update(&Record::Person(person_id()), &change)
        .await
        .unwrap();
    assert_eq!(shown.get(&Field::FirstName).unwrap().value(), Some("Jo"));
    assert_eq!(shown.len(), 2);
    let set = SetName::from("Relationship_Person_Contact_Standard");
    let record = Record::Relationship(set, CONTACT.parse().unwrap());
    let change = BTreeMap::from([(Field::BusinessEmail, Some("a@b.example".to_owned()))]);
    assert!(client.update(&record, &change).await.unwrap().is_empty());
    let calls = server.calls();
    assert_eq!(calls[0].method, "PUT");
    assert_eq!(
        calls[0].json(),
        json!({"FirstName": "Jo", "MiddleName": null})
    );
    assert_eq!(
        calls[1].path,
        format!("/v1/odata/Relationship_Person_Contact_Standard({CONTACT})")
    );
    let foreign = BTreeMap::from([(Field::FirstName, None)]);
    let refused = client.update(&record, &foreign).await;
    assert!(matches!(refused, Err(Error::Rejected { .. })));
    assert_eq!(server.calls().len(), 2, "a refused field is never sent");
}

async fn walk(client: &Client, set: &SetName) -> Result<Vec<ChangedRecord>, Error> {
    let since = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut all = Vec::new();
    let mut next: Option<Next> = None;
    loop {
        let page = client.changed(set, since, next).await?;
        all.extend(page.items);
        next = page.next;
        if next.is_none() {
            return Ok(all);
        }
    }
}

/// Three people, a page of two at most, with or without links.
fn paged(seen: &Seen, links: bool) -> Reply {
    let skip: usize = seen
        .option("$skip")
        .or_else(|| seen.option("$skiptoken"))
        .unwrap()
        .parse()
        .unwrap();
    let row = |n: usize| json!({"ID": format!("{n:08}-bb70-480a-b03d-512b9aaec15a")});
    let rows: Vec<_> = (0..3).map(row).skip(skip).take(2).collect();
    let mut body = json!({"value": rows});
    if links && skip == 0 {
        body["@odata.nextLink"] = seen.here("/v1/odata/Relation_Person?$skiptoken=2").into();
    }
    json(200, &body)
}

#[tokio::test]
async fn a_listing_ends_on_an_empty_page() {
    let set = SetName::from("Relation_Person");
    for (links, pages) in [(false, vec!["0", "2", "3"]), (true, vec!["0", "2", "3"])] {
        let server = Server::start(move |seen| paged(seen, links)).await;
        let all = walk(&client(&server), &set).await.unwrap();
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|row| row.person.is_some()));
        let asked: Vec<_> = server
            .calls()
            .iter()
            .map(|seen| seen.option("$skip").or(seen.option("$skiptoken")).unwrap())
            .collect();
        assert_eq!(asked, pages);
        let first = &server.calls()[0];
        assert_eq!(first.option("$orderby").as_deref(), Some("ID"));
        assert_eq!(first.option("$top").as_deref(), Some("100"));
    }
}

#[tokio::test]
async fn a_link_to_another_origin_is_refused() {
    let foreign = Server::start(|_| json(200, &json!({"value": []}))).await;
    let link = foreign.url.join("/v1/odata/Relation_Person").unwrap();
    let server = Server::start(move |_| {
        json(
            200,
            &json!({"value": [jan()], "@odata.nextLink": link.as_str()}),
        )
    })
    .await;
    let walked = walk(&client(&server), &SetName::from("Relation_Person")).await;
    assert_eq!(walked, Err(Error::ForeignOrigin));
    assert!(foreign.calls().is_empty());
}

#[tokio::test]
async fn a_sweep_has_what_decides_and_no_fields() {
    let server = Server::start(small_tribe).await;
    let set = SetName::from("Relationship_Person_Contact_Standard");
    let page = client(&server).sweep(&set, None).await.unwrap();
    assert_eq!(page.next, Some(Next::Skip(1)));
    assert_eq!(page.items[0].person, person_id());
    assert!(page.items[0].relationship.fields.is_empty());
    assert_eq!(
        server.calls()[0].option("$select").as_deref(),
        Some("CreationDate,ID,IsFormer")
    );
}

#[tokio::test]
async fn employees_are_found_by_address_whatever_its_case() {
    let employee = |id: &str, own: &str, private: &str| {
        json!({"ID": id, "Name": "x", "EmailAddress": own, "IsFormer": null,
               "Person": {"ID": PERSON, "EmailAddress": private}})
    };
    let rows = json!([
        employee(ACME, "other@us.example", "BO@us.example"),
        employee(BOSS, "Bo@us.example", ""),
        employee(CONTACT, "not-bo@us.example", "x@y.example"),
    ]);
    let server =
        Server::start(move |_| json(200, &json!({"@odata.count": 3, "value": rows}))).await;
    let found = client(&server)
        .employees_by_email(" bo@US.example ")
        .await
        .unwrap();
    let ids: Vec<_> = found.iter().map(|found| found.id.to_string()).collect();
    assert_eq!(ids, [BOSS, ACME], "its own address before its person's");
    assert_eq!(server.calls().len(), 1, "the count saves a page");
}

#[tokio::test]
async fn webhooks_come_and_go() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "POST" => json(201, &json!({"ID": "w1", "secret": "s"})),
        "DELETE" => status(404),
        _ => json(
            200,
            &json!([{"id": "w1", "entityType": "Relation.Person", "webhookUrl": "https://h/"}]),
        ),
    })
    .await;
    let client = client(&server);
    let made = client
        .register_webhook("Relation.Person", "https://h/", ("X-Key", "v"))
        .await
        .unwrap();
    assert_eq!(
        (made.id.as_str(), made.secret.as_deref()),
        ("w1", Some("s"))
    );
    assert_eq!(
        server.calls()[0].json(),
        json!({"entityType": "Relation.Person", "webhookUrl": "https://h/",
               "headers": [{"name": "X-Key", "value": "v"}]})
    );
    assert_eq!(client.webhooks().await.unwrap()[0].url, "https://h/");
    assert_eq!(client.remove_webhook("a/b").await, Ok(()));
    assert_eq!(server.calls()[2].path, "/v1/webhooks/a%2Fb");
}

/// Counts the calls that run at once, each of which lasts until all that may run do.
#[derive(Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Transport for Crowd {
    async fn send(&self, _request: Request) -> Result<Response, TransportError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
        Err(TransportError::NotSent("test".to_owned()))
    }
}

impl Crowd {
    fn client(self: &Arc<Self>) -> Client {
        Client::new(
            Settings::new(Url::parse("https://api.example").unwrap()),
            Arc::clone(self) as _,
            Arc::new(OneToken("good".into())),
            StillClock::new(),
            Arc::new(Silent),
        )
    }
}

#[tokio::test]
async fn calls_in_flight_are_capped() {
    let crowd = Arc::new(Crowd::default());
    let client = crowd.client();
    for cap in [5, 2, 3] {
        client.set_in_flight(cap);
        crowd.most.store(0, Ordering::SeqCst);
        let calls = (0..12).map(|_| client.person(person_id()));
        futures_util::future::join_all(calls).await;
        assert_eq!(crowd.most.load(Ordering::SeqCst), cap);
    }
}

#[tokio::test]
async fn who_reads_one_record_does_not_wait_for_those_who_read_many() {
    let crowd = Arc::new(Crowd::default());
    let client = crowd.client();
    let many: Vec<PersonId> = (0..50).map(|n| PersonId(Uuid::from_u128(n))).collect();
    for (cap, heavy) in [(5, 4), (2, 1), (1, 1)] {
        client.set_in_flight(cap);
        crowd.most.store(0, Ordering::SeqCst);
        let ended = Mutex::new(Vec::new());
        let large = (0..12).map(|_| async {
            let _ = client.people(&many).await;
            ended.lock().unwrap().push("many");
        });
        let small = async {
            // Behind those that stand in line by now.
            tokio::task::yield_now().await;
            let _ = client.person(person_id()).await;
            let _ = client.people(&many[..10]).await;
            ended.lock().unwrap().push("few");
        };
        let large = async {
            futures_util::future::join_all(large).await;
        };
        futures_util::future::join(large, small).await;
        let ended = ended.into_inner().unwrap();
        assert_eq!(ended.len(), 13);
        assert_eq!(crowd.most.load(Ordering::SeqCst), cap);
        let place = ended.iter().position(|what| *what == "few");
        // Both small reads are over when each large one in flight had two turns; with a single place all
        // take turns.
        let latest = if cap == 1 { 12 } else { 2 * heavy };
        assert!(place.unwrap() <= latest, "{cap}: {ended:?}");
    }
}
