//! The switches of Tribe CRM: names and behaviour that its reference marks unknown or assumed.

use serde::{Deserialize, Serialize};

/// Names that the reference marks unknown (4.5, 4.6, 4.7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Names {
    /// Link to the relationship manager, an Employee.
    pub manager: String,
    /// Links to the owners, Employees.
    pub owners: String,
    /// The former mark on a relationship.
    pub former: String,
    /// The function of a contact.
    pub function: String,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            manager: "AccountManager".to_owned(),
            owners: "Owners".to_owned(),
            former: "IsFormer".to_owned(),
            function: "FunctionOnBusinessCard".to_owned(),
        }
    }
}

/// Where manager and owners stand (4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// On every relationship.
    Relationship,
    /// On the Person.
    Person,
    /// On commercial relationships: a contact's are those of its parent organisation.
    Organization,
}

/// Which mutation a webhook reports (6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mutations {
    /// Records of `Relationship…` types report `Relationship…Mutation` with their own id in
    /// `relationshipId`; all others `Entity…Mutation`.
    ByRecord,
    /// Every record reports `Entity…Mutation`; a link set or taken away reports a
    /// `Relationship…Mutation` whose `relationshipId` is the link's own, which no read finds.
    ByLink,
}

/// All switches. `names` and `places` shape the data: they take a reset.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Names marked unknown.
    pub names: Names,
    /// Where manager and owners stand.
    pub places: Vec<Place>,
    /// Whether `+` in a query is a space (3.3, 10).
    pub plus_is_space: bool,
    /// Whether `eq` on strings ignores case (3.3).
    pub eq_ignores_case: bool,
    /// Whether `LastMutationDate` is set from the creation on, rather than from the first change (3.8).
    pub mutation_date_at_creation: bool,
    /// Whether a change of a person moves the `LastMutationDate` of its relationships (3.8).
    pub touch_relationships: bool,
    /// Whether a webhook on a base type hears of its subtypes (6.4).
    pub base_types_cover: bool,
    /// Which mutation a webhook reports.
    pub mutations: Mutations,
    /// Header that carries the signature (6.3).
    pub signature_header: String,
    /// Whether registering a webhook by API returns its secret (6.1).
    pub return_secret: bool,
    /// Whether each webhook has a secret of its own, rather than the configured one.
    pub secret_per_webhook: bool,
    /// Records per page without `$top` (3.4).
    pub page_default: usize,
    /// Records per page at most; a larger `$top` is cut to it.
    pub page_max: usize,
    /// Whether a full page carries `@odata.nextLink` (3.4).
    pub next_link: bool,
    /// Waits before each repetition of a delivery that was not answered 2xx, in milliseconds. The
    /// reference knows of no retry policy: three times, ever later, is an assumption.
    pub retries_ms: Vec<u64>,
    /// How long a receiver may take.
    pub webhook_timeout_ms: u64,
    /// Life of an access token (2.4).
    pub access_seconds: u32,
    /// Life of a refresh token: 30 days, the default of the sign-in server named in 1.
    pub refresh_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            names: Names::default(),
            places: vec![Place::Relationship, Place::Organization],
            plus_is_space: true,
            eq_ignores_case: false,
            mutation_date_at_creation: false,
            touch_relationships: false,
            base_types_cover: false,
            mutations: Mutations::ByRecord,
            signature_header: "X-Tribe-Signature".to_owned(),
            return_secret: true,
            secret_per_webhook: false,
            page_default: 100,
            page_max: 1000,
            next_link: false,
            retries_ms: vec![1_000, 5_000, 25_000],
            webhook_timeout_ms: 10_000,
            access_seconds: 3_600,
            refresh_seconds: 30 * 24 * 3_600,
        }
    }
}
