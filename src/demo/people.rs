//! Who plays: two colleagues with a mailbox, the people in Tribe, and a stranger in Outlook.

/// An employee who activates the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Colleague {
    /// The first: manages most of the people.
    Anna,
    /// The second: shares some of them.
    Bram,
}

impl Colleague {
    pub(super) const ALL: [Colleague; 2] = [Colleague::Anna, Colleague::Bram];

    pub(super) fn name(self) -> &'static str {
        match self {
            Colleague::Anna => "Anna",
            Colleague::Bram => "Bram",
        }
    }
}

/// A person in Tribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Person {
    /// A contact at a customer.
    Sofie,
    /// An employee.
    Daan,
    /// An individual.
    Noor,
    /// The newcomer of chapter 3.
    Petra,
}

impl Person {
    pub(super) fn name(self) -> &'static str {
        match self {
            Person::Sofie => "Sofie",
            Person::Daan => "Daan",
            Person::Noor => "Noor",
            Person::Petra => "Petra",
        }
    }

    /// The set of the relationship that makes it one.
    pub(super) fn set(self) -> &'static str {
        match self {
            Person::Sofie | Person::Petra => "Relationship_Person_Contact_Standard",
            Person::Daan => "Relationship_Person_Contact_Employee",
            Person::Noor => "Relationship_Person_CommercialRelationship_Customer",
        }
    }

    /// As the help article calls it.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Person::Sofie | Person::Petra => "contact",
            Person::Daan => "employee",
            Person::Noor => "individual",
        }
    }

    /// Whether it has business details.
    pub(super) fn has_business(self) -> bool {
        self != Person::Noor
    }

    /// Its own fields at first.
    pub(super) fn card(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Person::Sofie => &[
                ("Initials", "S."),
                ("FirstName", "Sofie"),
                ("MiddleName", "van"),
                ("LastName", "Leeuwen"),
                ("BirthDate", "1984-03-12"),
                ("EmailAddress", "sofie@thuis.example"),
                ("PhoneNumber", "030-2345678"),
            ],
            Person::Daan => &[
                ("Initials", "D.M."),
                ("FirstName", "Daan"),
                ("LastName", "Bakker"),
            ],
            Person::Noor => &[
                ("Initials", "N."),
                ("FirstName", "Noor"),
                ("LastName", "Visser"),
                ("BirthDate", "1991-11-02"),
                ("EmailAddress", "noor@thuis.example"),
                ("PhoneNumber", "020-6543210"),
                ("MobilePhoneNumber", "06-11122233"),
            ],
            Person::Petra => &[
                ("Initials", "P."),
                ("FirstName", "Petra"),
                ("MiddleName", "de"),
                ("LastName", "Vries"),
            ],
        }
    }

    /// The fields of its relationship at first.
    pub(super) fn business(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Person::Sofie => &[
                ("EmailAddress", "sofie@acme.example"),
                ("PhoneNumber", "020-5550001"),
                ("MobilePhoneNumber", "06-50000001"),
                (FUNCTION, "Inkoper"),
            ],
            Person::Daan => &[
                ("EmailAddress", "daan.bakker@example.com"),
                (FUNCTION, "Servicemonteur"),
            ],
            Person::Noor => &[],
            // The same address as the stranger's: that is what chapter 3 is about.
            Person::Petra => &[("EmailAddress", SHARED)],
        }
    }
}

/// Where Tribe keeps the function; the default of `tribe.names.function`.
pub(super) const FUNCTION: &str = "FunctionOnBusinessCard";

/// The address of two people (chapter 3).
pub(super) const SHARED: &str = "info@vandijk.example";

/// The stranger: a contact that was made in Outlook.
pub(super) const STRANGER: &str = "Geert van Dijk";
