//! `tickrelay broadcast`: broadcasts and how their messages stand, polled ones included.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::list::{Asked, Table};
use super::page::Page;
use super::time::stamp;
use super::{Exit, Settings, Terminal, ask};
use crate::admin::narrowing::Narrowing;
use crate::admin::{Answer, Request};
use crate::model::Word as _;
use crate::store::Reader;
use crate::store::broadcast::{BroadcastCounts, BroadcastRecord};
use crate::store::poll::{PollCounts, PollRecord};
use crate::store::query::{Scope, Window};

/// The name of the list in its cursors.
const LIST: &str = "broadcasts";

/// The verbs of `broadcast`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Poll a broadcast until nothing in it is pending
    Poll(Poll),
    /// List broadcasts with how their messages stand and how polling goes, the newest first
    List(List),
}

#[derive(Debug, Args)]
pub(super) struct Poll {
    /// The broadcast's id, as the response to its sending has it
    id: String,
    /// The source that is asked
    #[arg(long, value_name = "NAME")]
    source: String,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    #[command(flatten)]
    page: Page,
    /// Answer with a JSON array
    #[arg(long)]
    json: bool,
}

impl Verb {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        match self {
            Self::Poll(poll) => poll.run(settings, terminal),
            Self::List(list) => list.run(settings, terminal),
        }
    }
}

impl Poll {
    fn run(self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let request = Request::PollBroadcast {
            source: self.source,
            broadcast: self.id,
        };
        match ask::perform_now(settings, request, terminal)? {
            Some(Answer::Poll(_)) => {
                writeln!(
                    terminal.talk,
                    "it is asked for from now on; tickrelay broadcast list shows how it goes"
                )?;
                Ok(Exit::Done)
            }
            Some(other) => Err(ask::unexpected(&other)),
            None => Ok(Exit::Refused),
        }
    }
}

/// A broadcast as the API lists it, and how the polling of it goes where it is polled.
#[derive(Serialize)]
struct Listed {
    broadcast: String,
    source: String,
    /// How its messages stand; `None` while none is known of a broadcast that is polled.
    messages: Option<BroadcastCounts>,
    first_report_at_ms: Option<i64>,
    last_report_at_ms: Option<i64>,
    poll: Option<PollRecord>,
}

impl Listed {
    /// What the list is in the order of.
    fn began_at_ms(&self) -> i64 {
        let registered = self.poll.as_ref().map(|poll| poll.registered_at_ms);
        self.first_report_at_ms.or(registered).unwrap_or_default()
    }
}

impl List {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let reader = settings.reader()?;
        let narrowing = Narrowing {
            source: self.source.clone(),
            ..Narrowing::default()
        };
        let asked = Asked {
            list: LIST,
            page: &self.page,
            narrowing: &narrowing,
        };
        let (window, _) = match asked.begin(settings, &reader)? {
            Ok(begun) => begun,
            Err(refusal) => return terminal.refuse(refusal),
        };
        let (broadcasts, rest) = listed(&reader, asked, window)?;
        let list = Table {
            headings: &[
                "BROADCAST",
                "SOURCE",
                "BEGAN (UTC)",
                "TOTAL",
                "SUCCESS",
                "FAILURE",
                "PENDING",
                "POLLED",
                "TROUBLE",
            ],
            nothing: "no broadcast was reported, registered or polled",
            json: self.json,
        };
        list.show((&broadcasts, rest), row, terminal)
    }
}

/// A page of broadcasts, and what to say of the rest. The first page has those too that are polled and
/// have no messages yet.
fn listed(
    reader: &Reader,
    Asked {
        page, narrowing, ..
    }: Asked<'_>,
    window: Window,
) -> anyhow::Result<(Vec<Listed>, Option<String>)> {
    let source = narrowing.source.as_deref();
    let mut found = reader.broadcasts(&Scope::default(), window)?;
    let rest = page.cut(LIST, &mut found, |broadcast| broadcast.first_message_id);
    let newest = Window {
        before: None,
        ..window
    };
    let mut polls = reader.polls(source, newest)?.rows;
    let wanted = |found: &BroadcastRecord| source.is_none_or(|name| name == found.source);
    let mut all = Vec::new();
    for found in found.rows.into_iter().filter(wanted) {
        let poll = polls
            .iter()
            .position(|poll| poll.broadcast == found.bulk_id && poll.source == found.source);
        all.push(Listed {
            broadcast: found.bulk_id,
            source: found.source,
            messages: Some(found.counts),
            first_report_at_ms: Some(found.first_report_at_ms),
            last_report_at_ms: Some(found.last_report_at_ms),
            poll: poll.map(|at| polls.swap_remove(at)),
        });
    }
    if window.before.is_none() {
        let unreported = polls.into_iter().filter(|poll| poll.counts.total.is_none());
        all.extend(unreported.map(|poll| Listed {
            broadcast: poll.broadcast.clone(),
            source: poll.source.clone(),
            messages: None,
            first_report_at_ms: None,
            last_report_at_ms: None,
            poll: Some(poll),
        }));
    }
    all.sort_by_key(|broadcast| std::cmp::Reverse(broadcast.began_at_ms()));
    Ok((all, rest))
}

fn row(listed: &Listed) -> Vec<String> {
    let poll = listed.poll.as_ref();
    let counts = |of_messages: fn(&BroadcastCounts) -> u64,
                  of_poll: fn(&PollCounts) -> Option<u64>| {
        let known = listed.messages.as_ref().map(of_messages);
        let known = known.or_else(|| of_poll(&poll?.counts));
        known.map_or_else(|| "?".to_owned(), |count| count.to_string())
    };
    let polled = poll.map_or_else(String::new, |poll| {
        let state = match poll.gave_up {
            Some(why) => format!("{} ({})", poll.state.as_str(), why.as_str()),
            None => poll.state.as_str().to_owned(),
        };
        let answered = poll.answered_at_ms.map(stamp);
        let answered =
            answered.map_or_else(|| ", no answer yet".to_owned(), |at| format!(", {at}"));
        format!("{state}, {} times{answered}", poll.polls)
    });
    let trouble = poll.and_then(|poll| {
        let code = poll.error_code.as_ref()?;
        let detail = poll.error_detail.as_deref().unwrap_or_default();
        Some(format!("{code}: {detail}"))
    });
    vec![
        listed.broadcast.clone(),
        listed.source.clone(),
        stamp(listed.began_at_ms()),
        counts(|it| it.total, |it| it.total),
        counts(|it| it.success, |it| it.success),
        counts(|it| it.failure, |it| it.failure),
        counts(|it| it.pending, |it| it.pending),
        polled,
        trouble.unwrap_or_default(),
    ]
}
