//! What the engine asks of Tribe CRM.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use tribelink_plan::{
    field::Field,
    ids::{EmployeeId, OrganizationId, PersonId, RelationshipId, SetName},
    person::{Person, Relationship},
    reading::Reading,
};

use crate::remote::Error;

/// What kind of record an id belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntityKind {
    /// A person.
    Person,
    /// A person-type relationship, in that set.
    Relationship(SetName),
    /// An organisation.
    Organization,
    /// Something that has no part in the synchronisation.
    Other,
}

/// An employee as far as the service needs to know one.
#[derive(Clone)]
pub struct Employee {
    /// Its id.
    pub id: EmployeeId,
    /// The person behind it.
    pub person: Option<PersonId>,
    /// `Name`; for the page, never stored.
    pub name: Option<String>,
    /// `EmailAddress` of the employee relationship.
    pub email: Option<String>,
    /// `EmailAddress` of its person.
    pub person_email: Option<String>,
    /// Marked as former.
    pub former: bool,
}

/// A person as a search shows one: its name alone. No `Debug`: it holds personal values.
#[derive(Clone)]
pub struct Named {
    /// Its id.
    pub id: PersonId,
    /// `Initials`
    pub initials: Option<String>,
    /// `FirstName`
    pub first: Option<String>,
    /// `MiddleName`
    pub insertion: Option<String>,
    /// `LastName`
    pub surname: Option<String>,
}

/// One row of a poll: a record that was created or changed since a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedRecord {
    /// The person concerned, where the row tells.
    pub person: Option<PersonId>,
    /// The organisation, for rows of `Relation_Organization`.
    pub organization: Option<OrganizationId>,
}

/// One row of a sweep: what decides on eligibility, and the organisation's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepRow {
    /// Whose.
    pub person: PersonId,
    /// The relationship without its fields (`fields` is empty).
    pub relationship: Relationship,
}

/// A page of a listing by `$skip`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// What to ask for next; `None` after the last page. A listing ends on an empty page, not on a
    /// short one (Tribe reference 3.4).
    pub next: Option<Next>,
}

/// Where a listing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// At this row.
    Skip(usize),
    /// At this `@odata.nextLink`, of the same origin.
    Link(String),
}

/// Which record a write goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The person.
    Person(PersonId),
    /// A relationship, in its set.
    Relationship(SetName, RelationshipId),
}

/// What a PUT answered: the mapped fields as its body showed them; empty for an answer without body.
pub type Written = BTreeMap<Field, Reading>;

/// A webhook as Tribe lists it.
#[derive(Clone)]
pub struct RegisteredWebhook {
    /// Tribe's id.
    pub id: String,
    /// Dotted type.
    pub entity_type: String,
    /// Where it delivers.
    pub url: String,
    /// Its secret, where the answer has one.
    pub secret: Option<String>,
}

/// Tribe CRM for one environment. Holds its own token and refreshes it once on a 401.
///
/// # Errors
/// Reads fail with [`Error::Transient`], [`Error::Throttled`] or [`Error::Unusable`]: repeat later.
/// [`Crm::update`] may fail with [`Error::OutcomeUnknown`]: read again and plan again.
#[async_trait]
pub trait Crm: Send + Sync {
    /// How many calls may be in flight from this process, from now on.
    fn set_in_flight(&self, calls: usize) {
        let _ = calls;
    }

    /// Until when no call may be made, as far as this process was told; 0: it was not.
    fn rests_until_ms(&self) -> i64 {
        0
    }

    /// Another process was told to make no call before then.
    fn rest_until(&self, until_ms: i64) {
        let _ = until_ms;
    }

    /// People with all their person-type relationships, at most 100 for each request. One that is
    /// absent from the answer is unread, not deleted.
    async fn people(&self, ids: &[PersonId]) -> Result<Vec<Person>, Error>;

    /// One person by a read of its id: `None` confirms that it does not exist.
    async fn person(&self, id: PersonId) -> Result<Option<Person>, Error>;

    /// The people behind relationships of one set, with all their relationships, at most 100 for
    /// each request. Absent is unread.
    async fn people_of_relationships(
        &self,
        set: &SetName,
        ids: &[RelationshipId],
    ) -> Result<Vec<Person>, Error>;

    /// What an id belongs to, when its type is unknown; `None`: no such record now.
    async fn entity(&self, id: uuid::Uuid) -> Result<Option<EntityKind>, Error>;

    /// The kind of record that a dotted entity type means.
    fn kind_of(&self, entity_type: &str) -> EntityKind;

    /// The sets to poll and sweep: the person set first, then `Relation_Organization`, then every
    /// configured person-type set.
    fn sets(&self) -> Vec<SetName>;

    /// Rows of a set that were created or changed at or after `since`.
    async fn changed(
        &self,
        set: &SetName,
        since: Timestamp,
        next: Option<Next>,
    ) -> Result<Page<ChangedRecord>, Error>;

    /// Every row of a person-type set with manager, owners, former mark and organisation.
    async fn sweep(&self, set: &SetName, next: Option<Next>) -> Result<Page<SweepRow>, Error>;

    /// The people that have a relationship with an organisation.
    async fn people_of_organization(&self, id: OrganizationId) -> Result<Vec<PersonId>, Error>;

    /// Writes just these fields of one record (`None` empties), by a partial PUT.
    async fn update(
        &self,
        record: &Record,
        fields: &BTreeMap<Field, Option<String>>,
    ) -> Result<Written, Error>;

    /// One employee by a read of its id: `None` confirms that it does not exist.
    async fn employee(&self, id: EmployeeId) -> Result<Option<Employee>, Error>;

    /// Employees whose e-mail address, or whose person's, equals this one, compared in code.
    async fn employees_by_email(&self, email: &str) -> Result<Vec<Employee>, Error>;

    /// People in whose names each of these words stands somewhere, upper or lower case alike: a hundred
    /// at most, and whether there are more.
    async fn people_by_name(&self, words: &[String]) -> Result<(Vec<Named>, bool), Error>;

    /// The organisation that "we" are.
    async fn identity(&self) -> Result<OrganizationId, Error>;

    /// The registered webhooks.
    async fn webhooks(&self) -> Result<Vec<RegisteredWebhook>, Error>;

    /// Registers a webhook with one custom header.
    async fn register_webhook(
        &self,
        entity_type: &str,
        url: &str,
        header: (&str, &str),
    ) -> Result<RegisteredWebhook, Error>;

    /// Removes one of this service's webhooks.
    async fn remove_webhook(&self, id: &str) -> Result<(), Error>;

    /// The names that `$metadata` knows: sets and properties, for `doctor`.
    async fn metadata(&self) -> Result<String, Error>;
}
