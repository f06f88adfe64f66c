//! Templates: the bodies that texts are rendered from when a message is registered.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::changes::Changing;
use super::clause::{Clause, Select};
use super::listing::ListedTable;
use super::reader::{Reader, SqliteQuery};
use super::{backend, ranges};
use crate::model::quoted;
use crate::store::query::{Listing, TemplateDetailQuery, TemplateQuery};
use crate::store::{Error, TemplateRecord};

impl Changing<'_> {
    /// Writes a template's body, over the one before.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub(super) fn put_template(
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
    pub(super) fn remove_template(&mut self, name: &str, language: &str) -> Result<(), Error> {
        let removed = self
            .connection
            .execute(
                "DELETE FROM template WHERE name = ?1 AND language = ?2",
                params![name, language],
            )
            .map_err(|error| backend("cannot remove the template".to_owned(), error))?;
        if removed == 0 {
            return Err(Error::NotFound(format!(
                "template is named {name} in {language}",
                name = quoted(name),
                language = quoted(language)
            )));
        }
        Ok(())
    }
}

const TEMPLATES: ListedTable = ListedTable::newest("template", "template_id", "updated_at_ms");

impl SqliteQuery for TemplateQuery {
    fn answer(self, reader: &Reader) -> Result<Listing<TemplateRecord>, Error> {
        let select = |_: &Connection| Ok(select());
        reader.list("list templates", self.window, select, read_template)
    }
}

impl SqliteQuery for TemplateDetailQuery {
    fn answer(self, reader: &Reader) -> Result<Option<TemplateRecord>, Error> {
        reader.read("read the template", |connection| {
            connection
                .query_row(
                    "SELECT * FROM template WHERE name = ?1 AND language = ?2",
                    params![self.name, self.language],
                    read_template,
                )
                .optional()
        })
    }
}

/// The statement of the list of templates.
pub(super) fn select() -> Select {
    Clause::default().select("SELECT * FROM template", TEMPLATES, ranges::all())
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
