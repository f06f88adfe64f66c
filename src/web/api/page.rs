//! Pages of lists: by key, so that what comes meanwhile neither repeats nor hides a row.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::store::query::Window;

/// Rows of a page when the caller does not say.
const USUAL: usize = 50;
/// Most rows of a page.
const MOST: usize = 100;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The rows.
    data: Vec<T>,
    /// The `cursor` of the next page; null on the last one.
    #[schema(example = "Zm9yd2FyZHM6MTcwMDE")]
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The rows and the next page's cursor.
    pub(super) fn into_parts(self) -> (Vec<T>, Option<String>) {
        (self.data, self.next_cursor)
    }
}

/// Which page of which list is asked for.
pub(super) struct Paging {
    list: &'static str,
    limit: usize,
    after: Option<i64>,
}

impl Paging {
    /// Reads `limit` and `cursor`; a cursor of another list is refused.
    pub(super) fn new(
        list: &'static str,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> Result<Self, Problem> {
        Self::up_to(MOST, list, limit, cursor)
    }

    /// As [`Paging::new`], of a list whose pages may have up to `most` rows.
    pub(super) fn up_to(
        most: usize,
        list: &'static str,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(USUAL);
        if !(1..=most).contains(&limit) {
            return Err(Problem::field("limit", format!("limit is 1 to {most}")));
        }
        let after = cursor.map(|cursor| {
            read(list, cursor).ok_or_else(|| {
                Problem::field(
                    "cursor",
                    "take cursor from next_cursor of this list's answer",
                )
            })
        });
        Ok(Self {
            list,
            limit,
            after: after.transpose()?,
        })
    }

    /// The rows to read of a list that has the newest first: one more than a page has, which
    /// tells whether there is a next one.
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

    /// The page: `rows` as read, one more than fits when there is a next page.
    pub(super) fn page<R, T>(
        &self,
        mut rows: Vec<R>,
        key: impl Fn(&R) -> i64,
        show: impl Fn(R) -> T,
    ) -> Page<T> {
        let is_more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let last = rows.last().filter(|_| is_more).map(key);
        Page {
            data: rows.into_iter().map(show).collect(),
            next_cursor: last.map(|key| URL_SAFE_NO_PAD.encode(format!("{}:{key}", self.list))),
        }
    }
}

fn read(list: &str, cursor: &str) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.strip_prefix(list)?.strip_prefix(':')?.parse().ok()
}
