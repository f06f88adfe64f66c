//! The six statuses of the payload, their rank, and the two types of a message.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Choice, UnknownWord, Word as _};

/// A status as the payload's `MessageStatus` spells it, always lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray, strum::Display)]
#[strum(serialize_all = "lowercase")]
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

impl Choice for Status {
    const WHAT: &'static str = "status";
}

impl FromStr for Status {
    type Err = UnknownWord;

    /// Accepts any case and blanks around, since subscribers type these by hand.
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let plain = word.trim().to_ascii_lowercase();
        Self::of_word(&plain).ok_or_else(|| UnknownWord::of::<Self>(word))
    }
}

impl Status {
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
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::Display,
)]
pub enum MessageType {
    /// A free-form message inside the 24 h window.
    #[serde(rename = "Regular-Message")]
    #[strum(serialize = "Regular-Message")]
    Regular,
    /// A message made from an approved template.
    #[serde(rename = "Template-Message")]
    #[strum(serialize = "Template-Message")]
    Template,
}

impl Choice for MessageType {
    const WHAT: &'static str = "message type";
}

impl FromStr for MessageType {
    type Err = UnknownWord;

    /// Accepts the payload's word and its first half, in any case: `Template-Message`, `template`.
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word.trim().to_ascii_lowercase().as_str() {
            "template-message" | "template" => Ok(Self::Template),
            "regular-message" | "regular" => Ok(Self::Regular),
            _ => Err(UnknownWord::of::<Self>(word)),
        }
    }
}
