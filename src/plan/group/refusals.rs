//! Sends that a provider refused: when such an answer says nothing new, and how it is taken back.

use super::fold::Fold;
use super::known::{ReportPlace, ReportProgress};
use super::places::ReportKeys;
use crate::model::{Message, Report, SendResult, Status};
use crate::providers::{refuses_a_duplicate, refuses_one_message};

/// What a refused send says of the message that its id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bearing {
    /// It is the message's own send, which has failed.
    Own,
    /// The message was taken: this is another send, and says nothing of it.
    Another,
    /// Nothing new.
    Known,
}

impl Fold<'_, '_> {
    /// What a refusal says of a known message. One id is one message: once it was taken, or reported of,
    /// a later send with its id that was refused failed by itself.
    pub(super) fn bearing(
        &self,
        keys: &ReportKeys,
        word: Option<&str>,
        refusal: &Report,
    ) -> Bearing {
        let was_notified = self.was_notified(keys, refusal);
        if was_notified == Some(true) {
            return Bearing::Known;
        }
        let key = refusal.error().map_or("", |error| error.key.as_str());
        // The provider guards the first send: nothing failed.
        let another = if refuses_a_duplicate(key) {
            Bearing::Known
        } else {
            Bearing::Another
        };
        if word.is_some_and(|word| word != SendResult::REFUSED) {
            return another;
        }
        let state = self.known.messages[keys.message].as_ref();
        let facts = state.and_then(|state| state.facts.as_ref());
        // A message that is refused by its id may be reported as refused too, but went nowhere.
        let needed = if refuses_one_message(key) {
            ReportProgress::OnItsWay
        } else {
            ReportProgress::Reported
        };
        let is_reported = facts.is_some_and(|facts| facts.progress >= needed);
        match (is_reported, was_notified) {
            (true, _) => another,
            // It stands as refused, and keeps its first reason.
            (false, Some(_)) => Bearing::Known,
            (false, None) => Bearing::Own,
        }
    }

    /// Whether a refusal of the message with this error was reported, and then whether in these very
    /// words: all errors without a number share one key, whatever the provider says.
    fn was_notified(&self, keys: &ReportKeys, refusal: &Report) -> Option<bool> {
        let words = |report: &Report| {
            let error = report.error();
            error.map(|error| (error.title.clone(), error.details.clone()))
        };
        let known = self.known.reports.get(&(keys.message, keys.identity))?;
        let stored = match &known.place {
            ReportPlace::Stored { title, details, .. } => (title.clone(), details.clone()),
            ReportPlace::New(place) => {
                words(&self.writes.reports[*place].report).unwrap_or_default()
            }
        };
        Some(stored == words(refusal).unwrap_or_default())
    }

    /// Takes a refusal of the send out of what is known of a message.
    pub(super) fn forget_refusal(&self, place: usize, message: &mut Message) {
        let state = self.known.messages[place].as_ref();
        let facts = state.and_then(|state| state.facts.as_ref());
        message.history = facts.map_or_else(Default::default, |facts| facts.untaken.clone());
        message.conflict &= message.history.is_conflict();
        if message.history.first_ms(Status::Failed).is_none() {
            message.failure = None;
        }
        message.count_fallback();
    }
}
