//! The page on reliability: every fault has its row, and every test that it names is there.

use std::{collections::BTreeSet, fs, path::Path};

/// The faults of the catalogue, by number.
const FAULTS: u32 = 88;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The tests that a piece of text names, each in backticks as `file::name`.
fn named(text: &str) -> Vec<(&str, &str)> {
    let code = text.split('`').skip(1).step_by(2);
    code.filter_map(|code| code.split_once(".rs::"))
        .map(|(file, name)| {
            let end = file.len() + ".rs".len();
            let whole = text.find(&format!("{file}.rs::{name}")).unwrap();
            (&text[whole..whole + end], name)
        })
        .collect()
}

#[test]
fn every_fault_has_its_row_with_tests_that_exist() {
    let page = read("docs/reliability.md");
    let uncovered = page.split_once("## What is not covered").unwrap().1;
    let uncovered = uncovered.split("For 14").next().unwrap();
    let mut rows = BTreeSet::new();
    for row in page.lines() {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let Ok(number) = cells[0].trim().parse::<u32>() else {
            continue;
        };
        assert!(rows.insert(number), "row {number} stands twice");
        let tests = cells.last().unwrap().trim();
        let said = uncovered
            .split(|c: char| !c.is_ascii_digit())
            .any(|text| text == number.to_string());
        assert_eq!(tests == "none", said, "row {number}: {tests}");
        assert!(said || !named(tests).is_empty(), "row {number}: {tests}");
    }
    assert_eq!(rows, (1..=FAULTS).collect());
    let tests = named(&page);
    assert!(tests.len() > 100, "{} tests are named", tests.len());
    for (file, name) in tests {
        let source = read(file);
        // A case of the stores' contract suite is a function that takes a store.
        let is_there = source.contains(&format!("fn {name}("));
        assert!(is_there, "{file} has no test {name}");
        let above = source.split(&format!("fn {name}(")).next().unwrap();
        let mark: String = above.chars().rev().take(160).collect();
        let mark: String = mark.chars().rev().collect();
        let is_case = file.starts_with("tests/it/store/") && mark.contains("pub(super) async ");
        let is_property = above.contains("proptest! {");
        assert!(
            is_case || is_property || mark.contains("test]") || mark.contains("::test("),
            "{file}: {name} is no test"
        );
    }
}
