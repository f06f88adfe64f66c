//! Storing the answer of a poll: like a webhook, but read in parts.
//!
//! An answer lists the status of all users of a broadcast, most of which is known from the one
//! before. So what the store has is left out first, beside the writer, and the rest is committed in parts between which webhooks have their turn.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Ingest, SourceEndpoint, WebhookCounts, survive};
use crate::config::PullSettings;
use crate::model::WebhookKey;
use crate::providers::{Hints, Item, ParseError, Parsed, Pull, Summary, decode};
use crate::store::query::{KnownReportQuery, ReportName};
use crate::store::{Arrival, Error, WebhookPart};

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

type PolledItems = mpsc::Sender<Result<Vec<Item>, ParseError>>;

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
            pull,
            broadcast: answered.broadcast.clone(),
            hints: Arc::clone(&endpoint.hints),
            parts,
        };
        let (body, encoding) = (answered.body.clone(), answered.content_encoding.clone());
        let reading = tokio::task::spawn_blocking(move || {
            survive(|| reading.read(&body, encoding.as_deref()))
        });
        let mut storing = AnswerStoring {
            ingest: self,
            endpoint,
            arrival: arrival(endpoint, answered),
            webhook_id: None,
        };
        let mut part = PolledPart::default();
        while let Some(items) = inbox.recv().await {
            match items {
                Ok(items) => {
                    self.leave_out_known(endpoint, items, &mut part).await?;
                    if part.items.len() >= PART {
                        storing.store(Ok(std::mem::take(&mut part))).await?;
                    }
                }
                Err(error) => storing.store(Err(error)).await?,
            }
        }
        match reading.await.map_err(|_| Error::Closed)? {
            // The last one may be empty, so that there is at least one.
            Ok(()) => storing.store(Ok(part)).await.map(Ok),
            Err(ParseError::Panicked) => {
                tracing::error!(source = %endpoint.name, "answer.parser_panicked");
                Ok(Err(ParseError::Panicked))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Adds to the part what the store does not have.
    async fn leave_out_known(
        &self,
        endpoint: &SourceEndpoint,
        items: Vec<Item>,
        part: &mut PolledPart,
    ) -> Result<(), Error> {
        let known = KnownReportQuery {
            source: endpoint.name.to_string(),
            reports: items.iter().filter_map(name_of).collect(),
        };
        let mut known = self.store.read(known).await?.into_iter();
        for item in items {
            if name_of(&item).is_some() && known.next() == Some(true) {
                part.known += 1;
            } else {
                part.items.push(item);
            }
        }
        Ok(())
    }
}

/// Stores an answer part by part, the body with the first.
struct AnswerStoring<'a> {
    ingest: &'a Ingest,
    endpoint: &'a SourceEndpoint,
    /// What is left to be stored of the answer itself.
    arrival: Arrival,
    webhook_id: Option<WebhookKey>,
}

impl AnswerStoring<'_> {
    async fn store(&mut self, part: Result<PolledPart, ParseError>) -> Result<(), Error> {
        let left = &mut self.arrival;
        let mut arrival = Arrival {
            source: Arc::clone(&left.source),
            default_sender: left.default_sender.clone(),
            known: 0,
            body: std::mem::take(&mut left.body),
            content_type: left.content_type.take(),
            content_encoding: left.content_encoding.take(),
            user_agent: None,
            broadcast: left.broadcast.clone(),
            parsed: Ok(Parsed::default()),
            ..*left
        };
        arrival.parsed = part.map(|part| {
            arrival.known = part.known;
            Parsed { items: part.items }
        });
        let counts = WebhookCounts::of(&arrival);
        let store = &self.ingest.store;
        let accepted = match self.webhook_id {
            None => store.commit(arrival).await?,
            Some(webhook_id) => {
                let part = WebhookPart {
                    webhook_id,
                    arrival,
                };
                store.commit(part).await?
            }
        };
        if self.webhook_id.is_none() {
            self.endpoint.counters.count_webhook(&accepted);
        }
        counts.add_reports(&self.ingest.metrics, self.endpoint, &accepted);
        self.webhook_id = Some(accepted.webhook_id);
        Ok(())
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
    pull: &'static Pull,
    broadcast: String,
    hints: Arc<Hints>,
    parts: PolledItems,
}

impl AnswerReading {
    /// Hands over the elements, some at a time; ends early where nothing takes them any more.
    fn read(&self, body: &[u8], encoding: Option<&str>) -> Result<(), ParseError> {
        let text = decode(body, encoding).inspect_err(|error| self.fail(error))?;
        let answer = (self.pull.open)(&text, &self.broadcast, &self.hints);
        let mut items = answer.inspect_err(|error| self.fail(error))?.items;
        loop {
            let some: Vec<Item> = items.by_ref().take(PART).collect();
            if some.is_empty() || self.parts.blocking_send(Ok(some)).is_err() {
                return Ok(());
            }
        }
    }

    fn fail(&self, error: &ParseError) {
        // The receiver is gone when storing an earlier part failed, which is reported there.
        let _ = self.parts.blocking_send(Err(error.clone()));
    }
}

/// By what a report is found again.
fn name_of(item: &Item) -> Option<ReportName> {
    let Item::Report(report) = item else {
        return None;
    };
    Some(ReportName {
        message: report.message.clone()?,
        identity: report.identity().0,
        has_status: report.status.is_some(),
    })
}
