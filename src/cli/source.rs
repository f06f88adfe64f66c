//! `tickrelay source`: where providers send to, and what came.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::list::List;
use super::time::stamp;
use super::{Exit, Settings, Terminal, page};
use crate::clock::Clock;
use crate::store::overview::SourceActivity;
use crate::store::query::Listing;

/// What is counted, in ms.
const DAY_MS: i64 = 24 * 3600 * 1000;

/// The verbs of `source`.
#[derive(Debug, Subcommand)]
pub(super) enum SourceCommand {
    /// List sources: webhook URL, last webhook, counts of 24 h
    List(SourceListArgs),
}

#[derive(Debug, Args)]
pub(super) struct SourceListArgs {
    /// Answer with a JSON array
    #[arg(long)]
    json: bool,
}

/// A source and its traffic of the last 24 h.
#[derive(Serialize)]
struct ListedSource {
    name: String,
    provider: &'static str,
    /// `None` where the source is polled.
    callback_url: Option<String>,
    last_seen_ms: Option<i64>,
    webhooks_24h: u64,
    reports_24h: u64,
    new_reports_24h: u64,
    unreadable_24h: u64,
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
        let config = settings.load()?.config;
        let now_ms = Clock::system().now_ms();
        let Listing {
            rows: activity,
            reached,
        } = settings
            .reader()?
            .source_activity(now_ms - DAY_MS, now_ms)?;
        if config.sources.is_empty() {
            return terminal.refuse("no source yet: the configuration has no [[source]]");
        }
        // Without a host the path is still what to give to the provider behind it.
        let public_url = config.server.public_url.as_deref().unwrap_or_default();
        let sources = config.sources.iter().map(|source| {
            let found = activity.iter().find(|found| found.source == source.name);
            let count = |of: fn(&SourceActivity) -> u64| found.map_or(0, of);
            // A source that is polled receives no webhooks.
            let receives = source.pulled.is_none();
            ListedSource {
                name: source.name.clone(),
                provider: source.provider.as_str(),
                callback_url: receives.then(|| source.callback_url(public_url)),
                last_seen_ms: found.and_then(|found| found.last_seen_ms),
                webhooks_24h: count(|found| found.webhooks),
                reports_24h: count(|found| found.reports),
                new_reports_24h: count(|found| found.new_reports),
                unreadable_24h: count(|found| found.unreadable),
            }
        });
        let sources: Vec<ListedSource> = sources.collect();
        let rest = page::counted(reached);
        let never = if rest.is_some() { "?" } else { "never" };
        let list = List {
            columns: &[
                ("NAME", &|source: &ListedSource| source.name.clone()),
                ("PROVIDER", &|source| source.provider.to_owned()),
                ("CALLBACK URL", &|source| {
                    let url = source.callback_url.as_deref();
                    url.unwrap_or("- (it is polled)").to_owned()
                }),
                ("LAST SEEN (UTC)", &|source| {
                    source.last_seen_ms.map_or_else(|| never.to_owned(), stamp)
                }),
                ("WEBHOOKS 24H", &|source| source.webhooks_24h.to_string()),
                ("REPORTS", &|source| source.reports_24h.to_string()),
                ("UNREADABLE", &|source| source.unreadable_24h.to_string()),
            ],
            nothing: "",
        };
        let exit = list.show((&sources, rest), self.json, terminal)?;
        if !self.json && config.server.public_url.is_none() {
            writeln!(
                terminal.talk,
                "server.public_url says nothing: put your host before the URLs"
            )?;
        }
        Ok(exit)
    }
}
