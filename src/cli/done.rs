//! What a command has done, in one sentence: said when its answer cannot be written.
//!
//! A change is done before its answer is shown. Without this sentence an error about the answer
//! would look as if nothing had been done, and a secret that was not shown would go unnoticed.

use super::time::day_and_time;
use crate::admin::{Answer, Request};
use crate::model::Word as _;

/// What sending again means; a support agent may take it for the WhatsApp message.
pub(super) const STATUS_ALONE: &str =
    ": the status goes to your system again, the WhatsApp message is not sent again";

/// What was requested, as far as an answer does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    /// To add a subscriber.
    Addition,
    /// To look what a change would do.
    DryRun,
    /// Anything else.
    Other,
}

impl Intent {
    pub(super) fn of(request: &Request) -> Self {
        match request {
            Request::AddSubscriber(_) => Self::Addition,
            Request::Reprocess { dry_run: true, .. } => Self::DryRun,
            Request::Erase { options, .. } if options.dry_run => Self::DryRun,
            _ => Self::Other,
        }
    }
}

/// What was done, how it can be seen, and how it is undone; `None` when nothing was changed.
pub(super) fn done(intent: Intent, answer: &Answer) -> Option<String> {
    let text = match answer {
        _ if intent == Intent::DryRun => return None,
        Answer::Secret {
            subscriber,
            old_until_ms,
            ..
        } => given(intent, &subscriber.name, *old_until_ms),
        Answer::Token { token, .. } => {
            let id = token.token_id;
            format!(
                "token {id} was made, and its text is not shown again: `tickrelay token revoke {id}` ends \
                 it"
            )
        }
        Answer::Subscriber(subscriber) => {
            let name = &subscriber.name;
            format!("{name} was changed: `tickrelay subscriber show {name}` shows it")
        }
        Answer::Removed { given_up } => {
            format!("the subscriber was removed; forwards given up with it: {given_up}")
        }
        Answer::Poll(_) => {
            "the broadcast is polled: `tickrelay broadcast list` shows it".to_owned()
        }
        Answer::Template(_) => "the template was written".to_owned(),
        Answer::TemplateRemoved => "the template was removed".to_owned(),
        Answer::Revoked(token) => format!("token {} was revoked", token.token_id),
        Answer::KeyRotated(resealed) => format!(
            "all that could be opened was sealed again with the key {}: `tickrelay key list` shows the keys",
            resealed.key
        ),
        many => return done_to_many(many),
    };
    Some(text)
}

/// The same of what concerns many rows.
fn done_to_many(answer: &Answer) -> Option<String> {
    let text = match answer {
        Answer::Tested(tested) => {
            let samples = tested.samples.len();
            format!("samples were sent to the subscriber: {samples}")
        }
        Answer::Retried { forwards, .. } if *forwards > 0 => format!("{} again", count(*forwards)),
        Answer::Replay(replay) => {
            let (id, state) = (replay.uid, replay.state.as_str());
            format!("the replay {id} is {state}: `tickrelay replay show {id}` shows it")
        }
        Answer::Reprocessed { examined, .. } => {
            format!("the stored webhooks were read again: {examined}")
        }
        Answer::Registered(receipts) => {
            let registered = receipts.iter().filter(|receipt| receipt.outcome.is_ok());
            let (all, registered) = (receipts.len(), registered.count());
            format!("of {all} messages {registered} were registered")
        }
        Answer::Erased(erased) if !erased.is_nothing() => {
            let messages = erased.messages;
            format!("the person was erased, messages removed: {messages}")
        }
        _ => return None,
    };
    Some(text)
}

/// So many forwards are queued.
pub(super) fn count(forwards: usize) -> String {
    let what = if forwards == 1 {
        "forward is"
    } else {
        "forwards are"
    };
    format!("{forwards} {what} queued")
}

/// What was done where the answer was to show a secret.
fn given(intent: Intent, name: &str, old_until_ms: Option<i64>) -> String {
    if intent == Intent::Addition {
        return format!(
            "the subscriber {name} was added, and its secret is not shown again: `tickrelay subscriber \
             rotate-secret {name} --now` gives it another, `tickrelay subscriber remove {name}` removes it"
        );
    }
    let old = old_until_ms.map_or_else(
        || "the old secrets sign no more".to_owned(),
        |until_ms| format!("the old one signs too until {}", day_and_time(until_ms)),
    );
    format!(
        "the secret of {name} was rotated, {old}, and the new one is not shown again: `tickrelay \
         subscriber rotate-secret {name}` gives another"
    )
}
