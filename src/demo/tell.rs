//! What stands on the terminal: 80 columns, colours where they are wanted, plain text in a pipe.

use owo_colors::Style;
use tribelink_plan::rule::Rule;

use super::{
    layout::{INDENT, WIDTH, labelled, line, paint, say, seconds, wrap},
    parties::Parties,
    people::Colleague,
    step::{Place, Step, Way},
    world::{Line, World, Writes},
};

/// A value that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) place: Place,
    pub(super) field: String,
    pub(super) before: String,
    pub(super) after: String,
}

/// What somebody did.
#[derive(Debug)]
pub(super) enum Edit {
    /// In words.
    Words(String),
    /// A value was typed.
    Value(Change),
}

/// What happened in a step.
#[derive(Debug, Default)]
pub(super) struct Told {
    number: usize,
    title: &'static str,
    chapter: u8,
    silent: Vec<Rule>,
    pub(super) took_ms: i64,
    /// What people did, in order.
    pub(super) edits: Vec<Edit>,
    /// Values that the service changed.
    pub(super) carried: Vec<Change>,
    /// How often it wrote.
    pub(super) writes: Writes,
    /// Audit lines.
    pub(super) lines: Vec<Line>,
    /// What else holds.
    pub(super) notes: Vec<String>,
}

impl Told {
    pub(super) fn of(number: usize, step: &Step) -> Told {
        Told {
            number,
            title: step.title,
            chapter: step.chapter,
            silent: step.silent.clone(),
            ..Told::default()
        }
    }
}

/// The numbers at the end.
pub(super) struct Total {
    pub(super) steps: usize,
    pub(super) took_ms: i64,
    pub(super) tribe_calls: u64,
    pub(super) microsoft_calls: u64,
    pub(super) writes: Writes,
}

/// Writes to standard output.
pub(super) struct Teller;

impl Teller {
    /// Who is here.
    pub(super) fn opening(&self, world: &World) {
        let mut page = String::new();
        let bold = Style::new().bold();
        line(
            &mut page,
            &paint("tribelink · the help article, step by step", bold),
        );
        let intro = "Three parties that talk HTTP on this machine: the real service, and a sandbox \
                     that plays Tribe CRM and Microsoft 365. Every value and every rule below was \
                     read back from them.";
        for row in wrap(intro, WIDTH) {
            line(&mut page, &row);
        }
        line(&mut page, "");
        for (label, style, words) in [
            ("edit", edit(), "what a person did"),
            ("link", link(), "what the service changed because of it"),
            ("seen", dim(), "what else was checked"),
            (
                "wrote",
                dim(),
                "how often it wrote, as counted by the other side",
            ),
            (
                "rule",
                rule(),
                "why, as the audit says, and what made it look",
            ),
        ] {
            labelled(&mut page, label, style, words, Style::new());
        }
        line(&mut page, "");
        for whose in Colleague::ALL {
            if let Ok(employee) = world.employee(whose) {
                let who = format!("{} · {}", employee.name, employee.address);
                labelled(&mut page, whose.name(), Style::new(), &who, Style::new());
            }
        }
        say(&page);
    }

    /// A new part.
    pub(super) fn part(&self, title: &str) {
        let title = format!("── {title} ");
        let rest = WIDTH.saturating_sub(title.chars().count());
        let rule = format!("{title}{}", "─".repeat(rest));
        say(&format!(
            "\n{}\n\n",
            paint(&rule, Style::new().bold().blue())
        ));
    }

    /// A step that came out.
    pub(super) fn step(&self, told: &Told) {
        let mark = paint("✓", Style::new().green().bold());
        say(&(head(&mark, told) + &body(told) + "\n"));
    }

    /// A step that did not.
    pub(super) fn failed(&self, told: &Told, why: &str) {
        let mark = paint("✗", Style::new().red().bold());
        let mut page = head(&mark, told) + &body(told);
        let red = Style::new().red();
        for one in why.lines() {
            labelled(&mut page, "wrong", red.bold(), one, red);
        }
        say(&(page + "\n"));
    }

    /// All came out.
    pub(super) fn sum(&self, total: &Total) {
        let mut page = String::new();
        line(
            &mut page,
            &paint(&"─".repeat(WIDTH), Style::new().bold().blue()),
        );
        let good = format!(
            "{} steps, all came out, in {}.",
            total.steps,
            seconds(total.took_ms)
        );
        line(&mut page, &paint(&good, Style::new().green().bold()));
        let calls = format!(
            "The service made {} calls to Tribe CRM and {} to Microsoft 365.",
            total.tribe_calls, total.microsoft_calls
        );
        line(&mut page, &calls);
        let writes = format!(
            "It wrote {} times to Tribe and {} times to Outlook, and deleted nothing.",
            total.writes.tribe, total.writes.outlook
        );
        line(&mut page, &writes);
        say(&page);
    }

