//! Templates: the bodies that texts are rendered from when a message is registered.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::backend;
use super::changes::Changing;
use super::reader::Reader;
use crate::store::query::Window;
use crate::store::{Error, TemplateRecord};

impl Changing<'_> {
    /// Writes a template's body, over the one before.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub fn put_template(
        &mut self,
        name: &str,
        language: &str,
        body: &str,
    ) -> Result<TemplateRecord, Error> {
        self.connection
            .query_row(
                "INSERT INTO template (name, language, body, updated_at_ms) \
                 VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name, language) DO UPDATE SET \
                 body = excluded.body, updated_at_ms = excluded.updated_at_ms RETURNING *",
                params![name, language, body, self.now_ms],
                read_template,
            )
            .map_err(|error| backend("cannot write the template".to_owned(), error))
    }

    /// Removes a template; texts that were rendered stay.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Backend`].
    pub fn remove_template(&mut self, name: &str, language: &str) -> Result<(), Error> {
        let removed = self
            .connection
            .execute(
                "DELETE FROM template WHERE name = ?1 AND language = ?2",
                params![name, language],
            )
            .map_err(|error| backend("cannot remove the template".to_owned(), error))?;
        if removed == 0 {
            return Err(Error::NotFound(format!(
                "template is named {name:?} in {language:?}"
            )));
        }
        Ok(())
    }
}

impl Reader {
    /// Templates, the newest first.
    ///
    /// # Errors
    /// As every read.
    pub fn templates(&self, window: Window) -> Result<Vec<TemplateRecord>, Error> {
        self.read("list templates", |connection| {
            connection
                .prepare(
                    "SELECT * FROM template WHERE template_id < ?1 \
                     ORDER BY template_id DESC LIMIT ?2",
                )?
                .query_map(
                    params![window.before.unwrap_or(i64::MAX), window.limit],
                    read_template,
                )?
                .collect()
        })
    }

    /// The template of that name in that language.
    ///
    /// # Errors
    /// As every read.
    pub fn template(&self, name: &str, language: &str) -> Result<Option<TemplateRecord>, Error> {
        self.read("read the template", |connection| {
            connection
                .query_row(
                    "SELECT * FROM template WHERE name = ?1 AND language = ?2",
                    params![name, language],
                    read_template,
                )
                .optional()
        })
    }
}

fn read_template(row: &Row<'_>) -> rusqlite::Result<TemplateRecord> {
    Ok(TemplateRecord {
        template_id: row.get("template_id")?,
        name: row.get("name")?,
        language: row.get("language")?,
        body: row.get("body")?,
        updated_at_ms: row.get("updated_at_ms")?,
    })
}

/// The body of a template; without a language, when there is only one of that name.
pub(super) fn find_body(
    connection: &Connection,
    name: &str,
    language: Option<&str>,
) -> rusqlite::Result<Option<String>> {
    let mut select = connection.prepare_cached(
        "SELECT body FROM template WHERE name = ?1 AND (?2 IS NULL OR language = ?2) LIMIT 2",
    )?;
    let bodies: Vec<String> = select
        .query_map(params![name, language], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut bodies = bodies.into_iter();
    Ok(bodies.next().filter(|_| bodies.next().is_none()))
}
