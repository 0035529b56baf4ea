//! What is thrown at the readers of what strangers send: one function for each, over any bytes.
//!
//! Each must not panic, and each holds the reader to something it promises. `scripts/fuzz` drives them
//! with libFuzzer; the test `fuzz` replays the corpora in the daily run.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use tribelink::{
    clock::Clock,
    graph::{batch, id_token::Keys, notice, query as graph_query, rich, wire as graph_wire},
    remote::{
        Observer, Origin, Remote, Request, Response, Transport, TransportError, answer,
        json as strange,
    },
    tribe::{names::Names, query as tribe_query, webhook, wire as tribe_wire},
};
use tribelink_plan::{
    birthday,
    canonical::canonical,
    field::Field,
    ids::{ContactId, FolderId},
    reading::Reading,
};
use url::Url;

/// A target.
pub(crate) type Target = fn(&[u8]);

/// Every target by its name, which is that of its corpus.
pub(crate) const TARGETS: [(&str, Target); 8] = [
    ("signature", signature),
    ("tribe_json", tribe_json),
    ("graph_json", graph_json),
    ("jwt", jwt),
    ("link_url", link_url),
    ("odata", odata),
    ("dates", dates),
    ("text", text),
];

fn in_two(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n');
    match at {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}

/// A header's value, a line's end, a body: only what the secret made is a signature.
pub(crate) fn signature(data: &[u8]) {
    let (value, body) = in_two(data);
    let secret = SecretString::from("the secret of the webhook");
    let name = HeaderName::from_static("x-signature");
    let signed = |value: &[u8]| {
        let Ok(value) = HeaderValue::from_bytes(value) else {
            return false;
        };
        let headers = HeaderMap::from_iter([(name.clone(), value)]);
        webhook::is_signed(&headers, None, body, std::iter::once(&secret))
    };
    let expected = webhook::signature(&secret, body);
    assert!(signed(expected.as_bytes()), "its own signature fits");
    let compact = strange::compact(body).map(|form| webhook::signature(&secret, &form));
    let is_known = |value: &[u8]| {
        value == expected.as_bytes()
            || compact
                .as_ref()
                .is_some_and(|form| value == form.as_bytes())
    };
    if signed(value) {
        assert!(is_known(value), "a stranger's signature fits");
    }
    // Every prefix, and a changed sign at the place that the input names, is refused.
    let at = usize::from(value.first().copied().unwrap_or_default()) % expected.len();
    assert!(!signed(&expected.as_bytes()[..at]));
    let mut changed = expected.clone().into_bytes();
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    assert!(!signed(&changed));
}

/// Webhooks and answers of Tribe.
pub(crate) fn tribe_json(data: &[u8]) {
    if let Ok(delivery) = webhook::parse(data) {
        let kind = delivery.entity_type.unwrap_or_default();
        assert!(kind.len() <= 512 && !kind.contains(['\n', '\r']));
        let _ = tribe_wire::kind_of(&kind, &Names::default());
    }
    let names = Names::default();
    let _ = tribe_wire::webhooks(data);
    let _ = tribe_wire::single(data);
    let Ok(list) = tribe_wire::list(data) else {
        return;
    };
    let _ = tribe_wire::identity(&list.rows);
    for row in &list.rows {
        let _ = tribe_wire::id(row);
        let _ = tribe_wire::webhook(row);
        let _ = tribe_wire::employee(row, &names);
        for set in &names.person_sets {
            let _ = tribe_wire::relationship(row, &names, set);
            let _ = tribe_wire::sweep_row(row, &names, set);
        }
        if let Ok(person) = tribe_wire::person(row, &names) {
            no_clearing(row, person.fields.values());
        }
    }
}

/// What is not there at all is never read as emptied.
fn no_clearing<'r>(row: &Value, mut readings: impl Iterator<Item = &'r Reading>) {
    if row.as_object().is_some_and(|row| row.len() <= 1) {
        assert!(!readings.any(|reading| *reading == Reading::Empty));
    }
}

/// Made once: it takes a while.
fn opener() -> Option<&'static rich::Opener> {
    static OPENER: std::sync::OnceLock<Option<rich::Opener>> = std::sync::OnceLock::new();
    let made = OPENER.get_or_init(|| {
        let fresh = rich::make(0, 1, [0; 16]).ok()?;
        rich::Opener::new(&fresh.private_key).ok()
    });
    made.as_ref()
}

