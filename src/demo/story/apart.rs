//! Chapter 1: both sides change at once, the link is paused, notifications are lost; and at last
//! everything is quiet.

use tribelink_plan::rule::Rule::{R2, R3, R4, R6};

use crate::demo::{
    people::{
        Colleague::{Anna, Bram},
        Person::{Noor, Sofie},
    },
    step::{Act, Expect, Step, Way, step},
};

pub(super) fn steps() -> Vec<Step> {
    vec![
        step(1, "While Anna's link is paused, changes wait on both sides")
            .act(Act::Pause(Anna))
            .expect(Expect::State(Anna, "paused"))
            .writes(0, 0)
            .act(Act::Tribe(Noor, "BirthDate", "1991-12-02"))
            .and(Act::Outlook(Anna, Noor, "surname", "Vissers"))
            .and(Act::Tribe(
                Sofie,
                "Contact.MobilePhoneNumber",
                "06-50000003",
            ))
            .and(Act::Outlook(Anna, Sofie, "mobilePhone", "06-50000004"))
            .outlook(Bram, Sofie, "mobilePhone", "06-50000003")
            .tribe(Noor, "LastName", "Visser")
            .outlook(Anna, Noor, "birthday", "1991-11-02")
            .by(R2, Way::ToOutlook, Bram, Sofie)
            .writes(0, 1),
        step(
            1,
            "Resumed: different fields go both ways; of the same one Tribe's wins",
        )
        .act(Act::Resume(Anna))
        .tribe(Noor, "LastName", "Vissers")
        .outlook(Anna, Noor, "birthday", "1991-12-02")
        .outlook(Anna, Sofie, "mobilePhone", "06-50000003")
        .tribe(Sofie, "Contact.MobilePhoneNumber", "06-50000003")
        .expect(Expect::Lost(Sofie, "06-50000004"))
        .by(R4, Way::ToTribe, Anna, Noor)
        .by(R4, Way::ToOutlook, Anna, Noor)
        .by(R6, Way::ToOutlook, Anna, Sofie)
        .writes(1, 2),
        step(
            1,
            "Every webhook and notification is lost; polling repairs it",
        )
        .act(Act::LoseHints)
        .and(Act::Tribe(Noor, "MobilePhoneNumber", "06-11122299"))
        .and(Act::Outlook(Anna, Sofie, "givenName", "Sofie-Anne"))
        .outlook(Anna, Noor, "mobilePhone", "06-11122299")
        .tribe(Sofie, "FirstName", "Sofie-Anne")
        .outlook(Bram, Sofie, "givenName", "Sofie-Anne")
        .by(R2, Way::ToOutlook, Anna, Noor)
        .by(R3, Way::ToTribe, Anna, Sofie)
        .by(R2, Way::ToOutlook, Bram, Sofie)
        .writes(1, 2)
        .act(Act::HearHints),
        step(2, "A surname emptied in Outlook is not emptied in Tribe")
            .act(Act::Outlook(Anna, Noor, "surname", ""))
            .and(Act::Outlook(Anna, Noor, "initials", "N.B."))
            .tribe(Noor, "Initials", "N.B.")
            .tribe(Noor, "LastName", "Vissers")
            .expect(Expect::Parked(Noor, "surname"))
            .by(R3, Way::ToTribe, Anna, Noor)
            .act(Act::Outlook(Anna, Noor, "surname", "Vissers")),
    ]
}

/// Nothing is left to do.
pub(super) fn ending() -> Vec<Step> {
    vec![
        step(
            1,
            "At the end everything is compared once more: nothing to write",
        )
        .act(Act::Resync(Anna))
        .and(Act::Resync(Bram))
        .expect(Expect::State(Anna, "live"))
        .expect(Expect::State(Bram, "live"))
        .writes(0, 0),
    ]
}
