//! Graph's client against a server of its own kind.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use serde_json::{Value, json};
use tribelink::{
    graph::{
        Call, DeltaLink, Done, Folder, NewContact, NewSubscription, Op, Outlook, client::Client,
    },
    remote::{Error, Observer, Remote, Silent},
};
use tribelink_plan::{
    contact::{Change, ContactPatch, Stamp},
    ids::{ContactId, Etag, FolderId},
};

use crate::clients_server::{
    Listening, Reply, Seen, Server, StillClock, json, status, with_header,
};

const IMMUTABLE: &str = "IdType=\"ImmutableId\"";

fn client_heard(server: &Server, observer: Arc<dyn Observer>) -> Client {
    Client::new(
        server.url.clone(),
        server.transport(),
        StillClock::new(),
        observer,
    )
}

fn client(server: &Server) -> Client {
    client_heard(server, Arc::new(Silent))
}

fn token() -> SecretString {
    "mine".into()
}

fn call(token: &SecretString) -> Call<'_> {
    Call {
        token,
        timeout: Duration::from_secs(20),
    }
}

fn stamp() -> Stamp {
    Stamp::parse("i|o|b724d383-bb70-480a-b03d-512b9aaec15a|11111111-bb70-480a-b03d-512b9aaec15a")
        .unwrap()
}

fn read(id: &str) -> Op {
    Op::Read(ContactId::from(id))
}

fn patch(id: &str) -> Op {
    Op::Patch {
        id: ContactId::from(id),
        if_match: Some(Etag::from("W/\"1\"")),
        patch: Box::new(ContactPatch {
            surname: Change::Set("Tester".to_owned()),
            display_name: Change::Set("Jan Tester".to_owned()),
            ..ContactPatch::default()
        }),
    }
}

fn create() -> Op {
    Op::Create(Box::new(NewContact {
        properties: ContactPatch::default(),
        stamp: stamp(),
        category: None,
    }))
}

fn error(code: &str) -> Value {
    json!({"error": {"code": "x", "message": "y", "innerError": {"code": code}}})
}

async fn run(server: &Server, ops: &[Op]) -> Result<Vec<Result<Done, Error>>, Error> {
    client(server).run(&call(&token()), ops).await
}

fn id_of(done: &Result<Done, Error>) -> &str {
    match done {
        Ok(Done::Contact(contact)) => contact.id.as_str(),
        other => panic!("no contact: {other:?}"),
    }
}

#[tokio::test]
async fn one_operation_is_a_plain_request() {
    let server = Server::start(|_| json(200, &json!({"id": "A=", "@odata.etag": "W/\"2\""}))).await;
    let read = run(&server, &[read("A=")]).await.unwrap();
    assert_eq!(id_of(&read[0]), "A=");
    run(&server, &[patch("A=")]).await.unwrap();
    let calls = server.calls();
    assert_eq!(calls[0].path, "/v1.0/me/contacts/A=");
    assert!(
        calls[0]
            .option("$expand")
            .unwrap()
            .contains("TribelinkStamp")
    );
    assert_eq!(calls[1].method, "PATCH");
    assert_eq!(calls[1].header("if-match"), Some("W/\"1\""));
    assert_eq!(
        calls[1].json(),
        json!({"surname": "Tester", "displayName": "Jan Tester"})
    );
    for seen in calls {
        assert_eq!(seen.header("prefer"), Some(IMMUTABLE));
        assert_eq!(seen.header("authorization"), Some("Bearer mine"));
    }
}

#[tokio::test]
async fn answers_mean_what_the_caller_can_do() {
    let outcome = |code: u16, body: Value, op: Op| async move {
        let server = Server::start(move |_| json(code, &body)).await;
        run(&server, &[op]).await.map(|mut done| done.remove(0))
    };
    let inner = |told: Result<Result<Done, Error>, Error>| told.unwrap().unwrap_err();
    let conflict = || error("ErrorIrresolvableConflict");
    for code in [412, 409, 400] {
        assert_eq!(
            inner(outcome(code, conflict(), patch("A")).await),
            Error::Changed
        );
    }
    let stale = outcome(503, error("concurrentItemSave"), patch("A")).await;
    assert_eq!(inner(stale), Error::Changed);
    let missing = outcome(404, error("ErrorItemNotFound"), read("A")).await;
    assert_eq!(inner(missing), Error::NotFound);
    let unknown = outcome(500, json!({}), create()).await;
    assert!(matches!(inner(unknown), Error::OutcomeUnknown(_)));
    let passing = outcome(500, json!({}), read("A")).await;
    assert!(matches!(inner(passing), Error::Transient(_)));
    let refused = outcome(400, error("ErrorInvalidIdMalformed"), read("A")).await;
    assert_eq!(
        inner(refused),
        Error::Rejected {
            status: 400,
            code: "ErrorInvalidIdMalformed".to_owned()
        }
    );
    let token = outcome(401, json!({}), patch("A")).await;
    assert_eq!(token.unwrap_err(), Error::Unauthorised);
    let throttled = outcome(429, error("ApplicationThrottled"), create()).await;
    assert_eq!(throttled.unwrap_err(), Error::Throttled { after: None });
    // Written, but the answer does not show what.
    let blind = outcome(201, json!({}), create()).await;
    assert!(matches!(inner(blind), Error::OutcomeUnknown(_)));
}

