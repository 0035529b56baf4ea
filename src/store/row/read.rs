//! One function for each noun, from a row with the columns of its table.

use tribelink_plan::ids::{ContactId, EmployeeId, FolderId, PersonId, UserId};

use super::{Cells, Raw};
use crate::store::{
    Alert, Answered, AuditLine, CanaryProof, CanaryRound, Certificate, Cursor, Environment, Error,
    Held, Hint, IdleConsent, NewHint, Parked, Place, Preview, PreviewItem, Purpose, SealedCell,
    SealedColumn, SignIn, Subscription, Tokens, User, UserState, Webhook,
};

pub(in crate::store) fn hint<R: Raw>(row: &R) -> Result<Hint, Error> {
    let cells = Cells::of("hints", row);
    Ok(Hint {
        id: cells.int("id")?,
        hint: NewHint {
            environment: cells.environment("environment")?,
            user: cells.uuid_or_none("user")?.map(UserId),
            target: cells.json("target")?,
            source: cells.word("source")?,
            received_ms: cells.int("received_ms")?,
            not_before_ms: cells.int("not_before_ms")?,
            attempts: cells.count("attempts")?,
        },
    })
}

pub(in crate::store) fn environment<R: Raw>(row: &R) -> Result<Environment, Error> {
    let cells = Cells::of("environments", row);
    Ok(Environment {
        id: cells.environment("id")?,
        organization: cells.text_or_none("organization")?,
        fingerprint_key: cells.sealed("fingerprint_key")?,
        settings: cells.sealed_or_none("settings")?,
        polled_ms: cells.int("polled_ms")?,
        chores_due_ms: cells.int("chores_due_ms")?,
        swept_ms: cells.int("swept_ms")?,
        throttled_until_ms: cells.int("throttled_until_ms")?,
    })
}

pub(in crate::store) fn user<R: Raw>(row: &R) -> Result<User, Error> {
    let cells = Cells::of("users", row);
    let state =
        |column| UserState::from_name(&cells.text(column)?).ok_or_else(|| cells.corrupt(column));
    Ok(User {
        id: cells.user("id")?,
        environment: cells.environment("environment")?,
        employee: EmployeeId(cells.uuid("employee")?),
        state: state("state")?,
        resume_state: state("resume_state")?,
        reason: cells.text_or_none("reason")?,
        identity: cells
            .text_or_none("tenant")?
            .zip(cells.text_or_none("object")?),
        mailbox: cells.sealed_or_none("mailbox")?,
        allow_mailbox: cells.sealed_or_none("allow_mailbox")?,
        return_to: cells.text_or_none("return_to")?,
        start_on_consent: cells.flag("start_on_consent")?,
        started: cells.flag("started")?,
        created_ms: cells.int("created_ms")?,
        chores_due_ms: cells.int("chores_due_ms")?,
        delta_ms: cells.int("delta_ms")?,
        proven_ms: cells.int_or_none("proven_ms")?,
        progress: cells.counts("progress_done", "progress_all")?,
        throttled_until_ms: cells.int("throttled_until_ms")?,
        released: cells.flag("released")?,
        brake_since_ms: cells.int("brake_since_ms")?,
        braked: cells.counts("braked_changes", "braked_links")?,
    })
}

pub(in crate::store) fn tokens<R: Raw>(row: &R) -> Result<Tokens, Error> {
    let cells = Cells::of("tokens", row);
    Ok(Tokens {
        refresh: cells.sealed("refresh")?,
        access: cells.sealed("access")?,
        expires_ms: cells.int("expires_ms")?,
        generation: cells.int("generation")?,
        consented_ms: cells.int("consented_ms")?,
    })
}

pub(in crate::store) fn idle_consent<R: Raw>(row: &R) -> Result<IdleConsent, Error> {
    let cells = Cells::of("tokens", row);
    Ok(IdleConsent {
        environment: cells.environment("environment")?,
        user: cells.user("id")?,
        state: UserState::from_name(&cells.text("state")?).ok_or_else(|| cells.corrupt("state"))?,
        access_ended_ms: cells.int("expires_ms")?,
    })
}

pub(in crate::store) fn held<R: Raw>(row: &R) -> Result<Held, Error> {
    let cells = Cells::of("held", row);
    Ok(Held {
        id: cells.int("id")?,
        environment: cells.environment("environment")?,
        user: cells.user("user")?,
        person: cells.person("person")?,
        rule: cells.rule("rule")?,
        fields: cells.fields("fields")?,
        values: cells.sealed("sealed")?,
        accepted: cells.flag_or_none("accepted")?,
        created_ms: cells.int("created_ms")?,
    })
}

