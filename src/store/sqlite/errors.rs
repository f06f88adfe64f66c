//! The table `error_code`, and which errors the providers named that it does not explain.

use rusqlite::Connection;

use super::backend;
use super::reader::Reader;
use crate::store::Error;
use crate::store::overview::UnknownError;

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
                    entry.fix.as_str(),
                    entry.resend.as_str(),
                    entry.implies.map(crate::model::MessageType::as_str),
                    entry.whatsapp_code,
                ])?;
            }
        }
        transaction.commit()
    };
    fill(connection).map_err(|error| backend("cannot write the table error_code".to_owned(), error))
}

impl Reader {
    /// The errors in reports that the table `error_code` does not know, the most frequent
    /// first.
    ///
    /// # Errors
    /// As every read.
    pub fn unknown_errors(&self) -> Result<Vec<UnknownError>, Error> {
        self.read("look for unknown errors", |connection| {
            // Where a report has several errors the column `errors` holds them all, the
            // primary one again among them.
            connection
                .prepare(
                    "WITH named AS ( \
                         SELECT error_key, error_code AS code, error_title AS title, \
                                error_details AS details, received_at_ms \
                         FROM report WHERE error_key IS NOT NULL AND errors IS NULL \
                         UNION ALL \
                         SELECT value ->> 'error_key', value ->> 'code', value ->> 'title', \
                                value ->> 'details', received_at_ms \
                         FROM report, json_each(errors) WHERE errors IS NOT NULL) \
                     SELECT error_key, code, title, details, count(*), min(received_at_ms), \
                            max(received_at_ms) \
                     FROM named WHERE error_key NOT IN (SELECT error_key FROM error_code) \
                     GROUP BY error_key ORDER BY count(*) DESC, error_key",
                )?
                .query_map([], |row| {
                    Ok(UnknownError {
                        error_key: row.get(0)?,
                        code: row.get(1)?,
                        title: row.get(2)?,
                        details: row.get(3)?,
                        reports: row.get(4)?,
                        first_seen_ms: row.get(5)?,
                        last_seen_ms: row.get(6)?,
                    })
                })?
                .collect()
        })
    }
}
