//! A statement that runs for row after row, many of whose values are NULL.
//!
//! SQLite keeps what is bound from one run to the next, so a NULL over a NULL need not be bound. Of the 43 values
//! of a report about 26 are NULL.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, Error, ToSql};

/// Such a statement. Each run binds every parameter, in their order.
pub(super) struct SparseStatement<'c> {
    connection: &'c Connection,
    statement: CachedStatement<'c>,
    /// Whether each parameter has a value. A statement comes from the cache without any.
    has_value: Vec<bool>,
    /// How many parameters are bound for the next run.
    bound: usize,
}

impl<'c> SparseStatement<'c> {
    pub(super) fn new(connection: &'c Connection, sql: &str) -> rusqlite::Result<Self> {
        let statement = connection.prepare_cached(sql)?;
        let has_value = vec![false; statement.parameter_count()];
        Ok(Self {
            connection,
            statement,
            has_value,
            bound: 0,
        })
    }

    /// Binds the next parameter.
    pub(super) fn bind(&mut self, value: &dyn ToSql) -> rusqlite::Result<()> {
        let value = value.to_sql()?;
        let is_null = matches!(
            value,
            ToSqlOutput::Borrowed(ValueRef::Null) | ToSqlOutput::Owned(Value::Null)
        );
        let parameters = self.has_value.len();
        let Some(has_value) = self.has_value.get_mut(self.bound) else {
            return Err(Error::InvalidParameterCount(self.bound + 1, parameters));
        };
        self.bound += 1;
        if !is_null || *has_value {
            self.statement.raw_bind_parameter(self.bound, value)?;
        }
        *has_value = !is_null;
        Ok(())
    }

    /// Runs it with what was bound since it ran before; returns how many rows it changed.
    pub(super) fn run(&mut self) -> rusqlite::Result<usize> {
        let bound = std::mem::take(&mut self.bound);
        if bound < self.has_value.len() {
            // A row would get what the one before it had.
            return Err(Error::InvalidParameterCount(bound, self.has_value.len()));
        }
        self.statement.raw_execute()
    }

    /// Runs it with these values; returns the key of the row that it inserted.
    pub(super) fn insert(&mut self, values: &[&dyn ToSql]) -> rusqlite::Result<i64> {
        for &value in values {
            self.bind(value)?;
        }
        match self.run()? {
            1 => Ok(self.connection.last_insert_rowid()),
            changed => Err(Error::StatementChangedRows(changed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::*;

    const INSERT: &str = "INSERT INTO sparse VALUES (?1, ?2, ?3)";

    fn table() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let table = "CREATE TABLE sparse (a TEXT, b TEXT, c TEXT)";
        connection.execute_batch(table).unwrap();
        connection
    }

    #[test]
    fn a_row_has_its_own_values_and_none_of_those_before_it() {
        let connection = table();
        let rows = [
            [Some("a"), None, Some("c")],
            [None, Some("b"), None],
            [None, None, None],
            [Some("d"), None, Some("")],
        ];
        // The second time the statement comes from the cache.
        for (first_key, rows) in [(1, &rows[..2]), (3, &rows[2..])] {
            let mut insert = SparseStatement::new(&connection, INSERT).unwrap();
            for (key, [a, b, c]) in (first_key..).zip(rows) {
                assert_eq!(insert.insert(params![a, b, c]).unwrap(), key);
            }
        }
        let mut select = connection.prepare("SELECT a, b, c FROM sparse").unwrap();
        let stored = select
            .query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))
            .unwrap();
        let stored: Vec<[Option<String>; 3]> = stored.collect::<rusqlite::Result<_>>().unwrap();
        let rows = rows.map(|row| row.map(|value| value.map(str::to_owned)));
        assert_eq!(stored, rows);
    }

    #[test]
    fn a_run_has_as_many_values_as_parameters() {
        let connection = table();
        let mut insert = SparseStatement::new(&connection, INSERT).unwrap();
        insert.insert(params!["a", "b"]).unwrap_err();
        insert.insert(params!["a", "b", "c", "d"]).unwrap_err();
    }
}