pub(in crate::store) fn parked<R: Raw>(row: &R) -> Result<Parked, Error> {
    let cells = Cells::of("parked", row);
    Ok(Parked {
        id: cells.int("id")?,
        environment: cells.environment("environment")?,
        user: cells.user("user")?,
        person: cells.uuid_or_none("person")?.map(PersonId),
        field: cells.text("field")?,
        reason: cells.text("reason")?,
        attempts: cells.count("attempts")?,
        created_ms: cells.int("created_ms")?,
    })
}

pub(in crate::store) fn subscription<R: Raw>(row: &R) -> Result<Subscription, Error> {
    let cells = Cells::of("subscriptions", row);
    Ok(Subscription {
        id: cells.text("id")?,
        user: cells.user("user")?,
        environment: cells.environment("environment")?,
        resource: cells.text("resource")?,
        client_state_hash: cells.hash("client_state_hash")?,
        expires_ms: cells.int("expires_ms")?,
        created_ms: cells.int("created_ms")?,
        checked_ms: cells.int("checked_ms")?,
        certificate: cells.text_or_none("certificate")?,
    })
}

pub(in crate::store) fn certificate<R: Raw>(row: &R) -> Result<Certificate, Error> {
    let cells = Cells::of("certificates", row);
    Ok(Certificate {
        number: cells.int("number")?,
        id: cells.text("id")?,
        certificate: cells.bytes("certificate")?.to_vec(),
        private_key: cells.sealed("private_key")?,
        created_ms: cells.int("created_ms")?,
        until_ms: cells.int("until_ms")?,
    })
}

pub(in crate::store) fn canary_round<R: Raw>(row: &R) -> Result<CanaryRound, Error> {
    let cells = Cells::of("canaries", row);
    Ok(CanaryRound {
        environment: cells.environment("environment")?,
        number: cells.int("number")?,
        origin: cells.uuid_or_none("origin")?.map(UserId),
        began_ms: cells.int("began_ms")?,
        written: cells.flag("written")?,
        due_ms: cells.int("due_ms")?,
    })
}

pub(in crate::store) fn canary_proof<R: Raw>(row: &R) -> Result<CanaryProof, Error> {
    let cells = Cells::of("canary_proofs", row);
    Ok(CanaryProof {
        user: cells.user("user")?,
        to: cells.word("side")?,
        round: cells.int("round")?,
        waits_ms: cells.int_or_none("waits_ms")?,
        proven_ms: cells.int_or_none("proven_ms")?,
        took_ms: cells.int_or_none("took_ms")?,
    })
}

pub(in crate::store) fn audit_line<R: Raw>(row: &R) -> Result<AuditLine, Error> {
    let cells = Cells::of("audit", row);
    Ok(AuditLine {
        id: cells.int("id")?,
        at_ms: cells.int("at_ms")?,
        environment: cells.environment("environment")?,
        user: cells.user("user")?,
        person: cells.uuid_or_none("person")?.map(PersonId),
        contact: cells.text_or_none("contact")?.map(ContactId),
        rule: cells.rule("rule")?,
        direction: cells.word("direction")?,
        cause: cells.word("cause")?,
        fields: cells.fields("fields")?,
        values: cells.sealed_or_none("sealed")?,
        note: cells.text_or_none("note")?,
        pass: cells.int("pass")?,
    })
}

pub(in crate::store) fn webhook<R: Raw>(row: &R) -> Result<Webhook, Error> {
    let cells = Cells::of("webhooks", row);
    Ok(Webhook {
        environment: cells.environment("environment")?,
        id: cells.text("id")?,
        entity_type: cells.text("entity_type")?,
        header_hash: cells.hash("header_hash")?,
        secret: cells.sealed_or_none("secret")?,
        created_ms: cells.int("created_ms")?,
    })
}

pub(in crate::store) fn alert<R: Raw>(row: &R) -> Result<Alert, Error> {
    let cells = Cells::of("alerts", row);
    Ok(Alert {
        key: cells.text("key")?,
        environment: cells.environment("environment")?,
        user: cells.uuid_or_none("user")?.map(UserId),
        message: cells.text("message")?,
        since_ms: cells.int("since_ms")?,
    })
}

