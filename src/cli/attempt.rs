//! `tickrelay attempt`: every HTTP try at a subscriber, whatever it was about.

use clap::{Args, Subcommand};

use super::forward::attempt_line;
use super::list::List;
use super::page::PageArgs;
use super::time::Since;
use super::{Exit, Settings, Terminal};
use crate::admin::narrowing::Narrowing;
use crate::clock::Clock;
use crate::model::ErrorCode;
use crate::store::query::{AttemptOutcome, AttemptQuery};
use crate::store::timeline::AttemptAt;

/// The name of the list in its cursors.
const LIST: &str = "attempts";

/// The verbs of `attempt`.
#[derive(Debug, Subcommand)]
pub(super) enum AttemptCommand {
    /// List attempts, the latest first
    List(AttemptListArgs),
}

#[derive(Debug, Args)]
pub(super) struct AttemptListArgs {
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
    page: PageArgs,
}

impl AttemptCommand {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let Self::List(list) = self;
        list.run(settings, terminal)
    }
}

impl AttemptListArgs {
    fn run(&self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let now_ms = Clock::system().now_ms();
        let reader = settings.reader()?;
        let narrowing = Narrowing {
            since_ms: self.since.map(|since| since.ms(now_ms)),
            until_ms: self.until.map(|until| until.ms(now_ms)),
            ..Narrowing::default()
        };
        let (window, _) = (self.page).begin(LIST, &narrowing, settings, &reader)?;
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
        let attempts = &mut attempts.rows;
        attempts.sort_by_key(|found| std::cmp::Reverse(found.attempt.started_at_ms));
        let list = List {
            columns: &[
                ("FORWARD", &|found: &AttemptAt| found.forward_id.to_string()),
                ("SUBSCRIBER", &|found| found.subscriber.clone()),
                ("ATTEMPT (UTC)", &|found| {
                    attempt_line(&found.attempt, usize::MAX)
                }),
            ],
            nothing: "no attempt is like that",
        };
        list.show((attempts, rest), self.page.json, terminal)
    }
}