#[tokio::test]
async fn a_cut_answer_leaves_a_create_unknown() {
    let cut = Server::raw(
        b"HTTP/1.1 201 Created\r\ncontent-length: 99\r\n\r\n{",
        false,
    )
    .await;
    let created = run(&cut, &[create()]).await.unwrap().remove(0);
    assert!(matches!(created, Err(Error::OutcomeUnknown(_))));
    let one = run(&cut, &[read("A")]).await.unwrap().remove(0);
    assert!(matches!(one, Err(Error::Transient(_))));
    let both = run(&cut, &[create(), read("A")]).await;
    assert!(matches!(both, Err(Error::OutcomeUnknown(_))));
}

#[tokio::test]
async fn retry_after_may_be_a_date() {
    let date = "Thu, 01 Jan 2026 00:01:30 GMT";
    let server = Server::start(move |_| with_header(503, "retry-after", date)).await;
    let after = Some(Duration::from_secs(90));
    assert_eq!(
        run(&server, &[create()]).await,
        Err(Error::Throttled { after })
    );
}

#[tokio::test]
async fn a_batch_is_matched_by_id_and_judged_by_item() {
    let server = Server::start(|seen| {
        let mut responses: Vec<_> = seen.json()["requests"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
            .filter_map(|(at, request)| {
                let id = &request["id"];
                Some(match at {
                    0 => json!({"id": id, "status": 200, "headers": {}, "body": {"id": "A"}}),
                    1 => json!({"id": id, "status": 412, "body": error("ErrorIrresolvableConflict")}),
                    2 => json!({"id": id, "status": 429, "headers": {"Retry-After": "7"}, "body": error("ApplicationThrottled")}),
                    3 => json!({"id": id, "status": 404, "body": error("ErrorItemNotFound")}),
                    4 => json!({"id": id, "status": 503, "body": {}}),
                    _ => return None,
                })
            })
            .collect();
        responses.reverse();
        json(200, &json!({"responses": responses}))
    })
    .await;
    let heard = Arc::new(Listening::default());
    let ops = [
        read("A"),
        patch("B"),
        patch("C"),
        read("D"),
        create(),
        create(),
        read("G"),
    ];
    let mut done = client_heard(&server, heard.clone())
        .run(&call(&token()), &ops)
        .await
        .unwrap()
        .into_iter();
    assert_eq!(id_of(&done.next().unwrap()), "A");
    let mut failed = || done.next().unwrap().unwrap_err();
    assert_eq!(failed(), Error::Changed);
    let after = Some(Duration::from_secs(7));
    assert_eq!(failed(), Error::Throttled { after });
    assert_eq!(failed(), Error::NotFound);
    assert!(matches!(failed(), Error::OutcomeUnknown(_)));
    assert!(matches!(failed(), Error::OutcomeUnknown(_)), "no answer");
    assert!(
        matches!(failed(), Error::Unusable(_)),
        "no answer to a read"
    );
    let calls = server.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].path, "/v1.0/$batch");
    let item = &calls[0].json()["requests"][1];
    assert_eq!(item["url"], "/me/contacts/B");
    assert_eq!(item["headers"]["Prefer"], IMMUTABLE);
    assert_eq!(item["headers"]["Content-Type"], "application/json");
    assert_eq!(item["headers"]["If-Match"], "W/\"1\"");
    let heard = heard.0.lock().unwrap();
    assert_eq!(heard[0], (Remote::Graph, "batch", Some(200)));
    assert_eq!(heard[2], (Remote::Graph, "patch", Some(412)));
    assert_eq!(heard[6], (Remote::Graph, "create", None));
}

#[tokio::test]
async fn a_batch_that_fails_as_a_whole_says_so() {
    let server = Server::start(|_| status(504)).await;
    let writes = run(&server, &[read("A"), create()]).await;
    assert!(matches!(writes, Err(Error::OutcomeUnknown(_))));
    let reads = run(&server, &[read("A"), read("B")]).await;
    assert!(matches!(reads, Err(Error::Transient(_))));
    let odd = Server::start(|_| json(200, &json!({"no": "answers"}))).await;
    let writes = run(&odd, &[read("A"), create()]).await;
    assert!(matches!(writes, Err(Error::OutcomeUnknown(_))));
}

