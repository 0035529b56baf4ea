//! `doctor` over ports that answer as told.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use secrecy::SecretString;
use tribelink_plan::{
    field::Field,
    ids::{EmployeeId, OrganizationId, PersonId, RelationshipId, SetName},
    person::Person,
};
use uuid::Uuid;

use super::{metadata::tests::XML, *};
use crate::{
    graph::{Authorize, Identity, Issued},
    remote::{Error, Request, Response, TransportError},
    tribe::{
        ChangedRecord, Employee, EntityKind, Named, Next, Page, Record, RegisteredWebhook,
        SweepRow, Written,
    },
};

const CONTACT: &str = "Relationship_Person_Contact_Standard";

fn config(pairs: &[(&'static str, &'static str)]) -> Config {
    let required = [
        (
            "security.encryption_keys",
            "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ),
        ("tribe.client_id", "a"),
        ("tribe.client_secret", "b"),
        ("tribe.person_sets", CONTACT),
        ("microsoft.tenant", "example.com"),
        ("microsoft.client_id", "c"),
        ("microsoft.client_secret", "d"),
    ];
    Config::from_pairs(required.iter().chain(pairs).copied()).expect("usable")
}

struct At(i64);

#[async_trait]
impl Clock for At {
    fn now_ms(&self) -> i64 {
        self.0
    }

    async fn sleep(&self, _: Duration) {}
}

/// Answers every request with the discovery document of 24 November 2026, 12:00.
struct Answers(StatusCode);

#[async_trait]
impl Transport for Answers {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if request.url.path() == "/healthz" {
            return Err(TransportError::NotSent("refused".to_owned()));
        }
        assert_eq!(request.method, http::Method::GET);
        assert_eq!(
            request.url.path(),
            "/example.com/v2.0/.well-known/openid-configuration"
        );
        let mut headers = HeaderMap::new();
        let date = "Tue, 24 Nov 2026 12:00:00 GMT".parse().expect("a header");
        headers.insert(header::DATE, date);
        let body = bytes::Bytes::from_static(br#"{"issuer":"https://issuer.example"}"#);
        Ok(Response {
            status: self.0,
            headers,
            body,
        })
    }
}

struct Microsoft(Error);

#[async_trait]
impl SignIn for Microsoft {
    fn authorize_url(&self, _: &Authorize<'_>) -> Result<url::Url, Error> {
        Err(self.0.clone())
    }

    async fn exchange(
        &self,
        _: &str,
        _: &SecretString,
        _: &str,
        _: &str,
    ) -> Result<(Issued, Identity), Error> {
        Err(self.0.clone())
    }

    async fn refresh(&self, _: &SecretString) -> Result<Issued, Error> {
        Err(self.0.clone())
    }
}

/// Answers identity, metadata and webhooks; nothing else may be asked.
struct Tribe {
    identity: Result<OrganizationId, Error>,
    webhooks: Vec<RegisteredWebhook>,
}

const UNASKED: Error = Error::NotFound;

#[async_trait]
impl Crm for Tribe {
    async fn people(&self, _: &[PersonId]) -> Result<Vec<Person>, Error> {
        Err(UNASKED)
    }
    async fn person(&self, _: PersonId) -> Result<Option<Person>, Error> {
        Err(UNASKED)
    }
    async fn people_of_relationships(
        &self,
        _: &SetName,
        _: &[RelationshipId],
    ) -> Result<Vec<Person>, Error> {
        Err(UNASKED)
    }
    async fn entity(&self, _: Uuid) -> Result<Option<EntityKind>, Error> {
        Err(UNASKED)
    }
    fn kind_of(&self, _: &str) -> EntityKind {
        EntityKind::Other
    }
    fn sets(&self) -> Vec<SetName> {
        Vec::new()
    }
    async fn changed(
        &self,
        _: &SetName,
        _: Timestamp,
        _: Option<Next>,
    ) -> Result<Page<ChangedRecord>, Error> {
        Err(UNASKED)
    }
    async fn sweep(&self, _: &SetName, _: Option<Next>) -> Result<Page<SweepRow>, Error> {
        Err(UNASKED)
    }
    async fn people_of_organization(&self, _: OrganizationId) -> Result<Vec<PersonId>, Error> {
        Err(UNASKED)
    }
    async fn update(
        &self,
        _: &Record,
        _: &BTreeMap<Field, Option<String>>,
    ) -> Result<Written, Error> {
        Err(UNASKED)
    }
    async fn employee(&self, _: EmployeeId) -> Result<Option<Employee>, Error> {
        Err(UNASKED)
    }
    async fn employees_by_email(&self, _: &str) -> Result<Vec<Employee>, Error> {
        Err(UNASKED)
    }
    async fn people_by_name(&self, _: &[String]) -> Result<(Vec<Named>, bool), Error> {
        Err(UNASKED)
    }
    async fn identity(&self) -> Result<OrganizationId, Error> {
        self.identity.clone()
    }
    async fn webhooks(&self) -> Result<Vec<RegisteredWebhook>, Error> {
        Ok(self.webhooks.clone())
    }
    async fn register_webhook(
        &self,
        _: &str,
        _: &str,
        _: (&str, &str),
    ) -> Result<RegisteredWebhook, Error> {
        Err(UNASKED)
    }
    async fn remove_webhook(&self, _: &str) -> Result<(), Error> {
        Err(UNASKED)
    }
    async fn metadata(&self) -> Result<String, Error> {
        Ok(XML.to_owned())
    }
}

fn webhook(entity_type: &str) -> RegisteredWebhook {
    RegisteredWebhook {
        id: entity_type.to_owned(),
        entity_type: entity_type.to_owned(),
        url: "https://link.example/webhooks/tribe/default".to_owned(),
        secret: None,
    }
}

fn healthy() -> Subjects {
    let types = [
        "Relation.Person",
        "Relation.Organization",
        "Relationship.Person.Contact.Standard",
    ];
    let noon = "2026-11-24T12:00:01Z".parse::<Timestamp>().expect("a time");
    Subjects {
        clock: Arc::new(At(noon.as_millisecond())),
        store: Err("cannot be opened".to_owned()),
        mailbox: Err("no mailbox".to_owned()),
        crm: Ok(Arc::new(Tribe {
            identity: Ok(OrganizationId(Uuid::from_u128(1))),
            webhooks: types.map(webhook).to_vec(),
        })),
        sign_in: Ok(Arc::new(Microsoft(Error::ConsentNeeded(
            "invalid_grant".to_owned(),
        )))),
        transport: Ok(Arc::new(Answers(StatusCode::OK))),
    }
}

const USUAL: [(&str, &str); 4] = [
    ("server.public_url", "https://link.example"),
    ("security.admin_token", "0123456789abcdef0123456789abcdef"),
    ("tribe.names.manager", "Person/AccountManager"),
    ("tribe.names.function", "Note"),
];

/// Findings by name, without those that are well.
async fn findings(config: &Config, subjects: &Subjects) -> BTreeMap<&'static str, Check> {
    let checks = examine(config, subjects).await;
    let unwell = checks
        .into_iter()
        .filter(|check| check.status != Status::Ok);
    unwell.map(|check| (check.name, check)).collect()
}

