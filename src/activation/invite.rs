//! Activates employees and makes consent links.

use tribelink_plan::ids::{EmployeeId, EnvironmentId, UserId};

use super::{
    Activation, Command, Error,
    browser::Link,
    employee_left, left_alert,
    mailbox::{address_of, is_same_address},
    return_to, transition,
};
use crate::{
    random,
    sealed::{Proof, user_row},
    store::{Change, Purpose, User, UserState},
    tribe::Employee,
    vault::column,
};
use secrecy::{ExposeSecret as _, SecretString};

/// Longest address that is looked for (RFC 5321: 64 + 1 + 255).
const MAX_ADDRESS: usize = 320;

/// Who is to be activated.
pub enum Who {
    /// The employee's id.
    Id(EmployeeId),
    /// The employee's address, or the person's.
    Email(String),
}

/// What to activate.
pub struct Activate {
    /// In which environment.
    pub environment: EnvironmentId,
    /// Whom.
    pub who: Who,
    /// Where the browser goes after consent; `None` leaves it.
    pub return_to: Option<String>,
    /// Whether the first sync begins right after consent; `None` leaves it.
    pub start: Option<bool>,
}

/// An activated user.
pub struct Activated {
    /// The user.
    pub user: User,
    /// Whether the employee was unknown before.
    pub created: bool,
    /// Where consent begins, while the user waits for one.
    pub link: Option<Link>,
}

impl Activation {
    /// Activates an employee: the same employee is always the same user, and after a disconnect it
    /// is invited again. Safe to repeat.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown environment or employee, [`Error::Ambiguous`] when an
    /// address fits several, [`Error::Refused`] with R22 for a former one, [`Error::Invalid`] for a
    /// `return_to` outside the service. [`Error::Remote`] and [`Error::Store`] are safe to repeat.
    pub async fn activate(&self, activate: Activate) -> Result<Activated, Error> {
        let page = match &activate.return_to {
            None => None,
            Some(wanted) => Some(
                return_to::page(&self.settings.public_url, wanted)
                    .ok_or(Error::Invalid("return_to must be a page of this service"))?,
            ),
        };
        let employee = self.employee(&activate).await?;
        for _ in 0..3 {
            let known = self
                .store
                .user_of(&activate.environment, employee.id)
                .await?;
            let created = known.is_none();
            let user = match &known {
                None => self.invited(&activate, &employee, page.clone()),
                Some(known) => self.wished(known.clone(), &activate, page.clone())?,
            };
            match self.keep(known.as_ref(), &user).await {
                Err(Error::Changed) => continue,
                kept => kept?,
            }
            let waits = matches!(user.state, UserState::Invited | UserState::NeedsConsent);
            let hint = self.login_hint(&user, Some(&employee))?;
            let link = match waits {
                true => Some(self.consent_link(user.id, hint).await?),
                false => None,
            };
            return Ok(Activated {
                user,
                created,
                link,
            });
        }
        Err(Error::Changed)
    }

    /// A fresh consent link; an administrator may allow another mailbox than the employee's own.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] with R20 after a disconnect; [`Error::Invalid`] for a
    /// text that is no address. [`Error::Remote`] and [`Error::Store`] are safe to repeat.
    pub async fn invite(&self, id: UserId, allow_mailbox: Option<&str>) -> Result<Link, Error> {
        let read = self.user(id).await?;
        let mut user = read.clone();
        transition::step(user.state, user.resume_state, Command::Invite)?;
        if let Some(address) = allow_mailbox {
            if !is_address(address) {
                return Err(Error::Invalid("allow_mailbox must be an e-mail address"));
            }
            let address = SecretString::from(address.trim());
            let row = user_row(id);
            user.allow_mailbox = Some(self.vault.seal_text(column::ALLOW_MAILBOX, &row, &address));
            self.keep(Some(&read), &user).await?;
        }
        let hint = match self.login_hint(&user, None)? {
            Some(hint) => Some(hint),
            None => {
                let crm = self.crm(&user.environment).await?;
                let employee = crm.employee(user.employee).await?;
                let employee = employee.ok_or_else(employee_left)?;
                address_of(&employee).map(str::to_owned)
            }
        };
        self.consent_link(id, hint).await
    }

