//! Who is eligible, which relationship speaks for a person, and what its contact shows: the design's
//! two tables once more, over the JSON of both remotes.

use serde_json::Value;

/// Kinds in the order in which they speak for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Contact,
    Employee,
    Individual,
}

/// The kind of a relationship, by its type.
pub(crate) fn kind(relationship: &Value) -> Option<Kind> {
    match relationship["_Type"].as_str()?.replace('_', ".").as_str() {
        "Relationship.Person.Contact.Standard" => Some(Kind::Contact),
        "Relationship.Person.Contact.Employee" => Some(Kind::Employee),
        other if other.starts_with("Relationship.Person.CommercialRelationship.") => {
            Some(Kind::Individual)
        }
        _ => None,
    }
}

pub(crate) fn relationships(person: &Value) -> &[Value] {
    person["Relationships"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

fn is_eligible(relationship: &Value, employee: &str) -> bool {
    let assignment = &relationship["assignment"];
    let owns = assignment["owners"]
        .as_array()
        .is_some_and(|owners| owners.iter().any(|owner| owner == employee));
    relationship["IsFormer"] != true && (assignment["manager"] == employee || owns)
}

/// The relationship that speaks for a person before one employee; none: not eligible.
pub(crate) fn main_relationship<'a>(person: &'a Value, employee: &str) -> Option<&'a Value> {
    let mut eligible: Vec<(Kind, &Value)> = relationships(person)
        .iter()
        .filter(|relationship| is_eligible(relationship, employee))
        .filter_map(|relationship| Some((kind(relationship)?, relationship)))
        .collect();
    eligible.sort_by(|(a, one), (b, other)| {
        let created = |value: &Value| value["CreationDate"].as_str().map(str::to_owned);
        let id = |value: &Value| value["ID"].as_str().map(str::to_owned);
        a.cmp(b)
            .then(created(other).cmp(&created(one)))
            .then(id(one).cmp(&id(other)))
    });
    eligible.first().map(|(_, relationship)| *relationship)
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_default()
}

/// Where a contact differs from what it must show: `(slot, Tribe's, Outlook's)`.
pub(crate) fn differences(
    person: &Value,
    relationship: &Value,
    own: &str,
    contact: &Value,
) -> Vec<(&'static str, String, String)> {
    let kind = kind(relationship).expect("an eligible relationship has a kind");
    let relation = &relationship["Relation"];
    let company = if kind == Kind::Individual && relation["ID"] == own {
        ""
    } else {
        text(relation, "Name")
    };
    let first = |name: &str| contact[name][0].as_str().unwrap_or_default().to_owned();
    let address = contact["emailAddresses"][0]["address"]
        .as_str()
        .unwrap_or_default();
    let birthday: String = text(contact, "birthday").chars().take(10).collect();
    let mut rows: Vec<(&'static str, &str, String)> = vec![
        (
            "initials",
            text(person, "Initials"),
            text(contact, "initials").to_owned(),
        ),
        (
            "givenName",
            text(person, "FirstName"),
            text(contact, "givenName").to_owned(),
        ),
        (
            "middleName",
            text(person, "MiddleName"),
            text(contact, "middleName").to_owned(),
        ),
        (
            "surname",
            text(person, "LastName"),
            text(contact, "surname").to_owned(),
        ),
        ("birthday", text(person, "BirthDate"), birthday),
        (
            "homePhones",
            text(person, "PhoneNumber"),
            first("homePhones"),
        ),
        (
            "companyName",
            company,
            text(contact, "companyName").to_owned(),
        ),
    ];
    let mobile = text(contact, "mobilePhone").to_owned();
    let private_mobile = text(person, "MobilePhoneNumber");
    if kind == Kind::Individual {
        rows.push((
            "emailAddresses",
            text(person, "EmailAddress"),
            address.to_owned(),
        ));
        rows.push(("mobilePhone", private_mobile, mobile));
    } else {
        rows.push((
            "emailAddresses",
            text(relationship, "EmailAddress"),
            address.to_owned(),
        ));
        rows.push((
            "jobTitle",
            text(relationship, "FunctionOnBusinessCard"),
            text(contact, "jobTitle").to_owned(),
        ));
        rows.push((
            "businessPhones",
            text(relationship, "PhoneNumber"),
            first("businessPhones"),
        ));
        let business = text(relationship, "MobilePhoneNumber");
        let filled = if business.is_empty() {
            private_mobile
        } else {
            business
        };
        rows.push(("mobilePhone", filled, mobile));
    }
    let without_address = contact["emailAddresses"][0].is_object() && address.is_empty();
    rows.into_iter()
        // An entry that is no address is unreadable, and never taken for empty (R18).
        .filter(|(slot, ..)| !(*slot == "emailAddresses" && without_address))
        .filter(|(slot, tribe, outlook)| canonical(slot, tribe) != canonical(slot, outlook))
        // Outlook derives initials where none are given; they stay Outlook's own.
        .filter(|(slot, tribe, outlook)| {
            !(*slot == "initials" && tribe.is_empty() && are_derived(outlook))
        })
        .map(|(slot, tribe, outlook)| (slot, tribe.to_owned(), outlook))
        .collect()
}

/// Whether initials may be Outlook's own work; those that people type in a simulation have digits.
pub(crate) fn are_derived(initials: &str) -> bool {
    !initials.is_empty() && initials.chars().all(|c| !c.is_ascii_digit())
}

/// When two values count as the same.
pub(crate) fn canonical(slot: &str, value: &str) -> String {
    let value = value.trim();
    match slot {
        "emailAddresses" => value.to_lowercase(),
        "birthday" => value.chars().take(10).collect(),
        "homePhones" | "businessPhones" | "mobilePhone" => {
            let plain: String = value
                .chars()
                .filter(|c| c.is_ascii_digit() || *c == '+')
                .collect();
            match plain.strip_prefix('0') {
                Some(rest) if !rest.starts_with('0') => format!("+31{rest}"),
                _ => plain,
            }
        }
        _ => value.to_owned(),
    }
}
