//! The WHERE clause of a query, with only the conditions that it sets.
//!
//! A condition like `?1 IS NULL OR column = ?1` keeps SQLite from every index: it plans a statement
//! before it knows the values. So an unset condition is not written.

use rusqlite::types::Value;

use super::listing::{ListOrder, ListedTable};
use super::ranges::KeySpan;

/// Conditions that all must hold, with their values.
#[derive(Debug, Default)]
pub(super) struct Clause {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Clause {
    /// Conditions whose values are numbered on from another's, to be nested in it.
    pub(super) fn after(outer: &Self) -> Self {
        Self {
            conditions: Vec::new(),
            values: outer.values.clone(),
        }
    }

    /// Adds that no row is there under the conditions of `inner`, which began after these.
    pub(super) fn and_not_exists(&mut self, table: &str, inner: Self) {
        let condition = inner.text();
        self.values = inner.values;
        self.and(format!(
            "NOT EXISTS (SELECT 1 FROM {table} WHERE {condition})"
        ));
    }

    /// Adds a condition without a value.
    pub(super) fn and(&mut self, condition: impl Into<String>) {
        self.conditions.push(condition.into());
    }

    /// Adds a condition, each `?` of which is that value; none where the value is unset.
    pub(super) fn and_if(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            let mark = self.bind(value);
            self.conditions.push(condition.replace('?', &mark));
        }
    }

    /// Keeps a value and returns how a condition names it.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    /// All conditions as one.
    pub(super) fn text(&self) -> String {
        match self.conditions[..] {
            [] => "TRUE".to_owned(),
            _ => self.conditions.join(" AND "),
        }
    }

    /// The values of the conditions, in the order of their numbers.
    pub(super) fn values(&self) -> &[Value] {
        &self.values
    }

    /// The SELECT of a list: `head` is all before WHERE. It reads a part of these keys at a time.
    pub(super) fn select(self, head: &str, keyed: ListedTable, keys: Vec<KeySpan>) -> Select {
        let ListedTable {
            table, key, order, ..
        } = keyed;
        let order = match order {
            ListOrder::NewestFirst => "DESC",
            ListOrder::OldestFirst => "ASC",
        };
        let next = self.values.len() + 1;
        let (first, last, limit) = (next, next + 1, next + 2);
        Select {
            sql: format!(
                "{head} WHERE {} AND {table}.{key} BETWEEN ?{first} AND ?{last} \
                 ORDER BY {table}.{key} {order} LIMIT ?{limit}",
                self.text()
            ),
            values: self.values,
            keyed,
            keys,
        }
    }
}

/// A list's statement, whose last three parameters are the first key, the last key and the limit.
#[derive(Debug)]
pub(super) struct Select {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
    pub(super) keyed: ListedTable,
    /// The keys that may hold a match, in the list's order.
    pub(super) keys: Vec<KeySpan>,
}