/// Notifications and answers of Graph.
pub(crate) fn graph_json(data: &[u8]) {
    if let Ok(items) = notice::notices(data) {
        for item in items.items {
            let id = item.contact.map(|id| id.as_str().to_owned());
            assert!(id.unwrap_or_default().len() <= 512);
        }
    }
    if let Ok(items) = notice::lifecycle(data) {
        items.items.iter().for_each(|item| {
            item.event.name();
        });
    }
    let Ok(body) = strange::parse::<Value>(data, 64) else {
        return;
    };
    let _ = graph_wire::contact(&body, true);
    let _ = graph_wire::delta(&body);
    let _ = graph_wire::me(&body);
    let _ = graph_wire::folder(&body);
    let _ = graph_wire::subscription(&body);
    assert!(graph_wire::error_code(&body).len() <= 256);
    if let Ok((rows, _)) = graph_wire::list(&body) {
        for row in rows {
            let _ = graph_wire::contact(row, false);
        }
    }
    // Content that nobody sealed for this service does not open.
    let items = body["value"].as_array().into_iter().flatten();
    for item in items.chain([&body]) {
        if let (Some(content), Some(opener)) =
            (rich::Encrypted::of(&item["encryptedContent"]), opener())
        {
            assert!(opener.open(&content).is_err(), "a strange content opened");
        }
    }
    if let Ok(answers) = batch::answers(&body, 20) {
        assert_eq!(answers.len(), 20);
    }
}

struct Fixed;

#[async_trait]
impl Clock for Fixed {
    fn now_ms(&self) -> i64 {
        1_795_510_800_000
    }

    async fn sleep(&self, _: Duration) {}
}

impl Observer for Fixed {
    fn called(&self, _: Remote, _: &'static str, _: Option<u16>) {}
}

const TENANT: &str = "b724d383-bb70-480a-b03d-512b9aaec15a";

/// Microsoft's keys: one, of 2048 bits, whose private half nobody kept.
const MODULUS: &str = "u1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0_IzW7yWR7QkrmBL7jTKEn5u-qKhbwKfBstIs-bMY2Zkp18gnTxKLxoS2tFczGkPLPgizskuemMghRniWaoLcyehkd3qqGElvW_VDL5AaWTg0nLVkjRo9z-40RQzuVaE8AkAFmxZzow3x-VJYKdjykkJ0iT9wCS0DRTXu269V264Vf_3jvredZiKRkgwlL9xNAwxXFg0x_XFw005UWVRIkdgcKWTjpBP2dPwVZ4WWC-9aGVd-Gyn1o0CLelf4rEjGoXbAAEgAqeGUxrcIlbjXfbcmw";

#[async_trait]
impl Transport for Fixed {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let body = match request.url.path().ends_with("keys") {
            true => {
                json!({"keys": [{"kty": "RSA", "use": "sig", "kid": "k", "n": MODULUS, "e": "AQAB"}]})
            }
            false => json!({
                "issuer": format!("https://login.example/{TENANT}/v2.0"),
                "jwks_uri": "https://login.example/keys",
            }),
        };
        Ok(Response {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.to_string().into(),
        })
    }
}

/// An id_token or a validation token: whatever nobody signed is refused.
pub(crate) fn jwt(data: &[u8]) {
    let Ok(token) = std::str::from_utf8(data) else {
        return;
    };
    let fixed = Arc::new(Fixed);
    let Ok(discovery) = Url::parse("https://login.example/discovery") else {
        return;
    };
    let keys = Keys::new(
        discovery,
        TENANT,
        "app",
        fixed.clone(),
        fixed.clone(),
        fixed,
    );
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else {
        return;
    };
    let judged = runtime.block_on(keys.identity(token.trim_end(), "nonce"));
    assert!(judged.is_err(), "a token that nobody signed was believed");
    let judged = runtime.block_on(keys.publisher(token.trim_end()));
    assert!(judged.is_err(), "a token that nobody signed was believed");
}

