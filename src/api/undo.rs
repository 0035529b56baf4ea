//! Undo: one write, or everything that a person, a pass or a stretch of time saw.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tribelink_plan::{
    ids::{PersonId, UserId},
    rule::Rule,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Api, Problem,
    auth::Operator,
    extract::{Body, Id},
    problem::ProblemBody,
};
use crate::store::{
    AuditDirection, AuditFilter, AuditLine, Change, Guard, Lane, NewHint, Source, Target, UserState,
};

/// Most lines that one call takes back.
const MOST: usize = 20_000;

/// Lines read at once.
const PAGE: usize = 1_000;

/// What is on its way back.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"lines": 1, "people": 1, "left_alone": 0, "dry_run": false}))]
pub struct UndoAnswer {
    /// Writes that are taken back.
    lines: usize,
    /// For so many pairs of user and person.
    people: usize,
    /// Writes in range that cannot be taken back: contacts made, values kept no longer, users that
    /// are not live.
    left_alone: usize,
    /// Nothing was asked for: this is only what it would be.
    dry_run: bool,
}

/// Which writes. At least one of `person_id`, `pass_of` and `from` is needed.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "user_id": "01932f4e-6d2c-7a10-9f43-1c2b3a4d5e6f", "from": "2026-11-24T10:00:00Z",
    "to": "2026-11-24T11:00:00Z", "dry_run": true
}))]
pub struct UndoRange {
    /// Only of this user.
    #[serde(default)]
    user_id: Option<Uuid>,
    /// Only for this person.
    #[serde(default)]
    person_id: Option<Uuid>,
    /// The leased run over a mailbox that wrote this line of the audit, as a whole.
    #[serde(default)]
    pass_of: Option<i64>,
    /// From this time on (RFC 3339).
    #[serde(default)]
    from: Option<String>,
    /// Before this time; an hour after `from` where it is not named.
    #[serde(default)]
    to: Option<String>,
    /// Count only.
    #[serde(default)]
    dry_run: bool,
}

