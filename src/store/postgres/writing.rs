//! One commit under way: its transaction, the users it has looked up, the lanes it has touched.

use std::collections::{BTreeSet, HashMap};

use sqlx::{
    PgConnection, Postgres,
    postgres::{PgArguments, PgQueryResult, PgRow},
    query::Query,
};
use tribelink_plan::ids::{EnvironmentId, UserId};

use super::{Time, hints, outage, row};
use crate::store::Error;

pub(super) type Sql<'q> = Query<'q, Postgres, PgArguments>;

/// A lane by the columns of its hints.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneKey {
    pub(super) environment: String,
    pub(super) user: Option<i64>,
}

pub(super) struct Writing<'c> {
    conn: &'c mut PgConnection,
    time: Time,
    /// Who writes, so that a replica can tell its own calls from the others'.
    pub(super) name: &'c str,
    /// Users by id, with their number and environment; neither ever changes.
    pub(super) users: HashMap<UserId, (i64, EnvironmentId)>,
    pub(super) touched: BTreeSet<LaneKey>,
    /// A statement failed since transactions met: all of it may be done again.
    pub(super) met: bool,
}

impl<'c> Writing<'c> {
    pub(super) fn on(conn: &'c mut PgConnection, time: Time, name: &'c str) -> Self {
        Self {
            conn,
            time,
            name,
            users: HashMap::new(),
            touched: BTreeSet::new(),
            met: false,
        }
    }

    /// The time that is told to the database; `None`: its own.
    pub(super) fn time(&self, now_ms: i64) -> Option<i64> {
        self.time.told(now_ms)
    }

    fn failed(&mut self, error: sqlx::Error) -> Error {
        self.met |= super::transactions_met(&error);
        outage(error)
    }

    pub(super) async fn run(&mut self, sql: Sql<'_>) -> Result<PgQueryResult, Error> {
        let done = sql.execute(&mut *self.conn).await;
        done.map_err(|error| self.failed(error))
    }

    pub(super) async fn all(&mut self, sql: Sql<'_>) -> Result<Vec<PgRow>, Error> {
        let rows = sql.fetch_all(&mut *self.conn).await;
        rows.map_err(|error| self.failed(error))
    }

    pub(super) async fn one(&mut self, sql: Sql<'_>) -> Result<Option<PgRow>, Error> {
        let row = sql.fetch_optional(&mut *self.conn).await;
        row.map_err(|error| self.failed(error))
    }

    /// Looks up several users at once, for what follows.
    pub(super) async fn find_users(
        &mut self,
        ids: impl IntoIterator<Item = UserId>,
    ) -> Result<(), Error> {
        let unknown: BTreeSet<UserId> = ids
            .into_iter()
            .filter(|id| !self.users.contains_key(id))
            .collect();
        if unknown.len() > 1 {
            let ids = row::ids(unknown.into_iter().map(|id| id.0));
            let found = numbers_of(self, ids).await?;
            self.users.extend(found);
        }
        Ok(())
    }

    /// Nothing to do: Postgres' log is not this program's to tidy.
    pub(super) fn erased(&mut self) {}

    /// Brings the lanes' due times up to date.
    pub(super) async fn finish(&mut self) -> Result<(), Error> {
        let touched = std::mem::take(&mut self.touched);
        hints::settle(self, touched).await
    }
}

/// Numbers and environments of several users; those that do not exist are absent.
async fn numbers_of(
    w: &mut Writing<'_>,
    ids: Vec<Vec<u8>>,
) -> Result<Vec<(UserId, (i64, EnvironmentId))>, Error> {
    let sql = sqlx::query("SELECT id, number, environment FROM users WHERE id = ANY($1)").bind(ids);
    let rows = w.all(sql).await?;
    let read = |row: &PgRow| {
        let cells = row::Cells::of("users", row);
        let found = (cells.int("number")?, cells.environment("environment")?);
        Ok((cells.user("id")?, found))
    };
    rows.iter().map(read).collect()
}
