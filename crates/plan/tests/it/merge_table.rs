//! Every combination that `merge` can be asked, against the rules written down as a table.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use tribelink_plan::{
    base::{Fingerprint, Mark, Marks},
    field::Direction,
    link::Origin,
    merge::{Inputs, Verdict, merge},
    policy::Conflict,
    rule::Rule,
};

const A: Mark = Mark::Value(Fingerprint(1));
const B: Mark = Mark::Value(Fingerprint(2));
const C: Mark = Mark::Value(Fingerprint(3));
const MARKS: [Mark; 5] = [Mark::Unknown, Mark::Empty, A, B, C];
const DIRECTIONS: [Direction; 4] = [
    Direction::Both,
    Direction::ToOutlook,
    Direction::ToTribe,
    Direction::Off,
];
const CONFLICTS: [Conflict; 3] = [Conflict::Tribe, Conflict::Outlook, Conflict::Hold];
const ORIGINS: [Origin; 3] = [Origin::Created, Origin::Stamp, Origin::Match];
const DECIDED: [Option<bool>; 3] = [None, Some(true), Some(false)];

fn every() -> impl Iterator<Item = Inputs> {
    let marks = MARKS.into_iter().flat_map(|tribe| {
        MARKS.into_iter().flat_map(move |outlook| {
            MARKS.into_iter().flat_map(move |base_tribe| {
                MARKS.into_iter().map(move |base_outlook| {
                    let base = Marks {
                        tribe: base_tribe,
                        outlook: base_outlook,
                    };
                    (tribe, outlook, base)
                })
            })
        })
    });
    marks.flat_map(|(tribe, outlook, base)| {
        DIRECTIONS.into_iter().flat_map(move |direction| {
            CONFLICTS.into_iter().flat_map(move |conflict| {
                ORIGINS.into_iter().flat_map(move |origin| {
                    DECIDED.into_iter().map(move |decided| Inputs {
                        tribe,
                        outlook,
                        base,
                        origin,
                        direction,
                        conflict,
                        decided,
                    })
                })
            })
        })
    })
}

/// What a row of the table says is to happen, before directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    /// Nothing moves.
    Rest,
    /// The base follows, nothing is written.
    Follow,
    /// Tribe's value wins.
    Tribe(Rule, bool),
    /// Outlook's value wins.
    Outlook(Rule, bool),
    /// The conflict policy.
    Contest,
}

