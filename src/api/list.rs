//! Pages of lists and their cursors.

use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;

/// Items of a page when nobody says how many.
const USUAL: usize = 100;
/// Most items of a page.
const MOST: usize = 500;

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to pass as `cursor` for the next page; null after the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// Where a page starts and how long it is.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Paging {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items of a page, 1 to 500; 100 when unset.
    pub limit: Option<usize>,
}

impl Paging {
    /// How many items a page has.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(USUAL).clamp(1, MOST)
    }

    /// The key after which the page starts.
    ///
    /// # Errors
    /// 400 for a text that no page gave out.
    pub fn after<K: FromStr>(&self) -> Result<Option<K>, Problem> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let key = URL_SAFE_NO_PAD
            .decode(cursor)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|text| text.parse().ok());
        let key = key.ok_or_else(|| Problem::invalid("cursor is not one of this list"))?;
        Ok(Some(key))
    }

    /// A page of rows, of which one more was read than a page has.
    pub fn page<R, T>(
        &self,
        mut rows: Vec<R>,
        key: impl Fn(&R) -> String,
        mut item: impl FnMut(R) -> T,
    ) -> List<T> {
        let more = rows.len() > self.limit();
        rows.truncate(self.limit());
        let last = rows.last().filter(|_| more).map(key);
        List {
            items: rows.drain(..).map(&mut item).collect(),
            next_cursor: last.map(|key| URL_SAFE_NO_PAD.encode(key)),
        }
    }
}

/// Milliseconds since the epoch as RFC 3339.
pub fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_behind_the_last_item() {
        let paging = Paging {
            cursor: None,
            limit: Some(2),
        };
        let page = paging.page(vec![1, 2, 3], i64::to_string, |row| row);
        assert_eq!(page.items, [1, 2]);
        let next = Paging {
            cursor: page.next_cursor,
            limit: Some(2),
        };
        assert_eq!(next.after::<i64>().unwrap(), Some(2));
        let last = next.page(vec![3], i64::to_string, |row| row);
        assert_eq!(last.next_cursor, None);
        let wrong = Paging {
            cursor: Some("x y".to_owned()),
            limit: None,
        };
        assert!(wrong.after::<i64>().is_err());
    }

    #[test]
    fn limits_stay_in_bounds() {
        let limit = |limit| {
            Paging {
                cursor: None,
                limit,
            }
            .limit()
        };
        assert_eq!(limit(None), USUAL);
        assert_eq!(limit(Some(0)), 1);
        assert_eq!(limit(Some(9_999)), MOST);
    }
}
