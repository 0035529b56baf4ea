//! Single-value extended properties: ids, and the filter over them (Graph reference 2.7).

use serde_json::Value;

use super::fail::Fail;

/// One property of one contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extended {
    /// The id as it is shown.
    pub(super) id: String,
    pub(super) value: String,
    /// Since when it has this value: the filter may see it only later.
    pub(super) since_ms: i64,
}

/// The one way of writing an id: type capitalised, GUID in lower case, a name as it is (it is
/// case-sensitive), a number in lower-case hex.
pub(super) fn canonical(id: &str) -> Option<String> {
    let (kind, rest) = id.trim().split_once(' ')?;
    let kind = [
        "String",
        "Integer",
        "Boolean",
        "Double",
        "SystemTime",
        "Binary",
        "Short",
        "Long",
        "CLSID",
    ]
    .into_iter()
    .find(|known| known.eq_ignore_ascii_case(kind))?;
    let rest = rest.trim();
    let Some(rest) = rest.strip_prefix('{') else {
        let number = rest
            .strip_prefix("0x")
            .or_else(|| rest.strip_prefix("0X"))?;
        let number = u32::from_str_radix(number, 16).ok()?;
        return Some(format!("{kind} 0x{number:x}"));
    };
    let (guid, rest) = rest.split_once('}')?;
    let guid = uuid::Uuid::parse_str(guid.trim()).ok()?;
    let (word, name) = rest.trim().split_once(' ')?;
    let name = name.trim();
    if word.eq_ignore_ascii_case("name") && !name.is_empty() {
        return Some(format!("{kind} {{{guid}}} Name {name}"));
    }
    let number = name
        .strip_prefix("0x")
        .or_else(|| name.strip_prefix("0X"))?;
    let number = u32::from_str_radix(number, 16).ok()?;
    word.eq_ignore_ascii_case("id")
        .then(|| format!("{kind} {{{guid}}} Id 0x{number:x}"))
}

/// Reads the inline list of a body.
pub(super) fn inline(list: &Value) -> Result<Vec<(String, Option<String>)>, Fail> {
    let bad = || {
        Fail::new(
            400,
            "ErrorInvalidProperty",
            "The extended property is not valid.",
        )
    };
    let items = list.as_array().ok_or_else(bad)?;
    items
        .iter()
        .map(|item| {
            let id = item["id"].as_str().and_then(canonical).ok_or_else(bad)?;
            match &item["value"] {
                Value::String(value) => Ok((id, Some(value.clone()))),
                Value::Null => Ok((id, None)),
                _ => Err(bad()),
            }
        })
        .collect()
}

/// What is asked of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Equal(String),
    NotEqual(String),
    Contains(String),
    StartsWith(String),
    Exists,
    /// `cast(ep/value, Edm.Int32)` compared with a number.
    Number(String, i64),
}

impl Test {
    /// Values compare without regard to case (Graph reference 2.7).
    pub(super) fn holds(&self, value: &str) -> bool {
        let value = value.to_lowercase();
        match self {
            Self::Equal(text) => value == text.to_lowercase(),
            Self::NotEqual(text) => value != text.to_lowercase(),
            Self::Contains(text) => value.contains(&text.to_lowercase()),
            Self::StartsWith(text) => value.starts_with(&text.to_lowercase()),
            Self::Exists => true,
            Self::Number(op, number) => value.parse::<i64>().is_ok_and(|value| match op.as_str() {
                "eq" => value == *number,
                "ne" => value != *number,
                "gt" => value > *number,
                "ge" => value >= *number,
                "lt" => value < *number,
                _ => value <= *number,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_way_of_writing() {
        let id = canonical("string {8ECCC264-6880-4EBE-992F-8888D2EEAA1D} name SyncKey");
        assert_eq!(
            id.as_deref(),
            Some("String {8eccc264-6880-4ebe-992f-8888d2eeaa1d} Name SyncKey")
        );
        assert_ne!(
            id,
            canonical("String {8eccc264-6880-4ebe-992f-8888d2eeaa1d} Name synckey")
        );
        assert_eq!(
            canonical("Integer {8eccc264-6880-4ebe-992f-8888d2eeaa1d} Id 0x8012").as_deref(),
            Some("Integer {8eccc264-6880-4ebe-992f-8888d2eeaa1d} Id 0x8012")
        );
        assert_eq!(
            canonical("String 0x4001001E").as_deref(),
            Some("String 0x4001001e")
        );
        assert_eq!(canonical("SyncKey"), None);
    }

    #[test]
    fn values_compare_without_case_and_numbers_as_numbers() {
        assert!(Test::Equal("abc".into()).holds("ABC"));
        assert!(Test::Number("gt".into(), 9).holds("10"));
        assert!(!Test::NotEqual("x".into()).holds("X"));
    }
}
