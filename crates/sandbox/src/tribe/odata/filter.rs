//! `$filter` into an expression: `eq ne gt ge lt le`, `and or not`, parentheses, `contains`,
//! `startswith`, `endswith`, paths and literals. `in` and `has` are refused (3.3).

use super::{
    Refusal,
    lex::{Token, lex},
};

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `eq`
    Eq,
    /// `ne`
    Ne,
    /// `gt`
    Gt,
    /// `ge`
    Ge,
    /// `lt`
    Lt,
    /// `le`
    Le,
}

/// A function; all ignore case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `contains`
    Contains,
    /// `startswith`
    StartsWith,
    /// `endswith`
    EndsWith,
}

/// A literal value, and what a path comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Val {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string.
    Text(String),
    /// A GUID.
    Guid(uuid::Uuid),
    /// `YYYY-MM-DD`
    Date(String),
    /// Milliseconds since the epoch.
    Time(i64),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// Any of these.
    Or(Vec<Expr>),
    /// All of these.
    And(Vec<Expr>),
    /// Not this.
    Not(Box<Expr>),
    /// A comparison.
    Compare(Op, Box<Expr>, Box<Expr>),
    /// A function of two strings.
    Call(Function, Box<Expr>, Box<Expr>),
    /// A property, through links where it has several parts.
    Path(Vec<String>),
    /// A literal.
    Literal(Val),
}

/// Parentheses, `not` and functions within each other at most: deeper is an attack, not a query.
const DEPTH: usize = 50;
/// Tokens at most; 100 terms of `ID eq …` are 400.
const TOKENS: usize = 20_000;

/// Reads a filter.
///
/// # Errors
/// 400 for bad syntax, unknown functions and operators, and expressions that are too deep; 501 for
/// lambda expressions.
pub fn parse(text: &str) -> Result<Expr, Refusal> {
    let tokens = lex(text)?;
    if tokens.len() > TOKENS {
        return Err(Refusal::bad("The filter is too long."));
    }
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        depth: 0,
    };
    let expr = parser.or()?;
    if parser.at == tokens.len() {
        Ok(expr)
    } else {
        Err(parser.unexpected())
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn unexpected(&self) -> Refusal {
        match self.tokens.get(self.at) {
            Some(Token::Word(parts))
                if parts.len() == 1 && matches!(parts[0].as_str(), "in" | "has") =>
            {
                Refusal::bad(format!("The operator '{}' is not supported.", parts[0]))
            }
            Some(_) => Refusal::bad(format!("Unexpected token {} in the filter.", self.at + 1)),
            None => Refusal::bad("The filter ends too soon."),
        }
    }

    fn keyword(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some(Token::Word(parts)) if parts.len() == 1 => Some(parts[0].as_str()),
            _ => None,
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let hit = self.keyword() == Some(word);
        self.at += usize::from(hit);
        hit
    }

    fn expect(&mut self, token: &Token) -> Result<(), Refusal> {
        if self.tokens.get(self.at) == Some(token) {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected())
    }

    fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Refusal::bad("The filter is nested too deeply."));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn or(&mut self) -> Result<Expr, Refusal> {
        let mut terms = vec![self.and()?];
        while self.take("or") {
            terms.push(self.and()?);
        }
        Ok(one_or(terms, Expr::Or))
    }

    fn and(&mut self) -> Result<Expr, Refusal> {
        let mut terms = vec![self.not()?];
        while self.take("and") {
            terms.push(self.not()?);
        }
        Ok(one_or(terms, Expr::And))
    }

    fn not(&mut self) -> Result<Expr, Refusal> {
        // A property may be called "not" only where no expression follows: Tribe has none.
        if self.take("not") {
            return self.deeper(|p| Ok(Expr::Not(Box::new(p.not()?))));
        }
        let left = self.operand()?;
        let op = match self.keyword() {
            Some("eq") => Op::Eq,
            Some("ne") => Op::Ne,
            Some("gt") => Op::Gt,
            Some("ge") => Op::Ge,
            Some("lt") => Op::Lt,
            Some("le") => Op::Le,
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.operand()?;
        Ok(Expr::Compare(op, Box::new(left), Box::new(right)))
    }

    fn operand(&mut self) -> Result<Expr, Refusal> {
        let Some(token) = self.tokens.get(self.at) else {
            return Err(self.unexpected());
        };
        let value = match token {
            Token::Open => {
                self.at += 1;
                let inner = self.deeper(Self::or)?;
                self.expect(&Token::Close)?;
                return Ok(inner);
            }
            Token::Close | Token::Comma => return Err(self.unexpected()),
            Token::Word(parts) => return self.word(parts.clone()),
            Token::Text(text) => Val::Text(text.clone()),
            Token::Guid(id) => Val::Guid(*id),
            Token::Number(number) => Val::Number(*number),
            Token::Date(date) => Val::Date(date.clone()),
            Token::Time(ms) => Val::Time(*ms),
        };
        self.at += 1;
        Ok(Expr::Literal(value))
    }

    fn word(&mut self, parts: Vec<String>) -> Result<Expr, Refusal> {
        let name = parts.join("/");
        if matches!(
            name.as_str(),
            "eq" | "ne" | "gt" | "ge" | "lt" | "le" | "and" | "or" | "in" | "has"
        ) {
            return Err(self.unexpected());
        }
        self.at += 1;
        if self.tokens.get(self.at) == Some(&Token::Open) {
            return self.call(&parts);
        }
        Ok(match name.as_str() {
            "null" => Expr::Literal(Val::Null),
            "true" => Expr::Literal(Val::Bool(true)),
            "false" => Expr::Literal(Val::Bool(false)),
            _ => Expr::Path(parts),
        })
    }

    fn call(&mut self, parts: &[String]) -> Result<Expr, Refusal> {
        let function = match parts.last().map(String::as_str) {
            Some("contains") => Function::Contains,
            Some("startswith") => Function::StartsWith,
            Some("endswith") => Function::EndsWith,
            Some("any" | "all") => {
                return Err(Refusal::new(501, "Lambda expressions are not implemented."));
            }
            _ => {
                return Err(Refusal::bad(format!(
                    "The function '{}' is not supported.",
                    parts.join("/")
                )));
            }
        };
        self.expect(&Token::Open)?;
        self.deeper(|p| {
            let left = p.operand()?;
            p.expect(&Token::Comma)?;
            let right = p.operand()?;
            p.expect(&Token::Close)?;
            Ok(Expr::Call(function, Box::new(left), Box::new(right)))
        })
    }
}

