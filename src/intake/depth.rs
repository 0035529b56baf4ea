//! A bound on how deep JSON may nest, judged before any parser recurses into it.

/// Whether brackets nest no deeper than `max`, outside of strings. Says nothing about whether it is
/// JSON at all.
pub fn is_within(json: &[u8], max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > max {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_brackets_outside_of_strings() {
        assert!(is_within(br#"{"a":[1,{"b":2}]}"#, 3));
        assert!(!is_within(br#"{"a":[1,{"b":2}]}"#, 2));
        assert!(is_within(br#"{"a":"[[[[\"[[[["}"#, 1));
        assert!(!is_within("[".repeat(100_000).as_bytes(), 32));
        assert!(is_within("[]".repeat(1000).as_bytes(), 1));
    }
}
