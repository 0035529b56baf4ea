//! Both remotes, time, chance and the engine, as far as the edge asks them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tribelink::{
    clock::Clock,
    graph::{
        Authorize, Call, ContactPage, DeltaPage, Done, Folder, Identity, Issued, Me,
        NewSubscription, Op, Outlook, Publisher, SignIn, SubscriptionInfo,
    },
    ports::{
        BothCards, CannotConnect, CardField, Cards, Condition, Crms, Explainer, Explanation, Wake,
    },
    random::Random,
    remote::Error,
    store::{Lane, User},
    tribe::{
        ChangedRecord, Crm, Employee, EntityKind, Named, Next, Page, Record, RegisteredWebhook,
        SweepRow, Written,
    },
};
use tribelink_plan::{
    field::{Direction, Field},
    ids::{EmployeeId, EnvironmentId, OrganizationId, PersonId, RelationshipId, SetName, UserId},
    link::LinkState,
    person::Person,
    rule::Rule,
};

/// What no test of the edge asks for.
fn unasked<T>() -> Result<T, Error> {
    Err(Error::Rejected {
        status: 400,
        code: "notAskedForInTheseTests".to_owned(),
    })
}

/// Time that moves when it is told to, or waited for.
pub(crate) struct FrozenClock(AtomicI64);

impl FrozenClock {
    pub(crate) fn new(now_ms: i64) -> FrozenClock {
        FrozenClock(AtomicI64::new(now_ms))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for FrozenClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
        tokio::task::yield_now().await;
    }
}

/// Different bytes each time, the same ones in each run.
#[derive(Default)]
pub(crate) struct CountingRandom(AtomicU64);

impl Random for CountingRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            chunk.copy_from_slice(&number.to_be_bytes()[..chunk.len()]);
        }
    }
}

/// Remembers who was woken and stopped.
#[derive(Default)]
pub(crate) struct Woken {
    pub(crate) lanes: Mutex<Vec<Lane>>,
    pub(crate) stopped: Mutex<Vec<UserId>>,
}

impl Wake for Woken {
    fn lane(&self, lane: &Lane) {
        self.lanes.lock().unwrap().push(lane.clone());
    }

    fn stop(&self, user: UserId) {
        self.stopped.lock().unwrap().push(user);
    }
}

/// Tribe: employees, and people by their ids alone.
#[derive(Default)]
pub(crate) struct FakeCrm {
    pub(crate) employees: Mutex<BTreeMap<EmployeeId, Employee>>,
    pub(crate) people: Mutex<Vec<PersonId>>,
    pub(crate) named: Mutex<Vec<Named>>,
    pub(crate) fails: Mutex<Option<Error>>,
}

