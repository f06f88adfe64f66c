//! A list as a command shows it: what it is narrowed to and where it begins, then its rows as JSON or in
//! columns, then what there is to say of the rest.

use serde::Serialize;

use super::narrowed::narrowed;
use super::page::{self, Page};
use super::table::table;
use super::{Exit, Settings, Terminal};
use crate::admin::narrowing::Narrowing;
use crate::store::Reader;
use crate::store::query::Window;

/// What a list is narrowed to, and its page.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The name of the list in its cursors.
    pub(super) list: &'static str,
    pub(super) page: &'a Page,
    pub(super) narrowing: &'a Narrowing,
}

impl Asked<'_> {
    /// The rows to read, and the error as the store has it.
    ///
    /// # Errors
    /// Inside, in words, when there is no such source, error or the like; outside when the cursor is none of this
    /// list's, with all else that is wrong, and when the store cannot be read.
    pub(super) fn begin(
        self,
        settings: &Settings,
        reader: &Reader,
    ) -> anyhow::Result<Result<(Window, Option<String>), String>> {
        let window = self.page.window(self.list);
        match (narrowed(settings, reader, self.narrowing)?, window) {
            (Ok(error), window) => Ok(Ok((window?, error))),
            (Err(refusal), Ok(_)) => Ok(Err(refusal)),
            (Err(refusal), Err(wrong)) => Err(anyhow::anyhow!("{wrong}\n{refusal}")),
        }
    }
}

/// How the rows of a list are shown.
pub(super) struct Table<'a> {
    pub(super) headings: &'a [&'a str],
    /// What is said where there are none.
    pub(super) nothing: &'a str,
    pub(super) json: bool,
}

impl Table<'_> {
    /// Shows the rows, and says what there is to say of the `rest`.
    pub(super) fn show<T: Serialize>(
        &self,
        (rows, rest): (&[T], Option<String>),
        row: impl Fn(&T) -> Vec<String>,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        if self.json {
            page::say(rest, terminal)?;
            return terminal.json(&rows);
        }
        if rows.is_empty() {
            return terminal.refuse(rest.unwrap_or_else(|| self.nothing.to_owned()));
        }
        let text = table(self.headings, rows.iter().map(row), terminal.width);
        write!(terminal.data, "{text}")?;
        page::say(rest, terminal)?;
        Ok(Exit::Done)
    }
}
