//! `tickrelay subscriber add`: from flags to a subscriber.

use clap::Args;

use super::flags::{FilterFlags, SendingFlags};
use crate::model::{AlertOptions, NewSubscriber, SubscriberKind};

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
    /// Whose it is: what the tokens of those who may see and change it name as their owner
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
    /// Answer with a JSON object, the secret in it
    #[arg(long)]
    pub(super) json: bool,
}

impl Add {
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
