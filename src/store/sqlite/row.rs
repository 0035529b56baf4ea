//! Between columns and domain types.

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Decode, Row as _, Sqlite, Type, TypeInfo as _, ValueRef as _, sqlite::SqliteRow};
use tribelink_plan::{
    field::Field,
    ids::{EnvironmentId, PersonId, UserId},
    rule::Rule,
};
use uuid::Uuid;

use crate::store::{Error, Sealed};

/// What a query answered, read column by column. Its first column is the row's key.
pub(super) struct Cells<'r> {
    row: &'r SqliteRow,
    table: &'static str,
}

impl<'r> Cells<'r> {
    pub(super) fn of(table: &'static str, row: &'r SqliteRow) -> Self {
        Self { row, table }
    }

    /// The error for a cell that is not of the form this version writes.
    pub(super) fn corrupt(&self, what: &'static str) -> Error {
        Error::Corrupt {
            table: self.table,
            row: self.key(),
            what,
        }
    }

    /// Keys are numbers, ids and hashes: nothing personal.
    fn key(&self) -> String {
        let kind = match self.row.try_get_raw(0) {
            Ok(value) => value.type_info().name().to_owned(),
            Err(_) => String::new(),
        };
        match kind.as_str() {
            "INTEGER" => self.row.try_get::<i64, _>(0).map(|key| key.to_string()),
            "BLOB" => self.row.try_get::<&[u8], _>(0).map(hex),
            _ => self.row.try_get::<String, _>(0),
        }
        .unwrap_or_default()
    }

    fn get<T: Decode<'r, Sqlite> + Type<Sqlite>>(&self, column: &'static str) -> Result<T, Error> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    pub(super) fn int(&self, column: &'static str) -> Result<i64, Error> {
        self.get(column)
    }

    pub(super) fn int_or_none(&self, column: &'static str) -> Result<Option<i64>, Error> {
        self.get(column)
    }

    /// A number that is never negative.
    pub(super) fn count<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, Error> {
        T::try_from(self.int(column)?).map_err(|_| self.corrupt(column))
    }

    /// Two counts that stand together or not at all.
    pub(super) fn counts(
        &self,
        first: &'static str,
        second: &'static str,
    ) -> Result<Option<(u64, u64)>, Error> {
        match (self.int_or_none(first)?, self.int_or_none(second)?) {
            (None, None) => Ok(None),
            _ => Ok(Some((self.count(first)?, self.count(second)?))),
        }
    }

    pub(super) fn flag(&self, column: &'static str) -> Result<bool, Error> {
        Ok(self.int(column)? != 0)
    }

    pub(super) fn text(&self, column: &'static str) -> Result<String, Error> {
        self.get(column)
    }

    pub(super) fn text_or_none(&self, column: &'static str) -> Result<Option<String>, Error> {
        self.get(column)
    }

    pub(super) fn bytes(&self, column: &'static str) -> Result<&'r [u8], Error> {
        self.get(column)
    }

    pub(super) fn bytes_or_none(&self, column: &'static str) -> Result<Option<&'r [u8]>, Error> {
        self.get(column)
    }

    pub(super) fn sealed(&self, column: &'static str) -> Result<Sealed, Error> {
        Ok(Sealed(self.bytes(column)?.to_vec()))
    }

    pub(super) fn sealed_or_none(&self, column: &'static str) -> Result<Option<Sealed>, Error> {
        let bytes = self.bytes_or_none(column)?;
        Ok(bytes.map(|bytes| Sealed(bytes.to_vec())))
    }

    pub(super) fn uuid(&self, column: &'static str) -> Result<Uuid, Error> {
        Uuid::from_slice(self.bytes(column)?).map_err(|_| self.corrupt(column))
    }

    pub(super) fn uuid_or_none(&self, column: &'static str) -> Result<Option<Uuid>, Error> {
        match self.bytes_or_none(column)? {
            None => Ok(None),
            Some(_) => self.uuid(column).map(Some),
        }
    }

    pub(super) fn user(&self, column: &'static str) -> Result<UserId, Error> {
        self.uuid(column).map(UserId)
    }

    pub(super) fn person(&self, column: &'static str) -> Result<PersonId, Error> {
        self.uuid(column).map(PersonId)
    }

    pub(super) fn environment(&self, column: &'static str) -> Result<EnvironmentId, Error> {
        self.text(column).map(EnvironmentId)
    }

    pub(super) fn hash(&self, column: &'static str) -> Result<[u8; 32], Error> {
        let bytes = self.bytes(column)?;
        bytes.try_into().map_err(|_| self.corrupt(column))
    }

    pub(super) fn hash_or_none(&self, column: &'static str) -> Result<Option<[u8; 32]>, Error> {
        match self.bytes_or_none(column)? {
            None => Ok(None),
            Some(_) => self.hash(column).map(Some),
        }
    }

    pub(super) fn rule(&self, column: &'static str) -> Result<Rule, Error> {
        Rule::from_code(&self.text(column)?).ok_or_else(|| self.corrupt(column))
    }

    pub(super) fn fields(&self, column: &'static str) -> Result<Vec<Field>, Error> {
        let fields = self.bytes(column)?.iter();
        fields
            .map(|index| Field::from_index(*index).ok_or_else(|| self.corrupt(column)))
            .collect()
    }

    /// An enum without content, by its word.
    pub(super) fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, Error> {
        let word = serde_json::Value::String(self.text(column)?);
        serde_json::from_value(word).map_err(|_| self.corrupt(column))
    }

    pub(super) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, Error> {
        serde_json::from_str(&self.text(column)?).map_err(|_| self.corrupt(column))
    }
}

/// The word of an enum without content.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        // Such an enum is always written as its word; reading this back would be Corrupt.
        _ => String::new(),
    }
}

pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Keys as a JSON array, for `json_each`: SQL text stays fixed whatever their number.
pub(super) fn list<T: Serialize>(keys: impl IntoIterator<Item = T>) -> String {
    json(&keys.into_iter().collect::<Vec<T>>())
}

/// Ids as a JSON array of hexadecimal digits, for `json_each` and `unhex`.
pub(super) fn hex_list(ids: impl IntoIterator<Item = Uuid>) -> String {
    list(ids.into_iter().map(|id| hex(id.as_bytes())))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn fields(fields: &[Field]) -> Vec<u8> {
    fields.iter().map(|field| field.index()).collect()
}

/// A count as SQLite keeps it.
pub(super) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A page's length.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
