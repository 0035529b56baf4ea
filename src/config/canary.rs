//! The section about the canary.

use std::collections::BTreeMap;

use tribelink_plan::{
    field::Direction,
    ids::{EnvironmentId, PersonId},
};

use super::{SyncSettings, reader::Reader, sources::Raw, value};
use crate::canary::{FIELD, Settings};

/// Reads the section, and holds it against what the fields may do.
pub(super) fn read(reader: &mut Reader<'_>, sync: Option<&SyncSettings>) -> Option<Settings> {
    let people = reader.need("canary.people", people);
    let interval = reader.need("canary.interval", value::interval);
    let patience = reader.need("canary.patience", value::interval);
    let people = people?;
    let narrowed = sync.is_some_and(|sync| sync.policy.direction(FIELD) != Direction::Both);
    if narrowed && !people.is_empty() {
        let message = format!("needs sync.fields.{FIELD} = \"both\": the proof travels in it");
        reader.problem("canary.people", message);
        return None;
    }
    Some(Settings {
        people,
        interval: interval?,
        patience: patience?,
    })
}

/// `id`, for the environment of the configuration, or `environment:id`.
fn people(raw: &Raw) -> Result<BTreeMap<EnvironmentId, PersonId>, String> {
    let mut people = BTreeMap::new();
    for item in value::list(raw)? {
        let (environment, id) = item.rsplit_once(':').unwrap_or(("default", &item));
        let id = id.trim().parse();
        let id: PersonId = id.map_err(|_| format!("is {item:?}, no id of a person in Tribe"))?;
        if people
            .insert(EnvironmentId::from(environment.trim()), id)
            .is_some()
        {
            return Err(format!("names two people for {environment}: one is enough"));
        }
    }
    Ok(people)
}
