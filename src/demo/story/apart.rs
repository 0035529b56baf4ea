//! Chapter 1: both sides change at once, the link is paused, notifications are lost; and at last
//! everything is quiet.

use tribelink_plan::rule::Rule::{R2, R3, R4, R5, R6, R11, R14, R19};

use crate::demo::{
    people::{
        Colleague::{Anna, Bram},
        Person::{Daan, Noor, Petra, Sofie},
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
            .and(Act::Tribe(Daan, "Contact.Function", "Monteur"))
            .and(Act::Outlook(Anna, Daan, "jobTitle", "Monteur"))
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
            .writes(0, 1)
            .silent(R19),
        step(
            1,
            "Resumed: both sides meet, field by field, nothing is lost",
        )
        .act(Act::Resume(Anna))
        .tribe(Noor, "LastName", "Vissers")
        .outlook(Anna, Noor, "birthday", "1991-12-02")
        .outlook(Anna, Sofie, "mobilePhone", "06-50000003")
        .tribe(Sofie, "Contact.MobilePhoneNumber", "06-50000003")
        .outlook(Anna, Daan, "jobTitle", "Monteur")
        .tribe(Daan, "Contact.Function", "Monteur")
        .expect(Expect::Lost(Sofie, "06-50000004"))
        .by(R4, Way::ToTribe, Anna, Noor)
        .by(R4, Way::ToOutlook, Anna, Noor)
        .by(R6, Way::ToOutlook, Anna, Sofie)
        .writes(1, 2)
        .silent(R5),
        step(
            1,
            "All webhooks and notifications are lost: asking repairs it",
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
            .expect(Expect::Parked(Noor, true))
            .by(R3, Way::ToTribe, Anna, Noor)
            .writes(1, 0)
            .act(Act::Outlook(Anna, Noor, "surname", "Vissers"))
            .expect(Expect::Parked(Noor, false))
            .writes(0, 0),
    ]
}

/// Nothing is left to do.
pub(super) fn ending() -> Vec<Step> {
    vec![
        step(1, "A person deleted in Tribe stays in Outlook")
            .act(Act::Erase(Petra))
            .expect(Expect::Connector(Anna, Petra, Some("closed")))
            .outlook(Anna, Petra, "surname", "Vries")
            .by(R11, Way::Link, Anna, Petra)
            .writes(0, 0),
        step(1, "Everything is compared once more: nothing to write")
            .act(Act::Resync(Anna))
            .and(Act::Resync(Bram))
            .expect(Expect::State(Anna, "live"))
            .expect(Expect::State(Bram, "live"))
            .writes(0, 0)
            .silent(R14),
    ]
}
