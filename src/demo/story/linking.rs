//! Chapters 1 and 5: who is synchronised, from the first day to the last.

use tribelink_plan::rule::Rule::{R1, R2, R3, R4, R9};

use crate::demo::{
    people::{
        Colleague::{Anna, Bram},
        Person::{Daan, Noor, Sofie},
    },
    step::{Act, Expect, Step, Way, step},
};

/// New people, of every kind.
pub(super) fn arrival() -> Vec<Step> {
    vec![
        step(1, "A new contact in Tribe appears in its manager's Outlook")
            .act(Act::Create(Sofie, Anna))
            .outlook(Anna, Sofie, "givenName", "Sofie")
            .outlook(Anna, Sofie, "middleName", "van")
            .outlook(Anna, Sofie, "surname", "Leeuwen")
            .outlook(Anna, Sofie, "birthday", "1984-03-12")
            .outlook(Anna, Sofie, "jobTitle", "Inkoper")
            .outlook(Anna, Sofie, "businessPhones", "020-5550001")
            .outlook(Anna, Sofie, "mobilePhone", "06-50000001")
            .outlook(Anna, Sofie, "homePhones", "030-2345678")
            .outlook(
                Anna,
                Sofie,
                "emailAddresses",
                "sofie@acme.example, sofie@thuis.example",
            )
            .expect(Expect::Connector(Anna, Sofie, Some("linked")))
            .expect(Expect::Connector(Bram, Sofie, None))
            .by(R1, Way::ToOutlook, Anna, Sofie)
            .writes(0, 1),
        step(1, "An employee of the own organisation is synchronised too")
            .act(Act::Create(Daan, Anna))
            .outlook(Anna, Daan, "givenName", "Daan")
            .outlook(Anna, Daan, "emailAddresses", "daan.bakker@example.com")
            .by(R1, Way::ToOutlook, Anna, Daan)
            .writes(0, 1),
        step(1, "And an individual, with private details")
            .act(Act::Create(Noor, Anna))
            .outlook(Anna, Noor, "emailAddresses", "noor@thuis.example")
            .outlook(Anna, Noor, "mobilePhone", "06-11122233")
            .outlook(Anna, Noor, "homePhones", "020-6543210")
            .by(R1, Way::ToOutlook, Anna, Noor)
            .writes(0, 1),
        step(
            5,
            "Bram becomes owner of Sofie too: she is in both Outlooks",
        )
        .act(Act::Owners(Sofie, &[Bram]))
        .outlook(Bram, Sofie, "surname", "Leeuwen")
        .expect(Expect::Connector(Anna, Sofie, Some("linked")))
        .expect(Expect::Connector(Bram, Sofie, Some("linked")))
        .by(R1, Way::ToOutlook, Bram, Sofie)
        .writes(0, 1),
    ]
}

