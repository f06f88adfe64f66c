//! Accepting a webhook: de-duplication, the plan of each new report, and all it queues.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::ranges::{self, Timed};
use super::{account_events, alerts, channels, echoes, forwards, people, rows};
use crate::model::{
    AccountEvent, Message, MessageType, Report, ReportEffect, ReportError, Subscriber,
};
use crate::plan::{self, Context, Dispatch, Plan};
use crate::providers::Item;
use crate::store::{Accepted, Arrival, FoundReport, PendingForward, WebhookOutcome};

/// What a stored body is read again for; a reprocess keeps the webhook it came with, and what
/// it finds is pending since then.
#[derive(Clone, Copy)]
enum AcceptedWebhook {
    New(i64),
    Again { id: i64, now_ms: i64 },
}

impl AcceptedWebhook {
    const fn id(self) -> i64 {
        match self {
            Self::New(id) | Self::Again { id, .. } => id,
        }
    }

    /// Since when its forwards are pending, ms since 1970 UTC.
    const fn pending_since_ms(self, received_ms: i64) -> i64 {
        match self {
            Self::New(_) => received_ms,
            Self::Again { now_ms, .. } => now_ms,
        }
    }
}

/// Accepts the webhooks of one group inside the writer's transaction.
pub(super) struct Accepting<'a> {
    pub(super) connection: &'a Connection,
    pub(super) subscribers: &'a [Arc<Subscriber>],
    next_webhook: i64,
}

/// What is now pending, each with the subscriber it is queued for.
pub(super) type Enqueued = Vec<(i64, PendingForward)>;

/// Names of what was ignored that one webhook may bring; the rest counts as `other`.
const IGNORED_NAMES: usize = 64;
/// Names of what was ignored that a webhook's detail lists.
const DETAIL_NAMES: usize = 10;

/// A webhook on its way into the tables.
#[derive(Clone, Copy)]
struct Bringing<'a> {
    source_id: i64,
    webhook: AcceptedWebhook,
    arrival: &'a Arrival,
}

/// A report on its way into the tables, with what it queues.
#[derive(Clone, Copy)]
pub(super) struct Noting {
    pub(super) message_id: i64,
    /// `None` for what was registered.
    pub(super) webhook_id: Option<i64>,
    pub(super) received_ms: i64,
    /// Since when its forwards are pending, ms since 1970 UTC.
    pub(super) pending_since_ms: i64,
}

/// Counts what one webhook brought.
#[derive(Default)]
struct WebhookTally {
    reports: usize,
    new_reports: usize,
    unreadable: usize,
    first_unreadable: Option<String>,
    /// Copies of what was sent, which are taken in and are no reports.
    echoes: usize,
    ignored: BTreeMap<String, usize>,
    /// Notices about the account by our names, and how many of them were new.
    notices: BTreeMap<String, usize>,
    pending: Vec<(i64, PendingForward)>,
    /// Failures for alerts in chats.
    failures: alerts::GatheredFailures,
    /// What a second reading found; the first reading needs none.
    found: Vec<FoundReport>,
}

impl WebhookTally {
    /// A body may name as many things as it likes; beyond the first they are one.
    fn ignore(&mut self, what: &str) {
        let room = self.ignored.len() < IGNORED_NAMES || self.ignored.contains_key(what);
        let name = if room { what } else { "other" };
        *self.ignored.entry(name.to_owned()).or_default() += 1;
    }

    fn new_notices(&self) -> BTreeMap<String, usize> {
        let mut new = self.notices.clone();
        new.retain(|_, count| *count > 0);
        new
    }

    fn outcome(&self, parsed: bool) -> WebhookOutcome {
        if !parsed {
            WebhookOutcome::Unparsed
        } else if self.new_reports > 0 || self.notices.values().any(|new| *new > 0) {
            WebhookOutcome::Processed
        } else if self.unreadable > 0 {
            WebhookOutcome::Unparsed
        } else if self.reports > 0 || !self.notices.is_empty() {
            WebhookOutcome::Duplicate
        } else {
            WebhookOutcome::Ignored
        }
    }
}

