//! Checks an expression against the schema, and judges records by it.

use std::cmp::Ordering;

use serde_json::Value;
use uuid::Uuid;

use super::{
    Refusal,
    filter::{Expr, Function, Op, Val},
};
use crate::tribe::{
    schema::{Kind, Schema},
    store::{Body, View},
    value,
};

/// Where expressions are judged.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The types.
    pub schema: &'a Schema,
    /// The records.
    pub view: View<'a>,
    /// Whether `eq` on strings ignores case.
    pub eq_ignores_case: bool,
}

/// Refuses what cannot be judged on records of a type.
///
/// # Errors
/// 400 for unknown properties, links to many, and operands that do not compare.
pub fn check(schema: &Schema, kind: &str, expr: &Expr) -> Result<(), Refusal> {
    match type_of(schema, kind, expr)? {
        Some(Kind::Bool) => Ok(()),
        _ => Err(Refusal::bad("The filter is not a condition.")),
    }
}

/// What an expression comes to; none for `null`.
fn type_of(schema: &Schema, kind: &str, expr: &Expr) -> Result<Option<Kind>, Refusal> {
    match expr {
        Expr::Or(terms) | Expr::And(terms) => {
            terms
                .iter()
                .try_for_each(|term| check(schema, kind, term))?;
            Ok(Some(Kind::Bool))
        }
        Expr::Not(inner) => check(schema, kind, inner).map(|()| Some(Kind::Bool)),
        Expr::Compare(op, left, right) => {
            let (a, b) = (type_of(schema, kind, left)?, type_of(schema, kind, right)?);
            let number = |k| matches!(k, Kind::Int | Kind::Double);
            let fits = match (a, b) {
                (Some(a), Some(b)) => a == b || (number(a) && number(b)),
                _ => matches!(op, Op::Eq | Op::Ne),
            };
            if fits {
                Ok(Some(Kind::Bool))
            } else {
                Err(Refusal::bad(
                    "The operands of a comparison have different types.",
                ))
            }
        }
        Expr::Call(_, left, right) => {
            for side in [left, right] {
                if type_of(schema, kind, side)? != Some(Kind::Text) {
                    return Err(Refusal::bad("String functions take strings."));
                }
            }
            Ok(Some(Kind::Bool))
        }
        Expr::Path(path) => path_type(schema, kind, path).map(Some),
        Expr::Literal(value) => Ok(match value {
            Val::Null => None,
            Val::Bool(_) => Some(Kind::Bool),
            Val::Number(_) => Some(Kind::Double),
            Val::Text(_) => Some(Kind::Text),
            Val::Guid(_) => Some(Kind::Guid),
            Val::Date(_) => Some(Kind::Date),
            Val::Time(_) => Some(Kind::Time),
        }),
    }
}

/// The type of a property at the end of a path; a link to one at its end stands for its id.
///
/// # Errors
/// 400 for unknown names and links to many.
pub fn path_type(schema: &Schema, kind: &str, path: &[String]) -> Result<Kind, Refusal> {
    let mut kind = kind;
    for (step, name) in path.iter().enumerate() {
        let last = step + 1 == path.len();
        if last && let Some(prop) = schema.prop_within(kind, name) {
            return Ok(prop.kind);
        }
        match schema.nav_within(kind, name) {
            Some(nav) if nav.many => {
                return Err(Refusal::bad(format!(
                    "'{name}' holds many: a path cannot go through it."
                )));
            }
            Some(_) if last => return Ok(Kind::Guid),
            Some(nav) => kind = &nav.target,
            None => {
                return Err(Refusal::bad(format!(
                    "The type '{kind}' has no property '{name}'."
                )));
            }
        }
    }
    Err(Refusal::bad("An empty path."))
}

