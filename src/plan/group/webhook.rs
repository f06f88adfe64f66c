//! Webhooks: what each item of one is, and how the webhook ends.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::fold::{Fold, Noting};
use super::known::{RegistrationRow, ReportPlace, WebhookState};
use super::places::{ItemKeys, ReportKeys};
use super::writes::{NotedReport, Repetition, WebhookPlace, WebhookRow, WorkOutcome};
use crate::model::{Message, Registration, Report, WebhookKey};
use crate::plan::{self, Arrival, Context, FoundReport, Reread, WebhookOutcome};
use crate::providers::Item;

/// Names of what was ignored that one webhook may bring; the rest counts as `other`.
const IGNORED_NAMES: usize = 64;
/// Names of what was ignored that a webhook's detail lists.
const DETAIL_NAMES: usize = 10;

/// A webhook that is taken in.
#[derive(Clone, Copy)]
struct Bringing<'w> {
    source: usize,
    webhook: WebhookPlace,
    arrival: &'w Arrival,
    /// Whether the provider sent it now, and it is not read again.
    is_new: bool,
    noting: Noting,
}

/// What one webhook brought.
#[derive(Default)]
struct WebhookTally<'w> {
    reports: usize,
    new_reports: usize,
    unreadable: usize,
    first_unreadable: Option<&'w str>,
    /// Copies of what was sent, which are taken in and are no reports.
    echoes: usize,
    ignored: BTreeMap<&'w str, usize>,
    /// Account events by our names, and how many of them were new.
    events: BTreeMap<String, usize>,
    forwards: usize,
    /// What was new of a second reading.
    found: Vec<FoundReport>,
}

impl<'w> WebhookTally<'w> {
    /// A body may name as many things as it likes; beyond the first they are one.
    fn ignore(&mut self, what: &'w str) {
        let room = self.ignored.len() < IGNORED_NAMES || self.ignored.contains_key(what);
        let name = if room { what } else { "other" };
        *self.ignored.entry(name).or_default() += 1;
    }

    fn outcome(&self, parsed: bool) -> WebhookOutcome {
        if !parsed {
            WebhookOutcome::Unparsed
        } else if self.new_reports > 0 || self.events.values().any(|new| *new > 0) {
            WebhookOutcome::Processed
        } else if self.unreadable > 0 {
            WebhookOutcome::Unparsed
        } else if self.reports > 0 || !self.events.is_empty() {
            WebhookOutcome::Duplicate
        } else {
            WebhookOutcome::Ignored
        }
    }

    /// Why it could not be read, or what it was instead of reports.
    fn detail(&self, arrival: &Arrival) -> Option<String> {
        if let Err(error) = &arrival.parsed {
            return Some(error.to_string());
        }
        if let Some(why) = self.first_unreadable {
            return Some(why.to_owned());
        }
        let names = self.events.keys().map(String::as_str);
        let names: Vec<&str> = names.chain(self.ignored.keys().copied()).collect();
        if names.is_empty() {
            return (self.reports == 0).then(|| "empty".to_owned());
        }
        let (first, more) = names.split_at(names.len().min(DETAIL_NAMES));
        let list = first.join(", ");
        Some(match more.len() {
            0 => list,
            more => format!("{list} and {more} more"),
        })
    }

    fn state(&self, arrival: &Arrival) -> WebhookState {
        WebhookState {
            outcome: self.outcome(arrival.parsed.is_ok()),
            detail: self.detail(arrival),
            reports: self.reports,
            new_reports: self.new_reports,
            // The body itself counts as one.
            unreadable: self.unreadable + usize::from(arrival.parsed.is_err()),
        }
    }

    fn accepted(self, webhook: WebhookPlace, brought: WebhookState) -> WorkOutcome {
        let mut new_account_events = self.events;
        new_account_events.retain(|_, count| *count > 0);
        WorkOutcome::Accepted {
            webhook,
            brought,
            new_account_events,
            forwards: self.forwards,
        }
    }
}

