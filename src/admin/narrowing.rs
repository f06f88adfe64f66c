//! What a list is narrowed to, checked alike for the command line and the API: what cannot match is
//! refused with the remedy, for an empty list would say that nothing happened.

use super::wanted::MeantError;
use super::{Fault, wanted};
use crate::access::Caller;
use crate::store::query::{
    AccountEventQuery, ErrorExistsQuery, Listing, MessageQuery, Scope, SourceExistsQuery, Window,
};
use crate::store::{Error, Store};

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
    pub(crate) store: &'a Store,
    /// The configured sources that the caller sees.
    pub(crate) sources: &'a [&'a str],
    pub(crate) caller: &'a Caller,
}

impl Narrowing {
    /// The error as the store has it, and all that can match nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn check(
        &self,
        known: &NarrowingKnown<'_>,
    ) -> Result<(Option<String>, Vec<Fault>), Error> {
        let NarrowingKnown {
            store,
            sources,
            caller,
        } = *known;
        let mut faults = Vec::new();
        let mut refuse = |field: &str, detail| {
            faults.push(Fault::new(field, detail));
        };
        if let Some(name) = &self.source
            && !sources.contains(&name.as_str())
        {
            let exists = SourceExistsQuery { name: name.clone() };
            if !caller.sees_source(name) || !store.read(exists).await? {
                refuse("source", wanted::no_such_source(name, sources, caller));
            }
        }
        let error = match &self.error {
            Some(wanted) => known_error(wanted, store).await?.map(Some),
            None => Ok(None),
        };
        let error = error.unwrap_or_else(|detail| {
            refuse("error", detail);
            None
        });
        if let Some(detail) = self.recipient.as_deref().and_then(wanted::no_recipient) {
            refuse("recipient", detail);
        }
        if let Some(channel) = &self.channel
            && !wanted::is_usual_channel(channel)
            && !self.has_channel(channel, known).await?
        {
            refuse("channel", wanted::no_such_channel(channel));
        }
        if let Some(event) = &self.event
            && !wanted::is_usual_event(event)
            && !has_event(event, known).await?
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
    async fn has_channel(&self, channel: &str, known: &NarrowingKnown<'_>) -> Result<bool, Error> {
        let messages = MessageQuery {
            channel: Some(channel.to_ascii_lowercase()),
            // What it is searched for in is no more than what is listed.
            since_ms: self.since_ms,
            until_ms: self.until_ms,
            scope: Scope::from(known.caller),
            window: Window::newest(1),
            ..MessageQuery::default()
        };
        Ok(may_have(&known.store.read(messages).await?))
    }
}

/// The error that is meant, as the store has it; a refusal where nothing knows it.
async fn known_error(wanted: &str, store: &Store) -> Result<Result<String, String>, Error> {
    Ok(match wanted::meant_error(wanted) {
        Ok(MeantError::Known(error)) => Ok(error),
        Ok(MeantError::Unlisted(error)) => {
            let exists = ErrorExistsQuery {
                error: error.clone(),
            };
            if store.read(exists).await? {
                Ok(error)
            } else {
                Err(wanted::no_such_error(&error))
            }
        }
        Err(detail) => Err(detail),
    })
}

/// Whether an event is called so, or may be.
async fn has_event(event: &str, known: &NarrowingKnown<'_>) -> Result<bool, Error> {
    let events = AccountEventQuery {
        event: Some(event.to_owned()),
        scope: Scope::from(known.caller),
        window: Window::newest(1),
        ..AccountEventQuery::default()
    };
    Ok(may_have(&known.store.read(events).await?))
}

/// A search that was cut says nothing of what it did not reach.
const fn may_have<T>(found: &Listing<T>) -> bool {
    !found.rows.is_empty() || found.reached.is_some()
}
