//! Why a subscriber is not notified of a report.
//!
//! It stands with the report (`report.skipped`) and not as a row per subscriber: a hundred subscribers that want
//! nothing cost nothing.

use serde::{Deserialize, Serialize};

/// Why a report does not go to a subscriber; the word stands on the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(utoipa::ToSchema, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum SkipReason {
    /// The channel is not wanted.
    Channel,
    /// The message's type is not wanted.
    Type,
    /// The status is not wanted (for this type).
    Status,
    /// The source is not wanted.
    Source,
    /// The sender is not wanted, or not known.
    Sender,
    /// It failed, but with none of the wanted errors.
    Error,
    /// A later status was already known.
    Superseded,
    /// A delivered or read was already known.
    Contradicts,
    /// The same status was already known.
    Repeated,
    /// It is none of the six statuses.
    NotAStatus,
    /// It is another channel's report of a message of WhatsApp.
    OtherChannel,
    /// A chat is notified of failures alone.
    NoFailure,
    /// A chat is notified of it in an alert, together with others of the same error.
    Gathered,
}

impl SkipReason {
    /// Whether this follows from what the report changed, so that `change` says it already.
    #[must_use]
    pub const fn is_of_change(self) -> bool {
        matches!(
            self,
            Self::Superseded
                | Self::Contradicts
                | Self::Repeated
                | Self::NotAStatus
                | Self::OtherChannel
        )
    }

    /// One clause for the timeline: why this was not forwarded.
    #[must_use]
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Channel => "its filter does not want this channel",
            Self::Type => "its filter does not want this type of message",
            Self::Status => "its filter does not want this status",
            Self::Source => "its filter does not want this source",
            Self::Sender => "its filter does not want this sender",
            Self::Error => "its filter does not want this error",
            Self::Superseded => "a later status was already known",
            Self::Contradicts => "the message had already been reported as delivered",
            Self::Repeated => "this status was already known",
            Self::NotAStatus => "it is none of the six statuses",
            Self::OtherChannel => "it is of another channel than its message",
            Self::NoFailure => "a chat is notified of failures alone",
            Self::Gathered => "it is in an alert, together with others of the same error",
        }
    }
}