pub(in crate::store) fn cursor<R: Raw>(row: &R) -> Result<Cursor, Error> {
    let cells = Cells::of("cursors", row);
    Ok(Cursor {
        folder: FolderId(cells.text("folder")?),
        is_default: cells.flag("is_default")?,
        link: cells.text("link")?,
    })
}

pub(in crate::store) fn preview_item<R: Raw>(row: &R) -> Result<PreviewItem, Error> {
    let cells = Cells::of("preview_items", row);
    Ok(PreviewItem {
        person: cells.person("person")?,
        action: cells.text("action")?,
        rule: cells.rule("rule")?,
        reason: cells.text("reason")?,
    })
}

pub(in crate::store) fn preview<R: Raw>(row: &R) -> Result<Preview, Error> {
    let cells = Cells::of("previews", row);
    Ok(Preview {
        ready: cells.flag("ready")?,
        create: cells.count("creates")?,
        adopt: cells.count("adopts")?,
        skip: cells.count("skips")?,
        made_ms: cells.int("made_ms")?,
    })
}

pub(in crate::store) fn answered<R: Raw>(row: &R) -> Result<Answered, Error> {
    let cells = Cells::of("answers", row);
    Ok(Answered {
        request_hash: cells.hash("request_hash")?,
        status: cells.count("status")?,
        body: cells.sealed("sealed")?,
    })
}

pub(in crate::store) fn sign_in<R: Raw>(row: &R) -> Result<SignIn, Error> {
    let cells = Cells::of("sign_ins", row);
    let purpose = match cells.text("purpose")?.as_str() {
        "invite" => Purpose::Invite(cells.user("user")?),
        "consent" => Purpose::Consent(cells.user("user")?),
        "employee" => Purpose::Employee(cells.environment("environment")?),
        "connect" => Purpose::Connect(cells.environment("environment")?),
        "page" => Purpose::Page(cells.environment("environment")?),
        "session" => Purpose::Session(cells.environment("environment")?),
        _ => return Err(cells.corrupt("purpose")),
    };
    Ok(SignIn {
        purpose,
        proof: cells.sealed("proof")?,
        browser_hash: cells.hash_or_none("browser_hash")?,
        expires_ms: cells.int("expires_ms")?,
    })
}

pub(in crate::store) fn sealed_cell<R: Raw>(
    column: SealedColumn,
    row: &R,
) -> Result<SealedCell, Error> {
    let cells = Cells::of("sealed cells", row);
    let place = match column {
        SealedColumn::FingerprintKey => Place::FingerprintKey(cells.environment("k")?),
        SealedColumn::EnvironmentSettings => Place::EnvironmentSettings(cells.environment("k")?),
        SealedColumn::EnvironmentRefreshToken => {
            Place::EnvironmentRefreshToken(cells.environment("k")?)
        }
        SealedColumn::EnvironmentAccessToken => {
            Place::EnvironmentAccessToken(cells.environment("k")?)
        }
        SealedColumn::WebhookSecret => {
            Place::WebhookSecret(cells.environment("k")?, cells.text("webhook")?)
        }
        SealedColumn::Mailbox => Place::Mailbox(cells.user("k")?),
        SealedColumn::AllowMailbox => Place::AllowMailbox(cells.user("k")?),
        SealedColumn::RefreshToken => Place::RefreshToken(cells.user("k")?),
        SealedColumn::AccessToken => Place::AccessToken(cells.user("k")?),
        SealedColumn::SignInProof => Place::SignInProof(cells.hash("k")?),
        SealedColumn::AnswerBody => Place::AnswerBody(cells.hash("k")?),
        SealedColumn::AuditValues => Place::AuditValues {
            id: cells.int("k")?,
            user: cells.user("user")?,
            person: cells.uuid_or_none("person")?.map(PersonId),
        },
        SealedColumn::HeldValues => Place::HeldValues {
            id: cells.int("k")?,
            user: cells.user("user")?,
            person: cells.person("person")?,
            rule: cells.rule("rule")?,
        },
        SealedColumn::CertificateKey => Place::CertificateKey(cells.text("k")?),
        SealedColumn::LinkAhead => Place::LinkAhead(cells.user("k")?, cells.person("person")?),
    };
    let sealed = cells.sealed("sealed")?;
    Ok(SealedCell { place, sealed })
}
