//! What people typed: nothing of it is lost, and nothing stands anywhere that nobody typed.

use serde_json::Value;

use super::{calm::is_undone, coverage::audit, oracle};
use crate::{
    acts::Sight,
    model::{Edit, Model, Side},
    script::Script,
    world::{Colleague, World},
};

/// All of it.
pub(super) async fn judge(
    world: &World,
    model: &Model,
    script: &Script,
    sight: &Sight,
    wrong: &mut Vec<String>,
) {
    judge_edits(world, model, sight, wrong).await;
    judge_closed(world, sight, wrong).await;
    judge_extras(world, model, sight, wrong);
    judge_jobs(world, model, script, sight, wrong).await;
    judge_origin_of_values(world, model, script, sight, wrong);
}

/// Whether a value stands there, however its letters are written.
fn shows(record: &Value, value: &str) -> bool {
    let text = record.to_string().to_lowercase();
    let value = value.to_lowercase();
    let national = value.strip_prefix("+31 ").map(|rest| format!("0{rest}"));
    text.contains(&value) || national.is_some_and(|national| text.contains(&national))
}

/// Whether what was shown already, and only counts as typed, may have given way to what somebody typed
/// before and that arrived later.
fn gives_way(model: &Model, edit: &Edit) -> bool {
    let mut others = model.edits.iter();
    model.restated.contains(&edit.number)
        && others.any(|other| {
            (&other.person, other.slot) == (&edit.person, edit.slot)
                && other.number != edit.number
                && !other.value.starts_with("1604")
        })
}

/// Nobody's link is closed who stands in Tribe: absence from a list is no deletion (R11), and nobody
/// who was deleted comes back.
async fn judge_closed(world: &World, sight: &Sight, wrong: &mut Vec<String>) {
    for line in audit(world)
        .await
        .iter()
        .filter(|line| line["rule"] == "R11")
    {
        let id = line["person_id"].as_str().unwrap_or_default();
        if sight.person(id).is_some() {
            wrong.push(format!("{id} was taken for deleted, and stands in Tribe"));
        }
    }
}

/// Whether a value was taken away by a write, as an audit line says.
fn is_in_audit(audit: &[Value], how: &str, value: &str) -> bool {
    let mut fields = audit
        .iter()
        .flat_map(|line| line["fields"].as_array().into_iter().flatten());
    fields.any(|field| {
        let told = field[how].as_str();
        told.is_some_and(|told| told.contains(value))
    })
}

/// Every edit survives, was overwritten by a later one of the same field, or is in the audit.
async fn judge_edits(world: &World, model: &Model, sight: &Sight, wrong: &mut Vec<String>) {
    let audit = audit(world).await;
    // A value that goes back to what it was before may never have been seen as changed.
    let typed_anew = model
        .edits
        .iter()
        .filter(|edit| !edit.value.is_empty() && edit.value.chars().any(|c| c.is_ascii_digit()));
    for edit in typed_anew {
        let Some(person) = sight.person(&edit.person) else {
            continue;
        };
        // In an individual's contact some slots are the user's own and stay there.
        let stands = |user: &Colleague| {
            let found = sight.stamped(&user.object, &edit.person, "contacts");
            found.iter().any(|contact| shows(contact, &edit.value))
        };
        if model.shuffled.contains(&edit.number)
            || gives_way(model, edit)
            || is_undone(model, edit)
            || shows(person, &edit.value)
            || world.users.iter().any(stands)
        {
            continue;
        }
        if is_in_audit(&audit, "lost", &edit.value) {
            world.story.count("edit lost by R6, in the audit");
            continue;
        }
        let is_open = world.watch.left_open(&edit.value) || world.watch.cut_short(edit.at_ms);
        if is_open && is_in_audit(&audit, "before", &edit.value) {
            world
                .story
                .count("edit after a write left open, in the audit");
            continue;
        }
        if let Side::Outlook(n) = edit.side {
            let user = &world.users[n];
            let restless = model.restless.contains_key(&edit.person);
            let eligible = oracle::main_relationship(person, &user.employee).is_some();
            let deleted = model.deleted.contains_key(&(n, edit.person.clone()));
            if restless || !eligible || deleted {
                continue;
            }
        } else if model.restless.contains_key(&edit.person)
            || model
                .deleted
                .keys()
                .any(|(_, person)| *person == edit.person)
        {
            // Relationships of a merged or removed kind take their values with them.
            continue;
        }
        // Whoever is forgotten is forgotten with the audit.
        if model.unbased {
            continue;
        }
        // A copy of the contact may have been edited, which counts for nothing.
        if !model.copies.is_empty() && matches!(edit.side, Side::Outlook(_)) {
            continue;
        }
        if !world.watch.heard(&edit.value) || world.watch.overwrote(&edit.value) {
            world.story.count("edit overwritten between read and write");
            continue;
        }
        wrong.push(format!(
            "{}: {} = {:?}, typed at {} in {:?}, is lost",
            edit.person, edit.slot, edit.value, edit.at_ms, edit.side
        ));
    }
}