impl FakeCrm {
    fn asked(&self) -> Result<(), Error> {
        match self.fails.lock().unwrap().clone() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Crm for FakeCrm {
    async fn people(&self, _: &[PersonId]) -> Result<Vec<Person>, Error> {
        unasked()
    }

    async fn person(&self, id: PersonId) -> Result<Option<Person>, Error> {
        self.asked()?;
        let is_known = self.people.lock().unwrap().contains(&id);
        Ok(is_known.then(|| Person {
            id,
            fields: BTreeMap::new(),
            relationships: Vec::new(),
        }))
    }

    async fn people_of_relationships(
        &self,
        _: &SetName,
        _: &[RelationshipId],
    ) -> Result<Vec<Person>, Error> {
        unasked()
    }

    async fn entity(&self, _: uuid::Uuid) -> Result<Option<EntityKind>, Error> {
        unasked()
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
        unasked()
    }

    async fn sweep(&self, _: &SetName, _: Option<Next>) -> Result<Page<SweepRow>, Error> {
        unasked()
    }

    async fn people_of_organization(&self, _: OrganizationId) -> Result<Vec<PersonId>, Error> {
        unasked()
    }

    async fn update(
        &self,
        _: &Record,
        _: &BTreeMap<Field, Option<String>>,
    ) -> Result<Written, Error> {
        unasked()
    }

    async fn employee(&self, id: EmployeeId) -> Result<Option<Employee>, Error> {
        self.asked()?;
        Ok(self.employees.lock().unwrap().get(&id).cloned())
    }

    async fn employees_by_email(&self, email: &str) -> Result<Vec<Employee>, Error> {
        self.asked()?;
        let has = |address: &Option<String>| {
            let address = address.as_deref();
            address.is_some_and(|address| address.eq_ignore_ascii_case(email))
        };
        let employees = self.employees.lock().unwrap();
        let found = employees
            .values()
            .filter(|one| has(&one.email) || has(&one.person_email));
        Ok(found.cloned().collect())
    }

    async fn people_by_name(&self, words: &[String]) -> Result<(Vec<Named>, bool), Error> {
        self.asked()?;
        let named = self.named.lock().unwrap();
        let has = |one: &Named, word: &String| {
            let parts = [&one.initials, &one.first, &one.insertion, &one.surname];
            let word = word.to_lowercase();
            let mut parts = parts.into_iter().flatten();
            parts.any(|part| part.to_lowercase().contains(&word))
        };
        let found = named
            .iter()
            .filter(|one| words.iter().all(|word| has(one, word)));
        Ok((found.cloned().collect(), false))
    }

    async fn identity(&self) -> Result<OrganizationId, Error> {
        unasked()
    }

    async fn webhooks(&self) -> Result<Vec<RegisteredWebhook>, Error> {
        unasked()
    }

    async fn register_webhook(
        &self,
        _: &str,
        _: &str,
        _: (&str, &str),
    ) -> Result<RegisteredWebhook, Error> {
        unasked()
    }

    async fn remove_webhook(&self, _: &str) -> Result<(), Error> {
        unasked()
    }

    async fn metadata(&self) -> Result<String, Error> {
        unasked()
    }
}

/// One CRM for every environment of a name that was told.
pub(crate) struct FakeCrms {
    pub(crate) crm: Arc<FakeCrm>,
    pub(crate) names: Vec<&'static str>,
}

#[async_trait]
impl Crms for FakeCrms {
    async fn crm(&self, environment: &EnvironmentId) -> Result<Option<Arc<dyn Crm>>, Error> {
        let is_known = self.names.contains(&environment.as_str());
        Ok(is_known.then(|| self.crm.clone() as Arc<dyn Crm>))
    }

    async fn authorize_url(
        &self,
        environment: &EnvironmentId,
        _: &str,
        _: &str,
    ) -> Result<url::Url, CannotConnect> {
        match self.names.contains(&environment.as_str()) {
            true => Err(CannotConnect::NotByCode),
            false => Err(CannotConnect::Unknown),
        }
    }

    async fn connect(
        &self,
        environment: &EnvironmentId,
        _: &str,
        _: &str,
    ) -> Result<(), CannotConnect> {
        self.authorize_url(environment, "", "").await.map(drop)
    }
}

/// Microsoft's sign-in: a code is `object id`, a refresh token names how often it was renewed.
#[derive(Default)]
pub(crate) struct FakeSignIn {
    /// Addresses by object id: what the id_token of that code names.
    pub(crate) addresses: Mutex<BTreeMap<String, String>>,
    /// (challenge, nonce) of each authorize URL, in order.
    pub(crate) authorized: Mutex<Vec<(String, String)>>,
    /// (code, verifier, nonce, redirect_uri) of each exchange.
    pub(crate) exchanged: Mutex<Vec<(String, String, String, String)>>,
    /// Refresh tokens as they came in.
    pub(crate) refreshed: Mutex<Vec<String>>,
    /// What refreshes answer, first; afterwards they succeed.
    pub(crate) failures: Mutex<VecDeque<Error>>,
    /// Whether exchanges come without a refresh token.
    pub(crate) without_refresh: Mutex<bool>,
}

pub(crate) const TENANT: &str = "11111111-1111-4111-8111-111111111111";

#[async_trait]
impl Publisher for FakeSignIn {
    async fn publishes(&self, _: &str) -> Result<(), Error> {
        unasked()
    }
}

#[async_trait]
impl SignIn for FakeSignIn {
    fn authorize_url(&self, authorize: &Authorize<'_>) -> Result<url::Url, Error> {
        let asked = (authorize.challenge.to_owned(), authorize.nonce.to_owned());
        self.authorized.lock().unwrap().push(asked);
        let mut url = url::Url::parse("https://login.example/authorize").unwrap();
        url.query_pairs_mut()
            .append_pair("state", authorize.state)
            .append_pair("nonce", authorize.nonce)
            .append_pair("code_challenge", authorize.challenge)
            .append_pair("redirect_uri", authorize.redirect_uri)
            .append_pair("login_hint", authorize.login_hint.unwrap_or_default());
        Ok(url)
    }

    async fn exchange(
        &self,
        code: &str,
        verifier: &SecretString,
        nonce: &str,
        redirect_uri: &str,
    ) -> Result<(Issued, Identity), Error> {
        self.exchanged.lock().unwrap().push((
            code.to_owned(),
            verifier.expose_secret().to_owned(),
            nonce.to_owned(),
            redirect_uri.to_owned(),
        ));
        if code == "refused" {
            return Err(Error::Application("AADSTS7000215".to_owned()));
        }
        let without_refresh = *self.without_refresh.lock().unwrap();
        let issued = Issued {
            access: SecretString::from(format!("access-{code}")),
            refresh: (!without_refresh).then(|| SecretString::from(format!("refresh-{code}"))),
            expires_in: 3_600,
        };
        let identity = Identity {
            tenant: TENANT.to_owned(),
            object: code.to_owned(),
            address: self.addresses.lock().unwrap().get(code).cloned(),
        };
        Ok((issued, identity))
    }

    async fn refresh(&self, refresh: &SecretString) -> Result<Issued, Error> {
        let refresh = refresh.expose_secret().to_owned();
        self.refreshed.lock().unwrap().push(refresh.clone());
        // Others get their turn here: what is not gated would run at the same time.
        tokio::task::yield_now().await;
        if let Some(error) = self.failures.lock().unwrap().pop_front() {
            return Err(error);
        }
        Ok(Issued {
            access: SecretString::from(format!("access-of-{refresh}")),
            refresh: Some(SecretString::from(format!("{refresh}+"))),
            expires_in: 3_600,
        })
    }
}

/// Graph: `/me` by access token, and which subscriptions were ended.
#[derive(Default)]
pub(crate) struct FakeOutlook {
    /// `access-<object id>` is the mailbox of that address.
    pub(crate) mailboxes: Mutex<BTreeMap<String, String>>,
    pub(crate) unsubscribed: Mutex<Vec<(String, String)>>,
    pub(crate) fails: Mutex<Option<Error>>,
}

#[async_trait]
impl Outlook for FakeOutlook {
    async fn run(&self, _: &Call<'_>, _: &[Op]) -> Result<Vec<Result<Done, Error>>, Error> {
        unasked()
    }

    async fn list(&self, _: &Call<'_>, _: &Folder, _: Option<&str>) -> Result<ContactPage, Error> {
        unasked()
    }

    async fn folders(&self, _: &Call<'_>) -> Result<Vec<Folder>, Error> {
        unasked()
    }

    async fn delta(&self, _: &Call<'_>, _: &Folder, _: Option<&str>) -> Result<DeltaPage, Error> {
        unasked()
    }

    async fn subscribe(
        &self,
        _: &Call<'_>,
        _: &NewSubscription,
    ) -> Result<SubscriptionInfo, Error> {
        unasked()
    }

    async fn renew(&self, _: &Call<'_>, _: &str, _: Timestamp) -> Result<SubscriptionInfo, Error> {
        unasked()
    }

    async fn subscriptions(&self, _: &Call<'_>) -> Result<Vec<SubscriptionInfo>, Error> {
        unasked()
    }

    async fn unsubscribe(&self, call: &Call<'_>, id: &str) -> Result<(), Error> {
        let token = call.token.expose_secret().to_owned();
        self.unsubscribed
            .lock()
            .unwrap()
            .push((id.to_owned(), token));
        match self.fails.lock().unwrap().clone() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    async fn me(&self, call: &Call<'_>) -> Result<Me, Error> {
        let token = call.token.expose_secret();
        let id = token.strip_prefix("access-").unwrap_or_default();
        let mail = self.mailboxes.lock().unwrap().get(id).cloned();
        let mail = mail.ok_or(Error::Unauthorised)?;
        Ok(Me {
            id: id.to_owned(),
            mail: Some(mail),
            user_principal_name: None,
        })
    }
}

/// Explains the people it was told.
#[derive(Default)]
pub(crate) struct FakeExplainer {
    pub(crate) people: Mutex<Vec<PersonId>>,
}

#[async_trait]
impl Cards for FakeExplainer {
    async fn cards(&self, _: &User, person: PersonId) -> Result<Option<BothCards>, Error> {
        let is_known = self.people.lock().unwrap().contains(&person);
        Ok(is_known.then(|| BothCards {
            link: Some(LinkState::Linked),
            in_tribe: true,
            in_outlook: Some(true),
            fields: vec![CardField {
                field: Field::FirstName,
                tribe: Some("Anna".to_owned()),
                outlook: Some("Anne".to_owned()),
                tribe_stands: Some(true),
                outlook_stands: Some(false),
                direction: Direction::Both,
            }],
        }))
    }
}

#[async_trait]
impl Explainer for FakeExplainer {
    async fn explain(&self, _: &User, person: PersonId) -> Result<Option<Explanation>, Error> {
        let is_known = self.people.lock().unwrap().contains(&person);
        Ok(is_known.then(|| Explanation {
            rule: Rule::R9,
            eligible: false,
            conditions: vec![Condition {
                name: "manager_or_owner".to_owned(),
                holds: false,
                detail: "nobody names the employee".to_owned(),
            }],
            would_sync_if: vec!["the employee becomes owner".to_owned()],
        }))
    }
}
