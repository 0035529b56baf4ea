//! The system query options, nested ones included.

use super::{
    Refusal,
    filter::{self, Expr},
};

/// What was asked of a set, a record or an expanded link.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Names to show; none: all.
    pub select: Option<Vec<String>>,
    /// Links to follow.
    pub expand: Vec<Expand>,
    /// Which records.
    pub filter: Option<Expr>,
    /// In which order: paths, and whether downwards.
    pub order: Vec<(Vec<String>, bool)>,
    /// How many at most.
    pub top: Option<usize>,
    /// How many to leave out.
    pub skip: usize,
    /// Whether to count.
    pub count: bool,
    /// `$format`, checked to be JSON or XML.
    pub format: Option<Format>,
}

/// A link to follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Expand {
    /// Its name.
    pub nav: String,
    /// What to show of the other end.
    pub query: Query,
}

/// How to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// XML; for `$metadata` alone.
    Xml,
}

/// `$expand` within `$expand` at most.
const DEPTH: usize = 8;

/// Reads a raw query string; names without `$` are not OData's and are left alone.
///
/// # Errors
/// 400 for bad syntax and unknown system options; 501 for `$search`, `$apply` and `$compute`.
pub fn parse(raw: &str, plus_is_space: bool) -> Result<Query, Refusal> {
    let mut query = Query::default();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name, false)?, decode(value, plus_is_space)?);
        if name.starts_with('$') {
            option(&mut query, &name, &value, 0)?;
        }
    }
    Ok(query)
}

/// Percent-decodes; a `+` inside the offset of a time stays one in either mode (3.3).
fn decode(text: &str, plus_is_space: bool) -> Result<String, Refusal> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'%' {
            let pair = text
                .get(at + 1..at + 3)
                .and_then(|hex| u8::from_str_radix(hex, 16).ok());
            out.push(pair.ok_or_else(|| Refusal::bad("The query is not percent-encoded."))?);
            at += 3;
            continue;
        }
        let offset = || {
            let after = bytes.get(at + 1..at + 6);
            at > 0
                && bytes[at - 1].is_ascii_digit()
                && after.is_some_and(|a| {
                    a[2] == b':' && [0, 1, 3, 4].iter().all(|i| a[*i].is_ascii_digit())
                })
        };
        out.push(if byte == b'+' && plus_is_space && !offset() {
            b' '
        } else {
            byte
        });
        at += 1;
    }
    String::from_utf8(out).map_err(|_| Refusal::bad("The query is not UTF-8."))
}

fn option(query: &mut Query, name: &str, value: &str, depth: usize) -> Result<(), Refusal> {
    let number = || {
        value
            .trim()
            .parse::<usize>()
            .map_err(|_| Refusal::bad(format!("{name} must be a whole number, 0 or more.")))
    };
    match name {
        "$select" => query.select = Some(select(value)?),
        "$expand" => query.expand = expand(value, depth)?,
        "$filter" => query.filter = Some(filter::parse(value)?),
        "$orderby" => query.order = order(value)?,
        "$top" => query.top = Some(number()?),
        "$skip" => query.skip = number()?,
        "$count" => {
            query.count = match value.trim() {
                "true" => true,
                "false" => false,
                _ => return Err(Refusal::bad("$count must be true or false.")),
            }
        }
        "$format" if depth == 0 => query.format = Some(format(value)?),
        "$search" | "$apply" | "$compute" | "$levels" => {
            return Err(Refusal::new(501, format!("{name} is not implemented.")));
        }
        _ => {
            return Err(Refusal::bad(format!(
                "The query option '{name}' is unknown."
            )));
        }
    }
    Ok(())
}

