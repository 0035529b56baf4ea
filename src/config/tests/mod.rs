//! Each rule of the configuration, from the outside.

mod secrets;

use std::{fs, time::Duration};

use secrecy::ExposeSecret;
use tribelink_plan::{
    field::{Direction, Field},
    policy::{Conflict, Policy},
};

use super::{reader::Reader, *};

const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The required keys and nothing else.
const REQUIRED: [(&str, &str); 6] = [
    ("security.encryption_keys", KEY),
    ("tribe.client_id", "tribe-app"),
    ("tribe.client_secret", "s3cr3t"),
    ("microsoft.tenant", "example.com"),
    ("microsoft.client_id", "microsoft-app"),
    ("microsoft.client_secret", "s3cr3t"),
];

fn with(pairs: &[(&'static str, &'static str)]) -> Result<Config, Problems> {
    let mut all: Vec<(&str, &str)> = REQUIRED.to_vec();
    all.retain(|(key, _)| !pairs.iter().any(|(other, _)| other == key));
    all.extend(pairs.iter().filter(|(_, value)| *value != "-"));
    Config::from_pairs(all)
}

fn refused(pairs: &[(&'static str, &'static str)]) -> String {
    with(pairs).expect_err("refused").to_string()
}

fn from_file(text: &str, variables: &[(&str, &str)]) -> Result<Config, Problems> {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("tribelink.toml"), text).expect("written");
    let variables = variables
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    Config::read(&Sources::gather(None, variables, dir.path())?)
}

const FILE: &str = r#"
[security]
encryption_keys = ["k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]
[tribe]
client_id = "a"
client_secret = "b"
[microsoft]
tenant = "11111111-2222-3333-4444-555555555555"
client_id = "c"
client_secret = "d"
"#;

#[test]
fn the_defaults_are_the_contract() {
    let config = with(&[]).expect("usable");
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.public_url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!(config.server.max_body, 4 << 20);
    assert_eq!(config.server.shutdown_grace, Duration::from_secs(25));
    assert_eq!(config.database.url.expose_secret(), "sqlite://tribelink.db");
    assert_eq!(config.tribe.grant, Grant::ClientCredentials);
    assert_eq!(config.tribe.read, ReadStyle::Expand);
    assert_eq!(config.tribe.scope, "read write");
    assert!(config.tribe.register_webhooks);
    assert_eq!(config.tribe.names.manager, ["AccountManager"]);
    assert_eq!(config.tribe.names.owners, ["Owners"]);
    assert_eq!(config.tribe.names.former, ["IsFormer"]);
    assert_eq!(config.tribe.names.function, "FunctionOnBusinessCard");
    assert_eq!(config.tribe.person_sets.len(), 7);
    assert!(!config.microsoft.trust_if_match && !config.microsoft.rich_notifications);
    assert!(!config.sync.shadow);
    assert_eq!(config.sync.delta_interval, Duration::from_secs(15 * 60));
    assert_eq!(config.sync.poll_interval, Duration::from_secs(5 * 60));
    assert_eq!(config.sync.sweep_interval, Duration::from_secs(24 * 3600));
    assert_eq!(config.worker.lease, Duration::from_secs(30));
    assert_eq!(config.worker.mailboxes, 500);
}

/// The planner's own defaults and the file's are the same.
#[test]
fn the_default_file_gives_the_default_policy() {
    let config = with(&[]).expect("usable");
    assert_eq!(
        format!("{:?}", config.sync.policy),
        format!("{:?}", Policy::default())
    );
}

#[test]
fn the_default_file_names_every_key_and_no_other() {
    let sources = Sources::from_pairs(REQUIRED).expect("parses");
    let mut reader = Reader::new(&sources);
    Config::from_reader(&mut reader).expect("usable");
    let mut section = String::new();
    let mut named = std::collections::BTreeSet::new();
    for line in DEFAULTS.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = name.to_owned();
        }
        let Some((name, _)) = line.trim_start_matches("# ").split_once(" = ") else {
            continue;
        };
        if name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            named.insert(format!("{section}.{name}"));
        }
    }
    let file_keys = ["microsoft.certificate_file", "microsoft.private_key_file"];
    let asked = reader.asked().iter();
    let asked: std::collections::BTreeSet<String> = asked
        .filter(|key| !key.ends_with("_file") || file_keys.contains(&key.as_str()))
        .cloned()
        .collect();
    assert_eq!(named, asked);
}

