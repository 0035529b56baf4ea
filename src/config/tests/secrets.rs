//! What holds for secrets: their forms, their files, and that none is ever shown.

use std::{fs, path::Path};

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::{super::*, FILE, KEY, REQUIRED, from_file, refused, with};

#[test]
fn webhook_secrets_come_alone_or_by_webhook() {
    let read = |pairs: &[(&'static str, &'static str)]| {
        let secrets = with(pairs).expect("usable").tribe.webhook_secrets;
        let shown =
            |secret: WebhookSecret| (secret.webhook, secret.secret.expose_secret().to_owned());
        secrets.into_iter().map(shown).collect::<Vec<_>>()
    };
    let named = |id: &str, secret: &str| (Some(id.to_owned()), secret.to_owned());
    let any = |secret: &str| (None, secret.to_owned());
    assert_eq!(read(&[]), []);
    assert_eq!(read(&[("tribe.webhook_secret", "w1:a")]), [any("w1:a")]);
    assert_eq!(
        read(&[("tribe.webhook_secrets", "a,w1:b,:c:d,e+f:g")]),
        [any("a"), named("w1", "b"), any("c:d"), any("e+f:g")]
    );
    assert!(refused(&[("tribe.webhook_secrets", "w1:")]).contains("tribe.webhook_secrets"));
    let both = [
        ("tribe.webhook_secret", "a"),
        ("tribe.webhook_secrets", "b"),
    ];
    assert!(refused(&both).contains("tribe.webhook_secrets"));
}

#[test]
fn an_application_has_both_id_and_secret() {
    let said = refused(&[("tribe.login_client_id", "a")]);
    assert!(said.contains("tribe.login_client_secret"), "{said}");
    let said = refused(&[("tribe.login_client_secret", "a")]);
    assert!(said.contains("tribe.login_client_id"), "{said}");
}

#[test]
fn microsoft_takes_a_secret_or_a_certificate() {
    let said = refused(&[("microsoft.client_secret", "-")]);
    assert!(said.contains("private_key_file"), "{said}");
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let certificate = write("c.pem", "-----BEGIN CERTIFICATE-----\n");
    let key = write("k.pem", "-----BEGIN PRIVATE KEY-----\n");
    let mut pairs: Vec<(&str, &str)> = REQUIRED[..5].to_vec();
    pairs.push(("microsoft.certificate_file", &certificate));
    let said = Config::from_pairs(pairs.clone())
        .expect_err("half")
        .to_string();
    assert!(said.contains("microsoft.private_key_file"), "{said}");
    pairs.push(("microsoft.private_key_file", &key));
    let config = Config::from_pairs(pairs.clone()).expect("usable");
    assert!(matches!(
        config.microsoft.credential,
        Credential::Certificate { .. }
    ));
    pairs.push(("microsoft.client_secret", "s"));
    assert!(Config::from_pairs(pairs.clone()).is_err());
    pairs.pop();
    pairs.pop();
    pairs.push(("microsoft.private_key_file", &certificate));
    let said = Config::from_pairs(pairs).expect_err("no key").to_string();
    assert!(said.contains("no private key"), "{said}");
}

#[test]
fn admin_tokens_are_hashes_with_a_role() {
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let toml = |role: &str, hash: &str, more: &str| {
        let token = format!("{{ name = 'a', role = '{role}', sha256 = '{hash}'{more} }}");
        FILE.replace(
            "[tribe]",
            &format!("admin_token = 'test'\nadmin_tokens = [{token}]\n[tribe]"),
        )
    };
    let config = from_file(&toml("viewer", hash, ""), &[]).expect("usable");
    let tokens = config.security.tokens();
    assert_eq!(tokens.len(), 2);
    assert_eq!(
        (tokens[0].role, tokens[1].role),
        (Role::Admin, Role::Viewer)
    );
    assert_eq!(tokens[0].sha256, tokens[1].sha256);
    assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
    for bad in [
        toml("root", hash, ""),
        toml("viewer", &hash.to_uppercase(), ""),
        toml("viewer", &hash[1..], ""),
        toml("viewer", hash, ", more = 1"),
    ] {
        let said = from_file(&bad, &[]).expect_err("refused").to_string();
        assert!(
            said.contains("security.admin_tokens") && !said.contains(&hash[2..]),
            "{said}"
        );
    }
    let listed = format!("a:viewer:{hash},b:operator:{hash}");
    let variable = [("TRIBELINK_SECURITY__ADMIN_TOKENS", listed.as_str())];
    assert_eq!(
        from_file(FILE, &variable)
            .expect("usable")
            .security
            .admin_tokens
            .len(),
        2
    );
}

#[test]
fn a_secret_may_lie_in_a_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("secret");
    fs::write(&path, "from file\n").expect("written");
    let name = path.display().to_string();
    let variable = [("TRIBELINK_TRIBE__CLIENT_SECRET_FILE", name.as_str())];
    // The variable is of a later layer than the file's own value.
    let config = from_file(FILE, &variable).expect("usable");
    assert_eq!(config.tribe.client_secret.expose_secret(), "from file");

    let twice = [variable[0], ("TRIBELINK_TRIBE__CLIENT_SECRET", "x")];
    let said = from_file(FILE, &twice).expect_err("twice").to_string();
    assert!(
        said.contains("tribe.client_secret is given twice"),
        "{said}"
    );

    fs::write(&path, format!("{KEY}\n\n")).expect("written");
    let keys = [("TRIBELINK_SECURITY__ENCRYPTION_KEYS_FILE", name.as_str())];
    assert!(from_file(FILE, &keys).is_ok());
    fs::write(&path, "\n").expect("written");
    let said = from_file(FILE, &keys).expect_err("empty").to_string();
    assert!(
        said.contains("security.encryption_keys_file") && said.contains("empty"),
        "{said}"
    );
}

#[test]
fn a_file_that_is_no_toml_is_named_without_its_text() {
    let said = from_file("[tribe]\nclient_secret = \"hunter2\n", &[])
        .expect_err("bad")
        .to_string();
    assert!(
        said.contains("tribelink.toml is not TOML, line 2"),
        "{said}"
    );
    assert!(!said.contains("hunter2"));
    let missing = Sources::gather(Some(Path::new("/nowhere/t.toml")), [], Path::new("."));
    assert!(
        missing
            .err()
            .expect("missing")
            .to_string()
            .contains("/nowhere/t.toml")
    );
}

#[test]
fn the_admin_commands_need_no_other_secret() {
    let sources = Sources::from_pairs([("security.admin_token", "t")]).expect("parses");
    let access = AdminAccess::read(&sources).expect("usable");
    assert_eq!(access.token.expect("a token").expose_secret(), "t");
    assert!(Database::read_alone(&sources).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever a secret's value is, neither a problem nor Debug shows it.
    #[test]
    fn no_problem_and_no_debug_shows_a_secret(word in "[a-z]{12}") {
        for key in [
            "security.encryption_keys",
            "database.url",
            "tribe.webhook_secrets",
            "security.admin_tokens",
            "security.admin_token",
            "tribe.client_secret",
        ] {
            for value in [word.clone(), format!("id:{word}"), format!("{word} {word}")] {
                let pairs = REQUIRED.iter().copied().filter(|(other, _)| *other != key);
                let said = match Config::from_pairs(pairs.chain([(key, value.as_str())])) {
                    Ok(config) => format!("{config:?}"),
                    Err(problems) => format!("{problems} {problems:?}"),
                };
                prop_assert!(!said.contains(&word), "{}: {}", key, said);
            }
        }
    }
}
