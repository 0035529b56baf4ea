//! Signing in to the page: administrators by OpenID Connect, employees by Tribe or by Microsoft.
//!
//! Each is bound to the browser it began in ([`super::browser`]) and ends in a session
//! ([`super::session`]). An employee is who Tribe says, or whose address Microsoft vouches for within
//! the configured tenant: an address claimed in somebody else's opens nothing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use serde_json::{Map, Value};
use tribelink_plan::ids::EnvironmentId;

use super::{
    Activation, Error,
    browser::{Begun, Bound, Returned, Stray},
    session::Entered,
};
use crate::{
    config::Role,
    graph::{Authorize, openid::Ask},
    random, remote,
    sealed::{Proof, sha256},
    store::Purpose,
    tribe::Employee,
};

/// Where administrators come back to.
pub const ADMIN_CALLBACK: &str = "/login/callback";

/// How the state of an employee's sign-in begins: it shares its way back with consents.
pub const EMPLOYEE_STATE: &str = "page.";

/// Why somebody was not signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// This way of signing in is not set up.
    #[error("this way of signing in is not set up")]
    Off,
    /// The state is unknown, used or expired.
    #[error("this sign-in is not valid any more")]
    State,
    /// The cookie of the browser that it began in is missing or another.
    #[error("the sign-in came back without the cookie it began with")]
    OtherBrowser,
    /// It was declined, or the code was not taken.
    #[error("the sign-in was declined")]
    Declined,
    /// None of the claim's values gives a role.
    #[error("no role")]
    NoRole,
    /// No employee of Tribe has that address, or several have, or it is a former one.
    #[error("no employee")]
    NoEmployee,
    /// The application is refused: an administrator must act.
    #[error("the application is refused")]
    Application,
    /// Something failed for the moment.
    #[error("the sign-in could not be finished for the moment")]
    Passing,
}

impl From<Stray> for Failure {
    fn from(stray: Stray) -> Failure {
        match stray {
            Stray::State => Failure::State,
            Stray::OtherBrowser => Failure::OtherBrowser,
            Stray::Error(error) => error.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::Remote(error) => error.into(),
            Error::NotFound(_) => Failure::NoEmployee,
            error => {
                tracing::error!(%error, "a sign-in to the page could not be finished");
                Failure::Passing
            }
        }
    }
}

impl From<remote::Error> for Failure {
    fn from(error: remote::Error) -> Failure {
        match error {
            remote::Error::ConsentNeeded(_) => Failure::Declined,
            remote::Error::Application(why) => {
                tracing::error!(why, "the application of the page's sign-in is refused");
                Failure::Application
            }
            error => {
                tracing::warn!(%error, "a sign-in to the page could not be finished");
                Failure::Passing
            }
        }
    }
}

