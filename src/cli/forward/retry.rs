//! `tickrelay forward retry`: sending the status again, of single forwards, a message, a number, or many.

use clap::{ArgGroup, Args};

use super::ForwardSubject;
use crate::cli::client::{self, Client, Purpose, Refused};
use crate::cli::replay::STATUS_ALONE;
use crate::cli::{Exit, Settings, Terminal, replay};
use crate::model::{ForwardState, Word as _};
use crate::web::api::forwards::ForwardView;
use crate::web::api::retries::{RetriedView, RetryOrderView};

/// Forwards of a message or a number that are sent again at once.
const MOST_AT_ONCE: usize = 1000;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true)
    .args(["ids", "subscriber", "message", "recipient"]))]
pub(in crate::cli) struct ForwardRetryArgs {
    /// Their ids, or the `webhook-id`s that the subscriber saw
    #[arg(conflicts_with_all = ["subscriber", "message", "recipient", "missed", "state", "since",
        "until", "error", "source", "status"])]
    ids: Vec<String>,
    /// Those of this subscriber; narrow them with the flags below. Without --message and --recipient
    /// this goes on in the background
    #[arg(long, value_name = "NAME")]
    subscriber: Option<String>,
    #[command(flatten)]
    about: ForwardSubject,
    #[command(flatten)]
    many: replay::ForwardSelection,
    /// Use new `webhook-id`s, so subscribers that deduplicate accept them
    #[arg(long)]
    new_id: bool,
}

impl ForwardRetryArgs {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        if self.about.message.is_none()
            && self.about.recipient.is_none()
            && let Some(subscriber) = self.subscriber
        {
            let new = self.many.replay(subscriber, self.new_id);
            return replay::start(settings, &new, terminal);
        }
        let new_id = self.new_id;
        let retried = client::with(settings, Purpose::Change, |client| {
            let ids = if self.ids.is_empty() {
                self.found(client)?
            } else {
                self.ids
            };
            let order = RetryOrderView { ids, new_id };
            client.post::<RetriedView>(&["forwards", "retry"], &order)
        })?;
        if retried.queued == 0 {
            return terminal.refuse(
                "nothing to send again: its payload was pruned, or its subscriber removed",
            );
        }
        let again = format!("{} again", replay::count(retried.queued));
        terminal.done = Some(again.clone());
        writeln!(terminal.talk, "{again}{STATUS_ALONE}")?;
        Ok(Exit::Done)
    }

    /// The forwards of a message, or of messages to a number, by their ids, the earliest first; refuses
    /// where there is none to be sent again.
    fn found(self, client: &Client) -> anyhow::Result<Vec<String>> {
        let many = self.many.replay(String::new(), self.new_id);
        let states = match many.states {
            None if many.missed => vec![ForwardState::GaveUp],
            None => vec![ForwardState::GaveUp, ForwardState::Delivered],
            Some(states) if states.contains(&ForwardState::Pending) => {
                let why = "what is pending is sent by itself: name gave-up, delivered or both";
                return Err(Refused::new(why).into());
            }
            Some(states) => states,
        };
        let query = [
            ("subscriber", self.subscriber),
            ("message", self.about.message),
            ("recipient", self.about.recipient),
            ("error", many.error.map(|code| code.as_str().to_owned())),
            ("source", many.source),
            ("status", many.status.map(|status| status.to_string())),
            ("since", many.since.map(|since| since.to_string())),
            ("until", many.until.map(|until| until.to_string())),
        ];
        let given = query.into_iter();
        let query: Vec<_> = given
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let (mut found, mut cursor): (Vec<ForwardView>, Option<String>) = (Vec::new(), None);
        let mut is_pending = false;
        // Each page is over in time, so the store's log is not kept from starting over.
        loop {
            let page = client.rows(&["forwards"], &query, (MOST_AT_ONCE, cursor.as_deref()))?;
            let wanted = |forward: &ForwardView| {
                states.contains(&forward.state) && !forward.subscriber_removed
            };
            let waits = |forward: &ForwardView| forward.state == ForwardState::Pending;
            is_pending |= page.data.iter().any(waits);
            found.extend(page.data.into_iter().filter(wanted));
            cursor = page.next_cursor;
            if cursor.is_none() || found.len() > MOST_AT_ONCE {
                break;
            }
        }
        found.reverse();
        match found.len() {
            0 if is_pending => Err(Refused::new(
                "what is like that is pending: it needs no retry, and `forward retry` with its id \
                 makes it due now",
            )
            .into()),
            0 => Err(Refused::new(
                "no forward is like that, so there is nothing to send again",
            )
            .into()),
            1..=MOST_AT_ONCE => Ok(found.into_iter().map(|forward| forward.id).collect()),
            _ => Err(Refused::new(format!(
                "more than {MOST_AT_ONCE} forwards are like that, which is more than are sent again \
                 at once: narrow them with --since, --subscriber or --status"
            ))
            .into()),
        }
    }
}
