//! The program as its users start it: output, exit codes, what it refuses.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    process::{Command, Output},
};

use tribelink::{config::Config, vault::KeyRing};

/// Runs the program in an empty directory with no other variables than these.
fn tribelink(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let dir = tempfile::tempdir().expect("a directory");
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    Command::new(env!("CARGO_BIN_EXE_tribelink"))
        .args(args)
        .current_dir(dir.path())
        .env_clear()
        .envs(variables)
        .output()
        .expect("started")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An address of this machine where nothing listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    listener.local_addr().expect("an address").to_string()
}

#[test]
fn a_made_key_is_one_that_the_service_takes() {
    let output = tribelink(&["keys", "new", "--id", "k7"], &[]);
    let key = out(&output).trim().to_owned();
    let ring = KeyRing::parse(&[key.clone().into()]).expect("a key");
    assert_eq!(ring.ids().collect::<Vec<_>>(), ["k7"]);
    let config = Config::from_pairs([
        ("security.encryption_keys", key.as_str()),
        ("tribe.client_id", "a"),
        ("tribe.client_secret", "b"),
        ("microsoft.tenant", "example.com"),
        ("microsoft.client_id", "c"),
        ("microsoft.client_secret", "d"),
    ]);
    assert!(config.is_ok());
    let (one, two) = (
        tribelink(&["keys", "new"], &[]),
        tribelink(&["keys", "new"], &[]),
    );
    assert_ne!(out(&one).split(':').next(), out(&two).split(':').next());
}

#[test]
fn serve_refuses_to_start_and_lists_everything_that_is_missing() {
    let output = tribelink(&["serve"], &[("TRIBELINK_SYNC__CONFLICT", "nobody")]);
    assert_eq!(output.status.code(), Some(2));
    let said = err(&output);
    for key in [
        "security.encryption_keys",
        "tribelink keys new",
        "tribe.client_id",
        "microsoft.tenant",
        "sync.conflict (TRIBELINK_SYNC__CONFLICT)",
        "What to do next",
    ] {
        assert!(said.contains(key), "{key}: {said}");
    }
}

#[test]
fn health_is_0_or_1() {
    let address = nobody();
    let output = tribelink(&["health"], &[("TRIBELINK_SERVER__LISTEN", &address)]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(out(&output).starts_with("not ok"));
}

#[test]
fn a_service_that_is_not_there_is_3_with_a_hint() {
    let url = format!("http://{}", nobody());
    let output = tribelink(&["users", "list", "--json", "--url", &url], &[]);
    assert_eq!(output.status.code(), Some(3));
    let said: serde_json::Value = serde_json::from_str(err(&output).trim()).expect("JSON");
    assert!(
        said["error"]["hint"]
            .as_str()
            .expect("a hint")
            .contains("tribelink serve")
    );
}

#[test]
fn doctor_lists_problems_of_the_configuration_as_findings() {
    let output = tribelink(&["doctor", "--json"], &[]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let report: serde_json::Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!(report["ok"], false);
    let checks = report["checks"].as_array().expect("checks");
    assert!(
        checks
            .iter()
            .all(|check| check["status"] == "fail" && check["advice"].is_string())
    );
}

#[test]
fn usage_is_2_and_help_shows_no_token() {
    assert_eq!(tribelink(&["users", "launch"], &[]).status.code(), Some(2));
    let output = tribelink(
        &["users", "list", "--help"],
        &[("TRIBELINK_TOKEN", "hunter2")],
    );
    assert_eq!(output.status.code(), Some(0));
    assert!(out(&output).contains("TRIBELINK_TOKEN") && !out(&output).contains("hunter2"));
}

#[test]
fn a_token_is_never_sent_in_the_clear_to_another_machine() {
    let output = tribelink(
        &["status", "--url", "http://192.0.2.1", "--token", "t"],
        &[],
    );
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
}

#[test]
fn the_description_of_the_api_is_printed_in_both_forms() {
    let yaml = tribelink(&["openapi"], &[]);
    assert!(out(&yaml).starts_with("openapi: "), "{}", err(&yaml));
    let json = tribelink(&["openapi", "--json"], &[]);
    let json: serde_json::Value = serde_json::from_str(&out(&json)).expect("JSON");
    assert!(json["paths"]["/api/v1/users"].is_object());
}

#[test]
fn the_printed_default_configuration_is_the_embedded_one() {
    let printed = out(&tribelink(&["config"], &[]));
    assert_eq!(printed, tribelink::config::DEFAULTS);
    let table: toml::Table = printed.parse().expect("TOML");
    assert_eq!(table["sync"]["conflict"].as_str(), Some("tribe"));
}
