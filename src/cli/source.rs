//! `tickrelay source`: where providers send to, and what came.

use clap::{Args, Subcommand};

use super::client::{self, Client, Purpose};
use super::list::{List, counted, say};
use super::time::{day_and_time, stamp};
use super::{Exit, Settings, Terminal};
use crate::web::api::sources::{SourceView, SourcesView};

/// The verbs of `source`.
#[derive(Debug, Subcommand)]
pub(super) enum SourceCommand {
    /// List sources: webhook URL, last webhook, counts of 24 h
    List(SourceListArgs),
}

#[derive(Debug, Args)]
pub(super) struct SourceListArgs {
    /// Answer with the API's JSON document
    #[arg(long)]
    json: bool,
}

impl SourceCommand {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let Self::List(list) = self;
        list.run(settings, terminal)
    }
}

impl SourceListArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let list = |client: &Client| client.get(&["sources"], &[]);
        let sources: SourcesView = client::with(settings, Purpose::Read, list)?;
        let rest = sources.searched_back_to.map(day_and_time);
        let rest = rest.map(|place| counted(&place));
        if self.json {
            say(rest, terminal)?;
            return terminal.json(&sources);
        }
        let never = if rest.is_some() { "?" } else { "never" };
        let list = List {
            columns: &[
                ("NAME", &|source: &SourceView| source.name.clone()),
                ("PROVIDER", &|source| source.provider.clone()),
                ("CALLBACK URL", &|source| {
                    // Without a host the path is still what to give to the provider behind it.
                    let url = source
                        .callback_url
                        .as_ref()
                        .or(source.callback_path.as_ref());
                    url.map_or("- (it is polled)", String::as_str).to_owned()
                }),
                ("LAST SEEN (UTC)", &|source| {
                    source.last_seen_at.map_or_else(|| never.to_owned(), stamp)
                }),
                ("WEBHOOKS 24H", &|source| source.webhooks_24h.to_string()),
                ("REPORTS", &|source| source.reports_24h.to_string()),
                ("UNREADABLE", &|source| source.unreadable_24h.to_string()),
            ],
            nothing: "no source yet: the configuration has no [[source]]",
        };
        let lacks_host =
            |source: &SourceView| source.callback_path.is_some() && source.callback_url.is_none();
        let lacks_host = sources.data.iter().any(lacks_host);
        let exit = list.show_rows((&sources.data, rest), terminal)?;
        if lacks_host {
            writeln!(
                terminal.talk,
                "server.public_url says nothing: put your host before the URLs"
            )?;
        }
        Ok(exit)
    }
}
