//! The refusals of the token endpoint: AADSTS numbers, texts and shapes (Graph reference 1.5).

use serde_json::{Value, json};

use super::draw;

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// OAuth's own word, the one to branch on.
    pub error: String,
    /// The AADSTS number.
    pub code: u32,
    /// The text after the number.
    pub text: String,
    /// A finer reason, for example `consent_required`.
    pub suberror: Option<String>,
    /// A claims challenge to be echoed at the next sign-in.
    pub claims: Option<String>,
}

impl Refusal {
    /// The refusal that belongs to an AADSTS number, with its usual word and text.
    pub fn new(code: u32) -> Self {
        let (error, text) = known(code);
        let challenged = matches!(code, 50074 | 50076 | 50078 | 50079 | 50158 | 53000..=53003);
        Self {
            status: status_of(error),
            error: error.to_owned(),
            code,
            text: text.to_owned(),
            suberror: match code {
                65001 => Some("consent_required".to_owned()),
                50173 | 700_082 | 70008 | 70043 => Some("bad_token".to_owned()),
                50074 | 50076 | 50078 | 50079 => Some("basic_action".to_owned()),
                _ => None,
            },
            claims: challenged.then(|| {
                r#"{"access_token":{"capolids":{"essential":true,"values":["5a1e4d9e-7d5a-4a7b-9c9f-2d0f8c1b7a11"]}}}"#.to_owned()
            }),
        }
    }

    /// The same with a text of its own.
    pub fn saying(code: u32, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::new(code)
        }
    }

    /// The same under another OAuth word.
    pub fn as_error(mut self, error: &str) -> Self {
        self.status = status_of(error);
        self.error = error.to_owned();
        self
    }

    /// `AADSTS…: text`, with trace, correlation and time as the platform appends them.
    pub fn description(&self, trace: &str, correlation: &str, now_ms: i64) -> String {
        format!(
            "AADSTS{}: {}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {}",
            self.code,
            self.text,
            written(now_ms)
        )
    }

    /// The JSON body.
    pub fn body(&self, rng: &mut fastrand::Rng, now_ms: i64) -> Value {
        let (trace, correlation) = (draw::guid(rng), draw::guid(rng));
        let mut body = json!({
            "error": self.error,
            "error_description": self.description(&trace, &correlation, now_ms),
            "error_codes": [self.code],
            "timestamp": written(now_ms),
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        });
        if let Some(suberror) = &self.suberror {
            body["suberror"] = json!(suberror);
        }
        if let Some(claims) = &self.claims {
            body["claims"] = json!(claims);
        }
        body
    }
}

/// `2026-01-07 09:00:00Z`: the platform's own way.
fn written(now_ms: i64) -> String {
    draw::seconds(now_ms).replace('T', " ")
}

fn status_of(error: &str) -> u16 {
    match error {
        "invalid_client" => 401,
        "temporarily_unavailable" => 503,
        "server_error" => 500,
        _ => 400,
    }
}

fn known(code: u32) -> (&'static str, &'static str) {
    match code {
        50173 => (
            "invalid_grant",
            "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.",
        ),
        700_082 => (
            "invalid_grant",
            "The refresh token has expired due to inactivity.",
        ),
        70008 => (
            "invalid_grant",
            "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.",
        ),
        70043 => (
            "invalid_grant",
            "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.",
        ),
        50089 => (
            "invalid_grant",
            "Authentication failed due to flow token expired.",
        ),
        54005 => (
            "invalid_grant",
            "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.",
        ),
        501_481 => (
            "invalid_grant",
            "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
        ),
        500_112 => (
            "invalid_grant",
            "The reply address does not match the reply address provided when requesting Authorization code.",
        ),
        50057 => ("invalid_grant", "The user account is disabled."),
        50105 => (
            "invalid_grant",
            "The signed in user is not assigned to a role for the application.",
        ),
        65001 => (
            "invalid_grant",
            "The user or administrator has not consented to use the application. Send an interactive authorization request for this user and resource.",
        ),
        50074 => ("interaction_required", "Strong Authentication is required."),
        50076 => (
            "interaction_required",
            "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication.",
        ),
        50078 => (
            "interaction_required",
            "Presented multi-factor authentication has expired due to policies configured by your administrator, you must refresh your multi-factor authentication.",
        ),
        50079 => (
            "interaction_required",
            "Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication.",
        ),
        50158 => (
            "interaction_required",
            "External security challenge not satisfied. User will be redirected to another page or authentication provider to satisfy additional authentication challenges.",
        ),
        53000 => (
            "interaction_required",
            "Device is not in required device state: compliant. Conditional Access policy requires a compliant device.",
        ),
        53001 => (
            "interaction_required",
            "Device is not in required device state: domain_joined.",
        ),
        53002 => (
            "interaction_required",
            "The app used is not an approved app for Conditional Access.",
        ),
        53003 => (
            "interaction_required",
            "Access has been blocked by Conditional Access policies.",
        ),
        65004 => (
            "access_denied",
            "User declined to consent to access the app.",
        ),
        90094 => (
            "access_denied",
            "An administrator of your organization has to grant permission to the application.",
        ),
        50011 => (
            "invalid_request",
            "The redirect URI specified in the request does not match the redirect URIs configured for the application.",
        ),
        50194 => (
            "invalid_request",
            "Application is not configured as a multi-tenant application. Usage of the /common endpoint is not supported for such apps. Use a tenant-specific endpoint or configure the application to be multi-tenant.",
        ),
        90002 => (
            "invalid_request",
            "Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.",
        ),
        900_144 => (
            "invalid_request",
            "The request body must contain a parameter that is missing.",
        ),
        9_002_313 => (
            "invalid_grant",
            "Invalid request. Request is malformed or invalid.",
        ),
        9_002_326 => (
            "invalid_request",
            "Cross-origin token redemption is permitted only for the 'Single-Page Application' client-type.",
        ),
        70003 => (
            "unsupported_grant_type",
            "The app requested an unsupported grant type.",
        ),
        70011 => (
            "invalid_scope",
            "The provided value for the input parameter 'scope' is not valid.",
        ),
        1_002_012 => (
            "invalid_scope",
            "The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).",
        ),
        70001 | 700_016 => (
            "unauthorized_client",
            "Application was not found in the directory. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.",
        ),
        70002 => ("invalid_client", "Error validating credentials."),
        7_000_215 => (
            "invalid_client",
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.",
        ),
        7_000_218 => (
            "invalid_client",
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        ),
        7_000_222 => (
            "invalid_client",
            "The provided client secret keys for the app are expired.",
        ),
        700_027 => (
            "invalid_client",
            "Client assertion failed signature validation.",
        ),
        50196 => (
            "invalid_grant",
            "The server terminated an operation because it encountered a client request loop.",
        ),
        90033 => (
            "temporarily_unavailable",
            "A transient error has occurred. Please try again.",
        ),
        _ => ("server_error", "The service could not do what was asked."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_the_number_in_text_and_list() {
        let body = Refusal::new(50173).body(&mut fastrand::Rng::with_seed(1), 0);
        assert_eq!(body["error"], "invalid_grant");
        assert_eq!(body["error_codes"], json!([50173]));
        let text = body["error_description"].as_str().unwrap();
        assert!(text.starts_with("AADSTS50173: "), "{text}");
        assert!(
            text.contains("\r\nTrace ID: ") && text.contains("\r\nTimestamp: 1970-01-01 00:00:00Z"),
            "{text}"
        );
    }

    #[test]
    fn challenges_carry_claims() {
        assert!(Refusal::new(50076).claims.is_some());
        assert!(Refusal::new(50173).claims.is_none());
    }
}
