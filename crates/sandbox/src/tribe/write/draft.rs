//! A change, children of a deep insert included, checked before anything of it is kept.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    state::{State, guid},
    time::rfc3339,
    tribe::{
        odata::Refusal,
        schema::{CONTACT, Kind, Nav, ORGANIZATION, Schema, Via, set_name},
        store::{Body, View},
    },
};

/// Objects within objects at most.
const DEPTH: usize = 6;

/// A change under way.
pub(super) struct Draft<'a> {
    schema: &'a Schema,
    view: View<'a>,
    rng: &'a mut fastrand::Rng,
    own: Uuid,
    former: &'a str,
    now_ms: i64,
    new: Vec<(Uuid, Body)>,
}

/// What the work comes to, and the new records it needs.
///
/// # Errors
/// As the work says; nothing is kept then.
pub(super) fn drafted<T>(
    state: &mut State,
    work: impl FnOnce(&mut Draft<'_>) -> Result<T, Refusal>,
) -> Result<(T, Vec<(Uuid, Body)>), Refusal> {
    let now_ms = state.now_ms();
    let State {
        tribe,
        rng,
        options,
        ..
    } = state;
    let mut draft = Draft {
        schema: &tribe.schema,
        view: tribe.store.now(),
        rng,
        own: tribe.organization_id,
        former: &options.tribe.names.former,
        now_ms,
        new: Vec::new(),
    };
    let result = work(&mut draft)?;
    Ok((result, draft.new))
}

impl Draft<'_> {
    pub(super) fn create(
        &mut self,
        kind: &str,
        object: &Map<String, Value>,
        depth: usize,
        back: Option<(&str, Uuid)>,
    ) -> Result<Uuid, Refusal> {
        if depth > DEPTH {
            return Err(Refusal::bad("The body is nested too deeply."));
        }
        let declared = self
            .schema
            .get(kind)
            .ok_or_else(|| Refusal::missing(format!("The type '{kind}' is unknown.")))?;
        if declared.base {
            return Err(Refusal::new(
                405,
                format!("Records cannot be created on '{}'.", set_name(kind)),
            ));
        }
        let id = match object.get("ID") {
            Some(value) => guid_of(value)?,
            None => guid(self.rng),
        };
        let mut body = Body::new(kind, self.now_ms);
        if let Some((name, owner)) = back {
            body.links.insert(name.to_owned(), owner);
        }
        self.fill(id, &mut body, object, depth)?;
        if self.schema.is_a(kind, "Relationship") {
            // Without a parent it is ours: customers, leads and employees hang on "us" (2.7).
            if !self.schema.is_a(kind, CONTACT) {
                body.links.entry("Relation".to_owned()).or_insert(self.own);
            }
        }
        self.complete(&body)?;
        self.new.push((id, body));
        Ok(id)
    }

    pub(super) fn upgrade(&self, body: &mut Body, target: &Value) -> Result<(), Refusal> {
        let level = |kind: &str| self.schema.get(kind).and_then(|t| t.parent.clone());
        let target = target
            .as_str()
            .and_then(|set| self.schema.by_set(set).or_else(|| self.schema.get(set)));
        let target = target.filter(|t| !t.base && level(&t.name) == level(&body.kind));
        let target =
            target.ok_or_else(|| Refusal::bad("_UpgradeType must be a type on the same level."))?;
        let steps = ["Suspect", "Lead", "HotProspect", "Prospect", "Customer"];
        let rank = |kind: &str| {
            steps
                .iter()
                .position(|step| kind.ends_with(&format!(".{step}")))
        };
        let date = if rank(&target.name) >= rank(&body.kind) {
            "UpgradeDate"
        } else {
            "DowngradeDate"
        };
        body.kind.clone_from(&target.name);
        body.values
            .insert(date.to_owned(), rfc3339(self.now_ms).into());
        Ok(())
    }

    pub(super) fn fill(
        &mut self,
        id: Uuid,
        body: &mut Body,
        object: &Map<String, Value>,
        depth: usize,
    ) -> Result<(), Refusal> {
        let schema = self.schema;
        for (name, value) in object {
            if matches!(name.as_str(), "ID" | "_Type" | "_UpgradeType") || name.starts_with('@') {
                continue;
            }
            if let Some(prop) = schema.prop(&body.kind, name) {
                if prop.computed {
                    continue;
                }
                match checked(prop.kind, name, value)? {
                    Value::Null => body.values.remove(name),
                    value => body.values.insert(name.clone(), value),
                };
            } else if let Some(nav) = schema.nav(&body.kind, name) {
                self.link(id, body, nav, value, depth)?;
            } else {
                return Err(Refusal::bad(format!(
                    "The type '{}' has no property '{name}'.",
                    body.kind
                )));
            }
        }
        self.mark_former(body, object);
        Ok(())
    }

    /// The former mark comes with its date (4.7).
    fn mark_former(&self, body: &mut Body, object: &Map<String, Value>) {
        match object.get(self.former) {
            Some(Value::Bool(true)) => {
                body.values
                    .entry("FormerDate".to_owned())
                    .or_insert_with(|| rfc3339(self.now_ms).into());
            }
            Some(_) => {
                body.values.remove("FormerDate");
            }
            None => {}
        }
    }

    fn link(
        &mut self,
        id: Uuid,
        body: &mut Body,
        nav: &Nav,
        value: &Value,
        depth: usize,
    ) -> Result<(), Refusal> {
        let bad = || {
            Refusal::bad(format!(
                "'{}' must be {}.",
                nav.name,
                if nav.many {
                    "a list of objects"
                } else {
                    "an object or null"
                }
            ))
        };
        match (&nav.via, nav.many, value) {
            (Via::Own, false, Value::Null) => {
                body.links.remove(&nav.name);
            }
            (Via::Own, false, Value::Object(object)) => {
                let end = self.end(&nav.target, object, depth, None)?;
                body.links.insert(nav.name.clone(), end);
            }
            (Via::Own, true, Value::Null) => {
                body.many.remove(&nav.name);
            }
            (_, true, Value::Array(items)) => {
                let back = match &nav.via {
                    Via::Own => None,
                    Via::Back(names) => {
                        Some(self.back_name(nav, names, &body.kind).ok_or_else(bad)?)
                    }
                };
                let mut ends = Vec::new();
                for item in items {
                    let object = item.as_object().ok_or_else(bad)?;
                    let end = self.end(&nav.target, object, depth, back.map(|name| (name, id)))?;
                    if !ends.contains(&end) {
                        ends.push(end);
                    }
                }
                if nav.via == Via::Own {
                    if ends.is_empty() {
                        body.many.remove(&nav.name);
                    } else {
                        body.many.insert(nav.name.clone(), ends);
                    }
                }
            }
            _ => return Err(bad()),
        }
        Ok(())
    }

    /// The link by which a child knows a parent of this type.
    fn back_name(
        &self,
        nav: &Nav,
        names: &'static [&'static str],
        kind: &str,
    ) -> Option<&'static str> {
        names.iter().copied().find(|name| {
            self.schema
                .nav_within(&nav.target, name)
                .is_some_and(|back| self.schema.is_a(kind, &back.target))
        })
    }

    /// The other end of a link: an existing record by its ID, else a new one (deep insert).
    fn end(
        &mut self,
        target: &str,
        object: &Map<String, Value>,
        depth: usize,
        back: Option<(&str, Uuid)>,
    ) -> Result<Uuid, Refusal> {
        if let Some(value) = object.get("ID").filter(|_| back.is_none()) {
            let id = guid_of(value)?;
            let fits = self
                .view
                .get(id)
                .is_some_and(|body| self.schema.is_a(&body.kind, target));
            let fresh = self
                .new
                .iter()
                .any(|(new, body)| *new == id && self.schema.is_a(&body.kind, target));
            return if fits || fresh {
                Ok(id)
            } else {
                Err(Refusal::bad(format!(
                    "There is no '{target}' with this ID."
                )))
            };
        }
        let kind = object
            .get("_Type")
            .and_then(Value::as_str)
            .filter(|kind| self.schema.is_a(kind, target));
        let kind = kind.unwrap_or(target).to_owned();
        self.create(&kind, object, depth + 1, back)
            .map_err(|refusal| Refusal {
                status: 400,
                ..refusal
            })
    }

    /// Refuses a record that lacks what its type demands.
    pub(super) fn complete(&self, body: &Body) -> Result<(), Refusal> {
        for name in self
            .schema
            .lineage(&body.kind)
            .flat_map(|kind| &kind.mandatory)
        {
            if !body.values.contains_key(*name) && !body.links.contains_key(*name) {
                return Err(Refusal::bad(format!("The field '{name}' is mandatory.")));
            }
        }
        // A contact stands under an organisation (4.5).
        if self.schema.is_a(&body.kind, "Relationship.Person.Contact") {
            let parent = body.links.get("Relation").and_then(|id| self.kind_of(*id));
            if parent.as_deref() != Some(ORGANIZATION) {
                return Err(Refusal::bad(
                    "A contact needs an organisation as its Relation.",
                ));
            }
        }
        Ok(())
    }

    fn kind_of(&self, id: Uuid) -> Option<String> {
        let new = self
            .new
            .iter()
            .find(|(new, _)| *new == id)
            .map(|(_, body)| body.kind.clone());
        new.or_else(|| self.view.get(id).map(|body| body.kind.clone()))
    }
}