#[tokio::test]
async fn what_is_well_is_said_to_be_and_the_rest_comes_with_advice() {
    let checks = examine(&config(&USUAL), &healthy()).await;
    let shown: Vec<_> = checks
        .iter()
        .map(|check| (check.name, check.status))
        .collect();
    use Status::{Fail, Ok, Warn};
    assert_eq!(
        shown,
        [
            ("configuration", Ok),
            ("admin API", Ok),
            ("database", Fail),
            ("public address", Warn),
            ("Tribe sign-in", Ok),
            ("Tribe sets", Ok),
            ("Tribe name of manager", Ok),
            ("Tribe name of owners", Ok),
            ("Tribe name of former", Ok),
            ("Tribe name of function", Ok),
            ("Tribe webhooks", Ok),
            ("Microsoft discovery", Ok),
            ("clock", Ok),
            ("Microsoft sign-in", Ok),
        ]
    );
    assert!(
        checks
            .iter()
            .all(|check| (check.status == Ok) == check.advice.is_none())
    );
    assert!(!is_well(&checks));
}

#[tokio::test]
async fn wrong_names_are_told_from_missing_ones() {
    let mut pairs = USUAL.to_vec();
    pairs.retain(|(key, _)| !key.starts_with("tribe.names"));
    pairs.push(("tribe.names.owners", "Owners,Person/Owners"));
    let found = findings(&config(&pairs), &healthy()).await;
    let manager = &found["Tribe name of manager"];
    assert_eq!(manager.status, Status::Fail);
    assert!(
        manager
            .advice
            .as_ref()
            .expect("advice")
            .contains("tribe.names.manager")
    );
    assert_eq!(found["Tribe name of owners"].status, Status::Warn);
    assert_eq!(found["Tribe name of function"].status, Status::Warn);
    assert!(!found.contains_key("Tribe name of former"));
}