fn format(value: &str) -> Result<Format, Refusal> {
    match value.split(';').next().unwrap_or_default().trim() {
        "json" | "application/json" => Ok(Format::Json),
        "xml" | "application/xml" => Ok(Format::Xml),
        _ => Err(Refusal::bad("The value of $format is not supported.")),
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn select(value: &str) -> Result<Vec<String>, Refusal> {
    let names: Vec<String> = value
        .split(',')
        .map(|name| name.trim().to_owned())
        .collect();
    if names.iter().all(|name| name == "*" || is_name(name)) {
        return Ok(names);
    }
    Err(Refusal::bad("$select must be a list of property names."))
}

fn order(value: &str) -> Result<Vec<(Vec<String>, bool)>, Refusal> {
    let mut keys = Vec::new();
    for item in value.split(',') {
        let mut words = item.split_whitespace();
        let path: Vec<String> = words
            .next()
            .unwrap_or_default()
            .split('/')
            .map(str::to_owned)
            .collect();
        let down = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(Refusal::bad("$orderby takes asc or desc.")),
        };
        if words.next().is_some() || !path.iter().all(|name| is_name(name)) {
            return Err(Refusal::bad("$orderby must be a list of properties."));
        }
        keys.push((path, down));
    }
    Ok(keys)
}

fn expand(value: &str, depth: usize) -> Result<Vec<Expand>, Refusal> {
    if depth >= DEPTH {
        return Err(Refusal::bad("$expand is nested too deeply."));
    }
    let mut items = Vec::new();
    for item in split(value, ',')? {
        let item = item.trim();
        let (nav, options) = match item.split_once('(') {
            Some((nav, rest)) => {
                let inner = rest
                    .strip_suffix(')')
                    .ok_or_else(|| Refusal::bad("$expand has an open parenthesis."))?;
                (nav.trim(), Some(inner))
            }
            None => (item, None),
        };
        if !is_name(nav) {
            return Err(Refusal::bad("$expand must be a list of links."));
        }
        let mut query = Query::default();
        for pair in options.map_or_else(|| Ok(Vec::new()), |inner| split(inner, ';'))? {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(Refusal::bad("An option of $expand has no value."));
            };
            option(&mut query, name.trim(), value, depth + 1)?;
        }
        items.push(Expand {
            nav: nav.to_owned(),
            query,
        });
    }
    Ok(items)
}

/// Splits outside of parentheses and quotes.
fn split(text: &str, at: char) -> Result<Vec<&str>, Refusal> {
    let (mut parts, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0_usize, false);
    for (here, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' => {
                depth = depth
                    .checked_sub(1)
                    .ok_or_else(|| Refusal::bad("A parenthesis closes nothing."))?
            }
            c if c == at && depth == 0 => {
                parts.push(&text[start..here]);
                start = here + c.len_utf8();
            }
            _ => {}
        }
    }
    if depth > 0 || quoted {
        return Err(Refusal::bad("A parenthesis or a quote is not closed."));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nested_options_are_read() {
        let raw = "$expand=Organization($select=Name;$expand=VisitingAddress($expand=Country)),Person&$top=5&$count=true&x=1";
        let query = parse(raw, true).expect("a query");
        assert_eq!(query.expand.len(), 2);
        assert_eq!(query.expand[0].query.select, Some(vec!["Name".to_owned()]));
        assert_eq!(
            query.expand[0].query.expand[0].query.expand[0].nav,
            "Country"
        );
        assert_eq!((query.top, query.count), (Some(5), true));
    }

    #[test]
    fn plus_is_a_space_only_by_switch_and_never_in_an_offset() {
        let raw = "$filter=CreationDate+ge+1970-01-01T01:00:00+01:00";
        assert!(parse(raw, true).is_ok());
        assert_eq!(parse(raw, false).map_err(|r| r.status), Err(400));
        assert!(
            parse(
                "$filter=CreationDate%20ge%201970-01-01T01:00:00+01:00",
                false
            )
            .is_ok()
        );
        assert!(
            parse(
                "$filter=CreationDate%20ge%201970-01-01T01:00:00%2B01:00",
                false
            )
            .is_ok()
        );
    }

    #[test]
    fn bad_options_are_bad_requests() {
        for raw in [
            "$top=-1",
            "$top=x",
            "$skip=-2",
            "$count=yes",
            "$foo=1",
            "$format=atom",
            "$select=a b",
            "$expand=A(",
            "$expand=A($x=1)",
            "$filter=%zz",
            "$orderby=Name up",
        ] {
            assert_eq!(parse(raw, true).map_err(|r| r.status), Err(400), "{raw}");
        }
        let deep = format!("$expand={}A{}", "A($expand=".repeat(50), ")".repeat(50));
        assert_eq!(parse(&deep, true).map_err(|r| r.status), Err(400));
    }

    proptest! {
        #[test]
        fn never_panics(raw in "(\\$(expand|filter|select|orderby|top|format)=)?\\PC{0,80}(&\\$expand=[A-Z(;=$),']{0,40})?") {
            let _ = parse(&raw, true);
            let _ = parse(&raw, false);
        }
    }
}
