//! Sources: their keys, which are given out when something comes by them first.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::providers::Provider;

/// The keys of sources; one that is made in a transaction is known to all when it is committed.
pub(super) struct Sources<'a> {
    connection: &'a Connection,
    known: &'a HashMap<Arc<str>, i64>,
    new: Vec<(Arc<str>, i64)>,
}

impl<'a> Sources<'a> {
    pub(super) const fn new(connection: &'a Connection, known: &'a HashMap<Arc<str>, i64>) -> Self {
        Self {
            connection,
            known,
            new: Vec::new(),
        }
    }

    /// The key of a source.
    pub(super) fn id(&mut self, name: &Arc<str>, provider: Provider) -> rusqlite::Result<i64> {
        if let Some(id) = self.known.get(name) {
            return Ok(*id);
        }
        let id = self.connection.query_row(
            "INSERT INTO source (name, provider) VALUES (?1, ?2) \
             ON CONFLICT (name) DO UPDATE SET provider = excluded.provider RETURNING source_id",
            params![&**name, provider.as_str()],
            |row| row.get(0),
        )?;
        self.new.push((Arc::clone(name), id));
        Ok(id)
    }

    /// Those that were not known.
    pub(super) fn found(self) -> Vec<(Arc<str>, i64)> {
        self.new
    }
}
