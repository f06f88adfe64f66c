//! `tickrelay account`: what the providers said of the account, its templates, numbers and contacts.

use clap::{Args, Subcommand};

use super::list::List;
use super::page::PageArgs;
use super::time::{Since, stamp};
use super::{Exit, Settings, Terminal};
use crate::admin::narrowing::Narrowing;
use crate::clock::Clock;
use crate::store::account_event::{AccountEventQuery, AccountEventRecord};

/// The name of the list in its cursors.
const LIST: &str = "account-events";

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
        let (reader, now_ms) = (settings.reader()?, Clock::system().now_ms());
        let narrowing = Narrowing {
            source: self.source,
            event: self.event,
            since_ms: self.since.map(|since| since.ms(now_ms)),
            until_ms: self.until.map(|until| until.ms(now_ms)),
            ..Narrowing::default()
        };
        let (window, _) = (self.page).begin(LIST, &narrowing, settings, &reader)?;
        let mut events = reader.account_events(&AccountEventQuery {
            source: narrowing.source,
            subject: self.subject,
            event: narrowing.event,
            since_ms: narrowing.since_ms,
            until_ms: narrowing.until_ms,
            window,
            ..AccountEventQuery::default()
        })?;
        let rest = (self.page).cut(LIST, &mut events, |event| event.account_event_id);
        let list = List {
            columns: &[
                ("AT (UTC)", &|event: &AccountEventRecord| {
                    stamp(event.at_ms())
                }),
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
        list.show((&events.rows, rest), self.page.json, terminal)
    }
}