fn one_or(mut terms: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        Some(last) => {
            terms.push(last);
            many(terms)
        }
        None => many(terms),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(name: &str) -> Box<Expr> {
        Box::new(Expr::Path(name.split('/').map(str::to_owned).collect()))
    }

    #[test]
    fn precedence_is_not_then_and_then_or() {
        let text = "not IsClosed eq true and Name eq 'O''Hara' or contains(Name,'x')";
        let Ok(Expr::Or(terms)) = parse(text) else {
            panic!("no or")
        };
        assert!(
            matches!(&terms[0], Expr::And(all) if matches!(&all[0], Expr::Not(_)) && all.len() == 2)
        );
        assert!(matches!(&terms[1], Expr::Call(Function::Contains, ..)));
    }

    #[test]
    fn literals_are_told_apart() {
        for (text, value) in [
            (
                "b724d383-bb70-480a-b03d-512b9aaec15a",
                Val::Guid(uuid::uuid!("b724d383-bb70-480a-b03d-512b9aaec15a")),
            ),
            ("2021-05-17", Val::Date("2021-05-17".to_owned())),
            ("1970-01-01T00:00:01Z", Val::Time(1_000)),
            ("1970-01-01T01:00:01+01:00", Val::Time(1_000)),
            ("-12.5", Val::Number(-12.5)),
            ("'it''s'", Val::Text("it's".to_owned())),
            ("null", Val::Null),
            ("false", Val::Bool(false)),
        ] {
            let expected = Expr::Compare(Op::Eq, path("A/B"), Box::new(Expr::Literal(value)));
            assert_eq!(parse(&format!("A/B eq {text}")), Ok(expected));
        }
    }

    #[test]
    fn what_tribe_does_not_know_is_refused() {
        for (text, status) in [
            ("Name in ('a','b')", 400),
            ("Name has 'a'", 400),
            ("length(Name) eq 1", 400),
            ("Owners/any(o:o/ID eq null)", 501),
            ("Name eq", 400),
            ("Name eq 'open", 400),
            ("(Name eq 'a'", 400),
            ("Start eq 2021-13-45", 400),
            ("", 400),
            ("Name eq 'a' Name", 400),
        ] {
            assert_eq!(parse(text).map_err(|r| r.status), Err(status), "{text}");
        }
        assert_eq!(
            parse(&format!("{}A{}", "(".repeat(9999), ")".repeat(9999))).map_err(|r| r.status),
            Err(400)
        );
        assert_eq!(parse(&"not ".repeat(9000)).map_err(|r| r.status), Err(400));
    }

    #[test]
    fn a_hundred_ids_are_one_flat_or() {
        let text: Vec<_> = (0..100)
            .map(|n| format!("ID eq {}", uuid::Uuid::from_u128(n)))
            .collect();
        assert!(matches!(parse(&text.join(" or ")), Ok(Expr::Or(terms)) if terms.len() == 100));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn never_panics_on_likely_pieces(pieces in proptest::collection::vec(
            prop_oneof![
                Just("("), Just(")"), Just(","), Just("eq"), Just("not"), Just("and"), Just("or"), Just("in"),
                Just("contains"), Just("'a'"), Just("'"), Just("2021-01-01"), Just("A/B"), Just("1e9"), Just(":"), Just("é"),
            ], 0..60)
        ) {
            let _ = parse(&pieces.join(" "));
            let _ = parse(&pieces.concat());
        }
    }
}
