//! The forms of values. Every message ends a sentence that starts with the key's name.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use url::Url;

use super::sources::Raw;

/// A text.
pub(super) fn text(raw: &Raw) -> Result<String, String> {
    match raw {
        Raw::Text(text) | Raw::Toml(toml::Value::String(text)) => Ok(text.trim().to_owned()),
        Raw::Toml(_) => Err("is no text; put it in quotes".to_owned()),
    }
}

/// `true` or `false`.
pub(super) fn boolean(raw: &Raw) -> Result<bool, String> {
    match raw {
        Raw::Toml(toml::Value::Boolean(value)) => Ok(*value),
        Raw::Text(text) if text.trim() == "true" => Ok(true),
        Raw::Text(text) if text.trim() == "false" => Ok(false),
        _ => Err("is neither true nor false".to_owned()),
    }
}

/// A day, such as 2027-05-31: its beginning in UTC, in milliseconds since the epoch.
pub(super) fn day(raw: &Raw) -> Result<i64, String> {
    // TOML has dates of its own, which people may well write.
    let text = match raw {
        Raw::Toml(toml::Value::Datetime(date)) => date.to_string(),
        other => text(other)?,
    };
    let day: Option<jiff::civil::Date> = text.parse().ok().filter(|_| text.len() == 10);
    let begins = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
    begins
        .map(|begins| begins.timestamp().as_millisecond())
        .ok_or_else(|| format!("is {text:?}, no day such as 2027-05-31"))
}

/// A whole number between two bounds.
pub(super) fn number(min: u32, max: u32) -> impl FnOnce(&Raw) -> Result<u32, String> {
    move |raw| {
        let number = match raw {
            Raw::Toml(toml::Value::Integer(number)) => u32::try_from(*number).ok(),
            Raw::Text(text) => text.trim().parse().ok(),
            Raw::Toml(_) => None,
        };
        number
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| format!("is no whole number from {min} to {max}"))
    }
}

/// A list: of texts in TOML, separated by commas elsewhere; a single text is a list of one.
pub(super) fn list(raw: &Raw) -> Result<Vec<String>, String> {
    let items: Vec<String> = match raw {
        Raw::Text(text) => text.split(',').map(|item| item.trim().to_owned()).collect(),
        Raw::Toml(toml::Value::String(text)) => vec![text.trim().to_owned()],
        Raw::Toml(toml::Value::Array(items)) => items
            .iter()
            .map(|item| text(&Raw::Toml(item.clone())))
            .collect::<Result<_, _>>()?,
        Raw::Toml(_) => return Err("is no list of texts".to_owned()),
    };
    if items.iter().any(String::is_empty) {
        return Err("has an empty item".to_owned());
    }
    Ok(items)
}

/// A list with at least one item.
pub(super) fn filled_list(raw: &Raw) -> Result<Vec<String>, String> {
    let items = list(raw)?;
    if items.is_empty() {
        Err("is an empty list".to_owned())
    } else {
        Ok(items)
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    words: &'static [(&'static str, T)],
) -> impl FnOnce(&Raw) -> Result<T, String> {
    move |raw| {
        let text = text(raw)?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            format!("is {text:?}, which is none of {}", words.join(", "))
        })
    }
}

/// A duration such as `3s`.
pub(super) fn duration(raw: &Raw) -> Result<Duration, String> {
    let text = text(raw)?;
    parse_duration(&text)
        .ok_or_else(|| format!("is {text:?}, no duration such as 500ms, 3s, 15m, 24h or 7d"))
}

/// A duration above nothing.
pub(super) fn interval(raw: &Raw) -> Result<Duration, String> {
    let duration = duration(raw)?;
    if duration.is_zero() {
        Err("must be longer than nothing".to_owned())
    } else {
        Ok(duration)
    }
}

/// Milliseconds of a duration; a configured one always fits.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    // A bound keeps every sum with a time in milliseconds within its type.
    let longest = 10_000 * 86_400_000;
    let millis = number.parse::<u64>().ok()?.checked_mul(unit)?;
    (millis <= longest).then(|| Duration::from_millis(millis))
}

/// A size in bytes such as `4MiB`.
pub(super) fn size(raw: &Raw) -> Result<usize, String> {
    let text = text(raw)?;
    parse_size(&text)
        .filter(|size| *size > 0)
        .ok_or_else(|| format!("is {text:?}, no size such as 512KiB or 4MiB (at most 1GiB)"))
}

fn parse_size(text: &str) -> Option<usize> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: usize = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number
        .parse::<usize>()
        .ok()?
        .checked_mul(unit)
        .filter(|size| *size <= 1 << 30)
}

