//! Playing the providers: signed webhooks with the lifecycles of messages that never were.
//!
//! For whoever tests an endpoint or sizes a machine, and for the benchmark. [`Traffic`] is
//! pure: the same seed gives the same webhooks. [`load`] sends them. Nothing here is part of
//! the line that a true webhook takes.

pub(crate) mod bodies;
pub(crate) mod demo;
mod http;
mod lifecycle;
pub mod load;
mod message;
mod random;

use std::fmt::Write as _;

use url::Url;

use crate::config::Source;
use crate::model::Status;
use bodies::Element;
use lifecycle::Lifecycle;

pub use http::Head;
pub use lifecycle::Mishaps;
pub use message::Message;

/// What is to be sent.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The sources that take turns; at least one.
    pub sources: Vec<Source>,
    /// Where the relay is, e.g. `http://127.0.0.1:8080`; a path is put before `/webhooks`.
    pub target: Url,
    /// Reports in one webhook.
    pub batch: usize,
    /// Messages that are on their way between two of their steps.
    pub spread: usize,
    /// What goes otherwise than it should.
    pub mishaps: Mishaps,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Tells these messages from those of another run on the same store; 16 bits count.
    pub run: u32,
}

/// The webhooks of a scenario, one after the other, without an end.
#[derive(Debug)]
pub struct Traffic {
    endpoints: Vec<SimulatedSource>,
    batch: usize,
    next_inlet: usize,
    /// One for each source: a message stays with its source.
    lifecycles: Vec<Lifecycle>,
}

#[derive(Debug)]
struct SimulatedSource {
    source: Source,
    target: Url,
    host: String,
}

/// A webhook that is ready to be sent.
#[derive(Debug)]
pub struct Webhook {
    /// The whole HTTP request.
    pub request: Vec<u8>,
    /// The reports in it.
    pub told: Vec<Told>,
}

/// One report of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Told {
    /// The message.
    pub message: Message,
    /// What is reported of it.
    pub status: Status,
    /// Whether it was told before.
    pub again: bool,
}

impl Traffic {
    /// The webhooks of that scenario.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        // The upper bits of a message's run are its source.
        let lifecycle = |index: usize| {
            let index = u32::try_from(index).unwrap_or_default();
            let run = (scenario.run & 0xffff) | ((index & 0xff) << 16);
            let seed = scenario.seed.wrapping_add(u64::from(index));
            Lifecycle::new(seed, run, scenario.spread, scenario.mishaps)
        };
        Self {
            lifecycles: (0..scenario.sources.len()).map(lifecycle).collect(),
            endpoints: scenario
                .sources
                .iter()
                .map(|source| SimulatedSource::new(source, &scenario.target))
                .collect(),
            batch: scenario.batch.max(1),
            next_inlet: 0,
        }
    }

    /// The next webhook; what is in it happens now (`now_ms`, ms since 1970 UTC).
    pub fn next(&mut self, now_ms: i64) -> Webhook {
        let index = self.next_inlet;
        self.next_inlet = (index + 1) % self.endpoints.len().max(1);
        let (source, lifecycle) = (&self.endpoints[index], &mut self.lifecycles[index]);
        let provider = source.source.provider;
        let (elements, told): (Vec<_>, Vec<_>) = (0..self.batch)
            .map(|_| {
                let (event, again) = lifecycle.next(now_ms);
                let told = Told {
                    message: event.message,
                    status: event.status,
                    again,
                };
                (Element::new(provider, &event), told)
            })
            .unzip();
        let body = bodies::write(provider, source.source.sender.as_deref(), &elements);
        Webhook {
            request: source.request(&body, now_ms / 1000),
            told,
        }
    }
}

impl SimulatedSource {
    fn new(source: &Source, target: &Url) -> Self {
        let mut target = target.clone();
        if let Ok(mut path) = target.path_segments_mut() {
            path.pop_if_empty().extend(["webhooks", &source.name]);
        }
        let host = target.host_str().unwrap_or_default();
        let port = target.port_or_known_default().unwrap_or(80);
        Self {
            host: format!("{host}:{port}"),
            source: source.clone(),
            target,
        }
    }

    /// The HTTP request with that body, signed.
    fn request(&self, body: &str, now_s: i64) -> Vec<u8> {
        let proof = self.source.authentication.prove(body.as_bytes(), now_s);
        let mut path = self.target.path().to_owned();
        if let Some(token) = &proof.url_token {
            let mut target = self.target.clone();
            if let Ok(mut segments) = target.path_segments_mut() {
                segments.push(token);
            }
            target.path().clone_into(&mut path);
        }
        let mut request = String::with_capacity(512 + body.len());
        // Writing into a string cannot fail.
        let _ = write!(
            request,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: tickrelay-simulate/{}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n",
            self.host,
            env!("CARGO_PKG_VERSION"),
            body.len(),
        );
        for (name, value) in &proof.headers {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        request.push_str("\r\n");
        request.push_str(body);
        request.into_bytes()
    }
}