/// One row: when it applies, and what then. The first that applies counts.
type Row = (&'static str, fn(&Inputs) -> bool, fn(&Inputs) -> Want);

const TABLE: [Row; 16] = [
    (
        "a field that is off",
        |i| i.direction == Direction::Off,
        |_| Want::Rest,
    ),
    (
        "R18: Outlook could never be read, Tribe was edited since",
        |i| blind(i.outlook) && blind(i.base.outlook) && edited_in_tribe(i) && !blind(i.tribe),
        |_| Want::Tribe(Rule::R2, false),
    ),
    (
        "R18: a side cannot be read",
        |i| blind(i.tribe) || blind(i.outlook),
        |_| Want::Rest,
    ),
    (
        "nothing moved, and both agree",
        |i| i.tribe == i.outlook && i.base.tribe == i.tribe && i.base.outlook == i.outlook,
        |_| Want::Rest,
    ),
    (
        "R5: both show the same",
        |i| i.tribe == i.outlook,
        |_| Want::Follow,
    ),
    (
        "R16 accepted: Tribe stood still",
        |i| i.decided == Some(true) && still_in_tribe(i),
        |_| Want::Outlook(Rule::R16, false),
    ),
    (
        "R6 accepted",
        |i| i.decided == Some(true),
        |_| Want::Outlook(Rule::R6, true),
    ),
    (
        "R16 rejected: Tribe stood still",
        |i| i.decided == Some(false) && still_in_tribe(i),
        |i| Want::Tribe(Rule::R16, !still_in_outlook(i)),
    ),
    (
        "R6 rejected",
        |i| i.decided == Some(false),
        |i| Want::Tribe(Rule::R6, !still_in_outlook(i)),
    ),
    (
        "R13, no base: what stands in Outlook alone stays there",
        |i| no_base(i) && i.tribe == Mark::Empty && i.origin == Origin::Match,
        |_| Want::Follow,
    ),
    (
        "R12a: no base, Tribe is empty",
        |i| no_base(i) && i.tribe == Mark::Empty,
        |_| Want::Outlook(Rule::R12a, false),
    ),
    (
        "R12a: no base, Outlook is empty",
        |i| no_base(i) && i.outlook == Mark::Empty,
        |_| Want::Tribe(Rule::R12a, false),
    ),
    ("R12a: no base, both are filled", no_base, |_| Want::Contest),
    (
        "R2: only Tribe changed",
        |i| edited_in_tribe(i) && !edited_in_outlook(i),
        |_| Want::Tribe(Rule::R2, false),
    ),
    (
        "R3: only Outlook changed",
        |i| !edited_in_tribe(i) && edited_in_outlook(i),
        |_| Want::Outlook(Rule::R3, false),
    ),
    (
        "R6: both changed",
        |i| edited_in_tribe(i) && edited_in_outlook(i),
        |_| Want::Contest,
    ),
];

fn blind(mark: Mark) -> bool {
    mark == Mark::Unknown
}

fn no_base(i: &Inputs) -> bool {
    blind(i.base.tribe) || blind(i.base.outlook)
}

fn edited_in_tribe(i: &Inputs) -> bool {
    !blind(i.base.tribe) && i.base.tribe != i.tribe
}

fn edited_in_outlook(i: &Inputs) -> bool {
    !blind(i.base.outlook) && i.base.outlook != i.outlook
}

fn still_in_tribe(i: &Inputs) -> bool {
    !blind(i.base.tribe) && i.base.tribe == i.tribe
}

fn still_in_outlook(i: &Inputs) -> bool {
    !blind(i.base.outlook) && i.base.outlook == i.outlook
}

/// The row of a case, and the verdict it asks for.
fn oracle(i: &Inputs) -> (&'static str, Verdict) {
    let row = TABLE.iter().find(|row| row.1(i));
    let (name, want) = row.map_or(("nothing moved", Want::Rest), |row| (row.0, row.2(i)));
    // One way only: whoever may write wins a contest; the other side's value is followed.
    let one_way = match i.direction {
        Direction::ToOutlook => Some(Want::Tribe(Rule::R6, true)),
        Direction::ToTribe => Some(Want::Outlook(Rule::R6, true)),
        Direction::Both | Direction::Off => None,
    };
    let want = match (want, one_way, i.conflict) {
        (Want::Contest, Some(way), _) => way,
        (Want::Contest, None, Conflict::Tribe) => Want::Tribe(Rule::R6, true),
        (Want::Contest, None, Conflict::Outlook) => Want::Outlook(Rule::R6, true),
        (want, ..) => want,
    };
    let verdict = match (want, i.direction) {
        (Want::Contest, _) => Verdict::Hold,
        (Want::Rest, _) => Verdict::Keep,
        (Want::Follow, _) if i.tribe == i.outlook => Verdict::Agree,
        (Want::Follow, _)
        | (Want::Tribe(..), Direction::ToTribe)
        | (Want::Outlook(..), Direction::ToOutlook) => Verdict::Follow,
        (Want::Tribe(rule, loses), _) => Verdict::ToOutlook { rule, loses },
        (Want::Outlook(rule, loses), _) => Verdict::ToTribe { rule, loses },
    };
    (name, verdict)
}

#[test]
fn merge_does_what_the_table_says_in_every_case() {
    let mut cases = 0;
    let mut reached: BTreeMap<&str, u32> = BTreeMap::new();
    for inputs in every() {
        let (row, wanted) = oracle(&inputs);
        assert_eq!(merge(inputs), wanted, "{row}: {inputs:?}");
        *reached.entry(row).or_default() += 1;
        cases += 1;
    }
    assert_eq!(cases, 5 * 5 * 25 * 4 * 3 * 3 * 3);
    for row in &TABLE {
        assert!(reached.contains_key(row.0), "no case for {}", row.0);
    }
}

#[test]
fn merge_never_writes_against_a_direction_nor_over_what_was_not_read() {
    for inputs in every() {
        match merge(inputs) {
            Verdict::ToOutlook { .. } => {
                assert!(inputs.direction.to_outlook());
                assert_ne!(inputs.tribe, Mark::Unknown);
                assert!(inputs.outlook != Mark::Unknown || inputs.base.outlook == Mark::Unknown);
            }
            Verdict::ToTribe { .. } => {
                assert!(inputs.direction.to_tribe());
                assert_ne!(inputs.tribe, Mark::Unknown);
                assert_ne!(inputs.outlook, Mark::Unknown);
            }
            Verdict::Agree => assert_eq!(inputs.tribe, inputs.outlook),
            Verdict::Keep | Verdict::Follow | Verdict::Hold => {}
        }
    }
}

/// The golden text lists the distinct cases: values renamed in order of appearance, settings that
/// make no difference left out.
#[test]
fn merge_golden() {
    let mut text = String::from(
        "# Tribe / Outlook, base Tribe / Outlook -> verdict; settings only where they matter\n",
    );
    for (tribe, outlook, base) in shapes() {
        let mut verdicts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for i in every().filter(|i| (i.tribe, i.outlook, i.base) == (tribe, outlook, base)) {
            let verdict = format!("{:?}", merge(i)).replace("Mark::", "");
            let settings = format!(
                "{:?} {:?} {:?} {}",
                i.direction,
                i.conflict,
                i.origin,
                i.decided
                    .map_or("undecided", |a| if a { "accepted" } else { "rejected" })
            );
            verdicts.entry(verdict).or_default().push(settings);
        }
        let letters = [tribe, outlook, base.tribe, base.outlook].map(letter);
        let _ = writeln!(
            text,
            "{} / {}, {} / {}",
            letters[0], letters[1], letters[2], letters[3]
        );
        for (verdict, settings) in verdicts {
            let _ = writeln!(text, "    {verdict}: {}", summary(&settings));
        }
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/merge.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&path).expect("run once with UPDATE_GOLDEN=1");
    assert!(
        golden == text,
        "merge changed; look at the difference after UPDATE_GOLDEN=1"
    );
}

fn shapes() -> Vec<(Mark, Mark, Marks)> {
    let mut shapes = Vec::new();
    for i in every() {
        let all = [i.tribe, i.outlook, i.base.tribe, i.base.outlook];
        let mut next = 1;
        let in_order = all.iter().all(|mark| match mark {
            Mark::Value(Fingerprint(n)) if *n == next => {
                next += 1;
                true
            }
            Mark::Value(Fingerprint(n)) => *n < next,
            Mark::Unknown | Mark::Empty => true,
        });
        let shape = (i.tribe, i.outlook, i.base);
        if in_order && shapes.last() != Some(&shape) {
            shapes.push(shape);
        }
    }
    shapes
}

fn letter(mark: Mark) -> &'static str {
    match mark {
        Mark::Unknown => "unknown",
        Mark::Empty => "empty",
        A => "a",
        B => "b",
        _ => "c",
    }
}

/// For each setting the values under which a verdict falls; "any" where all do.
fn summary(settings: &[String]) -> String {
    let sizes = [4, 3, 3, 3];
    let columns: Vec<Vec<&str>> = (0..4)
        .map(|column| {
            let mut seen: Vec<&str> = Vec::new();
            for line in settings {
                let word = line.split(' ').nth(column).unwrap_or_default();
                if !seen.contains(&word) {
                    seen.push(word);
                }
            }
            seen
        })
        .collect();
    let whole: usize = columns.iter().map(Vec::len).product();
    if whole != settings.len() {
        return settings.join("; ");
    }
    let parts: Vec<String> = columns
        .iter()
        .zip(sizes)
        .filter(|(column, size)| column.len() != *size)
        .map(|(column, _)| column.join("|"))
        .collect();
    if parts.is_empty() {
        "always".to_owned()
    } else {
        parts.join(", ")
    }
}
