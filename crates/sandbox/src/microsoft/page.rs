//! The little pages of the sign-in: the form, the stop, and the form that posts itself.

use super::authorize::Params;

/// Text as it may stand in HTML and in attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

const STYLE: &str = "<style>:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;background:light-dark(#f3f4f6,#16181d);color:light-dark(#1b1f24,#e8eaed);display:grid;place-items:center;min-height:100vh;margin:0}\
main{background:light-dark(#fff,#20242b);padding:2rem;border-radius:14px;width:min(24rem,calc(100vw - 4rem));box-shadow:0 8px 30px #0003}\
h1{font-size:1.25rem;margin:0 0 .5rem}p{margin:.5rem 0 1rem}label{display:block;font-size:.875rem;margin-bottom:.25rem}\
select,button{font:inherit;width:100%;padding:.6rem .8rem;border-radius:8px;border:1px solid light-dark(#c9ced6,#454b55);background:light-dark(#fff,#16181d);color:inherit;box-sizing:border-box}\
button{margin-top:.75rem;cursor:pointer}button.primary{background:#0f6cbd;border-color:#0f6cbd;color:#fff}\
.error{color:light-dark(#a4262c,#ff99a4)}code{overflow-wrap:anywhere}</style>";

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{}</title>{STYLE}</head>\
         <body><main>{body}</main></body></html>",
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

/// The sign-in form: one post says who, and yes or no. `accounts` are `(address, name)`.
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
    let scopes = params.get("scope").map_or("", String::as_str);
    let error = error.map_or_else(String::new, |text| {
        format!("<p class=\"error\">{}</p>", escape(text))
    });
    let kept = params
        .iter()
        .filter(|(name, _)| *name != "mailbox" && *name != "decision");
    let body = format!(
        "<h1>Sign in</h1>{error}<p><strong>{}</strong> asks for: {}</p><form method=\"post\">{}\
         <label for=\"mailbox\">Account</label><select id=\"mailbox\" name=\"mailbox\">{options}</select>\
         <button class=\"primary\" name=\"decision\" value=\"accept\">Accept</button>\
         <button name=\"decision\" value=\"cancel\">Cancel</button></form>",
        escape(app),
        escape(scopes),
        hidden(kept.map(|(name, value)| (name.as_str(), value.as_str()))),
    );
    page("Sign in to the sandbox", &body)
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
        "<form method=\"post\" action=\"{}\">{fields}<button class=\"primary\">Continue</button></form>\
         <script>document.forms[0].submit()</script>",
        escape(uri)
    );
    page("Working\u{2026}", &body)
}
