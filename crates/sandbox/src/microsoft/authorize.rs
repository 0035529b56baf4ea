//! The authorize and admin consent endpoints, decided without HTTP (Graph reference 1.2).

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{CODE_LIFE_MS, Code, draw, errors::Refusal, shared};
use crate::state::State;

/// Query or form fields.
pub(super) type Params = BTreeMap<String, String>;

/// What a browser gets.
#[derive(Debug)]
pub(super) enum Answer {
    /// The sign-in form; `error` is shown above it.
    Form {
        params: Params,
        app: String,
        error: Option<String>,
    },
    /// A page that says why there is no way back to the app.
    Stop(Refusal),
    /// Back to the app.
    Back {
        uri: String,
        mode: Mode,
        fields: Vec<(&'static str, String)>,
    },
}

/// How the answer travels to the redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Query,
    Fragment,
    FormPost,
}

/// What the person did on the form; a plain GET is neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Ask,
    Allow { login: String },
    Deny,
}

fn field<'a>(params: &'a Params, name: &str) -> &'a str {
    params.get(name).map_or("", String::as_str)
}

/// `{tenant}/oauth2/v2.0/authorize`.
pub(super) fn authorize(
    state: &mut State,
    tenant: &str,
    params: Params,
    decision: &Decision,
) -> Answer {
    if !state.microsoft.knows_tenant(tenant) {
        return Answer::Stop(Refusal::new(90002));
    }
    let Some(app) = state
        .microsoft
        .apps
        .get(field(&params, "client_id"))
        .cloned()
    else {
        return Answer::Stop(Refusal::new(700_016));
    };
    let redirect_uri = field(&params, "redirect_uri").to_owned();
    if !app.redirect_uris.contains(&redirect_uri) && !state.options.accepts_redirect(&redirect_uri)
    {
        return Answer::Stop(Refusal::new(50011));
    }
    if shared(tenant) && !app.multi_tenant {
        return Answer::Stop(Refusal::new(50194));
    }
    let back = Back::of(&params, redirect_uri);
    let mode = match field(&params, "response_mode") {
        "" | "query" => Mode::Query,
        "fragment" => Mode::Fragment,
        "form_post" => Mode::FormPost,
        _ => {
            return back.refuse(
                Mode::Query,
                "invalid_request",
                "The response_mode is not supported.",
            );
        }
    };
    if field(&params, "response_type") != "code" {
        return back.refuse(
            mode,
            "unsupported_response_type",
            "The response_type must be code.",
        );
    }
    let scope = field(&params, "scope").to_owned();
    if scope.split_whitespace().next().is_none() {
        return back.refuse(
            mode,
            "invalid_request",
            "AADSTS900144: The request must contain 'scope'.",
        );
    }
    let challenge = params
        .get("code_challenge")
        .filter(|text| !text.is_empty())
        .cloned();
    if challenge.is_some() && field(&params, "code_challenge_method") != "S256" {
        return back.refuse(
            mode,
            "invalid_request",
            "AADSTS501491: The code_challenge_method must be S256.",
        );
    }

    let prompt = field(&params, "prompt");
    let hinted = state
        .user(field(&params, "login_hint"))
        .map(|user| user.user_id);
    let hinted = hinted.filter(|_| prompt != "select_account");
    let automatic = state.auto_consent || field(&params, "auto") == "1";
    let user_id = match decision {
        Decision::Deny => {
            return back.refuse(
                mode,
                "access_denied",
                "AADSTS65004: User declined to consent to access the app.",
            );
        }
        Decision::Allow { login } => match state.user(login).map(|user| user.user_id) {
            Some(user_id) => user_id,
            None => {
                let error = Some("There is no account with this address.".to_owned());
                return Answer::Form {
                    params,
                    app: app.name,
                    error,
                };
            }
        },
        Decision::Ask if prompt == "none" => match hinted {
            None => {
                return back.refuse(mode, "login_required", "AADSTS50058: No user is signed in.");
            }
            Some(user_id)
                if !state
                    .microsoft
                    .consents
                    .contains(&(app.client_id.clone(), user_id)) =>
            {
                return back.refuse(
                    mode,
                    "interaction_required",
                    "AADSTS65001: The user has not consented.",
                );
            }
            Some(user_id) => user_id,
        },
        Decision::Ask => match hinted {
            Some(user_id) if automatic => user_id,
            _ => {
                return Answer::Form {
                    params,
                    app: app.name,
                    error: None,
                };
            }
        },
    };
    consented(
        state,
        &app.client_id,
        user_id,
        &params,
        &back,
        mode,
        challenge,
    )
}

