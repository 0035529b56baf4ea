//! The listener: TLS, shutdown, taken ports.

use tribelink_sandbox::{Error, Options, Sandbox, Tls};

use crate::common::loopback;

const CERT: &[u8] = include_bytes!("fixtures/cert.pem");
const KEY: &[u8] = include_bytes!("fixtures/key.pem");

fn options() -> Options {
    Options {
        people: 2,
        users: 1,
        ..Options::default()
    }
}

#[tokio::test]
async fn tls_from_pem() {
    let tls = Tls {
        cert_pem: CERT.to_vec(),
        key_pem: KEY.to_vec(),
    };
    let running = Sandbox::start(options(), loopback(), Some(tls))
        .await
        .expect("a sandbox");
    let certificate = reqwest::Certificate::from_pem(CERT).expect("a certificate");
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([certificate])
        .build()
        .expect("a client");
    let base = format!("https://{}", running.addr);
    let config: serde_json::Value = http
        .get(format!("{base}/_sandbox/config"))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    assert_eq!(config["public_url"], base.as_str());
    running.shutdown().await;
    assert!(
        http.get(format!("{base}/_sandbox/config"))
            .send()
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_bad_key_or_a_taken_port_is_said_at_start() {
    let tls = Tls {
        cert_pem: CERT.to_vec(),
        key_pem: b"nonsense".to_vec(),
    };
    assert!(matches!(
        Sandbox::start(options(), loopback(), Some(tls)).await,
        Err(Error::Tls(_))
    ));
    let first = Sandbox::start(options(), loopback(), None)
        .await
        .expect("a sandbox");
    assert!(matches!(
        Sandbox::start(options(), first.addr, None).await,
        Err(Error::Listen { .. })
    ));
    first.shutdown().await;
}
