//! Query options: what contacts accept of them (Graph reference 2.6, 2.7). [`mod@filter`]: what
//! of `$filter`; [`parse`]: its grammar.

mod filter;
mod parse;

use std::collections::BTreeSet;

pub(super) use filter::Filter;
use filter::{filter, ids};

use super::{contact::View, extended, fail::Fail};

/// Page size where none is asked for, and the largest (Graph reference 2.6).
const PAGE: usize = 10;
const MOST: usize = 1000;

/// The options of a list.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) view: View,
    pub(super) top: usize,
    pub(super) skip: usize,
    pub(super) orderby: Vec<(String, bool)>,
    pub(super) filter: Option<Filter>,
    pub(super) count: bool,
}

/// Reads the options of a list or of a single contact.
pub(super) fn options(query: &[(String, String)], immutable: bool) -> Result<Options, Fail> {
    let mut options = Options {
        view: View {
            immutable,
            ..View::default()
        },
        top: PAGE,
        skip: 0,
        orderby: Vec::new(),
        filter: None,
        count: false,
    };
    for (name, value) in query {
        match name.as_str() {
            "$select" => options.view.select = Some(names(value)),
            "$expand" => expand(value, &mut options.view)?,
            "$top" => {
                let top = value
                    .parse()
                    .map_err(|_| Fail::query("Invalid value for $top."))?;
                if top == 0 || top > MOST {
                    return Err(Fail::query("The value of $top must be between 1 and 1000."));
                }
                options.top = top;
            }
            "$skip" => {
                options.skip = value
                    .parse()
                    .map_err(|_| Fail::query("Invalid value for $skip."))?
            }
            "$orderby" => options.orderby = order(value)?,
            "$filter" => options.filter = Some(filter(value)?),
            "$count" => options.count = value == "true",
            "$search" => return Err(Fail::query("$search is not supported for contacts.")),
            name if name.starts_with('$') => {
                return Err(Fail::query(format!(
                    "The query parameter '{name}' is not supported."
                )));
            }
            _ => {}
        }
    }
    Ok(options)
}

/// The names in `$select`.
pub(super) fn names(value: &str) -> BTreeSet<String> {
    value
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Splits at a separator outside parentheses and quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut quoted, mut from, mut parts) = (0i32, false, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            letter if letter == separator && depth == 0 && !quoted => {
                parts.push(&text[from..at]);
                from = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

fn expand(value: &str, view: &mut View) -> Result<(), Fail> {
    for part in split(value, ',') {
        let part = part.trim();
        let (name, inner) = match part.split_once('(') {
            Some((name, inner)) => (name.trim(), inner.strip_suffix(')')),
            None => (part, None),
        };
        let condition = inner
            .into_iter()
            .flat_map(|inner| split(inner, ';'))
            .find_map(|option| {
                option
                    .trim()
                    .strip_prefix("$filter=")
                    .or_else(|| option.trim().strip_prefix("$filter ="))
            });
        match name {
            "singleValueExtendedProperties" => {
                // Without a filter there is nothing to list (Graph reference 2.7).
                let condition = condition.ok_or_else(|| {
                    Fail::query("$expand of extended properties needs a $filter on id.")
                })?;
                for id in ids(condition)? {
                    view.extended
                        .push(extended::canonical(&id).ok_or_else(|| {
                            Fail::query("The extended property id is not valid.")
                        })?);
                }
            }
            "extensions" => {
                let id = condition
                    .map(ids)
                    .transpose()?
                    .and_then(|ids| ids.into_iter().next());
                if id.as_deref().is_some_and(|id| {
                    !id.starts_with("Microsoft.OutlookServices.OpenTypeExtension.")
                }) {
                    return Err(Fail::new(
                        500,
                        "ErrorInternalServerError",
                        "An internal server error occurred.",
                    ));
                }
                view.extensions = Some(id);
            }
            other => {
                return Err(Fail::query(format!(
                    "Could not find a property named '{other}' on type 'microsoft.graph.contact'."
                )));
            }
        }
    }
    Ok(())
}

fn order(value: &str) -> Result<Vec<(String, bool)>, Fail> {
    value
        .split(',')
        .map(|part| {
            let mut words = part.split_whitespace();
            let name = words
                .next()
                .ok_or_else(|| Fail::query("Invalid $orderby."))?;
            let descending = match words.next() {
                None | Some("asc") => false,
                Some("desc") => true,
                Some(_) => return Err(Fail::query("Invalid $orderby.")),
            };
            Ok((name.to_owned(), descending))
        })
        .collect()
}
