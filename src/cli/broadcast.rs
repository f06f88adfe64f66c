//! `tickrelay broadcast`: broadcasts and how their messages stand, polled ones included.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::list::List;
use super::page::PageArgs;
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
pub(super) enum BroadcastCommand {
    /// Poll a broadcast until nothing in it is pending
    Poll(BroadcastPollArgs),
    /// List broadcasts with how their messages stand and how polling goes, the newest first
    List(BroadcastListArgs),
}

#[derive(Debug, Args)]
pub(super) struct BroadcastPollArgs {
    /// The broadcast's id, as the response to its sending has it
    id: String,
    /// The source that is polled
    #[arg(long, value_name = "NAME")]
    source: String,
}

#[derive(Debug, Args)]
pub(super) struct BroadcastListArgs {
    /// Only those of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

impl BroadcastCommand {
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

impl BroadcastPollArgs {
    fn run(self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let request = Request::PollBroadcast {
            source: self.source,
            broadcast: self.id,
        };
        match ask::perform_now(settings, request, terminal)? {
            Some(Answer::Poll(_)) => {
                writeln!(
                    terminal.talk,
                    "it is polled from now on; tickrelay broadcast list shows how it goes"
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

    /// A count of its messages, else of its poll; `?` where neither knows.
    fn count(
        &self,
        of_messages: fn(&BroadcastCounts) -> u64,
        of_poll: fn(&PollCounts) -> Option<u64>,
    ) -> String {
        let known = self.messages.as_ref().map(of_messages);
        let known = known.or_else(|| of_poll(&self.poll.as_ref()?.counts));
        known.map_or_else(|| "?".to_owned(), |count| count.to_string())
    }
}

impl BroadcastListArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let reader = settings.reader()?;
        let narrowing = Narrowing {
            source: self.source.clone(),
            ..Narrowing::default()
        };
        let (window, _) = (self.page).begin(LIST, &narrowing, settings, &reader)?;
        let (broadcasts, rest) = self.listed(&reader, window)?;
        let list = List {
            columns: &[
                ("BROADCAST", &|listed: &Listed| listed.broadcast.clone()),
                ("SOURCE", &|listed| listed.source.clone()),
                ("BEGAN (UTC)", &|listed| stamp(listed.began_at_ms())),
                ("TOTAL", &|listed| {
                    listed.count(|it| it.total, |it| it.total)
                }),
                ("SUCCESS", &|listed| {
                    listed.count(|it| it.success, |it| it.success)
                }),
                ("FAILURE", &|listed| {
                    listed.count(|it| it.failure, |it| it.failure)
                }),
                ("PENDING", &|listed| {
                    listed.count(|it| it.pending, |it| it.pending)
                }),
                ("POLLED", &|listed| {
                    listed.poll.as_ref().map(polled).unwrap_or_default()
                }),
                ("TROUBLE", &|listed| {
                    listed.poll.as_ref().and_then(trouble).unwrap_or_default()
                }),
            ],
            nothing: "no broadcast was reported, registered or polled",
        };
        list.show((&broadcasts, rest), self.page.json, terminal)
    }

    /// A page of broadcasts, and what to say of the rest. The first page has those too that are polled and
    /// have no messages yet.
    fn listed(
        &self,
        reader: &Reader,
        window: Window,
    ) -> anyhow::Result<(Vec<Listed>, Option<String>)> {
        let source = self.source.as_deref();
        let mut found = reader.broadcasts(&Scope::default(), window)?;
        let rest = self
            .page
            .cut(LIST, &mut found, |broadcast| broadcast.first_message_id);
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
}

/// How the polling of a broadcast goes.
fn polled(poll: &PollRecord) -> String {
    let state = match poll.gave_up {
        Some(why) => format!("{} ({})", poll.state.as_str(), why.as_str()),
        None => poll.state.as_str().to_owned(),
    };
    let answered = poll.answered_at_ms.map(stamp);
    let answered = answered.map_or_else(|| ", no answer yet".to_owned(), |at| format!(", {at}"));
    format!("{state}, {} times{answered}", poll.polls)
}

/// What went wrong at its last poll.
fn trouble(poll: &PollRecord) -> Option<String> {
    let code = poll.error_code.as_ref()?;
    let detail = poll.error_detail.as_deref().unwrap_or_default();
    Some(format!("{code}: {detail}"))
}
