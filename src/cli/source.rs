//! `tickrelay source`: where providers send to, and what came.

use clap::{Args, Subcommand};
use serde_json::json;

use super::table::table;
use super::time::stamp;
use super::{Exit, Settings, Terminal, page};
use crate::clock::Clock;
use crate::config::Source;
use crate::store::overview::SourceActivity;
use crate::store::query::Listing;

/// What is counted, in ms.
const DAY_MS: i64 = 24 * 3600 * 1000;

/// Above the columns of the list.
const HEADINGS: [&str; 7] = [
    "NAME",
    "PROVIDER",
    "CALLBACK URL",
    "LAST SEEN (UTC)",
    "WEBHOOKS 24H",
    "REPORTS",
    "UNREADABLE",
];

/// The verbs of `source`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List sources: webhook URL, last webhook, counts of 24 h
    List(List),
}

#[derive(Debug, Args)]
pub(super) struct List {
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
        let Self::List(list) = self;
        list.run(settings, terminal)
    }
}

impl List {
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
            let mut found = activity.iter().filter(|found| found.source == source.name);
            // Nobody sends to a source that is asked.
            let receives = source.pulled.is_none();
            let callback_url = receives.then(|| source.callback_url(public_url));
            (source, callback_url, found.next())
        });
        let rest = page::counted(reached);
        let never = if rest.is_some() { "?" } else { "never" };
        if self.json {
            page::say(rest, terminal)?;
            let sources: Vec<_> = sources
                .map(|(source, callback_url, found)| {
                    let count = |of: fn(&SourceActivity) -> u64| found.map_or(0, of);
                    json!({
                        "name": source.name,
                        "provider": source.provider.as_str(),
                        "callback_url": callback_url,
                        "last_seen_ms": found.and_then(|found| found.last_seen_ms),
                        "webhooks_24h": count(|found| found.webhooks),
                        "reports_24h": count(|found| found.reports),
                        "new_reports_24h": count(|found| found.new_reports),
                        "unreadable_24h": count(|found| found.unreadable),
                    })
                })
                .collect();
            return terminal.json(&sources);
        }
        let rows = sources.map(|source| row(source, never));
        let text = table(&HEADINGS, rows, terminal.width);
        write!(terminal.data, "{text}")?;
        page::say(rest, terminal)?;
        if config.server.public_url.is_none() {
            writeln!(
                terminal.talk,
                "server.public_url says nothing: put your host before the URLs"
            )?;
        }
        Ok(Exit::Done)
    }
}

/// A source as a line; `never` stands where none of its webhooks was found.
fn row(
    (source, callback_url, found): (&Source, Option<String>, Option<&SourceActivity>),
    never: &str,
) -> Vec<String> {
    let count = |of: fn(&SourceActivity) -> u64| found.map_or(0, of).to_string();
    let seen = found.and_then(|found| found.last_seen_ms);
    vec![
        source.name.clone(),
        source.provider.as_str().to_owned(),
        callback_url.unwrap_or_else(|| "- (it is asked)".to_owned()),
        seen.map_or_else(|| never.to_owned(), stamp),
        count(|found| found.webhooks),
        count(|found| found.reports),
        count(|found| found.unreadable),
    ]
}
