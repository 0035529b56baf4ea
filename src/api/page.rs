//! The page at `/`: what this is, and where to go from here.

use axum::{
    http::{HeaderName, header},
    response::Html,
};

const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1b2430; --paper: #fbfbf9; --line: #d8dce2; --accent: #0b62a4 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebef; --paper: #14181d; --line: #333b45; --accent: #7cbcf0 } }
* { box-sizing: border-box }
body { margin: 0; font: 1.05rem/1.6 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
main { max-width: 42rem; margin: 0 auto; padding: 4rem 1.5rem }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1rem }
a { color: var(--accent) }
ul { padding: 0; list-style: none; border-top: 1px solid var(--line); margin-top: 2rem }
li { padding: .75rem 0; border-bottom: 1px solid var(--line) }
li span { display: block; font-size: .9rem; opacity: .8 }
";

/// What this is.
pub async fn page() -> Html<String> {
    Html(document(
        "tribelink",
        "<h1>tribelink</h1>\n\
         <p>Keeps the people of Tribe CRM and the Outlook address books of its users in step, both \
         ways. Employees connect their mailbox with the link that their administrator sends \
         them.</p>\n\
         <ul>\n\
         <li><a href=\"/openapi.yaml\">API description</a><span>OpenAPI, also as \
         <a href=\"/openapi.json\">JSON</a>: every route with its errors and examples</span></li>\n\
         <li><a href=\"/readyz\">Readiness</a><span>Whether changes can be accepted and kept \
         now</span></li>\n\
         <li><code>tribelink doctor</code><span>Checks configuration, database, sign-in, webhooks and \
         clocks, and says what to do</span></li>\n\
         </ul>",
    ))
}

/// Its style, from a file of its own: the content security policy allows none inside a page.
pub async fn css() -> ([(HeaderName, &'static str); 2], &'static str) {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, STYLE)
}

/// A whole HTML document. Title and body are this program's own texts, never anybody's input.
pub fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<link rel=\"stylesheet\" href=\"/assets/page.css\">\n</head>\n\
         <body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
}