fn consented(
    state: &mut State,
    client_id: &str,
    user_id: Uuid,
    params: &Params,
    back: &Back,
    mode: Mode,
    challenge: Option<String>,
) -> Answer {
    if !state.microsoft.user_consent && !state.microsoft.admin_consents.contains(client_id) {
        let refusal = Refusal::new(90094);
        let text = format!("AADSTS{}: {}", refusal.code, refusal.text);
        return back.refuse(mode, &refusal.error, &text);
    }
    state
        .microsoft
        .consents
        .insert((client_id.to_owned(), user_id));
    let now = state.now_ms();
    let text = format!("0.A{}", draw::opaque(&mut state.rng, 60));
    let code = Code {
        client_id: client_id.to_owned(),
        user_id,
        redirect_uri: back.uri.clone(),
        scope: field(params, "scope").to_owned(),
        nonce: params.get("nonce").cloned(),
        challenge,
        expires_ms: now + CODE_LIFE_MS,
        redeemed: None,
    };
    state
        .microsoft
        .codes
        .retain(|_, code| code.expires_ms + CODE_LIFE_MS > now);
    state.microsoft.codes.insert(text.clone(), code);
    let session = draw::guid(&mut state.rng);
    back.with(mode, vec![("code", text), ("session_state", session)])
}

/// The way back to the app.
struct Back {
    uri: String,
    state: Option<String>,
}

impl Back {
    fn of(params: &Params, uri: String) -> Self {
        Self {
            uri,
            state: params.get("state").cloned(),
        }
    }

    fn with(&self, mode: Mode, mut fields: Vec<(&'static str, String)>) -> Answer {
        fields.extend(self.state.clone().map(|state| ("state", state)));
        Answer::Back {
            uri: self.uri.clone(),
            mode,
            fields,
        }
    }

    fn refuse(&self, mode: Mode, error: &str, text: &str) -> Answer {
        self.with(
            mode,
            vec![
                ("error", error.to_owned()),
                ("error_description", text.to_owned()),
            ],
        )
    }
}

/// `{tenant}/v2.0/adminconsent`: grants the app for everybody.
pub(super) fn admin_consent(
    state: &mut State,
    tenant: &str,
    params: Params,
    decision: &Decision,
) -> Answer {
    if !state.microsoft.knows_tenant(tenant) || tenant.eq_ignore_ascii_case("common") {
        return Answer::Stop(Refusal::new(90002));
    }
    let Some(app) = state
        .microsoft
        .apps
        .get(field(&params, "client_id"))
        .cloned()
    else {
        return Answer::Stop(Refusal::new(700_016));
    };
    let redirect_uri = field(&params, "redirect_uri").to_owned();
    if !app.redirect_uris.contains(&redirect_uri) && !state.options.accepts_redirect(&redirect_uri)
    {
        return Answer::Stop(Refusal::new(50011));
    }
    let back = Back::of(&params, redirect_uri);
    let mut fields = vec![
        ("admin_consent", "True".to_owned()),
        ("tenant", state.microsoft.tenant_id.clone()),
    ];
    let automatic = state.auto_consent || field(&params, "auto") == "1";
    match decision {
        Decision::Deny => {
            fields.push(("error", "access_denied".to_owned()));
            fields.push((
                "error_description",
                "AADSTS65004: User declined to consent to access the app.".to_owned(),
            ));
        }
        Decision::Ask if !automatic => {
            return Answer::Form {
                params,
                app: app.name,
                error: None,
            };
        }
        _ => {
            let scope = field(&params, "scope").to_owned();
            state.microsoft.admin_consents.insert(app.client_id.clone());
            // Application permissions come with `.default` alone.
            if scope.ends_with("/.default")
                && let Some(app) = state.microsoft.apps.get_mut(&app.client_id)
            {
                app.application_permission = true;
            }
            fields.push(("scope", scope));
        }
    }
    back.with(Mode::Query, fields)
}
