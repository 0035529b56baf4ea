//! Both cards of a person, side by side, as they stand now.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use tribelink_plan::{
    field::{Direction, Field},
    ids::{PersonId, UserId},
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Api, Problem,
    auth::Operator,
    extract::{Id, Params},
    links::word,
    people::View,
    problem::ProblemBody,
};
use crate::{ports::CardField, store::User};

/// One field on both sides.
#[derive(Serialize, ToSchema)]
pub struct CardFieldView {
    /// The field of the card.
    name: &'static str,
    /// What Tribe shows.
    #[schema(required)]
    tribe: Option<String>,
    /// What Outlook shows.
    #[schema(required)]
    outlook: Option<String>,
    /// Whether Tribe shows what it showed when both were last in step; null where that is not known.
    #[schema(required)]
    tribe_stands: Option<bool>,
    /// The same for Outlook.
    #[schema(required)]
    outlook_stands: Option<bool>,
    /// `both`, `to_outlook`, `to_tribe` or `off`
    direction: &'static str,
}

/// Both cards of a person.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "person_id": "b724d383-bb70-480a-b03d-512b9aaec15a", "name": "Anna Berg", "link": "linked",
    "in_tribe": true, "in_outlook": true,
    "fields": [{"name": "first_name", "tribe": "Anna", "outlook": "Anna", "tribe_stands": true,
                "outlook_stands": true, "direction": "both"}]
}))]
pub struct CardsView {
    /// Who.
    person_id: Uuid,
    /// By name, where Tribe has the person.
    #[schema(required)]
    name: Option<String>,
    /// `intent`, `linked`, `sleeping`, `tombstone` or `closed`; null without a link.
    #[schema(required)]
    link: Option<&'static str>,
    /// Whether Tribe has the person.
    in_tribe: bool,
    /// Whether the contact is in the mailbox; null where it was not read.
    #[schema(required)]
    in_outlook: Option<bool>,
    /// Field by field.
    fields: Vec<CardFieldView>,
}

impl From<CardField> for CardFieldView {
    fn from(field: CardField) -> CardFieldView {
        CardFieldView {
            name: field.field.name(),
            tribe: field.tribe,
            outlook: field.outlook,
            tribe_stands: field.tribe_stands,
            outlook_stands: field.outlook_stands,
            direction: match field.direction {
                Direction::Both => "both",
                Direction::ToOutlook => "to_outlook",
                Direction::ToTribe => "to_tribe",
                Direction::Off => "off",
            },
        }
    }
}

/// Both cards of a person, as they stand now (operator)
///
/// Read from both sides for this answer; nothing is kept.
#[utoipa::path(
    get, path = "/api/v1/people/{person_id}/cards", operation_id = "people_cards", tag = "links",
    params(
        ("person_id" = Uuid, Path, description = "The person"),
        ("user" = Uuid, Query, description = "Whose Outlook"),
    ),
    responses(
        (status = 200, description = "Both cards", body = CardsView),
        (status = 400, description = "`user` is missing", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Unknown person or user", body = ProblemBody, content_type = "application/problem+json"),
        (status = 502, description = "A remote refuses the service", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn show(
    State(api): State<Arc<Api>>,
    _: Operator,
    Id(person): Id<PersonId>,
    Params(view): Params<View>,
) -> Result<Json<CardsView>, Problem> {
    let user = view
        .user
        .ok_or_else(|| Problem::invalid("user is needed: whose Outlook"))?;
    let user = api.activation.user(UserId(user)).await?;
    both(&api, &user, person).await.map(Json)
}

pub(super) async fn both(api: &Api, user: &User, person: PersonId) -> Result<CardsView, Problem> {
    let cards = api.cards.cards(user, person).await?;
    let cards = cards.ok_or_else(|| Problem::not_found("person"))?;
    let shown = |field: Field| {
        let found = cards.fields.iter().find(|one| one.field == field);
        found.and_then(|one| one.tribe.as_deref())
    };
    let parts = tribelink_plan::name::Parts {
        initials: shown(Field::Initials),
        first: shown(Field::FirstName),
        insertion: shown(Field::Insertion),
        surname: shown(Field::Surname),
    };
    Ok(CardsView {
        person_id: person.0,
        name: parts.display_name(),
        link: cards.link.map(word),
        in_tribe: cards.in_tribe,
        in_outlook: cards.in_outlook,
        fields: cards.fields.into_iter().map(CardFieldView::from).collect(),
    })
}
