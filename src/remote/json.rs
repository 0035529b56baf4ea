//! JSON text that strangers send: how deep it is, and its compact form (pure).

/// How deep what strangers send may nest; both vendors stay under ten.
pub const MAX_DEPTH: usize = 32;

/// Why a body was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadJson {
    /// Not JSON.
    #[error("not JSON")]
    NotJson,
    /// Nested deeper than allowed.
    #[error("nested too deep")]
    TooDeep,
}

/// Parses text that is nested no deeper than `max_depth`.
///
/// The depth is counted before anything is built, so that a hostile body costs one pass.
///
/// # Errors
/// When it is deeper, or no JSON.
pub fn parse<'b, T: serde::Deserialize<'b>>(
    body: &'b [u8],
    max_depth: usize,
) -> Result<T, BadJson> {
    if depth(body) > max_depth {
        return Err(BadJson::TooDeep);
    }
    serde_json::from_slice(body).map_err(|_| BadJson::NotJson)
}

/// How deep objects and lists are nested; for text that is no JSON, an upper bound.
pub fn depth(body: &[u8]) -> usize {
    let (mut now, mut deepest) = (0_usize, 0);
    let mut in_text = false;
    let mut escaped = false;
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The text as `JSON.stringify` would write it: no white space outside strings, strings with only
/// the escapes they need, members in the order they stand. `None` where a string is broken.
pub fn compact(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut out = Vec::with_capacity(body.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let end = string_end(rest)?;
            let value: String = serde_json::from_str(rest.get(..end)?).ok()?;
            serde_json::to_writer(&mut out, &value).ok()?;
            rest = rest.get(end..)?;
        } else {
            if !matches!(first, ' ' | '\t' | '\n' | '\r') {
                out.extend_from_slice(rest.get(..first.len_utf8())?.as_bytes());
            }
            rest = rest.get(first.len_utf8()..)?;
        }
    }
    Some(out)
}

/// Where the string that starts here ends, the closing quote included.
fn string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_ignores_what_stands_in_strings() {
        assert_eq!(depth(br#"{"a":[1,{"b":2}]}"#), 3);
        assert_eq!(depth(br#"{"a":"[[[[\"[[["}"#), 1);
        assert_eq!(depth(b"1"), 0);
    }

    #[test]
    fn a_deep_body_is_refused_before_it_is_built() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(
            parse::<serde_json::Value>(deep.as_bytes(), 16),
            Err(BadJson::TooDeep)
        );
        assert_eq!(
            parse::<serde_json::Value>(b"{\"a\"", 16),
            Err(BadJson::NotJson)
        );
    }

    #[test]
    fn compact_keeps_order_and_values() {
        let loose = "{ \"b\" : \"x  \\u00e9\\/\\n\" ,\r\n\t\"a\" : [ 1.50 , true ] }";
        assert_eq!(
            String::from_utf8(compact(loose.as_bytes()).unwrap()).unwrap(),
            "{\"b\":\"x  é/\\n\",\"a\":[1.50,true]}"
        );
        assert_eq!(compact(b"{\"a"), None);
    }
}
