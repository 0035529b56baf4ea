//! Plays steps: does what people do, waits for what must come of it, and says what changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Error,
    people::{Colleague, Person, SHARED},
    step::{Act, Cited, Expect, Move, Place, Seen, Step, Values},
    tell::{Change, Teller, Told, Total},
    world::{Line, World, Writes},
};
use crate::clock::{Clock as _, SystemClock};

/// How long a step may take to come out. Most take a tenth of a second; the repair of lost
/// notifications waits for the next poll.
const PATIENCE_MS: i64 = 20_000;

/// How often the world is looked at while waiting.
const GLANCE: Duration = Duration::from_millis(20);

/// What is known when a move begins.
struct Start {
    seen: Seen,
    audited: i64,
    writes: Writes,
    contacts: BTreeMap<(Colleague, Person), String>,
}

/// What was seen at the end of a move.
struct Outcome {
    seen: Seen,
    lines: Vec<Line>,
    unmet: Vec<String>,
}

/// Plays the story in a world.
pub(super) struct Player<'a> {
    world: World,
    teller: &'a Teller,
    clock: SystemClock,
    previews: BTreeMap<Colleague, u64>,
}

impl<'a> Player<'a> {
    pub(super) fn new(world: World, teller: &'a Teller) -> Player<'a> {
        Player {
            world,
            teller,
            clock: SystemClock,
            previews: BTreeMap::new(),
        }
    }

    /// Plays all steps and sums up.
    ///
    /// # Errors
    /// The first step that did not come out, by number and title, and what is wrong.
    pub(super) async fn play(&mut self, steps: Vec<Step>) -> Result<(), String> {
        let (began, total) = (self.clock.now_ms(), steps.len());
        let mut chapter = None;
        for (index, step) in steps.iter().enumerate() {
            if chapter != Some(step.chapter) {
                self.teller.chapter(step.chapter);
                chapter = Some(step.chapter);
            }
            let number = index + 1;
            let step_began = self.clock.now_ms();
            let result = self.step(step).await;
            let took_ms = self.clock.now_ms() - step_began;
            match result {
                Ok(told) => self.teller.step(number, step.title, &told, took_ms),
                Err((told, error)) => {
                    let why = error.to_string();
                    self.teller.failed(number, step.title, &told, &why, took_ms);
                    return Err(format!(
                        "step {number} of {total} did not come out: {}\n{why}",
                        step.title
                    ));
                }
            }
        }
        let sum = self
            .sum(total, began)
            .await
            .map_err(|error| error.to_string())?;
        self.teller.sum(&sum);
        Ok(())
    }

    async fn sum(&self, steps: usize, began: i64) -> Result<Total, Error> {
        let (tribe_calls, microsoft_calls) = self.world.calls().await?;
        let writes = self.world.writes().await?;
        Ok(Total {
            steps,
            took_ms: self.clock.now_ms() - began,
            tribe_calls,
            microsoft_calls,
            writes,
        })
    }

    async fn step(&mut self, step: &Step) -> Result<Told, (Told, Error)> {
        let mut told = Told::default();
        for one in &step.moves {
            if let Err(error) = self.one(one, &mut told).await {
                return Err((told, error));
            }
        }
        Ok(told)
    }

    /// One move.
    async fn one(&mut self, one: &Move, told: &mut Told) -> Result<(), Error> {
        let people = concerned(one);
        let start = self.start(&people).await?;
        let mut typed = start.seen.clone();
        for act in &one.acts {
            let done = self.world.act(act).await?;
            told.edits.extend(done.said);
            for (place, field, value) in done.typed {
                let values = typed.entry(place).or_default();
                told.changes(diff_field(place, field, values, &value), true);
                set(values, field, &value);
            }
            if let Some(place) = done.place {
                let now = self.world.values(place).await?;
                // What a person made or took away is said in words; what Outlook filled in is not.
                if let (Some(before), Some(now)) = (typed.get(&place), &now) {
                    told.changes(diff(place, before, now), true);
                }
                match now {
                    Some(now) => drop(typed.insert(place, now)),
                    None => drop(typed.remove(&place)),
                }
            }
        }
        let outcome = self.until(one, &people, &start).await?;
        for (place, now) in &outcome.seen {
            let before = typed.remove(place).unwrap_or_default();
            let own = |change: &Change| is_own_recomposition(one, change);
            let changes = diff(*place, &before, now);
            told.changes(changes.into_iter().filter(|change| !own(change)), false);
        }
        told.lines.extend(outcome.lines);
        if outcome.unmet.is_empty() {
            told.notes
                .extend(one.expects.iter().filter_map(|expect| self.note(expect)));
            return Ok(());
        }
        Err(Error::Unmet(outcome.unmet.join("\n")))
    }

    async fn start(&mut self, people: &BTreeSet<Person>) -> Result<Start, Error> {
        let seen = self.world.look(people).await?;
        let pairs = people
            .iter()
            .flat_map(|person| Colleague::ALL.map(|whose| (whose, *person)));
        let known =
            |pair: (Colleague, Person)| Some((pair, self.world.known_contact(pair.0, pair.1)?));
        Ok(Start {
            seen,
            audited: self.world.audit(0).await?.1,
            writes: self.world.writes().await?,
            contacts: pairs.filter_map(known).collect(),
        })
    }

    /// Waits until everything holds, or patience ends.
    async fn until(
        &mut self,
        one: &Move,
        people: &BTreeSet<Person>,
        start: &Start,
    ) -> Result<Outcome, Error> {
        let deadline = self.clock.now_ms() + PATIENCE_MS;
        loop {
            // Asked first: what is seen afterwards is then what came of everything.
            let idle = self.world.is_idle().await?;
            let seen = self.world.look(people).await?;
            let (lines, _) = self.world.audit(start.audited).await?;
            let mut unmet = unmet_rules(&one.rules, &lines);
            for expect in &one.expects {
                unmet.extend(self.unmet(expect, &seen, &lines, start).await?);
            }
            if !idle {
                unmet.push("the service has not come to rest".to_owned());
            }
            if unmet.is_empty() || self.clock.now_ms() >= deadline {
                return Ok(Outcome { seen, lines, unmet });
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// What is wrong with an expectation.
    async fn unmet(
        &mut self,
        expect: &Expect,
        seen: &Seen,
        lines: &[Line],
        start: &Start,
    ) -> Result<Option<String>, Error> {
        let wrong = match expect {
            Expect::Shows(place, field, value) => {
                let found = shown(seen, *place, field);
                (found != *value).then(|| {
                    format!(
                        "{place}: {field} should be {}, but is {}",
                        quoted(value),
                        quoted(found)
                    )
                })
            }
            Expect::Connector(whose, person, state) => {
                let links = self.world.connectors(*person).await?;
                let found = links.iter().find(|(of, _, _)| of == whose);
                let found = found.map(|(_, state, _)| state.as_str());
                (found != *state).then(|| {
                    let (state, found) = (state.unwrap_or("none"), found.unwrap_or("none"));
                    let (whose, person) = (whose.name(), person.name());
                    format!(
                        "the connector of {whose} for {person} should be {state}, but is {found}"
                    )
                })
            }
            Expect::Gone(whose, person) => {
                let there = self.world.has_contact(*whose, *person).await?;
                there.then(|| format!("{} still has the contact {}", whose.name(), person.name()))
            }
            Expect::Anew(whose, person) => {
                let before = start.contacts.get(&(*whose, *person));
                let now = self.world.known_contact(*whose, *person);
                (before == now.as_ref())
                    .then(|| format!("{} has no new contact {}", whose.name(), person.name()))
            }
            Expect::State(whose, state) => {
                let user = self.world.user(*whose).await?.unwrap_or_default();
                let found = user["state"].as_str().unwrap_or("unknown");
                (found != *state).then(|| {
                    format!(
                        "the link of {} should be {state}, but is {found}",
                        whose.name()
                    )
                })
            }
            Expect::Previewed(whose) => match self.world.previewed(*whose).await? {
                Some(create) if create > 0 => {
                    self.previews.insert(*whose, create);
                    None
                }
                _ => Some(format!("there is no preview for {}", whose.name())),
            },
            Expect::Filled(whose) => {
                let wanted = self.previews.get(whose).copied().unwrap_or_default();
                let user = self.world.user(*whose).await?.unwrap_or_default();
                let linked = user["counts"]["in_sync"].as_u64().unwrap_or_default();
                let there = self.world.contacts_of(*whose).await?;
                (linked != wanted || there != wanted).then(|| {
                    format!(
                        "{} should have {wanted} contacts, but has {there}, of which {linked} are linked",
                        whose.name()
                    )
                })
            }
            Expect::Writes { tribe, outlook } => {
                let now = self.world.writes().await?;
                let made = Writes {
                    tribe: now.tribe.saturating_sub(start.writes.tribe),
                    outlook: now.outlook.saturating_sub(start.writes.outlook),
                };
                (made.tribe != *tribe || made.outlook != *outlook).then(|| {
                    format!(
                        "the service should have written {tribe} times to Tribe and {outlook} times \
                         to Outlook, but wrote {} and {} times",
                        made.tribe, made.outlook
                    )
                })
            }
            Expect::Unknown => {
                let found = self.world.people_with(SHARED).await?;
                (found > 0).then(|| "the stranger from Outlook turned up in Tribe".to_owned())
            }
            Expect::Lost(person, value) => {
                let mut lost = lines.iter().filter(|line| line.cited.person == *person);
                let kept = lost.any(|line| line.lost.iter().any(|lost| lost == value));
                (!kept).then(|| format!("the audit does not keep the losing value {value:?}"))
            }
            Expect::Parked(person, reason) => {
                let parked = self.world.parked(*person).await?;
                let there = parked.iter().any(|found| found.contains(reason));
                (!there).then(|| format!("no parked item says {reason:?}; they are {parked:?}"))
            }
        };
        Ok(wrong)
    }

    /// What an expectation says that no change shows.
    fn note(&self, expect: &Expect) -> Option<String> {
        match expect {
            Expect::Connector(whose, person, state) => Some(format!(
                "connector of {} for {}: {}",
                whose.name(),
                person.name(),
                state.unwrap_or("none")
            )),
            Expect::State(whose, state) => Some(format!("state of {}: {state}", whose.name())),
            Expect::Previewed(whose) => {
                let create = self.previews.get(whose)?;
                Some(format!(
                    "preview for {}: {create} contacts would be created",
                    whose.name()
                ))
            }
            Expect::Filled(whose) => {
                let create = self.previews.get(whose)?;
                Some(format!(
                    "{} has {create} contacts in Outlook now",
                    whose.name()
                ))
            }
            Expect::Writes { tribe, outlook } => Some(format!(
                "the service wrote {} to Tribe, {} to Outlook",
                times(*tribe),
                times(*outlook)
            )),
            Expect::Lost(_, value) => {
                Some(format!("the losing value stands in the audit: {value}"))
            }
            Expect::Parked(_, reason) => Some(format!("parked for a person to see: {reason}")),
            Expect::Unknown => Some("Tribe has no such person".to_owned()),
            Expect::Gone(whose, person) => Some(format!(
                "{} has no contact {} any more; Tribe still has the person",
                whose.name(),
                person.name()
            )),
            Expect::Anew(..) => Some("it is a new contact under a new connector ID".to_owned()),
            Expect::Shows(..) => None,
        }
    }
}

fn times(count: u64) -> String {
    match count {
        0 => "nothing".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

fn quoted(value: &str) -> String {
    if value.is_empty() {
        "empty".to_owned()
    } else {
        format!("“{value}”")
    }
}

fn shown<'s>(seen: &'s Seen, place: Place, field: &str) -> &'s str {
    let value = seen.get(&place).and_then(|values| values.get(field));
    value.map_or("", String::as_str)
}

fn set(values: &mut Values, field: &str, value: &str) {
    if value.is_empty() {
        values.remove(field);
    } else {
        values.insert(field.to_owned(), value.to_owned());
    }
}

/// The rules that must have been cited and were not, and those that were and must not.
fn unmet_rules(wanted: &[Cited], lines: &[Line]) -> Vec<String> {
    let wanted: BTreeSet<_> = wanted.iter().copied().collect();
    let found: BTreeSet<_> = lines.iter().map(|line| line.cited).collect();
    let missing = wanted.difference(&found);
    let missing = missing.map(|cited| format!("the audit should cite {cited}"));
    let extra = found.difference(&wanted);
    let extra = extra.map(|cited| format!("the audit cites {cited}, which nobody expected"));
    missing.chain(extra).collect()
}

/// Whom a move is about.
fn concerned(one: &Move) -> BTreeSet<Person> {
    let of_place = |place: &Place| match place {
        Place::Tribe(person) | Place::Outlook(_, person) => *person,
    };
    let acts = one.acts.iter().filter_map(|act| match act {
        Act::Create(person, _)
        | Act::Tribe(person, ..)
        | Act::Manager(person, _)
        | Act::Owners(person, _)
        | Act::Former(person, _)
        | Act::Outlook(_, person, ..)
        | Act::Delete(_, person)
        | Act::Complete(_, person) => Some(*person),
        _ => None,
    });
    let expects = one.expects.iter().filter_map(|expect| match expect {
        Expect::Shows(place, ..) => Some(of_place(place)),
        Expect::Connector(_, person, _)
        | Expect::Gone(_, person)
        | Expect::Anew(_, person)
        | Expect::Lost(person, _)
        | Expect::Parked(person, _) => Some(*person),
        _ => None,
    });
    let rules = one.rules.iter().map(|cited| cited.person);
    acts.chain(expects).chain(rules).collect()
}

fn diff_field(place: Place, field: &str, values: &Values, after: &str) -> Option<Change> {
    let before = values.get(field).cloned().unwrap_or_default();
    (before != after).then(|| Change {
        place,
        field: field.to_owned(),
        before,
        after: after.to_owned(),
    })
}

fn diff(place: Place, before: &Values, after: &Values) -> Vec<Change> {
    let fields: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let change = |field: &String| {
        let after = after.get(field).map_or("", String::as_str);
        diff_field(place, field, before, after)
    };
    fields.into_iter().filter_map(change).collect()
}

/// Outlook composes the display name anew when its user edits a name part: no work of the service.
fn is_own_recomposition(one: &Move, change: &Change) -> bool {
    change.field == "displayName"
        && one.acts.iter().any(|act| match (act, change.place) {
            (Act::Outlook(whose, person, ..), Place::Outlook(of, whom)) => {
                (*whose, *person) == (of, whom)
            }
            _ => false,
        })
}