impl Activation {
    /// Begins an administrator's sign-in.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn begin_admin(&self) -> Result<Begun, Failure> {
        let (openid, _) = self.login.openid.as_ref().ok_or(Failure::Off)?;
        let (state, proof, challenge) = self.fresh("");
        let authorize = openid
            .authorize_url(&Ask {
                state: &state,
                nonce: &proof.nonce,
                challenge: &challenge,
                redirect_uri: &self.settings.address(ADMIN_CALLBACK),
            })
            .await?;
        let purpose = Purpose::Page(EnvironmentId::from("default"));
        let cookie = self.bind(&state, purpose, proof, None).await?;
        Ok(Begun { authorize, cookie })
    }

    /// Finishes it; the roles are those that the configured claim gives.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn finish_admin(
        &self,
        returned: Returned,
        cookies: &[(String, String)],
    ) -> Result<Entered, Failure> {
        let (openid, roles) = self.login.openid.as_ref().ok_or(Failure::Off)?;
        let bound = self.unbind(&returned, cookies).await?;
        let Purpose::Page(_) = bound.purpose else {
            return Err(Failure::State);
        };
        let code = code(&returned)?;
        let verifier = SecretString::from(bound.proof.verifier.as_str());
        let redirect_uri = self.settings.address(ADMIN_CALLBACK);
        let claims = openid
            .exchange(code, &verifier, &bound.proof.nonce, &redirect_uri)
            .await?;
        let role = roles.of(&claims).ok_or(Failure::NoRole)?;
        let name = ["name", "preferred_username", "email", "sub"]
            .iter()
            .find_map(|claim| claims.get(*claim).and_then(Value::as_str));
        let former = self.former(cookies);
        let name = name.unwrap_or("administrator");
        Ok(self.enter(name, Some(role), None, former).await?)
    }

    /// Begins an employee's sign-in: at Tribe, where an application for it is set up, else at
    /// Microsoft.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn begin_employee(&self, environment: &EnvironmentId) -> Result<Begun, Failure> {
        self.crm(environment).await?;
        let (state, proof, challenge) = self.fresh(EMPLOYEE_STATE);
        let authorize = match &self.login.tribe {
            Some(tribe) => {
                tribe.authorize_url(&state, &self.settings.address(super::connect::CALLBACK))?
            }
            None => self.sign_in.authorize_url(&Authorize {
                state: &state,
                nonce: &proof.nonce,
                challenge: &challenge,
                login_hint: None,
                redirect_uri: &self.settings.address(super::consent::CALLBACK),
                prompt: None,
                identity_only: true,
            })?,
        };
        let purpose = Purpose::Employee(environment.clone());
        let cookie = self.bind(&state, purpose, proof, None).await?;
        Ok(Begun { authorize, cookie })
    }

    /// Finishes it where it began: `by_tribe` says which callback the browser came to.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn finish_employee(
        &self,
        returned: Returned,
        cookies: &[(String, String)],
        by_tribe: bool,
    ) -> Result<Entered, Failure> {
        let bound = self.unbind(&returned, cookies).await?;
        let Purpose::Employee(environment) = bound.purpose.clone() else {
            return Err(Failure::State);
        };
        let code = code(&returned)?;
        let employee = match (&self.login.tribe, by_tribe) {
            (Some(tribe), true) => {
                let redirect_uri = self.settings.address(super::connect::CALLBACK);
                tribe.exchange(code, &redirect_uri).await?
            }
            (None, false) => self.by_microsoft(&environment, code, &bound).await?,
            _ => return Err(Failure::State),
        };
        if employee.former {
            return Err(Failure::NoEmployee);
        }
        let address = super::mailbox::address_of(&employee);
        let name = employee.name.as_deref().or(address).unwrap_or("employee");
        let former = self.former(cookies);
        let who = Some((environment, employee.id));
        Ok(self.enter(name, None, who, former).await?)
    }

    /// The employee whose address the configured tenant vouches for.
    async fn by_microsoft(
        &self,
        environment: &EnvironmentId,
        code: &str,
        bound: &Bound,
    ) -> Result<Employee, Failure> {
        let verifier = SecretString::from(bound.proof.verifier.as_str());
        let redirect_uri = self.settings.address(super::consent::CALLBACK);
        let (_, identity) = self
            .sign_in
            .exchange(code, &verifier, &bound.proof.nonce, &redirect_uri)
            .await?;
        let address = identity.address.ok_or(Failure::NoEmployee)?;
        let crm = self.crm(environment).await?;
        let mut found = crm.employees_by_email(&address).await?;
        found.retain(|employee| !employee.former);
        // Of two with the same address nobody can say who signed in.
        match <[Employee; 1]>::try_from(found) {
            Ok([employee]) => Ok(employee),
            Err(_) => Err(Failure::NoEmployee),
        }
    }

    fn fresh(&self, prefix: &str) -> (String, Proof, String) {
        let secret = || random::token(self.random.as_ref());
        let proof = Proof {
            verifier: secret(),
            nonce: secret(),
            ..Proof::default()
        };
        let challenge = URL_SAFE_NO_PAD.encode(sha256(proof.verifier.as_bytes()));
        (format!("{prefix}{}", secret()), proof, challenge)
    }

    fn former<'c>(&self, cookies: &'c [(String, String)]) -> Option<&'c str> {
        let own = self.session_cookie();
        let found = cookies.iter().find(|(name, _)| name == own);
        found.map(|(_, value)| value.as_str())
    }
}

fn code(returned: &Returned) -> Result<&str, Failure> {
    match (&returned.error, &returned.code) {
        (Some(error), _) if error == "server_error" || error == "temporarily_unavailable" => {
            Err(Failure::Passing)
        }
        (None, Some(code)) => Ok(code),
        _ => Err(Failure::Declined),
    }
}

/// Which values of which claim give which role.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    /// A claim's name, or a path of names.
    pub claim: String,
    /// A value and its role.
    pub values: Vec<(String, Role)>,
}

impl Roles {
    /// The highest role that the claims give.
    pub fn of(&self, claims: &Map<String, Value>) -> Option<Role> {
        let named = claims.get(&self.claim).or_else(|| {
            let mut steps = self.claim.split('/');
            let first = claims.get(steps.next()?)?;
            steps.try_fold(first, |value, step| value.get(step))
        })?;
        let holds = |wanted: &str| match named {
            Value::String(one) => one == wanted,
            Value::Array(many) => many.iter().any(|one| one == wanted),
            _ => false,
        };
        let given = self.values.iter().filter(|(value, _)| holds(value));
        given.map(|(_, role)| *role).max()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_gives_the_highest_role_that_it_names() {
        let roles = |claim: &str| Roles {
            claim: claim.to_owned(),
            values: vec![
                ("see".to_owned(), Role::Viewer),
                ("rule".to_owned(), Role::Admin),
            ],
        };
        let of = |claim: &str, claims: Value| roles(claim).of(claims.as_object()?);
        assert_eq!(
            of("roles", json!({"roles": ["see", "rule"]})),
            Some(Role::Admin)
        );
        assert_eq!(of("roles", json!({"roles": "see"})), Some(Role::Viewer));
        assert_eq!(of("roles", json!({"roles": ["seer", "unruled"]})), None);
        assert_eq!(of("roles", json!({"groups": ["see"]})), None);
        assert_eq!(of("a/b", json!({"a": {"b": ["see"]}})), Some(Role::Viewer));
        assert_eq!(
            of("https://x.example/r", json!({"https://x.example/r": "see"})),
            Some(Role::Viewer)
        );
        assert_eq!(of("roles", json!({"roles": true})), None);
    }
}
