//! What a group leaves: its rows, table by table, and what is answered.
//!
//! A new row is named by its place in its list. The engine writes the lists in their order and turns
//! places into keys.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;

use bytes::Bytes;
use uuid::Uuid;

use super::keys::{EventKeys, MessageKeys, NamePair};
use super::known::{MessageState, RegistrationRow, WebhookState};
use crate::model::{
    AccountEvent, AccountEventKey, AlertOptions, NameLinkKey, Report, ReportEffect, ReportKey,
    SkipReason, SubscriberKey, WebhookKey,
};
use crate::plan::alert::Alert;
use crate::plan::{Accepted, Arrival, RegisterOutcome, Reread};

/// The rows and answers of a group.
#[derive(Default)]
pub(crate) struct Writes<'w> {
    /// New webhooks.
    pub(crate) webhooks: Vec<WebhookRow<'w>>,
    /// Stored webhooks that are different now, by their keys.
    pub(crate) rewritten: HashMap<WebhookKey, WebhookState>,
    /// What was ignored, by source and name.
    pub(crate) ignored: BTreeMap<(usize, &'w str), Repetition>,
    /// Pairs of names that are new, or were seen again.
    pub(crate) links: Vec<LinkWrite>,
    /// What distinguishes each message.
    pub(crate) message_keys: Vec<MessageKeys<'w>>,
    /// The messages by their places.
    pub(crate) messages: Vec<Option<MessageState>>,
    /// Those of them that are new, in the order in which they were made.
    pub(crate) new_messages: Vec<usize>,
    /// The keys of reports that are replaced.
    pub(crate) forgotten: Vec<ReportKey>,
    /// Stored reports that came again, by their keys.
    pub(crate) repeated_reports: HashMap<ReportKey, Repetition>,
    /// New reports.
    pub(crate) reports: Vec<ReportRow<'w>>,
    /// New account events.
    pub(crate) events: Vec<EventRow<'w>>,
    /// Stored account events that came again, by their keys.
    pub(crate) repeated_events: HashMap<AccountEventKey, Repetition>,
    /// New payloads.
    pub(crate) payloads: Vec<PayloadRow>,
    /// New forwards, all due.
    pub(crate) forwards: Vec<ForwardRow>,
    /// What is gathered for chats, by subscriber and error.
    pub(crate) alerts: HashMap<(SubscriberKey, String), AlertWrite>,
    /// Broadcasts that are polled from now on, each with the place of its source.
    pub(crate) polls: Vec<(usize, &'w str, PollOpening)>,
    /// What came of each piece of work, in their order.
    pub(crate) outcomes: Vec<WorkOutcome>,
    /// When the group was decided, ms since 1970 UTC.
    pub(crate) now_ms: i64,
}

/// What came of one piece of work.
#[derive(Debug)]
pub(crate) enum WorkOutcome {
    /// A webhook, or more of one, was taken in.
    Accepted {
        /// Which.
        webhook: WebhookPlace,
        /// What this part of it brought.
        brought: WebhookState,
        /// Account events that were new, by our names.
        new_account_events: BTreeMap<String, usize>,
        /// Forwards that are queued because of it.
        forwards: usize,
    },
    /// A stored webhook was read again.
    Reread(Reread),
    /// The stored webhook is gone.
    Gone,
    /// A message was registered.
    Registered(RegisterOutcome),
}

/// The same, when places have become keys.
#[derive(Debug)]
pub enum WorkAnswer {
    /// A webhook, or more of one, was taken in.
    Accepted(Accepted),
    /// A stored webhook was read again.
    Reread(Reread),
    /// The stored webhook is gone.
    Gone,
    /// A message was registered.
    Registered(RegisterOutcome),
}

impl WorkOutcome {
    /// The answer, with the key of each new webhook by its place.
    pub(crate) fn answer(self, new_webhooks: &[WebhookKey]) -> WorkAnswer {
        match self {
            Self::Accepted {
                webhook,
                brought,
                new_account_events,
                forwards,
            } => WorkAnswer::Accepted(Accepted {
                webhook_id: match webhook {
                    WebhookPlace::Stored(webhook_id) => webhook_id,
                    WebhookPlace::New(place) => new_webhooks[place],
                },
                outcome: brought.outcome,
                reports: brought.reports,
                new_reports: brought.new_reports,
                unreadable: brought.unreadable,
                new_account_events,
                forwards,
            }),
            Self::Reread(reread) => WorkAnswer::Reread(reread),
            Self::Gone => WorkAnswer::Gone,
            Self::Registered(outcome) => WorkAnswer::Registered(outcome),
        }
    }
}

/// How often something came, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repetition {
    /// How often.
    pub(crate) count: usize,
    /// When first, ms since 1970 UTC.
    pub(crate) first_ms: i64,
    /// When last, ms since 1970 UTC.
    pub(crate) last_ms: i64,
}

impl Repetition {
    /// Not once so far; at that time it comes.
    pub(super) const fn none(at_ms: i64) -> Self {
        Self {
            count: 0,
            first_ms: at_ms,
            last_ms: at_ms,
        }
    }

    /// So often more, at that time.
    pub(super) fn add(&mut self, count: usize, at_ms: i64) {
        self.count += count;
        // Webhooks are decided in another order than they came in.
        self.first_ms = self.first_ms.min(at_ms);
        self.last_ms = self.last_ms.max(at_ms);
    }
}

/// Which webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebhookPlace {
    /// One that is stored, by its key.
    Stored(WebhookKey),
    /// A new one.
    New(usize),
}

/// A new webhook.
pub(crate) struct WebhookRow<'w> {
    /// The place of its source.
    pub(crate) source: usize,
    /// It.
    pub(crate) arrival: &'w Arrival,
    /// What it brought.
    pub(crate) state: WebhookState,
    /// Whether its bytes are kept.
    pub(crate) keeps_body: bool,
}

