//! `tickrelay forward`: forwards to subscribers, how the sending went, and queueing it again.

mod retry;

use std::cmp::Reverse;

use clap::{Args, Subcommand};

use super::client::{self, Client, Purpose};
use super::list::List;
use super::page::PageArgs;
use super::table::{facts, item, shorten, visible};
use super::time::{Since, day_and_time, span, stamp};
use super::{Exit, Settings, Terminal};
use crate::clock::Clock;
use crate::model::{ErrorCode, ForwardState, Status, SubscriberState, Word as _};
use crate::web::api::forwards::{AttemptView, DetailView, ForwardView};
use crate::web::api::time::TimeOrAge;

/// The verbs of `forward`.
#[derive(Debug, Subcommand)]
pub(super) enum ForwardCommand {
    /// List forwards, the newest first
    List(ForwardListArgs),
    /// Show one forward with its attempts and its payload
    Show(ForwardShowArgs),
    /// Send forwards again: your system receives the status again, never the person the WhatsApp
    /// message
    Retry(retry::ForwardRetryArgs),
}

#[derive(Debug, Args)]
pub(super) struct ForwardListArgs {
    /// Only those that are pending, delivered or gave-up
    #[arg(long, value_name = "WORD")]
    state: Option<ForwardState>,
    /// Only those queued for this subscriber
    #[arg(long, value_name = "NAME")]
    subscriber: Option<String>,
    /// Only those whose latest attempt failed with this error, as in `timeout` or `http_5xx`
    #[arg(long, value_name = "CODE")]
    error: Option<ErrorCode>,
    #[command(flatten)]
    about: ForwardSubject,
    /// Only those pending since: 2h, 7d, 2025-10-09, 2025-10-09T08:53Z
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only those queued before; written as --since is
    #[arg(long, value_name = "TIME")]
    until: Option<Since>,
    #[command(flatten)]
    page: PageArgs,
}

/// What forwards are about.
#[derive(Debug, Args)]
pub(super) struct ForwardSubject {
    /// Only those about this message: the provider's id, or key:17
    #[arg(long, value_name = "ID")]
    message: Option<String>,
    /// Only those about messages to this number, in any spelling, or to this user id
    #[arg(long, value_name = "NUMBER")]
    recipient: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ForwardShowArgs {
    /// Its id, or the `webhook-id` that the subscriber saw
    id: String,
    /// Write the payload and nothing else, as it is sent
    #[arg(long, conflicts_with = "json")]
    payload: bool,
    /// Answer with the API's JSON document
    #[arg(long)]
    json: bool,
}

impl ForwardCommand {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        match self {
            Self::List(list) => list.run(settings, terminal),
            Self::Show(show) => show.run(settings, terminal),
            Self::Retry(retry) => retry.run(settings, terminal),
        }
    }
}

impl ForwardListArgs {
    fn run(self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let query = [
            ("state", self.state.map(|state| state.as_str().to_owned())),
            ("subscriber", self.subscriber),
            ("error", self.error.map(|code| code.as_str().to_owned())),
            ("message", self.about.message),
            ("recipient", self.about.recipient),
            ("since", self.since.map(|it| TimeOrAge(it).to_string())),
            ("until", self.until.map(|it| TimeOrAge(it).to_string())),
        ];
        let mut forwards = client::with(settings, Purpose::Read, |client| {
            self.page.rows::<ForwardView>(client, &["forwards"], &query)
        })?;
        (forwards.data).sort_by_key(|forward| Reverse(i64::from(forward.pending_since)));
        let now_ms = Clock::system().now_ms();
        let list = List {
            columns: &[
                ("ID", &|forward: &ForwardView| forward.key.to_string()),
                ("PENDING SINCE (UTC)", &|forward| {
                    stamp(forward.pending_since)
                }),
                ("SUBSCRIBER", &|forward| forward.subscriber.clone()),
                ("STATUS", &|forward| {
                    forward.status.map_or("", Status::as_str).to_owned()
                }),
                ("RECIPIENT", &|forward| {
                    forward.recipient.as_deref().map(number).unwrap_or_default()
                }),
                ("STATE", &|forward| action(forward, now_ms)),
            ],
            nothing: "no forward is like that",
        };
        list.show_page(&forwards, self.page.json, terminal)
    }
}

impl ForwardShowArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let path = ["forwards", &self.id];
        let show_one = |client: &Client| client.get(&path, &[]);
        let detail: DetailView = client::with(settings, Purpose::Read, show_one)?;
        if self.json {
            return terminal.json(&detail);
        }
        if self.payload {
            if detail.payload.is_empty() {
                return terminal.refuse("its payload was pruned");
            }
            writeln!(terminal.data, "{}", detail.payload)?;
            return Ok(Exit::Done);
        }
        write!(terminal.data, "{}", show(&detail, Clock::system().now_ms()))?;
        Ok(Exit::Done)
    }
}

