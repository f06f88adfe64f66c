//! Reads history for the store: each webhook by the parser of its provider, as if it arrived then.

use std::sync::Arc;

use crate::config::Source;
use crate::ingest::SourceEndpoint;
use crate::model::SendResult;
use crate::play::history::{HistorySlot, PastEvent, PastSend, PastWebhook};
use crate::providers::authentication::RequestHeaders;
use crate::store::{Arrival, Registering, Registrations};

/// Messages in one registration.
const REGISTERED_AT_ONCE: usize = 256;
/// As those of `simulate` say.
const USER_AGENT: &str = concat!("tickrelay-play/", env!("CARGO_PKG_VERSION"));

/// What is to be committed of a step.
pub(super) enum PastWork {
    /// A webhook.
    Webhook(Box<Arrival>),
    /// What was registered before the next webhook.
    Registrations(Registrations),
}

/// A step that was read.
pub(super) struct ReadSlot {
    /// When it ends, ms since 1970 UTC.
    pub(super) until_ms: i64,
    /// In the order in which it happened.
    pub(super) works: Vec<PastWork>,
}

/// Reads history; it may be on a thread of its own.
pub(super) struct HistoryReader {
    pub(super) sources: Vec<Source>,
    /// By the place of the source.
    pub(super) endpoints: Vec<Arc<SourceEndpoint>>,
}

impl HistoryReader {
    /// Reads a step: its webhooks, and what is registered between them.
    pub(super) fn read(&self, slot: HistorySlot) -> ReadSlot {
        let mut works = Vec::with_capacity(slot.events.len());
        let mut messages: Vec<Registering> = Vec::new();
        for event in slot.events {
            match event {
                PastEvent::Send(send) => {
                    messages.push(self.registering(*send));
                    if messages.len() < REGISTERED_AT_ONCE {
                        continue;
                    }
                    works.push(registrations(&mut messages));
                }
                PastEvent::Webhook(webhook) => {
                    if !messages.is_empty() {
                        works.push(registrations(&mut messages));
                    }
                    works.push(PastWork::Webhook(self.arrival(webhook)));
                }
            }
        }
        if !messages.is_empty() {
            works.push(registrations(&mut messages));
        }
        ReadSlot {
            until_ms: slot.until_ms,
            works,
        }
    }

    fn arrival(&self, webhook: PastWebhook) -> Box<Arrival> {
        let provider = self.sources[webhook.source].provider;
        let content_type = provider.definition().samples.content_type;
        let headers = [("content-type", content_type), ("user-agent", USER_AGENT)];
        let headers: RequestHeaders<'_> = headers.into_iter().collect();
        self.endpoints[webhook.source].read_past(webhook.received_ms, &headers, webhook.body)
    }

    fn registering(&self, send: PastSend) -> Registering {
        let source = &self.sources[send.source];
        Registering {
            source: Arc::from(source.name.as_str()),
            provider: source.provider,
            default_type: source.default_type,
            default_sender: source.sender.clone(),
            provider_message_id: Some(send.id),
            element: String::new(),
            registration: send.registration,
            result: SendResult::Accepted,
            received_ms: Some(send.at_ms),
            oddities: Vec::new(),
            owner: None,
            owners: source.owners.clone(),
        }
    }
}

fn registrations(messages: &mut Vec<Registering>) -> PastWork {
    PastWork::Registrations(Registrations {
        messages: std::mem::take(messages),
    })
}
