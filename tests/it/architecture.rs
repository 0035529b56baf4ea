//! Who may import whom: dependencies point one way, from what knows more to what knows less.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The rooms of the service, from the ground up. A room imports from lower floors alone; rooms on
/// one floor do not know each other.
const FLOORS: &[&[&str]] = &[
    &["clock", "random", "digest", "crash"],
    &["remote"],
    &["tribe", "graph", "store"],
    &["canary", "reminder", "vault"],
    &["sealed", "config"],
    &["environment", "rotation", "telemetry", "trail"],
    &["ports", "server", "rich"],
    &["intake"],
    &["activation"],
    &["engine", "api", "crms"],
    &["doctor"],
    &["app"],
    &["demo"],
    &["cli"],
];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The rooms that a text names after `crate::`, alone or in a group.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => rooms.extend(word(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut fresh = true;
                for (offset, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => fresh = true,
                        c if fresh && c.is_alphanumeric() => {
                            rooms.extend(word(&group[offset..]));
                            fresh = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    rooms
}

fn word(text: &str) -> Option<String> {
    let word: String = text
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!word.is_empty()).then_some(word)
}

#[test]
fn a_group_of_imports_is_read_by_its_first_names() {
    let text = "use crate::{\n    a::{b, c},\n    d,\n};\nlet x = crate::e::f(); // crate::g\n my_crate::h";
    let rooms: Vec<String> = imports(text).into_iter().collect();
    assert_eq!(rooms, ["a", "d", "e"]);
}

#[test]
fn dependencies_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 50, "the sources were not found");
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in &files {
        let relative = file.strip_prefix(&src).unwrap();
        let room = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy();
        let room = room.trim_end_matches(".rs").to_owned();
        if matches!(room.as_str(), "lib" | "main") {
            continue;
        }
        let Some(own) = floor(&room) else {
            wrong.push(format!("{room} has no floor; give it one in FLOORS"));
            continue;
        };
        let named = imports(&fs::read_to_string(file).unwrap());
        for other in named.into_iter().filter(|other| *other != room) {
            match floor(&other) {
                Some(theirs) if theirs < own => {
                    seen.entry(room.clone()).or_default().insert(other);
                }
                Some(_) => wrong.push(format!(
                    "{}: {room} must not know {other}",
                    relative.display()
                )),
                None => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The reading itself works: the app knows the engine.
    assert!(seen["app"].contains("engine"));
}

#[test]
fn the_pure_core_and_the_sandbox_know_nothing_of_the_service() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let plan = fs::read_to_string(root.join("crates/plan/Cargo.toml")).unwrap();
    for io in [
        "tokio",
        "reqwest",
        "sqlx",
        "axum",
        "hyper",
        "tribelink-sandbox",
    ] {
        assert!(!plan.contains(io), "the pure core must not depend on {io}");
    }
    let sandbox = fs::read_to_string(root.join("crates/sandbox/Cargo.toml")).unwrap();
    assert!(
        !sandbox.contains("tribelink-plan") && !sandbox.contains("path = \"../"),
        "the sandbox is written from the references alone"
    );
}
