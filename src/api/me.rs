//! An employee's own link, for whoever signed in to the page as that employee: the same commands and
//! answers as over the admin API, for nobody else's data.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
};
use http::{StatusCode, request::Parts};
use serde::{Deserialize, Serialize};
use tribelink_plan::ids::{EmployeeId, EnvironmentId, PersonId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Api, Problem,
    audit::{self, AuditItem},
    auth::Caller,
    cards::{self, CardsView},
    extract::{Body, Id, Params},
    held::{self, HeldItem},
    links::Link,
    list::{List, Paging},
    names,
    people::{self, ExplanationView},
    preview::{self, Preview},
    problem::ProblemBody,
    undo::{self, UndoAnswer},
    users::{self, Activated, UserDetail, UserView},
};
use crate::{
    activation::{
        Command,
        invite::{Activate, Who},
        session::Session,
    },
    config::Role,
    store::User,
};

/// An employee who is signed in to the page.
pub struct Employee {
    name: String,
    environment: EnvironmentId,
    id: EmployeeId,
}

impl<S: Send + Sync> FromRequestParts<S> for Employee {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let session = parts.extensions.get::<Session>();
        let employee = session.and_then(|session| {
            let (environment, id) = session.employee.clone()?;
            Some(Employee {
                name: session.name.clone(),
                environment,
                id,
            })
        });
        employee
            .ok_or_else(|| Problem::forbidden("this is for an employee who signed in to the page"))
    }
}

impl Employee {
    /// Their own values are theirs to see and to decide on.
    fn caller(&self) -> Caller {
        Caller {
            name: self.name.clone(),
            role: Role::Operator,
        }
    }

    async fn user(&self, api: &Api) -> Result<User, Problem> {
        let user = api.store.user_of(&self.environment, self.id).await?;
        user.ok_or_else(|| Problem::not_found("link of yours; switch it on first"))
    }
}

/// One's own link.
#[derive(Serialize, ToSchema)]
pub struct MeView {
    /// How the page greets them.
    name: String,
    /// Of which environment.
    environment: String,
    /// The link; null before it was switched on.
    #[schema(required)]
    user: Option<UserDetail>,
    /// Whether a preview was asked for.
    has_preview: bool,
}

