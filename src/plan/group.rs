//! What a group of work means, decided at once: the rows that it leaves, and what is answered.
//!
//! Pure. [`keys`] names what must be known of what is stored; an engine of the store loads it as
//! [`Known`]; [`decide`] folds the group over it, so that each piece of work finds what the earlier
//! ones left; the engine writes the [`Writes`]. So one group of n leaves the rows that n groups of one
//! would, and no rule of a group stands in an engine.

mod account;
mod alerts;
pub(crate) mod channels;
mod columns;
mod events;
mod fold;
mod ids;
mod keys;
mod known;
mod names;
mod people;
mod places;
mod refusals;
mod register;
mod webhook;
mod writes;

use std::sync::Arc;

use super::{Arrival, Registering};
use crate::model::{Subscriber, WebhookKey};
use fold::Fold;
use places::WorkKeys;

pub(crate) use ids::PublicIds;
pub(crate) use keys::{EventKeys, Fact, Keys, MessageKeys, MessageName};
pub(crate) use known::{
    Known, KnownEvent, KnownReport, MOST_TEMPLATES, MessageFacts, MessageState, RegistrationRow,
    ReportFacts, ReportPlace, Touch, WebhookState,
};
pub(crate) use names::{MOST_NAMES, NameLink};
pub use writes::WorkAnswer;
pub(crate) use writes::{
    AlertWrite, EventRow, FirstEvent, ForwardAbout, PayloadBody, PollOpening, ReportRow,
    WebhookPlace, WebhookRow, WorkOutcome, Writes,
};

/// One piece of work for a group.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work<'w> {
    /// A webhook that arrived.
    Webhook(&'w Arrival),
    /// More of a webhook that is stored: the next part of a large answer.
    More {
        /// Its key.
        webhook_id: WebhookKey,
        /// The part.
        arrival: &'w Arrival,
    },
    /// A stored webhook that is read again.
    Again {
        /// Its key.
        webhook_id: WebhookKey,
        /// What it is now.
        arrival: &'w Arrival,
    },
    /// A message that its sender registers.
    Registration(&'w Registering),
}

/// What must be known for a group.
pub(crate) fn keys<'w>(group: &[Work<'w>]) -> Keys<'w> {
    Keys::of(group)
}

/// Decides a group at `now_ms` (ms since 1970 UTC); what it queues gets its public ids from `ids`.
pub(crate) fn decide<'w>(
    group: &[Work<'w>],
    mut keys: Keys<'w>,
    known: Known,
    subscribers: &[Arc<Subscriber>],
    (now_ms, ids): (i64, &mut PublicIds),
) -> Writes<'w> {
    let places = std::mem::take(&mut keys.works);
    let mut fold = Fold::new(keys, known, subscribers, (now_ms, ids));
    for (work, places) in group.iter().zip(places) {
        let outcome = match (*work, places) {
            (Work::Webhook(arrival), WorkKeys::Webhook(source, items)) => {
                fold.webhook(source, &items, arrival)
            }
            (
                Work::More {
                    webhook_id,
                    arrival,
                },
                WorkKeys::Webhook(source, items),
            ) => fold.more(source, &items, (webhook_id, arrival)),
            (
                Work::Again {
                    webhook_id,
                    arrival,
                },
                WorkKeys::Webhook(source, items),
            ) => fold.again(source, &items, (webhook_id, arrival)),
            (Work::Registration(registering), WorkKeys::Registration(keys)) => {
                WorkOutcome::Registered(fold.register(registering, *keys))
            }
            // The places were made of this very group.
            _ => WorkOutcome::Gone,
        };
        fold.writes.outcomes.push(outcome);
    }
    fold.finish()
}
