//! `$filter` into tokens.

use uuid::Uuid;

use super::Refusal;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// A keyword, a function or a path; its parts were separated by `/`.
    Word(Vec<String>),
    /// `'…'` with doubled quotes undone.
    Text(String),
    /// A GUID.
    Guid(Uuid),
    /// A number.
    Number(f64),
    /// `YYYY-MM-DD`.
    Date(String),
    /// A point in time, in milliseconds.
    Time(i64),
}

/// Splits a filter into tokens.
///
/// # Errors
/// 400 for anything that is no token.
pub fn lex(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            ' ' | '\t' => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            ',' => tokens.push(Token::Comma),
            '\'' => {
                let mut value = String::new();
                loop {
                    match chars.next() {
                        Some((_, '\'')) if chars.next_if(|(_, c)| *c == '\'').is_some() => {
                            value.push('\'')
                        }
                        Some((_, '\'')) => break,
                        Some((_, c)) => value.push(c),
                        None => return Err(Refusal::bad("A string literal is not closed.")),
                    }
                }
                tokens.push(Token::Text(value));
            }
            c if run_char(c) => {
                let mut end = at + c.len_utf8();
                while let Some((at, c)) = chars.next_if(|(_, c)| run_char(*c)) {
                    end = at + c.len_utf8();
                }
                tokens.push(run(&text[at..end])?);
            }
            c => {
                return Err(Refusal::bad(format!(
                    "The character '{c}' is not allowed here."
                )));
            }
        }
    }
    Ok(tokens)
}

fn run_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '/' | '.' | ':' | '+' | '-')
}

/// A GUID, a date, a time, a number or a word: told apart by their form, since a GUID may begin
/// with a letter.
fn run(text: &str) -> Result<Token, Refusal> {
    if text.len() == 36
        && let Ok(id) = Uuid::parse_str(text)
    {
        return Ok(Token::Guid(id));
    }
    let first = text.chars().next().unwrap_or(' ');
    if first.is_ascii_digit() || matches!(first, '-' | '+' | '.') {
        return literal(text);
    }
    if text.contains(':') && !text.contains(['+', '-']) {
        return Err(Refusal::new(501, "Lambda expressions are not implemented."));
    }
    let parts: Vec<String> = text.split('/').map(str::to_owned).collect();
    let sound = |part: &String| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '$'))
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.'))
    };
    if parts.iter().all(sound) {
        Ok(Token::Word(parts))
    } else {
        Err(Refusal::bad(format!("'{text}' is no expression.")))
    }
}

fn literal(text: &str) -> Result<Token, Refusal> {
    let bad = || Refusal::bad(format!("'{text}' is no literal."));
    if text.len() == 10 && text.as_bytes().get(4) == Some(&b'-') {
        return text
            .parse::<jiff::civil::Date>()
            .map(|date| Token::Date(date.to_string()))
            .map_err(|_| bad());
    }
    if text.contains('T') {
        return text
            .parse::<jiff::Timestamp>()
            .map(|time| Token::Time(time.as_millisecond()))
            .map_err(|_| bad());
    }
    // Only plain numbers: Rust would also read "inf" and "nan".
    if text
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E'))
    {
        return text.parse::<f64>().map(Token::Number).map_err(|_| bad());
    }
    Err(bad())
}
