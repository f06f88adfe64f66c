//! `tickrelay forward retry`: sending the status again, of single forwards, a message, a number, or many.

use clap::{ArgGroup, Args};

use super::{ForwardSubject, no_forward};
use crate::admin::narrowing::Narrowing;
use crate::admin::{Answer, Request};
use crate::cli::done::{STATUS_ALONE, count};
use crate::cli::page::narrowed;
use crate::cli::{Exit, Settings, Terminal, ask, replay};
use crate::model::ForwardState;
use crate::store::RetrySelection;
use crate::store::query::{ForwardQuery, Scope, Window};
use crate::store::timeline::ForwardRecord;

/// Forwards of a message or a number that are sent again at once.
const MOST_AT_ONCE: usize = 1000;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true)
    .args(["ids", "subscriber", "message", "recipient"]))]
pub(in crate::cli) struct ForwardRetryArgs {
    /// Their ids, or the `webhook-id`s that the subscriber saw
    #[arg(conflicts_with_all = ["subscriber", "message", "recipient", "missed", "state", "since",
        "until", "error", "source", "status"])]
    ids: Vec<String>,
    /// Those of this subscriber: say which with the flags below. Without --message and --recipient
    /// this goes on in the background
    #[arg(long, value_name = "NAME")]
    subscriber: Option<String>,
    #[command(flatten)]
    about: ForwardSubject,
    #[command(flatten)]
    many: replay::ForwardSelection,
    /// Send them with a new `webhook-id`, so that a subscriber that drops repeats takes them
    #[arg(long)]
    new_id: bool,
}

impl ForwardRetryArgs {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
        now_ms: i64,
    ) -> anyhow::Result<Exit> {
        if self.about.message.is_some() || self.about.recipient.is_some() {
            let new_id = self.new_id;
            let found = match self.found(settings, now_ms)? {
                Ok(found) => found,
                Err(why) => return terminal.refuse(why),
            };
            return again(settings, found, new_id, terminal);
        }
        if let Some(subscriber) = self.subscriber {
            let order = self.many.order(subscriber, self.new_id, now_ms);
            return replay::start(settings, order, terminal);
        }
        let reader = settings.reader()?;
        let mut forward_ids = Vec::new();
        for id in &self.ids {
            match reader.forward(id, &Scope::default())? {
                Some(found) => forward_ids.push(found.forward.forward.forward_id),
                None => return terminal.refuse(no_forward(id)),
            }
        }
        again(settings, forward_ids, self.new_id, terminal)
    }

    /// The keys of the forwards of a message, or of messages to a number, the earliest first; or
    /// why there are none to be sent again.
    fn found(self, settings: &Settings, now_ms: i64) -> anyhow::Result<Result<Vec<i64>, String>> {
        let subscriber_id = settings.subscriber_id(self.subscriber.as_deref())?;
        let order = self.many.order(String::new(), self.new_id, now_ms);
        let states = match order.states {
            None if order.missed => vec![ForwardState::GaveUp],
            None => vec![ForwardState::GaveUp, ForwardState::Delivered],
            Some(states) if states.contains(&ForwardState::Pending) => {
                let why = "what is pending is sent by itself: name gave-up, delivered or both";
                return Ok(Err(why.to_owned()));
            }
            Some(states) => states,
        };
        let mut query = ForwardQuery {
            subscriber_id,
            error: order.error,
            message: self.about.message,
            recipient: self.about.recipient,
            source: order.source,
            status: order.status,
            since_ms: order.since_ms,
            until_ms: order.until_ms,
            window: Window::newest(MOST_AT_ONCE),
            ..ForwardQuery::default()
        };
        let (reader, mut found) = (settings.reader()?, Vec::new());
        if let Err(why) = narrowed(settings, &reader, &narrowing(&query))? {
            return Ok(Err(why));
        }
        // Each page is over in time, so the store's log is not kept from starting over.
        loop {
            let page = reader.forwards(&query)?;
            let is_full = page.rows.len() >= query.window.limit;
            let last = page.rows.last().map(|forward| forward.forward_id);
            let wanted = |forward: &ForwardRecord| {
                states.contains(&forward.state) && !forward.subscriber_removed
            };
            let wanted = page.rows.into_iter().filter(wanted);
            found.extend(wanted.map(|forward| forward.forward_id));
            query.window.before = match page.reached {
                _ if found.len() > MOST_AT_ONCE => break,
                Some(reached) => Some(reached.key),
                None if is_full => last,
                None => break,
            };
        }
        found.reverse();
        Ok(match found.len() {
            0 => Err("no forward is like that, so there is nothing to send again".to_owned()),
            1..=MOST_AT_ONCE => Ok(found),
            _ => Err(format!(
                "more than {MOST_AT_ONCE} forwards are like that, which is more than are sent again \
                 at once: narrow them with --since, --subscriber or --status"
            )),
        })
    }
}

/// What of a query may match nothing.
fn narrowing(query: &ForwardQuery) -> Narrowing {
    Narrowing {
        source: query.source.clone(),
        recipient: query.recipient.clone(),
        since_ms: query.since_ms,
        until_ms: query.until_ms,
        ..Narrowing::default()
    }
}

/// Has these forwards sent again.
fn again(
    settings: &Settings,
    forward_ids: Vec<i64>,
    new_id: bool,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let request = Request::RetryForwards(RetrySelection {
        forward_ids,
        new_id,
    });
    match ask::perform_now(settings, request, terminal)? {
        None => Ok(Exit::Refused),
        Some(Answer::Retried { forwards: 0, .. }) => terminal
            .refuse("nothing to send again: its payload was pruned, or its subscriber removed"),
        Some(Answer::Retried { forwards, .. }) => {
            writeln!(terminal.talk, "{} again{STATUS_ALONE}", count(forwards))?;
            Ok(Exit::Done)
        }
        Some(other) => Err(ask::unexpected(&other)),
    }
}
