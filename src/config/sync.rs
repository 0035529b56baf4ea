//! The section about the synchronisation.

use std::{collections::BTreeMap, time::Duration};

use tribelink_plan::{
    field::{Direction, Field},
    policy::{Conflict, Match, MergeGuard, Policy},
};

use super::{reader::Reader, sources::Raw, value};

/// The highest `sync.brake_percent` and `sync.brake_min`.
pub const MOST_BRAKE_PERCENT: u32 = 100;
/// See [`MOST_BRAKE_PERCENT`].
pub const MOST_BRAKE_MIN: u32 = 1_000_000;

/// Section `sync`.
#[derive(Clone, Debug)]
pub struct SyncSettings {
    /// What the planner is told.
    pub policy: Policy,
    /// Plan everything, write nothing.
    pub shadow: bool,
    /// How often a mailbox's changes are asked for.
    pub delta_interval: Duration,
    /// How often Tribe's changes are asked for.
    pub poll_interval: Duration,
    /// How often everything is compared.
    pub sweep_interval: Duration,
}

impl SyncSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<SyncSettings> {
        let policy = read_policy(reader);
        let shadow = reader.need("sync.shadow", value::boolean);
        let delta_interval = reader.need("sync.delta_interval", value::interval);
        let poll_interval = reader.need("sync.poll_interval", value::interval);
        let sweep_interval = reader.need("sync.sweep_interval", value::interval);
        Some(SyncSettings {
            policy: policy?,
            shadow: shadow?,
            delta_interval: delta_interval?,
            poll_interval: poll_interval?,
            sweep_interval: sweep_interval?,
        })
    }
}

fn read_policy(reader: &mut Reader<'_>) -> Option<Policy> {
    const CONFLICTS: &[(&str, Conflict)] = &[
        ("tribe", Conflict::Tribe),
        ("outlook", Conflict::Outlook),
        ("hold", Conflict::Hold),
    ];
    const GUARDS: &[(&str, MergeGuard)] = &[
        ("flag", MergeGuard::Flag),
        ("hold", MergeGuard::Hold),
        ("accept", MergeGuard::Accept),
    ];
    const MATCHES: &[(&str, Match)] = &[("none", Match::None), ("email_name", Match::EmailName)];
    let conflict = reader.need("sync.conflict", value::choice(CONFLICTS));
    let merge_guard = reader.need("sync.merge_guard", value::choice(GUARDS));
    let respect_deletes = reader.need("sync.respect_deletes", value::boolean);
    let matching = reader.need("sync.match", value::choice(MATCHES));
    let brake_percent = reader.need("sync.brake_percent", value::number(0, MOST_BRAKE_PERCENT));
    let brake_min = reader.need("sync.brake_min", value::number(0, MOST_BRAKE_MIN));
    let phone_region = reader.need("sync.phone_region", region);
    let max_length = reader.need("sync.max_length", value::number(1, 32_767));
    let settle = reader.need("sync.settle", value::duration);
    let category = reader.optional("sync.category", category);
    let directions = read_directions(reader);
    Some(Policy {
        conflict: conflict?,
        merge_guard: merge_guard?,
        respect_deletes: respect_deletes?,
        matching: matching?,
        brake_percent: brake_percent?,
        brake_min: brake_min?,
        phone_region: phone_region?,
        max_length: max_length? as usize,
        settle_ms: value::millis(settle?),
        category: category?,
        directions: directions?,
    })
}

/// The narrowed directions; those that the design has anyway are left out.
fn read_directions(reader: &mut Reader<'_>) -> Option<BTreeMap<Field, Direction>> {
    let read: Vec<Option<(Field, Direction)>> = Field::ALL
        .into_iter()
        .map(|field| {
            let key = format!("sync.fields.{field}");
            reader
                .need(&key, |raw| narrowed(field, raw))
                .map(|direction| (field, direction))
        })
        .collect();
    let all: Option<BTreeMap<Field, Direction>> = read.into_iter().collect();
    all.map(|all| {
        all.into_iter()
            .filter(|(field, way)| *way != field.widest())
            .collect()
    })
}

fn narrowed(field: Field, raw: &Raw) -> Result<Direction, String> {
    const WAYS: &[(&str, Direction)] = &[
        ("both", Direction::Both),
        ("to_outlook", Direction::ToOutlook),
        ("to_tribe", Direction::ToTribe),
        ("off", Direction::Off),
    ];
    let direction = value::choice(WAYS)(raw)?;
    let widest = field.widest();
    if direction.within(widest) {
        return Ok(direction);
    }
    let allowed = WAYS
        .iter()
        .filter(|(_, way)| way.within(widest))
        .map(|(word, _)| *word);
    let allowed: Vec<&str> = allowed.collect();
    Err(format!(
        "would widen the design's direction; it takes {}",
        allowed.join(" or ")
    ))
}

/// Whether a text has the form of a region.
pub fn is_region(text: &str) -> bool {
    text.len() == 2 && text.chars().all(|c| c.is_ascii_uppercase())
}

fn region(raw: &Raw) -> Result<String, String> {
    let text = value::text(raw)?;
    if is_region(&text) {
        Ok(text)
    } else {
        Err(format!("is {text:?}, no region such as NL or BE"))
    }
}

/// Outlook separates the categories of a list by commas and semicolons.
fn category(raw: &Raw) -> Result<String, String> {
    let text = value::text(raw)?;
    let fits = text.chars().count() <= 255 && !text.contains([',', ';']);
    let plain = !text.chars().any(char::is_control);
    if fits && plain {
        Ok(text)
    } else {
        Err("takes up to 255 characters, none of them a comma or semicolon".to_owned())
    }
}
