//! `tickrelay attempt`: every HTTP try at a subscriber, whatever it was about.

use clap::{Args, Subcommand};

use super::forward::tell_attempt;
use super::list::Asked;
use super::page::Page;
use super::table::table;
use super::time::Since;
use super::{Exit, Settings, Terminal, page};
use crate::admin::narrowing::Narrowing;
use crate::clock::Clock;
use crate::model::ErrorCode;
use crate::store::query::{AttemptOutcome, AttemptQuery};

/// The name of the list in its cursors.
const LIST: &str = "attempts";

/// The verbs of `attempt`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List attempts, the latest first
    List(List),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those at this subscriber
    #[arg(long, value_name = "NAME")]
    subscriber: Option<String>,
    /// Only those that were delivered or failed
    #[arg(long, value_name = "WORD")]
    outcome: Option<AttemptOutcome>,
    /// Only those that failed so, as in `timeout` or `http_5xx`
    #[arg(long, value_name = "CODE")]
    error: Option<ErrorCode>,
    /// Only those begun since: 2h, 7d, 2025-10-09, 2025-10-09T08:53Z
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only those begun before; written as --since is
    #[arg(long, value_name = "TIME")]
    until: Option<Since>,
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
        let Self::List(list) = self;
        list.run(settings, terminal)
    }
}

impl List {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let now_ms = Clock::system().now_ms();
        let reader = settings.reader()?;
        let narrowing = Narrowing {
            since_ms: self.since.map(|since| since.ms(now_ms)),
            until_ms: self.until.map(|until| until.ms(now_ms)),
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
        let mut attempts = reader.attempts(&AttemptQuery {
            subscriber_id: settings.subscriber_id(self.subscriber.as_deref())?,
            outcome: self.outcome,
            error: self.error,
            since_ms: narrowing.since_ms,
            until_ms: narrowing.until_ms,
            window,
            ..AttemptQuery::default()
        })?;
        let rest = self
            .page
            .cut(LIST, &mut attempts, |attempt| attempt.attempt_id);
        let attempts = attempts.rows;
        if self.json {
            page::say(rest, terminal)?;
            return terminal.json(&attempts);
        }
        if attempts.is_empty() {
            return terminal.refuse(rest.unwrap_or_else(|| "no attempt is like that".to_owned()));
        }
        let mut attempts = attempts;
        attempts.sort_by_key(|found| std::cmp::Reverse(found.attempt.started_at_ms));
        let rows = attempts.iter().map(|found| {
            vec![
                found.forward_id.to_string(),
                found.subscriber.clone(),
                tell_attempt(&found.attempt, usize::MAX),
            ]
        });
        write!(
            terminal.data,
            "{}",
            table(
                &["FORWARD", "SUBSCRIBER", "ATTEMPT (UTC)"],
                rows,
                terminal.width
            )
        )?;
        page::say(rest, terminal)?;
        Ok(Exit::Done)
    }
}
