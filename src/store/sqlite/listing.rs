//! Lists that end in time: a part of the keys is searched after the other, until the page is full or
//! the list's time budget is used up.
//!
//! The first part is small and is always searched to its end, so that each page is further than the
//! one before, however short the budget. A part that took little time is followed by a larger one:
//! a list with an index needs a handful of them, one without stays able to say how far it came.

use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params_from_iter};

use super::clause::Select;
use super::ranges::KeySpan;
use super::reader::{Reader, is_interrupted};
use crate::store::Error;
use crate::store::query::{ListPlace, Listing, Reached, Window};

/// Keys in the first part.
const FIRST_PART: i64 = 256;
/// A part grows by as much at most.
const GROWTH: u32 = 8;
/// A part is meant to take this part of the budget at most.
const PARTS: u32 = 8;

/// In which order a list has its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListOrder {
    /// From the highest key down.
    NewestFirst,
    /// From the lowest key up.
    OldestFirst,
}

/// What a list is of: its table, the table's key, and the time that says how far a search came.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListedTable {
    pub(super) table: &'static str,
    pub(super) key: &'static str,
    pub(super) time: &'static str,
    pub(super) order: ListOrder,
}

impl ListedTable {
    /// A list that has the newest first.
    pub(super) const fn newest(table: &'static str, key: &'static str, time: &'static str) -> Self {
        Self {
            table,
            key,
            time,
            order: ListOrder::NewestFirst,
        }
    }

    /// The lowest and the highest key there is.
    fn bounds(self, connection: &Connection) -> rusqlite::Result<KeySpan> {
        let Self { table, key, .. } = self;
        // Of each its own statement: SQLite reads the whole table for both in one.
        let end = |which: &str| -> rusqlite::Result<Option<i64>> {
            let sql = format!("SELECT {which}({key}) FROM {table}");
            connection.query_row(&sql, [], |row| row.get(0))
        };
        Ok((end("min")?.unwrap_or(0), end("max")?.unwrap_or(-1)))
    }

    /// The time of the row with this key, or of the next newer one that is kept.
    fn time_at(self, connection: &Connection, key: i64) -> rusqlite::Result<Option<i64>> {
        let Self { table, time, .. } = self;
        let name = self.key;
        let sql = format!("SELECT {time} FROM {table} WHERE {name} >= ?1 ORDER BY {name} LIMIT 1");
        connection
            .query_row(&sql, [key], |row| row.get(0))
            .optional()
    }
}