    /// Where to look on.
    pub(super) fn stay(&self, parties: &Parties) {
        let mut page = String::from("\n");
        let bold = Style::new().bold();
        line(
            &mut page,
            &paint("Everything stays up. Edit both sides yourself:", bold),
        );
        for (name, address) in [
            ("Service", format!("{}/", parties.service)),
            ("Tribe CRM", format!("{}/_sandbox/tribe", parties.sandbox)),
            ("Outlook", format!("{}/_sandbox/outlook", parties.sandbox)),
            ("Admin token", parties.token.clone()),
        ] {
            let address = paint(&address, Style::new().cyan());
            line(&mut page, &format!("  {name:<13}{address}"));
        }
        line(&mut page, "");
        line(&mut page, "In another terminal:");
        line(
            &mut page,
            &format!("  export TRIBELINK_URL={}", parties.service),
        );
        line(
            &mut page,
            &format!("  export TRIBELINK_TOKEN={}", parties.token),
        );
        line(&mut page, &format!("  {} users list", program()));
        line(&mut page, "");
        line(&mut page, "Ctrl-C ends.");
        say(&page);
    }
}

fn edit() -> Style {
    Style::new().yellow()
}

fn link() -> Style {
    Style::new().green()
}

fn rule() -> Style {
    Style::new().cyan()
}

fn dim() -> Style {
    Style::new().dimmed()
}

fn head(mark: &str, told: &Told) -> String {
    let side = format!("ch. {}  {}", told.chapter, seconds(told.took_ms));
    let room = WIDTH - 6 - side.chars().count() - 1;
    let mut rows = wrap(told.title, room).into_iter();
    let first = rows.next().unwrap_or_default();
    let gap = " ".repeat((room + 1).saturating_sub(first.chars().count()));
    let bold = Style::new().bold();
    let (first, side) = (paint(&first, bold), paint(&side, dim()));
    let mut page = format!("{mark} {:>2}  {first}{gap}{side}\n", told.number);
    for row in rows {
        line(&mut page, &format!("      {}", paint(&row, bold)));
    }
    page
}

fn body(told: &Told) -> String {
    let mut page = String::new();
    let mut typed = Vec::new();
    for one in &told.edits {
        match one {
            Edit::Value(change) => typed.push(change),
            Edit::Words(words) => {
                changes(&mut page, "edit", edit(), &typed);
                typed.clear();
                labelled(&mut page, "edit", edit(), words, Style::new());
            }
        }
    }
    changes(&mut page, "edit", edit(), &typed);
    changes(
        &mut page,
        "link",
        link(),
        &told.carried.iter().collect::<Vec<_>>(),
    );
    for note in &told.notes {
        labelled(&mut page, "seen", dim(), note, Style::new());
    }
    labelled(&mut page, "wrote", dim(), &wrote(told.writes), Style::new());
    for work in cited(&told.lines) {
        let text = format!("{:<4}{}", work.rule.code(), work.sentence);
        labelled(&mut page, "rule", rule(), &text, rule());
        for way in work.ways {
            labelled(&mut page, "", rule(), &format!("    {way}"), dim());
        }
    }
    for silent in &told.silent {
        let text = format!("{:<4}{}", silent.code(), silent.sentence());
        labelled(&mut page, "rule", rule(), &text, rule());
    }
    page
}

fn wrote(writes: Writes) -> String {
    let side = |count: u64, side: &str| match count {
        0 => None,
        1 => Some(format!("once to {side}")),
        2 => Some(format!("twice to {side}")),
        count => Some(format!("{count} times to {side}")),
    };
    let sides = [side(writes.tribe, "Tribe"), side(writes.outlook, "Outlook")];
    let sides: Vec<_> = sides.into_iter().flatten().collect();
    if sides.is_empty() {
        return "nothing, to neither side".to_owned();
    }
    sides.join(", ")
}

