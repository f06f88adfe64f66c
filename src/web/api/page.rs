//! Pages of lists: by key, so that what comes meanwhile neither repeats nor hides a row.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::faults::Faults;
use super::time::Time;
use crate::model::Whole;
use crate::store::query::{Cursor, Listing, Window};

/// Rows of a page when the caller does not say.
const USUAL: usize = 50;

/// One page of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The rows.
    pub(crate) data: Vec<T>,
    /// The `cursor` of the next page; null on the last one.
    #[schema(example = "Zm9yd2FyZHM6MTcwMDE")]
    pub(crate) next_cursor: Option<String>,
    /// Only there when the list's time budget was used up: rows older than this were not searched yet.
    /// The page may have fewer rows than `limit`, or none; `next_cursor` goes on from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) searched_back_to: Option<Time>,
}

impl<T> From<Vec<T>> for Page<T> {
    fn from(data: Vec<T>) -> Self {
        Self {
            data,
            next_cursor: None,
            searched_back_to: None,
        }
    }
}

impl<T> Page<T> {
    /// The rows and the next page's cursor.
    pub(super) fn into_parts(self) -> (Vec<T>, Option<String>) {
        (self.data, self.next_cursor)
    }
}

/// Which page of which list is requested.
pub(super) struct Paging {
    list: &'static str,
    limit: usize,
    after: Option<i64>,
}

impl Paging {
    /// The rows that `limit` allows, after `cursor`; a cursor of another list is a fault.
    pub(super) fn new<const MOST: u32>(
        list: &'static str,
        limit: Option<Whole<1, MOST>>,
        cursor: Option<&str>,
        faults: &mut Faults,
    ) -> Self {
        let limit = limit.and_then(|limit| usize::try_from(limit.get()).ok());
        let limit = limit.unwrap_or(USUAL);
        let after = cursor.and_then(|cursor| {
            let read = Cursor::read(list, cursor);
            if read.is_none() {
                let remedy = "take cursor from next_cursor of this list's answer";
                faults.add("cursor", remedy);
            }
            Some(read?.key)
        });
        Self { list, limit, after }
    }

    /// The rows to read of a list that has the newest first: one more than a page has, which
    /// shows whether there is a next one.
    pub(super) const fn window(&self) -> Window {
        Window {
            before: self.after,
            limit: self.limit + 1,
        }
    }

    /// The last row of the page before.
    pub(super) const fn after(&self) -> Option<i64> {
        self.after
    }

    /// The page: the rows as read, one more than fits when there is a next page.
    pub(super) fn page<R, T>(
        &self,
        listing: impl Into<Listing<R>>,
        key: impl Fn(&R) -> i64,
        show: impl Fn(R) -> T,
    ) -> Page<T> {
        let Listing { mut rows, reached } = listing.into();
        let is_more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let last = rows.last().filter(|_| is_more).map(key);
        let reached = reached.filter(|_| !is_more);
        let key = last.or(reached.map(|reached| reached.key));
        let cursor = |key| Cursor {
            list: self.list,
            key,
        };
        Page {
            data: rows.into_iter().map(show).collect(),
            next_cursor: key.map(|key| cursor(key).to_string()),
            searched_back_to: reached.and_then(|reached| reached.at_ms).map(Time),
        }
    }
}
