//! What a polled provider defines besides: its settings, its URLs, the ids of its messages, its answers.
//!
//! Such a provider sends nothing. An answer gives the present status of all recipients of a broadcast, so
//! it is read in parts, and compared with the one before ([`Summary`]). [`crate::duties::poll`] decides
//! when a broadcast is polled.

mod summary;

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use super::{Hints, Item, ParseError};
use crate::model::Status;
pub(crate) use summary::{AnswerFacts, Summary};

/// How a provider is polled.
#[derive(Debug)]
pub struct Pull {
    /// The settings of its `[[source]]` beside those of every polled source.
    pub settings: &'static [PullSetting],
    /// The URL of a broadcast, made of the source's `url` and the broadcast's id.
    pub url: fn(&str, &str) -> String,
    /// The id of a message, where the provider gives none: made of the broadcast, the recipient, and which
    /// of the recipient's messages it is, from 1.
    pub message_id: fn(&str, &str, u32) -> String,
    /// Finds the parts of an answer about that broadcast.
    pub open: for<'a> fn(&'a str, &str, &Hints) -> Result<BroadcastAnswer<'a>, ParseError>,
}

/// A setting that one provider's sources have.
#[derive(Debug)]
pub struct PullSetting {
    /// Its full key, e.g. `source.statuses`.
    pub path: &'static str,
    /// What it means, in lines that each begin with a blank.
    pub meaning: &'static str,
    /// What may be written.
    pub form: PullForm,
}

impl PullSetting {
    /// The key in the `[[source]]`.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }
}

/// What a provider's own setting holds.
#[derive(Debug, Clone, Copy)]
pub enum PullForm {
    /// One of two statuses; the first one where nothing is written.
    Status([Status; 2]),
    /// Other names for these parts of an answer, each with its usual ones: a name, a JSON pointer, or a
    /// list of them.
    Names(&'static [(&'static str, &'static [&'static str])]),
    /// What the provider's words mean.
    Statuses,
}

/// What a source's own settings say, by their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PullOptions {
    /// Of the form [`PullForm::Status`].
    pub status: BTreeMap<&'static str, Status>,
    /// Of the form [`PullForm::Names`]: the names by part.
    pub names: BTreeMap<&'static str, BTreeMap<&'static str, Vec<String>>>,
    /// Of the form [`PullForm::Statuses`]: the statuses by word, in lower case.
    pub statuses: BTreeMap<&'static str, BTreeMap<String, Status>>,
}

impl PullOptions {
    /// Of a source that gives none.
    pub const NONE: Self = Self {
        status: BTreeMap::new(),
        names: BTreeMap::new(),
        statuses: BTreeMap::new(),
    };
}

/// An answer, not yet looked into entry by entry.
pub struct BroadcastAnswer<'a> {
    /// Its counters, as the server has them.
    pub statistics: Statistics,
    /// Whether it lists all recipients, not only those that failed.
    pub is_whole: bool,
    /// What it says of each, read one at a time: a hundred thousand reports at once are a hundred
    /// megabytes.
    pub items: Box<dyn Iterator<Item = Item> + 'a>,
}

/// The counters of an answer; each may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Targeted users.
    pub total: Option<u64>,
    /// Those whose sending succeeded.
    pub success: Option<u64>,
    /// Those whose sending failed.
    pub failure: Option<u64>,
    /// Those still to come; reckoned where an old server does not say.
    pub pending: Option<u64>,
    /// Deprecated: always 0, and read only to say so when it is not.
    pub cancelled: Option<u64>,
}

impl fmt::Display for Statistics {
    /// As the log has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            ("total", self.total),
            ("success", self.success),
            ("failure", self.failure),
            ("pending", self.pending),
            ("cancelled", self.cancelled),
        ];
        let known = counts
            .iter()
            .filter_map(|(name, count)| Some((name, (*count)?)));
        let known: Vec<String> = known
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        f.write_str(&known.join(", "))
    }
}

impl Statistics {
    /// Whether the server's own numbers contradict each other.
    pub(crate) fn disagree(self) -> bool {
        let parts = [self.success, self.failure, self.pending];
        let sum = parts
            .into_iter()
            .try_fold(0_u64, |sum, part| part.map(|part| sum.saturating_add(part)));
        sum.is_some() && self.total.is_some() && sum != self.total
    }
}

/// What stands for the broadcast's id in the `url` of a source.
pub(crate) const ID: &str = "{id}";

/// The URL with the broadcast's id in the place of [`ID`].
pub(super) fn url_with_id(url: &str, broadcast: &str) -> String {
    let mut encoded = String::with_capacity(broadcast.len());
    for byte in broadcast.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    url.replace(ID, &encoded)
}
