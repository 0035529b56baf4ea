//! The language of the plain pages that browsers get before the page itself: the browser's own, since
//! what a user chose on the page rests there.

use axum::{
    body::Body,
    response::{Html, IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::page::document;

/// A title and a text of this program, in English; travels with the answer that shows it.
#[derive(Clone, Copy)]
pub(super) struct Said {
    title: &'static str,
    text: &'static str,
}

/// A page with a title and a paragraph: this program's own texts, never anybody's input.
pub(super) fn message(status: StatusCode, title: &'static str, text: &'static str) -> Response {
    let said = Said { title, text };
    let mut response = (status, Html(said.page("en", title, text))).into_response();
    response.extensions_mut().insert(said);
    response
}

impl Said {
    fn page(self, language: &str, title: &str, text: &str) -> String {
        document(language, title, &format!("<h1>{title}</h1>\n<p>{text}</p>"))
    }
}

/// Says it in the language of whoever asked, where there is one.
pub(super) fn in_language(asked: Option<&HeaderValue>, response: &mut Response) {
    let Some(said) = response.extensions().get::<Said>().copied() else {
        return;
    };
    let mut language = "en";
    let words = (dutch(said.title), dutch(said.text));
    if let (true, (Some(title), Some(text))) = (prefers_dutch(asked), words) {
        language = "nl";
        *response.body_mut() = Body::from(said.page(language, title, text));
    }
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language));
    headers.insert(header::VARY, HeaderValue::from_static("accept-language"));
}

/// Whether Dutch comes before English in what a browser asks for (RFC 9110, 12.5.4); of equals the
/// first counts.
fn prefers_dutch(asked: Option<&HeaderValue>) -> bool {
    let asked = asked
        .and_then(|asked| asked.to_str().ok())
        .unwrap_or_default();
    let mut best: Option<(bool, f32)> = None;
    for range in asked.split(',') {
        let (tag, weight) = range.split_once(';').unwrap_or((range, ""));
        let weight = weight.trim().strip_prefix("q=");
        let weight: f32 = weight.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
        let tag = tag.trim().to_ascii_lowercase();
        let is_dutch = match tag.split('-').next() {
            Some("nl") => true,
            Some("en") => false,
            _ => continue,
        };
        if weight > 0.0 && best.is_none_or(|(_, before)| weight > before) {
            best = Some((is_dutch, weight));
        }
    }
    best.is_some_and(|(is_dutch, _)| is_dutch)
}

fn dutch(english: &str) -> Option<&'static str> {
    let found = DUTCH.iter().find(|(known, _)| *known == english);
    found.map(|(_, dutch)| *dutch)
}

