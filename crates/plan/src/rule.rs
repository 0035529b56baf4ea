//! The rules, by the numbers of the design.

use std::fmt;

/// A rule of the design. Every audit line and every explanation cites one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Eligible, no link: create.
    R1,
    /// Only Tribe changed: to Outlook.
    R2,
    /// Only Outlook changed: to Tribe.
    R3,
    /// Both changed, different fields: both ways.
    R4,
    /// Both changed to the same value: move the base.
    R5,
    /// The same field, different values: the conflict policy.
    R6,
    /// Deleted in Outlook: unlink, keep a tombstone.
    R7,
    /// After that, a change in Tribe or a new eligibility: create again.
    R8,
    /// No longer eligible: sleep.
    R9,
    /// An Outlook contact without link: ignored.
    R10,
    /// Deleted in Tribe: close the link.
    R11,
    /// A contact with this person's stamp: adopt.
    R12,
    /// A link without base: nothing is emptied.
    R12a,
    /// First sync, same e-mail and name: create or adopt.
    R13,
    /// Our own write came back: nothing.
    R14,
    /// A field outside the table changed: nothing.
    R15,
    /// Outlook completed a business card.
    R16,
    /// The brake.
    R17,
    /// Unreadable is never empty.
    R18,
    /// The user is paused.
    R19,
    /// The user is disconnected.
    R20,
    /// The consent is gone.
    R21,
    /// The employee left.
    R22,
}

impl Rule {
    /// Every rule, in order.
    pub const ALL: [Rule; 23] = [
        Rule::R1,
        Rule::R2,
        Rule::R3,
        Rule::R4,
        Rule::R5,
        Rule::R6,
        Rule::R7,
        Rule::R8,
        Rule::R9,
        Rule::R10,
        Rule::R11,
        Rule::R12,
        Rule::R12a,
        Rule::R13,
        Rule::R14,
        Rule::R15,
        Rule::R16,
        Rule::R17,
        Rule::R18,
        Rule::R19,
        Rule::R20,
        Rule::R21,
        Rule::R22,
    ];

    /// The number, as the API and the audit write it.
    pub fn code(self) -> &'static str {
        match self {
            Rule::R1 => "R1",
            Rule::R2 => "R2",
            Rule::R3 => "R3",
            Rule::R4 => "R4",
            Rule::R5 => "R5",
            Rule::R6 => "R6",
            Rule::R7 => "R7",
            Rule::R8 => "R8",
            Rule::R9 => "R9",
            Rule::R10 => "R10",
            Rule::R11 => "R11",
            Rule::R12 => "R12",
            Rule::R12a => "R12a",
            Rule::R13 => "R13",
            Rule::R14 => "R14",
            Rule::R15 => "R15",
            Rule::R16 => "R16",
            Rule::R17 => "R17",
            Rule::R18 => "R18",
            Rule::R19 => "R19",
            Rule::R20 => "R20",
            Rule::R21 => "R21",
            Rule::R22 => "R22",
        }
    }

    /// The rule of that number.
    pub fn from_code(code: &str) -> Option<Rule> {
        Rule::ALL
            .into_iter()
            .find(|rule| rule.code().eq_ignore_ascii_case(code))
    }

    /// The rule in one sentence, for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Rule::R1 => "The person is eligible and has no contact yet: one is created.",
            Rule::R2 => "Only Tribe changed: those fields go to Outlook.",
            Rule::R3 => "Only Outlook changed: those fields go to Tribe.",
            Rule::R4 => "Both sides changed different fields: each goes to the other side.",
            Rule::R5 => "Both sides show the same value: nothing is written.",
            Rule::R6 => {
                "Both sides changed the same field differently: the conflict policy decides."
            }
            Rule::R7 => "The contact was deleted in Outlook: the link ends, Tribe stays as it is.",
            Rule::R8 => {
                "Tribe changed after the deletion in Outlook: the contact is created again."
            }
            Rule::R9 => "The person is no longer eligible: the link sleeps, nothing is deleted.",
            Rule::R10 => "The Outlook contact did not come from Tribe: it is ignored.",
            Rule::R11 => "The person was deleted in Tribe: the link is closed, the contact stays.",
            Rule::R12 => "A contact with this person's stamp exists: it is adopted.",
            Rule::R12a => "The link has no base yet: the filled side is taken, nothing is emptied.",
            Rule::R13 => "A contact with the same e-mail address and name exists.",
            Rule::R14 => "This service's own write came back: nothing is written.",
            Rule::R15 => "Nothing that is synchronised changed: nothing is written.",
            Rule::R16 => "Outlook seems to have completed this card from another one.",
            Rule::R17 => "Too many contacts would change at once: an administrator must release.",
            Rule::R18 => "A value could not be read: it is never taken for empty.",
            Rule::R19 => "The user is paused: changes wait.",
            Rule::R20 => "The user is disconnected: the links sleep.",
            Rule::R21 => "The consent at Microsoft is gone: the user must sign in again.",
            Rule::R22 => "The employee left: the link is stopped.",
        }
    }
}

impl serde::Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> serde::Deserialize<'de> for Rule {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Rule::from_code(&code).ok_or_else(|| serde::de::Error::custom("not the number of a rule"))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
