//! Which types there are, with which properties and links (Tribe reference 4).

use std::collections::BTreeMap;

use super::settings::{Place, Settings};

/// What a property holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// GUID.
    Guid,
    /// String.
    Text,
    /// Boolean.
    Bool,
    /// 32-bit integer.
    Int,
    /// Floating point.
    Double,
    /// `YYYY-MM-DD`.
    Date,
    /// Point in time.
    Time,
}

impl Kind {
    /// Its name in the metadata.
    #[must_use]
    pub fn edm(self) -> &'static str {
        match self {
            Self::Guid => "Edm.Guid",
            Self::Text => "Edm.String",
            Self::Bool => "Edm.Boolean",
            Self::Int => "Edm.Int32",
            Self::Double => "Edm.Double",
            Self::Date => "Edm.Date",
            Self::Time => "Edm.DateTimeOffset",
        }
    }
}

/// A property.
#[derive(Clone, Debug)]
pub struct Prop {
    /// API name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Worked out by Tribe: writing it is ignored.
    pub computed: bool,
}

/// Where a link is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// On the record itself.
    Own,
    /// On the other records, under one of these names.
    Back(&'static [&'static str]),
}

/// A link to one or many records.
#[derive(Clone, Debug)]
pub struct Nav {
    /// API name.
    pub name: String,
    /// Dotted type of the other end.
    pub target: String,
    /// Whether it holds many.
    pub many: bool,
    /// Where it is kept.
    pub via: Via,
}

/// A type.
#[derive(Clone, Debug)]
pub struct Type {
    /// Dotted name.
    pub name: String,
    /// The type it extends.
    pub parent: Option<String>,
    /// A base type is read, updated and deleted through, never created.
    pub base: bool,
    /// Own properties.
    pub props: Vec<Prop>,
    /// Own links.
    pub navs: Vec<Nav>,
    /// Properties and links without which nothing is created.
    pub mandatory: Vec<&'static str>,
}

/// All types.
#[derive(Clone, Debug)]
pub struct Schema {
    types: BTreeMap<String, Type>,
    sets: BTreeMap<String, String>,
}

/// A tenant-made person type, recorded once at a city: "resident" (4.4).
pub const CUSTOM_PERSON: &str = "e0d6534a-cc84-4cf7-bdc5-d32f9311c09e";
/// A tenant-made field on persons (3.1).
pub const CUSTOM_FIELD: &str = "9ecc8d21-0f6f-4f2c-8a6e-3b1a7c1d5e42";

/// Employees.
pub const EMPLOYEE: &str = "Relationship.Person.Contact.Employee";
/// Contacts of an organisation.
pub const CONTACT: &str = "Relationship.Person.Contact.Standard";
/// People.
pub const PERSON: &str = "Relation.Person";
/// Organisations.
pub const ORGANIZATION: &str = "Relation.Organization";

const TEXT: Kind = Kind::Text;

/// The API name of a tenant-made type or field: hyphens doubled as underscores, and one in front
/// where the GUID starts with a digit (3.1, as observed).
#[must_use]
pub fn custom_name(guid: &str) -> String {
    let name = guid.replace('-', "__");
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

/// The set name of a dotted type.
#[must_use]
pub fn set_name(kind: &str) -> String {
    if uuid::Uuid::parse_str(kind).is_ok() {
        custom_name(kind)
    } else {
        kind.replace('.', "_")
    }
}

fn props(kind: Kind, names: &[&str]) -> Vec<Prop> {
    names
        .iter()
        .map(|name| Prop {
            name: (*name).to_owned(),
            kind,
            computed: false,
        })
        .collect()
}

fn computed(kind: Kind, names: &[&str]) -> Vec<Prop> {
    names
        .iter()
        .map(|name| Prop {
            name: (*name).to_owned(),
            kind,
            computed: true,
        })
        .collect()
}

fn one(name: &str, target: &str) -> Nav {
    Nav {
        name: name.to_owned(),
        target: target.to_owned(),
        many: false,
        via: Via::Own,
    }
}

fn many(name: &str, target: &str) -> Nav {
    Nav {
        name: name.to_owned(),
        target: target.to_owned(),
        many: true,
        via: Via::Own,
    }
}

fn back(name: &str, target: &str, via: &'static [&'static str]) -> Nav {
    Nav {
        name: name.to_owned(),
        target: target.to_owned(),
        many: true,
        via: Via::Back(via),
    }
}

