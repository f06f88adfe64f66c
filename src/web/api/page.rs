//! Pages of lists: by place, so that what comes meanwhile neither repeats nor hides a row.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::faults::Faults;
use super::time::Time;
use crate::model::Whole;
use crate::store::query::{ListPlace, Listing, Window};

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
///
/// `P` is what names a row in the list's cursors: its place in the store, or its index in a list
/// that never changes.
pub(super) struct Paging<P = ListPlace> {
    list: &'static str,
    limit: usize,
    behind: Option<P>,
}

impl<P: FromStr + Display> Paging<P> {
    /// The rows that `limit` allows, after `cursor`; a cursor of another list is a fault.
    pub(super) fn new<const MOST: u32>(
        list: &'static str,
        limit: Option<Whole<1, MOST>>,
        cursor: Option<&str>,
        faults: &mut Faults,
    ) -> Self {
        let limit = limit.and_then(|limit| usize::try_from(limit.get()).ok());
        let limit = limit.unwrap_or(USUAL);
        let behind = cursor.and_then(|cursor| {
            let read = read_cursor(list, cursor);
            if read.is_none() {
                let remedy = "take cursor from next_cursor of this list's answer";
                faults.add("cursor", remedy);
            }
            read
        });
        Self {
            list,
            limit,
            behind,
        }
    }

    /// A place as a word that the client hands back for the page behind it.
    fn cursor(&self, place: &P) -> String {
        let list = self.list;
        URL_SAFE_NO_PAD.encode(format!("{list}:{place}"))
    }
}

/// Reads a cursor of that list; `None` for any other text.
fn read_cursor<P: FromStr>(list: &str, text: &str) -> Option<P> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.strip_prefix(list)?.strip_prefix(':')?.parse().ok()
}

impl Paging {
    /// The rows to read of a list.
    pub(super) const fn window(&self) -> Window {
        Window {
            behind: self.behind,
            limit: self.limit,
        }
    }

    /// The place of the last row of the page before.
    pub(super) const fn behind(&self) -> Option<ListPlace> {
        self.behind
    }

    /// The page: the rows as read.
    pub(super) fn page<R, T>(&self, listing: Listing<R>, show: impl Fn(R) -> T) -> Page<T> {
        let Listing {
            rows,
            next,
            reached,
        } = listing;
        Page {
            data: rows.into_iter().map(show).collect(),
            next_cursor: next.map(|place| self.cursor(&place)),
            searched_back_to: reached.and_then(|reached| reached.at_ms).map(Time),
        }
    }
}

impl Paging<usize> {
    /// The page of a list that never changes, of which all rows are at hand.
    pub(super) fn cut<R, T>(
        &self,
        all: impl IntoIterator<Item = R>,
        show: impl Fn(R) -> T,
    ) -> Page<T> {
        let first = self.behind.map_or(0, |last| last.saturating_add(1));
        let mut rest = all.into_iter().skip(first);
        let data: Vec<T> = rest.by_ref().take(self.limit).map(show).collect();
        let last = first.saturating_add(data.len()).saturating_sub(1);
        Page {
            next_cursor: rest.next().map(|_| self.cursor(&last)),
            ..Page::from(data)
        }
    }
}
