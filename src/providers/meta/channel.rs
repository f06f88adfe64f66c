//! Errors of the channel: they stand beside no status, and are events of the account.

use super::events::EVENTS;
use super::notice::time_of;
use super::surroundings::{Around, Surroundings};
use crate::model::{About, AccountEvent, EventGroup, ReportError, has_digit};

/// The name under which errors of the channel stand as a field; they have none.
const ERRORS: &str = "errors";

/// An error of the channel, as an event of what stands around it.
pub(super) fn event_of(
    error: &ReportError,
    surroundings: &Surroundings,
    around: Around,
) -> AccountEvent {
    let code = error.code.map(|code| code.to_string());
    let word = code.or_else(|| error.title.clone());
    let word = word.or_else(|| error.details.clone());
    let words = EVENTS.of(EventGroup::Channel, word.unwrap_or_default());
    let (number, number_id) = (&surroundings.sender, &surroundings.sender_id);
    let mut named = [number, number_id].into_iter().flatten();
    let subject = named.find(|name| has_digit(name)).cloned();
    let event = AccountEvent::new(ERRORS, About::Channel, subject, &words)
        .of_sender(number.clone(), number_id.clone());
    let mut event = event.with_detail([error.title.clone(), error.details.clone()]);
    event.error_key = Some(error.key.clone());
    event.time = time_of(around.time);
    event.account_id.clone_from(&surroundings.account_id);
    event
}