/// What was typed for one job does not come to stand at another.
async fn judge_jobs(
    world: &World,
    model: &Model,
    script: &Script,
    sight: &Sight,
    wrong: &mut Vec<String>,
) {
    // Whoever is shown the card as it was before, or is not told that it changed, cannot tell; and
    // without a base two cards meet.
    let is_stale = script.faults.iter().any(|(name, _)| name == "stale-graph");
    if is_stale || script.setup.ignores_if_match || model.unbased || model.former_jobs.is_empty() {
        return;
    }
    let audit = audit(world).await;
    for (edits, phone, title) in &model.former_jobs {
        let Some(edit) = edits.checked_sub(1).and_then(|last| model.edits.get(last)) else {
            continue;
        };
        let id = &edit.person;
        let mut later = model.edits.iter().skip(*edits);
        if later.any(|other| other.person == *id && other.slot == edit.slot) {
            continue;
        }
        let met = |line: &Value| {
            let rule = line["rule"].as_str().unwrap_or_default();
            line["person_id"] == **id && (rule.starts_with("R12") || rule == "R13")
        };
        if audit.iter().any(met) {
            continue;
        }
        let ties = sight.person(id).map(oracle::relationships);
        let is_new = |tie: &&Value| tie["PhoneNumber"] == **phone;
        let new = ties.into_iter().flatten().find(is_new);
        if new.is_some_and(|new| new["FunctionOnBusinessCard"] == **title) {
            wrong.push(format!("{id}: {title:?} was typed for the former job"));
        }
    }
}

/// Values outside the mapping stay.
fn judge_extras(world: &World, model: &Model, sight: &Sight, wrong: &mut Vec<String>) {
    for (n, contact, value) in &model.extras {
        let object = &world.users[*n].object;
        let found = sight
            .contacts(object)
            .iter()
            .find(|one| one["id"] == **contact);
        if let Some(found) = found
            && !shows(found, value)
            && !world.watch.overwrote(value)
        {
            wrong.push(format!("user {n}: {value:?} is gone from a contact"));
        }
    }
}

/// Every final value was once typed by someone.
fn judge_origin_of_values(
    world: &World,
    model: &Model,
    script: &Script,
    sight: &Sight,
    wrong: &mut Vec<String>,
) {
    // A write that lands long after its caller gave it up brings initials back that Outlook derived before
    // somebody typed others; where If-Match is ignored, nothing tells that from an edit.
    let is_late = |(name, _): &(String, u32)| name == "delayed-past-the-limit";
    let late = script.setup.ignores_if_match && script.faults.iter().any(is_late);
    let mut judge = |place: &str, value: &Value| {
        if let Some(text) = value.as_str()
            && !text.is_empty()
            && !model.typed.contains(text)
            && !(place == "Outlook initials" && oracle::are_derived(text))
        {
            wrong.push(format!("{place} shows {text:?}, which nobody typed"));
        }
    };
    const PERSON: [&str; 8] = [
        "Initials",
        "FirstName",
        "MiddleName",
        "LastName",
        "BirthDate",
        "EmailAddress",
        "PhoneNumber",
        "MobilePhoneNumber",
    ];
    for person in &sight.people {
        let birth = person["BirthDate"]
            .as_str()
            .map(|text| text.chars().take(10).collect());
        judge("Tribe BirthDate", &birth.map_or(Value::Null, Value::String));
        let derived = person["ID"]
            .as_str()
            .is_some_and(|id| model.derived.contains(id));
        let initials = person["Initials"].as_str().unwrap_or_default();
        let may_derive = (derived || late) && oracle::are_derived(initials);
        let skipped = ["BirthDate", if may_derive { "Initials" } else { "" }];
        for name in PERSON.iter().filter(|name| !skipped.contains(*name)) {
            judge(&format!("Tribe {name}"), &person[*name]);
        }
        for tie in oracle::relationships(person) {
            for name in [
                "EmailAddress",
                "PhoneNumber",
                "MobilePhoneNumber",
                "FunctionOnBusinessCard",
            ] {
                judge(&format!("Tribe relationship {name}"), &tie[name]);
            }
        }
    }
    for user in &world.users {
        for contact in sight.contacts(&user.object) {
            for name in [
                "initials",
                "givenName",
                "middleName",
                "surname",
                "jobTitle",
                "mobilePhone",
                "companyName",
            ] {
                judge(&format!("Outlook {name}"), &contact[name]);
            }
            for list in ["businessPhones", "homePhones"] {
                for value in contact[list].as_array().into_iter().flatten() {
                    judge(&format!("Outlook {list}"), value);
                }
            }
            for value in contact["emailAddresses"].as_array().into_iter().flatten() {
                judge("Outlook emailAddresses", &value["address"]);
            }
        }
    }
}
