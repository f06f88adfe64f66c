//! What is written into the audit of each request: one match, so that none is forgotten.

use serde_json::{Value, json};

use super::{Answer, Request};
use crate::access::Caller;
use crate::store::audit::AuditEntry;

/// What a request says of the change that it makes.
#[derive(Clone)]
pub(super) struct Note {
    kind: &'static str,
    done: &'static str,
    id: Option<String>,
    detail: Value,
}

/// The note of a request; `None` for one that changes nothing.
pub(super) fn note(request: &Request) -> Option<Note> {
    let note = match request {
        Request::AddSubscriber(new) => {
            Note::of_subscriber("added", &new.name, json!({ "owner": new.owner }))
        }
        // What the fields hold may be a secret.
        Request::UpdateSubscriber { name, change } => {
            Note::of_subscriber("changed", name, json!({ "changed": change.fields() }))
        }
        Request::PauseSubscriber { name } => Note::of_subscriber("paused", name, json!({})),
        Request::ResumeSubscriber { name } => Note::of_subscriber("resumed", name, json!({})),
        Request::RemoveSubscriber { name } => Note::of_subscriber("removed", name, json!({})),
        Request::RotateSecret { name, now } => {
            Note::of_subscriber("secret-rotated", name, json!({ "now": now }))
        }
        // The audit must not name the recipient.
        Request::TestSubscriber { name, sample } => Note::of_subscriber(
            "tested",
            name,
            json!({ "status": sample.status, "error": sample.error }),
        ),
        Request::RetryForwards(selection) => {
            let id = single(&selection.forward_ids);
            Note::new("forward", "retried", id, json!(selection))
        }
        Request::StartReplay(order) => Note::new("replay", "started", None, json!(order)),
        Request::CancelReplay { id } => {
            Note::new("replay", "cancelled", Some(id.to_string()), json!({}))
        }
        // What was sent is data, and may come by the thousand: it is kept with its owner.
        Request::Register { .. }
        | Request::RegisterExchange { .. }
        | Request::Reprocess { dry_run: true, .. } => return None,
        Request::PollBroadcast { source, broadcast } => Note::new(
            "broadcast",
            "polled",
            Some(broadcast.clone()),
            json!({ "source": source }),
        ),
        Request::PutTemplate { name, language, .. } => Note::of_template("written", name, language),
        Request::RemoveTemplate { name, language } => Note::of_template("removed", name, language),
        Request::Reprocess { selection, .. } => {
            let id = single(&selection.webhook_ids);
            Note::new("webhook", "reprocessed", id, json!(selection))
        }
        Request::Erase { options, .. } if options.dry_run => return None,
        // The audit must not name the person.
        Request::Erase { .. } => Note::new("person", "erased", None, json!({})),
        Request::RotateKey => Note::new("key", "rotated", None, json!({})),
        Request::CreateToken(new) => Note::new("token", "created", None, json!(new)),
        Request::RevokeToken { id } => {
            Note::new("token", "revoked", Some(id.to_string()), json!({}))
        }
    };
    Some(note)
}

/// The one that was named, where it was one.
fn single(ids: &[i64]) -> Option<String> {
    match ids {
        [id] => Some(id.to_string()),
        _ => None,
    }
}

impl Note {
    const fn new(
        kind: &'static str,
        done: &'static str,
        id: Option<String>,
        detail: Value,
    ) -> Self {
        Self {
            kind,
            done,
            id,
            detail,
        }
    }

    fn of_subscriber(done: &'static str, name: &str, detail: Value) -> Self {
        Self::new("subscriber", done, Some(name.to_owned()), detail)
    }

    fn of_template(done: &'static str, name: &str, language: &str) -> Self {
        Self::new(
            "template",
            done,
            Some(format!("{name}/{language}")),
            json!({}),
        )
    }

    /// The change as it came about.
    pub(super) fn of(mut self, caller: &Caller, answer: &Answer) -> AuditEntry {
        match answer {
            Answer::Token(created) => self.id = Some(created.token.token_id.to_string()),
            Answer::KeyRotated(resealed) => {
                self.id = Some(resealed.key.clone());
                self.detail["values"] = json!(resealed.values);
            }
            Answer::Replay(replay) => self.id = Some(replay.uid.to_string()),
            Answer::Removed { given_up } => self.detail["given_up"] = json!(given_up),
            Answer::Retried(retried) => self.detail["forwards"] = json!(retried.forwards),
            _ => {}
        }
        self.begun(caller)
    }

    /// The change before it is known how it ends.
    pub(super) fn begun(mut self, caller: &Caller) -> AuditEntry {
        if let Some(address) = caller.address {
            self.detail["address"] = json!(address);
        }
        AuditEntry {
            caller: caller.called(),
            role: caller.role,
            action: format!("{}.{}", self.kind, self.done),
            kind: self.kind.to_owned(),
            id: self.id,
            detail: self.detail,
        }
    }
}
