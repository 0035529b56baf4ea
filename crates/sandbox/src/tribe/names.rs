//! Names for made-up people: Dutch ones for the most part, with their insertions.

/// First name and initials.
pub const FIRST: &[(&str, &str)] = &[
    ("Anna", "A."),
    ("Bram", "B.J."),
    ("Cynthia", "C."),
    ("Daan", "D.M."),
    ("Eva", "E.M."),
    ("Fatima", "F."),
    ("Geert", "G."),
    ("Hannah", "H.L."),
    ("Ivo", "I."),
    ("Joost", "J.P."),
    ("Kim", "K."),
    ("Lotte", "L.A."),
    ("Maarten", "M.C."),
    ("Noor", "N."),
    ("Olaf", "O.H."),
    ("Petra", "P."),
    ("Quinten", "Q."),
    ("Roos", "R.E."),
    ("Sander", "S.F."),
    ("Tess", "T."),
    ("Umut", "U."),
    ("Vera", "V.W."),
    ("Wouter", "W.A."),
    ("Xander", "X."),
    ("Yara", "Y."),
    ("Zoë", "Z."),
    ("André", "A.R."),
    ("Björn", "B."),
    ("Chloé", "C.D."),
    ("Jan-Willem", "J.W."),
];

/// Insertion (empty: none) and surname.
pub const LAST: &[(&str, &str)] = &[
    ("de", "Vries"),
    ("van", "Dijk"),
    ("", "Jansen"),
    ("van den", "Berg"),
    ("", "Bakker"),
    ("van der", "Meer"),
    ("", "Visser"),
    ("de", "Boer"),
    ("", "Mulder"),
    ("van 't", "Hoff"),
    ("", "Smit"),
    ("de", "Groot"),
    ("", "Hendriks"),
    ("van de", "Ven"),
    ("", "Özdemir"),
    ("ter", "Horst"),
    ("", "Peeters"),
    ("von", "Müller"),
    ("", "Kok-de Wit"),
    ("den", "Hartog"),
    ("", "El Amrani"),
    ("op den", "Camp"),
    ("", "Nguyễn"),
    ("", "O'Brien"),
    ("van", "Leeuwen"),
    ("", "Kuipers"),
    ("de la", "Fuente"),
    ("", "Schouten"),
    ("", "Willems"),
    ("van der", "Linden"),
];

/// Organisation, and the domain of its addresses.
pub const FIRMS: &[(&str, &str)] = &[
    ("Acme B.V.", "acme.example"),
    ("Bakkerij Zonnebloem", "zonnebloem.example"),
    ("Delta Advies", "delta-advies.example"),
    ("Gemeente Waterland", "waterland.example"),
    ("Kade & Partners", "kade-partners.example"),
    ("Noorderlicht Energie", "noorderlicht.example"),
    ("De Vier Winden Logistiek", "vierwinden.example"),
    ("Tulp Software", "tulp-software.example"),
    ("Café 't Hoekje", "hoekje.example"),
    ("Polder Bouw Groep", "polderbouw.example"),
    ("Zuiderzee Zorg", "zuiderzeezorg.example"),
    ("Orange Cycles", "orange-cycles.example"),
];

/// What is on their cards.
pub const FUNCTIONS: &[&str] = &[
    "Accountmanager",
    "Directeur",
    "Hoofd inkoop",
    "Projectleider",
    "Controller",
    "Office manager",
    "Architect",
    "Beleidsadviseur",
    "HR-adviseur",
    "Software engineer",
];

/// Contact roles.
pub const ROLES: &[&str] = &["Decision maker", "Influencer", "User", "Finance"];
