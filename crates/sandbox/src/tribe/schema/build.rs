//! The types, written down as the reference lists them (4.1 to 4.9).

use std::collections::BTreeMap;

use super::{
    CONTACT, CUSTOM_FIELD, CUSTOM_PERSON, EMPLOYEE, Kind, Nav, ORGANIZATION, PERSON, Prop, Type,
    Via, custom_name,
};
use crate::tribe::settings::{Place, Settings};

const TEXT: Kind = Kind::Text;

/// All types by name, as the switches name and place things.
pub(super) fn types(settings: &Settings) -> BTreeMap<String, Type> {
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
    b.types
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
