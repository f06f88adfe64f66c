//! What the providers send: how it is authenticated, and what it means.
//!
//! Pure and synchronous: bytes in, [`Report`]s out; no clock, no store. A folder per provider holds
//! all of it and gives a [`Definition`]; one row of [`Provider`] registers it, and no other module
//! names a provider. The next stage is [`crate::ingest`]. CONTRIBUTING.md walks through
//! adding one.

pub mod authentication;
mod body;
mod botsquad;
mod definition;
mod dialog360;
mod infobip;
mod json;
mod meta;
mod moment;
mod pull;
pub(crate) mod sample;
mod send_receipt;
mod stray;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use crate::model::{AccountEvent, EventWords, Report, UnknownWord};

pub(crate) use body::{decode, is_as_large_as, opened};
pub use definition::{
    CredentialRules, Definition, ErrorCatalogue, ErrorCause, OwnSignature, Refusals, Samples,
    Starter,
};
pub(crate) use json::Complexity;
pub(crate) use pull::{AnswerFacts, ID, Summary};
pub use pull::{BroadcastAnswer, Pull, PullForm, PullOptions, PullSetting, Statistics};
pub use send_receipt::{Exchange, Sent, SentAll, SentFault};

/// Declares the closed set: one row a provider, its variant and where its definition is.
macro_rules! providers {
    ($($variant:ident => $definition:path,)*) => {
        /// Whose reports a source brings: the closed set of formats that are read.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Provider {
            $(#[doc = concat!("See `", stringify!($definition), "`.")] $variant,)*
        }

        impl Provider {
            /// Every provider, in the order of the documentation.
            pub const ALL: [Self; [$(stringify!($variant)),*].len()] = [$(Self::$variant),*];

            /// All that its folder defines.
            #[must_use]
            pub const fn definition(self) -> &'static Definition {
                match self {
                    $(Self::$variant => &$definition,)*
                }
            }
        }
    };
}

providers! {
    MetaCloud => meta::cloud::DEFINITION,
    MetaOnPremises => meta::on_premises::DEFINITION,
    Dialog360 => dialog360::DEFINITION,
    Infobip => infobip::DEFINITION,
    Botsquad => botsquad::DEFINITION,
}

impl Provider {
    /// The one whose format a sample has where nothing says which.
    pub(crate) const USUAL: Self = Self::MetaCloud;

    /// Those that send webhooks; the others are polled.
    pub fn push() -> impl Iterator<Item = Self> + Clone {
        Self::ALL
            .into_iter()
            .filter(|provider| !provider.is_pulled())
    }

    /// The names of those that are polled, for an error.
    pub(crate) fn pulled() -> String {
        let pulled = Self::ALL
            .into_iter()
            .filter(|provider| provider.is_pulled());
        pulled.map(Self::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Whether its API is polled, since it sends nothing.
    #[must_use]
    pub const fn is_pulled(self) -> bool {
        self.definition().pull.is_some()
    }

    /// The word in the configuration and the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.definition().name
    }

    /// By which of the catalogue's providers its errors are known.
    #[must_use]
    pub const fn errors(self) -> &'static str {
        self.definition().errors.name
    }

    /// Decodes a body, and counts what there is to be read in it.
    ///
    /// # Errors
    /// When its compression is of no known shape, or there is too much in it. A polled answer
    /// may hold any number of reports, since strangers cannot send one.
    pub(crate) fn open<'a>(
        self,
        body: &'a [u8],
        content_encoding: Option<&str>,
    ) -> Result<BodyText<'a>, ParseError> {
        let text = body::decode(body, content_encoding)?;
        let entries = match self.definition().pull {
            None => json::entries(&text)?,
            Some(_) => 0,
        };
        Ok(BodyText { text, entries })
    }

    /// Reads what was [opened](Self::open).
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub(crate) fn read(self, opened: &BodyText, hints: &Hints) -> Result<Parsed, ParseError> {
        let text = &opened.text;
        let parsed = (self.definition().read)(text, hints);
        if self.is_pulled() {
            return parsed;
        }
        parsed.or_else(|error| stray::in_form(text, error))
    }

    /// Reads an authenticated body: every report in it, and what else there was.
    ///
    /// One odd element never hurts its neighbours.
    ///
    /// # Errors
    /// When the body as a whole cannot be read (no JSON, no known shape of compression, more in
    /// it than any provider sends).
    pub fn parse(
        self,
        body: &[u8],
        content_encoding: Option<&str>,
        hints: &Hints,
    ) -> Result<Parsed, ParseError> {
        self.read(&self.open(body, content_encoding)?, hints)
    }
}

/// A body as text, not yet looked into.
pub(crate) struct BodyText<'a> {
    text: Cow<'a, str>,
    entries: usize,
}

impl BodyText<'_> {
    /// What it takes, once it is read, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.text.len() + self.entries * ITEM
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Provider {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.as_str() == word)
            .ok_or_else(|| UnknownWord {
                what: "provider",
                word: word.to_owned(),
                expected: NAMES.clone(),
            })
    }
}