    async fn employee(&self, activate: &Activate) -> Result<Employee, Error> {
        let crm = self.crm(&activate.environment).await?;
        let employee = match &activate.who {
            Who::Id(id) => crm
                .employee(*id)
                .await?
                .ok_or(Error::NotFound("employee"))?,
            Who::Email(address) => {
                if !is_address(address) {
                    return Err(Error::Invalid("employee_email must be an e-mail address"));
                }
                only(crm.employees_by_email(address.trim()).await?, address)?
            }
        };
        match employee.former {
            true => Err(employee_left()),
            false => Ok(employee),
        }
    }

    fn invited(&self, activate: &Activate, employee: &Employee, page: Option<String>) -> User {
        let now = self.clock.now_ms();
        User {
            id: UserId(random::uuid(self.random.as_ref(), now)),
            environment: activate.environment.clone(),
            employee: employee.id,
            state: UserState::Invited,
            resume_state: UserState::Invited,
            reason: None,
            identity: None,
            mailbox: None,
            allow_mailbox: None,
            return_to: page,
            start_on_consent: activate.start.unwrap_or(false),
            started: false,
            created_ms: now,
            // Nothing is looked after before there is a consent.
            chores_due_ms: i64::MAX,
            delta_ms: 0,
            proven_ms: None,
            progress: None,
            throttled_until_ms: 0,
            released: false,
            brake_since_ms: 0,
            braked: None,
        }
    }

    /// The known user as this activation wants it. Wishes count while the user waits for consent.
    fn wished(
        &self,
        mut user: User,
        activate: &Activate,
        page: Option<String>,
    ) -> Result<User, Error> {
        let step = transition::step(user.state, user.resume_state, Command::Activate)?;
        if user.state != step.to {
            user.state = step.to;
            user.resume_state = step.to;
            user.reason = None;
        }
        if matches!(user.state, UserState::Invited | UserState::NeedsConsent) {
            user.return_to = page.or(user.return_to);
            user.start_on_consent = activate.start.unwrap_or(user.start_on_consent);
        }
        Ok(user)
    }

    /// Keeps a new user, or what is wished of a known one as it was read, when its state is still
    /// what led here.
    async fn keep(&self, read: Option<&User>, user: &User) -> Result<(), Error> {
        let Some(read) = read else {
            let put = Change::PutUser(Box::new(user.clone()));
            return self.commit(vec![put]).await;
        };
        // The user may be worked on meanwhile: without a wish its row is left to the worker.
        if read == user {
            return Ok(());
        }
        let stored = self.user(user.id).await?;
        let mut changes = vec![Change::MoveUser {
            id: user.id,
            from: read.state,
            to: user.state,
            resume_state: None,
            reason: user.reason.clone(),
        }];
        if read.state != user.state {
            changes.push(Change::ClearAlert(left_alert(user.id)));
        }
        changes.push(Change::PutUser(Box::new(with_wishes(stored, user))));
        self.commit(changes).await
    }

    /// The address to suggest: the allowed one, the mailbox known from before, the employee's.
    fn login_hint(
        &self,
        user: &User,
        employee: Option<&Employee>,
    ) -> Result<Option<String>, Error> {
        let row = user_row(user.id);
        let kept = [
            (column::ALLOW_MAILBOX, &user.allow_mailbox),
            (column::MAILBOX, &user.mailbox),
        ];
        for (column, sealed) in kept {
            if let Some(sealed) = sealed {
                let address = self.vault.open_text(column, &row, sealed)?;
                return Ok(Some(address.expose_secret().to_owned()));
            }
        }
        Ok(employee.and_then(address_of).map(str::to_owned))
    }

    /// Whoever has it can only connect the employee's own mailbox.
    async fn consent_link(&self, id: UserId, login_hint: Option<String>) -> Result<Link, Error> {
        let proof = Proof {
            login_hint,
            ..Proof::default()
        };
        let valid = self.settings.invite_valid;
        self.new_link(Purpose::Invite(id), &proof, valid, |token| {
            format!("/consent/{token}")
        })
        .await
    }
}

