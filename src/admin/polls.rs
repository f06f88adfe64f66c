//! Polled broadcasts: polling one that no registration names, and the ids of messages whose
//! provider gives none.

use std::convert::identity;
use std::sync::Arc;

use serde_json::json;

use super::audit::Note;
use super::operation::By;
use super::{Failure, Fault, Operation, Operations};
use crate::access::Permission;
use crate::model::quoted;
use crate::providers::{Provider, Pull};
use crate::store::change::OpenPoll;
use crate::store::poll::PollRecord;

/// The longest id of a broadcast, in bytes; the ids of its messages begin with it.
const LONGEST_ID: usize = 256;

/// Poll a broadcast of a source that sends nothing by itself, until nothing in it is pending.
#[derive(Debug, Clone)]
pub struct PollBroadcast {
    /// The source.
    pub source: String,
    /// The broadcast's id.
    pub broadcast: String,
}

impl Operation for PollBroadcast {
    type Answer = PollRecord;
    const NEEDS: Permission = Permission::RegisterMessages;

    fn note(&self) -> Option<Note> {
        let note = Note::new("broadcast", "polled").with_id(&self.broadcast);
        Some(note.with(json!({ "source": self.source })))
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<PollRecord, Failure> {
        let (caller, Self { source, broadcast }) = (&by.caller, self);
        let source = operations
            .known_source(caller, &source)
            .map_err(Failure::Missing)?;
        caller.allow_at(&source.name).map_err(Failure::Forbidden)?;
        if source.pulled.is_none() {
            return Err(Failure::Refused(format!(
                "source {} sends its reports by itself: only a source of provider {} is polled",
                source.name,
                Provider::pulled()
            )));
        }
        check_id("/id", &broadcast)?;
        let open = OpenPoll {
            source: Arc::from(source.name.as_str()),
            provider: source.provider,
            broadcast,
        };
        operations.change(by, open, identity).await
    }
}

/// The id of a broadcast, which becomes a part of a URL and of its messages' ids.
pub(super) fn check_id(field: &str, id: &str) -> Result<(), Failure> {
    if [".", ".."].contains(&id) {
        let detail = format!(
            "{id} is a step in a path and no id of a broadcast",
            id = quoted(id)
        );
        return Err(Failure::invalid(field, detail));
    }
    if (1..=LONGEST_ID).contains(&id.len()) && !id.contains(char::is_control) {
        return Ok(());
    }
    let detail = format!("the id of a broadcast has 1 to {LONGEST_ID} bytes, none of control");
    Err(Failure::invalid(field, detail))
}

/// The id of a message whose provider gives none. A second message to the same number in a
/// broadcast needs an id of its own, so there the client gives the id as we would make it.
pub(super) fn made_id(
    (provider, pull): (Provider, &Pull),
    broadcast: Option<&str>,
    recipient: Option<&str>,
    given: Option<&str>,
) -> Result<String, Fault> {
    let title = provider.definition().title;
    let missing = |name: &str| {
        let detail =
            format!("{name} is missing: {title} gives no ids, so it identifies the message");
        Fault::new(format!("/{name}"), detail)
    };
    let broadcast = broadcast.ok_or_else(|| missing("broadcastId"))?;
    let to = recipient.ok_or_else(|| missing("mobileNo"))?;
    if check_id("/broadcastId", broadcast).is_err() {
        let detail =
            format!("broadcastId has 1 to {LONGEST_ID} bytes, none of control, and is no . or ..");
        return Err(Fault::new("/broadcastId", detail));
    }
    let first = (pull.message_id)(broadcast, to, 1);
    let Some(given) = given else {
        return Ok(first);
    };
    let times = given.strip_prefix(&first).and_then(|rest| match rest {
        "" => Some(1),
        rest => rest
            .strip_prefix('.')?
            .parse()
            .ok()
            .filter(|times| *times > 1),
    });
    match times {
        Some(times) => Ok((pull.message_id)(broadcast, to, times)),
        None => Err(Fault::new(
            "/msId",
            format!(
                "{title} gives no ids: leave msId out for {first}, or write {} for a second \
                 message of the broadcast to the same number",
                (pull.message_id)(broadcast, to, 2),
                first = quoted(&first)
            ),
        )),
    }
}
