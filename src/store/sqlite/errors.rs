//! The table `error_code`, and which errors the providers named that it does not explain.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::listing::ListedTable;
use super::reader::{Reader, SqliteQuery};
use super::{backend, ranges};
use crate::store::Error;
use crate::store::overview::UnknownError;
use crate::store::query::{
    ErrorExistsQuery, ListPlace, Listing, SourceExistsQuery, UnknownErrorQuery,
};

/// Brings the table `error_code`, for analysts to join, up to this build's catalogue; what
/// stands there already is not written again, nor synced.
pub(super) fn fill(connection: &mut Connection) -> Result<(), Error> {
    let fill = |connection: &mut Connection| -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        let keys: Vec<&str> = crate::catalogue::all()
            .iter()
            .map(|entry| entry.key.as_str())
            .collect();
        transaction.execute(
            "DELETE FROM error_code WHERE error_key NOT IN (SELECT value FROM json_each(?1))",
            [serde_json::to_string(&keys).unwrap_or_else(|_| "[]".to_owned())],
        )?;
        {
            let mut insert = transaction.prepare(
                "INSERT INTO error_code (error_key, provider, code, name, meaning, remedy, \
                 fixed_by, resend, implies_type, whatsapp_code) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
                 ON CONFLICT (error_key) DO UPDATE SET provider = excluded.provider, \
                 code = excluded.code, name = excluded.name, meaning = excluded.meaning, \
                 remedy = excluded.remedy, fixed_by = excluded.fixed_by, \
                 resend = excluded.resend, implies_type = excluded.implies_type, \
                 whatsapp_code = excluded.whatsapp_code \
                 WHERE (provider, code, name, meaning, remedy, fixed_by, resend, implies_type, \
                 whatsapp_code) IS NOT (excluded.provider, excluded.code, excluded.name, \
                 excluded.meaning, excluded.remedy, excluded.fixed_by, excluded.resend, \
                 excluded.implies_type, excluded.whatsapp_code)",
            )?;
            for entry in crate::catalogue::all() {
                insert.execute(rusqlite::params![
                    entry.key,
                    entry.provider,
                    entry.code,
                    entry.name,
                    entry.meaning,
                    entry.remedy,
                    entry.fix,
                    entry.resend,
                    entry.implies,
                    entry.whatsapp_code,
                ])?;
            }
        }
        transaction.commit()
    };
    fill(connection).map_err(|error| backend("cannot write the table error_code".to_owned(), error))
}

const REPORTS: ListedTable = ListedTable::newest("report", "report_id", "received_at_ms");

/// The unknown errors of some reports. Where a report has several errors the column `errors` holds
/// them all, the primary one again among them.
pub(super) const UNKNOWN: &str = "WITH named AS ( \
         SELECT error_key, error_code AS code, error_title AS title, \
                error_details AS details, received_at_ms \
         FROM report WHERE report_id BETWEEN ?1 AND ?2 \
         AND error_key IS NOT NULL AND errors IS NULL \
         UNION ALL \
         SELECT value ->> 'error_key', value ->> 'code', value ->> 'title', \
                value ->> 'details', received_at_ms \
         FROM report, json_each(errors) WHERE report_id BETWEEN ?1 AND ?2 \
         AND errors IS NOT NULL) \
     SELECT error_key, code, title, details, count(*), min(received_at_ms), \
            max(received_at_ms) \
     FROM named WHERE error_key NOT IN (SELECT error_key FROM error_code) GROUP BY error_key";

impl SqliteQuery for ErrorExistsQuery {
    fn answer(self, reader: &Reader) -> Result<bool, Error> {
        let found = reader.read("look for an error", |connection| {
            let by = |condition, value: Value| {
                let sql = format!("SELECT EXISTS (SELECT 1 FROM message WHERE {condition})");
                connection.query_row(&sql, [value], |row| row.get(0))
            };
            match self.error.parse::<i64>() {
                Ok(code) => by("error_code = ?1", code.into()),
                Err(_) => by("error_key = ?1", self.error.into()),
            }
        });
        Ok(found.unwrap_or(true))
    }
}

impl SqliteQuery for SourceExistsQuery {
    fn answer(self, reader: &Reader) -> Result<bool, Error> {
        reader.read("look for a source", |connection| {
            connection.query_row(
                "SELECT EXISTS (SELECT 1 FROM source WHERE name = ?1)",
                [self.name],
                |row| row.get(0),
            )
        })
    }
}

impl SqliteQuery for UnknownErrorQuery {
    fn answer(self, reader: &Reader) -> Result<Listing<UnknownError>, Error> {
        reader.read("look for unknown errors", |connection| {
            let mut select = connection.prepare(UNKNOWN)?;
            let mut known: HashMap<String, UnknownError> = HashMap::new();
            let keys = (&ranges::all()[..], self.behind.map(ListPlace::key));
            let reached = reader.walk(connection, REPORTS, keys, |part| {
                let found: Vec<UnknownError> = select
                    .query_map([part.first, part.last], read_unknown)?
                    .collect::<rusqlite::Result<_>>()?;
                for error in found {
                    match known.entry(error.error_key.clone()) {
                        Entry::Vacant(entry) => drop(entry.insert(error)),
                        Entry::Occupied(mut entry) => entry.get_mut().absorb(&error),
                    }
                }
                Ok(false)
            })?;
            let mut rows: Vec<UnknownError> = known.into_values().collect();
            rows.sort_unstable_by(|one, other| {
                let by_number = other.reports.cmp(&one.reports);
                by_number.then_with(|| one.error_key.cmp(&other.error_key))
            });
            Ok(Listing {
                rows,
                next: reached.map(|reached| reached.place),
                reached,
            })
        })
    }
}

fn read_unknown(row: &Row<'_>) -> rusqlite::Result<UnknownError> {
    Ok(UnknownError {
        error_key: row.get(0)?,
        code: row.get(1)?,
        title: row.get(2)?,
        details: row.get(3)?,
        reports: row.get(4)?,
        first_seen_ms: row.get(5)?,
        last_seen_ms: row.get(6)?,
    })
}