/// An origin: https, or http on a loopback host, without path. The value is not shown, since an
/// address may hold a password.
pub(super) fn origin(raw: &Raw) -> Result<Url, String> {
    let url = Url::parse(&text(raw)?)
        .map_err(|error| format!("is no address such as https://example.com: {error}"))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err("is plain http, which only a loopback host may be".to_owned()),
        _ => return Err("is neither https nor http".to_owned()),
    }
    let bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if bare {
        Ok(url)
    } else {
        Err("is more than an origin: leave out path, query and user".to_owned())
    }
}

/// Whether an address is of a loopback host.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A name of Tribe's, or a path of names from a relationship.
pub(super) fn names(raw: &Raw) -> Result<Vec<String>, String> {
    let paths = filled_list(raw)?;
    match paths.iter().find(|path| !path.split('/').all(is_name)) {
        None => Ok(paths),
        Some(path) => Err(format!(
            "has {path:?}, no path of names such as Person/AccountManager"
        )),
    }
}

/// One name of Tribe's.
pub(super) fn name(raw: &Raw) -> Result<String, String> {
    let name = text(raw)?;
    if name.split('/').all(is_name) {
        Ok(name)
    } else {
        Err(format!(
            "is {name:?}, no name such as FunctionOnBusinessCard"
        ))
    }
}

fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(word)
}

/// An address or a network of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether an address is of this network. An IPv4 address that came in over IPv6 counts as
    /// what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let mask = u32::MAX
                    .checked_shl(32 - u32::from(self.prefix))
                    .unwrap_or(0);
                net.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.prefix))
                    .unwrap_or(0);
                net.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let bad = || format!("has {text:?}, no address or network such as 10.0.0.0/8");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().map_err(|_| bad())?.to_canonical();
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix
                .parse::<u8>()
                .ok()
                .filter(|prefix| *prefix <= longest),
            None => Some(longest),
        };
        Ok(Network {
            address,
            prefix: prefix.ok_or_else(bad)?,
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Networks.
pub(super) fn networks(raw: &Raw) -> Result<Vec<Network>, String> {
    list(raw)?.iter().map(|item| item.parse()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn durations_take_a_number_and_a_unit() {
        let of = |text| duration(&raw(text));
        assert_eq!(of("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(of("3s"), Ok(Duration::from_secs(3)));
        assert_eq!(of("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(of("24h"), Ok(Duration::from_secs(86_400)));
        assert_eq!(of("7d"), Ok(Duration::from_secs(604_800)));
        for bad in [
            "3",
            "s",
            "3 s",
            "-3s",
            "1.5h",
            "3S",
            "99999999999999999999d",
            "10001d",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert!(interval(&raw("0s")).is_err());
    }

    #[test]
    fn sizes_are_binary_and_bounded() {
        let of = |text| size(&raw(text)).ok();
        assert_eq!(of("4MiB"), Some(4 << 20));
        assert_eq!(of("512KiB"), Some(512 << 10));
        assert_eq!(of("1GiB"), Some(1 << 30));
        assert_eq!(of("100"), Some(100));
        for bad in ["4MB", "0", "-1", "MiB", "2GiB", "18446744073709551615GiB"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn plain_http_is_for_loopback_alone() {
        for good in [
            "https://example.com",
            "https://example.com/",
            "https://example.com:8443",
            "http://localhost:8080",
            "http://127.0.0.1:1",
            "http://127.8.8.8",
            "http://[::1]:9",
        ] {
            assert!(origin(&raw(good)).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "ftp://localhost",
            "example.com",
            "https://",
        ] {
            assert!(origin(&raw(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_has_nothing_behind_it_and_is_never_shown() {
        for bad in [
            "https://example.com/v1",
            "https://example.com/?a",
            "https://example.com/#a",
            "https://user:pa55@example.com",
        ] {
            let message = origin(&raw(bad)).expect_err(bad);
            assert!(!message.contains("pa55"));
        }
    }

    #[test]
    fn networks_contain_their_own() {
        let net: Network = "10.1.0.0/16".parse().expect("a network");
        assert!(net.contains("10.1.200.3".parse().expect("ip")));
        assert!(net.contains("::ffff:10.1.0.1".parse().expect("ip")));
        assert!(!net.contains("10.2.0.1".parse().expect("ip")));
        assert!(!net.contains("::1".parse().expect("ip")));
        let one: Network = "::1".parse().expect("an address");
        assert_eq!(one.to_string(), "::1/128");
        assert!(one.contains("::1".parse().expect("ip")));
        let all: Network = "0.0.0.0/0".parse().expect("a network");
        assert!(all.contains("255.255.255.255".parse().expect("ip")));
        for bad in ["10.0.0.0/33", "::/129", "10.0.0", "10.0.0.0/", "proxy"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_paths_of_words() {
        let of = |text| names(&raw(text));
        assert_eq!(of("A,B/C").map(|paths| paths.len()), Ok(2));
        assert!(of("_9ecc8d21__d492").is_ok());
        for bad in ["9a", "a b", "a/", "/a", "a,,b", "a'"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
