//! Lists as every command shows them: a table of columns, or an array with `--json`, then what there is
//! to say of the rest.

use serde::Serialize;

use super::table::table;
use super::{Exit, Terminal};

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

impl<T: Serialize> List<'_, T> {
    /// Shows the rows, and says what there is to say of the `rest`.
    pub(super) fn show(
        &self,
        (rows, rest): (&[T], Option<String>),
        json: bool,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        if json {
            say(rest, terminal)?;
            return terminal.json(&rows);
        }
        if rows.is_empty() {
            return terminal.refuse(rest.unwrap_or_else(|| self.nothing.to_owned()));
        }
        write!(terminal.data, "{}", self.table(rows, terminal.width))?;
        say(rest, terminal)?;
        Ok(Exit::Done)
    }
}

/// Says how a list ended, after its rows.
pub(super) fn say(rest: Option<String>, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    if let Some(rest) = rest {
        writeln!(terminal.talk, "{rest}")?;
    }
    Ok(())
}
