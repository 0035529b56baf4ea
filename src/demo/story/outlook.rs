//! Chapters 1 to 3: what people, and Outlook by itself, do to contacts.

use tribelink_plan::rule::Rule::{R1, R2, R3, R7, R8, R10, R16};

use crate::demo::{
    people::{
        Colleague::{Anna, Bram},
        Person::{Noor, Petra, Sofie},
        SHARED,
    },
    step::{Act, Expect, Step, Way, step},
};

pub(super) fn steps() -> Vec<Step> {
    vec![
        step(
            1,
            "A contact made in Outlook is nobody's business but Anna's",
        )
        .act(Act::Stranger(Anna))
        // Sofie's edit arrives; by then the stranger's would have.
        .and(Act::Outlook(Anna, Sofie, "jobTitle", "Inkoopmanager"))
        .tribe(Sofie, "Contact.Function", "Inkoopmanager")
        .expect(Expect::Unknown)
        .by(R3, Way::ToTribe, Anna, Sofie)
        .by(R2, Way::ToOutlook, Bram, Sofie)
        .writes(1, 1)
        .act(Act::EditStranger(Anna))
        .and(Act::Outlook(Anna, Sofie, "jobTitle", "Teamleider inkoop"))
        .tribe(Sofie, "Contact.Function", "Teamleider inkoop")
        .expect(Expect::Unknown)
        .by(R3, Way::ToTribe, Anna, Sofie)
        .by(R2, Way::ToOutlook, Bram, Sofie)
        .writes(1, 1)
        .silent(R10),
        step(
            2,
            "Only the first e-mail address and phone number take part",
        )
        .act(Act::Outlook(
            Anna,
            Noor,
            "emailAddresses",
            "n.visser@post.example, noor@club.example",
        ))
        .and(Act::Outlook(Anna, Noor, "businessPhones", "088-1234567"))
        .and(Act::Outlook(Anna, Noor, "middleName", "de"))
        .tribe(Noor, "MiddleName", "de")
        .tribe(Noor, "EmailAddress", "n.visser@post.example")
        .by(R3, Way::ToTribe, Anna, Noor)
        .writes(1, 0)
        .act(Act::Tribe(Noor, "EmailAddress", "noor@werk.example"))
        .outlook(
            Anna,
            Noor,
            "emailAddresses",
            "noor@werk.example, noor@club.example",
        )
        .outlook(Anna, Noor, "businessPhones", "088-1234567")
        .by(R2, Way::ToOutlook, Anna, Noor)
        .writes(0, 1),
        step(
            1,
            "Anna deletes a contact in Outlook: Tribe keeps the person",
        )
        .act(Act::Delete(Anna, Noor))
        .expect(Expect::Gone(Anna, Noor))
        .expect(Expect::Connector(Anna, Noor, Some("tombstone")))
        .tribe(Noor, "EmailAddress", "noor@werk.example")
        .tribe(Noor, "Relation manager", "Anna")
        .by(R7, Way::Link, Anna, Noor)
        .writes(0, 0),
        step(1, "After a change in Tribe the contact comes back")
            .act(Act::Tribe(Noor, "PhoneNumber", "020-6543299"))
            .expect(Expect::Anew(Anna, Noor))
            .expect(Expect::Connector(Anna, Noor, Some("linked")))
            .outlook(Anna, Noor, "homePhones", "020-6543299")
            .outlook(Anna, Noor, "givenName", "Noortje")
            .by(R8, Way::ToOutlook, Anna, Noor)
            .writes(0, 1),
        step(
            3,
            "Petra is new in Tribe, with an address that Outlook knows",
        )
        .act(Act::Create(Petra, Anna))
        .outlook(Anna, Petra, "emailAddresses", SHARED)
        .outlook(Anna, Petra, "surname", "Vries")
        .outlook(Anna, Petra, "mobilePhone", "")
        .by(R1, Way::ToOutlook, Anna, Petra)
        .writes(0, 1),
        step(
            3,
            "Outlook completes her card from Geert's: passed on, flagged",
        )
        .act(Act::Complete(Anna, Petra))
        .tribe(Petra, "Contact.Function", "Directeur")
        .tribe(Petra, "Contact.PhoneNumber", "040-2223344")
        .tribe(Petra, "Contact.MobilePhoneNumber", "06-44556677")
        .tribe(Petra, "FirstName", "Petra")
        .tribe(Petra, "LastName", "Vries")
        .flagged(R16, Way::ToTribe, Anna, Petra)
        .writes(1, 0),
    ]
}
