//! `tickrelay account`: what the providers said of the account, its templates, numbers and contacts.

use clap::{Args, Subcommand};

use super::client::{self, Purpose};
use super::list::List;
use super::page::PageArgs;
use super::time::{Since, stamp};
use super::{Exit, Settings, Terminal};
use crate::web::api::account_events::AccountEventView;
use crate::web::api::time::TimeOrAge;

/// The verbs of `account`.
#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// List the events of accounts, the latest to arrive first
    List(AccountListArgs),
}

#[derive(Debug, Args)]
pub(super) struct AccountListArgs {
    /// Only those of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only those of this template, number, account or person
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Only this event: our name (template.paused) or the provider's word (PAUSED)
    #[arg(long, value_name = "WORD")]
    event: Option<String>,
    /// Only those that happened since: 2h, 7d, 2025-10-09, 2025-10-09T08:53Z
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only those that happened before; written as --since is
    #[arg(long, value_name = "TIME")]
    until: Option<Since>,
    #[command(flatten)]
    page: PageArgs,
}

impl AccountCommand {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        match self {
            Self::List(list) => list.run(settings, terminal),
        }
    }
}

impl AccountListArgs {
    fn run(self, settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
        let query = [
            ("source", self.source),
            ("subject", self.subject),
            ("event", self.event),
            ("since", self.since.map(|it| TimeOrAge(it).to_string())),
            ("until", self.until.map(|it| TimeOrAge(it).to_string())),
        ];
        let events = client::with(settings, Purpose::Read, |client| {
            self.page.rows(client, &["account-events"], &query)
        })?;
        let list = List {
            columns: &[
                ("AT (UTC)", &|event: &AccountEventView| stamp(event.at)),
                ("SOURCE", &|event| event.source.clone()),
                ("EVENT", &|event| event.name.clone()),
                ("SUBJECT", &|event| event.subject.clone()),
                ("WHAT HAPPENED", &|event| match &event.detail {
                    Some(detail) => format!("{} ({detail})", event.text),
                    None => event.text.clone(),
                }),
                ("WHAT TO DO", &|event| event.remedy.clone()),
            ],
            nothing: "no account event is like that",
        };
        list.show_page(&events, self.page.json, terminal)
    }
}
