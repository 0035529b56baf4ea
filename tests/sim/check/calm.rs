//! Liveness: what holds once edits and faults have stopped. What people typed is judged in [`typed`].

use serde_json::Value;
use tribelink::store::UserState;
use tribelink_plan::link::LinkState;

use super::{coverage, oracle, typed};
use crate::{
    acts::{Sight, stamp_of},
    model::{Edit, Model, Side},
    script::Script,
    world::{Colleague, World},
};

/// Everything that is not as it must be, in words.
pub(crate) async fn judge(world: &World, model: &Model, script: &Script) -> Vec<String> {
    let sight = Sight::of(world);
    let mut wrong = Vec::new();
    for (n, user) in world.users.iter().enumerate() {
        let known = world.user(user.id).await;
        let state = known.state;
        if model.left.contains(&n) {
            if script.setup.is_sweepless() {
                continue;
            }
            // R22 needs somebody who is linked to hear of it by.
            if state != UserState::Disconnected {
                wrong.push(format!("user {n} left and is {}", state.name()));
            }
            continue;
        }
        if state != UserState::Live {
            wrong.push(format!("user {n} is {}", state.name()));
            continue;
        }
        for person in &sight.people {
            judge_pair(
                (world, model, script),
                &sight,
                (n, user),
                person,
                &mut wrong,
            )
            .await;
        }
        // One that went without a word is found gone by a sweep, or by a resync.
        if !(model.vanished && script.setup.is_sweepless()) {
            judge_subscription(world, &sight, (n, user), &mut wrong).await;
        }
    }
    typed::judge(world, model, script, &sight, &mut wrong).await;
    judge_parked(world, &mut wrong).await;
    wrong
}

/// One contact that agrees for an eligible person, and the link names it.
async fn judge_pair(
    (world, model, script): (&World, &Model, &Script),
    sight: &Sight,
    (n, user): (usize, &Colleague),
    person: &Value,
    wrong: &mut Vec<String>,
) {
    let id = person["ID"].as_str().expect("an id");
    if script.setup.is_sweepless()
        && (model.restless.contains_key(id)
            || model.moved.contains(id)
            || !model.known.contains(id)
            || model.deleted.contains_key(&(n, id.to_owned())))
    {
        // A sweep would find what hints may have been lost of.
        return;
    }
    let Some(main) = oracle::main_relationship(person, &user.employee) else {
        if !model.restless.contains_key(id)
            && !sight.stamped(&user.object, id, "contacts").is_empty()
        {
            wrong.push(format!("user {n}, {id}: never eligible, and has a contact"));
        }
        return;
    };
    let link = world
        .store
        .link(user.id, id.parse().expect("an id"))
        .await
        .expect("the store");
    let contacts = sight.stamped(&user.object, id, "contacts");
    let Some(row) = link else {
        wrong.push(format!("user {n}, {id}: eligible, and there is no link"));
        return;
    };
    if let LinkState::Tombstone { .. } = row.link.state {
        let Some(deleted) = model.deleted.get(&(n, id.to_owned())) else {
            wrong.push(format!(
                "user {n}, {id}: a tombstone, and nobody deleted the contact"
            ));
            return;
        };
        let later = model
            .edits
            .iter()
            .filter(|edit| edit.side == Side::Tribe && edit.person == id && edit.at_ms > *deleted)
            .filter(|edit| {
                !is_narrowed(script, edit.slot) && !model.restated.contains(&edit.number)
            })
            .find(|edit| !is_undone(model, edit) && shows_in(person, main, &edit.value));
        if script.setup.says("sync.respect_deletes").is_some() {
            return;
        }
        if let Some(edit) = later {
            wrong.push(format!(
                "user {n}, {id}: a tombstone though {} changed later in Tribe",
                edit.slot
            ));
        }
        return;
    }
    if stays_deleted(model, n, person) {
        wrong.push(format!(
            "user {n}, {id}: made again though only the deletion happened"
        ));
    }
    if row.link.state != LinkState::Linked {
        wrong.push(format!(
            "user {n}, {id}: eligible, and its link is {:?}",
            row.link.state
        ));
        return;
    }
    let linked = row
        .link
        .contact
        .map(|contact| contact.0)
        .unwrap_or_default();
    let Some(contact) = contacts
        .iter()
        .find(|contact| contact["id"] == *linked || contact["immutableId"] == *linked)
    else {
        wrong.push(format!(
            "user {n}, {id}: linked to a contact that is not there"
        ));
        return;
    };
    // Business values without a counterpart stay in Outlook when the relationship that speaks for the
    // person changes.
    let stays = |slot: &str, tribe: &str| {
        tribe.is_empty()
            && model.restless.contains_key(id)
            && oracle::kind(main) == Some(oracle::Kind::Individual)
            && matches!(slot, "emailAddresses" | "companyName" | "mobilePhone")
    };
    for (slot, tribe, outlook) in oracle::differences(person, main, &sight.own, contact) {
        // A further value of the user's own moves up once the first is taken out, and stays.
        if tribe.is_empty() && model.further.contains(&outlook) {
            continue;
        }
        // So does the private one of two that changed places.
        if slot == "emailAddresses" && tribe.is_empty() && model.swapped.contains(id) {
            continue;
        }
        if slot == "companyName" && model.renamed && script.setup.is_sweepless() {
            continue;
        }
        // Without a base nobody can tell whose initials they are, and Outlook derives some.
        let unbased = slot == "initials"
            && tribe.is_empty()
            && (model.unbased
                || model.reimported.contains(id)
                || coverage::was_found_again(world, id).await);
        if unbased {
            continue;
        }
        if stays(slot, &tribe) || does_not_fit(slot, &tribe, &outlook) || is_narrowed(script, slot)
        {
            continue;
        }
        wrong.push(format!(
            "user {n}, {id}: {slot} is {tribe:?} in Tribe and {outlook:?} in Outlook"
        ));
    }
}

