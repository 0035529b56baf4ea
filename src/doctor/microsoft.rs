//! What can be asked of Microsoft.

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::Value;

use super::{Check, local::get, of_failure, unbuilt};
use crate::{
    clock::Clock,
    config::Config,
    graph::SignIn,
    remote::{self, Response, Transport},
};

const DISCOVERY: &str = "Microsoft discovery";
const SIGN_IN: &str = "Microsoft sign-in";
const CLOCK: &str = "clock";
const SECRETS: &str = "microsoft.client_id and microsoft.client_secret (or the certificate)";

/// Beyond this tokens are refused as not yet or no longer valid.
const LARGEST_SKEW_MS: i64 = 5 * 60_000;
/// Beyond this a clock is not kept by NTP.
const USUAL_SKEW_MS: i64 = 30_000;

pub(super) async fn examine(
    config: &Config,
    clock: &dyn Clock,
    transport: &Result<Arc<dyn Transport>, String>,
    sign_in: &Result<Arc<dyn SignIn>, String>,
) -> Vec<Check> {
    let mut checks = match transport {
        Ok(transport) => discovery(config, clock, transport.as_ref()).await,
        Err(why) => vec![unbuilt(DISCOVERY, why)],
    };
    checks.push(match sign_in {
        Ok(sign_in) => application(sign_in.as_ref()).await,
        Err(why) => unbuilt(SIGN_IN, why),
    });
    checks
}

/// Reads the discovery document, and compares the clocks by the answer's date.
async fn discovery(config: &Config, clock: &dyn Clock, transport: &dyn Transport) -> Vec<Check> {
    let path = format!(
        "/{}/v2.0/.well-known/openid-configuration",
        config.microsoft.tenant
    );
    let Ok(url) = config.microsoft.login_url.join(&path) else {
        let advice = "check microsoft.login_url and microsoft.tenant";
        return vec![Check::fail(
            DISCOVERY,
            "no address can be made of them",
            advice,
        )];
    };
    match transport.send(get(url)).await {
        Ok(answer) => {
            let now_ms = clock.now_ms();
            vec![document(&answer), clocks(now_ms, &answer)]
        }
        Err(error) => vec![Check::fail(
            DISCOVERY,
            error.to_string(),
            "check microsoft.login_url, and that this machine reaches it (DNS, firewall, proxy)",
        )],
    }
}

fn document(answer: &Response) -> Check {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match body["issuer"].as_str() {
        Some(issuer) if answer.status.is_success() => {
            Check::ok(DISCOVERY, format!("read; the issuer is {issuer}"))
        }
        _ => Check::fail(
            DISCOVERY,
            format!("answers {}, without an issuer", answer.status),
            "check microsoft.tenant: the directory's GUID or a verified domain",
        ),
    }
}

fn clocks(now_ms: i64, answer: &Response) -> Check {
    let date = answer
        .headers
        .get(http::header::DATE)
        .and_then(|date| date.to_str().ok());
    let theirs = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let Some(theirs) = theirs else {
        let advice = "compare this machine's time with another clock";
        return Check::warn(CLOCK, "Microsoft's answer bears no date", advice);
    };
    let skew_ms = now_ms.saturating_sub(theirs.timestamp().as_millisecond());
    let detail = format!("{} s off Microsoft's", skew_ms / 1_000);
    let advice = "let NTP keep this machine's clock (`timedatectl set-ntp true`)";
    match skew_ms.saturating_abs() {
        skew if skew > LARGEST_SKEW_MS => Check::fail(CLOCK, detail, advice),
        skew if skew > USUAL_SKEW_MS => Check::warn(CLOCK, detail, advice),
        _ => Check::ok(CLOCK, detail),
    }
}

/// Tries a refresh token that nobody was given: refused as such, the application itself was accepted.
async fn application(sign_in: &dyn SignIn) -> Check {
    let nobody = SecretString::from("tribelink-doctor-asks-whether-the-application-is-accepted");
    match sign_in.refresh(&nobody).await {
        Err(remote::Error::ConsentNeeded(_)) | Ok(_) => {
            Check::ok(SIGN_IN, "the application is accepted")
        }
        Err(remote::Error::Rejected { status, code }) => Check::warn(
            SIGN_IN,
            format!("Microsoft answered {status} {code}, which does not tell"),
            "look at the app registration if sign-ins fail",
        ),
        Err(error) => of_failure(SIGN_IN, &error, SECRETS, "check the app registration"),
    }
}
