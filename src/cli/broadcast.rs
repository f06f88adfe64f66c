//! `tickrelay broadcast`: broadcasts and how their messages stand, polled ones included.

use std::cmp::Reverse;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::client::{self, Client, Purpose, Refused};
use super::list::{List, say};
use super::page::PageArgs;
use super::time::stamp;
use super::{Exit, Settings, Terminal};
use crate::model::Word as _;
use crate::web::api::broadcasts::{BroadcastStatisticsView, BroadcastView};
use crate::web::api::page::Page;
use crate::web::api::polls::{Counts, PollView};
use crate::web::api::sources::{SourceView, SourcesView};
use crate::web::api::time::Time;

/// The verbs of `broadcast`.
#[derive(Debug, Subcommand)]
pub(super) enum BroadcastCommand {
    /// Poll a broadcast until nothing in it is pending
    Poll(BroadcastPollArgs),
    /// List broadcasts with their message counts and polling state, the newest first
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
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let path = ["sources", &self.source, "broadcasts"];
        let poll = |client: &Client| client.post(&path, &json!({ "id": self.id }));
        let _: PollView = client::with(settings, Purpose::Change, poll)?;
        terminal.done =
            Some("the broadcast is polled: `tickrelay broadcast list` shows it".to_owned());
        writeln!(
            terminal.talk,
            "it is polled from now on; tickrelay broadcast list shows how it goes"
        )?;
        Ok(Exit::Done)
    }
}

/// The API's documents of broadcasts, and of the polling at all sources that are polled.
#[derive(Serialize)]
struct BroadcastsAnswer {
    broadcasts: Page<BroadcastView>,
    polls: Vec<PollView>,
}

/// A line of the list: a broadcast, and how the polling of it goes where it is polled.
struct Listed<'a> {
    id: &'a str,
    source: &'a str,
    /// How its messages stand; `None` while none is known of a broadcast that is polled.
    messages: Option<&'a BroadcastStatisticsView>,
    began_at: Time,
    poll: Option<&'a PollView>,
}

impl Listed<'_> {
    /// A count of its messages, else of its poll; `?` where neither knows.
    fn count(
        &self,
        of_messages: fn(&BroadcastStatisticsView) -> u64,
        of_poll: fn(&Counts) -> Option<u64>,
    ) -> String {
        let known = self.messages.map(of_messages);
        let known = known.or_else(|| of_poll(&self.poll?.statistics));
        known.map_or_else(|| "?".to_owned(), |count| count.to_string())
    }
}

impl BroadcastListArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let answer = client::with(settings, Purpose::Read, |client| self.fetch(client))?;
        let rest = answer.broadcasts.rest();
        if self.page.json {
            say(rest, terminal)?;
            return terminal.json(&answer);
        }
        let list = List {
            columns: &[
                ("BROADCAST", &|listed: &Listed<'_>| listed.id.to_owned()),
                ("SOURCE", &|listed| listed.source.to_owned()),
                ("BEGAN (UTC)", &|listed| stamp(listed.began_at)),
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
                    listed.poll.map(polled).unwrap_or_default()
                }),
                ("TROUBLE", &|listed| {
                    listed.poll.and_then(trouble).unwrap_or_default()
                }),
            ],
            nothing: "no broadcast was reported, registered or polled",
        };
        let is_first = !self.page.is_continued();
        list.show_rows((&listed(&answer, is_first), rest), terminal)
    }

    /// Fetches a page of broadcasts, and those that are polled.
    fn fetch(&self, client: &Client) -> anyhow::Result<BroadcastsAnswer> {
        let sources: Vec<SourceView> = match &self.source {
            Some(name) => vec![client.get(&["sources", name], &[])?],
            None => client.get::<SourcesView>(&["sources"], &[])?.data,
        };
        let query = [("source", self.source.clone())];
        let broadcasts = self.page.rows(client, &["broadcasts"], &query)?;
        let mut polls = Vec::new();
        for source in sources.iter().filter(|source| source.polls.is_some()) {
            let path = ["sources", &source.name, "broadcasts"];
            match client.rows::<PollView>(&path, &[], self.page.newest()) {
                Ok(found) => polls.extend(found.data),
                // Every caller sees the source; what it is polled for, only an owner that it names.
                Err(error) if Refused::has_status(&error, 403) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(BroadcastsAnswer { broadcasts, polls })
    }
}

/// The lines of the list, the newest first. The first page has those too that are polled and have no
/// messages yet.
fn listed(answer: &BroadcastsAnswer, is_first: bool) -> Vec<Listed<'_>> {
    let mut polls: Vec<&PollView> = answer.polls.iter().collect();
    let mut all = Vec::new();
    for found in &answer.broadcasts.data {
        let mut places = polls.iter();
        let place = places.position(|poll| poll.id == found.id && poll.source == found.source);
        all.push(Listed {
            id: &found.id,
            source: &found.source,
            messages: Some(&found.statistics),
            began_at: found.first_report_at,
            poll: place.map(|at| polls.swap_remove(at)),
        });
    }
    let unreported = polls
        .into_iter()
        .filter(|poll| poll.statistics.total.is_none());
    all.extend(unreported.filter(|_| is_first).map(|poll| Listed {
        id: &poll.id,
        source: &poll.source,
        messages: None,
        began_at: poll.registered_at,
        poll: Some(poll),
    }));
    all.sort_by_key(|broadcast| Reverse(i64::from(broadcast.began_at)));
    all
}

/// How the polling of a broadcast goes.
fn polled(poll: &PollView) -> String {
    let state = match poll.gave_up {
        Some(why) => format!("{} ({})", poll.state.as_str(), why.as_str()),
        None => poll.state.as_str().to_owned(),
    };
    let answered = poll.answered_at.map(stamp);
    let answered = answered.map_or_else(|| ", no answer yet".to_owned(), |at| format!(", {at}"));
    format!("{state}, {} times{answered}", poll.polls)
}

/// What went wrong at its last poll.
fn trouble(poll: &PollView) -> Option<String> {
    let code = poll.error_code.as_ref()?;
    let detail = poll.error_detail.as_deref().unwrap_or_default();
    Some(format!("{code}: {detail}"))
}
