//! The pages for people: every link leads somewhere, every command, flag and key that they name is
//! there, and what is made from the program is up to date.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tribelink::config::reference;
use tribelink_plan::rule::Rule;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page: path and text.
fn pages() -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_ours =
                !name.starts_with('.') && !name.starts_with("target") && name != "node_modules";
            if path.is_dir() && is_ours {
                folders.push(path);
            } else if name.ends_with(".md") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 10, "the pages were not found");
    found
}

/// The text without its fenced blocks.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Code in a line, and the lines of fenced blocks.
fn code(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            found.push(line.to_owned());
        }
    }
    let flat = prose(text).replace('\n', " ");
    found.extend(flat.split('`').skip(1).step_by(2).map(str::to_owned));
    found
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

fn anchors(text: &str) -> BTreeSet<String> {
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    let mut links = 0;
    for (page, text) in pages() {
        let prose = prose(&text);
        for (at, _) in prose.match_indices("](") {
            let target = prose[at + 2..].split(')').next().unwrap();
            links += 1;
            if target.starts_with("https://") || target.starts_with("http://127.0.0.1") {
                continue;
            }
            let (file, part) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => page.clone(),
                _ => page.parent().unwrap().join(file),
            };
            if !path.exists() {
                wrong.push(format!("{}: {target} is not there", page.display()));
            } else if !part.is_empty()
                && !anchors(&fs::read_to_string(&path).unwrap()).contains(part)
            {
                wrong.push(format!("{}: {target} has no such heading", page.display()));
            }
        }
    }
    assert!(links > 40, "the links were not found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a command says about itself; `None`: there is no such command.
fn help(words: &[String]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_tribelink"))
        .args(words)
        .arg("--help")
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(said)
}

/// The commands of a piece of code: what follows `tribelink` up to a pipe or the like.
fn commands(code: &str) -> Vec<Vec<String>> {
    let words: Vec<&str> = code.split_whitespace().collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let is_program = *word == "tribelink" || word.ends_with("/tribelink");
        let by_cargo = at >= 2 && words[at - 2..at] == ["cargo", "run"] && *word == "--";
        // `chown tribelink`, `-u tribelink` and the like name a user.
        let runs = at == 0
            || matches!(words[at - 1], "|" | "&&" | ";" | "$" | "sudo" | "exec")
            || (words[at - 1] == "tribelink" && at >= 3 && words[at - 2] == "-u");
        if by_cargo || (is_program && runs && words.get(at + 1) != Some(&"tribelink")) {
            let rest = words[at + 1..].iter();
            let own =
                rest.take_while(|word| !matches!(**word, "|" | "&&" | ";" | ">" | "#" | "=" | "&"));
            found.push(own.map(|word| (*word).to_owned()).collect());
        }
    }
    found
}

#[test]
fn every_command_and_flag_is_there() {
    let mut wrong = Vec::new();
    let mut known: BTreeMap<Vec<String>, Option<String>> = BTreeMap::new();
    let mut seen = 0;
    for (page, text) in pages() {
        for command in code(&text).iter().flat_map(|code| commands(code)) {
            seen += 1;
            let is_word = |word: &&String| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            // `--config FILE` may stand before the command.
            let skip = if command.first().is_some_and(|word| word == "--config") {
                2
            } else {
                0
            };
            let rest = &command[skip.min(command.len())..];
            let mut words: Vec<String> = Vec::new();
            for word in rest
                .iter()
                .take_while(is_word)
                .take_while(|word| !word.starts_with('-'))
            {
                let parent = known
                    .entry(words.clone())
                    .or_insert_with(|| help(&words))
                    .clone();
                if !parent
                    .is_some_and(|said| said.contains("<COMMAND>") || said.contains("[COMMAND]"))
                {
                    break;
                }
                words.push(word.clone());
            }
            let said = known
                .entry(words.clone())
                .or_insert_with(|| help(&words))
                .clone();
            let Some(said) = said else {
                wrong.push(format!(
                    "{}: there is no `tribelink {}`",
                    page.display(),
                    words.join(" ")
                ));
                continue;
            };
            for flag in rest.iter().filter(|word| word.starts_with("--")) {
                let flag = flag.split('=').next().unwrap();
                let bare = flag.trim_end_matches(|c: char| !c.is_ascii_lowercase());
                if !said.contains(bare) {
                    wrong.push(format!(
                        "{}: `tribelink {}` has no {bare}",
                        page.display(),
                        words.join(" ")
                    ));
                }
            }
        }
    }
    assert!(seen > 40, "{seen} commands: they were not found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_key_is_there() {
    let (_, keys) = reference::keys();
    let names: BTreeSet<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    let sections: BTreeSet<&str> = names
        .iter()
        .map(|name| name.split('.').next().unwrap())
        .collect();
    let is_key = |name: &str| {
        let name = name
            .strip_suffix("_file")
            .filter(|bare| names.contains(bare))
            .unwrap_or(name);
        let of_section = name.strip_suffix(".*");
        names.contains(name)
            || of_section.is_some_and(|of| names.iter().any(|name| name.starts_with(of)))
    };
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (page, text) in pages() {
        for code in code(&text) {
            let named = code
                .split([' ', '=', '"', '(', ')', ',', '\''])
                .next()
                .unwrap_or_default();
            let section = named.split('.').next().unwrap_or_default();
            let is_name = named.contains('.')
                && sections.contains(section)
                && named
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '_' | '*'));
            // `tribelink.toml` and such are files.
            if is_name && !named.ends_with(".db") && !named.ends_with(".toml") {
                seen += 1;
                if !is_key(named) {
                    wrong.push(format!("{}: no key is named {named}", page.display()));
                }
            }
            for (at, _) in code.match_indices("TRIBELINK_") {
                let rest = &code[at + "TRIBELINK_".len()..];
                let end = rest
                    .find(|c: char| !c.is_ascii_uppercase() && c != '_')
                    .unwrap_or(rest.len());
                let name = rest[..end].to_lowercase().replace("__", ".");
                if name.contains('.') {
                    seen += 1;
                    if !is_key(&name) {
                        wrong.push(format!("{}: no key is named {name}", page.display()));
                    }
                }
            }
        }
    }
    assert!(seen > 40, "{seen} keys: they were not found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_configuration_reference_is_up_to_date() {
    let page = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    assert!(
        page == reference::markdown(),
        "run: cargo run -- config --markdown >docs/configuration.md"
    );
}

#[test]
fn every_rule_is_described_with_an_example() {
    let page = fs::read_to_string(root().join("docs/rules.md")).unwrap();
    for rule in Rule::ALL {
        let heading = format!("\n## {} ", rule.code());
        let at = page
            .find(&heading)
            .unwrap_or_else(|| panic!("{} has no heading", rule.code()));
        let section = page[at + 4..].split("\n## ").next().unwrap();
        let flat = section.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            flat.contains(rule.sentence()),
            "{}: {}",
            rule.code(),
            rule.sentence()
        );
        assert!(
            section.contains("\n*Example.*"),
            "{} has no example",
            rule.code()
        );
    }
    let headings = page.lines().filter(|line| line.starts_with("## ")).count();
    assert_eq!(headings, Rule::ALL.len(), "no other headings");
}

#[test]
fn the_changelog_knows_this_version() {
    let page = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(
        page.contains(&format!("\n## {}", env!("CARGO_PKG_VERSION"))),
        "{page}"
    );
}
