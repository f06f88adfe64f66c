//! `tickrelay attempt`: every HTTP try at a subscriber, whatever it was about.

use std::cmp::Reverse;

use clap::{Args, Subcommand};

use super::client::{self, Purpose};
use super::forward::attempt_line;
use super::list::List;
use super::page::PageArgs;
use super::time::Since;
use super::{Exit, Settings, Terminal};
use crate::model::{ErrorCode, Word as _};
use crate::store::query::AttemptOutcome;
use crate::web::api::attempts::AttemptAtView;
use crate::web::api::time::TimeOrAge;

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
    /// Only those that failed with this error, as in `timeout` or `http_5xx`
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
    fn run(self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let query = [
            ("subscriber", self.subscriber),
            ("outcome", self.outcome.map(|it| it.as_str().to_owned())),
            ("error", self.error.map(|code| code.as_str().to_owned())),
            ("since", self.since.map(|it| TimeOrAge(it).to_string())),
            ("until", self.until.map(|it| TimeOrAge(it).to_string())),
        ];
        let mut attempts = client::with(settings, Purpose::Read, |client| {
            self.page
                .rows::<AttemptAtView>(client, &["attempts"], &query)
        })?;
        (attempts.data).sort_by_key(|found| Reverse(i64::from(found.attempt.started_at)));
        let list = List {
            columns: &[
                ("FORWARD", &|found: &AttemptAtView| {
                    found.forward_key.to_string()
                }),
                ("SUBSCRIBER", &|found| found.subscriber.clone()),
                ("ATTEMPT (UTC)", &|found| {
                    attempt_line(&found.attempt, usize::MAX)
                }),
            ],
            nothing: "no attempt is like that",
        };
        list.show_page(&attempts, self.page.json, terminal)
    }
}
