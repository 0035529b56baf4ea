//! One commit under way: its connection, the users it has looked up, the lanes it has touched.

use std::collections::{BTreeSet, HashMap};

use sqlx::{
    Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteQueryResult, SqliteRow},
};
use tribelink_plan::ids::{EnvironmentId, UserId};

use super::{hints, outage};
use crate::store::Error;

pub(super) type Sql<'q> = Query<'q, Sqlite, SqliteArguments>;

/// A lane by the columns of its hints.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneKey {
    pub(super) environment: String,
    pub(super) user: Option<i64>,
}

pub(super) struct Writing<'c> {
    conn: &'c mut SqliteConnection,
    /// Users by id, with their number and environment; neither ever changes.
    pub(super) users: HashMap<UserId, (i64, EnvironmentId)>,
    pub(super) touched: BTreeSet<LaneKey>,
    erased_any: bool,
}

impl<'c> Writing<'c> {
    pub(super) fn on(conn: &'c mut SqliteConnection) -> Self {
        Self {
            conn,
            users: HashMap::new(),
            touched: BTreeSet::new(),
            erased_any: false,
        }
    }

    pub(super) async fn run(&mut self, sql: Sql<'_>) -> Result<SqliteQueryResult, Error> {
        sql.execute(&mut *self.conn).await.map_err(outage)
    }

    pub(super) async fn all(&mut self, sql: Sql<'_>) -> Result<Vec<SqliteRow>, Error> {
        sql.fetch_all(&mut *self.conn).await.map_err(outage)
    }

    pub(super) async fn one(&mut self, sql: Sql<'_>) -> Result<Option<SqliteRow>, Error> {
        sql.fetch_optional(&mut *self.conn).await.map_err(outage)
    }

    /// Something was erased that must soon be gone from the write-ahead log as well.
    pub(super) fn erased(&mut self) {
        self.erased_any = true;
    }

    /// Brings the lanes' due times up to date; whether anything was erased.
    pub(super) async fn finish(mut self) -> Result<bool, Error> {
        for lane in std::mem::take(&mut self.touched) {
            hints::settle(&mut self, &lane).await?;
        }
        Ok(self.erased_any)
    }
}