impl<'a> Accepting<'a> {
    pub(super) fn begin(
        connection: &'a Connection,
        subscribers: &'a [Arc<Subscriber>],
    ) -> rusqlite::Result<Self> {
        // Ids are given out here, so that reports can name their webhook before it is
        // written with its outcome.
        let last: Option<i64> = connection
            .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'webhook'")?
            .query_row([], |row| row.get(0))
            .optional()?;
        Ok(Self {
            connection,
            subscribers,
            next_webhook: last.unwrap_or(0) + 1,
        })
    }

    /// Stores a webhook that arrived; returns the answer and the forwards for the lanes.
    pub(super) fn accept(
        &mut self,
        source_id: i64,
        arrival: &Arrival,
    ) -> rusqlite::Result<(Accepted, Vec<(i64, PendingForward)>)> {
        let webhook = AcceptedWebhook::New(self.next_webhook);
        self.next_webhook += 1;
        let bringing = Bringing {
            source_id,
            webhook,
            arrival,
        };
        let (tally, outcome) = self.apply(bringing)?;
        self.write_webhook(bringing, &tally, outcome)?;
        let accepted = Accepted {
            webhook_id: webhook.id(),
            outcome,
            reports: tally.reports,
            new_reports: tally.new_reports,
            unreadable: unreadable(&tally, arrival),
            new_account_events: tally.new_notices(),
            forwards: tally.pending.len(),
        };
        Ok((accepted, tally.pending))
    }

    /// Takes in more of a webhook that is stored already: a large answer comes in parts, so that
    /// what else arrives meanwhile need not wait for all of it.
    pub(super) fn accept_more(
        &self,
        source_id: i64,
        webhook_id: i64,
        arrival: &Arrival,
    ) -> rusqlite::Result<(Accepted, Enqueued)> {
        let (tally, outcome) = self.apply(Bringing {
            source_id,
            webhook: AcceptedWebhook::New(webhook_id),
            arrival,
        })?;
        self.connection
            .prepare_cached(
                "UPDATE webhook SET reports = reports + ?2, new_reports = new_reports + ?3, \
                 unreadable = unreadable + ?4, outcome_detail = coalesce(outcome_detail, ?5) \
                 WHERE webhook_id = ?1",
            )?
            .execute(params![
                webhook_id,
                tally.reports,
                tally.new_reports,
                tally.unreadable,
                tally.first_unreadable,
            ])?;
        let accepted = Accepted {
            webhook_id,
            outcome,
            reports: tally.reports,
            new_reports: tally.new_reports,
            unreadable: unreadable(&tally, arrival),
            new_account_events: tally.new_notices(),
            forwards: tally.pending.len(),
        };
        Ok((accepted, tally.pending))
    }

    /// Reads a stored webhook again: what is new in it is stored, and queued as if it had come
    /// at `now_ms`; what is known changes nothing. Returns what was new.
    pub(super) fn accept_again(
        &mut self,
        source_id: i64,
        webhook_id: i64,
        arrival: &Arrival,
        now_ms: i64,
    ) -> rusqlite::Result<(Vec<FoundReport>, Enqueued)> {
        let webhook = AcceptedWebhook::Again {
            id: webhook_id,
            now_ms,
        };
        let (tally, outcome) = self.apply(Bringing {
            source_id,
            webhook,
            arrival,
        })?;
        // What an earlier version could read and this one cannot stays as it was reported.
        self.connection
            .prepare_cached(
                "UPDATE webhook SET unreadable = ?2, reports = ?3, \
                 new_reports = min(?3, new_reports + ?4), \
                 outcome = CASE WHEN outcome IN ('unparsed', 'ignored') THEN ?5 ELSE outcome END, \
                 outcome_detail = ?6 WHERE webhook_id = ?1 AND (?7 OR outcome = 'unparsed')",
            )?
            .execute(params![
                webhook_id,
                unreadable(&tally, arrival),
                tally.reports,
                tally.new_reports,
                outcome,
                detail(&tally, arrival),
                arrival.parsed.is_ok(),
            ])?;
        Ok((tally.found, tally.pending))
    }

