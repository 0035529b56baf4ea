//! Between columns and domain types: what every database with rows and columns has in common.
//!
//! # Map
//! - Here: [`Cells`], a row read column by column, over what a driver's row can do ([`Raw`]); enums,
//!   ids and counts as columns hold them.
//! - `read`: one function for each noun, from a row with the columns of its table. `link`: those of
//!   links, with the numbers that stand for their enums.

mod link;
mod read;

use serde::{Serialize, de::DeserializeOwned};
use tribelink_plan::{
    field::Field,
    ids::{EnvironmentId, PersonId, UserId},
    rule::Rule,
};
use uuid::Uuid;

pub(super) use self::{
    link::{
        LINKED, SLEEPING, contact_hash, kind_number, link, origin_number, slots_number,
        state_number, state_of,
    },
    read::{
        alert, answered, audit_line, canary_proof, canary_round, certificate, cursor, environment,
        held, hint, idle_consent, parked, preview, preview_item, sealed_cell, sign_in,
        subscription, tokens, user, webhook,
    },
};
use crate::store::{Error, Sealed};

/// What a driver's row answers; `Err` where the cell is of another type. An absent value is `None`.
pub(super) trait Raw {
    /// A whole number.
    fn int(&self, column: &'static str) -> Result<Option<i64>, ()>;
    /// A yes or no.
    fn flag(&self, column: &'static str) -> Result<Option<bool>, ()>;
    /// A text.
    fn text(&self, column: &'static str) -> Result<Option<String>, ()>;
    /// Bytes.
    fn bytes(&self, column: &'static str) -> Result<Option<&[u8]>, ()>;
    /// The first column, for people: keys are numbers, ids and hashes, nothing personal.
    fn key(&self) -> String;
}

/// What a query answered, read column by column. Its first column is the row's key.
pub(super) struct Cells<'r, R> {
    row: &'r R,
    table: &'static str,
}

impl<'r, R: Raw> Cells<'r, R> {
    pub(super) fn of(table: &'static str, row: &'r R) -> Self {
        Self { row, table }
    }

    /// The error for a cell that is not of the form this version writes.
    pub(super) fn corrupt(&self, what: &'static str) -> Error {
        Error::Corrupt {
            table: self.table,
            row: self.row.key(),
            what,
        }
    }

    fn there<T>(&self, column: &'static str, cell: Result<Option<T>, ()>) -> Result<T, Error> {
        cell.ok().flatten().ok_or_else(|| self.corrupt(column))
    }

    fn perhaps<T>(
        &self,
        column: &'static str,
        cell: Result<Option<T>, ()>,
    ) -> Result<Option<T>, Error> {
        cell.map_err(|()| self.corrupt(column))
    }

    pub(super) fn int(&self, column: &'static str) -> Result<i64, Error> {
        self.there(column, self.row.int(column))
    }

    pub(super) fn int_or_none(&self, column: &'static str) -> Result<Option<i64>, Error> {
        self.perhaps(column, self.row.int(column))
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
        self.there(column, self.row.flag(column))
    }

    pub(super) fn flag_or_none(&self, column: &'static str) -> Result<Option<bool>, Error> {
        self.perhaps(column, self.row.flag(column))
    }

    pub(super) fn text(&self, column: &'static str) -> Result<String, Error> {
        self.there(column, self.row.text(column))
    }

    pub(super) fn text_or_none(&self, column: &'static str) -> Result<Option<String>, Error> {
        self.perhaps(column, self.row.text(column))
    }

    pub(super) fn bytes(&self, column: &'static str) -> Result<&'r [u8], Error> {
        self.there(column, self.row.bytes(column))
    }

    pub(super) fn bytes_or_none(&self, column: &'static str) -> Result<Option<&'r [u8]>, Error> {
        self.perhaps(column, self.row.bytes(column))
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

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    text
}

pub(super) fn fields(fields: &[Field]) -> Vec<u8> {
    fields.iter().map(|field| field.index()).collect()
}

/// A count as a database keeps it.
pub(super) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A page's length.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
