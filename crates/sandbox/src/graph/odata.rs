//! Query options: what contacts accept of them, and the filter grammar (Graph reference 2.6, 2.7).

use std::collections::BTreeSet;

use super::{
    contact::{Contact, View},
    extended::{self, Test},
    fail::Fail,
};

/// Page size where none is asked for, and the largest (Graph reference 2.6).
const PAGE: usize = 10;
const MOST: usize = 1000;

/// The options of a list.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) view: View,
    pub(super) top: usize,
    pub(super) skip: usize,
    pub(super) orderby: Vec<(String, bool)>,
    pub(super) filter: Option<Filter>,
    pub(super) count: bool,
}

/// Reads the options of a list or of a single contact.
pub(super) fn options(query: &[(String, String)], immutable: bool) -> Result<Options, Fail> {
    let mut options = Options {
        view: View {
            immutable,
            ..View::default()
        },
        top: PAGE,
        skip: 0,
        orderby: Vec::new(),
        filter: None,
        count: false,
    };
    for (name, value) in query {
        match name.as_str() {
            "$select" => options.view.select = Some(names(value)),
            "$expand" => expand(value, &mut options.view)?,
            "$top" => {
                let top = value
                    .parse()
                    .map_err(|_| Fail::query("Invalid value for $top."))?;
                if top == 0 || top > MOST {
                    return Err(Fail::query("The value of $top must be between 1 and 1000."));
                }
                options.top = top;
            }
            "$skip" => {
                options.skip = value
                    .parse()
                    .map_err(|_| Fail::query("Invalid value for $skip."))?
            }
            "$orderby" => options.orderby = order(value)?,
            "$filter" => options.filter = Some(filter(value)?),
            "$count" => options.count = value == "true",
            "$search" => return Err(Fail::query("$search is not supported for contacts.")),
            name if name.starts_with('$') => {
                return Err(Fail::query(format!(
                    "The query parameter '{name}' is not supported."
                )));
            }
            _ => {}
        }
    }
    Ok(options)
}