#[rustfmt::skip]
const DUTCH: &[(&str, &str)] = &[
    ("Connected", "Gekoppeld"),
    ("Not connected", "Niet gekoppeld"),
    ("Not signed in", "Niet ingelogd"),
    ("Your Outlook address book is connected to Tribe CRM. You can close this page.",
     "Je Outlook-adresboek is gekoppeld aan Tribe CRM. Je kunt deze pagina sluiten."),
    ("Tribe CRM is connected. You can close this page.",
     "Tribe CRM is gekoppeld. Je kunt deze pagina sluiten."),
    // Signing in to the page.
    ("This way of signing in is not set up. Go back to the page and choose another.",
     "Deze manier van inloggen is niet ingericht. Ga terug naar de pagina en kies een andere."),
    ("This sign-in is not valid any more: it works once and for ten minutes. Go back to the page and sign in again.",
     "Deze inlogpoging is niet meer geldig: ze werkt één keer en tien minuten lang. Ga terug naar de pagina en log opnieuw in."),
    ("The sign-in came back without the cookie that was set when it began. Sign in within one and the same browser, with cookies allowed.",
     "De inlogpoging kwam terug zonder de cookie die aan het begin werd gezet. Log in binnen één en dezelfde browser, met cookies toegestaan."),
    ("You did not sign in. Go back to the page when you want to try again.",
     "Je hebt niet ingelogd. Ga terug naar de pagina als je het opnieuw wilt proberen."),
    ("Your account has no role here. Ask your administrator for one.",
     "Je account heeft hier geen rol. Vraag er je beheerder om."),
    ("No employee of Tribe CRM has the address that you signed in with, or more than one has. Ask your administrator to look at your employee record.",
     "Geen medewerker in Tribe CRM heeft het adres waarmee je inlogde, of meer dan één. Vraag je beheerder naar je medewerkersgegevens te kijken."),
    ("The sign-in does not accept this application as it is set up. Tell your administrator; the log names the cause.",
     "De inlogdienst aanvaardt deze applicatie niet zoals ze is ingericht. Meld het je beheerder; het logboek noemt de oorzaak."),
    ("The sign-in could not be finished for the moment. Try again in a minute.",
     "Het inloggen lukte op dit moment niet. Probeer het over een minuut opnieuw."),
    // An employee's consent.
    ("This link is not valid any more: it has expired, or it was used to connect already. Ask your administrator for a fresh one.",
     "Deze link is niet meer geldig: hij is verlopen, of er is al mee gekoppeld. Vraag je beheerder om een nieuwe."),
    ("This sign-in is not valid any more: it works once and for ten minutes. Open your link again.",
     "Deze inlogpoging is niet meer geldig: ze werkt één keer en tien minuten lang. Open je link opnieuw."),
    ("The sign-in came back without the cookie that was set when your link was opened. Open the link and sign in within one and the same browser, with cookies allowed.",
     "De inlogpoging kwam terug zonder de cookie die bij het openen van je link werd gezet. Open de link en log in binnen één en dezelfde browser, met cookies toegestaan."),
    ("Access to your contacts was not granted. Open your link again when you want to grant it; if Microsoft asks for an administrator's approval, tell your administrator.",
     "De toegang tot je contacten werd niet verleend. Open je link opnieuw als je die wilt verlenen; vraagt Microsoft om goedkeuring van een beheerder, meld het dan je beheerder."),
    ("Not all of the rights were granted. Open your link again and leave every right ticked; the mailbox must be in Exchange Online.",
     "Niet alle rechten werden verleend. Open je link opnieuw en laat elk recht aangevinkt; de mailbox moet in Exchange Online staan."),
    ("You signed in with another mailbox than the one of your employee record in Tribe CRM. Sign out at Microsoft, open your link again and sign in with your own; if your address in Tribe is wrong, tell your administrator.",
     "Je logde in met een andere mailbox dan die van je medewerkersgegevens in Tribe CRM. Log uit bij Microsoft, open je link opnieuw en log in met je eigen mailbox; klopt je adres in Tribe niet, meld het dan je beheerder."),
    ("You signed in with another account than the one that was connected before. Sign out at Microsoft, open your link again and sign in with that one.",
     "Je logde in met een ander account dan het eerder gekoppelde. Log uit bij Microsoft, open je link opnieuw en log in met dat account."),
    ("Your employee record in Tribe CRM has no e-mail address to compare with. Ask your administrator to enter it, then open your link again.",
     "Je medewerkersgegevens in Tribe CRM hebben geen e-mailadres om mee te vergelijken. Vraag je beheerder het in te vullen en open dan je link opnieuw."),
    ("Microsoft does not accept this application. Your administrator was told.",
     "Microsoft aanvaardt deze applicatie niet. Je beheerder is op de hoogte gesteld."),
    ("The sign-in could not be finished for the moment. Open your link again in a minute.",
     "Het inloggen lukte op dit moment niet. Open je link over een minuut opnieuw."),
    // An administrator connects an environment.
    ("This link is not valid any more: it has expired, or it was used to connect already. Make a fresh one.",
     "Deze link is niet meer geldig: hij is verlopen, of er is al mee gekoppeld. Maak een nieuwe."),
    ("Access to Tribe CRM was not granted. Open your link again when you want to grant it.",
     "De toegang tot Tribe CRM werd niet verleend. Open je link opnieuw als je die wilt verlenen."),
    ("You signed in to another organisation of Tribe CRM than the one that was connected before. Sign out at Tribe, open your link again and sign in to that one; another organisation is an environment of its own.",
     "Je logde in bij een andere organisatie van Tribe CRM dan de eerder gekoppelde. Log uit bij Tribe, open je link opnieuw en log in bij die organisatie; een andere organisatie is een eigen omgeving."),
    ("This environment signs in by itself (its grant is client_credentials); there is nothing to connect.",
     "Deze omgeving logt zelf in (grant is client_credentials); er valt niets te koppelen."),
    ("Tribe CRM does not accept this application as it is set up: check its id, secret and scope, which needs offline, and that its redirect URI is this service's address followed by /oauth/tribe/callback. The log names the cause.",
     "Tribe CRM aanvaardt deze applicatie niet zoals ze is ingericht: controleer id, geheim en scope (offline is nodig), en of de redirect-URI het adres van deze dienst is, gevolgd door /oauth/tribe/callback. Het logboek noemt de oorzaak."),
];

/// For tests of the rooms that say something: whether it is said in Dutch too.
#[cfg(test)]
pub(super) fn is_said_in_dutch(response: &Response) -> bool {
    let said = response.extensions().get::<Said>();
    said.is_some_and(|said| dutch(said.title).is_some() && dutch(said.text).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_language_counts_by_weight_then_place() {
        let of = |asked: &'static str| prefers_dutch(Some(&HeaderValue::from_static(asked)));
        for dutch in [
            "nl",
            "nl-NL,nl;q=0.9,en;q=0.8",
            "de, NL-be",
            "en;q=0.5, nl;q=0.7",
            "nl,en",
        ] {
            assert!(of(dutch), "{dutch}");
        }
        for english in [
            "",
            "en",
            "en-GB,nl;q=0.9",
            "de",
            "nl;q=0",
            "nl;q=x",
            "en,nl",
        ] {
            assert!(!of(english), "{english}");
        }
        assert!(!prefers_dutch(None));
    }
}