/// One's own link
#[utoipa::path(
    get, path = "/api/v1/me", operation_id = "me_show", tag = "page",
    responses(
        (status = 200, description = "The link", body = MeView),
        (status = 403, description = "Not an employee's session", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn show(State(api): State<Arc<Api>>, me: Employee) -> Result<Json<MeView>, Problem> {
    let user = api.store.user_of(&me.environment, me.id).await?;
    let mut has_preview = false;
    let user = match user {
        Some(user) => {
            has_preview = api.store.preview(user.id).await?.is_some();
            Some(users::detail(&api, &me.caller(), user).await?)
        }
        None => None,
    };
    Ok(Json(MeView {
        name: me.name,
        environment: me.environment.0,
        user,
        has_preview,
    }))
}

/// Switches one's own link on
#[utoipa::path(
    post, path = "/api/v1/me/activate", operation_id = "me_activate", tag = "page",
    responses(
        (status = 200, description = "The user, and where consent begins", body = Activated),
        (status = 403, description = "Not an employee's session", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The employee left (R22)", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn activate(
    State(api): State<Arc<Api>>,
    me: Employee,
) -> Result<Json<Activated>, Problem> {
    let activated = api
        .activation
        .activate(Activate {
            environment: me.environment.clone(),
            who: Who::Id(me.id),
            return_to: Some("/".to_owned()),
            start: Some(false),
        })
        .await?;
    let (consent_url, expires_at) = users::link(activated.link);
    Ok(Json(Activated {
        user: UserView::of(&api, &me.caller(), activated.user)?,
        consent_url,
        expires_at,
    }))
}

/// What is to happen to the links.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// With `disconnect`: erase the links too.
    #[serde(default)]
    forget: bool,
}

/// Carries out a command on one's own link
///
/// `preview`, `start`, `pause`, `resume`, `resync` or `disconnect`.
#[utoipa::path(
    post, path = "/api/v1/me/commands/{command}", operation_id = "me_command", tag = "page",
    request_body = Option<Wanted>,
    params(("command" = String, Path, description = "The command", example = "pause")),
    responses(
        (status = 200, description = "The link afterwards", body = UserView),
        (status = 403, description = "Not an employee's session", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such command, or not switched on", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The state does not allow it", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn command(
    State(api): State<Arc<Api>>,
    me: Employee,
    Path(command): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<UserView>, Problem> {
    let id = me.user(&api).await?.id;
    let command = match command.as_str() {
        "preview" => Command::Preview,
        "start" => Command::Start,
        "pause" => Command::Pause,
        "resume" => Command::Resume,
        "resync" => Command::Resync,
        "disconnect" => {
            let user = api.activation.disconnect(id, wanted.forget).await?;
            return Ok(Json(UserView::of(&api, &me.caller(), user)?));
        }
        _ => return Err(Problem::not_found("command")),
    };
    let user = api.activation.command(id, command).await?;
    Ok(Json(UserView::of(&api, &me.caller(), user)?))
}

/// A page of one's own preview, with names.
#[derive(Serialize, ToSchema)]
pub struct MyPreview {
    #[serde(flatten)]
    preview: Preview,
    /// The people's names; those that Tribe does not show are absent.
    names: BTreeMap<Uuid, String>,
}

/// What one's own first sync would do
#[utoipa::path(
    get, path = "/api/v1/me/preview", operation_id = "me_preview", tag = "page",
    params(
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 500, usually 100"),
    ),
    responses(
        (status = 200, description = "The preview, with a page of its people", body = MyPreview),
        (status = 403, description = "Not an employee's session", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "None was asked for", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn my_preview(
    State(api): State<Arc<Api>>,
    me: Employee,
    Params(paging): Params<Paging>,
) -> Result<Json<MyPreview>, Problem> {
    let user = me.user(&api).await?;
    let preview = preview::stored(&api, user.id, &paging).await?;
    let names = named(&api, &user, preview.people()).await?;
    Ok(Json(MyPreview { preview, names }))
}

async fn named(
    api: &Api,
    user: &User,
    people: Vec<Uuid>,
) -> Result<BTreeMap<Uuid, String>, Problem> {
    let ids: Vec<PersonId> = people.into_iter().map(PersonId).collect();
    let names = names::of(api, &user.environment, &ids).await?;
    Ok(names.into_iter().map(|(id, name)| (id.0, name)).collect())
}

/// A page of one's own links, with names.
#[derive(Serialize, ToSchema)]
pub struct MyLinks {
    #[serde(flatten)]
    links: List<Link>,
    /// The people's names.
    names: BTreeMap<Uuid, String>,
}

/// One's own contacts
#[utoipa::path(
    get, path = "/api/v1/me/links", operation_id = "me_links", tag = "page",
    params(
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 500, usually 100"),
    ),
    responses(
        (status = 200, description = "A page", body = MyLinks),
        (status = 403, description = "Not an employee's session", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn links(
    State(api): State<Arc<Api>>,
    me: Employee,
    Params(paging): Params<Paging>,
) -> Result<Json<MyLinks>, Problem> {
    let user = me.user(&api).await?;
    let after = paging.after()?;
    let rows = api.store.links(user.id, after, paging.limit() + 1).await?;
    let people = rows.iter().take(paging.limit()).map(|row| row.person.0);
    let names = named(&api, &user, people.collect()).await?;
    let links = paging.page(rows, |row| row.person.to_string(), Link::from);
    Ok(Json(MyLinks { links, names }))
}

/// One's own changes that wait for a decision
#[utoipa::path(
    get, path = "/api/v1/me/held", operation_id = "me_held", tag = "page",
    responses(
        (status = 200, description = "All of them, up to 500", body = List<HeldItem>),
        (status = 403, description = "Not an employee's session", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn my_held(
    State(api): State<Arc<Api>>,
    me: Employee,
) -> Result<Json<List<HeldItem>>, Problem> {
    let user = me.user(&api).await?;
    let rows = api.store.held(Some(user.id), None, 500).await?;
    let items: Result<Vec<_>, _> = rows
        .into_iter()
        .map(|row| HeldItem::of(&api, &me.caller(), row))
        .collect();
    Ok(Json(List {
        items: items?,
        next_cursor: None,
    }))
}

/// Decides one of one's own held changes
///
/// `accept` lets Outlook's value through, `reject` restores Tribe's in Outlook.
#[utoipa::path(
    post, path = "/api/v1/me/held/{id}/{decision}", operation_id = "me_decide", tag = "page",
    params(
        ("id" = i64, Path, description = "The held item"),
        ("decision" = String, Path, description = "`accept` or `reject`", example = "accept"),
    ),
    responses(
        (status = 202, description = "Decided; the person is looked at now", body = HeldItem),
        (status = 403, description = "Not an employee's session", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Unknown, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Decided otherwise before", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn decide(
    State(api): State<Arc<Api>>,
    me: Employee,
    Path((id, decision)): Path<(String, String)>,
) -> Result<(StatusCode, Json<HeldItem>), Problem> {
    let unknown = || Problem::not_found("held item");
    let id: i64 = id.parse().map_err(|_| unknown())?;
    let user = me.user(&api).await?;
    let item = api.store.held_item(id).await?;
    item.filter(|held| held.user == user.id)
        .ok_or_else(unknown)?;
    let accepted = match decision.as_str() {
        "accept" => true,
        "reject" => false,
        _ => return Err(Problem::not_found("decision")),
    };
    held::decide(&api, &me.caller(), id, accepted).await
}

/// What was written for oneself, newest first
#[utoipa::path(
    get, path = "/api/v1/me/audit", operation_id = "me_audit", tag = "page",
    params(
        ("person" = Option<Uuid>, Query, description = "Only of this person"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 500, usually 100"),
    ),
    responses(
        (status = 200, description = "A page", body = List<AuditItem>),
        (status = 403, description = "Not an employee's session", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn my_audit(
    State(api): State<Arc<Api>>,
    me: Employee,
    Params(mut which): Params<audit::Which>,
) -> Result<Json<List<AuditItem>>, Problem> {
    let user = me.user(&api).await?;
    which.user = Some(user.id.0);
    audit::page(&api, &me.caller(), which).await.map(Json)
}

/// Takes back one of the writes for oneself
#[utoipa::path(
    post, path = "/api/v1/me/audit/{id}/undo", operation_id = "me_undo", tag = "page",
    params(("id" = i64, Path, description = "The line of the audit")),
    responses(
        (status = 202, description = "On its way", body = UndoAnswer),
        (status = 403, description = "Not an employee's session", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Unknown, or somebody else's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It cannot be taken back", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn take_back(
    State(api): State<Arc<Api>>,
    me: Employee,
    Id(id): Id<i64>,
) -> Result<(StatusCode, Json<UndoAnswer>), Problem> {
    let user = me.user(&api).await?;
    let line = api.store.audit_line(id).await?;
    let line = line
        .filter(|line| line.user == user.id)
        .ok_or_else(|| Problem::not_found("line of the audit"))?;
    undo::take_back(&api, &line).await
}

/// A person of one's own: both cards and the explanation.
#[derive(Serialize, ToSchema)]
pub struct MyPerson {
    /// Both cards.
    cards: CardsView,
    /// Why it is as it is.
    explanation: ExplanationView,
}

/// A person of one's own
///
/// Only whoever is, or was, in one's own Outlook, or names oneself as relationship manager or owner.
#[utoipa::path(
    get, path = "/api/v1/me/people/{person_id}", operation_id = "me_person", tag = "page",
    params(("person_id" = Uuid, Path, description = "The person")),
    responses(
        (status = 200, description = "Both cards and the explanation", body = MyPerson),
        (status = 403, description = "Not an employee's session", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Unknown, or none of yours", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn person(
    State(api): State<Arc<Api>>,
    me: Employee,
    Id(person): Id<PersonId>,
) -> Result<Json<MyPerson>, Problem> {
    let user = me.user(&api).await?;
    let explanation = people::explained(&api, &user, person).await?;
    let is_linked = api.store.link(user.id, person).await?.is_some();
    if !is_linked && !explanation.names_employee() {
        return Err(Problem::not_found("person of yours"));
    }
    Ok(Json(MyPerson {
        cards: cards::both(&api, &user, person).await?,
        explanation,
    }))
}