/// Takes back one write (operator)
///
/// On both live sides, by the mailbox's own worker; a field that somebody changed since is spared,
/// and the audit says so. The undo stands in the audit as a write of its own, with the note `undo of`
/// and the line's number, and can be undone.
#[utoipa::path(
    post, path = "/api/v1/audit/{id}/undo", operation_id = "undo_line", tag = "care",
    params(("id" = i64, Path, description = "The line of the audit")),
    responses(
        (status = 202, description = "On its way", body = UndoAnswer),
        (status = 404, description = "Unknown", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Nothing was written, a contact was made, the values are kept no longer, or the user is not live", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn line(
    State(api): State<Arc<Api>>,
    _: Operator,
    Id(id): Id<i64>,
) -> Result<(StatusCode, Json<UndoAnswer>), Problem> {
    let line = api.store.audit_line(id).await?;
    let line = line.ok_or_else(|| Problem::not_found("line of the audit"))?;
    take_back(&api, &line).await
}

/// Takes back one line that may be seen by whoever asks.
pub(super) async fn take_back(
    api: &Api,
    line: &AuditLine,
) -> Result<(StatusCode, Json<UndoAnswer>), Problem> {
    if let Err(why) = undoable(line) {
        return Err(Problem::conflict(why).by(Some(line.rule)));
    }
    let state = user_state(api, line.user).await?;
    if !matches!(state, UserState::Live | UserState::FirstSync) {
        let why = "nothing is written for a user that is not live; resume, release or connect the \
                   user first";
        return Err(Problem::conflict(why).by(rule_of(state)));
    }
    ask(api, std::slice::from_ref(line), 0, false).await
}

/// Takes back everything in a range (operator)
///
/// A person, a pass, an hour, or any of them together; each field goes back to what stood before the
/// first of the writes in range. Works like the undo of one write; `dry_run` only counts.
#[utoipa::path(
    post, path = "/api/v1/undo", operation_id = "undo_range", tag = "care", request_body = UndoRange,
    responses(
        (status = 202, description = "On its way", body = UndoAnswer),
        (status = 400, description = "No range, or one that cannot be used", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Unknown line", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "More than 20,000 writes: narrow the range", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn range(
    State(api): State<Arc<Api>>,
    _: Operator,
    Body(wanted): Body<UndoRange>,
) -> Result<(StatusCode, Json<UndoAnswer>), Problem> {
    let filter = filter(&api, &wanted).await?;
    let mut lines: Vec<AuditLine> = Vec::new();
    let mut before = None;
    loop {
        let page = api.store.audit(&filter, before, PAGE).await?;
        before = page.last().map(|line| line.id);
        let last = page.len() < PAGE;
        // An undo is taken back by its own line, not by the range that it falls into.
        let written = |line: &AuditLine| line.direction != AuditDirection::None && !line.is_undo();
        lines.extend(page.into_iter().filter(written));
        if lines.len() > MOST {
            let why = "more than 20,000 writes lie in that range; narrow it";
            return Err(Problem::conflict(why));
        }
        if last {
            break;
        }
    }
    let all = lines.len();
    let mut live: BTreeMap<UserId, bool> = BTreeMap::new();
    let users: BTreeSet<UserId> = lines.iter().map(|line| line.user).collect();
    for user in users {
        let state = user_state(&api, user).await?;
        let works = matches!(state, UserState::Live | UserState::FirstSync);
        live.insert(user, works);
    }
    lines.retain(|line| undoable(line).is_ok() && live.get(&line.user) == Some(&true));
    let left_alone = all - lines.len();
    ask(&api, &lines, left_alone, wanted.dry_run).await
}

async fn filter(api: &Api, wanted: &UndoRange) -> Result<AuditFilter, Problem> {
    if wanted.person_id.is_none() && wanted.pass_of.is_none() && wanted.from.is_none() {
        return Err(Problem::invalid(
            "name a range: person_id, pass_of or from (with to), alone or together",
        ));
    }
    let since_ms = wanted.from.as_deref().map(instant).transpose()?;
    let until_ms = wanted.to.as_deref().map(instant).transpose()?;
    let mut filter = AuditFilter {
        user: wanted.user_id.map(UserId),
        person: wanted.person_id.map(PersonId),
        since_ms,
        until_ms: until_ms.or(since_ms.map(|since| since + 3_600_000)),
        ..AuditFilter::default()
    };
    if let Some(id) = wanted.pass_of {
        let line = api.store.audit_line(id).await?;
        let line = line.ok_or_else(|| Problem::not_found("line of the audit"))?;
        if line.pass == 0 || filter.user.is_some_and(|user| user != line.user) {
            return Err(Problem::invalid(
                "pass_of names a line that no pass over this user's mailbox wrote",
            ));
        }
        filter.user = Some(line.user);
        filter.pass = Some(line.pass);
    }
    Ok(filter)
}

pub(super) fn instant(text: &str) -> Result<i64, Problem> {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    parsed
        .map(jiff::Timestamp::as_millisecond)
        .map_err(|_| Problem::invalid("times are written as 2026-11-24T10:00:00Z"))
}

/// Why a line cannot be taken back.
pub(super) fn undoable(line: &AuditLine) -> Result<PersonId, &'static str> {
    if line.direction == AuditDirection::None {
        return Err("nothing was written by this line: there is nothing to take back");
    }
    if line.note.as_deref() == Some(AuditLine::CREATED) {
        return Err(
            "this line made the contact, and no contact is ever deleted here; delete it in Outlook \
             where it is not wanted",
        );
    }
    if line.values.is_none() {
        return Err("the values of this line are kept no longer (audit.undo_days, or forgotten)");
    }
    line.person
        .ok_or("this line names no person: there is nothing to take back")
}

async fn user_state(api: &Api, user: UserId) -> Result<UserState, Problem> {
    let found = api.store.user(user).await?;
    Ok(found.map_or(UserState::Disconnected, |user| user.state))
}

fn rule_of(state: UserState) -> Option<Rule> {
    match state {
        UserState::Paused => Some(Rule::R19),
        UserState::Disconnected => Some(Rule::R20),
        UserState::NeedsConsent => Some(Rule::R21),
        UserState::Braked => Some(Rule::R17),
        _ => None,
    }
}

/// One hint for each pair of user and person, then the workers are woken.
async fn ask(
    api: &Api,
    lines: &[AuditLine],
    left_alone: usize,
    dry_run: bool,
) -> Result<(StatusCode, Json<UndoAnswer>), Problem> {
    if api.settings.shadow {
        return Err(Problem::conflict(
            "sync.shadow is on: nothing is written, and nothing was",
        ));
    }
    let now = api.clock.now_ms();
    let mut pairs: BTreeMap<(UserId, PersonId), (NewHint, Vec<i64>)> = BTreeMap::new();
    for line in lines {
        let Some(person) = line.person else { continue };
        let hint = || NewHint {
            environment: line.environment.clone(),
            user: Some(line.user),
            target: Target::Resync,
            source: Source::Person,
            received_ms: now,
            not_before_ms: now,
            attempts: 0,
        };
        let pair = pairs
            .entry((line.user, person))
            .or_insert_with(|| (hint(), Vec::new()));
        pair.1.push(line.id);
    }
    let people = pairs.len();
    if !dry_run {
        let users: BTreeSet<UserId> = pairs.keys().map(|(user, _)| *user).collect();
        let hints = pairs
            .into_iter()
            .map(|((_, person), (hint, lines))| NewHint {
                target: Target::Undo { person, lines },
                ..hint
            })
            .collect();
        let changes = vec![Change::AddHints(hints)];
        api.store.commit(&Guard::None, changes).await?;
        for user in users {
            api.wake.lane(&Lane::Mailbox(user));
        }
    }
    let answer = UndoAnswer {
        lines: lines.len(),
        people,
        left_alone,
        dry_run,
    };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}
