//! Dates of birth: one calendar date, which Graph keeps as a moment.

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, date},
    tz::TimeZone,
};

use crate::reading::Reading;

/// Outlook's year for "no year" (Graph reference 2.2). Nobody in an address book is older.
const NO_YEAR: i16 = 1604;

/// From here on a moment belongs to the next day's midnight.
///
/// Twelve itself does: it is how a desktop Outlook at UTC+12 (New Zealand) writes its midnight;
/// the opposite reading would serve UTC-12, where nobody lives.
const NOON: i8 = 12;

/// Reads `birthday` as Graph shows it: the date of the nearest midnight UTC.
///
/// That covers midnight UTC, the 11:59 of Outlook on the web, and a desktop's local midnight
/// between UTC-11 and UTC+12 (Graph reference 2.2); a bare date is taken as it stands. Year-less
/// dates (1604) and anything else are unreadable; an empty text is empty.
pub fn from_graph(text: &str) -> Reading {
    let text = text.trim();
    if text.is_empty() {
        return Reading::Empty;
    }
    let day = if text.len() == 10 {
        text.parse::<Date>().ok()
    } else {
        text.parse::<Timestamp>().ok().and_then(nearest_midnight)
    };
    reading(day)
}

fn nearest_midnight(at: Timestamp) -> Option<Date> {
    let at = TimeZone::UTC.to_datetime(at);
    if at.hour() >= NOON {
        at.date().checked_add(1.day()).ok()
    } else {
        Some(at.date())
    }
}

/// Writes a date (`YYYY-MM-DD`) the way Outlook on the web does, which every reader known takes for
/// that day; `None` where it is no date with a year.
pub fn to_graph(text: &str) -> Option<String> {
    let day = from_tribe(text);
    Some(format!("{}T11:59:00Z", day.value()?))
}

/// Reads Tribe's `BirthDate` (`YYYY-MM-DD`); year-less dates and anything else are unreadable.
pub fn from_tribe(text: &str) -> Reading {
    let text = text.trim();
    if text.is_empty() {
        return Reading::Empty;
    }
    reading(
        Some(text)
            .filter(|text| text.len() == 10)
            .and_then(|text| text.parse().ok()),
    )
}

/// A date with a year that a person can be born in. Outlook's own "no date at all" is in 4501.
fn reading(day: Option<Date>) -> Reading {
    match day {
        Some(day) if day.year() > NO_YEAR && day < date(4500, 1, 1) => {
            Reading::Value(day.to_string())
        }
        _ => Reading::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Reading {
        Reading::Value(text.to_owned())
    }

    #[test]
    fn reads_every_form_seen() {
        for text in [
            "1980-10-15T00:00:00Z",
            "1980-10-15T11:59:00Z",
            "1980-10-15T11:59:59.9999999Z",
            "1980-10-14T22:00:00Z",
            "1980-10-14T23:00:00.0000000Z",
            "1980-10-15T00:00:00+02:00",
            "1980-10-15",
        ] {
            assert_eq!(from_graph(text), value("1980-10-15"), "{text}");
        }
        assert_eq!(from_graph("1999-12-31T23:00:00Z"), value("2000-01-01"));
        assert_eq!(from_graph(""), Reading::Empty);
    }

    #[test]
    fn a_date_without_year_is_no_date() {
        for text in [
            "1604-08-14T00:00:00Z",
            "1604-05-01T11:59:00Z",
            "1603-12-31T23:00:00Z",
            "0001-01-01T00:00:00Z",
            "4501-01-01T00:00:00Z",
            "yesterday",
            "1980-10-32T00:00:00Z",
            "1980-10-15T00:00:00",
        ] {
            assert_eq!(from_graph(text), Reading::Unreadable, "{text}");
        }
    }

    #[test]
    fn tribe_and_outlook_agree() {
        assert_eq!(from_tribe("1980-10-15"), value("1980-10-15"));
        assert_eq!(
            to_graph("1980-10-15").as_deref(),
            Some("1980-10-15T11:59:00Z")
        );
        for text in [
            "1604-02-29",
            "1980-13-01",
            "15-10-1980",
            "1980-1-1",
            "19801015",
        ] {
            assert_eq!(from_tribe(text), Reading::Unreadable, "{text}");
            assert_eq!(to_graph(text), None, "{text}");
        }
        assert_eq!(from_tribe(" "), Reading::Empty);
        assert_eq!(to_graph(""), None);
    }

    fn any_date() -> impl Strategy<Value = Date> {
        let first = date(1605, 1, 1);
        (0_i64..1_000_000).prop_map(move |days| first + days.days())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(day in any_date()) {
            let text = day.to_string();
            let sent = to_graph(&text).unwrap();
            prop_assert_eq!(from_graph(&sent), value(&text));
            prop_assert_eq!(from_tribe(&text), value(&text));
        }

        /// Every variant of the reference, in whatever offset the answer writes it.
        #[test]
        fn every_variant_is_that_day(day in any_date(), local in -11_i8..=12, shown in -12_i8..=14) {
            let text = day.to_string();
            let at = |hour, minute, offset: i8| {
                day.at(hour, minute, 0, 0)
                    .to_zoned(TimeZone::fixed(jiff::tz::offset(offset)))
                    .unwrap()
                    .timestamp()
            };
            for moment in [at(0, 0, 0), at(11, 59, 0), at(0, 0, local)] {
                prop_assert_eq!(from_graph(&moment.to_string()), value(&text));
                let offset = jiff::tz::offset(shown);
                let there = moment.display_with_offset(offset).to_string();
                prop_assert_eq!(from_graph(&there), value(&text));
            }
        }

        /// The three offsets that no rule can tell from the neighbouring day are off by just that.
        #[test]
        fn the_far_offsets_are_one_day_off(day in any_date(), local in prop::sample::select(vec![-12_i8, 13, 14])) {
            let moment = day
                .to_zoned(TimeZone::fixed(jiff::tz::offset(local)))
                .unwrap()
                .timestamp();
            let step = if local < 0 { 1 } else { -1 };
            let expected = (day + i64::from(step).days()).to_string();
            let read = from_graph(&moment.to_string());
            // The first day of 1605 falls back into the year that means "no year".
            prop_assume!(read.is_readable());
            prop_assert_eq!(read, value(&expected));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,40}") {
            let _ = from_graph(&text);
            let _ = to_graph(&text);
            let _ = from_tribe(&text);
        }
    }
}
