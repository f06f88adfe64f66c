//! `tickrelay subscriber add`: from flags to a subscriber.

use clap::Args;

use super::flags::{FilterFlags, SendingFlags};
use super::{gets, show_secret};
use crate::cli::client::{self, Client, Purpose};
use crate::cli::{Exit, Settings, Terminal};
use crate::model::{AlertOptions, NewSubscriber, SubscriberKind};
use crate::web::api::subscribers::SecretView;

/// A subscriber to be.
#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are the text of --help")]
pub(in crate::cli) struct Add {
    /// What to call it: a-z, 0-9 and '-'
    #[arg(long)]
    name: String,
    /// Where its payloads go
    #[arg(long)]
    url: String,
    /// Owner; tokens with this owner manage it
    #[arg(long, value_name = "WORD")]
    owner: Option<String>,
    /// What it receives: callback (each report), chat (alerts of failures, as Rocket.Chat and Slack
    /// take them) or events (trouble of the service)
    #[arg(long, value_name = "WORD", default_value_t)]
    kind: SubscriberKind,
    /// The text of a chat's alerts, with placeholders: {count}, {messages}, {reason}, {remedy},
    /// {who}, {code}, {title}, {source}, {message}, {recipient} (its last digits), {link}
    #[arg(long, value_name = "TEXT")]
    wording: Option<String>,
    /// What {link} stands for, a URL with placeholders: {subscriber}, {source}, {message}, {code},
    /// {key}
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    /// Notify a chat of account events too: a template that was paused, a number that lost quality
    #[arg(long)]
    account_events: bool,
    #[command(flatten)]
    filter: FilterFlags,
    #[command(flatten)]
    sending: SendingFlags,
    /// Answer with the API's JSON document, the secret in it
    #[arg(long)]
    json: bool,
}

impl Add {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let (json, new) = (self.json, self.subscriber());
        let add = |client: &Client| client.post(&["subscribers"], &new);
        let added: SecretView = client::with(settings, Purpose::Change, add)?;
        let name = &added.subscriber.name;
        terminal.done = Some(format!(
            "the subscriber {name} was added, and its secret is not shown again: `tickrelay subscriber \
             rotate-secret {name} --now` gives it another, `tickrelay subscriber remove {name}` removes it"
        ));
        if json {
            return terminal.json(&added);
        }
        let (url, gets) = (&added.subscriber.url, gets(&added.subscriber));
        writeln!(terminal.talk, "{name} is added: {url} gets {gets}.")?;
        show_secret(&added, terminal)
    }

    /// What the flags mean.
    pub(super) fn subscriber(self) -> NewSubscriber {
        let mut new = NewSubscriber::new(&self.name, &self.url);
        new.owner = self.owner;
        new.kind = self.kind;
        new.alert = AlertOptions {
            wording: self.wording,
            link: self.link,
            account_events: self.account_events,
        };
        new.filter = self.filter.filter();
        new.with(self.sending.change())
    }
}