/// A link that a remote gave: a token goes to its own origin, whatever the link says.
pub(crate) fn link_url(data: &[u8]) {
    let Ok(link) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(own) = Url::parse("https://graph.example") else {
        return;
    };
    let Some(origin) = Origin::of(&own) else {
        return;
    };
    for url in [Url::parse(link), own.join(link)].into_iter().flatten() {
        if origin.covers(&url) {
            assert_eq!(url.scheme(), "https");
            assert_eq!(url.host_str(), Some("graph.example"));
            assert_eq!(url.port_or_known_default(), Some(443));
            assert!(url.username().is_empty() && url.password().is_none());
        }
    }
    if let Some(page) = tribelink::activation::return_to::page(&own, link) {
        // What a browser makes of it stays here.
        let landed = own.join(&page).map(|url| url.origin());
        assert_eq!(landed.ok(), Some(own.origin()), "{page}");
        assert!(page.starts_with('/') && !page.starts_with("//"));
    }
}

/// Texts in addresses and filters: they stay within their quotes and their segment.
pub(crate) fn odata(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let literal = tribe_query::literal(text);
    let inner = literal
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    let inner = inner.unwrap_or_else(|| panic!("not quoted: {literal}"));
    // Every quote inside is doubled, so that none ends the text.
    assert!(!inner.replace("''", "").contains('\''), "{literal}");
    assert_eq!(inner.replace("''", "'"), text);
    let Ok(origin) = Url::parse("https://graph.example") else {
        return;
    };
    let url = graph_query::absolute(&origin, &graph_query::contact(&ContactId(text.to_owned())));
    let segments: Vec<&str> = url
        .path_segments()
        .map(Iterator::collect)
        .unwrap_or_default();
    assert_eq!(segments.len(), 4, "{url}");
    assert_eq!(
        &segments[..3.min(segments.len())],
        &["v1.0", "me", "contacts"][..3.min(segments.len())]
    );
    assert_eq!((url.query(), url.fragment()), (None, None), "{url}");
    let url = graph_query::absolute(&origin, &graph_query::by_address(text));
    let options: Vec<_> = url
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    assert_eq!(options, ["$top", "$filter", "$select", "$expand"], "{url}");
    let filter = url
        .query_pairs()
        .nth(1)
        .map(|(_, value)| value.into_owned());
    let expected = format!("emailAddresses/any(a:a/address eq {literal})");
    assert_eq!(filter, Some(expected), "{url}");
    let url = graph_query::absolute(&origin, &graph_query::delta(&FolderId(text.to_owned())));
    assert_eq!(url.query_pairs().count(), 1, "{url}");
    let Ok(api) = Url::parse("https://api.example") else {
        return;
    };
    let query = tribe_query::Query::set("Relation_Person");
    let url = query
        .with("$filter", format!("A eq {}", tribe_query::literal(text)))
        .url(&api);
    let found: Vec<_> = url.query_pairs().collect();
    assert_eq!(found.len(), 1, "{url}");
    assert_eq!(found[0].1, format!("A eq {}", tribe_query::literal(text)));
}

/// Dates of birth and the times of answers.
pub(crate) fn dates(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for reading in [birthday::from_graph(text), birthday::from_tribe(text)] {
        if let Some(day) = reading.value() {
            // What goes to Outlook comes back as the same day.
            let sent = birthday::to_graph(day).unwrap_or_else(|| panic!("{day} cannot be sent"));
            assert_eq!(birthday::from_graph(&sent).value(), Some(day));
            assert!(!day.starts_with("1604"), "no year was invented");
        }
    }
    if let Some(wait) = answer::parse_retry_after(text, Fixed.now_ms()) {
        assert!(wait <= Duration::from_secs(7 * 24 * 3_600), "{wait:?}");
    }
}

/// Values of every field: the canonical form stays as it is, and holds no value back.
pub(crate) fn text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for field in Field::ALL {
        for region in ["NL", "US", ""] {
            let once = canonical(field, text, region);
            assert_eq!(canonical(field, &once, region), once, "{field:?}");
            if !text.trim().is_empty() {
                assert!(!once.is_empty(), "{field:?} lost {text:?}");
            }
        }
    }
    let clean = answer::clean_code(text);
    assert!(clean.len() <= 256 && !clean.contains(char::is_control));
    if let Some(form) = strange::compact(data) {
        assert!(form.len() <= data.len() * 6 + 2);
        assert_eq!(strange::depth(&form), strange::depth(data));
    }
}
