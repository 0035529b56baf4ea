//! One type for each kind of id, so that a CRM id can never be passed as a Graph id.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! guid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as the remote wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

guid!(
    /// A `Relation_Person` of Tribe.
    PersonId
);
guid!(
    /// An employee of Tribe: the id of a `Relationship_Person_Contact_Employee` record.
    EmployeeId
);
guid!(
    /// A person-type relationship of Tribe.
    RelationshipId
);
guid!(
    /// A `Relation_Organization` of Tribe.
    OrganizationId
);
guid!(
    /// A user of this service: one employee's link to one mailbox.
    UserId
);
opaque!(
    /// The connector ID: a Graph contact, by its immutable id. Case-sensitive.
    ContactId
);
opaque!(
    /// A Graph contact's `@odata.etag`.
    Etag
);
opaque!(
    /// A Graph contact folder.
    FolderId
);
opaque!(
    /// A Tribe entity set, such as `Relationship_Person_Contact_Standard`.
    SetName
);
opaque!(
    /// An environment (one Tribe organisation), by its short name, such as `default`.
    EnvironmentId
);
