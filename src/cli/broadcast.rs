//! `tickrelay broadcast`: what is asked for at sources that send nothing by themselves.

use clap::{Args, Subcommand};

use super::page::Page;
use super::table::{shorten, table};
use super::time::stamp;
use super::{Exit, Settings, Terminal, ask, page};
use crate::operations::{Answer, Request};
use crate::store::poll::PollRecord;

/// The name of the list in its cursors.
const LIST: &str = "polls";

/// The verbs of `broadcast`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Ask for a broadcast from now on, until nothing in it is pending
    Poll(Poll),
    /// List what is or was asked for, the newest first
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

impl List {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let reader = settings.reader()?;
        let mut polls = reader.polls(self.source.as_deref(), self.page.window(LIST)?)?;
        let rest = self.page.cut(LIST, &mut polls, |poll| poll.poll_id);
        let polls = polls.rows;
        if self.json {
            page::say(rest, terminal)?;
            return terminal.json(&polls);
        }
        if polls.is_empty() {
            let nothing = || "no broadcast is or was asked for".to_owned();
            return terminal.refuse(rest.unwrap_or_else(nothing));
        }
        let headings = [
            "BROADCAST",
            "SOURCE",
            "STATE",
            "TOTAL",
            "PENDING",
            "ASKED",
            "ANSWERED (UTC)",
            "TROUBLE",
        ];
        write!(terminal.data, "{}", table(&headings, polls.iter().map(row)))?;
        page::say(rest, terminal)?;
        Ok(Exit::Done)
    }
}

fn row(poll: &PollRecord) -> Vec<String> {
    let count =
        |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    let state = match poll.gave_up {
        Some(why) => format!("{} ({})", poll.state.as_str(), why.as_str()),
        None => poll.state.as_str().to_owned(),
    };
    let trouble = poll.error_code.as_ref().map(|code| {
        let detail = poll.error_detail.as_deref().unwrap_or_default();
        shorten(&format!("{code}: {detail}"), 60)
    });
    vec![
        poll.broadcast.clone(),
        poll.source.clone(),
        state,
        count(poll.counts.total),
        count(poll.counts.pending),
        poll.polls.to_string(),
        poll.answered_at_ms
            .map_or_else(|| "never".to_owned(), stamp),
        trouble.unwrap_or_default(),
    ]
}
