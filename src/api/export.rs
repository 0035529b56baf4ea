//! The audit as CSV, page by page: however much it is, one page is in memory.

use std::{future, io, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, stream};
use http::header;

use super::{
    Api, Problem,
    audit::{AuditItem, Which, page},
    auth::{Caller, Viewer},
    extract::Params,
    list::List,
    problem::ProblemBody,
};

/// Most lines of an export.
const MOST: usize = 100_000;
/// Lines of an export that are read at once.
const PAGE: usize = 500;
/// The first row of an export.
const HEAD: &str =
    "id,at,user_id,person_id,contact_id,rule,direction,cause,note,field,before,after,lost\r\n";

/// Exports the audit as CSV
///
/// The filters of the list; one row for each field of each line, newest first, at most 100,000 lines.
/// A value that a spreadsheet would take for a formula is led by an apostrophe.
#[utoipa::path(
    get, path = "/api/v1/audit.csv", operation_id = "audit_export", tag = "care",
    params(
        ("user" = Option<Uuid>, Query, description = "Only of this user"),
        ("person" = Option<Uuid>, Query, description = "Only of this person"),
        ("rule" = Option<String>, Query, description = "Only by this rule", example = "R6"),
        ("since" = Option<String>, Query, description = "At this time or later", example = "2026-11-24T10:00:00Z"),
        ("until" = Option<String>, Query, description = "Before this time", example = "2026-11-24T11:00:00Z"),
    ),
    responses(
        (status = 200, description = "The rows", body = String, content_type = "text/csv"),
        (status = 400, description = "A parameter cannot be used", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn audit_csv(
    State(api): State<Arc<Api>>,
    Viewer(caller): Viewer,
    Params(mut which): Params<Which>,
) -> Result<Response, Problem> {
    which.limit = Some(PAGE);
    // Before the answer begins: what cannot be used is refused with a problem, not by a torn file.
    let first = page(&api, &caller, which.clone()).await?;
    which.cursor = first.next_cursor.clone();
    let begun = Export {
        api,
        caller,
        which,
        lines: first.items.len(),
    };
    let head = stream::once(future::ready(Ok(format!("{HEAD}{}", text(&first)))));
    let rest = stream::try_unfold(begun, Export::next);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"tribelink-audit.csv\"",
        ),
    ];
    Ok((headers, Body::from_stream(head.chain(rest))).into_response())
}

fn text(page: &List<AuditItem>) -> String {
    let mut text = String::new();
    for item in &page.items {
        item.rows(&mut text);
    }
    text
}

/// An export under way: one page is in memory, and the next is read when the last was taken.
struct Export {
    api: Arc<Api>,
    caller: Caller,
    which: Which,
    lines: usize,
}

impl Export {
    /// The text of the next page; the end after the last one.
    ///
    /// # Errors
    /// The store could not be read: the connection is cut, so that nobody takes a part for all.
    async fn next(mut self) -> Result<Option<(String, Export)>, io::Error> {
        if self.which.cursor.is_none() || self.lines >= MOST {
            return Ok(None);
        }
        let page = page(&self.api, &self.caller, self.which.clone()).await;
        let page = page.map_err(|problem| {
            let status = problem.status().as_u16();
            tracing::warn!(
                status,
                "an export of the audit was cut: it could not be read"
            );
            io::Error::other("the audit could not be read")
        })?;
        self.lines += page.items.len();
        self.which.cursor = page.next_cursor.clone();
        Ok(Some((text(&page), self)))
    }
}

impl AuditItem {
    /// One row of CSV for each field; one without fields for a change of a link.
    fn rows(&self, text: &mut String) {
        let person = self.person_id.map(|id| id.to_string());
        let (id, user) = (self.id.to_string(), self.user_id.to_string());
        let line = [
            id.as_str(),
            &self.at,
            &user,
            person.as_deref().unwrap_or_default(),
            self.contact_id.as_deref().unwrap_or_default(),
            self.rule,
            self.direction,
            self.cause,
            self.note.as_deref().unwrap_or_default(),
        ];
        let mut row = |field: [&str; 4]| {
            let cells: Vec<String> = line.iter().chain(&field).map(|cell| csv(cell)).collect();
            text.push_str(&cells.join(","));
            text.push_str("\r\n");
        };
        if self.fields.is_empty() {
            row([""; 4]);
        }
        for field in &self.fields {
            let value = |value: &'_ Option<String>| value.clone().unwrap_or_default();
            let (before, after) = (value(&field.before), value(&field.after));
            row([field.name, &before, &after, &value(&field.lost)]);
        }
    }
}

/// A cell of CSV. What a spreadsheet would run as a formula is led by an apostrophe.
fn csv(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let lead = if is_formula { "'" } else { "" };
    let quoted = is_formula || cell.contains([',', '"', '\n', '\r']);
    match quoted {
        true => format!("\"{lead}{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}