struct Builder {
    types: BTreeMap<String, Type>,
}

impl Builder {
    fn add(
        &mut self,
        name: &str,
        parent: &str,
        base: bool,
        props: Vec<Prop>,
        navs: Vec<Nav>,
        mandatory: &[&'static str],
    ) {
        let kind = Type {
            name: name.to_owned(),
            parent: (!parent.is_empty()).then(|| parent.to_owned()),
            base,
            props,
            navs,
            mandatory: mandatory.to_vec(),
        };
        self.types.insert(name.to_owned(), kind);
    }

    fn leaf(&mut self, name: &str, parent: &str) {
        self.add(name, parent, false, vec![], vec![], &[]);
    }
}

impl Schema {
    /// The types as the switches name and place things.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let mut b = Builder {
            types: BTreeMap::new(),
        };
        let at = |place| {
            let names = &settings.names;
            let here = settings.places.contains(&place);
            let navs = vec![one(&names.manager, EMPLOYEE), many(&names.owners, EMPLOYEE)];
            if here { navs } else { vec![] }
        };
        entity(&mut b);
        relations(&mut b, at(Place::Person));
        relationships(&mut b, settings, &at);
        lookups(&mut b);
        let sets = b
            .types
            .keys()
            .map(|name| (set_name(name), name.clone()))
            .collect();
        Self {
            types: b.types,
            sets,
        }
    }

    /// Every type by name.
    pub fn types(&self) -> impl Iterator<Item = &Type> {
        self.types.values()
    }

    /// A type by its dotted name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Type> {
        self.types.get(name)
    }

    /// A type by its set's name.
    #[must_use]
    pub fn by_set(&self, set: &str) -> Option<&Type> {
        self.sets.get(set).and_then(|name| self.types.get(name))
    }

    /// The type itself and those it extends, the root last.
    pub fn lineage<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Type> {
        std::iter::successors(self.types.get(name), |kind| {
            self.types.get(kind.parent.as_deref()?)
        })
    }

    /// Whether a type is another or extends it.
    #[must_use]
    pub fn is_a(&self, name: &str, ancestor: &str) -> bool {
        self.lineage(name).any(|kind| kind.name == ancestor)
    }

    /// Names of the type itself and of all that extend it.
    pub fn family<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.types
            .keys()
            .map(String::as_str)
            .filter(move |kind| self.is_a(kind, name))
    }

    /// A property of exactly this type (inherited ones included).
    #[must_use]
    pub fn prop(&self, kind: &str, name: &str) -> Option<&Prop> {
        self.lineage(kind)
            .find_map(|t| t.props.iter().find(|p| p.name == name))
    }

    /// A link of exactly this type (inherited ones included).
    #[must_use]
    pub fn nav(&self, kind: &str, name: &str) -> Option<&Nav> {
        self.lineage(kind)
            .find_map(|t| t.navs.iter().find(|n| n.name == name))
    }

    /// A property of the type, or of one that extends it: base sets answer with whole records.
    #[must_use]
    pub fn prop_within(&self, kind: &str, name: &str) -> Option<&Prop> {
        self.prop(kind, name)
            .or_else(|| self.family(kind).find_map(|sub| self.prop(sub, name)))
    }

    /// A link of the type, or of one that extends it.
    #[must_use]
    pub fn nav_within(&self, kind: &str, name: &str) -> Option<&Nav> {
        self.nav(kind, name)
            .or_else(|| self.family(kind).find_map(|sub| self.nav(sub, name)))
    }
}

