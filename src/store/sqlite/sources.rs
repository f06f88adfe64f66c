//! Sources: their keys, which are given out when something comes by them first.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::backend;
use crate::providers::Provider;
use crate::store::Error;

/// Brings what the table `source` says of each provider up to this build's definitions; what stands
/// there already is not written again.
pub(super) fn fill(connection: &Connection) -> Result<(), Error> {
    let mut update = connection
        .prepare("UPDATE source SET ends_at_sent = ?2 WHERE provider = ?1 AND ends_at_sent <> ?2")
        .map_err(failed)?;
    for provider in Provider::ALL {
        let values = params![provider.as_str(), provider.definition().ends_at_sent];
        update.execute(values).map_err(failed)?;
    }
    Ok(())
}

fn failed(error: rusqlite::Error) -> Error {
    backend("cannot write the table source".to_owned(), error)
}

/// The key of a source that something came by; 0 of any other, which no row has.
pub(super) fn find(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let mut select = connection.prepare_cached("SELECT source_id FROM source WHERE name = ?1")?;
    let found = select.query_row([name], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or_default())
}

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
            "INSERT INTO source (name, provider, ends_at_sent) VALUES (?1, ?2, ?3) \
             ON CONFLICT (name) DO UPDATE SET provider = excluded.provider, \
             ends_at_sent = excluded.ends_at_sent RETURNING source_id",
            params![
                &**name,
                provider.as_str(),
                provider.definition().ends_at_sent
            ],
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
