//! Plays steps: does what people do, waits for what must come of it, and says what changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Error,
    compare::{concerned, diff, diff_field, is_own_recomposition, quoted, set, shown, unmet_rules},
    people::{Colleague, Person, SHARED},
    step::{Expect, Move, Part, Seen, Step},
    tell::{Change, Edit, Teller, Told, Total},
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
    /// What was last seen parked.
    parked: Vec<String>,
    patience_ms: i64,
}

impl<'a> Player<'a> {
    pub(super) fn new(world: World, teller: &'a Teller) -> Player<'a> {
        Player {
            world,
            teller,
            clock: SystemClock,
            previews: BTreeMap::new(),
            parked: Vec::new(),
            patience_ms: PATIENCE_MS,
        }
    }

    /// Plays all steps and sums up.
    ///
    /// # Errors
    /// The first step that did not come out, by number and title, and what is wrong.
    pub(super) async fn play(&mut self, story: Vec<Part>) -> Result<(), String> {
        let began = self.clock.now_ms();
        let total = story.iter().map(|part| part.steps.len()).sum();
        let mut number = 0;
        for part in &story {
            self.teller.part(part.title);
            for step in &part.steps {
                number += 1;
                let step_began = self.clock.now_ms();
                let mut told = Told::of(number, step);
                let result = self.step(step, &mut told).await;
                told.took_ms = self.clock.now_ms() - step_began;
                let Err(error) = result else {
                    self.teller.step(&told);
                    continue;
                };
                let why = error.to_string();
                self.teller.failed(&told, &why);
                return Err(format!(
                    "step {number} of {total} did not come out: {}\n{why}",
                    step.title
                ));
            }
        }
        let sum = self.sum(total, began).await;
        self.teller.sum(&sum.map_err(|error| error.to_string())?);
        Ok(())
    }

    async fn sum(&self, steps: usize, began: i64) -> Result<Total, Error> {
        let (tribe_calls, microsoft_calls) = self.world.calls().await?;
        let writes = self.world.writes().await?;
        let deletions = self.world.deletions().await?;
        if deletions > 0 {
            let what = format!("the service deleted {deletions} people or contacts; it never may");
            return Err(Error::Unmet(what));
        }
        Ok(Total {
            steps,
            took_ms: self.clock.now_ms() - began,
            tribe_calls,
            microsoft_calls,
            writes,
        })
    }

    async fn step(&mut self, step: &Step, told: &mut Told) -> Result<(), Error> {
        for one in &step.moves {
            self.one(one, told).await?;
        }
        Ok(())
    }

    /// One move.
    async fn one(&mut self, one: &Move, told: &mut Told) -> Result<(), Error> {
        let people = concerned(one);
        let start = self.start(&people).await?;
        let mut typed = start.seen.clone();
        for act in &one.acts {
            let done = self.world.act(act).await?;
            told.edits.extend(done.said.map(Edit::Words));
            for (place, field, value) in done.typed {
                let values = typed.entry(place).or_default();
                told.edits
                    .extend(diff_field(place, field, values, &value).map(Edit::Value));
                set(values, field, &value);
            }
            if let Some(place) = done.place {
                let now = self.world.values(place).await?;
                // What a person made or took away is said in words; what Outlook filled in is not.
                if let (Some(before), Some(now)) = (typed.get(&place), &now) {
                    told.edits
                        .extend(diff(place, before, now).into_iter().map(Edit::Value));
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
            told.carried
                .extend(changes.into_iter().filter(|change| !own(change)));
        }
        told.lines.extend(outcome.lines);
        let wrote = self.world.writes().await? - start.writes;
        told.writes = told.writes + wrote;
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
        let deadline = self.clock.now_ms() + self.patience_ms;
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
                let made = self.world.writes().await? - start.writes;
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
            Expect::Parked(person, wanted) => {
                let parked = self.world.parked(*person).await?;
                let there = !parked.is_empty();
                self.parked = parked;
                (there != *wanted).then(|| {
                    let what = if there {
                        "is parked"
                    } else {
                        "nothing is parked"
                    };
                    format!("{what} for {}: {}", person.name(), self.parked.join("; "))
                })
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
            Expect::Lost(_, value) => {
                Some(format!("the losing value stands in the audit: {value}"))
            }
            Expect::Parked(_, true) => Some(format!(
                "parked for people to see: {}",
                self.parked.join("; ")
            )),
            Expect::Parked(_, false) => Some("nothing is parked any more".to_owned()),
            Expect::Unknown => Some("Tribe has no such person".to_owned()),
            Expect::Gone(whose, person) => Some(format!(
                "{} has no contact {} any more; Tribe still has the person",
                whose.name(),
                person.name()
            )),
            Expect::Anew(..) => Some("it is a new contact under a new connector ID".to_owned()),
            Expect::Shows(..) | Expect::Writes { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tribelink_plan::rule::Rule;

    use super::*;
    use crate::demo::{
        parties::Parties,
        step::{Act, Cited, Way, step},
    };

    fn cited(rule: Rule) -> Cited {
        Cited {
            rule,
            way: Way::ToTribe,
            whose: Colleague::Anna,
            person: Person::Noor,
            flagged: false,
        }
    }

    fn line(rule: Rule) -> Line {
        Line {
            cited: cited(rule),
            cause: String::new(),
            note: String::new(),
            lost: Vec::new(),
        }
    }

    #[test]
    fn a_rule_that_is_missing_or_that_nobody_expected_is_named() {
        let lines = [line(Rule::R3), line(Rule::R3)];
        assert!(unmet_rules(&[cited(Rule::R3)], &lines).is_empty());
        let wrong = unmet_rules(&[cited(Rule::R16)], &lines);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].contains("should cite R16"), "{wrong:?}");
        assert!(wrong[1].contains("cites R3"), "{wrong:?}");
    }

    /// A player in a world of its own, who does not wait.
    async fn hasty<'a>(teller: &'a Teller) -> (Parties, Player<'a>) {
        let args = crate::demo::Wishes {
            once: true,
            people: Some(3),
            listen: None,
        };
        let parties = Parties::start(&args, Arc::new(String::new)).await;
        let parties = parties.expect("the three parties");
        let world = World::enter(&parties).await.expect("a world");
        let mut player = Player::new(world, teller);
        player.patience_ms = 0;
        (parties, player)
    }

    #[tokio::test]
    async fn a_step_that_does_not_come_out_ends_the_story_by_name() {
        let teller = Teller;
        let (parties, mut player) = hasty(&teller).await;
        let good = step(4, "Nothing happens").act(Act::HearHints).writes(0, 0);
        let bad = step(4, "Anna is connected by nobody")
            .act(Act::HearHints)
            .expect(Expect::State(Colleague::Anna, "live"));
        let never = step(4, "Nobody gets here").act(Act::HearHints).writes(9, 9);
        let part = Part {
            title: "A story",
            steps: vec![good, bad, never],
        };
        let why = player.play(vec![part]).await.expect_err("a failure");
        assert!(
            why.starts_with("step 2 of 3 did not come out: Anna is connected by nobody\n"),
            "{why}"
        );
        assert!(why.contains("should be live"), "{why}");
        parties.stop().await;
    }

    #[tokio::test]
    async fn a_write_that_nobody_expected_fails_the_step() {
        let teller = Teller;
        let (parties, mut player) = hasty(&teller).await;
        // The player's own write does not count as one of the service.
        let part = |title, tribe| Part {
            title,
            steps: vec![
                step(1, title)
                    .act(Act::Create(Person::Sofie, Colleague::Anna))
                    .writes(tribe, 0),
            ],
        };
        player.play(vec![part("right", 0)]).await.expect("right");
        let why = player
            .play(vec![part("wrong", 1)])
            .await
            .expect_err("a failure");
        assert!(why.contains("but wrote 0 and 0 times"), "{why}");
        parties.stop().await;
    }
}
