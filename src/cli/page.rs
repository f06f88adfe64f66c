//! The pages of a list: what it is narrowed to, how many rows, from where on, and what to say where it
//! was cut.

use clap::Args;

use super::Settings;
use super::time::day_and_time;
use super::usage::limit;
use crate::access::Caller;
use crate::admin::narrowing::{Narrowing, NarrowingKnown};
use crate::model::quoted;
use crate::store::Reader;
use crate::store::query::{Cursor, Listing, Reached, Window};

/// The flags of a list.
#[derive(Debug, Args)]
pub(super) struct PageArgs {
    /// At most this many
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = limit)]
    limit: usize,
    /// Go on from where a list ended, with the word that it named
    #[arg(long, value_name = "WORD")]
    cursor: Option<String>,
    /// Answer with a JSON array
    #[arg(long)]
    pub(super) json: bool,
}

/// The query can match nothing; says why not.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unmatched(String);

impl PageArgs {
    /// The rows of that list to read, and the error that it is narrowed to as the store has it.
    ///
    /// # Errors
    /// [`Unmatched`] when there is no such source, error or the like; another when the cursor is none of
    /// this list's, with all else that is wrong, and when the store cannot be read.
    pub(super) fn begin(
        &self,
        list: &'static str,
        narrowing: &Narrowing,
        settings: &Settings,
        reader: &Reader,
    ) -> anyhow::Result<(Window, Option<String>)> {
        let window = self.window(list);
        match (narrowed(settings, reader, narrowing)?, window) {
            (Ok(error), window) => Ok((window?, error)),
            (Err(why), Ok(_)) => Err(Unmatched(why).into()),
            (Err(why), Err(wrong)) => Err(anyhow::anyhow!("{wrong}\n{why}")),
        }
    }

    /// The rows of that list to read: one more than is shown, which shows whether there are more.
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

/// The error as the store has it; checked as the API checks it, so that both refuse alike.
///
/// # Errors
/// Inside, in words, when something of it can match nothing; outside when the store cannot be read.
pub(super) fn narrowed(
    settings: &Settings,
    reader: &Reader,
    narrowing: &Narrowing,
) -> anyhow::Result<Result<Option<String>, String>> {
    let sources = match narrowing.source {
        Some(_) => settings.load()?.config.sources,
        None => Vec::new(),
    };
    let sources: Vec<&str> = sources.iter().map(|it| it.name.as_str()).collect();
    let (error, faults) = narrowing.check(&NarrowingKnown {
        reader,
        sources: &sources,
        caller: &Caller::cli(),
    })?;
    if faults.is_empty() {
        return Ok(Ok(error));
    }
    let details: Vec<String> = faults.into_iter().map(|fault| fault.detail).collect();
    Ok(Err(details.join("\n")))
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
