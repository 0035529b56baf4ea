//! The page's own files: every text has its Dutch, nothing comes from elsewhere, nothing is inline.

use std::{collections::BTreeSet, fs, path::Path};

use http::Method;
use tribelink_plan::{canonical::Misfit, field::Field, planner::undo::Spared, rule::Rule};

use crate::app::TestApp;

fn source(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn scripts() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page");
    let names = fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let scripts = names.filter(|name| name.ends_with(".js") && name != "nl.js");
    scripts.map(|name| (name.clone(), source(&name))).collect()
}

/// The texts that a script hands to `t`, literally.
fn texts(script: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in script.match_indices("t(") {
        let before = script[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.') {
            continue;
        }
        let rest = &script[at + 2..];
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
            continue;
        };
        let inner = &rest[1..];
        let end = inner.find(quote).unwrap();
        found.insert(inner[..end].to_owned());
    }
    found
}

/// Whether the Dutch table has this text as a key.
fn is_known(table: &str, text: &str) -> bool {
    let keys = [
        format!("'{text}':"),
        format!("\"{text}\":"),
        format!(" {text}:"),
    ];
    keys.iter().any(|key| table.contains(key))
}

#[test]
fn every_text_of_the_page_and_every_sentence_of_the_rules_has_its_dutch() {
    let table = source("nl.js");
    let mut missing = Vec::new();
    let mut seen = 0;
    for (name, script) in scripts() {
        for text in texts(&script) {
            seen += 1;
            if !text.is_empty() && !is_known(&table, &text) {
                missing.push(format!("{name}: {text}"));
            }
        }
    }
    assert!(seen > 150, "the scan finds the texts: {seen}");
    let rules = Rule::ALL.map(Rule::sentence);
    let misfits = [
        Misfit::TooLong,
        Misfit::NotAnAddress,
        Misfit::NotADate,
        Misfit::SurnameNeeded,
    ]
    .map(Misfit::sentence);
    let spared = [
        Spared::ChangedSince,
        Spared::Forgotten,
        Spared::NotOurs,
        Spared::DoesNotFit,
        Spared::NotLinked,
    ]
    .map(Spared::words);
    let words = source("words.js");
    for sentence in rules.into_iter().chain(misfits).chain(spared) {
        if !is_known(&table, sentence) {
            missing.push(sentence.to_owned());
        }
    }
    for rule in Rule::ALL {
        assert!(words.contains(rule.sentence()), "{rule} in words.js");
    }
    for field in Field::ALL {
        assert!(
            words.contains(&format!("{}: '", field.name())),
            "{field} in words.js"
        );
    }
    assert!(missing.is_empty(), "without Dutch: {missing:#?}");
}

#[test]
fn nothing_is_inline_and_nothing_comes_from_another_host() {
    let index = source("index.html");
    for forbidden in ["style=", "onclick", "<style", "http://", "https://", "//"] {
        assert!(!index.contains(forbidden), "index.html: {forbidden}");
    }
    for part in index.split("<script").skip(1) {
        let tag = part.split("</script>").next().unwrap();
        assert!(
            tag.contains("src=\"/assets/") && tag.ends_with('>'),
            "{tag}"
        );
    }
    for (name, script) in scripts() {
        for forbidden in [
            "innerHTML",
            "insertAdjacentHTML",
            "eval(",
            "http://",
            "https://",
        ] {
            assert!(!script.contains(forbidden), "{name}: {forbidden}");
        }
    }
}

#[tokio::test]
async fn the_page_and_its_assets_are_served_under_a_strict_policy() {
    let app = TestApp::new().await;
    let page = app.ask(Method::GET, "/", "", None).await.is(200);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    for name in scripts().into_iter().map(|(name, _)| name) {
        let asset = app
            .ask(Method::GET, &format!("/assets/{name}"), "", None)
            .await;
        let asset = asset.is(200);
        assert!(asset.header("content-type").starts_with("text/javascript"));
        assert_eq!(asset.header("x-content-type-options"), "nosniff");
        assert_eq!(asset.text(), source(&name));
    }
    app.ask(Method::GET, "/assets/none.js", "", None)
        .await
        .is(404);
    app.ask(Method::GET, "/assets/..%2fCargo.toml", "", None)
        .await
        .is(404);
}