#[tokio::test]
async fn more_than_twenty_go_in_several_batches() {
    let server = Server::start(|seen| {
        let body = seen.json();
        let requests = body["requests"].as_array().unwrap();
        if requests.len() < 20 {
            return status(503);
        }
        let answer =
            |request: &Value| json!({"id": request["id"], "status": 200, "body": {"id": "A"}});
        let responses: Vec<_> = requests.iter().map(answer).collect();
        json(200, &json!({"responses": responses}))
    })
    .await;
    let mut ops = vec![read("A"); 21];
    ops.push(create());
    let done = run(&server, &ops).await.unwrap();
    assert!(done[..20].iter().all(Result::is_ok));
    assert!(matches!(done[20], Err(Error::Transient(_))));
    assert!(matches!(done[21], Err(Error::OutcomeUnknown(_))));
    assert_eq!(server.calls().len(), 2);
}

/// A mailbox with the default folder D, F beside it and G below F; one stamped contact in each of
/// D and G.
fn mailbox(seen: &Seen) -> Reply {
    if seen.path == "/v1.0/$batch" {
        let body = seen.json();
        let responses: Vec<_> = body["requests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|request| {
                let url = request["url"].as_str().unwrap();
                let path = url.split('?').next().unwrap();
                json!({"id": request["id"], "status": 200, "body": mailbox_body(path)})
            })
            .collect();
        return json(200, &json!({"responses": responses}));
    }
    match seen.path.strip_prefix("/v1.0") {
        Some("/me/contactFolders/contacts") => json(200, &json!({"id": "D="})),
        Some(path) => json(200, &mailbox_body(path)),
        None => status(404),
    }
}

fn mailbox_body(path: &str) -> Value {
    match path {
        "/me/contactFolders" => json!({"value": [{"id": "F="}]}),
        "/me/contactFolders/F=/childFolders" => json!({"value": [{"id": "G="}]}),
        "/me/contacts" => json!({"value": [{"id": "inD"}]}),
        "/me/contactFolders/G=/contacts" => json!({"value": [{"id": "inG"}, {"id": "inD"}]}),
        _ => json!({"value": []}),
    }
}

#[tokio::test]
async fn folders_are_walked_to_the_ground() {
    let server = Server::start(mailbox).await;
    let token = token();
    let folders = client(&server).folders(&call(&token)).await.unwrap();
    let ids: Vec<_> = folders.iter().map(|folder| folder.id.as_str()).collect();
    assert_eq!(ids, ["D=", "F=", "G="]);
    assert!(folders[0].is_default && !folders[1].is_default);
}

#[tokio::test]
async fn the_default_folder_is_known_by_a_contact_too() {
    let server = Server::start(|seen| {
        if seen.path == "/v1.0/me/contactFolders/contacts" {
            return json(400, &error("ErrorInvalidIdMalformed"));
        }
        if seen.path == "/v1.0/me/contacts" {
            return json(
                200,
                &json!({"value": [{"id": "x", "parentFolderId": "D="}]}),
            );
        }
        mailbox(seen)
    })
    .await;
    let token = token();
    let folders = client(&server).folders(&call(&token)).await.unwrap();
    assert_eq!(folders[0].id, FolderId::from("D="));
}

#[tokio::test]
async fn a_stamp_is_looked_for_in_every_folder() {
    let server = Server::start(mailbox).await;
    let folders = client(&server).folders(&call(&token())).await.unwrap();
    let walked = server.calls().len();
    let find = Op::FindByStamp {
        stamp: stamp(),
        folders,
    };
    let mut done = run(&server, &[find.clone(), read("A")]).await.unwrap();
    assert_eq!(server.calls().len(), walked + 1, "one batch");
    let Ok(Done::Found(found)) = done.remove(0) else {
        panic!("found")
    };
    let ids: Vec<_> = found.iter().map(|contact| contact.id.as_str()).collect();
    assert_eq!(ids, ["inD", "inG"]);
}

