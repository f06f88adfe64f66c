//! The six statuses of the payload, their rank, and the two types of a message.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::quoted;

/// A word that is not one of a closed set; carries the set for the error message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {}: expected one of {expected}", quoted(word))]
pub struct UnknownWord {
    /// What the word was meant to be, e.g. `status`.
    pub what: &'static str,
    /// The word as it was given.
    pub word: String,
    /// The words that would have been understood, comma-separated.
    pub expected: &'static str,
}

/// A status as the payload's `MessageStatus` spells it, always lower case.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Accepted by the provider, not yet with WhatsApp.
    Queued,
    /// With WhatsApp: one tick.
    Sent,
    /// On the recipient's device: two ticks.
    Delivered,
    /// Shown to the recipient: two blue ticks; implies delivered.
    Read,
    /// Will not arrive; a later delivered or read may contradict it.
    Failed,
    /// Deleted by the user; kept beside the other statuses, not instead of them.
    Deleted,
}

impl Status {
    /// Every status, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Sent,
        Self::Delivered,
        Self::Read,
        Self::Failed,
        Self::Deleted,
    ];

    /// The word as the payload, the tables and the CLI spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::Deleted => "deleted",
        }
    }

    /// How far the message has come: queued 0 < sent 1 < delivered 2 < read 3.
    ///
    /// `None` for `failed` and `deleted`, which are no steps on that way.
    #[must_use]
    pub const fn rank(self) -> Option<u8> {
        match self {
            Self::Queued => Some(0),
            Self::Sent => Some(1),
            Self::Delivered => Some(2),
            Self::Read => Some(3),
            Self::Failed | Self::Deleted => None,
        }
    }

    /// Breaks ties between reports with one provider time: the order in which they make sense.
    #[must_use]
    pub const fn order(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Sent => 1,
            Self::Failed => 2,
            Self::Delivered => 3,
            Self::Read => 4,
            Self::Deleted => 5,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = UnknownWord;

    /// Accepts any case, since subscribers type these by hand.
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(word.trim()))
            .ok_or_else(|| UnknownWord {
                what: "status",
                word: word.to_owned(),
                expected: "queued, sent, delivered, read, failed, deleted",
            })
    }
}

/// Whether a message was made from a template (the payload's `type`).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
pub enum MessageType {
    /// A free-form message inside the 24 h window.
    #[serde(rename = "Regular-Message")]
    Regular,
    /// A message made from an approved template.
    #[serde(rename = "Template-Message")]
    Template,
}

impl MessageType {
    /// The word as the payload, the tables and the CLI spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "Regular-Message",
            Self::Template => "Template-Message",
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for MessageType {
    type Err = UnknownWord;

    /// Accepts the payload's word and its first half, in any case: `Template-Message`, `template`.
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word.trim().to_ascii_lowercase().as_str() {
            "template-message" | "template" => Ok(Self::Template),
            "regular-message" | "regular" => Ok(Self::Regular),
            _ => Err(UnknownWord {
                what: "message type",
                word: word.to_owned(),
                expected: "Template-Message, Regular-Message",
            }),
        }
    }
}