impl<'w> Fold<'w, '_> {
    /// Takes in a webhook that arrived.
    pub(super) fn webhook(
        &mut self,
        source: usize,
        items: &[ItemKeys],
        arrival: &'w Arrival,
    ) -> WorkOutcome {
        let webhook = WebhookPlace::New(self.writes.webhooks.len());
        let tally = self.bring(Bringing::new(source, webhook, arrival), items);
        let state = tally.state(arrival);
        self.writes.webhooks.push(WebhookRow {
            source,
            arrival,
            // What was known already is on the disk with the webhook that brought it first.
            keeps_body: state.outcome != WebhookOutcome::Duplicate,
            state: state.clone(),
        });
        tally.accepted(webhook, state)
    }

    /// Takes in more of a webhook that is stored already: a large answer comes in parts, so that
    /// what else arrives meanwhile need not wait for all of it.
    pub(super) fn more(
        &mut self,
        source: usize,
        items: &[ItemKeys],
        (webhook_id, arrival): (WebhookKey, &'w Arrival),
    ) -> WorkOutcome {
        if !self.known.webhooks.contains_key(&webhook_id) {
            return WorkOutcome::Gone;
        }
        let webhook = WebhookPlace::Stored(webhook_id);
        let tally = self.bring(Bringing::new(source, webhook, arrival), items);
        if let Some(state) = self.known.webhooks.get_mut(&webhook_id) {
            state.reports += tally.reports;
            state.new_reports += tally.new_reports;
            state.unreadable += tally.unreadable;
            let of_part = tally.outcome(arrival.parsed.is_ok());
            state.outcome = state.outcome.with_part(of_part);
            if state.detail.is_none() {
                state.detail = tally.first_unreadable.map(str::to_owned);
            }
            self.writes.rewritten.insert(webhook_id, state.clone());
        }
        let state = tally.state(arrival);
        tally.accepted(webhook, state)
    }

    /// Reads a stored webhook again: what is new in it is stored, and queued as if it had come
    /// now; what is known changes nothing.
    pub(super) fn again(
        &mut self,
        source: usize,
        items: &[ItemKeys],
        (webhook_id, arrival): (WebhookKey, &'w Arrival),
    ) -> WorkOutcome {
        let Some(before) = self.known.webhooks.get(&webhook_id).cloned() else {
            return WorkOutcome::Gone;
        };
        let webhook = WebhookPlace::Stored(webhook_id);
        let mut bringing = Bringing::new(source, webhook, arrival);
        bringing.is_new = false;
        bringing.noting.pending_since_ms = self.now_ms;
        let tally = self.bring(bringing, items);
        let mut after = before.clone();
        // What an earlier version could read and this one cannot stays as it was reported.
        if arrival.parsed.is_ok() || before.outcome == WebhookOutcome::Unparsed {
            let found = tally.state(arrival);
            let had_none = [WebhookOutcome::Unparsed, WebhookOutcome::Ignored];
            after = WebhookState {
                outcome: if had_none.contains(&before.outcome) {
                    found.outcome
                } else {
                    before.outcome
                },
                new_reports: (before.new_reports + found.new_reports).min(found.reports),
                ..found
            };
        }
        self.known.webhooks.insert(webhook_id, after.clone());
        self.writes.rewritten.insert(webhook_id, after.clone());
        WorkOutcome::Reread(Reread {
            webhook_id,
            source: arrival.source.to_string(),
            before: before.outcome,
            after: after.outcome,
            unreadable_before: before.unreadable as u64,
            unreadable: after.unreadable as u64,
            detail: after.detail,
            found: tally.found,
            forwards: tally.forwards as u64,
        })
    }

    fn bring(&mut self, bringing: Bringing<'w>, items: &[ItemKeys]) -> WebhookTally<'w> {
        let arrival = bringing.arrival;
        let mut tally = WebhookTally::default();
        let mut reports: Vec<(&'w Report, &ReportKeys)> = Vec::new();
        let parsed = arrival.parsed.iter().flat_map(|parsed| &parsed.items);
        for (item, keys) in parsed.zip(items) {
            match (item, keys) {
                (Item::Report(report), ItemKeys::Report(keys)) => {
                    reports.push((report, keys));
                    if report.is_echo() {
                        tally.echoes += 1;
                        tally.ignore("echo");
                    }
                }
                (_, ItemKeys::Event(place, given)) => {
                    self.link(bringing.source, given, arrival.received_ms);
                    let (webhook, is_new) = (bringing.webhook, bringing.is_new);
                    let event = self.event(*place, bringing.noting, webhook, is_new);
                    let new = tally.events.entry(event.name).or_default();
                    *new += usize::from(event.forwards.is_some());
                    tally.forwards += event.forwards.unwrap_or_default();
                }
                (_, ItemKeys::Names(given)) => {
                    self.link(bringing.source, given, arrival.received_ms);
                }
                (Item::Unreadable(why), _) => {
                    tally.unreadable += 1;
                    tally.first_unreadable.get_or_insert(why);
                }
                (Item::Ignored(what), _) => tally.ignore(what),
                _ => {}
            }
        }
        plan::in_order_of_events(&mut reports, arrival.received_ms);
        tally.reports = reports.len() - tally.echoes + arrival.known;
        for (report, keys) in reports {
            self.report(bringing, report, keys, &mut tally);
        }
        // By the clock that the duty goes by: webhooks are decided in another order than they came in.
        tally.forwards += self.alert(self.now_ms);
        if bringing.is_new {
            for (what, count) in &tally.ignored {
                let (ignored, at_ms) = (&mut self.writes.ignored, arrival.received_ms);
                let seen = ignored.entry((bringing.source, *what));
                seen.or_insert(Repetition::none(at_ms)).add(*count, at_ms);
            }
        }
        tally
    }

    fn report(
        &mut self,
        bringing: Bringing<'w>,
        report: &'w Report,
        keys: &ReportKeys,
        tally: &mut WebhookTally<'w>,
    ) {
        let arrival = bringing.arrival;
        let place = keys.message;
        // A repeat may name the person in a way that the first did not.
        self.link(bringing.source, &keys.given, arrival.received_ms);
        if self.is_repeat(bringing, report, keys) {
            // Its way makes likely what nothing better may be known of.
            if let Some(state) = &mut self.known.messages[place] {
                let mut message = state.message.clone();
                message.absorb_guess(report, arrival.default_type);
                state.set(message);
            }
            return;
        }
        if !report.is_echo() {
            tally.new_reports += 1;
        }
        let report = self.with_echo_text(report);
        let history = self.history((place, bringing.source), &report, &keys.given);
        let facts = self.known.messages[place].as_ref();
        let facts = facts.and_then(|state| state.facts.as_deref());
        // Another channel says nothing of WhatsApp: why that failed, an earlier report said.
        let first_failure = facts.filter(|_| report.fallback.is_some());
        let first_failure = first_failure.and_then(|facts| facts.first_failure.as_ref());
        let context = Context {
            source: &arrival.source,
            default_type: arrival.default_type,
            default_sender: arrival.default_sender.as_deref(),
            received_ms: arrival.received_ms,
            first_failure: first_failure.map(|(_, error)| error),
        };
        let fresh = Message::default();
        let message = self.message(place, &fresh);
        let history = history.as_ref().unwrap_or(&message.history);
        let plan = plan::plan(message, history, &report, context, self.subscribers);
        self.save(place, plan.message, Some(arrival.received_ms));
        let echo = report.echo.as_ref();
        if let Some(registration) = echo.and_then(|echo| echo.registration.as_ref())
            && registration.has_details()
        {
            let at_ms = report.time.ms.unwrap_or(arrival.received_ms);
            self.learn(place, registration, at_ms);
        }
        if !bringing.is_new && !report.is_echo() {
            tally.found.push(FoundReport {
                provider_message_id: report.message.clone(),
                provider_status: report.provider_status.clone(),
                status: report.status,
            });
        }
        let noted = (report, plan.dispatch);
        tally.forwards += self.note(bringing.noting, keys, noted, plan.fallback);
    }

    /// Whether the report is known, which is counted unless the bytes are ours.
    fn is_repeat(&mut self, bringing: Bringing<'_>, report: &Report, keys: &ReportKeys) -> bool {
        let found = (keys.message, keys.identity);
        let Some(known) = self.known.reports.get(&found) else {
            return false;
        };
        let at_ms = bringing.arrival.received_ms;
        if !known.has_status && report.status.is_some() {
            // A word that an earlier version did not know: the report is read again.
            match known.place {
                ReportPlace::Stored { key, .. } => self.writes.forgotten.push(key),
                ReportPlace::New(place) => self.writes.reports[place].is_forgotten = true,
            }
            self.known.reports.remove(&found);
            return false;
        }
        if bringing.is_new {
            match known.place {
                ReportPlace::Stored { key, .. } => {
                    let repeated = self.writes.repeated_reports.entry(key);
                    repeated.or_insert(Repetition::none(at_ms)).add(1, at_ms);
                }
                ReportPlace::New(place) => {
                    let repeats = &mut self.writes.reports[place].repeats;
                    let (count, last_ms) = repeats.unwrap_or((0, at_ms));
                    *repeats = Some((count + 1, last_ms.max(at_ms)));
                }
            }
        }
        true
    }

    /// The report, with the text that the template of its echo becomes.
    fn with_echo_text(&self, report: &'w Report) -> NotedReport<'w> {
        let echo = report.echo.as_ref();
        let Some(registration) = echo.and_then(|echo| echo.registration.as_ref()) else {
            return NotedReport::Parsed(report);
        };
        let Cow::Owned(registration) = self.with_text(registration) else {
            return NotedReport::Parsed(report);
        };
        let mut report = Box::new(report.clone());
        if let Some(echo) = &mut report.echo {
            echo.registration = Some(registration);
        }
        NotedReport::Made(report)
    }

    /// Takes in what an echo says beside the message. A call is preferred to an echo; of two echoes the
    /// greater value stays, as in [`Message::absorb`].
    fn learn(&mut self, place: usize, registration: &Registration, at_ms: i64) {
        let state = self.known.messages[place].as_mut();
        let Some(facts) = state.and_then(|state| state.facts.as_mut()) else {
            return;
        };
        let new = RegistrationRow::echoed(registration, at_ms);
        let row = match &facts.registration {
            Some(known) if known.is_call => return,
            Some(known) => known.or_greater(new),
            None => new,
        };
        facts.registration = Some(row);
        facts.is_newly_registered = true;
    }
}

impl<'w> Bringing<'w> {
    const fn new(source: usize, webhook: WebhookPlace, arrival: &'w Arrival) -> Self {
        Self {
            source,
            webhook,
            arrival,
            is_new: true,
            noting: Noting {
                webhook: Some(webhook),
                received_ms: arrival.received_ms,
                pending_since_ms: arrival.received_ms,
            },
        }
    }
}