fn entity(b: &mut Builder) {
    // 4.1; `_Name` and `ImportId` are newer than the recordings.
    let mut fields = computed(Kind::Guid, &["ID"]);
    fields.extend(computed(TEXT, &["_Type", "_Name"]));
    fields.extend(computed(Kind::Time, &["CreationDate", "LastMutationDate"]));
    fields.extend(props(
        Kind::Date,
        &["Start", "End", "Deadline", "CloseDate"],
    ));
    fields.extend(props(
        Kind::Bool,
        &["IsRoot", "IsClosed", "IsExclusion", "IsActive"],
    ));
    fields.extend(computed(
        Kind::Int,
        &["NumberOfNotes", "NumberOfAttachments"],
    ));
    fields.extend(props(Kind::Double, &["SortIndex"]));
    fields.extend(props(TEXT, &["ImportId"]));
    let navs = vec![
        many("Labels", "Datastore.Label"),
        back("Notes", "Note", &["Entity"]),
        back("Attachments", "Attachment", &["Entity"]),
    ];
    b.add("Entity", "", true, fields, navs, &[]);
    b.add(
        "Activity",
        "Entity",
        true,
        props(TEXT, &["Subject", "Description"]),
        vec![one("Owner", EMPLOYEE)],
        &[],
    );
    b.leaf("Activity.Task", "Activity");
    let mut note = props(TEXT, &["Content"]);
    note.extend(props(Kind::Bool, &["IsPinned"]));
    b.add(
        "Note",
        "Entity",
        false,
        note,
        vec![one("Entity", "Entity")],
        &[],
    );
    b.add(
        "Attachment",
        "Entity",
        false,
        props(TEXT, &["FileName"]),
        vec![one("Entity", "Entity")],
        &[],
    );
}

fn relations(b: &mut Builder, person_links: Vec<Nav>) {
    let mut relation = computed(TEXT, &["SortName"]);
    relation.extend(props(Kind::Int, &["Number"]));
    relation.extend(props(
        TEXT,
        &[
            "DebtorNumber",
            "CreditorNumber",
            "IBAN",
            "BIC",
            "BankName",
            "LinkedIn",
            "Facebook",
            "Twitter",
            "Instagram",
            "YouTube",
            "Blog",
            "EmailAddress",
            "PhoneNumber",
        ],
    ));
    let navs = vec![
        one("Address", "Address"),
        one("Language", "Datastore.Language"),
        back("Addresses", "Address", &["Person", "Organization"]),
        back(
            "Relationships",
            "Relationship",
            &["Person", "Organization", "Relation"],
        ),
    ];
    b.add("Relation", "Entity", true, relation, navs, &[]);

    let mut person = props(
        TEXT,
        &[
            "Initials",
            "FirstName",
            "MiddleName",
            "LastName",
            "Title",
            "Suffix",
            "MobilePhoneNumber",
            &custom_name(CUSTOM_FIELD),
        ],
    );
    person.extend(props(Kind::Date, &["BirthDate"]));
    person.extend(computed(TEXT, &["BirthDay", "Name"]));
    let mut navs = vec![one("Gender", "Datastore.Gender")];
    navs.extend(person_links);
    b.add(PERSON, "Relation", false, person, navs, &["LastName"]);

    let navs = vec![
        one("VisitingAddress", "Address"),
        one("PostalAddress", "Address"),
        one("InvoiceAddress", "Address"),
    ];
    b.add(
        ORGANIZATION,
        "Relation",
        false,
        props(TEXT, &["Name", "Website", "VATNumber"]),
        navs,
        &["Name"],
    );

    let mut address = props(
        TEXT,
        &["Street", "HouseNumberSuffix", "Extra", "Postalcode", "City"],
    );
    address.extend(props(Kind::Int, &["HouseNumber"]));
    let navs = vec![
        one("Country", "Datastore.Country"),
        one("Person", PERSON),
        one("Organization", ORGANIZATION),
    ];
    b.add("Address", "Entity", false, address, navs, &[]);
}

