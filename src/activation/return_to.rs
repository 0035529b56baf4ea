//! Where a browser may go after consent (pure).

use url::Url;

/// Longest path that is kept.
const MAX: usize = 512;

/// Parts of the service that do something when they are opened, or answer no people.
const NO_PAGES: [&str; 5] = ["/api", "/oauth", "/consent", "/webhooks", "/metrics"];

/// The path, query and fragment of a page of this service; `None` for everything else: another
/// origin in any disguise, or a route that is no page.
pub fn page(public_url: &Url, wanted: &str) -> Option<String> {
    let is_plain = wanted.len() <= MAX
        && wanted
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if !is_plain {
        return None;
    }
    let is_path = wanted.starts_with('/') && !wanted.starts_with("//");
    let is_absolute = wanted.starts_with("https://") || wanted.starts_with("http://");
    if !is_path && !is_absolute {
        return None;
    }
    let url = public_url.join(wanted).ok()?;
    let same_origin = url.origin() == public_url.origin()
        && url.username().is_empty()
        && url.password().is_none();
    // `/%2e%2e/` and `//` inside are no pages of ours; a browser or a proxy may read them anew.
    let path = url.path();
    if !same_origin || path.contains("//") || path.contains('%') {
        return None;
    }
    let is_page = !NO_PAGES.iter().any(|part| {
        path.strip_prefix(part)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    is_page.then(|| url[url::Position::BeforePath..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_service() {
        let base = Url::parse("https://link.example.nl").unwrap();
        let page = |wanted| page(&base, wanted);
        assert_eq!(page("/"), Some("/".to_owned()));
        assert_eq!(page("/?done=1#top"), Some("/?done=1#top".to_owned()));
        assert_eq!(
            page("https://link.example.nl/welcome"),
            Some("/welcome".to_owned())
        );
        for wrong in [
            "",
            "welcome",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example/",
            "https://link.example.nl.evil.example/",
            "https://link.example.nl@evil.example/",
            "https://user@link.example.nl/",
            "http://link.example.nl/",
            "https://link.example.nl:444/",
            "javascript:alert(1)",
            "/%2f%2fevil.example",
            "/a//b",
            "/..//evil.example",
            "/\tevil",
            "/\u{0}",
            "/oauth/microsoft/callback?code=1",
            "/consent/x",
            "/api/v1/users",
        ] {
            assert_eq!(page(wrong), None, "{wrong:?}");
        }
        assert_eq!(page(&format!("/{}", "a".repeat(600))), None);
    }
}