    fn apply(&self, bringing: Bringing<'_>) -> rusqlite::Result<(WebhookTally, WebhookOutcome)> {
        let arrival = bringing.arrival;
        let mut tally = WebhookTally::default();
        let mut reports: Vec<&Report> = Vec::new();
        for item in arrival.parsed.iter().flat_map(|parsed| &parsed.items) {
            match item {
                Item::Report(report) => {
                    reports.push(report);
                    if report.is_echo() {
                        tally.echoes += 1;
                        tally.ignore("echo");
                    }
                }
                Item::Ignored(what) => tally.ignore(what),
                Item::Account(event) => self.apply_event(bringing, event, &mut tally)?,
                Item::SamePerson(names) => self.link(bringing, names)?,
                Item::Unreadable(why) => {
                    tally.unreadable += 1;
                    tally.first_unreadable.get_or_insert_with(|| why.clone());
                }
            }
        }
        plan::in_order_of_events(&mut reports, arrival.received_ms);
        tally.reports = reports.len() - tally.echoes + arrival.known;
        for report in reports {
            self.apply_report(bringing, report, &mut tally)?;
        }
        let now_ms = bringing.webhook.pending_since_ms(arrival.received_ms);
        let failures = std::mem::take(&mut tally.failures);
        let pending = alerts::gather(self.connection, failures, self.subscribers, now_ms)?;
        tally.pending.extend(pending);
        if matches!(bringing.webhook, AcceptedWebhook::New(_)) {
            for (what, count) in &tally.ignored {
                self.connection
                    .prepare_cached(
                        "INSERT INTO ignored (source_id, what, count, first_seen_ms, last_seen_ms) \
                         VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (source_id, what) DO UPDATE SET \
                         count = count + excluded.count, last_seen_ms = excluded.last_seen_ms",
                    )?
                    .execute(params![
                        bringing.source_id,
                        what,
                        count,
                        arrival.received_ms
                    ])?;
            }
        }
        let outcome = tally.outcome(arrival.parsed.is_ok());
        Ok((tally, outcome))
    }

    /// Takes in that these names are one person's.
    fn link(&self, bringing: Bringing<'_>, names: &[String]) -> rusqlite::Result<()> {
        let at_ms = bringing.arrival.received_ms;
        people::link(self.connection, bringing.source_id, names, at_ms)
    }

    /// Takes in a notice about the account, and queues it for who wants to know when it is new.
    fn apply_event(
        &self,
        bringing: Bringing<'_>,
        event: &AccountEvent,
        tally: &mut WebhookTally,
    ) -> rusqlite::Result<()> {
        let Bringing {
            source_id,
            webhook,
            arrival,
        } = bringing;
        let from = account_events::From {
            source_id,
            source: &arrival.source,
            webhook_id: webhook.id(),
            received_ms: arrival.received_ms,
            now_ms: webhook.pending_since_ms(arrival.received_ms),
            is_new: matches!(webhook, AcceptedWebhook::New(_)),
        };
        self.link(bringing, &event.person_names())?;
        let event = &*account_events::compared(self.connection, event, from)?;
        let pending = account_events::apply(self.connection, event, from, self.subscribers)?;
        let new = tally.notices.entry(event.name.clone()).or_default();
        *new += usize::from(pending.is_some());
        tally.pending.extend(pending.into_iter().flatten());
        Ok(())
    }