/// The one employee that an address means: one whose own address it is goes before one whose
/// person's it is, and former ones count only when nobody else fits.
fn only(found: Vec<Employee>, address: &str) -> Result<Employee, Error> {
    let (former, present): (Vec<_>, Vec<_>) = found.into_iter().partition(|e| e.former);
    let candidates = if present.is_empty() { former } else { present };
    let is_own = |employee: &Employee| {
        let own = employee.email.as_deref();
        own.is_some_and(|own| is_same_address(own, address))
    };
    let (own, persons): (Vec<_>, Vec<_>) = candidates.into_iter().partition(is_own);
    let mut fits = if own.is_empty() { persons } else { own }.into_iter();
    match (fits.next(), fits.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Error::NotFound("employee")),
        (Some(_), Some(_)) => Err(Error::Ambiguous(
            "several employees have this address; activate by employee_id",
        )),
    }
}

fn is_address(text: &str) -> bool {
    let text = text.trim();
    let is_plain = text.len() <= MAX_ADDRESS
        && !text
            .chars()
            .any(|char| char.is_control() || char.is_whitespace());
    is_plain
        && text
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

/// The row as it is stored now, with what an activation may change of it.
fn with_wishes(stored: User, wished: &User) -> User {
    User {
        state: wished.state,
        resume_state: wished.resume_state,
        reason: wished.reason.clone(),
        allow_mailbox: wished.allow_mailbox.clone(),
        return_to: wished.return_to.clone(),
        start_on_consent: wished.start_on_consent,
        ..stored
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn employee(id: u128, email: Option<&str>, former: bool) -> Employee {
        Employee {
            id: EmployeeId(Uuid::from_u128(id)),
            person: None,
            name: None,
            email: email.map(str::to_owned),
            person_email: Some("a@x.nl".to_owned()),
            former,
        }
    }

    /// A first sync never ended: an activation repeated while it ran put its progress back.
    #[test]
    fn what_an_activation_wishes_leaves_the_worker_s_columns_alone() {
        let read = User {
            id: tribelink_plan::ids::UserId(Uuid::from_u128(1)),
            environment: EnvironmentId::from("default"),
            employee: EmployeeId(Uuid::from_u128(2)),
            state: UserState::NeedsConsent,
            resume_state: UserState::FirstSync,
            reason: None,
            identity: None,
            mailbox: None,
            allow_mailbox: None,
            return_to: None,
            start_on_consent: false,
            started: true,
            created_ms: 1,
            chores_due_ms: 2,
            delta_ms: 3,
            proven_ms: None,
            progress: None,
            throttled_until_ms: 0,
            released: false,
            brake_since_ms: 0,
            braked: None,
        };
        let worked_on = User {
            progress: Some((3, 20)),
            delta_ms: 9,
            released: true,
            ..read.clone()
        };
        let wished = User {
            start_on_consent: true,
            ..read
        };
        let expected = User {
            start_on_consent: true,
            ..worked_on.clone()
        };
        assert_eq!(with_wishes(worked_on, &wished), expected);
    }

    #[test]
    fn an_address_means_one_employee_or_nobody() {
        let id = |found| only(found, "A@x.nl").map(|e| e.id.0.as_u128());
        let own = |id| employee(id, Some("a@x.nl"), false);
        let persons = |id| employee(id, None, false);
        let former = |id| employee(id, Some("a@x.nl"), true);
        assert!(matches!(id(vec![own(1)]), Ok(1)));
        assert!(matches!(id(vec![persons(2), own(1)]), Ok(1)));
        assert!(matches!(id(vec![former(2), persons(1)]), Ok(1)));
        assert!(matches!(id(vec![former(2)]), Ok(2)));
        assert!(matches!(id(vec![]), Err(Error::NotFound(_))));
        assert!(matches!(id(vec![own(1), own(2)]), Err(Error::Ambiguous(_))));
        assert!(matches!(
            id(vec![persons(1), persons(2)]),
            Err(Error::Ambiguous(_))
        ));
    }

    #[test]
    fn addresses_look_like_addresses() {
        assert!(is_address(" a@x.nl "));
        for wrong in ["", "a", "@x", "a@", "a b@x.nl", "a\r\n@x.nl"] {
            assert!(!is_address(wrong), "{wrong:?}");
        }
    }
}
