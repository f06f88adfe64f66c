//! Stage 1: authenticate, parse and store a webhook.
//!
//! Knows no HTTP framework: [`crate::web`] hands in head and body and turns the answer into
//! a status code. The next stage is [`crate::store`].

mod answer;
mod arriving;
mod counts;
mod large;

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::TryFutureExt as _;

use crate::clock::Clock;
use crate::config::Source;
use crate::metrics::Metrics;
use crate::model::{MessageType, Word as _, digits};
use crate::providers::authentication::{
    AuthError, ChallengeError, WebhookRequest, answer_challenge,
};
use crate::providers::{Hints, ParseError, Parsed, Provider};
use crate::store::{Accepted, Arrival, Error, Store};

pub(crate) use answer::PolledAnswer;
use counts::{Counters, WebhookCounts};
use large::LargeBodyQueue;

/// The sources by name, and the way into the store.
pub struct Ingest {
    store: Store,
    sources: HashMap<String, Arc<SourceEndpoint>>,
    /// Those whose secrets were read again since the start.
    renewed: RwLock<HashMap<String, Arc<SourceEndpoint>>>,
    clock: Clock,
    metrics: Arc<Metrics>,
    large_bodies: LargeBodyQueue,
}

/// A configured source, ready to receive.
pub struct SourceEndpoint {
    source: Source,
    name: Arc<str>,
    /// `server.public_url`, where a signature is made of the URL.
    public_url: Option<Arc<str>>,
    hints: Arc<Hints>,
    counters: Counters,
}

/// Why a webhook was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Its authentication failed.
    #[error(transparent)]
    Authentication(#[from] AuthError),
    /// It could not be stored: the provider is to send it again.
    #[error(transparent)]
    Store(#[from] Error),
}

/// What the URL says of this one kind of message, over the source's defaults.
#[derive(Debug, Clone, Default)]
pub struct UrlOptions {
    /// `?type=`: `regular` or `template`.
    pub default_type: Option<MessageType>,
    /// `?sender=`: the business's number.
    pub sender: Option<String>,
}

impl UrlOptions {
    /// Reads them from the URL's decoded query.
    ///
    /// A `type` that is none is left out, with a line in the log: a misspelt URL must not
    /// cost the reports that come over it, the provider would not send them for ever.
    #[must_use]
    pub fn from_query(query: &[(String, String)]) -> Self {
        let parameter = |name: &str| {
            query
                .iter()
                .find(|(key, value)| key == name && !value.is_empty())
                .map(|(_, value)| value.as_str())
        };
        let default_type = parameter("type").and_then(|word| {
            word.parse()
                .inspect_err(|error| tracing::warn!(%error, "webhook.url_type_ignored"))
                .ok()
        });
        Self {
            default_type,
            // A `+` that was not percent-encoded arrives as a blank.
            sender: parameter("sender").map(|sender| sender.trim().replace('\0', "\u{FFFD}")),
        }
    }
}

impl Ingest {
    /// Receives for these sources, which are called at `public_url`, into that store.
    #[must_use]
    pub fn new(
        (sources, public_url): (Vec<Source>, Option<&str>),
        store: Store,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let public_url: Option<Arc<str>> = public_url.map(Arc::from);
        let endpoint = |source: Source| {
            let signs_url = source.authentication.signs_url();
            let endpoint = SourceEndpoint {
                name: Arc::from(source.name.as_str()),
                public_url: public_url.clone().filter(|_| signs_url),
                hints: Arc::new(source.hints()),
                counters: Counters::new(&source, &metrics),
                source,
            };
            (endpoint.source.name.clone(), Arc::new(endpoint))
        };
        Self {
            sources: sources.into_iter().map(endpoint).collect(),
            renewed: RwLock::default(),
            store,
            clock,
            metrics,
            large_bodies: LargeBodyQueue::default(),
        }
    }

    /// The source of that name.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> Option<Arc<SourceEndpoint>> {
        let renewed = self.renewed.read().unwrap_or_else(PoisonError::into_inner);
        renewed
            .get(name)
            .or_else(|| self.sources.get(name))
            .cloned()
    }

    /// Takes over what proves where the webhooks of these sources come from. A webhook that is being
    /// read goes on with what it began with.
    pub fn set_proofs<'a>(&self, sources: impl IntoIterator<Item = &'a Source>) {
        let mut renewed = self.renewed.write().unwrap_or_else(PoisonError::into_inner);
        for source in sources {
            if let Some(endpoint) = self.sources.get(&source.name) {
                let endpoint = SourceEndpoint {
                    source: Source {
                        authentication: source.authentication.clone(),
                        verify_tokens: source.verify_tokens.clone(),
                        ..endpoint.source.clone()
                    },
                    name: Arc::clone(&endpoint.name),
                    public_url: endpoint.public_url.clone(),
                    hints: Arc::clone(&endpoint.hints),
                    counters: Counters::new(&endpoint.source, &self.metrics),
                };
                renewed.insert(source.name.clone(), Arc::new(endpoint));
            }
        }
    }

    /// Counts what a source was sent and was not stored.
    pub fn count_refused(&self, endpoint: &SourceEndpoint, outcome: &str) {
        self.metrics.webhook(&endpoint.name, outcome);
    }

    /// Checks the body's signature, reads it and stores it; returns after the fsync. `permit` is
    /// dropped when the body is.
    ///
    /// # Errors
    /// [`IngestError::Authentication`] for a wrong signature, [`IngestError::Store`] when it could
    /// not be stored. A body that cannot be read is no error: it is kept as `unparsed`.
    pub async fn receive(
        &self,
        endpoint: &Arc<SourceEndpoint>,
        request: WebhookRequest<'_>,
        url_options: UrlOptions,
        (body, permit): (Vec<u8>, impl Send + 'static),
    ) -> Result<Accepted, IngestError> {
        let started = std::time::Instant::now();
        let received_ms = self.clock.now_ms();
        let headers = request.headers;
        let request = WebhookRequest {
            body: &body,
            ..request
        };
        endpoint.source.authentication.check_body(request)?;
        let bytes = body.len();
        let unparsed = endpoint.unparsed(received_ms, headers, url_options, body);
        let (counts, accepted) = if unparsed.is_large() {
            // In a box: it is rare, and its future is larger than the usual one.
            let storing = self.large_bodies.store(&self.store, (unparsed, permit));
            Box::pin(storing).await?
        } else {
            store(&self.store, unparsed.parse()).await?
        };
        counts.add(&self.metrics, endpoint, &accepted);
        self.metrics
            .ack_seconds
            .observe(started.elapsed().as_secs_f64());
        tracing::debug!(
            source = %endpoint.name,
            webhook = accepted.webhook_id.number(),
            outcome = accepted.outcome.as_str(),
            reports = accepted.reports,
            new_reports = accepted.new_reports,
            unreadable = accepted.unreadable,
            forwards = accepted.forwards,
            bytes,
            duration_ms = started.elapsed().as_millis(),
            "webhook.received"
        );
        Ok(accepted)
    }
}