/// Values that the other side takes none of are not written, and neither is an emptied surname (R18).
fn does_not_fit(slot: &str, tribe: &str, outlook: &str) -> bool {
    tribe.len() > 255
        || (slot == "emailAddresses" && outlook.contains("geen adres"))
        || (slot == "birthday" && outlook.starts_with("1604"))
}

/// Whether configuration keeps a slot from one side or both.
fn is_narrowed(script: &Script, slot: &str) -> bool {
    script.setup.pairs.iter().any(|(key, _)| {
        matches!(
            (key.as_str(), slot),
            ("sync.fields.function", "jobTitle")
                | ("sync.fields.business_phone", "businessPhones")
                | ("sync.fields.company", "companyName")
                | ("sync.fields.private_phone", "homePhones")
                | ("sync.fields.birth_date", "birthday")
        )
    })
}

/// Whether a contact was deleted and nothing else happened that could bring it back (R8).
fn stays_deleted(model: &Model, n: usize, person: &Value) -> bool {
    let id = person["ID"].as_str().unwrap_or_default();
    model.deleted.contains_key(&(n, id.to_owned()))
        && !model.restored.contains(&(n, id.to_owned()))
        && !model.unseen.contains(&(n, id.to_owned()))
        && model.copies.is_empty()
        && model.edits.iter().all(|edit| edit.person != id)
        && !model.restless.contains_key(id)
        && !model.renamed
        && !model.unbased
        && model.known.contains(id)
}

/// What is in step without any look in passing, where nothing went wrong: all fields of everybody
/// who was only edited.
pub(crate) async fn judge_soon(world: &World, model: &Model, script: &Script) -> Vec<String> {
    let sight = Sight::of(world);
    let mut wrong = Vec::new();
    for (n, user) in world.users.iter().enumerate() {
        if world.user(user.id).await.state != UserState::Live {
            continue;
        }
        let edited = |person: &&Value| {
            let id = person["ID"].as_str().unwrap_or_default();
            !model.restless.contains_key(id)
                && !model.moved.contains(id)
                && model.known.contains(id)
                && !model.deleted.keys().any(|(_, person)| person == id)
        };
        for person in sight.people.iter().filter(edited) {
            judge_pair(
                (world, model, script),
                &sight,
                (n, user),
                person,
                &mut wrong,
            )
            .await;
        }
    }
    let late = wrong.into_iter().map(|text| format!("not soon: {text}"));
    // Held values, and users that wait for somebody, are looked after later.
    if world.held().await.is_empty() {
        late.collect()
    } else {
        Vec::new()
    }
}

/// Whether the same field was typed once more later, on whichever side.
pub(super) fn is_undone(model: &Model, edit: &Edit) -> bool {
    let later = model
        .edits
        .iter()
        .skip_while(|other| other.number != edit.number);
    later
        .skip(1)
        .any(|other| other.person == edit.person && other.slot == edit.slot)
}

/// Whether a value stands where the relationship's mapping can see it.
fn shows_in(person: &Value, main: &Value, value: &str) -> bool {
    let stands = |object: &Value| {
        object
            .as_object()
            .into_iter()
            .flatten()
            .any(|(_, shown)| shown.as_str() == Some(value))
    };
    !value.is_empty() && (stands(person) || stands(main))
}

/// At most one contact that is not a user's own copy stands for a person.
pub(crate) fn doubles(world: &World, model: &Model) -> Vec<String> {
    let sight = Sight::of(world);
    let mut wrong = Vec::new();
    for (n, user) in world.users.iter().enumerate() {
        let mut seen: std::collections::BTreeMap<&str, usize> = Default::default();
        for contact in sight.contacts(&user.object) {
            let copied = contact["immutableId"]
                .as_str()
                .is_some_and(|id| model.copies.contains(id));
            if let (Some(stamp), false) = (stamp_of(contact), copied) {
                *seen.entry(stamp).or_default() += 1;
            }
        }
        for (stamp, count) in seen.into_iter().filter(|(_, count)| *count > 1) {
            let person = stamp.split('|').nth(2).unwrap_or_default();
            wrong.push(format!("user {n} has {count} contacts of {person}"));
        }
    }
    wrong
}

async fn judge_subscription(
    world: &World,
    sight: &Sight,
    (n, user): (usize, &Colleague),
    wrong: &mut Vec<String>,
) {
    let kept = world
        .store
        .subscriptions_of(user.id)
        .await
        .expect("the store");
    let live = sight.graph["subscriptions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if !kept
        .iter()
        .any(|one| live.iter().any(|other| other["id"] == *one.id))
    {
        wrong.push(format!("user {n} has no live subscription"));
    }
}

/// Nothing is parked but copies, and values that do not fit the other side.
async fn judge_parked(world: &World, wrong: &mut Vec<String>) {
    let parked = world
        .store
        .parked(None, None, 500)
        .await
        .expect("the store");
    let misfits = [
        "insertion",
        "business_email",
        "private_email",
        "birth_date",
        "display_name",
    ];
    for item in parked.iter().filter(|item| item.field != "stamp") {
        if misfits.contains(&item.field.as_str()) {
            world.story.count("rule R18");
            continue;
        }
        wrong.push(format!(
            "parked: {} of {:?}: {}",
            item.field, item.person, item.reason
        ));
    }
}
