//! `tickrelay forward`: forwards to subscribers, how the sending went, and queueing it again.

mod retry;

use clap::{Args, Subcommand};

use super::list::List;
use super::page::PageArgs;
use super::table::{facts, item, shorten, visible};
use super::time::{Since, day_and_time, span, stamp};
use super::{Exit, Settings, Terminal};
use crate::admin::narrowing::Narrowing;
use crate::clock::Clock;
use crate::model::{ErrorCode, ForwardState, Status, SubscriberState, Word as _, quoted};
use crate::store::query::{ForwardQuery, Scope};
use crate::store::timeline::{AttemptRecord, ForwardDetail, ForwardRecord};

/// The name of the list in its cursors.
const LIST: &str = "forwards";

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
    /// Only those whose latest attempt failed so, as in `timeout` or `http_5xx`
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
    /// Answer with a JSON object
    #[arg(long)]
    json: bool,
}

impl ForwardCommand {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let now_ms = Clock::system().now_ms();
        match self {
            Self::List(list) => list.run(settings, terminal, now_ms),
            Self::Show(show) => show.run(settings, terminal, now_ms),
            Self::Retry(retry) => retry.run(settings, terminal, now_ms),
        }
    }
}

impl ForwardListArgs {
    fn narrowing(&self, now_ms: i64) -> Narrowing {
        Narrowing {
            recipient: self.about.recipient.clone(),
            since_ms: self.since.map(|since| since.ms(now_ms)),
            until_ms: self.until.map(|until| until.ms(now_ms)),
            ..Narrowing::default()
        }
    }

    fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
        now_ms: i64,
    ) -> anyhow::Result<Exit> {
        let reader = settings.reader()?;
        let narrowing = self.narrowing(now_ms);
        let (window, _) = (self.page).begin(LIST, &narrowing, settings, &reader)?;
        let mut forwards = reader.forwards(&ForwardQuery {
            state: self.state,
            subscriber_id: settings.subscriber_id(self.subscriber.as_deref())?,
            error: self.error,
            message: self.about.message.clone(),
            recipient: narrowing.recipient,
            since_ms: narrowing.since_ms,
            until_ms: narrowing.until_ms,
            window,
            ..ForwardQuery::default()
        })?;
        let rest = self
            .page
            .cut(LIST, &mut forwards, |forward| forward.forward_id);
        (forwards.rows).sort_by_key(|forward| std::cmp::Reverse(forward.pending_since_ms));
        let list = List {
            columns: &[
                ("ID", &|forward: &ForwardRecord| {
                    forward.forward_id.to_string()
                }),
                ("PENDING SINCE (UTC)", &|forward| {
                    stamp(forward.pending_since_ms)
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
        list.show((&forwards.rows, rest), self.page.json, terminal)
    }
}

impl ForwardShowArgs {
    fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
        now_ms: i64,
    ) -> anyhow::Result<Exit> {
        let Some(detail) = settings.reader()?.forward(&self.id, &Scope::default())? else {
            return terminal.refuse(no_forward(&self.id));
        };
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
        write!(terminal.data, "{}", show(&detail, now_ms))?;
        Ok(Exit::Done)
    }
}

fn no_forward(id: &str) -> String {
    format!(
        "there is no forward {id}: give its id or its whole webhook-id",
        id = quoted(id)
    )
}

fn show(detail: &ForwardDetail, now_ms: i64) -> String {
    let forward = &detail.forward.forward;
    let status = forward.status.map(|status| status.to_string());
    let id = forward.provider_message_id.clone();
    // An event of the service is about no message.
    let key = || (forward.message_id > 0).then(|| format!("key:{}", forward.message_id));
    let message = id.or_else(key);
    let former: Vec<String> = detail.former_uids.iter().map(ToString::to_string).collect();
    let facts = facts([
        ("Forward", Some(forward.forward_id.to_string())),
        ("webhook-id", Some(forward.uid.to_string())),
        ("Formerly", (!former.is_empty()).then(|| former.join(", "))),
        (
            "Subscriber",
            Some(format!("{} at {}", forward.subscriber, detail.url)),
        ),
        ("Message", message),
        ("Recipient", forward.recipient.as_deref().map(number)),
        ("Status", status),
        (
            "Pending since",
            Some(day_and_time(forward.pending_since_ms)),
        ),
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
pub(super) fn action(forward: &ForwardRecord, now_ms: i64) -> String {
    let attempts = match forward.attempts {
        0 => "no attempt".to_owned(),
        1 => "1 attempt".to_owned(),
        attempts => format!("{attempts} attempts"),
    };
    let last = forward
        .last_error
        .map_or_else(String::new, |code| format!(", last {}", code.as_str()));
    let ended = forward.settled_at_ms.map(stamp).unwrap_or_default();
    match (forward.state, forward.subscriber_state) {
        (ForwardState::Delivered, _) if forward.attempts <= 1 => format!("delivered {ended}"),
        (ForwardState::Delivered, _) => format!("delivered {ended} after {attempts}"),
        (ForwardState::GaveUp, _) => {
            let why = forward.gave_up.map_or("", |reason| reason.explain());
            format!("gave up {ended}: {why} ({attempts}{last})")
        }
        (ForwardState::Pending, SubscriberState::Active) => {
            let due_ms = forward.due_at_ms;
            let when = match forward.subscriber_failing_since_ms {
                _ if due_ms > now_ms => {
                    format!("next try in {} at {}", span(due_ms - now_ms), stamp(due_ms))
                }
                Some(since_ms) => {
                    format!("the subscriber has been failing since {}", stamp(since_ms))
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
pub(super) fn attempt_line(attempt: &AttemptRecord, letters: usize) -> String {
    // Without a number it used up none of the schedule: a probe of a failing subscriber, a turn
    // taken first for order's sake, an answer of 410.
    let what = attempt.number.map_or_else(
        || "extra attempt (not counted)".to_owned(),
        |number| format!("attempt {number}"),
    );
    let code = attempt.error_code.map(|code| code.as_str().to_owned());
    let status = attempt.http_status.map(|status| format!("HTTP {status}"));
    let ended: Vec<String> = code.into_iter().chain(status).collect();
    let detail = attempt.detail.as_ref();
    let detail = detail.map(|detail| format!("; {}", shorten(detail, letters)));
    let excerpt = attempt.excerpt.as_ref();
    let excerpt = excerpt.map(|text| format!("; it answered: {}", shorten(text, letters)));
    format!(
        "{what} at {}: {} in {}{}{}",
        stamp(attempt.started_at_ms),
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
