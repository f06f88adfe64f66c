//! `tickrelay subscriber update`: what is given changes, all else stays as it is.

use clap::Args;

use super::flags::{FilterFlags, SendingFlags};
use crate::model::Filter;
use crate::operations::Request;

/// What is to be different.
#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are the text of --help")]
pub(in crate::cli) struct Update {
    /// Its name
    name: String,
    /// Where its payloads go
    #[arg(long)]
    url: Option<String>,
    /// Every report again; the flags below that say which reports replace all that was said before
    #[arg(long, conflicts_with_all = ["types", "statuses", "errors", "sources", "senders", "rules"])]
    everything: bool,
    #[command(flatten)]
    filter: FilterFlags,
    #[command(flatten)]
    sending: SendingFlags,
    /// Answer with a JSON object
    #[arg(long)]
    pub(super) json: bool,
}

impl Update {
    /// What the flags ask for.
    pub(super) fn request(self) -> Request {
        let filter = self.filter.filter();
        let is_said = self.everything || filter != Filter::default();
        let mut change = self.sending.change();
        change.url = self.url;
        change.filter = is_said.then_some(filter);
        Request::UpdateSubscriber {
            name: self.name,
            change,
        }
    }
}
