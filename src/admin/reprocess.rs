//! Reading stored webhooks again, a few at a time, beside what comes in.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;

use super::audit::Note;
use super::jobs::LongWork;
use super::operation::{By, ResultShape};
use super::{Failure, Operation, Operations, Progress};
use crate::access::{Caller, Permission};
use crate::config::Source;
use crate::ingest;
use crate::model::{MessageType, WebhookKey, digits};
use crate::providers::Provider;
use crate::store::job::JobKind;
use crate::store::query::{
    ReparsePreviewQuery, ReprocessableQuery, Scope, StoredWebhookQuery, UnseenWebhookQuery,
};
use crate::store::{Arrival, Error, ReparsedWebhooks, ReprocessSelection, Reread, StoredWebhook};

/// Webhooks that are read and committed together, at most.
const BATCH: usize = 16;
/// What they may take in memory, in bytes, unless one alone takes more.
const ROOM: usize = 4 * 1024 * 1024;
/// One day in ms.
const DAY_MS: i64 = 86_400_000;

/// Parse stored webhooks again and take in what is new in them.
#[derive(Debug, Clone)]
pub struct ReprocessWebhooks {
    /// Which.
    pub selection: ReprocessSelection,
    /// Only show what would be found.
    pub dry_run: bool,
}

/// What a second reading found.
#[derive(Debug)]
pub struct RereadWebhooks {
    /// Webhooks that were read.
    pub examined: u64,
    /// Those that ended differently, and those that still cannot be read.
    pub webhooks: Vec<Reread>,
}

impl Operation for ReprocessWebhooks {
    type Answer = RereadWebhooks;
    const NEEDS: Permission = Permission::Reprocess;

    fn note(&self) -> Option<Note> {
        let note = Note::new("webhook", "reprocessed").of_work("reprocess");
        let note = note.with(json!(self.selection));
        (!self.dry_run).then(|| note.with_single(&self.selection.webhook_ids))
    }

    fn noted(note: Note, read: &RereadWebhooks) -> Option<Note> {
        let found: usize = read.webhooks.iter().map(|reread| reread.found.len()).sum();
        let note = note.and("examined", json!(read.examined));
        Some(note.and("found", json!(found)))
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<RereadWebhooks, Failure> {
        let Self { selection, dry_run } = self;
        if let Some(source) = &selection.source {
            operations
                .known_source(&by.caller, source)
                .map_err(|detail| Failure::invalid("/source", detail))?;
        }
        if !by.caller.sources.is_empty() {
            operations.check_seen(&by.caller, &selection).await?;
        }
        let requested = selection.webhook_ids.clone();
        // Reports of messages that were pruned would come back as new and be forwarded.
        let not_before_ms =
            operations.clock.now_ms() - i64::from(operations.retention.messages_days) * DAY_MS;
        let found = ReprocessableQuery {
            selection,
            not_before_ms,
        };
        let ids = operations.store.read(found).await?;
        if let Some(missing) = requested.iter().find(|id| !ids.contains(id)) {
            return Err(Failure::Refused(format!(
                "no body of a webhook {missing} to read again: there is none, or it was a \
                 duplicate, was pruned, erased, or does not fit the other conditions"
            )));
        }
        let work = operations.read_all_again(ids, dry_run, &by.progress);
        if dry_run {
            return work.await;
        }
        operations.begin(by, work).await
    }
}

impl LongWork for ReprocessWebhooks {
    const KIND: JobKind = JobKind::Reprocess;

    fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    fn result(&self) -> ResultShape<RereadWebhooks> {
        let dry_run = self.dry_run;
        Arc::new(move |read| {
            json!({
                "dry_run": dry_run,
                "examined": read.examined,
                "webhooks": read.webhooks,
            })
        })
    }
}

impl Operations {
    async fn read_all_again(
        &self,
        ids: Vec<WebhookKey>,
        dry_run: bool,
        progress: &UnboundedSender<Progress>,
    ) -> Result<RereadWebhooks, Failure> {
        let total = ids.len() as u64;
        let (mut done, mut webhooks) = (0, Vec::new());
        let mut left = &ids[..];
        while !left.is_empty() {
            // What was read again until then stays so.
            let so_far = |error: Error| {
                Failure::from(error).after(format_args!(
                    "{done} of {total} webhooks were read again; asking again goes on"
                ))
            };
            let batch = left[..left.len().min(BATCH)].to_vec();
            let stored = StoredWebhookQuery {
                webhook_ids: batch.clone(),
                room: ROOM,
            };
            let stored = self.store.read(stored).await.map_err(so_far)?;
            let mut stored = VecDeque::from(stored);
            // Where not all fitted, the next ones come after the last that did.
            let last = stored.back().map(|stored| stored.webhook_id);
            let read = last.and_then(|last| batch.iter().position(|id| *id == last));
            let read = read.map_or(batch.len(), |at| at + 1);
            while !stored.is_empty() {
                let sources = Arc::clone(&self.sources);
                let reading = tokio::task::spawn_blocking(move || {
                    let arrivals = read_some_again(&sources, &mut stored);
                    (arrivals, stored)
                });
                let (arrivals, rest) = (reading.await)
                    .map_err(|_| Failure::Broken("reading again was broken off".to_owned()))?;
                stored = rest;
                let reparsed = ReparsedWebhooks { webhooks: arrivals };
                let rereads = if dry_run {
                    let preview = ReparsePreviewQuery {
                        reparsed,
                        subscribers: Arc::clone(&self.store.subscribers().borrow()),
                        now_ms: self.clock.now_ms(),
                    };
                    self.store.read(preview).await
                } else {
                    self.store.commit(reparsed).await
                };
                let rereads = rereads.map_err(so_far)?;
                webhooks.extend(
                    rereads
                        .into_iter()
                        .filter(|reread| reread.is_changed() || reread.unreadable > 0),
                );
            }
            done += read as u64;
            left = &left[read..];
            // No client may be listening.
            let _ = progress.send(Progress { done, total });
        }
        let found: usize = webhooks.iter().map(|reread| reread.found.len()).sum();
        tracing::info!(webhooks = total, found, dry_run, "webhooks.reprocessed");
        Ok(RereadWebhooks {
            examined: total,
            webhooks,
        })
    }
}

/// Parses stored bodies until they are all read, or what is in them takes [`ROOM`].
fn read_some_again(
    sources: &[Source],
    stored: &mut VecDeque<StoredWebhook>,
) -> Vec<(WebhookKey, Arrival)> {
    let (mut arrivals, mut weight) = (Vec::new(), 0);
    while weight < ROOM
        && let Some(next) = stored.pop_front()
    {
        if let Some((id, arrival)) = read_again(sources, next) {
            weight += arrival.weight();
            arrivals.push((id, arrival));
        }
    }
    arrivals
}

impl Operations {
    /// Refuses what a caller that sees some sources alone does not see.
    async fn check_seen(
        &self,
        caller: &Caller,
        selection: &ReprocessSelection,
    ) -> Result<(), Failure> {
        if selection.source.is_none() && selection.webhook_ids.is_empty() {
            let detail = "this token sees some sources only: name one of them";
            return Err(Failure::invalid("/source", detail));
        }
        let seen = UnseenWebhookQuery {
            webhook_ids: selection.webhook_ids.clone(),
            scope: Scope::from(caller),
        };
        match self.store.read(seen).await? {
            None => Ok(()),
            Some(id) => Err(Error::NotFound(format!("webhook has the key {id}")).into()),
        }
    }
}

/// Parses a stored body; `None` when its source is of a provider that this version lacks.
fn read_again(sources: &[Source], stored: StoredWebhook) -> Option<(WebhookKey, Arrival)> {
    let source = sources.iter().find(|source| source.name == stored.source);
    let provider: Provider = match source {
        Some(source) => source.provider,
        None => stored.provider.parse().ok()?,
    };
    let mut hints = source.map(Source::hints).unwrap_or_default();
    hints
        .senders
        .extend(stored.default_sender.as_deref().map(digits));
    hints.broadcast.clone_from(&stored.broadcast);
    let encoding = stored.content_encoding.as_deref();
    let parsed = ingest::read(provider, &stored.body, encoding, &hints);
    let default_type = stored
        .default_type
        .or(source.map(|source| source.default_type))
        .unwrap_or(MessageType::Template);
    let arrival = Arrival {
        source: Arc::from(stored.source),
        provider,
        default_type,
        default_sender: stored.default_sender,
        received_ms: stored.received_ms,
        content_type: None,
        content_encoding: stored.content_encoding,
        user_agent: None,
        broadcast: stored.broadcast,
        known: 0,
        body: stored.body,
        parsed,
    };
    Some((stored.webhook_id, arrival))
}
