//! The token endpoint, decided without HTTP (Graph reference 1.2 to 1.7).

use aws_lc_rs::digest;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    App, REFRESH_LIFE_MS, Refresh, authorize::Params, draw, errors::Refusal, issue_access, keys,
    new_grant, revoke_grant, shared, short_scope,
};
use crate::state::State;

/// One call of the token endpoint.
pub(super) struct Ask<'a> {
    pub(super) tenant: &'a str,
    pub(super) form: &'a Params,
    /// `Authorization`, when there is one.
    pub(super) authorization: Option<&'a str>,
    /// Whether an `Origin` header came along.
    pub(super) origin: bool,
}

impl Ask<'_> {
    fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }
}

/// Answers it.
///
/// # Errors
/// The refusal to be written as the body; [`Refusal::status`] goes with it.
pub(super) fn token(state: &mut State, ask: &Ask<'_>) -> Result<Value, Refusal> {
    if !state.microsoft.knows_tenant(ask.tenant) {
        return Err(Refusal::saying(
            90002,
            format!(
                "Tenant '{}' not found. Check to make sure you have the correct tenant ID.",
                ask.tenant
            ),
        ));
    }
    let app = client(state, ask)?;
    if shared(ask.tenant) && !app.multi_tenant {
        return Err(Refusal::new(50194));
    }
    match ask.field("grant_type") {
        "authorization_code" => by_code(state, ask, &app),
        "refresh_token" => by_refresh(state, ask, &app),
        "client_credentials" => by_itself(state, ask, &app),
        "" => Err(missing("grant_type")),
        _ => Err(Refusal::new(70003)),
    }
}

fn missing(name: &str) -> Refusal {
    Refusal::saying(
        900_144,
        format!("The request body must contain the following parameter: '{name}'."),
    )
}

/// Who calls: by secret in the body, by Basic, or by assertion.
fn client(state: &mut State, ask: &Ask<'_>) -> Result<App, Refusal> {
    let basic = ask.authorization.and_then(basic);
    let (client_id, secret) = match &basic {
        Some((id, secret)) => (id.as_str(), Some(secret.as_str())),
        None => (
            ask.field("client_id"),
            ask.form.get("client_secret").map(String::as_str),
        ),
    };
    let assertion = ask.form.get("client_assertion").map(String::as_str);
    if client_id.is_empty() {
        return Err(missing("client_id"));
    }
    let app = state.microsoft.apps.get(client_id).cloned().ok_or_else(|| {
        Refusal::saying(
            700_016,
            format!("Application with identifier '{client_id}' was not found in the directory '{}'.", state.microsoft.tenant_domain),
        )
    })?;
    // A browser must not hold a secret (Graph reference 1.2).
    if ask.origin && (secret.is_some() || assertion.is_some()) {
        return Err(Refusal::new(9_002_326));
    }
    match (secret, assertion) {
        (Some(secret), _) if app.secrets.iter().any(|known| known == secret) => Ok(app),
        (Some(secret), _) if app.expired_secrets.iter().any(|known| known == secret) => {
            Err(Refusal::new(7_000_222))
        }
        (Some(_), _) => Err(Refusal::new(7_000_215)),
        (None, Some(assertion)) => asserted(state, ask, app, assertion),
        (None, None) => Err(Refusal::new(7_000_218)),
    }
}

fn asserted(state: &mut State, ask: &Ask<'_>, app: App, assertion: &str) -> Result<App, Refusal> {
    let unfit = |why: &str| {
        Refusal::saying(
            700_027,
            format!("Client assertion failed signature validation: {why}."),
        )
    };
    if ask.field("client_assertion_type")
        != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    {
        return Err(unfit("the client_assertion_type is not jwt-bearer"));
    }
    let (origin, identity) = (&state.options.public_url, &state.microsoft);
    let audiences: Vec<String> = [ask.tenant, &identity.tenant_id, &identity.tenant_domain]
        .iter()
        .map(|tenant| format!("{origin}/{tenant}/oauth2/v2.0/token"))
        .chain([identity.issuer(origin)])
        .collect();
    let now = state.now_ms() / 1000;
    let id = keys::check_assertion(
        assertion,
        &app.client_id,
        &app.certificates,
        &audiences,
        now,
    )
    .map_err(|why| unfit(why.0))?;
    if !state.microsoft.used_assertions.insert(id) {
        return Err(unfit("it was used before"));
    }
    Ok(app)
}

fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, text) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((unescape(id), unescape(secret)))
}

/// Undoes the form encoding that RFC 6749 wants inside Basic.
fn unescape(text: &str) -> String {
    let pair = format!("v={text}");
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// A refusal on demand, if one waits for this user (or for everybody).
fn demanded(state: &mut State, user_id: Option<Uuid>) -> Result<(), Refusal> {
    let demands = &mut state.microsoft.demands;
    let Some(at) = demands
        .iter()
        .position(|demand| demand.user_id.is_none() || demand.user_id == user_id)
    else {
        return Ok(());
    };
    let refusal = demands[at].refusal.clone();
    if let Some(left) = &mut demands[at].left {
        *left = left.saturating_sub(1);
        if *left == 0 {
            demands.remove(at);
        }
    }
    Err(refusal)
}

fn by_code(state: &mut State, ask: &Ask<'_>, app: &App) -> Result<Value, Refusal> {
    let text = ask.field("code");
    if text.is_empty() {
        return Err(missing("code"));
    }
    let code = state
        .microsoft
        .codes
        .get(text)
        .filter(|code| code.client_id == app.client_id)
        .cloned()
        .ok_or_else(|| Refusal::new(9_002_313))?;
    if let Some(grant) = &code.redeemed {
        // Used twice, it may have been stolen: what came of it dies too (Graph reference 10.1).
        revoke_grant(state, grant, 54005);
        return Err(Refusal::new(54005));
    }
    if code.expires_ms <= state.now_ms() {
        return Err(Refusal::new(70008));
    }
    if ask.field("redirect_uri") != code.redirect_uri {
        return Err(Refusal::new(500_112));
    }
    if let Some(challenge) = &code.challenge {
        let hash = digest::digest(&digest::SHA256, ask.field("code_verifier").as_bytes());
        if URL_SAFE_NO_PAD.encode(hash.as_ref()) != *challenge {
            return Err(Refusal::new(501_481));
        }
    }
    demanded(state, Some(code.user_id))?;
    let scope = narrowed(ask.field("scope"), &code.scope)?;
    let grant = new_grant(state, &app.client_id, Some(code.user_id));
    if let Some(code) = state.microsoft.codes.get_mut(text) {
        code.redeemed = Some(grant.clone());
    }
    answer(
        state,
        ask,
        app,
        &grant,
        code.user_id,
        &scope,
        code.nonce.as_deref(),
    )
}

fn by_refresh(state: &mut State, ask: &Ask<'_>, app: &App) -> Result<Value, Refusal> {
    let text = ask.field("refresh_token");
    if text.is_empty() {
        return Err(missing("refresh_token"));
    }
    let refresh = state
        .microsoft
        .refreshes
        .get(text)
        .cloned()
        .ok_or_else(|| Refusal::new(9_002_313))?;
    let grant = state
        .microsoft
        .grants
        .get(&refresh.grant)
        .cloned()
        .ok_or_else(|| Refusal::new(9_002_313))?;
    if grant.client_id != app.client_id {
        return Err(Refusal::new(9_002_313));
    }
    if let Some(code) = grant.revoked {
        return Err(Refusal::new(code).as_error("invalid_grant"));
    }
    if refresh.expires_ms <= state.now_ms() {
        return Err(Refusal::new(700_082));
    }
    demanded(state, grant.user_id)?;
    let scope = narrowed(ask.field("scope"), &refresh.scope)?;
    let user_id = grant.user_id.ok_or_else(|| Refusal::new(9_002_313))?;
    answer(state, ask, app, &refresh.grant, user_id, &scope, None)
}

fn by_itself(state: &mut State, ask: &Ask<'_>, app: &App) -> Result<Value, Refusal> {
    if !ask.field("scope").ends_with("/.default") {
        return Err(Refusal::new(1_002_012));
    }
    demanded(state, None)?;
    if !app.application_permission {
        return Err(Refusal::saying(
            65001,
            "An administrator has not granted the application permissions.",
        ));
    }
    let grant = new_grant(state, &app.client_id, None);
    let access_token = issue_access(state, &grant, "Contacts.ReadWrite User.Read.All");
    let life = state.microsoft.access_life_s;
    Ok(
        json!({"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": access_token}),
    )
}

/// The scope that a call asks for, which must lie inside what was consented to; none asks for all.
/// The names come back as they were asked for: MSAL's cache needs them so (Graph reference 10.1).
fn narrowed(asked: &str, consented: &str) -> Result<String, Refusal> {
    if asked.split_whitespace().next().is_none() {
        return Ok(consented.to_owned());
    }
    let known: Vec<&str> = consented.split_whitespace().map(short_scope).collect();
    let own = ["openid", "profile", "email", "offline_access", ".default"];
    let covers = |name: &str| {
        known.iter().any(|known| known.eq_ignore_ascii_case(name)) || known.contains(&".default")
    };
    let foreign = asked
        .split_whitespace()
        .map(short_scope)
        .any(|name| !covers(name) && !own.contains(&name));
    if foreign {
        Err(Refusal::new(65001))
    } else {
        Ok(asked.to_owned())
    }
}

/// The answer of a sign-in: access token, refresh token with `offline_access`, id_token with `openid`.
fn answer(
    state: &mut State,
    ask: &Ask<'_>,
    app: &App,
    grant: &str,
    user_id: Uuid,
    scope: &str,
    nonce: Option<&str>,
) -> Result<Value, Refusal> {
    let has = |name: &str| scope.split_whitespace().any(|scope| scope == name);
    let access_token = issue_access(state, grant, scope);
    let life = state.microsoft.access_life_s;
    let mut body = json!({
        "token_type": "Bearer", "scope": scope, "expires_in": life, "ext_expires_in": life,
        "access_token": access_token,
    });
    // A refresh token stands for itself: its use proves that offline_access was granted.
    if has("offline_access") || ask.field("grant_type") == "refresh_token" {
        let text = format!("1.A{}", draw::opaque(&mut state.rng, 120));
        let expires_ms = state.now_ms() + REFRESH_LIFE_MS;
        let consented = match state.microsoft.refreshes.get(ask.field("refresh_token")) {
            Some(old) => old.scope.clone(),
            None => scope.to_owned(),
        };
        // The old one stays valid (Graph reference 1.3).
        let refresh = Refresh {
            grant: grant.to_owned(),
            scope: consented,
            expires_ms,
        };
        state.microsoft.refreshes.insert(text.clone(), refresh);
        if state.microsoft.single_use_refresh {
            state.microsoft.refreshes.remove(ask.field("refresh_token"));
        }
        body["refresh_token"] = json!(text);
    }
    if has("openid") {
        body["id_token"] = json!(id_token(state, app, user_id, nonce)?);
    }
    if ask.field("client_info") == "1" {
        let info = json!({"uid": user_id, "utid": state.microsoft.tenant_id});
        body["client_info"] = json!(URL_SAFE_NO_PAD.encode(info.to_string()));
    }
    Ok(body)
}

fn id_token(
    state: &mut State,
    app: &App,
    user_id: Uuid,
    nonce: Option<&str>,
) -> Result<String, Refusal> {
    let user = state
        .users
        .iter()
        .find(|user| user.user_id == user_id)
        .cloned()
        .ok_or_else(|| Refusal::new(50057))?;
    let now = state.now_ms() / 1000;
    let identity = &state.microsoft;
    // Pairwise: another app sees another subject (Graph reference 1.6).
    let pair = digest::digest(
        &digest::SHA256,
        format!("{}:{user_id}", app.client_id).as_bytes(),
    );
    let mut claims = json!({
        "ver": "2.0", "iss": identity.issuer(&state.options.public_url), "aud": app.client_id,
        "sub": URL_SAFE_NO_PAD.encode(pair.as_ref()), "oid": user_id, "tid": identity.tenant_id,
        "iat": now, "nbf": now, "exp": now + 3600,
        "name": user.name, "preferred_username": user.address, "email": user.address,
        "uti": draw::opaque(&mut state.rng, 16),
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = json!(nonce);
    }
    Ok(state.microsoft.key.sign(&claims))
}