fn show(detail: &DetailView, now_ms: i64) -> String {
    let forward = &detail.forward.forward;
    let status = forward.status.map(|status| status.to_string());
    let id = forward.provider_message_id.clone();
    // An event of the service is about no message.
    let key = || forward.message_id.map(|id| format!("key:{id}"));
    let message = id.or_else(key);
    let former = &detail.former_ids;
    let subscriber = match &detail.url {
        Some(url) => format!("{} at {url}", forward.subscriber),
        None => forward.subscriber.clone(),
    };
    let facts = facts([
        ("Forward", Some(forward.key.to_string())),
        ("webhook-id", Some(forward.id.clone())),
        ("Formerly", (!former.is_empty()).then(|| former.join(", "))),
        ("Subscriber", Some(subscriber)),
        ("Message", message),
        ("Recipient", forward.recipient.as_deref().map(number)),
        ("Status", status),
        ("Pending since", Some(day_and_time(forward.pending_since))),
        ("State", Some(action(forward, now_ms))),
    ]);
    let attempts: String = detail
        .forward
        .history
        .iter()
        .map(|attempt| item(&attempt_line(attempt, usize::MAX), 0))
        .collect();
    let mut text = facts;
    if !attempts.is_empty() {
        text = format!("{text}\n{attempts}");
    }
    if !detail.payload.is_empty() {
        // On a line of its own, unbroken: it is JSON, and is copied.
        text = format!("{text}\nPayload:\n{}\n", visible(&detail.payload));
    }
    text
}

/// Where a forward stands and what comes next, in one clause.
pub(super) fn action(forward: &ForwardView, now_ms: i64) -> String {
    let attempts = match forward.attempts {
        0 => "no attempt".to_owned(),
        1 => "1 attempt".to_owned(),
        attempts => format!("{attempts} attempts"),
    };
    let last = forward
        .last_error
        .map_or_else(String::new, |code| format!(", last {}", code.as_str()));
    let ended = forward.settled_at.map(stamp).unwrap_or_default();
    match (forward.state, forward.subscriber_state) {
        (ForwardState::Delivered, _) if forward.attempts <= 1 => format!("delivered {ended}"),
        (ForwardState::Delivered, _) => format!("delivered {ended} after {attempts}"),
        (ForwardState::GaveUp, _) => {
            let why = forward.gave_up.map_or("", |reason| reason.explain());
            format!("gave up {ended}: {why} ({attempts}{last})")
        }
        (ForwardState::Pending, _) if forward.subscriber_removed => {
            format!("pending: its subscriber was removed, and it ends soon ({attempts}{last})")
        }
        (ForwardState::Pending, SubscriberState::Active) => {
            let due_ms = forward.due_at.map_or(now_ms, i64::from);
            let when = match forward.subscriber_failing_since {
                _ if due_ms > now_ms => {
                    format!("next try in {} at {}", span(due_ms - now_ms), stamp(due_ms))
                }
                Some(since) => {
                    format!("the subscriber has been failing since {}", stamp(since))
                }
                None => "due now".to_owned(),
            };
            format!("pending: {when} ({attempts}{last})")
        }
        (ForwardState::Pending, state) => {
            format!("pending: the subscriber is {state} ({attempts}{last})")
        }
    }
}

/// One attempt, with so many letters of the subscriber's answer.
pub(super) fn attempt_line(attempt: &AttemptView, letters: usize) -> String {
    // Without a number it used up none of the schedule: a probe of a failing subscriber, a turn
    // taken first for order's sake, an answer of 410.
    let what = attempt.number.map_or_else(
        || "extra attempt (not counted)".to_owned(),
        |number| format!("attempt {number}"),
    );
    let code = attempt.error.map(|code| code.as_str().to_owned());
    let status = attempt.http_status.map(|status| format!("HTTP {status}"));
    let ended: Vec<String> = code.into_iter().chain(status).collect();
    let detail = attempt.detail.as_ref();
    let detail = detail.map(|detail| format!("; {}", shorten(detail, letters)));
    let excerpt = attempt.excerpt.as_ref();
    let excerpt = excerpt.map(|text| format!("; it answered: {}", shorten(text, letters)));
    format!(
        "{what} at {}: {} in {}{}{}",
        stamp(attempt.started_at),
        ended.join(", "),
        span(attempt.duration_ms.into()),
        detail.unwrap_or_default(),
        excerpt.unwrap_or_default(),
    )
}

/// A phone number with its `+`, anything else as it is.
pub(super) fn number(text: &str) -> String {
    let digits = crate::model::digits(text);
    if crate::model::is_phone_number(&digits) {
        format!("+{digits}")
    } else {
        text.to_owned()
    }
}
