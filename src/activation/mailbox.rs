//! Whose mailbox is the employee's own (pure).

use crate::{
    graph::{Identity, Me},
    tribe::Employee,
};

/// What a sign-in must fit.
pub struct Expected<'a> {
    /// The employee as Tribe shows it now.
    pub employee: &'a Employee,
    /// Another address that an administrator allowed.
    pub allowed: Option<&'a str>,
    /// Tenant and object id of an earlier consent.
    pub pinned: Option<&'a (String, String)>,
    /// Whether the user is being connected anew, so that an allowed address may replace the pin.
    pub connecting: bool,
}

/// Why a sign-in is not the employee's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The address of `/me` is neither the employee's nor the allowed one.
    OtherMailbox,
    /// Another account than at the first consent.
    OtherAccount,
    /// `/me` and the id_token name different accounts.
    Mixed,
    /// Tribe has no address for the employee and none was allowed.
    NoAddress,
}

/// Judges who signed in. The address is compared where nothing is pinned yet, and wherever an
/// administrator allowed another one; afterwards tenant and object id decide, since addresses change.
///
/// # Errors
/// It does not fit; the state stays as it is.
pub fn judge(expected: &Expected<'_>, me: &Me, identity: &Identity) -> Result<(), Misfit> {
    if !me.id.eq_ignore_ascii_case(&identity.object) {
        return Err(Misfit::Mixed);
    }
    if let Some((tenant, object)) = expected.pinned {
        let is_same = tenant.eq_ignore_ascii_case(&identity.tenant)
            && object.eq_ignore_ascii_case(&identity.object);
        if is_same {
            return Ok(());
        }
        if !(expected.connecting && expected.allowed.is_some()) {
            return Err(Misfit::OtherAccount);
        }
    }
    let own = own_address(expected).ok_or(Misfit::NoAddress)?;
    let addresses = [&me.mail, &me.user_principal_name];
    let fits = addresses
        .into_iter()
        .flatten()
        .any(|address| is_same_address(address, own));
    if fits {
        Ok(())
    } else {
        Err(Misfit::OtherMailbox)
    }
}

fn own_address<'a>(expected: &Expected<'a>) -> Option<&'a str> {
    expected.allowed.or_else(|| address_of(expected.employee))
}

/// The address of an employee: the Employee's, else the Person's.
pub fn address_of(employee: &Employee) -> Option<&str> {
    let filled = |address: &'_ &str| !address.trim().is_empty();
    let own = employee.email.as_deref().filter(filled);
    own.or_else(|| employee.person_email.as_deref().filter(filled))
}

/// The address to keep of a mailbox.
pub fn address_of_me(me: &Me) -> Option<&str> {
    me.mail.as_deref().or(me.user_principal_name.as_deref())
}

/// Whether two addresses are the same, but for case and white space around them.
pub fn is_same_address(left: &str, right: &str) -> bool {
    let (left, right) = (left.trim(), right.trim());
    !left.is_empty() && left.to_lowercase() == right.to_lowercase()
}

#[cfg(test)]
mod tests {
    use tribelink_plan::ids::EmployeeId;
    use uuid::Uuid;

    use super::*;

    fn employee(email: Option<&str>, person_email: Option<&str>) -> Employee {
        Employee {
            id: EmployeeId(Uuid::from_u128(1)),
            person: None,
            name: None,
            email: email.map(str::to_owned),
            person_email: person_email.map(str::to_owned),
            former: false,
        }
    }

    fn me(mail: Option<&str>, upn: Option<&str>) -> Me {
        Me {
            id: "O".to_owned(),
            mail: mail.map(str::to_owned),
            user_principal_name: upn.map(str::to_owned),
        }
    }

    fn identity(tenant: &str, object: &str) -> Identity {
        Identity {
            tenant: tenant.to_owned(),
            object: object.to_owned(),
            address: None,
        }
    }

    #[test]
    fn the_first_consent_compares_addresses() {
        let own = employee(Some("anna@example.nl"), Some("private@example.nl"));
        let person_only = employee(Some("  "), Some("anna@example.nl"));
        let none = employee(None, None);
        let judge = |employee: &Employee, allowed: Option<&str>, me: &Me| {
            let expected = Expected {
                employee,
                allowed,
                pinned: None,
                connecting: true,
            };
            judge(&expected, me, &identity("t", "o"))
        };
        let anna = me(Some("Anna@Example.nl "), None);
        assert_eq!(judge(&own, None, &anna), Ok(()));
        assert_eq!(
            judge(&own, None, &me(Some("x@y"), Some("ANNA@example.nl"))),
            Ok(())
        );
        assert_eq!(judge(&person_only, None, &anna), Ok(()));
        // The Person's address counts only where the Employee has none.
        let private = me(Some("private@example.nl"), None);
        assert_eq!(judge(&own, None, &private), Err(Misfit::OtherMailbox));
        assert_eq!(judge(&own, Some("private@example.nl"), &private), Ok(()));
        assert_eq!(
            judge(&own, Some("private@example.nl"), &anna),
            Err(Misfit::OtherMailbox)
        );
        assert_eq!(judge(&none, None, &anna), Err(Misfit::NoAddress));
        assert_eq!(
            judge(&own, None, &me(None, None)),
            Err(Misfit::OtherMailbox)
        );
        let other_id = Me {
            id: "another".to_owned(),
            ..anna
        };
        assert_eq!(judge(&own, None, &other_id), Err(Misfit::Mixed));
    }

    #[test]
    fn afterwards_the_pin_decides() {
        let own = employee(Some("anna@example.nl"), None);
        let pinned = ("t".to_owned(), "o".to_owned());
        let judge = |allowed, connecting, address: &str, tenant: &str| {
            let expected = Expected {
                employee: &own,
                allowed,
                pinned: Some(&pinned),
                connecting,
            };
            judge(&expected, &me(Some(address), None), &identity(tenant, "o"))
        };
        assert_eq!(judge(None, false, "renamed@example.nl", "T"), Ok(()));
        assert_eq!(
            judge(None, true, "anna@example.nl", "other"),
            Err(Misfit::OtherAccount)
        );
        let allowed = Some("other@example.nl");
        assert_eq!(
            judge(allowed, false, "other@example.nl", "other"),
            Err(Misfit::OtherAccount)
        );
        assert_eq!(judge(allowed, true, "other@example.nl", "other"), Ok(()));
        assert_eq!(
            judge(allowed, true, "anna@example.nl", "other"),
            Err(Misfit::OtherMailbox)
        );
    }
}
