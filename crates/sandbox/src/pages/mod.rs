//! The pages for people: an index, Tribe's people, Outlook's contacts.
//!
//! Plain HTML, CSS and a little JavaScript, embedded; nothing is loaded from elsewhere, and a
//! content security policy keeps it so. [`outlook`] brings its own routes.

pub mod outlook;

use axum::{
    Router,
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use http::header;

use crate::state::Shared;

/// All pages.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/_sandbox/") }))
        .route(
            "/_sandbox",
            get(|| async { Redirect::temporary("/_sandbox/") }),
        )
        .route(
            "/_sandbox/",
            get(|| async { page(include_str!("index.html")) }),
        )
        .route(
            "/_sandbox/tribe",
            get(|| async { page(include_str!("tribe.html")) }),
        )
        .route(
            "/_sandbox/tribe.js",
            get(|| async { asset("text/javascript", include_str!("tribe.js")) }),
        )
        .route(
            "/_sandbox/icon.svg",
            get(|| async { asset("image/svg+xml", include_str!("icon.svg")) }),
        )
        .route(
            "/_sandbox/style.css",
            get(|| async { asset("text/css", include_str!("style.css")) }),
        )
        .merge(outlook::router())
}

/// An embedded page, kept from loading or sending anything elsewhere.
pub fn page(html: &'static str) -> Response {
    let policy = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
    (
        [
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ],
        Html(html),
    )
        .into_response()
}

/// An embedded script or style sheet.
pub fn asset(kind: &'static str, text: &'static str) -> Response {
    let kind = format!("{kind}; charset=utf-8");
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-cache".to_owned()),
        ],
        text,
    )
        .into_response()
}

/// Text made safe inside HTML, attributes included.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A sign-in form, one post: `login` says who, `decision` is `allow` or `deny`. `hidden` and
/// `options` are HTML and must be escaped already.
#[must_use]
pub fn sign_in(title: &str, action: &str, hidden: &str, options: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Sign in to {title}</title><link rel=\"stylesheet\" href=\"/_sandbox/style.css\">\
         <main class=\"narrow\"><section class=\"box\"><h1>Sign in to {title}</h1><form method=\"post\" action=\"{action}\">{hidden}\
         <label>Who are you?<select name=\"login\">{options}</select></label>\
         <p class=\"row\"><button class=\"main\" name=\"decision\" value=\"allow\">Sign in and allow</button>\
         <button name=\"decision\" value=\"deny\">Deny</button></p></form></section></main></html>"
    )
}
