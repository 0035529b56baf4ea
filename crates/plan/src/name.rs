//! Composed names.

/// The parts of a name, as they will stand in Outlook.
#[derive(Clone, Copy, Default)]
pub struct Parts<'a> {
    /// Initials.
    pub initials: Option<&'a str>,
    /// First name.
    pub first: Option<&'a str>,
    /// Insertion.
    pub insertion: Option<&'a str>,
    /// Surname.
    pub surname: Option<&'a str>,
}

impl Parts<'_> {
    /// "first insertion surname"; initials where there is no first name.
    pub fn display_name(self) -> Option<String> {
        join(
            &[self.first.or(self.initials), self.insertion, self.surname],
            " ",
        )
    }

    /// "surname, first insertion"; initials where there is no first name.
    pub fn file_as(self) -> Option<String> {
        let given = join(&[self.first.or(self.initials), self.insertion], " ");
        join(&[self.surname, given.as_deref()], ", ")
    }
}

/// Whether initials may be what Outlook derives by itself from the other parts: the first letters of
/// the first name, with or without those of the insertion and the surname (Graph reference 2.2).
/// Whether "Jan-Peter" gives one letter or two is not documented: both count.
pub fn looks_derived(initials: &str, parts: Parts<'_>) -> bool {
    let typed: String = initials
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    let ends_a_word: [fn(char) -> bool; 2] = [|c| !c.is_alphanumeric(), char::is_whitespace];
    let derived = ends_a_word.into_iter().any(|ends_a_word| {
        let [first, insertion, surname] = [parts.first, parts.insertion, parts.surname]
            .map(|part| letters(part.unwrap_or_default(), ends_a_word));
        [
            first.clone(),
            format!("{first}{insertion}"),
            format!("{first}{surname}"),
            format!("{first}{insertion}{surname}"),
        ]
        .contains(&typed)
    });
    !typed.is_empty() && derived
}

/// The first letter of each word.
fn letters(text: &str, ends_a_word: fn(char) -> bool) -> String {
    text.split(ends_a_word)
        .filter_map(|word| word.chars().next())
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

fn join(parts: &[Option<&str>], between: &str) -> Option<String> {
    let parts: Vec<&str> = parts
        .iter()
        .flatten()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty())
        .collect();
    (!parts.is_empty()).then(|| parts.join(between))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_derived_initials_from_typed_ones() {
        let parts = Parts {
            initials: None,
            first: Some("Jan-Peter"),
            insertion: Some("van der"),
            surname: Some("Berg"),
        };
        for derived in ["J.P.", "J.P.v.d.", "JPB", "j.p.v.d.b."] {
            assert!(looks_derived(derived, parts), "{derived}");
        }
        for typed in ["P.", "J.P.M.", "P.J.", ""] {
            assert!(!looks_derived(typed, parts), "{typed}");
        }
    }

    #[test]
    fn a_hyphenated_first_name_may_give_one_letter_or_two() {
        let parts = Parts {
            initials: None,
            first: Some("Anne-Marie"),
            insertion: None,
            surname: Some("Jansen-de Wit"),
        };
        for derived in ["A.", "A.J.W.", "A.M.", "A.M.J.d.W."] {
            assert!(looks_derived(derived, parts), "{derived}");
        }
        for typed in ["A.J.M.", "M.", "A.W."] {
            assert!(!looks_derived(typed, parts), "{typed}");
        }
    }

    #[test]
    fn composes_with_and_without_first_name() {
        let full = Parts {
            initials: Some("J."),
            first: Some("Jan"),
            insertion: Some("van der"),
            surname: Some("Berg"),
        };
        assert_eq!(full.display_name().as_deref(), Some("Jan van der Berg"));
        assert_eq!(full.file_as().as_deref(), Some("Berg, Jan van der"));
        let short = Parts {
            first: None,
            ..full
        };
        assert_eq!(short.display_name().as_deref(), Some("J. van der Berg"));
        assert_eq!(short.file_as().as_deref(), Some("Berg, J. van der"));
        assert_eq!(Parts::default().display_name(), None);
        let surname = Parts {
            surname: Some("Berg"),
            ..Parts::default()
        };
        assert_eq!(surname.file_as().as_deref(), Some("Berg"));
    }
}
