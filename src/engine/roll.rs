//! The roll: every person with its relationships, by ids, in pages of 100.

use std::collections::BTreeMap;

use tribelink_plan::{ids::PersonId, person::Person};

use crate::{
    remote,
    tribe::{Crm, EntityKind, names::type_of_set},
};

/// Reads every person-type relationship of an environment, by person, without fields.
///
/// # Errors
/// The first page that fails; safe to repeat.
pub async fn roll(crm: &dyn Crm) -> Result<BTreeMap<PersonId, Person>, remote::Error> {
    let mut people: BTreeMap<PersonId, Person> = BTreeMap::new();
    for set in crm.sets() {
        if !matches!(crm.kind_of(&type_of_set(&set)), EntityKind::Relationship(_)) {
            continue;
        }
        let mut next = None;
        loop {
            let page = crm.sweep(&set, next).await?;
            for row in page.items {
                let person = people.entry(row.person).or_insert_with(|| Person {
                    id: row.person,
                    fields: BTreeMap::new(),
                    relationships: Vec::new(),
                });
                person.relationships.push(row.relationship);
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
    }
    Ok(people)
}
