//! What only SQLite's columns need.

use serde::Serialize;
use sqlx::{Decode, Row as _, Sqlite, Type, TypeInfo as _, ValueRef as _, sqlite::SqliteRow};
use uuid::Uuid;

pub(super) use crate::store::row::*;

fn get<'r, T>(row: &'r SqliteRow, column: &'static str) -> Result<Option<T>, ()>
where
    Option<T>: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(column).map_err(|_| ())
}

impl Raw for SqliteRow {
    fn int(&self, column: &'static str) -> Result<Option<i64>, ()> {
        get(self, column)
    }

    fn flag(&self, column: &'static str) -> Result<Option<bool>, ()> {
        Ok(self.int(column)?.map(|flag| flag != 0))
    }

    fn text(&self, column: &'static str) -> Result<Option<String>, ()> {
        get(self, column)
    }

    fn bytes(&self, column: &'static str) -> Result<Option<&[u8]>, ()> {
        get(self, column)
    }

    fn key(&self) -> String {
        let kind = match self.try_get_raw(0) {
            Ok(value) => value.type_info().name().to_owned(),
            Err(_) => String::new(),
        };
        match kind.as_str() {
            "INTEGER" => self.try_get::<i64, _>(0).map(|key| key.to_string()),
            "BLOB" => self.try_get::<&[u8], _>(0).map(hex),
            _ => self.try_get::<String, _>(0),
        }
        .unwrap_or_default()
    }
}

/// Keys as a JSON array, for `json_each`: SQL text stays fixed whatever their number.
pub(super) fn list<T: Serialize>(keys: impl IntoIterator<Item = T>) -> String {
    json(&keys.into_iter().collect::<Vec<T>>())
}

/// Ids as a JSON array of hexadecimal digits, for `json_each` and `unhex`.
pub(super) fn ids(ids: impl IntoIterator<Item = Uuid>) -> String {
    list(ids.into_iter().map(|id| hex(id.as_bytes())))
}
