//! The little pages of the sign-in: the form, the stop, and the form that posts itself.

use super::authorize::Params;

use crate::pages::{self, escape};

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title>\
         <link rel=\"stylesheet\" href=\"/_sandbox/style.css\">\
         <main class=\"narrow\"><section class=\"box\">{body}</section></main></html>",
        escape(title)
    )
}

fn hidden<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    fields
        .map(|(name, value)| {
            format!(
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                escape(name),
                escape(value)
            )
        })
        .collect()
}

/// The sign-in form: one post says who (`login`), and `decision` yes or no. `accounts` are
/// `(address, name)`.
pub(super) fn form(
    params: &Params,
    app: &str,
    accounts: &[(String, String)],
    error: Option<&str>,
) -> String {
    let hint = params.get("login_hint").map_or("", String::as_str);
    let options: String = accounts
        .iter()
        .map(|(address, name)| {
            let selected = if address.eq_ignore_ascii_case(hint) {
                " selected"
            } else {
                ""
            };
            format!(
                "<option value=\"{0}\"{selected}>{1} ({0})</option>",
                escape(address),
                escape(name)
            )
        })
        .collect();
    let said = error.map_or_else(String::new, |text| {
        format!("<p class=\"said bad\" role=\"alert\">{}</p>", escape(text))
    });
    let asked = params.get("scope").map_or_else(String::new, |scope| {
        format!(
            "<p class=\"quiet\">{} asks for: {}</p>",
            escape(app),
            escape(scope)
        )
    });
    let kept = params
        .iter()
        .filter(|(name, _)| *name != "login" && *name != "decision");
    let fields = hidden(kept.map(|(name, value)| (name.as_str(), value.as_str())));
    pages::sign_in(
        "Microsoft 365",
        "",
        &format!("{said}{asked}{fields}"),
        &options,
    )
}

/// Why there is no way back to the app.
pub(super) fn stop(description: &str) -> String {
    let body = format!(
        "<h1>Sorry, but we\u{2019}re having trouble signing you in.</h1><p><code>{}</code></p>",
        escape(description)
    );
    page("Sign in", &body)
}

/// `response_mode=form_post`: a form that posts itself to the redirect URI.
pub(super) fn post_back(uri: &str, fields: &[(&'static str, String)]) -> String {
    let fields = hidden(fields.iter().map(|(name, value)| (*name, value.as_str())));
    let body = format!(
        "<form method=\"post\" action=\"{}\">{fields}<button class=\"main\">Continue</button></form>\
         <script>document.forms[0].submit()</script>",
        escape(uri)
    );
    page("Working\u{2026}", &body)
}