    fn apply_report(
        &self,
        bringing: Bringing<'_>,
        report: &Report,
        tally: &mut WebhookTally,
    ) -> rusqlite::Result<()> {
        let Bringing {
            source_id,
            webhook,
            arrival,
        } = bringing;
        // A repeat may name the person in a way that the first did not.
        self.link(bringing, &report.person_names())?;
        let known = rows::find_message(self.connection, source_id, report)?;
        if let Some((message_id, message)) = &known
            && self.is_repeat(bringing, *message_id, report)?
        {
            return self.apply_guess((*message_id, message), report, arrival.default_type);
        }
        if !report.is_echo() {
            tally.new_reports += 1;
        }
        let report = &*echoes::with_echo_text(self.connection, report)?;
        let first_failure = self.first_failure(known.as_ref(), report)?;
        let context = Context {
            source: &arrival.source,
            default_type: arrival.default_type,
            default_sender: arrival.default_sender.as_deref(),
            received_ms: arrival.received_ms,
            first_failure: first_failure.as_ref(),
        };
        let fresh = Message::default();
        let message = known.as_ref().map_or(&fresh, |(_, message)| message);
        let history = people::history(self.connection, source_id, known.as_ref(), report)?;
        let history = history.as_ref().unwrap_or(&message.history);
        let plan = plan::plan(message, history, report, context, self.subscribers);
        let message_id = self.save(bringing, known.as_ref(), report, &plan.message)?;
        let echo = report.echo.as_ref();
        if let Some(registration) = echo.and_then(|echo| echo.registration.as_ref())
            && registration.has_details()
        {
            let at_ms = report.time.ms.unwrap_or(arrival.received_ms);
            echoes::learn(self.connection, message_id, registration, at_ms)?;
        }
        if matches!(webhook, AcceptedWebhook::Again { .. }) && !report.is_echo() {
            tally.found.push(FoundReport {
                provider_message_id: report.message.clone(),
                provider_status: report.provider_status.clone(),
                status: report.status,
            });
        }
        let noting = Noting {
            message_id,
            webhook_id: Some(webhook.id()),
            received_ms: arrival.received_ms,
            pending_since_ms: webhook.pending_since_ms(arrival.received_ms),
        };
        let pending = self.note(noting, report, plan, &mut tally.failures)?;
        tally.pending.extend(pending);
        Ok(())
    }

    /// Writes the report and the fallback that it makes count; returns what is now pending.
    pub(super) fn note(
        &self,
        noting: Noting,
        report: &Report,
        plan: Plan,
        failures: &mut alerts::GatheredFailures,
    ) -> rusqlite::Result<Enqueued> {
        let mut pending = Enqueued::new();
        let (fallback, dispatch) = plan.fallback.unzip();
        let fallback = fallback.as_ref().zip(dispatch);
        for (report, dispatch) in std::iter::once((report, plan.dispatch)).chain(fallback) {
            let keys = rows::ReportKeys {
                message_id: noting.message_id,
                webhook_id: noting.webhook_id,
                identity: report.identity().0,
                received_ms: noting.received_ms,
            };
            let report_id = rows::insert_report(self.connection, keys, report, &dispatch)?;
            let error = report.error().map(|error| error.key.as_str());
            for chat in &dispatch.alerts {
                failures.add(*chat, error, noting.message_id, report_id);
            }
            pending.extend(self.enqueue(noting, report_id, dispatch)?);
        }
        Ok(pending)
    }

    /// Takes in what the way of a repeated report makes likely, where nothing better is known.
    fn apply_guess(
        &self,
        (message_id, known): (i64, &Message),
        report: &Report,
        default_type: MessageType,
    ) -> rusqlite::Result<()> {
        let mut message = known.clone();
        message.absorb_guess(report, default_type);
        if message == *known {
            return Ok(());
        }
        rows::change_message(self.connection, message_id, &message)
    }

    /// Writes the message as the report leaves it; returns its key.
    fn save(
        &self,
        bringing: Bringing<'_>,
        known: Option<&(i64, Message)>,
        report: &Report,
        after: &Message,
    ) -> rusqlite::Result<i64> {
        let received_ms = bringing.arrival.received_ms;
        let Some((message_id, before)) = known else {
            let source_id = bringing.source_id;
            return rows::insert_message(self.connection, source_id, report, after, received_ms);
        };
        let changed = after != before;
        rows::update_message(
            self.connection,
            *message_id,
            after,
            changed,
            Some(received_ms),
        )?;
        Ok(*message_id)
    }