#[test]
fn a_missing_key_is_named_and_all_of_them_at_once() {
    let problems = Config::from_pairs([]).expect_err("incomplete");
    let keys: Vec<&str> = problems
        .0
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "security.encryption_keys",
            "tribe.client_id",
            "tribe.client_secret",
            "microsoft.tenant",
            "microsoft.client_id",
            "microsoft.client_secret",
        ]
    );
    assert!(problems.to_string().contains("tribelink keys new"));
}

#[test]
fn unknown_keys_are_refused_with_the_ones_there_are() {
    let said = refused(&[("sync.conflicts", "tribe")]);
    assert!(
        said.contains("sync.conflicts") && said.contains("conflict, "),
        "{said}"
    );
    let said = refused(&[("sync.fields.nickname", "off")]);
    assert!(
        said.contains("sync.fields.nickname") && said.contains("first_name"),
        "{said}"
    );
    let said = from_file(&format!("{FILE}\n[sink]\na = 1"), &[])
        .expect_err("unknown")
        .to_string();
    assert!(
        said.contains("sink.a") && said.contains("tribelink.toml"),
        "{said}"
    );
    let said = from_file(FILE, &[("TRIBELINK_SERVER__LISTN", "x")]).expect_err("unknown");
    assert!(said.to_string().contains("TRIBELINK_SERVER__LISTN"));
}

#[test]
fn variables_without_a_section_are_not_keys() {
    let kubernetes = [
        ("TRIBELINK_PORT", "tcp://10.0.0.1:80"),
        ("TRIBELINK_URL", "x"),
    ];
    assert!(from_file(FILE, &kubernetes).is_ok());
}

#[test]
fn empty_values_are_refused() {
    for key in [
        "server.listen",
        "tribe.client_secret",
        "sync.category",
        "tribe.names.manager",
    ] {
        let said = refused(&[(key, "  ")]);
        assert!(said.contains(key) && said.contains("empty"), "{said}");
    }
    assert!(refused(&[("tribe.names.owners", "A,,B")]).contains("empty item"));
    let said = from_file(&FILE.replace("\"b\"", "\"\""), &[])
        .expect_err("empty")
        .to_string();
    assert!(said.contains("tribe.client_secret"), "{said}");
}

#[test]
fn bad_values_are_refused_under_their_keys() {
    for (key, value) in [
        ("server.listen", "localhost"),
        ("server.max_body", "4MB"),
        ("server.shutdown_grace", "25"),
        ("server.max_connections", "0"),
        ("server.instance", "a b"),
        ("server.trusted_proxies", "proxy"),
        ("server.private_networks", "inside"),
        ("server.rate_limit", "-1"),
        ("database.url", "mysql://a"),
        ("security.admin_token", "two words"),
        ("tribe.grant", "password"),
        ("tribe.read", "all"),
        ("tribe.signature_header", "a b"),
        ("tribe.register_webhooks", "yes"),
        ("tribe.names.manager", "1x"),
        ("tribe.person_sets", "a/b"),
        ("microsoft.trust_if_match", "1"),
        ("sync.conflict", "both"),
        ("sync.merge_guard", "ask"),
        ("sync.match", "name"),
        ("sync.brake_percent", "101"),
        ("sync.phone_region", "nl"),
        ("sync.max_length", "0"),
        ("sync.delta_interval", "0s"),
        ("sync.category", "a,b"),
        ("worker.lease", "0s"),
        ("worker.mailboxes", "0"),
        ("audit.undo_days", "a"),
        ("audit.keep_days", "-1"),
        ("telemetry.log_format", "xml"),
        ("telemetry.log_filter", "tribelink=loud"),
        ("telemetry.metrics_access", "all"),
    ] {
        let problems = with(&[(key, value)]).expect_err(key);
        assert_eq!(problems.0.len(), 1, "{key}: {problems}");
        assert!(problems.0[0].key.starts_with(key), "{key}: {problems}");
    }
}

#[test]
fn every_address_of_a_remote_is_an_origin() {
    for key in [
        "server.public_url",
        "tribe.api_url",
        "tribe.auth_url",
        "microsoft.graph_url",
        "microsoft.login_url",
        "telemetry.otlp_url",
    ] {
        assert!(refused(&[(key, "https://example.com/path")]).contains(key));
        assert!(refused(&[(key, "http://example.com")]).contains(key));
        assert!(with(&[(key, "http://127.0.0.1:9000")]).is_ok());
    }
}

