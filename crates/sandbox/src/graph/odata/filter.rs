//! What contacts understand of `$filter` (Graph reference 2.6, 2.7).

use super::parse::{Expression, Literal, parse, unsupported};
use crate::graph::{
    contact::Contact,
    extended::{self, Test},
    fail::Fail,
};

/// A `$filter` that contacts understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::graph) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Address(String),
    Extended(String, Vec<Test>),
}

impl Filter {
    /// Whether it finds a contact; extended properties are seen as of `seen_ms`.
    pub(in crate::graph) fn finds(&self, contact: &Contact, seen_ms: i64) -> bool {
        match self {
            Self::And(left, right) => left.finds(contact, seen_ms) && right.finds(contact, seen_ms),
            Self::Or(left, right) => left.finds(contact, seen_ms) || right.finds(contact, seen_ms),
            Self::Not(inner) => !inner.finds(contact, seen_ms),
            Self::Address(address) => contact.has_address(address),
            Self::Extended(id, tests) => contact.extended.get(id).is_some_and(|found| {
                found.since_ms <= seen_ms && tests.iter().all(|test| test.holds(&found.value))
            }),
        }
    }
}

/// Reads a `$filter`.
pub(in crate::graph) fn filter(text: &str) -> Result<Filter, Fail> {
    judged(parse(text)?)
}

fn judged(expression: Expression) -> Result<Filter, Fail> {
    match expression {
        Expression::And(left, right) => Ok(Filter::And(
            Box::new(judged(*left)?),
            Box::new(judged(*right)?),
        )),
        Expression::Or(left, right) => Ok(Filter::Or(
            Box::new(judged(*left)?),
            Box::new(judged(*right)?),
        )),
        Expression::Not(inner) => Ok(Filter::Not(Box::new(judged(*inner)?))),
        Expression::Any {
            collection,
            variable,
            body,
        } if collection == "emailAddresses" => match *body {
            // `eq` on `address` alone (Graph reference 2.6).
            Expression::Compare {
                path,
                op,
                value: Literal::Text(address),
            } if op == "eq" && path == format!("{variable}/address") => {
                Ok(Filter::Address(address))
            }
            _ => Err(unsupported()),
        },
        Expression::Any {
            collection,
            variable,
            body,
        } if collection == "singleValueExtendedProperties" => {
            let (mut id, mut tests) = (None, Vec::new());
            let mut stack = vec![*body];
            while let Some(part) = stack.pop() {
                match part {
                    Expression::And(left, right) => stack.extend([*right, *left]),
                    part => match test(part, &variable)? {
                        Part::Id(found) => id = Some(found),
                        Part::Value(found) => tests.push(found),
                    },
                }
            }
            let id = id
                .as_deref()
                .and_then(extended::canonical)
                .ok_or_else(unsupported)?;
            Ok(Filter::Extended(id, tests))
        }
        _ => Err(unsupported()),
    }
}

enum Part {
    Id(String),
    Value(Test),
}

fn test(part: Expression, variable: &str) -> Result<Part, Fail> {
    let value = format!("{variable}/value");
    match part {
        Expression::Compare {
            path,
            op,
            value: Literal::Text(id),
        } if op == "eq" && path == format!("{variable}/id") => Ok(Part::Id(id)),
        Expression::Compare {
            path,
            op,
            value: literal,
        } if path == value => match (op.as_str(), literal) {
            ("eq", Literal::Text(text)) => Ok(Part::Value(Test::Equal(text))),
            ("ne", Literal::Text(text)) => Ok(Part::Value(Test::NotEqual(text))),
            ("ne", Literal::Null) => Ok(Part::Value(Test::Exists)),
            _ => Err(unsupported()),
        },
        Expression::Compare {
            path,
            op,
            value: Literal::Number(number),
        } if path == format!("cast({value})") => Ok(Part::Value(Test::Number(op, number))),
        Expression::Call { name, path, text } if path == value => match name.as_str() {
            "contains" => Ok(Part::Value(Test::Contains(text))),
            "startswith" => Ok(Part::Value(Test::StartsWith(text))),
            _ => Err(unsupported()),
        },
        _ => Err(unsupported()),
    }
}

/// The ids of `id eq '…' or id eq '…'`.
pub(super) fn ids(text: &str) -> Result<Vec<String>, Fail> {
    let mut found = Vec::new();
    let mut stack = vec![parse(text)?];
    while let Some(expression) = stack.pop() {
        match expression {
            Expression::Or(left, right) => stack.extend([*right, *left]),
            Expression::Compare {
                path,
                op,
                value: Literal::Text(id),
            } if op == "eq" && path.eq_ignore_ascii_case("id") => found.push(id),
            _ => return Err(Fail::query("Only 'id eq' is supported in this $filter.")),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "String {8eccc264-6880-4ebe-992f-8888d2eeaa1d} Name SyncKey";

    #[test]
    fn reads_the_filters_that_exist() {
        let text = format!(
            "singleValueExtendedProperties/Any(ep: ep/id eq '{ID}' and ep/value eq 'o''k')"
        );
        assert_eq!(
            filter(&text),
            Ok(Filter::Extended(
                ID.to_owned(),
                vec![Test::Equal("o'k".to_owned())]
            ))
        );
        assert_eq!(
            filter("emailAddresses/any(a:a/address eq 'x@y.example')"),
            Ok(Filter::Address("x@y.example".to_owned()))
        );
        let number = format!(
            "singleValueExtendedProperties/any(ep: ep/id eq '{ID}' and cast(ep/value, Edm.Int32) gt 5)"
        );
        assert_eq!(
            filter(&number),
            Ok(Filter::Extended(
                ID.to_owned(),
                vec![Test::Number("gt".to_owned(), 5)]
            ))
        );
    }

    #[test]
    fn refuses_all_others() {
        for text in [
            "displayName eq 'x'",
            "startswith(displayName,'x')",
            "emailAddresses/any(a:a/name eq 'x')",
            "emailAddresses/any(a:startswith(a/address,'x'))",
            "emailAddresses/any(a:a/address eq 'x'",
            "",
        ] {
            assert!(filter(text).is_err(), "{text}");
        }
        assert!(filter(&"(".repeat(10_000)).is_err());
        assert!(filter(&"not ".repeat(10_000)).is_err());
    }
}
