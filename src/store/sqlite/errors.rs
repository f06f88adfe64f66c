//! Reading which errors the providers named that the catalogue does not explain.

use super::reader::Reader;
use crate::store::Error;
use crate::store::overview::UnknownError;

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