impl SourceEndpoint {
    /// The source's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it sends nothing, and is polled.
    #[must_use]
    pub const fn is_pulled(&self) -> bool {
        self.source.pulled.is_some()
    }

    /// Checks all that is known before the body is read.
    ///
    /// # Errors
    /// The first method of authentication that does not hold.
    pub fn check_head(&self, request: WebhookRequest<'_>) -> Result<(), AuthError> {
        self.source.authentication.check_head(request)
    }

    /// The URL as the provider calls it, where that matters; `target` is path and query as received.
    #[must_use]
    pub fn url<'a>(&self, target: &'a str) -> Cow<'a, str> {
        match &self.public_url {
            Some(public_url) => Cow::Owned(format!("{public_url}{target}")),
            None => Cow::Borrowed(target),
        }
    }

    /// Whether a client that passed [`Self::check_head`] has shown a secret.
    #[must_use]
    pub fn proves_in_the_head(&self) -> bool {
        self.source.authentication.proves_in_the_head()
    }

    /// Checks the URL's token alone: Meta's GET handshake carries no other credential, and a
    /// URL whose every POST is refused must not pass it.
    ///
    /// # Errors
    /// When it is missing, wrong, or stands where none is wanted.
    pub fn check_url_token(&self, url_token: Option<&str>) -> Result<(), AuthError> {
        self.source.authentication.check_url_token(url_token)
    }

    /// Whether Meta's GET handshake is answered here.
    #[must_use]
    pub fn has_handshake(&self) -> bool {
        !self.source.verify_tokens.is_empty()
    }

    /// Answers Meta's GET handshake.
    ///
    /// # Errors
    /// When it is no handshake, or not with one of our tokens.
    pub fn answer_challenge(&self, query: &[(String, String)]) -> Result<String, ChallengeError> {
        answer_challenge(query, &self.source.verify_tokens)
    }

    fn hints(&self, url_options: &UrlOptions) -> Arc<Hints> {
        let mut hints = Arc::clone(&self.hints);
        if let Some(sender) = &url_options.sender {
            Arc::make_mut(&mut hints).senders.push(digits(sender));
        }
        hints
    }
}

fn store(
    store: &Store,
    arrival: Box<Arrival>,
) -> impl Future<Output = Result<(WebhookCounts, Accepted), Error>> {
    let counts = WebhookCounts::of(&arrival);
    let stored = store.commit(arrival);
    // An `async` block would hold the other future twice: as it was made, and where it is polled.
    stored.map_ok(|accepted| (counts, accepted))
}

/// Parses a body; a panic in a parser is a bug of ours that must not cost the bytes.
pub(crate) fn read(
    provider: Provider,
    body: &[u8],
    content_encoding: Option<&str>,
    hints: &Hints,
) -> Result<Parsed, ParseError> {
    noting_panics(provider, body, || {
        provider.parse(body, content_encoding, hints)
    })
}

fn noting_panics<T>(
    provider: Provider,
    body: &[u8],
    parse: impl FnOnce() -> Result<T, ParseError>,
) -> Result<T, ParseError> {
    survive(parse).inspect_err(|error| {
        if *error == ParseError::Panicked {
            tracing::error!(%provider, bytes = body.len(), "webhook.parser_panicked");
        }
    })
}

/// A parser borrows what it reads and owns what it makes, so a panic leaves nothing broken.
pub(crate) fn survive<T>(parse: impl FnOnce() -> Result<T, ParseError>) -> Result<T, ParseError> {
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or(Err(ParseError::Panicked))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the result of such a call, in bytes.
    fn size_of_result<A, F>(_call: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_future_of_a_webhook_does_not_hold_the_webhook() {
        type Called = (
            &'static Ingest,
            &'static Arc<SourceEndpoint>,
            WebhookRequest<'static>,
        );
        // The HTTP server moves it several times for each webhook.
        let bytes = size_of_result(|(ingest, endpoint, request): Called| {
            ingest.receive(endpoint, request, UrlOptions::default(), (Vec::new(), ()))
        });
        assert!(bytes <= 1024, "{bytes}");
    }

    #[test]
    fn a_panic_in_a_parser_ends_there() {
        let panicking = || panic!("an invented bug: this message in the test's output is meant");
        let ended: Result<(), _> = survive(panicking);
        assert_eq!(ended, Err(ParseError::Panicked));
        assert_eq!(survive(|| Ok(Parsed::default())), Ok(Parsed::default()));
    }
}
