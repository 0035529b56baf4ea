//! The description of the API, generated from the handlers.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use utoipa::{
    OpenApi,
    openapi::{
        Content, OpenApi as Description, PathItem, Ref, RefOr,
        path::Operation,
        response::ResponseBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{described, problem::ProblemBody};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "tribelink",
        description = "Keeps the people of a Tribe CRM and the Outlook address books of its users in \
                       step.\n\nEvery route under `/api/v1` takes `Authorization: Bearer` with a token of \
                       role viewer, operator or admin; each role may what the ones before it may. Lists are \
                       `{\"items\": […], \"next_cursor\": null or \"…\"}`. Errors are RFC 9457 \
                       `application/problem+json`, with a member `rule` where a rule of the design decided. \
                       `Idempotency-Key` may be sent with any POST: the same request under the same key is \
                       carried out once and gets the same answer for a day.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(ProblemBody)),
    security(("token" = [])),
    tags(
        (name = "users", description = "Employees with a mailbox: activation, state, care"),
        (name = "links", description = "Which person is which contact, and why"),
        (name = "care", description = "What waits for a decision, what failed, what was done"),
        (name = "consent", description = "A person's browser on its way to Microsoft or Tribe and back"),
        (name = "hints", description = "Where Tribe and Microsoft Graph deliver"),
        (name = "service", description = "Health, state and environments of the service"),
    )
)]
struct Head;

/// What stands above the routes.
pub(super) fn head() -> Description {
    let mut head = Head::openapi();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A token of `security.admin_token` or `security.admin_tokens`",
        ))
        .build();
    if let Some(components) = &mut head.components {
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
    head
}

/// The description of every route.
pub fn openapi() -> Description {
    let (_, mut description) = described().split_for_parts();
    for (path, item) in &mut description.paths.paths {
        if path.starts_with("/api/") {
            operations(item).for_each(add_common);
        }
    }
    description
}

/// The description as it stands in the repository.
///
/// # Errors
/// It has no YAML form; a defect of this program.
pub fn openapi_yaml() -> Result<String, impl std::fmt::Display> {
    openapi().to_yaml()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post].into_iter().flatten()
}

/// What every admin route may answer, said once here rather than at each.
fn add_common(operation: &mut Operation) {
    let common = [
        ("400", "A parameter or the body cannot be used"),
        ("401", "No token, or a wrong one"),
        ("403", "The token's role may not do this"),
        (
            "502",
            "A remote refused the service; `tribelink doctor` names the cause",
        ),
        (
            "503",
            "The database or a remote is not available; Retry-After says when to repeat",
        ),
    ];
    for (status, description) in common {
        let schema = Ref::from_schema_name("Problem");
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", Content::new(Some(schema)))
            .build();
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_owned())
            .or_insert(RefOr::T(response));
    }
}

/// `/openapi.json`
pub async fn json() -> Response {
    match openapi().to_pretty_json() {
        Ok(text) => (kind("application/json"), text).into_response(),
        Err(error) => super::Problem::internal(&error).into_response(),
    }
}

/// `/openapi.yaml`
pub async fn yaml() -> Response {
    match openapi_yaml() {
        Ok(text) => (kind("application/yaml"), text).into_response(),
        Err(error) => super::Problem::internal(&error).into_response(),
    }
}

fn kind(kind: &'static str) -> [(HeaderName, HeaderValue); 1] {
    [(header::CONTENT_TYPE, HeaderValue::from_static(kind))]
}