/// The names in `$select`.
pub(super) fn names(value: &str) -> BTreeSet<String> {
    value
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Splits at a separator outside parentheses and quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut quoted, mut from, mut parts) = (0i32, false, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            letter if letter == separator && depth == 0 && !quoted => {
                parts.push(&text[from..at]);
                from = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

fn expand(value: &str, view: &mut View) -> Result<(), Fail> {
    for part in split(value, ',') {
        let part = part.trim();
        let (name, inner) = match part.split_once('(') {
            Some((name, inner)) => (name.trim(), inner.strip_suffix(')')),
            None => (part, None),
        };
        let condition = inner
            .into_iter()
            .flat_map(|inner| split(inner, ';'))
            .find_map(|option| {
                option
                    .trim()
                    .strip_prefix("$filter=")
                    .or_else(|| option.trim().strip_prefix("$filter ="))
            });
        match name {
            "singleValueExtendedProperties" => {
                // Without a filter there is nothing to list (Graph reference 2.7).
                let condition = condition.ok_or_else(|| {
                    Fail::query("$expand of extended properties needs a $filter on id.")
                })?;
                for id in ids(condition)? {
                    view.extended
                        .push(extended::canonical(&id).ok_or_else(|| {
                            Fail::query("The extended property id is not valid.")
                        })?);
                }
            }
            "extensions" => {
                let id = condition
                    .map(ids)
                    .transpose()?
                    .and_then(|ids| ids.into_iter().next());
                if id.as_deref().is_some_and(|id| {
                    !id.starts_with("Microsoft.OutlookServices.OpenTypeExtension.")
                }) {
                    return Err(Fail::new(
                        500,
                        "ErrorInternalServerError",
                        "An internal server error occurred.",
                    ));
                }
                view.extensions = Some(id);
            }
            other => {
                return Err(Fail::query(format!(
                    "Could not find a property named '{other}' on type 'microsoft.graph.contact'."
                )));
            }
        }
    }
    Ok(())
}

/// The ids of `id eq '…' or id eq '…'`.
fn ids(text: &str) -> Result<Vec<String>, Fail> {
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

fn order(value: &str) -> Result<Vec<(String, bool)>, Fail> {
    value
        .split(',')
        .map(|part| {
            let mut words = part.split_whitespace();
            let name = words
                .next()
                .ok_or_else(|| Fail::query("Invalid $orderby."))?;
            let descending = match words.next() {
                None | Some("asc") => false,
                Some("desc") => true,
                Some(_) => return Err(Fail::query("Invalid $orderby.")),
            };
            Ok((name.to_owned(), descending))
        })
        .collect()
}

/// A `$filter` that contacts understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Address(String),
    Extended(String, Vec<Test>),
}

impl Filter {
    /// Whether it finds a contact; extended properties are seen as of `seen_ms`.
    pub(super) fn finds(&self, contact: &Contact, seen_ms: i64) -> bool {
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

fn unsupported() -> Fail {
    Fail::new(
        400,
        "ErrorInvalidUrlQueryFilter",
        "The query filter contains one or more invalid nodes.",
    )
}

/// Reads a `$filter`.
pub(super) fn filter(text: &str) -> Result<Filter, Fail> {
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

enum Expression {
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Any {
        collection: String,
        variable: String,
        body: Box<Expression>,
    },
    /// `path` is `cast(x)` for `cast(x, Edm.Int32)`.
    Compare {
        path: String,
        op: String,
        value: Literal,
    },
    Call {
        name: String,
        path: String,
        text: String,
    },
}

enum Literal {
    Text(String),
    Number(i64),
    Null,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
    Colon,
}

fn tokens(text: &str) -> Result<Vec<Token>, Fail> {
    let mut found = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' => {}
            '(' => found.push(Token::Open),
            ')' => found.push(Token::Close),
            ',' => found.push(Token::Comma),
            ':' => found.push(Token::Colon),
            '\'' => {
                let mut word = String::new();
                loop {
                    match letters.next() {
                        Some('\'') if letters.peek() == Some(&'\'') => {
                            letters.next();
                            word.push('\'');
                        }
                        Some('\'') => break,
                        Some(other) => word.push(other),
                        None => return Err(unsupported()),
                    }
                }
                found.push(Token::Text(word));
            }
            other => {
                let mut word = String::from(other);
                while let Some(next) = letters
                    .peek()
                    .filter(|next| next.is_alphanumeric() || "/._-@".contains(**next))
                {
                    word.push(*next);
                    letters.next();
                }
                found.push(Token::Word(word));
            }
        }
    }
    Ok(found)
}

fn parse(text: &str) -> Result<Expression, Fail> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let expression = parser.or()?;
    if parser.at == parser.tokens.len() {
        Ok(expression)
    } else {
        Err(unsupported())
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: u32,
}

impl Parser {
    fn peek_word(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn take(&mut self) -> Result<Token, Fail> {
        let token = self.tokens.get(self.at).cloned().ok_or_else(unsupported)?;
        self.at += 1;
        Ok(token)
    }

    fn expect(&mut self, token: &Token) -> Result<(), Fail> {
        if self.take()? == *token {
            Ok(())
        } else {
            Err(unsupported())
        }
    }

    fn word(&mut self) -> Result<String, Fail> {
        match self.take()? {
            Token::Word(word) => Ok(word),
            _ => Err(unsupported()),
        }
    }

    fn or(&mut self) -> Result<Expression, Fail> {
        // A filter comes from outside: nesting has an end.
        self.depth += 1;
        if self.depth > 32 {
            return Err(unsupported());
        }
        let mut left = self.and()?;
        while self.peek_word() == Some("or") {
            self.at += 1;
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, Fail> {
        let mut left = self.one()?;
        while self.peek_word() == Some("and") {
            self.at += 1;
            left = Expression::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Expression, Fail> {
        if self.tokens.get(self.at) == Some(&Token::Open) {
            self.at += 1;
            let inner = self.or()?;
            self.expect(&Token::Close)?;
            return Ok(inner);
        }
        let word = self.word()?;
        if word == "not" {
            self.depth += 1;
            if self.depth > 32 {
                return Err(unsupported());
            }
            let inner = self.one()?;
            self.depth -= 1;
            return Ok(Expression::Not(Box::new(inner)));
        }
        if self.tokens.get(self.at) != Some(&Token::Open) {
            return self.compare(word);
        }
        self.at += 1;
        if let Some((collection, any)) = word.rsplit_once('/')
            && any.eq_ignore_ascii_case("any")
        {
            let variable = self.word()?;
            self.expect(&Token::Colon)?;
            let body = Box::new(self.or()?);
            self.expect(&Token::Close)?;
            return Ok(Expression::Any {
                collection: collection.to_owned(),
                variable,
                body,
            });
        }
        let path = self.word()?;
        self.expect(&Token::Comma)?;
        if word == "cast" {
            self.word()?;
            self.expect(&Token::Close)?;
            return self.compare(format!("cast({path})"));
        }
        let Token::Text(text) = self.take()? else {
            return Err(unsupported());
        };
        self.expect(&Token::Close)?;
        Ok(Expression::Call {
            name: word,
            path,
            text,
        })
    }

    fn compare(&mut self, path: String) -> Result<Expression, Fail> {
        let op = self.word()?;
        if !["eq", "ne", "gt", "ge", "lt", "le"].contains(&op.as_str()) {
            return Err(unsupported());
        }
        let value = match self.take()? {
            Token::Text(text) => Literal::Text(text),
            Token::Word(word) if word == "null" => Literal::Null,
            Token::Word(word) => Literal::Number(word.parse().map_err(|_| unsupported())?),
            _ => return Err(unsupported()),
        };
        Ok(Expression::Compare { path, op, value })
    }
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