    /// Whether the report is known, which is counted unless the bytes are ours.
    fn is_repeat(
        &self,
        bringing: Bringing<'_>,
        message_id: i64,
        report: &Report,
    ) -> rusqlite::Result<bool> {
        let identity = report.identity().0;
        let Some((report_id, status)) = rows::find_report(self.connection, message_id, identity)?
        else {
            return Ok(false);
        };
        if status.is_none() && report.status.is_some() {
            // A word that an earlier version did not know: the report is read again.
            rows::forget_report(self.connection, report_id)?;
            return Ok(false);
        }
        if matches!(bringing.webhook, AcceptedWebhook::New(_)) {
            rows::count_repeat(self.connection, report_id, bringing.arrival.received_ms)?;
        }
        Ok(true)
    }

    /// Another channel says nothing of WhatsApp: why that failed, an earlier report said.
    fn first_failure(
        &self,
        known: Option<&(i64, Message)>,
        report: &Report,
    ) -> rusqlite::Result<Option<ReportError>> {
        match known {
            Some((message_id, _)) if report.fallback.is_some() => {
                channels::find_first_failure(self.connection, *message_id)
            }
            _ => Ok(None),
        }
    }

    /// Writes the payloads and the pending forwards.
    fn enqueue(
        &self,
        noting: Noting,
        report_id: i64,
        dispatch: Dispatch,
    ) -> rusqlite::Result<Vec<(i64, PendingForward)>> {
        debug_assert!(dispatch.payloads.is_empty() || dispatch.change != ReportEffect::Repeated);
        let mut pending = Vec::new();
        for (payload, subscribers) in dispatch.payloads {
            let payload_id = forwards::insert_payload(self.connection, report_id, &payload)?;
            let payload: Arc<[u8]> = payload.into();
            for subscriber_id in subscribers {
                let forward = forwards::NewForward {
                    subscriber_id,
                    message_id: noting.message_id,
                    report_id,
                    payload_id,
                    payload: &payload,
                    place: dispatch.place,
                    now_ms: noting.pending_since_ms,
                };
                pending.push(forwards::insert(self.connection, &forward)?);
            }
        }
        Ok(pending)
    }

    fn write_webhook(
        &self,
        bringing: Bringing<'_>,
        tally: &WebhookTally,
        outcome: WebhookOutcome,
    ) -> rusqlite::Result<()> {
        let arrival = bringing.arrival;
        // What was known already is on the disk with the webhook that brought it first.
        let body = (outcome != WebhookOutcome::Duplicate).then_some(&arrival.body);
        self.connection
            .prepare_cached(
                "INSERT INTO webhook (webhook_id, source_id, received_at_ms, outcome, \
                 outcome_detail, reports, new_reports, unreadable, default_type, default_sender, \
                 content_type, content_encoding, user_agent, broadcast, body) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?
            .execute(params![
                bringing.webhook.id(),
                bringing.source_id,
                arrival.received_ms,
                outcome,
                detail(tally, arrival),
                tally.reports,
                tally.new_reports,
                unreadable(tally, arrival),
                arrival.default_type,
                arrival.default_sender,
                arrival.content_type,
                arrival.content_encoding,
                arrival.user_agent,
                arrival.broadcast,
                body,
            ])?;
        ranges::given_out(self.connection, Timed::Webhook, bringing.webhook.id())
    }
}

/// Elements that could not be read; the body itself counts as one.
fn unreadable(tally: &WebhookTally, arrival: &Arrival) -> usize {
    tally.unreadable + usize::from(arrival.parsed.is_err())
}

/// Why it could not be read, or what it was instead of reports.
fn detail(tally: &WebhookTally, arrival: &Arrival) -> Option<String> {
    if let Err(error) = &arrival.parsed {
        return Some(error.to_string());
    }
    if let Some(why) = &tally.first_unreadable {
        return Some(why.clone());
    }
    let names = tally.notices.keys().chain(tally.ignored.keys());
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() {
        return (tally.reports == 0).then(|| "empty".to_owned());
    }
    let (first, more) = names.split_at(names.len().min(DETAIL_NAMES));
    let list = first.join(", ");
    Some(match more.len() {
        0 => list,
        more => format!("{list} and {more} more"),
    })
}