/// Changes by place.
fn changes(page: &mut String, label: &str, style: Style, all: &[&Change]) {
    let mut places: Vec<Place> = Vec::new();
    for change in all {
        if !places.contains(&change.place) {
            places.push(change.place);
        }
    }
    let plain = Style::new();
    for place in places {
        let of_place: Vec<_> = all.iter().filter(|change| change.place == place).collect();
        labelled(page, label, style, &place.to_string(), plain);
        // A place that was empty before: arrows from nothing would only be in the way.
        let fresh = of_place.len() > 3 && of_place.iter().all(|change| change.before.is_empty());
        for change in of_place {
            let (before, after) = (empty(&change.before), empty(&change.after));
            let short = if fresh {
                format!("  {:<26}{after}", change.field)
            } else {
                format!("  {:<26}{before} → {after}", change.field)
            };
            if fresh || short.chars().count() <= WIDTH - INDENT {
                labelled(page, "", style, &short, plain);
            } else {
                labelled(
                    page,
                    "",
                    style,
                    &format!("  {:<26}{before}", change.field),
                    plain,
                );
                labelled(page, "", style, &format!("{:28}→ {after}", ""), plain);
            }
        }
    }
}

fn empty(value: &str) -> &str {
    if value.is_empty() { "(empty)" } else { value }
}

/// A rule, and where its work went.
struct Work {
    rule: Rule,
    sentence: &'static str,
    ways: Vec<String>,
}

/// Rules in the order of their first line.
fn cited(lines: &[Line]) -> Vec<Work> {
    let mut all: Vec<Work> = Vec::new();
    for one in lines {
        let (rule, sentence) = (one.cited.rule, sentence(one));
        let side = match one.cited.way {
            Way::ToOutlook => "to Outlook of",
            Way::ToTribe => "to Tribe, from",
            Way::Link => "link of",
        };
        let flag = if one.cited.flagged { ", flagged" } else { "" };
        let (whose, cause) = (one.cited.whose.name(), cause(&one.cause));
        let way = format!("{side} {whose}{flag}, noticed by {cause}");
        let known = all
            .iter_mut()
            .find(|work| (work.rule, work.sentence) == (rule, sentence));
        match known {
            Some(work) if work.ways.contains(&way) => {}
            Some(work) => work.ways.push(way),
            None => all.push(Work {
                rule,
                sentence,
                ways: vec![way],
            }),
        }
    }
    all
}

/// The rule's own, save where the line tells of its other half.
fn sentence(one: &Line) -> &'static str {
    match (one.cited.rule, one.note.as_str()) {
        (Rule::R9, "awake") => "The person is eligible again: the link wakes as it fell asleep.",
        (rule, _) => rule.sentence(),
    }
}

/// The audit's word for what made the service look, for people.
fn cause(word: &str) -> &str {
    match word {
        "webhook" => "Tribe's webhook",
        "notification" => "Microsoft's notification",
        "poll" => "asking Tribe for changes",
        "delta" => "asking Outlook for changes",
        "person" => "somebody's request",
        other => other,
    }
}

/// How this program was started, so that the line can be typed as it stands.
fn program() -> String {
    std::env::args()
        .next()
        .unwrap_or_else(|| "tribelink".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{
        people::Person,
        step::{Cited, step},
    };

    fn told() -> Told {
        let cited = Cited {
            rule: Rule::R2,
            way: Way::ToOutlook,
            whose: Colleague::Bram,
            person: Person::Noor,
            flagged: false,
        };
        let line = |cause: &str| Line {
            cited,
            cause: cause.to_owned(),
            note: String::new(),
            lost: Vec::new(),
        };
        let change = |after: &str| Change {
            place: Place::Outlook(Colleague::Bram, Person::Noor),
            field: "emailAddresses".to_owned(),
            before: "noor@a-long-name.example".to_owned(),
            after: after.to_owned(),
        };
        Told {
            edits: vec![Edit::Words("Noor moves".to_owned())],
            carried: vec![change("noor@another-long-name.example"), change("")],
            lines: vec![line("webhook"), line("webhook")],
            writes: Writes {
                tribe: 0,
                outlook: 2,
            },
            ..Told::of(
                7,
                &step(
                    2,
                    "A title so long that it does not fit beside chapter and time",
                ),
            )
        }
    }

    #[test]
    fn a_step_keeps_to_eighty_columns() {
        let page = head("✓", &told()) + &body(&told());
        for row in page.lines() {
            assert!(row.chars().count() <= WIDTH, "{row}");
        }
    }

    #[test]
    fn a_step_says_what_changed_and_why() {
        let page = body(&told());
        for expected in [
            "Noor moves",
            "noor@a-long-name.example → (empty)",
            "→ noor@another-long-name.example",
            "twice to Outlook",
            "R2  Only Tribe changed",
            "to Outlook of Bram, noticed by Tribe's webhook",
        ] {
            assert!(page.contains(expected), "{expected}: {page}");
        }
        assert_eq!(page.matches("noticed by").count(), 1);
    }
}
