//! Storing the answer of a poll: like a webhook, but read in parts.
//!
//! An answer lists the status of all users of a broadcast, most of which is known from the one
//! before. So what the store has is left out by a reader first, beside the writer, and the rest
//! is committed in parts between which webhooks have their turn.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Ingest, SourceEndpoint, WebhookCounts, survive};
use crate::config::PullSettings;
use crate::providers::{Hints, Item, ParseError, Parsed, Pull, Summary, decode};
use crate::store::{Arrival, Error, Reader, WebhookPart};

/// Reports that are committed at once: about 20 ms of the writer's time.
const PART: usize = 256;

/// An answer as it came.
pub(crate) struct PolledAnswer {
    /// The broadcast that was polled.
    pub(crate) broadcast: String,
    /// When, ms since 1970 UTC: the time of what it says, since it gives none.
    pub(crate) at_ms: i64,
    /// The body, byte for byte.
    pub(crate) body: Vec<u8>,
    /// `Content-Type`, as received.
    pub(crate) content_type: Option<String>,
    /// `Content-Encoding`, as received.
    pub(crate) content_encoding: Option<String>,
}

/// Some of an answer's elements, those that the store has left out.
#[derive(Default)]
struct PolledPart {
    items: Vec<Item>,
    known: usize,
}

type PolledParts = mpsc::Sender<Result<PolledPart, ParseError>>;

impl Ingest {
    /// The sources that send nothing and are polled.
    pub(crate) fn pulled(
        &self,
    ) -> impl Iterator<Item = (&Arc<SourceEndpoint>, &'static Pull, &PullSettings)> {
        let endpoints = self.sources.values();
        endpoints.filter_map(|endpoint| {
            let source = &endpoint.source;
            let pull = source.provider.definition().pull?;
            Some((endpoint, pull, source.pulled.as_ref()?))
        })
    }

    /// What an answer says, found beside the writer; the body comes back.
    pub(crate) async fn summarise(
        &self,
        endpoint: &SourceEndpoint,
        pull: &'static Pull,
        broadcast: &str,
        (body, encoding): (Vec<u8>, Option<String>),
    ) -> Result<(Vec<u8>, Summary), Error> {
        let (hints, broadcast) = (Arc::clone(&endpoint.hints), broadcast.to_owned());
        let weighed = tokio::task::spawn_blocking(move || {
            let as_it_came = (&*body, encoding.as_deref());
            let summary = survive(|| Ok(Summary::of(pull, as_it_came, &broadcast, &hints)));
            let summary = summary.unwrap_or_else(|error| Summary::of_bytes(&body, error));
            (body, summary)
        });
        weighed.await.map_err(|_| Error::Closed)
    }