#[test]
fn the_public_address_is_derived_on_loopback_alone() {
    let said = refused(&[("server.listen", "0.0.0.0:8080")]);
    assert!(said.contains("server.public_url"), "{said}");
    assert!(refused(&[("server.listen", "127.0.0.1:0")]).contains("server.public_url"));
    let config = with(&[("server.listen", "[::1]:9")]).expect("usable");
    assert_eq!(config.server.public_url.as_str(), "http://[::1]:9/");
}

#[test]
fn only_an_own_directory_may_sign_in() {
    for bad in [
        "common",
        "organizations",
        "Consumers",
        "9188040d-6c67-4c5b-b112-36a304b66dad",
        "example",
        "a..b",
        "-a.nl",
        "exa mple.com",
    ] {
        let problems = with(&[("microsoft.tenant", bad)]).expect_err(bad);
        assert!(
            problems.to_string().contains("microsoft.tenant"),
            "{problems}"
        );
    }
    let config = with(&[("microsoft.tenant", "Example.COM")]).expect("usable");
    assert_eq!(config.microsoft.tenant, "example.com");
}

#[test]
fn a_direction_may_be_narrowed_and_never_widened() {
    let config = with(&[
        ("sync.fields.surname", "to_outlook"),
        ("sync.fields.company", "off"),
    ])
    .expect("usable");
    let policy = config.sync.policy;
    assert_eq!(policy.direction(Field::Surname), Direction::ToOutlook);
    assert_eq!(policy.direction(Field::Company), Direction::Off);
    assert_eq!(policy.directions.len(), 2);
    for wide in ["both", "to_tribe"] {
        let said = with(&[("sync.fields.company", wide)])
            .expect_err(wide)
            .to_string();
        assert!(
            said.contains("sync.fields.company") && said.contains("to_outlook or off"),
            "{said}"
        );
    }
}

#[test]
fn a_variable_wins_over_the_file_and_reaches_nested_keys() {
    let text = format!("{FILE}\n[sync]\nconflict = \"hold\"");
    assert_eq!(
        from_file(&text, &[]).expect("usable").sync.policy.conflict,
        Conflict::Hold
    );
    let variables = [
        ("TRIBELINK_SYNC__CONFLICT", "outlook"),
        (
            "TRIBELINK_TRIBE__NAMES__MANAGER",
            "AccountManager, Person/AccountManager",
        ),
        ("TRIBELINK_SYNC__FIELDS__COMPANY", "off"),
    ];
    let config = from_file(&text, &variables).expect("usable");
    assert_eq!(config.sync.policy.conflict, Conflict::Outlook);
    assert_eq!(
        config.tribe.names.manager,
        ["AccountManager", "Person/AccountManager"]
    );
    assert_eq!(config.sync.policy.direction(Field::Company), Direction::Off);
}

#[test]
fn a_canary_is_named_by_id_for_each_environment_that_has_one() {
    const ONE: &str = "5b2f8a0e-93ad-4c55-8a54-1f0c2b7d9e11";
    const OTHER: &str = "office:6c2f8a0e-93ad-4c55-8a54-1f0c2b7d9e11";
    assert!(with(&[]).expect("usable").canary.people.is_empty(), "off");
    let both = with(&[(
        "canary.people",
        "5b2f8a0e-93ad-4c55-8a54-1f0c2b7d9e11, office:6c2f8a0e-93ad-4c55-8a54-1f0c2b7d9e11",
    )]);
    let people = both.expect("usable").canary.people;
    let told: Vec<String> = people
        .iter()
        .map(|(environment, person)| format!("{environment}:{person}"))
        .collect();
    assert_eq!(told, [format!("default:{ONE}"), OTHER.to_owned()]);
    let twice = "5b2f8a0e-93ad-4c55-8a54-1f0c2b7d9e11,default:6c2f8a0e-93ad-4c55-8a54-1f0c2b7d9e11";
    assert!(refused(&[("canary.people", twice)]).contains("two people"));
    assert!(refused(&[("canary.people", "anna")]).contains("no id of a person"));
    assert!(refused(&[("canary.interval", "0s")]).contains("canary.interval"));
    // Where the number does not travel both ways, nothing is proven.
    let narrowed = [
        ("canary.people", ONE),
        ("sync.fields.private_phone", "to_outlook"),
    ];
    assert!(refused(&narrowed).contains("sync.fields.private_phone"));
    assert!(with(&[("sync.fields.private_phone", "off")]).is_ok());
}
