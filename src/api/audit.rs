//! Every write and every change of a link.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tribelink_plan::{
    ids::{PersonId, UserId},
    rule::Rule,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Api, Problem,
    auth::{Caller, Viewer},
    extract::Params,
    list::{List, Paging, time},
    problem::ProblemBody,
    undo::{instant, undoable},
};
use crate::{
    sealed::{AuditValues, audit_row},
    store::{AuditDirection, AuditFilter, AuditLine, Source},
    vault::column,
};

/// One field of an audit line.
#[derive(Serialize, ToSchema)]
pub struct AuditField {
    /// The field of the card.
    pub(super) name: &'static str,
    /// What the written side showed before. Null for viewers and after the undo window.
    #[schema(required)]
    pub(super) before: Option<String>,
    /// What was written.
    #[schema(required)]
    pub(super) after: Option<String>,
    /// What the other side had meant instead (R6).
    #[schema(required)]
    pub(super) lost: Option<String>,
}

/// One line of the audit.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 4711, "at": "2026-11-24T10:14:03Z", "user_id": "01932f4e-6d2c-7a10-9f43-1c2b3a4d5e6f",
    "person_id": "b724d383-bb70-480a-b03d-512b9aaec15a", "contact_id": "AAkALg…", "rule": "R2",
    "direction": "to_outlook", "cause": "webhook", "note": null,
    "fields": [{"name": "business_phone", "before": "+31 20 123 4567", "after": "+31 20 765 4321", "lost": null}],
    "undoable": true
}))]
pub struct AuditItem {
    /// Its number.
    pub(super) id: i64,
    /// When.
    pub(super) at: String,
    /// Whose.
    pub(super) user_id: Uuid,
    /// For whom.
    #[schema(required)]
    pub(super) person_id: Option<Uuid>,
    /// Which contact.
    #[schema(required)]
    pub(super) contact_id: Option<String>,
    /// Why.
    pub(super) rule: &'static str,
    /// `to_outlook`, `to_tribe` or `none` (a link changed)
    pub(super) direction: &'static str,
    /// What caused the look: `webhook`, `notification`, `lifecycle`, `poll`, `delta`, `sweep`, `person`
    /// or `engine`
    pub(super) cause: &'static str,
    /// A word more, such as `created`, `adopted`, `unlinked`, `flagged`.
    #[schema(required)]
    pub(super) note: Option<String>,
    /// Which fields.
    pub(super) fields: Vec<AuditField>,
    /// Whether it can still be undone.
    pub(super) undoable: bool,
}

impl AuditItem {
    pub(super) fn of(api: &Api, caller: &Caller, line: AuditLine) -> Result<AuditItem, Problem> {
        let sealed = line.values.as_ref().filter(|_| caller.sees_values());
        let values = match sealed {
            None => AuditValues::new(),
            Some(sealed) => {
                let row = audit_row(&line);
                api.vault.open_json(column::AUDIT_VALUES, &row, sealed)?
            }
        };
        let field = |field| {
            let change = values.get(field).cloned().unwrap_or_default();
            AuditField {
                name: field.name(),
                before: change.before,
                after: change.after,
                lost: change.lost,
            }
        };
        Ok(AuditItem {
            undoable: undoable(&line).is_ok(),
            id: line.id,
            at: time(line.at_ms),
            user_id: line.user.0,
            person_id: line.person.map(|person| person.0),
            rule: line.rule.code(),
            direction: direction(line.direction),
            cause: cause(line.cause),
            fields: line.fields.iter().map(field).collect(),
            contact_id: line.contact.map(|contact| contact.0),
            note: line.note,
        })
    }
}

fn direction(direction: AuditDirection) -> &'static str {
    match direction {
        AuditDirection::ToOutlook => "to_outlook",
        AuditDirection::ToTribe => "to_tribe",
        AuditDirection::None => "none",
    }
}

fn cause(source: Source) -> &'static str {
    match source {
        Source::Webhook => "webhook",
        Source::Notification => "notification",
        Source::Lifecycle => "lifecycle",
        Source::Poll => "poll",
        Source::Delta => "delta",
        Source::Sweep => "sweep",
        Source::Person => "person",
        Source::Engine => "engine",
    }
}

/// Which lines.
#[derive(Clone, Default, Deserialize)]
pub struct Which {
    pub(super) user: Option<Uuid>,
    person: Option<Uuid>,
    rule: Option<String>,
    since: Option<String>,
    until: Option<String>,
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<usize>,
}

/// Lists the audit, newest first
///
/// Values are shown to operators and admins while the undo window lasts; viewers never get any.
#[utoipa::path(
    get, path = "/api/v1/audit", operation_id = "audit_list", tag = "care",
    params(
        ("user" = Option<Uuid>, Query, description = "Only of this user"),
        ("person" = Option<Uuid>, Query, description = "Only of this person"),
        ("rule" = Option<String>, Query, description = "Only by this rule", example = "R6"),
        ("since" = Option<String>, Query, description = "At this time or later", example = "2026-11-24T10:00:00Z"),
        ("until" = Option<String>, Query, description = "Before this time", example = "2026-11-24T11:00:00Z"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 500, usually 100"),
    ),
    responses(
        (status = 200, description = "A page", body = List<AuditItem>),
        (status = 400, description = "A parameter cannot be used", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    Viewer(caller): Viewer,
    Params(which): Params<Which>,
) -> Result<Json<List<AuditItem>>, Problem> {
    page(&api, &caller, which).await.map(Json)
}

/// A page of the audit as this caller may see it.
pub(super) async fn page(
    api: &Api,
    caller: &Caller,
    which: Which,
) -> Result<List<AuditItem>, Problem> {
    let rule = match &which.rule {
        None => None,
        Some(code) => Some(
            Rule::from_code(code).ok_or_else(|| Problem::invalid("rule is one of R1 to R22"))?,
        ),
    };
    let filter = AuditFilter {
        user: which.user.map(UserId),
        person: which.person.map(PersonId),
        rule,
        since_ms: which.since.as_deref().map(instant).transpose()?,
        until_ms: which.until.as_deref().map(instant).transpose()?,
        ..AuditFilter::default()
    };
    let paging = Paging {
        cursor: which.cursor,
        limit: which.limit,
    };
    let before = paging.after()?;
    let rows = api.store.audit(&filter, before, paging.limit() + 1).await?;
    let page = paging.page(
        rows,
        |line| line.id.to_string(),
        |line| AuditItem::of(api, caller, line),
    );
    Ok(List {
        items: page.items.into_iter().collect::<Result<_, _>>()?,
        next_cursor: page.next_cursor,
    })
}
