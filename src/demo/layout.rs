//! Rows of a terminal: width, wrapping, colour.

use std::fmt::Write as _;

use owo_colors::{OwoColorize as _, Stream, Style};

/// The width that everything keeps to.
pub(super) const WIDTH: usize = 80;

/// Where the text behind a label begins.
pub(super) const INDENT: usize = 13;

/// A text behind a label, wrapped below itself.
pub(super) fn labelled(page: &mut String, label: &str, style: Style, text: &str, tint: Style) {
    let lead = text.len() - text.trim_start().len();
    let rows = wrap(text.trim_start(), WIDTH - INDENT - lead);
    for (index, row) in rows.iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        let padded = format!("{label:<width$}", width = INDENT - 6);
        let (label, row) = (paint(&padded, style), paint(row, tint));
        line(page, &format!("      {label}{}{row}", " ".repeat(lead)));
    }
}

/// Breaks a text at spaces; what is longer than a row stays whole.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let mut row = String::new();
    for (index, word) in text.split(' ').enumerate() {
        let used = row.chars().count();
        if used > 0 && used + 1 + word.chars().count() > width {
            rows.push(std::mem::take(&mut row));
        } else if index > 0 {
            row.push(' ');
        }
        row.push_str(word);
    }
    rows.push(row);
    rows
}

pub(super) fn seconds(took_ms: i64) -> String {
    format!("{}.{:02} s", took_ms / 1000, took_ms % 1000 / 10)
}

pub(super) fn paint(text: &str, style: Style) -> String {
    if text.trim().is_empty() {
        return text.to_owned();
    }
    text.if_supports_color(Stream::Stdout, |text| text.style(style))
        .to_string()
}

pub(super) fn line(page: &mut String, text: &str) {
    let _ = writeln!(page, "{}", text.trim_end());
}

/// A reader that went away (`| head`) is no error.
pub(super) fn say(page: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(page.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_never_lost_by_wrapping() {
        let text = "one twoooooooooooo three four";
        let rows = wrap(text, 9);
        assert_eq!(rows, ["one", "twoooooooooooo", "three", "four"]);
        assert_eq!(wrap("  ", 9), ["  "]);
    }
}
