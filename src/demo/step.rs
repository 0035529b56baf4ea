//! A step of the story as data: what people do, and what must come of it.

use std::{collections::BTreeMap, fmt};

use tribelink_plan::rule::Rule;

use super::people::{Colleague, Person};

/// A part of the story.
pub(super) struct Part {
    pub(super) title: &'static str,
    pub(super) steps: Vec<Step>,
}

/// A step.
pub(super) struct Step {
    /// The chapter of the help article that it shows.
    pub(super) chapter: u8,
    /// What it shows, in plain words.
    pub(super) title: &'static str,
    /// In order; each begins when the one before came out.
    pub(super) moves: Vec<Move>,
    /// Rules that show in what does not happen: they write nothing, so no audit line cites them.
    pub(super) silent: Vec<Rule>,
}

/// Things done at once, and what they must lead to.
#[derive(Default)]
pub(super) struct Move {
    pub(super) acts: Vec<Act>,
    pub(super) expects: Vec<Expect>,
    /// Which audit lines must have been written, and no others.
    pub(super) rules: Vec<Cited>,
}

/// One side's record of a person, as a place where values stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In Tribe.
    Tribe(Person),
    /// In a colleague's Outlook.
    Outlook(Colleague, Person),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tribe(person) => write!(f, "Tribe · {}", person.name()),
            Place::Outlook(whose, person) => {
                write!(f, "Outlook of {} · {}", whose.name(), person.name())
            }
        }
    }
}

/// The values of a place by field; empty ones are missing.
pub(super) type Values = BTreeMap<String, String>;

/// Everything that was looked at.
pub(super) type Seen = BTreeMap<Place, Values>;

/// Something that somebody does.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// An administrator invites, the employee signs in at Microsoft and grants permission.
    Consent(Colleague),
    /// What the first sync would do is asked for.
    Preview(Colleague),
    /// Save and start the first sync.
    Start(Colleague),
    Pause(Colleague),
    Resume(Colleague),
    Resync(Colleague),
    /// A person is made in Tribe.
    Create(Person, Colleague),
    /// A field is changed in Tribe; `Contact.…` is the relationship's. Empty text empties.
    Tribe(Person, &'static str, &'static str),
    /// The relationship manager is changed.
    Manager(Person, Option<Colleague>),
    /// The owners are changed.
    Owners(Person, &'static [Colleague]),
    /// The relationship is marked as former, or no longer.
    Former(Person, bool),
    /// A field is changed in Outlook; lists are separated by commas. Empty text empties.
    Outlook(Colleague, Person, &'static str, &'static str),
    /// The contact is deleted in Outlook.
    Delete(Colleague, Person),
    /// The person is deleted in Tribe.
    Erase(Person),
    /// A contact is made in Outlook that has nothing to do with Tribe.
    Stranger(Colleague),
    /// And edited there.
    EditStranger(Colleague),
    /// Outlook completes the card from another one with the same address.
    Complete(Colleague, Person),
    /// From now on every webhook and every notification is lost.
    LoseHints,
    /// They arrive again.
    HearHints,
}

/// Something that must become true.
#[derive(Clone, Debug)]
pub(super) enum Expect {
    /// A field shows this; empty text: nothing.
    Shows(Place, &'static str, &'static str),
    /// The connector is in this state, or there is none.
    Connector(Colleague, Person, Option<&'static str>),
    /// The contact is no longer in the mailbox.
    Gone(Colleague, Person),
    /// A contact under another id than before.
    Anew(Colleague, Person),
    /// The link of a colleague is in this state.
    State(Colleague, &'static str),
    /// The preview is ready and would create contacts.
    Previewed(Colleague),
    /// As many contacts as the preview said.
    Filled(Colleague),
    /// The service wrote exactly this often since the move began.
    Writes { tribe: u64, outlook: u64 },
    /// The stranger is not in Tribe.
    Unknown,
    /// The losing value of a conflict stands in the audit.
    Lost(Person, &'static str),
    /// Something about a person is parked for people to see, or nothing is.
    Parked(Person, bool),
}

/// Where a rule's work went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    ToOutlook,
    ToTribe,
    /// Nowhere: the link itself changed.
    Link,
}

impl Way {
    /// As the API writes it.
    pub(super) fn code(self) -> &'static str {
        match self {
            Way::ToOutlook => "to_outlook",
            Way::ToTribe => "to_tribe",
            Way::Link => "none",
        }
    }
}

/// A line that the audit must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cited {
    pub(super) rule: Rule,
    pub(super) way: Way,
    pub(super) whose: Colleague,
    pub(super) person: Person,
    /// Whether the line carries the mark `flagged`.
    pub(super) flagged: bool,
}

impl fmt::Display for Cited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.way {
            Way::ToOutlook => "to Outlook",
            Way::ToTribe => "to Tribe",
            Way::Link => "on the link",
        };
        let flag = if self.flagged { ", flagged" } else { "" };
        let (whose, person) = (self.whose.name(), self.person.name());
        write!(f, "{} {way} ({person} of {whose}{flag})", self.rule)
    }
}

/// A step with its first move.
pub(super) fn step(chapter: u8, title: &'static str) -> Step {
    Step {
        chapter,
        title,
        moves: Vec::new(),
        silent: Vec::new(),
    }
}

impl Step {
    /// Adds a move that begins with this.
    pub(super) fn act(mut self, act: Act) -> Step {
        self.moves.push(Move {
            acts: vec![act],
            ..Move::default()
        });
        self
    }

    /// At the same time.
    pub(super) fn and(mut self, act: Act) -> Step {
        self.last().acts.push(act);
        self
    }

    pub(super) fn expect(mut self, expect: Expect) -> Step {
        self.last().expects.push(expect);
        self
    }

    /// Outlook must show this.
    pub(super) fn outlook(
        self,
        whose: Colleague,
        person: Person,
        field: &'static str,
        value: &'static str,
    ) -> Step {
        self.expect(Expect::Shows(Place::Outlook(whose, person), field, value))
    }

    /// Tribe must show this.
    pub(super) fn tribe(self, person: Person, field: &'static str, value: &'static str) -> Step {
        self.expect(Expect::Shows(Place::Tribe(person), field, value))
    }

    /// The audit must cite this.
    pub(super) fn by(mut self, rule: Rule, way: Way, whose: Colleague, person: Person) -> Step {
        self.last().rules.push(Cited {
            rule,
            way,
            whose,
            person,
            flagged: false,
        });
        self
    }

    /// The same with the mark `flagged`.
    pub(super) fn flagged(self, rule: Rule, way: Way, whose: Colleague, person: Person) -> Step {
        let mut step = self.by(rule, way, whose, person);
        if let Some(cited) = step.last().rules.last_mut() {
            cited.flagged = true;
        }
        step
    }

    /// A rule that keeps something from happening here.
    pub(super) fn silent(mut self, rule: Rule) -> Step {
        self.silent.push(rule);
        self
    }

    /// How often the service wrote.
    pub(super) fn writes(self, tribe: u64, outlook: u64) -> Step {
        self.expect(Expect::Writes { tribe, outlook })
    }

    fn last(&mut self) -> &mut Move {
        if self.moves.is_empty() {
            self.moves.push(Move::default());
        }
        let last = self.moves.len() - 1;
        &mut self.moves[last]
    }
}
