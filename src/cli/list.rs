//! Lists as every command shows them: a table of columns, or the API's document with `--json`, then what
//! there is to say of the rest.

use serde::Serialize;

use super::table::table;
use super::time::day_and_time;
use super::{Exit, Terminal};
use crate::web::api::page::Page;

/// A column: its title, and its cell of a row.
pub(super) type Column<'a, T> = (&'a str, &'a dyn Fn(&T) -> String);

/// How the rows of a list are shown.
pub(super) struct List<'a, T> {
    pub(super) columns: &'a [Column<'a, T>],
    /// What is said where there are none.
    pub(super) nothing: &'a str,
}

impl<T> List<'_, T> {
    /// The rows as a table that fits a terminal of so many columns.
    pub(super) fn table(&self, rows: &[T], width: Option<usize>) -> String {
        let titles: Vec<&str> = self.columns.iter().map(|(title, _)| *title).collect();
        let cells = |row| self.columns.iter().map(|(_, cell)| cell(row)).collect();
        table(&titles, rows.iter().map(cells), width)
    }
}

impl<T> List<'_, T> {
    /// Shows the rows, and says what there is to say of the `rest`.
    pub(super) fn show_rows(
        &self,
        (rows, rest): (&[T], Option<String>),
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        if rows.is_empty() {
            return terminal.refuse(rest.unwrap_or_else(|| self.nothing.to_owned()));
        }
        write!(terminal.data, "{}", self.table(rows, terminal.width))?;
        say(rest, terminal)?;
        Ok(Exit::Done)
    }
}

impl<T: Serialize> List<'_, T> {
    /// Shows a page of the API, as its document with `--json`, and says how it goes on.
    pub(super) fn show_page(
        &self,
        page: &Page<T>,
        json: bool,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let rest = page.rest();
        if json {
            say(rest, terminal)?;
            return terminal.json(page);
        }
        self.show_rows((&page.data, rest), terminal)
    }
}

impl<T> Page<T> {
    /// What to say of the rows that are not on it, if there may be any.
    pub(super) fn rest(&self) -> Option<String> {
        let place = self.searched_back_to.map(day_and_time);
        Some(match (&self.next_cursor, place) {
            (Some(cursor), None) => format!("There are more: --cursor {cursor} goes on from here."),
            (Some(cursor), Some(place)) => format!(
                "Searched back to {place}, which took as long as a list may (store.list_budget): --cursor \
                 {cursor} goes on from there."
            ),
            (None, Some(place)) => counted(&place),
            (None, None) => return None,
        })
    }
}

/// What to say of counts that the time budget kept from going back further.
pub(super) fn counted(place: &str) -> String {
    format!(
        "Counted back to {place}, which took as long as a list may (store.list_budget): what is older \
         is not counted."
    )
}

/// Says how a list ended, after its rows.
pub(super) fn say(rest: Option<String>, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    if let Some(rest) = rest {
        writeln!(terminal.talk, "{rest}")?;
    }
    Ok(())
}