fn relationships(b: &mut Builder, settings: &Settings, at: &dyn Fn(Place) -> Vec<Nav>) {
    let names = &settings.names;
    let mut fields = computed(TEXT, &["Name", "SortName"]);
    fields.extend(props(Kind::Bool, &[&names.former, "MailingOptOut"]));
    fields.extend(props(Kind::Time, &["FormerDate"]));
    fields.extend(computed(Kind::Time, &["UpgradeDate", "DowngradeDate"]));
    let mut navs = vec![one("Relation", "Relation")];
    navs.extend(at(Place::Relationship));
    b.add("Relationship", "Entity", true, fields, navs, &[]);

    // Where every relationship has them, commercial ones do not declare them again.
    let commercial = || {
        if settings.places.contains(&Place::Relationship) {
            vec![]
        } else {
            at(Place::Organization)
        }
    };
    let person = vec![one("Person", PERSON)];
    b.add(
        "Relationship.Person",
        "Relationship",
        true,
        vec![],
        person,
        &["Person"],
    );
    let contact = props(
        TEXT,
        &[
            "EmailAddress",
            "PhoneNumber",
            "MobilePhoneNumber",
            "Department",
            &names.function,
        ],
    );
    let role = vec![one("Role", "Datastore.Role")];
    b.add(
        "Relationship.Person.Contact",
        "Relationship.Person",
        true,
        contact,
        role,
        &["Relation"],
    );
    b.leaf(CONTACT, "Relationship.Person.Contact");
    let description = props(TEXT, &["Description"]);
    b.add(
        EMPLOYEE,
        "Relationship.Person.Contact",
        false,
        description,
        vec![],
        &[],
    );
    b.add(
        "Relationship.Person.CommercialRelationship",
        "Relationship.Person",
        true,
        vec![],
        commercial(),
        &[],
    );
    let organization = vec![one("Organization", ORGANIZATION)];
    b.add(
        "Relationship.Organization",
        "Relationship",
        true,
        vec![],
        organization,
        &["Organization"],
    );
    b.add(
        "Relationship.Organization.CommercialRelationship",
        "Relationship.Organization",
        true,
        vec![],
        commercial(),
        &[],
    );
    for step in ["Suspect", "Lead", "HotProspect", "Prospect", "Customer"] {
        for side in ["Person", "Organization"] {
            let base = format!("Relationship.{side}.CommercialRelationship");
            b.leaf(&format!("{base}.{step}"), &base);
        }
    }
    b.leaf(
        "Relationship.Organization.Identity",
        "Relationship.Organization",
    );
    b.leaf(
        "Relationship.Organization.Supplier",
        "Relationship.Organization",
    );
    b.leaf(CUSTOM_PERSON, "Relationship.Person");
}

fn lookups(b: &mut Builder) {
    b.add(
        "Datastore",
        "Entity",
        true,
        props(TEXT, &["Name", "Code"]),
        vec![],
        &[],
    );
    for lookup in ["Role", "Country", "Gender", "Language", "Label"] {
        b.leaf(&format!("Datastore.{lookup}"), "Datastore");
    }
    b.add(
        "Team",
        "Entity",
        false,
        props(TEXT, &["Name"]),
        vec![many("Members", EMPLOYEE)],
        &["Name"],
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_names_get_an_underscore_only_before_a_digit() {
        assert_eq!(
            custom_name(CUSTOM_FIELD),
            "_9ecc8d21__0f6f__4f2c__8a6e__3b1a7c1d5e42"
        );
        assert_eq!(
            set_name(CUSTOM_PERSON),
            "e0d6534a__cc84__4cf7__bdc5__d32f9311c09e"
        );
    }

    #[test]
    fn placements_decide_where_links_are_declared() {
        let settings = Settings {
            places: vec![Place::Person],
            ..Settings::default()
        };
        let schema = Schema::new(&settings);
        assert!(schema.nav(PERSON, "AccountManager").is_some());
        assert!(schema.nav(CONTACT, "AccountManager").is_none());
        let schema = Schema::new(&Settings {
            places: vec![Place::Organization],
            ..settings
        });
        assert!(schema.nav(PERSON, "Owners").is_none());
        assert!(
            schema
                .nav(
                    "Relationship.Organization.CommercialRelationship.Lead",
                    "Owners"
                )
                .is_some()
        );
        assert!(schema.nav(CONTACT, "Owners").is_none());
    }
}