impl Reader {
    /// The rows of a list; of what `select` plans on the connection, each as `read` reads it.
    ///
    /// # Errors
    /// As every read; that the time budget is over is none.
    pub(super) fn list<T>(
        &self,
        attempted: &str,
        window: Window,
        select: impl FnOnce(&Connection) -> rusqlite::Result<Select>,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Listing<T>, Error> {
        self.read(attempted, |connection| {
            let select = select(connection)?;
            self.list_on(connection, &select, window, read)
        })
    }

    /// As [`Self::list`], on a connection that is there. One row more than the page has is looked
    /// for: it shows that the list goes on.
    pub(super) fn list_on<T>(
        &self,
        connection: &Connection,
        select: &Select,
        window: Window,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Listing<T>> {
        let mut statement = connection.prepare(&select.sql)?;
        let wanted = window.limit.saturating_add(1);
        let mut rows_found = Vec::new();
        let reached = self.walk(
            connection,
            select.keyed,
            (&select.keys, window.behind.map(ListPlace::key)),
            |part| {
                let KeyPart { first, last, at } = part;
                let left = i64::try_from(wanted.saturating_sub(rows_found.len()));
                let ends = [first, last, left.unwrap_or(i64::MAX)].map(Value::from);
                let values = select.values.iter().chain(&ends);
                let mut rows =
                    statement.query(params_from_iter(values.map(|it| it as &dyn ToSql)))?;
                while let Some(row) = rows.next()? {
                    let key: i64 = row.get(select.keyed.key)?;
                    rows_found.push((key, read(row)?));
                    *at = Some(key);
                }
                Ok(rows_found.len() >= wanted)
            },
        )?;
        Ok(Listing::page(rows_found, window.limit, reached))
    }

    /// Searches keys part by part until `search` says that it has enough; answers how far that came
    /// when the time was over first.
    pub(super) fn walk(
        &self,
        connection: &Connection,
        keyed: ListedTable,
        keys: (&[KeySpan], Option<i64>),
        search: impl FnMut(KeyPart<'_>) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<Option<Reached>> {
        let reached = self.walk_in_time(connection, keyed, keys, search);
        self.cut_at_last(connection)?;
        let Some(key) = reached? else { return Ok(None) };
        let at_ms = keyed.time_at(connection, key)?;
        let place = ListPlace::of(key);
        Ok(Some(Reached { place, at_ms }))
    }

    /// As [`Self::walk`]; answers the last key that was searched.
    fn walk_in_time(
        &self,
        connection: &Connection,
        keyed: ListedTable,
        (keys, behind): (&[KeySpan], Option<i64>),
        mut search: impl FnMut(KeyPart<'_>) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<Option<i64>> {
        let (lowest, highest) = keyed.bounds(connection)?;
        let mut parts = KeyParts {
            order: keyed.order,
            // A place may come from outside: it can be any number.
            keys: match (keyed.order, behind) {
                (ListOrder::NewestFirst, Some(at)) => (lowest, highest.min(at.saturating_sub(1))),
                (ListOrder::OldestFirst, Some(at)) => (lowest.max(at.saturating_add(1)), highest),
                (_, None) => (lowest, highest),
            },
            span: FIRST_PART,
        };
        let begun = Instant::now();
        let mut searched = None;
        for range in keys {
            let mut rest = parts.within(*range);
            while let Some((first, last)) = parts.next(&mut rest) {
                if searched.is_some() && begun.elapsed() >= self.budget {
                    return Ok(searched);
                }
                let (part_begun, mut at) = (Instant::now(), None);
                let part = KeyPart {
                    first,
                    last,
                    at: &mut at,
                };
                match search(part) {
                    Ok(true) => return Ok(None),
                    Ok(false) => {}
                    Err(error) if searched.is_some() && self.is_over(&error) => {
                        return Ok(at.or(searched));
                    }
                    Err(error) => return Err(error),
                }
                if searched.is_none() {
                    self.cut_at(connection, begun + self.budget)?;
                }
                searched = Some(match keyed.order {
                    ListOrder::NewestFirst => first,
                    ListOrder::OldestFirst => last,
                });
                parts.grow(part_begun.elapsed(), self.budget / PARTS);
            }
        }
        Ok(None)
    }

    /// Whether a read was cut because its time was over, and not because the store is opened again.
    pub(super) fn is_over(&self, error: &rusqlite::Error) -> bool {
        is_interrupted(error) && !self.is_paused()
    }
}

/// Keys that are searched together.
pub(super) struct KeyPart<'a> {
    pub(super) first: i64,
    pub(super) last: i64,
    /// The key up to which this part is searched, for the report of progress.
    pub(super) at: &'a mut Option<i64>,
}

/// How keys are cut into parts.
struct KeyParts {
    order: ListOrder,
    /// The keys that there are, of this page and those after it.
    keys: KeySpan,
    /// Keys in the next part.
    span: i64,
}

impl KeyParts {
    /// Of these keys those that there are.
    fn within(&self, (first, last): KeySpan) -> KeySpan {
        (first.max(self.keys.0), last.min(self.keys.1))
    }

    /// Takes the next part off the rest.
    fn next(&self, rest: &mut KeySpan) -> Option<KeySpan> {
        let (first, last) = *rest;
        if first > last {
            return None;
        }
        Some(match self.order {
            ListOrder::NewestFirst => {
                let part_first = first.max(last.saturating_sub(self.span - 1));
                *rest = (first, part_first - 1);
                (part_first, last)
            }
            ListOrder::OldestFirst => {
                let part_last = last.min(first.saturating_add(self.span - 1));
                *rest = (part_last + 1, last);
                (first, part_last)
            }
        })
    }

    /// Sizes the next part by what the last one took.
    fn grow(&mut self, took: Duration, meant: Duration) {
        let factor = meant.as_micros() / took.as_micros().max(1);
        let factor = i64::try_from(factor).unwrap_or(i64::MAX);
        self.span = self.span.saturating_mul(factor.clamp(1, GROWTH.into()));
        if took > meant {
            self.span = (self.span / 2).max(FIRST_PART);
        }
    }
}