fn guid_of(value: &Value) -> Result<Uuid, Refusal> {
    value
        .as_str()
        .and_then(|text| Uuid::parse_str(text).ok())
        .ok_or_else(|| Refusal::bad("An ID must be a GUID."))
}

/// The value as it is kept; an emptied text becomes `null`.
fn checked(kind: Kind, name: &str, value: &Value) -> Result<Value, Refusal> {
    let bad = || Refusal::bad(format!("The value of '{name}' is no {}.", kind.edm()));
    let kept = match (kind, value) {
        (_, Value::Null) => Value::Null,
        (Kind::Text, Value::String(text)) if text.is_empty() => Value::Null,
        (Kind::Text, Value::String(_))
        | (Kind::Bool, Value::Bool(_))
        | (Kind::Double, Value::Number(_)) => value.clone(),
        (Kind::Int, Value::Number(n)) if n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => {
            value.clone()
        }
        (Kind::Date, Value::String(text)) if text.len() == 10 => text
            .parse::<jiff::civil::Date>()
            .map_err(|_| bad())?
            .to_string()
            .into(),
        (Kind::Time, Value::String(text)) => {
            let time = text.parse::<jiff::Timestamp>().map_err(|_| bad())?;
            rfc3339(time.as_millisecond()).into()
        }
        (Kind::Guid, Value::String(_)) => guid_of(value)?.to_string().into(),
        _ => return Err(bad()),
    };
    Ok(kept)
}
