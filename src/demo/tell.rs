//! What stands on the terminal: 80 columns, colours where they are wanted, plain text in a pipe.

use std::{collections::BTreeMap, fmt::Write as _};

use owo_colors::{OwoColorize as _, Stream, Style};

use super::{
    parties::Parties,
    people::Colleague,
    step::{Chapter, Place, Way},
    world::{Line, World, Writes},
};

/// The width that everything keeps to.
const WIDTH: usize = 80;

/// Where the text of a line begins.
const INDENT: usize = 12;

/// A value that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) place: Place,
    pub(super) field: String,
    pub(super) before: String,
    pub(super) after: String,
}

/// What happened in a step.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What people did, in words.
    pub(super) edits: Vec<String>,
    /// Values that people changed.
    typed: Vec<Change>,
    /// Values that the service changed.
    carried: Vec<Change>,
    /// Audit lines.
    pub(super) lines: Vec<Line>,
    /// What else holds.
    pub(super) notes: Vec<String>,
}

impl Told {
    pub(super) fn changes(&mut self, changes: impl IntoIterator<Item = Change>, typed: bool) {
        let all = if typed {
            &mut self.typed
        } else {
            &mut self.carried
        };
        all.extend(changes);
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
    pub(super) fn new() -> Teller {
        Teller
    }

    /// Who is here.
    pub(super) fn opening(&self, world: &World) {
        let mut page = String::new();
        line(
            &mut page,
            &paint(
                "tribelink · the help article, step by step",
                Style::new().bold(),
            ),
        );
        let intro = "A simulated Tribe CRM and Microsoft 365 and the real service, three parties that \
                     talk HTTP on this machine. What stands here was read back from them.";
        for row in wrap(intro, WIDTH) {
            line(&mut page, &row);
        }
        line(&mut page, "");
        for whose in Colleague::ALL {
            if let Ok(employee) = world.employee(whose) {
                let who = format!(
                    "  {:<6}{} · {}",
                    whose.name(),
                    employee.name,
                    employee.address
                );
                line(&mut page, &who);
            }
        }
        say(&page);
    }

    /// A new chapter.
    pub(super) fn chapter(&self, chapter: Chapter) {
        let title = format!("── Chapter {} · {} ", chapter.0, chapter.heading());
        let rest = WIDTH.saturating_sub(title.chars().count());
        say(&format!(
            "\n{}\n",
            paint(
                &format!("{title}{}", "─".repeat(rest)),
                Style::new().bold().blue()
            )
        ));
    }

    /// A step that came out.
    pub(super) fn step(&self, number: usize, title: &str, told: &Told, took_ms: i64) {
        let mark = paint("✓", Style::new().green().bold());
        say(&(head(&mark, number, title, took_ms) + &body(told)));
    }

    /// A step that did not.
    pub(super) fn failed(&self, number: usize, title: &str, told: &Told, why: &str, took_ms: i64) {
        let mark = paint("✗", Style::new().red().bold());
        let mut page = head(&mark, number, title, took_ms) + &body(told);
        for one in why.lines() {
            labelled(
                &mut page,
                "wrong",
                Style::new().red().bold(),
                one,
                Style::new().red(),
            );
        }
        say(&page);
    }

    /// All came out.
    pub(super) fn sum(&self, total: &Total) {
        let mut page = format!(
            "\n{}\n",
            paint(&"─".repeat(WIDTH), Style::new().bold().blue())
        );
        let good = format!(
            "{} steps, all came out, in {}.",
            total.steps,
            seconds(total.took_ms)
        );
        line(&mut page, &paint(&good, Style::new().green().bold()));
        let calls = format!(
            "  {} calls to Tribe CRM, {} to Microsoft 365, those of the story itself included.",
            total.tribe_calls, total.microsoft_calls
        );
        line(&mut page, &calls);
        let writes = format!(
            "  The service wrote {} times to Tribe and {} times to Outlook.",
            total.writes.tribe, total.writes.outlook
        );
        line(&mut page, &writes);
        line(
            &mut page,
            "  Nothing was deleted on either side by the service.",
        );
        say(&page);
    }

    /// Where to look on.
    pub(super) fn stay(&self, parties: &Parties) {
        let mut page = String::new();
        line(
            &mut page,
            &paint(
                "Everything stays up. Edit both sides yourself:",
                Style::new().bold(),
            ),
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
        line(&mut page, "The admin API from another terminal:");
        let token = &parties.token;
        line(
            &mut page,
            &format!("  export TRIBELINK_URL={}", parties.service),
        );
        line(&mut page, &format!("  export TRIBELINK_TOKEN={token}"));
        line(&mut page, "  tribelink users list");
        line(&mut page, "");
        line(&mut page, "Ctrl-C ends.");
        say(&page);
    }
}

fn head(mark: &str, number: usize, title: &str, took_ms: i64) -> String {
    let took = seconds(took_ms);
    let room = WIDTH - 6 - took.chars().count() - 1;
    let mut rows = wrap(title, room).into_iter();
    let first = rows.next().unwrap_or_default();
    let gap = " ".repeat(room + 1 - first.chars().count());
    let bold = Style::new().bold();
    let mut page = format!(
        "{mark} {number:>2}  {}{gap}{}\n",
        paint(&first, bold),
        paint(&took, Style::new().dimmed())
    );
    for row in rows {
        line(&mut page, &format!("      {}", paint(&row, bold)));
    }
    page
}

fn body(told: &Told) -> String {
    let (edit, link, rule) = (
        Style::new().yellow(),
        Style::new().green(),
        Style::new().cyan(),
    );
    let mut page = String::new();
    for words in &told.edits {
        labelled(&mut page, "edit", edit, words, Style::new());
    }
    changes(&mut page, "edit", edit, &told.typed);
    changes(&mut page, "link", link, &told.carried);
    for note in &told.notes {
        labelled(&mut page, "seen", Style::new().dimmed(), note, Style::new());
    }
    for (cited, ways) in rules(&told.lines) {
        let text = format!("{:<4}{}", cited.code(), cited.sentence());
        labelled(&mut page, "rule", rule, &text, rule);
        for way in ways {
            labelled(
                &mut page,
                "",
                rule,
                &format!("    {way}"),
                Style::new().dimmed(),
            );
        }
    }
    page
}

/// Changes by place.
fn changes(page: &mut String, label: &str, style: Style, all: &[Change]) {
    let mut places: Vec<Place> = Vec::new();
    for change in all {
        if !places.contains(&change.place) {
            places.push(change.place);
        }
    }
    for place in places {
        let of_place: Vec<_> = all.iter().filter(|change| change.place == place).collect();
        let fresh = of_place.len() > 2 && of_place.iter().all(|change| change.before.is_empty());
        labelled(page, label, style, &format!("{place}"), Style::new());
        if fresh {
            let values: Vec<_> = of_place
                .iter()
                .map(|change| format!("{}: {}", change.field, change.after))
                .collect();
            labelled(
                page,
                "",
                style,
                &format!("  {}", values.join(" · ")),
                Style::new(),
            );
            continue;
        }
        for change in of_place {
            let text = format!(
                "  {:<26}{} → {}",
                change.field,
                empty(&change.before),
                empty(&change.after)
            );
            labelled(page, "", style, &text, Style::new());
        }
    }
}

fn empty(value: &str) -> &str {
    if value.is_empty() { "(empty)" } else { value }
}

/// Rules in the order of their first line, and where their work went.
fn rules(lines: &[Line]) -> Vec<(tribelink_plan::rule::Rule, Vec<String>)> {
    let mut order = Vec::new();
    let mut ways: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for one in lines {
        let cited = one.cited;
        if !order.contains(&cited.rule) {
            order.push(cited.rule);
        }
        let side = match cited.way {
            Way::ToOutlook => "to Outlook of",
            Way::ToTribe => "to Tribe, from",
            Way::Link => "link of",
        };
        let flag = if cited.flagged { ", flagged" } else { "" };
        let way = format!(
            "{side} {}{flag}, noticed by {}",
            cited.whose.name(),
            one.cause
        );
        let known = ways.entry(cited.rule).or_default();
        if !known.contains(&way) {
            known.push(way);
        }
    }
    order
        .into_iter()
        .map(|rule| (rule, ways.remove(&rule).unwrap_or_default()))
        .collect()
}

/// A text behind a label, wrapped below itself.
fn labelled(page: &mut String, label: &str, style: Style, text: &str, tint: Style) {
    let lead = text.len() - text.trim_start().len();
    let rows = wrap(text.trim_start(), WIDTH - INDENT - lead);
    for (index, row) in rows.iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        let padded = format!("{label:<width$}", width = INDENT - 6);
        let row = paint(row, tint);
        line(
            page,
            &format!("      {}{}{row}", paint(&padded, style), " ".repeat(lead)),
        );
    }
}

/// Breaks a text at spaces; what is longer than a row stays whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    for (index, word) in text.split(' ').enumerate() {
        let last = rows.len() - 1;
        let used = rows[last].chars().count();
        if index > 0 && used + 1 + word.chars().count() > width && used > 0 {
            rows.push(word.to_owned());
        } else {
            if index > 0 {
                rows[last].push(' ');
            }
            rows[last].push_str(word);
        }
    }
    rows
}

fn seconds(took_ms: i64) -> String {
    format!("{}.{:02} s", took_ms / 1000, took_ms % 1000 / 10)
}

fn paint(text: &str, style: Style) -> String {
    if text.trim().is_empty() {
        return text.to_owned();
    }
    text.if_supports_color(Stream::Stdout, |text| text.style(style))
        .to_string()
}

fn line(page: &mut String, text: &str) {
    let _ = writeln!(page, "{}", text.trim_end());
}

/// A reader that went away (`| head`) is no error.
fn say(page: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(page.as_bytes()).and_then(|()| out.flush());
}