/// The words for account events of the provider with that name; of one that is no longer known nothing is.
pub(crate) fn event_words(provider: &str) -> &'static EventWords {
    static UNKNOWN: EventWords = EventWords {
        title: "The provider",
        unknown: "Ask the provider what it means.",
        lines: &[],
    };
    let known = provider.parse::<Provider>().ok();
    known.map_or(&UNKNOWN, |provider| provider.definition().events)
}

/// What account events are called, by us and by the providers, as far as we have words for them.
pub(crate) fn event_names() -> impl Iterator<Item = &'static str> {
    let definitions = Provider::ALL.into_iter().map(Provider::definition);
    definitions.flat_map(|definition| definition.events.known())
}

/// Whether the error of that key refuses one message, which the provider names, and not a send.
pub(crate) fn refuses_one_message(key: &str) -> bool {
    refusals().any(|it| key.starts_with(it.of_one_message) && key != it.duplicate)
}

/// Whether the error of that key refuses a second send with an id that is taken.
pub(crate) fn refuses_a_duplicate(key: &str) -> bool {
    refusals().any(|it| key == it.duplicate)
}

/// What can cause the error of that key; `None` where no account event can.
pub(crate) fn cause(key: &str) -> Option<&'static ErrorCause> {
    let (catalogue, code) = numbered(key)?;
    let mut causes = catalogue.causes.iter();
    causes.find(|cause| cause.codes.contains(&code))
}

/// Whether the error of that key states no cause.
pub(crate) fn states_no_cause(key: &str) -> bool {
    numbered(key).is_some_and(|(catalogue, code)| catalogue.vague.contains(&code))
}

/// The catalogue that a key is of, and its number there.
fn numbered(key: &str) -> Option<(&'static ErrorCatalogue, i64)> {
    let (name, code) = key.split_once(':')?;
    let mut catalogues = Provider::ALL.into_iter().map(|it| it.definition().errors);
    let catalogue = catalogues.find(|errors| errors.name == name)?;
    Some((catalogue, code.parse().ok()?))
}

fn refusals() -> impl Iterator<Item = &'static Refusals> {
    let catalogues = Provider::ALL.into_iter().map(|it| it.definition().errors);
    catalogues.filter_map(|errors| errors.refusals.as_ref())
}

/// The names of all providers, for an error.
static NAMES: LazyLock<String> = LazyLock::new(|| Provider::ALL.map(Provider::as_str).join(", "));

/// What the source's configuration knows that a body does not say.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    /// The business's own numbers, digits only: they show which side of a report is the recipient,
    /// where the provider does not say.
    pub senders: Vec<String>,
    /// What the settings of a polled source say that its provider alone has.
    pub options: Arc<PullOptions>,
    /// The broadcast that was polled, since its answer may not say.
    pub broadcast: Option<String>,
}

/// What an item takes in memory, in bytes: a report and its words.
const ITEM: usize = 1024;

impl Parsed {
    /// What it takes, in bytes.
    pub(crate) const fn weight(&self) -> usize {
        self.items.len() * ITEM
    }
}

/// What a body holds, element by element, in the order of the body.
#[derive(Debug, Default, PartialEq)]
pub struct Parsed {
    /// One item for each thing found; empty for an empty batch.
    pub items: Vec<Item>,
}

/// One thing found in a body.
#[derive(Debug, PartialEq)]
pub enum Item {
    /// A report of a message.
    Report(Box<Report>),
    /// Not a report: acknowledged and counted under this name (`inbound`,
    /// `field:flows`, `user-action`), 64 characters at most.
    Ignored(Cow<'static, str>),
    /// A notice about the account, and not of a message.
    Account(Box<AccountEvent>),
    /// Numbers and user ids of one person: named together, or one in the place of another; two at
    /// least.
    SamePerson(Vec<String>),
    /// An element that should be a report and cannot be read as one; its bytes stay with
    /// the webhook. The text says what is wrong, without repeating personal data.
    Unreadable(String),
}

/// Why a whole body cannot be read; its bytes are kept as `unparsed`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is not JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// It is XML, which Infobip sends when a profile's content type says so.
    #[error("XML: set the content type of the notification profile to application/json")]
    Xml,
    /// Its `Content-Encoding` is not known or its compressed bytes are broken.
    #[error("cannot decode content-encoding {0}")]
    Encoding(String),
    /// The parser panicked: a bug of ours, to be mended and the webhook read again.
    #[error("the parser failed on it: please report this, then reprocess after an upgrade")]
    Panicked,
    /// It is JSON in which nothing is known.
    #[error("no known shape: {0}")]
    Shape(&'static str),
    /// Its list is there, and none of the list's entries can be read; why the first cannot.
    #[error("none of its entries can be read: {0}; see the source's fields")]
    Entries(String),
    /// Decompressed, or with its odd bytes replaced, it is larger than the limit.
    #[error("larger than {0} bytes when decompressed or decoded")]
    TooLarge(usize),
    /// There is more in it than the limit.
    #[error("more than {0} entries in its lists: have it sent in smaller batches")]
    TooMany(usize),
}
