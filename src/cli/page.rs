//! The pages of a list: how many rows, from where on, and what to say where a list was cut.

use clap::Args;

use super::Terminal;
use super::time::day_and_time;
use super::usage::limit;
use crate::model::quoted;
use crate::store::query::{Cursor, Listing, Reached, Window};

/// The flags of a list.
#[derive(Debug, Args)]
pub(super) struct Page {
    /// At most this many
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = limit)]
    limit: usize,
    /// Go on from where a list ended, with the word that it named
    #[arg(long, value_name = "WORD")]
    cursor: Option<String>,
}

impl Page {
    /// The rows of that list to read: one more than is shown, which tells whether there are more.
    pub(super) fn window(&self, list: &'static str) -> anyhow::Result<Window> {
        window(list, self.limit, self.cursor.as_deref())
    }

    /// Takes the row off that is one too many, and answers what to say of the rest of the list, if
    /// there is one.
    pub(super) fn cut<T>(
        &self,
        list: &'static str,
        listing: &mut Listing<T>,
        key: impl Fn(&T) -> i64,
    ) -> Option<String> {
        if listing.rows.len() > self.limit {
            listing.rows.truncate(self.limit);
            listing.reached = None;
            let key = key(listing.rows.last()?);
            let cursor = Cursor { list, key };
            return Some(format!(
                "There are more: --cursor {cursor} goes on from here."
            ));
        }
        cut_short(list, listing)
    }
}

/// The rows of that list to read.
pub(super) fn window(
    list: &'static str,
    limit: usize,
    cursor: Option<&str>,
) -> anyhow::Result<Window> {
    let before = cursor.map(|text| {
        Cursor::read(list, text).ok_or_else(|| {
            anyhow::anyhow!(
                "{} is no cursor of this list: take the word that the list names",
                quoted(text)
            )
        })
    });
    Ok(Window {
        before: before.transpose()?.map(|cursor| cursor.key),
        limit: limit.saturating_add(1),
    })
}

/// What to say of a list whose time budget was used up; `None` when it was not.
pub(super) fn cut_short<T>(list: &'static str, listing: &Listing<T>) -> Option<String> {
    let reached = listing.reached?;
    let cursor = Cursor {
        list,
        key: reached.key,
    };
    let place = reached.at_ms.map_or_else(String::new, |at_ms| {
        format!(" back to {}", day_and_time(at_ms))
    });
    Some(format!(
        "Searched{place}, which took as long as a list may (store.list_budget): \
         --cursor {cursor} goes on from there."
    ))
}

/// What to say of counts that the time budget kept from going back further; `None` when it did not.
pub(super) fn counted(reached: Option<Reached>) -> Option<String> {
    let place = reached?.at_ms.map_or_else(String::new, |at_ms| {
        format!(" back to {}", day_and_time(at_ms))
    });
    Some(format!(
        "Counted{place}, which took as long as a list may (store.list_budget): what is older is not \
         counted."
    ))
}

/// Says how a list ended, after its rows.
pub(super) fn say(rest: Option<String>, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    if let Some(rest) = rest {
        writeln!(terminal.talk, "{rest}")?;
    }
    Ok(())
}