#[tokio::test]
async fn missing_webhooks_are_listed_when_they_are_registered_by_hand() {
    let mut subjects = healthy();
    subjects.crm = Ok(Arc::new(Tribe {
        identity: Ok(OrganizationId(Uuid::from_u128(1))),
        webhooks: vec![webhook("Relation.Person")],
    }));
    let advice =
        |found: BTreeMap<&str, Check>| found["Tribe webhooks"].advice.clone().expect("advice");
    let own = advice(findings(&config(&USUAL), &subjects).await);
    assert!(own.contains("registers them"), "{own}");
    let mut pairs = USUAL.to_vec();
    pairs.push(("tribe.register_webhooks", "false"));
    let by_hand = advice(findings(&config(&pairs), &subjects).await);
    let line = "Relation.Organization → https://link.example/webhooks/tribe/default";
    assert!(
        by_hand.contains(line) && !by_hand.contains("Relation.Person →"),
        "{by_hand}"
    );
}

#[tokio::test]
async fn refused_applications_name_their_keys() {
    let mut subjects = healthy();
    let refused = || Error::Application("invalid_client".to_owned());
    subjects.crm = Ok(Arc::new(Tribe {
        identity: Err(refused()),
        webhooks: Vec::new(),
    }));
    subjects.sign_in = Ok(Arc::new(Microsoft(refused())));
    let found = findings(&config(&USUAL), &subjects).await;
    for (name, key) in [
        ("Tribe sign-in", "tribe.client_secret"),
        ("Microsoft sign-in", "microsoft.client_secret"),
    ] {
        assert_eq!(found[name].status, Status::Fail);
        assert!(found[name].advice.as_ref().expect("advice").contains(key));
    }
    assert!(
        !found.contains_key("Tribe name of manager"),
        "nothing further is asked of Tribe"
    );
}

#[tokio::test]
async fn a_wrong_clock_and_a_wrong_directory_are_noticed() {
    let mut subjects = healthy();
    let later = |s| {
        "2026-11-24T12:00:00Z"
            .parse::<Timestamp>()
            .expect("a time")
            .as_millisecond()
            + s
    };
    let status = |found: BTreeMap<&str, Check>| found.get("clock").map(|check| check.status);
    for (skew, expected) in [
        (20_000, None),
        (-40_000, Some(Status::Warn)),
        (400_000, Some(Status::Fail)),
        (-400_000, Some(Status::Fail)),
    ] {
        subjects.clock = Arc::new(At(later(skew)));
        assert_eq!(
            status(findings(&config(&USUAL), &subjects).await),
            expected,
            "{skew}"
        );
    }
    subjects.transport = Ok(Arc::new(Answers(StatusCode::BAD_REQUEST)));
    let found = findings(&config(&USUAL), &subjects).await;
    assert!(
        found["Microsoft discovery"]
            .advice
            .as_ref()
            .expect("advice")
            .contains("microsoft.tenant")
    );
}

#[tokio::test]
async fn an_unusable_configuration_is_a_list_of_findings() {
    let problems = Config::from_pairs([]).expect_err("incomplete");
    let checks = of_problems(&problems);
    assert_eq!(checks.len(), problems.0.len());
    assert!(!is_well(&checks) && checks[0].detail.contains("security.encryption_keys"));
}

#[tokio::test]
async fn short_and_missing_admin_tokens_are_warned_of() {
    for token in [None, Some(("security.admin_token", "short"))] {
        let mut pairs = USUAL.to_vec();
        pairs.remove(1);
        pairs.extend(token);
        let found = findings(&config(&pairs), &healthy()).await;
        assert_eq!(found["admin API"].status, Status::Warn);
    }
}

/// A public address behind which something answers with this text.
struct Front(&'static str);

#[async_trait]
impl Transport for Front {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let (status, body) = match request.url.path() {
            "/healthz" => (StatusCode::OK, "ok".to_owned()),
            "/webhooks/graph/notifications" => {
                let token = request
                    .url
                    .query_pairs()
                    .next()
                    .expect("a token")
                    .1
                    .into_owned();
                (StatusCode::OK, self.0.replace("{token}", &token))
            }
            _ => (StatusCode::NOT_FOUND, String::new()),
        };
        Ok(Response {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
        })
    }
}

#[tokio::test]
async fn a_front_that_answers_the_handshake_itself_is_found_out() {
    let status = |found: BTreeMap<&str, Check>| found.get("handshake").map(|check| check.status);
    let mut subjects = healthy();
    for (front, expected) in [
        ("{token}", None),
        ("<html>Please sign in</html>", Some(Status::Fail)),
        ("{token}\n", Some(Status::Fail)),
    ] {
        subjects.transport = Ok(Arc::new(Front(front)));
        let found = findings(&config(&USUAL), &subjects).await;
        assert!(!found.contains_key("public address"), "{found:?}");
        assert_eq!(status(found), expected, "{front}");
    }
}
