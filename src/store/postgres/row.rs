//! What only Postgres' columns need.

use sqlx::{Decode, Postgres, Row as _, Type, TypeInfo as _, ValueRef as _, postgres::PgRow};
use uuid::Uuid;

pub(super) use crate::store::row::*;

fn get<'r, T>(row: &'r PgRow, column: &'static str) -> Result<Option<T>, ()>
where
    Option<T>: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(column).map_err(|_| ())
}

impl Raw for PgRow {
    fn int(&self, column: &'static str) -> Result<Option<i64>, ()> {
        get(self, column)
    }

    fn flag(&self, column: &'static str) -> Result<Option<bool>, ()> {
        get(self, column)
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
            "INT8" => self.try_get::<i64, _>(0).map(|key| key.to_string()),
            "BYTEA" => self.try_get::<&[u8], _>(0).map(hex),
            _ => self.try_get::<String, _>(0),
        }
        .unwrap_or_default()
    }
}

/// Ids as an array of their bytes.
pub(super) fn ids(ids: impl IntoIterator<Item = Uuid>) -> Vec<Vec<u8>> {
    ids.into_iter().map(|id| id.as_bytes().to_vec()).collect()
}

/// Keys as an array.
pub(super) fn list<T>(keys: impl IntoIterator<Item = T>) -> Vec<T> {
    keys.into_iter().collect()
}
