//! Rows with every column filled, different for different numbers.

use tribelink::store::*;
use tribelink_plan::{
    base::{Base, Fingerprint, Mark, Marks},
    field::{Field, Side},
    ids::{ContactId, EmployeeId, EnvironmentId, FolderId, PersonId, RelationshipId, UserId},
    link::{Former, Link, LinkState, MobileSlot, Origin, PrivateEmailSlot, Slots},
    person::Kind,
    rule::Rule,
};
use uuid::Uuid;

pub(super) fn environment_id(id: &str) -> EnvironmentId {
    EnvironmentId::from(id)
}

pub(super) fn user_id(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

pub(super) fn person_id(number: u128) -> PersonId {
    PersonId(Uuid::from_u128(number))
}

pub(super) fn employee_id(number: u128) -> EmployeeId {
    EmployeeId(Uuid::from_u128(number))
}

pub(super) fn contact_id(number: u128) -> ContactId {
    ContactId(format!("contact-{number}"))
}

pub(super) fn sealed(text: &str) -> Sealed {
    Sealed(text.as_bytes().to_vec())
}

pub(super) fn lane(user: u128) -> Lane {
    Lane::Mailbox(user_id(user))
}

pub(super) fn environment_lane(id: &str) -> Lane {
    Lane::Environment(environment_id(id))
}

/// Nothing of it is ever due.
pub(super) fn environment(id: &str) -> Environment {
    Environment {
        id: environment_id(id),
        organization: Some(format!("organisation {id}")),
        fingerprint_key: sealed("wrapped key"),
        settings: Some(sealed("settings")),
        polled_ms: 1,
        chores_due_ms: i64::MAX,
        swept_ms: 2,
        throttled_until_ms: 3,
    }
}

/// Live, with chores that are never due.
pub(super) fn user(number: u128, environment: &str) -> User {
    User {
        id: user_id(number),
        environment: environment_id(environment),
        employee: employee_id(number + 1000),
        state: UserState::Live,
        resume_state: UserState::FirstSync,
        reason: Some("a reason".to_owned()),
        identity: Some(("tenant".to_owned(), format!("object {number}"))),
        mailbox: Some(sealed("mailbox")),
        allow_mailbox: Some(sealed("other mailbox")),
        return_to: Some("/link".to_owned()),
        start_on_consent: true,
        started: true,
        created_ms: 4,
        chores_due_ms: i64::MAX,
        delta_ms: 5,
        proven_ms: Some(6),
        progress: Some((7, 8)),
        throttled_until_ms: 9,
        released: true,
        brake_since_ms: 10,
        braked: Some((11, 12)),
    }
}

pub(super) fn tokens(generation: i64) -> Tokens {
    Tokens {
        refresh: sealed(&format!("refresh {generation}")),
        access: sealed(&format!("access {generation}")),
        expires_ms: 100 + generation,
        generation,
        consented_ms: 50,
    }
}

pub(super) fn hint(environment: &str, user: Option<u128>, not_before_ms: i64) -> NewHint {
    NewHint {
        environment: environment_id(environment),
        user: user.map(user_id),
        target: Target::Delta,
        source: Source::Notification,
        received_ms: 20,
        not_before_ms,
        attempts: 0,
    }
}

pub(super) fn link(environment: &str, user: u128, person: u128, state: LinkState) -> LinkRow {
    let mut base = Base::default();
    base.set(
        Field::FirstName,
        Marks {
            tribe: Mark::Value(Fingerprint(u64::MAX - person as u64)),
            outlook: Mark::Empty,
        },
    );
    LinkRow {
        environment: environment_id(environment),
        user: user_id(user),
        person: person_id(person),
        link: Link {
            state,
            origin: Origin::Match,
            contact: Some(contact_id(person)),
            etag: Some("W/\"1\"".into()),
            folder: Some(FolderId::from("contacts")),
            relationship: Some(RelationshipId(Uuid::from_u128(person + 1))),
            kind: Kind::Employee,
            base,
            slots: Slots {
                mobile: MobileSlot::Private,
                private_email: PrivateEmailSlot::Placed(Fingerprint(u64::MAX)),
            },
            former: vec![Former {
                own: false,
                side: Side::Outlook,
                field: Field::Surname,
                mark: Mark::Value(Fingerprint(7)),
            }],
            settles_at_ms: 30,
        },
        changed_ms: 31,
        outlook_ms: Some(30_000),
        // Some are about to be written.
        ahead: person.is_multiple_of(2).then(|| sealed("what comes")),
    }
}

pub(super) fn subscription(
    id: &str,
    environment: &str,
    user: u128,
    expires_ms: i64,
) -> Subscription {
    Subscription {
        id: id.to_owned(),
        user: user_id(user),
        environment: environment_id(environment),
        resource: "me/contacts".to_owned(),
        client_state_hash: [3; 32],
        expires_ms,
        created_ms: 40,
        checked_ms: 41,
        certificate: None,
    }
}

pub(super) fn certificate(number: i64, id: &str) -> Certificate {
    Certificate {
        number,
        id: id.to_owned(),
        certificate: vec![0x30, 0, 0xff],
        private_key: sealed("private key"),
        created_ms: 42,
        until_ms: i64::MAX,
    }
}

pub(super) fn canary(environment: &str, number: i64) -> CanaryRound {
    CanaryRound {
        environment: environment_id(environment),
        number,
        origin: (number % 2 == 0).then(|| user_id(7)),
        began_ms: 43,
        written: number % 3 == 0,
        due_ms: 44,
    }
}

pub(super) fn webhook(environment: &str, id: &str) -> Webhook {
    Webhook {
        environment: environment_id(environment),
        id: id.to_owned(),
        entity_type: "Relation.Person".to_owned(),
        header_hash: [4; 32],
        secret: Some(sealed("secret")),
        created_ms: 42,
    }
}

pub(super) fn audit(environment: &str, user: u128, person: Option<u128>, at_ms: i64) -> AuditLine {
    AuditLine {
        id: 0,
        at_ms,
        environment: environment_id(environment),
        user: user_id(user),
        person: person.map(person_id),
        contact: Some(contact_id(1)),
        rule: Rule::R12a,
        direction: AuditDirection::ToTribe,
        cause: Source::Delta,
        fields: vec![Field::Surname, Field::Initials],
        values: Some(sealed("before and after")),
        note: Some("adopted".to_owned()),
        pass: 7,
    }
}

pub(super) fn held(environment: &str, user: u128, person: u128, rule: Rule) -> Held {
    Held {
        id: 0,
        environment: environment_id(environment),
        user: user_id(user),
        person: person_id(person),
        rule,
        fields: vec![Field::Function],
        values: sealed("both values"),
        accepted: None,
        created_ms: 60,
    }
}

pub(super) fn parked(environment: &str, user: u128, person: Option<u128>, field: &str) -> Parked {
    Parked {
        id: 0,
        environment: environment_id(environment),
        user: user_id(user),
        person: person.map(person_id),
        field: field.to_owned(),
        reason: "too long".to_owned(),
        attempts: 1,
        created_ms: 61,
    }
}

pub(super) fn preview_item(person: u128) -> PreviewItem {
    PreviewItem {
        person: person_id(person),
        action: "create".to_owned(),
        rule: Rule::R1,
        reason: "eligible".to_owned(),
    }
}

pub(super) fn alert(key: &str, since_ms: i64) -> Alert {
    Alert {
        key: key.to_owned(),
        environment: environment_id("a"),
        user: Some(user_id(1)),
        message: "look at it".to_owned(),
        since_ms,
    }
}

pub(super) fn sign_in(purpose: Purpose, expires_ms: i64) -> SignIn {
    SignIn {
        purpose,
        proof: sealed("verifier and nonce"),
        browser_hash: Some([5; 32]),
        expires_ms,
    }
}

pub(super) fn answered(status: u16) -> Answered {
    Answered {
        request_hash: [6; 32],
        status,
        body: sealed("the body"),
    }
}
