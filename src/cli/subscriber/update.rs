//! `tickrelay subscriber update`: what is given changes, all else stays as it is.

use clap::Args;

use super::flags::{FilterFlags, SendingFlags};
use super::{changed, show};
use crate::cli::client::{self, Client, Purpose};
use crate::cli::{Exit, Settings, Terminal};
use crate::model::{AlertOptions, Filter, Setting, SubscriberChange};
use crate::web::api::subscribers::SubscriberView;

/// What is to be different.
#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are the text of --help")]
pub(in crate::cli) struct Update {
    /// Its name
    name: String,
    /// Where its payloads go
    #[arg(long)]
    url: Option<String>,
    /// The text of a chat's alerts; with --link and --account-events it replaces the former
    /// three
    #[arg(long, value_name = "TEXT")]
    wording: Option<String>,
    /// What {link} stands for in it
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    /// Notify a chat of account events too, or with `false` no more
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    account_events: Option<bool>,
    /// Reset the filter; filter flags replace the whole filter
    #[arg(long, conflicts_with_all = ["types", "statuses", "errors", "sources", "senders", "channels", "rules"])]
    everything: bool,
    #[command(flatten)]
    filter: FilterFlags,
    #[command(flatten)]
    sending: SendingFlags,
    /// Do not send it this header of its own any more
    #[arg(long = "remove-header", value_name = "NAME")]
    removed_headers: Vec<String>,
    /// Remove its credentials
    #[arg(long, conflicts_with_all = ["basic", "bearer"])]
    no_auth: bool,
    /// Answer with the API's JSON document
    #[arg(long)]
    json: bool,
}

impl Update {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let (json, name) = (self.json, self.name.clone());
        let change = self.change();
        let update = |client: &Client| client.patch(&["subscribers", &name], &change);
        let subscriber: SubscriberView = client::with(settings, Purpose::Change, update)?;
        terminal.done = Some(changed(&name));
        if json {
            return terminal.json(&subscriber);
        }
        show::changed(&subscriber, terminal)?;
        Ok(Exit::Done)
    }

    /// What the flags ask for.
    fn change(self) -> SubscriberChange {
        let filter = self.filter.filter();
        let is_said = self.everything || filter != Filter::default();
        let mut change = self.sending.change();
        change.url = self.url;
        let is_addressed =
            self.wording.is_some() || self.link.is_some() || self.account_events.is_some();
        change.alert = is_addressed.then_some(AlertOptions {
            wording: self.wording,
            link: self.link,
            account_events: self.account_events.unwrap_or_default(),
        });
        let removed = self.removed_headers.into_iter();
        change.headers.extend(removed.map(|name| (name, None)));
        if self.no_auth {
            change.auth = Some(Setting::Usual);
        }
        change.filter = is_said.then_some(filter);
        change
    }
}