impl World<'_> {
    /// Whether a record fits a checked condition.
    #[must_use]
    pub fn fits(&self, id: Uuid, body: &Body, expr: &Expr) -> bool {
        self.eval(id, body, expr) == Val::Bool(true)
    }

    fn eval(&self, id: Uuid, body: &Body, expr: &Expr) -> Val {
        match expr {
            Expr::Or(terms) => Val::Bool(terms.iter().any(|term| self.fits(id, body, term))),
            Expr::And(terms) => Val::Bool(terms.iter().all(|term| self.fits(id, body, term))),
            Expr::Not(inner) => Val::Bool(!self.fits(id, body, inner)),
            Expr::Compare(op, left, right) => Val::Bool(self.compare(
                *op,
                &self.eval(id, body, left),
                &self.eval(id, body, right),
            )),
            Expr::Call(function, left, right) => {
                let (Val::Text(text), Val::Text(part)) =
                    (self.eval(id, body, left), self.eval(id, body, right))
                else {
                    return Val::Bool(false);
                };
                // All three ignore case (3.3).
                let (text, part) = (text.to_lowercase(), part.to_lowercase());
                Val::Bool(match function {
                    Function::Contains => text.contains(&part),
                    Function::StartsWith => text.starts_with(&part),
                    Function::EndsWith => text.ends_with(&part),
                })
            }
            Expr::Path(path) => self.path(id, body, path),
            Expr::Literal(value) => value.clone(),
        }
    }

    fn compare(&self, op: Op, a: &Val, b: &Val) -> bool {
        let equal = match (a, b) {
            (Val::Text(a), Val::Text(b)) if self.eq_ignores_case => {
                a.to_lowercase() == b.to_lowercase()
            }
            _ => a == b,
        };
        match op {
            Op::Eq => equal,
            Op::Ne => !equal,
            _ if *a == Val::Null || *b == Val::Null => false,
            Op::Gt => order(a, b) == Ordering::Greater,
            Op::Ge => order(a, b) != Ordering::Less,
            Op::Lt => order(a, b) == Ordering::Less,
            Op::Le => order(a, b) != Ordering::Greater,
        }
    }

    /// What a checked path comes to on a record.
    #[must_use]
    pub fn path(&self, id: Uuid, body: &Body, path: &[String]) -> Val {
        let Some((name, rest)) = path.split_first() else {
            return Val::Null;
        };
        if rest.is_empty()
            && let Some(prop) = self.schema.prop(&body.kind, name)
        {
            return typed(prop.kind, &value::of(self.view, id, body, &prop.name));
        }
        let Some(target) = body.links.get(name) else {
            return Val::Null;
        };
        let Some(other) = self.view.get(*target) else {
            return Val::Null;
        };
        if rest.is_empty() {
            Val::Guid(*target)
        } else {
            self.path(*target, other, rest)
        }
    }
}

fn typed(kind: Kind, value: &Value) -> Val {
    match (kind, value) {
        (Kind::Guid, Value::String(text)) => Uuid::parse_str(text).map_or(Val::Null, Val::Guid),
        (Kind::Date, Value::String(text)) => Val::Date(text.clone()),
        (Kind::Time, Value::String(text)) => text
            .parse::<jiff::Timestamp>()
            .map_or(Val::Null, |time| Val::Time(time.as_millisecond())),
        (_, Value::String(text)) => Val::Text(text.clone()),
        (_, Value::Bool(bool)) => Val::Bool(*bool),
        (_, Value::Number(number)) => number.as_f64().map_or(Val::Null, Val::Number),
        _ => Val::Null,
    }
}

/// An order over values of one kind; `null` comes first.
#[must_use]
pub fn order(a: &Val, b: &Val) -> Ordering {
    match (a, b) {
        (Val::Null, Val::Null) => Ordering::Equal,
        (Val::Null, _) => Ordering::Less,
        (_, Val::Null) => Ordering::Greater,
        (Val::Text(a), Val::Text(b)) => a
            .to_lowercase()
            .cmp(&b.to_lowercase())
            .then_with(|| a.cmp(b)),
        (Val::Date(a), Val::Date(b)) => a.cmp(b),
        (Val::Number(a), Val::Number(b)) => a.total_cmp(b),
        (Val::Time(a), Val::Time(b)) => a.cmp(b),
        (Val::Guid(a), Val::Guid(b)) => a.cmp(b),
        (Val::Bool(a), Val::Bool(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}
