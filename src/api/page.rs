//! The page at `/` and what belongs to it: plain HTML, CSS and JavaScript modules, embedded in the
//! program. Nothing comes from another host, nothing stands inline.

use axum::{
    extract::Path,
    response::{Html, IntoResponse as _, Response},
};
use http::{HeaderName, HeaderValue, header};

use super::Problem;

const STYLE: &str = include_str!("../page/page.css");

/// Name, kind and content of every asset.
const ASSETS: &[(&str, &str, &str)] = &[
    ("page.css", "text/css; charset=utf-8", STYLE),
    (
        "icon.svg",
        "image/svg+xml",
        include_str!("../page/icon.svg"),
    ),
    ("page.js", SCRIPT, include_str!("../page/page.js")),
    ("api.js", SCRIPT, include_str!("../page/api.js")),
    ("dom.js", SCRIPT, include_str!("../page/dom.js")),
    ("words.js", SCRIPT, include_str!("../page/words.js")),
    ("nl.js", SCRIPT, include_str!("../page/nl.js")),
    ("sign_in.js", SCRIPT, include_str!("../page/sign_in.js")),
    ("own.js", SCRIPT, include_str!("../page/own.js")),
    ("people.js", SCRIPT, include_str!("../page/people.js")),
    ("person.js", SCRIPT, include_str!("../page/person.js")),
    ("overview.js", SCRIPT, include_str!("../page/overview.js")),
    ("users.js", SCRIPT, include_str!("../page/users.js")),
    ("care.js", SCRIPT, include_str!("../page/care.js")),
    ("audit.js", SCRIPT, include_str!("../page/audit.js")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Scripts and styles from this service alone; the form is the sign-in's.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                   connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The page.
pub async fn page() -> Response {
    let mut response = Html(include_str!("../page/index.html")).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CSP),
    );
    response
}

/// One of its assets. They change with the program: browsers ask again each time.
pub async fn asset(Path(name): Path<String>) -> Response {
    let Some((_, kind, content)) = ASSETS.iter().find(|(known, ..)| *known == name) else {
        return Problem::not_found("asset").into_response();
    };
    let headers: [(HeaderName, &'static str); 2] = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, *content).into_response()
}

/// A whole HTML document. Title and body are this program's own texts, never anybody's input.
pub fn document(language: &str, title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · tribelink</title>\n<link rel=\"icon\" href=\"/assets/icon.svg\">\n\
         <link rel=\"stylesheet\" href=\"/assets/page.css\">\n</head>\n\
         <body class=\"plain\">\n<main>\n{body}\n<p><a href=\"/\">tribelink</a></p>\n</main>\n</body>\n</html>\n"
    )
}
