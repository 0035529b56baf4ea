//! Resource paths into steps: `Set(key)/Link/Property`, keys as `(guid)` or `(ID=guid)` (3.2).

use uuid::Uuid;

use super::Refusal;

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Set, link, property, function, `$count`, `$value`.
    pub name: String,
    /// What stands in parentheses.
    pub key: Key,
}

/// What stands in parentheses after a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// No parentheses.
    None,
    /// `()`: a function.
    Empty,
    /// An id.
    Id(Uuid),
}

/// Reads a percent-encoded path below the service root.
///
/// # Errors
/// 400 for keys that are no GUID and broken encodings.
pub fn parse(raw: &str) -> Result<Vec<Step>, Refusal> {
    let raw = raw.trim_matches('/');
    if raw.is_empty() {
        return Ok(Vec::new());
    }
    raw.split('/').map(step).collect()
}

fn step(raw: &str) -> Result<Step, Refusal> {
    let text = decode(raw)?;
    let Some((name, rest)) = text.split_once('(') else {
        return Ok(Step {
            name: text,
            key: Key::None,
        });
    };
    let Some(inner) = rest.strip_suffix(')') else {
        return Err(Refusal::bad("A key has no closing parenthesis."));
    };
    if inner.is_empty() {
        return Ok(Step {
            name: name.to_owned(),
            key: Key::Empty,
        });
    }
    let guid = inner.strip_prefix("ID=").unwrap_or(inner);
    let id = (guid.len() == 36)
        .then(|| Uuid::parse_str(guid).ok())
        .flatten();
    let id = id.ok_or_else(|| Refusal::bad("The key is no GUID."))?;
    Ok(Step {
        name: name.to_owned(),
        key: Key::Id(id),
    })
}

fn decode(raw: &str) -> Result<String, Refusal> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        let (high, low) = (digit(bytes.next()), digit(bytes.next()));
        let value = high
            .zip(low)
            .and_then(|(h, l)| u8::try_from(h * 16 + l).ok());
        out.push(value.ok_or_else(|| Refusal::bad("The path is not percent-encoded."))?);
    }
    String::from_utf8(out).map_err(|_| Refusal::bad("The path is not UTF-8."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_come_in_both_forms() {
        let id = uuid::uuid!("b724d383-bb70-480a-b03d-512b9aaec15a");
        for raw in [
            format!("Team({id})/Members"),
            format!("Team(ID={id})/Members"),
            format!("Team%28{id}%29/Members"),
        ] {
            let steps = parse(&raw).expect("a path");
            assert_eq!(
                steps[0],
                Step {
                    name: "Team".to_owned(),
                    key: Key::Id(id)
                }
            );
            assert_eq!(
                steps[1],
                Step {
                    name: "Members".to_owned(),
                    key: Key::None
                }
            );
        }
        assert_eq!(
            parse("GetCurrentEmployee()").map(|s| s[0].key),
            Ok(Key::Empty)
        );
        assert_eq!(parse("Team('x')").map_err(|r| r.status), Err(400));
    }

    proptest! {
        #[test]
        fn never_panics(raw in "\\PC{0,80}") {
            let _ = parse(&raw);
        }
    }
}
