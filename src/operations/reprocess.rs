//! Reading stored webhooks again, a few at a time, beside what comes in.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::{Answer, Failure, Operations, Progress};
use crate::access::Caller;
use crate::config::Source;
use crate::model::{MessageType, digits};
use crate::provider::Provider;
use crate::receive;
use crate::store::{Arrival, ReprocessSelection, StoredWebhook};

/// Webhooks that are read and committed together.
const BATCH: usize = 16;
/// One day in ms.
const DAY_MS: i64 = 86_400_000;

impl Operations {
    /// Parses the selected webhooks again and takes in what is new in them.
    pub(super) async fn reprocess(
        &self,
        caller: &Caller,
        selection: ReprocessSelection,
        dry_run: bool,
        progress: &UnboundedSender<Progress>,
    ) -> Result<Answer, Failure> {
        if let Some(source) = &selection.source {
            self.known_source(caller, source)
                .map_err(|detail| Failure::invalid("/source", detail))?;
        }
        let asked = selection.webhook_ids.clone();
        // Reports of messages that were pruned would come back as new and be forwarded.
        let not_before_ms = self.clock.now_ms() - i64::from(self.retention.messages_days) * DAY_MS;
        let ids = self.store.find_webhooks(selection, not_before_ms).await?;
        if let Some(missing) = asked.iter().find(|id| !ids.contains(id)) {
            return Err(Failure::Refused(format!(
                "no body of a webhook {missing} to read again: there is none, or it was a \
                 duplicate, was pruned, erased, or does not fit the other conditions"
            )));
        }
        let total = ids.len() as u64;
        let (mut done, mut webhooks) = (0, Vec::new());
        for batch in ids.chunks(BATCH) {
            let stored = self.store.stored_webhooks(batch.to_vec()).await?;
            let sources = Arc::clone(&self.sources);
            let arrivals = tokio::task::spawn_blocking(move || {
                stored
                    .into_iter()
                    .filter_map(|stored| read_again(&sources, stored))
                    .collect()
            })
            .await
            .map_err(|_| Failure::Broken("reading again was broken off".to_owned()))?;
            let rereads = self.store.accept_again(arrivals, dry_run).await?;
            webhooks.extend(
                rereads
                    .into_iter()
                    .filter(|reread| reread.is_changed() || reread.unreadable > 0),
            );
            done += batch.len() as u64;
            // Nobody may be listening.
            let _ = progress.send(Progress { done, total });
        }
        let found: usize = webhooks.iter().map(|reread| reread.found.len()).sum();
        tracing::info!(webhooks = total, found, dry_run, "webhooks.reprocessed");
        Ok(Answer::Reprocessed {
            examined: total,
            webhooks,
        })
    }
}

/// Parses a stored body; `None` when its source is of a provider that this version lacks.
fn read_again(sources: &[Source], stored: StoredWebhook) -> Option<(i64, Arrival)> {
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
    let parsed = receive::read(provider, &stored.body, encoding, &hints);
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