#[tokio::test]
async fn a_delta_replays_its_links_and_follows_no_other() {
    let server = Server::start(|seen| {
        let next = seen.here("/v1.0/odd/link?$skiptoken=a%2Fb+c");
        match seen.path.as_str() {
            "/v1.0/odd/link" => json(
                200,
                &json!({"value": [{"id": "A", "@removed": {"reason": "deleted"}}], "@odata.deltaLink": "https://evil.example/d"}),
            ),
            "/v1.0/me/contactFolders/D=/contacts/delta" => {
                json(200, &json!({"value": [], "@odata.nextLink": next}))
            }
            _ => json(410, &error("SyncStateNotFound")),
        }
    })
    .await;
    let (token, client) = (token(), client(&server));
    let call = call(&token);
    let folder = Folder {
        id: FolderId::from("D="),
        is_default: true,
    };
    let first = client.delta(&call, &folder, None).await.unwrap();
    let DeltaLink::Next(next) = first.link else {
        panic!("a next link")
    };
    let second = client.delta(&call, &folder, Some(&next)).await.unwrap();
    assert_eq!(second.removed, [ContactId::from("A")]);
    let calls = server.calls();
    assert_eq!(calls[1].raw_query, "$skiptoken=a%2Fb+c");
    for seen in &calls {
        let prefer = seen.header("prefer").unwrap();
        assert!(prefer.contains(IMMUTABLE) && prefer.contains("odata.maxpagesize="));
    }
    let DeltaLink::Delta(delta) = second.link else {
        panic!("a delta link")
    };
    let foreign = client.delta(&call, &folder, Some(&delta)).await;
    assert_eq!(foreign, Err(Error::ForeignOrigin));
    let dead = server.url.join("/v1.0/dead").unwrap();
    let gone = client.delta(&call, &folder, Some(dead.as_str())).await;
    assert_eq!(gone, Err(Error::Gone));
}

#[tokio::test]
async fn a_list_goes_page_by_page_on_its_own_origin() {
    let server = Server::start(|seen| {
        let next = match seen.raw_query.as_str() {
            "page=2" => "https://evil.example/next".to_owned(),
            _ => seen.here("/v1.0/me/contacts?page=2"),
        };
        json(
            200,
            &json!({"value": [{"id": "A"}], "@odata.nextLink": next}),
        )
    })
    .await;
    let (token, client) = (token(), client(&server));
    let folder = Folder {
        id: FolderId::from("F="),
        is_default: false,
    };
    let first = client.list(&call(&token), &folder, None).await.unwrap();
    assert_eq!(first.items[0].stamp, Some(None));
    let seen = &server.calls()[0];
    assert_eq!(seen.path, "/v1.0/me/contactFolders/F=/contacts");
    assert_eq!(seen.option("$top").as_deref(), Some("1000"));
    let next = first.next.unwrap();
    let second = client
        .list(&call(&token), &folder, Some(&next))
        .await
        .unwrap();
    let third = client
        .list(&call(&token), &folder, second.next.as_deref())
        .await;
    assert_eq!(third, Err(Error::ForeignOrigin));
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn subscriptions_are_kept_alive_or_found_gone() {
    let shown = json!({"id": "s1", "resource": "/me/contacts", "notificationUrl": "https://h/n",
                       "expirationDateTime": "2026-01-07T09:00:00Z"});
    let listed = shown.clone();
    let server = Server::start(
        move |seen| match (seen.method.as_str(), seen.path.as_str()) {
            ("POST", _) => json(409, &error("ExtensionError")),
            ("PATCH", "/v1.0/subscriptions/s1") => json(200, &shown),
            ("GET", "/v1.0/subscriptions") if seen.raw_query.is_empty() => {
                let next = seen.here("/v1.0/subscriptions?more=1");
                json(200, &json!({"value": [shown], "@odata.nextLink": next}))
            }
            ("GET", _) => json(200, &json!({"value": [listed]})),
            _ => json(404, &error("ResourceNotFound")),
        },
    )
    .await;
    let (token, client) = (token(), client(&server));
    let call = call(&token);
    let new = NewSubscription {
        notification_url: "https://h/n".to_owned(),
        lifecycle_url: "https://h/l".to_owned(),
        resource: "/me/contacts".to_owned(),
        client_state: "state".into(),
        expires: "2026-01-07T09:00:00Z".parse().unwrap(),
        sealed_for: None,
    };
    let made = client.subscribe(&call, &new).await;
    assert!(matches!(made, Err(Error::Exists(_))));
    assert_eq!(server.calls()[0].json()["clientState"], "state");
    let renewed = client.renew(&call, "s1", new.expires).await.unwrap();
    assert_eq!(renewed.expires, new.expires);
    let gone = client.renew(&call, "s2", new.expires).await;
    assert_eq!(gone, Err(Error::NotFound));
    assert_eq!(client.subscriptions(&call).await.unwrap().len(), 2);
    assert_eq!(client.unsubscribe(&call, "s2").await, Ok(()));
}

#[tokio::test]
async fn a_redirect_carries_no_token_away() {
    let foreign = Server::start(|_| json(200, &json!({"id": "x"}))).await;
    let to = foreign.url.to_string();
    let server = Server::start(move |_| with_header(302, "location", &to)).await;
    let token = token();
    let me = client(&server).me(&call(&token)).await;
    assert!(matches!(me, Err(Error::Rejected { status: 302, .. })));
    assert!(foreign.calls().is_empty());
}