    /// Stores an answer and what is new in it; one that cannot be read is kept as it is, and why
    /// is in the answer of this.
    pub(crate) async fn take_answer(
        &self,
        endpoint: &Arc<SourceEndpoint>,
        pull: &'static Pull,
        answered: PolledAnswer,
    ) -> Result<Result<(), ParseError>, Error> {
        let (parts, mut inbox) = mpsc::channel(1);
        let reading = AnswerReading {
            reader: self.store.reader(),
            source: Arc::clone(&endpoint.name),
            pull,
            broadcast: answered.broadcast.clone(),
            hints: Arc::clone(&endpoint.hints),
            parts,
        };
        let (body, encoding) = (answered.body.clone(), answered.content_encoding.clone());
        let reading = tokio::task::spawn_blocking(move || {
            survive(|| reading.read(&body, encoding.as_deref()))
        });
        let mut arrival = arrival(endpoint, answered);
        let mut webhook_id = None;
        while let Some(part) = inbox.recv().await {
            let next = Arrival {
                source: Arc::clone(&endpoint.name),
                default_sender: arrival.default_sender.clone(),
                known: 0,
                body: std::mem::take(&mut arrival.body),
                content_type: arrival.content_type.take(),
                content_encoding: arrival.content_encoding.take(),
                user_agent: None,
                broadcast: arrival.broadcast.clone(),
                parsed: Ok(Parsed::default()),
                ..arrival
            };
            webhook_id = Some(self.take_part(endpoint, next, part, webhook_id).await?);
        }
        match reading.await.map_err(|_| Error::Closed)? {
            Ok(read) => read.map(Ok),
            Err(ParseError::Panicked) => {
                tracing::error!(source = %endpoint.name, "answer.parser_panicked");
                Ok(Err(ParseError::Panicked))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn take_part(
        &self,
        endpoint: &SourceEndpoint,
        mut arrival: Arrival,
        part: Result<PolledPart, ParseError>,
        webhook_id: Option<i64>,
    ) -> Result<i64, Error> {
        arrival.parsed = part.map(|part| {
            arrival.known = part.known;
            Parsed { items: part.items }
        });
        let counts = WebhookCounts::of(&arrival);
        let accepted = match webhook_id {
            None => self.store.commit(arrival).await?,
            Some(webhook_id) => {
                let part = WebhookPart {
                    webhook_id,
                    arrival,
                };
                self.store.commit(part).await?
            }
        };
        if webhook_id.is_none() {
            endpoint.counters.count_webhook(&accepted);
        }
        counts.add_reports(&self.metrics, endpoint, &accepted);
        Ok(accepted.webhook_id)
    }
}

fn arrival(endpoint: &SourceEndpoint, answered: PolledAnswer) -> Arrival {
    Arrival {
        source: Arc::clone(&endpoint.name),
        provider: endpoint.source.provider,
        default_type: endpoint.source.default_type,
        default_sender: endpoint.source.sender.clone(),
        received_ms: answered.at_ms,
        content_type: answered.content_type,
        content_encoding: answered.content_encoding,
        user_agent: None,
        broadcast: Some(answered.broadcast),
        known: 0,
        body: answered.body,
        parsed: Ok(Parsed::default()),
    }
}

/// Reads an answer on a thread that may wait.
struct AnswerReading {
    reader: Reader,
    source: Arc<str>,
    pull: &'static Pull,
    broadcast: String,
    hints: Arc<Hints>,
    parts: PolledParts,
}

impl AnswerReading {
    /// Hands over part by part; the last one may be empty, so that there is at least one.
    fn read(&self, body: &[u8], encoding: Option<&str>) -> Result<Result<(), Error>, ParseError> {
        let text = decode(body, encoding).inspect_err(|error| self.send(Err(error.clone())))?;
        let answer = (self.pull.open)(&text, &self.broadcast, &self.hints);
        let answer = answer.inspect_err(|error| self.send(Err(error.clone())))?;
        let mut items = answer.items.peekable();
        let mut part = PolledPart::default();
        while items.peek().is_some() {
            let some: Vec<Item> = items.by_ref().take(PART).collect();
            match self.leave_out_known(some) {
                Ok(more) => {
                    part.known += more.known;
                    part.items.extend(more.items);
                }
                Err(error) => return Ok(Err(error)),
            }
            if part.items.len() >= PART {
                self.send(Ok(std::mem::take(&mut part)));
            }
        }
        self.send(Ok(part));
        Ok(Ok(()))
    }

    fn leave_out_known(&self, items: Vec<Item>) -> Result<PolledPart, Error> {
        let keys: Vec<(String, i64, bool)> = items.iter().filter_map(key).collect();
        let mut known = self.reader.known_reports(&self.source, &keys)?.into_iter();
        let mut part = PolledPart::default();
        for item in items {
            if key(&item).is_some() && known.next() == Some(true) {
                part.known += 1;
            } else {
                part.items.push(item);
            }
        }
        Ok(part)
    }

    fn send(&self, part: Result<PolledPart, ParseError>) {
        // The receiver is gone when storing an earlier part failed, which is reported there.
        let _ = self.parts.blocking_send(part);
    }
}

/// By what a report is found again.
fn key(item: &Item) -> Option<(String, i64, bool)> {
    let Item::Report(report) = item else {
        return None;
    };
    let id = report.message.clone()?;
    Some((id, report.identity().0, report.status.is_some()))
}
