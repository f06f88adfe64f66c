//! What a provider's folder defines: all that the rest of the service needs of a provider.
//!
//! One constant of [`Definition`] per folder, registered by one row in [`super::Provider`]. Nothing
//! outside `providers` branches on which provider it is; it reads a field here.
//!
//! A signature is data, and a function where more than the body is signed: it sees method, URL, headers and
//! body. The URL is `server.public_url` with path and query as received, never `Host` or
//! `X-Forwarded-Proto`, which a client can write.

use secrecy::SecretString;

use super::authentication::{Content, Signature};
use super::pull::Pull;
use super::sample::{Element, HistorySamples};
use super::{Exchange, Hints, ParseError, Parsed, SentAll, SentFault};
use crate::model::EventWords;

/// One provider.
#[derive(Debug)]
pub struct Definition {
    /// The word in the configuration, the tables and the fixtures.
    pub name: &'static str,
    /// Its name in a sentence: `Meta's Cloud API`.
    pub title: &'static str,
    /// How it is polled, where it sends no webhooks.
    pub pull: Option<&'static Pull>,
    /// Whether it reports no further than that a message was sent, which counts as a success then.
    pub ends_at_sent: bool,
    /// Which settings of a source authenticate it.
    pub credentials: CredentialRules,
    /// Its error codes, explained; providers that pass on one another's codes share a catalogue.
    pub errors: &'static ErrorCatalogue,
    /// Its words for account events ([`crate::model::AccountEvent`]) in ours, with what to do about each; an
    /// event without a line says so in its own provider's name.
    pub events: &'static EventWords,
    /// Reads the decoded text of a body: every report in it, and what else there was.
    pub read: fn(&str, &Hints) -> Result<Parsed, ParseError>,
    /// Reads a request to send and its answer, message by message.
    pub send_receipt: fn(Exchange<'_>, &Hints) -> Result<SentAll, SentFault>,
    /// How invented traffic uses it.
    pub samples: Samples,
    /// What `tickrelay init` writes for it; `None` when it is left to `config.example.toml`.
    pub starter: Option<Starter>,
}

/// Which settings of a `[[source]]` authenticate a provider.
#[derive(Debug)]
pub struct CredentialRules {
    /// The settings of which one at least must be given.
    pub any_of: &'static [&'static str],
    /// What is missing and where to get it, for a source that gives none of them.
    pub missing: &'static str,
    /// Settings that it never presents, each with what to give instead.
    pub misfits: &'static [(&'static str, &'static str)],
    /// Headers that it signs with, so that their values are no secrets; how a signature is checked is
    /// `signature`, or the `hmac` of a source.
    pub signs_with: &'static [&'static str],
    /// How the names of other headers begin that it sets by itself: their values prove nothing.
    pub sets: &'static [&'static str],
    /// The signature it makes by a scheme of its own, where it has one.
    pub signature: Option<OwnSignature>,
    /// Whether it checks a URL by a GET with a token that was agreed on (`verify_token`).
    pub handshake: bool,
}

/// A provider's own way to sign, known but for the secrets.
#[derive(Debug)]
pub struct OwnSignature {
    /// The setting that holds one secret, and the one that holds several.
    pub settings: [&'static str; 2],
    /// The signature that these secrets make.
    pub of: fn(Vec<SecretString>) -> Signature,
}

impl OwnSignature {
    /// Whether more than the body is signed, so that the URL must be known as the provider calls it.
    #[must_use]
    pub fn signs_url(&self) -> bool {
        matches!((self.of)(Vec::new()).content, Content::Request(_))
    }
}

/// A provider's error codes in plain words.
#[derive(Debug)]
pub struct ErrorCatalogue {
    /// The scheme of its keys: `meta` in `meta:131026`.
    pub name: &'static str,
    /// Whose words they are, in a sentence: `Meta`.
    pub title: &'static str,
    /// The text of `errors.toml`; the form is explained at the top of Meta's.
    pub toml: &'static str,
    /// How it refuses a send, where that is not always of the whole send.
    pub refusals: Option<Refusals>,
    /// Which account events can cause its errors; an error without a line is caused by none.
    pub causes: &'static [ErrorCause],
    /// The codes that state no cause: "something went wrong".
    pub vague: &'static [i64],
}

/// Errors that have the same causes.
#[derive(Debug)]
pub struct ErrorCause {
    /// Their codes.
    pub codes: &'static [i64],
    /// Our names of the account events that can cause them.
    pub events: &'static [&'static str],
    /// The one of these events that the errors themselves state: it explains enough even where nothing
    /// says which template it was.
    pub stated: Option<&'static str>,
}

impl ErrorCause {
    /// Errors that can be caused by each of these events, and say nothing of it.
    pub(super) const fn of(codes: &'static [i64], events: &'static [&'static str]) -> Self {
        Self {
            codes,
            events,
            stated: None,
        }
    }

    /// The same, and they say that it was this one.
    pub(super) const fn stating(self, event: &'static str) -> Self {
        Self {
            stated: Some(event),
            ..self
        }
    }
}

/// Refusals of a single message, by the keys of their errors.
#[derive(Debug)]
pub struct Refusals {
    /// What the keys begin with that name the message they refuse.
    pub of_one_message: &'static str,
    /// The refusal of a second send with an id that is taken: it says nothing new of the message.
    pub duplicate: &'static str,
}

/// How invented traffic uses a provider.
#[derive(Debug)]
pub struct Samples {
    /// The settings of a source beside its name and provider, as TOML; `{secret}` stands for a
    /// secret.
    pub settings: &'static str,
    /// How a request proves its origin with these settings, in words.
    pub proof: &'static str,
    /// The business's number, where the reports do not name it.
    pub sender: Option<&'static str>,
    /// The fixtures that show what happens every day, in the order of the show.
    pub everyday: &'static [&'static str],
    /// Whether it reports a message that is only queued.
    pub reports_queued: bool,
    /// Why messages fail, the frequent reasons: keys of the catalogue, one at least.
    pub frequent: &'static [&'static str],
    /// What invented history needs of it; `None` where it has none.
    pub history: Option<HistorySamples>,
    /// Keys of the catalogue that are no failures: what the provider says of a message that did not fail.
    pub not_failures: &'static [&'static str],
    /// The `Content-Type` of its bodies.
    pub content_type: &'static str,
    /// The most reports that one body holds.
    pub batch: usize,
    /// Writes the body with these reports, of the business with that number.
    pub write: fn(&mut String, &str, &[Element]),
    /// The id it would give to the message with that key, sent to that number.
    pub id: fn(u64, &str) -> String,
    /// The key of the message with that id; the inverse of `id`.
    pub key: fn(&str) -> Option<u64>,
}

/// A source that `tickrelay init` writes.
#[derive(Debug)]
pub struct Starter {
    /// A commented `[[source]]`; `{secret}` stands for a secret that is generated, `{fill-in}` for one
    /// that only the provider knows.
    pub toml: &'static str,
    /// For a source that is not commented out: who gets its URL, the source's name, and what goes with
    /// the URL.
    pub register: Option<[&'static str; 3]>,
}
