//! Chapter 2: each field in each direction, one by one.

use tribelink_plan::rule::Rule::{R2, R3, R15};

use crate::demo::{
    people::{
        Colleague::{Anna, Bram},
        Person::{self, Noor, Sofie},
    },
    step::{Act, Step, Way, step},
};

/// A field on both sides, and the value that it takes on: in Tribe, in Outlook.
struct Field {
    tribe: &'static str,
    outlook: &'static str,
    from_tribe: (&'static str, &'static str),
    from_outlook: (&'static str, &'static str),
}

/// The same text on both sides.
const fn field(
    tribe: &'static str,
    outlook: &'static str,
    from_tribe: &'static str,
    from_outlook: &'static str,
) -> Field {
    Field {
        tribe,
        outlook,
        from_tribe: (from_tribe, from_tribe),
        from_outlook: (from_outlook, from_outlook),
    }
}

/// Of everybody; shown with Sofie, whom Anna and Bram share.
const GENERAL: [Field; 5] = [
    field("Initials", "initials", "S.M.", "S.W."),
    field("FirstName", "givenName", "Sophie", "Sofietje"),
    field("MiddleName", "middleName", "van der", "van den"),
    field("LastName", "surname", "Leeuw", "Bergen"),
    field("BirthDate", "birthday", "1984-03-21", "1984-12-03"),
];

/// Of a contact or employee.
const BUSINESS: [Field; 4] = [
    Field {
        tribe: "Contact.EmailAddress",
        outlook: "emailAddresses",
        from_tribe: (
            "s.vanleeuwen@acme.example",
            "s.vanleeuwen@acme.example, sofie@thuis.example",
        ),
        from_outlook: (
            "sofie.inkoop@acme.example",
            "sofie.inkoop@acme.example, sofie@thuis.example",
        ),
    },
    field(
        "Contact.PhoneNumber",
        "businessPhones",
        "020-5550011",
        "020-5550002",
    ),
    field(
        "Contact.MobilePhoneNumber",
        "mobilePhone",
        "06-50000011",
        "06-50000002",
    ),
    field(
        "Contact.Function",
        "jobTitle",
        "Senior inkoper",
        "Hoofd inkoop",
    ),
];

/// Of an individual.
const PRIVATE: [Field; 3] = [
    field(
        "EmailAddress",
        "emailAddresses",
        "noor.visser@thuis.example",
        "n.visser@post.example",
    ),
    field("PhoneNumber", "homePhones", "020-6543211", "020-6543212"),
    field(
        "MobilePhoneNumber",
        "mobilePhone",
        "06-11122244",
        "06-11122255",
    ),
];

pub(super) fn steps() -> Vec<Step> {
    vec![
        from_tribe(
            "Person fields, Tribe → Outlook: each reaches both Outlooks",
            Sofie,
            &GENERAL,
        ),
        from_tribe("Contact fields, Tribe → Outlook", Sofie, &BUSINESS),
        from_tribe(
            "Private fields of an individual, Tribe → Outlook",
            Noor,
            &PRIVATE,
        ),
        from_outlook(
            "General fields, Outlook → Tribe, and on to the colleague",
            Sofie,
            &GENERAL,
        ),
        from_outlook("Fields of a contact, Outlook → Tribe", Sofie, &BUSINESS),
        from_outlook("Fields of an individual, Outlook → Tribe", Noor, &PRIVATE),
        step(2, "A phone number emptied in Outlook is emptied in Tribe")
            .act(Act::Outlook(Anna, Noor, "homePhones", ""))
            .tribe(Noor, "PhoneNumber", "")
            .by(R3, Way::ToTribe, Anna, Noor)
            .writes(1, 0),
        step(
            2,
            "A field that is not in the list stays where it was changed",
        )
        .act(Act::Tribe(
            Noor,
            "LinkedIn",
            "https://social.example/in/noor",
        ))
        .and(Act::Outlook(
            Anna,
            Noor,
            "personalNotes",
            "Belt liever 's ochtends",
        ))
        // The one that is in the list tells when the service has looked.
        .and(Act::Tribe(Noor, "FirstName", "Noortje"))
        .outlook(Anna, Noor, "givenName", "Noortje")
        .outlook(Anna, Noor, "personalNotes", "Belt liever 's ochtends")
        .tribe(Noor, "LinkedIn", "https://social.example/in/noor")
        .by(R2, Way::ToOutlook, Anna, Noor)
        .writes(0, 1)
        .silent(R15),
    ]
}

/// One move for each field, edited in Tribe.
fn from_tribe(title: &'static str, person: Person, fields: &[Field]) -> Step {
    let mut all = step(2, title);
    for field in fields {
        let (typed, shown) = field.from_tribe;
        all = all
            .act(Act::Tribe(person, field.tribe, typed))
            .outlook(Anna, person, field.outlook, shown)
            .by(R2, Way::ToOutlook, Anna, person);
        if person == Sofie {
            all = all
                .outlook(Bram, person, field.outlook, shown)
                .by(R2, Way::ToOutlook, Bram, person)
                .writes(0, 2);
        } else {
            all = all.writes(0, 1);
        }
    }
    all
}

/// One move for each field, edited in Anna's Outlook.
fn from_outlook(title: &'static str, person: Person, fields: &[Field]) -> Step {
    let mut all = step(2, title);
    for field in fields {
        let (value, typed) = field.from_outlook;
        all = all
            .act(Act::Outlook(Anna, person, field.outlook, typed))
            .tribe(person, field.tribe, value)
            .by(R3, Way::ToTribe, Anna, person);
        if person == Sofie {
            all = all
                .outlook(Bram, person, field.outlook, typed)
                .by(R2, Way::ToOutlook, Bram, person)
                .writes(1, 1);
        } else {
            all = all.writes(1, 0);
        }
    }
    all
}
