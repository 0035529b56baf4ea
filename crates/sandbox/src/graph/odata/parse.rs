//! The grammar of `$filter`, as far as contacts need it.

use crate::graph::fail::Fail;

pub(super) fn unsupported() -> Fail {
    Fail::new(
        400,
        "ErrorInvalidUrlQueryFilter",
        "The query filter contains one or more invalid nodes.",
    )
}

pub(super) enum Expression {
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

pub(super) enum Literal {
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

pub(super) fn parse(text: &str) -> Result<Expression, Fail> {
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