/// A pair of names that is to be written.
#[derive(Debug, Clone)]
pub(crate) struct LinkWrite {
    /// The names.
    pub(crate) pair: NamePair,
    /// Its key; `None` when it is new.
    pub(crate) key: Option<NameLinkKey>,
    /// When it was given first, ms since 1970 UTC.
    pub(crate) first_ms: i64,
    /// When it was given last, ms since 1970 UTC, to an hour.
    pub(crate) last_ms: i64,
}

/// A report that is written. It stands behind a pointer: a report is large, and its row is moved from
/// list to list.
pub(crate) enum NotedReport<'w> {
    /// As a webhook brought it.
    Parsed(&'w Report),
    /// Made here, or parsed and then changed.
    Made(Box<Report>),
}

impl Deref for NotedReport<'_> {
    type Target = Report;

    fn deref(&self) -> &Report {
        match self {
            Self::Parsed(report) => report,
            Self::Made(report) => report,
        }
    }
}

/// A new report.
pub(crate) struct ReportRow<'w> {
    /// The place of its message.
    pub(crate) message: usize,
    /// The webhook that brought it; `None` for what was registered.
    pub(crate) webhook: Option<WebhookPlace>,
    /// What makes it one.
    pub(crate) identity: i64,
    /// When it arrived, ms since 1970 UTC.
    pub(crate) received_ms: i64,
    /// It.
    pub(crate) report: NotedReport<'w>,
    /// What it changed.
    pub(crate) change: ReportEffect,
    /// Which subscribers are not notified, and why.
    pub(crate) skipped: Vec<(SubscriberKey, SkipReason)>,
    /// How often the group brought it again, and when last, ms since 1970 UTC.
    pub(crate) repeats: Option<(usize, i64)>,
    /// Whether a later one of the group takes its place: it is not written.
    pub(crate) is_forgotten: bool,
}

/// A new account event.
pub(crate) struct EventRow<'w> {
    /// What makes it one.
    pub(crate) keys: EventKeys<'w>,
    /// The webhook that brought it.
    pub(crate) webhook: WebhookPlace,
    /// When it arrived, ms since 1970 UTC.
    pub(crate) received_ms: i64,
    /// It, with what is known of its error and of earlier limits.
    pub(crate) event: Cow<'w, AccountEvent>,
    /// The first event of its subject.
    pub(crate) first: FirstEvent,
    /// Until when errors of its code are gathered, ms since 1970 UTC.
    pub(crate) notice_until_ms: Option<i64>,
    /// How often the group brought it again, and when last, ms since 1970 UTC.
    pub(crate) repeats: Option<(usize, i64)>,
}

/// The first account event of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstEvent {
    /// One that is stored, by its key.
    Stored(AccountEventKey),
    /// A new one.
    New(usize),
}

/// A new payload.
pub(crate) struct PayloadRow {
    /// The place of the report that it is of; `None` for an account event's.
    pub(crate) report: Option<usize>,
    /// It.
    pub(crate) body: PayloadBody,
}

/// What is in a payload.
pub(crate) enum PayloadBody {
    /// These bytes.
    Bytes(Bytes),
    /// An alert, which may name the message by its key.
    Alert {
        /// It.
        alert: Box<Alert>,
        /// How the chat words it.
        options: AlertOptions,
        /// The place of the latest message.
        message: usize,
    },
}

/// What a forward is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ForwardAbout {
    /// A message, by its place.
    Message(usize),
    /// A subject of account events.
    Subject(FirstEvent),
}

/// A new forward.
pub(crate) struct ForwardRow {
    /// Its id outside.
    pub(crate) uid: Uuid,
    /// The subscriber that it is queued for.
    pub(crate) subscriber_id: SubscriberKey,
    /// What it is about.
    pub(crate) about: ForwardAbout,
    /// The place of its payload.
    pub(crate) payload: usize,
    /// The place among the forwards of the same: earlier goes first.
    pub(crate) order: (i64, u8),
    /// Since when it is pending, ms since 1970 UTC.
    pub(crate) pending_since_ms: i64,
    /// How many failures it reports, where it is an alert.
    pub(crate) alert_failures: Option<u64>,
}

/// What is gathered for a chat of one error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AlertWrite {
    /// Failures since the last alert.
    pub(crate) failures: u64,
    /// When they are to be sent, ms since 1970 UTC.
    pub(crate) due_at_ms: i64,
    /// The place of the message of the latest failure.
    pub(crate) message: usize,
    /// The place of its report.
    pub(crate) report: usize,
}

/// How the polling of a broadcast begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PollOpening {
    /// It was never polled.
    First,
    /// It was finished, and there is news of it.
    Again,
}

impl PollOpening {
    /// How it begins where the broadcast `is_open`, or never was polled. One that is finished is polled only
    /// for news of it, and one that is open at its own time: a hundred thousand registrations are no
    /// reason to poll as often.
    pub(crate) const fn of(is_open: Option<bool>, is_news: bool) -> Option<Self> {
        match is_open {
            None => Some(Self::First),
            Some(false) if is_news => Some(Self::Again),
            Some(_) => None,
        }
    }
}

impl Writes<'_> {
    /// What is to be written beside messages, each with the place of its message.
    pub(crate) fn registrations(&self) -> impl Iterator<Item = (usize, &RegistrationRow)> {
        let messages = self.messages.iter().enumerate();
        messages.filter_map(|(place, state)| {
            let facts = state.as_ref()?.facts.as_ref()?;
            Some((
                place,
                facts
                    .registration
                    .as_ref()
                    .filter(|_| facts.is_newly_registered)?,
            ))
        })
    }
}