/// Managers, owners and former people.
pub(super) fn comings_and_goings() -> Vec<Step> {
    vec![
        step(
            1,
            "Sofie is marked as former: contacts stay, nothing is sent",
        )
        .act(Act::Former(Sofie, true))
        .expect(Expect::Connector(Anna, Sofie, Some("sleeping")))
        .expect(Expect::Connector(Bram, Sofie, Some("sleeping")))
        .outlook(Anna, Sofie, "surname", "Bergen")
        .outlook(Bram, Sofie, "surname", "Bergen")
        .by(R9, Way::Link, Anna, Sofie)
        .by(R9, Way::Link, Bram, Sofie)
        .writes(0, 0)
        // Noor's change arrives; by then Sofie's would have.
        .act(Act::Tribe(Sofie, "Contact.PhoneNumber", "020-5550009"))
        .and(Act::Tribe(Noor, "Initials", "N.J."))
        .outlook(Anna, Noor, "initials", "N.J.")
        .outlook(Anna, Sofie, "businessPhones", "020-5550002")
        .outlook(Bram, Sofie, "businessPhones", "020-5550002")
        .by(R2, Way::ToOutlook, Anna, Noor)
        .writes(0, 1),
        step(1, "No longer former: the links wake and catch up")
            .act(Act::Former(Sofie, false))
            .expect(Expect::Connector(Anna, Sofie, Some("linked")))
            .expect(Expect::Connector(Bram, Sofie, Some("linked")))
            .outlook(Anna, Sofie, "businessPhones", "020-5550009")
            .outlook(Bram, Sofie, "businessPhones", "020-5550009")
            .by(R2, Way::ToOutlook, Anna, Sofie)
            .by(R2, Way::ToOutlook, Bram, Sofie)
            .by(R9, Way::Link, Anna, Sofie)
            .by(R9, Way::Link, Bram, Sofie)
            .writes(0, 2),
        step(5, "Daan gets Bram as relation manager instead of Anna")
            .act(Act::Manager(Daan, Some(Bram)))
            .outlook(Bram, Daan, "surname", "Bakker")
            .outlook(Anna, Daan, "surname", "Bakker")
            .expect(Expect::Connector(Anna, Daan, Some("sleeping")))
            .expect(Expect::Connector(Bram, Daan, Some("linked")))
            .by(R9, Way::Link, Anna, Daan)
            .by(R1, Way::ToOutlook, Bram, Daan)
            .writes(0, 1),
        step(5, "Anna becomes owner of Daan: her sleeping contact wakes")
            .act(Act::Owners(Daan, &[Anna]))
            .expect(Expect::Connector(Anna, Daan, Some("linked")))
            .by(R9, Way::Link, Anna, Daan)
            .writes(0, 0)
            .act(Act::Tribe(Daan, "Contact.Function", "Teamleider"))
            .outlook(Anna, Daan, "jobTitle", "Teamleider")
            .outlook(Bram, Daan, "jobTitle", "Teamleider")
            .by(R2, Way::ToOutlook, Anna, Daan)
            .by(R2, Way::ToOutlook, Bram, Daan)
            .writes(0, 2),
        step(5, "Bram loses Sofie as owner: only Anna gets her changes")
            .act(Act::Owners(Sofie, &[]))
            .expect(Expect::Connector(Bram, Sofie, Some("sleeping")))
            .by(R9, Way::Link, Bram, Sofie)
            .writes(0, 0)
            .act(Act::Tribe(Sofie, "Contact.Function", "Directeur"))
            .outlook(Anna, Sofie, "jobTitle", "Directeur")
            .outlook(Bram, Sofie, "jobTitle", "Teamleider inkoop")
            .by(R2, Way::ToOutlook, Anna, Sofie)
            .writes(0, 1),
        step(5, "What Bram edits meanwhile in Outlook stays with him")
            .act(Act::Outlook(Bram, Sofie, "initials", "S.B."))
            .and(Act::Outlook(Bram, Daan, "initials", "D.B."))
            .tribe(Daan, "Initials", "D.B.")
            .outlook(Anna, Daan, "initials", "D.B.")
            .tribe(Sofie, "Initials", "S.W.")
            .by(R3, Way::ToTribe, Bram, Daan)
            .by(R2, Way::ToOutlook, Anna, Daan)
            .writes(1, 1),
        step(5, "Bram is owner again: both sides catch up, same contact")
            .act(Act::Owners(Sofie, &[Bram]))
            .expect(Expect::Connector(Bram, Sofie, Some("linked")))
            .outlook(Bram, Sofie, "jobTitle", "Directeur")
            .tribe(Sofie, "Initials", "S.B.")
            .outlook(Anna, Sofie, "initials", "S.B.")
            .by(R9, Way::Link, Bram, Sofie)
            .by(R4, Way::ToOutlook, Bram, Sofie)
            .by(R4, Way::ToTribe, Bram, Sofie)
            .by(R2, Way::ToOutlook, Anna, Sofie)
            .writes(1, 2),
    ]
}
