//! What a list is narrowed to, checked alike for the command line and the API: what cannot match is
//! refused with the remedy, for an empty list would say that nothing happened.

use super::{Fault, wanted};
use crate::access::Caller;
use crate::store::account_event::AccountEventQuery;
use crate::store::query::{Listing, MessageQuery, Scope, Window};
use crate::store::{Error, Reader};

/// What a list is narrowed to, beside the words that its flags and parameters know themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Narrowing {
    /// A source, by its name.
    pub(crate) source: Option<String>,
    /// An error of a message, by its key, code or name.
    pub(crate) error: Option<String>,
    /// A number or an id of a person.
    pub(crate) recipient: Option<String>,
    /// A channel, or its first word.
    pub(crate) channel: Option<String>,
    /// An event of an account, by our name or the provider's word.
    pub(crate) event: Option<String>,
    /// From this time on, ms since 1970 UTC.
    pub(crate) since_ms: Option<i64>,
    /// Before this time, ms since 1970 UTC.
    pub(crate) until_ms: Option<i64>,
}

/// The filters of a list.
pub(crate) struct NarrowingKnown<'a> {
    pub(crate) reader: &'a Reader,
    /// The configured sources that the caller sees.
    pub(crate) sources: &'a [&'a str],
    pub(crate) caller: &'a Caller,
}

impl Narrowing {
    /// The error as the store has it, and all that can match nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn check(
        &self,
        known: &NarrowingKnown<'_>,
    ) -> Result<(Option<String>, Vec<Fault>), Error> {
        let NarrowingKnown {
            reader,
            sources,
            caller,
        } = *known;
        let mut faults = Vec::new();
        let mut refuse = |field: &str, detail| {
            faults.push(Fault::new(field, detail));
        };
        if let Some(name) = &self.source {
            let is_known = sources.contains(&name.as_str())
                || caller.sees_source(name) && reader.has_source(name)?;
            if !is_known {
                refuse("source", wanted::no_such_source(name, sources, caller));
            }
        }
        let error = self.error.as_ref();
        let error = error.map(|it| wanted::known_error(it, |key| reader.has_error(key)));
        let error = error.transpose().unwrap_or_else(|detail| {
            refuse("error", detail);
            None
        });
        if let Some(detail) = self.recipient.as_deref().and_then(wanted::no_recipient) {
            refuse("recipient", detail);
        }
        if let Some(channel) = &self.channel
            && !wanted::is_usual_channel(channel)
            && !self.has_channel(channel, known)?
        {
            refuse("channel", wanted::no_such_channel(channel));
        }
        if let Some(event) = &self.event
            && !wanted::is_usual_event(event)
            && !has_event(event, known)?
        {
            refuse("event", wanted::no_such_event(event));
        }
        if let (Some(since_ms), Some(until_ms)) = (self.since_ms, self.until_ms)
            && until_ms <= since_ms
        {
            refuse("until", "until is to be later than since".to_owned());
        }
        Ok((error, faults))
    }

    /// Whether a message is of this channel, or may be: the search is no longer than a list's.
    fn has_channel(&self, channel: &str, known: &NarrowingKnown<'_>) -> Result<bool, Error> {
        let found = known.reader.search(&MessageQuery {
            channel: Some(channel.to_ascii_lowercase()),
            // What it is searched for in is no more than what is listed.
            since_ms: self.since_ms,
            until_ms: self.until_ms,
            scope: Scope::from(known.caller),
            window: Window::newest(1),
            ..MessageQuery::default()
        })?;
        Ok(may_have(&found))
    }
}

/// Whether an event is called so, or may be.
fn has_event(event: &str, known: &NarrowingKnown<'_>) -> Result<bool, Error> {
    let found = known.reader.account_events(&AccountEventQuery {
        event: Some(event.to_owned()),
        scope: Scope::from(known.caller),
        window: Window::newest(1),
        ..AccountEventQuery::default()
    })?;
    Ok(may_have(&found))
}

/// A search that was cut says nothing of what it did not reach.
const fn may_have<T>(found: &Listing<T>) -> bool {
    !found.rows.is_empty() || found.reached.is_some()
}
