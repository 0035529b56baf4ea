//! What people typed, where and when: against this the end is judged.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// On which side somebody typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Tribe,
    /// The mailbox of that user, by number.
    Outlook(usize),
}

/// One edit of one field.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    /// Its place among all.
    pub(crate) number: usize,
    pub(crate) at_ms: i64,
    pub(crate) side: Side,
    pub(crate) person: String,
    /// The slot in Outlook that stands for the field; edits of one slot may follow one another.
    pub(crate) slot: &'static str,
    /// What was typed; empty when it was cleared.
    pub(crate) value: String,
}

/// Everything that people did.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) typed: BTreeSet<String>,
    pub(crate) edits: Vec<Edit>,
    /// Values that stand outside the mapping, by contact.
    pub(crate) extras: Vec<(usize, String, String)>,
    /// Every value that was once typed behind a first one, whatever became of it.
    pub(crate) further: BTreeSet<String>,
    /// Copies that users made: immutable ids.
    pub(crate) copies: BTreeSet<String>,
    /// People whose contact somebody moved to another folder, which no subscription covers: their edits
    /// come with the next delta.
    pub(crate) moved: BTreeSet<String>,
    /// When a user last deleted or restored the contact of a person: `(user, person)`.
    pub(crate) deleted: BTreeMap<(usize, String), i64>,
    pub(crate) restored: BTreeSet<(usize, String)>,
    /// Whose contact was deleted as soon as an answer had shown it with its stamp, or before: made by a
    /// create whose answer was lost.
    pub(crate) unseen: BTreeSet<(usize, String)>,
    /// When relationships, managers, owners or marks of a person last changed.
    pub(crate) restless: BTreeMap<String, i64>,
    /// People who had initials in Tribe: where these happen to be what Outlook would derive, it goes
    /// on deriving them whenever their name changes there, which looks like an edit and is taken for
    /// one. Nobody else may get initials that nobody typed.
    pub(crate) derived: BTreeSet<String>,
    /// People one of whose cards Outlook completed from another.
    pub(crate) borrowed: BTreeSet<String>,
    /// How many edits there were when somebody changed jobs, the last of them for the former job; the
    /// telephone of the new one; and the title that was typed for the former.
    pub(crate) former_jobs: Vec<(usize, String, String)>,
    /// Of whom the same value was typed on both sides, and when by the service's clock.
    pub(crate) agreed: Vec<(String, i64)>,
    /// People in one of whose contacts two addresses changed places.
    pub(crate) swapped: BTreeSet<String>,
    /// Edits, by number, that brought nothing new: a value changed its place.
    pub(crate) shuffled: BTreeSet<usize>,
    /// Edits, by number, that changed nothing: what was shown already counts as typed.
    pub(crate) restated: BTreeSet<usize>,
    /// People whose contact somebody exported and imported: it has no base.
    pub(crate) reimported: BTreeSet<String>,
    /// Surnames of contacts that users made themselves.
    pub(crate) own: BTreeSet<String>,
    /// Users whose employee left, by number.
    pub(crate) left: BTreeSet<usize>,
    /// People who were there from the beginning.
    pub(crate) known: BTreeSet<String>,
    /// There are people who were not there from the beginning.
    pub(crate) has_newcomers: bool,
    /// An organisation has another name.
    pub(crate) renamed: bool,
    /// A subscription went without a word.
    pub(crate) vanished: bool,
    /// Somebody was disconnected with all its links forgotten: bases are gone.
    pub(crate) unbased: bool,
    /// Things go wrong in this run.
    pub(crate) is_lossy: bool,
    /// Conflicts wait for a person.
    pub(crate) holds_conflicts: bool,
    counter: u32,
}

impl Model {
    /// Whether anything happened that only a sweep is sure to find.
    pub(crate) fn waits_for_a_sweep(&self) -> bool {
        self.renamed
            || !self.restless.is_empty()
            || !self.left.is_empty()
            || !self.deleted.is_empty()
            || !self.moved.is_empty()
            || self.has_newcomers
    }

    /// A number that no value of this run has yet.
    pub(crate) fn number(&mut self) -> u32 {
        self.counter += 1;
        self.counter
    }

    /// A value that nobody typed before, fit for a slot.
    pub(crate) fn fresh(&mut self, slot: &str) -> String {
        let n = self.number();
        let value = match slot {
            "emailAddresses" => format!("nieuw{n}q@acme.example"),
            "birthday" => jiff::civil::date(1940, 1, 1)
                .saturating_add(jiff::Span::new().days(i64::from(n)))
                .to_string(),
            "mobilePhone" => format!("+31 6 1{:07}", 1_000_000 + n),
            "homePhones" | "businessPhones" => format!("+31 20 6{:06}", 100_000 + n),
            "initials" => format!("Q{n}."),
            _ => format!("Naam{n}q"),
        };
        self.typed.insert(value.clone());
        value
    }

    /// Every text of these people counts as typed.
    pub(crate) fn learn(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                self.typed.insert(text.clone());
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(object) => object.values().for_each(|item| self.learn(item)),
            _ => {}
        }
    }
}
